//! Rules about events: what a row may answer, and what a state must not forget.

use super::checked::{Checked, Owner, Place, State};
use crate::diag::{Errors, listed};
use crate::model::{Alternative, Head, Ignored};

pub(super) fn check_events_exist_here(
    checked: &Checked<'_>,
    place: &Place<'_>,
    errors: &mut Errors,
) {
    let rows = place.scope.rows.iter().flat_map(|row| &row.alternatives);
    let events = rows.map(|it| (&it.head, &it.token));
    let ignored = place.scope.ignores.iter().map(|it| (&it.head, &it.token));
    for (head, token) in events.chain(ignored) {
        if let Some(message) = missing(checked, place, head) {
            errors.at(token.span(), message);
        }
    }
}

/// What is wrong with an event that cannot come to this place.
fn missing(checked: &Checked<'_>, place: &Place<'_>, head: &Head) -> Option<String> {
    let options = &checked.machine.options;
    let word = head.word();
    if options.plain.is_some() && !head.is_input() && *head != Head::Error {
        return Some(format!(
            "a plain machine has no `{word}`; its events are the variants of its `input`"
        ));
    }
    if place.is_machine() {
        let is_readiness = matches!(head, Head::Readable | Head::Writable | Head::Drained);
        if is_readiness {
            return Some(format!(
                "`{word}` decides what a state waits for; put it on a state or a group"
            ));
        }
        if *head == Head::AnyInput {
            let message =
                "`_` on the enum would hide what a state forgets; put it on a state or a group";
            return Some(message.into());
        }
    }
    None
}

/// Says once of each kind of event that its type is missing, at the first that is met.
pub(super) fn check_events_have_types(checked: &Checked<'_>, errors: &mut Errors) {
    let options = &checked.machine.options;
    if options.unread {
        return;
    }
    let mut told: Vec<&str> = options.keys.iter().filter_map(known_key).collect();
    for place in &checked.places {
        let rows = place.scope.rows.iter().flat_map(|row| &row.alternatives);
        let events = rows.map(|it| (&it.head, &it.token));
        let ignored = place.scope.ignores.iter().map(|it| (&it.head, &it.token));
        for (head, token) in events.chain(ignored) {
            let Some(key) = needed_key(checked, place, head) else { continue };
            if !told.contains(&key) {
                told.push(key);
                let message = format!(
                    "`{}` names no `{key}` type; add `{key} = ..` to `#[machine(..)]`",
                    checked.machine.name
                );
                errors.at(token.span(), message);
            }
        }
    }
}

fn known_key(key: &proc_macro2::Ident) -> Option<&'static str> {
    ["input", "reply", "message", "error"].into_iter().find(|known| key == known)
}

/// The key that gives this event its type; a decoder of the state's own needs none.
fn needed_key(checked: &Checked<'_>, place: &Place<'_>, head: &Head) -> Option<&'static str> {
    let has_decoder =
        |&state: &usize| checked.states[state].syntax.decode.is_some() || place.scope.unread;
    let is_decoded = !place.is_machine() && place.states.iter().all(has_decoder);
    match head {
        _ if head.is_input() => (!is_decoded).then_some("input"),
        Head::Reply(_) => Some("reply"),
        Head::Message(_) => Some("message"),
        Head::Error if checked.machine.options.plain.is_some() => Some("error"),
        _ => None,
    }
}

/// `_` already takes every other input, and what follows a failure is not what follows an event.
pub(super) fn check_alternatives_go_together(place: &Place<'_>, errors: &mut Errors) {
    for row in &place.scope.rows {
        let Some((first, others)) = row.alternatives.split_first() else { continue };
        for other in others {
            let (first, head) = (&first.head, &other.head);
            if (*first == Head::Error) != (*head == Head::Error) {
                let message = "`error` is no event from outside; give it a row of its own";
                errors.at(other.token.span(), message);
            } else if first.is_input()
                && head.is_input()
                && (*first == Head::AnyInput || *head == Head::AnyInput)
            {
                errors.at(other.token.span(), "`_` is every other input; let it stand alone");
            }
        }
    }
}

pub(super) fn check_alternatives_bind_the_same_names(place: &Place<'_>, errors: &mut Errors) {
    for row in &place.scope.rows {
        for alternative in &row.alternatives {
            let bindings = alternative.bindings();
            for (index, name) in bindings.iter().enumerate() {
                if bindings[..index].contains(name) {
                    let message =
                        format!("`{name}` is bound already; bind another name here, or `_`");
                    errors.at(name.span(), message);
                }
            }
        }
        let Some((first, others)) = row.alternatives.split_first() else { continue };
        for other in others {
            let lacks = |it: &Alternative, name| !it.bindings().contains(name);
            let missing = first.bindings().iter().find(|name| lacks(other, name));
            let extra = other.bindings().iter().find(|name| lacks(first, name));
            let (name, lacking, span) = match (missing, extra) {
                (Some(name), _) => (name, &other.head, other.token.span()),
                (None, Some(name)) => (name, &first.head, name.span()),
                (None, None) => continue,
            };
            let message = format!(
                "`{lacking}` does not bind `{name}`; bind the same names in every pattern of a row"
            );
            errors.at(span, message);
        }
    }
}

