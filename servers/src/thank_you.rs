//! The thank-you server (Tanenbaum, Fig. 2-19): every message is thanked for, once and in order.
//!
//! The figure is a loop around `select(inFds, outFds, exceptFds)` over nonblocking sockets, with a
//! database `toSend` of what must still be sent on each. Here the loop is the runtime's, the sets
//! follow from the rows, and what `toSend` holds for a socket is the data of a state; beside each
//! row stand the lines of the figure that it is. The machine reads and writes by itself, as the
//! figure does: `readable` and `writable` are all it is told.

use std::mem;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use fsm_runtime::{Io, Machine, Server};

use crate::cli::{self, Common, parse_time};

/// One client of the thank-you server.
#[derive(Machine)]
#[machine(context = Client, shared = Scratch, max_size = 24)]
pub enum ThankYou {
    /// Nothing is owed; waiting for a message.
    #[initial]
    // for (fd in rdyIns): n = receive(fd, msgBuf, MAX_MSG_SIZE); toSend.put(fd, thankYouMsg);
    // outFds = outFds + {fd}. Unlike the figure, fd leaves inFds until it has been thanked.
    #[on(readable => receive -> Thanking "a message" | Stay)]
    // n = 0, which the figure leaves out: the client has closed its side, and half a line is its
    // last message.
    #[on(eof => receive_end -> Thanking "half a line" | Closed)]
    // The figure serves for ever. A client who is owed nothing is let go.
    #[on(shutdown -> Closed)]
    // The figure waits for ever too. Half a line holds nothing that silence does not, so it has as
    // much time.
    #[after(idle() without progress -> Closed)]
    Listening,

    /// Thanks are owed, and nothing is read until they are paid: what a client sends meanwhile
    /// waits in the kernel, and then in the client.
    // for (fd in rdyOuts): msg = toSend.get(fd); n = send(fd, msg, strlen(msg)). If n is less:
    // toSend.put(fd, msg + n). If not: toSend.destroy(fd); outFds = outFds - {fd}.
    #[on(writable => thank(owed, sent) -> Listening "thanked" | Stay)]
    // What is owed comes first; `Listening` is told of both as soon as it is entered.
    #[ignores(eof, shutdown)]
    // A client who takes none of its thanks is none to wait for.
    #[after(stall() without progress -> Closed)]
    Thanking {
        /// The thanks not yet sent whole, at most as many as one read can bring messages.
        owed: usize,
        /// The bytes of the first of them that are sent.
        sent: usize,
    },

    /// The sending side is shut down, and the socket closed after the client's.
    #[terminal]
    Closed,
}

/// The bytes of one read, and so the most messages that can be owed thanks at once; the runtime
/// reads as many for machines that do not read by themselves.
const READ: usize = 16 * 1024;

/// The bytes of thanks written at once: so many messages share a system call, and about so much a
/// kernel's send buffer takes at first.
const WRITE: usize = 64 * 1024;

/// Line feeds are counted in pieces of so many bytes: a count that fits a byte is one the compiler
/// takes many bytes at a time for.
const COUNTED: usize = 255;

/// What the server knows of a client.
pub struct Client {
    manners: Arc<Manners>,
    /// A line was begun. Nothing else of it need be kept.
    is_begun: bool,
}

/// How to thank, the same for all clients.
pub struct Manners {
    /// As many replies in a row as are written at once, at least one.
    replies: Vec<u8>,
    /// The bytes of one reply.
    reply: usize,
    message: Message,
    idle: Duration,
    stall: Duration,
}

/// What the clients of a worker share: the place that input is read to, which nobody keeps.
pub struct Scratch {
    input: Vec<u8>,
}

impl Manners {
    /// Every `message` is thanked for with `reply` and a newline; the limits are those of
    /// [`ThankYou::Listening`] and of [`ThankYou::Thanking`].
    #[must_use]
    pub fn new(reply: &str, message: Message, idle: Duration, stall: Duration) -> Self {
        let reply = format!("{reply}\n").into_bytes();
        let replies = reply.repeat((WRITE / reply.len()).max(1));
        Self { replies, reply: reply.len(), message, idle, stall }
    }
}

impl Client {
    /// A client that has sent nothing yet.
    #[must_use]
    pub fn new(manners: &Arc<Manners>) -> Self {
        Self { manners: Arc::clone(manners), is_begun: false }
    }

