//! The event loop of one worker: wait, serve what is ready in slices, let deadlines pass, accept.
//!
//! Everything a worker needs is its own: system, connections, timers, buffers and shared data. It
//! knows machines only through [`Machine`] and the system only through [`Sys`]. What happens within
//! one slice of one connection is in `slice`.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::accept::Accepting;
use crate::buffers::reuse;
use crate::connection::{Connection, Flags, TICK_MILLIS, ticks};
use crate::io::{Ties, Turn};
use crate::key::{Key, Source};
use crate::machine::Machine;
use crate::mail::Mailbag;
use crate::mesh::{HEARS_STOPS, Mail};
use crate::peer::Peer;
use crate::slab::Slab;
use crate::slice::{self, Desk, End, Outside, Served};
use crate::summary::Summary;
use crate::sys::{Readiness, Ready, Sys, Wait};
use crate::table::Table;
use crate::wheel::{Link, Links, Wheel, is_before};

/// The bytes one read takes, and so the bytes of input in a slice. Redis reads as much; a budget of
/// 16 KiB keeps a polite client's wait beside greedy ones within that of an idle server.
const READ_BUFFER: usize = 16 * 1024;

/// What the buffer for a slice's output may keep from one turn to the next, so that one huge reply
/// is not paid for ever: two high-water marks.
const OUTPUT_KEPT: usize = 128 * 1024;

/// The timers looked at in a row before ready connections are served.
const EXPIRE_BATCH: usize = 256;

/// The waits that may fail in a row. One that fails for want of memory may do better the next time;
/// a poller that is broken stays so, and the worker must not spin on it.
const FAILED_WAITS: u32 = 16;

/// One worker: a thread's worth of connections.
pub(crate) struct Worker<M: Machine, S: Sys, F> {
    pub(crate) connections: Connections<M, S>,
    pub(crate) desk: Desk<M, S>,
    wheel: Wheel,
    runnable: VecDeque<u32>,
    /// The worker's own number.
    pub(crate) number: usize,
    pub(crate) mail: Mailbag<M>,
    /// The workers that may still hand over connections.
    pub(crate) handing: BTreeSet<usize>,
    /// The connection whose slice runs, for the case that it panics.
    pub(crate) current: Option<u32>,
    started: u64,
    /// The ticks since the start, not wrapped.
    elapsed: u64,
    pub(crate) decoder: M::Decoder,
    /// The machine has a row for `connected`.
    pub(crate) greets: bool,
    pub(crate) make_context: F,
    /// Where input is read to; it is lent to one connection at a time.
    input: Box<[u8]>,
    pub(crate) accepting: Accepting,
    /// The turns of the loop so far.
    pub(crate) turns: u64,
    drain: Drain,
    /// The waits that have failed since one succeeded.
    failed_waits: u32,
    pub(crate) summary: Summary,
}

/// The connections of a worker.
pub(crate) type Connections<M, S> = Slab<Connection<M, <S as Sys>::Socket>>;

impl<M: Machine, K> Links for Slab<Connection<M, K>> {
    fn link(&mut self, index: u32) -> &mut Link {
        match self.get_mut(index) {
            Some(connection) => &mut connection.link,
            None => unreachable!("a connection leaves the wheel before its slot is vacated"),
        }
    }
}

