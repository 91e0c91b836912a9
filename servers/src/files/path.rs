//! From the path of a request to the path of a file below the root, in one way only. It asks no
//! disk, and what no file can be called it refuses before a disk is asked.

use std::borrow::Cow;

use percent_encoding::{
    AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode_str, percent_encode, utf8_percent_encode,
};

use crate::http::is_overlong;

/// The longest name of a file in bytes: no file system of Linux has longer ones (`NAME_MAX`).
const LONGEST_NAME: usize = 255;

/// The longest path that a system call takes, in bytes: `PATH_MAX`, without the NUL at its end.
const LONGEST_PATH: usize = 4095;

/// The only hidden name that is served: RFC 8615 3 gives it a meaning, and gives it none anywhere
/// but directly below the root, so that elsewhere it is a hidden name like all others.
const WELL_KNOWN: &[u8] = b".well-known";

/// What a segment of a path may hold as it is (RFC 3986 3.3).
const ESCAPED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// What a query may not hold, of what http lets through.
const QUERY: AsciiSet = CONTROLS
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// What becomes of names that begin with a dot, such as `.git` and `.env`, which are seldom meant
/// to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DotFiles {
    /// They are not found, but for `.well-known` directly below the root.
    #[default]
    Hidden,
    /// They are files like all others.
    Served,
}

/// Why a path names no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathError {
    /// 400: no client that follows RFC 3986 sends it. Its sender tries something, or is broken.
    Malformed(&'static str),
    /// 404: a good path, which no file that is served can have.
    NotFound,
}

/// A path below the root: no dot segments, no empty ones, no escapes, and not hidden.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FilePath<'a> {
    bytes: Cow<'a, [u8]>,
    is_directory: bool,
}

impl<'a> FilePath<'a> {
    /// What the path of a target names. Nothing is allocated for the usual one, which has no
    /// escapes, no empty segments and none that begin with a dot.
    ///
    /// Escapes are decoded once. An escaped slash is not found: no name of a file has a slash in
    /// it, and whoever reads it as a separator serves `/private%2Fkey` past a proxy that guards
    /// `/private/` (RFC 3986 2.2 tells the two apart). An escaped backslash is not found for the
    /// same reason, though a name could have one.
    ///
    /// # Errors
    /// [`PathError::Malformed`] where `..` leads above the root, which RFC 3986 5.2.4 has clients
    /// resolve before they send it, and for what `http` has refused already: no slash at the
    /// beginning, or a control character. [`PathError::NotFound`] for a hidden name, and for names
    /// and paths that are longer than any file's.
    pub fn parse(path: &'a str, dot_files: DotFiles) -> Result<Self, PathError> {
        let Some(below) = path.strip_prefix('/') else {
            return Err(PathError::Malformed("the path does not begin with a slash"));
        };
        if is_plain(below.as_bytes()) {
            return Ok(Self::plain(below.as_bytes()));
        }
        let normal = normalise(below)?;
        check_names(normal.as_bytes(), dot_files)?;
        Ok(normal)
    }

    fn plain(below: &'a [u8]) -> Self {
        match below.strip_suffix(b"/") {
            Some(bytes) => Self { bytes: bytes.into(), is_directory: true },
            None => Self { bytes: below.into(), is_directory: below.is_empty() },
        }
    }

    /// The path from the root, without a slash at its beginning or end: empty for the root itself.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What the path is known by: itself, with a slash at its end where a directory is meant. So a
    /// directory and a file of the same name are told apart, and the root's is empty.
    #[must_use]
    pub fn key(&self) -> Cow<'_, [u8]> {
        if self.is_directory && !self.bytes.is_empty() {
            [&self.bytes, &b"/"[..]].concat().into()
        } else {
            Cow::Borrowed(&self.bytes)
        }
    }

    /// Tells whether only a directory can be meant: the path ends with a slash or a dot segment.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.is_directory
    }

    /// The same path without the request it came from.
    #[must_use]
    pub fn into_owned(self) -> FilePath<'static> {
        FilePath { bytes: Cow::Owned(self.bytes.into_owned()), is_directory: self.is_directory }
    }

    /// Where the path with its missing slash is: the value of a `Location` field, for a directory
    /// that was asked for as if it were a file.
    ///
    /// It begins with exactly one slash, whatever the request began with, and no backslash is in a
    /// path: so it has no host in it, and a client stays with the one it has.
    #[must_use]
    pub fn location(&self, query: Option<&str>) -> String {
        let mut location = String::from("/");
        if !self.bytes.is_empty() {
            location.extend(percent_encode(&self.bytes, &ESCAPED));
            location.push('/');
        }
        if let Some(query) = query {
            location.push('?');
            push_query(&mut location, query);
        }
        location
    }
}

