//! The output of a slice: sent once, kept where the kernel does not take it, and bounded.

use std::io;

use crate::connection::{Connection, Flags};
use crate::machine::Machine;
use crate::output::Output;
use crate::slice::desk::{Desk, End};
use crate::sys::{Ready, Sys, Transfer};

/// The unsent bytes above which no more input is delivered until all of them have gone; a kernel's
/// send buffer holds about as much again.
pub(super) const HIGH_WATER: usize = 64 * 1024;

/// Sends what the slice queued.
pub(super) fn flush<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    desk: &mut Desk<M, S>,
) -> Result<(), End> {
    flush_with(connection, desk, &[])
}

/// Sends what the slice queued and then `run`, a stretch of the input. What the kernel does not
/// take is kept.
#[inline(always)]
pub(super) fn flush_with<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    desk: &mut Desk<M, S>,
    run: &[u8],
) -> Result<(), End> {
    if connection.flags.has(Flags::UNSENT) {
        return flush_behind(connection, desk, run);
    }
    let bytes = if desk.output.is_empty() {
        run
    } else {
        desk.output.copy(run);
        match desk.output.in_one_piece() {
            Some(bytes) => bytes,
            None => return flush_pieces(connection, desk),
        }
    };
    if bytes.is_empty() {
        return Ok(());
    }
    connection.flags.remove(Flags::DRAINED_TOLD);
    let sent = match desk.sys.send(&connection.socket, bytes) {
        Transfer::Moved(count) => {
            connection.clocks.moved(count, desk.now);
            count
        }
        Transfer::WouldBlock => 0,
        Transfer::Gone(error) => return Err(End::Lost(error)),
    };
    if sent < bytes.len() {
        desk.keep_unsent(connection, sent, run);
    } else if !desk.output.is_empty() {
        desk.output.clear();
    }
    Ok(())
}

/// Sends what the slice queued where some of it is shared.
#[cold]
fn flush_pieces<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    desk: &mut Desk<M, S>,
) -> Result<(), End> {
    connection.flags.remove(Flags::DRAINED_TOLD);
    let sent = send(&mut desk.sys, &connection.socket, &mut desk.output)?;
    if sent > 0 {
        connection.clocks.moved(sent, desk.now);
    }
    if !desk.output.is_empty() {
        desk.keep_unsent(connection, 0, &[]);
    }
    Ok(())
}

/// Queues behind output that is already unsent, and sends on if there is room.
#[cold]
fn flush_behind<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    desk: &mut Desk<M, S>,
    run: &[u8],
) -> Result<(), End> {
    let now = desk.now;
    let Some(buffers) = connection.buffers.as_mut() else { return Ok(()) };
    buffers.unsent.append(&mut desk.output);
    buffers.unsent.copy(run);
    if connection.ready.has(Ready::WRITE) {
        let sent = send(&mut desk.sys, &connection.socket, &mut buffers.unsent)?;
        if sent > 0 {
            buffers.stuck_since = now;
            connection.clocks.moved(sent, now);
        }
        if !buffers.unsent.is_empty() {
            connection.ready = connection.ready.without(Ready::WRITE);
        }
    }
    let backlog = buffers.unsent.len();
    if backlog == 0 {
        connection.flags.remove(Flags::UNSENT.and(Flags::HELD));
        desk.put_away(connection);
    } else {
        connection
            .flags
            .set(Flags::HELD, backlog > HIGH_WATER || connection.flags.has(Flags::HELD));
    }
    Ok(())
}

/// Sends output from its front for as long as the kernel takes all that it is given. Answers how
/// many bytes have gone.
fn send<S: Sys>(sys: &mut S, socket: &S::Socket, output: &mut Output) -> Result<usize, End> {
    let mut sent = 0;
    loop {
        let (given, transfer) = match output.in_one_piece() {
            Some([]) => return Ok(sent),
            Some(bytes) => (bytes.len(), sys.send(socket, bytes)),
            None => {
                let pieces = output.pieces();
                (pieces.bytes(), sys.send_pieces(socket, pieces.as_slices()))
            }
        };
        let count = match transfer {
            Transfer::Moved(count) => count,
            Transfer::WouldBlock => 0,
            Transfer::Gone(error) => return Err(End::Lost(error)),
        };
        output.advance(count);
        sent += count;
        if count < given {
            return Ok(sent);
        }
    }
}

impl<M: Machine, S: Sys> Desk<M, S> {
    /// Keeps output of an event between slices for the next slice, or sends it already where more
    /// than the backlog waits: only what the kernel does not take then is too much.
    pub(super) fn keep_for_later(
        &mut self,
        connection: &mut Connection<M, S::Socket>,
    ) -> Result<(), End> {
        if self.output.is_empty() {
            return Ok(());
        }
        let now = self.now;
        let buffers = self.buffers(connection);
        if buffers.unsent.is_empty() {
            buffers.stuck_since = now;
        }
        buffers.unsent.append(&mut self.output);
        let is_over = buffers.unsent.len() > M::TABLE.backlog;
        connection.flags.insert(Flags::UNSENT.and(Flags::RETIME));
        connection.flags.remove(Flags::DRAINED_TOLD);
        if is_over {
            flush(connection, self)?;
        }
        let backlog = connection.buffers.as_ref().map_or(0, |buffers| buffers.unsent.len());
        if backlog > M::TABLE.backlog {
            return Err(End::Lost(io::Error::other(format!(
                "{backlog} bytes wait for a peer that does not take them"
            ))));
        }
        Ok(())
    }

    /// Keeps what the kernel did not take of the output, or of `run` where there was no other:
    /// `sent` bytes have gone. Nothing else was unsent so far.
    #[cold]
    #[inline(never)]
    fn keep_unsent(&mut self, connection: &mut Connection<M, S::Socket>, sent: usize, run: &[u8]) {
        if self.output.is_empty() {
            self.output.copy(&run[sent..]);
        } else {
            self.output.advance(sent);
        }
        let now = self.now;
        let buffers = self.buffers(connection);
        buffers.unsent.append(&mut self.output);
        buffers.stuck_since = now;
        let is_held = buffers.unsent.len() > HIGH_WATER;
        connection.ready = connection.ready.without(Ready::WRITE);
        connection.flags.insert(Flags::UNSENT.and(Flags::RETIME));
        connection.flags.set(Flags::HELD, is_held);
    }
}
