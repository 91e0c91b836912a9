//! Where the body of a request ends: by its length or by its chunks, and what is refused because
//! it might end in two places (RFC 9112 6 and 7).

use crate::case::Answer::{Explains, Nothing, Says};
use crate::case::Expected::{Closed, Open, Refused, Unfinished};
use crate::case::{Answer, Case, Expected, Table};

/// Values of `Content-Length` for the body `hello` (RFC 9110 8.6).
const LENGTHS: &[(&[u8], Expected)] = &[
    (b"5", Open(&[Says("hello")])),
    (b" \t5\t ", Open(&[Says("hello")])),
    (b"6", Unfinished(&[])),
    (b"", Refused(400)),
    (b" ", Refused(400)),
    (b"05", Refused(400)),
    (b"00", Refused(400)),
    (b"+5", Refused(400)),
    (b"-5", Refused(400)),
    (b"-0", Refused(400)),
    (b"0x5", Refused(400)),
    (b"5h", Refused(400)),
    (b"five", Refused(400)),
    (b"5.0", Refused(400)),
    (b"5e0", Refused(400)),
    (b"5_0", Refused(400)),
    (b"5 5", Refused(400)),
    (b"5,5", Refused(400)),
    (b"5, 5", Refused(400)),
    (b"5,", Refused(400)),
    (b",5", Refused(400)),
    (b"5;", Refused(400)),
    (b"\"5\"", Refused(400)),
    (b"5\x0b", Refused(400)),
    (b"\x0c5", Refused(400)),
    (b"5\0", Refused(400)),
    (b"5\x85", Refused(400)),
    (b"\xa05", Refused(400)),
    (b"\xd9\xa5", Refused(400)),
    (b"\xef\xbc\x95", Refused(400)),
    (b"1048577", Refused(413)),
    (b"18446744073709551615", Refused(413)),
    (b"18446744073709551616", Refused(400)),
    (b"18446744073709551621", Refused(400)),
    (b"99999999999999999999999999999999999999999", Refused(400)),
];

/// Values of `Transfer-Encoding` for `hello` in one chunk (RFC 9112 6.1 and 7).
const CODINGS: &[(&[u8], Expected)] = &[
    (b"chunked", Open(&[Says("hello")])),
    (b"CHUNKED", Open(&[Says("hello")])),
    (b"\t chunked \t", Open(&[Says("hello")])),
    (b"", Refused(400)),
    (b"identity", Refused(400)),
    (b"gzip", Refused(400)),
    (b"gzip, chunked", Refused(400)),
    (b"chunked, gzip", Refused(400)),
    (b"chunked, chunked", Refused(400)),
    (b"chunked,identity", Refused(400)),
    (b"chunked,", Refused(400)),
    (b",chunked", Refused(400)),
    (b", chunked", Refused(400)),
    (b"chunked;q=1", Refused(400)),
    (b"\"chunked\"", Refused(400)),
    (b"chunk", Refused(400)),
    (b"chunked1", Refused(400)),
    (b"xchunked", Refused(400)),
    (b"chun ked", Refused(400)),
    (b"x chunked", Refused(400)),
    (b"\x0bchunked", Refused(400)),
    (b"chunked\x0c", Refused(400)),
    (b"\0chunked", Refused(400)),
    (b"chunked\x7f", Refused(400)),
    (b"\xa0chunked", Refused(400)),
    (b"chunked\x85", Refused(400)),
    (b"\xffchunked\xff", Refused(400)),
];

