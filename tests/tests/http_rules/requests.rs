//! What the head of a request may say: its first line, whom it is for, its fields, and what it asks
//! of the connection (RFC 9110, RFC 9112 2 to 5 and 9).

use crate::case::Answer::{Continue, Explains, Headed, Nothing, Says};
use crate::case::Expected::{Closed, Open, Refused, Unfinished};
use crate::case::{Case, Expected, Table, check, take, usual};

/// RFC 9112 2.3 and 3. What is no request line is answered 400, and a version that is one but not
/// ours 505; a minor version that is not out yet is ours (RFC 9110 2.5), and read as strictly.
const FIRST_LINE: &[Case] = &[
    Case("plain", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", Open(&[Says("")])),
    Case("HTTP/0.9", b"GET /\r\n", Refused(400)),
    Case("HTTP/0.9 with fields", b"GET /\r\nHost: a\r\n\r\n", Refused(400)),
    Case("HTTP/0.9 with a space", b"GET / \r\n\r\n", Refused(400)),
    Case("HTTP/0.9 by name", b"GET / HTTP/0.9\r\nHost: a\r\n\r\n", Refused(505)),
    Case("HTTP/2.0", b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", Refused(505)),
    Case("HTTP/3.0", b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", Refused(505)),
    Case("a minor version not out yet", b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", Open(&[Says("")])),
    Case(
        "1.9 and another",
        b"GET /echo HTTP/1.9\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        Open(&[Says("Host: a\n"), Says("")]),
    ),
    Case(
        "1.2 with a body",
        b"POST / HTTP/1.2\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
        Open(&[Says("hi")]),
    ),
    Case("1.2 without a host", b"GET / HTTP/1.2\r\n\r\n", Refused(400)),
    Case("1.2 and a bare line feed", b"GET / HTTP/1.2\nHost: a\r\n\r\n", Refused(400)),
    Case("1.2 and a bare carriage return", b"GET /\r HTTP/1.2\r\nHost: a\r\n\r\n", Refused(400)),
    Case("1.2 and two spaces", b"GET  / HTTP/1.2\r\nHost: a\r\n\r\n", Refused(400)),
    Case("1.2 and no method", b" / HTTP/1.2\r\nHost: a\r\n\r\n", Refused(400)),
    Case("1.2 and a folded line", b"GET / HTTP/1.2\r\nHost: a\r\n b\r\n\r\n", Refused(400)),
    Case(
        "1.2 and two framings",
        b"POST / HTTP/1.2\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        Refused(400),
    ),
    Case("1.2, not whole", b"GET / HTTP/1.2\r\nHost: a\r\n", Unfinished(&[])),
    Case("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Refused(505)),
    Case("two digits", b"GET / HTTP/1.10\r\nHost: a\r\n\r\n", Refused(400)),
    Case("a zero in front", b"GET / HTTP/01.1\r\nHost: a\r\n\r\n", Refused(400)),
    Case("no minor version", b"GET / HTTP/1\r\nHost: a\r\n\r\n", Refused(400)),
    Case("small letters", b"GET / http/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    Case("another protocol", b"GET / HTTPS/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    Case("a comma", b"GET / HTTP/1,1\r\nHost: a\r\n\r\n", Refused(400)),
    Case("space in the version", b"GET / HTTP/ 1.1\r\nHost: a\r\n\r\n", Refused(400)),
    Case("space behind", b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", Refused(400)),
    Case("a word behind", b"GET / HTTP/1.1 x\r\nHost: a\r\n\r\n", Refused(400)),
    Case("two versions", b"GET / HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    Case("two spaces in front of the target", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    Case("two spaces behind the target", b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    Case("tabs for spaces", b"GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    Case("space in front", b" GET / HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    Case("no target", b"GET HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    Case("no method", b"/ HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    Case("an empty line in front", b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    Case("a line feed in front", b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    Case("a line of TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n", Refused(400)),
];

/// RFC 9110 9.1: 501 for what no RFC knows, 405 for what this server has no use for; neither is a
/// reason to close. What is no token is refused.
const METHODS: &[Case] = &[
    Case("PUT", b"PUT / HTTP/1.1\r\nHost: a\r\n\r\n", Open(&[Explains(405)])),
    Case("DELETE", b"DELETE / HTTP/1.1\r\nHost: a\r\n\r\n", Open(&[Explains(405)])),
    Case("PATCH", b"PATCH / HTTP/1.1\r\nHost: a\r\n\r\n", Open(&[Explains(405)])),
    Case("TRACE", b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", Open(&[Explains(405)])),
    Case("CONNECT", b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", Open(&[Explains(405)])),
    Case("none that is known", b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", Open(&[Explains(501)])),
    Case("small letters", b"get / HTTP/1.1\r\nHost: a\r\n\r\n", Open(&[Explains(501)])),
    Case("no token", b"GE(T / HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    Case(
        "one that is not known, with a body",
        b"BREW / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello\
          GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        Open(&[Explains(501), Says("")]),
    ),
    Case(
        "one that is not allowed, with a body in chunks",
        b"DELETE / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n\
          GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        Open(&[Explains(405), Says("")]),
    ),
    Case("OPTIONS", b"OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n", Open(&[Nothing])),
    Case("OPTIONS *", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", Open(&[Nothing])),
    Case("* for something else", b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    Case("* and more", b"OPTIONS *a HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    Case("CONNECT to a path", b"CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    Case("CONNECT without a port", b"CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
];

/// RFC 9110 9.3.2.
const HEAD: &[Case] = &[
    Case("what is there", b"HEAD /echo HTTP/1.1\r\nHost: a\r\n\r\n", Open(&[Headed(200)])),
    Case("what is not", b"HEAD /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", Open(&[Headed(404)])),
    Case("a stream", b"HEAD /counted?5 HTTP/1.1\r\nHost: a\r\n\r\n", Open(&[Headed(200)])),
    Case("without a Host", b"HEAD / HTTP/1.1\r\n\r\n", Closed(&[Headed(400)])),
    Case("another version", b"HEAD / HTTP/2.0\r\nHost: a\r\n\r\n", Closed(&[Headed(505)])),
    Case(
        "with an unknown expectation",
        b"HEAD / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n",
        Closed(&[Headed(417)]),
    ),
    Case(
        "two of them",
        b"HEAD /echo HTTP/1.1\r\nHost: a\r\n\r\nGET /echo HTTP/1.1\r\nHost: b\r\n\r\n",
        Open(&[Headed(200), Says("Host: b\n")]),
    ),
    Case(
        "one behind another method",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\nHEADS / HTTP/2.0\r\nHost: a\r\n\r\n",
        Closed(&[Says(""), Explains(505)]),
    ),
];

/// RFC 9112 3.2 and 3.2.2, RFC 9110 7.2, RFC 3986 3.2.
const HOST: &[Case] = &[
    Case("none", b"GET / HTTP/1.1\r\n\r\n", Refused(400)),
    Case("none, but other fields", b"GET / HTTP/1.1\r\nX: a\r\n\r\n", Refused(400)),
    Case("two", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", Refused(400)),
    Case("two alike", b"GET / HTTP/1.1\r\nHost: a\r\nhOST: a\r\n\r\n", Refused(400)),
    Case("an empty one", b"GET / HTTP/1.1\r\nHost:\r\n\r\n", Refused(400)),
    Case("space alone", b"GET / HTTP/1.1\r\nHost:  \r\n\r\n", Refused(400)),
    Case("two words", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", Refused(400)),
    Case("a tab inside", b"GET / HTTP/1.1\r\nHost: a\tb\r\n\r\n", Refused(400)),
    Case("a list", b"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", Refused(400)),
    Case("a path", b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", Refused(400)),
    Case("a query", b"GET / HTTP/1.1\r\nHost: a?b\r\n\r\n", Refused(400)),
    Case("a fragment", b"GET / HTTP/1.1\r\nHost: a#b\r\n\r\n", Refused(400)),
    Case("an address", b"GET / HTTP/1.1\r\nHost: http://a\r\n\r\n", Refused(400)),
    Case("a user", b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", Refused(400)),
    Case("a port alone", b"GET / HTTP/1.1\r\nHost: :80\r\n\r\n", Refused(400)),
    Case("a port that is none", b"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", Refused(400)),
    Case("a port with a sign", b"GET / HTTP/1.1\r\nHost: a:+80\r\n\r\n", Refused(400)),
    Case("a port too large", b"GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", Refused(400)),
    Case("two ports", b"GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n", Refused(400)),
    Case("half an escape", b"GET / HTTP/1.1\r\nHost: a%2\r\n\r\n", Refused(400)),
    Case("no ASCII", b"GET / HTTP/1.1\r\nHost: caf\xc3\xa9\r\n\r\n", Refused(400)),
    Case("no UTF-8", b"GET / HTTP/1.1\r\nHost: a\xe9\r\n\r\n", Refused(400)),
    Case("half an IPv6 address", b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", Refused(400)),
    Case("no IPv6 address", b"GET / HTTP/1.1\r\nHost: [::g]\r\n\r\n", Refused(400)),
    Case("more behind the address", b"GET / HTTP/1.1\r\nHost: [::1]a\r\n\r\n", Refused(400)),
    Case("bare IPv6", b"GET / HTTP/1.1\r\nHost: ::1\r\n\r\n", Refused(400)),
    Case("a port", b"GET / HTTP/1.1\r\nHost: a:65535\r\n\r\n", Open(&[Says("")])),
    Case("an empty port", b"GET / HTTP/1.1\r\nHost: a:\r\n\r\n", Open(&[Says("")])),
    Case("IPv6", b"GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n", Open(&[Says("")])),
    Case(
        "IPv6 with a port",
        b"GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n",
        Open(&[Says("")]),
    ),
    Case("none in HTTP/1.0", b"GET / HTTP/1.0\r\n\r\n", Closed(&[Says("")])),
    Case("a bad one in HTTP/1.0", b"GET / HTTP/1.0\r\nHost: a b\r\n\r\n", Refused(400)),
    Case("two in HTTP/1.0", b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", Refused(400)),
];

/// RFC 9112 3.2.2: every server takes it; the field must be there and right all the same.
const ABSOLUTE: &[Case] = &[
    Case("plain", b"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", Open(&[Says("")])),
    Case("another host", b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", Open(&[Says("")])),
    Case("a port", b"GET http://a:80/ HTTP/1.1\r\nHost: a\r\n\r\n", Open(&[Says("")])),
    Case("no path", b"GET http://a HTTP/1.1\r\nHost: a\r\n\r\n", Open(&[Says("")])),
    Case("a query alone", b"GET http://a?b HTTP/1.1\r\nHost: a\r\n\r\n", Open(&[Says("")])),
    Case("https", b"GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n", Open(&[Says("")])),
    Case("large letters", b"GET HTTP://A/ HTTP/1.1\r\nHost: a\r\n\r\n", Open(&[Says("")])),
    Case("no Host", b"GET http://a/ HTTP/1.1\r\n\r\n", Refused(400)),
    Case("a bad Host", b"GET http://a/ HTTP/1.1\r\nHost: a/\r\n\r\n", Refused(400)),
    Case("no host", b"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    Case("a user", b"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    Case("another scheme", b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    Case("half a scheme", b"GET http:/a HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    Case("no scheme", b"GET a/b HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    Case("a fragment", b"GET http://a/#b HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
];

/// RFC 3986 3.3, RFC 3629 3. The status 404 is that of a path that is taken.
const TARGETS: &[Case] = &[
    Case("a fragment", b"GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    Case("a fragment behind a query", b"GET /?a#b HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    Case("half an escape", b"GET /%4 HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    Case("no escape", b"GET /%4g HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    Case("an escaped NUL", b"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    Case("an escaped line end", b"GET /%0d%0A HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    Case("an escaped DEL", b"GET /%7f HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    Case("an overlong dot", b"GET /%c0%ae HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    Case("an overlong slash", b"GET /%C0%AF HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    Case("an overlong letter", b"GET /%c1%a1 HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    Case("an overlong slash of three", b"GET /%e0%80%af HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    Case(
        "an overlong slash of four",
        b"GET /a%f0%80%80%af HTTP/1.1\r\nHost: a\r\n\r\n",
        Refused(400),
    ),
    Case("the longest of three", b"GET /%e0%9f%bf HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    Case("of four", b"GET /%f0%8f%bf%bf HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    Case("bare UTF-8", b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    Case("bare overlong UTF-8", b"GET /\xc0\xaf HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    Case("escaped UTF-8", b"GET /%c3%a9 HTTP/1.1\r\nHost: a\r\n\r\n", Open(&[Explains(404)])),
    Case(
        "the shortest of three",
        b"GET /%e0%a0%80 HTTP/1.1\r\nHost: a\r\n\r\n",
        Open(&[Explains(404)]),
    ),
    Case(
        "the shortest of four",
        b"GET /%f0%90%80%80 HTTP/1.1\r\nHost: a\r\n\r\n",
        Open(&[Explains(404)]),
    ),
    Case("dots", b"GET /../%2e%2E/ HTTP/1.1\r\nHost: a\r\n\r\n", Open(&[Explains(404)])),
    Case("a query", b"GET /?a=%20&b=/? HTTP/1.1\r\nHost: a\r\n\r\n", Open(&[Says("")])),
    // Nobody reads it here, and people write it so.
    Case("half an escape in a query", b"GET /?% HTTP/1.1\r\nHost: a\r\n\r\n", Open(&[Says("")])),
    Case("quotes in a query", b"GET /?\"<a>\" HTTP/1.1\r\nHost: a\r\n\r\n", Open(&[Says("")])),
];

/// RFC 9112 2.2, 5.1 and 5.2.
const FIELDS: &[Case] = &[
    Case(
        "no space, and much of it",
        b"GET /echo HTTP/1.1\r\nHost:a\r\nX: \t b \t \r\nY:\r\n\r\n",
        Open(&[Says("Host: a\nX: b\nY: \n")]),
    ),
    Case(
        "a colon in the value",
        b"GET /echo HTTP/1.1\r\nHost: a:1\r\n\r\n",
        Open(&[Says("Host: a:1\n")]),
    ),
    Case("space before the colon", b"GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n", Refused(400)),
    Case("a tab before the colon", b"GET / HTTP/1.1\r\nHost: a\r\nX\t: b\r\n\r\n", Refused(400)),
    Case("space before Host's colon", b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", Refused(400)),
    Case("space before the first", b"GET / HTTP/1.1\r\n X: b\r\nHost: a\r\n\r\n", Refused(400)),
    Case("a fold", b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", Refused(400)),
    Case("a fold by a tab", b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc\r\n\r\n", Refused(400)),
    Case("a fold that says nothing", b"GET / HTTP/1.1\r\nHost: a\r\n \r\n\r\n", Refused(400)),
    Case("no name", b"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", Refused(400)),
    Case("no colon", b"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", Refused(400)),
    Case("a line feed behind the first line", b"GET / HTTP/1.1\nHost: a\r\n\r\n", Refused(400)),
    Case("behind a field", b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", Refused(400)),
    Case("behind the last field", b"GET / HTTP/1.1\r\nHost: a\n\r\n", Refused(400)),
    Case("for the empty line", b"GET / HTTP/1.1\r\nHost: a\r\n\n", Refused(400)),
    Case("for every line end", b"GET / HTTP/1.1\nHost: a\n\n", Refused(400)),
    Case("a carriage return in the target", b"GET /\ra HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    Case("behind the first line", b"GET / HTTP/1.1\rHost: a\r\n\r\n", Refused(400)),
    Case("in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n", Refused(400)),
    Case("before a line end", b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", Refused(400)),
    Case("before the empty line", b"GET / HTTP/1.1\r\nHost: a\r\n\r\r\n\r\n", Refused(400)),
    Case(
        "two types of one body",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: a/b\r\nContent-Type: a/b\r\n\r\n",
        Refused(400),
    ),
    Case(
        "fields that may be repeated",
        b"GET /cookie HTTP/1.1\r\nHost: a\r\nCookie: a=1; b=2\r\nCookie: c=3\r\n\r\n",
        Open(&[Says("a=1\nb=2\nc=3\n")]),
    ),
];

/// RFC 9110 10.1.1.
const EXPECTATIONS: &[Case] = &[
    Case(
        "100-continue",
        b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\n",
        Unfinished(&[Continue]),
    ),
    Case(
        "100-continue, and the body",
        b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello\
          GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        Open(&[Continue, Says("hello"), Says("")]),
    ),
    Case(
        "100-continue, and chunks",
        b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n\
          5\r\nhello\r\n0\r\n\r\n",
        Open(&[Continue, Says("hello")]),
    ),
    Case(
        "nothing to send",
        b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
        Open(&[Says("")]),
    ),
    Case(
        "a body that nobody wants",
        b"POST /nowhere HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n\
          GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        Closed(&[Explains(404)]),
    ),
    Case(
        "a body too long",
        b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9999999\r\n\r\n",
        Refused(413),
    ),
    Case(
        "in HTTP/1.0, where it says nothing",
        b"POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
        Closed(&[Says("hello")]),
    ),
    Case("another", b"GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", Refused(417)),
    Case(
        "another with a body",
        b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nContent-Length: 5\r\n\r\nhello",
        Refused(417),
    ),
    Case(
        "a known one and another",
        b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue, tea\r\n\
          Content-Length: 5\r\n\r\nhello",
        Refused(417),
    ),
    Case(
        "another and a known one",
        b"POST / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\
          Expect: 100-continue\r\nContent-Length: 1\r\n\r\n",
        Refused(417),
    ),
];

/// RFC 9112 9.3 and 9.6.
const PERSISTENCE: &[Case] = &[
    Case(
        "two at once",
        b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\nGET /echo HTTP/1.1\r\nHost: b\r\n\r\n",
        Open(&[Says("Host: a\n"), Says("Host: b\n")]),
    ),
    Case(
        "the last says so",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        Closed(&[Says("")]),
    ),
    Case(
        "among other options",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: x,\tCLOSE , keep-alive\r\n\r\n",
        Closed(&[Says("")]),
    ),
    Case(
        "in a second field",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n",
        Closed(&[Says("")]),
    ),
    Case("almost", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n", Open(&[Says("")])),
    Case(
        "behind a body",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi\
          GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        Closed(&[Says("hi")]),
    ),
    Case(
        "HTTP/1.0",
        b"GET / HTTP/1.0\r\nHost: a\r\n\r\nGET / HTTP/1.0\r\nHost: a\r\n\r\n",
        Closed(&[Says("")]),
    ),
    Case(
        "HTTP/1.0 that goes on",
        b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        Open(&[Says(""), Says("")]),
    ),
    Case(
        "HTTP/1.0 that does not",
        b"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n",
        Closed(&[Says("")]),
    ),
    Case("half a request", b"GET / HTTP/1.1\r\nHost: a\r\n", Unfinished(&[])),
    Case("half a line, wrong as it is", b"GET / HTTP/1.1\r\nX Y", Unfinished(&[])),
    Case(
        "one and a half",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHo",
        Unfinished(&[Says("")]),
    ),
    Case(
        "one and something else",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\nhello\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        Closed(&[Says(""), Explains(400)]),
    ),
];

/// The tables of this file.
pub(crate) fn tables() -> Vec<Table> {
    vec![
        Table::new("first line", FIRST_LINE),
        Table::new("methods", METHODS),
        Table::new("HEAD", HEAD),
        Table::new("Host", HOST),
        Table::new("absolute form", ABSOLUTE),
        Table::new("targets", TARGETS),
        Table::new("fields", FIELDS),
        Table::new("expectations", EXPECTATIONS),
        Table::new("persistence", PERSISTENCE),
        every_byte("bytes of a method", b"G", b"T / HTTP/1.1\r\nHost: a\r\n\r\n", method),
        every_byte("bytes of a target", b"GET /", b" HTTP/1.1\r\nHost: a\r\n\r\n", target),
        every_byte("bytes of a host", b"GET / HTTP/1.1\r\nHost: a", b"a\r\n\r\n", host),
        every_byte("bytes of a name", b"GET / HTTP/1.1\r\nHost: a\r\nX", b"Y: b\r\n\r\n", name),
        every_byte("bytes of a value", b"GET / HTTP/1.1\r\nHost: a\r\nX: b", b"c\r\n\r\n", value),
    ]
}

/// A request for each byte there is, with that byte in one place.
fn every_byte(
    name: &'static str,
    before: &[u8],
    after: &[u8],
    expected: fn(u8) -> Expected,
) -> Table {
    let case = |byte| {
        let sent = [before, &[byte], after].concat();
        Case(format!("{byte:#04x}").leak(), sent.leak(), expected(byte))
    };
    Table { name, limits: usual(), cases: (0..=u8::MAX).map(case).collect() }
}

/// RFC 9110 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn method(byte: u8) -> Expected {
    match byte {
        b'E' => Open(&[Says("")]),
        _ if is_token(byte) => Open(&[Explains(501)]),
        _ => Refused(400),
    }
}

/// What browsers send unescaped is taken; `"`, `<`, `>`, `\` and everything beyond ASCII is not.
fn target(byte: u8) -> Expected {
    match byte {
        b'?' => Open(&[Says("")]),
        b'"' | b'#' | b'%' | b'<' | b'>' | b'\\' => Refused(400),
        b'!'..=b'~' => Open(&[Explains(404)]),
        _ => Refused(400),
    }
}

/// RFC 3986 3.2.2: `unreserved` and `sub-delims` but the comma; a colon would begin a port.
fn host(byte: u8) -> Expected {
    let is_host = byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=".contains(&byte);
    if is_host { Open(&[Says("")]) } else { Refused(400) }
}

fn name(byte: u8) -> Expected {
    if is_token(byte) || byte == b':' { Open(&[Says("")]) } else { Refused(400) }
}

fn value(byte: u8) -> Expected {
    let is_value = matches!(byte, b'\t' | b' '..=b'~' | 0x80..);
    if is_value { Open(&[Says("")]) } else { Refused(400) }
}

#[test]
fn the_first_line_is_a_method_a_target_and_a_version() {
    check("first line", FIRST_LINE);
}

#[test]
fn methods_are_known_allowed_or_not() {
    check("methods", METHODS);
}

#[test]
fn an_answer_to_head_has_no_body() {
    check("HEAD", HEAD);
}

#[test]
fn one_host_is_named_and_is_one() {
    check("Host", HOST);
}

#[test]
fn a_target_may_be_a_whole_address() {
    check("absolute form", ABSOLUTE);
}

#[test]
fn a_target_is_read_in_one_way() {
    check("targets", TARGETS);
}

#[test]
fn fields_stand_on_lines_of_their_own() {
    check("fields", FIELDS);
}

#[test]
fn nothing_but_100_continue_is_expected() {
    check("expectations", EXPECTATIONS);
}

#[test]
fn connections_persist_unless_somebody_says_no() {
    check("persistence", PERSISTENCE);
}

#[test]
fn every_byte_is_right_or_wrong_in_every_place() {
    tables().iter().filter(|table| table.name.starts_with("bytes")).for_each(Table::check);
}

/// RFC 9110 9.3.7 and 15.5.6.
#[test]
fn who_asks_for_too_much_is_told_what_there_is() {
    let table = Table::new("allowed methods", &[]);
    for line in ["DELETE /", "OPTIONS /", "OPTIONS *", "TRACE /echo"] {
        let request = format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n");
        let played = table.play([request.as_bytes()]);
        let (response, _) = take(&played.sent, false).expect(line);
        assert_eq!(response.field("allow"), Some("GET, HEAD, POST, OPTIONS"), "{line}");
    }
    let played = table.play([&b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n"[..]]);
    let (response, _) = take(&played.sent, false).expect("501");
    assert_eq!(response.field("allow"), None);
}

/// RFC 9110 9.3.2: the fields are those of `GET`.
#[test]
fn head_says_of_a_body_what_get_says() {
    let table = Table::new("HEAD beside GET", &[]);
    for target in ["/", "/echo", "/nowhere"] {
        let [head, get] = ["HEAD", "GET"].map(|method| {
            let request = format!("{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n");
            table.play([request.as_bytes()]).sent
        });
        let end = get.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head") + 4;
        assert_eq!(head.escape_ascii().to_string(), get[..end].escape_ascii().to_string());
    }
}

/// Not even where the request is refused, or cut off.
#[test]
fn half_a_head_request_is_refused_without_a_body() {
    let table = Table::new("half a HEAD", &[]);
    let played = table.play([&b"HEAD / HTTP/1.1\r\nHost: a\r\n"[..]]);
    let (response, rest) = take(&played.sent_at_end, true).expect("a response");
    assert_eq!((response.status, rest.len()), (400, 0));
}

/// A client of HTTP/1.0 that wants to go on is told that it may, one of HTTP/1.1 need not be.
#[test]
fn what_becomes_of_the_connection_is_said_once() {
    let table = Table::new("Connection", &[]);
    let says = |request: &[u8], what: Option<&str>| {
        let played = table.play([request]);
        let (response, _) = take(&played.sent, false).expect("a response");
        assert_eq!(response.field("connection"), what, "{}", request.escape_ascii());
    };
    says(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", Some("keep-alive"));
    says(b"GET / HTTP/1.0\r\n\r\n", Some("close"));
    says(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", None);
    says(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", Some("close"));
}
