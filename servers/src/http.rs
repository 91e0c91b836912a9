//! HTTP/1.1 as a connection machine, whatever answers the requests (RFC 9110 and 9112).
//!
//! The table below is all there is of keep-alive, pipelining, bodies, waiting for a disk, streaming
//! and every deadline. What frames a message is read in one way only or refused, because two
//! servers that read a request in two ways are how one client's request becomes another's. What
//! answers is a [`Handler`], which meets whole requests and no HTTP.
//!
//! A request is read when the one before it has been answered: the rest waits in the kernel, and
//! then in the client. So answers keep their order, and who sends a thousand requests at once holds
//! no more than who sends one.

use std::borrow::Cow;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use fsm_runtime::{Io, Machine, Peer, Server, ServerError};
use http::{Method, StatusCode};

mod absorption;
mod body;
mod body_writer;
mod date;
mod exchange;
mod framers;
mod handler;
mod head;
mod limits;
mod refusal;
mod target;

pub use absorption::{Absorbed, Absorption};
pub use body::{Body, Framing};
pub use body_writer::{BodyWriter, Written};
pub use exchange::{Answer, Exchange, Field, Prepared, Shared};
pub use handler::{Handler, Incoming, Outgoing};
pub use head::{HeadLimits, Heads, MOST_FIELDS, Request};
pub use limits::Limits;
pub use refusal::Refusal;
pub(crate) use target::is_overlong;

use body_writer::Progress;
use exchange::{Answered, Terms};
use framers::Expectation;
use head::first_line;
use limits::BODY_STEP;

/// One client of a server of HTTP/1.1.
#[derive(Machine)]
#[machine(context = Client<H>, input = Heads<'_>, reply = H::Reply, shared = Shared<H::Shared>)]
// An answer that was waited for may be as large as one that is given at once; there is never more
// than one, and nobody else fills the backlog.
#[machine(error = Refusal, backlog = 1GiB)]
#[outcome(Sent: Idle "sent" | Closed | Gone)]
#[outcome(Respond: Idle | Working "later" | Streaming "piece by piece" | Closed)]
#[group(Busy: Receiving, Absorbing, Working, Streaming; ignores(shutdown))]
#[on(error(refusal) => refuse(refusal) -> Closed)]
pub enum Http<H: Handler> {
    /// Waiting for the head of a request.
    #[initial]
    #[on(Head(request) => begin(request)? -> Stay | Respond | Receiving "a body")]
    #[on(Malformed(refusal, line) => refuse_head(refusal, line) -> Closed)]
    #[on(eof(rest) => half_a_head(rest) -> Closed)]
    #[on(shutdown -> Closed)]
    // Neither a request nor more of the last response has moved. A head that has begun to come has
    // a time of its own.
    #[after(idle() without progress -> Closed)]
    // Half a head, then silence, or a byte now and then.
    #[after(head_time() of partial => too_slow_head -> Closed)]
    #[shed(first)]
    Idle,

    /// The body of a request comes in.
    #[decode(framing: Body<'_>)]
    #[on(Piece(piece) => take(incoming, framing, piece)?
        -> Stay | Absorbing { incoming, framing } "a piece" | Respond)]
    #[on(Malformed(refusal) => refuse(refusal) -> Closed)]
    #[on(eof => cut_off -> Closed)]
    #[after(body_time() without 4096 bytes => too_slow -> Closed)]
    Receiving {
        /// What is kept of the request.
        incoming: Incoming<H>,
        /// How far the body has come, and how it is read.
        framing: Framing,
    },

    /// A piece of the body is put away; nothing is read meanwhile, which slows the client down.
    #[on(reply(reply) => absorbed(incoming, framing, reply)?
        -> Stay | Receiving { incoming, framing } "more" | Respond)]
    #[after(answer_time() => busy -> Closed)]
    Absorbing {
        /// What is kept of the request.
        incoming: Incoming<H>,
        /// How far the body has come.
        framing: Framing,
    },

    /// The answer is made elsewhere.
    #[on(reply(reply) => reply(reply)? -> Respond)]
    #[after(answer_time() => try_later -> Idle | Closed)]
    Working,

    /// A response goes out piece by piece. It has begun, so what goes wrong from here on cannot be
    /// said any more: the connection is reset.
    #[on(drained => next_piece(body, outgoing) -> Stay | Sent)]
    #[on(reply(reply) => piece(body, outgoing, reply) -> Stay | Sent)]
    #[after(stall() without progress -> Gone)]
    #[leave(tell_streamed(outgoing))]
    Streaming {
        /// What is kept of the response.
        body: H::Body,
        /// How far it has come.
        outgoing: Outgoing,
    },

    /// The socket is reset: nobody can take what came of the response for all of it. This is also
    /// where a dead socket and a broken handler lead.
    #[terminal(abort)]
    #[enter(tell_cut_off)]
    Gone,

    /// What is still unsent goes out; what the client still sends is read and dropped for a while,
    /// since closing would take the response from it.
    #[terminal]
    Closed,
}

