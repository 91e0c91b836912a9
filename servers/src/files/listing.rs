//! A list of what is in a directory, as a page or as JSON: entries in, bytes out.
//!
//! The page works without scripts, and its policy forbids them. Names are whatever bytes a file
//! system has: as text they are escaped, and as links they are percent-encoded behind `./`, so that
//! none of them is taken for markup, for a scheme or for a host.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::fmt::{self, Display, Write as _};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use html_escape::encode_safe;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, percent_encode};
use serde::Serialize;

const STYLE: &str = include_str!("listing.css");

/// The `Content-Security-Policy` of the page: its own style, and nothing else whatsoever.
pub const POLICY: &str = "default-src 'none'; \
    style-src 'sha256-XhuR8AvDsNSqZ5xp+qR3B1t0pjVnuum74OYbsMFijvg='; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What stands in a path as it is (RFC 3986 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The first second that dates do not reach: the year 10000.
const END_OF_DATES: u64 = 253_402_300_800;

/// One thing in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name, which may be any bytes but a slash and NUL.
    pub name: Vec<u8>,
    /// It is a directory.
    pub is_folder: bool,
    /// The bytes of a file.
    pub size: u64,
    /// When it was last changed, where the file system knows.
    pub modified: Option<SystemTime>,
}

/// What is in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// In no order.
    pub entries: Vec<Entry>,
    /// There is more in it.
    pub is_cut: bool,
    /// Nothing in it is a directory, lies behind a link or has another name, and would change
    /// without this one.
    pub is_flat: bool,
}

/// What a list is ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Key {
    /// By name, whatever the case.
    #[default]
    Name,
    /// By size.
    Size,
    /// By the time of the last change.
    Date,
}

/// How a list is ordered. Directories come first however it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Order {
    /// What by.
    pub key: Key,
    /// The last first.
    pub is_descending: bool,
}

impl Order {
    /// Reads `sort=name|size|date` and `order=asc|desc` from a query. Everything else in it is
    /// ignored, and the last of several counts.
    #[must_use]
    pub fn of(query: Option<&str>) -> Self {
        let mut order = Self::default();
        for pair in query.unwrap_or_default().split('&') {
            match pair {
                "sort=name" => order.key = Key::Name,
                "sort=size" => order.key = Key::Size,
                "sort=date" => order.key = Key::Date,
                "order=asc" => order.is_descending = false,
                "order=desc" => order.is_descending = true,
                _ => {}
            }
        }
        order
    }

    /// What a link to the same order asks for; nothing where it is the usual one.
    fn query(self) -> &'static str {
        match (self.key, self.is_descending) {
            (Key::Name, false) => "",
            (Key::Name, true) => "?sort=name&amp;order=desc",
            (Key::Size, false) => "?sort=size&amp;order=asc",
            (Key::Size, true) => "?sort=size&amp;order=desc",
            (Key::Date, false) => "?sort=date&amp;order=asc",
            (Key::Date, true) => "?sort=date&amp;order=desc",
        }
    }

    /// The order that a click on the head of a column leads to: the other way round, or what one
    /// looks for first, which is the largest and the newest.
    fn clicked(self, key: Key) -> Self {
        let is_descending = if self.key == key { !self.is_descending } else { key != Key::Name };
        Self { key, is_descending }
    }

    fn sorted(self, entries: &[Entry]) -> Vec<&Entry> {
        let mut sorted: Vec<_> = entries.iter().filter(|entry| is_name(&entry.name)).collect();
        sorted.sort_by_cached_key(|entry| {
            (String::from_utf8_lossy(&entry.name).to_lowercase(), entry.name.clone())
        });
        match (self.key, self.is_descending) {
            (Key::Name, false) => {}
            (Key::Name, true) => sorted.reverse(),
            (Key::Size, false) => sorted.sort_by_key(|entry| entry.size),
            (Key::Size, true) => sorted.sort_by_key(|entry| Reverse(entry.size)),
            (Key::Date, false) => sorted.sort_by_key(|entry| entry.modified),
            (Key::Date, true) => sorted.sort_by_key(|entry| Reverse(entry.modified)),
        }
        sorted.sort_by_key(|entry| !entry.is_folder);
        sorted
    }
}

/// Tells whether a link can lead to such a name: dots alone lead elsewhere, however they are
/// written.
fn is_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && !name.contains(&b'/')
}

/// Tells whether a query asks for the list as JSON: `format=json`.
#[must_use]
pub fn wants_json(query: Option<&str>) -> bool {
    query.unwrap_or_default().split('&').any(|pair| pair == "format=json")
}

