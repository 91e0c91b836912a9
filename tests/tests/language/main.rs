//! The table language as its users write it: machines that use each part of it, and run.
//!
//! Every machine here is read by a person first. A test that needs a comment to be understood
//! belongs to a machine with better names.
#![deny(warnings)]
#![allow(
    clippy::needless_pass_by_value,
    reason = "a row gives away what it owns, whether or not the action keeps it"
)]

mod connections;
mod data;
mod deadlines;
mod decoders;
mod endings;
mod names;
mod order;
mod rows;
mod shared;
mod types;
