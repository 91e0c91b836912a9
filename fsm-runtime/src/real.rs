//! The real system: thin calls on sockets, each with its three outcomes, over one of two ways to
//! wait. It decides nothing.

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, SocketAddrAny, sockopt};
use rustix::time::Timespec;

use crate::inbox::{Inbox, Taken};
use crate::io::Work;
use crate::key::Key;
use crate::listener::Listener;
use crate::peer::Peer;
use crate::pool::{JobId, Pool, Slot};
use crate::real::stopwatch::Stopwatch;
use crate::sys::{Accept, Readiness, Ready, Sys, Transfer, Wait};
use crate::table::Class;

#[cfg(all(target_os = "linux", not(polling_test_poll_backend), not(feature = "portable")))]
pub(crate) mod direct;
#[cfg(any(not(target_os = "linux"), polling_test_poll_backend, feature = "portable"))]
pub(crate) mod portable;
mod stopwatch;

/// The way to wait that suits this system: directly on Linux, through `polling` elsewhere and where
/// the feature `portable` asks for it.
#[cfg(all(target_os = "linux", not(polling_test_poll_backend), not(feature = "portable")))]
pub(crate) type Native = direct::Direct;
/// The way to wait that suits this system.
#[cfg(any(not(target_os = "linux"), polling_test_poll_backend, feature = "portable"))]
pub(crate) type Native = portable::Portable;

/// The waiting half of the system.
pub(crate) trait Poll: Sized {
    /// Sources are reported as long as they are ready, and need not be asked for again.
    const SOURCES_BY_LEVEL: bool;

    /// What there is of it before its thread has started.
    type Plan: Send;

