//! The table as data: `TABLE`, a value of `fsm_runtime::table::Table`.

use std::time::Duration;

use proc_macro2::{Ident, Literal, TokenStream};
use quote::{ToTokens as _, quote};
use syn::Member;
use syn::ext::IdentExt as _;

use super::Cx;
use crate::check::{Deadline, Effect, Origin, Row, State, Target};
use crate::model::{Class, Head, Kind, Limit, Shed};

/// Unsent output that does not move for this long is given up, unless `stall` says otherwise.
const STALL: Duration = Duration::from_secs(30);
/// So much unsent output, filled by messages, is given up, unless `backlog` says otherwise.
const BACKLOG: u64 = 256 * 1024;

/// The whole table.
pub(super) fn value(cx: &Cx<'_, '_>) -> TokenStream {
    let machine = cx.checked.machine;
    let runtime = &cx.runtime;
    let name = plain_name(&machine.name);
    let docs = &machine.docs;
    let input = machine.options.input.as_ref();
    let input = input.map(|ty| crate::parse::text(&ty.to_token_stream())).unwrap_or_default();
    let states = cx.checked.states.iter().enumerate().map(|(index, it)| state(cx, index, it));
    let groups = (0..machine.groups.len()).map(|index| group(cx, index));
    let stall = duration(machine.options.stall.unwrap_or(STALL));
    let backlog = Literal::u64_unsuffixed(machine.options.backlog.unwrap_or(BACKLOG));
    let plain = machine.options.plain.is_some();
    let class = class(machine.options.class);
    // The block has names of its own, so that a large table stays readable and quick to compile.
    quote! {{
        #[allow(unused_imports)]
        use #runtime::table::{
            Class, Deadline, DeadlineKind, Group, Interest, Limit, Origin, Row, Shed, State,
            StateKind, Table, Target,
        };
        #[allow(unused_imports)]
        use ::core::option::Option::{None, Some};
        &Table {
            machine: #name,
            docs: #docs,
            input: #input,
            states: &[#(#states),*],
            groups: &[#(#groups),*],
            stall: #stall,
            backlog: #backlog,
            plain: #plain,
            class: #class,
        }
    }}
}

fn group(cx: &Cx<'_, '_>, index: usize) -> TokenStream {
    let name = plain_name(&cx.checked.machine.groups[index].name);
    let states = cx.checked.states.iter().enumerate();
    let members = states.filter(|(_, state)| state.group == Some(index)).map(|(index, _)| index);
    quote!(Group { name: #name, states: &[#(#members),*] })
}

fn state(cx: &Cx<'_, '_>, index: usize, state: &State<'_>) -> TokenStream {
    let syntax = state.syntax;
    let name = plain_name(&syntax.name);
    let docs = &syntax.docs;
    let kind = kind(cx, index, state);
    let group = optional(state.group);
    let interest = interest(&quote!(Interest), cx, state);
    let fields = syntax.fields.iter().map(|field| member(&field.member));
    let rows = rows(cx, state);
    let deadlines = state.deadlines.iter().map(|it| deadline(cx, it));
    let never = optional(state.never);
    let ignores = state.ignores.iter().map(|it| it.head.to_string());
    let enter = optional(syntax.enter.as_ref().map(|action| plain_name(&action.name)));
    let leave = optional(syntax.leave.as_ref().map(|action| plain_name(&action.name)));
    let decode = optional(syntax.decode.as_ref().map(|decode| {
        let field = member(&decode.field);
        let alphabet = crate::parse::text(&decode.alphabet.to_token_stream());
        quote!((#field, #alphabet))
    }));
    let (shed, class) = (shed(state), class(state.syntax.class));
    quote! {
        State {
            name: #name,
            docs: #docs,
            kind: #kind,
            group: #group,
            interest: #interest,
            fields: &[#(#fields),*],
            rows: &[#(#rows),*],
            deadlines: &[#(#deadlines),*],
            never: #never,
            ignores: &[#(#ignores),*],
            enter: #enter,
            leave: #leave,
            decode: #decode,
            shed: #shed,
            class: #class,
        }
    }
}

fn kind(cx: &Cx<'_, '_>, index: usize, state: &State<'_>) -> TokenStream {
    let kind = match &state.syntax.terminal {
        Some(terminal) if terminal.abort.is_some() => quote!(Abort),
        Some(_) => quote!(Terminal),
        None if index == cx.checked.initial => quote!(Initial),
        None => quote!(Working),
    };
    quote!(StateKind::#kind)
}

/// What the runtime watches for in a state, as one constant.
///
/// `of` is the path of the type where the constant stands.
pub(super) fn interest(of: &TokenStream, cx: &Cx<'_, '_>, state: &State<'_>) -> TokenStream {
    let interest = state.interest;
    let ends = state.syntax.terminal;
    let bits = [
        (interest.input, quote!(INPUT)),
        (interest.readable, quote!(READABLE)),
        (interest.writable, quote!(WRITABLE)),
        (interest.drained, quote!(DRAINED)),
        (ends.is_some_and(|it| it.abort.is_none()), quote!(END)),
        (ends.is_some_and(|it| it.abort.is_some()), quote!(ABORT)),
    ];
    let set = bits.into_iter().filter(|(is_set, _)| *is_set && !cx.is_plain());
    let mut set = set.map(|(_, name)| quote!(#of::#name));
    let first = set.next().unwrap_or_else(|| quote!(#of::NONE));
    quote!(#first #(.and(#set))*)
}

fn rows(cx: &Cx<'_, '_>, state: &State<'_>) -> Vec<TokenStream> {
    let can_fail = state.can_fail();
    let listed = state.rows.iter().filter(|row| can_fail || !row.is_for(&Head::Error));
    let mut rows: Vec<_> = listed.map(|it| row(cx, it)).collect();
    let Some(ending) = cx.checked.ending.filter(|_| !state.is_terminal()) else { return rows };
    if !cx.is_plain() && state.row_for(&Head::Lost).is_none() {
        rows.push(default_row("lost", ending));
    }
    if can_fail && state.row_for(&Head::Error).is_none() {
        rows.push(default_row("error", ending));
    }
    rows
}

fn row(cx: &Cx<'_, '_>, row: &Row<'_>) -> TokenStream {
    let mut events: Vec<&str> = Vec::new();
    for alternative in &row.alternatives {
        let word = alternative.head.word();
        if !events.contains(&word) {
            events.push(word);
        }
    }
    let pattern = &row.syntax.pattern;
    let origin = origin(row.origin);
    let action = action(&row.effect);
    let fallible = row.effect.is_fallible();
    let targets = targets(cx, &row.effect);
    let docs = &row.syntax.docs;
    quote! {
        Row {
            events: &[#(#events),*],
            pattern: #pattern,
            origin: #origin,
            action: #action,
            fallible: #fallible,
            targets: &[#(#targets),*],
            docs: #docs,
        }
    }
}

fn default_row(event: &str, ending: usize) -> TokenStream {
    let none = optional::<&str>(None);
    quote! {
        Row {
            events: &[#event],
            pattern: #event,
            origin: Origin::Default,
            action: #none,
            fallible: false,
            targets: &[Target::Enter { state: #ending, label: #none }],
            docs: "",
        }
    }
}

fn deadline(cx: &Cx<'_, '_>, deadline: &Deadline<'_>) -> TokenStream {
    let kind = deadline_kind(deadline.syntax.kind);
    let limit = match &deadline.syntax.limit {
        Limit::Fixed(limit, _) => {
            let limit = duration(*limit);
            quote!(Fixed(#limit))
        }
        Limit::Method(method) => {
            let name = plain_name(&method.name);
            quote!(Method(#name))
        }
    };
    let origin = origin(deadline.origin);
    let action = action(&deadline.effect);
    let fallible = deadline.effect.is_fallible();
    let targets = targets(cx, &deadline.effect);
    let docs = &deadline.syntax.docs;
    quote! {
        Deadline {
            kind: DeadlineKind::#kind,
            limit: Limit::#limit,
            origin: #origin,
            action: #action,
            fallible: #fallible,
            targets: &[#(#targets),*],
            docs: #docs,
        }
    }
}

fn deadline_kind(kind: Kind) -> TokenStream {
    match kind {
        Kind::SinceEntry => quote!(SinceEntry),
        Kind::WithoutInput => quote!(WithoutInput),
        Kind::OfPartial => quote!(OfPartial),
        Kind::WithoutProgress => quote!(WithoutProgress),
        Kind::WithoutBytes(bytes) => {
            let bytes = Literal::u32_unsuffixed(bytes);
            quote!(WithoutBytes { bytes: #bytes })
        }
    }
}

fn action(effect: &Effect<'_>) -> TokenStream {
    optional(effect.syntax.action.as_ref().map(|action| plain_name(&action.name)))
}

fn origin(origin: Origin) -> TokenStream {
    let name = match origin {
        Origin::State => quote!(State),
        Origin::Group => quote!(Group),
        Origin::Machine => quote!(Machine),
    };
    quote!(Origin::#name)
}

/// Every target in the order written, those of named sets in their place.
fn targets(cx: &Cx<'_, '_>, effect: &Effect<'_>) -> Vec<TokenStream> {
    if effect.syntax.arrow.is_none() {
        let none = optional::<&str>(None);
        return vec![quote!(Target::Stay { label: #none })];
    }
    effect.targets.iter().flat_map(|target| flat_target(cx, target)).collect()
}

fn flat_target(cx: &Cx<'_, '_>, target: &Target<'_>) -> Vec<TokenStream> {
    match target {
        Target::Stay { syntax } => {
            let label = optional(syntax.label.as_ref());
            vec![quote!(Target::Stay { label: #label })]
        }
        Target::Enter(entry) => {
            let (state, label) = (entry.state, optional(entry.syntax.label.as_ref()));
            vec![quote!(Target::Enter { state: #state, label: #label })]
        }
        Target::Set { outcome, .. } => {
            let inner = &cx.checked.outcomes[*outcome].targets;
            inner.iter().flat_map(|target| flat_target(cx, target)).collect()
        }
    }
}

fn shed(state: &State<'_>) -> TokenStream {
    let name = match state.syntax.shed {
        Some(Shed::First) => quote!(First),
        Some(Shed::Never) => quote!(Never),
        None => quote!(Idle),
    };
    quote!(Shed::#name)
}

fn class(class: Option<Class>) -> TokenStream {
    optional(class.map(|class| match class {
        Class::Preferred => quote!(Class::Preferred),
        Class::Normal => quote!(Class::Normal),
        Class::Background => quote!(Class::Background),
    }))
}

/// A duration as a constant expression.
pub(super) fn duration(duration: Duration) -> TokenStream {
    let seconds = Literal::u64_unsuffixed(duration.as_secs());
    if duration.subsec_nanos() == 0 {
        return quote!(::core::time::Duration::from_secs(#seconds));
    }
    let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let milliseconds = Literal::u64_unsuffixed(milliseconds);
    quote!(::core::time::Duration::from_millis(#milliseconds))
}

fn optional<T: quote::ToTokens>(value: Option<T>) -> TokenStream {
    match value {
        Some(value) => quote!(Some(#value)),
        None => quote!(None),
    }
}

fn member(member: &Member) -> String {
    match member {
        Member::Named(name) => plain_name(name),
        Member::Unnamed(index) => index.index.to_string(),
    }
}

/// A name as the table has it, without `r#`.
fn plain_name(name: &Ident) -> String {
    name.unraw().to_string()
}
