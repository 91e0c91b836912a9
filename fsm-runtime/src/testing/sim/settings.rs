//! What a simulated network is like, and what goes wrong in it.

/// How readiness is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reporting {
    /// When it changes, with the peer's half-close: as on Linux.
    #[default]
    Edge,
    /// Once, and again after it was asked for: as everywhere else.
    Oneshot,
}

/// The network between clients and the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// The most bytes that travel together; a longer stretch is cut at random.
    pub segment: usize,
    /// Cuts are always of `segment` bytes instead of random.
    pub regular: bool,
    /// The longest a segment takes, in milliseconds; each takes a random time up to it, in order.
    pub delay: u64,
    /// The bytes the server's send buffer holds.
    pub send_buffer: usize,
    /// The bytes the server's receive buffer holds.
    pub receive_buffer: usize,
    /// The bytes a client's receive buffer holds.
    pub client_buffer: usize,
    /// The most events one wait hands out.
    pub events: usize,
}

impl Default for Network {
    /// Everything arrives at once and whole; the buffers are as large as the kernel's are at first.
    fn default() -> Self {
        Self {
            segment: usize::MAX,
            regular: false,
            delay: 0,
            send_buffer: 128 * 1024,
            receive_buffer: 128 * 1024,
            client_buffer: 64 * 1024,
            events: 256,
        }
    }
}

/// How often things go wrong, each in so many of a thousand calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    /// A read or a write moves only a part.
    pub short: u32,
    /// A wait ends early with nothing, as a signal does it.
    pub interrupted: u32,
    /// A connection is reported although nothing has happened to it.
    pub spurious: u32,
    /// A read or a write would block although it was reported; only where readiness is asked for
    /// again.
    pub would_block: u32,
    /// A read or a write finds the connection reset.
    pub reset: u32,
    /// An accept fails: the connection is gone, or descriptors or memory have run out.
    pub accept: u32,
    /// A connection cannot be registered.
    pub register: u32,
    /// Readiness cannot be asked for again.
    pub rearm: u32,
    /// A listener cannot be paused or resumed.
    pub listen: u32,
    /// A wait fails after it has taken its events from the system.
    pub wait: u32,
    /// A connection that was closed is reported again.
    pub stale: u32,
    /// The whole machine stands still for up to 200 milliseconds.
    pub pause: u32,
}

impl Faults {
    /// Nothing goes wrong.
    pub const NONE: Self = Self {
        short: 0,
        interrupted: 0,
        spurious: 0,
        would_block: 0,
        reset: 0,
        accept: 0,
        register: 0,
        rearm: 0,
        listen: 0,
        wait: 0,
        stale: 0,
        pause: 0,
    };

    /// What costs no connection: cuts, interruptions, wrong reports.
    pub const HARMLESS: Self = Self {
        short: 200,
        interrupted: 100,
        spurious: 100,
        would_block: 100,
        wait: 20,
        stale: 100,
        ..Self::NONE
    };

    /// Everything at once.
    pub const STORM: Self = Self {
        reset: 10,
        accept: 100,
        register: 20,
        rearm: 5,
        listen: 100,
        pause: 10,
        ..Self::HARMLESS
    };
}
