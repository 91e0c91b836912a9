//! Requests by chance: good ones are understood as they were meant, however many come at once, and
//! broken ones do no harm; and neither depends on how their bytes are cut.

use fsm_runtime::OperationError;
use fsm_tests::seeded::Seeded;
use http::{Method, StatusCode};
use proptest::prelude::*;
use servers::http::{Absorbed, Absorption, Answer, Exchange, Handler, Refusal, Request};

use crate::case::{Played, play, take, usual};
use crate::cuts::{pieces, some_positions};

/// Ways of cutting that each conversation is tried in.
const CUTTINGS: usize = 4;

/// Answers with everything it has understood of a request.
#[derive(Debug, Clone, Copy)]
struct Mirror;

impl Handler for Mirror {
    const METHODS: &'static [Method] = &[Method::GET, Method::POST, Method::PUT, Method::OPTIONS];
    type Shared = ();
    type Reply = Result<(), OperationError>;
    type Upload = Vec<u8>;
    type Body = ();

    fn answer(
        &mut self,
        request: &Request<'_>,
        exchange: Exchange<'_, '_, Self>,
    ) -> Result<Answer<Self>, Refusal> {
        Ok(exchange.respond(StatusCode::OK, &[], &seen(request)))
    }

    fn receive(&mut self, request: &Request<'_>, (): &mut ()) -> Result<Option<Vec<u8>>, Refusal> {
        Ok(Some(seen(request)))
    }

    fn absorb(
        &mut self,
        upload: &mut Vec<u8>,
        piece: &[u8],
        absorption: Absorption<'_, '_, Self>,
    ) -> Result<Absorbed, Refusal> {
        upload.extend_from_slice(piece);
        Ok(absorption.done())
    }

    fn received(
        &mut self,
        upload: Vec<u8>,
        exchange: Exchange<'_, '_, Self>,
    ) -> Result<Answer<Self>, Refusal> {
        Ok(exchange.respond(StatusCode::OK, &[], &upload))
    }
}

/// A request as its handler sees it, a part a line.
fn seen(request: &Request<'_>) -> Vec<u8> {
    let query = request.query().map(|query| format!("?{query}")).unwrap_or_default();
    let (method, path, host) = (request.method(), request.path(), request.host());
    let mut text = format!("{method} {path}{query} of {host}\n").into_bytes();
    for (name, value) in request.fields().filter(|(name, _)| name.starts_with("x-")) {
        line(&mut text, name, value);
    }
    text
}

fn line(text: &mut Vec<u8>, name: &str, value: &[u8]) {
    text.extend_from_slice(name.as_bytes());
    text.push(b'=');
    text.extend_from_slice(value);
    text.push(b'\n');
}

/// A request, and what its handler should see of it.
#[derive(Debug, Clone)]
struct Meant {
    sent: Vec<u8>,
    seen: Vec<u8>,
}

/// The first line: what is sent, what is seen of it, and the `Host` to go with it.
fn first_line() -> impl Strategy<Value = (String, String, String)> {
    let method = prop::sample::select(vec!["GET", "POST", "PUT", "OPTIONS"]);
    let path =
        "(/([a-zA-Z0-9._~!$&'()*+,;=:@|^{}-]|%[2-7][0-9a-eA-E]|%[cC][3-9]%[89aAbB]0){0,6}){1,3}";
    let query = prop::option::of("([a-zA-Z0-9/?=&|\\\\]|%[0-9a-fA-F]{2}){0,8}");
    let host = "([a-z0-9.-]{1,12}|\\[::[0-9a-f]{1,4}\\])(:[0-9]{0,4})?";
    let scheme = prop::option::of((prop::sample::select(vec!["http", "HTTPS"]), host));
    (method, path, query, host, scheme).prop_map(|(method, path, query, host, scheme)| {
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        let (address, of) = match scheme {
            Some((scheme, other)) => (format!("{scheme}://{other}"), other),
            None => (String::new(), host.clone()),
        };
        let sent = format!("{method} {address}{path}{query} HTTP/1.1\r\n");
        (sent, format!("{method} {path}{query} of {of}\n"), host)
    })
}

/// Fields that frame nothing: what is sent, and what is seen.
fn fields() -> impl Strategy<Value = Vec<(Vec<u8>, Vec<u8>)>> {
    let byte = prop_oneof![8 => 0x21..=0x7E_u8, 1 => Just(b' '), 1 => 0x80..=0xFF_u8];
    let value = prop::collection::vec(byte, 0..12);
    let field = ("x-[a-zA-Z0-9!#$%&'*+.^_`|~-]{0,8}", "[ \t]{0,2}", value, "[ \t]{0,2}");
    let field = field.prop_map(|(name, before, value, behind)| {
        let value = value.trim_ascii();
        let sent = [name.as_bytes(), b":", before.as_bytes(), value, behind.as_bytes(), b"\r\n"];
        let mut seen = Vec::new();
        line(&mut seen, &name, value);
        (sent.concat(), seen)
    });
    prop::collection::vec(field, 0..5)
}

