//! Rules about actions that several rows call.

use std::collections::HashMap;

use super::checked::{Answer, Checked, Effect, Target};
use crate::diag::Errors;
use crate::model::Action;

/// What one action answers, as far as rows must agree on it.
#[derive(PartialEq, Eq)]
struct Signature {
    /// Where it may lead, in any order; `None` where it answers `()`.
    targets: Option<Vec<String>>,
    fallible: bool,
}

pub(super) fn check_rows_of_one_action_agree(checked: &Checked<'_>, errors: &mut Errors) {
    let mut known: HashMap<String, (Signature, String)> = HashMap::new();
    for (_, effect) in checked.places.iter().flat_map(super::checked::Place::effects) {
        let Some(action) = &effect.syntax.action else { continue };
        if effect.syntax.broken || effect.targets.len() != effect.syntax.targets.len() {
            continue;
        }
        let signature = signature(checked, effect, action);
        let written = written(effect);
        let Some((first, first_written)) = known.get(&action.name.to_string()) else {
            known.insert(action.name.to_string(), (signature, written));
            continue;
        };
        let name = &action.name;
        if first.targets != signature.targets {
            let message = format!(
                "`{name}` {first_written} in an earlier row and {written} here; lead to the same \
                 targets, or call another action"
            );
            errors.at(name.span(), message);
        } else if first.fallible != signature.fallible {
            let (here, there) =
                if first.fallible { ("without", "with") } else { ("with", "without") };
            let message = format!(
                "`{name}` is written {here} `?` here and {there} it before; write it one way"
            );
            errors.at(name.span(), message);
        }
    }
}

fn signature(checked: &Checked<'_>, effect: &Effect<'_>, action: &Action) -> Signature {
    let targets = match effect.answer {
        Answer::Nothing => None,
        Answer::Outcome(_) => {
            let mut targets: Vec<_> =
                effect.targets.iter().map(|target| target_name(checked, target)).collect();
            targets.sort();
            Some(targets)
        }
    };
    Signature { targets, fallible: action.fallible.is_some() }
}

/// The state's own name, also where the target is mistyped, with the fields the row carries.
fn target_name(checked: &Checked<'_>, target: &Target<'_>) -> String {
    match target {
        Target::Stay { .. } => "Stay".into(),
        Target::Set { syntax, .. } => syntax.name.to_string(),
        Target::Enter(entry) => {
            let state = checked.states[entry.state].syntax;
            let answered = entry.answered.iter().map(|&index| &state.fields[index].member);
            let answered = quote::quote!(#(#answered),*);
            format!("{} {{ {answered} }}", state.name)
        }
    }
}

/// The row's targets as the author wrote them.
fn written(effect: &Effect<'_>) -> String {
    if effect.syntax.targets.is_empty() {
        return "stays".into();
    }
    let names: Vec<_> = effect.syntax.targets.iter().map(|it| it.name.to_string()).collect();
    format!("leads to `{}`", names.join(" | "))
}
