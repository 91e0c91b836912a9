//! A second opinion on what a table means: it runs `Machine::TABLE` as the words of the language
//! say, knowing nothing of the code the derive wrote.
//!
//! It never sees the data of a state. What an action answers is chosen from outside, by its number
//! among the row's targets, so that both sides can be given the same answers.

use core::iter::Peekable;
use core::str::Chars;

use std::time::Duration;

use fsm_runtime::Deadlines;
use fsm_runtime::table::{DeadlineKind, Interest, Limit, Origin, Row, State, Table, Target};

/// A value as rows see it: a name, and what is inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// A variant, an event of the runtime, or `""` for data that no pattern takes apart.
    pub head: &'static str,
    /// What the parentheses or braces hold, in order.
    pub inside: Vec<Term>,
}

impl Term {
    /// A name with nothing inside that a pattern could look at.
    #[must_use]
    pub const fn new(head: &'static str) -> Self {
        Self { head, inside: Vec::new() }
    }

    /// A name with one value inside.
    #[must_use]
    pub fn of(head: &'static str, inside: Self) -> Self {
        Self { head, inside: vec![inside] }
    }
}

/// What an action is made to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The target of this number, counted around.
    Target(usize),
    /// Failure, where the row allows it.
    Failure,
}

/// A machine that runs from its table alone.
#[derive(Debug, Clone)]
pub struct Interpreter {
    table: &'static Table,
    state: usize,
    actions: Vec<&'static str>,
}

impl Interpreter {
    /// A machine in its initial state. As with a generated one, that state's `enter` has not been
    /// run.
    ///
    /// # Panics
    /// Where no state is the initial one.
    #[must_use]
    pub fn new(table: &'static Table) -> Self {
        use fsm_runtime::table::StateKind::Initial;
        let initial = table.states.iter().position(|state| state.kind == Initial);
        Self { table, state: initial.expect("an initial state"), actions: Vec::new() }
    }

    /// The state the machine is in.
    #[must_use]
    pub fn state(&self) -> &'static State {
        &self.table.states[self.state]
    }

    /// The actions run so far, in order.
    #[must_use]
    pub fn actions(&self) -> &[&'static str] {
        &self.actions
    }

    /// Takes one event of the runtime or one input.
    pub fn handle(&mut self, event: &Term, answer: Answer) {
        if let Some(row) = self.row_for(event) {
            self.run(row.action, row.fallible, row.targets, answer);
        }
    }

    /// Takes the passing of a deadline.
    pub fn deadline(&mut self, kind: DeadlineKind, answer: Answer) {
        let row = self.state().deadlines.iter().find(|deadline| deadline.kind == kind);
        if let Some(row) = row {
            self.run(row.action, row.fallible, row.targets, answer);
        }
    }

    fn row_for(&self, event: &Term) -> Option<&'static Row> {
        let state = self.state();
        if state.kind.is_terminal() {
            return None;
        }
        let first = state.rows.iter().find(|row| matches(row.pattern, event))?;
        let ignored = state.ignores.iter().any(|pattern| matches(pattern, event));
        // What is ignored hides every row of lower standing, so only a state's own row can be
        // above it; and `_` takes what nothing else in its place names.
        let is_above = first.origin == Origin::State && first.pattern != "_";
        (!ignored || is_above).then_some(first)
    }

    fn run(
        &mut self,
        action: Option<&'static str>,
        fallible: bool,
        targets: &[Target],
        answer: Answer,
    ) {
        self.actions.extend(action);
        match answer {
            Answer::Failure if fallible => self.handle(&Term::new("error"), Answer::Target(0)),
            Answer::Failure => self.go(targets[0]),
            Answer::Target(number) => self.go(targets[number % targets.len()]),
        }
    }

    fn go(&mut self, target: Target) {
        if let Target::Enter { state, .. } = target {
            self.actions.extend(self.state().leave);
            self.state = state;
            self.actions.extend(self.state().enter);
        }
    }
}

/// The limits of a state, where `method` answers what a method of this name would.
#[must_use]
pub fn limits_of(state: &State, method: impl Fn(&str) -> Option<Duration>) -> Deadlines {
    let mut limits = Deadlines::NONE;
    for deadline in state.deadlines {
        let limit = match deadline.limit {
            Limit::Fixed(limit) => Some(limit),
            Limit::Method(name) => method(name),
        };
        match deadline.kind {
            DeadlineKind::SinceEntry if deadline.origin == Origin::Group => {
                limits.since_group = limit;
            }
            DeadlineKind::SinceEntry => limits.since_entry = limit,
            DeadlineKind::WithoutInput => limits.without_input = limit,
            DeadlineKind::OfPartial => limits.of_partial = limit,
            DeadlineKind::WithoutProgress => limits.without_progress = limit,
            DeadlineKind::WithoutBytes { bytes } => {
                limits.without_bytes = limit.map(|limit| (limit, bytes));
            }
        }
    }
    limits
}

