//! The derive behind `fsm-runtime`: see there.
//!
//! A table goes through three passes: parse, check, expand. Where a pass finds mistakes, all of
//! them are reported together and a stand-in is emitted, so that nothing else complains.

mod check;
mod diag;
mod expand;
mod fallback;
mod model;
mod parse;
#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;
use quote::quote;
use syn::DeriveInput;

use diag::Errors;

#[doc = include_str!("derive.md")]
#[proc_macro_derive(
    Machine,
    attributes(
        machine, initial, terminal, on, after, ignores, enter, leave, decode, group, outcome, shed,
        class
    )
)]
pub fn derive_machine(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    compile(&syn::parse_macro_input!(input)).into()
}

/// The passes, one after the other.
fn compile(input: &DeriveInput) -> TokenStream {
    let mut errors = Errors::default();
    let machine = parse::machine(input, &mut errors);
    let checked = machine.as_ref().and_then(|machine| check::check(machine, &mut errors));
    match (checked, errors.into_tokens()) {
        (Some(checked), None) => expand::expand(&checked),
        (Some(checked), Some(errors)) => {
            let stand_in = fallback::stand_in(&checked);
            quote!(#errors #stand_in)
        }
        (None, errors) => {
            let stand_in = fallback::stand_in_without_states(input);
            quote!(#errors #stand_in)
        }
    }
}
