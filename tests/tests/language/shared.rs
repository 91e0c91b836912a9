//! Rows on the enum and on groups, and who wins: the state over its group, the group over the enum.

use fsm_runtime::Machine;
use fsm_runtime::table::{Origin, Target};

/// A worker at a desk.
#[derive(Machine, Debug, PartialEq)]
#[machine(plain, context = Desk, input = Call)]
#[group(
    Busy: Writing, Printing, Filing;
    on(Bell => note(page)),
    on(Boss => hide(page) -> Resting),
    on(Fire | Flood -> Fled),
    ignores(Mail),
)]
#[on(Bell => answer)]
#[on(Boss => greet)]
#[on(Fire | Flood => shout -> Fled)]
#[on(Mail => read)]
#[on(Noon -> Resting)]
enum Clerk {
    #[initial]
    #[on(Work => begin -> Writing)]
    Resting,

    #[on(Work => next(page, lines) -> Printing { page } | Stay)]
    #[on(Bell => curse)]
    Writing { page: u32, lines: u32 },

    #[on(Work -> Filing { page })]
    #[on(Flood => rescue(page) -> Resting)]
    #[on(Mail => skim)]
    Printing { page: u32 },

    #[on(Work | Noon -> Resting)]
    #[ignores(Boss)]
    Filing { page: u32 },

    #[terminal]
    Fled,
}

#[derive(Clone, Copy)]
enum Call {
    Work,
    Bell,
    Boss,
    Fire,
    Flood,
    Mail,
    Noon,
}

#[derive(Default)]
struct Desk {
    did: Vec<String>,
}

impl Desk {
    fn log(&mut self, what: &str) {
        self.did.push(what.to_owned());
    }

    fn answer(&mut self) {
        self.log("answer");
    }

    fn greet(&mut self) {
        self.log("greet");
    }

    fn shout(&mut self) {
        self.log("shout");
    }

    fn read(&mut self) {
        self.log("read");
    }

    fn begin(&mut self) -> ClerkBegin {
        ClerkBegin::Writing { page: 7, lines: 0 }
    }

    fn next(&mut self, page: &mut u32, lines: &mut u32) -> ClerkNext {
        *page += 1;
        *lines += 40;
        if *lines > 400 { ClerkNext::Printing } else { ClerkNext::Stay }
    }

    fn curse(&mut self) {
        self.log("curse");
    }

    fn skim(&mut self) {
        self.log("skim");
    }

    fn rescue(&mut self, page: u32) {
        self.log(&format!("rescue {page}"));
    }

    fn note(&mut self, page: &mut u32) {
        *page += 100;
        self.log("note");
    }

    fn hide(&mut self, page: u32) {
        self.log(&format!("hide {page}"));
    }
}

/// What was done on `call`, and the state afterwards.
fn on(mut clerk: Clerk, call: Call) -> (Clerk, Vec<String>) {
    let mut desk = Desk::default();
    clerk.handle(&mut desk, call);
    (clerk, desk.did)
}

const WRITING: Clerk = Clerk::Writing { page: 1, lines: 1 };
const PRINTING: Clerk = Clerk::Printing { page: 1 };
const FILING: Clerk = Clerk::Filing { page: 1 };

fn did(what: &str) -> Vec<String> {
    vec![what.to_owned()]
}

#[test]
fn a_row_of_the_enum_answers_for_a_state_without_one() {
    assert_eq!(on(Clerk::Resting, Call::Bell), (Clerk::Resting, did("answer")));
    assert_eq!(on(Clerk::Resting, Call::Fire), (Clerk::Fled, did("shout")));
    assert_eq!(on(WRITING, Call::Noon), (Clerk::Resting, vec![]));
}

#[test]
fn a_row_of_the_group_wins_over_the_enum() {
    assert_eq!(on(PRINTING, Call::Bell), (Clerk::Printing { page: 101 }, did("note")));
    assert_eq!(on(PRINTING, Call::Boss), (Clerk::Resting, did("hide 1")));
    assert_eq!(on(PRINTING, Call::Fire), (Clerk::Fled, vec![]));
}

#[test]
fn a_row_of_the_state_wins_over_the_group() {
    assert_eq!(on(WRITING, Call::Bell), (WRITING, did("curse")));
    assert_eq!(on(PRINTING, Call::Flood), (Clerk::Resting, did("rescue 1")));
    assert_eq!(on(FILING, Call::Flood), (Clerk::Fled, vec![]));
}

#[test]
fn what_a_state_or_its_group_ignores_hides_the_rows_above() {
    assert_eq!(on(WRITING, Call::Mail), (WRITING, vec![]));
    assert_eq!(on(FILING, Call::Boss), (FILING, vec![]));
    assert_eq!(on(Clerk::Resting, Call::Mail), (Clerk::Resting, did("read")));
}

#[test]
fn a_row_of_the_state_wins_over_what_its_group_ignores() {
    assert_eq!(on(PRINTING, Call::Mail), (PRINTING, did("skim")));
}

