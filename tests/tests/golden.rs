//! What the derive writes for the echo server, kept in a file that is reviewed:
//! `golden/echo_expansion.rs`.
//!
//! A proc-macro crate cannot be linked as a library, so its passes are taken in as modules; they
//! work on `proc_macro2` and know nothing of the compiler they usually run in.
#![allow(dead_code, unreachable_pub, reason = "the passes are used as far as this test needs them")]

use std::path::Path;
use std::{env, fs};

#[path = "../../fsm-macros/src/check/mod.rs"]
mod check;
#[path = "../../fsm-macros/src/diag.rs"]
mod diag;
#[path = "../../fsm-macros/src/expand/mod.rs"]
mod expand;
#[path = "../../fsm-macros/src/fallback.rs"]
mod fallback;
#[path = "../../fsm-macros/src/model.rs"]
mod model;
#[path = "../../fsm-macros/src/parse/mod.rs"]
mod parse;

/// The expansion of the first machine in a source file, as rustfmt would lay it out.
fn expansion_of_first_machine(source: &str) -> String {
    let file = syn::parse_file(source).expect("the source parses");
    let machine = file.items.iter().find_map(|item| match item {
        syn::Item::Enum(machine) => Some(syn::DeriveInput::from(machine.clone())),
        _ => None,
    });
    let mut errors = diag::Errors::default();
    let machine = parse::machine(&machine.expect("an enum"), &mut errors).expect("a machine");
    let checked = check::check(&machine, &mut errors).expect("a machine that can be expanded");
    let mistakes = errors.into_tokens().map(|errors| errors.to_string());
    assert_eq!(mistakes, None);
    let expanded = syn::parse2(expand::expand(&checked)).expect("the expansion parses");
    prettyplease::unparse(&expanded)
}

#[test]
fn the_expansion_of_echo_is_the_reviewed_one() {
    let server = Path::new(env!("CARGO_MANIFEST_DIR")).join("../servers/src/echo.rs");
    let source = fs::read_to_string(server).expect("the server");
    let expansion = expansion_of_first_machine(&source);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/echo_expansion.rs");
    if env::var_os("BLESS").is_some() {
        fs::write(&file, &expansion).expect("the golden file is written");
    }
    let reviewed = fs::read_to_string(&file).unwrap_or_default();
    let differs = expansion.lines().zip(reviewed.lines()).position(|(new, old)| new != old);
    assert!(
        expansion == reviewed,
        "the derive writes something else than {} from line {} on; review it, then run with \
         BLESS=1:\n{expansion}",
        file.display(),
        differs.map_or(reviewed.lines().count(), |at| at) + 1
    );
}

#[test]
fn the_runtime_is_told_whether_a_switch_stays_in_its_group() {
    let expansion = expansion_of_first_machine(
        "#[derive(Machine)]
        #[machine(context = Client)]
        #[group(Busy: Loading, Sending; on(shutdown -> Closed), after(1min -> Closed))]
        enum Disk {
            #[initial]
            #[on(connected -> Loading)]
            #[on(shutdown -> Closed)]
            #[after(1s -> Closed)]
            Idle,
            #[on(drained -> Sending)]
            Loading,
            #[on(drained -> Idle)]
            Sending,
            #[terminal]
            Closed,
        }",
    );
    let told = |state: &str| {
        let entered = expansion.split(&format!("*machine = Disk::{state};")).nth(1);
        entered.and_then(|code| code.trim_start().lines().next()).map(str::to_owned)
    };
    assert_eq!(told("Loading").as_deref(), Some("io.entered(false);"));
    assert_eq!(told("Sending").as_deref(), Some("io.entered(true);"));
    assert_eq!(told("Idle").as_deref(), Some("io.entered(false);"));
}

#[test]
fn an_editor_completes_names_that_are_still_being_typed() {
    let source = syn::parse_str(
        "#[machine(plain, context = Hinge, input = Hand)]
        enum Door {
            #[initial]
            #[on(Pus => slam -> Ope)]
            #[on(Pull => creak)]
            Shut,
            #[on(_ -> Shut)]
            Open,
        }",
    );
    let mut errors = diag::Errors::default();
    let machine = parse::machine(&source.expect("an enum"), &mut errors).expect("a machine");
    let checked = check::check(&machine, &mut errors).expect("a machine to stand in for");
    assert!(!errors.is_empty(), "the target is mistyped");
    let tokens = syn::parse2(fallback::stand_in(&checked)).expect("the stand-in parses");
    let stand_in = prettyplease::unparse(&tokens);
    let for_editors = stand_in.split("#[cfg(not(rust_analyzer))]").next().expect("a part of it");
    assert!(for_editors.contains("#[cfg(rust_analyzer)]"));
    for name in ["Door::Ope;", "Hand::Pus;", "Hand::Pull", "context.slam()", "context.creak()"] {
        assert!(for_editors.contains(name), "`{name}` is not in what an editor sees:\n{stand_in}");
    }
}
