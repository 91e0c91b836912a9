//! The server of cached files as a program: what it prints and refuses, and what of HTTP shows only
//! on a connection.

use std::fs;
use std::io::Read;
use std::time::Duration;

use fsm_tests::child::Served;
use fsm_tests::client::Client;
use fsm_tests::clock::Stopwatch;
use fsm_tests::response::{Cut, Response, Visitor};
use fsm_tests::scratch::Scratch;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;

const CACHED_FILE: &str = env!("CARGO_BIN_EXE_watched_cached_file");

/// What counts as at once on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(2);

fn serve(root: &Scratch) -> Served {
    let folder = root.folder().to_str().expect("a path of text");
    Served::start(CACHED_FILE, &[folder, "--listen", "127.0.0.1:0", "--workers", "1"])
}

/// One file of 10 bytes and a directory.
fn site() -> Scratch {
    let root = Scratch::new();
    fs::write(root.path("a.txt"), "0123456789").unwrap();
    fs::create_dir(root.path("dir")).unwrap();
    fs::write(root.path("dir/index.html"), "dir").unwrap();
    root
}

#[test]
fn an_ordinary_session_prints_where_it_listens_and_nothing_else() {
    let root = site();
    let server = serve(&root);
    let mut visitor = Visitor::of(server.address());
    for _ in 0..3 {
        let response = visitor.ask("GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!((response.status, response.text()), (200, "0123456789"));
    }
    let last = visitor.ask("GET /a.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(last.field("connection"), Some("close"));
    assert_eq!(visitor.read(false), Err(Cut::Ended));
    let ended = server.terminate();
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "", ""));
}

#[test]
fn help_shows_every_option_and_examples_that_are_understood() {
    let help = Served::spawn(CACHED_FILE, &["--help"]).wait();
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
    let options = ["--cache", "--max-object", "--refresh", "--list", "--hidden", "--cache-control"];
    for part in options.into_iter().chain(["DIRECTORY", "--listen", "--workers", "Examples:"]) {
        assert!(help.stdout.contains(part), "{part} in: {}", help.stdout);
    }
    let root = site();
    let folder = root.folder().to_str().expect("a path of text");
    let mut tried = 0;
    for command in help.stdout.lines().filter_map(|line| line.strip_prefix("  cached-file ")) {
        // Its ports may be taken here; everything else is tried as it stands.
        let command = command.replace(":8080", ":0").replace("]:80 ", "]:0 ");
        let command = command.replace("./public", folder);
        let server = Served::start(CACHED_FILE, &command.split(' ').collect::<Vec<_>>());
        let mut visitor = Visitor::of(server.address());
        assert_eq!(visitor.ask("GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n").status, 200, "{command}");
        tried += 1;
    }
    assert!(tried >= 3, "{}", help.stdout);
}

/// One line, with the path in it, and before anybody is told where to connect.
#[test]
fn what_is_no_directory_is_refused_by_name() {
    let root = site();
    for (name, why) in [("missing", "No such file"), ("a.txt", "Not a directory")] {
        let path = root.path(name);
        let path = path.to_str().expect("a path of text");
        let ended = Served::spawn(CACHED_FILE, &[path, "--listen", "127.0.0.1:0"]).wait();
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        assert!(ended.stderr.starts_with("error: "), "{}", ended.stderr);
        for part in [path, why] {
            assert!(ended.stderr.contains(part), "{part} in: {}", ended.stderr);
        }
    }
}

