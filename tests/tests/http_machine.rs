//! The HTTP machine without sockets, event by event: keep-alive and its end, the order of answers,
//! bodies and what slows them down, ways of answering, streams, deadlines, draining, half-close.
//! How single requests are read is judged elsewhere.

use std::sync::Arc;
use std::time::Duration;

use fsm_runtime::DeadlineKind::{OfPartial, SinceEntry, WithoutBytes, WithoutProgress};
use fsm_runtime::table::Interest;
use fsm_runtime::testing::Driver;
use fsm_tests::http_echo::HttpEcho;
use fsm_tests::http_odd::{Odd, World};
use fsm_tests::response::Response;
use servers::http::{Client, Http, Limits, Shared};

type Echo = Driver<Http<HttpEcho>>;
type Planned = Driver<Http<Odd>>;

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The bytes of a body that a handler is given at once, at least.
const PIECE: usize = 4096;

/// What of a body the table waits for at a time.
const SLOW_BODY: fsm_runtime::DeadlineKind = WithoutBytes { bytes: 4096 };

/// The rounds after which a test gives up: more than any plan has steps.
const PATIENCE: usize = 50;

fn echo_with(limits: Limits) -> Echo {
    Driver::with_shared(Client::new(HttpEcho, &Arc::new(limits)), Shared::new(Vec::new()))
}

fn echo() -> Echo {
    echo_with(Limits::default())
}

/// A machine whose handler is given a request by each of the tests.
fn planned() -> Planned {
    let client = Client::new(Odd::default(), &Limits::default().into());
    Driver::with_shared(client, Shared::new(World::default()))
}

/// A request of HTTP/1.1 without a body.
fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")
}

/// The head of a request with a body.
fn post(path: &str, fields: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: h\r\n{fields}\r\n")
}

/// The responses that were sent since the last look, all of them whole.
#[track_caller]
fn responses(sent: &[u8]) -> Vec<Response> {
    Response::all(sent, false)
}

/// The one response that was sent since the last look.
#[track_caller]
fn response(sent: &[u8]) -> Response {
    let mut all = responses(sent);
    assert_eq!(all.len(), 1, "one response: {}", sent.escape_ascii());
    all.remove(0)
}

#[track_caller]
fn bodies(sent: &[u8]) -> Vec<String> {
    responses(sent).iter().map(|response| response.text().to_owned()).collect()
}

/// Sends bytes, and expects one response that says that the connection closes, and its end.
#[track_caller]
fn closes(driver: &mut Echo, input: &str) -> Response {
    driver.input(input.as_bytes());
    let response = response(&driver.sent());
    assert!(response.closes(), "{input:?} got {response:?}");
    assert_eq!(driver.state(), "Closed");
    driver.input(GET.as_bytes());
    driver.end_of_input();
    assert_eq!(driver.sent_text(), "", "nothing is answered behind the end");
    response
}

/// Runs a plan without a body from its request on, doing jobs and sending pieces until nothing is
/// left to do.
fn run(path: &str) -> Planned {
    let mut driver = planned();
    driver.input(get(path).as_bytes());
    settle(&mut driver);
    driver
}

#[track_caller]
fn settle(driver: &mut Planned) {
    for _ in 0..PATIENCE {
        let is_over = driver.run_jobs() == 0 && driver.shared().handler.tickets.is_empty();
        for ticket in std::mem::take(&mut driver.shared().handler.tickets) {
            ticket.answer(Ok(9));
        }
        driver.answers();
        let waits = driver.operations() > 0 || driver.state() != "Streaming";
        if !waits {
            driver.drained();
        } else if is_over {
            return;
        }
    }
    panic!("it never comes to an end");
}

/// Everything that is sent until a stream is over.
#[track_caller]
fn stream(driver: &mut Echo) -> Vec<u8> {
    let mut sent = driver.sent();
    for _ in 0..PATIENCE {
        if driver.state() != "Streaming" {
            return sent;
        }
        driver.drained();
        sent.append(&mut driver.sent());
    }
    panic!("the stream never comes to an end");
}

