//! The echo server as its clients see it: every byte, however it was cut, and every limit.

use std::fs;
use std::thread;
use std::time::Duration;

use fsm_tests::child::Served;
use fsm_tests::client::{Client, End};
use fsm_tests::clock::Stopwatch;
use fsm_tests::scratch::Scratch;
use fsm_tests::seeded::Seeded;

const ECHO: &str = env!("CARGO_BIN_EXE_watched_echo");

/// What a client whose line is over the limit is told.
const COMPLAINT: &[u8] = b"line too long\n";

/// How much later than its limit a connection may end on a busy machine.
const SLACK: Duration = Duration::from_millis(1_500);

fn echo(arguments: &[&str]) -> Served {
    Served::start(ECHO, &[&["--listen", "127.0.0.1:0"], arguments].concat())
}

#[test]
fn lines_come_back_byte_for_byte_and_in_order() {
    let server = echo(&[]);
    let mut client = Client::connect(server.address());
    let every_byte: Vec<u8> = (0..=255).collect();
    let lines: [&[u8]; 9] = [
        b"hello\n",
        b"carriage return\r\n",
        b"\n",
        b"\r\n",
        b"a nul \0 inside\n",
        b"not UTF-8: \xff\xfe\xc3\x28\n",
        b"\x8a is a line feed with its high bit set\n",
        "umlauts: \u{e4}\u{f6}\u{fc}\n".as_bytes(),
        b"a carriage return \r inside\n",
    ];
    for line in lines {
        client.ask(line);
    }
    let together = lines.concat();
    client.ask(&together);
    client.ask(&[every_byte.as_slice(), b"\n"].concat());
    client.finish();
    assert_eq!(client.rest(), b"", "nothing comes that was not sent");
}

#[test]
fn a_cut_at_any_byte_changes_nothing() {
    let server = echo(&[]);
    let message = b"one\r\n\n\0two\xff\nlast";
    for cut in 0..=message.len() {
        let mut client = Client::connect(server.address());
        client.send(&message[..cut]);
        // Long enough for the server to see the first part alone, most of the time.
        thread::sleep(Duration::from_millis(3));
        client.send(&message[cut..]);
        client.finish();
        assert_eq!(client.rest(), message, "cut at {cut}");
    }
    let mut client = Client::connect(server.address());
    for byte in message {
        client.send(&[*byte]);
        thread::sleep(Duration::from_millis(1));
    }
    client.finish();
    assert_eq!(client.rest(), message, "byte by byte");
}

#[test]
fn a_last_line_without_newline_comes_back_at_the_end() {
    let server = echo(&[]);
    let mut client = Client::connect(server.address());
    client.send(b"whole\nhalf");
    client.expect(b"whole\n");
    thread::sleep(Duration::from_millis(50));
    assert!(!client.has_news(), "half a line waits for its end");
    client.finish();
    assert_eq!(client.rest(), b"half");

    let mut silent = Client::connect(server.address());
    silent.finish();
    assert_eq!(silent.rest(), b"", "a client that says nothing hears nothing");
}

#[test]
fn the_limit_counts_the_line_without_its_newline() {
    for limit in ["4", "10", "65536", "16777216"] {
        let flags = ["--max-line", limit];
        let server = echo(if limit == "65536" { &[] } else { &flags });
        let limit: usize = limit.parse().expect("a number");
        let longest = [vec![b'x'; limit].as_slice(), b"\n"].concat();
        let mut client = Client::connect(server.address());
        client.ask(&longest);
        client.ask(&longest);
        client.send(b"x");
        client.send(&longest);
        client.expect(COMPLAINT);
        assert_eq!(client.end(), End::Finished);

        let mut client = Client::connect(server.address());
        client.send(b"fine\n");
        client.send(&vec![b'x'; limit + 1]);
        client.expect(&[b"fine\n", COMPLAINT].concat());
        assert_eq!(client.end(), End::Finished, "no newline is waited for");

        let mut client = Client::connect(server.address());
        client.send(&vec![b'x'; limit]);
        client.finish();
        assert_eq!(client.rest().len(), limit, "a last line may be as long");
    }
}

