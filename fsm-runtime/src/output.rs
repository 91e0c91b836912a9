//! Output on its way to a socket, in order: bytes that were copied, and between them stretches that
//! are shared with others and were not. It knows no socket.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf as _, Bytes};

/// Fewer bytes are copied rather than shared: to count who has them and to send two pieces costs as
/// much as to copy 8 KiB, as measured with cached files, and at 64 KiB a sixth less than to copy.
pub(crate) const LEAST_SHARED: usize = 16 * 1024;

/// The most pieces that are sent at once. A response is two, its head and its body, and a few of
/// them fill a send buffer; the kernel takes 1,024.
const MOST_PIECES: usize = 16;

/// Bytes in order.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// What was copied.
    copied: Vec<u8>,
    /// How many of the copied bytes have gone all the same.
    gone: usize,
    /// What is shared, in order.
    shared: VecDeque<Shared>,
    /// How many bytes there are in all.
    length: usize,
}

/// A stretch that is shared with others.
#[derive(Debug)]
struct Shared {
    /// It stands before the copied byte of this index.
    before: usize,
    bytes: Bytes,
}

/// The front of some output as it is sent: in pieces.
pub(crate) struct Pieces<'a> {
    slices: [IoSlice<'a>; MOST_PIECES],
    count: usize,
    bytes: usize,
}

impl Output {
    /// The number of bytes.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// All of it, if it is in one piece because none of it is shared.
    #[inline]
    pub(crate) fn in_one_piece(&self) -> Option<&[u8]> {
        self.shared.is_empty().then(|| &self.copied[self.gone..])
    }

    /// Adds bytes by copying them.
    #[inline]
    pub(crate) fn copy(&mut self, bytes: &[u8]) {
        self.copied.extend_from_slice(bytes);
        self.length += bytes.len();
    }

    /// Adds bytes that go on being shared until they have gone, or copies them if they are few.
    pub(crate) fn share(&mut self, bytes: &Bytes) {
        if bytes.len() < LEAST_SHARED {
            return self.copy(bytes);
        }
        self.length += bytes.len();
        self.shared.push_back(Shared { before: self.copied.len(), bytes: bytes.clone() });
    }

    /// Moves all of another output behind this one.
    pub(crate) fn append(&mut self, other: &mut Self) {
        let shift = |before: usize| self.copied.len() + before - other.gone;
        let moved = other.shared.drain(..).map(|it| Shared { before: shift(it.before), ..it });
        self.shared.extend(moved);
        self.copied.extend_from_slice(&other.copied[other.gone..]);
        self.length += other.length;
        other.clear();
    }

    /// The pieces from the front, as many as are sent at once.
    pub(crate) fn pieces(&self) -> Pieces<'_> {
        let mut pieces = Pieces { slices: [IoSlice::new(&[]); MOST_PIECES], count: 0, bytes: 0 };
        let mut from = self.gone;
        for Shared { before, bytes } in &self.shared {
            pieces.add(&self.copied[from..*before]);
            pieces.add(bytes);
            from = *before;
        }
        pieces.add(&self.copied[from..]);
        pieces
    }

    /// Lets go of bytes at the front that have gone.
    pub(crate) fn advance(&mut self, count: usize) {
        self.length -= count;
        let mut left = count;
        while left > 0 {
            let next = self.shared.front_mut();
            let until = next.as_ref().map_or(self.copied.len(), |shared| shared.before);
            let copied = left.min(until - self.gone);
            self.gone += copied;
            left -= copied;
            let Some(Shared { bytes, .. }) = next else { break };
            let shared = left.min(bytes.len());
            bytes.advance(shared);
            left -= shared;
            if bytes.is_empty() {
                self.shared.pop_front();
            }
        }
        self.forget_gone();
    }

    /// Lets go of copied bytes that have gone once they are most of them, so that a long queue is
    /// not kept twice.
    fn forget_gone(&mut self) {
        if self.gone > self.copied.len() / 2 {
            self.copied.drain(..self.gone);
            for shared in &mut self.shared {
                shared.before -= self.gone;
            }
            self.gone = 0;
        }
    }

    /// Drops all but so many bytes at the front. Shared stretches are kept or dropped as a whole.
    pub(crate) fn truncate(&mut self, length: usize) {
        while self.length > length {
            let from = self.shared.back().map_or(0, |shared| shared.before);
            let copied = (self.length - length).min(self.copied.len() - from);
            self.copied.truncate(self.copied.len() - copied);
            self.length -= copied;
            if self.length > length
                && let Some(Shared { bytes, .. }) = self.shared.pop_back()
            {
                self.length -= bytes.len();
            }
        }
    }

    /// Takes all of it out, in one piece.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.len());
        while !self.is_empty() {
            let pieces = self.pieces();
            pieces.as_slices().iter().for_each(|piece| all.extend_from_slice(piece));
            let count = pieces.bytes();
            self.advance(count);
        }
        all
    }

    /// Drops all of it.
    #[inline]
    pub(crate) fn clear(&mut self) {
        if !self.shared.is_empty() {
            self.forget_shared();
        }
        self.copied.clear();
        self.gone = 0;
        self.length = 0;
    }

    #[cold]
    fn forget_shared(&mut self) {
        self.shared.clear();
    }

    /// The bytes it has room for without asking for memory.
    pub(crate) fn capacity(&self) -> usize {
        self.copied.capacity()
    }

    /// Gives back room beyond so many bytes.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        self.copied.shrink_to(bytes);
    }
}

