//! What is known of the files: a cache that all workers share, and who waits for what is on its way
//! from the disk. It knows no disk, and of a client nothing but that it waits.
//!
//! The common case is a hit: one look-up, which waits for nobody but who changes the same part of
//! the cache. Who misses takes one lock more, to find out whether somebody is fetching the file.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, UnitWeighter, Weighter};

/// The most clients that wait for one file. Each of them holds a connection and has a deadline, but
/// what it left here stays until the disk answers, and a disk may never do.
const WAITERS: usize = 4096;

/// The most that wait for any file, for the same reason: some more than there are connections,
/// since who has given up may ask again.
const ALL_WAITERS: usize = 32_768;

/// How many paths may be fetched at once, for the same reason.
const FLIGHTS: usize = 4096;

/// The paths that are known to lead nowhere. They are kept apart, so that whoever asks for what
/// does not exist drives out nothing that does.
const ABSENT_PATHS: usize = 4096;

/// What a cached value takes, beside its own bytes: its key and its place in the tables.
const PLACE: u64 = 128;

/// How many bytes a value keeps.
pub trait Weigh {
    /// The bytes.
    fn weight(&self) -> u64;
}

/// The fewest of the largest values that a part of the cache has room for: with fewer, one of them
/// would drive out all others.
const VALUES_OF_A_PART: u64 = 8;

/// The most parts: enough that as many workers as a machine has cores seldom want the same.
const MOST_PARTS: usize = 32;

/// What a file of a site takes, as a guess that may be wrong by a hundred times: the tables begin
/// with so many places, and grow.
const LIKELY_FILE: u64 = 64 * 1024;

/// The fewest places that the tables begin with.
const FILES: usize = 1024;

#[derive(Debug, Clone)]
struct Weights;

impl<V: Weigh> Weighter<Box<[u8]>, Arc<V>> for Weights {
    fn weight(&self, path: &Box<[u8]>, value: &Arc<V>) -> u64 {
        PLACE + path.len() as u64 + value.weight()
    }
}

/// What is known of files by their paths, and who waits for what is not known yet.
pub struct Store<V, W> {
    cache: Cache<Box<[u8]>, Arc<V>, Weights>,
    absent: Cache<Box<[u8]>, (), UnitWeighter>,
    flights: Mutex<Flights<W>>,
}

/// What is being fetched.
struct Flights<W> {
    by_path: HashMap<Box<[u8]>, Flight<W>>,
    /// How often something was forgotten.
    changes: u64,
    /// Those who wait for any of it.
    waiting: usize,
}

/// One path that is being fetched.
struct Flight<W> {
    waiters: Vec<W>,
    /// The file has changed since it was begun to be read, perhaps: what comes is given to those
    /// who wait, and not kept.
    is_outdated: bool,
}

/// What is known of a path.
pub enum Found<V> {
    /// What is there.
    Value(Arc<V>),
    /// That nothing is.
    Absent,
    /// Nothing.
    Unknown,
}

/// What a client that waits has to do about it.
#[derive(Debug, PartialEq, Eq)]
pub enum Joined<W> {
    /// It is the first: it has the file fetched.
    First,
    /// It waits with others.
    Waits,
    /// It need not wait: the path has become known since it was looked up.
    Known(W),
    /// Too many wait already.
    Full(W),
}

impl<V: Weigh, W> Store<V, W> {
    /// A cache of at most so many bytes, of which one value takes at most `largest`.
    #[must_use]
    pub fn new(bytes: u64, largest: u64) -> Self {
        // It is divided into parts with a lock each, and a value must fit into one, with others.
        let parts = bytes / largest.saturating_mul(VALUES_OF_A_PART).max(1);
        let parts = usize::try_from(parts).unwrap_or(MOST_PARTS).clamp(1, MOST_PARTS);
        let files = FILES.max(usize::try_from(bytes / LIKELY_FILE).unwrap_or(FILES));
        Self {
            cache: parted(files, bytes, parts),
            absent: Cache::new(ABSENT_PATHS),
            flights: Mutex::new(Flights { by_path: HashMap::new(), changes: 0, waiting: 0 }),
        }
    }

