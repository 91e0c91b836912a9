//! The simulated system: the same trait as the real one, on a virtual clock, over simulated
//! connections. Its calls, and what it reports to be ready, have files of their own below.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::io::Errno;

use super::jobs::Jobs;
use super::random::Random;
use super::script::Script;
use super::settings::{Faults, Network, Reporting};
use super::trace::{Call, Trace};
use super::wire::{Air, Phase, Wire};
use crate::mesh::HEARS_STOPS;
use crate::peer::Peer;
use crate::pool::{Slot, Slots};
use crate::sys::{Readiness, Transfer, Wait};
use crate::table::Class;

mod calls;
mod readiness;

/// A worker that waits this often in a row without asking anything else of the system is spinning.
const SPINS: u32 = 1_000;

/// The jobs that may run or wait, unless the test says otherwise.
const POOL_ROOM: usize = 1_024;

/// The simulated system. Its workers share the network and the clock; each has a seat of its own,
/// and the calls are those of the worker whose turn it is.
pub(crate) struct System {
    pub(super) now: u64,
    /// The same, as the workers see it by the time of day: the simulation begins at the epoch.
    pub(super) time_of_day: Arc<AtomicU64>,
    /// The microseconds that have passed since `now`.
    micros: u64,
    pub(super) seats: Vec<Seat>,
    /// The worker whose turn it is.
    pub(super) at: usize,
    /// The worker that hardly gets a turn at present.
    pub(super) laggard: usize,
    /// The worker whose waits fail.
    pub(super) broken: Option<usize>,
    /// Where a stretch of simulated time ends.
    pub(super) horizon: Option<u64>,
    /// Nothing will ever happen again by itself.
    pub(super) is_idle: bool,
    pub(super) network: Network,
    pub(super) faults: Faults,
    pub(super) reporting: Reporting,
    pub(super) failure: Option<Failure>,
    pub(super) random: Random,
    pub(super) trace: Trace,
    pub(super) wires: Vec<Wire>,
    /// When to look at which connection again.
    agenda: BinaryHeap<Reverse<(u64, u64, usize)>>,
    appointments: u64,
    listeners: Vec<Listener>,
    pub(super) stops: usize,
    /// The descriptors there are, where they are limited.
    pub(super) descriptors: Option<usize>,
    /// The room in the pool.
    pub(super) slots: Slots,
    blocked: Vec<Slot>,
    pub(super) jobs: Jobs,
    pub(super) open: usize,
    /// Those handed over to a worker that ended before it took them over.
    pub(super) stranded: usize,
}

/// What one worker has of the system for itself.
pub(super) struct Seat {
    /// The listeners it accepts at, by their numbers among all; none once they are closed.
    listeners: Vec<usize>,
    /// Its connections whose readiness may have changed.
    woken: Vec<usize>,
    events: VecDeque<Readiness>,
    /// The events of preferred connections that the worker has not taken.
    preferred: VecDeque<Readiness>,
    has_reserve: bool,
    idle_waits: u32,
    /// The present wait was counted as idle already.
    is_polling: bool,
    /// What the worker waits for, and whether somebody has woken it since.
    pub(super) wait: Wait,
    pub(super) call: Arc<AtomicBool>,
    /// The connections that others left to it.
    pub(super) arrivals: VecDeque<(usize, Peer, Option<Class>)>,
    /// Its thread is over.
    has_ended: bool,
}

impl Seat {
    /// A worker that accepts at one listener.
    fn new(listener: usize) -> Self {
        Self {
            listeners: vec![listener],
            woken: Vec::new(),
            events: VecDeque::new(),
            preferred: VecDeque::new(),
            has_reserve: true,
            idle_waits: 0,
            is_polling: false,
            wait: Wait::Poll,
            call: Arc::default(),
            arrivals: VecDeque::new(),
            has_ended: false,
        }
    }

    fn has_events(&self) -> bool {
        !self.events.is_empty() || !self.preferred.is_empty()
    }
}

