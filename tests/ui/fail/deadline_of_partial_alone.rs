//! A deadline for half an input does not bound a silent peer.
use fsm_runtime::{Lines, Machine};

struct Client;

#[derive(Machine)]
#[machine(context = Client, input = Lines<'_>)]
enum Sink {
    #[initial]
    #[ignores(Line, TooLong)]
    #[on(eof -> Closed)]
    #[on(shutdown -> Closed)]
    #[after(1min of partial -> Closed)]
    Reading,

    #[terminal]
    Closed,
}

fn main() {}
