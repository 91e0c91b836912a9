//! The cache of files without its server: what a worker does at each hit, in a cache that all
//! workers share and in one of its own, and what it takes to fill them.

use std::{
    hint::black_box,
    io,
    path::Path,
    sync::{
        Arc, Barrier, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
        mpsc::{Sender, channel},
    },
    thread,
    time::{Duration, SystemTime},
};

use clap::ValueEnum;
use rustix::time::{ClockId, clock_gettime};
use servers::files::{
    loader::{Loaded, Loader, Settings},
    root::Root,
    site::Page,
    store::{Found, Joined, Landing, Store},
};

use crate::pin;

/// As many files as a cache holds here: more than the caches of a core have room for.
pub const FILES: u32 = 10_000;
/// The bytes of each: the smaller the file, the more of a request is the look-up.
pub const LENGTH: usize = 1024;
/// As much room as `cached-file` has unless told otherwise, and the largest of its files; they say
/// into how many parts the cache is divided.
const ROOM: u64 = 256 << 20;
const LARGEST: u64 = 1 << 20;

/// How often the most popular file is asked for: the second half as often to this power, and so
/// on. Between 0.64 and 0.83 it is said to be for what proxies are asked for (Breslau et al. 1999);
/// the higher, the more all workers ask for the same.
const SKEW: f64 = 0.8;
/// As many draws of it before they repeat: most files are among them.
const DRAWS: usize = 1 << 16;

/// Behind so many look-ups there is an insert, where there are any.
const LOOK_UPS_OF_AN_INSERT: usize = 100;

/// With room for a share of the files they drive each other out: one in so many has room.
const FILES_OF_A_PLACE: u64 = 10;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mix {
    /// Nothing: the loop itself, to be taken off.
    Nothing,
    /// The same file by all.
    Same,
    /// Some files more often than others.
    Zipf,
    /// The same, and one of a hundred has changed.
    Inserts,
}

impl Mix {
    /// Its word on a command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Same => "same",
            Self::Zipf => "zipf",
            Self::Inserts => "inserts",
        }
    }
}

/// What is asked for, and what a worker does in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asking {
    /// What is asked for.
    pub mix: Mix,
    /// Steps of reckoning behind each look-up, in which it touches nothing that others have.
    pub pause: u32,
}

/// Whose the caches are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Layout {
    /// There is one for all workers.
    Shared,
    /// Each has its own.
    Own,
}

impl Layout {
    /// Its word on a command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        if self == Self::Shared { "shared" } else { "own" }
    }
}

/// The name of a file, all of which are as long.
type Key = [u8; 12];

fn key(file: u32) -> Key {
    let mut key = *b"00000000.txt";
    key.iter_mut().take(8).rev().fold(file, |rest, digit| {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest / 10
    });
    key
}

/// One thing that is asked for. The names lie in the order in which they are asked for, since a
/// worker has them at hand in what it read.
#[derive(Clone, Copy)]
struct Wanted {
    key: Key,
    file: u32,
}

/// A cache with all files in it.
pub struct Cache {
    store: Store<Loaded, ()>,
    values: Vec<Arc<Loaded>>,
}

impl Cache {
    /// Fills it. Its values are its own: nothing of them is shared with another cache.
    #[must_use]
    pub fn full() -> Self {
        let page = |_| Page { path: "", content_type: "text/plain", body: vec![b'.'; LENGTH] };
        let values: Vec<_> =
            (0..FILES).map(page).map(|page| Arc::new(Loaded::page(page))).collect();
        let store = Store::new(ROOM, LARGEST);
        for (file, value) in (0..).zip(&values) {
            store.keep(&key(file), value, store.changes());
        }
        Self { store, values }
    }

    /// Asks for some things, one after the other.
    fn ask(&self, Asking { mix, pause }: Asking, wanted: &[Wanted]) {
        for Wanted { key, .. } in wanted {
            let key = black_box(key);
            if mix != Mix::Nothing {
                drop(black_box(self.store.find(key)));
            }
            reckon(pause);
        }
        if let (Mix::Inserts, Some(Wanted { key, file })) = (mix, wanted.first()) {
            // As a file that has changed, and is asked for once more.
            self.store.forget(key);
            self.store.keep(key, &self.values[*file as usize], self.store.changes());
        }
    }
}

