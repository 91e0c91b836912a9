//! A lazy timer wheel: which connection to look at when. It counts ticks and knows no clock.
//!
//! A connection stands in at most one slot. When its deadline moves later nothing is done: the slot
//! comes due, the worker sees that the deadline has moved, and puts the connection where it now
//! belongs. So a request costs a store, not a relinking (the scheme of nginx's and tokio's timers;
//! a hashed hierarchical wheel after Varghese and Lauck, 1987).

/// The slots of a level.
const SLOTS: u32 = 256;

/// The levels: 256 ticks of one tick each, then of 256 ticks, then of 65,536 ticks. With ticks of
/// 16 ms they reach 4 s, 17 minutes and 3 days; what lies further is looked at once in 3 days.
const LEVELS: u32 = 3;

const NONE: u32 = u32::MAX;

/// The mark on `previous` of the first entry of a slot; the rest of the word is the slot.
const HEAD: u32 = 1 << 31;

/// A connection's place in the wheel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link {
    next: u32,
    previous: u32,
    /// When the slot comes due, in ticks; meaningful while linked.
    due: u32,
}

impl Link {
    /// In no slot.
    pub(crate) const UNLINKED: Self = Self { next: NONE, previous: NONE, due: 0 };

    /// Tells whether the connection stands in a slot.
    pub(crate) const fn is_linked(&self) -> bool {
        self.previous != NONE
    }

    /// Tells whether the slot comes due at or before the tick, so that nothing need be done.
    #[inline]
    pub(crate) fn covers(&self, tick: u32) -> bool {
        self.is_linked() && !is_before(tick, self.due)
    }
}

/// Where the links are kept: in the connections.
pub(crate) trait Links {
    /// The link of a connection that is there.
    fn link(&mut self, index: u32) -> &mut Link;
}

/// The wheel of a worker.
pub(crate) struct Wheel {
    heads: Vec<u32>,
    occupied: [[u64; 4]; LEVELS as usize],
    /// Everything due at or before this tick has been handed out.
    current: u32,
    /// The slot that comes due first and when. It may have been emptied since, which is found out
    /// when it comes due: to look for another at once would cost each short connection as much as
    /// an echoed line.
    first: Option<(u32, u32)>,
}

/// Tells whether `tick` comes before `other`, on a clock that may wrap: both lie within a year of
/// each other.
#[inline]
pub(crate) fn is_before(tick: u32, other: u32) -> bool {
    tick.wrapping_sub(other) > u32::MAX / 2
}

impl Wheel {
    /// An empty wheel whose clock stands at `now`.
    pub(crate) fn new(now: u32) -> Self {
        let heads = vec![NONE; (SLOTS * LEVELS) as usize];
        Self { heads, occupied: [[0; 4]; LEVELS as usize], current: now, first: None }
    }

    /// Puts a connection where it comes due at `tick` or, for a far deadline, earlier.
    pub(crate) fn link(&mut self, index: u32, tick: u32, links: &mut impl Links) {
        self.unlink(index, links);
        let (slot, due) = self.place(tick);
        let head = std::mem::replace(&mut self.heads[slot as usize], index);
        *links.link(index) = Link { next: head, previous: HEAD | slot, due };
        if head != NONE {
            links.link(head).previous = index;
        }
        let (level, bit) = (slot / SLOTS, slot % SLOTS);
        self.occupied[level as usize][(bit / 64) as usize] |= 1 << (bit % 64);
        if self.first.is_none_or(|(_, first)| is_before(due, first)) {
            self.first = Some((slot, due));
        }
    }

    /// Takes a connection out of its slot, if it stands in one.
    pub(crate) fn unlink(&mut self, index: u32, links: &mut impl Links) {
        let link = std::mem::replace(links.link(index), Link::UNLINKED);
        if !link.is_linked() {
            return;
        }
        if link.next != NONE {
            links.link(link.next).previous = link.previous;
        }
        if link.previous & HEAD == 0 {
            links.link(link.previous).next = link.next;
            return;
        }
        let slot = link.previous & !HEAD;
        self.heads[slot as usize] = link.next;
        if link.next == NONE {
            let (level, bit) = (slot / SLOTS, slot % SLOTS);
            self.occupied[level as usize][(bit / 64) as usize] &= !(1 << (bit % 64));
        }
    }

    /// Takes out one connection whose slot is due at `now`.
    #[inline]
    pub(crate) fn pop(&mut self, now: u32, links: &mut impl Links) -> Option<u32> {
        match self.first {
            Some((_, due)) if !is_before(now, due) => self.pop_due(now, links),
            _ => {
                self.current = now;
                None
            }
        }
    }

    fn pop_due(&mut self, now: u32, links: &mut impl Links) -> Option<u32> {
        while let Some((slot, due)) = self.first
            && !is_before(now, due)
        {
            // What is linked from here on lies behind the slot being emptied: `place` never answers
            // this one.
            self.current = due;
            let index = self.heads[slot as usize];
            if index != NONE {
                self.unlink(index, links);
                return Some(index);
            }
            self.first = self.find_first();
        }
        self.current = now;
        None
    }

