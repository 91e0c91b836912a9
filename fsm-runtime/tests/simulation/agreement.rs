//! The test driver and the worker tell a machine the same things in the same order.

use std::time::Duration;

use fsm_runtime::testing::Driver;
use fsm_runtime::testing::sim::{Script, Simulation};
use fsm_runtime::{Io, Lines, Machine};

/// Reads a line, then four bytes raw, then lines again, and leaves word of everything.
#[derive(Machine)]
#[machine(context = Clerk, input = Lines<'_>, shared = Vec<String>)]
enum Switching {
    #[initial]
    #[on(Line(line) => note(line) -> Raw)]
    #[on(TooLong -> Closed)]
    #[on(eof(rest) => note_end(rest) -> Parting)]
    #[on(shutdown => note_shutdown)]
    #[after(1min -> Closed)]
    Lining,
    #[on(readable => read_four -> Stay | Lining)]
    #[on(eof(rest) => note_end(rest) -> Parting)]
    #[on(shutdown => note_shutdown)]
    #[after(1min -> Closed)]
    Raw,
    #[ignores(Line, TooLong)]
    #[on(eof(rest) => note_end(rest))]
    #[on(shutdown => note_shutdown -> Closed)]
    #[after(1s -> Closed)]
    Parting,
    #[terminal]
    Closed,
}

#[derive(Default)]
struct Clerk {
    taken: usize,
}

impl Clerk {
    fn note(&mut self, line: &[u8], io: &mut Io<'_, Switching>) {
        assert!(io.read(&mut [0; 4]).is_err(), "only `readable` rows read raw");
        io.shared.push(format!("line {}", String::from_utf8_lossy(line).trim_end()));
    }

    fn read_four(&mut self, io: &mut Io<'_, Switching>) -> SwitchingReadFour {
        let Ok(count) = io.read(&mut [0; 2]) else { return SwitchingReadFour::Stay };
        io.shared.push(format!("raw {count}"));
        self.taken += count;
        if count > 0 && self.taken.is_multiple_of(4) {
            SwitchingReadFour::Lining
        } else {
            SwitchingReadFour::Stay
        }
    }

    fn note_end(&mut self, rest: &[u8], io: &mut Io<'_, Switching>) {
        io.shared.push(format!("end {}", rest.len()));
    }

    fn note_shutdown(&mut self, io: &mut Io<'_, Switching>) {
        io.shared.push("shutdown".into());
    }
}

/// What a machine is told that is given bytes and their end, by the driver and by the worker, with
/// the request to stop before or after.
fn told(bytes: &[u8], stops_first: bool) -> [Vec<String>; 2] {
    let mut driver = Driver::<Switching>::new(Clerk::default());
    driver.connect();
    if stops_first {
        driver.shutdown();
    }
    driver.input(bytes);
    driver.end_of_input();
    driver.shutdown();

    let mut sim = Simulation::<Switching>::new(1, |_| Clerk::default());
    let pause = Duration::from_millis(50);
    sim.connect(Script::new().wait(pause).send(bytes).wait(pause).half_close());
    sim.run_for(if stops_first { pause / 2 } else { pause * 4 });
    sim.stop();
    sim.run();
    [driver.shared().clone(), sim.shared().clone()]
}

#[test]
fn the_driver_keeps_the_order_of_the_worker() {
    let text = b"one\n1234two\n5678half";
    for length in 0..=text.len() {
        let [driver, worker] = told(&text[..length], false);
        assert_eq!(driver, worker, "{length} bytes");
    }
    // Where a state is left while the server drains, the worker may deliver another input before it
    // tells the next state so; without a whole line there is one order only.
    for length in 0..=3 {
        let [driver, worker] = told(&text[..length], true);
        assert_eq!(driver, worker, "{length} bytes while draining");
    }
}
