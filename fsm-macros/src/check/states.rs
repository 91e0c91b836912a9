//! Rules about states: beginnings, endings, and the way from one to the other.

use super::checked::{Checked, State, entered};
use crate::diag::{Errors, listed};
use crate::model::{self, Head, Machine};

pub(super) fn check_names_are_told_apart(machine: &Machine, errors: &mut Errors) {
    for state in machine.states.iter().filter(|state| state.name == "Stay") {
        let message = "`Stay` is the word for staying in a state; give this state another name";
        errors.at(state.name.span(), message);
    }
    let states: Vec<_> = machine.states.iter().map(|state| &state.name).collect();
    for (index, set) in machine.sets.iter().enumerate() {
        let earlier = machine.sets[..index].iter().map(|set| &set.name);
        if states.iter().copied().chain(earlier).any(|name| *name == set.name) || set.name == "Stay"
        {
            let message =
                format!("`{}` means something already; name the outcome otherwise", set.name);
            errors.at(set.name.span(), message);
        }
    }
    for (index, group) in machine.groups.iter().enumerate() {
        if machine.groups[..index].iter().any(|earlier| earlier.name == group.name) {
            let message =
                format!("there is a group `{}` already; name this one otherwise", group.name);
            errors.at(group.name.span(), message);
        } else if states.iter().any(|state| **state == group.name) {
            let message = format!("`{}` is a state; give the group another name", group.name);
            errors.at(group.name.span(), message);
        }
    }
}

pub(super) fn check_there_is_one_initial_state(machine: &Machine, errors: &mut Errors) {
    let mut initial = machine.states.iter().filter(|state| state.initial.is_some());
    let Some(first) = initial.next() else {
        let message = format!(
            "`{}` has no initial state; mark where it begins with `#[initial]`",
            machine.name
        );
        errors.at(machine.name.span(), message);
        return;
    };
    for other in initial {
        let span = other.initial.unwrap_or(other.name.span());
        let message = format!("`{}` is initial already; keep one `#[initial]`", first.name);
        errors.at(span, message);
    }
}

pub(super) fn check_the_initial_state_has_no_data(machine: &Machine, errors: &mut Errors) {
    let Some(state) = machine.states.iter().find(|state| state.initial.is_some()) else { return };
    if !state.fields.is_empty() {
        let message = format!(
            "the initial state `{}` has data that nobody builds; keep it in the context, or \
            begin in a state without",
            state.name
        );
        errors.at(state.name.span(), message);
    }
    if let Some(terminal) = state.terminal {
        let message = format!("`{}` is initial and terminal; begin in another state", state.name);
        errors.at(terminal.span, message);
    }
}

pub(super) fn check_there_is_a_terminal_state_without_data(machine: &Machine, errors: &mut Errors) {
    let mut terminal = machine.states.iter().filter(|state| state.terminal.is_some()).peekable();
    let Some(first) = terminal.peek().map(|state| &state.name) else {
        if machine.options.plain.is_none() {
            let message = format!(
                "`{}` has no terminal state; mark where a connection ends with `#[terminal]`",
                machine.name
            );
            errors.at(machine.name.span(), message);
        }
        return;
    };
    if terminal.all(|state| !state.fields.is_empty()) {
        let message = format!(
            "`{first}` has data, and `lost` could not enter it; have one terminal state without"
        );
        errors.at(first.span(), message);
    }
}

