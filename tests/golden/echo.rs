//! The echo machine as DESIGN has it: what `echo_expansion.rs` is the expansion of.

use fsm_runtime::{Io, Lines, Machine};

/// One client of the echo server: every line comes back as it was sent.
#[derive(Machine)]
#[machine(context = Client, input = Lines<'_>, max_size = 16)]
enum Echo {
    /// Waiting for the next line.
    #[initial]
    #[on(Line(line) => echo(line))]
    #[on(TooLong => complain -> Closed)]
    #[on(eof(rest) => echo(rest) -> Closed)]
    #[on(shutdown -> Closed)]
    #[after(5min without input -> Closed)]
    #[after(10s of partial -> Closed)]
    Reading,

    /// What is still unsent goes out, then the socket is closed.
    #[terminal]
    Closed,
}

struct Client;

impl Client {
    fn echo(&mut self, line: &[u8], io: &mut Io<'_, Echo>) {
        io.out.send(line);
    }

    fn complain(&mut self, io: &mut Io<'_, Echo>) {
        io.out.send(b"line too long\n");
    }
}
