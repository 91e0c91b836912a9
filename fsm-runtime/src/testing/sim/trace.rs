//! What the worker asked of the system: a fingerprint of everything, and the last calls in words.

use std::collections::VecDeque;
use std::fmt;

use rustix::io::Errno;

/// The last calls that are kept for a failure's report.
const KEPT: usize = 40;

/// A call of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Wait,
    Accept,
    Listen,
    Register,
    Rearm,
    Receive,
    Send,
    Finish,
    Close,
    Abort,
    HandOver,
}

impl Call {
    /// What the call can fail with in earnest; the first ones of a connection's death.
    pub(super) const fn errors(self) -> &'static [Errno] {
        match self {
            Self::Receive => &[Errno::CONNRESET, Errno::TIMEDOUT, Errno::HOSTUNREACH],
            Self::Send => &[Errno::CONNRESET, Errno::PIPE, Errno::TIMEDOUT],
            Self::Accept => &[
                Errno::CONNABORTED,
                Errno::INTR,
                Errno::PROTO,
                Errno::PERM,
                Errno::MFILE,
                Errno::NFILE,
                Errno::NOBUFS,
                Errno::NOMEM,
            ],
            Self::Register | Self::Rearm | Self::Listen => &[Errno::NOMEM, Errno::NOSPC],
            Self::Wait => &[Errno::NOMEM, Errno::INTR],
            Self::Finish | Self::Close | Self::Abort | Self::HandOver => &[],
        }
    }

    pub(super) fn can_fail_with(self, errno: i32) -> bool {
        self.errors().iter().any(|error| error.raw_os_error() == errno)
    }
}

/// The record of a run.
pub(super) struct Trace {
    fingerprint: u64,
    calls: u64,
    last: VecDeque<(u64, Call, usize, usize)>,
}

impl Trace {
    pub(super) fn new() -> Self {
        Self { fingerprint: 0xcbf2_9ce4_8422_2325, calls: 0, last: VecDeque::new() }
    }

    pub(super) fn note(&mut self, now: u64, call: Call, number: usize, amount: usize) {
        self.calls += 1;
        for word in [now, call as u64, number as u64, amount as u64] {
            // FNV-1a, a word at a time.
            self.fingerprint = (self.fingerprint ^ word).wrapping_mul(0x0100_0000_01b3);
        }
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back((now, call, number, amount));
    }

    pub(super) const fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// The calls so far.
    pub(super) const fn calls(&self) -> u64 {
        self.calls
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "the last of {} calls:", self.calls)?;
        for (now, call, number, amount) in &self.last {
            writeln!(formatter, "{now:>8} ms  {call:?} of client {number}: {amount}")?;
        }
        Ok(())
    }
}
