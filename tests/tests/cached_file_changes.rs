//! Files that change while they are served: whatever is done to them, every response is framed
//! right, none has bytes of two versions, its tag is that of its bytes, and nobody who asks a tenth
//! of a second after a change gets what was before it.
//!
//! `FILES_REQUESTS=100000` makes a campaign of it, for a release build and a machine that has
//! nothing else to do; without it there are 5,000 requests, and what the machine oversleeps is
//! allowed for.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use fsm_tests::child::Served;
use fsm_tests::clock::{Stopwatch, eventually};
use fsm_tests::response::{Cut, Response, Visitor};
use fsm_tests::scratch::Scratch;
use fsm_tests::seeded::Seeded;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use servers::files::negotiation::Coding;
use servers::files::validators::EntityTag;

const CACHED_FILE: &str = env!("CARGO_BIN_EXE_watched_cached_file");

/// The requests of the clients, without those that look for what is new.
const REQUESTS: usize = 5000;

/// The clients, each with a connection of its own.
const CLIENTS: usize = 4;

/// What is promised: who asks so long after a change gets what is new.
const FRESH: Duration = Duration::from_millis(100);

/// How long something new may take to be seen at all before the test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// The largest file that is held; others are read as they are sent.
const MAX_OBJECT: usize = 4096;

/// The lines of the files that are held, and of those that are sent in several pieces.
const SMALL: usize = 40;
const LARGE: usize = 6000;

/// The bytes of a line.
const LINE: usize = 18;

/// What happens to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Way {
    /// Another takes its name.
    Rename,
    /// It is cut in place, and replaced.
    Truncate,
    /// It is written over in place.
    Rewrite,
    /// Lines are added.
    Append,
    /// It is deleted, and written anew.
    Recreate,
    /// The directory two above it changes places with another, and the file there is replaced.
    Exchange,
    /// The directory above it is a link, which leads elsewhere, and the file there is replaced.
    Switch,
}

const WAYS: [Way; 7] = [
    Way::Rename,
    Way::Truncate,
    Way::Rewrite,
    Way::Append,
    Way::Recreate,
    Way::Exchange,
    Way::Switch,
];

/// One file that changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Subject {
    way: Way,
    lines: usize,
}

impl Subject {
    fn all() -> Vec<Self> {
        WAYS.iter().flat_map(|&way| [SMALL, LARGE].map(|lines| Self { way, lines })).collect()
    }

    /// Its path below the root.
    fn path(self) -> String {
        let size = if self.lines == SMALL { "small" } else { "large" };
        match self.way {
            Way::Exchange => format!("exchange-{size}/deep/f.txt"),
            Way::Switch => format!("current-{size}/f.txt"),
            way => format!("{way:?}/{size}.txt"),
        }
    }

    /// Its bytes at no time are of two versions.
    fn is_whole(self) -> bool {
        matches!(self.way, Way::Rename | Way::Exchange | Way::Switch)
    }

    fn is_large(self) -> bool {
        self.lines == LARGE
    }
}

/// A file's content: every line has its version and its place.
fn content(version: usize, lines: usize) -> Vec<u8> {
    (0..lines).flat_map(|line| format!("{version:08} {line:08}\n").into_bytes()).collect()
}

/// The version that bytes are the beginning of, if they are of one and in order.
fn version_of(bytes: &[u8]) -> Option<usize> {
    let first = bytes.get(..8).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok())?;
    let is_prefix = content(first, bytes.len().div_ceil(LINE)).starts_with(bytes);
    is_prefix.then_some(first)
}

/// Files that only one thread changes.
struct Changer<'a> {
    root: &'a Path,
}

/// What a change makes of a file: what its path answers from then on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    /// Nothing is there.
    Gone,
    /// So many lines of a version.
    Content(usize, usize),
}

impl News {
    fn is_in(self, response: &Response) -> bool {
        match self {
            Self::Gone => response.status == 404,
            Self::Content(version, lines) => {
                response.status == 200 && response.body == content(version, lines)
            }
        }
    }
}

