//! A server: listeners bound first, then run with a machine. It owns the threads and the signals,
//! and leaves all serving to workers.

use std::fmt;
use std::io;
use std::num::NonZero;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::accepted::Accepted;
use crate::allowance;
use crate::door::Door;
use crate::inbox::Inbox;
use crate::io::Ties;
use crate::listener::{BindError, Listener, Options};
use crate::machine::Machine;
use crate::mesh::{DEFAULT_INBOX, HEARS_STOPS, Handle, Mail, Post};
use crate::peer::{Address, Peer};
use crate::pool::Pool;
use crate::real::{Arrivals, Native, Poll, Real, Workplace, reserve};
use crate::summary::Summary;
use crate::table::Class;
use crate::worker::{DEFAULT_SLOW_SLICE, Worker};

/// How long connections may take to end after a request to stop, unless the author says otherwise:
/// 30 s, the grace period that service managers commonly give.
pub const DEFAULT_DRAIN_LIMIT: Duration = Duration::from_secs(30);

/// The threads that do jobs for [`Io::offload`](crate::Io::offload), and the jobs that may run or
/// wait: 4, as many as libuv starts, and 1,024, which at 10 ms each are done in 2.5 s.
pub const DEFAULT_POOL: (usize, usize) = (4, 1_024);

/// Listeners that are bound and will serve once a machine is given to [`Server::run`].
///
/// ```no_run
/// # use fsm_runtime::{Io, Lines, Machine, Server};
/// # #[derive(Machine)]
/// # #[machine(context = Client, input = Lines<'_>)]
/// # enum Echo {
/// #     #[initial]
/// #     #[on(Line(line) => echo(line))]
/// #     #[on(TooLong -> Closed)]
/// #     #[on(eof(_) -> Closed)]
/// #     #[on(shutdown -> Closed)]
/// #     #[after(10s without input -> Closed)]
/// #     Reading,
/// #     #[terminal]
/// #     Closed,
/// # }
/// # struct Client;
/// # impl Client {
/// #     fn echo(&mut self, line: &[u8], io: &mut Io<'_, Echo>) {
/// #         io.out.send(line);
/// #     }
/// # }
/// let server = Server::<Echo>::bind(&["127.0.0.1:7007".parse()?])?;
/// for address in server.addresses() {
///     println!("listening on {address}");
/// }
/// let summary = server.run(|_peer| Client)?;
/// println!("served {} clients", summary.accepted);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Server<M: Machine> {
    listeners: Vec<Listener>,
    stop: Stop,
    control: UnixStream,
    handle: Handle<M>,
    settings: Settings,
    signals: bool,
}

/// What an author may choose, with what holds where nobody does.
struct Settings {
    /// None for one on each core.
    workers: Option<NonZero<usize>>,
    drain_limit: Duration,
    slow_slice: Duration,
    inbox: usize,
    pool: (usize, usize),
    max_connections: Option<NonZero<usize>>,
    max_per_address: Option<NonZero<usize>>,
    listening: Options,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            workers: None,
            drain_limit: DEFAULT_DRAIN_LIMIT,
            slow_slice: DEFAULT_SLOW_SLICE,
            inbox: DEFAULT_INBOX,
            pool: DEFAULT_POOL,
            max_connections: None,
            max_per_address: None,
            listening: Options::default(),
        }
    }
}

/// Why a server could not start or go on.
#[derive(Debug)]
pub enum ServerError {
    /// An address could not be listened on.
    Bind(BindError),
    /// No address to listen on was given.
    NoAddress,
    /// The system refused what every server needs.
    System(io::Error),
}

impl fmt::Display for ServerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind(error) => error.fmt(formatter),
            Self::NoAddress => formatter.write_str("no address to listen on; give at least one"),
            Self::System(error) => {
                write!(formatter, "the system does not let the server run: {error}")
            }
        }
    }
}

impl std::error::Error for ServerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Bind(error) => Some(error),
            Self::System(error) => Some(error),
            Self::NoAddress => None,
        }
    }
}

impl From<io::Error> for ServerError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// A handle that stops a server from anywhere, as SIGTERM does.
#[derive(Debug, Clone)]
pub struct Stop {
    control: Arc<UnixStream>,
}

impl Stop {
    /// Asks the server to stop. The first request drains: nobody is let in behind those who have
    /// connected already, all are told `shutdown`, and the server ends when all have ended or the
    /// drain limit has passed. The second stops at once.
    pub fn request(&self) {
        // It fails only where the server has ended, or where so many requests wait that one more
        // says nothing new.
        let _ = io::Write::write(&mut &*self.control, &[1]);
    }
}

