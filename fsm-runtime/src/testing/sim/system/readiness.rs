//! What a worker of the simulated system is told to be ready, and what it is told though it is not
//! so.

use super::System;
use crate::key::Key;
use crate::mesh::HEARS_STOPS;
use crate::sys::{Readiness, Ready};
use crate::testing::sim::settings::Reporting;
use crate::testing::sim::wire::Phase;

impl System {
    /// Gathers what is ready, in any order.
    pub(super) fn gather(&mut self) {
        self.gather_sources();
        let mut candidates = std::mem::take(&mut self.seat().woken);
        for at in (1..candidates.len()).rev() {
            candidates.swap(at, self.random.below(at + 1));
        }
        for number in candidates {
            if self.seats[self.at].events.len() >= self.network.events {
                self.seat().woken.push(number);
                continue;
            }
            self.wires[number].server.woken = false;
            self.report(number);
        }
        self.gather_false_reports();
    }

    /// Gathers what preferred connections are ready for, of all that is ready by now.
    pub(super) fn gather_preferred(&mut self) {
        self.keep_appointments();
        for number in std::mem::take(&mut self.seat().woken) {
            if self.wires[number].server.preferred {
                self.wires[number].server.woken = false;
                self.report(number);
            } else {
                self.seat().woken.push(number);
            }
        }
    }

    fn gather_sources(&mut self) {
        let seat = &mut self.seats[self.at];
        if self.stops > 0 && self.at == HEARS_STOPS {
            seat.events.push_back(Readiness { key: Key::CONTROL, ready: Ready::READ });
        }
        let mut is_waited_for = false;
        for (number, &listener) in seat.listeners.iter().enumerate() {
            let listener = &mut self.listeners[listener];
            if listener.is_reported() {
                listener.is_armed = self.reporting == Reporting::Edge;
                is_waited_for = true;
                seat.events.push_back(Readiness { key: Key::listener(number), ready: Ready::READ });
            }
        }
        if is_waited_for && !seat.is_polling {
            self.note_idleness();
        }
    }

    /// Reports a connection as its mode of reporting has it.
    fn report(&mut self, number: usize) {
        let told = self.told(number);
        if let Some(readiness) = told {
            if self.reporting == Reporting::Oneshot {
                self.wires[number].server.armed = Ready::NONE;
            }
            let preferred = self.wires[number].server.preferred;
            let seat = self.seat();
            let events = if preferred { &mut seat.preferred } else { &mut seat.events };
            events.push_back(readiness);
        }
    }

    /// What the system would report of a connection now.
    pub(super) fn told(&self, number: usize) -> Option<Readiness> {
        let wire = &self.wires[number];
        let key = wire.server.key.filter(|_| wire.server.phase == Phase::Open)?;
        let mut ready = wire.ready(&self.network, self.reporting == Reporting::Edge);
        if self.reporting == Reporting::Oneshot {
            let is_broken = ready.has(Ready::READ_CLOSED);
            let kept = [Ready::READ, Ready::WRITE]
                .into_iter()
                .filter(|bit| ready.has(*bit) && (wire.server.armed.has(*bit) || is_broken));
            let told = kept.fold(Ready::NONE, Ready::and);
            let rest = ready.without(Ready::READ.and(Ready::WRITE));
            ready = told.and(rest);
            if wire.server.armed == Ready::NONE {
                return None;
            }
        }
        (ready != Ready::NONE).then_some(Readiness { key, ready })
    }

    fn gather_false_reports(&mut self) {
        if self.wires.is_empty() {
            return;
        }
        if self.random.happens(self.faults.stale) {
            let number = self.random.below(self.wires.len());
            let server = &self.wires[number].server;
            let key = server.key.filter(|_| server.phase == Phase::Closed);
            if let Some((key, owner)) = key.zip(server.owner) {
                let ready = Ready::READ.and(Ready::WRITE).and(Ready::READ_CLOSED).and(Ready::ERROR);
                self.seats[owner].events.push_back(Readiness { key, ready });
            }
        }
        if self.random.happens(self.faults.spurious) {
            let number = self.random.below(self.wires.len());
            let server = &mut self.wires[number].server;
            let key = server.key.filter(|_| server.phase == Phase::Open);
            let Some((key, owner)) = key.zip(server.owner) else { return };
            let ready = match self.reporting {
                Reporting::Edge => Ready::READ,
                Reporting::Oneshot => std::mem::take(&mut server.armed),
            };
            self.seats[owner].events.push_back(Readiness { key, ready });
        }
    }
}
