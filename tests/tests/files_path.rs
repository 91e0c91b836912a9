//! What the path of a request names below the root of a file server, as tables.

use proptest::prelude::*;
use servers::files::path::{DotFiles, FilePath, PathError};

#[derive(Debug, PartialEq, Eq)]
enum Named {
    File(String),
    Directory(String),
    Malformed,
    NotFound,
}

fn named(path: &str, dot_files: DotFiles) -> Named {
    match FilePath::parse(path, dot_files) {
        Ok(found) => {
            let text = found.as_bytes().escape_ascii().to_string();
            if found.is_directory() { Named::Directory(text) } else { Named::File(text) }
        }
        Err(PathError::Malformed(_)) => Named::Malformed,
        Err(PathError::NotFound) => Named::NotFound,
    }
}

fn file(name: &str) -> Named {
    Named::File(name.to_owned())
}

fn directory(name: &str) -> Named {
    Named::Directory(name.to_owned())
}

fn check(table: Vec<(&str, Named)>) {
    for (path, expected) in table {
        assert_eq!(named(path, DotFiles::Hidden), expected, "{path}");
    }
}

#[test]
fn usual_paths_are_what_they_say() {
    check(vec![
        ("/", directory("")),
        ("/a", file("a")),
        ("/a/", directory("a")),
        ("/a/b.txt", file("a/b.txt")),
        ("/a/b.d/", directory("a/b.d")),
        ("/a+b", file("a+b")),
        ("/a..b/c.", file("a..b/c.")),
        ("/~user/{x}|^`", file("~user/{x}|^`")),
    ]);
}

#[test]
fn escapes_are_decoded_once() {
    check(vec![
        ("/sp%20ace", file("sp ace")),
        ("/%61/%62", file("a/b")),
        ("/a%2Eb", file("a.b")),
        ("/%252e%252e/x", file("%2e%2e/x")),
        ("/%25", file("%")),
        ("/caf%C3%A9", file("caf\\xc3\\xa9")),
        // Not UTF-8, but a name that a file can have.
        ("/caf%E9", file("caf\\xe9")),
        ("/%FF%FE", file("\\xff\\xfe")),
        ("/a%3Fb%23c", file("a?b#c")),
    ]);
}

#[test]
fn dot_segments_and_empty_ones_name_nothing() {
    check(vec![
        ("//", directory("")),
        ("//a///b", file("a/b")),
        ("/a//", directory("a")),
        ("/./a", file("a")),
        ("/a/.", directory("a")),
        ("/a/./", directory("a")),
        ("/a/..", directory("")),
        ("/a/../b", file("b")),
        ("/a/b/../../c/d/..", directory("c")),
        ("/a/%2e%2E/b", file("b")),
        ("/a/.%2e/b", file("b")),
        ("/a/%2e/b", file("a/b")),
        ("//evil.com/..", directory("")),
        ("//evil.com/../a", file("a")),
        ("/a//../b", file("b")),
    ]);
}

#[test]
fn nothing_leads_above_the_root() {
    check(vec![
        ("/..", Named::Malformed),
        ("/../etc/passwd", Named::Malformed),
        ("/%2e%2e/etc/passwd", Named::Malformed),
        ("/%2e./etc/passwd", Named::Malformed),
        ("/a/../../etc/passwd", Named::Malformed),
        ("/a/..//../etc/passwd", Named::Malformed),
        ("/./../a", Named::Malformed),
        ("//../a", Named::Malformed),
        ("/%2e%2e%2fetc/passwd", Named::NotFound),
        ("/..%2fetc/passwd", Named::NotFound),
        ("/..%5cetc", Named::NotFound),
        ("/..\\etc", Named::NotFound),
    ]);
}

