//! Eleven facts about `polling` and epoll that set traps for an event loop, each pinned, so that a
//! version of `polling` that changes one is noticed; and where a trap could catch the runtime, a
//! test that it does not. The runtime waits on the poller's own descriptor on Linux, which
//! `polling` allows but does not describe.

/// Facts of epoll and of `polling` on it.
#[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
mod facts {
    #![allow(unsafe_code, reason = "`polling` cannot know that a source outlives its registration")]

    use std::collections::BTreeSet;
    use std::io::{ErrorKind, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::num::NonZeroUsize;
    use std::os::fd::{AsFd, AsRawFd};
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    use fsm_tests::child::Served;
    use fsm_tests::clock::Stopwatch;
    use polling::{Event, Events, PollMode, Poller};
    use rustix::buffer::spare_capacity;
    use rustix::event::{EventfdFlags, epoll, eventfd};
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };

    /// Long enough for whatever is on its way over loopback.
    const A_WHILE: Duration = Duration::from_millis(60);

    /// The key of `polling`'s own notifier, as the descriptor reports it.
    const NOTIFIER: u64 = u64::MAX;

    fn poller() -> Poller {
        Poller::new().expect("descriptors are left")
    }

    fn watch(poller: &Poller, source: &impl AsRawFd, interest: Event, mode: PollMode) {
        try_watch(poller, source, interest, mode).expect("the source can be watched");
    }

    fn try_watch(
        poller: &Poller,
        source: &impl AsRawFd,
        interest: Event,
        mode: PollMode,
    ) -> std::io::Result<()> {
        // SAFETY: the tests declare their poller before its sources and use it no more after they
        // close them, except where epoll's behaviour then is what is tested; epoll forgets closed
        // sources.
        unsafe { poller.add_with_mode(source.as_raw_fd(), interest, mode) }
    }

    /// What `Poller::wait` reports within a while.
    fn wait(poller: &Poller) -> Vec<Event> {
        let mut events = Events::new();
        poller.wait(&mut events, Some(A_WHILE)).expect("waiting works");
        events.iter().collect()
    }

    /// What the poller's descriptor reports within a while: the keys.
    fn wait_directly(poller: &Poller) -> Vec<u64> {
        let mut events: Vec<epoll::Event> = Vec::with_capacity(16);
        let nanos = A_WHILE.as_nanos().try_into().expect("less than a second");
        let timeout = Timespec { tv_sec: 0, tv_nsec: nanos };
        epoll::wait(poller.as_fd(), spare_capacity(&mut events), Some(&timeout)).expect("waits");
        events.iter().map(|event| event.data.u64()).collect()
    }

