//! The head of a request: from bytes to a [`Request`], or to why it is refused.
//!
//! `httparse` finds the parts. It takes some things that another server on the way may read
//! otherwise, and what two servers read in two ways is how requests are smuggled, so everything
//! that frames a message is checked once more: the lines here, and the fields in `framers`. It
//! knows nothing of machines and of responses.

use std::mem::MaybeUninit;

use fsm_runtime::Input;
use http::{Method, StatusCode};
use httparse::{EMPTY_HEADER, Error, Header, Status, parse_headers};
use memchr::{memchr, memrchr};

use super::framers::{BodyLength, Expectation, Framers};
use super::refusal::Refusal;
use super::target;

/// How much a head may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadLimits {
    /// The bytes of the whole head, from the method to the empty line.
    pub bytes: usize,
    /// The header fields, at most [`MOST_FIELDS`].
    pub fields: usize,
    /// The bytes of the target.
    pub target: usize,
}

impl HeadLimits {
    /// What a server takes unless it is told otherwise: as many fields as Apache's
    /// `LimitRequestFields`; in bytes twice what the target may have, so that as much is left for
    /// the fields behind the longest one; and of the target a little over the 8,000 bytes that RFC
    /// 9112 3 asks for.
    pub const DEFAULT: Self = Self { bytes: 16 * 1024, fields: 100, target: 8 * 1024 };
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The most header fields that can be allowed: their places are taken on the stack.
pub const MOST_FIELDS: usize = 256;

/// What a connection waits for between two answers.
#[derive(Debug)]
pub enum Heads<'a> {
    /// A whole head.
    Head(Request<'a>),
    /// No head can come of this any more, whose first line begins so.
    Malformed(Refusal, &'a [u8]),
}

/// The head of a request, checked: it is framed in one way only, and its target and host are what
/// they must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    method: Method,
    path: &'a str,
    query: Option<&'a str>,
    /// ASCII.
    host: &'a [u8],
    bytes: &'a [u8],
    /// Where the first header field begins.
    fields_at: usize,
    referer: Option<&'a [u8]>,
    user_agent: Option<&'a [u8]>,
    accept_encoding: Option<&'a [u8]>,
    is_plain: bool,
    pub(super) is_http10: bool,
    pub(super) length: BodyLength,
    pub(super) persists: bool,
    pub(super) expectation: Expectation,
}

impl<'a> Input<'a> for Heads<'a> {
    type Decoder = HeadLimits;

    fn decode(limits: &mut HeadLimits, bytes: &'a [u8], seen: usize) -> Option<(usize, Self)> {
        let window = &bytes[..bytes.len().min(limits.bytes)];
        let is_full = window.len() == limits.bytes;
        // Only whole lines are looked at, and each once: so every way of cutting a head gives the
        // same answer, and a client that sends byte by byte costs no more than its lines.
        let new = window.get(seen..).unwrap_or_default();
        let end = memrchr(b'\n', new).map(|at| at + seen + 1);
        if end.is_none() && !is_full && !opens_with_line_end(window) {
            return None;
        }
        let refusal = match Request::parse(&window[..end.unwrap_or(0)], *limits) {
            _ if opens_with_line_end(window) => Refusal::malformed("an empty line before the head"),
            Ok(Some((taken, request))) => return Some((taken, Self::Head(request))),
            Ok(None) if is_full => too_large(window),
            Ok(None) => return None,
            Err(refusal) => refusal,
        };
        Some((bytes.len(), Self::Malformed(refusal, first_line(bytes))))
    }
}

/// What came of the first line, without its end.
pub(super) fn first_line(bytes: &[u8]) -> &[u8] {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// RFC 9112 2.2 lets a server skip an empty line there; one that does answers another request than
/// one that does not.
fn opens_with_line_end(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(b'\r' | b'\n'))
}

/// What of a head is too large for it to fit.
fn too_large(window: &[u8]) -> Refusal {
    match (memchr(b'\n', window), memchr(b' ', window)) {
        (Some(_), _) => Refusal::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "the head is longer than this server takes",
        ),
        (None, Some(_)) => TARGET_TOO_LONG,
        (None, None) => Refusal::malformed("the method is longer than any"),
    }
}

const TARGET_TOO_LONG: Refusal =
    Refusal::new(StatusCode::URI_TOO_LONG, "the target is longer than this server takes");

/// The first line of a head.
struct Line<'a> {
    method: &'a str,
    path: &'a str,
    is_http10: bool,
}

