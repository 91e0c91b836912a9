//! Waiting on Linux: directly on the descriptor of `polling`'s poller, one system call a wait.
//!
//! `Poller::wait` makes five calls, which costs the most at low load, where latency is judged.
//! Connections are registered once, for both directions, by edges and with the peer's half-close,
//! which `polling` cannot ask for; they are never re-armed and leave with their last descriptor.
//! Keys of nobody here, such as that of `polling`'s own notifier, are ignored by the worker.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use polling::Poller;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};

use crate::key::Key;
use crate::real::{MILLIS_PER_SECOND, NANOS_PER_MILLI, Poll, Waker, millis};
use crate::sys::{Readiness, Ready, Wait};

/// The events taken by one wait: 3 KiB, and enough that a wait's own cost vanishes.
const EVENTS: usize = 256;

/// The poller of one worker.
pub(crate) struct Direct {
    poller: Poller,
    events: Batch,
    /// The connections that are preferred, once there were any.
    preferred: Option<Preferred>,
    timer: OwnedFd,
    /// When the timer goes off, if it is armed.
    armed: Option<u64>,
    /// When the timer last went off. The coarse clock lags by up to a tick of the kernel; without
    /// this the worker would find nothing due and wait again at once.
    fired: u64,
}

/// The events of one wait, of which those up to `filled` are its own.
struct Batch {
    events: Box<[epoll::Event]>,
    filled: usize,
    next: usize,
}

/// A poller for the preferred connections, which the worker's own reports like a source: so a look
/// at them costs one call whatever else is ready, and whoever sleeps is woken by either.
struct Preferred {
    epoll: OwnedFd,
    events: Batch,
}

impl Poll for Direct {
    const SOURCES_BY_LEVEL: bool = true;

    /// The events cannot be sent to another thread, so they have to wait for it.
    type Plan = (Poller, OwnedFd);

    fn plan() -> io::Result<(Self::Plan, Waker)> {
        let poller = Poller::new()?;
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let key = data(Key::TIMER);
        // By edges and never read: each expiry is one event, and none needs a call to clear it.
        epoll::add(poller.as_fd(), &timer, key, EventFlags::IN | EventFlags::ET)?;
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        // By edges and never read: each write is one event, and none needs a call to clear it.
        let flags = EventFlags::IN | EventFlags::ET;
        epoll::add(poller.as_fd(), &event, data(Key::INBOX), flags)?;
        let waker = Box::new(move || {
            // It fails only when the counter overflows, and then the edge before is not seen yet.
            let _ = rustix::io::write(&event, &1_u64.to_ne_bytes());
        });
        Ok(((poller, timer), waker))
    }

    fn new((poller, timer): Self::Plan) -> io::Result<Self> {
        let events = Batch::new(EVENTS);
        Ok(Self { poller, events, preferred: None, timer, armed: None, fired: 0 })
    }

    #[inline]
    fn now(&mut self) -> u64 {
        millis(clock_gettime(ClockId::MonotonicCoarse)).max(self.fired)
    }

    #[inline]
    fn wait(&mut self, wait: Wait) -> io::Result<()> {
        let timeout = match wait {
            Wait::Poll => Some(&AT_ONCE),
            Wait::Forever => None,
            Wait::Until(millis) => {
                self.arm(millis)?;
                None
            }
        };
        self.events.wait(self.poller.as_fd(), timeout)
    }

    #[inline]
    fn next_event(&mut self) -> Option<Readiness> {
        let event = self.events.next()?;
        let (key, ready) = (key_of(event), ready(event.flags));
        if key == Key::TIMER {
            self.fired = self.armed.take().unwrap_or(self.fired);
        }
        Some(Readiness { key, ready })
    }

    fn add(&mut self, socket: BorrowedFd<'_>, key: Key, preferred: bool) -> io::Result<()> {
        let epoll = if preferred { self.preferred_epoll() } else { self.poller.as_fd() };
        Ok(epoll::add(epoll, socket, data(key), BY_EDGES)?)
    }

