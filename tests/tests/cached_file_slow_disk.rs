//! The server of cached files on a disk that is slow, hangs, or fails: whoever asks for what is
//! cached does not notice, and whoever has to wait gets a true answer.
//!
//! Where the system does not let us mount a file system, each test says that it is skipped.

use std::io::Read;
use std::thread::sleep;
use std::time::Duration;

use fsm_tests::child::Served;
use fsm_tests::client::Client;
use fsm_tests::clock::{Stopwatch, eventually};
use fsm_tests::response::{Cut, Response, Visitor};
use fsm_tests::slow_disk::{Delays, Fault, SlowDisk};
use rustix::net::sockopt::set_socket_recv_buffer_size;

/// How long a step of the disk takes.
const SLOW: Duration = Duration::from_millis(200);

/// What no hit may take, though the machine is busy: far less than a step of the disk.
const QUICK: Duration = Duration::from_millis(100);

/// A limit for what comes at once, or soon.
const SOON: Duration = Duration::from_secs(10);

/// The pause between two hits.
const PAUSE: Duration = Duration::from_millis(1);

const HOT: &[u8] = b"what everybody asks for\n";

/// A disk with one file, and a server that has it cached. The disk goes first: a server that waits
/// for it cannot even be killed.
struct Site {
    disk: SlowDisk,
    server: Served,
}

impl Site {
    /// Nothing where there is no such disk.
    fn new(options: &[&str]) -> Option<Self> {
        Self::of(env!("CARGO_BIN_EXE_watched_cached_file"), options)
    }

    /// As [`Site::new`], with another program.
    fn of(program: &str, options: &[&str]) -> Option<Self> {
        let disk = SlowDisk::mount()?;
        disk.put("hot.txt", HOT);
        let root = disk.path().to_str().expect("a path of ours").to_owned();
        // Nobody looks again at what is cached, unless a test wants it.
        let common = [&*root, "--listen", "127.0.0.1:0", "--workers", "2", "--log", "warn"];
        let refresh = if options.contains(&"--refresh") { &[][..] } else { &["--refresh", "1h"] };
        let server = Served::start(program, &[&common, refresh, options].concat());
        let site = Self { disk, server };
        site.get("/hot.txt").expect_file(HOT);
        Some(site)
    }

    fn client(&self) -> Visitor {
        Visitor::of(self.server.address())
    }

    fn get(&self, path: &str) -> Response {
        self.client().ask(&get(path))
    }

    /// Clients that have each asked for a file of their own.
    fn ask_for(&self, files: &[String]) -> Vec<Visitor> {
        let mut clients: Vec<_> = files.iter().map(|_| self.client()).collect();
        for (client, file) in clients.iter_mut().zip(files) {
            client.send(&get(&format!("/{file}"))).expect("it listens");
        }
        clients
    }

    /// The slowest answer to who asks for what is cached, as long as `lasts` says.
    fn slowest_hit(&self, mut lasts: impl FnMut() -> bool) -> Duration {
        // One client at each worker, or nearly so: which is which cannot be said.
        let mut clients: Vec<_> = (0..8).map(|_| self.client()).collect();
        let mut slowest = Duration::ZERO;
        while lasts() {
            for client in &mut clients {
                let (got, took) = timed(client, "/hot.txt");
                got.expect_file(HOT);
                slowest = slowest.max(took);
            }
            sleep(PAUSE);
        }
        slowest
    }

    /// As [`Site::slowest_hit`], for some time.
    fn slowest_hit_for(&self, time: Duration) -> Duration {
        let watch = Stopwatch::start();
        self.slowest_hit(|| watch.elapsed() < time)
    }

    fn wait_for_waiting(&self, requests: usize) {
        eventually(SOON, "the requests wait for the disk", || self.disk.waiting() >= requests);
    }
}

/// A request for what is at a path.
fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")
}

