//! The server of cached files (Tanenbaum 2.2): "if it can be satisfied from the cache, fine, but if
//! not, a nonblocking disk operation is started".
//!
//! The machine is that of HTTP, which has states for waiting and for sending. Here is what answers:
//! a hit is one look-up and a head and body that were put together beforehand; what the kernel has
//! in memory is taken without waiting; the rest is fetched by the pool, once for all who ask.

use std::io;
use std::mem;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clap::Parser;
use clap::builder::{PathBufValueParser, TypedValueParser};
use fsm_runtime::{DEFAULT_POOL, Machine as _, OperationError, Peer, Server, Ticket};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use humantime::{format_duration, parse_duration};
use tracing::warn;

use crate::cli::{self, Common};
use crate::files::document::Resource;
use crate::files::download::{self, Download, Missing, PIECE, Read, Step};
use crate::files::elsewhere::Elsewhere;
use crate::files::loader::{CacheRule, LoadError, Loaded, Loader, Settings};
use crate::files::log::{self, Format, Lines, Log, Note, Said};
use crate::files::path::{DotFiles, FilePath, PathError};
use crate::files::pieces::Pieces;
use crate::files::refresh::{self, Freshness};
use crate::files::reply::{self, Opening, Page, PageWish, Query, Reply};
use crate::files::root::Root;
use crate::files::site;
use crate::files::store::{Found, Joined, Landing, Store};
use crate::files::watch::Watch;
use crate::http::{
    Answer, BodyWriter, Exchange, Field, Handler, Http, Limits, Refusal, Request, Written, serve,
};

/// Somebody who waits for a file.
type Waiter = Ticket<Http<CachedFile>>;

/// One client of the server of cached files.
pub struct CachedFile {
    files: Arc<Files>,
    /// The head of the request that waits for the disk.
    waiting: Box<[u8]>,
    /// What is sent piece by piece, by the key of its path.
    sending: Box<[u8]>,
    /// The file was looked for again, since what was known of it was not so any more.
    has_looked_again: bool,
    /// What the log is told of the present request; none where nothing is logged.
    note: Option<Note>,
}

/// What all workers share.
pub struct Files {
    store: Arc<Store<Loaded, Waiter>>,
    /// Where files come from; none for the built-in site, all of which is in the store.
    directory: Option<Directory>,
    dot_files: DotFiles,
    /// The pieces of what is being sent that wait for the disk.
    pieces: Pieces,
    /// Where long lists are drawn.
    elsewhere: Elsewhere,
}

struct Directory {
    loader: Arc<Loader>,
    freshness: Arc<Freshness>,
}

/// What a worker has for itself.
pub struct Worker {
    /// Where files are read to, which nobody keeps.
    buffer: Vec<u8>,
    lines: Option<Lines>,
}

impl Worker {
    /// Those of a worker that logs to `log`, if to anything.
    #[must_use]
    pub fn new(log: Option<&Log>) -> Self {
        Self { buffer: vec![0; PIECE], lines: log.map(Log::lines) }
    }
}

/// What the disk answers.
pub enum Disk {
    /// What is at a path.
    Loaded(Fetched),
    /// More of a file that is being sent.
    Piece(Read),
    /// What is sent first of a large file.
    Opening(io::Result<Box<Opening>>),
    /// The list of a directory.
    Listing(Page),
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
    type Shared = Worker;
    type Reply = Disk;
    type Upload = ();
    type Body = Download;

    fn asked(&mut self, request: &Request<'_>, _worker: &mut Worker) {
        if let Some(note) = &mut self.note {
            note.ask(&Said::by(request));
        }
    }

    fn misunderstood(&mut self, line: &[u8], _worker: &mut Worker) {
        if let (Some(note), false) = (&mut self.note, line.is_empty()) {
            note.ask(&Said::only(line));
        }
    }

    fn answered(
        &mut self,
        status: StatusCode,
        bytes: Option<u64>,
        now: SystemTime,
        worker: &mut Worker,
    ) {
        if let (Some(note), Some(lines)) = (&mut self.note, &mut worker.lines) {
            lines.push(note, status, bytes, now);
        }
    }