impl Changer<'_> {
    /// Writes what is there at first.
    fn prepare(&self, subject: Subject) {
        let path = self.root.join(subject.path());
        let size = if subject.is_large() { "large" } else { "small" };
        if subject.way == Way::Switch {
            self.release(subject, size, 0);
            symlink(format!("release-{size}-0"), self.root.join(format!("current-{size}")))
                .unwrap();
            return;
        }
        let folder = path.parent().expect("it is below the root");
        fs::create_dir_all(folder).unwrap();
        fs::write(&path, content(0, subject.lines)).unwrap();
        if subject.way == Way::Exchange {
            fs::create_dir_all(self.root.join(format!("other-{size}/deep"))).unwrap();
        }
    }

    fn release(&self, subject: Subject, size: &str, version: usize) {
        let folder = self.root.join(format!("release-{size}-{version}"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("f.txt"), content(version, subject.lines)).unwrap();
    }

    /// Makes the change of this number, from 1 up.
    fn change(&self, subject: Subject, number: usize) -> News {
        let path = self.root.join(subject.path());
        let whole = content(number, subject.lines);
        let news = News::Content(number, subject.lines);
        match subject.way {
            Way::Rename => self.replace(&path, &whole),
            Way::Truncate if number % 2 == 1 => self.replace(&path, &whole),
            Way::Truncate => {
                let left = subject.lines / 2;
                let file = OpenOptions::new().write(true).open(&path).unwrap();
                file.set_len((left * LINE) as u64).unwrap();
                return News::Content(number - 1, left);
            }
            Way::Rewrite => {
                let file = OpenOptions::new().write(true).open(&path).unwrap();
                file.write_all_at(&whole, 0).unwrap();
            }
            Way::Append => return self.append(subject, &path, number),
            Way::Recreate if number % 2 == 1 => {
                fs::remove_file(&path).unwrap();
                return News::Gone;
            }
            Way::Recreate => fs::write(&path, &whole).unwrap(),
            // Whoever listens to what was there before hears nothing of this.
            Way::Exchange | Way::Switch if number.is_multiple_of(2) => self.replace(&path, &whole),
            Way::Exchange => self.exchange(subject, &whole),
            Way::Switch => self.switch(subject, number),
        }
        news
    }

    fn replace(&self, path: &Path, content: &[u8]) {
        let fresh = self.root.join("fresh");
        fs::write(&fresh, content).unwrap();
        fs::rename(&fresh, path).unwrap();
    }

    /// Adds a line, and after some of them begins with another version.
    fn append(&self, subject: Subject, path: &Path, number: usize) -> News {
        const LINES: usize = 50;
        let (version, more) = (number / LINES * LINES, number % LINES);
        let all = content(version, subject.lines + more);
        if more == 0 {
            self.replace(path, &all);
        } else {
            let mut file = OpenOptions::new().append(true).open(path).unwrap();
            file.write_all(&all[all.len() - LINE..]).unwrap();
        }
        News::Content(version, subject.lines + more)
    }

    fn exchange(&self, subject: Subject, whole: &[u8]) {
        let size = if subject.is_large() { "large" } else { "small" };
        let folder = |name: &str| self.root.join(format!("{name}-{size}"));
        fs::write(folder("other").join("deep/f.txt"), whole).unwrap();
        let flags = RenameFlags::EXCHANGE;
        renameat_with(CWD, folder("other"), CWD, folder("exchange"), flags).unwrap();
    }

    fn switch(&self, subject: Subject, number: usize) {
        let size = if subject.is_large() { "large" } else { "small" };
        self.release(subject, size, number);
        let link = self.root.join(format!("next-{size}"));
        symlink(format!("release-{size}-{number}"), &link).unwrap();
        fs::rename(&link, self.root.join(format!("current-{size}"))).unwrap();
        // Every other change is one of the release that is there.
        if let Some(old) = number.checked_sub(4) {
            fs::remove_dir_all(self.root.join(format!("release-{size}-{old}"))).unwrap();
        }
    }
}