    /// Looks a path up.
    #[must_use]
    pub fn find(&self, path: &[u8]) -> Found<V> {
        match self.cache.get(path) {
            Some(value) => Found::Value(value),
            None if self.absent.get(path).is_some() => Found::Absent,
            None => Found::Unknown,
        }
    }

    fn knows(&self, path: &[u8]) -> bool {
        !matches!(self.find(path), Found::Unknown)
    }

    /// Waits for a path to be fetched. The first to do so has it done, and ends it with
    /// [`Store::land`].
    pub fn join(&self, path: &[u8], waiter: W) -> Joined<W> {
        let mut flights = self.flights();
        if flights.waiting >= ALL_WAITERS {
            return Joined::Full(waiter);
        }
        if let Some(flight) = flights.by_path.get_mut(path) {
            if flight.waiters.len() >= WAITERS {
                return Joined::Full(waiter);
            }
            flight.waiters.push(waiter);
            flights.waiting += 1;
            return Joined::Waits;
        }
        // Under the lock: a flight that has ended since the path was looked up has left what it
        // found, and the file need not be fetched again.
        if self.knows(path) {
            return Joined::Known(waiter);
        }
        if flights.by_path.len() >= FLIGHTS {
            return Joined::Full(waiter);
        }
        flights.waiting += 1;
        flights.by_path.insert(path.into(), Flight { waiters: vec![waiter], is_outdated: false });
        Joined::First
    }

    /// Ends the waiting for a path, keeps what was found, and answers who waited: a value, `None`
    /// where nothing is there, or no answer at all where it could not be found out.
    pub fn land(&self, path: &[u8], outcome: Option<Option<&Arc<V>>>) -> Vec<W> {
        let mut flights = self.flights();
        let Some(flight) = flights.by_path.remove(path) else { return Vec::new() };
        flights.waiting -= flight.waiters.len();
        // Under the lock: whoever says that the file has changed finds either the flight or what
        // came of it.
        if !flight.is_outdated {
            match outcome {
                Some(Some(value)) => self.cache.insert(path.into(), Arc::clone(value)),
                Some(None) => self.absent.insert(path.into(), ()),
                None => {}
            }
        }
        flight.waiters
    }

    /// How often something was forgotten, for [`Store::keep`].
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.flights().changes
    }

    /// Keeps what was found without a flight, unless something was forgotten since there had been
    /// so many `changes`: it may have been this.
    pub fn keep(&self, path: &[u8], value: &Arc<V>, changes: u64) {
        let flights = self.flights();
        if flights.changes == changes {
            self.cache.insert(path.into(), Arc::clone(value));
        }
    }

    /// Forgets what is known of a path, which may have changed.
    pub fn forget(&self, path: &[u8]) {
        let mut flights = self.flights();
        flights.changes += 1;
        if let Some(flight) = flights.by_path.get_mut(path) {
            flight.is_outdated = true;
        }
        // What lands from here on is new; it is no harm if that is forgotten as well.
        drop(flights);
        self.cache.remove(path);
        self.absent.remove(path);
    }

    /// Forgets everything for which `is_meant` holds.
    pub fn forget_where(&self, is_meant: impl Fn(&[u8]) -> bool) {
        let mut flights = self.flights();
        flights.changes += 1;
        for (_, flight) in flights.by_path.iter_mut().filter(|(path, _)| is_meant(path)) {
            flight.is_outdated = true;
        }
        // Looking through the whole cache takes long, and who misses waits for the lock.
        drop(flights);
        self.cache.retain(|path, _| !is_meant(path));
        self.absent.retain(|path, ()| !is_meant(path));
    }

    /// The paths of what is cached, for whoever looks whether it is still so. The values are not
    /// among them: who waits for a disk meanwhile would keep what the cache has long let go.
    #[must_use]
    pub fn paths(&self) -> Vec<Box<[u8]>> {
        self.cache.iter().map(|(path, _)| path).collect()
    }

    /// What is cached at a path, for somebody who is no client: it does not count as a use.
    #[must_use]
    pub fn peek(&self, path: &[u8]) -> Option<Arc<V>> {
        self.cache.peek(path)
    }

    /// Forgets which paths lead nowhere.
    pub fn forget_absent(&self) {
        self.absent.clear();
    }

    /// The bytes that are cached.
    #[must_use]
    pub fn weight(&self) -> u64 {
        self.cache.weight()
    }

    /// Nothing under the lock can panic halfway.
    fn flights(&self) -> MutexGuard<'_, Flights<W>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A cache in so many parts.
