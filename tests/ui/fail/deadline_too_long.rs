//! A deadline longer than a clock counts.
use fsm_runtime::{Lines, Machine};

struct Client;

#[derive(Machine)]
#[machine(context = Client, input = Lines<'_>)]
enum Sink {
    #[initial]
    #[ignores(Line, TooLong)]
    #[on(eof -> Closed)]
    #[on(shutdown -> Closed)]
    #[after(99999999999999999h without input -> Closed)]
    Reading,

    #[terminal]
    Closed,
}

fn main() {}
