//! A client that gets files one after the other over one connection, and measures how long each
//! took. Each step has a limit in time.
#![allow(clippy::disallowed_methods, reason = "a client of real sockets measures real time")]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// How long an answer may take; the machine that runs the tests may be busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// One connection.
pub struct Getter {
    stream: BufReader<TcpStream>,
}

/// A whole response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Got {
    /// The status.
    pub status: u16,
    /// The head with the first line.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
    /// The time from the request to the last byte.
    pub took: Duration,
}

impl Getter {
    /// Connects to `IP:PORT`.
    ///
    /// # Errors
    /// Nobody listens.
    pub fn connect(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Asks for what is at a path, and waits for all of it.
    ///
    /// # Errors
    /// The connection ends before the response does, or there is none in time.
    pub fn get(&mut self, path: &str) -> io::Result<Got> {
        let begun = Instant::now();
        self.ask(path)?;
        let mut got = self.take()?;
        got.took = begun.elapsed();
        Ok(got)
    }

    /// Asks, and does not wait.
    ///
    /// # Errors
    /// The connection has ended.
    pub fn ask(&mut self, path: &str) -> io::Result<()> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n");
        self.stream.get_mut().write_all(request.as_bytes())
    }

    /// Waits for the response to what was asked.
    ///
    /// # Errors
    /// As for [`Getter::get`].
    pub fn take(&mut self) -> io::Result<Got> {
        let begun = Instant::now();
        let head = self.head()?;
        let length = field(&head, "content-length").and_then(|value| value.parse().ok());
        let mut body = vec![0; length.ok_or_else(|| io::Error::other("no length"))?];
        self.stream.read_exact(&mut body)?;
        let status = head.get(9..12).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| io::Error::other("no status"))?;
        Ok(Got { status, head, body, took: begun.elapsed() })
    }

    /// The head of a response, whose body is then to be read from [`Getter::rest`].
    ///
    /// # Errors
    /// As for [`Getter::get`].
    pub fn head(&mut self) -> io::Result<String> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(head)
    }

    /// What comes next, byte by byte.
    pub fn rest(&mut self) -> &mut impl Read {
        &mut self.stream
    }
}

impl Got {
    /// The value of a field of the head, by its name in small letters.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    let mut found = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name));
    found.next().map(|(_, value)| value.trim())
}
