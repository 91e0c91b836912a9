//! The cached_file server as a program.

fn main() -> std::process::ExitCode {
    servers::cached_file::main()
}
