//! The thank-you server as its clients see it, over loopback: every message is thanked for once and
//! in order, however a client sends, and whether or not it reads.

use std::io::Read;
use std::net::Shutdown;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use fsm_tests::child::Served;
use fsm_tests::client::Client;
use fsm_tests::clock::Stopwatch;
use fsm_tests::seeded::Seeded;

const THANK_YOU: &str = env!("CARGO_BIN_EXE_watched_thank_you");

const THANKS: &[u8] = b"Thank you!\n";

/// How much later than its limit a connection may end on a busy machine.
const SLACK: Duration = Duration::from_millis(1_500);

/// What the server's memory may grow by for one client, whatever it sends: less than the thanks a
/// client of these tests is owed, and more than an allocator rounds up to.
#[cfg(target_os = "linux")]
const GROWTH: usize = 256 * 1024;

fn thank_you(arguments: &[&str]) -> Served {
    Served::start(THANK_YOU, &[&["--listen", "127.0.0.1:0"], arguments].concat())
}

/// Sends a message and expects to be thanked.
fn greet(client: &mut Client) {
    client.send(b"hello\n");
    client.expect(THANKS);
}

/// Sends everything on a thread of its own, then closes the sending side.
fn send_apart(client: &Client, sent: Vec<u8>) -> JoinHandle<()> {
    let mut sender = client.another();
    thread::spawn(move || {
        sender.send(&sent);
        sender.finish();
    })
}

/// Has the kernel hold few bytes for a client, so that the server can send only a part again and
/// again. With still fewer it is the loopback that waits, for windows as wide as its packets.
fn hold_little(client: &Client) {
    rustix::net::sockopt::set_socket_recv_buffer_size(client.stream(), 32 * 1024)
        .expect("a socket has buffers");
}

#[test]
fn every_line_is_thanked_for_when_it_ends() {
    let server = thank_you(&[]);
    let mut client = Client::connect(server.address());
    for line in ["hello\n", "\n", "a return\r\n", "a nul \0 and \u{fc}mlauts\n", "\n"] {
        client.send(line.as_bytes());
        client.expect(THANKS);
    }
    client.send(b"half");
    thread::sleep(Duration::from_millis(30));
    client.send(b" a line");
    thread::sleep(Duration::from_millis(30));
    assert!(!client.has_news(), "a line is no message before its end");
    client.send(b"\nthree\nat\nonce\n");
    client.expect(&THANKS.repeat(4));
    client.finish();
    assert_eq!(client.rest(), b"", "nobody is thanked for nothing");
}

#[test]
fn a_cut_at_any_byte_changes_nothing() {
    let server = thank_you(&[]);
    let message = b"one\r\n\n\0two\xff\nlast";
    for cut in 0..=message.len() {
        let mut client = Client::connect(server.address());
        client.send(&message[..cut]);
        // Long enough for the server to see the first part alone, most of the time.
        thread::sleep(Duration::from_millis(3));
        client.send(&message[cut..]);
        client.finish();
        assert_eq!(client.rest(), THANKS.repeat(4), "cut at {cut}");
    }
}

#[test]
fn who_closes_the_sending_side_is_sent_what_it_is_owed_and_then_the_end() {
    let server = thank_you(&[]);
    for (sent, thanks) in [("", 0), ("half", 1), ("whole\n", 1), ("whole\nhalf", 2)] {
        let mut client = Client::connect(server.address());
        client.send(sent.as_bytes());
        client.finish();
        assert_eq!(client.rest(), THANKS.repeat(thanks), "{sent:?}");
    }
    let mut client = Client::connect(server.address());
    hold_little(&client);
    client.send(&b"\n".repeat(20_000));
    client.send(b"and half");
    client.finish();
    thread::sleep(Duration::from_millis(100));
    assert!(client.rest() == THANKS.repeat(20_001));
}

#[test]
fn who_reads_one_byte_at_a_time_gets_every_thanks() {
    let server = thank_you(&[]);
    let client = Client::connect(server.address());
    hold_little(&client);
    let sending = send_apart(&client, b"hello\n".repeat(20_000));
    let expected = THANKS.repeat(20_000);
    let mut byte = [0];
    for (at, due) in expected.iter().enumerate() {
        client.stream().read_exact(&mut byte).expect("it is owed more");
        assert_eq!(byte[0], *due, "byte {at}");
    }
    assert_eq!(client.stream().read(&mut byte).expect("the end comes in good order"), 0);
    sending.join().expect("all is taken");
}

#[cfg(target_os = "linux")]
#[test]
fn a_million_messages_at_once_are_thanked_for_in_bounded_memory() {
    let server = thank_you(&[]);
    greet(&mut Client::connect(server.address()));
    let before = server.peak();
    for message in ["\n", "a million times hello\n"] {
        let mut client = Client::connect(server.address());
        let sending = send_apart(&client, message.repeat(1_000_000).into_bytes());
        // What is owed piles up before the first of it is read.
        thread::sleep(Duration::from_millis(200));
        assert!(client.rest() == THANKS.repeat(1_000_000), "{message:?}");
        sending.join().expect("all is taken");
    }
    let grown = server.peak() - before;
    println!("a million messages, twice: the peak grew by {grown} bytes");
    assert!(grown < GROWTH, "{grown} bytes more for a million messages");
}

