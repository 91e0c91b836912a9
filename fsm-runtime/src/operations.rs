//! The operations that a worker's connections wait for, and which of them a connection's move
//! cancels. It knows no threads and no connections.

use std::collections::HashMap;

use crate::pool::JobId;
use crate::table::{Origin, State};

/// What an operation belongs to; leaving it cancels the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// One stay in a state.
    State,
    /// One stay in a group.
    Group,
    /// The connection.
    Machine,
}

impl Scope {
    /// What an operation belongs to that was begun by a row that ends in the state: whoever's rows
    /// take the reply, the nearest first. None where no row does, which is the author's mistake.
    pub(crate) fn of(state: &State) -> Option<Self> {
        let takes = |origin: Origin| {
            state.rows.iter().any(|row| row.origin == origin && row.events.contains(&"reply"))
        };
        let scopes = [
            (Origin::State, Self::State),
            (Origin::Group, Self::Group),
            (Origin::Machine, Self::Machine),
        ];
        scopes.into_iter().find(|(origin, _)| takes(*origin)).map(|(_, scope)| scope)
    }
}

/// One operation that is not answered.
pub(crate) struct Operation {
    pub(crate) number: u64,
    pub(crate) scope: Scope,
    /// What is to be taken out of the pool's queue when the operation is cancelled.
    pub(crate) job: Option<JobId>,
}

/// The operations of all connections of a worker. Connections without any cost nothing.
#[derive(Default)]
pub(crate) struct Operations(HashMap<u32, Vec<Operation>>);

impl Operations {
    /// A connection waits for one more.
    pub(crate) fn add(&mut self, index: u32, operation: Operation) {
        self.0.entry(index).or_default().push(operation);
    }

    /// An operation was answered. False where the connection does not wait for it any more.
    pub(crate) fn answer(&mut self, index: u32, number: u64) -> bool {
        let Some(operations) = self.0.get_mut(&index) else { return false };
        let Some(at) = operations.iter().position(|it| it.number == number) else { return false };
        operations.remove(at);
        if operations.is_empty() {
            self.0.remove(&index);
        }
        true
    }

    /// A connection has left its state, and its group if so told. Answers the jobs that nobody
    /// waits for any more.
    pub(crate) fn leave(&mut self, index: u32, left_group: bool) -> Vec<JobId> {
        let is_over = |operation: &mut Operation| match operation.scope {
            Scope::State => true,
            Scope::Group => left_group,
            Scope::Machine => false,
        };
        let Some(operations) = self.0.get_mut(&index) else { return vec![] };
        let jobs = operations.extract_if(.., is_over).filter_map(|it| it.job).collect();
        if operations.is_empty() {
            self.0.remove(&index);
        }
        jobs
    }

    /// A connection has ended. Answers the jobs that nobody waits for any more.
    pub(crate) fn forget(&mut self, index: u32) -> Vec<JobId> {
        let operations = self.0.remove(&index).unwrap_or_default();
        operations.into_iter().filter_map(|it| it.job).collect()
    }

    /// The operations that a connection waits for.
    pub(crate) fn count(&self, index: u32) -> usize {
        self.0.get(&index).map_or(0, Vec::len)
    }
}
