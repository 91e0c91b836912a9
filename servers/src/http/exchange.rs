//! How a handler answers: every request comes with a right to one response, which is used up by
//! answering.
//!
//! Heads of responses are written here and nowhere else, so that all of them are framed alike: with
//! a length or in chunks, with a date, and with what becomes of the connection.

use std::time::SystemTime;

use fsm_runtime::{Bytes, Io, OperationError, Out, PoolFull, Ticket};
use http::header::{
    ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE, ETAG, HeaderName, HeaderValue,
    RETRY_AFTER, TRANSFER_ENCODING,
};
use http::{Method, StatusCode};

use super::Http;
use super::date::DateLine;
use super::handler::{Handler, Outgoing};
use super::head::Request;
use super::refusal::Refusal;

/// What all connections of a worker share: the handler's own, and what responses are written with.
#[derive(Debug, Default)]
pub struct Shared<S> {
    /// The handler's own.
    pub handler: S,
    date: DateLine,
    /// Where heads are put together.
    head: Vec<u8>,
}

impl<S> Shared<S> {
    /// The shared data of a worker.
    pub fn new(handler: S) -> Self {
        Self { handler, date: DateLine::default(), head: Vec::new() }
    }
}

/// What the response to the present request has to keep to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub(super) is_http10: bool,
    /// The request's method is `HEAD`: the response ends with its head.
    pub(super) is_head: bool,
    /// Another request may follow.
    pub(super) persists: bool,
    /// What the head says beside what whoever writes it does.
    pub(super) added: Option<&'static Field>,
    /// The status of the head that was written, the bytes of its body, where that is known, and
    /// when, until the handler has been told.
    pub(super) answered: Option<(StatusCode, Option<u64>, SystemTime)>,
}

impl Terms {
    /// Of a request that was not understood, or has not come.
    pub(super) const UNKNOWN: Self =
        Self { is_http10: false, is_head: false, persists: false, added: None, answered: None };

    pub(super) fn of(request: &Request<'_>) -> Self {
        Self {
            is_http10: request.is_http10,
            is_head: *request.method() == Method::HEAD,
            persists: request.persists,
            added: None,
            answered: None,
        }
    }
}

impl Terms {
    /// The bytes of a response's body, where they are known.
    fn length_of(&self, status: StatusCode, outgoing: Outgoing) -> Option<u64> {
        match outgoing {
            _ if self.is_head || !may_have_body(status) => Some(0),
            Outgoing::Counted(bytes) => Some(bytes),
            Outgoing::Chunked | Outgoing::UntilClose | Outgoing::Broken => None,
        }
    }
}

/// How a request was answered. Only an [`Exchange`] makes one.
pub struct Answer<H: Handler>(pub(super) Answered<H>);

pub(super) enum Answered<H: Handler> {
    /// The whole response is queued.
    Whole,
    /// It is made elsewhere.
    Later,
    /// Its head is queued.
    Begun(H::Body, Outgoing),
}

/// A header field of a response.
pub type Field = (HeaderName, HeaderValue);

const PLAIN_TEXT: Field = (CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));

/// In seconds.
const RETRY: Field = (RETRY_AFTER, HeaderValue::from_static("1"));

/// One request's right to one response.
pub struct Exchange<'a, 'io, H: Handler> {
    pub(super) io: &'a mut Io<'io, Http<H>>,
    pub(super) terms: &'a mut Terms,
}

impl<H: Handler> Exchange<'_, '_, H> {
    /// What the connections of this worker share.
    pub fn shared(&mut self) -> &mut H::Shared {
        &mut self.io.shared.handler
    }

    /// The time of day; see [`Io::time_of_day`].
    #[must_use]
    pub fn time_of_day(&self) -> SystemTime {
        self.io.time_of_day()
    }

    /// Tells whether the head is all that is sent of the response: the method is `HEAD`.
    #[must_use]
    pub fn is_head(&self) -> bool {
        self.terms.is_head
    }

    /// Adds a field, or none after all, to the head of the response, however it is answered and be
    /// it later; but for one that says that the server has failed. The last one counts.
    pub fn add(&mut self, field: Option<&'static Field>) {
        self.terms.added = field;
    }

