//! What the loader fetches, what it leaves to those who may wait, and how soon a change is seen:
//! on a real folder, without a server.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use fsm_tests::clock::Stopwatch;
use fsm_tests::scratch::Scratch;
use servers::files::document::{Content, Resource};
use servers::files::loader::{Loaded, Loader, Look, Settings};
use servers::files::negotiation::Coding;
use servers::files::refresh;
use servers::files::root::Root;
use servers::files::store::{Found, Store};
use servers::files::watch::Watch;

fn loader(folder: &Scratch, watch: Option<Watch>) -> Loader {
    let settings =
        Settings { largest: 1 << 20, lists: true, shows_hidden: false, cache_control: Vec::new() };
    Loader::new(Root::open(folder.folder()).unwrap(), watch, settings)
}

fn load(loader: &Loader, key: &[u8]) -> Loaded {
    loader.load(key, UNIX_EPOCH).unwrap()
}

/// What is given at once, on systems that can tell what is in memory.
fn load_at_once(loader: &Loader, key: &[u8]) -> Option<Loaded> {
    loader.load_cached(key, UNIX_EPOCH).unwrap()
}

#[test]
fn what_takes_long_is_left_to_those_who_may_wait() {
    let folder = Scratch::new();
    fs::write(folder.path("small"), "text").unwrap();
    fs::write(folder.path("large"), vec![b'a'; 512 * 1024]).unwrap();
    let loader = loader(&folder, Watch::new().ok());
    for key in [&b""[..], b"small", b"large"] {
        assert!(load(&loader, key).is_watched);
    }
    if load_at_once(&loader, b"small").is_none() {
        eprintln!("skipped: the system cannot tell what is in memory");
        return;
    }
    assert!(load_at_once(&loader, b"large").is_none(), "it is read and hashed elsewhere");
    assert!(load_at_once(&loader, b"").is_none(), "a folder is read elsewhere");
}

/// Where nothing is heard of changes, only looking again finds them.
#[test]
fn a_folder_that_became_a_file_is_found_out() {
    let folder = Scratch::new();
    fs::create_dir(folder.path("a")).unwrap();
    let loader = loader(&folder, None);
    let loaded = load(&loader, b"a");
    assert!(matches!(loaded.resource, Resource::Directory));
    assert_eq!(loader.look_again(&loaded), Look::Same);
    fs::remove_dir(folder.path("a")).unwrap();
    fs::write(folder.path("a"), "text").unwrap();
    assert_eq!(loader.look_again(&loaded), Look::Other);
}

type Files = Arc<Store<Loaded, ()>>;

/// As the server does it: from the store, or else from the disk.
fn get(files: &Files, loader: &Loader, key: &[u8]) -> Vec<u8> {
    let loaded = match files.find(key) {
        Found::Value(loaded) => loaded,
        Found::Absent | Found::Unknown => {
            let changes = files.changes();
            let loaded = Arc::new(load(loader, key));
            files.keep(key, &loaded, changes);
            loaded
        }
    };
    let Resource::File(document) = &loaded.resource else { return Vec::new() };
    match &document.in_coding(Coding::Identity).unwrap().content {
        Content::Held(bytes) => bytes.to_vec(),
        Content::Open(..) => Vec::new(),
    }
}

/// Waits until a file is what it should be, for much less time than it takes until what is watched
/// is looked at again.
fn await_text(files: &Files, loader: &Loader, key: &[u8], text: &str) {
    let watch = Stopwatch::start();
    while get(files, loader, key) != text.as_bytes() {
        assert!(watch.elapsed() < Duration::from_secs(5), "no `{text}`");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Looks again after an hour only: what is seen sooner was heard of.
fn listening(folder: &Scratch) -> (Files, Arc<Loader>) {
    let watch = Watch::new().expect("the system has inotify to give");
    let loader = Arc::new(loader(folder, Some(watch)));
    let files = Arc::new(Store::new(1 << 20, 1 << 14));
    refresh::start(&files, &loader, Duration::from_secs(3600)).unwrap();
    (files, loader)
}

/// The way most sites are put in place: a link is made to lead to another folder, at once.
#[test]
fn a_link_that_leads_elsewhere_is_heard_of() {
    let folder = Scratch::new();
    for release in ["one", "two"] {
        fs::create_dir_all(folder.path(release).join("sub")).unwrap();
        fs::write(folder.path(release).join("sub/file"), release).unwrap();
    }
    symlink("one", folder.path("now")).unwrap();
    let (files, loader) = listening(&folder);
    await_text(&files, &loader, b"now/sub/file", "one");
    symlink("two", folder.path("next")).unwrap();
    fs::rename(folder.path("next"), folder.path("now")).unwrap();
    await_text(&files, &loader, b"now/sub/file", "two");
    // It is the new folder that is listened to by now.
    fs::write(folder.path("two/sub/file"), "three").unwrap();
    await_text(&files, &loader, b"now/sub/file", "three");
}

/// A folder takes the place of another, far above the file.
#[test]
fn a_folder_in_place_of_another_is_heard_of() {
    let folder = Scratch::new();
    for release in ["now", "next"] {
        fs::create_dir_all(folder.path(release).join("sub")).unwrap();
        fs::write(folder.path(release).join("sub/file"), release).unwrap();
    }
    let (files, loader) = listening(&folder);
    await_text(&files, &loader, b"now/sub/file", "now");
    fs::rename(folder.path("now"), folder.path("past")).unwrap();
    fs::rename(folder.path("next"), folder.path("now")).unwrap();
    await_text(&files, &loader, b"now/sub/file", "next");
    fs::write(folder.path("now/sub/file"), "three").unwrap();
    await_text(&files, &loader, b"now/sub/file", "three");
}

/// What a link leads to is heard of by nobody. When it is found out, the folder that is watched is
/// the one that is there.
#[test]
fn what_is_found_out_is_listened_to_again() {
    let folder = Scratch::new();
    for release in ["one", "two"] {
        fs::create_dir_all(folder.path(release)).unwrap();
        fs::write(folder.path(release).join("file"), release).unwrap();
    }
    fs::create_dir(folder.path("links")).unwrap();
    symlink("../one", folder.path("links/now")).unwrap();
    symlink("links/now", folder.path("now")).unwrap();
    let watch = Watch::new().expect("the system has inotify to give");
    let loader = Arc::new(loader(&folder, Some(watch)));
    let files = Arc::new(Store::new(1 << 20, 1 << 14));
    refresh::start(&files, &loader, Duration::from_millis(100)).unwrap();
    await_text(&files, &loader, b"now/file", "one");
    symlink("../two", folder.path("links/next")).unwrap();
    fs::rename(folder.path("links/next"), folder.path("links/now")).unwrap();
    await_text(&files, &loader, b"now/file", "two");
    let watch = Stopwatch::start();
    fs::write(folder.path("two/file"), "three").unwrap();
    await_text(&files, &loader, b"now/file", "three");
    let took = watch.elapsed();
    assert!(took < Duration::from_millis(500), "it was looked for and not heard: {took:?}");
}
