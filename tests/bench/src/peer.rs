//! What the two tokio peers share: their one flag, and a listener like the C peer's.

use std::{env, io, net::SocketAddr, process, thread, time::Duration};

use tokio::net::{TcpListener, TcpSocket};

/// How long a peer lives when nobody ends it.
const LIFETIME: Duration = Duration::from_secs(1800);

/// As many as the kernel allows by default, so that a bench which connects thousands at once is not
/// refused.
const BACKLOG: u32 = 4096;

/// The address behind `--listen`; anything else ends the program with a line of usage.
#[must_use]
pub fn address_from_arguments() -> SocketAddr {
    let mut arguments = env::args().skip(1);
    let address = match (arguments.next().as_deref(), arguments.next(), arguments.next()) {
        (Some("--listen"), Some(address), None) => address.parse().ok(),
        _ => None,
    };
    address.unwrap_or_else(|| {
        eprintln!("usage: --listen 127.0.0.1:PORT");
        process::exit(2)
    })
}

/// Ends the program after a while: a server that a broken bench forgot must not stay. A thread of
/// its own, because a timer in the runtime would put a timeout on each of its waits and make tokio
/// look dearer.
pub fn end_some_time() {
    thread::spawn(|| {
        thread::sleep(LIFETIME);
        process::exit(0)
    });
}

/// Listens with TCP_NODELAY, which accepted sockets inherit, and prints the line that says it is
/// ready.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_nodelay(true)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    println!("listening on {}", listener.local_addr()?);
    Ok(listener)
}
