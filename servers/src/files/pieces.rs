//! Downloads that wait for a thread of the pool. They have a line of their own, since a response
//! that has begun cannot be told to come back later: it is not full when the pool is, and each job
//! of the pool serves one of them before it does its own work, so that they do not stand behind all
//! the misses.
//!
//! Nobody is left in the line: whoever stands there though the pool was full is served by a job
//! that waits already, and where more stand in the line than jobs wait, a job goes on serving them
//! when it is done.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// How many wait at most. Each connection waits for one, but what it left here when it broke off
/// stays until the disk answers, and a disk may never do.
const WAITING: usize = 32_768;

type Work = Box<dyn FnOnce() + Send>;

/// The line, and the jobs that will look at it.
#[derive(Default)]
pub struct Pieces(Mutex<State>);

#[derive(Default)]
struct State {
    line: VecDeque<(Weak<Wanted>, Work)>,
    /// The jobs that wait for a thread of the pool.
    jobs: usize,
}

/// What a download holds for as long as it waits: without it nobody wants the piece any more.
#[derive(Debug)]
pub struct Wanted(());

/// A job that waits for a thread of the pool.
pub struct Job(Arc<Pieces>);

impl Pieces {
    /// Lets some work stand in line; nothing where too much does already. A [`Job`] is to be given
    /// to the pool then, which may refuse it.
    pub fn push(&self, work: impl FnOnce() + Send + 'static) -> Option<Arc<Wanted>> {
        let mut state = self.state();
        if state.line.len() == WAITING {
            return None;
        }
        let wanted = Arc::new(Wanted(()));
        state.line.push_back((Arc::downgrade(&wanted), Box::new(work)));
        Some(wanted)
    }

    /// A job for the pool.
    #[must_use]
    pub fn job(self: &Arc<Self>) -> Job {
        self.state().jobs += 1;
        Job(Arc::clone(self))
    }

    /// Takes the first work that somebody still waits for, as long as there is reason to.
    fn next(&self, is_due: impl Fn(&State) -> bool) -> Option<Work> {
        let mut given_up = Vec::new();
        let mut state = self.state();
        let found = loop {
            if !is_due(&state) {
                break None;
            }
            match state.line.pop_front() {
                Some((wanted, work)) if wanted.strong_count() > 0 => break Some(work),
                Some((_, work)) => given_up.push(work),
                None => break None,
            }
        };
        // What is dropped runs code of others, which the lock must not be held for.
        drop(state);
        drop(given_up);
        found
    }

    /// Nothing under the lock can panic halfway.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Job {
    /// Does the job on a thread that may wait for a disk, and what stands in the line.
    pub fn run(self, own: impl FnOnce()) {
        let pieces = Arc::clone(&self.0);
        // It waits no more.
        drop(self);
        if let Some(work) = pieces.next(|_| true) {
            work();
        }
        own();
        while let Some(work) = pieces.next(|state| state.line.len() > state.jobs) {
            work();
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.0.state().jobs -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    use super::{Pieces, WAITING};

    #[test]
    fn a_job_serves_the_first_that_is_wanted_and_then_itself() {
        let pieces = Arc::new(Pieces::default());
        let (tell, told) = channel();
        let mut wanted = (0..4).map(|number| {
            let tell = tell.clone();
            pieces.push(move || tell.send(number).unwrap())
        });
        let [first, second, third, fourth] = [(); 4].map(|()| wanted.next().unwrap());
        drop((first, third));
        let jobs = [(); 3].map(|()| pieces.job());
        for (job, expected) in jobs.into_iter().zip([vec![1, 9], vec![3, 9], vec![9]]) {
            job.run(|| tell.send(9).unwrap());
            assert_eq!(told.try_iter().collect::<Vec<_>>(), expected);
        }
        drop((second, fourth));
    }

    /// As where a pool that is full has refused their own jobs.
    #[test]
    fn nobody_is_left_in_the_line() {
        let pieces = Arc::new(Pieces::default());
        let (tell, told) = channel();
        let wanted: Vec<_> = (0..100)
            .map(|number| {
                let tell = tell.clone();
                let wanted = pieces.push(move || tell.send(number).unwrap());
                drop(pieces.job());
                wanted
            })
            .collect();
        let jobs = [(); 10].map(|()| pieces.job());
        let mut served = Vec::new();
        for (job, expected) in jobs.into_iter().zip([91, 92, 93, 94, 95, 96, 97, 98, 99, 100]) {
            job.run(|| {});
            served.extend(told.try_iter());
            assert_eq!(served.len(), expected);
        }
        assert_eq!(served, (0..100).collect::<Vec<_>>());
        drop(wanted);
    }

    #[test]
    fn as_many_wait_as_may() {
        let pieces = Arc::new(Pieces::default());
        let wanted: Vec<_> = (0..WAITING).map_while(|_| pieces.push(|| {})).collect();
        assert_eq!(wanted.len(), WAITING);
        assert!(pieces.push(|| {}).is_none());
        pieces.job().run(|| {});
        assert!(pieces.push(|| {}).is_some());
    }
}
