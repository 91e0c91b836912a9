//! How machines, workers and other threads reach each other: by messages in the workers' inboxes.
//!
//! Workers share nothing else. Everything that comes from outside of a worker comes as [`Mail`]:
//! messages, answers of operations, connections that another worker accepted, requests to stop. It
//! knows no sockets; how a sleeping worker is woken is told to it.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crate::inbox::{Inbox, Wake};
use crate::key::Key;
use crate::machine::Machine;

/// The messages that wait in the inbox of one worker before it is full: a broadcast of each of ten
/// thousand members, and about 1 MiB of small ones.
pub const DEFAULT_INBOX: usize = 16 * 1024;

/// The worker that hears of requests to stop and passes them on to the others, which it outlives.
pub(crate) const HEARS_STOPS: usize = 0;

/// The name of one machine for as long as its connection lives, on whatever worker it is.
///
/// It stays valid to send to after the connection has ended; the message is dropped then, and never
/// reaches another machine. It belongs to one server: another server of the same machine knows
/// somebody else by it, or nobody.
pub struct Id<M> {
    worker: u32,
    key: Key,
    machine: PhantomData<fn() -> M>,
}

impl<M> Id<M> {
    pub(crate) fn new(worker: usize, key: Key) -> Self {
        let worker = u32::try_from(worker).unwrap_or(u32::MAX);
        Self { worker, key, machine: PhantomData }
    }

    pub(crate) fn worker(self) -> usize {
        self.worker as usize
    }

    pub(crate) fn key(self) -> Key {
        self.key
    }
}

impl<M> Clone for Id<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Id<M> {}

impl<M> PartialEq for Id<M> {
    fn eq(&self, other: &Self) -> bool {
        (self.worker, self.key) == (other.worker, other.key)
    }
}

impl<M> Eq for Id<M> {}

impl<M> Hash for Id<M> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.worker, self.key).hash(state);
    }
}

impl<M> fmt::Debug for Id<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Id({self})")
    }
}

impl<M> fmt::Display for Id<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.worker, self.key.index(), self.key.generation())
    }
}

/// What messages can be published to: every machine that has joined it gets them, on all workers.
///
/// Two topics of the same name are the same topic. Cloning one copies a pointer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic(Arc<str>);

impl Topic {
    /// The topic of that name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Why a message was not taken; it is given back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TellError<T> {
    /// As many messages wait for a worker as its inbox holds.
    Full(T),
    /// The server does not run: not yet, or no more.
    Stopped(T),
}

impl<T> TellError<T> {
    /// The message.
    pub fn into_message(self) -> T {
        match self {
            Self::Full(message) | Self::Stopped(message) => message,
        }
    }
}

impl<T> fmt::Debug for TellError<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Stopped(_) => "Stopped(..)",
        })
    }
}

impl<T> fmt::Display for TellError<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Full(_) => "the receiver's inbox is full; try later, or drop the message",
            Self::Stopped(_) => "the server does not run, so nobody receives the message",
        })
    }
}

impl<T> std::error::Error for TellError<T> {}

/// What comes to a worker from outside.
pub(crate) enum Mail<M: Machine> {
    /// A message to one machine.
    Message { to: Key, message: M::Message },
    /// A message to the members that a topic has here.
    Published { topic: Topic, message: M::Message, clone: fn(&M::Message) -> M::Message },
    /// The answer of an operation.
    Reply { to: Key, operation: u64, reply: M::Reply },
    /// The end of a job that is the worker's and not a connection's.
    Finish(Finish<M>),
    /// A connection that another worker accepted waits to be taken over.
    Arrival,
    /// Somebody asked the server to stop: [`Post::take_stops`] says how often.
    Stop,
    /// A worker has ended that nobody asked to: the others are to drain, if they do not yet.
    Drain,
    /// The worker of this number, perhaps this one, hands over no connections any more.
    HandsOverNoMore(usize),
}

/// What is to be done with the worker's shared data when a job has ended.
pub(crate) type Finish<M> = Box<dyn FnOnce(&mut <M as Machine>::Shared) + Send>;

