//! The names of generated functions.

use std::collections::HashSet;

use proc_macro2::{Ident, Span};
use syn::ext::IdentExt as _;

use crate::model::Machine;

/// The functions of one state.
pub(super) struct StateNames {
    /// Dispatches every event: `reading`.
    pub(super) event: Ident,
    /// Dispatches inputs, the hot path: `reading_input`.
    pub(super) input: Ident,
    /// Where a failed action leads: `reading_failed`.
    pub(super) failed: Ident,
}

/// The locals of generated functions: a function called so could not be called where they stand.
const LOCALS: [&str; 12] = [
    "machine", "context", "event", "input", "io", "outcome", "error", "payload", "decoder",
    "bytes", "seen", "taken",
];

/// Names after the states, told apart where two would be the same.
pub(super) fn of_states(machine: &Machine) -> Vec<StateNames> {
    let mut taken: HashSet<String> = LOCALS.map(str::to_owned).into();
    let states = machine.states.iter();
    let names: Vec<_> = states
        .map(|state| unique(snake_case(&state.name.unraw().to_string()), &mut taken))
        .collect();
    let names = names.into_iter().map(|event| StateNames {
        input: ident(&unique(format!("{event}_input"), &mut taken)),
        failed: ident(&unique(format!("{event}_failed"), &mut taken)),
        event: ident(&event),
    });
    names.collect()
}

fn ident(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// The name with something behind it until nobody else has it and Rust keeps it for nothing else.
fn unique(name: String, taken: &mut HashSet<String>) -> String {
    let mut unique = name;
    while syn::parse_str::<Ident>(&unique).is_err() || !taken.insert(unique.clone()) {
        unique.push_str("_state");
    }
    unique
}

/// `ReadingHead` as `reading_head`, `HTTPHead` as `http_head`.
fn snake_case(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut snake = String::new();
    for (index, letter) in letters.iter().enumerate() {
        let follows_small = index > 0 && !letters[index - 1].is_uppercase();
        let precedes_small = letters.get(index + 1).is_some_and(|next| next.is_lowercase());
        let is_word = letter.is_uppercase() && index > 0 && (follows_small || precedes_small);
        if is_word && !snake.ends_with('_') {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}
