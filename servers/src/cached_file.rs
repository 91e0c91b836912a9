//! The server of cached files (Tanenbaum 2.2): "if it can be satisfied from the cache, fine, but if
//! not, a nonblocking disk operation is started".
//!
//! The machine is that of HTTP, which has states for waiting and for sending. Here is what answers:
//! a hit is one look-up and a head and body that were put together beforehand; what the kernel has
//! in memory is taken without waiting; the rest is fetched by the pool, once for all who ask.

use std::io;
use std::mem;
use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clap::Parser;
use fsm_runtime::{DEFAULT_POOL, OperationError, Server, Ticket};
use http::{HeaderValue, Method, StatusCode};
use humantime::parse_duration;
use tracing::warn;

use crate::cli::{self, Common};
use crate::files::download::{Download, PIECE, Read};
use crate::files::loader::{CacheRule, LoadError, Loaded, Loader, Settings};
use crate::files::path::{DotFiles, FilePath, PathError};
use crate::files::root::Root;
use crate::files::store::{Found, Joined, Landing, Store};
use crate::files::watch::Watch;
use crate::files::{refresh, reply};
use crate::http::{
    Answer, BodyWriter, Exchange, Handler, Http, Limits, Refusal, Request, Written, serve,
};

/// Somebody who waits for a file.
type Waiter = Ticket<Http<CachedFile>>;

/// One client of the server of cached files.
pub struct CachedFile {
    files: Arc<Files>,
    /// The head of the request that waits for the disk.
    waiting: Box<[u8]>,
}

/// What all workers share.
pub struct Files {
    store: Arc<Store<Loaded, Waiter>>,
    loader: Arc<Loader>,
    dot_files: DotFiles,
}

/// What a worker has for itself: where files are read to, which nobody keeps.
pub struct Scratch {
    buffer: Vec<u8>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self { buffer: vec![0; PIECE] }
    }
}

/// What the disk answers.
pub enum Disk {
    /// What is at a path.
    Loaded(Fetched),
    /// More of a file that is being sent.
    Piece(Read),
    /// Nothing: the job panicked, or those who waited were too many.
    Failed(OperationError),
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

impl fsm_runtime::Reply for Disk {
    fn failed(error: OperationError) -> Self {
        Self::Failed(error)
    }
}

impl Handler for CachedFile {
    const METHODS: &'static [Method] = &[Method::GET, Method::HEAD];
    type Shared = Scratch;
    type Reply = Disk;
    type Upload = ();
    type Body = Download;

    fn answer(
        &mut self,
        request: &Request<'_>,
        exchange: Exchange<'_, '_, Self>,
    ) -> Result<Answer<Self>, Refusal> {
        let path = match FilePath::parse(request.path(), self.files.dot_files) {
            Ok(path) => path,
            Err(PathError::Malformed(why)) => return Err(Refusal::malformed(why)),
            Err(PathError::NotFound) => return Ok(not_found(exchange)),
        };
        Ok(match self.files.store.find(&path.key()) {
            Found::Value(loaded) => reply::with(&loaded.resource, request, &path, exchange),
            Found::Absent => not_found(exchange),
            Found::Unknown => self.look_for(&path, request, exchange),
        })
    }

    fn reply(
        &mut self,
        reply: Disk,
        exchange: Exchange<'_, '_, Self>,
    ) -> Result<Answer<Self>, Refusal> {
        let head = mem::take(&mut self.waiting);
        let again = Request::again(&head);
        let path =
            again.as_ref().map(|request| FilePath::parse(request.path(), self.files.dot_files));
        let (Some(request), Some(Ok(path))) = (again, path) else { return Err(FORGOTTEN) };
        Ok(match reply {
            Disk::Loaded(Fetched::Something(loaded)) => {
                reply::with(&loaded.resource, &request, &path, exchange)
            }
            Disk::Loaded(Fetched::Nothing) => not_found(exchange),
            Disk::Loaded(Fetched::Busy) | Disk::Failed(_) => exchange.unavailable(),
            Disk::Loaded(Fetched::Broken) | Disk::Piece(_) => {
                exchange.explain(StatusCode::INTERNAL_SERVER_ERROR, "the disk has failed")
            }
        })
    }

    fn next_piece(&mut self, body: &mut Download, mut writer: BodyWriter<'_, '_, Self>) -> Written {
        // The writer has all of what is shared, so that the buffer is taken out meanwhile.
        let mut buffer = mem::take(&mut writer.shared().buffer);
        let step = body.write(&mut buffer, &mut writer);
        writer.shared().buffer = buffer;
        body.go_on(step, writer, Disk::Piece)
    }

    fn piece(
        &mut self,
        body: &mut Download,
        reply: Disk,
        writer: BodyWriter<'_, '_, Self>,
    ) -> Written {
        match reply {
            Disk::Piece(read) => body.piece(read, writer),
            Disk::Loaded(_) | Disk::Failed(_) => writer.break_off(),
        }
    }
}

const FORGOTTEN: Refusal =
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the request was forgotten while it waited");

fn not_found(exchange: Exchange<'_, '_, CachedFile>) -> Answer<CachedFile> {
    exchange.explain(StatusCode::NOT_FOUND, "nothing is here")
}

impl CachedFile {
    /// A client that has asked for nothing yet.
    #[must_use]
    pub fn new(files: &Arc<Files>) -> Self {
        Self { files: Arc::clone(files), waiting: Box::default() }
    }

