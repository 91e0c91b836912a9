//! A server on a thread of the test's own process, for machines that a test writes itself.

use std::thread::JoinHandle;

use fsm_runtime::{Machine, Peer, Server, Stop, Summary};

/// A server that runs on a thread, until it is ended or dropped.
#[derive(Debug)]
pub struct Inside {
    address: String,
    stop: Stop,
    thread: Option<JoinHandle<Summary>>,
}

/// Serves a machine on a port of the system's choice.
#[must_use]
pub fn serve<M>(make_context: impl Fn(&Peer) -> M::Context + Send + Sync + 'static) -> Inside
where
    M: Machine,
    M::Decoder: Clone + Default + Sync,
    M::Shared: Default,
{
    serve_at::<M>("127.0.0.1:0", make_context)
}

/// Serves a machine with several workers on a port of the system's choice.
#[must_use]
pub fn serve_on<M>(
    workers: usize,
    make_context: impl Fn(&Peer) -> M::Context + Send + Sync + 'static,
) -> Inside
where
    M: Machine,
    M::Decoder: Clone + Default + Sync,
    M::Shared: Default,
{
    serve_on_at::<M>(workers, "127.0.0.1:0", make_context)
}

/// Serves a machine on an address, with one worker: its clients share one `Shared`.
///
/// # Panics
/// Where the address cannot be listened on.
#[must_use]
pub fn serve_at<M>(
    address: &str,
    make_context: impl Fn(&Peer) -> M::Context + Send + Sync + 'static,
) -> Inside
where
    M: Machine,
    M::Decoder: Clone + Default + Sync,
    M::Shared: Default,
{
    serve_on_at::<M>(1, address, make_context)
}

/// Serves a machine with several workers on an address.
///
/// # Panics
/// Where the address cannot be listened on.
#[must_use]
pub fn serve_on_at<M>(
    workers: usize,
    address: &str,
    make_context: impl Fn(&Peer) -> M::Context + Send + Sync + 'static,
) -> Inside
where
    M: Machine,
    M::Decoder: Clone + Default + Sync,
    M::Shared: Default,
{
    let server = Server::<M>::bind(&[address.parse().expect("an address")]).expect("it is free");
    let server = server.without_signals().workers(workers);
    let address = server.addresses().next().expect("one was given").to_string();
    let stop = server.stop();
    let thread = std::thread::spawn(move || server.run(make_context).expect("it serves"));
    Inside { address, stop, thread: Some(thread) }
}

impl Inside {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The handle that stops it.
    #[must_use]
    pub fn stop(&self) -> &Stop {
        &self.stop
    }

    /// Tells whether it has ended by itself.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Stops it at once and answers what it counted.
    ///
    /// # Panics
    /// Where the server itself panicked.
    #[must_use]
    pub fn end(mut self) -> Summary {
        self.stop.request();
        self.stop.request();
        let thread = self.thread.take().expect("taken once");
        thread.join().expect("a server does not panic")
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.stop.request();
        self.stop.request();
        if let Some(thread) = self.thread.take() {
            // The test fails already, or has seen what it wanted.
            let _ = thread.join();
        }
    }
}