    /// One read. Where it failed nothing is there yet, or the socket is dead and the client `lost`.
    fn receive(&mut self, io: &mut Io<'_, ThankYou>) -> ThankYouReceive {
        // Reading borrows the whole of `io`, so the place to read to is taken out meanwhile.
        let mut input = mem::take(&mut io.shared.input);
        let owed = io.read(&mut input).map_or(0, |count| self.messages(&input[..count]));
        io.shared.input = input;
        match owed {
            0 => ThankYouReceive::Stay,
            _ => ThankYouReceive::Thanking { owed, sent: 0 },
        }
    }

    fn receive_end(&mut self, _: &mut Io<'_, ThankYou>) -> ThankYouReceiveEnd {
        if mem::take(&mut self.is_begun) {
            ThankYouReceiveEnd::Thanking { owed: 1, sent: 0 }
        } else {
            ThankYouReceiveEnd::Closed
        }
    }

    /// The messages that end in what one read brought; without bytes it was the end of input.
    fn messages(&mut self, bytes: &[u8]) -> usize {
        match (self.manners.message, bytes.last()) {
            (_, None) => 0,
            (Message::Read, Some(_)) => 1,
            (Message::Line, Some(last)) => {
                self.is_begun = *last != b'\n';
                bytes.chunks(COUNTED).map(|piece| usize::from(line_feeds(piece))).sum()
            }
        }
    }

    /// One write. Where it failed there is no room, or the socket is dead and the client `lost`.
    fn thank(
        &mut self,
        owed: &mut usize,
        sent: &mut usize,
        io: &mut Io<'_, ThankYou>,
    ) -> ThankYouThank {
        let Manners { replies, reply, .. } = &*self.manners;
        let end = owed.saturating_mul(*reply).min(replies.len());
        let taken = io.write(&replies[*sent..end]).unwrap_or(0);
        let out = *sent + taken;
        (*owed, *sent) = (*owed - out / reply, out % reply);
        if *owed == 0 { ThankYouThank::Listening } else { ThankYouThank::Stay }
    }

    fn idle(&self) -> Duration {
        self.manners.idle
    }

    fn stall(&self) -> Duration {
        self.manners.stall
    }
}

/// The line feeds of at most [`COUNTED`] bytes.
fn line_feeds(bytes: &[u8]) -> u8 {
    bytes.iter().map(|byte| u8::from(*byte == b'\n')).sum()
}

impl Default for Scratch {
    fn default() -> Self {
        Self { input: vec![0; READ] }
    }
}

/// Thanks every client for every message
#[derive(Debug, Clone, Parser)]
#[command(name = "thank-you", version, after_help = EXAMPLES)]
pub struct Options {
    #[command(flatten)]
    common: Common,
    /// What a message is thanked with; a newline follows, also where TEXT is empty
    #[arg(long, value_name = "TEXT", default_value = "Thank you!")]
    reply: String,
    /// What a message is
    #[arg(long, value_name = "UNIT", default_value = "line")]
    message: Message,
    /// How long a client who is owed nothing may send nothing
    #[arg(long, value_name = "TIME", default_value = "5min", value_parser = parse_time)]
    idle: Duration,
    /// How long a client may take nothing of what it is owed
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_time)]
    stall: Duration,
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Message {
    /// A line; half a line at the end of input too
    Line,
    /// Whatever one read brings
    Read,
}

const EXAMPLES: &str = "Examples:
  thank-you --listen 127.0.0.1:7008
  thank-you --listen 127.0.0.1:7008 --reply Danke! --idle 30s --stall 5s
  thank-you --listen 127.0.0.1:7008 --listen unix:/run/thank-you.sock --message read
Then: printf 'hello\\n' | nc 127.0.0.1 7008";

/// The program: serves until it is told to stop.
pub fn main() -> ExitCode {
    cli::main(
        |options: &Options| &options.common,
        |_| Ok(()),
        |server: Server<ThankYou>, options, ()| {
            let Options { reply, message, idle, stall, .. } = options;
            let manners = Arc::new(Manners::new(&reply, message, idle, stall));
            server.run(|_peer| Client::new(&manners)).map(drop)
        },
    )
}
