//! The table as rustdoc shows it, on the generated `impl`.

use std::fmt::Write as _;

use super::Cx;
use crate::check::{Checked, Deadline, Effect, Origin, State, Target};
use crate::model::{Head, Limit};

/// A Markdown table of states and rows.
pub(super) fn table(cx: &Cx<'_, '_>) -> String {
    let checked = cx.checked;
    let mut docs = format!("The table of `{}`.\n\n", checked.machine.name);
    docs.push_str("| state | event | action | leads to |\n|---|---|---|---|\n");
    for (index, state) in checked.states.iter().enumerate() {
        let mut name = title(checked, index, state);
        for line in lines(checked, state) {
            // Nothing that is written to a `String` fails.
            let _ = writeln!(docs, "| {name} | {line} |");
            name.clear();
        }
    }
    docs
}

fn title(checked: &Checked<'_>, index: usize, state: &State<'_>) -> String {
    let name = &state.syntax.name;
    match &state.syntax.terminal {
        Some(terminal) if terminal.abort.is_some() => format!("**{name}** (terminal, aborts)"),
        Some(_) => format!("**{name}** (terminal)"),
        None if index == checked.initial => format!("**{name}** (initial)"),
        None => format!("**{name}**"),
    }
}

fn lines(checked: &Checked<'_>, state: &State<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    for row in state.rows.iter().filter(|row| state.can_fail() || !row.is_for(&Head::Error)) {
        let origin = match row.origin {
            Origin::State => "",
            Origin::Group => " (group)",
            Origin::Machine => " (shared)",
        };
        lines.push(line(checked, &format!("`{}`{origin}", row.syntax.pattern), &row.effect));
    }
    for deadline in &state.deadlines {
        lines.push(line(checked, &format!("after {}", after(deadline)), &deadline.effect));
    }
    if let Some(reason) = state.never {
        lines.push(format!("never by time: {} | | ", escaped(&reason.value())));
    }
    if !state.ignores.is_empty() {
        let ignored: Vec<_> = state.ignores.iter().map(|it| format!("`{}`", it.head)).collect();
        lines.push(format!("ignores {} | | ", ignored.join(", ")));
    }
    if lines.is_empty() {
        lines.push(" | | ".into());
    }
    lines
}

fn line(checked: &Checked<'_>, event: &str, effect: &Effect<'_>) -> String {
    let action = match &effect.syntax.action {
        Some(action) if action.fallible.is_some() => format!("`{}?`", action.name),
        Some(action) => format!("`{}`", action.name),
        None => String::new(),
    };
    let mut targets = Vec::new();
    names(checked, &effect.targets, &mut targets);
    let targets = if targets.is_empty() { "stays".to_owned() } else { targets.join(" or ") };
    format!("{} | {action} | {targets}", event.replace('|', "\\|"))
}

fn names(checked: &Checked<'_>, targets: &[Target<'_>], names_of: &mut Vec<String>) {
    for target in targets {
        let (name, label) = match target {
            Target::Stay { syntax } => ("stays".to_owned(), &syntax.label),
            Target::Enter(entry) => (entry.syntax.name.to_string(), &entry.syntax.label),
            Target::Set { outcome, .. } => {
                names(checked, &checked.outcomes[*outcome].targets, names_of);
                continue;
            }
        };
        let label = label.as_ref().map(|label| format!(" ({})", escaped(&label.value())));
        names_of.push(name + &label.unwrap_or_default());
    }
}

fn after(deadline: &Deadline<'_>) -> String {
    let limit = match &deadline.syntax.limit {
        Limit::Fixed(_, text) => text.clone(),
        Limit::Method(method) => format!("`{}()`", method.name),
    };
    format!("{limit}{}", deadline.syntax.kind.words())
}

fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
