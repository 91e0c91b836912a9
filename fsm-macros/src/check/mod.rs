//! From a machine as written to one that may be expanded: every rule of the language, one function
//! each.
//!
//! It knows the table and no Rust types: what rustc says better is left to rustc.

mod actions;
mod checked;
mod deadlines;
mod events;
mod fields;
mod options;
mod resolve;
mod states;
mod targets;

pub(crate) use checked::{
    Answer, Checked, Deadline, Effect, Entry, Origin, Outcome, Row, State, Target, binds,
};

use crate::diag::Errors;
use crate::model::Machine;

/// Checks everything. What is wrong is in `errors` afterwards, and the answer is the machine mended
/// as far as the mistakes let it be.
pub(crate) fn check<'m>(machine: &'m Machine, errors: &mut Errors) -> Option<Checked<'m>> {
    if !options::check_there_are_options(machine, errors) {
        return resolve::resolve(machine, errors);
    }
    options::check_there_is_a_context(machine, errors);
    options::check_a_plain_machine_has_no_connection(machine, errors);
    options::check_a_connection_owns_its_data(machine, errors);
    let checked = resolve::resolve(machine, errors)?;
    check_states(&checked, errors);
    check_rows(&checked, errors);
    check_graph(&checked, errors);
    Some(checked)
}

/// What holds of each state by itself.
fn check_states(checked: &Checked<'_>, errors: &mut Errors) {
    states::check_names_are_told_apart(checked.machine, errors);
    states::check_there_is_one_initial_state(checked.machine, errors);
    states::check_the_initial_state_has_no_data(checked.machine, errors);
    if !checked.machine.options.unread {
        states::check_there_is_a_terminal_state_without_data(checked.machine, errors);
    }
    states::check_nothing_happens_in_terminal_states(checked, errors);
    states::check_a_state_reads_in_one_way(checked, errors);
    fields::check_enter_and_leave_name_fields(checked.machine, errors);
    fields::check_leave_finds_its_fields(checked, errors);
    fields::check_decoders_are_fields(checked, errors);
}

/// What holds of each row by itself, and of rows beside each other.
fn check_rows(checked: &Checked<'_>, errors: &mut Errors) {
    for place in &checked.places {
        events::check_events_exist_here(checked, place, errors);
        events::check_alternatives_go_together(place, errors);
        events::check_alternatives_bind_the_same_names(place, errors);
        events::check_there_is_one_row_per_event(place, errors);
        events::check_what_is_ignored_could_happen(place, errors);
        fields::check_arguments_are_bound(checked, place, errors);
        fields::check_bound_names_are_no_fields(checked, place, errors);
        fields::check_carried_fields_exist(checked, place, errors);
        targets::check_rows_do_something(checked, place, errors);
        targets::check_targets_are_listed_once(checked, place, errors);
        targets::check_targets_can_be_built(checked, place, errors);
        targets::check_error_rows_lead_out(checked, place, errors);
        deadlines::check_deadlines_stand_on_states(checked, place, errors);
        deadlines::check_deadlines_leave(checked, place, errors);
        deadlines::check_there_is_one_deadline_of_a_kind(place, errors);
        deadlines::check_input_is_waited_for_where_it_is_read(checked, place, errors);
    }
    events::check_events_have_types(checked, errors);
    targets::check_sets_name_each_state_once(checked, errors);
    actions::check_rows_of_one_action_agree(checked, errors);
}

/// What holds of the states together. Where a name could not be read, a state may only seem to be
/// forgotten, so nothing is said.
fn check_graph(checked: &Checked<'_>, errors: &mut Errors) {
    if checked.machine.options.unread {
        return;
    }
    events::check_events_are_answered(checked, errors);
    if !checked.incomplete {
        events::check_shared_rows_serve_a_state(checked, errors);
        targets::check_errors_can_happen(checked, errors);
        targets::check_sets_are_used(checked, errors);
        states::check_every_state_is_reachable(checked, errors);
        deadlines::check_no_state_waits_for_ever(checked, errors);
    }
}

/// `next_piece` as `NextPiece`.
fn camel_case(name: &str) -> String {
    let mut camel = String::new();
    for word in name.split('_') {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}
