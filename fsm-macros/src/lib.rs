//! The derive behind `fsm-runtime`: see there.

use proc_macro::TokenStream;

/// Turns an annotated enum into a connection state machine.
#[proc_macro_derive(
    Machine,
    attributes(
        machine, initial, terminal, on, after, ignores, enter, leave, decode, group, outcome, shed,
        class
    )
)]
pub fn derive_machine(_input: TokenStream) -> TokenStream {
    TokenStream::new()
}