const NO_LINE: Refusal = Refusal::malformed("the first line is not METHOD TARGET VERSION");

const NO_VERSION: Refusal = Refusal::malformed("the first line does not end in a version of HTTP");

impl<'a> Request<'a> {
    /// The request whose head was kept, as [`Request::bytes`] gave it, while its answer was made.
    #[must_use]
    pub fn again(bytes: &'a [u8]) -> Option<Self> {
        let any = HeadLimits { bytes: bytes.len(), fields: MOST_FIELDS, target: bytes.len() };
        Self::parse(bytes, any).ok().flatten().map(|(_, request)| request)
    }

    /// Parses the head at the front of `bytes`. Answers it and how many bytes it takes, or nothing
    /// where it is not whole.
    ///
    /// # Errors
    /// Why no head can come of it.
    pub(super) fn parse(
        bytes: &'a [u8],
        limits: HeadLimits,
    ) -> Result<Option<(usize, Self)>, Refusal> {
        let mut places = [const { MaybeUninit::<Header<'a>>::uninit() }; MOST_FIELDS];
        let places = &mut places[..limits.fields.min(MOST_FIELDS)];
        let mut head = httparse::Request::new(&mut []);
        let taken = match head.parse_with_uninit_headers(bytes, places) {
            Ok(Status::Complete(taken)) => taken,
            Ok(Status::Partial) => return Ok(None),
            Err(Error::Version) => return Self::parse_newer(bytes, limits),
            Err(error) => return Err(refusal_of(error)),
        };
        let (Some(method), Some(path), Some(minor)) = (head.method, head.path, head.version) else {
            return Ok(None);
        };
        let line = Line { method, path, is_http10: minor == 0 };
        Self::checked(line, head.headers, &bytes[..taken], limits).map(Some)
    }

    /// As [`Request::parse`], where `httparse` does not know the version: one of HTTP/1 that is
    /// newer than all others is taken for HTTP/1.1 (RFC 9110 2.5).
    #[cold]
    fn parse_newer(bytes: &'a [u8], limits: HeadLimits) -> Result<Option<(usize, Self)>, Refusal> {
        let line = first_line(bytes);
        let [method, path, version] = words_of(line).ok_or(NO_VERSION)?;
        match version {
            [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor] if minor.is_ascii_digit() => {}
            [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
                if major.is_ascii_digit() && minor.is_ascii_digit() =>
            {
                return Err(Refusal::new(
                    StatusCode::HTTP_VERSION_NOT_SUPPORTED,
                    "this server speaks HTTP/1.1 and HTTP/1.0",
                ));
            }
            _ => return Err(NO_VERSION),
        }
        let text = |bytes| str::from_utf8(bytes).map_err(|_| NO_LINE);
        let line_end = memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
        let mut places = vec![EMPTY_HEADER; limits.fields.min(MOST_FIELDS)];
        let (taken, fields) = match parse_headers(&bytes[line_end..], &mut places) {
            Ok(Status::Complete((taken, fields))) => (line_end + taken, fields),
            Ok(Status::Partial) => return Ok(None),
            Err(error) => return Err(refusal_of(error)),
        };
        let line = Line { method: text(method)?, path: text(path)?, is_http10: false };
        Self::checked(line, fields, &bytes[..taken], limits).map(Some)
    }

    /// Checks the parts of a head, which are all of `bytes`.
    #[inline]
    fn checked(
        Line { method, path, is_http10 }: Line<'a>,
        fields: &[Header<'a>],
        bytes: &'a [u8],
        limits: HeadLimits,
    ) -> Result<(usize, Self), Refusal> {
        let fields_at = check_line_ends(bytes)?;
        if path.len() > limits.target {
            return Err(TARGET_TOO_LONG);
        }
        let method = Method::from_bytes(method.as_bytes())
            .map_err(|_| Refusal::malformed("the method is not one"))?;
        let target = target::parse(&method, path)?;
        let fields = Framers::find(fields)?;
        let host = fields.host(is_http10)?;
        Ok((
            bytes.len(),
            Self {
                method,
                path: target.path,
                query: target.query,
                host: target.authority.map_or(host, str::as_bytes),
                bytes,
                fields_at,
                referer: fields.referer,
                user_agent: fields.user_agent,
                accept_encoding: fields.accept_encoding,
                is_plain: fields.is_plain,
                is_http10,
                length: fields.length(is_http10)?,
                persists: fields.persists(is_http10),
                expectation: if is_http10 { Expectation::Nothing } else { fields.expectation },
            },
        ))
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The path of the target as it was sent, escapes and all. It begins with `/`.
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.path
    }

    /// What stands behind the question mark of the target.
    #[must_use]
    pub fn query(&self) -> Option<&'a str> {
        self.query
    }

    /// The host, perhaps with a port: that of the target, or else of the `Host` field. Empty for a
    /// client of HTTP/1.0 that names none.
    #[must_use]
    pub fn host(&self) -> &'a str {
        // Most handlers do not ask, so that it is made text only here.
        std::str::from_utf8(self.host).unwrap_or_default()
    }

    /// The header fields in the order in which they were sent, names as they were written, values
    /// without the space around them.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        let bytes = self.bytes;
        let mut at = self.fields_at;
        std::iter::from_fn(move || {
            let line = &bytes[at..];
            let colon = memchr(b':', line)?;
            let end = colon + memchr(b'\n', &line[colon..])?;
            at += end + 1;
            let name = std::str::from_utf8(&line[..colon]).ok()?;
            Some((name, line[colon + 1..end].trim_ascii()))
        })
    }

    /// The first field of that name, whatever its case.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'a [u8]> {
        self.fields().find_map(|(of, value)| of.eq_ignore_ascii_case(name).then_some(value))
    }

