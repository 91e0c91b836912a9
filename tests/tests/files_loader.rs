//! What the loader fetches, what it leaves to those who may wait, and how soon a change is seen:
//! on a real folder, without a server.

use std::fs;
use std::time::SystemTime;

use fsm_tests::scratch::Scratch;
use servers::files::document::Resource;
use servers::files::loader::{Loaded, Loader, Settings};
use servers::files::root::Root;
use servers::files::watch::Watch;

fn loader(folder: &Scratch, watch: Option<Watch>) -> Loader {
    let settings =
        Settings { largest: 1 << 20, lists: true, shows_hidden: false, cache_control: Vec::new() };
    Loader::new(Root::open(folder.folder()).unwrap(), watch, settings)
}

fn load(loader: &Loader, key: &[u8]) -> Loaded {
    loader.load(key, SystemTime::now()).unwrap()
}

/// What is given at once, on systems that can tell what is in memory.
fn load_at_once(loader: &Loader, key: &[u8]) -> Option<Loaded> {
    loader.load_cached(key, SystemTime::now()).unwrap()
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
    assert!(loader.is_current(&loaded));
    fs::remove_dir(folder.path("a")).unwrap();
    fs::write(folder.path("a"), "text").unwrap();
    assert!(!loader.is_current(&loaded));
}
