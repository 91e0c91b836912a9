//! A response's body that comes from the disk as the client takes it: what the kernel has in memory
//! is sent from the loop, and the rest is read by a thread of the pool.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::mem;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::open_file::OpenFile;
use super::root::Meta;
use super::snapshot::read_resident;
use crate::http::{BodyWriter, Handler, Written};

/// The bytes that are read and sent at once. With fewer, a fast client waits for the loop; with
/// more, a slow one holds more memory. It is also what the kernel's send buffers take at first.
pub const PIECE: usize = 64 * 1024;

/// The bytes still to be sent of one file, or of some parts of it with what stands between them.
pub struct Download {
    file: Arc<OpenFile>,
    /// What the file was when the head of the response was written.
    meta: Meta,
    parts: VecDeque<Part>,
}

/// Something to be sent.
pub enum Part {
    /// Text of the server's own.
    Text(Vec<u8>),
    /// Bytes of the file.
    Bytes(Range<u64>),
}

/// How far the body has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// More follows.
    More,
    /// More follows that has to be waited for.
    Elsewhere,
    /// That was all.
    Whole,
    /// The file has changed, or the disk failed.
    Broken,
}

/// Bytes that a thread of the pool has read, if the file is still what it was.
pub type Read = io::Result<Vec<u8>>;

impl Download {
    /// Sends parts of a file.
    #[must_use]
    pub fn new(file: &Arc<OpenFile>, meta: Meta, parts: impl IntoIterator<Item = Part>) -> Self {
        Self { file: Arc::clone(file), meta, parts: parts.into_iter().collect() }
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
                Some(Part::Bytes(range)) if range.is_empty() => drop(self.parts.pop_front()),
                Some(_) if room == 0 => return Step::More,
                Some(Part::Text(text)) => {
                    writer.send(&mem::take(text));
                    self.parts.pop_front();
                }
                Some(Part::Bytes(range)) => {
                    let piece = &mut buffer[..room.min(length(range))];
                    match resident(&self.file, self.meta, range.start, piece) {
                        Ok(Some(count)) => {
                            writer.send(&piece[..count]);
                            range.start += count as u64;
                            room -= count;
                        }
                        Ok(None) => return Step::Elsewhere,
                        Err(_) => return Step::Broken,
                    }
                }
            }
        }
    }

    /// Goes on from where [`Download::write`] has come to; `wrap` makes the reply of a job.
    pub fn go_on<H: Handler>(
        &self,
        step: Step,
        writer: BodyWriter<'_, '_, H>,
        wrap: impl FnOnce(Read) -> H::Reply + Send + 'static,
    ) -> Written {
        match step {
            Step::More => writer.more(),
            Step::Whole => writer.end(),
            Step::Broken => writer.break_off(),
            // What is queued goes out while the rest is read.
            Step::Elsewhere => self.read_elsewhere(writer, wrap),
        }
    }

    /// Writes a piece that was read elsewhere.
    pub fn piece<H: Handler>(&mut self, read: Read, mut writer: BodyWriter<'_, '_, H>) -> Written {
        let Ok(bytes) = read else { return writer.break_off() };
        if let Some(Part::Bytes(range)) = self.parts.front_mut() {
            range.start += bytes.len() as u64;
        }
        writer.send_shared(&bytes.into());
        writer.more()
    }

    fn read_elsewhere<H: Handler>(
        &self,
        mut writer: BodyWriter<'_, '_, H>,
        wrap: impl FnOnce(Read) -> H::Reply + Send + 'static,
    ) -> Written {
        let Some(Part::Bytes(range)) = self.parts.front() else { return writer.break_off() };
        let (file, meta) = (Arc::clone(&self.file), self.meta);
        let (offset, count) = (range.start, length(range).min(PIECE));
        match writer.offload(move || wrap(read(&file, meta, offset, count))) {
            Ok(()) => writer.wait(),
            // A download that has begun cannot be told to come back later.
            Err(_full) => writer.break_off(),
        }
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

/// Reads so many bytes of a file that is still what it was. May block.
fn read(file: &OpenFile, meta: Meta, offset: u64, count: usize) -> Read {
    let file = file.file()?;
    let mut bytes = vec![0; count];
    file.read_exact_at(&mut bytes, offset)?;
    check_unchanged(file, meta)?;
    Ok(bytes)
}

/// A file that was written to since its length was promised has other bytes than those promised. A
/// name more or less is none of them, so the time of the last change of any kind does not count.
fn check_unchanged(file: &File, meta: Meta) -> io::Result<()> {
    let now = Meta::of(file)?;
    if (now.size, now.mtime) == (meta.size, meta.mtime) {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "the file has changed while it is sent"))
}
