//! Input alphabets: how bytes become the inputs that rows match on, and the three that come with the
//! runtime. A decoder sees bytes and its own limit; it knows no socket, no clock and no machine.

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
    label = "implement `fsm_runtime::Input` for it, or name one that comes with the runtime, such as `Lines<'_>`"
)]
pub trait Input<'a>: Sized {
    /// What the decoder keeps between two calls: its limit, and how far a longer input has come.
    type Decoder;

    /// Looks for one input at the front of `bytes`, of which the first `seen` bytes were looked at before
    /// without finding one. Answers how many bytes the input takes (at least one) and the input, or `None`
    /// where more bytes are needed.
    ///
    /// The limit is the decoder's own: it must answer an input such as `TooLong` before it asks for more
    /// bytes than it means to hold.
    fn decode(decoder: &mut Self::Decoder, bytes: &'a [u8], seen: usize) -> Option<(usize, Self)>;
}

/// The longest line or frame a decoder takes unless told otherwise, in bytes: what the read buffers of
/// Redis and nginx allow a line to grow to.
pub const DEFAULT_LIMIT: usize = 64 * 1024;

/// A limit in bytes, all that the decoders of the runtime need to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteLimit(u32);

impl ByteLimit {
    /// A limit of so many bytes; more than 4 GiB count as 4 GiB.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self(u32::try_from(bytes).unwrap_or(u32::MAX))
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

/// Text lines, each ended by a line feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines<'a> {
    /// A whole line with its line feed, and with the carriage return before it if there is one.
    Line(&'a [u8]),
    /// The line is longer than the limit, its line feed not counted; what was read of it is dropped.
    TooLong,
}

impl<'a> Input<'a> for Lines<'a> {
    type Decoder = ByteLimit;

    /// Most lines are short, so the first 64 bytes are compared at once; that costs about 20 instructions
    /// where a call of `memchr` costs about 40, and a long line still goes to `memchr`.
    #[inline]
    fn decode(limit: &mut ByteLimit, bytes: &'a [u8], seen: usize) -> Option<(usize, Self)> {
        if seen == 0
            && let Some(block) = bytes.first_chunk::<64>()
        {
            let mask = line_feeds(block);
            if mask != 0 {
                let at = mask.trailing_zeros() as usize;
                return Some((at + 1, Self::within(*limit, &bytes[..=at])));
            }
        }
        Self::decode_long(*limit, bytes, seen)
    }
}

impl<'a> Lines<'a> {
    /// A whole line, if it is within the limit.
    #[inline]
    fn within(limit: ByteLimit, line: &'a [u8]) -> Self {
        if line.len() - 1 <= limit.bytes() { Self::Line(line) } else { Self::TooLong }
    }

    /// Decodes a line that is longer than a block, or is all there is.
    #[inline(never)]
    fn decode_long(limit: ByteLimit, bytes: &'a [u8], seen: usize) -> Option<(usize, Self)> {
        match memchr::memchr(b'\n', &bytes[seen..]) {
            Some(at) => Some((seen + at + 1, Self::within(limit, &bytes[..=seen + at]))),
            None if bytes.len() > limit.bytes() => Some((bytes.len(), Self::TooLong)),
            None => None,
        }
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
