//! The thread that writes what the workers have put down. Only it waits for the disk.

use std::io::{self, Write};
use std::mem;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{self, AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};

use super::{Buffers, PERIOD, append_to, lock};

/// The memory that an empty buffer keeps: ordinary load needs no more in a period, and what a burst
/// took is given back.
const KEPT: usize = 256 * 1024;

/// The periods between two warnings of lines that were dropped: half a minute.
const QUIET: u32 = 150;

pub(super) struct Writer {
    out: Box<dyn Write + Send>,
    /// What is opened anew when that is due.
    path: Option<PathBuf>,
    is_due: Arc<AtomicBool>,
    buffers: Buffers,
    /// Empty between two rounds: workers get it for the lines that are taken from them.
    spare: Vec<u8>,
    /// The last write failed, and that has been said.
    is_failing: bool,
    /// What was written last may end in the middle of a line.
    is_torn: bool,
    /// Lines that were dropped since that was last said.
    dropped: u64,
    /// How many periods ago it was said.
    quiet: u32,
}

impl Writer {
    pub(super) fn new(
        out: Box<dyn Write + Send>,
        path: Option<PathBuf>,
        is_due: Arc<AtomicBool>,
        buffers: Buffers,
    ) -> Self {
        let (spare, quiet) = (Vec::new(), QUIET);
        let (is_failing, is_torn, dropped) = (false, false, 0);
        Self { out, path, is_due, buffers, spare, is_failing, is_torn, dropped, quiet }
    }

    /// Writes in every period, and once more at the end.
    pub(super) fn run(&mut self, stopped: &Receiver<()>) {
        while stopped.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
            self.round();
        }
        self.round();
        self.say_dropped();
    }

    pub(super) fn round(&mut self) {
        self.reopen();
        let buffers = lock(&self.buffers).clone();
        let mut ended = Vec::new();
        for buffer in &buffers {
            // The list and this alone have it: its worker has ended, and what is there is the last.
            if Arc::strong_count(buffer) == 2 {
                atomic::fence(Ordering::Acquire);
                ended.push(Arc::as_ptr(buffer));
            }
            let mut buffer = lock(buffer);
            mem::swap(&mut buffer.lines, &mut self.spare);
            self.dropped += mem::take(&mut buffer.dropped);
            drop(buffer);
            self.write();
        }
        if !ended.is_empty() {
            lock(&self.buffers).retain(|buffer| !ended.contains(&Arc::as_ptr(buffer)));
        }
        self.quiet = self.quiet.saturating_add(1);
        if self.quiet > QUIET {
            self.say_dropped();
        }
    }

    fn say_dropped(&mut self) {
        if self.dropped > 0 {
            tracing::warn!(lines = mem::take(&mut self.dropped), "the access log dropped lines");
            self.quiet = 0;
        }
    }

    /// Writes the lines that were taken. What cannot be written is lost.
    fn write(&mut self) {
        if self.spare.is_empty() {
            return;
        }
        match self.try_write() {
            Ok(()) => self.is_failing = false,
            Err(error) => {
                // Some of it may have been written.
                self.is_torn = true;
                if !mem::replace(&mut self.is_failing, true) {
                    tracing::warn!(%error, "the access log cannot be written; lines are lost");
                }
            }
        }
        self.spare.clear();
        self.spare.shrink_to(KEPT);
    }

    fn try_write(&mut self) -> io::Result<()> {
        if self.is_torn {
            self.out.write_all(b"\n")?;
            self.is_torn = false;
        }
        self.out.write_all(&self.spare)?;
        self.out.flush()
    }

    /// Where it fails, the old file is kept: it has been renamed at worst.
    fn reopen(&mut self) {
        let Some(path) = &self.path else { return };
        if !self.is_due.swap(false, Ordering::Relaxed) {
            return;
        }
        match append_to(path) {
            Ok(file) => {
                self.out = Box::new(file);
                (self.is_failing, self.is_torn) = (false, false);
            }
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "the access log cannot be reopened");
            }
        }
    }
}

#[cfg(test)]
impl Writer {
    /// For tests of what goes wrong.
    pub(super) fn replace_out(&mut self, out: Box<dyn Write + Send>) -> Box<dyn Write + Send> {
        mem::replace(&mut self.out, out)
    }
}