impl<M: Machine> Server<M> {
    /// Listens on every address.
    ///
    /// # Errors
    /// An address that cannot be listened on; none at all.
    pub fn bind(addresses: &[Address]) -> Result<Self, ServerError> {
        if addresses.is_empty() {
            return Err(ServerError::NoAddress);
        }
        let listeners = listen_on(addresses, None)?;
        let (control, sender) = UnixStream::pair()?;
        sender.set_nonblocking(true)?;
        Ok(Self {
            listeners,
            stop: Stop { control: Arc::new(sender) },
            control,
            handle: Handle::new(),
            settings: Settings::default(),
            signals: true,
        })
    }

    /// Listens on these addresses as well, and whoever connects there is of that class in states
    /// that have none of their own, unless `make_context` says otherwise.
    ///
    /// # Errors
    /// An address that cannot be listened on.
    pub fn bind_as(mut self, class: Class, addresses: &[Address]) -> Result<Self, ServerError> {
        self.listeners.extend(listen_on(addresses, Some(class))?);
        // What was chosen before holds for these as well.
        self.choose_listening();
        Ok(self)
    }

    /// The addresses listened on, with the ports that the system chose.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.listeners.iter().map(Listener::address)
    }

    /// How many workers serve, each on a thread with connections, timers and shared data of its
    /// own; 0 stands for one for each core, as without it.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.settings.workers = NonZero::new(workers);
        self
    }

    /// How long connections may take to end after a request to stop; [`DEFAULT_DRAIN_LIMIT`]
    /// without it.
    #[must_use]
    pub fn drain_limit(mut self, limit: Duration) -> Self {
        self.settings.drain_limit = limit;
        self
    }

    /// How long a slice may take before a warning is logged with machine, state, event and time,
    /// and counted in [`Summary::slow_slices`]; [`DEFAULT_SLOW_SLICE`] without it. A slice is what
    /// one connection does before others have their turn, so an action that blocks shows here.
    #[must_use]
    pub fn slow_slice(mut self, limit: Duration) -> Self {
        self.settings.slow_slice = limit;
        self
    }

    /// How many messages wait for each worker before its inbox is full, 16,384 without it
    /// ([`DEFAULT_INBOX`]). With 0 none is ever taken.
    #[must_use]
    pub fn inbox(mut self, messages: usize) -> Self {
        self.settings.inbox = messages;
        self
    }

    /// How many threads do jobs for [`Io::offload`](crate::Io::offload), at least one, and how many
    /// jobs may run or wait for one before the pool is full; 4 and 1,024 without it
    /// ([`DEFAULT_POOL`]). Threads are started when they are first needed. A server that ends waits
    /// for no job: those that wait are dropped, those that run go on by themselves.
    #[must_use]
    pub fn pool(mut self, threads: usize, jobs: usize) -> Self {
        self.settings.pool = (threads, jobs);
        self
    }

    /// How many connections may be open at once, those of all workers counted; as many as there are
    /// descriptors for without it and with 0. Who comes when all places are taken waits in the
    /// system's queue ([`Server::backlog`]) until a connection ends; those who are served do not
    /// notice. There are never more workers than places.
    #[must_use]
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.settings.max_connections = NonZero::new(connections);
        self
    }

    /// How many connections one IP address may have at once, on all workers; any number without
    /// it and with 0. More are closed at once, and counted as refused.
    ///
    /// IPv6 addresses are counted by their network of 64 bits, which is the least that one site
    /// has; clients of Unix sockets are not counted. Behind a proxy all clients have one address.
    #[must_use]
    pub fn max_per_address(mut self, connections: usize) -> Self {
        self.settings.max_per_address = NonZero::new(connections);
        self
    }

    /// How long a connection over TCP may be silent before the system asks the peer whether it
    /// still lives; who does not answer for as long again ends as `lost`. None never asks;
    /// [`DEFAULT_KEEP_ALIVE`](crate::DEFAULT_KEEP_ALIVE) without it.
    ///
    /// A state that waits for its peer has a deadline of its own, and needs none of this. It is for
    /// those with `after(never)`: nobody else finds a peer that lost its power or its network. The
    /// system counts whole seconds and only so far; a time outside of
    /// [`KEEP_ALIVES`](crate::KEEP_ALIVES) is taken for the nearest within.
    #[must_use]
    pub fn keep_alive(mut self, silence: Option<Duration>) -> Self {
        self.settings.listening.keep_alive = silence;
        self.choose_listening();
        self
    }

    /// How many connections the system keeps ready at each listener until they are accepted; 4,096
    /// without it. The system has a limit of its own, on Linux `net.core.somaxconn`.
    #[must_use]
    pub fn backlog(mut self, connections: u16) -> Self {
        allowance::check_backlog(connections);
        self.settings.listening.backlog = connections;
        self.choose_listening();
        self
    }

    /// Chooses for the listeners at once: clients can connect already, and those who are accepted
    /// have the options of the moment in which they connected.
    fn choose_listening(&mut self) {
        for listener in &mut self.listeners {
            if let Err(error) = listener.choose(self.settings.listening) {
                tracing::warn!(%error, address = %listener.address(), "an option was not taken");
            }
        }
    }

    /// Leaves SIGINT and SIGTERM alone, for servers inside of a larger program.
    #[must_use]
    pub fn without_signals(mut self) -> Self {
        self.signals = false;
        self
    }

    /// Has SIGINT and SIGTERM drain the server from now on. [`Server::run`] does it in any case; a
    /// program that tells others when it is ready does it before, so that no signal kills it in
    /// between.
    ///
    /// # Errors
    /// The system refused it.
    pub fn catch_signals(mut self) -> Result<Self, ServerError> {
        if std::mem::take(&mut self.signals) {
            for signal in [SIGINT, SIGTERM] {
                signal_hook::low_level::pipe::register(signal, self.stop.control.try_clone()?)?;
            }
        }
        Ok(self)
    }

    /// A handle to stop the server with.
    #[must_use]
    pub fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// A handle to send to the server's machines with, once it runs.
    #[must_use]
    pub fn handle(&self) -> Handle<M> {
        self.handle.clone()
    }

    /// Serves until it is stopped, with a machine and what `make_context` answers for each
    /// connection: the context alone, or [`Accepted`] with the context and a class. It is called on
    /// the thread of the worker that serves the connection.
    ///
    /// SIGINT and SIGTERM stay caught after it has returned; a program that goes on to do other
    /// things uses [`Server::without_signals`]. The process may open as many files as its hard
    /// limit allows from then on, which programs that it starts inherit.
    ///
    /// # Errors
    /// The system refused what every server needs, or a listener broke.
    pub fn run<A>(self, make_context: impl Fn(&Peer) -> A + Sync) -> Result<Summary, ServerError>
    where
        A: Into<Accepted<M::Context>>,
        M::Decoder: Clone + Default + Sync,
        M::Shared: Default,
    {
        self.run_with(M::Decoder::default(), |_| M::Shared::default(), make_context)
    }

    /// Serves as [`Server::run`], with a decoder that carries limits of its own, and with shared
    /// data that `make_shared` makes for each worker by its number, on the thread of that worker.
    ///
    /// # Errors
    /// As [`Server::run`].
    pub fn run_with<A>(
        self,
        decoder: M::Decoder,
        make_shared: impl Fn(usize) -> M::Shared + Sync,
        make_context: impl Fn(&Peer) -> A + Sync,
    ) -> Result<Summary, ServerError>
    where
        A: Into<Accepted<M::Context>>,
        M::Decoder: Clone + Sync,
    {
        let server = self.catch_signals()?;
        allowance::raise_descriptors();
        let Settings { drain_limit, slow_slice, pool: (threads, jobs), .. } = server.settings;
        // Without anybody who can stop the server its control socket would be at its end, which is
        // ready for ever.
        let _stop = server.stop();
        let Settings { max_connections, max_per_address, listening, .. } = server.settings;
        let door = Arc::new(Door::new(max_connections, max_per_address));
        let handle = server.handle.clone();
        let pool = Arc::new(Pool::new(threads, jobs));
        let slots = pool.slots().clone();
        let places = server.workplaces(&pool)?;
        allowance::check_connections(max_connections);
        let run = |ending: Ending<'_, M>, place: Workplace<Native>| {
            let system = Real::new(place)?;
            let ties = Ties::new(ending.worker, handle.clone(), slots.clone());
            let shared = make_shared(ending.worker);
            let accepted = |peer: &Peer| make_context(peer).into();
            let worker = Worker::<M, _, _>::new(system, ties, shared, decoder.clone(), accepted);
            let mut worker = worker.behind(Arc::clone(&door), listening.backlog);
            worker.set_slow_slice(slow_slice);
            let summary = worker.run(drain_limit)?;
            ending.in_good_order();
            Ok(summary)
        };
        Ok(run_all(places, &handle, run)?)
    }

    /// The workplaces of all workers, which can be reached from now on.
    fn workplaces(self, pool: &Arc<Pool>) -> Result<Vec<Workplace<Native>>, ServerError> {
        let cores = || std::thread::available_parallelism().map_or(1, NonZero::get);
        let wanted = self.settings.workers.map_or_else(cores, NonZero::get);
        // A worker without a place for any connection would let those wait who come to it.
        let workers = self.settings.max_connections.map_or(wanted, |most| wanted.min(most.get()));
        let descriptors = Arc::default();
        let arrivals: Arrivals = (0..workers).map(|_| Inbox::new(usize::MAX)).collect();
        let mut beside = Vec::with_capacity(workers);
        for _ in 1..workers {
            let shared: Result<Vec<_>, _> = self.listeners.iter().map(Listener::share).collect();
            beside.push(shared.map_err(ServerError::Bind)?.into_iter().flatten().collect());
        }
        let (mut control, mut posts) = (Some(self.control), Vec::new());
        let mut places = Vec::with_capacity(workers);
        for (number, listeners) in std::iter::once(self.listeners).chain(beside).enumerate() {
            let (plan, waker) = Native::plan()?;
            posts.push(Post::new(self.settings.inbox, waker));
            let (control, pool) = (control.take(), Arc::clone(pool));
            let (arrivals, descriptors) = (Arc::clone(&arrivals), Arc::clone(&descriptors));
            places.push(Workplace {
                number,
                plan,
                listeners,
                control,
                reserve: reserve(),
                descriptors,
                pool,
                arrivals,
            });
        }
        self.handle.start(posts);
        Ok(places)
    }
}

