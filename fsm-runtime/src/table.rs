//! The table of a machine as data: what the derive read, kept in `'static` memory.
//!
//! Diagrams, documentation, coverage and the worker's own decisions all read this one description,
//! so that none of them can differ from the code that runs. It knows no sockets and needs only
//! `core`.

use core::time::Duration;

/// Everything the author wrote about one machine.
///
/// Indices into [`Table::states`] and [`Table::groups`] are what other parts of the table name them
/// by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// The name of the enum, without its generic parameters.
    pub machine: &'static str,
    /// The `///` lines on the enum, joined by newlines.
    pub docs: &'static str,
    /// The input alphabet as written, or `""` where the machine names none.
    pub input: &'static str,
    /// The states in the order of the enum's variants.
    pub states: &'static [State],
    /// The groups in the order written.
    pub groups: &'static [Group],
    /// Unsent output that does not move for this long ends the connection as `lost`.
    pub stall: Duration,
    /// Unsent output in bytes, filled by messages, that ends the connection as `lost`.
    pub backlog: usize,
    /// Set for a machine without a socket (`#[machine(plain, ..)]`).
    pub plain: bool,
    /// The precedence of connections where neither the state, the context nor the listener says
    /// one.
    pub class: Option<Class>,
}

impl Table {
    /// Tells whether some state gives its connections a class of its own.
    #[cfg(feature = "server")]
    pub(crate) const fn has_classes(&self) -> bool {
        let mut at = 0;
        while at < self.states.len() {
            if self.states[at].class.is_some() {
                return true;
            }
            at += 1;
        }
        false
    }
}

/// One state: a variant of the enum and the attributes on it, shared rows included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// The variant's name.
    pub name: &'static str,
    /// The `///` lines on the variant, joined by newlines.
    pub docs: &'static str,
    /// Where the state stands in a connection's life.
    pub kind: StateKind,
    /// The group the state belongs to, an index into [`Table::groups`].
    pub group: Option<usize>,
    /// What the runtime must watch for while the machine is in this state.
    pub interest: Interest,
    /// The names of the state's fields, in order; tuple fields are `"0"`, `"1"`, ...
    pub fields: &'static [&'static str],
    /// Every row that is in force here: the state's own, then its group's, then the enum's.
    ///
    /// A shared row that a row of higher standing hides completely is not listed.
    pub rows: &'static [Row],
    /// Every deadline in force here, the state's own before its group's.
    pub deadlines: &'static [Deadline],
    /// The reason given by `after(never = "why")`.
    pub never: Option<&'static str>,
    /// The events the state (or its group) deliberately takes no notice of.
    pub ignores: &'static [&'static str],
    /// The action run on entering.
    pub enter: Option<&'static str>,
    /// The action run on leaving.
    pub leave: Option<&'static str>,
    /// The field and the alphabet of a decoder of the state's own, as written.
    pub decode: Option<(&'static str, &'static str)>,
    /// Who is closed first when descriptors or memory run out.
    pub shed: Shed,
    /// The precedence of connections in this state, before all else that is said of them; none
    /// where the state does not say.
    pub class: Option<Class>,
}

/// Where a state stands in a connection's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateKind {
    /// `#[initial]`: where every machine begins.
    Initial,
    /// Neither the beginning nor an end.
    Working,
    /// `#[terminal]`: what is unsent goes out, then the socket is closed.
    Terminal,
    /// `#[terminal(abort)]`: what is unsent is dropped and the connection is reset.
    Abort,
}

impl StateKind {
    /// Tells whether a machine in this kind of state has ended.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Terminal | Self::Abort)
    }
}

/// A named set of states with rows in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// The name given in `#[group(Name: ..)]`.
    pub name: &'static str,
    /// The member states, indices into [`Table::states`].
    pub states: &'static [usize],
}

/// One row: an event, what is done, and where it leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The events the row answers, each by its head: `["Line"]`, `["Helo", "Ehlo"]`, `["reply"]`,
    /// `["_"]`.
    pub events: &'static [&'static str],
    /// The pattern as written, `"Line(line)"`.
    pub pattern: &'static str,
    /// Who wrote the row.
    pub origin: Origin,
    /// The method of the context that is called.
    pub action: Option<&'static str>,
    /// Set where the action may fail (`=> action()?`), which leads to the `error` row.
    pub fallible: bool,
    /// Where the row may lead, in the order written; a row without an arrow has one
    /// [`Target::Stay`].
    pub targets: &'static [Target],
    /// The `///` lines above the row, joined by newlines.
    pub docs: &'static str,
}