/// What the clients have seen.
#[derive(Default)]
struct Seen {
    whole: AtomicUsize,
    parts: AtomicUsize,
    not_modified: AtomicUsize,
    missing: AtomicUsize,
    resets: AtomicUsize,
    /// Bytes of two versions of a file that is written over in place, which nobody can prevent.
    torn: AtomicUsize,
    /// The content that a tag stands for.
    tags: Mutex<HashMap<(String, String), EntityTag>>,
    wrong: Mutex<Vec<String>>,
}

fn count(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Seen {
    fn complain(&self, subject: Subject, what: &str) {
        self.wrong.lock().unwrap().push(format!("{subject:?}: {what}"));
    }

    /// A whole file.
    fn judge(&self, subject: Subject, tag: &str, body: &[u8]) {
        count(&self.whole);
        let version = version_of(body);
        match subject.way {
            Way::Rewrite => {
                if version.is_none() {
                    count(&self.torn);
                }
                if body.len() != subject.lines * LINE {
                    self.complain(subject, &format!("{} bytes", body.len()));
                }
            }
            Way::Rename | Way::Exchange | Way::Switch => {
                if version.is_none() || body.len() != subject.lines * LINE {
                    self.complain(subject, &format!("{} mixed bytes", body.len()));
                }
            }
            Way::Truncate | Way::Append | Way::Recreate => {
                if version.is_none() && body.len() >= 8 {
                    self.complain(subject, &format!("{} mixed bytes", body.len()));
                }
            }
        }
        let own = EntityTag::of_content(Coding::Identity, body);
        if body.len() <= MAX_OBJECT {
            if own.as_bytes() != tag.as_bytes() {
                self.complain(subject, &format!("{tag} is not the tag of its bytes"));
            }
        } else if subject.way != Way::Rewrite {
            let key = (subject.path(), tag.to_owned());
            let known = *self.tags.lock().unwrap().entry(key).or_insert(own);
            if known != own {
                self.complain(subject, &format!("{tag} is the tag of two contents"));
            }
        }
    }
}

/// A client that remembers what it got.
struct Reader<'a> {
    address: &'a str,
    seen: &'a Seen,
    visitor: Visitor,
    had: HashMap<Subject, (String, Vec<u8>)>,
}

impl Reader<'_> {
    /// Asks for a file, for a part of what it has, or whether it still has it.
    fn ask(&mut self, subject: Subject, kind: usize) {
        let had = self.had.get(&subject);
        let fields = match (kind, had) {
            (0, Some((tag, _))) => format!("If-None-Match: {tag}\r\n"),
            (1, Some((tag, body))) if body.len() > 200 => {
                format!("Range: bytes=100-{}\r\nIf-Range: {tag}\r\n", body.len() - 1)
            }
            _ => String::new(),
        };
        let path = subject.path();
        match self.visitor.try_ask(&format!("GET /{path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")) {
            Ok(response) => self.take(subject, response),
            Err(Cut::Reset) if subject.is_large() && !subject.is_whole() => {
                count(&self.seen.resets);
                self.visitor = Visitor::of(self.address);
            }
            Err(cut) => {
                self.seen
                    .complain(subject, &format!("{cut:?}").chars().take(300).collect::<String>());
                self.visitor = Visitor::of(self.address);
            }
        }
    }

    fn take(&mut self, subject: Subject, response: Response) {
        let tag = response.field("etag").unwrap_or_default().to_owned();
        let had = self.had.get(&subject);
        let is_known = had.is_some_and(|(known, _)| *known == tag);
        match response.status {
            200 => {
                self.seen.judge(subject, &tag, &response.body);
                self.had.insert(subject, (tag, response.body));
            }
            206 => {
                count(&self.seen.parts);
                let is_part = had.is_some_and(|(_, body)| body[100..] == response.body);
                let is_torn = subject.way == Way::Rewrite && subject.is_large();
                if !is_known || !is_part && !is_torn {
                    self.seen.complain(subject, "a part of another version");
                }
            }
            304 => {
                count(&self.seen.not_modified);
                if !is_known {
                    self.seen.complain(subject, "304 for another version");
                }
            }
            404 if subject.way == Way::Recreate => count(&self.seen.missing),
            status => self.seen.complain(subject, &format!("status {status}")),
        }
    }
}

