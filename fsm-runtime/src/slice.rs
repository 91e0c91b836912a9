//! One slice of one connection: what is there is delivered in the order that makes a table mean one thing,
//! and what was queued is sent once.
//!
//! The order is: `connected`, input, `eof`, the flush, `writable` and `drained`, deadlines, `shutdown`. A
//! connection that only reads takes a short path through [`take_input`] alone.

use std::io;
use std::ops::Range;

use crate::connection::{Buffers, Connection, Flags, Overdue};
use crate::decode::MAX_LIMIT;
use crate::io::{Io, Out, RawSocket, Turn};
use crate::key::Key;
use crate::machine::{Event, Machine};
use crate::sys::{Ready, Sys, Transfer};
use crate::table::Interest;
use crate::worker::{self, Spare};

/// The inputs dispatched before others get their turn. The read buffer bounds the bytes; this bounds the
/// shortest inputs. A lower budget would be ruinous: the rest of a read is copied each time.
const INPUTS_PER_SLICE: usize = 1_024;

/// The unsent bytes above which no more input is delivered until all of them have gone; a kernel's send
/// buffer holds about as much again.
const HIGH_WATER: usize = 64 * 1024;

/// The most bytes that wait for a decoder to find an input in them: the highest limit and what may stand
/// around it. A decoder that asks for more is broken.
const MAX_UNREAD: usize = MAX_LIMIT + 1024;

/// The reads from a dead socket, so that what arrived before it died is delivered: 1 MiB, more than a
/// receive buffer holds by default.
const LAST_READS: usize = 64;

/// The reads in a slice of a connection whose input is only dropped.
const LINGER_READS: usize = 4;

/// Why a connection ends.
#[derive(Debug)]
pub(crate) enum End {
    /// Everything was said.
    Close,
    /// A terminal state asks for a reset.
    Abort,
    /// The socket is dead.
    Lost(io::Error),
}

/// What became of a slice.
#[derive(Debug)]
pub(crate) enum Served {
    /// Nothing is left to do until readiness is reported.
    Waits,
    /// Something may be left to do.
    Settle,
    /// The connection ends.
    Ends(End),
}

/// Why the decoding of a stretch of input stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// What is left is not a whole input.
    Partial,
    /// A state was entered that takes no input.
    NotReading,
    /// Much output is queued.
    Full,
    /// The budget of inputs is spent.
    Spent,
}

/// What became of a stretch of input.
struct Delivered {
    /// The bytes taken.
    taken: usize,
    /// The part of the input that is output, behind what is queued.
    run: Range<usize>,
    stop: Stop,
}

/// What a slice borrows of the worker beside the connection.
pub(crate) struct Desk<'a, M: Machine, S: Sys> {
    pub(crate) sys: &'a mut S,
    pub(crate) shared: &'a mut M::Shared,
    pub(crate) turn: &'a mut Turn,
    pub(crate) output: &'a mut Vec<u8>,
    pub(crate) spare: &'a mut Spare,
    pub(crate) now: u32,
}

/// Serves a connection that only reads for one slice. If it has read what was there it is left alone without
/// a further look.
#[inline(always)]
pub(crate) fn serve_reader<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    input: &mut [u8],
    desk: &mut Desk<'_, M, S>,
    key: Key,
) -> Served {
    match take_input(connection, input, desk) {
        Ok(()) if connection.only_reads() && !connection.ready.has(Ready::READ) => {
            match desk.sys.rearm(&connection.socket, key, connection.waits()) {
                Ok(()) => Served::Waits,
                Err(error) => Served::Ends(End::Lost(error)),
            }
        }
        Ok(()) => Served::Settle,
        Err(end) => Served::Ends(end),
    }
}

/// Serves a connection for one slice.
pub(crate) fn serve<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    input: &mut [u8],
    desk: &mut Desk<'_, M, S>,
) -> Served {
    match serve_in_order(connection, input, desk) {
        Ok(()) => Served::Settle,
        Err(end) => Served::Ends(end),
    }
}

