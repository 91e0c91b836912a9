//! The client of HTTP servers: a request again and again on a connection that stays open. Every
//! answer has to be whole, a 200 without a body, and as long as the first one.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
};

use clap::ValueEnum;

use crate::load::{PATIENCE, Speaker};

/// The empty line behind every head; nothing follows it, since the bodies are empty.
const END: &[u8] = b"\r\n\r\n";

/// What is asked, always for `/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Head {
    /// With a `Host` and nothing else, as load generators ask.
    Short,
    /// With ten fields, as browsers ask.
    Browser,
}

impl Head {
    /// The request, for a server at that address.
    #[must_use]
    pub fn text(self, address: SocketAddr) -> String {
        let more = match self {
            Self::Short => "",
            Self::Browser => BROWSER,
        };
        format!("GET / HTTP/1.1\r\nHost: {address}\r\n{more}\r\n")
    }
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
    /// What has come of the present answer.
    answer: Vec<u8>,
    /// How long the first answer was.
    length: Option<usize>,
    /// Requests without their answers.
    awaited: u64,
}

impl Requester {
    /// Connects.
    pub fn connect(address: SocketAddr, head: Head) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let request = head.text(address).into_bytes();
        Ok(Self { stream, request, answer: Vec::new(), length: None, awaited: 0 })
    }

    /// One request and its answer.
    pub fn exchange(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        self.send(1, &mut Vec::new())?;
        while self.awaits() {
            self.receive(buffer)?;
        }
        Ok(())
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
        if !self.answer.ends_with(END) {
            return Ok(0);
        }
        let length = *self.length.get_or_insert(self.answer.len());
        if self.awaited != 1 || length != self.answer.len() || !is_empty_200(&self.answer) {
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

/// Tells whether that is the head of a 200 and nothing else, which says that no body follows.
fn is_empty_200(answer: &[u8]) -> bool {
    const LENGTH: &[u8] = b"\ncontent-length: 0\r";
    let mut ends = answer.windows(END.len()).filter(|window| *window == END);
    answer.starts_with(b"HTTP/1.1 200 ")
        && ends.nth(1).is_none()
        && answer.windows(LENGTH.len()).any(|window| window.eq_ignore_ascii_case(LENGTH))
}

#[cfg(test)]
mod tests {
    use super::is_empty_200;

    #[test]
    fn only_one_whole_empty_200_passes() {
        assert!(is_empty_200(b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 0\r\n\r\n"));
        assert!(!is_empty_200(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"));
        assert!(!is_empty_200(b"HTTP/1.1 200 OK\r\n\r\n"));
        let twice = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".repeat(2);
        assert!(!is_empty_200(&twice));
    }
}
