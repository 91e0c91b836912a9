//! Machines made for one purpose each, served over loopback: panics, peers that never read,
//! requests to stop, raw reading and writing, and states that take no input.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use fsm_runtime::{Io, Lines, Machine};
use fsm_tests::client::{Client, End};
use fsm_tests::clock::{Stopwatch, eventually};
use fsm_tests::inside::{serve, serve_at};
use fsm_tests::scratch::Scratch;

const PATIENCE: Duration = Duration::from_secs(20);

/// Does what a line says; its states end as they should whatever an action does.
#[derive(Machine)]
#[machine(context = Fragile, input = Lines<'_>, shared = u32)]
enum Brittle {
    #[initial]
    #[on(connected => greet)]
    #[on(Line(line) => obey(line) -> Stay | Broken | Reset)]
    #[on(TooLong -> Closed)]
    #[on(eof(_) => at_end -> Closed)]
    #[on(shutdown -> Closed)]
    #[after(20s without input -> Closed)]
    Listening,

    #[enter(break_on_entry)]
    #[on(Line(_) | TooLong -> Closed)]
    #[on(eof(_) -> Closed)]
    #[on(shutdown -> Closed)]
    #[after(20s without input -> Closed)]
    Broken,

    #[terminal]
    #[enter(clean)]
    Closed,

    #[terminal(abort)]
    #[enter(clean)]
    Reset,
}

/// How often terminal states were entered, over all connections.
#[derive(Clone, Default)]
struct Fragile {
    cleaned: Arc<AtomicUsize>,
}

impl Fragile {
    fn greet(&mut self, io: &mut Io<'_, Brittle>) {
        io.out.send(b"welcome\n");
    }

    fn obey(&mut self, line: &[u8], io: &mut Io<'_, Brittle>) -> BrittleObey {
        *io.shared += 1;
        io.out.send(line);
        match line {
            b"panic\n" => panic!("an action panics, as the test wants"),
            b"panic later\n" => return BrittleObey::Broken,
            b"reset\n" => return BrittleObey::Reset,
            b"count\n" => writeln!(io.out, "{}", io.shared),
            _ => {}
        }
        BrittleObey::Stay
    }

    fn at_end(&mut self, io: &mut Io<'_, Brittle>) {
        io.out.send(b"bye\n");
    }

    fn break_on_entry(&mut self, _: &mut Io<'_, Brittle>) {
        panic!("an `enter` action panics, as the test wants")
    }