    /// Nothing is known of the path: takes what is in memory, or waits for the disk.
    fn look_for(
        &mut self,
        path: &FilePath<'_>,
        request: &Request<'_>,
        exchange: Exchange<'_, '_, Self>,
    ) -> Answer<Self> {
        let now = exchange.time_of_day();
        let key = path.key();
        match self.files.take(&key, now) {
            Some(Fetched::Something(loaded)) => {
                return reply::with(&loaded.resource, request, path, exchange);
            }
            Some(Fetched::Nothing) => return not_found(exchange),
            Some(Fetched::Busy | Fetched::Broken) | None => {}
        }
        self.waiting = request.bytes().into();
        exchange.wait(|exchange, ticket| Files::fetch(&self.files, &key, now, exchange, ticket))
    }
}

impl Files {
    fn of(options: &Options) -> io::Result<Self> {
        let settings = Settings {
            largest: options.max_object,
            lists: options.list,
            shows_hidden: options.hidden,
            cache_control: options.cache_control.clone(),
        };
        let watch = Watch::new().inspect_err(|error| {
            warn!(%error, "changes of files are not heard of, but found by looking again");
        });
        let loader = Loader::new(Root::open(&options.root)?, watch.ok(), settings);
        Ok(Self {
            store: Arc::new(Store::new(options.cache)),
            loader: Arc::new(loader),
            dot_files: if options.hidden { DotFiles::Served } else { DotFiles::Hidden },
        })
    }

    /// Takes what is at a path without waiting for a disk, and keeps it.
    fn take(&self, key: &[u8], now: SystemTime) -> Option<Fetched> {
        let changes = self.store.changes();
        match self.loader.load_cached(key, now) {
            Ok(Some(loaded)) => {
                let loaded = Arc::new(loaded);
                self.store.keep(key, &loaded, changes);
                Some(Fetched::Something(loaded))
            }
            Err(LoadError::NotFound) => Some(Fetched::Nothing),
            Ok(None) | Err(_) => None,
        }
    }

    /// Has what is at a path fetched, once for all who ask meanwhile.
    fn fetch(
        this: &Arc<Self>,
        key: &[u8],
        now: SystemTime,
        exchange: &mut Exchange<'_, '_, CachedFile>,
        ticket: Waiter,
    ) {
        match this.store.join(key, ticket) {
            Joined::Waits => {}
            Joined::Full(ticket) => ticket.answer(Disk::Loaded(Fetched::Busy)),
            Joined::First => {
                let landing = Landing::new(&this.store, key);
                let files = Arc::clone(this);
                let job = move || files.land(landing, now);
                // Where the pool is full the job is dropped, and with its landing all who wait are
                // let go.
                let _ = exchange.offload_shared(job, |_scratch, _done| {});
            }
        }
    }

    /// Fetches what is at a path, and answers all who wait. May wait for a disk.
    fn land(&self, landing: Landing<Loaded, Waiter>, now: SystemTime) {
        let (waiters, fetched) = match self.loader.load(landing.path(), now) {
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

/// Serves the files of a directory from memory, and never waits for a disk
#[derive(Debug, Clone, Parser)]
#[command(name = "cached-file", version, after_help = EXAMPLES)]
pub struct Options {
    /// The directory whose files are served
    #[arg(value_name = "DIRECTORY")]
    root: PathBuf,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    limits: Limits,
    /// How many bytes of files are kept in memory
    #[arg(long, value_name = "BYTES", default_value_t = 256 << 20)]
    cache: u64,
    /// The largest file that is kept in memory, in bytes; larger ones are read as they are sent
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20)]
    max_object: u64,
    /// How often files are looked at again of whose changes nothing is heard
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_duration)]
    refresh: Duration,
    /// How many files are fetched from the disk at once; others wait for one of them
    #[arg(long, value_name = "N", default_value_t = HELPERS)]
    helpers: NonZero<usize>,
    /// Lists directories that have no index.html
    #[arg(long)]
    list: bool,
    /// Serves files whose names begin with a dot; only `.well-known` is served without this
    #[arg(long)]
    hidden: bool,
    /// The Cache-Control of files; with an END and a colon, of those whose path ends so; the first
    /// that fits counts
    #[arg(long, value_name = "[END:]VALUE", value_parser = parse_rule)]
    cache_control: Vec<CacheRule>,
}

/// As many as the runtime has where nobody says.
const HELPERS: NonZero<usize> = NonZero::new(DEFAULT_POOL.0).expect("the runtime has some");

const EXAMPLES: &str = "Examples:
  cached-file ./public --listen 127.0.0.1:8080
  cached-file ./public --listen 127.0.0.1:8080 --list --cache-control no-cache
  cached-file ./public --listen [::]:80 --cache 1073741824 --cache-control .js:max-age=31536000";

/// `.css:max-age=60`, or `no-cache` for all.
fn parse_rule(text: &str) -> Result<CacheRule, String> {
    let (end, value) = text.split_once(':').unwrap_or(("", text));
    let value = HeaderValue::from_str(value).map_err(|error| error.to_string())?;
    Ok(CacheRule { end: end.into(), value })
}

/// The program: serves until it is told to stop.
pub fn main() -> ExitCode {
    cli::main(
        |options: &Options| &options.common,
        |server: Server<Http<CachedFile>>, options| {
            let files = Arc::new(Files::of(&options)?);
            refresh::start(&files.store, &files.loader, options.refresh)?;
            let client = |_peer: &_| CachedFile::new(&files);
            let server = server.pool(options.helpers.get(), DEFAULT_POOL.1);
            serve(server, options.limits, |_worker| Scratch::default(), client)
        },
    )
}
