//! Every edge of the HTTP machine's table is taken by an example, and every example takes an edge
//! that the table has: both are compared as data, so that a row nobody has an example for fails.

use std::collections::BTreeSet;
use std::io;

use fsm_runtime::Machine;
use fsm_runtime::table::{DeadlineKind, Row, Target};
use fsm_runtime::testing::Driver;
use fsm_tests::http_odd::{Odd, World};
use servers::http::{Client, Http, Limits, Shared};

type Planned = Driver<Http<Odd>>;

/// The bytes of a body that a handler is given at once, at least.
const PIECE: usize = 4096;

/// From which state, by which event, to which state.
type Edge = (&'static str, String, &'static str);

/// The example of an edge: what happens before it, the event, and what makes it happen.
struct Example {
    /// What is sent first; a `|` stands where the output has gone to the kernel, and a `<` for a
    /// piece of a body.
    before: &'static str,
    event: &'static str,
    make: fn(&mut Planned),
    to: &'static str,
}

const fn example(
    before: &'static str,
    event: &'static str,
    make: fn(&mut Planned),
    to: &'static str,
) -> Example {
    Example { before, event, make, to }
}

/// The requests of the examples: of this path, and with a body of six bytes where it begins with
/// what `receive` is to say.
macro_rules! get {
    ($path:literal) => {
        concat!("GET /", $path, " HTTP/1.1\r\nHost: h\r\n\r\n")
    };
}

