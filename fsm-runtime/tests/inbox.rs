//! The inbox on real threads, and what it answers step by step. That no order of steps breaks it is
//! shown beside this, in the model.

#[path = "../src/inbox.rs"]
mod inbox;

/// What `inbox.rs` knows as `crate::sync`.
mod sync {
    pub(crate) use std::sync::Mutex;
    pub(crate) use std::sync::atomic::{AtomicUsize, Ordering};
}

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use inbox::{Inbox, Taken, Wake};

#[test]
fn items_come_out_in_the_order_pushed() {
    let inbox = Inbox::new(0);
    assert!(inbox.take().is_empty());
    for item in 0..3 {
        assert_eq!(inbox.push(item), Ok(Wake::NotNeeded), "the receiver is awake");
    }
    let taken = inbox.take();
    assert!(!taken.is_empty());
    assert_eq!(taken.collect::<Vec<_>>(), [0, 1, 2]);
    assert!(inbox.take().is_empty());
}

#[test]
fn the_first_push_to_a_sleeper_wakes() {
    let inbox = Inbox::new(0);
    assert!(inbox.sleep());
    assert_eq!(inbox.push(1), Ok(Wake::Needed));
    assert_eq!(inbox.push(2), Ok(Wake::NotNeeded));
    assert!(!inbox.sleep(), "two items are there");
    assert_eq!(inbox.take().collect::<Vec<_>>(), [1, 2]);
    assert!(inbox.sleep());
    assert!(inbox.take().is_empty(), "it was woken by something else");
    assert_eq!(inbox.push(3), Ok(Wake::NotNeeded), "whoever takes is awake");
}

#[test]
fn a_closed_inbox_gives_items_back() {
    let inbox = Inbox::new(1);
    assert!(inbox.sleep());
    assert_eq!(inbox.push("left"), Ok(Wake::Needed));
    assert!(!inbox.is_closed());
    assert_eq!(inbox.close().collect::<Vec<_>>(), ["left"]);
    assert!(inbox.is_closed());
    assert_eq!(inbox.push("late"), Err("late"));
    assert!(!inbox.sleep(), "nobody would wake it");
    assert!(inbox.take().is_empty());
    assert_eq!(inbox.push("later"), Err("later"), "it stays closed");
    assert!(inbox.close().is_empty());
}

#[test]
fn places_run_out_and_come_back() {
    let inbox = Inbox::<()>::new(2);
    assert!(inbox.reserve() && inbox.reserve());
    assert!(!inbox.reserve());
    assert_eq!(inbox.push(()), Ok(Wake::NotNeeded), "what may not be refused needs no place");
    assert!(!inbox.reserve());
    inbox.release(2);
    assert!(inbox.reserve() && inbox.reserve());
    assert!(!inbox.reserve());
    assert!(!Inbox::<()>::new(0).reserve());
}

#[test]
fn whoever_drops_items_drops_all_of_them() {
    let count = Arc::new(());
    let inbox = Inbox::new(0);
    let fill = || (0..10).for_each(|_| drop(inbox.push(Arc::clone(&count))));
    fill();
    let mut taken = inbox.take();
    assert!(taken.next().is_some());
    assert_eq!(Arc::strong_count(&count), 10, "nine are left");
    drop(taken);
    assert_eq!(Arc::strong_count(&count), 1);
    fill();
    drop(inbox);
    assert_eq!(Arc::strong_count(&count), 1);
    assert!(Taken::<()>::default().is_empty());
}

#[test]
fn a_million_items_are_dropped_without_a_deep_stack() {
    let inbox = Inbox::new(0);
    (0..1_000_000).for_each(|_| drop(inbox.push(Box::new(()))));
    drop(inbox);
}

#[test]
fn an_inbox_is_shared_if_its_items_may_be_sent() {
    fn is_shared<T: Send + Sync>() {}
    fn is_sent<T: Send>() {}
    is_shared::<Inbox<Cell<u8>>>();
    is_sent::<Taken<Cell<u8>>>();
    // These lines compile only as long as one implementation fits, so not if `Rc` were sent.
    <Inbox<Rc<u8>> as NotSync<_>>::holds();
    <Inbox<Rc<u8>> as NotSend<_>>::holds();
    <Taken<Rc<u8>> as NotSend<_>>::holds();
}

trait NotSend<Which> {
    fn holds() {}
}

impl<T> NotSend<()> for T {}
impl<T: Send> NotSend<u8> for T {}

trait NotSync<Which> {
    fn holds() {}
}

impl<T> NotSync<()> for T {}
impl<T: Sync> NotSync<u8> for T {}

/// The senders of the stress, what each sends, and the places they share.
const SENDERS: usize = 4;
const EACH: usize = 50_000;
const CAPACITY: usize = 64;

/// How long the receiver waits for the wake-up it is owed, before it is called lost.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn real_threads_lose_and_reorder_nothing() {
    let inbox = &Inbox::new(CAPACITY);
    let (wake, woken) = channel();
    let mut next = [0; SENDERS];
    let mut received = 0;
    thread::scope(|scope| {
        for sender in 0..SENDERS {
            let wake = wake.clone();
            scope.spawn(move || send(inbox, sender, &wake));
        }
        while received < SENDERS * EACH {
            let taken = inbox.take().map(|(sender, item)| {
                assert_eq!(item, next[sender], "sender {sender} is heard in order");
                next[sender] += 1;
            });
            let places = taken.count();
            assert!(places <= CAPACITY, "{places} items had a place");
            inbox.release(places);
            received += places;
            if places == 0 && inbox.sleep() {
                woken.recv_timeout(PATIENCE).expect("no wake-up is lost");
            }
        }
    });
    assert!(woken.try_recv().is_err(), "there was one wake-up for each sleep");
    assert!(inbox.close().is_empty());
}

fn send(inbox: &Inbox<(usize, usize)>, sender: usize, wake: &Sender<()>) {
    for item in 0..EACH {
        while !inbox.reserve() {
            thread::yield_now();
        }
        if inbox.push((sender, item)).expect("open") == Wake::Needed {
            wake.send(()).expect("the receiver waits");
        }
    }
}
