//! A response's body that comes from the disk as the client takes it: what the kernel has in memory
//! is sent from the loop, and the rest is read by a thread of the pool.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use fsm_runtime::Bytes;

use super::open_file::OpenFile;
use super::pieces::Wanted;
use super::root::Meta;
use super::snapshot::read_resident;
use crate::http::{BodyWriter, Handler};

/// The bytes that are read and sent at once. With fewer, a fast client waits for the loop; with
/// more, a slow one holds more memory. It is also what the kernel's send buffers take at first.
pub const PIECE: usize = 64 * 1024;

/// The bytes still to be sent of one file, or of some parts of it with what stands between them.
pub struct Download {
    file: Arc<OpenFile>,
    /// What the file was when the head of the response was written.
    meta: Meta,
    parts: VecDeque<Part>,
    /// Held while the next piece is waited for.
    wanted: Option<Arc<Wanted>>,
}

/// Something to be sent.
pub enum Part {
    /// Bytes that are in memory.
    Held(Bytes),
    /// Bytes of the file.
    File(Range<u64>),
}

/// How far the body has come.
pub enum Step {
    /// More follows.
    More,
    /// More follows that has to be read by who may wait for it.
    Missing(Missing),
    /// That was all.
    Whole,
    /// The file has changed, or the disk failed.
    Broken,
}

/// Bytes of a file that are not in memory.
pub struct Missing {
    file: Arc<OpenFile>,
    meta: Meta,
    offset: u64,
    count: usize,
}

/// Bytes that a thread of the pool has read, if the file is still what it was.
pub type Read = io::Result<Bytes>;

impl Download {
    /// Sends parts of a file.
    #[must_use]
    pub fn new(file: &Arc<OpenFile>, meta: Meta, parts: impl IntoIterator<Item = Part>) -> Self {
        let parts = parts.into_iter().collect();
        Self { file: Arc::clone(file), meta, parts, wanted: None }
    }

    /// What has to be read before anything should be sent: nothing where it is in memory.
    #[must_use]
    pub fn missing(&self) -> Option<Missing> {
        let first = self.parts.iter().find_map(Part::of_file)?;
        // A file that has changed is left to who reads it, and told by the error that comes of it.
        match resident(&self.file, self.meta, first.start, &mut [0]) {
            Ok(Some(_)) => None,
            Ok(None) | Err(_) => Some(self.lacks(first)),
        }
    }

    /// Takes what was missing.
    pub fn fill(&mut self, bytes: Bytes) {
        self.wanted = None;
        let first = self.parts.iter().position(|part| part.of_file().is_some());
        let Some(at) = first else { return };
        if let Some(Part::File(range)) = self.parts.get_mut(at) {
            range.start += bytes.len() as u64;
        }
        self.parts.insert(at, Part::Held(bytes));
    }

    /// Waits for what is missing.
    pub fn wait_for(&mut self, wanted: Arc<Wanted>) {
        self.wanted = Some(wanted);
    }

    /// Writes what comes next as far as it is in memory; `buffer`, of [`PIECE`] bytes, is where it
    /// is read to.
    pub fn write<H: Handler>(
        &mut self,
        buffer: &mut [u8],
        writer: &mut BodyWriter<'_, '_, H>,
    ) -> Step {
        let mut room = buffer.len();
        loop {
            match self.parts.front_mut() {
                None => return Step::Whole,
                Some(Part::File(range)) if range.is_empty() => drop(self.parts.pop_front()),
                Some(_) if room == 0 => return Step::More,
                Some(Part::Held(bytes)) => {
                    writer.send_shared(bytes);
                    room = room.saturating_sub(bytes.len());
                    self.parts.pop_front();
                }
                Some(Part::File(range)) => {
                    let piece = &mut buffer[..room.min(length(range))];
                    match resident(&self.file, self.meta, range.start, piece) {
                        Ok(Some(count)) => {
                            writer.send(&piece[..count]);
                            range.start += count as u64;
                            room -= count;
                        }
                        Ok(None) => {
                            let range = range.clone();
                            return Step::Missing(self.lacks(&range));
                        }
                        Err(_) => return Step::Broken,
                    }
                }
            }
        }
    }

    fn lacks(&self, range: &Range<u64>) -> Missing {
        let (file, meta) = (Arc::clone(&self.file), self.meta);
        Missing { file, meta, offset: range.start, count: length(range).min(PIECE) }
    }
}

impl Part {
    /// The bytes of the file, if there are any.
    fn of_file(&self) -> Option<&Range<u64>> {
        match self {
            Self::File(range) if !range.is_empty() => Some(range),
            Self::File(_) | Self::Held(_) => None,
        }
    }
}

impl Missing {
    /// Reads the bytes. May wait for a disk.
    ///
    /// # Errors
    /// What the system answered; [`is_of_another`] tells whether the file is not any more what it
    /// was.
    pub fn read(&self) -> Read {
        let file = self.file.file()?;
        let mut bytes = vec![0; self.count];
        file.read_exact_at(&mut bytes, self.offset)?;
        check_unchanged(file, self.meta)?;
        Ok(bytes.into())
    }
}

fn length(range: &Range<u64>) -> usize {
    usize::try_from(range.end - range.start).unwrap_or(usize::MAX)
}

/// Takes what is in memory of a file that is still what it was.
fn resident(
    file: &OpenFile,
    meta: Meta,
    offset: u64,
    buffer: &mut [u8],
) -> io::Result<Option<usize>> {
    let file = file.file()?;
    let count = read_resident(file, offset, buffer)?;
    if count.is_some() {
        check_unchanged(file, meta)?;
    }
    Ok(count)
}

/// A file that was written to since its length was promised has other bytes than those promised. A
/// name more or less is none of them, so the time of the last change of any kind does not count.
/// Who writes over a file in place and sets its time back is not found out.
fn check_unchanged(file: &File, meta: Meta) -> io::Result<()> {
    let now = Meta::of(file)?;
    if (now.size, now.mtime) == (meta.size, meta.mtime) {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "the file has changed while it is sent"))
}

/// Tells whether reading failed since the file has changed.
#[must_use]
pub fn is_of_another(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}
