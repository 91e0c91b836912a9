//! The example servers, each one file that reads top to bottom: table, context, actions, `main`.
//!
//! | server | from | command |
//! |---|---|---|
//! | [`echo`] | CS:APP 12.2 | `cargo run -p servers --bin echo -- --listen 127.0.0.1:7007` |
//! | [`chat`] | messages | `cargo run -p servers --bin chat -- --listen 127.0.0.1:7009` |

pub mod chat;
pub mod cli;
pub mod echo;
