//! How a handler takes the body of a request: every piece comes with a right to say, once, what
//! becomes of it.

use fsm_runtime::{Io, PoolFull, Ticket};

use super::Http;
use super::handler::Handler;
use super::refusal::Refusal;

/// What becomes of a piece of a request's body. Only an [`Absorption`] makes one.
pub struct Absorbed(pub(super) bool);

/// The right to say what becomes of a piece of a request's body.
pub struct Absorption<'a, 'io, H: Handler> {
    pub(super) io: &'a mut Io<'io, Http<H>>,
}

impl<H: Handler> Absorption<'_, '_, H> {
    /// What the connections of this worker share.
    pub fn shared(&mut self) -> &mut H::Shared {
        &mut self.io.shared.handler
    }

    /// The piece is taken care of, and the next may come.
    #[must_use]
    pub fn done(self) -> Absorbed {
        Absorbed(true)
    }

    /// Has the piece put away by a thread that may block; [`Handler::absorbed`] is called with what
    /// it answers, and until then nothing more is read.
    ///
    /// # Errors
    /// 503: as many jobs wait or run as may.
    pub fn offload<J>(self, job: J) -> Result<Absorbed, Refusal>
    where
        J: FnOnce() -> H::Reply + Send + 'static,
    {
        match self.io.offload(job) {
            Ok(()) => Ok(Absorbed(false)),
            Err(PoolFull(_)) => Err(Refusal::BUSY),
        }
    }

    /// Gives away the right to have the piece put away from anywhere; [`Handler::absorbed`] is
    /// called then.
    pub fn wait(mut self, give: impl FnOnce(&mut Self, Ticket<Http<H>>)) -> Absorbed {
        let ticket = self.io.ticket();
        give(&mut self, ticket);
        Absorbed(false)
    }
}
