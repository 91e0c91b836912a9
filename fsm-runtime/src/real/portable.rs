//! Waiting wherever `polling` runs: each readiness is reported once and asked for again.
//!
//! That is the only mode every system has. It costs one call an event more than edges, and it is
//! safe: a short read needs no second one. A connection that waits for nothing is not watched at
//! all, because poll(2) reports a hang-up to whoever watches for nothing, without end.
#![allow(unsafe_code, reason = "`polling` cannot know that a source outlives its registration")]

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use polling::{Event, Events, PollMode, Poller};
use rustix::time::{ClockId, clock_gettime};

use crate::key::{Key, Source};
use crate::real::{Poll, Waker, millis};
use crate::sys::{Readiness, Ready, Wait};

/// The poller of one worker.
pub(crate) struct Portable {
    poller: Arc<Poller>,
    events: Events,
    ready: Vec<Readiness>,
    next: usize,
    /// The events of preferred connections, as of the last look.
    preferred: VecDeque<Readiness>,
    /// The preferred ones among the events of the last wait have been picked out.
    is_sorted: bool,
    /// The events of others that a look brought, for the next wait.
    later: Vec<Readiness>,
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
        let (events, preferred) = (Events::new(), VecDeque::new());
        let (ready, later) = (Vec::new(), Vec::new());
        Ok(Self { poller, events, ready, next: 0, preferred, is_sorted: false, later })
    }

    fn now(&mut self) -> u64 {
        millis(clock_gettime(ClockId::Monotonic))
    }

    fn wait(&mut self, wait: Wait) -> io::Result<()> {
        let timeout = match wait {
            _ if !self.later.is_empty() => Some(Duration::ZERO),
            Wait::Poll => Some(Duration::ZERO),
            Wait::Forever => None,
            Wait::Until(at) => Some(Duration::from_millis(at.saturating_sub(self.now()))),
        };
        let waited = self.poll(timeout);
        // Events that came with an error have been reported for good, so they are served all the
        // same.
        self.ready.clear();
        self.next = 0;
        self.is_sorted = false;
        self.ready.append(&mut self.later);
        self.ready.extend(self.events.iter().map(|event| readiness(&event)));
        waited
    }

    fn next_event(&mut self) -> Option<Readiness> {
        let readiness = self.ready.get(self.next).copied()?;
        self.next += 1;
        Some(readiness)
    }

    fn add(&mut self, socket: BorrowedFd<'_>, key: Key, _: bool) -> io::Result<()> {
        self.watch(socket, Event::none(key.word()))
    }

    /// All connections are watched alike.
    fn prefer(&mut self, _: BorrowedFd<'_>, _: Key, _: bool) -> io::Result<()> {
        Ok(())
    }

    /// Not every system can watch a poller by another one, so there is one poller for all, and
    /// whatever else a look brings is kept for the next wait.
    fn look(&mut self, mut is_preferred: impl FnMut(Key) -> bool) {
        let mut is_preferred =
            |event: &Readiness| event.key.source() == Source::Connection && is_preferred(event.key);
        if !std::mem::replace(&mut self.is_sorted, true) {
            for event in self.ready.split_off(self.next) {
                if is_preferred(&event) {
                    self.preferred.push_back(event);
                } else {
                    self.ready.push(event);
                }
            }
        }
        // What is wrong with the poller the next wait will say.
        let _ = self.poll(Some(Duration::ZERO));
        for event in self.events.iter().map(|event| readiness(&event)) {
            if is_preferred(&event) {
                self.preferred.push_back(event);
            } else {
                self.later.push(event);
            }
        }
    }

    fn next_preferred(&mut self) -> Option<Readiness> {
        self.preferred.pop_front()
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
    /// Asks the poller for events.
    ///
    /// Its poll(2) back end fails with `WouldBlock` where it hears of a notification whose byte is
    /// still on its way, and then takes the notification for one that nobody has been woken by: it
    /// swallows all others until a wait succeeds, which for who sleeps is never. So it is asked
    /// again at once.
    fn poll(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.events.clear();
        match self.poller.wait(&mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.poller.wait(&mut self.events, Some(Duration::ZERO)).map(drop)
            }
            waited => waited.map(drop),
        }
    }

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
