//! A crowd of clients of the thank-you service, all driven by one thread: who is served, who waits,
//! and how long.
//!
//! Unlike the clients of `load`, these expect a server to fail: one that is never thanked is a
//! figure here, and no error. What is thanked wrongly is an error still.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    mem,
    net::{SocketAddr, TcpStream},
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::{
    buffer::spare_capacity,
    event::epoll::{self, EventData, EventFlags},
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with, sockopt},
    time::Timespec,
};

use crate::load::{Latencies, line};

/// What every line is answered with.
pub const THANKS: &[u8] = b"Thank you!\n";
/// How many clients come at the same moment as long as they are served: fewer than the 128 that
/// `std` lets wait to be accepted, so that a server which accepts at all refuses nobody.
const ABREAST: usize = 64;
/// Clients that share an address. It has 28,000 ports, but the kernel looks long for one once half
/// of them are taken.
const AN_ADDRESS: usize = 8_000;
/// As many events as are taken from the system at once; few enough that the clock, read once for
/// each lot, is never far behind.
const EVENTS: usize = 64;

/// By how much a window grows at once.
const GROWTH: Duration = Duration::from_millis(50);

/// How far a client is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Connecting,
    Asked,
    Thanked,
    Ended,
}

struct Client {
    stream: TcpStream,
    step: Step,
    /// When its last line was sent.
    asked: Instant,
    /// Bytes of the thanks that are here.
    received: usize,
    /// Lines it sent so far.
    lines: u64,
    /// Lines it was thanked for in this window.
    thanked: u64,
}

/// How many clients are how far, once nothing moves any more.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// They were thanked, and are still connected.
    pub thanked: usize,
    /// So many were that at the same time, before a server that failed took them along.
    pub most: usize,
    /// They are connected, have sent a line, and wait.
    pub waiting: usize,
    /// They cannot even connect.
    pub connecting: usize,
    /// Their connections ended, by reason.
    pub ended: BTreeMap<String, usize>,
}

/// What a crowd saw in a window of time.
pub struct Seen {
    /// Lines that were thanked for.
    pub answers: u64,
    /// How long the window really was.
    pub elapsed: Duration,
    /// From a line to its thanks.
    pub latencies: Latencies,
    /// Clients that were never thanked in the window.
    pub unserved: usize,
}

/// Many clients of one server, still connected. Dropping them resets their connections, so that the
/// next crowd finds all ports free.
pub struct Crowd {
    epoll: OwnedFd,
    clients: Vec<Client>,
    /// Clients that were thanked at least once, or whose connections ended before.
    settled: usize,
    /// Clients that were thanked and are still connected, and the most there were of them.
    served: usize,
    most: usize,
    ended: BTreeMap<String, usize>,
    /// Whether a client that is thanked asks again.
    is_repeating: bool,
    latencies: Vec<Duration>,
    events: Vec<epoll::Event>,
}

