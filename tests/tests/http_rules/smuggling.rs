//! The faults of framing that were found in servers in the field: the list of the HTTP Garden
//! (github.com/narfindustries/http-garden, `TROPHIES.md`, "Server Bugs" 1 to 48). For each number
//! stands here what RFC 9112 asks for instead, with requests of our own.
//!
//! A request that could be read in two ways carries a second one, so that reading it wrongly shows:
//! as a second answer, or as another body.

use std::collections::BTreeSet;

use crate::case::Answer::{Explains, Gives, Says};
use crate::case::Expected::{Closed, Open, Refused};
use crate::case::Sent::{Chunks, Field, Posted, Whole};
use crate::case::{Case, Expected, Sent, Table};

/// The faults there are on the list.
const LISTED: u8 = 48;

/// The number, what the fault is, a request, and what must come of it.
type Fault = (u8, &'static str, Sent, Expected);

const FAULTS: &[Fault] = &[
    (1, "a chunk size with `_`", Chunks(b"0_1\r\nx\r\n0\r\n\r\n"), Refused(400)),
    (1, "a chunk size with `0x`", Chunks(b"0x1\r\nx\r\n0\r\n\r\n"), Refused(400)),
    (1, "a chunk size with `+`", Chunks(b"+1\r\nx\r\n0\r\n\r\n"), Refused(400)),
    (1, "a chunk size with `-`", Chunks(b"-1\r\nx\r\n0\r\n\r\n"), Refused(400)),
    (2, "NUL in a value", Field(b"A: b\0c"), Refused(400)),
    (2, "a carriage return in a value", Field(b"A: b\rc"), Refused(400)),
    (2, "a line feed in a value", Field(b"A: b\nC: d"), Refused(400)),
    (
        3,
        "space behind a name",
        Posted(b"Content-Length : 27\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n"),
        Refused(400),
    ),
    (
        4,
        "space before the first name",
        Whole(b"POST / HTTP/1.1\r\n\tContent-Length: 1\r\nHost: a\r\n\r\nx"),
        Refused(400),
    ),
    (
        4,
        "a space before it",
        Whole(b"POST / HTTP/1.1\r\n Host: a\r\nContent-Length: 1\r\n\r\nx"),
        Refused(400),
    ),
    (5, "the prefix of a version", Whole(b"GET / HTTP/1.10\r\nHost: a\r\n\r\n"), Refused(400)),
    (5, "one with more behind it", Whole(b"GET / HTTP/1.1x\r\nHost: a\r\n\r\n"), Refused(400)),
    (6, "the prefix of a method", Whole(b"GET(x) / HTTP/1.1\r\nHost: a\r\n\r\n"), Refused(400)),
    (6, "one in quotes", Whole(b"\"GET\" / HTTP/1.1\r\nHost: a\r\n\r\n"), Refused(400)),
    (7, "a target in no form", Whole(b"GET x HTTP/1.1\r\nHost: a\r\n\r\n"), Refused(400)),
    (7, "an asterisk for GET", Whole(b"GET * HTTP/1.1\r\nHost: a\r\n\r\n"), Refused(400)),
    (8, "no ASCII in a name", Field(b"B\xe9: c"), Refused(400)),
    (8, "UTF-8 in a name", Field(b"\xc3\xa9: c"), Refused(400)),
    (9, "a line feed for a space", Whole(b"GET /\nHTTP/1.1\r\nHost: a\r\n\r\n"), Refused(400)),
    (
        9,
        "a line feed behind the method",
        Whole(b"GET\n/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        Refused(400),
    ),
    (10, "a length with `+`", Posted(b"Content-Length: +1\r\n\r\nx"), Refused(400)),
    (10, "a length with `-`", Posted(b"Content-Length: -1\r\n\r\nx"), Refused(400)),
    (10, "a length with `_`", Posted(b"Content-Length: 1_0\r\n\r\n0123456789"), Refused(400)),
    (
        11,
        "chunked twice, taken for no body",
        Posted(
            b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        ),
        Refused(400),
    ),
    (
        12,
        "a byte of Latin-1 for space, behind",
        Posted(b"Transfer-Encoding: chunked\xa0\r\n\r\n0\r\n\r\n"),
        Refused(400),
    ),
    (12, "and in front", Posted(b"Transfer-Encoding: \x85chunked\r\n\r\n0\r\n\r\n"), Refused(400)),
    (
        13,
        "a carriage return for a line end",
        Whole(b"GET / HTTP/1.1\r\nHost: a\rContent-Length: 1\r\n\r\n"),
        Refused(400),
    ),
    (14, "no token for a name", Field(b"B[0]: c"), Refused(400)),
    (14, "a control character in a name", Field(b"B\x01: c"), Refused(400)),
    (14, "a tab in a name", Field(b"B\tC: d"), Refused(400)),
    (
        15,
        "a version with carriage returns",
        Whole(b"GET / HTTP/\r1.1\r\nHost: a\r\n\r\n"),
        Refused(400),
    ),
    (15, "a version without a number", Whole(b"GET / HTTP/\r\nHost: a\r\n\r\n"), Refused(400)),
    (16, "an empty length", Posted(b"Content-Length:\r\n\r\n"), Refused(400)),
    (17, "an empty chunk size", Chunks(b"1\r\nx\r\n\r\n\r\n"), Refused(400)),
    (17, "an empty one with an extension", Chunks(b";a\r\n\r\n"), Refused(400)),
    (18, "an empty name", Field(b": b"), Refused(400)),
    (19, "line feeds before a value", Field(b"B:\nGET / HTTP/1.1\r\nHost: b"), Refused(400)),
    (19, "a vertical tab before a value", Field(b"B:\x0bc"), Refused(400)),
    (
        20,
        "a byte of Latin-1 behind a name",
        Posted(b"Content-Length\xa0: 1\r\n\r\nx"),
        Refused(400),
    ),
    (20, "another", Posted(b"Transfer-Encoding\x85: chunked\r\n\r\n0\r\n\r\n"), Refused(400)),
    (
        21,
        "`,chunked`, taken for another coding",
        Posted(b"Transfer-Encoding: ,chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
        Refused(400),
    ),
    (
        21,
        "`,chunked` beside a length",
        Posted(b"Content-Length: 11\r\nTransfer-Encoding: ,chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
        Refused(400),
    ),
    (22, "the prefix of a chunk size", Chunks(b"1g\r\nx\r\n0\r\n\r\n"), Refused(400)),
    (22, "one with space behind it", Chunks(b"1 0\r\nx\r\n0\r\n\r\n"), Refused(400)),
    (
        23,
        "two lengths, the first counts",
        Posted(b"Content-Length: 27\r\nContent-Length: 0\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n"),
        Refused(400),
    ),
    (
        24,
        "a version that overflows eight bits",
        Whole(b"GET / HTTP/257.257\r\nHost: a\r\n\r\n"),
        Refused(400),
    ),
    (24, "32 bits", Whole(b"GET / HTTP/4294967297.4294967297\r\nHost: a\r\n\r\n"), Refused(400)),
    (25, "a chunk size with a sign and `0x`", Chunks(b"-0x0\r\n\r\n"), Refused(400)),
    (25, "space before a chunk size", Chunks(b" 1\r\nx\r\n0\r\n\r\n"), Refused(400)),
    (26, "a negative length, read for ever", Posted(b"Content-Length: -59\r\n\r\n"), Refused(400)),
    (
        27,
        "neither name nor value, taken for the end",
        Posted(b":\r\nContent-Length: 1\r\n\r\nx"),
        Refused(400),
    ),
    (28, "no colon", Posted(b"Content-Length 1\r\n\r\nx"), Refused(400)),
    (29, "the prefix of a length", Posted(b"Content-Length: 1x\r\n\r\nx"), Refused(400)),
    (29, "one with a point", Posted(b"Content-Length: 1.0\r\n\r\nx"), Refused(400)),
    (
        30,
        "`CR` and any byte for the end of the head",
        Whole(b"GET / HTTP/1.1\r\nHost: a\r\n\rx\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n"),
        Refused(400),
    ),
    (
        31,
        "`CR` and any byte for the end of a chunk size",
        Chunks(b"1\rxy\r\n0\r\n\r\n"),
        Refused(400),
    ),
    (31, "inside of an extension", Chunks(b"1\r\r;ab\r\nx\r\n0\r\n\r\n"), Refused(400)),
    (32, "a length in octal", Posted(b"Content-Length: 012\r\n\r\n0123456789ab"), Refused(400)),
    (32, "a length with `0x`", Posted(b"Content-Length: 0xa\r\n\r\n0123456789"), Refused(400)),
    (
        33,
        "two lengths, the last counts",
        Posted(b"Content-Length: 0\r\nContent-Length: 27\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n"),
        Refused(400),
    ),
    (34, "a carriage return in a value", Field(b"B: \rc"), Refused(400)),
    (34, "one at its end", Field(b"B: c\r"), Refused(400)),
    (
        35,
        "NUL for the end of a value",
        Whole(b"GET / HTTP/1.1\r\nHost: a\0.b\r\n\r\n"),
        Refused(400),
    ),
    (35, "in what frames a message", Posted(b"Content-Length: 1\x003\r\n\r\nx"), Refused(400)),
    (
        36,
        "a proxy's, which sends on carriage returns in extensions: here in one",
        Chunks(b"1;\ra\r\nx\r\n0\r\n\r\n"),
        Refused(400),
    ),
    (36, "behind one", Chunks(b"4;a=b\r\rabcd\r\n0\r\n\r\n"), Refused(400)),
    (
        37,
        "a name on two lines",
        Posted(b"Content-Length: 11\r\nTransfer-\r\nEncoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
        Refused(400),
    ),
    (
        38,
        "an empty length, waited for",
        Posted(b"Content-Length: \r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n"),
        Refused(400),
    ),
    (
        39,
        "two bytes for the last line end",
        Chunks(b"0\r\nxyGET / HTTP/1.1\r\nHost: b\r\n\r\n"),
        Refused(400),
    ),
    (
        39,
        "a field instead, which is one",
        Chunks(b"0\r\nX:GET / HTTP/1.1\r\n\r\n"),
        Open(&[Says("")]),
    ),
    (40, "no method", Whole(b"\0 / HTTP/1.1\r\nHost: a\r\n\r\n"), Refused(400)),
    (40, "no version", Whole(b"GET / HTTP/......1.1\r\nHost: a\r\n\r\n"), Refused(400)),
    (
        41,
        "bytes of Latin-1 taken off the ends of a value",
        Whole(b"GET /cookie HTTP/1.1\r\nHost: a\r\nCookie: \x85b\xa0\r\n\r\n"),
        Open(&[Gives(b"\x85b\xa0\n")]),
    ),
    (
        41,
        "around what frames a message",
        Posted(b"Content-Length: \x851\xa0\r\n\r\nx"),
        Refused(400),
    ),
    (
        42,
        "an empty length before another",
        Posted(b"Content-Length: \r\nContent-Length: 27\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n"),
        Refused(400),
    ),
    (43, "NUL behind a value", Field(b"B: c\0"), Refused(400)),
    (
        43,
        "behind what frames a message",
        Posted(b"Transfer-Encoding: chunked\0\r\n\r\n0\r\n\r\n"),
        Refused(400),
    ),
    (
        44,
        "every coding is chunked",
        Posted(b"Transfer-Encoding: tea\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
        Refused(400),
    ),
    (
        44,
        "even no coding",
        Posted(b"Transfer-Encoding: identity\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
        Refused(400),
    ),
    (
        45,
        "closed before the answer, since no request follows",
        Whole(b"GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nno request\r\n\r\n"),
        Closed(&[Says("Host: a\nConnection: close\n")]),
    ),
    (
        45,
        "without a word of closing",
        Whole(b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\nno request\r\n\r\n"),
        Closed(&[Says("Host: a\n"), Explains(400)]),
    ),
    (
        46,
        "no ASCII around a coding",
        Posted(b"Transfer-Encoding: \xffchunked\xff\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
        Refused(400),
    ),
    (46, "around a host", Whole(b"GET / HTTP/1.1\r\nHost: \xffa\xff\r\n\r\n"), Refused(400)),
    (
        47,
        "a request behind a bad chunk",
        Chunks(b"wrong\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n"),
        Refused(400),
    ),
    (
        47,
        "behind a bad chunk size",
        Chunks(b"no size\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n"),
        Refused(400),
    ),
    (
        48,
        "the next request taken for a body of no bytes",
        Posted(
            b"Content-Length: 0\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n\
          hiGET /echo HTTP/1.1\r\nHost: b\r\n\r\n",
        ),
        Open(&[Says(""), Says("hi"), Says("Host: b\n")]),
    ),
    (
        48,
        "for a body that nobody speaks of",
        Posted(b"\r\nGET /echo HTTP/1.1\r\nHost: b\r\n\r\n"),
        Open(&[Says(""), Says("Host: b\n")]),
    ),
];

/// The table of this file.
pub(crate) fn table() -> Table {
    let case = |&(number, name, sent, expected): &Fault| {
        Case(format!("{number}, {name}").leak(), sent.bytes(), expected)
    };
    Table { cases: FAULTS.iter().map(case).collect(), ..Table::new("faults", &[]) }
}

#[test]
fn no_fault_of_the_list_is_ours() {
    table().check();
}

#[test]
fn every_fault_of_the_list_has_a_case() {
    let numbers: BTreeSet<u8> = FAULTS.iter().map(|(number, ..)| *number).collect();
    assert!(numbers.into_iter().eq(1..=LISTED), "the numbers run from 1 to {LISTED}");
}
