//! From the tokens of an annotated enum to a [`Machine`]: which attribute stands where.
//!
//! It knows the grammar and no meaning: a name is a name. What cannot be read is reported and left out,
//! so that the passes behind still see the rest.

mod deadline;
mod options;
mod row;

pub(crate) use row::text;

use proc_macro2::{Span, TokenStream};
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::{Attribute, Data, DeriveInput, Fields, Ident, LitStr, Meta, Token, Variant};

use crate::diag::{Errors, did_you_mean, nearest};
use crate::model::{
    Class, Decode, Field, Group, Machine, Options, OutcomeSet, Scope, Shape, Shed, State, Terminal,
};

/// The helper attributes, as the derive declares them.
const ATTRIBUTES: [&str; 13] = [
    "machine", "initial", "terminal", "on", "after", "ignores", "enter", "leave", "decode",
    "group", "outcome", "shed", "class",
];

/// Reads the whole enum. Answers `None` where it is not an enum at all.
pub(crate) fn machine(input: &DeriveInput, errors: &mut Errors) -> Option<Machine> {
    let Data::Enum(data) = &input.data else {
        let name = input.ident.span();
        errors.at(name, "a machine is an enum; make each state one of its variants");
        return None;
    };
    let mut machine = Machine {
        name: input.ident.clone(),
        visibility: input.vis.clone(),
        generics: input.generics.clone(),
        docs: String::new(),
        options: Options::default(),
        shared: Scope::default(),
        groups: Vec::new(),
        sets: Vec::new(),
        states: Vec::new(),
        incomplete: false,
    };
    machine_attributes(&mut machine, &input.attrs, errors);
    for variant in &data.variants {
        let state = state(variant, errors);
        machine.incomplete |= state.scope.incomplete;
        machine.states.push(state);
    }
    machine.incomplete |= machine.shared.incomplete;
    machine.incomplete |= machine.groups.iter().any(|group| group.scope.incomplete);
    Some(machine)
}

fn machine_attributes(machine: &mut Machine, attributes: &[Attribute], errors: &mut Errors) {
    let mut docs = Docs::default();
    for attribute in attributes {
        let Some(name) = docs.next_helper(attribute) else { continue };
        let span = attribute.path().span();
        match name {
            "machine" => options::parse(attribute, &mut machine.options, errors),
            "group" => {
                let parsed = arguments(attribute, "Name: A, B; on(EVENT -> TARGET)", group);
                match errors.keep(parsed) {
                    Some((group, found)) => {
                        errors.take(found);
                        machine.groups.push(group);
                    }
                    None => (machine.incomplete, machine.shared.unread) = (true, true),
                }
            }
            "outcome" => match errors.keep(arguments(attribute, "Name: A | B", outcome_set)) {
                Some(set) => machine.sets.push(set),
                None => machine.incomplete = true,
            },
            "class" => {
                machine.options.class = errors.keep(arguments(attribute, "preferred", class));
            }
            "on" | "after" | "ignores" => {
                scope_attribute(&mut machine.shared, name, attribute, docs.take(), errors);
            }
            _ => errors
                .at(span, format!("`{name}` says something about one state; move it to a variant")),
        }
    }
    machine.docs = docs.of_item();
}

fn state(variant: &Variant, errors: &mut Errors) -> State {
    let (shape, fields) = fields(&variant.fields);
    let mut state = State {
        name: variant.ident.clone(),
        docs: String::new(),
        fields,
        shape,
        initial: None,
        terminal: None,
        scope: Scope::default(),
        enter: None,
        leave: None,
        decode: None,
        shed: None,
        class: None,
    };
    let mut docs = Docs::default();
    for attribute in &variant.attrs {
        let Some(name) = docs.next_helper(attribute) else { continue };
        match name {
            "on" | "after" | "ignores" => {
                scope_attribute(&mut state.scope, name, attribute, docs.take(), errors);
            }
            _ => state_attribute(&mut state, name, attribute, errors),
        }
    }
    state.docs = docs.of_item();
    state
}

