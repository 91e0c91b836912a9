//! Operations: work that goes on elsewhere and comes back as `reply`, and how it may fail to.
//!
//! It knows the mesh that carries answers, and neither threads nor connections.

use std::fmt;
use std::io;

use crate::machine::Machine;
use crate::mesh::{Handle, Id, Mail};

/// Why an operation ended without an answer of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperationError {
    /// The job panicked.
    Panicked,
    /// Whoever was to answer did not: a ticket was dropped, or a job was never begun.
    Abandoned,
}

impl fmt::Display for OperationError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Panicked => "the job panicked",
            Self::Abandoned => "the operation was given up without an answer",
        })
    }
}

impl std::error::Error for OperationError {}

impl From<OperationError> for io::Error {
    fn from(error: OperationError) -> Self {
        Self::other(error)
    }
}

/// What operations answer, the `reply` of a machine: it can also say that there is no answer.
///
/// A `Result` does so by itself, where its error can be made from an [`OperationError`], as
/// [`io::Error`] and `Box<dyn Error + Send + Sync>` can. An enum says so by a variant:
///
/// ```
/// use fsm_runtime::{OperationError, Reply};
///
/// enum Disk {
///     Opened(std::fs::File),
///     Failed(OperationError),
/// }
///
/// impl Reply for Disk {
///     fn failed(error: OperationError) -> Self {
///         Self::Failed(error)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot say that an operation failed",
    label = "a job may panic and a ticket may be dropped: implement `fsm_runtime::Reply` for it, \
             or make the reply a `Result`"
)]
pub trait Reply: Sized {
    /// The reply of an operation that has none.
    fn failed(error: OperationError) -> Self;
}

impl<T, E: From<OperationError>> Reply for Result<T, E> {
    fn failed(error: OperationError) -> Self {
        Err(error.into())
    }
}

/// As many jobs wait or run as may; what was to be done is given back.
pub struct PoolFull<T>(pub T);

impl<T> fmt::Debug for PoolFull<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PoolFull(..)")
    }
}

impl<T> fmt::Display for PoolFull<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("as many jobs wait or run as the pool takes; try later, or say no")
    }
}

impl<T> std::error::Error for PoolFull<T> {}

/// The right to answer an operation once, from anywhere: made by [`Io::ticket`](crate::Io::ticket).
///
/// The answer comes as `reply` to the state that the ticket belongs to; if the machine has left
/// that state, the answer is dropped. A ticket that is dropped unused answers
/// [`OperationError::Abandoned`], so nobody waits for an answer that cannot come.
pub struct Ticket<M: Machine> {
    machine: Id<M>,
    operation: u64,
    handle: Handle<M>,
    /// Makes the reply of a ticket that is dropped; none once it has been used.
    failed: Option<fn(OperationError) -> M::Reply>,
}

impl<M: Machine> Ticket<M> {
    pub(crate) fn new(machine: Id<M>, operation: u64, handle: Handle<M>) -> Self
    where
        M::Reply: Reply,
    {
        Self { machine, operation, handle, failed: Some(M::Reply::failed) }
    }

    /// Answers the operation.
    pub fn answer(mut self, reply: M::Reply) {
        self.failed = None;
        self.post(reply);
    }

    /// Answers that there is no answer.
    pub(crate) fn fail(mut self, error: OperationError) {
        if let Some(failed) = self.failed.take() {
            self.post(failed(error));
        }
    }

    fn post(&self, reply: M::Reply) {
        let (to, operation) = (self.machine.key(), self.operation);
        self.handle.post(self.machine.worker(), Mail::Reply { to, operation, reply });
    }
}

impl<M: Machine> Drop for Ticket<M> {
    fn drop(&mut self) {
        if let Some(failed) = self.failed.take() {
            self.post(failed(OperationError::Abandoned));
        }
    }
}

impl<M: Machine> fmt::Debug for Ticket<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { machine, operation, .. } = self;
        formatter.debug_struct("Ticket").field("of", machine).field("number", operation).finish()
    }
}
