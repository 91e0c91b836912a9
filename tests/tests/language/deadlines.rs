//! Deadlines of every kind, by literals and by methods, on states and on groups.

use std::time::Duration;

use fsm_runtime::table::{DeadlineKind, Limit, Origin, Target};
use fsm_runtime::testing::Driver;
use fsm_runtime::{Deadlines, Io, Lines, Machine};

/// A caller who is put on hold.
#[derive(Machine, Debug, PartialEq)]
#[machine(context = Line, input = Lines<'_>)]
#[group(Patient: Held, Played; after(2min => complain -> HungUp), on(shutdown -> HungUp))]
enum Caller {
    #[initial]
    #[on(Line(_) -> Held)]
    #[on(TooLong => long -> Played)]
    #[on(eof | shutdown -> HungUp)]
    /// Nobody speaks.
    #[after(10s -> HungUp)]
    #[after(500ms of partial => cough -> Ringing)]
    #[after(5min without input -> HungUp)]
    #[after(1h without progress -> HungUp)]
    #[after(20s without 4096 bytes => too_slow -> Held | HungUp "gives up")]
    Ringing,

    #[on(Line(_) | eof -> Ringing)]
    #[on(TooLong -> Singing)]
    #[after(patience() -> Ringing)]
    #[after(hope() without input -> Ringing)]
    Held,

    #[on(drained => louder(volume))]
    #[after(hold(volume) without progress => fade(volume) -> Ringing)]
    Played { volume: u32 },

    #[on(Line(_) | TooLong -> Ringing)]
    #[on(eof -> HungUp)]
    #[ignores(shutdown)]
    #[after(never = "a line without end is what callers pay for")]
    Singing,

    #[terminal]
    HungUp,
}

struct Line {
    hope: Option<Duration>,
    said: Vec<&'static str>,
}

impl Line {
    fn long(&mut self, _io: &mut Io<'_, Caller>) -> CallerLong {
        CallerLong::Played { volume: 3 }
    }

    fn complain(&mut self, _io: &mut Io<'_, Caller>) {
        self.said.push("complain");
    }

    fn cough(&mut self, _io: &mut Io<'_, Caller>) {
        self.said.push("cough");
    }

    fn too_slow(&mut self, _io: &mut Io<'_, Caller>) -> CallerTooSlow {
        self.said.push("too slow");
        if self.said.len() > 1 { CallerTooSlow::HungUp } else { CallerTooSlow::Held }
    }

    fn louder(&mut self, volume: &mut u32, _io: &mut Io<'_, Caller>) {
        *volume += 1;
    }

    fn fade(&mut self, volume: u32, _io: &mut Io<'_, Caller>) {
        self.said.push(if volume > 3 { "fade" } else { "stop" });
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(30)
    }

    fn hope(&self) -> Option<Duration> {
        self.hope
    }

    fn hold(&self, volume: &u32) -> Duration {
        Duration::from_secs(u64::from(*volume))
    }
}

const SECOND: Duration = Duration::from_secs(1);

fn caller() -> Driver<Caller> {
    Driver::new(Line { hope: None, said: Vec::new() })
}

#[test]
fn literals_say_how_long_each_kind_waits() {
    let limits = Deadlines {
        since_entry: Some(10 * SECOND),
        of_partial: Some(SECOND / 2),
        without_input: Some(300 * SECOND),
        without_progress: Some(3600 * SECOND),
        without_bytes: Some((20 * SECOND, 4096)),
        since_group: None,
    };
    assert_eq!(caller().deadlines(), limits);
}

#[test]
fn methods_are_asked_for_a_limit_or_none() {
    let mut driver = caller();
    driver.input(b"hello\n");
    let limits = Deadlines { since_entry: Some(30 * SECOND), ..Deadlines::NONE };
    assert_eq!((driver.state(), driver.deadlines()), ("Held", limits));
    driver.context().hope = Some(SECOND);
    let limits = Deadlines { without_input: Some(SECOND), ..limits };
    assert_eq!(driver.deadlines(), limits);
}

