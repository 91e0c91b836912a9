//! Who is served before whom, that nobody starves, and that slow slices are told of.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fsm_runtime::table::Class;
use fsm_runtime::testing::sim::{ClientId, Faults, Network, Reporting, Script, Simulation};
use fsm_runtime::{Accepted, Chunks, Io, Lines, Machine, Peer};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};

const MODES: [Reporting; 2] = [Reporting::Edge, Reporting::Oneshot];

/// What one read takes.
const READ: usize = 16 * 1024;

/// Notes whose chunk it is: a slice reads once, so each note is a slice.
#[derive(Machine)]
#[machine(context = Marked, input = Chunks<'_>, shared = Vec<char>)]
enum Marking {
    #[initial]
    #[on(Chunk(bytes) => note(bytes))]
    #[on(eof(_) -> Closed)]
    #[on(shutdown -> Closed)]
    #[after(10min without input -> Closed)]
    Reading,
    #[terminal]
    Closed,
}

struct Marked;

impl Marked {
    #[expect(clippy::unused_self, reason = "actions are methods")]
    fn note(&mut self, bytes: &[u8], io: &mut Io<'_, Marking>) {
        io.shared.push(char::from(bytes[0]));
    }
}

/// Marking clients at three listeners: normal, preferred, background.
fn marking(seed: u64, reporting: Reporting) -> Simulation<Marking> {
    let mut sim = Simulation::<Marking>::new(seed, |_| Marked);
    sim.listeners(3).class_at(1, Class::Preferred).class_at(2, Class::Background);
    let roomy = Network { receive_buffer: 100 * READ, ..Network::default() };
    sim.network(roomy).reporting(reporting);
    sim
}

/// A client at a listener that sends so many reads' worth of its mark at once, a moment after it
/// has connected.
fn sending(sim: &mut Simulation<Marking>, listener: usize, mark: char, reads: usize) -> ClientId {
    let bytes = mark.to_string().repeat(reads * READ);
    sim.connect_at(listener, Script::new().wait(Duration::from_millis(100)).send(bytes))
}

fn count(notes: &[char], mark: char) -> usize {
    notes.iter().filter(|note| **note == mark).count()
}

#[test]
fn the_classes_are_served_in_their_order() {
    for seed in 0..40 {
        for reporting in MODES {
            let mut sim = marking(seed, reporting);
            for (listener, mark) in [(2, 'b'), (0, 'n'), (1, 'p')] {
                for _ in 0..3 {
                    sending(&mut sim, listener, mark, 4);
                }
            }
            sim.run();
            let notes: String = sim.shared().iter().collect();
            let (preferred, rest) = notes.split_at(12);
            assert_eq!(preferred, "p".repeat(12), "seed {seed}, {reporting:?}");
            let (normal, background) = rest.split_at(12);
            assert_eq!(normal, "n".repeat(12), "seed {seed}, {reporting:?}");
            assert_eq!(background, "b".repeat(12), "seed {seed}, {reporting:?}");
            sim.check();
        }
    }
}

#[test]
fn a_preferred_connection_is_seen_between_two_slices() {
    for reporting in MODES {
        let mut sim = marking(1, reporting);
        let slow = Duration::from_millis(5);
        let greedy: Vec<_> = (0..32).map(|_| sending(&mut sim, 0, 'n', 2)).collect();
        greedy.into_iter().for_each(|client| sim.take_long(client, slow));
        let late = Script::new().wait(Duration::from_millis(151)).send("p");
        sim.connect_at(1, late);
        sim.run();
        let at = sim.shared().iter().position(|note| *note == 'p').expect("served");
        // After 100 ms the others begin, each with 5 ms a read: the tenth slice or the eleventh is
        // under way when it sends, and the next wait would come after the thirty-second.
        assert!((10..=12).contains(&at), "{reporting:?}: behind {at} slices");
        sim.check();
    }
}

