//! `#[group(Name: A, B; on(..), after(..), ignores(..))]`.

use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{Attribute, Ident, Token};

use super::attribute::{doc_line, use_up};
use super::{instead, scope};
use crate::diag::{Errors, did_you_mean, nearest};
use crate::model::{Group, Scope};

/// `Name: A, B; on(..), after(..)`. Mistakes inside its rows are answered beside the group.
pub(super) fn parse(input: ParseStream<'_>) -> syn::Result<(Group, Errors)> {
    let example =
        "a group is a name and its states; write `group(Name: A, B; on(EVENT -> TARGET))`";
    let name: Ident = instead(input.parse(), example)?;
    instead(input.parse::<Token![:]>(), example)?;
    let mut members = Vec::new();
    while input.peek(Ident) {
        members.push(input.parse()?);
        if input.parse::<Option<Token![,]>>()?.is_none() {
            break;
        }
    }
    if members.is_empty() {
        let message = format!("`{name}` has no states; name them, such as `{name}: A, B`");
        return Err(syn::Error::new(name.span(), message));
    }
    let mut group = Group { name, members, scope: Scope::default() };
    if input.is_empty() {
        return Ok((group, Errors::default()));
    }
    instead(input.parse::<Token![;]>(), example)?;
    let mut errors = Errors::default();
    while !input.is_empty() {
        item(input, &mut group.scope, &mut errors)?;
        if input.parse::<Option<Token![,]>>()?.is_none() {
            break;
        }
    }
    Ok((group, errors))
}

fn item(input: ParseStream<'_>, rows: &mut Scope, errors: &mut Errors) -> syn::Result<()> {
    let attributes = input.call(Attribute::parse_outer)?;
    let docs: Vec<_> = attributes.iter().filter_map(doc_line).collect();
    let word = input.call(Ident::parse_any)?;
    let known = ["on", "after", "ignores"];
    let name = word.to_string();
    let near = nearest(&name, known);
    if near.is_none_or(|near| near != name) {
        let instead = "a group has `on(..)`, `after(..)` and `ignores(..)`";
        let message = format!("`{word}` does not belong in a group{}", did_you_mean(near, instead));
        errors.at(word.span(), message);
    }
    let content;
    syn::parenthesized!(content in input);
    match near {
        Some(name) => scope::item(rows, name, docs.join("\n"), &content, errors),
        None => {
            use_up(&content);
            (rows.incomplete, rows.unread) = (true, true);
        }
    }
    Ok(())
}
