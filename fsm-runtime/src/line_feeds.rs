//! Sixty-four bytes compared with the line feed at once. It owns the crate's only use of vector
//! instructions, and knows nothing of lines.
#![allow(
    unsafe_code,
    reason = "vector instructions are `unsafe` to call even where every processor has them"
)]

/// A bit for each line feed in the block, the first byte's lowest.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn line_feeds(block: &[u8; 64]) -> u64 {
    // SAFETY: `sse2` belongs to the x86_64 baseline: there is no processor of this target without
    // it.
    unsafe { line_feeds_sse2(block) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse2")]
#[inline]
fn line_feeds_sse2(block: &[u8; 64]) -> u64 {
    use core::arch::x86_64::{_mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_set1_epi8};
    let line_feed = _mm_set1_epi8(b'\n'.cast_signed());
    let (parts, _) = block.as_chunks::<16>();
    parts.iter().rev().fold(0, |mask, part| {
        // SAFETY: `part` is sixteen bytes that may be read, and this load asks for no alignment.
        let part = unsafe { _mm_loadu_si128(part.as_ptr().cast()) };
        let equal = _mm_cmpeq_epi8(part, line_feed);
        mask << 16 | u64::from(_mm_movemask_epi8(equal).cast_unsigned())
    })
}

/// A bit for each line feed in the block, the first byte's lowest.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
pub(crate) fn line_feeds(block: &[u8; 64]) -> u64 {
    block.iter().rev().fold(0, |mask, &byte| mask << 1 | u64::from(byte == b'\n'))
}

#[cfg(test)]
mod tests {
    use super::line_feeds;

    #[test]
    fn every_position_has_its_bit() {
        for at in 0..64 {
            let mut block = [b'x'; 64];
            block[at] = b'\n';
            assert_eq!(line_feeds(&block), 1 << at);
        }
        assert_eq!(line_feeds(&[b'\n'; 64]), u64::MAX);
        assert_eq!(line_feeds(&[0x8a; 64]), 0, "a line feed with its high bit set is another byte");
    }
}
