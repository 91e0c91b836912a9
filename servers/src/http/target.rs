//! What a request is for: the target of its first line and the host it names (RFC 9112 3.2), as
//! strictly as RFC 3986 writes them, but for the few characters that browsers do not escape.

use std::net::Ipv6Addr;

use http::Method;
use percent_encoding::percent_decode_str;

use super::refusal::Refusal;

/// Where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// It begins with `/`, or is `*`, or names a host and port for `CONNECT`.
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
    /// The host and port of a target in absolute form, which count before the `Host` field.
    pub(super) authority: Option<&'a str>,
}

/// Takes a target apart. `text` has no space in it, since a space ends a target.
///
/// # Errors
/// A target in none of the four forms, in one that the method does not go with, or with characters
/// or escapes that a path cannot have.
pub(super) fn parse<'a>(method: &Method, text: &'a str) -> Result<Target<'a>, Refusal> {
    let target = match text {
        _ if *method == Method::CONNECT => {
            let is_named = is_authority(text) && text.contains(':');
            return if is_named {
                Ok(Target { path: text, query: None, authority: Some(text) })
            } else {
                Err(Refusal::malformed("the target of CONNECT is not HOST:PORT"))
            };
        }
        "*" if *method == Method::OPTIONS => Target { path: "*", query: None, authority: None },
        _ if text.starts_with('/') => split_query(text, None),
        _ => absolute(text)?,
    };
    check_path(target.path)?;
    check_query(target.query.unwrap_or_default())?;
    Ok(target)
}

/// `http://host:port/path?query`, which every server has to take (RFC 9112 3.2.2).
fn absolute(text: &str) -> Result<Target<'_>, Refusal> {
    const WRONG: Refusal = Refusal::malformed("the target is neither a path nor an http address");
    let (scheme, rest) = text.split_once("://").ok_or(WRONG)?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(WRONG);
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    if !is_authority(authority) {
        return Err(Refusal::malformed("the host of the target is not one"));
    }
    Ok(split_query(rest, Some(authority)))
}

fn split_query<'a>(text: &'a str, authority: Option<&'a str>) -> Target<'a> {
    let (path, query) = match text.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (text, None),
    };
    Target { path: if path.is_empty() { "/" } else { path }, query, authority }
}

/// Browsers leave `|`, `^`, `{` and the like as they are. What would be read in two ways is
/// refused: a backslash, which some take for a slash, a fragment, which is none of a server's
/// business, quotes, and everything that is not ASCII, control characters and spaces included.
const fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'#' | b'<' | b'>' | b'\\')
}

fn check_path(path: &str) -> Result<(), Refusal> {
    if !path.bytes().all(is_path_byte) {
        return Err(Refusal::malformed("the path has a character that must be escaped"));
    }
    if !path.contains('%') {
        return Ok(());
    }
    check_escapes(path)?;
    let meant: Vec<u8> = percent_decode_str(path).collect();
    if meant.iter().any(u8::is_ascii_control) {
        return Err(Refusal::malformed("the path means a control character"));
    }
    if meant.array_windows().any(is_overlong) {
        return Err(Refusal::malformed("the path writes a character in an overlong form"));
    }
    Ok(())
}

fn check_query(query: &str) -> Result<(), Refusal> {
    if !query.bytes().all(|byte| is_path_byte(byte) || byte == b'\\') {
        return Err(Refusal::malformed("the query has a character that must be escaped"));
    }
    check_escapes(query)
}

fn check_escapes(text: &str) -> Result<(), Refusal> {
    let mut escapes = text.split('%').skip(1);
    let is_escape = |rest: &str| {
        rest.as_bytes().first_chunk::<2>().is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
    };
    if escapes.all(is_escape) {
        return Ok(());
    }
    Err(Refusal::malformed("a percent sign without two hexadecimal digits"))
}

/// The first two bytes of a character that has a shorter form (RFC 3629 3): a slash or a dot
/// written so would be one to some decoders and none to others.
const fn is_overlong([first, second]: &[u8; 2]) -> bool {
    matches!((*first, *second), (0xC0 | 0xC1, _) | (0xE0, 0x80..0xA0) | (0xF0, 0x80..0x90))
}

/// Tells whether a text is a host, perhaps with a port (RFC 3986 3.2.2 and 3.2.3), and not empty.
///
/// A user's name is refused, as RFC 9110 4.2.4 asks, and so is a comma, which is what two fields
/// joined into one look like.
pub(super) fn is_authority(text: &str) -> bool {
    if let Some(rest) = text.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else { return false };
        let has_port = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return has_port && address.parse::<Ipv6Addr>().is_ok();
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, port),
        None => (text, ""),
    };
    is_port(port)
        && !host.is_empty()
        && host.bytes().all(is_host_byte)
        && check_escapes(host).is_ok()
}

/// A port may be left out behind its colon.
fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
        && (text.is_empty() || text.parse::<u16>().is_ok())
}

/// RFC 3986's `reg-name`, without the comma.
const fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'%'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b';'
                | b'='
        )
}
