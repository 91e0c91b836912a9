//! Listening sockets: bound, made not to block, with the options that accepted sockets inherit.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrAny, SocketAddrUnix, SocketFlags, SocketType, bind, connect,
    getsockname, listen, socket_with, sockopt,
};

use crate::peer::Address;
use crate::table::Class;

/// The connections the kernel keeps ready to be accepted. The system's own limit is 4,096 since
/// Linux 5.4; the 128 that `std` asks for overflow in a burst.
pub(crate) const BACKLOG: u16 = 4_096;

/// A listening socket. A Unix socket's path is removed with it.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: OwnedFd,
    address: Address,
    path: Option<PathBuf>,
    class: Option<Class>,
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
            Address::Tcp(tcp) => bind_tcp(*tcp, Standing::First),
            Address::Unix(path) => bind_unix(path),
        };
        bound.map_err(|error| BindError { address: address.clone(), error: error.into() })
    }

    /// Gives those who connect here a class.
    pub(crate) fn with_class(mut self, class: Option<Class>) -> Self {
        self.class = class;
        self
    }

    /// The class of those who connect here, if they are given one.
    pub(crate) fn class(&self) -> Option<Class> {
        self.class
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
        match bind_tcp(tcp, Standing::Beside) {
            Ok(listener) => Ok(Some(listener.with_class(self.class))),
            Err(error) => Err(BindError { address: self.address.clone(), error: error.into() }),
        }
    }

    /// How many connections the kernel keeps ready to be accepted.
    pub(crate) fn set_backlog(&self, backlog: u16) -> io::Result<()> {
        Ok(listen(&self.socket, i32::from(backlog))?)
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

fn bind_tcp(address: SocketAddr, standing: Standing) -> Result<Listener, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = nonblocking_socket(family)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        // One address means one address: `[::]` beside `0.0.0.0` is two listeners.
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    // Accepted sockets inherit it, which saves a call a connection.
    sockopt::set_tcp_nodelay(&socket, true)?;
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
    listen(&socket, i32::from(BACKLOG))?;
    let bound = SocketAddr::try_from(getsockname(&socket)?).unwrap_or(address);
    Ok(Listener { socket, address: Address::Tcp(bound), path: None, class: None })
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
    listen(&socket, i32::from(BACKLOG))?;
    let (address, path) = (Address::Unix(path.to_owned()), Some(path.to_owned()));
    Ok(Listener { socket, address, path, class: None })
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