pub(super) fn check_there_is_one_row_per_event(place: &Place<'_>, errors: &mut Errors) {
    let mut seen: Vec<&Alternative> = Vec::new();
    for alternative in place.scope.rows.iter().flat_map(|row| &row.alternatives) {
        let head = &alternative.head;
        let is_behind_rest = head.is_input() && *head != Head::AnyInput;
        if is_behind_rest && seen.iter().any(|earlier| earlier.head == Head::AnyInput) {
            let message = format!("`_` above takes `{head}` already; write `_` last");
            errors.at(alternative.token.span(), message);
        } else if seen.iter().any(|earlier| earlier.head == *head) {
            let message = format!(
                "{} already has a row for `{head}`; keep one row per event, and let its action \
                choose",
                place.owner
            );
            errors.at(alternative.token.span(), message);
        }
        seen.push(alternative);
    }
    let mut ignored: Vec<&Ignored> = Vec::new();
    for it in &place.scope.ignores {
        if seen.iter().any(|row| row.head == it.head) {
            let message = format!(
                "{} has a row for `{}` and ignores it; keep one of the two",
                place.owner, it.head
            );
            errors.at(it.token.span(), message);
        } else if ignored.iter().any(|earlier| earlier.head == it.head) {
            let message = format!("{} ignores `{}` already; say it once", place.owner, it.head);
            errors.at(it.token.span(), message);
        }
        ignored.push(it);
    }
}

pub(super) fn check_what_is_ignored_could_happen(place: &Place<'_>, errors: &mut Errors) {
    for ignored in &place.scope.ignores {
        let word = ignored.head.word();
        let message = match ignored.head {
            Head::Lost | Head::Error => {
                format!("`{word}` always ends the connection; write a row to say where it leads")
            }
            Head::Connected | Head::Drained | Head::Readable | Head::Writable => format!(
                "a state without a row for `{word}` takes no notice of it anyway; leave it out here"
            ),
            _ => continue,
        };
        errors.at(ignored.token.span(), message);
    }
}

pub(super) fn check_shared_rows_serve_a_state(checked: &Checked<'_>, errors: &mut Errors) {
    for place in checked.places.iter().filter(|place| !matches!(place.owner, Owner::State(_))) {
        for row in &place.scope.rows {
            let serves = |&state: &usize| {
                let mut rows = checked.states[state].rows.iter();
                rows.any(|in_force| std::ptr::eq(in_force.syntax, row))
            };
            let Some(first) = row.alternatives.first() else { continue };
            if !place.states.iter().any(serves) && !place.states.is_empty() {
                let message = "this row serves no state, as each has its own or takes no input; \
                     leave it out";
                errors.at(first.token.span(), message);
            }
        }
    }
}

/// Variants are written with a capital letter, so newcomers write the runtime's events like that
/// too. Answers the words that nobody wrote in that way.
fn without_capitalised<'w>(
    state: &State<'_>,
    mut missing: Vec<&'w str>,
    errors: &mut Errors,
) -> Vec<&'w str> {
    let rows = state.rows.iter().flat_map(|row| &row.alternatives);
    let events = rows.map(|it| (&it.head, &it.token));
    let ignored = state.ignores.iter().map(|it| (&it.head, &it.token));
    for (head, token) in events.chain(ignored) {
        let Head::Input(name) = head else { continue };
        let Some(at) = missing.iter().position(|word| name.eq_ignore_ascii_case(word)) else {
            continue;
        };
        let word = missing.remove(at);
        let message = format!("`{name}` is an input, so `{word}` stays unanswered; write `{word}`");
        errors.at(token.span(), message);
    }
    missing
}

pub(super) fn check_events_are_answered(checked: &Checked<'_>, errors: &mut Errors) {
    let machine = checked.machine;
    if machine.options.plain.is_some() || machine.shared.unread {
        return;
    }
    for state in checked.working() {
        let in_group = state.group.is_some_and(|it| machine.groups[it].scope.unread);
        let is_told = super::deadlines::waits_for_nothing(state);
        if state.syntax.scope.unread || in_group || is_told {
            continue;
        }
        let is_answered = |head: &Head| {
            let rows = state.rows.iter().flat_map(|row| &row.alternatives).map(|it| &it.head);
            rows.chain(state.ignores.iter().map(|it| &it.head)).any(|it| head.covers(it))
        };
        let has_messages = machine.options.message.is_some();
        let wanted = [
            (state.interest.input, Head::Eof),
            (has_messages, Head::Message(None)),
            (true, Head::Shutdown),
        ];
        let missing = wanted.iter().filter(|(is_wanted, head)| *is_wanted && !is_answered(head));
        let missing: Vec<_> = missing.map(|(_, head)| head.word()).collect();
        let missing = without_capitalised(state, missing, errors);
        if missing.is_empty() {
            continue;
        }
        let name = &state.syntax.name;
        let message = format!(
            "`{name}` does not answer {}; add a row, or `#[ignores({})]`",
            listed(&missing),
            missing.join(", ")
        );
        errors.at(name.span(), message);
    }
}
