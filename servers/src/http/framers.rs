//! The header fields that frame a message: where it ends, whether another follows, and for which
//! host it is. Each is read in one way only or refused. It knows no lines and no targets.

use httparse::Header;

use super::refusal::Refusal;
use super::target;

/// How long the body is said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyLength {
    /// So many bytes.
    Known(u64),
    /// As many as the chunks have.
    Chunked,
}

/// What the client asks for before it sends the body (RFC 9110 10.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expectation {
    Nothing,
    Continue,
    Unknown,
}

/// The fields that decide where a message ends and whether another follows.
pub(super) struct Framers<'a> {
    host: Option<&'a [u8]>,
    length: Option<&'a [u8]>,
    coding: Option<&'a [u8]>,
    has_type: bool,
    closes: bool,
    keeps_alive: bool,
    pub(super) expectation: Expectation,
    // They frame nothing, but every log or server of files asks for them, and here they cost next
    // to nothing.
    pub(super) referer: Option<&'a [u8]>,
    pub(super) user_agent: Option<&'a [u8]>,
    pub(super) accept_encoding: Option<&'a [u8]>,
    pub(super) is_plain: bool,
}

impl<'a> Framers<'a> {
    /// Finds them among all fields.
    ///
    /// # Errors
    /// One that must not be there, or not twice.
    pub(super) fn find(fields: &[Header<'a>]) -> Result<Self, Refusal> {
        let mut found = Self {
            host: None,
            length: None,
            coding: None,
            has_type: false,
            closes: false,
            keeps_alive: false,
            expectation: Expectation::Nothing,
            referer: None,
            user_agent: None,
            accept_encoding: None,
            is_plain: true,
        };
        for field in fields {
            found.note(field.name, field.value)?;
        }
        Ok(found)
    }

    /// Takes note of one field. Most are told by their length alone to be none of these.
    fn note(&mut self, name: &str, value: &'a [u8]) -> Result<(), Refusal> {
        let is = |other| name.eq_ignore_ascii_case(other);
        match name.len() {
            4 if is("host") => once(&mut self.host, value, "more than one Host"),
            6 if is("expect") => {
                let is_known = value.eq_ignore_ascii_case(b"100-continue");
                let alone = self.expectation == Expectation::Nothing;
                self.expectation =
                    if is_known && alone { Expectation::Continue } else { Expectation::Unknown };
                Ok(())
            }
            10 if is("connection") => {
                for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                    self.closes |= option.eq_ignore_ascii_case(b"close");
                    self.keeps_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
                Ok(())
            }
            7 if is("referer") => {
                self.referer = self.referer.or(Some(value.trim_ascii()));
                Ok(())
            }
            10 if is("user-agent") => {
                self.user_agent = self.user_agent.or(Some(value.trim_ascii()));
                Ok(())
            }
            15 if is("accept-encoding") => {
                self.is_plain &= self.accept_encoding.is_none();
                self.accept_encoding = self.accept_encoding.or(Some(value.trim_ascii()));
                Ok(())
            }
            5 if is("range") => {
                self.is_plain = false;
                Ok(())
            }
            12 if is("content-type") => {
                if std::mem::replace(&mut self.has_type, true) {
                    return Err(Refusal::malformed("more than one Content-Type"));
                }
                Ok(())
            }
            14 if is("content-length") => {
                once(&mut self.length, value, "more than one Content-Length")
            }
            17 if is("transfer-encoding") => {
                once(&mut self.coding, value, "more than one Transfer-Encoding")
            }
            // Programs behind a gateway are handed names with their hyphens made underscores, where
            // these would be the same as the real ones.
            14 | 17 if is_lookalike(name) => {
                Err(Refusal::malformed("a name that passes for a length behind a gateway"))
            }
            8 | 13 | 17 | 19 if name.as_bytes()[..3].eq_ignore_ascii_case(b"if-") => {
                self.is_plain = false;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// RFC 9112 3.2: one valid `Host`, which only HTTP/1.0 may leave out. An empty one is nobody's.
    pub(super) fn host(&self, is_http10: bool) -> Result<&'a [u8], Refusal> {
        match self.host {
            Some(host) if target::is_authority(host) => Ok(host),
            Some(_) => Err(Refusal::malformed("the Host is not HOST or HOST:PORT")),
            None if is_http10 => Ok(b""),
            None => Err(Refusal::malformed("no Host")),
        }
    }

    /// RFC 9112 6.3. What that section lets a server repair is refused: the client that needs it is
    /// hard to find, and so is the next server that repairs it in the same way.
    pub(super) fn length(&self, is_http10: bool) -> Result<BodyLength, Refusal> {
        match (self.length, self.coding) {
            (Some(_), Some(_)) => {
                Err(Refusal::malformed("both Content-Length and Transfer-Encoding"))
            }
            (None, Some(_)) if is_http10 => {
                Err(Refusal::malformed("Transfer-Encoding in a request of HTTP/1.0"))
            }
            (None, Some(coding)) if coding.eq_ignore_ascii_case(b"chunked") => {
                Ok(BodyLength::Chunked)
            }
            (None, Some(_)) => Err(Refusal::malformed("a Transfer-Encoding other than chunked")),
            (Some(digits), None) => content_length(digits)
                .map(BodyLength::Known)
                .ok_or(Refusal::malformed("the Content-Length is not a plain number")),
            (None, None) => Ok(BodyLength::Known(0)),
        }
    }

    /// RFC 9112 9.3.
    pub(super) fn persists(&self, is_http10: bool) -> bool {
        !self.closes && (!is_http10 || self.keeps_alive)
    }
}

fn once<'a>(
    place: &mut Option<&'a [u8]>,
    value: &'a [u8],
    again: &'static str,
) -> Result<(), Refusal> {
    if place.replace(value).is_some() {
        return Err(Refusal::malformed(again));
    }
    Ok(())
}

fn is_lookalike(name: &str) -> bool {
    let name = name.replace('_', "-");
    name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("transfer-encoding")
}

/// Digits alone, and no zero before others: `010` is eight to some.
fn content_length(digits: &[u8]) -> Option<u64> {
    let is_plain =
        digits.iter().all(u8::is_ascii_digit) && (digits.len() == 1 || digits.first()? != &b'0');
    std::str::from_utf8(digits).ok().filter(|_| is_plain)?.parse().ok()
}
