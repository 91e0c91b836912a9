//! The rules of the house, kept by a test: what a reviewer would otherwise have to look for in
//! every file.
//!
//! Each rule is a function from a file's text to complaints, and each complaint says what to do.
//! The rules read text as rustfmt leaves it, so that they need no parser. A second set of tests
//! gives every rule a file that breaks it: a rule that cannot fail keeps nothing.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The widest line, in characters.
const WIDEST: usize = 100;

/// The longest function, in lines from `fn` to its closing brace. This number may only go down.
const LONGEST: usize = 60;

/// Functions that are longer for a reason, each with its length; these numbers may only go down
/// too.
const LONGER: &[(&str, &str, usize)] = &[];

/// The files that may say `unsafe`; each of them owns an invariant the compiler cannot see.
const UNSAFE: &[&str] = &[
    // Sixteen bytes are compared at once, with instructions every such processor has.
    "fsm-runtime/src/line_feeds.rs",
    // A node of the inbox is owned by an address in an atomic word.
    "fsm-runtime/src/inbox.rs",
    // How a thread is scheduled is set by a call of the system that no library here has.
    "fsm-runtime/src/courtesy.rs",
    // The processor's counter is read by an instruction of its own.
    "fsm-runtime/src/real/stopwatch.rs",
    // A source is taken out of the poller before it is closed.
    "fsm-runtime/src/real/portable.rs",
    // An allocator that counts.
    "tests/bench/src/heap.rs",
    // Facts about `polling` are pinned by calling it, and it cannot know that sources outlive it.
    "tests/tests/polling_traps.rs",
];

/// Which crate may use which: only those named before it.
const CRATES: &[(&str, &str)] = &[
    ("fsm-macros", "fsm-macros"),
    ("fsm-runtime", "fsm-runtime"),
    ("servers", "servers"),
    ("fsm-tests", "tests"),
    ("fsm-bench", "tests/bench"),
];

/// The modules of each crate from the ground up: a file uses only files of layers above it in this
/// list. Modules on one line know each other, and the reason stands beside them.
const LAYERS: &[(&str, &[&[&str]])] = &[
    (
        "fsm-macros/src",
        &[
            &["diag"],
            &["model"],
            &["parse"],
            &["check"],
            &["expand"],
            &["fallback"],
            &["lib"],
            &["tests"],
        ],
    ),
    (
        "fsm-runtime/src",
        &[
            &["table"],
            &["diagram"],
            &["answer"],
            &["line_feeds"],
            &["decode"],
            &["key"],
            &["courtesy"],
            &["sync"],
            &["inbox"],
            &["pool"],
            &["time_of_day"],
            &["output"],
            // A machine is called with its `Io`, which lends the `Shared` of that machine and sends
            // to machines like it.
            &["machine", "io", "mesh", "operation"],
            &["peer"],
            &["accepted"],
            &["listener"],
            &["sys"],
            &["real"],
            &["allowance"],
            &["slab"],
            &["wheel"],
            &["door"],
            &["summary"],
            &["buffers"],
            &["operations"],
            &["topics"],
            &["connection"],
            &["schedule"],
            &["slice"],
            // Parts of the worker's loop that have files of their own.
            &["accept", "drain", "mail", "parting", "precedence", "worker"],
            &["server"],
            // What tests of machines and of the runtime itself stand on.
            &["testing"],
            &["lib"],
        ],
    ),
    (
        "servers/src",
        &[
            &["cli"],
            &["echo"],
            &["thank_you"],
            &["chat"],
            &["http"],
            &["files"],
            &["cached_file"],
            &["lib"],
            &["bin"],
        ],
    ),
];

/// Words that must not be left behind, and what to do about each.
const LEFTOVERS: &[(&str, &str)] = &[
    ("todo!", "write it, or file an issue and return an error"),
    ("unimplemented!", "write it, or file an issue and return an error"),
    ("dbg!", "take it out; use `tracing` for what should stay"),
    ("FIXME", "mend it, or file an issue"),
    ("TODO", "do it, or file an issue"),
    ("XXX", "say what is meant, or file an issue"),
    ("HACK", "say why it has to be so, or mend it"),
    ("#[ignore]", "make the test pass or take it out; a test nobody runs keeps nothing"),
    ("#[ignore =", "make the test pass or take it out; a test nobody runs keeps nothing"),
];

/// Folders that hold no source of ours.
const SKIPPED: &[&str] = &["target", "wip", ".git"];

