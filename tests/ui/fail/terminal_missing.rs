//! A connection has no state to end in.
use fsm_runtime::{Lines, Machine};

struct Client;

#[derive(Machine)]
#[machine(context = Client, input = Lines<'_>)]
enum Sink {
    #[initial]
    #[ignores(Line, TooLong)]
    #[on(eof -> Closed)]
    #[on(shutdown -> Closed)]
    #[after(1min without input -> Closed)]
    Reading,

    #[on(eof -> Reading)]
    #[on(shutdown -> Reading)]
    #[after(1s -> Reading)]
    Closed,
}

fn main() {}
