//! One slice of one connection: what is there is delivered in the order that makes a table mean one
//! thing, and what was queued is sent once.
//!
//! Replies and messages are delivered as they come in, which is before the slice. Its order is:
//! `connected`, input, `eof`, the flush, `writable` and `drained`, deadlines,
//! `shutdown`. A connection that only reads takes a short path through [`take_input`] alone.

use std::io;

use crate::connection::{Connection, Flags};
use crate::key::Key;
use crate::machine::{Event, INPUT, Machine};
use crate::slice::desk::{NO_EVENT, dispatch};
use crate::slice::ending::{finish, linger};
use crate::slice::input::{take_input, take_input_apart};
use crate::slice::output::flush;
use crate::sys::{Ready, Sys};
use crate::table::Interest;

mod desk;
mod ending;
mod input;
mod news;
mod output;
mod raw;

pub(crate) use desk::{Desk, End};
pub(crate) use ending::{bury, entomb, tell_lost};
pub(crate) use news::{answer, tell};

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

/// Serves a connection that only reads for one slice. If it has read what was there it is left
/// alone without a further look.
#[inline(always)]
pub(crate) fn serve_reader<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    input: &mut [u8],
    desk: &mut Desk<M, S>,
    key: Key,
) -> Served {
    match take_input(connection, input, desk) {
        Ok(()) if connection.only_reads() && !connection.ready.has(Ready::READ) => {
            match desk.sys.rearm(&connection.socket, key, connection.waits()) {
                Ok(()) => Served::Waits,
                Err(error) => apart(desk, Served::Ends(End::Lost(error))),
            }
        }
        // The end is news like any input, and as soon told.
        Ok(()) if connection.flags.has(Flags::INPUT_ENDED) => serve(connection, input, desk),
        Ok(()) => apart(desk, Served::Settle),
        Err(end) => apart(desk, Served::Ends(end)),
    }
}

/// Notes what the short path has delivered, where more follows from it than to wait.
fn apart<M: Machine, S: Sys>(desk: &mut Desk<M, S>, served: Served) -> Served {
    desk.last_event = INPUT;
    served
}

/// Serves a connection for one slice.
pub(crate) fn serve<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    input: &mut [u8],
    desk: &mut Desk<M, S>,
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
    desk: &mut Desk<M, S>,
) -> Result<(), End> {
    desk.last_event = NO_EVENT;
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

/// Delivers `eof` with what no decoder took.
fn tell_end<M: Machine, S: Sys>(connection: &mut Connection<M, S::Socket>, desk: &mut Desk<M, S>) {
    connection.flags.insert(Flags::END_TOLD);
    connection.flags.remove(Flags::UNREAD.and(Flags::PARTIAL));
    let rest = connection.buffers.as_mut().map(|buffers| std::mem::take(&mut buffers.unread));
    dispatch(connection, desk, Event::Eof(&rest.unwrap_or_default()));
    desk.put_away(connection);
}

impl<M: Machine, S: Sys> Desk<M, S> {
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
}
