//! What the worker keeps of one connection, and what follows from it alone: whether there is work,
//! what is waited for, and when its next deadline passes. It calls no system and knows no other
//! connection.

use crate::buffers::Buffers;
use crate::io::Turn;
use crate::machine::Machine;
use crate::sys::Ready;
use crate::table::{Class, DeadlineKind, Interest};
use crate::wheel::{Link, is_before};
use std::time::Duration;

/// The milliseconds of a tick, the unit of all deadlines: idle timeouts need no more.
pub(crate) const TICK_MILLIS: u64 = 16;

/// A terminal connection whose peer neither sends nor closes is closed after this long (nginx's
/// `lingering_timeout`).
const LINGER_IDLE: Duration = Duration::from_secs(5);

/// While the server drains it is closed after this long: time for the peer to answer the end of our
/// output with its own from anywhere. A client that never closes, as many an idle `nc`, does not
/// hold up a restart.
const LINGER_DRAINING: Duration = Duration::from_secs(1);

/// A terminal connection is closed after this long even if its peer goes on sending (nginx's
/// `lingering_time`).
const LINGER_TOTAL: Duration = Duration::from_secs(30);

/// The longest deadline in ticks: half of what the tick counter can tell apart, which is over half
/// a year.
const MAX_TICKS: u64 = (u32::MAX / 4) as u64;

/// One connection. An idle one owns no heap memory but its slot.
pub(crate) struct Connection<M: Machine, K> {
    pub(crate) socket: K,
    /// What the socket is ready for, as far as is known without asking.
    pub(crate) ready: Ready,
    /// What the present state watches for.
    pub(crate) interest: Interest,
    pub(crate) flags: Flags,
    /// The place in the timer wheel.
    pub(crate) link: Link,
    pub(crate) clocks: Clocks,
    /// Bytes that wait: undelivered input and unsent output. There only while some wait.
    pub(crate) buffers: Option<Box<Buffers>>,
    pub(crate) decoder: M::Decoder,
    pub(crate) machine: M,
    pub(crate) context: M::Context,
}

/// When things last happened, in ticks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clocks {
    /// The present state was entered.
    pub(crate) entered: u32,
    /// The present state's group was entered.
    pub(crate) group: u32,
    /// An input was delivered.
    pub(crate) input: u32,
    /// A byte moved.
    pub(crate) progress: u32,
    /// The bytes of `without N bytes` are counted since.
    pub(crate) counted_since: u32,
    /// The bytes counted.
    pub(crate) counted: u64,
}

impl Clocks {
    pub(crate) fn starting(now: u32) -> Self {
        Self { entered: now, group: now, input: now, progress: now, counted_since: now, counted: 0 }
    }

    /// Notes that bytes moved, which at least one did.
    #[inline]
    pub(crate) fn moved(&mut self, bytes: usize, now: u32) {
        self.progress = now;
        self.counted += bytes as u64;
    }
}

/// What is to be remembered of a connection from one slice to the next, as a set of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Flags(u32);