    fn clean(&mut self, _: &mut Io<'_, Brittle>) {
        self.cleaned.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_panic_costs_its_own_connection_and_nothing_else() {
    let context = Fragile::default();
    let cleaned = Arc::clone(&context.cleaned);
    let server = serve::<Brittle>(move |_| context.clone());
    let mut bystander = Client::connect(server.address());
    bystander.expect(b"welcome\n");
    for command in ["panic\n", "panic later\n"] {
        for _ in 0..50 {
            let mut client = Client::connect(server.address());
            client.expect(b"welcome\n");
            client.send(format!("before\n{command}behind\n").as_bytes());
            let answer = client.rest();
            assert!(answer.starts_with(b"before\n"), "{}", answer.escape_ascii());
            assert!(!answer.ends_with(b"behind\n"), "{}", answer.escape_ascii());
            bystander.ask(b"unharmed\n");
        }
    }
    assert_eq!(cleaned.load(Ordering::Relaxed), 100, "each was cleaned up after, once");
    bystander.finish();
    assert_eq!(bystander.rest(), b"bye\n");
    let summary = server.end();
    assert_eq!((summary.accepted, summary.closed), (101, 101), "{summary:?}");
    assert_eq!((summary.panics, summary.lost), (100, 0), "{summary:?}");
}

#[test]
fn what_a_panicking_action_queued_is_dropped_and_shared_data_is_kept() {
    let context = Fragile::default();
    let server = serve::<Brittle>(move |_| context.clone());
    let mut client = Client::connect(server.address());
    client.expect(b"welcome\n");
    client.send(b"panic\n");
    assert_eq!(client.rest(), b"", "the line was queued by the action that panicked");
    let mut other = Client::connect(server.address());
    other.expect(b"welcome\n");
    other.send(b"count\n");
    other.expect(b"count\n2\n");
}

#[test]
fn a_panic_while_a_context_is_made_costs_that_connection_only() {
    let made = AtomicUsize::new(0);
    let server = serve::<Brittle>(move |_| {
        assert!(
            made.fetch_add(1, Ordering::Relaxed) != 1,
            "the second context panics, as the test wants"
        );
        Fragile::default()
    });
    Client::connect(server.address()).expect(b"welcome\n");
    assert_eq!(Client::connect(server.address()).end(), End::Finished);
    Client::connect(server.address()).expect(b"welcome\n");
    assert_eq!(server.end().panics, 1);
}

#[test]
fn an_aborting_state_resets() {
    let context = Fragile::default();
    let cleaned = Arc::clone(&context.cleaned);
    let server = serve::<Brittle>(move |_| context.clone());
    let mut client = Client::connect(server.address());
    client.expect(b"welcome\n");
    client.send(b"reset\n");
    assert_eq!(client.end(), End::Reset);
    assert_eq!(cleaned.load(Ordering::Relaxed), 1);
}

#[test]
fn a_stop_handle_drains_and_then_stops() {
    let context = Fragile::default();
    let server = serve::<Brittle>(move |_| context.clone());
    let mut client = Client::connect(server.address());
    client.expect(b"welcome\n");
    server.stop().request();
    assert_eq!(client.rest(), b"", "the server shuts down its side");
    assert!(!server.has_ended(), "it waits for the client's side");
    client.finish();
    eventually(PATIENCE, "the last client has gone", || server.has_ended());
    let summary = server.end();
    assert_eq!((summary.accepted, summary.closed, summary.lost), (1, 1, 0));
}

#[test]
fn a_client_with_its_end_in_flight_is_not_waited_for_when_draining() {
    let context = Fragile::default();
    let server = serve::<Brittle>(move |_| context.clone());
    let mut client = Client::connect(server.address());
    client.expect(b"welcome\n");
    client.send(b"panic\n");
    assert_eq!(client.rest(), b"");
    drop(client);
    let watch = Stopwatch::start();
    server.stop().request();
    eventually(PATIENCE, "nobody is left", || server.has_ended());
    assert!(watch.elapsed() < Duration::from_secs(2), "{:?}", watch.elapsed());
}

/// Sends as much as it is asked for, to whoever reads it.
#[derive(Machine)]
#[machine(context = Source, input = Lines<'_>, stall = 1500ms)]
enum Gushing {
    #[initial]
    #[on(Line(_) => gush)]
    #[on(TooLong -> Closed)]
    #[on(eof(_) -> Closed)]
    #[on(shutdown -> Closed)]
    #[after(20s without input -> Closed)]
    #[on(lost(_) => note -> Closed)]
    Listening,

    #[terminal]
    Closed,
}

struct Source {
    lost: Arc<AtomicUsize>,
}

/// More bytes than the buffers of both kernels hold together, each stretch of them another.
static GUSH: LazyLock<Vec<u8>> =
    LazyLock::new(|| (0..6 * 1024 * 1024_u32).flat_map(u32::to_be_bytes).collect());

impl Source {
    fn gush(&mut self, io: &mut Io<'_, Gushing>) {
        io.out.send(&GUSH);
    }

    fn note(&mut self, _: &mut Io<'_, Gushing>) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_client_that_never_reads_is_shed_and_one_that_reads_slowly_is_not() {
    let lost = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&lost);
    let server = serve::<Gushing>(move |_| Source { lost: Arc::clone(&count) });
    let mut slow = Client::connect(server.address());
    let mut deaf = Client::connect(server.address());
    slow.send(b"gush\n");
    deaf.send(b"gush\n");
    let watch = Stopwatch::start();
    // The kernel lets the server write again once a third of its buffer has gone, which is every
    // few steps: far more often than the limit, also on a busy machine.
    for chunk in GUSH.chunks(GUSH.len() / 40) {
        slow.expect(chunk);
        thread::sleep(Duration::from_millis(50));
    }
    assert!(watch.elapsed() > Duration::from_millis(1_900), "slower than the limit as a whole");
    slow.finish();
    assert_eq!(slow.rest(), b"");
    eventually(PATIENCE, "the deaf client is shed", || lost.load(Ordering::Relaxed) == 1);
    assert_eq!(server.end().lost, 1);
}

#[test]
fn what_is_unsent_at_the_end_goes_out_before_the_end() {
    let lost = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&lost);
    let server = serve::<Gushing>(move |_| Source { lost: Arc::clone(&count) });
    let mut client = Client::connect(server.address());
    client.send(b"gush\n");
    client.finish();
    thread::sleep(Duration::from_millis(100));
    server.stop().request();
    assert!(client.rest() == *GUSH, "neither the client's end nor the server's cuts it short");
    drop(client);
    eventually(PATIENCE, "the last byte has gone", || server.has_ended());
    assert_eq!(lost.load(Ordering::Relaxed), 0);
}

#[test]
fn writing_to_a_closed_socket_raises_no_signal() {
    let raised = Arc::new(AtomicBool::new(false));
    // Were SIGPIPE ignored, as Rust programs have it, the signal would not be noticed.
    let sigpipe = signal_hook::consts::SIGPIPE;
    signal_hook::flag::register(sigpipe, Arc::clone(&raised)).expect("it can be caught");
    let scratch = Scratch::new();
    // Over TCP a reset is what writing finds first; a Unix socket has only the broken pipe.
    for address in ["127.0.0.1:0", &scratch.address("gushing")] {
        let lost = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&lost);
        let server = serve_at::<Gushing>(address, move |_| Source { lost: Arc::clone(&count) });
        for _ in 0..20 {
            let mut client = Client::connect(server.address());
            client.send(b"gush\n");
            client.expect(&[0, 0, 0, 0, 0, 0, 0, 1]);
            client.reset();
        }
        eventually(PATIENCE, "all were lost", || lost.load(Ordering::Relaxed) == 20);
    }
    assert!(!raised.load(Ordering::Relaxed));
}

