//! A machine alone, driven event by event, for tests without sockets.
//!
//! The driver keeps the order of events that the worker keeps, and nothing else of it: no sockets,
//! no clock, no budgets. Deadlines pass when the test says so.
//!
//! ```
//! use fsm_runtime::testing::Driver;
//! use fsm_runtime::{Io, Lines, Machine};
//!
//! #[derive(Machine)]
//! #[machine(context = Client, input = Lines<'_>)]
//! enum Echo {
//!     #[initial]
//!     #[on(Line(line) => echo(line))]
//!     #[on(TooLong -> Closed)]
//!     #[on(eof(_) -> Closed)]
//!     #[on(shutdown -> Closed)]
//!     #[after(10s without input -> Closed)]
//!     Reading,
//!     #[terminal]
//!     Closed,
//! }
//!
//! struct Client;
//! impl Client {
//!     fn echo(&mut self, line: &[u8], io: &mut Io<'_, Echo>) {
//!         io.out.send(line);
//!     }
//! }
//!
//! let mut driver = Driver::<Echo>::new(Client);
//! driver.input(b"half a li");
//! assert_eq!(driver.sent(), b"");
//! driver.input(b"ne\nanother");
//! assert_eq!(driver.sent_text(), "half a line\n");
//! driver.end_of_input();
//! assert!(driver.has_ended());
//! ```

pub mod sim;

use std::io;

use crate::io::{Io, Out, RawSocket, Turn};
use crate::machine::{Deadlines, Event, Machine};
use crate::table::{DeadlineKind, Interest};

/// One machine with its context and its shared data.
pub struct Driver<M: Machine> {
    machine: M,
    context: M::Context,
    decoder: M::Decoder,
    shared: M::Shared,
    turn: Turn,
    queue: Vec<u8>,
    socket: FakeSocket,
    rest: Vec<u8>,
    seen: usize,
    conditions: Conditions,
}

/// What holds from now on, and whether the present state was told.
#[derive(Default)]
struct Conditions {
    ended_input: bool,
    told_end: bool,
    shutdown: bool,
    told_shutdown: bool,
}

impl<M: Machine> Driver<M>
where
    M::Decoder: Default,
    M::Shared: Default,
{
    /// A new machine with a decoder and shared data of their default values.
    pub fn new(context: M::Context) -> Self {
        Self::with_shared(context, M::Shared::default())
    }
}

impl<M: Machine> Driver<M>
where
    M::Decoder: Default,
{
    /// A new machine beside shared data that the test made.
    pub fn with_shared(context: M::Context, shared: M::Shared) -> Self {
        Self::with_decoder(context, shared, M::Decoder::default())
    }
}

impl<M: Machine> Driver<M> {
    /// A new machine with a decoder that the test made, for limits of its own.
    pub fn with_decoder(context: M::Context, shared: M::Shared, decoder: M::Decoder) -> Self {
        Self {
            machine: M::initial(),
            context,
            decoder,
            shared,
            turn: Turn::default(),
            queue: Vec::new(),
            socket: FakeSocket::default(),
            rest: Vec::new(),
            seen: 0,
            conditions: Conditions::default(),
        }
    }

    /// Delivers `connected`, which the worker does first. A test may leave it out where no row
    /// waits for it.
    pub fn connect(&mut self) {
        self.dispatch(Event::Connected);
    }

    /// Gives the machine bytes: they are decoded and dispatched, one input after the other, while
    /// the state reads. In a state that reads raw they wait for [`Io::read`].
    pub fn input(&mut self, bytes: &[u8]) {
        if self.machine.interest().has(Interest::READABLE) {
            self.socket.incoming.extend_from_slice(bytes);
            self.dispatch(Event::Readable);
        } else {
            self.rest.extend_from_slice(bytes);
            self.settle();
        }
    }

    /// The peer closes its sending side: `eof` is delivered once everything before it has been.
    pub fn end_of_input(&mut self) {
        self.conditions.ended_input = true;
        self.settle();
    }

    /// All output has gone to the kernel.
    pub fn drained(&mut self) {
        self.dispatch(Event::Drained);
    }

    /// The socket takes up to `bytes` more bytes from [`Io::write`].
    pub fn writable(&mut self, bytes: usize) {
        self.socket.window = bytes;
        self.dispatch(Event::Writable);
    }

    /// An operation is done.
    pub fn reply(&mut self, reply: M::Reply) {
        self.dispatch(Event::Reply(reply));
    }

    /// Another machine sent something.
    pub fn message(&mut self, message: M::Message) {
        self.dispatch(Event::Message(message));
    }

    /// A deadline of the present state passes.
    ///
    /// # Panics
    /// When the state has no deadline of that kind, since such an event cannot happen.
    pub fn deadline(&mut self, kind: DeadlineKind) {
        let state = &M::TABLE.states[self.machine.state()];
        let known = state.deadlines.iter().any(|deadline| same_kind(deadline.kind, kind));
        assert!(known, "state `{}` has no deadline of kind {kind:?}", state.name);
        self.dispatch(Event::Deadline(kind));
    }

