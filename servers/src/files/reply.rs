//! What a client gets of what is at a path: all of it, a part, the news that it has it already, or
//! where else to look.

use std::ops::Range;

use fsm_runtime::Bytes;
use http::StatusCode;
use http::header::{
    CACHE_CONTROL, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, LOCATION,
    VARY, X_CONTENT_TYPE_OPTIONS,
};

use super::asked::Asked;
use super::conditions::{Verdict, evaluate};
use super::document::{Content, Document, Resource, Variant};
use super::download::{Download, Part};
use super::listing::{self, Order};
use super::negotiation::Accepted;
use super::path::FilePath;
use super::ranges::{Boundary, Parts, Selection, content_range, content_range_of_none, select};
use crate::http::{Answer, Exchange, Field, Handler, Request};

/// Who asks for what.
#[derive(Clone, Copy)]
pub struct Query<'a> {
    /// The request.
    pub request: &'a Request<'a>,
    /// The path it is for.
    pub path: &'a FilePath<'a>,
}

/// Answers a request with what is at its path.
pub fn with<H: Handler<Body = Download>>(
    resource: &Resource,
    query: Query<'_>,
    exchange: Exchange<'_, '_, H>,
) -> Answer<H> {
    match resource {
        Resource::File(document) => file(document, query.request, exchange),
        Resource::Directory => redirect(&query.path.location(query.request.query()), exchange),
        Resource::Listing(_) => page(PageWish::of(query).draw(resource), exchange),
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
    body: Vec<u8>,
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
        let Resource::Listing(found) = resource else {
            return Page { content_type: "text/plain", body: Vec::new() };
        };
        if self.is_json {
            let body = listing::json(found, self.order);
            return Page { content_type: "application/json", body };
        }
        let body = listing::html(&self.path, found, self.order);
        Page { content_type: "text/html; charset=utf-8", body }
    }
}

/// Answers with a directory. It is not to be kept: a name more or less has no date.
pub fn page<H: Handler>(
    Page { content_type, body }: Page,
    exchange: Exchange<'_, '_, H>,
) -> Answer<H> {
    let fields = [
        (CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(listing::POLICY)),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    exchange.respond_shared(StatusCode::OK, &fields, &body.into())
}

/// 301: the slash is missing (RFC 9110 15.4.2).
fn redirect<H: Handler>(location: &str, exchange: Exchange<'_, '_, H>) -> Answer<H> {
    match HeaderValue::from_str(location) {
        Ok(location) => {
            exchange.respond(StatusCode::MOVED_PERMANENTLY, &[(LOCATION, location)], b"")
        }
        Err(_) => exchange.explain(StatusCode::NOT_FOUND, "nothing is here"),
    }
}

fn file<H: Handler<Body = Download>>(
    document: &Document,
    request: &Request<'_>,
    exchange: Exchange<'_, '_, H>,
) -> Answer<H> {
    let asked = Asked::by(request);
    let coding = Accepted::choose(&asked.accept_encoding, document.codings());
    let Some(variant) = coding.and_then(|coding| document.in_coding(coding)) else {
        let vary = [(VARY, HeaderValue::from_static("Accept-Encoding"))];
        return exchange.respond(StatusCode::NOT_ACCEPTABLE, &vary, b"");
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
                parts(variant, bytes, [Part::Bytes(range)], &field, exchange)
            }
            Selection::Several(ranges) => several(document, variant, ranges, exchange),
            Selection::Unsatisfiable => unsatisfiable(variant, exchange),
        },
        Verdict::ProceedIgnoringRange => whole(variant, exchange),
        Verdict::NotModified => exchange.respond_prepared(&variant.not_modified, &Bytes::new()),
        Verdict::PreconditionFailed => {
            exchange.explain(StatusCode::PRECONDITION_FAILED, "the file is another one by now")
        }
    }
}

fn whole<H: Handler<Body = Download>>(
    variant: &Variant,
    exchange: Exchange<'_, '_, H>,
) -> Answer<H> {
    match &variant.content {
        Content::Held(bytes) => exchange.respond_prepared(&variant.whole, bytes),
        Content::Open(file, meta) => {
            let all = Part::Bytes(0..meta.size);
            exchange.stream_prepared(&variant.whole, Download::new(file, *meta, [all]))
        }
    }
}

/// 206, with so many bytes of a body that is made of parts, and one field more than usual.
fn parts<H: Handler<Body = Download>>(
    variant: &Variant,
    length: u64,
    parts: impl IntoIterator<Item = Part>,
    field: &Field,
    exchange: Exchange<'_, '_, H>,
) -> Answer<H> {
    // The content type of several parts takes the place of the file's.
    let own = variant.fields.iter().filter(|(name, _)| *name != field.0);
    let fields: Vec<_> = own.chain([field]).cloned().collect();
    let status = StatusCode::PARTIAL_CONTENT;
    match &variant.content {
        Content::Held(bytes) => exchange.respond_shared(status, &fields, &joined(bytes, parts)),
        Content::Open(file, meta) => {
            let download = Download::new(file, *meta, parts);
            exchange.stream(status, &fields, Some(length), download)
        }
    }
}

/// Parts of what is in memory, one behind the other. One alone goes on being shared.
fn joined(bytes: &Bytes, parts: impl IntoIterator<Item = Part>) -> Bytes {
    let mut pieces = parts.into_iter().map(|part| match part {
        Part::Text(text) => text.into(),
        Part::Bytes(range) => slice(bytes, range),
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

fn several<H: Handler<Body = Download>>(
    document: &Document,
    variant: &Variant,
    ranges: Vec<Range<u64>>,
    exchange: Exchange<'_, '_, H>,
) -> Answer<H> {
    let media_type = document.content_type().clone();
    let length = variant.content.length();
    let parts = Parts::new(Boundary::new(), media_type, length, ranges);
    let mut body = Vec::new();
    for (at, range) in parts.ranges().iter().enumerate() {
        let mut head = Vec::new();
        parts.push_head(at, &mut head);
        body.push(Part::Text(head));
        body.push(Part::Bytes(range.clone()));
    }
    let mut end = Vec::new();
    parts.push_end(&mut end);
    body.push(Part::Text(end));
    let field = (CONTENT_TYPE, parts.content_type());
    let length = parts.content_length();
    self::parts(variant, length, body, &field, exchange)
}

/// 416, and how long the file is (RFC 9110 15.5.17).
fn unsatisfiable<H: Handler>(variant: &Variant, exchange: Exchange<'_, '_, H>) -> Answer<H> {
    let field = (CONTENT_RANGE, content_range_of_none(variant.content.length()));
    exchange.respond(StatusCode::RANGE_NOT_SATISFIABLE, &[field], b"")
}
