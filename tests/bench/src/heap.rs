//! Counts the bytes that a server holds from its allocator, exactly, and tells the bench when
//! asked.
//!
//! A program installs it with `#[global_allocator] static HEAP: Counting = Counting;` and calls
//! [`answer_on_stdin`] first; every line on its standard input is then answered with the bytes held
//! now.
#![allow(
    unsafe_code,
    reason = "a global allocator is an unsafe trait; this one hands every call to the system's"
)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    io,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// The system's allocator, with a count of the bytes it has given out and not got back.
pub struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every method passes its arguments unchanged to `System`, which keeps the contract, and
// gives its answer back unchanged; counting touches no memory but an atomic and never allocates.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LIVE.fetch_add(size, Ordering::Relaxed);
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// The bytes that are held now.
#[must_use]
pub fn live() -> usize {
    LIVE.load(Ordering::Relaxed)
}

/// Starts a thread that answers every line on standard input with the bytes held from the
/// allocator, and then does what is to be done when the input has ended.
pub fn answer_on_stdin(at_end: fn()) {
    thread::spawn(move || {
        // One buffer from before the first answer, so that asking changes nothing.
        let mut question = String::with_capacity(64);
        while io::stdin().read_line(&mut question).is_ok_and(|read| read > 0) {
            println!("{}", live());
            question.clear();
        }
        at_end();
    });
}
