//! Connection state machines from a declarative table, and the event loop that runs them.
#![cfg_attr(not(feature = "server"), no_std)]

pub mod table;
#[cfg(feature = "server")]
pub mod testing;

#[cfg(feature = "server")]
mod accept;
mod answer;
#[cfg(feature = "server")]
mod connection;
#[cfg(feature = "server")]
mod decode;
mod diagram;
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
mod peer;
#[cfg(feature = "server")]
mod real;
#[cfg(feature = "server")]
mod server;
#[cfg(feature = "server")]
mod slab;
#[cfg(feature = "server")]
mod slice;
#[cfg(feature = "server")]
mod summary;
#[cfg(feature = "server")]
mod sys;
#[cfg(feature = "server")]
mod wheel;
#[cfg(feature = "server")]
mod worker;

pub use answer::{Fallible, IntoLimit};
#[cfg(feature = "server")]
pub use decode::{
    ByteLimit, Chunks, DEFAULT_LIMIT, Input, LengthPrefixed, LimitError, Lines, MAX_LIMIT,
};
pub use fsm_macros::Machine;
#[cfg(feature = "server")]
pub use io::{Io, Out};
#[cfg(feature = "server")]
pub use listener::BindError;
#[cfg(feature = "server")]
pub use machine::{Deadlines, Event, Machine};
#[cfg(feature = "server")]
pub use peer::{Address, AddressError, Peer};
#[cfg(feature = "server")]
pub use server::{DEFAULT_DRAIN_LIMIT, Server, ServerError, Stop};
#[cfg(feature = "server")]
pub use summary::Summary;
