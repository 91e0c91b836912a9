//! The HTTP server as its clients see it, over loopback: refusals that reach who is still sending,
//! slow clients that are let go, the end of the server, bounded memory, and the command line.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::Duration;

use fsm_tests::child::Served;
use fsm_tests::client::{Client, End};
use fsm_tests::clock::{Stopwatch, eventually};
use fsm_tests::response::{Response, Visitor};
use rustix::net::sockopt::set_socket_recv_buffer_size;

const HTTP_ECHO: &str = env!("CARGO_BIN_EXE_http_echo");

/// How much later than its limit something may happen on a busy machine.
const SLACK: Duration = Duration::from_secs(5);

/// What the server's memory may grow by for one client, whatever it sends or leaves unread: more
/// than the output that is held for it and than an allocator rounds up to, and far less than what
/// is sent here.
#[cfg(target_os = "linux")]
const GROWTH: usize = 1024 * 1024;

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

fn serve(arguments: &[&str]) -> Served {
    Served::start(HTTP_ECHO, &[&["--listen", "127.0.0.1:0"], arguments].concat())
}

/// A connection on which one answer has come, so that it is known to be served.
fn greeted(server: &Served) -> Client {
    asked(Client::connect(server.address()))
}

/// A connection on which one more answer has come, and nothing behind it.
fn asked(client: Client) -> Client {
    let mut visitor = Visitor::over(client);
    assert_eq!(visitor.ask(GET).status, 200);
    visitor.into_client()
}

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").into_bytes()
}

/// Everything up to the end of the stream, as responses.
#[track_caller]
fn rest(client: &mut Client) -> Vec<Response> {
    Response::all(&client.rest(), true)
}

#[test]
fn a_refusal_reaches_who_is_still_sending() {
    let server = serve(&[]);
    let fifty = 50 * 1024 * 1024;
    let announced = format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {fifty}\r\n\r\n");
    let chunked = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3200000\r\n";
    for head in [&announced, chunked] {
        let mut client = Client::connect(server.address());
        let mut sender = client.another();
        let head = head.to_owned();
        let sending = thread::spawn(move || {
            // Whole, before anything is read: the server takes all of it.
            sender.send(head.as_bytes());
            (0..50).for_each(|_| sender.send(&vec![b'x'; 1024 * 1024]));
        });
        sending.join().expect("nobody is cut off while sending");
        let all = rest(&mut client);
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].status, all[0].closes()), (413, true));
    }
}

/// What the server holds for itself, once it serves.
fn descriptors_without_clients(server: &Served) -> usize {
    let _client = greeted(server);
    server.descriptors() - 1
}

/// Waits until the server holds no more descriptors than it did, and tells how long that took.
fn until_gone(server: &Served, descriptors: usize) -> Duration {
    let watch = Stopwatch::start();
    eventually(SLACK, "they are let go", || server.descriptors() <= descriptors);
    watch.elapsed()
}

#[test]
fn who_is_slow_is_let_go_at_the_deadline_and_not_before() {
    let limit = Duration::from_millis(300);
    let post = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99\r\n\r\nab";
    for (flag, sent, status) in [
        ("--idle=300ms", &b""[..], None),
        ("--head-time=300ms", b"GET / HT", Some(408)),
        // 4096 bytes in 300 milliseconds.
        ("--min-body-rate=13654", post, Some(408)),
        ("--answer-time=300ms", b"GET /never HTTP/1.0\r\n\r\n", Some(503)),
    ] {
        let server = serve(&[flag, "--workers=1"]);
        let before = descriptors_without_clients(&server);
        let watch = Stopwatch::start();
        let mut clients: Vec<_> = (0..20).map(|_| Client::connect(server.address())).collect();
        clients.iter_mut().for_each(|client| client.send(sent));
        for client in &mut clients {
            let all = rest(client);
            assert_eq!(all.first().map(|response| response.status), status, "{flag}");
            assert!(all.iter().all(Response::closes));
        }
        let took = watch.elapsed();
        assert!(took >= limit && took < limit + SLACK, "{took:?} with {flag}");
        drop(clients);
        until_gone(&server, before);
    }
}

