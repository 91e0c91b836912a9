//! Plain machines, run event by event with `handle`.

use fsm_runtime::Machine;
use fsm_runtime::table::{Origin, Table};
use fsm_tests::interpreter::{Interpreter, Term};
use proptest::prelude::*;

use super::{Broken, Script, Step, sample, steps};

/// A generated machine as the comparison sees it.
trait Subject: Sized {
    const TABLE: &'static Table;
    /// The events, each by its name in the table.
    const EVENTS: &'static [&'static str];
    fn begin() -> Self;
    fn state(&self) -> usize;
    /// Takes the event of this number.
    fn take(&mut self, script: &mut Script, event: usize);
}

fn agree<S: Subject>(steps: &[Step]) {
    let mut subject = S::begin();
    let mut script = Script::new();
    let mut interpreter = Interpreter::new(S::TABLE);
    for (at, &(event, answer)) in steps.iter().enumerate() {
        let event = event % S::EVENTS.len();
        script.answer = answer;
        subject.take(&mut script, event);
        interpreter.handle(&Term::new(S::EVENTS[event]), answer);
        let said = format!("after step {at}, `{}` answered {answer:?}", S::EVENTS[event]);
        assert_eq!(S::TABLE.states[subject.state()].name, interpreter.state().name, "{said}");
        assert_eq!(script.called, interpreter.actions(), "{said}");
    }
}

proptest! {
    #![proptest_config(super::many())]

    #[test]
    fn parcels_agree(steps in steps()) {
        agree::<Parcel>(&steps);
    }

    #[test]
    fn players_agree(steps in steps()) {
        agree::<Player>(&steps);
    }
}

/// Random events that never left the first state would agree on nothing.
fn reaches_every_state<S: Subject>() {
    let mut reached = vec![false; S::TABLE.states.len()];
    for steps in sample() {
        let mut subject = S::begin();
        let mut script = Script::new();
        for (event, answer) in steps {
            script.answer = answer;
            subject.take(&mut script, event % S::EVENTS.len());
            reached[subject.state()] = true;
        }
    }
    let missed = S::TABLE.states.iter().zip(&reached).filter(|(_, reached)| !**reached);
    assert_eq!(missed.map(|(state, _)| state.name).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn the_random_steps_reach_every_state() {
    reaches_every_state::<Parcel>();
    reaches_every_state::<Player>();
}

#[test]
fn the_table_lists_no_row_behind_one_that_hides_it() {
    for state in Parcel::TABLE.states.iter().chain(Player::TABLE.states) {
        let origins: Vec<_> = state.rows.iter().map(|row| row.origin).collect();
        let rank = |origin: &Origin| {
            [Origin::State, Origin::Group, Origin::Machine, Origin::Default]
                .iter()
                .position(|other| other == origin)
        };
        assert!(origins.is_sorted_by_key(rank), "{}: {origins:?}", state.name);
        for (at, row) in state.rows.iter().enumerate() {
            let above: Vec<_> = state.rows[..at].iter().flat_map(|row| row.events).collect();
            let hidden = row.events.iter().all(|event| above.contains(&event));
            assert!(!hidden, "{}: `{}` can never be taken", state.name, row.pattern);
        }
    }
}

/// A parcel on its way: groups, a set of outcomes, failures, `enter` and `leave`.
#[derive(Machine)]
#[machine(plain, context = Script, input = Scan, error = Broken)]
#[outcome(Route: Depot "inland" | Airport | Lost)]
#[group(
    Moving: Truck, Plane;
    on(Delay => wait),
    on(Crash | Theft => report -> Lost),
    ignores(Weigh),
)]
#[group(Still: Depot, Airport; on(Theft -> Lost), on(Weigh => weigh -> Depot | Stay))]
#[on(Delay => sigh)]
#[on(Weigh | Stamp => inspect)]
#[on(Crash -> Lost)]
#[on(Return => turn_back -> Route | Stay)]
#[on(error(_) => write_off -> Gone)]
enum Parcel {
    #[initial]
    #[enter(shelve)]
    #[leave(unshelve)]
    #[on(Load => load? -> Truck | Plane | Stay)]
    #[on(Deliver -> Depot)]
    #[ignores(Stamp)]
    Depot,

