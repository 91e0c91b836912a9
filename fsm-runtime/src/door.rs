//! Who is let in: how many connections at all, and how many of one address, counted over all
//! workers. It knows neither sockets nor connections.
//!
//! Where no limit is set nothing is counted, and every question is answered by one comparison.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZero;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::peer::Peer;
use crate::wheel::is_before;

/// What stands for no limit.
const UNLIMITED: usize = usize::MAX;

/// How long something that is reported has to stay away before it is reported again, in ticks of
/// 16 ms: 10 s. A server at its limit goes in and out of it with every client.
const EPISODE: u32 = 625;

/// The bytes of an IPv6 address that stand for its network.
const NETWORK: usize = 8;

/// The door that all workers share.
pub(crate) struct Door {
    /// The most connections, of all workers together.
    most: usize,
    /// The places taken; nobody counts where there is no limit.
    taken: AtomicUsize,
    guests: Option<Guests>,
    /// The server is full.
    full: Episode,
    /// Somebody was refused for others of the same address.
    crowding: Episode,
}

/// The connections of each address.
struct Guests {
    most: usize,
    counts: Mutex<HashMap<Origin, usize>>,
}

/// What counts as one address.
///
/// Of IPv6 it is the network of 64 bits: the least that a site is given, within which one machine
/// may call itself what it likes, so that a limit on whole addresses would limit nobody. An IPv4
/// address in IPv6's clothes counts as what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    V4(Ipv4Addr),
    V6([u8; NETWORK]),
}

impl Origin {
    /// Where a peer comes from. Whoever may open the path of a Unix socket is no stranger, and all
    /// of them are at one place, so those are not counted.
    pub(crate) fn of(peer: &Peer) -> Option<Self> {
        match peer {
            Peer::Tcp(address) => Some(Self::of_address(address)),
            Peer::Unix | Peer::Unknown => None,
        }
    }

    fn of_address(address: &SocketAddr) -> Self {
        match address.ip().to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => {
                let mut network = [0; NETWORK];
                network.copy_from_slice(&address.octets()[..NETWORK]);
                Self::V6(network)
            }
        }
    }
}

impl Default for Door {
    /// Everybody is let in.
    fn default() -> Self {
        Self::new(None, None)
    }
}

impl Door {
    /// A door that lets so many connections in, and so many of one address.
    pub(crate) fn new(
        most: Option<NonZero<usize>>,
        most_per_address: Option<NonZero<usize>>,
    ) -> Self {
        let guests = most_per_address
            .map(|most| Guests { most: most.get(), counts: Mutex::new(HashMap::new()) });
        Self {
            most: most.map_or(UNLIMITED, NonZero::get),
            taken: AtomicUsize::new(0),
            guests,
            full: Episode::default(),
            crowding: Episode::default(),
        }
    }

    /// Takes a place for one connection, if there is one.
    #[inline]
    pub(crate) fn take_place(&self) -> bool {
        self.most == UNLIMITED || self.take_limited_place()
    }

