//! How a handler sends the body of a response piece by piece, framed as its head has promised.

use fsm_runtime::{Bytes, Io, OperationError, Out, PoolFull, Ticket};

use super::Http;
use super::exchange::offload_shared;
use super::handler::{Handler, Outgoing};

/// How far a response's body has come. Only a [`BodyWriter`] makes one.
pub struct Written(pub(super) Progress);

#[derive(Clone, Copy)]
pub(super) enum Progress {
    /// More follows when this has gone.
    More,
    /// More follows when it has been made elsewhere.
    Later,
    /// That was all.
    Whole,
    /// It cannot be ended as it was begun.
    Broken,
}

/// The right to write to a response's body.
pub struct BodyWriter<'a, 'io, H: Handler> {
    pub(super) io: &'a mut Io<'io, Http<H>>,
    pub(super) outgoing: &'a mut Outgoing,
}

impl<H: Handler> BodyWriter<'_, '_, H> {
    /// What the connections of this worker share.
    pub fn shared(&mut self) -> &mut H::Shared {
        &mut self.io.shared.handler
    }

    /// How many bytes of the body are still to be sent, where that was said.
    #[must_use]
    pub fn left(&self) -> Option<u64> {
        match *self.outgoing {
            Outgoing::Counted(left) => Some(left),
            Outgoing::Chunked | Outgoing::UntilClose | Outgoing::Broken => None,
        }
    }

    /// Queues bytes of the body. Some 64 KiB at a time are a good measure: they are held until the
    /// kernel has taken them.
    ///
    /// More bytes than were promised break the response off, since the client would take them for
    /// the next one.
    pub fn send(&mut self, bytes: &[u8]) {
        self.queue(bytes.len(), |out| out.send(bytes));
    }

    /// As [`BodyWriter::send`], without copying them; see [`Out::send_shared`].
    pub fn send_shared(&mut self, bytes: &Bytes) {
        self.queue(bytes.len(), |out| out.send_shared(bytes));
    }

    /// Queues so many bytes, framed as they have to be.
    fn queue(&mut self, count: usize, send: impl FnOnce(&mut Out<'_>)) {
        let out = &mut self.io.out;
        match &mut *self.outgoing {
            // An empty chunk would be the last.
            Outgoing::Chunked if count > 0 => {
                write!(out, "{count:x}\r\n");
                send(out);
                out.send(b"\r\n");
            }
            Outgoing::Counted(left) => match left.checked_sub(count as u64) {
                Some(rest) => {
                    *left = rest;
                    send(out);
                }
                None => *self.outgoing = Outgoing::Broken,
            },
            Outgoing::UntilClose => send(out),
            Outgoing::Chunked | Outgoing::Broken => {}
        }
    }

    /// More follows: [`Handler::next_piece`] is called when what was queued has gone. Something
    /// must have been.
    #[must_use]
    pub fn more(self) -> Written {
        self.written(Progress::More)
    }

    /// Has the next piece made by a thread that may block; end with [`BodyWriter::wait`] then, and
    /// [`Handler::piece`] is called.
    ///
    /// # Errors
    /// As many jobs wait or run as may: the job is given back.
    pub fn offload<J>(&mut self, job: J) -> Result<(), PoolFull<J>>
    where
        J: FnOnce() -> H::Reply + Send + 'static,
    {
        self.io.offload(job)
    }

    /// The right to have the next piece made from anywhere; end with [`BodyWriter::wait`].
    #[must_use]
    pub fn ticket(&mut self) -> Ticket<Http<H>> {
        self.io.ticket()
    }

    /// Has a job done for the worker and not for this response; see [`Io::offload_shared`].
    ///
    /// # Errors
    /// As many jobs wait or run as may: both closures are dropped.
    pub fn offload_shared<T, J, F>(&mut self, job: J, finish: F) -> Result<(), PoolFull<()>>
    where
        J: FnOnce() -> T + Send + 'static,
        F: FnOnce(&mut H::Shared, Result<T, OperationError>) + Send + 'static,
        T: Send + 'static,
    {
        offload_shared(self.io, job, finish)
    }

    /// More follows when it has been made elsewhere: [`Handler::piece`] is called then.
    #[must_use]
    pub fn wait(self) -> Written {
        self.written(Progress::Later)
    }

    /// The body is whole. If it is shorter than was promised, the response is broken off instead.
    #[must_use]
    pub fn end(self) -> Written {
        match *self.outgoing {
            Outgoing::Chunked => self.io.out.send(b"0\r\n\r\n"),
            Outgoing::Counted(1..) => return self.break_off(),
            Outgoing::Counted(0) | Outgoing::UntilClose | Outgoing::Broken => {}
        }
        self.written(Progress::Whole)
    }

    /// The body cannot be sent as it was promised. The connection is reset, which no client takes
    /// for a whole response.
    #[must_use]
    pub fn break_off(self) -> Written {
        Written(Progress::Broken)
    }

    fn written(self, progress: Progress) -> Written {
        let is_broken = *self.outgoing == Outgoing::Broken;
        Written(if is_broken { Progress::Broken } else { progress })
    }
}
