//! What the poller is told to report a source as: a generation and an index in one word, so that a
//! stale event never reaches the connection that has taken over a slot. It knows no sockets.

/// The bits of the index; the rest is the generation. On 64-bit systems both halves hold 32 bits,
/// on 32-bit systems an index has 20, which is a million connections.
const INDEX_BITS: u32 = if usize::BITS == 64 { 32 } else { 20 };

const INDEX_MASK: usize = (1 << INDEX_BITS) - 1;

/// The highest generation, above those of connections; the word of all ones belongs to `polling`
/// itself.
const GENERATIONS: usize = usize::MAX >> INDEX_BITS;

/// The generation that marks listeners; the index is the listener's.
const LISTENER: usize = GENERATIONS - 1;

/// The generation that marks the worker's own sources.
const OWN: usize = GENERATIONS - 2;

/// The number of generations a slot goes through before the first one comes again.
const CONNECTION_GENERATIONS: usize = GENERATIONS - 3;

/// The name of one source towards the poller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key(usize);

/// What a key stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The listener of this number.
    Listener(usize),
    /// Requests to stop, from signals and from `Stop` handles.
    Control,
    /// A connection, if its generation still matches.
    Connection,
    /// A key of nobody here.
    Unknown,
}

impl Key {
    /// The requests to stop.
    pub(crate) const CONTROL: Self = Self(OWN << INDEX_BITS);

    /// The timer of a worker that waits directly on the poller's descriptor.
    #[cfg(any(
        test,
        all(target_os = "linux", not(polling_test_poll_backend), not(feature = "portable"))
    ))]
    pub(crate) const TIMER: Self = Self((OWN << INDEX_BITS) | 1);

    /// What wakes the worker when something has come into its inbox; that is all it says.
    #[cfg(all(target_os = "linux", not(polling_test_poll_backend), not(feature = "portable")))]
    pub(crate) const INBOX: Self = Self((OWN << INDEX_BITS) | 2);

    /// The poller of the preferred connections, within the worker's own.
    #[cfg(any(
        test,
        all(target_os = "linux", not(polling_test_poll_backend), not(feature = "portable"))
    ))]
    pub(crate) const PREFERRED: Self = Self((OWN << INDEX_BITS) | 3);

    /// A listener by its number.
    pub(crate) const fn listener(number: usize) -> Self {
        Self((LISTENER << INDEX_BITS) | (number & INDEX_MASK))
    }

    /// A connection by its slot and the slot's generation.
    #[inline]
    pub(crate) const fn connection(index: u32, generation: u32) -> Self {
        Self(((generation as usize) << INDEX_BITS) | index as usize)
    }

    /// The key from the word a poller reports.
    #[inline]
    pub(crate) const fn from_word(word: usize) -> Self {
        Self(word)
    }

    /// The word to give to a poller.
    #[inline]
    pub(crate) const fn word(self) -> usize {
        self.0
    }

    /// The slot of a connection.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the mask leaves at most 32 bits")]
    pub(crate) const fn index(self) -> u32 {
        (self.0 & INDEX_MASK) as u32
    }

    /// The generation of the slot of a connection.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the shift leaves at most 32 bits")]
    pub(crate) const fn generation(self) -> u32 {
        (self.0 >> INDEX_BITS) as u32
    }

    /// What the key stands for.
    #[inline]
    pub(crate) const fn source(self) -> Source {
        let generation = self.0 >> INDEX_BITS;
        if generation < CONNECTION_GENERATIONS {
            Source::Connection
        } else if generation == LISTENER {
            Source::Listener(self.0 & INDEX_MASK)
        } else if self.0 == Self::CONTROL.0 {
            Source::Control
        } else {
            Source::Unknown
        }
    }
}

/// The generation of a slot that is used again.
pub(crate) const fn next_generation(generation: u32) -> u32 {
    if generation as usize + 1 < CONNECTION_GENERATIONS { generation + 1 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::{CONNECTION_GENERATIONS, Key, Source, next_generation};

    #[test]
    fn a_key_keeps_both_halves() {
        let key = Key::connection(7, 9);
        assert_eq!((key.index(), key.generation()), (7, 9));
        assert_eq!(key.source(), Source::Connection);
        assert_eq!(Key::listener(3).source(), Source::Listener(3));
        assert_eq!(Key::CONTROL.source(), Source::Control);
        assert_eq!(Key::TIMER.source(), Source::Unknown);
        assert_eq!(Key::PREFERRED.source(), Source::Unknown);
        assert_eq!(Key::from_word(usize::MAX).source(), Source::Unknown);
    }

    #[test]
    fn generations_come_round_before_the_reserved_ones() {
        let last = u32::try_from(CONNECTION_GENERATIONS - 1).expect("fits on 64-bit systems");
        assert_eq!(next_generation(last), 0);
        assert_eq!(next_generation(0), 1);
    }
}
