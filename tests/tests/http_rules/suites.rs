//! What two suites that others wrote ask of a server, so that a change is judged where they are not
//! at hand: the rules of h1spec (github.com/dropseed/h1spec) in its strict mode, and the kinds of
//! request that http-desync-guardian (github.com/aws/http-desync-guardian) calls severe. The
//! requests are our own.

use crate::case::Answer::{Continue, Explains, Headed, Nothing, Says};
use crate::case::Expected::{Closed, Open, Refused};
use crate::case::Sent::{Chunks, Field, Posted, Whole};
use crate::case::{Case, Expected, Sent, Table};

/// A name, a request, and what must come of it.
type Rule = (&'static str, Sent, Expected);

/// The rules of h1spec but three, which are about size: see [`oversized`].
const H1SPEC: &[Rule] = &[
    ("a GET", Field(b"A: b"), Open(&[Says("")])),
    ("a POST with a length", Posted(b"Content-Length: 2\r\n\r\nhi"), Open(&[Says("hi")])),
    ("OPTIONS *", Whole(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), Open(&[Nothing])),
    ("absolute form", Whole(b"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"), Open(&[Says("")])),
    ("authority form", Whole(b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n"), Open(&[Explains(405)])),
    ("another version", Whole(b"GET / HTTP/2.0\r\nHost: a\r\n\r\n"), Refused(505)),
    ("no version", Whole(b"GET /\r\nHost: a\r\n\r\n"), Refused(400)),
    ("no Host", Whole(b"GET / HTTP/1.1\r\n\r\n"), Refused(400)),
    ("two Hosts", Field(b"Host: b"), Refused(400)),
    ("no host in Host", Whole(b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), Refused(400)),
    ("a space in a name", Field(b"A B: c"), Refused(400)),
    ("a fold", Field(b"  b"), Refused(400)),
    ("space before a colon", Whole(b"GET / HTTP/1.1\r\nHost : a\r\n\r\n"), Refused(400)),
    ("NUL in a value", Whole(b"GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n"), Refused(400)),
    ("a POST in chunks", Chunks(b"2\r\nhi\r\n0\r\n\r\n"), Open(&[Says("hi")])),
    (
        "chunks in HTTP/1.0",
        Whole(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"),
        Refused(400),
    ),
    (
        "chunks and a length",
        Posted(
            b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n\
              2\r\nhi\r\n0\r\n\r\n",
        ),
        Refused(400),
    ),
    (
        "nothing is answered behind them",
        Posted(
            b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n\
              2\r\nhi\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        Refused(400),
    ),
    ("a coding nobody knows", Posted(b"Transfer-Encoding: tea\r\n\r\nhi"), Refused(400)),
    (
        "chunked, but not last",
        Posted(
            b"Transfer-Encoding: chunked, gzip\r\n\r\n2\r\nhi\r\n0\r\n\r\n\
              GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        Refused(400),
    ),
    ("two lengths", Posted(b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi!"), Refused(400)),
    ("a length that is none", Posted(b"Content-Length: two\r\n\r\nhi"), Refused(400)),
    (
        "a chunk size that is none",
        Chunks(b"x\r\nhi\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        Refused(400),
    ),
    (
        "no line end behind a chunk",
        Chunks(b"2\r\nhi0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        Refused(400),
    ),
    (
        "100-continue",
        Posted(b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\nhi"),
        Open(&[Continue, Says("hi")]),
    ),
    (
        "two requests",
        Whole(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        Open(&[Says(""), Says("")]),
    ),
    ("Connection: close", Field(b"Connection: close"), Closed(&[Says("")])),
    ("HTTP/1.0", Whole(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n"), Closed(&[Says("")])),
    ("HEAD", Whole(b"HEAD /echo HTTP/1.1\r\nHost: a\r\n\r\n"), Open(&[Headed(200)])),
    ("an error is framed", Whole(b"got / HTTP/1.1\r\nHost: a\r\n\r\n"), Open(&[Explains(501)])),
];

/// The kinds of http-desync-guardian: a coding, a length, a name or a value that may be read in two
/// ways, each in the places where that matters, and one hidden behind another.
const DESYNC: &[Rule] = &[
    (
        "a control before the coding",
        Posted(b"Transfer-Encoding: \x01chunked\r\n\r\n"),
        Refused(400),
    ),
    ("behind it", Posted(b"Transfer-Encoding: chunked\x01\r\n\r\n"), Refused(400)),
    ("inside of it", Posted(b"Transfer-Encoding: chun\x11ked\r\n\r\n"), Refused(400)),
    ("DEL behind it", Posted(b"Transfer-Encoding: chunked\x7f\r\n\r\n"), Refused(400)),
    ("NUL before it", Posted(b"Transfer-Encoding: \0chunked\r\n\r\n"), Refused(400)),
    ("Latin-1 before it", Posted(b"Transfer-Encoding: \xa0chunked\r\n\r\n"), Refused(400)),
    ("Latin-1 behind it", Posted(b"Transfer-Encoding: chunked\x80\r\n\r\n"), Refused(400)),
    ("less than a coding", Posted(b"Transfer-Encoding: chunke\r\n\r\n"), Refused(400)),
    ("more than a coding", Posted(b"Transfer-Encoding: chunkedd\r\n\r\n"), Refused(400)),
    ("another coding", Posted(b"Transfer-Encoding: tea\r\n\r\n"), Refused(400)),
    ("twice in a list", Posted(b"Transfer-Encoding: chunked,chunked\r\n\r\n"), Refused(400)),
    (
        "in two fields",
        Posted(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
        Refused(400),
    ),
    (
        "in two fields, beside a length",
        Posted(
            b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\
              Content-Length: 5\r\n\r\n0\r\n\r\n",
        ),
        Refused(400),
    ),
    (
        "with another in a second field",
        Posted(
            b"Transfer-Encoding: chunked\r\nTransfer-Encoding: tea\r\n\
              Content-Length: 5\r\n\r\n0\r\n\r\n",
        ),
        Refused(400),
    ),
    (
        "once with space behind the name",
        Posted(b"Transfer-Encoding : chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        Refused(400),
    ),
    ("a control before the length", Posted(b"Content-Length: \x013\r\n\r\nabc"), Refused(400)),
    ("a control behind it", Posted(b"Content-Length: 3\x11\r\n\r\nabc"), Refused(400)),
    ("a control and a space", Posted(b"Content-Length: \x01 3\r\n\r\nabc"), Refused(400)),
    ("Latin-1 behind the length", Posted(b"Content-Length: 3\xa0\r\n\r\nabc"), Refused(400)),
    ("a list of lengths", Posted(b"Content-Length: 3,3\r\n\r\nabc"), Refused(400)),
    ("two numbers", Posted(b"Content-Length: 3 3\r\n\r\nabc"), Refused(400)),
    ("a fraction", Posted(b"Content-Length: 3.3\r\n\r\nabc"), Refused(400)),
    ("money", Posted(b"Content-Length: $3\r\n\r\nabc"), Refused(400)),
    ("more than 64 bits", Posted(b"Content-Length: 18446744073709551619\r\n\r\nabc"), Refused(400)),
    ("two lengths", Posted(b"Content-Length: 3\r\nContent-Length: 30\r\n\r\nabc"), Refused(400)),
    (
        "one with space behind the name",
        Posted(b"Content-Length : 3\r\nContent-Length: 30\r\n\r\nabc"),
        Refused(400),
    ),
    (
        "one with space before the name",
        Posted(b" Content-Length: 3\r\nContent-Length: 30\r\n\r\nabc"),
        Refused(400),
    ),
    (
        "a bad field before a bad length",
        Posted(b"A: b\x12\r\nContent-Length: 3\x11\r\n\r\nabc"),
        Refused(400),
    ),
    (
        "a bad field before a bad coding",
        Posted(b"A: b\x11\r\nTransfer-Encoding: chunked\x7f\r\n\r\n"),
        Refused(400),
    ),
    (
        "a bad name before a bad coding",
        Posted(b"A\t: b\0\r\nTransfer-Encoding\t: chunked\r\n\r\n"),
        Refused(400),
    ),
    (
        "a bad target before bad fields",
        Whole(
            b"POST /\t HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\x80\r\n\
              Content-Length: $9\r\n\r\n",
        ),
        Refused(400),
    ),
    ("a fold", Posted(b"Content-Length: 3\r\nA: b\r\n c\r\n\r\nabc"), Refused(400)),
    (
        "a fold behind a line feed",
        Posted(b"Content-Length: 3\r\nA: b\n c\r\n\r\nabc"),
        Refused(400),
    ),
    ("a carriage return in a name", Field(b"A\r: b"), Refused(400)),
    ("a line feed in a name", Field(b"A\n: b"), Refused(400)),
    ("NUL in a name", Field(b"A\0: b"), Refused(400)),
    (
        "a coding behind a carriage return in a value",
        Posted(b"Content-Length: 3\r\nA: b\rTransfer-Encoding: chunked\r\n\r\nabc"),
        Refused(400),
    ),
    (
        "a length behind a line feed in a value",
        Posted(b"A: b\nContent-Length: 30\r\nContent-Length: 3\r\n\r\nabc"),
        Refused(400),
    ),
    (
        "a length behind NUL in a value",
        Posted(b"A: b\0Content-Length: 30\r\nContent-Length: 3\r\n\r\nabc"),
        Refused(400),
    ),
    ("a carriage return before a coding", Field(b"\rTransfer-Encoding: chunked"), Refused(400)),
    (
        "beside a length",
        Posted(b"\rTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
        Refused(400),
    ),
    (
        "before a length",
        Posted(b"\rContent-Length: 30\r\nContent-Length: 3\r\n\r\nabc"),
        Refused(400),
    ),
    ("NUL before a coding", Posted(b"\0Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), Refused(400)),
    ("NUL before a name", Field(b"\0A: b"), Refused(400)),
    ("NUL before a value", Field(b"A: \0b"), Refused(400)),
    ("NUL behind a value", Field(b"A: b\0"), Refused(400)),
    ("a method that is none", Whole(b"bad[method] / HTTP/1.1\r\nHost: a\r\n\r\n"), Refused(400)),
    ("a control in the method", Whole(b"bad\x01 / HTTP/1.1\r\nHost: a\r\n\r\n"), Refused(400)),
    ("a space in the target", Whole(b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"), Refused(400)),
    ("two versions", Whole(b"GET /a HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n"), Refused(400)),
    (
        "a carriage return in the target",
        Whole(b"GET /\rb HTTP/1.1\r\nHost: a\r\n\r\n"),
        Refused(400),
    ),
    ("a line feed in the target", Whole(b"GET /\nb HTTP/1.1\r\nHost: a\r\n\r\n"), Refused(400)),
    ("NUL in the target", Whole(b"GET /\0b HTTP/1.1\r\nHost: a\r\n\r\n"), Refused(400)),
    ("NUL before the target", Whole(b"GET \0/b HTTP/1.1\r\nHost: a\r\n\r\n"), Refused(400)),
    (
        "a request in the target",
        Whole(b"GET /\tHTTP/1.1\r\nHost: a\r\n\r\nGET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        Refused(400),
    ),
];

/// h1spec's rules of size: nothing that is sent may stop the server from answering.
fn oversized() -> Vec<Case> {
    let case = |name, sent: String, expected| Case(name, sent.into_bytes().leak(), expected);
    let target = format!("GET /{:x<9000} HTTP/1.1\r\nHost: a\r\n\r\n", "");
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(101));
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nA: {:b<9000}\r\n\r\n", "");
    vec![
        case("a long target", target, Refused(414)),
        case("many fields", many, Refused(431)),
        case("a long field", long, Open(&[Says("")])),
    ]
}

/// The tables of this file.
pub(crate) fn tables() -> Vec<Table> {
    let table = |name, rules: &[Rule]| {
        let cases = rules.iter().map(|(name, sent, expected)| Case(name, sent.bytes(), *expected));
        Table { cases: cases.collect(), ..Table::new(name, &[]) }
    };
    let mut spec = table("h1spec", H1SPEC);
    spec.cases.extend(oversized());
    vec![spec, table("desync-guardian", DESYNC)]
}

#[test]
fn every_rule_of_h1spec_is_kept() {
    let [spec, _] = &tables()[..] else { panic!("two tables") };
    assert_eq!(spec.cases.len(), 33);
    spec.check();
}

#[test]
fn no_severe_request_is_taken() {
    let [_, desync] = &tables()[..] else { panic!("two tables") };
    desync.check();
}
