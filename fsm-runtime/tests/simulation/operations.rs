//! Operations: which state an answer belongs to, what cancels it, and what becomes of answers that
//! nobody waits for any more.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use fsm_runtime::testing::Driver;
use fsm_runtime::testing::sim::{ClientId, Faults, Reporting, Script, Simulation};
use fsm_runtime::{Io, Lines, Machine, OperationError, PoolFull, Ticket};

use crate::campaign::{Dice, END, network, sessions};

/// Does what its lines say: operations are begun in order, and the last word of a line is the state
/// to go to, or `stay`. Each kind of state takes answers in a row of its own: `Working` by itself,
/// `Busy` by its group, the others by the enum's.
#[derive(Machine)]
#[machine(context = Clerk, input = Lines<'_>, shared = Office, reply = Answer)]
#[group(Busy: Fetching, Refining; on(reply(answer) => say_busy(answer)))]
#[on(reply(answer) => say_any(answer))]
enum Desk {
    #[initial]
    #[on(Line(line) =>
        obey(line)? -> Stay | Idle | Working | Fetching | Refining | Elsewhere | Closed)]
    #[on(TooLong | eof | shutdown -> Closed)]
    #[after(1min without input -> Closed)]
    Idle,
    #[on(Line(line) =>
        obey(line)? -> Stay | Idle | Working | Fetching | Refining | Elsewhere | Closed)]
    #[on(reply(answer) => say_working(answer))]
    #[on(TooLong | eof | shutdown -> Closed)]
    #[after(1min without input -> Closed)]
    Working,
    #[on(Line(line) =>
        obey(line)? -> Stay | Idle | Working | Fetching | Refining | Elsewhere | Closed)]
    #[on(TooLong | eof | shutdown -> Closed)]
    #[after(1min without input -> Closed)]
    Fetching,
    #[on(Line(line) =>
        obey(line)? -> Stay | Idle | Working | Fetching | Refining | Elsewhere | Closed)]
    #[on(TooLong | eof | shutdown -> Closed)]
    #[after(1min without input -> Closed)]
    Refining,
    #[on(Line(line) =>
        obey(line)? -> Stay | Idle | Working | Fetching | Refining | Elsewhere | Closed)]
    #[on(TooLong | eof | shutdown -> Closed)]
    #[after(1min without input -> Closed)]
    Elsewhere,
    #[terminal]
    Closed,
}

type Answer = Result<u32, OperationError>;

/// What an operation belongs to, as the table says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Working,
    Busy,
    Any,
}

#[derive(Default)]
struct Clerk {
    at: Option<Scope>,
    begun: u32,
    /// The operations that are to be answered, as the test reckons.
    due: BTreeMap<u32, Scope>,
}

#[derive(Default)]
struct Office {
    /// The tickets that nobody has answered, with the numbers of their operations.
    tickets: Vec<(u32, Ticket<Desk>)>,
    finished: Vec<Answer>,
}

impl Clerk {
    fn obey(&mut self, line: &[u8], io: &mut Io<'_, Desk>) -> io::Result<DeskObey> {
        let line = String::from_utf8_lossy(line);
        let (orders, target) = line.trim_end().rsplit_once(' ').unwrap_or(("", line.trim_end()));
        let (answer, goes_to) = match target {
            "idle" => (DeskObey::Idle, Some(Scope::Any)),
            "elsewhere" => (DeskObey::Elsewhere, Some(Scope::Any)),
            "working" => (DeskObey::Working, Some(Scope::Working)),
            "fetching" => (DeskObey::Fetching, Some(Scope::Busy)),
            "refining" => (DeskObey::Refining, Some(Scope::Busy)),
            "closed" => (DeskObey::Closed, Some(Scope::Any)),
            _ => (DeskObey::Stay, None),
        };
        let scope = goes_to.or(self.at).unwrap_or(Scope::Any);
        if let Some(next) = goes_to {
            self.due.retain(|_, of| match of {
                Scope::Working => false,
                Scope::Busy => next == Scope::Busy,
                Scope::Any => true,
            });
            self.at = goes_to;
        }
        orders.split_whitespace().for_each(|order| self.begin(order, scope, io));
        match target {
            "fail" => Err(io::ErrorKind::Other.into()),
            "panic" => panic!("as told"),
            _ => Ok(answer),
        }
    }

