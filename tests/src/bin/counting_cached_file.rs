//! The server of cached files as a child of a test, with an allocator that counts: every line on
//! its standard input is answered with the bytes it holds, and it ends when that input does.

#[allow(unreachable_pub, reason = "it is written for the library of the benches")]
#[path = "../../bench/src/heap.rs"]
mod heap;

#[global_allocator]
static HEAP: heap::Counting = heap::Counting;

/// The exit status of a server whose test has ended before it.
const ABANDONED: i32 = 70;

fn main() -> std::process::ExitCode {
    heap::answer_on_stdin(|| std::process::exit(ABANDONED));
    servers::cached_file::main()
}
