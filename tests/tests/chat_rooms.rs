//! The chat room with real clients on several workers: everybody hears everything in order, who
//! does not read is dropped and slows nobody, and nobody who is gone stays in a room.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use fsm_runtime::{DEFAULT_DRAIN_LIMIT, Id, Io, Lines, Machine, Topic};
use fsm_tests::child::Served;
use fsm_tests::client::{Client, PATIENCE};
use fsm_tests::clock::Stopwatch;
use fsm_tests::inside::{Inside, serve_on};
use rustix::net::{AddressFamily, SocketType, sockopt};
use servers::chat::{Chat, Limits, Member};

const CHAT: &str = env!("CARGO_BIN_EXE_watched_chat");

const WORKERS: usize = 4;

/// A chat room within this process.
fn chat() -> Inside {
    let limits = Limits { idle: Duration::from_secs(3_600), partial: Duration::from_secs(60) };
    let limits = Arc::new(limits);
    serve_on::<Chat>(WORKERS, move |_| Member::new(&limits))
}

fn connect(address: &str) -> TcpStream {
    Client::connect(address).stream().try_clone().expect("a descriptor is left")
}

/// Somebody in the room.
struct Visitor {
    stream: BufReader<TcpStream>,
    name: String,
}

impl Visitor {
    /// Connects and waits until the server has let it in.
    fn come(address: &str) -> Self {
        Self::on(connect(address))
    }

    /// One whose socket takes little of what it does not read.
    fn come_with_small_buffers(address: &str) -> Self {
        let address: SocketAddr = address.parse().expect("IP:PORT");
        let socket: OwnedFd =
            rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
        sockopt::set_socket_recv_buffer_size(&socket, 4_096).expect("TCP has buffers");
        rustix::net::connect(&socket, &address).expect("the server listens");
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
        Self::on(stream)
    }

    /// One who has heard nothing yet.
    fn unwelcomed(stream: TcpStream) -> Self {
        Self { stream: BufReader::new(stream), name: String::new() }
    }

    fn on(stream: TcpStream) -> Self {
        let mut visitor = Self::unwelcomed(stream);
        visitor.be_welcomed();
        visitor
    }

    /// Waits until the server has let it in.
    fn be_welcomed(&mut self) {
        let welcome = self.hear_until("* you are guest-");
        self.name = welcome.split(' ').nth(3).expect("a name").to_owned();
    }

    /// The number of its worker, which its first name tells.
    fn worker(&self) -> usize {
        let id = self.name.strip_prefix("guest-").expect("its first name");
        id.split('.').next().and_then(|worker| worker.parse().ok()).expect("a number")
    }

    fn say(&self, line: &str) {
        self.try_say(line).expect("the server takes what it is sent");
    }

    fn try_say(&self, line: &str) -> std::io::Result<()> {
        std::io::Write::write_all(&mut self.stream.get_ref(), format!("{line}\n").as_bytes())
    }

    fn become_known_as(&mut self, name: &str) {
        self.say(&format!("/name {name}"));
        self.expect(&format!("* you are {name}"));
        self.name = name.to_owned();
    }

    /// The next line; none at the end.
    fn hear_or_end(&mut self) -> Option<String> {
        let mut line = String::new();
        let count = self.stream.read_line(&mut line).expect("a line or the end");
        (count > 0).then(|| line.trim_end_matches('\n').to_owned())
    }

    fn hear(&mut self) -> String {
        self.hear_or_end().expect("a line")
    }

    fn expect(&mut self, expected: &str) {
        assert_eq!(self.hear(), expected, "as {} hears it", self.name);
    }

    /// The next line that begins so.
    fn hear_until(&mut self, beginning: &str) -> String {
        loop {
            let line = self.hear();
            if line.starts_with(beginning) {
                return line;
            }
        }
    }

    /// Everybody in the room, as they answer. Somebody more than the `count` expected would answer
    /// the first question before others answer the second.
    fn who(&mut self, count: usize) -> BTreeSet<String> {
        self.say("/who\n/who");
        let mut names = BTreeMap::new();
        for _ in 0..2 * count {
            *names.entry(self.hear_until("* here: ")[8..].to_owned()).or_insert(0) += 1;
        }
        assert!(names.values().all(|answers| *answers == 2), "{names:?}");
        names.into_keys().collect()
    }
}

