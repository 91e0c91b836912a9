//! Who comes before whom: what a worker does between two slices of others, and how long slices
//! take.

use crate::accepted::Accepted;
use crate::connection::Flags;
use crate::machine::{INPUT, Machine};
use crate::peer::Peer;
use crate::schedule::PREFERRED_BURST;
use crate::slice::{self, Served};
use crate::sys::{Readiness, Sys};
use crate::table::Class;
use crate::worker::Worker;

impl<M, S, F> Worker<M, S, F>
where
    M: Machine,
    M::Decoder: Clone,
    S: Sys,
    F: FnMut(&Peer) -> Accepted<M::Context>,
{
    /// Ends a slice that was slow, or after which somebody else might come first.
    #[cold]
    pub(crate) fn look_up(&mut self, served: Served, index: u32, state: usize, span: u64) {
        if self.schedule.may_be_slow(span) {
            // On the short path nothing was noted, because nothing but input can have come.
            let event = if matches!(served, Served::Waits) { INPUT } else { self.desk.last_event };
            self.note_slow(state, event, span);
        }
        self.follow(served, index);
        self.attend();
    }

    /// Has those served who do not stand in line with the others: preferred connections that have
    /// become ready meanwhile, and the background if a slice is owed to it.
    pub(crate) fn attend(&mut self) {
        self.serve_preferred();
        if self.schedule.pass() {
            self.serve_from(Class::Background);
        }
    }

    /// Serves preferred connections that are ready, a bounded number of slices.
    #[cold]
    pub(crate) fn serve_preferred(&mut self) {
        if !self.schedule.has_preferred() {
            return;
        }
        let connections = &mut self.connections;
        self.desk.sys.look(|key| {
            let found = connections.get_with_generation(key.index());
            found.is_some_and(|(connection, generation)| {
                key.generation() == generation && connection.class() == Class::Preferred
            })
        });
        while let Some(event) = self.desk.sys.next_preferred() {
            self.enqueue(event);
        }
        for _ in 0..PREFERRED_BURST {
            if !self.serve_from(Class::Preferred) {
                return;
            }
        }
    }

    /// Notes what a connection is ready for; it is served when its turn comes.
    fn enqueue(&mut self, event: Readiness) {
        match self.connections.get_with_generation(event.key.index()) {
            Some((connection, generation)) if generation == event.key.generation() => {
                connection.ready = connection.ready.and(event.ready);
                if !connection.flags.has(Flags::QUEUED) && connection.has_work() {
                    connection.flags.insert(Flags::QUEUED);
                    self.schedule.push(connection.class(), event.key.index());
                }
            }
            _ => self.summary.stale_events += 1,
        }
    }

    /// Serves the connection at the front of a queue. False where nobody stands there.
    pub(crate) fn serve_from(&mut self, class: Class) -> bool {
        let Some(index) = self.schedule.pop(class) else { return false };
        self.current = Some(index);
        let Some((connection, _, input, desk)) = self.at(index) else { return true };
        connection.flags.remove(Flags::QUEUED);
        let state = connection.machine.state();
        let served = slice::serve(connection, input, desk);
        self.measure_slice(state);
        self.follow(served, index);
        true
    }

    /// A slice begins.
    #[inline]
    pub(crate) fn begin_slice(&mut self) {
        self.schedule.begin(self.desk.sys.stopwatch());
    }

    /// A slice has ended, of a connection that was in `state` before it.
    pub(crate) fn measure_slice(&mut self, state: usize) {
        let span = self.schedule.lap(self.desk.sys.stopwatch());
        if self.schedule.may_be_slow(span) {
            self.note_slow(state, self.desk.last_event, span);
        }
    }

    /// Reports a slice that may have been slow, if it was.
    #[cold]
    fn note_slow(&mut self, state: usize, event: &'static str, span: u64) {
        let time = self.desk.sys.time_of(span);
        // Now the stopwatch is known better than at first.
        self.schedule.set_slow(self.desk.sys.span_within(self.slow_slice));
        if time >= self.slow_slice {
            self.summary.slow_slices += 1;
            let state = M::TABLE.states[state].name;
            tracing::warn!(machine = M::TABLE.machine, state, event, ?time, "a slice took long");
        }
    }
}
