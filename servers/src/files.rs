//! What a server of files is made of, besides HTTP.

pub mod asked;
pub mod conditions;
pub mod media;
pub mod negotiation;
pub mod ranges;
pub mod validators;
