//! What the tests of this package share: an interpreter of tables, and checked crates that depend
//! on the runtime as a user's would.
#![deny(missing_docs)]

pub mod dependent;
pub mod interpreter;
