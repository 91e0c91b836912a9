//! Several workers: who serves whom, what they tell each other, and how they end together.

use std::time::Duration;

use fsm_runtime::testing::sim::{ClientId, Faults, Network, Reporting, Script, Simulation};

use crate::campaign::{Dice, END, network, script, sessions};
use crate::machines::{Echo, EchoClient, check_echo};

/// A server of echoing workers, of which all accept or only that one.
fn echoing(seed: u64, workers: usize, acceptor: Option<usize>) -> Simulation<Echo> {
    let mut sim = Simulation::<Echo>::of_workers(workers, seed, |_| EchoClient);
    if let Some(acceptor) = acceptor {
        sim.acceptors(&[acceptor]);
    }
    sim
}

/// Which worker serves each client.
fn servers(sim: &mut Simulation<Echo>, clients: &[ClientId]) -> Vec<usize> {
    clients.iter().map(|&client| sim.worker_of(client).expect("served")).collect()
}

#[test]
fn a_connection_is_served_wherever_it_was_accepted() {
    for seed in 0..50 {
        let mut sim = echoing(seed, 3, Some(1));
        let pause = Duration::from_millis(100);
        let text = Script::new().send("hello\n").wait(pause).send("again\n").wait(pause);
        let clients: Vec<_> = (0..30).map(|_| sim.connect(text.clone())).collect();
        sim.run_for(pause / 2);
        let mut served = [0; 3];
        servers(&mut sim, &clients).into_iter().for_each(|worker| served[worker] += 1);
        assert_eq!(served.iter().sum::<usize>(), 30);
        assert!(served.iter().all(|&count| (9..=11).contains(&count)), "{served:?}");
        assert_eq!(sim.summary().handed_over, 30 - served[1] as u64);
        sim.run();
        assert!(clients.iter().all(|&client| sim.received(client) == b"hello\nagain\n"));
        assert_eq!((sim.open(), sim.arriving()), (0, 0));
        sim.check();
    }
}

#[test]
fn long_connections_are_spread_evenly() {
    for seed in 0..10 {
        for workers in [2, 4, 8] {
            for acceptor in [None, Some(0), Some(workers - 1)] {
                let mut sim = echoing(seed, workers, acceptor);
                let mut dice = Dice(seed);
                for _ in 0..64 {
                    sim.connect(Script::new().send("hello\n"));
                    sim.run_for(dice.millis(5));
                }
                sim.run_for(Duration::from_millis(500));
                let loads = sim.loads();
                assert_eq!(loads.iter().sum::<usize>(), 64);
                let (busiest, mean) = (*loads.iter().max().expect("one"), 64.0 / workers as f64);
                assert!(busiest as f64 <= 1.15 * mean, "seed {seed}: {loads:?}");
            }
        }
    }
}

#[test]
fn a_drain_loses_nobody_who_is_on_the_way() {
    let mut on_the_way = 0;
    for seed in 0..150 {
        let mut dice = Dice(seed);
        let workers = dice.pick(&[2, 3, 4]);
        let mut sim = echoing(seed, workers, dice.pick(&[None, Some(0), Some(1)]));
        sim.reporting(dice.pick(&[Reporting::Edge, Reporting::Oneshot]));
        // Whoever is not reported, or not read whole, has not been heard before `shutdown`.
        sim.faults(Faults { stale: 100, spurious: 100, ..Faults::NONE });
        let count = usize::try_from(1 + dice.roll(60)).expect("small");
        let mut clients = Vec::new();
        while clients.len() < count {
            clients.push(sim.connect(Script::new().send("in time\n")));
            while dice.roll(4) == 0 {
                sim.turn();
            }
        }
        sim.stop();
        while sim.turn() {
            on_the_way += sim.arriving();
        }
        for &client in &clients {
            assert_eq!(sim.received(client), b"in time\n", "seed {seed}");
            assert!(sim.saw_end(client), "seed {seed}: closed and not reset");
        }
        assert!(matches!(sim.outcome(), Some(Ok(()))));
        assert_eq!((sim.summary().accepted, sim.stranded()), (clients.len() as u64, 0));
        sim.check();
    }
    assert!(on_the_way > 300, "hand-overs and drains met {on_the_way} times");
}