#[test]
fn a_choosing_row_carries_what_the_action_left_behind() {
    assert_eq!(on(WRITING, Call::Work), (Clerk::Writing { page: 2, lines: 41 }, vec![]));
    let full = Clerk::Writing { page: 5, lines: 400 };
    assert_eq!(on(full, Call::Work), (Clerk::Printing { page: 6 }, vec![]));
}

#[test]
fn a_state_s_row_may_share_one_event_with_a_shared_row() {
    assert_eq!(on(FILING, Call::Noon), (Clerk::Resting, vec![]));
    assert_eq!(on(PRINTING, Call::Work), (FILING, vec![]));
}

#[test]
fn the_table_lists_the_rows_in_force_and_who_wrote_them() {
    let rows = |state: usize| {
        let rows = Clerk::TABLE.states[state].rows.iter();
        rows.map(|row| (row.origin, row.pattern, row.action)).collect::<Vec<_>>()
    };
    use Origin::{Group, Machine, State};
    assert_eq!(
        rows(2),
        [
            (State, "Work", None),
            (State, "Flood", Some("rescue")),
            (State, "Mail", Some("skim")),
            (Group, "Bell", Some("note")),
            (Group, "Boss", Some("hide")),
            (Group, "Fire | Flood", None),
            (Machine, "Noon", None),
        ]
    );
    assert_eq!(
        rows(3),
        [
            (State, "Work | Noon", None),
            (Group, "Bell", Some("note")),
            (Group, "Fire | Flood", None),
        ]
    );
}

#[test]
fn the_table_lists_what_is_ignored_in_force() {
    let ignores = |state: usize| Clerk::TABLE.states[state].ignores;
    assert_eq!(ignores(0), [""; 0]);
    assert_eq!(ignores(1), ["Mail"]);
    assert_eq!(ignores(2), [""; 0]);
    assert_eq!(ignores(3), ["Boss", "Mail"]);
}

#[test]
fn the_table_lists_the_groups() {
    let group = Clerk::TABLE.groups[0];
    assert_eq!((group.name, group.states), ("Busy", &[1, 2, 3][..]));
    let of = |state: usize| Clerk::TABLE.states[state].group;
    assert_eq!([of(0), of(1), of(2), of(3), of(4)], [None, Some(0), Some(0), Some(0), None]);
    let noon = Clerk::TABLE.states[1].rows.last().unwrap();
    assert_eq!(noon.targets, [Target::Enter { state: 0, label: None }]);
}

/// A set of targets that several actions share, named once.
#[derive(Machine, Debug, PartialEq)]
#[machine(plain, context = Shop, input = Visit)]
#[outcome(Reply: Idle "sold" | Wrapping | Shut)]
enum Till {
    #[initial]
    #[on(Buy(price) => sell(price) -> Reply)]
    #[on(Order(price) => order(price) -> Reply | Waiting "not here" | Stay)]
    #[ignores(Done)]
    Idle,

    #[on(Done => wrapped(price) -> Reply)]
    #[ignores(Buy, Order)]
    Wrapping { price: u32 },

    #[on(Done -> Idle)]
    #[ignores(Buy, Order)]
    Waiting,

    #[terminal]
    Shut,
}

enum Visit {
    Buy(u32),
    Order(u32),
    Done,
}

struct Shop;

impl Shop {
    fn sell(&mut self, price: u32) -> TillReply {
        match price {
            0 => TillReply::Shut,
            1..10 => TillReply::Idle,
            _ => TillReply::Wrapping { price },
        }
    }

    fn order(&mut self, price: u32) -> TillOrder {
        match price {
            100 => TillOrder::Waiting,
            101 => TillOrder::Stay,
            _ => TillOrder::Reply(self.sell(price)),
        }
    }

    fn wrapped(&mut self, price: u32) -> TillReply {
        self.sell(price / 10)
    }
}

fn till(visits: impl IntoIterator<Item = Visit>) -> Till {
    let mut till = Till::initial();
    visits.into_iter().for_each(|visit| till.handle(&mut Shop, visit));
    till
}

#[test]
fn an_outcome_set_is_answered_by_several_actions() {
    assert_eq!(till([Visit::Buy(5)]), Till::Idle);
    assert_eq!(till([Visit::Buy(50)]), Till::Wrapping { price: 50 });
    assert_eq!(till([Visit::Buy(50), Visit::Done]), Till::Idle);
    assert_eq!(till([Visit::Buy(0)]), Till::Shut);
}

#[test]
fn an_outcome_set_nests_in_the_targets_of_a_row() {
    assert_eq!(till([Visit::Order(100)]), Till::Waiting);
    assert_eq!(till([Visit::Order(101)]), Till::Idle);
    assert_eq!(till([Visit::Order(20)]), Till::Wrapping { price: 20 });
}

#[test]
fn the_table_lists_the_targets_of_a_set_one_by_one() {
    let enter = |state, label| Target::Enter { state, label };
    let sold = [enter(0, Some("sold")), enter(1, None), enter(3, None)];
    let rows = Till::TABLE.states[0].rows;
    assert_eq!(rows[0].targets, sold);
    assert_eq!(rows[1].targets[..3], sold);
    assert_eq!(rows[1].targets[3..], [enter(2, Some("not here")), Target::Stay { label: None }]);
}
