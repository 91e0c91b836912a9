//! A peer that is too slow for no bytes at all.
use fsm_runtime::{Lines, Machine};

struct Client;

#[derive(Machine)]
#[machine(context = Client, input = Lines<'_>)]
enum Sink {
    #[initial]
    #[ignores(Line, TooLong)]
    #[on(eof -> Closed)]
    #[on(shutdown -> Closed)]
    #[after(1min without 0 bytes -> Closed)]
    Reading,

    #[terminal]
    Closed,
}

fn main() {}
