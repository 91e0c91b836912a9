//! The vectors of Http11Probe against the server that says back what it was told. Nothing of them
//! stands here: they lie beside the project, and where they do not, the test says that it skipped.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fsm_tests::child::Served;
use fsm_tests::client::{Client, PATIENCE};
use serde_json::Value;

/// The scored vectors there are, so that a file that was cut short is noticed.
const SCORED: usize = 161;

/// How many must pass; the others may be warned of and none may fail.
const PASSES: usize = 150;

/// Clients at once: most of their time is spent waiting for nothing to come.
const CLIENTS: usize = 32;

/// After so long without a byte no response is taken to come. What is answered at all is answered
/// within a millisecond, so this leaves room for a machine that has other things to do.
const SILENCE: Duration = Duration::from_secs(2);

/// So long a connection stays open behind a response that does not say that it closes, or it is
/// taken to.
const LINGERING: Duration = Duration::from_millis(150);

/// One vector wants 400 or silence where a body of 999,999,999 bytes is promised and does not come,
/// and would fail a 413, which is as good: so the server takes bodies as long as that.
const ARGUMENTS: &[&str] = &["--listen", "127.0.0.1:0", "--max-body", "1000000000"];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Pass,
    Warn,
    Fail,
}

/// What came of a connection.
#[derive(Debug, Default)]
struct Heard {
    bytes: Vec<u8>,
    /// The server has ended the connection.
    is_closed: bool,
}

/// The first response of a connection.
struct Response<'a> {
    status: u64,
    fields: Vec<(String, &'a [u8])>,
    body: &'a [u8],
}

#[test]
fn no_vector_fails() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors/http11probe.json");
    let Ok(text) = fs::read(&path) else {
        println!("skipped: there are no vectors beside the project");
        return;
    };
    let vectors: Value = serde_json::from_slice(&text).expect("the vectors are JSON");
    let tests = vectors["tests"].as_array().expect("a list of tests").iter();
    let scored: Vec<&Value> = tests.filter(|test| test["scored"] == true).collect();
    assert_eq!(scored.len(), SCORED, "the vectors are not those that are known");

    let served = Served::start(env!("CARGO_BIN_EXE_http_echo"), ARGUMENTS);
    let judged = judge_all(&scored, served.address());
    assert_eq!(served.terminate().code, Some(0), "the server ends in good order");

    let mut names: BTreeMap<Verdict, Vec<&str>> = BTreeMap::new();
    for (name, verdict) in judged {
        names.entry(verdict).or_default().push(name);
    }
    let count = |verdict| names.get(&verdict).map_or(0, Vec::len);
    let (passes, fails) = (count(Verdict::Pass), count(Verdict::Fail));
    let mut told = format!("pass {passes}, warn {}, fail {fails}", count(Verdict::Warn));
    for (verdict, names) in names.range(Verdict::Warn..) {
        let _ = write!(told, "\n{verdict:?}: {}", names.join(" "));
    }
    println!("{told}");
    assert!(fails == 0 && passes >= PASSES, "{told}");
}

/// Judges all tests, several at a time.
fn judge_all<'a>(tests: &[&'a Value], address: &str) -> Vec<(&'a str, Verdict)> {
    let share = |first| {
        let tests = tests.iter().skip(first).step_by(CLIENTS);
        tests.map(|test| (name_of(test), judge(test, address))).collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|first| scope.spawn(move || share(first))).collect();
        clients.into_iter().flat_map(|client| client.join().expect("no test panics")).collect()
    })
}

fn name_of(test: &Value) -> &str {
    test["id"].as_str().expect("a test has a name")
}

fn judge(test: &Value, address: &str) -> Verdict {
    let mut client = Client::connect(address);
    match test["kind"].as_str() {
        Some("single") => {
            let request = bytes_of(test);
            client.try_send(&request);
            judge_single(test, &request, &hear(&client))
        }
        Some("sequence") => judge_sequence(test, &mut client),
        kind => panic!("{}: no such kind as {kind:?}", name_of(test)),
    }
}

/// The table of the test, by how the connection was left and by the status; where that leaves two
/// verdicts, what was said decides.
fn judge_single(test: &Value, request: &[u8], heard: &Heard) -> Verdict {
    let response = Response::parse(&heard.bytes);
    let end = match (heard.is_closed, &response) {
        (true, _) => "ClosedByServer",
        (false, Some(_)) => "Open",
        (false, None) => "TimedOut",
    };
    let status = response.as_ref().map(|response| response.status);
    let verdicts = test["verdicts"][end].as_object().expect("a verdict for each end");
    let found = verdicts.iter().find(|(_, when)| covers(when, status));
    let (verdict, _) = found.expect("a verdict for each status");

    let wants_echo = test["expected"].as_str().is_some_and(|text| text.contains("echo"));
    let is_success = status.is_some_and(|status| (200..300).contains(&status));
    let is_open = verdict.contains('|') || wants_echo && is_success;
    match response {
        Some(response) if is_open => {
            let otherwise = if verdict.contains("Warn") { Verdict::Warn } else { Verdict::Fail };
            if is_right(name_of(test), request, &response) { Verdict::Pass } else { otherwise }
        }
        _ => match verdict.as_str() {
            "Pass" => Verdict::Pass,
            "Warn" => Verdict::Warn,
            _ => Verdict::Fail,
        },
    }
}

