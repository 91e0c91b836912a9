//! Writes the machine of 100 states in the words of each framework: a ring, in which `Next` goes
//! one state on, `Skip` seven, and `Part` stays and counts. Text is the only form that suits all of
//! their macros.

use std::{env, error::Error, fmt::Write as _, fs, path::Path};

/// As many as the compile-time target speaks of.
const STATES: usize = 100;
/// No divisor of the number of states, so that `Skip` comes to every state.
const SKIP: usize = 7;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let directory = env::var("OUT_DIR")?;
    let write = |name: &str, text: String| fs::write(Path::new(&directory).join(name), text);
    write("ring_hand.rs", hand())?;
    write("ring_statig.rs", statig())?;
    write("ring_smlang.rs", smlang())?;
    write("ring_finny.rs", finny())?;
    write("ring_rust_fsm.rs", rust_fsm())?;
    write("ring_ours.rs", ours())?;
    Ok(())
}

/// One piece of text for each state: its number, that of the next, and that of the one `Skip` goes
/// to.
fn each(piece: impl Fn(usize, usize, usize) -> String) -> String {
    (0..STATES).map(|i| piece(i, (i + 1) % STATES, (i + SKIP) % STATES)).collect()
}

fn names() -> String {
    each(|i, _, _| format!("    S{i},\n"))
}

/// As one writes it by hand: a `match` on the state, in it a `match` on the event.
fn hand() -> String {
    let arms = each(|i, next, skip| {
        format!(
            "            Self::S{i} => match event {{\n                \
             Event::Next => *self = Self::S{next},\n                \
             Event::Skip => *self = Self::S{skip},\n                \
             Event::Part(len) => context.part(len),\n            }},\n"
        )
    });
    format!(
        "#[derive(Clone, Copy)]\npub(crate) enum Ring {{\n{}}}\n\nimpl Ring {{\n    \
         pub(crate) fn handle(&mut self, context: &mut Context, event: Event) {{\n        \
         match self {{\n{arms}        }}\n    }}\n}}\n",
        names()
    )
}

fn statig() -> String {
    let states = each(|i, next, skip| {
        format!(
            "    #[state]\n    fn s{i}(&mut self, event: &Event) -> Outcome<State> {{\n        \
             match event {{\n            \
             Event::Next => Transition(State::s{next}()),\n            \
             Event::Skip => Transition(State::s{skip}()),\n            \
             Event::Part(len) => {{ self.context.part(*len); Handled }}\n        }}\n    }}\n"
        )
    });
    format!("#[state_machine(initial = \"State::s0()\")]\nimpl Ring {{\n{states}}}\n")
}

fn smlang() -> String {
    let rows = each(|i, next, skip| {
        let start = if i == 0 { "*" } else { "" };
        format!(
            "        {start}S{i} + Next = S{next},\n        S{i} + Skip = S{skip},\n        \
             S{i} + Part(u32) / part = S{i},\n"
        )
    });
    format!(
        "statemachine! {{\n    derive_events: [Clone],\n    transitions: {{\n{rows}    }}\n}}\n"
    )
}

fn finny() -> String {
    let states = each(|i, _, _| format!("#[derive(Default)]\npub struct S{i};\n"));
    let rows = each(|i, next, skip| {
        format!(
            "    fsm.state::<S{i}>().on_event::<Next>().transition_to::<S{next}>();\n    \
             fsm.state::<S{i}>().on_event::<Skip>().transition_to::<S{skip}>();\n    \
             fsm.state::<S{i}>().on_event::<Part>().internal_transition()\
             .action(|event, context, _| context.context.part(event.0));\n"
        )
    });
    format!(
        "{states}\n#[finny_fsm]\nfn ring(mut fsm: FsmBuilder<Ring, Context>) -> BuiltFsm {{\n    \
         fsm.initial_state::<S0>();\n{rows}    fsm.build()\n}}\n"
    )
}

fn rust_fsm() -> String {
    let rows = each(|i, next, skip| {
        format!("    S{i} => {{ Next => S{next}, Skip => S{skip}, Part => S{i} }},\n")
    });
    format!("state_machine! {{\n    #[derive(Clone, Copy)]\n    ring(S0)\n\n{rows}}}\n")
}

fn ours() -> String {
    let states = each(|i, next, skip| {
        let initial = if i == 0 { "    #[initial]\n" } else { "" };
        format!(
            "{initial}    #[on(Next -> S{next})]\n    #[on(Skip -> S{skip})]\n    \
             #[on(Part(len) => part(len))]\n    S{i},\n"
        )
    });
    let mut text = String::new();
    let _ = write!(
        text,
        "#[derive(Machine)]\n#[machine(plain, context = Context, input = Event)]\n\
         pub(crate) enum Ring {{\n{states}}}\n"
    );
    text
}
