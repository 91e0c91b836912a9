//! Parts of a file (RFC 9110 14): which of its bytes a `Range` asks for, and what is written around
//! them. It knows lengths and never sees a byte of a file.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use http::HeaderValue;

/// The most ranges of one field; one with more is ignored. Apache's `MaxRanges` is the same. It
/// bounds what a request can have written around a file: as much as so many heads of parts.
pub const MOST_RANGES: usize = 200;

/// The bytes of a `Content-Range` with the longest numbers.
const LONGEST_CONTENT_RANGE: usize = "bytes ".len() + 3 * 20 + "-/".len();

/// What of a file is to be sent. No range is empty or ends behind the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// All of it, with 200.
    Whole,
    /// None of what is asked for is there: 416 with [`content_range_of_none`].
    Unsatisfiable,
    /// These bytes, with 206 and [`content_range`].
    One(Range<u64>),
    /// These bytes, at least two ranges that neither overlap nor touch, with 206 as [`Parts`].
    Several(Vec<Range<u64>>),
}

/// Reads a `Range` field of a `GET` for a file of so many bytes.
///
/// What is no range of bytes is ignored, as RFC 9110 14.2 demands of units nobody knows, and allows
/// of the rest: a client that gets the whole file has what it asked for, and one that gets 416 is
/// told that its range lies outside of the file, which nobody knows.
///
/// Ranges that overlap or touch become one, so that nobody gets more bytes than the file has; the
/// others keep the order they were asked for in (RFC 9110 15.3.7.2). One range takes no memory.
#[must_use]
pub fn select(field: Option<&[u8]>, length: u64) -> Selection {
    let Some(field) = field else { return Selection::Whole };
    match specs(field).and_then(|specs| satisfiable(specs, length)) {
        Some(Found::None) => Selection::Unsatisfiable,
        Some(Found::One(range)) => Selection::One(range),
        Some(Found::Several(ranges)) => joined(ranges),
        None => Selection::Whole,
    }
}

/// What stands behind `bytes=`.
fn specs(field: &[u8]) -> Option<&[u8]> {
    let (unit, specs) = field.split_at_checked("bytes=".len())?;
    unit.eq_ignore_ascii_case(b"bytes=").then_some(specs)
}

/// The ranges that lie in the file, as they were asked for.
enum Found {
    None,
    One(Range<u64>),
    Several(Vec<Range<u64>>),
}

/// Nothing where one of them is no range, or there are too many, or none.
fn satisfiable(specs: &[u8], length: u64) -> Option<Found> {
    let mut found = Found::None;
    let mut count = 0;
    // Empty elements of a list mean nothing (RFC 9110 5.6.1.2).
    let elements = specs.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    for spec in elements.filter(|spec| !spec.is_empty()) {
        count += 1;
        if count > MOST_RANGES {
            return None;
        }
        found = match (found, Spec::parse(spec)?.within(length)?) {
            (found, range) if range.is_empty() => found,
            (Found::None, range) => Found::One(range),
            (Found::One(first), range) => Found::Several(vec![first, range]),
            (Found::Several(mut ranges), range) => {
                ranges.push(range);
                Found::Several(ranges)
            }
        };
    }
    (count > 0).then_some(found)
}

/// One element of the list (RFC 9110 14.1.1).
#[derive(Debug, Clone, Copy)]
enum Spec {
    /// `first-last`, both counted in; `first-` goes on to the end.
    Between(u64, u64),
    /// `-n`: the last n bytes.
    Last(u64),
}

impl Spec {
    fn parse(text: &[u8]) -> Option<Self> {
        let hyphen = text.iter().position(|byte| *byte == b'-')?;
        let (first, last) = (&text[..hyphen], &text[hyphen + 1..]);
        match (first, last) {
            (b"", last) => Some(Self::Last(number(last)?)),
            (first, b"") => Some(Self::Between(number(first)?, u64::MAX)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::Between(first, last))
            }
        }
    }

    /// The bytes of a file that are meant; an empty range where it has none of them. Nothing where
    /// no part of the file can be named, which is then sent whole: the end of an empty file.
    fn within(self, length: u64) -> Option<Range<u64>> {
        match self {
            Self::Between(first, last) => {
                Some(first.min(length)..last.saturating_add(1).min(length))
            }
            Self::Last(count) if count > 0 && length == 0 => None,
            Self::Last(count) => Some(length.saturating_sub(count)..length),
        }
    }
}

/// Digits alone. A number too long for 64 bits lies behind the end of every file, and so does the
/// largest of 64 bits, which stands for it.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0_u64, |number, digit| {
        number.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
    }))
}

