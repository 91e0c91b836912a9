//! Whether lists are what they should be, whatever the names are.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};

use super::*;

fn file(name: &[u8], size: u64, seconds: u64) -> Entry {
    let modified = Some(UNIX_EPOCH + Duration::from_secs(seconds));
    Entry { name: name.to_vec(), is_folder: false, size, modified }
}

fn folder(name: &[u8]) -> Entry {
    Entry { is_folder: true, ..file(name, 4096, 0) }
}

/// A directory with nothing else in it.
fn all_of(entries: &[Entry]) -> Listing {
    Listing { entries: entries.to_vec(), is_cut: false, is_flat: true }
}

#[test]
fn a_list_that_is_not_whole_says_so() {
    let whole = all_of(&[file(b"a", 1, 1), file(b"b", 1, 1)]);
    let page = |listing| String::from_utf8(html(b"/", listing, Order::default())).unwrap();
    assert!(!page(&whole).contains("There is more"));
    let cut = Listing { is_cut: true, ..whole.clone() };
    assert!(page(&cut).contains("There is more:</b> no more than 2 are listed."));
}

/// Names that somebody will have thought of, and every byte that a name can have.
fn hostile() -> Vec<Entry> {
    let names: [&[u8]; 16] = [
        b"javascript:alert(1)",
        b"http:",
        b"\\\\evil.example",
        b"a?b#c",
        b"...",
        b"..%2f",
        b"%2e%2e",
        b"\xff\xfe.bin",
        b"\"><script>alert(2);",
        b"' onclick='alert(1)",
        b"<!--<plaintext>",
        b"a\nb\rc\td",
        b"&amp;",
        " \u{202e}txt.exe".as_bytes(),
        "caf\u{e9} \u{1f600}".as_bytes(),
        b" ",
    ];
    let named = names.into_iter().map(|name| file(name, 1, 1));
    let bytes = (1..=255).filter(|byte| !matches!(byte, b'/' | b'.'));
    named.chain(bytes.map(|byte| file(&[byte], 1, 1))).chain([folder(b"evil.example")]).collect()
}

fn links(page: &str) -> Vec<&str> {
    let parts = page.split("<a href=\"").skip(1);
    parts.map(|part| part.split('"').next().unwrap()).collect()
}

fn rows(page: &str) -> Vec<&str> {
    let rows = page.split("<tbody>").nth(1).unwrap();
    links(rows).into_iter().filter(|link| link.starts_with("./")).collect()
}

fn page_of(path: &[u8], entries: &[Entry], query: &str) -> String {
    String::from_utf8(html(path, &all_of(entries), Order::of(Some(query)))).unwrap()
}

#[test]
fn the_policy_allows_the_style_and_nothing_else() {
    let hash = BASE64_STANDARD.encode(Sha256::digest(STYLE));
    assert!(POLICY.contains(&format!("style-src 'sha256-{hash}';")), "the hash is {hash}");
    let page = page_of(b"/", &hostile(), "");
    assert_eq!(page.matches("<style>").count(), 1);
    assert!(page.contains(&format!("<style>{STYLE}</style>")));
    for word in ["style=", "<script", "<form", "<iframe", "<img"] {
        assert!(!page.contains(word), "{word}");
    }
    assert!(POLICY.starts_with("default-src 'none';") && !POLICY.contains("-inline"));
}

#[test]
fn every_name_leads_to_its_file() {
    let entries = hostile();
    let page = page_of(b"/", &entries, "");
    let mut found: Vec<Vec<u8>> = Vec::new();
    for link in rows(&page) {
        let name = link.strip_prefix("./").unwrap();
        let name = name.strip_suffix("/").unwrap_or(name);
        let is_path = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
        assert!(name.bytes().all(is_path), "{link}");
        found.push(percent_decode_str(name).collect());
    }
    found.sort();
    let mut right: Vec<_> = entries.into_iter().map(|entry| entry.name).collect();
    right.sort();
    assert_eq!(found, right);
}

#[test]
fn names_are_text_and_never_markup() {
    let page = page_of("/a<b/\u{202e}c/".as_bytes(), &hostile(), "");
    for text in ["a<b", "<script", "<!--", "<plain", "'alert", "\u{202e}", "\r", "\t"] {
        assert!(!page.contains(text), "{text:?}");
    }
    assert!(page.contains("<bdi>&quot;&gt;&lt;script&gt;alert(2);</bdi>"));
    assert!(page.contains("<bdi>a\u{fffd}b\u{fffd}c\u{fffd}d</bdi>"));
    assert!(page.contains("<title>/a&lt;b/\u{fffd}c/</title>"));
}

