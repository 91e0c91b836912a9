//! Messages and topics: their order, who gets them and who does not, and what they cost those who
//! have nothing to do with them.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fsm_runtime::testing::sim::{ClientId, Faults, Network, Reporting, Script, Simulation};
use fsm_runtime::{Id, Io, Lines, Machine, Peer, TellError, Topic};

use crate::campaign::{Dice, END, network, sessions};

/// Does what its lines say, and repeats to its client what it is told.
#[derive(Machine)]
#[machine(context = Member, input = Lines<'_>, shared = Vec<String>, message = Note,
    backlog = 16KiB)]
enum Club {
    #[initial]
    #[on(connected => enrol)]
    #[on(Line(line) => obey(line)? -> Stay | Deaf | Closed)]
    #[on(message(note) => repeat(note)? -> Stay | Closed)]
    #[on(TooLong | eof | shutdown -> Closed)]
    #[on(lost(_) => mourn -> Closed)]
    #[after(1min without input -> Closed)]
    Listening,
    /// Reads nothing for a while.
    #[on(message(note) => repeat(note)? -> Stay | Closed)]
    #[ignores(shutdown)]
    #[after(1s -> Listening)]
    Deaf,
    #[terminal]
    #[enter(part)]
    Closed,
}

#[derive(Clone)]
struct Note {
    from: u16,
    text: String,
    _bomb: Option<Bomb>,
}

/// Panics when it is dropped.
#[derive(Clone)]
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "the bomb goes off");
    }
}

/// The members of all workers by their ports.
type Members = Arc<Mutex<BTreeMap<u16, Id<Club>>>>;

struct Member {
    port: u16,
    members: Members,
    is_obeying: bool,
    mourns_badly: bool,
    parts_badly: bool,
}

fn lounge() -> Topic {
    Topic::new("lounge")
}

impl Member {
    fn enrol(&mut self, io: &mut Io<'_, Club>) {
        self.members.lock().expect("no panic").insert(self.port, io.id());
    }

    fn note(&self, text: &str) -> Note {
        Note { from: self.port, text: text.into(), _bomb: None }
    }

    fn obey(&mut self, line: &[u8], io: &mut Io<'_, Club>) -> io::Result<ClubObey> {
        let line = String::from_utf8_lossy(line).trim_end().to_owned();
        let (order, rest) = line.split_once(' ').unwrap_or((&line, ""));
        self.is_obeying = true;
        match order {
            "join" => io.join(&lounge()),
            "leave" => io.leave(&lounge()),
            "say" => self.say(io.publish(&lounge(), self.note(rest)), io),
            "self" => self.say(io.tell(io.id(), self.note(rest)), io),
            "tell" => {
                let (to, text) = rest.split_once(' ').expect("to whom and what");
                let to = to.parse().expect("a port");
                let known = self.members.lock().expect("no panic").get(&to).copied();
                if let Some(id) = known {
                    self.say(io.tell(id, self.note(text)), io);
                }
            }
            "bomb" => {
                let bomb = Note { _bomb: Some(Bomb), ..self.note(rest) };
                self.say(io.tell(io.id(), bomb), io);
            }
            "repeat" => rest.split(' ').for_each(|it| io.out.send(it.repeat(10_000).as_bytes())),
            "mourn" => self.mourns_badly = true,
            "part" => self.parts_badly = true,
            "fail" => return Err(io::ErrorKind::Other.into()),
            "panic" => panic!("as told"),
            _ => io.shared.push(format!("line {line}")),
        }
        if rest.ends_with("and fail") {
            return Err(io::ErrorKind::Other.into());
        }
        assert!(!rest.ends_with("and panic"), "as told");
        self.is_obeying = false;
        Ok(match order {
            "deaf" => ClubObey::Deaf,
            "close" => ClubObey::Closed,
            _ => ClubObey::Stay,
        })
    }

    #[expect(clippy::unused_self, reason = "it stands beside the actions")]
    fn say(&self, sent: Result<(), TellError<Note>>, io: &mut Io<'_, Club>) {
        if let Err(TellError::Full(note)) = sent {
            writeln!(io.out, "full {}", note.text);
        }
    }

