//! The thank-you server as a program.

fn main() -> std::process::ExitCode {
    servers::thank_you::main()
}
