//! Starts a server as a child on core 0, knows its address, and ends it by its process id.

use std::{
    env,
    fs::{self, File},
    io::{self, BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    configured::{self, Configured},
    pin,
};

/// Valgrind takes about a second to start a server; a loaded machine some more.
const START: Duration = Duration::from_secs(60);
/// How long a server may take to end after SIGTERM; ours drains first, and callgrind writes its
/// file.
const END: Duration = Duration::from_secs(30);
/// How often an ending server is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// As many errors of a server as are told.
const SAID: usize = 3;

/// A server that can be started: its name in the tables, and its command without the address.
#[derive(Clone)]
pub struct Spec {
    /// What the tables call it.
    pub name: &'static str,
    /// The program, or why there is none.
    pub program: Result<PathBuf, String>,
    /// What its command says beside the address.
    pub arguments: Vec<String>,
    /// Where its standard error goes, if not to the bench's own.
    pub stderr: Option<PathBuf>,
    /// How it is configured, if that is done by a file; it takes no address then and says none.
    configured: Option<Configured>,
}

impl Spec {
    /// A peer that cargo built beside the bench.
    #[must_use]
    pub fn built(name: &'static str, program: &Path) -> Self {
        Self::of(name, Ok(program.to_path_buf()))
    }

    /// The hand-written C server, compiled now; without a C compiler the row says so.
    #[must_use]
    pub fn c() -> Self {
        Self::of("C", compile_c("epoll_echo"))
    }

    /// The hand-written C server that has one answer to everything, compiled now.
    #[must_use]
    pub fn c_canned() -> Self {
        Self::of("C", compile_c("epoll_canned"))
    }

    /// Our echo server, built now so that an old binary is never measured by mistake, and with one
    /// worker: its peers have one core too.
    #[must_use]
    pub fn ours() -> Self {
        Self::of("ours", build("servers", "echo")).with_one_worker()
    }

    /// Our HTTP machine with the handler that tests have, built now and with one worker.
    #[must_use]
    pub fn ours_http() -> Self {
        Self::of("ours", build("fsm-tests", "http_echo")).with_one_worker()
    }

    /// Our server of cached files, built now and with one worker, for the files of a directory.
    #[must_use]
    pub fn ours_files(root: &Path, options: &[&str]) -> Self {
        let mut spec = Self::of("ours", build("servers", "cached-file")).with_one_worker();
        spec.arguments.push(root.display().to_string());
        spec.arguments.extend(options.iter().copied().map(String::from));
        spec
    }

    /// The same for the files of [`configured::public`].
    #[must_use]
    pub fn ours_public() -> Self {
        Self::ours_files(&configured::public().unwrap_or_default(), &[])
    }

    /// The same with an allocator that counts.
    #[must_use]
    pub fn ours_public_counting() -> Self {
        let program = target_directory().unwrap_or_default().join("heap_files");
        Self { program: Ok(program), ..Self::ours_public() }
    }

    /// nginx as one process, with that inside of its `server` block. `FOLDER`, `PUBLIC` and
    /// `ADDRESS` in it are replaced by what they are.
    #[must_use]
    pub fn nginx(site: &'static str) -> Self {
        Self::configured(Configured::Nginx(site))
    }

    /// lighttpd as one process, for the files of [`configured::public`].
    #[must_use]
    pub fn lighttpd() -> Self {
        Self::configured(Configured::Lighttpd)
    }

    /// h2o with one thread, for the same files.
    #[must_use]
    pub fn h2o() -> Self {
        Self::configured(Configured::H2o)
    }

    fn configured(how: Configured) -> Self {
        Self { configured: Some(how), ..Self::of(how.name(), how.program()) }
    }

    /// Under another name, with more on its command line.
    #[must_use]
    pub fn with(self, name: &'static str, words: &[&str]) -> Self {
        let arguments = self.arguments.into_iter().chain(words.iter().map(ToString::to_string));
        Self { name, arguments: arguments.collect(), ..self }
    }

    /// Our echo server with an allocator that counts, and one worker.
    #[must_use]
    pub fn ours_counting() -> Self {
        let program = target_directory().unwrap_or_default().join("heap_echo");
        Self::built("ours", &program).with_one_worker()
    }

    /// With so many workers, if it is one of ours.
    #[must_use]
    pub fn with_workers(mut self, workers: usize) -> Self {
        let value = self.arguments.iter().position(|word| word == "--workers").map(|at| at + 1);
        if let Some(value) = value.and_then(|at| self.arguments.get_mut(at)) {
            *value = workers.to_string();
        }
        self
    }

    fn with_one_worker(mut self) -> Self {
        self.arguments.extend(["--workers", "1"].map(String::from));
        self
    }

    fn of(name: &'static str, program: Result<PathBuf, String>) -> Self {
        Self { name, program, arguments: Vec::new(), stderr: None, configured: None }
    }

    /// Starts it under `wrapper` (a tool that ends in running the command given to it), or plainly.
    pub fn start(&self, wrapper: &[String]) -> io::Result<Server> {
        let program = self.program.clone().map_err(io::Error::other)?;
        let mut words = Vec::new();
        if is_installed("setpriv") {
            // A bench that is killed takes its servers along. The process id stays the same through
            // each `exec`.
            words.extend(["setpriv", "--pdeathsig", "KILL"].map(String::from));
        }
        words.extend_from_slice(wrapper);
        words.push(program.display().to_string());
        let configured = self.configured.map(Configured::configure).transpose()?;
        match &configured {
            Some(start) => words.extend_from_slice(&start.words),
            None => words.extend(["--listen", "127.0.0.1:0"].map(String::from)),
        }
        words.extend_from_slice(&self.arguments);
        let stderr = self.stderr.as_ref().map(File::create).transpose()?;
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            // A server that ends for want of memory would look up names for seconds.
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr.map_or_else(Stdio::inherit, Stdio::from))
            .spawn()?;
        let stdout = child.stdout.take().map(BufReader::new);
        let mut server = Server {
            child,
            stdout,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            name: self.name,
            stderr: self.stderr.clone(),
        };
        server.address = match configured {
            Some(start) => {
                configured::wait_until_ready(start.address, START)?;
                start.address
            }
            None => server.wait_until_ready()?,
        };
        pin::server(server.pid())?;
        Ok(server)
    }
}

