//! The machines that several tests drive.

use fsm_runtime::testing::sim::{ClientId, Simulation};
use fsm_runtime::{Io, Lines, Machine};

/// Every line comes back as it was sent.
#[derive(Machine)]
#[machine(context = EchoClient, input = Lines<'_>)]
pub enum Echo {
    #[initial]
    #[on(Line(line) => echo(line))]
    #[on(TooLong => complain -> Closed)]
    #[on(eof(rest) => echo(rest) -> Closed)]
    #[on(shutdown -> Closed)]
    #[after(30s without input -> Closed)]
    #[after(10s of partial -> Closed)]
    Reading,
    #[terminal]
    Closed,
}

/// A client of the echo server.
pub struct EchoClient;

impl EchoClient {
    fn echo(&mut self, line: &[u8], io: &mut Io<'_, Echo>) {
        io.out.send(line);
    }

    fn complain(&mut self, io: &mut Io<'_, Echo>) {
        io.out.send(b"line too long\n");
    }
}

/// Everything a client was sent is the beginning of what it sent itself, or of that with the complaint
/// behind it.
pub fn check_echo(sim: &Simulation<Echo>, client: ClientId) {
    let (sent, got) = (sim.server_received(client), sim.server_sent(client));
    let echoed = got.iter().zip(sent).take_while(|(one, other)| one == other).count();
    let rest = &got[echoed..];
    assert!(b"line too long\n".starts_with(rest), "the echo differs at byte {echoed}");
}
