//! Files that are too large to be held in memory are held open instead, and a cache of any size
//! must not take the descriptors that clients need. The limit is that of the whole process, so that
//! this has a process of its own.

use std::fs;
use std::time::{Duration, UNIX_EPOCH};

use fsm_tests::clock::eventually;
use fsm_tests::scratch::Scratch;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use servers::files::loader::{Loader, Settings};
use servers::files::root::Root;
use servers::files::watch::Watch;

/// What the process may have open.
const LIMIT: u64 = 400;

fn descriptors() -> usize {
    fs::read_dir("/dev/fd").unwrap().count()
}

#[test]
fn large_files_leave_descriptors_to_clients() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(LIMIT), maximum }).unwrap();
    let folder = Scratch::new();
    let settings =
        Settings { largest: 0, lists: false, shows_hidden: false, cache_control: Vec::new() };
    let root = Root::open(folder.folder()).unwrap();
    let loader = Loader::new(root, Watch::new().ok(), settings);
    let before = descriptors();
    let mut kept = Vec::new();
    for number in 0..300 {
        let name = number.to_string();
        fs::write(folder.path(&name), "too large").unwrap();
        let loaded = loader.load(name.as_bytes(), UNIX_EPOCH).unwrap();
        if loaded.keeps {
            kept.push(loaded);
        }
    }
    assert!((90..=101).contains(&kept.len()), "{} of 100", kept.len());
    drop(kept);
    // The loader watches one folder by what it has open already.
    eventually(Duration::from_secs(10), "all are closed", || descriptors() <= before);
}
