//! The media type of a file, by the end of its name.
//!
//! The table is `mime_guess`'s, as in tower-http and actix-files, without its way back from
//! types to names. What has been registered since is here.

use std::path::Path;

use http::HeaderValue;

/// What is said of a file whose name says nothing: bytes, which no browser shows or runs.
const UNKNOWN: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// Ends of names, in lower case, of which the table has nothing or what was used before there was a
/// type, and what the registry of media types says.
const REGISTERED: &[(&str, &str)] = &[
    ("cjs", "text/javascript"),
    ("mjs", "text/javascript"),
    ("m3u8", "application/vnd.apple.mpegurl"),
    ("map", "application/json"),
    ("otf", "font/otf"),
    ("tgz", "application/gzip"),
    // TypeScript has the same end, but no browser takes it, while players do take this.
    ("ts", "video/mp2t"),
    ("woff", "font/woff"),
    ("zst", "application/zstd"),
];

/// Types of text with what they are written in, as most files are: a browser that is not told takes
/// them for Windows-1252 or guesses. They are whole here so that nothing has to be put together.
const TEXTS: &[(&str, &str)] = &[
    ("text/html", "text/html; charset=utf-8"),
    ("text/css", "text/css; charset=utf-8"),
    ("text/javascript", "text/javascript; charset=utf-8"),
    ("text/plain", "text/plain; charset=utf-8"),
    ("text/markdown", "text/markdown; charset=utf-8"),
    ("text/csv", "text/csv; charset=utf-8"),
    // XML says itself what it is written in, and a word here would count before that (RFC 7303 3).
    ("text/xml", "text/xml"),
];

/// The `Content-Type` of a file with this name. JSON has no charset, it is UTF-8 (RFC 8259 11).
///
/// A file that lies there compressed has the type of the file it stands for: ask with that name.
#[must_use]
pub fn content_type(name: impl AsRef<Path>) -> HeaderValue {
    let end = name.as_ref().extension().and_then(|end| end.to_str());
    let media_type = end.and_then(|end| registered(end).or_else(|| guessed(end)));
    media_type.map_or(UNKNOWN, with_charset)
}

fn registered(end: &str) -> Option<&'static str> {
    let of_end = REGISTERED.iter().find(|(other, _)| end.eq_ignore_ascii_case(other));
    of_end.map(|(_, media_type)| *media_type)
}

fn guessed(end: &str) -> Option<&'static str> {
    mime_guess::from_ext(end).first_raw()
}

fn with_charset(media_type: &'static str) -> HeaderValue {
    if !media_type.starts_with("text/") {
        return HeaderValue::from_static(media_type);
    }
    let whole = TEXTS.iter().find(|(other, _)| media_type == *other);
    whole.map_or_else(|| put_together(media_type), |(_, whole)| HeaderValue::from_static(whole))
}

#[cold]
fn put_together(media_type: &str) -> HeaderValue {
    HeaderValue::try_from(format!("{media_type}; charset=utf-8")).unwrap_or(UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_the_web() {
        let cases = [
            ("index.html", "text/html; charset=utf-8"),
            ("INDEX.HTM", "text/html; charset=utf-8"),
            ("style.css", "text/css; charset=utf-8"),
            ("script.js", "text/javascript; charset=utf-8"),
            ("module.mjs", "text/javascript; charset=utf-8"),
            ("MODULE.MJS", "text/javascript; charset=utf-8"),
            ("a.txt", "text/plain; charset=utf-8"),
            ("README.md", "text/markdown; charset=utf-8"),
            ("subtitles.vtt", "text/vtt; charset=utf-8"),
            ("data.json", "application/json"),
            ("script.js.map", "application/json"),
            ("app.webmanifest", "application/manifest+json"),
            ("feed.xml", "text/xml"),
            ("page.xhtml", "application/xhtml+xml"),
            ("image.svg", "image/svg+xml"),
            ("image.png", "image/png"),
            ("image.jpeg", "image/jpeg"),
            ("image.webp", "image/webp"),
            ("image.avif", "image/avif"),
            ("favicon.ico", "image/x-icon"),
            ("font.woff", "font/woff"),
            ("font.woff2", "font/woff2"),
            ("font.ttf", "font/ttf"),
            ("font.otf", "font/otf"),
            ("module.wasm", "application/wasm"),
            ("film.mp4", "video/mp4"),
            ("film.webm", "video/webm"),
            ("list.m3u8", "application/vnd.apple.mpegurl"),
            ("piece.ts", "video/mp2t"),
            ("paper.pdf", "application/pdf"),
            ("all.zip", "application/zip"),
            ("all.tar.gz", "application/gzip"),
        ];
        for (name, media_type) in cases {
            assert_eq!(content_type(name), media_type, "{name}");
        }
    }

    #[test]
    fn names_that_say_nothing() {
        for name in ["", "noext", ".html", "a.", "a.nobody-has-this", "html", "a.\u{e4}", "a.html "]
        {
            assert_eq!(content_type(name), UNKNOWN, "{name}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_no_text() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        assert_eq!(content_type(OsStr::from_bytes(b"\xFF.html")), "text/html; charset=utf-8");
        assert_eq!(content_type(OsStr::from_bytes(b"a.html\xFF")), UNKNOWN);
    }

    /// A type that the table has since must not be overruled for ever.
    #[test]
    fn what_is_registered_here_is_missing_there() {
        for (end, media_type) in REGISTERED {
            assert_ne!(guessed(end), Some(*media_type), "{end} can go");
            assert_eq!(*end, end.to_ascii_lowercase());
        }
    }
}
