//! `tokio_lines` with an allocator that counts, for the memory bench alone.

use fsm_bench::heap::{Counting, answer_on_stdin};

#[path = "../../../peers/tokio_lines.rs"]
mod tokio_lines;

#[global_allocator]
static HEAP: Counting = Counting;

fn main() -> std::io::Result<()> {
    answer_on_stdin(|| {});
    tokio_lines::main()
}
