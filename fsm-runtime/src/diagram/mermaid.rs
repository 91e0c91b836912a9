//! The drawing in Mermaid's language.

use core::fmt::{self, Display, Formatter, Write};

use super::text::{Cause, Label};
use crate::table::{Origin, State, StateKind, Table, Target};

/// Words of Mermaid's grammar, whatever their case; a state of that name needs another one inside.
const RESERVED: &[&str] = &[
    "accdescr", "acctitle", "class", "classdef", "click", "default", "note", "scale", "state",
    "style",
];

pub(super) struct Mermaid<'a>(pub(super) &'a Table);

impl Display for Mermaid<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let states = self.0.states;
        out.write_str("stateDiagram-v2\n")?;
        for state in states.iter().filter(|state| is_reserved(state.name)) {
            writeln!(out, "    state \"{}\" as {}", state.name, Id(state))?;
        }
        for state in states.iter().filter(|state| state.kind == StateKind::Initial) {
            writeln!(out, "    [*] --> {}", Id(state))?;
        }
        for from in 0..states.len() {
            (0..states.len()).try_for_each(|to| write_arrow(states, from, to, out))?;
        }
        for state in states {
            match state.kind {
                StateKind::Terminal => writeln!(out, "    {} --> [*]", Id(state))?,
                StateKind::Abort => writeln!(out, "    {} --> [*] : aborts", Id(state))?,
                StateKind::Initial | StateKind::Working => {}
            }
        }
        Ok(())
    }
}

/// One arrow for everything that leads from a state to another, since arrows side by side push
/// their labels apart until nobody can follow them.
fn write_arrow(states: &[State], from: usize, to: usize, out: &mut Formatter<'_>) -> fmt::Result {
    let mut is_first = true;
    for (cause, target) in edges(&states[from]) {
        let stays = match target {
            Target::Stay { .. } if from == to => "↻ ",
            Target::Enter { state, .. } if state == to => "",
            _ => continue,
        };
        if is_first {
            write!(out, "    {} --> {} : ", Id(&states[from]), Id(&states[to]))?;
        } else {
            out.write_str("<br>")?;
        }
        is_first = false;
        write!(Escaped(out), "{stays}{cause}{}", Label(target))?;
    }
    out.write_str(if is_first { "" } else { "\n" })
}

/// Everything that happens in a state by somebody's word.
fn edges(state: &State) -> impl Iterator<Item = (Cause<'_>, Target)> {
    let rows = state.rows.iter().filter(|row| row.origin != Origin::Default).map(Cause::Event);
    let causes = rows.chain(state.deadlines.iter().map(Cause::Deadline));
    causes.flat_map(|cause| cause.targets().iter().map(move |target| (cause, *target)))
}

fn is_reserved(name: &str) -> bool {
    RESERVED.iter().any(|word| word.eq_ignore_ascii_case(name))
}

/// What Mermaid calls a state.
struct Id<'a>(&'a State);

impl Display for Id<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str(self.0.name)?;
        out.write_str(if is_reserved(self.0.name) { "_" } else { "" })
    }
}

/// Text in which nothing ends a label or begins a tag.
struct Escaped<'a, 'b>(&'a mut Formatter<'b>);

impl Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|char| match char {
            ':' | ';' | '#' | '&' | '<' | '>' | '%' => write!(self.0, "#{};", u32::from(char)),
            '\n' => self.0.write_char(' '),
            _ => self.0.write_char(char),
        })
    }
}
