//! Events of the runtime are written as if they were inputs.
use fsm_runtime::{Lines, Machine};

struct Client;

#[derive(Machine)]
#[machine(context = Client, input = Lines<'_>)]
enum Sink {
    #[initial]
    #[ignores(Line, TooLong)]
    #[on(Eof -> Closed)]
    #[on(Shutdown -> Closed)]
    #[after(1min without input -> Closed)]
    Reading,

    #[terminal]
    Closed,
}

fn main() {}
