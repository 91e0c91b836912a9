//! The lines of the access log as text. What a client says is escaped here, so that nobody can
//! write a line that the server did not, nor speak to the terminal of who reads the log.

use std::io::Write as _;
use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fsm_runtime::Peer;
use http::StatusCode;
use httpdate::HttpDate;
use memchr::{memchr, memrchr};

use crate::http::Request;

/// The bytes of a field that are logged, before escapes. Longer ones are seen in attacks only, and
/// end in three dots. No more is logged of a line that was not understood; the target of another is
/// bounded by what the server takes at all.
const FIELD: usize = 1024;

/// The bytes that a connection keeps for its next request's line: most need less.
const KEPT: usize = 1024;

/// The last second of the year 9999: dates end there.
const LAST_SECOND: u64 = 253_402_300_799;

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// Apache's: `PEER - - [TIME] "REQUEST" STATUS BYTES "REFERER" "USER-AGENT"`.
    #[default]
    Combined,
    /// An object on each line: `peer`, `time`, `method`, `target`, `version`, `status`, `bytes`,
    /// `referer` and `user_agent`, with `null` for what is not known.
    Json,
}

/// What a request says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said<'a> {
    /// `GET /path HTTP/1.1`, as it was sent.
    pub line: &'a [u8],
    /// The page that leads here.
    pub referer: Option<&'a [u8]>,
    /// The client's program.
    pub user_agent: Option<&'a [u8]>,
}

impl<'a> Said<'a> {
    /// What the head of a request says.
    #[must_use]
    pub fn by(request: &Request<'a>) -> Self {
        let (referer, user_agent) = (request.referer(), request.user_agent());
        Self { line: request.first_line(), referer, user_agent }
    }

    /// What is logged of a head that could not be understood: what came of its first line.
    #[must_use]
    pub fn only(line: &'a [u8]) -> Self {
        Self { line: &line[..line.len().min(FIELD)], referer: None, user_agent: None }
    }

    /// The method, the target and the version, as far as they are there.
    fn words(&self) -> [&'a [u8]; 3] {
        let line = self.line;
        let first = memchr(b' ', line).unwrap_or(line.len());
        let last = memrchr(b' ', line).filter(|last| *last > first).unwrap_or(line.len());
        let target = line.get(first + 1..last).unwrap_or_default();
        [&line[..first], target, line.get(last + 1..).unwrap_or_default()]
    }
}

/// What a connection keeps for the line of its present request, in one piece of memory that it
/// keeps for the next.
#[derive(Debug)]
pub struct Note {
    format: Format,
    /// What the line begins with, then what stands between the time and the status, then what
    /// stands behind the bytes.
    text: Vec<u8>,
    /// Where the first of them ends.
    opening: usize,
    /// Where the second ends.
    status_at: usize,
}

impl Note {
    /// The note of a connection that has asked for nothing.
    #[must_use]
    pub fn new(format: Format, peer: &Peer) -> Self {
        let mut text = Vec::new();
        let host = match peer {
            Peer::Tcp(address) => address.ip().to_string(),
            Peer::Unix | Peer::Unknown => peer.to_string(),
        };
        let opening = match format {
            Format::Combined => format!("{host} - - ["),
            Format::Json => format!("{{\"peer\":\"{host}\",\"time\":\""),
        };
        text.extend_from_slice(opening.as_bytes());
        Self { format, opening: text.len(), status_at: text.len(), text }
    }

    /// Keeps what a request says until it is answered.
    pub fn ask(&mut self, said: &Said<'_>) {
        self.text.truncate(self.opening);
        match self.format {
            Format::Combined => self.ask_combined(said),
            Format::Json => self.ask_json(Some(said)),
        }
    }

    #[inline]
    fn ask_combined(&mut self, said: &Said<'_>) {
        let text = &mut self.text;
        text.extend_from_slice(b"] \"");
        escape(text, said.line);
        text.extend_from_slice(b"\" ");
        self.status_at = text.len();
        text.extend_from_slice(b" \"");
        escape_field(text, said.referer);
        text.extend_from_slice(b"\" \"");
        escape_field(text, said.user_agent);
        text.extend_from_slice(b"\"\n");
    }

