//! A file system in this process that is as slow as a test wants it to be, each step by itself, and
//! that hangs when it is told to. It knows nothing of servers.
//!
//! It is mounted by FUSE. The kernel asks it one thing after the other, so that what has to wait is
//! answered from a thread of its own, and any number of requests wait at the same time. The kernel
//! keeps nothing of it: every look, opening and reading comes here, and is counted.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags,
    Generation, INodeNo, InitFlags, KernelConfig, LockOwner, MountOption, OpenFlags, ReplyAttr,
    ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, Request, Session,
};
use rustix::mount::{UnmountFlags, unmount};

use crate::scratch::Scratch;

/// The kernel asks again every time.
const NEVER_KEPT: Duration = Duration::ZERO;

/// The root has the first number, and the files those behind it.
const FIRST_FILE: u64 = 2;

/// When the first version of every file was written: long ago, so that its times can be relied on.
const LONG_AGO: Duration = Duration::from_secs(1_000_000_000);

/// How long each step takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delays {
    /// Finding a name, and asking what is known of a file.
    pub stat: Duration,
    /// Opening.
    pub open: Duration,
    /// Reading once.
    pub read: Duration,
    /// Closing, for which the one who closes waits.
    pub close: Duration,
}

/// How often each step was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Names that were looked up.
    pub lookups: usize,
    /// Files that were opened.
    pub opens: usize,
    /// Reads.
    pub reads: usize,
}

/// What is wrong with the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Reads fail.
    Fails,
    /// Reads fail, and names cannot be looked up either.
    IsBroken,
    /// Files end halfway, whatever their length is said to be.
    EndsHalfway,
}

/// A mounted directory of files that are only in memory. Dropping it unmounts it, and whoever waits
/// for it gets an error.
pub struct SlowDisk {
    disk: Arc<Disk>,
    place: Scratch,
    /// Held for as long as it is mounted.
    _session: BackgroundSession,
}

struct Disk {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    files: Vec<File>,
    /// The places of the files by their names.
    places: HashMap<String, usize>,
    delays: Delays,
    counts: Counts,
    fault: Option<Fault>,
    hangs: bool,
    /// The requests that are waited for.
    waiting: usize,
    /// It is being unmounted, and nobody waits any longer.
    is_over: bool,
}

struct File {
    name: String,
    bytes: Arc<[u8]>,
    version: u64,
}

#[derive(Clone, Copy)]
enum Step {
    Stat,
    Open,
    Read,
    Close,
}

impl SlowDisk {
    /// Mounts a disk without delays; where the system does not let us, says so and gives none: the
    /// test that asked for it is skipped.
    #[must_use]
    pub fn mount() -> Option<Self> {
        Self::try_mount().map_err(|error| println!("skipped: no FUSE here: {error}")).ok()
    }

    /// Mounts a disk without delays.
    ///
    /// # Errors
    /// The system has no FUSE, or does not let us mount.
    pub fn try_mount() -> io::Result<Self> {
        std::fs::metadata("/dev/fuse")?;
        let disk = Arc::new(Disk { state: Mutex::new(State::default()), changed: Condvar::new() });
        let place = Scratch::new();
        let mut config = Config::default();
        config.mount_options = vec![MountOption::RO, MountOption::FSName("slow-disk".into())];
        let session = Session::new(Served(Arc::clone(&disk)), place.folder(), &config)?;
        Ok(Self { disk, place, _session: session.spawn()? })
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.place.folder()
    }

    /// A path in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Puts a file there, or another version of it, which the kernel is not told of.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        self.disk.state().put(name, bytes.into());
    }

    /// Puts many files there that all have the same bytes.
    pub fn put_copies(&self, names: impl IntoIterator<Item = String>, bytes: &[u8]) {
        let bytes: Arc<[u8]> = bytes.into();
        let mut state = self.disk.state();
        names.into_iter().for_each(|name| state.put(&name, Arc::clone(&bytes)));
    }

    /// From now on every step takes so long.
    pub fn delay(&self, delays: Delays) {
        self.disk.state().delays = delays;
    }

    /// From now on this is wrong, or nothing.
    pub fn fail(&self, fault: Option<Fault>) {
        self.disk.state().fault = fault;
    }

    /// Answers nothing any more.
    pub fn hang(&self) {
        self.disk.state().hangs = true;
    }

    /// Answers again, also what has been asked meanwhile.
    pub fn go_on(&self) {
        self.disk.state().hangs = false;
        self.disk.changed.notify_all();
    }

    /// How many requests wait for it now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.disk.state().waiting
    }

    /// What was asked for since it was mounted.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.disk.state().counts
    }
}

impl Drop for SlowDisk {
    fn drop(&mut self) {
        self.disk.state().is_over = true;
        self.disk.changed.notify_all();
        // By force, so that who still waits gets an error, and at once, though files are open. It
        // fails where it was unmounted already.
        let _ = unmount(self.path(), UnmountFlags::FORCE | UnmountFlags::DETACH);
    }
}

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers when the step has taken its time, without holding up other requests.
    fn answer(self: &Arc<Self>, step: Step, answer: impl FnOnce(&State) + Send + 'static) {
        let mut state = self.state();
        let delay = state.count(step);
        if delay.is_zero() && !state.hangs {
            return answer(&state);
        }
        state.waiting += 1;
        drop(state);
        let disk = Arc::clone(self);
        thread::spawn(move || {
            let state = disk.state();
            let is_on = |state: &mut State| !state.is_over;
            let slow = disk.changed.wait_timeout_while(state, delay, is_on);
            let (state, _) = slow.unwrap_or_else(PoisonError::into_inner);
            let is_stuck = |state: &mut State| state.hangs && !state.is_over;
            let state = disk.changed.wait_while(state, is_stuck);
            let mut state = state.unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
            answer(&state);
        });
    }
}

