//! Whose turn it is: a run queue for each class, and when a slice is a reason to look up. It knows
//! connections only by their index, and calls no system.

use std::collections::VecDeque;

use crate::table::Class;

/// The slices that preferred connections get in a row while others wait, and again when a turn of
/// the loop begins: more are rarely ready at once, and with all of them busy for ever the others
/// still get one slice in 33.
pub(crate) const PREFERRED_BURST: usize = 16;

/// Behind so many slices of normal connections the background gets one, while these are busy:
/// enough for a download to end some day, and so few that the others lose a seventeenth.
const BACKGROUND_SHARE: u32 = 16;

/// The run queues of a worker.
pub(crate) struct Schedule {
    preferred: VecDeque<u32>,
    normal: VecDeque<u32>,
    background: VecDeque<u32>,
    /// The preferred connections that are open, whether or not they are ready.
    open_preferred: usize,
    /// The slices of normal connections while those of the background waited, since one of these
    /// was served.
    passed: u32,
    /// There was such a slice since a turn last ended.
    is_busy: bool,
    /// When the present slice began, on the stopwatch.
    begun: u64,
    /// The span of the stopwatch from which on a slice may be slow.
    slow: u64,
    /// The span after which the worker looks up: that, or none at all while somebody might have to
    /// come next who does not stand in line. So the common slice is followed by one comparison.
    look_up_after: u64,
}

impl Schedule {
    /// Empty queues, and the span from which on a slice may be slow.
    pub(crate) fn new(slow: u64) -> Self {
        Self {
            preferred: VecDeque::new(),
            normal: VecDeque::new(),
            background: VecDeque::new(),
            open_preferred: 0,
            passed: 0,
            is_busy: false,
            begun: 0,
            slow,
            look_up_after: slow,
        }
    }

    /// Tells whether nobody waits for a slice.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.normal.is_empty() && self.preferred.is_empty() && self.background.is_empty()
    }

    /// The number of normal connections that wait.
    #[inline]
    pub(crate) fn normal(&self) -> usize {
        self.normal.len()
    }

    /// Tells whether background connections wait.
    #[inline]
    pub(crate) fn has_background(&self) -> bool {
        !self.background.is_empty()
    }

    /// Tells whether there are preferred connections.
    #[inline]
    pub(crate) fn has_preferred(&self) -> bool {
        self.open_preferred > 0
    }

    /// A connection goes to the back of the queue of its class.
    pub(crate) fn push(&mut self, class: Class, index: u32) {
        self.queue(class).push_back(index);
        self.choose_when_to_look_up();
    }

    /// Takes the connection at the front of a queue.
    pub(crate) fn pop(&mut self, class: Class) -> Option<u32> {
        let index = self.queue(class).pop_front();
        self.choose_when_to_look_up();
        index
    }

    fn queue(&mut self, class: Class) -> &mut VecDeque<u32> {
        match class {
            Class::Preferred => &mut self.preferred,
            Class::Normal => &mut self.normal,
            Class::Background => &mut self.background,
        }
    }

    /// A connection of this class was opened, or has come to be of it.
    pub(crate) fn join(&mut self, class: Class) {
        self.open_preferred += usize::from(class == Class::Preferred);
        self.choose_when_to_look_up();
    }

    /// A connection of this class has ended, or has come to be of another.
    pub(crate) fn leave(&mut self, class: Class) {
        self.open_preferred -= usize::from(class == Class::Preferred);
        self.choose_when_to_look_up();
    }

    /// Takes note of a normal connection's slice. Tells whether the next one is owed to the
    /// background.
    pub(crate) fn pass(&mut self) -> bool {
        if self.background.is_empty() {
            return false;
        }
        self.is_busy = true;
        self.passed += 1;
        if self.passed < BACKGROUND_SHARE {
            return false;
        }
        self.passed = 0;
        true
    }

    /// A turn of the loop ends. Tells whether background connections wait and nobody else had
    /// anything to do in it, so that one of them may be served beyond the share.
    pub(crate) fn ends_turn_idle(&mut self) -> bool {
        let was_busy = std::mem::take(&mut self.is_busy);
        !was_busy && self.normal.is_empty() && !self.background.is_empty()
    }

    /// A slice begins.
    #[inline]
    pub(crate) fn begin(&mut self, stopwatch: u64) {
        self.begun = stopwatch;
    }

    /// A slice ends, and the next one begins. Answers its span.
    #[inline]
    pub(crate) fn lap(&mut self, stopwatch: u64) -> u64 {
        stopwatch.wrapping_sub(std::mem::replace(&mut self.begun, stopwatch))
    }

    /// Tells whether the worker has to look up after a slice of this span.
    #[inline]
    pub(crate) fn looks_up(&self, span: u64) -> bool {
        span >= self.look_up_after
    }

    /// Tells whether a slice of this span may have been slow. A stopwatch that was set back is no
    /// measure.
    pub(crate) fn may_be_slow(&self, span: u64) -> bool {
        span >= self.slow && span <= u64::MAX / 2
    }

    /// Sets the span from which on a slice may be slow.
    pub(crate) fn set_slow(&mut self, slow: u64) {
        self.slow = slow;
        self.choose_when_to_look_up();
    }

    fn choose_when_to_look_up(&mut self) {
        let looks_always = self.has_preferred() || self.has_background();
        self.look_up_after = if looks_always { 0 } else { self.slow };
    }
}

#[cfg(test)]
mod tests {
    use super::{BACKGROUND_SHARE, Schedule};
    use crate::table::Class;

    #[test]
    fn a_common_slice_is_no_reason_to_look_up_until_somebody_waits_elsewhere() {
        let mut schedule = Schedule::new(10);
        schedule.begin(100);
        assert_eq!(schedule.lap(105), 5);
        assert!(!schedule.looks_up(5));
        assert!(schedule.looks_up(10) && schedule.may_be_slow(10));
        schedule.push(Class::Normal, 1);
        assert!(!schedule.looks_up(5));
        schedule.push(Class::Background, 2);
        assert!(schedule.looks_up(0) && !schedule.may_be_slow(5));
        assert_eq!(schedule.pop(Class::Background), Some(2));
        assert!(!schedule.looks_up(5));
        schedule.join(Class::Preferred);
        assert!(schedule.looks_up(0));
        schedule.leave(Class::Preferred);
        assert!(!schedule.looks_up(5));
        assert!(!schedule.may_be_slow(schedule.begun.wrapping_sub(schedule.begun + 1)));
    }

    #[test]
    fn the_background_is_owed_one_slice_in_so_many() {
        let mut schedule = Schedule::new(10);
        assert!((0..100).all(|_| !schedule.pass()), "nothing is owed to nobody");
        schedule.push(Class::Background, 2);
        assert!(schedule.ends_turn_idle());
        let owed = (0..4 * BACKGROUND_SHARE).filter(|_| schedule.pass()).count();
        assert_eq!(owed, 4);
        assert!(!schedule.ends_turn_idle());
        assert!(schedule.ends_turn_idle());
    }
}
