//! Every limit of what a client may send, at its last good value and one further.

use std::sync::Arc;

use fsm_runtime::ByteLimit;
use servers::http::Limits;

use crate::case::Answer::{Explains, Says};
use crate::case::Expected::{Closed, Open, Refused, Unfinished};
use crate::case::{Case, Expected, Table};

/// The most bytes of the line before a chunk: 16 digits and 256 bytes of extensions.
const SIZE_LINE: usize = 16 + 256;

/// The most bytes of all extensions of a body.
const EXTENSIONS: usize = 16 * 1024;

/// The most bytes behind the last chunk, with the empty line.
const TRAILERS: usize = 8 * 1024;

/// Limits as small as a test can be read with.
fn small() -> Arc<Limits> {
    Arc::new(Limits {
        max_head: ByteLimit::new(200),
        max_fields: 3,
        max_target: ByteLimit::new(20),
        max_body: 12,
        max_requests: 3,
        ..Limits::default()
    })
}

/// The tables of this file.
pub(crate) fn tables() -> Vec<Table> {
    vec![
        Table { limits: small(), ..table("small", small_cases()) },
        table("usual", usual_cases()),
        table("chunks", chunk_cases()),
    ]
}

fn table(name: &'static str, cases: Vec<Case>) -> Table {
    Table { cases, ..Table::new(name, &[]) }
}

fn case(name: &'static str, sent: impl Into<Vec<u8>>, expected: Expected) -> Case {
    Case(name, sent.into().leak(), expected)
}

/// A request with a target of so many bytes.
fn targeted(bytes: usize) -> String {
    format!("GET /{:x<1$} HTTP/1.1\r\nHost: a\r\n\r\n", "?", bytes - 1)
}

/// A request with a head of so many bytes.
fn headed(bytes: usize) -> String {
    let head = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
    format!("{head}{:x<1$}\r\n\r\n", "", bytes - head.len() - 4)
}

/// So many bytes of a head that is not whole.
fn half(bytes: usize) -> String {
    format!("{:x<bytes$}", "GET / HTTP/1.1\r\nHost: a\r\nX: ")
}

/// A request with so many fields.
fn fielded(count: usize) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(count - 1))
}

/// A request whose body is said to have so many bytes, and has them.
fn counted(bytes: usize) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {bytes}\r\n\r\n{:x<bytes$}", "")
}

/// A request with a body in these chunks.
fn chunked(chunks: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}")
}

fn small_cases() -> Vec<Case> {
    let next = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    vec![
        case("the longest target", targeted(20), Open(&[Says("")])),
        case("a target too long", targeted(21), Refused(414)),
        case("a target without end", format!("GET /{:x<300}", ""), Refused(414)),
        case("a method without end", format!("{:X<300}", ""), Refused(400)),
        case("the longest head", headed(200), Open(&[Says("")])),
        case("a head too long", headed(201), Refused(431)),
        case("a head without end", format!("GET / HTTP/1.1\r\nX: {:x<300}", ""), Refused(431)),
        case("a head that can still fit", half(199), Unfinished(&[])),
        case("one that cannot", half(200), Refused(431)),
        case("two long heads", headed(200) + &headed(200), Open(&[Says(""), Says("")])),
        case(
            "one too long behind one",
            next.to_owned() + &headed(201),
            Closed(&[Says(""), Explains(431)]),
        ),
        case("the most fields", fielded(3), Open(&[Says("")])),
        case("too many fields", fielded(4), Refused(431)),
        case("the longest body", counted(12), Open(&[Says("xxxxxxxxxxxx")])),
        case("a body too long", counted(13), Refused(413)),
        case("a body too long that nobody wants", counted(13).replace("T /", "T /x"), Refused(413)),
        case(
            "the longest body in chunks",
            chunked("C\r\nhello, world\r\n0\r\n\r\n"),
            Open(&[Says("hello, world")]),
        ),
        case(
            "and in more of them",
            chunked("6\r\nhello,\r\n6\r\n world\r\n0\r\n\r\n"),
            Open(&[Says("hello, world")]),
        ),
        case("a chunk too long", chunked("D\r\nhello, world!\r\n0\r\n\r\n"), Refused(413)),
        case("one too many", chunked("C\r\nhello, world\r\n1\r\n!\r\n0\r\n\r\n"), Refused(413)),
        case(
            "chunks too long that nobody wants",
            chunked("D\r\nhello").replace("T /", "T /x"),
            Refused(413),
        ),
        case("two requests", next.repeat(2), Open(&[Says(""), Says("")])),
        case("as many as there may be", next.repeat(4), Closed(&[Says(""), Says(""), Says("")])),
    ]
}