/// Asks for what is at a path, and tells the time from the request to the last byte.
fn timed(client: &mut Visitor, path: &str) -> (Response, Duration) {
    let watch = Stopwatch::start();
    let got = client.ask(&get(path));
    (got, watch.elapsed())
}

trait Expect {
    fn expect_file(&self, bytes: &[u8]);
}

impl Expect for Response {
    fn expect_file(&self, bytes: &[u8]) {
        assert_eq!(self.status, 200, "{:?}", self.fields);
        assert!(self.body == bytes, "other bytes: {} of {}", self.body.len(), bytes.len());
    }
}

/// The bytes of a file, which no other has.
fn bytes_of(name: &str, length: usize) -> Vec<u8> {
    let line = format!("this is in {name}\n");
    line.bytes().cycle().take(length).collect()
}

fn put_files(disk: &SlowDisk, prefix: &str, count: usize) -> Vec<String> {
    let names: Vec<_> = (0..count).map(|number| format!("{prefix}-{number}.txt")).collect();
    for name in &names {
        disk.put(name, &bytes_of(name, 8192));
    }
    names
}

/// Hits go on while so many misses wait in a step of the disk, and the misses are then answered.
fn hits_beside_misses(step: &str, delays: Delays) {
    let Some(site) = Site::new(&["--helpers", "64"]) else { return };
    for misses in [4, 64] {
        let files = put_files(&site.disk, &format!("{step}-{misses}"), misses);
        site.disk.delay(delays);
        let mut clients = site.ask_for(&files);
        site.wait_for_waiting(misses);
        let slowest = site.slowest_hit_for(SLOW);
        site.disk.delay(Delays::default());
        for (client, file) in clients.iter_mut().zip(&files) {
            client.read(false).expect("it answers").expect_file(&bytes_of(file, 8192));
        }
        println!("{step}, {misses} misses: slowest hit {slowest:?}");
        assert!(slowest < QUICK, "{step}: a hit took {slowest:?} beside {misses} misses");
    }
    // The runtime says so of every slice over 100 ms, half of what a step of the disk takes.
    let told = site.server.terminate().stderr;
    assert!(!told.contains("a slice took long"), "{step}: the loop waited for the disk: {told}");
}

#[test]
fn hits_do_not_wait_for_misses_that_are_read() {
    hits_beside_misses("read", Delays { read: SLOW, ..Delays::default() });
}

#[test]
fn hits_do_not_wait_for_misses_that_are_opened() {
    hits_beside_misses("open", Delays { open: SLOW, ..Delays::default() });
}

#[test]
fn hits_do_not_wait_for_misses_that_are_looked_for() {
    hits_beside_misses("stat", Delays { stat: SLOW, ..Delays::default() });
}

#[test]
fn hits_do_not_wait_for_files_that_are_closed() {
    hits_beside_misses("close", Delays { close: SLOW, ..Delays::default() });
}

/// How many misses are answered in a second, if each waits so long for the disk.
fn rate_of_misses(site: &Site, files: &[String], latency: Duration) -> f64 {
    let mut clients: Vec<_> = files.iter().map(|_| site.client()).collect();
    site.disk.delay(Delays { read: latency, ..Delays::default() });
    let watch = Stopwatch::start();
    for (client, file) in clients.iter_mut().zip(files) {
        client.send(&get(&format!("/{file}"))).expect("it listens");
    }
    for client in &mut clients {
        assert_eq!(client.read(false).expect("it answers").status, 200);
    }
    files.len() as f64 / watch.elapsed().as_secs_f64()
}

