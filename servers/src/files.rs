//! What a server of files is made of: paths, the disk, the cache, and what RFC 9110 says of it all.

pub mod listing;
pub mod log;
pub mod site;
pub mod store;
pub mod watch;