/// The list as a page, in UTF-8. `path` is the directory's below the root, decoded: `/` or
/// `/photos/2026/`. All links are relative, so that the page also works below another path, behind
/// a proxy.
#[must_use]
pub fn html(path: &[u8], listing: &Listing, order: Order) -> Vec<u8> {
    let sorted = order.sorted(&listing.entries);
    let names: Vec<_> = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).collect();
    let mut page = String::with_capacity(4096 + sorted.len() * 256);
    // Text can always be written to memory.
    let _ = write_page(&mut page, &names, &sorted, order);
    let _ = write_sum(&mut page, &sorted, listing.is_cut);
    page.into_bytes()
}

fn write_page(page: &mut String, path: &[&[u8]], sorted: &[&Entry], order: Order) -> fmt::Result {
    page.push_str("<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n");
    page.push_str("<meta name=\"viewport\" content=\"width=device-width\">\n<title>/");
    for name in path {
        write!(page, "{}/", encode_safe(&shown(name)))?;
    }
    write!(page, "</title>\n<style>{STYLE}</style>\n<h1>")?;
    write_crumbs(page, path, order)?;
    page.push_str("</h1>\n<table>\n<thead><tr>");
    write_head(page, "Name", "", Key::Name, order)?;
    write_head(page, "Size", " class=\"n\"", Key::Size, order)?;
    write_head(page, "Modified<i> (UTC)</i>", " class=\"t\"", Key::Date, order)?;
    page.push_str("</tr></thead>\n<tbody>\n");
    if !path.is_empty() {
        let query = order.query();
        write!(page, "<tr class=\"u\"><td><a href=\"../{query}\">Parent directory</a></td>")?;
        page.push_str("<td class=\"n\"></td><td class=\"t\"></td></tr>\n");
    }
    for entry in sorted {
        write_row(page, entry, order)?;
    }
    page.push_str("</tbody>\n</table>\n");
    Ok(())
}

/// Where this is: each directory on the way is a link.
fn write_crumbs(page: &mut String, path: &[&[u8]], order: Order) -> fmt::Result {
    let query = order.query();
    let mut up = path.len();
    match up {
        0 => page.push_str("Files"),
        _ => write!(page, "<a href=\"{}{query}\">Files</a>", "../".repeat(up))?,
    }
    for name in path {
        up -= 1;
        let text = shown(name);
        let text = encode_safe(&text);
        page.push_str("<span>/</span>");
        match up {
            0 => write!(page, "<bdi>{text}</bdi>")?,
            _ => write!(page, "<a href=\"{}{query}\"><bdi>{text}</bdi></a>", "../".repeat(up))?,
        }
    }
    Ok(())
}

fn write_head(page: &mut String, text: &str, class: &str, key: Key, order: Order) -> fmt::Result {
    let (sort, text) = match (order.key == key, order.is_descending) {
        (false, _) => ("", Cow::Borrowed(text)),
        (true, false) => (" aria-sort=\"ascending\"", format!("<b>{text} \u{25b4}</b>").into()),
        (true, true) => (" aria-sort=\"descending\"", format!("<b>{text} \u{25be}</b>").into()),
    };
    let query = match order.clicked(key).query() {
        "" => "?sort=name&amp;order=asc",
        query => query,
    };
    write!(page, "<th scope=\"col\"{class}{sort}><a href=\"{query}\">{text}</a></th>")
}

fn write_row(page: &mut String, entry: &Entry, order: Order) -> fmt::Result {
    let text = shown(&entry.name);
    let (text, link) = (encode_safe(&text), Link(entry));
    if entry.is_folder {
        let query = order.query();
        write!(page, "<tr class=\"d\"><td><a href=\"{link}{query}\"><bdi>{text}</bdi>/</a></td>")?;
        page.push_str("<td class=\"n\"></td>");
    } else {
        let size = entry.size;
        write!(page, "<tr class=\"f\"><td><a href=\"{link}\"><bdi>{text}</bdi></a></td>")?;
        write!(page, "<td class=\"n\" title=\"{} bytes\">{}</td>", Thousands(size), Size(size))?;
    }
    match entry.modified.and_then(date_of) {
        Some(date) => {
            let (day, time) = (&date[..10], &date[11..16]);
            write!(page, "<td class=\"t\"><time datetime=\"{date}\">{day}<i> {time}</i></time>")?;
        }
        None => page.push_str("<td class=\"t\">"),
    }
    page.push_str("</td></tr>\n");
    Ok(())
}

