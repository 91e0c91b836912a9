//! The chat room as a program.

fn main() -> std::process::ExitCode {
    servers::chat::main()
}
