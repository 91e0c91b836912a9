//! Clients that keep a server busy for ever, and a polite one among them: who waits for whom?

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use rustix::{event::epoll, time::Timespec};

use crate::load::{Latencies, be_nice, exchange};

/// What a saturating client writes at once: more than a server reads in a slice.
const WRITE: usize = 64 * 1024;
/// As much as is read of the answers at once; nobody looks at them.
const READ: usize = 16 * 1024;
/// How often the saturating clients look whether they are to end, where nothing else wakes them.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
/// How long they run before anybody is measured beside them: the windows of TCP have to open.
const SETTLE: Duration = Duration::from_millis(200);

/// Saturating clients of one address.
#[derive(Clone, Copy)]
pub struct Crowd {
    /// Where they connect.
    pub address: SocketAddr,
    /// How many they are.
    pub clients: usize,
}

/// What was seen in a stretch of time.
pub struct Seen {
    /// The exchanges of the polite client, if there was one.
    pub polite: Option<Latencies>,
    /// What each crowd sent, in bytes a second.
    pub rates: Vec<f64>,
}

/// A client that sends a line, waits for it to come back, and then pauses.
#[derive(Clone, Copy)]
pub struct Polite {
    /// Where it connects.
    pub address: SocketAddr,
    /// How long it does nothing before the next line.
    pub pause: Duration,
}

/// Has the crowds saturate their server for so long, beside a polite client if there is one.
pub fn beside(polite: Option<Polite>, crowds: &[Crowd], time: Duration) -> io::Result<Seen> {
    let stop = AtomicBool::new(false);
    let start = AtomicBool::new(false);
    thread::scope(|scope| {
        let running: Vec<_> =
            crowds.iter().map(|crowd| scope.spawn(|| saturate(*crowd, &start, &stop))).collect();
        if !crowds.is_empty() {
            thread::sleep(SETTLE);
        }
        start.store(true, Ordering::Relaxed);
        let begun = crate::now();
        let seen = match polite {
            Some(polite) => exchange_for(polite, time).map(Some),
            None => {
                thread::sleep(time);
                Ok(None)
            }
        };
        let seconds = begun.elapsed().as_secs_f64();
        stop.store(true, Ordering::Relaxed);
        let mut rates = Vec::new();
        for crowd in running {
            let bytes = crowd.join().map_err(|_| io::Error::other("a crowd panicked"))??;
            rates.push(bytes as f64 / seconds);
        }
        Ok(Seen { polite: seen?, rates })
    })
}

/// One line after the other, there and back.
fn exchange_for(polite: Polite, time: Duration) -> io::Result<Latencies> {
    let mut stream = TcpStream::connect(polite.address)?;
    stream.set_nodelay(true)?;
    let (mut times, begun) = (Vec::new(), crate::now());
    while begun.elapsed() < time {
        let sent = crate::now();
        exchange(&mut stream, 1, times.len() as u64)?;
        times.push(sent.elapsed());
        if !polite.pause.is_zero() {
            thread::sleep(polite.pause);
        }
    }
    Ok(Latencies::new(times))
}

/// Writes on every connection whenever there is room. Answers the bytes sent between `start` and
/// `stop`.
fn saturate(crowd: Crowd, start: &AtomicBool, stop: &AtomicBool) -> io::Result<u64> {
    be_nice()?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut streams = Vec::new();
    for index in 0..crowd.clients {
        let stream = TcpStream::connect(crowd.address)?;
        stream.set_nonblocking(true)?;
        let both = epoll::EventFlags::IN | epoll::EventFlags::OUT;
        epoll::add(&epoll, &stream, epoll::EventData::new_u64(index as u64), both)?;
        streams.push(stream);
    }
    let (output, mut input, mut moved) = (vec![b'x'; WRITE], vec![0; READ], 0);
    let mut events = Vec::with_capacity(crowd.clients);
    while !stop.load(Ordering::Relaxed) {
        events.clear();
        epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), Some(&LOOK))?;
        for event in &events {
            let index = usize::try_from(event.data.u64()).map_err(io::Error::other)?;
            let mut stream = &streams[index];
            if let Some(0) = or_wait(stream.read(&mut input))? {
                return Err(io::Error::other("the server closed"));
            }
            let sent = or_wait(stream.write(&output))?.unwrap_or(0);
            if start.load(Ordering::Relaxed) {
                moved += sent as u64;
            }
        }
    }
    Ok(moved)
}

/// What moved, or nothing where nothing could.
fn or_wait(moved: io::Result<usize>) -> io::Result<Option<usize>> {
    match moved {
        Ok(count) => Ok(Some(count)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}
