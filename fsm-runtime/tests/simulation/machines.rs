//! The machines that several tests drive.

use fsm_runtime::testing::sim::{ClientId, Simulation};
use fsm_runtime::{Io, Lines, Machine, Peer};

/// Every line comes back as it was sent.
#[derive(Machine)]
#[machine(context = EchoClient, input = Lines<'_>)]
pub(crate) enum Echo {
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
pub(crate) struct EchoClient;

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
pub(crate) fn check_echo(sim: &Simulation<Echo>, client: ClientId) {
    let (sent, got) = (sim.server_received(client), sim.server_sent(client));
    let echoed = got.iter().zip(sent).take_while(|(one, other)| one == other).count();
    let rest = &got[echoed..];
    assert!(b"line too long\n".starts_with(rest), "the echo differs at byte {echoed}");
}

/// Answers every line with many bytes, and notes whom it serves.
#[derive(Machine)]
#[machine(context = Server, input = Lines<'_>, shared = Vec<u16>, stall = 10min)]
pub(crate) enum Noting {
    #[initial]
    #[on(Line(line) => answer(line))]
    #[on(TooLong -> Closed)]
    #[on(eof(_) -> Closed)]
    #[on(shutdown -> Closed)]
    #[on(lost(_) => note_loss -> Closed)]
    #[after(20min without input -> Closed)]
    Serving,
    #[terminal]
    Closed,
}

/// One client of [`Noting`]: its port, and the length of the answers.
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) answer: usize,
}

/// The note of a connection that was lost.
pub(crate) const LOST: u16 = u16::MAX;

impl Server {
    fn answer(&mut self, line: &[u8], io: &mut Io<'_, Noting>) {
        io.shared.push(self.port);
        io.out.send(&line[..1].repeat(self.answer));
    }

    fn note_loss(&mut self, io: &mut Io<'_, Noting>) {
        io.shared.push(LOST);
    }
}

/// A simulation of [`Noting`] with answers of so many bytes.
pub(crate) fn noting(answer: usize) -> Simulation<Noting> {
    Simulation::new(1, move |peer| match peer {
        Peer::Tcp(address) => Server { port: address.port(), answer },
        _ => Server { port: 0, answer },
    })
}
