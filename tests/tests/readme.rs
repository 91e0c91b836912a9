//! The README shows what is so: its diagram is drawn from its own table, its errors are those of a
//! case, its sessions are held with its servers, and the command that runs all tests is the one the
//! gate runs. Its code is a doctest.

use std::fs;
use std::path::Path;

use fsm_runtime::table::DeadlineKind;
use fsm_runtime::testing::Driver;
use fsm_runtime::{Io, Lines, Machine};
use fsm_tests::child::Served;
use fsm_tests::client::Client as Visitor;

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
fn the_rows_of_the_thank_you_server_are_those_shown() {
    // Without comments, and laid out as a single line.
    let plain = |text: &str| {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let words: Vec<_> = lines.flat_map(str::split_whitespace).collect();
        words.join(" ").replace(", }", " }")
    };
    let shown = plain(&block(&read("../README.md"), "thank-you table"));
    let table = plain(&read("../servers/src/thank_you.rs"));
    assert!(shown.contains("Thanking {") && table.contains(&shown), "`{shown}` is not the table");
}

/// Starts a server as the README says, but on a free port. Answers it, and where the README's
/// listens.
fn started(readme: &str, name: &str, program: &str) -> (Served, String) {
    let started = block(readme, &format!("start {name}"));
    let (command, printed) = started.split_once('\n').expect("a command and what it prints");
    let run = format!("$ cargo run --release -p servers --bin {name} -- ");
    let arguments = command.strip_prefix(&run).expect("it runs a server");
    let address = printed.trim_end().strip_prefix("listening on ").expect("an address");
    assert!(arguments.contains(address), "`{arguments}` listens elsewhere than on {address}");
    let arguments = arguments.replace(address, "127.0.0.1:0");
    let server = Served::start(program, &arguments.split(' ').collect::<Vec<_>>());
    (server, address.to_owned())
}

#[test]
fn the_main_job_shows_a_page_about_itself() {
    let readme = read("../README.md");
    let program = env!("CARGO_BIN_EXE_watched_cached_file");
    let (server, address) = started(&readme, "cached-file", program);
    assert!(readme.contains(&format!("open http://{address} in a browser")));
    let mut visitor = Visitor::connect(server.address());
    visitor.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let page = String::from_utf8(visitor.rest()).expect("text");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    assert!(page.contains("<svg") && page.contains("Receiving"), "the machine is not drawn");
}

#[test]
fn the_sessions_shown_are_held() {
    let readme = read("../README.md");
    let echo = env!("CARGO_BIN_EXE_watched_echo");
    let thank_you = env!("CARGO_BIN_EXE_watched_thank_you");
    for (name, program) in [("echo", echo), ("thank-you", thank_you)] {
        let (server, address) = started(&readme, name, program);
        let session = block(&readme, &format!("talk to {name}"));
        let (command, answer) = session.split_once('\n').expect("a command and its answer");
        let netcat = format!("' | nc -N {}", address.replace(':', " "));
        let said = command.strip_prefix("$ printf '").and_then(|it| it.strip_suffix(&netcat));
        let mut visitor = Visitor::connect(server.address());
        visitor.send(said.expect("words for the server").replace("\\n", "\n").as_bytes());
        visitor.finish();
        let heard = String::from_utf8(visitor.rest()).expect("text");
        assert_eq!(heard.trim_end(), answer.trim_end(), "{name}");
    }
}

/// What is shown of an action that offloads, and of a handler, are pieces of examples that run.
#[test]
fn what_is_shown_alone_is_a_piece_of_an_example() {
    for (marker, file) in [
        ("offload", "../fsm-runtime/src/io/effects.rs"),
        ("handler", "../servers/src/http/handler.rs"),
    ] {
        let examples = read(file);
        let lines = examples.lines().map(|line| line.trim_start().trim_start_matches("///").trim());
        let example = lines.collect::<Vec<_>>().join("\n");
        let shown = block(&read("../README.md"), marker);
        let shown: Vec<_> = shown.lines().map(str::trim).collect();
        assert!(shown.len() > 5, "nothing is shown of `{marker}`");
        assert!(example.contains(&shown.join("\n")), "{shown:#?} is in no example of {file}");
    }
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
