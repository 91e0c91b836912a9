//! What answers requests: the part of a server that is not HTTP.

use std::time::SystemTime;

use http::Method;

use super::absorption::{Absorbed, Absorption};
use super::body_writer::{BodyWriter, Written};
use super::exchange::{Answer, Exchange};
use super::head::Request;
use super::refusal::Refusal;

/// Answers the requests of one connection, one at a time.
///
/// The machine sees to everything that is HTTP: it reads heads and bodies, keeps order, frames
/// responses, waits and gives up. A handler is told of whole requests, and has an [`Exchange`] for
/// each, which can be used up in one way only: by answering at once, by having the answer made
/// elsewhere, or by beginning a body that is sent piece by piece.
///
/// ```
/// use fsm_runtime::OperationError;
/// use fsm_runtime::testing::Driver;
/// use http::{HeaderValue, Method, StatusCode, header::CONTENT_TYPE};
/// use servers::http::{Answer, Client, Exchange, Handler, Http, Limits, Refusal, Request, Shared};
///
/// struct Greeter;
///
/// impl Handler for Greeter {
///     const METHODS: &'static [Method] = &[Method::GET, Method::HEAD];
///     type Shared = ();
///     type Reply = Result<(), OperationError>;
///     type Upload = ();
///     type Body = ();
///
///     fn answer(
///         &mut self,
///         request: &Request<'_>,
///         exchange: Exchange<'_, '_, Self>,
///     ) -> Result<Answer<Self>, Refusal> {
///         let text = format!("Hello from {}\n", request.path());
///         let plain = (CONTENT_TYPE, HeaderValue::from_static("text/plain"));
///         Ok(exchange.respond(StatusCode::OK, &[plain], text.as_bytes()))
///     }
/// }
///
/// let client = Client::new(Greeter, &Limits::default().into());
/// let mut driver = Driver::<Http<Greeter>>::with_shared(client, Shared::new(()));
/// driver.input(b"GET /here HTTP/1.1\r\nHost: localhost\r\n\r\n");
/// assert!(driver.sent_text().ends_with("\r\n\r\nHello from /here\n"));
/// ```
pub trait Handler: Sized + 'static {
    /// The methods that some resource here knows. Others are answered by the machine: 405 with
    /// these in `Allow`, 501 for those that no RFC knows, and `OPTIONS` with a 204 unless it is
    /// here.
    const METHODS: &'static [Method];

    /// What the connections of a worker share.
    type Shared: 'static;
    /// What is answered elsewhere: by [`Exchange::offload`] and the like.
    type Reply: fsm_runtime::Reply + Send + 'static;
    /// What is kept of a request whose body is on its way.
    type Upload: 'static;
    /// What is kept of a response whose body is on its way.
    type Body: 'static;

    /// Hears of every request with a head that could be understood, before anything else: for logs.
    fn asked(&mut self, _request: &Request<'_>, _shared: &mut Self::Shared) {}

    /// Hears of a head that could not be understood: what came of its first line, which may be any
    /// bytes.
    fn misunderstood(&mut self, _line: &[u8], _shared: &mut Self::Shared) {}

    /// Hears of every response when it is written, those of the machine's own included; of one that
    /// goes out piece by piece, when it is whole or broken off. It is told the status, the bytes of
    /// the body that were queued, where they are counted, and the time of day of the head.
    fn answered(
        &mut self,
        _status: http::StatusCode,
        _bytes: Option<u64>,
        _now: SystemTime,
        _shared: &mut Self::Shared,
    ) {
    }

    /// Answers a request. Its body, if it had one that nobody wanted, has been read and dropped.
    ///
    /// # Errors
    /// A refusal is sent and ends the connection; whatever was sent of an answer is not.
    fn answer(
        &mut self,
        request: &Request<'_>,
        exchange: Exchange<'_, '_, Self>,
    ) -> Result<Answer<Self>, Refusal>;

    /// Says what to keep of a request whose body it wants, before any of it has come; `None` where
    /// it does not.
    ///
    /// # Errors
    /// As for [`Handler::answer`]: a client that asked whether it may send the body does not.
    fn receive(
        &mut self,
        _request: &Request<'_>,
        _shared: &mut Self::Shared,
    ) -> Result<Option<Self::Upload>, Refusal> {
        Ok(None)
    }

    /// Takes the next piece of a body, in order: 4 KiB at least, but for the last. Where it is put
    /// away elsewhere first, no more is read until that is done, which slows the client down.
    ///
    /// # Errors
    /// As for [`Handler::answer`].
    fn absorb(
        &mut self,
        _upload: &mut Self::Upload,
        _piece: &[u8],
        absorption: Absorption<'_, '_, Self>,
    ) -> Result<Absorbed, Refusal> {
        Ok(absorption.done())
    }

    /// A piece was put away, or could not be.
    ///
    /// # Errors
    /// As for [`Handler::answer`].
    fn absorbed(
        &mut self,
        _upload: &mut Self::Upload,
        _reply: Self::Reply,
        absorption: Absorption<'_, '_, Self>,
    ) -> Result<Absorbed, Refusal> {
        Ok(absorption.done())
    }

    /// Answers a request whose body has come whole.
    ///
    /// # Errors
    /// As for [`Handler::answer`].
    fn received(
        &mut self,
        _upload: Self::Upload,
        _exchange: Exchange<'_, '_, Self>,
    ) -> Result<Answer<Self>, Refusal> {
        Err(UNANSWERED)
    }

    /// Answers a request with what was made elsewhere.
    ///
    /// # Errors
    /// As for [`Handler::answer`].
    fn reply(
        &mut self,
        _reply: Self::Reply,
        _exchange: Exchange<'_, '_, Self>,
    ) -> Result<Answer<Self>, Refusal> {
        Err(UNANSWERED)
    }

    /// Writes the next piece of a response's body: everything before it has gone to the kernel.
    fn next_piece(&mut self, _body: &mut Self::Body, writer: BodyWriter<'_, '_, Self>) -> Written {
        writer.break_off()
    }

    /// Writes a piece of a response's body that was made elsewhere.
    fn piece(
        &mut self,
        _body: &mut Self::Body,
        _reply: Self::Reply,
        writer: BodyWriter<'_, '_, Self>,
    ) -> Written {
        writer.break_off()
    }
}

/// A handler began what it does not know how to end.
const UNANSWERED: Refusal =
    Refusal::new(http::StatusCode::INTERNAL_SERVER_ERROR, "the handler has no answer");

/// A request whose body is on its way.
pub enum Incoming<H: Handler> {
    /// The handler keeps it.
    Wanted {
        /// What it keeps.
        upload: H::Upload,
        /// What has come since it was last given a piece: too little for another.
        held: Vec<u8>,
    },
    /// Nobody wants it, and the request is answered when it has been read: this is its head.
    Unwanted(Box<[u8]>),
    /// It has come whole, and the handler has it.
    Whole,
}

/// How far a response's body has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outgoing {
    /// So many bytes are still to be sent.
    Counted(u64),
    /// Its pieces are chunks.
    Chunked,
    /// It ends where the connection does: the client speaks HTTP/1.0.
    UntilClose,
    /// More was sent than was promised.
    Broken,
}