    #[on(Load => load? -> Truck | Plane | Stay)]
    #[on(Delay -> Depot)]
    #[on(Deliver => hand_over -> Delivered)]
    Airport,

    #[enter(start(miles))]
    #[leave(stop)]
    #[on(Deliver => arrive(miles) -> Route | Delivered)]
    #[on(Load => pack(miles))]
    #[ignores(Stamp, Theft)]
    Truck { miles: u32 },

    #[on(Deliver => land(miles)? -> Airport)]
    #[on(Weigh => shake)]
    #[on(Load | Return => refuse)]
    Plane { miles: u32 },

    #[enter(mourn)]
    #[on(Return => find -> Depot | Stay)]
    #[on(_ => search)]
    Lost,

    #[terminal]
    #[enter(sign)]
    Delivered,

    #[terminal]
    Gone,
}

#[derive(Clone, Copy)]
enum Scan {
    Load,
    Deliver,
    Delay,
    Weigh,
    Stamp,
    Crash,
    Theft,
    Return,
}

impl Subject for Parcel {
    const TABLE: &'static Table = Self::TABLE;
    const EVENTS: &'static [&'static str] =
        &["Load", "Deliver", "Delay", "Weigh", "Stamp", "Crash", "Theft", "Return"];

    fn begin() -> Self {
        Self::initial()
    }

    fn state(&self) -> usize {
        self.state()
    }

    fn take(&mut self, script: &mut Script, event: usize) {
        use Scan::{Crash, Delay, Deliver, Load, Return, Stamp, Theft, Weigh};
        let scans = [Load, Deliver, Delay, Weigh, Stamp, Crash, Theft, Return];
        self.handle(script, scans[event]);
    }
}

impl Script {
    fn load(&mut self) -> Result<ParcelLoad, Broken> {
        Ok(match self.attempt("load", 3)? {
            0 => ParcelLoad::Truck { miles: 1 },
            1 => ParcelLoad::Plane { miles: 1 },
            _ => ParcelLoad::Stay,
        })
    }

    fn route(&mut self, number: usize) -> ParcelRoute {
        match number {
            0 => ParcelRoute::Depot,
            1 => ParcelRoute::Airport,
            _ => ParcelRoute::Lost,
        }
    }

    fn turn_back(&mut self) -> ParcelTurnBack {
        match self.choose("turn_back", 4) {
            3 => ParcelTurnBack::Stay,
            number => ParcelTurnBack::Route(self.route(number)),
        }
    }

    fn arrive(&mut self, _miles: u32) -> ParcelArrive {
        match self.choose("arrive", 4) {
            3 => ParcelArrive::Delivered,
            number => ParcelArrive::Route(self.route(number)),
        }
    }

    fn weigh(&mut self) -> ParcelWeigh {
        if self.choose("weigh", 2) == 0 { ParcelWeigh::Depot } else { ParcelWeigh::Stay }
    }

    fn find(&mut self) -> ParcelFind {
        if self.choose("find", 2) == 0 { ParcelFind::Depot } else { ParcelFind::Stay }
    }

    fn land(&mut self, _miles: &mut u32) -> Result<(), Broken> {
        self.attempt("land", 1).map(|_| ())
    }

    fn wait(&mut self) {
        self.called("wait");
    }

    fn report(&mut self) {
        self.called("report");
    }

    fn sigh(&mut self) {
        self.called("sigh");
    }

    fn inspect(&mut self) {
        self.called("inspect");
    }

    fn write_off(&mut self) {
        self.called("write_off");
    }

    fn shelve(&mut self) {
        self.called("shelve");
    }

    fn unshelve(&mut self) {
        self.called("unshelve");
    }

    fn hand_over(&mut self) {
        self.called("hand_over");
    }

