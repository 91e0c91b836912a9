//! What a client of the server of cached files gets, by RFC 9110 and not by any server's habits:
//! the handler over a real directory, without sockets. Every request is sent twice, so that what
//! comes from the disk and what comes from memory are held against each other.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;
use fsm_runtime::testing::Driver;
use fsm_tests::clock::{Stopwatch, eventually};
use fsm_tests::response::Response;
use fsm_tests::scratch::Scratch;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use servers::cached_file::{CachedFile, Files, Options, Worker};
use servers::http::{Client, Http, Limits, Shared};

/// What the server takes for the time of day: Wed, 18 May 2033 03:33:20 GMT. Whatever a test writes
/// is older.
const NOW: Duration = Duration::from_secs(2_000_000_000);

/// When the files of the tests were changed: Sun, 09 Sep 2001 01:46:40 GMT.
const THEN: Duration = Duration::from_secs(1_000_000_000);
const THEN_DATE: &str = "Sun, 09 Sep 2001 01:46:40 GMT";

/// How long something may take that is done by another thread.
const PATIENCE: Duration = Duration::from_secs(20);

/// A directory and the server's view of it.
struct Site {
    root: Scratch,
    files: Arc<Files>,
}

impl Site {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(options: &[&str]) -> Self {
        let root = Scratch::new();
        let files = view(&root, options);
        Self { root, files }
    }

    /// A server that knows nothing yet of the same directory.
    fn restart(&mut self, options: &[&str]) {
        self.files = view(&self.root, options);
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.root.path(name);
        fs::create_dir_all(path.parent().expect("it is below the root")).unwrap();
        fs::write(&path, content).unwrap();
        self.touch(name, UNIX_EPOCH + THEN);
    }

    fn touch(&self, name: &str, modified: SystemTime) {
        File::open(self.root.path(name)).unwrap().set_modified(modified).unwrap();
    }

    /// Asks twice, of the disk and of what is known by then, which must say the same.
    #[track_caller]
    fn ask(&self, request: &str) -> Response {
        let is_head = request.starts_with("HEAD ");
        let cold = Response::only(&self.raw(request.as_bytes()), is_head);
        let warm = Response::only(&self.raw(request.as_bytes()), is_head);
        // The boundary of several parts is another one each time.
        if cold.field("content-type").is_none_or(|value| !value.starts_with("multipart/")) {
            assert_eq!(cold, warm, "{request}");
        }
        warm
    }

    #[track_caller]
    fn get(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        self.ask(&request("GET", path, fields))
    }

    fn status(&self, path: &str) -> u16 {
        self.get(path, &[]).status
    }

    fn tag(&self, path: &str) -> String {
        self.get(path, &[]).field("etag").expect("every file has a tag").to_owned()
    }

    /// A client's side of the server, which has sent nothing yet.
    fn driver(&self) -> Driver<Http<CachedFile>> {
        let client = Client::new(CachedFile::new(&self.files, None), &Arc::new(Limits::default()));
        let mut driver = Driver::with_shared(client, Shared::new(Worker::new(None)));
        driver.time_of_day(NOW);
        driver
    }

    /// All that is sent to a client that sends this.
    fn raw(&self, request: &[u8]) -> Vec<u8> {
        let mut driver = self.driver();
        driver.input(request);
        let (mut sent, watch) = (driver.sent(), Stopwatch::start());
        loop {
            let jobs = driver.run_jobs();
            if driver.state() == "Streaming" {
                driver.drained();
            }
            let more = driver.sent();
            match (jobs, more.is_empty(), driver.operations()) {
                (0, true, 0) => return sent,
                // What takes long is done by a thread that is not the driver's.
                (0, true, _) => {
                    assert!(watch.elapsed() < PATIENCE, "something is still waited for");
                    thread::sleep(Duration::from_millis(1));
                    driver.answers();
                }
                _ => sent.extend(more),
            }
        }
    }
}

fn view(root: &Scratch, options: &[&str]) -> Arc<Files> {
    let folder = root.folder().to_str().expect("a path of text");
    let fixed = ["cached-file", folder, "--listen", "127.0.0.1:0"];
    let options = Options::parse_from(fixed.iter().chain(options));
    Arc::new(Files::of(&options).expect("the directory is there"))
}

fn request(method: &str, path: &str, fields: &[(&str, &str)]) -> String {
    let lines = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
    format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{}\r\n", lines.collect::<String>())
}

#[test]
fn a_file_is_sent_with_all_that_describes_it() {
    let site = Site::new();
    site.write("a.txt", "hello\n");
    let response = site.get("/a.txt", &[]);
    assert_eq!((response.status, response.text()), (200, "hello\n"));
    let expected = [
        ("content-type", "text/plain; charset=utf-8"),
        ("content-length", "6"),
        ("last-modified", THEN_DATE),
        ("accept-ranges", "bytes"),
        ("x-content-type-options", "nosniff"),
        ("date", "Wed, 18 May 2033 03:33:20 GMT"),
    ];
    for (name, value) in expected {
        assert_eq!(response.field(name), Some(value), "{name}");
    }
    for absent in ["vary", "content-encoding", "cache-control", "connection", "server"] {
        assert_eq!(response.field(absent), None, "{absent}");
    }
    let tag = response.field("etag").unwrap();
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 2, "{tag}");
}

