//! Conditional requests (RFC 9110 13): whether a file is sent, given what the client has of it.

use std::time::{Duration, SystemTime};

use memchr::memchr;

use super::asked::{Asked, Lines};
use super::validators::Validators;

/// What becomes of a request whose answer would otherwise be 200 (RFC 9110 13.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is answered, the range included if one is asked for.
    Proceed,
    /// It is answered as if it asked for no range.
    ProceedIgnoringRange,
    /// 304: the client has the file. The response has the fields that a 200 would have of
    /// `Cache-Control`, `Content-Location`, `Date`, `ETag`, `Expires` and `Vary` (15.4.5).
    NotModified,
    /// 412: the file is not what the client takes it for.
    PreconditionFailed,
}

/// A date is told to the second, so a file may change behind it for so long.
const RESOLUTION: Duration = Duration::from_secs(1);

/// Judges a `GET` or `HEAD` for a file that is there, in the order of RFC 9110 13.2.2. `now` is the
/// time of day.
#[must_use]
pub fn evaluate(asked: &Asked<'_>, current: &Validators, now: SystemTime) -> Verdict {
    if !asked.is_conditional() {
        return Verdict::Proceed;
    }
    if is_changed(asked, current) {
        return Verdict::PreconditionFailed;
    }
    if is_known(asked, current) {
        return Verdict::NotModified;
    }
    match asked.if_range {
        Some(having) if asked.range.is_some() && !is_same(having, current, now) => {
            Verdict::ProceedIgnoringRange
        }
        _ => Verdict::Proceed,
    }
}

/// Steps 1 and 2: `If-Match`, and without it `If-Unmodified-Since`.
fn is_changed(asked: &Asked<'_>, current: &Validators) -> bool {
    if asked.if_match.is_present() {
        return !names(&asked.if_match, current, Comparison::Strong);
    }
    match (asked.if_unmodified_since.and_then(date), current.modified()) {
        (Some(since), Some(modified)) => modified > since,
        // Without a date there is no condition (13.1.4).
        _ => false,
    }
}

/// Steps 3 and 4: `If-None-Match`, and without it `If-Modified-Since`.
fn is_known(asked: &Asked<'_>, current: &Validators) -> bool {
    if asked.if_none_match.is_present() {
        return names(&asked.if_none_match, current, Comparison::Weak);
    }
    match (asked.if_modified_since.and_then(date), current.modified()) {
        (Some(since), Some(modified)) => modified <= since,
        // Without a date there is no condition (13.1.3).
        _ => false,
    }
}

/// Step 5: `If-Range`, a strong tag or a strong date, which must be the very same (13.1.5). A date
/// of this second is not strong yet (8.8.2.2).
fn is_same(having: &[u8], current: &Validators, now: SystemTime) -> bool {
    if let Some((tag, b"")) = first_tag(having) {
        return tag.is_same(current, Comparison::Strong);
    }
    match (date(having), current.modified()) {
        (Some(having), Some(modified)) => {
            having == modified && now.duration_since(modified).is_ok_and(|age| age >= RESOLUTION)
        }
        _ => false,
    }
}

/// A date in one of the three forms of RFC 9110 5.6.7; others are ignored.
fn date(text: &[u8]) -> Option<SystemTime> {
    httpdate::parse_http_date(std::str::from_utf8(text).ok()?).ok()
}

/// How tags are compared (RFC 9110 8.8.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    /// Neither may be weak.
    Strong,
    /// It does not matter.
    Weak,
}

/// Tells whether a list of tags has that of the file, or is `*`, which every file is that is there.
/// What stands behind something that is no tag is not read.
fn names(list: &Lines<'_>, current: &Validators, comparison: Comparison) -> bool {
    list.iter().any(|line| line == b"*" || tags(line).any(|tag| tag.is_same(current, comparison)))
}

/// An entity tag that a client has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tag<'a> {
    is_weak: bool,
    /// With its quotes.
    opaque: &'a [u8],
}

