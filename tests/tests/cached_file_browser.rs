//! A browser at the server of cached files: a page with a style, a script, an image and a sound
//! that is jumped about in. It needs Chromium, and says so where there is none.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use fsm_tests::child::Served;
use fsm_tests::clock::eventually;
use fsm_tests::scratch::Scratch;

const CACHED_FILE: &str = env!("CARGO_BIN_EXE_watched_cached_file");

/// What Chromium is called, here and there.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// How long the browser may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

const PAGE: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Cached files</title>
<link rel="icon" href="image.svg">
<link rel="stylesheet" href="style.css">
<h1>Files in a browser – é</h1>
<img id="image" src="image.svg" alt="a circle">
<p><audio id="sound" preload="metadata" controls muted></audio>
<pre id="result">nothing yet</pre>
<script src="script.js"></script>
"#;

const STYLE: &str = "h1 { color: rgb(1, 2, 3); font-family: sans-serif } img { width: 128px }\n";

const IMAGE: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">
<circle cx="32" cy="32" r="30" fill="#2a7"/></svg>
"##;

/// It jumps to where nothing has been loaded of yet, and back. Meanwhile it asks for the style
/// again and again: the browser's time is a virtual one, which stands still while something is
/// loaded, and does not wait for sounds.
const SCRIPT: &str = r#"
const sound = document.getElementById("sound");
const told = [];
function tell(what) {
  told.push(what);
  document.getElementById("result").textContent = told.join("\n");
}
sound.addEventListener("error", () => tell("error " + sound.error.message));
sound.addEventListener("loadedmetadata", () => {
  tell("duration " + sound.duration.toFixed(0));
  sound.currentTime = sound.duration * 0.75;
}, { once: true });
sound.addEventListener("seeked", () => {
  tell("seeked to " + sound.currentTime.toFixed(0));
  if (told.length < 3) {
    sound.currentTime = sound.duration * 0.25;
    return;
  }
  const image = document.getElementById("image");
  tell("image " + image.complete + " " + image.naturalWidth);
  tell("color " + getComputedStyle(document.querySelector("h1")).color);
  tell("done");
});
// Not in the page, where it could be loaded before anybody listens.
sound.src = "sound.wav";
async function wait() {
  while (told[told.length - 1] !== "done") {
    await fetch("style.css", { cache: "no-store" });
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
wait();
"#;

/// Seconds of a sound of 44,100 frames a second, with two channels of two bytes each.
const SECONDS: u32 = 200;
const RATE: u32 = 44_100;
const FRAME: u32 = 4;

/// A page with all that belongs to it.
fn site() -> Scratch {
    let root = Scratch::new();
    for (name, content) in
        [("index.html", PAGE), ("style.css", STYLE), ("image.svg", IMAGE), ("script.js", SCRIPT)]
    {
        fs::write(root.path(name), content).unwrap();
    }
    let length = SECONDS * RATE * FRAME;
    let mut head = Vec::new();
    head.extend_from_slice(b"RIFF");
    head.extend_from_slice(&(36 + length).to_le_bytes());
    head.extend_from_slice(b"WAVEfmt ");
    head.extend_from_slice(&16_u32.to_le_bytes());
    // PCM, two channels.
    head.extend_from_slice(&[1, 0, 2, 0]);
    head.extend_from_slice(&RATE.to_le_bytes());
    head.extend_from_slice(&(RATE * FRAME).to_le_bytes());
    // The bytes of a frame, and the bits of a sample.
    head.extend_from_slice(&[4, 0, 16, 0]);
    head.extend_from_slice(b"data");
    head.extend_from_slice(&length.to_le_bytes());
    let mut sound = File::create(root.path("sound.wav")).unwrap();
    sound.write_all(&head).unwrap();
    // Silence takes no room on the disk.
    sound.set_len(head.len() as u64 + u64::from(length)).unwrap();
    root
}

/// Heads of messages, as text.
type Heads = Arc<Mutex<Vec<String>>>;

/// Hands on what goes between browser and server, and keeps the heads.
struct Relay {
    address: String,
    requests: Heads,
    responses: Heads,
}

impl Relay {
    fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (requests, responses) = (Heads::default(), Heads::default());
        let (server, asked, answered) =
            (server.to_owned(), Arc::clone(&requests), Arc::clone(&responses));
        thread::spawn(move || {
            for browser in listener.incoming() {
                let (Ok(browser), Ok(server)) = (browser, TcpStream::connect(&server)) else {
                    return;
                };
                let there = (browser.try_clone().unwrap(), server.try_clone().unwrap());
                let (asked, answered) = (Arc::clone(&asked), Arc::clone(&answered));
                thread::spawn(move || hand_on(there.0, there.1, &asked));
                thread::spawn(move || hand_on(server, browser, &answered));
            }
        });
        Self { address, requests, responses }
    }
}

/// A browser sends one request at a time on a connection, so that what comes next after the other
/// side has spoken begins with a head.
fn keep_head(piece: &[u8], heads: &Heads) {
    let end = piece.windows(4).position(|four| four == b"\r\n\r\n");
    let head = end.and_then(|end| std::str::from_utf8(&piece[..end]).ok());
    heads.lock().unwrap().extend(head.map(str::to_owned));
}

fn hand_on(mut from: TcpStream, mut to: TcpStream, heads: &Heads) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        keep_head(&buffer[..count], heads);
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
}

