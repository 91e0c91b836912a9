//! Both machines as one writes them by hand: an enum and a `match`.

use super::{Context, Driven, Happening};

#[derive(Clone, Copy)]
pub(crate) enum LineEvent {
    Line(u32),
    Flushed,
    Part(u32),
    Eof,
}

pub(crate) enum LineState {
    Opened,
    ReadLine { n: u32 },
    Flush { n: u32, left: u32 },
    Closed,
}

impl LineState {
    fn handle(&mut self, context: &mut Context, event: LineEvent) {
        match self {
            Self::Opened => match event {
                LineEvent::Line(len) => {
                    context.lines += 1;
                    *self = Self::Flush { n: 1, left: len };
                }
                LineEvent::Eof => *self = Self::Closed,
                LineEvent::Flushed | LineEvent::Part(_) => {}
            },
            Self::ReadLine { n } => match event {
                LineEvent::Line(len) => {
                    context.lines += 1;
                    *self = Self::Flush { n: n.wrapping_add(1), left: len };
                }
                LineEvent::Part(len) => {
                    *n = n.wrapping_add(len);
                    context.part(len);
                }
                LineEvent::Eof => *self = Self::Closed,
                LineEvent::Flushed => {}
            },
            Self::Flush { n, left } => match event {
                LineEvent::Flushed => {
                    context.part(*left);
                    *self = Self::ReadLine { n: *n };
                }
                LineEvent::Eof => *self = Self::Closed,
                LineEvent::Line(_) | LineEvent::Part(_) => {}
            },
            Self::Closed => {}
        }
    }
}

pub(crate) struct Line {
    state: LineState,
    context: Context,
}

impl Driven for Line {
    type Event = LineEvent;
    const SIZE: usize = size_of::<LineState>();

    fn start() -> Self {
        let mut line = Self { state: LineState::Opened, context: Context::default() };
        line.handle(LineEvent::Line(0));
        line.handle(LineEvent::Flushed);
        line
    }

    fn event(happening: Happening) -> LineEvent {
        match happening {
            Happening::Line(len) => LineEvent::Line(len),
            Happening::Flushed => LineEvent::Flushed,
            Happening::Part(len) => LineEvent::Part(len),
            Happening::Next | Happening::Skip => LineEvent::Eof,
        }
    }

    fn handle(&mut self, event: LineEvent) {
        self.state.handle(&mut self.context, event);
    }

    fn result(&self) -> Option<Context> {
        Some(self.context)
    }
}

#[derive(Clone, Copy)]
pub(crate) enum RingEvent {
    Next,
    Skip,
    Part(u32),
}

/// The machine of 100 states, from the build script.
mod ring {
    use super::{super::Context, RingEvent as Event};

    include!(concat!(env!("OUT_DIR"), "/ring_hand.rs"));
}

pub(crate) struct Ring {
    state: ring::Ring,
    context: Context,
}

impl Driven for Ring {
    type Event = RingEvent;
    const SIZE: usize = size_of::<ring::Ring>();

    fn start() -> Self {
        Self { state: ring::Ring::S0, context: Context::default() }
    }

    fn event(happening: Happening) -> RingEvent {
        match happening {
            Happening::Next => RingEvent::Next,
            Happening::Part(len) => RingEvent::Part(len),
            Happening::Skip | Happening::Line(_) | Happening::Flushed => RingEvent::Skip,
        }
    }

    fn handle(&mut self, event: RingEvent) {
        self.state.handle(&mut self.context, event);
    }

    fn result(&self) -> Option<Context> {
        Some(self.context)
    }
}