fn parted<V: Weigh>(files: usize, bytes: u64, parts: usize) -> Cache<Box<[u8]>, Arc<V>, Weights> {
    let mut options = OptionsBuilder::new();
    options.estimated_items_capacity(files).weight_capacity(bytes).shards(parts);
    match options.build() {
        Ok(options) => Cache::with_options(
            options,
            Weights,
            DefaultHashBuilder::default(),
            DefaultLifecycle::default(),
        ),
        // What is missing is given above.
        Err(_) => Cache::with_weighter(files, bytes, Weights),
    }
}

/// Ends a flight however its job does: where nobody said what came of it, nothing did, and those
/// who wait are let go.
pub struct Landing<V: Weigh, W> {
    store: Arc<Store<V, W>>,
    path: Box<[u8]>,
    has_landed: bool,
}

impl<V: Weigh, W> Landing<V, W> {
    /// The end of the flight that [`Joined::First`] began.
    pub fn new(store: &Arc<Store<V, W>>, path: &[u8]) -> Self {
        Self { store: Arc::clone(store), path: path.into(), has_landed: false }
    }

    /// As [`Store::land`].
    pub fn land(mut self, outcome: Option<Option<&Arc<V>>>) -> Vec<W> {
        self.has_landed = true;
        self.store.land(&self.path, outcome)
    }

    /// The path that is being fetched.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        &self.path
    }
}

