//! Work that blocks, done by real threads while the worker serves on.

use std::io::Read;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use fsm_runtime::testing::Driver;
use fsm_runtime::{Io, Lines, Machine, OperationError, Reply, Server, Stop, Ticket};
use fsm_tests::client::Client;
use fsm_tests::clock::eventually;

/// Does what its lines say, elsewhere.
#[derive(Machine)]
#[machine(context = Boss, input = Lines<'_>, reply = Done, shared = Ledger)]
enum Office {
    #[initial]
    #[on(Line(line) => begin(line) -> Waiting | Stay)]
    #[on(TooLong -> Closed)]
    #[on(eof(_) -> Closed)]
    #[on(shutdown -> Closed)]
    #[after(1min without input -> Closed)]
    Open,

    #[on(reply(done) => report(done) -> Open)]
    #[ignores(eof, shutdown)]
    #[after(20s => give_up -> Open)]
    Waiting,

    #[terminal]
    Closed,
}

enum Done {
    Slept,
    Told(&'static str),
    Failed(OperationError),
}

impl Reply for Done {
    fn failed(error: OperationError) -> Self {
        Self::Failed(error)
    }
}

/// What the worker has noted, and the tickets it has yet to answer.
#[derive(Default)]
struct Ledger {
    notes: u32,
    waiting: Vec<Ticket<Office>>,
}

struct Boss {
    tickets: mpsc::Sender<Ticket<Office>>,
    gate: Arc<Gate>,
}

/// Where jobs block until the test lets them pass, one by one.
struct Gate {
    arrived: mpsc::Sender<()>,
    passes: Mutex<mpsc::Receiver<()>>,
}

impl Gate {
    fn pass(&self) {
        self.arrived.send(()).expect("the test listens");
        self.passes.lock().expect("nobody panics here").recv().expect("the test lets it pass");
    }
}

impl Boss {
    fn begin(&mut self, line: &[u8], io: &mut Io<'_, Office>) -> OfficeBegin {
        match line.trim_ascii() {
            b"ping" => {
                writeln!(io.out, "pong {}", io.shared.notes);
                return OfficeBegin::Stay;
            }
            b"sleep" => {
                let gate = Arc::clone(&self.gate);
                let job = move || {
                    gate.pass();
                    Done::Slept
                };
                if io.offload(job).is_err() {
                    writeln!(io.out, "busy");
                    return OfficeBegin::Stay;
                }
            }
            b"panic" => io.offload(|| panic!("as the test wants")).expect("there is room"),
            b"note" => {
                let ticket = io.ticket();
                io.shared.waiting.push(ticket);
                let noted = io.offload_shared(
                    || 1,
                    |ledger: &mut Ledger, outcome: Result<u32, OperationError>| {
                        ledger.notes += outcome.unwrap_or(0);
                        for ticket in ledger.waiting.drain(..) {
                            ticket.answer(Done::Told("noted"));
                        }
                    },
                );
                assert!(noted.is_ok(), "there is room");
            }
            b"ticket" => self.tickets.send(io.ticket()).expect("the test listens"),
            _ => drop(io.ticket()),
        }
        OfficeBegin::Waiting
    }

    #[expect(clippy::needless_pass_by_value, reason = "a reply is the machine's own")]
    fn report(&mut self, done: Done, io: &mut Io<'_, Office>) {
        match done {
            Done::Slept => writeln!(io.out, "slept"),
            Done::Told(text) => writeln!(io.out, "{text}"),
            Done::Failed(error) => writeln!(io.out, "{error}"),
        }
    }

    fn give_up(&mut self, io: &mut Io<'_, Office>) {
        writeln!(io.out, "too late");
    }
}

/// A server of one worker, whose pool has two threads and room for three jobs.
struct Running {
    address: String,
    stop: Stop,
    tickets: mpsc::Receiver<Ticket<Office>>,
    /// A job has begun to block.
    blocked: mpsc::Receiver<()>,
    /// Lets one of them pass.
    let_pass: mpsc::Sender<()>,
}

impl Running {
    fn start() -> Self {
        let server = Server::<Office>::bind(&["127.0.0.1:0".parse().expect("an address")]);
        let server = server.expect("a free port").without_signals().workers(1).pool(2, 3);
        let address = server.addresses().next().expect("one was given").to_string();
        let (stop, (given, tickets)) = (server.stop(), mpsc::channel());
        let ((arrived, blocked), (let_pass, passes)) = (mpsc::channel(), mpsc::channel());
        let gate = Arc::new(Gate { arrived, passes: Mutex::new(passes) });
        thread::spawn(move || {
            let boss = |_: &_| Boss { tickets: given.clone(), gate: Arc::clone(&gate) };
            server.run(boss).expect("it serves");
        });
        Self { address, stop, tickets, blocked, let_pass }
    }