impl Tag<'_> {
    /// The tags of files are strong.
    fn is_same(self, current: &Validators, comparison: Comparison) -> bool {
        self.opaque == current.tag().as_bytes() && (comparison == Comparison::Weak || !self.is_weak)
    }
}

/// `#entity-tag`. Commas and spaces between tags may be more than there need to be (RFC 9110
/// 5.6.1.2); within one, a comma is part of it.
fn tags(line: &[u8]) -> impl Iterator<Item = Tag<'_>> {
    let is_between = |byte: &u8| matches!(byte, b',' | b' ' | b'\t');
    let mut rest = line;
    std::iter::from_fn(move || {
        let begin = rest.iter().position(|byte| !is_between(byte))?;
        let (tag, behind) = first_tag(&rest[begin..])?;
        rest = behind;
        let is_whole = matches!(behind.trim_ascii_start(), [] | [b',', ..]);
        is_whole.then_some(tag)
    })
}

/// The tag at the front of a text, and what stands behind it (RFC 9110 8.8.3).
fn first_tag(text: &[u8]) -> Option<(Tag<'_>, &[u8])> {
    let (is_weak, quoted) = match text.strip_prefix(b"W/") {
        Some(quoted) => (true, quoted),
        None => (false, text),
    };
    let end = memchr(b'"', quoted.strip_prefix(b"\"")?)? + 2;
    let (opaque, behind) = quoted.split_at(end);
    let is_tag = opaque.iter().all(|byte| *byte > b' ' && *byte != 0x7F);
    is_tag.then_some((Tag { is_weak, opaque }, behind))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use http::Method;

    use super::super::negotiation::Coding;
    use super::super::validators::EntityTag;
    use super::*;

    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const THEN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
    const THEN_SECONDS: u64 = 784_111_777;

    const TAG: &str = "\"T\"";
    const WEAK_TAG: &str = "W/\"T\"";

    /// A file that was changed at `THEN` and that `"T"` stands for in what clients send.
    fn current() -> Validators {
        let modified = UNIX_EPOCH + Duration::from_secs(THEN_SECONDS);
        Validators::new(EntityTag::of_content(Coding::Identity, b"T"), Some(modified))
    }

    fn judged(method: &Method, current: &Validators, fields: &[(&str, &str)]) -> Verdict {
        let own = std::str::from_utf8(current.tag().as_bytes()).unwrap();
        let sent: Vec<_> =
            fields.iter().map(|(name, value)| (*name, value.replace("\"T\"", own))).collect();
        let fields = sent.iter().map(|(name, value)| (*name, value.as_bytes()));
        let now = UNIX_EPOCH + Duration::from_secs(THEN_SECONDS + 3600);
        evaluate(&Asked::of(method, fields), current, now)
    }

    #[track_caller]
    fn assert_judged(cases: &[(&[(&str, &str)], Verdict)]) {
        for (fields, verdict) in cases {
            assert_eq!(judged(&Method::GET, &current(), fields), *verdict, "{fields:?}");
        }
    }

    use Verdict::{NotModified, PreconditionFailed, Proceed, ProceedIgnoringRange};

    #[test]
    fn if_match() {
        assert_judged(&[
            (&[], Proceed),
            (&[("If-Match", TAG)], Proceed),
            (&[("If-Match", "*")], Proceed),
            (&[("If-Match", "\"x\", \"T\"")], Proceed),
            (&[("If-Match", "\"x\""), ("If-Match", TAG)], Proceed),
            (&[("If-Match", "\"x\"")], PreconditionFailed),
            (&[("If-Match", "T")], PreconditionFailed),
            (&[("If-Match", "")], PreconditionFailed),
            (&[("If-Match", "\"*\"")], PreconditionFailed),
            // It is compared strongly (13.1.1).
            (&[("If-Match", WEAK_TAG)], PreconditionFailed),
        ]);
    }

    #[test]
    fn if_none_match() {
        assert_judged(&[
            (&[("If-None-Match", TAG)], NotModified),
            (&[("If-None-Match", "*")], NotModified),
            (&[("If-None-Match", "\"x\",\"T\"")], NotModified),
            (&[("If-None-Match", "\"x\""), ("If-None-Match", TAG)], NotModified),
            // It is compared weakly (13.1.2).
            (&[("If-None-Match", WEAK_TAG)], NotModified),
            (&[("If-None-Match", "W/\"x\", W/\"T\"")], NotModified),
            (&[("If-None-Match", "\"x\"")], Proceed),
            (&[("If-None-Match", "")], Proceed),
            (&[("If-None-Match", "T")], Proceed),
        ]);
    }

    #[test]
    fn dates() {
        assert_judged(&[
            (&[("If-Modified-Since", BEFORE)], Proceed),
            (&[("If-Modified-Since", THEN)], NotModified),
            (&[("If-Modified-Since", AFTER)], NotModified),
            (&[("If-Unmodified-Since", BEFORE)], PreconditionFailed),
            (&[("If-Unmodified-Since", THEN)], Proceed),
            (&[("If-Unmodified-Since", AFTER)], Proceed),
            // The older forms (5.6.7).
            (&[("If-Modified-Since", "Sunday, 06-Nov-94 08:49:37 GMT")], NotModified),
            (&[("If-Modified-Since", "Sun Nov  6 08:49:37 1994")], NotModified),
        ]);
    }

    #[test]
    fn what_is_no_date_is_no_condition() {
        for wrong in ["", "0", "yesterday", "Sun, 06 Nov 1994 08:49:37", "Sun, 99 Nov 1994 x"] {
            assert_judged(&[
                (&[("If-Modified-Since", wrong)], Proceed),
                (&[("If-Unmodified-Since", wrong)], Proceed),
            ]);
        }
        assert_judged(&[
            (&[("If-Modified-Since", THEN), ("If-Modified-Since", THEN)], Proceed),
            (&[("If-Unmodified-Since", BEFORE), ("If-Unmodified-Since", BEFORE)], Proceed),
        ]);
        let undated = Validators::new(EntityTag::of_content(Coding::Identity, b"T"), None);
        for field in ["If-Modified-Since", "If-Unmodified-Since"] {
            for date in [BEFORE, AFTER] {
                assert_eq!(judged(&Method::GET, &undated, &[(field, date)]), Proceed);
            }
        }
    }

    /// RFC 9110 13.2.2, step by step; the first two are where servers go wrong.
    #[test]
    fn tags_count_before_dates_and_412_before_304() {
        assert_judged(&[
            (&[("If-None-Match", TAG), ("If-Modified-Since", BEFORE)], NotModified),
            (&[("If-None-Match", "\"x\""), ("If-Modified-Since", AFTER)], Proceed),
            (&[("If-Match", TAG), ("If-Unmodified-Since", BEFORE)], Proceed),
            (&[("If-Match", "\"x\""), ("If-Unmodified-Since", AFTER)], PreconditionFailed),
            (&[("If-Match", "\"x\""), ("If-None-Match", TAG)], PreconditionFailed),
            (&[("If-Match", TAG), ("If-None-Match", TAG)], NotModified),
            (&[("If-Unmodified-Since", BEFORE), ("If-None-Match", TAG)], PreconditionFailed),
            (&[("If-Unmodified-Since", THEN), ("If-Modified-Since", THEN)], NotModified),
            (&[("If-None-Match", TAG), ("Range", "bytes=0-1"), ("If-Range", "x")], NotModified),
        ]);
    }

    #[test]
    fn if_range() {
        let range = ("Range", "bytes=0-1");
        assert_judged(&[
            (&[range], Proceed),
            (&[range, ("If-Range", TAG)], Proceed),
            (&[range, ("If-Range", THEN)], Proceed),
            (&[range, ("If-Range", "\"x\"")], ProceedIgnoringRange),
            (&[range, ("If-Range", WEAK_TAG)], ProceedIgnoringRange),
            (&[range, ("If-Range", "\"x\", \"T\"")], ProceedIgnoringRange),
            (&[range, ("If-Range", "\"T\", \"x\"")], ProceedIgnoringRange),
            (&[range, ("If-Range", "*")], ProceedIgnoringRange),
            (&[range, ("If-Range", "")], ProceedIgnoringRange),
            (&[range, ("If-Range", TAG), ("If-Range", TAG)], ProceedIgnoringRange),
            // Exactly that date, no later one (13.1.5).
            (&[range, ("If-Range", BEFORE)], ProceedIgnoringRange),
            (&[range, ("If-Range", AFTER)], ProceedIgnoringRange),
            // Without a range there is nothing to ignore.
            (&[("If-Range", "\"x\"")], Proceed),
        ]);
        let of_head = judged(&Method::HEAD, &current(), &[range, ("If-Range", "\"x\"")]);
        assert_eq!(of_head, Proceed);
    }

    #[test]
    fn a_date_of_this_second_is_not_strong() {
        let fields = [("Range", &b"bytes=0-1"[..]), ("If-Range", THEN.as_bytes())];
        let asked = Asked::of(&Method::GET, fields);
        let modified = UNIX_EPOCH + Duration::from_secs(THEN_SECONDS);
        let after = |millis| evaluate(&asked, &current(), modified + Duration::from_millis(millis));
        assert_eq!(after(999), ProceedIgnoringRange);
        assert_eq!(after(1000), Proceed);
        let clock_set_back = evaluate(&asked, &current(), UNIX_EPOCH);
        assert_eq!(clock_set_back, ProceedIgnoringRange);
    }

    /// The table of RFC 9110 8.8.3.2, as far as one side is strong.
    #[test]
    fn comparison() {
        let current = current();
        let opaque = current.tag().as_bytes();
        let is_same =
            |is_weak, opaque, comparison| Tag { is_weak, opaque }.is_same(&current, comparison);
        assert!(is_same(false, opaque, Comparison::Strong));
        assert!(is_same(false, opaque, Comparison::Weak));
        assert!(!is_same(true, opaque, Comparison::Strong));
        assert!(is_same(true, opaque, Comparison::Weak));
        assert!(!is_same(false, b"\"2\"", Comparison::Strong));
        assert!(!is_same(false, b"\"2\"", Comparison::Weak));
    }

    #[test]
    fn lists_of_tags() {
        let listed = |line: &str| -> Vec<String> {
            let text = |tag: Tag<'_>| {
                let weak = if tag.is_weak { "W/" } else { "" };
                format!("{weak}{}", String::from_utf8_lossy(tag.opaque))
            };
            tags(line.as_bytes()).map(text).collect()
        };
        // The examples of RFC 9110 13.1.1, and of 8.8.3 the empty tag.
        assert_eq!(listed(r#""xyzzy", "r2d2xxxx", "c3piozzzz""#).len(), 3);
        assert_eq!(listed(r#"W/"xyzzy", """#), [r#"W/"xyzzy""#, r#""""#]);
        assert_eq!(listed(r#""""#), [r#""""#]);
        // A comma, a backslash and bytes that are no ASCII are part of a tag.
        assert_eq!(listed(r#""a,b","c\","ä""#), [r#""a,b""#, r#""c\""#, r#""ä""#]);
        assert_eq!(listed(r#" ,, "a" ,	,"b",, "#), [r#""a""#, r#""b""#]);
        // What is no tag ends the list.
        assert_eq!(listed(r#""a", b, "c""#), [r#""a""#]);
        for none in ["", ",", "a", "\"", "\"a", "W/", "W/a", "w/\"a\"", "W /\"a\"", "\"a b\""] {
            assert_eq!(listed(none), Vec::<String>::new(), "{none}");
        }
        for glued in [r#""a"b"#, r#""a""b""#, r#""a" "b""#, "\"a\u{7f}\""] {
            assert_eq!(listed(glued), Vec::<String>::new(), "{glued}");
        }
    }
}
