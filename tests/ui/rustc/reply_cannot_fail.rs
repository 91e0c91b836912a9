//! A reply that cannot say that the job panicked.
use fsm_runtime::{Io, Lines, Machine};

struct Reader;

#[derive(Machine)]
#[machine(context = Reader, input = Lines<'_>, reply = String)]
enum Cat {
    #[initial]
    #[on(Line(path) => open(path) -> Reading | Stay)]
    #[on(TooLong | eof | shutdown -> Closed)]
    #[after(1min without input -> Closed)]
    Idle,

    #[on(reply(text) => show(text) -> Idle)]
    #[ignores(eof, shutdown)]
    #[after(5s -> Idle)]
    Reading,

    #[terminal]
    Closed,
}

impl Reader {
    fn open(&mut self, path: &[u8], io: &mut Io<'_, Cat>) -> CatOpen {
        let path = String::from_utf8_lossy(path).into_owned();
        match io.offload(move || std::fs::read_to_string(path).unwrap_or_default()) {
            Ok(()) => CatOpen::Reading,
            Err(_full) => CatOpen::Stay,
        }
    }

    fn show(&mut self, text: String, io: &mut Io<'_, Cat>) {
        io.out.send(text.as_bytes());
    }
}

fn main() {}
