//! The client. Every byte that comes back is compared with what was sent, and every wait has an
//! end.
//!
//! Lines are 64 bytes and differ by connection and by number, so that an answer which goes to the
//! wrong client, comes twice or is lost never passes.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use rustix::{event::epoll, process::setpriority_process};

use crate::{
    http::{Ask, Requester},
    server::warm_up,
};

/// Short enough that the bytes cost nothing: what is measured is the work per line.
pub const LINE: usize = 64;
/// A server that says nothing for this long has lost a line. Valgrind slows servers about fifty
/// times.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// As much as a client reads at once: more than 64 connections times 16 lines ever are in one
/// socket.
const READ_SIZE: usize = 64 * 1024;

/// What a load run does. The same description runs in the bench and, under `perf`, as the program
/// `load`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Lines to and fro on `connections`, with `depth` lines in flight on each.
    Lines {
        /// How many connections.
        connections: usize,
        /// How many lines each has in flight.
        depth: usize,
        /// How many connections wait for an answer at the same moment.
        at_once: usize,
        /// How many lines in all.
        lines: u64,
    },
    /// A connection, a line, its echo, and the close, so many times.
    Requests {
        /// How many connections in all, one after the other.
        count: u64,
    },
    /// Requests of HTTP on connections that stay open, one in flight on each.
    Http {
        /// How many connections.
        connections: usize,
        /// How many of them wait for an answer at the same moment.
        at_once: usize,
        /// What is asked.
        ask: Ask,
        /// How many requests in all.
        count: u64,
    },
}

impl Work {
    /// How many lines it sends in all.
    #[must_use]
    pub fn lines(self) -> u64 {
        match self {
            Self::Lines { lines, .. } => lines,
            Self::Requests { count } | Self::Http { count, .. } => count,
        }
    }

    /// The same with `lines` lines.
    #[must_use]
    pub fn with_lines(self, lines: u64) -> Self {
        match self {
            Self::Lines { connections, depth, at_once, .. } => {
                Self::Lines { connections, depth, at_once, lines }
            }
            Self::Requests { .. } => Self::Requests { count: lines },
            Self::Http { connections, at_once, ask, .. } => {
                Self::Http { connections, at_once, ask, count: lines }
            }
        }
    }

    /// Does it.
    pub fn run(self, address: SocketAddr) -> io::Result<()> {
        match self {
            Self::Requests { count } => requests(address, count),
            Self::Lines { connections, depth, at_once, lines } => {
                let mut clients = connect(address, connections)?;
                ask_all(&mut clients, depth, at_once, lines)
            }
            Self::Http { connections, at_once, ask, count } => {
                let clients = (0..connections).map(|_| Requester::connect(address, ask));
                ask_all(&mut clients.collect::<io::Result<Vec<_>>>()?, 1, at_once, count)
            }
        }
    }

    /// Waits until a server answers at all: the first connection pays for everything that is lazy
    /// in it.
    pub fn warm_up(self, address: SocketAddr) -> io::Result<()> {
        match self {
            Self::Lines { .. } | Self::Requests { .. } => warm_up(address),
            Self::Http { ask, .. } => {
                Requester::connect(address, ask)?.exchange(&mut vec![0; READ_SIZE])
            }
        }
    }
}

/// A connection of the client, whatever is spoken on it.
pub(crate) trait Speaker {
    /// What is waited for.
    fn stream(&self) -> &TcpStream;
    /// Asks so many things.
    fn send(&mut self, count: u64, buffer: &mut Vec<u8>) -> io::Result<()>;
    /// Reads once and compares. Gives back how many answers became whole.
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<u64>;
    /// Tells whether an answer is still to come.
    fn awaits(&self) -> bool;
}

/// Line number `sequence` of a connection: text, with the newline as its last byte.
pub(crate) fn line(connection: u32, sequence: u64) -> [u8; LINE] {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut line = *b"........ ........ the quick brown fox jumps over the lazy dog..\n";
    for (i, byte) in line.iter_mut().take(8).enumerate() {
        *byte = HEX[usize::from(connection.to_be_bytes()[i / 2] >> (4 - 4 * (i % 2)) & 15)];
    }
    for (i, byte) in line.iter_mut().skip(9).take(8).enumerate() {
        *byte = HEX[usize::from(sequence.to_be_bytes()[4 + i / 2] >> (4 - 4 * (i % 2)) & 15)];
    }
    line
}

