//! The table in full, in columns.

use core::fmt::{self, Display, Formatter};

use super::text::{Cause, Label, Line, Span, width};
use crate::table::{Class, DeadlineKind, Interest, Origin, Shed, State, StateKind, Table, Target};

/// Where a list of targets is broken, in characters: with an event and an action of usual length
/// before it, the line stays within a window.
const TARGETS: usize = 32;

/// The blanks between two columns.
const GAP: usize = 2;

pub(super) struct Matrix<'a>(pub(super) &'a Table);

impl Display for Matrix<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let table = self.0;
        let columns = Columns::of(table);
        write_title(table, out)?;
        for state in table.states {
            out.write_str("\n")?;
            columns.write_head(table, state, out)?;
            entries(state).try_for_each(|entry| columns.write_entry(table, state, entry, out))?;
            if can_be_held(state) {
                out.write_str("  (a peer that trickles can hold this state)\n")?;
            }
        }
        Ok(())
    }
}

fn write_title(table: &Table, out: &mut Formatter<'_>) -> fmt::Result {
    let mut list = List::new(out);
    list.out.write_str(table.machine)?;
    if table.plain {
        list.item(&"plain")?;
    }
    if !table.input.is_empty() {
        list.item(&format_args!("input {}", table.input))?;
    }
    if !table.plain {
        list.item(&format_args!("stall {}", Span(table.stall)))?;
        list.item(&format_args!("backlog {}", Bytes(table.backlog)))?;
    }
    out.write_str("\n")
}

/// One line below a state.
#[derive(Clone, Copy)]
enum Entry<'a> {
    Cause(Cause<'a>),
    Never(&'a str),
    Ignored(&'a str),
    Enter(&'a str),
    Leave(&'a str),
}

/// Everything below a state: what is its own before what it shares.
fn entries(state: &State) -> impl Iterator<Item = Entry<'_>> {
    let of = |origin| {
        let rows = state.rows.iter().map(Cause::Event);
        let causes = rows.chain(state.deadlines.iter().map(Cause::Deadline));
        causes.map(Entry::Cause).filter(move |entry| entry.origin() == origin)
    };
    let shared = [Origin::Group, Origin::Machine, Origin::Default];
    let enter = state.enter.map(Entry::Enter).into_iter();
    enter
        .chain(of(Origin::State))
        .chain(state.never.map(Entry::Never))
        .chain(state.ignores.iter().map(|event| Entry::Ignored(event)))
        .chain(state.leave.map(Entry::Leave))
        .chain(shared.into_iter().flat_map(of))
}

impl Entry<'_> {
    fn action(&self) -> Action<'_> {
        let (name, fallible) = match *self {
            Self::Cause(Cause::Event(row)) => (row.action, row.fallible),
            Self::Cause(Cause::Deadline(deadline)) => (deadline.action, deadline.fallible),
            Self::Enter(action) | Self::Leave(action) => (Some(action), false),
            Self::Never(_) | Self::Ignored(_) => (None, false),
        };
        Action { name, fallible }
    }

    fn origin(&self) -> Origin {
        match self {
            Self::Cause(Cause::Event(row)) => row.origin,
            Self::Cause(Cause::Deadline(deadline)) => deadline.origin,
            _ => Origin::State,
        }
    }

    fn targets(&self) -> &[Target] {
        match self {
            Self::Cause(cause) => cause.targets(),
            _ => &[],
        }
    }
}

/// The first column.
impl Display for Entry<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cause(cause) => cause.fmt(out),
            Self::Never(_) => out.write_str("after never"),
            Self::Ignored(event) => out.write_str(event),
            Self::Enter(_) => out.write_str("enter"),
            Self::Leave(_) => out.write_str("leave"),
        }
    }
}

struct Action<'a> {
    name: Option<&'a str>,
    fallible: bool,
}

impl Display for Action<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str(self.name.unwrap_or_default())?;
        out.write_str(if self.fallible { "?" } else { "" })
    }
}

/// Where the columns begin, the same in the whole table.
struct Columns {
    action: usize,
    targets: usize,
    origin: usize,
}

impl Columns {
    fn of(table: &Table) -> Self {
        let (mut event, mut action, mut targets) = (0, 0, 0);
        for entry in table.states.iter().flat_map(entries) {
            event = event.max(width(&entry));
            action = action.max(width(&entry.action()));
            let lines = Targets::lines(table, entry.targets());
            targets = lines.map(|line| width(&line)).fold(targets, usize::max);
        }
        let action_at = GAP + event + GAP;
        // A machine without actions has no column for them.
        let targets_at = if action == 0 { action_at } else { action_at + action + GAP };
        Self { action: action_at, targets: targets_at, origin: targets_at + targets + GAP }
    }

    fn write_head(&self, table: &Table, state: &State, out: &mut Formatter<'_>) -> fmt::Result {
        let mut line = Line::new(out);
        line.push(&Name(state))?;
        line.put(self.action, &Summary { table, state })?;
        line.end()
    }

