//! Both machines as tables of ours.

use super::{Context, Driven, Happening, Runner, run};

/// Our two machines.
pub(crate) fn machines() -> [(&'static str, Runner, Runner); 1] {
    [("ours", run::<LineMachine>, run::<RingMachine>)]
}

mod line {
    use fsm_runtime::Machine;

    use super::super::Context;
    pub(crate) use super::super::hand::LineEvent as Event;

    /// The small machine.
    #[derive(Machine)]
    #[machine(plain, context = Context, input = Event)]
    pub(crate) enum Small {
        /// Before the first line.
        #[initial]
        #[on(Line(len) => first(len) -> Flush)]
        #[on(Eof -> Closed)]
        #[ignores(Flushed, Part)]
        Opened,

        /// Between two lines.
        #[on(Line(len) => begin(n, len) -> Flush)]
        #[on(Part(len) => part_of_line(n, len))]
        #[on(Eof -> Closed)]
        #[ignores(Flushed)]
        ReadLine { n: u32 },

        /// A line is going out.
        #[on(Flushed => flushed(n, left) -> ReadLine)]
        #[on(Eof -> Closed)]
        #[ignores(Line, Part)]
        Flush { n: u32, left: u32 },

        /// The end.
        #[terminal]
        Closed,
    }

    impl Context {
        fn first(&mut self, len: u32) -> SmallFirst {
            self.lines += 1;
            SmallFirst::Flush { n: 1, left: len }
        }

        fn begin(&mut self, n: u32, len: u32) -> SmallBegin {
            self.lines += 1;
            SmallBegin::Flush { n: n.wrapping_add(1), left: len }
        }

        fn part_of_line(&mut self, n: &mut u32, len: u32) {
            *n = n.wrapping_add(len);
            self.part(len);
        }

        fn flushed(&mut self, n: u32, left: u32) -> SmallFlushed {
            self.part(left);
            SmallFlushed::ReadLine { n }
        }
    }
}

/// The machine of 100 states, from the build script.
mod ring {
    use fsm_runtime::Machine;

    use super::super::Context;
    pub(crate) use super::super::hand::RingEvent as Event;

    include!(concat!(env!("OUT_DIR"), "/ring_ours.rs"));
}

pub(crate) struct LineMachine {
    state: line::Small,
    context: Context,
}

impl Driven for LineMachine {
    type Event = line::Event;
    const SIZE: usize = size_of::<line::Small>();

    fn start() -> Self {
        let mut machine = Self { state: line::Small::initial(), context: Context::default() };
        machine.handle(line::Event::Line(0));
        machine.handle(line::Event::Flushed);
        machine
    }

    fn event(happening: Happening) -> line::Event {
        super::hand::Line::event(happening)
    }

    fn handle(&mut self, event: line::Event) {
        self.state.handle(&mut self.context, event);
    }

    fn result(&self) -> Option<Context> {
        Some(self.context)
    }
}

pub(crate) struct RingMachine {
    state: ring::Ring,
    context: Context,
}

impl Driven for RingMachine {
    type Event = ring::Event;
    const SIZE: usize = size_of::<ring::Ring>();

    fn start() -> Self {
        Self { state: ring::Ring::initial(), context: Context::default() }
    }

    fn event(happening: Happening) -> ring::Event {
        super::hand::Ring::event(happening)
    }

    fn handle(&mut self, event: ring::Event) {
        self.state.handle(&mut self.context, event);
    }

    fn result(&self) -> Option<Context> {
        Some(self.context)
    }
}
