//! `on(..)`, `after(..)` and `ignores(..)`, which stand on a state, in a group or on the enum.

use syn::parse::ParseStream;
use syn::{Attribute, Token};

use super::attribute::{arguments, use_up};
use super::{deadline, row};
use crate::diag::Errors;
use crate::model::Scope;

/// An attribute that may stand on a state, on a group and on the enum.
pub(super) fn attribute(
    scope: &mut Scope,
    name: &str,
    attribute: &Attribute,
    docs: String,
    errors: &mut Errors,
) {
    let example = match name {
        "on" => "EVENT => action -> TARGET",
        "after" => "10s -> TARGET",
        _ => "EVENT, EVENT",
    };
    let mut found = Errors::default();
    let parsed = arguments(attribute, example, |input| {
        item(scope, name, docs, input, &mut found);
        Ok(())
    });
    if let Err(error) = parsed {
        (scope.incomplete, scope.unread) = (true, true);
        errors.push(error);
    }
    errors.take(found);
}

/// The inside of `on(..)`, `after(..)` or `ignores(..)`. Whatever is wrong, the input is used up.
pub(super) fn item(
    scope: &mut Scope,
    name: &str,
    docs: String,
    input: ParseStream<'_>,
    errors: &mut Errors,
) {
    let result = match name {
        "on" => row::parse(input, docs, errors).map(|row| {
            scope.incomplete |= row.effect.broken;
            scope.rows.push(row);
        }),
        "after" => deadline::parse(input, docs, scope, errors),
        _ => row::ignores(input).map(|ignored| scope.ignores.extend(ignored)),
    };
    if let Err(error) = result {
        // A deadline that cannot be read hides no event.
        scope.unread |= name != "after";
        scope.incomplete = true;
        errors.push(error);
        use_up(input);
    } else if !input.is_empty() {
        let has_target = scope.rows.last().is_some_and(|row| !row.effect.targets.is_empty());
        let message = unexpected(name, has_target, input);
        let rest = input.span();
        // The rest may name an event.
        scope.unread |= name == "ignores";
        if name == "on"
            && has_target
            && let Some(row) = scope.rows.last_mut()
        {
            row::targets_behind_commas(input, &mut row.effect);
        }
        use_up(input);
        let effect = match name {
            "on" => scope.rows.last_mut().map(|row| &mut row.effect),
            "after" => scope.deadlines.last_mut().map(|deadline| &mut deadline.effect),
            _ => None,
        };
        if let Some(effect) = effect {
            effect.broken = true;
        }
        scope.incomplete = true;
        errors.at(rest, message);
    }
}

/// What is wrong with a token where nothing more can stand, in the words for those who come from
/// elsewhere.
fn unexpected(name: &str, has_target: bool, input: ParseStream<'_>) -> &'static str {
    match name {
        "on" if input.peek(Token![if]) => {
            "a row has no guard; let its action choose among several targets"
        }
        "on" if has_target && input.peek(Token![,]) => {
            "targets of one row are separated by `|`, not by commas"
        }
        "on" if input.peek(Token![,]) => "patterns of one row are separated by `|`, not by commas",
        "on" => "unexpected token; a row reads `EVENT => action(args) -> TARGET | TARGET`",
        "after" => "unexpected token; a deadline reads `10s => action(args) -> TARGET`",
        _ => "unexpected token; events are separated by commas",
    }
}
