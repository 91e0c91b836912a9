//! Bytes and their order: cuts, half-closes, what is sent last.

use std::time::Duration;

use fsm_runtime::testing::sim::{Network, Reporting, Script, Simulation};

use crate::machines::{Echo, EchoClient};

const MODES: [Reporting; 2] = [Reporting::Edge, Reporting::Oneshot];

#[test]
fn an_echo_is_the_same_however_it_is_cut() {
    let text = b"one\n\ntwo\r\n\0\xff\nthe rest";
    for reporting in MODES {
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let pause = Duration::from_millis(20);
                let script = Script::new().send(&text[..first]).wait(pause);
                let script = script.send(&text[first..second]).wait(pause);
                let script = script.send(&text[second..]).half_close();
                let mut sim = Simulation::<Echo>::new(1, |_| EchoClient);
                sim.reporting(reporting);
                sim.network(Network { send_buffer: 1 + first, ..Network::default() });
                let client = sim.connect(script);
                sim.run();
                assert_eq!(sim.received(client), text, "cut at {first} and {second}");
                assert!(sim.saw_end(client));
                assert_eq!(sim.lost(client), (0, 0));
                sim.check();
            }
        }
    }
}
