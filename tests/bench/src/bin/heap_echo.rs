//! Our echo server with an allocator that counts, for the memory bench alone.

use fsm_bench::heap::{Counting, answer_on_stdin};

#[global_allocator]
static HEAP: Counting = Counting;

fn main() -> std::process::ExitCode {
    answer_on_stdin(|| {});
    servers::echo::main()
}
