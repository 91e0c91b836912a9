//! Every terminal state has data, so none can stand in while data moves.
use fsm_runtime::{Lines, Machine};

struct Client;

#[derive(Machine)]
#[machine(context = Client, input = Lines<'_>)]
enum Sink {
    #[initial]
    #[ignores(Line, TooLong)]
    #[on(eof => ended -> Closed)]
    #[on(shutdown => ended -> Closed)]
    #[after(1min without input => ended -> Closed)]
    Reading,

    #[terminal]
    Closed { why: u8 },
}

fn main() {}
