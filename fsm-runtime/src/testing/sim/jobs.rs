//! The pool of the simulation: jobs take virtual time and run on the one thread there is, the
//! earliest first.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::io::Work;
use crate::pool::{JobId, Slot};

/// The jobs that have not ended. A job counts as begun when it ends, which is when it runs: until
/// then it can be cancelled.
pub(super) struct Jobs {
    /// By when they end, and of those at one time by their number.
    waiting: BTreeMap<(u64, u64), (Slot, Work)>,
    next: u64,
    /// The least and the most that a job takes, in milliseconds.
    pub(super) shortest: u64,
    pub(super) longest: u64,
    pub(super) begun: u64,
    pub(super) cancelled: u64,
}

impl Jobs {
    pub(super) fn new() -> Self {
        Self { waiting: BTreeMap::new(), next: 0, shortest: 1, longest: 20, begun: 0, cancelled: 0 }
    }

    pub(super) fn take_from(&mut self, time: RangeInclusive<Duration>) {
        let millis = |time: &Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        (self.shortest, self.longest) = (millis(time.start()), millis(time.end()));
    }

    pub(super) fn add(&mut self, ends: u64, slot: Slot, work: Work) -> JobId {
        self.next += 1;
        self.waiting.insert((ends, self.next), (slot, work));
        JobId(self.next)
    }

    pub(super) fn cancel(&mut self, job: JobId) {
        let found = self.waiting.keys().find(|(_, number)| JobId(*number) == job).copied();
        if let Some(found) = found {
            self.waiting.remove(&found);
            self.cancelled += 1;
        }
    }

    pub(super) fn next_due(&self) -> Option<u64> {
        self.waiting.keys().next().map(|(due, _)| *due)
    }

    /// Runs what is due. Tells whether anything was.
    pub(super) fn run_due(&mut self, now: u64) -> bool {
        let mut has_run = false;
        while self.next_due().is_some_and(|due| due <= now) {
            let Some((_, (slot, work))) = self.waiting.pop_first() else { break };
            drop(slot);
            work();
            self.begun += 1;
            has_run = true;
        }
        has_run
    }
}