    fn repeat(&mut self, note: Note, io: &mut Io<'_, Club>) -> io::Result<ClubRepeat> {
        assert!(!self.is_obeying, "a message is never run inside an action");
        let Note { from, text, .. } = note;
        match text.as_str() {
            "fail!" => return Err(io::ErrorKind::Other.into()),
            "panic!" => panic!("as told"),
            "close!" => return Ok(ClubRepeat::Closed),
            _ => {}
        }
        io.shared.push(format!("note {text}"));
        writeln!(io.out, "{from} {text}");
        Ok(ClubRepeat::Stay)
    }

    fn mourn(&mut self, io: &mut Io<'_, Club>) {
        self.say(io.publish(&lounge(), self.note("lost")), io);
        assert!(!self.mourns_badly, "as told");
    }

    fn part(&mut self, io: &mut Io<'_, Club>) {
        self.members.lock().expect("no panic").remove(&self.port);
        self.say(io.publish(&lounge(), self.note("parted")), io);
        assert!(!self.parts_badly, "as told");
    }
}

/// A club with its members' names.
fn club(seed: u64, workers: usize) -> (Simulation<Club>, Members) {
    let members = Members::default();
    let enrolled = Arc::clone(&members);
    let sim = Simulation::of_workers(workers, seed, move |peer| {
        let Peer::Tcp(address) = peer else { panic!("clients have ports") };
        let members = Arc::clone(&members);
        let port = address.port();
        Member { port, members, is_obeying: false, mourns_badly: false, parts_badly: false }
    });
    (sim, enrolled)
}

/// The port of the client that connects as the first, and so on.
fn port(number: usize) -> u16 {
    1_024 + u16::try_from(number).expect("few clients")
}

/// Long enough for every delivery, and for no deadline but that of the deaf.
const A_WHILE: Duration = Duration::from_millis(500);

fn heard(sim: &Simulation<Club>, client: ClientId) -> String {
    String::from_utf8_lossy(sim.received(client)).into_owned()
}

fn lines(lines: &str) -> Script {
    Script::new().send(lines)
}

fn note(text: &str) -> Note {
    Note { from: 0, text: text.into(), _bomb: None }
}

#[test]
fn messages_keep_their_order_per_pair_on_any_workers() {
    for seed in 0..30 {
        let mut dice = Dice(seed);
        let (mut sim, _) = club(seed, dice.pick(&[1, 2, 3, 4]));
        sim.reporting(dice.pick(&[Reporting::Edge, Reporting::Oneshot])).faults(Faults::HARMLESS);
        let count = 5;
        let clients: Vec<_> = (0..count).map(|_| sim.connect(lines("join\n"))).collect();
        sim.run_for(A_WHILE);
        for &client in &clients {
            let mut text = String::new();
            for number in 0..100 {
                let to = port(usize::try_from(dice.roll(5)).expect("small"));
                text += &match dice.roll(3) {
                    0 => format!("say {number}\n"),
                    1 => format!("self {number}\n"),
                    _ => format!("tell {to} {number}\n"),
                };
            }
            sim.then(client, Script::new().send(text));
        }
        sim.run_for(A_WHILE * 4);
        let mut told = 0;
        for &client in &clients {
            let mut last = BTreeMap::new();
            for line in heard(&sim, client).lines() {
                let (from, number) = line.split_once(' ').expect("a note");
                let number: i32 = number.parse().expect("a number");
                let before = last.insert(from.to_owned(), number).unwrap_or(-1);
                assert!(before < number, "seed {seed}: {number} of {from} after {before}");
                told += 1;
            }
        }
        // Those to the lounge reach all five, the others one.
        let sent: Vec<_> = clients.iter().map(|&it| sim.sent(it)).collect();
        let sent = sent.concat();
        let said = sent.split(|&byte| byte == b'\n').filter(|it| it.starts_with(b"say"));
        assert_eq!(told, 500 + 4 * said.count(), "seed {seed}: nothing is lost or told twice");
        sim.run();
        assert_eq!((sim.open(), sim.members(&lounge())), (0, 0));
        sim.check();
    }
}

#[test]
fn a_message_to_oneself_comes_after_the_slice() {
    let (mut sim, _) = club(1, 1);
    let client = sim.connect(lines("self one\nself two\nthree\n"));
    sim.run_for(A_WHILE);
    assert_eq!(heard(&sim, client), "1024 one\n1024 two\n");
    assert_eq!(*sim.shared(), ["line three", "note one", "note two"]);
    sim.run();
    sim.check();
}

