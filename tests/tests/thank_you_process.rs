//! The thank-you server as a program: what it prints, what it refuses, and how it ends.

use std::io::Read;
use std::thread;
use std::time::Duration;

use fsm_tests::child::{Ended, Served};
use fsm_tests::client::Client;
use fsm_tests::scratch::Scratch;
use rustix::process::Signal;

const THANK_YOU: &str = env!("CARGO_BIN_EXE_watched_thank_you");

const THANKS: &[u8] = b"Thank you!\n";

/// What counts as at once on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(2);

fn thank_you(arguments: &[&str]) -> Served {
    Served::start(THANK_YOU, &[&["--listen", "127.0.0.1:0"], arguments].concat())
}

#[test]
fn an_ordinary_session_prints_where_it_listens_and_nothing_else() {
    let server = thank_you(&[]);
    let mut client = Client::connect(server.address());
    client.send(b"hello\n");
    client.expect(THANKS);
    client.finish();
    assert_eq!(client.rest(), b"");
    let ended = server.terminate();
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "", ""));
}

#[test]
fn help_shows_every_option_and_examples_that_are_understood() {
    let help = Served::spawn(THANK_YOU, &["--help"]).wait();
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
    let options = ["--listen", "--reply", "--message", "--idle", "--stall", "--drain", "--log"];
    for part in options.into_iter().chain(["Thank you!", "line", "read", "5min", "30s"]) {
        assert!(help.stdout.contains(part), "{part} in: {}", help.stdout);
    }
    let scratch = Scratch::new();
    let unix = scratch.address("thank-you.sock");
    let commands = help.stdout.lines().filter_map(|line| line.strip_prefix("  thank-you "));
    let mut tried = 0;
    for command in commands {
        // Its ports and paths may be taken here; everything else is tried as it stands.
        let command = command.replace(":7008", ":0").replace("unix:/run/thank-you.sock", &unix);
        let server = Served::start(THANK_YOU, &command.split(' ').collect::<Vec<_>>());
        for address in server.addresses() {
            let mut client = Client::connect(address);
            client.send(b"hello\n");
            client.finish();
            assert_eq!(client.rest().last(), Some(&b'\n'), "{command}");
        }
        tried += 1;
    }
    assert!(tried >= 3, "{}", help.stdout);
}

fn assert_one_line(ended: &Ended, code: i32, parts: &[&str]) {
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.starts_with("error: "), "{}", ended.stderr);
    for part in parts {
        assert!(ended.stderr.contains(part), "`{part}` in: {}", ended.stderr);
    }
}

#[test]
fn bad_usage_is_one_clear_line_and_status_2() {
    let wrong: [(&[&str], &[&str]); 8] = [
        (&[], &["--listen"]),
        (&["--listen", "7008"], &["write IP:PORT, [IPv6]:PORT, NAME:PORT or unix:PATH"]),
        (&["--listen", "127.0.0.1:0", "--message", "word"], &["word", "line", "read"]),
        (&["--listen", "127.0.0.1:0", "--reply"], &["--reply"]),
        (&["--listen", "127.0.0.1:0", "--reply", "--message"], &["--reply"]),
        (&["--listen", "127.0.0.1:0", "--stall", "soon"], &["--stall", "soon"]),
        (&["--listen", "127.0.0.1:0", "--idle", "5"], &["--idle"]),
        (&["--listen", "127.0.0.1:0", "thanks"], &["thanks"]),
    ];
    for (arguments, parts) in wrong {
        let refused = Served::spawn(THANK_YOU, arguments).wait();
        assert_one_line(&refused, 2, &[parts, &["--help"]].concat());
    }
}

#[test]
fn a_port_in_use_is_one_clear_line_and_status_1() {
    let server = thank_you(&[]);
    let second = Served::spawn(THANK_YOU, &["--listen", server.address()]).wait();
    assert_one_line(&second, 1, &["cannot listen on", server.address()]);
}

#[test]
fn a_request_to_stop_closes_who_is_owed_nothing_at_once() {
    let server = thank_you(&[]);
    let mut idle = Client::connect(server.address());
    idle.send(b"hello\nhalf a li");
    idle.expect(THANKS);
    server.signal(Signal::TERM);
    assert_eq!(idle.rest(), b"", "half a line is not owed");
    drop(idle);
    let ended = server.wait();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert!(ended.took < AT_ONCE, "{:?}", ended.took);
}

#[test]
fn a_request_to_stop_waits_for_thanks_that_are_owed() {
    let server = thank_you(&[]);
    let client = Client::connect(server.address());
    let mut sender = client.another();
    let sending = thread::spawn(move || sender.try_send(&b"\n".repeat(8_000_000)));
    thread::sleep(Duration::from_millis(300));
    server.signal(Signal::TERM);
    thread::sleep(Duration::from_millis(100));
    let mut thanks = Vec::new();
    client.stream().read_to_end(&mut thanks).expect("it ends in good order");
    let whole = thanks.len() / THANKS.len();
    assert!(whole > 100 && thanks == THANKS.repeat(whole), "{} bytes", thanks.len());
    drop(client);
    let _ = sending.join();
    assert_eq!(server.wait().code, Some(0));
}
