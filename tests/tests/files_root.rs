//! Files opened beneath a root, by the kernel and by the walk: both find the same, and neither is
//! led out, whatever the tree looks like and whoever renames what meanwhile.
//!
//! `FILES_RACE_OPENS` is how many opens the races make; by default 20,000 each.
#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use fsm_tests::scratch::Scratch;
use proptest::prelude::*;
use rustix::fs::{Advice, CWD, Mode, RenameFlags, fadvise, mkfifoat, renameat_with};
use rustix::io::Errno;
use servers::files::root::{Kind, OpenError, Opened, Root};
use servers::files::snapshot::{Snapshot, read_resident};

/// A root with something beside it that must not be seen.
struct Tree(Scratch);

impl Tree {
    fn new() -> Self {
        let tree = Self(Scratch::new());
        fs::create_dir(tree.root()).unwrap();
        fs::create_dir(tree.outside()).unwrap();
        fs::write(tree.outside().join("secret"), "outside").unwrap();
        tree
    }

    fn root(&self) -> PathBuf {
        self.0.path("root")
    }

    fn outside(&self) -> PathBuf {
        self.0.path("outside")
    }

    fn file(&self, path: &str, content: &str) -> &Self {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    fn link(&self, path: &str, target: impl AsRef<Path>) -> &Self {
        symlink(target, self.root().join(path)).unwrap();
        self
    }

    /// Both ways into the same directory.
    fn both(&self) -> [Root; 2] {
        let kernel = Root::open(self.root()).unwrap();
        let walk = Root::open_walking(self.root()).unwrap();
        assert!(!walk.uses_openat2());
        if !kernel.uses_openat2() {
            eprintln!("this kernel has no openat2: only the walk is tested");
        }
        [kernel, walk]
    }

    /// What both ways find, opening it and looking at it.
    fn found(&self, path: &str) -> Found {
        let [kernel, walk] = self.both().map(|root| {
            let opened = root.open_beneath(path.as_bytes());
            let meta = opened.as_ref().ok().map(|opened| *opened.meta());
            assert_eq!(root.look_beneath(path.as_bytes()).ok(), meta, "{path}");
            Found::of(opened)
        });
        assert_eq!(kernel, walk, "{path}");
        kernel
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    File(String),
    /// A directory, by its number.
    Directory(u64),
    Nothing,
    Exhausted,
    Failed(io::ErrorKind),
}

impl Found {
    fn of(opened: Result<Opened, OpenError>) -> Self {
        match opened {
            Ok(Opened::File(file, meta)) => {
                assert_eq!(meta.kind, Kind::File);
                Self::File(content(file))
            }
            Ok(Opened::Directory(_, meta)) => {
                assert_eq!(meta.kind, Kind::Directory);
                Self::Directory(meta.ino)
            }
            Err(OpenError::NotFound) => Self::Nothing,
            Err(OpenError::Exhausted) => Self::Exhausted,
            Err(OpenError::Io(error)) => Self::Failed(error.kind()),
        }
    }

    fn file(content: &str) -> Self {
        Self::File(content.to_owned())
    }

    fn directory(path: impl AsRef<Path>) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self::Directory(fs::metadata(path).unwrap().ino())
    }
}

fn content(mut file: File) -> String {
    let mut content = String::new();
    file.read_to_string(&mut content).unwrap();
    content
}

#[test]
fn files_and_directories_are_told_apart() {
    let tree = Tree::new();
    tree.file("a", "1").file("d/b", "2").file("d/e/c", "3");
    assert_eq!(tree.found("a"), Found::file("1"));
    assert_eq!(tree.found("d/b"), Found::file("2"));
    assert_eq!(tree.found("d/e/c"), Found::file("3"));
    assert_eq!(tree.found(""), Found::directory(tree.root()));
    assert_eq!(tree.found("d"), Found::directory(tree.root().join("d")));
    assert_eq!(tree.found("d/e/"), Found::directory(tree.root().join("d/e")));
    assert_eq!(tree.found("d/e/.."), Found::directory(tree.root().join("d")));
    for nothing in ["b", "d/x", "a/b", "a/", "a/.", "x/../a", "a\0", "/a", "..", "d/../../root/a"] {
        assert_eq!(tree.found(nothing), Found::Nothing, "{nothing}");
    }
    let outside = format!("{}/a", tree.root().display());
    assert_eq!(tree.found(&outside), Found::Nothing, "absolute");
    assert_eq!(tree.found(&"n".repeat(256)), Found::Nothing);
    assert_eq!(tree.found(&"n/".repeat(3000)), Found::Nothing);
}

#[test]
fn links_work_within_the_root() {
    let tree = Tree::new();
    tree.file("a", "1").file("d/b", "2").file("d/e/c", "3");
    tree.link("to_a", "a").link("to_d", "d/").link("d/up", "..").link("d/e/to_a", "../../a");
    tree.link("absolute", tree.root().join("d/b"));
    tree.link("absolute_d", tree.root().join("d"));
    tree.link("d/itself", tree.root());
    tree.link("winding", "d/./e/..//b").link("slashed", "a/");
    for (path, content) in [
        ("to_a", "1"),
        ("to_d/b", "2"),
        ("to_d/e/../b", "2"),
        ("d/up/a", "1"),
        ("d/up/d/up/d/b", "2"),
        ("d/e/to_a", "1"),
        ("to_d/e/to_a", "1"),
        ("absolute", "2"),
        ("absolute_d/e/c", "3"),
        ("absolute_d/../a", "1"),
        ("d/itself/d/itself/a", "1"),
        ("winding", "2"),
    ] {
        assert_eq!(tree.found(path), Found::file(content), "{path}");
    }
    assert_eq!(tree.found("to_d"), Found::directory(tree.root().join("d")));
    assert_eq!(tree.found("d/itself"), Found::directory(tree.root()));
    for nothing in ["to_a/", "slashed", "absolute/", "to_a/x", "d/up/x"] {
        assert_eq!(tree.found(nothing), Found::Nothing, "{nothing}");
    }
}

#[test]
fn links_that_lead_out_are_not_found() {
    let tree = Tree::new();
    tree.file("a", "1").file("d/b", "2");
    tree.link("out", tree.outside()).link("out_file", tree.outside().join("secret"));
    tree.link("relative", "../outside").link("d/relative", "../../outside/secret");
    // Out and in again is out: what lies between is none of a client's business.
    tree.link("there_and_back", "../root/a");
    tree.link("absolute_and_back", tree.outside().join("../root/a"));
    tree.link("absolute_above", tree.root().join("../outside/secret"));
    tree.link("everything", "/").link("passwd", "/etc/passwd");
    tree.link("neighbour", format!("{}er/secret", tree.root().display()));
    tree.link("magic", "/proc/self/root/etc/passwd").link("descriptor", "/proc/self/fd/0");
    // Not the rest of a name that begins as the root's.
    tree.file("er/secret", "inside");
    fs::create_dir(tree.0.path("rooter")).unwrap();
    fs::write(tree.0.path("rooter/secret"), "outside").unwrap();
    for path in [
        "out",
        "out/",
        "out/secret",
        "out_file",
        "relative",
        "relative/secret",
        "d/relative",
        "there_and_back",
        "absolute_and_back",
        "absolute_above",
        "everything",
        "everything/etc/passwd",
        "passwd",
        "neighbour",
        "magic",
        "descriptor",
        "d/../../outside/secret",
    ] {
        assert_eq!(tree.found(path), Found::Nothing, "{path}");
    }
}

/// The links of `/proc` that name no path but lead straight somewhere.
#[test]
fn magic_links_are_not_followed() {
    let tree = Tree::new();
    tree.file("a", "1");
    let open = File::open(tree.root().join("a")).unwrap();
    let descriptor = format!("fd/{}", std::os::fd::AsRawFd::as_raw_fd(&open));
    for root in [Root::open("/proc/self/"), Root::open_walking("/proc/self/")] {
        let root = root.unwrap();
        for path in ["root/etc/passwd", "cwd", "exe", &descriptor] {
            let found = Found::of(root.open_beneath(path.as_bytes()));
            assert_eq!(found, Found::Nothing, "{path}");
        }
        assert!(matches!(Found::of(root.open_beneath(b"limits")), Found::File(_)));
    }
}

#[test]
fn forty_links_are_followed_and_no_more() {
    let tree = Tree::new();
    tree.file("0", "end");
    for link in 1..=41 {
        tree.link(&link.to_string(), (link - 1).to_string());
    }
    tree.link("loop", "loop").link("ping", "pong").link("pong", "./ping");
    assert_eq!(tree.found("1"), Found::file("end"));
    assert_eq!(tree.found("40"), Found::file("end"));
    assert_eq!(tree.found("41"), Found::Nothing);
    assert_eq!(tree.found("loop"), Found::Nothing);
    assert_eq!(tree.found("ping"), Found::Nothing);
    tree.link("here", ".");
    assert_eq!(tree.found(&("here/".repeat(40) + "0")), Found::file("end"));
    assert_eq!(tree.found(&("here/".repeat(41) + "0")), Found::Nothing);
}

/// A server that opens a FIFO as if it were a file waits for a writer that never comes.
#[test]
fn what_is_no_file_is_not_found_at_once() {
    let tree = Tree::new();
    mkfifoat(CWD, tree.root().join("fifo"), Mode::RUSR).unwrap();
    let _listener = UnixListener::bind(tree.root().join("socket")).unwrap();
    tree.link("to_fifo", "fifo").link("null", "/dev/null");
    let done = AtomicBool::new(false);
    thread::scope(|threads| {
        threads.spawn(|| {
            for path in ["fifo", "fifo/", "fifo/x", "socket", "to_fifo", "null"] {
                assert_eq!(tree.found(path), Found::Nothing, "{path}");
            }
            done.store(true, Ordering::Release);
        });
        for _ in 0..1000 {
            if done.load(Ordering::Acquire) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        // A thread that waits in the kernel cannot be joined, only left behind.
        eprintln!("a FIFO, a socket or a device holds the one who opens it");
        std::process::abort();
    });
    let devices = [Root::open("/dev").unwrap(), Root::open_walking("/dev").unwrap()];
    for root in devices {
        for path in ["null", "zero", "tty", "full"] {
            assert_eq!(Found::of(root.open_beneath(path.as_bytes())), Found::Nothing, "{path}");
        }
    }
}

#[test]
fn a_root_is_a_directory_that_is_there() {
    let tree = Tree::new();
    tree.file("a", "1").link("to_root", ".");
    let error = Root::open(tree.root().join("a")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
    let error = Root::open(tree.root().join("x")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    // The name of a root may lead through links.
    tree.link("absolute", tree.root().join("a"));
    for root in [
        Root::open(tree.root().join("to_root")).unwrap(),
        Root::open_walking(tree.root().join("to_root")).unwrap(),
    ] {
        assert_eq!(Found::of(root.open_beneath(b"absolute")), Found::file("1"));
    }
}

/// Where there is nothing above the root, nothing leads out.
#[test]
fn the_root_of_everything_can_be_served() {
    let tree = Tree::new();
    tree.link("absolute", tree.outside().join("secret")).link("above", "../".repeat(40));
    for root in [Root::open("/").unwrap(), Root::open_walking("/").unwrap()] {
        let path = tree.root().canonicalize().unwrap().join("absolute");
        let path = path.to_str().unwrap().trim_start_matches('/').as_bytes();
        assert_eq!(Found::of(root.open_beneath(path)), Found::file("outside"));
        assert_eq!(Found::of(root.open_beneath(b"../etc/passwd")), Found::Nothing);
    }
}

#[test]
fn what_is_cached_is_opened_without_waiting() {
    let tree = Tree::new();
    tree.file("d/a", "1").link("out", tree.outside()).link("absolute", tree.root().join("d/a"));
    tree.file("empty", "");
    let [root, walking] = tree.both();
    assert!(walking.open_cached(b"d/a").is_none());
    // Nobody has ever asked for it, so that only the disk knows that it is not there.
    assert!(root.open_cached(b"never asked for").is_none());
    // A link that leads out or is absolute is for the walk.
    assert!(root.open_cached(b"out/secret").is_none());
    assert!(root.open_cached(b"absolute").is_none());
    Found::of(root.open_beneath(b"d/a"));
    let Some(opened) = root.open_cached(b"d/a") else {
        eprintln!("not tested: this kernel or file system cannot open without waiting");
        return;
    };
    assert_eq!(Found::of(opened), Found::file("1"));
    let cached = |path: &[u8]| root.open_cached(path).map(Found::of);
    assert_eq!(cached(b"d"), Some(Found::directory(tree.root().join("d"))));
    assert_eq!(cached(b""), Some(Found::directory(tree.root())));
    assert_eq!(cached(b"/d/a"), Some(Found::Nothing));
    mkfifoat(CWD, tree.root().join("fifo"), Mode::RUSR).unwrap();
    assert_eq!(cached(b"fifo"), Some(Found::Nothing));
}

/// Files of other file systems, even mounted below the root, may ask somebody else.
#[test]
fn only_files_of_this_machine_are_opened_without_waiting() {
    for (root, path) in [("/proc", ""), ("/proc", "version"), ("/", "proc"), ("/", "dev")] {
        let root = Root::open(root).unwrap();
        let found = Found::of(root.open_beneath(path.as_bytes()));
        assert!(matches!(found, Found::File(_) | Found::Directory(_)), "{path}: {found:?}");
        assert!(root.open_cached(path.as_bytes()).is_none(), "{path}");
    }
}

fn opened(root: &Root, path: &str) -> File {
    match root.open_beneath(path.as_bytes()) {
        Ok(Opened::File(file, _)) => file,
        other => panic!("{path}: {other:?}"),
    }
}

#[test]
fn what_is_in_memory_is_read_without_waiting() {
    const LENGTH: usize = 256 * 1024;
    let tree = Tree::new();
    tree.file("a", &"x".repeat(LENGTH)).file("b", &"x".repeat(LENGTH)).file("empty", "");
    let [root, _] = tree.both();
    let file = opened(&root, "a");
    let mut buffer = vec![0; LENGTH];
    let Some(read) = read_resident(&file, 0, &mut buffer).unwrap() else {
        eprintln!("not tested: this file system cannot read without waiting");
        return;
    };
    assert_eq!(&buffer[..read], "x".repeat(read).as_bytes());
    assert_eq!(read_resident(&file, 10, &mut buffer[..5]).unwrap(), Some(5));
    // The end is known from the length, and nothing is there to be read.
    assert_eq!(read_resident(&file, LENGTH as u64, &mut buffer).unwrap(), None);
    let whole = Snapshot::of_resident(&file, LENGTH as u64).unwrap().expect("all in memory");
    assert_eq!(whole.bytes, "x".repeat(LENGTH).as_bytes());
    assert_eq!(Snapshot::of_resident(&opened(&root, "empty"), 0).unwrap().unwrap().bytes, b"");

    // What is written to the disk can be forgotten. Having asked for it may be enough to have it
    // read ahead, so that each file is asked for once.
    let other = opened(&root, "b");
    for file in [&file, &other] {
        file.sync_all().unwrap();
        fadvise(file, 0, None, Advice::DontNeed).unwrap();
    }
    if read_resident(&file, 0, &mut buffer).unwrap().is_some() {
        eprintln!("not tested: this file system forgets nothing");
        return;
    }
    assert!(Snapshot::of_resident(&other, LENGTH as u64).unwrap().is_none());
    let whole = Snapshot::of(&file, LENGTH as u64).unwrap();
    assert_eq!(whole.bytes, "x".repeat(LENGTH).as_bytes());
    assert!(read_resident(&file, 0, &mut buffer).unwrap().is_some(), "it has been read by now");
}

#[test]
fn a_snapshot_is_whole_and_knows_whether_to_keep_it() {
    let tree = Tree::new();
    tree.file("a", "12345");
    let [root, _] = tree.both();
    let file = opened(&root, "a");
    assert_eq!(Snapshot::of(&file, 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    let before = Snapshot::of(&file, 5).unwrap();
    assert_eq!(before.bytes, b"12345");
    assert_eq!(before.meta.size, 5);
    thread::sleep(Duration::from_millis(100));
    assert!(Snapshot::of(&file, 5).unwrap().is_settled);
    fs::write(tree.root().join("a"), "67890").unwrap();
    let after = Snapshot::of(&file, 5).unwrap();
    assert_eq!(after.bytes, b"67890");
    assert!(!after.is_settled, "it was written just now");
    assert_ne!(after.meta, before.meta);

    // One that is replaced is another file, and the old one stays as it was.
    fs::write(tree.root().join("b"), "67890").unwrap();
    fs::rename(tree.root().join("b"), tree.root().join("a")).unwrap();
    assert_eq!(Snapshot::of(&file, 5).unwrap().bytes, b"67890");
    assert_ne!(Snapshot::of(&opened(&root, "a"), 5).unwrap().meta.ino, after.meta.ino);
}

/// Somebody cuts a file and writes it anew without end: its length and its bytes belong together
/// every time, or it is said to be busy.
#[test]
fn a_file_that_is_rewritten_is_never_read_in_part() {
    let tree = Tree::new();
    tree.file("a", "");
    let path = tree.root().join("a");
    let [root, _] = tree.both();
    let file = opened(&root, "a");
    let done = AtomicBool::new(false);
    let whole = thread::scope(|threads| {
        threads.spawn(|| {
            let mut length = 0;
            while !done.load(Ordering::Relaxed) {
                length = (length + 7919) % 100_000;
                fs::write(&path, vec![b'x'; length]).unwrap();
            }
        });
        let mut whole = 0;
        for _ in 0..2000 {
            match Snapshot::of(&file, 100_000) {
                Ok(snapshot) => {
                    assert_eq!(snapshot.bytes.len() as u64, snapshot.meta.size);
                    assert!(snapshot.bytes.iter().all(|byte| *byte == b'x'), "never written");
                    whole += 1;
                }
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::ResourceBusy),
            }
        }
        done.store(true, Ordering::Relaxed);
        whole
    });
    assert!(whole > 0);
}

/// What a tree is made of: each is put at a path if that is free.
#[derive(Debug, Clone)]
enum Part {
    File,
    Directory,
    Link(String),
    /// A link to an absolute path in the root.
    Absolute(String),
}

/// Paths of the tree and beyond it.
fn paths(most: usize) -> impl Strategy<Value = String> {
    const NAMES: &[&str] = &["a", "b", "c", "a", "b", "c", ".", "..", ""];
    prop::collection::vec(prop::sample::select(NAMES), 1..most).prop_map(|names| {
        // An absolute path would be a link to anywhere on this machine.
        names.join("/").trim_start_matches('/').to_owned()
    })
}

fn parts() -> impl Strategy<Value = Vec<(String, Part)>> {
    const NAMES: &[&str] = &["a", "b", "c"];
    let path = prop::collection::vec(prop::sample::select(NAMES), 1..4);
    let part = prop_oneof![
        Just(Part::File),
        Just(Part::Directory),
        paths(5).prop_map(Part::Link),
        paths(5).prop_map(Part::Link),
        paths(4).prop_map(Part::Absolute),
        Just(Part::Link("../outside".to_owned())),
    ];
    prop::collection::vec((path.prop_map(|names| names.join("/")), part), 1..16)
}

/// Puts together what is possible of a random tree.
fn plant(tree: &Tree, parts: &[(String, Part)]) {
    for (path, part) in parts {
        let at = tree.root().join(path);
        // Parents are directories that the tree has, so that nothing is planted through a link.
        let parent = at.parent().unwrap();
        if fs::create_dir_all(parent).is_err() || parent.canonicalize().unwrap() != parent {
            continue;
        }
        let _taken = match part {
            Part::File => File::create_new(&at).and_then(|_| fs::write(&at, path)),
            Part::Directory => fs::create_dir(&at),
            Part::Link(target) => symlink(target, &at),
            Part::Absolute(target) => symlink(tree.root().join(target), &at),
        };
    }
}

/// What the system finds without a root, and whether that lies in the root.
fn found_by_system(tree: &Tree, path: &str) -> Option<PathBuf> {
    let found = tree.root().join(path).canonicalize().ok()?;
    // `canonicalize` forgives a file its slash or dot, as the kernel does not.
    fs::metadata(tree.root().join(path)).ok()?;
    found.starts_with(tree.root()).then_some(found)
}

/// Tells whether some way through these could lead out of the root, if only for a moment.
fn may_lead_out(parts: &[(String, Part)], path: &str) -> bool {
    path.contains("..")
        || parts.iter().any(|(_, part)| match part {
            Part::Link(target) | Part::Absolute(target) => target.contains(".."),
            Part::File | Part::Directory => false,
        })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 150,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// The kernel, the walk, and what the system finds without any root.
    #[test]
    fn both_ways_find_the_same(
        parts in parts(),
        paths in prop::collection::vec(paths(7), 1..40),
    ) {
        let tree = Tree::new();
        plant(&tree, &parts);
        for path in &paths {
            let found = tree.found(path);
            let system = found_by_system(&tree, path);
            match &found {
                Found::File(content) => {
                    let system = system.expect("the system finds what is found");
                    prop_assert_eq!(content, &fs::read_to_string(system).unwrap());
                    prop_assert!(content != "outside");
                }
                Found::Directory(number) => {
                    let system = system.expect("the system finds what is found");
                    prop_assert_eq!(Found::Directory(*number), Found::directory(system));
                }
                Found::Nothing => {
                    prop_assert!(system.is_none() || may_lead_out(&parts, path), "{}", path);
                }
                other => prop_assert!(false, "{}: {:?}", path, other),
            }
        }
    }
}

/// What became of the opens of a race.
#[derive(Debug, Default)]
struct Outcome {
    inside: usize,
    outside: usize,
    refused: usize,
}

/// Two paths are exchanged without pause while files are opened through one of them.
fn race(tree: &Tree, exchanged: [PathBuf; 2], open: impl Fn(usize) -> Option<File>) -> Outcome {
    let opens = std::env::var("FILES_RACE_OPENS").map_or(20_000, |opens| opens.parse().unwrap());
    let done = AtomicBool::new(false);
    let [one, other] = exchanged;
    let mut outcome = Outcome::default();
    thread::scope(|threads| {
        threads.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE).unwrap();
            }
        });
        for number in 0..opens {
            match open(number).map(content).as_deref() {
                None => outcome.refused += 1,
                Some("inside") => outcome.inside += 1,
                Some("outside") => outcome.outside += 1,
                Some(other) => panic!("nobody wrote {other}"),
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    println!("{}: {opens} opens, {outcome:?}", tree.root().display());
    outcome
}

/// A directory in the root and a link that leads out of it, which change places.
fn with_link_out() -> (Tree, [PathBuf; 2]) {
    let tree = Tree::new();
    tree.file("dir/secret", "inside").file("dir/sub/x", "").link("other", tree.outside());
    tree.link("dir/up", "../dir").file("secret", "inside");
    fs::create_dir(tree.outside().join("sub")).unwrap();
    let exchanged = [tree.root().join("dir"), tree.root().join("other")];
    (tree, exchanged)
}

/// A directory in the root and one outside, which change places: `..` from the one that was gone
/// through leads out by the time it is asked.
fn with_directory_outside() -> (Tree, [PathBuf; 2]) {
    let tree = Tree::new();
    tree.file("deep/in/x/y", "").file("deep/secret", "inside").file("secret", "inside");
    tree.link("deep/in/x/up", "../..");
    fs::create_dir_all(tree.outside().join("in/x")).unwrap();
    fs::write(tree.outside().join("in/secret"), "outside").unwrap();
    let exchanged = [tree.root().join("deep/in"), tree.outside().join("in")];
    (tree, exchanged)
}

/// A path that takes so long to be resolved that something happens meanwhile.
fn there_and_back(times: usize, end: &str) -> String {
    format!("deep/in/{}../{end}", "x/../".repeat(times))
}

fn file_of(opened: Result<Opened, OpenError>) -> Option<File> {
    match opened {
        Ok(Opened::File(file, _)) => Some(file),
        Err(OpenError::NotFound) => None,
        // So many renames that no moment was found in which a path meant anything.
        Err(OpenError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => None,
        other => panic!("{other:?}"),
    }
}

fn cannot_be_led_out_by_links(way: usize) {
    const PATHS: &[&str] =
        &["dir/secret", "other/secret", "dir/sub/../secret", "dir/up/secret", "dir/../secret"];
    let (tree, exchanged) = with_link_out();
    let root = &tree.both()[way];
    let open = |number: usize| file_of(root.open_beneath(PATHS[number % PATHS.len()].as_bytes()));
    let outcome = race(&tree, exchanged, open);
    assert_eq!(outcome.outside, 0);
    assert!(outcome.inside > 0 && outcome.refused > 0, "there was no race: {outcome:?}");
}

/// The last name of a path is now a file and now a link that leads out.
fn cannot_be_led_out_by_files(way: usize) {
    let tree = Tree::new();
    tree.file("file", "inside").link("link", tree.outside().join("secret"));
    let root = &tree.both()[way];
    let exchanged = [tree.root().join("file"), tree.root().join("link")];
    let outcome = race(&tree, exchanged, |_| file_of(root.open_beneath(b"file")));
    assert_eq!(outcome.outside, 0);
    assert!(outcome.inside > 0 && outcome.refused > 0, "there was no race: {outcome:?}");
}

fn cannot_be_led_out_by_dots(way: usize, times: usize) {
    let (tree, exchanged) = with_directory_outside();
    let root = &tree.both()[way];
    let paths = [
        "deep/in/../secret".to_owned(),
        "deep/in/x/up/secret".to_owned(),
        "deep/in/../../secret".to_owned(),
        there_and_back(times, "secret"),
        there_and_back(times, "../secret"),
    ];
    let open = |number: usize| file_of(root.open_beneath(paths[number % paths.len()].as_bytes()));
    let outcome = race(&tree, exchanged, open);
    assert_eq!(outcome.outside, 0);
    assert!(outcome.inside > 0, "{outcome:?}");
}

#[test]
fn the_kernel_cannot_be_led_out_by_links() {
    cannot_be_led_out_by_links(0);
}

#[test]
fn the_walk_cannot_be_led_out_by_links() {
    cannot_be_led_out_by_links(1);
}

#[test]
fn the_kernel_cannot_be_led_out_by_files() {
    cannot_be_led_out_by_files(0);
}

#[test]
fn the_walk_cannot_be_led_out_by_files() {
    cannot_be_led_out_by_files(1);
}

#[test]
fn the_kernel_cannot_be_led_out_by_dots() {
    cannot_be_led_out_by_dots(0, 100);
}

#[test]
fn the_walk_cannot_be_led_out_by_dots() {
    // Two system calls for each segment take long enough.
    cannot_be_led_out_by_dots(1, 5);
}

/// The races are real: who looks first and opens then is led out, sooner or later.
#[test]
fn a_careless_server_is_led_out() {
    is_led_out(with_link_out(), |root| {
        let path = root.join("dir/secret");
        if path.canonicalize().ok()?.starts_with(root) { File::open(path).ok() } else { None }
    });
    is_led_out(with_directory_outside(), |root| {
        File::open(root.join(there_and_back(100, "secret"))).ok()
    });
}

fn is_led_out((tree, exchanged): (Tree, [PathBuf; 2]), open: fn(&Path) -> Option<File>) {
    // More rounds than it ever takes; on a machine that has other things to do it may be several.
    let is_out = |_| race(&tree, exchanged.clone(), |_| open(&tree.root())).outside > 0;
    assert!((0..50).any(is_out), "{exchanged:?}");
}

#[test]
fn errors_say_whether_to_try_again() {
    for error in [Errno::NOENT, Errno::NOTDIR, Errno::LOOP, Errno::XDEV, Errno::ACCESS] {
        assert!(matches!(OpenError::from(error), OpenError::NotFound), "{error}");
    }
    for error in [Errno::NAMETOOLONG, Errno::NXIO, Errno::NODEV, Errno::STALE, Errno::PERM] {
        assert!(matches!(OpenError::from(error), OpenError::NotFound), "{error}");
    }
    for error in [Errno::MFILE, Errno::NFILE, Errno::NOMEM] {
        assert!(matches!(OpenError::from(error), OpenError::Exhausted), "{error}");
    }
    for error in [Errno::IO, Errno::AGAIN, Errno::INVAL] {
        assert!(matches!(OpenError::from(error), OpenError::Io(_)), "{error}");
    }
}
