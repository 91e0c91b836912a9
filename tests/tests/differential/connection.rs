//! A connection machine, driven without sockets: beside states and actions, what the runtime is
//! told to watch for and how long it is told to wait.

use std::io::ErrorKind;
use std::time::Duration;

use fsm_runtime::table::DeadlineKind;
use fsm_runtime::testing::Driver;
use fsm_runtime::{Input, Io, Machine};
use fsm_tests::interpreter::{Answer, Interpreter, Term, interest_of, limits_of};
use proptest::prelude::*;

use super::{Broken, Script, Step, steps};

/// Something that happens to a ferry.
#[derive(Debug, Clone, Copy)]
enum Happening {
    Connected,
    Byte(u8),
    Drained,
    Reply(u8),
    Message(u8),
    Deadline(DeadlineKind),
    Eof,
    Shutdown,
    Lost,
}

use Happening::{Byte, Connected, Deadline, Drained, Eof, Lost, Message, Reply, Shutdown};

/// The ends of the list come rarely, or nothing else would be seen.
const HAPPENINGS: [Happening; 18] = [
    Connected,
    Byte(b'c'),
    Byte(b'w'),
    Byte(b'f'),
    Byte(b'?'),
    Drained,
    Reply(0),
    Reply(1),
    Message(0),
    Message(1),
    Deadline(DeadlineKind::SinceEntry),
    Deadline(DeadlineKind::WithoutInput),
    Deadline(DeadlineKind::OfPartial),
    Deadline(DeadlineKind::WithoutProgress),
    Deadline(DeadlineKind::WithoutBytes { bytes: 512 }),
    Eof,
    Shutdown,
    Lost,
];

impl Happening {
    /// What rows see of it.
    fn term(self) -> Term {
        let data = Term::new("");
        match self {
            Connected => Term::new("connected"),
            Byte(b'c') => Term::of("Car", data),
            Byte(b'w') => Term::new("Walker"),
            Byte(b'f') => Term::of("Freight", data),
            Byte(_) => Term::new("Unknown"),
            Drained => Term::new("drained"),
            Reply(0) => Term::of("reply", Term::of("Cleared", data)),
            Reply(_) => Term::of("reply", Term::new("Refused")),
            Message(0) => Term::of("message", Term::of("Fog", data)),
            Message(_) => Term::of("message", Term::new("Clear")),
            Eof => Term::of("eof", data),
            Shutdown => Term::new("shutdown"),
            Lost => Term::of("lost", data),
            Deadline(_) => data,
        }
    }

    /// Makes it happen, unless it cannot in the present state.
    fn happen(self, driver: &mut Driver<Ferry>) {
        match self {
            Connected => driver.connect(),
            Byte(byte) => driver.input(&[byte]),
            Drained => driver.drained(),
            Reply(0) => driver.reply(Signal::Cleared(7)),
            Reply(_) => driver.reply(Signal::Refused),
            Message(0) => driver.message(Weather::Fog { metres: 50 }),
            Message(_) => driver.message(Weather::Clear),
            Deadline(kind) => driver.deadline(kind),
            Eof => driver.end_of_input(),
            Shutdown => driver.shutdown(),
            Lost => driver.lost(ErrorKind::ConnectionReset.into()),
        }
    }

    /// The same for the interpreter. A condition is told to each state that is entered while it
    /// holds.
    fn tell(self, interpreter: &mut Interpreter, answer: Answer) {
        match self {
            Deadline(kind) => interpreter.deadline(kind, answer),
            _ => interpreter.handle(&self.term(), answer),
        }
    }

    /// Tells whether it can happen in a state: bytes are read only where a row waits for them.
    fn can_happen(self, interpreter: &Interpreter) -> bool {
        let state = interpreter.state();
        match self {
            Byte(_) => state.interest.reads(),
            Deadline(kind) => state.deadlines.iter().any(|deadline| deadline.kind == kind),
            Eof | Shutdown | Lost => interpreter.actions().len() > 20,
            _ => true,
        }
    }
}

fn method(name: &str) -> Option<Duration> {
    match name {
        "tide" => Some(Duration::from_secs(6 * 3600)),
        "patience" => None,
        other => panic!("no method `{other}`"),
    }
}

