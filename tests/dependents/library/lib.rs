//! Public machines in a library, where rustc takes every public variant for used: an edge that the
//! table declares and no code takes must still be a warning at its target.

use fsm_runtime::{Io, Lines, Machine};

/// `push` never answers `Ajar`, and nothing carries over for it.
#[derive(Machine, Debug)]
#[machine(plain, context = Hinge, input = Hand)]
pub enum Door {
    #[initial]
    #[on(Push(force) => push(force) -> Open | Ajar "a little" | Stay)]
    Shut,
    #[on(Push(_) => slam -> Shut | Ajar)]
    Open,
    #[on(Push(_) -> Shut)]
    Ajar { angle: u8 },
}

pub enum Hand {
    Push(u8),
}

pub struct Hinge;

impl Hinge {
    fn push(&mut self, force: u8) -> DoorPush {
        if force > 3 { DoorPush::Open } else { DoorPush::Stay }
    }

    fn slam(&mut self) -> DoorSlam {
        DoorSlam::Ajar { angle: 1 }
    }
}

/// `open` never answers `Stay`.
#[derive(Machine)]
#[machine(context = Client, input = Lines<'_>)]
#[outcome(Respond: Reading | Writing | Closed)]
pub enum Connection {
    #[initial]
    #[on(Line(line) => open(line) -> Respond | Stay)]
    #[on(TooLong -> Closed)]
    #[on(eof | shutdown -> Closed)]
    #[after(1min without input -> Closed)]
    Reading,

    #[on(drained => wrote -> Respond)]
    #[ignores(shutdown)]
    #[after(1min without progress -> Closed)]
    Writing,

    #[terminal]
    Closed,
}

pub struct Client;

impl Client {
    fn open(&mut self, line: &[u8], io: &mut Io<'_, Connection>) -> ConnectionOpen {
        io.out.send(line);
        ConnectionOpen::Respond(ConnectionRespond::Writing)
    }

    fn wrote(&mut self, _io: &mut Io<'_, Connection>) -> ConnectionRespond {
        ConnectionRespond::Reading
    }
}
