//! Rules about names: arguments, fields carried over, fields of `enter`, `leave` and `decode`.

use proc_macro2::Span;
use quote::ToTokens as _;
use syn::Member;

use super::checked::{Checked, Owner, Place, Target, binds};
use crate::diag::{Errors, did_you_mean, nearest};
use crate::model::{Action, Deadline, Head, Limit, Machine, Row, State};

/// Where a field or its place in a tuple is written.
pub(super) fn span(member: &Member) -> Span {
    match member {
        Member::Named(name) => name.span(),
        Member::Unnamed(index) => index.span,
    }
}

/// The name as a message has it.
fn text(member: &Member) -> String {
    member.to_token_stream().to_string()
}

pub(super) fn check_arguments_are_bound(
    checked: &Checked<'_>,
    place: &Place<'_>,
    errors: &mut Errors,
) {
    for (row, effect) in place.effects() {
        let Some(action) = &effect.syntax.action else { continue };
        check_no_argument_is_passed_twice(action, errors);
        for name in action.arguments.iter().filter(|name| !row.is_some_and(|it| binds(it, name))) {
            check_argument(checked, place, row, name, errors);
        }
    }
    for Deadline { limit, .. } in &place.scope.deadlines {
        let Limit::Method(action) = limit else { continue };
        if let Some(question) = action.fallible {
            errors.at(question, "a limit cannot fail; answer `None` where there is none");
        }
        for name in &action.arguments {
            check_argument(checked, place, None, name, errors);
        }
    }
}

fn check_no_argument_is_passed_twice(action: &Action, errors: &mut Errors) {
    for (index, name) in action.arguments.iter().enumerate() {
        if action.arguments[..index].contains(name) {
            let message = format!("`{}` is passed already; pass it once", text(name));
            errors.at(span(name), message);
        }
    }
}

/// One argument that the event does not bind: it must be a field of every state served.
fn check_argument(
    checked: &Checked<'_>,
    place: &Place<'_>,
    row: Option<&Row>,
    name: &Member,
    errors: &mut Errors,
) {
    let shown = text(name);
    if shown == "io" {
        errors.at(span(name), "`io` comes last by itself; leave it out");
        return;
    }
    let states = || place.states.iter().map(|&state| checked.states[state].syntax);
    let lacking = states().find(|state| state.field(name).is_none());
    let is_error = row.is_some_and(|row| row.alternatives.iter().any(|it| it.head == Head::Error));
    let is_field = states().any(|state| state.field(name).is_some());
    if is_error && is_field {
        let message = "an `error` row names no fields; let the failing action keep what is needed";
        errors.at(span(name), message);
        return;
    }
    if place.is_machine() && is_field {
        let message = format!(
            "a row on the enum cannot name the field `{shown}`; move it to the states or the \
            group that have it"
        );
        errors.at(span(name), message);
        return;
    }
    let Some(lacking) = lacking.filter(|_| !place.is_machine() || !is_field) else { return };
    if matches!(place.owner, Owner::Group(_)) && is_field {
        let message = format!(
            "`{}` of {} has no field `{shown}`; name only what all its states have",
            lacking.name, place.owner
        );
        errors.at(span(name), message);
        return;
    }
    errors.at(span(name), unbound(place, row, lacking, &shown));
}

fn unbound(place: &Place<'_>, row: Option<&Row>, state: &State, shown: &str) -> String {
    let bound = row
        .into_iter()
        .flat_map(|row| &row.alternatives)
        .flat_map(super::super::model::Alternative::bindings);
    let mut known: Vec<String> = bound.map(ToString::to_string).collect();
    if !place.is_machine() {
        known.extend(state.fields.iter().map(|field| text(&field.member)));
    }
    let near = nearest(shown, known.iter().map(String::as_str));
    let owner = place.owner;
    match (place.is_machine(), row.is_some()) {
        (true, _) => {
            let instead = "bind it in the pattern, or leave it out";
            format!("the event binds no `{shown}`{}", did_you_mean(near, instead))
        }
        (false, true) => {
            let instead = "name what the pattern binds or the state has";
            let near = did_you_mean(near, instead);
            format!("`{shown}` is neither bound by the event nor a field of {owner}{near}")
        }
        (false, false) => {
            let near = did_you_mean(near, "name a field of the state");
            format!("{owner} has no field `{shown}`{near}")
        }
    }
}

pub(super) fn check_bound_names_are_no_fields(
    checked: &Checked<'_>,
    place: &Place<'_>,
    errors: &mut Errors,
) {
    if place.is_machine() {
        return;
    }
    for name in place
        .scope
        .rows
        .iter()
        .flat_map(|row| &row.alternatives)
        .flat_map(super::super::model::Alternative::bindings)
    {
        let member = Member::Named(name.clone());
        let states = place.states.iter().map(|&state| checked.states[state].syntax);
        if let Some(state) = states.into_iter().find(|state| state.field(&member).is_some()) {
            let message = format!(
                "`{name}` is also a field of `{}`; bind the event's under another name",
                state.name
            );
            errors.at(name.span(), message);
        }
    }
}