impl Crowd {
    /// Connects so many clients and has each of them thanked once, or learns who is not: it gives
    /// up once nothing has moved for `quiet`.
    pub fn gather(address: SocketAddr, clients: usize, quiet: Duration) -> io::Result<Self> {
        let mut crowd = Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            clients: Vec::with_capacity(clients),
            settled: 0,
            served: 0,
            most: 0,
            ended: BTreeMap::new(),
            is_repeating: false,
            latencies: Vec::new(),
            events: Vec::with_capacity(EVENTS),
        };
        let mut abreast = ABREAST;
        loop {
            let now = clients.min(crowd.settled.saturating_add(abreast));
            while crowd.clients.len() < now {
                crowd.open(address)?;
            }
            if crowd.settled == clients || !crowd.moves(quiet)? {
                // The ones in front are stuck. Those behind them try all the same.
                if crowd.clients.len() == clients {
                    return Ok(crowd);
                }
                abreast = usize::MAX;
            }
        }
    }

    /// How far the clients are.
    #[must_use]
    pub fn standing(&self) -> Standing {
        Standing {
            thanked: self.count(Step::Thanked),
            most: self.most,
            waiting: self.count(Step::Asked),
            connecting: self.count(Step::Connecting),
            ended: self.ended.clone(),
        }
    }

    /// Everybody who was thanked asks again and again, one line at a time. Counted is a window
    /// after `warm`, when the first rush is over; it grows up to `longest` until each of them was
    /// thanked in it.
    pub fn ask_again(
        &mut self,
        warm: Duration,
        window: Duration,
        longest: Duration,
    ) -> io::Result<Seen> {
        self.is_repeating = true;
        let asking = self.count(Step::Thanked);
        for index in 0..self.clients.len() {
            if self.clients[index].step == Step::Thanked {
                self.ask(index, crate::now())?;
            }
            if index % EVENTS == 0 {
                self.step(Duration::ZERO)?;
            }
        }
        self.run_for(warm)?;
        self.latencies.clear();
        self.clients.iter_mut().for_each(|client| client.thanked = 0);
        let begun = crate::now();
        self.run_for(window)?;
        while self.clients.iter().filter(|client| client.thanked > 0).count() < asking
            && begun.elapsed() < longest
        {
            self.run_for(GROWTH)?;
        }
        let elapsed = begun.elapsed();
        self.is_repeating = false;
        Ok(Seen {
            answers: self.clients.iter().map(|client| client.thanked).sum(),
            elapsed,
            latencies: Latencies::new(mem::take(&mut self.latencies)),
            unserved: self.clients.iter().filter(|client| client.thanked == 0).count(),
        })
    }

    fn count(&self, step: Step) -> usize {
        self.clients.iter().filter(|client| client.step == step).count()
    }

    /// Waits until one more client is thanked or ended, and says whether any was before nothing at
    /// all happened for `quiet`.
    fn moves(&mut self, quiet: Duration) -> io::Result<bool> {
        let before = self.settled;
        let mut deadline = crate::now() + quiet;
        while self.settled == before {
            let left = deadline.saturating_duration_since(crate::now());
            if left.is_zero() {
                return Ok(false);
            }
            self.step(left)?;
            if !self.events.is_empty() {
                deadline = crate::now() + quiet;
            }
        }
        Ok(true)
    }

    fn run_for(&mut self, window: Duration) -> io::Result<()> {
        let begun = crate::now();
        while let Some(left) = window.checked_sub(begun.elapsed()) {
            self.step(left)?;
        }
        Ok(())
    }

    fn open(&mut self, address: SocketAddr) -> io::Result<()> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        // A port that was closed in order stays taken for a minute, and there are 28,000 of them.
        sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
        bind(&socket, &source(self.clients.len())?)?;
        match connect(&socket, &address) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        epoll::add(&self.epoll, &socket, self.data(self.clients.len()), EventFlags::OUT)?;
        self.clients.push(Client {
            stream: TcpStream::from(socket),
            step: Step::Connecting,
            asked: crate::now(),
            received: 0,
            lines: 0,
            thanked: 0,
        });
        Ok(())
    }

    fn data(&self, index: usize) -> EventData {
        EventData::new_u64(index as u64)
    }

    /// Waits once, and serves what is ready.
    fn step(&mut self, timeout: Duration) -> io::Result<()> {
        let timeout = Timespec::try_from(timeout).map_err(io::Error::other)?;
        let mut events = mem::take(&mut self.events);
        events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let now = crate::now();
        for event in &events {
            let index = usize::try_from(event.data.u64()).map_err(io::Error::other)?;
            match self.clients[index].step {
                Step::Connecting => self.connected(index, now)?,
                _ => self.receive(index, now)?,
            }
        }
        self.events = events;
        Ok(())
    }

    fn connected(&mut self, index: usize, now: Instant) -> io::Result<()> {
        if let Err(error) = sockopt::socket_error(&self.clients[index].stream)? {
            return self.end(index, &io::Error::from(error));
        }
        let stream = &self.clients[index].stream;
        epoll::modify(&self.epoll, stream, self.data(index), EventFlags::IN)?;
        self.ask(index, now)
    }

    fn ask(&mut self, index: usize, now: Instant) -> io::Result<()> {
        let client = &mut self.clients[index];
        let number = u32::try_from(index).map_err(io::Error::other)?;
        let line = line(number, client.lines);
        (client.step, client.asked, client.received) = (Step::Asked, now, 0);
        client.lines += 1;
        match client.stream.write(&line) {
            Ok(sent) if sent == line.len() => Ok(()),
            // Nothing else is in flight on the connection, so a line always fits.
            Ok(sent) => Err(io::Error::other(format!("only {sent} bytes of a line fit"))),
            Err(error) => self.end(index, &error),
        }
    }

    fn receive(&mut self, index: usize, now: Instant) -> io::Result<()> {
        let client = &mut self.clients[index];
        let mut buffer = [0; 64];
        let read = match client.stream.read(&mut buffer) {
            Ok(0) => return self.end(index, &io::Error::other("closed by the server")),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return self.end(index, &error),
        };
        let expected = &THANKS[client.received..];
        if client.step != Step::Asked || !expected.starts_with(&buffer[..read]) {
            return Err(io::Error::other(format!("client {index} got other thanks than it asked")));
        }
        client.received += read;
        if client.received < THANKS.len() {
            return Ok(());
        }
        client.step = Step::Thanked;
        client.thanked += 1;
        if client.lines == 1 {
            self.settled += 1;
            self.served += 1;
            self.most = self.most.max(self.served);
        }
        self.latencies.push(now - client.asked);
        if self.is_repeating { self.ask(index, now) } else { Ok(()) }
    }

    fn end(&mut self, index: usize, error: &io::Error) -> io::Result<()> {
        let client = &mut self.clients[index];
        let was_served = client.lines > 1 || client.step == Step::Thanked;
        client.step = Step::Ended;
        if was_served {
            self.served -= 1;
        } else {
            self.settled += 1;
        }
        *self.ended.entry(error.to_string()).or_default() += 1;
        // A level that nobody looks at would be reported for ever.
        Ok(epoll::delete(&self.epoll, &client.stream)?)
    }
}

