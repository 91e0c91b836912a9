//! Looks names up: targets to states and sets, rows to the states they serve.
//!
//! A name that means nothing is reported here, and read as the name it was most likely meant to be.

use std::collections::HashMap;
use std::rc::Rc;

use proc_macro2::{Ident, Span};
use syn::Member;
use syn::ext::IdentExt as _;

use super::checked::{
    Answer, Checked, Deadline, Effect, Entry, Interest, Origin, Outcome, Owner, Place, Row, State,
    Target,
};
use crate::diag::{Errors, did_you_mean, listed, nearest};
use crate::model::{self, Head, Machine, Scope};

/// Looks up every name of the machine. Answers `None` where there is nothing to expand.
pub(super) fn resolve<'m>(machine: &'m Machine, errors: &mut Errors) -> Option<Checked<'m>> {
    if machine.states.is_empty() {
        errors.at(machine.name.span(), "a machine has states; give the enum a variant for each");
        return None;
    }
    let mut resolver = Resolver::new(machine, errors);
    resolver.sets();
    let members = resolver.members();
    let places = resolver.places(&members);
    let (outcomes, incomplete) = (resolver.outcomes, resolver.incomplete);
    let own = |index| &places[places.len() - machine.states.len() + index];
    let states = machine.states.iter().enumerate().map(|(index, syntax)| {
        let group = members[index];
        let mut scopes = vec![(Origin::State, own(index))];
        scopes.extend(group.map(|group| (Origin::Group, &places[1 + group])));
        scopes.push((Origin::Machine, &places[0]));
        in_force(machine, syntax, group, &scopes)
    });
    let states = states.collect();
    let find = |test: fn(&model::State) -> bool| machine.states.iter().position(test);
    let initial = find(|state| state.initial.is_some()).unwrap_or(0);
    let ending = find(|state| state.terminal.is_some() && state.fields.is_empty());
    let placeholder = ending.unwrap_or(initial);
    Some(Checked { machine, states, outcomes, initial, ending, placeholder, places, incomplete })
}

struct Resolver<'m, 'e> {
    machine: &'m Machine,
    outcomes: Vec<Outcome<'m>>,
    /// The outcome of each choosing action met so far.
    choices: HashMap<String, usize>,
    errors: &'e mut Errors,
    incomplete: bool,
}

impl<'m, 'e> Resolver<'m, 'e> {
    fn new(machine: &'m Machine, errors: &'e mut Errors) -> Self {
        let incomplete = machine.incomplete;
        Self { machine, outcomes: Vec::new(), choices: HashMap::new(), errors, incomplete }
    }

