//! Several workers on one thread: which of them has the next turn, and how each of them ends. The
//! worker is the server's; that its thread sleeps and is woken is played here.

use std::io;
use std::time::Duration;

use super::random::Random;
use super::system::System;
use super::{MakeContext, Simulation};
use crate::machine::Machine;
use crate::server::Ending;
use crate::sys::Wait;
use crate::worker::Worker;

/// How seldom the worker changes that hardly gets a turn, in turns.
const LAG: usize = 64;

/// How often that worker is passed over, in so many of a thousand of its turns.
const PASSED_OVER: u32 = 900;

/// How often a worker halts in the middle of its turn while others go on, in so many of a thousand
/// turns.
const HALTS: u32 = 250;

/// One worker of the simulation. The system is lent to it for its turns, and in between it has one
/// that nothing ever happens in.
pub(super) struct Place<M: Machine> {
    pub(super) worker: Worker<M, System, MakeContext<M>>,
    ended: Option<io::Result<()>>,
    /// It is in the middle of a turn.
    has_heard: bool,
}

impl<M: Machine> Place<M>
where
    M::Decoder: Clone,
{
    pub(super) fn new(worker: Worker<M, System, MakeContext<M>>) -> Self {
        Self { worker, ended: None, has_heard: false }
    }

    /// Does a turn or a half. False when the worker is done.
    fn go_on(&mut self, drain_limit: Duration) -> io::Result<bool> {
        let system = &mut self.worker.desk.sys;
        if !std::mem::take(&mut self.has_heard) {
            let (wait, halts) = (system.seats[system.at].wait, system.random.happens(HALTS));
            self.worker.hear(wait, drain_limit)?;
            if halts {
                self.has_heard = true;
                return Ok(true);
            }
        }
        self.worker.act()
    }
}

impl<M: Machine> Simulation<M> {
    /// The workers that have not ended.
    pub(super) fn running(&self) -> Vec<usize> {
        let all = 0..self.workers.len();
        all.filter(|&number| self.workers[number].ended.is_none()).collect()
    }
}

impl<M: Machine> Simulation<M>
where
    M::Decoder: Clone,
{
    /// The worker whose turn it is next. One that is alone lets time pass in its turn; among
    /// several time passes here, and there may be none that can go on.
    pub(super) fn next_worker(&mut self) -> Option<usize> {
        if self.workers.len() == 1 {
            return Some(0);
        }
        let ready = self.system.wait_for_any(&self.running());
        self.system.choose(&ready)
    }

    /// Has a worker go once round its loop.
    pub(super) fn turn_of(&mut self, number: usize) {
        self.system.at = number;
        let place = &mut self.workers[number];
        let alone = self.system.seats.len() == 1;
        std::mem::swap(&mut self.system, &mut place.worker.desk.sys);
        let turned =
            if alone { place.worker.turn(self.drain_limit) } else { place.go_on(self.drain_limit) };
        std::mem::swap(&mut self.system, &mut place.worker.desk.sys);
        match turned {
            // It goes to sleep at once, and others have their turns before it wakes.
            Ok(true) if !alone && !place.has_heard => {
                self.system.seats[number].wait = place.worker.how_long();
            }
            Ok(true) => self.system.seats[number].wait = Wait::Poll,
            ended => self.end(number, ended.map(drop)),
        }
    }

    /// The thread of a worker is over.
    fn end(&mut self, number: usize, ended: io::Result<()>) {
        let ending = Ending::of(number, &self.handle);
        if ended.is_ok() {
            ending.in_good_order();
        }
        self.system.close_own();
        self.workers[number].ended = Some(ended);
    }

    /// How the server ended: as the first of its workers did that failed.
    pub(super) fn outcome_of_all(&mut self) -> io::Result<()> {
        let mut ends = self.workers.iter_mut().filter_map(|it| it.ended.replace(Ok(())));
        ends.find(Result::is_err).unwrap_or(Ok(()))
    }
}

impl System {
    /// Chooses one by the seed. At any time there is one that is hardly ever chosen, as on a
    /// machine with other things to do.
    fn choose(&mut self, ready: &[usize]) -> Option<usize> {
        let any = |random: &mut Random| ready.get(random.below(ready.len())).copied();
        if self.random.below(LAG) == 0 {
            self.laggard = self.random.below(self.seats.len());
        }
        let chosen = any(&mut self.random)?;
        let again = chosen == self.laggard && self.random.happens(PASSED_OVER);
        if again { any(&mut self.random) } else { Some(chosen) }
    }
}