/// What there is of one worker for others, on cache lines of its own: the counter of one worker
/// must not slow down the next.
#[repr(align(128))]
pub(crate) struct Post<M: Machine> {
    inbox: Inbox<Mail<M>>,
    /// The connections the worker has, those on their way to it included.
    load: AtomicUsize,
    /// The requests to stop that the worker has not taken. They are counted beside the inbox, since
    /// a full one would keep them waiting for seconds; the mail only wakes.
    stops: AtomicUsize,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl<M: Machine> Post<M> {
    /// The post of a worker that `wake` wakes when it sleeps.
    pub(crate) fn new(capacity: usize, wake: impl Fn() + Send + Sync + 'static) -> Self {
        let (load, stops) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { inbox: Inbox::new(capacity), load, stops, wake: Box::new(wake) }
    }

    /// What others have put into the inbox; for the worker itself.
    #[inline]
    pub(crate) fn inbox(&self) -> &Inbox<Mail<M>> {
        &self.inbox
    }

    /// How often the server was asked to stop since the worker last took note of it.
    #[inline]
    pub(crate) fn take_stops(&self) -> usize {
        // A look first, as nobody has asked; one that is missed comes with its mail.
        match self.stops.load(Ordering::Relaxed) {
            0 => 0,
            _ => self.stops.swap(0, Ordering::Relaxed),
        }
    }

    fn push(&self, mail: Mail<M>) {
        // Where the worker has ended nobody is left to tell.
        if let Ok(Wake::Needed) = self.inbox.push(mail) {
            (self.wake)();
        }
    }
}

/// A handle on the machines of a server, to send to them from ordinary threads. Clone it freely.
///
/// ```
/// # use fsm_runtime::{Chunks, Io, Machine, Server, Topic};
/// # #[derive(Machine)]
/// # #[machine(context = Watcher, input = Chunks<'_>, message = u64)]
/// # enum Watch {
/// #     #[initial]
/// #     #[on(connected => join)]
/// #     #[on(message(price) => show(price))]
/// #     #[ignores(Chunk)]
/// #     #[on(eof(_) -> Closed)]
/// #     #[on(shutdown -> Closed)]
/// #     #[after(never = "prices may stay as they are")]
/// #     Watching,
/// #     #[terminal]
/// #     Closed,
/// # }
/// # struct Watcher;
/// # impl Watcher {
/// #     fn join(&mut self, io: &mut Io<'_, Watch>) {
/// #         io.join(&Topic::new("prices"));
/// #     }
/// #     fn show(&mut self, price: u64, io: &mut Io<'_, Watch>) {
/// #         writeln!(io.out, "{price}");
/// #     }
/// # }
/// let server = Server::<Watch>::bind(&["127.0.0.1:0".parse()?])?;
/// let (prices, stop) = (server.handle(), server.stop());
/// std::thread::spawn(move || {
///     // Until the server runs nobody hears of it.
///     while prices.publish(&Topic::new("prices"), 42).is_err() {
///         std::thread::yield_now();
///     }
///     stop.request();
/// });
/// server.run(|_peer| Watcher)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Handle<M: Machine>(Arc<OnceLock<Posts<M>>>);

/// The posts of all workers, by their numbers.
type Posts<M> = Box<[Arc<Post<M>>]>;

impl<M: Machine> Clone for Handle<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M: Machine> fmt::Debug for Handle<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Handle").field("workers", &self.workers()).finish()
    }
}

impl<M: Machine> Handle<M> {
    /// Sends a message to one machine. It comes as `message`, in the order in which this thread
    /// sent; if the machine's connection has ended, it is dropped.
    ///
    /// # Errors
    /// The inbox of the machine's worker is full, or the server does not run.
    pub fn tell(&self, id: Id<M>, message: M::Message) -> Result<(), TellError<M::Message>> {
        match self.reserve(id.worker()) {
            Ok(()) => {
                self.post(id.worker(), Mail::Message { to: id.key(), message });
                Ok(())
            }
            Err(refusal) => Err(refusal.of(message)),
        }
    }

    /// Sends a message to every machine that has joined the topic, on all workers.
    ///
    /// # Errors
    /// The inbox of some worker is full, and then nobody gets it; or the server does not run.
    pub fn publish(&self, topic: &Topic, message: M::Message) -> Result<(), TellError<M::Message>>
    where
        M::Message: Clone,
    {
        let mails = self.address(topic, message)?;
        for (worker, mail) in mails.into_iter().enumerate() {
            self.post(worker, mail);
        }
        Ok(())
    }

    /// The mails of one message to a topic, one to each worker, with a place reserved for each.
    pub(crate) fn address(
        &self,
        topic: &Topic,
        message: M::Message,
    ) -> Result<Vec<Mail<M>>, TellError<M::Message>>
    where
        M::Message: Clone,
    {
        if let Err(refusal) = self.reserve_all() {
            return Err(refusal.of(message));
        }
        let clone = |message: &M::Message| message.clone();
        let mail = |message| Mail::Published { topic: topic.clone(), message, clone };
        let mut mails: Vec<_> = (1..self.workers()).map(|_| mail(message.clone())).collect();
        mails.push(mail(message));
        Ok(mails)
    }

