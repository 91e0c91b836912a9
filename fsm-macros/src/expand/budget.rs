//! `max_size`: the size of each state's data, checked when the machine is compiled.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;

use super::Cx;
use crate::model::State;

/// One assertion for each state with data. A generic machine is measured where it is used.
pub(super) fn assertions(cx: &Cx<'_, '_>) -> TokenStream {
    let assertions = over_states(cx, false);
    assertions
        .into_iter()
        .map(|(span, assertion)| quote_spanned!(span=> const _: () = #assertion;))
        .collect()
}

/// The same for a generic machine, inside a function that every user of it calls.
pub(super) fn generic_assertion(cx: &Cx<'_, '_>) -> TokenStream {
    let assertions = over_states(cx, true);
    assertions
        .into_iter()
        .map(|(span, assertion)| quote_spanned!(span=> const { #assertion }))
        .collect()
}

fn over_states(cx: &Cx<'_, '_>, generic: bool) -> Vec<(Span, TokenStream)> {
    let Some(budget) = cx.checked.machine.options.max_size else { return Vec::new() };
    if cx.checked.machine.generics.params.is_empty() == generic {
        return Vec::new();
    }
    let states = cx.checked.machine.states.iter().filter(|state| !state.fields.is_empty());
    states.map(|state| assertion(state, budget)).collect()
}

fn assertion(state: &State, budget: u64) -> (Span, TokenStream) {
    let span = Span::mixed_site().located_at(state.name.span());
    let types = state.fields.iter().map(|field| &field.ty);
    let budget_literal = proc_macro2::Literal::u64_unsuffixed(budget);
    let message = format!(
        "state `{}` is larger than `max_size = {budget}` bytes; box what is rarely used, or \
        raise the budget",
        state.name
    );
    let assertion = quote_spanned! {span=>
        ::core::assert!(::core::mem::size_of::<(#(#types,)*)>() <= #budget_literal, #message)
    };
    (span, assertion)
}
