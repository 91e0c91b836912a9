//! Responses of HTTP/1.1 as a strict client reads them: what frames one is read in one way only,
//! and whatever a client could take for something else is a failure. Nothing here knows the code
//! of a server.

use std::io::{self, Read, Write};
use std::str;

use crate::client::Client;

/// The longest head that is read. Ours have some hundred bytes.
const LONGEST_HEAD: usize = 16 * 1024;

/// The most fields that are read. Ours have about ten.
const MOST_FIELDS: usize = 16;

/// The most bytes that one read takes.
const AT_ONCE: usize = 64 * 1024;

/// A whole response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The fields in order, each of them once: the names in lower case, and the values.
    pub fields: Vec<(String, String)>,
    /// The body without its framing.
    pub body: Vec<u8>,
}

/// Where the body ends, as the head says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// Behind so many bytes.
    Counted(usize),
    /// Behind the last chunk.
    Chunked,
    /// Where the stream ends.
    UntilEnd,
}

/// Why there is no whole response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cut {
    /// The connection was reset, as one that cannot be ended is.
    Reset,
    /// The connection ended before it began.
    Ended,
    /// The connection ended in the middle of it.
    Halfway(String),
    /// The bytes are no response, or do not come in time.
    Wrong(String),
}

/// What stands at the front of the bytes, and what stands behind it; nothing where more of it must
/// come; or what is wrong with it.
pub type Found<'a, T> = Result<Option<(T, &'a [u8])>, String>;