#[test]
fn a_full_inbox_gives_the_message_back_and_loses_none() {
    for workers in [1, 2, 4] {
        let (mut sim, members) = club(1, workers);
        let clients: Vec<_> = (0..workers * 2).map(|_| sim.connect(lines("join\n"))).collect();
        sim.run_for(A_WHILE);
        sim.inbox_room(3);
        let first = clients[0];
        sim.then(first, lines("self a\nself b\nself c\nself d\nself e\nsay f\n"));
        sim.run_for(A_WHILE);
        let text = heard(&sim, first);
        assert_eq!(text, "full d\nfull e\nfull f\n1024 a\n1024 b\n1024 c\n");
        assert!(clients[1..].iter().all(|&it| sim.received(it).is_empty()), "nobody gets half");
        // The places are there again, on all workers, as often as one likes.
        for _ in 0..5 {
            sim.then(first, lines("say g\nsay h\nsay i\nsay j\n"));
            sim.run_for(A_WHILE);
        }
        for &client in &clients[1..] {
            assert_eq!(heard(&sim, client), "1024 g\n1024 h\n1024 i\n".repeat(5));
        }
        let id = members.lock().expect("no panic")[&port(0)];
        let told: Vec<_> = (0..4).map(|_| sim.handle().tell(id, note("k")).is_ok()).collect();
        assert_eq!(told, [true, true, true, false]);
        sim.run();
        sim.check();
    }
}

#[test]
fn a_message_to_the_dead_reaches_nobody() {
    for workers in [1, 3] {
        let (mut sim, members) = club(1, workers);
        sim.acceptors(&[0]);
        let first = sim.connect(lines("hello\n"));
        sim.run_for(A_WHILE);
        let id = members.lock().expect("no panic")[&port(0)];
        sim.then(first, lines("close\n"));
        sim.run_for(A_WHILE);
        assert_eq!(sim.open(), 0);
        let next = sim.connect(lines("hello\n"));
        sim.run_for(A_WHILE);
        for text in ["one", "panic!", "close!"] {
            sim.handle().tell(id, note(text)).expect("room");
        }
        // Whatever its drop does, it is no business of the next in the slot.
        let bomb = Note { _bomb: Some(Bomb), ..note("tick") };
        sim.handle().tell(id, bomb).expect("room");
        sim.run_for(A_WHILE);
        assert_eq!(
            (sim.open(), sim.state(next), heard(&sim, next)),
            (1, Some("Listening"), String::new())
        );
        assert_eq!(sim.summary().panics, 1, "the bomb's");
        sim.run();
        sim.check();
    }
}

#[test]
fn whoever_ends_leaves_its_topics() {
    let pause = Duration::from_millis(50);
    let ways = [
        lines("join\nleave\n"),
        lines("join\njoin\nleave\n"),
        lines("join\nclose\n"),
        lines("join\nfail\n"),
        lines("join\npanic\n"),
        lines("join\npart\npanic\n"),
        lines("join\npart\nclose\n"),
        lines("join\nmourn\n").wait(pause).reset(),
        lines("join\n").half_close(),
        lines("join\n").close(),
        lines("join\nself close!\n"),
        lines("join\nself fail!\n"),
        lines("join\nself panic!\n"),
        lines("join and fail\n"),
        lines("join and panic\n"),
        lines("join\nsay x and panic\n"),
    ];
    for workers in [1, 2] {
        let (mut sim, _) = club(1, workers);
        let stays = sim.connect(lines("join\n"));
        let clients: Vec<_> = ways.iter().cloned().map(|script| sim.connect(script)).collect();
        sim.run_for(A_WHILE);
        assert_eq!(sim.members(&lounge()), 1);
        sim.handle().publish(&lounge(), note("still here")).expect("room");
        sim.run_for(A_WHILE);
        assert!(clients.iter().all(|&it| !heard(&sim, it).contains("still here")));
        assert!(heard(&sim, stays).ends_with("0 still here\n"));
        sim.run();
        assert_eq!((sim.open(), sim.members(&lounge())), (0, 0));
        sim.check();
    }
}

