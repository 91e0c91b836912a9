//! How long a polite client waits beside two that send without end.

use std::{io, process::ExitCode, time::Duration};

use fsm_bench::{
    load::polite_beside,
    options::Options,
    pin,
    report::{Table, Verdicts, divide, figure, median},
    server::{Server, Spec, print_missing, warm_up},
    servers,
};

/// Two are enough to keep a server busy for ever.
const GREEDY: usize = 2;
/// Exchanges of the polite client in a round.
const EXCHANGES: u64 = 5_000;

/// One server's rounds, in microseconds and megabytes a second.
#[derive(Default)]
struct Samples {
    alone: Vec<f64>,
    beside: Vec<f64>,
    slowest: Vec<f64>,
    greedy: Vec<f64>,
}

fn main() -> io::Result<ExitCode> {
    let options = Options::from_command_line();
    pin::client()?;
    let specs = servers();
    let present: Vec<&Spec> = specs.iter().filter(|spec| spec.program.is_ok()).collect();
    let started: Vec<Server> =
        present.iter().map(|spec| spec.start(&[])).collect::<io::Result<_>>()?;
    let mut samples: Vec<Samples> = started.iter().map(|_| Samples::default()).collect();
    for _ in 0..options.rounds() {
        for (server, samples) in started.iter().zip(&mut samples) {
            warm_up(server.address)?;
            sample(server, options.amount(EXCHANGES), samples)?;
        }
    }
    started.into_iter().try_for_each(Server::stop)?;
    let heads = ["server", "p50 alone", "p50 beside", "x alone", "p99 beside", "greedy MB/s"];
    let title = format!("A polite client beside {GREEDY} greedy ones, microseconds");
    let mut table = Table::new(title, &heads);
    let mut ours = None;
    for (spec, samples) in present.iter().zip(&samples) {
        let (alone, beside) = (median(&samples.alone), median(&samples.beside));
        if spec.name == "ours" {
            ours = divide(beside, alone);
        }
        table.row(vec![
            spec.name.to_owned(),
            figure(alone, 1),
            figure(beside, 1),
            figure(divide(beside, alone), 2),
            figure(median(&samples.slowest), 0),
            figure(median(&samples.greedy), 0),
        ]);
    }
    table.print();
    print_missing(&specs);
    let mut verdicts = Verdicts::default();
    verdicts.at_most("ours, p50 beside the greedy x alone", ours, 2.0);
    Ok(verdicts.finish(options.check))
}

fn sample(server: &Server, exchanges: u64, samples: &mut Samples) -> io::Result<()> {
    let microseconds = |duration: Duration| duration.as_secs_f64() * 1e6;
    let (alone, _) = polite_beside(server.address, 0, exchanges)?;
    let (beside, rate) = polite_beside(server.address, GREEDY, exchanges)?;
    samples.alone.push(microseconds(alone.permille(500)));
    samples.beside.push(microseconds(beside.permille(500)));
    samples.slowest.push(microseconds(beside.permille(990)));
    samples.greedy.push(rate / 1e6);
    Ok(())
}
