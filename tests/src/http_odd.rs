//! A handler that does whatever a handler may, as the path of the request says: each time it is
//! called it does what the next word of the path names. `/job/chunked/more/end` has the answer made
//! by the pool, begins a body in chunks, sends a piece of it, and ends it.
//!
//! | called | words |
//! |---|---|
//! | `receive` | `want`, `leave`, `refuse` |
//! | `absorb`, `absorbed` | `keep`, `refuse`, `job`, `panic`, `ticket`, `drop` |
//! | `answer`, `received`, `reply` | `whole`, `large`, `framed`, `bare`, `empty` |
//! | the same, and then not | `refuse`, `regret` |
//! | the same, to be gone on with | `counted`, `chunked`, `job`, `panic`, `ticket`, `drop` |
//! | `next_piece`, `piece` | `more`, `end`, `over`, `break`, `job`, `panic`, `ticket`, `drop` |

use std::collections::VecDeque;

use fsm_runtime::{OperationError, Ticket};
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderName, TRANSFER_ENCODING};
use http::{HeaderValue, Method, StatusCode};
use servers::http::{
    Absorbed, Absorption, Answer, BodyWriter, Exchange, Field, Handler, Http, Refusal, Request,
    Written,
};

/// The bytes that `counted` promises: two pieces, and `over` sends three.
pub const PROMISED: u64 = 6;

/// What `more` sends.
pub const PIECE: &[u8] = b"abc";

/// The bytes that `large` answers at once: more than the network holds.
pub const LARGE: usize = 1024 * 1024;

/// How `refuse` refuses.
pub const REFUSED: Refusal = Refusal::new(StatusCode::IM_A_TEAPOT, "the plan says so");

/// What jobs and tickets answer.
pub type Made = Result<u32, OperationError>;

/// Does what the path says.
#[derive(Debug, Default)]
pub struct Odd {
    plan: VecDeque<String>,
}

/// What is seen of the handlers of a worker.
#[derive(Debug, Default)]
pub struct World {
    /// The tickets that were given away and not used yet.
    pub tickets: Vec<Ticket<Http<Odd>>>,
    /// How handlers were called, in order.
    pub calls: Vec<String>,
}

impl Odd {
    fn plan(&mut self, request: &Request<'_>) {
        self.plan = request.path().split('/').skip(1).map(str::to_owned).collect();
    }

    /// The next word, and a note of who asks for it.
    fn word(&mut self, world: &mut World, call: String) -> String {
        world.calls.push(call);
        self.plan.pop_front().unwrap_or_default()
    }

    fn go_on(
        &mut self,
        mut exchange: Exchange<'_, '_, Self>,
        call: &str,
    ) -> Result<Answer<Self>, Refusal> {
        let word = self.word(exchange.shared(), call.to_owned());
        let ok = StatusCode::OK;
        Ok(match word.as_str() {
            "whole" => exchange.respond(ok, &[], call.as_bytes()),
            "large" => exchange.respond(ok, &[], &vec![b'.'; LARGE]),
            "framed" => exchange.respond(ok, &framing_fields(), call.as_bytes()),
            "bare" => exchange.respond(StatusCode::NO_CONTENT, &[], call.as_bytes()),
            "refuse" => return Err(REFUSED),
            "regret" => {
                let _ = exchange.respond(ok, &[], call.as_bytes());
                return Err(REFUSED);
            }
            "counted" => exchange.stream(ok, &[], Some(PROMISED), ()),
            "chunked" => exchange.stream(ok, &framing_fields(), None, ()),
            "empty" => exchange.stream(ok, &[], Some(0), ()),
            "job" => exchange.offload(|| Ok(7)),
            "panic" => exchange.offload(|| panic!("the plan says so")),
            "ticket" => exchange.wait(|exchange, ticket| exchange.shared().tickets.push(ticket)),
            "drop" => exchange.wait(|_, ticket| drop(ticket)),
            word => panic!("`{word}` is no way to answer"),
        })
    }

