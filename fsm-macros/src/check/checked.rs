//! A machine whose names have been looked up: states by index, rows by the states they serve.
//!
//! Only `check` makes a [`Checked`], and `expand` takes nothing else.

use std::fmt;
use std::rc::Rc;

use proc_macro2::Ident;
use syn::{LitStr, Member};

use crate::model;

/// A machine that may be expanded.
pub(crate) struct Checked<'m> {
    pub(crate) machine: &'m model::Machine,
    /// The states in the order of the variants.
    pub(crate) states: Vec<State<'m>>,
    /// The enums that actions answer: the named sets first, then one for each choosing action.
    pub(crate) outcomes: Vec<Outcome<'m>>,
    /// Where every machine begins.
    pub(crate) initial: usize,
    /// Where `lost` and `error` lead by themselves; a plain machine may have none.
    pub(crate) ending: Option<usize>,
    /// The state without data that stands in while data is moved out: the first terminal one.
    pub(crate) placeholder: usize,
    /// Where rows are written, for checks of what the author wrote once and several states share.
    pub(super) places: Vec<Place<'m>>,
    /// Some name or row means nothing, so that a state may only seem to be left alone.
    pub(super) incomplete: bool,
}

impl<'m> Checked<'m> {
    /// The states in which something has to happen. Where no state is marked terminal, one that
    /// says nothing is taken for it, since that mistake is reported already.
    pub(super) fn working(&self) -> impl Iterator<Item = &State<'m>> {
        let has_end = self.states.iter().any(State::is_terminal);
        self.states.iter().filter(move |it| !it.is_terminal() && (has_end || !it.is_bare()))
    }
}

/// A scope and the states it serves.
pub(super) struct Place<'m> {
    pub(super) owner: Owner<'m>,
    pub(super) scope: &'m model::Scope,
    pub(super) rows: Vec<Rc<Effect<'m>>>,
    pub(super) deadlines: Vec<Rc<Effect<'m>>>,
    pub(super) states: Vec<usize>,
}

/// Who rows stand on.
#[derive(Clone, Copy)]
pub(super) enum Owner<'m> {
    State(&'m model::State),
    Group(&'m model::Group),
    Machine,
}

impl fmt::Display for Owner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State(state) => write!(f, "`{}`", state.name),
            Self::Group(group) => write!(f, "the group `{}`", group.name),
            Self::Machine => f.write_str("the enum"),
        }
    }
}

impl<'m> Place<'m> {
    pub(super) fn is_machine(&self) -> bool {
        matches!(self.owner, Owner::Machine)
    }

    /// The rows with what they do.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&'m model::Row, &Effect<'m>)> {
        self.scope.rows.iter().zip(self.rows.iter().map(|effect| &**effect))
    }

    /// The deadlines with what they do.
    pub(super) fn deadlines(&self) -> impl Iterator<Item = (&'m model::Deadline, &Effect<'m>)> {
        self.scope.deadlines.iter().zip(self.deadlines.iter().map(|effect| &**effect))
    }

    /// What rows and deadlines do, each with its row if it is one.
    pub(super) fn effects(&self) -> impl Iterator<Item = (Option<&'m model::Row>, &Effect<'m>)> {
        let rows = self.rows().map(|(row, effect)| (Some(row), effect));
        rows.chain(self.deadlines().map(|(_, effect)| (None, effect)))
    }
}

/// One state with everything in force in it.
pub(crate) struct State<'m> {
    pub(crate) syntax: &'m model::State,
    pub(crate) group: Option<usize>,
    pub(crate) interest: Interest,
    /// Its own rows, then its group's, then the enum's; what is hidden is left out.
    pub(crate) rows: Vec<Row<'m>>,
    pub(crate) deadlines: Vec<Deadline<'m>>,
    pub(crate) never: Option<&'m LitStr>,
    pub(crate) ignores: Vec<&'m model::Ignored>,
}

impl<'m> State<'m> {
    /// Tells whether the machine ends here.
    pub(crate) fn is_terminal(&self) -> bool {
        self.syntax.terminal.is_some()
    }

    /// Tells whether this may be the terminal state that nobody marked: nothing is said of it.
    pub(super) fn is_bare(&self) -> bool {
        let scope = &self.syntax.scope;
        let says_nothing = scope.rows.is_empty() && scope.deadlines.is_empty();
        says_nothing && scope.ignores.is_empty() && scope.never.is_none()
    }