    fn start(&mut self, _miles: &mut u32) {
        self.called("start");
    }

    fn stop(&mut self) {
        self.called("stop");
    }

    fn pack(&mut self, _miles: &mut u32) {
        self.called("pack");
    }

    fn shake(&mut self) {
        self.called("shake");
    }

    fn refuse(&mut self) {
        self.called("refuse");
    }

    fn mourn(&mut self) {
        self.called("mourn");
    }

    fn search(&mut self) {
        self.called("search");
    }

    fn sign(&mut self) {
        self.called("sign");
    }
}

/// A player without an end: patterns, carried fields, data that moves.
#[derive(Machine)]
#[machine(plain, context = Script, input = Key)]
#[on(Load { disc } => insert(disc) -> Stopped | Stay)]
#[on(Volume(_) => turn)]
enum Player {
    #[initial]
    #[on(Eject | Stop | Play => beep)]
    #[on(Pause -> Empty)]
    Empty,

    #[on(Play -> Playing { disc, at })]
    #[on(Stop => rewind(disc) -> Stopped { at, .. })]
    #[on(Eject => eject(disc) -> Empty)]
    #[ignores(Pause, Volume)]
    Stopped { disc: Disc, at: u32 },

    #[enter(spin_up(at))]
    #[leave(spin_down(disc))]
    #[on(Pause => pause(at) -> Paused { disc, .. } | Stay)]
    #[on(Stop -> Stopped { at, disc })]
    #[on(_ => beep)]
    #[ignores(Volume)]
    Playing { disc: Disc, at: u32 },

    #[on(Pause | Play => resume(at, disc) -> Playing)]
    #[on(Stop => skip(at))]
    #[on(Load { .. } | Eject -> Empty)]
    Paused { at: u32, disc: Disc },
}

/// No copy is made of it.
struct Disc;

enum Key {
    Load { disc: Disc },
    Play,
    Pause,
    Stop,
    Eject,
    Volume(Disc),
}

impl Subject for Player {
    const TABLE: &'static Table = Self::TABLE;
    const EVENTS: &'static [&'static str] = &["Load", "Play", "Pause", "Stop", "Eject", "Volume"];

    fn begin() -> Self {
        Self::initial()
    }

    fn state(&self) -> usize {
        self.state()
    }

    fn take(&mut self, script: &mut Script, event: usize) {
        let key = match Self::EVENTS[event] {
            "Load" => Key::Load { disc: Disc },
            "Play" => Key::Play,
            "Pause" => Key::Pause,
            "Stop" => Key::Stop,
            "Eject" => Key::Eject,
            _ => Key::Volume(Disc),
        };
        self.handle(script, key);
    }
}

impl Script {
    fn insert(&mut self, disc: Disc) -> PlayerInsert {
        if self.choose("insert", 2) == 0 {
            PlayerInsert::Stopped { disc, at: 0 }
        } else {
            PlayerInsert::Stay
        }
    }

    fn turn(&mut self) {
        self.called("turn");
    }

    fn beep(&mut self) {
        self.called("beep");
    }

    fn rewind(&mut self, disc: Disc) -> PlayerRewind {
        self.called("rewind");
        PlayerRewind::Stopped { disc }
    }

    fn eject(&mut self, _disc: Disc) {
        self.called("eject");
    }

    fn spin_up(&mut self, _at: &mut u32) {
        self.called("spin_up");
    }

    fn spin_down(&mut self, _disc: &mut Disc) {
        self.called("spin_down");
    }

    fn pause(&mut self, at: &mut u32) -> PlayerPause {
        if self.choose("pause", 2) == 0 {
            PlayerPause::Paused { at: *at }
        } else {
            PlayerPause::Stay
        }
    }

    fn resume(&mut self, at: u32, disc: Disc) -> PlayerResume {
        self.called("resume");
        PlayerResume::Playing { disc, at }
    }

    fn skip(&mut self, at: &mut u32) {
        *at += 1;
        self.called("skip");
    }
}
