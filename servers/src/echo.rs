//! The line echo server (CS:APP 12.2): every line comes back as it was sent.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use fsm_runtime::{ByteLimit, Io, Lines, Machine, Server};

use crate::cli::{self, Common, parse_limit, parse_time};

/// One client of the echo server: every line comes back as it was sent.
#[derive(Machine)]
#[machine(context = Client, input = Lines<'_>, max_size = 16)]
pub enum Echo {
    /// Waiting for the next line.
    #[initial]
    #[on(Line(line) => echo(line))]
    #[on(TooLong => complain -> Closed)]
    #[on(eof(rest) => echo(rest) -> Closed)]
    #[on(shutdown -> Closed)]
    #[after(idle() without input -> Closed)]
    // Half a line, then silence: the malicious client of 12.2.2.
    #[after(partial() of partial -> Closed)]
    Reading,

    /// What is still unsent goes out, then the socket is closed.
    #[terminal]
    Closed,
}

/// What the server knows of a client: the limits, the same for all.
pub struct Client {
    limits: Arc<Options>,
}

impl Client {
    fn echo(&mut self, line: &[u8], io: &mut Io<'_, Echo>) {
        io.out.send(line);
    }

    fn complain(&mut self, io: &mut Io<'_, Echo>) {
        io.out.send(b"line too long\n");
    }

    fn idle(&self) -> Duration {
        self.limits.idle
    }

    fn partial(&self) -> Duration {
        self.limits.partial
    }
}

/// Sends every text line back to the client that sent it
#[derive(Debug, Clone, Parser)]
#[command(name = "echo", version, after_help = EXAMPLES)]
pub struct Options {
    #[command(flatten)]
    common: Common,
    /// The longest line in bytes, its newline not counted
    #[arg(long, value_name = "BYTES", default_value_t, value_parser = parse_limit)]
    max_line: ByteLimit,
    /// How long a client may send nothing
    #[arg(long, value_name = "TIME", default_value = "5min", value_parser = parse_time)]
    idle: Duration,
    /// How long half a line may wait for its end
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_time)]
    partial: Duration,
}

const EXAMPLES: &str = "Examples:
  echo --listen 127.0.0.1:7007
  echo --listen 0.0.0.0:7007 --listen [::]:7007 --listen unix:/run/echo.sock
  echo --listen 127.0.0.1:7007 --max-line 1024 --idle 30s --partial 2s
Then: printf 'hello\\n' | nc 127.0.0.1 7007";

/// The program: serves until it is told to stop.
pub fn main() -> ExitCode {
    cli::main(
        |options: &Options| &options.common,
        |_| Ok(()),
        |server: Server<Echo>, options, ()| {
            let limit = options.max_line;
            let limits = Arc::new(options);
            let client = |_: &_| Client { limits: Arc::clone(&limits) };
            server.run_with(limit, |_| (), client).map(drop)
        },
    )
}