impl Response {
    /// The first response in what a server has sent so far. `is_head`: it answers a `HEAD`, so that
    /// it has no body whatever it says. `has_ended`: the server has ended the stream.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(bytes: &[u8], is_head: bool, has_ended: bool) -> Found<'_, Self> {
        let Some((response, rest)) = Self::of_head(bytes)? else { return Ok(None) };
        let found = match response.framing()? {
            _ if is_head => Some((Vec::new(), rest)),
            Framing::Counted(length) => {
                rest.split_at_checked(length).map(|(body, rest)| (body.to_vec(), rest))
            }
            Framing::Chunked => chunks(rest)?,
            Framing::UntilEnd => has_ended.then(|| (rest.to_vec(), &rest[rest.len()..])),
        };
        Ok(found.map(|(body, rest)| (Self { body, ..response }, rest)))
    }

    /// As [`Response::read`], of a server that says the length of every body: one that is framed in
    /// another way is wrong before any of it has come.
    fn read_counted(bytes: &[u8], is_head: bool) -> Found<'_, Self> {
        if let Some((head, _)) = Self::of_head(bytes)?
            && !matches!(head.framing()?, Framing::Counted(_))
        {
            return Err(format!("no length: {head:?}"));
        }
        Self::read(bytes, is_head, false)
    }

    /// The first response in what such a server has sent, which must be whole, and what stands
    /// behind it. `is_head` is that of [`Response::read`].
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn split(bytes: &[u8], is_head: bool) -> Result<(Self, &[u8]), String> {
        Self::read_counted(bytes, is_head)?.ok_or_else(|| wrong("half a response", bytes))
    }

    /// The only response in what such a server has sent. `is_head` is that of [`Response::read`].
    ///
    /// # Panics
    /// Where it is none, or something stands behind it.
    #[must_use]
    pub fn only(bytes: &[u8], is_head: bool) -> Self {
        let (response, rest) =
            Self::split(bytes, is_head).unwrap_or_else(|wrong| panic!("{wrong}"));
        assert!(rest.is_empty(), "`{}` stands behind {response:?}", rest.escape_ascii());
        response
    }

    /// All that a server has sent, as whole responses to requests that are not of `HEAD`.
    /// `has_ended` is that of [`Response::read`].
    ///
    /// # Panics
    /// Where it is something else.
    #[must_use]
    #[track_caller]
    pub fn all(bytes: &[u8], has_ended: bool) -> Vec<Self> {
        let mut all = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let next = Self::read(rest, false, has_ended).expect("a response");
            let Some((response, behind)) = next else {
                panic!("{}", wrong("half a response", rest));
            };
            all.push(response);
            rest = behind;
        }
        all
    }

    /// The value of a field, by its name in lower case.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        // None stands there twice, or the response would not have been read.
        self.fields.iter().find(|(of, _)| of == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    ///
    /// # Panics
    /// Where it is none.
    #[must_use]
    pub fn text(&self) -> &str {
        str::from_utf8(&self.body).expect("a body of text")
    }

    /// Tells whether the server says that it closes the connection.
    #[must_use]
    pub fn closes(&self) -> bool {
        self.field("connection") == Some("close")
    }

    /// The head. What another reader than ours does not take is wrong, and so is what it takes
    /// beside the one plain way of writing.
    fn of_head(bytes: &[u8]) -> Found<'_, Self> {
        let mut places = [httparse::EMPTY_HEADER; MOST_FIELDS];
        let mut head = httparse::Response::new(&mut places);
        let parsed = head.parse(bytes).map_err(|error| wrong(&error.to_string(), bytes))?;
        let httparse::Status::Complete(end) = parsed else {
            let is_bearable = bytes.len() <= LONGEST_HEAD;
            return is_bearable.then_some(None).ok_or_else(|| wrong("no end of the head", bytes));
        };
        let (written, rest) = bytes.split_at(end);
        let (Some(status), Some(reason)) = (head.code, head.reason) else {
            return Err(wrong("no status", written));
        };
        let mut response = Self { status, fields: Vec::new(), body: Vec::new() };
        let mut plain = format!("HTTP/1.1 {status} {reason}\r\n");
        for field in head.headers {
            let value = str::from_utf8(field.value)
                .map_err(|_| wrong("a value that is no text", written))?;
            plain += &format!("{}: {value}\r\n", field.name);
            response.add(field.name, value)?;
        }
        plain += "\r\n";
        if plain.as_bytes() != written {
            return Err(wrong("a head that can be read in two ways", written));
        }
        // RFC 9110 6.6.1; ours date what they refuse for their own sake as well.
        if status >= 200 && response.field("date").is_none() {
            return Err(wrong("no date", written));
        }
        Ok(Some((response, rest)))
    }

    /// No field of our servers is a list that could go on in a second one of its name.
    fn add(&mut self, name: &str, value: &str) -> Result<(), String> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if !name.bytes().all(is_plain) {
            return Err(format!("`{name}` is no name of a field"));
        }
        let name = name.to_ascii_lowercase();
        if self.field(&name).is_some() {
            return Err(format!("`{name}` stands twice in {:?}", self.fields));
        }
        self.fields.push((name, value.to_owned()));
        Ok(())
    }

    /// How the body is framed (RFC 9112 6.3), which is said also where a `HEAD` leaves it out.
    fn framing(&self) -> Result<Framing, String> {
        let is_bare = matches!(self.status, 100..200 | 204 | 304);
        let framing = match (self.field("content-length"), self.field("transfer-encoding")) {
            (None, None) if is_bare => Some(Framing::Counted(0)),
            // These have no body, and whoever is told of one would wait for it.
            _ if is_bare => None,
            (Some(digits), None) => number(digits, 10).map(Framing::Counted),
            (None, Some("chunked")) => Some(Framing::Chunked),
            // An end that was not announced may be one that came too early.
            (None, None) if self.closes() => Some(Framing::UntilEnd),
            _ => None,
        };
        framing.ok_or_else(|| format!("not framed in one way only: {self:?}"))
    }
}

/// A body in chunks. Nobody here sends extensions or trailers.
fn chunks(bytes: &[u8]) -> Found<'_, Vec<u8>> {
    let mut body = Vec::new();
    let mut rest = bytes;
    loop {
        let Some(end) = rest.windows(2).position(|two| two == b"\r\n") else { return Ok(None) };
        let size = str::from_utf8(&rest[..end]).ok().and_then(|digits| number(digits, 16));
        let size = size.ok_or_else(|| wrong("no size of a chunk", rest))?;
        let chunk = rest[end + 2..].split_at_checked(size.saturating_add(2));
        let Some((chunk, behind)) = chunk else { return Ok(None) };
        let chunk = chunk.strip_suffix(b"\r\n").ok_or_else(|| wrong("no end of a chunk", rest))?;
        body.extend_from_slice(chunk);
        rest = behind;
        if size == 0 {
            return Ok(Some((body, rest)));
        }
    }
}

/// A number that is nothing but digits: the standard library would also take a sign.
fn number(digits: &str, radix: u32) -> Option<usize> {
    let is_plain = digits.chars().all(|digit| digit.is_digit(radix));
    is_plain.then(|| usize::from_str_radix(digits, radix).ok()).flatten()
}