pub(super) fn check_carried_fields_exist(
    checked: &Checked<'_>,
    place: &Place<'_>,
    errors: &mut Errors,
) {
    for (row, effect) in place.effects() {
        let is_error =
            row.is_some_and(|row| row.alternatives.iter().any(|it| it.head == Head::Error));
        let given = effect.syntax.action.iter();
        let given = given.filter(|_| effect.takes_by_value() && !effect.syntax.broken);
        let given: Vec<_> = given.flat_map(|action| &action.arguments).collect();
        for target in &effect.targets {
            let Target::Enter(entry) = target else { continue };
            for field in &entry.carried {
                let shown = text(field);
                if is_error {
                    let message = "an `error` row names no fields; lead to a state without data";
                    errors.at(span(field), message);
                } else if given.contains(&field) {
                    let message = format!(
                        "`{shown}` goes to the action by value and cannot be carried over as \
                        well; let the action answer it"
                    );
                    errors.at(span(field), message);
                } else {
                    check_carried(checked, place, entry.state, field, errors);
                }
            }
        }
    }
    check_sets_carry_from_everywhere(checked, place, errors);
}

/// The field must be where the row starts and where it leads.
fn check_carried(
    checked: &Checked<'_>,
    place: &Place<'_>,
    target: usize,
    field: &Member,
    errors: &mut Errors,
) {
    let shown = text(field);
    let target = checked.states[target].syntax;
    if target.field(field).is_none() {
        let known: Vec<_> = target.fields.iter().map(|field| text(&field.member)).collect();
        let near = nearest(&shown, known.iter().map(String::as_str));
        let message = format!(
            "`{}` has no field `{shown}`{}",
            target.name,
            did_you_mean(near, "carry over only what it has")
        );
        errors.at(span(field), message);
        return;
    }
    let mut states = place.states.iter().map(|&state| checked.states[state].syntax);
    if let Some(lacking) = states.find(|state| state.field(field).is_none()) {
        let message = format!(
            "`{}` has no field `{shown}` to carry over; let the action answer it",
            lacking.name
        );
        errors.at(span(field), message);
    }
}

/// A set that carries fields may be used only where they are.
fn check_sets_carry_from_everywhere(checked: &Checked<'_>, place: &Place<'_>, errors: &mut Errors) {
    for (_, effect) in place.effects() {
        for target in &effect.targets {
            let Target::Set { syntax, outcome } = target else { continue };
            let entries = checked.outcomes[*outcome].targets.iter().filter_map(|it| match it {
                Target::Enter(entry) => Some(entry),
                _ => None,
            });
            let carried: Vec<_> = entries.flat_map(|entry| &entry.carried).collect();
            let states = place.states.iter().map(|&state| checked.states[state].syntax);
            for state in states {
                if let Some(field) = carried.iter().find(|it| state.field(it).is_none()) {
                    let message = format!(
                        "`{}` carries `{}` over, which `{}` does not have; name the targets one \
                        by one",
                        syntax.name,
                        text(field),
                        state.name
                    );
                    errors.at(syntax.name.span(), message);
                }
            }
        }
    }
}

pub(super) fn check_enter_and_leave_name_fields(machine: &Machine, errors: &mut Errors) {
    for state in &machine.states {
        let actions = [("enter", &state.enter), ("leave", &state.leave)];
        for (word, action) in
            actions.into_iter().filter_map(|(word, it)| Some((word, it.as_ref()?)))
        {
            if let Some(question) = action.fallible {
                errors.at(question, format!("`{word}` cannot fail; leave out the `?`"));
            }
            for name in action.arguments.iter().filter(|name| state.field(name).is_none()) {
                errors.at(span(name), no_field(state, name));
            }
        }
    }
}

fn no_field(state: &State, name: &Member) -> String {
    let shown = text(name);
    if shown == "io" {
        return "`io` comes last by itself; leave it out".into();
    }
    let known: Vec<_> = state.fields.iter().map(|field| text(&field.member)).collect();
    let near = nearest(&shown, known.iter().map(String::as_str));
    let words = did_you_mean(near, "name a field of the state here");
    format!("`{}` has no field `{shown}`{words}", state.name)
}

pub(super) fn check_leave_finds_its_fields(checked: &Checked<'_>, errors: &mut Errors) {
    for state in &checked.states {
        let Some(Action { arguments, .. }) = &state.syntax.leave else { continue };
        let rows = state.rows.iter().map(|row| (Some(row.syntax), &row.effect));
        let deadlines = state.deadlines.iter().map(|deadline| (None, &deadline.effect));
        let effects = rows.chain(deadlines).filter(|(_, effect)| !effect.syntax.broken);
        for (row, effect) in effects.filter(|(_, effect)| effect.takes_by_value()) {
            let given = effect.syntax.action.iter().flat_map(|action| &action.arguments);
            let given: Vec<_> =
                given.filter(|name| !row.is_some_and(|it| binds(it, name))).collect();
            for name in arguments.iter().filter(|name| given.contains(name)) {
                let message = format!(
                    "a row of `{}` gives `{}` away by value before `leave` runs; let that \
                    action do what `leave` does, or leave the field out",
                    state.syntax.name,
                    text(name)
                );
                errors.at(span(name), message);
            }
        }
    }
}

pub(super) fn check_decoders_are_fields(checked: &Checked<'_>, errors: &mut Errors) {
    for state in &checked.states {
        let Some(decode) = &state.syntax.decode else { continue };
        let at = span(&decode.field);
        let name = &state.syntax.name;
        if checked.machine.options.plain.is_some() {
            errors.at(at, "a plain machine has no bytes to decode; leave this out");
        } else if state.syntax.field(&decode.field).is_none() {
            errors.at(at, no_field(state.syntax, &decode.field));
        } else if !state.interest.input && !state.syntax.scope.unread && !state.is_terminal() {
            let message = format!(
                "no row of `{name}` takes an input of this decoder; add one, or leave the \
                decoder out"
            );
            errors.at(at, message);
        }
    }
}
