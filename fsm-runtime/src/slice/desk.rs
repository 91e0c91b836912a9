//! What a slice works with beside its connection, and how a connection may end.

use std::io;

use crate::buffers::{self, Buffers, Spare};
use crate::connection::{Connection, Flags, Overdue};
use crate::io::{Io, Out, Turn};
use crate::machine::{Event, Machine};
use crate::output::Output;
use crate::slice::news::{Outside, note_news};
use crate::sys::Sys;

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

/// Stands for the event of a slice that delivered none: it only sent, or dropped input.
pub(super) const NO_EVENT: &str = "none";

/// What a slice needs beside the connection: the worker's things that every connection shares.
pub(crate) struct Desk<M: Machine, S: Sys> {
    pub(crate) sys: S,
    pub(crate) shared: M::Shared,
    pub(crate) turn: Turn<M>,
    pub(crate) outside: Outside,
    /// Where a slice's output is gathered.
    pub(crate) output: Output,
    pub(crate) spare: Spare,
    /// The time in ticks, read once a turn.
    pub(crate) now: u32,
    /// The name of the event delivered last, except on the short path, where it is an input.
    pub(crate) last_event: &'static str,
}

impl<M: Machine, S: Sys> Desk<M, S> {
    /// What a worker without connections has.
    pub(crate) fn new(sys: S, shared: M::Shared, turn: Turn<M>) -> Self {
        Self {
            sys,
            shared,
            turn,
            outside: Outside::default(),
            output: Output::default(),
            spare: Spare::default(),
            now: 0,
            last_event: NO_EVENT,
        }
    }

    /// The buffers of a connection, lent to it if it has none.
    pub(super) fn buffers<'c>(
        &mut self,
        connection: &'c mut Connection<M, S::Socket>,
    ) -> &'c mut Buffers {
        connection.buffers.get_or_insert_with(|| self.spare.pop().unwrap_or_default())
    }

    /// Notes what still waits, and takes the buffers back if nothing does.
    pub(super) fn put_away(&mut self, connection: &mut Connection<M, S::Socket>) {
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

    pub(super) fn reuse(&mut self, buffers: Box<Buffers>) {
        buffers::reuse(&mut self.spare, buffers);
    }

    /// Takes note of what the last event led to beside bytes.
    pub(super) fn note_news(&mut self, connection: &mut Connection<M, S::Socket>) {
        note_news(connection, &mut self.turn, self.now, &mut self.outside, &mut self.sys);
    }

    /// Delivers a deadline that has passed, if one has.
    pub(super) fn pass_deadlines(
        &mut self,
        connection: &mut Connection<M, S::Socket>,
    ) -> Result<(), End> {
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
}

/// Delivers one event that brings no input.
pub(super) fn dispatch<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    desk: &mut Desk<M, S>,
    event: Event<'_, M>,
) {
    desk.last_event = event.name();
    let mut io = Io::new(Out::new(&mut desk.output, &[]), &mut desk.shared, &mut desk.turn, None);
    connection.machine.handle(&mut connection.context, event, &mut io);
    io.finish();
    if desk.turn.has_news {
        desk.note_news(connection);
    }
}
