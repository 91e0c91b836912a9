//! Who is let in: as many connections as there are places, and of one address as many as it may
//! have.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZero;
use std::time::Duration;

use fsm_runtime::testing::sim::{ClientId, Faults, Reporting, Script, Simulation};

use crate::machines::{Echo, EchoClient};

/// Longer than everything that is under way takes, shorter than a pause in accepting.
const MOMENT: Duration = Duration::from_millis(40);

fn limited(connections: usize, per_address: usize) -> Simulation<Echo> {
    let mut sim = Simulation::new(1, |_| EchoClient);
    sim.limits(NonZero::new(connections), NonZero::new(per_address));
    sim
}

fn talk() -> Script {
    Script::new().send("a\n").expect(2)
}

fn is_served(sim: &Simulation<Echo>, client: ClientId) -> bool {
    sim.received(client) == b"a\n"
}

#[test]
fn when_all_places_are_taken_others_wait_and_come_in_as_soon_as_one_leaves() {
    for reporting in [Reporting::Edge, Reporting::Oneshot] {
        let mut sim = limited(2, 0);
        sim.reporting(reporting).listeners(2);
        let first = sim.connect(talk());
        let second = sim.connect_at(1, talk());
        sim.run_for(MOMENT);
        let waiting = [sim.connect(talk()), sim.connect_at(1, talk())];
        sim.run_for(Duration::from_secs(1));
        assert_eq!((sim.open(), sim.summary().accepted), (2, 2));
        assert!(waiting.iter().all(|&client| !is_served(&sim, client) && !sim.was_reset(client)));

        // Those who are served do not notice.
        sim.then(first, Script::new().send("still served\n").expect(15));
        sim.run_for(MOMENT);
        assert_eq!(sim.received(first), b"a\nstill served\n");

        for (leaves, comes) in [(second, waiting[0]), (first, waiting[1])] {
            let served = sim.summary().accepted;
            sim.then(leaves, Script::new().half_close());
            sim.run_for(MOMENT);
            assert_eq!(sim.summary().accepted, served + 1, "{comes:?} is let in at once");
        }
        assert!(waiting.iter().all(|&client| is_served(&sim, client)));
        assert_eq!(sim.summary().refused, 0);
        sim.run();
        sim.check();
    }
}

#[test]
fn waiting_for_a_place_takes_a_look_now_and_then_and_no_more() {
    let mut sim = limited(1, 0);
    sim.connect(talk());
    sim.connect(talk());
    sim.run_for(MOMENT);
    let calls = sim.calls();
    sim.run_for(Duration::from_secs(10));
    let calls = sim.calls() - calls;
    assert!(calls <= 110, "{calls} calls in ten seconds");
    assert_eq!(sim.summary().pauses, 1);
}

#[test]
fn a_place_whose_connection_ends_in_a_crowd_is_taken_by_somebody_every_time() {
    let mut sim = limited(3, 0);
    let clients: Vec<_> =
        (0..500).map(|_| sim.connect(Script::new().send("a\n").expect(2).half_close())).collect();
    sim.run_for(MOMENT);
    let served = clients.iter().filter(|&&client| is_served(&sim, client)).count();
    assert_eq!(served, 500, "nobody waits out a pause for nothing");
    sim.check();
}

#[test]
fn who_waits_for_a_place_when_the_server_is_to_stop_has_to_go() {
    let mut sim = limited(1, 0);
    let served = sim.connect(talk());
    let waiting = sim.connect(talk());
    sim.run_for(MOMENT);
    sim.stop();
    sim.run();
    assert!(is_served(&sim, served) && sim.saw_end(served));
    assert!(sim.was_reset(waiting) && !is_served(&sim, waiting));
    sim.check();
}

