//! Responses of HTTP/1.1 as a strict client reads them: what is not framed as RFC 9112 writes it is
//! a failed test. It knows nothing of the server's code.

use std::str;

/// One whole response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The header fields in order, names in lower case.
    pub fields: Vec<(String, String)>,
    /// The body without its framing.
    pub body: Vec<u8>,
}

/// How much of a stream of responses belongs to the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Known(usize),
    Chunked,
    UntilEnd,
}

impl Response {
    /// Reads one response at the front of `bytes`, and how many of them it takes; nothing where
    /// more must come. `is_head` says that the request was one of `HEAD`, and `has_ended` that the
    /// server has ended the stream.
    ///
    /// # Panics
    /// Where the bytes are no response.
    #[must_use]
    pub fn read(bytes: &[u8], is_head: bool, has_ended: bool) -> Option<(Self, usize)> {
        let (status, fields, at) = head(bytes)?;
        let mut response = Self { status, fields, body: Vec::new() };
        let rest = &bytes[at..];
        let taken = match response.length(is_head) {
            Length::Known(length) => {
                response.body = rest.get(..length)?.to_vec();
                length
            }
            Length::Chunked => {
                let (body, taken) = chunks(rest)?;
                response.body = body;
                taken
            }
            Length::UntilEnd if has_ended => {
                response.body = rest.to_vec();
                rest.len()
            }
            Length::UntilEnd => return None,
        };
        Some((response, at + taken))
    }

    /// Reads responses to requests that are not of `HEAD`, and how many bytes of a further one have
    /// come.
    ///
    /// # Panics
    /// Where the bytes are no responses.
    #[must_use]
    pub fn read_all(bytes: &[u8], has_ended: bool) -> (Vec<Self>, usize) {
        let mut all = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty()
            && let Some((response, taken)) = Self::read(rest, false, has_ended)
        {
            all.push(response);
            rest = &rest[taken..];
        }
        (all, rest.len())
    }

    /// The value of a field that stands there at most once, by its name in lower case.
    ///
    /// # Panics
    /// Where it stands there twice.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(of, _)| of == name).map(|(_, value)| value);
        let first = values.next();
        assert_eq!(values.next(), None, "`{name}` twice in {self:?}");
        first.map(String::as_str)
    }

    /// The body as text.
    ///
    /// # Panics
    /// Where it is none.
    #[must_use]
    pub fn text(&self) -> &str {
        str::from_utf8(&self.body).expect("the body is text")
    }

    /// Tells whether the server says that it closes the connection.
    #[must_use]
    pub fn closes(&self) -> bool {
        self.field("connection") == Some("close")
    }

    /// RFC 9112 6.3, for the client.
    fn length(&self, is_head: bool) -> Length {
        let has_none = is_head || self.status < 200 || matches!(self.status, 204 | 304);
        match (self.field("content-length"), self.field("transfer-encoding")) {
            (Some(_), Some(_)) => panic!("framed twice: {self:?}"),
            _ if has_none => Length::Known(0),
            (Some(length), None) => Length::Known(length.parse().expect("a length is a number")),
            (None, Some("chunked")) => Length::Chunked,
            (None, Some(coding)) => panic!("nobody asked for `{coding}`"),
            (None, None) => {
                assert!(self.closes(), "neither a length nor an end: {self:?}");
                Length::UntilEnd
            }
        }
    }
}

type Head = (u16, Vec<(String, String)>, usize);

fn head(bytes: &[u8]) -> Option<Head> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let text = str::from_utf8(&bytes[..end]).expect("a head is text");
    let mut lines = text.split("\r\n");
    let line = lines.next().unwrap_or_default();
    let status = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..4));
    let status = status.and_then(|digits| digits.strip_suffix(' ')?.parse().ok());
    let status = status.unwrap_or_else(|| panic!("`{line}` is no status line"));
    let field = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("`{line}`: no field"));
        (name.to_ascii_lowercase(), value.to_owned())
    };
    Some((status, lines.map(field).collect(), end + 4))
}

fn chunks(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let end = at + bytes[at..].windows(2).position(|two| two == b"\r\n")?;
        let digits = str::from_utf8(&bytes[at..end]).expect("a size is text");
        let size = usize::from_str_radix(digits, 16).expect("a size is a number");
        let chunk = bytes.get(end + 2..)?.get(..size)?;
        let close = bytes.get(end + 2 + size..)?.get(..2)?;
        assert_eq!(close, b"\r\n", "a chunk ends with a line");
        body.extend_from_slice(chunk);
        at = end + 2 + size + 2;
        if size == 0 {
            return Some((body, at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_of_framing_is_read_and_what_is_missing_is_waited_for() {
        let counted = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
        let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n\
            0\r\n\r\n";
        for bytes in [&counted[..], chunked] {
            for cut in 0..bytes.len() {
                assert_eq!(Response::read(&bytes[..cut], false, false), None, "cut at {cut}");
            }
            let (response, taken) = Response::read(bytes, false, false).expect("it is whole");
            assert_eq!((response.text(), taken), ("abc", bytes.len()));
        }
        let (response, taken) = Response::read(counted, true, false).expect("a head is enough");
        assert_eq!((response.text(), taken), ("", counted.len() - 3));
        let open = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nabc";
        assert_eq!(Response::read(open, false, false), None);
        assert_eq!(Response::read(open, false, true).map(|(_, taken)| taken), Some(open.len()));
        let (all, left) = Response::read_all(&[&counted[..], &chunked[..50]].concat(), false);
        assert_eq!((all.len(), left), (1, 50));
    }
}