/// Who wrote a row: rows of the state win over rows of its group, and those over rows of the enum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The state itself.
    State,
    /// The state's group.
    Group,
    /// The enum, for all states.
    Machine,
    /// Nobody: `lost` and `error` lead to the first terminal state where no row says otherwise.
    Default,
}

/// Where one branch of a row leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The machine stays as it is: data kept, deadlines running on.
    Stay {
        /// The text after the target, for diagrams.
        label: Option<&'static str>,
    },
    /// The state is entered, also when it is the one the machine is in.
    Enter {
        /// An index into [`Table::states`].
        state: usize,
        /// The text after the target, for diagrams.
        label: Option<&'static str>,
    },
}

/// One deadline row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// What the time is counted from.
    pub kind: DeadlineKind,
    /// How long.
    pub limit: Limit,
    /// Who wrote the row; a group's deadline of kind [`DeadlineKind::SinceEntry`] counts from
    /// entering the group.
    pub origin: Origin,
    /// The method of the context that is called when it passes.
    pub action: Option<&'static str>,
    /// Set where the action may fail.
    pub fallible: bool,
    /// Where it may lead; never [`Target::Stay`].
    pub targets: &'static [Target],
    /// The `///` lines above the row, joined by newlines.
    pub docs: &'static str,
}

/// What a deadline counts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DeadlineKind {
    /// `after(10s ..)`: since the state (or the group) was entered; bytes do not push it back.
    SinceEntry,
    /// `after(5min without input ..)`: since the last whole input.
    WithoutInput,
    /// `after(10s of partial ..)`: since an input was begun that is not finished.
    OfPartial,
    /// `after(30s without progress ..)`: since a byte last moved in either direction.
    WithoutProgress,
    /// `after(20s without 4096 bytes ..)`: fewer bytes than that moved in the time.
    WithoutBytes {
        /// The least number of bytes that must move in the time.
        bytes: u32,
    },
}

/// How long a deadline waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// A literal such as `10s`.
    Fixed(Duration),
    /// A method of the context, by its name.
    Method(&'static str),
}

/// Who is closed first when descriptors or memory run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shed {
    /// `#[shed(first)]`: before everybody else.
    First,
    /// No word on it: the idle go before the busy.
    #[default]
    Idle,
    /// `#[shed(never)]`: not at all.
    Never,
}

/// The precedence of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Served before everybody else.
    Preferred,
    /// Served in turn.
    #[default]
    Normal,
    /// Served with what the others leave, and a guaranteed share.
    Background,
}

/// What the runtime must watch for while a machine is in a state, as a set of bits.
///
/// It is worked out from the rows, so nobody registers, re-arms or forgets interest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Interest(u8);

impl Interest {
    /// Nothing: the state waits for the clock, a reply or a message.
    pub const NONE: Self = Self(0);
    /// Input is read and decoded.
    pub const INPUT: Self = Self(1);
    /// The state has a `readable` row and reads by itself.
    pub const READABLE: Self = Self(1 << 1);
    /// The state has a `writable` row and writes by itself.
    pub const WRITABLE: Self = Self(1 << 2);
    /// The state has a `drained` row.
    pub const DRAINED: Self = Self(1 << 3);
    /// The state is terminal: what is unsent goes out, then the connection ends.
    pub const END: Self = Self(1 << 4);
    /// The state is terminal and aborts: what is unsent is dropped.
    pub const ABORT: Self = Self(1 << 5);

    /// The bits of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Tells whether any bit of `other` is set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Tells whether the state takes bytes from the peer at all, decoded or raw.
    #[must_use]
    pub const fn reads(self) -> bool {
        self.has(Self::INPUT.and(Self::READABLE))
    }

    /// Tells whether the machine has ended in such a state.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        self.has(Self::END.and(Self::ABORT))
    }
}