    /// To be added anew reports what the socket is ready for, so no edge is lost on the way.
    #[cold]
    fn prefer(&mut self, socket: BorrowedFd<'_>, key: Key, preferred: bool) -> io::Result<()> {
        self.preferred_epoll();
        let (own, other) =
            (self.poller.as_fd(), self.preferred.as_ref().map(|it| it.epoll.as_fd()));
        let Some(other) = other else { return Ok(()) };
        let (from, to) = if preferred { (own, other) } else { (other, own) };
        match epoll::delete(from, socket) {
            // It stayed with the others when there was no descriptor for a poller of its own.
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        match epoll::add(to, socket, data(key), BY_EDGES) {
            Err(Errno::EXIST) => Ok(epoll::modify(to, socket, data(key), BY_EDGES)?),
            added => Ok(added?),
        }
    }

    fn look(&mut self, _: impl FnMut(Key) -> bool) {
        if let Some(Preferred { epoll, events }) = &mut self.preferred {
            // It can only fail by an interruption, and a look that brought nothing is repeated.
            let _ = events.wait(epoll.as_fd(), Some(&AT_ONCE));
        }
    }

    fn next_preferred(&mut self) -> Option<Readiness> {
        let event = self.preferred.as_mut()?.events.next()?;
        Some(Readiness { key: key_of(event), ready: ready(event.flags) })
    }

    fn add_source(&mut self, source: BorrowedFd<'_>, key: Key) -> io::Result<()> {
        Ok(epoll::add(self.poller.as_fd(), source, data(key), EventFlags::IN)?)
    }

    #[inline]
    fn rearm(&mut self, _: BorrowedFd<'_>, _: Key, _: Ready) -> io::Result<()> {
        Ok(())
    }

    #[inline]
    fn rearm_source(&mut self, _: BorrowedFd<'_>, _: Key) -> io::Result<()> {
        Ok(())
    }

    #[inline]
    fn forget(&mut self, _: BorrowedFd<'_>) {}

    fn remove_source(&mut self, source: BorrowedFd<'_>) -> io::Result<()> {
        Ok(epoll::delete(self.poller.as_fd(), source)?)
    }
}

/// How connections are registered, once and for both directions.
const BY_EDGES: EventFlags =
    EventFlags::IN.union(EventFlags::OUT).union(EventFlags::RDHUP).union(EventFlags::ET);

/// The preferred connections taken by one look: more are rarely ready within a slice.
const PREFERRED_EVENTS: usize = 32;

/// No time to wait at all.
const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

impl Batch {
    fn new(room: usize) -> Self {
        let nothing = epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) };
        Self { events: vec![nothing; room].into_boxed_slice(), filled: 0, next: 0 }
    }

    #[inline]
    fn wait(&mut self, epoll: BorrowedFd<'_>, timeout: Option<&Timespec>) -> io::Result<()> {
        self.next = 0;
        let waited = epoll::wait(epoll, &mut *self.events, timeout);
        self.filled = waited.unwrap_or(0);
        match waited {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    #[inline]
    fn next(&mut self) -> Option<&epoll::Event> {
        let event = self.events[..self.filled].get(self.next)?;
        self.next += 1;
        Some(event)
    }
}

impl Direct {
    /// The poller of the preferred connections, made when the first one comes. Where descriptors
    /// have run out they stay with the others, which costs them the look between slices only.
    #[cold]
    fn preferred_epoll(&mut self) -> BorrowedFd<'_> {
        if self.preferred.is_none() {
            match self.make_preferred() {
                Ok(preferred) => self.preferred = Some(preferred),
                Err(error) => tracing::warn!(%error, "preferred connections are seen late"),
            }
        }
        self.preferred.as_ref().map_or(self.poller.as_fd(), |it| it.epoll.as_fd())
    }

    fn make_preferred(&self) -> io::Result<Preferred> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(self.poller.as_fd(), &epoll, data(Key::PREFERRED), EventFlags::IN)?;
        Ok(Preferred { epoll, events: Batch::new(PREFERRED_EVENTS) })
    }

    /// Arms the timer, unless it goes off early enough as it is. A wait with a timeout of its own
    /// would cost about 1,000 instructions each time.
    #[inline]
    fn arm(&mut self, at: u64) -> io::Result<()> {
        if self.armed.is_some_and(|armed| armed <= at) {
            return Ok(());
        }
        self.set_timer(at)
    }

    #[cold]
    fn set_timer(&mut self, at: u64) -> io::Result<()> {
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let value = Itimerspec { it_interval: zero, it_value: timespec(at) };
        timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &value)?;
        self.armed = Some(at);
        Ok(())
    }
}

#[inline]
fn key_of(event: &epoll::Event) -> Key {
    Key::from_word(usize::try_from(event.data.u64()).unwrap_or(usize::MAX))
}

fn data(key: Key) -> EventData {
    EventData::new_u64(key.word() as u64)
}

fn timespec(millis: u64) -> Timespec {
    let nanos = (millis % MILLIS_PER_SECOND) * NANOS_PER_MILLI;
    // A time of zero would disarm the timer instead of letting it go off at once.
    let nanos = if millis == 0 { 1 } else { nanos };
    Timespec { tv_sec: (millis / MILLIS_PER_SECOND).cast_signed(), tv_nsec: nanos.cast_signed() }
}

/// What the flags say. The two that are common stand at the same bits on both sides.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "both flags stand in the lowest byte")]
fn ready(flags: EventFlags) -> Ready {
    let ready = Ready::from_epoll((flags & (EventFlags::IN | EventFlags::OUT)).bits() as u8);
    if flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR) {
        return ready.and(closed(flags));
    }
    ready
}

#[cold]
fn closed(flags: EventFlags) -> Ready {
    let mut ready = Ready::READ.and(Ready::READ_CLOSED);
    if flags.intersects(EventFlags::HUP | EventFlags::ERR) {
        ready = ready.and(Ready::WRITE);
    }
    if flags.contains(EventFlags::ERR) {
        ready = ready.and(Ready::ERROR);
    }
    ready
}
