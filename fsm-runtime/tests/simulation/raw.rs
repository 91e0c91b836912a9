//! Machines that read and write by themselves.

use std::io;
use std::time::Duration;

use fsm_runtime::testing::sim::{Faults, Network, Reporting, Script, Simulation};
use fsm_runtime::{Io, Lines, Machine};

const MODES: [Reporting; 2] = [Reporting::Edge, Reporting::Oneshot];

const THANKS: &[u8] = b"Thank you!\n";

/// Thanks for every byte (Tanenbaum, Fig. 2-19): the state holds what is still to be sent.
#[derive(Machine)]
#[machine(context = Clerk)]
enum ThankYou {
    #[initial]
    #[on(readable => receive -> Thanking | Stay | Closed)]
    #[ignores(eof)]
    #[on(shutdown -> Closed)]
    #[after(5min without progress -> Closed)]
    Listening,
    #[on(writable => send_rest(owed, sent) -> Listening | Stay | Closed)]
    #[ignores(shutdown, eof)]
    #[after(30s without progress -> Closed)]
    Thanking { owed: usize, sent: usize },
    #[terminal]
    Closed,
}

struct Clerk;

impl Clerk {
    fn receive(&mut self, io: &mut Io<'_, ThankYou>) -> ThankYouReceive {
        match io.read(&mut [0; 7]) {
            Ok(0) => ThankYouReceive::Closed,
            Ok(owed) => ThankYouReceive::Thanking { owed, sent: 0 },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => ThankYouReceive::Stay,
            Err(_) => ThankYouReceive::Closed,
        }
    }

    fn send_rest(
        &mut self,
        owed: &mut usize,
        sent: &mut usize,
        io: &mut Io<'_, ThankYou>,
    ) -> ThankYouSendRest {
        match io.write(&THANKS[*sent..]) {
            Ok(count) => *sent += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return ThankYouSendRest::Closed,
        }
        if *sent == THANKS.len() {
            (*owed, *sent) = (*owed - 1, 0);
        }
        if *owed == 0 { ThankYouSendRest::Listening } else { ThankYouSendRest::Stay }
    }
}

#[test]
fn every_byte_is_thanked_for() {
    for seed in 0..200 {
        let mut sim = Simulation::<ThankYou>::new(seed, |_| Clerk);
        sim.reporting(MODES[usize::from(seed % 2 == 0)]).faults(Faults::HARMLESS);
        let buffer = 1 + usize::try_from(seed).expect("small");
        let network = Network { segment: 5, delay: 9, send_buffer: buffer, ..Network::default() };
        sim.network(network);
        let client = sim.connect(Script::new().send([b'x'; 50]).half_close());
        sim.run();
        assert_eq!(sim.received(client), THANKS.repeat(50));
        assert!(sim.saw_end(client), "well before any deadline");
        assert!(sim.now() < Duration::from_secs(300));
        sim.check();
    }
}

/// Looks whether anybody is there before it reads lines, and greets through the queue.
#[derive(Machine)]
#[machine(context = Doorman, input = Lines<'_>)]
enum Door {
    #[initial]
    #[on(connected => greet)]
    #[on(readable => mutter -> Reading)]
    #[on(eof(_) -> Closed)]
    #[on(shutdown -> Closed)]
    #[after(10s -> Closed)]
    Peeping,
    #[on(Line(line) => echo(line))]
    #[on(TooLong -> Closed)]
    #[on(eof(_) -> Closed)]
    #[on(shutdown -> Closed)]
    #[after(10s -> Closed)]
    Reading,
    #[terminal]
    Closed,
}

struct Doorman;

impl Doorman {
    fn greet(&mut self, io: &mut Io<'_, Door>) {
        io.out.send(b"who is there?\n");
    }

    fn mutter(&mut self, io: &mut Io<'_, Door>) {
        // Raw bytes never overtake what is queued.
        assert!(io.write(b"hm").is_err());
    }

    fn echo(&mut self, line: &[u8], io: &mut Io<'_, Door>) {
        io.out.send(line);
    }
}

#[test]
fn readiness_that_one_state_leaves_is_the_next_ones() {
    for reporting in MODES {
        for wait in [0, 5] {
            let mut sim = Simulation::<Door>::new(1, |_| Doorman);
            sim.reporting(reporting);
            sim.network(Network {
                send_buffer: 6,
                client_buffer: 1,
                delay: 1,
                ..Network::default()
            });
            let script = Script::new().wait(Duration::from_millis(wait)).send("me\n");
            let client = sim.connect(script.expect(17).half_close());
            sim.run();
            assert_eq!(sim.received(client), b"who is there?\nme\n");
            assert!(sim.ended_at(client).expect("ended") < Duration::from_secs(1));
            assert_eq!(sim.summary().panics, 0);
            sim.check();
        }
    }
}
