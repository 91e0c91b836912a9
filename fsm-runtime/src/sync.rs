//! The primitives that the cores shared between threads stand on: those of `std`. Those files take
//! them from here and from nowhere else, so that a model checker can put its own in their place.

pub(crate) use std::sync::atomic::{AtomicUsize, Ordering};
pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
pub(crate) use std::thread;

pub(crate) use crate::courtesy::give_way;
