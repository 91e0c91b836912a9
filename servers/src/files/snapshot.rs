//! The content of a file at one moment, or the news that there was no such moment.
//!
//! Length and bytes of a [`Snapshot`] belong together, whatever happens to the file, since nothing
//! of it is mapped into memory. [`read_resident`] and [`Snapshot::of_resident`] never wait for a
//! disk; the rest may.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::thread;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::root::{Meta, Stamp};

/// How often a file is read that changes while it is read. One that is written to without end is
/// nothing for a cache.
const TRIES: u32 = 6;

/// The pause before it is read again, which doubles each time: 31 ms in all. Most who write are
/// done by then.
const PAUSE: Duration = Duration::from_millis(1);

/// How long a file must have been left alone for its times to be relied on. The kernel stamps files
/// by a clock that goes on every 10 ms at worst (`CONFIG_HZ=100`), and stamps a write when it
/// begins: twice that leaves a write 10 ms to end.
const QUIET_NANOSECONDS: i64 = 20_000_000;

const NANOSECONDS: i64 = 1_000_000_000;

/// The clock that the kernel stamps files by, so that the two can be compared.
#[cfg(target_os = "linux")]
const CLOCK: ClockId = ClockId::RealtimeCoarse;
#[cfg(not(target_os = "linux"))]
const CLOCK: ClockId = ClockId::Realtime;

/// A file's content together with what the file was.
#[derive(Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// All of it: as many as `meta.size` says.
    pub bytes: Vec<u8>,
    /// What the file was before and after it was read.
    pub meta: Meta,
    /// The file had been left alone for so long that a change, then or later, shows in its
    /// [`Meta`]. Where this is false, another change may carry the same times, so that the bytes
    /// are good to be sent but not to be kept for long.
    pub is_settled: bool,
}

impl Snapshot {
    /// Reads a whole file; again after a pause, for a number of times, if it changes meanwhile.
    ///
    /// # Errors
    /// [`io::ErrorKind::FileTooLarge`] for more than `limit` bytes, [`io::ErrorKind::ResourceBusy`]
    /// where the file changed every time, otherwise what the system answered.
    pub fn of(file: &File, limit: u64) -> io::Result<Self> {
        for before in 0..TRIES {
            if before > 0 {
                thread::sleep(PAUSE * 2_u32.pow(before - 1));
            }
            let read = |offset, buffer: &mut [u8]| loop {
                match file.read_at(buffer, offset) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    read => return read.map(Some),
                }
            };
            if let Some(snapshot) = attempt(file, limit, read)? {
                return Ok(snapshot);
            }
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }

    /// Takes a whole file from memory without waiting for a disk: `None` where the disk would have
    /// to be asked, and where the file changes meanwhile. For files that
    /// [`Root::open_cached`](super::root::Root::open_cached) has opened, since on other file
    /// systems even the length may have to be waited for.
    ///
    /// # Errors
    /// As for [`Snapshot::of`].
    pub fn of_resident(file: &File, limit: u64) -> io::Result<Option<Self>> {
        attempt(file, limit, |offset, buffer| read_resident(file, offset, buffer))
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The bytes may be a megabyte.
        let mut fields = formatter.debug_struct("Snapshot");
        fields.field("meta", &self.meta).field("is_settled", &self.is_settled);
        fields.finish_non_exhaustive()
    }
}

/// Reads a file once, between two looks at it: `None` if they differ, or if `read` gives up.
fn attempt(
    file: &File,
    limit: u64,
    mut read: impl FnMut(u64, &mut [u8]) -> io::Result<Option<usize>>,
) -> io::Result<Option<Snapshot>> {
    let now = clock_gettime(CLOCK);
    let now = Stamp { seconds: now.tv_sec, nanoseconds: now.tv_nsec };
    let meta = Meta::of(file)?;
    if meta.size > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let size = usize::try_from(meta.size).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size).map_err(|_| io::ErrorKind::OutOfMemory)?;
    bytes.resize(size, 0);
    let mut done = 0;
    while done < size {
        match read(done as u64, &mut bytes[done..])? {
            Some(read) if read > 0 => done += read,
            _ => return Ok(None),
        }
    }
    let is_same = Meta::of(file)? == meta;
    let is_settled = was_quiet(meta.ctime, now);
    Ok(is_same.then_some(Snapshot { bytes, meta, is_settled }))
}

/// Tells whether a change lies so far back that one from now on gets another time. One that lies in
/// the future, since a clock was set, does not.
fn was_quiet(changed: Stamp, now: Stamp) -> bool {
    let seconds = now.seconds.saturating_sub(changed.seconds);
    let nanoseconds = now.nanoseconds - changed.nanoseconds;
    seconds.saturating_mul(NANOSECONDS).saturating_add(nanoseconds) > QUIET_NANOSECONDS
}

