//! The echo server while the kernel answers its calls with errors, which strace injects: whatever
//! fails, it fails for one connection at most, no byte of another changes, and the server serves
//! on.
//!
//! Where there is no strace, or tracing is not allowed, these tests say so and check nothing.
#![cfg(target_os = "linux")]

use std::process::{Command, Stdio};

use fsm_tests::child::Served;
use fsm_tests::client::Client;

const ECHO: &str = env!("CARGO_BIN_EXE_watched_echo");

/// The ways to wait, of which a server uses one.
const WAITS: &str = "epoll_wait,epoll_pwait,epoll_pwait2,poll,ppoll";

const LINE: &[u8] = b"a line as it is\n";

/// The echo server under strace, with errors injected as strace's `-e inject=` says.
fn echo_with(injection: &str) -> Option<Served> {
    let inject = format!("inject={injection}");
    let tracer = ["-f", "-qq", "-o", "/dev/null", "--seccomp-bpf", "-e", &inject];
    let probe = Command::new("strace").args(tracer).arg("true").stderr(Stdio::null()).status();
    if !probe.is_ok_and(|status| status.success()) {
        eprintln!("nothing is checked: strace does not run here");
        return None;
    }
    let server = [ECHO, "--listen", "127.0.0.1:0", "--log", "error"];
    Some(Served::start("strace", &[tracer.as_slice(), &server].concat()))
}

/// Has clients come, some of them stay, and each send and compare; answers how many were cut off.
fn converse(server: &Served) -> usize {
    let mut cut_off = 0;
    let mut staying = Vec::new();
    for round in 0..20 {
        // A reset may come as early as to the connecting itself.
        let Ok(client) = Client::try_connect(server.address()) else {
            cut_off += 1;
            continue;
        };
        staying.push(client);
        staying.retain_mut(|client| {
            let served = (0..3).all(|_| client.try_ask(&LINE.repeat(1 + round)));
            cut_off += usize::from(!served);
            served
        });
    }
    for mut client in staying {
        client.finish();
        assert_eq!(client.rest(), b"");
    }
    Client::connect(server.address()).ask(LINE);
    cut_off
}

fn assert_harmless(injection: &str) {
    if let Some(server) = echo_with(injection) {
        assert_eq!(converse(&server), 0, "{injection}");
    }
}

fn assert_costs(injection: &str, most: usize) {
    if let Some(server) = echo_with(injection) {
        let cut_off = converse(&server);
        assert!(cut_off <= most, "{injection} cost {cut_off} connections");
        assert!(cut_off > 0, "{injection} was not injected");
    }
}

#[test]
fn signals_that_interrupt_calls_cost_nothing() {
    assert_harmless("recvfrom:error=EINTR:when=2+3");
    assert_harmless("sendto:error=EINTR:when=2+3");
    assert_harmless("accept4:error=EINTR:when=1+2");
    assert_harmless(&format!("{WAITS}:error=EINTR:when=2+3"));
}

#[test]
fn connections_that_die_before_they_are_accepted_cost_nothing() {
    for error in ["ECONNABORTED", "EPROTO", "EPERM", "ENETDOWN"] {
        assert_harmless(&format!("accept4:error={error}:when=1+3"));
    }
}

#[test]
fn short_memory_and_descriptors_delay_accepting_and_cost_nothing() {
    for error in ["ENFILE", "ENOMEM", "ENOBUFS", "EMFILE"] {
        assert_harmless(&format!("accept4:error={error}:when=3+40"));
    }
}

#[test]
fn a_call_that_fails_for_good_costs_one_connection() {
    assert_costs("recvfrom:error=ECONNRESET:when=50+100000", 1);
    assert_costs("sendto:error=EPIPE:when=50+100000", 1);
    assert_costs("recvfrom:error=ETIMEDOUT:when=10+100000", 1);
}
