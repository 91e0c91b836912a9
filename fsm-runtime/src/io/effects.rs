//! What an action may queue beside bytes: messages, operations, topics to join.
//!
//! Nothing of it happens before the event has led to its state: an action that fails or panics
//! leaves no trace. Room for it is taken at once, so that a full inbox or a full pool is told to
//! the very action that asked.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::io::{Io, Turn};
use crate::machine::Machine;
use crate::mesh::{Finish, Handle, Id, Mail, Post, TellError, Topic};
use crate::operation::{OperationError, PoolFull, Reply, Ticket};
use crate::pool::{Slot, Slots};
use crate::time_of_day::TimeOfDay;

/// Something that goes out once the event has led to its state.
pub(crate) enum Effect<M: Machine> {
    /// Something for a worker's inbox, with a place reserved for it.
    Post { worker: usize, mail: Mail<M> },
    /// The connection joins a topic.
    Join(Topic),
    /// The connection leaves a topic.
    Leave(Topic),
    /// The connection waits for an answer that somebody holds a ticket for.
    Await { operation: u64 },
    /// A job for the pool; the connection waits for it, or nobody does.
    Offload { operation: Option<u64>, slot: Slot, work: Work },
}

/// What a thread of the pool is to do.
pub(crate) type Work = Box<dyn FnOnce() + Send>;

/// A worker's ties to others.
pub(crate) struct Ties<M: Machine> {
    /// The number of the worker.
    pub(crate) worker: usize,
    pub(crate) handle: Handle<M>,
    /// Where others reach the worker.
    pub(crate) post: Arc<Post<M>>,
    /// The room in the pool.
    pub(crate) slots: Slots,
    /// The number of the worker's next operation.
    pub(crate) next_operation: u64,
    pub(crate) time_of_day: TimeOfDay,
}

impl<M: Machine> Ties<M> {
    pub(crate) fn new(worker: usize, handle: Handle<M>, slots: Slots) -> Self {
        let post = handle.post_of(worker);
        let time_of_day = TimeOfDay::default();
        Self { worker, handle, post, slots, next_operation: 0, time_of_day }
    }

    fn number_operation(&mut self) -> u64 {
        self.next_operation += 1;
        self.next_operation
    }
}

impl<M: Machine> Turn<M> {
    fn queue(&mut self, effect: Effect<M>) {
        self.has_news = true;
        self.effects.push(effect);
    }
}