#[test]
fn options_that_make_no_sense_are_refused_in_one_line() {
    let root = site();
    let folder = root.folder().to_str().expect("a path of text");
    for wrong in [
        [folder, "--cache", "much"],
        [folder, "--max-object", "1.5 apples"],
        [folder, "--refresh", "soon"],
        [folder, "--cache-control", ".css:a\nb"],
        [folder, "--cache-control", ".css=max-age=60"],
        [folder, "--cache-control", ".css:"],
        [folder, "--stall", "0s"],
        [folder, "--idle", "0s"],
        [folder, "--answer-time", "0s"],
        [folder, "--max-requests", "0"],
        [folder, "--max-head", "1GiB"],
        [folder, "--log-format", "json"],
        // There is no directory that these could be about.
        ["--log=warn", "--cache-control", "no-cache"],
        ["--log=warn", "--workers=1", "--list"],
        ["--log=warn", "--workers=1", "--hidden"],
    ] {
        let ended =
            Served::spawn(CACHED_FILE, &[&["--listen", "127.0.0.1:0"], &wrong[..]].concat()).wait();
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{wrong:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        let names = ["--cache", "--max-", "--refresh", "--stall", "--idle", "--answer-time"];
        let others = ["--access-log", "DIRECTORY"];
        let is_named = names.iter().chain(&others).any(|word| ended.stderr.contains(word));
        assert!(is_named, "{wrong:?}: {}", ended.stderr);
    }
}

/// Whoever is told where to connect can rely on all that was asked for.
#[test]
fn a_log_that_cannot_be_written_is_told_before_anybody_connects() {
    let root = site();
    let fifo = root.path("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
    for path in [root.path("missing/log"), fifo, root.path("dir")] {
        let path = path.to_str().expect("a path of text");
        let options = ["--listen", "127.0.0.1:0", "--access-log", path];
        let ended = Served::spawn(CACHED_FILE, &options).wait();
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        let told = format!("error: cannot log to `{path}`: ");
        assert!(ended.stderr.starts_with(&told), "{}", ended.stderr);
    }
}

/// A file of which a client has taken a part is not logged as one that it has.
#[test]
fn the_log_has_the_bytes_that_were_sent() {
    const LARGE: usize = 40_000_000;
    let root = site();
    fs::write(root.path("large.bin"), vec![b'x'; LARGE]).unwrap();
    let logs = Scratch::new();
    let path = logs.path("log");
    let (folder, log) = (root.folder().to_str().unwrap(), path.to_str().unwrap());
    // The lines of two workers come in any order.
    let fixed = [folder, "--listen", "127.0.0.1:0", "--workers", "1"];
    let options = ["--access-log", log, "--drain", "200ms"];
    let server = Served::start(CACHED_FILE, &[&fixed[..], &options[..]].concat());
    let request = "GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(Visitor::of(server.address()).ask(request).body.len(), LARGE);
    let mut client = Client::connect(server.address());
    client.send(request.as_bytes());
    client.stream().read_exact(&mut [0; 1000]).unwrap();
    drop(client);
    eventually(|| fs::read_to_string(&path).unwrap().lines().count() == 2);
    let text = fs::read_to_string(&path).unwrap();
    let bytes = |line: &str| line.split(' ').nth(9).and_then(|word| word.parse().ok());
    let bytes: Vec<usize> = text.lines().filter_map(bytes).collect();
    assert!(bytes.len() == 2 && bytes[0] == LARGE && (1..LARGE).contains(&bytes[1]), "{text}");
    // Who is cut off when the server ends has its line too.
    let mut client = Client::connect(server.address());
    client.send(request.as_bytes());
    client.stream().read_exact(&mut [0; 1000]).unwrap();
    assert_eq!(server.terminate().code, Some(0));
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.lines().count() == 3 && text.ends_with(" 200 - \"-\" \"-\"\n"), "{text}");
}

/// What was refused is what one looks for in a log.
#[test]
fn the_log_has_the_line_of_a_request_that_was_not_understood() {
    let root = site();
    for (format, expected) in [
        ("combined", "\"GET /\\x01 HTTP/1.1\" 400 "),
        ("json", "\"target\":\"/\\u0001\",\"version\":\"HTTP/1.1\",\"status\":400,"),
    ] {
        let path = root.path(format);
        let log = path.to_str().expect("a path of text");
        // The lines of two workers come in any order.
        let fixed = ["--listen", "127.0.0.1:0", "--workers", "1"];
        let options = ["--access-log", log, "--log-format", format];
        let server = Served::start(CACHED_FILE, &[&fixed[..], &options[..]].concat());
        assert_eq!(statuses(&server, b"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n"), [400]);
        let long = [b"GET /", &[b'x'; 20_000][..], b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
        assert_eq!(statuses(&server, &long), [414]);
        assert_eq!(server.terminate().code, Some(0));
        let text = fs::read_to_string(path).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines.len() == 2 && lines[0].contains(expected), "{text}");
        assert!(lines[1].contains("xxx") && lines[1].len() < 1500, "{text}");
    }
}

/// The statuses of all that is answered to a client that sends this and no more.
fn statuses(server: &Served, sent: &[u8]) -> Vec<u16> {
    let mut client = Client::connect(server.address());
    client.send(sent);
    client.finish();
    let answer = client.rest();
    let mut rest = &answer[..];
    let mut statuses = Vec::new();
    while !rest.is_empty() {
        let (response, behind) = Response::split(rest, false).expect("a response");
        statuses.push(response.status);
        rest = behind;
    }
    statuses
}

#[test]
fn what_frames_a_request_is_read_strictly() {
    let root = site();
    let server = serve(&root);
    let get = "GET /a.txt HTTP/1.1\r\nHost: a\r\n";
    let fields: String = (0..2000).map(|at| format!("X-{at}: a\r\n")).collect();
    let cases: Vec<(String, &[u16])> = vec![
        // The client has closed its side by then, and is answered all the same.
        (format!("{get}\r\n"), &[200]),
        (format!("{get}\r\n").repeat(3), &[200, 200, 200]),
        ("GET /a.txt HTTP/1.1\r\n\r\n".into(), &[400]),
        ("GET /a.txt HTTP/1.1\r\nHost: a b\r\n\r\n".into(), &[400]),
        (format!("{get}Host: a\r\n\r\n"), &[400]),
        ("GET http://a/a.txt HTTP/1.1\r\nHost: a\r\n\r\n".into(), &[200]),
        ("GET /a.txt HTTP/1.0\r\n\r\n".into(), &[200]),
        ("GET /a.txt HTTP/2.0\r\nHost: a\r\n\r\n".into(), &[505]),
        ("GET /a.txt\r\n".into(), &[400]),
        ("GET /a.txt HTTP/1.1\nHost: a\n\n".into(), &[400]),
        (format!("{get}Content-Length: 3\r\n\r\nabc{get}\r\n"), &[200, 200]),
        (format!("{get}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), &[400]),
        (format!("{get}Expect: wonders\r\n\r\n"), &[417]),
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(9000)), &[414]),
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(70_000)), &[414]),
        (format!("{get}X: {}\r\n\r\n", "a".repeat(100_000)), &[431]),
        (format!("{get}{fields}\r\n"), &[431]),
    ];
    for (sent, expected) in cases {
        let beginning = &sent[..sent.len().min(80)];
        assert_eq!(statuses(&server, sent.as_bytes()), expected, "{beginning:?}");
    }
}

