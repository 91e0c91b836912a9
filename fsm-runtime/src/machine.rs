//! What the derive makes of an annotated enum, as a trait the worker can drive.
//!
//! A machine decides; it touches no socket and no clock. Everything here is called by the worker,
//! by the test driver or by the simulation, one event at a time.

use std::io;
use std::time::Duration;

use crate::io::Io;
use crate::table::{DeadlineKind, Interest, Table};

/// A connection state machine. Implemented by `#[derive(Machine)]`, never by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a connection state machine",
    label = "add `#[derive(Machine)]` to this enum, without `plain`"
)]
pub trait Machine: Sized + 'static {
    /// The data of one connection, on which the actions are methods.
    type Context;
    /// The input alphabet: an enum that a decoder makes from bytes.
    type Input<'a>
    where
        Self: 'a;
    /// What finds the next input in the bytes; every connection has one of its own.
    type Decoder;
    /// The data of one worker, shared by its connections without locks.
    type Shared;
    /// What an operation answers. It is made by another thread.
    type Reply: Send + 'static;
    /// What other machines and threads send.
    type Message: Send + 'static;
    /// What a fallible action fails with.
    type Error;

    /// The table as data.
    const TABLE: &'static Table;

    /// The machine of a new connection, in its initial state.
    fn initial() -> Self;

    /// The state the machine is in, an index into [`Table::states`].
    fn state(&self) -> usize;

    /// What to watch for in the present state.
    fn interest(&self) -> Interest;

    /// The limits of the present state. Methods named in deadline rows are called here: when the
    /// state is entered, when an input is begun or output begins to wait, and when a timer comes
    /// due.
    fn deadlines(&self, context: &Self::Context) -> Deadlines;

    /// Decodes one input from the front of `bytes`, of which the first `seen` bytes were looked at
    /// before without an input being found, and dispatches it. Answers the number of bytes it took;
    /// zero means that more bytes are needed.
    fn input(
        &mut self,
        context: &mut Self::Context,
        decoder: &mut Self::Decoder,
        bytes: &[u8],
        seen: usize,
        io: &mut Io<'_, Self>,
    ) -> usize;

    /// Dispatches one event. A state without a row for it takes no notice.
    fn handle(
        &mut self,
        context: &mut Self::Context,
        event: Event<'_, Self>,
        io: &mut Io<'_, Self>,
    );

    /// Puts the machine into its first terminal state after an action panicked: the data of the
    /// state is dropped, no `leave` runs, and the terminal state's `enter` runs.
    fn abandon(&mut self, context: &mut Self::Context, io: &mut Io<'_, Self>);
}

/// What can happen to a connection.
pub enum Event<'a, M: Machine + 'a> {
    /// The connection is ready: greetings go here.
    Connected,
    /// A whole input.
    Input(M::Input<'a>),
    /// The peer closed its sending side; the bytes are what no decoder took.
    Eof(&'a [u8]),
    /// All output has gone to the kernel, or there was none on entry.
    Drained,
    /// The socket may be read.
    Readable,
    /// The socket may be written.
    Writable,
    /// An operation of this state is done.
    Reply(M::Reply),
    /// Another machine or a thread sent something.
    Message(M::Message),
    /// A deadline of the state has passed.
    Deadline(DeadlineKind),
    /// The server is draining.
    Shutdown,
    /// The socket is dead: what is sent vanishes.
    Lost(io::Error),
}

impl<M: Machine> Event<'_, M> {
    /// What a table calls it; `deadline` stands for the rows of `after`.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Input(_) => INPUT,
            Self::Eof(_) => "eof",
            Self::Drained => "drained",
            Self::Readable => "readable",
            Self::Writable => "writable",
            Self::Reply(_) => "reply",
            Self::Message(_) => "message",
            Self::Deadline(_) => "deadline",
            Self::Shutdown => "shutdown",
            Self::Lost(_) => "lost",
        }
    }
}

/// The name of an input, whatever its own is.
pub(crate) const INPUT: &str = "input";

/// The limits of one state, each with its kind; a kind without a limit is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Deadlines {
    /// Since the state was entered.
    pub since_entry: Option<Duration>,
    /// Since the state's group was entered.
    pub since_group: Option<Duration>,
    /// Since the last whole input.
    pub without_input: Option<Duration>,
    /// Since an input was begun that is not finished.
    pub of_partial: Option<Duration>,
    /// Since a byte last moved.
    pub without_progress: Option<Duration>,
    /// Fewer bytes than the second number moved in the first.
    pub without_bytes: Option<(Duration, u32)>,
}

impl Deadlines {
    /// No limit of any kind.
    pub const NONE: Self = Self {
        since_entry: None,
        since_group: None,
        without_input: None,
        of_partial: None,
        without_progress: None,
        without_bytes: None,
    };
}
