//! What an empty 200 costs: 64 connections that stay open, one request in flight on each, beside
//! nginx's `return 200` and a C server that does not look at what it is asked.

use std::{fs, io, process::ExitCode};

use fsm_bench::{
    configured,
    cost::{Row, Shape, measure, total},
    count::Counters,
    http::{Ask, Head},
    load::Work,
    options::Options,
    pin,
    report::{Table, Verdicts, divide, figure, ratio},
    server::{Spec, print_missing, target_directory},
};

/// How many clients ask the same server.
const CONNECTIONS: usize = 64;
/// How many of them wait at once under callgrind, as for lines.
const WAVE: usize = 8;

/// Kernel instructions of a request, counted by hardware on another machine (Linux 6.18) for a C
/// server with a canned answer of 1 KiB, beside wrk's 64 connections: 12,700 in all, of which 100
/// are its own.
const KERNEL: f64 = 12_600.0;
/// The number of waits changes from run to run, with how many requests a server finds at once; so
/// calls are shown and not reckoned with.
const KERNEL_CALL: f64 = 0.0;

/// What ours may take in all, for the request that load generators send.
const MOST: f64 = 15_500.0;

/// The same answer as the others give.
const SITE: &str = "location / { default_type text/plain; return 200; }";

fn main() -> io::Result<ExitCode> {
    let options = Options::from_command_line();
    pin::client()?;
    let (specs, counters) = (servers(), Counters::probe());
    println!("{}", counters.describe());
    let mut verdicts = Verdicts::default();
    let loads = [
        ("short", Head::Short, "An empty 200, a request with a Host alone, 64 connections"),
        ("browser", Head::Browser, "An empty 200, a browser's request of ten fields"),
    ];
    for (name, head, title) in loads {
        if !options.wants(name) {
            continue;
        }
        let shape = shape(head, title, &options);
        let rows = measure(&shape, &specs, counters, options.rounds())?;
        print(&shape, &specs, &rows);
        if head == Head::Short {
            judge(&shape, &rows, &mut verdicts);
        }
    }
    // It may never have been written to.
    let _ = fs::remove_dir_all(configured::folder()?);
    Ok(verdicts.finish(options.check))
}

fn servers() -> Vec<Spec> {
    let hyper = target_directory().unwrap_or_default().join("hyper_empty");
    let hyper = Spec::built("hyper", &hyper);
    vec![Spec::c_canned(), Spec::ours_http(), Spec::nginx(SITE), hyper]
}

fn shape(head: Head, title: &'static str, options: &Options) -> Shape {
    let ask = Ask::empty(head);
    let work = |at_once, count| Work::Http { connections: CONNECTIONS, at_once, ask, count };
    Shape {
        title,
        work: work(CONNECTIONS, options.amount(50_000)),
        counted: work(WAVE, options.amount(20_000)),
        kernel_elsewhere: KERNEL,
        call_elsewhere: KERNEL_CALL,
    }
}

/// A row for each server. Requests per second of processor time are what one core would do if
/// nothing kept it waiting; they are weak here, and only their ratio says something.
fn print(shape: &Shape, specs: &[Spec], rows: &[Row]) {
    let is_measured = rows.first().is_some_and(|row| row.cost.kernel.is_some());
    let all = if is_measured { "all instr." } else { "all (derived)" };
    let heads =
        ["server", "user instr.", all, "x C", "x nginx", "calls", "per CPU second", "x nginx"];
    let mut table = Table::new(shape.title, &heads);
    let (c, nginx) = (find(rows, "C"), find(rows, "nginx"));
    let total_of = |row: &Row| c.and_then(|c| total(shape, row, c));
    let rate = |row: &Row| divide(Some(1e6), row.microseconds);
    for row in rows {
        table.row(vec![
            row.name.to_owned(),
            figure(row.cost.user, 0),
            figure(total_of(row), 0),
            ratio(total_of(row), c.and_then(total_of)),
            ratio(total_of(row), nginx.and_then(total_of)),
            figure(row.cost.calls, 2),
            figure(rate(row), 0),
            ratio(rate(row), nginx.and_then(rate)),
        ]);
    }
    table.print();
    print_missing(specs);
}

fn judge(shape: &Shape, rows: &[Row], verdicts: &mut Verdicts) {
    let both = find(rows, "ours").zip(find(rows, "C"));
    let all = both.and_then(|(ours, c)| total(shape, ours, c));
    verdicts.at_most("ours, all instructions of a request", all, MOST);
}

fn find<'a>(rows: &'a [Row], name: &str) -> Option<&'a Row> {
    rows.iter().find(|row| row.name == name)
}
