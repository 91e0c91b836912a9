//! Fetches what is at a path from the disk. Everything here may wait for it, but for
//! [`Loader::load_cached`], so that none of the rest is for an event loop.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use rustix::io::Errno;
use tracing::warn;

use super::document::{Content, Document, Resource, Source};
use super::folder;
use super::media;
use super::negotiation::Coding;
use super::open_file::OpenFile;
use super::root::{Meta, OpenError, Opened, Root};
use super::site::{self, Page};
use super::snapshot::Snapshot;
use super::store::Weigh;
use super::validators::{EntityTag, Validators, last_modified};
use super::watch::Watch;

/// What stands for a directory that has it.
const INDEX: &[u8] = b"index.html";

/// The most bytes that are read without waiting: they are copied and hashed by who asks, and all
/// other clients wait for that.
const AT_ONCE: u64 = 64 * 1024;

/// Finds files below a root.
pub struct Loader {
    /// Another one where another directory has its name by now.
    root: RwLock<Arc<Root>>,
    /// None where the system has none to give.
    watch: Option<Watch>,
    settings: Settings,
}

/// How files are served.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Files of more bytes are not held in memory.
    pub largest: u64,
    /// Directories without an index are listed.
    pub lists: bool,
    /// Hidden files are listed and served like others.
    pub shows_hidden: bool,
    /// The `Cache-Control` of files: the first rule that fits.
    pub cache_control: Vec<CacheRule>,
}

/// The `Cache-Control` of the files whose path ends so.
#[derive(Debug, Clone)]
pub struct CacheRule {
    /// The end; an empty one fits all.
    pub end: Vec<u8>,
    /// The value.
    pub value: HeaderValue,
}

/// What was found at a path.
pub struct Loaded {
    /// What is there.
    pub resource: Resource,
    /// A change of it is heard of: its folder is watched, and nothing leads to it from elsewhere.
    pub is_watched: bool,
    /// It may be kept: a change of it shows, and too many files are not open already.
    pub keeps: bool,
    /// When it was last looked at, the disk failed, so that it may be another by now.
    is_doubtful: AtomicBool,
    /// What it was made of.
    origins: Vec<Origin>,
}

/// What came of looking again at something found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// It is still so.
    Same,
    /// It is not, or nobody could say without finding it anew.
    Other,
    /// The disk failed.
    Failed,
}

/// A file that something was made of, or would have been made of had it been there.
#[derive(Debug)]
struct Origin {
    path: Vec<u8>,
    meta: Option<Meta>,
}

/// Why nothing was found.
#[derive(Debug)]
pub enum LoadError {
    /// Nothing is there that may be served.
    NotFound,
    /// Descriptors or memory have run out.
    Exhausted,
    /// The disk failed.
    Io(io::Error),
}

/// A path as it is looked for: below the root, and whether a directory is meant.
#[derive(Debug, Clone, Copy)]
struct Wanted<'a> {
    path: &'a [u8],
    is_directory: bool,
}

impl<'a> Wanted<'a> {
    /// A key is a path that ends with a slash where a directory is meant; the root's is empty.
    fn of(key: &'a [u8]) -> Self {
        let path = key.strip_suffix(b"/").unwrap_or(key);
        Self { path, is_directory: key.is_empty() || path.len() < key.len() }
    }

    /// The folder whose changes matter: the directory itself, or the one that the file is in.
    fn folder(self) -> &'a [u8] {
        match self.path.iter().rposition(|byte| *byte == b'/') {
            _ if self.is_directory => self.path,
            Some(at) => &self.path[..at],
            None => b"",
        }
    }
}

/// Opens one path, and waits for the disk or gives up.
type Open<'a> = dyn Fn(&[u8]) -> Option<Result<Opened, OpenError>> + 'a;

/// Reads one file, and waits for the disk or gives up.
type Take = fn(&File, u64) -> io::Result<Option<Snapshot>>;

impl Loader {
    /// Serves the files of a root.
    #[must_use]
    pub fn new(root: Root, watch: Option<Watch>, settings: Settings) -> Self {
        Self { root: RwLock::new(Arc::new(root)), watch, settings }
    }

    /// Looks whether another directory has the root's name by now, and serves that from here on;
    /// nothing that was found before counts then. May wait for a disk.
    #[must_use]
    pub fn follow_root(&self) -> bool {
        let root = self.root();
        if !root.has_moved() {
            return false;
        }
        match root.reopen() {
            Ok(new) => {
                *self.root.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
                true
            }
            Err(error) => {
                warn!(%error, "the directory has been replaced by what cannot be served");
                false
            }
        }
    }

