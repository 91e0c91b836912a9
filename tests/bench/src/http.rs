//! The client of HTTP servers: a request again and again on a connection that stays open. Every
//! answer has to be whole, with the status and the body that are asked for, and as long as the
//! first one.

use std::{
    fs,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
};

use clap::ValueEnum;

use crate::load::{PATIENCE, Speaker};

/// The empty line behind every head.
const END: &[u8] = b"\r\n\r\n";

/// What all bodies are made of.
const FILLING: u8 = b'.';

/// How it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Head {
    /// With a `Host` and nothing else, as load generators ask.
    Short,
    /// With ten fields, as browsers ask.
    Browser,
    /// With the tag of an answer that came before, which is all that there is to say.
    Known,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Page {
    /// What is at `/`: nothing.
    Empty,
    /// A file of 1 KiB.
    Small,
    /// A file of 64 KiB.
    Large,
}

impl Page {
    /// Its path.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Empty => "/",
            Self::Small => "/small.txt",
            Self::Large => "/large.txt",
        }
    }

    /// The bytes of its body.
    #[must_use]
    pub fn length(self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Small => 1024,
            Self::Large => 64 * 1024,
        }
    }

    /// Writes those that are files to a directory.
    pub fn write_all(directory: &Path) -> io::Result<()> {
        fs::create_dir_all(directory)?;
        let write = |page: Self| {
            let name = page.path().trim_start_matches('/');
            fs::write(directory.join(name), vec![FILLING; page.length()])
        };
        [Self::Small, Self::Large].into_iter().try_for_each(write)
    }
}

/// What is asked for and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// How.
    pub head: Head,
    /// For what.
    pub page: Page,
}

impl Ask {
    /// For nothing.
    #[must_use]
    pub fn empty(head: Head) -> Self {
        Self { head, page: Page::Empty }
    }

    /// The request, for a server at that address.
    #[must_use]
    pub fn text(self, address: SocketAddr) -> String {
        let more = if self.head == Head::Browser { BROWSER } else { "" };
        request(self.page.path(), address, more)
    }
}

fn request(path: &str, address: SocketAddr, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{more}\r\n")
}

/// What a browser of 2024 sends beside its `Host`, shortened a little: with it, some 500 bytes.
const BROWSER: &str = "\
    Connection: keep-alive\r\n\
    Cache-Control: max-age=0\r\n\
    Upgrade-Insecure-Requests: 1\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
    Chrome/126.0.0.0 Safari/537.36\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8\r\n\
    Sec-Fetch-Mode: navigate\r\n\
    Accept-Encoding: gzip, deflate, br\r\n\
    Accept-Language: en-US,en;q=0.9\r\n\
    Cookie: session=0123456789abcdef0123456789abcdef\r\n";

/// One connection, and what came back on it.
pub struct Requester {
    stream: TcpStream,
    request: Vec<u8>,
    expected: Expected,
    /// What has come of the present answer.
    answer: Vec<u8>,
    /// How long the first answer was.
    length: Option<usize>,
    /// Requests without their answers.
    awaited: u64,
}

impl Requester {
    /// Connects. To ask with a tag it has to be asked for first.
    pub fn connect(address: SocketAddr, ask: Ask) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let request = ask.text(address).into_bytes();
        let expected =
            Expected { status: b"HTTP/1.1 200 ", body: vec![FILLING; ask.page.length()] };
        let mut requester =
            Self { stream, request, expected, answer: Vec::new(), length: None, awaited: 0 };
        if ask.head == Head::Known {
            requester.learn_tag(address, ask.page)?;
        }
        Ok(requester)
    }

    fn learn_tag(&mut self, address: SocketAddr, page: Page) -> io::Result<()> {
        let mut reader = Self::connect(address, Ask { head: Head::Short, page })?;
        reader.send(1, &mut Vec::new())?;
        let mut buffer = vec![0; 1024];
        while value_of(&reader.answer, "etag").is_none() {
            let read = reader.stream.read(&mut buffer)?;
            reader.answer.extend_from_slice(&buffer[..read]);
            if read == 0 || reader.answer.len() > 4 * buffer.len() {
                return Err(io::Error::other("no tag came"));
            }
        }
        let tag = value_of(&reader.answer, "etag").unwrap_or_default();
        let more = format!("If-None-Match: {tag}\r\n");
        self.request = request(page.path(), address, &more).into_bytes();
        self.expected = Expected { status: b"HTTP/1.1 304 ", body: Vec::new() };
        Ok(())
    }

    /// Asks for another file of the same length from now on. Its head may be of another length:
    /// there are tags that are written as numbers.
    pub fn turn_to(&mut self, address: SocketAddr, path: &str) {
        self.request = request(path, address, "").into_bytes();
        self.length = None;
    }

    /// One request and its answer.
    pub fn exchange(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        self.send(1, &mut Vec::new())?;
        while self.awaits() {
            self.receive(buffer)?;
        }
        Ok(())
    }

    /// The length of the whole answer, once its head is there.
    fn whole_length(&self) -> Option<usize> {
        let head = self.answer.windows(END.len()).position(|window| window == END)?;
        Some(head + END.len() + self.expected.body.len())
    }
}

