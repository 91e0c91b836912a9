//! Hears from the system that files change, by inotify, so that what is cached is forgotten as soon
//! as it is not so any more. It knows folders and names, and neither the cache nor clients.
//!
//! It is the quick half of staying fresh and not the whole: file systems on other machines tell
//! nothing, and neither does what a link leads to. What it cannot hear is found by looking again.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

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
    by_path: BTreeMap<Box<[u8]>, i32>,
    /// How often something was left.
    changes: u64,
    /// Nobody listens any more.
    is_deaf: bool,
}

impl Folders {
    /// The paths that are this one or below it.
    fn below(&self, path: &[u8]) -> Vec<Box<[u8]>> {
        if path.is_empty() {
            return self.by_path.keys().cloned().collect();
        }
        // The byte behind the slash ends what begins with a slash.
        let bounds = [b"/", b"0"].map(|end| [path, end].concat().into_boxed_slice());
        let [from, to] = bounds;
        let own = self.by_path.get_key_value(path).into_iter();
        own.chain(self.by_path.range(from..to)).map(|(path, _)| path.clone()).collect()
    }

    fn leave(&mut self, path: &[u8]) -> bool {
        self.changes += 1;
        let paths = self.below(path);
        for path in &paths {
            let number = self.by_path.remove(path);
            // The number stays, empty or not, until the system says that the folder is gone:
            // somebody may be about to give it another path.
            if let Some(paths) = number.and_then(|number| self.by_number.get_mut(&number)) {
                paths.retain(|other| other != path);
            }
        }
        !paths.is_empty()
    }
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
    /// that is so: not beyond the most folders there may be, not where the system refuses, and not
    /// where a folder was left since there had been so many [`Watch::changes`] before this one was
    /// opened, since it may be another by now.
    pub fn add(&self, folder: BorrowedFd<'_>, path: &[u8], changes: u64) -> bool {
        let folders = self.folders();
        if folders.by_path.len().max(folders.by_number.len()) >= FOLDERS {
            return false;
        }
        drop(folders);
        // The descriptor and not the path: nobody can have put another folder in its place.
        let link = format!("/proc/self/fd/{}", folder.as_raw_fd());
        let Ok(number) = inotify::add_watch(&self.inotify, link, MEANINGFUL) else { return false };
        let mut folders = self.folders();
        if folders.is_deaf || folders.changes != changes {
            return false;
        }
        if folders.by_path.insert(path.into(), number) != Some(number) {
            folders.by_number.entry(number).or_default().push(path.into());
        }
        true
    }

    /// How often a folder was left, for [`Watch::add`].
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.folders().changes
    }

    /// Leaves the folders at a path and below it: others may be there by now. Answers whether there
    /// were any.
    pub fn leave(&self, path: &[u8]) -> bool {
        self.folders().leave(path)
    }

    /// Tells whether the folder at this path is watched.
    #[must_use]
    pub fn has(&self, path: &[u8]) -> bool {
        self.folders().by_path.contains_key(path)
    }

    /// Waits for changes and tells each, for ever.
    ///
    /// # Errors
    /// What the system answered; nothing is heard any more, and nothing is watched that is added
    /// from now on. Those that were are to be left.
    pub fn listen(&self, tell: impl FnMut(Change<'_>)) -> io::Result<Infallible> {
        let heard = self.hear(tell);
        self.folders().is_deaf = true;
        heard
    }

    fn hear(&self, mut tell: impl FnMut(Change<'_>)) -> io::Result<Infallible> {
        let mut buffer = [const { MaybeUninit::uninit() }; CHANGES];
        let mut reader = Reader::new(&self.inotify, &mut buffer);
        loop {
            let event = match reader.next() {
                Err(Errno::INTR) => continue,
                event => event?,
            };
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
            folders.leave(path);
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
