//! The calls of the simulated system: what the real one asks of the kernel, each with the faults
//! that a seed makes of it.

use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::io::Errno;

use super::System;
use crate::io::Work;
use crate::key::Key;
use crate::peer::Peer;
use crate::pool::{JobId, Slot};
use crate::sys::{Accept, Readiness, Ready, Sys, Transfer, Wait};
use crate::table::Class;
use crate::testing::sim::settings::Reporting;
use crate::testing::sim::trace::Call;
use crate::testing::sim::wire::{Phase, Wire};

/// The longest pause of the whole machine, in milliseconds.
const LONGEST_PAUSE: usize = 200;

/// The first port of the simulated clients.
const FIRST_PORT: usize = 1_024;

impl Sys for System {
    type Socket = usize;

    fn now(&mut self) -> u64 {
        self.time_of_day.store(self.now, Ordering::Relaxed);
        self.now
    }

    fn wait(&mut self, wait: Wait) -> io::Result<()> {
        self.note(Call::Wait, self.at, 0);
        self.seat().is_polling = wait == Wait::Poll;
        if wait == Wait::Poll {
            self.note_idleness();
        }
        if self.random.happens(self.faults.pause) {
            self.now += self.random.below(LONGEST_PAUSE + 1) as u64;
        }
        if self.is_alone() {
            self.seat().events.clear();
            self.seat().preferred.clear();
        }
        if self.random.happens(self.faults.interrupted) {
            return Ok(());
        }
        self.seat().call.store(false, Ordering::Relaxed);
        let limit = match wait {
            // Among several a worker goes on when its wait is over, so no time passes here.
            _ if !self.is_alone() => Some(self.now),
            Wait::Poll => Some(self.now),
            Wait::Forever => self.horizon,
            Wait::Until(at) => Some(self.horizon.map_or(at, |horizon| horizon.min(at))),
        };
        self.pass_time(limit);
        let is_broken = self.broken == Some(self.at);
        match self.fails(Call::Wait, self.faults.wait).or(is_broken.then_some(Errno::NOMEM)) {
            None | Some(Errno::INTR) => Ok(()),
            Some(error) => {
                self.is_idle = false;
                Err(error.into())
            }
        }
    }

    fn next_event(&mut self) -> Option<Readiness> {
        self.seat().events.pop_front()
    }

    fn stop_requests(&mut self) -> usize {
        std::mem::take(&mut self.stops)
    }

    fn listeners(&self) -> usize {
        self.seats[self.at].listeners.len()
    }

    fn reports_listeners_by_level(&self) -> bool {
        self.reporting == Reporting::Edge
    }

    fn accept(&mut self, listener: usize) -> Accept<usize> {
        let listener = self.seats[self.at].listeners.get(listener);
        let Some(&listener) = listener else { return Accept::WouldBlock };
        let Some(&number) = self.listeners[listener].backlog.front() else {
            self.listeners[listener].is_armed = true;
            return Accept::WouldBlock;
        };
        let error = self.fails(Call::Accept, self.faults.accept);
        let error = error.or_else(|| (!self.has_descriptor()).then_some(Errno::MFILE));
        if let Some(error) = error {
            self.note(Call::Accept, number, error.raw_os_error().unsigned_abs() as usize);
            let answer = Accept::failed(error);
            if matches!(answer, Accept::Retry) && error != Errno::INTR {
                self.listeners[listener].backlog.pop_front();
                self.with(number, Wire::abort);
                self.pump(number);
            }
            return answer;
        }
        self.note(Call::Accept, number, 0);
        self.listeners[listener].backlog.pop_front();
        self.open += 1;
        let server = &mut self.wires[number].server;
        (server.phase, server.owner) = (Phase::Open, Some(self.at));
        let port = u16::try_from(FIRST_PORT + number % 60_000).unwrap_or(u16::MAX);
        let source = self.wires[number].source.unwrap_or(Ipv4Addr::LOCALHOST.into());
        Accept::Socket(number, Peer::Tcp(SocketAddr::from((source, port))))
    }

    fn class_at(&self, listener: usize) -> Option<Class> {
        let listener = self.seats[self.at].listeners.get(listener);
        listener.and_then(|&listener| self.listeners[listener].class)
    }