impl Flags {
    pub(crate) const NONE: Self = Self(0);
    /// It stands in the run queue.
    pub(crate) const QUEUED: Self = Self(1);
    /// `connected` has not been delivered, and the poller does not know the socket.
    pub(crate) const NEW: Self = Self(1 << 1);
    /// Some output is unsent.
    pub(crate) const UNSENT: Self = Self(1 << 2);
    /// So much output is unsent that no input is delivered.
    pub(crate) const HELD: Self = Self(1 << 3);
    /// Some input is undelivered.
    pub(crate) const UNREAD: Self = Self(1 << 4);
    /// The undelivered input is not a whole one for the present decoder.
    pub(crate) const PARTIAL: Self = Self(1 << 5);
    /// The peer has closed its sending side, and everything has been read.
    pub(crate) const INPUT_ENDED: Self = Self(1 << 6);
    /// The present state has been told so.
    pub(crate) const END_TOLD: Self = Self(1 << 7);
    /// The server is draining, and the present state has not been told.
    pub(crate) const SHUTDOWN_DUE: Self = Self(1 << 8);
    /// `drained` has been delivered and nothing was queued since.
    pub(crate) const DRAINED_TOLD: Self = Self(1 << 9);
    /// A deadline may have passed.
    pub(crate) const DUE: Self = Self(1 << 10);
    /// A deadline may come earlier than the wheel knows.
    pub(crate) const RETIME: Self = Self(1 << 11);
    /// The machine has ended; what is unsent goes out.
    pub(crate) const ENDING: Self = Self(1 << 12);
    /// Everything is sent; input is read and dropped until the peer's end.
    pub(crate) const LINGERING: Self = Self(1 << 13);
    /// It lingers while the server drains, so it has less time.
    pub(crate) const HURRIED: Self = Self(1 << 14);
    /// It has waited for an operation, and perhaps still does.
    pub(crate) const OPERATING: Self = Self(1 << 15);
    /// It has joined a topic, and perhaps left it.
    pub(crate) const MEMBER: Self = Self(1 << 16);
    /// It is watched and queued as a preferred connection.
    const PREFERRED: Self = Self(1 << 17);
    /// It is queued as a background connection.
    const BACKGROUND: Self = Self(1 << 18);
    /// It is one of the two, so it is not served just as it comes.
    pub(crate) const CLASSED: Self = Self::PREFERRED.and(Self::BACKGROUND);
    /// It is preferred in states that say nothing of it.
    const STANDS_PREFERRED: Self = Self(1 << 19);
    /// It is a background connection in states that say nothing of it.
    const STANDS_BACKGROUND: Self = Self(1 << 20);

    /// What a slice need not look at.
    const ELSEWHERE: Self =
        Self::OPERATING.and(Self::MEMBER).and(Self::STANDS_PREFERRED).and(Self::STANDS_BACKGROUND);

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[inline]
    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    #[inline]
    const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    #[inline]
    pub(crate) fn insert(&mut self, other: Self) {
        self.0 |= other.0;
    }

    #[inline]
    pub(crate) fn remove(&mut self, other: Self) {
        self.0 &= !other.0;
    }

    /// Sets or clears the bits.
    pub(crate) fn set(&mut self, other: Self, on: bool) {
        if on { self.insert(other) } else { self.remove(other) }
    }
}

/// Why a timer came due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overdue {
    /// A deadline of the state has passed.
    Deadline(DeadlineKind),
    /// Unsent output has not moved for too long.
    Stall,
    /// The peer of an ended connection has had its time.
    Linger,
}

impl<M: Machine, K> Connection<M, K> {
    /// Some state of the machine has a class of its own, so that the class may change.
    const HAS_CLASSES: bool = M::TABLE.has_classes();

    /// A connection that nobody has served yet. `standing` is its class in states that say nothing
    /// of it.
    pub(crate) fn new(
        socket: K,
        ready: Ready,
        decoder: M::Decoder,
        context: M::Context,
        standing: Class,
        now: u32,
    ) -> Self {
        let machine = M::initial();
        let interest = machine.interest();
        let mut connection = Self {
            socket,
            ready,
            interest,
            flags: Flags::NEW.and(Flags::RETIME),
            link: Link::UNLINKED,
            clocks: Clocks::starting(now),
            buffers: None,
            decoder,
            machine,
            context,
        };
        connection.flags.set(Flags::STANDS_PREFERRED, standing == Class::Preferred);
        connection.flags.set(Flags::STANDS_BACKGROUND, standing == Class::Background);
        connection.set_class(connection.class_of_state());
        connection
    }

    /// The class by which it is watched and queued.
    pub(crate) fn class(&self) -> Class {
        if self.flags.has(Flags::PREFERRED) {
            Class::Preferred
        } else if self.flags.has(Flags::BACKGROUND) {
            Class::Background
        } else {
            Class::Normal
        }
    }

    /// The class that the present state gives it, or else the one it stands in.
    fn class_of_state(&self) -> Class {
        let standing = if self.flags.has(Flags::STANDS_PREFERRED) {
            Class::Preferred
        } else if self.flags.has(Flags::STANDS_BACKGROUND) {
            Class::Background
        } else {
            Class::Normal
        };
        M::TABLE.states[self.machine.state()].class.unwrap_or(standing)
    }