    fn tcp_pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is left");
        let address = listener.local_addr().expect("it is bound");
        let client = TcpStream::connect(address).expect("it listens");
        (listener.accept().expect("it waits").0, client)
    }

    fn unix_pair() -> (UnixStream, UnixStream) {
        UnixStream::pair().expect("descriptors are left")
    }

    #[test]
    fn h1_an_edge_and_a_short_read_lose_the_end_of_input() {
        let poller = poller();
        let (mut server, mut client) = tcp_pair();
        server.set_nonblocking(true).expect("a socket has modes");
        client.write_all(b"hello").expect("it is taken");
        drop(client);
        thread::sleep(A_WHILE);
        watch(&poller, &server, Event::readable(1), PollMode::Edge);
        assert_eq!(wait(&poller).len(), 1);
        assert_eq!(server.read(&mut [0; 64]).expect("data is there"), 5);
        assert_eq!(wait(&poller).len(), 0, "the end came with the data, and is not reported again");
        assert_eq!(server.read(&mut [0; 64]).expect("it is there all the same"), 0);
    }

    #[test]
    fn h2_a_reset_cannot_be_masked_in_level_mode_and_spins() {
        let poller = poller();
        let (server, client) = tcp_pair();
        watch(&poller, &server, Event::none(1), PollMode::Level);
        rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO)).expect("resets");
        drop(client);
        for _ in 0..100 {
            assert_eq!(wait(&poller).len(), 1, "reported at once, again and again");
        }

        let other = self::poller();
        let (server, client) = tcp_pair();
        watch(&other, &server, Event::none(1), PollMode::Level);
        drop(client);
        assert_eq!(wait(&other).len(), 0, "an ordinary end is not reported");
    }

    #[test]
    fn h3_on_the_descriptor_a_second_notification_is_lost_until_polling_has_waited() {
        let poller = poller();
        poller.notify().expect("it can be notified");
        assert_eq!(wait_directly(&poller), [NOTIFIER]);
        poller.notify().expect("it can be notified");
        assert_eq!(wait_directly(&poller), [0_u64; 0]);
        poller.wait(&mut Events::new(), Some(Duration::ZERO)).expect("waits");
        poller.notify().expect("it can be notified");
        assert_eq!(wait_directly(&poller), [NOTIFIER]);
    }

    #[test]
    fn h3_keys_come_through_the_descriptor_as_they_are() {
        let poller = poller();
        let (server, mut client) = unix_pair();
        let key = (7 << 32) | 9;
        watch(&poller, &server, Event::readable(key), PollMode::Level);
        client.write_all(b"x").expect("it is taken");
        assert_eq!(wait_directly(&poller), [key as u64]);
        assert_eq!(wait(&poller).len(), 1);
    }

    #[test]
    fn h4_a_counter_watched_by_edges_and_never_read_wakes_on_each_write() {
        let poller = poller();
        let counter = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC).expect("one");
        watch(&poller, &counter, Event::readable(1), PollMode::Edge);
        for _ in 0..3 {
            rustix::io::write(&counter, &1_u64.to_ne_bytes()).expect("it counts");
            assert_eq!(wait(&poller).len(), 1);
            assert_eq!(wait(&poller).len(), 0);
        }
    }

    #[test]
    fn h4_a_timer_watched_by_edges_and_never_read_wakes_at_each_expiry() {
        let poller = poller();
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK).expect("one");
        watch(&poller, &timer, Event::readable(1), PollMode::Edge);
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let soon = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
        for _ in 0..3 {
            let value = Itimerspec { it_interval: zero, it_value: soon };
            timerfd_settime(&timer, TimerfdTimerFlags::empty(), &value).expect("it can be set");
            assert_eq!(wait(&poller).len(), 1);
            assert_eq!(wait(&poller).len(), 0);
        }
        // Set again after it went off and before anybody waited: the old expiry is gone.
        let value = Itimerspec { it_interval: zero, it_value: soon };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &value).expect("it can be set");
        thread::sleep(A_WHILE / 2);
        let later = Itimerspec { it_interval: zero, it_value: Timespec { tv_sec: 9, tv_nsec: 0 } };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &later).expect("it can be set");
        assert_eq!(wait(&poller).len(), 0);
    }

    #[test]
    fn h5_events_are_appended_and_a_full_buffer_is_an_error() {
        let poller = poller();
        let pairs: Vec<_> = (0..2).map(|_| unix_pair()).collect();
        for (key, (server, client)) in pairs.iter().enumerate() {
            watch(&poller, server, Event::readable(key), PollMode::Level);
            let mut client = client;
            client.write_all(b"x").expect("it is taken");
        }
        let mut events = Events::with_capacity(NonZeroUsize::new(3).expect("not zero"));
        poller.wait(&mut events, Some(A_WHILE)).expect("waits");
        assert_eq!(events.len(), 2);
        poller.wait(&mut events, Some(A_WHILE)).expect("waits");
        assert_eq!((events.len(), events.capacity().get()), (3, 3), "appended, and never grown");
        let full = poller.wait(&mut events, Some(A_WHILE)).expect_err("there is no room");
        assert_eq!(full.kind(), ErrorKind::InvalidInput);
    }

    #[test]
    fn h5_a_small_buffer_goes_round_all_sources_that_stay_ready() {
        let poller = poller();
        let pairs: Vec<_> = (0..4).map(|_| unix_pair()).collect();
        for (key, (server, client)) in pairs.iter().enumerate() {
            watch(&poller, server, Event::readable(key), PollMode::Level);
            let mut client = client;
            client.write_all(b"x").expect("it is taken");
        }
        let mut seen = BTreeSet::new();
        for _ in 0..2 {
            let mut events = Events::with_capacity(NonZeroUsize::new(2).expect("not zero"));
            poller.wait(&mut events, Some(A_WHILE)).expect("waits");
            seen.extend(events.iter().map(|event| event.key));
        }
        assert_eq!(seen, BTreeSet::from([0, 1, 2, 3]));
    }

    #[test]
    fn h6_wrong_registrations_are_refused() {
        let poller = poller();
        let (server, client) = unix_pair();
        watch(&poller, &server, Event::readable(1), PollMode::Level);
        let twice = try_watch(&poller, &server, Event::readable(2), PollMode::Level);
        assert_eq!(twice.expect_err("it is watched already").kind(), ErrorKind::AlreadyExists);
        let key = Event::readable(usize::MAX);
        let reserved = try_watch(&poller, &client, key, PollMode::Level);
        assert_eq!(reserved.expect_err("the key is polling's").kind(), ErrorKind::InvalidInput);
        let unknown = poller.modify(&client, Event::readable(3)).expect_err("nobody watches it");
        assert_eq!(unknown.kind(), ErrorKind::NotFound);
        let unknown = poller.delete(&client).expect_err("nobody watches it");
        assert_eq!(unknown.kind(), ErrorKind::NotFound);
    }

    #[test]
    fn h7_a_source_closed_without_goodbye_leaves_and_its_number_can_be_watched_again() {
        let poller = poller();
        let (server, client) = unix_pair();
        let number = server.as_raw_fd();
        watch(&poller, &server, Event::readable(1), PollMode::Level);
        drop(client);
        drop(server);
        assert_eq!(wait(&poller).len(), 0);
        // Other tests open descriptors at the same time, so the number comes back only sooner or
        // later.
        let pairs: Vec<_> = (0..64).map(|_| unix_pair()).collect();
        let again = pairs.iter().flat_map(|(one, other)| [one, other]);
        if let Some(again) = again.into_iter().find(|socket| socket.as_raw_fd() == number) {
            watch(&poller, again, Event::readable(2), PollMode::Level);
        }
    }

    #[test]
    fn h7_a_duplicate_keeps_events_of_a_closed_source_coming() {
        let poller = poller();
        let (server, mut client) = unix_pair();
        watch(&poller, &server, Event::readable(1), PollMode::Level);
        let duplicate = server.try_clone().expect("a descriptor is left");
        drop(server);
        client.write_all(b"x").expect("it is taken");
        assert_eq!(wait(&poller).len(), 1);
        drop(duplicate);
        assert_eq!(wait(&poller).len(), 0);
    }

    #[test]
    fn h8_polling_is_as_precise_as_its_timer_and_a_direct_wait_rounds_up_to_milliseconds() {
        let poller = poller();
        let asked = Duration::from_micros(300);
        let shortest = |wait: &dyn Fn()| {
            let waits = (0..40).map(|_| {
                let watch = Stopwatch::start();
                wait();
                watch.elapsed()
            });
            waits.min().expect("there were some")
        };
        let through_polling = shortest(&|| {
            poller.wait(&mut Events::new(), Some(asked)).expect("waits");
        });
        let direct = shortest(&|| {
            let mut events: Vec<epoll::Event> = Vec::with_capacity(1);
            let timeout = Timespec { tv_sec: 0, tv_nsec: 300_000 };
            epoll::wait(poller.as_fd(), spare_capacity(&mut events), Some(&timeout))
                .expect("waits");
        });
        assert!(through_polling >= asked, "{through_polling:?} is too early");
        assert!(through_polling < Duration::from_micros(900), "{through_polling:?} is rounded");
        assert!(direct >= Duration::from_micros(900), "{direct:?} is not rounded");
    }

    #[test]
    fn h9_a_signal_does_not_end_a_wait() {
        let ended = Served::spawn(env!("CARGO_BIN_EXE_signalled_wait"), &[]).wait();
        let words: Vec<_> = ended.stdout.split_whitespace().collect();
        let [caught, events, waited] = words[..] else { panic!("{ended:?}") };
        assert_eq!((caught, events), ("true", "0"));
        assert!(waited.parse::<u64>().expect("a number") >= 600, "{waited} ms is too early");
    }

    #[test]
    fn h10_a_second_thread_that_waits_is_sent_away_at_once() {
        let poller = Arc::new(poller());
        let other = Arc::clone(&poller);
        let first = thread::spawn(move || {
            other.wait(&mut Events::new(), Some(Duration::from_secs(10))).expect("waits")
        });
        thread::sleep(A_WHILE);
        let watch = Stopwatch::start();
        let second = poller.wait(&mut Events::new(), Some(Duration::from_secs(10)));
        assert_eq!(second.expect("no error"), 0);
        assert!(watch.elapsed() < Duration::from_secs(5), "{:?}", watch.elapsed());
        poller.notify().expect("it can be notified");
        first.join().expect("it was notified");
    }

    #[test]
    fn h11_a_poller_can_be_watched_by_another() {
        let (outer, inner) = (poller(), poller());
        watch(&outer, &inner.as_fd(), Event::readable(7), PollMode::Level);
        let (server, mut client) = unix_pair();
        watch(&inner, &server, Event::readable(1), PollMode::Level);
        assert_eq!(wait(&outer).len(), 0);
        client.write_all(b"x").expect("it is taken");
        assert_eq!(wait(&outer)[0].key, 7);
        assert_eq!(wait(&inner)[0].key, 1);
    }

    #[test]
    fn out_of_band_bytes_wake_through_polling_and_are_no_input() {
        let poller = poller();
        let (server, client) = tcp_pair();
        watch(&poller, &server, Event::readable(1), PollMode::Level);
        rustix::net::send(&client, b"!", rustix::net::SendFlags::OOB).expect("it is taken");
        assert!(wait(&poller)[0].is_priority());
    }
}