    fn ask_json(&mut self, said: Option<&Said<'_>>) {
        let [method, target, version] = match said.map(Said::words) {
            Some(words) => words.map(Some),
            None => [None; 3],
        };
        let text = &mut self.text;
        text.extend_from_slice(b"\",\"method\":");
        write_json(text, method);
        text.extend_from_slice(b",\"target\":");
        write_json(text, target);
        text.extend_from_slice(b",\"version\":");
        write_json(text, version);
        text.extend_from_slice(b",\"status\":");
        self.status_at = text.len();
        text.extend_from_slice(b",\"referer\":");
        write_json_field(text, said.and_then(|said| said.referer));
        text.extend_from_slice(b",\"user_agent\":");
        write_json_field(text, said.and_then(|said| said.user_agent));
        text.extend_from_slice(b"}\n");
    }

    /// What is said of a request whose head could not be understood.
    #[cold]
    fn ask_unknown(&mut self) {
        match self.format {
            Format::Combined => {
                self.text.extend_from_slice(b"] \"-\" ");
                self.status_at = self.text.len();
                self.text.extend_from_slice(b" \"-\" \"-\"\n");
            }
            Format::Json => self.ask_json(None),
        }
    }

    /// Appends the line to others.
    pub(super) fn write_line(
        &mut self,
        lines: &mut Vec<u8>,
        time: &[u8],
        status: StatusCode,
        bytes: Option<u64>,
    ) {
        if self.text.len() == self.opening {
            self.ask_unknown();
        }
        // Besides the note and the time, at most a status, a number and what names them.
        lines.reserve(self.text.len() + time.len() + 64);
        lines.extend_from_slice(&self.text[..self.opening]);
        lines.extend_from_slice(time);
        lines.extend_from_slice(&self.text[self.opening..self.status_at]);
        // Pieces of a known length are written in place, which is cheaper than copied.
        if let &[hundreds, tens, ones] = status.as_str().as_bytes() {
            lines.extend_from_slice(&[hundreds, tens, ones]);
        }
        match self.format {
            Format::Combined => lines.push(b' '),
            Format::Json => lines.extend_from_slice(b",\"bytes\":"),
        }
        match (bytes, self.format) {
            (Some(bytes), _) => {
                lines.extend_from_slice(itoa::Buffer::new().format(bytes).as_bytes());
            }
            (None, Format::Combined) => lines.push(b'-'),
            (None, Format::Json) => lines.extend_from_slice(b"null"),
        }
        lines.extend_from_slice(&self.text[self.status_at..]);
    }

    /// The request has been answered. What was long is given back, so that a client that idles
    /// holds little.
    pub(super) fn forget(&mut self) {
        self.text.truncate(self.opening);
        if self.text.capacity() > KEPT {
            self.text.shrink_to(KEPT);
        }
    }
}

/// What may stand in a log between quotes as it is.
const fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

/// All bytes are looked at whatever the first ones are: that takes many of them at once.
#[inline]
fn are_plain(value: &[u8]) -> bool {
    value.iter().fold(true, |plain, byte| plain & is_plain(*byte))
}

#[inline]
fn escape(text: &mut Vec<u8>, value: &[u8]) {
    if are_plain(value) {
        text.extend_from_slice(value);
    } else {
        escape_bytes(text, value);
    }
}

#[cold]
fn escape_bytes(text: &mut Vec<u8>, value: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for &byte in value {
        if is_plain(byte) {
            text.push(byte);
        } else {
            let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
            text.extend_from_slice(&[b'\\', b'x', DIGITS[high], DIGITS[low]]);
        }
    }
}

