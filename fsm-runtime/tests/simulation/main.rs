//! Servers in a simulated system: the worker that serves real sockets, under every cut, fault and
//! delay that a seed can think of. Each test says what must hold; the machines it needs stand
//! beside it.

mod agreement;
mod campaign;
mod classes;
mod deadlines;
mod drain;
mod faults;
mod flights;
mod limits;
mod machines;
mod messages;
mod operations;
mod order;
mod panics;
mod raw;
mod shared_output;
mod workers;
