//! Both machines in rust-fsm, whose states and inputs carry no data: its figures are for switching
//! alone.
#![allow(missing_docs, unreachable_pub, clippy::all, reason = "what the macro writes")]

use rust_fsm::{StateMachine, state_machine};

use super::{Context, Driven, Happening};

state_machine! {
    #[derive(Clone, Copy)]
    line(Opened)

    Opened => { Line => Flush, Eof => Closed },
    ReadLine => { Line => Flush, Part => ReadLine, Eof => Closed },
    Flush => { Flushed => ReadLine, Eof => Closed },
}

include!(concat!(env!("OUT_DIR"), "/ring_rust_fsm.rs"));

pub(crate) struct LineMachine(StateMachine<line::Impl>);

impl Driven for LineMachine {
    type Event = line::Input;
    const SIZE: usize = size_of::<StateMachine<line::Impl>>();

    fn start() -> Self {
        let mut machine = Self(StateMachine::new());
        machine.handle(line::Input::Line);
        machine.handle(line::Input::Flushed);
        machine
    }

    fn event(happening: Happening) -> line::Input {
        match happening {
            Happening::Line(_) => line::Input::Line,
            Happening::Flushed => line::Input::Flushed,
            Happening::Part(_) => line::Input::Part,
            Happening::Next | Happening::Skip => line::Input::Eof,
        }
    }

    fn handle(&mut self, event: line::Input) {
        let _ = self.0.consume(&event);
    }

    fn result(&self) -> Option<Context> {
        None
    }
}

pub(crate) struct RingMachine(StateMachine<ring::Impl>);

impl Driven for RingMachine {
    type Event = ring::Input;
    const SIZE: usize = size_of::<StateMachine<ring::Impl>>();

    fn start() -> Self {
        Self(StateMachine::new())
    }

    fn event(happening: Happening) -> ring::Input {
        match happening {
            Happening::Next => ring::Input::Next,
            Happening::Part(_) => ring::Input::Part,
            Happening::Skip | Happening::Line(_) | Happening::Flushed => ring::Input::Skip,
        }
    }

    fn handle(&mut self, event: ring::Input) {
        let _ = self.0.consume(&event);
    }

    fn result(&self) -> Option<Context> {
        None
    }
}
