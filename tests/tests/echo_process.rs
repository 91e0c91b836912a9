//! The echo server as a program: what it prints, how it ends, and what signals do to it.

use std::thread;
use std::time::Duration;

use fsm_tests::child::{Ended, Served};
use fsm_tests::client::{Client, End};
use fsm_tests::clock::{Stopwatch, eventually};
use fsm_tests::scratch::Scratch;
use rustix::process::Signal;

const ECHO: &str = env!("CARGO_BIN_EXE_watched_echo");

const ANYWHERE: [&str; 2] = ["--listen", "127.0.0.1:0"];

/// What counts as at once on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(2);

fn echo(arguments: &[&str]) -> Served {
    Served::start(ECHO, &[&ANYWHERE, arguments].concat())
}

/// Waits until the server has taken note of a first request to stop: it does not accept any more.
fn await_draining(server: &Served) {
    let address = server.address();
    eventually(AT_ONCE, "no new connections", || Client::try_connect(address).is_err());
}

#[test]
fn an_ordinary_session_prints_where_it_listens_and_nothing_else() {
    let server = echo(&[]);
    let mut client = Client::connect(server.address());
    client.ask(b"hello\n");
    client.finish();
    assert_eq!(client.rest(), b"");
    let ended = server.terminate();
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "", ""));
}

