//! Crates that depend on the runtime: one without `std`, and a library whose machines are public.

use fsm_tests::dependent;

#[test]
fn a_plain_machine_needs_only_core() {
    let checked = dependent::check("no_std", &[]);
    assert!(checked.compiles, "{}", checked.messages);
    assert_eq!(checked.messages, "", "warnings were printed");
}

#[test]
fn an_untaken_edge_of_a_public_machine_is_a_warning_at_its_target() {
    let checked = dependent::check("library", &["server"]);
    assert!(checked.compiles, "{}", checked.messages);
    dependent::compare("library", &checked);
}