/// Tells whether a column of the table is that of the status, or of none.
fn covers(when: &Value, status: Option<u64>) -> bool {
    let Some(status) = status else { return when["none"] == true };
    let mut ranges = when["ranges"].as_array().into_iter().flatten();
    ranges.any(|range| {
        let bound = |at: usize| range[at].as_u64().expect("a status is a number");
        (bound(0)..=bound(1)).contains(&status)
    })
}

/// What the tests ask of fields and bodies.
fn is_right(name: &str, request: &[u8], response: &Response<'_>) -> bool {
    match name {
        "COMP-405-ALLOW" | "COMP-OPTIONS-ALLOW" => response.has("allow"),
        "COMP-DATE-HEADER" => response.has("date"),
        "COMP-CONTENT-TYPE" => response.has("content-type"),
        "COMP-HEAD-NO-BODY" => response.body.is_empty(),
        _ => response.body == body_of(request),
    }
}

/// Sends the steps on one connection. All of these want their first message refused, and nothing
/// of it taken for another; some take an answer instead, if the connection closes behind it.
fn judge_sequence(test: &Value, client: &mut Client) -> Verdict {
    let mut heard = Heard::default();
    for step in test["steps"].as_array().expect("a list of steps") {
        for part in step["parts"].as_array().expect("a list of parts") {
            let delay = part["delay_ms"].as_u64().expect("a delay is a number");
            thread::sleep(Duration::from_millis(delay));
            client.try_send(&bytes_of(part));
        }
        let more = hear(client);
        heard.bytes.extend_from_slice(&more.bytes);
        heard.is_closed |= more.is_closed;
    }
    let takes_answers = test["expected"].as_str().is_some_and(|text| text.contains("2xx + close"));
    let is_fine = match Response::parse(&heard.bytes) {
        None => heard.bytes.is_empty(),
        Some(first) => {
            let is_last = first.body.as_ptr_range().end == heard.bytes.as_ptr_range().end;
            let is_taken = takes_answers && (200..300).contains(&first.status);
            is_last && (first.status == 400 || is_taken)
        }
    };
    if is_fine && heard.is_closed { Verdict::Pass } else { Verdict::Fail }
}

fn bytes_of(part: &Value) -> Vec<u8> {
    let text = part["b64"].as_str().expect("a part has bytes");
    STANDARD.decode(text).expect("bytes are in Base64")
}

/// Reads until the first response is whole, and then whether the connection ends.
fn hear(client: &Client) -> Heard {
    let mut heard = Heard::default();
    while !heard.is_closed {
        let patience = match Response::parse(&heard.bytes) {
            None => SILENCE,
            Some(response) if response.closes() => PATIENCE,
            Some(_) => LINGERING,
        };
        client.stream().set_read_timeout(Some(patience)).expect("a socket has options");
        let mut buffer = [0; 4096];
        match client.stream().read(&mut buffer) {
            Ok(0) => heard.is_closed = true,
            Ok(count) => heard.bytes.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(_) => heard.is_closed = true,
        }
    }
    heard
}

impl<'a> Response<'a> {
    /// The response at the front of the bytes, where it is whole.
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut places = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Response::new(&mut places);
        let parsed = head.parse(bytes).expect("the server answers in HTTP");
        let httparse::Status::Complete(at) = parsed else { return None };
        let status = head.code?.into();
        let fields: Vec<_> = head
            .headers
            .iter()
            .map(|field| (field.name.to_ascii_lowercase(), field.value))
            .collect();
        let length = fields.iter().find(|(name, _)| name == "content-length");
        let length = length.and_then(|(_, value)| std::str::from_utf8(value).ok()?.parse().ok());
        // A response to HEAD has a length and no bytes, and is the only one here without them.
        let rest = &bytes[at..];
        let body = match length {
            Some(length) if length <= rest.len() => &rest[..length],
            Some(_) if !rest.is_empty() => return None,
            _ => &rest[..0],
        };
        Some(Self { status, fields, body })
    }

    fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(of, value)| of == name && !value.is_empty())
    }

    fn closes(&self) -> bool {
        self.fields.iter().any(|(name, value)| name == "connection" && *value == b"close")
    }
}

/// The body that a whole request brings, by its length or by its chunks.
fn body_of(request: &[u8]) -> Vec<u8> {
    let head = request.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head") + 4;
    let (head, mut rest) = request.split_at(head);
    if !head.to_ascii_lowercase().windows(7).any(|bytes| bytes == b"chunked") {
        return rest.to_vec();
    }
    let mut body = Vec::new();
    loop {
        let size = httparse::parse_chunk_size(rest).expect("a size comes next");
        let httparse::Status::Complete((at, size)) = size else { panic!("a size is missing") };
        if size == 0 {
            return body;
        }
        let end = at + usize::try_from(size).expect("a small chunk");
        body.extend_from_slice(&rest[at..end]);
        rest = &rest[end + 2..];
    }
}
