//! Many workers on real sockets: connections are spread evenly, messages find their machines in
//! order, and a worker that sleeps is woken once.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use fsm_runtime::{Handle, Id, Io, Lines, Machine, TellError, Topic};
use fsm_tests::client::{Client, End};
use fsm_tests::clock::eventually;
use fsm_tests::inside::{Inside, serve_on, serve_on_at};
use fsm_tests::scratch::Scratch;

/// A program that sends to a worker that sleeps, and to one that does not.
const WOKEN: &str = env!("CARGO_BIN_EXE_woken");

const PATIENCE: Duration = Duration::from_secs(20);

/// Says who it is, and passes on what it is told.
#[derive(Machine)]
#[machine(context = Party, input = Lines<'_>, message = String)]
enum Post {
    #[initial]
    #[on(connected => greet)]
    #[on(Line(line) => pass_on(line))]
    #[on(message(text) => hear(text))]
    #[on(TooLong -> Closed)]
    #[on(eof(_) -> Closed)]
    #[on(shutdown -> Closed)]
    #[after(1min without input -> Closed)]
    Open,
    #[terminal]
    Closed,
}

struct Party {
    /// Where every connection leaves its name.
    names: mpsc::Sender<Reach>,
}

impl Party {
    fn greet(&mut self, io: &mut Io<'_, Post>) {
        self.names.send((io.id(), io.handle())).expect("the test listens");
        io.join(&Topic::new("all"));
        writeln!(io.out, "{}", io.id());
    }

    /// `back` tells oneself; other lines go to everybody.
    fn pass_on(&mut self, line: &[u8], io: &mut Io<'_, Post>) {
        let text = String::from_utf8_lossy(line).trim_end().to_owned();
        let sent = match &*text {
            "back" => io.tell(io.id(), text),
            _ => io.publish(&Topic::new("all"), text),
        };
        sent.expect("there is room");
        writeln!(io.out, "sent");
    }

    #[expect(clippy::needless_pass_by_value, reason = "a message is the machine's own")]
    fn hear(&mut self, text: String, io: &mut Io<'_, Post>) {
        writeln!(io.out, "{text}");
    }
}

/// How to reach a connection.
type Reach = (Id<Post>, Handle<Post>);

fn parties(workers: usize) -> (Inside, mpsc::Receiver<Reach>) {
    let (names, listed) = mpsc::channel();
    let server = serve_on::<Post>(workers, move |_| Party { names: names.clone() });
    (server, listed)
}

fn connect(server: &Inside) -> (BufReader<TcpStream>, String) {
    let stream = TcpStream::connect(server.address()).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let mut reader = BufReader::new(stream);
    let name = line(&mut reader);
    (reader, name)
}

fn line(reader: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    reader.read_line(&mut line).expect("a line in time");
    line.trim_end().to_owned()
}

#[test]
fn sixty_four_long_connections_are_spread_evenly() {
    for workers in [2, 4, 8] {
        for _ in 0..5 {
            let (server, _names) = parties(workers);
            let clients: Vec<_> = (0..64).map(|_| connect(&server)).collect();
            let mut loads = HashMap::<String, usize>::new();
            for (_, name) in &clients {
                let worker = name.split('.').next().expect("a number").to_owned();
                *loads.entry(worker).or_default() += 1;
            }
            let busiest = loads.values().max().copied().unwrap_or_default();
            assert!(busiest * workers * 100 <= 64 * 115, "{workers} workers: {loads:?}");
        }
    }
}

#[test]
fn who_comes_all_at_once_is_spread_evenly_too() {
    for workers in [2, 4, 8] {
        let (server, _names) = parties(workers);
        let streams: Vec<_> = (0..64).map(|_| TcpStream::connect(server.address())).collect();
        let mut loads = HashMap::<String, usize>::new();
        for stream in streams {
            let name = line(&mut BufReader::new(stream.expect("it listens")));
            *loads.entry(name.split('.').next().expect("a number").to_owned()).or_default() += 1;
        }
        let busiest = loads.values().max().copied().unwrap_or_default();
        // Two who accept at one moment may hand over to the same third.
        assert!(busiest * workers * 100 <= 64 * 130, "{workers} workers: {loads:?}");
    }
}

#[test]
fn a_unix_socket_is_served_by_all_workers() {
    let scratch = Scratch::new();
    let (names, _listed) = mpsc::channel();
    let address = scratch.address("post");
    let path = address.strip_prefix("unix:").expect("a path").to_owned();
    let server = serve_on_at::<Post>(4, &address, move |_| Party { names: names.clone() });
    let mut loads = HashMap::<String, usize>::new();
    let clients: Vec<_> = (0..64)
        .map(|_| std::os::unix::net::UnixStream::connect(&path).expect("it listens"))
        .collect();
    for client in &clients {
        let mut name = String::new();
        BufReader::new(client).read_line(&mut name).expect("its name");
        *loads.entry(name.split('.').next().expect("a number").to_owned()).or_default() += 1;
    }
    let busiest = loads.values().max().copied().unwrap_or_default();
    assert!(loads.len() == 4 && busiest <= 18, "one acceptor hands over: {loads:?}");
    assert!(server.end().handed_over >= 40);
}

