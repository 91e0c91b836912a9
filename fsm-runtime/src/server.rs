//! A server: listeners bound first, then run with a machine. It owns the threads and the signals,
//! and leaves all serving to workers.

use std::fmt;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::listener::{BindError, Listener};
use crate::machine::Machine;
use crate::peer::{Address, Peer};
use crate::real::{Native, Real};
use crate::summary::Summary;
use crate::worker::Worker;

/// How long connections may take to end after a request to stop, unless the author says otherwise;
/// the grace period that service managers commonly give is 30 s.
pub const DEFAULT_DRAIN_LIMIT: Duration = Duration::from_secs(30);

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
/// let server = Server::bind(&["127.0.0.1:7007".parse()?])?;
/// for address in server.addresses() {
///     println!("listening on {address}");
/// }
/// let summary = server.run::<Echo>(|_peer| Client)?;
/// println!("served {} clients", summary.accepted);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Server {
    listeners: Vec<Listener>,
    stop: Stop,
    control: UnixStream,
    drain_limit: Duration,
    signals: bool,
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

impl Server {
    /// Listens on every address.
    ///
    /// # Errors
    /// An address that cannot be listened on; none at all.
    pub fn bind(addresses: &[Address]) -> Result<Self, ServerError> {
        if addresses.is_empty() {
            return Err(ServerError::NoAddress);
        }
        let listeners: Result<_, _> = addresses.iter().map(Listener::bind).collect();
        let (control, sender) = UnixStream::pair()?;
        sender.set_nonblocking(true)?;
        Ok(Self {
            listeners: listeners.map_err(ServerError::Bind)?,
            stop: Stop { control: Arc::new(sender) },
            control,
            drain_limit: DEFAULT_DRAIN_LIMIT,
            signals: true,
        })
    }

    /// The addresses listened on, with the ports that the system chose.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.listeners.iter().map(Listener::address)
    }

    /// How long connections may take to end after a request to stop; [`DEFAULT_DRAIN_LIMIT`]
    /// without it.
    #[must_use]
    pub fn drain_limit(mut self, limit: Duration) -> Self {
        self.drain_limit = limit;
        self
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

    /// Serves until it is stopped, with a machine and what `make_context` answers for each
    /// connection.
    ///
    /// SIGINT and SIGTERM stay caught after it has returned; a program that goes on to do other
    /// things uses [`Server::without_signals`].
    ///
    /// # Errors
    /// The system refused what every server needs, or a listener broke.
    pub fn run<M>(
        self,
        make_context: impl FnMut(&Peer) -> M::Context,
    ) -> Result<Summary, ServerError>
    where
        M: Machine,
        M::Decoder: Clone + Default,
        M::Shared: Default,
    {
        self.run_with::<M>(M::Decoder::default(), M::Shared::default(), make_context)
    }

    /// Serves as [`Server::run`], with a decoder that carries limits of its own and shared data
    /// made before.
    ///
    /// # Errors
    /// As [`Server::run`].
    pub fn run_with<M>(
        self,
        decoder: M::Decoder,
        shared: M::Shared,
        make_context: impl FnMut(&Peer) -> M::Context,
    ) -> Result<Summary, ServerError>
    where
        M: Machine,
        M::Decoder: Clone,
    {
        let server = self.catch_signals()?;
        let system: Native = Real::new(server.listeners, server.control)?;
        let worker = Worker::<M, _, _>::new(system, shared, decoder, make_context);
        Ok(worker.run(server.drain_limit)?)
    }
}
