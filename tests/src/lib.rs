//! What the tests of this package share: clients, servers to test, the means to measure them, an
//! interpreter of tables, and crates that depend on the runtime as a user's would.
#![deny(missing_docs)]

pub mod child;
pub mod client;
pub mod clock;
pub mod code_lines;
pub mod dependent;
#[path = "../bench/src/heap.rs"]
pub mod heap;
pub mod http_echo;
pub mod http_odd;
pub mod inside;
pub mod interpreter;
pub mod response;
pub mod scratch;
pub mod seeded;
pub mod slow_disk;
pub mod watched;
