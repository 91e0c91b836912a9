//! Counts what a server does: instructions and system calls, by whatever this machine can count
//! with.
//!
//! Hardware counters are exact and see the kernel too, but virtual machines often have none.
//! Callgrind then counts the instructions of user space exactly; the kernel's stay unknown, and
//! what is derived from them is called derived. Every count is a slope: a run with N lines and one
//! with 2N, subtracted and divided, so that starting, connecting and ending cost nothing.

use std::{collections::HashMap, fs, io, path::Path, path::PathBuf, process::Command};

use clap::ValueEnum;
use rustix::process::Pid;

use crate::{
    bursts::Crowd,
    http::Ask,
    load::Work,
    server::{Spec, is_installed, target_directory},
};

/// What this machine can count with.
#[derive(Clone, Copy, Debug)]
pub struct Counters {
    /// Instructions of user and kernel, by the processor.
    pub hardware: bool,
    /// System calls, by a tracepoint.
    pub tracepoint: bool,
    /// User instructions, by simulation.
    pub callgrind: bool,
    /// System calls, by tracing: slow, which changes how events fall together.
    pub strace: bool,
}

/// What one line costs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Instructions in user space.
    pub user: Option<f64>,
    /// Instructions in the kernel.
    pub kernel: Option<f64>,
    /// System calls.
    pub calls: Option<f64>,
}

const USER: &str = "instructions:u";
const KERNEL: &str = "instructions:k";
const CALLS: &str = "raw_syscalls:sys_enter";

/// How long strace may take to write its table once the server has ended.
const STRACE_WRITES: std::time::Duration = std::time::Duration::from_millis(500);

impl Counters {
    /// Tries each tool on a program that does nothing.
    #[must_use]
    pub fn probe() -> Self {
        let perf = perf_counts(None, &["true".to_owned()]).unwrap_or_default();
        Self {
            hardware: perf.user.is_some() && perf.kernel.is_some(),
            tracepoint: perf.calls.is_some(),
            callgrind: is_installed("valgrind"),
            strace: is_installed("strace"),
        }
    }

    /// One line on how the figures below came about.
    #[must_use]
    pub fn describe(&self) -> String {
        let instructions = match (self.hardware, self.callgrind) {
            (true, _) => "instructions by hardware counters (perf)",
            (false, true) => {
                "user instructions by callgrind, exact (no hardware counters here; the kernel's \
                 are not counted, nor the vDSO's, whose clock reads become system calls; a `rep \
                 movsb` of the C library counts as nothing)"
            }
            (false, false) => "no instructions (neither hardware counters nor valgrind)",
        };
        let calls = match (self.tracepoint, self.strace) {
            (true, _) => "system calls by perf's tracepoint",
            (false, true) => "system calls by strace, which slows servers down",
            (false, false) => "no system calls (perf may not trace them, and there is no strace)",
        };
        format!("counting {instructions}; {calls}")
    }

    /// What a running server spends on a line of `work`, as far as `perf` can tell.
    pub fn by_perf(&self, server: &crate::server::Server, work: Work) -> io::Result<Cost> {
        if !self.hardware && !self.tracepoint {
            return Ok(Cost::default());
        }
        let count =
            |work: Work| perf_counts(Some(server.pid()), &load_command(server.address, work)?);
        let (once, twice) = (count(work)?, count(work.with_lines(2 * work.lines()))?);
        Ok(Cost {
            user: slope(once.user, twice.user, work),
            kernel: slope(once.kernel, twice.kernel, work),
            calls: slope(once.calls, twice.calls, work),
        })
    }

    /// User instructions of a line, each run with a server of its own under callgrind.
    pub fn by_callgrind(&self, spec: &Spec, work: Work) -> io::Result<Option<f64>> {
        self.by_callgrind_beside(spec, 0, work)
    }

    /// The same beside so many idle connections, which are opened first: the slope is free of what
    /// that costs.
    pub fn by_callgrind_beside(
        &self,
        spec: &Spec,
        idle: usize,
        work: Work,
    ) -> io::Result<Option<f64>> {
        if !self.callgrind {
            return Ok(None);
        }
        let once = callgrind_total(spec, idle, work)?;
        let twice = callgrind_total(spec, idle, work.with_lines(2 * work.lines()))?;
        Ok(slope(Some(once), Some(twice), work))
    }