    /// The enum, then the groups, then the states.
    fn places(&mut self, members: &[Option<usize>]) -> Vec<Place<'m>> {
        let machine = self.machine;
        let is_working = |&index: &usize| machine.states[index].terminal.is_none();
        let all = (0..machine.states.len()).filter(is_working).collect();
        let mut places = vec![self.place(Owner::Machine, &machine.shared, all)];
        for (index, group) in machine.groups.iter().enumerate() {
            let is_member = |&state: &usize| members[state] == Some(index) && is_working(&state);
            let states = (0..machine.states.len()).filter(is_member).collect();
            places.push(self.place(Owner::Group(group), &group.scope, states));
        }
        for (index, state) in machine.states.iter().enumerate() {
            places.push(self.place(Owner::State(state), &state.scope, vec![index]));
        }
        places
    }

    fn sets(&mut self) {
        for set in &self.machine.sets {
            let targets = set.targets.iter().filter_map(|target| self.target(target, false));
            let targets = without_doubles(targets);
            let mut name = self.outcome_name(&set.name);
            // A second set of one name is reported elsewhere, and must not be a second type.
            while self.outcomes.iter().any(|earlier| earlier.name == name) {
                name = Ident::new(&format!("{name}_"), name.span());
            }
            self.outcomes.push(Outcome { name, owner: &set.name, targets });
        }
    }

    /// The group each state belongs to.
    fn members(&mut self) -> Vec<Option<usize>> {
        let mut members = vec![None; self.machine.states.len()];
        for (index, group) in self.machine.groups.iter().enumerate() {
            for member in &group.members {
                let Some(state) = self.state(member) else { continue };
                let earlier: Option<usize> = members[state];
                match earlier.map(|other| (other, &self.machine.groups[other])) {
                    // A second group of one name is reported for that alone.
                    Some((at, other)) if at != index && other.name == group.name => {}
                    Some((_, other)) => {
                        let message = format!(
                            "`{member}` is already in the group `{}`; keep it in one group",
                            other.name
                        );
                        self.errors.at(member.span(), message);
                    }
                    None => members[state] = Some(index),
                }
            }
        }
        members
    }

    fn place(&mut self, owner: Owner<'m>, scope: &'m Scope, states: Vec<usize>) -> Place<'m> {
        let rows = scope.rows.iter().map(|row| Rc::new(self.effect(&row.effect))).collect();
        let deadlines = scope.deadlines.iter();
        let deadlines = deadlines.map(|row| Rc::new(self.effect(&row.effect))).collect();
        Place { owner, scope, rows, deadlines, states }
    }

    fn effect(&mut self, syntax: &'m model::Effect) -> Effect<'m> {
        let targets: Vec<_> =
            syntax.targets.iter().filter_map(|target| self.target(target, true)).collect();
        let can_stay = syntax.arrow.is_none() || self.includes_stay(&targets);
        let answer = self.answer(syntax, &targets);
        Effect { syntax, targets, answer, can_stay }
    }

    fn includes_stay(&self, targets: &[Target<'m>]) -> bool {
        targets.iter().any(|target| match target {
            Target::Stay { .. } => true,
            Target::Enter(_) => false,
            Target::Set { outcome, .. } => self.includes_stay(&self.outcomes[*outcome].targets),
        })
    }

    /// What the action must answer, so that it says which target it means and brings the data.
    fn answer(&mut self, syntax: &'m model::Effect, targets: &[Target<'m>]) -> Answer {
        let Some(action) = &syntax.action else { return Answer::Nothing };
        match targets {
            [] | [Target::Stay { .. }] => return Answer::Nothing,
            [Target::Enter(entry)] if entry.answered.is_empty() => return Answer::Nothing,
            [Target::Set { outcome, .. }] => return Answer::Outcome(*outcome),
            _ => {}
        }
        let key = action.name.to_string();
        if let Some(&known) = self.choices.get(&key) {
            return Answer::Outcome(known);
        }
        let name = self.outcome_name(&action.name);
        if let Some(twin) = self.outcomes.iter_mut().find(|earlier| earlier.name == name) {
            // Both actions are written by now: the one enum has what either answers.
            let either = twin.targets.iter().chain(targets).cloned();
            twin.targets = without_doubles(either);
            let message = format!(
                "the outcome of `{key}` would be called `{name}`, as that of `{}` is; rename \
                one of them",
                twin.owner
            );
            self.errors.at(action.name.span(), message);
            return Answer::Nothing;
        }
        let targets = without_doubles(targets.iter().cloned());
        self.outcomes.push(Outcome { name, owner: &action.name, targets });
        self.choices.insert(key, self.outcomes.len() - 1);
        Answer::Outcome(self.outcomes.len() - 1)
    }

    /// Machine and action together, so that two machines of one module do not clash.
    fn outcome_name(&self, owner: &Ident) -> Ident {
        let machine = self.machine.name.unraw();
        let owner_name = super::camel_case(&owner.unraw().to_string());
        Ident::new(&format!("{machine}{owner_name}"), Span::call_site().located_at(owner.span()))
    }

    fn target(&mut self, syntax: &'m model::Target, sets: bool) -> Option<Target<'m>> {
        if syntax.is_stay() {
            return Some(Target::Stay { syntax });
        }
        let named = |set: &model::OutcomeSet| set.name == syntax.name;
        if let Some(outcome) = self.machine.sets.iter().position(named)
            && !self.machine.states.iter().any(|state| state.name == syntax.name)
        {
            if sets {
                return Some(Target::Set { syntax, outcome });
            }
            let message = format!(
                "`{}` is a named outcome itself; name the states it stands for",
                syntax.name
            );
            self.errors.at(syntax.name.span(), message);
            return None;
        }
        let state = self.state(&syntax.name)?;
        let fields = &self.machine.states[state].fields;
        let carried: &[Member] = syntax.carried.as_ref().map_or(&[], |carried| &carried.fields);
        let is_answered = |index: &usize| !carried.contains(&fields[*index].member);
        let answered = (0..fields.len()).filter(is_answered).collect();
        Some(Target::Enter(Entry { syntax, state, answered, carried: carried.to_vec() }))
    }

    /// The state of this name, or the one it was most likely meant to be.
    fn state(&mut self, name: &Ident) -> Option<usize> {
        let states = &self.machine.states;
        if let Some(found) = states.iter().position(|state| state.name == *name) {
            return Some(found);
        }
        self.incomplete = true;
        if self.machine.sets_unread {
            return None;
        }
        let states: Vec<_> = states.iter().map(|state| state.name.to_string()).collect();
        let sets: Vec<_> = self.machine.sets.iter().map(|set| set.name.to_string()).collect();
        let known = states.iter().chain(&sets).map(String::as_str);
        let near = nearest(&name.to_string(), known.chain(["Stay"]));
        let instead = format!("the states are {}", listed(&states));
        let message = format!(
            "`{name}` is not a state of `{}`{}",
            self.machine.name,
            did_you_mean(near, instead)
        );
        self.errors.at(name.span(), message);
        states.iter().position(|state| Some(state.as_str()) == near)
    }
}

/// A target that is listed twice is reported elsewhere, and must not be two variants.
fn without_doubles<'m>(targets: impl Iterator<Item = Target<'m>>) -> Vec<Target<'m>> {
    let mut names: Vec<String> = Vec::new();
    let mut kept = Vec::new();
    for target in targets {
        let name = match &target {
            Target::Stay { syntax } | Target::Set { syntax, .. } => syntax.name.to_string(),
            Target::Enter(entry) => entry.state.to_string(),
        };
        if !names.contains(&name) {
            names.push(name);
            kept.push(target);
        }
    }
    kept
}

