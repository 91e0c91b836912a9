//! What an echoed line costs: 1 connection, 64 connections, and 64 with 16 lines in flight on each.

use std::{io, process::ExitCode};

use fsm_bench::{
    cost::{Row, Shape, measure, print, total_ratio},
    count::Counters,
    load::Work,
    options::Options,
    pin,
    report::Verdicts,
    servers,
};

/// How many of the 64 connections wait at once under callgrind. A C server that nothing slows down
/// finds about five ready at a time; waves of eight, of which the first wakes the server, come near
/// to that.
const WAVE: usize = 8;

/// Kernel instructions of C's line at one connection, counted by hardware on another machine (Linux
/// 6.18).
const KERNEL_1: f64 = 18_514.0;
/// The same at 64 connections.
const KERNEL_64: f64 = 13_040.0;
/// The same at 64 connections with 16 lines in flight: solved from two servers whose user
/// instructions (70 and 7 a line) and total ratio (1.09) were counted there.
const KERNEL_64_16: f64 = 693.0;

fn main() -> io::Result<ExitCode> {
    let options = Options::from_command_line();
    pin::client()?;
    let (specs, counters) = (servers(), Counters::probe());
    println!("{}", counters.describe());
    let mut verdicts = Verdicts::default();
    for (name, shape) in shapes(&options) {
        if options.wants(name) {
            let rows = measure(&shape, &specs, counters, options.rounds())?;
            print(&shape, &specs, &rows);
            judge(name, &shape, &rows, &mut verdicts);
        }
    }
    Ok(verdicts.finish(options.check))
}

fn lines(connections: usize, depth: usize, at_once: usize, lines: u64) -> Work {
    Work::Lines { connections, depth, at_once, lines }
}

fn shapes(options: &Options) -> [(&'static str, Shape); 3] {
    let amount = |full| options.amount(full);
    [
        (
            "one",
            Shape {
                title: "A line, 1 connection, 1 line in flight",
                work: lines(1, 1, 1, amount(20_000)),
                counted: lines(1, 1, 1, amount(20_000)),
                kernel_elsewhere: KERNEL_1,
                call_elsewhere: 0.0,
            },
        ),
        (
            "many",
            Shape {
                title: "A line, 64 connections, 1 line in flight on each",
                work: lines(64, 1, 64, amount(50_000)),
                counted: lines(64, 1, WAVE, amount(20_000)),
                kernel_elsewhere: KERNEL_64,
                call_elsewhere: 0.0,
            },
        ),
        (
            "pipelined",
            Shape {
                title: "A line, 64 connections, 16 lines in flight on each",
                work: lines(64, 16, 64, amount(200_000)),
                counted: lines(64, 16, WAVE, amount(100_000)),
                kernel_elsewhere: KERNEL_64_16,
                call_elsewhere: 0.0,
            },
        ),
    ]
}

/// The targets for ours.
fn judge(name: &str, shape: &Shape, rows: &[Row], verdicts: &mut Verdicts) {
    let c = rows.iter().find(|row| row.name == "C");
    let ours = rows.iter().find(|row| row.name == "ours");
    let both = ours.zip(c);
    let total = both.and_then(|(ours, c)| total_ratio(shape, ours, c));
    let calls = ours.and_then(|ours| ours.cost.calls);
    let more_calls = both.and_then(|(ours, c)| Some(ours.cost.calls? - c.cost.calls?));
    match name {
        "one" => {
            verdicts.at_most("ours, all instructions x C", total, 1.03);
            // Read, send and wait make three; the hundredth is for what happens once in a while.
            verdicts.at_most("ours, system calls", calls, 3.01);
        }
        "many" => {
            verdicts.at_most("ours, all instructions x C", total, 1.02);
            verdicts.at_most("ours, user instructions", ours.and_then(|it| it.cost.user), 280.0);
            verdicts.at_most("ours, system calls more than C", more_calls, 0.1);
        }
        _ => verdicts.at_most("ours, all instructions x C", total, 1.12),
    }
}
