//! Two actions whose outcomes would have one name, beside rows that are right.
use fsm_runtime::{Io, Lines, Machine};

#[derive(Machine)]
#[machine(context = Client, input = Lines<'_>)]
enum Chat {
    #[initial]
    #[on(Line(line) => take(line) -> Sending "long" | Stay "short")]
    #[on(TooLong => take_ -> Sending | Closed)]
    #[on(eof(rest) => last(rest) -> Closed)]
    #[on(shutdown -> Closed)]
    #[after(5min without input -> Closed)]
    Reading,

    #[on(drained => sent(left) -> Reading | Stay)]
    #[on(shutdown -> Closed)]
    #[after(30s without progress -> Closed)]
    Sending { left: usize },

    #[terminal]
    Closed,
}

struct Client;

impl Client {
    fn take(&mut self, line: &[u8], io: &mut Io<'_, Chat>) -> ChatTake {
        io.out.send(line);
        if line.len() > 80 { ChatTake::Sending { left: line.len() } } else { ChatTake::Stay }
    }
    fn take_(&mut self, io: &mut Io<'_, Chat>) -> ChatTake {
        io.out.send(b"too long");
        ChatTake::Closed
    }
    fn last(&mut self, rest: &[u8], io: &mut Io<'_, Chat>) {
        io.out.send(rest);
    }
    fn sent(&mut self, left: &mut usize, _io: &mut Io<'_, Chat>) -> ChatSent {
        *left -= 1;
        if *left == 0 { ChatSent::Reading } else { ChatSent::Stay }
    }
}

fn serve<M: Machine>() {}

fn main() {
    serve::<Chat>();
}