/// Runs the steps on both sides; answers the states that were seen.
fn agree(steps: &[Step]) -> Vec<&'static str> {
    let mut driver = Driver::<Ferry>::new(Script::new());
    let mut interpreter = Interpreter::new(Ferry::TABLE);
    let mut seen = Vec::new();
    for (at, &(event, answer)) in steps.iter().enumerate() {
        let happening = HAPPENINGS[event % HAPPENINGS.len()];
        if !happening.can_happen(&interpreter) {
            continue;
        }
        driver.context().answer = answer;
        happening.happen(&mut driver);
        happening.tell(&mut interpreter, answer);
        let state = interpreter.state();
        let said = format!("after step {at}, {happening:?} answered {answer:?}");
        assert_eq!(driver.state(), state.name, "{said}");
        assert_eq!(driver.context().called, interpreter.actions(), "{said}");
        assert_eq!(driver.interest(), interest_of(state), "{said}");
        assert_eq!(driver.deadlines(), limits_of(state, method), "{said}");
        seen.push(state.name);
        if matches!(happening, Eof | Shutdown) {
            break;
        }
    }
    seen
}

proptest! {
    #![proptest_config(super::many())]

    #[test]
    fn ferries_agree(steps in steps()) {
        agree(&steps);
    }
}

#[test]
fn the_random_steps_reach_every_state() {
    let seen: Vec<_> = super::sample().iter().flat_map(|steps| agree(steps)).collect();
    let missed = Ferry::TABLE.states.iter().filter(|state| !seen.contains(&state.name));
    assert_eq!(missed.map(|state| state.name).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn interest_follows_from_the_rows() {
    for state in Ferry::TABLE.states {
        assert_eq!(state.interest, interest_of(state), "{}", state.name);
    }
}

/// A ferry between two banks: a row for everything that can happen to a connection.
#[derive(Machine)]
#[machine(context = Script, input = Guest, reply = Signal, message = Weather, error = Broken)]
#[outcome(Sail: Crossing "fair" | Waiting | Moored)]
#[group(
    Away: Crossing, Drifting;
    on(message(Clear) => speed_up),
    on(reply(Refused) => go_back(miles) -> Moored),
    on(shutdown -> Drydock),
    after(30s without progress -> Wreck),
    after(2h => send_help -> Drifting | Wreck),
)]
#[on(lost(_) => abandon_ship -> Wreck)]
#[on(error(_) => signal -> Drydock)]
#[on(message(_) => listen)]
#[on(eof | shutdown -> Drydock)]
#[on(Unknown => whistle)]
enum Ferry {
    #[initial]
    #[on(connected => welcome -> Moored)]
    #[after(10s -> Wreck)]
    Building,

    #[enter(lower_ramp)]
    #[leave(raise_ramp)]
    #[on(Car(_) => embark? -> Sail | Stay)]
    #[on(Freight(_) | Walker => board)]
    #[on(connected => salute)]
    #[after(1min of partial => call_again -> Moored)]
    #[after(20s without 512 bytes -> Wreck)]
    #[after(tide() without input => leave_empty -> Sail)]
    Moored,

    #[on(reply(Cleared(number)) => cleared(number)? -> Crossing)]
    #[on(reply(_) | message(Fog { .. }) => linger)]
    #[ignores(shutdown)]
    #[after(patience() -> Moored)]
    #[after(1h without progress -> Moored)]
    Waiting,

    #[enter(cast_off(miles))]
    #[on(drained => sail_on(miles) -> Crossing | Moored | Stay)]
    #[on(message(Fog { metres }) => slow_down(miles, metres) -> Drifting { miles, .. } | Stay)]
    #[ignores(reply(Cleared))]
    Crossing { miles: u32 },

    #[leave(start_engine(hours))]
    #[on(Walker => overboard? -> Moored)]
    #[on(_ => drift(hours))]
    #[on(reply(Cleared(_)) -> Moored)]
    #[on(eof => shout -> Wreck)]
    #[after(5min without input => flare(miles) -> Drifting)]
    Drifting { miles: u32, hours: u32 },