    fn begin(&mut self, order: &str, scope: Scope, io: &mut Io<'_, Desk>) {
        self.begun += 1;
        let number = self.begun;
        let begun = match order {
            "job" => io.offload(move || Ok(number)).map_err(|PoolFull(job)| job()),
            "bad" => io.offload(|| panic!("as told")).map_err(|_| Ok(number)),
            "ticket" => {
                let ticket = io.ticket();
                io.shared.tickets.push((number, ticket));
                Ok(())
            }
            "shared" => return offload_shared(move || number, io),
            "badshared" => return offload_shared(|| panic!("as told"), io),
            "answer" => return answer_all(io.shared),
            "drop" => return io.shared.tickets.clear(),
            "count" => return writeln!(io.out, "due {}", self.due.len()),
            order => panic!("nobody knows how to {order}"),
        };
        match begun {
            Ok(()) => drop(self.due.insert(number, scope)),
            Err(given_back) => writeln!(io.out, "full {}", given_back.expect("not run")),
        }
    }

    fn say_working(&mut self, answer: Answer, io: &mut Io<'_, Desk>) {
        self.say(Scope::Working, answer, io);
    }

    fn say_busy(&mut self, answer: Answer, io: &mut Io<'_, Desk>) {
        self.say(Scope::Busy, answer, io);
    }

    fn say_any(&mut self, answer: Answer, io: &mut Io<'_, Desk>) {
        self.say(Scope::Any, answer, io);
    }

    /// Whatever comes was waited for. The row that takes it is that of the present state, which for
    /// an operation of the whole machine may be any.
    fn say(&mut self, row: Scope, answer: Answer, io: &mut Io<'_, Desk>) {
        assert_eq!(row, self.at.unwrap_or(Scope::Any));
        // An error does not say whose it is.
        let number = answer.ok().or_else(|| self.due.keys().next().copied());
        self.due.remove(&number.expect("an operation")).expect("somebody waits for it");
        let row = format!("{row:?}").to_lowercase();
        match answer {
            Ok(number) => writeln!(io.out, "{row} {number}"),
            Err(error) => writeln!(io.out, "{row} {error:?}"),
        }
    }
}

fn answer_all(office: &mut Office) {
    office.tickets.drain(..).for_each(|(number, ticket)| ticket.answer(Ok(number)));
}

fn offload_shared(job: impl FnOnce() -> u32 + Send + 'static, io: &mut Io<'_, Desk>) {
    let finish = |office: &mut Office, answer: Answer| office.finished.push(answer);
    if io.offload_shared(job, finish).is_err() {
        writeln!(io.out, "full");
    }
}

/// A client who is a minute's patience away from being shed.
fn desk(seed: u64, lines: &str) -> (Simulation<Desk>, ClientId) {
    let mut sim = Simulation::<Desk>::new(seed, |_| Clerk::default());
    let client = sim.connect(Script::new().send(lines));
    (sim, client)
}

/// Long enough for every job, and for no deadline.
const A_WHILE: Duration = Duration::from_secs(2);

