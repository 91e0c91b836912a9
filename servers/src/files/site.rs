//! What is served where no directory was given: a page on the server itself, with its own machine
//! drawn from its table. Table in, pages out.

mod drawing;

use std::fmt::{self, Write as _};

use fsm_runtime::table::Table;
use html_escape::encode_safe;

/// The `Content-Security-Policy` of these pages: what is among them, and no scripts.
pub const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// One thing that can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The path of requests.
    pub path: &'static str,
    /// What it is.
    pub content_type: &'static str,
    /// Its bytes.
    pub body: Vec<u8>,
}

/// What was measured, and how. A test compares these rows with the README's, so that a figure can
/// only be shown here when it is shown there.
const MEASURED: &str = "The framework under this server, beside a hand-written edge-triggered \
    epoll loop in C and tokio, in one run: a line of 64 bytes is echoed by one worker.";

/// What repeats it.
const COMMAND: &str = "cargo bench -p fsm-bench";

/// The heads of the columns.
const COLUMNS: [&str; 4] = ["", "this framework", "C", "tokio"];

/// What, and the figure of each.
const FIGURES: &[[&str; 4]] = &[
    ["user instructions, 1 connection", "410", "105", "1,511"],
    ["user instructions, 64 connections, 8 found at once", "304", "87", "1,188"],
    ["live heap bytes of an idle connection, of 10,000", "88", "-", "512"],
    ["a polite client's p50 beside two greedy ones, x alone", "0.8", "1.1", "1.3"],
    ["its p99, microseconds", "184", "3,185", "3,984"],
];

/// The pages of a server whose connections are such machines.
#[must_use]
pub fn pages(table: &Table) -> Vec<Page> {
    let html = include_str!("site/index.html");
    let parts = [
        ("{{picture}}", drawing::svg(table)),
        ("{{states}}", states(table)),
        ("{{measured}}", encode_safe(MEASURED).into_owned()),
        ("{{command}}", encode_safe(COMMAND).into_owned()),
        ("{{figures}}", figures()),
    ];
    let html = parts.iter().fold(html.to_owned(), |html, (place, part)| html.replace(place, part));
    let (diagram, matrix) = (table.diagram(), table.matrix());
    [
        ("/", "text/html; charset=utf-8", html),
        ("/style.css", "text/css; charset=utf-8", include_str!("site/style.css").to_owned()),
        ("/favicon.svg", "image/svg+xml", include_str!("site/favicon.svg").to_owned()),
        ("/table.txt", "text/plain; charset=utf-8", format!("{matrix}\n\n{diagram}")),
    ]
    .map(|(path, content_type, text)| Page { path, content_type, body: text.into_bytes() })
    .into()
}

/// What the table says of each state.
fn states(table: &Table) -> String {
    let mut html = String::new();
    // Text can always be written to memory.
    let _ = write_states(&mut html, table);
    html
}

fn write_states(html: &mut String, table: &Table) -> fmt::Result {
    for (at, state) in table.states.iter().enumerate() {
        let (colour, name) = (at % drawing::COLOURS, encode_safe(state.name));
        let docs = encode_safe(state.docs);
        writeln!(html, "<dt class=\"c{colour}\">{name}</dt>\n<dd>{docs}</dd>")?;
    }
    Ok(())
}

fn figures() -> String {
    let cells = |cells: &[&str], tag| -> String {
        cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", encode_safe(cell))).collect()
    };
    let mut html = format!("<tr>{}</tr>\n", cells(&COLUMNS, "th"));
    for figure in FIGURES {
        html += &format!("<tr>{}</tr>\n", cells(figure, "td"));
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;
    use fsm_runtime::Machine;
    use fsm_runtime::table::Origin;

    use crate::echo::Echo;

    fn page(path: &str) -> String {
        let pages = pages(Echo::TABLE);
        let page = pages.into_iter().find(|page| page.path == path).expect("it is there");
        String::from_utf8(page.body).expect("it is text")
    }

    #[test]
    fn every_link_leads_to_a_page() {
        let html = page("/");
        let links = html.split("href=\"").skip(1).map(|part| part.split('"').next().unwrap());
        let links: Vec<_> = links.collect();
        assert_eq!(links, ["style.css", "favicon.svg", "table.txt"]);
        for link in links {
            assert!(!page(&format!("/{link}")).is_empty());
        }
    }

    #[test]
    fn the_page_is_filled_and_keeps_to_the_policy() {
        let html = page("/");
        for word in ["{{", "<script", "style=\"", "<style", "onload"] {
            assert!(!html.contains(word), "{word}");
        }
        assert!(POLICY.starts_with("default-src 'none';") && !POLICY.contains("-inline"));
    }

    #[test]
    fn the_picture_is_of_the_table() {
        let html = page("/");
        for state in Echo::TABLE.states {
            assert!(html.contains(&format!(">{}</text>", state.name)), "{}", state.name);
            assert!(html.contains(&*encode_safe(state.docs)));
        }
        let drawn = Echo::TABLE.states[0].rows.iter().filter(|row| row.origin != Origin::Default);
        for row in drawn {
            assert!(html.contains(row.pattern), "{}", row.pattern);
        }
        assert!(page("/table.txt").contains(&Echo::TABLE.matrix().to_string()));
    }

    #[test]
    fn figures_are_those_of_the_readme() {
        let readme = include_str!("../../../README.md");
        assert!(readme.contains(COMMAND));
        for [what, ours, c, tokio] in FIGURES {
            let row = format!("| {what} | {ours} | {c} | {tokio} |");
            assert!(readme.contains(&row), "the README has no row {row}");
        }
    }
}
