//! What is emitted beside errors, so that one mistake is one message.
//!
//! rustc gets a stand-in that names the user's types, so that their imports count as used, and
//! whose functions nobody runs. rust-analyzer gets the mended machine and goes on working.

use proc_macro2::TokenStream;
use quote::quote;

use crate::check::Checked;
use crate::expand;

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