/// One connection of the client: what it sent and what came back.
struct Client {
    stream: TcpStream,
    connection: u32,
    sent: u64,
    received: u64,
}

impl Client {
    fn connect(address: SocketAddr, connection: u32) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, connection, sent: 0, received: 0 })
    }

    fn lines_received(&self) -> u64 {
        self.received / LINE as u64
    }

    fn bytes_of_line(&self) -> usize {
        usize::try_from(self.received % LINE as u64).unwrap_or(0)
    }

    fn explain(&self, what: impl std::fmt::Display) -> io::Error {
        io::Error::other(format!(
            "connection {} after {} of {} lines: {what}",
            self.connection,
            self.lines_received(),
            self.sent
        ))
    }
}

impl Speaker for Client {
    fn stream(&self) -> &TcpStream {
        &self.stream
    }

    fn send(&mut self, lines: u64, buffer: &mut Vec<u8>) -> io::Result<()> {
        buffer.clear();
        for sequence in self.sent..self.sent + lines {
            buffer.extend_from_slice(&line(self.connection, sequence));
        }
        self.sent += lines;
        self.stream.write_all(buffer)
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<u64> {
        let read = self.stream.read(buffer).map_err(|error| self.explain(&error))?;
        if read == 0 {
            return Err(self.explain("the server closed"));
        }
        let before = self.lines_received();
        let mut rest = &buffer[..read];
        while !rest.is_empty() {
            let expected = line(self.connection, self.lines_received());
            let expected = &expected[self.bytes_of_line()..];
            let (part, behind) = rest.split_at(rest.len().min(expected.len()));
            if part != &expected[..part.len()] || self.lines_received() >= self.sent {
                return Err(self.explain("other bytes came back than were sent"));
            }
            self.received += part.len() as u64;
            rest = behind;
        }
        Ok(self.lines_received() - before)
    }

    fn awaits(&self) -> bool {
        self.lines_received() < self.sent
    }
}

fn connect(address: SocketAddr, connections: usize) -> io::Result<Vec<Client>> {
    (0u32..).take(connections).map(|connection| Client::connect(address, connection)).collect()
}

fn ask_all<S: Speaker>(
    clients: &mut [S],
    depth: usize,
    at_once: usize,
    count: u64,
) -> io::Result<()> {
    if at_once < clients.len() || clients.len() == 1 {
        in_waves(clients, depth, at_once, count)
    } else {
        as_they_answer(clients, depth, count)
    }
}

/// Groups of `at_once` connections in turn: all of a group send, then all of it is read. How many
/// events a server finds at once is thereby the same for every server, however much a tool slows it
/// down.
fn in_waves<S: Speaker>(
    clients: &mut [S],
    depth: usize,
    at_once: usize,
    lines: u64,
) -> io::Result<()> {
    let mut output = Vec::new();
    let mut input = vec![0; READ_SIZE];
    let mut left = lines;
    while left > 0 {
        for group in clients.chunks_mut(at_once) {
            for client in group.iter_mut() {
                let now = left.min(depth as u64);
                left -= now;
                client.send(now, &mut output)?;
            }
            for client in group.iter_mut() {
                while client.awaits() {
                    client.receive(&mut input)?;
                }
            }
        }
    }
    Ok(())
}

/// All connections at once: whoever has its answer sends again.
fn as_they_answer<S: Speaker>(clients: &mut [S], depth: usize, lines: u64) -> io::Result<()> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut output = Vec::new();
    let mut input = vec![0; READ_SIZE];
    let mut left = lines;
    for (index, client) in clients.iter_mut().enumerate() {
        let data = epoll::EventData::new_u64(index as u64);
        epoll::add(&epoll, client.stream(), data, epoll::EventFlags::IN)?;
        let now = left.min(depth as u64);
        left -= now;
        client.send(now, &mut output)?;
    }
    let mut awaited = lines;
    let patience = rustix::time::Timespec::try_from(PATIENCE).map_err(io::Error::other)?;
    let mut events = Vec::with_capacity(clients.len());
    while awaited > 0 {
        events.clear();
        epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), Some(&patience))?;
        if events.is_empty() {
            return Err(io::Error::other(format!("{awaited} answers never came")));
        }
        for event in &events {
            let index = usize::try_from(event.data.u64()).map_err(io::Error::other)?;
            let whole = clients[index].receive(&mut input)?;
            awaited -= whole;
            let now = left.min(whole);
            left -= now;
            if now > 0 {
                clients[index].send(now, &mut output)?;
            }
        }
    }
    Ok(())
}

