//! Names that the generated code might have used itself: every one of them is the user's.
#![allow(dead_code, reason = "names are declared to be in the way, not to be used")]
#![allow(clippy::enum_variant_names, reason = "so do names that say a thing twice")]
#![allow(non_camel_case_types, reason = "and some are words of Rust or of the table language")]

use fsm_runtime::Machine;

/// States, actions, fields and bindings called as the prelude and the runtime call theirs.
mod in_the_way {
    use super::Machine;

    /// Everything the generated code may name is hidden by something else of that name.
    mod core {}
    mod std {}
    mod alloc {}
    mod fsm_runtime {}
    struct Option;
    struct Result;
    struct Vec;
    struct String;
    struct Box;
    struct Default;
    struct Table;
    struct Row;
    struct State;
    struct Target;
    struct Interest;
    struct Deadlines;
    struct Duration;
    struct Io;
    trait Into {}
    trait From {}
    trait Iterator {}

    pub(super) struct Context {
        pub(super) calls: usize,
    }

    pub(super) enum Event {
        Ok(u8),
        Err { event: u8 },
        Some,
        None,
        Event,
        Input,
    }

    #[derive(Machine)]
    #[machine(plain, context = Context, input = Event)]
    pub(super) enum Machine_ {
        #[initial]
        #[on(Ok(context) => handle(context) -> Some | Result | Stay)]
        #[on(Err { event } => input(event) -> Result)]
        #[on(Some | None | Event | Input -> Self_)]
        Ok,

        #[on(Ok(machine) => state(out, context, event, input, machine))]
        #[on(_ -> Ok)]
        Some { out: u8, context: u8, event: u8, input: u8 },

        #[on(_ => initial(machine, this, outcome, table) -> Ok)]
        Result { machine: u8, this: u8, outcome: u8, table: u8 },

        #[on(Ok(self_) => from(self_))]
        #[on(_ -> Err)]
        Self_,

        #[on(_ => clone -> Event)]
        Err,

        #[on(_ => drop -> Ok)]
        Event,
    }

    impl Context {
        fn handle(&mut self, context: u8) -> Machine_Handle {
            self.calls += 1;
            match context {
                0 => Machine_Handle::Stay,
                1 => Machine_Handle::Some { out: 1, context: 2, event: 3, input: 4 },
                _ => Machine_Handle::Result { machine: 1, this: 2, outcome: 3, table: 4 },
            }
        }

        fn input(&mut self, event: u8) -> Machine_Input {
            Machine_Input::Result { machine: event, this: 2, outcome: 3, table: 4 }
        }

        fn state(&mut self, out: &mut u8, context: &mut u8, event: &u8, input: &u8, machine: u8) {
            *out += *event + *input + machine;
            *context += 1;
        }

        fn initial(&mut self, machine: u8, this: u8, outcome: u8, table: u8) {
            self.calls += usize::from(machine + this + outcome + table);
        }

        fn from(&mut self, of: u8) {
            self.calls += usize::from(of);
        }

        fn clone(&mut self) {}

        fn drop(&mut self) {}
    }
}

#[test]
fn no_name_is_in_the_way() {
    use in_the_way::{Context, Event, Machine_};
    let (mut machine, mut context) = (Machine_::initial(), Context { calls: 0 });
    machine.handle(&mut context, Event::Ok(0));
    machine.handle(&mut context, Event::Ok(1));
    machine.handle(&mut context, Event::Ok(10));
    let Machine_::Some { out, context: entered, .. } = machine else { panic!("not in `Some`") };
    assert_eq!((out, entered), (18, 3));
    machine.handle(&mut context, Event::Input);
    machine.handle(&mut context, Event::Err { event: 5 });
    machine.handle(&mut context, Event::None);
    assert_eq!(context.calls, 16);
    machine.handle(&mut context, Event::Event);
    machine.handle(&mut context, Event::Some);
    machine.handle(&mut context, Event::Some);
    assert!(matches!(machine, Machine_::Event));
}

/// Names that are written in raw form, and states that look like words of the table language.
mod raw_and_reserved_words {
    use super::Machine;

    enum Word {
        r#Type(u8),
        Plain,
    }

    struct r#struct {
        r#match: u8,
    }

    #[derive(Machine, Debug, PartialEq)]
    #[machine(plain, context = r#struct, input = Word)]
    enum r#enum {
        #[initial]
        #[on(r#Type(r#in) => r#loop(r#in) -> initial | Stay)]
        #[ignores(Plain)]
        terminal,

        #[on(Plain => r#fn(r#type) -> terminal)]
        #[on(Type(_) -> Never)]
        initial { r#type: u8 },

        #[on(Plain => r#for -> r#while | terminal)]
        #[ignores(Type)]
        Never,

        #[on(Plain => r#use -> r#loop { r#mod, .. })]
        #[ignores(r#Type)]
        r#while { r#mod: u8 },

        #[on(_ -> terminal)]
        r#loop { r#mod: u8, r#pub: u8 },
    }

    impl r#struct {
        fn r#loop(&mut self, r#in: u8) -> enumLoop {
            if r#in == 0 { enumLoop::Stay } else { enumLoop::initial { r#type: r#in } }
        }

        fn r#for(&mut self) -> enumFor {
            if self.r#match == 0 { enumFor::terminal } else { enumFor::r#while { r#mod: 4 } }
        }

        fn r#use(&mut self) -> enumUse {
            enumUse::r#loop { r#pub: 5 }
        }

        fn r#fn(&mut self, r#type: u8) {
            self.r#match += r#type;
        }
    }

    #[test]
    fn raw_names_are_names() {
        let (mut machine, mut context) = (r#enum::initial(), r#struct { r#match: 0 });
        machine.handle(&mut context, Word::Type(0));
        machine.handle(&mut context, Word::Type(3));
        machine.handle(&mut context, Word::Plain);
        assert_eq!((&machine, context.r#match), (&r#enum::terminal, 3));
        machine.handle(&mut context, Word::Type(3));
        machine.handle(&mut context, Word::Type(3));
        machine.handle(&mut context, Word::Plain);
        machine.handle(&mut context, Word::Plain);
        assert_eq!(machine, r#enum::r#loop { r#mod: 4, r#pub: 5 });
        assert_eq!(r#enum::TABLE.machine, "enum");
        assert_eq!(r#enum::TABLE.states[0].rows[0].action, Some("loop"));
        assert_eq!(r#enum::TABLE.states[1].fields, ["type"]);
        assert_eq!(r#enum::TABLE.states[3].name, "while");
        assert_eq!(r#enum::TABLE.states[3].rows[0].action, Some("use"));
    }
}
