//! The HTTP machine under the real worker in a simulated system: crowds of slow clients in virtual
//! time, and a network that cuts, delays and breaks.

use std::sync::Arc;
use std::time::Duration;

use fsm_runtime::testing::sim::{ClientId, Faults, Network, Reporting, Script, Simulation};
use fsm_tests::http_echo::HttpEcho;
use fsm_tests::http_odd::{LARGE, Odd, World};
use fsm_tests::response::Response;
use fsm_tests::seeded::Seeded;
use servers::http::{Client, HeadLimits, Http, Limits, Shared};

type Sim = Simulation<Http<HttpEcho>>;

/// The sessions of the campaign; `SIM_SEEDS` says another number, and `SIM_SEED` runs one again.
const SESSIONS: u64 = 300;

/// The slow clients of each kind.
const CROWD: u64 = 1_000;

/// Deadlines are kept in ticks of 16 milliseconds, so that each can pass up to two of them later.
const TICKS: Duration = Duration::from_millis(32);

const SECOND: Duration = Duration::from_secs(1);

fn simulation(seed: u64, limits: Limits) -> Sim {
    let limits = Arc::new(limits);
    let shared = Shared::new(Vec::new());
    let client = move |_: &_| Client::new(HttpEcho, &limits);
    Simulation::with(seed, HeadLimits::DEFAULT, shared, client)
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")
}

/// A head of which a byte comes now and then, and never the last.
fn slow_head() -> Script {
    drip(Script::new().send("GET / HTTP/1.1\r\nHost: h\r\nX: "))
}

