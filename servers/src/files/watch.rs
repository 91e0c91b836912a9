//! Hears from the system that files change, by inotify, so that what is cached is forgotten as soon
//! as it is not so any more. It knows folders and names, and neither the cache nor clients.
//!
//! It is the quick half of staying fresh and not the whole: file systems on other machines tell
//! nothing, and so does a folder above the watched ones that is renamed. What it cannot hear is
//! found by looking again.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};

/// The most folders that are watched. Each takes about a kilobyte of the kernel's memory; files of
/// others are only looked at again.
const FOLDERS: usize = 4096;

/// The bytes of changes read at once; one takes 16 and its name.
const CHANGES: usize = 16 * 1024;

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
    /// A folder that links lead to has several paths.
    by_number: HashMap<i32, Vec<Box<[u8]>>>,
    by_path: HashMap<Box<[u8]>, i32>,
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

    /// Watches an open folder that has this path below the root. May block.
    ///
    /// What is read of the folder's files after this is heard of when it changes. Answers whether
    /// that is so: not beyond the most folders there may be, and not where the system refuses.
    pub fn add(&self, folder: BorrowedFd<'_>, path: &[u8]) -> bool {
        if self.folders().by_path.len() >= FOLDERS {
            return false;
        }
        // The descriptor and not the path: nobody can have put another folder in its place.
        let link = format!("/proc/self/fd/{}", folder.as_raw_fd());
        let Ok(number) = inotify::add_watch(&self.inotify, link, MEANINGFUL) else { return false };
        let mut folders = self.folders();
        if folders.by_path.insert(path.into(), number) != Some(number) {
            folders.by_number.entry(number).or_default().push(path.into());
        }
        true
    }

    /// Tells whether the folder at this path is watched.
    #[must_use]
    pub fn has(&self, path: &[u8]) -> bool {
        self.folders().by_path.contains_key(path)
    }

    /// Waits for changes and tells each, for ever.
    ///
    /// # Errors
    /// What the system answered; nothing is heard any more.
    pub fn listen(&self, mut tell: impl FnMut(Change<'_>)) -> io::Result<Infallible> {
        let mut buffer = [const { MaybeUninit::uninit() }; CHANGES];
        let mut reader = Reader::new(&self.inotify, &mut buffer);
        loop {
            let event = reader.next()?;
            if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                tell(Change::Anything);
                continue;
            }
            let is_folder = event.events().contains(ReadFlags::ISDIR);
            for folder in self.paths_of(event.wd(), event.events()) {
                match event.file_name() {
                    Some(name) => {
                        let name = name.to_bytes();
                        tell(Change::Name { folder: &folder, name, is_folder });
                    }
                    None => tell(Change::Folder(&folder)),
                }
            }
        }
    }

    /// The paths of a watched folder. One that has gone, or was moved, is not watched any more:
    /// what is at its path now is another.
    fn paths_of(&self, number: i32, events: ReadFlags) -> Vec<Box<[u8]>> {
        let mut folders = self.folders();
        let gone = ReadFlags::IGNORED | ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF;
        if !events.intersects(gone) {
            return folders.by_number.get(&number).cloned().unwrap_or_default();
        }
        let paths = folders.by_number.remove(&number).unwrap_or_default();
        for path in &paths {
            folders.by_path.remove(path);
        }
        if events.contains(ReadFlags::MOVE_SELF) {
            let _ = inotify::remove_watch(&self.inotify, number);
        }
        paths
    }

    /// Nothing under the lock can panic halfway.
    fn folders(&self) -> MutexGuard<'_, Folders> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