    fn set_class(&mut self, class: Class) {
        self.flags.set(Flags::PREFERRED, class == Class::Preferred);
        self.flags.set(Flags::BACKGROUND, class == Class::Background);
    }

    /// Takes note of the class that the present state gives it. Answers the one it had before, if
    /// that was another.
    #[inline]
    pub(crate) fn change_class(&mut self) -> Option<Class> {
        if !Self::HAS_CLASSES {
            return None;
        }
        let (old, new) = (self.class(), self.class_of_state());
        self.set_class(new);
        (old != new).then_some(old)
    }

    /// Tells whether nothing but input can be of interest, so that the short path will do.
    #[inline]
    pub(crate) fn only_reads(&self) -> bool {
        self.flags.without(Flags::ELSEWHERE) == Flags::NONE && self.interest == Interest::INPUT
    }

    /// Tells whether a slice would get anywhere.
    pub(crate) fn has_work(&self) -> bool {
        let (flags, ready) = (self.flags, self.ready);
        if flags.has(Flags::LINGERING) {
            return ready.has(Ready::READ) || flags.has(Flags::DUE);
        }
        let told = flags.has(Flags::NEW.and(Flags::DUE).and(Flags::SHUTDOWN_DUE));
        told || self.can_take_input() || self.ends_input() || self.can_write() || self.is_dead()
    }

    /// Tells whether input can be delivered or read.
    pub(crate) fn can_take_input(&self) -> bool {
        let fresh = self.ready.has(Ready::READ) && !self.flags.has(Flags::INPUT_ENDED);
        let whole = self.flags.has(Flags::UNREAD) && !self.flags.has(Flags::PARTIAL);
        self.interest.reads() && !self.flags.has(Flags::HELD) && (fresh || whole)
    }

    /// Tells whether `eof` is to be delivered: the present state has not been told, and nothing
    /// stands before it that the state could still take.
    pub(crate) fn ends_input(&self) -> bool {
        let untold = self.flags.has(Flags::INPUT_ENDED) && !self.flags.has(Flags::END_TOLD);
        let waits = self.flags.has(Flags::HELD)
            || self.flags.has(Flags::UNREAD) && !self.flags.has(Flags::PARTIAL);
        untold && !waits && !self.flags.has(Flags::ENDING)
    }

    /// Tells whether the socket is known to be dead and no reading will find out.
    pub(crate) fn is_dead(&self) -> bool {
        let reads = self.interest.reads() && !self.flags.has(Flags::INPUT_ENDED);
        self.ready.has(Ready::ERROR) && !reads
    }

    fn can_write(&self) -> bool {
        let unsent = self.flags.has(Flags::UNSENT);
        if unsent || self.interest.has(Interest::WRITABLE) {
            return self.ready.has(Ready::WRITE);
        }
        self.flags.has(Flags::ENDING) || self.can_tell_drained()
    }

    /// Tells whether `drained` is to be delivered.
    pub(crate) fn can_tell_drained(&self) -> bool {
        self.interest.has(Interest::DRAINED)
            && !self.flags.has(Flags::UNSENT.and(Flags::DRAINED_TOLD))
    }

    /// What must be reported before there is work again.
    #[inline]
    pub(crate) fn waits(&self) -> Ready {
        let mut waits = Ready::NONE;
        let reads = self.interest.reads() && !self.flags.has(Flags::HELD)
            || self.flags.has(Flags::LINGERING);
        if reads && !self.flags.has(Flags::INPUT_ENDED) {
            waits = waits.and(Ready::READ);
        }
        if self.flags.has(Flags::UNSENT) || self.interest.has(Interest::WRITABLE) {
            waits = waits.and(Ready::WRITE);
        }
        waits.without(self.ready)
    }

