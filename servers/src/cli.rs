//! What the command lines of all servers have in common: where to listen, what to log, how to end.

use std::io::Write;
use std::num::NonZero;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use fsm_runtime::table::Class;
use fsm_runtime::{Address, Machine, Server, ServerError};
use humantime::parse_duration;
use tracing::level_filters::LevelFilter;

/// The exit status of a server that could not start or go on.
const FAILURE: u8 = 1;

/// The exit status for a command line that makes no sense.
const BAD_USAGE: i32 = 2;

/// As [`fsm_runtime::DEFAULT_SLOW_SLICE`].
const SLOW_SLICE: &str = "100ms";

/// Not a doc comment, where the brackets would be a link.
const LISTEN_HELP: &str =
    "Where to listen: IP:PORT, [IPv6]:PORT, NAME:PORT or unix:PATH; may be given several times";

/// The options every server has.
#[derive(Debug, Clone, clap::Args)]
pub struct Common {
    /// Where to listen.
    #[arg(long, value_name = "ADDR", required = true, help = LISTEN_HELP)]
    pub listen: Vec<Address>,
    /// Listen here as well, and serve who connects here before everybody else
    #[arg(long, value_name = "ADDR")]
    pub prefer: Vec<Address>,
    /// Listen here as well, and serve who connects here when there is time, but always a little
    #[arg(long, value_name = "ADDR")]
    pub background: Vec<Address>,
    /// How many threads serve, each with clients of its own [default: one for each core]
    #[arg(long, value_name = "N")]
    pub workers: Option<NonZero<usize>>,
    /// How long connections may take to end after SIGTERM or SIGINT; a second signal stops at once
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    pub drain: Duration,
    /// How long a client may keep the others waiting before a warning is logged
    #[arg(long, value_name = "TIME", default_value = SLOW_SLICE, value_parser = parse_duration)]
    pub slow_slice: Duration,
    /// What to log to standard error: off, error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "warn")]
    pub log: LevelFilter,
}

impl Common {
    /// The server, listening wherever it was asked to.
    fn bind<M: Machine>(&self) -> Result<Server<M>, ServerError> {
        Server::bind(&self.listen)?
            .bind_as(Class::Preferred, &self.prefer)?
            .bind_as(Class::Background, &self.background)
    }

    /// The server with what was asked for.
    fn apply<M: Machine>(&self, server: Server<M>) -> Server<M> {
        let server = server.drain_limit(self.drain).slow_slice(self.slow_slice);
        match self.workers {
            Some(workers) => server.workers(workers),
            None => server,
        }
    }
}

/// Parses the command line, then binds what it says and hands over; `serve` runs the server.
///
/// Prints `listening on ADDR` for each address once clients can connect.
pub fn main<M: Machine, O: Parser>(
    common: impl Fn(&O) -> &Common,
    serve: impl FnOnce(Server<M>, O) -> Result<(), ServerError>,
) -> ExitCode {
    let options = O::try_parse().unwrap_or_else(|error| refuse(&error));
    tracing_subscriber::fmt()
        .with_max_level(common(&options).log)
        .with_writer(std::io::stderr)
        .init();
    let bound = common(&options).bind();
    let served = bound.and_then(Server::catch_signals).and_then(|server| {
        announce(&server);
        serve(common(&options).apply(server), options)
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(FAILURE)
        }
    }
}

/// Prints the help that was asked for, or in one line what is wrong with the command line, and
/// ends.
fn refuse(error: &clap::Error) -> ! {
    if !error.use_stderr() {
        error.exit();
    }
    let text = error.to_string();
    let paragraphs = text.lines().take_while(|line| !line.starts_with("Usage:"));
    let told = paragraphs.take_while(|line| !line.starts_with("For more information"));
    let words: Vec<_> = told.flat_map(str::split_whitespace).collect();
    eprintln!("{} (`--help` shows examples)", words.join(" "));
    std::process::exit(BAD_USAGE)
}

/// Says where clients can connect. Nobody may be reading, which is no reason to stop.
fn announce<M: Machine>(server: &Server<M>) {
    let mut output = std::io::stdout().lock();
    for address in server.addresses() {
        let _ = writeln!(output, "listening on {address}");
    }
    let _ = output.flush();
}

#[cfg(test)]
mod tests {
    use super::{SLOW_SLICE, parse_duration};

    #[test]
    fn a_slice_is_slow_by_the_runtime_s_default() {
        assert_eq!(parse_duration(SLOW_SLICE), Ok(fsm_runtime::DEFAULT_SLOW_SLICE));
    }
}
