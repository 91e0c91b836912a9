//! Waiting wherever `polling` runs: each readiness is reported once and asked for again.
//!
//! That is the only mode every system has. It costs one call an event more than edges, and it is
//! safe: a short read needs no second one. A connection that waits for nothing is not watched at
//! all, because poll(2) reports a hang-up to whoever watches for nothing, without end.
#![allow(unsafe_code, reason = "`polling` cannot know that a source outlives its registration")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use polling::{Event, Events, PollMode, Poller};
use rustix::time::{ClockId, clock_gettime};

use crate::key::Key;
use crate::real::{Poll, Waker, millis};
use crate::sys::{Readiness, Ready, Wait};

/// The poller of one worker.
pub(crate) struct Portable {
    poller: Arc<Poller>,
    events: Events,
    ready: Vec<Readiness>,
    next: usize,
}

impl Poll for Portable {
    const SOURCES_BY_LEVEL: bool = false;

    type Plan = Arc<Poller>;

    fn plan() -> io::Result<(Arc<Poller>, Waker)> {
        let poller = Arc::new(Poller::new()?);
        let woken = Arc::clone(&poller);
        let waker = Box::new(move || {
            if let Err(error) = woken.notify() {
                tracing::error!(%error, "a worker could not be woken");
            }
        });
        Ok((poller, waker))
    }

    fn new(poller: Arc<Poller>) -> io::Result<Self> {
        Ok(Self { poller, events: Events::new(), ready: Vec::new(), next: 0 })
    }

    fn now(&mut self) -> u64 {
        millis(clock_gettime(ClockId::Monotonic))
    }

    fn wait(&mut self, wait: Wait) -> io::Result<()> {
        let timeout = match wait {
            Wait::Poll => Some(Duration::ZERO),
            Wait::Forever => None,
            Wait::Until(at) => Some(Duration::from_millis(at.saturating_sub(self.now()))),
        };
        self.events.clear();
        let waited = self.poller.wait(&mut self.events, timeout);
        // Events that came with an error have been reported for good, so they are served all the
        // same.
        self.ready.clear();
        self.next = 0;
        self.ready.extend(self.events.iter().map(|event| readiness(&event)));
        waited.map(drop)
    }

    fn next_event(&mut self) -> Option<Readiness> {
        let readiness = self.ready.get(self.next).copied()?;
        self.next += 1;
        Some(readiness)
    }

    fn add(&mut self, socket: BorrowedFd<'_>, key: Key) -> io::Result<()> {
        self.watch(socket, Event::none(key.word()))
    }

    fn add_source(&mut self, source: BorrowedFd<'_>, key: Key) -> io::Result<()> {
        // SAFETY: listeners and the control socket live in `Real` beside this poller; a listener is
        // removed before it is closed, and the control socket is closed with the poller.
        unsafe {
            self.poller.add_with_mode(
                source.as_raw_fd(),
                Event::readable(key.word()),
                PollMode::Oneshot,
            )
        }
    }

    fn rearm(&mut self, socket: BorrowedFd<'_>, key: Key, waits: Ready) -> io::Result<()> {
        if waits == Ready::NONE {
            self.forget(socket);
            return Ok(());
        }
        let readable = waits.has(Ready::READ);
        let interest = Event::new(key.word(), readable, waits.has(Ready::WRITE));
        match self.poller.modify_with_mode(socket, interest, PollMode::Oneshot) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.watch(socket, interest),
            modified => modified,
        }
    }

    fn rearm_source(&mut self, source: BorrowedFd<'_>, key: Key) -> io::Result<()> {
        self.poller.modify_with_mode(source, Event::readable(key.word()), PollMode::Oneshot)
    }

    fn forget(&mut self, socket: BorrowedFd<'_>) {
        // A connection that ended in its first slice, or waited for nothing, is not there.
        let _ = self.poller.delete(socket);
    }

    fn remove_source(&mut self, source: BorrowedFd<'_>) -> io::Result<()> {
        self.poller.delete(source)
    }
}

impl Portable {
    fn watch(&mut self, socket: BorrowedFd<'_>, interest: Event) -> io::Result<()> {
        // SAFETY: the worker owns the socket in its slab and has one way to let go of it,
        // `Real::close`, which calls `forget` before the descriptor is closed.
        unsafe { self.poller.add_with_mode(socket.as_raw_fd(), interest, PollMode::Oneshot) }
    }
}

fn readiness(event: &Event) -> Readiness {
    let mut ready = Ready::NONE;
    if event.readable {
        ready = ready.and(Ready::READ);
    }
    if event.writable {
        ready = ready.and(Ready::WRITE);
    }
    if event.is_interrupt() || event.is_err() == Some(true) {
        ready = ready.and(Ready::READ).and(Ready::WRITE).and(Ready::READ_CLOSED);
    }
    if event.is_err() == Some(true) {
        ready = ready.and(Ready::ERROR);
    }
    Readiness { key: Key::from_word(event.key), ready }
}