/// So many visitors, each of whom has heard that all others came.
fn visitors(server: &Inside, count: usize) -> Vec<Visitor> {
    let mut visitors: Vec<_> = (0..count).map(|_| Visitor::come(server.address())).collect();
    visitors.iter_mut().for_each(|visitor| drop(visitor.who(count)));
    visitors
}

fn workers_of(visitors: &[Visitor]) -> BTreeSet<usize> {
    visitors.iter().map(Visitor::worker).collect()
}

#[test]
fn a_thousand_members_hear_every_line_in_the_order_of_each_sender() {
    const MEMBERS: usize = 1_000;
    const SENDERS: usize = 20;
    const LINES: usize = 50;
    /// The threads that read for the members.
    const READERS: usize = 2;
    let server = chat();
    let come = |_| Visitor::unwelcomed(connect(server.address()));
    let mut members: Vec<_> = (0..MEMBERS).map(come).collect();
    members.iter_mut().for_each(Visitor::be_welcomed);
    for worker in 0..WORKERS {
        let count = members.iter().filter(|member| member.worker() == worker).count();
        assert!(count > MEMBERS / WORKERS / 2, "worker {worker} has {count} of {MEMBERS}");
    }
    let spread = MEMBERS / SENDERS;
    for (number, member) in members.iter_mut().step_by(spread).enumerate() {
        member.say(&format!("/name sender-{number}"));
        member.hear_until("* you are sender-");
        member.name = format!("sender-{number}");
    }
    for line in 0..LINES {
        for sender in members.iter().step_by(spread) {
            sender.say(&line.to_string());
        }
    }
    thread::scope(|scope| {
        for members in members.chunks_mut(MEMBERS / READERS) {
            scope.spawn(|| members.iter_mut().for_each(|member| hear_all(member, SENDERS, LINES)));
        }
    });
    assert_eq!(server.end().lost, 0);
}

/// Hears so many lines of each sender but itself, and nothing else but announcements.
fn hear_all(member: &mut Visitor, senders: usize, lines: usize) {
    let own = member.name.strip_prefix("sender-").and_then(|number| number.parse::<usize>().ok());
    let mut next = vec![0; senders];
    let mut left = (senders - usize::from(own.is_some())) * lines;
    while left > 0 {
        let heard = member.hear();
        if heard.starts_with("* ") {
            continue;
        }
        let said = heard.strip_prefix("sender-").and_then(|said| said.split_once(": "));
        let (sender, line) = said.unwrap_or_else(|| panic!("nobody said `{heard}`"));
        let sender: usize = sender.parse().expect("the number of a sender");
        assert_ne!(Some(sender), own, "nobody hears itself");
        assert_eq!(line, next[sender].to_string(), "{} hears sender {sender}", member.name);
        next[sender] += 1;
        left -= 1;
    }
}

#[test]
fn who_sits_on_another_worker_is_in_the_same_room() {
    let server = chat();
    let mut visitors = visitors(&server, 8);
    assert!(workers_of(&visitors).len() > 1, "they are spread");
    for speaker in 0..visitors.len() {
        visitors[speaker].say("hello");
        let expected = format!("{}: hello", visitors[speaker].name);
        for (_, visitor) in visitors.iter_mut().enumerate().filter(|(at, _)| *at != speaker) {
            visitor.expect(&expected);
        }
    }
    let everybody: BTreeSet<_> = visitors.iter().map(|visitor| visitor.name.clone()).collect();
    assert_eq!(visitors[0].who(8), everybody);
}

#[test]
fn rooms_and_names() {
    let server = chat();
    let [mut ann, mut bob, mut eve] = visitors(&server, 3).try_into().ok().expect("three");
    let (guest_ann, guest_bob) = (ann.name.clone(), bob.name.clone());
    ann.become_known_as("ann");
    bob.expect(&format!("* {guest_ann} is now ann"));
    eve.expect(&format!("* {guest_ann} is now ann"));

    bob.say("/name ann");
    bob.expect("* you are ann");
    bob.expect("* there is another ann");
    let second = format!("ann-{}", &guest_bob["guest-".len()..]);
    bob.expect(&format!("* you are {second}"));
    for other in [&mut ann, &mut eve] {
        other.expect(&format!("* {guest_bob} is now ann"));
        other.expect(&format!("* ann is now {second}"));
    }

    ann.say("/join kitchen");
    ann.expect("* you are ann in kitchen");
    bob.expect("* ann has left");
    bob.say("/join kitchen");
    bob.expect(&format!("* you are {second} in kitchen"));
    ann.expect(&format!("* {second} is here"));
    eve.expect("* ann has left");
    eve.expect(&format!("* {second} has left"));
    eve.say("is anybody here?");
    ann.say("hungry?");
    bob.expect("ann: hungry?");
    assert_eq!(eve.who(1), BTreeSet::from([eve.name.clone()]));
    assert_eq!(ann.who(2), BTreeSet::from(["ann".to_owned(), second]));
}

