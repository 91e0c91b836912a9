//! Connection state machines from a declarative table, and the event loop that runs them.
#![cfg_attr(not(feature = "server"), no_std)]

pub mod table;
#[cfg(feature = "server")]
pub mod testing;

#[cfg(feature = "server")]
mod decode;
#[cfg(feature = "server")]
mod io;
#[cfg(feature = "server")]
mod line_feeds;
#[cfg(feature = "server")]
mod machine;

#[cfg(feature = "server")]
pub use decode::{ByteLimit, Chunks, DEFAULT_LIMIT, Input, LengthPrefixed, Lines};
pub use fsm_macros::Machine;
#[cfg(feature = "server")]
pub use io::{Io, Out};
#[cfg(feature = "server")]
pub use machine::{Deadlines, Event, Fallible, IntoLimit, Machine};
