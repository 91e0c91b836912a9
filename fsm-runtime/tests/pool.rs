//! The pool for blocking work on real threads: its source, with a system that can refuse threads.

#[path = "../src/pool.rs"]
mod pool;

/// What `pool.rs` knows as `crate::sync`.
mod sync {
    use std::cell::Cell;

    pub(crate) use std::sync::atomic::{AtomicUsize, Ordering};
    pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

    thread_local! {
        /// The thread has said that others go first.
        pub(crate) static GIVES_WAY: Cell<bool> = const { Cell::new(false) };
    }

    pub(crate) fn give_way() {
        GIVES_WAY.set(true);
    }

    /// Threads are started as by `std`, unless the thread that asks is to be refused.
    pub(crate) mod thread {
        use std::cell::Cell;
        use std::io;
        use std::thread::JoinHandle;

        thread_local! {
            pub(crate) static REFUSED: Cell<bool> = const { Cell::new(false) };
        }

        pub(crate) struct Builder(std::thread::Builder);

        impl Builder {
            pub(crate) fn new() -> Self {
                Self(std::thread::Builder::new())
            }

            pub(crate) fn name(self, name: String) -> Self {
                Self(self.0.name(name))
            }

            pub(crate) fn spawn(
                self,
                body: impl FnOnce() + Send + 'static,
            ) -> io::Result<JoinHandle<()>> {
                if REFUSED.get() {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                self.0.spawn(body)
            }
        }
    }
}

use std::panic::panic_any;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use pool::{JobId, Pool, Slots};
use sync::GIVES_WAY;
use sync::thread::REFUSED;

/// Longer than any job here takes on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// A pool and what its jobs report.
struct Bench {
    pool: Pool,
    reports: (Sender<Report>, Receiver<Report>),
}

#[derive(Debug, PartialEq, Eq)]
enum Report {
    /// The job began, on the thread of this name.
    Began(usize, String),
    /// The job, with all it holds, is gone.
    Gone(usize),
}

use Report::{Began, Gone};

/// Reports when it is dropped.
struct Held(usize, Sender<Report>);

impl Drop for Held {
    fn drop(&mut self) {
        self.1.send(Gone(self.0)).expect("the test listens");
    }
}

impl Bench {
    fn new(threads: usize, capacity: usize) -> Self {
        Self { pool: Pool::new(threads, capacity), reports: channel() }
    }

    /// Submits a job that reports that it begins and then does the rest.
    fn submit(&self, number: usize, rest: impl FnOnce() + Send + 'static) -> JobId {
        let held = Held(number, self.reports.0.clone());
        let work = move || {
            // A job that panics here is missed.
            assert!(GIVES_WAY.get(), "the threads of a pool give way");
            let name = std::thread::current().name().unwrap_or_default().to_owned();
            held.1.send(Began(held.0, name)).expect("the test listens");
            rest();
        };
        self.pool.submit(self.pool.slots().take().expect("a place"), Box::new(work))
    }

    /// Submits a job that runs until the answered sender is dropped.
    fn submit_long(&self, number: usize) -> (JobId, Sender<()>) {
        let (go, gate) = channel::<()>();
        let job = self.submit(number, move || {
            assert_eq!(gate.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected));
        });
        (job, go)
    }

    fn report(&self) -> Report {
        self.reports.1.recv_timeout(PATIENCE).expect("a report")
    }

    fn is_silent(&self) -> bool {
        self.reports.1.try_recv().is_err()
    }

    /// Waits for a place: a job's is freed after its last report.
    fn await_place(&self) {
        let freed = (0..PATIENCE.as_millis()).any(|_| {
            let slot = self.pool.slots().take();
            if slot.is_none() {
                std::thread::sleep(Duration::from_millis(1));
            }
            slot.is_some()
        });
        assert!(freed, "the place is freed");
    }
}

fn began(number: usize, thread: &str) -> Report {
    Began(number, thread.to_owned())
}

#[test]
fn places_are_counted_over_all_handles() {
    let slots = Slots::new(2);
    let other = slots.clone();
    let first = slots.take().expect("a place");
    let _second = other.take().expect("a place");
    assert!(slots.take().is_none() && other.take().is_none());
    drop(first);
    assert!(other.take().is_some());
}

#[test]
fn jobs_that_wait_or_run_have_places() {
    let bench = Bench::new(1, 2);
    let (_, go) = bench.submit_long(0);
    assert_eq!(bench.report(), began(0, "offload-0"));
    let waiting = bench.submit(1, || ());
    assert!(bench.pool.slots().take().is_none(), "one runs and one waits");
    assert!(bench.pool.cancel(waiting));
    assert!(bench.pool.slots().take().is_some());
    drop(go);
}

