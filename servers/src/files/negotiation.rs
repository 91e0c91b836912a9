//! In which coding a file is sent, of those it is there in (RFC 9110 12.5.3). Nothing is compressed
//! here: a coding is there when a file in it lies beside the file.

use std::array;

use http::HeaderValue;
use memchr::memchr;

use super::asked::Lines;

/// A content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Coding {
    /// The file itself.
    Identity,
    /// Beside it with `.gz`.
    Gzip,
    /// Beside it with `.zst`.
    Zstd,
    /// Beside it with `.br`.
    Brotli,
}

impl Coding {
    /// All of them. Of those that a client likes equally well the last is sent: compressed ahead of
    /// time, a page comes out smaller with each.
    pub const ALL: [Self; 4] = [Self::Identity, Self::Gzip, Self::Zstd, Self::Brotli];

    /// What the name of a file in this coding has behind that of the file.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Identity => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
            Self::Brotli => ".br",
        }
    }

    /// The value of `Content-Encoding`, which the file itself goes without.
    #[must_use]
    pub fn content_encoding(self) -> Option<HeaderValue> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some(HeaderValue::from_static("gzip")),
            Self::Zstd => Some(HeaderValue::from_static("zstd")),
            Self::Brotli => Some(HeaderValue::from_static("br")),
        }
    }

    /// `x-gzip` is another name of gzip (RFC 9110 8.4.1.3).
    fn named(name: &[u8]) -> Option<Self> {
        let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
        match name.len() {
            2 if is(b"br") => Some(Self::Brotli),
            4 if is(b"gzip") => Some(Self::Gzip),
            4 if is(b"zstd") => Some(Self::Zstd),
            6 if is(b"x-gzip") => Some(Self::Gzip),
            8 if is(b"identity") => Some(Self::Identity),
            _ => None,
        }
    }
}

/// The codings that a file is there in.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Codings(u8);

impl Codings {
    /// None.
    pub const NONE: Self = Self(0);

    /// These and one more.
    #[must_use]
    pub const fn and(self, coding: Coding) -> Self {
        Self(self.0 | 1 << coding as u8)
    }

    /// Tells whether a coding is among them.
    #[must_use]
    pub const fn has(self, coding: Coding) -> bool {
        self.0 & 1 << coding as u8 != 0
    }
}

impl FromIterator<Coding> for Codings {
    fn from_iter<I: IntoIterator<Item = Coding>>(codings: I) -> Self {
        codings.into_iter().fold(Self::NONE, Self::and)
    }
}

/// How well a client likes each coding. Equal ones lead to equal choices, whatever was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Accepted {
    /// Of each of [`Coding::ALL`].
    likings: [Liking; 4],
}

/// Nothing is worse than something, and what is not asked for is better than nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Liking {
    Refused,
    /// The file itself, where nothing is said of it (12.5.3, rule 2).
    Unsaid,
    /// In thousandths, at least one.
    Weighed(u16),
}

impl Accepted {
    /// The file itself: for clients that say nothing, and need know of no coding, or say something
    /// that cannot be read.
    pub const PLAIN: Self =
        Self { likings: [Liking::Unsaid, Liking::Refused, Liking::Refused, Liking::Refused] };

    /// Reads an `Accept-Encoding` field. It takes no memory.
    #[must_use]
    pub fn of(field: &Lines<'_>) -> Self {
        if field.is_present() { Self::parse(field).unwrap_or(Self::PLAIN) } else { Self::PLAIN }
    }

    /// The coding to send by an `Accept-Encoding` field, as [`Accepted::best_of`]. Where there is
    /// nothing but the file itself it is seldom read: without a weight nothing is refused.
    #[must_use]
    pub fn choose(field: &Lines<'_>, there: Codings) -> Option<Coding> {
        let has_weights = || field.iter().any(|line| memchr(b';', line).is_some());
        if there == Codings::NONE.and(Coding::Identity) && !has_weights() {
            return Some(Coding::Identity);
        }
        Self::of(field).best_of(there)
    }

    /// Nothing where the field is not written as RFC 9110 12.5.3 says.
    fn parse(field: &Lines<'_>) -> Option<Self> {
        let mut named = [None; 4];
        let mut others = None;
        let elements = field.iter().flat_map(|line| line.split(|byte| *byte == b','));
        for element in elements.map(<[u8]>::trim_ascii).filter(|element| !element.is_empty()) {
            let (name, thousandths) = weighted(element)?;
            let place = match Coding::named(name) {
                Some(coding) => &mut named[coding as usize],
                None if name == b"*" => &mut others,
                None => continue,
            };
            // Of a coding that is named twice, the word less in favour of it counts.
            *place = Some(place.map_or(thousandths, |before: u16| before.min(thousandths)));
        }
        Some(Self { likings: array::from_fn(|at| liking(named[at].or(others), Coding::ALL[at])) })
    }

