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
mod workers;

use std::cell::RefCell;
use std::io;
use std::net::IpAddr;
use std::num::NonZero;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub use script::Script;
pub use settings::{Faults, Network, Reporting};

use crate::accepted::Accepted;
use crate::door::Door;
use crate::io::Ties;
use crate::machine::Machine;
use crate::mesh::{DEFAULT_INBOX, Handle, Post, Topic};
use crate::peer::Peer;
use crate::server::DEFAULT_DRAIN_LIMIT;
use crate::summary::Summary;
use crate::sys::Sys;
use crate::table::Class;
use crate::time_of_day::TimeOfDay;
use crate::worker::Worker;
use system::{Failure, System};
use workers::Place;

/// What makes the context of a new connection.
type MakeContext<M> = Box<dyn FnMut(&Peer) -> Accepted<<M as Machine>::Context>>;

/// A server with its clients and the network between them.
pub struct Simulation<M: Machine> {
    seed: u64,
    system: System,
    /// One at least.
    workers: Vec<Place<M>>,
    handle: Handle<M>,
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

    /// A server of several workers, each with a listener and shared data of its own. Which of them
    /// goes on when several could follows from the seed.
    ///
    /// # Panics
    /// When there is to be no worker.
    pub fn of_workers<A>(
        workers: usize,
        seed: u64,
        make_context: impl FnMut(&Peer) -> A + 'static,
    ) -> Self
    where
        A: Into<Accepted<M::Context>>,
    {
        let shared = (0..workers).map(|_| M::Shared::default()).collect();
        Self::of_workers_with(seed, M::Decoder::default(), shared, make_context)
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
        make_context: impl FnMut(&Peer) -> A + 'static,
    ) -> Self
    where
        A: Into<Accepted<M::Context>>,
    {
        Self::of_workers_with(seed, decoder, vec![shared], make_context)
    }

    /// As [`Simulation::of_workers`], with a decoder that carries limits of its own and the shared
    /// data of each worker.
    ///
    /// # Panics
    /// When there is to be no worker.
    pub fn of_workers_with<A>(
        seed: u64,
        decoder: M::Decoder,
        shared: Vec<M::Shared>,
        mut make_context: impl FnMut(&Peer) -> A + 'static,
    ) -> Self
    where
        A: Into<Accepted<M::Context>>,
    {
        assert!(!shared.is_empty(), "somebody has to serve");
        let make_context = move |peer: &Peer| make_context(peer).into();
        let make_context = Rc::new(RefCell::new(make_context));
        let system = System::new(seed, shared.len());
        let post = |call: &Arc<_>| {
            let call = Arc::clone(call);
            Post::new(DEFAULT_INBOX, move || AtomicBool::store(&call, true, Ordering::Relaxed))
        };
        let handle = Handle::to(system.seats.iter().map(|seat| post(&seat.call)).collect());
        let worker = |(number, shared)| {
            let make_context = Rc::clone(&make_context);
            let make_context: MakeContext<M> =
                Box::new(move |peer| (*make_context.borrow_mut())(peer));
            let mut ties = Ties::new(number, handle.clone(), system.slots.clone());
            ties.time_of_day = TimeOfDay::Set(Arc::clone(&system.time_of_day));
            let nothing = System::new(seed, 1);
            Place::new(Worker::new(nothing, ties, shared, decoder.clone(), make_context))
        };
        let workers = shared.into_iter().enumerate().map(worker).collect();
        let drain_limit = DEFAULT_DRAIN_LIMIT;
        Self { seed, system, workers, handle, drain_limit, outcome: None }
    }

    /// Leaves listeners to these workers only; connections come to the others by being handed over.
    /// To be chosen before the first client connects.
    pub fn acceptors(&mut self, acceptors: &[usize]) -> &mut Self {
        self.system.keep_acceptors(acceptors);
        self
    }

    /// What the network is like from now on.
    pub fn network(&mut self, network: Network) -> &mut Self {
        self.system.network = network;
        self
    }

    /// What goes wrong from now on.
    pub fn faults(&mut self, faults: Faults) -> &mut Self {
        self.system.faults = faults;
        self
    }

    /// How readiness is reported. To be chosen before the first run.
    pub fn reporting(&mut self, reporting: Reporting) -> &mut Self {
        self.system.reporting = reporting;
        self
    }

