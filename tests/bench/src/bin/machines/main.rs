//! The same two machines in every framework, driven without a socket so that instructions can be
//! counted.
//!
//! `line` is a small one: `Opened -Line(len)-> Flush{n, left} -Flushed-> ReadLine{n} -Line(len)->
//! Flush ..`, with `Part(len)`, which stays in `ReadLine`, and `Eof -> Closed`. `ring` has 100
//! states (see `build.rs`).
//!
//! Usage: `machines list`, or `machines FRAMEWORK line|ring mixed|stays EVENTS`.

mod hand;
mod ours;
mod with_finny;
mod with_rust_fsm;
mod with_smlang;
mod with_statig;

use std::{env, hint::black_box, process::ExitCode};

/// What actions change, the same for every framework. Of the same alignment as the data of the
/// states, so that taking its size from a machine's leaves the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(unreachable_pub, reason = "finny writes public types that mention it")]
pub struct Context {
    lines: u32,
    bytes: u32,
}

impl Context {
    fn part(&mut self, len: u32) {
        self.bytes = self.bytes.wrapping_add(len);
    }
}

/// What happens, in no framework's words.
#[derive(Clone, Copy)]
pub(crate) enum Happening {
    Line(u32),
    Flushed,
    Part(u32),
    Next,
    Skip,
}

/// A machine of one framework, ready to be driven.
pub(crate) trait Driven: Sized {
    /// The framework's own alphabet: translating is no part of what is counted.
    type Event: Clone;
    /// Bytes of the machine itself, without the context that some keep inside.
    const SIZE: usize;
    fn start() -> Self;
    fn event(happening: Happening) -> Self::Event;
    fn handle(&mut self, event: Self::Event);
    /// What the actions made of it, or nothing where the framework has no data.
    fn result(&self) -> Option<Context>;
}

/// Not inlined, as a machine that an event loop drives is not: its state lives in memory between
/// events.
#[inline(never)]
fn handle_one<M: Driven>(machine: &mut M, event: M::Event) {
    machine.handle(event);
}

fn drive<M: Driven>(stream: &[Happening], count: usize) -> Option<Context> {
    let events: Vec<M::Event> = stream.iter().map(|it| M::event(*it)).collect();
    let mut machine = M::start();
    for event in events.iter().cycle().take(count) {
        handle_one(&mut machine, black_box(event).clone());
    }
    black_box(&machine).result()
}

/// The loop of `drive` with nothing to drive, to be subtracted from all the others.
struct Nothing;

impl Driven for Nothing {
    type Event = hand::LineEvent;
    const SIZE: usize = 0;

    fn start() -> Self {
        Self
    }

    fn event(_: Happening) -> Self::Event {
        hand::LineEvent::Flushed
    }

    fn handle(&mut self, event: Self::Event) {
        black_box(event);
    }

    fn result(&self) -> Option<Context> {
        None
    }
}

/// Drives one machine, and gives its size and what its actions made.
type Runner = fn(&[Happening], usize) -> (usize, Option<Context>);

fn run<M: Driven>(stream: &[Happening], count: usize) -> (usize, Option<Context>) {
    (M::SIZE, drive::<M>(stream, count))
}

/// Every framework with its two machines.
fn frameworks() -> Vec<(&'static str, Runner, Runner)> {
    let mut all: Vec<(&'static str, Runner, Runner)> = vec![
        ("loop", run::<Nothing>, run::<Nothing>),
        ("hand", run::<hand::Line>, run::<hand::Ring>),
        ("statig", run::<with_statig::LineMachine>, run::<with_statig::RingMachine>),
        ("smlang", run::<with_smlang::LineMachine>, run::<with_smlang::RingMachine>),
        ("finny", run::<with_finny::LineMachine>, run::<with_finny::RingMachine>),
        ("rust-fsm", run::<with_rust_fsm::LineMachine>, run::<with_rust_fsm::RingMachine>),
    ];
    all.extend(ours::machines());
    all
}

/// A stream of the machine's events; the numbers differ so that nothing can be known beforehand.
fn stream(machine: &str, kind: &str) -> Option<Vec<Happening>> {
    use Happening::{Flushed, Line, Next, Part, Skip};
    let stream = match (machine, kind) {
        ("line", "mixed") => {
            vec![Line(64), Flushed, Part(9), Part(30), Line(25), Flushed, Part(64)]
        }
        ("ring", "mixed") => vec![Next, Part(9), Skip, Part(30), Next, Next, Skip],
        ("line" | "ring", "stays") => vec![Part(9), Part(30), Part(25)],
        _ => return None,
    };
    Some(stream)
}

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["list"] => {
            frameworks().iter().for_each(|(name, ..)| println!("{name}"));
            ExitCode::SUCCESS
        }
        [name, machine, kind, count] => start(name, machine, kind, count),
        _ => usage(),
    }
}

fn start(name: &str, machine: &str, kind: &str, count: &str) -> ExitCode {
    let all = frameworks();
    let found = all.iter().find(|(it, ..)| *it == name);
    let (Some((_, line, ring)), Some(stream), Ok(count)) =
        (found, stream(machine, kind), count.parse())
    else {
        return usage();
    };
    let runner = if machine == "ring" { ring } else { line };
    let (size, result) = runner(&stream, count);
    println!("{size} {result:?}");
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("usage: machines list | machines FRAMEWORK line|ring mixed|stays EVENTS");
    ExitCode::from(2)
}