    /// Answers at once with a whole body. A response to `HEAD` has its length and not its bytes,
    /// and one with status 204 or 304 has neither.
    ///
    /// Fields that frame a message (`Content-Length`, `Transfer-Encoding`, `Connection`) and `Date`
    /// are the machine's; among `fields` they are left out.
    pub fn respond(self, status: StatusCode, fields: &[Field], body: &[u8]) -> Answer<H> {
        self.respond_with(status, fields, body.len(), |out| out.send(body))
    }

    /// As [`Exchange::respond`], with a body that others may keep as well and that is not copied;
    /// see [`Out::send_shared`].
    pub fn respond_shared(self, status: StatusCode, fields: &[Field], body: &Bytes) -> Answer<H> {
        self.respond_with(status, fields, body.len(), |out| out.send_shared(body))
    }

    fn respond_with(
        mut self,
        status: StatusCode,
        fields: &[Field],
        length: usize,
        send: impl FnOnce(&mut Out<'_>),
    ) -> Answer<H> {
        self.write_head(status, fields, Outgoing::Counted(length as u64));
        if length > 0 && !self.terms.is_head && may_have_body(status) {
            send(&mut self.io.out);
        }
        Answer(Answered::Whole)
    }

    /// Answers at once with a head that was prepared and its body, or the part of it that the head
    /// speaks of. It costs less than [`Exchange::respond_shared`], which puts the fields together
    /// anew.
    ///
    /// A body that is not as long as was prepared for is answered with 500: what came behind it
    /// would be taken for a part of it, or it for a part of the next response.
    pub fn respond_prepared(mut self, prepared: &Prepared, body: &Bytes) -> Answer<H> {
        if prepared.outgoing != Outgoing::Counted(body.len() as u64) {
            let why = "the head was prepared for another body";
            return self.explain(StatusCode::INTERNAL_SERVER_ERROR, why);
        }
        self.write_prepared(prepared);
        if !self.terms.is_head && may_have_body(prepared.status) {
            self.io.out.send_shared(body);
        }
        Answer(Answered::Whole)
    }

    /// As [`Exchange::stream`], with a head that was prepared.
    pub fn stream_prepared(mut self, prepared: &Prepared, body: H::Body) -> Answer<H> {
        let is_whole = self.terms.is_head || !may_have_body(prepared.status);
        self.write_prepared(prepared);
        Answer(if is_whole { Answered::Whole } else { Answered::Begun(body, prepared.outgoing) })
    }

    /// Answers with a line of text that says in words what the status says as a number. With 503
    /// the client is told to come back in a second, when most of what it waits for has ended one
    /// way or the other.
    pub fn explain(self, status: StatusCode, why: &str) -> Answer<H> {
        let retry = status == StatusCode::SERVICE_UNAVAILABLE;
        self.explain_with(retry.then_some(RETRY), status, why)
    }

    /// 405: the resource does not know the method, but these (RFC 9110 15.5.6).
    pub fn not_allowed(self, methods: &[Method]) -> Answer<H> {
        let allow = (ALLOW, list_of(methods));
        let why = "the resource does not know the method";
        self.explain_with(Some(allow), StatusCode::METHOD_NOT_ALLOWED, why)
    }

    /// 503: what is asked for would have to be waited for longer than makes sense.
    pub fn unavailable(self) -> Answer<H> {
        self.explain(Refusal::BUSY.status, Refusal::BUSY.why)
    }

    /// 204, and what can be asked for at all (RFC 9110 9.3.7).
    pub(super) fn options(self) -> Answer<H> {
        self.respond(StatusCode::NO_CONTENT, &[(ALLOW, list_of(H::METHODS))], b"")
    }

    /// As [`Exchange::explain`], with a field that belongs to the status. A client told to come
    /// back later is so by such a field only.
    pub fn explain_with(self, field: Option<Field>, status: StatusCode, why: &str) -> Answer<H> {
        if status.is_server_error() {
            self.terms.added = None;
        }
        let fields: Vec<_> = field.into_iter().chain([PLAIN_TEXT]).collect();
        self.respond(status, &fields, format!("{status}: {why}\n").as_bytes())
    }

    /// Begins a response whose body is sent piece by piece: [`Handler::next_piece`] is called when
    /// the head has gone to the kernel, and again after each piece.
    ///
    /// Without a `length` in bytes the body goes in chunks, or ends with the connection where the
    /// client speaks HTTP/1.0. A response to `HEAD` is over with its head, and `body` is dropped.
    pub fn stream(
        mut self,
        status: StatusCode,
        fields: &[Field],
        length: Option<u64>,
        body: H::Body,
    ) -> Answer<H> {
        let outgoing = match length {
            Some(bytes) => Outgoing::Counted(bytes),
            None if self.terms.is_http10 => Outgoing::UntilClose,
            None => Outgoing::Chunked,
        };
        let is_whole = self.terms.is_head || !may_have_body(status) || length == Some(0);
        self.write_head(status, fields, outgoing);
        Answer(if is_whole { Answered::Whole } else { Answered::Begun(body, outgoing) })
    }

    /// Has the answer made by a thread that may block; [`Handler::reply`] is called with it. Where
    /// the pool is full the client is told to try again later.
    pub fn offload<J>(self, job: J) -> Answer<H>
    where
        J: FnOnce() -> H::Reply + Send + 'static,
    {
        match self.io.offload(job) {
            Ok(()) => Answer(Answered::Later),
            Err(PoolFull(_)) => self.unavailable(),
        }
    }

    /// Gives away the right to have the answer made from anywhere: to another thread, or to the
    /// shared data, where several requests may wait for one thing. [`Handler::reply`] is called
    /// with what it is used for.
    pub fn wait(mut self, give: impl FnOnce(&mut Self, Ticket<Http<H>>)) -> Answer<H> {
        let ticket = self.io.ticket();
        give(&mut self, ticket);
        Answer(Answered::Later)
    }

    /// Has a job done for the worker and not for this request; see [`Io::offload_shared`].
    ///
    /// # Errors
    /// As many jobs wait or run as may: both closures are dropped.
    pub fn offload_shared<T, J, F>(&mut self, job: J, finish: F) -> Result<(), PoolFull<()>>
    where
        J: FnOnce() -> T + Send + 'static,
        F: FnOnce(&mut H::Shared, Result<T, OperationError>) + Send + 'static,
        T: Send + 'static,
    {
        offload_shared(self.io, job, finish)
    }

    /// Queues the head of a response, and settles whether the connection persists.
    fn write_head(&mut self, status: StatusCode, fields: &[Field], outgoing: Outgoing) {
        self.write(status, outgoing, |head| write_fields(head, status, fields, outgoing));
    }

    fn write_prepared(&mut self, prepared: &Prepared) {
        let Prepared { status, outgoing, fields } = prepared;
        self.write(*status, *outgoing, |head| head.extend_from_slice(fields));
    }

    /// Writes what every head has around the fields of its own.
    fn write(&mut self, status: StatusCode, outgoing: Outgoing, fields: impl FnOnce(&mut Vec<u8>)) {
        self.terms.persists &= outgoing != Outgoing::UntilClose && !self.io.draining();
        let now = self.io.time_of_day();
        self.terms.answered = Some((status, self.terms.length_of(status, outgoing), now));
        let Shared { date, head, .. } = &mut *self.io.shared;
        head.clear();
        write_status(head, status);
        head.extend_from_slice(date.at(now));
        fields(head);
        if let Some(field) = self.terms.added {
            write_field(head, field);
        }
        match (self.terms.persists, self.terms.is_http10) {
            (false, _) => head.extend_from_slice(b"Connection: close\r\n"),
            (true, true) => head.extend_from_slice(b"Connection: keep-alive\r\n"),
            (true, false) => {}
        }
        head.extend_from_slice(b"\r\n");
        self.io.out.send(head);
    }
}

/// Has a job done for the worker, whose handlers share what `finish` is given.
pub(super) fn offload_shared<H, T, J, F>(
    io: &mut Io<'_, Http<H>>,
    job: J,
    finish: F,
) -> Result<(), PoolFull<()>>
where
    H: Handler,
    J: FnOnce() -> T + Send + 'static,
    F: FnOnce(&mut H::Shared, Result<T, OperationError>) + Send + 'static,
    T: Send + 'static,
{
    let finish = |shared: &mut Shared<H::Shared>, answer| finish(&mut shared.handler, answer);
    io.offload_shared(job, finish).map_err(|_| PoolFull(()))
}

/// The head of a response that is the same whoever asks, put together beforehand; the date and what
/// becomes of the connection are written into it when it is sent.
#[derive(Debug, Clone)]
pub struct Prepared {
    status: StatusCode,
    outgoing: Outgoing,
    /// The fields as they are sent.
    fields: Box<[u8]>,
}

impl Prepared {
    /// The head of a response with a body of so many bytes.
    #[must_use]
    pub fn new(status: StatusCode, fields: &[Field], length: u64) -> Self {
        let outgoing = Outgoing::Counted(length);
        let mut text = Vec::new();
        write_fields(&mut text, status, fields, outgoing);
        Self { status, outgoing, fields: text.into() }
    }
}

/// RFC 9110 6.4.1, for the statuses that an answer can have.
fn may_have_body(status: StatusCode) -> bool {
    !status.is_informational()
        && !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// `GET, HEAD`: methods and what the machine answers by itself.
fn list_of(methods: &[Method]) -> HeaderValue {
    let own = [Method::OPTIONS];
    let own = own.iter().filter(|method| !methods.contains(method));
    let names: Vec<_> = methods.iter().chain(own).map(Method::as_str).collect();
    HeaderValue::from_str(&names.join(", ")).unwrap_or(HeaderValue::from_static(""))
}

/// Writes the fields of a response, and those that frame it.
fn write_fields(head: &mut Vec<u8>, status: StatusCode, fields: &[Field], outgoing: Outgoing) {
    for field in fields.iter().filter(|(name, _)| !is_ours(name)) {
        write_field(head, field);
    }
    match outgoing {
        _ if !may_have_body(status) => {}
        Outgoing::Counted(bytes) => {
            let mut digits = itoa::Buffer::new();
            head.extend_from_slice(b"Content-Length: ");
            head.extend_from_slice(digits.format(bytes).as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        Outgoing::Chunked => head.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        Outgoing::UntilClose | Outgoing::Broken => {}
    }
}

/// The version is the server's own highest, whatever the client speaks (RFC 9110 2.5).
fn write_status(head: &mut Vec<u8>, status: StatusCode) {
    if status == StatusCode::OK {
        return head.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    }
    head.extend_from_slice(b"HTTP/1.1 ");
    head.extend_from_slice(status.as_str().as_bytes());
    head.extend_from_slice(b" ");
    head.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    head.extend_from_slice(b"\r\n");
}

/// `Content-Type: `, as people write it, though case means nothing: there are clients that look for
/// fields by exactly these letters.
fn write_name(head: &mut Vec<u8>, name: &HeaderName) {
    if *name == ETAG {
        return head.extend_from_slice(b"ETag: ");
    }
    let begin = head.len();
    head.extend_from_slice(name.as_str().as_bytes());
    for word in head[begin..].split_mut(|byte| *byte == b'-') {
        if let Some(first) = word.first_mut() {
            first.make_ascii_uppercase();
        }
    }
    head.extend_from_slice(b": ");
}

fn write_field(head: &mut Vec<u8>, (name, value): &Field) {
    write_name(head, name);
    head.extend_from_slice(value.as_bytes());
    head.extend_from_slice(b"\r\n");
}

fn is_ours(name: &HeaderName) -> bool {
    [CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, DATE].contains(name)
}

#[cfg(test)]
mod tests {
    use fsm_runtime::OperationError;
    use fsm_runtime::testing::Driver;

    use super::*;
    use crate::http::{Client, Limits};

    /// Answers with the path where one byte was prepared for.
    struct Careless;

    impl Handler for Careless {
        const METHODS: &'static [Method] = &[Method::GET];
        type Shared = ();
        type Reply = Result<(), OperationError>;
        type Upload = ();
        type Body = ();

        fn answer(
            &mut self,
            request: &Request<'_>,
            exchange: Exchange<'_, '_, Self>,
        ) -> Result<Answer<Self>, Refusal> {
            let prepared = Prepared::new(StatusCode::OK, &[], 1);
            let body = Bytes::copy_from_slice(request.path().as_bytes());
            Ok(exchange.respond_prepared(&prepared, &body))
        }
    }

    #[test]
    fn a_prepared_head_goes_with_its_body_only() {
        let client = Client::new(Careless, &Limits::default().into());
        let mut driver = Driver::<Http<Careless>>::with_shared(client, Shared::new(()));
        driver.input(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(driver.sent_text().starts_with("HTTP/1.1 200"), "{}", driver.sent_text());
        driver.input(b"GET /more HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(driver.sent_text().contains("HTTP/1.1 500"), "{}", driver.sent_text());
    }
}
