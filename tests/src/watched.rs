//! What makes a server fit to be a child of a test: it ends when its standard input does, so that
//! it outlives no test.

use std::io;

use crate::heap;

/// The exit status of a server whose test has ended before it.
const ABANDONED: i32 = 70;

/// Ends the process when its standard input ends.
pub fn end_with_standard_input() {
    std::thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(ABANDONED);
    });
}

/// As [`end_with_standard_input`], and answers every line of it with the bytes that are held from
/// the allocator, for which the program takes [`heap::Counting`].
pub fn answer_with_what_is_held() {
    heap::answer_on_stdin(|| std::process::exit(ABANDONED));
}