/// One line there and back.
pub fn exchange(stream: &mut TcpStream, connection: u32, sequence: u64) -> io::Result<()> {
    let sent = line(connection, sequence);
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&sent)?;
    let mut received = [0; LINE];
    stream.read_exact(&mut received)?;
    if received == sent { Ok(()) } else { Err(io::Error::other("other bytes came back")) }
}

fn requests(address: SocketAddr, count: u64) -> io::Result<()> {
    for sequence in 0..count {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        exchange(&mut stream, 0, sequence)?;
    }
    Ok(())
}

/// Opens so many connections, exchanges one line on each, and gives them back still open.
pub fn hold(address: SocketAddr, connections: usize) -> io::Result<Vec<TcpStream>> {
    (0u32..)
        .take(connections)
        .map(|connection| {
            let mut stream = TcpStream::connect(address)?;
            exchange(&mut stream, connection, 0)?;
            Ok(stream)
        })
        .collect()
}

/// What clients saw: the time of each of their exchanges, sorted.
pub struct Latencies(Vec<Duration>);

impl Latencies {
    /// Of these exchanges.
    #[must_use]
    pub fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// The time that so many of a thousand exchanges did not pass.
    #[must_use]
    pub fn permille(&self, permille: usize) -> Duration {
        self.0.get(self.0.len() * permille / 1000).or(self.0.last()).copied().unwrap_or_default()
    }
}

/// One polite client, beside `greedy` streams that never end. Also gives what the greedy moved, in
/// bytes a second.
pub fn polite_beside(
    address: SocketAddr,
    greedy: usize,
    exchanges: u64,
) -> io::Result<(Latencies, f64)> {
    let stop = AtomicBool::new(false);
    let moved = AtomicU64::new(0);
    thread::scope(|scope| {
        let streams: Vec<_> =
            (0..greedy).map(|_| scope.spawn(|| stream_until(address, &stop, &moved))).collect();
        if greedy > 0 {
            thread::sleep(SETTLE);
        }
        let (begun, before) = (crate::now(), moved.load(Ordering::Relaxed));
        let polite = polite(address, exchanges);
        let bytes = moved.load(Ordering::Relaxed) - before;
        let rate = bytes as f64 / begun.elapsed().as_secs_f64();
        stop.store(true, Ordering::Relaxed);
        for stream in streams {
            stream.join().map_err(|_| io::Error::other("a greedy client panicked"))??;
        }
        Ok((polite?, rate))
    })
}

/// How long greedy streams run before anybody is measured beside them: the windows of TCP have to
/// open.
const SETTLE: Duration = Duration::from_millis(300);

fn polite(address: SocketAddr, exchanges: u64) -> io::Result<Latencies> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut times = Vec::new();
    for sequence in 0..exchanges {
        let begun = crate::now();
        exchange(&mut stream, 1, sequence)?;
        times.push(begun.elapsed());
    }
    Ok(Latencies::new(times))
}

/// Writes without end from one thread and reads in another, until told to stop.
fn stream_until(address: SocketAddr, stop: &AtomicBool, moved: &AtomicU64) -> io::Result<()> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            be_nice()?;
            let lines: Vec<u8> = (0..1024).flat_map(|sequence| line(2, sequence)).collect();
            while !stop.load(Ordering::Relaxed) {
                (&stream).write_all(&lines)?;
            }
            stream.shutdown(std::net::Shutdown::Write)
        });
        be_nice()?;
        let mut buffer = vec![0; READ_SIZE];
        loop {
            match (&stream).read(&mut buffer)? {
                0 => break,
                read => moved.fetch_add(read as u64, Ordering::Relaxed),
            };
        }
        writer.join().map_err(|_| io::Error::other("a greedy writer panicked"))?
    })
}

/// The polite client shares its core with the greedy ones, and must not be measured waiting for
/// them there.
pub fn be_nice() -> io::Result<()> {
    // On Linux a priority belongs to a thread, and no process means the calling one.
    Ok(setpriority_process(None, 19)?)
}
