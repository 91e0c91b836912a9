//! The echo server and clients that come in crowds, misbehave, or use up what the server has. The
//! server is a child process: its descriptors, memory and processor time are seen from outside.
#![cfg(target_os = "linux")]

use std::thread;
use std::time::Duration;

use fsm_tests::child::Served;
use fsm_tests::client::Client;
use fsm_tests::clock::{Stopwatch, eventually};
use fsm_tests::seeded::Seeded;

const ECHO: &str = env!("CARGO_BIN_EXE_watched_echo");

const PATIENCE: Duration = Duration::from_secs(20);

const LINE: &[u8] = b"a line as it is\n";

fn echo(arguments: &[&str]) -> Served {
    Served::start(ECHO, &[&["--listen", "127.0.0.1:0"], arguments].concat())
}

/// Has the server serve somebody, and answers the number of its descriptors when nobody is
/// connected.
fn warm(server: &Served) -> usize {
    let mut client = Client::connect(server.address());
    client.ask(LINE);
    let before = server.descriptors() - 1;
    drop(client);
    await_descriptors(server, before);
    before
}

fn await_descriptors(server: &Served, expected: usize) {
    eventually(PATIENCE, "every descriptor is given back", || server.descriptors() == expected);
}

#[test]
fn two_thousand_clients_at_once_are_served() {
    let server = echo(&[]);
    let before = warm(&server);
    let mut clients: Vec<_> = (0..2_000).map(|_| Client::connect(server.address())).collect();
    for round in 0..3 {
        let line = format!("round {round}\n");
        for client in &mut clients {
            client.send(line.as_bytes());
        }
        for client in &mut clients {
            client.expect(line.as_bytes());
        }
    }
    assert_eq!(server.descriptors(), before + clients.len());
    drop(clients);
    await_descriptors(&server, before);
}

#[test]
fn twenty_thousand_short_connections_leave_nothing_behind() {
    let server = echo(&[]);
    let before = warm(&server);
    let round = |connections: usize| {
        for _ in 0..connections {
            let mut client = Client::connect(server.address());
            client.ask(LINE);
            // A reset leaves no port behind in TIME-WAIT, of which there are fewer than connections
            // here.
            client.reset();
        }
        await_descriptors(&server, before);
        server.resident()
    };
    let warmed = round(4_000);
    let after = round(16_000);
    let grown = after.saturating_sub(warmed);
    assert!(grown < 256 * 1024, "{grown} bytes more after 16,000 connections");
}

