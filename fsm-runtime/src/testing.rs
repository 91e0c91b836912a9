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

mod outside;
pub mod sim;

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use crate::io::{Io, Out, RawSocket, Turn};
use crate::machine::{Deadlines, Event, Machine};
use crate::mesh::{Id, Topic};
use crate::output::Output;
use crate::table::{DeadlineKind, Interest};
use crate::time_of_day::TimeOfDay;
use outside::Outside;

/// One machine with its context and its shared data.
///
/// What the machine sends and publishes is for the test to look at; nothing of it comes back, not
/// even where the machine has joined the topic. An operation that is begun for a state without a
/// row for `reply` is a mistake of the author's, and panics here.
pub struct Driver<M: Machine> {
    machine: M,
    context: M::Context,
    decoder: M::Decoder,
    shared: M::Shared,
    turn: Turn<M>,
    outside: Outside<M>,
    queue: Output,
    socket: FakeSocket,
    seen: usize,
    conditions: Conditions,
}

/// What holds from now on, and whether the present state was told.
#[derive(Default)]
struct Conditions {
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
        let (turn, outside) = outside::alone();
        Self {
            machine: M::initial(),
            context,
            decoder,
            shared,
            turn,
            outside,
            queue: Output::default(),
            socket: FakeSocket::default(),
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
    /// the state reads. A state that reads raw is told `readable` and takes them by [`Io::read`].
    pub fn input(&mut self, bytes: &[u8]) {
        self.socket.incoming.extend_from_slice(bytes);
        self.settle();
    }

    /// The peer closes its sending side: `eof` is delivered once everything before it has been. A
    /// state that reads raw reads zero bytes first.
    pub fn end_of_input(&mut self) {
        self.socket.has_ended = true;
        self.settle();
    }

    /// All output has gone to the kernel.
    pub fn drained(&mut self) {
        self.dispatch_late(Event::Drained);
    }

    /// The socket takes up to `bytes` more bytes from [`Io::write`].
    pub fn writable(&mut self, bytes: usize) {
        self.socket.window = bytes;
        self.dispatch_late(Event::Writable);
    }

    /// An operation is done.
    pub fn reply(&mut self, reply: M::Reply) {
        self.dispatch(Event::Reply(reply));
    }

    /// Another machine sent something.
    pub fn message(&mut self, message: M::Message) {
        self.dispatch(Event::Message(message));
    }

    /// The machine's name, for machines that are told of each other.
    #[must_use]
    pub fn id(&self) -> Id<M> {
        Id::new(0, self.turn.key)
    }

    /// Takes the messages that were sent to single machines since the last look, in order.
    pub fn told(&mut self) -> Vec<(Id<M>, M::Message)> {
        let told = std::mem::take(&mut self.outside.told);
        self.turn.ties.handle.release(0, told.len());
        told
    }

    /// Takes the messages that were published since the last look, in order.
    pub fn published(&mut self) -> Vec<(Topic, M::Message)> {
        let published = std::mem::take(&mut self.outside.published);
        self.turn.ties.handle.release(0, published.len());
        published
    }

    /// Tells whether the machine has joined a topic.
    #[must_use]
    pub fn has_joined(&self, topic: &Topic) -> bool {
        self.outside.has_joined(topic)
    }

    /// The inboxes hold so many more messages; as many as one likes without this.
    pub fn inbox_room(&mut self, messages: usize) {
        Outside::inbox_room(&self.turn, messages);
    }

    /// The pool takes so many more jobs; as many as one likes without this.
    pub fn pool_room(&mut self, jobs: usize) {
        self.outside.pool_room(&self.turn, jobs);
    }

    /// The operations that the machine waits for: jobs and tickets.
    #[must_use]
    pub fn operations(&self) -> usize {
        self.outside.operations(self.turn.key.index())
    }

    /// Does the jobs that were offloaded and not cancelled since, on this thread, in order, and
    /// delivers what they answer. Answers how many there were.
    pub fn run_jobs(&mut self) -> usize {
        let mut count = 0;
        while let Some(job) = self.outside.next_job() {
            job();
            count += 1;
            self.settle();
        }
        count
    }

    /// Delivers the answers that tickets have been given since the last look. Everything else that
    /// is done with the driver does so as well.
    pub fn answers(&mut self) {
        self.settle();
    }

    /// It is so long after the Unix epoch from now on, by [`Io::time_of_day`]; exactly that epoch
    /// without this.
    pub fn time_of_day(&mut self, since_epoch: Duration) {
        let millis = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
        self.turn.ties.time_of_day = TimeOfDay::Set(Arc::new(AtomicU64::new(millis)));
    }

    /// A deadline of the present state passes.
    ///
    /// # Panics
    /// When the state has no deadline of that kind, since such an event cannot happen.
    pub fn deadline(&mut self, kind: DeadlineKind) {
        let state = &M::TABLE.states[self.machine.state()];
        let known = state.deadlines.iter().any(|deadline| same_kind(deadline.kind, kind));
        assert!(known, "state `{}` has no deadline of kind {kind:?}", state.name);
        self.dispatch_late(Event::Deadline(kind));
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
        let mut sent = self.queue.take();
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

    /// The bytes that nobody has taken yet.
    #[must_use]
    pub fn undelivered(&self) -> &[u8] {
        &self.socket.incoming
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

    /// Delivers an event that comes before the input of its slice.
    fn dispatch(&mut self, event: Event<'_, M>) {
        self.deliver(event);
        self.settle();
    }

    /// Delivers an event that comes behind the input of its slice, where only `shutdown` follows.
    fn dispatch_late(&mut self, event: Event<'_, M>) {
        self.deliver(event);
        self.tell_shutdown();
        self.settle();
    }

    /// Delivers one event. Answers whether it led to another state.
    fn deliver(&mut self, event: Event<'_, M>) -> bool {
        if self.has_ended() {
            return false;
        }
        let is_raw = matches!(event, Event::Readable | Event::Writable);
        let socket = is_raw.then_some(&mut self.socket as &mut dyn RawSocket);
        let out = Out::new(&mut self.queue, &[]);
        let mut io = Io::new(out, &mut self.shared, &mut self.turn, socket);
        self.machine.handle(&mut self.context, event, &mut io);
        let run = io.finish();
        debug_assert!(run.is_empty(), "there is no input to send a stretch of");
        self.note_move()
    }

    /// Delivers what is there until nothing changes any more, slice by slice as the worker does.
    fn settle(&mut self) {
        self.take_answers();
        while !self.has_ended() {
            let is_raw = self.machine.interest().has(Interest::READABLE);
            let mut changed = is_raw && self.offer_input();
            while !is_raw && self.take_input() {
                changed = true;
            }
            changed |= self.take_answers();
            changed |= self.tell_end();
            changed |= self.tell_shutdown();
            if !changed {
                return;
            }
        }
    }

    fn take_input(&mut self) -> bool {
        if !self.machine.interest().has(Interest::INPUT) || self.socket.incoming.is_empty() {
            return false;
        }
        let mut bytes = std::mem::take(&mut self.socket.incoming);
        let out = Out::new(&mut self.queue, &bytes);
        let mut io = Io::new(out, &mut self.shared, &mut self.turn, None);
        let (machine, context) = (&mut self.machine, &mut self.context);
        let taken = machine.input(context, &mut self.decoder, &bytes, self.seen, &mut io);
        let run = io.finish();
        self.queue.copy(&bytes[run]);
        self.seen = if taken == 0 { bytes.len() } else { 0 };
        bytes.drain(..taken);
        self.socket.incoming = bytes;
        self.note_move();
        taken > 0
    }

    /// Tells a state that reads raw that something is there. Answers whether it made use of it.
    fn offer_input(&mut self) -> bool {
        let left = self.socket.incoming.len();
        let untold = self.socket.has_ended && !self.socket.told_end;
        if left == 0 && !untold {
            return false;
        }
        let moved = self.deliver(Event::Readable);
        moved || self.socket.incoming.len() < left || untold && self.socket.told_end
    }

    /// Delivers `eof`, unless bytes stand before it that the state leaves to another one.
    fn tell_end(&mut self) -> bool {
        let interest = self.machine.interest();
        let is_next = if interest.has(Interest::READABLE) {
            self.socket.told_end
        } else {
            interest.has(Interest::INPUT) || self.socket.incoming.is_empty()
        };
        if !self.socket.has_ended || self.conditions.told_end || !is_next {
            return false;
        }
        self.conditions.told_end = true;
        self.socket.told_end = true;
        let rest = std::mem::take(&mut self.socket.incoming);
        self.deliver(Event::Eof(&rest));
        true
    }

    /// Delivers what operations have answered, and ends the jobs that were the worker's own.
    fn take_answers(&mut self) -> bool {
        let mut changed = false;
        for answer in self.outside.answers(&self.turn) {
            changed = true;
            match answer {
                outside::Answer::Reply(reply) => drop(self.deliver(Event::Reply(reply))),
                outside::Answer::Finish(finish) => finish(&mut self.shared),
            }
        }
        changed
    }

    fn tell_shutdown(&mut self) -> bool {
        if !self.conditions.shutdown || self.conditions.told_shutdown {
            return false;
        }
        self.conditions.told_shutdown = true;
        self.deliver(Event::Shutdown);
        true
    }

    /// Each state entered while a condition holds is told of it once.
    fn note_move(&mut self) -> bool {
        self.outside.note(&mut self.turn, self.machine.state());
        let moved = std::mem::take(&mut self.turn.moved);
        if moved {
            self.seen = 0;
            self.conditions.told_end = false;
            self.conditions.told_shutdown = false;
        }
        moved
    }
}

fn same_kind(one: DeadlineKind, other: DeadlineKind) -> bool {
    std::mem::discriminant(&one) == std::mem::discriminant(&other)
}

/// A socket made of two buffers.
#[derive(Default)]
struct FakeSocket {
    /// What the peer has sent and nobody has taken, decoded or raw.
    incoming: Vec<u8>,
    /// The peer has closed its sending side.
    has_ended: bool,
    /// The machine knows that.
    told_end: bool,
    outgoing: Vec<u8>,
    window: usize,
}

impl RawSocket for FakeSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.incoming.is_empty() && !self.has_ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.told_end |= self.incoming.is_empty() && !buffer.is_empty();
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
