//! What a connection that lives for one line costs: accept, read, echo, close.

use std::{io, process::ExitCode};

use fsm_bench::{
    cost::{Shape, measure, print, total_ratio},
    count::Counters,
    load::Work,
    options::Options,
    pin,
    report::Verdicts,
    servers,
};

/// Kernel instructions of C's accept, read, send and close: solved from two tokio servers whose
/// user instructions (5,538 and 6,279) and total ratio (1.09 to C's 512) were counted by hardware
/// on another machine (Linux 6.18), which give 55,300 and 63,600.
const KERNEL: f64 = 59_000.0;

/// Kernel instructions of one more call that moves nothing: a server that read until it would block
/// took 19,756 a line and one that did not 18,514, counted by hardware on another machine. C's one
/// call more than ours is of that kind, the accept that finds nobody.
const KERNEL_CALL: f64 = 1_242.0;

/// Below the number of local ports: each connection keeps one for a minute after its end.
const CONNECTIONS: u64 = 3_000;

fn main() -> io::Result<ExitCode> {
    let options = Options::from_command_line();
    pin::client()?;
    let (specs, counters) = (servers(), Counters::probe());
    println!("{}", counters.describe());
    let work = Work::Requests { count: options.amount(CONNECTIONS) };
    let shape = Shape {
        title: "A connection per request",
        work,
        counted: work,
        kernel_elsewhere: KERNEL,
        call_elsewhere: KERNEL_CALL,
    };
    let rows = measure(&shape, &specs, counters, options.rounds())?;
    print(&shape, &specs, &rows);
    let find = |name| rows.iter().find(|row| row.name == name);
    let total = find("ours").zip(find("C")).and_then(|(ours, c)| total_ratio(&shape, ours, c));
    let mut verdicts = Verdicts::default();
    verdicts.at_most("ours, all instructions x C", total, 1.02);
    Ok(verdicts.finish(options.check))
}
