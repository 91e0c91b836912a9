//! The output of a slice: sent once, kept where the kernel does not take it, and bounded.

use std::io;

use crate::connection::{Connection, Flags};
use crate::machine::Machine;
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
        desk.output.extend_from_slice(run);
        desk.output.as_slice()
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
    desk: &mut Desk<M, S>,
    run: &[u8],
) -> Result<(), End> {
    let now = desk.now;
    let Some(buffers) = connection.buffers.as_mut() else { return Ok(()) };
    buffers.unsent.append(&mut desk.output);
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
        let (now, output) = (self.now, std::mem::take(&mut self.output));
        let buffers = self.buffers(connection);
        if buffers.backlog() == 0 {
            buffers.stuck_since = now;
        }
        buffers.unsent.extend_from_slice(&output);
        let is_over = buffers.backlog() > M::TABLE.backlog;
        self.output = output;
        self.output.clear();
        connection.flags.insert(Flags::UNSENT.and(Flags::RETIME));
        connection.flags.remove(Flags::DRAINED_TOLD);
        if is_over {
            flush(connection, self)?;
        }
        let backlog = connection.buffers.as_ref().map_or(0, |buffers| buffers.backlog());
        if backlog > M::TABLE.backlog {
            return Err(End::Lost(io::Error::other(format!(
                "{backlog} bytes wait for a peer that does not take them"
            ))));
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
}