    fn write_entry(
        &self,
        table: &Table,
        state: &State,
        entry: Entry<'_>,
        out: &mut Formatter<'_>,
    ) -> fmt::Result {
        let mut line = Line::new(out);
        line.put(GAP, &entry)?;
        line.put(self.action, &entry.action())?;
        match entry {
            Entry::Never(reason) => line.put(self.targets, &format_args!("\"{reason}\""))?,
            Entry::Ignored(_) => line.put(self.targets, &"ignored")?,
            _ => {}
        }
        let mut lines = Targets::lines(table, entry.targets());
        if let Some(first) = lines.next() {
            line.put(self.targets, &first)?;
        }
        match entry.origin() {
            Origin::State => {}
            Origin::Group => {
                let group = state.group.and_then(|group| table.groups.get(group));
                let name = group.map_or("", |group| group.name);
                line.put(self.origin, &format_args!("group {name}"))?;
            }
            Origin::Machine => line.put(self.origin, &"every state")?,
            Origin::Default => line.put(self.origin, &"default")?,
        }
        line.end()?;
        lines.try_for_each(|targets| {
            let mut line = Line::new(out);
            line.put(self.targets, &targets)?;
            line.end()
        })
    }
}

/// As many targets as fit into one line.
struct Targets<'a> {
    table: &'a Table,
    all: &'a [Target],
    from: usize,
    to: usize,
}

impl<'a> Targets<'a> {
    fn lines(table: &'a Table, all: &'a [Target]) -> impl Iterator<Item = Self> {
        let mut from = 0;
        core::iter::from_fn(move || {
            let mut line = Self { table, all, from, to: from + 1 };
            if from >= all.len() {
                return None;
            }
            while line.to < all.len() {
                let longer = Self { to: line.to + 1, ..line };
                if width(&longer) > TARGETS {
                    break;
                }
                line = longer;
            }
            from = line.to;
            Some(line)
        })
    }
}

impl Display for Targets<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        if let [stay @ Target::Stay { .. }] = self.all {
            return write!(out, "stays{}", Label(*stay));
        }
        for (at, target) in self.all.iter().enumerate().take(self.to).skip(self.from) {
            let lead = if at == 0 { "-> " } else { " | " };
            let name = match target {
                Target::Stay { .. } => "Stay",
                Target::Enter { state, .. } => self.table.states[*state].name,
            };
            write!(out, "{lead}{name}{}", Label(*target))?;
        }
        Ok(())
    }
}

/// A state's name with its fields.
struct Name<'a>(&'a State);

impl Display for Name<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let State { name, fields, .. } = self.0;
        out.write_str(name)?;
        let Some((first, rest)) = fields.split_first() else { return Ok(()) };
        let (open, close) = if *first == "0" { ("(", ")") } else { (" { ", " }") };
        write!(out, "{open}{first}")?;
        rest.iter().try_for_each(|field| write!(out, ", {field}"))?;
        out.write_str(close)
    }
}

/// What there is to say of a state besides its rows.
struct Summary<'a> {
    table: &'a Table,
    state: &'a State,
}

impl Display for Summary<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self { table, state } = self;
        let mut list = List { out, separator: "" };
        match state.kind {
            StateKind::Initial => list.item(&"initial")?,
            StateKind::Working => {}
            StateKind::Terminal if table.plain => list.item(&"terminal")?,
            StateKind::Terminal => list.item(&"terminal: sends what is left, then closes")?,
            StateKind::Abort => list.item(&"terminal: drops what is left and resets")?,
        }
        if let Some(group) = state.group.and_then(|group| table.groups.get(group)) {
            list.item(&format_args!("group {}", group.name))?;
        }
        if !table.plain && !state.kind.is_terminal() {
            list.interest(state)?;
        }
        match state.class.or(table.class) {
            Some(Class::Preferred) => list.item(&"class preferred")?,
            Some(Class::Normal) => list.item(&"class normal")?,
            Some(Class::Background) => list.item(&"class background")?,
            None => {}
        }
        match state.shed {
            Shed::First => list.item(&"shed first"),
            Shed::Idle => Ok(()),
            Shed::Never => list.item(&"shed never"),
        }
    }
}

/// Items with commas between them.
struct List<'a, 'b> {
    out: &'a mut Formatter<'b>,
    separator: &'static str,
}

impl<'a, 'b> List<'a, 'b> {
    /// A list behind a name.
    fn new(out: &'a mut Formatter<'b>) -> Self {
        Self { out, separator: "  " }
    }

    fn item(&mut self, item: &dyn Display) -> fmt::Result {
        write!(self.out, "{}{item}", self.separator)?;
        self.separator = ", ";
        Ok(())
    }

    fn interest(&mut self, state: &State) -> fmt::Result {
        let interest = state.interest;
        if interest.has(Interest::INPUT) {
            match state.decode {
                Some((field, alphabet)) => {
                    self.item(&format_args!("reads {alphabet} by {field}"))?;
                }
                None => self.item(&"reads input")?,
            }
        }
        if interest.has(Interest::READABLE) {
            self.item(&"reads by itself")?;
        }
        if !interest.reads() {
            self.item(&"does not read")?;
        }
        if interest.has(Interest::WRITABLE) {
            self.item(&"writes by itself")?;
        }
        if interest.has(Interest::DRAINED) {
            self.item(&"waits for the drain")?;
        }
        Ok(())
    }
}

/// Tells whether a byte now and then is enough to keep the state for ever.
fn can_be_held(state: &State) -> bool {
    let mut deadlines = state.deadlines.iter();
    !state.deadlines.is_empty() && deadlines.all(|it| it.kind == DeadlineKind::WithoutProgress)
}

/// A number of bytes as the table language has it.
struct Bytes(usize);

impl Display for Bytes {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        let fits = |unit: &&(usize, &str)| self.0 > 0 && self.0.is_multiple_of(unit.0);
        match units.iter().find(fits) {
            Some((unit, name)) => write!(out, "{}{name}", self.0 / unit),
            None => write!(out, "{}", self.0),
        }
    }
}
