//! Why a request is refused: a status, and one line for whoever reads it.

use std::fmt;
use std::io;

use http::StatusCode;

/// The end of a connection with a reason: what cannot be framed, or is more than is taken. The
/// response says both, and that the connection closes, since what follows cannot be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The status of the response, of the classes 4xx and 5xx.
    pub status: StatusCode,
    /// What was wrong, for people; the response's body.
    pub why: &'static str,
}

impl Refusal {
    /// A refusal with any status.
    #[must_use]
    pub const fn new(status: StatusCode, why: &'static str) -> Self {
        Self { status, why }
    }

    /// 400: the request is not HTTP as RFC 9112 writes it.
    #[must_use]
    pub const fn malformed(why: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, why)
    }

    /// 503: what would have to be waited for takes too long, or too much waits already.
    pub(super) const BUSY: Self =
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the server is busy; try again in a second");

    /// 408: the request did not come in the time it had (RFC 9110 15.5.9).
    pub(super) const TOO_SLOW: Self =
        Self::new(StatusCode::REQUEST_TIMEOUT, "the request took too long to come");

    /// 417: the client expects what this server does not know (RFC 9110 10.1.1).
    pub(super) const UNEXPECTED: Self =
        Self::new(StatusCode::EXPECTATION_FAILED, "the only expectation known is 100-continue");

    /// 400: the client has closed its side before the request was whole (RFC 9112 8).
    pub(super) const CUT_OFF: Self = Self::malformed("the request ends before it is whole");

    /// 413: the body is longer than is taken (RFC 9110 15.5.14).
    pub(super) const TOO_LARGE: Self =
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is longer than this server takes");
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.status, self.why)
    }
}

impl std::error::Error for Refusal {}

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> Self {
        Self::other(refusal)
    }
}
