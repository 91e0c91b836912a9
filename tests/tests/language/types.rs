//! What a machine may be made of: lifetimes, generics, several in one module, one inside a
//! function, a runtime by another name.

use core::fmt::Debug;

use fsm_runtime::Machine;

/// Two machines side by side that share a context, an alphabet and the names of their actions.
mod side_by_side {
    use super::Machine;

    pub(super) enum Tick {
        Tick,
    }

    #[derive(Default)]
    pub(super) struct Shared {
        pub(super) ticks: usize,
    }

    #[derive(Machine, Debug, PartialEq)]
    #[machine(plain, context = Shared, input = Tick)]
    pub(super) enum Left {
        #[initial]
        #[on(Tick => step -> Up | Stay)]
        Down,
        #[on(Tick -> Down)]
        Up,
    }

    #[derive(Machine, Debug, PartialEq)]
    #[machine(plain, context = Shared, input = Tick)]
    pub(super) enum Right {
        #[initial]
        #[on(Tick => pace -> Down)]
        Up,
        #[on(Tick => step_back -> Up | Stay)]
        Down { since: usize },
    }

    impl Shared {
        fn step(&mut self) -> LeftStep {
            self.ticks += 1;
            if self.ticks.is_multiple_of(2) { LeftStep::Up } else { LeftStep::Stay }
        }

        fn pace(&mut self) -> RightPace {
            self.ticks += 1;
            RightPace::Down { since: self.ticks }
        }

        fn step_back(&mut self) -> RightStepBack {
            self.ticks += 1;
            if self.ticks.is_multiple_of(2) { RightStepBack::Up } else { RightStepBack::Stay }
        }
    }
}

#[test]
fn machines_of_one_module_keep_apart() {
    use side_by_side::{Left, Right, Shared, Tick};
    let mut shared = Shared::default();
    let (mut left, mut right) = (Left::initial(), Right::initial());
    left.handle(&mut shared, Tick::Tick);
    right.handle(&mut shared, Tick::Tick);
    assert_eq!((&left, &right), (&Left::Down, &Right::Down { since: 2 }));
    right.handle(&mut shared, Tick::Tick);
    left.handle(&mut shared, Tick::Tick);
    assert_eq!((left, right, shared.ticks), (Left::Up, Right::Down { since: 2 }, 4));
}

#[test]
fn a_machine_may_stand_inside_a_function() {
    struct Local(u32);

    enum Beat {
        Beat { loud: bool },
    }

    #[derive(Machine, Debug, PartialEq)]
    #[machine(plain, context = Local, input = Beat)]
    enum Drum {
        #[initial]
        #[on(Beat { loud } => strike(loud) -> Ringing | Stay)]
        Still,
        #[on(Beat { loud: _ } -> Still)]
        Ringing { volume: u32 },
    }

    impl Local {
        fn strike(&mut self, loud: bool) -> DrumStrike {
            self.0 += 1;
            if loud { DrumStrike::Ringing { volume: self.0 } } else { DrumStrike::Stay }
        }
    }

    let (mut drum, mut local) = (Drum::initial(), Local(0));
    drum.handle(&mut local, Beat::Beat { loud: false });
    drum.handle(&mut local, Beat::Beat { loud: true });
    assert_eq!(drum, Drum::Ringing { volume: 2 });
}

/// Reads words out of a text that outlives it.
#[derive(Machine, Debug, PartialEq)]
#[machine(plain, context = Words<'t>, input = Letter<'t>)]
enum Reader<'t> {
    #[initial]
    #[on(Word(word) => begin(word) -> Reading)]
    #[ignores(End)]
    Waiting,
    #[on(Word(word) => next(longest, word))]
    #[on(End => keep(longest) -> Waiting)]
    Reading { longest: &'t str },
}

enum Letter<'t> {
    Word(&'t str),
    End,
}

#[derive(Default)]
struct Words<'t> {
    kept: Vec<&'t str>,
}