/// Serves a connection for one slice, in the order that makes a table mean one thing.
fn serve_in_order<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    input: &mut [u8],
    desk: &mut Desk<'_, M, S>,
) -> Result<(), End> {
    if connection.flags.has(Flags::LINGERING) {
        return linger(connection, input, desk);
    }
    if connection.flags.has(Flags::NEW) {
        dispatch(connection, desk, Event::Connected);
    }
    if connection.can_take_input() {
        if connection.interest.has(Interest::READABLE) {
            desk.dispatch_raw(connection, Event::Readable, Ready::READ)?;
        } else {
            take_input_apart(connection, input, desk)?;
        }
    }
    if connection.is_dead() && !connection.flags.has(Flags::ENDING) {
        let error = desk.sys.take_error(&connection.socket);
        return Err(End::Lost(error.unwrap_or(io::ErrorKind::ConnectionReset.into())));
    }
    if connection.ends_input() {
        tell_end(connection, desk);
    }
    flush(connection, desk)?;
    desk.write_on(connection)?;
    desk.pass_deadlines(connection)?;
    if connection.flags.has(Flags::SHUTDOWN_DUE) {
        connection.flags.remove(Flags::SHUTDOWN_DUE);
        dispatch(connection, desk, Event::Shutdown);
    }
    flush(connection, desk)?;
    if connection.flags.has(Flags::ENDING) {
        return finish(connection, input, desk);
    }
    Ok(())
}

/// Reads once, decodes and dispatches what is there, and sends what was queued.
#[inline(always)]
fn take_input<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    input: &mut [u8],
    desk: &mut Desk<'_, M, S>,
) -> Result<(), End> {
    let Some(count) = read(connection, input, desk)? else { return Ok(()) };
    let window = &input[..count];
    let (taken, flushed) = deliver_all(connection, desk, window);
    if taken < count {
        keep_unread(connection, desk, &window[taken..]);
    }
    flushed
}

/// [`take_input`] where it is not on the short path: what is undelivered comes first.
#[inline(never)]
fn take_input_apart<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    input: &mut [u8],
    desk: &mut Desk<'_, M, S>,
) -> Result<(), End> {
    if connection.flags.has(Flags::UNREAD) {
        return take_more_input(connection, input, desk);
    }
    let Some(count) = read(connection, input, desk)? else { return Ok(()) };
    let window = &input[..count];
    let (taken, flushed) = deliver_all_apart(connection, desk, window);
    if taken < count {
        keep_unread(connection, desk, &window[taken..]);
    }
    flushed
}

/// Reads once. Answers how many bytes came, if any did.
#[inline]
fn read<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    input: &mut [u8],
    desk: &mut Desk<'_, M, S>,
) -> Result<Option<usize>, End> {
    match desk.sys.receive(&connection.socket, input) {
        Transfer::Moved(0) => connection.flags.insert(Flags::INPUT_ENDED),
        Transfer::Moved(count) => {
            note_read(connection, count, input.len(), desk.now);
            return Ok(Some(count));
        }
        Transfer::WouldBlock => connection.ready = connection.ready.without(Ready::READ),
        Transfer::Gone(error) => return Err(End::Lost(error)),
    }
    Ok(None)
}

/// Tells the machine of a dead connection, after everything that arrived before it died.
pub(crate) fn tell_lost<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    input: &mut [u8],
    desk: &mut Desk<'_, M, S>,
    error: io::Error,
) {
    for _ in 0..LAST_READS {
        // From here on what is sent vanishes: it is queued behind output that never goes out.
        desk.output.clear();
        connection.ready = connection.ready.without(Ready::WRITE);
        connection.flags.insert(Flags::UNSENT);
        connection.flags.remove(Flags::HELD);
        if let Some(buffers) = &mut connection.buffers {
            buffers.unsent.clear();
            buffers.sent = 0;
        }
        let raw = connection.interest.has(Interest::READABLE);
        if raw || !connection.can_take_input() || take_input_apart(connection, input, desk).is_err()
        {
            break;
        }
    }
    if !connection.flags.has(Flags::ENDING) {
        dispatch(connection, desk, Event::Lost(error));
    }
    if !connection.flags.has(Flags::ENDING) {
        abandon(connection, desk);
    }
}

/// Puts the machine of a connection whose action panicked into its first terminal state, unless it had
/// reached one. What the action queued was dropped while it unwound.
pub(crate) fn entomb<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    desk: &mut Desk<'_, M, S>,
) {
    if desk.turn.ended {
        connection.note_move(desk.turn, desk.now);
    } else if !connection.flags.has(Flags::ENDING) || !connection.interest.is_terminal() {
        abandon(connection, desk);
    }
}

/// Goes on with a connection whose action panicked: what earlier events queued goes out.
pub(crate) fn bury<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    input: &mut [u8],
    desk: &mut Desk<'_, M, S>,
) -> Result<(), End> {
    flush(connection, desk)?;
    finish(connection, input, desk)
}

