//! Clients that take their time with a large cached file: all of them are sent the bytes that the
//! cache holds, and none of them has a copy of its own.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use fsm_tests::child::Served;
use fsm_tests::client::Client;
use fsm_tests::scratch::Scratch;

/// More than a kernel's send buffer ever holds, which is 4 MiB.
const LARGE: usize = 8 << 20;

const READERS: usize = 20;

/// What a reader may take of the heap while it waits: buffers and lists, far less than a file.
const MOST: usize = 16 * 1024;

/// After this the kernel has taken all it takes of who reads nothing.
const SETTLE: Duration = Duration::from_millis(500);

#[test]
fn slow_readers_share_what_the_cache_holds() {
    let root = Scratch::new();
    let bytes: Vec<u8> = (0..LARGE).map(|at| at.to_le_bytes()[at % 3]).collect();
    fs::write(root.path("large"), &bytes).unwrap();
    let folder = root.folder().to_str().expect("a path of text");
    let most = LARGE.to_string();
    let options = ["--listen", "127.0.0.1:0", "--workers", "1", "--max-object", &most];
    let options = [&[folder][..], &options, &["--log", "warn", "--slow-slice", "10s"]].concat();
    let mut server = Served::start(env!("CARGO_BIN_EXE_counting_cached_file"), &options);
    let ask = |address: &str| {
        let mut client = Client::connect(address);
        client.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(client.head().starts_with("HTTP/1.1 200 OK\r\n"));
        client
    };
    ask(server.address()).expect(&bytes);
    let before = server.heap();
    let mut readers: Vec<_> = (0..READERS).map(|_| ask(server.address())).collect();
    sleep(SETTLE);
    let held = server.heap().saturating_sub(before);
    assert!(held < READERS * MOST, "{held} bytes for {READERS} readers");
    for reader in &mut readers {
        reader.expect(&bytes);
    }
}