    /// The coding to send. Nothing where the client forbids the file itself and accepts no coding
    /// it is there in: that is 406 (15.5.7), since who goes out of its way to forbid the only thing
    /// there is had better hear so than be sent it. Whatever the choice, where there was one the
    /// response has `Vary: Accept-Encoding`.
    #[must_use]
    pub fn best_of(&self, there: Codings) -> Option<Coding> {
        let liked = |coding: &Coding| self.likings[*coding as usize];
        Coding::ALL
            .into_iter()
            .filter(|coding| there.has(*coding) && liked(coding) > Liking::Refused)
            .max_by_key(liked)
    }
}

fn liking(thousandths: Option<u16>, coding: Coding) -> Liking {
    match thousandths {
        Some(0) => Liking::Refused,
        Some(thousandths) => Liking::Weighed(thousandths),
        None if coding == Coding::Identity => Liking::Unsaid,
        None => Liking::Refused,
    }
}

/// `codings [ weight ]`: the name, and its weight in thousandths.
fn weighted(element: &[u8]) -> Option<(&[u8], u16)> {
    let end = element.iter().position(|byte| *byte == b';');
    let Some(end) = end else { return is_token(element).then_some((element, 1000)) };
    let name = element[..end].trim_ascii_end();
    let weight = match element[end + 1..].trim_ascii_start() {
        [b'q' | b'Q', b'=', weight @ ..] => thousandths(weight)?,
        _ => return None,
    };
    is_token(name).then_some((name, weight))
}

/// `qvalue`, RFC 9110 12.4.2: from 0 to 1, with three digits behind the point at most.
fn thousandths(text: &[u8]) -> Option<u16> {
    let (whole, digits) = match text {
        [whole @ (b'0' | b'1')] => (whole, &[][..]),
        [whole @ (b'0' | b'1'), b'.', digits @ ..] if digits.len() <= 3 => (whole, digits),
        _ => return None,
    };
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |at: usize| digits.get(at).map_or(0, |digit| u16::from(digit - b'0'));
    let behind_point = digit(0) * 100 + digit(1) * 10 + digit(2);
    let sum = u16::from(whole - b'0') * 1000 + behind_point;
    (sum <= 1000).then_some(sum)
}

/// RFC 9110 5.6.2. It is enough to tell names from what cannot be one.
fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| IN_TOKEN[usize::from(*byte)])
}

