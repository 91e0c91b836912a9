//! The drawing: states below each other, and rails at their right that lead from events to states.
//!
//! Every state that is entered has one rail, and all edges to it join it. So there are never more
//! rails than states, and a line that crosses a rail never ends at it.

use core::fmt::{self, Display, Formatter};

use super::text::{Cause, Label, Line, width};
use crate::table::{Origin, StateKind, Table, Target};

/// The most states that are joined by rails. With more of them an eye cannot follow a rail any
/// longer, and every edge names the state it leads to instead.
const MOST: usize = 24;

/// The characters from one rail to the next.
const PITCH: usize = 2;

pub(super) struct Drawing<'a>(pub(super) &'a Table);

impl Display for Drawing<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let table = self.0;
        let rails = Rails::of(table);
        let mut number = 0;
        each_line(table, |drawn| {
            let mut line = Line::new(out);
            line.push(&Text { table, drawn })?;
            match &rails {
                Some(rails) => rails.write(number, drawn, &mut line)?,
                None => write_target(table, drawn, &mut line)?,
            }
            number += 1;
            line.end()
        })
    }
}

/// What events can stand below.
#[derive(Clone, Copy)]
enum Node {
    State(usize),
    Group(usize),
    Every,
}

/// One line of the drawing.
#[derive(Clone, Copy)]
enum Drawn<'a> {
    Gap,
    Head(Node),
    Edge(Edge<'a>),
    Never { reason: &'a str },
}

/// One way that an event can end.
#[derive(Clone, Copy)]
struct Edge<'a> {
    cause: Cause<'a>,
    target: Target,
    /// Which of the event's targets this is, and of how many.
    at: usize,
    of: usize,
    /// Set where no other event stands below in the same node.
    is_last: bool,
}

impl Edge<'_> {
    /// Tells whether words stand before what leads away; the second and later targets may have
    /// none.
    fn has_words(&self) -> bool {
        self.at == 0 || width(&Label(self.target)) > 0
    }
}

impl Drawn<'_> {
    /// The state whose rail begins or ends in this line.
    fn joins(&self) -> Option<usize> {
        match self {
            Self::Head(Node::State(state)) => Some(*state),
            Self::Edge(Edge { target: Target::Enter { state, .. }, .. }) => Some(*state),
            _ => None,
        }
    }
}

/// Every line from top to bottom.
fn each_line<'a>(table: &'a Table, mut line: impl FnMut(Drawn<'a>) -> fmt::Result) -> fmt::Result {
    let mut is_first = true;
    nodes(table).try_for_each(|node| {
        if !is_first {
            line(Drawn::Gap)?;
        }
        is_first = false;
        line(Drawn::Head(node))?;
        let never = match node {
            Node::State(state) => table.states[state].never,
            Node::Group(_) | Node::Every => None,
        };
        let mut causes = causes(table, node).peekable();
        while let Some(cause) = causes.next() {
            let is_last = causes.peek().is_none() && never.is_none();
            let of = cause.targets().len();
            for (at, &target) in cause.targets().iter().enumerate() {
                line(Drawn::Edge(Edge { cause, target, at, of, is_last }))?;
            }
        }
        never.map_or(Ok(()), |reason| line(Drawn::Never { reason }))
    })
}

/// States in the order of the table; a group behind its last state, and what all share before the
/// first terminal state, where most of it leads.
fn nodes(table: &Table) -> impl Iterator<Item = Node> {
    let count = table.states.len();
    let end = table.states.iter().position(|state| state.kind.is_terminal()).unwrap_or(count);
    (0..=count).flat_map(move |at| {
        let every = (at == end).then_some(Node::Every);
        let state = (at < count).then_some(Node::State(at));
        let ends_here = move |group: &usize| table.groups[*group].states.last() == Some(&at);
        let groups = (0..table.groups.len()).filter(ends_here).map(Node::Group);
        let shared = every.into_iter().chain(state).chain(groups);
        shared
            .filter(|node| matches!(node, Node::State(_)) || causes(table, *node).next().is_some())
    })
}

/// What somebody wrote at a node, each row once, however many states it serves.
fn causes(table: &Table, node: Node) -> impl Iterator<Item = Cause<'_>> {
    let origin = match node {
        Node::State(_) => Origin::State,
        Node::Group(_) => Origin::Group,
        Node::Every => Origin::Machine,
    };
    let members = move || {
        table.states.iter().enumerate().filter(move |(at, state)| match node {
            Node::State(only) => *at == only,
            Node::Group(group) => state.group == Some(group),
            Node::Every => true,
        })
    };
    let before = move |end: usize| members().map(|(_, state)| state).take(end);
    let rows = members().enumerate().flat_map(move |(nth, (_, state))| {
        let is_new = move |row: &_| !before(nth).any(|state| state.rows.contains(row));
        state.rows.iter().filter(move |row| row.origin == origin && is_new(*row))
    });
    let deadlines = members().enumerate().flat_map(move |(nth, (_, state))| {
        let is_new = move |it: &_| !before(nth).any(|state| state.deadlines.contains(it));
        state.deadlines.iter().filter(move |it| it.origin == origin && is_new(*it))
    });
    rows.map(Cause::Event).chain(deadlines.map(Cause::Deadline))
}

/// The words of a line, without what leads away.
struct Text<'a> {
    table: &'a Table,
    drawn: Drawn<'a>,
}

impl Display for Text<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self.drawn {
            Drawn::Gap => Ok(()),
            Drawn::Head(node) => self.write_head(node, out),
            Drawn::Edge(edge) => write_edge(edge, out),
            Drawn::Never { reason } => write!(out, "╰── after never \"{reason}\""),
        }
    }
}