/// How long it took until what was new was seen.
#[derive(Debug, Default, Clone, Copy)]
struct Freshness {
    changes: usize,
    /// The longest time from a change to the first response with what is new.
    slowest: Duration,
    /// The longest time from a change to a request that was answered with what was before.
    stalest: Duration,
    /// How often that was longer than is promised.
    late: usize,
}

/// Asks until what is new is seen.
fn look_for(news: News, subject: Subject, address: &str, visitor: &mut Visitor) -> Freshness {
    let watch = Stopwatch::start();
    let mut stalest = Duration::ZERO;
    loop {
        let asked = watch.elapsed();
        match visitor.try_ask(&format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", subject.path())) {
            Ok(response) if news.is_in(&response) => {
                let late = usize::from(stalest >= FRESH);
                return Freshness { changes: 1, slowest: watch.elapsed(), stalest, late };
            }
            Ok(_) => stalest = asked,
            Err(Cut::Wrong(wrong)) => panic!("{subject:?}: {wrong}"),
            Err(_) => *visitor = Visitor::of(address),
        }
        assert!(asked < PATIENCE, "{subject:?} is not seen to be {news:?}");
    }
}

/// Changes all files in turn until nobody reads them any more.
fn change_all(root: &Path, address: &str, is_over: &AtomicBool) -> HashMap<Subject, Freshness> {
    let changer = Changer { root };
    let mut visitor = Visitor::of(address);
    let mut all: HashMap<Subject, Freshness> = HashMap::new();
    for number in 1.. {
        for subject in Subject::all() {
            if is_over.load(Ordering::Relaxed) {
                return all;
            }
            let news = changer.change(subject, number);
            let one = look_for(news, subject, address, &mut visitor);
            let sum = all.entry(subject).or_default();
            sum.changes += one.changes;
            sum.slowest = sum.slowest.max(one.slowest);
            sum.stalest = sum.stalest.max(one.stalest);
            sum.late += one.late;
        }
    }
    all
}

/// How long somebody who had nothing to wait for was kept waiting by the machine: a server on it
/// can hear of nothing sooner.
fn longest_pause(is_over: &AtomicBool) -> Duration {
    let mut longest = Duration::ZERO;
    while !is_over.load(Ordering::Relaxed) {
        let watch = Stopwatch::start();
        thread::sleep(Duration::from_millis(1));
        longest = longest.max(watch.elapsed());
    }
    longest
}

fn requests() -> usize {
    std::env::var("FILES_REQUESTS").ok().and_then(|number| number.parse().ok()).unwrap_or(REQUESTS)
}

fn read_all(address: &str, seen: &Seen, seed: u64) {
    let mut dice = Seeded::new(seed);
    let subjects = Subject::all();
    let visitor = Visitor::of(address);
    let mut reader = Reader { address, seen, visitor, had: HashMap::new() };
    for _ in 0..requests() / CLIENTS {
        let subject = subjects[dice.below(subjects.len())];
        reader.ask(subject, dice.below(4));
    }
}

fn serve(root: &Scratch, options: &[&str]) -> Served {
    let folder = root.folder().to_str().expect("a path of text");
    let max_object = MAX_OBJECT.to_string();
    // How fast the machine is does not matter here.
    let patient = ["--slow-slice", "10s"];
    let fixed = [folder, "--listen", "127.0.0.1:0", "--workers", "2", "--max-object", &max_object];
    let fixed = [&fixed[..], &patient].concat();
    Served::start(CACHED_FILE, &[&fixed[..], options].concat())
}

