//! The client as a program, so that `perf` can count in a server exactly while it runs.

use std::{io, net::SocketAddr};

use clap::{Parser, Subcommand};
use fsm_bench::{
    http::{Ask, Head, Page},
    load::Work,
    pin,
};

/// Sends lines to an echo server and checks what comes back.
#[derive(Parser)]
struct Options {
    /// Where the server listens
    address: SocketAddr,
    #[command(subcommand)]
    work: Load,
}

#[derive(Subcommand)]
enum Load {
    /// Lines on connections that stay open
    Lines { lines: u64, connections: usize, depth: usize, at_once: usize },
    /// One connection for each line
    Requests { count: u64 },
    /// Requests of HTTP on connections that stay open
    Http { head: Head, page: Page, count: u64, connections: usize, at_once: usize },
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    pin::client()?;
    let work = match options.work {
        Load::Lines { lines, connections, depth, at_once } => {
            Work::Lines { connections, depth, at_once, lines }
        }
        Load::Requests { count } => Work::Requests { count },
        Load::Http { head, page, count, connections, at_once } => {
            Work::Http { connections, at_once, ask: Ask { head, page }, count }
        }
    };
    work.run(options.address)
}
