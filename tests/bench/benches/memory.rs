//! What an idle connection costs in memory: 8,000 of them, each after one line there and back.

use std::{io, process::ExitCode, thread, time::Duration};

use fsm_bench::{
    count::resident_bytes,
    load::hold,
    options::Options,
    pin,
    report::{Table, Verdicts, figure},
    server::{Server, Spec, print_missing, target_directory, warm_up},
    servers,
};

/// As many as every figure of this kind was taken with.
const CONNECTIONS: usize = 8_000;
/// Descriptors that a process needs beside its connections.
const SPARE: usize = 200;
/// The server has answered every line when the last answer is here, but may still be putting things
/// away.
const SETTLE: Duration = Duration::from_millis(200);

fn main() -> io::Result<ExitCode> {
    let options = Options::from_command_line();
    pin::client()?;
    let allowed = usize::try_from(pin::raise_open_files()?).unwrap_or(usize::MAX);
    let wanted = if options.short { CONNECTIONS / 10 } else { CONNECTIONS };
    let connections = wanted.min(allowed.saturating_sub(SPARE));
    if connections < wanted {
        println!("only {connections} connections: {allowed} open files are allowed here");
    }
    let title = format!("Memory of an idle connection, {connections} of them after one line each");
    let mut table = Table::new(title, &["server", "heap bytes", "resident bytes"]);
    let mut live = None;
    let specs = servers();
    for spec in specs.iter().filter(|spec| spec.program.is_ok()) {
        let resident = growth(spec, connections, |it| resident_bytes(it.pid()))?;
        let heap = heap_growth(spec, connections)?;
        if spec.name == "ours" {
            live = heap;
        }
        table.row(vec![spec.name.to_owned(), figure(heap, 0), figure(Some(resident), 0)]);
    }
    table.print();
    print_missing(&specs);
    let mut verdicts = Verdicts::default();
    verdicts.at_most("ours, live heap bytes", live, 96.0);
    Ok(verdicts.finish(options.check))
}

/// Live heap bytes, for the servers that have a build with a counting allocator.
fn heap_growth(spec: &Spec, connections: usize) -> io::Result<Option<f64>> {
    let beside = |program: &str| Ok::<_, io::Error>(target_directory()?.join(program));
    let spec = match spec.name {
        "ours" => Spec::ours_counting(),
        "tokio" => Spec::built(spec.name, &beside("heap_tokio")?),
        "tokio LinesCodec" => Spec::built(spec.name, &beside("heap_tokio_lines")?),
        _ => return Ok(None),
    };
    if !spec.program.as_ref().is_ok_and(|program| program.exists()) {
        return Ok(None);
    }
    growth(&spec, connections, |it| it.ask("heap")?.parse().map_err(io::Error::other)).map(Some)
}

/// What a figure of a server grows by for each connection it holds.
fn growth(
    spec: &Spec,
    connections: usize,
    mut figure: impl FnMut(&mut Server) -> io::Result<f64>,
) -> io::Result<f64> {
    let mut server = spec.start(&[])?;
    warm_up(server.address)?;
    thread::sleep(SETTLE);
    let before = figure(&mut server)?;
    let held = hold(server.address, connections)?;
    thread::sleep(SETTLE);
    let after = figure(&mut server)?;
    drop(held);
    server.stop()?;
    Ok((after - before) / connections as f64)
}
