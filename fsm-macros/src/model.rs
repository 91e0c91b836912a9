//! A machine as its author wrote it: the words of the table, each with the token it came from.
//!
//! Nothing here has been checked; names may name nothing.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use syn::{Generics, Ident, LitStr, Member, Path, Type, Visibility};

/// The annotated enum.
pub(crate) struct Machine {
    pub(crate) name: Ident,
    pub(crate) visibility: Visibility,
    pub(crate) generics: Generics,
    pub(crate) docs: String,
    pub(crate) options: Options,
    /// Rows on the enum.
    pub(crate) shared: Scope,
    pub(crate) groups: Vec<Group>,
    pub(crate) sets: Vec<OutcomeSet>,
    /// A named outcome could not be read, so a target that means nothing may be it.
    pub(crate) sets_unread: bool,
    pub(crate) states: Vec<State>,
    /// Something that could not be read might have named states, so nothing is said of what is
    /// missing.
    pub(crate) incomplete: bool,
}

/// The keys of `#[machine(..)]`.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) plain: Option<Span>,
    pub(crate) context: Option<Type>,
    pub(crate) input: Option<Type>,
    pub(crate) reply: Option<Type>,
    pub(crate) message: Option<Type>,
    pub(crate) error: Option<Type>,
    pub(crate) shared: Option<Type>,
    pub(crate) max_size: Option<u64>,
    pub(crate) stall: Option<Duration>,
    pub(crate) backlog: Option<u64>,
    pub(crate) runtime: Option<Path>,
    pub(crate) class: Option<Class>,
    /// There is a `#[machine(..)]`.
    pub(crate) present: bool,
    /// Something could not be read, so a key that seems to be missing may be there.
    pub(crate) unread: bool,
    /// The keys in the order written, for checks that point at one.
    pub(crate) keys: Vec<Ident>,
}

/// Rows that stand together: on a state, on a group, on the enum.
#[derive(Default)]
pub(crate) struct Scope {
    pub(crate) rows: Vec<Row>,
    pub(crate) deadlines: Vec<Deadline>,
    pub(crate) never: Option<LitStr>,
    pub(crate) ignores: Vec<Ignored>,
    /// Something here could not be read, so a state that seems to be left alone may be named in it.
    pub(crate) incomplete: bool,
    /// Not even the event could be read, so one that seems forgotten may be it.
    pub(crate) unread: bool,
}

/// `#[group(Name: A, B; ..)]`.
pub(crate) struct Group {
    pub(crate) name: Ident,
    pub(crate) members: Vec<Ident>,
    pub(crate) scope: Scope,
}

/// `#[outcome(Name: A | B)]`.
pub(crate) struct OutcomeSet {
    pub(crate) name: Ident,
    pub(crate) targets: Vec<Target>,
}

/// A variant and what stands on it.
pub(crate) struct State {
    pub(crate) name: Ident,
    pub(crate) docs: String,
    pub(crate) fields: Vec<Field>,
    pub(crate) shape: Shape,
    pub(crate) initial: Option<Span>,
    pub(crate) terminal: Option<Terminal>,
    pub(crate) scope: Scope,
    pub(crate) enter: Option<Action>,
    pub(crate) leave: Option<Action>,
    pub(crate) decode: Option<Decode>,
    pub(crate) shed: Option<Shed>,
    pub(crate) class: Option<Class>,
}

impl State {
    /// The place of the field called so.
    pub(crate) fn field(&self, name: &Member) -> Option<usize> {
        self.fields.iter().position(|field| field.member == *name)
    }
}

/// How the fields of a variant are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Unit,
    Tuple,
    Named,
}

/// One field of a state.
pub(crate) struct Field {
    pub(crate) member: Member,
    pub(crate) ty: Type,
}

/// `#[terminal]` or `#[terminal(abort)]`.
#[derive(Clone, Copy)]
pub(crate) struct Terminal {
    pub(crate) span: Span,
    pub(crate) abort: Option<Span>,
}

/// `#[decode(field: Alphabet<'_>)]`.
pub(crate) struct Decode {
    pub(crate) field: Member,
    pub(crate) alphabet: Type,
}

/// Who goes first when descriptors or memory run out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shed {
    First,
    Never,
}

/// The precedence of connections.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Preferred,
    Normal,
    Background,
}

/// `#[on(EVENT => action(args)? -> TARGET | TARGET)]`.
pub(crate) struct Row {
    pub(crate) docs: String,
    /// The patterns between `|`.
    pub(crate) alternatives: Vec<Alternative>,
    /// The event as written.
    pub(crate) pattern: String,
    pub(crate) effect: Effect,
}

/// One pattern of a row.
pub(crate) struct Alternative {
    pub(crate) head: Head,
    /// The token errors point at.
    pub(crate) token: Ident,
    pub(crate) payload: Payload,
}

impl Alternative {
    /// The names the pattern binds.
    pub(crate) fn bindings(&self) -> &[Ident] {
        match &self.payload {
            Payload::None => &[],
            Payload::Whole(name) => std::slice::from_ref(name),
            Payload::Variant(variant) => &variant.bindings,
        }
    }
}

