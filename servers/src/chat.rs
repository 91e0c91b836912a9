//! A chat room for many clients on many workers, without a lock.
//!
//! There is no list of members and none of rooms. A room is a topic: the runtime brings what is
//! published to it to every member, on whatever worker each is. What members have to know of each
//! other they ask by messages, and the text of a line is made once and shared by all who hear it.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use fsm_runtime::{ByteLimit, Id, Input, Io, Lines, Machine, Server, Topic};

use crate::cli::{self, Common, parse_limit, parse_time};

/// One member of the chat: what it says reaches everybody else in its room.
///
/// A member that does not read what the others say slows nobody down: its lines wait for it alone,
/// and when there are 64 KiB of them, or none has gone for 30 s, it is dropped.
#[derive(Machine)]
#[machine(context = Member, input = Command<'_>, message = Said, stall = 30s, backlog = 64KiB)]
#[group(
    Present: Talking, Waiting;
    on(message(Line(from, text)) => hear(from, text)),
    on(message(Named(from, name, text)) => meet(from, name, text)),
    on(message(Taken(name)) => give_way(name)),
    on(message(WhoIsHere(asker)) => answer(asker)),
    on(message(Here(text)) => note(text)),
    on(shutdown => say_goodbye -> Left)
)]
pub enum Chat {
    /// Listening, and waiting for the next line.
    #[initial]
    #[on(connected => arrive)]
    #[on(Say(text) => say(text) -> Waiting "all are busy" | Stay)]
    #[on(Name(name) => rename(name))]
    #[on(Join(room) => change_room(room))]
    #[on(Who => ask_who_is_here)]
    #[on(Unknown => explain)]
    #[on(TooLong => complain -> Left)]
    #[on(Quit | eof(_) -> Left)]
    // Who only listens may stay for as long as something is said now and then. Where nothing is,
    // nobody would find out that the client is gone.
    #[after(idle() without progress -> Left)]
    #[after(partial() of partial -> Left)]
    Talking,

    /// A line could not be sent, because more lines wait for some worker than it has room for. It
    /// is tried again, and nothing else is read meanwhile: who floods the room is slowed down.
    #[after(50ms => say_again(line) -> Talking | Waiting)]
    Waiting {
        /// What is to be said, as the others will see it.
        line: Arc<str>,
    },

    /// The others are told, however it came to this: by `/quit`, a dead socket, or a panic.
    #[terminal]
    #[enter(leave_room)]
    Left,
}

/// What a client types: a command, or a line for the others.
pub enum Command<'a> {
    /// Anything that does not begin with a slash.
    Say(&'a [u8]),
    /// `/name NAME`
    Name(&'a [u8]),
    /// `/join ROOM`
    Join(&'a [u8]),
    /// `/who`
    Who,
    /// `/quit`
    Quit,
    /// Another word behind a slash.
    Unknown,
    /// A line over the limit.
    TooLong,
}

impl<'a> Input<'a> for Command<'a> {
    type Decoder = ByteLimit;

    fn decode(limit: &mut ByteLimit, bytes: &'a [u8], seen: usize) -> Option<(usize, Self)> {
        let (taken, input) = Lines::decode(limit, bytes, seen)?;
        let command = match input {
            Lines::Line(line) => Self::of(line.trim_ascii_end()),
            Lines::TooLong => Self::TooLong,
        };
        Some((taken, command))
    }
}

impl<'a> Command<'a> {
    fn of(line: &'a [u8]) -> Self {
        let Some(command) = line.strip_prefix(b"/") else { return Self::Say(line) };
        let end = command.iter().position(u8::is_ascii_whitespace).unwrap_or(command.len());
        let (word, rest) = command.split_at(end);
        match word {
            b"name" => Self::Name(rest.trim_ascii()),
            b"join" => Self::Join(rest.trim_ascii()),
            b"who" => Self::Who,
            b"quit" => Self::Quit,
            _ => Self::Unknown,
        }
    }
}

/// What members send each other. It is cloned for every member of a room, which copies a pointer.
#[derive(Clone)]
pub enum Said {
    /// A line for the room.
    Line(Id<Chat>, Arc<str>),
    /// A member goes by this name in the room from now on, and the line that says so.
    Named(Id<Chat>, Arc<str>, Arc<str>),
    /// To a member: the sender went by that name before.
    Taken(Arc<str>),
    /// Everybody in the room is asked to tell this member who they are.
    WhoIsHere(Id<Chat>),
    /// To the member that asked: the sender's line of the answer.
    Here(Arc<str>),
}

/// The most bytes of a name, of a member or of a room.
const NAME_LIMIT: usize = 20;

/// The room that everybody comes to first.
const LOBBY: &str = "lobby";

const HELP: &[u8] = b"* /name NAME, /join ROOM, /who, /quit; anything else is said to the room\n";

/// What the server knows of a client.
pub struct Member {
    limits: Arc<Limits>,
    /// It stands before every line. [`Member::meet`] sees to it that it is nobody else's for long.
    name: Arc<str>,
    /// None before the client has come in, and after it has left.
    room: Option<Topic>,
}

/// How long a client may do nothing.
#[derive(Debug, Clone, clap::Args)]
pub struct Limits {
    /// How long a client may stay while no byte moves, in either direction
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_time)]
    pub idle: Duration,
    /// How long half a line may wait for its end
    #[arg(long, value_name = "TIME", default_value = "1min", value_parser = parse_time)]
    pub partial: Duration,
}

