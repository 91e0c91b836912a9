//! Rules about where rows lead.

use syn::Member;

use super::checked::{Checked, Effect, Entry, Owner, Place, Target, entered};
use crate::diag::{Errors, listed};
use crate::model::{self, Head, Row};

fn is_error(row: &Row) -> bool {
    row.alternatives.iter().any(|alternative| alternative.head == Head::Error)
}

pub(super) fn check_rows_do_something(
    checked: &Checked<'_>,
    place: &Place<'_>,
    errors: &mut Errors,
) {
    // A state that took the word is reported already.
    let is_taken = checked.machine.states.iter().any(|state| state.name == "Stay");
    for (row, effect) in
        place.rows().filter(|(row, effect)| !effect.syntax.broken && !is_error(row))
    {
        let Some(first) = row.alternatives.first() else { continue };
        let has_action = effect.syntax.action.is_some();
        if effect.syntax.arrow.is_none() && !has_action {
            let message = format!(
                "this row does nothing; add an action or a target, or write `#[ignores({})]`",
                first.head
            );
            errors.at(first.token.span(), message);
        }
        if let [stay] = &effect.syntax.targets[..]
            && stay.is_stay()
            && !is_taken
        {
            let message = if has_action {
                "a row without an arrow stays; leave out `-> Stay`".to_owned()
            } else {
                format!("this row does nothing; write `#[ignores({})]`", first.head)
            };
            errors.at(stay.name.span(), message);
        }
    }
}

pub(super) fn check_targets_are_listed_once(
    checked: &Checked<'_>,
    place: &Place<'_>,
    errors: &mut Errors,
) {
    for (_, effect) in place.effects() {
        check_once(checked, &effect.targets, errors);
    }
}

pub(super) fn check_sets_name_each_state_once(checked: &Checked<'_>, errors: &mut Errors) {
    for outcome in &checked.outcomes[..checked.machine.sets.len()] {
        check_once(checked, &outcome.targets, errors);
        for target in &outcome.targets {
            if let Target::Enter(entry) = target {
                check_is_complete(checked, None, entry, errors);
            }
        }
    }
}

pub(super) fn check_sets_are_used(checked: &Checked<'_>, errors: &mut Errors) {
    let effects = checked.places.iter().flat_map(Place::effects);
    let targets: Vec<_> = effects.flat_map(|(_, effect)| &effect.syntax.targets).collect();
    for set in &checked.machine.sets {
        if !targets.iter().any(|target| target.name == set.name) {
            let message =
                format!("no row leads to `{0}`; add one with `-> {0}`, or leave it out", set.name);
            errors.at(set.name.span(), message);
        }
    }
}

/// No state twice, neither by itself nor inside a set. `None` stands for staying.
fn check_once(checked: &Checked<'_>, targets: &[Target<'_>], errors: &mut Errors) {
    let mut seen: Vec<(Option<usize>, &model::Target)> = Vec::new();
    for target in targets {
        let (states, syntax) = match target {
            Target::Stay { syntax } => (vec![None], syntax),
            Target::Enter(entry) => (vec![Some(entry.state)], &entry.syntax),
            Target::Set { syntax, outcome } => {
                let inner = &checked.outcomes[*outcome].targets;
                let stays = inner.iter().any(|it| matches!(it, Target::Stay { .. }));
                let entered = entered(inner, &checked.outcomes).into_iter().map(Some);
                (entered.chain(stays.then_some(None)).collect(), syntax)
            }
        };
        for state in states {
            let Some((_, earlier)) = seen.iter().find(|(known, _)| *known == state) else {
                seen.push((state, syntax));
                continue;
            };
            let message = if earlier.name == syntax.name {
                format!("`{}` is listed already; keep it once", syntax.name)
            } else {
                format!("`{}` and `{}` overlap; keep one of them", earlier.name, syntax.name)
            };
            errors.at(syntax.name.span(), message);
        }
    }
}

pub(super) fn check_targets_can_be_built(
    checked: &Checked<'_>,
    place: &Place<'_>,
    errors: &mut Errors,
) {
    for (row, effect) in place.effects().filter(|(_, effect)| !effect.syntax.broken) {
        let has_action = effect.syntax.action.is_some();
        if row.is_some_and(is_error) && !has_action && effect.targets.is_empty() {
            continue;
        }
        for target in &effect.targets {
            if let Target::Enter(entry) = target {
                check_is_complete(checked, Some((place, effect)), entry, errors);
            }
        }
        if !has_action {
            check_somebody_chooses(effect, errors);
        }
    }
}

fn check_somebody_chooses(effect: &Effect<'_>, errors: &mut Errors) {
    let undecided = match &effect.targets[..] {
        [Target::Set { syntax, .. }] => Some(syntax),
        [_, Target::Stay { syntax } | Target::Set { syntax, .. }, ..] => Some(syntax),
        [_, Target::Enter(entry), ..] => Some(&entry.syntax),
        _ => None,
    };
    if let Some(target) = undecided {
        let message = "nobody chooses between the targets; add an action that does";
        errors.at(target.name.span(), message);
    }
}

