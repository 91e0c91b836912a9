//! The example servers, each one file that reads top to bottom: table, context, actions, `main`.
//!
//! | server | from | run with `cargo run -p servers --bin` and |
//! |---|---|---|
//! | [`echo`] | CS:APP 12.2 | `echo -- --listen 127.0.0.1:7007` |
//! | [`thank_you`] | Tanenbaum, Fig. 2-19 | `thank-you -- --listen 127.0.0.1:7008` |
//! | [`cached_file`] | Tanenbaum 2.2 | `cached-file -- --listen 127.0.0.1:8080` |
//! | [`chat`] | one room, many workers | `chat -- --listen 127.0.0.1:7009` |
//!
//! [`http`] is the machine of HTTP/1.1, over whatever answers the requests, and [`files`] is what
//! the answers of [`cached_file`] are made of.

pub mod cached_file;
pub mod chat;
pub mod cli;
pub mod echo;
pub mod files;
pub mod http;
pub mod thank_you;
