//! Input alphabets: how bytes become the inputs that rows match on, and the three that come with
//! the runtime. A decoder sees bytes and its own limit; it knows no socket, no clock and no
//! machine.

use std::fmt;
use std::str::FromStr;

use crate::line_feeds::line_feeds;

/// An input alphabet: an enum whose values are made from bytes.
///
/// ```
/// use fsm_runtime::Input;
///
/// /// One octet at a time.
/// enum Octets { Octet(u8) }
///
/// impl<'a> Input<'a> for Octets {
///     type Decoder = ();
///     fn decode((): &mut (), bytes: &'a [u8], _seen: usize) -> Option<(usize, Self)> {
///         bytes.first().map(|&octet| (1, Self::Octet(octet)))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an input alphabet that can be decoded from bytes",
    label = "implement `fsm_runtime::Input` for it, or name one that comes with the runtime, \
             such as `Lines<'_>`"
)]
pub trait Input<'a>: Sized {
    /// What the decoder keeps between two calls: its limit, and how far a longer input has come.
    type Decoder;

    /// Looks for one input at the front of `bytes`, of which the first `seen` bytes were looked at
    /// before without finding one. Answers how many bytes the input takes (at least one) and the
    /// input, or `None` where more bytes are needed.
    ///
    /// The limit is the decoder's own: it must answer an input such as `TooLong` before it asks for
    /// more bytes than it means to hold.
    fn decode(decoder: &mut Self::Decoder, bytes: &'a [u8], seen: usize) -> Option<(usize, Self)>;
}

/// The longest line or frame a decoder takes unless told otherwise, in bytes: what the read buffers
/// of Redis and nginx allow a line to grow to.
pub const DEFAULT_LIMIT: usize = 64 * 1024;

/// The longest input a decoder can be allowed, in bytes: what the worker holds for one connection.
pub const MAX_LIMIT: usize = 16 * 1024 * 1024;

/// A limit in bytes, all that the decoders of the runtime need to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteLimit(u32);

impl ByteLimit {
    /// A limit of so many bytes; more than [`MAX_LIMIT`] count as that.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the highest limit fits")]
    pub const fn new(bytes: usize) -> Self {
        Self(if bytes < MAX_LIMIT { bytes } else { MAX_LIMIT } as u32)
    }

    /// The limit in bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        self.0 as usize
    }
}

impl Default for ByteLimit {
    fn default() -> Self {
        Self::new(DEFAULT_LIMIT)
    }
}

/// A text that is not a limit: no number, or more than [`MAX_LIMIT`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitError(());

impl fmt::Display for LimitError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "write a number of bytes from 0 to {MAX_LIMIT}")
    }
}

impl std::error::Error for LimitError {}

impl FromStr for ByteLimit {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        let bytes = text.parse().ok().filter(|bytes| *bytes <= MAX_LIMIT);
        bytes.map(Self::new).ok_or(LimitError(()))
    }
}

impl fmt::Display for ByteLimit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes().fmt(formatter)
    }
}

/// Text lines, each ended by a line feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines<'a> {
    /// A whole line with its line feed, and with the carriage return before it if there is one.
    Line(&'a [u8]),
    /// The line is longer than the limit, its line feed not counted; what was read of it is
    /// dropped.
    TooLong,
}

impl<'a> Input<'a> for Lines<'a> {
    type Decoder = ByteLimit;

    #[inline]
    fn decode(limit: &mut ByteLimit, bytes: &'a [u8], seen: usize) -> Option<(usize, Self)> {
        let end = match bytes.first_chunk::<64>().filter(|_| seen == 0).map(line_feeds) {
            None | Some(0) => find_line_end(*limit, bytes, seen),
            // Most lines are short, so the first 64 bytes are compared at once: that costs about 20
            // instructions where a call of `memchr` costs about 40.
            Some(mask) => mask.trailing_zeros() as usize + 1,
        };
        // The end that was not found is zero, and one less than zero is more than any limit.
        if end.wrapping_sub(1) <= limit.bytes() {
            return Some((end, Self::Line(&bytes[..end])));
        }
        (end != 0).then(|| (end.min(bytes.len()), Self::TooLong))
    }
}

/// Where a line ends that is longer than a block or is all there is: behind its line feed, at zero
/// where more bytes are needed, far away where the bytes alone are over the limit. One number and
/// not an `Option` of a line, so that the short lines beside it stay in registers.
#[inline(never)]
fn find_line_end(limit: ByteLimit, bytes: &[u8], seen: usize) -> usize {
    match memchr::memchr(b'\n', &bytes[seen..]) {
        Some(at) => seen + at + 1,
        None if bytes.len() > limit.bytes() => usize::MAX,
        None => 0,
    }
}

/// Whatever one read brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunks<'a> {
    /// At least one byte.
    Chunk(&'a [u8]),
}

impl<'a> Input<'a> for Chunks<'a> {
    type Decoder = ();

    #[inline]
    fn decode((): &mut (), bytes: &'a [u8], _seen: usize) -> Option<(usize, Self)> {
        (!bytes.is_empty()).then_some((bytes.len(), Self::Chunk(bytes)))
    }
}

/// Frames behind a length of four bytes, most significant byte first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LengthPrefixed<'a> {
    /// A whole frame, without its length.
    Frame(&'a [u8]),
    /// The length is over the limit; the bytes read so far are dropped.
    TooLong(u32),
}

/// The bytes a length takes in front of a frame.
const LENGTH_BYTES: usize = 4;

impl<'a> Input<'a> for LengthPrefixed<'a> {
    type Decoder = ByteLimit;

    #[inline]
    fn decode(limit: &mut ByteLimit, bytes: &'a [u8], _seen: usize) -> Option<(usize, Self)> {
        let (&length, rest) = bytes.split_first_chunk::<LENGTH_BYTES>()?;
        let length = u32::from_be_bytes(length);
        if length > limit.0 {
            return Some((bytes.len(), Self::TooLong(length)));
        }
        let frame = rest.get(..length as usize)?;
        Some((LENGTH_BYTES + frame.len(), Self::Frame(frame)))
    }
}
