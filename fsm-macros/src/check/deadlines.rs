//! Rules about time: no state waits for ever by accident.

use super::checked::{Checked, Owner, Place, State, Target, entered};
use crate::diag::{Errors, listed};
use crate::model::{Head, Kind};

pub(super) fn check_deadlines_stand_on_states(
    checked: &Checked<'_>,
    place: &Place<'_>,
    errors: &mut Errors,
) {
    let message = if checked.machine.options.plain.is_some() {
        "a plain machine has no clock; leave the deadline out, or drop `plain`"
    } else if place.is_machine() {
        "a deadline belongs to a state or a group; move it to one of them"
    } else {
        return;
    };
    let spans = place.scope.deadlines.iter().map(|deadline| deadline.span);
    for span in spans.chain(place.scope.never.iter().map(syn::LitStr::span)) {
        errors.at(span, message);
    }
}

pub(super) fn check_deadlines_leave(checked: &Checked<'_>, place: &Place<'_>, errors: &mut Errors) {
    for (deadline, effect) in place.deadlines().filter(|(it, _)| !it.effect.broken) {
        if effect.syntax.arrow.is_none() {
            let ending = ending_name(checked);
            let message =
                format!("a deadline leaves the state; say where to, such as `-> {ending}`");
            errors.at(deadline.span, message);
        }
        for target in &effect.targets {
            let span = match target {
                Target::Stay { syntax } => syntax.name.span(),
                Target::Set { syntax, outcome } if includes_stay(checked, *outcome) => {
                    syntax.name.span()
                }
                _ => continue,
            };
            let message = "a deadline leaves the state; to wait anew, name the state it stands on";
            errors.at(span, message);
        }
    }
}

fn includes_stay(checked: &Checked<'_>, outcome: usize) -> bool {
    checked.outcomes[outcome].targets.iter().any(|it| matches!(it, Target::Stay { .. }))
}

pub(super) fn check_there_is_one_deadline_of_a_kind(place: &Place<'_>, errors: &mut Errors) {
    let deadlines = &place.scope.deadlines;
    for (index, deadline) in deadlines.iter().enumerate() {
        let is_same = |earlier: &&crate::model::Deadline| earlier.kind.is_same_kind(deadline.kind);
        if deadlines[..index].iter().any(|earlier| is_same(&earlier)) {
            let kind = match deadline.kind {
                Kind::SinceEntry => "since entry".to_owned(),
                Kind::WithoutBytes(_) => "`without .. bytes`".to_owned(),
                kind => format!("`{}`", kind.words().trim()),
            };
            let message =
                format!("{} has a deadline {kind} already; keep one of each kind", place.owner);
            errors.at(deadline.span, message);
        }
    }
    if let Owner::State(_) | Owner::Group(_) = place.owner
        && place.scope.never.is_some()
        && let Some(deadline) = deadlines.iter().find(|it| it.kind == Kind::SinceEntry)
    {
        let message =
            format!("{} waits for ever and has a limit; keep one of the two", place.owner);
        errors.at(deadline.span, message);
    }
}

pub(super) fn check_input_is_waited_for_where_it_is_read(
    checked: &Checked<'_>,
    place: &Place<'_>,
    errors: &mut Errors,
) {
    if place.is_machine() || place.scope.unread {
        return;
    }
    let reads = |&state: &usize| {
        let state = &checked.states[state];
        state.interest.input || state.is_terminal() || state.syntax.scope.unread
    };
    if place.states.iter().any(reads) {
        return;
    }
    for deadline in &place.scope.deadlines {
        if let Kind::WithoutInput | Kind::OfPartial = deadline.kind {
            let message = format!(
                "{} takes no input that could be waited for; write `30s`, or `30s without \
                progress`",
                place.owner
            );
            errors.at(deadline.span, message);
        }
    }
}

pub(super) fn check_no_state_waits_for_ever(checked: &Checked<'_>, errors: &mut Errors) {
    if checked.machine.options.plain.is_some() {
        check_no_plain_state_waits_for_nothing(checked, errors);
        return;
    }
    let ending = ending_name(checked);
    for state in checked.working() {
        let Some(wrong) = waits_for_ever(state) else { continue };
        let name = &state.syntax.name;
        let message = format!("`{name}` {wrong}").replace("{ending}", &ending);
        errors.at(name.span(), message);
    }
    if checked.states.iter().any(State::is_terminal) {
        check_deadlines_lead_to_an_end(checked, errors);
    }
}