#[test]
fn messages_reach_machines_on_any_worker_in_the_order_sent() {
    const MESSAGES: usize = 2_000;
    let (server, names) = parties(4);
    let mut clients: Vec<_> = (0..8).map(|_| connect(&server)).collect();
    let known: Vec<_> = names.iter().take(8).collect();
    let threads: Vec<_> = (0..3)
        .map(|sender| {
            let known = known.clone();
            std::thread::spawn(move || {
                for number in 0..MESSAGES {
                    for (id, handle) in &known {
                        let mut message = format!("{sender} {number}");
                        while let Err(error) = handle.tell(*id, message) {
                            message = error.into_message();
                            std::thread::yield_now();
                        }
                    }
                }
            })
        })
        .collect();
    for (reader, name) in &mut clients {
        let mut next = [0; 3];
        for _ in 0..3 * MESSAGES {
            let line = line(reader);
            let (sender, number) = line.split_once(' ').expect("two words");
            let sender: usize = sender.parse().expect("a number");
            assert_eq!(number, next[sender].to_string(), "of {sender} to {name}");
            next[sender] += 1;
        }
    }
    for thread in threads {
        thread.join().expect("it sends");
    }
}

#[test]
fn what_is_published_reaches_every_member_on_every_worker_once() {
    let (server, _names) = parties(4);
    let mut clients: Vec<_> = (0..40).map(|_| connect(&server)).collect();
    let (sender, _) = &mut clients[7];
    sender.get_mut().write_all(b"one\ntwo\n").expect("it is served");
    assert_eq!((line(sender), line(sender)), ("sent".into(), "sent".into()));
    for (reader, name) in &mut clients {
        assert_eq!((line(reader), line(reader)), ("one".into(), "two".into()), "{name}");
    }
}

#[test]
fn a_message_to_oneself_comes_after_the_action() {
    let (server, _names) = parties(1);
    let (mut reader, _) = connect(&server);
    reader.get_mut().write_all(b"back\n").expect("it is served");
    assert_eq!((line(&mut reader), line(&mut reader)), ("sent".into(), "back".into()));
}

#[test]
fn a_message_to_who_has_gone_reaches_nobody_else() {
    let (server, names) = parties(1);
    let (reader, _) = connect(&server);
    let (gone, handle) = names.recv().expect("it connected");
    drop(reader);
    eventually(PATIENCE, "the slot is used again", || {
        let (_, name) = connect(&server);
        name.starts_with("0.0.")
    });
    let (mut other, _) = connect(&server);
    assert_eq!(handle.tell(gone, "for nobody".into()), Ok(()));
    assert_eq!(handle.publish(&Topic::new("all"), "for all".into()), Ok(()));
    assert_eq!(line(&mut other), "for all");
}

#[test]
fn nobody_is_told_by_a_server_that_does_not_run() {
    let (server, names) = parties(2);
    let (_reader, _) = connect(&server);
    let (id, handle) = names.recv().expect("it connected");
    let _ = server.end();
    let refused = handle.tell(id, "late".into());
    assert_eq!(refused, Err(TellError::Stopped("late".into())));
    let early = fsm_runtime::Server::<Post>::bind(&["127.0.0.1:0".parse().expect("an address")]);
    let refused = early.expect("it is free").handle().tell(id, "early".into());
    assert_eq!(refused, Err(TellError::Stopped("early".into())));
}

/// Where there is no strace, or tracing is not allowed, this says so and checks nothing.
#[test]
#[cfg(target_os = "linux")]
fn a_sleeping_worker_is_woken_by_one_call_and_one_that_is_awake_by_none() {
    let scratch = Scratch::new();
    let calls = scratch.path("calls");
    let strace = Command::new("strace")
        .args(["-f", "-qq", "--seccomp-bpf", "-e", "trace=write", "-o"])
        .args([calls.as_os_str(), WOKEN.as_ref()])
        .output();
    let Ok(traced) = strace else { return eprintln!("nothing is checked: there is no strace") };
    if !traced.status.success() && !calls.exists() {
        return eprintln!("nothing is checked: strace does not run here");
    }
    assert!(traced.status.success(), "{}", String::from_utf8_lossy(&traced.stderr));
    let trace = std::fs::read_to_string(calls).expect("strace wrote it");
    // The program's first thread sends; on poll(2) the worker's own thread writes to itself. An
    // eventfd takes eight bytes, a pipe one.
    let thread = |line: &str| line.split(' ').next().and_then(|id| id.parse::<u32>().ok());
    let sender = trace.lines().filter_map(thread).min();
    let is_wake = |line: &&str| line.contains(", 8) ") || line.contains(", 1) ");
    let wakes = trace.lines().filter(|line| thread(line) == sender).filter(is_wake).count();
    assert_eq!(wakes, 11, "ten to a sleeper, the nap, and none of a thousand:\n{trace}");
}

#[test]
fn draining_workers_serve_who_was_handed_over() {
    for _ in 0..10 {
        let (server, _names) = parties(4);
        let clients: Vec<_> = (0..64).map(|_| Client::connect(server.address())).collect();
        server.stop().request();
        for mut client in clients {
            assert_eq!(client.end(), End::Finished, "everybody is told and nobody is reset");
        }
    }
}

#[test]
fn a_server_that_nobody_can_stop_does_not_spin() {
    let told = Command::new(env!("CARGO_BIN_EXE_unstopped")).output().expect("it runs");
    let used = String::from_utf8_lossy(&told.stdout);
    let millis: u64 = used.trim().parse().expect("a number");
    assert!(millis < 200, "{millis} ms of processor time in 500 ms of doing nothing");
}
