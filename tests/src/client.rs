//! A client that checks every byte: each step has a limit in time, so that no test waits for ever.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, connect, socket, sockopt};

/// How long one read or write may take; the machine that runs the tests may be busy.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// One connection to a server, over TCP or a Unix socket.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
}

/// How the server ended the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With an end of stream.
    Finished,
    /// With a reset.
    Reset,
}

impl Client {
    /// Connects to `IP:PORT` or `unix:PATH`.
    ///
    /// # Panics
    /// Where nobody listens.
    #[must_use]
    pub fn connect(address: &str) -> Self {
        match Self::try_connect(address) {
            Ok(client) => client,
            Err(error) => panic!("cannot connect to {address}: {error}"),
        }
    }

    /// Connects, if somebody listens.
    ///
    /// # Errors
    /// Nobody listens.
    pub fn try_connect(address: &str) -> io::Result<Self> {
        let stream = match address.strip_prefix("unix:") {
            // The descriptor is what counts: on it, a `TcpStream` reads and writes as well.
            Some(path) => TcpStream::from(OwnedFd::from(UnixStream::connect(path)?)),
            None => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                stream
            }
        };
        Self::over(stream)
    }

    fn over(stream: TcpStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream })
    }

    /// Connects to `IP:PORT` from another address of this machine, of which Linux gives it all of
    /// 127.0.0.0/8.
    ///
    /// # Errors
    /// Nobody listens, or the address is not this machine's.
    ///
    /// # Panics
    /// Where the addresses are none.
    pub fn try_connect_from(source: &str, address: &str) -> io::Result<Self> {
        let source: IpAddr = source.parse().expect("an IP address");
        let address: SocketAddr = address.parse().expect("IP:PORT");
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
        bind(&socket, &SocketAddr::new(source, 0))?;
        connect(&socket, &address)?;
        Self::over(TcpStream::from(socket))
    }

    /// The socket.
    #[must_use]
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Another handle on the connection, for a thread of its own.
    ///
    /// # Panics
    /// Where descriptors have run out.
    #[must_use]
    pub fn another(&self) -> Self {
        Self { stream: self.stream.try_clone().expect("a descriptor is left") }
    }

    /// Sends all the bytes.
    ///
    /// # Panics
    /// Where the server does not take them.
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the server takes what it is sent");
    }

    /// Sends as far as the server takes it; tells whether it took all.
    pub fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Reads as many bytes as are expected, and compares.
    ///
    /// # Panics
    /// Where others come, or none.
    pub fn expect(&mut self, expected: &[u8]) {
        let mut answer = vec![0; expected.len()];
        if let Err(error) = self.stream.read_exact(&mut answer) {
            panic!("{error} instead of {:?}", String::from_utf8_lossy(expected));
        }
        assert!(answer == expected, "{} instead of {}", shown(&answer), shown(expected));
    }

    /// Reads the head of a response of HTTP, up to the empty line.
    ///
    /// # Panics
    /// Where none comes.
    pub fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).expect("the head goes on");
            head.push(byte[0]);
        }
        String::from_utf8(head).expect("a head is text")
    }

    /// Sends a line and expects it back.
    pub fn ask(&mut self, line: &[u8]) {
        self.send(line);
        self.expect(line);
    }

    /// Sends a line, and tells whether it came back; where it does not, the connection must have
    /// ended.
    ///
    /// # Panics
    /// Where other bytes come.
    pub fn try_ask(&mut self, line: &[u8]) -> bool {
        let mut answer = vec![0; line.len()];
        match self.stream.write_all(line).and_then(|()| self.stream.read_exact(&mut answer)) {
            Ok(()) => assert!(answer == line, "{} instead of {}", shown(&answer), shown(line)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => panic!("no answer came"),
            Err(_) => return false,
        }
        true
    }

    /// Closes the sending side.
    ///
    /// # Panics
    /// Where the connection has been reset.
    pub fn finish(&mut self) {
        self.stream.shutdown(Shutdown::Write).expect("the connection is alive");
    }

    /// Everything up to the server's end of stream.
    ///
    /// # Panics
    /// Where the server resets the connection, or keeps it open.
    #[must_use]
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).expect("the server ends the stream in good order");
        rest
    }

    /// Reads to the end, whichever way it comes.
    ///
    /// # Panics
    /// Where the server keeps the connection open.
    pub fn end(&mut self) -> End {
        match self.stream.read_to_end(&mut Vec::new()) {
            Ok(_) => End::Finished,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => End::Reset,
            Err(error) => panic!("the server did not end the connection: {error}"),
        }
    }

    /// Tells whether the server has sent something or ended the connection, without waiting.
    ///
    /// # Panics
    /// Where the socket does not answer.
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.stream.set_nonblocking(true).expect("a socket has modes");
        let news = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).expect("a socket has modes");
        !matches!(news, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Closes the connection with a reset.
    ///
    /// # Panics
    /// Where the socket has no such option.
    pub fn reset(self) {
        sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO)).expect("TCP can reset");
    }
}

/// Bytes as a failed test shows them: the beginning and the length.
fn shown(bytes: &[u8]) -> String {
    let beginning = &bytes[..bytes.len().min(200)];
    format!("{} bytes `{}`", bytes.len(), beginning.escape_ascii())
}