/// Notes that a read brought `count` bytes. A short one means that the socket is empty, unless the peer has
/// closed: then the end must still be read.
#[inline]
fn note_read<M: Machine, K>(
    connection: &mut Connection<M, K>,
    count: usize,
    asked: usize,
    now: u32,
) {
    if count < asked && !connection.ready.has(Ready::READ_CLOSED) {
        connection.ready = connection.ready.without(Ready::READ);
    }
    connection.clocks.moved(count, now);
}

/// [`deliver_all`] where it is not on the short path.
#[inline(never)]
fn deliver_all_apart<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    desk: &mut Desk<'_, M, S>,
    window: &[u8],
) -> (usize, Result<(), End>) {
    deliver_all(connection, desk, window)
}

/// Delivers what is undelivered; what is only a part of an input is read on to.
#[cold]
fn take_more_input<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    input: &mut [u8],
    desk: &mut Desk<'_, M, S>,
) -> Result<(), End> {
    let Some(buffers) = &mut connection.buffers else { return Ok(()) };
    let mut unread = std::mem::take(&mut buffers.unread);
    let mut failed = None;
    if connection.flags.has(Flags::PARTIAL) {
        let brought = read(connection, input, desk);
        if let Ok(Some(count)) = brought {
            unread.extend_from_slice(&input[..count]);
        }
        failed = brought.err();
    }
    let (taken, flushed) = deliver_all_apart(connection, desk, &unread);
    unread.drain(..taken);
    if unread.len() > MAX_UNREAD {
        desk.put_away(connection);
        return Err(End::Lost(io::Error::other("the decoder asks for more than 16 MiB")));
    }
    if !unread.is_empty() {
        desk.buffers(connection).unread = unread;
    }
    desk.put_away(connection);
    failed.map_or(flushed, Err)
}

/// Keeps what a slice could not deliver.
#[cold]
fn keep_unread<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    desk: &mut Desk<'_, M, S>,
    rest: &[u8],
) {
    desk.buffers(connection).unread.extend_from_slice(rest);
    connection.flags.insert(Flags::UNREAD);
}

/// Delivers a stretch of input as far as the state, the budget and the output allow, and sends. Answers the
/// bytes taken and what became of the sending: what was not taken is kept even if the socket has died, since
/// input that arrived comes before `lost`.
#[inline(always)]
fn deliver_all<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    desk: &mut Desk<'_, M, S>,
    window: &[u8],
) -> (usize, Result<(), End>) {
    let delivered = deliver(connection, desk, window);
    let taken = delivered.taken;
    let sent = flush_with(connection, desk, &window[delivered.run]);
    if delivered.stop == Stop::Partial && taken < window.len() {
        note_partial(connection, desk, window.len() - taken, taken > 0);
    }
    (taken, sent)
}

/// Decodes and dispatches input after input. This is the path of a pipelined line: everything on it is
/// inlined, and what is rare is called with values and answers values.
#[inline(always)]
fn deliver<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    desk: &mut Desk<'_, M, S>,
    window: &[u8],
) -> Delivered {
    let mut seen = connection.buffers.as_ref().map_or(0, |buffers| buffers.seen);
    let (mut rest, mut left) = (window, INPUTS_PER_SLICE);
    let mut raw = NoRawSocket;
    let mut io = Io::new(Out::new(desk.output, window), desk.shared, desk.turn, &mut raw);
    let stop = loop {
        io.out.mark();
        let (machine, context) = (&mut connection.machine, &mut connection.context);
        let taken = machine.input(context, &mut connection.decoder, rest, seen, &mut io);
        if taken == 0 {
            break Stop::Partial;
        }
        rest = &rest[taken..];
        seen = 0;
        if io.moved() {
            connection.note_move(io.turn(), desk.now);
            if !connection.interest.has(Interest::INPUT) {
                break Stop::NotReading;
            }
        }
        if rest.is_empty() {
            break Stop::Partial;
        }
        if io.out.is_over(HIGH_WATER) {
            break Stop::Full;
        }
        left -= 1;
        if left == 0 {
            break Stop::Spent;
        }
    };
    let taken = window.len() - rest.len();
    if taken > 0 {
        connection.clocks.input = desk.now;
        connection.flags.remove(Flags::PARTIAL);
        if let Some(buffers) = &mut connection.buffers {
            buffers.seen = 0;
        }
    }
    Delivered { taken, run: io.finish(), stop }
}

