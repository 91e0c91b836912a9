//! The rules of HTTP/1.1 that concern a single connection's bytes, as tables: what is sent, and what
//! must come of it. Bytes go into the machine without sockets, and however they are cut into
//! pieces, the same comes of them.

mod case;
mod requests;
