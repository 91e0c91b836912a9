//! What a user reads after a mistake. Each case is one mistake and the whole of what is said about
//! it.
//!
//! `ui/fail` has messages in our own words, `ui/rustc` those that rustc words for us, at tokens we
//! choose; its wording belongs to the pinned toolchain. A case `<mistake>_beside.rs` makes the same
//! mistake among rows, actions and other machines that are right: nothing must be said of those.
//! The programs under `ui/pass` are what the cases were before the mistake: one token away, and
//! without a warning.
//!
//! After a change that is meant, read every difference as a user would, then run with
//! `TRYBUILD=overwrite`. Is the smallest wrong token marked? Does it say what is wrong and what to
//! write instead? Is there nothing else?
#![deny(warnings)]
#![allow(dead_code, reason = "the right programs are compiled here, not run")]

#[path = "../ui/pass/chat.rs"]
mod chat;
#[path = "../ui/pass/disk.rs"]
mod disk;
#[path = "../ui/pass/door.rs"]
mod door;
#[path = "../ui/pass/gate.rs"]
mod gate;
#[path = "../ui/pass/sink.rs"]
mod sink;

#[test]
fn every_mistake_is_answered_well() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("ui/fail/*.rs");
    cases.compile_fail("ui/rustc/*.rs");
}