#[test]
fn who_takes_nothing_of_a_stream_is_reset() {
    let server = serve(&["--stall=300ms"]);
    let before = descriptors_without_clients(&server);
    for path in ["/counted?50000000", "/chunks?50000000", "/made?50000000"] {
        let mut client = greeted(&server);
        set_socket_recv_buffer_size(client.stream(), 16 * 1024).expect("a socket has buffers");
        client.send(&get(path));
        eventually(SLACK, "it is there", || server.descriptors() > before);
        let took = until_gone(&server, before);
        assert!(took > Duration::from_millis(100), "{took:?}");
        assert_eq!(client.end(), End::Reset, "{path}");
    }
}

#[test]
fn a_server_that_is_told_to_stop_keeps_its_promises() {
    for workers in ["--workers=1", "--workers=2"] {
        let server = serve(&[workers]);
        let mut idle: Vec<_> = (0..4).map(|_| greeted(&server)).collect();
        let mut busy: Vec<_> = (0..4).map(|_| greeted(&server)).collect();
        let mut streams: Vec<_> = (0..2).map(|_| greeted(&server)).collect();
        busy.iter_mut().for_each(|client| client.send(&get("/later?500")));
        streams.iter_mut().for_each(|client| client.send(&get("/chunks?30000000")));
        eventually(SLACK, "the streams begin", || streams.iter().all(Client::has_news));
        // What was sent before a signal is known to have arrived once this has been answered.
        thread::sleep(Duration::from_millis(100));
        server.signal(rustix::process::Signal::TERM);
        let watch = Stopwatch::start();
        assert!(idle.iter_mut().all(|client| client.end() == End::Finished));
        assert!(watch.elapsed() < Duration::from_millis(400), "the idle wait for nobody");
        for client in &mut busy {
            let last = rest(client);
            assert_eq!((last[0].text(), last[0].closes(), last.len()), ("500\n", true, 1));
        }
        for client in &mut streams {
            let last = rest(client);
            assert_eq!(last.len(), 1);
            assert!(last[0].body.len() == 30_000_000 && last[0].body.iter().all(|it| *it == b'.'));
        }
        drop((idle, busy, streams));
        let ended = server.wait();
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_stream_is_made_no_faster_than_it_is_taken() {
    let server = serve(&["--workers=1"]);
    drop(greeted(&server));
    let before = server.peak();
    let mut client = greeted(&server);
    set_socket_recv_buffer_size(client.stream(), 64 * 1024).expect("a socket has buffers");
    client.send(&get("/made?40000000"));
    let mut buffer = vec![0; 1024 * 1024];
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n0\r\n\r\n") {
        let count = client.stream().read(&mut buffer).expect("more comes");
        bytes.extend_from_slice(&buffer[..count]);
        thread::sleep(Duration::from_micros(500));
    }
    let all = Response::all(&bytes, false);
    assert!(all.len() == 1 && all[0].body.len() == 40_000_000);
    let grown = server.peak() - before;
    println!("a stream of 40 MB: the peak grew by {grown} bytes");
    assert!(grown < GROWTH, "{grown} bytes");
}

#[test]
fn many_who_send_many_requests_at_once_get_every_byte() {
    let server = serve(&["--workers=2"]);
    let requests = |client: usize| -> (Vec<u8>, Vec<Vec<u8>>) {
        (0..16)
            .map(|at| match at % 4 {
                0 => {
                    let body = vec![b'a' + u8::try_from(at).expect("small"); 100 * (client + 1)];
                    let head = format!(
                        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n",
                        body.len()
                    );
                    ([head.as_bytes(), &body].concat(), body)
                }
                1 => (get(&format!("/chunks?{}", client * 999)), vec![b'.'; client * 999]),
                2 => (get("/later?1"), b"1\n".to_vec()),
                _ => (get("/echo"), b"Host: h\n".to_vec()),
            })
            .fold((Vec::new(), Vec::new()), |(mut sent, mut bodies), (request, body)| {
                sent.extend(request);
                bodies.push(body);
                (sent, bodies)
            })
    };
    let clients: Vec<_> = (0..64)
        .map(|number| {
            let (sent, bodies) = requests(number);
            let mut client = Client::connect(server.address());
            thread::spawn(move || {
                client.send(&sent);
                client.finish();
                let all = rest(&mut client);
                assert_eq!(all.len(), 16);
                for (response, body) in all.iter().zip(bodies) {
                    assert!(response.status == 200 && response.body == body, "{number}");
                }
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().expect("every byte"));
}

#[cfg(target_os = "linux")]
#[test]
fn who_sends_requests_and_takes_no_answers_is_not_answered_without_end() {
    let server = serve(&["--workers=1"]);
    let polite = greeted(&server);
    let before = server.peak();
    let client = Client::connect(server.address());
    set_socket_recv_buffer_size(client.stream(), 16 * 1024).expect("a socket has buffers");
    let sender = client.another();
    // More than all the kernels hold, in requests and still more in answers.
    let requests = get("/echo").repeat(1_000_000);
    let sending = thread::spawn(move || sender.stream().write_all(&requests).is_ok());
    thread::sleep(Duration::from_millis(1_000));
    assert!(!sending.is_finished(), "it is not read from");
    let grown = server.peak() - before;
    println!("a million requests and no answer taken: the peak grew by {grown} bytes");
    assert!(grown < GROWTH, "{grown} bytes");
    // Nobody else notices.
    drop(asked(polite));
    client.stream().shutdown(Shutdown::Both).expect("the connection is alive");
    assert!(!sending.join().expect("it ends"), "the rest was never taken");
}

#[test]
fn a_command_line_that_makes_no_sense_is_told_in_one_line() {
    for (arguments, said) in [
        (["--max-fields", "0"], "from 1 to 256"),
        (["--max-fields", "257"], "from 1 to 256"),
        (["--max-head", "x"], "--max-head"),
        (["--max-body", "1 apple"], "--max-body"),
        (["--stall", "0s"], "above zero"),
        (["--max-requests", "many"], "--max-requests"),
        (["--idle", "75"], "--idle"),
        (["--min-body-rate", "1.5"], "--min-body-rate"),
    ] {
        let both = [&["--listen", "127.0.0.1:0"], &arguments[..]].concat();
        let ended = Served::spawn(HTTP_ECHO, &both).wait();
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        assert!(ended.stderr.contains(said), "{arguments:?}: {}", ended.stderr);
    }
}

#[test]
fn the_help_names_every_limit_with_its_reason() {
    let ended = Served::spawn(HTTP_ECHO, &["--help"]).wait();
    assert_eq!(ended.code, Some(0));
    let words: Vec<_> = ended.stdout.split_whitespace().collect();
    let help = words.join(" ");
    for (limit, reason) in [
        ("--max-head <BYTES>", "it is held until it is whole"),
        ("--max-fields <N>", "each costs time to look at"),
        ("--max-target <BYTES>", "RFC 9112 asks for at least 8000"),
        ("--max-body <BYTES>", "somebody has to keep it"),
        ("--max-requests <N>", "can go to a worker that has less to do"),
        ("--idle <TIME>", "without a request"),
        ("--head-time <TIME>", "the cheapest way to hold a connection"),
        ("--min-body-rate <BYTES>", "0 for no limit but that of silence"),
        ("--answer-time <TIME>", "the client is told to try again"),
        ("--stall <TIME>", "may take nothing of a response that is sent piece by piece"),
    ] {
        let behind = help.split_once(limit).unwrap_or_else(|| panic!("{limit} is not named")).1;
        let own = behind.split(" --").next().unwrap_or_default();
        assert!(own.contains(reason) && own.contains("[default: "), "{limit}: {own}");
    }
}
