//! The three models give the same service: else measuring them beside each other would prove
//! nothing. They differ in one thing, which is tested too: who waits for whom.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

use fsm_bench::crowd::{Crowd, THANKS, visits};

const THREADS: &str = env!("CARGO_BIN_EXE_threads_thanks");
const BLOCKING: &str = env!("CARGO_BIN_EXE_blocking_thanks");
const MACHINE: &str = env!("CARGO_BIN_EXE_machine_thanks");
/// Longer than any answer takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// As long as a test waits for what must not come.
const SOME_TIME: Duration = Duration::from_millis(300);

/// A peer, ended when dropped.
struct Peer {
    child: Child,
    address: SocketAddr,
}

impl Peer {
    fn start(program: &str, flags: &[&str]) -> io::Result<Self> {
        let mut child = Command::new(program)
            .args(["--listen", "127.0.0.1:0"])
            .args(flags)
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim_end().strip_prefix("listening on ").unwrap_or_default().parse();
        Ok(Self { child, address: address.map_err(io::Error::other)? })
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
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

fn each(test: impl Fn(&str) -> io::Result<()>) -> io::Result<()> {
    [THREADS, BLOCKING, MACHINE].into_iter().try_for_each(test)
}

#[test]
fn every_line_is_thanked_once_and_the_last_needs_no_newline() -> io::Result<()> {
    each(|program| {
        let peer = Peer::start(program, &[])?;
        let mut stream = peer.connect()?;
        for byte in b"one\r\n\n\0two\xff\nthe last" {
            stream.write_all(&[*byte])?;
        }
        stream.shutdown(Shutdown::Write)?;
        assert_eq!(rest(stream)?, THANKS.repeat(4), "{program}");
        let stream = peer.connect()?;
        stream.shutdown(Shutdown::Write)?;
        assert_eq!(rest(stream)?, b"", "{program} owes nothing for nothing");
        Ok(())
    })
}

#[test]
fn thanks_come_line_by_line_and_not_at_the_end() -> io::Result<()> {
    each(|program| {
        let peer = Peer::start(program, &["--reply", "Danke!"])?;
        let mut stream = peer.connect()?;
        let mut reply = [0; 7];
        for _ in 0..3 {
            stream.write_all(b"a line\n")?;
            stream.read_exact(&mut reply)?;
            assert_eq!(&reply, b"Danke!\n", "{program}");
        }
        Ok(())
    })
}

#[test]
fn many_lines_at_once_are_all_thanked() -> io::Result<()> {
    const LINES: usize = 100_000;
    each(|program| {
        let peer = Peer::start(program, &[])?;
        let mut stream = peer.connect()?;
        let mut writer = stream.try_clone()?;
        let writing = std::thread::spawn(move || {
            writer.write_all(&b"a line\n".repeat(LINES))?;
            writer.shutdown(Shutdown::Write)
        });
        let thanks = rest(&mut stream)?;
        writing.join().map_err(|_| io::Error::other("the writer panicked"))??;
        assert!(thanks == THANKS.repeat(LINES), "{program}: {} bytes of thanks", thanks.len());
        Ok(())
    })
}

#[test]
fn silence_and_half_a_line_are_shed() -> io::Result<()> {
    each(|program| {
        let peer = Peer::start(program, &["--idle", "200ms"])?;
        let mut silent = peer.connect()?;
        silent.write_all(b"a line\n")?;
        assert_eq!(rest(silent)?, THANKS, "{program}");
        let mut half = peer.connect()?;
        half.write_all(b"half a li")?;
        assert_eq!(rest(half)?, b"", "{program}: half a line is not thanked");
        Ok(())
    })
}

#[test]
fn two_models_serve_all_at_once_and_one_process_serves_one() -> io::Result<()> {
    let threads = Peer::start(THREADS, &[])?;
    let mut crowd = Crowd::gather(threads.address, 100, PATIENCE)?;
    assert_eq!(crowd.standing().thanked, 100);
    let seen = crowd.ask_again(Duration::ZERO, SOME_TIME, PATIENCE)?;
    assert_eq!(seen.unserved, 0);
    assert!(seen.answers >= 100, "{} answers for 100 clients", seen.answers);

    let blocking = Peer::start(BLOCKING, &[])?;
    let mut crowd = Crowd::gather(blocking.address, 100, SOME_TIME)?;
    let standing = crowd.standing();
    assert_eq!((standing.thanked, standing.waiting, standing.connecting), (1, 99, 0));
    assert_eq!(crowd.ask_again(Duration::ZERO, SOME_TIME, PATIENCE)?.unserved, 99);
    Ok(())
}

#[test]
fn a_stalled_client_stops_one_process_and_nobody_else() -> io::Result<()> {
    let threads = Peer::start(THREADS, &[])?;
    assert!(!visits(threads.address, 100, PATIENCE, true)?.given_up);
    let blocking = Peer::start(BLOCKING, &[])?;
    assert!(!visits(blocking.address, 100, PATIENCE, false)?.given_up);
    assert!(visits(blocking.address, 100, SOME_TIME, true)?.given_up);
    assert!(!visits(blocking.address, 100, PATIENCE, false)?.given_up, "the stalled one has gone");
    Ok(())
}

#[test]
fn bad_usage_ends_with_2_and_a_taken_port_with_1() -> io::Result<()> {
    each(|program| {
        let status = |words: &[&str]| {
            Ok::<_, io::Error>(Command::new(program).args(words).output()?.status.code())
        };
        assert_eq!(status(&["--nonsense"])?, Some(2));
        assert_eq!(status(&["--listen", "127.0.0.1:0", "--idle", "soon"])?, Some(2));
        let peer = Peer::start(program, &[])?;
        assert_eq!(status(&["--listen", &peer.address.to_string()])?, Some(1));
        Ok(())
    })
}
