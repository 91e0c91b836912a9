//! Decoders: the machine's own, one in a state, alphabets of the user, limits.

use fsm_runtime::testing::Driver;
use fsm_runtime::{ByteLimit, Chunks, Input, Io, LengthPrefixed, Lines, Machine};

/// Frames whose length stands in a line before them.
#[derive(Machine, Debug, PartialEq)]
#[machine(context = Mailbox, input = Lines<'_>)]
#[on(TooLong -> Closed)]
enum Mail {
    #[initial]
    #[on(Line(line) => head(line) -> Body | Stay)]
    #[on(eof | shutdown -> Closed)]
    #[after(1min without input -> Closed)]
    Head,

    #[decode(left: Counted<'_>)]
    #[on(Piece(bytes) => keep(bytes))]
    #[on(Last(bytes) => done(left, bytes) -> Head)]
    #[on(eof(rest) => short(left, rest) -> Closed)]
    #[ignores(shutdown)]
    #[after(10s without 100 bytes -> Closed)]
    Body { left: usize },

    #[terminal]
    Closed,
}

/// So many bytes, in as many pieces as they come.
enum Counted<'a> {
    Piece(&'a [u8]),
    Last(&'a [u8]),
}

impl<'a> Input<'a> for Counted<'a> {
    type Decoder = usize;

    fn decode(left: &mut usize, bytes: &'a [u8], _seen: usize) -> Option<(usize, Self)> {
        if bytes.is_empty() {
            return None;
        }
        if *left > bytes.len() {
            *left -= bytes.len();
            return Some((bytes.len(), Self::Piece(bytes)));
        }
        let last = std::mem::take(left);
        Some((last, Self::Last(&bytes[..last])))
    }
}

#[derive(Default)]
struct Mailbox {
    mail: Vec<u8>,
}

impl Mailbox {
    fn head(&mut self, line: &[u8], _io: &mut Io<'_, Mail>) -> MailHead {
        let number = std::str::from_utf8(line).ok().and_then(|line| line.trim().parse().ok());
        number.map_or(MailHead::Stay, |left| MailHead::Body { left })
    }

    fn keep(&mut self, bytes: &[u8], _io: &mut Io<'_, Mail>) {
        self.mail.extend(bytes);
    }

    fn done(&mut self, left: usize, bytes: &[u8], io: &mut Io<'_, Mail>) {
        assert_eq!(left, 0);
        self.mail.extend(bytes);
        io.out.send(&std::mem::take(&mut self.mail));
        io.out.send(b".");
    }

    fn short(&mut self, left: usize, rest: &[u8], io: &mut Io<'_, Mail>) {
        io.out.send(format!("{left} missing, {} left over", rest.len()).as_bytes());
    }
}

#[test]
fn what_a_state_waits_for_decides_how_bytes_are_read() {
    let mut driver = Driver::<Mail>::new(Mailbox::default());
    driver.input(b"5\n1\n2\n3x\n2\nab");
    assert_eq!((driver.state(), driver.sent()), ("Head", b"1\n2\n3.ab.".to_vec()));
}

#[test]
fn any_way_of_cutting_the_bytes_gives_the_same() {
    let bytes = b"3\nabc10\n0123456789no\n1\n!";
    for cut in 0..bytes.len() {
        let mut driver = Driver::<Mail>::new(Mailbox::default());
        driver.input(&bytes[..cut]);
        driver.input(&bytes[cut..]);
        assert_eq!(driver.sent(), b"abc.0123456789.!.", "cut at {cut}");
    }
}

#[test]
fn the_decoder_of_a_state_is_its_field() {
    let mut driver = Driver::<Mail>::new(Mailbox::default());
    driver.input(b"10\nabc");
    assert_eq!(driver.machine(), &Mail::Body { left: 7 });
    driver.end_of_input();
    assert_eq!((driver.state(), driver.sent()), ("Closed", b"7 missing, 0 left over".to_vec()));
}

#[test]
fn rows_of_the_enum_speak_of_the_machine_s_alphabet() {
    let limit = ByteLimit::new(4);
    let mut driver = Driver::<Mail>::with_decoder(Mailbox::default(), (), limit);
    driver.input(b"12345\n");
    assert_eq!(driver.state(), "Closed");
}

#[test]
fn the_table_names_the_decoder() {
    assert_eq!(Mail::TABLE.states[1].decode, Some(("left", "Counted<'_>")));
    assert_eq!(Mail::TABLE.states[0].decode, None);
    assert_eq!(Mail::TABLE.input, "Lines<'_>");
}

/// Whatever comes goes back.
#[derive(Machine)]
#[machine(context = Pipe, input = Chunks<'_>)]
enum Mirror {
    #[initial]
    #[on(Chunk(bytes) => send(bytes))]
    #[on(eof | shutdown -> Closed)]
    #[after(1min without progress -> Closed)]
    Open,
    #[terminal]
    Closed,
}

/// Frames go back turned around.
#[derive(Machine)]
#[machine(context = Pipe, input = LengthPrefixed<'_>)]
enum Turner {
    #[initial]
    #[on(Frame(bytes) => turn(bytes))]
    #[on(TooLong(length) => refuse(length) -> Closed)]
    #[on(eof | shutdown -> Closed)]
    #[after(10s of partial -> Closed)]
    #[after(1min without input -> Closed)]
    Open,
    #[terminal]
    Closed,
}

struct Pipe;

impl Pipe {
    fn send(&mut self, bytes: &[u8], io: &mut Io<'_, Mirror>) {
        io.out.send(bytes);
    }

    fn turn(&mut self, bytes: &[u8], io: &mut Io<'_, Turner>) {
        let turned: Vec<u8> = bytes.iter().rev().copied().collect();
        io.out.send(&turned);
    }

    fn refuse(&mut self, length: u32, io: &mut Io<'_, Turner>) {
        io.out.send(format!("{length} is too long").as_bytes());
    }
}

#[test]
fn chunks_come_as_they_are() {
    let mut driver = Driver::<Mirror>::new(Pipe);
    driver.input(b"a\0b");
    driver.input(b"c");
    assert_eq!(driver.sent(), b"a\0bc");
}

#[test]
fn frames_come_whole() {
    let mut driver = Driver::<Turner>::new(Pipe);
    driver.input(b"\0\0\0\x03abc\0\0\0\0\0\0");
    assert_eq!(driver.sent(), b"cba");
    driver.input(b"\x01\0");
    assert_eq!((driver.sent(), driver.state()), (b"".to_vec(), "Open"));
    driver.input(b"0123");
    driver.input(&[b'x'; 252]);
    assert_eq!(driver.state(), "Open");
    assert_eq!(driver.sent(), [&[b'x'; 252], &b"3210"[..]].concat());
    driver.input(b"\xff\xff\xff\xff");
    assert_eq!((driver.state(), driver.sent()), ("Closed", b"4294967295 is too long".to_vec()));
}
