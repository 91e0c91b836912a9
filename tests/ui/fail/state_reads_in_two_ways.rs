//! A state takes decoded inputs and reads raw as well.
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
    #[on(readable => peek)]
    Reading,

    #[terminal]
    Closed,
}

fn main() {}