#[test]
fn an_address_has_as_many_connections_as_it_may_and_more_are_closed_at_once() {
    let mut sim = limited(0, 2);
    let other = IpAddr::from(Ipv4Addr::new(192, 0, 2, 7));
    let clothed = IpAddr::from(Ipv4Addr::new(192, 0, 2, 7).to_ipv6_mapped());
    let first = sim.connect_from(other, talk());
    let second = sim.connect_from(clothed, talk());
    let third = sim.connect_from(other, talk());
    let local = sim.connect(talk());
    sim.run_for(MOMENT);
    assert!([first, second, local].iter().all(|&client| is_served(&sim, client)));
    assert!(!is_served(&sim, third) && (sim.saw_end(third) || sim.was_reset(third)));
    assert_eq!((sim.summary().accepted, sim.summary().refused), (3, 1));

    sim.then(first, Script::new().half_close());
    sim.run_for(MOMENT);
    let fourth = sim.connect_from(clothed, talk());
    sim.run_for(MOMENT);
    assert!(is_served(&sim, fourth), "the first has made room");
    sim.run();
    sim.check();
}

#[test]
fn a_network_of_ipv6_counts_as_one_address() {
    let mut sim = limited(0, 1);
    let at = |network, machine| {
        IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 0, network, machine, 0, 0, machine))
    };
    let clients = [at(1, 1), at(1, 2), at(2, 1)].map(|source| sim.connect_from(source, talk()));
    sim.run_for(MOMENT);
    assert_eq!(clients.map(|client| is_served(&sim, client)), [true, false, true]);
}

#[test]
fn who_is_refused_takes_no_place_and_whoever_ended_in_whatever_way_gave_it_back() {
    for seed in 0..200 {
        let mut sim = Simulation::<Echo>::new(seed, |_| EchoClient);
        sim.limits(NonZero::new(4), NonZero::new(2)).faults(Faults::STORM);
        for number in 0..60 {
            let source = IpAddr::from(Ipv4Addr::new(192, 0, 2, number / 12));
            let script = match number % 3 {
                0 => talk().half_close(),
                1 => Script::new().send("half").reset(),
                _ => talk().close(),
            };
            sim.connect_from(source, script);
        }
        sim.run_for(Duration::from_secs(300));
        sim.check();
        assert_eq!(sim.open(), 0, "seed {seed}");
        sim.faults(Faults::NONE);
        // All of an address come in again, so none of those before is still counted.
        let again = (0..5).map(|number| IpAddr::from(Ipv4Addr::new(192, 0, 2, number)));
        let again: Vec<_> = again
            .flat_map(|it| [it; 2])
            .map(|it| sim.connect_from(it, talk().half_close()))
            .collect();
        sim.run_for(Duration::from_secs(100));
        let served = again.iter().filter(|&&client| is_served(&sim, client)).count();
        assert_eq!(served, again.len(), "seed {seed}: {:?}", sim.summary());
        sim.check();
    }
}

#[test]
fn a_pause_that_helped_is_over_also_for_a_worker_that_hands_over() {
    for reporting in [Reporting::Edge, Reporting::Oneshot] {
        let mut sim = Simulation::<Echo>::of_workers(2, 1, |_| EchoClient);
        // One descriptor of each worker is spare.
        sim.reporting(reporting).acceptors(&[0]).descriptors(Some(2 + 4));
        let served: Vec<_> = (0..4)
            .map(|_| {
                let client = sim.connect(talk());
                sim.run_for(MOMENT);
                client
            })
            .collect();
        assert_eq!(sim.loads(), [2, 2]);
        let leave = |sim: &mut Simulation<Echo>, client| {
            sim.then(client, Script::new().half_close());
            sim.run_for(Duration::from_secs(1));
        };
        for leaver in [served[1], served[3]] {
            let waits = sim.connect(talk());
            sim.run_for(MOMENT);
            leave(&mut sim, leaver);
            assert!(is_served(&sim, waits), "let in after the pause, and handed over");
            assert_eq!((sim.worker_of(waits), sim.summary().refused), (Some(1), 0));
        }
        sim.run();
        sim.check();
    }
}