impl<'a> Pieces<'a> {
    /// Adds a piece behind the others. Once there is no room for one there is none for the next.
    fn add(&mut self, piece: &'a [u8]) {
        if let Some(slice) = self.slices.get_mut(self.count).filter(|_| !piece.is_empty()) {
            *slice = IoSlice::new(piece);
            self.count += 1;
            self.bytes += piece.len();
        }
    }

    /// The pieces.
    pub(crate) fn as_slices(&self) -> &[IoSlice<'a>] {
        &self.slices[..self.count]
    }

    /// How many bytes they have.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{LEAST_SHARED, MOST_PIECES, Output};

    /// A stretch that is long enough to be shared.
    fn long(letter: u8) -> Bytes {
        vec![letter; LEAST_SHARED].into()
    }

    /// What was shared and copied, in order.
    fn mixed() -> (Output, Vec<u8>) {
        let mut output = Output::default();
        output.share(&long(b'a'));
        output.copy(b"head");
        output.share(&long(b'b'));
        output.share(&long(b'c'));
        output.share(&Bytes::from_static(b"short"));
        output.copy(b"tail");
        let all = [&long(b'a')[..], b"head", &long(b'b'), &long(b'c'), b"shorttail"].concat();
        (output, all)
    }

    #[test]
    fn what_is_shared_keeps_its_place_however_much_goes_at_once() {
        for step in [997, LEAST_SHARED - 1, LEAST_SHARED, LEAST_SHARED + 7, usize::MAX] {
            let (mut output, all) = mixed();
            let mut sent = Vec::new();
            while !output.is_empty() {
                assert_eq!(output.len(), all.len() - sent.len());
                let pieces = output.pieces();
                let bytes: Vec<u8> = pieces.as_slices().iter().flat_map(|it| it.to_vec()).collect();
                assert_eq!(pieces.bytes(), bytes.len());
                let count = bytes.len().min(step);
                sent.extend_from_slice(&bytes[..count]);
                output.advance(count);
            }
            assert!(sent == all, "in steps of {step}");
        }
    }

    #[test]
    fn one_output_goes_behind_another_whatever_of_it_has_gone() {
        for gone in [0, 2, LEAST_SHARED + 2, 2 * LEAST_SHARED + 4] {
            let (mut first, all) = mixed();
            let (mut second, _) = mixed();
            second.advance(gone);
            first.append(&mut second);
            assert!(second.is_empty());
            assert!(first.take() == [&all[..], &all[gone..]].concat(), "{gone} had gone");
        }
    }

    #[test]
    fn what_was_added_last_can_be_dropped() {
        let (mut output, all) = mixed();
        output.share(&long(b'd'));
        output.copy(b"more");
        output.truncate(all.len() + LEAST_SHARED + 2);
        assert!(output.len() == all.len() + LEAST_SHARED + 2);
        output.truncate(all.len());
        output.truncate(all.len() + 1);
        assert_eq!(output.len(), all.len());
        output.truncate(all.len() - 6);
        assert!(output.take() == all[..all.len() - 6]);
    }

    #[test]
    fn what_is_short_is_copied_and_nothing_is_kept_of_it() {
        let (mut output, bytes) = (Output::default(), Bytes::from(vec![b'x'; LEAST_SHARED - 1]));
        output.share(&bytes);
        assert!(bytes.is_unique(), "it was copied");
        let bytes = long(b'x');
        output.share(&bytes);
        assert!(!bytes.is_unique(), "it was not copied");
        output.advance(2 * LEAST_SHARED - 1);
        assert!(bytes.is_unique() && output.is_empty(), "it is let go as soon as it has gone");
    }

    #[test]
    fn more_pieces_than_go_at_once_go_in_turn() {
        let mut output = Output::default();
        for _ in 0..MOST_PIECES {
            output.copy(b"head");
            output.share(&long(b'b'));
        }
        assert_eq!(output.pieces().as_slices().len(), MOST_PIECES);
        let all = [&b"head"[..], &long(b'b')].concat().repeat(MOST_PIECES);
        assert!(output.take() == all);
    }
}