/// The field that frames a body, what is sent of it, and what it means.
type Body = (String, Vec<u8>, Vec<u8>);

fn body() -> impl Strategy<Value = Body> {
    let bytes = || prop::collection::vec(any::<u8>(), 1..40);
    let counted =
        bytes().prop_map(|body| (format!("Content-Length:{}\r\n", body.len()), body.clone(), body));
    let none = prop::sample::select(vec!["", "content-length: 0\r\n"]);
    let none = none.prop_map(|field| (field.to_owned(), vec![], vec![]));
    let extension =
        "([ \t]?;[ \t]?[a-z!]{1,5}([ ]?=[ ]?([a-z0-9]{1,4}|\"([a-z ;]|\\\\\"){0,5}\"))?){0,2}";
    let chunk = (bytes(), 0..4_usize, any::<bool>(), extension);
    let trailers = "(x-[a-z]{0,4}:[ ]?[a-z]{0,5}\r\n){0,3}";
    let chunked = (prop::collection::vec(chunk, 0..4), extension, trailers);
    let chunked = chunked.prop_map(|(chunks, extension, trailers)| {
        let (mut sent, mut meant) = (Vec::new(), Vec::new());
        for (bytes, zeros, is_large, extension) in chunks {
            let digits = format!("{:x}", bytes.len());
            let digits = if is_large { digits.to_uppercase() } else { digits };
            sent.extend_from_slice(format!("{:0<zeros$}{digits}{extension}\r\n", "").as_bytes());
            sent.extend_from_slice(&bytes);
            sent.extend_from_slice(b"\r\n");
            meant.extend_from_slice(&bytes);
        }
        sent.extend_from_slice(format!("0{extension}\r\n{trailers}\r\n").as_bytes());
        ("tRANSFER-eNCODING: Chunked\r\n".to_owned(), sent, meant)
    });
    prop_oneof![1 => none, 2 => counted, 3 => chunked]
}

fn meant(body: impl Strategy<Value = Body>) -> impl Strategy<Value = Meant> {
    let place = any::<prop::sample::Index>;
    (first_line(), fields(), body, place(), place()).prop_map(
        |((first, first_seen, host), fields, (framing, body, meant), host_at, framing_at)| {
            let mut lines: Vec<_> = fields.iter().map(|(sent, _)| sent.clone()).collect();
            lines.insert(host_at.index(lines.len() + 1), format!("Host: {host}\r\n").into_bytes());
            lines.insert(framing_at.index(lines.len() + 1), framing.into_bytes());
            let sent = [first.as_bytes(), &lines.concat(), b"\r\n", &body].concat();
            let fields: Vec<_> = fields.into_iter().flat_map(|(_, seen)| seen).collect();
            Meant { sent, seen: [first_seen.as_bytes(), &fields, &meant].concat() }
        },
    )
}

/// Several requests at once.
fn several() -> impl Strategy<Value = Vec<Meant>> {
    prop::collection::vec(meant(body()), 1..4)
}

/// Several requests without bodies.
fn several_heads() -> impl Strategy<Value = Vec<Meant>> {
    prop::collection::vec(meant(Just(Body::default())), 1..3)
}

/// The grammar of a head that frames no body (RFC 9112 2 to 5), once more and in the plainest way.
fn is_head(text: &[u8]) -> bool {
    let is_token = |text: &[u8]| {
        let is_mark = |byte: &u8| b"!#$%&'*+-.^_`|~".contains(byte);
        !text.is_empty() && text.iter().all(|byte| byte.is_ascii_alphanumeric() || is_mark(byte))
    };
    let is_plain =
        |text: &[u8]| text.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..));
    let lines = split_on(text, b"\r\n");
    let words = split_on(lines[0], b" ");
    let [method, target, b"HTTP/1.1" | b"HTTP/1.0"] = words[..] else { return false };
    let mut hosts = 0;
    let is_field = |line: &&[u8]| {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return false };
        let (name, value) = line.split_at(colon);
        hosts += usize::from(name.eq_ignore_ascii_case(b"host"));
        is_token(name) && is_plain(value)
    };
    let are_fields = lines[1..].iter().all(is_field);
    let is_target = !target.is_empty() && target.iter().all(u8::is_ascii_graphic);
    is_token(method) && is_target && !target.contains(&b'#') && are_fields && hosts == 1
}

