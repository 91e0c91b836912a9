//! Rows: where they lead, what they call, what they match.

use fsm_runtime::Machine;
use fsm_runtime::table::{Origin, Row, StateKind, Target};

/// A door with a lock, and a word for everything a row can say.
#[derive(Machine, Debug, PartialEq)]
#[machine(plain, context = Hinge, input = Hand)]
enum Door {
    /// Nobody can see in.
    #[initial]
    /// A strong push opens it.
    #[on(Push { force } => push(force) -> Open "strong" | Jammed "too strong" | Stay "weak")]
    #[on(Lock(key) => turn(key) -> Locked "fits" | Stay)]
    #[on(Knock | Pull => hear)]
    Shut,

    #[on(Push { .. } => creak)]
    #[on(Pull -> Shut "pulled")]
    #[on(_ => hear)]
    Open,

    #[on(Lock(_) -> Shut)]
    #[on(Knock => hear -> Locked)]
    #[ignores(Push, Pull)]
    Locked,

    #[terminal]
    Jammed,
}

enum Hand {
    Push { force: u8 },
    Pull,
    Knock,
    Lock(&'static str),
}

#[derive(Default)]
struct Hinge {
    heard: usize,
    creaks: usize,
}

impl Hinge {
    fn push(&mut self, force: u8) -> DoorPush {
        match force {
            0..10 => DoorPush::Stay,
            10..100 => DoorPush::Open,
            _ => DoorPush::Jammed,
        }
    }

    fn turn(&mut self, key: &str) -> DoorTurn {
        if key == "right" { DoorTurn::Locked } else { DoorTurn::Stay }
    }

    fn hear(&mut self) {
        self.heard += 1;
    }

    fn creak(&mut self) {
        self.creaks += 1;
    }
}

fn after(events: impl IntoIterator<Item = Hand>) -> (Door, Hinge) {
    let mut door = Door::initial();
    let mut hinge = Hinge::default();
    for event in events {
        door.handle(&mut hinge, event);
    }
    (door, hinge)
}

#[test]
fn the_initial_state_is_where_it_begins() {
    assert_eq!(Door::initial(), Door::Shut);
    assert_eq!(Door::TABLE.states[Door::initial().state()].name, "Shut");
    assert_eq!(Door::TABLE.states[0].kind, StateKind::Initial);
}

#[test]
fn an_action_chooses_among_the_targets_of_its_row() {
    assert_eq!(after([Hand::Push { force: 9 }]).0, Door::Shut);
    assert_eq!(after([Hand::Push { force: 10 }]).0, Door::Open);
    assert_eq!(after([Hand::Push { force: 100 }]).0, Door::Jammed);
    assert_eq!(after([Hand::Lock("wrong")]).0, Door::Shut);
    assert_eq!(after([Hand::Lock("right")]).0, Door::Locked);
}

#[test]
fn a_row_without_an_action_leads_where_it_says() {
    assert_eq!(after([Hand::Push { force: 10 }, Hand::Pull]).0, Door::Shut);
}

#[test]
fn a_row_without_an_arrow_stays() {
    let (door, hinge) = after([Hand::Push { force: 10 }, Hand::Push { force: 1 }]);
    assert_eq!((door, hinge.creaks), (Door::Open, 1));
}

#[test]
fn one_row_serves_all_events_between_its_bars() {
    let (door, hinge) = after([Hand::Knock, Hand::Pull]);
    assert_eq!((door, hinge.heard), (Door::Shut, 2));
}

#[test]
fn the_wildcard_takes_what_no_row_before_it_took() {
    let (door, hinge) = after([Hand::Push { force: 10 }, Hand::Knock, Hand::Lock("right")]);
    assert_eq!((door, hinge.heard), (Door::Open, 2));
    assert_eq!(after([Hand::Push { force: 10 }, Hand::Pull]).1.heard, 0);
}

#[test]
fn an_ignored_input_changes_nothing() {
    let locked = [Hand::Lock("right"), Hand::Push { force: 255 }, Hand::Pull];
    let (door, hinge) = after(locked);
    assert_eq!((door, hinge.heard, hinge.creaks), (Door::Locked, 0, 0));
}

#[test]
fn nothing_leads_out_of_a_terminal_state() {
    let jammed = [Hand::Push { force: 255 }, Hand::Pull, Hand::Knock, Hand::Lock("right")];
    let (door, hinge) = after(jammed);
    assert_eq!((door, hinge.heard), (Door::Jammed, 0));
}

#[test]
fn the_table_says_what_was_written() {
    let table = Door::TABLE;
    assert_eq!((table.machine, table.input, table.plain), ("Door", "Hand", true));
    assert_eq!(table.docs, "A door with a lock, and a word for everything a row can say.");
    assert_eq!(table.states.map_names(), ["Shut", "Open", "Locked", "Jammed"]);
    assert_eq!(table.states[3].kind, StateKind::Terminal);
    assert_eq!(table.states[2].ignores, ["Push", "Pull"]);

    let push = table.states[0].rows[0];
    assert_eq!((push.events, push.pattern), (&["Push"][..], "Push { force }"));
    assert_eq!((push.origin, push.action, push.fallible), (Origin::State, Some("push"), false));
    let enter = |state, label| Target::Enter { state, label: Some(label) };
    let stay = Target::Stay { label: Some("weak") };
    assert_eq!(push.targets, [enter(1, "strong"), enter(3, "too strong"), stay]);
}

#[test]
fn the_table_keeps_the_order_of_the_rows() {
    let patterns = |rows: &'static [Row]| rows.iter().map(|row| row.pattern).collect::<Vec<_>>();
    let of = |state: usize| patterns(Door::TABLE.states[state].rows);
    assert_eq!(of(0), ["Push { force }", "Lock(key)", "Knock | Pull"]);
    assert_eq!(of(1), ["Push { .. }", "Pull", "_"]);
    assert_eq!(Door::TABLE.states[0].rows[2].events, ["Knock", "Pull"]);
    assert_eq!(Door::TABLE.states[1].rows[2].events, ["_"]);
    assert_eq!(Door::TABLE.states[1].rows[0].targets, [Target::Stay { label: None }]);
}

/// The names of a row of states, for comparing.
trait Names {
    fn map_names(&self) -> Vec<&'static str>;
}

impl Names for [fsm_runtime::table::State] {
    fn map_names(&self) -> Vec<&'static str> {
        self.iter().map(|state| state.name).collect()
    }
}
