//! The time of day, for dates that are told to others. Limits on waiting know nothing of it: they
//! are deadlines of a table, kept by a clock that nobody sets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a worker tells the time of day by.
#[derive(Debug, Clone, Default)]
pub(crate) enum TimeOfDay {
    /// The system's clock.
    #[default]
    System,
    /// The milliseconds since the Unix epoch that a test has set.
    Set(Arc<AtomicU64>),
}

impl TimeOfDay {
    #[inline]
    #[expect(clippy::disallowed_methods, reason = "the clock of real workers; tests set theirs")]
    pub(crate) fn now(&self) -> SystemTime {
        match self {
            Self::System => SystemTime::now(),
            Self::Set(millis) => UNIX_EPOCH + Duration::from_millis(millis.load(Ordering::Relaxed)),
        }
    }
}
