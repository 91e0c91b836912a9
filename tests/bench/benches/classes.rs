//! A preferred client beside 32 that keep a worker busy, and a background that gets its share.

use std::{io, net::SocketAddr, path::Path, process::ExitCode, time::Duration};

use fsm_bench::{
    options::Options,
    pin,
    report::{Table, Verdicts, divide, figure, median},
    saturate::{Crowd, Polite, beside},
    server::{Server, Spec, warm_up},
};

/// The connections that saturate the worker, each of their slices about 50 microseconds.
const BUSY: usize = 32;
/// The connections of the background, which saturate as well.
const BACKGROUND: usize = 4;
/// How long each measure of a round takes, in milliseconds.
const MILLIS: u64 = 2_000;

/// The pause of a preferred client that does not ask without end: about 1,000 lines a second. One
/// that does takes a fifth of the worker for its own 15,000, which is no fault of the precedence.
const PAUSE: Duration = Duration::from_millis(1);

/// One worker, and an address for each class beside the normal one.
const ARGUMENTS: [&str; 6] =
    ["--workers", "1", "--prefer", "127.0.0.1:0", "--background", "127.0.0.1:0"];

/// The rounds' figures, in microseconds and megabytes a second.
#[derive(Default)]
struct Samples {
    p50: Vec<f64>,
    p99: Vec<f64>,
    busy: Vec<f64>,
}

/// Where each class connects.
struct Addresses {
    normal: SocketAddr,
    preferred: SocketAddr,
    background: SocketAddr,
}

fn main() -> io::Result<ExitCode> {
    let options = Options::from_command_line();
    pin::client()?;
    let mut spec = Spec::built("busy", Path::new(env!("CARGO_BIN_EXE_busy")));
    spec.arguments = ARGUMENTS.map(String::from).to_vec();
    let mut server = spec.start(&[])?;
    let addresses = Addresses {
        normal: server.address,
        preferred: server.next_address()?,
        background: server.next_address()?,
    };
    warm_up(addresses.normal)?;
    let time = Duration::from_millis(options.amount(MILLIS).max(MILLIS / 4));
    let mut samples: [Samples; 5] = Default::default();
    let mut shares = Vec::new();
    for _ in 0..options.rounds() {
        sample(&addresses, time, &mut samples)?;
        shares.extend(background_share(&addresses, time)?);
    }
    Server::stop(server)?;
    let names = ["alone", "nobody", "one queue (normal)", "preferred", "preferred, 1,000/s"];
    print(&names, &samples);
    judge(&samples, median(&shares), options.check)
}

/// One round of all measures in turn: the client alone, the busy ones alone, both as equals, and
/// the client preferred, without a pause and with one.
fn sample(at: &Addresses, time: Duration, samples: &mut [Samples; 5]) -> io::Result<()> {
    let busy = [Crowd { address: at.normal, clients: BUSY }];
    let without = |address| Some(Polite { address, pause: Duration::ZERO });
    let measures: [(Option<Polite>, &[Crowd]); 5] = [
        (without(at.preferred), &[]),
        (None, &busy),
        (without(at.normal), &busy),
        (without(at.preferred), &busy),
        (Some(Polite { address: at.preferred, pause: PAUSE }), &busy),
    ];
    for ((polite, crowds), samples) in measures.into_iter().zip(samples) {
        let seen = beside(polite, crowds, time)?;
        if let Some(latencies) = seen.polite {
            samples.p50.push(latencies.permille(500).as_secs_f64() * 1e6);
            samples.p99.push(latencies.permille(990).as_secs_f64() * 1e6);
        }
        samples.busy.extend(seen.rates.iter().map(|rate| rate / 1e6));
    }
    Ok(())
}

/// What the background gets of all throughput beside busy normal connections.
fn background_share(at: &Addresses, time: Duration) -> io::Result<Option<f64>> {
    let crowds = [
        Crowd { address: at.normal, clients: BUSY },
        Crowd { address: at.background, clients: BACKGROUND },
    ];
    let seen = beside(None, &crowds, time)?;
    let all = seen.rates.iter().sum();
    Ok(divide(seen.rates.last().copied(), Some(all)))
}

fn print(names: &[&str; 5], samples: &[Samples; 5]) {
    let heads = ["client", "p50", "x alone", "p99", "busy MB/s"];
    let title = format!("A polite client beside {BUSY} busy ones, microseconds");
    let mut table = Table::new(title, &heads);
    let alone = median(&samples[0].p50);
    for (name, samples) in names.iter().zip(samples) {
        let p50 = median(&samples.p50);
        table.row(vec![
            (*name).to_owned(),
            figure(p50, 1),
            figure(divide(p50, alone), 2),
            figure(median(&samples.p99), 0),
            figure(median(&samples.busy), 0),
        ]);
    }
    table.print();
}

fn judge(samples: &[Samples; 5], share: Option<f64>, check: bool) -> io::Result<ExitCode> {
    let [alone, nobody, _, preferred, pausing] = samples;
    let mut verdicts = Verdicts::default();
    let slower = divide(median(&preferred.p50), median(&alone.p50));
    verdicts.at_most("preferred, p50 beside the busy x alone", slower, 2.0);
    let slower = divide(median(&pausing.p50), median(&alone.p50));
    verdicts.at_most("preferred at 1,000/s, p50 beside the busy x alone", slower, 2.0);
    let kept = divide(median(&pausing.busy), median(&nobody.busy));
    let lost = kept.map(|kept| 100.0 * (1.0 - kept));
    verdicts.at_most("throughput that the busy lose to it, percent", lost, 10.0);
    // One slice behind 16, and a little less for what is measured while nobody waits.
    verdicts.at_most("background, one slice in", share.map(|share| 1.0 / share), 20.0);
    Ok(verdicts.finish(check))
}