/// What is wrong with a state that no time limit ends, in the words behind its name.
fn waits_for_ever(state: &State<'_>) -> Option<&'static str> {
    let is_limit = |kind| kind != Kind::OfPartial;
    let is_limited = state.deadlines.iter().any(|deadline| is_limit(deadline.syntax.kind));
    if state.is_terminal() || state.never.is_some() || is_limited {
        return None;
    }
    let waits = |test: fn(&Head) -> bool| {
        let heads = state.rows.iter().flat_map(|row| &row.alternatives).map(|it| &it.head);
        heads.into_iter().any(test)
    };
    let for_peer =
        waits(|head| matches!(head, Head::Readable | Head::Writable | Head::Drained | Head::Eof));
    Some(if !state.deadlines.is_empty() {
        "has a limit only for an input begun; add `#[after(5min without input -> {ending})]`, or \
         `#[after(never = \"why\")]`"
    } else if state.interest.input || for_peer {
        "waits for the peer without a deadline; add `#[after(30s -> {ending})]`, or \
         `#[after(never = \"why\")]`"
    } else if waits(|head| matches!(head, Head::Reply(_))) {
        "waits for a reply without a deadline; add `#[after(30s -> {ending})]`, or \
         `#[after(never = \"why\")]`"
    } else if waits(|head| matches!(head, Head::Message(_))) {
        "waits for a message without a deadline; add `#[after(30s -> {ending})]`, or \
         `#[after(never = \"why\")]`"
    } else {
        WAITS_FOR_NOTHING
    })
}

const WAITS_FOR_NOTHING: &str =
    "waits for nothing; add a row or a deadline, or mark it `#[terminal]`";

/// Tells whether nothing can ever happen in a state.
pub(super) fn waits_for_nothing(state: &State<'_>) -> bool {
    waits_for_ever(state) == Some(WAITS_FOR_NOTHING)
}

fn check_no_plain_state_waits_for_nothing(checked: &Checked<'_>, errors: &mut Errors) {
    for state in checked.states.iter().filter(|state| !state.is_terminal()) {
        if state.rows.is_empty() && state.ignores.is_empty() {
            let name = &state.syntax.name;
            let message =
                format!("`{name}` waits for nothing; add a row, or mark it `#[terminal]`");
            errors.at(name.span(), message);
        }
    }
}

/// Deadlines alone lead from every state to a terminal one, without help from the peer.
fn check_deadlines_lead_to_an_end(checked: &Checked<'_>, errors: &mut Errors) {
    let next = |state: usize| -> Vec<usize> {
        let deadlines = checked.states[state].deadlines.iter();
        let deadlines = deadlines.filter(|deadline| deadline.syntax.kind != Kind::OfPartial);
        deadlines
            .flat_map(|deadline| entered(&deadline.effect.targets, &checked.outcomes))
            .collect()
    };
    // A state that waits on purpose, or was told of something else already, is an end here.
    let reached = super::states::reached(checked);
    let is_excused = |(index, state): (usize, &State<'_>)| {
        let is_told = waits_for_ever(state).is_some() || !reached[index];
        state.is_terminal() || state.never.is_some() || is_told
    };
    let mut ends: Vec<bool> = checked.states.iter().enumerate().map(is_excused).collect();
    while let Some(found) =
        (0..ends.len()).find(|&state| !ends[state] && next(state).iter().any(|&it| ends[it]))
    {
        ends[found] = true;
    }
    let ending = ending_name(checked);
    let mut told = vec![false; ends.len()];
    for state in (0..ends.len()).filter(|&state| !ends[state]) {
        let targets = next(state);
        if targets.iter().any(|&it| told[it]) || targets.is_empty() {
            told[state] = true;
            continue;
        }
        told[state] = true;
        let names: Vec<_> =
            targets.iter().map(|&it| checked.states[it].syntax.name.to_string()).collect();
        let name = &checked.states[state].syntax.name;
        let message = format!(
            "deadlines lead from `{name}` to {} and never to an end; let one lead to \
            `{ending}`, or say `#[after(never = \"why\")]`",
            listed(&names)
        );
        errors.at(name.span(), message);
    }
}

fn ending_name(checked: &Checked<'_>) -> String {
    let ending = checked.ending.map(|ending| checked.states[ending].syntax.name.to_string());
    ending.unwrap_or_else(|| "Closed".into())
}
