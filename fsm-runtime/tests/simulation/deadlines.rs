//! Deadlines: never early, at most two ticks late, however they were moved on the way.

use std::time::Duration;

use fsm_runtime::testing::sim::{ClientId, Network, Reporting, Script, Simulation};
use fsm_runtime::{Chunks, Io, Lines, Machine};

use crate::machines::{Echo, EchoClient};

/// Deadlines are counted in ticks of so many milliseconds.
const TICK: Duration = Duration::from_millis(16);

/// Each deadline kind in a state of its own; a client chooses by its first line.
#[derive(Machine)]
#[machine(context = Chooser, input = Lines<'_>, shared = Vec<&'static str>)]
#[group(Both: First, Second; after(3s => say_group -> Closed))]
enum Kinds {
    #[initial]
    #[on(Line(line) => choose(line) -> Entry | Idle | Partial | Slow | Still | First | Closed)]
    #[on(TooLong -> Closed)]
    #[on(eof(_) -> Closed)]
    #[on(shutdown -> Closed)]
    #[after(10s -> Closed)]
    Choosing,
    #[ignores(Line, TooLong, eof, shutdown)]
    #[after(2s => say_entry -> Closed)]
    Entry,
    #[ignores(Line, TooLong, eof, shutdown)]
    #[after(2s without input => say_idle -> Closed)]
    Idle,
    #[ignores(Line, TooLong, eof, shutdown)]
    #[after(1s of partial => say_partial -> Closed)]
    #[after(60s -> Closed)]
    Partial,
    #[ignores(Line, TooLong, eof, shutdown)]
    #[after(2s without 100 bytes => say_slow -> Closed)]
    Slow,
    #[ignores(Line, TooLong, eof, shutdown)]
    #[after(2s without progress => say_still -> Closed)]
    Still,
    #[on(Line(_) -> Second)]
    #[ignores(TooLong, eof, shutdown)]
    First,
    #[on(Line(_) -> First)]
    #[ignores(TooLong, eof, shutdown)]
    Second,
    #[terminal]
    Closed,
}

struct Chooser;

impl Chooser {
    fn choose(&mut self, line: &[u8], _: &mut Io<'_, Kinds>) -> KindsChoose {
        match line {
            b"entry\n" => KindsChoose::Entry,
            b"idle\n" => KindsChoose::Idle,
            b"partial\n" => KindsChoose::Partial,
            b"slow\n" => KindsChoose::Slow,
            b"still\n" => KindsChoose::Still,
            b"group\n" => KindsChoose::First,
            _ => KindsChoose::Closed,
        }
    }

    fn say_entry(&mut self, io: &mut Io<'_, Kinds>) {
        io.shared.push("entry");
    }

    fn say_idle(&mut self, io: &mut Io<'_, Kinds>) {
        io.shared.push("idle");
    }

    fn say_partial(&mut self, io: &mut Io<'_, Kinds>) {
        io.shared.push("partial");
    }

    fn say_slow(&mut self, io: &mut Io<'_, Kinds>) {
        io.shared.push("slow");
    }

    fn say_still(&mut self, io: &mut Io<'_, Kinds>) {
        io.shared.push("still");
    }

    fn say_group(&mut self, io: &mut Io<'_, Kinds>) {
        io.shared.push("group");
    }
}

fn assert_on_time(ended: Option<Duration>, due: Duration) {
    let ended = ended.expect("the deadline passes");
    assert!(ended >= due, "{ended:?} is before {due:?}");
    assert!(ended <= due + 2 * TICK, "{ended:?} is long after {due:?}");
}

/// Runs a client that chooses a state and then goes on; every start within a tick.
fn check(kind: &'static str, rest: impl Fn(Script) -> Script, due: Duration) {
    for start in [0, 1, 7, 15, 16, 5_000, 1_000_000].map(Duration::from_millis) {
        let mut sim = Simulation::<Kinds>::new(1, |_| Chooser);
        let script = rest(Script::new().wait(Duration::from_millis(1)).send(format!("{kind}\n")));
        sim.run_for(start);
        let client = sim.connect(script);
        sim.run();
        assert_on_time(sim.ended_at(client), start + Duration::from_millis(1) + due);
        assert_eq!(*sim.shared(), [kind]);
        sim.check();
    }
}

/// A line every half second, ten in all.
fn lines(mut script: Script) -> Script {
    for _ in 0..10 {
        script = script.wait(Duration::from_millis(500)).send("x\n");
    }
    script
}

#[test]
fn every_kind_of_deadline_passes_on_time() {
    let seconds = Duration::from_secs;
    check("entry", |script| script, seconds(2));
    check("entry", lines, seconds(2));
    check("idle", |script| script, seconds(2));
    check("idle", lines, seconds(7));
    check("partial", |script| script.wait(seconds(3)).send("half"), seconds(4));
    check(
        "partial",
        |script| script.send("h").wait(seconds(1) / 2).send("a").wait(seconds(1) / 4).send("l"),
        seconds(1),
    );
    check("still", |script| script, seconds(2));
    check(
        "still",
        |script| script.wait(seconds(1)).send("tric").wait(seconds(1)).send("k"),
        seconds(4),
    );
    check("group", |script| script, seconds(3));
    check("group", lines, seconds(3));
    check("slow", |script| script, seconds(2));
    check("slow", |script| script.wait(seconds(1)).send([b'x'; 99]), seconds(2));
}

#[test]
fn enough_bytes_in_time_give_as_much_time_again() {
    let mut sim = Simulation::<Kinds>::new(1, |_| Chooser);
    let quick = Script::new().send("slow\n").wait(Duration::from_secs(1)).send([b'x'; 100]);
    let client = sim.connect(quick);
    sim.run();
    let ended = sim.ended_at(client).expect("slow in the end");
    assert!(ended >= Duration::from_secs(4) && ended <= Duration::from_secs(4) + 4 * TICK);
}

