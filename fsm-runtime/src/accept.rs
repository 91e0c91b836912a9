//! How a worker accepts: in bounded batches, with a pause when descriptors or places run out.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crate::accepted::Accepted;
use crate::connection::{Connection, Flags, ticks};
use crate::door::{Door, Origin};
use crate::listener::BACKLOG;
use crate::machine::Machine;
use crate::mesh::Mail;
use crate::peer::Peer;
use crate::sys::{Accept, Ready, Sys};
use crate::table::Class;
use crate::wheel::is_before;
use crate::worker::Worker;

/// The connections accepted in a row before others are served; Redis takes 10, libuv 32.
const ACCEPT_BATCH: usize = 16;

/// How long accepting pauses when descriptors have run out, or when the last place was taken and
/// none of the worker's own connections ends; nginx waits 500 ms.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is known of the listeners.
pub(crate) struct Accepting {
    /// Those with connections to accept.
    pub(crate) ready: Vec<usize>,
    /// Set while descriptors or places are short: when to try again, in ticks.
    pub(crate) paused_until: Option<u32>,
    /// It pauses because every place is taken, so that an end of a connection ends the pause.
    awaits_place: bool,
    /// Who may come in, the same for all workers.
    pub(crate) door: Arc<Door>,
    /// Where the connections come from, by their index; empty unless the door asks.
    origins: Vec<Option<Origin>>,
    /// The connections that the kernel keeps ready at a listener; so many are accepted there when a
    /// drain begins, and not without end where clients come as fast as they are accepted.
    queue: u16,
    /// Those that the system does not report, for the time of a pause.
    off: Vec<usize>,
    /// The last try after a pause found them short again, so those who wait are turned away.
    refuses: bool,
    /// The turn of the loop in which somebody last waited.
    last_turn: u64,
}

impl Default for Accepting {
    fn default() -> Self {
        Self {
            ready: Vec::new(),
            paused_until: None,
            awaits_place: false,
            door: Arc::default(),
            origins: Vec::new(),
            queue: BACKLOG,
            off: Vec::new(),
            refuses: false,
            last_turn: 0,
        }
    }
}

impl Accepting {
    /// From now on nobody is accepted; who is there still has to be counted out.
    fn stop(&mut self) {
        let (door, origins) = (Arc::clone(&self.door), std::mem::take(&mut self.origins));
        *self = Self { door, origins, ..Self::default() };
    }

    /// Keeps in mind where a connection comes from.
    fn remember(&mut self, index: u32, origin: Option<Origin>) {
        let index = index as usize;
        if index >= self.origins.len() {
            self.origins.resize(index + 1, None);
        }
        self.origins[index] = origin;
    }
}