#[test]
fn a_group_counts_from_its_own_entry_unless_the_state_says_otherwise() {
    let mut driver = caller();
    driver.input(&[b'x'; 70_000]);
    assert_eq!((driver.state(), driver.deadlines().since_entry), ("Played", None));
    assert_eq!(driver.deadlines().since_group, Some(120 * SECOND));
    driver.deadline(DeadlineKind::SinceEntry);
    assert_eq!((driver.state(), driver.context().said.as_slice()), ("HungUp", &["complain"][..]));
}

#[test]
fn methods_may_look_at_the_fields() {
    let mut driver = caller();
    driver.input(&[b'x'; 70_000]);
    assert_eq!(driver.state(), "Played");
    assert_eq!(driver.deadlines().without_progress, Some(3 * SECOND));
    driver.drained();
    assert_eq!(driver.deadlines().without_progress, Some(4 * SECOND));
}

#[test]
fn a_deadline_that_passes_runs_its_row() {
    let mut driver = caller();
    driver.deadline(DeadlineKind::OfPartial);
    assert_eq!((driver.state(), driver.context().said.as_slice()), ("Ringing", &["cough"][..]));
    driver.deadline(DeadlineKind::SinceEntry);
    assert_eq!((driver.state(), driver.has_ended()), ("HungUp", true));
}

#[test]
fn an_action_of_a_deadline_chooses_like_any_other() {
    let slow = DeadlineKind::WithoutBytes { bytes: 4096 };
    let mut driver = caller();
    driver.deadline(slow);
    assert_eq!(driver.state(), "Held");
    driver.input(b"hello\n");
    driver.deadline(slow);
    assert_eq!(driver.state(), "HungUp");
}

#[test]
fn data_moves_into_the_action_of_a_deadline() {
    let mut driver = caller();
    driver.input(&[b'x'; 70_000]);
    driver.drained();
    driver.deadline(DeadlineKind::WithoutProgress);
    assert_eq!((driver.state(), driver.context().said.as_slice()), ("Ringing", &["fade"][..]));
}

#[test]
fn the_table_lists_the_deadlines_in_force() {
    let table = Caller::TABLE;
    let kinds = |state: usize| {
        let deadlines = table.states[state].deadlines.iter();
        deadlines.map(|deadline| (deadline.kind, deadline.origin)).collect::<Vec<_>>()
    };
    use DeadlineKind::{OfPartial, SinceEntry, WithoutBytes, WithoutInput, WithoutProgress};
    let ringing = [SinceEntry, OfPartial, WithoutInput, WithoutProgress];
    assert_eq!(kinds(0)[..4], ringing.map(|kind| (kind, Origin::State)));
    assert_eq!(kinds(0)[4..], [(WithoutBytes { bytes: 4096 }, Origin::State)]);
    assert_eq!(kinds(1), [(SinceEntry, Origin::State), (WithoutInput, Origin::State)]);
    assert_eq!(kinds(2), [(WithoutProgress, Origin::State), (SinceEntry, Origin::Group)]);
    let [first, ..] = table.states[0].deadlines else { panic!("no deadline") };
    assert_eq!((first.limit, first.docs), (Limit::Fixed(10 * SECOND), "Nobody speaks."));
    assert_eq!(table.states[1].deadlines[0].limit, Limit::Method("patience"));
    let slow = table.states[0].deadlines[4];
    let gives_up = Target::Enter { state: 4, label: Some("gives up") };
    assert_eq!((slow.action, slow.targets[1]), (Some("too_slow"), gives_up));
}

#[test]
fn waiting_for_ever_is_said_with_a_reason() {
    let mut driver = caller();
    driver.input(b"hello\n");
    driver.input(&[b'x'; 70_000]);
    assert_eq!((driver.state(), driver.deadlines()), ("Singing", Deadlines::NONE));
    let singing = Caller::TABLE.states[3];
    assert_eq!(singing.never, Some("a line without end is what callers pay for"));
    assert_eq!(singing.deadlines, []);
}