#[test]
fn a_tag_is_that_of_the_content() {
    let mut site = Site::new();
    site.write("a.txt", "one");
    site.write("copy/b.txt", "one");
    site.write("c.txt", "two");
    let tag = site.tag("/a.txt");
    assert_eq!(site.tag("/copy/b.txt"), tag, "the same content");
    assert_ne!(site.tag("/c.txt"), tag, "as many bytes, changed at the same time");
    site.touch("a.txt", UNIX_EPOCH + THEN * 2);
    site.restart(&[]);
    assert_eq!(site.tag("/a.txt"), tag, "a touch changes no content");
    site.write("a.txt", "new");
    site.restart(&[]);
    assert_ne!(site.tag("/a.txt"), tag, "an older date, as after a rollback, hides nothing");
}

/// 64 files of 1 KiB do not fit into a cache of 16 KiB.
#[test]
fn eviction_changes_no_tag() {
    let mut site = Site::new();
    let name = |number: usize| format!("{number}.bin");
    for number in 0..64 {
        site.write(&name(number), [b'a' + u8::try_from(number % 26).unwrap(); 1024]);
    }
    site.write("large.bin", [0; 5000]);
    let tags = |site: &Site| -> Vec<String> {
        let all = (0..64).map(name).chain(["large.bin".to_owned()]);
        all.map(|name| site.tag(&format!("/{name}"))).collect()
    };
    let kept = tags(&site);
    let options = ["--cache", "16384", "--max-object", "4096"];
    site.restart(&options);
    let evicted = tags(&site);
    assert_eq!(tags(&site), evicted, "what was driven out and has come back");
    assert_eq!(kept[..64], evicted[..64]);
    site.restart(&options);
    assert_eq!(tags(&site), evicted, "a large file's tag outlives the server");
    site.restart(&["--cache", "0"]);
    assert_eq!(tags(&site), kept, "a cache of nothing");
}

#[test]
fn conditions_are_judged_in_the_order_of_rfc_9110() {
    let site = Site::new();
    site.write("a.txt", "0123456789");
    let tag = site.tag("/a.txt");
    let weak = format!("W/{tag}");
    let (earlier, later) = ("Sat, 08 Sep 2001 01:46:40 GMT", "Mon, 10 Sep 2001 01:46:40 GMT");
    let (inm, im) = ("If-None-Match", "If-Match");
    let (ims, ius) = ("If-Modified-Since", "If-Unmodified-Since");
    let cases: &[(&[(&str, &str)], u16)] = &[
        (&[(inm, &tag)], 304),
        (&[(inm, &weak)], 304),
        (&[(inm, "*")], 304),
        (&[(inm, "\"x\"")], 200),
        (&[(inm, &tag), (ims, earlier)], 304),
        (&[(inm, "\"x\""), (ims, later)], 200),
        (&[(ims, THEN_DATE)], 304),
        (&[(ims, later)], 304),
        (&[(ims, earlier)], 200),
        (&[(ims, "Sunday, 09-Sep-01 01:46:40 GMT")], 304),
        (&[(ims, "Sun Sep  9 01:46:40 2001")], 304),
        (&[(ims, "yesterday")], 200),
        (&[(im, &tag)], 200),
        (&[(im, "*")], 200),
        (&[(im, &weak)], 412),
        (&[(im, "\"x\"")], 412),
        (&[(ius, "Thu, 01 Jan 1970 00:00:00 GMT")], 412),
        (&[(ius, THEN_DATE)], 200),
        (&[(im, &tag), (ius, earlier)], 200),
        (&[(im, "\"x\""), (inm, &tag)], 412),
        (&[(im, &tag), (inm, &tag)], 304),
        (&[(inm, &tag), ("Range", "bytes=0-1")], 304),
        (&[(im, "\"x\""), ("Range", "bytes=99-")], 412),
    ];
    for (fields, status) in cases {
        for method in ["GET", "HEAD"] {
            let response = site.ask(&request(method, "/a.txt", fields));
            assert_eq!(response.status, *status, "{method} {fields:?}");
            if *status == 304 {
                assert_eq!(response.field("etag"), Some(&*tag));
                assert_eq!(response.field("content-type"), None);
                assert_eq!(response.field("last-modified"), None);
            }
        }
    }
    assert_eq!(site.get("/none", &[(im, "*")]).status, 404);
    assert_eq!(site.get("/none", &[(inm, "*")]).status, 404);
}

#[test]
fn if_range_decides_between_the_part_and_the_whole() {
    let site = Site::new();
    site.write("a.txt", "0123456789");
    let tag = site.tag("/a.txt");
    let cases = [
        (&*tag, 206),
        (THEN_DATE, 206),
        ("\"x\"", 200),
        ("Sat, 08 Sep 2001 01:46:40 GMT", 200),
        // It must be the very same date, not a later one.
        ("Mon, 10 Sep 2001 01:46:40 GMT", 200),
        (&*format!("W/{tag}"), 200),
        ("*", 200),
    ];
    for (having, status) in cases {
        let response = site.get("/a.txt", &[("Range", "bytes=0-3"), ("If-Range", having)]);
        assert_eq!(response.status, status, "{having}");
        let body = if status == 206 { "0123" } else { "0123456789" };
        assert_eq!(response.text(), body, "{having}");
        let beyond = site.get("/a.txt", &[("Range", "bytes=10-"), ("If-Range", having)]);
        assert_eq!(beyond.status, if status == 206 { 416 } else { 200 }, "{having}");
    }
    assert_eq!(site.get("/a.txt", &[("If-Range", &tag)]).status, 200, "no range to decide on");
}

