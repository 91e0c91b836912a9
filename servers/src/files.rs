//! What a server of files is made of, besides HTTP.

pub mod media;
pub mod validators;