    fn connect(&self) -> Client {
        Client::connect(&self.address)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.request();
        self.stop.request();
    }
}

#[test]
fn others_are_served_while_a_job_blocks() {
    let server = Running::start();
    let mut blocked = server.connect();
    blocked.send(b"sleep\n");
    server.blocked.recv().expect("it begins");
    let mut other = server.connect();
    for _ in 0..20 {
        other.send(b"ping\n");
        other.expect(b"pong 0\n");
    }
    assert!(!blocked.has_news(), "the job still blocks");
    server.let_pass.send(()).expect("a job waits");
    blocked.expect(b"slept\n");
}

#[test]
fn a_full_pool_is_told_to_the_action_and_jobs_run_beside_each_other() {
    let server = Running::start();
    let mut clients: Vec<_> = (0..4).map(|_| server.connect()).collect();
    for client in &mut clients[..2] {
        client.send(b"sleep\n");
        server.blocked.recv().expect("there is a thread for it");
    }
    clients[2].send(b"sleep\n");
    // Its job waits for a thread by the time another client of the worker has been answered.
    clients[3].send(b"ping\n");
    clients[3].expect(b"pong 0\n");
    assert!(server.blocked.try_recv().is_err(), "there are two threads");
    clients[3].send(b"sleep\n");
    clients[3].expect(b"busy\n");
    for _ in 0..3 {
        server.let_pass.send(()).expect("jobs wait");
    }
    for client in &mut clients[..3] {
        client.expect(b"slept\n");
    }
    server.let_pass.send(()).expect("a job will come");
    clients[3].send(b"sleep\n");
    clients[3].expect(b"slept\n");
}

#[test]
fn a_job_that_panics_is_an_error_and_costs_nobody_else() {
    let server = Running::start();
    let mut client = server.connect();
    for _ in 0..5 {
        client.send(b"panic\n");
        client.expect(b"the job panicked\n");
    }
    server.let_pass.send(()).expect("a job will come");
    client.send(b"sleep\n");
    client.expect(b"slept\n");
}

#[test]
fn a_ticket_is_answered_from_an_ordinary_thread_and_one_dropped_says_so() {
    let server = Running::start();
    let mut client = server.connect();
    client.send(b"ticket\n");
    server.tickets.recv().expect("it is given out").answer(Done::Told("from afar"));
    client.expect(b"from afar\n");
    client.send(b"ticket\n");
    drop(server.tickets.recv().expect("it is given out"));
    client.expect(b"the operation was given up without an answer\n");
    client.send(b"drop it at once\n");
    client.expect(b"the operation was given up without an answer\n");
}

#[test]
fn the_shared_data_is_told_whatever_becomes_of_the_connection() {
    let server = Running::start();
    let mut client = server.connect();
    client.send(b"note\n");
    client.expect(b"noted\n");
    let mut leaving = server.connect();
    leaving.send(b"note\n");
    leaving.reset();
    eventually(Duration::from_secs(20), "both are noted", || {
        client.send(b"ping\n");
        let mut answer = [0; 7];
        client.stream().read_exact(&mut answer).expect("it is served");
        &answer == b"pong 2\n"
    });
}

/// Whoever begins an operation forgets to take its answer.
#[derive(Machine)]
#[machine(context = Forgetful, input = Lines<'_>, reply = Done)]
enum Void {
    #[initial]
    #[on(Line(_) => begin)]
    #[on(TooLong | eof | shutdown -> Closed)]
    #[after(1min without input -> Closed)]
    Open,
    #[terminal]
    Closed,
}

struct Forgetful;

impl Forgetful {
    fn begin(&mut self, io: &mut Io<'_, Void>) {
        io.offload(|| Done::Slept).expect("there is room");
    }
}

#[test]
#[should_panic(expected = "`Open` has no row for `reply`")]
fn an_operation_that_nobody_can_hear_of_is_told_to_the_test() {
    Driver::<Void>::new(Forgetful).input(b"begin\n");
}