#[test]
fn dots_and_slashes_are_left_out() {
    let names: [&[u8]; 4] = [b".", b"..", b"", b"a/../../b"];
    let entries: Vec<_> = names.into_iter().map(folder).collect();
    assert_eq!(rows(&page_of(b"/", &entries, "")), [""; 0]);
    assert_eq!(json(&all_of(&entries), Order::default()), b"[]\n");
}

#[test]
fn lists_are_in_the_order_asked_for() {
    let entries =
        [file(b"b", 1, 30), file(b"C", 3, 10), folder(b"z"), file(b"a", 2, 20), folder(b"y")];
    let order = |query: &str| {
        let page = page_of(b"/", &entries, query);
        let links = rows(&page).into_iter();
        links
            .map(|link| link.split('?').next().unwrap().replace(['.', '/'], ""))
            .collect::<String>()
    };
    assert_eq!(order(""), "yzabC");
    assert_eq!(order("sort=name&order=desc"), "zyCba");
    assert_eq!(order("sort=size&order=asc"), "yzbaC");
    assert_eq!(order("sort=size&order=desc"), "yzCab");
    assert_eq!(order("sort=date&order=asc"), "yzCab");
    assert_eq!(order("order=desc&sort=date"), "yzbaC");
    for unknown in ["sort=evil", "sort=", "&&=", "order=DESC", "sort=size%00"] {
        assert_eq!(order(unknown), "yzabC", "{unknown}");
    }
}

#[test]
fn heads_and_folders_keep_the_order() {
    let page = page_of(b"/a/", &[folder(b"x")], "sort=size&order=desc");
    let query = "?sort=size&amp;order=desc";
    let right = [
        format!("../{query}"),
        "?sort=name&amp;order=asc".to_owned(),
        "?sort=size&amp;order=asc".to_owned(),
        "?sort=date&amp;order=desc".to_owned(),
        format!("../{query}"),
        format!("./x/{query}"),
        "?format=json".to_owned(),
    ];
    assert_eq!(links(&page), right);
    assert_eq!(page.matches("aria-sort=\"descending\"").count(), 1);
}

#[test]
fn the_way_up_is_relative() {
    let page = page_of(b"/a/b/c/", &[], "");
    assert_eq!(links(&page)[..3], ["../../../", "../../", "../"]);
    assert!(page.contains("There is nothing here."));
    assert!(!page_of(b"/", &[], "").contains("../"));
}

#[test]
fn sizes_are_for_people_and_exact() {
    let size = |bytes| Size(bytes).to_string();
    assert_eq!([size(0), size(1023), size(1024)], ["0 B", "1023 B", "1.0 KiB"]);
    assert_eq!([size(1536), size(1024 * 1024 - 1)], ["1.5 KiB", "1023 KiB"]);
    assert_eq!([size(1 << 20), size(u64::MAX)], ["1.0 MiB", "15.9 EiB"]);
    let page = page_of(b"/", &[file(b"a", 1_234_567, 0)], "");
    assert!(page.contains("<td class=\"n\" title=\"1,234,567 bytes\">1.1 MiB</td>"));
    assert!(page.contains("0 directories, 1 file, "));
    assert_eq!(Thousands(999).to_string() + &Thousands(1000).to_string(), "9991,000");
}

#[test]
fn times_that_cannot_be_written_are_left_out() {
    let at = |time| Entry { modified: time, ..file(b"a", 0, 0) };
    let early = UNIX_EPOCH.checked_sub(Duration::from_secs(1));
    let late = UNIX_EPOCH.checked_add(Duration::from_secs(END_OF_DATES));
    for time in [None, early, late] {
        assert!(page_of(b"/", &[at(time)], "").contains("<td class=\"t\"></td></tr>"));
        let text = String::from_utf8(json(&all_of(&[at(time)]), Order::default())).unwrap();
        assert!(text.contains("\"modified\":null"), "{text}");
    }
    let last = UNIX_EPOCH.checked_add(Duration::from_secs(END_OF_DATES - 1));
    assert!(page_of(b"/", &[at(last)], "").contains("\"9999-12-31T23:59:59Z\""));
}

#[test]
fn json_is_exact() {
    let entries = [file(b"\xff\"", 7, 784_111_777), folder(b"d")];
    let right = "[{\"name\":\"d\",\"type\":\"directory\",\"size\":null,\
        \"modified\":\"1970-01-01T00:00:00Z\",\"href\":\"./d/\"},\
        {\"name\":\"\u{fffd}\\\"\",\"type\":\"file\",\"size\":7,\
        \"modified\":\"1994-11-06T08:49:37Z\",\"href\":\"./%FF%22\"}]\n";
    assert_eq!(String::from_utf8(json(&all_of(&entries), Order::default())).unwrap(), right);
    assert!(wants_json(Some("a&format=json")) && !wants_json(Some("format=jsonp")));
}