/// A body of which a byte comes now and then.
fn slow_body() -> Script {
    drip(Script::new().send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4096\r\n\r\n"))
}

/// A byte every ten seconds, for longer than anybody waits for it.
fn drip(begun: Script) -> Script {
    (0..9).fold(begun, |script, _| script.wait(10 * SECOND).send("x"))
}

/// Somebody who asks for much and takes nothing of it.
fn slow_reader() -> Script {
    Script::new().read(0).send(get("/counted?10000000")).stay_open()
}

/// What a run with a crowd, or without one, was for the good client.
#[derive(Debug, PartialEq, Eq)]
struct Waits {
    longest: Duration,
    slow_slices: u64,
}

/// How long each read and each write takes the server: what makes one client wait for another. It
/// is virtual time, so that the same run gives the same waits on every machine.
const CALL: Duration = Duration::from_micros(500);

/// A slice of more calls than a good client's takes longer than this.
const SLICE: Duration = Duration::from_millis(2);

/// Whom the good client may have to wait for: the three who come in at the very moment in which it
/// asks, and those who have sent a byte in it. If it were the crowd, this would be a second.
const NEIGHBOURS: Duration = Duration::from_millis(4);

/// One client of each kind comes in every step, so that their deadlines pass one by one as well.
/// Nobody's time is over before the last of them has come.
const STEP: Duration = Duration::from_millis(20);

const HEAD_TIME: Duration = Duration::from_secs(22);
const BODY_TIME: Duration = Duration::from_secs(32);
const STALL: Duration = Duration::from_secs(25);

/// Who goes on sending to a server that has closed its side is read from for so long.
const LINGER: Duration = Duration::from_secs(30);

struct Crowd {
    sim: Sim,
    good: ClientId,
    slow: Vec<(ClientId, Duration)>,
    waits: Waits,
}

impl Crowd {
    fn new() -> Self {
        let limits = Limits {
            head_time: HEAD_TIME,
            // 4096 bytes in 32 seconds.
            min_body_rate: 128,
            stall: STALL,
            ..Limits::default()
        };
        let mut sim = simulation(1, limits);
        // Little of what is sent is under way, so that a crowd of thousands fits a test.
        let network =
            Network { send_buffer: 8 * 1024, client_buffer: 4 * 1024, ..Network::default() };
        sim.network(network);
        sim.slow_slice(SLICE);
        let good = sim.connect(Script::new());
        sim.take_long(good, CALL);
        let waits = Waits { longest: Duration::ZERO, slow_slices: 0 };
        Self { sim, good, slow: Vec::new(), waits }
    }

    fn join(&mut self, script: Script) {
        let client = self.sim.connect(script);
        self.sim.take_long(client, CALL);
        self.slow.push((client, self.sim.now()));
    }

    /// The good client asks once, and the server goes on for a step.
    fn step(&mut self) {
        let asked = self.sim.now();
        let end = asked + STEP;
        let before = self.sim.received(self.good).len();
        self.sim.then(self.good, Script::new().send(get("/echo")));
        while self.sim.received(self.good).len() == before {
            self.sim.run_for(Duration::from_millis(1));
            assert!(self.sim.now() < asked + SECOND, "no answer");
        }
        self.waits.longest = self.waits.longest.max(self.sim.now() - asked);
        self.sim.run_for(end.saturating_sub(self.sim.now()));
    }

    fn waits(mut self) -> Waits {
        self.sim.check();
        self.waits.slow_slices = self.sim.summary().slow_slices;
        self.waits
    }
}

/// The steps it takes for everybody to come and to be let go.
fn steps() -> u64 {
    let last = BODY_TIME + LINGER + SECOND;
    CROWD + u64::try_from(last.as_millis() / STEP.as_millis()).expect("a small number")
}

#[test]
fn slow_clients_are_gone_at_their_deadline_and_nobody_waits_for_them() {
    let mut alone = Crowd::new();
    (0..steps()).for_each(|_| alone.step());
    let alone = alone.waits();

    let mut crowd = Crowd::new();
    for step in 0..steps() {
        if step < CROWD {
            crowd.join(slow_head());
            crowd.join(slow_body());
            crowd.join(slow_reader());
        }
        if step == CROWD {
            assert_eq!(crowd.sim.open(), 3_001, "all of them at once");
        }
        crowd.step();
    }
    assert_eq!(crowd.sim.open(), 1, "only the good client is left");
    let limits = [HEAD_TIME, BODY_TIME, STALL];
    for (at, &(client, came)) in crowd.slow.iter().enumerate() {
        let stayed = crowd.sim.ended_at(client).expect("it is gone") - came;
        let limit = limits[at % 3];
        assert!((limit..=limit + TICKS).contains(&stayed), "{at}: {stayed:?} instead of {limit:?}");
    }
    let waits = crowd.waits();
    println!("alone {alone:?}, with the crowd {waits:?}");
    assert_eq!((waits.slow_slices, alone.slow_slices), (0, 0), "no slice is longer for anybody");
    assert!(waits.longest <= alone.longest + NEIGHBOURS, "{waits:?} instead of {alone:?}");
}

#[test]
fn who_takes_no_answers_is_answered_up_to_a_mark_and_lost_when_it_stalls() {
    let mut sim = simulation(1, Limits::default());
    let network = Network { send_buffer: 8 * 1024, client_buffer: 4 * 1024, ..Network::default() };
    sim.network(network);
    let asked = get("/echo").repeat(20_000);
    let client = sim.connect(Script::new().read(0).send(asked.clone()).stay_open());
    sim.run_for(SECOND);
    let (read, taken) = (sim.server_received(client).len(), sim.server_sent(client).len());
    println!("{read} bytes of {} were read, and {taken} were taken", asked.len());
    // What is held beside the buffers of the network is 64 KiB and the answers to one read.
    assert!(read < asked.len() / 4, "{read} bytes of {} were read", asked.len());
    sim.run_for(28 * SECOND);
    assert_eq!((sim.open(), sim.server_received(client).len()), (1, read), "nothing moves");
    sim.run_for(2 * SECOND);
    assert_eq!((sim.open(), sim.summary().lost), (0, 1));
    assert!(sim.was_reset(client));
    sim.check();
}

#[test]
fn a_large_answer_comes_whole_whoever_made_it() {
    for path in ["/large", "/job/large"] {
        let limits = Arc::new(Limits::default());
        let client = move |_: &_| Client::new(Odd::default(), &limits);
        let shared = Shared::new(World::default());
        let mut sim = Simulation::<Http<Odd>>::with(1, HeadLimits::DEFAULT, shared, client);
        sim.network(Network { delay: 40, ..Network::default() });
        let client = sim.connect(Script::new().send(get(path)));
        sim.run_for(20 * SECOND);
        let sent = sim.received(client);
        let (response, _) = Response::read(sent, false, false)
            .expect("a response")
            .unwrap_or_else(|| panic!("{path}: {} bytes, and {:?}", sent.len(), sim.summary()));
        assert_eq!(response.body.len(), LARGE, "{path}");
    }
}

/// A client of the campaign: what it asks for, in order, and whether each was with `HEAD`.
struct Asker {
    client: ClientId,
    asked: Vec<Asked>,
}

/// A request of the campaign, and what a whole answer to it says.
#[derive(Debug, Clone, Copy)]
enum Asked {
    Echo(usize),
    Counted(usize),
    Chunks(usize),
    Made(usize),
    Later,
    Absorbed(usize),
    Head(usize),
    Short(usize),
    Never,
    Malformed,
}

impl Asked {
    fn any(dice: &mut Seeded, most: usize) -> Self {
        let size = 1 + dice.below(most);
        match dice.below(20) {
            0..=4 => Self::Echo(size),
            5 | 6 => Self::Counted(size),
            7 | 8 => Self::Chunks(size),
            9 | 10 => Self::Made(size),
            11 | 12 => Self::Later,
            13..=15 => Self::Absorbed(size),
            16 => Self::Head(size),
            17 => Self::Short(size),
            18 => Self::Never,
            _ => Self::Malformed,
        }
    }

    fn request(self) -> Vec<u8> {
        let post = |path: &str, size: usize| {
            let head = format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {size}\r\n\r\n");
            [head.into_bytes(), body(size)].concat()
        };
        match self {
            Self::Echo(size) => post("/", size),
            Self::Absorbed(size) => post("/absorb", size),
            Self::Counted(size) => get(&format!("/counted?{size}")).into(),
            Self::Chunks(size) => get(&format!("/chunks?{size}")).into(),
            Self::Made(size) => get(&format!("/made?{size}")).into(),
            Self::Short(size) => get(&format!("/short?{size}")).into(),
            Self::Later => get("/later?0").into(),
            Self::Never => get("/never").into(),
            Self::Head(size) => format!("HEAD /counted?{size} HTTP/1.1\r\nHost: h\r\n\r\n").into(),
            Self::Malformed => "GET / HTTP/1.1\r\nHost : h\r\n\r\n".into(),
        }
    }

    /// What a whole answer with status 200 holds.
    fn answer(self) -> Vec<u8> {
        match self {
            Self::Echo(size) => body(size),
            Self::Counted(size) | Self::Chunks(size) | Self::Made(size) => vec![b'.'; size],
            Self::Absorbed(size) => format!("{size}\n").into(),
            Self::Later => b"0\n".to_vec(),
            Self::Head(_) => Vec::new(),
            Self::Short(_) | Self::Never | Self::Malformed => panic!("{self:?} has no such answer"),
        }
    }

    /// The statuses it may be answered with: a slow client's body is 408, one that ends is 400, and
    /// whatever needs the pool may find it full.
    fn statuses(self) -> &'static [u16] {
        match self {
            Self::Counted(_) | Self::Chunks(_) | Self::Made(_) | Self::Short(_) => &[200, 408],
            Self::Head(_) => &[200],
            Self::Echo(_) => &[200, 408, 400],
            Self::Absorbed(_) => &[200, 408, 400, 503],
            Self::Later => &[200, 503, 400, 408],
            Self::Never => &[503, 400, 408],
            Self::Malformed => &[400, 408],
        }
    }
}

