//! nginx as a peer: one process with one worker, configured in a folder of its own.

use std::{
    fs, io,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use crate::server::{is_installed, target_directory};

/// Where the program is, or why there is none.
pub(crate) fn program() -> Result<PathBuf, String> {
    if is_installed("nginx") { Ok(PathBuf::from("nginx")) } else { Err("not installed".to_owned()) }
}

/// Where nginx is to listen, and the words behind its name.
pub(crate) struct Start {
    pub(crate) address: SocketAddr,
    pub(crate) words: Vec<String>,
}

/// Writes its configuration, with `site` inside of its `server`. `FOLDER` and `ADDRESS` in it are
/// replaced by what they are.
pub(crate) fn configure(site: &str) -> io::Result<Start> {
    // Whoever takes the port in between makes it fail to start, which is seen.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let folder = folder()?;
    fs::create_dir_all(&folder)?;
    let site = site.replace("FOLDER", &folder.display().to_string());
    let site = site.replace("ADDRESS", &address.to_string());
    let file = folder.join("nginx.conf");
    fs::write(&file, configuration(&folder, address, &site))?;
    let (prefix, file) = (folder.display().to_string(), file.display().to_string());
    let words = ["-p", &prefix, "-c", &file, "-e", "stderr"].map(String::from).to_vec();
    Ok(Start { address, words })
}

/// The folder that the servers of this bench have for themselves.
pub fn folder() -> io::Result<PathBuf> {
    Ok(target_directory()?.join("fsm-bench").join(format!("nginx.{}", std::process::id())))
}

/// The process stays in the foreground and is the worker itself, so that it can be counted. Nothing
/// is logged, as with the others.
fn configuration(folder: &Path, address: SocketAddr, site: &str) -> String {
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let folders: String =
        kinds.iter().map(|it| format!("{it}_temp_path {}/{it};\n", folder.display())).collect();
    format!(
        "daemon off;\nmaster_process off;\nworker_processes 1;\npid {}/pid;\n\
         error_log stderr crit;\nevents {{ worker_connections 16384; }}\nhttp {{\naccess_log off;\n\
         keepalive_requests 1000000000;\n{folders}server {{\nlisten {address} backlog=4096;\n\
         {site}\n}}\n}}\n",
        folder.display()
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
