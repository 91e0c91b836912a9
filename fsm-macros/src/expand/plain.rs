//! The inherent functions of a machine without a socket. They need nothing but `core` and the
//! table's types.

use proc_macro2::{Span, TokenStream};
use quote::quote;

use super::{Cx, connection, docs, local, table};

/// The whole implementation.
pub(super) fn implementation(cx: &Cx<'_, '_>) -> TokenStream {
    let runtime = &cx.runtime;
    let visibility = &cx.checked.machine.visibility;
    let (generics, _, conditions) = cx.checked.machine.generics.split_for_impl();
    let machine = cx.machine_type();
    let docs = docs::table(cx);
    let table = table::value(cx);
    let initial = connection::initial(cx, visibility);
    let state = connection::state(cx, visibility);
    let is_terminal = is_terminal(cx);
    let handle = handle(cx);
    quote! {
        #[doc = #docs]
        #[automatically_derived]
        #[allow(dead_code)]
        impl #generics #machine #conditions {
            /// The table as data.
            #visibility const TABLE: &'static #runtime::table::Table = #table;
            /// A new machine, in its initial state.
            #[must_use]
            #initial
            /// The state the machine is in, an index into `TABLE.states`.
            #[must_use]
            #state
            #is_terminal
            #handle
        }
    }
}

fn is_terminal(cx: &Cx<'_, '_>) -> Option<TokenStream> {
    let visibility = &cx.checked.machine.visibility;
    cx.checked.ending?;
    let states = cx.checked.states.iter().enumerate();
    let ends = states.filter(|(_, state)| state.is_terminal());
    let ends = ends.map(|(index, _)| cx.state_pattern(index));
    Some(quote! {
        /// Tells whether the machine has ended.
        #[must_use]
        #[inline]
        #visibility fn is_terminal(&self) -> bool {
            ::core::matches!(self, #(#ends)|*)
        }
    })
}

fn handle(cx: &Cx<'_, '_>) -> TokenStream {
    let visibility = &cx.checked.machine.visibility;
    let [context, event] = ["context", "event"].map(|name| local(name, Span::call_site()));
    let context_type = cx.context_type();
    let input = cx.checked.machine.options.input.as_ref();
    let input = input.map_or(quote!(::core::convert::Infallible), quote::ToTokens::to_token_stream);
    let arms = cx.checked.states.iter().enumerate().map(|(index, state)| {
        let pattern = cx.state_pattern(index);
        let name = &cx.names[index].event;
        if state.is_terminal() {
            quote!(#pattern => {})
        } else {
            quote!(#pattern => #name(self, #context, #event),)
        }
    });
    quote! {
        /// Dispatches one event.
        #[inline]
        #visibility fn handle(&mut self, #context: &mut #context_type, #event: #input) {
            match self { #(#arms)* }
        }
    }
}
