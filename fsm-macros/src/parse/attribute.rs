//! Helper attributes: which one it is, what stands in it, and whose the `///` lines around it are.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens as _;
use syn::parse::ParseStream;
use syn::spanned::Spanned as _;
use syn::{Attribute, LitStr, Meta};

use crate::diag::nearest;

/// The helper attributes, as the derive declares them.
const ATTRIBUTES: [&str; 13] = [
    "machine", "initial", "terminal", "on", "after", "ignores", "enter", "leave", "decode",
    "group", "outcome", "shed", "class",
];

/// The helper attribute this is, or was meant to be: rustc itself reports `#[initail]`, so it is
/// read as what it was meant to be, and nothing else is said of it.
pub(super) fn helper_name(attribute: &Attribute) -> Option<&'static str> {
    let name = attribute.path().get_ident()?.to_string();
    let exact = ATTRIBUTES.into_iter().find(|known| *known == name);
    exact.or_else(|| nearest(&name, ATTRIBUTES).filter(|near| near.len() > 4 && name != "error"))
}

/// Parses what stands in an attribute's parentheses.
pub(super) fn arguments<T>(
    attribute: &Attribute,
    example: &str,
    parser: impl FnOnce(ParseStream<'_>) -> syn::Result<T>,
) -> syn::Result<T> {
    let Meta::List(list) = &attribute.meta else {
        let name = helper_name(attribute).unwrap_or_default();
        let message = format!("`{name}` needs something to say; write `#[{name}({example})]`");
        return Err(syn::Error::new(attribute.path().span(), message));
    };
    list.parse_args_with(parser)
}

/// Reads what is left, so that one mistake is reported once. Answers where it began.
pub(super) fn use_up(input: ParseStream<'_>) -> Option<Span> {
    let rest = input.parse::<TokenStream>().unwrap_or_default();
    rest.into_iter().next().map(|token| token.span())
}

/// Tells whose the `///` lines are: those above the first helper attribute belong to the item,
/// those between attributes to the row below them.
#[derive(Default)]
pub(super) struct Docs {
    item: Vec<String>,
    row: Vec<String>,
    helper_seen: bool,
}

impl Docs {
    /// The name of the helper attribute, unless it is a comment or somebody else's.
    pub(super) fn next_helper(&mut self, attribute: &Attribute) -> Option<&'static str> {
        if let Some(line) = doc_line(attribute) {
            if self.helper_seen {
                self.row.push(line);
            } else {
                self.item.push(line);
            }
            return None;
        }
        let name = helper_name(attribute)?;
        self.helper_seen = true;
        Some(name)
    }

    pub(super) fn take(&mut self) -> String {
        std::mem::take(&mut self.row).join("\n")
    }

    pub(super) fn of_item(self) -> String {
        self.item.into_iter().chain(self.row).collect::<Vec<_>>().join("\n")
    }
}

pub(super) fn doc_line(attribute: &Attribute) -> Option<String> {
    if !attribute.path().is_ident("doc") {
        return None;
    }
    let Meta::NameValue(pair) = &attribute.meta else { return None };
    let line = syn::parse2::<LitStr>(pair.value.to_token_stream()).ok()?.value();
    Some(line.strip_prefix(' ').unwrap_or(&line).to_owned())
}