macro_rules! last {
    ($path:literal) => {
        concat!("GET /", $path, " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    };
}

macro_rules! post {
    ($path:literal, $body:literal) => {
        concat!("POST /", $path, " HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\n", $body)
    };
}

/// With a body that is too long for one piece.
macro_rules! long {
    ($path:literal, $body:literal) => {
        concat!("POST /", $path, " HTTP/1.1\r\nHost: h\r\nContent-Length: 9999\r\n\r\n", $body)
    };
}

macro_rules! last_post {
    ($path:literal, $body:literal) => {
        concat!(
            "POST /",
            $path,
            " HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 6\r\n\r\n",
            $body
        )
    };
}

macro_rules! chunked {
    ($path:literal) => {
        concat!("POST /", $path, " HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
    };
}

macro_rules! send {
    ($bytes:expr) => {
        |driver| driver.input($bytes.as_bytes())
    };
}

/// As much of a body as a handler is given at once.
fn piece(driver: &mut Planned) {
    driver.input(&[b'x'; PIECE]);
}

fn reply(driver: &mut Planned) {
    assert_eq!(driver.run_jobs(), 1, "a job answers");
}

fn drained(driver: &mut Planned) {
    driver.drained();
}

fn end(driver: &mut Planned) {
    driver.end_of_input();
}

fn stop(driver: &mut Planned) {
    driver.shutdown();
}

fn lost(driver: &mut Planned) {
    driver.lost(io::ErrorKind::ConnectionReset.into());
}

/// The one deadline of that kind which the state has.
fn pass(driver: &mut Planned, name: &str) {
    let state = &Http::<Odd>::TABLE.states.iter().find(|state| state.name == driver.state());
    let deadlines = state.expect("it is in a state").deadlines;
    let deadline = deadlines.iter().find(|deadline| kind_name(deadline.kind) == name);
    driver.deadline(deadline.expect("the state has it").kind);
}

fn since_entry(driver: &mut Planned) {
    pass(driver, "SinceEntry");
}

const IDLE: &[Example] = &[
    example("", "Head", send!(get!("whole")), "Idle"),
    example("", "Head", send!(get!("job")), "Working"),
    example("", "Head", send!(get!("counted")), "Streaming"),
    example("", "Head", send!(last!("whole")), "Closed"),
    example("", "Head", send!(post!("want", "")), "Receiving"),
    example("", "error", send!(get!("refuse")), "Closed"),
    example("", "Malformed", send!("GET / HTTP/1.1\r\n\r\n"), "Closed"),
    example("", "eof", end, "Closed"),
    example("", "shutdown", stop, "Closed"),
    example("", "WithoutProgress", |driver| pass(driver, "WithoutProgress"), "Closed"),
    example("GET /", "OfPartial", |driver| pass(driver, "OfPartial"), "Closed"),
    example("", "lost", lost, "Gone"),
];

const RECEIVING: &[Example] = &[
    example(long!("want/keep", ""), "Piece", piece, "Receiving"),
    example(long!("want/job", ""), "Piece", piece, "Absorbing"),
    example(post!("want/keep/whole", ""), "Piece", send!("abcdef"), "Idle"),
    example(post!("want/keep/job", ""), "Piece", send!("abcdef"), "Working"),
    example(post!("leave/counted", ""), "Piece", send!("abcdef"), "Streaming"),
    example(last_post!("want/keep/whole", ""), "Piece", send!("abcdef"), "Closed"),
    example(long!("want/refuse", ""), "error", piece, "Closed"),
    example(chunked!("want"), "Malformed", send!("no size\r\n"), "Closed"),
    example(post!("want", ""), "eof", end, "Closed"),
    example(post!("want", ""), "WithoutBytes", |driver| pass(driver, "WithoutBytes"), "Closed"),
    example(post!("want", ""), "lost", lost, "Gone"),
];

const ABSORBING: &[Example] = &[
    example(long!("want/job/ticket", "<"), "reply", reply, "Absorbing"),
    example(long!("want/job/keep", "<"), "reply", reply, "Receiving"),
    example(post!("want/job/keep/whole", "abcdef"), "reply", reply, "Idle"),
    example(post!("want/job/keep/ticket", "abcdef"), "reply", reply, "Working"),
    example(post!("want/job/keep/counted", "abcdef"), "reply", reply, "Streaming"),
    example(last_post!("want/job/keep/whole", "abcdef"), "reply", reply, "Closed"),
    example(long!("want/job/refuse", "<"), "error", reply, "Closed"),
    example(long!("want/job", "<"), "SinceEntry", since_entry, "Closed"),
    example(long!("want/job", "<"), "lost", lost, "Gone"),
];

const WORKING: &[Example] = &[
    example(get!("job/whole"), "reply", reply, "Idle"),
    example(get!("job/ticket"), "reply", reply, "Working"),
    example(get!("job/counted"), "reply", reply, "Streaming"),
    example(last!("job/whole"), "reply", reply, "Closed"),
    example(get!("job/refuse"), "error", reply, "Closed"),
    example(get!("job"), "SinceEntry", since_entry, "Idle"),
    example(last!("job"), "SinceEntry", since_entry, "Closed"),
    example(get!("job"), "lost", lost, "Gone"),
];

const STREAMING: &[Example] = &[
    example(get!("counted/more"), "drained", drained, "Streaming"),
    example(get!("chunked/end"), "drained", drained, "Idle"),
    example(last!("chunked/end"), "drained", drained, "Closed"),
    example(get!("counted/end"), "drained", drained, "Gone"),
    example(concat!(get!("counted/job/more"), "|"), "reply", reply, "Streaming"),
    example(concat!(get!("chunked/job/end"), "|"), "reply", reply, "Idle"),
    example(concat!(last!("chunked/job/end"), "|"), "reply", reply, "Closed"),
    example(concat!(get!("counted/job/over"), "|"), "reply", reply, "Gone"),
    example(get!("counted"), "WithoutProgress", |driver| pass(driver, "WithoutProgress"), "Gone"),
    example(get!("counted"), "lost", lost, "Gone"),
];

fn take(example: &Example) -> Edge {
    let client = Client::new(Odd::default(), &Limits::default().into());
    let mut driver = Planned::with_shared(client, Shared::new(World::default()));
    for (at, part) in example.before.split('|').enumerate() {
        if at > 0 {
            driver.drained();
        }
        driver.input(part.replace('<', &"x".repeat(PIECE)).as_bytes());
    }
    let from = driver.state();
    (example.make)(&mut driver);
    (from, example.event.to_owned(), driver.state())
}

/// All edges of a row or a deadline.
fn edges_of(
    from: &'static str,
    events: &[&'static str],
    targets: &[Target],
) -> impl Iterator<Item = Edge> {
    let to = targets.iter().map(move |target| match *target {
        Target::Stay { .. } => from,
        Target::Enter { state, .. } => Http::<Odd>::TABLE.states[state].name,
    });
    let to: Vec<_> = to.collect();
    let all =
        events.iter().flat_map(move |event| to.clone().into_iter().map(move |to| (event, to)));
    let all: Vec<_> = all.map(|(event, to)| (from, (*event).to_owned(), to)).collect();
    all.into_iter()
}

fn edges_of_the_table() -> BTreeSet<Edge> {
    let mut edges = BTreeSet::new();
    for state in Http::<Odd>::TABLE.states.iter().filter(|state| !state.kind.is_terminal()) {
        for Row { events, targets, .. } in state.rows {
            edges.extend(edges_of(state.name, events, targets));
        }
        for deadline in state.deadlines {
            edges.extend(edges_of(state.name, &[kind_name(deadline.kind)], deadline.targets));
        }
    }
    edges
}

const fn kind_name(kind: DeadlineKind) -> &'static str {
    match kind {
        DeadlineKind::SinceEntry => "SinceEntry",
        DeadlineKind::WithoutInput => "WithoutInput",
        DeadlineKind::OfPartial => "OfPartial",
        DeadlineKind::WithoutProgress => "WithoutProgress",
        DeadlineKind::WithoutBytes { .. } => "WithoutBytes",
    }
}

#[test]
fn every_edge_of_the_table_is_taken_and_no_other() {
    let mut taken = BTreeSet::new();
    for examples in [IDLE, RECEIVING, ABSORBING, WORKING, STREAMING] {
        for example in examples {
            let edge = take(example);
            assert_eq!(edge.2, example.to, "{:?} and then {}", example.before, example.event);
            assert!(taken.insert(edge.clone()), "{edge:?} has two examples");
        }
    }
    let edges = edges_of_the_table();
    let missing: Vec<_> = edges.difference(&taken).collect();
    let unknown: Vec<_> = taken.difference(&edges).collect();
    assert!(missing.is_empty(), "no example takes {missing:?}");
    assert!(unknown.is_empty(), "the table does not have {unknown:?}");
}

#[test]
fn a_machine_that_has_ended_hears_nothing_more() {
    for (path, end) in [("refuse", "Closed"), ("counted/end", "Gone")] {
        let client = Client::new(Odd::default(), &Limits::default().into());
        let mut driver = Planned::with_shared(client, Shared::new(World::default()));
        driver.input(format!("GET /{path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes());
        driver.drained();
        assert_eq!(driver.state(), end);
        let calls = driver.shared().handler.calls.clone();
        driver.sent();
        driver.input(get!("whole").as_bytes());
        driver.reply(Ok(1));
        driver.drained();
        driver.shutdown();
        driver.end_of_input();
        lost(&mut driver);
        assert_eq!((driver.state(), driver.sent_text().as_str()), (end, ""));
        assert_eq!(driver.shared().handler.calls, calls);
    }
}
