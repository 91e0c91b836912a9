//! The socket as actions of `readable` and `writable` rows meet it: they read and write by
//! themselves.

use std::io;

use crate::connection::{Connection, Flags};
use crate::io::{Io, Out, RawSocket};
use crate::machine::{Event, Machine};
use crate::slice::desk::{Desk, End};
use crate::sys::{Ready, Sys, Transfer};

impl<M: Machine, S: Sys> Desk<M, S> {
    /// Delivers an event whose action may read and write by itself. Readiness that the action did
    /// not use is taken as not wanted until it comes again or another state is entered: else the
    /// loop would spin.
    pub(super) fn dispatch_raw(
        &mut self,
        connection: &mut Connection<M, S::Socket>,
        event: Event<'_, M>,
        offered: Ready,
    ) -> Result<(), End> {
        let mut raw = Raw {
            sys: &mut self.sys,
            socket: &connection.socket,
            ready: connection.ready,
            has_unsent: connection.flags.has(Flags::UNSENT),
            used: Ready::NONE,
            unread: connection.buffers.as_deref_mut().map(|buffers| &mut buffers.unread),
            moved: 0,
            ended: false,
            gone: None,
        };
        let mut io = Io::new(
            Out::new(&mut self.output, &[]),
            &mut self.shared,
            &mut self.turn,
            Some(&mut raw),
        );
        connection.machine.handle(&mut connection.context, event, &mut io);
        io.finish();
        let Raw { ready, used, moved, ended, gone, .. } = raw;
        // Another state has not been offered it yet.
        let is_answered = used.has(offered) || self.turn.moved;
        connection.ready = if is_answered { ready } else { ready.declined(offered) };
        if moved > 0 {
            connection.clocks.moved(moved, self.now);
        }
        connection.flags.set(Flags::INPUT_ENDED, ended || connection.flags.has(Flags::INPUT_ENDED));
        self.put_away(connection);
        if self.turn.has_news {
            self.note_news(connection);
        }
        match gone {
            Some(error) if !connection.flags.has(Flags::ENDING) => Err(End::Lost(error)),
            Some(_) => Err(End::Close),
            None => Ok(()),
        }
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
