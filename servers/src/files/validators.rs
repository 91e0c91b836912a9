//! What tells one state of a file from another: its entity tag and the date of its last change (RFC
//! 9110 8.8). It is given what was read of a file and reads nothing itself.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;
use httpdate::HttpDate;

use super::negotiation::Coding;
use super::root::{Meta, Stamp};

/// The last second that a date of HTTP can name, and one more: its years have four digits.
const END_OF_DATES: u64 = 253_402_300_800;

/// What separates a hash of a file's metadata from one of a file that holds the same bytes.
const METADATA: &str = "servers: entity tag of a file from its metadata, version 1";

/// What separates a hash of a compressed file from one of a file that holds the same bytes.
const GZIP: &str = "servers: entity tag of a file compressed by gzip, version 1";
const ZSTD: &str = "servers: entity tag of a file compressed by zstd, version 1";
const BROTLI: &str = "servers: entity tag of a file compressed by brotli, version 1";

/// The bytes of a tag: 128 bits as hexadecimal digits, and two quotes.
const TAG_LENGTH: usize = 34;

/// A strong entity tag, as it is sent, with its quotes.
///
/// It is a hash of what it stands for: a tag must be the same after a restart and, but for what is
/// too large to be hashed, on the next machine, so there is no secret in it. And it must not be
/// made to match by who may put files here, since clients and caches would keep the old one. So it
/// is a cryptographic hash, of which 128 bits are kept. Nor does it say anything of where the file
/// lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntityTag([u8; TAG_LENGTH]);

impl EntityTag {
    /// Of a file whose bytes are all there, as they are in this coding. It takes as long as hashing
    /// them. The coding counts, since what is not decoded in the same way is not the same (RFC 9110
    /// 8.8.3.3), though its bytes are.
    #[must_use]
    pub fn of_content(coding: Coding, bytes: &[u8]) -> Self {
        let mut hasher = match coding {
            Coding::Identity => blake3::Hasher::new(),
            Coding::Gzip => blake3::Hasher::new_derive_key(GZIP),
            Coding::Zstd => blake3::Hasher::new_derive_key(ZSTD),
            Coding::Brotli => blake3::Hasher::new_derive_key(BROTLI),
        };
        Self::of_hash(&hasher.update(bytes).finalize())
    }

    /// Of a file too large for that.
    #[must_use]
    pub fn of_metadata(coding: Coding, meta: &Meta) -> Self {
        let Meta { dev, ino, size, mtime, ctime, kind: _, names: _ } = *meta;
        let mut hasher = blake3::Hasher::new_derive_key(METADATA);
        for number in [dev, ino, size] {
            hasher.update(&number.to_le_bytes());
        }
        for stamp in [mtime, ctime] {
            hasher.update(&stamp.seconds.to_le_bytes());
            hasher.update(&stamp.nanoseconds.to_le_bytes());
        }
        // Behind numbers that are always as long, so that one coding's are not another's.
        hasher.update(coding.suffix().as_bytes());
        Self::of_hash(&hasher.finalize())
    }

    fn of_hash(hash: &blake3::Hash) -> Self {
        let mut text = [b'"'; TAG_LENGTH];
        let digits = &mut text[1..TAG_LENGTH - 1];
        digits.copy_from_slice(&hash.to_hex().as_bytes()[..digits.len()]);
        Self(text)
    }

    /// The tag as it is sent.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The value of an `ETag` field.
    #[must_use]
    pub fn header_value(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.0).unwrap_or(HeaderValue::from_static("\"\""))
    }
}

/// The date of a file's last change that may be told, in whole seconds.
///
/// There is none where the file system's is not one: builds that are to be the same everywhere set
/// it to the epoch or a second behind it, where every version of a file would have the same. One
/// that lies in the future is told as `now` (RFC 9110 8.8.2.1), the time of day when the file was
/// looked at, so that no later response dates it behind itself.
#[must_use]
pub fn last_modified(stamp: Stamp, now: SystemTime) -> Option<SystemTime> {
    let seconds = u64::try_from(stamp.seconds).ok().filter(|seconds| *seconds > 1)?;
    let today = now.duration_since(UNIX_EPOCH).ok()?.as_secs();
    let seconds = seconds.min(today);
    (seconds < END_OF_DATES).then(|| UNIX_EPOCH + Duration::from_secs(seconds))
}

/// What a file that is sent has of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validators {
    tag: EntityTag,
    modified: Option<SystemTime>,
}

impl Validators {
    /// Those of a file; `modified` is from [`last_modified`].
    #[must_use]
    pub fn new(tag: EntityTag, modified: Option<SystemTime>) -> Self {
        Self { tag, modified }
    }

    /// The entity tag.
    #[must_use]
    pub fn tag(&self) -> &EntityTag {
        &self.tag
    }

