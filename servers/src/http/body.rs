//! The body of a request, piece by piece: by its length, or in chunks (RFC 9112 7.1).
//!
//! A chunk's framing is read as the RFC writes it and not a byte otherwise. What it says of lengths
//! is added up before it is believed.

use fsm_runtime::Input;
use httparse::Status;
use memchr::{memchr, memchr_iter, memrchr};

use super::framers::BodyLength;
use super::refusal::Refusal;

/// The most bytes of the extensions of one chunk. Nobody is known to use any.
const EXTENSION_LIMIT: usize = 256;

/// The most bytes of the extensions of all chunks of a body: without a limit a client could have
/// 256 bytes of nothing read for each byte of its body.
const EXTENSIONS_LIMIT: usize = 16 * 1024;

/// The most bytes of the fields behind the last chunk, which are read, checked and dropped.
const TRAILERS_LIMIT: usize = 8 * 1024;

/// The most fields behind the last chunk.
const TRAILERS: usize = 32;

/// The hexadecimal digits of the longest length there is.
const LONGEST_SIZE: usize = 16;

const BAD_CHUNK: Refusal = Refusal::malformed("the chunks of the body are not framed as such");

/// What comes of a body.
#[derive(Debug)]
pub enum Body<'a> {
    /// Some of its bytes; none where only its end came. [`Framing::is_whole`] tells whether it was
    /// the last.
    Piece(&'a [u8]),
    /// It cannot be told where the body ends, or it is too long.
    Malformed(Refusal),
}

/// How far a body has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framing {
    at: At,
    /// The bytes that the chunks to come may have.
    room: u64,
    /// The bytes of extensions there have been.
    extensions: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// So many bytes are missing.
    Counted(u64),
    /// The first chunk's size comes next.
    FirstSize,
    /// So many bytes of a chunk are missing, at least one.
    Chunk(u64),
    /// The end of a chunk comes next, and the size of another.
    NextSize,
    /// Nothing is missing.
    End,
}

impl Framing {
    /// A body of which nothing has come, of at most `limit` bytes.
    ///
    /// # Errors
    /// It says itself that it is longer.
    pub(super) fn new(length: BodyLength, limit: u64) -> Result<Self, Refusal> {
        let at = match length {
            BodyLength::Known(bytes) if bytes > limit => return Err(Refusal::TOO_LARGE),
            BodyLength::Known(0) => At::End,
            BodyLength::Known(bytes) => At::Counted(bytes),
            BodyLength::Chunked => At::FirstSize,
        };
        Ok(Self { at, room: limit, extensions: 0 })
    }

    /// Tells whether the last piece has come.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.at == At::End
    }

    /// Takes the size of the next chunk from the front of `bytes`, with the line end before it, and
    /// for the last chunk with everything behind it. Answers how many bytes that takes, or nothing
    /// where more are needed.
    fn next_chunk(&mut self, bytes: &[u8], seen: usize) -> Result<Option<usize>, Refusal> {
        let before = if self.at == At::NextSize { line_end(bytes)? } else { Some(0) };
        let Some(before) = before else { return Ok(None) };
        let Some(line) = SizeLine::parse(&bytes[before..])? else { return Ok(None) };
        let taken = before + line.taken;
        let end = match line.size {
            0 => trailers(&bytes[taken..], seen.saturating_sub(taken))?
                .map(|more| (taken + more, At::End)),
            // The size is taken with the first byte behind it: an input is more than no bytes.
            size => (bytes.len() > taken).then_some((taken, At::Chunk(size))),
        };
        let Some((taken, at)) = end else { return Ok(None) };
        self.extensions += line.extension;
        if self.extensions > EXTENSIONS_LIMIT {
            return Err(Refusal::malformed("more chunk extensions than this server takes"));
        }
        self.room = self.room.checked_sub(line.size).ok_or(Refusal::TOO_LARGE)?;
        self.at = at;
        Ok(Some(taken))
    }

    /// Takes as much of the body as is there, up to the end of the chunk.
    fn piece<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (left, next) = match &mut self.at {
            At::Counted(left) => (left, At::End),
            At::Chunk(left) => (left, At::NextSize),
            At::FirstSize | At::NextSize | At::End => return &[],
        };
        let length = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
        *left -= length as u64;
        if *left == 0 {
            self.at = next;
        }
        &bytes[..length]
    }
}

impl<'a> Input<'a> for Body<'a> {
    type Decoder = Framing;

    fn decode(framing: &mut Framing, bytes: &'a [u8], seen: usize) -> Option<(usize, Self)> {
        if bytes.is_empty() {
            return None;
        }
        let taken = match framing.at {
            At::FirstSize | At::NextSize => match framing.next_chunk(bytes, seen) {
                Ok(taken) => taken?,
                Err(refusal) => return Some((bytes.len(), Self::Malformed(refusal))),
            },
            At::Counted(_) | At::Chunk(_) => 0,
            At::End => return None,
        };
        let piece = framing.piece(&bytes[taken..]);
        Some((taken + piece.len(), Self::Piece(piece)))
    }
}