/// What is written behind an event's name.
pub(crate) enum Payload {
    /// Nothing, or `(_)`.
    None,
    /// One name for all of it: `eof(rest)`, `reply(answer)`.
    Whole(Ident),
    /// A variant of an alphabet: `Line(line)`, or the inner part of `reply(Opened(file))`.
    Variant(VariantPattern),
}

/// A variant with the names it binds.
pub(crate) struct VariantPattern {
    pub(crate) name: Ident,
    /// What follows the name, as in Rust.
    pub(crate) fields: TokenStream,
    pub(crate) bindings: Vec<Ident>,
}

/// An event by what tells it from the others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Head {
    /// A variant of the input alphabet.
    Input(String),
    /// `_`: every input that no other row names.
    AnyInput,
    Connected,
    Eof,
    Drained,
    Readable,
    Writable,
    /// An operation's answer, all of them or one variant.
    Reply(Option<String>),
    /// A message, all of them or one variant.
    Message(Option<String>),
    Shutdown,
    Error,
    Lost,
}

/// The events of the runtime, as rows spell them.
pub(crate) const RUNTIME_EVENTS: [(&str, Head); 10] = [
    ("connected", Head::Connected),
    ("eof", Head::Eof),
    ("drained", Head::Drained),
    ("readable", Head::Readable),
    ("writable", Head::Writable),
    ("reply", Head::Reply(None)),
    ("message", Head::Message(None)),
    ("shutdown", Head::Shutdown),
    ("error", Head::Error),
    ("lost", Head::Lost),
];

impl Head {
    /// Tells whether the event comes from the input alphabet.
    pub(crate) fn is_input(&self) -> bool {
        matches!(self, Self::Input(_) | Self::AnyInput)
    }

    /// Tells whether a row for this event answers `other` as well.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        match self {
            Self::AnyInput => other.is_input(),
            Self::Reply(None) => matches!(other, Self::Reply(_)),
            Self::Message(None) => matches!(other, Self::Message(_)),
            _ => self == other,
        }
    }

    /// The event's word, without what is inside it.
    pub(crate) fn word(&self) -> &str {
        match self {
            Self::Input(name) => name,
            Self::AnyInput => "_",
            Self::Reply(_) => "reply",
            Self::Message(_) => "message",
            other => {
                let known = RUNTIME_EVENTS.iter().find(|(_, head)| head == other);
                known.map_or("", |(word, _)| word)
            }
        }
    }
}

impl std::fmt::Display for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Reply(Some(name)) => write!(f, "reply({name})"),
            Self::Message(Some(name)) => write!(f, "message({name})"),
            other => f.write_str(other.word()),
        }
    }
}

/// One event of `#[ignores(..)]`.
pub(crate) struct Ignored {
    pub(crate) head: Head,
    pub(crate) token: Ident,
    /// The variant named inside `reply(..)` or `message(..)`, or the input itself.
    pub(crate) variant: Option<Ident>,
}

/// What a row or a deadline does, and where it leads.
#[derive(Default)]
pub(crate) struct Effect {
    pub(crate) action: Option<Action>,
    /// The span of `->`.
    pub(crate) arrow: Option<Span>,
    pub(crate) targets: Vec<Target>,
    /// The rest of the row could not be read; only its event counts.
    pub(crate) broken: bool,
}

/// A method of the context with its arguments.
pub(crate) struct Action {
    pub(crate) name: Ident,
    pub(crate) arguments: Vec<Member>,
    /// The parentheses around them, if they are written.
    pub(crate) parentheses: Option<Span>,
    /// The `?` of an action that can fail.
    pub(crate) fallible: Option<Span>,
}

/// `Name { carried, .. } "label"`.
pub(crate) struct Target {
    pub(crate) name: Ident,
    pub(crate) carried: Option<Carried>,
    pub(crate) label: Option<LitStr>,
}

impl Target {
    /// Tells whether this is the reserved word for staying.
    pub(crate) fn is_stay(&self) -> bool {
        self.name == "Stay"
    }
}

/// The fields a row carries over by itself.
pub(crate) struct Carried {
    pub(crate) fields: Vec<Member>,
    /// `..`: the action answers the rest.
    pub(crate) rest: bool,
}

/// `#[after(LIMIT KIND => action -> TARGET)]`.
pub(crate) struct Deadline {
    pub(crate) docs: String,
    pub(crate) kind: Kind,
    pub(crate) limit: Limit,
    pub(crate) span: Span,
    pub(crate) effect: Effect,
}

/// What a deadline counts from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    SinceEntry,
    WithoutInput,
    OfPartial,
    WithoutProgress,
    WithoutBytes(u32),
}

impl Kind {
    /// Tells whether two deadlines of these kinds are one too many.
    pub(crate) fn is_same_kind(self, other: Self) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }

    /// The words behind the limit.
    pub(crate) fn words(self) -> String {
        match self {
            Self::SinceEntry => String::new(),
            Self::WithoutInput => " without input".into(),
            Self::OfPartial => " of partial".into(),
            Self::WithoutProgress => " without progress".into(),
            Self::WithoutBytes(bytes) => format!(" without {bytes} bytes"),
        }
    }
}

/// How long a deadline waits.
pub(crate) enum Limit {
    /// A literal, and its text.
    Fixed(Duration, String),
    /// A method of the context.
    Method(Action),
}
