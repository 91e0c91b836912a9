//! What is emitted beside errors, so that one mistake is one message.
//!
//! rustc gets a stand-in that names the user's types, so that their imports count as used, and
//! whose functions nobody runs. rust-analyzer gets the mended machine and goes on working.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, parse_quote};

use crate::check::{self, Checked};
use crate::diag::Errors;
use crate::{expand, parse};

/// A machine that compiles and does nothing.
pub(crate) fn stand_in(checked: &Checked<'_>) -> TokenStream {
    let outcomes = expand::outcomes(checked);
    let mended = expand::private(checked);
    let stand_in = expand::hollow(checked);
    quote! {
        #outcomes
        #[allow(unexpected_cfgs)]
        const _: () = {
            #[cfg(rust_analyzer)]
            #mended
            #[cfg(not(rust_analyzer))]
            #stand_in
        };
    }
}

/// The same for what has no states to mend: as if it had one.
pub(crate) fn stand_in_without_states(input: &DeriveInput) -> TokenStream {
    let begin: DeriveInput = parse_quote! { enum Begin { #[initial] Begin } };
    let input = DeriveInput { data: begin.data, ..input.clone() };
    let mut unheard = Errors::default();
    let machine = parse::machine(&input, &mut unheard);
    let checked = machine.as_ref().and_then(|machine| check::check(machine, &mut unheard));
    checked.as_ref().map(expand::hollow).unwrap_or_default()
}
