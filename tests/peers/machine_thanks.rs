//! The thank-you server as a state machine: the same service as the blocking peers', on one worker.
//! Its lines are counted beside theirs, so this one is written as anybody would write it, and no
//! longer; `servers` has the whole one.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use fsm_runtime::{Address, Chunks, Io, Machine, Server, ServerError};

/// One client: every line is thanked for, and half a line at the end is one.
#[derive(Machine)]
#[machine(context = Client, input = Chunks<'_>, stall = 30s)]
enum Thanks {
    #[initial]
    #[on(Chunk(bytes) => thank(bytes))]
    #[on(eof => thank_half -> Closed)]
    #[on(shutdown -> Closed)]
    #[after(idle() without input -> Closed)]
    Listening,
    #[terminal]
    Closed,
}

/// Thanks every client for every line
#[derive(Parser)]
#[command(after_help = "Example: machine_thanks --listen 127.0.0.1:7008 --reply Danke!")]
struct Options {
    /// Where to listen: IP:PORT
    #[arg(long)]
    listen: Address,
    /// What a line is thanked with; a newline follows
    #[arg(long, default_value = "Thank you!")]
    reply: String,
    /// How long a client may send nothing
    #[arg(long, default_value = "5min", value_parser = humantime::parse_duration)]
    idle: Duration,
}

struct Client {
    options: Arc<Options>,
    is_begun: bool,
}

impl Client {
    fn thank(&mut self, bytes: &[u8], io: &mut Io<'_, Thanks>) {
        for _ in bytes.iter().filter(|byte| **byte == b'\n') {
            writeln!(io.out, "{}", self.options.reply);
        }
        self.is_begun = !bytes.ends_with(b"\n");
    }

    fn thank_half(&mut self, io: &mut Io<'_, Thanks>) {
        if self.is_begun {
            writeln!(io.out, "{}", self.options.reply);
        }
    }

    fn idle(&self) -> Duration {
        self.options.idle
    }
}

fn serve(options: Options) -> Result<(), ServerError> {
    let server = Server::<Thanks>::bind(std::slice::from_ref(&options.listen))?.workers(1);
    server.addresses().for_each(|address| println!("listening on {address}"));
    let options = Arc::new(options);
    server.run(|_peer| Client { options: Arc::clone(&options), is_begun: false }).map(drop)
}

fn main() -> ExitCode {
    let Err(error) = serve(Options::parse()) else { return ExitCode::SUCCESS };
    eprintln!("machine_thanks: {error}");
    ExitCode::FAILURE
}