fn write_sum(page: &mut String, sorted: &[&Entry], is_cut: bool) -> fmt::Result {
    let folders = sorted.iter().filter(|entry| entry.is_folder).count();
    let files = sorted.len() - folders;
    let sizes = sorted.iter().filter(|entry| !entry.is_folder).map(|entry| entry.size);
    let bytes = sizes.fold(0, u64::saturating_add);
    if sorted.is_empty() {
        page.push_str("<p>There is nothing here.</p>\n");
        return Ok(());
    }
    let (folders_end, files_end) = (if folders == 1 { "y" } else { "ies" }, plural(files));
    if is_cut {
        let most = Thousands(sorted.len() as u64);
        writeln!(page, "<p><b>There is more:</b> no more than {most} are listed.</p>")?;
    }
    write!(page, "<p>{folders} director{folders_end}, {files} file{files_end}, ")?;
    let (exact, size) = (Thousands(bytes), Size(bytes));
    write!(page, "<span title=\"{exact} bytes\">{size}</span> \u{b7} ")?;
    page.push_str("<a href=\"?format=json\">as JSON</a></p>\n");
    Ok(())
}

fn plural(number: usize) -> &'static str {
    if number == 1 { "" } else { "s" }
}

/// The list as JSON: an array of objects, in UTF-8.
///
/// `name` is the name, in which bytes that are no UTF-8 became U+FFFD; `type` is `file` or
/// `directory`; `size` is in bytes, `null` for a directory; `modified` is as RFC 3339 has it, or
/// `null`; and `href` is a link relative to the directory, which is exact whatever the name is.
#[must_use]
pub fn json(listing: &Listing, order: Order) -> Vec<u8> {
    let objects: Vec<_> = order.sorted(&listing.entries).into_iter().map(Object::of).collect();
    // Such objects can always be written to memory.
    let mut text = serde_json::to_vec(&objects).unwrap_or_default();
    text.push(b'\n');
    text
}

#[derive(Serialize)]
struct Object<'a> {
    name: Cow<'a, str>,
    r#type: &'static str,
    size: Option<u64>,
    modified: Option<String>,
    href: String,
}

impl<'a> Object<'a> {
    fn of(entry: &'a Entry) -> Self {
        Self {
            name: String::from_utf8_lossy(&entry.name),
            r#type: if entry.is_folder { "directory" } else { "file" },
            size: (!entry.is_folder).then_some(entry.size),
            modified: entry.modified.and_then(date_of),
            href: Link(entry).to_string(),
        }
    }
}

/// The link to an entry from the directory it is in.
struct Link<'a>(&'a Entry);

impl Display for Link<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name: PercentEncode<'_> = percent_encode(&self.0.name, ESCAPED);
        write!(formatter, "./{name}{}", if self.0.is_folder { "/" } else { "" })
    }
}

/// A name as it is shown. What cannot be seen, or would have what stands around it read from right
/// to left, has a sign in its place.
fn shown(name: &[u8]) -> String {
    let sign = |character: char| match character {
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' => '\u{fffd}',
        '\u{61c}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => '\u{fffd}',
        control if control.is_control() => '\u{fffd}',
        visible => visible,
    };
    String::from_utf8_lossy(name).chars().map(sign).collect()
}

/// As RFC 3339 has it, in UTC to the second; nothing before 1970 and after 9999.
fn date_of(time: SystemTime) -> Option<String> {
    let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
    let time = UNIX_EPOCH + Duration::from_secs(seconds);
    (seconds < END_OF_DATES).then(|| humantime::format_rfc3339_seconds(time).to_string())
}

/// Bytes for people: `999 B`, `1.5 KiB`.
struct Size(u64);

impl Display for Size {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        if self.0 < 1024 {
            return write!(formatter, "{} B", self.0);
        }
        // Tenths, rounded down: 1,023.9 of a unit never reads as 1,024 of it.
        let unit = (self.0.ilog2() / 10) as usize;
        let tenths = (u128::from(self.0) * 10) >> (10 * unit);
        let (whole, tenth, unit) = (tenths / 10, tenths % 10, UNITS[unit - 1]);
        if whole < 100 {
            write!(formatter, "{whole}.{tenth} {unit}")
        } else {
            write!(formatter, "{whole} {unit}")
        }
    }
}

/// `1,234,567`.
struct Thousands(u64);

impl Display for Thousands {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                formatter.write_char(',')?;
            }
            formatter.write_char(digit)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
