//! A server as a child process: started, asked about, sent signals, and ended by its process id.
//!
//! The child ends by itself when its standard input ends, and that is held here: no server outlives
//! the test that started it, however the test ends.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal};

use crate::clock::{Stopwatch, eventually};

/// How long a server may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// The clock ticks of `/proc/PID/stat`, which are hundredths of a second on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// A server that runs.
#[derive(Debug)]
pub struct Served {
    process: Child,
    addresses: Vec<String>,
    stdout: Option<BufReader<ChildStdout>>,
    log: Option<JoinHandle<String>>,
}

/// How a server ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit status, where no signal killed it.
    pub code: Option<i32>,
    /// Everything it wrote to standard output behind `listening on`.
    pub stdout: String,
    /// Everything it wrote to standard error.
    pub stderr: String,
    /// How long it took to end.
    pub took: Duration,
}

impl Served {
    /// Starts a program that does not listen, or should not.
    ///
    /// # Panics
    /// Where there is no such program.
    #[must_use]
    pub fn spawn(program: &str, arguments: &[&str]) -> Self {
        let mut process = Command::new(program)
            .args(arguments)
            .env_remove("RUST_LOG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program} does not start: {error}"));
        let stdout = process.stdout.take().map(BufReader::new);
        let log = process.stderr.take().map(|mut stderr| {
            std::thread::spawn(move || {
                let mut log = Vec::new();
                let _ = stderr.read_to_end(&mut log);
                String::from_utf8_lossy(&log).into_owned()
            })
        });
        Self { process, addresses: Vec::new(), stdout, log }
    }

    /// Starts a server and waits until it listens on all the addresses it was given.
    ///
    /// # Panics
    /// Where it says anything but `listening on ADDR` first.
    #[must_use]
    pub fn start(program: &str, arguments: &[&str]) -> Self {
        let mut served = Self::spawn(program, arguments);
        for _ in arguments.iter().filter(|argument| **argument == "--listen") {
            let mut line = String::new();
            let stdout = served.stdout.as_mut().expect("taken once, at the end");
            stdout.read_line(&mut line).expect("standard output is text");
            let address = line.trim_end().strip_prefix("listening on ").map(str::to_owned);
            match address {
                Some(address) => served.addresses.push(address),
                None => panic!("`{line}` instead of an address: {:?}", served.wait()),
            }
        }
        served
    }

    /// The first address it listens on.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.addresses[0]
    }

    /// All addresses it listens on, in order.
    #[must_use]
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Closes our end of its standard output.
    pub fn stop_listening_to_it(&mut self) {
        self.stdout = None;
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// Where it has ended already.
    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.pid(), signal).expect("it runs");
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// Where it goes on.
    #[must_use]
    pub fn wait(mut self) -> Ended {
        let watch = Stopwatch::start();
        let mut status: Option<ExitStatus> = None;
        eventually(PATIENCE, "the server ends", || {
            status = self.process.try_wait().expect("it is our child");
            status.is_some()
        });
        let took = watch.elapsed();
        let mut stdout = String::new();
        if let Some(mut rest) = self.stdout.take() {
            rest.read_to_string(&mut stdout).expect("standard output is text");
        }
        let stderr = self.log.take().map_or_else(String::new, |log| log.join().expect("reads"));
        Ended { code: status.and_then(|status| status.code()), stdout, stderr, took }
    }

    /// Has it end with SIGTERM and waits.
    #[must_use]
    pub fn terminate(self) -> Ended {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Tells whether it still runs.
    ///
    /// # Panics
    /// Never: it is our child.
    pub fn runs(&mut self) -> bool {
        self.process.try_wait().expect("it is our child").is_none()
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    fn proc(&self, file: &str) -> String {
        format!("/proc/{}/{file}", self.process.id())
    }

    /// The number of descriptors it has open.
    ///
    /// # Panics
    /// Where it has ended.
    #[must_use]
    pub fn descriptors(&self) -> usize {
        fs::read_dir(self.proc("fd")).expect("it runs").count()
    }

    /// The processor time it has used.
    ///
    /// # Panics
    /// Where it has ended.
    #[must_use]
    pub fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(self.proc("stat")).expect("it runs");
        let (_, behind_name) = stat.rsplit_once(')').expect("a name in parentheses");
        // proc(5): fields 14 and 15 are the time in user and in system mode; the name was field 2.
        let times = behind_name.split_ascii_whitespace().skip(11).take(2);
        let ticks: u32 = times.map(|time| time.parse::<u32>().expect("a number")).sum();
        TICK * ticks
    }

    /// The bytes it holds from its allocator, if it is one that counts them.
    ///
    /// # Panics
    /// Where it does not answer.
    pub fn heap(&mut self) -> usize {
        let stdin = self.process.stdin.as_mut().expect("held until its end");
        writeln!(stdin, "heap").expect("it listens to it");
        let mut answer = String::new();
        let stdout = self.stdout.as_mut().expect("taken once, at the end");
        stdout.read_line(&mut answer).expect("standard output is text");
        answer.trim_end().parse().expect("a number of bytes")
    }

    /// The memory it holds, in bytes.
    ///
    /// # Panics
    /// Where it has ended.
    #[must_use]
    pub fn resident(&self) -> usize {
        let statm = fs::read_to_string(self.proc("statm")).expect("it runs");
        let pages = statm.split(' ').nth(1).expect("the second field is the resident set");
        pages.parse::<usize>().expect("a number") * rustix::param::page_size()
    }

    /// The most memory it has held since it started, in bytes.
    ///
    /// # Panics
    /// Where it has ended.
    #[cfg(target_os = "linux")]
    #[must_use]
    pub fn peak(&self) -> usize {
        let status = fs::read_to_string(self.proc("status")).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        kibibytes.and_then(|number| number.parse::<usize>().ok()).expect("proc(5)") * 1024
    }

    /// Lets it open so many descriptors more and no others. The limit is one of numbers, not of how
    /// many, and a program may have inherited some with high numbers.
    ///
    /// # Panics
    /// Where it has ended.
    #[cfg(target_os = "linux")]
    pub fn leave_descriptors(&self, more: usize) {
        let open = fs::read_dir(self.proc("fd")).expect("it runs");
        let names = open.map(|entry| entry.expect("it runs").file_name());
        let open: HashSet<u64> =
            names.filter_map(|name| name.to_str().and_then(|name| name.parse().ok())).collect();
        let mut vacant = (0..).filter(|number| !open.contains(number));
        self.limit_descriptors(vacant.nth(more).expect("numbers do not end"));
    }

    /// Allows it descriptors below this number only; those it has stay.
    ///
    /// # Panics
    /// Where the system does not allow it.
    #[cfg(target_os = "linux")]
    pub fn limit_descriptors(&self, below: u64) {
        let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
        let limit = Rlimit { current: Some(below), maximum };
        rustix::process::prlimit(Some(self.pid()), Resource::Nofile, limit).expect("it is ours");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
