//! What a server of files is made of: paths, the disk, the cache, and what RFC 9110 says of it all.

pub mod asked;
pub mod conditions;
pub mod document;
pub mod download;
pub mod elsewhere;
pub mod folder;
pub mod listing;
pub mod loader;
pub mod log;
pub mod media;
pub mod negotiation;
pub mod open_file;
pub mod path;
pub mod pieces;
pub mod ranges;
pub mod refresh;
pub mod reply;
pub mod root;
pub mod site;
pub mod snapshot;
pub mod store;
pub mod validators;
pub mod watch;

mod walk;