/// Makes one of those that overlap or touch, in the place of the first of them.
fn joined(ranges: Vec<Range<u64>>) -> Selection {
    let mut placed: Vec<(usize, Range<u64>)> = ranges.into_iter().enumerate().collect();
    placed.sort_unstable_by_key(|(_, range)| range.start);
    placed.dedup_by(|(place, next), (kept_place, kept)| {
        let is_joined = next.start <= kept.end;
        if is_joined {
            kept.end = kept.end.max(next.end);
            *kept_place = (*kept_place).min(*place);
        }
        is_joined
    });
    placed.sort_unstable_by_key(|(place, _)| *place);
    match &placed[..] {
        [(_, range)] => Selection::One(range.clone()),
        _ => Selection::Several(placed.into_iter().map(|(_, range)| range).collect()),
    }
}

/// `bytes 0-9/100`: the `Content-Range` of a part of a file of so many bytes.
#[must_use]
pub fn content_range(range: &Range<u64>, length: u64) -> HeaderValue {
    let mut text = Vec::with_capacity(LONGEST_CONTENT_RANGE);
    push_content_range(&mut text, range, length);
    header(text)
}

/// `bytes */100`: the `Content-Range` of a 416 (RFC 9110 15.5.17).
#[must_use]
pub fn content_range_of_none(length: u64) -> HeaderValue {
    let mut text = b"bytes */".to_vec();
    push_number(&mut text, length);
    header(text)
}

/// Writes what [`content_range`] makes a value of, for those who write heads themselves.
pub fn push_content_range(text: &mut Vec<u8>, range: &Range<u64>, length: u64) {
    text.extend_from_slice(b"bytes ");
    push_number(text, range.start);
    text.push(b'-');
    push_number(text, range.end.saturating_sub(1));
    text.push(b'/');
    push_number(text, length);
}

