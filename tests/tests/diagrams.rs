//! The pictures of a table, kept in files that are reviewed: `golden/*.matrix.txt`,
//! `golden/*.diagram.txt` and `golden/*.mermaid`.
//!
//! Six machines are drawn: the four of the servers, an earlier sketch of the connection of a server
//! of cached files, which uses what those leave out of the language, and a bell. Actions here are
//! only as long as it takes for every declared edge to be taken by somebody.

use std::fmt::Display;
use std::path::Path;
use std::time::Duration;
use std::{env, fs, io};

use fsm_runtime::table::{Row, State, Table};
use fsm_runtime::{Input, Io, Machine};
use fsm_tests::http_echo::HttpEcho;
use servers::chat::Chat;
use servers::echo::Echo;
use servers::http::Http;
use servers::thank_you::ThankYou;

/// A server of cached files (Tanenbaum 2.2): what is not in the cache is asked of the disk.
#[derive(Machine)]
#[machine(context = Client, input = Heads, reply = Disk, stall = 45s, backlog = 64KiB)]
#[outcome(Respond: Idle | Working "miss" | Streaming "large" | Closed)]
#[group(
    Busy: Body, Absorbing, Working, Streaming;
    ignores(shutdown), on(reply(_) => failed -> Closed)
)]
#[on(lost(_) -> Gone)]
#[on(error(why) => refuse(why) -> Closed)]
enum CachedFile {
    #[initial]
    #[on(Head(length) => begin(length)? -> Respond | Body "upload")]
    #[on(TooLong | Malformed => refuse_head -> Closed)]
    #[on(eof | shutdown -> Closed)]
    #[after(keep_alive() without input -> Closed)]
    #[after(10s of partial => too_slow -> Closed)]
    #[shed(first)]
    Idle,

    #[decode(framing: Pieces<'_>)]
    #[on(Data(piece) => take(upload, piece)? -> Stay | Absorbing { upload, framing } "full")]
    #[on(End => end_of_body(upload)? -> Respond)]
    #[on(eof -> Closed)]
    #[after(20s without 4096 bytes => too_slow -> Closed)]
    Body { upload: Vec<u8>, framing: Framing },

    #[on(reply(Absorbed) -> Body { upload, framing })]
    #[after(disk() => too_slow -> Closed)]
    Absorbing { upload: Vec<u8>, framing: Framing },

    #[on(reply(Done { length }) => answer(length)? -> Respond)]
    #[after(disk() => busy -> Idle | Closed)]
    #[leave(count)]
    Working,

    #[on(drained => next_piece(left) -> Idle "sent" | Stay | Gone)]
    #[on(reply(_) -> Gone)]
    #[after(30s without progress -> Gone)]
    #[class(background)]
    Streaming { left: u64 },

    #[terminal]
    #[enter(count)]
    Closed,

    #[terminal(abort)]
    Gone,
}

/// What a connection waits for between two answers.
enum Heads {
    Head(u8),
    TooLong,
    Malformed,
}

impl Input<'_> for Heads {
    type Decoder = ();

    fn decode((): &mut (), bytes: &[u8], _seen: usize) -> Option<(usize, Self)> {
        let head = match *bytes.first()? {
            0 => Self::Malformed,
            u8::MAX => Self::TooLong,
            length => Self::Head(length),
        };
        Some((1, head))
    }
}

/// How many bytes of a body are still to come.
struct Framing(usize);

enum Pieces<'a> {
    Data(&'a [u8]),
    End,
}

impl<'a> Input<'a> for Pieces<'a> {
    type Decoder = Framing;

    fn decode(left: &mut Framing, bytes: &'a [u8], _seen: usize) -> Option<(usize, Self)> {
        let piece = &bytes[..left.0.min(bytes.len())];
        left.0 -= piece.len();
        let input = if left.0 == 0 { Self::End } else { Self::Data(piece) };
        Some((piece.len(), input))
    }
}

#[expect(dead_code, reason = "the machine is drawn and not run, so that nobody answers it")]
enum Disk {
    Absorbed,
    Done { length: u64 },
}

struct Client {
    answers: u32,
    refused: Vec<io::Error>,
}

impl Client {
    fn respond(&self, length: u64) -> CachedFileRespond {
        match length {
            0 => CachedFileRespond::Closed,
            1..100 => CachedFileRespond::Idle,
            100..1000 => CachedFileRespond::Working,
            left => CachedFileRespond::Streaming { left },
        }
    }

    fn begin(&mut self, length: u8, _io: &mut Io<'_, CachedFile>) -> io::Result<CachedFileBegin> {
        Ok(match usize::from(length) {
            1 => CachedFileBegin::Respond(self.respond(1)),
            left => CachedFileBegin::Body { upload: Vec::new(), framing: Framing(left) },
        })
    }

    fn take(
        &mut self,
        upload: &mut Vec<u8>,
        piece: &[u8],
        _io: &mut Io<'_, CachedFile>,
    ) -> io::Result<CachedFileTake> {
        upload.extend_from_slice(piece);
        Ok(if upload.len() > 4096 { CachedFileTake::Absorbing } else { CachedFileTake::Stay })
    }

    fn end_of_body(
        &mut self,
        upload: &mut Vec<u8>,
        _io: &mut Io<'_, CachedFile>,
    ) -> io::Result<CachedFileRespond> {
        let length = u64::try_from(std::mem::take(upload).len()).map_err(io::Error::other)?;
        Ok(self.respond(length))
    }