#[test]
fn a_storm_of_deadlines_does_not_keep_the_others_waiting() {
    let mut sim = Simulation::<Echo>::new(1, |_| EchoClient);
    let crowd: Vec<_> = (0..10_000).map(|_| sim.connect(Script::new())).collect();
    let gone = |sim: &Simulation<Echo>| {
        crowd.iter().filter(|&&client| sim.ended_at(client).is_some()).count()
    };
    sim.run_for(Duration::from_secs(29));
    assert_eq!(sim.open(), 10_000);
    let polite = sim.connect(Script::new().send("a\n").expect(2));
    while gone(&sim) == 0 {
        sim.turn();
    }
    let first = gone(&sim);
    assert!(first <= 256, "{first} ended in one turn");
    sim.then(polite, Script::new().send("b\n"));
    while sim.received(polite).len() < 4 {
        sim.turn();
    }
    let meanwhile = gone(&sim) - first;
    assert!(meanwhile <= 512, "the polite one waited for {meanwhile} others");
    sim.run_for(Duration::from_secs(2));
    assert_eq!((gone(&sim), sim.open()), (10_000, 1));
    sim.run();
    sim.check();
}

/// The deadlines that pass between two looks at ready connections.
const PORTION: u64 = 256;

/// Goes on turn by turn until `passed` counts 10,000. A turn looks at ready connections once, so in
/// each at most a portion may pass, and a client that asks all the while is answered in each.
fn check_storm(sim: &mut Simulation<Echo>, passed: impl Fn(&Simulation<Echo>) -> u64) {
    let polite = sim.connect(Script::new());
    while sim.open() < 10_001 {
        sim.turn();
    }
    let (mut turns, mut before) = (0, passed(sim));
    assert_eq!(before, 0);
    while before < 10_000 {
        // While somebody asks no time passes, so the storm has to begin first.
        if before > 0 {
            sim.then(polite, Script::new().send("a\n"));
        }
        sim.turn();
        let now = passed(sim);
        assert!(now - before <= PORTION, "{} passed in one turn", now - before);
        if now > before {
            assert_eq!(sim.received(polite), sim.sent(polite), "answered in the same turn");
            turns += 1;
        }
        before = now;
    }
    assert!((40..=45).contains(&turns), "10,000 deadlines took {turns} turns");
}

#[test]
fn ten_thousand_deadlines_pass_in_portions() {
    for reporting in [Reporting::Edge, Reporting::Oneshot] {
        let mut sim = Simulation::<Echo>::new(1, |_| EchoClient);
        sim.reporting(reporting);
        let crowd: Vec<_> = (0..10_000).map(|_| sim.connect(Script::new().stay_open())).collect();
        sim.run_for(Duration::from_secs(20));
        check_storm(&mut sim, |sim| {
            crowd.iter().filter(|&&client| sim.ended_at(client).is_some()).count() as u64
        });
        // Nobody closes, so that five seconds later all are closed together.
        assert_eq!(sim.summary().closed, 0);
        check_storm(&mut sim, |sim| sim.summary().closed);
        sim.run();
        assert_eq!(sim.open(), 0);
        sim.check();
    }
}

#[test]
fn an_idle_connection_holds_no_buffer() {
    let mut sim = Simulation::<Echo>::new(1, |_| EchoClient);
    for number in 0..100 {
        let length = 1 + number * 1_000;
        let line = [vec![b'x'; length % 60_000], b"\n".to_vec()].concat();
        sim.connect(Script::new().send(line.repeat(3)));
    }
    sim.network(Network { send_buffer: 5_000, segment: 1_448, delay: 3, ..Network::default() });
    sim.run_for(Duration::from_secs(5));
    assert_eq!((sim.open(), sim.buffers_held()), (100, 0));
    sim.run();
    sim.check();
}

/// Sends more than a peer that never reads can take.
#[derive(Machine)]
#[machine(context = Talker, input = Chunks<'_>, shared = Vec<&'static str>, stall = 4s)]
enum Talking {
    #[initial]
    #[on(Chunk(_) => talk)]
    #[on(eof(_) -> Closed)]
    #[on(shutdown -> Closed)]
    #[on(lost(_) => note -> Closed)]
    #[after(60s -> Closed)]
    Listening,
    #[terminal]
    Closed,
}

struct Talker;

impl Talker {
    fn talk(&mut self, io: &mut Io<'_, Talking>) {
        io.out.send(&[b'x'; 300_000]);
    }

    fn note(&mut self, io: &mut Io<'_, Talking>) {
        io.shared.push("lost");
    }
}

fn talk(script: Script) -> (Simulation<Talking>, ClientId) {
    let mut sim = Simulation::<Talking>::new(1, |_| Talker);
    let client = sim.connect(script);
    sim.run();
    sim.check();
    (sim, client)
}

#[test]
fn a_peer_that_never_reads_is_shed() {
    let (mut sim, client) = talk(Script::new().read(0).send("talk"));
    assert_on_time(sim.ended_at(client), Duration::from_secs(4));
    assert_eq!(*sim.shared(), ["lost"]);
    assert_eq!(sim.summary().lost, 1);
}

#[test]
fn a_peer_that_reads_a_little_in_time_is_not_shed() {
    let mut script = Script::new().read(0).send("talk");
    for _ in 0..8 {
        script = script.wait(Duration::from_secs(3)).read(10_000);
    }
    let (sim, client) = talk(script.read_all());
    assert_eq!(sim.received(client).len(), 300_000);
    assert_eq!(sim.summary().lost, 0);
}
