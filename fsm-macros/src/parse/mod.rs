//! From the tokens of an annotated enum to a [`Machine`]: which attribute stands where.
//!
//! It knows the grammar and no meaning: a name is a name. What cannot be read is reported and left
//! out, so that the passes behind still see the rest.

mod attribute;
mod deadline;
mod group;
mod options;
mod row;
mod scope;

pub(crate) use row::text;

use proc_macro2::Span;
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::spanned::Spanned as _;
use syn::{Attribute, Data, DeriveInput, Fields, Ident, Meta, Token, Variant};

use attribute::{Docs, arguments};

use crate::diag::{Errors, did_you_mean, listed, nearest};
use crate::model::{
    Class, Decode, Field, Machine, Options, OutcomeSet, Scope, Shape, Shed, State, Terminal,
};

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
        sets_unread: false,
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
                let parsed = arguments(attribute, "Name: A, B; on(EVENT -> TARGET)", group::parse);
                match errors.keep(parsed) {
                    Some((group, found)) => {
                        errors.take(found);
                        machine.groups.push(group);
                    }
                    None => (machine.incomplete, machine.shared.unread) = (true, true),
                }
            }
            "outcome" => {
                let mut found = Errors::default();
                let parsed =
                    arguments(attribute, "Name: A | B", |input| outcome_set(input, &mut found));
                match errors.keep(parsed) {
                    Some(set) => machine.sets.push(set),
                    None => (machine.incomplete, machine.sets_unread) = (true, true),
                }
                errors.take(found);
            }
            "class" => {
                machine.options.class = errors.keep(arguments(attribute, "preferred", class));
            }
            "on" | "after" | "ignores" => {
                scope::attribute(&mut machine.shared, name, attribute, docs.take(), errors);
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
                scope::attribute(&mut state.scope, name, attribute, docs.take(), errors);
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
    let example = "a decoder is a field and its alphabet; write `decode(field: Alphabet<'_>)`";
    let field = instead(input.parse(), example)?;
    instead(input.parse::<Token![:]>(), example)?;
    Ok(Decode { field, alphabet: instead(input.parse(), example)? })
}

/// Our words for what syn would say about a missing token.
fn instead<T>(parsed: syn::Result<T>, message: &str) -> syn::Result<T> {
    parsed.map_err(|error| syn::Error::new(error.span(), message))
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
    let instead = format!("write {}", listed(&names).replace(" and ", " or "));
    let message = format!("`{word}` is not known here{}", did_you_mean(near, instead));
    Err(syn::Error::new(word.span(), message))
}

fn outcome_set(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<OutcomeSet> {
    let example = "a named outcome is a name and its targets; write `outcome(Name: A | B)`";
    let name = instead(input.parse(), example)?;
    instead(input.parse::<Token![:]>(), example)?;
    let mut targets = vec![row::target(input, errors)?];
    while input.parse::<Option<Token![|]>>()?.is_some() {
        targets.push(row::target(input, errors)?);
    }
    match attribute::use_up(input) {
        Some(rest) => Err(syn::Error::new(rest, example)),
        None => Ok(OutcomeSet { name, targets }),
    }
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
