//! Every terminal state has data, so none can stand in while data moves, beside rows that are
//! right.
use fsm_runtime::{Io, Lines, Machine};

#[derive(Machine)]
#[machine(context = Client, input = Lines<'_>)]
enum Chat {
    #[initial]
    #[on(Line(line) => take(line) -> Sending "long" | Stay "short")]
    #[on(TooLong => complain -> Closed)]
    #[on(eof(rest) => last(rest) -> Closed)]
    #[on(shutdown => ended -> Closed)]
    #[after(5min without input => ended -> Closed)]
    Reading,

    #[on(drained => sent(left) -> Reading | Stay)]
    #[on(shutdown => ended -> Closed)]
    #[after(30s without progress => ended -> Closed)]
    Sending { left: usize },

    #[terminal]
    Closed { why: u8 },
}

struct Client;

impl Client {
    fn take(&mut self, line: &[u8], io: &mut Io<'_, Chat>) -> ChatTake {
        io.out.send(line);
        if line.len() > 80 { ChatTake::Sending { left: line.len() } } else { ChatTake::Stay }
    }
    fn complain(&mut self, io: &mut Io<'_, Chat>) -> ChatComplain {
        io.out.send(b"too long");
        ChatComplain::Closed { why: 1 }
    }
    fn last(&mut self, rest: &[u8], io: &mut Io<'_, Chat>) -> ChatLast {
        io.out.send(rest);
        ChatLast::Closed { why: 2 }
    }
    fn sent(&mut self, left: &mut usize, _io: &mut Io<'_, Chat>) -> ChatSent {
        *left -= 1;
        if *left == 0 { ChatSent::Reading } else { ChatSent::Stay }
    }
    fn ended(&mut self, _io: &mut Io<'_, Chat>) -> ChatEnded {
        ChatEnded::Closed { why: 3 }
    }
}

fn serve<M: Machine>() {}

fn main() {
    serve::<Chat>();
}
