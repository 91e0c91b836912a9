//! The server of cached files (Tanenbaum 2.2): "if it can be satisfied from the cache, fine, but if
//! not, a nonblocking disk operation is started".
//!
//! The machine is that of HTTP, which has states for waiting and for sending. Here is what answers:
//! a hit is one look-up and a head and body that were put together beforehand; what the kernel has
//! in memory is taken without waiting; the rest is fetched by the pool, once for all who ask.

use std::io;
use std::mem;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use fsm_runtime::{DEFAULT_POOL, OperationError, Peer, Server, Ticket};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use tracing::warn;

use crate::cli;
use crate::files::document::Resource;
use crate::files::download::{self, Download, Missing, PIECE, Read, Step};
use crate::files::loader::Loaded;
use crate::files::log::{Lines, Log, Note, Said};
use crate::files::path::{FilePath, PathError};
use crate::files::reply::{self, Opening, Page, PageWish, Query, Reply};
use crate::files::store::Found;
use crate::http::{
    Answer, BodyWriter, Exchange, Field, Handler, Http, Refusal, Request, Written, serve,
};

mod files;
mod options;

pub use files::{Fetched, Files};
pub use options::Options;

/// Somebody who waits for a file.
type Waiter = Ticket<Http<CachedFile>>;

/// One client of the server of cached files.
pub struct CachedFile {
    files: Arc<Files>,
    /// The head of the request that waits for the disk.
    waiting: Box<[u8]>,
    /// What is sent piece by piece, by the key of its path.
    sending: Box<[u8]>,
    /// How often the file was looked for again, since what was known of it was not so any more.
    looks: u8,
    /// What the log is told of the present request; none where nothing is logged.
    note: Option<Note>,
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
        self.looks = 0;
        let found = self.files.store.find(&path.key());
        let is_doubtful = matches!(&found, Found::Value(loaded) if loaded.is_doubtful());
        if is_doubtful || self.files.is_stale() {
            exchange.add(Some(&STALE));
        }
        Ok(match found {
            Found::Value(loaded) => {
                self.answer_with(&loaded, Query { request, path: &path }, exchange)
            }
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
        match write(body, &mut writer) {
            // What is queued goes out while the rest is read.
            Step::Missing(missing) => self.wait_for(missing, body, writer),
            step => self.go_on(&step, writer),
        }
    }

    fn piece(
        &mut self,
        body: &mut Download,
        reply: Disk,
        mut writer: BodyWriter<'_, '_, Self>,
    ) -> Written {
        match reply {
            Disk::Piece(Ok(bytes)) => {
                body.fill(bytes);
                let step = write(body, &mut writer);
                self.go_on(&step, writer)
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

/// Writes what is in memory.
fn write(body: &mut Download, writer: &mut BodyWriter<'_, '_, CachedFile>) -> Step {
    // The writer has all of what is shared, so that the buffer is taken out meanwhile.
    let mut buffer = mem::take(&mut writer.shared().buffer);
    let step = body.write(&mut buffer, writer);
    writer.shared().buffer = buffer;
    step
}

/// What is said of a response that may not be so any more (RFC 9211 2).
static STALE: Field = (
    HeaderName::from_static("cache-status"),
    HeaderValue::from_static("cached-file; hit; detail=stale"),
);

/// The most entries of a list that is drawn at once: others wait for as long as that takes.
const SHORT_LIST: usize = 100;

/// How often a large file is looked for again that has changed before its first bytes were read.
/// Who truncates a file and writes it anew changes it several times; one that changes more often
/// than this never stands still.
const LOOKS: u8 = 8;

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
        Self { files, waiting, sending, looks: 0, note }
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
                let job = self.files.pieces.job();
                exchange.wait(|exchange, ticket| {
                    let read = || ticket.answer(Disk::Opening(opening.read()));
                    // Where the pool is full the ticket is dropped, which answers as well.
                    let _ = exchange.offload_shared(move || job.run(read), |_worker, _done| {});
                })
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

    /// What is known of a file cannot be sent: finds out what it is by now.
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
        if self.looks == LOOKS {
            return exchange.unavailable();
        }
        self.looks += 1;
        self.look_for(query.path, query.request, exchange)
    }

    /// Goes on when what was queued has gone, with what is missing too: a client that takes nothing
    /// must not have more and more read for it.
    fn go_on(&self, step: &Step, writer: BodyWriter<'_, '_, Self>) -> Written {
        match step {
            Step::More | Step::Missing(_) => writer.more(),
            Step::Whole => writer.end(),
            Step::Broken => {
                self.forget_sending();
                writer.break_off()
            }
        }
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
        let job = self.files.pieces.job();
        // Where the pool is full, one of the jobs that wait there reads it.
        let _ = writer.offload_shared(move || job.run(|| {}), |_worker, _done| {});
        writer.wait()
    }

    /// Nothing is known of the path: takes what is in memory, or waits for the disk.
    fn look_for(
        &mut self,
        path: &FilePath<'_>,
        request: &Request<'_>,
        mut exchange: Exchange<'_, '_, Self>,
    ) -> Answer<Self> {
        // What comes of this is new, whatever was cached before.
        exchange.add(None);
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

/// The program: serves until it is told to stop.
pub fn main() -> ExitCode {
    cli::main(
        |options: &Options| &options.common,
        |options| Ok((Arc::new(Files::of(options)?), options.log()?)),
        |server: Server<Http<CachedFile>>, options, (files, log)| {
            let note = |peer: &Peer| log.as_ref().map(|log| Note::new(log.format(), peer));
            let client = |peer: &Peer| CachedFile::new(&files, note(peer));
            // However many threads there are, others can wait for them.
            let helpers = options.helpers.get();
            let server = server.pool(helpers, DEFAULT_POOL.1.max(helpers.saturating_mul(2)));
            serve(server, options.limits, |_worker| Worker::new(log.as_ref()), client)
        },
    )
}