    /// System calls of a line, each run with a server of its own under strace.
    pub fn by_strace(&self, spec: &Spec, work: Work) -> io::Result<Option<f64>> {
        if !self.strace {
            return Ok(None);
        }
        let once = strace_total(spec, work)?;
        let twice = strace_total(spec, work.with_lines(2 * work.lines()))?;
        Ok(slope(Some(once), Some(twice), work))
    }

    /// How often a line has each system call made, by its name; nothing without strace.
    pub fn calls_by_name(&self, spec: &Spec, work: Work) -> io::Result<Vec<(String, f64)>> {
        if !self.strace {
            return Ok(Vec::new());
        }
        let once = strace_calls(&strace_table(spec, work)?);
        let twice = strace_calls(&strace_table(spec, work.with_lines(2 * work.lines()))?);
        let slope = |(name, calls): (String, f64)| {
            let before = once.get(&name).copied().unwrap_or(0.0);
            (name, (calls - before) / work.lines() as f64)
        };
        Ok(twice.into_iter().filter(|(name, _)| name != "total").map(slope).collect())
    }
}

fn slope(once: Option<f64>, twice: Option<f64>, work: Work) -> Option<f64> {
    Some((twice? - once?) / work.lines() as f64)
}

/// The client as a program of its own, so that `perf` counts exactly while it runs.
fn load_command(address: std::net::SocketAddr, work: Work) -> io::Result<Vec<String>> {
    let program = target_directory()?.join("load");
    let mut words = vec![program.display().to_string(), address.to_string()];
    match work {
        Work::Requests { count } => words.extend(["requests".to_owned(), count.to_string()]),
        Work::Lines { connections, depth, at_once, lines } => {
            words.push("lines".to_owned());
            words.push(lines.to_string());
            words.extend([connections, depth, at_once].map(|it| it.to_string()));
        }
        Work::Http { connections, at_once, ask: Ask { head, page }, count } => {
            let [head, page] = [head.to_possible_value(), page.to_possible_value()]
                .map(|it| it.map(|it| it.get_name().to_owned()).unwrap_or_default());
            words.extend(["http".to_owned(), head, page, count.to_string()]);
            words.extend([connections, at_once].map(|it| it.to_string()));
        }
    }
    Ok(words)
}

/// Runs a command while `perf` counts in a process, or in the command itself.
fn perf_counts(pid: Option<Pid>, command: &[String]) -> io::Result<Cost> {
    let output = scratch("perf")?;
    let mut perf = Command::new("perf");
    perf.args(["stat", "-x", ",", "-e", &[USER, KERNEL, CALLS].join(","), "-o"]).arg(&output);
    if let Some(pid) = pid {
        perf.args(["-p", &pid.as_raw_nonzero().to_string()]);
    }
    let run = perf.arg("--").args(command).output()?;
    if !run.status.success() {
        return Err(io::Error::other(format!(
            "perf: {}",
            String::from_utf8_lossy(&run.stderr).trim_end()
        )));
    }
    let text = fs::read_to_string(&output)?;
    fs::remove_file(&output)?;
    let value = |event: &str| {
        let line = text.lines().find(|line| line.split(',').nth(2) == Some(event))?;
        line.split(',').next()?.parse().ok()
    };
    Ok(Cost { user: value(USER), kernel: value(KERNEL), calls: value(CALLS) })
}

fn callgrind_total(spec: &Spec, idle: usize, work: Work) -> io::Result<f64> {
    let output = scratch("callgrind")?;
    let file = format!("--callgrind-out-file={}", output.display());
    let tool = ["valgrind", "--quiet", "--tool=callgrind", "--dump-instr=yes", &file];
    run_under(spec, &[&tool[..], &PLAIN].concat(), idle, work)?;
    let text = fs::read_to_string(&output)?;
    fs::remove_file(&output)?;
    let total = instructions_in(&text);
    let total = total.ok_or_else(|| io::Error::other("callgrind wrote no total"))?;
    Ok(total - repeated_in(&text))
}

/// Every position and name in callgrind's file is written out.
const PLAIN: [&str; 2] = ["--compress-pos=no", "--compress-strings=no"];

