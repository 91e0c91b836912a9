//! The chat room as a child of a test: it is the server itself, and ends when its standard input
//! does.

use std::io;
use std::process::ExitCode;

/// The exit status of a server whose test has ended before it.
const ABANDONED: i32 = 70;

fn main() -> ExitCode {
    std::thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(ABANDONED);
    });
    servers::chat::main()
}
