//! What a driven machine has going on outside of itself: messages, topics and operations, kept
//! where a test can look at them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::io::{Effect, Ties, Turn, Work};
use crate::key::Key;
use crate::machine::Machine;
use crate::mesh::{DEFAULT_INBOX, Finish, Handle, Id, Mail, Post, Topic};
use crate::operations::{Operation, Operations, Scope};
use crate::pool::{JobId, Slot, Slots};
use crate::time_of_day::TimeOfDay;

/// The jobs that a driven machine may have outstanding, unless the test says otherwise.
const POOL_ROOM: usize = 1_024;

/// The outside of one machine.
pub(super) struct Outside<M: Machine> {
    pub(super) told: Vec<(Id<M>, M::Message)>,
    pub(super) published: Vec<(Topic, M::Message)>,
    topics: BTreeSet<Topic>,
    operations: Operations,
    jobs: Vec<Job>,
    next_job: u64,
    /// Room in the pool that the test has taken away.
    blocked: Vec<Slot>,
}

/// A job that the test has yet to do. Its slot is free again when it is done or cancelled.
struct Job {
    id: JobId,
    _slot: Slot,
    work: Work,
}

/// What an operation answered.
pub(super) enum Answer<M: Machine> {
    Reply(M::Reply),
    Finish(Finish<M>),
}

/// A machine alone: one worker, and room for whatever it sends.
pub(super) fn alone<M: Machine>() -> (Turn<M>, Outside<M>) {
    /// Machines that are driven beside each other have names of their own.
    static DRIVERS: AtomicU32 = AtomicU32::new(0);
    let handle = Handle::to(vec![Post::new(DEFAULT_INBOX, || {})]);
    let mut turn = Turn::new(Ties::new(0, handle, Slots::new(POOL_ROOM)));
    turn.ties.time_of_day = TimeOfDay::Set(Arc::default());
    turn.key = Key::connection(DRIVERS.fetch_add(1, Ordering::Relaxed), 0);
    let outside = Outside {
        told: Vec::new(),
        published: Vec::new(),
        topics: BTreeSet::new(),
        operations: Operations::default(),
        jobs: Vec::new(),
        next_job: 0,
        blocked: Vec::new(),
    };
    (turn, outside)
}

impl<M: Machine> Outside<M> {
    /// Takes note of what an event led to; afterwards the machine is in `state`.
    pub(super) fn note(&mut self, turn: &mut Turn<M>, state: usize) {
        turn.has_news = false;
        let index = turn.key.index();
        let state = &M::TABLE.states[state];
        let has_ended = state.kind.is_terminal();
        if turn.moved {
            let left_group = std::mem::take(&mut turn.left_group);
            // A machine that has ended takes no answer, whatever row began the operation.
            let over = if has_ended {
                self.operations.forget(index)
            } else {
                self.operations.leave(index, left_group)
            };
            self.jobs.retain(|job| !over.contains(&job.id));
        }
        let scope = || {
            Scope::of(state).unwrap_or_else(|| {
                panic!("an operation was begun, and `{}` has no row for `reply`", state.name)
            })
        };
        for effect in std::mem::take(&mut turn.effects) {
            match effect {
                Effect::Post { mail, .. } => self.note_mail(mail),
                Effect::Join(topic) => drop(self.topics.insert(topic)),
                Effect::Leave(topic) => drop(self.topics.remove(&topic)),
                Effect::Await { .. } | Effect::Offload { operation: Some(_), .. } if has_ended => {}
                Effect::Await { operation: number } => {
                    self.operations.add(index, Operation { number, scope: scope(), job: None });
                }
                Effect::Offload { operation, slot, work } => {
                    let id = JobId(self.next_job);
                    self.next_job += 1;
                    self.jobs.push(Job { id, _slot: slot, work });
                    if let Some(number) = operation {
                        self.operations
                            .add(index, Operation { number, scope: scope(), job: Some(id) });
                    }
                }
            }
        }
    }

    fn note_mail(&mut self, mail: Mail<M>) {
        match mail {
            Mail::Message { to, message } => self.told.push((Id::new(0, to), message)),
            Mail::Published { topic, message, .. } => self.published.push((topic, message)),
            _ => {}
        }
    }

    /// What operations have answered.
    pub(super) fn answers(&mut self, turn: &Turn<M>) -> Vec<Answer<M>> {
        let index = turn.key.index();
        let mails = turn.ties.post.inbox().take();
        mails
            .filter_map(|mail| match mail {
                Mail::Reply { operation, reply, .. } => {
                    self.operations.answer(index, operation).then_some(Answer::Reply(reply))
                }
                Mail::Finish(finish) => Some(Answer::Finish(finish)),
                _ => None,
            })
            .collect()
    }

    pub(super) fn has_joined(&self, topic: &Topic) -> bool {
        self.topics.contains(topic)
    }

    /// The operations that the machine waits for.
    pub(super) fn operations(&self, index: u32) -> usize {
        self.operations.count(index)
    }

    /// Takes the job that was offloaded first.
    pub(super) fn next_job(&mut self) -> Option<Work> {
        (!self.jobs.is_empty()).then(|| self.jobs.remove(0).work)
    }

    /// Leaves room for so many messages more.
    pub(super) fn inbox_room(turn: &Turn<M>, messages: usize) {
        let handle = &turn.ties.handle;
        while handle.reserve(0).is_ok() {}
        handle.release(0, messages);
    }

    /// Leaves room for so many jobs more.
    pub(super) fn pool_room(&mut self, turn: &Turn<M>, jobs: usize) {
        self.blocked.extend(std::iter::from_fn(|| turn.ties.slots.take()));
        self.blocked.truncate(self.blocked.len().saturating_sub(jobs));
    }
}
