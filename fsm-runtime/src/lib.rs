//! Connection state machines from a declarative table, and the event loop that runs them.
//!
//! An author annotates an enum; [`#[derive(Machine)]`](derive@Machine) turns its rows into a state machine;
//! [`Server`] runs one machine a connection, thousands in one thread. Start with the derive's page for the
//! language, and with [`testing`] to try a machine without a socket.
//!
//! - **Deciding**: [`Machine`], [`Event`], [`Io`] and [`Out`] are what actions meet. [`Lines`], [`Chunks`] and
//!   [`LengthPrefixed`] are ready-made input alphabets; a protocol brings its own by [`Input`].
//! - **Doing**: [`Server`] binds [`Address`]es, runs a machine, and answers a [`Summary`] when it is stopped
//!   by a signal or through [`Stop`].
//! - **Looking**: [`table`] is the machine as data, and draws itself.
//!
//! Without the feature `server`, which is on by default, the crate needs only `core` and serves plain
//! machines, those without a socket.
#![cfg_attr(not(feature = "server"), no_std)]

/// Items that need sockets, threads and a heap.
macro_rules! with_server {
    ($($item:item)*) => { $(#[cfg(feature = "server")] $item)* };
}

mod answer;
mod diagram;
pub mod table;

with_server! {
    pub mod testing;

    mod accept;
    mod connection;
    mod decode;
    mod io;
    mod key;
    mod line_feeds;
    mod listener;
    mod machine;
    mod peer;
    mod real;
    mod server;
    mod slab;
    mod slice;
    mod summary;
    mod sys;
    mod wheel;
    mod worker;

    pub use decode::{
        ByteLimit, Chunks, DEFAULT_LIMIT, Input, LengthPrefixed, LimitError, Lines, MAX_LIMIT,
    };
    pub use io::{Io, Out};
    pub use listener::BindError;
    pub use machine::{Deadlines, Event, Machine};
    pub use peer::{Address, AddressError, Peer};
    pub use server::{DEFAULT_DRAIN_LIMIT, Server, ServerError, Stop};
    pub use summary::Summary;
}

pub use answer::{Fallible, IntoLimit};
pub use fsm_macros::Machine;

/// The README's code is compiled and run with the other examples.
#[cfg(all(doctest, feature = "server"))]
#[doc = include_str!("../../README.md")]
struct Readme;
