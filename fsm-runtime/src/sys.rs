//! The system as the worker sees it: every system call and the clock behind one small trait.
//!
//! The real one is thin and is inlined; the simulated one has a virtual clock, a network that cuts
//! and delays, and seeded faults. The worker above is the same code in both.

use std::io::{self, IoSlice};
use std::time::Duration;

use rustix::io::Errno;

use crate::io::Work;
use crate::key::Key;
use crate::peer::Peer;
use crate::pool::{JobId, Slot};
use crate::table::Class;

/// What a worker asks of the system.
///
/// A trait and not a `dyn`: a system call through a pointer costs a line of echo 80 instructions
/// more.
pub(crate) trait Sys {
    /// A connected socket; dropping it closes it.
    type Socket;

    /// The milliseconds of a clock that never goes back. Read once per turn.
    fn now(&mut self) -> u64;

    /// Waits until something is ready or the time has come; interruptions by signals are not
    /// errors.
    ///
    /// # Errors
    /// What the system answered; events that came with the error are still handed out.
    fn wait(&mut self, wait: Wait) -> io::Result<()>;

    /// Takes the next event of the last wait.
    fn next_event(&mut self) -> Option<Readiness>;

    /// The number of requests to stop that have arrived since the last call.
    fn stop_requests(&mut self) -> usize;

    /// The number of listeners, which are named by their index.
    fn listeners(&self) -> usize;

    /// Tells whether listeners are reported as long as somebody waits; otherwise they are only
    /// after [`Sys::accept`] found nobody.
    fn reports_listeners_by_level(&self) -> bool;

    /// Accepts one connection, set not to block.
    fn accept(&mut self, listener: usize) -> Accept<Self::Socket>;

    /// The class of those who connect at a listener, if it gives them one.
    fn class_at(&self, listener: usize) -> Option<Class>;

    /// Starts or stops the reporting of waiting connections.
    ///
    /// # Errors
    /// What the system answered.
    fn listen(&mut self, listener: usize, on: bool) -> io::Result<()>;

    /// Closes the listeners for good.
    fn close_listeners(&mut self);

    /// Accepts one connection with the spare descriptor and closes it at once. None where nobody
    /// waits, or where there is no spare descriptor and none to be had.
    fn refuse(&mut self, listener: usize) -> Option<Peer>;

    /// Keeps one descriptor spare.
    fn keep_reserve(&mut self);

    /// Has the socket's readiness reported under the key from now on, by [`Sys::look`] where the
    /// connection is preferred.
    ///
    /// # Errors
    /// What the system answered; the connection cannot be served then.
    fn register(&mut self, socket: &Self::Socket, key: Key, preferred: bool) -> io::Result<()>;

    /// Changes whether a registered connection is preferred. What it is ready for is reported
    /// afresh, except where it has to be asked for.
    ///
    /// # Errors
    /// What the system answered; the connection cannot be served any more.
    fn prefer(&mut self, socket: &Self::Socket, key: Key, preferred: bool) -> io::Result<()>;

    /// Looks which preferred connections have become ready, without waiting and beside the events
    /// of the last wait. Systems that cannot tell them apart ask whose key it is.
    fn look(&mut self, is_preferred: impl FnMut(Key) -> bool);

    /// Takes the next event of the last look.
    fn next_preferred(&mut self) -> Option<Readiness>;

    /// Tells what the connection waits for before it is left alone. Where readiness is reported by
    /// edges this costs nothing; where it is reported once, it is asked for again.
    ///
    /// # Errors
    /// What the system answered.
    fn rearm(&mut self, socket: &Self::Socket, key: Key, waits: Ready) -> io::Result<()>;

    /// Reads into the buffer.
    fn receive(&mut self, socket: &Self::Socket, buffer: &mut [u8]) -> Transfer;

    /// Writes from the buffer.
    fn send(&mut self, socket: &Self::Socket, bytes: &[u8]) -> Transfer;