#[test]
fn who_does_not_read_is_dropped_and_everybody_else_hears_every_line() {
    const MEMBERS: usize = 40;
    /// More than the kernel's buffers and the backlog take together, in lines.
    const MOST: usize = 4_000;
    let server = chat();
    let mut members = visitors(&server, MEMBERS);
    let mut stalled = Visitor::come_with_small_buffers(server.address());
    for member in &mut members {
        member.expect(&format!("* {} is here", stalled.name));
    }
    let left = format!("* {} has left", stalled.name);
    let words = "x".repeat(8_000);
    let mut know = BTreeSet::new();
    for line in 0..MOST {
        members[0].say(&format!("{line} {words}"));
        let expected = format!("{}: {line} {words}", members[0].name);
        for (at, member) in members.iter_mut().enumerate().skip(1) {
            let mut heard = member.hear();
            if heard == left && know.insert(at) {
                heard = member.hear();
            }
            assert!(heard == expected, "line {line} instead of {heard:.40}");
        }
        if !know.is_empty() {
            break;
        }
    }
    for (_, member) in members.iter_mut().enumerate().filter(|(at, _)| !know.contains(at)) {
        member.expect(&left);
    }
    assert_eq!(members[1].who(MEMBERS).len(), MEMBERS);
    // Its connection is closed: what the kernel had taken comes, and then the end or a reset.
    let _ = stalled.stream.read_to_end(&mut Vec::new());
    let mut nothing = [0];
    assert!(!matches!(stalled.stream.read(&mut nothing), Ok(1..)));
    assert_eq!(server.end().lost, 1, "nobody else was dropped");
}

#[test]
fn whoever_is_gone_has_left_the_room() {
    let server = chat();
    let mut visitors = visitors(&server, 8);
    let (mut witness, mut quitters) = (visitors.remove(0), Vec::new());
    let mut names = visitors.iter().map(|visitor| visitor.name.clone()).collect::<Vec<_>>();
    for (number, visitor) in visitors.into_iter().enumerate() {
        match number % 3 {
            0 => drop(visitor),
            1 => {
                let stream = visitor.stream.into_inner();
                sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).expect("TCP can reset");
            }
            _ => {
                visitor.say("/quit");
                quitters.push(visitor);
            }
        }
        witness.expect(&format!("* {} has left", names.remove(0)));
    }
    assert_eq!(witness.who(1), BTreeSet::from([witness.name.clone()]));
}

