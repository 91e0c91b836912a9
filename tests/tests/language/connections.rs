//! Connection machines, driven without sockets: every event of the runtime, and what it makes the
//! runtime watch for.

use std::io;

use fsm_runtime::table::{Class, Interest, Shed};
use fsm_runtime::testing::Driver;
use fsm_runtime::{Io, Lines, Machine};

/// A line printer's front desk: a state for every kind of waiting.
#[derive(Machine, Debug, PartialEq)]
#[machine(context = Desk, input = Lines<'_>, reply = Spool, message = Note, shared = Paper)]
#[machine(error = Jam, stall = 45s, backlog = 16KiB, max_size = 64)]
#[class(background)]
#[on(lost(e) => note_loss(e) -> Cut)]
#[on(error(jam) => apologise(jam) -> Closed)]
#[on(message(Refill(sheets)) => refill(sheets))]
#[on(message(Recall) -> Closed)]
enum Printer {
    /// Says hello.
    #[initial]
    #[class(preferred)]
    #[on(connected => greet -> Reading)]
    #[on(shutdown -> Closed)]
    #[after(1s -> Closed)]
    Greeting,

    #[on(Line(line) => spool(line)? -> Spooling "a page" | Printing | Stay)]
    #[on(TooLong -> Closed)]
    #[on(eof(rest) => last_page(rest) -> Closed)]
    #[on(shutdown => say_goodbye -> Closed)]
    #[after(10s of partial -> Closed)]
    #[after(5min without input -> Closed)]
    #[shed(first)]
    Reading,

    #[on(reply(Page { number }) => page(sheets, number) -> Reading | Stay)]
    #[on(reply(Failed(why)) => fail(why)? -> Reading)]
    #[on(message(_) => hold)]
    #[ignores(shutdown)]
    #[after(1min -> Cut)]
    #[shed(never)]
    Spooling { sheets: u32 },

    #[on(drained => next_line(left) -> Reading | Stay)]
    #[ignores(shutdown, message)]
    #[after(30s without progress -> Cut)]
    Printing { left: Vec<Box<str>> },

    #[terminal]
    #[enter(close)]
    Closed,

    #[terminal(abort)]
    #[enter(cut)]
    Cut,
}

