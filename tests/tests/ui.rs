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

use std::fs;
use std::path::Path;

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

/// What the derive says is written in its sources; what it has been heard to say stands beside the
/// cases. A message without a case has never been read as a user reads it.
#[test]
fn every_message_of_the_derive_has_a_case() {
    let heard = texts("ui/fail", "stderr").concat();
    let sources = [texts("../fsm-macros/src/check", "rs"), texts("../fsm-macros/src/parse", "rs")];
    let messages: Vec<_> = sources.iter().flatten().flat_map(|source| messages(source)).collect();
    assert!(messages.len() > 80, "only {} messages found; mend `messages`", messages.len());
    let unheard = messages.iter().filter(|message| !heard.lines().any(|it| is_said(message, it)));
    let unheard: Vec<_> = unheard.collect();
    assert!(unheard.is_empty(), "write a case under `ui/fail` for each of {unheard:#?}");
}

fn texts(folder: &str, extension: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let paths = paths.filter(|path| path.extension().is_some_and(|it| it == extension));
    paths.map(|path| fs::read_to_string(path).expect("a text")).collect()
}

/// The string literals with two clauses: what is wrong; what to write instead.
fn messages(source: &str) -> Vec<String> {
    let code: String = source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect();
    let mut found = Vec::new();
    let mut rest = code.chars();
    while rest.by_ref().any(|c| c == '"') {
        let literal = literal(&mut rest);
        if literal.contains("; ") {
            found.push(literal);
        }
    }
    found
}

/// Reads a string literal to its end.
fn literal(rest: &mut std::str::Chars<'_>) -> String {
    let mut text = String::new();
    while let Some(c) = rest.next() {
        match c {
            '"' => break,
            '\\' => match rest.next() {
                Some('\n') => *rest = rest.as_str().trim_start().chars(),
                Some(escaped) => text.push(escaped),
                None => break,
            },
            other => text.push(other),
        }
    }
    text
}

/// Tells whether a line says the message, whatever stands for its `{..}`.
fn is_said(message: &str, line: &str) -> bool {
    let mut rest = line;
    message.split('{').enumerate().all(|(at, part)| {
        let fixed = if at == 0 { part } else { part.split_once('}').map_or(part, |(_, it)| it) };
        let Some(found) = rest.find(fixed) else { return false };
        rest = &rest[found + fixed.len()..];
        true
    })
}
