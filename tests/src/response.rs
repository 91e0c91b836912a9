//! Responses of HTTP/1.1 as a strict client reads them: what frames one is read in one way only,
//! and whatever a client could take for something else is a failure.

use std::io::{self, Read, Write};

use crate::client::Client;

/// The longest head that is read. Ours have some hundred bytes.
const LONGEST_HEAD: usize = 16 * 1024;

/// A whole response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The names of the fields in lower case, and their values.
    pub fields: Vec<(String, String)>,
    /// The body, which has as many bytes as was said.
    pub body: Vec<u8>,
}

/// Why there is no whole response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cut {
    /// The connection was reset in the middle of it, as one that cannot be ended is.
    Reset,
    /// The connection ended before it began.
    Ended,
    /// The bytes are no response, or fewer than were promised.
    Wrong(String),
}

impl Response {
    /// The value of a field.
    ///
    /// # Panics
    /// Where it is there twice.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut all = self.fields.iter().filter(|(other, _)| other == name);
        let value = all.next().map(|(_, value)| value.as_str());
        assert!(all.next().is_none(), "`{name}` stands twice in {:?}", self.fields);
        value
    }

    /// The body as text.
    ///
    /// # Panics
    /// Where it is none.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body of text")
    }

    /// The first response in what a server sent, and what stands behind it. `is_head`: it answers a
    /// `HEAD`, so that it has no body whatever it says.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn split(bytes: &[u8], is_head: bool) -> Result<(Self, &[u8]), Cut> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.ok_or_else(|| wrong("no end of the head", bytes))?;
        let mut response = Self::of_head(&bytes[..end])?;
        let rest = &bytes[end + 4..];
        let length = response.length(is_head)?;
        if rest.len() < length {
            return Err(wrong("a body that is too short", bytes));
        }
        response.body = rest[..length].to_vec();
        Ok((response, &rest[length..]))
    }

    /// The only response in what a server sent.
    ///
    /// # Panics
    /// Where it is none, or something stands behind it.
    #[must_use]
    pub fn only(bytes: &[u8], is_head: bool) -> Self {
        let (response, rest) = Self::split(bytes, is_head).unwrap_or_else(|cut| panic!("{cut:?}"));
        assert!(rest.is_empty(), "`{}` stands behind {response:?}", rest.escape_ascii());
        response
    }

    fn of_head(head: &[u8]) -> Result<Self, Cut> {
        let text = std::str::from_utf8(head).map_err(|_| wrong("a head that is no text", head))?;
        let mut lines = text.split("\r\n");
        let line = lines.next().unwrap_or_default();
        let status = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
        let status = status.and_then(|digits| digits.parse().ok());
        let status = status.ok_or_else(|| wrong("no status", head))?;
        let mut fields = Vec::new();
        for line in lines {
            let (name, value) = line.split_once(": ").ok_or_else(|| wrong("no field", head))?;
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            if !name.bytes().all(is_name) || value.contains(['\r', '\n']) {
                return Err(wrong("a field that is none", head));
            }
            fields.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        Ok(Self { status, fields, body: Vec::new() })
    }

    /// The bytes of the body (RFC 9112 6.3). The servers under test always say how many there are.
    fn length(&self, is_head: bool) -> Result<usize, Cut> {
        let said = self.field("content-length");
        if self.field("transfer-encoding").is_some() {
            return Err(Cut::Wrong(format!("a body in chunks: {:?}", self.fields)));
        }
        if matches!(self.status, 100..200 | 204 | 304) {
            let is_silent = said.is_none();
            let complaint = || Cut::Wrong(format!("{} has a length: {said:?}", self.status));
            return is_silent.then_some(0).ok_or_else(complaint);
        }
        let length = said.and_then(|digits| digits.parse().ok());
        let length = length.ok_or_else(|| Cut::Wrong(format!("no length: {:?}", self.fields)))?;
        Ok(if is_head { 0 } else { length })
    }
}

fn wrong(what: &str, bytes: &[u8]) -> Cut {
    let beginning = &bytes[..bytes.len().min(LONGEST_HEAD)];
    Cut::Wrong(format!("{what} in {} bytes `{}`", bytes.len(), beginning.escape_ascii()))
}

/// A client that stays connected and asks one request after the other.
#[derive(Debug)]
pub struct Visitor {
    client: Client,
    /// What was read and belongs to no response yet.
    held: Vec<u8>,
}

impl Visitor {
    /// Connects to a server.
    ///
    /// # Panics
    /// Where nobody listens.
    #[must_use]
    pub fn of(address: &str) -> Self {
        Self { client: Client::connect(address), held: Vec::new() }
    }

    /// Sends a request and reads its response.
    ///
    /// # Errors
    /// Why there is none.
    pub fn try_ask(&mut self, request: &str) -> Result<Response, Cut> {
        if let Err(error) = self.client.stream().write_all(request.as_bytes()) {
            return Err(ended(&error));
        }
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
        let mut head = 0;
        let end = loop {
            if let Some(at) = self.held[head..].windows(4).position(|four| four == b"\r\n\r\n") {
                break head + at + 4;
            }
            head = self.held.len().saturating_sub(3);
            if head > LONGEST_HEAD {
                return Err(wrong("no end of the head", &self.held));
            }
            self.more()?;
        };
        let mut response = Response::of_head(&self.held[..end - 4])?;
        let length = response.length(is_head)?;
        while self.held.len() < end + length {
            self.more()?;
        }
        response.body = self.held[end..end + length].to_vec();
        self.held.drain(..end + length);
        Ok(response)
    }

    fn more(&mut self) -> Result<(), Cut> {
        let mut buffer = [0; 64 * 1024];
        match self.client.stream().read(&mut buffer) {
            Ok(0) if self.held.is_empty() => Err(Cut::Ended),
            Ok(0) => Err(wrong("an end before the end", &self.held)),
            Ok(count) => {
                self.held.extend_from_slice(&buffer[..count]);
                Ok(())
            }
            Err(error) => Err(ended(&error)),
        }
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
    use super::{Cut, Response};

    fn is_wrong(bytes: &[u8]) -> bool {
        matches!(Response::split(bytes, false), Err(Cut::Wrong(_)))
    }

    #[test]
    fn what_is_no_response_is_told() {
        let good = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab";
        assert_eq!(Response::only(good, false).body, b"ab");
        for bad in [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab"[..],
            b"HTTP/1.1 200 OK\r\n\r\nab",
            b"HTTP/1.1 304 Not Modified\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent Length: 2\r\n\r\nab",
            b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n",
        ] {
            assert!(is_wrong(bad), "{}", bad.escape_ascii());
        }
    }
}
