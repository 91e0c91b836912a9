//! The thread-per-client peer does what our echo server does: else counting its lines would prove
//! nothing.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpStream},
    os::unix::net::UnixStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

use fsm_bench::load::Work;

const PROGRAM: &str = env!("CARGO_BIN_EXE_threads_echo");

/// The peer, ended when dropped.
struct Peer {
    child: Child,
    addresses: Vec<String>,
}

impl Peer {
    fn start(listen: &[&str], flags: &[&str]) -> io::Result<Self> {
        let listen_flags = listen.iter().flat_map(|address| ["--listen", address]);
        let mut child =
            Command::new(PROGRAM).args(listen_flags).args(flags).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let lines = BufReader::new(stdout).lines().take(listen.len());
        let lines: Vec<String> = lines.collect::<io::Result<_>>()?;
        let addresses = lines.iter().map(|line| line.replace("listening on ", "")).collect();
        Ok(Self { child, addresses })
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(&self.addresses[0])?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        Ok(stream)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everything until the peer's end.
fn rest(mut stream: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[test]
fn lines_come_back_byte_for_byte_and_the_last_needs_no_newline() -> io::Result<()> {
    let peer = Peer::start(&["127.0.0.1:0"], &[])?;
    let mut stream = peer.connect()?;
    let sent = b"one\r\n\n\0two\xff\nthe last";
    for byte in sent {
        stream.write_all(&[*byte])?;
    }
    stream.shutdown(Shutdown::Write)?;
    assert_eq!(rest(stream)?, sent);
    Ok(())
}

#[test]
fn many_clients_are_served_at_once() -> io::Result<()> {
    let peer = Peer::start(&["127.0.0.1:0"], &[])?;
    let address = peer.addresses[0].parse().map_err(io::Error::other)?;
    Work::Lines { connections: 64, depth: 16, at_once: 64, lines: 20_000 }.run(address)?;
    Work::Requests { count: 100 }.run(address)
}

#[test]
fn the_limit_is_the_longest_line_and_one_byte_more_is_refused_while_sending() -> io::Result<()> {
    let peer = Peer::start(&["127.0.0.1:0"], &["--max-line", "100"])?;
    let mut stream = peer.connect()?;
    let longest = [vec![b'x'; 100], vec![b'\n']].concat();
    stream.write_all(&longest)?;
    stream.write_all(&vec![b'y'; 1_000_000])?;
    assert_eq!(rest(stream)?, [&longest[..], b"line too long\n"].concat());
    Ok(())
}

#[test]
fn half_a_line_and_silence_are_shed() -> io::Result<()> {
    let peer = Peer::start(&["127.0.0.1:0"], &["--partial", "200ms", "--idle", "1s"])?;
    let mut half = peer.connect()?;
    half.write_all(b"half a li")?;
    assert_eq!(rest(half)?, b"", "half a line is not echoed");
    let mut silent = peer.connect()?;
    silent.write_all(b"a line\n")?;
    assert_eq!(rest(silent)?, b"a line\n");
    Ok(())
}

#[test]
fn listens_on_all_kinds_of_addresses() -> io::Result<()> {
    let path = std::env::temp_dir().join(format!("threads_echo.{}", std::process::id()));
    let unix = format!("unix:{}", path.display());
    let peer = Peer::start(&["127.0.0.1:0", "[::1]:0", &unix], &[])?;
    let mut stream = UnixStream::connect(&path)?;
    stream.write_all(b"a line\n")?;
    stream.shutdown(Shutdown::Write)?;
    assert_eq!(rest(stream)?, b"a line\n");
    let mut stream = TcpStream::connect(&peer.addresses[1])?;
    stream.write_all(b"six")?;
    stream.shutdown(Shutdown::Write)?;
    assert_eq!(rest(stream)?, b"six");
    fs::remove_file(path)
}

#[test]
fn bad_usage_ends_with_2_and_a_taken_port_with_1() -> io::Result<()> {
    let status = |words: &[&str]| {
        Ok::<_, io::Error>(Command::new(PROGRAM).args(words).output()?.status.code())
    };
    assert_eq!(status(&["--nonsense"])?, Some(2));
    assert_eq!(status(&["--listen", "127.0.0.1:0", "--idle", "soon"])?, Some(2));
    let peer = Peer::start(&["127.0.0.1:0"], &[])?;
    assert_eq!(status(&["--listen", &peer.addresses[0]])?, Some(1));
    Ok(())
}
