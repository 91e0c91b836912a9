//! A target leaves out a field that the state left behind has too, beside rows that are right.
use fsm_runtime::{Io, Lines, Machine};

#[derive(Machine)]
#[machine(context = Client, input = Lines<'_>)]
enum Chat {
    #[initial]
    #[on(Line(line) => take(line) -> Sending "long" | Stay "short")]
    #[on(TooLong => complain -> Closed)]
    #[on(eof(rest) => last(rest) -> Closed)]
    #[on(shutdown -> Closed)]
    #[after(5min without input -> Closed)]
    Reading,

    #[on(drained => sent(left) -> Reading | Stay)]
    #[on(shutdown => hold -> Held { key })]
    #[after(30s without progress -> Closed)]
    Sending { left: usize, key: u8 },

    #[on(shutdown -> Closed)]
    #[after(10s -> Closed)]
    Held { left: usize, key: u8 },

    #[terminal]
    Closed,
}

struct Client;

impl Client {
    fn take(&mut self, line: &[u8], io: &mut Io<'_, Chat>) -> ChatTake {
        io.out.send(line);
        let left = line.len();
        if left > 80 { ChatTake::Sending { left, key: 0 } } else { ChatTake::Stay }
    }
    fn complain(&mut self, io: &mut Io<'_, Chat>) {
        io.out.send(b"too long");
    }
    fn last(&mut self, rest: &[u8], io: &mut Io<'_, Chat>) {
        io.out.send(rest);
    }
    fn sent(&mut self, left: &mut usize, _io: &mut Io<'_, Chat>) -> ChatSent {
        *left -= 1;
        if *left == 0 { ChatSent::Reading } else { ChatSent::Stay }
    }
    fn hold(&mut self, _io: &mut Io<'_, Chat>) -> ChatHold {
        ChatHold::Held { left: 1 }
    }
}

fn serve<M: Machine>() {}

fn main() {
    serve::<Chat>();
}
