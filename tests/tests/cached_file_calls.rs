//! What the threads that serve clients ask of a disk that may be slow: nothing but what the kernel
//! answers from memory or not at all. Whatever is fetched, listed, streamed or given up, it is
//! other threads whose system calls name the disk.
//!
//! Where there is no strace, or no file system can be mounted, this says so and checks nothing.
#![cfg(target_os = "linux")]

use std::collections::HashSet;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use fsm_tests::child::Served;
use fsm_tests::client::Client;
use fsm_tests::clock::eventually;
use fsm_tests::response::Visitor;
use fsm_tests::scratch::Scratch;
use fsm_tests::slow_disk::SlowDisk;

const CACHED_FILE: &str = env!("CARGO_BIN_EXE_watched_cached_file");

/// A limit for what comes soon, under a tool that stops the server at each call.
const SOON: Duration = Duration::from_secs(20);

/// Files of more bytes are read as they are sent.
const MAX_OBJECT: &str = "4096";

const LARGE: usize = 1 << 20;

/// Asks for everything that comes from a disk, in every way that a client has.
fn ask_for_everything(address: &str) {
    let mut visitor = Visitor::of(address);
    let mut status_of = |line: &str, fields: &str| {
        visitor.ask(&format!("{line} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).status
    };
    for name in ["small", "small", "large"] {
        assert_eq!(status_of(&format!("GET /{name}"), ""), 200, "{name}");
    }
    assert_eq!(status_of("GET /absent", ""), 404);
    assert_eq!(status_of("HEAD /another", ""), 200);
    assert_eq!(status_of("GET /packed", "Accept-Encoding: gzip\r\n"), 200);
    assert_eq!(status_of("GET /large", "Range: bytes=5-9,100-\r\n"), 206);
    assert_eq!(status_of("GET /", ""), 200, "a list");
}

/// Takes the beginning of a large file and goes.
fn give_up(address: &str) {
    let mut client = Client::connect(address);
    client.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    client.expect(b"HTTP/1.1 200 OK\r\n");
    client.reset();
}

#[test]
fn who_serves_clients_asks_nothing_of_a_disk() {
    let tracer = ["-f", "-qq", "-y"];
    let probe = [&tracer[..], &["-o", "/dev/null", "true"]].concat();
    let probe = Command::new("strace").args(probe).stderr(Stdio::null()).status();
    if !probe.is_ok_and(|status| status.success()) {
        return eprintln!("nothing is checked: strace does not run here");
    }
    let Some(disk) = SlowDisk::mount() else { return };
    for name in ["small", "another", "packed", "packed.gz"] {
        disk.put(name, b"some bytes");
    }
    disk.put("large", &vec![b'x'; LARGE]);
    let scratch = Scratch::new();
    let path = scratch.path("calls");
    let [calls, root] = [&*path, disk.path()].map(|path| path.to_str().expect("a path of ours"));
    let server = [CACHED_FILE, root, "--listen", "127.0.0.1:0", "--workers", "1", "--list"];
    let options = ["--max-object", MAX_OBJECT, "--refresh", "50ms", "--slow-slice", "10s"];
    let traced = [&tracer[..], &["-o", calls], &server, &options].concat();
    let server = Served::start("strace", &traced);
    ask_for_everything(server.address());
    give_up(server.address());
    let trace = || fs::read_to_string(&path).expect("strace wrote it");
    eventually(SOON, "the large file is closed", || {
        trace().lines().filter(|call| call.contains(" close(") && call.contains("/large>")).count()
            >= 3
    });
    drop(server);
    let trace = trace();
    let thread_of = |call: &str| call.split(' ').next().unwrap_or_default().to_owned();
    let (received, calls): (HashSet<_>, Vec<_>) = (
        trace.lines().filter(|call| call.contains(" recvfrom(")).map(thread_of).collect(),
        // What was asked before the first client came was the directory itself.
        trace.lines().skip_while(|call| !call.contains(" recvfrom(")).collect(),
    );
    assert_eq!(received.len(), 1, "one worker serves");
    let (by_loop, by_others): (Vec<_>, Vec<_>) = calls
        .into_iter()
        .filter(|call| call.contains(root) && !call.contains("RWF_NOWAIT"))
        .partition(|call| received.contains(&thread_of(call)));
    assert!(by_loop.is_empty(), "{by_loop:#?}");
    assert!(by_others.len() > 50, "{by_others:#?}");
}
