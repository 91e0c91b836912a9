//! What is settled about a connection when it is accepted: its context, and perhaps its class. It
//! opens no sockets.

use crate::table::Class;

/// What a server's `make_context` answers: the context of a connection alone, or with the class
/// that the connection has in states that say nothing of it.
///
/// ```
/// use fsm_runtime::table::Class;
/// use fsm_runtime::{Accepted, Peer};
///
/// struct Client;
///
/// // Whoever comes through the Unix socket sits at this machine, and is served first.
/// let make_context = |peer: &Peer| match peer {
///     Peer::Unix => Accepted::new(Client).class(Class::Preferred),
///     _ => Accepted::new(Client),
/// };
/// # let _ = make_context(&Peer::Unix);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted<C> {
    pub(crate) context: C,
    pub(crate) class: Option<Class>,
}

impl<C> Accepted<C> {
    /// A connection with this context, and the class of its listener or of its machine.
    pub const fn new(context: C) -> Self {
        Self { context, class: None }
    }

    /// Gives the connection a class, whatever its listener and its machine say. A state with a
    /// `#[class(..)]` of its own still has that.
    #[must_use]
    pub fn class(mut self, class: Class) -> Self {
        self.class = Some(class);
        self
    }
}

impl<C> From<C> for Accepted<C> {
    fn from(context: C) -> Self {
        Self::new(context)
    }
}
