//! Both machines in smlang: one table each, actions on the context.
#![allow(missing_docs, unreachable_pub, clippy::all, reason = "what the macro writes")]

mod line {
    use smlang::statemachine;

    use super::super::Context;

    #[derive(Clone, Copy, PartialEq)]
    pub struct Read(pub u32);

    #[derive(Clone, Copy, PartialEq)]
    pub struct Flushing(pub u32, pub u32);

    statemachine! {
        derive_events: [Clone],
        transitions: {
            *Opened + Line(u32) / first = Flush(Flushing),
            ReadLine(Read) + Line(u32) / begin = Flush(Flushing),
            ReadLine(Read) + Part(u32) / part = ReadLine(Read),
            Flush(Flushing) + Flushed / flushed = ReadLine(Read),
            Opened | ReadLine(Read) | Flush(Flushing) + Eof = Closed,
        }
    }

    impl StateMachineContext for Context {
        fn first(&mut self, len: u32) -> Result<Flushing, ()> {
            self.lines += 1;
            Ok(Flushing(1, len))
        }

        fn begin(&mut self, read: &Read, len: u32) -> Result<Flushing, ()> {
            self.lines += 1;
            Ok(Flushing(read.0.wrapping_add(1), len))
        }

        fn part(&mut self, read: &Read, len: u32) -> Result<Read, ()> {
            Context::part(self, len);
            Ok(Read(read.0.wrapping_add(len)))
        }

        fn flushed(&mut self, flushing: &Flushing) -> Result<Read, ()> {
            Context::part(self, flushing.1);
            Ok(Read(flushing.0))
        }
    }
}

mod ring {
    use smlang::statemachine;

    use super::super::Context;

    include!(concat!(env!("OUT_DIR"), "/ring_smlang.rs"));

    impl StateMachineContext for Context {
        fn part(&mut self, len: u32) -> Result<(), ()> {
            Context::part(self, len);
            Ok(())
        }
    }
}

use super::{Context, Driven, Happening};

pub(crate) struct LineMachine(line::StateMachine<Context>);

impl Driven for LineMachine {
    type Event = line::Events;
    const SIZE: usize = size_of::<line::StateMachine<Context>>() - size_of::<Context>();

    fn start() -> Self {
        let mut machine = Self(line::StateMachine::new(Context::default()));
        machine.handle(line::Events::Line(0));
        machine.handle(line::Events::Flushed);
        machine
    }

    fn event(happening: Happening) -> line::Events {
        match happening {
            Happening::Line(len) => line::Events::Line(len),
            Happening::Flushed => line::Events::Flushed,
            Happening::Part(len) => line::Events::Part(len),
            Happening::Next | Happening::Skip => line::Events::Eof,
        }
    }

    fn handle(&mut self, event: line::Events) {
        let _ = self.0.process_event(event);
    }

    fn result(&self) -> Option<Context> {
        Some(*self.0.context())
    }
}

pub(crate) struct RingMachine(ring::StateMachine<Context>);

impl Driven for RingMachine {
    type Event = ring::Events;
    const SIZE: usize = size_of::<ring::StateMachine<Context>>() - size_of::<Context>();

    fn start() -> Self {
        Self(ring::StateMachine::new(Context::default()))
    }

    fn event(happening: Happening) -> ring::Events {
        match happening {
            Happening::Next => ring::Events::Next,
            Happening::Part(len) => ring::Events::Part(len),
            Happening::Skip | Happening::Line(_) | Happening::Flushed => ring::Events::Skip,
        }
    }

    fn handle(&mut self, event: ring::Events) {
        let _ = self.0.process_event(event);
    }

    fn result(&self) -> Option<Context> {
        Some(*self.0.context())
    }
}