/// Two fields of which each would be right by itself, or would pass for one that is.
const TOGETHER: &[(&[u8], Expected)] = &[
    (b"Content-Length: 5\r\nContent-Length: 5", Refused(400)),
    (b"Content-Length: 5\r\nContent-Length: 6", Refused(400)),
    (b"Content-Length: 0\r\ncontent-length: 5", Refused(400)),
    (b"Content-Length: \r\nContent-Length: 5", Refused(400)),
    (b"Content-Length: 5\r\nTransfer-Encoding: chunked", Refused(400)),
    (b"Transfer-Encoding: chunked\r\nContent-Length: 5", Refused(400)),
    (b"Transfer-Encoding: chunked\r\nContent-Length: 0", Refused(400)),
    (b"Transfer-Encoding: identity\r\nContent-Length: 5", Refused(400)),
    (b"Transfer-Encoding:\r\nContent-Length: 5", Refused(400)),
    (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", Refused(400)),
    (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", Refused(400)),
    (b"Transfer-Encoding: identity\r\ntransfer-encoding: chunked", Refused(400)),
    (b"Content_Length: 5", Refused(400)),
    (b"Transfer_Encoding: chunked", Refused(400)),
    (b"TRANSFER_ENCODING: identity", Refused(400)),
    (b"Content-Length: 5\r\nTransfer_Encoding: chunked", Refused(400)),
    (b"Content-Length : 5", Refused(400)),
    (b"Content-Length\xa0: 5", Refused(400)),
    (b"X: y\r\n Content-Length: 5", Refused(400)),
    (b"Content-Length: 5\r\nX_Y: z", Open(&[Says("hello")])),
    (b"Content-Length: 5\r\nTransfer-Encodings: chunked", Open(&[Says("hello")])),
    (b"Content-Lengths: 0\r\nContent-Length: 5\r\nTE: chunked", Open(&[Says("hello")])),
];

/// Bodies in chunks (RFC 9112 7.1), each behind a head that says so.
const CHUNKS: &[(&[u8], Expected)] = &[
    (b"0\r\n\r\n", Open(&[Says("")])),
    (b"000\r\n\r\n", Open(&[Says("")])),
    (b"5\r\nhello\r\n0\r\n\r\n", Open(&[Says("hello")])),
    (b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", Open(&[Says("hello")])),
    (b"a\r\n0123456789\r\n0\r\n\r\n", Open(&[Says("0123456789")])),
    (b"B\r\n0123456789a\r\n0\r\n\r\n", Open(&[Says("0123456789a")])),
    (b"10\r\n0123456789abcdef\r\n0\r\n\r\n", Open(&[Says("0123456789abcdef")])),
    (b"0000000000000005\r\nhello\r\n0\r\n\r\n", Open(&[Says("hello")])),
    (b"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", Open(&[Says("\r\n0\r\n\r\n")])),
    (b"", Unfinished(&[])),
    (b"5", Unfinished(&[])),
    (b"5\r\n", Unfinished(&[])),
    (b"5\r\nhel", Unfinished(&[])),
    (b"5\r\nhello", Unfinished(&[])),
    (b"5\r\nhello\r\n", Unfinished(&[])),
    (b"5\r\nhello\r\n0\r\n", Unfinished(&[])),
    (b"5\r\nhello\r\n0\r\nX: y\r\n", Unfinished(&[])),
    (b"5\r\nhello\r\n0\r\nX: y\r\nA B", Unfinished(&[])),
    (b"\r\n", Refused(400)),
    (b"\r\n\r\n", Refused(400)),
    (b"\n", Refused(400)),
    (b"\r\n5\r\nhello\r\n0\r\n\r\n", Refused(400)),
    (b"g\r\n", Refused(400)),
    (b"hello\r\n", Refused(400)),
    (b"0x5\r\nhello\r\n0\r\n\r\n", Refused(400)),
    (b"+5\r\nhello\r\n0\r\n\r\n", Refused(400)),
    (b"-5\r\nhello\r\n0\r\n\r\n", Refused(400)),
    (b"-0\r\n\r\n", Refused(400)),
    (b"5_0\r\n", Refused(400)),
    (b"5.\r\nhello\r\n", Refused(400)),
    (b"5h\r\nhello\r\n0\r\n\r\n", Refused(400)),
    (b" 5\r\nhello\r\n0\r\n\r\n", Refused(400)),
    (b"\t5\r\nhello\r\n0\r\n\r\n", Refused(400)),
    (b"5 \r\nhello\r\n0\r\n\r\n", Refused(400)),
    (b"5\t\r\nhello\r\n0\r\n\r\n", Refused(400)),
    (b"5\0\r\nhello\r\n0\r\n\r\n", Refused(400)),
    (b"5\xa0\r\nhello\r\n0\r\n\r\n", Refused(400)),
    (b"5\x0b\r\nhello\r\n0\r\n\r\n", Refused(400)),
    (b"\xef\xbc\x95\r\nhello\r\n0\r\n\r\n", Refused(400)),
    (b"5\nhello\r\n0\r\n\r\n", Refused(400)),
    (b"5\rhello\r\n0\r\n\r\n", Refused(400)),
    (b"5\r\rhello\r\n0\r\n\r\n", Refused(400)),
    (b"5\rX\nhello\r\n0\r\n\r\n", Refused(400)),
    (b"5\r\nhello\n0\r\n\r\n", Refused(400)),
    (b"5\r\nhello\r0\r\n\r\n", Refused(400)),
    (b"5\r\nhelloXY0\r\n\r\n", Refused(400)),
    (b"5\r\nhello\rY0\r\n\r\n", Refused(400)),
    (b"5\r\nhello0\r\n\r\n", Refused(400)),
    (b"4\r\nhello\r\n0\r\n\r\n", Refused(400)),
    (b"6\r\nhello\r\n0\r\n\r\n", Refused(400)),
    (b"5\r\nhello\r\n\r\n0\r\n\r\n", Refused(400)),
    (b"5\r\nhello\r\n0\n\r\n", Refused(400)),
    (b"5\r\nhello\r\n0\r\n\n", Refused(400)),
    (b"5\r\nhello\r\n0\r\n\rX", Unfinished(&[])),
    (b"5\r\nhello\r\n0\r\n\rX\n", Refused(400)),
    (b"100001\r\nh", Refused(413)),
    (b"fffffffffffffff\r\nh", Refused(413)),
    (b"FFFFFFFFFFFFFFFF\r\nh", Refused(413)),
    (b"5\r\nhello\r\nffffffffffffffff\r\nh", Refused(413)),
    (b"10000000000000005\r\nhello\r\n0\r\n\r\n", Refused(400)),
    (b"00000000000000005\r\nhello\r\n0\r\n\r\n", Refused(400)),
];

/// Extensions of the chunk `hello` (RFC 9112 7.1.1), which are read and dropped.
const EXTENSIONS: &[(&[u8], Expected)] = &[
    (b";a", Open(&[Says("hello")])),
    (b";a=b", Open(&[Says("hello")])),
    (b";a;b;c=d", Open(&[Says("hello")])),
    (b" ;\ta = b ; c", Open(&[Says("hello")])),
    (b";a=\"b c;d\\\"\t\xe9\"", Open(&[Says("hello")])),
    (b";a=\"\"", Open(&[Says("hello")])),
    (b";!#$%&'*+-.^_`|~=1", Open(&[Says("hello")])),
    (b";", Refused(400)),
    (b"; ", Refused(400)),
    (b";;a", Refused(400)),
    (b";a;", Refused(400)),
    (b";=b", Refused(400)),
    (b";a=", Refused(400)),
    (b";a=b=c", Refused(400)),
    (b";a b", Refused(400)),
    (b";a ", Refused(400)),
    (b";a=\"b", Refused(400)),
    (b";a=\"b\"c", Refused(400)),
    (b";a=\"b\\\"", Refused(400)),
    (b";a=\"b\x01\"", Refused(400)),
    (b";a=\"b\\\x01\"", Refused(400)),
    (b";a=\"b\x7f\"", Refused(400)),
    (b";a\0", Refused(400)),
    (b";a\xe9", Refused(400)),
    (b";\ra", Refused(400)),
    (b";a\n", Refused(400)),
    (b";a=\"b\nc\"", Refused(400)),
    (b";a=\"b\rc\"", Refused(400)),
    (b";a\r\r", Refused(400)),
    (b",a", Refused(400)),
];

/// Lines behind the last chunk (RFC 9112 7.1.2), which are read and dropped.
const TRAILERS: &[(&[u8], Expected)] = &[
    (b"X: y\r\n", Open(&[Says("hello")])),
    (b"X: y\r\nZ:\r\n", Open(&[Says("hello")])),
    (b"Content-Length: 7\r\n", Open(&[Says("hello")])),
    (b"Transfer-Encoding: chunked\r\nHost: b\r\nConnection: close\r\n", Open(&[Says("hello")])),
    (b"X\r\n", Refused(400)),
    (b": y\r\n", Refused(400)),
    (b"X : y\r\n", Refused(400)),
    (b" X: y\r\n", Refused(400)),
    (b"X: y\r\n z\r\n", Refused(400)),
    (b"X: y\n", Refused(400)),
    (b"X: y\rz\r\n", Refused(400)),
    (b"X: y\r\r\n", Refused(400)),
    (b"X: \0\r\n", Refused(400)),
    (b"X\xa0: y\r\n", Refused(400)),
    (b"GET / HTTP/1.1\r\n", Refused(400)),
];

/// Bodies where few have one, and what stands behind them.
const PLACES: &[Case] = &[
    Case(
        "of a GET",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello\
          GET /echo HTTP/1.1\r\nHost: b\r\n\r\n",
        Open(&[Says(""), Says("Host: b\n")]),
    ),
    Case(
        "that looks like a request",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 27\r\n\r\n\
          GET / HTTP/1.1\r\nHost: b\r\n\r\n",
        Open(&[Says("GET / HTTP/1.1\r\nHost: b\r\n\r\n")]),
    ),
    Case(
        "of no bytes",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        Open(&[Says(""), Says("")]),
    ),
    Case(
        "that is not said to be there",
        b"POST / HTTP/1.1\r\nHost: a\r\n\r\nhello\r\n",
        Closed(&[Says(""), Explains(400)]),
    ),
    Case(
        "longer than was said",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nhello\r\n",
        Closed(&[Says("hell"), Explains(400)]),
    ),
    Case(
        "of OPTIONS",
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi\
          GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        Open(&[Nothing, Says("")]),
    ),
    Case(
        "that is counted by the pool",
        b"POST /absorb HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
          3\r\nabc\r\n2\r\nde\r\n0\r\nX: y\r\n\r\n\
          POST /absorb HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd",
        Open(&[Says("5\n"), Says("4\n")]),
    ),
    Case(
        "of HTTP/1.0",
        b"POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello",
        Closed(&[Says("hello")]),
    ),
    Case(
        "of HTTP/1.0 in chunks",
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        Refused(400),
    ),
    Case(
        "of HTTP/1.0 in chunks, to go on",
        b"POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        Refused(400),
    ),
];

const COUNTED: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\n";
const CHUNKED: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/// The tables of this file.
pub(crate) fn tables() -> Vec<Table> {
    let length = [COUNTED, b"Content-Length:"].concat();
    let coding = [COUNTED, b"Transfer-Encoding:"].concat();
    let first = [CHUNKED, b"5"].concat();
    let last = [CHUNKED, b"0"].concat();
    let behind = [CHUNKED, b"5\r\nhello\r\n0\r\n"].concat();
    vec![
        around("length", &length, LENGTHS, b"\r\n\r\nhello"),
        around("coding", &coding, CODINGS, b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        around("together", COUNTED, TOGETHER, b"\r\n\r\nhello"),
        around("chunks", CHUNKED, CHUNKS, b""),
        around("extensions", &first, EXTENSIONS, b"\r\nhello\r\n0\r\n\r\n"),
        around("last extensions", &last, &last_extensions(), b"\r\n\r\n"),
        around("trailers", &behind, TRAILERS, b"\r\n"),
        Table::new("places", PLACES),
        Table { cases: long(), ..Table::new("long", &[]) },
    ]
}

/// Bodies of which a handler is given more than one piece, whole and counted, in one order only.
fn long() -> Vec<Case> {
    let text: &str = (0..2500).map(|number| format!("{number:04}")).collect::<String>().leak();
    let chunks = |size: usize| -> String {
        let chunks = text.as_bytes().chunks(size).map(|chunk| {
            let chunk = str::from_utf8(chunk).expect("digits");
            format!("{:x}\r\n{chunk}\r\n", chunk.len())
        });
        chunks.collect::<String>() + "0\r\nX: y\r\n\r\n"
    };
    let mut cases = Vec::new();
    for (path, answer) in [("/", text), ("/absorb", "10000\n")] {
        let answers: &'static [Answer] = Box::leak(Box::new([Says(answer), Says("")]));
        let mut case = |name, framing: &str, body: &str| {
            let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n");
            let sent = head + body + "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
            cases.push(Case(name, sent.into_bytes().leak(), Open(answers)));
        };
        case("counted", "Content-Length: 10000", text);
        case("one chunk", "Transfer-Encoding: chunked", &chunks(text.len()));
        case("chunks as long as a piece", "Transfer-Encoding: chunked", &chunks(4096));
        case("a little shorter", "Transfer-Encoding: chunked", &chunks(4095));
        case("and short ones", "Transfer-Encoding: chunked", &chunks(37));
    }
    cases
}

/// What is refused of the extensions of one chunk is refused of the last one, which has no bytes.
fn last_extensions() -> Vec<(&'static [u8], Expected)> {
    let of_last = |expected| if matches!(expected, Open(_)) { Open(&[Says("")]) } else { expected };
    EXTENSIONS.iter().map(|(text, expected)| (*text, of_last(*expected))).collect()
}

/// A table of requests that differ in one place.
fn around(name: &'static str, before: &[u8], parts: &[(&[u8], Expected)], after: &[u8]) -> Table {
    let case = |(part, expected): &(&[u8], Expected)| {
        let sent = [before, part, after].concat();
        Case(part.escape_ascii().to_string().leak(), sent.leak(), *expected)
    };
    Table { cases: parts.iter().map(case).collect(), ..Table::new(name, &[]) }
}

#[track_caller]
fn check(name: &str) {
    tables().iter().find(|table| table.name == name).expect("a table of this file").check();
}

#[test]
fn a_length_is_digits() {
    check("length");
}

#[test]
fn the_only_coding_is_chunked() {
    check("coding");
}

#[test]
fn every_length_is_said_once() {
    check("together");
}

#[test]
fn chunks_are_framed_to_the_byte() {
    check("chunks");
}

#[test]
fn extensions_are_read_and_dropped() {
    check("extensions");
    check("last extensions");
}

#[test]
fn trailers_are_fields_and_change_nothing() {
    check("trailers");
}

#[test]
fn a_body_ends_where_it_was_said_to() {
    check("places");
    check("long");
}