#[test]
fn misses_are_as_many_as_the_helpers_have_time_for() {
    const LATENCY: Duration = Duration::from_millis(200);
    const TURNS: usize = 5;
    for helpers in [4, 16] {
        let Some(site) = Site::new(&["--helpers", &helpers.to_string()]) else { return };
        let expected = helpers as f64 / LATENCY.as_secs_f64();
        let mut best = 0.0_f64;
        // A machine that is busy with something else for a moment is tried again.
        let mut rounds = 0..5;
        while let (true, Some(round)) = (best < 0.9, rounds.next()) {
            let files = put_files(&site.disk, &format!("rate-{round}"), TURNS * helpers);
            best = best.max(rate_of_misses(&site, &files, LATENCY) / expected);
        }
        println!("{helpers} helpers: {best:.3} of {expected} misses per second");
        assert!((0.9..=1.1).contains(&best), "{best:.3} of {expected} a second");
    }
}

#[test]
fn a_thousand_who_ask_for_one_file_cause_one_open_and_one_read() {
    let Some(site) = Site::new(&[]) else { return };
    let bytes = bytes_of("cold.txt", 8192);
    site.disk.put("cold.txt", &bytes);
    site.disk.delay(Delays { read: SLOW, ..Delays::default() });
    let before = site.disk.counts();
    for client in &mut site.ask_for(&vec!["cold.txt".to_owned(); 1000]) {
        client.read(false).expect("it answers").expect_file(&bytes);
    }
    let after = site.disk.counts();
    assert_eq!((after.opens - before.opens, after.reads - before.reads), (1, 1));
}

/// A response that says to come back later.
fn expect_unavailable(got: &Response) {
    assert_eq!(got.status, 503, "{:?}", got.fields);
    assert_eq!(got.field("retry-after"), Some("1"), "{:?}", got.fields);
}

#[test]
fn a_disk_that_hangs_is_waited_for_as_long_as_was_said() {
    const PATIENCE: Duration = Duration::from_millis(300);
    let Some(site) = Site::new(&["--answer-time", "300ms"]) else { return };
    let files = put_files(&site.disk, "hung", 8);
    site.disk.hang();
    let watch = Stopwatch::start();
    let mut clients = site.ask_for(&files);
    site.wait_for_waiting(4);
    let slowest = site.slowest_hit_for(2 * PATIENCE);
    assert!(slowest < QUICK, "a hit took {slowest:?}");
    for client in &mut clients {
        expect_unavailable(&client.read(false).expect("it answers"));
    }
    assert!(watch.elapsed() >= PATIENCE, "after {:?}", watch.elapsed());
    let mut client = site.client();
    let (got, took) = timed(&mut client, "/hung-0.txt");
    expect_unavailable(&got);
    assert!(took >= PATIENCE && took < SLOW + PATIENCE, "after {took:?}");
    site.disk.go_on();
    for file in &files {
        let mut got = None;
        eventually(SOON, "the file is served", || {
            got = client.try_ask(&get(&format!("/{file}"))).ok().filter(|got| got.status == 200);
            got.is_some()
        });
        got.expect("it was waited for").expect_file(&bytes_of(file, 8192));
    }
}

#[test]
fn as_many_files_are_waited_for_as_the_pool_takes() {
    /// The jobs that the pool of the runtime takes; a folder's, and that of the first file, are
    /// done.
    const JOBS: usize = 1024;
    let Some(site) = Site::new(&["--answer-time", "2s"]) else { return };
    site.disk.hang();
    let files: Vec<_> = (0..JOBS).map(|number| format!("absent-{number}")).collect();
    let mut waiting = site.ask_for(&files);
    site.wait_for_waiting(4);
    // The workers have seen all that was sent before somebody was answered.
    site.slowest_hit_for(Duration::from_millis(50));
    let (got, took) = timed(&mut site.client(), "/one-more");
    expect_unavailable(&got);
    assert!(took < QUICK, "a full pool took {took:?} to say so");
    // Who asks for what is being fetched waits with the others, though the pool is full.
    let mut another = site.client();
    another.send(&get("/absent-0")).expect("it listens");
    site.disk.go_on();
    for client in waiting.iter_mut().chain([&mut another]) {
        assert_eq!(client.read(false).expect("it answers").status, 404);
    }
    assert_eq!(site.get("/one-more").status, 404);
}

