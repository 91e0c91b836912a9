//! Whom the echo server lets in: its limits as flags, over loopback, seen from outside of its
//! process.
#![cfg(target_os = "linux")]

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use fsm_tests::child::Served;
use fsm_tests::client::Client;
use fsm_tests::clock::{Stopwatch, eventually};
use fsm_tests::scratch::Scratch;

const ECHO: &str = env!("CARGO_BIN_EXE_watched_echo");

const PATIENCE: Duration = Duration::from_secs(20);

/// Longer than a pause in accepting, so that whoever is let in after it is here.
const PAUSE: Duration = Duration::from_millis(300);

const LINE: &[u8] = b"a line as it is\n";

fn echo(arguments: &[&str]) -> Served {
    Served::start(ECHO, &[&["--listen", "127.0.0.1:0"], arguments].concat())
}

/// The echo server started by a shell that sets limits for it first.
fn echo_after(limits: &str, arguments: &[&str]) -> Served {
    let script = format!("{limits}; exec \"$0\" \"$@\"");
    let command = ["-c", &script, ECHO, "--listen", "127.0.0.1:0"];
    Served::start("sh", &[command.as_slice(), arguments].concat())
}

fn served(server: &Served) -> Client {
    let mut client = Client::connect(server.address());
    client.ask(LINE);
    client
}

/// Clients that have sent a line each and are not served.
fn waiting(server: &Served, count: usize) -> Vec<Client> {
    let mut waiting: Vec<_> = (0..count).map(|_| Client::connect(server.address())).collect();
    for client in &mut waiting {
        client.send(LINE);
    }
    thread::sleep(PAUSE);
    assert!(!waiting.iter().any(Client::has_news), "there is no place for them");
    waiting
}

