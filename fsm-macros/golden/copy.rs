///Where `Next` may lead.
enum CopyNext {
    Waiting,
    Closed,
}
///Where `open` may lead.
enum CopyOpen {
    Opening { path: Path, drop: Guard },
    Next(CopyNext),
}
///Where `start` may lead.
enum CopyStart {
    Sending { file: File, offset: u64 },
}
///Where `piece` may lead.
enum CopyPiece {
    Next(CopyNext),
    Stay,
}
#[allow(unexpected_cfgs)]
const _: () = {
    /**The table of `Copy`.

| state | event | action | leads to |
|---|---|---|---|
| **Waiting** (initial) | `connected` | `open?` | Opening or Waiting (again) or Closed |
|  | `shutdown` |  | Closed |
|  | after `patience()` |  | Closed |
| **Opening** | `reply(Opened(file))` | `start` | Sending |
|  | `reply(_)` (group) |  | Closed |
|  | after 10s |  | Closed |
|  | ignores `shutdown` | |  |
| **Sending** | `drained` | `piece` | Waiting (again) or Closed or stays |
|  | `reply(_)` (group) |  | Closed |
|  | after 30s without progress |  | Closed |
|  | ignores `shutdown` | |  |
| **Closed** (terminal) |  | |  |
*/
    #[automatically_derived]
    impl ::fsm_runtime::Machine for Copy {
        type Context = Copier;
        type Input<'input> = ::core::convert::Infallible where Self: 'input;
        type Decoder = ();
        type Shared = ();
        type Reply = Reply;
        type Message = ::core::convert::Infallible;
        type Error = Failure;
        const TABLE: &'static ::fsm_runtime::table::Table = {
            #[allow(unused_imports)]
            use ::fsm_runtime::table::{
                Class, Deadline, DeadlineKind, Group, Interest, Limit, Origin, Row, Shed,
                State, StateKind, Table, Target,
            };
            #[allow(unused_imports)]
            use ::core::option::Option::{None, Some};
            &Table {
                machine: "Copy",
                docs: "",
                input: "",
                states: &[
                    State {
                        name: "Waiting",
                        docs: "",
                        kind: StateKind::Initial,
                        group: None,
                        interest: Interest::NONE,
                        fields: &[],
                        rows: &[
                            Row {
                                events: &["connected"],
                                pattern: "connected",
                                origin: Origin::State,
                                action: Some("open"),
                                fallible: true,
                                targets: &[
                                    Target::Enter {
                                        state: 1usize,
                                        label: None,
                                    },
                                    Target::Enter {
                                        state: 0usize,
                                        label: Some("again"),
                                    },
                                    Target::Enter {
                                        state: 3usize,
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
                                        state: 3usize,
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
                                        state: 3usize,
                                        label: None,
                                    },
                                ],
                                docs: "",
                            },
                            Row {
                                events: &["error"],
                                pattern: "error",
                                origin: Origin::Default,
                                action: None,
                                fallible: false,
                                targets: &[
                                    Target::Enter {
                                        state: 3usize,
                                        label: None,
                                    },
                                ],
                                docs: "",
                            },
                        ],
                        deadlines: &[
                            Deadline {
                                kind: DeadlineKind::SinceEntry,
                                limit: Limit::Method("patience"),
                                origin: Origin::State,
                                action: None,
                                fallible: false,
                                targets: &[
                                    Target::Enter {
                                        state: 3usize,
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
                        name: "Opening",
                        docs: "",
                        kind: StateKind::Working,
                        group: Some(0usize),
                        interest: Interest::NONE,
                        fields: &["path", "drop"],
                        rows: &[
                            Row {
                                events: &["reply"],
                                pattern: "reply(Opened(file))",
                                origin: Origin::State,
                                action: Some("start"),
                                fallible: false,
                                targets: &[
                                    Target::Enter {
                                        state: 2usize,
                                        label: None,
                                    },
                                ],
                                docs: "",
                            },
                            Row {
                                events: &["reply"],
                                pattern: "reply(_)",
                                origin: Origin::Group,
                                action: None,
                                fallible: false,
                                targets: &[
                                    Target::Enter {
                                        state: 3usize,
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
                                        state: 3usize,
                                        label: None,
                                    },
                                ],
                                docs: "",
                            },
                        ],
                        deadlines: &[
                            Deadline {
                                kind: DeadlineKind::SinceEntry,
                                limit: Limit::Fixed(::core::time::Duration::from_secs(10)),
                                origin: Origin::State,
                                action: None,
                                fallible: false,
                                targets: &[
                                    Target::Enter {
                                        state: 3usize,
                                        label: None,
                                    },
                                ],
                                docs: "",
                            },
                        ],
                        never: None,
                        ignores: &["shutdown"],
                        enter: None,
                        leave: None,
                        decode: None,
                        shed: Shed::Idle,
                        class: None,
                    },
                    State {
                        name: "Sending",
                        docs: "",
                        kind: StateKind::Working,
                        group: Some(0usize),
                        interest: Interest::DRAINED,
                        fields: &["file", "offset", "drop"],
                        rows: &[
                            Row {
                                events: &["drained"],
                                pattern: "drained",
                                origin: Origin::State,
                                action: Some("piece"),
                                fallible: false,
                                targets: &[
                                    Target::Enter {
                                        state: 0usize,
                                        label: Some("again"),
                                    },
                                    Target::Enter {
                                        state: 3usize,
                                        label: None,
                                    },
                                    Target::Stay { label: None },
                                ],
                                docs: "",
                            },
                            Row {
                                events: &["reply"],
                                pattern: "reply(_)",
                                origin: Origin::Group,
                                action: None,
                                fallible: false,
                                targets: &[
                                    Target::Enter {
                                        state: 3usize,
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
                                        state: 3usize,
                                        label: None,
                                    },
                                ],
                                docs: "",
                            },
                        ],
                        deadlines: &[
                            Deadline {
                                kind: DeadlineKind::WithoutProgress,
                                limit: Limit::Fixed(::core::time::Duration::from_secs(30)),
                                origin: Origin::State,
                                action: None,
                                fallible: false,
                                targets: &[
                                    Target::Enter {
                                        state: 3usize,
                                        label: None,
                                    },
                                ],
                                docs: "",
                            },
                        ],
                        never: None,
                        ignores: &["shutdown"],
                        enter: None,
                        leave: Some("note"),
                        decode: None,
                        shed: Shed::Idle,
                        class: None,
                    },
                    State {
                        name: "Closed",
                        docs: "",
                        kind: StateKind::Terminal,
                        group: None,
                        interest: Interest::END,
                        fields: &[],
                        rows: &[],
                        deadlines: &[],
                        never: None,
                        ignores: &[],
                        enter: Some("goodbye"),
                        leave: None,
                        decode: None,
                        shed: Shed::Idle,
                        class: None,
                    },
                ],
                groups: &[
                    Group {
                        name: "Busy",
                        states: &[1usize, 2usize],
                    },
                ],
                stall: ::core::time::Duration::from_secs(30),
                backlog: 262144,
                plain: false,
                class: None,
            }
        };
        #[inline]
        fn initial() -> Self {
            Self::Waiting
        }
        #[inline]
        fn state(&self) -> usize {
            match self {
                Self::Waiting => 0usize,
                Self::Opening { .. } => 1usize,
                Self::Sending { .. } => 2usize,
                Self::Closed => 3usize,
            }
        }
        #[inline]
        fn interest(&self) -> ::fsm_runtime::table::Interest {
            match self {
                Self::Waiting => ::fsm_runtime::table::Interest::NONE,
                Self::Opening { .. } => ::fsm_runtime::table::Interest::NONE,
                Self::Sending { .. } => ::fsm_runtime::table::Interest::DRAINED,
                Self::Closed => ::fsm_runtime::table::Interest::END,
            }
        }
        fn deadlines(&self, context: &Self::Context) -> ::fsm_runtime::Deadlines {
            match self {
                Self::Waiting => {
                    ::fsm_runtime::Deadlines {
                        since_entry: ::fsm_runtime::IntoLimit::into_limit(
                            context.patience(),
                        ),
                        ..::fsm_runtime::Deadlines::NONE
                    }
                }
                Self::Opening { .. } => {
                    ::fsm_runtime::Deadlines {
                        since_entry: ::core::option::Option::Some(
                            ::core::time::Duration::from_secs(10),
                        ),
                        ..::fsm_runtime::Deadlines::NONE
                    }
                }
                Self::Sending { .. } => {
                    ::fsm_runtime::Deadlines {
                        without_progress: ::core::option::Option::Some(
                            ::core::time::Duration::from_secs(30),
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
            _context: &mut Self::Context,
            _decoder: &mut Self::Decoder,
            _bytes: &[u8],
            _seen: usize,
            _io: &mut ::fsm_runtime::Io<'_, Self>,
        ) -> usize {
            match self {
                Self::Waiting
                | Self::Opening { .. }
                | Self::Sending { .. }
                | Self::Closed => 0,
            }
        }
        fn handle(
            &mut self,
            context: &mut Self::Context,
            event: ::fsm_runtime::Event<'_, Self>,
            io: &mut ::fsm_runtime::Io<'_, Self>,
        ) {
            match self {
                Self::Waiting => waiting(self, context, event, io),
                Self::Opening { .. } => opening(self, context, event, io),
                Self::Sending { .. } => sending(self, context, event, io),
                Self::Closed => {}
            }
        }
        #[cold]
        fn abandon(
            &mut self,
            context: &mut Self::Context,
            io: &mut ::fsm_runtime::Io<'_, Self>,
        ) {
            let machine = self;
            *machine = Self::Closed;
            io.ended();
            let _: () = context.goodbye(io);
        }
    }
    fn waiting(
        machine: &mut Copy,
        context: &mut Copier,
        event: ::fsm_runtime::Event<'_, Copy>,
        io: &mut ::fsm_runtime::Io<'_, Copy>,
    ) {
        match event {
            ::fsm_runtime::Event::Connected => {
                match ::fsm_runtime::Fallible::<
                    CopyOpen,
                    Failure,
                >::into_result(context.open(io)) {
                    ::core::result::Result::Ok(outcome) => {
                        match outcome {
                            CopyOpen::Opening { path, drop } => {
                                *machine = Copy::Opening { path, drop };
                                io.entered(false);
                            }
                            CopyOpen::Next(outcome) => {
                                match outcome {
                                    CopyNext::Waiting => {
                                        *machine = Copy::Waiting;
                                        io.entered(false);
                                    }
                                    CopyNext::Closed => {
                                        *machine = Copy::Closed;
                                        io.ended();
                                        let _: () = context.goodbye(io);
                                    }
                                }
                            }
                        }
                    }
                    ::core::result::Result::Err(error) => {
                        waiting_failed(machine, context, error, io)
                    }
                }
            }
            ::fsm_runtime::Event::Shutdown => {
                *machine = Copy::Closed;
                io.ended();
                let _: () = context.goodbye(io);
            }
            ::fsm_runtime::Event::Deadline(
                ::fsm_runtime::table::DeadlineKind::SinceEntry,
            ) => {
                *machine = Copy::Closed;
                io.ended();
                let _: () = context.goodbye(io);
            }
            ::fsm_runtime::Event::Lost(_) => {
                *machine = Copy::Closed;
                io.ended();
                let _: () = context.goodbye(io);
            }
            _ => {}
        }
    }
    #[cold]
    fn waiting_failed(
        machine: &mut Copy,
        context: &mut Copier,
        _: Failure,
        io: &mut ::fsm_runtime::Io<'_, Copy>,
    ) {
        io.undo();
        *machine = Copy::Closed;
        io.ended();
        let _: () = context.goodbye(io);
    }
    fn opening(
        machine: &mut Copy,
        context: &mut Copier,
        event: ::fsm_runtime::Event<'_, Copy>,
        io: &mut ::fsm_runtime::Io<'_, Copy>,
    ) {
        match event {
            ::fsm_runtime::Event::Reply(payload) => {
                match payload {
                    Reply::Opened(file) => {
                        if let Copy::Opening { path, drop, .. } = ::core::mem::replace(
                            machine,
                            Copy::Closed,
                        ) {
                            let outcome: CopyStart = context.start(path, file, io);
                            match outcome {
                                CopyStart::Sending { file, offset } => {
                                    *machine = Copy::Sending {
                                        file,
                                        offset,
                                        drop,
                                    };
                                    io.entered(true);
                                }
                            }
                        }
                    }
                    _ => {
                        *machine = Copy::Closed;
                        io.ended();
                        let _: () = context.goodbye(io);
                    }
                }
            }
            ::fsm_runtime::Event::Deadline(
                ::fsm_runtime::table::DeadlineKind::SinceEntry,
            ) => {
                *machine = Copy::Closed;
                io.ended();
                let _: () = context.goodbye(io);
            }
            ::fsm_runtime::Event::Lost(_) => {
                *machine = Copy::Closed;
                io.ended();
                let _: () = context.goodbye(io);
            }
            _ => {}
        }
    }
    fn sending(
        machine: &mut Copy,
        context: &mut Copier,
        event: ::fsm_runtime::Event<'_, Copy>,
        io: &mut ::fsm_runtime::Io<'_, Copy>,
    ) {
        match event {
            ::fsm_runtime::Event::Drained => {
                if let Copy::Sending { file, offset, .. } = machine {
                    let outcome: CopyPiece = context.piece(file, offset, io);
                    match outcome {
                        CopyPiece::Next(outcome) => {
                            match outcome {
                                CopyNext::Waiting => {
                                    if let Copy::Sending { offset, .. } = machine {
                                        let _: () = context.note(offset, io);
                                    }
                                    *machine = Copy::Waiting;
                                    io.entered(false);
                                }
                                CopyNext::Closed => {
                                    if let Copy::Sending { offset, .. } = machine {
                                        let _: () = context.note(offset, io);
                                    }
                                    *machine = Copy::Closed;
                                    io.ended();
                                    let _: () = context.goodbye(io);
                                }
                            }
                        }
                        CopyPiece::Stay => {}
                    }
                }
            }
            ::fsm_runtime::Event::Reply(_) => {
                if let Copy::Sending { offset, .. } = machine {
                    let _: () = context.note(offset, io);
                }
                *machine = Copy::Closed;
                io.ended();
                let _: () = context.goodbye(io);
            }
            ::fsm_runtime::Event::Deadline(
                ::fsm_runtime::table::DeadlineKind::WithoutProgress,
            ) => {
                if let Copy::Sending { offset, .. } = machine {
                    let _: () = context.note(offset, io);
                }
                *machine = Copy::Closed;
                io.ended();
                let _: () = context.goodbye(io);
            }
            ::fsm_runtime::Event::Lost(_) => {
                if let Copy::Sending { offset, .. } = machine {
                    let _: () = context.note(offset, io);
                }
                *machine = Copy::Closed;
                io.ended();
                let _: () = context.goodbye(io);
            }
            _ => {}
        }
    }
    #[cfg(rust_analyzer)]
    fn completions() {
        let _ = Copy::Opening;
        let _ = Copy::Closed;
        let _ = Copy::Closed;
        let _ = Copy::Sending;
        let _ = Copy::Closed;
        let _ = Copy::Closed;
        let _ = Copy::Closed;
    }
};