impl<M, S, F> Worker<M, S, F>
where
    M: Machine,
    M::Decoder: Clone,
    S: Sys,
    F: FnMut(&Peer) -> Accepted<M::Context>,
{
    /// The worker with a door that it shares with others, before which the kernel lets so many
    /// wait.
    pub(crate) fn behind(mut self, door: Arc<Door>, queue: u16) -> Self {
        self.accepting.door = door;
        self.accepting.queue = queue;
        self
    }

    /// Notes that somebody waits at a listener.
    pub(crate) fn note_listener(&mut self, number: usize) {
        if !self.accepting.ready.contains(&number) && self.accepting.paused_until.is_none() {
            self.accepting.ready.push(number);
        }
    }

    /// Accepts what waits at the listeners, a bounded number.
    pub(crate) fn accept(&mut self) -> io::Result<()> {
        if let Some(until) = self.accepting.paused_until
            && !is_before(self.desk.now, until)
        {
            self.end_pause();
        }
        let crowded = self.is_crowded();
        let (mut room, mut failed) = (ACCEPT_BATCH, 0);
        while room > 0
            && let Some(&listener) = self.accepting.ready.last()
        {
            room -= 1;
            let Some(accepted) = self.accept_one(listener) else {
                self.await_place();
                break;
            };
            match accepted {
                Accept::Socket(socket, peer) => {
                    self.accepting.refuses = false;
                    let class = self.desk.sys.class_at(listener);
                    self.place(socket, peer, class, crowded);
                    if !crowded && self.desk.sys.reports_listeners_by_level() {
                        self.accepting.ready.pop();
                    }
                }
                Accept::WouldBlock => drop(self.accepting.ready.pop()),
                Accept::Retry => {
                    self.summary.failed_accepts += 1;
                    failed += 1;
                }
                Accept::Exhausted(error) => self.pause_accepting(listener, &error),
                Accept::Broken(error) => return Err(error),
            }
        }
        if room == 0 && !self.accepting.ready.is_empty() {
            // The next batch begins at another listener, so that a flood at one starves no other.
            self.accepting.ready.rotate_right(1);
        }
        if failed == ACCEPT_BATCH {
            tracing::warn!("accepting pauses: it brings nothing but failures");
            self.summary.pauses += 1;
            self.suspend_accepting();
        }
        Ok(())
    }

    /// Accepts one connection, if there is a place for it. The place comes first: whoever finds
    /// none stays in the queue of the kernel.
    #[inline]
    fn accept_one(&mut self, listener: usize) -> Option<Accept<S::Socket>> {
        if !self.accepting.door.take_place() {
            return None;
        }
        let accepted = self.desk.sys.accept(listener);
        if !matches!(accepted, Accept::Socket(..)) {
            self.accepting.door.leave_place();
        }
        Some(accepted)
    }

    /// Accepts whom the kernel has already told that they are connected, for the last time: closing
    /// the listeners would reset them. Those for whom there is no descriptor or place have to go.
    #[cold]
    pub(crate) fn accept_the_last(&mut self) {
        for listener in 0..self.desk.sys.listeners() {
            // The kernel lets one more wait than it was told.
            for _ in 0..=self.accepting.queue {
                match self.accept_one(listener) {
                    Some(Accept::Socket(socket, peer)) => {
                        if let Some(socket) = self.welcome(socket, &peer) {
                            self.desk.turn.ties.handle.add_load(self.number);
                            let class = self.desk.sys.class_at(listener);
                            self.admit(socket, &peer, class, true);
                        }
                    }
                    Some(Accept::Retry) => self.summary.failed_accepts += 1,
                    Some(Accept::WouldBlock | Accept::Exhausted(_) | Accept::Broken(_)) | None => {
                        break;
                    }
                }
            }
        }
        self.accepting.stop();
        self.desk.sys.close_listeners();
    }

    /// Tells whether clients come so fast that it pays to ask for the next one before it is
    /// reported: a listener was ready in the turn before this one as well. Otherwise the call
    /// that finds nobody would be one in ten of a short connection's.
    fn is_crowded(&mut self) -> bool {
        if self.accepting.ready.is_empty() {
            return false;
        }
        let before = std::mem::replace(&mut self.accepting.last_turn, self.turns);
        before + 1 == self.turns
    }

    /// Lets a connection in that has a place, unless there are too many of its address: those are
    /// closed at once.
    #[inline]
    fn welcome(&mut self, socket: S::Socket, peer: &Peer) -> Option<S::Socket> {
        if self.accepting.door.welcomes(peer) {
            return Some(socket);
        }
        self.accepting.door.leave_place();
        self.summary.refused += 1;
        tracing::debug!(%peer, "refused: its address has as many connections as it may");
        if self.accepting.door.note_crowding(self.desk.now) {
            tracing::warn!(%peer, "refusing an address more connections than one may have");
        }
        self.desk.sys.close(socket);
        None
    }

    /// Counts a connection out that was counted in as this worker's.
    fn count_out(&mut self, origin: Option<Origin>) {
        self.desk.turn.ties.handle.remove_load(self.number);
        self.accepting.door.say_farewell(origin);
        self.accepting.door.leave_place();
        if self.accepting.awaits_place {
            self.accepting.paused_until = Some(self.desk.now);
        }
    }

    /// Counts the connection of that index out, which has ended.
    #[inline]
    pub(crate) fn count_out_at(&mut self, index: u32) {
        let origin = self.accepting.origins.get_mut(index as usize).and_then(Option::take);
        self.count_out(origin);
    }

    /// Takes in a new connection, or hands it over to a worker that has clearly fewer: before its
    /// machine exists, since no machine ever moves.
    fn place(&mut self, socket: S::Socket, peer: Peer, class: Option<Class>, crowded: bool) {
        let Some(socket) = self.welcome(socket, &peer) else { return };
        let handle = &self.desk.turn.ties.handle;
        let target = least_loaded(handle.loads(), self.number);
        let worker = target.unwrap_or(self.number);
        handle.add_load(worker);
        if worker == self.number {
            return self.admit(socket, &peer, class, crowded);
        }
        self.summary.handed_over += 1;
        self.desk.sys.hand_over(worker, socket, peer, class);
        self.desk.turn.ties.handle.post(worker, Mail::Arrival);
    }

    /// Takes in a new connection that was counted as this worker's. In a crowd it has usually sent
    /// by the time it is accepted, so its first slice reads at once; otherwise the next wait tells
    /// what is there, and comes as soon. `class` is that of the listener.
    pub(crate) fn admit(
        &mut self,
        socket: S::Socket,
        peer: &Peer,
        class: Option<Class>,
        crowded: bool,
    ) {
        let made =
            catch_unwind(AssertUnwindSafe(|| ((self.make_context)(peer), self.decoder.clone())));
        let Ok((Accepted { context, class: own }, decoder)) = made else {
            self.summary.panics += 1;
            tracing::error!(%peer, "making the context of a connection panicked");
            self.count_out(Origin::of(peer));
            return self.desk.sys.close(socket);
        };
        let ready = if crowded { Ready::READ.and(Ready::WRITE) } else { Ready::WRITE };
        let standing = own.or(class).or(M::TABLE.class).unwrap_or_default();
        let connection = Connection::new(socket, ready, decoder, context, standing, self.desk.now);
        let class = connection.class();
        match self.connections.insert(connection) {
            Ok((index, _)) => {
                self.schedule.join(class);
                self.summary.accepted += 1;
                tracing::debug!(%peer, index, "accepted");
                if self.accepting.door.asks_for_origins() {
                    self.accepting.remember(index, Origin::of(peer));
                }
                if self.is_draining() {
                    self.wake(index, Flags::SHUTDOWN_DUE);
                } else if self.greets || crowded {
                    self.wake(index, Flags::NONE);
                } else {
                    self.settle_first(index);
                }
            }
            Err(connection) => {
                self.summary.refused += 1;
                self.count_out(Origin::of(peer));
                let socket = self.take_apart(connection);
                self.desk.sys.close(socket);
            }
        }
    }

    /// Stops accepting for a while because descriptors have run out. The first time those who wait
    /// are left waiting; if a pause did not help they are turned away, so that they need not wait
    /// for nothing.
    #[cold]
    fn pause_accepting(&mut self, listener: usize, error: &io::Error) {
        if self.accepting.refuses {
            self.refuse(listener);
        } else {
            tracing::warn!(%error, open = self.connections.len(), "accepting pauses");
        }
        self.accepting.refuses = true;
        self.summary.pauses += 1;
        self.suspend_accepting();
    }

    /// Stops accepting because every place is taken. Who waits is not turned away: as soon as a
    /// connection of this worker ends, or a pause later where it was one of another's, the next one
    /// is let in.
    #[cold]
    fn await_place(&mut self) {
        let door = &self.accepting.door;
        if door.note_full(self.desk.now) {
            tracing::warn!(open = door.most(), "accepting pauses: there are no more places");
        }
        self.summary.pauses += 1;
        self.accepting.awaits_place = true;
        self.suspend_accepting();
    }

    /// Ends a pause, unless it is for a place and there is none yet.
    #[cold]
    fn end_pause(&mut self) {
        if self.accepting.awaits_place && self.accepting.door.is_full() {
            self.accepting.door.note_full(self.desk.now);
            self.suspend_accepting();
        } else {
            self.resume_accepting();
        }
    }

    /// Stops listening until a pause has passed.
    fn suspend_accepting(&mut self) {
        self.accepting.ready.clear();
        self.accepting.paused_until = Some(self.desk.now.wrapping_add(ticks(ACCEPT_PAUSE)));
        for listener in 0..self.desk.sys.listeners() {
            if self.accepting.off.contains(&listener) {
                continue;
            }
            match self.desk.sys.listen(listener, false) {
                Ok(()) => self.accepting.off.push(listener),
                Err(error) => tracing::error!(%error, listener, "a listener could not be paused"),
            }
        }
    }

    /// Accepts with the reserve descriptor and closes at once, up to a batch.
    fn refuse(&mut self, listener: usize) {
        for _ in 0..ACCEPT_BATCH {
            let Some(peer) = self.desk.sys.refuse(listener) else { break };
            self.summary.refused += 1;
            tracing::debug!(%peer, "refused: no descriptor is left");
        }
    }

    /// Listens again. What the system cannot do now it can perhaps do after another pause: a server
    /// that cannot accept still serves those it has.
    fn resume_accepting(&mut self) {
        self.accepting.paused_until = None;
        self.accepting.awaits_place = false;
        self.desk.sys.keep_reserve();
        while let Some(&listener) = self.accepting.off.last() {
            if let Err(error) = self.desk.sys.listen(listener, true) {
                tracing::error!(%error, listener, "a listener could not be resumed");
                return self.suspend_accepting();
            }
            self.accepting.off.pop();
        }
        for listener in 0..self.desk.sys.listeners() {
            self.note_listener(listener);
        }
    }
}

