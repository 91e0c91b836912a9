//! The thank-you machine without a socket, and on a simulated system: every message is thanked for
//! once and in order, however the bytes come and go, and what a client can make it hold is bounded.

use std::sync::Arc;
use std::time::Duration;

use fsm_runtime::table::{DeadlineKind, Interest};
use fsm_runtime::testing::Driver;
use fsm_runtime::testing::sim::{Faults, Network, Reporting, Script, Simulation};
use fsm_tests::seeded::Seeded;
use servers::thank_you::{Client, Manners, Message, ThankYou};

const THANKS: &[u8] = b"Thank you!\n";

const IDLE: Duration = Duration::from_secs(300);

const STALL: Duration = Duration::from_secs(30);

/// How much later than its limit the simulation may see a deadline: ticks, and a machine that
/// stands still.
const SLACK: Duration = Duration::from_secs(1);

/// More bytes than any client that [`pay`] is asked about is owed.
const MOST_OWED: usize = 1_000_000;

/// The bytes of one read.
const READ: usize = 16 * 1024;

fn manners(reply: &str, message: Message) -> Arc<Manners> {
    Arc::new(Manners::new(reply, message, IDLE, STALL))
}

fn driver(reply: &str, message: Message) -> Driver<ThankYou> {
    Driver::new(Client::new(&manners(reply, message)))
}

fn simulation(seed: u64) -> Simulation<ThankYou> {
    let manners = manners("Thank you!", Message::Line);
    Simulation::new(seed, move |_| Client::new(&manners))
}

/// How many messages a client has sent, said in another way than the server says it.
fn messages(sent: &[u8]) -> usize {
    sent.split_inclusive(|byte| *byte == b'\n').count()
}

/// Lets the kernel take so many bytes at a time until nothing is owed.
fn pay(driver: &mut Driver<ThankYou>, window: usize) -> Vec<u8> {
    let mut paid = Vec::new();
    while driver.state() == "Thanking" {
        driver.writable(window);
        let mut sent = driver.sent();
        assert!(!sent.is_empty() && paid.len() < MOST_OWED, "it goes on for ever");
        paid.append(&mut sent);
    }
    paid
}

#[test]
fn every_way_of_cutting_the_input_gives_the_same_thanks() {
    let session = b"a\n\nbc\r\n\n\nd";
    for cuts in 0_u32..1 << (session.len() - 1) {
        for window in [1, 3, THANKS.len(), 1_000] {
            let mut driver = driver("Thank you!", Message::Line);
            let mut paid = Vec::new();
            let mut start = 0;
            for end in 1..=session.len() {
                if end < session.len() && cuts & (1 << (end - 1)) == 0 {
                    continue;
                }
                driver.input(&session[start..end]);
                paid.append(&mut pay(&mut driver, window));
                let whole = session[..end].iter().filter(|byte| **byte == b'\n').count();
                assert!(paid == THANKS.repeat(whole), "cuts {cuts:b}, {end} bytes, {window}");
                start = end;
            }
            driver.end_of_input();
            paid.append(&mut pay(&mut driver, window));
            assert!(paid == THANKS.repeat(messages(session)), "cuts {cuts:b}, {window}");
            assert!(driver.has_ended());
        }
    }
}

#[test]
fn input_that_comes_while_thanks_are_owed_waits_its_turn() {
    let mut driver = driver("Thank you!", Message::Line);
    driver.input(b"one\nha");
    driver.input(b"lf\nlast");
    driver.end_of_input();
    assert_eq!(driver.undelivered(), b"lf\nlast", "it is not read");
    assert!(!driver.interest().has(Interest::READABLE) && !driver.has_ended());
    driver.writable(4);
    assert_eq!(driver.sent_text(), "Than");
    assert_eq!(driver.undelivered(), b"lf\nlast");
    driver.writable(100);
    assert_eq!(driver.sent_text(), "k you!\n");
    assert_eq!(pay(&mut driver, 100), THANKS.repeat(2));
    assert!(driver.has_ended());
}

#[test]
fn the_end_of_input_makes_half_a_line_a_message_and_nothing_none() {
    for (sent, thanks) in [("", 0), ("\n", 1), ("half", 1), ("whole\n", 1), ("whole\nhalf", 2)] {
        let mut driver = driver("Thank you!", Message::Line);
        driver.input(sent.as_bytes());
        driver.end_of_input();
        assert_eq!(pay(&mut driver, 100), THANKS.repeat(thanks), "{sent:?}");
        assert!(driver.has_ended(), "{sent:?}");
    }
}