impl<V: Weigh, W> Drop for Landing<V, W> {
    fn drop(&mut self) {
        if !mem::replace(&mut self.has_landed, true) {
            drop(self.store.land(&self.path, None));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::Arc;

    use super::{ALL_WAITERS, FLIGHTS, Found, Joined, Landing, Store, WAITERS, Weigh};

    struct Bytes(u64);

    impl Weigh for Bytes {
        fn weight(&self) -> u64 {
            self.0
        }
    }

    type Files = Store<Bytes, u32>;

    fn size(found: &Found<Bytes>) -> Option<u64> {
        match found {
            Found::Value(bytes) => Some(bytes.0),
            Found::Absent | Found::Unknown => None,
        }
    }

    #[test]
    fn one_fetches_for_all() {
        let files = Files::new(1 << 20, 1 << 14);
        assert_eq!(files.join(b"a", 1), Joined::First);
        assert_eq!(files.join(b"a", 2), Joined::Waits);
        assert_eq!(files.join(b"b", 3), Joined::First);
        assert!(matches!(files.find(b"a"), Found::Unknown));
        assert_eq!(files.land(b"a", Some(Some(&Arc::new(Bytes(5))))), [1, 2]);
        assert_eq!(size(&files.find(b"a")), Some(5));
        assert_eq!(files.land(b"b", Some(None)), [3]);
        assert!(matches!(files.find(b"b"), Found::Absent));
        assert!(files.land(b"b", Some(None)).is_empty(), "nobody waits any more");
    }

    #[test]
    fn what_has_landed_since_it_was_looked_up_is_not_fetched_again() {
        let files = Files::new(1 << 20, 1 << 14);
        for (outcome, is_there) in [(Some(&Arc::new(Bytes(5))), true), (None, false)] {
            assert!(matches!(files.find(b"a"), Found::Unknown));
            files.join(b"a", 1);
            files.land(b"a", Some(outcome));
            assert_eq!(files.join(b"a", 2), Joined::Known(2));
            assert_eq!(size(&files.find(b"a")).is_some(), is_there);
            files.forget(b"a");
        }
        assert_eq!(files.join(b"a", 3), Joined::First);
    }

    #[test]
    fn what_changes_on_the_way_is_not_kept() {
        let files = Files::new(1 << 20, 1 << 14);
        let ways: [fn(&Files); 2] =
            [|files| files.forget(b"a"), |files| files.forget_where(|_| true)];
        for forget in ways {
            files.join(b"a", 1);
            forget(&files);
            assert_eq!(files.land(b"a", Some(Some(&Arc::new(Bytes(5))))), [1]);
            assert!(matches!(files.find(b"a"), Found::Unknown));
            files.join(b"a", 2);
            files.land(b"a", Some(None));
            forget(&files);
            assert!(matches!(files.find(b"a"), Found::Unknown));
        }
    }

    /// Looking through a large cache takes long.
    #[test]
    fn who_misses_does_not_wait_for_who_forgets() {
        let files = Files::new(1 << 20, 1 << 14);
        files.keep(b"a", &Arc::new(Bytes(5)), files.changes());
        let was_free = Cell::new(None);
        files.forget_where(|_| {
            was_free.set(Some(files.flights.try_lock().is_ok()));
            true
        });
        assert_eq!(was_free.get(), Some(true));
    }

    #[test]
    fn what_was_found_before_a_change_is_not_kept_after_it() {
        let files = Files::new(1 << 20, 1 << 14);
        let found = Arc::new(Bytes(5));
        let ways: [fn(&Files); 2] =
            [|files| files.forget(b"a"), |files| files.forget_where(|_| false)];
        for forget in ways {
            let changes = files.changes();
            files.keep(b"a", &found, changes);
            assert_eq!(size(&files.find(b"a")), Some(5));
            files.forget(b"a");
            let changes = files.changes();
            forget(&files);
            files.keep(b"a", &found, changes);
            assert!(matches!(files.find(b"a"), Found::Unknown));
        }
    }

    #[test]
    fn a_job_that_dies_lets_those_who_wait_go() {
        let files = Arc::new(Files::new(1 << 20, 1 << 14));
        files.join(b"a", 1);
        drop(Landing::new(&files, b"a"));
        assert_eq!(files.join(b"a", 2), Joined::First);
    }

    #[test]
    fn the_largest_value_is_kept_in_the_smallest_cache_that_has_room_for_it() {
        let files = Files::new(4 << 20, 1 << 20);
        files.join(b"a", 1);
        files.land(b"a", Some(Some(&Arc::new(Bytes(1 << 20)))));
        assert_eq!(size(&files.find(b"a")), Some(1 << 20));
    }

    #[test]
    fn as_many_wait_as_may() {
        let files = Files::new(1 << 20, 1 << 14);
        for waiter in 0..WAITERS {
            assert_ne!(files.join(b"a", 0), Joined::Full(0), "{waiter}");
        }
        assert_eq!(files.join(b"a", 7), Joined::Full(7));
        for flight in 1..FLIGHTS {
            assert_eq!(files.join(format!("{flight}").as_bytes(), 0), Joined::First);
        }
        assert_eq!(files.join(b"one more", 7), Joined::Full(7));
        assert_eq!(files.land(b"a", None).len(), WAITERS);
        assert_eq!(files.join(b"one more", 7), Joined::First);
    }

    #[test]
    fn no_more_wait_for_all_files_than_may() {
        let files = Files::new(1 << 20, 1 << 14);
        let wait = |number: usize| files.join(&[u8::try_from(number / WAITERS).unwrap()], 7);
        for number in 0..ALL_WAITERS {
            assert_ne!(wait(number), Joined::Full(7), "{number}");
        }
        assert_eq!(wait(ALL_WAITERS), Joined::Full(7));
        assert_eq!(files.land(&[0], None).len(), WAITERS);
        assert_eq!(wait(ALL_WAITERS), Joined::First);
    }

    #[test]
    fn the_cache_keeps_to_its_budget_and_what_is_absent_to_another() {
        let files = Files::new(1 << 20, 1 << 14);
        for file in 0..1000_u32 {
            let path = file.to_be_bytes();
            files.join(&path, 0);
            files.land(&path, Some(Some(&Arc::new(Bytes(10_000)))));
            let path = format!("no {file}");
            files.join(path.as_bytes(), 0);
            files.land(path.as_bytes(), Some(None));
            assert!(files.weight() <= 1 << 20);
        }
        assert!(files.paths().len() > 50, "{}", files.paths().len());
        let absent = || {
            let paths = (0..1000_u32).map(|file| format!("no {file}"));
            paths.filter(|path| matches!(files.find(path.as_bytes()), Found::Absent)).count()
        };
        assert!(absent() > 900, "{}", absent());
        files.forget_absent();
        assert_eq!(absent(), 0);
    }
}
