//! A server that nobody can stop: it catches no signals, and nobody holds a `Stop`. It ends itself
//! after a while, and prints the milliseconds of processor time it took to do nothing.

use std::thread;
use std::time::Duration;

use fsm_runtime::{Chunks, Machine, Server};
use rustix::time::{ClockId, clock_gettime};

/// How long it does nothing.
const WHILE: Duration = Duration::from_millis(500);

/// Nobody ever connects.
#[derive(Machine)]
#[machine(context = (), input = Chunks<'_>)]
enum Nobody {
    #[initial]
    #[on(Chunk(_) | eof | shutdown -> Closed)]
    #[after(1s -> Closed)]
    Here,
    #[terminal]
    Closed,
}

fn main() {
    let server = Server::<Nobody>::bind(&["127.0.0.1:0".parse().expect("an address")]);
    let server = server.expect("a free port").without_signals().workers(2);
    thread::spawn(move || server.run(|_| ()));
    thread::sleep(WHILE);
    let used = clock_gettime(ClockId::ProcessCPUTime);
    println!("{}", used.tv_sec * 1_000 + used.tv_nsec / 1_000_000);
}