#[test]
fn with_reads_as_messages_each_read_is_thanked_for_whatever_it_brings() {
    let mut driver = driver("Thank you!", Message::Read);
    for brought in [b"no line".as_slice(), b"three\nlines\nhere\n", b"\n", &[b'x'; READ]] {
        driver.input(brought);
        assert_eq!(pay(&mut driver, 100), THANKS);
    }
    driver.input(&[b'x'; READ + 1]);
    assert_eq!(pay(&mut driver, 100), THANKS.repeat(2), "more than a read takes at once");
    driver.end_of_input();
    assert_eq!(pay(&mut driver, 100), b"", "the end brings nothing");
    assert!(driver.has_ended());
}

#[test]
fn any_text_thanks_and_a_newline_follows() {
    let long = "so much ".repeat(20_000);
    for reply in ["", "\n", "two\nlines", "merci \u{1f64f}", &long] {
        for window in [7, 1_000_000] {
            let mut driver = driver(reply, Message::Line);
            driver.input(b"one\ntwo\nthree\n");
            let expected = format!("{reply}\n").repeat(3);
            assert!(pay(&mut driver, window) == expected.as_bytes(), "{reply:.20}, {window}");
        }
    }
}

#[test]
fn a_million_messages_are_a_number() {
    assert!(size_of::<ThankYou>() <= 24, "{} bytes", size_of::<ThankYou>());
    assert!(size_of::<Client>() <= 16, "{} bytes", size_of::<Client>());
    let mut driver = driver("Thank you!", Message::Line);
    driver.input(&vec![b'\n'; 1_000_000]);
    let mut paid = Vec::new();
    let mut most = 0;
    while let ThankYou::Thanking { owed, .. } = driver.machine() {
        most = most.max(*owed);
        driver.writable(100_000);
        paid.append(&mut driver.sent());
    }
    assert!(paid == THANKS.repeat(1_000_000), "{} bytes", paid.len());
    assert_eq!(most, READ, "never more than one read brings");
}

#[test]
fn a_request_to_stop_waits_for_what_is_owed_and_for_nothing_else() {
    let mut waiting = driver("Thank you!", Message::Line);
    waiting.input(b"half a li");
    waiting.shutdown();
    assert!(waiting.has_ended(), "half a line is no message yet");
    assert_eq!(waiting.sent_text(), "");

    let mut owing = driver("Thank you!", Message::Line);
    owing.input(b"one\ntwo\n");
    owing.shutdown();
    owing.writable(THANKS.len() + 1);
    assert!(!owing.has_ended());
    owing.writable(THANKS.len());
    assert_eq!(owing.sent(), THANKS.repeat(2));
    assert!(owing.has_ended());
}

#[test]
fn both_states_have_the_deadline_they_were_given() {
    let mut silent = driver("Thank you!", Message::Line);
    assert_eq!(silent.deadlines().without_progress, Some(IDLE));
    silent.deadline(DeadlineKind::WithoutProgress);
    assert!(silent.has_ended());

    let mut deaf = driver("Thank you!", Message::Line);
    deaf.input(b"one\n");
    assert_eq!(deaf.deadlines().without_progress, Some(STALL));
    deaf.deadline(DeadlineKind::WithoutProgress);
    assert!(deaf.has_ended());
}

/// A session of short lines, some of them empty, with half a line at the end now and then.
fn session(random: &mut Seeded) -> Vec<u8> {
    let mut sent = Vec::new();
    for _ in 0..random.below(120) {
        let length = random.below(12);
        sent.extend((0..length).map(|_| random.byte() | 0x10));
        sent.push(b'\n');
    }
    sent.extend_from_slice(&b"half a line"[..random.below(12)]);
    sent
}

/// A network of small buffers, short stretches and delays.
fn network(random: &mut Seeded) -> Network {
    Network {
        segment: 1 + random.below(40),
        delay: 1 + random.below(9) as u64,
        send_buffer: 1 + random.below(200),
        receive_buffer: 1 + random.below(200),
        client_buffer: 1 + random.below(100),
        ..Network::default()
    }
}

fn reporting(seed: u64) -> Reporting {
    if seed.is_multiple_of(2) { Reporting::Edge } else { Reporting::Oneshot }
}

/// A script that sends all of it, in pieces with pauses between.
fn script(mut sent: &[u8], random: &mut Seeded) -> Script {
    let mut script = Script::new();
    while !sent.is_empty() {
        let (now, later) = sent.split_at(1 + random.below(sent.len()));
        script = script.send(now).wait(Duration::from_millis(random.below(20) as u64));
        sent = later;
    }
    script
}