/// What a client has received so far, its lines in order of the alphabet.
fn heard(sim: &Simulation<Desk>, client: ClientId) -> Vec<String> {
    let text = String::from_utf8_lossy(sim.received(client));
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// Checks what a client hears in the end who sends these lines at once.
#[track_caller]
fn check(lines: &str, expected: &[&str]) {
    for seed in 0..20 {
        let (mut sim, client) = desk(seed, lines);
        sim.reporting([Reporting::Edge, Reporting::Oneshot][usize::from(seed % 2 == 0)]);
        sim.run_for(A_WHILE);
        assert_eq!(heard(&sim, client), expected, "seed {seed}");
        assert_eq!(sim.operations(client), 0);
        sim.run();
        assert_eq!((sim.open(), sim.buffers_held()), (0, 0));
        sim.check();
    }
}

/// Checks how many of the jobs that wait are cancelled, while no thread is free.
#[track_caller]
fn check_cancelled(lines: &str, cancelled: u64, outstanding: usize) {
    let (mut sim, client) = desk(1, lines);
    sim.pool_threads(0);
    sim.run_for(A_WHILE);
    assert_eq!((sim.jobs(), sim.operations(client)), ((0, cancelled), outstanding));
    sim.run();
    sim.check();
}

#[test]
fn an_answer_comes_to_the_state_that_its_row_ended_in() {
    check("job working\n", &["working 1"]);
    check("working\njob stay\n", &["working 1"]);
    check("job fetching\n", &["busy 1"]);
    check("job stay\n", &["any 1"]);
}

#[test]
fn several_may_be_outstanding() {
    check("job job job working\njob stay\n", &["working 1", "working 2", "working 3", "working 4"]);
    check_cancelled("job job job working\njob stay\n", 0, 4);
}

#[test]
fn leaving_the_state_cancels() {
    check("job job working\nidle\n", &[]);
    check_cancelled("job job working\nidle\n", 2, 0);
    check_cancelled("working\njob stay\nclosed\n", 1, 0);
}

#[test]
fn entering_the_same_state_again_cancels() {
    check("job working\nworking\n", &[]);
    check("job working\njob working\n", &["working 2"]);
    check_cancelled("job working\njob working\n", 1, 1);
}

#[test]
fn a_group_whose_row_takes_the_answer_keeps_the_operation() {
    check("job fetching\nrefining\n", &["busy 1"]);
    check("job fetching\nfetching\n", &["busy 1"]);
    check("job fetching\nrefining\nfetching\njob stay\n", &["busy 1", "busy 2"]);
    check("job fetching\nrefining\nidle\n", &[]);
    check("job fetching\nidle\nfetching\n", &[]);
    check_cancelled("job fetching\nrefining\n", 0, 1);
    check_cancelled("job fetching\nrefining\nidle\n", 1, 0);
}

#[test]
fn the_row_of_the_enum_keeps_it_for_the_connection() {
    check("job stay\nelsewhere\n", &["any 1"]);
    check("job stay\nelsewhere\nworking\n", &["working 1"]);
    check("job idle\nfetching\nelsewhere\n", &["any 1"]);
    check_cancelled("job stay\nelsewhere\nidle\nfetching\nidle\n", 0, 1);
}

#[test]
fn the_end_of_the_machine_cancels_at_once() {
    // The client does not close, so the connection lingers with its machine ended.
    for (lines, cancelled) in [
        ("job fetching\nclosed\n", 1),
        ("job stay\nclosed\n", 1),
        ("job working\nfail\n", 1),
        ("job stay\npanic\n", 1),
        // Nobody could take its answer, so it does not even begin to wait.
        ("job ticket closed\n", 0),
    ] {
        let mut sim = Simulation::<Desk>::new(1, |_| Clerk::default());
        sim.pool_threads(0);
        let client = sim.connect(Script::new().send(lines).stay_open());
        sim.run_for(A_WHILE);
        assert_eq!(
            (sim.open(), sim.jobs(), sim.operations(client)),
            (1, (0, cancelled), 0),
            "{lines}"
        );
        sim.run();
        sim.check();
    }
}

#[test]
fn a_driven_machine_that_ends_waits_for_nothing_as_on_a_worker() {
    for lines in ["job closed\n", "job idle\nclosed\n", "job ticket elsewhere\nclosed\n"] {
        let mut driver = Driver::<Desk>::new(Clerk::default());
        driver.input(lines.as_bytes());
        assert!(driver.has_ended());
        assert_eq!((driver.operations(), driver.run_jobs()), (0, 0), "{lines}");
    }
}

#[test]
fn a_job_that_runs_ends_by_itself_and_its_answer_is_dropped() {
    let (mut sim, client) = desk(1, "job working\nidle\n");
    sim.run_for(A_WHILE);
    assert_eq!((sim.jobs(), heard(&sim, client)), ((1, 0), vec![]));
    sim.run();
    sim.check();
}

#[test]
fn the_end_of_the_connection_cancels_what_waits() {
    for end in [Script::reset, Script::half_close, Script::close] {
        let mut sim = Simulation::<Desk>::new(1, |_| Clerk::default());
        sim.pool_threads(1).job_time(A_WHILE..=A_WHILE);
        let lines = "job job stay\njob job working\n";
        let client = sim.connect(end(Script::new().send(lines).wait(Duration::from_millis(50))));
        sim.run_for(Duration::from_secs(1));
        assert_eq!((sim.open(), sim.jobs(), sim.operations(client)), (0, (1, 3), 0));
        sim.run();
        assert_eq!(heard(&sim, client), <[&str; 0]>::default());
        sim.check();
    }
}

#[test]
fn a_full_pool_gives_the_job_back_to_the_action() {
    let (mut sim, client) = desk(1, "job job job working\n");
    sim.pool_room(1);
    sim.run_for(A_WHILE);
    assert_eq!(heard(&sim, client), ["full 2", "full 3", "working 1"]);
    sim.then(client, Script::new().send("job stay\nshared shared stay\n"));
    sim.run_for(A_WHILE);
    assert_eq!(heard(&sim, client)[..2], ["full", "full"]);
    assert_eq!(heard(&sim, client)[2..], ["full 2", "full 3", "working 1", "working 4"]);
    assert_eq!(*sim.shared().finished, []);
    sim.then(client, Script::new().send("shared stay\n"));
    sim.run_for(A_WHILE);
    assert_eq!(*sim.shared().finished, [Ok(7)]);
    sim.run();
    sim.check();
}

#[test]
fn a_cancelled_job_gives_its_place_back() {
    let (mut sim, client) = desk(1, "job working\nworking\njob stay\n");
    sim.pool_room(1).pool_threads(0);
    sim.run_for(A_WHILE);
    assert_eq!((sim.operations(client), heard(&sim, client)), (1, vec![]));
    sim.run();
    sim.check();
}

#[test]
fn a_job_that_panics_is_an_answer() {
    check("bad working\n", &["working Panicked"]);
    check("bad fetching\nrefining\n", &["busy Panicked"]);
    check("bad working\nidle\n", &[]);
}

#[test]
fn an_action_that_fails_or_panics_drops_the_job_that_it_queued() {
    for (last, panics) in [("fail", 0), ("panic", 1)] {
        let (mut sim, client) = desk(1, &format!("job job ticket {last}\n"));
        sim.pool_room(2).pool_threads(1);
        sim.run_for(A_WHILE);
        assert_eq!((sim.jobs(), sim.operations(client)), ((0, 0), 0));
        assert_eq!(sim.summary().panics, panics);
        let next = sim.connect(Script::new().send("job job working\n"));
        sim.run_for(A_WHILE);
        assert_eq!(heard(&sim, next), ["working 1", "working 2"], "the places are there again");
        // Its ticket answers nobody, and no other connection either.
        answer_all(sim.shared());
        sim.run();
        assert_eq!(heard(&sim, next).len(), 2);
        sim.check();
    }
}

#[test]
fn a_ticket_is_answered_by_another_connection() {
    for seed in 0..20 {
        let (mut sim, first) = desk(seed, "ticket ticket working\n");
        let other = Script::new().wait(Duration::from_millis(50)).send("answer idle\n");
        sim.connect(other);
        sim.run_for(A_WHILE);
        assert_eq!(heard(&sim, first), ["working 1", "working 2"]);
        assert_eq!(sim.operations(first), 0);
        sim.run();
        sim.check();
    }
}

#[test]
fn a_ticket_is_answered_by_the_shared_data_and_by_any_thread() {
    let (mut sim, client) = desk(1, "ticket ticket working\n");
    sim.run_for(A_WHILE);
    let mut tickets = std::mem::take(&mut sim.shared().tickets).into_iter();
    tickets.next().expect("the first").1.answer(Ok(1));
    let (_, second) = tickets.next().expect("the second");
    let thread = std::thread::spawn(move || second.answer(Ok(2)));
    thread.join().expect("no panic");
    sim.run_for(A_WHILE);
    assert_eq!(heard(&sim, client), ["working 1", "working 2"]);
    sim.run();
    sim.check();
}

#[test]
fn a_ticket_that_is_dropped_answers_that_it_was() {
    check("ticket working\ndrop stay\n", &["working Abandoned"]);
    check("ticket fetching\nrefining\ndrop stay\n", &["busy Abandoned"]);
    check("ticket stay\ndrop elsewhere\n", &["any Abandoned"]);
}

#[test]
fn a_ticket_of_a_state_that_was_left_answers_nobody() {
    check("ticket working\nworking\nanswer stay\n", &[]);
    check("ticket working\nidle\nworking\nanswer stay\n", &[]);
    check("ticket working\nidle\ndrop stay\n", &[]);
    check("ticket working\nticket working\nanswer stay\n", &["working 2"]);
}

#[test]
fn a_ticket_of_a_connection_that_has_ended_does_not_reach_the_next_in_its_slot() {
    let (mut sim, first) = desk(1, "ticket working\nclosed\n");
    sim.run_for(A_WHILE);
    assert_eq!(sim.open(), 0);
    let next = sim.connect(Script::new().send("job working\n"));
    sim.job_time(A_WHILE..=A_WHILE);
    sim.run_for(A_WHILE / 2);
    answer_all(sim.shared());
    sim.run_for(A_WHILE);
    assert_eq!((heard(&sim, first), heard(&sim, next)), (vec![], vec!["working 1".to_owned()]));
    sim.run();
    sim.check();
}

#[test]
fn a_job_for_the_worker_ends_whatever_becomes_of_the_connection() {
    for (lines, end) in [
        ("shared closed\n", vec![Ok(1)]),
        ("shared working\nidle\n", vec![Ok(1)]),
        ("badshared closed\n", vec![Err(OperationError::Panicked)]),
        // It was never begun.
        ("shared fail\n", vec![Err(OperationError::Abandoned)]),
        ("shared panic\n", vec![Err(OperationError::Abandoned)]),
    ] {
        let (mut sim, _) = desk(1, lines);
        sim.job_time(A_WHILE..=A_WHILE);
        sim.run_for(A_WHILE / 2);
        sim.run_for(A_WHILE);
        assert_eq!(sim.shared().finished, end, "{lines}");
        sim.run();
        sim.check();
    }
    let mut sim = Simulation::<Desk>::new(1, |_| Clerk::default());
    sim.job_time(A_WHILE..=A_WHILE);
    sim.connect(Script::new().send("shared working\n").wait(A_WHILE / 2).reset());
    sim.run();
    assert_eq!((sim.open(), &*sim.shared().finished), (0, &[Ok(1)][..]));
}

/// Random orders to many clients on workers and networks of all kinds. The clerks themselves
/// assert that what comes was waited for; here that everything that is waited for comes.
fn session(seed: u64) {
    let mut dice = Dice(seed);
    let workers = dice.pick(&[1, 2, 3]);
    let mut sim = Simulation::<Desk>::of_workers(workers, seed, |_| Clerk::default());
    sim.network(network(&mut dice)).pool_threads(dice.pick(&[1, 2, 8]));
    sim.reporting(dice.pick(&[Reporting::Edge, Reporting::Oneshot]));
    let faults = dice.pick(&[Faults::NONE, Faults::HARMLESS, Faults::STORM]);
    sim.faults(faults).pool_room(dice.pick(&[1, 5, 100]));
    let (mut clients, mut angry) = (Vec::new(), 0);
    for _ in 0..=dice.roll(6) {
        let mut script = Script::new();
        for _ in 0..=dice.roll(12) {
            let mut line = String::new();
            for _ in 0..dice.roll(4) {
                line += dice.pick(&["job ", "job ", "ticket ", "answer ", "shared "]);
            }
            let places =
                ["stay", "idle", "working", "working", "fetching", "refining", "elsewhere"];
            let target = if dice.roll(60) == 0 { "panic" } else { dice.pick(&places) };
            angry += u64::from(target == "panic");
            script = script.send(line + target + "\n").wait(dice.millis(30));
        }
        clients.push(sim.connect(script.wait(A_WHILE).send("count stay\n")));
    }
    sim.run_for(Duration::from_secs(20));
    sim.faults(Faults::NONE).network(Default::default());
    sim.run_for(A_WHILE * 3);
    for worker in 0..workers {
        answer_all(sim.shared_of(worker));
    }
    clients.iter().for_each(|&it| sim.then(it, Script::new().wait(A_WHILE).send("count stay\n")));
    sim.run_for(A_WHILE * 4);
    for &client in &clients {
        assert_eq!(sim.operations(client), 0, "seed {seed}");
        let alive = sim.state(client).is_some_and(|state| state != "Closed");
        let text = String::from_utf8_lossy(sim.received(client));
        let last = text.lines().rfind(|line| line.starts_with("due"));
        assert!(!alive || last == Some("due 0"), "seed {seed}: {text}");
    }
    sim.run_for(END);
    assert!(sim.summary().panics <= angry, "seed {seed}");
    assert_eq!(sim.open(), 0, "seed {seed}");
    sim.check();
}

#[test]
fn sim_campaign_of_operations() {
    for seed in sessions().step_by(2) {
        session(seed);
    }
}
