//! A state does not say what it does when the server drains.
use fsm_runtime::{Lines, Machine};

struct Client;

#[derive(Machine)]
#[machine(context = Client, input = Lines<'_>)]
enum Sink {
    #[initial]
    #[ignores(Line, TooLong)]
    #[on(eof -> Closed)]
    #[after(1min without input -> Closed)]
    Reading,

    #[terminal]
    Closed,
}

fn main() {}