    /// What rows and deadlines do here, without the row for failures.
    pub(crate) fn effects(&self) -> impl Iterator<Item = &Effect<'m>> {
        let rows = self.rows.iter().filter(|row| !row.is_for(&model::Head::Error));
        let rows = rows.map(|row| &*row.effect);
        rows.chain(self.deadlines.iter().map(|deadline| &*deadline.effect))
    }

    /// Tells whether an action that is called here may fail.
    pub(crate) fn can_fail(&self) -> bool {
        self.effects().any(Effect::is_fallible)
    }

    /// The row in force for one event of the runtime.
    pub(crate) fn row_for(&self, head: &model::Head) -> Option<&Row<'m>> {
        self.rows.iter().find(|row| row.is_for(head))
    }
}

/// What the runtime watches for, worked out from the rows.
#[derive(Clone, Copy, Default)]
pub(crate) struct Interest {
    pub(crate) input: bool,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    pub(crate) drained: bool,
}

/// Who wrote a row.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    State,
    Group,
    Machine,
}

/// A row in force in one state.
pub(crate) struct Row<'m> {
    pub(crate) syntax: &'m model::Row,
    /// The patterns that no row of higher standing hides.
    pub(crate) alternatives: Vec<&'m model::Alternative>,
    pub(crate) effect: Rc<Effect<'m>>,
    pub(crate) origin: Origin,
}

impl Row<'_> {
    /// Tells whether one of the row's patterns is this event.
    pub(crate) fn is_for(&self, head: &model::Head) -> bool {
        self.alternatives.iter().any(|alternative| alternative.head == *head)
    }
}

/// Tells whether a row's pattern binds this name.
pub(crate) fn binds(row: &model::Row, name: &Member) -> bool {
    let Member::Named(name) = name else { return false };
    row.alternatives.iter().any(|alternative| alternative.bindings().contains(name))
}

/// A deadline in force in one state.
pub(crate) struct Deadline<'m> {
    pub(crate) syntax: &'m model::Deadline,
    pub(crate) effect: Rc<Effect<'m>>,
    pub(crate) origin: Origin,
}

/// What a row does and where it leads.
pub(crate) struct Effect<'m> {
    pub(crate) syntax: &'m model::Effect,
    /// Nothing where the row has no arrow.
    pub(crate) targets: Vec<Target<'m>>,
    pub(crate) answer: Answer,
    /// Without an arrow, or with `Stay` among the targets.
    pub(crate) can_stay: bool,
}

impl Effect<'_> {
    /// Tells whether the action is written with `?`.
    pub(crate) fn is_fallible(&self) -> bool {
        self.syntax.action.as_ref().is_some_and(|action| action.fallible.is_some())
    }

    /// Tells whether the action takes fields by value: the old state is gone whatever it answers.
    pub(crate) fn takes_by_value(&self) -> bool {
        !self.can_stay && !self.is_fallible()
    }
}

/// What the action of a row answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// `()`.
    Nothing,
    /// The enum with this index in [`Checked::outcomes`].
    Outcome(usize),
}

/// Where one branch leads.
#[derive(Clone)]
pub(crate) enum Target<'m> {
    Stay {
        syntax: &'m model::Target,
    },
    Enter(Entry<'m>),
    /// A named set, by its index in [`Checked::outcomes`].
    Set {
        syntax: &'m model::Target,
        outcome: usize,
    },
}

/// A state that is entered.
#[derive(Clone)]
pub(crate) struct Entry<'m> {
    pub(crate) syntax: &'m model::Target,
    pub(crate) state: usize,
    /// The fields the action answers, by their place in the state.
    pub(crate) answered: Vec<usize>,
    /// The fields the row moves over by itself.
    pub(crate) carried: Vec<Member>,
}

/// An enum that an action answers.
pub(crate) struct Outcome<'m> {
    pub(crate) name: Ident,
    /// The action or the set it is named after.
    pub(crate) owner: &'m Ident,
    pub(crate) targets: Vec<Target<'m>>,
}

/// Every state that `targets` may enter, those in named sets included.
pub(crate) fn entered(targets: &[Target<'_>], outcomes: &[Outcome<'_>]) -> Vec<usize> {
    let mut states = Vec::new();
    for target in targets {
        match target {
            Target::Stay { .. } => {}
            Target::Enter(entry) => states.push(entry.state),
            Target::Set { outcome, .. } => {
                states.extend(entered(&outcomes[*outcome].targets, outcomes));
            }
        }
    }
    states
}
