//! What a client gets of what is at a path: all of it, a part, the news that it has it already, or
//! where else to look.

use std::io;
use std::ops::Range;

use fsm_runtime::Bytes;
use http::StatusCode;
use http::header::{
    CACHE_CONTROL, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName,
    HeaderValue, LOCATION, VARY, X_CONTENT_TYPE_OPTIONS,
};

use super::asked::Asked;
use super::conditions::{Verdict, evaluate};
use super::document::{Content, Document, Resource, Variant};
use super::download::{Download, Missing, Part};
use super::listing::{self, Order};
use super::negotiation::{Accepted, Coding};
use super::path::FilePath;
use super::ranges::{Boundary, Parts, Selection, content_range, content_range_of_none, select};
use super::validators::{EntityTag, Validators};
use crate::http::{Answer, Exchange, Field, Handler, Prepared, Request};

/// Who asks for what.
#[derive(Clone, Copy)]
pub struct Query<'a> {
    /// The request.
    pub request: &'a Request<'a>,
    /// The path it is for.
    pub path: &'a FilePath<'a>,
}

/// What became of a request.
pub enum Reply<'a, 'io, H: Handler> {
    /// It is answered.
    Answer(Answer<H>),
    /// What is sent first has to be read by who may wait for it.
    Unready(Exchange<'a, 'io, H>, Box<Opening>),
}

/// A response that is not begun: its head, where its body comes from, and what is sent first of it.
pub struct Opening {
    head: Prepared,
    download: Download,
    missing: Missing,
}

/// Answers a request with what is at its path.
pub fn with<'a, 'io, H: Handler<Body = Download>>(
    resource: &Resource,
    query: Query<'_>,
    exchange: Exchange<'a, 'io, H>,
) -> Reply<'a, 'io, H> {
    match resource {
        Resource::File(document) => file(document, query.request, exchange),
        Resource::Directory => {
            let location = query.path.location(query.request.query());
            Reply::Answer(redirect(&location, exchange))
        }
        Resource::Listing(_) => {
            let drawn = PageWish::of(query).draw(resource);
            Reply::Answer(page(&drawn, query.request, exchange))
        }
    }
}

impl Opening {
    /// Reads what is sent first, so that nobody is promised what does not come. May wait for a
    /// disk.
    ///
    /// # Errors
    /// As for [`Missing::read`].
    pub fn read(mut self: Box<Self>) -> io::Result<Box<Self>> {
        let bytes = self.missing.read()?;
        self.download.fill(bytes);
        Ok(self)
    }

    /// Begins the response.
    pub fn begin<H>(self, exchange: Exchange<'_, '_, H>) -> Answer<H>
    where
        H: Handler<Body = Download>,
    {
        exchange.stream_prepared(&self.head, self.download)
    }
}

/// Begins a response, if that can be done without waiting.
fn begin<'a, 'io, H: Handler<Body = Download>>(
    head: &Prepared,
    download: Download,
    exchange: Exchange<'a, 'io, H>,
) -> Reply<'a, 'io, H> {
    let missing = if exchange.is_head() { None } else { download.missing() };
    match missing {
        None => Reply::Answer(exchange.stream_prepared(head, download)),
        Some(missing) => {
            let head = head.clone();
            Reply::Unready(exchange, Box::new(Opening { head, download, missing }))
        }
    }
}

/// How somebody wants to see a directory.
pub struct PageWish {
    /// The directory's path, with a slash at both ends.
    path: Vec<u8>,
    order: Order,
    is_json: bool,
}

/// A directory as it was wanted.
pub struct Page {
    content_type: &'static str,
    body: Bytes,
    /// A name more or less has no date, but gives another tag.
    validators: Validators,
    /// There is more in the directory.
    is_cut: bool,
}

impl PageWish {
    /// What the query of a request says of it.
    #[must_use]
    pub fn of(Query { request, path }: Query<'_>) -> Self {
        let path = if path.as_bytes().is_empty() {
            b"/".to_vec()
        } else {
            [b"/", path.as_bytes(), b"/"].concat()
        };
        let query = request.query();
        Self { path, order: Order::of(query), is_json: listing::wants_json(query) }
    }