#[test]
fn harmless_faults_cost_no_thanks() {
    for seed in 0..300 {
        let mut random = Seeded::new(seed);
        let mut sim = simulation(seed);
        sim.reporting(reporting(seed)).faults(Faults::HARMLESS).network(network(&mut random));
        let sessions: Vec<_> = (0..5).map(|_| session(&mut random)).collect();
        let clients: Vec<_> = sessions
            .iter()
            .map(|sent| sim.connect(script(sent, &mut random).half_close()))
            .collect();
        sim.run();
        for (sent, client) in sessions.iter().zip(clients) {
            let expected = THANKS.repeat(messages(sent));
            assert!(sim.received(client) == expected, "seed {seed}: {}", sent.escape_ascii());
            assert!(sim.saw_end(client), "seed {seed}");
        }
        assert!(sim.now() < STALL, "seed {seed}: no deadline was needed");
        sim.check();
    }
}

#[test]
fn in_a_storm_nobody_is_thanked_for_what_did_not_arrive() {
    for seed in 0..300 {
        let mut random = Seeded::new(seed);
        let mut sim = simulation(seed);
        sim.reporting(reporting(seed)).faults(Faults::STORM).network(network(&mut random));
        let mut clients = Vec::new();
        for number in 0..8 {
            let script = script(&session(&mut random), &mut random);
            clients.push(sim.connect(match number % 4 {
                0 => script.reset(),
                1 => script.close(),
                2 => script.half_close(),
                _ => script,
            }));
        }
        sim.run_for(Duration::from_millis(random.below(300) as u64));
        sim.stop();
        sim.run();
        for client in clients {
            let due = THANKS.repeat(messages(sim.server_received(client)));
            assert!(due.starts_with(sim.server_sent(client)), "seed {seed}");
        }
        sim.check();
    }
}

#[test]
fn who_never_reads_is_read_from_no_more_and_shed() {
    for seed in 0..20 {
        let mut sim = simulation(seed);
        sim.reporting(reporting(seed));
        let network = Network { send_buffer: 5_000, client_buffer: 3_000, ..Network::default() };
        sim.network(network);
        let sent = b"hello\n".repeat(20_000);
        let deaf = sim.connect(Script::new().read(0).send(sent).stay_open());
        let polite = sim.connect(Script::new().wait(STALL / 2).send("hello\n").half_close());
        sim.run_for(STALL - SLACK);
        assert_eq!(sim.state(deaf), Some("Thanking"));
        assert!(sim.server_received(deaf).len() <= READ, "no more than one read");
        assert_eq!(sim.buffers_held(), 0, "what is owed is a number in the state");
        assert_eq!(sim.received(polite), THANKS);
        sim.run_for(2 * SLACK);
        assert_eq!(sim.state(deaf), Some("Closed"), "its time is over");
        assert!(sim.ended_at(deaf).is_some_and(|ended| ended < STALL + SLACK));
        sim.run();
        sim.check();
    }
}

#[test]
fn who_reads_a_byte_now_and_then_gets_every_thanks() {
    let mut sim = simulation(1);
    sim.network(Network { send_buffer: 64, client_buffer: 1, delay: 400, ..Network::default() });
    let sent = b"hello\n".repeat(200);
    let client = sim.connect(Script::new().send(sent).half_close());
    sim.run();
    assert_eq!(sim.received(client), THANKS.repeat(200));
    assert!(sim.saw_end(client));
    assert!(sim.now() > 2 * STALL, "{:?}: it took longer than a stall may", sim.now());
    sim.check();
}

#[test]
fn a_silent_client_and_one_with_half_a_line_have_the_same_time() {
    let mut sim = simulation(1);
    let silent = sim.connect(Script::new());
    let half = sim.connect(Script::new().send("half a li"));
    sim.run();
    for client in [silent, half] {
        let ended = sim.ended_at(client).expect("shed");
        assert!(ended >= IDLE && ended < IDLE + SLACK, "{ended:?}");
        assert_eq!(sim.received(client), b"", "half a line is thanked for at the end of input");
    }
    sim.check();
}

#[test]
fn a_drain_pays_what_is_owed() {
    for seed in 0..50 {
        let mut sim = simulation(seed);
        let delay = 1 + seed % 7;
        sim.reporting(reporting(seed)).faults(Faults::HARMLESS);
        sim.network(Network { send_buffer: 100, client_buffer: 50, delay, ..Network::default() });
        let client = sim.connect(Script::new().send(b"hello\n".repeat(500)));
        sim.run_for(Duration::from_millis(20 + seed));
        let read = sim.server_received(client);
        let owed = read.iter().filter(|byte| **byte == b'\n').count();
        sim.stop();
        sim.run();
        // More may be read before it is told to stop; behind that, input is only dropped.
        let paid = sim.received(client).len() / THANKS.len();
        assert!(sim.received(client) == THANKS.repeat(paid), "seed {seed}: whole thanks");
        assert!(owed > 0 && paid >= owed, "seed {seed}: {paid} of {owed}");
        assert!(sim.saw_end(client) && sim.outcome().is_some_and(Result::is_ok));
        sim.check();
    }
}