    /// The server is draining from now on.
    pub fn shutdown(&mut self) {
        self.conditions.shutdown = true;
        self.turn.draining = true;
        self.settle();
    }

    /// The socket is dead.
    pub fn lost(&mut self, error: io::Error) {
        self.dispatch(Event::Lost(error));
    }

    /// Takes what was sent since the last look, queued output first.
    pub fn sent(&mut self) -> Vec<u8> {
        let mut sent = std::mem::take(&mut self.queue);
        sent.append(&mut self.socket.outgoing);
        sent
    }

    /// As [`Driver::sent`], as text: a test that fails shows words and not numbers.
    ///
    /// # Panics
    /// When it is not UTF-8.
    #[track_caller]
    pub fn sent_text(&mut self) -> String {
        String::from_utf8(self.sent()).expect("text was sent")
    }

    /// The name of the present state.
    #[must_use]
    pub fn state(&self) -> &'static str {
        M::TABLE.states[self.machine.state()].name
    }

    /// Tells whether a terminal state was entered.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.machine.interest().is_terminal()
    }

    /// What the present state makes the runtime watch for.
    #[must_use]
    pub fn interest(&self) -> Interest {
        self.machine.interest()
    }

    /// The limits of the present state.
    #[must_use]
    pub fn deadlines(&self) -> Deadlines {
        self.machine.deadlines(&self.context)
    }

    /// The bytes that no decoder has taken yet.
    #[must_use]
    pub fn undelivered(&self) -> &[u8] {
        &self.rest
    }

    /// The machine.
    #[must_use]
    pub fn machine(&self) -> &M {
        &self.machine
    }

    /// The data of the connection.
    pub fn context(&mut self) -> &mut M::Context {
        &mut self.context
    }

    /// The data of the worker.
    pub fn shared(&mut self) -> &mut M::Shared {
        &mut self.shared
    }

    fn dispatch(&mut self, event: Event<'_, M>) {
        if self.has_ended() {
            return;
        }
        let out = Out::new(&mut self.queue, &[]);
        let mut io = Io::new(out, &mut self.shared, &mut self.turn, Some(&mut self.socket));
        self.machine.handle(&mut self.context, event, &mut io);
        let run = io.finish();
        debug_assert!(run.is_empty(), "there is no input to send a stretch of");
        self.note_move();
        self.settle();
    }

    /// Delivers what is there until nothing changes any more, in the worker's order.
    fn settle(&mut self) {
        while !self.has_ended() && (self.take_input() || self.tell_end() || self.tell_shutdown()) {}
    }

    fn take_input(&mut self) -> bool {
        if !self.machine.interest().has(Interest::INPUT) || self.rest.is_empty() {
            return false;
        }
        let out = Out::new(&mut self.queue, &self.rest);
        let mut io = Io::new(out, &mut self.shared, &mut self.turn, Some(&mut self.socket));
        let (machine, context) = (&mut self.machine, &mut self.context);
        let taken = machine.input(context, &mut self.decoder, &self.rest, self.seen, &mut io);
        let run = io.finish();
        self.queue.extend_from_slice(&self.rest[run]);
        self.seen = if taken == 0 { self.rest.len() } else { 0 };
        self.rest.drain(..taken);
        self.note_move();
        taken > 0
    }

    fn tell_end(&mut self) -> bool {
        if !self.conditions.ended_input || self.conditions.told_end {
            return false;
        }
        self.conditions.told_end = true;
        let rest = std::mem::take(&mut self.rest);
        self.dispatch(Event::Eof(&rest));
        true
    }

    fn tell_shutdown(&mut self) -> bool {
        if !self.conditions.shutdown || self.conditions.told_shutdown {
            return false;
        }
        self.conditions.told_shutdown = true;
        self.dispatch(Event::Shutdown);
        true
    }

    /// Each state entered while a condition holds is told of it once.
    fn note_move(&mut self) {
        if std::mem::take(&mut self.turn.moved) {
            self.seen = 0;
            self.conditions.told_end = false;
            self.conditions.told_shutdown = false;
        }
    }
}

fn same_kind(one: DeadlineKind, other: DeadlineKind) -> bool {
    std::mem::discriminant(&one) == std::mem::discriminant(&other)
}

/// A socket made of two buffers.
#[derive(Default)]
struct FakeSocket {
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    window: usize,
}

impl RawSocket for FakeSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.incoming.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = buffer.len().min(self.incoming.len());
        buffer[..count].copy_from_slice(&self.incoming[..count]);
        self.incoming.drain(..count);
        Ok(count)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(self.window);
        if count == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.outgoing.extend_from_slice(&bytes[..count]);
        self.window -= count;
        Ok(count)
    }
}