/// A file that is held and one that is read as it is sent are the same to a client.
const NO_BYTES: &str =
    "416 Range Not Satisfiable: the file has none of the bytes that you ask for\n";

#[test]
fn single_ranges() {
    let site = Site::with(&["--max-object", "10"]);
    for name in ["held.txt", "open.txt"] {
        let content = if name == "held.txt" { "0123456789" } else { "0123456789a" };
        site.write(name, content);
        let length = content.len();
        let ends = [
            ("0-3", 206, "0123"),
            ("0-0", 206, "0"),
            ("7-", 206, &content[7..]),
            ("-2", 206, &content[length - 2..]),
            ("-99", 206, content),
            ("3-99", 206, &content[3..]),
            ("0-", 206, content),
            ("99-", 416, NO_BYTES),
            ("-0", 416, NO_BYTES),
            // What is no range is ignored (RFC 9110 14.2).
            ("3-2", 200, content),
            ("a-b", 200, content),
            ("--1", 200, content),
            ("", 200, content),
        ];
        for (range, status, body) in ends {
            let path = format!("/{name}");
            let response = site.get(&path, &[("Range", &format!("bytes={range}"))]);
            assert_eq!((response.status, response.text()), (status, body), "{name} {range}");
            let begin = content.find(body).unwrap_or(0);
            let told = match status {
                206 => Some(format!("bytes {begin}-{}/{length}", begin + body.len() - 1)),
                416 => Some(format!("bytes */{length}")),
                _ => None,
            };
            assert_eq!(response.field("content-range"), told.as_deref(), "{name} {range}");
            let method = request("HEAD", &path, &[("Range", &format!("bytes={range}"))]);
            assert_eq!(site.ask(&method).status, 200, "HEAD has no ranges");
        }
        let response = site.get(&format!("/{name}"), &[("Range", "lines=0-1")]);
        assert_eq!((response.status, response.text()), (200, content));
    }
}

/// What `multipart/byteranges` says its parts are: the `Content-Range` and the bytes.
fn parts(response: &Response) -> Vec<(String, Vec<u8>)> {
    let media_type = response.field("content-type").expect("a type");
    let boundary = media_type.strip_prefix("multipart/byteranges; boundary=").expect(media_type);
    let mut rest: &[u8] = &response.body;
    let mut parts = Vec::new();
    let (open, close) = (format!("--{boundary}\r\n"), format!("--{boundary}--\r\n"));
    loop {
        rest = rest.strip_prefix(b"\r\n").unwrap_or(rest);
        if rest == close.as_bytes() {
            return parts;
        }
        rest = rest.strip_prefix(open.as_bytes()).expect("a boundary");
        let end = rest.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
        let head = std::str::from_utf8(&rest[..end]).expect("text");
        assert!(head.contains("Content-Type: text/plain; charset=utf-8\r\n"), "{head}");
        let range = head.lines().find_map(|line| line.strip_prefix("Content-Range: bytes "));
        let range = range.expect("a range").to_owned();
        let (from, to) = range.split_once('/').and_then(|(ends, _)| ends.split_once('-')).unwrap();
        let length = to.parse::<usize>().unwrap() + 1 - from.parse::<usize>().unwrap();
        parts.push((range, rest[end..end + length].to_vec()));
        rest = &rest[end + length..];
    }
}

#[test]
fn several_ranges_are_parts() {
    let site = Site::with(&["--max-object", "10"]);
    for (name, content) in [("held.txt", "0123456789"), ("open.txt", "0123456789a")] {
        site.write(name, content);
        let response = site.get(&format!("/{name}"), &[("Range", "bytes=0-1,5-5,-2,99-")]);
        assert_eq!(response.status, 206);
        assert_eq!(response.field("content-range"), None);
        let length = content.len();
        let expected = [
            (format!("0-1/{length}"), b"01".to_vec()),
            (format!("5-5/{length}"), b"5".to_vec()),
            (format!("{}-{}/{length}", length - 2, length - 1), content[length - 2..].into()),
        ];
        assert_eq!(parts(&response), expected);
        let only = site.get(&format!("/{name}"), &[("Range", "bytes=99-,0-1")]);
        assert_eq!((only.status, only.text()), (206, "01"), "one that is left is no list");
        let none = site.get(&format!("/{name}"), &[("Range", "bytes=99-,-0")]);
        assert_eq!(none.status, 416);
    }
}

/// What is asked for again and again is not sent more than once.
#[test]
fn a_bomb_of_ranges_is_no_larger_than_the_file() {
    let site = Site::new();
    let content = "0123456789".repeat(900);
    site.write("a.txt", &content);
    let overlapping = vec!["0-"; 1000].join(",");
    let scattered: Vec<_> = (0..1000).map(|at| format!("{0}-{0}", at * 9)).collect();
    for list in [overlapping, scattered.join(",")] {
        let response = site.get("/a.txt", &[("Range", &format!("bytes={list}"))]);
        assert!(matches!(response.status, 200 | 206), "{}", response.status);
        assert!(response.body.len() <= content.len() + 1024, "{}", response.body.len());
    }
}

#[test]
fn head_is_get_without_its_body() {
    let site = Site::with(&["--max-object", "10"]);
    site.write("held.txt", "0123456789");
    site.write("open.txt", "0123456789a");
    for path in ["/held.txt", "/open.txt", "/none", "/%00"] {
        let (get, head) = (site.get(path, &[]), site.ask(&request("HEAD", path, &[])));
        assert_eq!((head.status, head.fields), (get.status, get.fields), "{path}");
    }
}

