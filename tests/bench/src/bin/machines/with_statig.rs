//! Both machines in statig: states are functions, the context is the shared storage.
#![allow(missing_docs, clippy::all, reason = "what the macro writes, and the trait it asks for")]

mod line {
    use statig::prelude::*;

    use super::super::Context;
    pub(crate) use super::super::hand::LineEvent as Event;

    #[derive(Default)]
    pub(crate) struct Line {
        pub(crate) context: Context,
    }

    #[state_machine(initial = "State::opened()")]
    impl Line {
        #[state]
        fn opened(&mut self, event: &Event) -> Outcome<State> {
            match event {
                Event::Line(len) => {
                    self.context.lines += 1;
                    Transition(State::flush(1, *len))
                }
                Event::Eof => Transition(State::closed()),
                Event::Flushed | Event::Part(_) => Handled,
            }
        }

        #[state]
        fn read_line(&mut self, n: &mut u32, event: &Event) -> Outcome<State> {
            match event {
                Event::Line(len) => {
                    self.context.lines += 1;
                    Transition(State::flush(n.wrapping_add(1), *len))
                }
                Event::Part(len) => {
                    *n = n.wrapping_add(*len);
                    self.context.part(*len);
                    Handled
                }
                Event::Eof => Transition(State::closed()),
                Event::Flushed => Handled,
            }
        }

        #[state]
        fn flush(&mut self, n: &mut u32, left: &mut u32, event: &Event) -> Outcome<State> {
            match event {
                Event::Flushed => {
                    self.context.part(*left);
                    Transition(State::read_line(*n))
                }
                Event::Eof => Transition(State::closed()),
                Event::Line(_) | Event::Part(_) => Handled,
            }
        }

        #[state]
        fn closed(event: &Event) -> Outcome<State> {
            let _ = event;
            Handled
        }
    }
}

mod ring {
    use statig::prelude::*;

    use super::super::Context;
    pub(crate) use super::super::hand::RingEvent as Event;

    #[derive(Default)]
    pub(crate) struct Ring {
        pub(crate) context: Context,
    }

    include!(concat!(env!("OUT_DIR"), "/ring_statig.rs"));
}

use statig::blocking::{InitializedStateMachine, IntoStateMachineExt};

use super::{Context, Driven, Happening};

pub(crate) struct LineMachine(InitializedStateMachine<line::Line>);

impl Driven for LineMachine {
    type Event = line::Event;
    const SIZE: usize = size_of::<InitializedStateMachine<line::Line>>() - size_of::<Context>();

    fn start() -> Self {
        let mut machine = Self(line::Line::default().uninitialized_state_machine().init());
        machine.handle(line::Event::Line(0));
        machine.handle(line::Event::Flushed);
        machine
    }

    fn event(happening: Happening) -> line::Event {
        super::hand::Line::event(happening)
    }

    fn handle(&mut self, event: line::Event) {
        self.0.handle(&event);
    }

    fn result(&self) -> Option<Context> {
        Some(self.0.inner().context)
    }
}

pub(crate) struct RingMachine(InitializedStateMachine<ring::Ring>);

impl Driven for RingMachine {
    type Event = ring::Event;
    const SIZE: usize = size_of::<InitializedStateMachine<ring::Ring>>() - size_of::<Context>();

    fn start() -> Self {
        Self(ring::Ring::default().uninitialized_state_machine().init())
    }

    fn event(happening: Happening) -> ring::Event {
        super::hand::Ring::event(happening)
    }

    fn handle(&mut self, event: ring::Event) {
        self.0.handle(&event);
    }

    fn result(&self) -> Option<Context> {
        Some(self.0.inner().context)
    }
}
