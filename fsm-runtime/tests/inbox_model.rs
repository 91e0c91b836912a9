//! The inbox in the orders of steps that the memory model allows, all of them or those with few
//! interruptions: its very source, on loom's primitives in the place of those of `std`.
//!
//! Each item carries a cell, written by its sender and again by whoever ends up with it: loom fails
//! the model if nothing orders the two. Loom also counts each item's allocation, and misses it if
//! the item is leaked.

#[path = "../src/inbox.rs"]
mod inbox;

/// What `inbox.rs` knows as `crate::sync`.
mod sync {
    pub(crate) use loom::sync::Mutex;
    pub(crate) use loom::sync::atomic::{AtomicUsize, Ordering};
}

use loom::alloc::Track;
use loom::cell::UnsafeCell;
use loom::model::Builder;
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread::{self, JoinHandle};

use inbox::{Inbox, Wake};

/// How often threads may be interrupted where not all orders can be seen in a few seconds. Loom's
/// authors find most mistakes with two or three, and twenty mutants of the inbox fell with two.
const PREEMPTIONS: usize = 2;

/// Which sender sent it, and its number among those of the sender.
type Name = (usize, usize);

/// What senders send.
struct Item {
    name: Track<Name>,
    cell: UnsafeCell<()>,
}

impl Item {
    fn new(name: Name) -> Self {
        let item = Self { name: Track::new(name), cell: UnsafeCell::new(()) };
        item.touch();
        item
    }

    fn touch(&self) {
        self.cell.with_mut(|_| ());
    }

    fn name(self) -> Name {
        self.touch();
        *self.name.get_ref()
    }
}

/// The descriptor that a sleeping worker waits for: wake-ups are counted until they are seen.
struct Bell {
    rung: Mutex<usize>,
    changed: Condvar,
}

impl Bell {
    fn new() -> Self {
        Self { rung: Mutex::new(0), changed: Condvar::new() }
    }

    fn ring(&self) {
        *self.rung.lock().unwrap() += 1;
        self.changed.notify_one();
    }

    /// Waits for a wake-up, and answers how many there were.
    fn wait(&self) -> usize {
        let mut rung = self.rung.lock().unwrap();
        while *rung == 0 {
            rung = self.changed.wait(rung).unwrap();
        }
        std::mem::take(&mut *rung)
    }
}

/// What became of the items of one sender.
struct Sent {
    back: Vec<Name>,
    wakes: usize,
}

/// Pushes the items of one sender from a thread of its own, and wakes whenever it is told to.
fn sender(
    sender: usize,
    items: usize,
    inbox: &Arc<Inbox<Item>>,
    wake: impl Fn() + Send + 'static,
) -> JoinHandle<Sent> {
    let inbox = Arc::clone(inbox);
    thread::spawn(move || {
        let mut sent = Sent { back: Vec::new(), wakes: 0 };
        for number in 0..items {
            match inbox.push(Item::new((sender, number))) {
                Ok(Wake::NotNeeded) => {}
                Ok(Wake::Needed) => {
                    sent.wakes += 1;
                    wake();
                }
                Err(item) => sent.back.push(item.name()),
            }
        }
        sent
    })
}

/// Waits for the senders, and sums up what became of their items.
fn join<const N: usize>(senders: [JoinHandle<Sent>; N]) -> Sent {
    let mut all = Sent { back: Vec::new(), wakes: 0 };
    for sender in senders {
        let sent = sender.join().unwrap();
        all.back.extend(sent.back);
        all.wakes += sent.wakes;
    }
    all
}

fn names(items: impl Iterator<Item = Item>) -> Vec<Name> {
    items.map(Item::name).collect()
}

/// The names of a sender's items, in the order in which they were heard.
fn of(sender: usize, names: &[Name]) -> Vec<usize> {
    names.iter().filter(|name| name.0 == sender).map(|name| name.1).collect()
}

/// Takes while senders push. Loom tries no other order for a load that another load follows, as the
/// first look of `take` is followed by that of a push, so the receiver tries to sleep before.
fn take_early(inbox: &Inbox<Item>) -> Vec<Name> {
    let _ = inbox.sleep();
    names(inbox.take())
}

/// Runs a model that has too many orders to see them all in a few seconds.
fn bounded(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.check(model);
}