#[test]
fn at_log_level_debug_it_tells_of_every_connection() {
    let server = echo(&["--log", "debug"]);
    for _ in 0..2 {
        let mut client = Client::connect(server.address());
        client.ask(b"hello\n");
        client.finish();
        assert_eq!(client.rest(), b"");
    }
    let ended = server.terminate();
    assert_eq!(ended.stdout, "", "logs do not mix with what programs read");
    for event in ["accepted peer=127.0.0.1:", "closed index="] {
        let count = ended.stderr.lines().filter(|line| line.contains(event)).count();
        assert_eq!(count, 2, "`{event}` in: {}", ended.stderr);
    }
    assert!(ended.stderr.contains("draining"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("hello"), "what clients send is nobody's business");
}

#[test]
fn help_shows_every_option_and_examples() {
    let help = Served::spawn(ECHO, &["--help"]).wait();
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
    let parts = [
        ["--listen", "--workers", "--max-connections", "--max-per-address", "--keep-alive"],
        ["--backlog", "--max-line", "--idle", "--partial", "--drain"],
        ["--log", "unix:PATH", "[default: 5min]", "[default: 4096]", "[default: 30s]"],
    ];
    for part in parts.as_flattened() {
        assert!(help.stdout.contains(part), "{part} in: {}", help.stdout);
    }
    let (_, examples) = help.stdout.split_once("Examples:").expect("there are examples");
    assert!(examples.contains("echo --listen 127.0.0.1:7007"), "{examples}");
    assert!(examples.contains("| nc 127.0.0.1 7007"), "{examples}");
}

#[test]
fn the_examples_of_the_help_are_understood() {
    let help = Served::spawn(ECHO, &["--help"]).wait().stdout;
    let scratch = Scratch::new();
    let unix = scratch.address("echo.sock");
    let commands = help.lines().filter_map(|line| line.strip_prefix("  echo "));
    let mut tried = 0;
    for command in commands {
        // Its ports and paths may be taken here; everything else is tried as it stands.
        let command = command.replace(":7007", ":0").replace("unix:/run/echo.sock", &unix);
        let server = Served::start(ECHO, &command.split(' ').collect::<Vec<_>>());
        for address in server.addresses() {
            Client::connect(&address.replace("0.0.0.0", "127.0.0.1")).ask(b"hello\n");
        }
        tried += 1;
    }
    assert!(tried >= 3, "{help}");
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
fn a_port_in_use_is_one_clear_line_and_status_1() {
    let server = echo(&[]);
    let second = Served::spawn(ECHO, &["--listen", server.address()]).wait();
    let reason = "stop what listens there, or choose another";
    assert_one_line(&second, 1, &["cannot listen on", server.address(), reason]);
    Client::connect(server.address()).ask(b"the first one still serves\n");
}

#[test]
fn an_address_of_another_machine_is_one_clear_line_and_status_1() {
    let refused = Served::spawn(ECHO, &["--listen", "192.0.2.1:7007"]).wait();
    assert_one_line(&refused, 1, &["cannot listen on 192.0.2.1:7007"]);
}

#[test]
fn bad_usage_is_one_clear_line_and_status_2() {
    let wrong: [(&[&str], &str); 16] = [
        (&["--lisden", "127.0.0.1:0"], "'--lisden'"),
        (&["--listen", "7007"], "write IP:PORT, [IPv6]:PORT, NAME:PORT or unix:PATH"),
        (&["--listen", "unix:"], "unix:PATH"),
        (&["--listen", "127.0.0.1:0", "--idle", "soon"], "--idle"),
        (&["--listen", "127.0.0.1:0", "--max-line", "-1"], "-1"),
        (&["--listen", "127.0.0.1:0", "--max-line", "16777217"], "from 0 to 16777216"),
        (&["--listen", "127.0.0.1:0", "--log", "loud"], "loud"),
        (&["--listen", "127.0.0.1:0", "--workers", "0"], "write a number from 1 up"),
        (&["--listen", "127.0.0.1:0", "--max-connections", "0"], "write a number from 1 up"),
        (&["--listen", "127.0.0.1:0", "--max-per-address", "few"], "write a number from 1 up"),
        (&["--listen", "127.0.0.1:0", "--keep-alive", "soon"], "from 1s to 9h 6m 7s, or `off`"),
        (&["--listen", "127.0.0.1:0", "--keep-alive", "0s"], "from 1s to 9h 6m 7s, or `off`"),
        (&["--listen", "127.0.0.1:0", "--keep-alive", "10h"], "from 1s to 9h 6m 7s, or `off`"),
        (&["--listen", "127.0.0.1:0", "--backlog", "0"], "1..=65535"),
        (&["--listen", "127.0.0.1:0", "--backlog", "65536"], "1..=65535"),
        (&[], "--listen"),
    ];
    for (arguments, part) in wrong {
        let refused = Served::spawn(ECHO, arguments).wait();
        assert_one_line(&refused, 2, &[part, "--help"]);
    }
}

#[test]
fn nobody_reading_its_output_is_no_reason_to_stop() {
    let scratch = Scratch::new();
    let address = scratch.address("echo.sock");
    let mut server = Served::spawn(ECHO, &["--listen", &address]);
    server.stop_listening_to_it();
    eventually(AT_ONCE, "it listens", || Client::try_connect(&address).is_ok());
    Client::connect(&address).ask(b"hello\n");
    assert_eq!(server.terminate().code, Some(0));
}

#[test]
fn a_request_to_stop_closes_idle_clients_and_ends_in_good_order() {
    for signal in [Signal::TERM, Signal::INT] {
        let server = echo(&[]);
        let mut idle = Client::connect(server.address());
        idle.ask(b"hello\n");
        let silent = Client::connect(server.address());
        idle.ask(b"again\n");
        server.signal(signal);
        for mut client in [idle, silent] {
            assert_eq!(client.rest(), b"");
        }
        let ended = server.wait();
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        assert!(ended.took < AT_ONCE, "{:?}", ended.took);
    }
}

#[test]
fn a_server_without_clients_stops_at_once_from_the_moment_it_listens() {
    for _ in 0..20 {
        let ended = echo(&[]).terminate();
        assert_eq!(ended.code, Some(0));
        assert!(ended.took < AT_ONCE, "{:?}", ended.took);
    }
}

#[test]
fn draining_loses_no_byte_that_was_echoed() {
    let server = echo(&[]);
    let client = Client::connect(server.address());
    let line = [[b'x'; 999].as_slice(), b"\n"].concat();
    let sent = line.repeat(3_000);
    let mut sender = client.another();
    // The kernel takes most of it; what it does not take waits in the server, whose client does not
    // read.
    let sending = thread::spawn(move || sender.try_send(&sent));
    thread::sleep(Duration::from_millis(300));
    server.signal(Signal::TERM);
    await_draining(&server);
    let mut answer = vec![0; line.len()];
    let mut lines = 0;
    let mut stream = client.stream();
    while let Ok(()) = std::io::Read::read_exact(&mut stream, &mut answer) {
        assert!(answer == line, "line {lines} is another");
        lines += 1;
    }
    assert!(lines > 100, "{lines} lines came back");
    drop(client);
    let _ = sending.join();
    assert_eq!(server.wait().code, Some(0));
}

#[test]
fn whoever_does_not_go_is_cut_off_when_the_drain_limit_has_passed() {
    let server = echo(&["--drain", "700ms"]);
    let mut client = Client::connect(server.address());
    client.ask(b"hello\n");
    let watch = Stopwatch::start();
    let ended = server.terminate();
    let took = watch.elapsed();
    assert_eq!(ended.code, Some(0));
    assert!(took >= Duration::from_millis(700), "{took:?}: it did not wait for the client");
    assert!(took < Duration::from_millis(700) + AT_ONCE, "{took:?}");
    assert!(ended.stderr.contains("the drain limit has passed"), "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
}

#[test]
fn a_second_signal_stops_at_once() {
    for (first, second) in [(Signal::TERM, Signal::TERM), (Signal::INT, Signal::TERM)] {
        let server = echo(&[]);
        let mut client = Client::connect(server.address());
        client.ask(b"hello\n");
        server.signal(first);
        await_draining(&server);
        server.signal(second);
        let ended = server.wait();
        assert_eq!(ended.code, Some(0));
        assert!(ended.took < AT_ONCE, "{:?}", ended.took);
        assert_ne!(client.end(), End::Reset, "everything was said");
    }
}