/// RFC 9112 3 asks for targets of at least 8,000 bytes.
fn usual_cases() -> Vec<Case> {
    vec![
        case("the target of the RFC", targeted(8000), Open(&[Says("")])),
        case("the longest target", targeted(8 * 1024), Open(&[Says("")])),
        case("a target too long", targeted(8 * 1024 + 1), Refused(414)),
        case("a target without end", format!("GET /{:x<16400}", ""), Refused(414)),
        case("the longest head", headed(16 * 1024), Open(&[Says("")])),
        case("a head too long", headed(16 * 1024 + 1), Refused(431)),
        case("the most fields", fielded(100), Open(&[Says("")])),
        case("too many fields", fielded(101), Refused(431)),
        case(
            "a body too long",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n",
            Refused(413),
        ),
        case(
            "the longest body",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n",
            Unfinished(&[]),
        ),
    ]
}

fn chunk_cases() -> Vec<Case> {
    let line = |bytes: usize| chunked(&format!("1;{:a<1$}\r\nx\r\n0\r\n\r\n", "", bytes - 2));
    let many = |bytes: usize| {
        let full = format!("1;{:a<255}\r\nx\r\n", "").repeat(bytes / 256);
        let rest = bytes % 256;
        let last = if rest == 0 { String::new() } else { format!(";{:a<1$}", "", rest - 1) };
        chunked(&format!("{full}0{last}\r\n\r\n"))
    };
    let fields = |count: usize| chunked(&format!("0\r\n{}\r\n", "X: y\r\n".repeat(count)));
    let behind = |bytes: usize| chunked(&format!("0\r\nX: {:y<1$}\r\n\r\n", "", bytes - 7));
    let half_line = |bytes: usize| chunked(&format!("{:a<bytes$}", "1;"));
    let half_behind = |bytes: usize| chunked(&format!("0\r\n{:y<bytes$}", "X: "));
    let echo: &'static str = "x".repeat(EXTENSIONS / 256).leak();
    let echoed: &'static [_] = Box::leak(Box::new([Says(echo)]));
    vec![
        case("the longest extension", line(SIZE_LINE), Open(&[Says("x")])),
        case("an extension too long", line(SIZE_LINE + 1), Refused(400)),
        case("one that can still fit", half_line(SIZE_LINE), Unfinished(&[])),
        case("one that cannot", half_line(SIZE_LINE + 1), Refused(400)),
        case("an extension without end", chunked(&format!("1;{:a<400}", "")), Refused(400)),
        case("a size without end", chunked(&format!("{:0<400}", "")), Refused(400)),
        case("the most extensions", many(EXTENSIONS), Open(echoed)),
        case("too many extensions", many(EXTENSIONS + 2), Refused(400)),
        case("the most trailers", fields(32), Open(&[Says("")])),
        case("too many trailers", fields(33), Refused(400)),
        case("the longest trailer", behind(TRAILERS), Open(&[Says("")])),
        case("a trailer too long", behind(TRAILERS + 1), Refused(400)),
        case("one that can still end", half_behind(TRAILERS - 1), Unfinished(&[])),
        case("one that cannot any more", half_behind(TRAILERS), Refused(400)),
        case("a trailer without end", chunked(&format!("0\r\nX: {:y<9000}", "")), Refused(400)),
    ]
}

#[test]
fn small_limits_are_kept_to_the_byte() {
    Table { limits: small(), ..table("small", small_cases()) }.check();
}

#[test]
fn usual_limits_are_those_of_the_flags() {
    table("usual", usual_cases()).check();
}

#[test]
fn what_surrounds_chunks_is_bounded() {
    table("chunks", chunk_cases()).check();
}