/// So many steps, each of which waits for the one before.
fn reckon(steps: u32) {
    black_box((0..steps).fold(1_u32, |value, _| black_box(value).wrapping_mul(3)));
}

/// What a worker asks for, again and again.
struct Order(Vec<Wanted>);

impl Order {
    /// Every worker asks in an order of its own.
    fn of(mix: Mix, worker: usize) -> Self {
        let files = match mix {
            Mix::Nothing | Mix::Same => vec![0; DRAWS],
            Mix::Zipf | Mix::Inserts => zipf(DRAWS, worker as u64),
        };
        Self(files.into_iter().map(|file| Wanted { key: key(file), file }).collect())
    }

    /// Without end, in pieces behind each of which there may be an insert.
    fn pieces(&self) -> impl Iterator<Item = &[Wanted]> {
        self.0.chunks_exact(LOOK_UPS_OF_AN_INSERT).cycle()
    }
}

/// Numbers of files, the smaller the likelier; the same for the same seed.
fn zipf(count: usize, seed: u64) -> Vec<u32> {
    let mut sums = Vec::new();
    let mut all = 0.0;
    for rank in 1..=FILES {
        all += f64::from(rank).powf(-SKEW);
        sums.push(all);
    }
    // Steele, Lea and Flood's SplitMix64: a few lines, and any seed is as good as another.
    let mut state = seed;
    let mut draw = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let at = (mixed ^ (mixed >> 31)) as f64 / u64::MAX as f64 * all;
        let file = sums.partition_point(|sum| *sum < at);
        u32::try_from(file).unwrap_or(0).min(FILES - 1)
    };
    (0..count).map(|_| draw()).collect()
}

/// Looks up so many times, in hundreds, in one thread that is counted from outside.
pub fn look_up(mix: Mix, count: usize) {
    let (cache, order) = (Cache::full(), Order::of(mix, 0));
    let asking = Asking { mix, pause: 0 };
    order.pieces().take(count / LOOK_UPS_OF_AN_INSERT).for_each(|piece| cache.ask(asking, piece));
}

/// What look-ups took.
pub struct Pace {
    /// Nanoseconds of processor time for each, without the loop and the pause.
    pub nanoseconds: f64,
    /// Those of the loop and the pause.
    pub around: f64,
    /// How many of the threads had a core, in the mean: with fewer than there are they got less in
    /// each other's way than they might.
    pub at_once: f64,
}

/// Has every thread look up for some time, each on a core of its own and in one of the `caches`, or
/// all in the first. What is to be taken off is measured just before, by the same threads: a core
/// is not always as fast.
pub fn race(
    caches: &[Cache],
    layout: Layout,
    threads: usize,
    asking: Asking,
    time: Duration,
) -> io::Result<Pace> {
    let start = Barrier::new(threads);
    let run = |worker: usize| {
        let cache = &caches[if layout == Layout::Shared { 0 } else { worker }];
        let order = Order::of(asking.mix, worker);
        let pinned = pin::thread(worker);
        start.wait();
        let around = cache.lap(Asking { mix: Mix::Nothing, ..asking }, &order, time / 2);
        start.wait();
        let lap = cache.lap(asking, &order, time);
        pinned.map(|()| (around, lap))
    };
    thread::scope(|scope| {
        let run = &run;
        let all: Vec<_> = (0..threads).map(|worker| scope.spawn(move || run(worker))).collect();
        let mut sum = Pace { nanoseconds: 0.0, around: 0.0, at_once: 0.0 };
        for thread in all {
            let (around, lap) = thread.join().map_err(|_| panicked())??;
            sum.nanoseconds += (lap.nanoseconds - around.nanoseconds) / threads as f64;
            sum.around += around.nanoseconds / threads as f64;
            sum.at_once += lap.share;
        }
        Ok(sum)
    })
}

/// What one thread did for some time.
struct Lap {
    /// Nanoseconds of processor time for each thing that was asked for.
    nanoseconds: f64,
    /// The share of the time in which it had a core.
    share: f64,
}

impl Cache {
    fn lap(&self, asking: Asking, order: &Order, time: Duration) -> Lap {
        let (begun, before) = (crate::now(), processor_time());
        let mut asked = 0;
        for piece in order.pieces().take_while(|_| begun.elapsed() < time) {
            self.ask(asking, piece);
            asked += piece.len();
        }
        let (took, elapsed) = (processor_time() - before, begun.elapsed().as_secs_f64());
        Lap { nanoseconds: took * 1e9 / asked as f64, share: took / elapsed }
    }
}