    /// Draws it; nothing of what is no directory. For long ones that takes milliseconds.
    #[must_use]
    pub fn draw(&self, resource: &Resource) -> Page {
        let (content_type, body) = match resource {
            Resource::Listing(found) if self.is_json => {
                ("application/json", listing::json(found, self.order))
            }
            Resource::Listing(found) => {
                ("text/html; charset=utf-8", listing::html(&self.path, found, self.order))
            }
            Resource::File(_) | Resource::Directory => ("text/plain; charset=utf-8", Vec::new()),
        };
        let is_cut = matches!(resource, Resource::Listing(found) if found.is_cut);
        // The same names are another list where they are not all there are.
        let tag = if is_cut {
            EntityTag::of_content(Coding::Identity, &[&body[..], b"cut"].concat())
        } else {
            EntityTag::of_content(Coding::Identity, &body)
        };
        let validators = Validators::new(tag, None);
        Page { content_type, body: body.into(), validators, is_cut }
    }
}

/// What a program is told that reads a list with an end to it: there is more in the directory.
const LIST_IS_CUT: Field =
    (HeaderName::from_static("list-is-cut"), HeaderValue::from_static("true"));

/// Answers with a directory. It is not to be used again without asking: nobody can say for how long
/// it stays as it is.
pub fn page<H: Handler>(
    page: &Page,
    request: &Request<'_>,
    exchange: Exchange<'_, '_, H>,
) -> Answer<H> {
    let tag = (ETAG, page.validators.tag().header_value());
    let mut fields = vec![tag, (CACHE_CONTROL, HeaderValue::from_static("no-cache"))];
    fields.extend(page.is_cut.then_some(LIST_IS_CUT));
    match evaluate(&Asked::by(request), &page.validators, exchange.time_of_day()) {
        Verdict::NotModified => exchange.respond(StatusCode::NOT_MODIFIED, &fields, b""),
        Verdict::PreconditionFailed => changed(exchange),
        Verdict::Proceed | Verdict::ProceedIgnoringRange => {
            fields.extend([
                (CONTENT_TYPE, HeaderValue::from_static(page.content_type)),
                (CONTENT_SECURITY_POLICY, HeaderValue::from_static(listing::POLICY)),
                (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            ]);
            exchange.respond_shared(StatusCode::OK, &fields, &page.body)
        }
    }
}

/// 412: what is here is not what the client takes it for.
fn changed<H: Handler>(exchange: Exchange<'_, '_, H>) -> Answer<H> {
    exchange.explain(StatusCode::PRECONDITION_FAILED, "what is here is another one by now")
}

/// 301: the slash is missing (RFC 9110 15.4.2).
fn redirect<H: Handler>(location: &str, exchange: Exchange<'_, '_, H>) -> Answer<H> {
    match HeaderValue::from_str(location) {
        Ok(location) => {
            let why = "the path of a directory ends with a slash";
            exchange.explain_with(Some((LOCATION, location)), StatusCode::MOVED_PERMANENTLY, why)
        }
        Err(_) => exchange.explain(StatusCode::NOT_FOUND, "nothing is here"),
    }
}

fn file<'a, 'io, H: Handler<Body = Download>>(
    document: &Document,
    request: &Request<'_>,
    exchange: Exchange<'a, 'io, H>,
) -> Reply<'a, 'io, H> {
    let asked = Asked::by(request);
    let coding = Accepted::choose(&asked.accept_encoding, document.codings());
    let Some(variant) = coding.and_then(|coding| document.in_coding(coding)) else {
        let vary = (VARY, HeaderValue::from_static("Accept-Encoding"));
        let why = "the file is in none of the codings that you accept";
        let status = StatusCode::NOT_ACCEPTABLE;
        return Reply::Answer(exchange.explain_with(Some(vary), status, why));
    };
    let verdict = if asked.is_conditional() {
        evaluate(&asked, &variant.validators, exchange.time_of_day())
    } else {
        Verdict::Proceed
    };
    match verdict {
        Verdict::Proceed => match select(asked.range, variant.content.length()) {
            Selection::Whole => whole(variant, exchange),
            Selection::One(range) => {
                let length = variant.content.length();
                let field = (CONTENT_RANGE, content_range(&range, length));
                let bytes = range.end - range.start;
                parts(variant, bytes, [Part::File(range)], &field, exchange)
            }
            Selection::Several(ranges) => several(document, variant, ranges, exchange),
            Selection::Unsatisfiable => Reply::Answer(unsatisfiable(variant, exchange)),
        },
        Verdict::ProceedIgnoringRange => whole(variant, exchange),
        Verdict::NotModified => {
            Reply::Answer(exchange.respond_prepared(&variant.not_modified, &Bytes::new()))
        }
        Verdict::PreconditionFailed => Reply::Answer(changed(exchange)),
    }
}

fn whole<'a, 'io, H: Handler<Body = Download>>(
    variant: &Variant,
    exchange: Exchange<'a, 'io, H>,
) -> Reply<'a, 'io, H> {
    match &variant.content {
        Content::Held(bytes) => Reply::Answer(exchange.respond_prepared(&variant.whole, bytes)),
        Content::Open(file, meta) => {
            let all = Part::File(0..meta.size);
            begin(&variant.whole, Download::new(file, *meta, [all]), exchange)
        }
    }
}

/// 206, with so many bytes of a body that is made of parts, and one field more than usual.
fn parts<'a, 'io, H: Handler<Body = Download>>(
    variant: &Variant,
    length: u64,
    parts: impl IntoIterator<Item = Part>,
    field: &Field,
    exchange: Exchange<'a, 'io, H>,
) -> Reply<'a, 'io, H> {
    // The content type of several parts takes the place of the file's.
    let own = variant.fields.iter().filter(|(name, _)| *name != field.0);
    let fields: Vec<_> = own.chain([field]).cloned().collect();
    let status = StatusCode::PARTIAL_CONTENT;
    match &variant.content {
        Content::Held(bytes) => {
            Reply::Answer(exchange.respond_shared(status, &fields, &joined(bytes, parts)))
        }
        Content::Open(file, meta) => {
            let head = Prepared::new(status, &fields, length);
            begin(&head, Download::new(file, *meta, parts), exchange)
        }
    }
}

/// Parts of what is in memory, one behind the other. One alone goes on being shared.
fn joined(bytes: &Bytes, parts: impl IntoIterator<Item = Part>) -> Bytes {
    let mut pieces = parts.into_iter().map(|part| match part {
        Part::Held(text) => text,
        Part::File(range) => slice(bytes, range),
    });
    match (pieces.next(), pieces.next()) {
        (first, None) => first.unwrap_or_default(),
        (first, second) => {
            let all: Vec<Bytes> = first.into_iter().chain(second).chain(pieces).collect();
            all.concat().into()
        }
    }
}

/// No range ends behind the file it was made for.
fn slice(bytes: &Bytes, Range { start, end }: Range<u64>) -> Bytes {
    match (usize::try_from(start), usize::try_from(end)) {
        (Ok(start), Ok(end)) if start <= end && end <= bytes.len() => bytes.slice(start..end),
        _ => Bytes::new(),
    }
}

fn several<'a, 'io, H: Handler<Body = Download>>(
    document: &Document,
    variant: &Variant,
    ranges: Vec<Range<u64>>,
    exchange: Exchange<'a, 'io, H>,
) -> Reply<'a, 'io, H> {
    let media_type = document.content_type().clone();
    let length = variant.content.length();
    let parts = Parts::new(Boundary::new(), media_type, length, ranges);
    let mut body = Vec::new();
    for (at, range) in parts.ranges().iter().enumerate() {
        let mut head = Vec::new();
        parts.push_head(at, &mut head);
        body.push(Part::Held(head.into()));
        body.push(Part::File(range.clone()));
    }
    let mut end = Vec::new();
    parts.push_end(&mut end);
    body.push(Part::Held(end.into()));
    let field = (CONTENT_TYPE, parts.content_type());
    let length = parts.content_length();
    self::parts(variant, length, body, &field, exchange)
}

/// 416, and how long the file is (RFC 9110 15.5.17).
fn unsatisfiable<H: Handler>(variant: &Variant, exchange: Exchange<'_, '_, H>) -> Answer<H> {
    let field = (CONTENT_RANGE, content_range_of_none(variant.content.length()));
    let why = "the file has none of the bytes that you ask for";
    exchange.explain_with(Some(field), StatusCode::RANGE_NOT_SATISFIABLE, why)
}

#[cfg(test)]
mod tests {
    use super::super::listing::Listing;
    use super::*;

    /// A program that has one must not be told that it has the other.
    #[test]
    fn a_list_that_is_cut_is_another_than_one_that_is_not() {
        let drawn = |is_cut| {
            let listing = Listing { entries: Vec::new(), is_cut, is_flat: true };
            let wish = PageWish { path: b"/".to_vec(), order: Order::default(), is_json: true };
            wish.draw(&Resource::Listing(listing))
        };
        assert_eq!(drawn(true).body, drawn(false).body);
        assert_ne!(drawn(true).validators, drawn(false).validators);
        assert_eq!(drawn(true).validators, drawn(true).validators);
    }
}
