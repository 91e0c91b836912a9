//! The event loop of one worker: wait, serve what is ready in slices, let deadlines pass, accept.
//!
//! Everything a worker needs is its own: system, connections, timers, buffers and shared data. It
//! knows machines only through [`Machine`] and the system only through [`Sys`]. What happens within
//! one slice of one connection is in `slice`.
//!
//! A turn of the loop is [`Worker::hear`] (wait, then the mail, in `mail`, and the events), then
//! [`Worker::act`] (deadlines, new connections, in `accept`, and the run queue). Between two slices
//! `precedence` sees who comes first. `parting` has the ways in which a connection ends, and
//! `drain` that of the worker.
//!
//! Before code of the author's runs, `current` names the connection, so that a panic finds its
//! way to it, and the turn's key does for what the code sends; [`Worker::at`] sees to the latter.

use std::collections::BTreeSet;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::accept::Accepting;
use crate::accepted::Accepted;
use crate::connection::{Connection, Flags, TICK_MILLIS};
use crate::drain::Drain;
use crate::io::{Ties, Turn};
use crate::key::{Key, Source};
use crate::machine::Machine;
use crate::mail::Mailbag;
use crate::peer::Peer;
use crate::schedule::Schedule;
use crate::slab::Slab;
use crate::slice::{self, Desk, Served};
use crate::summary::Summary;
use crate::sys::{Readiness, Ready, Sys, Wait};
use crate::table::{Class, Table};
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

/// How long a slice may take before a warning is logged, unless the author says otherwise: 100 ms,
/// which a person notices and no slice that only decides comes near to.
pub const DEFAULT_SLOW_SLICE: Duration = Duration::from_millis(100);