/// A receiver that sleeps as soon as it has nothing to do, until it has heard so many items. A
/// wake-up that is lost leaves it waiting, which loom calls a deadlock.
fn hear_all<const N: usize>(items: [usize; N]) {
    let inbox = Arc::new(Inbox::new(0));
    let bell = Arc::new(Bell::new());
    let senders = std::array::from_fn(|at| {
        let bell = Arc::clone(&bell);
        sender(at, items[at], &inbox, move || bell.ring())
    });
    let mut heard = Vec::new();
    let mut sleeps = 0;
    while heard.len() < items.iter().sum() {
        heard.extend(names(inbox.take()));
        if heard.len() < items.iter().sum() && inbox.sleep() {
            sleeps += 1;
            assert_eq!(bell.wait(), 1, "one wake-up a sleep");
        }
    }
    let sent = join::<N>(senders);
    assert_eq!((sent.back, sent.wakes), (vec![], sleeps), "nobody wakes whoever is awake");
    for (sender, items) in items.into_iter().enumerate() {
        assert!(of(sender, &heard).into_iter().eq(0..items), "{heard:?}");
    }
    assert!(inbox.take().is_empty());
}

#[test]
fn no_wake_up_is_lost_and_none_is_doubled() {
    loom::model(|| hear_all([2]));
}

#[test]
fn no_wake_up_is_lost_between_two_senders() {
    bounded(|| hear_all([2, 1]));
}

/// A worker is woken by its sockets too, and takes without having been woken by a sender.
#[test]
fn a_sleep_that_ended_otherwise_is_over() {
    bounded(|| {
        let inbox = Arc::new(Inbox::new(0));
        assert!(inbox.sleep());
        let senders = [sender(0, 1, &inbox, || ()), sender(1, 1, &inbox, || ())];
        let mut heard = names(inbox.take());
        let early = heard.len();
        let slept_again = inbox.sleep();
        let sent = join(senders);
        heard.extend(names(inbox.take()));
        heard.sort_unstable();
        assert_eq!((heard, sent.back), (vec![(0, 0), (1, 0)], vec![]));
        let ended_by_push = [early > 0, slept_again && early < 2];
        let ended_by_push = ended_by_push.into_iter().filter(|&ended| ended).count();
        assert_eq!(sent.wakes, ended_by_push, "one wake-up for each sleep that a push ended");
    });
}

/// Nothing orders sender and receiver here but the inbox itself.
#[test]
fn what_is_taken_was_published() {
    bounded(|| {
        let inbox = Arc::new(Inbox::new(0));
        let senders = [sender(0, 1, &inbox, || ()), sender(1, 2, &inbox, || ())];
        let mut heard = take_early(&inbox);
        heard.extend(take_early(&inbox));
        assert_eq!(join(senders).back, []);
        heard.extend(names(inbox.take()));
        assert_eq!((of(0, &heard), of(1, &heard)), (vec![0], vec![0, 1]));
    });
}

#[test]
fn closing_loses_nothing() {
    loom::model(|| {
        let inbox = Arc::new(Inbox::new(0));
        let senders = [sender(0, 2, &inbox, || ()), sender(1, 1, &inbox, || ())];
        let mut heard = names(inbox.close());
        let back = join(senders).back;
        assert!(inbox.is_closed() && inbox.take().is_empty() && inbox.close().is_empty());
        assert!(of(0, &heard).is_sorted() && of(0, &back).is_sorted());
        heard.extend(back);
        assert_eq!(of(0, &heard), [0, 1], "what came back was pushed after what was left");
        assert_eq!(of(1, &heard), [0]);
    });
}

#[test]
fn what_nobody_takes_is_dropped_with_the_inbox() {
    loom::model(|| {
        let inbox = Arc::new(Inbox::new(0));
        let senders = [sender(0, 1, &inbox, || ()), sender(1, 1, &inbox, || ())];
        drop(inbox);
        assert_eq!(join(senders).back, []);
    });
}

/// Two senders try for one place, twice each; the receiver gives back what it has taken.
#[test]
fn the_capacity_is_never_exceeded() {
    bounded(|| {
        let inbox = Arc::new(Inbox::new(1));
        let senders = [0, 1].map(|sender| {
            let inbox = Arc::clone(&inbox);
            thread::spawn(move || {
                let send = |&number: &usize| {
                    let reserved = inbox.reserve();
                    reserved && inbox.push(Item::new((sender, number))).is_ok()
                };
                (0..2).filter(send).count()
            })
        });
        let taken = take_early(&inbox).len();
        assert!(taken <= 1, "{taken} items had one place");
        inbox.release(taken);
        let pushed: usize = senders.into_iter().map(|sender| sender.join().unwrap()).sum();
        let left = names(inbox.take()).len();
        assert!(left <= 1, "{left} items had one place");
        assert_eq!(pushed, taken + left);
        inbox.release(left);
        assert!(inbox.reserve() && !inbox.reserve(), "no place is lost");
    });
}
