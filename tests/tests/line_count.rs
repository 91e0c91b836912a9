//! The echo server as a table is no longer than the same server with a thread for each client.
//!
//! CS:APP (12.2) says of an event-driven echo server that it takes three times the code of one with
//! threads; this turns it around, and is counted so that it stays true. Every line of both files
//! counts but blank ones, comments, lint attributes of the whole file, and tests: imports, options,
//! help text and `main` count on both sides. What is not counted on the side of the table is the
//! runtime and `cli.rs`, which all servers share: addresses, signals, logs. The threads, in turn,
//! know neither signals nor logs.

use std::fs;
use std::path::Path;

use fsm_tests::code_lines::code_lines;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_table_is_no_longer_than_threads() {
    let (table, threads) = (read("../servers/src/echo.rs"), read("peers/threads_echo.rs"));
    let (table, threads) = (code_lines(&table).len(), code_lines(&threads).len());
    println!("echo as a table: {table} lines; with threads: {threads} lines");
    assert!(table > 20 && threads > 20, "{table} and {threads}: nothing was counted");
    assert!(table <= threads, "the table takes {table} lines, threads take {threads}");
}

#[test]
fn what_does_not_count_is_left_out() {
    let source = [
        "//! Documentation.",
        "#![allow(",
        "    lint,",
        "    reason = \"none\"",
        ")]",
        "",
        "use a::b;",
        "",
        "/// Documentation.",
        "fn main() {",
        "    // A comment.",
        "    #[attribute]",
        "    run();",
        "}",
        "#[cfg(test)]",
        "mod tests {}",
    ]
    .join("\n");
    assert_eq!(code_lines(&source), ["use a::b;", "fn main() {", "#[attribute]", "run();", "}"]);
}