#[test]
fn what_a_failing_or_panicking_action_sent_is_dropped() {
    let pause = Duration::from_millis(50);
    // With each, how often the others hear that a member has parted in order.
    for (script, parted) in [
        (lines("say never and fail\n"), 1),
        (lines("say never and panic\n"), 1),
        (lines("tell 1024 never and fail\n"), 1),
        (lines("self never and panic\n"), 1),
        (lines("part\nclose\n"), 0),
        (lines("part\npanic\n"), 0),
        (lines("part\nfail\n"), 0),
        (lines("part\n").wait(pause).reset(), 0),
        (lines("mourn\n").wait(pause).reset(), 1),
        (lines("mourn\npart\n").wait(pause).reset(), 0),
    ] {
        for workers in [1, 2] {
            let (mut sim, _) = club(1, workers);
            let listener = sim.connect(lines("join\n"));
            sim.inbox_room(5);
            sim.run_for(A_WHILE);
            sim.connect(script.clone());
            sim.run_for(A_WHILE);
            assert_eq!(heard(&sim, listener), "1025 parted\n".repeat(parted), "{script:?}");
            // Its places in the inboxes are there again.
            sim.then(listener, lines("say 1\nsay 2\nsay 3\nsay 4\nsay 5\nsay 6\n"));
            sim.run_for(A_WHILE);
            assert!(heard(&sim, listener).contains("full 6\n"), "{script:?}");
            assert!(heard(&sim, listener).ends_with("1024 5\n"), "{script:?}");
            sim.run();
            sim.check();
        }
    }
}

#[test]
fn what_panics_when_it_is_dropped_costs_one_connection() {
    for line in ["bomb and panic\n", "bomb and fail\n", "bomb\nbomb\nbomb\n", "bomb\nclose\n"] {
        let (mut sim, _) = club(1, 1);
        let polite = sim.connect(lines("join\n"));
        sim.connect(lines(line));
        sim.run_for(A_WHILE);
        assert_eq!((sim.open(), sim.state(polite)), (1, Some("Listening")), "{line}");
        sim.then(polite, lines("self still here\n"));
        sim.run_for(A_WHILE);
        assert!(heard(&sim, polite).ends_with("1024 still here\n"));
        sim.run();
        sim.check();
    }
}

/// The messages that are delivered in a row before ready connections are looked at.
const PORTION: usize = 2_048;

#[test]
fn a_message_to_thousands_of_members_keeps_nobody_waiting() {
    const MEMBERS: usize = 8_000;
    for reporting in [Reporting::Edge, Reporting::Oneshot] {
        let (mut sim, _) = club(1, 1);
        sim.reporting(reporting);
        let members: Vec<_> = (0..MEMBERS).map(|_| sim.connect(lines("join\n"))).collect();
        let polite = sim.connect(Script::new());
        sim.run_for(A_WHILE);
        let told = |sim: &Simulation<Club>| {
            members.iter().filter(|&&it| !sim.server_sent(it).is_empty()).count()
        };
        sim.handle().publish(&lounge(), note("to all")).expect("room");
        sim.then(polite, lines("repeat x\n"));
        // Who leaves before its turn comes is not told any more.
        let leaver = members[MEMBERS - 1];
        sim.then(leaver, lines("leave\n"));
        let (mut before, mut answered_after) = (0, None);
        while before < MEMBERS - 1 {
            sim.turn();
            let now = told(&sim);
            assert!(now - before <= PORTION, "{} in one turn", now - before);
            before = now;
            if !sim.server_sent(polite).is_empty() {
                answered_after.get_or_insert(now);
            }
        }
        let after = answered_after.expect("answered on the way");
        assert!(after <= PORTION, "the polite one waited for {after} deliveries");
        sim.run_for(A_WHILE);
        assert!(members[..MEMBERS - 1].iter().all(|&it| sim.received(it) == b"0 to all\n"));
        assert!(sim.received(leaver).is_empty());
        sim.run();
        assert_eq!((sim.open(), sim.members(&lounge())), (0, 0));
        sim.check();
    }
}