#[test]
fn what_changes_is_never_sent_wrong_and_soon_sent_new() {
    let root = Scratch::new();
    for subject in Subject::all() {
        Changer { root: root.folder() }.prepare(subject);
    }
    let server = serve(&root, &[]);
    let (seen, is_over) = (Seen::default(), AtomicBool::new(false));
    let (freshness, pause) = thread::scope(|scope| {
        let changes = scope.spawn(|| change_all(root.folder(), server.address(), &is_over));
        let pause = scope.spawn(|| longest_pause(&is_over));
        let readers: Vec<_> = (0..CLIENTS as u64)
            .map(|seed| {
                let (address, seen) = (server.address(), &seen);
                scope.spawn(move || read_all(address, seen, seed))
            })
            .collect();
        let all: Vec<_> = readers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        is_over.store(true, Ordering::Relaxed);
        all.into_iter().for_each(|read| read.expect("a reader goes on to its end"));
        (changes.join().expect("what is new is seen"), pause.join().expect("it only sleeps"))
    });
    println!("the machine's longest pause: {pause:?}");
    for subject in Subject::all() {
        let Freshness { changes, slowest, stalest, late } =
            freshness.get(&subject).copied().unwrap_or_default();
        print!("{subject:?}: {changes} changes, new after {slowest:?} at most, ");
        println!("old until {stalest:?} at most, {late} times too long");
    }
    let number = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    println!(
        "{} whole, {} parts, {} not modified, {} missing, {} resets, {} torn",
        number(&seen.whole),
        number(&seen.parts),
        number(&seen.not_modified),
        number(&seen.missing),
        number(&seen.resets),
        number(&seen.torn),
    );
    let wrong = seen.wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} wrong, such as {:#?}", wrong.len(), &wrong[..wrong.len().min(5)]);
    // A campaign is for a machine that has nothing else to do, in a release build.
    let room = if requests() > REQUESTS { Duration::ZERO } else { pause };
    for (subject, Freshness { stalest, .. }) in freshness {
        assert!(stalest < FRESH + room, "{subject:?} was old {stalest:?} after it had changed");
    }
    assert_eq!(server.terminate().stderr, "");
}

/// A file with two names is changed by the one and asked for by the other: nothing is heard of
/// that, so that it is found by looking again.
#[test]
fn what_is_not_heard_of_is_found_by_looking_again() {
    const LOOK: Duration = Duration::from_millis(20);
    let root = Scratch::new();
    fs::create_dir(root.path("real")).unwrap();
    let real = root.path("real/f.txt");
    fs::write(&real, "old").unwrap();
    symlink("real/f.txt", root.path("link.txt")).unwrap();
    fs::hard_link(&real, root.path("hard.txt")).unwrap();
    let server = serve(&root, &["--refresh", "20ms"]);
    let mut visitor = Visitor::of(server.address());
    let mut is = |path: &str, content: &str| {
        let request = format!("GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n");
        visitor.ask(&request).text() == content
    };
    let names = ["link.txt", "hard.txt"];
    eventually(PATIENCE, "the old content is held", || {
        thread::sleep(LOOK);
        names.iter().all(|name| is(name, "old"))
    });
    fs::write(&real, "new").unwrap();
    for name in names {
        eventually(PATIENCE, "the new content is found", || is(name, "new"));
    }
}