    /// Tells whether this is still the root; if not, what was watched for its sake is not the
    /// folder of that name any more.
    fn is_root(&self, root: &Arc<Root>) -> bool {
        let is_root = Arc::ptr_eq(root, &self.root());
        if let (false, Some(watch)) = (is_root, &self.watch) {
            watch.end_below(b"");
        }
        is_root
    }

    fn root(&self) -> Arc<Root> {
        Arc::clone(&self.root.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What hears of changes, if anything does.
    #[must_use]
    pub fn watch(&self) -> Option<&Watch> {
        self.watch.as_ref()
    }

    /// Fetches what is at a path. May wait for a disk. `now` is the time of day.
    ///
    /// # Errors
    /// Why nothing was found.
    pub fn load(&self, key: &[u8], now: SystemTime) -> Result<Loaded, LoadError> {
        let (root, wanted) = (self.root(), Wanted::of(key));
        // Before anything is read, so that no change is missed.
        let is_watched = self.watch_folder(&root, wanted.folder()) && self.is_root(&root);
        let root = &*root;
        let open = |path: &[u8]| Some(root.open_beneath(path));
        let take: Take = |file, limit| Snapshot::of(file, limit).map(Some);
        let is_direct = |path: &[u8]| root.is_direct(path);
        let (settings, may_wait) = (&self.settings, true);
        let (open, is_direct) = (&open, &is_direct);
        let fetch = Fetch { settings, root, open, take, is_direct, may_wait, is_watched, now };
        let loaded = fetch.find(wanted)?;
        // Nothing gave up, since nothing may.
        loaded.ok_or(LoadError::NotFound)
    }

    /// As [`Loader::load`], but without waiting: `None` where a disk would have to be asked, and
    /// for what takes long in itself, which is a list and a file of some size.
    ///
    /// # Errors
    /// Why nothing was found.
    pub fn load_cached(&self, key: &[u8], now: SystemTime) -> Result<Option<Loaded>, LoadError> {
        let wanted = Wanted::of(key);
        let is_watched = self.watch.as_ref().is_some_and(|watch| watch.has(wanted.folder()));
        if !is_watched {
            return Ok(None);
        }
        let root = &*self.root();
        let open = |path: &[u8]| root.open_cached(path);
        let (settings, take) = (&self.settings, Snapshot::of_resident);
        // What a link leads to is not opened without waiting.
        let (is_direct, may_wait) = (|_: &[u8]| true, false);
        let (open, is_direct) = (&open, &is_direct);
        let fetch = Fetch { settings, root, open, take, is_direct, may_wait, is_watched, now };
        fetch.find(wanted)
    }

    /// The folder that is watched for the sake of what is at a path.
    #[must_use]
    pub fn folder_of(key: &[u8]) -> &[u8] {
        Wanted::of(key).folder()
    }

    /// Looks whether something found is still so. May wait for a disk.
    #[must_use]
    pub fn look_again(&self, loaded: &Loaded) -> Look {
        // What is in the directories of a directory, and behind links, would each have to be looked
        // at; the list is rather made anew for whoever asks next.
        if let Resource::Listing(listing) = &loaded.resource
            && !listing.is_flat
        {
            return Look::Other;
        }
        let (root, mut look) = (self.root(), Look::Same);
        for Origin { path, meta } in &loaded.origins {
            match (root.look_beneath(path), meta) {
                (Ok(now), Some(meta)) if now == *meta => {}
                (Err(OpenError::NotFound), None) => {}
                (Err(OpenError::Exhausted | OpenError::Io(_)), _) => look = Look::Failed,
                _ => return Look::Other,
            }
        }
        look
    }

    /// Watches a folder, and before it those above, from the root down.
    fn watch_folder(&self, root: &Root, path: &[u8]) -> bool {
        let Some(watch) = &self.watch else { return false };
        let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        let above = slashes.map(|(at, _)| &path[..at]);
        [&b""[..]].into_iter().chain(above).chain([path]).all(|folder| {
            let open = || match root.open_beneath(folder) {
                Ok(Opened::Directory(folder, _)) => Some(folder),
                _ => None,
            };
            watch.has(folder) || watch.add(folder, open)
        })
    }
}

/// The path of a name in a folder; that of the root is empty.
fn in_folder(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() { name.into() } else { [folder, b"/", name].concat() }
}

/// One fetching of one path, and how.
struct Fetch<'a> {
    settings: &'a Settings,
    root: &'a Root,
    open: &'a Open<'a>,
    take: Take,
    /// Tells whether no link is on the way to a path.
    is_direct: &'a dyn Fn(&[u8]) -> bool,
    may_wait: bool,
    is_watched: bool,
    now: SystemTime,
}

impl Fetch<'_> {
    /// What is at the path; nothing where that would have to be waited for.
    fn find(mut self, wanted: Wanted<'_>) -> Result<Option<Loaded>, LoadError> {
        let Some(opened) = (self.open)(wanted.path).transpose()? else { return Ok(None) };
        // What others change, on another machine, nobody here hears of.
        self.is_watched &= self.root.tells_of_changes(opened.meta());
        match opened {
            Opened::File(..) if wanted.is_directory => Err(LoadError::NotFound),
            Opened::File(file, meta) => self.document(wanted.path, file, meta),
            Opened::Directory(_, meta) if !wanted.is_directory => {
                self.is_watched &= (self.is_direct)(wanted.path);
                let origins = vec![Origin { path: wanted.path.into(), meta: Some(meta) }];
                Ok(Some(self.loaded(Resource::Directory, true, origins)))
            }
            Opened::Directory(folder, meta) => self.index(wanted.path, &folder, meta),
        }
    }

