//! Bytes and their order: cuts, half-closes, what is sent last.

use std::time::Duration;

use fsm_runtime::testing::sim::{Network, Reporting, Script, Simulation};
use fsm_runtime::{ByteLimit, Io, Lines, Machine};

use crate::machines::{Echo, EchoClient, LOST, noting};

const MODES: [Reporting; 2] = [Reporting::Edge, Reporting::Oneshot];

#[test]
fn an_echo_is_the_same_however_it_is_cut() {
    let text = b"one\n\ntwo\r\n\0\xff\nthe rest";
    for reporting in MODES {
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let pause = Duration::from_millis(20);
                let script = Script::new().send(&text[..first]).wait(pause);
                let script = script.send(&text[first..second]).wait(pause);
                let script = script.send(&text[second..]).half_close();
                let mut sim = Simulation::<Echo>::new(1, |_| EchoClient);
                sim.reporting(reporting);
                sim.network(Network { send_buffer: 1 + first, ..Network::default() });
                let client = sim.connect(script);
                sim.run();
                assert_eq!(sim.received(client), text, "cut at {first} and {second}");
                assert!(sim.saw_end(client));
                assert_eq!(sim.lost(client), (0, 0));
                sim.check();
            }
        }
    }
}

#[test]
fn a_half_close_with_unsent_output_loses_no_byte() {
    for reporting in MODES {
        let mut sim = Simulation::<Echo>::new(1, |_| EchoClient);
        sim.reporting(reporting);
        sim.network(Network {
            send_buffer: 100,
            client_buffer: 100,
            delay: 5,
            ..Network::default()
        });
        let text = b"line after line\n".repeat(20_000);
        let script = Script::new().read(0).send(text.clone()).half_close();
        let client = sim.connect(script.wait(Duration::from_secs(20)).read_all());
        sim.run();
        assert_eq!(sim.received(client), text);
        assert!(sim.saw_end(client));
        sim.check();
    }
}

#[test]
fn the_last_word_arrives_though_the_client_goes_on_sending() {
    for reporting in MODES {
        let (limit, network) = (ByteLimit::new(100), Network { delay: 30, ..Network::default() });
        let mut sim = Simulation::<Echo>::with(1, limit, (), |_| EchoClient);
        sim.reporting(reporting).network(network);
        let mut script = Script::new().send("fine\n");
        for _ in 0..200 {
            script = script.send([b'x'; 1_000]).wait(Duration::from_millis(10));
        }
        let client = sim.connect(script.half_close());
        sim.run();
        assert_eq!(sim.received(client), b"fine\nline too long\n");
        assert!(sim.saw_end(client) && !sim.was_reset(client));
        assert_eq!(sim.lost(client), (0, 0));
        assert_eq!(sim.server_received(client), sim.sent(client));
        sim.check();
    }
}

#[test]
fn a_client_that_does_not_go_is_left_after_a_while() {
    let gone = |script: Script| {
        let mut sim = Simulation::<Echo>::with(1, ByteLimit::new(9), (), |_| EchoClient);
        sim.connect(script.send("a long line\n").stay_open());
        while sim.summary().closed == 0 {
            sim.run_for(Duration::from_millis(100));
        }
        sim.check();
        sim.now()
    };
    let seconds = Duration::from_secs;
    let silent = gone(Script::new());
    assert!(silent >= seconds(5) && silent < seconds(6), "{silent:?}");
    let mut script = Script::new().send("another long line\n");
    for _ in 0..100 {
        script = script.wait(seconds(1)).send("more\n");
    }
    let chatty = gone(script);
    assert!(chatty >= seconds(30) && chatty < seconds(31), "{chatty:?}");
}

#[test]
fn much_unsent_output_holds_the_input_back_until_it_has_gone() {
    for reporting in MODES {
        let mut sim = noting(50_000);
        sim.reporting(reporting);
        let client = sim.connect(Script::new().read(0).send("x\n".repeat(100)));
        sim.run_for(Duration::from_secs(1));
        let served = sim.shared().len();
        assert!((4..10).contains(&served), "{served} lines were served to one who does not read");
        assert_eq!(sim.buffers_held(), 1);
        sim.then(client, Script::new().read_all());
        sim.run_for(Duration::from_secs(1));
        assert_eq!(sim.received(client).len(), 100 * 50_000);
        assert_eq!((sim.shared().len(), sim.buffers_held()), (100, 0));
        sim.run();
        sim.check();
    }
}

#[test]
fn a_polite_client_waits_for_one_slice_of_each_greedy_one() {
    for reporting in MODES {
        let mut sim = noting(1);
        sim.reporting(reporting);
        let greedy = || Script::new().send("x\n".repeat(60_000));
        sim.connect(greedy());
        sim.connect(greedy());
        let polite = sim.connect(Script::new());
        for _ in 0..5 {
            sim.turn();
        }
        let before = sim.shared().len();
        sim.then(polite, Script::new().send("y\n"));
        while sim.received(polite).is_empty() {
            sim.turn();
        }
        let since = &sim.shared()[before..];
        let ports = [since[0], *since.last().expect("served")];
        let waited = since.len();
        assert!(waited <= 2 * 1_024 + 1, "it waited for {waited} lines");
        assert_ne!(ports[0], 0);
        assert!(sim.server_received(polite).len() == 2);
        sim.run();
        sim.check();
    }
}