/// The line end at the front of `bytes`; nothing where more bytes are needed.
fn line_end(bytes: &[u8]) -> Result<Option<usize>, Refusal> {
    match bytes {
        [b'\r', b'\n', ..] => Ok(Some(2)),
        [b'\r'] | [] => Ok(None),
        _ => Err(BAD_CHUNK),
    }
}

/// The line before a chunk.
struct SizeLine {
    size: u64,
    /// The bytes of its extensions.
    extension: usize,
    taken: usize,
}

impl SizeLine {
    /// `chunk-size [ chunk-ext ] CRLF`.
    fn parse(bytes: &[u8]) -> Result<Option<Self>, Refusal> {
        let longest = LONGEST_SIZE + EXTENSION_LIMIT;
        let Some(end) = memchr(b'\r', &bytes[..bytes.len().min(longest + 1)]) else {
            let is_hopeless = bytes.len() > longest || memchr(b'\n', bytes).is_some();
            return if is_hopeless { Err(BAD_CHUNK) } else { Ok(None) };
        };
        let Some(line_end) = line_end(&bytes[end..])? else { return Ok(None) };
        let line = &bytes[..end];
        let digits = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(end);
        let (digits, extension) = line.split_at(digits);
        if digits.len() > LONGEST_SIZE || !is_extension(extension) {
            return Err(BAD_CHUNK);
        }
        let text = std::str::from_utf8(digits).map_err(|_| BAD_CHUNK)?;
        let size = u64::from_str_radix(text, 16).map_err(|_| BAD_CHUNK)?;
        Ok(Some(Self { size, extension: extension.len(), taken: end + line_end }))
    }
}

/// `*( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )`, RFC 9112 7.1.1.
fn is_extension(text: &[u8]) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        let Some(named) = after_mark(rest, b';').and_then(after_token) else { return false };
        rest = named;
        if let Some(value) = after_mark(rest, b'=') {
            let Some(valued) = after_quoted(value).or_else(|| after_token(value)) else {
                return false;
            };
            rest = valued;
        }
    }
    true
}

/// What stands behind a mark and the white space around it.
fn after_mark(text: &[u8], mark: u8) -> Option<&[u8]> {
    skip_space(text).strip_prefix(&[mark]).map(skip_space)
}

fn skip_space(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| !matches!(byte, b' ' | b'\t')).unwrap_or(text.len());
    &text[end..]
}

fn after_token(text: &[u8]) -> Option<&[u8]> {
    let end = text.iter().position(|byte| !is_token_byte(*byte)).unwrap_or(text.len());
    (end > 0).then(|| &text[end..])
}

/// RFC 9110 5.6.2.
const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// RFC 9110 5.6.4.
fn after_quoted(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text.strip_prefix(b"\"")?;
    loop {
        rest = match rest {
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', escaped, rest @ ..] if is_quotable(*escaped) => rest,
            [byte, rest @ ..] if *byte != b'\\' && is_quotable(*byte) => rest,
            _ => return None,
        };
    }
}

const fn is_quotable(byte: u8) -> bool {
    byte == b'\t' || byte >= b' ' && byte != 0x7F
}

/// The fields behind the last chunk and the empty line that ends the body. They are dropped: none
/// may say anything of the message that is over (RFC 9112 7.1.2).
fn trailers(bytes: &[u8], seen: usize) -> Result<Option<usize>, Refusal> {
    let window = &bytes[..bytes.len().min(TRAILERS_LIMIT)];
    let is_full = window.len() == TRAILERS_LIMIT;
    if !is_full && memchr(b'\n', window.get(seen..).unwrap_or_default()).is_none() {
        return Ok(None);
    }
    // Whole lines only, so that every way of cutting a body gives the same answer.
    let lines = memrchr(b'\n', window).map_or(&[][..], |at| &window[..=at]);
    let mut fields = [httparse::EMPTY_HEADER; TRAILERS];
    let bad = Refusal::malformed("what stands behind the last chunk are not header fields");
    match httparse::parse_headers(lines, &mut fields).map_err(|_| bad)? {
        Status::Complete((taken, _)) => {
            let mut ends = memchr_iter(b'\n', &lines[..taken]);
            let is_plain = ends.all(|at| at > 0 && lines[at - 1] == b'\r');
            if is_plain { Ok(Some(taken)) } else { Err(bad) }
        }
        Status::Partial if is_full => Err(bad),
        Status::Partial => Ok(None),
    }
}