    /// What stands for a directory: its index, or a list of what is in it.
    fn index(
        mut self,
        path: &[u8],
        folder: &OwnedFd,
        meta: Meta,
    ) -> Result<Option<Loaded>, LoadError> {
        let index = in_folder(path, INDEX);
        match (self.open)(&index) {
            None => Ok(None),
            Some(Ok(Opened::File(file, meta))) => self.document(&index, file, meta),
            Some(Ok(Opened::Directory(..)) | Err(OpenError::NotFound)) if self.settings.lists => {
                if !self.may_wait {
                    return Ok(None);
                }
                let behind_link = |name: &[u8]| self.root.look_beneath(&in_folder(path, name)).ok();
                let found = folder::read(folder, self.settings.shows_hidden, behind_link)?;
                let origins = vec![Origin { path: path.into(), meta: Some(meta) }];
                // The time of a folder says nothing of the sizes of the files in it.
                let keeps = self.is_watched;
                self.is_watched &= found.is_flat && (self.is_direct)(path);
                Ok(Some(self.loaded(Resource::Listing(found), keeps, origins)))
            }
            Some(Ok(Opened::Directory(..))) => Err(LoadError::NotFound),
            Some(Err(error)) => Err(error.into()),
        }
    }

    /// A file with the compressed ones beside it; nothing where that would have to be waited for.
    fn document(
        mut self,
        path: &[u8],
        file: File,
        meta: Meta,
    ) -> Result<Option<Loaded>, LoadError> {
        self.is_watched &= self.is_heard_of(path, &meta);
        let mut origins = vec![Origin { path: path.into(), meta: Some(meta) }];
        let Some((source, mut keeps)) = self.source(Coding::Identity, file, meta)? else {
            return Ok(None);
        };
        let mut sources = vec![source];
        for coding in [Coding::Brotli, Coding::Zstd, Coding::Gzip] {
            let path = [path, coding.suffix().as_bytes()].concat();
            match (self.open)(&path) {
                None => return Ok(None),
                Some(Ok(Opened::File(file, meta))) => {
                    let Some((source, is_settled)) = self.source(coding, file, meta)? else {
                        return Ok(None);
                    };
                    sources.push(source);
                    keeps &= is_settled;
                    self.is_watched &= self.is_heard_of(&path, &meta);
                    origins.push(Origin { path, meta: Some(meta) });
                }
                Some(Ok(Opened::Directory(..)) | Err(OpenError::NotFound)) => {
                    origins.push(Origin { path, meta: None });
                }
                Some(Err(error)) => return Err(error.into()),
            }
        }
        // One that could be held was changing all the time, and the next one asks anew.
        let is_restless = sources.iter().any(|source| {
            matches!(&source.content, Content::Open(_, meta) if meta.size <= self.settings.largest)
        });
        let content_type = media::content_type(OsStr::from_bytes(path));
        let rules = &self.settings.cache_control;
        let rule = rules.iter().find(|rule| path.ends_with(&rule.end));
        let policy = rule.map(|rule| (CACHE_CONTROL, rule.value.clone()));
        let document = Document::new(content_type, policy.as_slice(), sources);
        // What is too large to be held takes a descriptor as long as it is kept.
        let has_room = !document.is_open() || !OpenFile::are_too_many();
        let keeps = (keeps || self.is_watched) && has_room && !is_restless;
        Ok(Some(self.loaded(Resource::File(document), keeps, origins)))
    }