/// Asks until this version of a file is there. Nothing is promised of a large one that has changed,
/// so that nobody is broken off.
fn expect_soon(address: &str, path: &str, whole: &[u8], limit: Duration) {
    let mut visitor = Visitor::of(address);
    let request = format!("GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually(limit, &format!("{path} is the new one"), || visitor.ask(&request).body == whole);
}

/// Whoever reads a file by one name does not hear what is done to it by another: it is looked at
/// each time.
#[test]
fn what_is_not_heard_of_is_new_by_the_next_look() {
    const LOOK: Duration = Duration::from_millis(500);
    // Every tenth look would be five seconds, behind the first change for certain.
    const SOON: Duration = Duration::from_millis(2500);
    let root = Scratch::new();
    let make = |path: &str| fs::create_dir_all(root.path(path)).unwrap();
    ["real", "first", "second", "index"].into_iter().for_each(make);
    let write = |path: &str, version: usize, lines: usize| {
        fs::write(root.path(path), content(version, lines)).unwrap();
    };
    write("real/small", 0, SMALL);
    write("real/large", 0, LARGE);
    for folder in ["first", "second"] {
        write(&format!("{folder}/f"), 0, SMALL);
    }
    for (target, name) in [
        ("real/small", "link"),
        ("real/large", "large-link"),
        ("../real/small", "index/index.html"),
        // As Kubernetes has it: the link is to a name in a folder that is a link as well.
        ("data/f", "config"),
        ("first", "data"),
    ] {
        symlink(target, root.path(name)).unwrap();
    }
    fs::hard_link(root.path("real/small"), root.path("hard")).unwrap();
    fs::hard_link(root.path("real/large"), root.path("large-hard")).unwrap();
    let server = serve(&root, &["--refresh", "500ms"]);
    let small = ["link", "hard", "index/", "config"].map(|path| (path, SMALL));
    let large = ["large-link", "large-hard"].map(|path| (path, LARGE));
    for version in 0..3 {
        write("real/small", version, SMALL);
        write("real/large", version, LARGE);
        let other = ["first", "second"][version % 2];
        write(&format!("{other}/f"), version, SMALL);
        symlink(other, root.path("next")).unwrap();
        fs::rename(root.path("next"), root.path("data")).unwrap();
        for (path, lines) in large.into_iter().chain(small) {
            expect_soon(server.address(), path, &content(version, lines), SOON);
        }
        // What was written just now is not held yet.
        thread::sleep(LOOK);
        for (path, lines) in large.into_iter().chain(small) {
            expect_soon(server.address(), path, &content(version, lines), SOON);
        }
    }
}

/// Of what happens in the folders of a folder, and behind links, a list is not told.
#[test]
fn a_list_is_new_by_the_next_look() {
    const SOON: Duration = Duration::from_millis(2500);
    let root = Scratch::new();
    for folder in ["list/inner", "real"] {
        fs::create_dir_all(root.path(folder)).unwrap();
    }
    fs::write(root.path("real/f"), "1").unwrap();
    symlink("../real/f", root.path("list/link")).unwrap();
    // Another list has nothing but a file that has another name elsewhere.
    fs::create_dir(root.path("hard")).unwrap();
    fs::hard_link(root.path("real/f"), root.path("hard/f")).unwrap();
    let server = serve(&root, &["--refresh", "500ms", "--list"]);
    let mut visitor = Visitor::of(server.address());
    let mut list = || {
        let request = "GET /list/?format=json HTTP/1.1\r\nHost: a\r\n\r\n";
        visitor.ask(request).text().to_owned()
    };
    let mut other = Visitor::of(server.address());
    let mut hard = || {
        let request = "GET /hard/?format=json HTTP/1.1\r\nHost: a\r\n\r\n";
        other.ask(request).text().to_owned()
    };
    for size in [2, 3] {
        eventually(PATIENCE, "the list is held", || {
            thread::sleep(Duration::from_millis(50));
            list() == list()
        });
        fs::write(root.path("real/f"), "x".repeat(size)).unwrap();
        let expected = format!("\"size\":{size}");
        eventually(SOON, "the size behind the link", || list().contains(&expected));
        eventually(SOON, "the size of the other name", || hard().contains(&expected));
    }
    let before = list();
    thread::sleep(Duration::from_millis(1100));
    fs::write(root.path("list/inner/new"), "").unwrap();
    eventually(SOON, "the date of the folder in it", || list() != before);
}

/// As many sites are published: another directory is put in the place of the one that is served, or
/// a link to it is.
#[test]
fn a_root_that_is_replaced_is_followed() {
    const SOON: Duration = Duration::from_secs(5);
    let root = Scratch::new();
    for version in ["1", "2", "3"] {
        let folder = format!("releases/{version}");
        fs::create_dir_all(root.path(&format!("{folder}/sub"))).unwrap();
        fs::write(root.path(&format!("{folder}/a.txt")), version).unwrap();
        fs::write(root.path(&format!("{folder}/sub/b.txt")), version).unwrap();
    }
    fs::write(root.path("releases/1/old.txt"), "old").unwrap();
    fs::write(root.path("releases/2/new.txt"), "new").unwrap();
    let current = root.path("current");
    symlink("releases/1", &current).unwrap();
    let folder = current.to_str().expect("a path of text");
    let options = [folder, "--listen", "127.0.0.1:0", "--refresh", "100ms", "--list"];
    let server = Served::start(CACHED_FILE, &options);
    let mut visitor = Visitor::of(server.address());
    let mut get = |path: &str| {
        let response = visitor.ask(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        (response.status, response.text().to_owned())
    };
    assert_eq!((get("/a.txt").1, get("/sub/b.txt").1), ("1".to_owned(), "1".to_owned()));
    assert_eq!((get("/old.txt").0, get("/new.txt").0), (200, 404));
    symlink("releases/2", root.path("next")).unwrap();
    fs::rename(root.path("next"), &current).unwrap();
    eventually(SOON, "the second one", || get("/a.txt").1 == "2" && get("/sub/b.txt").1 == "2");
    assert_eq!((get("/old.txt").0, get("/new.txt").0), (404, 200));
    eventually(SOON, "its list", || get("/").1.contains("new.txt"));
    // What is changed in it is heard of, and what is in the first one counts no more.
    fs::write(root.path("releases/1/a.txt"), "not this").unwrap();
    thread::sleep(Duration::from_millis(300));
    fs::write(root.path("releases/2/sub/b.txt"), "2nd").unwrap();
    eventually(Duration::from_millis(90), "heard of", || get("/sub/b.txt").1 == "2nd");
    assert_eq!(get("/a.txt").1, "2");
    // While there is none, what was there goes on being served.
    fs::remove_file(&current).unwrap();
    thread::sleep(Duration::from_millis(300));
    assert_eq!(get("/a.txt").1, "2");
    fs::rename(root.path("releases/3"), &current).unwrap();
    eventually(SOON, "the third one", || get("/a.txt").1 == "3" && get("/sub/b.txt").1 == "3");
}

/// A compressed file is another one's as soon as it is there, and not any longer than that.
#[test]
fn what_lies_beside_a_file_is_part_of_it() {
    let root = Scratch::new();
    let server = serve(&root, &[]);
    let mut visitor = Visitor::of(server.address());
    let mut becomes = |status: u16, content: &str| {
        let watch = Stopwatch::start();
        let request = "GET /f.txt HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n";
        let is_it = |response: &Response| {
            response.status == status && (status == 404 || response.text() == content)
        };
        eventually(PATIENCE, content, || is_it(&visitor.ask(request)));
        // Far less than it takes to look again, with room for a busy machine.
        assert!(watch.elapsed() < Duration::from_secs(1), "{content}: {:?}", watch.elapsed());
    };
    let write = |name: &str, content: &str| fs::write(root.path(name), content).unwrap();
    let remove = |name: &str| fs::remove_file(root.path(name)).unwrap();
    becomes(404, "nothing at first");
    write("f.txt", "plain");
    becomes(200, "plain");
    write("f.txt.gz", "packed");
    becomes(200, "packed");
    write("f.txt.gz", "packed anew");
    becomes(200, "packed anew");
    remove("f.txt.gz");
    becomes(200, "plain");
    remove("f.txt");
    becomes(404, "nothing in the end");
}