#[test]
fn who_gives_up_costs_no_memory_for_ever() {
    const CLIENTS: usize = 1000;
    let program = env!("CARGO_BIN_EXE_counting_cached_file");
    let Some(mut site) = Site::of(program, &["--answer-time", "100ms"]) else { return };
    site.disk.put("hung.txt", HOT);
    site.disk.hang();
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| site.client()).collect();
    let mut round = |site: &mut Site| {
        for client in &mut clients {
            client.send(&get("/hung.txt")).expect("it listens");
        }
        for client in &mut clients {
            expect_unavailable(&client.read(false).expect("it answers"));
        }
        site.server.heap()
    };
    // As many as may wait for one file, and some more: from then on nobody waits.
    let heaps: Vec<_> = (0..10).map(|_| round(&mut site)).collect();
    println!("bytes held after each {CLIENTS} misses: {heaps:?}");
    // Less than the least that one who waits can take, for each of those of the last four rounds.
    let slack = 4 * CLIENTS * size_of::<usize>();
    assert!(heaps[9] <= heaps[5] + slack, "what is held grows: {heaps:?}");
    let slowest = site.slowest_hit_for(SLOW);
    assert!(slowest < QUICK, "a hit took {slowest:?}");
    site.disk.go_on();
    eventually(SOON, "the file is served", || site.get("/hung.txt").status == 200);
}

#[test]
fn a_disk_that_fails_is_asked_again() {
    let Some(site) = Site::new(&[]) else { return };
    site.disk.put("bad.txt", b"good again");
    site.disk.fail(Some(Fault::Fails));
    for _ in 0..3 {
        let before = site.disk.counts();
        let got = site.get("/bad.txt");
        assert!(matches!(got.status, 500 | 503), "{:?}", got.fields);
        assert!(site.disk.counts().reads > before.reads, "the failure was kept");
        site.get("/hot.txt").expect_file(HOT);
    }
    site.disk.fail(None);
    site.get("/bad.txt").expect_file(b"good again");
}

#[test]
fn a_file_that_ends_halfway_is_not_taken_for_a_whole_one() {
    let Some(site) = Site::new(&[]) else { return };
    let bytes = bytes_of("half.txt", 8192);
    site.disk.put("half.txt", &bytes);
    site.disk.fail(Some(Fault::EndsHalfway));
    for _ in 0..3 {
        let mut client = site.client();
        client.send(&get("/half.txt")).expect("it listens");
        match client.read(false) {
            Ok(got) => assert!(matches!(got.status, 500 | 503), "{:?}", got.fields),
            Err(Cut::Ended | Cut::Halfway(_) | Cut::Reset) => {}
            Err(Cut::Wrong(wrong)) => panic!("{wrong}"),
        }
    }
    site.disk.fail(None);
    site.get("/half.txt").expect_file(&bytes);
}

/// Files of more bytes than may be held, each of which is read in several pieces.
const LARGE: usize = 400_000;

#[test]
fn hits_do_not_wait_for_large_files() {
    let Some(site) = Site::new(&["--max-object", "4096"]) else { return };
    let bytes = bytes_of("large.bin", LARGE);
    site.disk.put("large.bin", &bytes);
    site.disk.delay(Delays { read: SLOW / 2, ..Delays::default() });
    let mut clients = site.ask_for(&vec!["large.bin".to_owned(); 4]);
    // One who takes nothing for now is in nobody's way either.
    let mut slow = clients.pop().expect("there are four");
    let readers = clients.into_iter().map(|mut it| std::thread::spawn(move || it.read(false)));
    let readers: Vec<_> = readers.collect();
    let slowest = site.slowest_hit(|| readers.iter().any(|reader| !reader.is_finished()));
    for reader in readers {
        reader.join().expect("a reader does not panic").expect("it answers").expect_file(&bytes);
    }
    println!("slowest hit beside large files: {slowest:?}");
    assert!(slowest < QUICK, "a hit took {slowest:?} beside large files");
    slow.read(false).expect("it answers").expect_file(&bytes);
}

