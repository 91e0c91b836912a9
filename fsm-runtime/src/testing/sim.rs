//! A whole server in a simulated system: many clients, virtual time, a network that cuts and
//! delays, and faults, all from one seed.
//!
//! The worker is the very one that serves real sockets; only the system below it is simulated. Time
//! passes only while the worker waits, so a test of a five-minute timeout takes no time. The same
//! seed gives the same run, call by call. Every byte is accounted for: what a client sent was
//! received in order, or still waits, or was lost by a reset that is known of; and the other way
//! round.
//!
//! ```
//! use fsm_runtime::testing::sim::{Script, Simulation};
//! use fsm_runtime::{Io, Lines, Machine};
//!
//! #[derive(Machine)]
//! #[machine(context = Client, input = Lines<'_>)]
//! enum Echo {
//!     #[initial]
//!     #[on(Line(line) => echo(line))]
//!     #[on(TooLong -> Closed)]
//!     #[on(eof(_) -> Closed)]
//!     #[on(shutdown -> Closed)]
//!     #[after(10s without input -> Closed)]
//!     Reading,
//!     #[terminal]
//!     Closed,
//! }
//!
//! struct Client;
//! impl Client {
//!     fn echo(&mut self, line: &[u8], io: &mut Io<'_, Echo>) {
//!         io.out.send(line);
//!     }
//! }
//!
//! let mut sim = Simulation::<Echo>::new(7, |_| Client);
//! let polite = sim.connect(Script::new().send("hello\n").half_close());
//! let silent = sim.connect(Script::new().send("half a li"));
//! sim.run();
//! assert_eq!(sim.received(polite), b"hello\n");
//! assert!(sim.ended_at(silent).expect("shed").as_secs() == 10);
//! sim.check();
//! ```

mod jobs;
mod random;
mod script;
mod settings;
mod system;
mod trace;
mod wire;

use std::io;
use std::net::IpAddr;
use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

pub use script::Script;
pub use settings::{Faults, Network, Reporting};

use crate::accepted::Accepted;
use crate::door::Door;
use crate::io::Ties;
use crate::machine::Machine;
use crate::mesh::{DEFAULT_INBOX, Handle, Post};
use crate::peer::Peer;
use crate::server::DEFAULT_DRAIN_LIMIT;
use crate::summary::Summary;
use crate::sys::Sys;
use crate::table::Class;
use crate::worker::Worker;
use system::{Failure, System};

/// What makes the context of a new connection.
type MakeContext<M> = Box<dyn FnMut(&Peer) -> Accepted<<M as Machine>::Context>>;

/// A server with its clients and the network between them.
pub struct Simulation<M: Machine> {
    seed: u64,
    worker: Worker<M, System, MakeContext<M>>,
    drain_limit: Duration,
    outcome: Option<io::Result<()>>,
}

/// A client of the simulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientId(usize);

