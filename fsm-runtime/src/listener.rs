//! Listening sockets: bound, made not to block, with the options that accepted sockets inherit.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrAny, SocketAddrUnix, SocketFlags, SocketType, bind, connect,
    getsockname, listen, socket_with, sockopt,
};

use crate::peer::Address;

/// The connections the kernel keeps ready to be accepted. The system's own limit is 4,096 since
/// Linux 5.4; the 128 that `std` asks for overflow in a burst.
pub(crate) const BACKLOG: u16 = 4_096;

/// How long a connection may be silent before the system asks whether the peer still lives, unless
/// the author says otherwise: 5 min. Linux's own two hours outlive what most routers remember of a
/// connection; the 15 s of Go would send 67,000 packets a second for a million idle clients, where
/// this sends 3,300. Redis has the same.
pub const DEFAULT_KEEP_ALIVE: Duration = Duration::from_secs(300);

/// The questions that go unanswered before a connection is lost, as in Redis: one lost packet says
/// nothing.
const PROBES: u32 = 3;

/// The silences that Linux can be told, which counts seconds in 15 bits.
pub const KEEP_ALIVES: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(32_767);

/// What can be chosen about a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Options {
    /// The connections that the kernel keeps ready to be accepted.
    pub(crate) backlog: u16,
    /// The silence after which the system asks whether the peer still lives, if it does.
    pub(crate) keep_alive: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Self { backlog: BACKLOG, keep_alive: Some(DEFAULT_KEEP_ALIVE) }
    }
}

/// A listening socket. A Unix socket's path is removed with it.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: OwnedFd,
    address: Address,
    path: Option<PathBuf>,
    options: Options,
}

/// An address that could not be listened on.
#[derive(Debug)]
pub struct BindError {
    address: Address,
    error: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "cannot listen on {}: {}", self.address, self.error)?;
        match self.error.kind() {
            io::ErrorKind::AddrInUse => {
                formatter.write_str("; stop what listens there, or choose another")
            }
            io::ErrorKind::PermissionDenied => {
                formatter.write_str("; choose a port over 1023 or a folder that may be written")
            }
            _ => Ok(()),
        }
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl Listener {
    /// Listens on an address.
    ///
    /// # Errors
    /// The address is in use, is not this machine's, or may not be listened on.
    pub(crate) fn bind(address: &Address) -> Result<Self, BindError> {
        let bound = match address {
            Address::Tcp(tcp) => bind_tcp(*tcp, Standing::First, Options::default()),
            Address::Unix(path) => bind_unix(path),
        };
        bound.map_err(|error| BindError { address: address.clone(), error: error.into() })
    }

    /// The address listened on, with the port that the system chose.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Listens on the same address once more: the system divides those who connect among all that
    /// listen there. None where it does not, which is for Unix sockets and outside of Linux.
    ///
    /// # Errors
    /// What the system answered.
    pub(crate) fn share(&self) -> Result<Option<Self>, BindError> {
        let Address::Tcp(tcp) = self.address else { return Ok(None) };
        if !cfg!(target_os = "linux") {
            return Ok(None);
        }
        match bind_tcp(tcp, Standing::Beside, self.options) {
            Ok(listener) => Ok(Some(listener)),
            Err(error) => Err(BindError { address: self.address.clone(), error: error.into() }),
        }
    }

    /// Chooses anew. What is accepted from now on has the options; of those who wait already only
    /// the number changes.
    ///
    /// # Errors
    /// What the system answered.
    pub(crate) fn choose(&mut self, options: Options) -> io::Result<()> {
        if let Address::Tcp(_) = self.address {
            set_keep_alive(&self.socket, options.keep_alive)?;
        }
        if options.backlog != self.options.backlog {
            listen(&self.socket, i32::from(options.backlog))?;
        }
        self.options = options;
        Ok(())
    }

    /// Accepts one connection, set not to block and closed in child processes.
    pub(crate) fn accept(&self) -> Result<(OwnedFd, Option<SocketAddrAny>), Errno> {
        accept_nonblocking(self.socket.as_fd())
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // Somebody else may have removed it, which is what was wanted.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Whether a listener is the first at its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It is refused where anybody else listens, and others of this server may stand beside it.
    First,
    /// It stands beside the first.
    Beside,
}

fn bind_tcp(address: SocketAddr, standing: Standing, options: Options) -> Result<Listener, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = nonblocking_socket(family)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        // One address means one address: `[::]` beside `0.0.0.0` is two listeners.
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    // Accepted sockets inherit both, which saves calls for each connection.
    sockopt::set_tcp_nodelay(&socket, true)?;
    set_keep_alive(&socket, options.keep_alive)?;
    #[cfg(target_vendor = "apple")]
    sockopt::set_socket_nosigpipe(&socket, true)?;
    if standing == Standing::Beside {
        set_reuseport(&socket)?;
    }
    bind(&socket, &address)?;
    if standing == Standing::First {
        // Only now: before the bind it would let two servers have the same address unawares.
        set_reuseport(&socket)?;
    }
    listen(&socket, i32::from(options.backlog))?;
    let bound = SocketAddr::try_from(getsockname(&socket)?).unwrap_or(address);
    Ok(Listener { socket, address: Address::Tcp(bound), path: None, options })
}