/// What is in force in one state, the nearer scope first.
fn in_force<'m>(
    machine: &Machine,
    syntax: &'m model::State,
    group: Option<usize>,
    scopes: &[(Origin, &Place<'m>)],
) -> State<'m> {
    let mut state = State {
        syntax,
        group,
        interest: Interest::default(),
        rows: Vec::new(),
        deadlines: Vec::new(),
        never: None,
        ignores: Vec::new(),
    };
    if syntax.terminal.is_some() {
        return state;
    }
    let mut seen: Vec<&Head> = Vec::new();
    for (origin, scope) in scopes {
        let here = scope.scope;
        let heads = here.rows.iter().flat_map(|row| &row.alternatives).map(|it| &it.head);
        let heads: Vec<_> = heads.chain(here.ignores.iter().map(|it| &it.head)).collect();
        if *origin != Origin::Machine {
            note_interest(&mut state.interest, here);
        }
        let serves = |head: &Head| {
            let is_read = machine.options.plain.is_some()
                || state.interest.input && (*origin != Origin::Machine || syntax.decode.is_none());
            (!head.is_input() || is_read) && !seen.iter().any(|higher| higher.covers(head))
        };
        for (row, effect) in here.rows.iter().zip(&scope.rows) {
            let alternatives: Vec<_> =
                row.alternatives.iter().filter(|it| serves(&it.head)).collect();
            if !alternatives.is_empty() {
                let effect = Rc::clone(effect);
                state.rows.push(Row { syntax: row, alternatives, effect, origin: *origin });
            }
        }
        state.ignores.extend(here.ignores.iter().filter(|it| serves(&it.head)));
        seen.extend(heads);
        for (syntax, effect) in here.deadlines.iter().zip(&scope.deadlines) {
            add_deadline(&mut state.deadlines, syntax, effect, *origin);
        }
        state.never = state.never.or(here.never.as_ref());
    }
    state
}

/// A group's deadline holds unless the state has one of the same kind.
fn add_deadline<'m>(
    deadlines: &mut Vec<Deadline<'m>>,
    syntax: &'m model::Deadline,
    effect: &Rc<Effect<'m>>,
    origin: Origin,
) {
    let is_hidden = deadlines.iter().any(|nearer| nearer.syntax.kind.is_same_kind(syntax.kind));
    if !is_hidden {
        deadlines.push(Deadline { syntax, effect: Rc::clone(effect), origin });
    }
}

fn note_interest(interest: &mut Interest, scope: &Scope) {
    interest.input |= scope.ignores.iter().any(|it| it.head.is_input());
    for head in scope.rows.iter().flat_map(|row| &row.alternatives).map(|it| &it.head) {
        interest.input |= head.is_input();
        interest.readable |= *head == Head::Readable;
        interest.writable |= *head == Head::Writable;
        interest.drained |= *head == Head::Drained;
    }
}
