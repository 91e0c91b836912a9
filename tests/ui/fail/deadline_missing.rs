//! A state waits for the peer and could wait for ever.
use fsm_runtime::{Lines, Machine};

struct Client;

#[derive(Machine)]
#[machine(context = Client, input = Lines<'_>)]
enum Sink {
    #[initial]
    #[ignores(Line, TooLong)]
    #[on(eof -> Closed)]
    #[on(shutdown -> Closed)]
    Reading,

    #[terminal]
    Closed,
}

fn main() {}