    fn answer(
        &mut self,
        request: &Request<'_>,
        mut exchange: Exchange<'_, '_, Self>,
    ) -> Result<Answer<Self>, Refusal> {
        let path = match FilePath::parse(request.path(), self.files.dot_files) {
            Ok(path) => path,
            Err(PathError::Malformed(why)) => return Err(Refusal::malformed(why)),
            Err(PathError::NotFound) => return Ok(not_found(exchange)),
        };
        self.has_looked_again = false;
        Ok(match self.files.store.find(&path.key()) {
            Found::Value(loaded) => {
                if loaded.is_doubtful() || self.files.is_stale() {
                    exchange.add(&STALE);
                }
                self.answer_with(&loaded, Query { request, path: &path }, exchange)
            }
            Found::Absent => {
                if self.files.is_stale() {
                    exchange.add(&STALE);
                }
                not_found(exchange)
            }
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
        let query = Query { request: &request, path: &path };
        Ok(match reply {
            Disk::Loaded(Fetched::Something(loaded)) => self.answer_with(&loaded, query, exchange),
            Disk::Loaded(Fetched::Nothing) => not_found(exchange),
            Disk::Loaded(Fetched::Busy) | Disk::Failed(_) => exchange.unavailable(),
            Disk::Opening(Ok(opening)) => opening.begin(exchange),
            Disk::Opening(Err(error)) => self.look_again(&error, query, exchange),
            Disk::Listing(page) => reply::page(&page, &request, exchange),
            Disk::Loaded(Fetched::Broken) | Disk::Piece(_) => broken(exchange),
        })
    }

    fn next_piece(&mut self, body: &mut Download, mut writer: BodyWriter<'_, '_, Self>) -> Written {
        // The writer has all of what is shared, so that the buffer is taken out meanwhile.
        let mut buffer = mem::take(&mut writer.shared().buffer);
        let step = body.write(&mut buffer, &mut writer);
        writer.shared().buffer = buffer;
        match step {
            Step::More => writer.more(),
            Step::Whole => writer.end(),
            // What is queued goes out while the rest is read.
            Step::Missing(missing) => self.wait_for(missing, body, writer),
            Step::Broken => {
                self.forget_sending();
                writer.break_off()
            }
        }
    }

    fn piece(
        &mut self,
        body: &mut Download,
        reply: Disk,
        writer: BodyWriter<'_, '_, Self>,
    ) -> Written {
        match reply {
            Disk::Piece(Ok(bytes)) => {
                body.fill(bytes);
                self.next_piece(body, writer)
            }
            Disk::Piece(Err(_)) => {
                self.forget_sending();
                writer.break_off()
            }
            Disk::Loaded(_) | Disk::Opening(_) | Disk::Listing(_) | Disk::Failed(_) => {
                writer.break_off()
            }
        }
    }
}

/// What is said of a response that may not be so any more (RFC 9211 2).
static STALE: Field = (
    HeaderName::from_static("cache-status"),
    HeaderValue::from_static("cached-file; hit; detail=stale"),
);

/// The most entries of a list that is drawn at once: others wait for as long as that takes.
const SHORT_LIST: usize = 100;

const FORGOTTEN: Refusal =
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the request was forgotten while it waited");

fn not_found(exchange: Exchange<'_, '_, CachedFile>) -> Answer<CachedFile> {
    exchange.explain(StatusCode::NOT_FOUND, "nothing is here")
}

fn broken(exchange: Exchange<'_, '_, CachedFile>) -> Answer<CachedFile> {
    exchange.explain(StatusCode::INTERNAL_SERVER_ERROR, "the disk has failed")
}

impl CachedFile {
    /// A client that has asked for nothing yet.
    #[must_use]
    pub fn new(files: &Arc<Files>, note: Option<Note>) -> Self {
        let files = Arc::clone(files);
        let (waiting, sending) = (Box::default(), Box::default());
        Self { files, waiting, sending, has_looked_again: false, note }
    }

    /// What is cached of the file is not so any more: nobody else is promised what cannot be sent.
    fn forget_sending(&self) {
        self.files.store.forget(&self.sending);
    }

    /// Answers with what is at the path.
    fn answer_with(
        &mut self,
        loaded: &Arc<Loaded>,
        query: Query<'_>,
        exchange: Exchange<'_, '_, Self>,
    ) -> Answer<Self> {
        if let Resource::Listing(found) = &loaded.resource
            && found.entries.len() > SHORT_LIST
        {
            return self.draw(loaded, query, exchange);
        }
        if loaded.resource.is_open() {
            self.sending = query.path.key().into();
        }
        match reply::with(&loaded.resource, query, exchange) {
            Reply::Answer(answer) => answer,
            Reply::Unready(exchange, opening) => {
                self.waiting = query.request.bytes().into();
                let files = Arc::clone(&self.files);
                exchange.offload(move || files.beside_pieces(|| Disk::Opening(opening.read())))
            }
        }
    }

    /// Answers with a list that takes longer to put in order than others should have to wait.
    fn draw(
        &mut self,
        loaded: &Arc<Loaded>,
        query: Query<'_>,
        exchange: Exchange<'_, '_, Self>,
    ) -> Answer<Self> {
        self.waiting = query.request.bytes().into();
        let (loaded, wish) = (Arc::clone(loaded), PageWish::of(query));
        let draw = move || Disk::Listing(wish.draw(&loaded.resource));
        exchange.wait(|_, ticket| self.files.elsewhere.run(move || ticket.answer(draw())))
    }

    /// What is known of a file cannot be sent: finds out what it is by now, once.
    fn look_again(
        &mut self,
        error: &io::Error,
        query: Query<'_>,
        exchange: Exchange<'_, '_, Self>,
    ) -> Answer<Self> {
        self.forget_sending();
        if !download::is_of_another(error) {
            warn!(%error, "the disk has failed");
            return broken(exchange);
        }
        if mem::replace(&mut self.has_looked_again, true) {
            return exchange.unavailable();
        }
        self.look_for(query.path, query.request, exchange)
    }

    /// Has more of a file read. Nobody can be told to come back later for the rest.
    fn wait_for(
        &self,
        missing: Missing,
        body: &mut Download,
        mut writer: BodyWriter<'_, '_, Self>,
    ) -> Written {
        let ticket = writer.ticket();
        let read = move || ticket.answer(Disk::Piece(missing.read()));
        let Some(wanted) = self.files.pieces.push(read) else { return writer.break_off() };
        body.wait_for(wanted);
        let files = Arc::clone(&self.files);
        // Where the pool is full, the next of its threads that becomes free reads it.
        let _ = writer.offload_shared(move || files.pieces.serve_one(), |_worker, _done| {});
        writer.wait()
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
                let query = Query { request, path };
                return self.answer_with(&loaded, query, exchange);
            }
            Some(Fetched::Nothing) => return not_found(exchange),
            Some(Fetched::Busy | Fetched::Broken) | None => {}
        }
        self.waiting = request.bytes().into();
        exchange.wait(|exchange, ticket| Files::fetch(&self.files, &key, now, exchange, ticket))
    }
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
        let (pieces, elsewhere) = (Pieces::default(), Elsewhere::start()?);
        Ok(Self { store, directory, dot_files, pieces, elsewhere })
    }

    /// Does a job of the pool, and what waits for one of its threads before and behind it.
    fn beside_pieces<T>(&self, job: impl FnOnce() -> T) -> T {
        self.pieces.serve_one();
        let done = job();
        self.pieces.serve_one();
        done
    }

    /// Tells whether what is cached may be another by now, and nobody can say.
    fn is_stale(&self) -> bool {
        self.directory.as_ref().is_some_and(|directory| directory.freshness.is_stale())
    }

    /// Takes what is at a path without waiting for a disk, and keeps it.
    fn take(&self, key: &[u8], now: SystemTime) -> Option<Fetched> {
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
    fn fetch(
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
                let job = move || files.beside_pieces(|| files.land(landing, now));
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

/// Serves the files of a directory from memory, and never waits for a disk
#[derive(Debug, Clone, Parser)]
#[command(name = "cached-file", version, after_help = EXAMPLES)]
pub struct Options {
    /// The directory whose files are served [default: a page about this server]
    #[arg(value_name = "DIRECTORY", value_parser = PathBufValueParser::new().try_map(directory))]
    root: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    limits: Limits,
    /// How many bytes of files are kept in memory
    #[arg(long, value_name = "BYTES", default_value = "256MiB", value_parser = cli::parse_bytes)]
    cache: u64,
    /// The largest file that is kept in memory, in bytes; larger ones are read as they are sent,
    /// and the connection ends if they change meanwhile
    #[arg(long, value_name = "BYTES", default_value = "1MiB", value_parser = cli::parse_bytes)]
    max_object: u64,
    /// How often files are looked at again of whose changes nothing is heard. Where nothing can be
    /// looked at for three times as long, what is cached is sent on, marked as stale in
    /// Cache-Status
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_refresh)]
    refresh: Duration,
    /// How many files are fetched from the disk at once; others wait for one of them
    #[arg(long, value_name = "N", default_value_t = HELPERS)]
    helpers: NonZero<usize>,
    /// Lists directories that have no index.html, at most 10,000 names of each; with ?format=json
    /// as JSON
    #[arg(long, requires = "root")]
    list: bool,
    /// Serves files whose names begin with a dot; only `.well-known` is served without this
    #[arg(long, requires = "root")]
    hidden: bool,
    /// The Cache-Control of files; with an END and a colon, of those whose path ends so; the first
    /// that fits counts
    #[arg(long, value_name = "[END:]VALUE", value_parser = parse_rule, requires = "root")]
    cache_control: Vec<CacheRule>,
    /// Writes a line for each response to this file, or to standard output for `-`; SIGUSR1 has the
    /// file opened anew
    #[arg(long, value_name = "PATH")]
    access_log: Option<PathBuf>,
    /// How these lines are written
    #[arg(long, value_name = "FORMAT", default_value = "combined", requires = "access_log")]
    log_format: Format,
}