/// A body that differs at every place.
fn body(size: usize) -> Vec<u8> {
    (0..size).map(|at| b'a' + u8::try_from(at % 23).expect("a letter")).collect()
}

fn network(dice: &mut Seeded) -> Network {
    let mut pick = |choices: &[usize]| choices[dice.below(choices.len())];
    Network {
        segment: pick(&[7, 536, 1_448, usize::MAX]),
        regular: pick(&[0, 1]) == 1,
        delay: pick(&[0, 1, 40, 300]) as u64,
        send_buffer: pick(&[100, 4_096, 128 * 1024]),
        receive_buffer: pick(&[100, 4_096, 128 * 1024]),
        client_buffer: pick(&[100, 4_096, 128 * 1024]),
        events: pick(&[1, 3, 256]),
    }
}

/// Somebody who sends some requests, at once or each after a while, and reads as it likes.
fn asker(sim: &mut Sim, dice: &mut Seeded, most: usize) -> Asker {
    let mut script = Script::new().wait(Duration::from_millis(dice.below(2_000) as u64));
    let mut asked = Vec::new();
    for _ in 0..1 + dice.below(6) {
        let next = Asked::any(dice, most);
        let bytes = next.request();
        asked.push(next);
        let cut = dice.below(bytes.len() + 1);
        script = script.send(&bytes[..cut]);
        script = match dice.below(8) {
            0 => script.wait(Duration::from_millis(dice.below(9_000) as u64)),
            1 => script.read(dice.below(5_000)),
            2 => script.read_all(),
            3 if dice.below(4) == 0 => script.reset(),
            _ => script,
        };
        script = script.send(&bytes[cut..]);
    }
    let script = if dice.below(2) == 0 { script.half_close() } else { script };
    Asker { client: sim.connect(script), asked }
}