    fn answer(
        &mut self,
        length: u64,
        _io: &mut Io<'_, CachedFile>,
    ) -> io::Result<CachedFileRespond> {
        Ok(self.respond(length))
    }

    fn next_piece(&mut self, left: &mut u64, io: &mut Io<'_, CachedFile>) -> CachedFileNextPiece {
        *left = left.saturating_sub(4096);
        match *left {
            0 => CachedFileNextPiece::Idle,
            _ if io.draining() => CachedFileNextPiece::Gone,
            _ => CachedFileNextPiece::Stay,
        }
    }

    fn busy(&mut self, io: &mut Io<'_, CachedFile>) -> CachedFileBusy {
        if io.draining() { CachedFileBusy::Closed } else { CachedFileBusy::Idle }
    }

    fn refuse(&mut self, why: io::Error, io: &mut Io<'_, CachedFile>) {
        io.out.send(b"500\n");
        self.refused.push(why);
    }

    fn failed(&mut self, io: &mut Io<'_, CachedFile>) {
        io.out.send(b"500\n");
    }

    fn refuse_head(&mut self, io: &mut Io<'_, CachedFile>) {
        io.out.send(b"400\n");
    }

    fn too_slow(&mut self, io: &mut Io<'_, CachedFile>) {
        io.out.send(b"408\n");
    }

    fn count(&mut self, _io: &mut Io<'_, CachedFile>) {
        self.answers += 1;
    }

    fn keep_alive(&self) -> Duration {
        Duration::from_secs(if self.answers > 100 || !self.refused.is_empty() { 1 } else { 60 })
    }

    fn disk(&self) -> Duration {
        Duration::from_secs(5)
    }
}

#[expect(dead_code, reason = "the machine is drawn and not run, so that nobody sends it anything")]
enum Pull {
    Ring,
    Silence,
}

/// States with names that Mermaid has other uses for, one that waits for ever, and one that is
/// entered anew.
#[derive(Machine)]
#[machine(context = Ringer, message = Pull, stall = 2h, backlog = 5000)]
enum Bell {
    #[initial]
    #[on(message(Ring) => count -> Note)]
    #[on(message(_) => count)]
    #[on(shutdown -> End)]
    #[after(never = "a bell has all the time in the world")]
    Default,
    #[on(message(_) -> Note "again")]
    #[on(shutdown -> End)]
    #[after(1500ms -> Default)]
    Note,
    #[terminal]
    End,
}

struct Ringer;

impl Ringer {
    fn count(&mut self, io: &mut Io<'_, Bell>) {
        io.out.send(b"ding\n");
    }
}

#[test]
fn pictures_of_echo() {
    check_pictures("echo", Echo::TABLE);
}

#[test]
fn pictures_of_thank_you() {
    check_pictures("thank_you", ThankYou::TABLE);
}

#[test]
fn pictures_of_http() {
    check_pictures("http", Http::<HttpEcho>::TABLE);
}

#[test]
fn pictures_of_the_chat_room() {
    check_pictures("chat", Chat::TABLE);
}

#[test]
fn pictures_of_cached_files() {
    check_pictures("cached_file", CachedFile::TABLE);
}

#[test]
fn pictures_of_a_bell() {
    check_pictures("bell", Bell::TABLE);
}

#[test]
fn where_rails_would_be_a_maze_edges_say_where_they_lead() {
    let [reading, closed] = Echo::TABLE.states else { panic!("echo has two states") };
    let drawn_with = |count: usize| {
        let mut states = vec![*closed; count];
        states[0] = *reading;
        Table { states: states.leak(), ..*Echo::TABLE }.diagram().to_string()
    };
    let (rails, names) = (drawn_with(24), drawn_with(25));
    assert!(rails.contains("\n├── TooLong ─────────────────────╮\n"), "{rails}");
    assert!(names.contains("\n├── TooLong ─► Closed\n"), "{names}");
    assert!(names.contains("\n├── Line(line) ↻\n"), "{names}");
}

#[test]
fn nothing_in_a_label_ends_it() {
    let [reading, closed] = Echo::TABLE.states else { panic!("echo has two states") };
    let row = Row { pattern: "Line(a::B; #1 <b>)", ..reading.rows[1] };
    let state = State { rows: vec![row].leak(), deadlines: &[], ..*reading };
    let table = Table { states: vec![state, *closed].leak(), ..*Echo::TABLE };
    let label = "Reading --> Closed : Line(a#58;#58;B#59; #35;1 #60;b#62;)\n";
    assert!(table.mermaid().to_string().contains(label), "{}", table.mermaid());
}

fn check_pictures(machine: &str, table: &Table) {
    check_golden(&format!("{machine}.matrix.txt"), &table.matrix());
    check_golden(&format!("{machine}.diagram.txt"), &table.diagram());
    check_golden(&format!("{machine}.mermaid"), &table.mermaid());
}

fn check_golden(name: &str, picture: &dyn Display) {
    let picture = picture.to_string();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    if env::var_os("BLESS").is_some_and(|value| value == "1") {
        fs::write(&file, &picture).expect("the golden file is written");
    }
    let reviewed = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        picture == reviewed,
        "the picture is not the one in {}; review it, then run with BLESS=1:\n{picture}",
        file.display()
    );
}
