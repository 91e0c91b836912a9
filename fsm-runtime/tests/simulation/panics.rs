//! What an action that panics or fails costs: its own connection, and what it had queued itself.

use std::io;
use std::time::Duration;

use fsm_runtime::testing::sim::{Reporting, Script, Simulation};
use fsm_runtime::{Io, Lines, Machine};

/// Does what its lines say, and leaves word when it enters its terminal state.
#[derive(Machine)]
#[machine(context = Frail, input = Lines<'_>, shared = Vec<&'static str>)]
enum Obeying {
    #[initial]
    #[on(Line(line) => obey(line)? -> Stay | Holding | Closed)]
    #[on(TooLong -> Closed)]
    #[on(eof(_) -> Closed)]
    #[on(shutdown -> Closed)]
    #[on(lost(_) => mourn -> Closed)]
    #[after(patience() without input -> Closed)]
    Reading,

    #[on(Line(line) => poke(line, bomb))]
    #[on(eof(_) => spend(bomb) -> Closed)]
    #[ignores(TooLong, shutdown)]
    #[after(5s without input -> Closed)]
    Holding { bomb: Bomb },

    #[terminal]
    #[enter(leave_word)]
    Closed,
}

struct Frail {
    enters_badly: bool,
    mourns_badly: bool,
    impatient: bool,
}

/// Panics when it is dropped, if it is live.
struct Bomb {
    live: bool,
}

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(!self.live || std::thread::panicking(), "the bomb goes off");
    }
}

impl Frail {
    fn obey(&mut self, line: &[u8], io: &mut Io<'_, Obeying>) -> io::Result<ObeyingObey> {
        io.out.send(line);
        match line {
            b"panic\n" => panic!("as told"),
            b"fail\n" => return Err(io::ErrorKind::Other.into()),
            b"hold\n" => return Ok(ObeyingObey::Holding { bomb: Bomb { live: false } }),
            b"bomb\n" => return Ok(ObeyingObey::Holding { bomb: Bomb { live: true } }),
            b"enter badly\n" => self.enters_badly = true,
            b"mourn badly\n" => self.mourns_badly = true,
            b"be impatient\n" => self.impatient = true,
            b"end\n" => return Ok(ObeyingObey::Closed),
            _ => {}
        }
        Ok(ObeyingObey::Stay)
    }

    fn poke(&mut self, line: &[u8], _: &mut Bomb, io: &mut Io<'_, Obeying>) {
        io.out.send(line);
        assert!(line != b"panic\n", "as told");
    }

    fn spend(&mut self, bomb: Bomb, io: &mut Io<'_, Obeying>) {
        io.out.send(b"never sent");
        let _kept = bomb;
        panic!("spending the bomb");
    }

    fn mourn(&mut self, _: &mut Io<'_, Obeying>) {
        assert!(!self.mourns_badly, "as told");
    }

    fn patience(&self) -> Duration {
        assert!(!self.impatient, "as told");
        Duration::from_secs(5)
    }

    fn leave_word(&mut self, io: &mut Io<'_, Obeying>) {
        io.shared.push("closed");
        assert!(!self.enters_badly, "as told");
    }
}

/// Runs a client beside a polite one. Answers what it received and how many panics there were.
fn run(script: &Script, reporting: Reporting) -> (Vec<u8>, u64) {
    let frail = |_: &_| Frail { enters_badly: false, mourns_badly: false, impatient: false };
    let mut sim = Simulation::<Obeying>::new(1, frail);
    sim.reporting(reporting);
    let pause = Duration::from_millis(40);
    let polite = Script::new().send("a\n").wait(pause).send("b\n").wait(pause).send("c\n");
    let polite = sim.connect(polite.half_close());
    let client = sim.connect(script.clone());
    sim.run();
    assert_eq!(sim.received(polite), b"a\nb\nc\n", "the others never notice");
    assert_eq!(*sim.shared(), ["closed", "closed"], "each enters its terminal state once");
    assert_eq!((sim.open(), sim.buffers_held()), (0, 0));
    sim.check();
    (sim.received(client).to_vec(), sim.summary().panics)
}

fn check(script: &Script, received: &str, panics: u64) {
    for reporting in [Reporting::Edge, Reporting::Oneshot] {
        let (got, counted) = run(script, reporting);
        assert_eq!(String::from_utf8_lossy(&got), received);
        assert_eq!(counted, panics);
    }
}

#[test]
fn what_a_panicking_action_queued_is_dropped_and_the_rest_is_sent() {
    check(&Script::new().send("a\nb\npanic\nc\n"), "a\nb\n", 1);
    check(&Script::new().send("panic\n"), "", 1);
    check(&Script::new().send("a\nhold\nb\npanic\nc\n"), "a\nhold\nb\n", 1);
}

