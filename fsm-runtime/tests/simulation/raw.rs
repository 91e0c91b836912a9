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

/// Looks twice whether anybody is there before it reads lines, and greets through the queue.
#[derive(Machine)]
#[machine(context = Doorman, input = Lines<'_>)]
enum Door {
    #[initial]
    #[on(connected => greet)]
    #[on(readable => mutter -> Stay | Reading)]
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

struct Doorman {
    greeting: &'static [u8],
    looks: u32,
}

impl Doorman {
    fn greet(&mut self, io: &mut Io<'_, Door>) {
        io.out.send(self.greeting);
    }

    /// The first look comes with the connection, the second when something has arrived.
    fn mutter(&mut self, io: &mut Io<'_, Door>) -> DoorMutter {
        self.looks += 1;
        if !self.greeting.is_empty() {
            assert!(io.write(b"hm").is_err(), "raw bytes never overtake what is queued");
        }
        if self.looks < 2 { DoorMutter::Stay } else { DoorMutter::Reading }
    }

    fn echo(&mut self, line: &[u8], io: &mut Io<'_, Door>) {
        io.out.send(line);
    }
}

/// A client that knocks late; answers what it received.
fn knock(seed: u64, reporting: Reporting, network: Network, greeting: &'static [u8]) -> Vec<u8> {
    let mut sim = Simulation::<Door>::new(seed, move |_| Doorman { greeting, looks: 0 });
    sim.reporting(reporting).network(network);
    let script = Script::new().wait(Duration::from_millis(5)).send("me\n");
    let client = sim.connect(script.expect(greeting.len() + 3).half_close());
    sim.run();
    assert!(sim.ended_at(client).expect("ended") < Duration::from_secs(1));
    assert_eq!(sim.summary().panics, 0);
    sim.check();
    sim.received(client).to_vec()
}

#[test]
fn readiness_that_one_state_leaves_is_the_next_ones() {
    for reporting in MODES {
        assert_eq!(knock(1, reporting, Network::default(), b""), b"me\n");
    }
}

#[test]
fn raw_bytes_do_not_overtake_queued_ones() {
    for reporting in MODES {
        let slow = Network { send_buffer: 6, client_buffer: 1, delay: 9, ..Network::default() };
        for seed in 0..50 {
            let received = knock(seed, reporting, slow, b"who is there?\n");
            assert_eq!(received, b"who is there?\nme\n", "seed {seed}");
        }
    }
}

/// Looks away from what is ready, and takes it in the next state.
#[derive(Machine)]
#[machine(context = Shy, input = Lines<'_>)]
enum Hesitating {
    #[initial]
    #[on(readable => look_away)]
    #[ignores(eof, shutdown)]
    #[after(100ms -> Holding)]
    Facing,
    #[on(writable => look_away)]
    #[ignores(shutdown)]
    #[after(100ms -> Reading)]
    Holding,
    #[on(Line(line) => answer(line) -> Writing)]
    #[on(TooLong | eof | shutdown -> Closed)]
    #[after(5s -> Closed)]
    Reading,
    #[on(writable => say -> Closed)]
    #[ignores(shutdown)]
    #[after(5s -> Closed)]
    Writing,
    #[terminal]
    Closed,
}

struct Shy;

impl Shy {
    #[expect(clippy::unused_self, reason = "actions are methods")]
    fn look_away(&mut self, _: &mut Io<'_, Hesitating>) {}

    fn answer(&mut self, line: &[u8], io: &mut Io<'_, Hesitating>) {
        io.out.send(line);
    }

    fn say(&mut self, io: &mut Io<'_, Hesitating>) {
        io.write(b"bye\n").expect("there is room");
    }
}

#[test]
fn readiness_that_an_action_left_unused_is_offered_to_the_next_state() {
    let mut sim = Simulation::<Hesitating>::new(1, |_| Shy);
    let client = sim.connect(Script::new().send("hello\n"));
    sim.run();
    assert_eq!(sim.received(client), b"hello\nbye\n");
    assert!(sim.calls() < 50, "and the worker does not ask over and over");
    sim.check();
}

/// Reads and writes for as long as it may, with calls of the size that the context says.
#[derive(Machine)]
#[machine(context = Hog, shared = Vec<(char, usize)>)]
enum Hogging {
    #[initial]
    #[on(readable => gorge -> Stay | Spouting)]
    #[ignores(eof, shutdown)]
    #[after(5min without progress -> Closed)]
    Gorging,
    #[on(writable => spout -> Stay | Closed)]
    #[ignores(eof, shutdown)]
    #[after(5min without progress -> Closed)]
    Spouting,
    #[terminal]
    Closed,
}

struct Hog {
    name: char,
    call: usize,
    taken: usize,
}

impl Hog {
    fn gorge(&mut self, io: &mut Io<'_, Hogging>) -> HoggingGorge {
        let mut buffer = vec![0; self.call];
        let mut moved = 0;
        let ended = loop {
            match io.read(&mut buffer) {
                Ok(0) => break true,
                Ok(count) => moved += count,
                Err(_) => break false,
            }
        };
        io.shared.push((self.name, moved));
        self.taken += moved;
        if ended { HoggingGorge::Spouting } else { HoggingGorge::Stay }
    }

