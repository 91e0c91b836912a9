//! Ten thousand clients on one worker: what the idle ones cost the active ones, what an idle one
//! costs in memory, and that those who come and leave in bursts are all answered and leave nothing
//! behind.

use std::{fs, io, process::ExitCode, thread, time::Duration};

use fsm_bench::{
    bursts::Crowd,
    count::{Counters, cpu_seconds},
    load::Work,
    options::Options,
    pin,
    report::{Table, Verdicts, divide, figure, median},
    server::{Server, Spec, warm_up},
};

/// The crowd; a tenth of it in a short run.
const CLIENTS: u64 = 10_000;
/// Those of them who are active, as in every bench of many connections.
const ACTIVE: usize = 64;
/// How many of the active wait at once under callgrind. With more, how many events a server finds
/// at once, and so what a line costs, differs by a tenth from run to run; with one it never does,
/// and what a turn of the loop does for idle connections is not divided among several lines.
const WAVE: usize = 1;
/// Kernel instructions that C's line cost at 64 connections, counted by hardware on another machine
/// (Linux 6.18), as in `lines`. Used only where this machine cannot count.
const KERNEL_64: f64 = 13_040.0;
/// How often the whole crowd comes and leaves.
const ROUNDS: u64 = 100;
/// How long a server may take to put away a crowd that has left.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(5);
/// The server has answered when the last answer is here, but may still be putting things away.
const SETTLE: Duration = Duration::from_millis(200);

fn main() -> io::Result<ExitCode> {
    let options = Options::from_command_line();
    pin::client()?;
    pin::raise_open_files()?;
    let clients = usize::try_from(options.amount(CLIENTS)).map_err(io::Error::other)?;
    let mut verdicts = Verdicts::default();
    if options.wants("idle") {
        beside_idle(&options, clients - ACTIVE, &mut verdicts)?;
    }
    if options.wants("memory") {
        memory(clients, &mut verdicts)?;
    }
    if options.wants("bursts") {
        bursts(clients, options.amount(ROUNDS), &mut verdicts)?;
    }
    Ok(verdicts.finish(options.check))
}

/// What a line costs the active clients alone, and beside the idle ones.
fn beside_idle(options: &Options, idle: usize, verdicts: &mut Verdicts) -> io::Result<()> {
    let (spec, counters) = (Spec::ours(), Counters::probe());
    println!("{}", counters.describe());
    let work = |at_once, lines| Work::Lines { connections: ACTIVE, depth: 1, at_once, lines };
    let (timed, counted) =
        (work(ACTIVE, options.amount(50_000)), work(WAVE, options.amount(20_000)));
    let title = format!("A line of {ACTIVE} active clients, alone and beside {idle} idle ones");
    let kernel = if counters.hardware { "kernel instr." } else { "kernel instr. (from elsewhere)" };
    let mut table = Table::new(title, &["", "user instr.", kernel, "CPU us (weak)"]);
    let mut costs = Vec::new();
    for (name, idle) in [("alone", 0), ("beside", idle)] {
        let server = spec.start(&[])?;
        warm_up(server.address)?;
        let crowd = Crowd::of(server.address, idle)?;
        let mut cost = counters.by_perf(&server, timed)?;
        let time = microseconds(&server, timed, options.rounds())?;
        drop(crowd);
        server.stop()?;
        if cost.user.is_none() {
            cost.user = counters.by_callgrind_beside(&spec, idle, counted)?;
        }
        let kernel = cost.kernel.unwrap_or(KERNEL_64);
        let time = figure(time, 2);
        table.row(vec![name.to_owned(), figure(cost.user, 1), figure(Some(kernel), 0), time]);
        costs.push((cost.user, cost.user.map(|user| user + kernel)));
    }
    table.print();
    let (alone, beside) = (costs[0], costs[1]);
    verdicts.at_most("user instructions beside x alone", divide(beside.0, alone.0), 1.10);
    let kind = if counters.hardware { "measured" } else { "derived" };
    let what = format!("all instructions beside x alone ({kind})");
    verdicts.at_most(&what, divide(beside.1, alone.1), 1.10);
    Ok(())
}