#[test]
fn a_job_that_is_done_frees_its_place() {
    let bench = Bench::new(1, 1);
    bench.submit(0, || ());
    bench.await_place();
    assert_eq!([bench.report(), bench.report()], [began(0, "offload-0"), Gone(0)]);
}

#[test]
fn jobs_begin_in_the_order_submitted() {
    let bench = Bench::new(1, 10);
    let (_, go) = bench.submit_long(0);
    for number in 1..10 {
        bench.submit(number, || ());
    }
    drop(go);
    for number in 0..10 {
        assert_eq!(bench.report(), began(number, "offload-0"));
        assert_eq!(bench.report(), Gone(number));
    }
}

#[test]
fn a_job_is_cancelled_until_it_begins() {
    let bench = Bench::new(1, 4);
    let (running, go) = bench.submit_long(0);
    assert_eq!(bench.report(), began(0, "offload-0"));
    let [first, second, third] = [1, 2, 3].map(|number| bench.submit(number, || ()));
    assert!(!bench.pool.cancel(running), "it has begun");
    assert!(bench.pool.cancel(second));
    assert_eq!(bench.report(), Gone(2), "it was dropped before `cancel` answered");
    assert!(!bench.pool.cancel(second), "it is gone");
    drop(go);
    let reports: Vec<_> = (0..5).map(|_| bench.report()).collect();
    let thread = "offload-0";
    assert_eq!(reports, [Gone(0), began(1, thread), Gone(1), began(3, thread), Gone(3)]);
    assert!(!bench.pool.cancel(first) && !bench.pool.cancel(third), "they are done");
    assert!(bench.is_silent());
}

/// Panics again as it is dropped.
struct Malicious;

impl Drop for Malicious {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("as it is dropped");
        }
    }
}

#[test]
fn a_panic_ends_a_job_and_not_its_thread() {
    let bench = Bench::new(1, 3);
    bench.submit(0, || panic!("on purpose"));
    bench.submit(1, || panic_any(Malicious));
    bench.submit(2, || ());
    for number in 0..3 {
        assert_eq!(bench.report(), began(number, "offload-0"));
        assert_eq!(bench.report(), Gone(number));
    }
}

#[test]
fn threads_are_started_when_all_others_are_busy() {
    let bench = Bench::new(2, 4);
    let (_, first) = bench.submit_long(0);
    assert_eq!(bench.report(), began(0, "offload-0"));
    let (_, second) = bench.submit_long(1);
    assert_eq!(bench.report(), began(1, "offload-1"), "the first is busy");
    let (_, third) = bench.submit_long(2);
    drop(second);
    assert_eq!([bench.report(), bench.report()], [Gone(1), began(2, "offload-1")]);
    drop((first, third));
}

#[test]
fn an_idle_thread_is_used_again() {
    let bench = Bench::new(8, 1);
    for number in 0..100 {
        bench.submit(number, || ());
        assert_eq!(bench.report(), began(number, "offload-0"));
        assert_eq!(bench.report(), Gone(number));
        bench.await_place();
    }
}

#[test]
fn without_any_thread_jobs_are_dropped() {
    let bench = Bench::new(2, 2);
    REFUSED.set(true);
    let job = bench.submit(0, || ());
    assert_eq!(bench.report(), Gone(0), "it was dropped before `submit` answered");
    assert!(!bench.pool.cancel(job));
    REFUSED.set(false);
    let (_, go) = bench.submit_long(1);
    assert_eq!(bench.report(), began(1, "offload-0"), "the next job tries again");
    REFUSED.set(true);
    bench.submit(2, || ());
    assert!(bench.is_silent(), "it waits for the thread there is");
    drop(go);
    assert_eq!(bench.report(), Gone(1));
    assert_eq!([bench.report(), bench.report()], [began(2, "offload-0"), Gone(2)]);
}

#[test]
fn dropping_the_pool_drops_what_waits_and_joins_nobody() {
    let bench = Bench::new(1, 3);
    let (_, go) = bench.submit_long(0);
    assert_eq!(bench.report(), began(0, "offload-0"));
    bench.submit(1, || ());
    bench.submit(2, || ());
    let Bench { pool, reports: (_, reports) } = bench;
    let slots = pool.slots().clone();
    drop(pool);
    let report = || reports.recv_timeout(PATIENCE).expect("a report");
    assert_eq!([report(), report()], [Gone(1), Gone(2)]);
    assert!(slots.take().is_some());
    assert!(reports.try_recv().is_err(), "the first one runs");
    drop(go);
    assert_eq!(report(), Gone(0));
}
