//! What a request is for: the target of its first line and the host it names (RFC 9112 3.2), as
//! strictly as RFC 3986 writes them, but for the few characters that browsers do not escape.

use std::net::Ipv6Addr;

use http::Method;
use memchr::{memchr, memchr_iter};
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
            let is_named = is_authority(text.as_bytes()) && text.contains(':');
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
    target.query.map_or(Ok(()), check_query)?;
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
    if !is_authority(authority.as_bytes()) {
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
    // Most paths have no escapes, and are looked through once.
    if path.bytes().all(|byte| is_path_byte(byte) && byte != b'%') {
        return Ok(());
    }
    if !path.bytes().all(is_path_byte) {
        return Err(Refusal::malformed("the path has a character that must be escaped"));
    }
    check_escapes(path.as_bytes())?;
    let meant: Vec<u8> = percent_decode_str(path).collect();
    if meant.iter().any(u8::is_ascii_control) {
        return Err(Refusal::malformed("the path means a control character"));
    }
    if meant.array_windows().any(is_overlong) {
        return Err(Refusal::malformed("the path writes a character in an overlong form"));
    }
    Ok(())
}

/// A query is not read here, and names nothing: people write `?q=100%` and `?q="a"`.
/// A fragment is none of it, and control characters and spaces have no place in a line.
fn check_query(query: &str) -> Result<(), Refusal> {
    if query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return Ok(());
    }
    Err(Refusal::malformed("the query has a character that must be escaped"))
}

fn check_escapes(text: &[u8]) -> Result<(), Refusal> {
    let is_escape = |at: usize| {
        text[at + 1..].first_chunk::<2>().is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
    };
    if memchr_iter(b'%', text).all(is_escape) {
        return Ok(());
    }
    Err(Refusal::malformed("a percent sign without two hexadecimal digits"))
}

/// The first two bytes of a character that has a shorter form (RFC 3629 3): a slash or a dot
/// written so would be one to some decoders and none to others.
pub(crate) const fn is_overlong([first, second]: &[u8; 2]) -> bool {
    let (first, second) = (*first, *second);
    matches!((first, second), (0xC0 | 0xC1, 0x80..0xC0) | (0xE0, 0x80..0xA0) | (0xF0, 0x80..0x90))
}

/// Tells whether a text is a host, perhaps with a port (RFC 3986 3.2.2 and 3.2.3), and not empty.
///
/// A user's name is refused, as RFC 9110 4.2.4 asks, and so is a comma, which is what two fields
/// joined into one look like. What passes is ASCII.
pub(super) fn is_authority(text: &[u8]) -> bool {
    if let Some(rest) = text.strip_prefix(b"[") {
        let Some(end) = memchr(b']', rest) else { return false };
        let address = str::from_utf8(&rest[..end]).unwrap_or_default();
        return is_port(&rest[end + 1..]) && address.parse::<Ipv6Addr>().is_ok();
    }
    let end = text.iter().position(|byte| !is_host_byte(*byte)).unwrap_or(text.len());
    let (host, port) = text.split_at(end);
    !host.is_empty() && is_port(port) && check_escapes(host).is_ok()
}

/// Nothing, or a colon, behind which the number may be left out.
fn is_port(text: &[u8]) -> bool {
    let Some((colon, digits)) = text.split_first() else { return true };
    let add = |port: u16, digit: &u8| {
        let digit = digit.is_ascii_digit().then(|| u16::from(digit - b'0'))?;
        port.checked_mul(10)?.checked_add(digit)
    };
    *colon == b':' && digits.iter().try_fold(0, add).is_some()
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

#[cfg(test)]
mod tests {
    use http::Method;

    use super::{is_authority, parse};

    #[test]
    fn a_host_is_a_name_or_an_address_and_perhaps_a_port() {
        let hosts =
            "a a.b-c_d~e!$&'()*+;= a:80 a: a:00065535 a%2fb:1 127.0.0.1:1 [::1] [::1]: [::1]:80";
        for host in hosts.split(' ') {
            assert!(is_authority(host.as_bytes()), "{host}");
        }
        let names = ": :80 a:65536 a:+1 a:b a:1:2 a%2 a%2g a/b a@b a,b a\\";
        let addresses = "[] [::1 ::1 [::1]80 [::1]:x [g::]";
        let others = names.split(' ').chain(addresses.split(' '));
        for other in others.chain(["", "a ", "a\0", "ä"]) {
            assert!(!is_authority(other.as_bytes()), "{other}");
        }
        assert!(!is_authority(b"a\xFF"));
    }

    #[test]
    fn escapes_are_looked_at_wherever_they_stand() {
        let is_taken = |target: &str| parse(&Method::GET, target).is_ok();
        let odd = ["/?%", "/?a=100%&b=%g1", "/?\"a\"<b>"];
        let plain = ["/", "/a%20b", "/%41?%42", "/?", "/?a\\b%5c", "http://h%41/%41?%41"];
        for target in plain.into_iter().chain(odd) {
            assert!(is_taken(target), "{target}");
        }
        for target in
            ["/a%2", "/%", "/a%2g", "/?\u{e4}", "/%00", "/%c0%af", "/\\", "/#", "/%41\"", "/?#"]
        {
            assert!(!is_taken(target), "{target}");
        }
    }
}