    #[terminal]
    #[enter(scrap)]
    Drydock,

    #[terminal(abort)]
    #[enter(sink)]
    Wreck,
}

/// Whatever is loaded; no row looks at it.
struct Load;

enum Guest {
    Car(Load),
    Walker,
    Freight(Load),
    Unknown,
}

impl Input<'_> for Guest {
    type Decoder = ();

    fn decode((): &mut (), bytes: &[u8], _seen: usize) -> Option<(usize, Self)> {
        let guest = match *bytes.first()? {
            b'c' => Self::Car(Load),
            b'w' => Self::Walker,
            b'f' => Self::Freight(Load),
            _ => Self::Unknown,
        };
        Some((1, guest))
    }
}

enum Signal {
    Cleared(u32),
    Refused,
}

enum Weather {
    Fog { metres: u32 },
    Clear,
}

type Deck<'a> = Io<'a, Ferry>;

impl Script {
    fn sail(number: usize) -> FerrySail {
        match number {
            0 => FerrySail::Crossing { miles: 3 },
            1 => FerrySail::Waiting,
            _ => FerrySail::Moored,
        }
    }

    fn embark(&mut self, _io: &mut Deck<'_>) -> Result<FerryEmbark, Broken> {
        Ok(match self.attempt("embark", 4)? {
            3 => FerryEmbark::Stay,
            number => FerryEmbark::Sail(Self::sail(number)),
        })
    }

    fn leave_empty(&mut self, _io: &mut Deck<'_>) -> FerrySail {
        Self::sail(self.choose("leave_empty", 3))
    }

    fn cleared(&mut self, _number: u32, _io: &mut Deck<'_>) -> Result<FerryCleared, Broken> {
        self.attempt("cleared", 1).map(|_| FerryCleared::Crossing { miles: 1 })
    }

    fn sail_on(&mut self, _miles: &mut u32, _io: &mut Deck<'_>) -> FerrySailOn {
        match self.choose("sail_on", 3) {
            0 => FerrySailOn::Crossing { miles: 2 },
            1 => FerrySailOn::Moored,
            _ => FerrySailOn::Stay,
        }
    }

    fn slow_down(&mut self, _miles: &mut u32, _metres: u32, _io: &mut Deck<'_>) -> FerrySlowDown {
        match self.choose("slow_down", 2) {
            0 => FerrySlowDown::Drifting { hours: 0 },
            _ => FerrySlowDown::Stay,
        }
    }

    fn send_help(&mut self, _io: &mut Deck<'_>) -> FerrySendHelp {
        match self.choose("send_help", 2) {
            0 => FerrySendHelp::Drifting { miles: 9, hours: 9 },
            _ => FerrySendHelp::Wreck,
        }
    }

    fn flare(&mut self, miles: u32, _io: &mut Deck<'_>) -> FerryFlare {
        self.called("flare");
        FerryFlare::Drifting { miles, hours: 0 }
    }

    fn overboard(&mut self, _io: &mut Deck<'_>) -> Result<(), Broken> {
        self.attempt("overboard", 1).map(|_| ())
    }

    fn go_back(&mut self, _miles: u32, _io: &mut Deck<'_>) {
        self.called("go_back");
    }

    fn cast_off(&mut self, _miles: &mut u32, _io: &mut Deck<'_>) {
        self.called("cast_off");
    }

    fn start_engine(&mut self, _hours: &mut u32, _io: &mut Deck<'_>) {
        self.called("start_engine");
    }

    fn drift(&mut self, hours: &mut u32, _io: &mut Deck<'_>) {
        *hours += 1;
        self.called("drift");
    }

    fn tide(&self) -> Duration {
        Duration::from_secs(6 * 3600)
    }

    fn patience(&self) -> Option<Duration> {
        None
    }
}

/// Actions that do nothing but be called.
macro_rules! called {
    ($($action:ident)*) => {
        impl Script {
            $(fn $action(&mut self, _io: &mut Deck<'_>) {
                self.called(stringify!($action));
            })*
        }
    };
}

called! {
    abandon_ship signal listen whistle speed_up welcome lower_ramp raise_ramp board salute
    call_again linger shout scrap sink
}