    /// Writes from several buffers, one behind the other.
    fn send_pieces(&mut self, socket: &Self::Socket, pieces: &[IoSlice<'_>]) -> Transfer;

    /// Shuts down the sending side.
    fn finish_sending(&mut self, socket: &Self::Socket);

    /// Closes the socket; what was sent still goes out.
    fn close(&mut self, socket: Self::Socket);

    /// Resets the connection.
    fn abort(&mut self, socket: Self::Socket);

    /// The error the socket died of, if it did.
    fn take_error(&mut self, socket: &Self::Socket) -> Option<io::Error>;

    /// Has work done where it may block.
    fn offload(&mut self, slot: Slot, work: Work) -> JobId;

    /// Drops work that has not begun; what has begun goes on.
    fn cancel(&mut self, job: JobId);

    /// Leaves a connection to another worker, which is yet to be told, with the class that its
    /// listener gives it.
    fn hand_over(&mut self, worker: usize, socket: Self::Socket, peer: Peer, class: Option<Class>);

    /// Takes over a connection that another worker left to this one.
    fn next_arrival(&mut self) -> Option<(Self::Socket, Peer, Option<Class>)>;

    /// Reads the stopwatch: a counter that goes up with time, and is read after every slice.
    fn stopwatch(&mut self) -> u64;

    /// A span of the stopwatch that is surely no longer than `limit`.
    fn span_within(&mut self, limit: Duration) -> u64;

    /// How long a span of the stopwatch was.
    fn time_of(&mut self, span: u64) -> Duration;
}

/// How long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Not at all: there is work to do.
    Poll,
    /// Until something is ready.
    Forever,
    /// Until something is ready or the clock shows so many milliseconds.
    Until(u64),
}

/// An event: which source is ready for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Readiness {
    /// The source.
    pub(crate) key: Key,
    /// What for.
    pub(crate) ready: Ready,
}

/// What one accept brought.
#[derive(Debug)]
pub(crate) enum Accept<S> {
    /// A connection.
    Socket(S, Peer),
    /// Nobody waits.
    WouldBlock,
    /// This connection died before it was accepted; try the next.
    Retry,
    /// Descriptors or memory have run out.
    Exhausted(io::Error),
    /// The listener is broken.
    Broken(io::Error),
}

impl<S> Accept<S> {
    /// What an error number means for accepting.
    #[cold]
    pub(crate) fn failed(error: Errno) -> Self {
        match error {
            Errno::WOULDBLOCK => Self::WouldBlock,
            Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM => {
                Self::Exhausted(error.into())
            }
            Errno::INVAL | Errno::BADF | Errno::NOTSOCK | Errno::OPNOTSUPP => {
                Self::Broken(error.into())
            }
            // accept(2): errors pending on the new socket are handed out here, and the next may be
            // well.
            _ => Self::Retry,
        }
    }
}

/// What one read or write brought.
#[derive(Debug)]
pub(crate) enum Transfer {
    /// So many bytes moved; zero read is the peer's end of input.
    Moved(usize),
    /// Nothing can move now.
    WouldBlock,
    /// The socket is dead.
    Gone(io::Error),
}

/// What a socket is ready for, as a set of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Ready(u8);

impl Ready {
    /// The bits of epoll's `IN` and `OUT`, which are [`Ready::READ`] and [`Ready::WRITE`].
    #[cfg(all(target_os = "linux", not(polling_test_poll_backend), not(feature = "portable")))]
    #[inline]
    pub(crate) const fn from_epoll(bits: u8) -> Self {
        Self(bits)
    }

    /// Nothing.
    pub(crate) const NONE: Self = Self(0);
    /// There are bytes to read, or the end.
    pub(crate) const READ: Self = Self(1);
    /// There is room to write.
    pub(crate) const WRITE: Self = Self(1 << 2);
    /// The peer has closed its sending side, so that a short read is no proof of an empty socket.
    pub(crate) const READ_CLOSED: Self = Self(1 << 1);
    /// The socket is dead.
    pub(crate) const ERROR: Self = Self(1 << 3);

    /// How far above [`Ready::READ`] and [`Ready::WRITE`] it is kept that they were declined.
    const DECLINED: u32 = 4;

    /// The bits of both.
    #[must_use]
    #[inline]
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The bits without those of the other.
    #[must_use]
    #[inline]
    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The bits without a direction that was offered and not used. An edge is reported only once,
    /// so it is kept in mind for [`Ready::offered_again`].
    #[must_use]
    pub(crate) const fn declined(self, direction: Self) -> Self {
        Self(self.0 & !direction.0 | direction.0 << Self::DECLINED)
    }

    /// The bits with what was declined.
    #[must_use]
    #[inline]
    pub(crate) const fn offered_again(self) -> Self {
        Self((self.0 | self.0 >> Self::DECLINED) & ((1 << Self::DECLINED) - 1))
    }

    /// Tells whether any bit of `other` is set.
    #[must_use]
    #[inline]
    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}
