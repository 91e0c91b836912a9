//! What the derive costs to compile: a plain machine of 100 states and 1,000 rows, beside an empty
//! crate with the same dependencies. Dependencies are built before anything is timed.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Output},
};

use fsm_bench::{
    options::Options,
    report::{Table, Verdicts, figure, median},
    server::{target_directory, workspace},
};

const STATES: usize = 100;
/// Times the states: the rows of the machine.
const EVENTS: usize = 10;
/// More than this over the empty crate would be felt at every save.
const LIMIT_SECONDS: f64 = 2.0;

/// A crate made for this bench.
struct Made {
    name: &'static str,
    directory: PathBuf,
}

fn main() -> io::Result<ExitCode> {
    let options = Options::from_command_line();
    let home = target_directory()?.join("fsm-bench").join("compile");
    let empty = make(&home, "empty", "//! Nothing: what a crate costs in any case.\n")?;
    let large = make(&home, "large", &source(STATES, EVENTS))?;
    let mut verdicts = Verdicts::default();
    let title = format!("Seconds to compile {STATES} states and {} rows", STATES * EVENTS);
    let mut table = Table::new(title, &["command", "empty", "large", "difference"]);
    for command in ["check", "build"] {
        let (empty, large) = compare(&empty, &large, command, &home, options.rounds())?;
        let more = empty.zip(large).map(|(empty, large)| large - empty);
        table.row(vec![command.into(), figure(empty, 2), figure(large, 2), figure(more, 2)]);
        verdicts.at_most(&format!("ours, seconds of `cargo {command}` more"), more, LIMIT_SECONDS);
    }
    table.print();
    Ok(verdicts.finish(options.check))
}

/// Times both in turn, after a first run of each that builds what they depend on.
fn compare(
    empty: &Made,
    large: &Made,
    command: &str,
    home: &Path,
    rounds: usize,
) -> io::Result<(Option<f64>, Option<f64>)> {
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..=rounds {
        for (made, times) in [empty, large].into_iter().zip(&mut times) {
            // A new line at the end makes cargo compile this crate again, and nothing else.
            let path = made.directory.join("src/lib.rs");
            fs::write(&path, fs::read_to_string(&path)? + "\n")?;
            let begun = fsm_bench::now();
            let run = cargo(made, command, home)?;
            let seconds = begun.elapsed().as_secs_f64();
            if !run.status.success() {
                return Err(io::Error::other(format!("{}: {}", made.name, first_error(&run))));
            }
            if round > 0 {
                times.push(seconds);
            }
        }
    }
    Ok((median(&times[0]), median(&times[1])))
}

fn cargo(made: &Made, command: &str, home: &Path) -> io::Result<Output> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    Command::new(cargo)
        .args([command, "--offline", "--quiet"])
        .current_dir(&made.directory)
        .env("CARGO_TARGET_DIR", home.join("target"))
        .output()
}

fn first_error(run: &Output) -> String {
    let text = String::from_utf8_lossy(&run.stderr);
    text.lines().find(|line| line.starts_with("error")).unwrap_or("nothing").to_owned()
}

/// Writes a crate that depends on the runtime as a user of plain machines does.
fn make(home: &Path, name: &'static str, source: &str) -> io::Result<Made> {
    let directory = home.join(name);
    fs::create_dir_all(directory.join("src"))?;
    let runtime = workspace().join("fsm-runtime");
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
         [dependencies]\nfsm-runtime = {{ path = {runtime:?}, default-features = false }}\n\n\
         [workspace]\n"
    );
    fs::write(directory.join("Cargo.toml"), manifest)?;
    // The versions that the workspace is locked to, so that nothing is fetched.
    fs::copy(workspace().join("Cargo.lock"), directory.join("Cargo.lock"))?;
    fs::write(directory.join("src/lib.rs"), source)?;
    Ok(Made { name, directory })
}

/// A machine in which every state has a row for every event: four in ten carry an action, two of
/// these stay.
fn source(states: usize, events: usize) -> String {
    let mut text = String::from(
        "//! A large plain machine, made by the compile-time bench.\n\n\
         use fsm_runtime::Machine;\n\npub enum Event {\n",
    );
    for event in 0..events {
        let _ = writeln!(text, "    E{event}(u32),");
    }
    text.push_str("}\n\npub struct Context {\n    pub sum: u64,\n}\n\nimpl Context {\n");
    text.push_str(
        "    fn add(&mut self, n: u32) {\n        self.sum += u64::from(n);\n    }\n}\n\n",
    );
    text.push_str("#[derive(Machine)]\n#[machine(plain, context = Context, input = Event)]\n");
    text.push_str("pub enum Large {\n");
    for state in 0..states {
        if state == 0 {
            text.push_str("    #[initial]\n");
        }
        for event in 0..events {
            let target = (state + event + 1) % states;
            let row = match event % 5 {
                0 => format!("E{event}(n) => add(n)"),
                1 => format!("E{event}(n) => add(n) -> S{target}"),
                _ => format!("E{event}(_) -> S{target}"),
            };
            let _ = writeln!(text, "    #[on({row})]");
        }
        let _ = writeln!(text, "    S{state},");
    }
    text.push_str("}\n");
    text
}