/// What the server knows of a client.
pub struct Client<H> {
    handler: H,
    limits: Arc<Limits>,
    /// What the response to the present request has to keep to.
    terms: Terms,
    /// The requests there have been.
    requests: u32,
    /// The next piece of the response is made elsewhere. What was queued before it may have gone
    /// by then, which is no reason to ask for another.
    awaits_piece: bool,
}

impl<H: Handler> Client<H> {
    /// A client that has sent nothing yet.
    #[must_use]
    pub fn new(handler: H, limits: &Arc<Limits>) -> Self {
        let limits = Arc::clone(limits);
        Self { handler, limits, terms: Terms::UNKNOWN, requests: 0, awaits_piece: false }
    }

    #[expect(clippy::needless_pass_by_value, reason = "what an input brings is its receiver's")]
    fn begin(
        &mut self,
        request: Request<'_>,
        io: &mut Io<'_, Http<H>>,
    ) -> Result<HttpBegin<H>, Refusal> {
        self.requests += 1;
        self.terms = Terms::of(&request);
        self.terms.persists &= self.requests < self.limits.max_requests;
        self.handler.asked(&request, &mut io.shared.handler);
        if request.expectation == Expectation::Unknown {
            return Err(Refusal::UNEXPECTED);
        }
        if request.has_body() {
            return self.begin_body(&request, io);
        }
        let answer = self.answer(&request, io)?;
        Ok(match self.respond(answer, io) {
            // The commonest outcome by far, and staying costs nothing.
            HttpRespond::Idle => HttpBegin::Stay,
            respond => HttpBegin::Respond(respond),
        })
    }

