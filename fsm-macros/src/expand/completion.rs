//! A function that only rust-analyzer sees: it names every state, so that targets complete inside
//! the attributes.

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::Cx;
use super::dispatch::variant_path;
use crate::model::{Head, Payload, Scope};

/// `fn completions()`.
pub(super) fn function(cx: &Cx<'_, '_>) -> TokenStream {
    let machine = cx.checked.machine;
    let scopes = machine.states.iter().map(|state| &state.scope);
    let scopes = scopes.chain(machine.groups.iter().map(|group| &group.scope));
    let scopes: Vec<_> = scopes.chain([&machine.shared]).collect();
    let name = &machine.name;
    // Also names that mean nothing yet, so that they complete while they are typed.
    let is_set = |target: &Ident| machine.sets.iter().any(|set| set.name == *target);
    let targets = scopes.iter().flat_map(|scope| targets(scope));
    let targets = targets.filter(|target| !is_set(target) && *target != "Stay");
    let targets = targets.map(|target| quote!(let _ = #name::#target;));
    let events = machine.options.input.iter().flat_map(|input| {
        let names = scopes.iter().flat_map(|scope| inputs(scope));
        names.map(move |event| {
            let path = variant_path(input, event);
            quote!(let _ = #path;)
        })
    });
    quote! {
        #[cfg(rust_analyzer)]
        fn completions() {
            #(#targets)*
            #(#events)*
        }
    }
}

fn targets(scope: &Scope) -> impl Iterator<Item = &Ident> {
    let effects = scope.rows.iter().map(|row| &row.effect);
    let effects = effects.chain(scope.deadlines.iter().map(|deadline| &deadline.effect));
    effects.flat_map(|effect| &effect.targets).map(|target| &target.name)
}

fn inputs(scope: &Scope) -> impl Iterator<Item = &Ident> {
    let alternatives = scope.rows.iter().flat_map(|row| &row.alternatives);
    alternatives.filter_map(|alternative| match (&alternative.head, &alternative.payload) {
        (Head::Input(_), Payload::Variant(variant)) => Some(&variant.name),
        _ => None,
    })
}
