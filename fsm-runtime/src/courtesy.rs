//! Threads that work beside the event loops and should not get between their slices.
#![allow(unsafe_code, reason = "no library that is here already sets how a thread is scheduled")]

/// Tells the system that the calling thread does not mind to wait a little: when it wakes, it does
/// not interrupt who has the processor, as any thread otherwise may. It has as much of the
/// processor as before, and the threads it starts are as courteous. One that somebody has given
/// another kind of scheduling than the ordinary keeps that.
///
/// Those of the pool ([`Server::pool`](crate::Server::pool)) are so already. It is for threads of
/// your own: dozens that wake at once, since a disk has answered, would each get in the way of
/// whatever client is just being served. Where the system knows no such thing (it is `SCHED_BATCH`
/// of Linux, sched(7)) nothing happens.
pub fn give_way() {
    #[cfg(target_os = "linux")]
    {
        let ordinary = libc::sched_param { sched_priority: 0 };
        // SAFETY: 0 is the calling thread. The first call takes no pointer; the second reads what
        // its pointer leads to while it runs, and that outlives it. Should it fail, the thread goes
        // on as it was.
        unsafe {
            if libc::sched_getscheduler(0) == libc::SCHED_OTHER {
                libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const ordinary);
            }
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::thread;

    use super::give_way;

    fn policy() -> i32 {
        // SAFETY: it takes a number and answers one.
        unsafe { libc::sched_getscheduler(0) }
    }

    #[test]
    fn a_thread_gives_way_for_itself_and_those_it_starts() {
        let others = thread::spawn(|| {
            give_way();
            (policy(), thread::spawn(policy).join().unwrap())
        });
        assert_eq!(others.join().unwrap(), (libc::SCHED_BATCH, libc::SCHED_BATCH));
        assert_eq!(policy(), libc::SCHED_OTHER);
    }
}