impl Options {
    fn log(&self) -> io::Result<Option<Log>> {
        let Some(path) = &self.access_log else { return log::take_signal().map(|()| None) };
        Log::open(path, self.log_format).map(Some).map_err(|error| {
            let path = path.display();
            io::Error::new(error.kind(), format!("cannot log to `{path}`: {error}"))
        })
    }
}

/// As many as the runtime has where nobody says.
const HELPERS: NonZero<usize> = NonZero::new(DEFAULT_POOL.0).expect("the runtime has some");

const EXAMPLES: &str = "Examples:
  cached-file ./public --listen 127.0.0.1:8080
  cached-file ./public --listen 127.0.0.1:8080 --list --cache-control no-cache
  cached-file ./public --listen [::]:80 --cache 1GiB --cache-control .js:max-age=31536000";

/// More often a processor would do little else, and nobody could tell a disk that hangs.
const SOONEST_REFRESH: Duration = Duration::from_millis(10);

fn parse_refresh(text: &str) -> Result<Duration, String> {
    let time = parse_duration(text).ok().filter(|time| *time >= SOONEST_REFRESH);
    time.ok_or_else(|| format!("write a time of at least {}", format_duration(SOONEST_REFRESH)))
}

/// Looks whether it is one before anything else is done, so that who mistypes it is told which.
fn directory(path: PathBuf) -> io::Result<PathBuf> {
    Root::open(&path)?;
    Ok(path)
}

