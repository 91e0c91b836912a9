//! A method of a deadline takes a field that is not there.
use fsm_runtime::{Lines, Machine};

struct Client;

#[derive(Machine)]
#[machine(context = Client, input = Lines<'_>)]
enum Sink {
    #[initial]
    #[ignores(Line, TooLong)]
    #[on(eof -> Closed)]
    #[on(shutdown -> Closed)]
    #[after(patience(client) without input -> Closed)]
    Reading,

    #[terminal]
    Closed,
}

fn main() {}
