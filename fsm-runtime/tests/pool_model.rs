//! The pool for blocking work in the orders of steps that the memory model allows, with few
//! interruptions: its very source, on loom's primitives in the place of those of `std`.

#[path = "../src/pool.rs"]
mod pool;

/// What `pool.rs` knows as `crate::sync`.
mod sync {
    pub(crate) use loom::sync::atomic::{AtomicUsize, Ordering};
    pub(crate) use loom::sync::{Arc, Condvar, Mutex, MutexGuard};
    pub(crate) use loom::thread;
    pub(crate) use std::sync::PoisonError;

    pub(crate) const fn give_way() {}
}

use loom::alloc::Track;
use loom::model::Builder;
use loom::sync::{Arc, Condvar, Mutex};

use pool::{JobId, Pool};

/// How often threads may be interrupted. Loom's authors find most mistakes with two or three.
const PREEMPTIONS: usize = 2;

/// What became of a job that is gone: whether it ran.
type Ran = bool;

/// The jobs that are gone, each with what became of it.
struct Ends {
    ends: Mutex<Vec<(usize, Ran)>>,
    changed: Condvar,
}

/// Says what became of the job when it is dropped; loom misses it if it is leaked.
struct Held {
    job: Track<usize>,
    ran: Ran,
    ends: Arc<Ends>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.ends.ends.lock().unwrap().push((*self.job.get_ref(), self.ran));
        self.ends.changed.notify_one();
    }
}

impl Held {
    fn run(mut self) {
        self.ran = true;
    }
}

fn submit(job: usize, pool: &Pool, ends: &Arc<Ends>) -> JobId {
    let held = Held { job: Track::new(job), ran: false, ends: Arc::clone(ends) };
    let slot = pool.slots().take().expect("a place");
    pool.submit(slot, Box::new(|| held.run()))
}

impl Ends {
    fn new() -> Arc<Self> {
        Arc::new(Self { ends: Mutex::new(Vec::new()), changed: Condvar::new() })
    }

    /// Waits until so many jobs are gone. One that neither runs nor is dropped is a deadlock.
    fn wait(&self, jobs: usize) -> Vec<(usize, Ran)> {
        let mut ends = self.ends.lock().unwrap();
        while ends.len() < jobs {
            ends = self.changed.wait(ends).unwrap();
        }
        let mut all = ends.clone();
        all.sort_unstable();
        all
    }
}

fn bounded(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.check(model);
}

#[test]
fn every_job_runs_while_the_pool_is_there() {
    for threads in [1, 2] {
        bounded(move || {
            let (pool, ends) = (Pool::new(threads, 2), Ends::new());
            submit(0, &pool, &ends);
            submit(1, &pool, &ends);
            assert_eq!(ends.wait(2), [(0, true), (1, true)]);
        });
    }
}

#[test]
fn an_idle_thread_hears_of_the_next_job() {
    bounded(|| {
        let (pool, ends) = (Pool::new(1, 2), Ends::new());
        submit(0, &pool, &ends);
        ends.wait(1);
        submit(1, &pool, &ends);
        assert_eq!(ends.wait(2), [(0, true), (1, true)]);
    });
}

#[test]
fn a_job_runs_unless_it_was_cancelled() {
    bounded(|| {
        let (pool, ends) = (Pool::new(1, 2), Ends::new());
        submit(0, &pool, &ends);
        let second = submit(1, &pool, &ends);
        let cancelled = pool.cancel(second);
        assert_eq!(ends.wait(2), [(0, true), (1, !cancelled)]);
    });
}

#[test]
fn dropping_the_pool_ends_its_jobs_and_threads() {
    bounded(|| {
        let (pool, ends) = (Pool::new(2, 2), Ends::new());
        let first = submit(0, &pool, &ends);
        submit(1, &pool, &ends);
        let cancelled = pool.cancel(first);
        drop(pool);
        let all = ends.wait(2);
        assert_eq!(all.iter().map(|end| end.0).collect::<Vec<_>>(), [0, 1]);
        assert!(!(cancelled && all[0].1), "what was cancelled did not run");
    });
}