#[test]
fn a_name_has_no_slash_no_backslash_and_no_control_character() {
    check(vec![
        ("/dir%2Findex.html", Named::NotFound),
        ("/a%2fb/../c", Named::NotFound),
        ("/%2F", Named::NotFound),
        ("/a%5Cb", Named::NotFound),
        ("/a%00b", Named::Malformed),
        ("/a%00/../b", Named::Malformed),
        ("/a%0Ab", Named::Malformed),
        ("/a%7F", Named::Malformed),
        ("/a\0b", Named::Malformed),
        ("/a\nb", Named::Malformed),
        ("a", Named::Malformed),
        ("*", Named::Malformed),
        ("", Named::Malformed),
    ]);
}

#[test]
fn hidden_names_are_not_found_but_for_the_well_known() {
    check(vec![
        ("/.git/config", Named::NotFound),
        ("/%2egit/config", Named::NotFound),
        ("/a/.env", Named::NotFound),
        ("/a/.env/", Named::NotFound),
        ("/...", Named::NotFound),
        ("/.git/../a", file("a")),
        ("/.well-known", file(".well-known")),
        ("/.well-known/security.txt", file(".well-known/security.txt")),
        ("/a/../.well-known/x", file(".well-known/x")),
        ("/%2Ewell-known/x", file(".well-known/x")),
        ("/.well-known/.secret", Named::NotFound),
        ("/.well-known2/x", Named::NotFound),
        ("/.Well-Known/x", Named::NotFound),
        ("/a/.well-known/x", Named::NotFound),
    ]);
    assert_eq!(named("/.git/config", DotFiles::Served), file(".git/config"));
    assert_eq!(named("/a/.well-known/x", DotFiles::Served), file("a/.well-known/x"));
    assert_eq!(named("/a/../../x", DotFiles::Served), Named::Malformed);
}

#[test]
fn names_and_paths_longer_than_any_file_are_not_found() {
    let name = "n".repeat(255);
    assert_eq!(named(&format!("/{name}"), DotFiles::Hidden), file(&name));
    assert_eq!(named(&format!("/{name}n"), DotFiles::Hidden), Named::NotFound);
    assert_eq!(named(&format!("/a/{name}n/b"), DotFiles::Hidden), Named::NotFound);
    // What counts is the name and not how it is written.
    assert_eq!(named(&format!("/{}", "%6e".repeat(255)), DotFiles::Hidden), file(&name));
    assert_eq!(named(&format!("/{}", "%6e".repeat(256)), DotFiles::Hidden), Named::NotFound);
    assert_eq!(named(&format!("/{name}n/../a"), DotFiles::Hidden), file("a"));

    let longest = "ab/".repeat(1365);
    assert_eq!(longest.len(), 4095);
    let whole = longest.trim_end_matches('/').to_owned() + "a";
    assert_eq!(named(&format!("/{whole}"), DotFiles::Hidden), file(&whole));
    assert_eq!(named(&format!("/{whole}/a"), DotFiles::Hidden), Named::NotFound);
    assert_eq!(named(&format!("//{whole}/a"), DotFiles::Hidden), Named::NotFound);
    assert_eq!(named(&format!("/{whole}b"), DotFiles::Hidden), Named::NotFound);
}

#[test]
fn the_missing_slash_is_on_this_host() {
    for (path, query, location) in [
        ("/a", Some("q=100%&r=%4&s=%41"), "/a/?q=100%25&r=%254&s=%41"),
        ("/a", Some("\"<b>\"^`{|}\\"), "/a/?%22%3Cb%3E%22%5E%60%7B%7C%7D%5C"),
        ("/dir", None, "/dir/"),
        ("/dir", Some("q=1&r=%2F"), "/dir/?q=1&r=%2F"),
        ("/dir", Some(""), "/dir/?"),
        ("/dir", Some("//evil.com/\\"), "/dir/?//evil.com/%5C"),
        ("//evil.com", None, "/evil.com/"),
        ("///evil.com/", None, "/evil.com/"),
        ("//evil.com/..", None, "/"),
        ("//evil.com/..//dir", None, "/dir/"),
        ("/a/../b", None, "/b/"),
        ("/a:b/c@d", None, "/a:b/c@d/"),
        ("/javascript:alert(1)", None, "/javascript:alert(1)/"),
        ("/sp%20ace/caf%C3%A9", None, "/sp%20ace/caf%C3%A9/"),
        ("/%25%3F%23", None, "/%25%3F%23/"),
        ("/{a}|\"", None, "/%7Ba%7D%7C%22/"),
        ("/%FF", None, "/%FF/"),
    ] {
        let named = FilePath::parse(path, DotFiles::Hidden).expect(path);
        assert_eq!(named.location(query), location, "{path}");
    }
}