    fn listen(&mut self, listener: usize, on: bool) -> io::Result<()> {
        self.note(Call::Listen, 0, usize::from(on));
        if let Some(error) = self.fails(Call::Listen, self.faults.listen) {
            return Err(error.into());
        }
        let Some(&listener) = self.seats[self.at].listeners.get(listener) else { return Ok(()) };
        let listener = &mut self.listeners[listener];
        if on && listener.is_watched {
            return Err(Errno::EXIST.into());
        }
        if !on && !listener.is_watched {
            return Err(Errno::NOENT.into());
        }
        listener.is_watched = on;
        listener.is_armed = true;
        Ok(())
    }

    fn close_listeners(&mut self) {
        self.close_listeners_of(self.at);
    }

    fn refuse(&mut self, listener: usize) -> Option<Peer> {
        self.seat().has_reserve = false;
        let refused = match self.accept(listener) {
            Accept::Socket(socket, peer) => {
                self.close(socket);
                Some(peer)
            }
            _ => None,
        };
        self.keep_reserve();
        refused
    }

    fn keep_reserve(&mut self) {
        self.seat().has_reserve = self.seats[self.at].has_reserve || self.has_descriptor();
    }

    fn register(&mut self, socket: &usize, key: Key, preferred: bool) -> io::Result<()> {
        self.note(Call::Register, *socket, usize::from(preferred));
        if let Some(error) = self.fails(Call::Register, self.faults.register) {
            return Err(error.into());
        }
        let server = &mut self.wires[*socket].server;
        server.key = Some(key);
        server.preferred = preferred;
        self.wake(*socket);
        Ok(())
    }

    fn prefer(&mut self, socket: &usize, key: Key, preferred: bool) -> io::Result<()> {
        let was = self.wires[*socket].server.preferred;
        assert!(was != preferred, "a connection is moved to where it is");
        // What was to be reported there is gone with the registration.
        self.seat().preferred.retain(|event| event.key != key);
        self.register(socket, key, preferred)
    }

    fn look(&mut self, _: impl FnMut(Key) -> bool) {
        self.gather_preferred();
    }

    fn next_preferred(&mut self) -> Option<Readiness> {
        self.seat().preferred.pop_front()
    }

    fn rearm(&mut self, socket: &usize, _: Key, waits: Ready) -> io::Result<()> {
        if self.reporting == Reporting::Edge || waits == Ready::NONE {
            return Ok(());
        }
        self.note(Call::Rearm, *socket, 0);
        if let Some(error) = self.fails(Call::Rearm, self.faults.rearm) {
            return Err(error.into());
        }
        self.wires[*socket].server.armed = waits;
        self.wake(*socket);
        Ok(())
    }

    fn receive(&mut self, socket: &usize, buffer: &mut [u8]) -> Transfer {
        let number = *socket;
        self.spend(number);
        if let Some(error) = self.fails(Call::Receive, self.faults.reset) {
            self.note(Call::Receive, number, usize::MAX);
            return self.break_off(number, error);
        }
        let server = &mut self.wires[number].server;
        assert_eq!(server.phase, Phase::Open, "a closed socket is read");
        if server.inbox.is_empty() {
            self.note(Call::Receive, number, 0);
            let server = &mut self.wires[number].server;
            return match server.error.take() {
                Some(error) => Transfer::Gone(Errno::from_raw_os_error(error).into()),
                None if server.ended || server.dead => Transfer::Moved(0),
                None => Transfer::WouldBlock,
            };
        }
        let count = server.inbox.len().min(buffer.len());
        if self.blocks() {
            return Transfer::WouldBlock;
        }
        let count = self.shorten(count);
        let server = &mut self.wires[number].server;
        for (to, byte) in buffer.iter_mut().zip(server.inbox.drain(..count)) {
            *to = byte;
        }
        let has_more = !server.inbox.is_empty();
        self.wires[number].ledger.server_received.extend_from_slice(&buffer[..count]);
        if has_more && count < buffer.len() {
            // As if the rest had arrived just after this read: a new edge.
            self.wake(number);
        }
        self.note(Call::Receive, number, count);
        self.pump(number);
        Transfer::Moved(count)
    }

