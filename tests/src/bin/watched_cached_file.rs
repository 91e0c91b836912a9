//! The server of cached files as a child of a test: it is the server itself, and ends when its
//! standard input does.

fn main() -> std::process::ExitCode {
    fsm_tests::watched::end_with_standard_input();
    servers::cached_file::main()
}