    /// Takes note of a state having been entered.
    pub(crate) fn note_move(&mut self, turn: &mut Turn<M>, now: u32) {
        turn.moved = false;
        turn.ended = false;
        self.interest = self.machine.interest();
        // The state may want what the one before it declined.
        self.ready = self.ready.offered_again();
        self.clocks.entered = now;
        self.clocks.counted_since = now;
        self.clocks.counted = 0;
        if std::mem::take(&mut turn.left_group) {
            self.clocks.group = now;
        }
        self.flags.remove(Flags::END_TOLD.and(Flags::DRAINED_TOLD).and(Flags::PARTIAL));
        self.flags.insert(Flags::RETIME);
        self.flags.set(Flags::SHUTDOWN_DUE, turn.draining);
        if let Some(buffers) = &mut self.buffers {
            // Another state may read with another decoder, which has seen nothing yet.
            buffers.seen = 0;
        }
        if self.interest.is_terminal() {
            self.flags.insert(Flags::ENDING);
        }
    }

    /// The earliest of all limits: when it passes and which it is.
    pub(crate) fn next_deadline(&self) -> Option<(u32, Overdue)> {
        let mut earliest = Earliest(None);
        let stuck = self.buffers.as_ref().filter(|buffers| !buffers.unsent.is_empty());
        if let Some(buffers) = stuck {
            earliest.consider(buffers.stuck_since, Some(M::TABLE.stall), Overdue::Stall);
        }
        if self.flags.has(Flags::LINGERING) {
            earliest.consider(self.clocks.entered, Some(LINGER_TOTAL), Overdue::Linger);
            let hurried = self.flags.has(Flags::HURRIED);
            let idle = if hurried { LINGER_DRAINING } else { LINGER_IDLE };
            earliest.consider(self.clocks.progress, Some(idle), Overdue::Linger);
        } else if !self.flags.has(Flags::ENDING) {
            self.consider_state(&mut earliest);
        }
        earliest.0
    }

    fn consider_state(&self, earliest: &mut Earliest) {
        let limits = self.machine.deadlines(&self.context);
        let clocks = &self.clocks;
        let since =
            |moment: u32| if is_before(moment, clocks.entered) { clocks.entered } else { moment };
        let of = |kind| Overdue::Deadline(kind);
        earliest.consider(clocks.entered, limits.since_entry, of(DeadlineKind::SinceEntry));
        earliest.consider(clocks.group, limits.since_group, of(DeadlineKind::SinceEntry));
        let input = since(clocks.input);
        earliest.consider(input, limits.without_input, of(DeadlineKind::WithoutInput));
        if let Some(buffers) = self.buffers.as_ref().filter(|_| self.flags.has(Flags::PARTIAL)) {
            let begun = since(buffers.partial_since);
            earliest.consider(begun, limits.of_partial, of(DeadlineKind::OfPartial));
        }
        let progress = since(clocks.progress);
        earliest.consider(progress, limits.without_progress, of(DeadlineKind::WithoutProgress));
        if let Some((limit, bytes)) = limits.without_bytes {
            let kind = of(DeadlineKind::WithoutBytes { bytes });
            earliest.consider(clocks.counted_since, Some(limit), kind);
        }
    }

    /// Which limit has passed at `now`, if one has. A peer that moved enough bytes in time gets as
    /// much time again.
    pub(crate) fn overdue(&mut self, now: u32) -> Option<Overdue> {
        loop {
            let (due, overdue) = self.next_deadline()?;
            if is_before(now, due) {
                return None;
            }
            match overdue {
                Overdue::Deadline(DeadlineKind::WithoutBytes { bytes })
                    if self.clocks.counted >= u64::from(bytes) =>
                {
                    self.clocks.counted_since = now;
                    self.clocks.counted = 0;
                }
                overdue => return Some(overdue),
            }
        }
    }
}

/// The earliest of the limits considered.
struct Earliest(Option<(u32, Overdue)>);

impl Earliest {
    fn consider(&mut self, since: u32, limit: Option<Duration>, overdue: Overdue) {
        let Some(limit) = limit else { return };
        let due = since.wrapping_add(ticks(limit));
        if self.0.is_none_or(|(earliest, _)| is_before(due, earliest)) {
            self.0 = Some((due, overdue));
        }
    }
}

/// The ticks after which a duration has passed for certain, wherever in a tick it began.
pub(crate) fn ticks(duration: Duration) -> u32 {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let ticks = millis.div_ceil(TICK_MILLIS).saturating_add(1).min(MAX_TICKS);
    u32::try_from(ticks).unwrap_or(u32::MAX)
}
