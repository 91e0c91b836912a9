//! What a server of files is made of, besides HTTP.

pub mod asked;
pub mod conditions;
pub mod media;
pub mod validators;
