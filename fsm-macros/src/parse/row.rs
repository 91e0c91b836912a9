//! The row: `EVENT [=> action(args)[?]] [-> TARGET ["label"] | ..]`.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::{Ident, LitStr, Member, Token, token};

use super::attribute::use_up;
use crate::diag::{Errors, did_you_mean, nearest};
use crate::model::{
    Action, Alternative, Carried, Effect, Head, Ignored, Payload, RUNTIME_EVENTS, Row, Target,
    VariantPattern,
};

/// Reads one row. Where only its event can be read, the row keeps that.
pub(super) fn parse(input: ParseStream<'_>, docs: String, errors: &mut Errors) -> syn::Result<Row> {
    let before = input.fork();
    let alternatives =
        Punctuated::<_, Token![|]>::parse_separated_nonempty_with(input, alternative)?;
    let pattern = text_until(&before, input);
    let effect = effect(input, errors);
    Ok(Row { docs, alternatives: alternatives.into_iter().collect(), pattern, effect })
}

/// The tokens from `start` to where `end` has come, as text.
fn text_until(start: ParseStream<'_>, end: ParseStream<'_>) -> String {
    let left = end.cursor().token_stream().into_iter().count();
    let all: Vec<TokenTree> = start.cursor().token_stream().into_iter().collect();
    text(&all[..all.len() - left].iter().cloned().collect())
}

/// Tokens as one would write them: no space before brackets and commas.
pub(crate) fn text(tokens: &TokenStream) -> String {
    let mut text = tokens.to_string().replace('\n', " ");
    let tight = [
        (" (", "("),
        ("( ", "("),
        (" )", ")"),
        (" ,", ","),
        (" :: ", "::"),
        ("::<", "::<"),
        (" <", "<"),
        ("< ", "<"),
        (" >", ">"),
        ("& ", "&"),
        (" :", ":"),
        (" ;", ";"),
    ];
    for (loose, close) in tight {
        text = text.replace(loose, close);
    }
    text
}

/// `=> action(args)? -> TARGET | TARGET`. What cannot be read marks the effect as broken.
pub(super) fn effect(input: ParseStream<'_>, errors: &mut Errors) -> Effect {
    let mut effect = Effect::default();
    if let Err(error) = read_effect(input, &mut effect, errors) {
        errors.push(error);
        effect.broken = true;
        use_up(input);
    }
    effect
}

fn read_effect(
    input: ParseStream<'_>,
    effect: &mut Effect,
    errors: &mut Errors,
) -> syn::Result<()> {
    if input.peek(Token![=>]) {
        let arrow: Token![=>] = input.parse()?;
        if input.is_empty() {
            let message = "an action is missing; name a method of the context";
            return Err(syn::Error::new(joined(arrow.spans), message));
        }
        effect.action = Some(action(input)?);
    }
    if input.peek(Token![->]) {
        let arrow: Token![->] = input.parse()?;
        let span = joined(arrow.spans);
        effect.arrow = Some(span);
        if input.is_empty() {
            let message = "a target is missing; name the state the row leads to";
            return Err(syn::Error::new(span, message));
        }
        effect.targets.push(target(input, errors)?);
        while input.parse::<Option<Token![|]>>()?.is_some() {
            effect.targets.push(target(input, errors)?);
        }
    }
    Ok(())
}

/// Reads targets where commas stand for `|`, so that what the action answers keeps its variants.
pub(super) fn targets_behind_commas(input: ParseStream<'_>, effect: &mut Effect) {
    let mut targets = Vec::new();
    while input.parse::<Token![,]>().is_ok() || input.parse::<Token![|]>().is_ok() {
        let Ok(target) = target(input, &mut Errors::default()) else { return };
        targets.push(target);
    }
    // Where more follows, they were no targets but the begin of another row.
    if input.is_empty() {
        effect.targets.append(&mut targets);
    }
}

