//! What the tests of this package share: clients, servers to test, and the means to measure them.
#![deny(missing_docs)]

pub mod child;
pub mod client;
pub mod clock;
pub mod inside;
pub mod scratch;
pub mod seeded;