/// Files written by a program: they are read in review, not by these rules.
const GENERATED: &[&str] = &["tests/golden/", "fsm-macros/golden/"];

#[test]
fn no_line_is_wider_than_the_house() {
    report(each_file(too_wide));
}

#[test]
fn no_function_is_longer_than_the_ratchet() {
    report(each_file(too_long));
}

#[test]
fn the_ratchet_has_no_slack() {
    let files = sources();
    let longest = files.iter().flat_map(|(path, text)| {
        functions(text).into_iter().filter(|f| !is_excepted(path, &f.name)).map(|f| f.lines)
    });
    report(slack(LONGEST, longest.max().unwrap_or(0)));
    report(LONGER.iter().filter_map(|&(path, name, lines)| stale(&files, path, name, lines)));
}

#[test]
fn every_file_opens_by_saying_what_it_is_for() {
    report(each_file(opens_silently));
}

#[test]
fn nothing_is_left_behind() {
    report(each_file(leftovers));
}

#[test]
fn unsafe_stays_in_the_files_that_own_it() {
    report(each_file(unlisted_unsafe));
}

#[test]
fn crates_use_only_those_below() {
    for (at, (_, folder)) in CRATES.iter().enumerate() {
        let manifest = format!("{folder}/Cargo.toml");
        report(upward_dependencies(&manifest, &read(&root().join(&manifest)), at));
    }
}

#[test]
fn files_use_only_files_below() {
    for (folder, layers) in LAYERS {
        for (path, text) in sources().iter().filter(|(path, _)| path.starts_with(folder)) {
            report(upward_uses(path, text, module_of(path, folder), layers));
        }
    }
}

#[test]
fn every_mistake_has_its_message() {
    for folder in ["tests/ui/fail", "tests/ui/rustc"] {
        report(unpaired(folder, &names_in(&root().join(folder))));
    }
}

fn too_wide(path: &str, text: &str) -> Vec<String> {
    let wide = text.lines().enumerate().filter(|(_, line)| line.chars().count() > WIDEST);
    wide.map(|(at, line)| {
        let width = line.chars().count();
        format!("{path}:{}: {width} characters; break the line at {WIDEST}", at + 1)
    })
    .collect()
}

fn too_long(path: &str, text: &str) -> Vec<String> {
    let long = functions(text).into_iter().filter(|f| f.lines > LONGEST);
    long.filter(|f| !is_excepted(path, &f.name))
        .map(|f| {
            format!(
                "{path}:{}: `{}` has {} lines of {LONGEST}; give a part of it a name of its own",
                f.at, f.name, f.lines
            )
        })
        .collect()
}

fn slack(number: usize, longest: usize) -> Vec<String> {
    let complaint = format!("the longest function has {longest} lines; lower `LONGEST` to that");
    if longest + 15 < number { vec![complaint] } else { vec![] }
}

fn stale(files: &[(String, String)], path: &str, name: &str, lines: usize) -> Option<String> {
    let text = files.iter().find(|(file, _)| file == path).map_or("", |(_, text)| text);
    let now = functions(text).into_iter().find(|f| f.name == name).map_or(0, |f| f.lines);
    (now != lines).then(|| {
        format!("`LONGER` says {lines} for `{name}` in {path}, which has {now} (0: it is gone)")
    })
}

fn opens_silently(path: &str, text: &str) -> Vec<String> {
    if text.starts_with("//!") {
        return vec![];
    }
    vec![format!("{path}:1: open the file with `//!`: what it is for and what it may not know")]
}

fn leftovers(path: &str, text: &str) -> Vec<String> {
    if path == file!() {
        return vec![];
    }
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        for (word, advice) in LEFTOVERS.iter().filter(|(word, _)| line.contains(word)) {
            found.push(format!("{path}:{}: `{word}` is left over; {advice}", at + 1));
        }
    }
    found
}

fn unlisted_unsafe(path: &str, text: &str) -> Vec<String> {
    if UNSAFE.contains(&path) || path == file!() {
        return vec![];
    }
    let lines = text.lines().enumerate();
    lines
        .filter(|(_, line)| words(code_of(line)).any(|word| word == "unsafe"))
        .map(|(at, _)| {
            format!(
                "{path}:{}: `unsafe` outside of the files in `UNSAFE`; call a function of theirs",
                at + 1
            )
        })
        .collect()
}

