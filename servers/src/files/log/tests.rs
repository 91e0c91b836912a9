//! The log as a whole: its thread, its files, and what goes wrong with them.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender};
use std::time::UNIX_EPOCH;
use std::{env, fs, process};

use fsm_runtime::testing::Driver;
use fsm_runtime::{OperationError, Peer};
use http::Method;
use tracing_subscriber::fmt;

use super::*;
use crate::http::{Answer, Client, Exchange, Handler, Http, Limits, Refusal, Request, Shared};

const STATUS: StatusCode = StatusCode::OK;

fn said(line: &str) -> Said<'_> {
    Said { line: line.as_bytes(), referer: None, user_agent: None }
}

/// A path of this test's own, at which nothing is.
fn path_of(name: &str) -> PathBuf {
    let path = env::temp_dir().join(format!("access-log-{}-{name}", process::id()));
    let _ = fs::remove_file(&path);
    path
}

fn say(lines: &mut Lines, target: &str) {
    let mut note = Note::new(Format::Combined, &Peer::Unix);
    note.ask(&said(&format!("GET {target} HTTP/1.1")));
    lines.push(&mut note, STATUS, Some(1), UNIX_EPOCH);
}

#[test]
fn every_worker_is_written_before_the_end() {
    let path = path_of("end");
    let log = Log::open(&path, Format::Combined).unwrap();
    let mut workers = [log.lines(), log.lines()];
    for round in 0..100 {
        say(&mut workers[round % 2], &format!("/{round}."));
    }
    drop(log);
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 100);
    for round in 0..100 {
        assert_eq!(text.matches(&format!("GET /{round}. ")).count(), 1);
    }
    fs::remove_file(&path).unwrap();
}

#[test]
fn lines_are_written_meanwhile() {
    let (out, written) = pipe();
    let log = Log::to(out, None, Format::Combined).unwrap();
    let mut lines = log.lines();
    say(&mut lines, "/now");
    let text = written.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(text.contains("GET /now "), "{text}");
    drop(log);
}

