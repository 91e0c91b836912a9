//! What other threads send to a worker: many senders, one receiver, no locks, and at most one
//! wake-up for each sleep. It knows nothing of machines, of messages, or of how one is woken.
//!
//! The whole inbox is one word. Senders put their items on top of a stack; the receiver takes the
//! stack as a whole and turns it round. Where there are no items, the same word says whether the
//! receiver is awake, sleeps, or is gone; so a sender learns in the very step that delivers its
//! item whether it has to wake the receiver, and nothing can come between the two.
//!
//! Orderings: a sender releases its item with the step that publishes it, and the receiver acquires
//! with the step that takes the stack. One acquire is enough for all items, since each push is a
//! read-modify-write and so continues the release sequences of the pushes before it. A sender never
//! looks into an item below its own and acquires nothing. Everything else is relaxed: that a sleep
//! and a push cannot miss each other follows from there being one word, whose changes have one
//! order, and a compare-exchange acts on the newest.
//!
//! The word holds addresses and no pointers, and their provenance is exposed: between a sender's
//! look at the top and its push, the node it saw may have been freed and another have been put on
//! top at the same address. That is harmless for a stack taken as a whole (the sender wants
//! whatever is on top to be below it), but a pointer kept from the first look would name a dead
//! node.
#![expect(
    unsafe_code,
    reason = "a node is owned by an address in an atomic word, which the compiler cannot follow"
)]

use std::marker::PhantomData;

use crate::sync::{AtomicUsize, Mutex, Ordering};

/// No items; the receiver is awake and will look again before it sleeps.
const AWAKE: usize = 0;

/// No items; the receiver sleeps until someone wakes it.
const SLEEPING: usize = 1;

/// There is no receiver any more. Nodes are aligned, so that none has this address or a lower one.
const CLOSED: usize = 2;

/// The inbox of one receiver, which any thread may push to.
pub(crate) struct Inbox<T> {
    /// [`AWAKE`], [`SLEEPING`], [`CLOSED`], or the address of the node pushed last, which is owned.
    head: AtomicUsize,
    /// The places that are not reserved.
    free: AtomicUsize,
    capacity: usize,
    /// Items come in and go out whole, as through a lock: shared between threads if `T: Send`.
    items: PhantomData<Mutex<T>>,
}

/// Tells a sender whether the receiver has to be woken.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wake {
    /// The receiver sleeps, and nobody else has been told so: wake it.
    Needed,
    /// The receiver is awake, or another sender wakes it.
    NotNeeded,
}

/// Items taken out of an inbox, oldest first.
pub(crate) struct Taken<T> {
    /// [`AWAKE`] for none, or the address of the first node, which is owned.
    first: usize,
    items: PhantomData<Box<T>>,
}

struct Node<T> {
    item: T,
    /// [`AWAKE`] for none, or the address of the next node, which this one owns.
    next: usize,
}

impl<T> Inbox<T> {
    /// An inbox with a receiver that is awake.
    pub(crate) fn new(capacity: usize) -> Self {
        const { assert!(align_of::<Node<T>>() > CLOSED, "no node may look like a mark") };
        Self {
            head: AtomicUsize::new(AWAKE),
            free: AtomicUsize::new(capacity),
            capacity,
            items: PhantomData,
        }
    }