#[test]
fn clients_that_reset_in_the_middle_harm_nobody() {
    let server = echo(&[]);
    let before = warm(&server);
    let mut polite = Client::connect(server.address());
    for round in 0..200 {
        let mut client = Client::connect(server.address());
        match round % 4 {
            // Before a word, in the middle of a line, with an answer unread, with much of it
            // unread.
            0 => {}
            1 => client.send(b"half a li"),
            2 => client.send(LINE),
            _ => client.send(&LINE.repeat(2_000)),
        }
        client.reset();
        polite.ask(LINE);
    }
    drop(polite);
    await_descriptors(&server, before);
    let ended = server.terminate();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn clients_that_close_while_they_are_written_to_harm_nobody() {
    let server = echo(&[]);
    let before = warm(&server);
    for _ in 0..100 {
        let mut client = Client::connect(server.address());
        // What comes back meets a closed socket: first it is reset, then writing to it fails.
        client.send(&LINE.repeat(1_000));
        drop(client);
    }
    Client::connect(server.address()).ask(LINE);
    await_descriptors(&server, before);
    assert_eq!(server.terminate().code, Some(0));
}

#[test]
fn half_a_close_with_much_unsent_loses_no_byte() {
    let server = echo(&[]);
    let line = [[b'y'; 499].as_slice(), b"\n"].concat();
    let sent = [line.repeat(20_000).as_slice(), b"and a last line without newline"].concat();
    let mut client = Client::connect(server.address());
    let mut sender = client.another();
    let copy = sent.clone();
    let sending = thread::spawn(move || {
        sender.send(&copy);
        sender.finish();
    });
    // The pipe fills up to where the server stops reading.
    thread::sleep(Duration::from_millis(300));
    let answer = client.rest();
    sending.join().expect("all is taken");
    assert!(answer == sent, "{} bytes of {} came back", answer.len(), sent.len());
}

/// Writes to all clients, which never read, until none is taken any more; answers the bytes taken.
fn flood(clients: &[Client], most: usize) -> usize {
    let chunk = [[b'x'; 4_095].as_slice(), b"\n"].concat().repeat(16);
    let mut taken = 0;
    let mut since = Stopwatch::start();
    while since.elapsed() < Duration::from_millis(400) {
        for client in clients {
            if let Ok(count) = std::io::Write::write(&mut client.stream(), &chunk) {
                taken += count;
                since = Stopwatch::start();
            }
        }
        assert!(taken < most, "the server takes {taken} bytes from clients that never read");
    }
    taken
}

#[test]
fn clients_that_never_read_are_read_from_only_so_far_and_hold_bounded_memory() {
    let server = echo(&[]);
    warm(&server);
    let before = server.resident();
    let clients = knock(&server, 4);
    for client in &clients {
        client.stream().set_nonblocking(true).expect("a socket has modes");
    }
    // What the kernel holds for one connection is bounded too, by its `tcp_rmem` and `tcp_wmem`.
    let taken = flood(&clients, clients.len() * 64 * 1024 * 1024);
    let grown = server.resident().saturating_sub(before);
    let bound = clients.len() * 512 * 1024;
    assert!(grown < bound, "{grown} bytes for 4 clients that sent {taken} and never read");
    eventually(PATIENCE, "what was sent is worked off, and the rest is left alone", || {
        let used = server.cpu();
        thread::sleep(Duration::from_millis(500));
        server.cpu() - used < Duration::from_millis(50)
    });
    Client::connect(server.address()).ask(LINE);
}

#[test]
fn a_polite_client_is_answered_beside_greedy_ones() {
    let server = echo(&[]);
    let greedy: Vec<_> = (0..4)
        .map(|_| {
            let mut client = Client::connect(server.address());
            let mut sender = client.another();
            let flood = LINE.repeat(4_096);
            let sending = thread::spawn(move || while sender.try_send(&flood) {});
            let reading = thread::spawn(move || client.end());
            (sending, reading)
        })
        .collect();
    let mut polite = Client::connect(server.address());
    let mut waits: Vec<_> = (0..100)
        .map(|_| {
            let watch = Stopwatch::start();
            polite.ask(LINE);
            watch.elapsed()
        })
        .collect();
    waits.sort_unstable();
    let (median, longest) = (waits[50], waits[99]);
    drop(server);
    for (sending, reading) in greedy {
        sending.join().expect("the server's end is theirs");
        reading.join().expect("the server's end is theirs");
    }
    // The threads of the greedy compete with the server for the processor, so this is no
    // measurement.
    assert!(median < Duration::from_millis(250), "median {median:?}");
    assert!(longest < Duration::from_secs(3), "longest {longest:?}");
}

/// Connections that wait at the server, some of them perhaps turned away.
fn knock(server: &Served, count: usize) -> Vec<Client> {
    (0..count).map(|_| Client::connect(server.address())).collect()
}

#[test]
fn out_of_descriptors_existing_clients_notice_nothing_and_accepting_resumes() {
    let server = echo(&[]);
    let before = warm(&server);
    let mut existing: Vec<_> = (0..4).map(|_| Client::connect(server.address())).collect();
    for client in &mut existing {
        client.ask(LINE);
    }
    server.leave_descriptors(2);
    let waiting = knock(&server, 40);
    thread::sleep(Duration::from_millis(300));
    let used = server.cpu();
    let watch = Stopwatch::start();
    while watch.elapsed() < Duration::from_millis(800) {
        for client in &mut existing {
            client.ask(LINE);
        }
        thread::sleep(Duration::from_millis(20));
    }
    let spent = server.cpu() - used;
    assert!(spent < Duration::from_millis(200), "{spent:?} of 800 ms spent on waiting");
    // They are either being served or were turned away: nobody waits for nothing.
    // Who is served says nothing here, and hears nothing. Which of them it is, the system chose.
    eventually(PATIENCE, "who cannot be served is turned away", || {
        waiting.iter().filter(|client| !client.has_news()).count() <= 2
    });
    drop(waiting);
    server.limit_descriptors(4_096);
    let mut later = Client::connect(server.address());
    later.ask(LINE);
    for client in &mut existing {
        client.ask(LINE);
    }
    drop((later, existing));
    await_descriptors(&server, before);
    let ended = server.terminate();
    assert_eq!(ended.code, Some(0));
    assert!(ended.stderr.contains("accepting pauses"), "{}", ended.stderr);
    assert!(ended.stderr.lines().count() <= 3, "said once: {}", ended.stderr);
}

#[test]
fn out_of_descriptors_those_who_wait_are_served_when_others_leave() {
    let server = echo(&[]);
    let before = warm(&server);
    let existing = knock(&server, 4);
    eventually(PATIENCE, "they are accepted", || server.descriptors() == before + 4);
    server.leave_descriptors(0);
    let mut waiting = Client::connect(server.address());
    waiting.send(LINE);
    thread::sleep(Duration::from_millis(30));
    assert!(!waiting.has_news(), "there is no descriptor for it");
    drop(existing);
    waiting.expect(LINE);
}

#[test]
fn with_fewer_descriptors_than_it_has_already_it_serves_on_and_does_not_spin() {
    let server = echo(&[]);
    warm(&server);
    let mut existing = Client::connect(server.address());
    existing.ask(LINE);
    server.limit_descriptors(4);
    let mut waiting = Client::connect(server.address());
    waiting.send(LINE);
    thread::sleep(Duration::from_millis(200));
    let used = server.cpu();
    for _ in 0..10 {
        existing.ask(LINE);
        thread::sleep(Duration::from_millis(50));
    }
    let spent = server.cpu() - used;
    assert!(spent < Duration::from_millis(150), "{spent:?} of 500 ms spent on waiting");
    server.limit_descriptors(4_096);
    waiting.expect(LINE);
}

#[test]
fn an_idle_server_with_deadlines_uses_no_processor() {
    let server = echo(&[]);
    let mut clients = knock(&server, 50);
    for client in &mut clients {
        client.ask(LINE);
    }
    clients[0].send(b"half");
    thread::sleep(Duration::from_millis(100));
    let used = server.cpu();
    thread::sleep(Duration::from_secs(1));
    let spent = server.cpu() - used;
    assert!(spent <= Duration::from_millis(20), "{spent:?} of a second");
}

/// How a client of a random crowd behaves.
struct Behaviour {
    sent: Vec<u8>,
    /// The bytes the kernel may hold for it: few make the server wait again and again.
    receive_buffer: usize,
    /// How many bytes it reads at once, and whether it takes its time.
    reads: usize,
    is_slow: bool,
    /// After how many bytes of the answer it leaves with a reset, if it does.
    leaves_after: Option<usize>,
}

impl Behaviour {
    fn random(random: &mut Seeded) -> Self {
        let most = if random.below(4) == 0 { 900 } else { 60 };
        let lines = random.below(most);
        let mut sent = Vec::new();
        for _ in 0..lines {
            let longest = if random.below(20) == 0 { 5_000 } else { 300 };
            let length = random.below(longest);
            sent.extend((0..length).map(|_| random.byte() | 0x20));
            sent.push(b'\n');
        }
        sent.extend_from_slice(&b"a last word"[..random.below(11)]);
        let leaves_after = (random.below(5) == 0).then(|| random.below(sent.len() + 1));
        Self {
            sent,
            receive_buffer: 1 << (12 + random.below(6)),
            reads: 1 + random.below(20_000),
            is_slow: random.below(8) == 0,
            leaves_after,
        }
    }

    /// Sends in one thread and reads in another, and compares what came with what was sent.
    fn play(self, address: &str, random: &mut Seeded, seed: u64) {
        let client = Client::connect(address);
        rustix::net::sockopt::set_socket_recv_buffer_size(client.stream(), self.receive_buffer)
            .expect("a socket has buffers");
        let (mut sender, sent) = (client.another(), self.sent.clone());
        let mut pace = random.clone();
        let sending = thread::spawn(move || {
            let mut left = sent.as_slice();
            while !left.is_empty() {
                let (now, later) = left.split_at(1 + pace.below(left.len().min(60_000)));
                if !sender.try_send(now) {
                    return;
                }
                if pace.below(4) == 0 {
                    thread::sleep(Duration::from_micros(200));
                }
                left = later;
            }
            // Whoever has left cannot say so any more.
            let _ = sender.stream().shutdown(std::net::Shutdown::Write);
        });
        let most = self.leaves_after.unwrap_or(usize::MAX);
        let mut answer = Vec::new();
        let mut piece = vec![0; self.reads];
        while answer.len() < most {
            let read = std::io::Read::read(&mut client.stream(), &mut piece).expect("it answers");
            if read == 0 {
                break;
            }
            answer.extend_from_slice(&piece[..read]);
            if self.is_slow {
                thread::sleep(Duration::from_millis(1));
            }
        }
        assert!(self.sent.starts_with(&answer), "seed {seed}: other bytes came back");
        if self.leaves_after.is_some() {
            client.stream().shutdown(std::net::Shutdown::Both).ok();
            client.reset();
        } else {
            assert_eq!(answer.len(), self.sent.len(), "seed {seed}: bytes are missing");
        }
        sending.join().expect("a sender does not panic");
    }
}

#[test]
fn random_crowds_each_get_their_own_bytes_back() {
    let server = echo(&[]);
    let before = warm(&server);
    thread::scope(|scope| {
        for crowd in 0..8 {
            let address = server.address();
            scope.spawn(move || {
                for seed in crowd * 1_000..crowd * 1_000 + 25 {
                    let mut random = Seeded::new(seed);
                    Behaviour::random(&mut random).play(address, &mut random, seed);
                }
            });
        }
    });
    await_descriptors(&server, before);
    let ended = server.terminate();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}
