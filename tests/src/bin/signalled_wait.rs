//! Waits on a poller, has itself sent a signal meanwhile, and prints what came of it: whether the
//! signal was caught, the events reported, and the milliseconds waited.
//!
//! It is a program of its own because a process hands its signals to its main thread first, and in
//! a test that is never the one that waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use fsm_tests::clock::Stopwatch;
use polling::{Events, Poller};
use rustix::process::{Signal, getpid, kill_process};

const TIMEOUT: Duration = Duration::from_millis(600);

fn main() {
    let caught = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGUSR1, Arc::clone(&caught))
        .expect("it can be caught");
    let poller = Poller::new().expect("a poller");
    thread::spawn(|| {
        thread::sleep(TIMEOUT / 3);
        kill_process(getpid(), Signal::USR1).expect("it is this process");
    });
    let watch = Stopwatch::start();
    let events = poller.wait(&mut Events::new(), Some(TIMEOUT)).expect("no error comes of it");
    let waited = watch.elapsed().as_millis();
    println!("{} {events} {waited}", caught.load(Ordering::Relaxed));
}
