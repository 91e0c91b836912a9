//! A state is larger than the budget says.
use fsm_runtime::{Lines, Machine};

struct Client;

#[derive(Machine)]
#[machine(context = Client, input = Lines<'_>, max_size = 16)]
enum Sink {
    #[initial]
    #[ignores(Line, TooLong)]
    #[on(eof => ended -> Ending)]
    #[on(shutdown -> Closed)]
    #[after(1min without input -> Closed)]
    Reading,

    #[on(drained -> Closed)]
    #[ignores(shutdown)]
    #[after(10s -> Closed)]
    Ending { buffer: [u8; 64] },

    #[terminal]
    Closed,
}

impl Client {
    fn ended(&mut self, _io: &mut fsm_runtime::Io<'_, Sink>) -> SinkEnded {
        SinkEnded::Ending { buffer: [0; 64] }
    }
}

fn main() {}