/// Notes that an input was begun and is not finished, from `begun_now` on or since before.
#[cold]
fn note_partial<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    desk: &mut Desk<'_, M, S>,
    length: usize,
    begun_now: bool,
) {
    let buffers = desk.buffers(connection);
    buffers.seen = length;
    if begun_now || !connection.flags.has(Flags::PARTIAL) {
        if let Some(buffers) = &mut connection.buffers {
            buffers.partial_since = desk.now;
        }
        connection.flags.insert(Flags::PARTIAL.and(Flags::RETIME));
    }
}

/// Delivers one event that brings no input.
fn dispatch<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    desk: &mut Desk<'_, M, S>,
    event: Event<'_, M>,
) {
    let mut raw = NoRawSocket;
    let mut io = Io::new(Out::new(desk.output, &[]), desk.shared, desk.turn, &mut raw);
    connection.machine.handle(&mut connection.context, event, &mut io);
    io.finish();
    if desk.turn.moved {
        connection.note_move(desk.turn, desk.now);
    }
}

/// Delivers `eof` with what no decoder took.
fn tell_end<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    desk: &mut Desk<'_, M, S>,
) {
    connection.flags.insert(Flags::END_TOLD);
    connection.flags.remove(Flags::UNREAD.and(Flags::PARTIAL));
    let rest = connection.buffers.as_mut().map(|buffers| std::mem::take(&mut buffers.unread));
    dispatch(connection, desk, Event::Eof(&rest.unwrap_or_default()));
    desk.put_away(connection);
}

/// Puts the machine into its first terminal state.
fn abandon<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    desk: &mut Desk<'_, M, S>,
) {
    connection.flags.insert(Flags::ENDING);
    let mut raw = NoRawSocket;
    let mut io = Io::new(Out::new(desk.output, &[]), desk.shared, desk.turn, &mut raw);
    connection.machine.abandon(&mut connection.context, &mut io);
    io.finish();
    connection.note_move(desk.turn, desk.now);
}

/// Sends what the slice queued.
fn flush<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    desk: &mut Desk<'_, M, S>,
) -> Result<(), End> {
    flush_with(connection, desk, &[])
}

/// Sends what the slice queued and then `run`, a stretch of the input. What the kernel does not take is
/// kept.
#[inline(always)]
fn flush_with<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    desk: &mut Desk<'_, M, S>,
    run: &[u8],
) -> Result<(), End> {
    if connection.flags.has(Flags::UNSENT) {
        return flush_behind(connection, desk, run);
    }
    let bytes = if desk.output.is_empty() {
        run
    } else {
        desk.output.extend_from_slice(run);
        desk.output.as_slice()
    };
    if bytes.is_empty() {
        return Ok(());
    }
    connection.flags.remove(Flags::DRAINED_TOLD);
    let sent = match desk.sys.send(&connection.socket, bytes) {
        Transfer::Moved(count) => count,
        Transfer::WouldBlock => 0,
        Transfer::Gone(error) => return Err(End::Lost(error)),
    };
    connection.clocks.moved(sent, desk.now);
    if sent < bytes.len() {
        let rest = bytes[sent..].to_vec();
        desk.keep_unsent(connection, &rest);
    }
    desk.output.clear();
    Ok(())
}

/// Queues behind output that is already unsent, and sends on if there is room.
#[cold]
fn flush_behind<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    desk: &mut Desk<'_, M, S>,
    run: &[u8],
) -> Result<(), End> {
    let now = desk.now;
    let Some(buffers) = connection.buffers.as_mut() else { return Ok(()) };
    buffers.unsent.append(desk.output);
    buffers.unsent.extend_from_slice(run);
    if connection.ready.has(Ready::WRITE) {
        let sent = match desk.sys.send(&connection.socket, &buffers.unsent[buffers.sent..]) {
            Transfer::Moved(count) => count,
            Transfer::WouldBlock => 0,
            Transfer::Gone(error) => return Err(End::Lost(error)),
        };
        if sent > 0 {
            buffers.stuck_since = now;
            connection.clocks.moved(sent, now);
        }
        buffers.sent += sent;
        if buffers.backlog() > 0 {
            connection.ready = connection.ready.without(Ready::WRITE);
        }
    }
    let backlog = buffers.backlog();
    if backlog == 0 {
        buffers.unsent.clear();
        buffers.sent = 0;
        connection.flags.remove(Flags::UNSENT.and(Flags::HELD));
        desk.put_away(connection);
    } else {
        buffers.forget_sent();
        connection
            .flags
            .set(Flags::HELD, backlog > HIGH_WATER || connection.flags.has(Flags::HELD));
    }
    Ok(())
}