    /// A body follows: it is read before the request is answered, so that nothing of it is taken
    /// for a request.
    fn begin_body(
        &mut self,
        request: &Request<'_>,
        io: &mut Io<'_, Http<H>>,
    ) -> Result<HttpBegin<H>, Refusal> {
        let framing = Framing::new(request.length, self.limits.max_body)?;
        let is_known = H::METHODS.contains(request.method());
        let shared = &mut io.shared.handler;
        let upload = if is_known { self.handler.receive(request, shared)? } else { None };
        let waits = request.expectation == Expectation::Continue;
        let incoming = match upload {
            Some(upload) => Incoming::Wanted { upload, held: Vec::new() },
            // The client may send the body or not once it has its answer, so that nobody can tell
            // where its next request would begin.
            None if waits => {
                self.terms.persists = false;
                let answer = self.answer(request, io)?;
                return Ok(HttpBegin::Respond(self.respond(answer, io)));
            }
            None => Incoming::Unwanted(request.bytes().into()),
        };
        if waits {
            io.out.send(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        Ok(HttpBegin::Receiving { incoming, framing })
    }

    /// Answers a request whose body is none or is not wanted.
    fn answer(
        &mut self,
        request: &Request<'_>,
        io: &mut Io<'_, Http<H>>,
    ) -> Result<Answer<H>, Refusal> {
        let method = request.method();
        let exchange = Exchange { io, terms: &mut self.terms };
        if H::METHODS.contains(method) && request.path() != "*" {
            return self.handler.answer(request, exchange);
        }
        Ok(match *method {
            Method::OPTIONS => exchange.options(),
            Method::GET
            | Method::HEAD
            | Method::POST
            | Method::PUT
            | Method::DELETE
            | Method::TRACE
            | Method::CONNECT
            | Method::PATCH => exchange.not_allowed(H::METHODS),
            _ => exchange.explain(StatusCode::NOT_IMPLEMENTED, "nothing here knows the method"),
        })
    }

    /// Where an answer leads to.
    fn respond(&mut self, Answer(answered): Answer<H>, io: &mut Io<'_, Http<H>>) -> HttpRespond<H> {
        match answered {
            // What becomes of it is told when it has.
            Answered::Begun(body, outgoing) => return HttpRespond::Streaming { body, outgoing },
            Answered::Later => return HttpRespond::Working,
            Answered::Whole => self.tell_answered(io),
        }
        if self.terms.persists { HttpRespond::Idle } else { HttpRespond::Closed }
    }

    fn take(
        &mut self,
        incoming: &mut Incoming<H>,
        framing: &mut Framing,
        piece: &[u8],
        io: &mut Io<'_, Http<H>>,
    ) -> Result<HttpTake<H>, Refusal> {
        if let Incoming::Wanted { upload, held } = incoming {
            if held.len() + piece.len() < BODY_STEP && !framing.is_whole() {
                held.extend_from_slice(piece);
                return Ok(HttpTake::Stay);
            }
            let gathered = mem::take(held);
            let piece = joined(&gathered, piece);
            let Absorbed(is_done) = self.handler.absorb(upload, &piece, Absorption { io })?;
            if !is_done {
                return Ok(HttpTake::Absorbing);
            }
        }
        if framing.is_whole() {
            return Ok(HttpTake::Respond(self.received(incoming, io)?));
        }
        Ok(HttpTake::Stay)
    }

    fn absorbed(
        &mut self,
        incoming: &mut Incoming<H>,
        framing: &mut Framing,
        reply: H::Reply,
        io: &mut Io<'_, Http<H>>,
    ) -> Result<HttpAbsorbed<H>, Refusal> {
        if let Incoming::Wanted { upload, .. } = incoming {
            let Absorbed(is_done) = self.handler.absorbed(upload, reply, Absorption { io })?;
            if !is_done {
                return Ok(HttpAbsorbed::Stay);
            }
        }
        if framing.is_whole() {
            return Ok(HttpAbsorbed::Respond(self.received(incoming, io)?));
        }
        Ok(HttpAbsorbed::Receiving)
    }

    /// Answers a request whose body has come whole.
    fn received(
        &mut self,
        incoming: &mut Incoming<H>,
        io: &mut Io<'_, Http<H>>,
    ) -> Result<HttpRespond<H>, Refusal> {
        let answer = match mem::replace(incoming, Incoming::Whole) {
            Incoming::Wanted { upload, .. } => {
                self.handler.received(upload, Exchange { io, terms: &mut self.terms })?
            }
            Incoming::Unwanted(head) => {
                let parsed = Request::parse(&head, self.limits.head())?;
                let (_, request) = parsed.ok_or(Refusal::CUT_OFF)?;
                self.answer(&request, io)?
            }
            Incoming::Whole => return Err(Refusal::CUT_OFF),
        };
        Ok(self.respond(answer, io))
    }

    fn reply(
        &mut self,
        reply: H::Reply,
        io: &mut Io<'_, Http<H>>,
    ) -> Result<HttpRespond<H>, Refusal> {
        let exchange = Exchange { io, terms: &mut self.terms };
        let answer = self.handler.reply(reply, exchange)?;
        Ok(self.respond(answer, io))
    }

    fn next_piece(
        &mut self,
        body: &mut H::Body,
        outgoing: &mut Outgoing,
        io: &mut Io<'_, Http<H>>,
    ) -> HttpNextPiece {
        if self.awaits_piece {
            return HttpNextPiece::Stay;
        }
        let written = self.handler.next_piece(body, BodyWriter { io, outgoing });
        self.sent(written).map_or(HttpNextPiece::Stay, HttpNextPiece::Sent)
    }

    fn piece(
        &mut self,
        body: &mut H::Body,
        outgoing: &mut Outgoing,
        reply: H::Reply,
        io: &mut Io<'_, Http<H>>,
    ) -> HttpPiece {
        let written = self.handler.piece(body, reply, BodyWriter { io, outgoing });
        self.sent(written).map_or(HttpPiece::Stay, HttpPiece::Sent)
    }

    /// Where a response leads to whose body has come so far; nowhere else while more follows.
    fn sent(&mut self, Written(progress): Written) -> Option<HttpSent> {
        self.awaits_piece = matches!(progress, Progress::Later);
        match progress {
            Progress::More | Progress::Later => None,
            Progress::Whole if self.terms.persists => Some(HttpSent::Idle),
            Progress::Whole => Some(HttpSent::Closed),
            Progress::Broken => Some(HttpSent::Gone),
        }
    }

    /// The response that goes out piece by piece is whole or broken off, whoever did that.
    fn tell_streamed(&mut self, outgoing: &Outgoing, io: &mut Io<'_, Http<H>>) {
        if let (Some((_, Some(bytes), _)), Outgoing::Counted(left)) =
            (&mut self.terms.answered, outgoing)
        {
            *bytes = bytes.saturating_sub(*left);
        }
        self.tell_answered(io);
    }

    /// The response was cut off, and nobody knows where: a state that is broken off is not left.
    fn tell_cut_off(&mut self, io: &mut Io<'_, Http<H>>) {
        if let Some((_, bytes, _)) = &mut self.terms.answered {
            *bytes = None;
        }
        self.tell_answered(io);
    }

    /// Tells the handler of the head that was written, if one was.
    fn tell_answered(&mut self, io: &mut Io<'_, Http<H>>) {
        if let Some((status, bytes, now)) = self.terms.answered.take() {
            self.handler.answered(status, bytes, now, &mut io.shared.handler);
        }
    }

    /// Says why the connection ends, and that it does.
    fn refuse(&mut self, Refusal { status, why }: Refusal, io: &mut Io<'_, Http<H>>) {
        self.terms.persists = false;
        Exchange { io, terms: &mut self.terms }.explain(status, why);
        self.tell_answered(io);
    }

    /// The head of a request is none; its first line began so.
    fn refuse_head(&mut self, refusal: Refusal, line: &[u8], io: &mut Io<'_, Http<H>>) {
        self.terms = Terms { is_head: line.starts_with(b"HEAD "), ..Terms::UNKNOWN };
        self.handler.misunderstood(line, &mut io.shared.handler);
        self.refuse(refusal, io);
    }

    /// The client sends no more. Half a head is answered, since it waits for something.
    fn half_a_head(&mut self, rest: &[u8], io: &mut Io<'_, Http<H>>) {
        if !rest.is_empty() {
            self.refuse_head(Refusal::CUT_OFF, first_line(rest), io);
        }
    }

    /// The client sends no more, and its body is not whole.
    fn cut_off(&mut self, io: &mut Io<'_, Http<H>>) {
        self.refuse(Refusal::CUT_OFF, io);
    }

    /// The head of a request does not come whole.
    fn too_slow_head(&mut self, io: &mut Io<'_, Http<H>>) {
        self.refuse_head(Refusal::TOO_SLOW, b"", io);
    }

    /// The body of a request does not come.
    fn too_slow(&mut self, io: &mut Io<'_, Http<H>>) {
        self.refuse(Refusal::TOO_SLOW, io);
    }

    /// The body cannot be put away.
    fn busy(&mut self, io: &mut Io<'_, Http<H>>) {
        self.refuse(Refusal::BUSY, io);
    }

    /// The answer does not come.
    fn try_later(&mut self, io: &mut Io<'_, Http<H>>) -> HttpTryLater {
        Exchange { io, terms: &mut self.terms }.unavailable();
        self.tell_answered(io);
        if self.terms.persists { HttpTryLater::Idle } else { HttpTryLater::Closed }
    }

    fn idle(&self) -> Duration {
        self.limits.idle
    }

    fn head_time(&self) -> Duration {
        self.limits.head_time
    }

    fn body_time(&self) -> Duration {
        self.limits.body_time()
    }

    fn answer_time(&self) -> Duration {
        self.limits.answer_time
    }

    fn stall(&self) -> Duration {
        self.limits.stall
    }
}

/// What was held and what has come. Most pieces are large, and nothing was held.
fn joined<'a>(held: &[u8], piece: &'a [u8]) -> Cow<'a, [u8]> {
    if held.is_empty() { piece.into() } else { [held, piece].concat().into() }
}

/// Serves until the server is told to stop, each client with a handler of its own.
///
/// # Errors
/// What ended the server early.
pub fn serve<H: Handler>(
    server: Server<Http<H>>,
    limits: Limits,
    make_shared: impl Fn(usize) -> H::Shared + Send + Sync,
    make_handler: impl Fn(&Peer) -> H + Send + Sync,
) -> Result<(), ServerError> {
    let head = limits.head();
    let limits = Arc::new(limits);
    let shared = |worker| Shared::new(make_shared(worker));
    server.run_with(head, shared, |peer| Client::new(make_handler(peer), &limits)).map(drop)
}
