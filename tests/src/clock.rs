//! Real time for tests on real sockets: how long something took, and waiting for it with a limit.
#![allow(clippy::disallowed_methods, reason = "a test of real sockets measures real time")]

use std::thread;
use std::time::{Duration, Instant};

/// The pause between two looks at a condition.
const LOOK: Duration = Duration::from_millis(5);

/// A clock that runs from its making on.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts at zero.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Waits until the condition holds, looking again and again.
///
/// # Panics
/// Where it does not hold within the limit.
pub fn eventually(limit: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let watch = Stopwatch::start();
    while !holds() {
        assert!(watch.elapsed() < limit, "not within {limit:?}: {what}");
        thread::sleep(LOOK);
    }
}
