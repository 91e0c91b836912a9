//! The server of cached files with an allocator that counts, for the bench of it alone.

use fsm_bench::heap::{Counting, answer_on_stdin};

#[global_allocator]
static HEAP: Counting = Counting;

fn main() -> std::process::ExitCode {
    answer_on_stdin(|| {});
    servers::cached_file::main()
}
