//! Server on core 0, client on core 1: neither disturbs the other, and every run is alike.

use std::{fs, io};

use rustix::{
    io::Errno,
    process::{Pid, Resource, getrlimit, setrlimit},
    thread::{CpuSet, sched_setaffinity},
};

/// The core of every server, alone with it.
const SERVER_CORE: usize = 0;
/// The core of the client and of everything else in the bench.
const CLIENT_CORE: usize = 1;

/// Puts a server on its core.
pub fn server(pid: Pid) -> io::Result<()> {
    pin(Some(pid), SERVER_CORE)
}

/// Puts the calling thread, and the threads and children it starts from now on, on the client's
/// core.
pub fn client() -> io::Result<()> {
    pin(None, CLIENT_CORE)
}

/// Puts the calling thread on a core of those that there are.
pub fn thread(core: usize) -> io::Result<()> {
    pin(None, core)
}

/// Lets each thread of a server, and of those that it starts, have any core: for a server with more
/// workers than one.
pub fn free(pid: Pid, cores: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    (0..cores).for_each(|core| set.set(core));
    for task in fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero()))? {
        let task = task?.file_name();
        let task = task.to_str().and_then(|it| it.parse().ok()).and_then(Pid::from_raw);
        sched_setaffinity(task, &set)?;
    }
    Ok(())
}

fn pin(pid: Option<Pid>, core: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    match sched_setaffinity(pid, &set) {
        // A machine with one core has no choice; its times are worth little, its counts as much as
        // ever.
        Err(Errno::INVAL) => Ok(()),
        other => Ok(other?),
    }
}

/// Raises the soft limit of open files to the hard one, and says how many that is.
pub fn raise_open_files() -> io::Result<u64> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)?;
    Ok(limit.current.unwrap_or(u64::MAX))
}