/// Every field of the target comes from somewhere. A target without a row stands in a set.
fn check_is_complete(
    checked: &Checked<'_>,
    row: Option<(&Place<'_>, &Effect<'_>)>,
    entry: &Entry<'_>,
    errors: &mut Errors,
) {
    let syntax = &checked.states[entry.state].syntax;
    let carried = entry.syntax.carried.as_ref();
    let missing = syntax.fields.iter().map(|field| &field.member);
    let missing = missing.filter(|name| !carried.is_some_and(|it| it.fields.contains(name)));
    let missing: Vec<_> = missing.collect();
    // Whoever leads to a set has an action.
    let has_action = row.is_none_or(|(_, effect)| effect.syntax.action.is_some());
    let is_answered = has_action && carried.is_none_or(|carried| carried.rest);
    // That the initial state has data at all is reported already.
    let is_told = syntax.initial.is_some();
    if missing.is_empty() || is_answered || is_told {
        return;
    }
    let name = &entry.syntax.name;
    let instead = if has_action {
        let is_at_hand = row.is_some_and(|row| are_at_hand(checked, row, &missing));
        let carry = if is_at_hand { "carry it over by its name, or " } else { "" };
        format!("{carry}add `..` so that the action answers it")
    } else {
        let all: Vec<_> = syntax.fields.iter().map(|field| &field.member).collect();
        let all = quote::quote!(#(#all),*).to_string().replace(" ,", ",");
        format!("add an action, or carry it over: `-> {name} {{ {all} }}`")
    };
    let missing: Vec<_> = missing.iter().map(|name| quote::quote!(#name).to_string()).collect();
    errors.at(name.span(), format!("nobody fills {} of `{name}`; {instead}", listed(&missing)));
}

/// Tells whether the states that a row leaves have these fields, and keep them from its action.
fn are_at_hand(
    checked: &Checked<'_>,
    (place, effect): (&Place<'_>, &Effect<'_>),
    names: &[&Member],
) -> bool {
    let action = effect.syntax.action.as_ref();
    let is_given = |name| action.is_some_and(|action| action.arguments.contains(name));
    let has = |state: usize, name: &Member| {
        checked.states[state].syntax.fields.iter().any(|field| field.member == *name)
    };
    names.iter().all(|&name| !is_given(name) && place.states.iter().all(|&state| has(state, name)))
}

pub(super) fn check_error_rows_lead_out(
    checked: &Checked<'_>,
    place: &Place<'_>,
    errors: &mut Errors,
) {
    for (row, effect) in place.rows().filter(|(row, effect)| is_error(row) && !effect.syntax.broken)
    {
        let token = &row.alternatives[0].token;
        if effect.syntax.arrow.is_none() {
            errors.at(token.span(), "an `error` row leads to an end; add one, such as `-> Closed`");
        }
        if let Some(action) = &effect.syntax.action
            && let Some(question) = action.fallible
        {
            errors.at(question, "the answer to an error cannot fail itself; leave out the `?`");
        }
        for target in &effect.targets {
            let (stays, syntax) = match target {
                Target::Stay { syntax } => (true, *syntax),
                Target::Enter(entry) => (false, entry.syntax),
                Target::Set { syntax, .. } => (effect.can_stay, *syntax),
            };
            let states = entered(std::slice::from_ref(target), &checked.outcomes);
            let goes_on = states.iter().any(|&state| !checked.states[state].is_terminal());
            if stays || goes_on && checked.ending.is_some() {
                let message = format!(
                    "an `error` row leads to a terminal state, not to `{}`; a failure one \
                    recovers from is an ordinary outcome",
                    syntax.name
                );
                errors.at(syntax.name.span(), message);
            }
        }
    }
}

pub(super) fn check_errors_can_happen(checked: &Checked<'_>, errors: &mut Errors) {
    for place in &checked.places {
        for row in place.scope.rows.iter().filter(|row| is_error(row)) {
            let can_fail = place.states.iter().any(|&state| checked.states[state].can_fail());
            let token = &row.alternatives[0].token;
            if !can_fail {
                let owner = match place.owner {
                    Owner::Machine => format!("`{}`", checked.machine.name),
                    owner => owner.to_string(),
                };
                let message = format!(
                    "no action of {owner} is written with `?`, so `error` never happens; write \
                    `?` behind the one that fails, or drop the row"
                );
                errors.at(token.span(), message);
            }
        }
    }
    check_failures_lead_somewhere(checked, errors);
}

/// A plain machine need not end, so it must say where a failure leads, and what it is.
fn check_failures_lead_somewhere(checked: &Checked<'_>, errors: &mut Errors) {
    let options = &checked.machine.options;
    if options.plain.is_none() {
        return;
    }
    for state in &checked.states {
        let questions = state.effects().filter_map(|effect| effect.syntax.action.as_ref());
        let Some(question) = questions.filter_map(|action| action.fallible).next() else {
            continue;
        };
        let has_key = options.unread || options.keys.iter().any(|key| key == "error");
        if options.error.is_none() && !has_key {
            let message = "nobody says what this fails with; add `error = ..` to `#[machine(..)]`";
            errors.at(question, message);
        } else if checked.ending.is_none() && state.row_for(&Head::Error).is_none() {
            let message =
                "nobody says where a failure leads; add a row such as `#[on(error(e) -> ..)]`";
            errors.at(question, message);
        }
    }
}
