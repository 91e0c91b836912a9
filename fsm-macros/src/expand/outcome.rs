//! The enums that choosing actions answer, one variant for each target.
//!
//! Nothing generated ever constructs them: so rustc's own lint for variants that are never built
//! points at the target of an edge that is declared and never taken. For the same reason every
//! variant, its braces included, carries the span of its target, and the enums are no wider than
//! `pub(crate)`.

use std::collections::HashSet;

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::visit::Visit;
use syn::{GenericParam, Generics, Lifetime, Visibility, WherePredicate};

use super::{Cx, located, spanned};
use crate::check::{Entry, Outcome, Target};
use crate::model::Shape;

/// All of them, beside the user's enum.
pub(super) fn enums(cx: &Cx<'_, '_>) -> TokenStream {
    let outcomes = cx.checked.outcomes.iter();
    outcomes.map(|outcome| one(cx, outcome)).collect()
}

fn one(cx: &Cx<'_, '_>, outcome: &Outcome<'_>) -> TokenStream {
    let visibility = visibility(&cx.checked.machine.visibility);
    let name = &outcome.name;
    let generics = generics(cx, outcome);
    let (parameters, _, conditions) = generics.split_for_impl();
    let variants = outcome.targets.iter().map(|target| variant(cx, target));
    let docs = format!("Where `{}` may lead.", outcome.owner);
    // What rustc says about the whole enum is shown at the action or the set it is named after.
    let span = name.span();
    quote_spanned! {span=>
        #[doc = #docs]
        #visibility enum #name #parameters #conditions {
            #(#variants,)*
        }
    }
}

/// The type with the arguments it takes from the machine.
pub(super) fn type_of(cx: &Cx<'_, '_>, outcome: usize, at: Span) -> TokenStream {
    let outcome = &cx.checked.outcomes[outcome];
    let name = located(&outcome.name, at);
    let generics = generics(cx, outcome);
    let (_, arguments, _) = generics.split_for_impl();
    quote!(#name #arguments)
}

/// No wider than the machine, and never so wide that rustc stops looking for variants nobody
/// builds.
fn visibility(machine: &Visibility) -> TokenStream {
    match machine {
        Visibility::Public(_) => quote!(pub(crate)),
        narrower => narrower.to_token_stream(),
    }
}

fn variant(cx: &Cx<'_, '_>, target: &Target<'_>) -> TokenStream {
    match target {
        Target::Stay { syntax } => syntax.name.to_token_stream(),
        Target::Set { syntax, outcome } => {
            let inner = type_of(cx, *outcome, syntax.name.span());
            let name = &syntax.name;
            let inner = grouped(Delimiter::Parenthesis, inner, name.span());
            quote!(#name #inner)
        }
        Target::Enter(entry) => entry_variant(cx, entry),
    }
}

fn entry_variant(cx: &Cx<'_, '_>, entry: &Entry<'_>) -> TokenStream {
    let state = cx.checked.states[entry.state].syntax;
    let name = &entry.syntax.name;
    let fields = entry.answered.iter().map(|&index| &state.fields[index]);
    let span = name.span();
    let name = spanned(&state.name, span);
    if entry.answered.is_empty() {
        return name.into_token_stream();
    }
    let (delimiter, fields): (_, TokenStream) = if state.shape == Shape::Tuple {
        let types = fields.map(|field| &field.ty);
        (Delimiter::Parenthesis, quote!(#(#types),*))
    } else {
        let fields = fields.map(|field| {
            let (member, ty) = (&field.member, &field.ty);
            quote!(#member: #ty)
        });
        (Delimiter::Brace, quote!(#(#fields),*))
    };
    let fields = grouped(delimiter, fields, span);
    quote_spanned!(span=> #name #fields)
}

fn grouped(delimiter: Delimiter, tokens: TokenStream, span: Span) -> TokenTree {
    let mut group = Group::new(delimiter, tokens);
    group.set_span(span);
    group.into()
}

/// Only the parameters that the fields use, else rustc refuses the enum (E0392).
fn generics(cx: &Cx<'_, '_>, outcome: &Outcome<'_>) -> Generics {
    let all = &cx.checked.machine.generics;
    let mut used = Names::default();
    visit_fields(cx, &outcome.targets, &mut used);
    let unused: HashSet<String> =
        all.params.iter().map(parameter_name).filter(|name| !used.0.contains(name)).collect();
    let mut generics = all.clone();
    generics.params =
        all.params.iter().filter(|it| used.0.contains(&parameter_name(it))).cloned().collect();
    for parameter in &mut generics.params {
        drop_bounds(parameter, &unused);
    }
    if let Some(conditions) = &mut generics.where_clause {
        let kept = conditions.predicates.iter().filter(|it| !mentions(it, &unused));
        conditions.predicates = kept.cloned().collect();
    }
    generics
}

fn visit_fields(cx: &Cx<'_, '_>, targets: &[Target<'_>], used: &mut Names) {
    for target in targets {
        match target {
            Target::Stay { .. } => {}
            Target::Enter(entry) => {
                let fields = &cx.checked.states[entry.state].syntax.fields;
                entry.answered.iter().for_each(|&index| used.visit_type(&fields[index].ty));
            }
            Target::Set { outcome, .. } => {
                visit_fields(cx, &cx.checked.outcomes[*outcome].targets, used);
            }
        }
    }
}

/// Every single word that types are made of, among them the names of generic parameters.
#[derive(Default)]
struct Names(HashSet<String>);

impl<'ast> Visit<'ast> for Names {
    fn visit_ident(&mut self, ident: &'ast Ident) {
        self.0.insert(ident.to_string());
    }

    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        self.0.insert(lifetime.to_string());
    }
}

fn parameter_name(parameter: &GenericParam) -> String {
    match parameter {
        GenericParam::Lifetime(it) => it.lifetime.to_string(),
        GenericParam::Type(it) => it.ident.to_string(),
        GenericParam::Const(it) => it.ident.to_string(),
    }
}

/// Leaves out bounds that speak of parameters the enum does not have.
fn drop_bounds(parameter: &mut GenericParam, unused: &HashSet<String>) {
    let GenericParam::Type(parameter) = parameter else { return };
    let kept = parameter.bounds.iter().filter(|bound| {
        let mut names = Names::default();
        names.visit_type_param_bound(bound);
        names.0.is_disjoint(unused)
    });
    parameter.bounds = kept.cloned().collect();
}

fn mentions(predicate: &WherePredicate, unused: &HashSet<String>) -> bool {
    let mut names = Names::default();
    names.visit_where_predicate(predicate);
    !names.0.is_disjoint(unused)
}
