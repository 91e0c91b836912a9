//! A handler that says back what it was told, so that suites of HTTP tests can judge the machine
//! under it: the body at `/`, the header fields at `/echo`, cookies at `/cookie`. The other paths
//! have an answer take each of the ways there are:
//!
//! | path | answers |
//! |---|---|
//! | `/later?N` | after N milliseconds, by a thread of the pool |
//! | `/never` | not at all |
//! | `/counted?N` | N bytes, piece by piece, with their length |
//! | `/chunks?N` | N bytes, piece by piece, in chunks |
//! | `/made?N` | N bytes in chunks, each piece made by a thread of the pool |
//! | `/short?N` | less than the N bytes it promises |
//! | `/absorb` | the bytes of the body, each piece of which a thread of the pool has counted |

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::Parser;
use fsm_runtime::{OperationError, Server, Ticket};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};
use servers::cli::{self, Common};
use servers::http::{
    Absorbed, Absorption, Answer, BodyWriter, Exchange, Field, Handler, Http, Limits, Refusal,
    Request, Written, serve,
};

/// Bytes of a body sent at once.
const PIECE: usize = 64 * 1024;

/// What is sent of a body that nobody reads for its sake.
static FILLER: [u8; PIECE] = [b'.'; PIECE];

/// Says back what it was told.
#[derive(Debug, Default, Clone, Copy)]
pub struct HttpEcho;

/// A request whose body is on its way.
#[derive(Debug)]
pub enum Upload {
    /// It is said back.
    Kept(Vec<u8>),
    /// It is counted by the pool.
    Counted(usize),
}

/// A body that is sent piece by piece.
#[derive(Debug)]
pub struct Filler {
    left: usize,
    /// The pool makes the pieces.
    is_made: bool,
}

/// What the connections of a worker share: the tickets of those who wait for ever.
pub type Waiting = Vec<Ticket<Http<HttpEcho>>>;

impl Handler for HttpEcho {
    const METHODS: &'static [Method] = &[Method::GET, Method::HEAD, Method::POST];
    type Shared = Waiting;
    type Reply = Result<usize, OperationError>;
    type Upload = Upload;
    type Body = Filler;

    fn answer(
        &mut self,
        request: &Request<'_>,
        exchange: Exchange<'_, '_, Self>,
    ) -> Result<Answer<Self>, Refusal> {
        let number = request.query().and_then(|query| query.parse().ok()).unwrap_or(0);
        let promised = Some(number as u64);
        Ok(match request.path() {
            "/" => plain(exchange, b""),
            "/echo" => plain(exchange, &fields_of(request)),
            "/cookie" => plain(exchange, &cookies_of(request)),
            "/later" => exchange.offload(move || {
                thread::sleep(Duration::from_millis(number as u64));
                Ok(number)
            }),
            "/never" => exchange.wait(|exchange, ticket| exchange.shared().push(ticket)),
            "/counted" => stream(exchange, promised, number, false),
            "/chunks" => stream(exchange, None, number, false),
            "/made" => stream(exchange, None, number, true),
            "/short" => stream(exchange, promised, number / 2, false),
            _ => exchange.explain(StatusCode::NOT_FOUND, "nothing is here"),
        })
    }

    fn receive(
        &mut self,
        request: &Request<'_>,
        _waiting: &mut Waiting,
    ) -> Result<Option<Upload>, Refusal> {
        Ok(match (request.method(), request.path()) {
            (&Method::POST, "/") => Some(Upload::Kept(Vec::new())),
            (&Method::POST, "/absorb") => Some(Upload::Counted(0)),
            _ => None,
        })
    }

    fn absorb(
        &mut self,
        upload: &mut Upload,
        piece: &[u8],
        absorption: Absorption<'_, '_, Self>,
    ) -> Result<Absorbed, Refusal> {
        match upload {
            Upload::Kept(body) => {
                body.extend_from_slice(piece);
                Ok(absorption.done())
            }
            Upload::Counted(_) => {
                let piece = piece.to_vec();
                absorption.offload(move || Ok(piece.len()))
            }
        }
    }