/// Reads what is in memory of a file at `offset`: the number of bytes, which may be fewer than
/// asked for, or `None` where a disk would have to be waited for, where the system cannot tell, and
/// at the end of the file, which older kernels do not tell from a page that is missing.
///
/// # Errors
/// What the system answered.
#[cfg(target_os = "linux")]
pub fn read_resident(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    use rustix::io::{Errno, IoSliceMut, ReadWriteFlags, preadv2};

    match preadv2(file, &mut [IoSliceMut::new(buffer)], offset, ReadWriteFlags::NOWAIT) {
        Ok(0) => Ok(None),
        Ok(read) => Ok(Some(read)),
        Err(Errno::AGAIN | Errno::INTR | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(None),
        // A filter of system calls that does not know this one.
        Err(Errno::PERM) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// As on Linux, but always `None`: the system cannot be asked.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub fn read_resident(_file: &File, _offset: u64, _buffer: &mut [u8]) -> io::Result<Option<usize>> {
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::fs;
    use std::path::PathBuf;
    use std::process;

    use super::*;

    /// A file of this test, which is gone with it.
    struct Written(PathBuf);

    impl Written {
        fn new(name: &str, content: &[u8]) -> (Self, File) {
            let path = env::temp_dir().join(format!("snapshot-{}-{name}", process::id()));
            fs::write(&path, content).expect("the system has a folder for such things");
            let file = File::open(&path).expect("it has just been written");
            (Self(path), file)
        }

        /// Writes without cutting the file first.
        fn put(&self, content: &[u8], offset: u64) {
            let file = File::options().write(true).open(&self.0).expect("it is there");
            file.write_all_at(content, offset).expect("there is room");
        }
    }

    impl Drop for Written {
        fn drop(&mut self) {
            let _gone = fs::remove_file(&self.0);
        }
    }

    /// Reads two bytes at a time, and has something done after the first two.
    fn read_with(file: &File, change: impl FnOnce()) -> io::Result<Option<Snapshot>> {
        let mut change = Some(change);
        attempt(file, 100, |offset, buffer| {
            let most = buffer.len().min(2);
            let read = file.read_at(&mut buffer[..most], offset)?;
            if let Some(change) = change.take() {
                change();
            }
            Ok(Some(read))
        })
    }

    #[test]
    fn what_is_left_alone_is_taken() {
        let (_written, file) = Written::new("alone", b"123456");
        let snapshot = read_with(&file, || ()).unwrap().expect("nobody changed it");
        assert_eq!(snapshot.bytes, b"123456");
    }

    #[test]
    fn what_changes_meanwhile_is_not_taken() {
        let (written, file) = Written::new("longer", b"123456");
        assert_eq!(read_with(&file, || written.put(b"7", 6)).unwrap(), None);
        let (written, file) = Written::new("shorter", b"123456");
        assert_eq!(read_with(&file, || fs::write(&written.0, b"123").unwrap()).unwrap(), None);
        let (written, file) = Written::new("empty", b"123456");
        assert_eq!(read_with(&file, || fs::write(&written.0, b"").unwrap()).unwrap(), None);
    }

    /// A change that leaves the length as it was shows in the times, unless they go on too slowly,
    /// and then the snapshot says that it is not to be kept.
    #[test]
    fn what_is_overwritten_meanwhile_is_not_kept() {
        let (written, file) = Written::new("other", b"123456");
        if let Some(snapshot) = read_with(&file, || written.put(b"abcdef", 0)).unwrap() {
            assert!(!snapshot.is_settled);
        }
        thread::sleep(Duration::from_millis(100));
        assert_eq!(read_with(&file, || written.put(b"ghijkl", 0)).unwrap(), None);
    }

    #[test]
    fn what_has_to_be_waited_for_is_not_taken() {
        let (_written, file) = Written::new("waited", b"123456");
        assert_eq!(attempt(&file, 100, |_, _| Ok(None)).unwrap(), None);
        let mut left = 3;
        let read = |_, _: &mut [u8]| {
            left -= 1;
            Ok((left > 0).then_some(1))
        };
        assert_eq!(attempt(&file, 100, read).unwrap(), None);
        let error = attempt(&file, 5, |_, _| Ok(None)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn times_are_trusted_when_they_are_over() {
        let at = |seconds, nanoseconds| Stamp { seconds, nanoseconds };
        assert!(was_quiet(at(1, 0), at(2, 0)));
        assert!(was_quiet(at(1, 999_999_999), at(2, 20_000_000)));
        assert!(!was_quiet(at(1, 999_999_999), at(2, 19_999_999)));
        assert!(!was_quiet(at(1, 500), at(1, 500)));
        assert!(!was_quiet(at(2, 0), at(1, 0)), "the clock was set back");
        assert!(was_quiet(at(i64::MIN, 0), at(i64::MAX, 0)));
        assert!(!was_quiet(at(i64::MAX, 0), at(i64::MIN, 0)));
    }
}
