//! What every pass says to the author: errors gathered to be shown at once, and the nearest name.
//!
//! It knows spans and words, nothing of machines.

use std::collections::BTreeSet;
use std::fmt::Display;

use proc_macro2::{Span, TokenStream};

/// The errors found so far. A mistake in a shared row is met once for every state it serves and
/// kept once.
#[derive(Default)]
pub(crate) struct Errors {
    combined: Option<syn::Error>,
    seen: BTreeSet<String>,
}

impl Errors {
    /// Notes one mistake: what is wrong; what to write instead.
    pub(crate) fn at(&mut self, span: Span, message: impl Display) {
        if self.seen.insert(format!("{span:?} {message}")) {
            self.push(syn::Error::new(span, message));
        }
    }

    /// Takes over what a parser found.
    pub(crate) fn push(&mut self, error: syn::Error) {
        match &mut self.combined {
            Some(combined) => combined.combine(error),
            None => self.combined = Some(error),
        }
    }

    /// Takes over what another pass gathered.
    pub(crate) fn take(&mut self, other: Self) {
        other.combined.into_iter().flatten().for_each(|error| self.push(error));
    }

    /// Tells whether nothing was found so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.combined.is_none()
    }

    /// Takes the value of `result`, or notes its error.
    pub(crate) fn keep<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    /// The errors as `compile_error!` calls, or `None` where there are none.
    pub(crate) fn into_tokens(self) -> Option<TokenStream> {
        self.combined.map(syn::Error::into_compile_error)
    }
}

/// The name among `known` that `wrong` was most likely meant to be.
pub(crate) fn nearest<'a>(
    wrong: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let allowed = wrong.chars().count().max(3) / 3;
    known
        .into_iter()
        .map(|name| (distance(&wrong.to_lowercase(), &name.to_lowercase()), name))
        .filter(|&(distance, _)| distance <= allowed)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, name)| name)
}

/// `; did you mean ..?` where a near name is known, otherwise the clause `instead`.
pub(crate) fn did_you_mean(near: Option<&str>, instead: impl Display) -> String {
    match near {
        Some(name) => format!("; did you mean `{name}`?"),
        None => format!("; {instead}"),
    }
}

/// Names as a sentence has them: `a`, `b` and `c`.
pub(crate) fn listed<S: AsRef<str>>(names: &[S]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{}`", name.as_ref())).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, before)) => format!("{} and {last}", before.join(", ")),
    }
}

/// The number of letters to insert, drop, change or swap to get from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<_>, Vec<_>) = (from.chars().collect(), to.chars().collect());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for i in 1..=from.len() {
        let mut row = vec![i];
        for j in 1..=to.len() {
            let change = last[j - 1] + usize::from(from[i - 1] != to[j - 1]);
            let mut best = change.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                best = best.min(before_last[j - 2] + 1);
            }
            row.push(best);
        }
        before_last = last;
        last = row;
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_found_and_a_far_one_is_not() {
        let states = ["Reading", "Closed"];
        assert_eq!(nearest("Readin", states), Some("Reading"));
        assert_eq!(nearest("Cloesd", states), Some("Closed"));
        assert_eq!(nearest("Working", states), None);
    }

    #[test]
    fn names_are_listed_as_in_a_sentence() {
        assert_eq!(listed::<&str>(&[]), "");
        assert_eq!(listed(&["a"]), "`a`");
        assert_eq!(listed(&["a", "b", "c"]), "`a`, `b` and `c`");
    }
}