/// The runtime beside the traps: whichever way it waits, it does not step into them.
mod runtime {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::thread;
    use std::time::Duration;

    use fsm_runtime::{Io, Lines, Machine};
    use fsm_tests::client::Client;
    use fsm_tests::clock::Stopwatch;
    use fsm_tests::inside::{Inside, serve, serve_at};
    use fsm_tests::scratch::Scratch;
    use rustix::time::{ClockId, clock_gettime};

    /// What a connection that waits may cost in processor time, whatever else the machine does.
    const NEXT_TO_NOTHING: Duration = Duration::from_millis(40);

    const PATIENCE: Duration = Duration::from_secs(20);

    /// An echo server that can be kept busy, so that what clients do meanwhile comes to it at once.
    #[derive(Machine)]
    #[machine(context = Sleepy, input = Lines<'_>)]
    enum Napping {
        #[initial]
        #[on(Line(line) => echo(line))]
        #[on(TooLong -> Closed)]
        #[on(eof(rest) => echo(rest) -> Closed)]
        #[on(shutdown -> Closed)]
        #[after(20s without input -> Closed)]
        Awake,

        #[terminal]
        Closed,
    }

    struct Sleepy;

    const NAP: Duration = Duration::from_millis(200);

    impl Sleepy {
        fn echo(&mut self, line: &[u8], io: &mut Io<'_, Napping>) {
            if line == b"nap\n" {
                thread::sleep(NAP);
            }
            io.out.send(line);
        }
    }

