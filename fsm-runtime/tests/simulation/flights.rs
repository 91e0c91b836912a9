//! Jobs of the worker and tickets together: one job for many who ask for the same, and servers that
//! stop while jobs run.

use std::collections::BTreeMap;
use std::time::Duration;

use fsm_runtime::testing::sim::{Faults, Network, Reporting, Script, Simulation};
use fsm_runtime::{Io, Lines, Machine, OperationError, Ticket};

use crate::campaign::{Dice, END, network, sessions};

/// Answers a name with the file of that name, which one job fetches for all who ask meanwhile.
#[derive(Machine)]
#[machine(context = Reader, input = Lines<'_>, shared = Cache, reply = Fetched)]
enum Reading {
    #[initial]
    #[on(Line(name) => look_up(name) -> Stay | Waiting)]
    #[on(TooLong | eof | shutdown -> Closed)]
    #[after(10s without input -> Closed)]
    Idle,
    #[on(reply(file) => send(file) -> Idle)]
    #[ignores(shutdown)]
    #[after(5s => give_up -> Closed)]
    Waiting,
    #[terminal]
    Closed,
}

type Fetched = Result<String, OperationError>;

struct Reader;

#[derive(Default)]
struct Cache {
    files: BTreeMap<String, String>,
    asking: BTreeMap<String, Vec<Ticket<Reading>>>,
    fetched: u32,
    given_up: u32,
}

impl Reader {
    fn look_up(&mut self, name: &[u8], io: &mut Io<'_, Reading>) -> ReadingLookUp {
        let name = String::from_utf8_lossy(name).trim_end().to_owned();
        if let Some(file) = io.shared.files.get(&name) {
            io.out.send(file.as_bytes());
            return ReadingLookUp::Stay;
        }
        let ticket = io.ticket();
        let asking = io.shared.asking.entry(name.clone()).or_default();
        asking.push(ticket);
        if asking.len() == 1 {
            let job = {
                let name = name.clone();
                move || {
                    assert!(!name.starts_with("bad"), "as told");
                    format!("{name}!\n")
                }
            };
            let key = name.clone();
            let fetched = io.offload_shared(job, move |cache, file| cache.fill(key, file));
            if fetched.is_err() {
                // The tickets are dropped unused, which tells who waits, this one included.
                io.shared.asking.remove(&name);
            }
        }
        ReadingLookUp::Waiting
    }

    fn send(&mut self, file: Fetched, io: &mut Io<'_, Reading>) {
        match file {
            Ok(file) => io.out.send(file.as_bytes()),
            Err(error) => writeln!(io.out, "{error:?}"),
        }
    }

    fn give_up(&mut self, io: &mut Io<'_, Reading>) {
        io.shared.given_up += 1;
    }
}

impl Cache {
    fn fill(&mut self, name: String, file: Fetched) {
        self.fetched += 1;
        assert!(name != "worse", "as told");
        for ticket in self.asking.remove(&name).unwrap_or_default() {
            ticket.answer(file.clone());
        }
        if let Ok(file) = file {
            self.files.insert(name, file);
        }
    }
}

fn reading(seed: u64) -> Simulation<Reading> {
    Simulation::new(seed, |_| Reader)
}

const A_WHILE: Duration = Duration::from_secs(2);

#[test]
fn one_job_answers_a_thousand_requests() {
    for reporting in [Reporting::Edge, Reporting::Oneshot] {
        let mut sim = reading(1);
        sim.reporting(reporting).job_time(A_WHILE..=A_WHILE);
        let clients: Vec<_> =
            (0..1_000).map(|_| sim.connect(Script::new().send("index\n"))).collect();
        sim.run_for(A_WHILE * 2);
        assert_eq!((sim.jobs(), sim.shared().fetched), ((1, 0), 1));
        assert!(clients.iter().all(|&client| sim.received(client) == b"index!\n"));
        let late = sim.connect(Script::new().send("index\n"));
        sim.run();
        assert_eq!((sim.received(late), sim.jobs()), (&b"index!\n"[..], (1, 0)));
        assert_eq!((sim.open(), sim.buffers_held()), (0, 0));
        sim.check();
    }
}

#[test]
fn the_flight_goes_on_though_whoever_began_it_is_gone() {
    let mut sim = reading(1);
    sim.job_time(A_WHILE..=A_WHILE);
    let pause = Duration::from_millis(50);
    let first = sim.connect(Script::new().send("index\n").wait(pause).reset());
    sim.run_for(pause / 2);
    let others = [(); 9].map(|()| sim.connect(Script::new().send("index\n")));
    sim.run();
    assert!(sim.received(first).is_empty());
    assert!(others.iter().all(|&client| sim.received(client) == b"index!\n"));
    assert_eq!(sim.jobs(), (1, 0));
    sim.check();
}