#[test]
fn what_a_failing_action_queued_is_dropped_and_the_rest_is_sent() {
    check(&Script::new().send("a\nb\nfail\nc\n"), "a\nb\n", 0);
}

#[test]
fn a_panic_with_the_data_moved_out_costs_its_connection() {
    check(&Script::new().send("a\nhold\nb\n").half_close(), "a\nhold\nb\n", 1);
}

#[test]
fn a_panic_in_a_drop_costs_its_connection() {
    // The deadline drops the data.
    check(&Script::new().send("bomb\n"), "bomb\n", 1);
    // The data is dropped because the action panicked.
    check(&Script::new().send("bomb\npanic\n"), "bomb\n", 2);
}

#[test]
fn a_panic_in_the_enter_of_the_terminal_state_is_the_end_all_the_same() {
    check(&Script::new().send("enter badly\nend\n"), "enter badly\n", 1);
    check(&Script::new().send("enter badly\npanic\n"), "enter badly\n", 2);
}

#[test]
fn a_panic_on_the_way_out_is_no_way_around_the_terminal_state() {
    check(
        &Script::new().send("mourn badly\n").wait(Duration::from_millis(5)).reset(),
        "mourn badly\n",
        1,
    );
}

#[test]
fn a_panic_in_the_method_of_a_limit_costs_its_connection() {
    check(&Script::new().send("be impatient\n"), "be impatient\n", 1);
}

/// Everything that can panic on the way to the terminal state does.
#[derive(Machine)]
#[machine(context = Doomed, input = Lines<'_>)]
enum Cursed {
    #[initial]
    #[on(Line(_) => arm -> Armed)]
    #[on(TooLong | eof | shutdown -> Gone)]
    #[after(5s without input -> Gone)]
    Unarmed,
    #[on(Line(_) => fire(bomb))]
    #[ignores(TooLong, eof, shutdown)]
    #[after(5s without input -> Gone)]
    Armed { bomb: Bomb },
    #[terminal(abort)]
    #[enter(despair)]
    Gone,
}

struct Doomed;

impl Doomed {
    fn arm(&mut self, _: &mut Io<'_, Cursed>) -> CursedArm {
        CursedArm::Armed { bomb: Bomb { live: true } }
    }

    fn fire(&mut self, _: &mut Bomb, _: &mut Io<'_, Cursed>) {
        panic!("as told");
    }

    fn despair(&mut self, _: &mut Io<'_, Cursed>) {
        panic!("as told");
    }
}

#[test]
fn a_panic_in_the_action_the_drop_and_the_enter_ends_as_the_table_says() {
    let mut sim = Simulation::<Cursed>::new(1, |_| Doomed);
    let client = sim.connect(Script::new().send("arm\nfire\n"));
    sim.run();
    assert!(sim.was_reset(client), "the terminal state aborts");
    assert_eq!(sim.summary().panics, 3);
    sim.check();
}

#[test]
fn a_panic_in_the_first_limit_costs_its_connection() {
    for reporting in [Reporting::Edge, Reporting::Oneshot] {
        let mut sim = Simulation::<Obeying>::new(1, |_| Frail {
            enters_badly: false,
            mourns_badly: false,
            impatient: true,
        });
        sim.reporting(reporting);
        // Somebody who comes alone is taken in another way than one who comes in a crowd.
        for count in [3, 1] {
            let clients: Vec<_> = (0..count).map(|_| sim.connect(Script::new())).collect();
            sim.run_for(Duration::from_millis(200));
            assert!(clients.iter().all(|&client| sim.saw_end(client)));
        }
        assert_eq!((sim.open(), sim.summary().panics), (0, 4));
        sim.check();
    }
}

#[test]
fn a_worker_that_breaks_lets_every_machine_clean_up() {
    let frail = |_: &_| Frail { enters_badly: false, mourns_badly: false, impatient: false };
    let mut sim = Simulation::<Obeying>::new(3, frail);
    // They go on talking, so that no deadline of theirs passes before the worker gives up.
    let pause = Duration::from_millis(40);
    let script = (0..100).fold(Script::new(), |script, _| script.send("a\n").wait(pause));
    let clients: Vec<_> = (0..3).map(|_| sim.connect(script.clone())).collect();
    sim.run_for(Duration::from_millis(500));
    assert_eq!((sim.open(), sim.shared().len()), (clients.len(), 0));
    sim.break_worker(0);
    sim.run();
    assert!(matches!(sim.outcome(), Some(Err(_))));
    assert_eq!(sim.shared().len(), clients.len(), "each has entered its terminal state");
    assert_eq!(sim.summary().closed, clients.len() as u64);
}