/// Every response that has come is an answer to its request, in order. One that is not whole is the
/// last, and its connection has not ended as if it were.
fn check_answers(sim: &Sim, asker: &Asker) -> usize {
    let mut rest = sim.server_sent(asker.client);
    let mut whole = 0;
    for &asked in &asker.asked {
        let is_head = matches!(asked, Asked::Head(_));
        let read = Response::read(rest, is_head, false);
        let Some((response, behind)) = read.expect("a response") else { break };
        rest = behind;
        whole += 1;
        assert!(asked.statuses().contains(&response.status), "{asked:?}: {response:?}");
        if response.status == 200 {
            assert!(response.body == asked.answer(), "{asked:?}: {response:?}");
        }
        if response.closes() {
            assert!(rest.is_empty(), "something follows the last response");
        }
    }
    let is_cut = !rest.is_empty() && sim.saw_end(asker.client);
    assert!(!is_cut, "half a response, and an end in good order: {}", rest.escape_ascii());
    whole
}

/// Answers how many responses came whole, and how many connections were reset.
fn session(seed: u64) -> (usize, usize) {
    let mut dice = Seeded::new(seed);
    let mut sim = simulation(seed, Limits { answer_time: 2 * SECOND, ..Limits::default() });
    let network = network(&mut dice);
    let is_slow = network.segment < 100 || network.send_buffer < 1_000;
    let most = if is_slow { 600 } else { [600, 80_000][dice.below(2)] };
    sim.network(network);
    sim.reporting([Reporting::Edge, Reporting::Oneshot][dice.below(2)]);
    sim.faults([Faults::NONE, Faults::HARMLESS, Faults::STORM][dice.below(3)]);
    sim.pool_room([1, 4, 256][dice.below(3)]);
    let askers: Vec<_> = (0..=dice.below(8)).map(|_| asker(&mut sim, &mut dice, most)).collect();
    sim.run_for(Duration::from_secs(20));
    let stops = dice.below(4) == 0;
    if stops {
        sim.stop();
    }
    sim.faults(Faults::NONE);
    sim.network(Network::default());
    sim.run_for(Duration::from_secs(300));
    assert_eq!(sim.open(), 0, "seed {seed}: everybody has ended");
    assert_eq!((sim.summary().panics, sim.outcome().is_some()), (0, stops));
    sim.check();
    let whole = askers.iter().map(|asker| check_answers(&sim, asker)).sum();
    (whole, askers.iter().filter(|asker| sim.was_reset(asker.client)).count())
}

fn sessions() -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|value: String| value.parse().ok());
    if let Some(seed) = number("SIM_SEED") {
        return seed..seed + 1;
    }
    0..number("SIM_SEEDS").unwrap_or(SESSIONS)
}

#[test]
fn every_response_is_whole_or_its_connection_was_reset() {
    let (mut whole, mut resets) = (0, 0);
    for seed in sessions() {
        let (more, reset) = session(seed);
        whole += more;
        resets += reset;
    }
    println!("{whole} responses came whole, and {resets} connections were reset");
    assert!(whole + resets > 0, "nothing was judged");
}
