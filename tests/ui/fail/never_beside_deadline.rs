//! A state waits for ever and has a deadline too.
use fsm_runtime::{Lines, Machine};

struct Client;

#[derive(Machine)]
#[machine(context = Client, input = Lines<'_>)]
enum Sink {
    #[initial]
    #[ignores(Line, TooLong)]
    #[on(eof -> Closed)]
    #[on(shutdown -> Closed)]
    #[after(1min -> Closed)]
    #[after(never = "kept open on purpose")]
    Reading,

    #[terminal]
    Closed,
}

fn main() {}