/// A listening socket.
struct Listener {
    backlog: VecDeque<usize>,
    is_watched: bool,
    is_armed: bool,
    is_closed: bool,
    class: Option<Class>,
}

impl Listener {
    fn new() -> Self {
        let backlog = VecDeque::new();
        Self { backlog, is_watched: true, is_armed: true, is_closed: false, class: None }
    }

    fn is_reported(&self) -> bool {
        self.is_watched && self.is_armed && !self.backlog.is_empty()
    }
}

/// One call that is made to fail.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failure {
    /// Calls until it; counted over all calls that can fail.
    pub(super) left: u64,
    pub(super) errno: i32,
    /// Every later call of its kind fails as well.
    pub(super) sticky: bool,
    /// The kind of call that was hit.
    pub(super) hit: Option<Call>,
}

impl System {
    /// A system for so many workers, each with a listener of its own.
    pub(super) fn new(seed: u64, workers: usize) -> Self {
        Self {
            now: 0,
            time_of_day: Arc::default(),
            micros: 0,
            seats: (0..workers).map(Seat::new).collect(),
            at: 0,
            laggard: 0,
            broken: None,
            horizon: None,
            is_idle: false,
            network: Network::default(),
            faults: Faults::NONE,
            reporting: Reporting::Edge,
            failure: None,
            random: Random::new(seed),
            trace: Trace::new(),
            wires: Vec::new(),
            agenda: BinaryHeap::new(),
            appointments: 0,
            listeners: (0..workers).map(|_| Listener::new()).collect(),
            stops: 0,
            descriptors: None,
            slots: Slots::new(POOL_ROOM),
            blocked: Vec::new(),
            jobs: Jobs::new(),
            open: 0,
            stranded: 0,
        }
    }

    /// Leaves room for so many jobs more.
    pub(super) fn leave_room(&mut self, jobs: usize) {
        self.blocked.extend(std::iter::from_fn(|| self.slots.take()));
        self.blocked.truncate(self.blocked.len().saturating_sub(jobs));
    }

    /// Opens another listener of the first worker.
    pub(super) fn add_listener(&mut self) {
        self.seats[0].listeners.push(self.listeners.len());
        self.listeners.push(Listener::new());
    }

    pub(super) fn set_class_at(&mut self, listener: usize, class: Class) {
        self.listeners[listener].class = Some(class);
    }

    pub(super) fn take_long(&mut self, number: usize, time: Duration) {
        let micros = time.as_micros();
        self.wires[number].server.call_micros = u64::try_from(micros).unwrap_or(u64::MAX);
    }

    /// A call on this connection takes its time.
    fn spend(&mut self, number: usize) {
        self.micros += self.wires[number].server.call_micros;
        self.now += self.micros / 1_000;
        self.micros %= 1_000;
    }

    /// Leaves listeners to these workers only.
    pub(super) fn keep_acceptors(&mut self, acceptors: &[usize]) {
        for number in (0..self.seats.len()).filter(|number| !acceptors.contains(number)) {
            self.close_listeners_of(number);
        }
    }

    /// The listener that the system gives the next client to, as it divides them: any that is
    /// open.
    pub(super) fn any_listener(&mut self) -> usize {
        if self.is_alone() {
            return 0;
        }
        let open = self.listeners.iter().enumerate().filter(|(_, listener)| !listener.is_closed);
        let open: Vec<_> = open.map(|(number, _)| number).collect();
        open.get(self.random.below(open.len())).copied().unwrap_or(0)
    }

    /// There is one worker, so time passes while it waits.
    fn is_alone(&self) -> bool {
        self.seats.len() == 1
    }

    /// A client connects to a listener and begins with its script.
    pub(super) fn connect(&mut self, listener: usize, script: Script) -> usize {
        let mut wire = Wire::default();
        wire.client.script.extend(script.steps);
        self.wires.push(wire);
        let number = self.wires.len() - 1;
        if !self.listeners[listener].is_closed {
            self.listeners[listener].backlog.push_back(number);
        } else {
            self.with(number, Wire::abort);
        }
        self.pump(number);
        number
    }

