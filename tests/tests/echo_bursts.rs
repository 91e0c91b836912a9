//! The echo server and clients that come in bursts: each finds all of them at its door at once. All
//! are answered, and when they have left, descriptors and memory are where they were.
#![cfg(target_os = "linux")]

use std::thread;
use std::time::Duration;

use fsm_tests::child::Served;
use fsm_tests::client::Client;
use fsm_tests::clock::eventually;
use rustix::process::Signal;

/// What some clients leave behind.
const HALF_A_LINE: &[u8] = b"half a li";

/// The buffers that the runtime keeps for the next clients.
const SPARE_BUFFERS: usize = 64;

/// The server with an allocator that counts.
const ECHO: &str = env!("CARGO_BIN_EXE_counting_echo");

const PATIENCE: Duration = Duration::from_secs(20);

/// The time in which the server has put everything away that it has given up.
const SETTLE: Duration = Duration::from_millis(100);

/// Fewer than the 4,096 that wait to be accepted without any of them being lost.
const CLIENTS: usize = 2_000;

const ROUNDS: usize = 6;

/// One burst, which the server finds as it wakes: everybody is connected, and has sent.
fn burst(server: &Served, round: usize) -> Vec<Client> {
    server.signal(Signal::STOP);
    let source = format!("127.0.0.{}", 1 + round);
    let clients = (0..CLIENTS).map(|number| {
        let mut client =
            Client::try_connect_from(&source, server.address()).expect("the system answers");
        client.send(format!("client {number} of round {round}\n").as_bytes());
        client
    });
    let clients = clients.collect();
    server.signal(Signal::CONT);
    clients
}

/// They leave at once as well: some with a reset, some in good order, and of both kinds some in the
/// middle of a line that the server has read.
fn leave(server: &Served, mut clients: Vec<Client>) {
    for client in clients.iter_mut().step_by(3) {
        client.send(HALF_A_LINE);
    }
    thread::sleep(SETTLE);
    server.signal(Signal::STOP);
    for (number, client) in clients.into_iter().enumerate() {
        if number % 2 == 0 {
            client.reset();
        }
    }
    server.signal(Signal::CONT);
}

#[test]
fn bursts_are_answered_and_leave_nothing_behind() {
    let mut server = Served::start(ECHO, &["--listen", "127.0.0.1:0", "--workers", "1"]);
    let mut first = Client::connect(server.address());
    first.ask(b"it says where it listens before it has everything it needs\n");
    let before = server.descriptors() - 1;
    drop(first);
    let mut held = Vec::new();
    for round in 0..ROUNDS {
        let mut clients = burst(&server, round);
        for (number, client) in clients.iter_mut().enumerate() {
            client.expect(format!("client {number} of round {round}\n").as_bytes());
        }
        assert_eq!(server.descriptors(), before + CLIENTS);
        leave(&server, clients);
        eventually(PATIENCE, "every descriptor is given back", || server.descriptors() == before);
        thread::sleep(SETTLE);
        held.push(server.heap());
    }
    // The pages of connections are kept, since the next crowd is as large, and so are some buffers,
    // of which each may have held half a line last or none. Nothing is added.
    let spread = held.iter().max().zip(held.iter().min()).map_or(0, |(most, least)| most - least);
    assert!(spread <= SPARE_BUFFERS * HALF_A_LINE.len(), "live heap bytes after each: {held:?}");
    assert_eq!(server.terminate().code, Some(0));
}
