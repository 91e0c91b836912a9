//! Hears from the system that files change, by inotify, so that what is cached is forgotten as soon
//! as it is not so any more. It knows folders and names, and neither the cache nor clients.
//!
//! A folder is watched together with those above it, so that it is heard of when a path leads to
//! another one: since one of them was renamed, or is a link that was replaced.
//!
//! It is the quick half of staying fresh and not the whole: file systems on other machines tell
//! nothing, and neither does a file that is changed by another of its names. What it cannot hear is
//! found by looking again.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

/// The most folders that are watched: half of the 8,192 that old kernels allow a user in all, since
/// others of the same user watch too. Files of other folders are only looked at again.
const FOLDERS: usize = 4096;

/// The bytes of changes read at once; one takes 16 and its name.
const CHANGES: usize = 16 * 1024;

/// How often a folder is opened to be watched while names change, which could be its own.
const TRIES: usize = 4;

/// Whatever can make a cached file another one.
const MEANINGFUL: WatchFlags = WatchFlags::MODIFY
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::CREATE)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVE)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR);

/// A name stands for something else than before, or for nothing.
const RENAMED: ReadFlags = ReadFlags::CREATE
    .union(ReadFlags::DELETE)
    .union(ReadFlags::MOVED_FROM)
    .union(ReadFlags::MOVED_TO);

/// What has changed.
#[derive(Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// A file of that name in a folder, or a folder with all that is below it.
    Name {
        /// The folder's path below the root, which is empty for the root itself.
        folder: &'a [u8],
        /// The name in it.
        name: &'a [u8],
        /// It is a folder's.
        is_folder: bool,
    },
    /// A folder itself: nothing below this path is what it was.
    Folder(&'a [u8]),
    /// More than the system could keep in mind.
    Anything,
}

/// The folders that are watched.
pub struct Watch {
    inotify: OwnedFd,
    folders: Mutex<Folders>,
}

#[derive(Default)]
struct Folders {
    /// Nobody listens any more.
    is_deaf: bool,
    /// A folder that links lead to has several paths.
    by_number: HashMap<i32, Vec<Box<[u8]>>>,
    by_path: HashMap<Box<[u8]>, i32>,
    /// How many names have changed.
    renames: u64,
}

impl Watch {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// The system has none to give: as many are in use as one user may have.
    pub fn new() -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC)?;
        Ok(Self { inotify, folders: Mutex::default() })
    }

    /// Watches the folder that `open` finds at a path below the root; those above it have been
    /// watched before. May block.
    ///
    /// What is read of the folder's files after this is heard of when it changes. Answers whether
    /// that is so: not beyond the most folders there may be, and not where the system refuses.
    pub fn add(&self, path: &[u8], open: impl Fn() -> Option<OwnedFd>) -> bool {
        (0..TRIES).find_map(|_| self.try_add(path, &open)).unwrap_or(false)
    }

    /// Answers nothing where a name has changed since the folder was opened: it may have been one
    /// of the path, and nobody would tell that again.
    fn try_add(&self, path: &[u8], open: impl Fn() -> Option<OwnedFd>) -> Option<bool> {
        let renames = self.folders().renames;
        let Some(folder) = open() else { return Some(false) };
        // The descriptor and not the path: nobody can have put another folder in its place.
        let link = format!("/proc/self/fd/{}", folder.as_raw_fd());
        let is_possible = |folders: &Folders| !folders.is_deaf && folders.by_path.len() < FOLDERS;
        if !is_possible(&self.folders()) {
            return Some(false);
        }
        let added = inotify::add_watch(&self.inotify, link, MEANINGFUL);
        let Ok(number) = added else { return Some(false) };
        let mut folders = self.folders();
        // Somebody else may be about to add the same folder, so that it goes on being watched.
        if folders.renames != renames {
            return None;
        }
        if folders.by_path.insert(path.into(), number) != Some(number) {
            folders.by_number.entry(number).or_default().push(path.into());
        }
        Some(true)
    }

    /// Tells whether the folder at this path is watched.
    #[must_use]
    pub fn has(&self, path: &[u8]) -> bool {
        self.folders().by_path.contains_key(path)
    }

    /// Says that nobody listens any more: no folder is watched from now on.
    pub fn give_up(&self) {
        self.end_below(b"");
        self.folders().is_deaf = true;
    }

    /// Waits for changes and tells each, for ever.
    ///
    /// # Errors
    /// What the system answered; nothing is heard any more.
    pub fn listen(&self, mut tell: impl FnMut(Change<'_>)) -> io::Result<Infallible> {
        let mut buffer = [const { MaybeUninit::uninit() }; CHANGES];
        let mut reader = Reader::new(&self.inotify, &mut buffer);
        loop {
            let event = match reader.next() {
                Err(Errno::INTR) => continue,
                event => event?,
            };
            let events = event.events();
            if events.contains(ReadFlags::QUEUE_OVERFLOW) {
                self.end_below(b"");
                tell(Change::Anything);
                continue;
            }
            for folder in self.paths_of(event.wd(), events) {
                let Some(name) = event.file_name() else {
                    tell(Change::Folder(&folder));
                    continue;
                };
                let name = name.to_bytes();
                // A link to a folder does not say that it is one.
                let is_folder = events.intersects(RENAMED) && self.end_at(&folder, name);
                let is_folder = is_folder || events.contains(ReadFlags::ISDIR);
                tell(Change::Name { folder: &folder, name, is_folder });
            }
        }
    }

    /// The paths of a watched folder. One that has gone, or was moved, is not watched any more, and
    /// nothing below it: what is at its path now is another.
    fn paths_of(&self, number: i32, events: ReadFlags) -> Vec<Box<[u8]>> {
        let paths = self.folders().by_number.get(&number).cloned().unwrap_or_default();
        let gone = ReadFlags::IGNORED | ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF;
        if events.intersects(gone) {
            for path in &paths {
                self.end_below(path);
            }
        }
        paths
    }

    /// A name stands for something else. Answers whether it was that of a watched folder, which is
    /// not watched any more.
    fn end_at(&self, folder: &[u8], name: &[u8]) -> bool {
        let path = if folder.is_empty() { name.into() } else { [folder, b"/", name].concat() };
        let is_watched = self.has(&path);
        if is_watched {
            self.end_below(&path);
        } else {
            self.folders().renames += 1;
        }
        is_watched
    }

    /// Watches no folder any more whose path is this or below it. What is fetched meanwhile, and
    /// taken to be watched, is to be forgotten afterwards.
    pub(super) fn end_below(&self, path: &[u8]) {
        let mut folders = self.folders();
        folders.renames += 1;
        let Folders { by_path, by_number, .. } = &mut *folders;
        for (other, number) in by_path.extract_if(|other, _| is_below(other, path)) {
            let Some(paths) = by_number.get_mut(&number) else { continue };
            paths.retain(|path| *path != other);
            if paths.is_empty() {
                by_number.remove(&number);
                // It fails where the folder has gone, and its watch with it.
                let _ = inotify::remove_watch(&self.inotify, number);
            }
        }
    }

    /// Nothing under the lock can panic halfway.
    fn folders(&self) -> MutexGuard<'_, Folders> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells whether a path is another or below it.
pub(super) fn is_below(path: &[u8], other: &[u8]) -> bool {
    other.is_empty() || path.strip_prefix(other).is_some_and(|rest| matches!(rest, [] | [b'/', ..]))
}