    /// Adds steps to a client's script.
    pub(super) fn extend(&mut self, number: usize, script: Script) {
        self.wires[number].client.script.extend(script.steps);
        self.pump(number);
    }

    /// The process is gone: the kernel closes what is open.
    pub(super) fn close_all(&mut self) {
        for number in 0..self.seats.len() {
            self.close_listeners_of(number);
        }
        for number in 0..self.wires.len() {
            if self.wires[number].server.phase == Phase::Open {
                self.with(number, Wire::close);
                self.pump(number);
            }
        }
        self.open = 0;
    }

    /// The thread of the worker whose turn it was is gone, and its sockets with it.
    pub(super) fn close_own(&mut self) {
        self.close_listeners_of(self.at);
        let seat = self.seat();
        (seat.has_reserve, seat.has_ended) = (false, true);
        for (number, ..) in std::mem::take(&mut seat.arrivals) {
            self.stranded += 1;
            self.turn_away(number);
        }
        for number in 0..self.wires.len() {
            let server = &self.wires[number].server;
            if server.phase == Phase::Open && server.owner == Some(self.at) {
                self.turn_away(number);
            }
        }
    }

    /// A socket is dropped that nobody serves any more.
    fn turn_away(&mut self, number: usize) {
        self.open -= 1;
        self.with(number, Wire::close);
        self.pump(number);
    }

    fn close_listeners_of(&mut self, seat: usize) {
        let mut left = Vec::new();
        for number in std::mem::take(&mut self.seats[seat].listeners) {
            self.listeners[number].is_closed = true;
            left.extend(std::mem::take(&mut self.listeners[number].backlog));
        }
        for number in left {
            self.with(number, Wire::abort);
            self.pump(number);
        }
    }

    /// Lets the network go on by itself until nothing is under way.
    pub(super) fn settle(&mut self) {
        while let Some(at) = self.next_appointment() {
            self.now = self.now.max(at);
            self.keep_appointments();
        }
    }