#[test]
fn compressed_files_are_chosen_by_weight() {
    let site = Site::new();
    let (plain, gzip, zstd, brotli) = ("plain plain plain", "G", "Z", "B");
    for (end, content) in [("", plain), (".gz", gzip), (".zst", zstd), (".br", brotli)] {
        site.write(&format!("all.html{end}"), content);
    }
    site.write("one.html", plain);
    site.write("one.html.gz", gzip);
    let cases = [
        ("all", "gzip", Some("gzip")),
        ("all", "x-gzip", Some("gzip")),
        ("all", "GZIP", Some("gzip")),
        ("all", "br, zstd, gzip", Some("br")),
        ("all", "zstd, gzip", Some("zstd")),
        ("all", "*", Some("br")),
        ("all", "br;q=0.1, gzip;q=1", Some("gzip")),
        ("all", "gzip;q=0", None),
        ("all", "gzip;q=0, *", Some("br")),
        ("all", "", None),
        ("all", "deflate", None),
        ("all", "gzip;q=0.5, identity", None),
        ("all", "identity;q=0, gzip;q=0.001", Some("gzip")),
        ("one", "br, zstd, gzip", Some("gzip")),
        ("one", "br", None),
    ];
    for (name, accepted, coding) in cases {
        let response = site.get(&format!("/{name}.html"), &[("Accept-Encoding", accepted)]);
        let body = match coding {
            Some("gzip") => gzip,
            Some("zstd") => zstd,
            Some(_) => brotli,
            None => plain,
        };
        assert_eq!((response.status, response.text()), (200, body), "{name} {accepted}");
        assert_eq!(response.field("content-encoding"), coding, "{name} {accepted}");
        assert_eq!(response.field("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(response.field("vary"), Some("Accept-Encoding"), "also where none is taken");
    }
    assert_eq!(site.get("/all.html", &[]).field("content-encoding"), None);
    for refused in ["identity;q=0", "br, identity;q=0", "*;q=0"] {
        let response = site.get("/one.html", &[("Accept-Encoding", refused)]);
        assert_eq!(response.status, 406, "{refused}");
    }
    let itself = site.get("/one.html.gz", &[("Accept-Encoding", "gzip")]);
    assert_eq!(itself.field("content-type"), Some("application/gzip"));
    assert_eq!((itself.field("content-encoding"), itself.field("vary")), (None, None));
}

#[test]
fn a_compressed_file_has_tags_and_ranges_of_its_own() {
    let site = Site::new();
    site.write("a.html", "0123456789");
    site.write("a.html.gz", "abcdef");
    let gzip = ("Accept-Encoding", "gzip");
    let packed = site.get("/a.html", &[gzip]).field("etag").unwrap().to_owned();
    let plain = site.tag("/a.html");
    assert_ne!(packed, plain);
    let part = site.get("/a.html", &[gzip, ("Range", "bytes=1-2")]);
    assert_eq!((part.status, part.text()), (206, "bc"));
    assert_eq!(part.field("content-range"), Some("bytes 1-2/6"));
    assert_eq!(part.field("content-encoding"), Some("gzip"));
    assert_eq!(part.field("vary"), Some("Accept-Encoding"));
    assert_eq!(part.field("etag"), Some(&*packed));
    let beyond = site.get("/a.html", &[gzip, ("Range", "bytes=7-")]);
    assert_eq!((beyond.status, beyond.field("content-range")), (416, Some("bytes */6")));
    // Who has the one and may get the other has not what it gets.
    assert_eq!(site.get("/a.html", &[gzip, ("If-None-Match", &plain)]).status, 200);
    assert_eq!(site.get("/a.html", &[gzip, ("If-None-Match", &packed)]).status, 304);
    let mixed = [gzip, ("Range", "bytes=0-1"), ("If-Range", &plain)];
    assert_eq!(site.get("/a.html", &mixed).status, 200);
    let known = site.get("/a.html", &[gzip, ("If-None-Match", "*")]);
    assert_eq!(known.field("vary"), Some("Accept-Encoding"), "a 304 varies as its 200 does");
}

#[test]
fn types_are_told_and_not_guessed() {
    let site = Site::new();
    let cases = [
        ("a.html", "text/html; charset=utf-8"),
        ("a.css", "text/css; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.json", "application/json"),
        ("a.svg", "image/svg+xml"),
        ("a.wasm", "application/wasm"),
        ("A.PNG", "image/png"),
        ("noext", "application/octet-stream"),
        ("a.unheard-of", "application/octet-stream"),
    ];
    for (name, media_type) in cases {
        site.write(name, "<html>");
        let response = site.get(&format!("/{name}"), &[]);
        assert_eq!(response.field("content-type"), Some(media_type), "{name}");
        assert_eq!(response.field("x-content-type-options"), Some("nosniff"), "{name}");
    }
    let missing = site.get("/none", &[]);
    assert_eq!(missing.field("content-type"), Some("text/plain; charset=utf-8"));
}

/// What clients write is one path or none, and never one outside of the root.
#[test]
fn paths() {
    let site = Site::new();
    for name in ["a.txt", "sp ace", "a+b", "é.txt", "per%cent", "dir/index.html", "dir/a.txt"] {
        site.write(name, name);
    }
    let cases: &[(&str, u16, &str)] = &[
        ("/sp%20ace", 200, "sp ace"),
        ("/a+b", 200, "a+b"),
        ("/a%2Bb", 200, "a+b"),
        ("/a%2bb", 200, "a+b"),
        ("/%c3%a9.txt", 200, "é.txt"),
        ("/per%25cent", 200, "per%cent"),
        ("/%61.txt", 200, "a.txt"),
        ("/a.txt?x=1", 200, "a.txt"),
        ("/a.txt?", 200, "a.txt"),
        ("/dir/", 200, "dir/index.html"),
        ("/dir/./", 200, "dir/index.html"),
        ("/dir/../a.txt", 200, "a.txt"),
        ("/dir/%2e%2e/a.txt", 200, "a.txt"),
        ("/dir//a.txt", 200, "dir/a.txt"),
        ("//a.txt", 200, "a.txt"),
        ("http://a/a.txt", 200, "a.txt"),
        // A plus is no space, and an escape is decoded once.
        ("/sp+ace", 404, ""),
        ("/%2561.txt", 404, ""),
        ("/%252e%252e/a.txt", 404, ""),
        ("/dir%2Findex.html", 404, ""),
        ("/dir/..%2fa.txt", 404, ""),
        ("/..%5ca.txt", 404, ""),
        // A file is no directory.
        ("/a.txt/", 404, ""),
        ("/a.txt/.", 404, ""),
        ("/a.txt/..", 404, ""),
        ("/none", 404, ""),
        ("/none/", 404, ""),
        ("/A.TXT", 404, ""),
        ("/../etc/passwd", 400, ""),
        ("/%2e%2e/etc/passwd", 400, ""),
        ("/%2e%2e%2fetc%2fpasswd", 404, ""),
        ("/dir/../../etc/passwd", 400, ""),
        ("/%00", 400, ""),
        ("/a.txt%00.html", 400, ""),
        ("/a%0ab", 400, ""),
        ("/é.txt", 400, ""),
        ("/a b", 400, ""),
        ("/a.txt#x", 400, ""),
    ];
    for (path, status, body) in cases {
        let response = site.get(path, &[]);
        assert_eq!(response.status, *status, "{path}");
        if *status == 200 {
            assert_eq!(response.text(), *body, "{path}");
        }
    }
    let long = format!("/{}", "a".repeat(256));
    assert_eq!(site.status(&long), 404);
    assert_eq!(site.status(&"/a".repeat(3000)), 404);
}

/// What is no escape is no path; that a `%` without digits is refused and not taken literally is
/// what RFC 3986 2.4 has.
#[test]
fn escapes_that_are_none() {
    let site = Site::new();
    site.write("%zz", "");
    for path in ["/%zz", "/%", "/%4"] {
        assert_eq!(site.status(path), 400, "{path}");
    }
}

#[test]
fn a_missing_slash_is_added_and_nothing_else() {
    let site = Site::new();
    for folder in ["dir", "a b", "é", "evil.com", "dir/deep"] {
        site.write(&format!("{folder}/index.html"), folder);
    }
    let cases = [
        ("/dir", "/dir/"),
        ("/dir?q=1", "/dir/?q=1"),
        ("/dir?", "/dir/?"),
        ("/dir/deep?a=/b&c=%2F", "/dir/deep/?a=/b&c=%2F"),
        ("/a%20b", "/a%20b/"),
        ("/%c3%a9", "/%C3%A9/"),
        ("//dir", "/dir/"),
        ("///dir", "/dir/"),
        ("//evil.com", "/evil.com/"),
        ("/.//evil.com", "/evil.com/"),
        ("//evil.com/../dir", "/dir/"),
        ("//evil.com/%2e%2e/dir", "/dir/"),
        ("/dir/..//evil.com", "/evil.com/"),
        ("http://a/dir", "/dir/"),
    ];
    for (path, location) in cases {
        let response = site.get(path, &[]);
        assert_eq!(response.status, 301, "{path}");
        assert_eq!(response.field("location"), Some(location), "{path}");
    }
    assert_eq!(site.status("//evil.com/..%2fdir"), 404);
    assert_eq!(site.status("/%5cevil.com/.."), 404, "it may be a slash to a browser");
}

#[test]
fn hidden_files_are_hidden() {
    let mut site = Site::new();
    let hidden =
        [".hidden", ".git/config", "dir/.env", "dir/.well-known/x", ".well-known/.x", "..txt"];
    for name in hidden {
        site.write(name, "secret");
    }
    site.write(".well-known/security.txt", "seen");
    for name in hidden {
        assert_eq!(site.status(&format!("/{name}")), 404, "{name}");
        assert_eq!(site.status(&format!("/{}", name.replace('.', "%2E"))), 404, "{name}");
    }
    assert_eq!(site.get("/.well-known/security.txt", &[]).text(), "seen");
    site.restart(&["--hidden"]);
    for name in hidden {
        assert_eq!(site.get(&format!("/{name}"), &[]).text(), "secret", "{name}");
    }
}

#[test]
fn links_lead_where_they_lead_inside_and_nowhere_else() {
    let site = Site::new();
    let outside = Scratch::new();
    fs::write(outside.path("secret"), "secret").unwrap();
    site.write("a.txt", "a");
    site.write("dir/index.html", "dir");
    let link = |target: &str, name: &str| symlink(target, site.root.path(name)).unwrap();
    link("a.txt", "relative");
    link(site.root.path("a.txt").to_str().unwrap(), "absolute");
    link("../a.txt", "dir/up");
    link("dir", "folder");
    link(outside.path("secret").to_str().unwrap(), "out");
    link(outside.folder().to_str().unwrap(), "outfolder");
    link("../../../../../../etc/passwd", "climbs");
    link("/proc/self/root/etc/passwd", "magic");
    link("loop", "loop");
    link("gone", "dangling");
    for path in ["/relative", "/absolute", "/dir/up"] {
        assert_eq!(site.get(path, &[]).text(), "a", "{path}");
    }
    assert_eq!(site.get("/folder", &[]).field("location"), Some("/folder/"));
    assert_eq!(site.get("/folder/", &[]).text(), "dir");
    for path in
        ["/out", "/outfolder", "/outfolder/", "/outfolder/secret", "/climbs", "/magic", "/loop"]
    {
        assert_eq!(site.status(path), 404, "{path}");
    }
    assert_eq!(site.status("/dangling"), 404);
}

/// Whoever opens a FIFO waits for the other end, as long as it takes.
#[test]
fn what_is_no_file_is_not_found_at_once() {
    let watch = Stopwatch::start();
    let site = Site::new();
    let folder = File::open(site.root.folder()).unwrap();
    mknodat(&folder, "fifo", FileType::Fifo, Mode::RWXU, 0).unwrap();
    let _listener = UnixListener::bind(site.root.path("socket")).unwrap();
    fs::create_dir_all(site.root.path("empty")).unwrap();
    fs::create_dir_all(site.root.path("odd/index.html")).unwrap();
    mknodat(CWD, site.root.path("empty/index.html"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    for path in ["/fifo", "/socket", "/empty/", "/odd/", "/", "/fifo/"] {
        assert_eq!(site.status(path), 404, "{path}");
    }
    // What is beside a file and none of the things it could be is nothing.
    site.write("a.txt", "a");
    mknodat(&folder, "a.txt.gz", FileType::Fifo, Mode::RWXU, 0).unwrap();
    assert_eq!(site.get("/a.txt", &[("Accept-Encoding", "gzip")]).text(), "a");
    assert!(watch.elapsed() < Duration::from_secs(10), "{:?}", watch.elapsed());
}

#[test]
fn what_must_not_be_read_is_not_found() {
    if rustix::process::geteuid().is_root() {
        println!("skipped: root may read everything");
        return;
    }
    let site = Site::new();
    site.write("a.txt", "secret");
    fs::set_permissions(site.root.path("a.txt"), Permissions::from_mode(0o000)).unwrap();
    assert_eq!(site.status("/a.txt"), 404);
}

#[test]
fn methods() {
    let site = Site::new();
    site.write("a.txt", "a");
    let allowed = Some("GET, HEAD, OPTIONS");
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE"] {
        for path in ["/a.txt", "/none", "/"] {
            let response = site.ask(&request(method, path, &[]));
            assert_eq!((response.status, response.field("allow")), (405, allowed), "{method}");
        }
    }
    for path in ["/a.txt", "*"] {
        let response = site.ask(&request("OPTIONS", path, &[]));
        assert_eq!((response.status, response.field("allow")), (204, allowed), "{path}");
    }
    assert_eq!(site.ask(&request("FOO", "/a.txt", &[])).status, 501);
    assert_eq!(site.ask(&request("get", "/a.txt", &[])).status, 501);
}

#[test]
fn an_empty_file_is_a_file() {
    let site = Site::new();
    site.write("empty.txt", "");
    let response = site.get("/empty.txt", &[]);
    assert_eq!((response.status, response.text()), (200, ""));
    assert_eq!(response.field("content-length"), Some("0"));
    let tag = response.field("etag").unwrap();
    assert_eq!(site.get("/empty.txt", &[("If-None-Match", tag)]).status, 304);
    for range in ["bytes=0-0", "bytes=0-", "bytes=-1"] {
        let response = site.get("/empty.txt", &[("Range", range)]);
        let told = response.field("content-range");
        assert!(
            (response.status, told) == (416, Some("bytes */0")) || response.status == 200,
            "{range}: {response:?}"
        );
    }
}

/// The largest file that is held and the smallest that is not, and several pieces of one.
#[test]
fn at_the_largest_object_and_above() {
    let site = Site::with(&["--max-object", "100000"]);
    for length in [99_999_usize, 100_000, 100_001, 300_000] {
        let content: Vec<u8> = (0..length).map(|at| b"0123456789a"[at % 11]).collect();
        let name = format!("{length}.txt");
        site.write(&format!("copy-{name}"), &content);
        site.write(&name, &content);
        let path = format!("/{name}");
        let response = site.get(&path, &[]);
        assert_eq!(response.body, content);
        assert_eq!(response.field("content-length"), Some(&*length.to_string()));
        let last = format!("bytes={}-", length - 70_000);
        assert_eq!(site.get(&path, &[("Range", &last)]).body, content[length - 70_000..]);
        let both = site.get(&path, &[("Range", "bytes=1-70000,-1")]);
        let expected = [content[1..=70_000].to_vec(), content[length - 1..].to_vec()];
        assert_eq!(parts(&both).into_iter().map(|(_, bytes)| bytes).collect::<Vec<_>>(), expected);
        let tag = response.field("etag").unwrap();
        assert_eq!(site.get(&path, &[("If-None-Match", tag)]).status, 304);
        let is_of_content = site.tag(&format!("/copy-{name}")) == tag;
        assert_eq!(is_of_content, length <= 100_000, "{length}: what the tag is made of");
    }
}

/// What is sent of a file of 200,000 times `a` that is changed after the first piece, and the state
/// that leads to.
fn sent_across(change: impl Fn(&Path)) -> (Vec<u8>, &'static str) {
    let site = Site::with(&["--max-object", "1000"]);
    site.write("a.txt", [b'a'; 200_000]);
    let mut driver = site.driver();
    driver.input(request("GET", "/a.txt", &[]).as_bytes());
    driver.run_jobs();
    driver.drained();
    driver.run_jobs();
    let mut sent = driver.sent();
    assert!(sent.ends_with(b"a") && sent.len() < 200_000, "a first piece");
    change(&site.root.path("a.txt"));
    for _ in 0..8 {
        if driver.state() == "Streaming" {
            driver.drained();
        }
        driver.run_jobs();
        sent.extend(driver.sent());
    }
    (sent, driver.state())
}

/// Nobody can send the bytes that were promised any more, and nobody may take others for them.
#[test]
fn a_file_that_changes_while_it_is_sent_ends_the_connection() {
    let open = |path: &Path| OpenOptions::new().write(true).open(path).unwrap();
    let rewrite = |path: &Path| open(path).write_all_at(&[b'b'; 200_000], 0).unwrap();
    let append = |path: &Path| open(path).write_all_at(b"b", 200_000).unwrap();
    let truncate = |path: &Path| open(path).set_len(70_000).unwrap();
    let changes: [&dyn Fn(&Path); 3] = [&rewrite, &append, &truncate];
    for change in changes {
        let (sent, state) = sent_across(change);
        assert_eq!(state, "Gone");
        assert!(sent.ends_with(b"a") && sent.len() < 200_000, "{}", sent.len());
    }
}

#[test]
fn a_file_that_is_replaced_while_it_is_sent_is_sent_to_its_end() {
    let replace = |path: &Path| {
        fs::write(path.with_extension("new"), [b'b'; 200_000]).unwrap();
        fs::rename(path.with_extension("new"), path).unwrap();
    };
    for change in [&replace as &dyn Fn(&Path), &|path| fs::remove_file(path).unwrap()] {
        let (sent, state) = sent_across(change);
        assert_eq!(state, "Idle");
        assert!(Response::only(&sent, false).body == [b'a'; 200_000]);
    }
}

#[test]
fn dates_that_mean_nothing_are_not_told() {
    let site = Site::new();
    let cases = [
        (Duration::ZERO, None),
        (Duration::from_secs(1), None),
        (Duration::from_secs(2), Some("Thu, 01 Jan 1970 00:00:02 GMT")),
        // What will have been changed has been changed now (RFC 9110 8.8.2.1).
        (NOW + Duration::from_secs(1_000_000), Some("Wed, 18 May 2033 03:33:20 GMT")),
    ];
    for (at, (modified, told)) in cases.into_iter().enumerate() {
        let name = format!("{at}.txt");
        site.write(&name, "a");
        site.touch(&name, UNIX_EPOCH + modified);
        let path = format!("/{name}");
        let response = site.get(&path, &[]);
        assert_eq!(response.field("last-modified"), told);
        let tag = response.field("etag").expect("a tag all the same");
        assert_eq!(site.get(&path, &[("If-None-Match", tag)]).status, 304);
        let since = ("If-Modified-Since", "Wed, 18 May 2033 03:33:20 GMT");
        let known = if told.is_some() { 304 } else { 200 };
        assert_eq!(site.get(&path, &[since]).status, known, "{modified:?}");
    }
}

#[test]
fn the_first_rule_that_fits_is_the_cache_control() {
    let site = Site::with(&[
        "--cache-control",
        ".css:max-age=60",
        "--cache-control",
        "special.js:no-store",
        "--cache-control",
        ".js:max-age=31536000, immutable",
        "--cache-control",
        "no-cache",
    ]);
    let cases = [
        ("a.css", "max-age=60"),
        ("special.js", "no-store"),
        ("a.js", "max-age=31536000, immutable"),
        ("a.html", "no-cache"),
    ];
    for (name, value) in cases {
        site.write(name, "a");
        let path = format!("/{name}");
        let whole = site.get(&path, &[]);
        let part = site.get(&path, &[("Range", "bytes=0-0")]);
        let known = site.get(&path, &[("If-None-Match", "*")]);
        for (response, status) in [(whole, 200), (part, 206), (known, 304)] {
            assert_eq!(response.status, status);
            assert_eq!(response.field("cache-control"), Some(value), "{name} {status}");
        }
    }
    assert_eq!(site.get("/none", &[]).field("cache-control"), None);
}

#[test]
fn a_directory_is_listed_where_that_was_asked_for() {
    let mut site = Site::new();
    site.write("folder/b & c.txt", "12345");
    site.write("folder/a.txt", "1");
    site.write("folder/.hidden", "");
    site.write("folder/below/d.txt", "");
    site.write("index/index.html", "an index");
    let link = |target: &str, name: &str| symlink(target, site.root.path(name)).unwrap();
    link("a.txt", "folder/to-a");
    link("../index", "folder/to-index");
    link("/etc/passwd", "folder/to-elsewhere");
    site.write("folder/back\\slash", "");
    site.write("folder/newline\n", "");
    assert_eq!(site.status("/folder/"), 404);
    site.restart(&["--list"]);
    let page = site.get("/folder/", &[]);
    assert_eq!((page.status, page.field("cache-control")), (200, Some("no-cache")));
    assert_eq!(page.field("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.field("content-security-policy").unwrap().starts_with("default-src 'none'"));
    let at = |text: &str| page.text().find(text).unwrap_or_else(|| panic!("no {text}"));
    assert!(at("below/") < at("a.txt") && at("a.txt") < at("b%20%26%20c.txt"));
    assert!(!page.text().contains(".hidden") && page.text().contains("b &amp; c.txt"));
    assert!(page.text().contains("./to-a\"") && page.text().contains("./to-index/\""));
    for hidden in ["to-elsewhere", "slash", "newline"] {
        assert!(!page.text().contains(hidden), "{hidden}: what cannot be got is not listed");
    }
    let sorted = site.get("/folder/?sort=size&order=desc", &[]);
    let names = ["b%20%26%20c.txt", "a.txt"].map(|name| sorted.text().find(name));
    assert!(names[0] < names[1], "{names:?}");
    let json = site.get("/folder/?format=json", &[]);
    assert_eq!(json.field("content-type"), Some("application/json"));
    assert!(
        json.text().contains(r#""name":"b & c.txt","type":"file","size":5"#),
        "{}",
        json.text()
    );
    assert_eq!(site.get("/folder", &[]).field("location"), Some("/folder/"));
    assert_eq!(site.get("/index/", &[]).text(), "an index");
    site.restart(&["--list", "--hidden"]);
    assert!(site.get("/folder/", &[]).text().contains(".hidden"));
}

#[test]
fn a_list_that_leaves_names_out_says_so() {
    const MOST: usize = 10_000;
    let site = Site::with(&["--list", "--slow-slice", "10s"]);
    (0..MOST).for_each(|number| site.write(&format!("{number}.txt"), ""));
    let whole = site.get("/", &[]);
    assert!(!whole.text().contains("There is more") && whole.field("list-is-cut").is_none());
    site.write("one more", "");
    // Between two askings the list may become another one, so that each is alone here.
    let once = || Response::only(&site.raw(request("GET", "/", &[]).as_bytes()), false);
    eventually(PATIENCE, "the new list is there", || {
        once().text().contains("There is more:</b> no more than 10,000 are listed.")
    });
    let json = site.get("/?format=json", &[]);
    assert_eq!(json.field("list-is-cut"), Some("true"));
    let known = site.get("/?format=json", &[("If-None-Match", json.field("etag").unwrap())]);
    assert_eq!((known.status, known.field("list-is-cut")), (304, Some("true")));
    assert_eq!(json.text().matches("\"name\"").count(), MOST);
}

/// More entries than are put in order while others wait.
#[test]
fn a_long_list_is_drawn_elsewhere() {
    let site = Site::with(&["--list"]);
    for number in 0..150 {
        site.write(&format!("{number}.txt"), "");
    }
    let page = site.get("/", &[]);
    assert!((0..150).all(|number| page.text().contains(&format!("{number}.txt"))));
    // Nor does it need the pool, whose threads may all wait for a disk.
    let mut driver = site.driver();
    driver.pool_room(0);
    let mut ask = |path| {
        driver.input(request("GET", path, &[]).as_bytes());
        let mut sent = driver.sent();
        eventually(PATIENCE, "it is drawn", || {
            driver.answers();
            sent.extend(driver.sent());
            !sent.is_empty()
        });
        Response::only(&sent, false)
    };
    assert_eq!(ask("/").text(), page.text());
    assert_eq!(ask("/?sort=size").status, 200);
    // The other thread may be done before anybody looks, though hardly every time.
    let is_waited_for = |_| {
        let mut driver = site.driver();
        driver.input(request("GET", "/", &[]).as_bytes());
        driver.state() == "Working"
    };
    assert!((0..100).any(is_waited_for));
}

/// A list changes with every name, and says so with its tag; the client need not load it again.
#[test]
fn a_list_has_conditions() {
    let site = Site::with(&["--list"]);
    site.write("a.txt", "");
    let whole = site.get("/", &[]);
    let tag = whole.field("etag").expect("it has one").to_owned();
    let known = site.get("/", &[("If-None-Match", &tag)]);
    assert_eq!((known.status, known.field("etag"), known.text()), (304, Some(&*tag), ""));
    assert_eq!(known.field("cache-control"), Some("no-cache"));
    assert_eq!(site.get("/", &[("If-Match", &tag)]), whole);
    assert_eq!(site.get("/", &[("If-None-Match", "\"other\"")]), whole);
    assert_eq!(site.get("/", &[("If-Match", "\"other\"")]).status, 412);
    assert_ne!(site.tag("/?format=json"), tag);
    assert_ne!(site.tag("/?sort=size"), tag);
    // A date is none of what it has.
    assert_eq!(site.get("/", &[("If-Modified-Since", "Fri, 31 Dec 2100 23:59:59 GMT")]), whole);
}

/// The same bytes are not the same where they have to be decoded first (RFC 9110 8.8.3.3).
#[test]
fn no_two_codings_share_a_tag() {
    for size in ["1048576", "1"] {
        let site = Site::with(&["--max-object", size]);
        site.write("a", "bytes");
        for suffix in ["gz", "br", "zst"] {
            fs::hard_link(site.root.path("a"), site.root.path(&format!("a.{suffix}"))).unwrap();
        }
        let tags = ["identity", "gzip", "br", "zstd"].map(|coding| {
            let got = site.get("/a", &[("Accept-Encoding", coding)]);
            assert_eq!(got.text(), "bytes");
            got.field("etag").expect("it has one").to_owned()
        });
        let all: HashSet<_> = tags.iter().collect();
        assert_eq!(all.len(), tags.len(), "{tags:?}");
    }
}
