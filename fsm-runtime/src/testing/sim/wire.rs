//! One simulated connection: a client with its script, both directions of the network, and what the
//! server's kernel holds of it. Every byte is in exactly one place, so the ledger can be balanced.

use std::collections::VecDeque;
use std::net::IpAddr;

use super::random::Random;
use super::script::Step;
use super::settings::Network;
use crate::key::Key;
use crate::sys::Ready;

/// One connection.
#[derive(Default)]
pub(super) struct Wire {
    pub(super) client: Client,
    up: Lane,
    down: Lane,
    pub(super) server: Server,
    pub(super) ledger: Ledger,
    /// Where the client connects from, if not from this machine.
    pub(super) source: Option<IpAddr>,
    /// When it is to be looked at again.
    pub(super) appointment: Option<u64>,
}

/// The client's end.
#[derive(Default)]
pub(super) struct Client {
    pub(super) script: VecDeque<Step>,
    wakes_at: Option<u64>,
    /// The bytes it will still read; all where it is `None`.
    appetite: Option<usize>,
    stays_open: bool,
    outbox: VecDeque<u8>,
    finishing: bool,
    /// Nobody reads at this end any more.
    gone: bool,
    inbox: VecDeque<u8>,
    /// The server's end of input has arrived.
    pub(super) ended: bool,
    /// The connection was reset.
    pub(super) dead: bool,
}

/// The server's end, as its kernel sees it.
#[derive(Default)]
pub(super) struct Server {
    pub(super) phase: Phase,
    pub(super) inbox: VecDeque<u8>,
    pub(super) ended: bool,
    /// Died, and of this error number; it is handed out once.
    pub(super) dead: bool,
    pub(super) error: Option<i32>,
    pub(super) outbox: VecDeque<u8>,
    /// The worker was refused a byte, so it is to be told of room.
    pub(super) blocked: bool,
    pub(super) finishing: bool,
    /// When the worker shut down the sending side, closed or reset, whichever was first.
    pub(super) finished_at: Option<u64>,
    /// The worker whose it is; none while it is handed over.
    pub(super) owner: Option<usize>,
    pub(super) key: Option<Key>,
    /// It is reported to those who look for preferred connections.
    pub(super) preferred: bool,
    /// How long each read and write takes the server.
    pub(super) call_micros: u64,
    /// What is to be reported, where it must be asked for.
    pub(super) armed: Ready,
    /// It stands among those whose readiness may have changed.
    pub(super) woken: bool,
}

/// How far the server has come with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Phase {
    #[default]
    Backlog,
    Open,
    Closed,
}

/// Where the bytes of a connection went.
#[derive(Default)]
pub(super) struct Ledger {
    pub(super) client_sent: Vec<u8>,
    pub(super) server_received: Vec<u8>,
    pub(super) server_sent: Vec<u8>,
    pub(super) client_received: Vec<u8>,
    pub(super) lost_up: usize,
    pub(super) lost_down: usize,
}

/// One direction of the network: what is under way, in order.
#[derive(Default)]
struct Lane {
    flight: VecDeque<(u64, Segment)>,
    bytes: usize,
    closed: bool,
}

enum Segment {
    Bytes(Vec<u8>),
    End,
    Reset,
}

impl Lane {
    fn push(&mut self, now: u64, network: &Network, random: &mut Random, segment: Segment) {
        if self.closed {
            return;
        }
        match &segment {
            Segment::Bytes(bytes) => self.bytes += bytes.len(),
            Segment::End | Segment::Reset => self.closed = true,
        }
        let delay = if network.delay == 0 { 0 } else { random.next() % (network.delay + 1) };
        let earliest = self.flight.back().map_or(0, |(at, _)| *at);
        self.flight.push_back((earliest.max(now + delay), segment));
    }

    /// A reset overtakes nothing, but it can follow an end.
    fn reset(&mut self, now: u64, network: &Network, random: &mut Random) {
        let was_reset = self.flight.iter().any(|(_, segment)| matches!(segment, Segment::Reset));
        if !was_reset {
            self.closed = false;
            self.push(now, network, random, Segment::Reset);
        }
    }

    fn arrived(&mut self, now: u64) -> Option<Segment> {
        if self.flight.front().is_none_or(|(at, _)| *at > now) {
            return None;
        }
        let (_, segment) = self.flight.pop_front()?;
        if let Segment::Bytes(bytes) = &segment {
            self.bytes -= bytes.len();
        }
        Some(segment)
    }
}

/// What a step of the simulation needs beside the connection.
pub(super) struct Air<'a> {
    pub(super) now: u64,
    pub(super) network: &'a Network,
    pub(super) random: &'a mut Random,
}

