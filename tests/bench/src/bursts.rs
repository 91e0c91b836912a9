//! Crowds of clients that come all at once, are each answered, and stay or leave all at once. Every
//! byte is compared.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

use rustix::net::{AddressFamily, SocketType, bind, connect, socket, sockopt};

use crate::load::{LINE, line};

/// A server that says nothing for this long has lost somebody; valgrind slows it about fifty times.
const PATIENCE: Duration = Duration::from_secs(60);

/// Clients that share an address. It has 28,000 ports, but the kernel looks long for a free one
/// once many are taken.
const AN_ADDRESS: usize = 2_000;

/// The connections opened before any of them is read from: as many as a queue of the kernel holds.
/// Behind a full one a client waits for a second, as in any burst, and the round takes for ever.
const A_BURST: usize = 4_000;

/// Clients that are all connected and have all been answered.
pub struct Crowd(Vec<TcpStream>);

impl Crowd {
    /// Connects so many clients, in bursts, of whom each sends a line and gets it back.
    pub fn of(address: SocketAddr, clients: usize) -> io::Result<Self> {
        Self::from(1, address, clients)
    }

    /// The same from a network of this machine of its own, so that the ports of those who left some
    /// time ago are not asked for again.
    pub fn from(network: u8, address: SocketAddr, clients: usize) -> io::Result<Self> {
        let mut crowd = Self(Vec::with_capacity(clients));
        while crowd.0.len() < clients {
            let first = crowd.0.len();
            for number in first..clients.min(first + A_BURST) {
                let source = u8::try_from(1 + number / AN_ADDRESS).map_err(io::Error::other)?;
                let source = Ipv4Addr::new(127, 0, network, source);
                crowd.0.push(client(source, address)?);
            }
            crowd.ask(first)?;
        }
        Ok(crowd)
    }

    /// Everybody from the first one on sends a line, and then every answer is read.
    fn ask(&mut self, first: usize) -> io::Result<()> {
        let numbered = (0_u32..).zip(&mut self.0);
        for (number, stream) in numbered.skip(first) {
            stream.write_all(&line(number, 0))?;
        }
        for (number, stream) in (0_u32..).zip(&mut self.0).skip(first) {
            let mut answer = [0; LINE];
            stream.read_exact(&mut answer).map_err(|error| {
                io::Error::other(format!("client {number} was not answered: {error}"))
            })?;
            if answer != line(number, 0) {
                return Err(io::Error::other(format!("client {number} got another line")));
            }
        }
        Ok(())
    }

    /// Everybody says that nothing more comes, and reads until the server has ended.
    pub fn take_leave(mut self) -> io::Result<()> {
        for stream in &self.0 {
            stream.shutdown(Shutdown::Write)?;
        }
        for mut stream in self.0.drain(..) {
            if stream.read(&mut [0])? > 0 {
                return Err(io::Error::other("a client was sent more than its line"));
            }
        }
        Ok(())
    }
}

/// Whoever is still there resets the connection, which leaves no port behind.
impl Drop for Crowd {
    fn drop(&mut self) {
        for stream in &self.0 {
            // It is closed in any case; the port is then free in a minute.
            let _ = sockopt::set_socket_linger(stream, Some(Duration::ZERO));
        }
    }
}

fn client(source: Ipv4Addr, address: SocketAddr) -> io::Result<TcpStream> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    bind(&socket, &SocketAddr::from((source, 0)))?;
    connect(&socket, &address)?;
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}