impl<M: Machine> Io<'_, M> {
    /// The name of this machine, by which others can send to it.
    #[must_use]
    pub fn id(&self) -> Id<M> {
        Id::new(self.turn.ties.worker, self.turn.key)
    }

    /// A handle to send with from ordinary threads.
    #[must_use]
    pub fn handle(&self) -> Handle<M> {
        self.turn.ties.handle.clone()
    }

    /// Sends a message to a machine, on whatever worker it is; this very one included. It comes as
    /// `message`, never within this action, and in the order in which this machine sent. If the
    /// receiver's connection has ended, the message is dropped.
    ///
    /// # Errors
    /// The inbox of the receiver's worker is full, or the worker has ended, as those with nobody
    /// left do during a drain: the message is given back.
    pub fn tell(&mut self, id: Id<M>, message: M::Message) -> Result<(), TellError<M::Message>> {
        match self.turn.ties.handle.reserve(id.worker()) {
            Ok(()) => {
                let mail = Mail::Message { to: id.key(), message };
                self.turn.queue(Effect::Post { worker: id.worker(), mail });
                Ok(())
            }
            Err(refusal) => Err(refusal.of(message)),
        }
    }

    /// Sends a message to every machine that has joined the topic, on all workers; this very one
    /// included, if it has. It comes as [`Io::tell`]'s does.
    ///
    /// # Errors
    /// The inbox of some worker is full: nobody gets the message, and it is given back.
    pub fn publish(
        &mut self,
        topic: &Topic,
        message: M::Message,
    ) -> Result<(), TellError<M::Message>>
    where
        M::Message: Clone,
    {
        let mails = self.turn.ties.handle.address(topic, message)?;
        for (worker, mail) in mails.into_iter().enumerate() {
            self.turn.queue(Effect::Post { worker, mail });
        }
        Ok(())
    }

    /// Joins a topic: from now on what is published to it comes as `message`, and so may what was
    /// published just before and is still on its way. The connection's end leaves all topics,
    /// however it comes.
    pub fn join(&mut self, topic: &Topic) {
        self.turn.queue(Effect::Join(topic.clone()));
    }

    /// Leaves a topic. What was published before and has not come by then does not come any more.
    pub fn leave(&mut self, topic: &Topic) {
        self.turn.queue(Effect::Leave(topic.clone()));
    }

    /// Has a job done by a thread that may block. What it answers comes as `reply`.
    ///
    /// The operation belongs to the state that the present row ends in, or to that state's group
    /// where the group's row takes the `reply`. Leaving it cancels the job: one that waits is
    /// dropped, one that runs ends by itself, and its answer is dropped. A job that panics
    /// answers [`OperationError::Panicked`].
    ///
    /// # Errors
    /// As many jobs wait or run as may: the job is given back, and the action has to say what
    /// happens then.
    ///
    /// ```
    /// use std::io;
    /// use fsm_runtime::testing::Driver;
    /// use fsm_runtime::{Io, Lines, Machine};
    ///
    /// #[derive(Machine)]
    /// #[machine(context = Reader, input = Lines<'_>, reply = io::Result<String>)]
    /// enum Cat {
    ///     #[initial]
    ///     #[on(Line(path) => open(path) -> Reading | Idle "the pool is full")]
    ///     #[on(TooLong | eof | shutdown -> Closed)]
    ///     #[after(1min without input -> Closed)]
    ///     Idle,
    ///     #[on(reply(text) => show(text) -> Idle)]
    ///     #[ignores(eof, shutdown)]
    ///     #[after(5s => give_up -> Idle)]
    ///     Reading,
    ///     #[terminal]
    ///     Closed,
    /// }
    ///
    /// struct Reader;
    ///
    /// impl Reader {
    ///     fn open(&mut self, path: &[u8], io: &mut Io<'_, Cat>) -> CatOpen {
    ///         let path = String::from_utf8_lossy(path.trim_ascii()).into_owned();
    ///         match io.offload(move || std::fs::read_to_string(path)) {
    ///             Ok(()) => CatOpen::Reading,
    ///             Err(_full) => {
    ///                 writeln!(io.out, "try again later");
    ///                 CatOpen::Idle
    ///             }
    ///         }
    ///     }
    ///
    ///     fn show(&mut self, text: io::Result<String>, io: &mut Io<'_, Cat>) {
    ///         match text {
    ///             Ok(text) => writeln!(io.out, "{text}"),
    ///             Err(error) => writeln!(io.out, "error: {error}"),
    ///         }
    ///     }
    ///
    ///     fn give_up(&mut self, io: &mut Io<'_, Cat>) {
    ///         writeln!(io.out, "the disk is slow today");
    ///     }
    /// }
    ///
    /// let mut driver = Driver::<Cat>::new(Reader);
    /// driver.input(b"/nowhere\n");
    /// assert_eq!((driver.state(), driver.operations()), ("Reading", 1));
    /// driver.run_jobs();
    /// assert!(driver.sent_text().starts_with("error: "));
    /// driver.pool_room(0);
    /// driver.input(b"/nowhere\n");
    /// assert_eq!(driver.sent_text(), "try again later\n");
    /// ```
    pub fn offload<J>(&mut self, job: J) -> Result<(), PoolFull<J>>
    where
        J: FnOnce() -> M::Reply + Send + 'static,
        M::Reply: Reply,
    {
        let Some(slot) = self.turn.ties.slots.take() else { return Err(PoolFull(job)) };
        let (operation, ticket) = self.issue();
        let work = Box::new(move || match catch_unwind(AssertUnwindSafe(job)) {
            Ok(reply) => ticket.answer(reply),
            Err(_) => ticket.fail(OperationError::Panicked),
        });
        self.turn.queue(Effect::Offload { operation: Some(operation), slot, work });
        Ok(())
    }

    /// Has a job done by a thread that may block, for the worker and not for this connection:
    /// `finish` is called with the worker's shared data and what the job answered, whatever has
    /// become of the connection; with [`OperationError::Abandoned`] also where the action that
    /// asked fails or panics. Only the server's end comes before it. Caches are filled this way.
    ///
    /// # Errors
    /// As many jobs wait or run as may: both closures are given back.
    pub fn offload_shared<T, J, F>(&mut self, job: J, finish: F) -> Result<(), PoolFull<(J, F)>>
    where
        J: FnOnce() -> T + Send + 'static,
        F: FnOnce(&mut M::Shared, Result<T, OperationError>) + Send + 'static,
        T: Send + 'static,
    {
        let Some(slot) = self.turn.ties.slots.take() else { return Err(PoolFull((job, finish))) };
        let (worker, handle) = (self.turn.ties.worker, self.handle());
        let mut finishing = Finishing { worker, handle, finish: Some(Box::new(finish)) };
        let work = Box::new(move || {
            let answer = catch_unwind(AssertUnwindSafe(job));
            finishing.end(answer.map_err(|_| OperationError::Panicked));
        });
        self.turn.queue(Effect::Offload { operation: None, slot, work });
        Ok(())
    }

    /// The right to answer an operation of this machine once, from anywhere: another machine, a
    /// thread, the worker's shared data. The answer comes as `reply`; [`Io::offload`] says to which
    /// state.
    #[must_use]
    pub fn ticket(&mut self) -> Ticket<M>
    where
        M::Reply: Reply,
    {
        let (operation, ticket) = self.issue();
        self.turn.queue(Effect::Await { operation });
        ticket
    }

    fn issue(&mut self) -> (u64, Ticket<M>)
    where
        M::Reply: Reply,
    {
        let operation = self.turn.ties.number_operation();
        (operation, Ticket::new(self.id(), operation, self.handle()))
    }
}

/// The end of a job of the worker's own, which comes even if the job is never begun.
struct Finishing<M: Machine, T: Send + 'static> {
    worker: usize,
    handle: Handle<M>,
    /// None once it has come.
    finish: Option<FinishWith<M, T>>,
}

/// What is to be done with the worker's shared data and the answer of a job.
type FinishWith<M, T> =
    Box<dyn FnOnce(&mut <M as Machine>::Shared, Result<T, OperationError>) + Send>;

impl<M: Machine, T: Send + 'static> Finishing<M, T> {
    fn end(&mut self, answer: Result<T, OperationError>) {
        if let Some(finish) = self.finish.take() {
            let finish: Finish<M> = Box::new(move |shared| finish(shared, answer));
            self.handle.post(self.worker, Mail::Finish(finish));
        }
    }
}

impl<M: Machine, T: Send + 'static> Drop for Finishing<M, T> {
    fn drop(&mut self) {
        self.end(Err(OperationError::Abandoned));
    }
}
