//! The initial state is a terminal one.
use fsm_runtime::{Lines, Machine};

struct Client;

#[derive(Machine)]
#[machine(context = Client, input = Lines<'_>)]
enum Sink {
    #[ignores(Line, TooLong)]
    #[on(eof -> Closed)]
    #[on(shutdown -> Closed)]
    #[after(1min without input -> Closed)]
    Reading,

    #[terminal]
    #[initial]
    Closed,
}

fn main() {}
