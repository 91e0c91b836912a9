//! Both machines in finny: states and events are structs, all states stand side by side in the
//! machine.
#![allow(missing_docs, unreachable_pub, clippy::all, reason = "what the macro writes")]

mod line {
    use finny::{
        decl::{BuiltFsm, FsmBuilder},
        finny_fsm,
    };

    use super::super::Context;

    #[derive(Default)]
    pub struct Opened;
    #[derive(Default)]
    pub struct ReadLine {
        n: u32,
    }
    #[derive(Default)]
    pub struct Flush {
        n: u32,
        left: u32,
    }
    #[derive(Default)]
    pub struct Closed;

    #[derive(Clone)]
    pub struct Line(pub u32);
    #[derive(Clone)]
    pub struct Flushed;
    #[derive(Clone)]
    pub struct Part(pub u32);
    #[derive(Clone)]
    pub struct Eof;

    #[finny_fsm]
    fn line(mut fsm: FsmBuilder<LineFsm, Context>) -> BuiltFsm {
        fsm.initial_state::<Opened>();
        fsm.state::<Opened>().on_event::<Line>().transition_to::<Flush>().action(
            |event, context, _, flush| {
                context.context.lines += 1;
                flush.n = 1;
                flush.left = event.0;
            },
        );
        fsm.state::<ReadLine>().on_event::<Line>().transition_to::<Flush>().action(
            |event, context, read, flush| {
                context.context.lines += 1;
                flush.n = read.n.wrapping_add(1);
                flush.left = event.0;
            },
        );
        fsm.state::<ReadLine>().on_event::<Part>().internal_transition().action(
            |event, context, read| {
                read.n = read.n.wrapping_add(event.0);
                context.context.part(event.0);
            },
        );
        fsm.state::<Flush>().on_event::<Flushed>().transition_to::<ReadLine>().action(
            |_, context, flush, read| {
                context.context.part(flush.left);
                read.n = flush.n;
            },
        );
        fsm.state::<Opened>().on_event::<Eof>().transition_to::<Closed>();
        fsm.state::<ReadLine>().on_event::<Eof>().transition_to::<Closed>();
        fsm.state::<Flush>().on_event::<Eof>().transition_to::<Closed>();
        fsm.state::<Closed>();
        fsm.build()
    }
}

mod ring {
    use finny::{
        decl::{BuiltFsm, FsmBuilder},
        finny_fsm,
    };

    use super::super::Context;

    #[derive(Clone)]
    pub struct Next;
    #[derive(Clone)]
    pub struct Skip;
    #[derive(Clone)]
    pub struct Part(pub u32);

    include!(concat!(env!("OUT_DIR"), "/ring_finny.rs"));
}

use finny::{
    FsmBackend, FsmEventQueueVec, FsmFactory, FsmFrontend, inspect::null::InspectNull,
    timers::std::TimersStd,
};

use super::{Context, Driven, Happening};

type Frontend<F> = FsmFrontend<F, FsmEventQueueVec<F>, InspectNull, TimersStd<F>>;

pub(crate) struct LineMachine(Frontend<line::LineFsm>);

impl Driven for LineMachine {
    type Event = <line::LineFsm as FsmBackend>::Events;
    const SIZE: usize = size_of::<Frontend<line::LineFsm>>() - size_of::<Context>();

    fn start() -> Self {
        let mut machine = line::LineFsm::new(Context::default()).expect("states have defaults");
        machine.start().expect("the initial state has no entry that fails");
        let mut machine = Self(machine);
        machine.handle(line::Line(0).into());
        machine.handle(line::Flushed.into());
        machine
    }

    fn event(happening: Happening) -> Self::Event {
        match happening {
            Happening::Line(len) => line::Line(len).into(),
            Happening::Flushed => line::Flushed.into(),
            Happening::Part(len) => line::Part(len).into(),
            Happening::Next | Happening::Skip => line::Eof.into(),
        }
    }

    fn handle(&mut self, event: Self::Event) {
        let _ = self.0.dispatch(event);
    }

    fn result(&self) -> Option<Context> {
        Some(**self.0)
    }
}

pub(crate) struct RingMachine(Frontend<ring::Ring>);

impl Driven for RingMachine {
    type Event = <ring::Ring as FsmBackend>::Events;
    const SIZE: usize = size_of::<Frontend<ring::Ring>>() - size_of::<Context>();

    fn start() -> Self {
        let mut machine = ring::Ring::new(Context::default()).expect("states have defaults");
        machine.start().expect("the initial state has no entry that fails");
        Self(machine)
    }

    fn event(happening: Happening) -> Self::Event {
        match happening {
            Happening::Next => ring::Next.into(),
            Happening::Part(len) => ring::Part(len).into(),
            Happening::Skip | Happening::Line(_) | Happening::Flushed => ring::Skip.into(),
        }
    }

    fn handle(&mut self, event: Self::Event) {
        let _ = self.0.dispatch(event);
    }

    fn result(&self) -> Option<Context> {
        Some(**self.0)
    }
}
