//! The rules of HTTP/1.1 for what a connection's bytes may be, as tables: what is sent, and what
//! must come of it. Bytes go into the machine without sockets, and however they are cut into
//! pieces, the same comes of them.

mod bodies;
mod case;
mod cuts;
mod limits;
mod random;
mod requests;
mod smuggling;
mod suites;