#[test]
fn who_finds_every_place_taken_waits_until_somebody_leaves() {
    for workers in ["1", "2", "3"] {
        let server = echo(&["--workers", workers, "--max-connections", "6"]);
        let mut inside: Vec<_> = (0..6).map(|_| served(&server)).collect();
        let mut waiting = waiting(&server, 6);
        let used = server.cpu();
        let watch = Stopwatch::start();
        while watch.elapsed() < Duration::from_millis(500) {
            for client in &mut inside {
                client.ask(LINE);
            }
            thread::sleep(Duration::from_millis(20));
        }
        let spent = server.cpu() - used;
        assert!(spent < Duration::from_millis(100), "{spent:?} of 500 ms spent on waiting");
        // One leaves, one comes, whichever of them it is.
        for _ in 0..6 {
            drop(inside.pop());
            eventually(PATIENCE, "somebody is let in", || waiting.iter().any(Client::has_news));
            thread::sleep(PAUSE / 10);
            let (mut news, rest): (Vec<_>, _) = waiting.into_iter().partition(Client::has_news);
            assert_eq!(news.len(), 1, "one for one");
            news[0].expect(LINE);
            inside.insert(0, news.remove(0));
            waiting = rest;
        }
        let ended = server.terminate();
        assert_eq!(ended.code, Some(0));
        assert!(ended.stderr.contains("accepting pauses"), "{}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "said once: {}", ended.stderr);
    }
}

#[test]
fn a_limit_that_many_workers_reach_at_once_is_never_passed() {
    let server = echo(&["--workers", "4", "--max-connections", "50"]);
    let mut client = served(&server);
    let others = server.descriptors() - 1;
    let mut clients: Vec<_> = (0..400).map(|_| Client::connect(server.address())).collect();
    let watch = Stopwatch::start();
    let mut most = 0;
    while watch.elapsed() < PAUSE {
        most = most.max(server.descriptors() - others);
    }
    assert_eq!(most, 50);
    client.ask(LINE);
    // As they leave, everybody is let in.
    for client in &mut clients {
        client.send(LINE);
    }
    eventually(PATIENCE, "everybody is let in", || {
        clients.retain_mut(|client| {
            let is_served = client.has_news();
            if is_served {
                client.expect(LINE);
            }
            !is_served
        });
        clients.is_empty()
    });
}

#[test]
fn an_address_has_as_many_connections_as_it_may() {
    for workers in ["1", "2"] {
        let server = echo(&["--workers", workers, "--max-per-address", "2"]);
        let from = |source| {
            let client = Client::try_connect_from(source, server.address()).expect("it listens");
            Some(client).and_then(|mut client| client.try_ask(LINE).then_some(client))
        };
        let (first, second) = (from("127.0.0.1"), from("127.0.0.1"));
        assert!(first.is_some() && second.is_some());
        for _ in 0..20 {
            assert!(from("127.0.0.1").is_none(), "two are there");
        }
        let other = (from("127.0.0.2"), from("127.0.0.3"), from("127.0.0.2"));
        assert!(other.0.is_some() && other.1.is_some() && other.2.is_some());
        drop(first);
        eventually(PATIENCE, "there is room again", || from("127.0.0.1").is_some());
        second.expect("it is served").ask(LINE);
        let ended = server.terminate();
        assert_eq!(ended.code, Some(0));
        assert!(ended.stderr.contains("refusing an address"), "{}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "said once: {}", ended.stderr);
    }
}

#[test]
fn clients_of_a_unix_socket_have_no_address_to_be_counted() {
    let scratch = Scratch::new();
    let unix = scratch.address("echo.sock");
    let server = Served::start(ECHO, &["--listen", &unix, "--max-per-address", "1"]);
    let mut clients: Vec<_> = (0..5).map(|_| Client::connect(&unix)).collect();
    for client in &mut clients {
        client.ask(LINE);
    }
    assert_eq!(server.terminate().stderr, "");
}

/// The hundredths of a second after which the system asks whether a client still lives, from its
/// list of sockets; none where it never does.
fn asks_after(client: &Client) -> Option<u64> {
    let stream = client.stream();
    let hex = |address: SocketAddr| match address {
        SocketAddr::V4(address) => {
            let ip = u32::from_ne_bytes(address.ip().octets());
            format!("{ip:08X}:{:04X}", address.port())
        }
        SocketAddr::V6(_) => panic!("a client over IPv4"),
    };
    // The server's end has our addresses the other way round.
    let ours = stream.local_addr().expect("it is connected");
    let theirs = stream.peer_addr().expect("it is connected");
    let ends = format!(" {} {} ", hex(theirs), hex(ours));
    let mut found = None;
    // A timer of another kind may stand there for a moment.
    eventually(PATIENCE, "the timer of an idle connection", || {
        let table = fs::read_to_string("/proc/net/tcp").expect("the system tells");
        let line = table.lines().find(|line| line.contains(&ends)).expect("it is connected");
        let timer = line.split_whitespace().nth(5).expect("the sixth field is the timer");
        let (kind, left) = timer.split_once(':').expect("a kind and a time");
        found = (kind == "02").then(|| u64::from_str_radix(left, 16).expect("a number"));
        found.is_none_or(|left| left > 100)
    });
    found
}

#[test]
fn the_system_asks_silent_clients_whether_they_live_as_the_flag_says() {
    let seconds = |arguments: &[&str]| {
        let server = echo(arguments);
        let clients: Vec<_> = (0..8).map(|_| served(&server)).collect();
        let times: Vec<_> = clients.iter().map(asks_after).collect();
        // Every worker's listener hands it down.
        assert!(times.iter().all(|time| time.is_some() == times[0].is_some()), "{times:?}");
        times.iter().flatten().max().map(|hundredths| hundredths.div_ceil(100))
    };
    assert_eq!(seconds(&["--workers", "2"]), Some(300));
    assert_eq!(seconds(&["--workers", "2", "--keep-alive", "40s"]), Some(40));
    assert_eq!(seconds(&["--workers", "2", "--keep-alive", "off"]), None);
}

#[test]
fn the_backlog_is_as_long_as_the_flag_says() {
    let server = echo(&["--workers", "1", "--max-connections", "1", "--backlog", "4"]);
    let _inside = served(&server);
    // The system lets one more wait than it is told, and answers nobody behind them.
    let waiting: Vec<_> = (0..5).map(|_| Client::connect(server.address())).collect();
    let address = server.address().parse().expect("IP:PORT");
    assert!(TcpStream::connect_timeout(&address, PAUSE).is_err(), "the queue is full");
    drop(waiting);
}

#[test]
fn the_soft_limit_of_open_files_is_raised() {
    let server = echo_after("ulimit -Sn 30; ulimit -Hn 300", &[]);
    let clients: Vec<_> = (0..200).map(|_| served(&server)).collect();
    drop(clients);
    assert_eq!(server.terminate().stderr, "");
}

#[test]
fn more_connections_than_descriptors_are_a_warning_that_says_what_to_do() {
    let server = echo_after("ulimit -n 300", &["--max-connections", "300"]);
    drop(served(&server));
    let log = server.terminate().stderr;
    assert_eq!(log.lines().count(), 1, "{log}");
    for part in [" of 300 connections", "`ulimit -n`", "LimitNOFILE="] {
        assert!(log.contains(part), "`{part}` in: {log}");
    }
    let server = echo_after("ulimit -n 300", &["--max-connections", "200"]);
    drop(served(&server));
    assert_eq!(server.terminate().stderr, "");
}

/// A worker without a connection could only look now and then whether there is a place, and would
/// find it taken by those who wait at a busier one.
#[test]
fn with_fewer_places_than_workers_everybody_has_a_turn_all_the_same() {
    let server = echo(&["--workers", "4", "--max-connections", "1"]);
    let watch = Stopwatch::start();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    served(&server).reset();
                }
            });
        }
    });
    assert!(watch.elapsed() < Duration::from_secs(5), "{:?}: they wait", watch.elapsed());
}
