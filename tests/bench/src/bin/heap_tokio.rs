//! `tokio_echo` with an allocator that counts, for the memory bench alone.

use fsm_bench::heap::{Counting, answer_on_stdin};

#[path = "../../../peers/tokio_echo.rs"]
mod tokio_echo;

#[global_allocator]
static HEAP: Counting = Counting;

fn main() -> std::io::Result<()> {
    answer_on_stdin(|| {});
    tokio_echo::main()
}