/// Has the system ask silent peers whether they still live, and lose those who do not answer: one
/// that is dead is found after twice the silence.
fn set_keep_alive(socket: &OwnedFd, silence: Option<Duration>) -> Result<(), Errno> {
    if let Some(silence) = silence {
        set_silence(socket, silence.clamp(*KEEP_ALIVES.start(), *KEEP_ALIVES.end()))?;
    }
    sockopt::set_socket_keepalive(socket, silence.is_some())
}

#[cfg(not(any(target_os = "haiku", target_os = "nto", target_os = "openbsd")))]
fn set_silence(socket: &OwnedFd, silence: Duration) -> Result<(), Errno> {
    sockopt::set_tcp_keepidle(socket, silence)?;
    sockopt::set_tcp_keepintvl(socket, (silence / PROBES).max(*KEEP_ALIVES.start()))?;
    sockopt::set_tcp_keepcnt(socket, PROBES)
}

/// These systems have one silence for all.
#[cfg(any(target_os = "haiku", target_os = "nto", target_os = "openbsd"))]
fn set_silence(_: &OwnedFd, _: Duration) -> Result<(), Errno> {
    Ok(())
}

#[cfg(target_os = "linux")]
fn set_reuseport(socket: &OwnedFd) -> Result<(), Errno> {
    sockopt::set_socket_reuseport(socket, true)
}

/// Elsewhere the option does not divide connections evenly, if at all: one listener accepts, and
/// hands over.
#[cfg(not(target_os = "linux"))]
fn set_reuseport(_: &OwnedFd) -> Result<(), Errno> {
    Ok(())
}

fn bind_unix(path: &Path) -> Result<Listener, Errno> {
    let address = SocketAddrUnix::new(path)?;
    let socket = nonblocking_socket(AddressFamily::UNIX)?;
    match bind(&socket, &address) {
        Err(Errno::ADDRINUSE) if is_socket(path) && is_abandoned(&address) => {
            std::fs::remove_file(path)
                .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::ADDRINUSE))?;
            bind(&socket, &address)?;
        }
        bound => bound?,
    }
    let options = Options::default();
    listen(&socket, i32::from(options.backlog))?;
    let address = Address::Unix(path.to_owned());
    Ok(Listener { socket, address, path: Some(path.to_owned()), options })
}

/// Tells whether the path is a socket's. Connecting to any other file is refused as well, and
/// nobody's data may be taken for an abandoned socket.
fn is_socket(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
}

/// Tells whether a socket's path was left behind by a server that is gone: nobody answers there.
fn is_abandoned(address: &SocketAddrUnix) -> bool {
    let Ok(probe) = nonblocking_socket(AddressFamily::UNIX) else { return false };
    connect(&probe, address) == Err(Errno::CONNREFUSED)
}

#[cfg(not(target_vendor = "apple"))]
fn nonblocking_socket(family: AddressFamily) -> Result<OwnedFd, Errno> {
    socket_with(family, SocketType::STREAM, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None)
}

