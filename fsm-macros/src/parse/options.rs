//! `#[machine(key = value, ..)]`.

use std::time::Duration;

use proc_macro2::Span;
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{Attribute, Ident, LitInt, Token};

use super::attribute::arguments;
use super::deadline;
use crate::diag::{Errors, did_you_mean, listed, nearest};
use crate::model::Options;

const KEYS: [&str; 11] = [
    "context", "input", "reply", "message", "error", "shared", "max_size", "stall", "backlog",
    "plain", "crate",
];

/// Reads the keys of one attribute. A key that cannot be read leaves the others standing.
pub(super) fn parse(attribute: &Attribute, options: &mut Options, errors: &mut Errors) {
    options.present = true;
    let mut found = Errors::default();
    let parsed = arguments(attribute, "context = Client", |input| {
        while !input.is_empty() {
            if let Err(error) = key(input, options, &mut found) {
                found.push(error);
                skip_to_comma(input)?;
            }
            if input.parse::<Option<Token![,]>>()?.is_none() && !input.is_empty() {
                found.at(input.span(), "a comma is missing here; put one between two keys");
                if !input.peek2(Token![=]) {
                    skip_to_comma(input)?;
                    input.parse::<Option<Token![,]>>()?;
                }
            }
        }
        Ok(())
    });
    found.keep(parsed);
    options.unread |= !found.is_empty();
    errors.take(found);
}

fn key(input: ParseStream<'_>, options: &mut Options, errors: &mut Errors) -> syn::Result<()> {
    if !input.peek(Ident::peek_any) {
        let message = format!("a key is missing here; the keys are {}", listed(&KEYS));
        return Err(syn::Error::new(input.span(), message));
    }
    let key = input.call(Ident::parse_any)?;
    let written = key.to_string();
    let Some(name) = KEYS.into_iter().find(|known| *known == written) else {
        return unknown(input, &key, options, errors);
    };
    if options.keys.contains(&key) {
        errors.at(key.span(), format!("`{key}` is given twice; keep one"));
    }
    options.keys.push(key.clone());
    value(input, name, key.span(), options)
}

/// A mistyped key is reported and then read as what it was meant to be.
fn unknown(
    input: ParseStream<'_>,
    key: &Ident,
    options: &mut Options,
    errors: &mut Errors,
) -> syn::Result<()> {
    let near = nearest(&key.to_string(), KEYS);
    let instead = format!("the keys are {}", listed(&KEYS));
    let near_words = did_you_mean(near, instead);
    errors.at(key.span(), format!("`{key}` is not a key of `machine`{near_words}"));
    match near {
        Some(near) => value(input, near, key.span(), options),
        None => skip_to_comma(input),
    }
}

fn value(input: ParseStream<'_>, name: &str, span: Span, options: &mut Options) -> syn::Result<()> {
    if name == "plain" {
        options.plain = Some(span);
        return Ok(());
    }
    if !input.peek(Token![=]) {
        return Err(syn::Error::new(span, format!("`{name}` needs a value; write `{name} = ..`")));
    }
    input.parse::<Token![=]>()?;
    match name {
        "context" => options.context = Some(input.parse()?),
        "input" => options.input = Some(input.parse()?),
        "reply" => options.reply = Some(input.parse()?),
        "message" => options.message = Some(input.parse()?),
        "error" => options.error = Some(input.parse()?),
        "shared" => options.shared = Some(input.parse()?),
        "max_size" => options.max_size = Some(size(&input.parse()?)?),
        "stall" => options.stall = Some(stall(&input.parse()?)?),
        "backlog" => options.backlog = Some(size(&input.parse()?)?),
        _ => options.runtime = Some(input.parse()?),
    }
    Ok(())
}

fn stall(literal: &LitInt) -> syn::Result<Duration> {
    deadline::duration(literal)
}

/// A number of bytes: `4096`, `256KiB`, `1MiB`.
fn size(literal: &LitInt) -> syn::Result<u64> {
    let unit: u64 = match literal.suffix() {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        other => {
            let message = format!("`{other}` is not a unit of bytes; write `KiB`, `MiB` or `GiB`");
            return Err(syn::Error::new(literal.span(), message));
        }
    };
    let bytes = literal.base10_parse::<u64>()?.checked_mul(unit);
    bytes.ok_or_else(|| syn::Error::new(literal.span(), "this is more than a u64 counts; lower it"))
}

/// Steps over one value whose key is not understood, angle brackets kept together.
fn skip_to_comma(input: ParseStream<'_>) -> syn::Result<()> {
    let mut depth = 0_i32;
    while !input.is_empty() && (depth > 0 || !input.peek(Token![,])) {
        depth += i32::from(input.peek(Token![<])) - i32::from(input.peek(Token![>]));
        input.parse::<proc_macro2::TokenTree>()?;
    }
    Ok(())
}