#[test]
fn a_flight_that_fails_is_told_to_all() {
    let mut sim = reading(1);
    let clients = [(); 9].map(|()| sim.connect(Script::new().send("bad\n")));
    sim.run();
    assert!(clients.iter().all(|&client| sim.received(client) == b"Panicked\n"));
    sim.check();
    // No place in the pool: the tickets are dropped.
    let mut sim = reading(1);
    sim.pool_room(0);
    let clients = [(); 9].map(|()| sim.connect(Script::new().send("index\n")));
    sim.run();
    assert!(clients.iter().all(|&client| sim.received(client) == b"Abandoned\n"));
    sim.check();
}

#[test]
fn an_end_of_a_job_that_panics_hurts_nobody() {
    let mut sim = reading(1);
    let waits = sim.connect(Script::new().send("worse\n"));
    let other = sim.connect(Script::new().send("index\n"));
    sim.run_for(A_WHILE);
    assert_eq!((sim.summary().panics, sim.open()), (1, 2));
    assert_eq!(sim.received(other), b"index!\n");
    assert_eq!(sim.state(waits), Some("Waiting"), "its ticket is still in the shared data");
    sim.run();
    assert_eq!(sim.shared().given_up, 1);
    sim.check();
}

#[test]
fn a_drain_waits_for_what_jobs_answer() {
    for seed in 0..50 {
        let mut sim = reading(seed);
        sim.job_time(Duration::from_millis(100)..=A_WHILE);
        let clients = [(); 20].map(|()| sim.connect(Script::new().send("index\n")));
        sim.run_for(Duration::from_millis(50));
        sim.stop();
        sim.run();
        assert!(matches!(sim.outcome(), Some(Ok(()))));
        for client in clients {
            assert_eq!(sim.received(client), b"index!\n");
            assert!(sim.saw_end(client));
        }
        assert!(sim.now() < A_WHILE * 2);
        sim.check();
    }
}

#[test]
fn a_drain_does_not_wait_for_ever_for_a_job() {
    let mut sim = reading(1);
    sim.pool_threads(0).drain_limit(A_WHILE);
    sim.connect(Script::new().send("index\n"));
    sim.run_for(Duration::from_millis(50));
    sim.stop();
    sim.run();
    assert!(matches!(sim.outcome(), Some(Ok(()))));
    assert!(sim.now() < A_WHILE + Duration::from_millis(150));
    sim.check();
}

/// Readers on several workers, of whom each has its own cache, with faults and a stop.
fn session(seed: u64) {
    let mut dice = Dice(seed);
    let workers = dice.pick(&[1, 2, 3, 4]);
    let mut sim = Simulation::<Reading>::of_workers(workers, seed, |_| Reader);
    sim.network(network(&mut dice)).pool_threads(dice.pick(&[1, 4]));
    sim.faults(dice.pick(&[Faults::NONE, Faults::HARMLESS, Faults::STORM]));
    sim.reporting(dice.pick(&[Reporting::Edge, Reporting::Oneshot]));
    let names = ["one\n", "two\n", "three\n", "bad one\n"];
    let mut clients = Vec::new();
    for _ in 0..=dice.roll(20) {
        let mut script = Script::new().wait(dice.millis(100));
        let mut expected = Vec::new();
        for _ in 0..dice.roll(5) {
            let name = dice.pick(&names);
            script = script.send(name).wait(dice.millis(20));
            let bad = name.starts_with("bad");
            expected.push(if bad { "Panicked\n".into() } else { name.replace('\n', "!\n") });
        }
        clients.push((sim.connect(script), expected.concat()));
    }
    let stops = dice.roll(3) == 0;
    sim.run_for(dice.millis(2_000));
    if stops {
        sim.stop();
    } else {
        sim.faults(Faults::NONE).network(Network::default());
    }
    sim.run_for(END);
    for (client, expected) in &clients {
        let got = String::from_utf8_lossy(sim.server_sent(*client));
        assert!(expected.starts_with(&*got), "seed {seed}: {got} and not {expected}");
    }
    let jobs = sim.jobs();
    let fetched: u32 = (0..workers).map(|worker| sim.shared_of(worker).fetched).sum();
    assert!(stops || u64::from(fetched) == jobs.0, "seed {seed}: {fetched} of {jobs:?}");
    assert_eq!(jobs.1, 0, "what is the worker's is never cancelled");
    assert_eq!((sim.open(), sim.summary().panics), (0, 0), "seed {seed}");
    assert_eq!(sim.outcome().is_some(), stops);
    sim.check();
}

#[test]
fn sim_campaign_of_flights() {
    for seed in sessions().step_by(2) {
        session(seed);
    }
}