#[test]
fn a_slice_sends_no_more_than_a_bounded_stretch() {
    let mut sim = noting(60_000);
    sim.network(Network { send_buffer: usize::MAX, ..Network::default() });
    let greedy = sim.connect(Script::new().send("x\n".repeat(500)));
    let mut most = 0;
    while sim.received(greedy).len() < 500 * 60_000 {
        let before = sim.server_sent(greedy).len();
        sim.turn();
        most = most.max(sim.server_sent(greedy).len() - before);
    }
    assert!(most <= 2 * 64 * 1024, "{most} bytes in a slice");
}

#[test]
fn input_that_arrived_comes_before_the_loss() {
    for reporting in MODES {
        let mut sim = noting(1);
        sim.reporting(reporting);
        let client = sim.connect(Script::new().send("x\n".repeat(40_000)));
        sim.then(client, Script::new().reset());
        sim.run();
        assert_eq!(sim.shared().len(), 40_001, "every line and the loss");
        assert_eq!(sim.shared().last(), Some(&LOST));
        assert_eq!(sim.server_received(client).len(), 80_000);
        sim.check();
    }
}

/// Greets, then sends a long file piece by piece as the pieces go out.
#[derive(Machine)]
#[machine(context = Reader, input = Lines<'_>)]
enum Filing {
    #[initial]
    #[on(connected => greet)]
    #[on(Line(_) => open -> Sending)]
    #[on(TooLong -> Gone)]
    #[on(eof(_) -> Closed)]
    #[on(shutdown -> Closed)]
    #[after(10s without input -> Closed)]
    Idle,
    #[on(drained => send_piece(sent) -> Stay | Idle)]
    #[ignores(shutdown, eof)]
    #[after(10s without progress -> Gone)]
    Sending { sent: usize },
    #[terminal]
    Closed,
    #[terminal(abort)]
    Gone,
}

struct Reader;

const GREETING: &[u8] = b"hello\n";
const PIECE: usize = 10_000;
const FILE: usize = 50 * PIECE;

impl Reader {
    fn greet(&mut self, io: &mut Io<'_, Filing>) {
        io.out.send(GREETING);
    }

    fn open(&mut self, _: &mut Io<'_, Filing>) -> FilingOpen {
        FilingOpen::Sending { sent: 0 }
    }

    fn send_piece(&mut self, sent: &mut usize, io: &mut Io<'_, Filing>) -> FilingSendPiece {
        if *sent == FILE {
            return FilingSendPiece::Idle;
        }
        *sent += PIECE;
        io.out.send(&[b'.'; PIECE]);
        FilingSendPiece::Stay
    }
}

#[test]
fn the_next_piece_goes_when_the_last_has_gone() {
    for reporting in MODES {
        let mut sim = Simulation::<Filing>::new(1, |_| Reader);
        sim.reporting(reporting);
        let (small, delay) = (3_000, 2);
        let network =
            Network { send_buffer: small, client_buffer: small, delay, ..Network::default() };
        sim.network(network);
        let client = sim.connect(Script::new().send("file\nfile\n").half_close());
        sim.run_for(Duration::from_millis(100));
        assert!(sim.state(client) == Some("Sending") && sim.buffers_held() == 1);
        sim.run();
        assert_eq!(sim.received(client).len(), GREETING.len() + 2 * FILE);
        assert!(sim.received(client).starts_with(GREETING) && sim.saw_end(client));
        sim.check();
    }
}

#[test]
fn an_abort_resets_and_drops_what_is_unsent() {
    let mut sim = Simulation::<Filing>::with(1, ByteLimit::new(9), (), |_| Reader);
    let client = sim.connect(Script::new().send("more than nine bytes\n"));
    sim.run();
    assert!(sim.was_reset(client) && !sim.saw_end(client));
    assert_eq!(sim.open(), 0);
    sim.check();
}

#[test]
fn a_flood_at_one_listener_does_not_starve_another() {
    for reporting in MODES {
        for (flooded, other) in [(0, 1), (1, 0)] {
            let mut sim = noting(1);
            sim.reporting(reporting).listeners(2);
            for _ in 0..1_000 {
                sim.connect_at(flooded, Script::new().half_close());
            }
            let polite = sim.connect_at(other, Script::new().send("a\n").half_close());
            for _ in 0..5 {
                sim.turn();
            }
            assert_eq!(sim.received(polite), b"a", "{reporting:?}, listener {other}");
            assert!(sim.summary().accepted < 100, "the flood is not over");
            sim.run();
            sim.check();
        }
    }
}
