//! The echo server as a child of a test, with an allocator that counts: every line on its standard
//! input is answered with the bytes it holds, and it ends when that input does.

use fsm_tests::{heap::Counting, watched};

#[global_allocator]
static HEAP: Counting = Counting;

fn main() -> std::process::ExitCode {
    watched::answer_with_what_is_held();
    servers::echo::main()
}