#[expect(clippy::needless_pass_by_value, reason = "what a message brings is its receiver's")]
impl Member {
    /// A client that has yet to come in.
    #[must_use]
    pub fn new(limits: &Arc<Limits>) -> Self {
        Self { limits: Arc::clone(limits), name: "".into(), room: None }
    }

    /// The id is unique, so this name is too; nobody can take it, since `.` is in no name.
    fn arrive(&mut self, io: &mut Io<'_, Chat>) {
        self.name = format!("guest-{}", io.id()).into();
        io.out.send(HELP);
        self.enter_room(Topic::new(LOBBY), io);
    }

    fn say(&mut self, text: &[u8], io: &mut Io<'_, Chat>) -> ChatSay {
        if text.is_empty() {
            return ChatSay::Stay;
        }
        // What it prints on the terminals of others is text and nothing that controls them.
        let text = String::from_utf8_lossy(text).replace(char::is_control, " ");
        let line: Arc<str> = format!("{}: {text}\n", self.name).into();
        match self.publish(Said::Line(io.id(), Arc::clone(&line)), io) {
            Ok(()) => ChatSay::Stay,
            Err(Busy) => ChatSay::Waiting { line },
        }
    }

    fn say_again(&mut self, line: Arc<str>, io: &mut Io<'_, Chat>) -> ChatSayAgain {
        match self.publish(Said::Line(io.id(), Arc::clone(&line)), io) {
            Ok(()) => ChatSayAgain::Talking,
            Err(Busy) => ChatSayAgain::Waiting { line },
        }
    }

    /// Who speaks sees its own words already, so they are for the others.
    fn hear(&mut self, from: Id<Chat>, text: Arc<str>, io: &mut Io<'_, Chat>) {
        if from != io.id() {
            io.out.send(text.as_bytes());
        }
    }

    fn rename(&mut self, name: &[u8], io: &mut Io<'_, Chat>) {
        match as_name(name) {
            Some(name) => self.take_name(name.into(), io),
            None => refuse(io),
        }
    }

    fn take_name(&mut self, name: Arc<str>, io: &mut Io<'_, Chat>) {
        writeln!(io.out, "* you are {name}");
        let text = format!("* {} is now {name}\n", self.name);
        self.name = name;
        self.announce(&text, io);
    }

    /// Somebody in the room has a name that is new here. Nobody owns the names, so whoever has the
    /// same one says so; if two take it at the same moment, both hear of it and both give way.
    fn meet(&mut self, from: Id<Chat>, name: Arc<str>, text: Arc<str>, io: &mut Io<'_, Chat>) {
        if from == io.id() {
            return;
        }
        io.out.send(text.as_bytes());
        if name == self.name {
            // Where there is no room for it, the two share the name until one says it again.
            let _ = io.tell(from, Said::Taken(name));
        }
    }

    /// Somebody had the name before, unless this member has chosen another one since.
    fn give_way(&mut self, name: Arc<str>, io: &mut Io<'_, Chat>) {
        if name == self.name {
            writeln!(io.out, "* there is another {name}");
            self.take_name(format!("{name}-{}", io.id()).into(), io);
        }
    }

