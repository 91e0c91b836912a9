//! What the system allows the process: raised as far as goes, and compared with what the server was
//! asked for.

use std::num::NonZero;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit of open files to the most that the process may choose. The low one is there for
/// programs that wait with `select`, which cannot count further than 1,023; Go, HAProxy and Redis
/// do the same, and nginx where it is told to.
pub(crate) fn raise_descriptors() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, ?current, "the limit of open files could not be raised");
    }
}

/// Says so where the process cannot hold as many connections as it was asked to. To be called when
/// everything else is open.
pub(crate) fn check_connections(max_connections: Option<NonZero<usize>>) {
    let room = room().unwrap_or(usize::MAX);
    if let Some(wanted) = max_connections.filter(|wanted| wanted.get() > room) {
        tracing::warn!(
            "at most {room} of {wanted} connections can be held: the limit of open files is too \
             low (`ulimit -n`, or `LimitNOFILE=` of systemd); accepting pauses there"
        );
    }
}

/// Says so where the system keeps fewer connections ready at a listener than it was asked for: it
/// does so without a word.
pub(crate) fn check_backlog(wanted: u16) {
    // Where there is no such file the limit is unknown.
    let text = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap_or_default();
    if let Ok(most) = text.trim().parse::<u32>()
        && most < u32::from(wanted)
    {
        tracing::warn!("the backlog is {most} and not {wanted}: raise `net.core.somaxconn`");
    }
}

/// How many more descriptors the process can open, as far as is known.
fn room() -> Option<usize> {
    let limit = usize::try_from(getrlimit(Resource::Nofile).current?).ok()?;
    // The folder that is read is open itself, and is closed afterwards.
    let open = std::fs::read_dir("/dev/fd").map_or(0, |open| open.count().saturating_sub(1));
    Some(limit.saturating_sub(open))
}