    fn with<T>(&mut self, number: usize, act: impl FnOnce(&mut Wire, &mut Air<'_>) -> T) -> T {
        let mut air = Air { now: self.now, network: &self.network, random: &mut self.random };
        act(&mut self.wires[number], &mut air)
    }

    /// Lets a connection do what it can do now, and makes an appointment for what comes later.
    fn pump(&mut self, number: usize) {
        let (next, changed) = self.with(number, Wire::pump);
        if changed {
            self.wake(number);
        }
        let known = self.wires[number].appointment;
        if let Some(at) = next.filter(|at| known.is_none_or(|known| *at < known)) {
            self.wires[number].appointment = Some(at);
            self.appointments += 1;
            self.agenda.push(Reverse((at, self.appointments, number)));
        }
    }

    fn wake(&mut self, number: usize) {
        let server = &mut self.wires[number].server;
        if let Some(owner) = server.owner
            && server.key.is_some()
            && !server.woken
        {
            server.woken = true;
            self.seats[owner].woken.push(number);
        }
    }

    fn next_appointment(&self) -> Option<u64> {
        self.agenda.peek().map(|Reverse((at, _, _))| *at)
    }

    fn keep_appointments(&mut self) {
        while self.next_appointment().is_some_and(|at| at <= self.now) {
            let Some(Reverse((at, _, number))) = self.agenda.pop() else { return };
            if self.wires[number].appointment == Some(at) {
                self.wires[number].appointment = None;
                self.pump(number);
            }
        }
    }

    /// Counts what a worker that does nothing goes round for; even that takes some time.
    fn note_idleness(&mut self) {
        self.now += u64::from(self.seats[self.at].idle_waits > 0);
        self.seat().idle_waits += 1;
        assert!(self.seats[self.at].idle_waits < SPINS, "the worker spins\n{}", self.trace);
    }

    /// Lets time pass until something is ready or the limit has come.
    fn pass_time(&mut self, limit: Option<u64>) {
        loop {
            self.keep_appointments();
            self.gather();
            let has_worked = self.jobs.run_due(self.now);
            let is_ready = has_worked || self.seats[self.at].has_events();
            if is_ready || limit.is_some_and(|limit| limit <= self.now) {
                return;
            }
            if !self.skip_to_next(limit) {
                return;
            }
        }
    }

    /// Moves the clock to when something can happen. False where nothing will ever happen again by
    /// itself.
    fn skip_to_next(&mut self, limit: Option<u64>) -> bool {
        let next = [self.next_appointment(), self.jobs.next_due(), limit];
        let Some(next) = next.into_iter().flatten().min() else {
            self.is_idle = true;
            return false;
        };
        self.now = next;
        true
    }

    /// Lets time pass until some of the workers that still run can go on, and answers which; none
    /// where a stretch of simulated time has ended, or nothing will ever happen again by itself.
    pub(super) fn wait_for_any(&mut self, running: &[usize]) -> Vec<usize> {
        if !running.is_empty() && self.random.happens(self.faults.interrupted) {
            return vec![running[self.random.below(running.len())]];
        }
        loop {
            self.keep_appointments();
            self.jobs.run_due(self.now);
            let ready = running.iter().copied().filter(|&worker| self.can_go_on(worker));
            let ready: Vec<_> = ready.collect();
            if !ready.is_empty() || self.horizon.is_some_and(|end| end <= self.now) {
                return ready;
            }
            let waits = running.iter().filter_map(|&worker| match self.seats[worker].wait {
                Wait::Until(at) => Some(at),
                Wait::Poll | Wait::Forever => None,
            });
            let limit = waits.chain(self.horizon).min();
            if !self.skip_to_next(limit) {
                return vec![];
            }
        }
    }

    /// Tells whether the wait of a worker is over.
    fn can_go_on(&self, worker: usize) -> bool {
        let seat = &self.seats[worker];
        let is_due = match seat.wait {
            Wait::Poll => true,
            Wait::Forever => false,
            Wait::Until(at) => at <= self.now,
        };
        is_due
            || self.broken == Some(worker)
            || seat.call.load(Ordering::Relaxed)
            || !seat.events.is_empty()
            || self.stops > 0 && worker == HEARS_STOPS
            || seat.listeners.iter().any(|&listener| self.listeners[listener].is_reported())
            || seat.woken.iter().any(|&number| self.told(number).is_some())
    }

    fn seat(&mut self) -> &mut Seat {
        &mut self.seats[self.at]
    }

    /// The error that this call is to fail with, if it is.
    fn fails(&mut self, call: Call, rate: u32) -> Option<Errno> {
        if let Some(failure) = &mut self.failure {
            let sticks = failure.sticky && failure.hit == Some(call);
            let is_hit = failure.left == 0 && failure.hit.is_none();
            failure.left = failure.left.saturating_sub(1);
            if is_hit {
                failure.hit = Some(call);
            }
            if (sticks || is_hit) && call.can_fail_with(failure.errno) {
                return Some(Errno::from_raw_os_error(failure.errno));
            }
        }
        if !self.random.happens(rate) {
            return None;
        }
        let errors = call.errors();
        Some(errors[self.random.below(errors.len())])
    }

    fn note(&mut self, call: Call, number: usize, amount: usize) {
        if call != Call::Wait {
            self.seat().idle_waits = 0;
        }
        self.trace.note(self.now, call, number, amount);
    }

    /// A part of what could move, where the network is in the mood for it.
    fn shorten(&mut self, count: usize) -> usize {
        if self.random.happens(self.faults.short) { 1 + self.random.below(count) } else { count }
    }

    fn blocks(&mut self) -> bool {
        self.reporting == Reporting::Oneshot && self.random.happens(self.faults.would_block)
    }

    fn break_off(&mut self, socket: usize, error: Errno) -> Transfer {
        self.with(socket, |wire, air| wire.break_off(error.raw_os_error(), air));
        self.pump(socket);
        Transfer::Gone(error.into())
    }

    fn has_descriptor(&self) -> bool {
        let used = self.open + self.seats.iter().filter(|seat| seat.has_reserve).count();
        self.descriptors.is_none_or(|limit| used < limit)
    }
}
