//! A thread for work that takes long and needs no disk, so that it is done while a disk holds all
//! threads of the pool.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use fsm_runtime::give_way;

/// How many jobs wait at most. They take milliseconds each, so that whoever came behind more of
/// them would wait for seconds.
const WAITING: usize = 1024;

type Job = Box<dyn FnOnce() + Send>;

/// The thread. It ends when this is dropped and nothing waits any more.
pub struct Elsewhere(SyncSender<Job>);

impl Elsewhere {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system has none to give.
    pub fn start() -> io::Result<Self> {
        let (give, jobs) = sync_channel::<Job>(WAITING);
        // What a job panics over is the matter of whoever waits for it, and is let go with it.
        let work = move || {
            give_way();
            for job in jobs {
                drop(catch_unwind(AssertUnwindSafe(job)));
            }
        };
        thread::Builder::new().name("elsewhere".into()).spawn(work)?;
        Ok(Self(give))
    }

    /// Has a job done after those that wait. Where they are too many it is dropped instead.
    pub fn run(&self, job: impl FnOnce() + Send + 'static) {
        drop(self.0.try_send(Box::new(job)));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::{Elsewhere, WAITING};

    #[test]
    fn a_job_that_panics_is_the_end_of_no_other() {
        let elsewhere = Elsewhere::start().unwrap();
        let (tell, told) = channel();
        elsewhere.run(|| panic!("as this test wants it"));
        elsewhere.run(move || tell.send(1).unwrap());
        assert_eq!(told.recv(), Ok(1));
    }

    #[test]
    fn as_many_wait_as_may() {
        let elsewhere = Elsewhere::start().unwrap();
        let (let_go, hold) = channel::<()>();
        let (begin, begun) = channel();
        elsewhere.run(move || {
            begin.send(()).unwrap();
            let _ = hold.recv();
        });
        begun.recv().unwrap();
        let (tell, told) = channel();
        for number in 0..=WAITING {
            let tell = tell.clone();
            elsewhere.run(move || tell.send(number).unwrap());
        }
        drop(tell);
        let_go.send(()).unwrap();
        assert_eq!(told.iter().collect::<Vec<_>>(), (0..WAITING).collect::<Vec<_>>());
    }
}