impl State {
    /// Counts a step and says how long it takes.
    fn count(&mut self, step: Step) -> Duration {
        match step {
            Step::Stat => self.delays.stat,
            Step::Open => {
                self.counts.opens += 1;
                self.delays.open
            }
            Step::Read => {
                self.counts.reads += 1;
                self.delays.read
            }
            Step::Close => self.delays.close,
        }
    }

    fn put(&mut self, name: &str, bytes: Arc<[u8]>) {
        if let Some(place) = self.places.get(name) {
            let file = &mut self.files[*place];
            file.bytes = bytes;
            file.version += 1;
            return;
        }
        self.places.insert(name.to_owned(), self.files.len());
        self.files.push(File { name: name.to_owned(), bytes, version: 0 });
    }

    fn number_of(&self, name: &OsStr) -> Option<INodeNo> {
        let place = self.places.get(name.to_str()?)?;
        Some(INodeNo(FIRST_FILE + *place as u64))
    }

    fn file(&self, number: INodeNo) -> Option<&File> {
        let place = u64::from(number).checked_sub(FIRST_FILE)?;
        self.files.get(usize::try_from(place).ok()?)
    }

    fn attributes(&self, number: INodeNo) -> Option<FileAttr> {
        if number == INodeNo::ROOT {
            return Some(attributes(number, FileType::Directory, 0, 0));
        }
        let file = self.file(number)?;
        Some(attributes(number, FileType::RegularFile, file.bytes.len(), file.version))
    }

    /// What a read finds.
    fn read(&self, number: INodeNo, offset: u64, count: u32) -> Result<&[u8], Errno> {
        let file = self.file(number).ok_or(Errno::ENOENT)?;
        let length = match self.fault {
            None => file.bytes.len(),
            Some(Fault::EndsHalfway) => file.bytes.len() / 2,
            Some(Fault::Fails | Fault::IsBroken) => return Err(Errno::EIO),
        };
        let at = |place: u64| usize::try_from(place).unwrap_or(length).min(length);
        Ok(&file.bytes[at(offset)..at(offset + u64::from(count))])
    }
}

fn attributes(ino: INodeNo, kind: FileType, length: usize, version: u64) -> FileAttr {
    let time: SystemTime = UNIX_EPOCH + LONG_AGO + Duration::from_secs(version);
    FileAttr {
        ino,
        size: length as u64,
        blocks: length.div_ceil(512) as u64,
        atime: time,
        mtime: time,
        ctime: time,
        crtime: time,
        kind,
        perm: if kind == FileType::Directory { 0o755 } else { 0o644 },
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

/// The disk as the kernel sees it.
struct Served(Arc<Disk>);

impl Filesystem for Served {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // Or else the kernel looks up one name of a directory after the other. A kernel that
        // cannot do so is none that tests run on.
        let _ = config.add_capabilities(InitFlags::FUSE_PARALLEL_DIROPS);
        Ok(())
    }

    fn lookup(&self, _request: &Request, _parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let name = name.to_owned();
        self.0.state().counts.lookups += 1;
        self.0.answer(Step::Stat, move |state| {
            if state.fault == Some(Fault::IsBroken) {
                return reply.error(Errno::EIO);
            }
            let number = state.number_of(&name);
            match number.and_then(|number| state.attributes(number)) {
                Some(found) => reply.entry(&NEVER_KEPT, &found, Generation(0)),
                None => reply.error(Errno::ENOENT),
            }
        });
    }

    fn getattr(
        &self,
        _request: &Request,
        number: INodeNo,
        _file: Option<FileHandle>,
        reply: ReplyAttr,
    ) {
        self.0.answer(Step::Stat, move |state| match state.attributes(number) {
            Some(found) => reply.attr(&NEVER_KEPT, &found),
            None => reply.error(Errno::ENOENT),
        });
    }

    fn open(&self, _request: &Request, _number: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        // Direct: what was read once is not kept by the kernel.
        let opened = move |_: &State| reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
        self.0.answer(Step::Open, opened);
    }

    fn read(
        &self,
        _request: &Request,
        number: INodeNo,
        _file: FileHandle,
        offset: u64,
        count: u32,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        self.0.answer(Step::Read, move |state| match state.read(number, offset, count) {
            Ok(bytes) => reply.data(bytes),
            Err(error) => reply.error(error),
        });
    }

    fn flush(
        &self,
        _request: &Request,
        _number: INodeNo,
        _file: FileHandle,
        _owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        self.0.answer(Step::Close, move |_| reply.ok());
    }

    fn readdir(
        &self,
        _request: &Request,
        _number: INodeNo,
        _file: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        self.0.answer(Step::Read, move |state| {
            let files = (FIRST_FILE..).zip(&state.files).zip(1_u64..);
            for ((number, file), next) in files.skip(usize::try_from(offset).unwrap_or(0)) {
                if reply.add(INodeNo(number), next, FileType::RegularFile, &file.name) {
                    break;
                }
            }
            reply.ok();
        });
    }
}
