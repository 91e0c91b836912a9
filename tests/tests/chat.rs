//! One member of the chat room, event by event: what it says to whom, what it hears, and what it
//! does when there is no room for what it says.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use fsm_runtime::Topic;
use fsm_runtime::table::{DeadlineKind, Interest};
use fsm_runtime::testing::Driver;
use servers::chat::{Chat, Limits, Member, Said};

fn member() -> Driver<Chat> {
    let limits = Limits { idle: Duration::from_secs(60), partial: Duration::from_secs(10) };
    Driver::new(Member::new(&Arc::new(limits)))
}

/// A member in the lobby, of which nothing has been looked at that its coming led to.
fn present() -> Driver<Chat> {
    let mut driver = member();
    driver.connect();
    driver.published();
    driver.sent();
    driver
}

fn named(name: &str) -> Driver<Chat> {
    let mut driver = present();
    driver.input(format!("/name {name}\n").as_bytes());
    driver.published();
    driver.sent();
    driver
}

fn lobby() -> Topic {
    Topic::new("lobby")
}

/// What was published since the last look: the room and the line.
fn announced(driver: &mut Driver<Chat>) -> Vec<(String, String)> {
    let text = |said: Said| match said {
        Said::Line(_, text) | Said::Named(_, _, text) | Said::Here(text) => text.to_string(),
        Said::Taken(_) | Said::WhoIsHere(_) => panic!("no line"),
    };
    let published = driver.published().into_iter();
    published.map(|(room, said)| (room.name().to_owned(), text(said))).collect()
}

fn line(room: &str, text: &str) -> (String, String) {
    (room.to_owned(), text.to_owned())
}

#[test]
fn a_client_comes_to_the_lobby_as_a_guest_with_a_name_of_its_own() {
    let mut driver = member();
    driver.connect();
    assert!(driver.has_joined(&lobby()));
    let guest = format!("guest-{}", driver.id());
    assert!(driver.sent_text().ends_with(&format!("* you are {guest} in lobby\n")));
    assert_eq!(announced(&mut driver), [line("lobby", &format!("* {guest} is here\n"))]);
}

#[test]
fn what_it_says_is_for_the_others() {
    let mut driver = named("ann");
    driver.input(b"hello\r\n\n  \nhalf a li");
    let mut published = driver.published();
    assert_eq!(published.len(), 1, "nothing is said by an empty line, or by half a one");
    let (room, said) = published.remove(0);
    assert_eq!(room, lobby());
    driver.message(said.clone());
    assert_eq!(driver.sent_text(), "", "it has its own words before its eyes");
    let mut other = present();
    other.message(said);
    assert_eq!(other.sent_text(), "ann: hello\n");
}

#[test]
fn what_it_says_controls_no_terminal() {
    let mut driver = named("ann");
    driver.input(b"\x1b[2Jgone?\x07 \xff \xc3\xa4\n");
    let said = "ann:  [2Jgone?  \u{fffd} \u{e4}\n";
    assert_eq!(announced(&mut driver), [line("lobby", said)]);
}

#[test]
fn names_are_short_words() {
    let mut driver = named("ann");
    let too_long = "x".repeat(21);
    for bad in ["", "two words", "a.b", "\u{e4}", "guest-0.1.2", too_long.as_str()] {
        for command in ["name", "join"] {
            driver.input(format!("/{command} {bad}\n").as_bytes());
            assert!(driver.sent_text().starts_with("* a name is"), "{command} {bad}");
        }
    }
    assert!(driver.published().is_empty());
    driver.input(format!("/name  {}  \n", &too_long[1..]).as_bytes());
    assert_eq!(driver.sent_text(), format!("* you are {}\n", &too_long[1..]));
}

#[test]
fn the_second_of_a_name_gives_way() {
    let (mut ann, mut second) = (named("ann"), present());
    second.input(b"/name ann\n");
    second.sent();
    let (_, said) = second.published().remove(0);
    ann.message(said);
    assert!(ann.sent_text().ends_with(" is now ann\n"));
    let (to, taken) = ann.told().remove(0);
    assert_eq!(to, second.id());
    second.message(taken.clone());
    let new = format!("ann-{}", second.id());
    assert_eq!(second.sent_text(), format!("* there is another ann\n* you are {new}\n"));
    assert_eq!(announced(&mut second), [line("lobby", &format!("* ann is now {new}\n"))]);
    second.message(taken);
    assert_eq!(second.sent_text(), "", "it has another name already");
    assert!(ann.published().is_empty(), "the first one keeps it");
}