    /// The date of the last change, in whole seconds.
    #[must_use]
    pub fn modified(&self) -> Option<SystemTime> {
        self.modified
    }

    /// The value of a `Last-Modified` field; nothing where there should be none.
    #[must_use]
    pub fn last_modified_value(&self) -> Option<HeaderValue> {
        let date = HttpDate::from(self.modified?);
        HeaderValue::try_from(date.to_string()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::root::Kind;
    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn told(seconds: i64) -> Option<SystemTime> {
        last_modified(Stamp { seconds, nanoseconds: 999_999_999 }, at(NOW))
    }

    #[test]
    fn the_past_is_told_in_seconds() {
        assert_eq!(told(784_111_777), Some(at(784_111_777)));
        assert_eq!(told(2), Some(at(2)));
        let validators =
            Validators::new(EntityTag::of_content(Coding::Identity, b""), told(784_111_777));
        // The example of RFC 9110 5.6.7.
        let value = validators.last_modified_value();
        assert_eq!(value, Some(HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT")));
    }

    #[test]
    fn the_future_is_now() {
        assert_eq!(told(1_700_000_001), Some(at(NOW)));
        assert_eq!(told(i64::MAX), Some(at(NOW)));
    }

    #[test]
    fn dates_that_mean_nothing_are_not_told() {
        for seconds in [i64::MIN, -1, 0, 1] {
            assert_eq!(told(seconds), None, "{seconds}");
        }
        let validators = Validators::new(EntityTag::of_content(Coding::Identity, b""), None);
        assert_eq!(validators.last_modified_value(), None);
    }

    /// `HttpDate` panics beyond the year 9999.
    #[test]
    fn a_clock_gone_wild_has_no_dates() {
        let far = |seconds| last_modified(Stamp { seconds, nanoseconds: 0 }, at(u64::MAX >> 2));
        let last = far(253_402_300_799);
        let validators = Validators::new(EntityTag::of_content(Coding::Identity, b""), last);
        let value = validators.last_modified_value();
        assert_eq!(value, Some(HeaderValue::from_static("Fri, 31 Dec 9999 23:59:59 GMT")));
        assert_eq!(far(253_402_300_800), None);
        let before = UNIX_EPOCH.checked_sub(Duration::from_secs(1)).unwrap();
        assert_eq!(last_modified(Stamp { seconds: 9, nanoseconds: 0 }, before), None);
    }

    /// Tags outlive the process and must be the same elsewhere, so they are pinned. The first is
    /// the beginning of BLAKE3's own test vector for no bytes.
    #[test]
    fn tags_of_contents() {
        let tag = |bytes| EntityTag::of_content(Coding::Identity, bytes).header_value();
        assert_eq!(tag(b""), "\"af1349b9f5f9a1a6a0404dea36dcc949\"");
        assert_ne!(tag(b"a"), tag(b"b"));
        assert_eq!(EntityTag::of_content(Coding::Identity, b"a").as_bytes(), tag(b"a").as_bytes());
    }

    #[test]
    fn every_number_of_the_metadata_counts() {
        let stamp = Stamp { seconds: 1, nanoseconds: 1 };
        let one = Meta {
            dev: 1,
            ino: 1,
            size: 1,
            mtime: stamp,
            ctime: stamp,
            kind: Kind::File,
            names: 1,
        };
        let later = Stamp { seconds: 2, ..stamp };
        let a_bit_later = Stamp { nanoseconds: 2, ..stamp };
        let all = [
            one,
            Meta { dev: 2, ..one },
            Meta { ino: 2, ..one },
            Meta { size: 2, ..one },
            Meta { mtime: later, ..one },
            Meta { mtime: a_bit_later, ..one },
            Meta { ctime: later, ..one },
            Meta { ctime: a_bit_later, ..one },
        ];
        let tags: std::collections::HashSet<_> = all
            .iter()
            .map(|metadata| EntityTag::of_metadata(Coding::Identity, metadata).0)
            .collect();
        assert_eq!(tags.len(), all.len());
        assert_eq!(
            EntityTag::of_metadata(Coding::Identity, &one),
            EntityTag::of_metadata(Coding::Identity, &one)
        );
    }

    #[test]
    fn a_file_cannot_pass_for_metadata() {
        let of_file = EntityTag::of_content(Coding::Identity, &[0; 48]);
        let never = Stamp { seconds: 0, nanoseconds: 0 };
        let empty = Meta {
            dev: 0,
            ino: 0,
            size: 0,
            mtime: never,
            ctime: never,
            kind: Kind::File,
            names: 1,
        };
        assert_ne!(of_file, EntityTag::of_metadata(Coding::Identity, &empty));
    }
}
