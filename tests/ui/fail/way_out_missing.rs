//! Two states hand the connection to each other for ever when the peer is silent.
use fsm_runtime::{Lines, Machine};

struct Client;

#[derive(Machine)]
#[machine(context = Client, input = Lines<'_>)]
enum Sink {
    #[initial]
    #[ignores(Line, TooLong)]
    #[on(eof -> Closed)]
    #[on(shutdown -> Closed)]
    #[after(1min without input -> Waiting)]
    Reading,

    #[ignores(Line, TooLong)]
    #[on(eof -> Closed)]
    #[on(shutdown -> Closed)]
    #[after(1min -> Reading)]
    Waiting,

    #[terminal]
    Closed,
}

fn main() {}