    /// Runs `meanwhile` while the worker is busy.
    fn during_a_nap(server: &Inside, meanwhile: impl FnOnce()) {
        let mut sleeper = Client::connect(server.address());
        sleeper.send(b"nap\n");
        thread::sleep(NAP / 4);
        meanwhile();
        sleeper.expect(b"nap\n");
    }

    #[test]
    fn h1_data_and_the_end_in_one_event_end_the_connection() {
        let scratch = Scratch::new();
        for address in ["127.0.0.1:0", &scratch.address("napping")] {
            let server = serve_at::<Napping>(address, |_| Sleepy);
            let mut clients: Vec<_> = (0..3).map(|_| Client::connect(server.address())).collect();
            for client in &mut clients {
                client.ask(b"the poller knows me\n");
            }
            let last: [&[u8]; 3] = [b"whole\n", b"half", b""];
            during_a_nap(&server, || {
                for (client, last) in clients.iter_mut().zip(last) {
                    client.send(last);
                    client.finish();
                }
            });
            for (client, last) in clients.iter_mut().zip(last) {
                assert_eq!(client.rest(), last, "at {address}");
            }
        }
    }

    #[test]
    fn h5_more_sources_ready_than_one_wait_takes_are_all_served() {
        let server = serve::<Napping>(|_| Sleepy);
        let mut clients: Vec<_> = (0..700).map(|_| Client::connect(server.address())).collect();
        for client in &mut clients {
            client.ask(b"the poller knows me\n");
        }
        during_a_nap(&server, || {
            for client in &mut clients {
                client.send(b"all at once\n");
            }
        });
        for client in &mut clients {
            client.expect(b"all at once\n");
        }
    }

