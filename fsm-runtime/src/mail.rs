//! What a worker does with its mail: messages, answers, connections from other workers, requests to
//! stop. In bounded portions, so that a flood of messages starves no client.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::accepted::Accepted;
use crate::connection::{Connection, Flags};
use crate::inbox::Taken;
use crate::key::Key;
use crate::machine::{Event, Machine};
use crate::mesh::{Mail, Topic};
use crate::peer::Peer;
use crate::slice::{self, Desk, End};
use crate::sys::Sys;
use crate::worker::Worker;

/// The messages delivered in a row before ready connections are served, those to the members of one
/// topic each counted. The output of all that a member gets in one batch goes out in one call,
/// which costs many times a delivery: to 250 members on a worker a flood of lines took 0.13 calls
/// for each line delivered, and 0.97 with 256 in a row.
const MAIL_BATCH: usize = 2_048;

/// The mail that a worker has taken out of its inbox.
pub(crate) struct Mailbag<M: Machine> {
    taken: Taken<Mail<M>>,
    /// What is on its way to the members of a topic.
    broadcast: Option<Broadcast<M>>,
    /// The places of the inbox to be given back after the batch.
    delivered: usize,
}

/// A message to the members of a topic, as far as they have not got it.
struct Broadcast<M: Machine> {
    topic: Topic,
    message: M::Message,
    clone: fn(&M::Message) -> M::Message,
    members: std::vec::IntoIter<Key>,
}

impl<M: Machine> Default for Mailbag<M> {
    fn default() -> Self {
        Self { taken: Taken::default(), broadcast: None, delivered: 0 }
    }
}

impl<M: Machine> Mailbag<M> {
    /// Tells whether everything taken so far was delivered.
    pub(crate) fn is_empty(&self) -> bool {
        self.taken.is_empty() && self.broadcast.is_none()
    }
}

impl<M, S, F> Worker<M, S, F>
where
    M: Machine,
    M::Decoder: Clone,
    S: Sys,
    F: FnMut(&Peer) -> Accepted<M::Context>,
{
    /// Takes what has come into the inbox, and delivers some of it. Requests to stop come first.
    #[inline]
    pub(crate) fn serve_mail(&mut self, drain_limit: Duration) {
        self.note_stops(drain_limit);
        if self.desk.turn.ties.post.inbox().wake() || !self.mail.is_empty() {
            self.deliver_mail(drain_limit);
        }
    }

    #[cold]
    fn deliver_mail(&mut self, drain_limit: Duration) {
        if self.mail.taken.is_empty() {
            self.mail.taken = self.desk.turn.ties.post.inbox().take();
        }
        let mut left = MAIL_BATCH;
        self.guard(|worker| {
            while left > 0 && worker.deliver_next(drain_limit) {
                left -= 1;
                worker.attend();
            }
        });
        let delivered = std::mem::take(&mut self.mail.delivered);
        self.summary.messages += delivered as u64;
        self.desk.turn.ties.handle.release(self.number, delivered);
    }

    /// Delivers one message, or does what else has come. False when nothing is left.
    fn deliver_next(&mut self, drain_limit: Duration) -> bool {
        // Whoever was served before has nothing to do with what panics from here on.
        self.current = None;
        if self.mail.broadcast.is_some() {
            self.deliver_broadcast();
            return true;
        }
        let Some(mail) = self.mail.taken.next() else { return false };
        match mail {
            Mail::Message { to, message } => {
                self.mail.delivered += 1;
                self.tell(to, message);
            }
            Mail::Published { topic, message, clone } => {
                let members = self.desk.outside.topics.members(&topic).into_iter();
                self.mail.broadcast = Some(Broadcast { topic, message, clone, members });
            }
            Mail::Reply { to, operation, reply } => {
                self.with_connection(to, |connection, desk| {
                    slice::answer(connection, desk, operation, reply)
                });
            }
            Mail::Finish(finish) => {
                let shared = &mut self.desk.shared;
                if catch_unwind(AssertUnwindSafe(|| finish(shared))).is_err() {
                    self.summary.panics += 1;
                    tracing::error!(machine = M::TABLE.machine, "the end of a job panicked");
                }
            }
            Mail::Arrival => self.take_over(),
            Mail::Stop => self.note_stops(drain_limit),
            Mail::Drain => self.note_failure(drain_limit),
            Mail::HandsOverNoMore(worker) => {
                self.handing.remove(&worker);
            }
        }
        true
    }

    /// Delivers a topic's message to the next of its members.
    fn deliver_broadcast(&mut self) {
        let Some(broadcast) = &mut self.mail.broadcast else { return };
        let Some(member) = broadcast.members.next() else {
            self.mail.delivered += 1;
            self.mail.broadcast = None;
            return;
        };
        if self.desk.outside.topics.has(&broadcast.topic, member) {
            let message = (broadcast.clone)(&broadcast.message);
            self.tell(member, message);
        }
    }

    fn tell(&mut self, to: Key, message: M::Message) {
        self.with_connection(to, |connection, desk| {
            slice::tell(connection, desk, Event::Message(message))
        });
    }

    /// Delivers something to a connection, if it still lives, and has what follows from it done in
    /// its next slice.
    fn with_connection(
        &mut self,
        to: Key,
        deliver: impl FnOnce(&mut Connection<M, S::Socket>, &mut Desk<M, S>) -> Result<(), End>,
    ) {
        let index = to.index();
        // What goes wrong from here on is the receiver's fault, but not that of the next in its
        // slot.
        let found = self.connections.get_with_generation(index);
        if found.is_none_or(|(_, generation)| generation != to.generation()) {
            return;
        }
        self.current = Some(index);
        self.begin_slice();
        let Some((connection, _, _, desk)) = self.at(index) else { return };
        let state = connection.machine.state();
        let delivered = deliver(connection, desk);
        self.measure_slice(state);
        match delivered {
            Ok(()) => self.wake(index, Flags::NONE),
            Err(end) => self.end(index, end),
        }
    }

    /// Takes over a connection that another worker has accepted.
    fn take_over(&mut self) {
        if let Some((socket, peer, class)) = self.desk.sys.next_arrival() {
            self.admit(socket, &peer, class, true);
        }
    }
}