#[test]
fn the_complaint_arrives_though_the_client_never_reads_until_it_has_sent_all() {
    let server = echo(&[]);
    let mut client = Client::connect(server.address());
    let chunk = vec![b'x'; 256 * 1024];
    for _ in 0..48 {
        client.send(&chunk);
    }
    client.finish();
    assert_eq!(client.rest(), COMPLAINT);
}

#[test]
fn the_complaint_arrives_while_the_client_is_still_sending() {
    let server = echo(&["--max-line", "100"]);
    let mut client = Client::connect(server.address());
    let mut sender = client.another();
    let sending = thread::spawn(move || {
        let chunk = [b'x'; 1_000];
        for _ in 0..600 {
            sender.send(&chunk);
            thread::sleep(Duration::from_millis(1));
        }
    });
    client.expect(COMPLAINT);
    assert!(!sending.is_finished(), "the message does not wait for the client to end");
    assert_eq!(client.rest(), b"", "the sending side is shut down behind it");
    sending.join().expect("the server reads on, so that nothing is reset");
}

#[test]
fn half_a_line_waits_for_its_end_only_so_long() {
    let server = echo(&["--partial", "400ms"]);
    let mut whole = Client::connect(server.address());
    whole.ask(b"whole\n");
    let mut trickling = Client::connect(server.address());
    let mut half = Client::connect(server.address());
    let watch = Stopwatch::start();
    half.send(b"half");
    let trickle = thread::spawn(move || {
        let limit = 2 * SLACK;
        while watch.elapsed() < limit && trickling.try_send(b"x") && !trickling.has_news() {
            thread::sleep(Duration::from_millis(50));
        }
        watch.elapsed()
    });
    assert_eq!(half.rest(), b"", "half a line is no line");
    let trickled = trickle.join().expect("it comes to an end");
    for ended in [watch.elapsed(), trickled] {
        assert!(ended >= Duration::from_millis(400), "{ended:?} is too early");
        assert!(ended < Duration::from_millis(400) + SLACK, "{ended:?} is too late");
    }
    whole.ask(b"it waits for a new line, for which there is more time\n");
}

#[test]
fn an_idle_client_is_closed_and_a_line_gives_it_time_again() {
    let server = echo(&["--idle", "500ms"]);
    let mut silent = Client::connect(server.address());
    let mut client = Client::connect(server.address());
    let watch = Stopwatch::start();
    for _ in 0..5 {
        thread::sleep(Duration::from_millis(200));
        client.ask(b"here\n");
    }
    assert!(silent.has_news(), "a silent client is closed meanwhile");
    assert_eq!(silent.rest(), b"");
    let active = watch.elapsed();
    assert_eq!(client.rest(), b"");
    let idle = watch.elapsed() - active;
    assert!(idle >= Duration::from_millis(400), "{idle:?} is too early");
    assert!(idle < Duration::from_millis(500) + SLACK, "{idle:?} is too late");
}

#[test]
fn it_listens_on_ipv4_ipv6_and_unix_sockets_at_once() {
    let scratch = Scratch::new();
    let unix = scratch.address("echo.sock");
    let listen = ["--listen", "127.0.0.1:0", "--listen", "[::1]:0", "--listen", &unix];
    let server = Served::start(ECHO, &[listen.as_slice(), &["--listen", "localhost:0"]].concat());
    let starts = ["127.0.0.1:", "[::1]:", &unix];
    for (address, start) in server.addresses().iter().zip(starts) {
        assert!(address.starts_with(start), "{address} instead of {start}");
    }
    let mut clients: Vec<_> =
        server.addresses().iter().map(|address| Client::connect(address)).collect();
    for (client, address) in clients.iter_mut().zip(server.addresses()) {
        client.ask(format!("{address}\n").as_bytes());
    }
    for client in &mut clients {
        client.send(b"half");
        client.finish();
        assert_eq!(client.rest(), b"half");
    }
    assert_eq!(server.terminate().code, Some(0));
    assert!(!scratch.path("echo.sock").exists(), "the socket's path goes with the server");
}