    #[test]
    fn h7_descriptor_numbers_used_again_cause_no_mix_up() {
        let server = serve::<Napping>(|_| Sleepy);
        let mut stays = Client::connect(server.address());
        for round in 0..300 {
            let mut client = Client::connect(server.address());
            client.ask(format!("round {round}\n").as_bytes());
            match round % 3 {
                0 => client.finish(),
                1 => client.reset(),
                _ => {}
            }
            stays.ask(format!("beside {round}\n").as_bytes());
        }
        let summary = server.end();
        assert_eq!((summary.accepted, summary.panics), (301, 0), "{summary:?}");
    }

    #[test]
    fn h10_servers_of_one_process_do_not_share_a_poller() {
        let servers: Vec<_> = (0..3).map(|_| serve::<Napping>(|_| Sleepy)).collect();
        let mut clients: Vec<_> =
            servers.iter().map(|server| Client::connect(server.address())).collect();
        for _ in 0..50 {
            for client in &mut clients {
                client.ask(b"hello\n");
            }
        }
    }

    #[test]
    fn bytes_out_of_band_are_no_input_and_do_no_harm() {
        let server = serve::<Napping>(|_| Sleepy);
        let mut client = Client::connect(server.address());
        client.ask(b"before\n");
        for _ in 0..10 {
            rustix::net::send(client.stream(), b"!", rustix::net::SendFlags::OOB).expect("taken");
        }
        client.ask(b"behind\n");
    }

    /// Takes no input while it waits for the clock, and reports what that cost.
    #[derive(Machine)]
    #[machine(context = Report, input = Lines<'_>)]
    enum Deafened {
        #[initial]
        #[on(Line(_) => deafen -> Deaf)]
        #[on(TooLong -> Closed)]
        #[on(eof(_) -> Closed)]
        #[on(shutdown -> Closed)]
        #[after(20s without input -> Closed)]
        Listening,

        #[ignores(shutdown)]
        #[after(600ms -> Closed)]
        Deaf,

        #[terminal]
        #[enter(report)]
        Closed,
    }

    /// Where the processor time of the worker between two states is sent.
    struct Report {
        to: Sender<Duration>,
        since: Duration,
    }

    /// The processor time of the thread that asks.
    fn thread_time() -> Duration {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        let (seconds, nanos) = (time.tv_sec.cast_unsigned(), time.tv_nsec.cast_unsigned());
        Duration::from_secs(seconds) + Duration::from_nanos(nanos)
    }

    impl Report {
        fn deafen(&mut self, io: &mut Io<'_, Deafened>) {
            self.since = thread_time();
            io.out.send(b"deaf\n");
        }

        fn report(&mut self, _: &mut Io<'_, Deafened>) {
            // The test may be content with an earlier report.
            let _ = self.to.send(thread_time() - self.since);
        }
    }

    fn serve_deafened(address: &str) -> (Inside, Receiver<Duration>) {
        let (to, reports) = channel();
        let context = move |_: &_| Report { to: to.clone(), since: Duration::ZERO };
        (serve_at::<Deafened>(address, context), reports)
    }