    fn put_away(
        &mut self,
        mut absorption: Absorption<'_, '_, Self>,
        call: String,
    ) -> Result<Absorbed, Refusal> {
        let word = self.word(absorption.shared(), call);
        Ok(match word.as_str() {
            "keep" => absorption.done(),
            "refuse" => return Err(REFUSED),
            "job" => absorption.offload(|| Ok(7))?,
            "panic" => absorption.offload(|| panic!("the plan says so"))?,
            "ticket" => {
                absorption.wait(|absorption, ticket| absorption.shared().tickets.push(ticket))
            }
            "drop" => absorption.wait(|_, ticket| drop(ticket)),
            word => panic!("`{word}` is no way to put a piece away"),
        })
    }

    fn write(&mut self, mut writer: BodyWriter<'_, '_, Self>, call: String) -> Written {
        let word = self.word(writer.shared(), call);
        match word.as_str() {
            "more" => {
                writer.send(PIECE);
                writer.more()
            }
            "over" => {
                writer.send(&PIECE.repeat(3));
                writer.more()
            }
            "end" => writer.end(),
            "break" => writer.break_off(),
            "job" => match writer.offload(|| Ok(7)) {
                Ok(()) => writer.wait(),
                Err(_full) => writer.break_off(),
            },
            "panic" => match writer.offload(|| panic!("the plan says so")) {
                Ok(()) => writer.wait(),
                Err(_full) => writer.break_off(),
            },
            "ticket" => {
                let ticket = writer.ticket();
                writer.shared().tickets.push(ticket);
                writer.wait()
            }
            "drop" => {
                drop(writer.ticket());
                writer.wait()
            }
            word => panic!("`{word}` is no way to write a body"),
        }
    }
}

impl Handler for Odd {
    const METHODS: &'static [Method] = &[Method::GET, Method::HEAD, Method::POST];
    type Shared = World;
    type Reply = Made;
    type Upload = usize;
    type Body = ();

    fn answer(
        &mut self,
        request: &Request<'_>,
        exchange: Exchange<'_, '_, Self>,
    ) -> Result<Answer<Self>, Refusal> {
        self.plan(request);
        if request.has_body() {
            // The first word was for `receive`.
            self.plan.pop_front();
        }
        self.go_on(exchange, "answer")
    }

    fn receive(
        &mut self,
        request: &Request<'_>,
        world: &mut World,
    ) -> Result<Option<usize>, Refusal> {
        self.plan(request);
        match self.word(world, "receive".to_owned()).as_str() {
            "want" => Ok(Some(0)),
            "leave" => Ok(None),
            "refuse" => Err(REFUSED),
            word => panic!("`{word}` does not say whether the body is wanted"),
        }
    }

    fn absorb(
        &mut self,
        count: &mut usize,
        piece: &[u8],
        absorption: Absorption<'_, '_, Self>,
    ) -> Result<Absorbed, Refusal> {
        *count += piece.len();
        self.put_away(absorption, format!("absorb {}", piece.len()))
    }

    fn absorbed(
        &mut self,
        _count: &mut usize,
        reply: Made,
        absorption: Absorption<'_, '_, Self>,
    ) -> Result<Absorbed, Refusal> {
        self.put_away(absorption, format!("absorbed {reply:?}"))
    }

    fn received(
        &mut self,
        count: usize,
        exchange: Exchange<'_, '_, Self>,
    ) -> Result<Answer<Self>, Refusal> {
        self.go_on(exchange, &format!("received {count}"))
    }

    fn reply(
        &mut self,
        reply: Made,
        exchange: Exchange<'_, '_, Self>,
    ) -> Result<Answer<Self>, Refusal> {
        self.go_on(exchange, &format!("reply {reply:?}"))
    }

    fn next_piece(&mut self, _body: &mut (), writer: BodyWriter<'_, '_, Self>) -> Written {
        self.write(writer, "next_piece".to_owned())
    }

    fn piece(&mut self, _body: &mut (), reply: Made, writer: BodyWriter<'_, '_, Self>) -> Written {
        self.write(writer, format!("piece {reply:?}"))
    }
}

/// What a handler may not say of a message, and one field that it may.
fn framing_fields() -> [Field; 5] {
    let field = |name, value| (name, HeaderValue::from_static(value));
    [
        field(CONTENT_LENGTH, "99"),
        field(TRANSFER_ENCODING, "gzip"),
        field(CONNECTION, "upgrade"),
        field(DATE, "yesterday"),
        field(HeaderName::from_static("x-mine"), "1"),
    ]
}
