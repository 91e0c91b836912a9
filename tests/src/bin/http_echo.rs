//! The HTTP machine with a handler that says back what it was told, as a child of a test: it ends
//! when its standard input does.

fn main() -> std::process::ExitCode {
    fsm_tests::watched::end_with_standard_input();
    fsm_tests::http_echo::main()
}