#[test]
fn a_connection_goes_on_for_as_long_as_the_client_wants() {
    let mut driver = echo();
    for _ in 0..3 {
        driver.input(GET.as_bytes());
        let response = response(&driver.sent());
        assert_eq!((response.status, response.field("connection")), (200, None));
    }
    closes(&mut driver, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    closes(&mut echo(), "GET / HTTP/1.1\r\nHost: h\r\nConnection: Keep-Alive, CLOSE\r\n\r\n");
}

#[test]
fn a_client_of_http_1_0_goes_on_where_it_asks_for_it() {
    closes(&mut echo(), "GET / HTTP/1.0\r\n\r\n");
    closes(&mut echo(), "GET / HTTP/1.0\r\nConnection: close, keep-alive\r\n\r\n");
    let mut driver = echo();
    for _ in 0..3 {
        driver.input(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        assert_eq!(response(&driver.sent()).field("connection"), Some("keep-alive"));
        assert_eq!(driver.state(), "Idle");
    }
}

#[test]
fn so_many_requests_are_answered_and_the_last_answer_says_so() {
    let mut driver = echo_with(Limits { max_requests: 3, ..Limits::default() });
    driver.input(GET.repeat(5).as_bytes());
    let all = responses(&driver.sent());
    assert_eq!(all.iter().map(Response::closes).collect::<Vec<_>>(), [false, false, true]);
    assert_eq!(driver.state(), "Closed");
    let mut one = echo_with(Limits { max_requests: 1, ..Limits::default() });
    closes(&mut one, GET);
}

#[test]
fn requests_sent_at_once_are_answered_in_order() {
    let mut driver = echo();
    let asked: String = (0..50).map(|number| get(&format!("/missing/{number}"))).collect();
    driver.input((get("/echo") + &asked + GET).as_bytes());
    let all = responses(&driver.sent());
    assert_eq!(all.len(), 52);
    assert_eq!((all[0].text(), all[51].text()), ("Host: h\n", ""));
    assert!(all[1..51].iter().all(|response| response.status == 404));
}

#[test]
fn what_follows_an_answer_that_is_waited_for_waits_as_well() {
    let mut driver = echo();
    driver.input((get("/later?0") + &get("/echo")).as_bytes());
    assert_eq!((driver.state(), driver.sent_text().as_str()), ("Working", ""));
    assert_eq!(driver.undelivered(), get("/echo").as_bytes());
    assert!(!driver.interest().has(Interest::INPUT), "a state that waits does not read");
    driver.run_jobs();
    assert_eq!(bodies(&driver.sent()), ["0\n", "Host: h\n"]);
    assert_eq!(driver.state(), "Idle");
}

#[test]
fn what_follows_a_stream_is_answered_behind_its_last_piece() {
    let mut driver = echo();
    driver.input((get("/chunks?70000") + &get("/echo")).as_bytes());
    assert_eq!(driver.state(), "Streaming");
    assert!(!driver.interest().has(Interest::INPUT), "a state that streams does not read");
    let all = responses(&stream(&mut driver));
    assert_eq!((all[0].body.len(), all[1].text()), (70_000, "Host: h\n"));
    assert_eq!(all.len(), 2);
}

#[test]
fn what_follows_a_refusal_is_not_answered() {
    let refused = closes(&mut echo(), &format!("GET / HTTP/1.1\r\n\r\n{GET}"));
    assert_eq!(refused.status, 400);
    let body = post("/", "Content-Length: 2000000\r\n") + GET;
    assert_eq!(closes(&mut echo(), &body).status, 413);
}

#[test]
fn a_request_that_is_answered_without_its_body_being_wanted_leaves_nothing_of_it_behind() {
    let mut driver = echo();
    let smuggled = get("/echo");
    let head = post("/cookie", &format!("Content-Length: {}\r\nCookie: a=1\r\n", smuggled.len()));
    driver.input((head + &smuggled[..5]).as_bytes());
    assert_eq!((driver.state(), driver.sent_text().as_str()), ("Receiving", ""));
    driver.input((smuggled[5..].to_owned() + GET).as_bytes());
    assert_eq!(bodies(&driver.sent()), ["a=1\n", ""]);
    let chunked = post("/cookie", "Transfer-Encoding: chunked\r\nCookie: b=2\r\n");
    driver.input((chunked + "3\r\nabc\r\n0\r\n\r\n" + GET).as_bytes());
    assert_eq!(bodies(&driver.sent()), ["b=2\n", ""]);
}

#[test]
fn a_body_is_waited_for_whatever_the_answer_to_an_unknown_method_or_path() {
    for (head, status) in [("PUT /", 405), ("BREW /", 501), ("OPTIONS *", 204), ("POST /no", 404)] {
        let mut driver = echo();
        let head = format!("{head} HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n");
        driver.input((head + "ab").as_bytes());
        assert_eq!((driver.state(), driver.sent_text().as_str()), ("Receiving", ""));
        driver.input(b"c");
        assert_eq!(response(&driver.sent()).status, status);
        assert_eq!(driver.state(), "Idle");
    }
}

#[test]
fn a_wanted_body_is_asked_for_and_the_answer_follows_it() {
    let mut driver = echo();
    let head = post("/", "Expect: 100-continue\r\nContent-Length: 3\r\n");
    driver.input(head.as_bytes());
    assert_eq!((driver.sent(), driver.state()), (CONTINUE.to_vec(), "Receiving"));
    driver.input(b"abc");
    assert_eq!(response(&driver.sent()).text(), "abc");
    assert_eq!(driver.state(), "Idle", "the connection goes on");
    driver.input((head + "abc" + GET).as_bytes());
    let sent = driver.sent();
    assert_eq!(bodies(sent.strip_prefix(CONTINUE).expect("asked for all the same")), ["abc", ""]);
}

#[test]
fn a_body_that_is_not_taken_is_not_asked_for() {
    let expect = "Expect: 100-continue\r\n";
    let long = post("/", &format!("{expect}Content-Length: 2000000\r\n"));
    assert_eq!(closes(&mut echo(), &long).status, 413);
    let unwanted = post("/cookie", &format!("{expect}Cookie: a=1\r\nContent-Length: 3\r\n"));
    assert_eq!(closes(&mut echo(), &unwanted).text(), "a=1\n");
    let other = post("/", "Expect: a miracle\r\nContent-Length: 3\r\n");
    assert_eq!(closes(&mut echo(), &other).status, 417);
    // An answer that is waited for, or streamed, closes as well.
    let mut driver = echo();
    driver.input(post("/later?0", &format!("{expect}Content-Length: 3\r\n")).as_bytes());
    assert_eq!(driver.state(), "Working");
    driver.run_jobs();
    assert!(response(&driver.sent()).closes());
    assert_eq!(driver.state(), "Closed");
}

#[test]
fn who_speaks_http_1_0_is_not_asked_for_a_body() {
    let mut driver = echo();
    driver.input(b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    assert_eq!(driver.sent_text(), "");
    driver.input(b"abc");
    assert_eq!(response(&driver.sent()).text(), "abc");
}

/// As much of a body as a handler is given at once, and the head before two of them.
fn piece_and_head(path: &str) -> (Vec<u8>, String) {
    (vec![b'x'; PIECE], post(path, &format!("Content-Length: {}\r\n", 2 * PIECE)))
}

#[test]
fn a_body_comes_piece_by_piece_and_small_ones_are_gathered() {
    let mut driver = planned();
    let (piece, head) = piece_and_head("/want/keep/keep/whole");
    driver.input(head.as_bytes());
    driver.input(&piece[..PIECE - 1]);
    assert_eq!(driver.shared().handler.calls, ["receive"]);
    driver.input(&piece[..1]);
    assert_eq!(driver.shared().handler.calls, ["receive", &format!("absorb {PIECE}")]);
    driver.input(&piece);
    assert_eq!(response(&driver.sent()).text(), "received 8192");
    let mut driver = planned();
    driver.input((post("/want/keep/whole", "Content-Length: 3\r\n") + "ab").as_bytes());
    driver.input(b"c");
    assert_eq!(response(&driver.sent()).text(), "received 3", "the end is taken as it is");
}

#[test]
fn nothing_is_read_while_a_piece_is_put_away() {
    let mut driver = planned();
    let (piece, head) = piece_and_head("/want/ticket/keep/job/keep/whole");
    driver.input(head.as_bytes());
    driver.input(&piece);
    assert_eq!((driver.state(), driver.operations()), ("Absorbing", 1));
    assert!(!driver.interest().has(Interest::INPUT), "which slows the client down");
    driver.input(&piece);
    assert_eq!(driver.undelivered(), piece);
    let ticket = driver.shared().handler.tickets.pop().expect("one was given away");
    ticket.answer(Ok(1));
    driver.answers();
    assert_eq!((driver.state(), driver.undelivered()), ("Absorbing", &b""[..]));
    driver.run_jobs();
    assert_eq!(response(&driver.sent()).text(), "received 8192");
    let absorb = format!("absorb {PIECE}");
    let calls = ["receive", &absorb, "absorbed Ok(1)", &absorb, "absorbed Ok(7)", "received 8192"];
    assert_eq!(driver.shared().handler.calls, calls);
}

#[test]
fn a_piece_may_take_several_answers_to_put_away() {
    let mut driver = planned();
    driver.input(post("/want/job/job/ticket/keep/whole", "Content-Length: 3\r\n").as_bytes());
    driver.input(b"abc");
    settle(&mut driver);
    assert_eq!(response(&driver.sent()).text(), "received 3");
    assert_eq!(driver.state(), "Idle");
}

#[test]
fn a_handler_refuses_at_whatever_point_and_that_is_the_end() {
    for path in
        ["refuse", "want/refuse", "want/job/refuse", "want/keep/refuse", "want/keep/job/refuse"]
    {
        let mut driver = planned();
        driver.input((post(&format!("/{path}"), "Content-Length: 3\r\n") + "abc" + GET).as_bytes());
        settle(&mut driver);
        assert_refused(&mut driver, path);
    }
    for path in ["refuse", "regret", "job/refuse", "job/regret", "ticket/job/refuse"] {
        assert_refused(&mut run(&format!("/{path}")), path);
    }
    let mut driver = planned();
    let expects = post("/refuse", "Content-Length: 3\r\nExpect: 100-continue\r\n");
    driver.input(expects.as_bytes());
    assert_refused(&mut driver, "instead of 100");
}

#[track_caller]
fn assert_refused(driver: &mut Planned, path: &str) {
    let refusal = response(&driver.sent());
    assert_eq!((refusal.status, refusal.closes()), (418, true), "{path}: {refusal:?}");
    assert_eq!(driver.state(), "Closed", "{path}");
}

#[test]
fn answers_are_made_elsewhere_by_jobs_and_tickets_and_however_often() {
    for (path, body) in [
        ("/job/whole", "reply Ok(7)"),
        ("/ticket/whole", "reply Ok(9)"),
        ("/job/ticket/job/whole", "reply Ok(7)"),
        ("/panic/whole", "reply Err(Panicked)"),
        ("/drop/whole", "reply Err(Abandoned)"),
    ] {
        let mut driver = run(path);
        assert_eq!(response(&driver.sent()).text(), body, "{path}");
        assert_eq!((driver.state(), driver.operations()), ("Idle", 0), "{path}");
    }
    let mut driver = echo();
    driver.input(get("/never").as_bytes());
    driver.shared().handler.clear();
    driver.answers();
    assert_eq!(response(&driver.sent()).status, 500, "a ticket that is dropped is an answer too");
}

#[test]
fn a_full_pool_is_said_and_the_connection_goes_on() {
    let mut driver = echo();
    driver.pool_room(0);
    driver.input((get("/later?0") + GET).as_bytes());
    let all = responses(&driver.sent());
    assert_eq!((all[0].status, all[0].field("retry-after")), (503, Some("1")));
    assert_eq!((all[1].status, driver.state()), (200, "Idle"));
    driver.input((post("/absorb", "Content-Length: 3\r\n") + "abc").as_bytes());
    let refusal = response(&driver.sent());
    assert_eq!((refusal.status, refusal.closes()), (503, true), "the body has nowhere to go");
    let mut driver = echo();
    driver.input(get("/made?9").as_bytes());
    driver.pool_room(0);
    driver.drained();
    assert_eq!(driver.state(), "Gone", "the response has begun");
}

#[test]
fn a_stream_is_framed_as_the_client_can_read_it() {
    let counted = run("/counted/more/more/end");
    assert_stream(counted, Some("6"), None, "abcabc", "Idle");
    let chunked = run("/chunked/more/job/more/end");
    assert_stream(chunked, None, Some("chunked"), "abcabc", "Idle");
    assert_stream(run("/chunked/end"), None, Some("chunked"), "", "Idle");
    assert_stream(run("/empty"), Some("0"), None, "", "Idle");
    let mut driver = echo();
    driver.input(get("/chunks?0").as_bytes());
    driver.drained();
    assert_eq!(bodies(&driver.sent()), [""], "no bytes are no chunk, which would be the last");
    assert_stream(run("/job/counted/more/ticket/more/end"), Some("6"), None, "abcabc", "Idle");
}

#[track_caller]
fn assert_stream(
    mut driver: Planned,
    length: Option<&str>,
    coding: Option<&str>,
    body: &str,
    state: &str,
) {
    let response = response(&driver.sent());
    assert_eq!(response.field("content-length"), length);
    assert_eq!(response.field("transfer-encoding"), coding);
    assert_eq!((response.text(), driver.state()), (body, state));
}

#[test]
fn who_speaks_http_1_0_is_sent_no_chunks_but_an_end() {
    for persists in ["", "Connection: keep-alive\r\n"] {
        let mut driver = planned();
        let head = format!("GET /chunked/more/more/end HTTP/1.0\r\n{persists}\r\n");
        driver.input((head + GET).as_bytes());
        settle(&mut driver);
        let all = Response::all(&driver.sent(), true);
        assert_eq!((all[0].text(), all[0].closes(), all.len()), ("abcabc", true, 1));
        assert_eq!(all[0].field("transfer-encoding"), None);
        assert_eq!(driver.state(), "Closed");
    }
    let mut driver = planned();
    let head = "GET /counted/more/more/end HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    driver.input(head.as_bytes());
    settle(&mut driver);
    assert_eq!(response(&driver.sent()).text(), "abcabc");
    assert_eq!(driver.state(), "Idle", "a body with a length needs no end");
}

#[test]
fn a_response_to_head_is_its_head() {
    for (path, length, coding) in [
        ("/whole", Some("6"), None),
        ("/counted/more", Some("6"), None),
        ("/chunked/more", None, Some("chunked")),
        ("/job/whole", Some("11"), None),
        ("/job/counted/more", Some("6"), None),
    ] {
        let mut driver = planned();
        driver.input(format!("HEAD {path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes());
        settle(&mut driver);
        let sent = driver.sent();
        let read = Response::read(&sent, true, false).expect("a response");
        let (response, rest) = read.expect("it is whole");
        assert_eq!(rest, b"", "{path}: no body");
        assert_eq!(response.field("content-length"), length, "{path}");
        assert_eq!(response.field("transfer-encoding"), coding, "{path}");
        assert_eq!(driver.state(), "Idle", "{path}");
    }
    let mut driver = echo();
    driver.input(b"HEAD /missing HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(driver.sent_text().ends_with("\r\n\r\n"), "not of an error either");
    driver.input(b"HEAD / HTTP/1.1\r\nHost : h\r\n\r\n");
    assert!(driver.sent_text().ends_with("\r\n\r\n"), "not of a refusal either");
}

#[test]
fn a_status_without_a_body_has_none_and_no_length() {
    let mut driver = run("/bare");
    let sent = driver.sent();
    let response = response(&sent);
    assert_eq!((response.status, response.field("content-length")), (204, None));
    assert!(sent.ends_with(b"\r\n\r\n"));
}

#[test]
fn a_body_that_is_not_as_it_was_promised_resets_the_connection() {
    for path in [
        "/counted/more/end",
        "/counted/over",
        "/counted/more/job/over",
        "/counted/end",
        "/counted/break",
        "/chunked/more/break",
        "/chunked/job/break",
        "/chunked/panic/break",
        "/chunked/drop/break",
    ] {
        let mut driver = run(path);
        assert_eq!(driver.state(), "Gone", "{path}");
        let sent = driver.sent();
        assert_eq!(Response::read(&sent, false, false), Ok(None), "{path} looks whole");
        driver.input(GET.as_bytes());
        driver.end_of_input();
        assert_eq!(driver.sent_text(), "", "{path}");
    }
    let mut driver = echo();
    driver.input(get("/short?8").as_bytes());
    driver.drained();
    assert_eq!(driver.state(), "Gone");
}

#[test]
fn a_stream_waits_for_the_kernel_before_each_piece() {
    let mut driver = planned();
    driver.input(get("/chunked/more/job/more/end").as_bytes());
    assert!(driver.interest().has(Interest::DRAINED));
    assert_eq!(driver.shared().handler.calls, ["answer"], "the head goes first");
    driver.drained();
    driver.drained();
    assert_eq!(driver.shared().handler.calls, ["answer", "next_piece", "next_piece"]);
    assert_eq!(driver.operations(), 1);
    driver.run_jobs();
    driver.drained();
    let calls = ["answer", "next_piece", "next_piece", "piece Ok(7)", "next_piece"];
    assert_eq!(driver.shared().handler.calls, calls);
    assert_eq!(driver.state(), "Idle");
}

#[test]
fn a_silent_client_is_let_go_without_a_word() {
    let mut driver = echo();
    driver.deadline(WithoutProgress);
    assert_eq!((driver.state(), driver.sent_text().as_str()), ("Closed", ""));
    let mut driver = echo();
    driver.input(GET.as_bytes());
    driver.sent();
    driver.deadline(WithoutProgress);
    assert_eq!((driver.state(), driver.sent_text().as_str()), ("Closed", ""));
}

#[test]
fn a_request_that_does_not_come_is_answered_408() {
    let mut driver = echo();
    driver.input(b"GET / HTTP/1.1\r\nHo");
    driver.deadline(OfPartial);
    assert_too_slow(&mut driver);
    for head in [
        post("/", "Content-Length: 6\r\n"),
        post("/cookie", "Content-Length: 6\r\n"),
        post("/", "Transfer-Encoding: chunked\r\n"),
    ] {
        let mut driver = echo();
        driver.input(head.as_bytes());
        driver.deadline(SLOW_BODY);
        assert_too_slow(&mut driver);
    }
}

#[track_caller]
fn assert_too_slow(driver: &mut Echo) {
    let refusal = response(&driver.sent());
    assert_eq!((refusal.status, refusal.closes(), driver.state()), (408, true, "Closed"));
    driver.input(b"st: h\r\n\r\n");
    assert_eq!(driver.sent_text(), "");
}

#[test]
fn an_answer_that_does_not_come_is_503_and_the_connection_goes_on_as_it_would_have() {
    let mut driver = echo();
    driver.input((get("/never") + GET).as_bytes());
    driver.deadline(SinceEntry);
    let all = responses(&driver.sent());
    assert_eq!((all[0].status, all[0].field("retry-after")), (503, Some("1")));
    assert_eq!((all[1].status, driver.state()), (200, "Idle"));
    // What it is used for afterwards is nobody's any more.
    let ticket = driver.shared().handler.pop().expect("it was given away");
    ticket.answer(Ok(1));
    driver.answers();
    assert_eq!(driver.sent_text(), "");

    let mut driver = echo();
    driver.input(b"GET /never HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    driver.deadline(SinceEntry);
    assert!(response(&driver.sent()).closes());
    assert_eq!(driver.state(), "Closed");
}

#[test]
fn a_job_for_an_answer_that_came_too_late_is_not_begun() {
    let mut driver = echo();
    driver.input(get("/later?0").as_bytes());
    driver.deadline(SinceEntry);
    assert_eq!(response(&driver.sent()).status, 503);
    assert_eq!(driver.run_jobs(), 0, "it was cancelled");
    assert_eq!(driver.sent_text(), "");
}

#[test]
fn a_piece_that_is_never_put_away_is_503_and_the_end() {
    let mut driver = planned();
    let (piece, head) = piece_and_head("/want/ticket");
    driver.input(head.as_bytes());
    driver.input(&piece);
    driver.deadline(SinceEntry);
    let refusal = response(&driver.sent());
    assert_eq!((refusal.status, refusal.closes(), driver.state()), (503, true, "Closed"));
}

#[test]
fn a_stream_that_the_client_does_not_take_is_reset() {
    let mut driver = echo();
    driver.input(get("/counted?100000").as_bytes());
    driver.drained();
    driver.sent();
    driver.deadline(WithoutProgress);
    assert_eq!((driver.state(), driver.sent_text().as_str()), ("Gone", ""));
    driver.drained();
    assert_eq!(driver.sent_text(), "");
}

#[test]
fn each_state_keeps_the_times_that_were_chosen() {
    let second = Duration::from_secs;
    let mut driver = echo_with(Limits {
        idle: second(1),
        head_time: second(2),
        min_body_rate: 1024,
        answer_time: second(3),
        stall: second(5),
        ..Limits::default()
    });
    let times = |driver: &Echo| {
        let limits = driver.deadlines();
        (limits.of_partial, limits.since_entry, limits.without_progress)
    };
    assert_eq!(times(&driver), (Some(second(2)), None, Some(second(1))));
    driver.input(post("/absorb", "Content-Length: 3\r\n").as_bytes());
    assert_eq!(driver.deadlines().without_bytes, Some((second(4), 4096)));
    driver.input(b"abc");
    assert_eq!((driver.state(), driver.deadlines().since_entry), ("Absorbing", Some(second(3))));
    driver.run_jobs();
    driver.input(get("/never").as_bytes());
    assert_eq!((driver.state(), driver.deadlines().since_entry), ("Working", Some(second(3))));
    driver.deadline(SinceEntry);
    driver.input(get("/chunks?9").as_bytes());
    assert_eq!(times(&driver), (None, None, Some(second(5))));
}

#[test]
fn who_is_idle_when_the_server_stops_is_let_go_at_once() {
    let mut driver = echo();
    driver.input(GET.as_bytes());
    driver.sent();
    driver.shutdown();
    assert_eq!((driver.state(), driver.sent_text().as_str()), ("Closed", ""));
    let mut driver = echo();
    driver.input(b"GET / HTTP/1.1\r\n");
    driver.shutdown();
    assert_eq!(driver.state(), "Closed", "half a head is no request");
}

#[test]
fn who_is_busy_when_the_server_stops_is_answered_and_told_that_it_closes() {
    let mut driver = echo();
    driver.input((get("/later?0") + GET).as_bytes());
    driver.shutdown();
    assert_eq!(driver.state(), "Working");
    driver.run_jobs();
    assert!(response(&driver.sent()).closes());
    assert_eq!(driver.state(), "Closed", "and what follows is not answered");

    let mut driver = echo();
    driver.input(post("/", "Content-Length: 3\r\n").as_bytes());
    driver.shutdown();
    driver.input(b"abc");
    let last = response(&driver.sent());
    assert_eq!((last.text(), last.closes(), driver.state()), ("abc", true, "Closed"));

    let mut driver = echo();
    let (piece, head) = piece_and_head("/absorb");
    driver.input(head.as_bytes());
    driver.input(&piece);
    driver.shutdown();
    driver.input(&piece);
    assert_eq!(driver.run_jobs(), 2, "one for each piece");
    let last = response(&driver.sent());
    assert_eq!((last.text(), last.closes(), driver.state()), ("8192\n", true, "Closed"));

    let mut driver = echo();
    driver.input(get("/never").as_bytes());
    driver.shutdown();
    driver.deadline(SinceEntry);
    assert!(response(&driver.sent()).closes());
    assert_eq!(driver.state(), "Closed");
}

#[test]
fn a_stream_goes_on_to_its_end_when_the_server_stops() {
    let mut driver = echo();
    driver.input((get("/chunks?200000") + GET).as_bytes());
    driver.drained();
    let mut sent = driver.sent();
    driver.shutdown();
    sent.append(&mut stream(&mut driver));
    assert_eq!(response(&sent).body.len(), 200_000);
    assert_eq!(driver.state(), "Closed", "its head had been sent before anybody knew");

    let mut driver = echo();
    driver.input(post("/chunks?9", "Content-Length: 3\r\n").as_bytes());
    driver.shutdown();
    driver.input(b"abc");
    driver.drained();
    assert!(response(&driver.sent()).closes(), "this one was not");
    assert_eq!(driver.state(), "Closed");
}

#[test]
fn who_has_asked_and_sends_no_more_is_answered() {
    let mut driver = echo();
    driver.input(get("/echo").as_bytes());
    driver.end_of_input();
    assert_eq!(bodies(&driver.sent()), ["Host: h\n"]);
    assert_eq!(driver.state(), "Closed");

    let mut driver = echo();
    driver.input((get("/later?0") + &get("/echo")).as_bytes());
    driver.end_of_input();
    assert_eq!(driver.state(), "Working");
    driver.run_jobs();
    assert_eq!(bodies(&driver.sent()), ["0\n", "Host: h\n"]);
    assert_eq!(driver.state(), "Closed");

    let mut driver = planned();
    driver.input(get("/chunked/more/end").as_bytes());
    driver.end_of_input();
    assert_eq!(driver.state(), "Streaming", "somebody waits for the rest");
    settle(&mut driver);
    assert_eq!(bodies(&driver.sent()), ["abc"]);
    assert_eq!(driver.state(), "Closed");
}

#[test]
fn half_a_request_and_no_more_is_400() {
    let mut driver = echo();
    driver.input(&GET.as_bytes()[..20]);
    driver.end_of_input();
    let refusal = response(&driver.sent());
    assert_eq!((refusal.status, refusal.closes(), driver.state()), (400, true, "Closed"));
    for body in ["", "ab"] {
        let mut driver = echo();
        driver.input((post("/", "Content-Length: 3\r\n") + body).as_bytes());
        driver.end_of_input();
        let refusal = response(&driver.sent());
        assert_eq!((refusal.status, refusal.closes(), driver.state()), (400, true, "Closed"));
    }
    let mut driver = echo();
    driver.end_of_input();
    assert_eq!((driver.sent_text().as_str(), driver.state()), ("", "Closed"), "nothing was asked");
}

#[test]
fn the_date_follows_the_time_of_day_also_backwards() {
    let mut driver = echo();
    let mut date_at = |millis| {
        driver.time_of_day(Duration::from_millis(millis));
        driver.input(GET.as_bytes());
        response(&driver.sent()).field("date").expect("every response has one").to_owned()
    };
    assert_eq!(date_at(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    assert_eq!(date_at(784_111_777_000), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(date_at(784_111_777_999), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(date_at(784_111_778_000), "Sun, 06 Nov 1994 08:49:38 GMT");
    assert_eq!(date_at(784_111_777_000), "Sun, 06 Nov 1994 08:49:37 GMT", "it was set back");
}

#[test]
fn what_frames_a_message_is_not_the_handlers_to_say() {
    let driver = run("/framed");
    assert_own_framing(driver, Some("6"), None);
    assert_own_framing(run("/chunked/more/end"), None, Some("chunked"));
}

#[track_caller]
fn assert_own_framing(mut driver: Planned, length: Option<&str>, coding: Option<&str>) {
    let response = response(&driver.sent());
    assert_eq!(response.field("x-mine"), Some("1"));
    assert_eq!(response.field("content-length"), length);
    assert_eq!(response.field("transfer-encoding"), coding);
    assert_eq!(response.field("connection"), None);
    assert_ne!(response.field("date"), Some("yesterday"));
}