/// Each part is read elsewhere, and none before the client has taken what came before it.
#[test]
fn parts_are_read_no_faster_than_they_are_taken() {
    const PARTS: usize = 150;
    const PART: usize = 65_000;
    let Some(site) = Site::new(&["--max-object", "4096"]) else { return };
    let bytes = bytes_of("large.bin", PARTS * 70_000);
    site.disk.put("large.bin", &bytes);
    let ranges: Vec<_> = (0..PARTS).map(|at| at * 70_000..at * 70_000 + PART).collect();
    let field: Vec<_> = ranges.iter().map(|it| format!("{}-{}", it.start, it.end - 1)).collect();
    let mut client = site.client().into_client();
    // What the kernel takes for a client that takes nothing is less by that.
    set_socket_recv_buffer_size(client.stream(), 64 * 1024).expect("a socket has buffers");
    let field = field.join(",");
    let request = format!("GET /large.bin HTTP/1.1\r\nHost: h\r\nRange: bytes={field}\r\n\r\n");
    client.send(request.as_bytes());
    let mut reads = 0;
    eventually(SOON, "nothing more is read", || {
        sleep(SLOW);
        let before = std::mem::replace(&mut reads, site.disk.counts().reads);
        reads > 1 && reads == before
    });
    println!("{reads} of {PARTS} parts were read for who takes nothing");
    assert!(reads < PARTS * 2 / 3, "{reads} of {PARTS}");
    let got = Visitor::over(client).read(false).expect("it goes on");
    assert_eq!(got.status, 206);
    let is_there = |part: &[u8]| got.body.windows(40).any(|it| it == &part[..40]);
    assert!(got.body.len() > PARTS * PART && is_there(&bytes[ranges[PARTS - 1].clone()]));
}

#[test]
fn hits_do_not_wait_for_large_files_that_are_closed() {
    let options = ["--max-object", "4096", "--refresh", "50ms"];
    let Some(site) = Site::new(&options) else { return };
    site.disk.put("large.bin", &bytes_of("large.bin", 40 * LARGE));
    for _ in 0..2 {
        let mut client = site.client();
        client.send(&get("/large.bin")).expect("it listens");
        let client = client.into_client();
        client.stream().read_exact(&mut [0; 1000]).expect("it answers");
        // Another version: the cache lets go of the file, and who sends it has it alone.
        site.disk.put("large.bin", &bytes_of("another", 40 * LARGE));
        let fresh = || {
            let got = site.client().try_ask(&get("/large.bin"));
            got.is_ok_and(|got| got.body.starts_with(b"t"))
        };
        eventually(SOON, "the new version is served", fresh);
        site.disk.delay(Delays { close: SLOW, ..Delays::default() });
        drop(client);
        let slowest = site.slowest_hit_for(SLOW + SLOW);
        println!("slowest hit while a file is closed: {slowest:?}");
        assert!(slowest < QUICK, "a hit took {slowest:?} while a file was closed");
        site.disk.delay(Delays::default());
    }
}

