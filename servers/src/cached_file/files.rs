//! What all workers of the server of cached files share: what is known of the files, and how more
//! is found out, once for all who ask.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use fsm_runtime::Machine as _;
use tracing::warn;

use super::options::Options;
use super::{CachedFile, Disk, Waiter};
use crate::files::elsewhere::Elsewhere;
use crate::files::loader::{LoadError, Loaded, Loader, Settings};
use crate::files::path::DotFiles;
use crate::files::pieces::Pieces;
use crate::files::refresh::{self, Freshness};
use crate::files::root::Root;
use crate::files::site;
use crate::files::store::{Found, Joined, Landing, Store};
use crate::files::watch::Watch;
use crate::http::{Exchange, Http};

/// What all workers share.
pub struct Files {
    pub(super) store: Arc<Store<Loaded, Waiter>>,
    /// Where files come from; none for the built-in site, all of which is in the store.
    directory: Option<Directory>,
    pub(super) dot_files: DotFiles,
    /// The pieces of what is being sent that wait for the disk.
    pub(super) pieces: Arc<Pieces>,
    /// Where long lists are drawn.
    pub(super) elsewhere: Elsewhere,
}

struct Directory {
    loader: Arc<Loader>,
    freshness: Arc<Freshness>,
}

/// What came of fetching a path, for all who wait for it.
#[derive(Clone)]
pub enum Fetched {
    /// Something is there.
    Something(Arc<Loaded>),
    /// Nothing is.
    Nothing,
    /// It cannot be said now.
    Busy,
    /// The disk failed.
    Broken,
}

impl Directory {
    fn open(
        root: &Path,
        options: &Options,
        store: &Arc<Store<Loaded, Waiter>>,
    ) -> io::Result<Self> {
        let settings = Settings {
            largest: options.max_object,
            lists: options.list,
            shows_hidden: options.hidden,
            cache_control: options.cache_control.clone(),
        };
        let root = Root::open(root).map_err(|error| {
            let path = root.display();
            io::Error::new(error.kind(), format!("cannot serve the directory `{path}`: {error}"))
        })?;
        let watch = Watch::new().inspect_err(|error| {
            warn!(%error, "changes of files are not heard of, but found by looking again");
        });
        let loader = Arc::new(Loader::new(root, watch.ok(), settings));
        let freshness = refresh::start(store, &loader, options.refresh)?;
        Ok(Self { loader, freshness })
    }
}

/// The bytes that are kept where there is no directory, whatever the budget for files: the pages
/// are nowhere else, and a cache in parts takes nothing that is more than a part of it.
const SITE: u64 = 256 << 20;

/// Keeps the pages that are served where there is no directory. Nothing drives them out.
fn keep_site(store: &Store<Loaded, Waiter>) {
    for page in site::pages(Http::<CachedFile>::TABLE) {
        let path = page.path.trim_start_matches('/');
        store.keep(path.as_bytes(), &Arc::new(Loaded::page(page)), store.changes());
    }
}

impl Files {
    /// The files that the options speak of, none of them known yet.
    ///
    /// # Errors
    /// The directory could not be opened, or nothing can look after what is known of it.
    pub fn of(options: &Options) -> io::Result<Self> {
        let budget = if options.root.is_some() { options.cache } else { SITE };
        if options.max_object > budget && budget > 0 {
            let (largest, cache) = (options.max_object, budget);
            warn!(largest, cache, "files that are larger than the cache are never kept");
        }
        let store = Arc::new(Store::new(budget, options.max_object));
        let directory = match &options.root {
            Some(root) => Some(Directory::open(root, options, &store)?),
            None => {
                keep_site(&store);
                None
            }
        };
        let dot_files = if options.hidden { DotFiles::Served } else { DotFiles::Hidden };
        let (pieces, elsewhere) = (Arc::default(), Elsewhere::start()?);
        Ok(Self { store, directory, dot_files, pieces, elsewhere })
    }

    /// Tells whether what is cached may be another by now, and nobody can say.
    pub(super) fn is_stale(&self) -> bool {
        self.directory.as_ref().is_some_and(|directory| directory.freshness.is_stale())
    }

    /// Takes what is at a path without waiting for a disk, and keeps it.
    pub(super) fn take(&self, key: &[u8], now: SystemTime) -> Option<Fetched> {
        let Some(Directory { loader, .. }) = &self.directory else { return Some(Fetched::Nothing) };
        let changes = self.store.changes();
        match loader.load_cached(key, now) {
            Ok(Some(loaded)) => {
                let loaded = Arc::new(loaded);
                if loaded.keeps {
                    self.store.keep(key, &loaded, changes);
                }
                Some(Fetched::Something(loaded))
            }
            Err(LoadError::NotFound) => Some(Fetched::Nothing),
            Ok(None) | Err(_) => None,
        }
    }

    /// Has what is at a path fetched, once for all who ask meanwhile.
    pub(super) fn fetch(
        this: &Arc<Self>,
        key: &[u8],
        now: SystemTime,
        exchange: &mut Exchange<'_, '_, CachedFile>,
        ticket: Waiter,
    ) {
        match this.store.join(key, ticket) {
            Joined::Waits => {}
            Joined::Known(ticket) => match this.store.find(key) {
                Found::Value(loaded) => ticket.answer(Disk::Loaded(Fetched::Something(loaded))),
                Found::Absent => ticket.answer(Disk::Loaded(Fetched::Nothing)),
                // It has been forgotten again.
                Found::Unknown => Self::fetch(this, key, now, exchange, ticket),
            },
            Joined::Full(ticket) => ticket.answer(Disk::Loaded(Fetched::Busy)),
            Joined::First => {
                let landing = Landing::new(&this.store, key);
                let files = Arc::clone(this);
                let job = this.pieces.job();
                let job = move || job.run(|| files.land(landing, now));
                // Where the pool is full the job is dropped, and with its landing all who wait are
                // let go.
                let _ = exchange.offload_shared(job, |_worker, _done| {});
            }
        }
    }

    /// Fetches what is at a path, and answers all who wait. May wait for a disk.
    fn land(&self, landing: Landing<Loaded, Waiter>, now: SystemTime) {
        let Some(Directory { loader, .. }) = &self.directory else { return };
        let (waiters, fetched) = match loader.load(landing.path(), now) {
            Ok(loaded) => {
                let loaded = Arc::new(loaded);
                let kept = loaded.keeps.then_some(Some(&loaded));
                (landing.land(kept), Fetched::Something(loaded))
            }
            Err(LoadError::NotFound) => (landing.land(Some(None)), Fetched::Nothing),
            Err(LoadError::Exhausted) => (landing.land(None), Fetched::Busy),
            Err(LoadError::Io(error)) => {
                warn!(%error, "the disk has failed");
                (landing.land(None), Fetched::Broken)
            }
        };
        for waiter in waiters {
            waiter.answer(Disk::Loaded(fetched.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn the_site_is_there_however_small_the_cache() {
        let arguments = ["cached-file", "--listen", "127.0.0.1:0", "--cache", "0"];
        let files = Files::of(&Options::parse_from(arguments)).unwrap();
        for page in site::pages(Http::<CachedFile>::TABLE) {
            let path = page.path.trim_start_matches('/');
            assert!(matches!(files.store.find(path.as_bytes()), Found::Value(_)), "{path}");
        }
    }
}
