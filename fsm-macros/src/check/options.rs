//! Rules about `#[machine(..)]`.

use crate::diag::Errors;
use crate::model::Machine;

/// Keys that speak of a connection.
const CONNECTION_KEYS: [&str; 5] = ["reply", "message", "shared", "stall", "backlog"];

/// Answers whether the machine says what it is; without that nothing else can be said of it.
pub(super) fn check_there_are_options(machine: &Machine, errors: &mut Errors) -> bool {
    if !machine.options.present {
        let message = format!(
            "`{}` has no `#[machine(..)]`; add `#[machine(context = .., input = ..)]`",
            machine.name
        );
        errors.at(machine.name.span(), message);
    }
    machine.options.present
}

pub(super) fn check_there_is_a_context(machine: &Machine, errors: &mut Errors) {
    if machine.options.unread {
        return;
    }
    if machine.options.context.is_none() && !machine.options.keys.iter().any(|key| key == "context")
    {
        let message = format!(
            "`{}` has no context, whose methods are its actions; add `#[machine(context = ..)]`",
            machine.name
        );
        errors.at(machine.name.span(), message);
    }
}

pub(super) fn check_a_plain_machine_has_no_connection(machine: &Machine, errors: &mut Errors) {
    if machine.options.plain.is_none() {
        return;
    }
    for key in &machine.options.keys {
        if CONNECTION_KEYS.iter().any(|known| key == known) {
            let message = format!("a plain machine has no `{key}`; leave it out, or drop `plain`");
            errors.at(key.span(), message);
        }
    }
    for terminal in machine.states.iter().filter_map(|state| state.terminal) {
        if let Some(abort) = terminal.abort {
            errors.at(abort, "a plain machine has nothing to abort; write `#[terminal]`");
        }
    }
}

pub(super) fn check_a_connection_owns_its_data(machine: &Machine, errors: &mut Errors) {
    if machine.options.plain.is_some() {
        return;
    }
    if let Some(parameter) = machine.generics.lifetimes().next() {
        let message = format!(
            "a connection outlives every borrow, so `{}` owns its data; leave out `{}`, or make \
            it `plain`",
            machine.name, parameter.lifetime
        );
        errors.at(parameter.lifetime.span(), message);
    }
}
