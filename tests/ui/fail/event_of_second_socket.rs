//! An event of a second socket, which the language keeps for later.
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
    #[on(upstream.Line(_) -> Closed)]
    Reading,

    #[terminal]
    Closed,
}

fn main() {}