fn upward_dependencies(manifest: &str, text: &str, own: usize) -> Vec<String> {
    let mut section = "";
    let mut found = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        }
        let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
        let above = CRATES[own..].iter().any(|(other, _)| *other == name);
        if section.ends_with("dependencies") && above {
            found.push(format!(
                "{manifest}: `{name}` stands above this crate; move what is shared down"
            ));
        }
    }
    found
}

fn upward_uses(path: &str, text: &str, module: &str, layers: &[&[&str]]) -> Vec<String> {
    let layer_of = |name: &str| layers.iter().position(|layer| layer.contains(&name));
    let Some(own) = layer_of(module) else {
        return vec![format!("{path}: give `{module}` its place in `LAYERS`")];
    };
    let code: Vec<&str> = text.lines().map(code_of).collect();
    let code = code.join("\n");
    let mut found = Vec::new();
    for (at, used) in paths_after(&code, "crate::") {
        if layer_of(used).is_some_and(|other| other > own) {
            let line = code[..at].lines().count();
            found.push(format!(
                "{path}:{line}: `{module}` uses `{used}`, which stands above it; move it down"
            ));
        }
    }
    found
}

fn unpaired(folder: &str, names: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for name in names {
        let (other, advice) = match name.rsplit_once('.') {
            Some((stem, "rs")) => (format!("{stem}.stderr"), "write down what it must say"),
            Some((stem, "stderr")) => (format!("{stem}.rs"), "remove it, its case is gone"),
            _ => (String::new(), "move it, only cases and their messages live here"),
        };
        if !names.contains(&other) {
            found.push(format!("{folder}/{name} has no `{other}` beside it; {advice}"));
        }
    }
    found
}

/// A function as it stands in a file.
struct Function {
    name: String,
    at: usize,
    lines: usize,
}

/// The functions of a formatted file: one ends at the first brace that stands below its beginning.
fn functions(text: &str) -> Vec<Function> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let Some(name) = function_name(line) else { continue };
        let end = format!("{}}}", " ".repeat(indent));
        let signature = lines[at..].iter().position(|line| line.ends_with([';', '}', '{']));
        let signature = at + signature.unwrap_or(0);
        let length = if lines[signature].ends_with('{') {
            lines[at..].iter().position(|line| *line == end).unwrap_or(0) + 1
        } else {
            signature - at + 1
        };
        found.push(Function { name, at: at + 1, lines: length });
    }
    found
}

fn function_name(line: &str) -> Option<String> {
    let mut before = code_of(line).trim_start();
    for word in ["pub(crate) ", "pub(super) ", "pub ", "const ", "async ", "unsafe "] {
        before = before.strip_prefix(word).unwrap_or(before);
    }
    let name = before.strip_prefix("fn ")?;
    Some(words(name).next()?.to_owned())
}

fn is_excepted(path: &str, name: &str) -> bool {
    LONGER.iter().any(|&(file, function, _)| file == path && function == name)
}

/// A line without the comment at its end.
fn code_of(line: &str) -> &str {
    line.split_once("//").map_or(line, |(code, _)| code)
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// The first name behind each `prefix`, and where; of `crate::{a, b}` every name.
fn paths_after<'a>(code: &'a str, prefix: &str) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        let rest = &code[at + prefix.len()..];
        let list = rest.strip_prefix('{').map(|list| list.split('}').next().unwrap_or(list));
        match list {
            Some(list) => found.extend(words(list).map(|word| (at, word))),
            None => found.extend(words(rest).next().map(|word| (at, word))),
        }
    }
    found
}

fn module_of<'a>(path: &'a str, folder: &str) -> &'a str {
    let inside = path[folder.len() + 1..].trim_end_matches(".rs");
    inside.split('/').next().unwrap_or(inside)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests stand in the workspace").into()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Every source file of the workspace: its path from the root, and its text.
fn sources() -> Vec<(String, String)> {
    let mut folders = vec![root()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for name in names_in(&folder) {
            let path = folder.join(&name);
            if path.is_dir() && !SKIPPED.contains(&name.as_str()) {
                folders.push(path);
            } else if name.ends_with(".rs") {
                let inside =
                    path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
                found.push((inside, read(&path)));
            }
        }
    }
    found.retain(|(path, _)| !GENERATED.iter().any(|folder| path.starts_with(folder)));
    found.sort();
    assert!(found.len() > 10, "the rules found only {} files; mend `sources`", found.len());
    found
}

fn each_file(rule: fn(&str, &str) -> Vec<String>) -> Vec<String> {
    sources().iter().flat_map(|(path, text)| rule(path, text)).collect()
}

