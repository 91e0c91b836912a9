//! How long slices take, by the processor's own counter: a reading costs a few instructions, and
//! the system's clock a hundred. What the counter counts is found out only when somebody asks.
#![allow(unsafe_code, reason = "the counter is read by an instruction that `std` has no name for")]

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// No counter goes slower: 500 MHz is below every processor with a steady one, and for a clock in
/// nanoseconds it is half of the truth. A limit becomes a span by it that is surely not too long.
const LEAST_PER_MICRO: u64 = if cfg!(target_arch = "aarch64") { 1 } else { 500 };

/// The time after which the counter's pace is known: the two clocks are read within a microsecond.
const CALIBRATED_AFTER: u64 = 10_000_000;

/// A counter, and when it was first read.
pub(crate) struct Stopwatch {
    first: u64,
    /// The clock at that time, in nanoseconds.
    at: u64,
}

impl Stopwatch {
    pub(crate) fn new() -> Self {
        Self { first: read(), at: nanos(ClockId::Monotonic) }
    }

    /// The present reading.
    #[inline]
    #[expect(clippy::unused_self, reason = "a reading means something to its own stopwatch only")]
    pub(crate) fn read(&self) -> u64 {
        read()
    }

    /// A span that is surely no longer than `limit`.
    pub(crate) fn span_within(&self, limit: Duration) -> u64 {
        let (counts, nanos) = self.since_first();
        let micros = limit.as_micros();
        let span = if nanos >= CALIBRATED_AFTER {
            // A little less than the truth, for what the pace may be off.
            let span = micros * 1_000 * u128::from(counts) / u128::from(nanos);
            span - span / 64
        } else {
            micros * u128::from(LEAST_PER_MICRO)
        };
        u64::try_from(span).unwrap_or(u64::MAX)
    }

    /// How long a span was, by the pace of the counter so far.
    pub(crate) fn time_of(&self, span: u64) -> Duration {
        let (counts, nanos) = self.since_first();
        let time = u128::from(span) * u128::from(nanos) / u128::from(counts.max(1));
        Duration::from_nanos(u64::try_from(time).unwrap_or(u64::MAX))
    }

    /// What the counter counted since it was first read, and in how many nanoseconds.
    fn since_first(&self) -> (u64, u64) {
        let (counts, now) = (read(), nanos(ClockId::Monotonic));
        (counts.saturating_sub(self.first), now.saturating_sub(self.at))
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn read() -> u64 {
    // SAFETY: every processor of this target has the instruction, and it touches no memory.
    unsafe { core::arch::x86_64::_rdtsc() }
}

#[cfg(target_arch = "aarch64")]
#[inline]
fn read() -> u64 {
    let count: u64;
    // SAFETY: the virtual counter may be read by every program, and reading touches no memory.
    unsafe {
        core::arch::asm!("mrs {}, cntvct_el0", out(reg) count, options(nomem, nostack));
    }
    count
}

/// Elsewhere the clock is the counter: the coarse one where there is one.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[inline]
fn read() -> u64 {
    nanos(if cfg!(target_os = "linux") { ClockId::MonotonicCoarse } else { ClockId::Monotonic })
}

fn nanos(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{CALIBRATED_AFTER, Stopwatch};

    #[test]
    fn a_span_is_as_long_as_the_clock_says() {
        let watch = Stopwatch::new();
        let guess = watch.span_within(Duration::from_millis(100));
        std::thread::sleep(Duration::from_nanos(2 * CALIBRATED_AFTER));
        let before = watch.read();
        std::thread::sleep(Duration::from_millis(20));
        let span = watch.read() - before;
        let time = watch.time_of(span);
        assert!(time >= Duration::from_millis(19), "{time:?}");
        let (within, beyond) = (Duration::from_millis(15), time + Duration::from_millis(5));
        assert!(watch.span_within(within) < span && span < watch.span_within(beyond), "{time:?}");
        assert!(
            guess <= watch.span_within(Duration::from_millis(101)),
            "a guess is never too long"
        );
    }
}
