//! Clients of an HTTP server that hold it up: heads and bodies that come byte by byte, and answers
//! that are taken byte by byte. All of them at once, driven by one thread, until each was let go.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::{
    buffer::spare_capacity,
    event::epoll::{self, EventData, EventFlags},
    net::sockopt,
    time::Timespec,
};
use socket2::{Domain, Socket, Type};

use crate::load::be_nice;

/// How often each client moves a byte: far oftener than any server's patience.
const TRICKLE: Duration = Duration::from_millis(500);
/// How often some of the clients have their turn, so that they do not all move at once.
const STEP: Duration = Duration::from_millis(5);
/// The segments of Ethernet. With those of the loopback the kernel would take megabytes of each
/// answer, and the machine would run out of memory for sockets before any server was held up.
const SEGMENT: u32 = 1460;
/// As little as the kernel lets a reader have.
const READER_BUFFER: usize = 4096;
/// What a slow body promises: less than any server refuses, and years of bytes.
const PROMISED: usize = 1_000_000;

/// What a client is slow at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slowness {
    /// The head of its request never ends.
    Head,
    /// The body of its request never ends.
    Body,
    /// It does not take its answer.
    Reader,
}

impl Slowness {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Head, Self::Body, Self::Reader];
}

/// Where a server takes bodies, and where it has a long one to give.
#[derive(Clone, Copy)]
pub struct Paths {
    /// For `POST`.
    pub upload: &'static str,
    /// For `GET`.
    pub long: &'static str,
}

struct Client {
    slowness: Slowness,
    /// Nothing once the server has let it go.
    stream: Option<TcpStream>,
    begun: Instant,
}

/// What became of the clients of one kind.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gone {
    /// How many were let go.
    pub count: usize,
    /// How long the first of them was there from its first byte.
    pub first: Duration,
    /// And the last.
    pub last: Duration,
}

impl Gone {
    fn note(&mut self, after: Duration) {
        self.first = if self.count == 0 { after } else { self.first.min(after) };
        self.last = self.last.max(after);
        self.count += 1;
    }
}

/// Slow clients, all connected and begun.
pub struct Slow {
    epoll: OwnedFd,
    clients: Vec<Client>,
    gone: [Gone; Slowness::ALL.len()],
    /// Whose turn it is.
    cursor: usize,
}

impl Slow {
    /// Connects so many of each kind, mixed.
    pub fn gather(address: SocketAddr, paths: Paths, each: usize) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut clients: Vec<Client> = Vec::new();
        for _ in 0..each {
            for slowness in Slowness::ALL {
                let stream = connect(address, slowness, paths)?;
                let data = EventData::new_u64(clients.len() as u64);
                epoll::add(&epoll, &stream, data, EventFlags::RDHUP)?;
                clients.push(Client { slowness, stream: Some(stream), begun: crate::now() });
            }
        }
        Ok(Self { epoll, clients, gone: <[Gone; 3]>::default(), cursor: 0 })
    }

    /// Has them all be slow until the last one is gone, or until nobody has patience any more. In
    /// the order of [`Slowness::ALL`].
    pub fn run(mut self, patience: Duration) -> io::Result<[Gone; Slowness::ALL.len()]> {
        be_nice()?;
        let begun = crate::now();
        let turns = self.clients.len() * STEP.as_micros() as usize / TRICKLE.as_micros() as usize;
        while self.left() > 0 && begun.elapsed() < patience {
            self.wait(STEP)?;
            for _ in 0..turns {
                self.trickle();
            }
        }
        Ok(self.gone)
    }

    fn left(&self) -> usize {
        self.clients.len() - self.gone.iter().map(|gone| gone.count).sum::<usize>()
    }

    /// Notes who was let go in the next while.
    fn wait(&mut self, while_: Duration) -> io::Result<()> {
        let deadline = crate::now() + while_;
        let mut events = Vec::with_capacity(self.clients.len());
        loop {
            let left = deadline.saturating_duration_since(crate::now());
            let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
            events.clear();
            epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&timeout))?;
            for event in &events {
                let index = usize::try_from(event.data.u64()).map_err(io::Error::other)?;
                self.end(index);
            }
            if left.is_zero() {
                return Ok(());
            }
        }
    }

    /// The next client moves a byte.
    fn trickle(&mut self) {
        let index = self.cursor % self.clients.len();
        self.cursor += 1;
        let client = &self.clients[index];
        let Some(mut stream) = client.stream.as_ref() else { return };
        let moved = match client.slowness {
            Slowness::Head | Slowness::Body => stream.write(b"x"),
            Slowness::Reader => stream.read(&mut [0]),
        };
        match moved {
            Ok(1) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(_) | Err(_) => self.end(index),
        }
    }

    fn end(&mut self, index: usize) {
        let client = &mut self.clients[index];
        // It may have been noticed by a write before.
        if client.stream.take().is_some() {
            self.gone[client.slowness as usize].note(client.begun.elapsed());
        }
    }
}

/// Connects, and sends what there is to be sent before slowness begins.
fn connect(address: SocketAddr, slowness: Slowness, paths: Paths) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    if slowness == Slowness::Reader {
        socket.set_recv_buffer_size(READER_BUFFER)?;
        socket.set_tcp_mss(SEGMENT)?;
    }
    socket.connect(&address.into())?;
    let mut stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    // Ports that are closed in order stay taken for a minute.
    sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
    let Paths { upload, long } = paths;
    let head = match slowness {
        Slowness::Head => format!("GET / HTTP/1.1\r\nHost: {address}\r\nX: "),
        Slowness::Body => format!(
            "POST {upload} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {PROMISED}\r\n\r\n"
        ),
        Slowness::Reader => format!("GET {long} HTTP/1.1\r\nHost: {address}\r\n\r\n"),
    };
    stream.write_all(head.as_bytes())?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}