fn report(complaints: impl IntoIterator<Item = String>) {
    let mut all = String::new();
    for complaint in complaints {
        writeln!(all, "  {complaint}").unwrap();
    }
    assert!(all.is_empty(), "house rules are broken:\n{all}");
}

/// Every rule is shown a file that breaks it and one that keeps it.
mod each_rule_can_fail {
    use super::*;

    #[test]
    fn width() {
        assert_eq!(too_wide("a.rs", &"x".repeat(WIDEST)), Vec::<String>::new());
        let complaints = too_wide("a.rs", &format!("\n{}", "ä".repeat(WIDEST + 1)));
        assert_eq!(complaints, ["a.rs:2: 101 characters; break the line at 100"]);
    }

    fn function_of(lines: usize) -> String {
        format!(
            "impl A {{\n    pub fn long() {{\n{}    }}\n}}\n",
            "        f();\n".repeat(lines - 2)
        )
    }

    #[test]
    fn length() {
        assert_eq!(too_long("a.rs", &function_of(LONGEST)), Vec::<String>::new());
        assert_eq!(too_long("a.rs", &function_of(LONGEST + 1)).len(), 1);
        assert_eq!(functions("fn f(\n    a: u8,\n) -> u8;\nfn g() {}\n")[0].lines, 3);
        assert_eq!(functions("fn f(\n    a: u8,\n) -> u8;\nfn g() {}\n")[1].lines, 1);
    }

    #[test]
    fn ratchet() {
        assert_eq!(slack(60, 45), Vec::<String>::new());
        assert_eq!(slack(60, 40).len(), 1);
        let files = [("a.rs".to_owned(), function_of(70))];
        assert_eq!(stale(&files, "a.rs", "long", 70), None);
        assert!(stale(&files, "a.rs", "long", 71).is_some());
        assert!(stale(&files, "b.rs", "long", 70).is_some());
    }

    #[test]
    fn opening() {
        assert_eq!(opens_silently("a.rs", "//! What it is for.\n"), Vec::<String>::new());
        assert_eq!(opens_silently("a.rs", "use std::fs;\n").len(), 1);
    }

    #[test]
    fn leftover() {
        assert_eq!(leftovers("a.rs", "fn done() {}\n"), Vec::<String>::new());
        for (word, _) in LEFTOVERS {
            assert_eq!(leftovers("a.rs", &format!("    {word}\n")).len(), 1, "{word}");
        }
    }

    #[test]
    fn unsafety() {
        let kept = "#![deny(unsafe_code)]\n// unsafe is a word here\n";
        assert_eq!(unlisted_unsafe("a.rs", kept), Vec::<String>::new());
        assert_eq!(unlisted_unsafe("a.rs", "    unsafe { f() }\n").len(), 1);
    }

    #[test]
    fn crate_layers() {
        let manifest = "[dependencies]\nfsm-macros.workspace = true\nsyn = \"3\"\n";
        assert_eq!(upward_dependencies("Cargo.toml", manifest, 1), Vec::<String>::new());
        assert_eq!(upward_dependencies("Cargo.toml", manifest, 0).len(), 1);
        let development = "[dev-dependencies]\nservers = { path = \"..\" }\n";
        assert_eq!(upward_dependencies("Cargo.toml", development, 1).len(), 1);
    }

    #[test]
    fn file_layers() {
        let layers: &[&[&str]] = &[&["low"], &["twin", "other"], &["lib"]];
        let kept = "use crate::low::A;\nuse crate::other::B;\n// crate::lib is a word here\n";
        assert_eq!(upward_uses("twin.rs", kept, "twin", layers), Vec::<String>::new());
        assert_eq!(upward_uses("low.rs", "use crate::twin::A;", "low", layers).len(), 1);
        assert_eq!(
            upward_uses("low.rs", "use crate::{\n    low, twin,\n};", "low", layers).len(),
            1
        );
        assert_eq!(upward_uses("new.rs", "", "new", layers).len(), 1);
        assert_eq!(module_of("c/src/expand/rows.rs", "c/src"), "expand");
    }

    #[test]
    fn pairs() {
        let name = |name: &str| name.to_owned();
        assert_eq!(unpaired("ui", &[name("a.rs"), name("a.stderr")]), Vec::<String>::new());
        assert_eq!(unpaired("ui", &[name("a.rs"), name("b.stderr"), name("c.txt")]).len(), 3);
    }
}
