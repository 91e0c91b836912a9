//! Clients that others wrote, as far as they are installed: each is judged by what it reports and
//! by the bytes it got, and not by its exit status alone. Where one is not installed its test says
//! so and passes.

use std::fs;
use std::io::{self, Read, Write};
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use fsm_tests::child::Served;
use fsm_tests::clock::Stopwatch;
use fsm_tests::scratch::Scratch;

const HTTP_ECHO: &str = env!("CARGO_BIN_EXE_http_echo");

/// How long a client may take: a browser starts slowly on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the load generators send: enough that connections are used again and again.
const REQUESTS: &str = "2000";

/// A body that takes many reads, and differs at every place.
fn megabyte() -> Vec<u8> {
    (0..1024 * 1024_usize).map(|at| b'a' + u8::try_from(at % 23).expect("a letter")).collect()
}

fn serve() -> Served {
    // A megabyte is the longest body by default; what is sent here is that and a little.
    Served::start(HTTP_ECHO, &["--listen", "127.0.0.1:0", "--max-body", "2000000"])
}

/// What a client wrote before it ended with success.
struct Output {
    stdout: Vec<u8>,
    stderr: String,
}

impl Output {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("it writes text")
    }

    /// What stands behind a label at the beginning of a line, up to the end of that line.
    #[track_caller]
    fn behind(&self, label: &str) -> &str {
        let lines = self.text().lines().map(str::trim_start);
        let found = lines.filter_map(|line| line.strip_prefix(label)).next();
        found.unwrap_or_else(|| panic!("no `{label}` in {}", self.text())).trim()
    }
}

fn read_apart(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).expect("a pipe can be read");
        bytes
    })
}

/// Runs a client to its end; nothing where it is not installed.
#[track_caller]
fn run(program: &str, arguments: &[&str], input: &[u8]) -> Option<Output> {
    let mut command = Command::new(program);
    // A proxy of the user's would be asked for this machine's addresses.
    for proxy in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(proxy);
    }
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            println!("skipped: {program} is not installed");
            return None;
        }
        Err(error) => panic!("{program} does not start: {error}"),
    };
    let stdout = read_apart(child.stdout.take().expect("it is piped"));
    let stderr = read_apart(child.stderr.take().expect("it is piped"));
    let mut stdin = child.stdin.take().expect("it is piped");
    // A client that takes no input may end before it is sent.
    let _ = stdin.write_all(input);
    drop(stdin);
    let watch = Stopwatch::start();
    let status = loop {
        match child.try_wait().expect("it is our child") {
            Some(status) => break status,
            None if watch.elapsed() < PATIENCE => thread::sleep(Duration::from_millis(5)),
            None => {
                child.kill().expect("it is our child");
                panic!("{program} {arguments:?} does not end");
            }
        }
    };
    let stderr = String::from_utf8_lossy(&stderr.join().expect("it is read")).into_owned();
    let stdout = stdout.join().expect("it is read");
    assert!(status.success(), "{program} {arguments:?}: {status}\n{stderr}");
    Some(Output { stdout, stderr })
}

#[test]
fn curl() {
    let server = serve();
    let url = |path: &str| format!("http://{}{path}", server.address());
    let Some(got) = run("curl", &["-sSv", "-H", "X-Mine: 1", &url("/echo")], b"") else { return };
    assert!(got.text().contains("X-Mine: 1\n"), "{}", got.text());
    assert!(got.stderr.contains("HTTP/1.1 200 OK"), "{}", got.stderr);
    let curl =
        |arguments: &[&str], input: &[u8]| run("curl", arguments, input).expect("it is here");

    let posted = curl(&["-sS", "--data", "a=1&b=2", &url("/")], b"");
    assert_eq!(posted.text(), "a=1&b=2");

    let body = megabyte();
    let expects = ["-sSv", "-H", "Expect: 100-continue", "--data-binary", "@-", &url("/")];
    let posted = curl(&expects, &body);
    assert!(posted.stdout == body);
    assert!(posted.stderr.contains("HTTP/1.1 100 Continue"), "{}", posted.stderr);

    let chunked = curl(&["-sSv", "-X", "POST", "-T", "-", &url("/")], &body);
    assert!(chunked.stdout == body);
    assert!(chunked.stderr.contains("Transfer-Encoding: chunked"), "{}", chunked.stderr);
}

#[test]
fn curl_with_other_versions_methods_and_connections() {
    let server = serve();
    let url = |path: &str| format!("http://{}{path}", server.address());
    let old = ["-sSv", "--http1.0", &url("/chunks?200000")];
    let Some(got) = run("curl", &old, b"") else { return };
    assert!(got.stdout == vec![b'.'; 200_000] && got.stderr.contains("Connection: close"));
    let curl = |arguments: &[&str]| run("curl", arguments, b"").expect("it is here");

    let head = curl(&["-sS", "--head", &url("/counted?123")]);
    assert!(head.text().contains("Content-Length: 123\r\n") && head.text().ends_with("\r\n\r\n"));

    let twice = curl(&["-sSv", &url("/chunks?70000"), &url("/echo")]);
    assert!(twice.stdout.starts_with(&[b'.'; 70_000]) && twice.stdout.len() > 70_000);
    assert_eq!(twice.stderr.matches("Connected to").count(), 1, "{}", twice.stderr);
    assert!(twice.stderr.contains("Re-using existing"), "{}", twice.stderr);

    // What is refused is told, and not lost in a reset.
    let long = ["-sS", "-o", "-", "-w", "%{http_code}", "-X", "POST", "-T", "-", &url("/")];
    let refused = run("curl", &long, &megabyte().repeat(3)).expect("it is here");
    assert!(refused.text().ends_with("413"), "{}", refused.text());
}