    /// A handle on workers that have yet to start.
    pub(crate) fn new() -> Self {
        Self(Arc::new(OnceLock::new()))
    }

    /// A handle on the given workers.
    pub(crate) fn to(posts: Vec<Post<M>>) -> Self {
        let handle = Self::new();
        handle.start(posts);
        handle
    }

    /// From now on the workers can be reached. Only the first call counts.
    pub(crate) fn start(&self, posts: Vec<Post<M>>) {
        let _ = self.0.set(posts.into_iter().map(Arc::new).collect());
    }

    fn posts(&self) -> &[Arc<Post<M>>] {
        self.0.get().map_or(&[], |posts| posts)
    }

    /// The number of workers.
    pub(crate) fn workers(&self) -> usize {
        self.posts().len()
    }

    /// Takes a place for one message in the inbox of a worker.
    pub(crate) fn reserve(&self, worker: usize) -> Result<(), Refusal> {
        match self.posts().get(worker) {
            Some(post) if post.inbox.is_closed() => Err(Refusal::Stopped),
            Some(post) if post.inbox.reserve() => Ok(()),
            Some(_) => Err(Refusal::Full),
            None => Err(Refusal::Stopped),
        }
    }

    /// Takes a place in every inbox, or in none. Workers that have ended have nobody to tell: a
    /// drain ends them one after the other, and those who are left go on talking.
    fn reserve_all(&self) -> Result<(), Refusal> {
        let mut reached = 0;
        for worker in 0..self.workers() {
            match self.reserve(worker) {
                Ok(()) => reached += 1,
                Err(Refusal::Stopped) => {}
                Err(Refusal::Full) => {
                    (0..worker).for_each(|reserved| self.release(reserved, 1));
                    return Err(Refusal::Full);
                }
            }
        }
        if reached == 0 { Err(Refusal::Stopped) } else { Ok(()) }
    }

    /// Gives places back. Those of a worker that has ended are nobody's.
    pub(crate) fn release(&self, worker: usize, places: usize) {
        if let Some(post) = self.posts().get(worker)
            && !post.inbox.is_closed()
        {
            post.inbox.release(places);
        }
    }

    /// Puts something into the inbox of a worker and wakes the worker if it sleeps.
    pub(crate) fn post(&self, worker: usize, mail: Mail<M>) {
        if let Some(post) = self.posts().get(worker) {
            post.push(mail);
        }
    }

    /// Puts something into every inbox.
    pub(crate) fn post_to_all(&self, mail: impl Fn() -> Mail<M>) {
        self.posts().iter().for_each(|post| post.push(mail()));
    }

    /// Asks every worker to stop.
    pub(crate) fn stop_all(&self) {
        for post in self.posts() {
            post.stops.fetch_add(1, Ordering::Relaxed);
            post.push(Mail::Stop);
        }
    }

    /// The post of a worker, for the worker itself. One that nobody else knows takes the place of
    /// one that there is not.
    pub(crate) fn post_of(&self, worker: usize) -> Arc<Post<M>> {
        let known = self.posts().get(worker).cloned();
        known.unwrap_or_else(|| Arc::new(Post::new(0, || {})))
    }

    /// Tells whether nothing reaches any worker but this one any more.
    pub(crate) fn others_have_ended(&self, worker: usize) -> bool {
        let mut posts = self.posts().iter().enumerate();
        posts.all(|(number, post)| number == worker || post.inbox.is_closed())
    }

    /// From now on nothing reaches a worker.
    pub(crate) fn close(&self, worker: usize) {
        if let Some(post) = self.posts().get(worker) {
            drop(post.inbox.close());
        }
    }

    /// The connections of each worker.
    pub(crate) fn loads(&self) -> impl Iterator<Item = usize> {
        self.posts().iter().map(|post| post.load.load(Ordering::Relaxed))
    }

    /// Counts a connection that a worker gets.
    pub(crate) fn add_load(&self, worker: usize) {
        if let Some(post) = self.posts().get(worker) {
            post.load.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a connection that a worker has no more.
    pub(crate) fn remove_load(&self, worker: usize) {
        if let Some(post) = self.posts().get(worker) {
            post.load.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Why no place could be reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Full,
    Stopped,
}

impl Refusal {
    /// The same with the message that is given back.
    pub(crate) fn of<T>(self, message: T) -> TellError<T> {
        match self {
            Self::Full => TellError::Full(message),
            Self::Stopped => TellError::Stopped(message),
        }
    }
}