    fn send(&mut self, socket: &usize, bytes: &[u8]) -> Transfer {
        let number = *socket;
        self.spend(number);
        if let Some(error) = self.fails(Call::Send, self.faults.reset) {
            self.note(Call::Send, number, usize::MAX);
            return self.break_off(number, error);
        }
        let server = &mut self.wires[number].server;
        assert_eq!(server.phase, Phase::Open, "a closed socket is written");
        assert!(!server.finishing, "a socket is written after its sending side was shut down");
        if server.dead {
            let error = server.error.take().map_or(Errno::PIPE, Errno::from_raw_os_error);
            self.note(Call::Send, number, usize::MAX);
            return Transfer::Gone(error.into());
        }
        let room = self.network.send_buffer.saturating_sub(server.outbox.len()).min(bytes.len());
        if room == 0 || self.blocks() {
            self.wires[number].server.blocked = true;
            self.note(Call::Send, number, 0);
            return Transfer::WouldBlock;
        }
        let count = self.shorten(room);
        let wire = &mut self.wires[number];
        wire.server.outbox.extend(&bytes[..count]);
        wire.ledger.server_sent.extend_from_slice(&bytes[..count]);
        wire.server.blocked = count < bytes.len();
        if count < room {
            // As if there had been less room, and the rest of it had come just after this write.
            self.wake(number);
        }
        self.note(Call::Send, number, count);
        self.pump(number);
        Transfer::Moved(count)
    }

    fn send_pieces(&mut self, socket: &usize, pieces: &[IoSlice<'_>]) -> Transfer {
        let bytes: Vec<u8> = pieces.iter().flat_map(|piece| piece.iter().copied()).collect();
        self.send(socket, &bytes)
    }

    fn finish_sending(&mut self, socket: &usize) {
        self.note(Call::Finish, *socket, 0);
        let now = self.now;
        let server = &mut self.wires[*socket].server;
        server.finishing = true;
        server.finished_at.get_or_insert(now);
        self.pump(*socket);
    }

    fn close(&mut self, socket: usize) {
        self.note(Call::Close, socket, 0);
        assert_eq!(self.wires[socket].server.phase, Phase::Open, "a socket is closed twice");
        self.open -= 1;
        self.with(socket, Wire::close);
        self.pump(socket);
    }

    fn abort(&mut self, socket: usize) {
        self.note(Call::Abort, socket, 0);
        assert_eq!(self.wires[socket].server.phase, Phase::Open, "a socket is closed twice");
        self.open -= 1;
        self.with(socket, Wire::abort);
        self.pump(socket);
    }

    fn take_error(&mut self, socket: &usize) -> Option<io::Error> {
        let error = self.wires[*socket].server.error.take();
        error.map(|error| Errno::from_raw_os_error(error).into())
    }

    fn offload(&mut self, slot: Slot, work: Work) -> JobId {
        let time = self.jobs.shortest..=self.jobs.longest;
        let millis = self.random.between(time);
        self.jobs.add(self.now, millis, slot, work)
    }

    fn cancel(&mut self, job: JobId) {
        self.jobs.cancel(job);
    }

    fn hand_over(&mut self, worker: usize, socket: usize, peer: Peer, class: Option<Class>) {
        self.note(Call::HandOver, socket, worker);
        self.wires[socket].server.owner = None;
        if self.seats[worker].has_ended {
            self.stranded += 1;
            return self.turn_away(socket);
        }
        self.seats[worker].arrivals.push_back((socket, peer, class));
    }

    fn next_arrival(&mut self) -> Option<(usize, Peer, Option<Class>)> {
        let (socket, peer, class) = self.seat().arrivals.pop_front()?;
        self.wires[socket].server.owner = Some(self.at);
        Some((socket, peer, class))
    }

    /// In microseconds.
    fn stopwatch(&mut self) -> u64 {
        self.now * 1_000 + self.micros
    }

    fn span_within(&mut self, limit: Duration) -> u64 {
        u64::try_from(limit.as_micros()).unwrap_or(u64::MAX)
    }

    fn time_of(&mut self, span: u64) -> Duration {
        Duration::from_micros(span)
    }
}
