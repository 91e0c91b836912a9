//! Files of one directory as answers over HTTP: what a request names, and how it is opened and read
//! without ever leaving the directory.

pub mod path;
pub mod root;
pub mod snapshot;
mod walk;