impl Wire {
    /// Lets everything happen that happens by `now`. Answers when it is to be looked at again, and
    /// whether the server's readiness may have changed.
    pub(super) fn pump(&mut self, air: &mut Air<'_>) -> (Option<u64>, bool) {
        let mut changed = false;
        loop {
            let mut moved = self.follow_script(air);
            moved |= self.send_up(air);
            if self.arrive_up(air) {
                moved = true;
                changed = true;
            }
            if self.send_down(air) {
                moved = true;
                changed |= std::mem::take(&mut self.server.blocked);
            }
            moved |= self.arrive_down(air);
            moved |= self.read();
            if !moved {
                break;
            }
        }
        let fronts = [&self.up, &self.down].map(|lane| lane.flight.front().map(|(at, _)| *at));
        let next = fronts.into_iter().chain([self.client.wakes_at]).flatten().min();
        (next, changed)
    }

    /// Does the steps of the script that can be done.
    fn follow_script(&mut self, air: &mut Air<'_>) -> bool {
        let mut moved = false;
        while let Some(step) = self.client.script.pop_front() {
            if let Some(step) = self.do_step(step, air) {
                self.client.script.push_front(step);
                break;
            }
            moved = true;
        }
        let client = &mut self.client;
        let over = client.script.is_empty() && client.ended && client.inbox.is_empty();
        if over && !client.stays_open && !client.finishing {
            client.finishing = true;
            moved = true;
        }
        moved
    }

    /// Does one step, or gives it back where its time has not come.
    fn do_step(&mut self, step: Step, air: &mut Air<'_>) -> Option<Step> {
        let client = &mut self.client;
        let has_ended = client.ended || client.dead;
        match step {
            Step::Wait(millis) => {
                let at = *client.wakes_at.get_or_insert(air.now + millis);
                if at > air.now {
                    return Some(step);
                }
                client.wakes_at = None;
            }
            Step::Expect(bytes) if !has_ended && self.ledger.client_received.len() < bytes => {
                return Some(step);
            }
            Step::ExpectEnd if !has_ended => return Some(step),
            Step::Expect(_) | Step::ExpectEnd => {}
            Step::Send(bytes) if !client.finishing && !client.dead => {
                self.ledger.client_sent.extend_from_slice(&bytes);
                client.outbox.extend(bytes);
            }
            Step::Send(_) => {}
            Step::Appetite(bytes) => client.appetite = bytes,
            Step::HalfClose => client.finishing = true,
            Step::Close => {
                client.finishing = true;
                client.gone = true;
                self.ledger.lost_down += client.inbox.len();
                client.inbox.clear();
            }
            Step::Reset => self.client_resets(air),
            Step::StayOpen => client.stays_open = true,
        }
        None
    }

    fn client_resets(&mut self, air: &mut Air<'_>) {
        self.up.reset(air.now, air.network, air.random);
        self.client_dies();
    }

    /// The client's kernel forgets the connection: what nobody has read is lost, as careful servers
    /// fear.
    fn client_dies(&mut self) {
        let client = &mut self.client;
        client.dead = true;
        client.gone = true;
        self.ledger.lost_up += client.outbox.len();
        self.ledger.lost_down += client.inbox.len();
        client.outbox.clear();
        client.inbox.clear();
    }

    fn send_up(&mut self, air: &mut Air<'_>) -> bool {
        let mut moved = false;
        while !self.client.outbox.is_empty() {
            let held = self.up.bytes + self.server.inbox.len();
            let room = air.network.receive_buffer.saturating_sub(held);
            // A closed server takes everything, and answers it with a reset.
            let room = if self.server.phase == Phase::Closed { usize::MAX } else { room };
            let count = cut(air, self.client.outbox.len().min(room));
            if count == 0 {
                return moved;
            }
            let bytes = self.client.outbox.drain(..count).collect();
            self.up.push(air.now, air.network, air.random, Segment::Bytes(bytes));
            moved = true;
        }
        if self.client.finishing && !self.up.closed {
            self.up.push(air.now, air.network, air.random, Segment::End);
            moved = true;
        }
        moved
    }

    fn arrive_up(&mut self, air: &mut Air<'_>) -> bool {
        let mut moved = false;
        while let Some(segment) = self.up.arrived(air.now) {
            moved = true;
            let refuses = self.server.phase == Phase::Closed || self.server.dead;
            match segment {
                Segment::Bytes(bytes) if refuses => {
                    self.ledger.lost_up += bytes.len();
                    self.reset_by_server(air);
                }
                Segment::Bytes(bytes) => self.server.inbox.extend(bytes),
                Segment::End => self.server.ended = true,
                Segment::Reset => self.server_dies(rustix::io::Errno::CONNRESET.raw_os_error()),
            }
        }
        moved
    }

    /// The connection is dead for the server; what has arrived can still be read.
    pub(super) fn server_dies(&mut self, error: i32) {
        let server = &mut self.server;
        server.dead = true;
        server.error = Some(error);
        self.ledger.lost_down += server.outbox.len();
        server.outbox.clear();
    }

