//! `impl Machine for ..`: what the worker drives.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::visit_mut::VisitMut;
use syn::{Lifetime, Type, TypeReference, Visibility};

use super::{Cx, docs, local, or_default, switch, table};
use crate::check::{Deadline, Origin, State};
use crate::model::{Action, Kind, Limit};

/// The whole implementation.
pub(super) fn implementation(cx: &Cx<'_, '_>) -> TokenStream {
    let runtime = &cx.runtime;
    let (generics, _, conditions) = cx.checked.machine.generics.split_for_impl();
    let machine = cx.machine_type();
    let docs = docs::table(cx);
    let types = types(cx);
    let table = table::value(cx);
    let initial = initial(cx, &Visibility::Inherited);
    let state = state(cx, &Visibility::Inherited);
    let interest = interest(cx);
    let deadlines = deadlines(cx);
    let input = input(cx);
    let handle = handle(cx);
    let abandon = abandon(cx);
    quote! {
        #[doc = #docs]
        #[automatically_derived]
        impl #generics #runtime::Machine for #machine #conditions {
            #types
            const TABLE: &'static #runtime::table::Table = #table;
            #initial
            #state
            #interest
            #deadlines
            #input
            #handle
            #abandon
        }
    }
}

/// The associated types.
pub(super) fn types(cx: &Cx<'_, '_>) -> TokenStream {
    let runtime = &cx.runtime;
    let options = &cx.checked.machine.options;
    let never = || quote!(::core::convert::Infallible);
    let context = cx.context_type();
    let input = match &options.input {
        Some(input) => with_lifetime(input, "'input"),
        None => never(),
    };
    let decoder = match &options.input {
        Some(input) => {
            let input = with_lifetime(input, "'static");
            quote!(<#input as #runtime::Input<'static>>::Decoder)
        }
        None => quote!(()),
    };
    let shared = or_default(options.shared.as_ref(), || quote!(()));
    let reply = or_default(options.reply.as_ref(), never);
    let message = or_default(options.message.as_ref(), never);
    let error = cx.error_type();
    // Where rustc refuses a type, it says so at the type as written.
    let at = |given: &Option<Type>| given.as_ref().map_or_else(Span::call_site, span_of);
    let context = quote_spanned!(at(&options.context)=> type Context = #context;);
    let shared = quote_spanned!(at(&options.shared)=> type Shared = #shared;);
    let reply = quote_spanned!(at(&options.reply)=> type Reply = #reply;);
    let message = quote_spanned!(at(&options.message)=> type Message = #message;);
    let error = quote_spanned!(at(&options.error)=> type Error = #error;);
    quote! {
        #context
        type Input<'input> = #input where Self: 'input;
        type Decoder = #decoder;
        #shared
        #reply
        #message
        #error
    }
}

/// Where a type is written; what is made with this span still means what generated code means.
fn span_of(ty: &Type) -> Span {
    Span::call_site().located_at(ty.span())
}

/// The type with every lifetime that is left open replaced by `name`.
fn with_lifetime(ty: &Type, name: &str) -> TokenStream {
    struct Fill<'a>(&'a str);
    impl VisitMut for Fill<'_> {
        fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
            if lifetime.ident == "_" {
                *lifetime = Lifetime::new(self.0, lifetime.span());
            }
        }

        fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
            let span = reference.and_token.spans[0];
            reference.lifetime.get_or_insert_with(|| Lifetime::new(self.0, span));
            syn::visit_mut::visit_type_reference_mut(self, reference);
        }
    }
    let mut ty = ty.clone();
    Fill(name).visit_type_mut(&mut ty);
    ty.into_token_stream()
}

pub(super) fn initial(cx: &Cx<'_, '_>, visibility: &Visibility) -> TokenStream {
    let name = &cx.checked.states[cx.checked.initial].syntax.name;
    let name = super::located(name, Span::call_site());
    let budget = super::budget::generic_assertion(cx);
    quote! {
        #[inline]
        #visibility fn initial() -> Self {
            #budget
            Self::#name
        }
    }
}

pub(super) fn state(cx: &Cx<'_, '_>, visibility: &Visibility) -> TokenStream {
    let arms = (0..cx.checked.states.len()).map(|index| {
        let pattern = cx.state_pattern(index);
        quote!(#pattern => #index)
    });
    quote! {
        #[inline]
        #visibility fn state(&self) -> usize {
            match self { #(#arms,)* }
        }
    }
}

fn interest(cx: &Cx<'_, '_>) -> TokenStream {
    let runtime = &cx.runtime;
    let arms = cx.checked.states.iter().enumerate().map(|(index, state)| {
        let pattern = cx.state_pattern(index);
        let interest = table::interest(&quote!(#runtime::table::Interest), cx, state);
        quote!(#pattern => #interest)
    });
    quote! {
        #[inline]
        fn interest(&self) -> #runtime::table::Interest {
            match self { #(#arms,)* }
        }
    }
}

fn deadlines(cx: &Cx<'_, '_>) -> TokenStream {
    let runtime = &cx.runtime;
    let arms: Vec<_> = (0..cx.checked.states.len()).map(|index| deadlines_of(cx, index)).collect();
    let context = local("context", Span::call_site());
    let context =
        if cx.checked.states.iter().any(asks_context) { quote!(#context) } else { quote!(_) };
    quote! {
        fn deadlines(&self, #context: &Self::Context) -> #runtime::Deadlines {
            match self { #(#arms,)* }
        }
    }
}

fn asks_context(state: &State<'_>) -> bool {
    state.deadlines.iter().any(|deadline| matches!(deadline.syntax.limit, Limit::Method(_)))
}

fn deadlines_of(cx: &Cx<'_, '_>, index: usize) -> TokenStream {
    let runtime = &cx.runtime;
    let state = &cx.checked.states[index];
    if state.deadlines.is_empty() {
        let pattern = cx.state_pattern(index);
        return quote!(#pattern => #runtime::Deadlines::NONE);
    }
    let mut fields: Vec<&syn::Member> = Vec::new();
    let limits: Vec<_> = state
        .deadlines
        .iter()
        .map(|deadline| {
            if let Limit::Method(action) = &deadline.syntax.limit {
                let new: Vec<_> =
                    action.arguments.iter().filter(|it| !fields.contains(it)).collect();
                fields.extend(new);
            }
            limit(cx, deadline)
        })
        .collect();
    let path = cx.self_path(index);
    let fields = fields.into_iter().map(switch::pattern);
    let pattern = if state.syntax.fields.is_empty() {
        cx.state_pattern(index)
    } else {
        quote!(#path { #(#fields,)* .. })
    };
    quote!(#pattern => #runtime::Deadlines { #(#limits,)* ..#runtime::Deadlines::NONE })
}

/// One field of `Deadlines`.
fn limit(cx: &Cx<'_, '_>, deadline: &Deadline<'_>) -> TokenStream {
    let limit = match &deadline.syntax.limit {
        Limit::Fixed(duration, _) => {
            let duration = table::duration(*duration);
            quote!(::core::option::Option::Some(#duration))
        }
        Limit::Method(action) => method_limit(cx, action),
    };
    match deadline.syntax.kind {
        Kind::SinceEntry if deadline.origin == Origin::Group => {
            quote!(since_group: #limit)
        }
        Kind::SinceEntry => quote!(since_entry: #limit),
        Kind::WithoutInput => quote!(without_input: #limit),
        Kind::OfPartial => quote!(of_partial: #limit),
        Kind::WithoutProgress => quote!(without_progress: #limit),
        Kind::WithoutBytes(bytes) => match &deadline.syntax.limit {
            Limit::Fixed(duration, _) => {
                let duration = table::duration(*duration);
                quote!(without_bytes: ::core::option::Option::Some((#duration, #bytes)))
            }
            Limit::Method(_) => quote! {
                without_bytes: match #limit {
                    ::core::option::Option::Some(limit) => {
                        ::core::option::Option::Some((limit, #bytes))
                    }
                    ::core::option::Option::None => ::core::option::Option::None,
                }
            },
        },
    }
}

fn method_limit(cx: &Cx<'_, '_>, action: &Action) -> TokenStream {
    let runtime = &cx.runtime;
    let name = &action.name;
    let span = Span::mixed_site().located_at(name.span());
    let context = local("context", name.span());
    let fields = action.arguments.iter().map(switch::binder);
    quote::quote_spanned! {span=>
        #runtime::IntoLimit::into_limit(#context.#name(#(#fields),*))
    }
}

/// Decodes one input in place and hands it to the state's own function.
fn input(cx: &Cx<'_, '_>) -> TokenStream {
    let runtime = &cx.runtime;
    let reads = |index: &usize| cx.checked.states[*index].interest.input;
    let count = cx.checked.states.len();
    let arms: Vec<_> = (0..count).filter(reads).map(|index| input_arm(cx, index)).collect();
    let others: Vec<_> =
        (0..count).filter(|index| !reads(index)).map(|index| cx.state_pattern(index)).collect();
    let others = (!others.is_empty()).then(|| quote!(#(#others)|* => 0,));
    let has_own = |index: usize| cx.checked.states[index].syntax.decode.is_some();
    let decodes = (0..count).filter(reads).any(|index| !has_own(index));
    // What nothing uses gets a leading underscore.
    let name = |name: &str, is_used: bool| {
        let underscore = if is_used { "" } else { "_" };
        local(&format!("{underscore}{name}"), Span::call_site())
    };
    let decoder = name("decoder", decodes);
    let [context, bytes, seen, io] =
        ["context", "bytes", "seen", "io"].map(|it| name(it, !arms.is_empty()));
    quote! {
        #[inline(always)]
        fn input(
            &mut self,
            #context: &mut Self::Context,
            #decoder: &mut Self::Decoder,
            #bytes: &[u8],
            #seen: usize,
            #io: &mut #runtime::Io<'_, Self>,
        ) -> usize {
            match self {
                #(#arms)*
                #others
            }
        }
    }
}

fn input_arm(cx: &Cx<'_, '_>, index: usize) -> TokenStream {
    let runtime = &cx.runtime;
    let state = cx.checked.states[index].syntax;
    let [context, decoder, bytes, seen, io] =
        ["context", "decoder", "bytes", "seen", "io"].map(|name| local(name, Span::call_site()));
    let function = &cx.names[index].input;
    let Some(alphabet) = cx.alphabet(index) else { return TokenStream::new() };
    let (pattern, decoder) = match &state.decode {
        Some(decode) => {
            let path = cx.self_path(index);
            let field = switch::pattern(&decode.field);
            let decoder = switch::binder(&decode.field);
            (quote!(#path { #field, .. }), quote!(#decoder))
        }
        None => (cx.state_pattern(index), quote!(#decoder)),
    };
    quote! {
        #pattern => match <#alphabet as #runtime::Input<'_>>::decode(#decoder, #bytes, #seen) {
            ::core::option::Option::Some((taken, input)) => {
                #function(self, #context, input, #io);
                taken
            }
            ::core::option::Option::None => 0,
        },
    }
}

fn handle(cx: &Cx<'_, '_>) -> TokenStream {
    let runtime = &cx.runtime;
    let [context, event, io] =
        ["context", "event", "io"].map(|name| local(name, Span::call_site()));
    let arms = cx.checked.states.iter().enumerate().map(|(index, state)| {
        let pattern = cx.state_pattern(index);
        let name = &cx.names[index].event;
        if state.is_terminal() {
            quote!(#pattern => {})
        } else {
            quote!(#pattern => #name(self, #context, #event, #io),)
        }
    });
    quote! {
        fn handle(
            &mut self,
            #context: &mut Self::Context,
            #event: #runtime::Event<'_, Self>,
            #io: &mut #runtime::Io<'_, Self>,
        ) {
            match self { #(#arms)* }
        }
    }
}

/// After a panic: no `leave`, the data is dropped, the first terminal state is entered.
fn abandon(cx: &Cx<'_, '_>) -> TokenStream {
    let runtime = &cx.runtime;
    let state = cx.checked.placeholder;
    let path = cx.self_path(state);
    let machine = local("machine", Span::call_site());
    let arrive = switch::arrive(cx, None, state, Span::call_site());
    let [context, io] = ["context", "io"].map(|name| local(name, Span::call_site()));
    let has_enter = cx.checked.states[state].syntax.enter.is_some();
    let context = if has_enter { context } else { local("_context", Span::call_site()) };
    quote! {
        #[cold]
        fn abandon(&mut self, #context: &mut Self::Context, #io: &mut #runtime::Io<'_, Self>) {
            let #machine = self;
            *#machine = #path;
            #arrive
        }
    }
}