/// A large file that is open already is nothing that could be sent. The head of a response waits
/// for the first bytes, so that the client is told, and not left with a promise.
#[test]
fn a_large_file_on_a_disk_that_hangs_is_not_promised() {
    let options = ["--max-object", "4096", "--answer-time", "300ms"];
    let Some(site) = Site::new(&options) else { return };
    let bytes = bytes_of("large.bin", LARGE);
    site.disk.put("large.bin", &bytes);
    let whole = site.get("/large.bin");
    whole.expect_file(&bytes);
    site.disk.hang();
    let ask = |fields: &str| {
        let request = format!("GET /large.bin HTTP/1.1\r\nHost: h\r\n{fields}\r\n\r\n");
        site.client().ask(&request)
    };
    for range in ["0-9", "70000-", "0-9,70000-70009"] {
        expect_unavailable(&ask(&format!("Range: bytes={range}")));
    }
    expect_unavailable(&site.get("/large.bin"));
    // Nothing of it has to be read for these.
    let tag = whole.field("etag").expect("it has one");
    assert_eq!(ask(&format!("If-None-Match: {tag}")).status, 304);
    assert_eq!(ask("Range: bytes=400000-").status, 416);
    let mut client = site.client();
    client.send("HEAD /large.bin HTTP/1.1\r\nHost: h\r\n\r\n").expect("it listens");
    assert_eq!(client.read(true).expect("it answers").status, 200);
    site.disk.go_on();
    site.get("/large.bin").expect_file(&bytes);
    assert_eq!(ask("Range: bytes=70000-70009").body, bytes[70_000..70_010]);
}

/// Who has begun to take a file goes on, however many others ask for what is not cached: there is
/// no way to tell it to come back later.
#[test]
fn downloads_go_on_where_the_pool_is_full() {
    const JOBS: usize = 1024;
    const HELPERS: usize = 4;
    const LOOK: Duration = Duration::from_millis(50);
    let options = ["--max-object", "4096", "--helpers", "4", "--answer-time", "1h"];
    let Some(site) = Site::new(&options) else { return };
    let bytes = bytes_of("large.bin", LARGE);
    site.disk.put("large.bin", &bytes);
    site.disk.delay(Delays { read: SLOW, stat: LOOK, ..Delays::default() });
    // More of them than there are threads, so that some wait for others.
    let readers = site.ask_for(&vec!["large.bin".to_owned(); 2 * HELPERS]);
    let begun = |reader: Visitor| {
        let client = reader.into_client();
        client.stream().peek(&mut [0]).expect("it begins");
        Visitor::over(client)
    };
    let mut readers: Vec<_> = readers.into_iter().map(begun).collect();
    let absent: Vec<_> = (0..2 * JOBS).map(|number| format!("absent-{number}")).collect();
    let others: Vec<_> = site.ask_for(&absent).into_iter().map(Visitor::into_client).collect();
    let is_turned_away = |client: &Client| {
        let mut status = [0; 12];
        client.stream().set_nonblocking(true).expect("it is a socket");
        client.stream().peek(&mut status).is_ok() && status.ends_with(b" 503")
    };
    eventually(SOON, "the pool is full", || others.iter().any(is_turned_away));
    let watch = Stopwatch::start();
    for reader in &mut readers {
        reader.read(false).expect("it goes on").expect_file(&bytes);
    }
    // Behind all the others each piece of a file would have to wait for longer.
    let queue = LOOK * u32::try_from(JOBS / HELPERS).expect("a small number");
    assert!(watch.elapsed() < queue, "after {:?}", watch.elapsed());
    site.disk.delay(Delays::default());
}

#[test]
fn what_nobody_tells_of_is_found_by_looking_again() {
    const EVERY: Duration = Duration::from_millis(100);
    let Some(site) = Site::new(&["--refresh", "100ms"]) else { return };
    let mut client = site.client();
    for version in 0..10 {
        let bytes = format!("version {version}");
        site.disk.put("hot.txt", bytes.as_bytes());
        let watch = Stopwatch::start();
        eventually(SOON, "the new version is served", || {
            client.ask(&get("/hot.txt")).body == bytes.as_bytes()
        });
        assert!(watch.elapsed() < EVERY + QUICK, "stale for {:?}", watch.elapsed());
    }
}

#[test]
fn looking_again_opens_and_reads_nothing() {
    let Some(site) = Site::new(&["--refresh", "20ms"]) else { return };
    let before = site.disk.counts();
    eventually(SOON, "it is looked at again and again", || {
        site.disk.counts().lookups >= before.lookups + 20
    });
    let after = site.disk.counts();
    assert_eq!((after.opens, after.reads), (before.opens, before.reads));
}

