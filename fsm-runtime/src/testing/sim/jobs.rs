//! The pool of the simulation: jobs take virtual time and run on the one thread there is, the
//! earliest first.

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::io::Work;
use crate::pool::{JobId, Slot};
use crate::server::DEFAULT_POOL;

/// The threads of the pool, unless the test says otherwise: as many as a server has.
const THREADS: usize = DEFAULT_POOL.0;

/// The jobs that have not ended. A job that no thread has begun can be cancelled; one that has been
/// begun ends when its time is over, which is also when it is run.
pub(super) struct Jobs {
    waiting: VecDeque<Job>,
    /// By when they end, and of those at one time by their number.
    running: BTreeMap<(u64, u64), Job>,
    next: u64,
    pub(super) threads: usize,
    /// The least and the most that a job takes, in milliseconds.
    pub(super) shortest: u64,
    pub(super) longest: u64,
    pub(super) begun: u64,
    pub(super) cancelled: u64,
}

struct Job {
    number: u64,
    millis: u64,
    slot: Slot,
    work: Work,
}

impl Jobs {
    pub(super) fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            running: BTreeMap::new(),
            next: 0,
            threads: THREADS,
            shortest: 1,
            longest: 20,
            begun: 0,
            cancelled: 0,
        }
    }

    pub(super) fn take_from(&mut self, time: RangeInclusive<Duration>) {
        let millis = |time: &Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        (self.shortest, self.longest) = (millis(time.start()), millis(time.end()));
    }

    /// Takes a job that will take so many milliseconds of a thread.
    pub(super) fn add(&mut self, now: u64, millis: u64, slot: Slot, work: Work) -> JobId {
        self.next += 1;
        self.waiting.push_back(Job { number: self.next, millis, slot, work });
        self.begin(now);
        JobId(self.next)
    }

    pub(super) fn cancel(&mut self, job: JobId) {
        let found = self.waiting.iter().position(|it| JobId(it.number) == job);
        if let Some(job) = found.and_then(|at| self.waiting.remove(at)) {
            self.cancelled += 1;
            drop(job);
        }
    }

    pub(super) fn next_due(&self) -> Option<u64> {
        self.running.keys().next().map(|(due, _)| *due)
    }

    /// Runs what is due. Tells whether anything was.
    pub(super) fn run_due(&mut self, now: u64) -> bool {
        let mut has_run = false;
        while self.next_due().is_some_and(|due| due <= now) {
            let Some(((due, _), Job { slot, work, .. })) = self.running.pop_first() else { break };
            drop(slot);
            work();
            self.begin(due);
            has_run = true;
        }
        has_run
    }

    /// Has the threads that are free begin with what waits.
    fn begin(&mut self, now: u64) {
        while self.running.len() < self.threads
            && let Some(job) = self.waiting.pop_front()
        {
            self.begun += 1;
            self.running.insert((now + job.millis, job.number), job);
        }
    }
}
