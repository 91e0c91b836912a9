//! What runs in which order: the action, `leave`, the switch, `enter`.

use fsm_runtime::Machine;

/// A lift that says what it does.
#[derive(Machine, Debug, PartialEq)]
#[machine(plain, context = Shaft, input = Button, error = Stuck)]
#[on(error(e) => alarm(e) -> Halted)]
enum Lift {
    #[initial]
    #[enter(open)]
    #[leave(close)]
    #[on(Call(floor) => start(floor) -> Moving | Stay)]
    #[on(Hold => hold)]
    #[on(Again -> Waiting)]
    #[on(Test => test()? -> Waiting | Stay)]
    #[on(Off -> Halted)]
    #[ignores(Arrived)]
    Waiting,

    #[enter(hum(floor))]
    #[leave(brake(floor, metres))]
    #[on(Arrived -> Waiting)]
    #[on(Call(next) => redirect(next) -> Moving)]
    #[on(Hold => slow(metres))]
    #[on(Off => power_off -> Halted)]
    #[ignores(Again, Test)]
    Moving { floor: u8, metres: u32 },

    #[terminal]
    #[enter(halt)]
    Halted,
}

#[derive(Clone, Copy)]
enum Button {
    Call(u8),
    Hold,
    Again,
    Arrived,
    Test,
    Off,
}

struct Stuck(&'static str);

#[derive(Default)]
struct Shaft {
    said: Vec<String>,
    broken: Option<&'static str>,
}

impl Shaft {
    fn say(&mut self, words: impl Into<String>) {
        self.said.push(words.into());
    }

    fn open(&mut self) {
        self.say("enter Waiting");
    }

    fn close(&mut self) {
        self.say("leave Waiting");
    }

    fn start(&mut self, floor: u8) -> LiftStart {
        self.say(format!("start {floor}"));
        if floor == 0 { LiftStart::Stay } else { LiftStart::Moving { floor, metres: 3 } }
    }

    fn hold(&mut self) {
        self.say("hold");
    }

    fn test(&mut self) -> Result<LiftTest, Stuck> {
        self.say("test");
        match self.broken {
            Some("") => Ok(LiftTest::Stay),
            Some(why) => Err(Stuck(why)),
            None => Ok(LiftTest::Waiting),
        }
    }

    fn alarm(&mut self, why: Stuck) {
        self.say(format!("alarm {}", why.0));
    }

    fn hum(&mut self, floor: &mut u8) {
        self.say(format!("enter Moving to {floor}"));
    }

    fn brake(&mut self, floor: &mut u8, metres: &mut u32) {
        self.say(format!("leave Moving to {floor} at {metres}"));
    }

    fn redirect(&mut self, floor: u8) -> LiftRedirect {
        self.say(format!("redirect {floor}"));
        LiftRedirect::Moving { floor, metres: 7 }
    }

    fn slow(&mut self, metres: &mut u32) {
        *metres -= 1;
        self.say("slow");
    }

    fn power_off(&mut self) {
        self.say("power off");
    }

    fn halt(&mut self) {
        self.say("enter Halted");
    }
}

/// What is said from the state that the first buttons lead to.
fn said(shaft: Shaft, first: &[Button], then: Button) -> Vec<String> {
    let mut shaft = shaft;
    let mut lift = Lift::initial();
    first.iter().for_each(|&button| lift.handle(&mut shaft, button));
    shaft.said.clear();
    lift.handle(&mut shaft, then);
    shaft.said
}

#[test]
fn leaving_comes_after_the_action_and_before_entering() {
    let words = said(Shaft::default(), &[], Button::Call(4));
    assert_eq!(words, ["start 4", "leave Waiting", "enter Moving to 4"]);
}

#[test]
fn leaving_sees_the_fields_of_the_state_that_is_left() {
    let words = said(Shaft::default(), &[Button::Call(4), Button::Hold], Button::Arrived);
    assert_eq!(words, ["leave Moving to 4 at 2", "enter Waiting"]);
}

#[test]
fn staying_neither_leaves_nor_enters() {
    assert_eq!(said(Shaft::default(), &[], Button::Hold), ["hold"]);
    assert_eq!(said(Shaft::default(), &[], Button::Call(0)), ["start 0"]);
    assert_eq!(said(Shaft::default(), &[], Button::Arrived), [""; 0]);
}

#[test]
fn a_state_entered_again_is_left_and_entered() {
    assert_eq!(said(Shaft::default(), &[], Button::Again), ["leave Waiting", "enter Waiting"]);
    let words = said(Shaft::default(), &[Button::Call(4)], Button::Call(9));
    assert_eq!(words, ["redirect 9", "leave Moving to 4 at 3", "enter Moving to 9"]);
}

#[test]
fn leaving_runs_also_on_the_way_to_an_end() {
    let words = said(Shaft::default(), &[Button::Call(4)], Button::Off);
    assert_eq!(words, ["power off", "leave Moving to 4 at 3", "enter Halted"]);
}

#[test]
fn a_terminal_state_is_entered_once() {
    let words = said(Shaft::default(), &[], Button::Off);
    assert_eq!(words, ["leave Waiting", "enter Halted"]);
    assert_eq!(said(Shaft::default(), &[Button::Off], Button::Off), [""; 0]);
}

#[test]
fn a_fallible_action_that_answers_is_like_any_other() {
    let words = said(Shaft::default(), &[], Button::Test);
    assert_eq!(words, ["test", "leave Waiting", "enter Waiting"]);
    let staying = Shaft { broken: Some(""), ..Shaft::default() };
    assert_eq!(said(staying, &[], Button::Test), ["test"]);
}

#[test]
fn a_fallible_action_that_fails_leads_to_the_error_row() {
    let broken = Shaft { broken: Some("rope"), ..Shaft::default() };
    let words = said(broken, &[], Button::Test);
    assert_eq!(words, ["test", "alarm rope", "leave Waiting", "enter Halted"]);
}

#[test]
fn the_table_names_what_runs_on_entering_and_leaving() {
    let of = |state: usize| (Lift::TABLE.states[state].enter, Lift::TABLE.states[state].leave);
    assert_eq!(of(0), (Some("open"), Some("close")));
    assert_eq!(of(1), (Some("hum"), Some("brake")));
    assert_eq!(of(2), (Some("halt"), None));
}
