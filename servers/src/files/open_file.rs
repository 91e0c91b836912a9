//! Files that are held open: how many there may be, and who closes them. It knows nothing of what
//! they are for.
//!
//! To close a file is to ask its file system, and one that is elsewhere may take as long for that
//! as for reading. Who lets go of a file may be an event loop, or hold a lock that one waits for.

use std::fs::File;
use std::io;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;

use rustix::process::{Resource, getrlimit};

/// One in so many of the descriptors that the process may have is for files that are kept open. The
/// others are for clients, and for files that are being fetched.
const SHARE: u64 = 4;

/// How many there are.
static OPEN: AtomicUsize = AtomicUsize::new(0);

/// Where files are sent to be closed; none where the system has no thread to give.
static CLOSER: LazyLock<Option<Sender<File>>> = LazyLock::new(|| {
    let (sender, files) = mpsc::channel();
    let close = move || files.into_iter().for_each(drop);
    thread::Builder::new().name("close".into()).spawn(close).ok().map(|_| sender)
});

/// An open file that is closed by a thread of its own.
#[derive(Debug)]
pub struct OpenFile {
    /// None only while it is let go.
    file: Option<File>,
}

impl OpenFile {
    /// Holds a file open.
    #[must_use]
    pub fn new(file: File) -> Self {
        OPEN.fetch_add(1, Ordering::Relaxed);
        Self { file: Some(file) }
    }

    /// The file.
    ///
    /// # Errors
    /// None: nobody has a file that has been let go.
    pub fn get(&self) -> io::Result<&File> {
        self.file.as_ref().ok_or(io::ErrorKind::NotFound.into())
    }

    /// Tells whether so many files are open that none should be kept for those who may come.
    #[must_use]
    pub fn are_too_many() -> bool {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        OPEN.load(Ordering::Relaxed) as u64 > limit / SHARE
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
        if let (Some(file), Some(closer)) = (self.file.take(), &*CLOSER) {
            // The thread ends with the process only; without it the file is closed here.
            let _ = closer.send(file);
        }
    }
}