/// Goes on with a connection whose machine has ended: everything is sent, then the sending side is shut
/// down, and input is dropped until the peer's end. To close with unread input would make the kernel throw
/// away the reply.
#[cold]
fn finish<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    input: &mut [u8],
    desk: &mut Desk<'_, M, S>,
) -> Result<(), End> {
    if connection.interest.has(Interest::ABORT) {
        return Err(End::Abort);
    }
    if connection.flags.has(Flags::UNSENT) {
        return Ok(());
    }
    if connection.flags.has(Flags::INPUT_ENDED) {
        return Err(End::Close);
    }
    desk.sys.finish_sending(&connection.socket);
    connection.flags.insert(Flags::LINGERING.and(Flags::RETIME));
    connection.flags.remove(Flags::UNREAD.and(Flags::PARTIAL));
    connection.clocks.entered = desk.now;
    connection.clocks.progress = desk.now;
    if let Some(buffers) = connection.buffers.take() {
        desk.reuse(buffers);
    }
    linger(connection, input, desk)
}

/// Reads and drops, until the peer's end or a limit.
fn linger<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    input: &mut [u8],
    desk: &mut Desk<'_, M, S>,
) -> Result<(), End> {
    desk.pass_deadlines(connection)?;
    for _ in 0..LINGER_READS {
        if !connection.ready.has(Ready::READ) {
            return Ok(());
        }
        match desk.sys.receive(&connection.socket, input) {
            Transfer::Moved(0) | Transfer::Gone(_) => return Err(End::Close),
            Transfer::Moved(count) => note_read(connection, count, input.len(), desk.now),
            Transfer::WouldBlock => connection.ready = connection.ready.without(Ready::READ),
        }
    }
    Ok(())
}

impl<M: Machine, S: Sys> Desk<'_, M, S> {
    /// Delivers `writable` or `drained` to a state that waits for it.
    fn write_on(&mut self, connection: &mut Connection<M, S::Socket>) -> Result<(), End> {
        if connection.flags.has(Flags::UNSENT.and(Flags::ENDING)) {
            return Ok(());
        }
        let writable = connection.ready.has(Ready::WRITE);
        if connection.interest.has(Interest::WRITABLE) && writable {
            self.dispatch_raw(connection, Event::Writable, Ready::WRITE)?;
        } else if connection.can_tell_drained() {
            connection.flags.insert(Flags::DRAINED_TOLD);
            dispatch(connection, self, Event::Drained);
        }
        Ok(())
    }

    /// Delivers an event whose action may read and write by itself. Readiness that the action did not use is
    /// taken as not wanted until it comes again: else the loop would spin.
    fn dispatch_raw(
        &mut self,
        connection: &mut Connection<M, S::Socket>,
        event: Event<'_, M>,
        offered: Ready,
    ) -> Result<(), End> {
        let mut raw = Raw {
            sys: self.sys,
            socket: &connection.socket,
            ready: connection.ready,
            has_unsent: connection.flags.has(Flags::UNSENT),
            used: Ready::NONE,
            unread: connection.buffers.as_deref_mut().map(|buffers| &mut buffers.unread),
            moved: 0,
            ended: false,
            gone: None,
        };
        let mut io = Io::new(Out::new(self.output, &[]), self.shared, self.turn, &mut raw);
        connection.machine.handle(&mut connection.context, event, &mut io);
        io.finish();
        let Raw { ready, used, moved, ended, gone, .. } = raw;
        // Another state has not been offered it yet.
        let is_answered = used.has(offered) || self.turn.moved;
        connection.ready = if is_answered { ready } else { ready.without(offered) };
        connection.clocks.moved(moved, self.now);
        connection.flags.set(Flags::INPUT_ENDED, ended || connection.flags.has(Flags::INPUT_ENDED));
        self.put_away(connection);
        if self.turn.moved {
            connection.note_move(self.turn, self.now);
        }
        match gone {
            Some(error) if !connection.flags.has(Flags::ENDING) => Err(End::Lost(error)),
            Some(_) => Err(End::Close),
            None => Ok(()),
        }
    }

    /// Delivers a deadline that has passed, if one has.
    fn pass_deadlines(&mut self, connection: &mut Connection<M, S::Socket>) -> Result<(), End> {
        if !connection.flags.has(Flags::DUE) {
            return Ok(());
        }
        connection.flags.remove(Flags::DUE);
        connection.flags.insert(Flags::RETIME);
        match connection.overdue(self.now) {
            None => {}
            Some(Overdue::Deadline(kind)) => dispatch(connection, self, Event::Deadline(kind)),
            Some(Overdue::Stall) => {
                return Err(End::Lost(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the peer does not take its output",
                )));
            }
            Some(Overdue::Linger) => return Err(End::Close),
        }
        Ok(())
    }

    /// Keeps output that the kernel did not take.
    #[cold]
    fn keep_unsent(&mut self, connection: &mut Connection<M, S::Socket>, rest: &[u8]) {
        let now = self.now;
        let buffers = self.buffers(connection);
        buffers.unsent.extend_from_slice(rest);
        buffers.stuck_since = now;
        connection.ready = connection.ready.without(Ready::WRITE);
        connection.flags.insert(Flags::UNSENT.and(Flags::RETIME));
        connection.flags.set(Flags::HELD, rest.len() > HIGH_WATER);
    }

    /// The buffers of a connection, lent to it if it has none.
    fn buffers<'c>(&mut self, connection: &'c mut Connection<M, S::Socket>) -> &'c mut Buffers {
        connection.buffers.get_or_insert_with(|| self.spare.pop().unwrap_or_default())
    }

    /// Notes what still waits, and takes the buffers back if nothing does.
    fn put_away(&mut self, connection: &mut Connection<M, S::Socket>) {
        let Some(buffers) = &mut connection.buffers else { return };
        connection.flags.set(Flags::UNREAD, !buffers.unread.is_empty());
        if buffers.unread.is_empty() {
            connection.flags.remove(Flags::PARTIAL);
            buffers.seen = 0;
        }
        if buffers.is_empty()
            && let Some(buffers) = connection.buffers.take()
        {
            self.reuse(buffers);
        }
    }

    fn reuse(&mut self, buffers: Box<Buffers>) {
        worker::reuse(self.spare, buffers);
    }
}