pub(super) fn check_nothing_happens_in_terminal_states(checked: &Checked<'_>, errors: &mut Errors) {
    for state in checked.states.iter().map(|state| state.syntax) {
        if state.terminal.is_none() {
            continue;
        }
        let scope = &state.scope;
        let rows = scope.rows.iter().filter_map(|row| row.alternatives.first());
        let spans = rows.map(|it| it.token.span());
        let spans = spans.chain(scope.deadlines.iter().map(|it| it.span));
        let spans = spans.chain(scope.ignores.iter().map(|it| it.token.span()));
        let spans = spans.chain(scope.never.iter().map(syn::LitStr::span));
        let spans = spans.chain(state.leave.iter().map(|it| it.name.span()));
        for span in spans.chain(state.decode.iter().map(|it| super::fields::span(&it.field))) {
            let message = format!(
                "`{}` is terminal, so nothing happens there any more; leave this out, or use \
                `enter`",
                state.name
            );
            errors.at(span, message);
        }
    }
    for group in &checked.machine.groups {
        for member in &group.members {
            let is_terminal =
                |state: &State<'_>| state.is_terminal() && state.syntax.name == *member;
            if checked.states.iter().any(is_terminal) {
                let message = format!(
                    "`{member}` is terminal and has no rows; leave it out of the group `{}`",
                    group.name
                );
                errors.at(member.span(), message);
            }
        }
    }
}

pub(super) fn check_a_state_reads_in_one_way(checked: &Checked<'_>, errors: &mut Errors) {
    for state in &checked.states {
        if state.interest.input && state.interest.readable {
            let name = &state.syntax.name;
            let message = format!(
                "`{name}` takes decoded input and has a row for `readable`; read in one of the \
                two ways"
            );
            errors.at(name.span(), message);
        }
    }
}

/// Tells of each state whether any event can lead there from the initial one.
pub(super) fn reached(checked: &Checked<'_>) -> Vec<bool> {
    let mut reached = vec![false; checked.states.len()];
    let mut ahead = vec![checked.initial];
    while let Some(state) = ahead.pop() {
        if !std::mem::replace(&mut reached[state], true) {
            ahead.extend(successors(checked, &checked.states[state]));
        }
    }
    reached
}

pub(super) fn check_every_state_is_reachable(checked: &Checked<'_>, errors: &mut Errors) {
    // Without an initial state nothing is reached, and from a terminal one nothing is. That alone
    // is reported then.
    let begin = checked.machine.states.iter().find(|state| state.initial.is_some());
    if begin.is_none_or(|state| state.terminal.is_some()) {
        return;
    }
    let reached = reached(checked);
    // A second initial state, or one whose name no row can mean, is reported for that alone.
    let is_told = |state: &model::State| state.initial.is_some() || state.name == "Stay";
    let is_lost = |&state: &usize| !reached[state] && !is_told(checked.states[state].syntax);
    let lost: Vec<_> = (0..reached.len()).filter(is_lost).collect();
    for &state in &lost {
        // Where only a lost state leads here, mending that one mends this one.
        let from_lost = |other: &usize| {
            *other != state && successors(checked, &checked.states[*other]).contains(&state)
        };
        let sources: Vec<_> = lost.iter().copied().filter(from_lost).collect();
        let name = &checked.states[state].syntax.name;
        if sources.is_empty() {
            let message =
                format!("no row leads to `{name}`; add one with `-> {name}`, or remove the state");
            errors.at(name.span(), message);
        } else if sources.iter().min() > Some(&state) {
            let sources: Vec<_> =
                sources.iter().map(|&it| checked.states[it].syntax.name.to_string()).collect();
            let message = format!(
                "only {} leads to `{name}`, and no row leads there; add a row with `-> {name}` \
                to a state that is reached",
                listed(&sources)
            );
            errors.at(name.span(), message);
        }
    }
}

/// The states that one event may lead to.
fn successors(checked: &Checked<'_>, state: &State<'_>) -> Vec<usize> {
    let mut next: Vec<_> =
        state.effects().flat_map(|effect| entered(&effect.targets, &checked.outcomes)).collect();
    if state.is_terminal() {
        return next;
    }
    let error = state.row_for(&Head::Error).filter(|_| state.can_fail());
    next.extend(error.iter().flat_map(|row| entered(&row.effect.targets, &checked.outcomes)));
    let is_plain = checked.machine.options.plain.is_some();
    let ends_by_default = !is_plain && state.row_for(&Head::Lost).is_none()
        || state.can_fail() && state.row_for(&Head::Error).is_none();
    next.extend(checked.ending.filter(|_| ends_by_default));
    next
}