/// Tells whether a response says that it may not be so any more.
fn is_marked(got: &Response) -> bool {
    got.field("cache-status").is_some_and(|status| status.contains("stale"))
}

#[test]
fn what_is_cached_is_served_and_marked_while_the_disk_fails() {
    let Some(site) = Site::new(&["--refresh", "50ms"]) else { return };
    assert!(!is_marked(&site.get("/hot.txt")));
    site.disk.fail(Some(Fault::IsBroken));
    eventually(SOON, "it is marked as stale", || is_marked(&site.get("/hot.txt")));
    site.get("/hot.txt").expect_file(HOT);
    assert_eq!(site.get("/cold.txt").status, 500);
    site.disk.fail(None);
    eventually(SOON, "it is not marked any more", || !is_marked(&site.get("/hot.txt")));
}

#[test]
fn what_is_cached_is_served_though_it_cannot_be_looked_at_again() {
    let Some(site) = Site::new(&["--refresh", "50ms"]) else { return };
    site.disk.hang();
    site.wait_for_waiting(1);
    let slowest = site.slowest_hit_for(SLOW);
    assert!(slowest < QUICK, "a hit took {slowest:?}");
    eventually(SOON, "it is marked as stale", || is_marked(&site.get("/hot.txt")));
    // Whatever of it is asked for.
    let tag = site.get("/hot.txt").field("etag").expect("it has one").to_owned();
    for (fields, status) in [
        ("Range: bytes=0-3", 206),
        ("Range: bytes=0-3,8-9", 206),
        ("Range: bytes=0-3\r\nIf-Range: \"other\"", 200),
        ("Range: bytes=999-", 416),
        (&format!("If-None-Match: {tag}"), 304),
        ("If-Match: \"other\"", 412),
    ] {
        let request = format!("GET /hot.txt HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
        let got = site.client().ask(&request);
        assert!(got.status == status && is_marked(&got), "{fields}: {got:?}");
    }
    site.disk.put("hot.txt", b"new");
    site.disk.go_on();
    eventually(SOON, "the new version is served", || site.get("/hot.txt").body == b"new");
    eventually(SOON, "it is not marked any more", || !is_marked(&site.get("/hot.txt")));
}

#[test]
fn the_disk_of_these_tests_keeps_its_promises() {
    let Some(disk) = SlowDisk::mount() else { return };
    disk.put("a", b"1234");
    let timed = |delays: Delays| {
        disk.delay(delays);
        let watch = Stopwatch::start();
        assert_eq!(std::fs::read(disk.file("a")).expect("it is there"), b"1234");
        watch.elapsed()
    };
    assert!(timed(Delays::default()) < QUICK);
    assert!(timed(Delays { open: SLOW, ..Delays::default() }) >= SLOW);
    assert!(timed(Delays { read: SLOW, ..Delays::default() }) >= SLOW);
    assert!(timed(Delays { stat: SLOW, ..Delays::default() }) >= SLOW);
    assert!(timed(Delays { close: SLOW, ..Delays::default() }) >= SLOW);
    disk.delay(Delays { open: SLOW, stat: SLOW, ..Delays::default() });
    let watch = Stopwatch::start();
    // Many wait at the same time, also for names that nobody has asked for.
    std::thread::scope(|scope| {
        for number in 0..16 {
            let absent = disk.file(&format!("absent-{number}"));
            scope.spawn(move || assert!(std::fs::metadata(absent).is_err()));
        }
    });
    // One after the other they would take sixteen times as long.
    assert!((SLOW..8 * SLOW).contains(&watch.elapsed()), "{:?}", watch.elapsed());
    disk.hang();
    let path = disk.file("a");
    let reader = std::thread::spawn(move || drop(std::fs::read(path)));
    eventually(SOON, "the reader waits", || disk.waiting() == 1);
    drop(disk);
    // Whoever waits for a disk that goes is let go, with an answer or without.
    reader.join().expect("it does not panic");
}