    /// Takes one place of the capacity; false where all are taken.
    pub(crate) fn reserve(&self) -> bool {
        // Relaxed: a place is only counted. What is sent is published by `push`.
        let less = |free: usize| free.checked_sub(1);
        self.free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    /// Gives places back: the receiver those of the items it has taken, a sender one that it does
    /// not use.
    pub(crate) fn release(&self, places: usize) {
        let free = self.free.fetch_add(places, Ordering::Relaxed);
        debug_assert!(free + places <= self.capacity, "a place is given back once");
    }

    /// Delivers an item, or gives it back where the inbox is closed. Whether there was a place for
    /// it is for [`Self::reserve`] to say: what may not be refused goes in without one.
    pub(crate) fn push(&self, item: T) -> Result<Wake, T> {
        let mut head = self.head.load(Ordering::Relaxed);
        let mut node = Box::new(Node { item, next: AWAKE });
        while head != CLOSED {
            node.next = if head == SLEEPING { AWAKE } else { head };
            let raw = Box::into_raw(node);
            let address = raw.expose_provenance();
            // Release: whoever takes the node finds the item in it and the nodes below.
            let (success, failure) = (Ordering::Release, Ordering::Relaxed);
            match self.head.compare_exchange_weak(head, address, success, failure) {
                Ok(SLEEPING) => return Ok(Wake::Needed),
                Ok(_) => return Ok(Wake::NotNeeded),
                Err(newer) => head = newer,
            }
            // SAFETY: `raw` comes from a box, and as the exchange has failed its address has gone
            // nowhere.
            node = unsafe { Box::from_raw(raw) };
        }
        Err(node.item)
    }

    /// For the receiver: everything pushed so far. From now on the receiver counts as awake.
    pub(crate) fn take(&self) -> Taken<T> {
        if self.wake() { self.replace(AWAKE) } else { Taken::default() }
    }

    /// For the receiver: true if there is something to take. From now on the receiver counts as
    /// awake.
    #[inline]
    pub(crate) fn wake(&self) -> bool {
        // A look first: the usual answer is that there is nothing, and a plain load leaves the
        // cache line with the senders. It may miss a push of this moment; `sleep` will not.
        let relaxed = Ordering::Relaxed;
        match self.head.load(relaxed) {
            AWAKE | CLOSED => false,
            SLEEPING => self.head.compare_exchange(SLEEPING, AWAKE, relaxed, relaxed).is_err(),
            _ => true,
        }
    }

    /// For the receiver: true if it may sleep, and the next push answers [`Wake::Needed`]; false if
    /// there is something to take, or the inbox is closed.
    #[inline]
    pub(crate) fn sleep(&self) -> bool {
        // Relaxed: the receiver publishes nothing by going to sleep. On failure `take` acquires.
        let relaxed = Ordering::Relaxed;
        self.head.compare_exchange(AWAKE, SLEEPING, relaxed, relaxed).is_ok()
    }

    /// Tells whether there is no receiver any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.head.load(Ordering::Relaxed) == CLOSED
    }

    /// For the receiver: whatever is still there. From now on a push gives its item back.
    pub(crate) fn close(&self) -> Taken<T> {
        self.replace(CLOSED)
    }

    /// Puts a mark in the place of the nodes, which are the caller's from now on.
    fn replace(&self, mark: usize) -> Taken<T> {
        // Acquire: pairs with the release of each push whose node is in the stack.
        match self.head.swap(mark, Ordering::Acquire) {
            AWAKE | SLEEPING | CLOSED => Taken::default(),
            newest => Taken { first: newest, items: PhantomData }.reversed(),
        }
    }
}

impl<T> Drop for Inbox<T> {
    fn drop(&mut self) {
        drop(self.close());
    }
}

impl<T> Taken<T> {
    /// Tells whether no item is left.
    pub(crate) const fn is_empty(&self) -> bool {
        self.first == AWAKE
    }

    fn reversed(mut self) -> Self {
        let mut reversed = Self::default();
        while let Some(mut node) = self.pop() {
            node.next = reversed.first;
            reversed.first = Box::into_raw(node).expose_provenance();
        }
        reversed
    }

    fn pop(&mut self) -> Option<Box<Node<T>>> {
        if self.is_empty() {
            return None;
        }
        let raw = std::ptr::with_exposed_provenance_mut::<Node<T>>(self.first);
        // SAFETY: `first` is the exposed address of a box that was given up for it: to the inbox by
        // a push, whose one swap handed it here, or in `reversed`. It is owned by nothing else, and
        // is forgotten in the next line. A push that this thread has not acquired is not in the
        // list.
        let node = unsafe { Box::from_raw(raw) };
        self.first = node.next;
        Some(node)
    }
}

impl<T> Default for Taken<T> {
    fn default() -> Self {
        Self { first: AWAKE, items: PhantomData }
    }
}

impl<T> Iterator for Taken<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.pop().map(|node| node.item)
    }
}

impl<T> Drop for Taken<T> {
    fn drop(&mut self) {
        // One after the other: nodes that dropped each other would need a stack as deep as that.
        self.for_each(drop);
    }
}
