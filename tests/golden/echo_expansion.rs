#[allow(unexpected_cfgs)]
const _: () = {
    /**The table of `Echo`.

| state | event | action | leads to |
|---|---|---|---|
| **Reading** (initial) | `Line(line)` | `echo` | stays |
|  | `TooLong` | `complain` | Closed |
|  | `eof(rest)` | `echo` | Closed |
|  | `shutdown` |  | Closed |
|  | after `idle()` without input |  | Closed |
|  | after `partial()` of partial |  | Closed |
| **Closed** (terminal) |  | |  |
*/
    #[automatically_derived]
    impl ::fsm_runtime::Machine for Echo {
        type Context = Client;
        type Input<'input> = Lines<'input> where Self: 'input;
        type Decoder = <Lines<'static> as ::fsm_runtime::Input<'static>>::Decoder;
        type Shared = ();
        type Reply = ::core::convert::Infallible;
        type Message = ::core::convert::Infallible;
        type Error = ::std::io::Error;
        const TABLE: &'static ::fsm_runtime::table::Table = {
            #[allow(unused_imports)]
            use ::fsm_runtime::table::{
                Class, Deadline, DeadlineKind, Group, Interest, Limit, Origin, Row, Shed,
                State, StateKind, Table, Target,
            };
            #[allow(unused_imports)]
            use ::core::option::Option::{None, Some};
            &Table {
                machine: "Echo",
                docs: "One client of the echo server: every line comes back as it was sent.",
                input: "Lines<'_>",
                states: &[
                    State {
                        name: "Reading",
                        docs: "Waiting for the next line.",
                        kind: StateKind::Initial,
                        group: None,
                        interest: Interest::INPUT,
                        fields: &[],
                        rows: &[
                            Row {
                                events: &["Line"],
                                pattern: "Line(line)",
                                origin: Origin::State,
                                action: Some("echo"),
                                fallible: false,
                                targets: &[Target::Stay { label: None }],
                                docs: "",
                            },
                            Row {
                                events: &["TooLong"],
                                pattern: "TooLong",
                                origin: Origin::State,
                                action: Some("complain"),
                                fallible: false,
                                targets: &[
                                    Target::Enter {
                                        state: 1usize,
                                        label: None,
                                    },
                                ],
                                docs: "",
                            },
                            Row {
                                events: &["eof"],
                                pattern: "eof(rest)",
                                origin: Origin::State,
                                action: Some("echo"),
                                fallible: false,
                                targets: &[
                                    Target::Enter {
                                        state: 1usize,
                                        label: None,
                                    },
                                ],
                                docs: "",
                            },
                            Row {
                                events: &["shutdown"],
                                pattern: "shutdown",
                                origin: Origin::State,
                                action: None,
                                fallible: false,
                                targets: &[
                                    Target::Enter {
                                        state: 1usize,
                                        label: None,
                                    },
                                ],
                                docs: "",
                            },
                            Row {
                                events: &["lost"],
                                pattern: "lost",
                                origin: Origin::Default,
                                action: None,
                                fallible: false,
                                targets: &[
                                    Target::Enter {
                                        state: 1usize,
                                        label: None,
                                    },
                                ],
                                docs: "",
                            },
                        ],
                        deadlines: &[
                            Deadline {
                                kind: DeadlineKind::WithoutInput,
                                limit: Limit::Method("idle"),
                                origin: Origin::State,
                                action: None,
                                fallible: false,
                                targets: &[
                                    Target::Enter {
                                        state: 1usize,
                                        label: None,
                                    },
                                ],
                                docs: "",
                            },
                            Deadline {
                                kind: DeadlineKind::OfPartial,
                                limit: Limit::Method("partial"),
                                origin: Origin::State,
                                action: None,
                                fallible: false,
                                targets: &[
                                    Target::Enter {
                                        state: 1usize,
                                        label: None,
                                    },
                                ],
                                docs: "",
                            },
                        ],
                        never: None,
                        ignores: &[],
                        enter: None,
                        leave: None,
                        decode: None,
                        shed: Shed::Idle,
                        class: None,
                    },
                    State {
                        name: "Closed",
                        docs: "What is still unsent goes out, then the socket is closed.",
                        kind: StateKind::Terminal,
                        group: None,
                        interest: Interest::END,
                        fields: &[],
                        rows: &[],
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
                plain: false,
                class: None,
            }
        };
        #[inline]
        fn initial() -> Self {
            Self::Reading
        }
        #[inline]
        fn state(&self) -> usize {
            match self {
                Self::Reading => 0usize,
                Self::Closed => 1usize,
            }
        }
        #[inline]
        fn interest(&self) -> ::fsm_runtime::table::Interest {
            match self {
                Self::Reading => ::fsm_runtime::table::Interest::INPUT,
                Self::Closed => ::fsm_runtime::table::Interest::END,
            }
        }
        fn deadlines(&self, context: &Self::Context) -> ::fsm_runtime::Deadlines {
            match self {
                Self::Reading => {
                    ::fsm_runtime::Deadlines {
                        without_input: ::fsm_runtime::IntoLimit::into_limit(
                            context.idle(),
                        ),
                        of_partial: ::fsm_runtime::IntoLimit::into_limit(
                            context.partial(),
                        ),
                        ..::fsm_runtime::Deadlines::NONE
                    }
                }
                Self::Closed => ::fsm_runtime::Deadlines::NONE,
            }
        }
        #[inline(always)]
        fn input(
            &mut self,
            context: &mut Self::Context,
            decoder: &mut Self::Decoder,
            bytes: &[u8],
            seen: usize,
            io: &mut ::fsm_runtime::Io<'_, Self>,
        ) -> usize {
            match self {
                Self::Reading => {
                    match <Lines<
                        '_,
                    > as ::fsm_runtime::Input<'_>>::decode(decoder, bytes, seen) {
                        ::core::option::Option::Some((taken, input)) => {
                            reading_input(self, context, input, io);
                            taken
                        }
                        ::core::option::Option::None => 0,
                    }
                }
                Self::Closed => 0,
            }
        }
        fn handle(
            &mut self,
            context: &mut Self::Context,
            event: ::fsm_runtime::Event<'_, Self>,
            io: &mut ::fsm_runtime::Io<'_, Self>,
        ) {
            match self {
                Self::Reading => reading(self, context, event, io),
                Self::Closed => {}
            }
        }
        #[cold]
        fn abandon(
            &mut self,
            _context: &mut Self::Context,
            io: &mut ::fsm_runtime::Io<'_, Self>,
        ) {
            let machine = self;
            *machine = Self::Closed;
            io.ended();
        }
    }
    fn reading(
        machine: &mut Echo,
        context: &mut Client,
        event: ::fsm_runtime::Event<'_, Echo>,
        io: &mut ::fsm_runtime::Io<'_, Echo>,
    ) {
        match event {
            ::fsm_runtime::Event::Input(input) => {
                reading_input(machine, context, input, io)
            }
            ::fsm_runtime::Event::Eof(rest) => {
                let _: () = context.echo(rest, io);
                *machine = Echo::Closed;
                io.ended();
            }
            ::fsm_runtime::Event::Shutdown => {
                *machine = Echo::Closed;
                io.ended();
            }
            ::fsm_runtime::Event::Deadline(
                ::fsm_runtime::table::DeadlineKind::WithoutInput,
            ) => {
                *machine = Echo::Closed;
                io.ended();
            }
            ::fsm_runtime::Event::Deadline(
                ::fsm_runtime::table::DeadlineKind::OfPartial,
            ) => {
                *machine = Echo::Closed;
                io.ended();
            }
            ::fsm_runtime::Event::Lost(_) => {
                *machine = Echo::Closed;
                io.ended();
            }
            _ => {}
        }
    }
    #[inline]
    fn reading_input(
        machine: &mut Echo,
        context: &mut Client,
        input: Lines<'_>,
        io: &mut ::fsm_runtime::Io<'_, Echo>,
    ) {
        match input {
            Lines::Line(line) => {
                let _: () = context.echo(line, io);
            }
            Lines::TooLong => {
                let _: () = context.complain(io);
                *machine = Echo::Closed;
                io.ended();
            }
        }
    }
    #[cfg(rust_analyzer)]
    fn completions() {
        let _ = Echo::Closed;
        let _ = Echo::Closed;
        let _ = Echo::Closed;
        let _ = Echo::Closed;
        let _ = Echo::Closed;
        let _ = Lines::Line;
        let _ = Lines::TooLong;
    }
};
