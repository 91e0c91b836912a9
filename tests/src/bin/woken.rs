//! A server of one worker that is sent messages: ten while it sleeps, and a thousand while a long
//! action keeps it awake. Whoever traces it counts what it takes to wake the worker.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use fsm_runtime::{Chunks, Id, Io, Machine, Server};

/// The messages to a worker that sleeps.
const TO_A_SLEEPER: usize = 10;

/// The messages to a worker in a long action.
const TO_ONE_AWAKE: usize = 1_000;

/// The long action: long enough for all the messages, on a loaded machine too.
const NAP: Duration = Duration::from_millis(1_500);

/// Long enough for a worker to have nothing left to do.
const REST: Duration = Duration::from_millis(100);

/// Hears, and says that it has heard.
#[derive(Machine)]
#[machine(context = Ear, input = Chunks<'_>, message = Said)]
enum Hearer {
    #[initial]
    #[on(connected => greet)]
    #[on(message(said) => hear(said))]
    #[ignores(Chunk)]
    #[on(eof(_) -> Closed)]
    #[on(shutdown -> Closed)]
    #[after(never = "the test ends it")]
    Hearing,
    #[terminal]
    Closed,
}

enum Said {
    Word,
    Nap,
}

struct Ear(mpsc::Sender<Id<Hearer>>, mpsc::Sender<()>);

impl Ear {
    fn greet(&mut self, io: &mut Io<'_, Hearer>) {
        self.0.send(io.id()).expect("the program listens");
    }

    #[expect(clippy::needless_pass_by_value, reason = "a message is the machine's own")]
    fn hear(&mut self, said: Said, io: &mut Io<'_, Hearer>) {
        if matches!(said, Said::Nap) {
            self.1.send(()).expect("the program listens");
            thread::sleep(NAP);
        }
        io.out.send(b".\n");
    }
}

fn main() {
    let server = Server::<Hearer>::bind(&["127.0.0.1:0".parse().expect("an address")]);
    let server = server.expect("a free port").workers(1).without_signals();
    let (ids, known) = mpsc::channel();
    let (naps, napping) = mpsc::channel();
    let (handle, stop) = (server.handle(), server.stop());
    let address = server.addresses().next().expect("one was given").to_string();
    let serving = thread::spawn(move || server.run(|_| Ear(ids.clone(), naps.clone())));
    let stream = TcpStream::connect(address).expect("it listens");
    let id = known.recv().expect("it has connected");
    let tell = |said| handle.tell(id, said).expect("there is room");
    let mut heard = BufReader::new(stream).lines();
    for _ in 0..TO_A_SLEEPER {
        thread::sleep(REST);
        tell(Said::Word);
        heard.next().expect("it hears").expect("it is served");
    }
    thread::sleep(REST);
    tell(Said::Nap);
    napping.recv().expect("it naps");
    for _ in 0..TO_ONE_AWAKE {
        tell(Said::Word);
    }
    for _ in 0..=TO_ONE_AWAKE {
        heard.next().expect("it hears").expect("it is served");
    }
    stop.request();
    serving.join().expect("no panic").expect("it serves");
}
