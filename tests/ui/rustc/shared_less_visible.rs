//! The shared data is less visible than the machine.
use fsm_runtime::{Lines, Machine};

pub struct Client;

struct Store;

#[derive(Machine)]
#[machine(context = Client, input = Lines<'_>, shared = Store)]
pub enum Sink {
    #[initial]
    #[ignores(Line, TooLong)]
    #[on(eof -> Closed)]
    #[on(shutdown -> Closed)]
    #[after(1min without input -> Closed)]
    Reading,

    #[terminal]
    Closed,
}

fn main() {}
