//! How a connection ends: by a terminal state, by a dead socket, or by a panic.

use std::io;

use crate::connection::{Connection, Flags};
use crate::io::{Io, Out};
use crate::machine::{Event, Machine};
use crate::slice::desk::{Desk, End, dispatch};
use crate::slice::input::{note_read, take_input_apart};
use crate::slice::output::flush;
use crate::sys::{Ready, Sys, Transfer};
use crate::table::Interest;

/// The reads from a dead socket, so that what arrived before it died is delivered: 1 MiB, more than
/// a receive buffer holds by default.
const LAST_READS: usize = 64;

/// The reads in a slice of a connection whose input is only dropped.
const LINGER_READS: usize = 4;

/// Goes on with a connection whose machine has ended: everything is sent, then the sending side is
/// shut down, and input is dropped until the peer's end. To close with unread input would make the
/// kernel throw away the reply.
#[cold]
pub(super) fn finish<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    input: &mut [u8],
    desk: &mut Desk<M, S>,
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
pub(super) fn linger<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    input: &mut [u8],
    desk: &mut Desk<M, S>,
) -> Result<(), End> {
    if desk.turn.draining {
        connection.flags.insert(Flags::HURRIED.and(Flags::RETIME));
    }
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

/// Tells the machine of a dead connection, after everything that arrived before it died.
pub(crate) fn tell_lost<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    input: &mut [u8],
    desk: &mut Desk<M, S>,
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

/// Puts the machine of a connection whose action panicked into its first terminal state, unless it
/// had reached one. What the action queued was dropped while it unwound.
pub(crate) fn entomb<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    desk: &mut Desk<M, S>,
) {
    if desk.turn.ended {
        desk.note_news(connection);
    } else if !connection.flags.has(Flags::ENDING) || !connection.interest.is_terminal() {
        abandon(connection, desk);
    }
}

/// Goes on with a connection whose action panicked: what earlier events queued goes out.
pub(crate) fn bury<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    input: &mut [u8],
    desk: &mut Desk<M, S>,
) -> Result<(), End> {
    flush(connection, desk)?;
    finish(connection, input, desk)
}

/// Puts the machine into its first terminal state.
fn abandon<M: Machine, S: Sys>(connection: &mut Connection<M, S::Socket>, desk: &mut Desk<M, S>) {
    connection.flags.insert(Flags::ENDING);
    let mut io = Io::new(Out::new(&mut desk.output, &[]), &mut desk.shared, &mut desk.turn, None);
    connection.machine.abandon(&mut connection.context, &mut io);
    io.finish();
    // Whatever the machine says, it has left its state.
    desk.turn.moved = true;
    desk.note_news(connection);
}
