//! The command line of the server of cached files.

use std::io;
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use clap::builder::{PathBufValueParser, TypedValueParser};
use fsm_runtime::DEFAULT_POOL;
use http::HeaderValue;
use humantime::{format_duration, parse_duration};

use crate::cli::{self, Common};
use crate::files::loader::CacheRule;
use crate::files::log::{self, Format, Log};
use crate::files::root::Root;
use crate::http::Limits;

/// Serves the files of a directory from memory, and never waits for a disk
#[derive(Debug, Clone, Parser)]
#[command(name = "cached-file", version, after_help = EXAMPLES)]
pub struct Options {
    /// The directory whose files are served [default: a page about this server]
    #[arg(value_name = "DIRECTORY", value_parser = PathBufValueParser::new().try_map(directory))]
    pub(super) root: Option<PathBuf>,
    #[command(flatten)]
    pub(super) common: Common,
    #[command(flatten)]
    pub(super) limits: Limits,
    /// How many bytes of files are kept in memory
    #[arg(long, value_name = "BYTES", default_value = "256MiB", value_parser = cli::parse_bytes)]
    pub(super) cache: u64,
    /// The largest file that is kept in memory, in bytes; larger ones are read as they are sent,
    /// and the connection ends if they change meanwhile
    #[arg(long, value_name = "BYTES", default_value = "1MiB", value_parser = cli::parse_bytes)]
    pub(super) max_object: u64,
    /// How often files are looked at again of whose changes nothing is heard. Where nothing can be
    /// looked at for three times as long, what is cached is sent on, marked as stale in
    /// Cache-Status
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_refresh)]
    pub(super) refresh: Duration,
    /// How many files are fetched from the disk at once; others wait for one of them
    #[arg(long, value_name = "N", default_value_t = HELPERS)]
    pub(super) helpers: NonZero<usize>,
    /// Lists directories that have no index.html, with ?format=json as JSON; of more than 10,000
    /// names it says that the list is cut, with a field List-Is-Cut to programs
    #[arg(long, requires = "root")]
    pub(super) list: bool,
    /// Serves files whose names begin with a dot; only `.well-known` is served without this
    #[arg(long, requires = "root")]
    pub(super) hidden: bool,
    /// The Cache-Control of files; with an END and a colon, of those whose path ends so; the first
    /// that fits counts
    #[arg(long, value_name = "[END:]VALUE", value_parser = parse_rule, requires = "root")]
    pub(super) cache_control: Vec<CacheRule>,
    /// Writes a line for each response to this file, or to standard output for `-`; SIGUSR1 has the
    /// file opened anew
    #[arg(long, value_name = "PATH")]
    access_log: Option<PathBuf>,
    /// How these lines are written
    #[arg(long, value_name = "FORMAT", default_value = "combined", requires = "access_log")]
    log_format: Format,
}

impl Options {
    pub(super) fn log(&self) -> io::Result<Option<Log>> {
        let Some(path) = &self.access_log else { return log::take_signal().map(|()| None) };
        Log::open(path, self.log_format).map(Some).map_err(|error| {
            let path = path.display();
            io::Error::new(error.kind(), format!("cannot log to `{path}`: {error}"))
        })
    }
}

/// As many as the runtime has where nobody says.
const HELPERS: NonZero<usize> = NonZero::new(DEFAULT_POOL.0).expect("the runtime has some");

const EXAMPLES: &str = "Examples:
  cached-file ./public --listen 127.0.0.1:8080
  cached-file ./public --listen 127.0.0.1:8080 --list --cache-control no-cache
  cached-file ./public --listen [::]:80 --cache 1GiB --cache-control .js:max-age=31536000";

/// More often a processor would do little else, and nobody could tell a disk that hangs.
const SOONEST_REFRESH: Duration = Duration::from_millis(10);

fn parse_refresh(text: &str) -> Result<Duration, String> {
    let time = parse_duration(text).ok().filter(|time| *time >= SOONEST_REFRESH);
    time.ok_or_else(|| format!("write a time of at least {}", format_duration(SOONEST_REFRESH)))
}

/// Looks whether it is one before anything else is done, so that who mistypes it is told which.
fn directory(path: PathBuf) -> io::Result<PathBuf> {
    Root::open(&path)?;
    Ok(path)
}

const RULE: &str = "`.css:max-age=60`, or `no-cache` for all";

/// As in [`RULE`].
fn parse_rule(text: &str) -> Result<CacheRule, String> {
    let (end, value) = text.split_once(':').unwrap_or(("", text));
    if value.is_empty() || end.is_empty() && text.starts_with(['.', '/', '*']) {
        return Err(format!("write what it is for and a colon before the value, as in {RULE}"));
    }
    let value = HeaderValue::from_str(value).map_err(|error| error.to_string())?;
    Ok(CacheRule { end: end.into(), value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_looks_again_without_a_pause() {
        let is_taken = |time| {
            let arguments = ["cached-file", "--listen", "127.0.0.1:0", "--refresh", time];
            Options::try_parse_from(arguments).is_ok()
        };
        assert!(is_taken("10ms") && is_taken("1h"));
        assert!(!is_taken("0s") && !is_taken("9ms") && !is_taken("often"));
    }
}