impl<M: Machine> Simulation<M>
where
    M::Decoder: Clone + Default,
    M::Shared: Default,
{
    /// A server without clients. Everything random in its run follows from the seed.
    pub fn new<A>(seed: u64, make_context: impl FnMut(&Peer) -> A + 'static) -> Self
    where
        A: Into<Accepted<M::Context>>,
    {
        Self::with(seed, M::Decoder::default(), M::Shared::default(), make_context)
    }
}

impl<M: Machine> Simulation<M>
where
    M::Decoder: Clone,
{
    /// As [`Simulation::new`], with a decoder that carries limits of its own and shared data made
    /// before.
    pub fn with<A>(
        seed: u64,
        decoder: M::Decoder,
        shared: M::Shared,
        mut make_context: impl FnMut(&Peer) -> A + 'static,
    ) -> Self
    where
        A: Into<Accepted<M::Context>>,
    {
        let make_context: MakeContext<M> = Box::new(move |peer| make_context(peer).into());
        let system = System::new(seed);
        let handle = Handle::to(vec![Post::new(DEFAULT_INBOX, || {})]);
        let ties = Ties::new(0, handle, system.slots.clone());
        let worker = Worker::new(system, ties, shared, decoder, make_context);
        Self { seed, worker, drain_limit: DEFAULT_DRAIN_LIMIT, outcome: None }
    }

    /// What the network is like from now on.
    pub fn network(&mut self, network: Network) -> &mut Self {
        self.worker.desk.sys.network = network;
        self
    }

    /// What goes wrong from now on.
    pub fn faults(&mut self, faults: Faults) -> &mut Self {
        self.worker.desk.sys.faults = faults;
        self
    }

    /// How readiness is reported. To be chosen before the first run.
    pub fn reporting(&mut self, reporting: Reporting) -> &mut Self {
        self.worker.desk.sys.reporting = reporting;
        self
    }

    /// How long a job takes that an action offloads; by default 1 to 20 ms of virtual time, by the
    /// seed. Jobs run on this thread when their time is over.
    pub fn job_time(&mut self, time: std::ops::RangeInclusive<Duration>) -> &mut Self {
        self.worker.desk.sys.jobs.take_from(time);
        self
    }

    /// How many jobs run or wait before the pool is full.
    pub fn pool_room(&mut self, jobs: usize) -> &mut Self {
        self.worker.desk.sys.leave_room(jobs);
        self
    }

    /// A handle to send to the machines with.
    pub fn handle(&self) -> Handle<M> {
        self.worker.desk.turn.ties.handle.clone()
    }

    /// The jobs that were begun, and those that were cancelled before.
    pub fn jobs(&self) -> (u64, u64) {
        (self.worker.desk.sys.jobs.begun, self.worker.desk.sys.jobs.cancelled)
    }

    /// How long connections may take to end after [`Simulation::stop`].
    pub fn drain_limit(&mut self, limit: Duration) -> &mut Self {
        self.drain_limit = limit;
        self
    }

    /// How many descriptors there are for connections and for the spare one.
    pub fn descriptors(&mut self, limit: Option<usize>) -> &mut Self {
        self.worker.desk.sys.descriptors = limit;
        self
    }

    /// Makes the call fail that comes after `calls` other calls that can fail, with an error number
    /// of the system, if that call knows the error. A `sticky` failure also meets every later call
    /// of its kind.
    pub fn fail_call(&mut self, calls: u64, errno: i32, sticky: bool) -> &mut Self {
        self.worker.desk.sys.failure = Some(Failure { left: calls, errno, sticky, hit: None });
        self
    }

    /// Tells whether the call of [`Simulation::fail_call`] was made.
    pub fn has_failed(&self) -> bool {
        self.worker.desk.sys.failure.is_some_and(|failure| failure.hit.is_some())
    }

    /// The server listens at `count` places, at one without this. To be chosen before the first
    /// run.
    pub fn listeners(&mut self, count: usize) -> &mut Self {
        while self.worker.desk.sys.listeners() < count {
            self.worker.desk.sys.add_listener();
        }
        self
    }

    /// Gives those who connect at a listener a class.
    ///
    /// # Panics
    /// When there is no such listener.
    pub fn class_at(&mut self, listener: usize, class: Class) -> &mut Self {
        self.worker.desk.sys.set_class_at(listener, class);
        self
    }

    /// How long a slice may take before it is reported.
    pub fn slow_slice(&mut self, limit: Duration) -> &mut Self {
        self.worker.set_slow_slice(limit);
        self
    }

    /// Every read from a client and every write to it takes the server so long from now on; without
    /// this, time passes only while the worker waits.
    pub fn take_long(&mut self, client: ClientId, time: Duration) {
        self.worker.desk.sys.take_long(client.0, time);
    }

    /// How many connections are let in at once, and how many of one address, if that is limited.
    /// To be chosen before the first run.
    pub fn limits(
        &mut self,
        connections: Option<NonZero<usize>>,
        per_address: Option<NonZero<usize>>,
    ) -> &mut Self {
        self.worker.accepting.door = Arc::new(Door::new(connections, per_address));
        self
    }

    /// A client connects and does what its script says.
    pub fn connect(&mut self, script: Script) -> ClientId {
        self.connect_at(0, script)
    }

    /// As [`Simulation::connect`], at the listener of that number; the first is 0.
    ///
    /// # Panics
    /// When there is no such listener.
    pub fn connect_at(&mut self, listener: usize, script: Script) -> ClientId {
        self.worker.desk.sys.is_idle = false;
        ClientId(self.worker.desk.sys.connect(listener, script))
    }

    /// As [`Simulation::connect`], from another address than that of this machine.
    pub fn connect_from(&mut self, source: IpAddr, script: Script) -> ClientId {
        let client = self.connect(script);
        self.worker.desk.sys.wires[client.0].source = Some(source);
        client
    }

    /// A client goes on with more steps behind those of its script.
    pub fn then(&mut self, client: ClientId, script: Script) {
        self.worker.desk.sys.is_idle = false;
        self.worker.desk.sys.extend(client.0, script);
    }

    /// Asks the server to drain, and the second time to stop.
    pub fn stop(&mut self) {
        self.worker.desk.sys.is_idle = false;
        self.worker.desk.sys.stops += 1;
    }

    /// Runs until nothing can happen any more: the server has stopped, or it waits for ever and no
    /// client has anything left to do. Deadlines pass on the way.
    pub fn run(&mut self) {
        self.worker.desk.sys.horizon = None;
        self.worker.desk.sys.is_idle = false;
        while !self.worker.desk.sys.is_idle && self.turn() {}
    }

    /// Runs for so much virtual time, or until nothing can happen any more.
    pub fn run_for(&mut self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let end = self.worker.desk.sys.now.saturating_add(millis);
        self.worker.desk.sys.horizon = Some(end);
        while self.worker.desk.sys.now < end && self.turn() {}
        self.worker.desk.sys.horizon = None;
    }

    /// Runs one turn of the worker's loop. False once the server has stopped.
    pub fn turn(&mut self) -> bool {
        if self.outcome.is_some() {
            return false;
        }
        match self.worker.turn(self.drain_limit) {
            Ok(true) => return true,
            Ok(false) => self.outcome = Some(Ok(())),
            Err(error) => self.outcome = Some(Err(error)),
        }
        self.worker.desk.sys.close_all();
        self.worker.desk.sys.settle();
        false
    }

    /// How the server stopped, once it has.
    pub fn outcome(&self) -> Option<&io::Result<()>> {
        self.outcome.as_ref()
    }

    /// The virtual time since the beginning.
    pub fn now(&self) -> Duration {
        Duration::from_millis(self.worker.desk.sys.now)
    }

    /// What the worker did so far.
    pub fn summary(&self) -> &Summary {
        self.worker.summary()
    }

    /// The connections that the server serves.
    pub fn open(&self) -> usize {
        self.worker.open()
    }

    /// The data of the worker.
    pub fn shared(&mut self) -> &mut M::Shared {
        &mut self.worker.desk.shared
    }

    /// The name of the state that a client's connection is in, while it is served.
    pub fn state(&mut self, client: ClientId) -> Option<&'static str> {
        let connections = &mut self.worker.connections;
        let found = (0..connections.end()).find_map(|index| {
            let connection = connections.get_mut(index)?;
            (connection.socket == client.0).then(|| connection.machine.state())
        })?;
        Some(M::TABLE.states[found].name)
    }

    /// The connections that hold buffers, because bytes of theirs wait.
    pub fn buffers_held(&mut self) -> usize {
        let connections = &mut self.worker.connections;
        let all = 0..connections.end();
        let holds =
            |index: &u32| connections.get_mut(*index).is_some_and(|it| it.buffers.is_some());
        all.filter(holds).count()
    }

    /// The bytes a client was given to send.
    pub fn sent(&self, client: ClientId) -> &[u8] {
        &self.worker.desk.sys.wires[client.0].ledger.client_sent
    }

    /// The bytes a client has received.
    pub fn received(&self, client: ClientId) -> &[u8] {
        &self.worker.desk.sys.wires[client.0].ledger.client_received
    }

    /// The bytes the server has received of a client.
    pub fn server_received(&self, client: ClientId) -> &[u8] {
        &self.worker.desk.sys.wires[client.0].ledger.server_received
    }

    /// The bytes the server has sent to a client, whether or not they have arrived.
    pub fn server_sent(&self, client: ClientId) -> &[u8] {
        &self.worker.desk.sys.wires[client.0].ledger.server_sent
    }

    /// The bytes lost by resets, from the client and to it.
    pub fn lost(&self, client: ClientId) -> (usize, usize) {
        let ledger = &self.worker.desk.sys.wires[client.0].ledger;
        (ledger.lost_up, ledger.lost_down)
    }

    /// When the server shut down its sending side, closed or reset, whichever was first.
    pub fn ended_at(&self, client: ClientId) -> Option<Duration> {
        self.worker.desk.sys.wires[client.0].server.finished_at.map(Duration::from_millis)
    }

    /// Tells whether a client has seen the end of the server's bytes, and no reset before it.
    pub fn saw_end(&self, client: ClientId) -> bool {
        let client = &self.worker.desk.sys.wires[client.0].client;
        client.ended && !client.dead
    }

    /// Tells whether a client's connection was reset.
    pub fn was_reset(&self, client: ClientId) -> bool {
        self.worker.desk.sys.wires[client.0].client.dead
    }

    /// A number that is the same for two runs if and only if, but for chance, the worker made the
    /// same calls at the same times with the same answers.
    pub fn fingerprint(&self) -> u64 {
        self.worker.desk.sys.trace.fingerprint()
    }

    /// The calls the worker has made.
    pub fn calls(&self) -> u64 {
        self.worker.desk.sys.trace.calls()
    }

    /// Balances the ledger of every client, and the sockets against the connections.
    ///
    /// # Panics
    /// When a byte is missing, changed or out of order, or when a socket or a place was forgotten.
    pub fn check(&self) {
        let system = &self.worker.desk.sys;
        for (number, wire) in system.wires.iter().enumerate() {
            if let Err(wrong) = wire.audit() {
                panic!("seed {}, client {number}: {wrong}\n{}", self.seed, system.trace);
            }
        }
        let served = if self.outcome.is_some() { 0 } else { self.worker.open() };
        assert_eq!(system.open, served, "seed {}: open sockets and connections", self.seed);
        if let Some(taken) = self.worker.accepting.door.taken() {
            assert_eq!(taken, served, "seed {}: places taken and connections", self.seed);
        }
    }
}

/// A failing test names the seed that makes it fail again.
impl<M: Machine> Drop for Simulation<M> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the simulation's seed is {}\n{}", self.seed, self.worker.desk.sys.trace);
        }
    }
}
