//! The server of the bench `classes`: it works on every chunk before it answers, so that a full
//! read takes about 50 microseconds. Where a client connects says its class.

use std::process::ExitCode;

use clap::Parser;
use fsm_runtime::{Chunks, Io, Machine, Server};
use servers::cli::{self, Common};

/// The most bytes of a chunk that are sent back: all of a polite client's line.
const ANSWER: usize = 64;

/// How often each byte is looked at: 16 KiB take about 50 microseconds.
const ROUNDS: usize = 2;

/// One client: its chunks are worked on, and their beginnings come back.
#[derive(Machine)]
#[machine(context = Client, input = Chunks<'_>)]
enum Busy {
    #[initial]
    #[on(Chunk(bytes) => work(bytes))]
    #[on(eof(_) | shutdown -> Closed)]
    #[after(5min without input -> Closed)]
    Working,
    #[terminal]
    Closed,
}

struct Client;

impl Client {
    fn work(&mut self, bytes: &[u8], io: &mut Io<'_, Busy>) {
        for round in 0..ROUNDS {
            std::hint::black_box(checksum(round as u64, bytes));
        }
        io.out.send(&bytes[..bytes.len().min(ANSWER)]);
    }
}

/// FNV-1a: a multiplication for each byte, which waits for the one before.
fn checksum(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Works on what clients send
#[derive(Debug, Clone, Parser)]
struct Options {
    #[command(flatten)]
    common: Common,
}

fn main() -> ExitCode {
    cli::main(
        |options: &Options| &options.common,
        |_| Ok(()),
        |server: Server<Busy>, _, ()| server.run(|_| Client).map(drop),
    )
}