    /// Plans a poller, with what wakes its worker out of a wait: a call that comes while the worker
    /// does not wait ends its next wait.
    fn plan() -> io::Result<(Self::Plan, Waker)>;
    fn new(plan: Self::Plan) -> io::Result<Self>;
    fn now(&mut self) -> u64;
    fn wait(&mut self, wait: Wait) -> io::Result<()>;
    fn next_event(&mut self) -> Option<Readiness>;
    /// Watches a connection for both directions.
    fn add(&mut self, socket: BorrowedFd<'_>, key: Key, preferred: bool) -> io::Result<()>;
    /// Watches a connection among the preferred ones or among the others.
    fn prefer(&mut self, socket: BorrowedFd<'_>, key: Key, preferred: bool) -> io::Result<()>;
    /// Looks at the preferred connections, without waiting.
    fn look(&mut self, is_preferred: impl FnMut(Key) -> bool);
    fn next_preferred(&mut self) -> Option<Readiness>;
    /// Watches a source that is only read, and reports it as long as it is ready.
    fn add_source(&mut self, source: BorrowedFd<'_>, key: Key) -> io::Result<()>;
    /// Asks again for readiness that is reported once.
    fn rearm(&mut self, socket: BorrowedFd<'_>, key: Key, waits: Ready) -> io::Result<()>;
    /// Has a source read by the worker reported again.
    fn rearm_source(&mut self, source: BorrowedFd<'_>, key: Key) -> io::Result<()>;
    /// Ends the watching of a connection that is about to be closed.
    fn forget(&mut self, socket: BorrowedFd<'_>);
    /// Ends the watching of a source that stays open.
    fn remove_source(&mut self, source: BorrowedFd<'_>) -> io::Result<()>;
}

/// Wakes one worker.
pub(crate) type Waker = Box<dyn Fn() + Send + Sync>;

/// The real system of one worker.
pub(crate) struct Real<P> {
    poll: P,
    listeners: Vec<Listener>,
    /// Where requests to stop come from; one worker hears them for all.
    control: Option<UnixStream>,
    reserve: Option<OwnedFd>,
    /// Held alone while the spare descriptor is given up, so that no other worker's connection
    /// takes its place; and by all who accept.
    descriptors: Arc<RwLock<()>>,
    pool: Arc<Pool>,
    /// The connections on their way to each worker.
    arrivals: Arrivals,
    /// Those that have arrived here.
    arrived: Taken<Arrival>,
    stopwatch: Stopwatch,
    /// The number of this worker.
    number: usize,
}

/// The connections on their way from the worker that accepted them to the one that serves them, an
/// inbox for each worker. Nobody sleeps on these: a mail follows each connection.
pub(crate) type Arrivals = Arc<[Inbox<Arrival>]>;

/// A connection on its way, with the class that its listener gives it.
type Arrival = (OwnedFd, Peer, Option<Class>);

/// What a worker finds when its thread starts.
pub(crate) struct Workplace<P: Poll> {
    /// The number of the worker.
    pub(crate) number: usize,
    pub(crate) plan: P::Plan,
    /// Where it accepts.
    pub(crate) listeners: Vec<Listener>,
    /// Where requests to stop come from, for the one worker that hears them.
    pub(crate) control: Option<UnixStream>,
    /// The spare descriptor.
    pub(crate) reserve: Option<OwnedFd>,
    /// The same for all workers.
    pub(crate) descriptors: Arc<RwLock<()>>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) arrivals: Arrivals,
}

/// The most requests to stop read at once; the second one already stops.
const CONTROL_BYTES: usize = 16;

impl<P: Poll> Real<P> {
    /// The system of the worker at a workplace, on whose thread this is called.
    pub(crate) fn new(place: Workplace<P>) -> io::Result<Self> {
        let Workplace { number, plan, listeners, control, reserve, .. } = place;
        let Workplace { descriptors, pool, arrivals, .. } = place;
        let mut poll = P::new(plan)?;
        if let Some(control) = &control {
            control.set_nonblocking(true)?;
            poll.add_source(control.as_fd(), Key::CONTROL)?;
        }
        for (number, listener) in listeners.iter().enumerate() {
            poll.add_source(listener.as_fd(), Key::listener(number))?;
        }
        let arrived = Taken::default();
        let stopwatch = Stopwatch::new();
        Ok(Self {
            poll,
            listeners,
            control,
            reserve,
            descriptors,
            pool,
            arrivals,
            arrived,
            stopwatch,
            number,
        })
    }
}

/// Whoever is on the way to a worker that ends is closed, and whoever is handed over to it later:
/// they would wait for as long as any other worker lives.
impl<P> Drop for Real<P> {
    fn drop(&mut self) {
        drop(self.arrivals[self.number].close());
    }
}

impl<P: Poll> Sys for Real<P> {
    type Socket = OwnedFd;

    #[inline]
    fn now(&mut self) -> u64 {
        self.poll.now()
    }

    #[inline]
    fn wait(&mut self, wait: Wait) -> io::Result<()> {
        self.poll.wait(wait)
    }

    #[inline]
    fn next_event(&mut self) -> Option<Readiness> {
        self.poll.next_event()
    }

    fn stop_requests(&mut self) -> usize {
        let mut bytes = [0; CONTROL_BYTES];
        let Some(control) = &mut self.control else { return 0 };
        let count = io::Read::read(control, &mut bytes).unwrap_or(0);
        let rearmed = self.poll.rearm_source(control.as_fd(), Key::CONTROL);
        if let Err(error) = rearmed {
            tracing::error!(%error, "requests to stop are not heard any more");
        }
        count
    }

    fn listeners(&self) -> usize {
        self.listeners.len()
    }

    #[inline]
    fn reports_listeners_by_level(&self) -> bool {
        P::SOURCES_BY_LEVEL
    }

    fn accept(&mut self, listener: usize) -> Accept<OwnedFd> {
        let _beside = self.descriptors.read().unwrap_or_else(PoisonError::into_inner);
        accept(&mut self.poll, &self.listeners, listener)
    }

    fn class_at(&self, listener: usize) -> Option<Class> {
        self.listeners.get(listener)?.class()
    }

    fn listen(&mut self, listener: usize, on: bool) -> io::Result<()> {
        let Some(source) = self.listeners.get(listener) else { return Ok(()) };
        if on {
            self.poll.add_source(source.as_fd(), Key::listener(listener))
        } else {
            self.poll.remove_source(source.as_fd())
        }
    }

    fn close_listeners(&mut self) {
        for listener in self.listeners.drain(..) {
            // A listener that was paused is not watched, so the answer does not matter.
            let _ = self.poll.remove_source(listener.as_fd());
        }
    }

    fn refuse(&mut self, listener: usize) -> Option<Peer> {
        let _alone = self.descriptors.write().unwrap_or_else(PoisonError::into_inner);
        self.reserve = None;
        let accepted = accept(&mut self.poll, &self.listeners, listener);
        let refused = match accepted {
            Accept::Socket(_socket, peer) => Some(peer),
            _ => None,
        };
        self.reserve = reserve();
        refused
    }

    fn keep_reserve(&mut self) {
        if self.reserve.is_none() {
            self.reserve = reserve();
        }
    }

    fn register(&mut self, socket: &OwnedFd, key: Key, preferred: bool) -> io::Result<()> {
        self.poll.add(socket.as_fd(), key, preferred)
    }

    fn prefer(&mut self, socket: &OwnedFd, key: Key, preferred: bool) -> io::Result<()> {
        self.poll.prefer(socket.as_fd(), key, preferred)
    }

    fn look(&mut self, is_preferred: impl FnMut(Key) -> bool) {
        self.poll.look(is_preferred);
    }

    fn next_preferred(&mut self) -> Option<Readiness> {
        self.poll.next_preferred()
    }

    #[inline]
    fn rearm(&mut self, socket: &OwnedFd, key: Key, waits: Ready) -> io::Result<()> {
        self.poll.rearm(socket.as_fd(), key, waits)
    }

    #[inline]
    fn receive(&mut self, socket: &OwnedFd, buffer: &mut [u8]) -> Transfer {
        match retry_on_intr(|| rustix::net::recv(socket, &mut *buffer, RecvFlags::empty())) {
            Ok((_, count)) => Transfer::Moved(count),
            Err(error) => failed(error),
        }
    }

    #[inline]
    fn send(&mut self, socket: &OwnedFd, bytes: &[u8]) -> Transfer {
        match retry_on_intr(|| rustix::net::send(socket, bytes, SEND_FLAGS)) {
            Ok(count) => Transfer::Moved(count),
            Err(error) => failed(error),
        }
    }

    fn send_pieces(&mut self, socket: &OwnedFd, pieces: &[IoSlice<'_>]) -> Transfer {
        let mut nothing_else = SendAncillaryBuffer::default();
        let send = || rustix::net::sendmsg(socket, pieces, &mut nothing_else, SEND_FLAGS);
        match retry_on_intr(send) {
            Ok(count) => Transfer::Moved(count),
            Err(error) => failed(error),
        }
    }

    fn finish_sending(&mut self, socket: &OwnedFd) {
        // It fails only where the peer has reset the connection, which reading will find out.
        let _ = rustix::net::shutdown(socket, Shutdown::Write);
    }

    fn close(&mut self, socket: OwnedFd) {
        self.poll.forget(socket.as_fd());
    }

    fn abort(&mut self, socket: OwnedFd) {
        // Unix sockets have no reset; for them this is an ordinary close.
        let _ = sockopt::set_socket_linger(&socket, Some(Duration::ZERO));
        self.close(socket);
    }

    fn take_error(&mut self, socket: &OwnedFd) -> Option<io::Error> {
        match sockopt::socket_error(socket) {
            Ok(Ok(())) => None,
            Ok(Err(error)) | Err(error) => Some(error.into()),
        }
    }

    fn offload(&mut self, slot: Slot, work: Work) -> JobId {
        self.pool.submit(slot, work)
    }

    fn cancel(&mut self, job: JobId) {
        self.pool.cancel(job);
    }

    fn hand_over(&mut self, worker: usize, socket: OwnedFd, peer: Peer, class: Option<Class>) {
        // A worker takes connections for as long as others hand them over. One that broke takes
        // none, and the connection is closed.
        let _ = self.arrivals[worker].push((socket, peer, class));
    }

    fn next_arrival(&mut self) -> Option<Arrival> {
        if self.arrived.is_empty() {
            self.arrived = self.arrivals[self.number].take();
        }
        self.arrived.next()
    }

    #[inline]
    fn stopwatch(&mut self) -> u64 {
        self.stopwatch.read()
    }

    fn span_within(&mut self, limit: Duration) -> u64 {
        self.stopwatch.span_within(limit)
    }

    fn time_of(&mut self, span: u64) -> Duration {
        self.stopwatch.time_of(span)
    }
}

/// No SIGPIPE for a peer that has gone, whatever the process does with that signal.
#[cfg(not(target_vendor = "apple"))]
const SEND_FLAGS: SendFlags = SendFlags::NOSIGNAL;
/// Apple's systems have a socket option for it, which the listener sets.
#[cfg(target_vendor = "apple")]
const SEND_FLAGS: SendFlags = SendFlags::empty();

/// Accepts one connection at the listener of that number.
fn accept<P: Poll>(poll: &mut P, listeners: &[Listener], number: usize) -> Accept<OwnedFd> {
    let Some(source) = listeners.get(number) else { return Accept::WouldBlock };
    match source.accept() {
        Ok((socket, address)) => Accept::Socket(socket, peer_of(address)),
        Err(Errno::WOULDBLOCK) => match poll.rearm_source(source.as_fd(), Key::listener(number)) {
            Ok(()) => Accept::WouldBlock,
            Err(error) => Accept::Broken(error),
        },
        Err(error) => Accept::failed(error),
    }
}

/// A descriptor that is there to be given up, if there is one left.
pub(crate) fn reserve() -> Option<OwnedFd> {
    File::open("/dev/null").ok().map(OwnedFd::from)
}

#[cold]
fn failed(error: Errno) -> Transfer {
    match error {
        Errno::WOULDBLOCK => Transfer::WouldBlock,
        error => Transfer::Gone(error.into()),
    }
}

fn peer_of(address: Option<SocketAddrAny>) -> Peer {
    let Some(address) = address else { return Peer::Unknown };
    match std::net::SocketAddr::try_from(address) {
        Ok(address) => Peer::Tcp(address),
        Err(_) => Peer::Unix,
    }
}

const MILLIS_PER_SECOND: u64 = 1_000;
const NANOS_PER_MILLI: u64 = 1_000_000;

/// A time of the system in milliseconds.
#[inline]
fn millis(time: Timespec) -> u64 {
    time.tv_sec.cast_unsigned() * MILLIS_PER_SECOND + time.tv_nsec.cast_unsigned() / NANOS_PER_MILLI
}
