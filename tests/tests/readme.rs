//! The README shows what is so: its diagram is drawn from its own table, its errors are those of a
//! case, and the command that runs all tests is the one the gate runs. Its code is a doctest.

use std::fs;
use std::path::Path;

use fsm_runtime::table::DeadlineKind;
use fsm_runtime::testing::Driver;
use fsm_runtime::{Io, Lines, Machine};

/// The machine of the README, row for row; a test below compares the texts.
#[derive(Machine)]
#[machine(context = Client, input = Lines<'_>)]
enum Echo {
    /// Waiting for the next line.
    #[initial]
    #[on(Line(line) => echo(line))]
    #[on(TooLong => complain -> Closed)]
    #[on(eof(rest) => echo(rest) -> Closed)]
    #[on(shutdown -> Closed)]
    #[after(5min without input -> Closed)]
    #[after(10s of partial -> Closed)]
    Reading,

    /// What is still unsent goes out, then the socket is closed.
    #[terminal]
    Closed,
}

struct Client;

impl Client {
    fn echo(&mut self, line: &[u8], io: &mut Io<'_, Echo>) {
        io.out.send(line);
    }

    fn complain(&mut self, io: &mut Io<'_, Echo>) {
        io.out.send(b"line too long\n");
    }
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The fenced block behind a marker, without its fences.
fn block(readme: &str, marker: &str) -> String {
    let marked = readme.split(&format!("<!-- {marker} -->\n")).nth(1);
    let fenced = marked.unwrap_or_else(|| panic!("the README has no `<!-- {marker} -->`"));
    let lines = fenced.lines().skip(1).take_while(|line| *line != "```");
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_diagram_is_drawn_from_the_table() {
    let drawn = Echo::TABLE.diagram().to_string();
    assert_eq!(block(&read("../README.md"), "diagram").trim_end(), drawn.trim_end());
}

#[test]
fn the_table_drawn_is_the_one_shown() {
    let table = |text: &str| {
        let from = text.find("#[derive(Machine)]\n#[machine").expect("a table");
        let to = from + text[from..].find("\n}\n").expect("its end");
        text[from..to].to_owned()
    };
    assert_eq!(table(&read("../README.md")), table(&read("tests/readme.rs")));
}

#[test]
fn the_errors_are_those_of_a_case() {
    let shown = block(&read("../README.md"), "message");
    let told = read("ui/fail/four_at_once.stderr");
    assert!(shown.lines().count() > 10, "nothing is shown");
    assert!(told.starts_with(shown.trim_end()), "the README shows other errors than\n{told}");
}

#[test]
fn the_gate_runs_the_command_for_all_tests() {
    assert_eq!(block(&read("../README.md"), "test"), "$ cargo test\n");
}

#[test]
fn the_machine_runs_without_a_socket() {
    let mut driver = Driver::<Echo>::new(Client);
    driver.input(b"half a li");
    assert_eq!(driver.sent_text(), "");
    driver.input(b"ne\n");
    assert_eq!(driver.sent_text(), "half a line\n");
    driver.deadline(DeadlineKind::WithoutInput);
    assert!(driver.has_ended());
}

#[test]
fn the_test_shown_is_the_one_above() {
    let shown = block(&read("../README.md"), "driver");
    let run = read("tests/readme.rs");
    let body = run.split("fn the_machine_runs_without_a_socket() {\n").nth(1).expect("the test");
    let lines = body.lines().take_while(|line| *line != "}");
    let plain: String = lines.map(|line| format!("{}\n", line.trim_start())).collect();
    assert_eq!(shown, plain);
}