/// Thanks for every byte at the raw level, as in Tanenbaum's Fig. 2-19: what is owed is the
/// state's.
#[derive(Machine)]
#[machine(context = Thanks, input = Lines<'_>)]
enum Thankful {
    #[initial]
    #[on(readable => receive -> Thanking | Stay | Closed)]
    #[on(shutdown -> Closed)]
    #[after(20s without progress -> Closed)]
    Listening,

    #[on(writable => send_rest(owed) -> Listening | Stay | Closed)]
    #[ignores(shutdown)]
    #[after(20s without progress -> Closed)]
    Thanking { owed: usize },

    #[terminal]
    Closed,
}

struct Thanks;

impl Thanks {
    fn receive(&mut self, io: &mut Io<'_, Thankful>) -> ThankfulReceive {
        match io.read(&mut [0; 64]) {
            Ok(0) => ThankfulReceive::Closed,
            Ok(count) => ThankfulReceive::Thanking { owed: count },
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => ThankfulReceive::Stay,
            Err(_) => ThankfulReceive::Closed,
        }
    }

    fn send_rest(&mut self, owed: &mut usize, io: &mut Io<'_, Thankful>) -> ThankfulSendRest {
        match io.write(&vec![b'.'; *owed]) {
            Ok(count) if count == *owed => ThankfulSendRest::Listening,
            Ok(count) => {
                *owed -= count;
                ThankfulSendRest::Stay
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => ThankfulSendRest::Stay,
            Err(_) => ThankfulSendRest::Closed,
        }
    }
}

#[test]
fn raw_reading_and_writing_answers_every_byte() {
    let server = serve::<Thankful>(|_| Thanks);
    let mut client = Client::connect(server.address());
    client.send(b"x");
    client.expect(b".");
    let mut sender = client.another();
    let sending = thread::spawn(move || {
        sender.send(&vec![b'x'; 1_000_000]);
        sender.finish();
    });
    thread::sleep(Duration::from_millis(100));
    assert_eq!(client.rest(), vec![b'.'; 1_000_000]);
    sending.join().expect("all is taken");
}
