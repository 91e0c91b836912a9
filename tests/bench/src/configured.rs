//! The peers that are told what to do by a file: nginx, lighttpd and h2o, each as one process with
//! one worker, configured in a folder of this bench's own.

use std::{
    fs, io,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use rustix::process::geteuid;

use crate::{
    pin,
    server::{is_installed, target_directory},
};

/// Such a server. None of them logs, as with the others.
#[derive(Clone, Copy)]
pub(crate) enum Configured {
    /// With this inside of its `server`. `FOLDER`, `PUBLIC` and `ADDRESS` in it are replaced by
    /// what they are.
    Nginx(&'static str),
    /// For the files of [`public`].
    Lighttpd,
    /// The same.
    H2o,
}

impl Configured {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nginx(_) => "nginx",
            Self::Lighttpd => "lighttpd",
            Self::H2o => "h2o",
        }
    }

    /// Where the program is, or why there is none.
    pub(crate) fn program(self) -> Result<PathBuf, String> {
        let name = self.name();
        if is_installed(name) { Ok(name.into()) } else { Err("not installed".to_owned()) }
    }

    /// Writes its configuration.
    pub(crate) fn configure(self) -> io::Result<Start> {
        // Whoever takes the port in between makes it fail to start, which is seen.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let folder = folder()?;
        fs::create_dir_all(&folder)?;
        let file = folder.join(self.name()).with_extension("conf");
        let public = public()?;
        let text = match self {
            Self::Nginx(site) => nginx(&folder, address, site),
            Self::Lighttpd => lighttpd(&public, address, pin::raise_open_files()?),
            Self::H2o => h2o(&public, address),
        };
        fs::write(&file, text)?;
        let (folder, file) = (folder.display().to_string(), file.display().to_string());
        let words = match self {
            Self::Nginx(_) => vec!["-p", &folder, "-c", &file, "-e", "stderr"],
            Self::Lighttpd => vec!["-D", "-f", &file],
            Self::H2o => vec!["-c", &file],
        };
        Ok(Start { address, words: words.into_iter().map(String::from).collect() })
    }
}

/// Where a server is to listen, and the words behind its name.
pub(crate) struct Start {
    pub(crate) address: SocketAddr,
    pub(crate) words: Vec<String>,
}

/// The folder that the servers of this bench have for themselves.
pub fn folder() -> io::Result<PathBuf> {
    Ok(target_directory()?.join("fsm-bench").join(format!("peers.{}", std::process::id())))
}

/// Where the files are that they serve, in that folder.
pub fn public() -> io::Result<PathBuf> {
    Ok(folder()?.join("public"))
}

/// The process stays in the foreground and is the worker itself, so that it can be counted.
fn nginx(folder: &Path, address: SocketAddr, site: &str) -> String {
    let name = folder.display().to_string();
    let public = folder.join("public").display().to_string();
    let site = site.replace("FOLDER", &name).replace("PUBLIC", &public);
    let site = site.replace("ADDRESS", &address.to_string());
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let folders: String = kinds.iter().map(|it| format!("{it}_temp_path {name}/{it};\n")).collect();
    format!(
        "daemon off;\nmaster_process off;\nworker_processes 1;\npid {name}/pid;\n\
         error_log stderr crit;\nevents {{ worker_connections {CLIENTS}; }}\n\
         http {{\naccess_log off;\n\
         types {{ text/plain txt; }}\n\
         keepalive_requests 1000000000;\n{folders}server {{\nlisten {address} backlog=4096;\n\
         {site}\n}}\n}}\n",
    )
}

/// As many clients as a server lets in that would let in fewer by itself, and how many seconds they
/// may be idle: ten thousand are measured while they are.
const CLIENTS: u64 = 16_384;
const IDLE: u64 = 60;

/// One process is what it is unless told otherwise. It counts the requests of a connection in
/// sixteen bits, and lets in half as many clients as it may have descriptors.
fn lighttpd(public: &Path, address: SocketAddr, allowed: u64) -> String {
    let descriptors = allowed.min(2 * CLIENTS);
    format!(
        "server.document-root = \"{}\"\nserver.bind = \"{}\"\nserver.port = {}\n\
         server.max-keep-alive-requests = 65535\nserver.max-keep-alive-idle = {IDLE}\n\
         server.max-fds = {descriptors}\nserver.max-connections = {}\n\
         mimetype.assign = ( \".txt\" => \"text/plain\" )\n",
        public.display(),
        address.ip(),
        address.port(),
        descriptors / 2,
    )
}

/// One thread. Started as root it would become `nobody`, who may not be let into the folder.
fn h2o(public: &Path, address: SocketAddr) -> String {
    let user = if geteuid().is_root() { "user: root\n" } else { "" };
    format!(
        "{user}listen:\n  host: {}\n  port: {}\nnum-threads: 1\nmax-connections: {CLIENTS}\n\
         http1-request-timeout: {IDLE}\nhosts:\n  \
         default:\n    paths:\n      \
         /:\n        file.dir: {}\n",
        address.ip(),
        address.port(),
        public.display()
    )
}

/// Waits until it lets somebody connect: it does not say when it is ready.
pub(crate) fn wait_until_ready(address: SocketAddr, patience: Duration) -> io::Result<()> {
    const LOOK: Duration = Duration::from_millis(20);
    let deadline = crate::now() + patience;
    loop {
        match TcpStream::connect(address) {
            Ok(_) => return Ok(()),
            Err(error) if crate::now() > deadline => return Err(error),
            Err(_) => thread::sleep(LOOK),
        }
    }
}
