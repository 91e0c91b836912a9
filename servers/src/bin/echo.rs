//! The echo server as a program.

fn main() -> std::process::ExitCode {
    servers::echo::main()
}
