//! The access log: one line for each response, in the combined format or as JSON. It knows requests
//! and no machine.
//!
//! Nothing that serves ever writes to it: each worker appends its lines to a buffer of its own, and
//! a thread takes what is there and writes it. A disk that is full or hangs costs lines and never a
//! client.
//!
//! A line has six parts, so that little is left to do when a response goes out: what a connection
//! is opened with, the time, what the request says before the status, the status, the bytes, and
//! what it says behind them.

mod line;
mod writer;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use fsm_runtime::give_way;
use http::StatusCode;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use signal_hook::consts::SIGUSR1;
use signal_hook::{SigId, flag, low_level};

use line::Clock;
pub use line::{Format, Note, Said};
use writer::Writer;

/// How long a line waits for company. Who follows the log with `tail` sees no delay, and at full
/// load a write carries thousands of lines.
const PERIOD: Duration = Duration::from_millis(200);

/// The bytes of lines that a worker keeps for the writer: those of a period at more requests than a
/// core can answer, or of some seconds of a disk that hangs at ordinary ones. Beyond it lines are
/// dropped and counted.
const BUFFER: usize = 8 * 1024 * 1024;

/// How long the end of the server waits for the last lines: a reader that has stopped reading must
/// not keep it.
const FAREWELL: Duration = Duration::from_secs(2);

/// The log of a server. Dropping it writes what is still there.
pub struct Log {
    format: Format,
    buffers: Buffers,
    reopens: SigId,
    /// Dropped to have the writer finish.
    stop: Option<Sender<()>>,
    /// Ends when the writer has. Only the end of the log listens.
    done: Mutex<Receiver<()>>,
}

/// Takes SIGUSR1 without a log: who tells all servers to reopen their logs ends none of them.
///
/// # Errors
/// What the system answered.
pub fn take_signal() -> io::Result<()> {
    flag::register(SIGUSR1, Arc::default()).map(drop)
}

/// The lines of one worker.
pub struct Lines {
    buffer: Arc<Mutex<Buffer>>,
    clock: Clock,
}

type Buffers = Arc<Mutex<Vec<Arc<Mutex<Buffer>>>>>;

/// What the writer has not taken yet.
#[derive(Debug, Default)]
struct Buffer {
    lines: Vec<u8>,
    /// Lines that there was no room for.
    dropped: u64,
}

impl Log {
    /// Opens a file to append to, or standard output where the path is `-`, and starts the thread
    /// that writes. SIGUSR1 has the file opened anew, as programs that rotate logs expect.
    ///
    /// # Errors
    /// The file cannot be opened, or there is no thread to be had.
    pub fn open(path: &Path, format: Format) -> io::Result<Self> {
        if path == Path::new("-") {
            return Self::to(Box::new(io::stdout()), None, format);
        }
        Self::to(Box::new(append_to(path)?), Some(path.to_owned()), format)
    }

    fn to(out: Box<dyn Write + Send>, path: Option<PathBuf>, format: Format) -> io::Result<Self> {
        let buffers = Buffers::default();
        let is_due = Arc::new(AtomicBool::new(false));
        let reopens = flag::register(SIGUSR1, Arc::clone(&is_due))?;
        let (stop, stopped) = mpsc::channel();
        let (done_sender, done) = mpsc::channel();
        let mut writer = Writer::new(out, path, is_due, Arc::clone(&buffers));
        thread::Builder::new().name("access log".to_owned()).spawn(move || {
            give_way();
            writer.run(&stopped);
            drop(done_sender);
        })?;
        Ok(Self { format, buffers, reopens, stop: Some(stop), done: Mutex::new(done) })
    }

    /// How lines are written; what a [`Note`] is made with.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// The lines of one more worker.
    #[must_use]
    pub fn lines(&self) -> Lines {
        let buffer = Arc::default();
        lock(&self.buffers).push(Arc::clone(&buffer));
        Lines { buffer, clock: Clock::new(self.format) }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        low_level::unregister(self.reopens);
        drop(self.stop.take());
        // Nothing is ever sent: this waits for the writer's end, or for long enough.
        let _ = lock(&self.done).recv_timeout(FAREWELL);
    }
}

impl Lines {
    /// Writes the line of one response: what its request said, which is forgotten by that, its
    /// status, and the bytes of its body where they are known.
    pub fn push(
        &mut self,
        note: &mut Note,
        status: StatusCode,
        bytes: Option<u64>,
        now: SystemTime,
    ) {
        let time = self.clock.at(now);
        let mut buffer = lock(&self.buffer);
        if buffer.lines.len() < BUFFER {
            note.write_line(&mut buffer.lines, time, status, bytes);
        } else {
            buffer.dropped += 1;
        }
        drop(buffer);
        note.forget();
    }
}

/// A FIFO that nobody reads is an error and not waited for; whoever reads one is.
fn append_to(path: &Path) -> io::Result<File> {
    let at_once = i32::try_from(OFlags::NONBLOCK.bits()).map_err(io::Error::other)?;
    let file = OpenOptions::new().create(true).append(true).custom_flags(at_once).open(path)?;
    fcntl_setfl(&file, fcntl_getfl(&file)?.difference(OFlags::NONBLOCK))?;
    Ok(file)
}

/// Nothing under these locks can panic halfway.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