fn listen_on(addresses: &[Address], class: Option<Class>) -> Result<Vec<Listener>, ServerError> {
    let bind = |address| Listener::bind(address).map(|listener| listener.with_class(class));
    addresses.iter().map(bind).collect::<Result<_, _>>().map_err(ServerError::Bind)
}

/// Runs every worker, the first one on this thread. The first error is the server's, and ends all.
fn run_all<M: Machine>(
    places: Vec<Workplace<Native>>,
    handle: &Handle<M>,
    run: impl Fn(Ending<'_, M>, Workplace<Native>) -> io::Result<Summary> + Sync,
) -> io::Result<Summary> {
    let mut places = places.into_iter().map(|place| {
        let ending = Ending::of(place.number, handle);
        (ending, place)
    });
    let first = places.next();
    std::thread::scope(|scope| {
        let run = &run;
        let mut threads = Vec::new();
        for (ending, place) in places {
            let thread = std::thread::Builder::new().name(format!("worker-{}", ending.worker));
            threads.push(thread.spawn_scoped(scope, move || run(ending, place)));
        }
        let mut summary =
            first.map_or(Ok(Summary::default()), |(ending, place)| run(ending, place));
        for thread in threads {
            let ended = thread.and_then(|thread| match thread.join() {
                Ok(ended) => ended,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            summary = summary.and_then(|sum| Ok(sum.and(ended?)));
        }
        summary
    })
}

/// The end of a worker, however it comes: nothing reaches it any more, and unless it ends because
/// it was asked to, the others are asked to drain.
pub(crate) struct Ending<'a, M: Machine> {
    worker: usize,
    handle: &'a Handle<M>,
    is_good: bool,
}

impl<'a, M: Machine> Ending<'a, M> {
    pub(crate) fn of(worker: usize, handle: &'a Handle<M>) -> Self {
        Self { worker, handle, is_good: false }
    }

    /// The worker ends because it was asked to.
    pub(crate) fn in_good_order(mut self) {
        self.is_good = true;
    }
}

impl<M: Machine> Drop for Ending<'_, M> {
    fn drop(&mut self) {
        // To drop what nobody received may panic, and the others have to hear of the end still.
        let closed = catch_unwind(AssertUnwindSafe(|| self.handle.close(self.worker)));
        if closed.is_err() {
            tracing::error!(worker = self.worker, "dropping what was sent to a worker panicked");
        }
        if self.is_good {
            // It may have waited for this worker alone.
            self.handle.post(HEARS_STOPS, Mail::HandsOverNoMore(self.worker));
        } else {
            self.handle.post_to_all(|| Mail::Drain);
            self.handle.post_to_all(|| Mail::HandsOverNoMore(self.worker));
        }
    }
}