#[test]
fn two_that_take_a_name_at_the_same_moment_both_give_way() {
    let (mut one, mut other) = (named("ann"), present());
    one.input(b"/name bob\n");
    other.input(b"/name bob\n");
    let (_, of_one) = one.published().remove(0);
    let (_, of_other) = other.published().remove(0);
    one.message(of_other);
    other.message(of_one);
    let (of_one, of_other) = (one.told(), other.told());
    for (mut driver, told) in [(one, of_other), (other, of_one)] {
        driver.sent();
        assert_eq!(told.len(), 1);
        told.into_iter().for_each(|(_, taken)| driver.message(taken));
        assert!(driver.sent_text().contains(&format!("* you are bob-{}\n", driver.id())));
    }
}

#[test]
fn a_room_is_left_before_another_is_entered() {
    let mut driver = named("ann");
    driver.input(b"/join kitchen\nhungry?\n");
    assert!(driver.has_joined(&Topic::new("kitchen")) && !driver.has_joined(&lobby()));
    assert_eq!(driver.sent_text(), "* you are ann in kitchen\n");
    let expected = [
        line("lobby", "* ann has left\n"),
        line("kitchen", "* ann is here\n"),
        line("kitchen", "ann: hungry?\n"),
    ];
    assert_eq!(announced(&mut driver), expected);
}

#[test]
fn everybody_answers_who_is_here() {
    let (mut asker, mut ann) = (named("bob"), named("ann"));
    asker.input(b"/who\n");
    let (_, question) = asker.published().remove(0);
    ann.message(question.clone());
    asker.message(question);
    for (to, here) in [ann.told(), asker.told()].concat() {
        assert_eq!(to, asker.id());
        asker.message(here);
    }
    assert_eq!(asker.sent_text(), "* here: ann\n* here: bob\n");
}

#[test]
fn a_line_waits_for_room_and_the_lines_behind_it_wait_too() {
    let mut driver = named("ann");
    driver.inbox_room(0);
    driver.input(b"one\ntwo\n/who\n");
    assert_eq!(driver.state(), "Waiting");
    assert!(!driver.interest().has(Interest::INPUT), "its client is slowed down");
    assert_eq!(driver.undelivered(), b"two\n/who\n");
    driver.deadline(DeadlineKind::SinceEntry);
    assert_eq!(driver.state(), "Waiting", "there is no room yet");
    let mut other = named("bob");
    other.input(b"hello\n");
    driver.message(other.published().remove(0).1);
    assert_eq!(driver.sent_text(), "bob: hello\n", "it hears what others say meanwhile");
    driver.inbox_room(1);
    driver.deadline(DeadlineKind::SinceEntry);
    assert_eq!(announced(&mut driver), [line("lobby", "ann: one\n")]);
    assert_eq!(driver.state(), "Waiting", "there was room for one");
    driver.inbox_room(1);
    driver.deadline(DeadlineKind::SinceEntry);
    assert_eq!(announced(&mut driver), [line("lobby", "ann: two\n")]);
    assert_eq!(driver.sent_text(), "* all are busy; ask again\n");
    assert_eq!(driver.state(), "Talking");
}

#[test]
fn the_others_are_told_that_it_left_however_it_came_to_that() {
    type Leave = fn(&mut Driver<Chat>);
    let leaves: [(&str, Leave); 6] = [
        ("quit", |driver| driver.input(b"/quit\n")),
        ("the end of input", Driver::end_of_input),
        ("a line too long", |driver| driver.input(&vec![b'x'; 100_000])),
        ("silence", |driver| driver.deadline(DeadlineKind::WithoutProgress)),
        ("half a line", |driver| driver.deadline(DeadlineKind::OfPartial)),
        ("a dead socket", |driver| driver.lost(io::ErrorKind::ConnectionReset.into())),
    ];
    for (how, leave) in leaves {
        let mut driver = named("ann");
        leave(&mut driver);
        assert!(driver.has_ended(), "{how}");
        assert_eq!(announced(&mut driver), [line("lobby", "* ann has left\n")], "{how}");
        assert!(!driver.has_joined(&lobby()), "{how}");
    }
}

#[test]
fn at_a_drain_everybody_is_told_once() {
    let mut driver = named("ann");
    driver.shutdown();
    assert_eq!(driver.sent_text(), "* the server stops\n");
    assert!(driver.has_ended());
    assert!(driver.published().is_empty(), "all leave, so nobody is told of one");

    let mut waiting = named("ann");
    waiting.inbox_room(0);
    waiting.input(b"one\n");
    waiting.shutdown();
    assert_eq!(waiting.sent_text(), "* the server stops\n");
    assert!(waiting.has_ended());
}

#[test]
fn who_never_came_in_does_not_leave() {
    let mut driver = member();
    driver.lost(io::ErrorKind::ConnectionReset.into());
    assert!(driver.has_ended());
    assert!(driver.published().is_empty());
}

#[test]
fn other_words_behind_a_slash_are_explained() {
    let mut driver = named("ann");
    driver.input(b"/nmae bob\n/\n");
    assert_eq!(driver.sent_text().matches("* /name NAME, /join ROOM, /who, /quit").count(), 2);
    assert!(driver.published().is_empty());
}