    fn spout(&mut self, io: &mut Io<'_, Hogging>) -> HoggingSpout {
        let mut moved = 0;
        while self.taken > 0
            && let Ok(count) = io.write(&vec![b'x'; self.call.min(self.taken)])
        {
            moved += count;
            self.taken -= count;
        }
        io.shared.push((self.name, moved));
        if self.taken == 0 { HoggingSpout::Closed } else { HoggingSpout::Stay }
    }
}

/// Two clients of so many bytes each, and what the calls of so many bytes moved in each event.
fn hogging(seed: u64, call: usize, bytes: usize) -> Vec<(char, usize)> {
    let mut names = ['a', 'b'].into_iter();
    let mut sim = Simulation::<Hogging>::new(seed, move |_| {
        let name = names.next().expect("two clients");
        Hog { name, call, taken: 0 }
    });
    let roomy = Network {
        send_buffer: bytes,
        receive_buffer: bytes,
        client_buffer: bytes,
        ..Network::default()
    };
    sim.network(roomy).reporting(MODES[usize::from(seed.is_multiple_of(2))]);
    let script = || Script::new().wait(Duration::from_millis(50)).send(vec![b'x'; bytes]);
    let clients = [(); 2].map(|()| sim.connect(script().half_close()));
    sim.run();
    for client in clients {
        assert_eq!(sim.received(client).len(), bytes, "nothing is forgotten");
        assert!(sim.saw_end(client));
        let ended = sim.ended_at(client).expect("ended");
        assert!(ended < Duration::from_secs(1), "well before any deadline");
    }
    sim.check();
    sim.shared().clone()
}

#[test]
fn a_raw_action_moves_64_kib_and_then_it_is_the_turn_of_others() {
    for seed in 0..20 {
        for call in [1_000, 16 * 1024, 1 << 20] {
            let events = hogging(seed, call, 300_000);
            assert!(events.iter().all(|(_, moved)| *moved <= 64 * 1024), "{events:?}");
            assert!(events.iter().filter(|(_, moved)| *moved == 64 * 1024).count() >= 8);
            let (mut in_a_row, mut longest, mut last) = (0, 0, ' ');
            for (name, moved) in events {
                in_a_row = if name == last { in_a_row + moved } else { moved };
                last = name;
                longest = longest.max(in_a_row);
            }
            // The last of the input and the first of the output, or the end of one alone.
            assert!(longest < 300_000, "seed {seed}: {longest} bytes in a row");
        }
    }
}

#[test]
fn a_raw_action_makes_a_bounded_number_of_calls() {
    let events = hogging(1, 1, 5_000);
    assert!(events.iter().all(|(_, moved)| *moved <= 1_024), "{events:?}");
    assert!(events.iter().filter(|(_, moved)| *moved == 1_024).count() >= 16);
}

/// Speaks before it listens, as much as one event may.
#[derive(Machine)]
#[machine(context = Speaker)]
enum Speaking {
    #[initial]
    #[on(readable => speak -> Stay | Closed)]
    #[ignores(eof, shutdown)]
    #[after(5min without progress -> Closed)]
    Talking,
    #[terminal]
    Closed,
}

struct Speaker {
    left: usize,
}

impl Speaker {
    fn speak(&mut self, io: &mut Io<'_, Speaking>) -> SpeakingSpeak {
        while self.left > 0
            && let Ok(count) = io.write(&vec![b'x'; self.left])
        {
            self.left -= count;
        }
        match io.read(&mut [0; 8]) {
            Ok(_) => SpeakingSpeak::Closed,
            Err(_) => SpeakingSpeak::Stay,
        }
    }
}

#[test]
fn a_read_refused_for_what_was_written_is_no_sign_of_not_wanting_it() {
    for reporting in MODES {
        let mut sim = Simulation::<Speaking>::new(1, |_| Speaker { left: 64 * 1024 });
        sim.reporting(reporting);
        let client = sim.connect(Script::new().wait(Duration::from_millis(50)).send("hello"));
        sim.run_for(Duration::from_secs(1));
        assert_eq!(sim.received(client).len(), 64 * 1024);
        assert!(sim.ended_at(client).is_some(), "{reporting:?}: hello was heard");
    }
}