#[test]
fn the_background_gets_its_share_of_a_busy_worker() {
    for reporting in MODES {
        let mut sim = marking(1, reporting);
        for _ in 0..8 {
            sending(&mut sim, 0, 'n', 80);
        }
        sending(&mut sim, 2, 'b', 80);
        sim.run();
        let busy = &sim.shared()[..600];
        // One behind 16, but for the beginning.
        assert!((35..=38).contains(&count(busy, 'b')), "{} of 600", count(busy, 'b'));
        assert_eq!(count(sim.shared(), 'b'), 80, "and in the end all");
        sim.check();
    }
}

#[test]
fn preferred_connections_starve_nobody() {
    for reporting in MODES {
        let mut sim = marking(1, reporting);
        for _ in 0..40 {
            sending(&mut sim, 1, 'p', 30);
        }
        sending(&mut sim, 0, 'n', 30);
        sending(&mut sim, 2, 'b', 4);
        sim.run();
        let busy = &sim.shared()[..600];
        // At most 16 in a row, twice where a turn of the loop ends, and then somebody else.
        assert!(count(busy, 'n') >= 17, "{} of 600 are normal", count(busy, 'n'));
        assert!(count(busy, 'b') >= 1, "{} of 600 are in the background", count(busy, 'b'));
        let mut rows = busy.split(|note| *note != 'p').map(<[char]>::len);
        assert!(rows.all(|row| row <= 32), "too many in a row: {busy:?}");
        sim.check();
    }
}

/// Every line chooses the state that comes next, and with it the class.
#[derive(Machine)]
#[machine(context = Changing, input = Lines<'_>)]
#[group(
    Open: Plain, First, Last;
    on(Line(line) => turn(line) -> Plain | First | Last),
    on(TooLong | eof | shutdown -> Closed),
    after(10s without input -> Closed)
)]
enum Change {
    #[initial]
    Plain,
    #[class(preferred)]
    First,
    #[class(background)]
    Last,
    #[terminal]
    Closed,
}

struct Changing;

impl Changing {
    #[expect(clippy::unused_self, reason = "actions are methods")]
    fn turn(&mut self, line: &[u8], io: &mut Io<'_, Change>) -> ChangeTurn {
        io.out.send(line);
        match line[0] {
            b'p' => ChangeTurn::First,
            b'b' => ChangeTurn::Last,
            _ => ChangeTurn::Plain,
        }
    }
}

/// Lines to and fro, each sent only when the one before has come back: a wake-up that was lost
/// would show as a deadline that passed.
fn talking(lines: &[&str]) -> Script {
    let mut received = 0;
    let talk = lines.iter().fold(Script::new(), |script, line| {
        received += line.len();
        script.send(*line).expect(received)
    });
    talk.half_close()
}

#[test]
fn no_wake_up_is_lost_when_a_state_changes_the_class() {
    let lines = ["p\n", "p\n", "n\n", "b\n", "b\n", "p\n", "b\n", "n\n", "p\n"];
    for seed in 0..500 {
        let classes = [None, Some(Class::Preferred), Some(Class::Background)];
        let standing = classes[usize::try_from(seed % 3).expect("small")];
        let mut sim = Simulation::<Change>::new(seed, move |_| match standing {
            None => Accepted::new(Changing),
            Some(class) => Accepted::new(Changing).class(class),
        });
        sim.reporting(MODES[usize::from(seed % 2 == 0)]).faults(Faults::HARMLESS);
        sim.network(Network { segment: 3, delay: 5, ..Network::default() });
        let clients: Vec<_> =
            (0..6).map(|at| sim.connect(talking(&lines[at % lines.len()..]))).collect();
        let in_bulk = sim.connect(Script::new().send(lines.concat()).half_close());
        sim.run();
        for (at, client) in clients.into_iter().enumerate() {
            let expected = lines[at % lines.len()..].concat();
            assert_eq!(sim.received(client), expected.as_bytes(), "seed {seed}");
            let ended = sim.ended_at(client).expect("ended");
            assert!(ended < Duration::from_secs(5), "seed {seed}: before any deadline");
        }
        assert_eq!(sim.received(in_bulk), lines.concat().as_bytes(), "seed {seed}");
        sim.check();
    }
}