    /// The tick at which the next slot comes due, or an earlier one.
    #[inline]
    pub(crate) fn next(&self) -> Option<u32> {
        self.first.map(|(_, due)| due)
    }

    /// The slot for a tick, and when that slot comes due. A tick that its level cannot reach is
    /// looked at early: the slot that `current` itself stands in must stay free.
    fn place(&self, tick: u32) -> (u32, u32) {
        let ahead = tick.wrapping_sub(self.current);
        let ahead = if ahead == 0 || ahead > u32::MAX / 2 { 1 } else { ahead };
        let mut level = 0;
        while level + 1 < LEVELS && ahead >= SLOTS.pow(level + 1) {
            level += 1;
        }
        let width = SLOTS.pow(level);
        let tick = self.current.wrapping_add(ahead.min(width * (SLOTS - 1)));
        (level * SLOTS + tick / width % SLOTS, tick / width * width)
    }

    /// The slot that comes due first, over all levels.
    fn find_first(&self) -> Option<(u32, u32)> {
        let slots = (0..LEVELS).filter_map(|level| {
            let width = SLOTS.pow(level);
            let at = self.current / width;
            let ahead = distance(&self.occupied[level as usize], at % SLOTS)?;
            let found = at.wrapping_add(ahead);
            Some((level * SLOTS + found % SLOTS, found.wrapping_mul(width)))
        });
        slots.min_by_key(|(_, due)| due.wrapping_sub(self.current))
    }
}

/// How many slots behind `start` the next occupied one lies, 0 to 255.
fn distance(occupied: &[u64; 4], start: u32) -> Option<u32> {
    (0..=4).find_map(|step| {
        let word = (start / 64 + step) % 4;
        let bits = occupied[word as usize];
        let bits = match step {
            0 => bits & (u64::MAX << (start % 64)),
            4 => bits & !(u64::MAX << (start % 64)),
            _ => bits,
        };
        (bits != 0).then(|| (word * 64 + bits.trailing_zeros()).wrapping_sub(start) % SLOTS)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Link, Links, Wheel};

    impl Links for Vec<Link> {
        fn link(&mut self, index: u32) -> &mut Link {
            &mut self[index as usize]
        }
    }

    /// Lets time pass up to `until` and hands out what comes due, relinking what was looked at
    /// early.
    fn expire(
        wheel: &mut Wheel,
        links: &mut Vec<Link>,
        until: u32,
        due: &BTreeMap<u32, u32>,
    ) -> Vec<(u32, u32)> {
        let mut fired = Vec::new();
        while let Some(tick) = wheel.next().filter(|tick| tick.wrapping_sub(until) as i32 <= 0) {
            while let Some(index) = wheel.pop(tick, links) {
                if due[&index] == tick {
                    fired.push((tick, index));
                } else {
                    wheel.link(index, due[&index], links);
                }
            }
        }
        fired
    }

    #[test]
    fn every_deadline_comes_due_on_its_tick_at_every_distance() {
        for start in [0, 255, 65_535, 1_000_003, u32::MAX - 70_000, u32::MAX - 5] {
            let distances =
                [1, 2, 255, 256, 257, 65_279, 65_281, 65_535, 65_536, 70_000, 20_000_000];
            let mut links = vec![Link::UNLINKED; distances.len()];
            let mut wheel = Wheel::new(start);
            let mut due = BTreeMap::new();
            for (index, distance) in (0..).zip(distances) {
                due.insert(index, start.wrapping_add(distance));
                wheel.link(index, start.wrapping_add(distance), &mut links);
            }
            let fired = expire(&mut wheel, &mut links, start.wrapping_add(20_000_000), &due);
            let expected: Vec<_> =
                (0..).zip(distances).map(|(index, far)| (start.wrapping_add(far), index)).collect();
            assert_eq!(fired, expected, "from {start}");
            assert_eq!(wheel.pop(start.wrapping_add(20_000_001), &mut links), None);
            assert_eq!(wheel.next(), None);
        }
    }

    #[test]
    fn an_unlinked_connection_never_comes_due() {
        let mut links = vec![Link::UNLINKED; 3];
        let mut wheel = Wheel::new(0);
        for index in 0..3 {
            wheel.link(index, 10, &mut links);
        }
        wheel.unlink(1, &mut links);
        assert!(!links[1].is_linked());
        let mut popped = vec![wheel.pop(10, &mut links), wheel.pop(10, &mut links)];
        popped.sort_unstable();
        assert_eq!(popped, [Some(0), Some(2)]);
        assert_eq!(wheel.pop(10, &mut links), None);
    }

    #[test]
    fn a_slot_that_comes_early_enough_covers_a_later_deadline() {
        let mut links = vec![Link::UNLINKED; 1];
        let mut wheel = Wheel::new(0);
        wheel.link(0, 100, &mut links);
        assert!(links[0].covers(100) && links[0].covers(5_000));
        assert!(!links[0].covers(99));
    }
}