    fn send_down(&mut self, air: &mut Air<'_>) -> bool {
        let mut moved = false;
        while !self.server.outbox.is_empty() {
            let held = self.down.bytes + self.client.inbox.len();
            let room = air.network.client_buffer.saturating_sub(held);
            let count = cut(air, self.server.outbox.len().min(room));
            if count == 0 {
                return moved;
            }
            let bytes = self.server.outbox.drain(..count).collect();
            self.down.push(air.now, air.network, air.random, Segment::Bytes(bytes));
            moved = true;
        }
        if self.server.finishing && !self.down.closed {
            self.down.push(air.now, air.network, air.random, Segment::End);
            moved = true;
        }
        moved
    }

    fn arrive_down(&mut self, air: &mut Air<'_>) -> bool {
        let mut moved = false;
        while let Some(segment) = self.down.arrived(air.now) {
            moved = true;
            match segment {
                Segment::Bytes(bytes) if self.client.gone => {
                    self.ledger.lost_down += bytes.len();
                    self.client_resets(air);
                }
                Segment::Bytes(bytes) => self.client.inbox.extend(bytes),
                Segment::End => self.client.ended = true,
                Segment::Reset => self.client_dies(),
            }
        }
        moved
    }

    /// The client reads as far as its script lets it.
    fn read(&mut self) -> bool {
        let client = &mut self.client;
        let count = client.inbox.len().min(client.appetite.unwrap_or(usize::MAX));
        if count == 0 {
            return false;
        }
        if let Some(appetite) = &mut client.appetite {
            *appetite -= count;
        }
        self.ledger.client_received.extend(client.inbox.drain(..count));
        true
    }

    /// The server closes its end. What is unread makes the kernel reset the connection.
    pub(super) fn close(&mut self, air: &mut Air<'_>) {
        let unread = self.server.inbox.len();
        if unread > 0 {
            self.ledger.lost_up += unread;
            self.server.inbox.clear();
            self.reset_by_server(air);
        }
        self.server.finishing = true;
        self.server.phase = Phase::Closed;
        self.server.finished_at.get_or_insert(air.now);
    }

    /// The server resets the connection.
    pub(super) fn abort(&mut self, air: &mut Air<'_>) {
        self.reset_by_server(air);
        self.close(air);
    }

    fn reset_by_server(&mut self, air: &mut Air<'_>) {
        self.ledger.lost_down += self.server.outbox.len();
        self.server.outbox.clear();
        self.down.reset(air.now, air.network, air.random);
    }

    /// The connection breaks under the server's hands.
    pub(super) fn break_off(&mut self, error: i32, air: &mut Air<'_>) {
        self.ledger.lost_up += self.server.inbox.len();
        self.server.inbox.clear();
        self.server_dies(error);
        self.server.error = None;
        self.reset_by_server(air);
    }

    /// What the server's end is ready for now.
    pub(super) fn ready(&self, network: &Network, tells_end: bool) -> Ready {
        let server = &self.server;
        let mut ready = Ready::NONE;
        if !server.inbox.is_empty() || server.ended || server.dead {
            ready = ready.and(Ready::READ);
        }
        if server.outbox.len() < network.send_buffer || server.dead {
            ready = ready.and(Ready::WRITE);
        }
        let hung_up = server.dead || server.ended && server.finishing;
        if hung_up || server.ended && tells_end {
            ready = ready.and(Ready::READ_CLOSED);
        }
        if server.error.is_some() {
            ready = ready.and(Ready::ERROR);
        }
        ready
    }

    /// Says what is wrong with the books, if anything is.
    pub(super) fn audit(&self) -> Result<(), String> {
        let ledger = &self.ledger;
        let up = self.client.outbox.len() + self.up.bytes + self.server.inbox.len();
        let down = self.server.outbox.len() + self.down.bytes + self.client.inbox.len();
        let sides = [
            ("client", &ledger.client_sent, &ledger.server_received, ledger.lost_up, up),
            ("server", &ledger.server_sent, &ledger.client_received, ledger.lost_down, down),
        ];
        for (who, sent, received, lost, waiting) in sides {
            if !sent.starts_with(received) {
                return Err(format!("what the {who} sent arrived changed or out of order"));
            }
            if sent.len() != received.len() + lost + waiting {
                return Err(format!(
                    "the {who} sent {} bytes, but {} arrived, {lost} were lost and {waiting} wait",
                    sent.len(),
                    received.len(),
                ));
            }
        }
        Ok(())
    }
}

/// A number of bytes that travel together, at most `count`.
fn cut(air: &mut Air<'_>, count: usize) -> usize {
    let limit = air.network.segment;
    if count == 0 || limit == usize::MAX || air.network.regular {
        return count.min(limit);
    }
    1 + air.random.below(count.min(limit))
}
