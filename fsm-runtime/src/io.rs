//! What an action may do: queue output, look at the worker's shared data, read and write raw, send
//! messages and have work done elsewhere.
//!
//! An action only queues; the worker sends when the slice ends. The path of a sent line is kept
//! short enough to stay in registers: see [`Out::send`].

use std::fmt;
use std::io;
use std::ops::Range;
use std::time::SystemTime;

use bytes::Bytes;

use crate::key::Key;
use crate::machine::Machine;
use crate::output::Output;

mod effects;

pub(crate) use effects::{Effect, Ties, Work};

/// An action's hold on its connection and its worker, lent for one event.
///
/// `out` and `shared` are fields, so that both can be borrowed at once:
/// `io.out.send(io.shared.find(path))`.
pub struct Io<'a, M: Machine> {
    /// The output of this connection.
    pub out: Out<'a>,
    /// The data of this worker, shared by all of its connections.
    pub shared: &'a mut M::Shared,
    turn: &'a mut Turn<M>,
    /// There while the event is `readable` or `writable`.
    socket: Option<&'a mut dyn RawSocket>,
}

impl<'a, M: Machine> Io<'a, M> {
    #[inline]
    pub(crate) fn new(
        out: Out<'a>,
        shared: &'a mut M::Shared,
        turn: &'a mut Turn<M>,
        socket: Option<&'a mut dyn RawSocket>,
    ) -> Self {
        Self { out, shared, turn, socket }
    }

    /// Ends the event: see [`Out::finish`].
    #[inline]
    pub(crate) fn finish(self) -> Range<usize> {
        self.out.finish()
    }

    /// Tells whether the event led to more than bytes: to another state, or to something that goes
    /// out behind it.
    #[inline]
    pub(crate) fn has_news(&self) -> bool {
        self.turn.has_news
    }

    /// What the event led to.
    #[inline]
    pub(crate) fn turn(&mut self) -> &mut Turn<M> {
        self.turn
    }

    /// Reads from the socket, for actions of a `readable` row. Answers the number of bytes; zero is
    /// the peer's end of input, unless the buffer is empty.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] where nothing is there now, or where the slice has moved its
    /// 64 KiB and others have their turn: either way `readable` comes again. Otherwise what the
    /// socket died of; the action need do nothing about it, since `lost` follows.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.as_mut().map_or_else(would_block, |socket| socket.read(buffer))
    }

    /// Writes to the socket, for actions of a `writable` row. Answers the number of bytes taken.
    ///
    /// Queued output goes first: while some is unsent, nothing more is taken.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] where nothing can be taken now, or where the slice has moved
    /// its 64 KiB and others have their turn: either way `writable` comes again. Otherwise what the
    /// socket died of; the action need do nothing about it, since `lost` follows.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.out.queued() > 0 {
            return would_block();
        }
        self.socket.as_mut().map_or_else(would_block, |socket| socket.write(bytes))
    }

    /// Tells whether the server is draining: no new connections come, and this one should end soon.
    #[must_use]
    pub fn draining(&self) -> bool {
        self.turn.draining
    }

    /// The time of day, for dates that are told to others: a `Date` header, a line of a log. How
    /// long to wait is never measured by it, but by the deadlines of the table, since people set
    /// this clock forward and back.
    ///
    /// A driver and a simulation have a time of day of their own, so that what is sent can be
    /// foretold.
    #[must_use]
    #[inline]
    pub fn time_of_day(&self) -> SystemTime {
        self.turn.ties.time_of_day.now()
    }

    /// Called by generated code when a state is entered, before its `enter` action.
    #[doc(hidden)]
    #[inline]
    pub fn entered(&mut self, same_group: bool) {
        self.turn.has_news = true;
        self.turn.moved = true;
        self.turn.left_group |= !same_group;
    }

    /// Called by generated code when a terminal state is entered, before its `enter` action.
    #[doc(hidden)]
    #[inline]
    pub fn ended(&mut self) {
        self.turn.has_news = true;
        self.turn.moved = true;
        self.turn.ended = true;
    }

    /// Called by generated code when a fallible action failed: what it queued is dropped.
    #[doc(hidden)]
    pub fn undo(&mut self) {
        self.out.undo();
        self.turn.undo();
    }
}

