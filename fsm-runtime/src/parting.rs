//! How a worker parts with a connection: in good order, because its socket is dead, or because its
//! action panicked, which costs nobody else anything.
//!
//! `end` does what a slice asks for: `close` in good order, `abort` by a reset, or `lose`, whose
//! machine is told that its socket is dead. After a panic `bury` first has `entomb` bring the
//! machine to a terminal state. All of them come to `remove`.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::accepted::Accepted;
use crate::buffers::reuse;
use crate::connection::Connection;
use crate::key::Key;
use crate::machine::Machine;
use crate::peer::Peer;
use crate::slice::{self, End};
use crate::sys::Sys;
use crate::worker::Worker;

impl<M, S, F> Worker<M, S, F>
where
    M: Machine,
    M::Decoder: Clone,
    S: Sys,
    F: FnMut(&Peer) -> Accepted<M::Context>,
{
    #[cold]
    pub(crate) fn end(&mut self, index: u32, end: End) {
        self.desk.output.clear();
        match end {
            End::Close => self.close(index),
            End::Abort => self.abort(index),
            End::Lost(error) => self.lose(index, error),
        }
    }

    /// Ends a connection whose action panicked.
    #[cold]
    pub(crate) fn bury(&mut self) {
        self.summary.panics += 1;
        self.undo();
        let Some(index) = self.current.take() else { return };
        let Some(connection) = self.connections.get_mut(index) else { return };
        let state = M::TABLE.states[connection.machine.state()].name;
        tracing::error!(machine = M::TABLE.machine, state, index, "an action panicked");
        self.entomb(index);
        let Some((connection, _, input, desk)) = self.at(index) else { return };
        match slice::bury(connection, input, desk) {
            Ok(()) => self.settle(index),
            Err(end) => self.end(index, end),
        }
    }

    /// Lets a machine whose action panicked reach a terminal state. Dropping the state's data may
    /// panic as well; it is gone then, and `enter` still has to run. That may panic too, and where
    /// the machine has arrived still has to be noted.
    pub(crate) fn entomb(&mut self, index: u32) {
        for _ in 0..3 {
            let entombed = catch_unwind(AssertUnwindSafe(|| {
                if let Some((connection, _, _, desk)) = self.at(index) {
                    slice::entomb(connection, desk);
                }
            }));
            if entombed.is_ok() {
                return;
            }
            self.summary.panics += 1;
            self.undo();
        }
    }

    /// Drops what an action queued that panicked. To drop it may panic as well.
    #[cold]
    fn undo(&mut self) {
        while catch_unwind(AssertUnwindSafe(|| self.desk.turn.undo())).is_err() {
            self.summary.panics += 1;
        }
    }

    /// Ends a connection whose socket is dead.
    #[cold]
    pub(crate) fn lose(&mut self, index: u32, error: io::Error) {
        self.summary.lost += 1;
        tracing::debug!(index, %error, "lost");
        let told = catch_unwind(AssertUnwindSafe(|| {
            if let Some((connection, _, input, desk)) = self.at(index) {
                slice::tell_lost(connection, input, desk, error);
            }
        }));
        if told.is_err() {
            self.summary.panics += 1;
            self.undo();
            self.entomb(index);
        }
        self.desk.output.clear();
        // It may live all the same, where it only stalled: an end in good order would pass off what
        // the kernel still has of our output for all of it.
        self.abort(index);
    }

    pub(crate) fn close(&mut self, index: u32) {
        if let Some(socket) = self.remove(index) {
            self.desk.sys.close(socket);
        }
    }

    fn abort(&mut self, index: u32) {
        if let Some(socket) = self.remove(index) {
            self.desk.sys.abort(socket);
        }
    }

    /// Takes a connection out of everything that knows it; this is the only way out.
    fn remove(&mut self, index: u32) -> Option<S::Socket> {
        self.connections.get_mut(index)?;
        self.wheel.unlink(index, &mut self.connections);
        let (connection, generation) = self.connections.get_with_generation(index)?;
        let key = Key::connection(index, generation);
        self.desk.outside.forget::<M, S>(connection, key, &mut self.desk.sys);
        let connection = self.connections.remove(index)?;
        self.schedule.leave(connection.class());
        self.count_out_at(index);
        self.summary.closed += 1;
        tracing::debug!(index, "closed");
        Some(self.take_apart(connection))
    }

    /// Drops all of a connection but its socket. What the author's types do then may panic.
    #[inline]
    pub(crate) fn take_apart(&mut self, connection: Connection<M, S::Socket>) -> S::Socket {
        let Connection { socket, buffers, decoder, machine, context, .. } = connection;
        if let Some(buffers) = buffers {
            reuse(&mut self.desk.spare, buffers);
        }
        if catch_unwind(AssertUnwindSafe(|| drop((decoder, machine, context)))).is_err() {
            self.summary.panics += 1;
            tracing::error!(machine = M::TABLE.machine, "dropping a connection panicked");
        }
        socket
    }
}