#[test]
fn at_a_drain_all_are_told_and_the_server_ends_in_good_order() {
    let server = Served::start(CHAT, &["--listen", "127.0.0.1:0", "--workers", "2"]);
    let mut visitors: Vec<_> = (0..10).map(|_| Visitor::come(server.address())).collect();
    visitors.iter_mut().for_each(|visitor| drop(visitor.who(10)));
    assert_eq!(workers_of(&visitors).len(), 2);
    server.signal(rustix::process::Signal::TERM);
    for mut visitor in visitors {
        visitor.expect("* the server stops");
        assert_eq!(visitor.hear_or_end(), None, "nobody is told of each that leaves");
    }
    let ended = server.wait();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn the_session_of_the_readme_is_held() {
    let readme = include_str!("../../README.md");
    let (_, session) =
        readme.split_once("<!-- talk to chat -->\n```console\n").expect("it is there");
    let (session, _) = session.split_once("```").expect("it ends");
    let server = Served::start(CHAT, &["--listen", "127.0.0.1:0"]);
    let mut talker = Visitor::unwelcomed(connect(server.address()));
    let mut somebody = None;
    for line in session.lines().filter(|line| !line.starts_with('$')) {
        let Some(expected) = line.strip_prefix("* ") else {
            talker.say(line);
            continue;
        };
        if expected.ends_with(" is here") {
            somebody = Some(Visitor::come(server.address()));
        } else if expected.ends_with(" has left") {
            let mut leaving = somebody.take().expect("who came");
            leaving.expect("ann: hello");
            leaving.say("/quit");
        }
        assert_eq!(without_ids(&talker.hear()), without_ids(line));
    }
}

/// A line with the digits of ids, which depend on the worker, left out.
fn without_ids(line: &str) -> String {
    if line.contains("guest-") {
        line.replace(|c: char| c.is_ascii_digit(), "")
    } else {
        line.into()
    }
}

#[test]
fn the_longest_line_is_an_option() {
    let server = Served::start(CHAT, &["--listen", "127.0.0.1:0", "--max-line", "5"]);
    let mut visitor = Visitor::come(server.address());
    visitor.say("fives\nsixsix");
    visitor.expect("* line too long");
    assert_eq!(visitor.hear_or_end(), None);
}

/// A room whose members can be made to panic, or to say more than anybody can take at once.
#[derive(Machine)]
#[machine(context = Guest, input = Lines<'_>, message = Note, stall = 2s, backlog = 64MiB)]
enum Fragile {
    #[initial]
    #[on(connected => join)]
    #[on(Line(line) => obey(line))]
    #[on(message(Text(text)) => hear(text))]
    #[on(message(Asked(by)) => answer(by))]
    #[ignores(TooLong)]
    #[on(eof(_) -> Gone)]
    #[on(shutdown => consider -> Gone | Stay)]
    #[on(lost(_) => lament -> Gone)]
    #[after(5min without input -> Gone)]
    Here,
    #[terminal]
    #[enter(tell_the_others)]
    Gone,
}

#[derive(Clone)]
enum Note {
    Text(Arc<str>),
    Asked(Id<Fragile>),
}

#[derive(Default)]
struct Guest {
    panics_when_lost: bool,
    stays_to_the_last: bool,
}

/// More than the buffers of the kernel take for one who does not read.
const FLOOD: usize = 16 * 1024 * 1024;

#[expect(clippy::needless_pass_by_value, reason = "what a message brings is its receiver's")]
impl Guest {
    fn room() -> Topic {
        Topic::new("room")
    }

    fn say(text: &str, io: &mut Io<'_, Fragile>) {
        io.publish(&Self::room(), Note::Text(text.into())).expect("there is room");
    }

    fn join(&mut self, io: &mut Io<'_, Fragile>) {
        io.join(&Self::room());
        writeln!(io.out, "{}", io.id());
    }

    fn obey(&mut self, line: &[u8], io: &mut Io<'_, Fragile>) {
        match line.trim_ascii_end() {
            b"panic" => {
                Self::say("this is not heard", io);
                io.leave(&Self::room());
                panic!("as asked for");
            }
            b"panic when lost" => self.panics_when_lost = true,
            b"stay" => self.stays_to_the_last = true,
            b"flood" => Self::say(&"x".repeat(FLOOD), io),
            b"who" => io.publish(&Self::room(), Note::Asked(io.id())).expect("there is room"),
            line => Self::say(&String::from_utf8_lossy(line), io),
        }
    }

    fn consider(&mut self, _io: &mut Io<'_, Fragile>) -> FragileConsider {
        if self.stays_to_the_last { FragileConsider::Stay } else { FragileConsider::Gone }
    }

    fn lament(&mut self, io: &mut Io<'_, Fragile>) {
        Self::say("it was lost", io);
        assert!(!self.panics_when_lost, "as asked for");
    }

    fn hear(&mut self, text: Arc<str>, io: &mut Io<'_, Fragile>) {
        writeln!(io.out, "{text}");
    }

    fn answer(&mut self, by: Id<Fragile>, io: &mut Io<'_, Fragile>) {
        let here = format!("* here: {}", io.id());
        io.tell(by, Note::Text(here.into())).expect("there is room");
    }

    fn tell_the_others(&mut self, io: &mut Io<'_, Fragile>) {
        Self::say(&format!("{} is gone", io.id()), io);
    }
}

/// Guests of the fragile room; the name of each is its id.
fn guests(server: &Inside, count: usize) -> Vec<Visitor> {
    (0..count).map(|_| guest(server)).collect()
}

fn guest(server: &Inside) -> Visitor {
    let mut guest = Visitor::unwelcomed(connect(server.address()));
    guest.name = guest.hear();
    guest
}

/// Those who answer that they are here, of whom there should be `count`.
fn answers(guest: &mut Visitor, count: usize) -> BTreeSet<String> {
    guest.say("who\nwho");
    (0..2 * count).map(|_| guest.hear_until("* here: ")[8..].to_owned()).collect()
}

#[test]
fn who_panics_leaves_no_ghost_in_the_room() {
    let server = serve_on::<Fragile>(WORKERS, |_| Guest::default());
    let mut members = guests(&server, 12);
    let panicking = members.split_off(8);
    for (gone, mut ghost) in panicking.into_iter().enumerate() {
        ghost.say("panic");
        for member in &mut members {
            member.expect(&format!("{} is gone", ghost.name));
        }
        // Its connection is still there, since its client has not closed it.
        members[0].say("after");
        members.iter_mut().for_each(|member| member.expect("after"));
        let rest = std::iter::from_fn(|| ghost.hear_or_end());
        let rest: Vec<_> = rest.filter(|line| !line.ends_with(" is gone")).collect();
        assert!(rest.iter().all(|line| line == "after") && rest.len() == gone, "{rest:?}");
    }
    let everybody: BTreeSet<_> = members.iter().map(|member| member.name.clone()).collect();
    assert_eq!(answers(&mut members[0], 8), everybody);
    // Whoever gets the place of a ghost gets nothing that was the ghost's.
    let mut newcomers = guests(&server, 4);
    newcomers[0].say("hello");
    for member in members.iter_mut().chain(&mut newcomers) {
        member.expect("hello");
    }
    assert_eq!(server.end().panics, 4);
}

#[test]
fn what_is_said_before_a_panic_is_not_heard_though_the_socket_is_dead() {
    let server = serve_on::<Fragile>(WORKERS, |_| Guest::default());
    let mut members = guests(&server, 8);
    for _ in 0..4 {
        let ghost = members.pop().expect("some are left");
        ghost.say("panic when lost\nit will");
        members.iter_mut().for_each(|member| member.expect("it will"));
        let stream = ghost.stream.into_inner();
        sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).expect("TCP can reset");
        drop(stream);
        members.iter_mut().for_each(|member| member.expect(&format!("{} is gone", ghost.name)));
    }
    assert_eq!(server.end().panics, 4);
}