/// A connection with its generation, the input buffer, and what a slice needs beside.
type At<'a, M, S> =
    (&'a mut Connection<M, <S as Sys>::Socket>, u32, &'a mut [u8], &'a mut Desk<M, S>);

/// Tells whether a machine has a row for `connected`, in whatever state.
fn greets(table: &Table) -> bool {
    let mut rows = table.states.iter().flat_map(|state| state.rows);
    rows.any(|row| row.events.contains(&"connected"))
}

/// The earlier of two ticks, of which the first may not be.
fn earlier(one: Option<u32>, other: u32) -> u32 {
    one.filter(|&one| is_before(one, other)).unwrap_or(other)
}

/// How far the end of the server has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Drain {
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
    F: FnMut(&Peer) -> M::Context,
{
    /// A worker without connections.
    pub(crate) fn new(
        mut sys: S,
        ties: Ties<M>,
        shared: M::Shared,
        decoder: M::Decoder,
        make_context: F,
    ) -> Self {
        let started = sys.now();
        let number = ties.worker;
        let handing = (0..).take(ties.handle.workers()).collect();
        Self {
            connections: Slab::new(),
            desk: Desk {
                sys,
                shared,
                turn: Turn::new(ties),
                outside: Outside::default(),
                output: Vec::new(),
                spare: Vec::new(),
                now: 0,
            },
            wheel: Wheel::new(0),
            runnable: VecDeque::new(),
            number,
            mail: Mailbag::default(),
            handing,
            current: None,
            started,
            elapsed: 0,
            decoder,
            greets: greets(M::TABLE),
            make_context,
            input: vec![0; READ_BUFFER].into_boxed_slice(),
            accepting: Accepting::default(),
            turns: 0,
            drain: Drain::Running,
            failed_waits: 0,
            summary: Summary::default(),
        }
    }

    /// Serves until a stop was asked for and every connection has ended, or `drain_limit` has
    /// passed, or a second stop was asked for.
    ///
    /// # Errors
    /// The system's answer to a wait that failed, or what a listener broke of.
    pub(crate) fn run(mut self, drain_limit: Duration) -> io::Result<Summary> {
        while self.turn(drain_limit)? {}
        tracing::info!(summary = ?self.summary, "stopped");
        Ok(self.summary)
    }

    /// One turn of the loop; false when the worker is done.
    ///
    /// # Errors
    /// As [`Worker::run`].
    pub(crate) fn turn(&mut self, drain_limit: Duration) -> io::Result<bool> {
        self.turns += 1;
        let wait = self.how_long();
        let waited = self.desk.sys.wait(wait);
        self.read_clock();
        self.serve_mail(drain_limit);
        // Events that came with an error are served all the same: they are reported only once.
        self.serve_events();
        match waited {
            Ok(()) => self.failed_waits = 0,
            Err(error) => self.bear(error)?,
        }
        self.expire();
        self.accept()?;
        self.serve_runnable();
        if self.desk.output.capacity() > OUTPUT_KEPT {
            self.desk.output.shrink_to(OUTPUT_KEPT);
        }
        Ok(!self.is_done())
    }

    /// What the worker did so far.
    pub(crate) fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The number of open connections.
    pub(crate) fn open(&self) -> usize {
        self.connections.len()
    }

    /// Puts up with a wait that failed, but not for ever.
    #[cold]
    fn bear(&mut self, error: io::Error) -> io::Result<()> {
        self.failed_waits += 1;
        if self.failed_waits >= FAILED_WAITS {
            return Err(error);
        }
        tracing::warn!(%error, "waiting for readiness failed");
        Ok(())
    }

    fn how_long(&self) -> Wait {
        let has_work = !self.runnable.is_empty() || !self.accepting.ready.is_empty();
        // To go to sleep comes last: from then on whoever sends has to wake the worker.
        if has_work || !self.mail.is_empty() || !self.desk.turn.ties.post.inbox().sleep() {
            return Wait::Poll;
        }
        let mut next = self.wheel.next();
        if let Drain::Draining(until) = self.drain {
            next = Some(earlier(next, until));
        }
        if let Some(until) = self.accepting.paused_until {
            next = Some(earlier(next, until));
        }
        match next {
            None => Wait::Forever,
            Some(tick) if !is_before(self.desk.now, tick) => Wait::Poll,
            Some(tick) => {
                let ahead = u64::from(tick.wrapping_sub(self.desk.now));
                Wait::Until(self.started + (self.elapsed + ahead) * TICK_MILLIS)
            }
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "tick counters wrap and are compared so")]
    fn read_clock(&mut self) {
        self.elapsed = (self.desk.sys.now() - self.started) / TICK_MILLIS;
        self.desk.now = self.elapsed as u32;
    }

    /// Takes every event of the last wait.
    #[inline]
    fn serve_events(&mut self) {
        self.guard(|worker| {
            while let Some(event) = worker.desk.sys.next_event() {
                worker.take(event);
            }
        });
    }

    /// Serves those who stand in the queue now, each for one slice.
    #[inline]
    fn serve_runnable(&mut self) {
        let mut left = self.runnable.len();
        if left > 0 {
            self.guard(|worker| {
                while left > 0 {
                    left -= 1;
                    worker.serve_next();
                }
            });
        }
    }

    /// Has `serve` go on with the others when a slice panics: it costs its own connection.
    #[inline]
    pub(crate) fn guard(&mut self, mut serve: impl FnMut(&mut Self)) {
        while catch_unwind(AssertUnwindSafe(|| serve(self))).is_err() {
            self.bury();
        }
        self.current = None;
    }

    /// Takes one event: a connection that stands in no queue is served at once.
    #[inline]
    fn take(&mut self, event: Readiness) {
        match event.key.source() {
            Source::Connection => self.take_readiness(event),
            Source::Listener(number) => self.note_listener(number),
            Source::Control => self.pass_stops_on(),
            Source::Unknown => {}
        }
    }

    #[inline]
    fn take_readiness(&mut self, event: Readiness) {
        let (index, key) = (event.key.index(), event.key);
        self.current = Some(index);
        let Some((connection, generation, input, desk)) = self.at(index) else {
            self.summary.stale_events += 1;
            return;
        };
        if generation != key.generation() {
            self.summary.stale_events += 1;
            return;
        }
        connection.ready = connection.ready.and(event.ready);
        if connection.only_reads() {
            if connection.ready.has(Ready::READ) {
                let served = slice::serve_reader(connection, input, desk, key);
                self.follow(served, index);
            }
        } else if !connection.flags.has(Flags::QUEUED) && connection.has_work() {
            let served = slice::serve(connection, input, desk);
            self.follow(served, index);
        }
    }

    /// Serves the connection at the front of the queue.
    fn serve_next(&mut self) {
        let Some(index) = self.runnable.pop_front() else { return };
        self.current = Some(index);
        let Some((connection, _, input, desk)) = self.at(index) else { return };
        connection.flags.remove(Flags::QUEUED);
        let served = slice::serve(connection, input, desk);
        self.follow(served, index);
    }

    /// Does what follows from a slice.
    #[inline]
    fn follow(&mut self, served: Served, index: u32) {
        match served {
            Served::Waits => {}
            Served::Settle => self.settle(index),
            Served::Ends(end) => self.end(index, end),
        }
    }

    /// A connection with its generation, the input buffer, and what a slice needs beside.
    #[inline]
    pub(crate) fn at(&mut self, index: u32) -> Option<At<'_, M, S>> {
        let (connection, generation) = self.connections.get_with_generation(index)?;
        self.desk.turn.key = Key::connection(index, generation);
        Some((connection, generation, &mut self.input, &mut self.desk))
    }

    /// Settles a connection before its first slice. Its limits may be methods of the context.
    #[inline]
    pub(crate) fn settle_first(&mut self, index: u32) {
        if catch_unwind(AssertUnwindSafe(|| self.settle(index))).is_err() {
            self.current = Some(index);
            self.bury();
        }
    }

    /// What follows from a slice: the connection becomes known to poller and wheel, goes to the
    /// back of the queue, or waits.
    fn settle(&mut self, index: u32) {
        let Some((connection, generation)) = self.connections.get_with_generation(index) else {
            return;
        };
        let key = Key::connection(index, generation);
        if connection.flags.has(Flags::NEW) {
            connection.flags.remove(Flags::NEW);
            if let Err(error) = self.desk.sys.register(&connection.socket, key) {
                return self.lose(index, error);
            }
        }
        if connection.flags.has(Flags::RETIME) {
            connection.flags.remove(Flags::RETIME);
            if let Some((due, _)) = connection.next_deadline()
                && !connection.link.covers(due)
            {
                self.wheel.link(index, due, &mut self.connections);
            }
        }
        let Some(connection) = self.connections.get_mut(index) else { return };
        if connection.has_work() {
            connection.flags.insert(Flags::QUEUED);
            self.runnable.push_back(index);
        } else if let Err(error) = self.desk.sys.rearm(&connection.socket, key, connection.waits())
        {
            self.lose(index, error);
        }
    }

    #[cold]
    pub(crate) fn end(&mut self, index: u32, end: End) {
        self.desk.output.clear();
        match end {
            End::Close => self.close(index),
            End::Abort => self.abort(index),
            End::Lost(error) => self.lose(index, error),
        }
    }

    /// Looks at the connections whose slot in the wheel has come due, a bounded number of them.
    fn expire(&mut self) {
        for _ in 0..EXPIRE_BATCH {
            let Some(index) = self.wheel.pop(self.desk.now, &mut self.connections) else { break };
            let Some(connection) = self.connections.get_mut(index) else { continue };
            // The limit may be a method of the context.
            match catch_unwind(AssertUnwindSafe(|| connection.next_deadline())) {
                Ok(Some((due, _))) if is_before(self.desk.now, due) => {
                    self.wheel.link(index, due, &mut self.connections);
                }
                Ok(Some(_)) => self.wake(index, Flags::DUE),
                Ok(None) => {}
                Err(_) => {
                    self.current = Some(index);
                    self.bury();
                }
            }
        }
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

    /// Puts a connection into the run queue for a reason of its own.
    pub(crate) fn wake(&mut self, index: u32, reason: Flags) {
        let Some(connection) = self.connections.get_mut(index) else { return };
        connection.flags.insert(reason);
        if !connection.flags.has(Flags::QUEUED) {
            connection.flags.insert(Flags::QUEUED);
            self.runnable.push_back(index);
        }
    }

    /// Tells every worker, this one included, that somebody asked the server to stop.
    fn pass_stops_on(&mut self) {
        for _ in 0..self.desk.sys.stop_requests() {
            self.desk.turn.ties.handle.post_to_all(|| Mail::Stop);
        }
    }

    /// The first request to stop drains, the second one stops.
    pub(crate) fn note_stop(&mut self, drain_limit: Duration) {
        if self.drain == Drain::Running {
            self.start_draining(drain_limit);
        } else {
            tracing::info!(open = self.connections.len(), "stopping at once");
            self.cut_off();
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
    fn cut_off(&mut self) {
        self.drain = Drain::Stopped;
        for index in 0..self.connections.end() {
            self.entomb(index);
            self.desk.output.clear();
            self.close(index);
        }
    }

    fn is_done(&self) -> bool {
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

    /// Ends a connection whose action panicked.
    #[cold]
    fn bury(&mut self) {
        self.summary.panics += 1;
        self.desk.turn.undo();
        let Some(index) = self.current.take() else { return };
        let Some(connection) = self.connections.get_mut(index) else { return };
        let state = M::TABLE.states[connection.machine.state()].name;
        tracing::error!(machine = M::TABLE.machine, state, index, "an action panicked");
        self.entomb(index);
        let Some((connection, _, input, desk)) = self.at(index) else { return };
        match slice::bury(connection, input, desk) {
            Ok(()) => self.settle(index),
            Err(end) => self.end(index, end),
        }
    }

    /// Lets a machine whose action panicked reach a terminal state. Dropping the state's data may
    /// panic as well; it is gone then, and `enter` still has to run. That may panic too, and where
    /// the machine has arrived still has to be noted.
    fn entomb(&mut self, index: u32) {
        for _ in 0..3 {
            let entombed = catch_unwind(AssertUnwindSafe(|| {
                if let Some((connection, _, _, desk)) = self.at(index) {
                    slice::entomb(connection, desk);
                }
            }));
            if entombed.is_ok() {
                return;
            }
            self.summary.panics += 1;
            self.desk.turn.undo();
        }
    }

    /// Ends a connection whose socket is dead.
    #[cold]
    fn lose(&mut self, index: u32, error: io::Error) {
        self.summary.lost += 1;
        tracing::debug!(index, %error, "lost");
        let told = catch_unwind(AssertUnwindSafe(|| {
            if let Some((connection, _, input, desk)) = self.at(index) {
                slice::tell_lost(connection, input, desk, error);
            }
        }));
        if told.is_err() {
            self.summary.panics += 1;
            self.desk.turn.undo();
            self.entomb(index);
        }
        self.desk.output.clear();
        self.close(index);
    }

    fn close(&mut self, index: u32) {
        if let Some(socket) = self.remove(index) {
            self.desk.sys.close(socket);
        }
    }

    fn abort(&mut self, index: u32) {
        if let Some(socket) = self.remove(index) {
            self.desk.sys.abort(socket);
        }
    }

    /// Takes a connection out of everything that knows it; this is the only way out.
    fn remove(&mut self, index: u32) -> Option<S::Socket> {
        self.connections.get_mut(index)?;
        self.wheel.unlink(index, &mut self.connections);
        let (connection, generation) = self.connections.get_with_generation(index)?;
        let key = Key::connection(index, generation);
        self.desk.outside.forget::<M, S>(connection, key, &mut self.desk.sys);
        let connection = self.connections.remove(index)?;
        self.count_out_at(index);
        self.summary.closed += 1;
        tracing::debug!(index, "closed");
        Some(self.take_apart(connection))
    }

    /// Drops all of a connection but its socket. What the author's types do then may panic.
    #[inline]
    pub(crate) fn take_apart(&mut self, connection: Connection<M, S::Socket>) -> S::Socket {
        let Connection { socket, buffers, decoder, machine, context, .. } = connection;
        if let Some(buffers) = buffers {
            reuse(&mut self.desk.spare, buffers);
        }
        if catch_unwind(AssertUnwindSafe(|| drop((decoder, machine, context)))).is_err() {
            self.summary.panics += 1;
            tracing::error!(machine = M::TABLE.machine, "dropping a connection panicked");
        }
        socket
    }
}