fn push_number(text: &mut Vec<u8>, number: u64) {
    text.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn header(text: Vec<u8>) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

/// The line between the parts of one response.
///
/// It must occur in no part (RFC 2046 5.1.1), and looking for it would mean reading the file before
/// sending it. So each response has a new one that nobody can foretell: whoever has seen those
/// before, and may put files here, still cannot write one that seems to end early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Boundary([u8; BOUNDARY_LENGTH]);

/// The bytes of a boundary: 128 bits as hexadecimal digits. Not more than 70 are allowed.
const BOUNDARY_LENGTH: usize = 32;

impl Boundary {
    /// A new one, from the keys that keep hash maps from being attacked: the operating system gives
    /// them to each thread once, and each call has others.
    #[must_use]
    pub fn new() -> Self {
        let keys = RandomState::new();
        let halves = [keys.hash_one(0), keys.hash_one(1)].map(u64::to_be_bytes);
        let mut text = [0; BOUNDARY_LENGTH];
        for (digits, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(halves.as_flattened()) {
            *digits = [byte >> 4, byte & 0xF].map(|half| b"0123456789abcdef"[usize::from(half)]);
        }
        Self(text)
    }
}

impl Default for Boundary {
    fn default() -> Self {
        Self::new()
    }
}

/// A `multipart/byteranges` body (RFC 9110 14.6), but for the bytes of the file. In this order are
/// sent: for each range [`Self::push_head`] and its bytes, and then [`Self::push_end`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    boundary: Boundary,
    /// Of the file, which each part says.
    media_type: HeaderValue,
    length: u64,
    ranges: Vec<Range<u64>>,
}

impl Parts {
    /// The parts of a file of this media type and so many bytes.
    #[must_use]
    pub fn new(
        boundary: Boundary,
        media_type: HeaderValue,
        length: u64,
        ranges: Vec<Range<u64>>,
    ) -> Self {
        Self { boundary, media_type, length, ranges }
    }

    /// The ranges, in the order in which they are sent.
    #[must_use]
    pub fn ranges(&self) -> &[Range<u64>] {
        &self.ranges
    }

    /// The `Content-Type` of the response.
    #[must_use]
    pub fn content_type(&self) -> HeaderValue {
        header([b"multipart/byteranges; boundary=", &self.boundary.0[..]].concat())
    }

    /// The bytes of the whole body, known before any is sent.
    #[must_use]
    pub fn content_length(&self) -> u64 {
        let mut head = Vec::new();
        let parts = self.ranges.iter().enumerate().map(|(at, range)| {
            head.clear();
            self.push_head(at, &mut head);
            head.len() as u64 + (range.end - range.start)
        });
        let parts: u64 = parts.sum();
        head.clear();
        self.push_end(&mut head);
        parts + head.len() as u64
    }

    /// Writes what stands before the bytes of a range; nothing where there is no such range.
    pub fn push_head(&self, at: usize, text: &mut Vec<u8>) {
        let Some(range) = self.ranges.get(at) else { return };
        text.extend_from_slice(if at == 0 { b"--" } else { b"\r\n--" });
        text.extend_from_slice(&self.boundary.0);
        text.extend_from_slice(b"\r\nContent-Type: ");
        text.extend_from_slice(self.media_type.as_bytes());
        text.extend_from_slice(b"\r\nContent-Range: ");
        push_content_range(text, range, self.length);
        text.extend_from_slice(b"\r\n\r\n");
    }

    /// Writes what stands behind the last range.
    pub fn push_end(&self, text: &mut Vec<u8>) {
        text.extend_from_slice(b"\r\n--");
        text.extend_from_slice(&self.boundary.0);
        text.extend_from_slice(b"--\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: u64 = 10_000;

    fn of(field: &str) -> Selection {
        select(Some(field.as_bytes()), LENGTH)
    }

    #[track_caller]
    fn assert_one(field: &str, range: Range<u64>) {
        assert_eq!(of(field), Selection::One(range), "{field}");
    }

    #[track_caller]
    fn assert_all(fields: &[&str], expected: &Selection) {
        for field in fields {
            assert_eq!(of(field), *expected, "{field}");
        }
    }

    /// The examples of RFC 9110 14.1.2, for a file of 10,000 bytes.
    #[test]
    fn the_examples_of_the_rfc() {
        assert_one("bytes=0-499", 0..500);
        assert_one("bytes=500-999", 500..1000);
        assert_one("bytes=-500", 9500..10_000);
        assert_one("bytes=9500-", 9500..10_000);
        let ends = vec![0..1, 9999..10_000];
        assert_eq!(of("bytes=0-0,-1"), Selection::Several(ends.clone()));
        assert_eq!(of("bytes= 0-0, -1"), Selection::Several(ends));
        let middle = vec![0..1000, 4500..5500, 9000..10_000];
        assert_eq!(of("bytes= 0-999, 4500-5499, -1000"), Selection::Several(middle));
        // Several ways of saying bytes 500 to 999 (14.1.2).
        assert_one("bytes=500-600,601-999", 500..1000);
        assert_one("bytes=500-700,601-999", 500..1000);
    }

    #[test]
    fn ranges_end_with_the_file() {
        assert_one("bytes=9999-20000", 9999..10_000);
        assert_one("bytes=-10001", 0..10_000);
        assert_one("bytes=0-", 0..10_000);
        assert_one("bytes=0-0", 0..1);
        assert_one("bytes=9999-", 9999..10_000);
        assert_one("bytes=0000-0009", 0..10);
    }

    #[test]
    fn what_is_not_there_is_unsatisfiable() {
        let nowhere = ["bytes=10000-", "bytes=10000-10001", "bytes=-0", "bytes=10000-,-0,20000-"];
        assert_all(&nowhere, &Selection::Unsatisfiable);
        // One that is there is enough (RFC 9110 14.1.2).
        assert_one("bytes=10000-,-0,7-7", 7..8);
        assert_one("bytes=7-7,10000-,-0", 7..8);
    }

    /// nginx's CVE-2017-7529: a sum of suffixes went round.
    #[test]
    fn numbers_beyond_64_bits_are_beyond_every_file() {
        assert_one("bytes=0-18446744073709551615", 0..10_000);
        assert_one("bytes=0-18446744073709551616", 0..10_000);
        assert_one("bytes=-99999999999999999999999999", 0..10_000);
        assert_one("bytes=-9223372036854775807,-9223372036854775809", 0..10_000);
        // The last would be 4 if it went round.
        let nowhere = [
            "bytes=18446744073709551615-",
            "bytes=18446744073709551616-",
            "bytes=18446744073709551620-",
        ];
        assert_all(&nowhere, &Selection::Unsatisfiable);
        let last = select(Some(b"bytes=18446744073709551614-"), u64::MAX);
        assert_eq!(last, Selection::One(u64::MAX - 1..u64::MAX));
    }

    #[test]
    fn what_is_no_range_of_bytes_is_ignored() {
        let none = [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes= , ,",
            "bytes=-",
            "bytes=a-b",
            "bytes=5",
            "bytes=5-4",
            "bytes=+1-2",
            "bytes=1-+2",
            "bytes=1--2",
            "bytes=--2",
            "bytes=0x1-2",
            "bytes=1 -2",
            "bytes=1- 2",
            "bytes=0-1;2-3",
            "bytes=0-1,x",
            "bytes=0-1,5-4",
            "bytes =0-1",
            "bytes:0-1",
            "seconds=0-1",
            "byte=0-1",
            "bytess=0-1",
            " bytes=0-1",
            "bytes=\u{661}-2",
            "bytes=0-1 2-3",
        ];
        assert_all(&none, &Selection::Whole);
        assert_eq!(select(None, LENGTH), Selection::Whole);
    }

    #[test]
    fn a_list_is_one_though_it_is_written_badly() {
        assert_one("BYTES=0-1", 0..2);
        assert_one("bytes=,0-1,", 0..2);
        assert_one("bytes=\t0-1 , , ", 0..2);
    }

    #[test]
    fn an_empty_file_has_no_range_but_its_end() {
        for field in ["bytes=0-", "bytes=0-0", "bytes=-0"] {
            assert_eq!(select(Some(field.as_bytes()), 0), Selection::Unsatisfiable, "{field}");
        }
        for field in ["bytes=-1", "bytes=0-,-1"] {
            assert_eq!(select(Some(field.as_bytes()), 0), Selection::Whole, "{field}");
        }
    }

    #[test]
    fn ranges_that_meet_are_one_in_the_first_place() {
        assert_one("bytes=0-4,5-9", 0..10);
        assert_one("bytes=5-9,0-4", 0..10);
        assert_one("bytes=0-99,10-19", 0..100);
        assert_one("bytes=10-19,0-99", 0..100);
        assert_one("bytes=0-1,4-5,1-4", 0..6);
        // Those that do not meet stay in their order (RFC 9110 15.3.7.2).
        let ranges = vec![50..60, 0..10, 20..30];
        assert_eq!(of("bytes=50-54,0-4,20-29,55-59,5-9"), Selection::Several(ranges));
        assert_eq!(of("bytes=5-9,50-54,0-4"), Selection::Several(vec![0..10, 50..55]));
        assert_eq!(of("bytes=0-4,6-9"), Selection::Several(vec![0..5, 6..10]));
    }

    #[test]
    fn bombs_get_the_file_once_at_most() {
        let times = |count, spec: &str| format!("bytes={}", vec![spec; count].join(","));
        assert_one(&times(MOST_RANGES, "0-"), 0..10_000);
        assert_eq!(of(&times(MOST_RANGES + 1, "0-")), Selection::Whole);
        assert_eq!(of(&times(MOST_RANGES + 1, "20000-")), Selection::Whole);
    }

    #[test]
    fn content_ranges() {
        assert_eq!(content_range(&(0..10), 8893), "bytes 0-9/8893");
        assert_eq!(content_range_of_none(8893), "bytes */8893");
        let longest = content_range(&(u64::MAX - 1..u64::MAX), u64::MAX);
        assert_eq!(longest, "bytes 18446744073709551614-18446744073709551614/18446744073709551615");
        assert_eq!(longest.len(), LONGEST_CONTENT_RANGE);
    }

    /// The example of RFC 9110 15.3.7.2, with its letters.
    #[test]
    fn parts_are_written_as_in_the_rfc() {
        let boundary = Boundary(*b"THIS_STRING_SEPARATES_0123456789");
        let media_type = HeaderValue::from_static("application/pdf");
        let parts = Parts::new(boundary, media_type, 8000, vec![500..1000, 7000..8000]);
        let mut text = Vec::new();
        parts.push_head(0, &mut text);
        text.extend_from_slice(b"first");
        parts.push_head(1, &mut text);
        text.extend_from_slice(b"second");
        parts.push_head(2, &mut text);
        parts.push_end(&mut text);
        let expected = "--THIS_STRING_SEPARATES_0123456789\r\n\
            Content-Type: application/pdf\r\n\
            Content-Range: bytes 500-999/8000\r\n\r\n\
            first\r\n\
            --THIS_STRING_SEPARATES_0123456789\r\n\
            Content-Type: application/pdf\r\n\
            Content-Range: bytes 7000-7999/8000\r\n\r\n\
            second\r\n\
            --THIS_STRING_SEPARATES_0123456789--\r\n";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
        let around = expected.len() - "first".len() - "second".len();
        assert_eq!(parts.content_length(), around as u64 + 500 + 1000);
        let content_type = parts.content_type();
        assert_eq!(content_type, "multipart/byteranges; boundary=THIS_STRING_SEPARATES_0123456789");
    }

    #[test]
    fn no_boundary_comes_twice() {
        let many: std::collections::HashSet<_> = (0..1000).map(|_| Boundary::new().0).collect();
        assert_eq!(many.len(), 1000);
        assert!(many.iter().flatten().all(u8::is_ascii_hexdigit));
        assert!(many.iter().all(|text| text[..16] != text[16..]));
        // All digits take part, in every place.
        for place in 0..BOUNDARY_LENGTH {
            let digits: std::collections::HashSet<_> =
                many.iter().map(|text| text[place]).collect();
            assert_eq!(digits.len(), 16, "{place}");
        }
    }
}
