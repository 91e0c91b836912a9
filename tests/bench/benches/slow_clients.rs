//! A thousand slow heads, a thousand slow bodies and a thousand slow readers at once: when they are
//! let go, and what a good client sees of them. nginx beside ours, for the report.

use std::{
    fs, io,
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use fsm_bench::{
    configured,
    count::quotas,
    http::{Ask, Head, Requester},
    load::Latencies,
    options::Options,
    pin,
    report::{Table, Verdicts, divide, figure, median},
    server::{Server, Spec, print_missing},
    slow::{Gone, Paths, Slow, Slowness},
};

/// How many of each kind.
const EACH: usize = 1_000;
/// The median of so many rounds is taken.
const ROUNDS: usize = 7;
/// What both servers are told to allow. Of a body 4,096 bytes must come in it at ours, and anything
/// at all at nginx.
const DEADLINE: Duration = Duration::from_secs(3);
/// 4,096 bytes in the deadline, in bytes per second, rounded up.
const BODY_RATE: &str = "1366";
/// Who is still there at twice the deadline is not let go at all.
const PATIENCE: Duration = Duration::from_secs(6);
/// How long a good client is measured alone: about as long as beside slow ones.
const ALONE: Duration = DEADLINE;
/// By how much the last may outstay its deadline: three thousand of them end within moments, and
/// each is told why.
const LATE: f64 = 0.5;
/// Descriptors that a server may hold when all are gone, more than before they came.
const LEFT_OVER: f64 = 0.0;

/// As ours, as far as it goes. A body is taken whole before it is handed on.
const SITE: &str = "\
    client_header_timeout 3s; client_body_timeout 3s; send_timeout 3s;\n\
    reset_timedout_connection on; client_max_body_size 1g;\n\
    location / { default_type text/plain; return 200; }\n\
    location = /upload { proxy_pass http://ADDRESS/; }\n\
    location = /long { alias FOLDER/long; }\n";
/// More than the kernel takes of an answer whose reader is slow.
const LONG: usize = 4_000_000;

/// A server, and where it is slow to be asked.
struct Peer {
    spec: Spec,
    paths: Paths,
    /// What each round saw.
    rounds: Vec<Round>,
}

struct Round {
    /// The good client's p99 in microseconds.
    alone: f64,
    beside: f64,
    gone: [Gone; Slowness::ALL.len()],
    /// Descriptors that the server holds afterwards, beyond those before.
    held: f64,
}

fn main() -> io::Result<ExitCode> {
    let options = Options::from_command_line();
    pin::raise_open_files()?;
    pin::client()?;
    fs::create_dir_all(configured::folder()?)?;
    fs::write(configured::folder()?.join("long"), vec![b'.'; LONG])?;
    let mut peers = peers();
    let servers: Vec<Option<Server>> = peers
        .iter()
        .map(|peer| peer.spec.program.is_ok().then(|| peer.spec.start(&[])).transpose())
        .collect::<io::Result<_>>()?;
    for _ in 0..if options.short { options.rounds() } else { ROUNDS } {
        for (peer, server) in peers.iter_mut().zip(&servers) {
            if let Some(server) = server {
                peer.rounds.push(round(server, peer.paths)?);
            }
        }
    }
    servers.into_iter().flatten().try_for_each(Server::stop)?;
    fs::remove_dir_all(configured::folder()?)?;
    print(&peers);
    let mut verdicts = Verdicts::default();
    judge(&peers[0].rounds, &mut verdicts);
    Ok(verdicts.finish(options.check))
}

fn peers() -> Vec<Peer> {
    let mut ours = Spec::ours_http();
    let flags = ["--head-time", "3s", "--stall", "3s", "--min-body-rate", BODY_RATE];
    ours.arguments.extend(flags.map(String::from));
    let paths = Paths { upload: "/", long: "/counted?4000000" };
    let nginx = Paths { upload: "/upload", long: "/long" };
    vec![
        Peer { spec: ours, paths, rounds: Vec::new() },
        Peer { spec: Spec::nginx(SITE), paths: nginx, rounds: Vec::new() },
    ]
}

fn round(server: &Server, paths: Paths) -> io::Result<Round> {
    let alone = {
        let end = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(ALONE);
                end.store(true, Ordering::Relaxed);
            });
            good_client(server, &end)
        })?
    };
    let before = descriptors(server)?;
    let end = AtomicBool::new(false);
    let slow = Slow::gather(server.address, paths, EACH)?;
    let (beside, gone) = thread::scope(|scope| {
        let slow = scope.spawn(|| {
            let gone = slow.run(PATIENCE);
            end.store(true, Ordering::Relaxed);
            gone
        });
        let beside = good_client(server, &end);
        let gone = slow.join().map_err(|_| io::Error::other("the slow clients panicked"))?;
        Ok::<_, io::Error>((beside?, gone?))
    })?;
    let held = descriptors(server)? - before;
    Ok(Round { alone, beside, gone, held })
}