enum Spool {
    Page { number: u32 },
    Failed(&'static str),
}

enum Note {
    Refill(u32),
    Recall,
}

#[derive(Debug)]
struct Jam(&'static str);

#[derive(Default)]
struct Paper {
    sheets: u32,
}

#[derive(Default)]
struct Desk {
    did: Vec<String>,
}

impl Desk {
    fn log(&mut self, what: impl Into<String>) {
        self.did.push(what.into());
    }

    fn greet(&mut self, io: &mut Io<'_, Printer>) {
        io.out.send(b"hello\n");
    }

    fn spool(&mut self, line: &[u8], io: &mut Io<'_, Printer>) -> Result<PrinterSpool, Jam> {
        io.out.send(b"> ");
        match line {
            b"jam\n" => Err(Jam("paper")),
            b"long\n" => Ok(PrinterSpool::Spooling { sheets: io.shared.sheets }),
            b"print\n" => Ok(PrinterSpool::Printing { left: vec!["two\n".into(), "one\n".into()] }),
            other => {
                io.out.send(other);
                Ok(PrinterSpool::Stay)
            }
        }
    }

    fn last_page(&mut self, rest: &[u8], io: &mut Io<'_, Printer>) {
        io.out.send(b"end of ");
        io.out.send(rest);
    }

    fn say_goodbye(&mut self, io: &mut Io<'_, Printer>) {
        assert!(io.draining());
        io.out.send(b"goodbye\n");
    }

    fn page(&mut self, sheets: &mut u32, number: u32, io: &mut Io<'_, Printer>) -> PrinterPage {
        *sheets -= 1;
        io.shared.sheets -= 1;
        writeln!(io.out, "page {number}, {sheets} left");
        if *sheets == 0 { PrinterPage::Reading } else { PrinterPage::Stay }
    }

    fn fail(&mut self, why: &'static str, _io: &mut Io<'_, Printer>) -> Result<(), Jam> {
        if why == "again" { Ok(()) } else { Err(Jam(why)) }
    }

    fn hold(&mut self, _io: &mut Io<'_, Printer>) {
        self.log("hold");
    }

    fn refill(&mut self, sheets: u32, io: &mut Io<'_, Printer>) {
        io.shared.sheets += sheets;
    }

    fn next_line(&mut self, left: &mut Vec<Box<str>>, io: &mut Io<'_, Printer>) -> PrinterNextLine {
        match left.pop() {
            Some(line) => {
                io.out.send(line.as_bytes());
                PrinterNextLine::Stay
            }
            None => PrinterNextLine::Reading,
        }
    }

    fn note_loss(&mut self, error: io::Error, _io: &mut Io<'_, Printer>) {
        self.log(format!("lost: {:?}", error.kind()));
    }

    fn apologise(&mut self, jam: Jam, io: &mut Io<'_, Printer>) {
        io.out.send(format!("sorry: {}\n", jam.0).as_bytes());
    }

    fn close(&mut self, _io: &mut Io<'_, Printer>) {
        self.log("close");
    }

    fn cut(&mut self, _io: &mut Io<'_, Printer>) {
        self.log("cut");
    }
}

fn connected() -> Driver<Printer> {
    let mut driver = Driver::with_shared(Desk::default(), Paper { sheets: 2 });
    driver.connect();
    assert_eq!(driver.sent(), b"hello\n");
    driver
}

fn spooling() -> Driver<Printer> {
    let mut driver = connected();
    driver.input(b"long\n");
    assert_eq!(driver.state(), "Spooling");
    driver.sent();
    driver
}

#[test]
fn a_connection_begins_with_connected() {
    let mut driver = Driver::<Printer>::new(Desk::default());
    driver.input(b"early\n");
    assert_eq!((driver.state(), driver.sent()), ("Greeting", vec![]));
    driver.connect();
    assert_eq!((driver.state(), driver.sent()), ("Reading", b"hello\n> early\n".to_vec()).clone());
}

#[test]
fn inputs_are_delivered_one_after_the_other() {
    let mut driver = connected();
    driver.input(b"one\ntwo\nthr");
    assert_eq!(driver.sent(), b"> one\n> two\n");
    driver.input(b"ee\n");
    assert_eq!(driver.sent(), b"> three\n");
}

#[test]
fn a_state_that_does_not_read_leaves_the_bytes_where_they_are() {
    let mut driver = connected();
    driver.input(b"long\nlater\n");
    assert_eq!((driver.state(), driver.undelivered()), ("Spooling", &b"later\n"[..]));
    driver.reply(Spool::Page { number: 1 });
    driver.reply(Spool::Page { number: 2 });
    assert_eq!(driver.state(), "Reading");
    assert_eq!(driver.sent_text(), "> page 1, 1 left\npage 2, 0 left\n> later\n");
}

#[test]
fn the_end_of_input_brings_what_no_decoder_took() {
    let mut driver = connected();
    driver.input(b"half a li");
    driver.end_of_input();
    assert_eq!((driver.state(), driver.sent()), ("Closed", b"end of half a li".to_vec()));
    assert_eq!(driver.context().did, ["close"]);
}

#[test]
fn output_that_has_gone_is_an_event() {
    let mut driver = connected();
    driver.input(b"print\n");
    assert_eq!(driver.state(), "Printing");
    driver.drained();
    driver.drained();
    assert_eq!((driver.state(), driver.sent()), ("Printing", b"> one\ntwo\n".to_vec()));
    driver.drained();
    assert_eq!(driver.state(), "Reading");
}

#[test]
fn a_reply_is_matched_by_its_variant() {
    let mut driver = spooling();
    driver.reply(Spool::Failed("again"));
    assert_eq!(driver.state(), "Reading");
    let mut driver = spooling();
    driver.reply(Spool::Failed("ink"));
    assert_eq!((driver.state(), driver.sent()), ("Closed", b"sorry: ink\n".to_vec()));
}

#[test]
fn a_message_is_matched_by_its_variant() {
    let mut driver = connected();
    driver.message(Note::Refill(8));
    assert_eq!((driver.state(), driver.shared().sheets), ("Reading", 10));
    driver.message(Note::Recall);
    assert_eq!(driver.state(), "Closed");
}

#[test]
fn a_row_for_every_message_wins_over_those_of_the_enum() {
    let mut driver = spooling();
    driver.message(Note::Recall);
    driver.message(Note::Refill(8));
    assert_eq!((driver.state(), driver.shared().sheets), ("Spooling", 2));
    assert_eq!(driver.context().did, ["hold", "hold"]);
}

#[test]
fn an_ignored_event_changes_nothing() {
    let mut driver = connected();
    driver.input(b"print\n");
    driver.message(Note::Recall);
    driver.shutdown();
    assert_eq!((driver.state(), driver.has_ended()), ("Printing", false));
}

#[test]
fn a_drained_server_is_told_to_each_state_once() {
    let mut driver = spooling();
    driver.shutdown();
    assert_eq!(driver.state(), "Spooling");
    driver.reply(Spool::Failed("again"));
    assert_eq!((driver.state(), driver.sent()), ("Closed", b"goodbye\n".to_vec()));
}

#[test]
fn a_lost_socket_leads_to_the_row_of_the_enum() {
    let mut driver = spooling();
    driver.lost(io::ErrorKind::ConnectionReset.into());
    assert_eq!(driver.state(), "Cut");
    assert_eq!(driver.context().did, ["lost: ConnectionReset", "cut"]);
}

#[test]
fn what_a_failing_action_queued_is_dropped() {
    let mut driver = connected();
    driver.input(b"one\njam\ntwo\n");
    assert_eq!((driver.state(), driver.sent()), ("Closed", b"> one\nsorry: paper\n".to_vec()));
    assert_eq!(driver.context().did, ["close"]);
}

#[test]
fn interest_comes_from_the_rows() {
    let interest = |state: usize| Printer::TABLE.states[state].interest;
    assert_eq!(interest(0), Interest::NONE);
    assert_eq!(interest(1), Interest::INPUT);
    assert_eq!(interest(2), Interest::NONE);
    assert_eq!(interest(3), Interest::DRAINED);
    assert_eq!(interest(4), Interest::END);
    assert_eq!(interest(5), Interest::ABORT);
    let mut driver = connected();
    assert_eq!(driver.interest(), Interest::INPUT);
    driver.input(b"print\n");
    assert_eq!(driver.interest(), Interest::DRAINED);
}

#[test]
fn the_table_has_the_keys_of_the_machine() {
    let table = Printer::TABLE;
    assert_eq!((table.stall.as_secs(), table.backlog, table.plain), (45, 16 * 1024, false));
    assert_eq!(table.input, "Lines<'_>");
    let shed = |state: usize| table.states[state].shed;
    assert_eq!([shed(0), shed(1), shed(2)], [Shed::Idle, Shed::First, Shed::Never]);
    let class = |state: usize| table.states[state].class;
    assert_eq!([class(0), class(1)], [Class::Preferred, Class::Background]);
}

/// Thank-you (Tanenbaum, Fig. 2-19): raw reading and writing.
#[derive(Machine, Debug, PartialEq)]
#[machine(context = Polite)]
enum ThankYou {
    #[initial]
    #[on(readable => receive -> Thanking | Stay | Closed)]
    #[on(shutdown -> Closed)]
    #[after(5min without progress -> Closed)]
    Listening,

    #[on(writable => send_rest(owed, sent) -> Listening | Stay | Closed)]
    #[ignores(shutdown)]
    #[after(30s without progress -> Closed)]
    Thanking { owed: u64, sent: usize },

    #[terminal]
    Closed,
}

const THANKS: &[u8] = b"thank you\n";

struct Polite;

impl Polite {
    fn receive(&mut self, io: &mut Io<'_, ThankYou>) -> ThankYouReceive {
        let mut buffer = [0; 64];
        match io.read(&mut buffer) {
            Ok(0) => ThankYouReceive::Closed,
            Ok(bytes) => ThankYouReceive::Thanking { owed: bytes as u64, sent: 0 },
            Err(_) => ThankYouReceive::Stay,
        }
    }

    fn send_rest(
        &mut self,
        owed: &mut u64,
        sent: &mut usize,
        io: &mut Io<'_, ThankYou>,
    ) -> ThankYouSendRest {
        while *owed > 0 {
            match io.write(&THANKS[*sent..]) {
                Ok(bytes) => *sent += bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return ThankYouSendRest::Stay;
                }
                Err(_) => return ThankYouSendRest::Closed,
            }
            if *sent == THANKS.len() {
                (*owed, *sent) = (*owed - 1, 0);
            }
        }
        ThankYouSendRest::Listening
    }
}

#[test]
fn raw_rows_read_and_write_by_themselves() {
    let mut driver = Driver::<ThankYou>::new(Polite);
    assert_eq!(driver.interest(), Interest::READABLE);
    driver.input(b"ab");
    assert_eq!((driver.state(), driver.interest()), ("Thanking", Interest::WRITABLE));
    driver.writable(14);
    assert_eq!(driver.machine(), &ThankYou::Thanking { owed: 1, sent: 4 });
    driver.writable(14);
    assert_eq!((driver.state(), driver.sent()), ("Listening", THANKS.repeat(2)));
}

/// A machine over whatever answers, with data of its handler in a state.
#[derive(Machine)]
#[machine(context = Session<H>, input = Lines<'_>, shared = H::Pool, reply = H::Answer)]
enum Asking<H: Answers + 'static> {
    #[initial]
    #[on(Line(line) => ask(line) -> Waiting)]
    #[on(TooLong | eof | shutdown -> Closed)]
    #[after(1min without input -> Closed)]
    Idle,

