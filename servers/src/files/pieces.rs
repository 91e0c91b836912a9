//! Downloads that wait for a thread of the pool. They have a line of their own, since a response
//! that has begun cannot be told to come back later: it is not full when the pool is, and each
//! thread that becomes free takes one of them before anything else, so that they do not stand
//! behind all the misses.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// How many wait at most. Each connection waits for one, but what it left here when it broke off
/// stays until the disk answers, and a disk may never do.
const WAITING: usize = 32_768;

type Job = Box<dyn FnOnce() + Send>;

/// The line.
#[derive(Default)]
pub struct Pieces(Mutex<VecDeque<(Weak<Wanted>, Job)>>);

/// What a download holds for as long as it waits: without it nobody wants the piece any more.
#[derive(Debug)]
pub struct Wanted(());

impl Pieces {
    /// Lets a job stand in line; nothing where too many do already.
    pub fn push(&self, job: impl FnOnce() + Send + 'static) -> Option<Arc<Wanted>> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() == WAITING {
            return None;
        }
        let wanted = Arc::new(Wanted(()));
        waiting.push_back((Arc::downgrade(&wanted), Box::new(job)));
        Some(wanted)
    }

    /// Does the first job that somebody still waits for. May wait for a disk.
    pub fn serve_one(&self) {
        while let Some((wanted, job)) = self.pop() {
            if wanted.strong_count() > 0 {
                return job();
            }
        }
    }

    fn pop(&self) -> Option<(Weak<Wanted>, Job)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::{Pieces, WAITING};

    #[test]
    fn the_first_that_is_wanted_is_served() {
        let pieces = Pieces::default();
        let (tell, told) = channel();
        let mut wanted = (0..4).map(|number| {
            let tell = tell.clone();
            pieces.push(move || tell.send(number).unwrap())
        });
        let [first, second, third, fourth] = [(); 4].map(|()| wanted.next().unwrap());
        drop((first, third));
        for expected in [Some(1), Some(3), None] {
            pieces.serve_one();
            assert_eq!(told.try_recv().ok(), expected);
        }
        drop((second, fourth));
    }

    #[test]
    fn as_many_wait_as_may() {
        let pieces = Pieces::default();
        let wanted: Vec<_> = (0..WAITING).map_while(|_| pieces.push(|| {})).collect();
        assert_eq!(wanted.len(), WAITING);
        assert!(pieces.push(|| {}).is_none());
        pieces.serve_one();
        assert!(pieces.push(|| {}).is_some());
    }
}