fn state_attribute(state: &mut State, name: &str, attribute: &Attribute, errors: &mut Errors) {
    let span = attribute.path().span();
    match name {
        "initial" => {
            if let Meta::List(list) = &attribute.meta {
                errors.at(list.path.span(), "`initial` takes nothing; write `#[initial]`");
            }
            once(&mut state.initial, span, span, name, errors);
        }
        "terminal" => {
            let terminal =
                errors.keep(terminal(attribute)).unwrap_or(Terminal { span, abort: None });
            once(&mut state.terminal, terminal, span, name, errors);
        }
        "enter" | "leave" => {
            let Some(action) = errors.keep(arguments(attribute, "action(field)", row::action))
            else {
                return;
            };
            let place = if name == "enter" { &mut state.enter } else { &mut state.leave };
            once(place, action, span, name, errors);
        }
        "decode" => match errors.keep(arguments(attribute, "field: Alphabet<'_>", decode)) {
            Some(decode) => once(&mut state.decode, decode, span, name, errors),
            None => (state.scope.incomplete, state.scope.unread) = (true, true),
        },
        "shed" => {
            if let Some(shed) = errors.keep(arguments(attribute, "first", shed)) {
                once(&mut state.shed, shed, span, name, errors);
            }
        }
        "class" => {
            if let Some(class) = errors.keep(arguments(attribute, "preferred", class)) {
                once(&mut state.class, class, span, name, errors);
            }
        }
        "machine" => errors.at(
            span,
            "a machine inside a state is not supported yet; write its states as variants here",
        ),
        _ => errors.at(span, format!("`{name}` belongs to the whole machine; move it to the enum")),
    }
}

/// Fills `place`, which may be filled only once.
fn once<T>(place: &mut Option<T>, value: T, span: Span, name: &str, errors: &mut Errors) {
    if place.is_some() {
        errors.at(span, format!("this state already has `#[{name}]`; keep one"));
    } else {
        *place = Some(value);
    }
}

/// An attribute that may stand on a state, on a group and on the enum.
fn scope_attribute(
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
        scope_item(scope, name, docs, input, &mut found);
        Ok(())
    });
    if let Err(error) = parsed {
        (scope.incomplete, scope.unread) = (true, true);
        errors.push(error);
    }
    errors.take(found);
}

/// The inside of `on(..)`, `after(..)` or `ignores(..)`. Whatever is wrong, the input is used up.
fn scope_item(
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
        (scope.incomplete, scope.unread) = (true, true);
        errors.push(error);
        use_up(input);
    } else if let Some(rest) = use_up(input) {
        if let ("on", Some(row)) = (name, scope.rows.last_mut()) {
            row.effect.broken = true;
        }
        let message = match name {
            "on" => "unexpected token; a row reads `EVENT => action(args) -> TARGET | TARGET`",
            "after" => "unexpected token; a deadline reads `10s => action(args) -> TARGET`",
            _ => "unexpected token; events are separated by commas",
        };
        errors.at(rest, message);
    }
}

/// Reads what is left, so that one mistake is reported once. Answers where it began.
fn use_up(input: ParseStream<'_>) -> Option<Span> {
    let rest = input.parse::<TokenStream>().unwrap_or_default();
    rest.into_iter().next().map(|token| token.span())
}