#[test]
fn those_who_are_left_during_a_drain_hear_each_other_and_a_second_stop_ends_them() {
    let server = serve_on::<Fragile>(WORKERS, |_| Guest::default());
    // On the last worker some stay, so that the first, which hears of stops, has nobody left.
    let last = format!("{}.", WORKERS - 1);
    let (mut left, leaving): (Vec<_>, Vec<_>) =
        guests(&server, 4 * WORKERS).into_iter().partition(|member| member.name.starts_with(&last));
    assert!(left.len() > 1 && !leaving.is_empty(), "they are spread");
    for member in &mut left {
        member.say("stay\nI stay");
        member.hear_until("I stay");
    }
    drop(leaving);
    server.stop().request();
    // The other workers have nobody left. One after the other they end.
    for _ in 0..30 {
        thread::sleep(Duration::from_millis(10));
        left[0].say("still here?");
        left.iter_mut().for_each(|member| drop(member.hear_until("still here?")));
    }
    let watch = Stopwatch::start();
    assert_eq!(server.end().panics, 0);
    assert!(watch.elapsed() < DEFAULT_DRAIN_LIMIT / 2, "nobody heard of the second stop");
}

#[test]
fn who_takes_nothing_for_too_long_is_dropped() {
    let server = serve_on::<Fragile>(WORKERS, |_| Guest::default());
    let mut members = guests(&server, 3);
    let stalled = guest(&server);
    members[0].say("flood\nbehind");
    thread::scope(|scope| {
        for member in &mut members {
            let left = format!("{} is gone", stalled.name);
            scope.spawn(move || {
                assert_eq!(member.hear().len(), FLOOD);
                member.expect("behind");
                member.expect("it was lost");
                member.expect(&left);
            });
        }
    });
    assert_eq!(answers(&mut members[0], 3).len(), 3);
    assert_eq!(server.end().lost, 1);
}