/// What a state must watch for, worked out from its rows alone.
#[must_use]
pub fn interest_of(state: &State) -> Interest {
    use fsm_runtime::table::StateKind;
    match state.kind {
        StateKind::Terminal => return Interest::END,
        StateKind::Abort => return Interest::ABORT,
        StateKind::Initial | StateKind::Working => {}
    }
    let own = state.rows.iter().filter(|row| row.origin != Origin::Machine);
    let named = own.clone().flat_map(|row| row.events).chain(state.ignores);
    let is_input = |word: &str| word == "_" || word.starts_with(char::is_uppercase);
    let mut interest = Interest::NONE;
    for word in named {
        interest = interest.and(match *word {
            "readable" => Interest::READABLE,
            "writable" if !state.ignores.contains(word) => Interest::WRITABLE,
            "drained" if !state.ignores.contains(word) => Interest::DRAINED,
            word if is_input(word) => Interest::INPUT,
            _ => Interest::NONE,
        });
    }
    let everywhere = state.rows.iter().filter(|row| row.origin == Origin::Machine);
    for word in everywhere.flat_map(|row| row.events) {
        interest = interest.and(match *word {
            "writable" => Interest::WRITABLE,
            "drained" => Interest::DRAINED,
            _ => Interest::NONE,
        });
    }
    interest
}

/// Tells whether a pattern, as the table has it, takes a value.
///
/// # Panics
/// Where the pattern is not of the language: names, `_`, `..`, parentheses, braces and bars.
#[must_use]
pub fn matches(pattern: &str, value: &Term) -> bool {
    pattern.split('|').any(|one| {
        let mut rest = one.chars().peekable();
        let taken = one_matches(&mut rest, value, true);
        skip_spaces(&mut rest);
        assert_eq!(rest.peek(), None, "`{pattern}` is not a pattern");
        taken
    })
}

/// Reads one pattern whole, whether or not it takes the value.
fn one_matches(pattern: &mut Peekable<Chars<'_>>, value: &Term, is_event: bool) -> bool {
    let name = read_name(pattern);
    let binds = !is_event && name.starts_with(|c: char| c.is_lowercase() || c == '_');
    let mut taken = name == "_" || binds || name == value.head;
    if name == "_" && is_event {
        taken = value.head.starts_with(char::is_uppercase);
    }
    skip_spaces(pattern);
    match pattern.peek() {
        Some('(') => taken &= inside_matches(pattern, ')', &value.inside),
        Some('{') => taken &= inside_matches(pattern, '}', &[]),
        _ => {}
    }
    taken
}

fn inside_matches(pattern: &mut Peekable<Chars<'_>>, end: char, values: &[Term]) -> bool {
    pattern.next();
    let unseen = Term::new("");
    let mut taken = true;
    for at in 0.. {
        skip_spaces(pattern);
        match pattern.peek() {
            Some(&c) if c == end => {
                pattern.next();
                return taken;
            }
            Some(',' | '.' | ':') => {
                pattern.next();
            }
            Some(_) => taken &= one_matches(pattern, values.get(at).unwrap_or(&unseen), false),
            None => panic!("a pattern that does not end"),
        }
    }
    taken
}

fn read_name(pattern: &mut Peekable<Chars<'_>>) -> String {
    skip_spaces(pattern);
    let mut name = String::new();
    while let Some(c) = pattern.next_if(|c| c.is_alphanumeric() || *c == '_') {
        name.push(c);
    }
    assert!(!name.is_empty(), "a pattern without a name");
    name
}

fn skip_spaces(pattern: &mut Peekable<Chars<'_>>) {
    while pattern.next_if_eq(&' ').is_some() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_read_as_rows_are() {
        let opened = Term::of("reply", Term::of("Opened", Term::new("")));
        let failed = Term::of("reply", Term::new("Failed"));
        assert!(matches("reply(Opened(file))", &opened));
        assert!(!matches("reply(Opened(file))", &failed));
        assert!(matches("reply(_)", &failed) && matches("reply(answer)", &failed));
        assert!(matches("reply", &failed));
        assert!(matches("Knock | Pull", &Term::new("Pull")));
        assert!(!matches("Knock | Pull", &Term::new("Push")));
        assert!(matches("Push { force, .. }", &Term::new("Push")));
    }

    #[test]
    fn the_wildcard_takes_inputs_only() {
        assert!(matches("_", &Term::new("Line")));
        assert!(!matches("_", &Term::new("eof")));
    }

    #[test]
    #[should_panic(expected = "is not a pattern")]
    fn what_is_no_pattern_is_refused() {
        let _ = matches("Line)", &Term::new("Line"));
    }
}
