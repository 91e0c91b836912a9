//! Draining: who is told what, how long it may take, and what cuts it off.

use std::time::Duration;

use fsm_runtime::testing::sim::{Reporting, Script, Simulation};
use fsm_runtime::{Io, Lines, Machine};

use crate::machines::{Echo, EchoClient};

/// Leaves word of every condition it is told of.
#[derive(Machine)]
#[machine(context = Teller, input = Lines<'_>, shared = Vec<&'static str>)]
enum Told {
    #[initial]
    #[ignores(Line, TooLong)]
    #[on(eof(_) => tell_eof -> Second)]
    #[on(shutdown => tell_shutdown -> Second)]
    #[after(10min -> Closed)]
    First,
    #[ignores(Line, TooLong)]
    #[on(eof(_) => tell_eof)]
    #[on(shutdown => tell_shutdown)]
    #[after(1s -> Third)]
    Second,
    #[ignores(Line, TooLong)]
    #[on(eof(_) => tell_eof)]
    #[on(shutdown => tell_shutdown)]
    #[after(1s -> Closed)]
    Third,
    #[terminal]
    #[enter(tell_end)]
    Closed,
}

struct Teller;

impl Teller {
    fn tell_eof(&mut self, io: &mut Io<'_, Told>) {
        io.shared.push("eof");
    }

    fn tell_shutdown(&mut self, io: &mut Io<'_, Told>) {
        assert!(io.draining());
        io.shared.push("shutdown");
    }

    fn tell_end(&mut self, io: &mut Io<'_, Told>) {
        io.shared.push("end");
    }
}

#[test]
fn each_state_is_told_of_a_condition_once() {
    let mut sim = Simulation::<Told>::new(1, |_| Teller);
    sim.connect(Script::new().send("half a li").half_close());
    sim.run();
    assert_eq!(*sim.shared(), ["eof", "eof", "eof", "end"]);

    let mut sim = Simulation::<Told>::new(1, |_| Teller);
    let client = sim.connect(Script::new());
    sim.run_for(Duration::from_millis(100));
    sim.stop();
    sim.run();
    assert_eq!(*sim.shared(), ["shutdown", "shutdown", "shutdown", "end"]);
    assert!(sim.saw_end(client));
    assert!(matches!(sim.outcome(), Some(Ok(()))));
    sim.check();
}

#[test]
fn the_limit_cuts_a_drain_off() {
    let mut sim = Simulation::<Told>::new(1, |_| Teller);
    sim.drain_limit(Duration::from_millis(1_500));
    sim.connect(Script::new());
    sim.run_for(Duration::from_millis(100));
    sim.stop();
    sim.run();
    assert_eq!(*sim.shared(), ["shutdown", "shutdown", "shutdown", "end"]);
    assert!(sim.now() >= Duration::from_millis(1_600) && sim.now() < Duration::from_millis(1_650));
    assert_eq!(sim.open(), 0);
    sim.check();
}

#[test]
fn a_second_request_stops_at_once() {
    let mut sim = Simulation::<Told>::new(1, |_| Teller);
    sim.connect(Script::new());
    sim.run_for(Duration::from_millis(100));
    sim.stop();
    sim.run_for(Duration::from_millis(100));
    assert!(sim.outcome().is_none());
    sim.stop();
    sim.run();
    assert!(sim.now() < Duration::from_millis(210));
    assert_eq!(*sim.shared(), ["shutdown", "shutdown", "end"]);
    sim.check();
}

#[test]
fn a_client_that_comes_while_draining_is_turned_away() {
    let mut sim = Simulation::<Told>::new(1, |_| Teller);
    sim.connect(Script::new());
    sim.run_for(Duration::from_millis(100));
    sim.stop();
    sim.run_for(Duration::from_millis(100));
    let late = sim.connect(Script::new().send("hello\n"));
    sim.run();
    assert!(sim.was_reset(late));
    sim.check();
}

