//! What one row does in one state: call the action, look at its answer, go where it says.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Member;

use super::switch::{self, From};
use super::{Cx, local, located, outcome, spanned};
use crate::check::{Answer, Effect, Entry, Row, Target, binds};
use crate::model::{Action, Shape};

/// Where an effect stands: the state, and the row whose pattern binds names, if it is one.
#[derive(Clone, Copy)]
pub(super) struct Site<'s, 'm> {
    pub(super) state: usize,
    pub(super) row: Option<&'s Row<'m>>,
}

/// The body of a match arm.
pub(super) fn body(cx: &Cx<'_, '_>, site: Site<'_, '_>, effect: &Effect<'_>) -> TokenStream {
    let Some(action) = &effect.syntax.action else {
        let from = From { state: site.state, moved_out: false };
        return match effect.targets.first() {
            Some(target) => go(cx, from, target),
            None => TokenStream::new(),
        };
    };
    let fields: Vec<&Member> =
        action.arguments.iter().filter(|name| is_field(cx, site, name)).collect();
    let moved_out = effect.takes_by_value() && !fields.is_empty();
    let from = From { state: site.state, moved_out };
    let called = called(cx, from, effect, action);
    if fields.is_empty() {
        return called;
    }
    let machine = local("machine", Span::call_site());
    let path = cx.state_path(site.state);
    let bound = fields.iter().map(|field| switch::pattern(field));
    if !moved_out {
        return quote!(if let #path { #(#bound,)* .. } = #machine { #called });
    }
    let placeholder = cx.state_path(cx.checked.placeholder);
    let kept = kept(cx, site, effect);
    quote! {
        if let #path { #(#bound,)* #(#kept,)* .. } = ::core::mem::replace(#machine, #placeholder) {
            #called
        }
    }
}

/// Tells whether an argument is a field of the state and not a name the event binds.
fn is_field(cx: &Cx<'_, '_>, site: Site<'_, '_>, name: &Member) -> bool {
    let is_bound = site.row.is_some_and(|row| binds(row.syntax, name));
    !is_bound && cx.checked.states[site.state].syntax.field(name).is_some()
}

/// What is bound beside the arguments while the old state is taken apart.
fn kept(cx: &Cx<'_, '_>, site: Site<'_, '_>, effect: &Effect<'_>) -> Vec<TokenStream> {
    let mut carried: Vec<&Member> = Vec::new();
    carried_by(cx, &effect.targets, &mut carried);
    let leave = cx.checked.states[site.state].syntax.leave.iter();
    let left = leave.flat_map(|action| &action.arguments).map(switch::left_pattern);
    carried.into_iter().map(switch::pattern).chain(left).collect()
}

fn carried_by<'a>(cx: &'a Cx<'_, '_>, targets: &'a [Target<'_>], carried: &mut Vec<&'a Member>) {
    for target in targets {
        match target {
            Target::Stay { .. } => {}
            Target::Enter(entry) => {
                let new: Vec<_> = entry.carried.iter().filter(|it| !carried.contains(it)).collect();
                carried.extend(new);
            }
            Target::Set { outcome, .. } => {
                carried_by(cx, &cx.checked.outcomes[*outcome].targets, carried);
            }
        }
    }
}

/// Calls the action and follows its answer.
fn called(cx: &Cx<'_, '_>, from: From, effect: &Effect<'_>, action: &Action) -> TokenStream {
    let arguments = action.arguments.iter().map(|name| {
        let name = switch::binder(name);
        quote!(#name)
    });
    let call = switch::call(cx, action, arguments);
    let span = Span::mixed_site().located_at(action.name.span());
    let (answer, followed) = match effect.answer {
        Answer::Nothing => {
            let go = effect.targets.first().map(|target| go(cx, from, target));
            (quote_spanned!(span=> ()), go.unwrap_or_default())
        }
        Answer::Outcome(index) => {
            (outcome::type_of(cx, index, action.name.span()), follow(cx, from, index, span))
        }
    };
    let outcome = local("outcome", action.name.span());
    if effect.is_fallible() {
        let bound = match effect.answer {
            Answer::Nothing => quote_spanned!(span=> ()),
            Answer::Outcome(_) => quote_spanned!(span=> #outcome),
        };
        return fallible(cx, from.state, &call, &answer, &bound, &followed, span);
    }
    // The answer's type stands here, so that a wrong one is reported at the action.
    match effect.answer {
        Answer::Nothing => quote_spanned!(span=> let _: () = #call; #followed),
        Answer::Outcome(_) => quote_spanned!(span=> let #outcome: #answer = #call; #followed),
    }
}

/// Asks whether the action failed before its answer is followed.
fn fallible(
    cx: &Cx<'_, '_>,
    state: usize,
    call: &TokenStream,
    answer: &TokenStream,
    bound: &TokenStream,
    followed: &TokenStream,
    span: Span,
) -> TokenStream {
    let runtime = &cx.runtime;
    let error = cx.error_type();
    let result = quote_spanned!(span=> #runtime::Fallible::<#answer, #error>::into_result(#call));
    let failed = failed(cx, state, span);
    quote_spanned! {span=>
        match #result {
            ::core::result::Result::Ok(#bound) => { #followed }
            ::core::result::Result::Err(error) => #failed,
        }
    }
}

/// The call of the state's function for failures.
fn failed(cx: &Cx<'_, '_>, state: usize, span: Span) -> TokenStream {
    let name = &cx.names[state].failed;
    let [machine, context, io] = ["machine", "context", "io"].map(|name| local(name, span));
    let io = (!cx.is_plain()).then(|| quote!(, #io));
    quote_spanned!(span=> #name(#machine, #context, error #io))
}

/// A match over the outcome, one arm for each target.
fn follow(cx: &Cx<'_, '_>, from: From, index: usize, at: Span) -> TokenStream {
    let outcome = &cx.checked.outcomes[index];
    let name = located(&outcome.name, at);
    let value = local("outcome", at);
    let arms = outcome.targets.iter().map(|target| {
        let (pattern, body) = match target {
            Target::Stay { syntax } => {
                let stay = &syntax.name;
                (quote!(#stay), TokenStream::new())
            }
            Target::Set { syntax, outcome } => {
                let set = &syntax.name;
                (quote!(#set(#value)), follow(cx, from, *outcome, at))
            }
            Target::Enter(entry) => (answered(cx, entry), go(cx, from, target)),
        };
        quote!(#name::#pattern => { #body })
    });
    quote! {
        match #value {
            #(#arms)*
        }
    }
}

/// The pattern that binds what the action answers for one target.
fn answered(cx: &Cx<'_, '_>, entry: &Entry<'_>) -> TokenStream {
    let state = cx.checked.states[entry.state].syntax;
    let span = entry.syntax.name.span();
    let name = spanned(&state.name, span);
    let members = entry.answered.iter().map(|&index| &state.fields[index].member);
    let fields = members.map(|member| switch::answered_binder(member, span));
    if entry.answered.is_empty() {
        quote!(#name)
    } else if state.shape == Shape::Tuple {
        quote!(#name(#(#fields),*))
    } else {
        quote!(#name { #(#fields),* })
    }
}

/// Goes where a target says; its answered fields are bound.
fn go(cx: &Cx<'_, '_>, from: From, target: &Target<'_>) -> TokenStream {
    match target {
        Target::Enter(entry) => switch::enter(cx, from, entry),
        Target::Stay { .. } | Target::Set { .. } => TokenStream::new(),
    }
}
