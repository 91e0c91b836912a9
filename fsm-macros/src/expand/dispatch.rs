//! The functions of each state: one for every event, one for inputs, one for failures.
//!
//! A state has functions of its own so that one type error does not hide what is missing elsewhere.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::{PathArguments, Type};

use super::effect::{Site, body};
use super::switch::{self, From};
use super::{Cx, local, located};
use crate::check::{Row, State};
use crate::model::{Alternative, Head, Kind, Payload};

/// The functions of all states, in the order of the states.
pub(super) fn functions(cx: &Cx<'_, '_>) -> TokenStream {
    let states = (0..cx.checked.states.len()).filter(|&state| has_functions(cx, state));
    states.map(|state| of_state(cx, state)).collect()
}

/// Tells whether anything can happen in a state.
pub(super) fn has_functions(cx: &Cx<'_, '_>, state: usize) -> bool {
    !cx.checked.states[state].is_terminal()
}

fn of_state(cx: &Cx<'_, '_>, state: usize) -> TokenStream {
    let event = if cx.is_plain() { TokenStream::new() } else { event_function(cx, state) };
    let takes_input = cx.is_plain() || cx.checked.states[state].interest.input;
    let input = if takes_input { input_function(cx, state) } else { TokenStream::new() };
    let failed = if cx.checked.states[state].can_fail() {
        failed_function(cx, state)
    } else {
        TokenStream::new()
    };
    quote!(#event #input #failed)
}

/// `fn reading(machine, context, event, io)`: everything that can happen in the state.
fn event_function(cx: &Cx<'_, '_>, state: usize) -> TokenStream {
    let runtime = &cx.runtime;
    let checked = &cx.checked.states[state];
    let machine = cx.machine_type();
    let name = &cx.names[state].event;
    let event = local("event", Span::call_site());
    let input = input_arm(cx, state);
    let arms = runtime_arms(cx, state, checked);
    let deadlines = deadline_arms(cx, state, checked);
    let lost = default_lost(cx, state, checked);
    let content = quote! {
        match #event {
            #input
            #arms
            #deadlines
            #lost
            _ => {}
        }
    };
    let parameter = quote!(#event: #runtime::Event<'_, #machine>);
    function(cx, &quote!(), name, &parameter, &content)
}

/// `fn reading_input(machine, context, input, io)`: the hot path. In a plain machine this is all
/// there is.
fn input_function(cx: &Cx<'_, '_>, state: usize) -> TokenStream {
    let names = &cx.names[state];
    let syntax = cx.checked.states[state].syntax;
    let name = if cx.is_plain() { &names.event } else { &names.input };
    let word = if cx.is_plain() { "event" } else { "input" };
    let input = local(word, Span::call_site());
    let alphabet = cx.alphabet(state);
    let alphabet =
        alphabet.map_or(quote!(::core::convert::Infallible), quote::ToTokens::to_token_stream);
    let arms = input_arms(cx, state);
    // rustc's "non-exhaustive patterns" points at what is matched: at the state's name.
    let matched = local(word, syntax.name.span());
    let content = quote!(match #matched { #arms });
    let attributes = if cx.is_plain() { quote!(#[inline(always)]) } else { quote!(#[inline]) };
    function(cx, &attributes, name, &quote!(#input: #alphabet), &content)
}

/// `fn reading_failed(machine, context, error, io)`: where an action written with `?` leads.
fn failed_function(cx: &Cx<'_, '_>, state: usize) -> TokenStream {
    let checked = &cx.checked.states[state];
    let row = checked.row_for(&Head::Error);
    let io = local("io", Span::call_site());
    let undo = if cx.is_plain() { quote!() } else { quote!(#io.undo();) };
    let (name, done) = match row {
        Some(row) => {
            let site = Site { state, row: Some(row) };
            (bound_name(row, &Head::Error), body(cx, site, &row.effect))
        }
        None => (None, to_ending(cx, state)),
    };
    let name = name.map_or_else(|| quote!(_), quote::ToTokens::to_token_stream);
    let error = cx.error_type();
    let content = quote!(#undo #done);
    function(cx, &quote!(#[cold]), &cx.names[state].failed, &quote!(#name: #error), &content)
}

/// A free function with the machine's generics. Parameters that nothing uses get a leading
/// underscore.
fn function(
    cx: &Cx<'_, '_>,
    attributes: &TokenStream,
    name: &Ident,
    parameter: &TokenStream,
    content: &TokenStream,
) -> TokenStream {
    let (generics, _, conditions) = cx.checked.machine.generics.split_for_impl();
    let runtime = &cx.runtime;
    let machine_type = cx.machine_type();
    let context_type = cx.context_type();
    let [machine, context, io] = ["machine", "context", "io"].map(|name| used(name, content));
    let io = (!cx.is_plain()).then(|| quote!(, #io: &mut #runtime::Io<'_, #machine_type>));
    quote! {
        #attributes
        fn #name #generics(
            #machine: &mut #machine_type,
            #context: &mut #context_type,
            #parameter
            #io
        ) #conditions {
            #content
        }
    }
}

/// The parameter's name, with an underscore where `content` does not mention it.
fn used(name: &str, content: &TokenStream) -> Ident {
    if mentions(content.clone(), name) {
        local(name, Span::call_site())
    } else {
        local(&format!("_{name}"), Span::call_site())
    }
}

fn mentions(tokens: TokenStream, name: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == name,
        TokenTree::Group(group) => mentions(group.stream(), name),
        _ => false,
    })
}

/// Hands an input over to the function for inputs.
fn input_arm(cx: &Cx<'_, '_>, state: usize) -> TokenStream {
    let checked = &cx.checked.states[state];
    // A state with a decoder of its own has another alphabet than the machine's events carry.
    if !checked.interest.input || checked.syntax.decode.is_some() {
        return TokenStream::new();
    }
    let runtime = &cx.runtime;
    let name = &cx.names[state].input;
    let [machine, context, input, io] =
        ["machine", "context", "input", "io"].map(|name| local(name, Span::call_site()));
    quote!(#runtime::Event::Input(#input) => #name(#machine, #context, #input, #io),)
}

/// One arm for each row on an input, in table order, `_` last.
fn input_arms(cx: &Cx<'_, '_>, state: usize) -> TokenStream {
    let checked = &cx.checked.states[state];
    let is_input = |row: &&Row<'_>| row.alternatives.iter().any(|it| it.head.is_input());
    let is_rest = |row: &&Row<'_>| row.is_for(&Head::AnyInput);
    let rows: Vec<_> = checked.rows.iter().filter(is_input).collect();
    let named = rows.iter().copied().filter(|row| !is_rest(row));
    let rest = rows.iter().copied().filter(is_rest);
    let named = named.map(|row| input_row(cx, state, row));
    let rest = rest.map(|row| input_row(cx, state, row));
    let ignored = checked.ignores.iter().filter(|it| it.head.is_input());
    let mut ignored: Vec<_> = ignored.collect();
    ignored.sort_by_key(|it| it.head == Head::AnyInput);
    let ignored = ignored.into_iter().map(|it| match &it.variant {
        Some(name) => {
            let path = alphabet_path(cx, state, name);
            quote!(#path { .. } => {})
        }
        None => quote!(_ => {}),
    });
    quote!(#(#named)* #(#ignored)* #(#rest)*)
}

fn input_row(cx: &Cx<'_, '_>, state: usize, row: &Row<'_>) -> TokenStream {
    let inputs = row.alternatives.iter().filter(|it| it.head.is_input());
    let patterns = inputs.map(|alternative| match &alternative.payload {
        Payload::Variant(variant) => {
            let path = alphabet_path(cx, state, &variant.name);
            let fields = &variant.fields;
            quote!(#path #fields)
        }
        _ => quote!(_),
    });
    let body = body(cx, Site { state, row: Some(row) }, &row.effect);
    quote!(#(#patterns)|* => { #body })
}

/// The input's variant in the state's alphabet, with the event's own token as its name.
fn alphabet_path(cx: &Cx<'_, '_>, state: usize, variant: &Ident) -> TokenStream {
    match cx.alphabet(state) {
        Some(alphabet) => variant_path(alphabet, variant),
        None => variant.to_token_stream(),
    }
}

/// A variant of a type, shown at the variant when something is wrong.
pub(super) fn variant_path(of: &Type, variant: &Ident) -> TokenStream {
    // A type that came through `macro_rules!` stands in an invisible group.
    if let Type::Group(group) = of {
        return variant_path(&group.elem, variant);
    }
    if let Type::Path(path) = of
        && path.qself.is_none()
    {
        let mut path = path.path.clone();
        for segment in &mut path.segments {
            segment.arguments = PathArguments::None;
            segment.ident = located(&segment.ident, variant.span());
        }
        return quote!(#path::#variant);
    }
    quote!(<#of>::#variant)
}

/// One arm for each row on an event of the runtime; rows on variants of one alphabet share an arm.
/// A row may answer inputs as well: each of its patterns stands in the match it belongs to.
fn runtime_arms(cx: &Cx<'_, '_>, state: usize, checked: &State<'_>) -> TokenStream {
    let mut arms = TokenStream::new();
    for row in &checked.rows {
        arms.extend(runtime_row(cx, state, row, is_bare));
    }
    for kind in [Head::Reply(None), Head::Message(None)] {
        arms.extend(payload_arm(cx, state, &kind));
    }
    arms
}

/// Tells whether the event is one of the runtime's whose match is the outermost.
fn is_bare(head: &Head) -> bool {
    !head.is_input() && !matches!(head, Head::Reply(_) | Head::Message(_) | Head::Error)
}

/// The arm for those of the row's patterns that are meant, if there are any.
fn runtime_row(
    cx: &Cx<'_, '_>,
    state: usize,
    row: &Row<'_>,
    is_meant: impl Fn(&Head) -> bool,
) -> TokenStream {
    let meant = row.alternatives.iter().filter(|it| is_meant(&it.head));
    let patterns: Vec<_> = meant.map(|it| event_pattern(cx, it)).collect();
    if patterns.is_empty() {
        return TokenStream::new();
    }
    let body = body(cx, Site { state, row: Some(row) }, &row.effect);
    quote!(#(#patterns)|* => { #body })
}

fn event_pattern(cx: &Cx<'_, '_>, alternative: &Alternative) -> TokenStream {
    let runtime = &cx.runtime;
    let name = match &alternative.payload {
        Payload::Whole(name) => name.to_token_stream(),
        _ => quote!(_),
    };
    let event = match alternative.head {
        Head::Connected => quote!(Connected),
        Head::Eof => quote!(Eof(#name)),
        Head::Drained => quote!(Drained),
        Head::Readable => quote!(Readable),
        Head::Writable => quote!(Writable),
        Head::Reply(_) => quote!(Reply(#name)),
        Head::Message(_) => quote!(Message(#name)),
        Head::Shutdown => quote!(Shutdown),
        _ => quote!(Lost(#name)),
    };
    quote!(#runtime::Event::#event)
}

/// The arm for replies or messages: a match of its own, so that rustc finds the variant nobody
/// answers.
fn payload_arm(cx: &Cx<'_, '_>, state: usize, kind: &Head) -> TokenStream {
    let checked = &cx.checked.states[state];
    let rows: Vec<_> = checked
        .rows
        .iter()
        .filter(|row| row.alternatives.iter().any(|it| kind.covers(&it.head)))
        .collect();
    match rows[..] {
        [] => return TokenStream::new(),
        [row] if row.is_for(kind) => {
            return runtime_row(cx, state, row, |head| kind.covers(head));
        }
        _ => {}
    }
    let options = &cx.checked.machine.options;
    let (event, of) = match kind {
        Head::Reply(_) => (quote!(Reply), options.reply.as_ref()),
        _ => (quote!(Message), options.message.as_ref()),
    };
    let path = |variant: &Ident| of.map(|of| variant_path(of, variant)).unwrap_or_default();
    let arms = rows.iter().map(|row| {
        let meant = row.alternatives.iter().filter(|it| kind.covers(&it.head));
        let patterns = meant.map(|it| match &it.payload {
            Payload::Variant(variant) => {
                let (path, fields) = (path(&variant.name), &variant.fields);
                quote!(#path #fields)
            }
            Payload::Whole(name) => quote!(#name),
            Payload::None => quote!(_),
        });
        let body = body(cx, Site { state, row: Some(row) }, &row.effect);
        quote!(#(#patterns)|* => { #body })
    });
    let ignored = checked.ignores.iter().filter(|it| kind.covers(&it.head));
    let ignored = ignored.map(|it| match &it.variant {
        Some(name) => {
            let path = path(name);
            quote!(#path { .. } => {})
        }
        None => quote!(_ => {}),
    });
    let runtime = &cx.runtime;
    let payload = local("payload", checked.syntax.name.span());
    quote_spanned! {payload.span()=>
        #runtime::Event::#event(#payload) => match #payload { #(#arms)* #(#ignored)* },
    }
}

fn deadline_arms(cx: &Cx<'_, '_>, state: usize, checked: &State<'_>) -> TokenStream {
    let runtime = &cx.runtime;
    let arms = checked.deadlines.iter().map(|deadline| {
        let kind = kind_pattern(deadline.syntax.kind);
        let body = body(cx, Site { state, row: None }, &deadline.effect);
        quote!(#runtime::Event::Deadline(#runtime::table::DeadlineKind::#kind) => { #body })
    });
    arms.collect()
}

/// The number of bytes is the runtime's affair; there is one deadline of each kind.
fn kind_pattern(kind: Kind) -> TokenStream {
    match kind {
        Kind::SinceEntry => quote!(SinceEntry),
        Kind::WithoutInput => quote!(WithoutInput),
        Kind::OfPartial => quote!(OfPartial),
        Kind::WithoutProgress => quote!(WithoutProgress),
        Kind::WithoutBytes(_) => quote!(WithoutBytes { .. }),
    }
}

fn default_lost(cx: &Cx<'_, '_>, state: usize, checked: &State<'_>) -> TokenStream {
    if checked.row_for(&Head::Lost).is_some() {
        return TokenStream::new();
    }
    let runtime = &cx.runtime;
    let body = to_ending(cx, state);
    quote!(#runtime::Event::Lost(_) => { #body })
}

fn to_ending(cx: &Cx<'_, '_>, state: usize) -> TokenStream {
    let from = From { state, moved_out: false };
    match cx.checked.ending {
        Some(ending) => switch::enter_ending(cx, from, ending),
        None => TokenStream::new(),
    }
}

/// The name a row gives to what the event brings.
fn bound_name<'a>(row: &Row<'a>, head: &Head) -> Option<&'a Ident> {
    let found = row.alternatives.iter().copied().find(|it| it.head == *head)?;
    match &found.payload {
        Payload::Whole(name) => Some(name),
        _ => None,
    }
}
