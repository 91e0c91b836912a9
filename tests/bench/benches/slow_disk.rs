//! What who asks for a cached file notices of others who wait for a slow disk, and whether the loop
//! itself does: its longest slice, by its own report. nginx beside ours, for the first: what is
//! cached lies on no slow disk there at all.

use std::{
    fs, io,
    process::ExitCode,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use humantime::format_duration;

use fsm_bench::{
    client::Client,
    load::{Latencies, be_nice},
    options::Options,
    pin,
    report::{Table, Verdicts, figure, median},
    response::Visitor,
    scratch::Scratch,
    server::{Server, Spec, print_missing},
    slices::Slices,
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
/// How much slower the slowest of a hundred hits may be beside misses, in milliseconds, and by how
/// much the longest slice may be longer. One that met the disk would be a hundred times that.
const SLOWER: f64 = 2.0;
/// Slices from this time on are reported. A whole hit takes two thirds of it, seen by the client,
/// so that reports are rare and in nobody's way; and it is a twentieth of what is allowed for.
const SLOW_SLICE: Duration = Duration::from_micros(100);
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
    /// What it reports of its slices, if it does.
    slices: Option<Slices>,
    longest: Vec<Vec<f64>>,
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
                peer.slices.as_mut().map_or(Ok(()), Slices::skip)?;
                let seen = measure(&peer.server, &disk, *case, time, &next)?;
                peer.note(at, &seen)?;
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
    let slow_slice = format_duration(SLOW_SLICE).to_string();
    let options = ["--helpers", HELPERS, "--refresh", "1h", "--slow-slice", &slow_slice];
    let mut ours = Spec::ours_files(disk.path(), &options);
    ours.stderr = Some(beside.path("stderr"));
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
        let slices = spec.stderr.as_deref().map(Slices::of).transpose()?;
        let [medians, slowest, longest] = [(); 3].map(|()| vec![Vec::new(); cases]);
        Ok(Peer { name: spec.name, server, medians, slowest, slices, longest })
    };
    present.map(start).collect()
}

impl Peer {
    /// Notes what was seen in a round, and what the server says of its slices in it.
    fn note(&mut self, case: usize, seen: &Latencies) -> io::Result<()> {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        self.medians[case].push(milliseconds(seen.permille(500)));
        self.slowest[case].push(milliseconds(seen.permille(990)));
        if let Some(slices) = &mut self.slices {
            // Of those that are not reported it is known that they were shorter.
            self.longest[case].push(milliseconds(slices.longest()?.unwrap_or(SLOW_SLICE)));
        }
        Ok(())
    }
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
    let heads = ["server", "slow", "misses", "p50", "p99", "p99 more", "longest slice"];
    let title = format!("A cached file beside misses that wait {SLOW:?}, milliseconds");
    let mut table = Table::new(title, &heads).with_texts(2);
    for peer in peers {
        for (at, case) in cases.iter().enumerate() {
            table.row(vec![
                peer.name.to_owned(),
                case.step.to_owned(),
                case.misses.to_string(),
                figure(median(&peer.medians[at]), 3),
                figure(median(&peer.slowest[at]), 3),
                figure(more(&peer.slowest, at), 3),
                slice(median(&peer.longest[at])),
            ]);
        }
    }
    table.print();
    let mut verdicts = Verdicts::default();
    for peer in peers.iter().filter(|peer| peer.name == "ours") {
        judge("p99", &peer.slowest, cases, &mut verdicts);
        judge("longest slice", &peer.longest, cases, &mut verdicts);
    }
    verdicts.finish(check)
}

/// By how much the median of a case is more than that of the first one, without misses.
fn more(rounds: &[Vec<f64>], case: usize) -> Option<f64> {
    let alone = rounds.first().and_then(|alone| median(alone));
    median(&rounds[case]).zip(alone).map(|(beside, alone)| beside - alone)
}

/// Its longest slice, where a server says so.
fn slice(milliseconds: Option<f64>) -> String {
    let limit = SLOW_SLICE.as_secs_f64() * 1e3;
    match milliseconds {
        Some(time) if time <= limit => format!("< {limit}"),
        time => figure(time, 3),
    }
}

fn judge(what: &str, rounds: &[Vec<f64>], cases: &[Case], verdicts: &mut Verdicts) {
    for (at, Case { step, misses, .. }) in cases.iter().enumerate().skip(1) {
        verdicts.at_most(&format!("ours, {what} more, {misses} {step}"), more(rounds, at), SLOWER);
    }
}