#[test]
fn wget() {
    let server = serve();
    let (echo, counted) = ["/echo", "/counted?300000"]
        .map(|path| format!("http://{}{path}", server.address()))
        .into();
    let Some(got) = run("wget", &["-q", "-O", "-", "-t", "1", "-T", "20", &echo], b"") else {
        return;
    };
    assert!(got.text().contains("User-Agent: Wget"), "{}", got.text());
    let got = run("wget", &["-q", "-O", "-", "-t", "1", "-T", "20", &counted], b"");
    assert!(got.expect("it is here").stdout == vec![b'.'; 300_000]);
}

/// One connection for everything; a chunked upload is what `http.client` makes of an iterator.
const PYTHON: &str = "
import http.client, sys
host, port = sys.argv[1].rsplit(':', 1)
connection = http.client.HTTPConnection(host, int(port), timeout=20)
connection.connect()
name = connection.sock.getsockname()
def ask(method, path, status, expected, **more):
    connection.request(method, path, **more)
    response = connection.getresponse()
    got = response.read()
    assert response.status == status and got == expected, (method, path, response.status, got[:99])
    assert connection.sock and connection.sock.getsockname() == name, 'another connection'
for size in (0, 1, 1000, 10000):
    ask('POST', '/', 200, b'x' * size, body=b'x' * size)
    ask('POST', '/', 200, b'xy' * size, body=iter([b'x', b'y'] * size), encode_chunked=True)
    ask('GET', '/chunks?%d' % size, 200, b'.' * size)
    ask('HEAD', '/counted?%d' % size, 200, b'')
ask('POST', '/absorb', 200, b'100000\\n', body=b'x' * 100000)
ask('GET', '/cookie', 200, b'a=1\\nb=2\\n', headers={'Cookie': 'a=1; b=2'})
connection.request('GET', '/', headers={'Connection': 'close'})
assert connection.getresponse().will_close
print('all is well')
";

#[test]
fn http_client_of_python() {
    let server = serve();
    if let Some(got) = run("python3", &["-c", PYTHON, server.address()], b"") {
        assert_eq!(got.text(), "all is well\n");
    }
}

#[test]
fn ab() {
    let server = serve();
    let url = format!("http://{}/counted?1000", server.address());
    for arguments in [&["-k"][..], &[]] {
        let all = [arguments, &["-q", "-n", REQUESTS, "-c", "16", &url]].concat();
        let Some(got) = run("ab", &all, b"") else { return };
        assert_eq!(got.behind("Complete requests:"), REQUESTS);
        assert_eq!(got.behind("Failed requests:"), "0");
        assert_eq!(got.behind("HTML transferred:"), "2000000 bytes");
        assert!(!got.text().contains("Non-2xx"), "{}", got.text());
        if !arguments.is_empty() {
            assert_eq!(got.behind("Keep-Alive requests:"), REQUESTS);
        }
    }
}

#[test]
fn wrk() {
    let server = serve();
    let url = format!("http://{}/echo", server.address());
    let Some(got) = run("wrk", &["-t", "1", "-c", "16", "-d", "1s", &url], b"") else { return };
    let text = got.text();
    assert!(!text.contains("Socket errors") && !text.contains("Non-2xx"), "{text}");
    let requests = text.split(" requests in ").next().and_then(|it| it.split_whitespace().last());
    let requests: u32 = requests.and_then(|number| number.parse().ok()).expect("wrk counts");
    assert!(requests > 100, "{text}");
}

#[test]
fn h2load() {
    let server = serve();
    let url = format!("http://{}/chunks?1000", server.address());
    // With more than one request under way on a connection it pipelines.
    let arguments = ["--h1", "-n", REQUESTS, "-c", "16", "-m", "8", &url];
    let Some(got) = run("h2load", &arguments, b"") else { return };
    assert_eq!(
        got.behind("requests:"),
        "2000 total, 2000 started, 2000 done, 2000 succeeded, 0 failed, 0 errored, 0 timeout"
    );
    assert_eq!(got.behind("status codes:"), "2000 2xx, 0 3xx, 0 4xx, 0 5xx");
}

#[test]
fn chromium() {
    let server = serve();
    let scratch = Scratch::new();
    let profile = format!("--user-data-dir={}", scratch.path("profile").display());
    let url = format!("http://{}/echo", server.address());
    let browse = |program| {
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            &profile,
            "--dump-dom",
            &url,
        ];
        run(program, &arguments, b"")
    };
    let Some(got) = browse("chromium") else { return };
    let text = got.text();
    assert!(text.contains(&format!("Host: {}", server.address())), "{text}");
    assert!(text.contains("Upgrade-Insecure-Requests: 1"), "{text}");
    drop(fs::remove_dir_all(scratch.path("profile")));
}
