//! The flags that every bench has.

use clap::Parser;

/// Measures, and prints tables with the targets beside the figures.
#[derive(Parser)]
#[command(after_help = "Example: cargo bench -p fsm-bench --bench lines -- --short")]
pub struct Options {
    /// Fewer lines and rounds: about a tenth of the time, and noisier times
    #[arg(long)]
    pub short: bool,
    /// End with status 1 when a target is missed
    #[arg(long)]
    pub check: bool,
    /// Measure only what has this in its name
    pub only: Option<String>,
    /// Passed by `cargo bench`, without a meaning here
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// From the command line.
    #[must_use]
    pub fn from_command_line() -> Self {
        Self::parse()
    }

    /// Whether a measure of that name was asked for.
    #[must_use]
    pub fn wants(&self, name: &str) -> bool {
        self.only.as_deref().is_none_or(|only| name.contains(only))
    }

    /// The full amount, or a tenth of it.
    #[must_use]
    pub fn amount(&self, full: u64) -> u64 {
        if self.short { full / 10 } else { full }
    }

    /// How many rounds in turn.
    #[must_use]
    pub fn rounds(&self) -> usize {
        if self.short { 3 } else { 5 }
    }
}
