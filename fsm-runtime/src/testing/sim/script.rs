//! What a simulated client does, step by step.

use std::time::Duration;

/// The steps of a client. A client reads what arrives unless a step says otherwise, and closes when
/// its script is over and the server has closed.
#[derive(Debug, Clone, Default)]
pub struct Script {
    pub(super) steps: Vec<Step>,
}

/// One step.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Send(Vec<u8>),
    Wait(u64),
    Expect(usize),
    ExpectEnd,
    Appetite(Option<usize>),
    HalfClose,
    Close,
    Reset,
    StayOpen,
}

impl Script {
    /// Connects and does nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends bytes.
    #[must_use]
    pub fn send(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.step(Step::Send(bytes.into()))
    }

    /// Lets time pass.
    #[must_use]
    pub fn wait(self, time: Duration) -> Self {
        self.step(Step::Wait(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Waits until `bytes` bytes in all were received, or the connection has ended.
    #[must_use]
    pub fn expect(self, bytes: usize) -> Self {
        self.step(Step::Expect(bytes))
    }

    /// Waits until the server has closed its side.
    #[must_use]
    pub fn expect_end(self) -> Self {
        self.step(Step::ExpectEnd)
    }

    /// From here on only `bytes` more bytes are read; 0 reads no more.
    #[must_use]
    pub fn read(self, bytes: usize) -> Self {
        self.step(Step::Appetite(Some(bytes)))
    }

    /// From here on everything is read, as it is at first.
    #[must_use]
    pub fn read_all(self) -> Self {
        self.step(Step::Appetite(None))
    }

    /// Closes the sending side once everything is sent.
    #[must_use]
    pub fn half_close(self) -> Self {
        self.step(Step::HalfClose)
    }

    /// Closes both sides once everything is sent; what arrives afterwards is answered with a reset.
    #[must_use]
    pub fn close(self) -> Self {
        self.step(Step::Close)
    }

    /// Resets the connection; what is not sent yet is dropped.
    #[must_use]
    pub fn reset(self) -> Self {
        self.step(Step::Reset)
    }

    /// Does not close when the server has closed, as a careless client does.
    #[must_use]
    pub fn stay_open(self) -> Self {
        self.step(Step::StayOpen)
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}