#[test]
fn a_member_that_does_not_read_is_lost_and_nobody_else() {
    for workers in [1, 3] {
        let (mut sim, _) = club(1, workers);
        sim.network(Network { send_buffer: 4_096, client_buffer: 4_096, ..Network::default() });
        let stalled = sim.connect(Script::new().read(0).send("join\n"));
        let members: Vec<_> = (0..9).map(|_| sim.connect(lines("join\n"))).collect();
        sim.run_for(A_WHILE);
        let text = "x".repeat(1_000);
        for _ in 0..40 {
            sim.handle().publish(&lounge(), note(&text)).expect("room");
            sim.run_for(Duration::from_millis(20));
        }
        assert_eq!((sim.summary().lost, sim.open(), sim.members(&lounge())), (1, 9, 9));
        assert!(sim.was_reset(stalled) || sim.ended_at(stalled).is_some());
        assert!(sim.server_sent(stalled).len() <= 2 * 4_096);
        for &member in &members {
            let heard = heard(&sim, member);
            assert_eq!(heard.lines().filter(|line| line.len() == 1_002).count(), 40);
            assert!(heard.contains("1024 lost\n") && heard.contains("1024 parted\n"));
        }
        sim.run();
        sim.check();
    }
}

#[test]
fn messages_come_before_the_input_of_their_slice() {
    for reporting in [Reporting::Edge, Reporting::Oneshot] {
        let (mut sim, members) = club(1, 1);
        sim.reporting(reporting);
        let client = sim.connect(lines("first\n"));
        sim.run_for(A_WHILE);
        let id = members.lock().expect("no panic")[&port(0)];
        sim.then(client, lines("third\n"));
        sim.handle().tell(id, note("second")).expect("room");
        sim.run_for(A_WHILE);
        assert_eq!(*sim.shared(), ["line first", "note second", "line third"]);
        sim.run();
        sim.check();
    }
}

#[test]
fn a_state_that_does_not_read_is_told_all_the_same() {
    for reporting in [Reporting::Edge, Reporting::Oneshot] {
        let (mut sim, members) = club(1, 1);
        sim.reporting(reporting);
        let client = sim.connect(lines("join\ndeaf\nlater\n"));
        sim.run_for(A_WHILE);
        let id = members.lock().expect("no panic")[&port(0)];
        sim.handle().tell(id, note("one")).expect("room");
        sim.handle().publish(&lounge(), note("two")).expect("room");
        sim.run_for(A_WHILE / 2);
        assert_eq!(
            (heard(&sim, client).as_str(), sim.state(client)),
            ("0 one\n0 two\n", Some("Deaf"))
        );
        sim.run_for(A_WHILE * 2);
        assert_eq!(*sim.shared(), ["line deaf", "note one", "note two", "line later"]);
        sim.run();
        sim.check();
    }
}

#[test]
fn who_has_much_unsent_output_is_told_all_the_same_and_in_order() {
    for reporting in [Reporting::Edge, Reporting::Oneshot] {
        let (mut sim, members) = club(1, 1);
        sim.reporting(reporting);
        sim.network(Network { send_buffer: 100, client_buffer: 100, ..Network::default() });
        // More than the high-water mark, but it was not messages that filled it.
        let client = sim.connect(Script::new().read(0).send("repeat a b c d e f g h i\nlater\n"));
        sim.run_for(A_WHILE);
        let id = members.lock().expect("no panic")[&port(0)];
        sim.handle().tell(id, note("one")).expect("room");
        sim.run_for(A_WHILE);
        assert_eq!(sim.summary().lost, 1, "a message on top of more than the backlog is too much");
        assert_eq!(*sim.shared(), ["note one", "line later"]);
        assert!(sim.server_sent(client).len() <= 200);
        sim.run();
        sim.check();
    }
}

#[test]
fn who_has_ended_is_told_nothing() {
    for reporting in [Reporting::Edge, Reporting::Oneshot] {
        // One lingers, one has yet to send its last words.
        let narrow = Network { send_buffer: 100, client_buffer: 100, ..Network::default() };
        for (last, network) in [
            (lines("close\n").stay_open(), Network::default()),
            (Script::new().read(0).send("repeat a\nclose\n"), narrow),
        ] {
            let (mut sim, members) = club(1, 1);
            sim.reporting(reporting);
            sim.network(network);
            let client = sim.connect(lines("join\n"));
            sim.run_for(A_WHILE);
            let id = members.lock().expect("no panic")[&port(0)];
            sim.then(client, last);
            sim.run_for(A_WHILE);
            assert_eq!((sim.open(), sim.state(client)), (1, Some("Closed")));
            sim.handle().publish(&lounge(), note("to all")).expect("room");
            sim.handle().tell(id, note("to one")).expect("room");
            sim.run_for(A_WHILE);
            assert_eq!(*sim.shared(), ["line close"]);
            sim.run();
            assert_eq!((sim.open(), sim.members(&lounge())), (0, 0));
            sim.check();
        }
    }
}