    /// Tells whether the watch of the folder that a path is in hears of what happens to the file:
    /// not of what is done to it elsewhere, where a link leads or where it has another name.
    fn is_heard_of(&self, path: &[u8], meta: &Meta) -> bool {
        self.is_watched && meta.names == 1 && (self.is_direct)(path)
    }

    /// One file in one coding, and whether a change of it would show; nothing where that would have
    /// to be waited for.
    fn source(
        &self,
        coding: Coding,
        file: File,
        meta: Meta,
    ) -> Result<Option<(Source, bool)>, LoadError> {
        let validators =
            |tag, meta: &Meta| Validators::new(tag, last_modified(meta.mtime, self.now));
        let read = if meta.size > self.settings.largest {
            Err(io::ErrorKind::FileTooLarge.into())
        } else if meta.size > AT_ONCE && !self.may_wait {
            Ok(None)
        } else {
            (self.take)(&file, self.settings.largest)
        };
        match read {
            Ok(None) => Ok(None),
            Ok(Some(Snapshot { bytes, meta, is_settled })) => {
                let validators = validators(EntityTag::of_content(coding, &bytes), &meta);
                let content = Content::Held(bytes.into());
                Ok(Some((Source { coding, validators, content }, is_settled)))
            }
            // It is too large to be held: it is read as it is sent.
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                Ok(Some((Self::read_later(coding, file, meta, validators), true)))
            }
            // It changes all the time, and is sent as it is by now.
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                let meta = Meta::of(&file)?;
                Ok(Some((Self::read_later(coding, file, meta, validators), false)))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn read_later(
        coding: Coding,
        file: File,
        meta: Meta,
        validators: impl Fn(EntityTag, &Meta) -> Validators,
    ) -> Source {
        let validators = validators(EntityTag::of_metadata(coding, &meta), &meta);
        Source { coding, validators, content: Content::Open(Arc::new(OpenFile::new(file)), meta) }
    }

    fn loaded(&self, resource: Resource, keeps: bool, origins: Vec<Origin>) -> Loaded {
        let is_doubtful = AtomicBool::new(false);
        Loaded { resource, is_watched: self.is_watched, keeps, is_doubtful, origins }
    }
}

impl Loaded {
    /// Tells whether it may be another by now since the disk failed when it was last looked at.
    #[must_use]
    pub fn is_doubtful(&self) -> bool {
        self.is_doubtful.load(Ordering::Relaxed)
    }

    /// Notes whether it may be another by now.
    pub fn doubt(&self, is_doubtful: bool) {
        self.is_doubtful.store(is_doubtful, Ordering::Relaxed);
    }

    /// A page of the server's own, which was never on a disk.
    #[must_use]
    pub fn page(page: Page) -> Self {
        let validators = Validators::new(EntityTag::of_content(Coding::Identity, &page.body), None);
        let content = Content::Held(page.body.into());
        let source = Source { coding: Coding::Identity, validators, content };
        let content_type = HeaderValue::from_static(page.content_type);
        let policy = (CONTENT_SECURITY_POLICY, HeaderValue::from_static(site::POLICY));
        let document = Document::new(content_type, &[policy], vec![source]);
        Self {
            resource: Resource::File(document),
            is_watched: true,
            keeps: true,
            is_doubtful: AtomicBool::new(false),
            origins: Vec::new(),
        }
    }
}

impl Weigh for Loaded {
    fn weight(&self) -> u64 {
        let origin = |origin: &Origin| (size_of::<Origin>() + origin.path.len()) as u64;
        self.resource.weight() + self.origins.iter().map(origin).sum::<u64>()
    }
}

impl From<OpenError> for LoadError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::NotFound => Self::NotFound,
            OpenError::Exhausted => Self::Exhausted,
            OpenError::Io(error) => Self::Io(error),
        }
    }
}

/// What is open may be read with the help of another descriptor, and may be gone by then.
impl From<io::Error> for LoadError {
    fn from(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(known) => OpenError::from(known).into(),
            None if error.kind() == io::ErrorKind::OutOfMemory => Self::Exhausted,
            None => Self::Io(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use rustix::io::Errno;

    use super::LoadError;

    #[test]
    fn what_an_open_file_fails_with_is_told_apart() {
        let of = |error: Errno| LoadError::from(io::Error::from(error));
        assert!(matches!(of(Errno::MFILE), LoadError::Exhausted), "503, not 500");
        assert!(matches!(of(Errno::NOENT), LoadError::NotFound), "the folder has gone meanwhile");
        assert!(matches!(of(Errno::IO), LoadError::Io(_)));
        let memory = io::Error::from(io::ErrorKind::OutOfMemory);
        assert!(matches!(LoadError::from(memory), LoadError::Exhausted));
    }
}