const RULE: &str = "`.css:max-age=60`, or `no-cache` for all";

/// As in [`RULE`].
fn parse_rule(text: &str) -> Result<CacheRule, String> {
    let (end, value) = text.split_once(':').unwrap_or(("", text));
    if value.is_empty() || end.is_empty() && text.starts_with(['.', '/', '*']) {
        return Err(format!("write what it is for and a colon before the value, as in {RULE}"));
    }
    let value = HeaderValue::from_str(value).map_err(|error| error.to_string())?;
    Ok(CacheRule { end: end.into(), value })
}

/// The program: serves until it is told to stop.
pub fn main() -> ExitCode {
    cli::main(
        |options: &Options| &options.common,
        |options| Ok((Arc::new(Files::of(options)?), options.log()?)),
        |server: Server<Http<CachedFile>>, options, (files, log)| {
            let note = |peer: &Peer| log.as_ref().map(|log| Note::new(log.format(), peer));
            let client = |peer: &Peer| CachedFile::new(&files, note(peer));
            let server = server.pool(options.helpers.get(), DEFAULT_POOL.1);
            serve(server, options.limits, |_worker| Worker::new(log.as_ref()), client)
        },
    )
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn nobody_looks_again_without_a_pause() {
        let is_taken = |time| {
            let arguments = ["cached-file", "--listen", "127.0.0.1:0", "--refresh", time];
            Options::try_parse_from(arguments).is_ok()
        };
        assert!(is_taken("10ms") && is_taken("1h"));
        assert!(!is_taken("0s") && !is_taken("9ms") && !is_taken("often"));
    }
}
