//! The fields of a request that decide which part of a file is sent, in which coding, or whether it
//! is sent at all. They are found in one walk over the head, where it has any; what they say is
//! read elsewhere, and only when it is needed.

use http::Method;

use crate::http::Request;

/// What a request says of the file it asks for.
///
/// A field of one value (RFC 9110 5.5) that comes twice counts as an empty one: an empty range or
/// date is none, so such a field is ignored as an invalid one is.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Asked<'a> {
    /// `Accept-Encoding`.
    pub accept_encoding: Lines<'a>,
    /// `If-Match`.
    pub if_match: Lines<'a>,
    /// `If-None-Match`.
    pub if_none_match: Lines<'a>,
    /// `If-Modified-Since`.
    pub if_modified_since: Option<&'a [u8]>,
    /// `If-Unmodified-Since`.
    pub if_unmodified_since: Option<&'a [u8]>,
    /// `If-Range`. None where the method is not `GET`.
    pub if_range: Option<&'a [u8]>,
    /// `Range`. None where the method is not `GET`, the only one that has ranges (RFC 9110 14.2).
    pub range: Option<&'a [u8]>,
}

/// The values of a field that is a list: of one line as a rule, and of more where the client has
/// spread it (RFC 9110 5.3). One line takes no memory of its own.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Lines<'a> {
    first: Option<&'a [u8]>,
    more: Vec<&'a [u8]>,
}

impl<'a> Asked<'a> {
    /// Finds them in a request. Most have been looked through already, and have none of these but
    /// `Accept-Encoding`.
    #[must_use]
    pub fn by(request: &Request<'a>) -> Self {
        if request.is_plain() {
            let accept_encoding = request.accept_encoding().map(Lines::one).unwrap_or_default();
            return Self { accept_encoding, ..Self::default() };
        }
        Self::of(request.method(), request.fields())
    }

    /// Finds them among the fields of a request: `Asked::of(request.method(), request.fields())`.
    pub fn of(method: &Method, fields: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut asked = Self::default();
        for (name, value) in fields {
            asked.note(name, value);
        }
        if *method != Method::GET {
            asked.range = None;
            asked.if_range = None;
        }
        asked
    }

    /// Takes note of one field. Most are told by their length alone to be none of these.
    fn note(&mut self, name: &str, value: &'a [u8]) {
        let is = |other| name.eq_ignore_ascii_case(other);
        match name.len() {
            5 if is("range") => once(&mut self.range, value),
            8 if is("if-match") => self.if_match.push(value),
            8 if is("if-range") => once(&mut self.if_range, value),
            13 if is("if-none-match") => self.if_none_match.push(value),
            15 if is("accept-encoding") => self.accept_encoding.push(value),
            17 if is("if-modified-since") => once(&mut self.if_modified_since, value),
            19 if is("if-unmodified-since") => once(&mut self.if_unmodified_since, value),
            _ => {}
        }
    }

    /// Tells whether the request makes its answer depend on what the client has already.
    #[must_use]
    pub fn is_conditional(&self) -> bool {
        self.if_match.is_present()
            || self.if_none_match.is_present()
            || self.if_modified_since.is_some()
            || self.if_unmodified_since.is_some()
            || self.if_range.is_some()
    }
}

impl<'a> Lines<'a> {
    /// A field of one line.
    #[must_use]
    pub fn one(value: &'a [u8]) -> Self {
        Self { first: Some(value), more: Vec::new() }
    }

    /// Adds a line.
    pub fn push(&mut self, value: &'a [u8]) {
        if self.first.is_none() {
            self.first = Some(value);
        } else {
            self.more.push(value);
        }
    }

    /// Tells whether the request has the field, be it empty.
    #[must_use]
    pub fn is_present(&self) -> bool {
        self.first.is_some()
    }

    /// The lines in their order.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> {
        self.first.into_iter().chain(self.more.iter().copied())
    }
}

fn once<'a>(place: &mut Option<&'a [u8]>, value: &'a [u8]) {
    *place = if place.is_none() { Some(value) } else { Some(b"") };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_whatever_their_case() {
        let fields: [(&str, &[u8]); 9] = [
            ("Host", b"localhost"),
            ("Range", b"bytes=0-1"),
            ("if-match", b"\"a\""),
            ("If-Range", b"\"b\""),
            ("IF-NONE-MATCH", b"\"c\""),
            ("Accept-Encoding", b"gzip"),
            ("If-Modified-Since", b"d"),
            ("If-Unmodified-Since", b"e"),
            ("Rangs", b"bytes=0-2"),
        ];
        let expected = Asked {
            accept_encoding: Lines::one(b"gzip"),
            if_match: Lines::one(b"\"a\""),
            if_none_match: Lines::one(b"\"c\""),
            if_modified_since: Some(b"d"),
            if_unmodified_since: Some(b"e"),
            if_range: Some(b"\"b\""),
            range: Some(b"bytes=0-1"),
        };
        assert_eq!(Asked::of(&Method::GET, fields), expected);
        let of_head = Asked { if_range: None, range: None, ..expected };
        assert_eq!(Asked::of(&Method::HEAD, fields), of_head);
    }

    /// One field at a time, two, and the same one twice.
    #[test]
    fn what_was_found_already_is_what_would_be_found() {
        let fields = [
            "",
            "Accept: */*\r\n",
            "Accept-Encoding:  gzip, br \r\n",
            "accept-encoding: zstd\r\n",
            "RANGE: bytes=0-1\r\n",
            "If-Match: \"a\"\r\n",
            "If-Range: \"a\"\r\n",
            "if-none-match: \"a\"\r\n",
            "If-Modified-Since: a\r\n",
            "IF-UNMODIFIED-SINCE: a\r\n",
        ];
        for method in ["GET", "HEAD"] {
            for first in fields {
                for second in fields {
                    let head = format!("{method} / HTTP/1.1\r\nHost: a\r\n{first}{second}\r\n");
                    let request = Request::again(head.as_bytes()).expect("a request");
                    let found = Asked::of(request.method(), request.fields());
                    assert_eq!(Asked::by(&request), found, "{head}");
                }
            }
        }
    }

    #[test]
    fn lists_may_have_lines_and_others_not() {
        let fields: [(&str, &[u8]); 5] = [
            ("If-None-Match", b"\"a\""),
            ("Range", b"bytes=0-1"),
            ("If-None-Match", b"\"b\""),
            ("Range", b"bytes=0-2"),
            ("Range", b"bytes=0-3"),
        ];
        let asked = Asked::of(&Method::GET, fields);
        assert_eq!(asked.if_none_match.iter().collect::<Vec<_>>(), [b"\"a\"", b"\"b\""]);
        assert_eq!(asked.range, Some(&b""[..]));
    }

    #[test]
    fn each_condition_is_one() {
        let is_conditional = |name| {
            let fields: [(&str, &[u8]); 1] = [(name, b"")];
            Asked::of(&Method::GET, fields).is_conditional()
        };
        let conditions =
            ["If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range"];
        assert!(conditions.into_iter().all(is_conditional));
        assert!(!is_conditional("Range") && !is_conditional("Accept-Encoding"));
    }
}
