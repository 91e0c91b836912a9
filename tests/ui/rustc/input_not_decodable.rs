//! The alphabet of a connection does not say how it is decoded.
use fsm_runtime::Machine;

struct Client;
enum Hand { Line, TooLong }

#[derive(Machine)]
#[machine(context = Client, input = Hand)]
enum Sink {
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
