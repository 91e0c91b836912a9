//! A bounded pool of threads for work that blocks. It knows nothing of machines, nor of what a job
//! answers: a job reports by itself, when it runs or when it is dropped without having run.
//!
//! It is written with the threads and the lock of `std`, because what is wanted is small and the
//! libraries lack it: the queues of `blocking`, `threadpool` and `rayon` have no bound, and none of
//! them gives a queued job back. A lock is good enough here: a job costs a wait for a disk.
//!
//! No code of others runs while the lock is held: jobs run, and are dropped, outside.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::sync::{
    Arc, AtomicUsize, Condvar, Mutex, MutexGuard, Ordering, PoisonError, give_way, thread,
};

/// The threads, and the jobs that wait for them. Dropping it drops the jobs that wait; those that
/// run are left to finish, and nobody waits for them: a disk that hangs must not hold up the exit.
pub(crate) struct Pool {
    slots: Slots,
    shared: Arc<Shared>,
}

/// Places for jobs that wait or run, counted over all who take them.
#[derive(Clone)]
pub(crate) struct Slots {
    free: Arc<AtomicUsize>,
}

/// A place for one job; dropping it frees the place.
pub(crate) struct Slot {
    free: Arc<AtomicUsize>,
}

/// Names a job among all that a pool was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JobId(pub(crate) u64);

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    /// The most threads.
    threads: usize,
}

struct Queue {
    /// Oldest first, and so in the order of their ids.
    waiting: VecDeque<Job>,
    submitted: u64,
    /// The threads that run or are being started.
    threads: usize,
    /// Those of them that run a job.
    busy: usize,
    /// The pool is gone; threads end where they have nothing to do.
    closed: bool,
}

struct Job {
    id: JobId,
    work: Work,
    /// Stands last, so that the place is freed when the work is gone.
    slot: Slot,
}

type Work = Box<dyn FnOnce() + Send>;

impl Slots {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { free: Arc::new(AtomicUsize::new(capacity)) }
    }

    /// Takes a place, where one is free.
    pub(crate) fn take(&self) -> Option<Slot> {
        // Relaxed: places are only counted.
        let less = |free: usize| free.checked_sub(1);
        self.free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).ok()?;
        Some(Slot { free: Arc::clone(&self.free) })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.free.fetch_add(1, Ordering::Relaxed);
    }
}

impl Pool {
    /// A pool without threads yet. They are started one at a time, when a job finds all others
    /// busy: `threads` is the most there will be, and at least one. `capacity` is the number of
    /// jobs that wait or run.
    pub(crate) fn new(threads: usize, capacity: usize) -> Self {
        let queue =
            Queue { waiting: VecDeque::new(), submitted: 0, threads: 0, busy: 0, closed: false };
        let shared =
            Shared { queue: Mutex::new(queue), changed: Condvar::new(), threads: threads.max(1) };
        Self { slots: Slots::new(capacity), shared: Arc::new(shared) }
    }

    /// The places of the pool.
    pub(crate) const fn slots(&self) -> &Slots {
        &self.slots
    }

    /// Has the work done after all that was submitted before. If it panics, the thread goes on.
    ///
    /// Where no thread can be started and none runs, the work is dropped instead.
    pub(crate) fn submit(&self, slot: Slot, work: Work) -> JobId {
        let mut queue = self.shared.lock();
        let id = JobId(queue.submitted);
        queue.submitted += 1;
        queue.waiting.push_back(Job { id, work, slot });
        let has_idle = queue.waiting.len() <= queue.threads - queue.busy;
        if has_idle || queue.threads == self.shared.threads {
            drop(queue);
            self.shared.changed.notify_one();
            return id;
        }
        let number = queue.threads;
        queue.threads += 1;
        drop(queue);
        if let Err(error) = start(number, &self.shared) {
            self.shared.do_without(&error);
        }
        id
    }

    /// Takes a job back; true if it had not begun, and has been dropped without having run.
    pub(crate) fn cancel(&self, job: JobId) -> bool {
        let mut queue = self.shared.lock();
        let found = queue.waiting.binary_search_by_key(&job.0, |waiting| waiting.id.0);
        let cancelled = found.ok().and_then(|at| queue.waiting.remove(at));
        drop(queue);
        cancelled.is_some()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.closed = true;
        let waiting = std::mem::take(&mut queue.waiting);
        drop(queue);
        self.shared.changed.notify_all();
        drop(waiting);
    }
}

fn start(number: usize, shared: &Arc<Shared>) -> io::Result<()> {
    let shared = Arc::clone(shared);
    let builder = thread::Builder::new().name(format!("offload-{number}"));
    let work = move || {
        give_way();
        shared.work_off();
    };
    builder.spawn(work).map(drop)
}

impl Shared {
    /// The queue is whole even if a thread died with the lock, as no code of others runs under it.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a thread does: jobs, oldest first, until the pool is gone.
    fn work_off(&self) {
        let mut queue = self.lock();
        loop {
            if let Some(job) = queue.waiting.pop_front() {
                queue.busy += 1;
                drop(queue);
                let slot = job.run();
                queue = self.lock();
                queue.busy -= 1;
                // Now, so that whoever gets the place finds this thread idle.
                drop(slot);
            } else if queue.closed {
                return;
            } else {
                queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// Copes with a thread that the system refuses: the others have its share, if there are any.
    fn do_without(&self, error: &io::Error) {
        let mut queue = self.lock();
        queue.threads -= 1;
        let threads = queue.threads;
        let lost = if threads == 0 { std::mem::take(&mut queue.waiting) } else { VecDeque::new() };
        drop(queue);
        if threads == 0 {
            let jobs = lost.len();
            tracing::error!(%error, jobs, "no thread for offloaded work: it is dropped");
        } else {
            tracing::warn!(%error, threads, "no further thread for offloaded work");
        }
        drop(lost);
    }
}

impl Job {
    /// Does the work, and answers the place that it had.
    fn run(self) -> Slot {
        let panicked = catch_unwind(AssertUnwindSafe(self.work));
        // What it panicked with may panic again as it is dropped; then the remains are left alone.
        let again = panicked.map_err(|with| catch_unwind(AssertUnwindSafe(|| drop(with))));
        std::mem::forget(again);
        self.slot
    }
}