fn wrong(what: &str, bytes: &[u8]) -> String {
    let beginning = &bytes[..bytes.len().min(LONGEST_HEAD)];
    format!("{what} in {} bytes `{}`", bytes.len(), beginning.escape_ascii())
}

/// A client that stays connected to a server that says the length of every body, and asks one
/// request after the other.
#[derive(Debug)]
pub struct Visitor {
    client: Client,
    /// What was read and belongs to no response yet.
    held: Vec<u8>,
    /// What a read fills. It is made once, as some who ask are measured.
    buffer: Vec<u8>,
}

impl Visitor {
    /// Connects to a server.
    ///
    /// # Panics
    /// Where nobody listens.
    #[must_use]
    pub fn of(address: &str) -> Self {
        Self::over(Client::connect(address))
    }

    /// Goes on with a connection on which nothing is left to be read.
    #[must_use]
    pub fn over(client: Client) -> Self {
        Self { client, held: Vec::new(), buffer: vec![0; AT_ONCE] }
    }

    /// Sends a request, and does not wait for the response.
    ///
    /// # Errors
    /// Why the server does not take it.
    pub fn send(&mut self, request: &str) -> Result<(), Cut> {
        self.client.stream().write_all(request.as_bytes()).map_err(|error| ended(&error))
    }

    /// Sends a request and reads its response.
    ///
    /// # Errors
    /// Why there is none.
    pub fn try_ask(&mut self, request: &str) -> Result<Response, Cut> {
        self.send(request)?;
        self.read(request.starts_with("HEAD "))
    }

    /// As [`Visitor::try_ask`].
    ///
    /// # Panics
    /// Where there is no response.
    pub fn ask(&mut self, request: &str) -> Response {
        self.try_ask(request).unwrap_or_else(|cut| panic!("{cut:?} instead of an answer"))
    }

    /// Reads the next response.
    ///
    /// # Errors
    /// Why there is none.
    pub fn read(&mut self, is_head: bool) -> Result<Response, Cut> {
        loop {
            let found = Response::read_counted(&self.held, is_head).map_err(Cut::Wrong)?;
            if let Some((response, rest)) = found {
                let taken = self.held.len() - rest.len();
                self.held.drain(..taken);
                return Ok(response);
            }
            self.more()?;
        }
    }

    fn more(&mut self) -> Result<(), Cut> {
        match self.client.stream().read(&mut self.buffer) {
            Ok(0) if self.held.is_empty() => Err(Cut::Ended),
            Ok(0) => Err(Cut::Halfway(wrong("an end before the end", &self.held))),
            Ok(count) => {
                self.held.extend_from_slice(&self.buffer[..count]);
                Ok(())
            }
            Err(error) => Err(ended(&error)),
        }
    }

    /// The connection, on which nothing has come behind the last response.
    ///
    /// # Panics
    /// Where something has.
    #[must_use]
    #[track_caller]
    pub fn into_client(self) -> Client {
        assert!(self.held.is_empty(), "`{}` stands behind a response", self.held.escape_ascii());
        self.client
    }
}