/// One worker: a thread's worth of connections.
pub(crate) struct Worker<M: Machine, S: Sys, F> {
    pub(crate) connections: Connections<M, S>,
    pub(crate) desk: Desk<M, S>,
    pub(crate) wheel: Wheel,
    pub(crate) schedule: Schedule,
    /// The time from which on a slice is slow.
    pub(crate) slow_slice: Duration,
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
    pub(crate) drain: Drain,
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

/// Has a connection watched by its class: a new one, or one that is known as of another.
fn watch<S: Sys>(
    sys: &mut S,
    socket: &S::Socket,
    key: Key,
    class: Class,
    known_as: Option<Class>,
) -> io::Result<()> {
    let preferred = class == Class::Preferred;
    match known_as {
        None => sys.register(socket, key, preferred),
        Some(before) if preferred != (before == Class::Preferred) => {
            sys.prefer(socket, key, preferred)
        }
        Some(_) => Ok(()),
    }
}

impl<M, S, F> Worker<M, S, F>
where
    M: Machine,
    M::Decoder: Clone,
    S: Sys,
    F: FnMut(&Peer) -> Accepted<M::Context>,
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
        let slow_slice = DEFAULT_SLOW_SLICE;
        let schedule = Schedule::new(sys.span_within(slow_slice));
        let number = ties.worker;
        let handing = (0..).take(ties.handle.workers()).collect();
        Self {
            connections: Slab::new(),
            desk: Desk::new(sys, shared, Turn::new(ties)),
            wheel: Wheel::new(0),
            schedule,
            slow_slice,
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

    /// Sets how long a slice may take before it is reported.
    pub(crate) fn set_slow_slice(&mut self, limit: Duration) {
        self.slow_slice = limit;
        self.schedule.set_slow(self.desk.sys.span_within(limit));
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
        let wait = self.how_long();
        self.hear(wait, drain_limit)?;
        self.act()
    }

    /// The first half of a turn: waits as long as [`Worker::how_long`] says, and takes what has
    /// come.
    ///
    /// # Errors
    /// The system's answer to a wait that failed.
    #[inline]
    pub(crate) fn hear(&mut self, wait: Wait, drain_limit: Duration) -> io::Result<()> {
        self.turns += 1;
        let waited = self.desk.sys.wait(wait);
        self.read_clock();
        self.serve_mail(drain_limit);
        // Events that came with an error are served all the same: they are reported only once.
        self.serve_events();
        match waited {
            Ok(()) => self.failed_waits = 0,
            Err(error) => {
                if let Err(error) = self.bear(error) {
                    self.cut_off();
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// The second half of a turn: deadlines, new connections, those who stand in the queue. False
    /// when the worker is done.
    ///
    /// # Errors
    /// What a listener broke of.
    #[inline]
    pub(crate) fn act(&mut self) -> io::Result<bool> {
        self.expire();
        if let Err(error) = self.accept() {
            // Whoever is there ends as at a stop: what a terminal state cleans up is cleaned up.
            self.cut_off();
            return Err(error);
        }
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

    /// How long the worker may wait. Unless that is not at all, it counts as asleep from then on.
    pub(crate) fn how_long(&self) -> Wait {
        let has_work = !self.schedule.is_empty() || !self.accepting.ready.is_empty();
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

    /// Takes every event of the last wait, behind those of preferred connections.
    #[inline]
    fn serve_events(&mut self) {
        self.begin_slice();
        self.guard(|worker| {
            if worker.schedule.has_preferred() {
                worker.serve_preferred();
            }
            while let Some(event) = worker.desk.sys.next_event() {
                worker.take(event);
            }
        });
    }

    /// Serves those who stand in the queue now, each for one slice, and the background where that
    /// leaves room.
    #[inline]
    fn serve_runnable(&mut self) {
        let mut left = self.schedule.normal();
        if left > 0 || self.schedule.has_background() {
            self.begin_slice();
            self.guard(|worker| {
                while left > 0 {
                    left -= 1;
                    worker.serve_from(Class::Normal);
                    worker.attend();
                }
                if worker.schedule.ends_turn_idle() {
                    worker.serve_from(Class::Background);
                }
            });
        }
    }

    /// Has `serve` go on with the others when a slice panics: it costs its own connection.
    #[inline]
    pub(crate) fn guard(&mut self, mut serve: impl FnMut(&mut Self)) {
        while catch_unwind(AssertUnwindSafe(|| serve(self))).is_err() {
            self.bury();
            self.begin_slice();
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
                let state = connection.machine.state();
                match slice::serve_reader(connection, input, desk, key) {
                    // Apart from the others, so that the common slice needs no second look at this.
                    Served::Waits => self.end_quick_slice(index, state),
                    served => self.end_slice(served, index, state),
                }
            }
        } else if !connection.flags.has(Flags::QUEUED) && connection.has_work() {
            if connection.flags.has(Flags::CLASSED) {
                connection.flags.insert(Flags::QUEUED);
                let class = connection.class();
                return self.schedule.push(class, index);
            }
            let state = connection.machine.state();
            let served = slice::serve(connection, input, desk);
            self.end_slice(served, index, state);
        }
    }

    /// Ends a slice after which the connection waits.
    #[inline(always)]
    fn end_quick_slice(&mut self, index: u32, state: usize) {
        let span = self.schedule.lap(self.desk.sys.stopwatch());
        if self.schedule.looks_up(span) {
            self.look_up(Served::Waits, index, state, span);
        }
    }

    /// Ends the slice of a connection that was in `state` before it.
    fn end_slice(&mut self, served: Served, index: u32, state: usize) {
        let span = self.schedule.lap(self.desk.sys.stopwatch());
        if self.schedule.looks_up(span) {
            return self.look_up(served, index, state, span);
        }
        self.follow(served, index);
    }

    /// Does what follows from a slice.
    #[inline]
    pub(crate) fn follow(&mut self, served: Served, index: u32) {
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
    pub(crate) fn settle(&mut self, index: u32) {
        let Some((connection, generation)) = self.connections.get_with_generation(index) else {
            return;
        };
        let key = Key::connection(index, generation);
        let (is_new, before) = (connection.flags.has(Flags::NEW), connection.change_class());
        if is_new || before.is_some() {
            connection.flags.remove(Flags::NEW);
            let class = connection.class();
            if let Some(before) = before {
                self.schedule.leave(before);
                self.schedule.join(class);
            }
            let known_as = before.filter(|_| !is_new);
            let watched = watch(&mut self.desk.sys, &connection.socket, key, class, known_as);
            if let Err(error) = watched {
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
            self.schedule.push(connection.class(), index);
        } else if let Err(error) = self.desk.sys.rearm(&connection.socket, key, connection.waits())
        {
            self.lose(index, error);
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
        self.keep_drain_limit();
    }

    /// Puts a connection into the run queue for a reason of its own.
    pub(crate) fn wake(&mut self, index: u32, reason: Flags) {
        let Some(connection) = self.connections.get_mut(index) else { return };
        connection.flags.insert(reason);
        if !connection.flags.has(Flags::QUEUED) {
            connection.flags.insert(Flags::QUEUED);
            self.schedule.push(connection.class(), index);
        }
    }
}