/// Microseconds of processor time for a line, the middle of some rounds.
fn microseconds(server: &Server, work: Work, rounds: usize) -> io::Result<Option<f64>> {
    let mut times = Vec::new();
    for _ in 0..rounds {
        let before = cpu_seconds(server.pid())?;
        work.run(server.address)?;
        times.push((cpu_seconds(server.pid())? - before) * 1e6 / work.lines() as f64);
    }
    Ok(median(&times))
}

/// Live heap bytes of an idle client.
fn memory(clients: usize, verdicts: &mut Verdicts) -> io::Result<()> {
    let mut server = Spec::ours_counting().start(&[])?;
    warm_up(server.address)?;
    thread::sleep(SETTLE);
    let before = heap(&mut server)?;
    let crowd = Crowd::of(server.address, clients)?;
    thread::sleep(SETTLE);
    let grown = heap(&mut server)? - before;
    drop(crowd);
    server.stop()?;
    println!("\n{clients} idle clients hold {grown} bytes of live heap");
    verdicts.at_most("live heap bytes for each", Some(grown as f64 / clients as f64), 96.0);
    Ok(())
}

fn heap(server: &mut Server) -> io::Result<i64> {
    server.ask("heap")?.parse().map_err(io::Error::other)
}

fn descriptors(server: &Server) -> io::Result<usize> {
    let folder = format!("/proc/{}/fd", server.pid().as_raw_nonzero());
    Ok(fs::read_dir(folder)?.count())
}

/// Crowds that come, are answered, and leave: by resets, and in every second round in good order.
fn bursts(clients: usize, rounds: u64, verdicts: &mut Verdicts) -> io::Result<()> {
    let mut server = Spec::ours_counting().start(&[])?;
    warm_up(server.address)?;
    thread::sleep(SETTLE);
    let before = descriptors(&server)?;
    let mut held = Vec::new();
    let (begun, used) = (fsm_bench::now(), cpu_seconds(server.pid())?);
    for round in 0..rounds {
        let network = u8::try_from(1 + round % 250).map_err(io::Error::other)?;
        let crowd = Crowd::from(network, server.address, clients)?;
        if descriptors(&server)? != before + clients {
            return Err(io::Error::other(format!("round {round}: not all are connected")));
        }
        if round % 2 == 0 {
            drop(crowd);
        } else {
            crowd.take_leave()?;
        }
        await_descriptors(&server, before)?;
        held.push(heap(&mut server)?);
    }
    let seconds = begun.elapsed().as_secs_f64();
    let answered = clients as u64 * rounds;
    println!("\n{rounds} rounds of {clients} clients: {answered} answered in {seconds:.0} s");
    let each = (cpu_seconds(server.pid())? - used) * 1e6 / answered as f64;
    println!("the server took {each:.1} us of processor time for each (weak)");
    let (first, last) = (held[0], held[held.len() - 1]);
    let most = held.iter().max().copied().unwrap_or(first);
    println!("live heap bytes after the first round {first}, the last {last}, at most {most}");
    let more = descriptors(&server)?.abs_diff(before);
    verdicts.at_most("descriptors, other than before", Some(more as f64), 0.0);
    let differ = held.iter().filter(|bytes| **bytes != first).count();
    verdicts.at_most("rounds with other heap than the first", Some(differ as f64), 0.0);
    server.stop()
}

fn await_descriptors(server: &Server, expected: usize) -> io::Result<()> {
    let begun = fsm_bench::now();
    while descriptors(server)? != expected {
        if begun.elapsed() > PATIENCE {
            let now = descriptors(server)?;
            return Err(io::Error::other(format!("{now} descriptors instead of {expected}")));
        }
        thread::sleep(LOOK);
    }
    Ok(())
}
