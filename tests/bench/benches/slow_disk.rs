//! What who asks for a cached file notices of others who wait for a slow disk. nginx beside ours,
//! for the report: what is cached lies on no slow disk there at all.

use std::{
    fs, io,
    process::ExitCode,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use fsm_bench::{
    client::Client,
    load::{Latencies, be_nice},
    options::Options,
    pin,
    report::{Table, Verdicts, figure, median},
    response::Visitor,
    scratch::Scratch,
    server::{Server, Spec, print_missing},
    slow_disk::{Delays, SlowDisk},
};

/// How long the slow step of the disk takes.
const SLOW: Duration = Duration::from_millis(200);
/// How many wait for it at the same time.
const MISSES: [usize; 2] = [4, 64];
/// As many threads as misses: each waits for the disk, and none for a thread.
const HELPERS: &str = "64";
/// How many rounds in turn, of which the median counts; and with `--short`.
const ROUNDS: usize = 7;
const FEW_ROUNDS: usize = 3;
/// How long who asks for what is cached is measured in each round.
const ROUND: Duration = Duration::from_millis(1000);
/// How much slower the slowest of a hundred hits may be beside misses, in milliseconds.
const SLOWER: f64 = 2.0;
/// More files than are asked for: each is a miss only once at a server that caches.
const FILES: usize = 60_000;
/// The bytes of each.
const LENGTH: usize = 1024;

/// Which step of the disk is slow, and for how many.
#[derive(Clone, Copy)]
struct Case {
    step: &'static str,
    delays: Delays,
    misses: usize,
}

/// A server, and what was seen of it in each round of each case, in milliseconds.
struct Peer {
    name: &'static str,
    server: Server,
    medians: Vec<Vec<f64>>,
    slowest: Vec<Vec<f64>>,
}

fn main() -> io::Result<ExitCode> {
    let options = Options::from_command_line();
    pin::client()?;
    let disk = match mount() {
        Ok(disk) => disk,
        Err(error) => {
            println!("skipped: no FUSE here: {error}");
            return Ok(ExitCode::SUCCESS);
        }
    };
    let body = vec![b'x'; LENGTH];
    disk.put_copies((0..FILES).map(|number| format!("cold-{number}")), &body);
    disk.put("hot", &body);
    let beside = Scratch::new();
    fs::write(beside.path("hot"), &body)?;
    let specs = specs(&disk, &beside);
    let cases = cases();
    let mut peers = start(&specs, cases.len())?;
    let next = AtomicUsize::new(0);
    let rounds = if options.short { FEW_ROUNDS } else { ROUNDS };
    let time = if options.short { ROUND / 3 } else { ROUND };
    for _ in 0..rounds {
        for (at, case) in cases.iter().enumerate() {
            for peer in &mut peers {
                let seen = measure(&peer.server, &disk, *case, time, &next)?;
                let milliseconds = |permille| seen.permille(permille).as_secs_f64() * 1e3;
                peer.medians[at].push(milliseconds(500));
                peer.slowest[at].push(milliseconds(990));
            }
        }
    }
    let exit = report(&peers, &cases, options.check);
    print_missing(&specs);
    peers.into_iter().try_for_each(|peer| peer.server.stop())?;
    Ok(exit)
}

/// Mounts a disk whose threads give way to the one who is measured, as they have the same core: a
/// thread has the priority of the one that started it.
fn mount() -> io::Result<SlowDisk> {
    let mounted = thread::spawn(|| be_nice().and_then(|()| SlowDisk::try_mount()));
    mounted.join().map_err(|_| io::Error::other("the one who mounts panicked"))?
}

fn specs(disk: &SlowDisk, beside: &Scratch) -> Vec<Spec> {
    let site = |more: &str| {
        let (slow, quick) = (disk.path().display(), beside.path("hot").display().to_string());
        let site =
            format!("{more} location / {{ root {slow}; }} location = /hot {{ alias {quick}; }}");
        // It is configured with a text that lives as long as the bench does, as this one does.
        &*site.leak()
    };
    // What is cached is not looked at again, so that who waits is who was told to.
    let ours = Spec::ours_files(disk.path(), &["--helpers", HELPERS, "--refresh", "1h"]);
    let plain = Spec::nginx(site(""));
    let mut threads = Spec::nginx(site("aio threads;"));
    threads.name = "nginx, aio threads";
    vec![ours, plain, threads]
}

fn cases() -> Vec<Case> {
    let none = Delays::default();
    let steps = [
        ("read", Delays { read: SLOW, ..none }),
        ("open", Delays { open: SLOW, ..none }),
        ("stat", Delays { stat: SLOW, ..none }),
    ];
    let alone = Case { step: "alone", delays: none, misses: 0 };
    let with = |(step, delays)| MISSES.map(|misses| Case { step, delays, misses });
    [alone].into_iter().chain(steps.into_iter().flat_map(with)).collect()
}

fn start(specs: &[Spec], cases: usize) -> io::Result<Vec<Peer>> {
    let present = specs.iter().filter(|spec| spec.program.is_ok());
    let start = |spec: &Spec| {
        let server = spec.start(&[])?;
        let (medians, slowest) = (vec![Vec::new(); cases], vec![Vec::new(); cases]);
        Ok(Peer { name: spec.name, server, medians, slowest })
    };
    present.map(start).collect()
}

/// Asks for what is cached, one request after the other, beside others who wait for the disk.
fn measure(
    server: &Server,
    disk: &SlowDisk,
    case: Case,
    time: Duration,
    next: &AtomicUsize,
) -> io::Result<Latencies> {
    let address = server.address.to_string();
    let mut prober = Visitor::over(Client::try_connect(&address)?);
    expect_file(&mut prober, "/hot")?;
    disk.delay(case.delays);
    let stop = AtomicBool::new(false);
    let seen = thread::scope(|scope| {
        let miss = || miss_until(&address, &stop, next);
        let missing: Vec<_> = (0..case.misses).map(|_| scope.spawn(miss)).collect();
        let mut times = Vec::new();
        let seen = wait_until_slow(disk, case).and_then(|()| {
            let begun = fsm_bench::now();
            while begun.elapsed() < time {
                times.push(expect_file(&mut prober, "/hot")?);
            }
            Ok(Latencies::new(times))
        });
        stop.store(true, Ordering::Relaxed);
        // Who waits is not waited for.
        disk.delay(Delays::default());
        for client in missing {
            client.join().map_err(|_| io::Error::other("a client panicked"))??;
        }
        seen
    });
    disk.delay(Delays::default());
    seen
}

/// Waits until somebody waits for the disk. A server that does one thing after the other lets but
/// one of them wait there.
fn wait_until_slow(disk: &SlowDisk, case: Case) -> io::Result<()> {
    const PATIENCE: Duration = Duration::from_secs(10);
    let begun = fsm_bench::now();
    while case.misses > 0 && disk.waiting() == 0 {
        if begun.elapsed() > PATIENCE {
            return Err(io::Error::other("nobody waits for the disk"));
        }
        thread::sleep(SLOW / 100);
    }
    // The others come within that time too.
    thread::sleep(SLOW / 2);
    Ok(())
}

/// Asks for one cold file after the other.
fn miss_until(address: &str, stop: &AtomicBool, next: &AtomicUsize) -> io::Result<()> {
    // The one who is measured has the same core.
    be_nice()?;
    let mut client = Visitor::over(Client::try_connect(address)?);
    while !stop.load(Ordering::Relaxed) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= FILES {
            return Err(io::Error::other("there are no cold files left"));
        }
        expect_file(&mut client, &format!("/cold-{number}"))?;
    }
    Ok(())
}

