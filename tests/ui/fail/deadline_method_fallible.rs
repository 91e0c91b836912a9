//! A method of a deadline is written with `?`.
use fsm_runtime::{Lines, Machine};

struct Client;

#[derive(Machine)]
#[machine(context = Client, input = Lines<'_>)]
enum Sink {
    #[initial]
    #[ignores(Line, TooLong)]
    #[on(eof -> Closed)]
    #[on(shutdown -> Closed)]
    #[after(patience()? without input -> Closed)]
    Reading,

    #[terminal]
    Closed,
}

fn main() {}
