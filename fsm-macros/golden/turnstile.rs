///Where `pay` may lead.
enum TurnstilePay {
    Unlocked { tips: u32 },
    Stay,
}
#[allow(unexpected_cfgs)]
const _: () = {
    /**The table of `Turnstile`.

| state | event | action | leads to |
|---|---|---|---|
| **Locked** (initial) | `Paid(value)` | `pay` | Unlocked or stays |
|  | ignores `Pushed` | |  |
| **Unlocked** | `Pushed` | `pass` | Locked |
|  | `_` | `tip` | stays |
*/
    #[automatically_derived]
    #[allow(dead_code)]
    impl Turnstile {
        /// The table as data.
        const TABLE: &'static ::fsm_runtime::table::Table = {
            #[allow(unused_imports)]
            use ::fsm_runtime::table::{
                Class, Deadline, DeadlineKind, Group, Interest, Limit, Origin, Row, Shed,
                State, StateKind, Table, Target,
            };
            #[allow(unused_imports)]
            use ::core::option::Option::{None, Some};
            &Table {
                machine: "Turnstile",
                docs: "",
                input: "Coin<'_>",
                states: &[
                    State {
                        name: "Locked",
                        docs: "",
                        kind: StateKind::Initial,
                        group: None,
                        interest: Interest::NONE,
                        fields: &[],
                        rows: &[
                            Row {
                                events: &["Paid"],
                                pattern: "Paid(value)",
                                origin: Origin::State,
                                action: Some("pay"),
                                fallible: false,
                                targets: &[
                                    Target::Enter {
                                        state: 1usize,
                                        label: None,
                                    },
                                    Target::Stay { label: None },
                                ],
                                docs: "",
                            },
                        ],
                        deadlines: &[],
                        never: None,
                        ignores: &["Pushed"],
                        enter: None,
                        leave: None,
                        decode: None,
                        shed: Shed::Idle,
                        class: None,
                    },
                    State {
                        name: "Unlocked",
                        docs: "",
                        kind: StateKind::Working,
                        group: None,
                        interest: Interest::NONE,
                        fields: &["tips"],
                        rows: &[
                            Row {
                                events: &["Pushed"],
                                pattern: "Pushed",
                                origin: Origin::State,
                                action: Some("pass"),
                                fallible: false,
                                targets: &[
                                    Target::Enter {
                                        state: 0usize,
                                        label: None,
                                    },
                                ],
                                docs: "",
                            },
                            Row {
                                events: &["_"],
                                pattern: "_",
                                origin: Origin::State,
                                action: Some("tip"),
                                fallible: false,
                                targets: &[Target::Stay { label: None }],
                                docs: "",
                            },
                        ],
                        deadlines: &[],
                        never: None,
                        ignores: &[],
                        enter: None,
                        leave: None,
                        decode: None,
                        shed: Shed::Idle,
                        class: None,
                    },
                ],
                groups: &[],
                stall: ::core::time::Duration::from_secs(30),
                backlog: 262144,
                plain: true,
                class: None,
            }
        };
        /// A new machine, in its initial state.
        #[must_use]
        #[inline]
        fn initial() -> Self {
            Self::Locked
        }
        /// The state the machine is in, an index into `TABLE.states`.
        #[must_use]
        #[inline]
        fn state(&self) -> usize {
            match self {
                Self::Locked => 0usize,
                Self::Unlocked { .. } => 1usize,
            }
        }
        /// Dispatches one event.
        #[inline]
        fn handle(&mut self, context: &mut Count, event: Coin<'_>) {
            match self {
                Self::Locked => locked(self, context, event),
                Self::Unlocked { .. } => unlocked(self, context, event),
            }
        }
    }
    #[inline(always)]
    fn locked(machine: &mut Turnstile, context: &mut Count, event: Coin<'_>) {
        match event {
            Coin::Paid(value) => {
                let outcome: TurnstilePay = context.pay(value);
                match outcome {
                    TurnstilePay::Unlocked { tips } => {
                        *machine = Turnstile::Unlocked { tips };
                    }
                    TurnstilePay::Stay => {}
                }
            }
            Coin::Pushed { .. } => {}
        }
    }
    #[inline(always)]
    fn unlocked(machine: &mut Turnstile, context: &mut Count, event: Coin<'_>) {
        match event {
            Coin::Pushed => {
                if let Turnstile::Unlocked { tips, .. } = ::core::mem::replace(
                    machine,
                    Turnstile::Locked,
                ) {
                    let _: () = context.pass(tips);
                }
            }
            _ => {
                if let Turnstile::Unlocked { tips, .. } = machine {
                    let _: () = context.tip(tips);
                }
            }
        }
    }
    #[cfg(rust_analyzer)]
    fn completions() {
        let _ = Turnstile::Unlocked;
        let _ = Turnstile::Locked;
        let _ = Coin::Paid;
        let _ = Coin::Pushed;
    }
};
