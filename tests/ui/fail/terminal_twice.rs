//! Two terminal states of one kind.
use fsm_runtime::{Lines, Machine};

struct Client;

#[derive(Machine)]
#[machine(context = Client, input = Lines<'_>)]
enum Sink {
    #[initial]
    #[ignores(Line, TooLong)]
    #[on(eof -> Closed)]
    #[on(shutdown -> Ended)]
    #[after(1min without input -> Closed)]
    Reading,

    #[terminal]
    Closed,

    #[terminal]
    Ended,
}

fn main() {}