#[test]
fn a_worker_that_breaks_ends_the_server() {
    let mut stranded = 0;
    for seed in 0..150 {
        let mut dice = Dice(seed);
        let workers = dice.pick(&[2, 3, 4]);
        let mut sim = echoing(seed, workers, dice.pick(&[None, Some(0), Some(1)]));
        let script = Script::new().send("hello\n").wait(A_WHILE);
        let mut clients: Vec<_> = (0..20).map(|_| sim.connect(script.clone())).collect();
        for _ in 0..dice.roll(12) {
            sim.turn();
        }
        let broken = usize::try_from(dice.roll(workers as u64)).expect("small");
        sim.break_worker(broken);
        let since = sim.now();
        while sim.outcome().is_none() && clients.len() < 200 {
            clients.push(sim.connect(script.clone()));
            sim.turn();
        }
        sim.run();
        stranded += sim.stranded();
        assert!(matches!(sim.outcome(), Some(Err(_))), "seed {seed}");
        assert!(sim.now() < since + A_WHILE * 2, "seed {seed}: the others drain, and only that");
        clients.iter().for_each(|&client| check_echo(&sim, client));
        assert!(clients.iter().all(|&it| sim.ended_at(it).is_some()), "seed {seed}");
        sim.check();
    }
    assert!(stranded > 10, "{stranded} were on the way to a worker that broke");
}

/// Longer than anything here takes but a client's patience.
const A_WHILE: Duration = Duration::from_secs(2);

/// A random session on several workers. Answers its fingerprint.
fn session(seed: u64) -> u64 {
    let mut dice = Dice(seed);
    let workers = dice.pick(&[2, 3, 4]);
    let mut sim = echoing(seed, workers, dice.pick(&[None, Some(0), Some(1)]));
    let network = network(&mut dice);
    sim.network(network);
    sim.reporting(dice.pick(&[Reporting::Edge, Reporting::Oneshot]));
    sim.faults(dice.pick(&[Faults::NONE, Faults::HARMLESS, Faults::STORM]));
    sim.descriptors(dice.pick(&[None, None, Some(2 + workers)]));
    let count = 1 + dice.roll(16);
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(sim.connect(script(&mut dice, &network)));
        if dice.roll(2) == 0 {
            sim.run_for(dice.millis(50));
        }
    }
    sim.run_for(Duration::from_secs(20));
    sim.faults(Faults::NONE);
    sim.network(Network::default());
    sim.descriptors(None);
    sim.run_for(END);
    clients.iter().for_each(|&client| check_echo(&sim, client));
    assert!(sim.outcome().is_none(), "the server goes on: {:?}", sim.outcome());
    assert_eq!((sim.open(), sim.arriving()), (0, 0), "seed {seed}: everybody has ended");
    assert_eq!(sim.summary().panics, 0);
    sim.check();
    sim.fingerprint()
}

#[test]
fn sim_campaign_of_workers() {
    // One in four, to spare an ordinary run's time.
    for seed in sessions().step_by(4) {
        session(seed);
    }
}

#[test]
fn the_same_seed_gives_the_same_run_of_all_workers() {
    for seed in 0..20 {
        assert_eq!(session(seed), session(seed), "seed {seed}");
    }
}

/// A server of several workers that is asked to stop in the middle of everything.
fn drained_session(seed: u64) {
    let mut dice = Dice(seed);
    let workers = dice.pick(&[2, 3, 4]);
    let mut sim = echoing(seed, workers, dice.pick(&[None, Some(0), Some(1)]));
    let network = network(&mut dice);
    sim.network(network);
    sim.reporting(dice.pick(&[Reporting::Edge, Reporting::Oneshot]));
    sim.faults(dice.pick(&[Faults::NONE, Faults::HARMLESS, Faults::STORM]));
    sim.descriptors(dice.pick(&[None, None, Some(2 + workers)]));
    let clients: Vec<_> =
        (0..1 + dice.roll(40)).map(|_| sim.connect(script(&mut dice, &network))).collect();
    sim.run_for(dice.millis(3_000));
    let asked = sim.now();
    sim.stop();
    let twice = dice.roll(4) == 0;
    if twice {
        sim.run_for(dice.millis(500));
        sim.stop();
    }
    sim.run();
    assert!(twice || sim.stranded() == 0, "seed {seed}: somebody was left on the way");
    assert!(matches!(sim.outcome(), Some(Ok(()))), "seed {seed}: {:?}", sim.outcome());
    assert!(clients.iter().filter_map(|&it| sim.ended_at(it)).all(|at| at < asked + END));
    clients.iter().for_each(|&client| check_echo(&sim, client));
    assert_eq!(sim.summary().panics, 0);
    sim.check();
}

#[test]
fn a_drain_of_several_workers_ends_whatever_goes_on() {
    for seed in sessions().step_by(4) {
        drained_session(seed);
    }
}