/// One request after the other until the end. Answers the p99 in microseconds.
fn good_client(server: &Server, end: &AtomicBool) -> io::Result<f64> {
    let mut client = Requester::connect(server.address, Ask::empty(Head::Short))?;
    let (mut times, mut buffer) = (Vec::new(), vec![0; 4096]);
    while !end.load(Ordering::Relaxed) {
        let begun = fsm_bench::now();
        client.exchange(&mut buffer)?;
        times.push(begun.elapsed());
    }
    Ok(Latencies::new(times).permille(990).as_secs_f64() * 1e6)
}

/// After the moment that a server needs to see who has gone.
fn descriptors(server: &Server) -> io::Result<f64> {
    const MOMENT: Duration = Duration::from_millis(300);
    thread::sleep(MOMENT);
    let quota = quotas(server.pid())?.into_iter().find(|quota| quota.name == "descriptors");
    quota.map(|quota| quota.used).ok_or_else(|| io::Error::other("nobody counts descriptors"))
}

fn print(peers: &[Peer]) {
    let title = format!("{EACH} of each kind of slow client, let go after {DEADLINE:?}, seconds");
    let heads = ["server", "slow", "gone, least of all rounds", "first", "last of all rounds"];
    let mut ends = Table::new(title, &heads).with_texts(2);
    let title = "A good client beside them, p99 in microseconds, medians of all rounds";
    let mut waits = Table::new(title, &["server", "alone", "beside", "x alone", "held afterwards"]);
    for Peer { spec, rounds, .. } in peers.iter().filter(|peer| !peer.rounds.is_empty()) {
        for slowness in Slowness::ALL {
            ends.row(vec![
                spec.name.to_owned(),
                format!("{slowness:?}").to_lowercase(),
                least(rounds, slowness).to_string(),
                figure(
                    rounds
                        .iter()
                        .map(|it| seconds(it.gone[slowness as usize].first))
                        .reduce(f64::min),
                    2,
                ),
                figure(Some(last(rounds, slowness)), 2),
            ]);
        }
        waits.row(vec![
            spec.name.to_owned(),
            figure(middle(rounds, |round| Some(round.alone)), 0),
            figure(middle(rounds, |round| Some(round.beside)), 0),
            figure(middle(rounds, times_alone), 2),
            figure(rounds.iter().map(|round| round.held).reduce(f64::max), 0),
        ]);
    }
    ends.print();
    waits.print();
    print_missing(&peers.iter().map(|peer| peer.spec.clone()).collect::<Vec<_>>());
}

fn judge(ours: &[Round], verdicts: &mut Verdicts) {
    for slowness in Slowness::ALL {
        let name = format!("{slowness:?}").to_lowercase();
        let stayed = EACH - least(ours, slowness);
        verdicts.at_most(&format!("ours, slow {name} that stayed"), Some(stayed as f64), 0.0);
        let late = last(ours, slowness) - seconds(DEADLINE);
        verdicts.at_most(&format!("ours, slow {name}, seconds late"), Some(late), LATE);
    }
    let held = ours.iter().map(|round| round.held).reduce(f64::max);
    verdicts.at_most("ours, descriptors held afterwards", held, LEFT_OVER);
    let ratio = middle(ours, times_alone);
    verdicts.at_most("ours, a good client's p99 beside slow ones x alone", ratio, 2.0);
}

fn least(rounds: &[Round], slowness: Slowness) -> usize {
    rounds.iter().map(|round| round.gone[slowness as usize].count).min().unwrap_or(0)
}

/// The last one of all rounds to be let go.
fn last(rounds: &[Round], slowness: Slowness) -> f64 {
    rounds.iter().map(|round| seconds(round.gone[slowness as usize].last)).fold(0.0, f64::max)
}

fn middle(rounds: &[Round], part: impl Fn(&Round) -> Option<f64>) -> Option<f64> {
    median(&rounds.iter().filter_map(part).collect::<Vec<_>>())
}

fn times_alone(round: &Round) -> Option<f64> {
    divide(Some(round.beside), Some(round.alone))
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}
