//! Classes over real sockets: preferred clients are seen between two slices of others, and no
//! wake-up is lost when a connection moves from one class to another.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use fsm_runtime::table::Class;
use fsm_runtime::{Accepted, Address, Chunks, Io, Lines, Machine, Peer, Server};
use fsm_tests::scratch::Scratch;

/// A client that hears nothing for this long has been forgotten.
const PATIENCE: Duration = Duration::from_secs(20);

/// Clients that keep the worker busy.
const BUSY: usize = 12;

/// How long each of their slices takes.
const SLICE: Duration = Duration::from_millis(2);

/// Counts the slices of busy clients, and tells who asks how many there were.
#[derive(Machine)]
#[machine(context = Client, input = Chunks<'_>, shared = u64)]
enum Counting {
    #[initial]
    #[on(Chunk(bytes) => count(bytes))]
    #[on(eof(_) | shutdown -> Closed)]
    #[after(1min without input -> Closed)]
    Serving,
    #[terminal]
    Closed,
}

struct Client;

impl Client {
    #[expect(clippy::unused_self, reason = "actions are methods")]
    fn count(&mut self, bytes: &[u8], io: &mut Io<'_, Counting>) {
        if bytes == b"?" {
            let count = *io.shared;
            io.out.send(&count.to_le_bytes());
        } else {
            thread::sleep(SLICE);
            *io.shared += 1;
        }
    }
}

/// Asks twice in a row. Answers how many slices of others passed between the answers.
fn slices_between(client: &mut (impl Read + Write)) -> u64 {
    let mut ask = || {
        let mut count = [0; 8];
        client.write_all(b"?").expect("sent");
        client.read_exact(&mut count).expect("answered");
        u64::from_le_bytes(count)
    };
    let first = ask();
    ask() - first
}

/// Writes without end, until the server is gone.
fn keep_busy(address: &str) {
    let mut stream = TcpStream::connect(address).expect("connected");
    while stream.write_all(&[b'x'; 64 * 1024]).is_ok() {}
}

#[test]
fn a_preferred_client_waits_for_one_slice_and_others_for_all() {
    let scratch = Scratch::new();
    let path = scratch.path("preferred.sock");
    let normal = "127.0.0.1:0".parse().expect("an address");
    let server = Server::<Counting>::bind(&[normal]).expect("it is free");
    let server =
        server.bind_as(Class::Preferred, &[Address::Unix(path.clone())]).expect("so is it");
    let address = server.addresses().next().expect("the first").to_string();
    let (stop, server) = (server.stop(), server.without_signals().workers(1));
    let running = thread::spawn(move || server.run(|_| Client).expect("it serves"));
    let busy: Vec<_> = (0..BUSY)
        .map(|_| {
            let address = address.clone();
            thread::spawn(move || keep_busy(&address))
        })
        .collect();
    let mut preferred = UnixStream::connect(path).expect("connected");
    preferred.set_read_timeout(Some(PATIENCE)).expect("set");
    let mut equal = TcpStream::connect(&address).expect("connected");
    equal.set_read_timeout(Some(PATIENCE)).expect("set");
    thread::sleep(20 * SLICE);
    // The least of several, since this test shares its processors with others.
    let least = |client: &mut dyn FnMut() -> u64| (0..10).map(|_| client()).min();
    let waited = least(&mut || slices_between(&mut preferred)).expect("ten");
    assert!(waited <= 2, "the preferred client waited for {waited} slices");
    let waited = least(&mut || slices_between(&mut equal)).expect("ten");
    assert!(waited >= BUSY as u64 / 2, "an equal waits for all, not for {waited} slices");
    stop.request();
    stop.request();
    running.join().expect("no panic");
    busy.into_iter().for_each(|client| client.join().expect("no panic"));
}

/// Every line chooses the state that comes next, and with it the class.
#[derive(Machine)]
#[machine(context = Chooser, input = Lines<'_>)]
#[group(
    Open: Plain, First, Last;
    on(Line(line) => turn(line) -> Plain | First | Last),
    on(TooLong | eof | shutdown -> Closed),
    after(1min without input -> Closed)
)]
enum Choice {
    #[initial]
    Plain,
    #[class(preferred)]
    First,
    #[class(background)]
    Last,
    #[terminal]
    Closed,
}

struct Chooser;

impl Chooser {
    #[expect(clippy::unused_self, reason = "actions are methods")]
    fn turn(&mut self, line: &[u8], io: &mut Io<'_, Choice>) -> ChoiceTurn {
        io.out.send(line);
        match line[0] {
            b'p' => ChoiceTurn::First,
            b'b' => ChoiceTurn::Last,
            _ => ChoiceTurn::Plain,
        }
    }
}

/// Lines to and fro, each sent when the one before has come back, or all at once.
fn change_classes(address: &str, client: usize) {
    let mut stream = TcpStream::connect(address).expect("connected");
    stream.set_nodelay(true).expect("set");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    let lines: Vec<u8> =
        (0..400).flat_map(|at| [b"pnbbpp"[(at * (client + 1) + at / 7) % 6], b'\n']).collect();
    let at_once = if client.is_multiple_of(4) { lines.len() } else { 2 };
    for lines in lines.chunks(at_once) {
        let mut received = vec![0; lines.len()];
        stream.write_all(lines).expect("sent");
        stream.read_exact(&mut received).expect("no wake-up is lost");
        assert_eq!(received, lines);
    }
}

#[test]
fn no_wake_up_is_lost_on_the_way_from_class_to_class() {
    for workers in [1, 3] {
        let server = Server::<Choice>::bind(&["127.0.0.1:0".parse().expect("an address")]);
        let server = server.expect("it is free").without_signals();
        let server = server.workers(workers);
        let address = server.addresses().next().expect("one").to_string();
        let stop = server.stop();
        let classes = |peer: &Peer| match peer {
            Peer::Tcp(address) if address.port() % 3 == 0 => {
                Accepted::new(Chooser).class(Class::Preferred)
            }
            Peer::Tcp(address) if address.port() % 3 == 1 => {
                Accepted::new(Chooser).class(Class::Background)
            }
            _ => Chooser.into(),
        };
        let running = thread::spawn(move || server.run(classes).expect("it serves"));
        thread::scope(|scope| {
            for client in 0..16 {
                let address = &address;
                scope.spawn(move || change_classes(address, client));
            }
        });
        stop.request();
        let summary = running.join().expect("no panic");
        assert_eq!((summary.accepted, summary.closed, summary.lost), (16, 16, 0));
    }
}