#[test]
fn a_file_that_was_moved_away_is_opened_anew() {
    let (path, moved) = (path_of("reopened"), path_of("moved"));
    let log = Log::open(&path, Format::Combined).unwrap();
    let mut lines = log.lines();
    fs::rename(&path, &moved).unwrap();
    low_level::raise(SIGUSR1).unwrap();
    for _ in 0..1000 {
        if path.exists() {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    say(&mut lines, "/after");
    drop(log);
    assert!(fs::read_to_string(&path).unwrap().contains("GET /after "));
    assert_eq!(fs::read_to_string(&moved).unwrap(), "");
    fs::remove_file(&path).unwrap();
    fs::remove_file(&moved).unwrap();
}

#[test]
fn a_note_is_used_once() {
    let (mut writer, buffers, written) = writer();
    let mut lines = lines_of(&buffers);
    let mut note = Note::new(Format::Combined, &Peer::Unix);
    note.ask(&said("GET /once HTTP/1.1"));
    lines.push(&mut note, STATUS, None, UNIX_EPOCH);
    lines.push(&mut note, StatusCode::BAD_REQUEST, None, UNIX_EPOCH);
    writer.round();
    let text = written.try_recv().unwrap();
    assert_eq!(text.matches("/once").count(), 1);
    assert!(text.ends_with("\"-\" 400 - \"-\" \"-\"\n"), "{text}");
}

#[test]
fn a_worker_that_has_ended_leaves_its_lines_and_nothing_else() {
    let (mut writer, buffers, written) = writer();
    let mut lines = lines_of(&buffers);
    let _other = lines_of(&buffers);
    say(&mut lines, "/last");
    drop(lines);
    writer.round();
    assert!(written.try_recv().unwrap().contains("/last"));
    assert_eq!(lock(&buffers).len(), 1);
}

#[test]
fn what_has_no_room_is_dropped_and_counted() {
    let (mut writer, buffers, written) = writer();
    let mut lines = lines_of(&buffers);
    lock(&lines.buffer).lines.resize(BUFFER - 1, b'x');
    for target in ["/fits", "/gone", "/gone-too"] {
        say(&mut lines, target);
    }
    let warnings = warnings_of(|| writer.round());
    let text = written.try_recv().unwrap();
    assert!(text.contains("/fits") && !text.contains("/gone"));
    assert_eq!(warnings.matches("WARN").count(), 1);
    assert!(warnings.contains("dropped lines lines=2"), "{warnings}");
    say(&mut lines, "/again");
    writer.round();
    assert!(written.try_recv().unwrap().contains("/again"));
}

#[test]
fn a_failing_disk_is_warned_of_once_and_written_to_again() {
    let (mut writer, buffers, written) = writer();
    let mut lines = lines_of(&buffers);
    let mut round = |writer: &mut Writer, target| {
        say(&mut lines, target);
        warnings_of(|| writer.round())
    };
    let good = writer.replace_out(Box::new(Torn));
    let warnings = round(&mut writer, "/lost");
    assert!(warnings.contains("WARN") && warnings.contains("cannot be written"), "{warnings}");
    assert_eq!(round(&mut writer, "/lost"), "");
    writer.replace_out(good);
    assert_eq!(round(&mut writer, "/kept"), "");
    let text: String = written.try_iter().collect();
    assert!(text.starts_with("\nunix"), "half a line stays a line of its own: {text}");
    assert!(text.contains("/kept") && !text.contains("/lost"));
    writer.replace_out(Box::new(Torn));
    assert!(round(&mut writer, "/lost").contains("WARN"));
}

#[test]
fn a_full_disk_and_a_reader_that_hangs_keep_nobody() {
    let log = Log::open(Path::new("/dev/full"), Format::Json).unwrap();
    let mut lines = log.lines();
    say(&mut lines, "/");
    drop(log);
    let (release, hung) = mpsc::channel();
    let log = Log::to(Box::new(Hung(hung)), None, Format::Json).unwrap();
    let mut lines = log.lines();
    say(&mut lines, "/");
    drop(log);
    say(&mut lines, "/");
    drop(release);
}

#[test]
fn a_path_that_cannot_be_opened_is_said_at_once() {
    let path = path_of("no-folder").join("log");
    assert!(Log::open(&path, Format::Combined).is_err());
}

/// A server that answers nothing but writes its log.
struct Logging(Note);

impl Handler for Logging {
    const METHODS: &'static [Method] = &[Method::GET, Method::HEAD];
    type Shared = Lines;
    type Reply = Result<(), OperationError>;
    type Upload = ();
    type Body = ();

    fn asked(&mut self, request: &Request<'_>, _lines: &mut Lines) {
        self.0.ask(&Said::by(request));
    }

    fn answered(
        &mut self,
        status: StatusCode,
        bytes: Option<u64>,
        now: SystemTime,
        lines: &mut Lines,
    ) {
        lines.push(&mut self.0, status, bytes, now);
    }

    fn answer(
        &mut self,
        _request: &Request<'_>,
        exchange: Exchange<'_, '_, Self>,
    ) -> Result<Answer<Self>, Refusal> {
        Ok(exchange.respond(StatusCode::OK, &[], b"twelve bytes"))
    }
}

#[test]
fn what_clients_ask_and_get_is_in_the_log() {
    let (mut writer, buffers, written) = writer();
    let note = Note::new(Format::Combined, &Peer::Tcp(([127, 0, 0, 1], 4000).into()));
    let client = Client::new(Logging(note), &Limits::default().into());
    let shared = Shared::new(lines_of(&buffers));
    let mut driver = Driver::<Http<Logging>>::with_shared(client, shared);
    driver.time_of_day(Duration::from_secs(784_111_777));
    driver.input(
        b"GET /a?b HTTP/1.1\r\nHost: x\r\nREFERER:  http://x/ \r\nuser-agent: one\r\n\
        User-Agent: two\r\nRange: bytes=0-\r\nUpgrade: h2c\r\n\r\n",
    );
    driver.input(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
    driver.input(b"PUT / HTTP/1.1\r\nHost: x\r\n\r\n");
    driver.input(b"GET /\x1b HTTP/1.1\r\n\r\n");
    writer.round();
    let start = "127.0.0.1 - - [06/Nov/1994:08:49:37 +0000] ";
    let text = written.try_recv().unwrap();
    let lines: Vec<_> = text.lines().map(|line| line.strip_prefix(start).unwrap()).collect();
    assert_eq!(lines[0], "\"GET /a?b HTTP/1.1\" 200 12 \"http://x/\" \"one\"");
    assert_eq!(lines[1], "\"HEAD / HTTP/1.1\" 200 0 \"-\" \"-\"");
    assert!(lines[2].starts_with("\"PUT / HTTP/1.1\" 405 "), "{text}");
    assert!(lines[3].starts_with("\"-\" 400 "), "{text}");
    assert_eq!(lines.len(), 4);
}

/// A writer whose rounds the test makes.
fn writer() -> (Writer, Buffers, Receiver<String>) {
    let (out, written) = pipe();
    let buffers = Buffers::default();
    let is_due = Arc::new(AtomicBool::new(true));
    let writer = Writer::new(out, None, Arc::clone(&is_due), Arc::clone(&buffers));
    assert!(is_due.load(Ordering::Relaxed));
    (writer, buffers, written)
}

fn lines_of(buffers: &Buffers) -> Lines {
    let buffer = Arc::default();
    lock(buffers).push(Arc::clone(&buffer));
    Lines { buffer, clock: Clock::new(Format::Combined) }
}

struct Pipe(Sender<String>);

fn pipe() -> (Box<dyn Write + Send>, Receiver<String>) {
    let (sender, receiver) = mpsc::channel();
    (Box::new(Pipe(sender)), receiver)
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.send(String::from_utf8_lossy(bytes).into_owned());
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A disk with room for three bytes at a time, now and then.
struct Torn;

impl Write for Torn {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.starts_with(b"unix") { Ok(3) } else { Err(io::ErrorKind::StorageFull.into()) }
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A pipe whose reader has stopped.
struct Hung(Receiver<()>);

impl Write for Hung {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.recv();
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is warned of on this thread meanwhile.
fn warnings_of(work: impl FnOnce()) -> String {
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);
    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            lock(&self.0).extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let kept = Kept::default();
    let copy = kept.clone();
    let subscriber = fmt().with_writer(move || copy.clone()).with_ansi(false).finish();
    tracing::subscriber::with_default(subscriber, work);
    String::from_utf8(lock(&kept.0).clone()).unwrap()
}