#[test]
fn an_abandoned_unix_socket_is_replaced_and_a_live_one_is_not() {
    let scratch = Scratch::new();
    let address = scratch.address("echo.sock");
    drop(std::os::unix::net::UnixListener::bind(scratch.path("echo.sock")).expect("a new path"));
    let server = Served::start(ECHO, &["--listen", &address]);
    let mut client = Client::connect(&address);
    client.ask(b"one\n");

    let second = Served::spawn(ECHO, &["--listen", &address]).wait();
    assert_eq!(second.code, Some(1));
    assert!(second.stderr.contains(&address), "{}", second.stderr);
    client.ask(b"two\n");
    Client::connect(&address).ask(b"three\n");
    assert_eq!(server.terminate().code, Some(0));
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let scratch = Scratch::new();
    fs::write(scratch.path("precious"), "data").expect("a new file");
    let refused = Served::spawn(ECHO, &["--listen", &scratch.address("precious")]).wait();
    assert_eq!(refused.code, Some(1));
    assert_eq!(refused.stderr.lines().count(), 1, "{}", refused.stderr);
    assert_eq!(fs::read(scratch.path("precious")).expect("still there"), b"data");
}

/// What the server must answer to `sent`, said in another way than the server says it.
fn model(sent: &[u8], limit: usize) -> Vec<u8> {
    let mut answer = Vec::new();
    for line in sent.split_inclusive(|byte| *byte == b'\n') {
        if line.strip_suffix(b"\n").unwrap_or(line).len() > limit {
            answer.extend_from_slice(COMPLAINT);
            break;
        }
        answer.extend_from_slice(line);
    }
    answer
}

/// A session of random lines, some of them over the limit now and then.
fn random_session(random: &mut Seeded, limit: usize) -> Vec<u8> {
    let mut sent = Vec::new();
    for _ in 0..random.below(40) {
        let longest = if random.below(30) == 0 { 3 * limit } else { limit + 1 };
        let length = random.below(longest);
        sent.extend((0..length).map(|_| random.byte().max(b'\n' + 1)));
        sent.push(b'\n');
    }
    sent.extend((0..random.below(limit)).map(|_| b'h'));
    sent
}

#[test]
fn random_sessions_are_answered_as_a_model_says() {
    const LIMIT: usize = 100;
    let server = echo(&["--max-line", "100"]);
    for seed in 0..150 {
        let mut random = Seeded::new(seed);
        let sent = random_session(&mut random, LIMIT);
        let mut client = Client::connect(server.address());
        let mut left = sent.as_slice();
        while !left.is_empty() {
            let (now, later) = left.split_at(1 + random.below(left.len().min(700)));
            client.send(now);
            if random.below(4) == 0 {
                thread::sleep(Duration::from_micros(500));
            }
            left = later;
        }
        client.finish();
        let answer = client.rest();
        assert!(answer == model(&sent, LIMIT), "seed {seed}: {}", answer.escape_ascii());
    }
}

#[test]
fn a_long_pipelined_session_loses_nothing() {
    let server = echo(&[]);
    let mut random = Seeded::new(7);
    let mut sent = Vec::new();
    while sent.len() < 3_000_000 {
        let longest = if random.below(50) == 0 { 60_000 } else { 90 };
        let length = random.below(longest);
        sent.extend((0..length).map(|_| random.byte() | 0x10));
        sent.push(b'\n');
    }
    let mut client = Client::connect(server.address());
    let mut sender = client.another();
    let copy = sent.clone();
    let sending = thread::spawn(move || {
        sender.send(&copy);
        sender.finish();
    });
    let answer = client.rest();
    sending.join().expect("all is taken");
    assert!(answer == sent, "{} bytes of {} came back", answer.len(), sent.len());
}