#[test]
fn who_had_connected_before_the_drain_is_served() {
    for reporting in [Reporting::Edge, Reporting::Oneshot] {
        let mut sim = Simulation::<Echo>::new(1, |_| EchoClient);
        sim.reporting(reporting);
        let clients: Vec<_> =
            (0..100).map(|_| sim.connect(Script::new().send("in time\n"))).collect();
        sim.stop();
        sim.run();
        for client in clients {
            assert_eq!(sim.received(client), b"in time\n");
            assert!(sim.saw_end(client), "closed and not reset");
        }
        assert_eq!(sim.summary().accepted, 100);
        assert!(matches!(sim.outcome(), Some(Ok(()))));
        sim.check();
    }
}

#[test]
fn a_drain_without_descriptors_begins_all_the_same() {
    let mut sim = Simulation::<Echo>::new(1, |_| EchoClient);
    sim.descriptors(Some(3));
    let clients = [(); 5].map(|()| sim.connect(Script::new().send("in time\n")));
    sim.stop();
    sim.run();
    assert_eq!(clients.iter().filter(|&&client| sim.was_reset(client)).count(), 3);
    assert!(matches!(sim.outcome(), Some(Ok(()))));
    sim.check();
}

#[test]
fn a_client_that_does_not_close_holds_a_drain_up_for_a_second() {
    let second = Duration::from_secs(1);
    // One is idle when the drain begins, and one has lingered for a while already.
    for begin in [Script::new(), Script::new().send("x".repeat(70_000))] {
        let mut sim = Simulation::<Echo>::new(1, |_| EchoClient);
        let client = sim.connect(begin.stay_open());
        sim.run_for(second * 2);
        sim.stop();
        sim.run();
        assert!(sim.now() <= second * 3 + Duration::from_millis(50), "ended at {:?}", sim.now());
        assert!(sim.saw_end(client));
        assert!(matches!(sim.outcome(), Some(Ok(()))));
        sim.check();
    }
}

#[test]
fn a_drain_takes_what_a_client_goes_on_sending() {
    let mut sim = Simulation::<Echo>::new(1, |_| EchoClient);
    let pause = Duration::from_millis(800);
    let client = sim.connect(
        Script::new().send("one\n").wait(pause * 2).send("two\n").wait(pause).send("three\n"),
    );
    sim.run_for(pause);
    sim.stop();
    sim.run();
    assert_eq!(sim.received(client), b"one\n");
    assert!(sim.saw_end(client), "its last words do not turn the answer into a reset");
    sim.check();
}

#[test]
fn a_reset_is_noticed_though_the_end_of_input_came_before() {
    let mut sim = Simulation::<Told>::new(1, |_| Teller);
    let pause = Duration::from_millis(100);
    let client = sim.connect(Script::new().half_close().wait(pause).reset());
    sim.run();
    assert_eq!(*sim.shared(), ["eof", "eof", "end"]);
    assert!(sim.ended_at(client).expect("ended") < pause * 2);
    sim.check();
}

#[test]
fn a_worker_that_breaks_during_a_drain_does_not_cut_the_others_off() {
    for seed in 0..20 {
        let mut sim = Simulation::<Told>::of_workers(3, seed, |_| Teller);
        for _ in 0..6 {
            sim.connect(Script::new());
            sim.run_for(Duration::from_millis(100));
        }
        assert_eq!(sim.loads(), [2, 2, 2]);
        sim.stop();
        sim.run_for(Duration::from_millis(100));
        sim.break_worker(1);
        sim.run();
        for worker in [0, 2] {
            let told = sim.shared_of(worker);
            let count = |word| told.iter().filter(|told| **told == word).count();
            // Each of the two goes through all three states.
            assert_eq!((count("shutdown"), count("end")), (6, 2), "seed {seed}: {told:?}");
        }
        assert!(matches!(sim.outcome(), Some(Err(_))));
    }
}
