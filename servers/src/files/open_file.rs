//! An open file that is closed where nobody waits for it: a file system that is elsewhere is asked
//! when a file is closed, and may take its time, or hang.

use std::fs::File;
use std::io;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use rustix::process::{Resource, getrlimit};

/// One in so many of the descriptors that the process may have is for files that are kept open. The
/// others are for clients, and for files that are being fetched.
const SHARE: u64 = 4;

/// How many there are.
static OPEN: AtomicUsize = AtomicUsize::new(0);

/// The thread that closes files; none where the system has no thread to give. What it has not come
/// to are files that were open before, so that they are as many as there may be descriptors.
static CLOSER: LazyLock<Option<Sender<File>>> = LazyLock::new(|| {
    let (give, files) = channel();
    let close = move || files.into_iter().for_each(drop::<File>);
    thread::Builder::new().name("close".into()).spawn(close).ok().map(|_| give)
});

/// An open file that can be dropped on an event loop.
#[derive(Debug)]
pub struct OpenFile(Option<File>);

impl OpenFile {
    /// Keeps a file.
    #[must_use]
    pub fn new(file: File) -> Self {
        OPEN.fetch_add(1, Ordering::Relaxed);
        Self(Some(file))
    }

    /// Tells whether so many files are open that none should be kept for those who may come.
    #[must_use]
    pub fn are_too_many() -> bool {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        OPEN.load(Ordering::Relaxed) as u64 > limit / SHARE
    }

    /// The file.
    ///
    /// # Errors
    /// It has been dropped, which does not happen.
    pub fn file(&self) -> io::Result<&File> {
        self.0.as_ref().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
        if let (Some(file), Some(closer)) = (self.0.take(), &*CLOSER) {
            // Where the thread has gone the file is closed here after all.
            let _ = closer.send(file);
        }
    }
}