    fn take_limited_place(&self) -> bool {
        let more = |taken| (taken < self.most).then_some(taken + 1);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Gives a place back.
    #[inline]
    pub(crate) fn leave_place(&self) {
        if self.most != UNLIMITED {
            self.taken.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Tells whether every place is taken.
    pub(crate) fn is_full(&self) -> bool {
        self.taken.load(Ordering::Relaxed) >= self.most
    }

    /// The places taken, where they are counted.
    pub(crate) fn taken(&self) -> Option<usize> {
        (self.most != UNLIMITED).then(|| self.taken.load(Ordering::Relaxed))
    }

    /// The most connections, of all workers together.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// Tells whether it has to be known where connections come from.
    #[inline]
    pub(crate) fn asks_for_origins(&self) -> bool {
        self.guests.is_some()
    }

    /// Counts a connection of a peer, unless there are as many of its address as may be.
    #[inline]
    pub(crate) fn welcomes(&self, peer: &Peer) -> bool {
        match &self.guests {
            None => true,
            Some(guests) => Origin::of(peer).is_none_or(|origin| guests.add(origin)),
        }
    }

    /// Counts a connection out that came from there.
    pub(crate) fn say_farewell(&self, origin: Option<Origin>) {
        if let Some((guests, origin)) = self.guests.as_ref().zip(origin) {
            guests.remove(origin);
        }
    }

    /// Notes that accepting waits for a place; true where that has to be reported.
    pub(crate) fn note_full(&self, now: u32) -> bool {
        self.full.note(now)
    }

    /// Notes that an address has too many connections; true where that has to be reported.
    pub(crate) fn note_crowding(&self, now: u32) -> bool {
        self.crowding.note(now)
    }
}

impl Guests {
    fn add(&self, origin: Origin) -> bool {
        let mut counts = self.counts();
        let count = counts.entry(origin).or_insert(0);
        let is_welcome = *count < self.most;
        *count += usize::from(is_welcome);
        is_welcome
    }

    /// Whoever has no connections is forgotten, so that the addresses of a long life do not gather.
    fn remove(&self, origin: Origin) {
        if let Entry::Occupied(mut count) = self.counts().entry(origin) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    /// Nothing that is done under the lock panics, and a count is whole between any two steps.
    fn counts(&self) -> MutexGuard<'_, HashMap<Origin, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something that goes on for a while and is reported once, by whichever worker sees it first.
#[derive(Default)]
struct Episode {
    /// One more than the tick in which it was last seen; zero before the first time. Workers begin
    /// to count ticks at nearly the same time.
    last: AtomicU64,
}

impl Episode {
    /// Notes that it goes on; true where it has begun anew.
    fn note(&self, now: u32) -> bool {
        let last = self.last.swap(u64::from(now) + 1, Ordering::Relaxed);
        match u32::try_from(last.wrapping_sub(1)) {
            Ok(last) => is_before(last.wrapping_add(EPISODE), now),
            Err(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZero;

    use super::{Door, EPISODE, Origin};
    use crate::peer::Peer;

    fn peer(address: &str) -> Peer {
        Peer::Tcp(address.parse().expect("an address"))
    }

    fn origin(address: &str) -> Option<Origin> {
        Origin::of(&peer(address))
    }

    #[test]
    fn it_lets_in_as_many_as_there_are_places() {
        let door = Door::new(NonZero::new(2), None);
        assert!(door.take_place() && door.take_place());
        assert!(door.is_full() && !door.take_place());
        door.leave_place();
        assert!(!door.is_full() && door.take_place());
        assert!((0..100).all(|_| Door::default().take_place()) && !Door::default().is_full());
    }

    #[test]
    fn an_address_is_let_in_as_often_as_it_may_and_is_forgotten_when_it_has_left() {
        let door = Door::new(None, NonZero::new(2));
        let (one, other) = (peer("192.0.2.1:1"), peer("192.0.2.2:1"));
        assert!(door.welcomes(&one) && door.welcomes(&one) && door.welcomes(&other));
        assert!(!door.welcomes(&one), "two are there");
        door.say_farewell(Origin::of(&one));
        assert!(door.welcomes(&one) && !door.welcomes(&one));
        for peer in [&one, &one, &other] {
            door.say_farewell(Origin::of(peer));
        }
        assert!(door.guests.is_some_and(|guests| guests.counts().is_empty()));
    }

    #[test]
    fn an_address_is_one_of_ipv4_or_a_network_of_ipv6_and_unix_has_none() {
        assert_eq!(origin("192.0.2.1:1"), origin("192.0.2.1:2"));
        assert_ne!(origin("192.0.2.1:1"), origin("192.0.2.2:1"));
        assert_eq!(origin("192.0.2.1:1"), origin("[::ffff:192.0.2.1]:1"), "the same in disguise");
        assert_eq!(origin("[2001:db8:0:1::1]:1"), origin("[2001:db8:0:1:ffff::2]:1"));
        assert_ne!(origin("[2001:db8:0:1::1]:1"), origin("[2001:db8:0:2::1]:1"));
        assert_ne!(origin("[::1]:1"), origin("0.0.0.0:1"));
        let door = Door::new(None, NonZero::new(1));
        assert!([Peer::Unix, Peer::Unix, Peer::Unknown].iter().all(|peer| door.welcomes(peer)));
    }

    #[test]
    fn what_goes_on_is_reported_once() {
        let door = Door::default();
        assert!(door.note_full(0));
        assert!(!door.note_full(0) && !door.note_full(EPISODE) && !door.note_full(2 * EPISODE));
        assert!(door.note_full(3 * EPISODE + 1), "it has been away");
        assert!(door.note_crowding(3 * EPISODE + 1), "this is another matter");
        let (door, near_the_end) = (Door::default(), u32::MAX - 5);
        assert!(door.note_full(near_the_end) && !door.note_full(near_the_end.wrapping_add(10)));
    }
}