#[test]
fn a_fifo_holds_nobody() {
    let root = site();
    mknodat(CWD, root.path("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    let server = serve(&root);
    let watch = Stopwatch::start();
    for _ in 0..20 {
        let mut visitor = Visitor::of(server.address());
        for (path, status) in [("/fifo", 404), ("/a.txt", 200), ("/fifo/", 404)] {
            let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(visitor.ask(&request).status, status, "{path}");
        }
    }
    assert!(watch.elapsed() < AT_ONCE, "{:?}", watch.elapsed());
}

/// A browser sends several requests for what it has parts of; each part is the one that was asked
/// for, whichever order they come in.
#[test]
fn a_large_file_is_sent_in_parts_on_one_connection() {
    let root = site();
    let content: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    fs::write(root.path("large.bin"), &content).unwrap();
    let server = serve(&root);
    let mut visitor = Visitor::of(server.address());
    assert_eq!(visitor.ask("GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n").body, content);
    for (from, to) in [(2_999_999, 2_999_999), (0, 99), (65_535, 200_000), (1_000_000, 2_999_999)] {
        let range = format!("Range: bytes={from}-{to}\r\n");
        let response = visitor.ask(&format!("GET /large.bin HTTP/1.1\r\nHost: a\r\n{range}\r\n"));
        assert_eq!(response.status, 206);
        assert_eq!(response.body, content[from..=to], "{from}-{to}");
    }
}

/// As `killall -USR1` has it for all servers that have a log to reopen.
#[test]
fn who_has_no_log_to_reopen_is_told_in_vain() {
    for options in [&[][..], &["--access-log", "-"]] {
        let server = [&["--listen", "127.0.0.1:0"][..], options].concat();
        let mut server = Served::start(CACHED_FILE, &server);
        let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let mut visitor = Visitor::of(server.address());
        assert_eq!(visitor.ask(request).status, 200);
        server.signal(Signal::USR1);
        assert_eq!(visitor.ask(request).status, 200, "{options:?}");
        assert!(server.runs(), "{options:?}");
        assert_eq!(server.terminate().code, Some(0));
    }
}

#[test]
fn every_response_has_its_line_in_the_log_also_behind_a_rotation() {
    let root = site();
    let logs = Scratch::new();
    let (path, moved) = (logs.path("access.log"), logs.path("access.log.1"));
    let (folder, log) = (root.folder().to_str().unwrap(), path.to_str().unwrap());
    let server = Served::start(
        CACHED_FILE,
        &[folder, "--listen", "127.0.0.1:0", "--workers", "1", "--access-log", log],
    );
    Visitor::of(server.address()).ask("GET /a.txt\" HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut visitor = Visitor::of(server.address());
    visitor
        .ask("GET /a.txt HTTP/1.1\r\nHost: a\r\nUser-Agent: me \"too\"\r\nReferer: there\r\n\r\n");
    eventually(|| fs::read_to_string(&path).unwrap().lines().count() == 2);
    fs::rename(&path, &moved).unwrap();
    server.signal(Signal::USR1);
    eventually(|| path.exists());
    visitor.ask("GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n");
    visitor.ask("POST /a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
    let ended = server.terminate();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let before = fs::read_to_string(&moved).unwrap();
    let behind = fs::read_to_string(&path).unwrap();
    // The line of a request with a quote in its path, which is refused, has none to end a field.
    let lines: Vec<_> = before.lines().chain(behind.lines()).collect();
    let ends = [
        (r#""GET /a.txt\x22 HTTP/1.1" 400 "#, r#" "-" "-""#),
        (r#""GET /a.txt HTTP/1.1" 200 10 "there" "me \x22too\x22""#, ""),
        (r#""GET /nothing HTTP/1.1" 404 "#, ""),
        (r#""POST /a.txt HTTP/1.1" 405 "#, ""),
    ];
    assert_eq!(lines.len(), ends.len(), "{lines:#?}");
    for (line, (part, other)) in lines.iter().zip(ends) {
        assert!(line.starts_with("127.0.0.1 - - ["), "{line}");
        assert!(line.contains(part) && line.contains(other), "{line}");
    }
}

fn eventually(mut holds: impl FnMut() -> bool) {
    let watch = Stopwatch::start();
    while !holds() {
        assert!(watch.elapsed() < 5 * AT_ONCE, "it never came to that");
        std::thread::sleep(Duration::from_millis(5));
    }
}