#[cfg(target_os = "linux")]
#[test]
fn who_never_reads_is_not_read_from_and_shed_and_nobody_else_notices() {
    let server = thank_you(&["--stall", "2s"]);
    let mut polite = Client::connect(server.address());
    greet(&mut polite);
    let (descriptors, before) = (server.descriptors(), server.peak());
    let watch = Stopwatch::start();
    let mut deaf: Vec<_> = (0..4).map(|_| Client::connect(server.address())).collect();
    let senders: Vec<_> = deaf
        .iter()
        // Eleven times the bytes in thanks, more than both kernels take.
        .map(|client| send_apart(client, b"\n".repeat(8_000_000)))
        .collect();
    while watch.elapsed() < Duration::from_millis(600) {
        greet(&mut polite);
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(server.descriptors(), descriptors + deaf.len());
    assert!(!senders.iter().any(JoinHandle::is_finished), "it is not read from for ever");
    // Behind the end of a connection what its client still sends is read and dropped.
    for sender in senders {
        sender.join().expect("it can get rid of what it sends");
        greet(&mut polite);
    }
    for client in &mut deaf {
        let thanks = client.rest();
        let most = THANKS.repeat(thanks.len() / THANKS.len() + 1);
        assert!(most.starts_with(&thanks), "as far as it went it was thanked in order");
        assert!(thanks.len() < 8_000_000 * THANKS.len(), "it was not waited for");
    }
    greet(&mut polite);
    let grown = server.peak() - before;
    println!("four clients that never read: the peak grew by {grown} bytes");
    assert!(grown < GROWTH, "{grown} bytes more for clients that never read");
}

#[test]
fn a_silent_client_is_closed_and_one_that_trickles_is_not() {
    let server = thank_you(&["--idle", "1s"]);
    let mut silent = Client::connect(server.address());
    let mut trickling = Client::connect(server.address());
    let watch = Stopwatch::start();
    for _ in 0..7 {
        trickling.send(b"x");
        thread::sleep(Duration::from_millis(200));
    }
    assert!(silent.has_news(), "the silent one is closed meanwhile");
    assert_eq!(silent.rest(), b"");
    trickling.send(b"\n");
    trickling.expect(THANKS);
    let active = watch.elapsed();
    assert_eq!(trickling.rest(), b"");
    let idle = watch.elapsed() - active;
    assert!(idle >= Duration::from_millis(900), "{idle:?} is too early");
    assert!(idle < Duration::from_secs(1) + SLACK, "{idle:?} is too late");
}

#[test]
fn with_reads_as_messages_whatever_a_read_brings_is_one() {
    let server = thank_you(&["--message", "read"]);
    let mut client = Client::connect(server.address());
    for message in ["no line", "three\nlines\nat once\n", "\n", "x"] {
        client.send(message.as_bytes());
        client.expect(THANKS);
    }
    client.finish();
    assert_eq!(client.rest(), b"", "the end is no message");

    let mut client = Client::connect(server.address());
    let sending = send_apart(&client, vec![b'x'; 3_000_000]);
    let thanks = client.rest();
    sending.join().expect("all is taken");
    let reads = thanks.len() / THANKS.len();
    assert!(thanks == THANKS.repeat(reads) && reads >= 3_000_000 / 16_384, "{reads} reads");
}

#[test]
fn any_text_thanks() {
    let long = "x".repeat(100_000);
    for reply in ["", " ", "merci \u{1f64f}", "two\nlines", "-n", "--listen", "%s\\n", &long] {
        let server = thank_you(&[&format!("--reply={reply}")]);
        let mut client = Client::connect(server.address());
        client.send(b"one\ntwo\nthree");
        client.finish();
        assert!(client.rest() == format!("{reply}\n").repeat(3).as_bytes(), "{reply:.20}");
    }
}

#[test]
fn random_crowds_are_each_thanked_as_often_as_they_are_due() {
    let server = thank_you(&[]);
    thread::scope(|scope| {
        for crowd in 0..6 {
            let address = server.address();
            scope.spawn(move || {
                for seed in crowd * 1_000..crowd * 1_000 + 40 {
                    converse(address, seed);
                }
            });
        }
    });
    let ended = server.terminate();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

/// Sends random lines in random pieces, reads in others, and counts the thanks.
fn converse(address: &str, seed: u64) {
    let mut random = Seeded::new(seed);
    let mut client = Client::connect(address);
    if random.below(2) == 0 {
        hold_little(&client);
    }
    let most = if random.below(4) == 0 { 60_000 } else { 300 };
    let lines = random.below(most);
    let mut sent = Vec::new();
    for _ in 0..lines {
        let length = random.below(9);
        sent.extend((0..length).map(|_| random.byte() | 0x20));
        sent.push(b'\n');
    }
    let half = random.below(4);
    sent.extend_from_slice(&b"bye"[..half]);
    let mut sender = client.another();
    let mut pace = random.clone();
    let sending = thread::spawn(move || {
        let mut left = sent.as_slice();
        while !left.is_empty() {
            let (now, later) = left.split_at(1 + pace.below(left.len().min(40_000)));
            sender.send(now);
            if pace.below(3) == 0 {
                thread::sleep(Duration::from_micros(300));
            }
            left = later;
        }
        sender.stream().shutdown(Shutdown::Write).expect("the connection is alive");
    });
    if random.below(3) == 0 {
        thread::sleep(Duration::from_millis(5));
    }
    let due = lines + usize::from(half > 0);
    assert!(client.rest() == THANKS.repeat(due), "seed {seed}: {due} thanks are due");
    sending.join().expect("all is taken");
}
