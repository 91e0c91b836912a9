//! A case of a table: what a client sends, and what must come of it. Bytes go in and out of a
//! machine without sockets; what comes out is read as strictly as a client may read it.

use std::sync::{Arc, LazyLock};

use fsm_runtime::testing::Driver;
use fsm_tests::http_echo::HttpEcho;
use fsm_tests::response::Response;
use servers::http::{Client, Handler, Http, Limits, Shared};

/// A name, what is sent, and what must come of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case(pub(crate) &'static str, pub(crate) &'static [u8], pub(crate) Expected);

/// A request by what is particular about it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sent {
    /// All of it.
    Whole(&'static [u8]),
    /// A field of a `GET`.
    Field(&'static [u8]),
    /// A field of a `POST`, and everything behind that.
    Posted(&'static [u8]),
    /// A body in chunks.
    Chunks(&'static [u8]),
}

impl Sent {
    /// The whole request.
    pub(crate) fn bytes(self) -> &'static [u8] {
        const CODED: &[u8] = b"Transfer-Encoding: chunked\r\n\r\n";
        let [get, post]: [&[u8]; 2] =
            [b"GET / HTTP/1.1\r\nHost: a\r\n", b"POST / HTTP/1.1\r\nHost: a\r\n"];
        let whole = match self {
            Self::Whole(bytes) => return bytes,
            Self::Field(line) => [get, line, b"\r\n\r\n"].concat(),
            Self::Posted(rest) => [post, rest].concat(),
            Self::Chunks(body) => [post, CODED, body].concat(),
        };
        whole.leak()
    }
}

/// What comes of what a client has sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expected {
    /// One response with this status, which says why and that the connection closes; it does.
    Refused(u16),
    /// These responses, and the next request may begin.
    Open(&'static [Answer]),
    /// These responses; the last one says that the connection closes, and it does.
    Closed(&'static [Answer]),
    /// These responses, and the rest of a message is waited for.
    Unfinished(&'static [Answer]),
}

/// A response.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer {
    /// 100, and nothing else.
    Continue,
    /// 200 with this body.
    Says(&'static str),
    /// 200 with this body, which is no text.
    Gives(&'static [u8]),
    /// This status, and a body that says it in words.
    Explains(u16),
    /// This status to `HEAD`: a length and no body.
    Headed(u16),
    /// 204, which has neither length nor body.
    Nothing,
}

/// Cases that are judged by the same limits.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) limits: Arc<Limits>,
    pub(crate) cases: Vec<Case>,
}

impl Table {
    /// Cases by the limits that a server has unless it is told otherwise.
    pub(crate) fn new(name: &'static str, cases: &[Case]) -> Self {
        Self { name, limits: usual(), cases: cases.to_vec() }
    }

    /// Plays every case in one piece.
    ///
    /// # Panics
    /// Where something else comes of one.
    #[track_caller]
    pub(crate) fn check(&self) {
        let wrong: Vec<_> = self
            .cases
            .iter()
            .filter_map(|case| {
                let wrong = case.complaint(&self.play([case.1]))?;
                Some(format!("{}: {}\n  `{}`", self.name, wrong, case.1.escape_ascii()))
            })
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// Plays a conversation by the limits of the table.
    pub(crate) fn play<'a>(&self, pieces: impl IntoIterator<Item = &'a [u8]>) -> Played {
        play(HttpEcho, &self.limits, pieces)
    }
}

/// Checks cases by the usual limits; see [`Table::check`].
#[track_caller]
pub(crate) fn check(name: &'static str, cases: &[Case]) {
    Table::new(name, cases).check();
}

/// The limits that a server has unless it is told otherwise.
pub(crate) fn usual() -> Arc<Limits> {
    static USUAL: LazyLock<Arc<Limits>> = LazyLock::new(|| Arc::new(Limits::default()));
    Arc::clone(&USUAL)
}

/// What came of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Played {
    pub(crate) sent: Vec<u8>,
    pub(crate) state: &'static str,
    /// The bytes that wait for others, in a connection that goes on.
    pub(crate) left: usize,
    /// What was sent when the client then closed its side.
    pub(crate) sent_at_end: Vec<u8>,
    pub(crate) state_at_end: &'static str,
}

/// Has a handler's machine take the pieces one by one, and then the end of the input.
pub(crate) fn play<'a, H>(
    handler: H,
    limits: &Arc<Limits>,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Played
where
    H: Handler,
    H::Shared: Default,
{
    let client = Client::new(handler, limits);
    let shared = Shared::new(H::Shared::default());
    let mut driver = Driver::<Http<H>>::with_decoder(client, shared, limits.head());
    for piece in pieces {
        driver.input(piece);
        settle(&mut driver);
    }
    let sent = driver.sent();
    let state = driver.state();
    let left = if driver.has_ended() { 0 } else { driver.undelivered().len() };
    driver.end_of_input();
    settle(&mut driver);
    Played { sent, state, left, sent_at_end: driver.sent(), state_at_end: driver.state() }
}

/// Does what the pool and the kernel would do.
fn settle<H: Handler>(driver: &mut Driver<Http<H>>) {
    while driver.run_jobs() > 0 || driver.state() == "Streaming" {
        driver.drained();
    }
}

impl Case {
    /// What is wrong with what came of it.
    pub(crate) fn complaint(&self, played: &Played) -> Option<String> {
        let Self(name, _, expected) = self;
        let refusal;
        let (answers, state) = match *expected {
            Expected::Refused(status) => {
                refusal = [Answer::Explains(status)];
                (&refusal[..], "Closed")
            }
            Expected::Open(answers) => (answers, "Idle"),
            Expected::Closed(answers) => (answers, "Closed"),
            Expected::Unfinished(answers) => (answers, played.state),
        };
        let waits = played.state == "Receiving" || played.left > 0;
        if played.state != state || waits != matches!(expected, Expected::Unfinished(_)) {
            let Played { state: is, left, .. } = played;
            return Some(format!("{name}: is {is} with {left} bytes left"));
        }
        let mut rest = &played.sent[..];
        for (at, answer) in answers.iter().enumerate() {
            let closes = state == "Closed" && at + 1 == answers.len();
            match answer.take(rest, closes) {
                Ok(left) => rest = left,
                Err(wrong) => return Some(format!("{name}: {wrong} `{}`", rest.escape_ascii())),
            }
        }
        (!rest.is_empty()).then(|| format!("{name}: too much `{}`", rest.escape_ascii()))
    }
}

impl Answer {
    /// Takes this response from the front of the bytes.
    fn take(self, bytes: &[u8], closes: bool) -> Result<&[u8], String> {
        if let Self::Continue = self {
            return bytes.strip_prefix(b"HTTP/1.1 100 Continue\r\n\r\n").ok_or("no 100".into());
        }
        let status = match self {
            Self::Continue | Self::Nothing => 204,
            Self::Says(_) | Self::Gives(_) => 200,
            Self::Explains(status) | Self::Headed(status) => status,
        };
        let (response, rest) = take(bytes, matches!(self, Self::Headed(_)))?;
        if response.status != status {
            return Err(format!("{} instead of {status}", response.status));
        }
        if response.closes() != closes {
            return Err(format!("says of closing that it is {}", !closes));
        }
        match self {
            Self::Says(text) if response.body != text.as_bytes() => Err(format!("not `{text}`")),
            Self::Gives(bytes) if response.body != bytes => Err("another body".into()),
            Self::Explains(_) if !response.body.starts_with(status.to_string().as_bytes()) => {
                Err("no explanation".into())
            }
            _ => Ok(rest),
        }
    }
}

/// Takes a response from the front of the bytes; `is_head` says that it answers a `HEAD`.
pub(crate) fn take(bytes: &[u8], is_head: bool) -> Result<(Response, &[u8]), String> {
    let (response, rest) = Response::split(bytes, is_head)?;
    // The time of day stands still at the epoch where there are no sockets.
    if response.field("date") != Some("Thu, 01 Jan 1970 00:00:00 GMT") {
        return Err("another date".into());
    }
    Ok((response, rest))
}