/// The parts between marks.
fn split_on<'a>(mut rest: &'a [u8], mark: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    while let Some(at) = rest.windows(mark.len()).position(|bytes| bytes == mark) {
        parts.push(&rest[..at]);
        rest = &rest[at + mark.len()..];
    }
    parts.push(rest);
    parts
}

/// A change of some bytes.
#[derive(Debug, Clone)]
enum Change {
    Put(u8),
    Insert(u8),
    Remove(usize),
    Repeat(usize),
    Cut,
}

fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, Change)>> {
    let telling = b"\r\n\t :;,=\"%/?#0159afAFgx+-_\0\x0b\x7f\x80\xa0\xff".to_vec();
    let byte = || prop_oneof![4 => prop::sample::select(telling.clone()), 1 => any::<u8>()];
    let change = prop_oneof![
        4 => byte().prop_map(Change::Put),
        4 => byte().prop_map(Change::Insert),
        3 => (1..4_usize).prop_map(Change::Remove),
        2 => (1..40_usize).prop_map(Change::Repeat),
        1 => Just(Change::Cut),
    ];
    prop::collection::vec((any::<prop::sample::Index>(), change), 1..4)
}

fn change(bytes: &mut Vec<u8>, at: prop::sample::Index, change: &Change) {
    let at = at.index(bytes.len() + 1);
    let end = |count: usize| bytes.len().min(at + count);
    match *change {
        Change::Put(byte) => drop(bytes.splice(at..end(1), [byte])),
        Change::Insert(byte) => bytes.insert(at, byte),
        Change::Remove(count) => drop(bytes.drain(at..end(count))),
        Change::Repeat(count) => {
            let again = bytes[at..end(count)].to_vec();
            drop(bytes.splice(at..at, again));
        }
        Change::Cut => bytes.truncate(at),
    }
}

/// Plays a conversation whole and in pieces, which must come to the same.
fn play_cut(sent: &[u8], seed: u64) -> Result<Played, TestCaseError> {
    let limits = usual();
    let whole = play(Mirror, &limits, [sent]);
    prop_assert_eq!(&play(Mirror, &limits, sent.chunks(1)), &whole);
    let mut random = Seeded::new(seed);
    for _ in 0..CUTTINGS {
        let ends = some_positions(&mut random, sent.len());
        prop_assert_eq!(&play(Mirror, &limits, pieces(sent, &ends)), &whole, "cut at {:?}", ends);
    }
    Ok(whole)
}

/// A failure is printed, not kept in a file.
fn many() -> ProptestConfig {
    ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(many())]

    #[test]
    fn what_is_meant_is_understood(several in several(), seed: u64) {
        let sent: Vec<u8> = several.iter().flat_map(|meant| meant.sent.clone()).collect();
        let played = play_cut(&sent, seed)?;
        let mut rest = &played.sent[..];
        for meant in &several {
            let (response, left) = take(rest, false).map_err(TestCaseError::fail)?;
            prop_assert_eq!(response.status, 200);
            let (is, should) = (response.body.escape_ascii(), meant.seen.escape_ascii());
            prop_assert_eq!(is.to_string(), should.to_string());
            rest = left;
        }
        prop_assert_eq!((rest.len(), played.state, played.left), (0, "Idle", 0));
    }

    #[test]
    fn what_is_taken_is_right(several in several_heads(), changes in changes()) {
        let mut sent: Vec<u8> = several.iter().flat_map(|meant| meant.sent.clone()).collect();
        for (at, how) in changes.iter().take(2) {
            change(&mut sent, *at, how);
        }
        let played = play(Mirror, &usual(), [&sent[..]]);
        if let Some(heads) = sent.strip_suffix(b"\r\n\r\n") && played.state == "Idle" {
            prop_assert_eq!(played.left, 0);
            for head in split_on(heads, b"\r\n\r\n") {
                prop_assert!(is_head(head), "`{}` is taken for a head", head.escape_ascii());
            }
        }
    }

    #[test]
    fn what_is_broken_does_no_harm(several in several(), changes in changes(), seed: u64) {
        let mut sent: Vec<u8> = several.iter().flat_map(|meant| meant.sent.clone()).collect();
        for (at, how) in &changes {
            change(&mut sent, *at, how);
        }
        let played = play_cut(&sent, seed)?;
        // Whatever it is, each answer can be told from the next, and a refusal is the last one.
        let sent = [&played.sent[..], &played.sent_at_end].concat();
        let mut rest = &sent[..];
        while !rest.is_empty() {
            rest = rest.strip_prefix(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(rest);
            let (response, left) = take(rest, false).map_err(TestCaseError::fail)?;
            prop_assert!(left.is_empty() || !response.closes(), "more behind the last");
            prop_assert!(response.status < 500 || matches!(response.status, 501 | 505));
            rest = left;
        }
        prop_assert_eq!(played.state_at_end, "Closed");
    }
}