/// The address that a client comes from, with a port to be chosen: 127.0.0.2, 127.0.0.3 and so on.
fn source(index: usize) -> io::Result<SocketAddr> {
    let last = u8::try_from(index / AN_ADDRESS + 2).map_err(io::Error::other)?;
    Ok(SocketAddr::from(([127, 0, 0, last], 0)))
}

/// What clients saw that come one after the other, each for one line.
pub struct Visits {
    /// From the start of connecting to the thanks.
    pub latencies: Latencies,
    /// The one whose patience ended; nobody came after it.
    pub given_up: bool,
}

/// One client after the other: connect, a line, its thanks, close. With `is_beside_stalled` there
/// is another one, who came first, sent half a line and fell silent.
pub fn visits(
    address: SocketAddr,
    count: u32,
    patience: Duration,
    is_beside_stalled: bool,
) -> io::Result<Visits> {
    let mut stalled = None;
    if is_beside_stalled {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(b"half a li")?;
        stalled = Some(stream);
    }
    let mut latencies = Vec::new();
    let mut given_up = false;
    for visitor in 0..count {
        let begun = crate::now();
        let mut stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_read_timeout(Some(patience))?;
        stream.write_all(&line(visitor, 0))?;
        let mut thanks = [0; THANKS.len()];
        match stream.read_exact(&mut thanks) {
            Ok(()) if thanks == THANKS => latencies.push(begun.elapsed()),
            Ok(()) => return Err(io::Error::other("a visitor got other thanks")),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                given_up = true;
                break;
            }
            Err(error) => return Err(error),
        }
    }
    drop(stalled);
    Ok(Visits { latencies: Latencies::new(latencies), given_up })
}
