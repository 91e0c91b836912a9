//! What a worker counts while it serves.

/// What a worker did, in connections and events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Summary {
    /// Connections accepted.
    pub accepted: u64,
    /// Connections that have ended, for whatever reason.
    pub closed: u64,
    /// Connections turned away because descriptors or slots had run out, or because their address
    /// had as many as it may.
    pub refused: u64,
    /// Connections whose socket died or stalled.
    pub lost: u64,
    /// Actions that panicked; each cost its own connection.
    pub panics: u64,
    /// Connections that died before they could be accepted.
    pub failed_accepts: u64,
    /// Pauses in accepting because descriptors or places had run out.
    pub pauses: u64,
    /// Messages that came into an inbox; one to a topic is one for each worker.
    pub messages: u64,
    /// Connections handed over to a worker that had fewer.
    pub handed_over: u64,
    /// Slices that took longer than they should; a warning named each.
    pub slow_slices: u64,
    /// Events for connections that had ended, which reached nobody.
    pub stale_events: u64,
}

impl Summary {
    /// What two workers did together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            accepted: self.accepted + other.accepted,
            closed: self.closed + other.closed,
            refused: self.refused + other.refused,
            lost: self.lost + other.lost,
            panics: self.panics + other.panics,
            failed_accepts: self.failed_accepts + other.failed_accepts,
            pauses: self.pauses + other.pauses,
            messages: self.messages + other.messages,
            handed_over: self.handed_over + other.handed_over,
            slow_slices: self.slow_slices + other.slow_slices,
            stale_events: self.stale_events + other.stale_events,
        }
    }
}
