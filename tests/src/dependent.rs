//! Crates that depend on the runtime, checked by cargo as their authors would check them.
//!
//! trybuild compiles programs only, and lets no code stay unused in silence; a library's warnings
//! and a crate without `std` need a package of their own. Each stands under `dependents/` as one
//! `lib.rs`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// What cargo said of a crate.
#[derive(Debug)]
pub struct Checked {
    /// It compiled, with or without warnings.
    pub compiles: bool,
    /// Errors and warnings about the crate itself, as the author sees them.
    pub messages: String,
}

/// Checks the crate `dependents/<name>/lib.rs` against the runtime with these of its features.
///
/// # Panics
/// Where the package cannot be written down or cargo cannot be run.
#[must_use]
pub fn check(name: &str, features: &[&str]) -> Checked {
    let package = write_package(name, features);
    let output = Command::new(env!("CARGO"))
        .args(["check", "--quiet", "--offline", "--color=never"])
        .env("CARGO_TARGET_DIR", folder().join("target"))
        .env("CARGO_TERM_QUIET", "true")
        .env_remove("RUSTFLAGS")
        .current_dir(&package)
        .output()
        .expect("cargo runs");
    let all = String::from_utf8(output.stderr).expect("cargo writes UTF-8");
    // What is said of other crates, or in summary, is not said of this one.
    let about_it = all.split_inclusive("\n\n").filter(|message| message.contains("--> lib.rs:"));
    let compiles = output.status.success();
    let messages = if compiles { about_it.collect() } else { all };
    Checked { compiles, messages }
}

/// Compares what cargo said with `dependents/<name>/messages.txt`, or writes it there if `BLESS` is
/// set.
///
/// # Panics
/// Where the two differ.
pub fn compare(name: &str, checked: &Checked) {
    let golden = source(name).join("messages.txt");
    if env::var_os("BLESS").is_some() {
        fs::write(&golden, &checked.messages).expect("the golden file is written");
    }
    let expected = fs::read_to_string(&golden).unwrap_or_default();
    assert_eq!(
        checked.messages,
        expected,
        "cargo says something else than {}; review it, then run again with BLESS=1",
        golden.display()
    );
}

/// Writes the package down outside of the workspace, with the versions the workspace is locked to.
fn write_package(name: &str, features: &[&str]) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let package = folder().join(name);
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
         [lib]\npath = \"lib.rs\"\n\n[workspace]\n\n[dependencies.fsm-runtime]\n\
         path = {runtime:?}\ndefault-features = false\nfeatures = {features:?}\n",
        runtime = root.join("fsm-runtime"),
    );
    fs::create_dir_all(&package).expect("the package's folder is made");
    fs::write(package.join("Cargo.toml"), manifest).expect("the manifest is written");
    let copies = [(source(name).join("lib.rs"), "lib.rs"), (root.join("Cargo.lock"), "Cargo.lock")];
    for (from, to) in copies {
        fs::copy(&from, package.join(to)).unwrap_or_else(|e| panic!("{}: {e}", from.display()));
    }
    package
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("dependents").join(name)
}

/// The folder of all packages written down, beside the tests that wrote them.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tests/dependents")
}