    #[on(reply(answer) => answered(question, answer) -> Idle)]
    #[on(shutdown -> Closed)]
    #[after(1min -> Closed)]
    Waiting { question: H::Question },

    #[terminal]
    Closed,
}

trait Answers {
    type Pool;
    type Question;
    type Answer: Send + 'static;
    fn question(&mut self, line: &[u8], pool: &mut Self::Pool) -> Self::Question;
    fn text(&mut self, question: Self::Question, answer: Self::Answer) -> Vec<u8>;
}

struct Session<H>(H);

impl<H: Answers> Session<H> {
    fn ask(&mut self, line: &[u8], io: &mut Io<'_, Asking<H>>) -> AskingAsk<H> {
        AskingAsk::Waiting { question: self.0.question(line, io.shared) }
    }

    fn answered(&mut self, question: H::Question, answer: H::Answer, io: &mut Io<'_, Asking<H>>) {
        let text = self.0.text(question, answer);
        io.out.send(&text);
    }
}

struct Oracle;

impl Answers for Oracle {
    type Pool = Vec<usize>;
    type Question = Box<[u8]>;
    type Answer = u8;

    fn question(&mut self, line: &[u8], pool: &mut Vec<usize>) -> Box<[u8]> {
        pool.push(line.len());
        line.into()
    }

    fn text(&mut self, question: Box<[u8]>, answer: u8) -> Vec<u8> {
        let mut text = question.into_vec();
        text.push(answer);
        text
    }
}

#[test]
fn a_connection_machine_may_be_generic_over_its_context() {
    let mut driver = Driver::<Asking<Oracle>>::new(Session(Oracle));
    driver.input(b"why?\n");
    driver.reply(b'!');
    assert_eq!((driver.state(), driver.sent()), ("Idle", b"why?\n!".to_vec()));
    assert_eq!(*driver.shared(), [5]);
}
