//! Connection state machines from a declarative table, and the event loop that runs them.
//!
//! An author annotates an enum; [`#[derive(Machine)]`](derive@Machine) turns its rows into a state
//! machine; [`Server`] runs one machine a connection, thousands in one thread, on a thread for each
//! core. Start with the derive's page for the language, and with [`testing`] to try a machine
//! without a socket.
//!
//! - **Deciding**: [`Machine`], [`Event`], [`Io`] and [`Out`] are what actions meet. [`Lines`],
//!   [`Chunks`] and [`LengthPrefixed`] are ready-made input alphabets; a protocol brings its own by
//!   [`Input`].
//! - **Doing**: [`Server`] binds [`Address`]es, runs a machine, and answers a [`Summary`] when it
//!   is stopped by a signal or through [`Stop`]. [`Accepted`] gives a connection its context and
//!   its [class](table::Class).
//! - **Together**: machines send to each other by [`Io::tell`] and through [`Topic`]s, other
//!   threads by a [`Handle`]; work that blocks is done by [`Io::offload`] and comes back as
//!   `reply`, and a [`Ticket`] is the right to answer from anywhere.
//! - **Looking**: [`table`] is the machine as data, and draws itself.
//!
//! Without the feature `server`, which is on by default, the crate needs only `core` and serves
//! plain machines, those without a socket.
#![cfg_attr(not(feature = "server"), no_std)]

pub mod table;
#[cfg(feature = "server")]
pub mod testing;

#[cfg(feature = "server")]
mod accept;
#[cfg(feature = "server")]
mod accepted;
#[cfg(feature = "server")]
mod allowance;
mod answer;
#[cfg(feature = "server")]
mod buffers;
#[cfg(feature = "server")]
mod connection;
#[cfg(feature = "server")]
mod courtesy;
#[cfg(feature = "server")]
mod decode;
mod diagram;
#[cfg(feature = "server")]
mod door;
#[cfg(feature = "server")]
mod drain;
#[cfg(feature = "server")]
mod inbox;
#[cfg(feature = "server")]
mod io;
#[cfg(feature = "server")]
mod key;
#[cfg(feature = "server")]
mod line_feeds;
#[cfg(feature = "server")]
mod listener;
#[cfg(feature = "server")]
mod machine;
#[cfg(feature = "server")]
mod mail;
#[cfg(feature = "server")]
mod mesh;
#[cfg(feature = "server")]
mod operation;
#[cfg(feature = "server")]
mod operations;
#[cfg(feature = "server")]
mod output;
#[cfg(feature = "server")]
mod parting;
#[cfg(feature = "server")]
mod peer;
#[cfg(feature = "server")]
mod pool;
#[cfg(feature = "server")]
mod precedence;
#[cfg(feature = "server")]
mod real;
#[cfg(feature = "server")]
mod schedule;
#[cfg(feature = "server")]
mod server;
#[cfg(feature = "server")]
mod slab;
#[cfg(feature = "server")]
mod slice;
#[cfg(feature = "server")]
mod summary;
#[cfg(feature = "server")]
mod sync;
#[cfg(feature = "server")]
mod sys;
#[cfg(feature = "server")]
mod time_of_day;
#[cfg(feature = "server")]
mod topics;
#[cfg(feature = "server")]
mod wheel;
#[cfg(feature = "server")]
mod worker;

#[cfg(feature = "server")]
pub use accepted::Accepted;
pub use answer::{Fallible, IntoLimit};
/// Bytes that many share, of the crate `bytes`; see [`Out::send_shared`].
#[cfg(feature = "server")]
pub use bytes::Bytes;
#[cfg(feature = "server")]
pub use courtesy::give_way;
#[cfg(feature = "server")]
pub use decode::{
    ByteLimit, Chunks, DEFAULT_LIMIT, Input, LengthPrefixed, LimitError, Lines, MAX_LIMIT,
};
pub use fsm_macros::Machine;
#[cfg(feature = "server")]
pub use io::{Io, Out};
#[cfg(feature = "server")]
pub use listener::{BindError, DEFAULT_KEEP_ALIVE, KEEP_ALIVES};
#[cfg(feature = "server")]
pub use machine::{Deadlines, Event, Machine};
#[cfg(feature = "server")]
pub use mesh::{DEFAULT_INBOX, Handle, Id, TellError, Topic};
#[cfg(feature = "server")]
pub use operation::{OperationError, PoolFull, Reply, Ticket};
#[cfg(feature = "server")]
pub use peer::{Address, AddressError, Peer};
#[cfg(feature = "server")]
pub use server::{DEFAULT_DRAIN_LIMIT, DEFAULT_POOL, Server, ServerError, Stop};
#[cfg(feature = "server")]
pub use summary::Summary;
pub use table::{Class, DeadlineKind};
#[cfg(feature = "server")]
pub use worker::DEFAULT_SLOW_SLICE;

/// The README's code is compiled and run with the other examples.
#[cfg(all(doctest, feature = "server"))]
#[doc = include_str!("../../README.md")]
struct Readme;