/// Random members on several workers, with faults. Nobody stays in the lounge.
fn session(seed: u64) {
    let mut dice = Dice(seed);
    let workers = dice.pick(&[1, 2, 3, 4]);
    let (mut sim, _) = club(seed, workers);
    sim.network(network(&mut dice)).inbox_room(dice.pick(&[1, 10, 1_000]));
    sim.reporting(dice.pick(&[Reporting::Edge, Reporting::Oneshot]));
    sim.faults(dice.pick(&[Faults::NONE, Faults::HARMLESS, Faults::STORM]));
    let orders = [
        "join\n",
        "join\n",
        "leave\n",
        "say hello\n",
        "say hello\n",
        "self again\n",
        "deaf\n",
        "tell 1024 you\n",
        "tell 1025 you\n",
        "tell 1024 close!\n",
        "tell 1026 fail!\n",
        "say nothing and fail\n",
        "repeat x\n",
        "close\n",
    ];
    let count = 1 + dice.roll(20);
    for _ in 0..count {
        let mut script = Script::new().wait(dice.millis(50)).send("join\n");
        for _ in 0..dice.roll(12) {
            script = script.send(dice.pick(&orders)).wait(dice.millis(30));
        }
        let script = match dice.roll(4) {
            0 => script.reset(),
            1 => script.half_close(),
            2 => script.read(20),
            _ => script,
        };
        sim.connect(script);
    }
    sim.run_for(dice.millis(3_000));
    let stops = dice.roll(3) == 0;
    if stops {
        sim.stop();
    } else {
        sim.faults(Faults::NONE).network(Network::default());
    }
    sim.run_for(END);
    assert_eq!((sim.summary().panics, sim.outcome().is_some()), (0, stops), "seed {seed}");
    assert_eq!((sim.open(), sim.members(&lounge())), (0, 0), "seed {seed}");
    assert!(sim.summary().closed <= count);
    sim.check();
}

#[test]
fn sim_campaign_of_messages() {
    for seed in sessions().step_by(4) {
        session(seed);
    }
}

#[test]
fn a_member_that_reads_is_not_lost_however_much_comes_in_one_batch() {
    for reporting in [Reporting::Edge, Reporting::Oneshot] {
        let (mut sim, _) = club(1, 1);
        sim.reporting(reporting);
        let member = sim.connect(lines("join\n"));
        sim.run_for(A_WHILE);
        // Four times the backlog, and less than the system takes at once.
        let text = "x".repeat(1_000);
        for _ in 0..64 {
            sim.handle().publish(&lounge(), note(&text)).expect("room");
        }
        sim.run_for(A_WHILE);
        assert_eq!((sim.summary().lost, sim.open()), (0, 1));
        assert_eq!(heard(&sim, member).lines().count(), 64);
        sim.run();
        sim.check();
    }
}

/// Is told the time while it types.
#[derive(Machine)]
#[machine(context = Typist, input = Lines<'_>, message = ())]
enum Typing {
    #[initial]
    #[on(connected => sit_down)]
    #[on(message(_) => tick)]
    #[on(Line(_) | TooLong | eof | shutdown -> Closed)]
    #[after(10s of partial -> Closed)]
    #[after(1min without input -> Closed)]
    Reading,
    #[terminal]
    Closed,
}

struct Typist;

impl Typist {
    fn sit_down(&mut self, io: &mut Io<'_, Typing>) {
        io.join(&lounge());
    }

    fn tick(&mut self, io: &mut Io<'_, Typing>) {
        io.out.send(b"tick\n");
    }
}

#[test]
fn what_is_told_in_between_gives_half_a_line_no_more_time() {
    for reporting in [Reporting::Edge, Reporting::Oneshot] {
        let mut sim = Simulation::<Typing>::new(1, |_| Typist);
        sim.reporting(reporting);
        let slow = sim.connect(Script::new());
        sim.run_for(A_WHILE);
        for _ in 0..20 {
            sim.then(slow, lines("x"));
            sim.handle().publish(&lounge(), ()).expect("room");
            sim.run_for(Duration::from_secs(1));
        }
        let ended = sim.ended_at(slow).expect("it is shed");
        assert!(ended < Duration::from_secs(12), "after {ended:?}");
        sim.run();
        sim.check();
    }
}