/// The bytes that were copied by `rep movsb`, which callgrind counts as an instruction for each
/// byte, and the processor as one for all of them.
///
/// The C library copies so from a few thousand bytes on. Which of its instructions are such is read
/// from its file, at the address that callgrind gives. Where a linker has put them elsewhere
/// nothing is taken off.
fn repeated_in(text: &str) -> f64 {
    const REP_MOVSB: [u8; 2] = [0xF3, 0xA4];
    let (mut libc, mut is_libc, mut is_call) = (Vec::new(), false, false);
    let mut repeated = 0.0;
    for line in text.lines() {
        if let Some(object) = line.strip_prefix("ob=") {
            is_libc = object.contains("/libc.so") || object.contains("/libc-");
            if is_libc && libc.is_empty() {
                libc = fs::read(object).unwrap_or_default();
            }
        }
        // The line behind a call says what the called function took, and is not of this place.
        if is_libc
            && !is_call
            && let Some((at, count)) = cost_in(line)
        {
            let is_it = libc.get(at..at + REP_MOVSB.len()) == Some(&REP_MOVSB[..]);
            repeated += if is_it { count } else { 0.0 };
        }
        is_call = line.starts_with("calls=");
    }
    repeated
}

/// The address of an instruction and how often it was executed: "0x152d8a 598 65767", with a line
/// of the source between them.
fn cost_in(line: &str) -> Option<(usize, f64)> {
    let mut words = line.strip_prefix("0x")?.split(' ');
    let at = usize::from_str_radix(words.next()?, 16).ok()?;
    Some((at, words.nth(1)?.parse().ok()?))
}

/// The total in a file that callgrind wrote.
fn instructions_in(text: &str) -> Option<f64> {
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "))?;
    total.trim().parse().ok()
}

/// User instructions that a program spends from start to end, by callgrind, or else by the
/// processor.
pub fn instructions_of(program: &Path, arguments: &[String]) -> io::Result<f64> {
    let mut command = vec![program.display().to_string()];
    command.extend_from_slice(arguments);
    if !is_installed("valgrind") {
        let counted = perf_counts(None, &command)?.user;
        return counted.ok_or_else(|| io::Error::other("neither valgrind nor hardware counters"));
    }
    let output = scratch("callgrind")?;
    let run = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind"])
        .arg(format!("--callgrind-out-file={}", output.display()))
        .args(command)
        .output()?;
    if !run.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&run.stderr).into_owned()));
    }
    let text = fs::read_to_string(&output)?;
    fs::remove_file(&output)?;
    instructions_in(&text).ok_or_else(|| io::Error::other("callgrind wrote no total"))
}

/// The total in a table of `strace -c`, whose last line reads
/// "100.00    0.123456          12      9876        12 total".
fn strace_total(spec: &Spec, work: Work) -> io::Result<f64> {
    let calls = strace_calls(&strace_table(spec, work)?);
    let total = calls.into_iter().find(|(name, _)| name == "total").map(|(_, calls)| calls);
    total.ok_or_else(|| io::Error::other("strace wrote no total"))
}

/// How often each call was made.
fn strace_calls(table: &str) -> HashMap<String, f64> {
    let call = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        Some(((*words.last()?).to_owned(), words.get(3)?.parse().ok()?))
    };
    table.lines().filter_map(call).collect()
}

fn strace_table(spec: &Spec, work: Work) -> io::Result<String> {
    let output = scratch("strace")?;
    let file = output.display().to_string();
    // With -D the child is the server itself and strace stands aside, so it writes a moment after
    // the end.
    run_under(spec, &["strace", "-D", "-c", "-f", "-o", &file], 0, work)?;
    std::thread::sleep(STRACE_WRITES);
    let text = fs::read_to_string(&output)?;
    fs::remove_file(&output)?;
    Ok(text)
}

fn run_under(spec: &Spec, tool: &[&str], idle: usize, work: Work) -> io::Result<()> {
    let wrapper: Vec<String> = tool.iter().map(ToString::to_string).collect();
    let server = spec.start(&wrapper)?;
    work.warm_up(server.address)?;
    let idle = Crowd::of(server.address, idle)?;
    work.run(server.address)?;
    drop(idle);
    server.stop()
}

/// A file of our own for a tool's output, in the build directory.
fn scratch(tool: &str) -> io::Result<PathBuf> {
    let directory = target_directory()?.join("fsm-bench");
    fs::create_dir_all(&directory)?;
    Ok(directory.join(format!("{tool}.{}", std::process::id())))
}