/// Every browser sends the field with every request, so that its bytes are looked up.
const IN_TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        let is_delimiter = matches!(
            byte,
            b'"' | b'('..=b')' | b',' | b'/' | b':'..=b'@' | b'['..=b']' | b'{' | b'}'
        );
        table[byte as usize] = byte.is_ascii_graphic() && !is_delimiter;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::Coding::{Brotli, Gzip, Identity, Zstd};
    use super::*;

    fn of(field: &str) -> Accepted {
        Accepted::of(&Lines::one(field.as_bytes()))
    }

    #[track_caller]
    fn assert_best(field: &str, there: &[Coding], best: Option<Coding>) {
        let there = there.iter().copied().collect();
        assert_eq!(of(field).best_of(there), best, "{field}");
        assert_eq!(Accepted::choose(&Lines::one(field.as_bytes()), there), best, "{field}");
    }

    #[track_caller]
    fn assert_of_all(cases: &[(&str, Coding)]) {
        for (field, best) in cases {
            assert_best(field, &Coding::ALL, Some(*best));
        }
    }

    #[test]
    fn without_the_field_the_file_itself_is_sent() {
        let there = Coding::ALL.into_iter().collect();
        assert_eq!(Accepted::of(&Lines::default()).best_of(there), Some(Identity));
        assert_of_all(&[("", Identity), (" , ,", Identity)]);
    }

    /// The examples of RFC 9110 12.5.3.
    #[test]
    fn the_examples_of_the_rfc() {
        assert_of_all(&[
            ("compress, gzip", Gzip),
            ("", Identity),
            ("*", Brotli),
            ("compress;q=0.5, gzip;q=1.0", Gzip),
            ("gzip;q=1.0, identity; q=0.5, *;q=0", Gzip),
        ]);
        assert_best("gzip;q=1.0, identity; q=0.5, *;q=0", &[Identity, Brotli], Some(Identity));
    }

    #[test]
    fn what_browsers_send() {
        let browser = "gzip, deflate, br, zstd";
        assert_best(browser, &[Identity, Gzip, Zstd, Brotli], Some(Brotli));
        assert_best(browser, &[Identity, Gzip, Zstd], Some(Zstd));
        assert_best(browser, &[Identity, Gzip], Some(Gzip));
        assert_best(browser, &[Identity], Some(Identity));
        assert_best("deflate", &Coding::ALL, Some(Identity));
    }

    #[test]
    fn weights_decide_and_then_the_server() {
        assert_of_all(&[
            ("gzip;q=0.8, br;q=0.7", Gzip),
            ("gzip;q=0.701, br;q=0.7", Gzip),
            ("gzip;q=0.70, br;q=0.7", Brotli),
            ("gzip;q=0.001", Gzip),
            ("identity, gzip;q=0.999", Identity),
            ("identity, gzip", Gzip),
            ("identity;q=0.5, gzip;q=0.4", Identity),
            ("gzip;q=0.5, *;q=0.8", Brotli),
            ("br;q=0, *", Zstd),
            ("GZIP", Gzip),
            ("x-gzip", Gzip),
            ("X-GZip;Q=0.5", Gzip),
            ("gzip\t;\tq=1.000 ,, br;q=0.9", Gzip),
        ]);
        assert_best("gzip;q=0.5, *;q=0.8", &[Identity, Gzip], Some(Identity));
    }

    #[test]
    fn what_is_refused_is_not_sent() {
        assert_of_all(&[
            ("gzip;q=0", Identity),
            ("zstd;q=0.000, gzip", Gzip),
            ("gzip;q=0, x-gzip", Identity),
            ("gzip, gzip;q=0", Identity),
            ("*;q=0, gzip", Gzip),
        ]);
        assert_best("zstd;q=0", &[Identity, Zstd], Some(Identity));
    }

    #[test]
    fn where_the_file_itself_is_refused_there_may_be_nothing() {
        assert_best("identity;q=0", &Coding::ALL, None);
        assert_best("identity;q=0, gzip", &[Identity, Gzip], Some(Gzip));
        assert_best("identity;q=0, gzip", &[Identity, Brotli], None);
        assert_best("*;q=0", &Coding::ALL, None);
        assert_best("*;q=0, identity;q=0.1", &[Identity], Some(Identity));
        assert_best("gzip", &[Brotli], None);
        assert_best("gzip", &[], None);
    }

    #[test]
    fn what_cannot_be_read_means_the_file_itself() {
        let wrong = [
            "gzip;q=2",
            "gzip;q=1.001",
            "gzip;q=0.1234",
            "gzip;q=.5",
            "gzip;q=-1",
            "gzip;q=",
            "gzip;q",
            "gzip;",
            "gzip;level=9",
            "gzip;q=0.5;a=b",
            "gzip q=1",
            "gzip;q =1",
            "gzip;q=a",
            "gzip;q=0.a",
            "gzip;q=01",
            ";q=1, gzip",
            "gzip, br@",
            "gz/ip",
            "\u{e4}, gzip",
            "gzip;q=10",
        ];
        for field in wrong {
            assert_eq!(of(field), Accepted::PLAIN, "{field}");
        }
        // Not even what can be read of it.
        assert_best("identity;q=0, gzip;q=x", &[Identity, Gzip], Some(Identity));
    }

    #[test]
    fn delimiters_are_in_no_token() {
        for byte in 0..=u8::MAX {
            let is_delimiter = br#""(),/:;<=>?@[\]{}"#.contains(&byte);
            assert_eq!(is_token(&[byte]), byte.is_ascii_graphic() && !is_delimiter, "{byte}");
        }
        assert!(!is_token(b""));
    }

    #[test]
    fn lines_are_one_list() {
        let mut lines = Lines::one(b"gzip");
        lines.push(b"br;q=0.5, identity;q=0");
        assert_eq!(Accepted::of(&lines), of("gzip, br;q=0.5, identity;q=0"));
    }

    #[test]
    fn every_weight_of_three_digits_is_read() {
        for weight in 0..1000 {
            assert_eq!(thousandths(format!("0.{weight:03}").as_bytes()), Some(weight));
        }
        for one in ["1", "1.", "1.0", "1.00", "1.000"] {
            assert_eq!(thousandths(one.as_bytes()), Some(1000), "{one}");
        }
        assert_eq!(thousandths(b"0."), Some(0));
        assert_eq!(thousandths(b"0.5"), Some(500));
        assert_eq!(thousandths(b"0.05"), Some(50));
    }

    #[test]
    fn codings_are_told_apart() {
        for coding in Coding::ALL {
            let only: Codings = [coding].into_iter().collect();
            assert!(Coding::ALL.into_iter().all(|other| only.has(other) == (other == coding)));
            let named = coding.content_encoding();
            let named = named.as_ref().map_or(&b"identity"[..], HeaderValue::as_bytes);
            assert_eq!(Coding::named(named), Some(coding));
            assert_eq!(Coding::ALL[coding as usize], coding);
        }
    }
}
