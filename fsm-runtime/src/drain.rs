//! How a worker comes to its end: it drains when it is asked to stop, and stops when it is asked
//! again or when the time to drain is over.

use std::time::Duration;

use crate::accepted::Accepted;
use crate::connection::{Flags, ticks};
use crate::machine::Machine;
use crate::mesh::{HEARS_STOPS, Mail};
use crate::peer::Peer;
use crate::sys::Sys;
use crate::wheel::is_before;
use crate::worker::Worker;

/// How far the end of the server has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drain {
    Running,
    /// Until this tick connections may end by themselves.
    Draining(u32),
    Stopped,
}

impl<M, S, F> Worker<M, S, F>
where
    M: Machine,
    M::Decoder: Clone,
    S: Sys,
    F: FnMut(&Peer) -> Accepted<M::Context>,
{
    /// Tells every worker, this one included, that somebody asked the server to stop.
    pub(crate) fn pass_stops_on(&mut self) {
        for _ in 0..self.desk.sys.stop_requests() {
            self.desk.turn.ties.handle.stop_all();
        }
    }

    /// Does what the requests to stop ask for that have come.
    #[inline]
    pub(crate) fn note_stops(&mut self, drain_limit: Duration) {
        for _ in 0..self.desk.turn.ties.post.take_stops() {
            self.note_stop(drain_limit);
        }
    }

    /// The first request to stop drains, the second one stops.
    #[cold]
    fn note_stop(&mut self, drain_limit: Duration) {
        if self.drain == Drain::Running {
            self.start_draining(drain_limit);
        } else {
            tracing::info!(open = self.connections.len(), "stopping at once");
            self.cut_off();
        }
    }

    /// Another worker has ended that nobody asked to. It is a reason to drain, but none to cut off
    /// those who drain already.
    pub(crate) fn note_failure(&mut self, limit: Duration) {
        if self.drain == Drain::Running {
            self.start_draining(limit);
        }
    }

    fn start_draining(&mut self, limit: Duration) {
        tracing::info!(open = self.connections.len(), ?limit, "draining");
        self.drain = Drain::Draining(self.desk.now.wrapping_add(ticks(limit)));
        self.desk.turn.draining = true;
        self.accept_the_last();
        let ties = &self.desk.turn.ties;
        ties.handle.post_to_all(|| Mail::HandsOverNoMore(ties.worker));
        for index in 0..self.connections.end() {
            self.wake(index, Flags::SHUTDOWN_DUE);
        }
    }

    /// The time to drain is over: what is left enters a terminal state and is closed.
    pub(crate) fn cut_off(&mut self) {
        self.drain = Drain::Stopped;
        for index in 0..self.connections.end() {
            self.entomb(index);
            self.desk.output.clear();
            self.close(index);
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        match self.drain {
            Drain::Running => false,
            Drain::Draining(_) => {
                self.connections.len() == 0 && self.has_all_arrivals() && !self.hears_for_others()
            }
            Drain::Stopped => true,
        }
    }

    /// Tells whether no worker can hand over any more connections to this one.
    fn has_all_arrivals(&self) -> bool {
        self.handing.is_empty()
    }

    /// Tells whether another request to stop would be heard by this worker alone.
    fn hears_for_others(&self) -> bool {
        self.number == HEARS_STOPS && !self.desk.turn.ties.handle.others_have_ended(self.number)
    }

    /// Tells whether the server has been asked to stop.
    pub(crate) fn is_draining(&self) -> bool {
        self.drain != Drain::Running
    }

    /// Stops once the time to drain is over.
    pub(crate) fn keep_drain_limit(&mut self) {
        if let Drain::Draining(until) = self.drain
            && !is_before(self.desk.now, until)
        {
            // The worker that hears of stops may be here only because others are not done.
            if self.connections.len() > 0 {
                tracing::warn!(open = self.connections.len(), "the drain limit has passed");
            }
            self.cut_off();
        }
    }
}