#[test]
fn the_usual_path_allocates_nothing() {
    let path = String::from("/assets/app.3f2a.js");
    let found = FilePath::parse(&path, DotFiles::Hidden).expect("a path");
    assert_eq!(found.as_bytes().as_ptr(), path[1..].as_ptr());
    let owned = found.clone().into_owned();
    assert_eq!(owned, found);
}

/// Paths of the pieces that matter.
fn paths() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "/",
        "/",
        "a",
        "b",
        ".",
        "..",
        "%2e",
        "%2F",
        "%5c",
        "\\",
        "%25",
        "%00",
        ".git",
        ".well-known",
        "%C3%A9",
        ":",
        "%20",
    ];
    prop::collection::vec(prop::sample::select(PIECES), 0..12)
        .prop_map(|pieces| format!("/{}", pieces.concat()))
}

/// Names that a file can have, of any bytes.
fn names() -> impl Strategy<Value = Vec<u8>> {
    let is_fit = |byte: u8| !byte.is_ascii_control() && !b"/\\.".contains(&byte);
    let byte = any::<u8>().prop_map(move |byte| if is_fit(byte) { byte } else { b'%' });
    prop::collection::vec(byte, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever comes in, what comes out is safe to open and stays what it is.
    #[test]
    fn what_is_named_is_normal(path in paths(), is_hidden: bool) {
        let dot_files = if is_hidden { DotFiles::Hidden } else { DotFiles::Served };
        if let Ok(named) = FilePath::parse(&path, dot_files) {
            let bytes = named.as_bytes();
            let names: Vec<&[u8]> = bytes.split(|byte| *byte == b'/').collect();
            if !bytes.is_empty() {
                prop_assert!(names.iter().all(|name| !matches!(*name, b"" | b"." | b"..")));
            }
            prop_assert!(!bytes.iter().any(|byte| *byte == b'\\' || *byte == 0));
            let hidden = names.iter().skip(1).any(|name| name.starts_with(b"."));
            prop_assert!(!(is_hidden && hidden));

            let location = named.location(None);
            prop_assert!(location.starts_with('/') && !location.starts_with("//"));
            prop_assert!(!location.contains('\\'));
            let again = FilePath::parse(&location, dot_files).expect("a normal path");
            prop_assert_eq!(again.as_bytes(), bytes);
            prop_assert!(again.is_directory());
            prop_assert_eq!(again.location(None), location);
        }
    }

    /// Both ways through the parser, the fast and the slow one, mean the same.
    #[test]
    fn a_dot_segment_in_front_changes_nothing(path in paths()) {
        let long = format!("/.{path}");
        prop_assert_eq!(named(&path, DotFiles::Hidden), named(&long, DotFiles::Hidden));
    }

    /// Whatever a file is called, it can be asked for and redirected to.
    #[test]
    fn names_survive_being_escaped(name in names()) {
        let escaped: String = name.iter().map(|byte| format!("%{byte:02X}")).collect();
        let escaped = format!("/{escaped}");
        let named = FilePath::parse(&escaped, DotFiles::Hidden).expect("a name");
        prop_assert_eq!(named.as_bytes(), &name[..]);
        let location = named.location(None);
        let again = FilePath::parse(&location, DotFiles::Hidden).expect("a name");
        prop_assert_eq!(again.as_bytes(), &name[..]);
    }
}