fn panicked() -> io::Error {
    io::Error::other("a worker panicked")
}

/// Seconds that the calling thread has had a core.
fn processor_time() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Writes the files that [`fill`] fetches.
pub fn write_files(folder: &Path) -> io::Result<()> {
    (0..FILES).try_for_each(|file| {
        let name = String::from_utf8_lossy(&key(file)).into_owned();
        std::fs::write(folder.join(name), vec![b'.'; LENGTH])
    })
}

/// Caches that were filled from a disk, and what that took.
pub struct Filled {
    stores: Vec<Arc<Files>>,
    fetches: AtomicU64,
}

/// A cache whose waiters are told when what they wait for has landed.
type Files = Store<Loaded, Sender<()>>;

impl Filled {
    /// How often the disk was asked for a file.
    #[must_use]
    pub fn fetches(&self) -> u64 {
        self.fetches.load(Ordering::Relaxed)
    }

    /// The bytes that are kept to budgets.
    #[must_use]
    pub fn weight(&self) -> u64 {
        self.stores.iter().map(|store| store.weight()).sum()
    }
}

/// Has so many workers ask for files of a folder: each for every file once, with room for all of
/// them; or, where there are `draws`, for so many in all, some more often than others, with room
/// for a tenth. There is as much room in all, whosever the caches are.
pub fn fill(
    folder: &Path,
    layout: Layout,
    workers: usize,
    draws: Option<usize>,
) -> io::Result<Filled> {
    let settings =
        Settings { largest: LARGEST, lists: false, shows_hidden: false, cache_control: Vec::new() };
    let loader = Loader::new(Root::open(folder)?, None, settings);
    let room = if draws.is_none() { ROOM } else { room_for_some(&loader)? };
    let caches = if layout == Layout::Shared { 1 } else { workers };
    let store = |_| Arc::new(Files::new(room / caches as u64, LARGEST));
    let filled = Filled { stores: (0..caches).map(store).collect(), fetches: AtomicU64::new(0) };
    let failure = RwLock::new(None);
    thread::scope(|scope| {
        for worker in 0..workers {
            let (filled, loader, failure) = (&filled, &loader, &failure);
            let files = draws.map(|draws| zipf(draws / workers, worker as u64));
            let files = files.unwrap_or_else(|| (0..FILES).collect());
            scope.spawn(move || {
                let store = &filled.stores[worker % filled.stores.len()];
                let mut files = files.into_iter();
                if let Err(error) = files.try_for_each(|file| filled.have(store, loader, file)) {
                    *failure.write().unwrap_or_else(PoisonError::into_inner) = Some(error);
                }
            });
        }
    });
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(filled), Err)
}

/// The weight of a tenth of the files.
fn room_for_some(loader: &Loader) -> io::Result<u64> {
    let store = Files::new(ROOM, LARGEST);
    store.keep(&key(0), &Arc::new(load(loader, 0)?), store.changes());
    Ok(store.weight() * u64::from(FILES) / FILES_OF_A_PLACE)
}

#[allow(clippy::disallowed_methods, reason = "a loader is told the time, and here by nobody else")]
fn load(loader: &Loader, file: u32) -> io::Result<Loaded> {
    let now = SystemTime::now();
    loader.load(&key(file), now).map_err(|error| io::Error::other(format!("{error:?}")))
}

impl Filled {
    /// One request, as the server has it: from the cache, from whoever fetches it already, or from
    /// the disk.
    fn have(&self, store: &Arc<Files>, loader: &Loader, file: u32) -> io::Result<()> {
        let key = key(file);
        if let Found::Value(_) = store.find(&key) {
            return Ok(());
        }
        let (tell, told) = channel();
        match store.join(&key, tell) {
            Joined::First => {
                let landing = Landing::new(store, &key);
                let loaded = Arc::new(load(loader, file)?);
                self.fetches.fetch_add(1, Ordering::Relaxed);
                for waiter in landing.land(Some(Some(&loaded))) {
                    // Who fetches waits as well, and is told nothing new.
                    let _ = waiter.send(());
                }
                Ok(())
            }
            Joined::Waits => told.recv().map_err(io::Error::other),
            Joined::Known(_) => Ok(()),
            Joined::Full(_) => Err(io::Error::other("too many wait")),
        }
    }
}
