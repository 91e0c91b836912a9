//! Random sessions: many clients with random scripts on a random network with random faults. The
//! books must balance, every byte of an echo must be right, and once the faults stop everybody ends
//! in time.
//!
//! `SIM_SEEDS=1000000 cargo test -p fsm-runtime --release sim_campaign` runs more of them, and
//! `SIM_SEED=7` runs one again.

use std::num::NonZero;
use std::time::Duration;

use fsm_runtime::testing::sim::{Faults, Network, Reporting, Script, Simulation};

use crate::machines::{Echo, EchoClient, check_echo};

/// The sessions of an ordinary run.
const SESSIONS: u64 = 1_000;

/// The longest a client's script waits in all, and the longest deadline of the machine with the
/// time a lingering connection has: by then everybody has ended.
pub(crate) const END: Duration = Duration::from_secs(120);

/// The most who come in one after the other, where there are few places.
const TURNS: u32 = 4;

/// Numbers for the making of a session; the simulation has its own.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.roll(choices.len() as u64)).expect("a small number")]
    }

    pub(crate) fn millis(&mut self, limit: u64) -> Duration {
        Duration::from_millis(self.roll(limit))
    }
}

/// Some lines, fewer and shorter ones where the network is slow.
fn lines(dice: &mut Dice, network: &Network) -> Vec<u8> {
    let is_slow = network.segment < 100 || network.receive_buffer < 1_000;
    let longest = if is_slow { dice.pick(&[4, 80]) } else { dice.pick(&[80, 80, 80, 3_000]) };
    let longest = if is_slow || dice.roll(20) > 0 { longest } else { 90_000 };
    let mut bytes = Vec::new();
    for _ in 0..=dice.pick(&[0, 2, 5]) {
        let length = dice.roll(longest);
        bytes.extend((0..length).map(|_| b'A' + u8::try_from(dice.roll(26)).expect("a letter")));
        bytes.push(b'\n');
    }
    if dice.roll(4) == 0 {
        bytes.pop();
    }
    bytes
}

pub(crate) fn script(dice: &mut Dice, network: &Network) -> Script {
    let mut script = Script::new().wait(dice.millis(2_000));
    for _ in 0..dice.roll(8) {
        script = match dice.roll(12) {
            0..=4 => script.send(lines(dice, network)),
            5 | 6 => script.wait(dice.millis(3_000)),
            7 => script.read(usize::try_from(dice.roll(10_000)).expect("a small number")),
            8 => script.read_all(),
            9 => script.half_close(),
            10 if dice.roll(3) == 0 => script.reset(),
            11 if dice.roll(3) == 0 => script.close(),
            _ => script.expect(usize::try_from(dice.roll(100)).expect("a small number")),
        };
    }
    if dice.roll(2) == 0 { script.half_close() } else { script }
}

pub(crate) fn network(dice: &mut Dice) -> Network {
    Network {
        segment: dice.pick(&[1, 7, 536, 1_448, usize::MAX]),
        regular: dice.roll(2) == 0,
        delay: dice.pick(&[0, 1, 40, 300]),
        send_buffer: dice.pick(&[1, 100, 4_096, 128 * 1024]),
        receive_buffer: dice.pick(&[1, 100, 4_096, 128 * 1024]),
        client_buffer: dice.pick(&[1, 100, 4_096, 128 * 1024]),
        events: dice.pick(&[1, 3, 256]),
    }
}

fn session(seed: u64) -> u64 {
    let mut dice = Dice(seed);
    let mut sim = Simulation::<Echo>::new(seed, |_| EchoClient);
    let network = network(&mut dice);
    sim.network(network);
    sim.reporting(dice.pick(&[Reporting::Edge, Reporting::Oneshot]));
    sim.faults(dice.pick(&[Faults::NONE, Faults::HARMLESS, Faults::STORM]));
    sim.descriptors(dice.pick(&[None, None, Some(3)]));
    sim.limits(dice.pick(&[None, None, NonZero::new(2)]), dice.pick(&[None, NonZero::new(3)]));
    let count = 1 + dice.roll(8);
    let clients: Vec<_> = (0..count).map(|_| sim.connect(script(&mut dice, &network))).collect();
    sim.run_for(Duration::from_secs(20));
    sim.faults(Faults::NONE);
    sim.network(Network::default());
    sim.descriptors(None);
    sim.run_for(END * TURNS);
    for &client in &clients {
        check_echo(&sim, client);
    }
    assert!(sim.outcome().is_none(), "the server goes on: {:?}", sim.outcome());
    assert_eq!(sim.open(), 0, "everybody has ended {END:?} after the last fault");
    assert_eq!(sim.summary().panics, 0);
    sim.check();
    sim.fingerprint()
}

pub(crate) fn sessions() -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|value: String| value.parse().ok());
    if let Some(seed) = number("SIM_SEED") {
        return seed..seed + 1;
    }
    0..number("SIM_SEEDS").unwrap_or(SESSIONS)
}

#[test]
fn sim_campaign() {
    for seed in sessions() {
        session(seed);
    }
}

/// A server that is asked to stop in the middle of everything.
fn drained_session(seed: u64) {
    let mut dice = Dice(seed);
    let mut sim = Simulation::<Echo>::new(seed, |_| EchoClient);
    let network = network(&mut dice);
    sim.network(network).listeners(2);
    sim.reporting(dice.pick(&[Reporting::Edge, Reporting::Oneshot]));
    sim.faults(dice.pick(&[Faults::NONE, Faults::HARMLESS, Faults::STORM]));
    sim.descriptors(dice.pick(&[None, None, Some(3)]));
    sim.limits(dice.pick(&[None, NonZero::new(5)]), dice.pick(&[None, NonZero::new(3)]));
    let clients: Vec<_> = (0..1 + dice.roll(40))
        .map(|number| sim.connect_at(usize::from(number % 3 == 0), script(&mut dice, &network)))
        .collect();
    sim.run_for(dice.millis(3_000));
    let asked = sim.now();
    sim.stop();
    sim.run();
    assert!(matches!(sim.outcome(), Some(Ok(()))), "seed {seed}: {:?}", sim.outcome());
    assert!(clients.iter().filter_map(|&it| sim.ended_at(it)).all(|at| at < asked + END));
    for &client in &clients {
        check_echo(&sim, client);
    }
    assert_eq!(sim.summary().panics, 0);
    sim.check();
}

#[test]
fn a_drain_ends_whatever_goes_on() {
    // One in four, to spare an ordinary run's time.
    for seed in sessions().step_by(4) {
        drained_session(seed);
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 0..20 {
        assert_eq!(session(seed), session(seed), "seed {seed}");
    }
}
