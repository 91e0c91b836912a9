//! How much a client may send and how long it may take, as flags of the command line.

use std::time::Duration;

use fsm_runtime::ByteLimit;
use humantime::format_duration;

use super::head::{HeadLimits, MOST_FIELDS};
use crate::cli::{parse_bytes, parse_limit, parse_time};

/// A body is too slow when fewer bytes than this have come in [`Limits::body_time`]; the table has
/// it as a number once more. It is also the least that a handler is given of a body at once, but
/// for its end: with less, a client whose pieces are put away elsewhere could have the time begin
/// anew with every byte.
pub(super) const BODY_STEP: usize = 4096;

/// The longest time in which [`BODY_STEP`] bytes may have to come. Below one byte in a second the
/// rate is no limit any more, and says so by being zero.
const LONGEST_BODY_TIME: Duration = Duration::from_secs(BODY_STEP as u64);

const DEFAULT: HeadLimits = HeadLimits::DEFAULT;

/// What is asked of a client of HTTP/1.1. Each limit is there because a client without it could
/// hold what others need.
#[derive(Debug, Clone, clap::Args)]
pub struct Limits {
    /// The longest head of a request in bytes, with its first line: it is held until it is whole
    #[arg(long, value_name = "BYTES", value_parser = parse_limit)]
    #[arg(default_value_t = ByteLimit::new(DEFAULT.bytes))]
    pub max_head: ByteLimit,
    /// The most header fields of a request: each costs time to look at
    #[arg(long, value_name = "N", default_value_t = DEFAULT.fields, value_parser = parse_fields)]
    pub max_fields: usize,
    /// The longest target of a request in bytes: RFC 9112 asks for at least 8000
    #[arg(long, value_name = "BYTES", value_parser = parse_limit)]
    #[arg(default_value_t = ByteLimit::new(DEFAULT.target))]
    pub max_target: ByteLimit,
    /// The longest body of a request in bytes, chunked ones included: somebody has to keep it
    #[arg(long, value_name = "BYTES", default_value_t = 1024 * 1024, value_parser = parse_bytes)]
    pub max_body: u64,
    /// How many requests are answered on one connection; then it closes, and the client's next one
    /// can go to a worker that has less to do
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = parse_requests)]
    pub max_requests: u32,
    /// How long a connection may stay open without a request
    #[arg(long, value_name = "TIME", default_value = "75s", value_parser = parse_time)]
    pub idle: Duration,
    /// How long the head of a request may take from its first byte, however its bytes come: half a
    /// head and then silence is the cheapest way to hold a connection
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_time)]
    pub head_time: Duration,
    /// How fast a body must come at least, in bytes per second, taken over 4096 bytes at a time; 0
    /// for no limit but that of silence
    #[arg(long, value_name = "BYTES", default_value_t = 500)]
    pub min_body_rate: u32,
    /// How long an answer may be waited for at a time, such as one from a disk, where a large file
    /// is found first and then read; then the client is told to try again
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_time)]
    pub answer_time: Duration,
    /// How long a client may take nothing of a response that is sent piece by piece, at most 30s;
    /// of one that is sent whole it is always so long
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_stall)]
    pub stall: Duration,
}

impl Limits {
    /// Those of the head, which the decoder keeps.
    #[must_use]
    pub fn head(&self) -> HeadLimits {
        HeadLimits {
            bytes: self.max_head.bytes(),
            fields: self.max_fields,
            target: self.max_target.bytes(),
        }
    }

    /// The time in which [`BODY_STEP`] bytes of a body must come.
    pub(super) fn body_time(&self) -> Duration {
        let time = Duration::from_secs(BODY_STEP as u64).checked_div(self.min_body_rate);
        time.unwrap_or(LONGEST_BODY_TIME).min(LONGEST_BODY_TIME)
    }
}

impl Default for Limits {
    /// As the command line has them where it says nothing.
    fn default() -> Self {
        #[derive(clap::Parser)]
        struct Nothing {
            #[command(flatten)]
            limits: Limits,
        }
        <Nothing as clap::Parser>::parse_from(["server"]).limits
    }
}

/// The table ends every connection whose output does not move for so long, whatever is sent.
const LONGEST_STALL: Duration = Duration::from_secs(30);

fn parse_stall(text: &str) -> Result<Duration, String> {
    let time = parse_time(text).ok().filter(|time| *time <= LONGEST_STALL);
    let most = format_duration(LONGEST_STALL);
    time.ok_or_else(|| format!("write a time above zero and of at most {most}"))
}

fn parse_requests(text: &str) -> Result<u32, &'static str> {
    text.parse().ok().filter(|number| *number > 0).ok_or("write a number from 1 up")
}

fn parse_fields(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=MOST_FIELDS).contains(number));
    number.ok_or_else(|| format!("write a number from 1 to {MOST_FIELDS}"))
}
