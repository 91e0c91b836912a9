//! What an event costs a machine without a socket: ours, four frameworks, and a hand-written
//! `match`.

use std::{
    io,
    path::Path,
    process::{Command, ExitCode},
};

use fsm_bench::{
    count::instructions_of,
    options::Options,
    report::{Table, Verdicts, divide, figure, ratio},
    server::target_directory,
};

/// Events of the longer of two runs that are subtracted. A multiple of every stream's length, so
/// that both runs end at the same place of the stream.
const EVENTS: u64 = 420_000;

/// The two machines, with what their tables are called.
const MACHINES: [(&str, &str); 2] = [
    ("line", "A small machine: user instructions for one event, the loop around it taken off"),
    ("ring", "100 states: user instructions for one event, the loop around it taken off"),
];

/// One framework's figures for one machine.
struct Row {
    name: String,
    mixed: f64,
    stays: f64,
    size: f64,
}

fn main() -> io::Result<ExitCode> {
    let options = Options::from_command_line();
    let program = target_directory()?.join("machines");
    let names = output(&program, &["list"])?;
    let names: Vec<&str> = names.lines().collect();
    let events = options.amount(EVENTS);
    let mut verdicts = Verdicts::default();
    for (machine, title) in MACHINES {
        if options.wants(machine) {
            let rows = measure(&program, &names, machine, events)?;
            print(title, &rows);
            judge(&rows, &mut verdicts);
        }
    }
    Ok(verdicts.finish(options.check))
}

fn measure(program: &Path, names: &[&str], machine: &str, events: u64) -> io::Result<Vec<Row>> {
    let cost = |name: &str, kind: &str| per_event(program, name, machine, kind, events);
    let around = [cost("loop", "mixed")?, cost("loop", "stays")?];
    println!("\nthe loop itself: {:.2} and {:.2} instructions", around[0], around[1]);
    let mut expected = None;
    let mut rows = Vec::new();
    for name in names.iter().filter(|name| **name != "loop") {
        let said = output(program, &[name, machine, "mixed", &events.to_string()])?;
        let (size, result) = said.trim_end().split_once(' ').unwrap_or((&said, ""));
        // rust-fsm has no data and says `None`; all others have to have done the same work.
        if result != "None" && expected.get_or_insert_with(|| result.to_owned()) != result {
            return Err(io::Error::other(format!(
                "{name} came to {result}, the first to {expected:?}"
            )));
        }
        rows.push(Row {
            name: (*name).to_owned(),
            mixed: cost(name, "mixed")? - around[0],
            stays: cost(name, "stays")? - around[1],
            size: size.parse().map_err(io::Error::other)?,
        });
    }
    Ok(rows)
}

/// A run with so many events and one with half as many, subtracted and divided.
fn per_event(
    program: &Path,
    name: &str,
    machine: &str,
    kind: &str,
    events: u64,
) -> io::Result<f64> {
    let run = |events: u64| {
        let words = [name, machine, kind, &events.to_string()].map(str::to_owned);
        instructions_of(program, &words)
    };
    let half = events / 2;
    Ok((run(events)? - run(half)?) / half as f64)
}

fn output(program: &Path, words: &[&str]) -> io::Result<String> {
    let run = Command::new(program).args(words).output()?;
    if !run.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&run.stderr).into_owned()));
    }
    String::from_utf8(run.stdout).map_err(io::Error::other)
}

fn print(title: &str, rows: &[Row]) {
    let heads = ["machine", "mixed", "x hand", "staying", "x hand", "bytes"];
    let mut table = Table::new(title, &heads);
    let hand = rows.iter().find(|row| row.name == "hand");
    for row in rows {
        table.row(vec![
            row.name.clone(),
            figure(Some(row.mixed), 2),
            ratio(Some(row.mixed), hand.map(|hand| hand.mixed)),
            figure(Some(row.stays), 2),
            ratio(Some(row.stays), hand.map(|hand| hand.stays)),
            figure(Some(row.size), 0),
        ]);
    }
    table.print();
}

fn judge(rows: &[Row], verdicts: &mut Verdicts) {
    let find = |name: &str| rows.iter().find(|row| row.name == name);
    let both = find("ours").zip(find("hand"));
    let over = |part: fn(&Row) -> f64| {
        both.and_then(|(ours, hand)| divide(Some(part(ours)), Some(part(hand))))
    };
    verdicts.at_most("ours, mixed events x the hand-written match", over(|row| row.mixed), 1.02);
    verdicts.at_most("ours, staying x the hand-written match", over(|row| row.stays), 1.02);
    verdicts.at_most("ours, bytes x the plain enum", over(|row| row.size), 1.0);
}