    /// The first `Referer`, the page that leads here: it is found already.
    #[must_use]
    pub fn referer(&self) -> Option<&'a [u8]> {
        self.referer
    }

    /// The first `User-Agent`, found already too.
    #[must_use]
    pub fn user_agent(&self) -> Option<&'a [u8]> {
        self.user_agent
    }

    /// The first `Accept-Encoding`, found already too.
    #[must_use]
    pub fn accept_encoding(&self) -> Option<&'a [u8]> {
        self.accept_encoding
    }

    /// Tells whether it asks for all of what is there, whatever the client has of it: it has no
    /// `Range`, none of the conditions of RFC 9110 13.1, and no second `Accept-Encoding`. Then
    /// nobody needs to look for these among its fields.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// The first line as it was sent: method, target and version, without its end.
    #[must_use]
    pub fn first_line(&self) -> &'a [u8] {
        self.bytes[..self.fields_at].strip_suffix(b"\r\n").unwrap_or_default()
    }

    /// The whole head as it was sent.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Tells whether a body follows, be it empty.
    #[must_use]
    pub fn has_body(&self) -> bool {
        self.length != BodyLength::Known(0)
    }
}

/// What is wrong with a head that `httparse` does not take.
#[cold]
fn refusal_of(error: Error) -> Refusal {
    match error {
        Error::HeaderName => Refusal::malformed("a header field's name is not one"),
        Error::HeaderValue => Refusal::malformed("a header field's value has a control character"),
        Error::NewLine => Refusal::malformed("a carriage return without a line feed"),
        Error::TooManyHeaders => Refusal::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "more header fields than this server takes",
        ),
        Error::Version => NO_VERSION,
        Error::Token | Error::Status => NO_LINE,
    }
}

/// The three words of a first line, with one space between them.
fn words_of(line: &[u8]) -> Option<[&[u8]; 3]> {
    let mut words = line.split(|byte| *byte == b' ');
    let all = [words.next()?, words.next()?, words.next()?];
    words.next().is_none().then_some(all)
}

/// `httparse` takes a line feed alone for the end of a line, as RFC 9112 2.2 allows. Whoever stands
/// before this server may not. Answers where the second line begins.
fn check_line_ends(bytes: &[u8]) -> Result<usize, Refusal> {
    let first = memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
    // Every pair is looked at, whatever was found before: so the processor takes many at once.
    let pairs = bytes.iter().zip(bytes.get(1..).unwrap_or_default());
    let bare = pairs.map(|(before, byte)| u8::from(*byte == b'\n') & u8::from(*before != b'\r'));
    if first == 1 || bare.fold(0, |found, bare| found | bare) != 0 {
        return Err(Refusal::malformed("a line feed without a carriage return"));
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::check_line_ends;

    #[test]
    fn a_line_feed_without_a_carriage_return_is_found_wherever_it_stands() {
        for length in 0..100 {
            let line = [vec![b'a'; length], b"\r\n".to_vec()].concat();
            let head = [&line[..], b"\r\n"].concat();
            assert_eq!(check_line_ends(&head), Ok(length + 2));
            for at in 0..=length {
                let mut head = head.clone();
                head[at] = b'\n';
                assert!(check_line_ends(&head).is_err(), "at {at} of {length}");
            }
        }
    }
}