/// The worker that gets the next connection, if it is not `own`: the one with the fewest, once the
/// own share would be over a tenth more than the mean. Below that a connection stays where it was
/// accepted, which costs nothing.
fn least_loaded(loads: impl Iterator<Item = usize>, own: usize) -> Option<usize> {
    let (mut workers, mut total, mut mine, mut least) = (0, 1, 1, (usize::MAX, own));
    for (worker, load) in loads.enumerate() {
        workers += 1;
        total += load;
        if worker == own {
            mine += load;
        } else if load < least.0 {
            least = (load, worker);
        }
    }
    let is_over = 10 * mine * workers > 11 * total;
    (is_over && least.0 + 1 < mine).then_some(least.1)
}

#[cfg(test)]
mod tests {
    use super::least_loaded;

    #[test]
    fn a_connection_stays_unless_that_makes_the_load_uneven() {
        assert_eq!(least_loaded([0, 0].into_iter(), 0), None, "nobody has fewer");
        assert_eq!(least_loaded([1, 0].into_iter(), 0), Some(1));
        assert_eq!(least_loaded([32, 31].into_iter(), 0), None, "within a tenth of the mean");
        assert_eq!(least_loaded([40, 30, 20, 30].into_iter(), 0), Some(2));
        assert_eq!(least_loaded([40, 30, 20, 30].into_iter(), 2), None);
    }

    #[test]
    fn whoever_accepts_the_busiest_has_hardly_more_than_the_mean() {
        for workers in [2, 4, 8, 16] {
            for acceptor in [0, workers - 1] {
                let mut loads = vec![0; workers];
                for _ in 0..64 {
                    let worker = least_loaded(loads.iter().copied(), acceptor);
                    loads[worker.unwrap_or(acceptor)] += 1;
                }
                let mean = 64.0 / workers as f64;
                let busiest = *loads.iter().max().expect("workers") as f64;
                assert!(busiest <= 1.15 * mean, "{loads:?}");
            }
        }
    }
}
