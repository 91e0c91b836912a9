//! Going from one state to another: `leave`, the assignment in place, `enter`.
//!
//! The order is always the same: the action has run, then `leave` sees what the row did not give
//! away, then the new state stands where the old one stood, then the runtime is told, then `enter`
//! runs.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Member;

use super::{Cx, local, spanned};
use crate::check::Entry;
use crate::model::{Action, Shape};

/// Where a switch starts from.
#[derive(Clone, Copy)]
pub(super) struct From {
    /// The state that is left.
    pub(super) state: usize,
    /// Its fields are locals already; the placeholder stands in their place.
    pub(super) moved_out: bool,
}

/// Enters the state of `entry`, whose answered fields are bound to locals.
pub(super) fn enter(cx: &Cx<'_, '_>, from: From, entry: &Entry<'_>) -> TokenStream {
    let span = entry.syntax.name.span();
    let leave = leave(cx, from);
    let assign = assign(cx, from, entry);
    let arrive = arrive(cx, Some(from.state), entry.state, span);
    quote!(#leave #assign #arrive)
}

/// Enters the first terminal state where nobody says otherwise.
pub(super) fn enter_ending(cx: &Cx<'_, '_>, from: From, ending: usize) -> TokenStream {
    let machine = local("machine", Span::call_site());
    let leave = leave(cx, from);
    let path = cx.state_path(ending);
    let arrive = arrive(cx, Some(from.state), ending, Span::call_site());
    quote!(#leave *#machine = #path; #arrive)
}

/// Tells the runtime and runs `enter`.
pub(super) fn arrive(cx: &Cx<'_, '_>, from: Option<usize>, state: usize, at: Span) -> TokenStream {
    let io = local("io", at);
    let states = &cx.checked.states;
    let told = if cx.is_plain() {
        TokenStream::new()
    } else if states[state].is_terminal() {
        quote_spanned!(io.span()=> #io.ended();)
    } else {
        let group = states[state].group;
        let same = group.is_some() && from.is_some_and(|from| states[from].group == group);
        quote_spanned!(io.span()=> #io.entered(#same);)
    };
    let enter = match &states[state].syntax.enter {
        Some(action) => on_fields(cx, state, action),
        None => TokenStream::new(),
    };
    quote!(#told #enter)
}

/// The old state's `leave`. Fields that were moved out are locals of another name.
fn leave(cx: &Cx<'_, '_>, from: From) -> TokenStream {
    let Some(action) = &cx.checked.states[from.state].syntax.leave else {
        return TokenStream::new();
    };
    if !from.moved_out {
        return on_fields(cx, from.state, action);
    }
    let arguments = action.arguments.iter().map(|field| {
        let field = left(field);
        quote!(&mut #field)
    });
    statement(cx, action, arguments)
}

/// Calls `enter` or `leave` with fields of the state that the machine is in.
fn on_fields(cx: &Cx<'_, '_>, state: usize, action: &Action) -> TokenStream {
    let arguments = action.arguments.iter().map(|field| {
        let field = binder(field);
        quote!(#field)
    });
    let call = statement(cx, action, arguments);
    if action.arguments.is_empty() {
        return call;
    }
    let machine = local("machine", Span::call_site());
    let path = cx.state_path(state);
    let fields = action.arguments.iter().map(pattern);
    quote! {
        if let #path { #(#fields,)* .. } = #machine {
            #call
        }
    }
}

fn statement(
    cx: &Cx<'_, '_>,
    action: &Action,
    arguments: impl Iterator<Item = TokenStream>,
) -> TokenStream {
    let call = call(cx, action, arguments);
    let span = Span::mixed_site().located_at(action.name.span());
    quote_spanned!(span=> let _: () = #call;)
}

/// `context.action(arguments, io)`.
pub(super) fn call(
    cx: &Cx<'_, '_>,
    action: &Action,
    arguments: impl Iterator<Item = TokenStream>,
) -> TokenStream {
    let name = &action.name;
    let span = Span::mixed_site().located_at(name.span());
    let context = local("context", name.span());
    let io = Ident::new("io", Span::mixed_site());
    let io = (!cx.is_plain()).then_some(io);
    let arguments = arguments.chain(io.map(|io| quote!(#io)));
    // The author's own parentheses: where arguments are wrong, rustc shows and mends these.
    let arguments = quote_spanned!(span=> #(#arguments),*);
    let mut arguments = Group::new(Delimiter::Parenthesis, arguments);
    arguments.set_span(action.parentheses.unwrap_or(span));
    quote_spanned!(span=> #context.#name #arguments)
}

/// Puts the new state where the old one is; fields that are carried over move first.
fn assign(cx: &Cx<'_, '_>, from: From, entry: &Entry<'_>) -> TokenStream {
    let span = entry.syntax.name.span();
    let machine = local("machine", span);
    let is_placed = from.moved_out && entry.state == cx.checked.placeholder;
    if is_placed {
        return TokenStream::new();
    }
    let value = value(cx, entry);
    let set = quote_spanned!(machine.span()=> *#machine = #value;);
    if entry.carried.is_empty() || from.moved_out {
        return set;
    }
    let path = cx.state_path(from.state);
    let placeholder = cx.state_path(cx.checked.placeholder);
    let fields = entry.carried.iter().map(pattern);
    quote! {
        if let #path { #(#fields,)* .. } = ::core::mem::replace(#machine, #placeholder) {
            #set
        }
    }
}

/// The new state, made of answered and carried fields.
fn value(cx: &Cx<'_, '_>, entry: &Entry<'_>) -> TokenStream {
    let state = cx.checked.states[entry.state].syntax;
    let span = entry.syntax.name.span();
    let machine = cx.machine_name(span);
    let name = spanned(&state.name, span);
    if state.shape == Shape::Unit {
        return quote!(#machine::#name);
    }
    let answered = entry.answered.iter().map(|&index| placed(&state.fields[index].member, span));
    let carried = entry.carried.iter().map(|member| placed(member, member_span(member)));
    let fields = answered.chain(carried);
    quote!(#machine::#name { #(#fields),* })
}

/// A field filled from the local of its name.
fn placed(member: &Member, at: Span) -> TokenStream {
    match member {
        Member::Named(name) => {
            let mut name = name.clone();
            name.set_span(at);
            quote!(#name)
        }
        Member::Unnamed(_) => {
            let field = binder(member);
            quote!(#member: #field)
        }
    }
}

/// A field of a state bound to a local of its name.
pub(super) fn pattern(member: &Member) -> TokenStream {
    match member {
        Member::Named(name) => quote!(#name),
        Member::Unnamed(_) => {
            let field = binder(member);
            quote!(#member: #field)
        }
    }
}

/// A field kept for `leave` while others are moved away.
pub(super) fn left_pattern(member: &Member) -> TokenStream {
    let field = left(member);
    quote!(#member: mut #field)
}

fn left(member: &Member) -> Ident {
    format_ident!("left_{}", member, span = Span::mixed_site())
}

/// The local that holds a field.
pub(super) fn binder(member: &Member) -> Ident {
    match member {
        Member::Named(name) => name.clone(),
        Member::Unnamed(index) => Ident::new(&format!("field_{}", index.index), index.span),
    }
}

/// The local that holds a field the action answered.
pub(super) fn answered_binder(member: &Member, at: Span) -> Ident {
    let mut name = binder(member);
    if let Member::Named(_) = member {
        name.set_span(at);
    }
    name
}

fn member_span(member: &Member) -> Span {
    match member {
        Member::Named(name) => name.span(),
        Member::Unnamed(index) => index.span,
    }
}