/// The socket as a raw action sees it.
struct Raw<'a, S: Sys> {
    sys: &'a mut S,
    socket: &'a S::Socket,
    ready: Ready,
    /// Queued output waits, which goes first.
    has_unsent: bool,
    /// The directions the action tried.
    used: Ready,
    /// Input that an earlier state left behind comes first.
    unread: Option<&'a mut Vec<u8>>,
    moved: usize,
    ended: bool,
    gone: Option<io::Error>,
}

impl<S: Sys> Raw<'_, S> {
    /// Makes an answer of a transfer and notes what it tells of the socket.
    fn note(&mut self, transfer: Transfer, direction: Ready, asked: usize) -> io::Result<usize> {
        self.used = self.used.and(direction);
        match transfer {
            Transfer::Moved(count) => {
                self.moved += count;
                let more_to_read = direction.has(Ready::READ) && self.ready.has(Ready::READ_CLOSED);
                if count < asked && !more_to_read {
                    self.ready = self.ready.without(direction);
                }
                Ok(count)
            }
            Transfer::WouldBlock => {
                self.ready = self.ready.without(direction);
                Err(io::ErrorKind::WouldBlock.into())
            }
            Transfer::Gone(error) => {
                self.gone = Some(error.kind().into());
                Err(error)
            }
        }
    }
}

impl<S: Sys> RawSocket for Raw<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if let Some(unread) = self.unread.as_mut().filter(|unread| !unread.is_empty()) {
            let count = buffer.len().min(unread.len());
            buffer[..count].copy_from_slice(&unread[..count]);
            unread.drain(..count);
            self.used = self.used.and(Ready::READ);
            return Ok(count);
        }
        let transfer = self.sys.receive(self.socket, buffer);
        if matches!(transfer, Transfer::Moved(0)) {
            self.ended = true;
            self.ready = self.ready.without(Ready::READ);
        }
        self.note(transfer, Ready::READ, buffer.len())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        if self.has_unsent {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let transfer = self.sys.send(self.socket, bytes);
        self.note(transfer, Ready::WRITE, bytes.len())
    }
}

/// The socket as actions of events other than `readable` and `writable` see it: never ready.
struct NoRawSocket;

impl RawSocket for NoRawSocket {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}