    /// How long a job takes that an action offloads; by default 1 to 20 ms of virtual time, by the
    /// seed. Jobs run on this thread when their time is over.
    pub fn job_time(&mut self, time: std::ops::RangeInclusive<Duration>) -> &mut Self {
        self.system.jobs.take_from(time);
        self
    }

    /// How many jobs run at a time while others wait; as many as by default in a server without
    /// this. With none, no job is ever begun.
    pub fn pool_threads(&mut self, threads: usize) -> &mut Self {
        self.system.jobs.threads = threads;
        self
    }

    /// How many jobs run or wait before the pool is full.
    pub fn pool_room(&mut self, jobs: usize) -> &mut Self {
        self.system.leave_room(jobs);
        self
    }

    /// A handle to send to the machines with.
    pub fn handle(&self) -> Handle<M> {
        self.handle.clone()
    }

    /// Leaves room for so many messages more in the inbox of each worker.
    pub fn inbox_room(&mut self, messages: usize) -> &mut Self {
        for worker in 0..self.workers.len() {
            while self.handle.reserve(worker).is_ok() {}
            self.handle.release(worker, messages);
        }
        self
    }

    /// The connections that are members of a topic, on all workers.
    pub fn members(&self, topic: &Topic) -> usize {
        let members = |it: &Place<M>| it.worker.desk.outside.topics.members(topic).len();
        self.workers.iter().map(members).sum()
    }

    /// The operations that a client's connection waits for.
    pub fn operations(&mut self, client: ClientId) -> usize {
        let Some((worker, index)) = self.find(client) else { return 0 };
        self.workers[worker].worker.desk.outside.operations.count(index)
    }

    /// The jobs that were begun, and those that were cancelled before.
    pub fn jobs(&self) -> (u64, u64) {
        (self.system.jobs.begun, self.system.jobs.cancelled)
    }

    /// How long connections may take to end after [`Simulation::stop`].
    pub fn drain_limit(&mut self, limit: Duration) -> &mut Self {
        self.drain_limit = limit;
        self
    }

    /// How many descriptors there are for connections and for the spare one.
    pub fn descriptors(&mut self, limit: Option<usize>) -> &mut Self {
        self.system.descriptors = limit;
        self
    }

    /// Makes the call fail that comes after `calls` other calls that can fail, with an error number
    /// of the system, if that call knows the error. A `sticky` failure also meets every later call
    /// of its kind.
    pub fn fail_call(&mut self, calls: u64, errno: i32, sticky: bool) -> &mut Self {
        self.system.failure = Some(Failure { left: calls, errno, sticky, hit: None });
        self
    }

    /// Every wait of that worker fails from now on, until it gives up and ends.
    pub fn break_worker(&mut self, worker: usize) -> &mut Self {
        self.system.broken = Some(worker);
        self
    }

    /// Tells whether the call of [`Simulation::fail_call`] was made.
    pub fn has_failed(&self) -> bool {
        self.system.failure.is_some_and(|failure| failure.hit.is_some())
    }

    /// The server listens at `count` places, at one without this. To be chosen before the first
    /// run.
    pub fn listeners(&mut self, count: usize) -> &mut Self {
        while self.system.listeners() < count {
            self.system.add_listener();
        }
        self
    }

    /// Gives those who connect at a listener a class.
    ///
    /// # Panics
    /// When there is no such listener.
    pub fn class_at(&mut self, listener: usize, class: Class) -> &mut Self {
        self.system.set_class_at(listener, class);
        self
    }

    /// How long a slice may take before it is reported.
    pub fn slow_slice(&mut self, limit: Duration) -> &mut Self {
        self.workers.iter_mut().for_each(|place| place.worker.set_slow_slice(limit));
        self
    }

    /// Every read from a client and every write to it takes the server so long from now on; without
    /// this, time passes only while the worker waits.
    pub fn take_long(&mut self, client: ClientId, time: Duration) {
        self.system.take_long(client.0, time);
    }

    /// How many connections are let in at once, and how many of one address, if that is limited.
    /// To be chosen before the first run.
    pub fn limits(
        &mut self,
        connections: Option<NonZero<usize>>,
        per_address: Option<NonZero<usize>>,
    ) -> &mut Self {
        let door = Arc::new(Door::new(connections, per_address));
        self.workers.iter_mut().for_each(|it| it.worker.accepting.door = Arc::clone(&door));
        self
    }

