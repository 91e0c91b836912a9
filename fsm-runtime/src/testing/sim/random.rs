//! A small generator of random numbers: the same seed gives the same numbers on every machine,
//! which no generator of another crate promises from one version to the next.

use std::ops::RangeInclusive;

/// `SplitMix64` (Steele, Lea and Flood, 2014).
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `limit` less one; 0 where the limit is 0.
    #[expect(clippy::cast_possible_truncation, reason = "the remainder is below the limit")]
    pub(super) const fn below(&mut self, limit: usize) -> usize {
        if limit == 0 { 0 } else { (self.next() % limit as u64) as usize }
    }

    /// True in so many of a thousand cases.
    pub(super) const fn happens(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.next() % 1_000 < per_mille as u64
    }

    /// A number from the range, ends included.
    pub(super) fn between(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (start, end) = range.into_inner();
        start + self.next() % (end.saturating_sub(start) + 1)
    }
}
