//! Keeps what is cached fresh, from threads of its own: one hears of changes, and one looks again
//! at what nobody would tell of. Both may wait for a disk for ever, and nobody waits for them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use fsm_runtime::give_way;
use tracing::warn;

use super::loader::{Loaded, Loader, Look};
use super::negotiation::Coding;
use super::store::Store;
use super::watch::{Change, is_below};

/// Of what is watched hardly anything is missed, so that it is looked at once in so many times.
/// What is reached by a link, or has another name, does not count as watched.
const WATCHED_ONCE_IN: u64 = 10;

/// What is cached is stale when nothing could be looked at for so many times as long as it should
/// have taken: the disk hangs. A round and the pause before it take up to two.
const LATE: u32 = 3;

/// Whether what is cached can still be trusted to be so.
#[derive(Debug, Default)]
pub struct Freshness {
    /// How often anything has been looked at: a round through many files may take long on a disk
    /// that is well.
    looks: AtomicU64,
    is_stale: AtomicBool,
}

impl Freshness {
    /// Tells whether the disk has not answered for too long to know.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.is_stale.load(Ordering::Relaxed)
    }
}

/// Starts the threads. They end with the process.
///
/// # Errors
/// The system has no thread to give.
pub fn start<W: Send + 'static>(
    store: &Arc<Store<Loaded, W>>,
    loader: &Arc<Loader>,
    every: Duration,
) -> io::Result<Arc<Freshness>> {
    let freshness = Arc::new(Freshness::default());
    let named = |name: &str| thread::Builder::new().name(name.into());
    let (files, disk) = (Arc::clone(store), Arc::clone(loader));
    named("watch").spawn(move || hear(&files, &disk))?;
    let (files, disk, noted) = (Arc::clone(store), Arc::clone(loader), Arc::clone(&freshness));
    named("refresh").spawn(move || {
        give_way();
        look_again(&files, &disk, every, &noted);
    })?;
    let noted = Arc::clone(&freshness);
    named("freshness").spawn(move || doubt(every, &noted))?;
    Ok(freshness)
}

/// Notices that nothing is looked at any more.
fn doubt(every: Duration, freshness: &Freshness) {
    let (mut before, mut missed) = (0, 0);
    loop {
        thread::sleep(every);
        let looks = freshness.looks.load(Ordering::Relaxed);
        missed = if looks == before { LATE.min(missed + 1) } else { 0 };
        freshness.is_stale.store(missed == LATE, Ordering::Relaxed);
        before = looks;
    }
}

/// Forgets what is heard to have changed.
fn hear<W>(store: &Store<Loaded, W>, loader: &Loader) {
    let Some(watch) = loader.watch() else { return };
    let Err(error) = watch.listen(|change| forget(store, &change));
    watch.give_up();
    warn!(%error, "changes of files are not heard of any more, and found by looking again");
    store.forget_where(|_| true);
}

fn forget<W>(store: &Store<Loaded, W>, change: &Change<'_>) {
    match change {
        Change::Anything => store.forget_where(|_| true),
        Change::Folder(folder) => store.forget_where(|path| is_below(path, folder)),
        Change::Name { folder, name, is_folder } => {
            let path = if folder.is_empty() { Vec::new() } else { [folder, &b"/"[..]].concat() };
            // The list of the folder, or its index.
            store.forget(&path);
            forget_path(store, &[&path, *name].concat(), *is_folder);
        }
    }
}

/// Forgets all that a path may be part of.
fn forget_path<W>(store: &Store<Loaded, W>, path: &[u8], is_folder: bool) {
    store.forget(path);
    if is_folder {
        store.forget_where(|other| is_below(other, path));
    }
    for coding in [Coding::Brotli, Coding::Zstd, Coding::Gzip] {
        if let Some(plain) = path.strip_suffix(coding.suffix().as_bytes()) {
            store.forget(plain);
        }
    }
}

/// Forgets everything, and hears of no directory that was there.
fn forget_all<W>(store: &Store<Loaded, W>, loader: &Loader) {
    if let Some(watch) = loader.watch() {
        watch.end_below(b"");
    }
    store.forget_where(|_| true);
}

/// Forgets what is found to have changed.
fn forget_unheard<W>(store: &Store<Loaded, W>, loader: &Loader, path: &[u8], loaded: &Loaded) {
    store.forget(path);
    // It was not heard of, so what is watched may be another folder than this one.
    if loaded.is_watched
        && let Some(watch) = loader.watch()
    {
        let folder = Loader::folder_of(path);
        watch.end_below(folder);
        store.forget_where(|path| is_below(path, folder));
    }
}

/// Looks whether what is cached is still so, again and again.
fn look_again<W>(
    store: &Store<Loaded, W>,
    loader: &Loader,
    every: Duration,
    freshness: &Freshness,
) {
    for round in 0_u64.. {
        thread::sleep(every);
        if loader.follow_root() {
            forget_all(store, loader);
        }
        let includes_watched = round % WATCHED_ONCE_IN == 0;
        for path in store.paths() {
            freshness.looks.fetch_add(1, Ordering::Relaxed);
            let Some(loaded) = store.peek(&path) else { continue };
            if loaded.is_watched && !includes_watched {
                continue;
            }
            match loader.look_again(&loaded) {
                // Whether it is so cannot be said, and it is better than nothing.
                look @ (Look::Same | Look::Failed) => loaded.doubt(look == Look::Failed),
                Look::Other => forget_unheard(store, loader, &path, &loaded),
            }
        }
        store.forget_absent();
        freshness.looks.fetch_add(1, Ordering::Relaxed);
    }
}