    /// A client connects and does what its script says: at the first listener, or where there are
    /// several workers at one that the seed chooses.
    pub fn connect(&mut self, script: Script) -> ClientId {
        let listener = self.system.any_listener();
        self.connect_at(listener, script)
    }

    /// As [`Simulation::connect`], at the listener of that number; the first is 0.
    ///
    /// # Panics
    /// When there is no such listener.
    pub fn connect_at(&mut self, listener: usize, script: Script) -> ClientId {
        self.system.is_idle = false;
        ClientId(self.system.connect(listener, script))
    }

    /// As [`Simulation::connect`], from another address than that of this machine.
    pub fn connect_from(&mut self, source: IpAddr, script: Script) -> ClientId {
        let client = self.connect(script);
        self.system.wires[client.0].source = Some(source);
        client
    }

    /// A client goes on with more steps behind those of its script.
    pub fn then(&mut self, client: ClientId, script: Script) {
        self.system.is_idle = false;
        self.system.extend(client.0, script);
    }

    /// Asks the server to drain, and the second time to stop.
    pub fn stop(&mut self) {
        self.system.is_idle = false;
        self.system.stops += 1;
    }

    /// Runs until nothing can happen any more: the server has stopped, or it waits for ever and no
    /// client has anything left to do. Deadlines pass on the way.
    pub fn run(&mut self) {
        self.system.horizon = None;
        self.system.is_idle = false;
        while !self.system.is_idle && self.turn() {}
    }

    /// Runs for so much virtual time, or until nothing can happen any more.
    pub fn run_for(&mut self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let end = self.system.now.saturating_add(millis);
        self.system.horizon = Some(end);
        while self.system.now < end && self.turn() {}
        self.system.horizon = None;
    }

    /// Runs one turn of a worker's loop. False once the server has stopped.
    pub fn turn(&mut self) -> bool {
        if self.outcome.is_some() {
            return false;
        }
        let Some(number) = self.next_worker() else { return true };
        self.turn_of(number);
        if self.running().is_empty() {
            self.outcome = Some(self.outcome_of_all());
            self.system.close_all();
            self.system.settle();
            return false;
        }
        true
    }

    /// How the server stopped, once it has.
    pub fn outcome(&self) -> Option<&io::Result<()>> {
        self.outcome.as_ref()
    }

    /// The virtual time since the beginning.
    pub fn now(&self) -> Duration {
        Duration::from_millis(self.system.now)
    }

    /// What the workers did so far.
    pub fn summary(&self) -> Summary {
        let summaries = self.workers.iter().map(|it| *it.worker.summary());
        summaries.fold(Summary::default(), Summary::and)
    }

    /// The connections that the server serves.
    pub fn open(&self) -> usize {
        self.loads().iter().sum()
    }

    /// The connections that each worker serves.
    pub fn loads(&self) -> Vec<usize> {
        self.workers.iter().map(|it| it.worker.open()).collect()
    }

    /// The data of the worker, of the first one where there are several.
    pub fn shared(&mut self) -> &mut M::Shared {
        self.shared_of(0)
    }

    /// The data of the worker of that number; the first is 0.
    ///
    /// # Panics
    /// When there is no such worker.
    pub fn shared_of(&mut self, worker: usize) -> &mut M::Shared {
        &mut self.workers[worker].worker.desk.shared
    }