    fn change_room(&mut self, room: &[u8], io: &mut Io<'_, Chat>) {
        let Some(room) = as_name(room) else { return refuse(io) };
        self.leave_room(io);
        self.enter_room(Topic::new(room), io);
    }

    fn enter_room(&mut self, room: Topic, io: &mut Io<'_, Chat>) {
        writeln!(io.out, "* you are {} in {room}", self.name);
        io.join(&room);
        self.room = Some(room);
        self.announce(&format!("* {} is here\n", self.name), io);
    }

    /// Also the last that a member does. Where everybody leaves, nobody needs to be told.
    fn leave_room(&mut self, io: &mut Io<'_, Chat>) {
        if !io.draining() {
            let text = format!("* {} has left\n", self.name).into();
            let _ = self.publish(Said::Line(io.id(), text), io);
        }
        if let Some(room) = self.room.take() {
            io.leave(&room);
        }
    }

    fn ask_who_is_here(&mut self, io: &mut Io<'_, Chat>) {
        if self.publish(Said::WhoIsHere(io.id()), io).is_err() {
            io.out.send(b"* all are busy; ask again\n");
        }
    }

    fn answer(&mut self, asker: Id<Chat>, io: &mut Io<'_, Chat>) {
        // An asker whose worker has no room for all the answers sees some of them.
        let _ = io.tell(asker, Said::Here(format!("* here: {}\n", self.name).into()));
    }

    fn note(&mut self, text: Arc<str>, io: &mut Io<'_, Chat>) {
        io.out.send(text.as_bytes());
    }

    fn explain(&mut self, io: &mut Io<'_, Chat>) {
        io.out.send(HELP);
    }

    fn complain(&mut self, io: &mut Io<'_, Chat>) {
        io.out.send(b"* line too long\n");
    }

    fn say_goodbye(&mut self, io: &mut Io<'_, Chat>) {
        io.out.send(b"* the server stops\n");
    }

    /// Tells the others by what name they know this member from now on. A room that is too busy to
    /// take it does without: the name stands before every line.
    fn announce(&mut self, text: &str, io: &mut Io<'_, Chat>) {
        let _ = self.publish(Said::Named(io.id(), Arc::clone(&self.name), text.into()), io);
    }

    fn publish(&mut self, said: Said, io: &mut Io<'_, Chat>) -> Result<(), Busy> {
        let Some(room) = &self.room else { return Ok(()) };
        io.publish(room, said).map_err(|_| Busy)
    }

    fn idle(&self) -> Duration {
        self.limits.idle
    }

    fn partial(&self) -> Duration {
        self.limits.partial
    }
}

/// The inbox of some worker is full.
struct Busy;

fn refuse(io: &mut Io<'_, Chat>) {
    writeln!(io.out, "* a name is 1 to {NAME_LIMIT} letters, digits, - or _");
}

/// A name that is one.
fn as_name(bytes: &[u8]) -> Option<&str> {
    let is_fit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_name = (1..=NAME_LIMIT).contains(&bytes.len()) && bytes.iter().all(is_fit);
    std::str::from_utf8(bytes).ok().filter(|_| is_name)
}

/// A chat room: what a client says reaches everybody else in its room
#[derive(Debug, Clone, Parser)]
#[command(name = "chat", version, after_help = EXAMPLES)]
pub struct Options {
    #[command(flatten)]
    common: Common,
    /// The longest line in bytes, its newline not counted
    #[arg(long, value_name = "BYTES", default_value = "1KiB", value_parser = parse_limit)]
    max_line: ByteLimit,
    #[command(flatten)]
    limits: Limits,
}

const EXAMPLES: &str = "Examples:
  chat --listen 127.0.0.1:7009
  chat --listen 0.0.0.0:7009 --listen unix:/run/chat.sock --workers 4 --idle 10min
Then, in two terminals: nc 127.0.0.1 7009";

/// The program: serves until it is told to stop.
pub fn main() -> ExitCode {
    cli::main(
        |options: &Options| &options.common,
        |_| Ok(()),
        |server: Server<Chat>, options, ()| {
            let limits = Arc::new(options.limits);
            let member = |_: &_| Member::new(&limits);
            server.run_with(options.max_line, |_| (), member).map(drop)
        },
    )
}
