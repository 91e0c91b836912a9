//! The same items as a whole machine has, with nothing in them: what stands in after errors.
//!
//! Items are functions wherever they can be, since a constant would be evaluated and fail by
//! itself.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote};
use syn::{GenericParam, Lifetime};

use super::{Cx, connection};

/// One block with an implementation that compiles and does nothing.
pub(super) fn block(cx: &Cx<'_, '_>) -> TokenStream {
    let implementation = if cx.is_plain() { plain(cx) } else { machine(cx) };
    let options = &cx.checked.machine.options;
    let given =
        [&options.context, &options.input, &options.reply, &options.message, &options.error];
    let given = given.into_iter().chain([&options.shared]).flatten();
    let decoders = cx.checked.states.iter().filter_map(|state| state.syntax.decode.as_ref());
    let types = given.chain(decoders.map(|decode| &decode.alphabet));
    let (generics, _, conditions) = cx.checked.machine.generics.split_for_impl();
    quote! {
        #[allow(dead_code, unused_variables)]
        const _: () = {
            #implementation
            fn names #generics(#(_: &#types),*) #conditions {}
        };
    }
}

fn machine(cx: &Cx<'_, '_>) -> TokenStream {
    let runtime = &cx.runtime;
    // A lifetime is one of the mistakes that lead here; the trait asks for `'static`.
    let mut generics = cx.checked.machine.generics.clone();
    let lifetimes: Vec<_> = generics.lifetimes().map(|it| it.lifetime.clone()).collect();
    let is_lifetime = |it: &GenericParam| matches!(it, GenericParam::Lifetime(_));
    generics.params = generics.params.into_iter().filter(|it| !is_lifetime(it)).collect();
    let (parameters, _, conditions) = generics.split_for_impl();
    let statics = lifetimes.iter().map(|_| Lifetime::new("'static", Span::call_site()));
    let others = generics.type_params().map(|it| it.ident.to_token_stream());
    let others = others.chain(generics.const_params().map(|it| it.ident.to_token_stream()));
    let arguments = statics.map(quote::ToTokens::into_token_stream).chain(others);
    let name = cx.machine_name(Span::call_site());
    let types = if lifetimes.is_empty() { connection::types(cx) } else { unit_types() };
    let table = table(cx);
    quote! {
        impl #parameters #runtime::Machine for #name<#(#arguments),*> #conditions {
            #types
            const TABLE: &'static #runtime::table::Table = &#table;
            fn initial() -> Self { ::core::unreachable!() }
            fn state(&self) -> usize { 0 }
            fn interest(&self) -> #runtime::table::Interest { #runtime::table::Interest::NONE }
            fn deadlines(&self, _: &Self::Context) -> #runtime::Deadlines {
                #runtime::Deadlines::NONE
            }
            fn input(
                &mut self, _: &mut Self::Context, _: &mut Self::Decoder, _: &[u8], _: usize,
                _: &mut #runtime::Io<'_, Self>,
            ) -> usize { 0 }
            fn handle(
                &mut self, _: &mut Self::Context, _: #runtime::Event<'_, Self>,
                _: &mut #runtime::Io<'_, Self>,
            ) {}
            fn abandon(&mut self, _: &mut Self::Context, _: &mut #runtime::Io<'_, Self>) {}
        }
    }
}

fn unit_types() -> TokenStream {
    let names = ["Context", "Decoder", "Shared", "Reply", "Message", "Error"];
    let names = names.map(|name| syn::Ident::new(name, Span::call_site()));
    quote!(#(type #names = ();)* type Input<'input> = () where Self: 'input;)
}

fn plain(cx: &Cx<'_, '_>) -> TokenStream {
    let runtime = &cx.runtime;
    let visibility = &cx.checked.machine.visibility;
    let (generics, _, conditions) = cx.checked.machine.generics.split_for_impl();
    let machine = cx.machine_type();
    let context = cx.context_type();
    let input = cx.checked.machine.options.input.as_ref();
    let input = input.map_or_else(|| quote!(::core::convert::Infallible), |it| quote!(#it));
    let table = table(cx);
    quote! {
        impl #generics #machine #conditions {
            #visibility const TABLE: &'static #runtime::table::Table = &#table;
            #visibility fn initial() -> Self { ::core::unreachable!() }
            #visibility fn state(&self) -> usize { 0 }
            #visibility fn is_terminal(&self) -> bool { false }
            #visibility fn handle(&mut self, _: &mut #context, _: #input) {}
        }
    }
}

fn table(cx: &Cx<'_, '_>) -> TokenStream {
    let runtime = &cx.runtime;
    let name = cx.checked.machine.name.to_string();
    quote! {
        #runtime::table::Table {
            machine: #name,
            docs: "",
            input: "",
            states: &[],
            groups: &[],
            stall: ::core::time::Duration::ZERO,
            backlog: 0,
            plain: false,
            class: ::core::option::Option::None,
        }
    }
}
