//! The cache of files without its server, as a program of its own: its instructions can be counted
//! from outside, and an allocator counts what the caches hold.

use std::{io, path::PathBuf};

use clap::Parser;
use fsm_bench::{
    heap::{Counting, live},
    look_ups::{Layout, Mix, fill, look_up},
};

#[global_allocator]
static HEAP: Counting = Counting;

#[derive(Parser)]
enum Command {
    /// Looks up so many times
    Ask { mix: Mix, count: usize },
    /// Fills the caches of so many workers, and says how many fetches that took, the bytes by their
    /// weight and those of the heap
    Fill { layout: Layout, workers: usize, folder: PathBuf, draws: Option<usize> },
}

fn main() -> io::Result<()> {
    match Command::parse() {
        Command::Ask { mix, count } => look_up(mix, count),
        Command::Fill { layout, workers, folder, draws } => {
            let before = live();
            let filled = fill(&folder, layout, workers, draws)?;
            println!("{} {} {}", filled.fetches(), filled.weight(), live() - before);
        }
    }
    Ok(())
}
