//! stub
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
#[derive(Clone)]
pub(crate) struct Slots(Arc<AtomicUsize>);
pub(crate) struct Slot(Arc<AtomicUsize>);
impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
impl Slots {
    pub(crate) fn new(capacity: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(capacity)))
    }
    pub(crate) fn take(&self) -> Option<Slot> {
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
            .ok()
            .map(|_| Slot(Arc::clone(&self.0)))
    }
}
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JobId(u64);
impl JobId {
    pub(crate) fn new(n: u64) -> Self {
        Self(n)
    }
}
pub(crate) struct Pool(Slots);
impl Pool {
    pub(crate) fn new(_threads: usize, capacity: usize) -> Self {
        Self(Slots::new(capacity))
    }
    pub(crate) fn slots(&self) -> &Slots {
        &self.0
    }
    pub(crate) fn submit(&self, slot: Slot, work: Box<dyn FnOnce() + Send>) -> JobId {
        std::thread::spawn(move || {
            work();
            drop(slot)
        });
        JobId(0)
    }
    pub(crate) fn cancel(&self, _job: JobId) -> bool {
        false
    }
}