fn browser() -> Option<&'static str> {
    let works = |name: &&str| {
        let asked = Command::new(name).arg("--version").stderr(Stdio::null()).output();
        asked.is_ok_and(|output| output.status.success())
    };
    NAMES.into_iter().find(works)
}

/// What the browser makes of a page: the document on standard output, the console on the other.
fn visit(browser: &str, url: &str) -> Output {
    let profile = Scratch::new();
    let arguments = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--enable-logging=stderr",
        "--v=0",
        "--virtual-time-budget=20000",
        "--dump-dom",
    ];
    let child = Command::new(browser)
        .args(arguments)
        .arg(format!("--user-data-dir={}", profile.folder().display()))
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it could tell its version");
    collect(child)
}

fn collect(mut child: Child) -> Output {
    fn drain(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<io::Result<Vec<u8>>> {
        thread::spawn(move || {
            let mut all = Vec::new();
            pipe.read_to_end(&mut all).map(|_| all)
        })
    }
    let (stdout, stderr) =
        (drain(child.stdout.take().unwrap()), drain(child.stderr.take().unwrap()));
    let mut status = None;
    eventually(PATIENCE, "the browser ends", || {
        status = child.try_wait().expect("it is our child");
        status.is_some()
    });
    let all = |pipe: thread::JoinHandle<io::Result<Vec<u8>>>| pipe.join().unwrap().unwrap();
    Output { status: status.unwrap(), stdout: all(stdout), stderr: all(stderr) }
}

#[test]
fn a_page_is_shown_and_a_sound_is_jumped_about_in() {
    let Some(browser) = browser() else {
        println!("skipped: no Chromium is installed");
        return;
    };
    let root = site();
    let folder = root.folder().to_str().expect("a path of text");
    let server =
        Served::start(CACHED_FILE, &[folder, "--listen", "127.0.0.1:0", "--slow-slice", "10s"]);
    let relay = Relay::to(server.address());
    let Output { stdout, stderr, .. } = visit(browser, &format!("http://{}/", relay.address));
    let (shown, log) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    let console: Vec<_> = log.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert_eq!(console, [""; 0], "{log}");
    let expected = ["duration 200", "seeked to 150", "seeked to 50", "color rgb(1, 2, 3)", "done"];
    for part in expected.into_iter().chain(["image true ", "Files in a browser – é"]) {
        assert!(shown.contains(part), "`{part}` in:\n{shown}\n{log}");
    }
    let requests = relay.requests.lock().unwrap();
    let of_sound = requests.iter().filter(|head| head.starts_with("GET /sound.wav "));
    let begins: Vec<u64> = of_sound
        .filter_map(|head| head.lines().find_map(|line| line.strip_prefix("Range: bytes=")))
        .filter_map(|range| range.split('-').next()?.parse().ok())
        .collect();
    let half = u64::from(SECONDS * RATE * FRAME / 2);
    let jump = begins.iter().find(|begin| **begin > half);
    let range = format!("Content-Range: bytes {}-", jump.expect("a jump ahead"));
    let responses = relay.responses.lock().unwrap();
    let answer = responses.iter().find(|head| head.contains(&range)).expect(&range);
    assert!(answer.starts_with("HTTP/1.1 206 Partial Content\r\n"), "{answer}");
    assert_eq!(server.terminate().stderr, "");
}
