//! The generated code and an interpreter of the table agree on whatever happens, in whatever order.
//!
//! Both sides are told what each action answers, by its number among the targets; then the states
//! and the actions called, in their order, must be the same after every event.

mod connection;
mod plain;

use fsm_tests::interpreter::Answer;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

/// The number of an event, and what an action called on it answers.
type Step = (usize, Answer);

/// Enough cases to meet every row often; a failure is printed, not kept in a file.
fn many() -> ProptestConfig {
    ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let answer = prop_oneof![
        4 => (0..8_usize).prop_map(Answer::Target),
        1 => Just(Answer::Failure),
    ];
    prop::collection::vec((0..32_usize, answer), 0..60)
}

/// Steps that are the same in every run, for asking what the random ones reach.
fn sample() -> Vec<Vec<Step>> {
    let mut runner = TestRunner::deterministic();
    let steps = |_| steps().new_tree(&mut runner).expect("steps").current();
    (0..500).map(steps).collect()
}

/// A context that writes down what is called and answers what it is told.
struct Script {
    called: Vec<&'static str>,
    answer: Answer,
}

impl Script {
    fn new() -> Self {
        Self { called: Vec::new(), answer: Answer::Target(0) }
    }

    fn called(&mut self, action: &'static str) {
        self.called.push(action);
    }

    /// The number of the target to answer, of so many.
    fn choose(&mut self, action: &'static str, targets: usize) -> usize {
        self.called(action);
        match self.answer {
            Answer::Target(number) => number % targets,
            Answer::Failure => 0,
        }
    }

    fn attempt(&mut self, action: &'static str, targets: usize) -> Result<usize, Broken> {
        let number = self.choose(action, targets);
        if self.answer == Answer::Failure { Err(Broken) } else { Ok(number) }
    }
}

/// What a scripted action fails with.
struct Broken;
