//! A state forgets three events: one message names them all.
use fsm_runtime::{Lines, Machine};

struct Client;

#[derive(Machine)]
#[machine(context = Client, input = Lines<'_>, message = u32)]
enum Sink {
    #[initial]
    #[ignores(Line, TooLong)]
    #[after(1min without input -> Closed)]
    Reading,

    #[terminal]
    Closed,
}

fn main() {}
