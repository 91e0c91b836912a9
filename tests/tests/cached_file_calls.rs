//! What the threads that serve clients ask of a disk that may be slow: nothing but what the kernel
//! answers from memory or not at all. Whatever is fetched, listed, streamed or given up, the system
//! calls that name the disk are those of other threads.
//!
//! Where there is no strace, or no file system can be mounted, this says so and checks nothing.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
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

/// Takes the beginning of a large file, and goes when the server has another one by that name: the
/// one that is closed then was this client's alone.
fn give_up(address: &str, disk: &SlowDisk) {
    let mut client = Client::connect(address);
    client.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    client.expect(b"HTTP/1.1 200 OK\r\n");
    let mut visitor = Visitor::of(address);
    let mut length = || {
        let response = visitor.ask("HEAD /large HTTP/1.1\r\nHost: a\r\n\r\n");
        response.field("content-length").map(str::to_owned)
    };
    let before = length();
    disk.put("large", &vec![b'x'; 2 * LARGE]);
    eventually(SOON, "the other one is found", || length() != before);
    client.reset();
}

/// The system calls of each thread, in order.
fn calls_in(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).expect("it is ours").map(|file| file.expect("it is there"));
    files.map(|file| fs::read_to_string(file.path()).expect("strace wrote it")).collect()
}

#[test]
fn who_serves_clients_asks_nothing_of_a_disk() {
    let probe = ["-f", "-o", "/dev/null", "true"];
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
    // A file for each thread, so that no line is torn by another thread's.
    let traced = [&["-ff", "-qq", "-y", "-o", calls][..], &server, &options].concat();
    let server = Served::start("strace", &traced);
    ask_for_everything(server.address());
    give_up(server.address(), &disk);
    let is_of_disk = |call: &str| call.contains(root) && !call.contains("RWF_NOWAIT");
    eventually(SOON, "the large file is closed by who has not opened it", || {
        let closes = |call: &str| call.starts_with("close(") && call.contains("/large>");
        let closer = |calls: &String| calls.lines().any(closes) && !calls.contains("open");
        calls_in(scratch.folder()).iter().any(closer)
    });
    drop(server);
    let threads = calls_in(scratch.folder());
    let (loops, others): (Vec<_>, Vec<_>) =
        threads.iter().partition(|calls| calls.contains("recvfrom("));
    assert_eq!(loops.len(), 1, "one worker serves");
    // What was asked before the first client came was the directory itself.
    let serves = loops[0].lines().skip_while(|call| !call.contains("recvfrom("));
    let by_loop: Vec<_> = serves.filter(|call| is_of_disk(call)).collect();
    assert!(by_loop.is_empty(), "{by_loop:#?}");
    let by_others = others.iter().flat_map(|calls| calls.lines()).filter(|call| is_of_disk(call));
    assert!(by_others.count() > 50, "others ask the disk");
}
