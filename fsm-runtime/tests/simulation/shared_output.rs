//! Output that is shared with others: it keeps its place among what is copied, however the network
//! cuts it, is dropped with the action that failed, and is let go when it has gone.

use std::io;
use std::time::Duration;

use fsm_runtime::testing::sim::{Faults, Network, Reporting, Script, Simulation};
use fsm_runtime::{Bytes, Io, Lines, Machine};

use crate::campaign::{Dice, END, network, sessions};

/// Answers each line with a poem between its first and its last word, and with as many more as the
/// line is long.
#[derive(Machine)]
#[machine(context = Poet, input = Lines<'_>, shared = Poems, backlog = 1MiB)]
enum Reciting {
    #[initial]
    #[on(Line(line) => recite(line)?)]
    #[on(TooLong -> Closed)]
    #[on(eof(_) -> Closed)]
    #[on(shutdown -> Closed)]
    #[after(30s without input -> Closed)]
    #[after(10s of partial -> Closed)]
    Listening,
    #[terminal]
    Closed,
}

struct Poet;

/// A poem that is always shared, which everybody has.
struct Poems(Bytes);

impl Default for Poems {
    fn default() -> Self {
        Self(poem())
    }
}

fn poem() -> Bytes {
    (0..10_000_u32).flat_map(u32::to_be_bytes).collect::<Vec<_>>().into()
}

/// The part of a poem that answers a line.
fn stanza(poem: &Bytes, line: &[u8]) -> Bytes {
    poem.slice(line.len() % 1_000..)
}

impl Poet {
    fn recite(&mut self, line: &[u8], io: &mut Io<'_, Reciting>) -> io::Result<()> {
        let stanza = stanza(&io.shared.0, line);
        io.out.send(line);
        io.out.send_shared(&stanza);
        io.out.send(line);
        io.out.send_shared(&io.shared.0);
        match line {
            b"encore\n" => (0..ENCORES).for_each(|_| io.out.send_shared(&io.shared.0)),
            b"fail\n" => return Err(io::ErrorKind::Other.into()),
            b"panic\n" => panic!("as told"),
            _ => {}
        }
        Ok(())
    }
}

/// More pieces than are sent by one call.
const ENCORES: usize = 40;

/// What a client that sent these lines gets at most.
fn answers(lines: &[u8]) -> Vec<u8> {
    let poem = poem();
    let answer = |line: &[u8]| [line, &stanza(&poem, line), line, &poem].concat();
    lines
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|it| it.ends_with(b"\n"))
        .flat_map(answer)
        .collect()
}

fn script(dice: &mut Dice) -> Script {
    let mut script = Script::new();
    for _ in 0..dice.roll(4) {
        let line = vec![b'a'; usize::try_from(dice.roll(50)).expect("a small number")];
        script = script.wait(dice.millis(500)).send([&line[..], b"\n"].concat());
    }
    match dice.roll(4) {
        0 => script.read(50_000).wait(dice.millis(3_000)).half_close(),
        1 => script.reset(),
        _ => script.half_close(),
    }
}

#[test]
fn what_is_shared_comes_in_its_place() {
    let mut whole = 0;
    // Many bytes go through few small buffers, so that a session takes its time.
    for seed in sessions().step_by(25) {
        let mut dice = Dice(seed);
        let mut sim = Simulation::<Reciting>::new(seed, |_| Poet);
        let mut network = network(&mut dice);
        network.send_buffer = dice.pick(&[500, 4_096, 100_000]);
        network.receive_buffer = 4_096;
        network.client_buffer = dice.pick(&[4_096, 128 * 1024]);
        network.segment = dice.pick(&[536, usize::MAX]);
        sim.network(network);
        sim.reporting(dice.pick(&[Reporting::Edge, Reporting::Oneshot]));
        sim.faults(dice.pick(&[Faults::NONE, Faults::HARMLESS, Faults::STORM]));
        let clients: Vec<_> = (0..3).map(|_| sim.connect(script(&mut dice))).collect();
        sim.run_for(END);
        for client in clients {
            let (sent, all) = (sim.server_sent(client), answers(sim.server_received(client)));
            assert!(all.starts_with(sent), "seed {seed}: another byte than {}", sent.len());
            whole += usize::from(!all.is_empty() && sent == all);
        }
        assert_eq!(sim.summary().panics, 0);
        sim.check();
    }
    assert!(whole > 0, "nobody got all of it");
}

#[test]
fn an_action_that_fails_takes_back_what_it_shared() {
    for (line, panics) in [("fail\n", 0), ("panic\n", 1)] {
        let mut sim = Simulation::<Reciting>::new(1, |_| Poet);
        // Both lines come in one slice.
        let client = sim.connect(Script::new().send(format!("first\n{line}")).half_close());
        sim.run_for(Duration::from_secs(10));
        assert!(sim.received(client) == answers(b"first\n"), "{line}");
        assert_eq!((sim.summary().panics, sim.open()), (panics, 0));
        sim.check();
    }
}

#[test]
fn more_pieces_than_go_at_once_all_go() {
    for reporting in [Reporting::Edge, Reporting::Oneshot] {
        let mut sim = Simulation::<Reciting>::new(1, |_| Poet);
        // The kernel takes whatever it is given, so that nothing is ever waited for.
        let room = 2 * ENCORES * poem().len();
        sim.network(Network { send_buffer: room, client_buffer: room, ..Network::default() });
        sim.reporting(reporting);
        let client = sim.connect(Script::new().send("encore\n").half_close());
        sim.run_for(Duration::from_secs(1));
        assert!(sim.received(client).ends_with(&poem().repeat(ENCORES + 1)));
    }
}
