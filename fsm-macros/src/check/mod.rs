//! From a machine as written to one that may be expanded: every rule of the language, one function each.
//!
//! It knows the table and no Rust types: what rustc says better is left to rustc.

mod checked;
mod resolve;

pub(crate) use checked::{
    Answer, Checked, Deadline, Effect, Entry, Origin, Outcome, Row, State, Target, binds,
};

use crate::diag::Errors;
use crate::model::Machine;

/// Checks everything. What is wrong is in `errors` afterwards, and the answer is the machine mended as far
/// as the mistakes let it be.
pub(crate) fn check<'m>(machine: &'m Machine, errors: &mut Errors) -> Option<Checked<'m>> {
    let checked = resolve::resolve(machine, errors)?;
    Some(checked)
}

/// `next_piece` as `NextPiece`.
pub(crate) fn camel_case(name: &str) -> String {
    let mut camel = String::new();
    for word in name.split('_') {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}