/// Writes a query as a URI may have it (RFC 3986 3.4), whatever a client has written.
fn push_query(location: &mut String, query: &str) {
    let mut parts = query.split('%');
    location.extend(parts.next().into_iter().flat_map(|part| utf8_percent_encode(part, &QUERY)));
    for part in parts {
        let digits = part.as_bytes().first_chunk::<2>();
        let is_escape = digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        location.push_str(if is_escape { "%" } else { "%25" });
        location.extend(utf8_percent_encode(part, &QUERY));
    }
}

/// Tells whether a path stands for itself: most do.
fn is_plain(below: &[u8]) -> bool {
    let mut before = b'/';
    for &byte in below {
        match byte {
            b'/' | b'.' if before == b'/' => return false,
            b'%' | b'\\' | 0..=0x1F | 0x7F => return false,
            _ => before = byte,
        }
    }
    // In a path that is as short as a name all names are short.
    let is_long = |name: &[u8]| name.len() > LONGEST_NAME;
    below.len() <= LONGEST_NAME
        || below.len() <= LONGEST_PATH && !below.split(|byte| *byte == b'/').any(is_long)
}

/// Decodes the escapes and takes out what names nothing. Empty segments go first, as in the paths
/// of a file system: `a//..` is the root.
fn normalise(below: &str) -> Result<FilePath<'static>, PathError> {
    let mut kept: Vec<u8> = Vec::with_capacity(below.len());
    let mut is_directory = true;
    for segment in below.split('/') {
        let segment: Cow<'_, [u8]> = percent_decode_str(segment).into();
        is_directory = matches!(&*segment, b"" | b"." | b"..");
        match &*segment {
            b"" | b"." => {}
            b".." if kept.is_empty() => {
                return Err(PathError::Malformed("the path leads above the root"));
            }
            b".." => kept.truncate(kept.iter().rposition(|byte| *byte == b'/').unwrap_or(0)),
            name => {
                check_bytes(name)?;
                if !kept.is_empty() {
                    kept.push(b'/');
                }
                kept.extend_from_slice(name);
            }
        }
    }
    Ok(FilePath { bytes: kept.into(), is_directory })
}

/// Tells whether a request can name a file of that name, of those that a directory can hold.
#[must_use]
pub fn can_be_named(name: &[u8]) -> bool {
    check_bytes(name).is_ok() && !name.array_windows().any(is_overlong)
}

/// Refuses what must not be in any segment, not even in one that a `..` takes away: an escaped
/// slash would make the `..` ambiguous.
fn check_bytes(name: &[u8]) -> Result<(), PathError> {
    if name.iter().any(u8::is_ascii_control) {
        return Err(PathError::Malformed("the path means a control character"));
    }
    if name.iter().any(|byte| matches!(byte, b'/' | b'\\')) {
        return Err(PathError::NotFound);
    }
    Ok(())
}

fn check_names(path: &[u8], dot_files: DotFiles) -> Result<(), PathError> {
    if path.len() > LONGEST_PATH {
        return Err(PathError::NotFound);
    }
    for (at, name) in path.split(|byte| *byte == b'/').enumerate() {
        let is_known = at == 0 && name == WELL_KNOWN;
        let is_hidden = name.starts_with(b".") && !is_known && dot_files == DotFiles::Hidden;
        if is_hidden || name.len() > LONGEST_NAME {
            return Err(PathError::NotFound);
        }
    }
    Ok(())
}
