//! Bytes of a connection that wait, in buffers that are lent while some do and kept for others
//! after.

use crate::output::Output;

/// The spare buffers kept for the next connections that need some: at most 2 MiB with
/// [`SPARE_BYTES`].
const SPARE_BUFFERS: usize = 64;

/// A spare buffer that has grown beyond this is given back to the allocator.
const SPARE_BYTES: usize = 16 * 1024;

/// Bytes of a connection that wait.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    /// Input that no decoder has taken.
    pub(crate) unread: Vec<u8>,
    /// How much of it the present decoder has looked at without finding an input.
    pub(crate) seen: usize,
    /// When the input was begun that is not finished, in ticks.
    pub(crate) partial_since: u32,
    /// Output that the kernel has not taken.
    pub(crate) unsent: Output,
    /// When unsent output last moved or began to wait, in ticks.
    pub(crate) stuck_since: u32,
}

impl Buffers {
    /// Empties both directions for the next connection.
    pub(crate) fn clear(&mut self) {
        self.unread.clear();
        self.unsent.clear();
        self.seen = 0;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.unread.is_empty() && self.unsent.is_empty()
    }
}

/// Buffers that wait for a connection that needs some, boxed as they are lent.
pub(crate) type Spare = Vec<Box<Buffers>>;

/// Keeps emptied buffers for the next connection that needs some.
pub(crate) fn reuse(spare: &mut Spare, mut buffers: Box<Buffers>) {
    let capacity = buffers.unread.capacity().max(buffers.unsent.capacity());
    if spare.len() < SPARE_BUFFERS && capacity <= SPARE_BYTES {
        buffers.clear();
        spare.push(buffers);
    }
}