#[test]
fn nothing_is_lost_when_what_can_fail_does() {
    for seed in 0..300 {
        let mut sim = Simulation::<Change>::new(seed, |_| Changing);
        sim.reporting(MODES[usize::from(seed % 2 == 0)]).faults(Faults::STORM);
        for _ in 0..8 {
            sim.connect(talking(&["p\n", "b\n", "n\n", "p\n"]));
        }
        sim.run();
        assert_eq!(sim.open(), 0, "seed {seed}: every connection ends, at its deadline at last");
        sim.check();
    }
}

/// Answers with the class that it has been given, by whom it was served.
#[derive(Machine)]
#[machine(context = Marked, input = Chunks<'_>, shared = Vec<char>)]
#[class(background)]
enum MarkingLast {
    #[initial]
    #[on(Chunk(bytes) => note_last(bytes))]
    #[on(eof(_) -> Closed)]
    #[on(shutdown -> Closed)]
    #[after(10min without input -> Closed)]
    Reading,
    #[terminal]
    Closed,
}

impl Marked {
    #[expect(clippy::unused_self, reason = "actions are methods")]
    fn note_last(&mut self, bytes: &[u8], io: &mut Io<'_, MarkingLast>) {
        io.shared.push(char::from(bytes[0]));
    }
}

#[test]
fn the_context_speaks_before_the_listener_and_the_listener_before_the_machine() {
    let make_context = |peer: &Peer| match peer {
        Peer::Tcp(address) if address.port() % 4 == 3 => {
            Accepted::new(Marked).class(Class::Preferred)
        }
        _ => Marked.into(),
    };
    let mut sim = Simulation::<MarkingLast>::new(1, make_context);
    sim.listeners(2).class_at(1, Class::Normal);
    let marked =
        |mark: &str| Script::new().wait(Duration::from_millis(100)).send(mark.repeat(2 * READ));
    sim.connect_at(0, marked("m"));
    sim.connect_at(1, marked("l"));
    sim.connect_at(0, marked("m"));
    sim.connect_at(1, marked("c"));
    sim.run();
    assert_eq!(sim.shared().iter().collect::<String>(), "ccllmmmm");
    sim.check();
}

/// What was warned of: each warning's fields in one line.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        self.0.lock().expect("one thread").push(fields.0.trim().to_owned());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0 += &format!("{}={value:?} ", field.name());
    }
}

#[test]
fn a_slow_slice_is_told_of_with_machine_state_event_and_time() {
    for (line, state, event) in [("n\n", "Plain", "input"), ("", "Plain", "eof")] {
        for class in [Class::Normal, Class::Preferred, Class::Background] {
            let warnings = Warnings::default();
            let mut sim =
                Simulation::<Change>::new(1, move |_| Accepted::new(Changing).class(class));
            sim.slow_slice(Duration::from_millis(50));
            let quick = sim.connect(talking(&["n\n", "n\n"]));
            let slow = sim.connect(Script::new().send(line).half_close());
            sim.take_long(quick, Duration::from_micros(24_999));
            sim.take_long(slow, Duration::from_micros(50_500));
            tracing::subscriber::with_default(warnings.clone(), || sim.run());
            let told = warnings.0.lock().expect("one thread");
            assert_eq!(sim.summary().slow_slices, told.len() as u64, "{told:?}");
            let first = told.first().expect("a warning");
            assert!(
                first.contains(&format!(r#"machine="Change" state="{state}" event="{event}""#)),
                "{told:?}"
            );
            assert!(first.contains("time=50.5ms") || first.contains("time=101ms"), "{told:?}");
        }
    }
}

#[test]
fn a_slow_input_that_leads_nowhere_is_told_of_as_an_input() {
    let warnings = Warnings::default();
    let mut sim = marking(1, Reporting::Edge);
    sim.slow_slice(Duration::from_millis(50));
    sim.connect(Script::new().wait(Duration::from_millis(80)).half_close());
    let slow = sim.connect(Script::new().wait(Duration::from_millis(100)).send("n"));
    sim.take_long(slow, Duration::from_millis(70));
    tracing::subscriber::with_default(warnings.clone(), || sim.run_for(Duration::from_secs(1)));
    let told = warnings.0.lock().expect("one thread");
    let input = r#"machine="Marking" state="Reading" event="input" time=70ms"#;
    assert!(told.last().expect("a warning").contains(input), "{told:?}");
}
