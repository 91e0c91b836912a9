//! The measurements behind the README's claims: servers to start, a client to load them, counters
//! to read.

pub mod bursts;
#[path = "../../src/client.rs"]
pub mod client;
#[path = "../../src/code_lines.rs"]
pub mod code_lines;
pub mod configured;
pub mod cost;
pub mod count;
pub mod crowd;
pub mod heap;
pub mod http;
pub mod load;
pub mod look_ups;
pub mod options;
pub mod peer;
pub mod pin;
pub mod report;
#[path = "../../src/response.rs"]
pub mod response;
pub mod saturate;
#[path = "../../src/scratch.rs"]
pub mod scratch;
pub mod server;
pub mod slices;
pub mod slow;
#[path = "../../src/slow_disk.rs"]
pub mod slow_disk;

use std::time::Instant;

/// The clock of the client and of the harness; the rule against reading it is for machines and
/// workers.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "a client that measures time has to read the clock")]
pub fn now() -> Instant {
    Instant::now()
}

/// The servers that are compared, C first: every ratio is to it.
#[must_use]
pub fn servers() -> Vec<server::Spec> {
    let beside = |program: &str| server::target_directory().unwrap_or_default().join(program);
    vec![
        server::Spec::c(),
        server::Spec::ours(),
        server::Spec::built("tokio", &beside("tokio_echo")),
        server::Spec::built("tokio LinesCodec", &beside("tokio_lines")),
        server::Spec::built("threads", &beside("threads_echo")),
    ]
}
