//! What an event led to beside bytes: another state, and what was queued to go out behind it.

use crate::connection::{Connection, Flags};
use crate::io::{Effect, Turn};
use crate::key::Key;
use crate::machine::{Event, Machine};
use crate::operations::{Operation, Operations, Scope};
use crate::slice::desk::{Desk, End, dispatch};
use crate::sys::Sys;
use crate::topics::Topics;

/// What a worker's connections have going on outside of themselves.
#[derive(Default)]
pub(crate) struct Outside {
    pub(crate) operations: Operations,
    pub(crate) topics: Topics,
}

impl Outside {
    /// A connection has ended: nothing of it stays behind.
    pub(crate) fn forget<M: Machine, S: Sys>(
        &mut self,
        connection: &Connection<M, S::Socket>,
        key: Key,
        sys: &mut S,
    ) {
        if connection.flags.has(Flags::OPERATING) {
            self.operations.forget(key.index()).into_iter().for_each(|job| sys.cancel(job));
        }
        if connection.flags.has(Flags::MEMBER) {
            self.topics.forget(key);
        }
    }
}

/// Takes note of what the event led to, and lets what it queued go out.
#[cold]
#[inline(never)]
pub(super) fn note_news<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    turn: &mut Turn<M>,
    now: u32,
    outside: &mut Outside,
    sys: &mut S,
) {
    turn.has_news = false;
    if turn.moved {
        let left_group = turn.left_group;
        connection.note_move(turn, now);
        if connection.flags.has(Flags::OPERATING) {
            let index = turn.key.index();
            // A machine that has ended takes no answer, whatever row began the operation.
            let jobs = if connection.flags.has(Flags::ENDING) {
                outside.operations.forget(index)
            } else {
                outside.operations.leave(index, left_group)
            };
            jobs.into_iter().for_each(|job| sys.cancel(job));
        }
    }
    if !turn.effects.is_empty() {
        let mut effects = std::mem::take(&mut turn.effects);
        for effect in effects.drain(..) {
            carry_out(effect, connection, turn, outside, sys);
        }
        turn.effects = effects;
    }
}

fn carry_out<M: Machine, S: Sys>(
    effect: Effect<M>,
    connection: &mut Connection<M, S::Socket>,
    turn: &Turn<M>,
    outside: &mut Outside,
    sys: &mut S,
) {
    let has_ended = connection.flags.has(Flags::ENDING);
    let mut wait_for = |number, job| {
        let state = &M::TABLE.states[connection.machine.state()];
        let scope = Scope::of(state).unwrap_or_else(|| {
            tracing::warn!(
                machine = M::TABLE.machine,
                state = state.name,
                "an operation was begun for a state without a row for `reply`: nobody hears of it"
            );
            Scope::State
        });
        outside.operations.add(turn.key.index(), Operation { number, scope, job });
        connection.flags.insert(Flags::OPERATING);
    };
    match effect {
        Effect::Post { worker, mail } => turn.ties.handle.post(worker, mail),
        Effect::Await { .. } | Effect::Offload { operation: Some(_), .. } if has_ended => {}
        Effect::Await { operation } => wait_for(operation, None),
        Effect::Offload { operation, slot, work } => {
            let job = sys.offload(slot, work);
            if let Some(operation) = operation {
                wait_for(operation, Some(job));
            }
        }
        Effect::Join(topic) => {
            connection.flags.insert(Flags::MEMBER);
            outside.topics.join(turn.key, topic);
        }
        Effect::Leave(topic) => outside.topics.leave(turn.key, &topic),
    }
}

/// Delivers a message or a reply between slices. What the machine sends waits for the next slice,
/// so that many messages in a row cost one call.
pub(crate) fn tell<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    desk: &mut Desk<M, S>,
    event: Event<'_, M>,
) -> Result<(), End> {
    if connection.flags.has(Flags::ENDING) {
        return Ok(());
    }
    dispatch(connection, desk, event);
    desk.keep_for_later(connection)
}

/// Answers an operation of a connection, unless it does not wait for it any more.
pub(crate) fn answer<M: Machine, S: Sys>(
    connection: &mut Connection<M, S::Socket>,
    desk: &mut Desk<M, S>,
    operation: u64,
    reply: M::Reply,
) -> Result<(), End> {
    if !desk.outside.operations.answer(desk.turn.key.index(), operation) {
        return Ok(());
    }
    tell(connection, desk, Event::Reply(reply))
}