/// Parses what stands in brackets. After an error the rest is used up, or syn reports that as well.
fn inside<T>(
    content: ParseStream<'_>,
    parser: impl FnOnce(ParseStream<'_>) -> syn::Result<T>,
) -> syn::Result<T> {
    let parsed = parser(content);
    if parsed.is_err() {
        use_up(content);
    }
    parsed
}

/// Both halves of an arrow.
fn joined([first, second]: [Span; 2]) -> Span {
    first.join(second).unwrap_or(first)
}

/// An error about what comes next, in our words only: `input.error` adds its own where nothing
/// comes.
fn missing(input: ParseStream<'_>, message: &str) -> syn::Error {
    syn::Error::new(input.span(), message)
}

/// `name`, `name(a, b)`, `name(a)?`.
pub(super) fn action(input: ParseStream<'_>) -> syn::Result<Action> {
    if !input.peek(Ident::peek_any) {
        return Err(missing(input, "an action is missing; name a method of the context"));
    }
    let name = input.call(Ident::parse_any)?;
    if input.peek(Token![.]) || input.peek(Token![::]) {
        let message = "an action is a method of the context; write its name alone";
        return Err(syn::Error::new(name.span(), message));
    }
    let mut arguments = Vec::new();
    let mut parentheses = None;
    if input.peek(token::Paren) {
        let content;
        parentheses = Some(syn::parenthesized!(content in input).span.join());
        let parsed = inside(&content, |input| {
            Punctuated::<_, Token![,]>::parse_terminated_with(input, argument)
        })?;
        arguments.extend(parsed);
    }
    let fallible =
        if input.peek(Token![?]) { Some(input.parse::<Token![?]>()?.spans[0]) } else { None };
    Ok(Action { name, arguments, parentheses, fallible })
}

fn argument(input: ParseStream<'_>) -> syn::Result<Member> {
    let start = input.span();
    let message =
        "an argument is a name that the event or the state binds; compute it in the action";
    let member: Member = input.parse().map_err(|_| syn::Error::new(start, message))?;
    if input.is_empty() || input.peek(Token![,]) {
        Ok(member)
    } else {
        Err(syn::Error::new(start, message))
    }
}

/// `Name`, `Name "label"`, `Name { carried, .. } "label"`.
pub(super) fn target(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Target> {
    if input.peek(Ident::peek_any) && input.peek2(Token![::]) {
        let message = "a target is a state of this machine; write its name alone";
        return Err(missing(input, message));
    }
    if !input.peek(Ident) {
        return Err(missing(input, "expected a target; name a state, a named outcome or `Stay`"));
    }
    let name: Ident = input.parse()?;
    let carried = if input.peek(token::Brace) { Some(carried(input)?) } else { None };
    if input.peek(token::Paren) {
        let message = "a target carries fields in braces; the action answers the others";
        return Err(syn::Error::new(name.span(), message));
    }
    if input.peek(Ident) {
        let label: Ident = input.parse()?;
        let message = format!("a label is a string; write `\"{label}\"`");
        errors.at(label.span(), message);
    }
    let label = if input.peek(LitStr) { Some(input.parse()?) } else { None };
    Ok(Target { name, carried, label })
}

fn carried(input: ParseStream<'_>) -> syn::Result<Carried> {
    let content;
    syn::braced!(content in input);
    inside(&content, carried_fields)
}

fn carried_fields(content: ParseStream<'_>) -> syn::Result<Carried> {
    let mut carried = Carried { fields: Vec::new(), rest: false };
    while !content.is_empty() {
        if content.peek(Token![..]) {
            content.parse::<Token![..]>()?;
            carried.rest = true;
            break;
        }
        carried.fields.push(content.parse()?);
        if content.peek(Token![:]) {
            let message =
                "a field keeps its name when it is carried; let the action answer another";
            return Err(missing(content, message));
        }
        if content.parse::<Option<Token![,]>>()?.is_none() {
            break;
        }
    }
    if content.is_empty() {
        Ok(carried)
    } else {
        Err(missing(content, "unexpected token; carried fields are names, with `..` at the end"))
    }
}

/// One pattern: `Line(line)`, `TooLong`, `_`, `eof(rest)`, `reply(Opened(file))`.
fn alternative(input: ParseStream<'_>) -> syn::Result<Alternative> {
    if input.peek(Token![_]) {
        let token: Token![_] = input.parse()?;
        let token = Ident::new("_", token.spans[0]);
        return Ok(Alternative { head: Head::AnyInput, token, payload: Payload::None });
    }
    let (name, head) = event_name(input)?;
    if head.is_input() {
        let variant = variant_pattern(input, name.clone())?;
        return Ok(Alternative { head, token: name, payload: Payload::Variant(variant) });
    }
    if !input.peek(token::Paren) {
        return Ok(Alternative { head, token: name, payload: Payload::None });
    }
    let content;
    syn::parenthesized!(content in input);
    inside(&content, |content| runtime_payload(content, name, head))
}

/// The name of an event and what it says, without what follows it.
fn event_name(input: ParseStream<'_>) -> syn::Result<(Ident, Head)> {
    if !input.peek(Ident::peek_any) || input.peek(Token![_]) {
        return Err(missing(
            input,
            "expected an event; write an input such as `Line(line)`, or `eof`",
        ));
    }
    let name = input.call(Ident::parse_any)?;
    let word = name.unraw().to_string();
    if input.peek(Token![.]) {
        let message = format!(
            "a second socket `{word}` is not supported yet; write the event without `{word}.`"
        );
        return Err(syn::Error::new(name.span(), message));
    }
    if input.peek(Token![::]) {
        let message = "a row names the variant alone; the alphabet is the machine's `input`";
        return Err(syn::Error::new(name.span(), message));
    }
    if word.starts_with(char::is_uppercase) {
        return Ok((name, Head::Input(word)));
    }
    if let Some((_, head)) = RUNTIME_EVENTS.iter().find(|(known, _)| *known == word) {
        return Ok((name, head.clone()));
    }
    let known = RUNTIME_EVENTS.map(|(word, _)| word);
    let near = nearest(&word, known);
    let instead = format!("the runtime's events are {}", crate::diag::listed(&known));
    let message = format!("`{word}` is not an event{}", did_you_mean(near, instead));
    Err(syn::Error::new(name.span(), message))
}

/// What stands in the parentheses of `eof(..)`, `reply(..)` and the like.
fn runtime_payload(content: ParseStream<'_>, token: Ident, head: Head) -> syn::Result<Alternative> {
    let takes =
        matches!(head, Head::Eof | Head::Reply(_) | Head::Message(_) | Head::Error | Head::Lost);
    if !takes {
        let message = format!("`{token}` brings nothing; write it without parentheses");
        return Err(syn::Error::new(token.span(), message));
    }
    if content.peek(Token![_]) {
        content.parse::<Token![_]>()?;
        expect_end(content)?;
        return Ok(Alternative { head, token, payload: Payload::None });
    }
    let name: Ident = content.parse()?;
    let is_variant = name.to_string().starts_with(char::is_uppercase);
    let head = match head {
        Head::Reply(_) if is_variant => Head::Reply(Some(name.to_string())),
        Head::Message(_) if is_variant => Head::Message(Some(name.to_string())),
        other if !is_variant => other,
        _ => {
            let message = format!("`{name}` is no name to bind; write `{token}(name)`");
            return Err(syn::Error::new(name.span(), message));
        }
    };
    let payload = if is_variant {
        Payload::Variant(variant_pattern(content, name)?)
    } else {
        Payload::Whole(name)
    };
    expect_end(content)?;
    Ok(Alternative { head, token, payload })
}

fn expect_end(content: ParseStream<'_>) -> syn::Result<()> {
    if content.is_empty() {
        return Ok(());
    }
    Err(missing(content, "expected one name or one variant; write a row for each variant"))
}

/// The fields behind a variant's name.
fn variant_pattern(input: ParseStream<'_>, name: Ident) -> syn::Result<VariantPattern> {
    let mut bindings = Vec::new();
    let content;
    let fields = if input.peek(token::Paren) {
        let paren = syn::parenthesized!(content in input);
        let names = inside(&content, |input| names(input, binding, &mut bindings))?;
        grouped(Delimiter::Parenthesis, names, paren.span.join())
    } else if input.peek(token::Brace) {
        let brace = syn::braced!(content in input);
        let names = inside(&content, |input| names(input, field_binding, &mut bindings))?;
        grouped(Delimiter::Brace, names, brace.span.join())
    } else {
        TokenStream::new()
    };
    Ok(VariantPattern { name, fields, bindings })
}

fn grouped(delimiter: Delimiter, tokens: TokenStream, span: Span) -> TokenStream {
    let mut group = Group::new(delimiter, tokens);
    group.set_span(span);
    TokenTree::Group(group).into()
}

type ReadName = fn(ParseStream<'_>, &mut Vec<Ident>) -> syn::Result<TokenStream>;

/// Names with commas between them.
fn names(
    input: ParseStream<'_>,
    one: ReadName,
    bindings: &mut Vec<Ident>,
) -> syn::Result<TokenStream> {
    let mut names = TokenStream::new();
    while !input.is_empty() {
        names.extend(one(input, bindings)?);
        match input.parse::<Option<Token![,]>>()? {
            Some(comma) => comma.to_tokens(&mut names),
            None => break,
        }
    }
    Ok(names)
}

/// `name`, `_` or `..`.
fn binding(input: ParseStream<'_>, bindings: &mut Vec<Ident>) -> syn::Result<TokenStream> {
    if input.peek(Token![_]) {
        return Ok(input.parse::<Token![_]>()?.into_token_stream());
    }
    if input.peek(Token![..]) {
        return Ok(input.parse::<Token![..]>()?.into_token_stream());
    }
    let message = "a pattern binds names, or `_`; look deeper in the action";
    let start = input.span();
    let name: Ident = input.parse().map_err(|_| syn::Error::new(start, message))?;
    let ends = input.is_empty() || input.peek(Token![,]);
    if !ends || name.to_string().starts_with(char::is_uppercase) {
        return Err(syn::Error::new(start, message));
    }
    bindings.push(name.clone());
    Ok(name.into_token_stream())
}

/// `field`, `field: name`, `field: _` or `..`.
fn field_binding(input: ParseStream<'_>, bindings: &mut Vec<Ident>) -> syn::Result<TokenStream> {
    if input.peek(Ident) && input.peek2(Token![:]) {
        let field: Ident = input.parse()?;
        let colon: Token![:] = input.parse()?;
        let name = binding(input, bindings)?;
        return Ok(quote::quote!(#field #colon #name));
    }
    binding(input, bindings)
}

/// `TooLong, eof, message(Refresh), _`.
pub(super) fn ignores(input: ParseStream<'_>) -> syn::Result<Vec<Ignored>> {
    if input.is_empty() {
        return Err(missing(input, "an event is missing; name what is ignored"));
    }
    let mut events = vec![ignored(input)?];
    while input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
        events.push(ignored(input)?);
    }
    Ok(events)
}

fn ignored(input: ParseStream<'_>) -> syn::Result<Ignored> {
    if input.peek(Token![_]) {
        let token = Ident::new("_", input.parse::<Token![_]>()?.spans[0]);
        return Ok(Ignored { head: Head::AnyInput, token, variant: None });
    }
    let (token, head) = event_name(input)?;
    if head.is_input() {
        return Ok(Ignored { head, variant: Some(token.clone()), token });
    }
    if !input.peek(token::Paren) {
        return Ok(Ignored { head, token, variant: None });
    }
    let content;
    syn::parenthesized!(content in input);
    inside(&content, |content| ignored_variant(content, token, &head))
}

/// The variant in `message(Refresh)`.
fn ignored_variant(content: ParseStream<'_>, token: Ident, event: &Head) -> syn::Result<Ignored> {
    let variant: Ident = content.parse()?;
    let head = match event {
        Head::Reply(_) => Head::Reply(Some(variant.to_string())),
        Head::Message(_) => Head::Message(Some(variant.to_string())),
        _ => {
            let message = format!("`ignores` needs only the event's name; write `{token}`");
            return Err(syn::Error::new(variant.span(), message));
        }
    };
    expect_end(content)?;
    Ok(Ignored { head, token, variant: Some(variant) })
}