impl Speaker for Requester {
    fn stream(&self) -> &TcpStream {
        &self.stream
    }

    fn send(&mut self, count: u64, _buffer: &mut Vec<u8>) -> io::Result<()> {
        self.awaited += count;
        (0..count).try_for_each(|_| self.stream.write_all(&self.request))
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<u64> {
        let read = self.stream.read(buffer)?;
        if read == 0 {
            return Err(io::Error::other("the server closed"));
        }
        self.answer.extend_from_slice(&buffer[..read]);
        let status = self.expected.status;
        let is_begun_well = self.answer.iter().zip(status).all(|(byte, other)| byte == other);
        let length = self.length.or_else(|| self.whole_length());
        let is_whole = length.is_some_and(|length| self.answer.len() >= length);
        if is_begun_well && !is_whole {
            return Ok(0);
        }
        self.length = length;
        let is_one = self.awaited == 1 && length == Some(self.answer.len());
        if !is_one || !self.expected.is(&self.answer) {
            let answer = String::from_utf8_lossy(&self.answer);
            return Err(io::Error::other(format!("answered with {answer:?}")));
        }
        self.answer.clear();
        self.awaited = 0;
        Ok(1)
    }

    fn awaits(&self) -> bool {
        self.awaited > 0
    }
}

/// What every answer has to be.
struct Expected {
    /// The beginning of its first line.
    status: &'static [u8],
    body: Vec<u8>,
}

impl Expected {
    /// Tells whether that is a head with this status and this body and nothing else. A 304 has no
    /// body, whatever length it names.
    fn is(&self, answer: &[u8]) -> bool {
        let Some(head) = answer.strip_suffix(&self.body[..]) else { return false };
        let mut ends = head.windows(END.len()).filter(|window| *window == END);
        let length = value_of(head, "content-length").and_then(|it| it.parse().ok());
        head.starts_with(self.status)
            && head.ends_with(END)
            && ends.nth(1).is_none()
            && (self.status.ends_with(b"304 ") || length == Some(self.body.len()))
    }
}

/// The value of a field, once its line is whole.
fn value_of<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    head.split_inclusive(|byte| *byte == b'\n').find_map(|line| {
        let line = std::str::from_utf8(line.strip_suffix(b"\r\n")?).ok()?;
        let (of, value) = line.split_once(':')?;
        of.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::Expected;

    #[test]
    fn only_one_whole_answer_passes() {
        let empty = Expected { status: b"HTTP/1.1 200 ", body: Vec::new() };
        assert!(empty.is(b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 0\r\n\r\n"));
        assert!(!empty.is(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"));
        assert!(!empty.is(b"HTTP/1.1 200 OK\r\n\r\n"));
        assert!(!empty.is(&b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".repeat(2)));
        let filled = Expected { status: b"HTTP/1.1 200 ", body: b"..".to_vec() };
        assert!(filled.is(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n.."));
        assert!(!filled.is(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n.,"));
        assert!(!filled.is(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n..."));
        let known = Expected { status: b"HTTP/1.1 304 ", body: Vec::new() };
        assert!(known.is(b"HTTP/1.1 304 Not Modified\r\nEtag: \"a\"\r\n\r\n"));
        assert!(!known.is(b"HTTP/1.1 304 Not Modified\r\n\r\n."));
    }
}
