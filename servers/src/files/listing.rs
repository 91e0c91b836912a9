//! A list of what is in a directory.

use std::time::SystemTime;

/// One thing in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name, which may be any bytes but a slash and NUL.
    pub name: Vec<u8>,
    /// It is a directory.
    pub is_folder: bool,
    /// The bytes of a file.
    pub size: u64,
    /// When it was last changed, where the file system knows.
    pub modified: Option<SystemTime>,
}