/// What the worker must learn of an event's handling even if it panicked, so it is kept outside of
/// [`Io`].
pub(crate) struct Turn<M: Machine> {
    /// A state was entered, or something was queued beside bytes.
    pub(crate) has_news: bool,
    /// A state was entered.
    pub(crate) moved: bool,
    /// The state entered does not belong to the group of the one left.
    pub(crate) left_group: bool,
    /// A terminal state was entered; its `enter` has run or is running.
    pub(crate) ended: bool,
    /// The server is draining.
    pub(crate) draining: bool,
    /// The connection whose event it is.
    pub(crate) key: Key,
    /// What the event queued beside bytes, in order.
    pub(crate) effects: Vec<Effect<M>>,
    pub(crate) ties: Ties<M>,
}

impl<M: Machine> Turn<M> {
    pub(crate) fn new(ties: Ties<M>) -> Self {
        Self {
            has_news: false,
            moved: false,
            left_group: false,
            ended: false,
            draining: false,
            key: Key::CONTROL,
            effects: Vec::new(),
            ties,
        }
    }

    /// Drops what the present event queued beside bytes: its action failed or panicked.
    #[cold]
    pub(crate) fn undo(&mut self) {
        // One by one: a drop that panics leaves the rest for the next call.
        while let Some(effect) = self.effects.pop() {
            if let Effect::Post { worker, .. } = effect {
                self.ties.handle.release(worker, 1);
            }
        }
    }
}

fn would_block() -> io::Result<usize> {
    Err(io::ErrorKind::WouldBlock.into())
}

/// Raw reading and writing, whatever the socket is.
pub(crate) trait RawSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
}

/// The output of one connection.
///
/// Output is a queue of bytes and behind it a *run*: a stretch of the very input that is being
/// decoded. A slice of the input that lies right behind the run only lengthens it, so an echo
/// copies nothing. The run is a pair of addresses that are compared and never followed; the worker
/// turns them back into a slice of its own input buffer.
pub struct Out<'a> {
    queue: &'a mut Output,
    input_end: usize,
    run: Run,
    /// The logical length, queue and run, when the present event began.
    mark: usize,
    input: &'a [u8],
}

/// A stretch of the input, by the addresses of its first byte and of the byte behind it.
#[derive(Clone, Copy)]
struct Run {
    start: usize,
    end: usize,
}

impl Run {
    #[inline]
    fn len(self) -> usize {
        self.end - self.start
    }
}

impl<'a> Out<'a> {
    /// Output gathered in `queue` while `input` is decoded.
    #[inline]
    pub(crate) fn new(queue: &'a mut Output, input: &'a [u8]) -> Self {
        let start = input.as_ptr().addr();
        let mark = queue.len();
        Self { queue, input_end: start + input.len(), run: Run { start, end: start }, mark, input }
    }

    /// Queues `bytes`; they are sent when the slice ends.
    #[inline]
    pub fn send(&mut self, bytes: &[u8]) {
        let start = bytes.as_ptr().addr();
        if start == self.run.end && bytes.len() <= self.input_end - start {
            self.run.end += bytes.len();
        } else {
            self.run = queue_apart(self.queue, self.input, self.run, bytes);
        }
    }