    /// Something a client may do, and its name.
    type Leaving = (&'static str, fn(Client));

    #[test]
    fn h2_whatever_the_peer_does_to_a_state_that_does_not_read_the_loop_does_not_spin() {
        let scratch = Scratch::new();
        let leave: [Leaving; 4] = [
            ("a reset", Client::reset),
            ("a close", |client| drop(client)),
            ("half a close", |mut client| {
                client.finish();
                thread::sleep(Duration::from_secs(1));
            }),
            ("more input", |mut client| {
                client.send(b"more\n");
                thread::sleep(Duration::from_secs(1));
            }),
        ];
        for address in ["127.0.0.1:0", &scratch.address("deafened")] {
            let (server, reports) = serve_deafened(address);
            for (what, leave) in leave {
                let mut client = Client::connect(server.address());
                client.send(b"be deaf\n");
                client.expect(b"deaf\n");
                leave(client);
                let spent = reports.recv_timeout(PATIENCE).expect("the state ends by itself");
                assert!(spent < NEXT_TO_NOTHING, "{what} at {address} cost {spent:?}");
            }
        }
    }

    /// Closes after as long as it is told.
    #[derive(Machine)]
    #[machine(context = Limit, input = Lines<'_>)]
    enum Timed {
        #[initial]
        #[on(Line(line) => set(line) -> Waiting | Closed)]
        #[on(TooLong -> Closed)]
        #[on(eof(_) -> Closed)]
        #[on(shutdown -> Closed)]
        #[after(20s without input -> Closed)]
        Listening,

        #[ignores(shutdown)]
        #[after(limit() -> Closed)]
        Waiting,

        #[terminal]
        #[enter(report)]
        Closed,
    }

    struct Limit {
        limit: Duration,
        since: Duration,
        to: Sender<Duration>,
    }

    impl Limit {
        fn set(&mut self, line: &[u8], io: &mut Io<'_, Timed>) -> TimedSet {
            let text = String::from_utf8_lossy(line);
            let Ok(millis) = text.trim_end().parse() else { return TimedSet::Closed };
            self.limit = Duration::from_millis(millis);
            self.since = thread_time();
            io.out.send(b"set\n");
            TimedSet::Waiting
        }

        fn limit(&self) -> Duration {
            self.limit
        }

        fn report(&mut self, _: &mut Io<'_, Timed>) {
            let _ = self.to.send(thread_time() - self.since);
        }
    }

    #[test]
    fn h8_a_deadline_passes_neither_early_nor_much_too_late_and_costs_nothing_meanwhile() {
        let (to, reports) = channel();
        let context =
            move |_: &_| Limit { limit: Duration::ZERO, since: Duration::ZERO, to: to.clone() };
        let server = serve::<Timed>(context);
        for millis in [0, 1, 15, 16, 17, 100, 250, 700] {
            let mut client = Client::connect(server.address());
            // From before it is set to after it has passed: never less than the limit.
            let watch = Stopwatch::start();
            client.send(format!("{millis}\n").as_bytes());
            client.expect(b"set\n");
            assert_eq!(client.rest(), b"");
            let (passed, limit) = (watch.elapsed(), Duration::from_millis(millis));
            assert!(passed >= limit, "{passed:?} is less than {limit:?}");
            assert!(passed < limit + Duration::from_millis(500), "{passed:?} for {limit:?}");
            let spent = reports.recv_timeout(PATIENCE).expect("it ends");
            assert!(spent < NEXT_TO_NOTHING, "waiting {limit:?} cost {spent:?}");
        }
    }

    #[test]
    fn h8_a_deadline_that_moves_earlier_is_not_waited_for_until_the_old_one() {
        let (to, _reports) = channel();
        let context =
            move |_: &_| Limit { limit: Duration::ZERO, since: Duration::ZERO, to: to.clone() };
        let server = serve::<Timed>(context);
        // The first arms the timer for twenty seconds; the others come before that, each before the
        // last.
        let _late = Client::connect(server.address());
        let watch = Stopwatch::start();
        let clients = [900, 600, 300].map(|millis| {
            let mut client = Client::connect(server.address());
            client.send(format!("{millis}\n").as_bytes());
            client.expect(b"set\n");
            (millis, client)
        });
        for (millis, mut client) in clients.into_iter().rev() {
            assert_eq!(client.rest(), b"");
            let passed = watch.elapsed();
            assert!(passed >= Duration::from_millis(millis), "{passed:?} for {millis} ms");
            assert!(passed < Duration::from_millis(millis + 280), "{passed:?} for {millis} ms");
        }
    }
}