/// Parses what stands in an attribute's parentheses.
fn arguments<T>(
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

fn terminal(attribute: &Attribute) -> syn::Result<Terminal> {
    let Meta::List(list) = &attribute.meta else {
        return Ok(Terminal { span: attribute.path().span(), abort: None });
    };
    let abort: Ident = list.parse_args()?;
    if abort != "abort" {
        let message =
            format!("`{abort}` is no kind of ending; write `terminal` or `terminal(abort)`");
        return Err(syn::Error::new(abort.span(), message));
    }
    Ok(Terminal { span: attribute.path().span(), abort: Some(abort.span()) })
}

fn decode(input: ParseStream<'_>) -> syn::Result<Decode> {
    let field = input.parse()?;
    input.parse::<Token![:]>()?;
    Ok(Decode { field, alphabet: input.parse()? })
}

fn shed(input: ParseStream<'_>) -> syn::Result<Shed> {
    choose(input, &[("first", Shed::First), ("never", Shed::Never)])
}

fn class(input: ParseStream<'_>) -> syn::Result<Class> {
    let known = [
        ("preferred", Class::Preferred),
        ("normal", Class::Normal),
        ("background", Class::Background),
    ];
    choose(input, &known)
}

/// One word of a fixed set.
fn choose<T: Copy>(input: ParseStream<'_>, known: &[(&str, T)]) -> syn::Result<T> {
    let word = input.call(Ident::parse_any)?;
    if let Some((_, value)) = known.iter().find(|(name, _)| word == name) {
        return Ok(*value);
    }
    let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
    let near = nearest(&word.to_string(), names.iter().copied());
    let instead = format!("write `{}`", names.join("` or `"));
    let message = format!("`{word}` is not known here{}", did_you_mean(near, instead));
    Err(syn::Error::new(word.span(), message))
}

/// `Name: A, B; on(..), after(..)`. Mistakes inside its rows are answered beside the group.
fn group(input: ParseStream<'_>) -> syn::Result<(Group, Errors)> {
    let name: Ident = input.parse()?;
    input.parse::<Token![:]>()?;
    let mut members = Vec::new();
    while input.peek(Ident) {
        members.push(input.parse()?);
        if input.parse::<Option<Token![,]>>()?.is_none() {
            break;
        }
    }
    let mut group = Group { name, members, scope: Scope::default() };
    if input.is_empty() {
        return Ok((group, Errors::default()));
    }
    input.parse::<Token![;]>()?;
    let mut errors = Errors::default();
    while !input.is_empty() {
        group_item(input, &mut group.scope, &mut errors)?;
        if input.parse::<Option<Token![,]>>()?.is_none() {
            break;
        }
    }
    Ok((group, errors))
}

fn group_item(input: ParseStream<'_>, scope: &mut Scope, errors: &mut Errors) -> syn::Result<()> {
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
        (scope.incomplete, scope.unread) = (true, true);
    }
    let content;
    syn::parenthesized!(content in input);
    match near {
        Some(name) => scope_item(scope, name, docs.join("\n"), &content, errors),
        None => drop(use_up(&content)),
    }
    Ok(())
}

fn outcome_set(input: ParseStream<'_>) -> syn::Result<OutcomeSet> {
    let name = input.parse()?;
    input.parse::<Token![:]>()?;
    let targets = Punctuated::<_, Token![|]>::parse_separated_nonempty_with(input, row::target)?;
    Ok(OutcomeSet { name, targets: targets.into_iter().collect() })
}

fn fields(fields: &Fields) -> (Shape, Vec<Field>) {
    let shape = match fields {
        Fields::Named(_) => Shape::Named,
        Fields::Unnamed(_) => Shape::Tuple,
        _ => Shape::Unit,
    };
    let fields = fields.members().zip(fields.iter());
    (shape, fields.map(|(member, field)| Field { member, ty: field.ty.clone() }).collect())
}

/// Tells whose the `///` lines are: those above the first helper attribute belong to the item, those
/// between attributes to the row below them.
#[derive(Default)]
struct Docs {
    item: Vec<String>,
    row: Vec<String>,
    helper_seen: bool,
}

impl Docs {
    /// The name of the helper attribute, unless it is a comment or somebody else's.
    fn next_helper(&mut self, attribute: &Attribute) -> Option<&'static str> {
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

    fn take(&mut self) -> String {
        std::mem::take(&mut self.row).join("\n")
    }

    fn of_item(self) -> String {
        self.item.into_iter().chain(self.row).collect::<Vec<_>>().join("\n")
    }
}

fn doc_line(attribute: &Attribute) -> Option<String> {
    if !attribute.path().is_ident("doc") {
        return None;
    }
    let Meta::NameValue(pair) = &attribute.meta else { return None };
    let line = syn::parse2::<LitStr>(quote::ToTokens::to_token_stream(&pair.value)).ok()?.value();
    Some(line.strip_prefix(' ').unwrap_or(&line).to_owned())
}

/// The helper attribute this is, or was meant to be: rustc itself reports `#[initail]`, so it is read as
/// what it was meant to be, and nothing else is said of it.
fn helper_name(attribute: &Attribute) -> Option<&'static str> {
    let name = attribute.path().get_ident()?.to_string();
    let exact = ATTRIBUTES.into_iter().find(|known| *known == name);
    exact.or_else(|| nearest(&name, ATTRIBUTES).filter(|near| near.len() > 4 && name != "error"))
}