    /// Queues bytes that others keep as well, such as a cached file: unless they are few they are
    /// not copied, be it that the peer takes its time, and are let go when they have gone.
    ///
    /// ```
    /// use fsm_runtime::testing::Driver;
    /// use fsm_runtime::{Bytes, Io, Lines, Machine};
    ///
    /// #[derive(Machine)]
    /// #[machine(context = Reader, input = Lines<'_>, shared = Poem)]
    /// enum Recital {
    ///     #[initial]
    ///     #[on(Line(_) => recite -> Closed)]
    ///     #[on(TooLong | eof | shutdown -> Closed)]
    ///     #[after(1min without input -> Closed)]
    ///     Listening,
    ///     #[terminal]
    ///     Closed,
    /// }
    ///
    /// struct Reader;
    ///
    /// /// The same bytes for everybody.
    /// struct Poem(Bytes);
    ///
    /// impl Reader {
    ///     fn recite(&mut self, io: &mut Io<'_, Recital>) {
    ///         io.out.send_shared(&io.shared.0);
    ///     }
    /// }
    ///
    /// let poem = Bytes::from(vec![b'o'; 100_000]);
    /// let mut driver = Driver::<Recital>::with_shared(Reader, Poem(poem.clone()));
    /// driver.input(b"please\n");
    /// assert_eq!(driver.sent(), poem);
    /// ```
    pub fn send_shared(&mut self, bytes: &Bytes) {
        if self.run.len() > 0 {
            self.queue.copy(slice_of(self.input, self.run));
            self.run.start = self.run.end;
        }
        self.queue.share(bytes);
    }

    /// Queues formatted text: `writeln!(io.out, "{count} lines")` needs no import, and answers
    /// nothing, since the queue takes everything.
    pub fn write_fmt(&mut self, text: fmt::Arguments<'_>) {
        // Only a `Display` that breaks its promise fails here, and that panics, as in `format!`.
        let _ = io::Write::write_fmt(self, text);
    }

    /// The number of bytes queued in this slice so far.
    #[must_use]
    #[inline]
    pub fn queued(&self) -> usize {
        self.queue.len() + self.run.len()
    }

    /// Notes where the next event's output begins.
    #[inline]
    pub(crate) fn mark(&mut self) {
        self.mark = self.queued();
    }

    /// Tells whether more than so many bytes are queued, the run not counted: it is part of the
    /// input.
    #[inline]
    pub(crate) fn is_over(&self, bytes: usize) -> bool {
        self.queue.len() > bytes
    }

    /// Drops what was queued since the mark.
    fn undo(&mut self) {
        self.run.end = self.run.start + self.mark.saturating_sub(self.queue.len());
        self.queue.truncate(self.mark);
    }

    /// Puts all that earlier events queued into the queue, and drops what the present one did.
    #[cold]
    #[inline(never)]
    fn save(&mut self) {
        self.undo();
        self.queue.copy(slice_of(self.input, self.run));
    }

    /// The part of the input that is to be sent behind the queue: everything that was queued is in
    /// the queue and then in this range of the input.
    #[inline]
    fn finish(mut self) -> Range<usize> {
        let from = self.run.start - self.input.as_ptr().addr();
        let range = from..from + self.run.len();
        self.mark = FINISHED;
        range
    }
}

/// The mark of output that was taken over in good order.
const FINISHED: usize = usize::MAX;

/// An action that panicked leaves what earlier events queued, and nothing of its own.
impl Drop for Out<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.mark != FINISHED {
            self.save();
        }
    }
}

impl io::Write for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.send(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[inline]
fn slice_of(input: &[u8], run: Run) -> &[u8] {
    let from = run.start - input.as_ptr().addr();
    &input[from..from + run.len()]
}

/// Queues bytes that do not lengthen the run. It takes and answers the run by value: a reference to
/// the caller's `Io` would force all of it out of registers.
#[cold]
#[inline(never)]
fn queue_apart(queue: &mut Output, input: &[u8], run: Run, bytes: &[u8]) -> Run {
    if run.len() > 0 {
        queue.copy(slice_of(input, run));
    }
    let start = bytes.as_ptr().addr();
    let offset = start.wrapping_sub(input.as_ptr().addr());
    if queue.is_empty() && offset <= input.len() && bytes.len() <= input.len() - offset {
        return Run { start, end: start + bytes.len() };
    }
    queue.copy(bytes);
    Run { start: run.end, end: run.end }
}