/// A running server; dropping it ends it.
pub struct Server {
    child: Child,
    stdout: Option<BufReader<ChildStdout>>,
    /// Where it listens.
    pub address: SocketAddr,
    /// What the tables call it.
    pub name: &'static str,
    stderr: Option<PathBuf>,
}

impl Server {
    /// The process to pin, to count and to end.
    #[must_use]
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(mut self) -> io::Result<()> {
        self.end()
    }

    /// Sends a line on its standard input and gives back the line it answers (see `heap`).
    pub fn ask(&mut self, question: &str) -> io::Result<String> {
        let stdin = self.child.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        writeln!(stdin, "{question}")?;
        self.read_line()
    }

    /// How it ended, if it did by itself, and the errors of the system that it wrote to a standard
    /// error of its own, each once.
    pub fn last_words(&mut self) -> io::Result<Vec<String>> {
        let ended = self.child.try_wait()?.map(|status| format!("the server ended: {status}"));
        let text = self.stderr.as_ref().map(fs::read_to_string).transpose()?.unwrap_or_default();
        let mut errors: Vec<&str> = text.lines().filter(|it| it.contains("(os error")).collect();
        errors.sort_unstable();
        errors.dedup();
        let said = errors.into_iter().take(SAID).map(|line| format!("it said: {line}"));
        Ok(ended.into_iter().chain(said).collect())
    }

    fn read_line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        let stdout = self.stdout.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        stdout.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    /// Reads `listening on ADDRESS`. A server that hangs before it is ended by a watchdog, which
    /// ends the pipe.
    fn wait_until_ready(&mut self) -> io::Result<SocketAddr> {
        let pid = self.pid();
        let (ready, watch) = std::sync::mpsc::channel::<()>();
        let watchdog = thread::spawn(move || {
            if watch.recv_timeout(START) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                let _ = kill_process(pid, Signal::KILL);
            }
        });
        let address = self.next_address();
        drop(ready);
        let _ = watchdog.join();
        address
    }

    /// The next address that it says it listens on, for a server that was given several.
    pub fn next_address(&mut self) -> io::Result<SocketAddr> {
        let line = self.read_line()?;
        line.strip_prefix("listening on ").and_then(|it| it.parse().ok()).ok_or_else(|| {
            io::Error::other(format!("{} said {line:?} and not where it listens", self.name))
        })
    }

    fn end(&mut self) -> io::Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        kill_process(self.pid(), Signal::TERM)?;
        let deadline = crate::now() + END;
        while self.child.try_wait()?.is_none() {
            if crate::now() > deadline {
                self.child.kill()?;
                self.child.wait()?;
                return Err(io::Error::other(format!("{} did not end after SIGTERM", self.name)));
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// Where cargo puts programs of the release profile: this program stands in it, or in `deps` below
/// it.
pub fn target_directory() -> io::Result<PathBuf> {
    let own = env::current_exe()?;
    let directory = own.parent().ok_or(io::ErrorKind::NotFound)?;
    let above = if directory.ends_with("deps") { directory.parent() } else { Some(directory) };
    above.map(Path::to_path_buf).ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// The directory of the workspace.
#[must_use]
pub fn workspace() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).unwrap_or(own)
}

fn compile_c(name: &str) -> Result<PathBuf, String> {
    let source = workspace().join("tests/peers").join(name).with_extension("c");
    let program = target_directory().map_err(|error| error.to_string())?.join(name);
    let compiler = env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let status = Command::new(&compiler)
        .args(["-O2", "-Wall", "-Wextra", "-Werror", "-o"])
        .args([&program, &source])
        .status()
        .map_err(|error| format!("no C compiler ({compiler}: {error})"))?;
    if status.success() { Ok(program) } else { Err("the C peer does not compile".to_owned()) }
}

fn build(package: &str, name: &str) -> Result<PathBuf, String> {
    let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--release", "-p", package, "--bin", name])
        .current_dir(workspace())
        .status()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    let program = target_directory().map_err(|error| error.to_string())?.join(name);
    if status.success() && program.exists() {
        Ok(program)
    } else {
        Err("does not build".to_owned())
    }
}

/// Waits until a server answers at all: the first connection pays for everything that is lazy in
/// it.
pub fn warm_up(address: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    crate::load::exchange(&mut stream, 0, 0)
}

/// Says why a server has no row.
pub fn print_missing(specs: &[Spec]) {
    for spec in specs {
        if let Err(reason) = &spec.program {
            println!("  {}: {reason}", spec.name);
        }
    }
}

/// Whether a program of that name can be started.
#[must_use]
pub fn is_installed(program: &str) -> bool {
    let Some(paths) = env::var_os("PATH") else { return false };
    env::split_paths(&paths).any(|directory| directory.join(program).is_file())
}
