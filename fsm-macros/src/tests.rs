//! Expansions as one reads them, kept as golden files, and messages without a compiler around them.
//!
//! `BLESS=1 cargo test -p fsm-macros` writes the golden files anew; read what changed.

use std::path::Path;

use proc_macro2::{Group, TokenStream, TokenTree};
use syn::DeriveInput;

/// The expansion of a machine as rustfmt would print it.
fn expansion(machine: &str) -> String {
    let input: DeriveInput = syn::parse_str(machine).expect("the machine is Rust");
    let file = syn::parse2(super::compile(&input)).expect("the expansion is Rust");
    prettyplease::unparse(&file)
}

/// What the derive says about a machine, one line for each mistake.
fn messages(machine: &str) -> Vec<String> {
    let text = expansion(machine);
    let parts = text.split("compile_error! {").skip(1);
    parts.map(|part| part.split('}').next().unwrap_or(part).trim().to_owned()).collect()
}

#[track_caller]
fn assert_golden(name: &str, text: &str) {
    assert!(!text.contains("compile_error!"), "the machine has a mistake:\n{text}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, text).expect("the golden file can be written");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = golden.lines().zip(text.lines()).position(|(old, new)| old != new);
    assert!(
        golden == text,
        "`golden/{name}` differs from line {:?} on; run with BLESS=1 and read what changed",
        differs.map(|line| line + 1),
    );
}

const ECHO: &str = r#"
    /// One client of the echo server: every line comes back as it was sent.
    #[machine(context = Client, input = Lines<'_>, max_size = 16)]
    enum Echo {
        /// Waiting for the next line.
        #[initial]
        #[on(Line(line) => echo(line))]
        #[on(TooLong => complain -> Closed)]
        #[on(eof(rest) => echo(rest) -> Closed)]
        #[on(shutdown -> Closed)]
        #[after(5min without input -> Closed)]
        #[after(10s of partial -> Closed)]
        Reading,
        /// What is still unsent goes out, then the socket is closed.
        #[terminal]
        Closed,
    }
"#;

/// Data by reference and by value, fields carried over, `?`, a named outcome, a group, `enter` and
/// `leave`.
const COPIER: &str = r#"
    #[machine(context = Copier, reply = Reply, error = Failure)]
    #[outcome(Next: Waiting "again" | Closed)]
    #[group(Busy: Opening, Sending; on(reply(_) -> Closed), ignores(shutdown))]
    enum Copy {
        #[initial]
        #[on(connected => open? -> Opening | Next)]
        #[on(shutdown -> Closed)]
        #[after(patience() -> Closed)]
        Waiting,
        #[on(reply(Opened(file)) => start(path, file) -> Sending { drop, .. })]
        #[after(10s -> Closed)]
        Opening { path: Path, drop: Guard },
        #[on(drained => piece(file, offset) -> Next | Stay)]
        #[after(30s without progress -> Closed)]
        #[leave(note(offset))]
        Sending { file: File, offset: u64, drop: Guard },
        #[terminal]
        #[enter(goodbye)]
        Closed,
    }
"#;

#[test]
fn data_moves_as_one_would_have_moved_it() {
    assert_golden("copy.rs", &expansion(COPIER));
}

const TURNSTILE: &str = r#"
    #[machine(plain, context = Count, input = Coin<'_>)]
    enum Turnstile {
        #[initial]
        #[on(Paid(value) => pay(value) -> Unlocked | Stay)]
        #[ignores(Pushed)]
        Locked,
        #[on(Pushed => pass(tips) -> Locked)]
        #[on(_ => tip(tips))]
        Unlocked { tips: u32 },
    }
"#;

#[test]
fn a_plain_machine_needs_only_core() {
    let text = expansion(TURNSTILE);
    assert_golden("turnstile.rs", &text);
    assert!(!text.contains("std::") && !text.contains("Io<"));
}

#[test]
fn every_mistake_is_told_at_once() {
    let machine = ECHO
        .replace("-> Closed)]\n        #[on(eof", "-> Closd)]\n        #[on(eof")
        .replace("#[on(shutdown -> Closed)]", "#[on(shutdwn -> Closed)]")
        .replace("echo(line)", "echo(lin)");
    let found = messages(&machine);
    assert_eq!(
        found,
        [
            "\"`shutdwn` is not an event; did you mean `shutdown`?\"",
            "\"`Closd` is not a state of `Echo`; did you mean `Closed`?\"",
            "\"`lin` is neither bound by the event nor a field of `Reading`; did you mean \
             `line`?\"",
        ]
    );
}

#[test]
fn a_row_that_cannot_be_read_keeps_its_event() {
    let machine = ECHO.replace("#[on(TooLong => complain -> Closed)]", "#[on(TooLong => -> )]");
    assert_eq!(messages(&machine), ["\"an action is missing; name a method of the context\""]);
}

/// Every text that comes of leaving one token out, whatever bracket it stands in.
fn without_one_token(tokens: &TokenStream) -> Vec<TokenStream> {
    let tokens: Vec<TokenTree> = tokens.clone().into_iter().collect();
    let with = |index: usize, replacement: Option<TokenTree>| {
        let before = tokens[..index].iter().cloned();
        before.chain(replacement).chain(tokens[index + 1..].iter().cloned()).collect()
    };
    let mut texts = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        texts.push(with(index, None));
        let TokenTree::Group(group) = token else { continue };
        for inside in without_one_token(&group.stream()) {
            let group = Group::new(group.delimiter(), inside);
            texts.push(with(index, Some(group.into())));
        }
    }
    texts
}

#[test]
fn a_half_typed_table_expands_to_rust_and_complains_shortly() {
    for machine in [ECHO, COPIER, TURNSTILE] {
        let machine: TokenStream = machine.parse().expect("the machine is tokens");
        for text in without_one_token(&machine) {
            let Ok(input) = syn::parse2::<DeriveInput>(text.clone()) else { continue };
            let expanded = super::compile(&input).to_string();
            let parsed = syn::parse_str::<syn::File>(&expanded);
            assert!(parsed.is_ok(), "not Rust: {expanded}\nfrom: {text}");
            let complaints = expanded.matches("compile_error !").count();
            assert!(complaints <= 4, "{complaints} complaints about: {text}\n{expanded}");
        }
    }
}

#[test]
fn a_mistyped_attribute_is_left_to_rustc() {
    for (right, wrong) in [("initial", "initail"), ("terminal", "terminl"), ("after", "afetr")] {
        let machine = ECHO.replace(&format!("#[{right}"), &format!("#[{wrong}"));
        assert_eq!(messages(&machine), Vec::<String>::new(), "for `{wrong}`");
    }
}