    /// The name of the state that a client's connection is in, while it is served.
    pub fn state(&mut self, client: ClientId) -> Option<&'static str> {
        let (worker, index) = self.find(client)?;
        let connection = self.workers[worker].worker.connections.get_mut(index)?;
        Some(M::TABLE.states[connection.machine.state()].name)
    }

    /// The worker that serves a client, while it is served.
    pub fn worker_of(&mut self, client: ClientId) -> Option<usize> {
        self.find(client).map(|(worker, _)| worker)
    }

    /// The worker and the slot of a client's connection.
    fn find(&mut self, client: ClientId) -> Option<(usize, u32)> {
        self.workers.iter_mut().enumerate().find_map(|(number, it)| {
            let connections = &mut it.worker.connections;
            let found = (0..connections.end())
                .find(|&index| connections.get_mut(index).is_some_and(|it| it.socket == client.0));
            found.map(|index| (number, index))
        })
    }

    /// The connections that hold buffers, because bytes of theirs wait.
    pub fn buffers_held(&mut self) -> usize {
        let held = |it: &mut Place<M>| {
            let connections = &mut it.worker.connections;
            let all = 0..connections.end();
            let holds =
                |index: &u32| connections.get_mut(*index).is_some_and(|it| it.buffers.is_some());
            all.filter(holds).count()
        };
        self.workers.iter_mut().map(held).sum()
    }

    /// The bytes a client was given to send.
    pub fn sent(&self, client: ClientId) -> &[u8] {
        &self.system.wires[client.0].ledger.client_sent
    }

    /// The bytes a client has received.
    pub fn received(&self, client: ClientId) -> &[u8] {
        &self.system.wires[client.0].ledger.client_received
    }

    /// The bytes the server has received of a client.
    pub fn server_received(&self, client: ClientId) -> &[u8] {
        &self.system.wires[client.0].ledger.server_received
    }

    /// The bytes the server has sent to a client, whether or not they have arrived.
    pub fn server_sent(&self, client: ClientId) -> &[u8] {
        &self.system.wires[client.0].ledger.server_sent
    }

    /// The bytes lost by resets, from the client and to it.
    pub fn lost(&self, client: ClientId) -> (usize, usize) {
        let ledger = &self.system.wires[client.0].ledger;
        (ledger.lost_up, ledger.lost_down)
    }

    /// When the server shut down its sending side, closed or reset, whichever was first.
    pub fn ended_at(&self, client: ClientId) -> Option<Duration> {
        self.system.wires[client.0].server.finished_at.map(Duration::from_millis)
    }

    /// Tells whether a client has seen the end of the server's bytes, and no reset before it.
    pub fn saw_end(&self, client: ClientId) -> bool {
        let client = &self.system.wires[client.0].client;
        client.ended && !client.dead
    }

    /// Tells whether a client's connection was reset.
    pub fn was_reset(&self, client: ClientId) -> bool {
        self.system.wires[client.0].client.dead
    }

    /// A number that is the same for two runs if and only if, but for chance, the worker made the
    /// same calls at the same times with the same answers.
    pub fn fingerprint(&self) -> u64 {
        self.system.trace.fingerprint()
    }

    /// The calls the worker has made.
    pub fn calls(&self) -> u64 {
        self.system.trace.calls()
    }

    /// Balances the ledger of every client, and the sockets against the connections.
    ///
    /// # Panics
    /// When a byte is missing, changed or out of order, or when a socket or a place was forgotten.
    pub fn check(&self) {
        let system = &self.system;
        for (number, wire) in system.wires.iter().enumerate() {
            if let Err(wrong) = wire.audit() {
                panic!("seed {}, client {number}: {wrong}\n{}", self.seed, system.trace);
            }
        }
        let running = self.running().into_iter();
        let served: usize = running.map(|number| self.workers[number].worker.open()).sum();
        let open = system.open;
        assert_eq!(
            open,
            served + self.arriving(),
            "seed {}: open sockets and connections",
            self.seed
        );
        if let Some(taken) = self.workers[0].worker.accepting.door.taken() {
            assert_eq!(taken, open, "seed {}: places taken and connections", self.seed);
        }
    }

    /// The connections that were handed over to a worker that ended without taking them over, and
    /// so were closed unserved.
    pub fn stranded(&self) -> usize {
        self.system.stranded
    }

    /// The connections on their way from one worker to another.
    pub fn arriving(&self) -> usize {
        self.system.seats.iter().map(|seat| seat.arrivals.len()).sum()
    }
}

/// A failing test names the seed that makes it fail again.
impl<M: Machine> Drop for Simulation<M> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // In the middle of a turn the system is with the worker.
            let traces = self.workers.iter().map(|it| &it.worker.desk.sys.trace);
            let trace = traces.chain([&self.system.trace]).max_by_key(|trace| trace.calls());
            eprintln!("the simulation's seed is {}", self.seed);
            trace.into_iter().for_each(|trace| eprintln!("{trace}"));
        }
    }
}