    fn absorbed(
        &mut self,
        upload: &mut Upload,
        reply: Self::Reply,
        absorption: Absorption<'_, '_, Self>,
    ) -> Result<Absorbed, Refusal> {
        match (upload, reply) {
            (Upload::Counted(total), Ok(count)) => *total += count,
            (_, Ok(_)) => {}
            (_, Err(_)) => return Err(LOST),
        }
        Ok(absorption.done())
    }

    fn received(
        &mut self,
        upload: Upload,
        exchange: Exchange<'_, '_, Self>,
    ) -> Result<Answer<Self>, Refusal> {
        Ok(match upload {
            Upload::Kept(body) => plain(exchange, &body),
            Upload::Counted(total) => plain(exchange, format!("{total}\n").as_bytes()),
        })
    }

    fn reply(
        &mut self,
        reply: Self::Reply,
        exchange: Exchange<'_, '_, Self>,
    ) -> Result<Answer<Self>, Refusal> {
        let number = reply.map_err(|_| LOST)?;
        Ok(plain(exchange, format!("{number}\n").as_bytes()))
    }

    fn next_piece(&mut self, body: &mut Filler, mut writer: BodyWriter<'_, '_, Self>) -> Written {
        if !body.is_made {
            return write(body, PIECE, writer);
        }
        let piece = PIECE.min(body.left);
        match writer.offload(move || Ok(piece)) {
            Ok(()) => writer.wait(),
            Err(_full) => writer.break_off(),
        }
    }

    fn piece(
        &mut self,
        body: &mut Filler,
        reply: Self::Reply,
        writer: BodyWriter<'_, '_, Self>,
    ) -> Written {
        match reply {
            Ok(piece) => write(body, piece, writer),
            Err(_) => writer.break_off(),
        }
    }
}

const LOST: Refusal =
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "what was to be waited for is lost");

const PLAIN: Field = (CONTENT_TYPE, HeaderValue::from_static("text/plain"));

fn plain(exchange: Exchange<'_, '_, HttpEcho>, body: &[u8]) -> Answer<HttpEcho> {
    exchange.respond(StatusCode::OK, &[PLAIN], body)
}

fn stream(
    exchange: Exchange<'_, '_, HttpEcho>,
    length: Option<u64>,
    left: usize,
    is_made: bool,
) -> Answer<HttpEcho> {
    exchange.stream(StatusCode::OK, &[PLAIN], length, Filler { left, is_made })
}

/// Writes at most so many bytes of a body.
fn write(body: &mut Filler, most: usize, mut writer: BodyWriter<'_, '_, HttpEcho>) -> Written {
    let piece = &FILLER[..body.left.min(most)];
    writer.send(piece);
    body.left -= piece.len();
    if body.left == 0 { writer.end() } else { writer.more() }
}

fn fields_of(request: &Request<'_>) -> Vec<u8> {
    let mut text = Vec::new();
    for (name, value) in request.fields() {
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value);
        text.push(b'\n');
    }
    text
}

/// `a=1; b=2` as two lines.
fn cookies_of(request: &Request<'_>) -> Vec<u8> {
    let mut text = Vec::new();
    for (_, value) in request.fields().filter(|(name, _)| name.eq_ignore_ascii_case("cookie")) {
        for cookie in value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii) {
            text.extend_from_slice(cookie);
            text.push(b'\n');
        }
    }
    text
}

/// Answers HTTP requests with what they said; for tests
#[derive(Debug, Clone, Parser)]
#[command(name = "http-echo", version)]
pub struct Options {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    limits: Limits,
}

/// The program: serves until it is told to stop.
pub fn main() -> ExitCode {
    cli::main(
        |options: &Options| &options.common,
        |_| Ok(()),
        |server: Server<Http<HttpEcho>>, options, ()| {
            serve(server, options.limits, |_worker| Vec::new(), |_peer| HttpEcho)
        },
    )
}
