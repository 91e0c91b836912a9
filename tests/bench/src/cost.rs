//! The measure behind `lines` and `connections`: what a line costs each server, in turn, as ratios
//! to C.

use std::io;

use crate::{
    count::{Cost, Counters, cpu_seconds},
    load::Work,
    report::{Table, divide, figure, median, ratio},
    server::{Server, Spec, print_missing},
};

/// One load, and what is known about it beforehand.
pub struct Shape {
    /// The title of its table.
    pub title: &'static str,
    /// What the client does in a round of times and system calls.
    pub work: Work,
    /// What it does under callgrind. The waves keep how many events a server finds at once near
    /// what it finds when nothing slows it down.
    pub counted: Work,
    /// Kernel instructions that C's line cost on a machine that could count them, with the reason
    /// beside each constant. Used only where this machine cannot count, and only for figures called
    /// derived.
    pub kernel_elsewhere: f64,
    /// Kernel instructions by which a server is better or worse for each call less or more than
    /// C's, counted as above. Zero where the number of waits changes from run to run.
    pub call_elsewhere: f64,
}

/// A server's row, everything for one line.
pub struct Row {
    /// The server.
    pub name: &'static str,
    /// Instructions and system calls.
    pub cost: Cost,
    /// Microseconds of processor time.
    pub microseconds: Option<f64>,
}

/// A derived total says nothing about a server that calls the kernel this much more often than C.
const CALLS_COMPARE_UP_TO: f64 = 1.25;

/// Measures every server that is there: `rounds` rounds of all of them in turn, and the
/// instructions once.
pub fn measure(
    shape: &Shape,
    specs: &[Spec],
    counters: Counters,
    rounds: usize,
) -> io::Result<Vec<Row>> {
    let present: Vec<&Spec> = specs.iter().filter(|spec| spec.program.is_ok()).collect();
    let servers: Vec<Server> =
        present.iter().map(|spec| spec.start(&[])).collect::<io::Result<_>>()?;
    let mut samples: Vec<Vec<(Cost, f64)>> = servers.iter().map(|_| Vec::new()).collect();
    for server in &servers {
        shape.work.warm_up(server.address)?;
    }
    for _ in 0..rounds {
        for (server, samples) in servers.iter().zip(&mut samples) {
            let before = cpu_seconds(server.pid())?;
            shape.work.run(server.address)?;
            let seconds = cpu_seconds(server.pid())? - before;
            let microseconds = seconds * 1e6 / shape.work.lines() as f64;
            samples.push((counters.by_perf(server, shape.work)?, microseconds));
        }
    }
    servers.into_iter().try_for_each(Server::stop)?;
    present
        .iter()
        .zip(samples)
        .map(|(spec, samples)| {
            let cost = without_perf(shape, spec, counters, middle_cost(&samples));
            let times: Vec<f64> = samples.iter().map(|(_, time)| *time).collect();
            Ok(Row { name: spec.name, cost, microseconds: median(&times) })
        })
        .collect()
}

fn middle_cost(samples: &[(Cost, f64)]) -> Cost {
    let middle = |part: fn(&Cost) -> Option<f64>| {
        median(&samples.iter().filter_map(|(cost, _)| part(cost)).collect::<Vec<_>>())
    };
    Cost {
        user: middle(|it| it.user),
        kernel: middle(|it| it.kernel),
        calls: middle(|it| it.calls),
    }
}

/// Fills in what perf could not count. A server that cannot live under a tool loses that figure,
/// not the others theirs.
fn without_perf(shape: &Shape, spec: &Spec, counters: Counters, mut cost: Cost) -> Cost {
    let or_say = |tool: &str, counted: io::Result<Option<f64>>| {
        counted.unwrap_or_else(|error| {
            println!("  {} under {tool}: {error}", spec.name);
            None
        })
    };
    if cost.user.is_none() {
        cost.user = or_say("callgrind", counters.by_callgrind(spec, shape.counted));
    }
    if cost.calls.is_none() {
        cost.calls = or_say("strace", counters.by_strace(spec, shape.counted));
    }
    cost
}

/// All instructions of a server: measured if the kernel's could be counted, else derived from C's.
#[must_use]
pub fn total(shape: &Shape, row: &Row, c: &Row) -> Option<f64> {
    let more_calls = divide(row.cost.calls, c.cost.calls).unwrap_or(1.0);
    if row.cost.kernel.is_none() && more_calls > CALLS_COMPARE_UP_TO {
        return None;
    }
    let more = row.cost.calls.zip(c.cost.calls).map_or(0.0, |(calls, c)| calls - c);
    let derived = shape.kernel_elsewhere + more * shape.call_elsewhere;
    Some(row.cost.user? + row.cost.kernel.unwrap_or(derived))
}

/// The same over all of C's.
#[must_use]
pub fn total_ratio(shape: &Shape, row: &Row, c: &Row) -> Option<f64> {
    divide(total(shape, row, c), total(shape, c, c))
}

/// Prints a table with one row for each server, and why a server has none.
pub fn print(shape: &Shape, specs: &[Spec], rows: &[Row]) {
    let measured = rows.first().is_some_and(|row| row.cost.kernel.is_some());
    let total = if measured { "total x C" } else { "total x C (derived)" };
    let heads = ["server", "user instr.", "x C", total, "calls", "- C", "CPU us", "x C (weak)"];
    let mut table = Table::new(shape.title, &heads);
    let c = rows.iter().find(|row| row.name == "C");
    for row in rows {
        let c_cost = c.map(|c| c.cost).unwrap_or_default();
        let more = row.cost.calls.zip(c_cost.calls).map(|(calls, c)| calls - c);
        table.row(vec![
            row.name.to_owned(),
            figure(row.cost.user, 0),
            ratio(row.cost.user, c_cost.user),
            figure(c.and_then(|c| total_ratio(shape, row, c)), 3),
            figure(row.cost.calls, 2),
            figure(more, 2),
            figure(row.microseconds, 2),
            ratio(row.microseconds, c.and_then(|c| c.microseconds)),
        ]);
    }
    table.print();
    print_missing(specs);
}