impl Text<'_> {
    fn write_head(&self, node: Node, out: &mut Formatter<'_>) -> fmt::Result {
        let table = self.table;
        match node {
            Node::State(state) => {
                let state = &table.states[state];
                let mark = match state.kind {
                    StateKind::Initial => '●',
                    StateKind::Working => '○',
                    StateKind::Terminal => '◉',
                    StateKind::Abort => '⊗',
                };
                write!(out, "{mark} {}", state.name)
            }
            Node::Group(group) => {
                let group = &table.groups[group];
                write!(out, "□ {}:", group.name)?;
                let mut names = group.states.iter().map(|state| table.states[*state].name);
                names.next().map_or(Ok(()), |name| write!(out, " {name}"))?;
                names.try_for_each(|name| write!(out, ", {name}"))
            }
            Node::Every => out.write_str("□ every state"),
        }
    }
}

fn write_edge(edge: Edge<'_>, out: &mut Formatter<'_>) -> fmt::Result {
    let is_first = edge.at == 0;
    out.write_str(match (is_first, edge.is_last) {
        (true, true) => "╰─",
        (true, false) => "├─",
        (false, true) => "  ",
        (false, false) => "│ ",
    })?;
    out.write_str(match (is_first, edge.at + 1 == edge.of) {
        (true, true) => "─",
        (true, false) => "┬",
        (false, true) => "╰─",
        (false, false) => "├─",
    })?;
    if is_first {
        write!(out, " {}", edge.cause)?;
    }
    write!(out, "{}", Label(edge.target))?;
    out.write_str(if matches!(edge.target, Target::Stay { .. }) { " ↻" } else { "" })
}

/// Where there are no rails, an edge says by name where it leads.
fn write_target(table: &Table, drawn: Drawn<'_>, line: &mut Line<'_, '_>) -> fmt::Result {
    match drawn {
        Drawn::Edge(Edge { target: Target::Enter { state, .. }, .. }) => {
            line.push(&format_args!(" ─► {}", table.states[state].name))
        }
        _ => Ok(()),
    }
}

/// The rail of one state: where it stands, in lines from the top and columns of rails from the
/// left.
#[derive(Clone, Copy, Default)]
struct Rail {
    first: usize,
    last: usize,
    column: Option<usize>,
    /// How many edges lead to the state; without any there is no rail.
    joins: usize,
}

impl Rail {
    fn covers(&self, line: usize) -> bool {
        self.joins > 0 && self.first <= line && line <= self.last
    }

    fn meets(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    fn reach_to(&mut self, line: usize) {
        self.first = self.first.min(line);
        self.last = self.last.max(line);
    }
}

struct Rails {
    /// The column of characters where the first rail stands.
    left: usize,
    /// How many rails stand side by side.
    columns: usize,
    of: [Rail; MOST],
}

impl Rails {
    fn of(table: &Table) -> Option<Self> {
        if table.states.len() > MOST {
            return None;
        }
        let unused = Rail { first: usize::MAX, ..Rail::default() };
        let mut rails = Self { left: 0, columns: 0, of: [unused; MOST] };
        let mut number = 0;
        let measured = each_line(table, |drawn| {
            rails.left = rails.left.max(width(&Text { table, drawn }) + 3);
            if let Some(state) = drawn.joins() {
                rails.of[state].reach_to(number);
                rails.of[state].joins += usize::from(matches!(drawn, Drawn::Edge(_)));
            }
            number += 1;
            Ok(())
        });
        measured.ok()?;
        rails.place();
        Some(rails)
    }

    /// Gives every rail the leftmost column that is free along all of it. The rail with most edges
    /// comes first, since an edge crosses whatever stands at the left of its rail; of equals the
    /// shortest, so that they nest.
    fn place(&mut self) {
        let is_open = |rail: &Rail| rail.joins > 0 && rail.column.is_none();
        let rank = |rail: &Rail| (usize::MAX - rail.joins, rail.last - rail.first);
        loop {
            let open = (0..MOST).filter(|at| is_open(&self.of[*at]));
            let Some(next) = open.min_by_key(|at| rank(&self.of[*at])) else { return };
            let is_free = |column: &usize| {
                let mut there = self.of.iter().filter(|rail| rail.column == Some(*column));
                !there.any(|rail| rail.meets(&self.of[next]))
            };
            // There are as many columns as rails, so one is free.
            let column = (0..MOST).find(is_free).unwrap_or(0);
            self.of[next].column = Some(column);
            self.columns = self.columns.max(column + 1);
        }
    }

    /// Writes what stands at the right of a line: the way to its own rail, and the rails that pass.
    fn write(&self, number: usize, drawn: Drawn<'_>, line: &mut Line<'_, '_>) -> fmt::Result {
        let own = drawn.joins().map(|state| &self.of[state]).and_then(|rail| rail.column);
        match (own, drawn) {
            (Some(_), Drawn::Head(_)) => line.push(&" ◄")?,
            (Some(_), Drawn::Edge(edge)) if edge.has_words() => line.push(&" ")?,
            _ => {}
        }
        for column in 0..self.columns {
            let here = |rail: &&Rail| rail.column == Some(column) && rail.covers(number);
            let Some(rail) = self.of.iter().find(here) else { continue };
            let is_on_the_way = own.is_some_and(|own| column <= own);
            line.fill(self.left + column * PITCH, if is_on_the_way { '─' } else { ' ' })?;
            line.push(&match (is_on_the_way, own == Some(column)) {
                (_, true) if rail.first == number => '╮',
                (_, true) if rail.last == number => '╯',
                (_, true) => '┤',
                (true, false) => '┼',
                (false, false) => '│',
            })?;
        }
        Ok(())
    }
}