/// How long it took from the request to the last byte of the file.
fn expect_file(client: &mut Visitor, path: &str) -> io::Result<Duration> {
    let begun = fsm_bench::now();
    let response = client.try_ask(&format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
    let took = begun.elapsed();
    match response {
        Ok(response) if response.status == 200 && response.body.len() == LENGTH => Ok(took),
        other => Err(io::Error::other(format!("{path}: {other:?}"))),
    }
}

fn report(peers: &[Peer], cases: &[Case], check: bool) -> ExitCode {
    let heads = ["server", "slow", "misses", "p50", "p99", "p99 more"];
    let title = format!("A cached file beside misses that wait {SLOW:?}, milliseconds");
    let mut table = Table::new(title, &heads).with_texts(2);
    let mut verdicts = Verdicts::default();
    let mut targets = Vec::new();
    for peer in peers {
        let alone = median(&peer.slowest[0]);
        for (at, case) in cases.iter().enumerate() {
            let slowest = median(&peer.slowest[at]);
            let more = slowest.zip(alone).map(|(slowest, alone)| slowest - alone);
            table.row(vec![
                peer.name.to_owned(),
                case.step.to_owned(),
                case.misses.to_string(),
                figure(median(&peer.medians[at]), 3),
                figure(slowest, 3),
                figure(more, 3),
            ]);
            if peer.name == "ours" && case.misses > 0 {
                targets.push((format!("ours, p99 more, {} {}", case.misses, case.step), more));
            }
        }
    }
    table.print();
    for (what, more) in targets {
        verdicts.at_most(&what, more, SLOWER);
    }
    verdicts.finish(check)
}