#[inline]
fn escape_field(text: &mut Vec<u8>, field: Option<&[u8]>) {
    match field {
        None => text.push(b'-'),
        Some(value) if value.len() <= FIELD => escape(text, value),
        Some(value) => {
            escape(text, &value[..FIELD]);
            text.extend_from_slice(b"...");
        }
    }
}

fn write_json_field(text: &mut Vec<u8>, field: Option<&[u8]>) {
    match field {
        Some(value) if value.len() > FIELD => {
            write_json(text, Some(&[&value[..FIELD], b"..."].concat()));
        }
        field => write_json(text, field),
    }
}

/// Bytes that are not UTF-8 become U+FFFD, since JSON has no way to write them.
fn write_json(text: &mut Vec<u8>, value: Option<&[u8]>) {
    match value {
        None => text.extend_from_slice(b"null"),
        // By far the commonest, and cheaper than any library can be that has to look closer.
        Some(value) if are_plain(value) => {
            text.push(b'"');
            text.extend_from_slice(value);
            text.push(b'"');
        }
        // Text can always be written to memory.
        Some(value) => drop(serde_json::to_writer(text, &String::from_utf8_lossy(value))),
    }
}

/// The time of lines, written once a second.
#[derive(Debug)]
pub(super) struct Clock {
    format: Format,
    /// When the text is right: for one second, or never before it was first asked for.
    right: Range<SystemTime>,
    text: Vec<u8>,
}

impl Clock {
    pub(super) fn new(format: Format) -> Self {
        Self { format, right: UNIX_EPOCH..UNIX_EPOCH, text: Vec::new() }
    }

    /// The time as text, in UTC. A clock that was set back is followed.
    #[inline]
    pub(super) fn at(&mut self, now: SystemTime) -> &[u8] {
        if !self.right.contains(&now) {
            self.write(now);
        }
        &self.text
    }

