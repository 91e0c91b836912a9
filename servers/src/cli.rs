//! What the command lines of all servers have in common: where to listen, whom to let in, what to
//! log, how to end.

use std::error::Error;
use std::io::{self, Write};
use std::num::NonZero;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use clap::Parser;
use fsm_runtime::table::Class;
use fsm_runtime::{Address, ByteLimit, KEEP_ALIVES, LimitError, Machine, Server, ServerError};
use humantime::{format_duration, parse_duration};
use tracing::level_filters::LevelFilter;

/// The exit status of a server that could not start or go on.
const FAILURE: u8 = 1;

/// The exit status for a command line that makes no sense.
const BAD_USAGE: i32 = 2;

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
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub workers: Option<NonZero<usize>>,
    /// How many clients may be connected at once; others wait until one leaves [default: as many as
    /// there are descriptors for; others wait for a moment and are turned away]
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub max_connections: Option<NonZero<usize>>,
    /// How many clients of one IP address (for IPv6: of one /64 network) may be connected at once;
    /// others are turned away [default: any number]
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub max_per_address: Option<NonZero<usize>>,
    /// How long a TCP client may be silent before the system asks whether it still lives; without
    /// an answer for as long again it is lost. `off` never asks
    #[arg(long, value_name = "TIME|off", default_value = "5min")]
    pub keep_alive: KeepAlive,
    /// How many clients the system keeps waiting at each address until they are accepted
    /// [default: 4096]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub backlog: Option<u16>,
    /// How long connections may take to end after SIGTERM or SIGINT; a second signal stops at once
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    pub drain: Duration,
    /// How long a client may keep the others waiting before a warning is logged
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = parse_duration)]
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
        let number = |chosen: Option<NonZero<usize>>| chosen.map_or(0, NonZero::get);
        let server = server
            .keep_alive(self.keep_alive.0)
            .workers(number(self.workers))
            .max_connections(number(self.max_connections))
            .max_per_address(number(self.max_per_address));
        match self.backlog {
            Some(connections) => server.backlog(connections),
            None => server,
        }
    }
}

/// A number of bytes, with a unit or without: `65536`, `64KiB`.
///
/// # Errors
/// What to write instead.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let size = ByteSize::from_str(text).map(|size| size.as_u64());
    size.map_err(|_| "write a number of bytes, such as 65536 or 64KiB".to_owned())
}

/// As [`parse_bytes`], for what the runtime holds of a client.
///
/// # Errors
/// What to write instead.
pub fn parse_limit(text: &str) -> Result<ByteLimit, String> {
    parse_bytes(text)?.to_string().parse().map_err(|error: LimitError| error.to_string())
}

/// A time that passes: a limit of no time would end what has not begun.
///
/// # Errors
/// What to write instead.
pub fn parse_time(text: &str) -> Result<Duration, &'static str> {
    let time = parse_duration(text).ok().filter(|time| !time.is_zero());
    time.ok_or("write a time above zero, such as 30s or 5min")
}

/// A limit of zero would be a server for nobody.
fn parse_count(text: &str) -> Result<NonZero<usize>, &'static str> {
    text.parse().map_err(|_| "write a number from 1 up")
}

/// The silence after which the system asks whether a client still lives; none where it never does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepAlive(pub Option<Duration>);

impl FromStr for KeepAlive {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let time = || parse_duration(text).ok().filter(|time| KEEP_ALIVES.contains(time));
        match text {
            "off" => Ok(Self(None)),
            _ => time().map(|time| Self(Some(time))).ok_or_else(|| {
                let (least, most) = (KEEP_ALIVES.start(), KEEP_ALIVES.end());
                let (least, most) = (format_duration(*least), format_duration(*most));
                format!("write a time from {least} to {most}, or `off`")
            }),
        }
    }
}

/// Parses the command line, binds what it says, has `prepare` open what else the server needs, and
/// hands over; `serve` runs the server.
///
/// Prints `listening on ADDR` for each address once clients can connect and nothing that was asked
/// for can be missing any more.
pub fn main<M: Machine, O: Parser, P>(
    common: impl Fn(&O) -> &Common,
    prepare: impl FnOnce(&O) -> io::Result<P>,
    serve: impl FnOnce(Server<M>, O, P) -> Result<(), ServerError>,
) -> ExitCode {
    let options = O::try_parse().unwrap_or_else(|error| refuse(&error));
    tracing_subscriber::fmt()
        .with_max_level(common(&options).log)
        .with_writer(io::stderr)
        // Plain text, whatever features other crates ask for: logs go to files and to journals.
        .with_ansi(false)
        .init();
    let run = || -> Result<(), Box<dyn Error>> {
        let server = common(&options).bind()?.catch_signals()?;
        // What is chosen for the listeners holds before anybody is told of them.
        let server = common(&options).apply(server);
        let prepared = prepare(&options)?;
        announce(&server);
        Ok(serve(server, options, prepared)?)
    };
    match run() {
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
    let mut output = io::stdout().lock();
    for address in server.addresses() {
        let _ = writeln!(output, "listening on {address}");
    }
    let _ = output.flush();
}

#[cfg(test)]
mod tests {
    use fsm_runtime::{DEFAULT_KEEP_ALIVE, DEFAULT_SLOW_SLICE};

    use super::{Common, KeepAlive};

    #[derive(clap::Parser)]
    struct Options {
        #[command(flatten)]
        common: Common,
    }

    #[test]
    fn the_command_line_has_the_defaults_of_the_runtime() {
        let options: Options = clap::Parser::parse_from(["server", "--listen", "127.0.0.1:0"]);
        assert_eq!(options.common.keep_alive, KeepAlive(Some(DEFAULT_KEEP_ALIVE)));
        assert_eq!(options.common.slow_slice, DEFAULT_SLOW_SLICE);
    }
}
