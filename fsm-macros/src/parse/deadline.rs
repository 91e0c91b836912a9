//! `after(LIMIT KIND => action -> TARGET)` and `after(never = "why")`.

use std::time::Duration;

use syn::parse::ParseStream;
use syn::{Ident, LitInt, LitStr, Token};

use super::row;
use crate::diag::{Errors, did_you_mean, nearest};
use crate::model::{Deadline, Kind, Limit, Scope};

/// Reads one deadline into `scope`.
pub(super) fn parse(
    input: ParseStream<'_>,
    docs: String,
    scope: &mut Scope,
    errors: &mut Errors,
) -> syn::Result<()> {
    if input.peek(Ident) && input.peek2(Token![=]) && !input.peek2(Token![=>]) {
        return never(input, scope);
    }
    let span = input.span();
    let limit = limit(input)?;
    let kind = kind(input)?;
    let effect = row::effect(input, errors);
    scope.incomplete |= effect.broken;
    scope.deadlines.push(Deadline { docs, kind, limit, span, effect });
    Ok(())
}

fn never(input: ParseStream<'_>, scope: &mut Scope) -> syn::Result<()> {
    let word: Ident = input.parse()?;
    if word != "never" {
        let message =
            format!("`{word}` is no deadline; write `never = \"why\"` or `10s -> TARGET`");
        return Err(syn::Error::new(word.span(), message));
    }
    input.parse::<Token![=]>()?;
    let reason: LitStr = input.parse()?;
    if reason.value().trim().is_empty() {
        let message = "a reason is missing; say why this state may wait for ever";
        return Err(syn::Error::new(reason.span(), message));
    }
    if scope.never.is_some() {
        return Err(syn::Error::new(word.span(), "`never` is said twice; keep one reason"));
    }
    scope.never = Some(reason);
    Ok(())
}

fn limit(input: ParseStream<'_>) -> syn::Result<Limit> {
    if input.peek(LitInt) {
        let literal: LitInt = input.parse()?;
        return Ok(Limit::Fixed(duration(&literal)?, literal.to_string()));
    }
    if !input.peek(Ident) {
        let message =
            "expected a limit; write `10s`, a method such as `keep_alive()`, or `never = \"why\"`";
        return Err(syn::Error::new(input.span(), message));
    }
    if !input.peek2(syn::token::Paren) {
        let word: Ident = input.parse()?;
        let message = if word == "never" {
            "`never` needs a reason; write `never = \"why this state may wait for ever\"`"
                .to_owned()
        } else {
            format!("`{word}` is no limit; write `10s`, or `{word}()` for a method of the context")
        };
        return Err(syn::Error::new(word.span(), message));
    }
    Ok(Limit::Method(row::action(input)?))
}

const KIND_WORDS: &str = "the kinds are `10s`, `10s without input`, `10s of partial`, \
    `10s without progress` and `10s without 4096 bytes`";

fn kind(input: ParseStream<'_>) -> syn::Result<Kind> {
    if !input.peek(Ident) {
        return Ok(Kind::SinceEntry);
    }
    let first: Ident = input.parse()?;
    match known(&first, &["without", "of"])? {
        "of" => next(input, &first, &["partial"]).map(|_| Kind::OfPartial),
        _ if input.peek(LitInt) => {
            let bytes: LitInt = input.parse()?;
            if !input.peek(Ident) {
                let message = format!("`bytes` is missing; write `without {bytes} bytes`");
                return Err(syn::Error::new(bytes.span(), message));
            }
            next(input, &first, &["bytes"])?;
            match bytes.base10_parse()? {
                0 => {
                    let message = "no bytes at all are no limit; write at least `1`";
                    Err(syn::Error::new(bytes.span(), message))
                }
                bytes => Ok(Kind::WithoutBytes(bytes)),
            }
        }
        _ => Ok(match next(input, &first, &["input", "progress"])? {
            "input" => Kind::WithoutInput,
            _ => Kind::WithoutProgress,
        }),
    }
}

/// The word behind `before`, which has to be one of a few.
fn next<'a>(input: ParseStream<'_>, before: &Ident, words: &[&'a str]) -> syn::Result<&'a str> {
    if input.peek(Ident) { known(&input.parse()?, words) } else { Err(no_kind(before, None)) }
}

fn known<'a>(word: &Ident, words: &[&'a str]) -> syn::Result<&'a str> {
    let near = || nearest(&word.to_string(), words.iter().copied()).map(ToOwned::to_owned);
    let found = words.iter().find(|known| word == known).copied();
    found.ok_or_else(|| no_kind(word, near().as_deref()))
}

fn no_kind(word: &Ident, near: Option<&str>) -> syn::Error {
    let message = format!("`{word}` is no kind of deadline{}", did_you_mean(near, KIND_WORDS));
    syn::Error::new(word.span(), message)
}

/// A literal such as `500ms`, `10s`, `5min` or `2h`.
pub(super) fn duration(literal: &LitInt) -> syn::Result<Duration> {
    let fail = |message: String| Err(syn::Error::new(literal.span(), message));
    let milliseconds: u64 = match literal.suffix() {
        "ms" => 1,
        "s" => 1000,
        "min" => 60_000,
        "h" => 3_600_000,
        "" => return fail(format!("`{literal}` has no unit; write `{literal}s` or `{literal}ms`")),
        other => {
            return fail(format!("`{other}` is not a unit of time; write `ms`, `s`, `min` or `h`"));
        }
    };
    match literal.base10_parse::<u64>()?.checked_mul(milliseconds) {
        None => fail("this is longer than a clock counts; lower it".into()),
        Some(0) => fail("no time at all is no deadline; write at least `1ms`".into()),
        Some(number) => Ok(Duration::from_millis(number)),
    }
}