    #[cold]
    fn write(&mut self, now: SystemTime) {
        let second = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let time = UNIX_EPOCH + Duration::from_secs(second.min(LAST_SECOND));
        self.right = time..time + Duration::from_secs(1);
        self.text.clear();
        // Neither can fail: the time is one that both know, and memory can be written to.
        let _ = match self.format {
            Format::Json => write!(self.text, "{}", humantime::format_rfc3339_seconds(time)),
            Format::Combined => {
                // `Sun, 06 Nov 1994 08:49:37 GMT`, in another order.
                let date = HttpDate::from(time).to_string();
                let (day, month, year) = (&date[5..7], &date[8..11], &date[12..16]);
                write!(self.text, "{day}/{month}/{year}:{} +0000", &date[17..25])
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: Said<'_> =
        Said { line: b"GET /a?b HTTP/1.1", referer: Some(b"http://x/"), user_agent: Some(b"one") };

    fn line_of(format: Format, said: Option<&Said<'_>>) -> String {
        let mut note = Note::new(format, &Peer::Tcp(([127, 0, 0, 1], 4000).into()));
        if let Some(said) = said {
            note.ask(said);
        }
        let mut lines = Vec::new();
        let mut clock = Clock::new(format);
        let time = clock.at(UNIX_EPOCH + Duration::from_secs(784_111_777));
        note.write_line(&mut lines, time, StatusCode::OK, said.map(|_| 12));
        String::from_utf8(lines).unwrap()
    }

    #[test]
    fn what_is_no_first_line_is_read_without_harm() {
        for (line, words) in [
            (&b""[..], [&b""[..], b"", b""]),
            (b"GET", [b"GET", b"", b""]),
            (b" ", [b"", b"", b""]),
            (b"A B C D", [b"A", b"B C", b"D"]),
        ] {
            assert_eq!(Said { line, ..SAID }.words(), words);
        }
    }

    #[test]
    fn lines_are_as_apache_writes_them() {
        let line = line_of(Format::Combined, Some(&SAID));
        let right = "127.0.0.1 - - [06/Nov/1994:08:49:37 +0000] \"GET /a?b HTTP/1.1\" 200 12 \
                     \"http://x/\" \"one\"\n";
        assert_eq!(line, right);
        let line = line_of(Format::Combined, None);
        let right = "127.0.0.1 - - [06/Nov/1994:08:49:37 +0000] \"-\" 200 - \"-\" \"-\"\n";
        assert_eq!(line, right);
    }

    #[test]
    fn lines_are_objects() {
        let line = line_of(Format::Json, Some(&SAID));
        let right = "{\"peer\":\"127.0.0.1\",\"time\":\"1994-11-06T08:49:37Z\",\"method\":\"GET\",\
                     \"target\":\"/a?b\",\"version\":\"HTTP/1.1\",\"status\":200,\"bytes\":12,\
                     \"referer\":\"http://x/\",\"user_agent\":\"one\"}\n";
        assert_eq!(line, right);
        let object: serde_json::Value = serde_json::from_str(&line_of(Format::Json, None)).unwrap();
        assert!(object["method"].is_null() && object["bytes"].is_null());
        assert_eq!(object["status"], 200);
    }

    #[test]
    fn nobody_can_forge_a_line() {
        for byte in 0..=u8::MAX {
            let value = [b'a', byte, b'b'];
            let said = Said { line: &value, referer: Some(&value), user_agent: Some(&value) };
            let line = line_of(Format::Combined, Some(&said));
            assert!(line.strip_suffix('\n').is_some_and(|line| line.bytes().all(|b| b >= b' ')));
            assert_eq!(line.matches('"').count(), 6, "{line}");
            let escaped = format!("a\\x{byte:02x}b");
            assert_eq!(line.contains(&escaped), !is_plain(byte), "{line}");
            let line = line_of(Format::Json, Some(&said));
            assert_eq!(line.matches('\n').count(), 1);
            let object: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!(object["referer"], *String::from_utf8_lossy(&value));
        }
    }

    #[test]
    fn long_fields_are_cut_and_held_no_longer_than_needed() {
        let long = vec![b'"'; 9000];
        let said = Said { user_agent: Some(&long), ..SAID };
        let line = line_of(Format::Combined, Some(&said));
        assert!(line.ends_with("\\x22...\"\n"));
        assert!(line.len() < 4 * FIELD + 200);
        let object: serde_json::Value =
            serde_json::from_str(&line_of(Format::Json, Some(&said))).unwrap();
        assert_eq!(object["user_agent"].as_str().map(str::len), Some(FIELD + 3));
        let mut note = Note::new(Format::Combined, &Peer::Unix);
        note.ask(&said);
        assert!(note.text.capacity() > KEPT);
        note.forget();
        assert!(note.text.capacity() <= KEPT);
        assert_eq!(note.text, b"unix - - [");
    }

    #[test]
    fn time_goes_on() {
        let mut clock = Clock::new(Format::Json);
        let mut at = |millis| {
            let text = clock.at(UNIX_EPOCH + Duration::from_millis(millis)).to_vec();
            String::from_utf8(text).unwrap()
        };
        assert_eq!([at(1000), at(1999)], ["1970-01-01T00:00:01Z"; 2]);
        assert_eq!([at(2000), at(1000)], ["1970-01-01T00:00:02Z", "1970-01-01T00:00:01Z"]);
    }

    #[test]
    fn a_clock_that_is_set_wrong_costs_nothing_but_the_time() {
        let mut clock = Clock::new(Format::Json);
        assert_eq!(clock.at(UNIX_EPOCH - Duration::from_secs(1)), b"1970-01-01T00:00:00Z");
        for format in [Format::Json, Format::Combined] {
            let mut clock = Clock::new(format);
            let text = clock.at(UNIX_EPOCH + Duration::from_secs(LAST_SECOND + 1)).to_owned();
            assert!(String::from_utf8(text).unwrap().contains("9999"));
            let text = clock.at(UNIX_EPOCH + Duration::from_secs(59)).to_owned();
            assert!(String::from_utf8(text).unwrap().contains("00:00:59"));
        }
    }
}
