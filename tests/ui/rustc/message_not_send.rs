//! A message that another thread cannot be given.
use std::rc::Rc;

use fsm_runtime::{Chunks, Io, Machine};

struct Ear;

#[derive(Machine)]
#[machine(context = Ear, input = Chunks<'_>, message = Rc<str>)]
enum Hearer {
    #[initial]
    #[on(message(text) => hear(text))]
    #[ignores(Chunk)]
    #[on(eof | shutdown -> Closed)]
    #[after(never = "it only hears")]
    Hearing,

    #[terminal]
    Closed,
}

impl Ear {
    fn hear(&mut self, text: Rc<str>, io: &mut Io<'_, Hearer>) {
        io.out.send(text.as_bytes());
    }
}

fn main() {}
