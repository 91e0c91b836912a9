//! A state ignores an event of the runtime that is not there.
use fsm_runtime::{Lines, Machine};

struct Client;

#[derive(Machine)]
#[machine(context = Client, input = Lines<'_>)]
enum Sink {
    #[initial]
    #[ignores(Line, TooLong)]
    #[on(eof -> Closed)]
    #[ignores(shutdwn)]
    #[after(1min without input -> Closed)]
    Reading,

    #[terminal]
    Closed,
}

fn main() {}
