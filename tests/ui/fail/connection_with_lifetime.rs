//! A connection borrows, and it outlives every borrow.
use fsm_runtime::{Lines, Machine};

struct Client;

#[derive(Machine)]
#[machine(context = Client, input = Lines<'_>)]
enum Sink<'a> {
    #[initial]
    #[ignores(Line, TooLong)]
    #[on(eof(_) => hold -> Holding)]
    #[on(shutdown -> Closed)]
    #[after(1min without input -> Closed)]
    Reading,

    #[on(shutdown -> Closed)]
    #[after(1s -> Closed)]
    Holding { text: &'a str },

    #[terminal]
    Closed,
}

fn main() {}