fn ended(error: &io::Error) -> Cut {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Cut::Reset,
        _ => Cut::Wrong(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A response with a date, which all of them have.
    fn of(status: &str, fields: &str, body: &str) -> Vec<u8> {
        format!("HTTP/1.1 {status}\r\nDate: now\r\n{fields}\r\n{body}").into_bytes()
    }

    fn counted() -> Vec<u8> {
        of("200 OK", "Content-Length: 3\r\n", "abc")
    }

    fn chunked() -> Vec<u8> {
        of("200 OK", "Transfer-Encoding: chunked\r\n", "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")
    }

    fn open() -> Vec<u8> {
        of("200 OK", "Connection: close\r\n", "abc")
    }

    /// A response that is whole, and how many bytes stand behind it.
    #[track_caller]
    fn read(bytes: &[u8], is_head: bool, has_ended: bool) -> (Response, usize) {
        let found = Response::read(bytes, is_head, has_ended).expect("a response");
        let (response, rest) = found.expect("it is whole");
        (response, rest.len())
    }

    #[test]
    fn each_way_of_framing_is_read_and_what_is_missing_is_waited_for() {
        for bytes in [counted(), chunked()] {
            for cut in 0..bytes.len() {
                assert_eq!(Response::read(&bytes[..cut], false, true), Ok(None), "cut at {cut}");
            }
            let (response, behind) = read(&[&bytes, &b"more"[..]].concat(), false, false);
            assert_eq!((response.text(), behind), ("abc", 4));
        }
        assert_eq!(Response::read(&open(), false, false), Ok(None));
        let (response, behind) = read(&open(), false, true);
        assert_eq!((response.text(), behind), ("abc", 0));
        assert_eq!(Response::all(&[counted(), chunked(), open()].concat(), true).len(), 3);
    }

    #[test]
    fn what_has_no_body_ends_with_its_head() {
        for bytes in [counted(), open()] {
            let (response, behind) = read(&bytes, true, false);
            assert_eq!((response.text(), behind), ("", 3));
        }
        for status in ["204 No Content", "304 Not Modified"] {
            let (response, behind) = read(&of(status, "Connection: close\r\n", "ab"), false, true);
            assert_eq!((response.text(), behind), ("", 2), "{status}");
        }
        // Nor has what comes before the response a date.
        let (response, behind) = read(b"HTTP/1.1 100 Continue\r\n\r\nab", false, false);
        assert_eq!((response.status, response.text(), behind), (100, "", 2));
    }

    #[test]
    fn fields_have_names_in_lower_case() {
        let (response, _) =
            read(&of("200 OK", "Content-Length: 0\r\nX-Mine: A b\r\n", ""), false, false);
        assert_eq!(response.field("x-mine"), Some("A b"));
        assert_eq!((response.field("x-other"), response.closes()), (None, false));
        assert!(read(&open(), false, true).0.closes());
    }

    /// What is wrong with a head is wrong also where no body is read.
    #[track_caller]
    fn assert_wrong(all: impl IntoIterator<Item = Vec<u8>>) {
        for bytes in all {
            let shown = bytes[..bytes.len().min(200)].escape_ascii();
            for is_head in [false, true] {
                let read = Response::read(&bytes, is_head, true);
                assert!(read.is_err(), "`{shown}` is {read:?}");
            }
        }
    }

    #[test]
    fn a_body_is_framed_in_one_way_only() {
        let fields = |fields: &str| of("200 OK", fields, "ab");
        let length = |length: &str| fields(&format!("Content-Length: {length}\r\n"));
        assert_eq!(read(&length("2"), false, false).0.body, b"ab");
        assert_wrong(["", "+2", "-2", "2, 2", "two", "99999999999999999999"].map(length));
        assert_wrong([
            fields(""),
            fields("Connection: keep-alive\r\n"),
            fields("Content-Length: 2\r\nContent-Length: 2\r\n"),
            fields("Content-Length: 2\r\ncontent-length: 3\r\n"),
            fields("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n"),
            fields("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
            fields("Transfer-Encoding: gzip\r\n"),
            fields("Transfer-Encoding: gzip\r\nConnection: close\r\n"),
            of("304 Not Modified", "Content-Length: 0\r\n", ""),
            of("304 Not Modified", "Transfer-Encoding: chunked\r\n", "0\r\n\r\n"),
            of("204 No Content", "Content-Length: 0\r\n", ""),
            of("204 No Content", "Transfer-Encoding: chunked\r\n", "0\r\n\r\n"),
            of("103 Early Hints", "Content-Length: 0\r\n", ""),
        ]);
    }

    #[test]
    fn a_chunk_is_digits_and_so_many_bytes() {
        for bad in [
            "x\r\n",
            "\r\n",
            "+1\r\na\r\n0\r\n\r\n",
            "1;a=b\r\na\r\n0\r\n\r\n",
            "1\r\nab\r\n0\r\n\r\n",
            "0\r\nX: a\r\n\r\n",
        ] {
            let bytes = of("200 OK", "Transfer-Encoding: chunked\r\n", bad);
            let read = Response::read(&bytes, false, true);
            assert!(read.is_err(), "`{}` is {read:?}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_field_is_written_in_one_way_only_and_once() {
        let with = |field: &str| of("200 OK", &format!("Content-Length: 0\r\n{field}"), "");
        assert_eq!(read(&with("X-Mine: a\r\n"), false, false).0.fields.len(), 3);
        let many: String = (0..MOST_FIELDS).map(|at| format!("X-{at}: a\r\n")).collect();
        let bad = [
            "Date: then\r\n",
            "Connection: close\r\nConnection: close\r\n",
            "X-Mine: a\r\nx-mine: b\r\n",
            "X Mine: a\r\n",
            "X_Mine: a\r\n",
            "X-Mine : a\r\n",
            "X-Mine:a\r\n",
            "X-Mine:  a\r\n",
            "X-Mine: a \r\n",
            "X-Mine: a\r\n b\r\n",
            "X-Mine: a\rb\r\n",
            "X-Mine: a\0\r\n",
            "X-Mine: a\n",
            "X-Mine\r\n",
            ": a\r\n",
            &many,
        ];
        assert_wrong(bad.map(with));
    }

    #[test]
    fn a_head_is_written_in_one_way_only_and_dated() {
        let head = |head: &str| head.replace('\n', "\r\n").into_bytes();
        let good = head("HTTP/1.1 200 OK\nDate: now\nContent-Length: 0\n\n");
        assert_eq!(read(&good, false, false).0.status, 200);
        assert_wrong(
            [
                "HTTP/1.0 200 OK\nDate: now\nContent-Length: 0\n\n",
                "HTTP/1.1 200\nDate: now\nContent-Length: 0\n\n",
                "HTTP/1.1 20 OK\nDate: now\nContent-Length: 0\n\n",
                "HTTP/1.1 +20 OK\nDate: now\nContent-Length: 0\n\n",
                "HTTP/1.1  200 OK\nDate: now\nContent-Length: 0\n\n",
                "\nHTTP/1.1 200 OK\nDate: now\nContent-Length: 0\n\n",
                "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
                "hello\n\n",
            ]
            .map(head),
        );
        assert_wrong([
            b"HTTP/1.1 200 OK\nDate: now\nContent-Length: 0\n\n".to_vec(),
            b"HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 0\r\nX: \xff\r\n\r\n".to_vec(),
            format!("HTTP/1.1 200 OK\r\nX: {:a<LONGEST_HEAD$}", "").into_bytes(),
        ]);
    }

    #[test]
    fn what_must_have_a_length_has_one_and_comes_whole() {
        assert_eq!(Response::only(&counted(), false).text(), "abc");
        let bytes = counted();
        let (response, behind) = Response::split(&bytes, true).expect("a head is enough");
        assert_eq!((response.text(), behind), ("", &b"abc"[..]));
        let bare = of("204 No Content", "", "ab");
        assert_eq!(Response::split(&bare, false).expect("it is whole").1, b"ab");
        for bytes in [chunked(), open()] {
            for is_head in [false, true] {
                let split = Response::split(&bytes, is_head);
                assert!(split.is_err(), "`{}` is {split:?}", bytes.escape_ascii());
            }
        }
        for cut in 0..bytes.len() {
            assert!(Response::split(&bytes[..cut], false).is_err(), "cut at {cut}");
        }
    }

    #[test]
    #[should_panic(expected = "stands behind")]
    fn one_who_is_alone_has_nobody_behind() {
        let _ = Response::only(&counted().repeat(2), false);
    }

    #[test]
    #[should_panic(expected = "half a response")]
    fn all_of_them_are_whole() {
        let _ = Response::all(&[&counted()[..], &chunked()[..50]].concat(), true);
    }

    /// A visitor of a server that sends this and ends the connection.
    fn visitor_of(sent: &[u8]) -> Visitor {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has an address").to_string();
        let visitor = Visitor::of(&address);
        let (mut stream, _) = listener.accept().expect("the visitor comes");
        stream.write_all(sent).expect("a few bytes fit");
        visitor
    }

    #[test]
    fn a_visitor_reads_one_after_the_other_and_tells_how_they_end() {
        let mut visitor = visitor_of(&counted().repeat(2));
        for _ in 0..2 {
            assert_eq!(visitor.read(false).expect("a response").text(), "abc");
        }
        assert_eq!(visitor.read(false), Err(Cut::Ended));
        let _ = visitor.into_client();
        let mut visitor = visitor_of(&counted()[..counted().len() - 1]);
        assert!(matches!(visitor.read(false), Err(Cut::Halfway(_))));
        // None that is framed otherwise, though it is whole when the connection ends.
        for bytes in [chunked(), open()] {
            assert!(matches!(visitor_of(&bytes).read(false), Err(Cut::Wrong(_))));
        }
    }

    #[test]
    #[should_panic(expected = "stands behind a response")]
    fn a_visitor_leaves_nothing_unread() {
        let mut visitor = visitor_of(&[&counted()[..], b"more"].concat());
        visitor.read(false).expect("a response");
        let _ = visitor.into_client();
    }
}