#[cfg(not(target_vendor = "apple"))]
fn accept_nonblocking(listener: BorrowedFd<'_>) -> Result<(OwnedFd, Option<SocketAddrAny>), Errno> {
    rustix::net::acceptfrom_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)
}

/// Apple's systems set the flags one by one.
#[cfg(target_vendor = "apple")]
fn nonblocking_socket(family: AddressFamily) -> Result<OwnedFd, Errno> {
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::empty(), None)?;
    set_flags(socket.as_fd())?;
    Ok(socket)
}

#[cfg(target_vendor = "apple")]
fn accept_nonblocking(listener: BorrowedFd<'_>) -> Result<(OwnedFd, Option<SocketAddrAny>), Errno> {
    let (socket, address) = rustix::net::acceptfrom(listener)?;
    set_flags(socket.as_fd())?;
    Ok((socket, address))
}

#[cfg(target_vendor = "apple")]
fn set_flags(socket: BorrowedFd<'_>) -> Result<(), Errno> {
    rustix::io::ioctl_fionbio(socket, true)?;
    rustix::io::fcntl_setfd(socket, rustix::io::FdFlags::CLOEXEC)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::TcpStream;
    use std::time::Duration;

    use rustix::event::{PollFd, PollFlags, poll};

    use super::{Address, DEFAULT_KEEP_ALIVE, KEEP_ALIVES, Listener, Options, PROBES, sockopt};

    fn bound() -> Listener {
        let address = "127.0.0.1:0".parse().expect("an address");
        Listener::bind(&address).expect("a port is free")
    }

    /// What an accepted socket asks silent peers after, how often again, and how many times.
    fn inherited(listener: &Listener) -> Option<(Duration, Duration, u32)> {
        let Address::Tcp(address) = listener.address() else { unreachable!("it is over TCP") };
        let _client = TcpStream::connect(address).expect("it listens");
        poll(&mut [PollFd::new(listener, PollFlags::IN)], None).expect("somebody comes");
        let (socket, _) = listener.accept().expect("somebody has come");
        let asks = sockopt::socket_keepalive(&socket).expect("TCP has it");
        asks.then(|| {
            let idle = sockopt::tcp_keepidle(&socket).expect("TCP has it");
            let interval = sockopt::tcp_keepintvl(&socket).expect("TCP has it");
            (idle, interval, sockopt::tcp_keepcnt(&socket).expect("TCP has it"))
        })
    }

    #[test]
    fn accepted_sockets_ask_silent_peers_as_was_chosen() {
        let mut listener = bound();
        let third = DEFAULT_KEEP_ALIVE / PROBES;
        assert_eq!(inherited(&listener), Some((DEFAULT_KEEP_ALIVE, third, PROBES)));
        let mut choose = |seconds: Option<u64>| {
            let keep_alive = seconds.map(Duration::from_secs);
            listener.choose(Options { keep_alive, ..Options::default() }).expect("it is taken");
            inherited(&listener).map(|(idle, interval, _)| (idle.as_secs(), interval.as_secs()))
        };
        assert_eq!(choose(Some(60)), Some((60, 20)));
        assert_eq!(choose(None), None);
        let most = KEEP_ALIVES.end().as_secs();
        assert_eq!(choose(Some(0)), Some((1, 1)));
        assert_eq!(choose(Some(most + 1)), Some((most, most.div_ceil(3))));
    }

    #[test]
    fn a_listener_beside_another_has_its_options() {
        let mut first = bound();
        let keep_alive = Some(Duration::from_secs(30));
        first.choose(Options { backlog: 1, keep_alive }).expect("they are taken");
        let beside = first.share().expect("it is ours").expect("Linux divides");
        drop(first);
        assert_eq!(inherited(&beside).map(|(idle, ..)| Some(idle)), Some(keep_alive));
        let Address::Tcp(address) = beside.address() else { unreachable!("it is over TCP") };
        let patience = Duration::from_millis(200);
        let clients: Vec<_> =
            (0..4).map(|_| TcpStream::connect_timeout(address, patience)).collect();
        let connected = clients.iter().filter(|client| client.is_ok()).count();
        assert_eq!(connected, 2, "the system lets one more wait than it is told");
    }
}