impl<'t> Words<'t> {
    fn begin(&mut self, word: &'t str) -> ReaderBegin<'t> {
        ReaderBegin::Reading { longest: word }
    }

    fn next(&mut self, longest: &mut &'t str, word: &'t str) {
        if word.len() > longest.len() {
            *longest = word;
        }
    }

    fn keep(&mut self, longest: &'t str) {
        self.kept.push(longest);
    }
}

#[test]
fn states_contexts_and_inputs_may_borrow() {
    let text = String::from("the table is the program");
    let (mut reader, mut words) = (Reader::initial(), Words::default());
    for word in text.split(' ') {
        reader.handle(&mut words, Letter::Word(word));
    }
    reader.handle(&mut words, Letter::End);
    assert_eq!((reader, words.kept), (Reader::Waiting, vec!["program"]));
}

/// An alphabet that borrows for one event only.
#[derive(Machine, Debug, PartialEq)]
#[machine(plain, context = Tally, input = Piece<'_>)]
enum Counter {
    #[initial]
    #[on(Piece(bytes) => count(bytes))]
    Counting,
}

enum Piece<'a> {
    Piece(&'a [u8]),
}

struct Tally(usize);

impl Tally {
    fn count(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
}

#[test]
fn an_input_may_borrow_for_one_event() {
    let (mut counter, mut tally) = (Counter::initial(), Tally(0));
    for length in 1..=3 {
        let piece = vec![0; length];
        counter.handle(&mut tally, Piece::Piece(&piece));
    }
    assert_eq!(tally.0, 6);
}

/// What a generic machine asks of its context.
trait Handler {
    type Body: Debug + PartialEq;
    fn body(&mut self) -> Option<Self::Body>;
    fn done(&mut self, body: Self::Body);
}

/// A machine over anything that answers.
#[derive(Machine, Debug, PartialEq)]
#[machine(plain, context = Server<H>, input = Request)]
enum Serving<H: Handler, const LIMIT: usize>
where
    H::Body: Debug,
{
    #[initial]
    #[on(Get => find -> Streaming "found" | Failed | Stay)]
    #[ignores(Sent)]
    Idle,
    #[on(Sent => sent(body, pieces) -> Idle)]
    #[on(Get => queue(pieces))]
    Streaming { body: H::Body, pieces: [u8; LIMIT] },
    #[terminal]
    Failed,
}

enum Request {
    Get,
    Sent,
}

struct Server<H> {
    handler: H,
    left: usize,
}

impl<H: Handler> Server<H> {
    fn find<const LIMIT: usize>(&mut self) -> ServingFind<H, LIMIT> {
        if self.left == 0 {
            return ServingFind::Failed;
        }
        self.left -= 1;
        match self.handler.body() {
            Some(body) => ServingFind::Streaming { body, pieces: [0; LIMIT] },
            None => ServingFind::Stay,
        }
    }

    fn sent<const LIMIT: usize>(&mut self, body: H::Body, _pieces: [u8; LIMIT]) {
        self.handler.done(body);
    }

    fn queue<const LIMIT: usize>(&mut self, pieces: &mut [u8; LIMIT]) {
        pieces[0] += 1;
    }
}

#[derive(Debug, PartialEq, Default)]
struct Files {
    opened: usize,
    done: Vec<Box<str>>,
}

impl Handler for Files {
    type Body = Box<str>;

    fn body(&mut self) -> Option<Box<str>> {
        self.opened += 1;
        (self.opened > 1).then(|| format!("file {}", self.opened).into())
    }

    fn done(&mut self, body: Box<str>) {
        self.done.push(body);
    }
}

#[test]
fn a_machine_may_be_generic_over_its_context() {
    let mut serving = Serving::<Files, 4>::initial();
    let mut server = Server { handler: Files::default(), left: 2 };
    serving.handle(&mut server, Request::Get);
    assert_eq!(serving, Serving::Idle);
    serving.handle(&mut server, Request::Get);
    serving.handle(&mut server, Request::Get);
    assert_eq!(serving, Serving::Streaming { body: "file 2".into(), pieces: [1, 0, 0, 0] });
    serving.handle(&mut server, Request::Sent);
    serving.handle(&mut server, Request::Get);
    assert_eq!(serving, Serving::Failed);
    assert_eq!(server.handler.done, ["file 2".into()]);
}

/// A runtime that was taken in under another name.
mod renamed {
    mod elsewhere {
        pub(in super::super) use fsm_runtime as runtime;
    }

    #[derive(elsewhere::runtime::Machine, Debug, PartialEq)]
    #[machine(plain, context = u8, input = bool, crate = elsewhere::runtime)]
    enum Switch {
        #[initial]
        #[on(_ -> On)]
        Off,
        #[on(_ -> Off)]
        On,
    }

    #[test]
    fn the_runtime_may_have_another_name() {
        let mut switch = Switch::initial();
        switch.handle(&mut 0, true);
        assert_eq!(switch, Switch::On);
        switch.handle(&mut 0, true);
        assert_eq!(switch, Switch::Off);
        assert_eq!(Switch::TABLE.input, "bool");
    }
}