/// Seconds of processor time a process has used, in user space and kernel. The ticks of the process
/// know the threads that have ended; the nanoseconds of its living threads are finer. Neither ever
/// says too much, so the larger is the better one.
pub fn cpu_seconds(pid: Pid) -> io::Result<f64> {
    let process = PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()));
    let stat = fs::read_to_string(process.join("stat"))?;
    // Behind the name, which stands in brackets and may hold spaces, the 12th and 13th words count.
    let behind = stat.rsplit(')').next().unwrap_or_default();
    let words = behind.split_whitespace().skip(11).take(2);
    let ticks: f64 = words.filter_map(|word| word.parse::<f64>().ok()).sum();
    let mut nanoseconds = 0.0;
    for task in fs::read_dir(process.join("task"))? {
        // A thread may end between the listing and the reading; then the ticks know it.
        let text = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        nanoseconds += text.split(' ').next().and_then(|it| it.parse().ok()).unwrap_or(0.0);
    }
    let by_ticks = ticks / rustix::param::clock_ticks_per_second() as f64;
    Ok(by_ticks.max(nanoseconds / 1e9))
}

/// Bytes of a process that are resident and its own (neither files nor shared).
pub fn resident_bytes(pid: Pid) -> io::Result<f64> {
    bytes_in(&format!("/proc/{}/status", pid.as_raw_nonzero()), "RssAnon:")
}

/// Bytes that the kernel holds for a process: its page tables, and the stacks of its threads in the
/// kernel, which are as large as those of all the machine's threads. Sockets are not in it.
pub fn kernel_bytes(pid: Pid) -> io::Result<f64> {
    let status = format!("/proc/{}/status", pid.as_raw_nonzero());
    let load = fs::read_to_string("/proc/loadavg")?;
    // "0.20 0.18 0.12 1/80 11206": running and all threads of the machine.
    let all = load.split(['/', ' ']).nth(4).and_then(|all| all.parse::<f64>().ok());
    let all = all.ok_or_else(|| io::Error::other("/proc/loadavg does not count threads"))?;
    let stack = bytes_in("/proc/meminfo", "KernelStack:")? / all;
    Ok(bytes_in(&status, "VmPTE:")? + number_in(&status, "Threads:")? * stack)
}

/// What the kernel lets a process have a number of, and how many it has now.
pub struct Quota {
    /// What it is.
    pub name: &'static str,
    /// How many it has.
    pub used: f64,
    /// How many it may have.
    pub allowed: f64,
}

/// The quotas of a process that a server with many clients can come to the end of.
pub fn quotas(pid: Pid) -> io::Result<Vec<Quota>> {
    let process = format!("/proc/{}", pid.as_raw_nonzero());
    let maps = fs::read_to_string(format!("{process}/maps"))?.lines().count();
    let descriptors = fs::read_dir(format!("{process}/fd"))?.count();
    let threads = number_in(&format!("{process}/status"), "Threads:")?;
    let limits = format!("{process}/limits");
    let quota = |name, used, allowed| Quota { name, used, allowed };
    Ok(vec![
        quota("memory maps", maps as f64, number_in("/proc/sys/vm/max_map_count", "")?),
        quota("descriptors", descriptors as f64, number_in(&limits, "Max open files")?),
        quota("threads", threads, number_in("/proc/sys/kernel/pid_max", "")?),
        quota("threads", threads, number_in("/proc/sys/kernel/threads-max", "")?),
    ])
}

fn bytes_in(file: &str, key: &str) -> io::Result<f64> {
    // Files in /proc count memory in kilobytes.
    Ok(number_in(file, key)? * 1024.0)
}

/// The number behind a key at the start of a line.
fn number_in(file: &str, key: &str) -> io::Result<f64> {
    let text = fs::read_to_string(file)?;
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| io::Error::other(format!("no number behind {key:?} in {file}")))
}

/// Connections that wait at a listening address for the server to accept them.
pub fn unaccepted(address: std::net::SocketAddr) -> io::Result<usize> {
    /// The state LISTEN, as the kernel prints it.
    const LISTEN: &str = "0A";
    let port = format!(":{:04X}", address.port());
    let table = fs::read_to_string("/proc/net/tcp")?;
    // "sl local_address rem_address st tx_queue:rx_queue ...", where a listener's second queue are
    // connections.
    let queue = table.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().take(5).collect();
        let is_it = words.get(1)?.ends_with(&port) && *words.get(3)? == LISTEN;
        is_it.then(|| usize::from_str_radix(words.get(4)?.split(':').nth(1)?, 16).ok())?
    });
    queue.ok_or_else(|| io::Error::other(format!("nobody listens on {address}")))
}
