//! Faults one by one: every call fails once and for good, descriptors run out, stale events come.

use std::time::Duration;

use fsm_runtime::testing::sim::{Faults, Network, Reporting, Script, Simulation};
use fsm_runtime::{Io, Machine};
use rustix::io::Errno;

use crate::machines::{Echo, EchoClient, check_echo};

const ERRORS: [Errno; 13] = [
    Errno::CONNRESET,
    Errno::PIPE,
    Errno::TIMEDOUT,
    Errno::HOSTUNREACH,
    Errno::INTR,
    Errno::CONNABORTED,
    Errno::PROTO,
    Errno::PERM,
    Errno::MFILE,
    Errno::NFILE,
    Errno::NOBUFS,
    Errno::NOMEM,
    Errno::NOSPC,
];

/// Three clients, of whom a failing call may cost one; answers whether there was such a call.
fn fail(call: u64, error: Errno, sticky: bool, reporting: Reporting) -> bool {
    let mut sim = Simulation::<Echo>::new(call, |_| EchoClient);
    sim.reporting(reporting).fail_call(call, error.raw_os_error(), sticky);
    sim.network(Network { segment: 5, send_buffer: 6, delay: 20, ..Network::default() });
    let pause = Duration::from_millis(50);
    let scripts = [
        Script::new().send("one\ntwo\nthe rest").half_close(),
        Script::new().wait(pause).send("hello").wait(pause).send("\nagain\n").half_close(),
        Script::new().send("a longer line of a slow reader\n").read(3).wait(pause).read_all(),
    ];
    let clients = scripts.map(|script| sim.connect(script));
    sim.run_for(Duration::from_secs(120));
    sim.check();
    let mut hurt = 0;
    for client in clients {
        check_echo(&sim, client);
        hurt += usize::from(sim.received(client) != sim.sent(client));
    }
    let told = format!("{error} at call {call}, {reporting:?}");
    if !sticky {
        assert!(hurt <= 1, "{told} hurt {hurt} clients");
        assert!(sim.outcome().is_none(), "{told} stopped the server");
    }
    assert_eq!(sim.summary().panics, 0, "{told} made something panic");
    let left = if sim.outcome().is_none() { sim.open() } else { 0 };
    assert_eq!(left, 0, "{told} left connections behind");
    sim.has_failed()
}

#[test]
fn any_call_may_fail_and_costs_one_connection_at_most() {
    let mut points = 0;
    for reporting in [Reporting::Edge, Reporting::Oneshot] {
        for sticky in [false, true] {
            for error in ERRORS {
                points += (0..).take_while(|&call| fail(call, error, sticky, reporting)).count();
            }
        }
    }
    assert!(points > 1_500, "only {points} calls were made to fail");
}

#[test]
fn a_wait_that_fails_for_good_ends_the_server_and_no_other_does() {
    let mut sim = Simulation::<Echo>::new(1, |_| EchoClient);
    sim.fail_call(0, Errno::NOMEM.raw_os_error(), true);
    sim.connect(Script::new().send("hello\n"));
    sim.run();
    assert!(matches!(sim.outcome(), Some(Err(_))));
}

#[test]
fn a_stale_event_never_reaches_the_connection_that_took_the_slot() {
    let mut stale = 0;
    for reporting in [Reporting::Edge, Reporting::Oneshot] {
        let mut sim = Simulation::<Echo>::new(3, |_| EchoClient);
        sim.reporting(reporting).faults(Faults { stale: 500, ..Faults::NONE });
        let pause = Duration::from_millis(7);
        let clients: Vec<_> = (0..200)
            .map(|number| {
                let begin = Script::new().wait(pause * number).send("half ").wait(pause * 3);
                sim.connect(begin.send("a line\n").half_close())
            })
            .collect();
        sim.run();
        assert!(clients.iter().all(|&client| sim.received(client) == b"half a line\n"));
        assert_eq!(sim.summary().lost, 0);
        stale += sim.summary().stale_events;
        sim.check();
    }
    assert!(stale > 50, "only {stale} stale events came");
}

#[test]
fn running_out_of_descriptors_pauses_accepting_and_nobody_else_notices() {
    let mut sim = Simulation::<Echo>::new(1, |_| EchoClient);
    sim.descriptors(Some(3));
    let talk = || Script::new().send("a\n").expect(2);
    let first = sim.connect(talk());
    let second = sim.connect(talk());
    sim.run_for(Duration::from_millis(20));
    let waiting = sim.connect(talk());
    sim.run_for(Duration::from_millis(20));
    assert_eq!((sim.open(), sim.summary().pauses), (2, 1));
    sim.then(first, Script::new().send("still served\n").expect(15));
    sim.run_for(Duration::from_millis(20));
    assert_eq!(sim.received(first), b"a\nstill served\n");
    assert_eq!(sim.received(waiting), b"");

    // Who leaves makes room, and accepting resumes by itself.
    sim.then(second, Script::new().half_close());
    sim.run_for(Duration::from_millis(200));
    assert_eq!(sim.received(waiting), b"a\n");
    assert_eq!(sim.summary().refused, 0);

    // Where a pause did not help, who waits is turned away by the reserve.
    let refused = sim.connect(talk());
    sim.run_for(Duration::from_millis(400));
    assert_eq!(sim.summary().refused, 1);
    assert!(sim.saw_end(refused) || sim.was_reset(refused));
    assert_eq!(sim.open(), 2);
    sim.run();
    sim.check();
}

/// Waits for the clock alone, so that nothing but a report of its death can end it early.
#[derive(Machine)]
#[machine(context = Sleeper)]
enum Napping {
    #[initial]
    #[ignores(eof, shutdown)]
    #[after(50ms => wave -> Closed)]
    Asleep,
    #[terminal]
    Closed,
}

struct Sleeper;

impl Sleeper {
    fn wave(&mut self, io: &mut Io<'_, Napping>) {
        io.out.send(b"done\n");
    }
}

#[test]
fn a_stale_report_of_death_kills_nobody_else() {
    let mut sim = Simulation::<Napping>::new(3, |_| Sleeper);
    sim.faults(Faults { stale: 900, ..Faults::NONE });
    let pause = Duration::from_millis(7);
    for _ in 0..300 {
        let client = sim.connect(Script::new());
        sim.run_for(pause);
        assert!(!sim.was_reset(client));
    }
    sim.run();
    assert_eq!(sim.summary().lost, 0);
    assert!(sim.summary().stale_events > 50);
    sim.check();
}
