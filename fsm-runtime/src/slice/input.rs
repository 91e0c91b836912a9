//! The input of a slice: read once, decoded and dispatched input after input, kept where it is not
//! whole.

use std::io;
use std::ops::Range;

use crate::connection::{Connection, Flags};
use crate::decode::MAX_LIMIT;
use crate::io::{Io, Out};
use crate::machine::{INPUT, Machine};
use crate::slice::desk::{Desk, End};
use crate::slice::news::note_news;
use crate::slice::output::{HIGH_WATER, flush_with};
use crate::sys::{Ready, Sys, Transfer};
use crate::table::Interest;

/// The inputs dispatched before others get their turn. The read buffer bounds the bytes; this
/// bounds the shortest inputs. A lower budget would be ruinous: the rest of a read is copied each
/// time.
const INPUTS_PER_SLICE: usize = 1_024;

/// The most bytes that wait for a decoder to find an input in them: the highest limit and what may
/// stand around it. A decoder that asks for more is broken.
const MAX_UNREAD: usize = MAX_LIMIT + 1024;

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

/// Reads once, decodes and dispatches what is there, and sends what was queued.
#[inline(always)]
pub(super) fn take_input<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    input: &mut [u8],
    desk: &mut Desk<M, S>,
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
pub(super) fn take_input_apart<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    input: &mut [u8],
    desk: &mut Desk<M, S>,
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
    desk: &mut Desk<M, S>,
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

/// Notes that a read brought `count` bytes. A short one means that the socket is empty, unless the
/// peer has closed: then the end must still be read.
#[inline]
pub(super) fn note_read<M: Machine, K>(
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

/// Delivers what is undelivered; what is only a part of an input is read on to.
#[cold]
fn take_more_input<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    input: &mut [u8],
    desk: &mut Desk<M, S>,
) -> Result<(), End> {
    let Some(buffers) = &mut connection.buffers else { return Ok(()) };
    let mut unread = std::mem::take(&mut buffers.unread);
    let was_partial = connection.flags.has(Flags::PARTIAL).then_some(buffers.partial_since);
    let mut failed = None;
    if was_partial.is_some() {
        let brought = read(connection, input, desk);
        if let Ok(Some(count)) = brought {
            unread.extend_from_slice(&input[..count]);
        }
        failed = brought.err();
    }
    let (taken, flushed) = deliver_all_apart(connection, desk, &unread);
    if taken == 0
        && let Some(since) = was_partial
    {
        // The flush may have put away the buffers, as the input is not in them, and it would have
        // its time anew whenever output goes out.
        desk.buffers(connection).partial_since = since;
    }
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
    desk: &mut Desk<M, S>,
    rest: &[u8],
) {
    desk.buffers(connection).unread.extend_from_slice(rest);
    connection.flags.insert(Flags::UNREAD);
}

/// Delivers a stretch of input as far as the state, the budget and the output allow, and sends.
/// Answers the bytes taken and what became of the sending: what was not taken is kept even if the
/// socket has died, since input that arrived comes before `lost`.
#[inline(always)]
fn deliver_all<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    desk: &mut Desk<M, S>,
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

/// [`deliver_all`] where it is not on the short path.
#[inline(never)]
fn deliver_all_apart<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    desk: &mut Desk<M, S>,
    window: &[u8],
) -> (usize, Result<(), End>) {
    desk.last_event = INPUT;
    deliver_all(connection, desk, window)
}

/// Decodes and dispatches input after input. This is the path of a pipelined line: everything on it
/// is inlined, and what is rare is called with values and answers values.
#[inline(always)]
fn deliver<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    desk: &mut Desk<M, S>,
    window: &[u8],
) -> Delivered {
    let mut seen = connection.buffers.as_ref().map_or(0, |buffers| buffers.seen);
    let (mut rest, mut left) = (window, INPUTS_PER_SLICE);
    let mut io =
        Io::new(Out::new(&mut desk.output, window), &mut desk.shared, &mut desk.turn, None);
    let stop = loop {
        io.out.mark();
        let (machine, context) = (&mut connection.machine, &mut connection.context);
        let taken = machine.input(context, &mut connection.decoder, rest, seen, &mut io);
        if taken == 0 {
            break Stop::Partial;
        }
        rest = &rest[taken..];
        seen = 0;
        if io.has_news() {
            note_news(connection, io.turn(), desk.now, &mut desk.outside, &mut desk.sys);
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
    desk: &mut Desk<M, S>,
    length: usize,
    begun_now: bool,
) {
    let begins = begun_now || !connection.flags.has(Flags::PARTIAL);
    let buffers = desk.buffers(connection);
    buffers.seen = length;
    if begins {
        buffers.partial_since = desk.now;
        connection.flags.insert(Flags::PARTIAL.and(Flags::RETIME));
    }
}
