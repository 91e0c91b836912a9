//! The echo server with a thread for each client: the same behaviour as `servers/src/echo.rs`, in
//! plain `std`. A test counts the lines of both, so this one is written as anybody would write it,
//! and no longer.
#![allow(
    clippy::disallowed_methods,
    reason = "a blocking program reads the clock where it needs it"
)]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::{fd::OwnedFd, unix::net::UnixListener};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;

/// How long a client that reads nothing holds a thread.
const STALL: Duration = Duration::from_secs(30);
/// How long we go on reading after the last word: closing on unread input would destroy the reply.
const LINGER: Duration = Duration::from_secs(2);

#[derive(clap::Args, Clone, Copy)]
struct Limits {
    /// Longest line, in bytes without its newline
    #[arg(long, default_value_t = 64 * 1024)]
    max_line: u64,
    /// How long a client may be silent between lines
    #[arg(long, default_value = "5min", value_parser = humantime::parse_duration)]
    idle: Duration,
    /// How long a line may take from its first byte to its last
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
    partial: Duration,
}

/// Sends every line back as it came.
#[derive(Parser)]
#[command(after_help = "Example: threads_echo --listen 127.0.0.1:7007 --listen unix:/tmp/echo")]
struct Options {
    /// Where to listen: IP:PORT or unix:PATH; may be repeated
    #[arg(long, required = true)]
    listen: Vec<String>,
    #[command(flatten)]
    limits: Limits,
}

/// One client's socket, on which every wait has an end.
struct Client {
    socket: TcpStream,
    deadline: Instant,
}

impl Read for Client {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.socket.set_read_timeout(Some(left))?;
        self.socket.read(buffer)
    }
}

fn serve(socket: TcpStream, limits: Limits) -> io::Result<()> {
    socket.set_write_timeout(Some(STALL))?;
    let mut client = BufReader::new(Client { socket, deadline: Instant::now() });
    let result = echo_lines(&mut client, limits);
    client.get_ref().socket.shutdown(Shutdown::Write)?;
    client.get_mut().deadline = Instant::now() + LINGER;
    io::copy(&mut client, &mut io::sink())?;
    result
}

fn echo_lines(client: &mut BufReader<Client>, limits: Limits) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        let idle = Instant::now() + limits.idle;
        client.get_mut().deadline = idle;
        if client.fill_buf()?.is_empty() {
            return Ok(());
        }
        client.get_mut().deadline = idle.min(Instant::now() + limits.partial);
        line.clear();
        client.by_ref().take(limits.max_line + 1).read_until(b'\n', &mut line)?;
        if line.len() as u64 > limits.max_line && !line.ends_with(b"\n") {
            return client.get_mut().socket.write_all(b"line too long\n");
        }
        client.get_mut().socket.write_all(&line)?;
    }
}

fn start(clients: impl Iterator<Item = io::Result<TcpStream>>, limits: Limits) {
    for client in clients {
        // Without a descriptor or a thread to spare there is nothing to do but to wait for one.
        let started =
            client.and_then(|client| thread::Builder::new().spawn(move || serve(client, limits)));
        if let Err(error) = started {
            eprintln!("threads_echo: cannot take a client: {error}");
            thread::sleep(Duration::from_millis(100));
        }
    }
}

fn listen(address: &str, limits: Limits) -> io::Result<thread::JoinHandle<()>> {
    if let Some(path) = address.strip_prefix("unix:") {
        let listener = UnixListener::bind(path)?;
        println!("listening on {address}");
        // The descriptor is what counts: on it, a `TcpStream` reads, writes and waits like a
        // `UnixStream`.
        let socket = |client: io::Result<_>| client.map(|it| TcpStream::from(OwnedFd::from(it)));
        return Ok(thread::spawn(move || start(listener.incoming().map(socket), limits)));
    }
    let listener = TcpListener::bind(address)?;
    println!("listening on {}", listener.local_addr()?);
    let prompt = |client: io::Result<TcpStream>| client.inspect(|it| drop(it.set_nodelay(true)));
    Ok(thread::spawn(move || start(listener.incoming().map(prompt), limits)))
}

fn main() {
    let options = Options::parse();
    let listening: Vec<_> = options
        .listen
        .iter()
        .map(|address| {
            listen(address, options.limits).unwrap_or_else(|error| {
                eprintln!("threads_echo: cannot listen on {address}: {error}");
                std::process::exit(1)
            })
        })
        .collect();
    listening.into_iter().for_each(|thread| thread.join().expect("accepting does not panic"));
}
