//! What a cached file costs: 64 connections that stay open, one request in flight on each, beside
//! nginx, lighttpd and h2o at their best, and beside a C server that does not look at what it is
//! asked. And what memory ten thousand files and ten thousand idle clients take.

use std::{fs, io, process::ExitCode, thread, time::Duration};

use fsm_bench::{
    configured,
    cost::{Row, Shape, measure, total},
    count::{Counters, resident_bytes},
    http::{Ask, Head, Page, Requester},
    load::Work,
    options::Options,
    pin,
    report::{Table, Verdicts, divide, figure, ratio},
    server::{Server, Spec, print_missing},
};

/// How many clients ask the same server.
const CONNECTIONS: usize = 64;
/// How many of them wait at once under callgrind, as for lines.
const WAVE: usize = 8;

/// Kernel instructions of a request, counted by hardware on another machine (Linux 6.18) for a C
/// server with a canned answer beside wrk's 64 connections: 12,700 in all with 1 KiB, of which 100
/// are its own.
const KERNEL_SMALL: f64 = 12_600.0;
/// With 64 KiB they were 24,700.
const KERNEL_LARGE: f64 = 24_600.0;
/// The number of waits changes from run to run, with how many requests a server finds at once; so
/// calls are shown and not reckoned with.
const KERNEL_CALL: f64 = 0.0;

/// What ours may take in all for 1 KiB, for 64 KiB, and with its log on, times without it.
const MOST_SMALL: f64 = 17_000.0;
const MOST_LARGE: f64 = 30_000.0;
const MOST_LOGGED: f64 = 1.05;

/// The calls of a request: one to read, one to write, and its share of a wait. The others are those
/// of threads that look after the files once a second, whoever asks.
const CALLS: [&str; 3] = ["recvfrom", "sendto", "epoll_"];
const MOST_OTHER_CALLS: f64 = 0.01;

/// Files that are cached, and clients that are idle, for their memory: as many with `--short`, as
/// what is small beside a thousand may not be beside ten.
const MANY: usize = 10_000;
/// Descriptors that a server needs beside those of files that it keeps open and of clients.
const SPARE: usize = 200;
/// What a file may take on the heap beside its own bytes: as much as the cache reckons with for its
/// heads, or its budget would not be kept.
const MOST_BESIDE: f64 = 2048.0;
/// What files were found in is put away a moment after they were sent.
const SETTLE: Duration = Duration::from_millis(500);

/// At its best for files of a kibibyte: held open, and copied rather than mapped.
const NGINX: &str =
    "root PUBLIC; open_file_cache max=1000; open_file_cache_valid 60s; sendfile off;";
/// The same with as many files open as are asked for.
const NGINX_MANY: &str =
    "root PUBLIC; open_file_cache max=10000; open_file_cache_valid 60s; sendfile off;";
/// The same as most have it.
const NGINX_SENDFILE: &str =
    "root PUBLIC; open_file_cache max=1000; open_file_cache_valid 60s; sendfile on; tcp_nopush on;";

struct Load {
    name: &'static str,
    title: &'static str,
    ask: Ask,
    /// The kernel's share.
    kernel: f64,
}

const LOADS: [Load; 4] = [
    Load {
        name: "small",
        title: "A cached file of 1 KiB, a request with a Host alone, 64 connections",
        ask: Ask { head: Head::Short, page: Page::Small },
        kernel: KERNEL_SMALL,
    },
    Load {
        name: "browser",
        title: "The same, a browser's request of ten fields",
        ask: Ask { head: Head::Browser, page: Page::Small },
        kernel: KERNEL_SMALL,
    },
    Load {
        name: "known",
        title: "The same, known to the client by its tag: a 304",
        ask: Ask { head: Head::Known, page: Page::Small },
        kernel: KERNEL_SMALL,
    },
    Load {
        name: "large",
        title: "A cached file of 64 KiB, a request with a Host alone, 64 connections",
        ask: Ask { head: Head::Short, page: Page::Large },
        kernel: KERNEL_LARGE,
    },
];

fn main() -> io::Result<ExitCode> {
    let options = Options::from_command_line();
    pin::client()?;
    Page::write_all(&configured::public()?)?;
    let counters = Counters::probe();
    println!("{}", counters.describe());
    let mut verdicts = Verdicts::default();
    // First, since it takes a minute and what follows takes many.
    if options.wants("memory") {
        memory(&mut verdicts)?;
    }
    for load in LOADS.iter().filter(|load| options.wants(load.name)) {
        let (shape, specs) = (shape(load, &options), servers(load)?);
        let rows = measure(&shape, &specs, counters, options.rounds())?;
        print(&shape, &specs, &rows);
        judge(load, &shape, &rows, &mut verdicts);
        if load.name == "small" {
            judge_calls(&shape, counters, &mut verdicts)?;
        }
    }
    fs::remove_dir_all(configured::folder()?)?;
    Ok(verdicts.finish(options.check))
}

/// C has one answer and no tags.
fn servers(load: &Load) -> io::Result<Vec<Spec>> {
    let body = load.ask.page.length().to_string();
    let log = configured::folder()?.join("access.log").display().to_string();
    let c = Spec::c_canned().with("C", &["--body", &body]);
    let c = (load.ask.head != Head::Known).then_some(c);
    let logged = (load.ask.page == Page::Small)
        .then(|| Spec::ours_public().with("ours, logged", &["--access-log", &log]));
    let others = [
        Spec::nginx(NGINX),
        Spec::nginx(NGINX_SENDFILE).with("nginx, sendfile", &[]),
        Spec::lighttpd(),
        Spec::h2o(),
    ];
    Ok(c.into_iter().chain([Spec::ours_public()]).chain(logged).chain(others).collect())
}

fn shape(load: &Load, options: &Options) -> Shape {
    let work =
        |at_once, count| Work::Http { connections: CONNECTIONS, at_once, ask: load.ask, count };
    Shape {
        title: load.title,
        work: work(CONNECTIONS, options.amount(50_000)),
        counted: work(WAVE, options.amount(20_000)),
        kernel_elsewhere: load.kernel,
        call_elsewhere: KERNEL_CALL,
    }
}

/// A row for each server. Requests per second of processor time are what one core would do if
/// nothing kept it waiting; they are weak here, and only their ratio says something.
fn print(shape: &Shape, specs: &[Spec], rows: &[Row]) {
    let is_measured = rows.first().is_some_and(|row| row.cost.kernel.is_some());
    let all = if is_measured { "all instr." } else { "all (derived)" };
    let heads =
        ["server", "user instr.", "x nginx", all, "x C", "calls", "per CPU second", "x nginx"];
    let mut table = Table::new(shape.title, &heads);
    let (c, nginx) = (find(rows, "C"), find(rows, "nginx"));
    let total_of = |row: &Row| total_of(shape, rows, row);
    let rate = |row: &Row| divide(Some(1e6), row.microseconds);
    for row in rows {
        table.row(vec![
            row.name.to_owned(),
            figure(row.cost.user, 0),
            ratio(row.cost.user, nginx.and_then(|nginx| nginx.cost.user)),
            figure(total_of(row), 0),
            ratio(total_of(row), c.and_then(total_of)),
            figure(row.cost.calls, 2),
            figure(rate(row), 0),
            ratio(rate(row), nginx.and_then(rate)),
        ]);
    }
    table.print();
    print_missing(specs);
}

/// Where C has no row, ours is what others are compared with: it calls the kernel as seldom.
fn total_of(shape: &Shape, rows: &[Row], row: &Row) -> Option<f64> {
    find(rows, "C").or(find(rows, "ours")).and_then(|base| total(shape, row, base))
}

fn judge(load: &Load, shape: &Shape, rows: &[Row], verdicts: &mut Verdicts) {
    let all = |name| find(rows, name).and_then(|row| total_of(shape, rows, row));
    match load.name {
        "small" => {
            verdicts.at_most("ours, all instructions of a request", all("ours"), MOST_SMALL);
            let logged = divide(all("ours, logged"), all("ours"));
            verdicts.at_most("with the log on, times without it", logged, MOST_LOGGED);
        }
        "large" => {
            verdicts.at_most("ours, all instructions of a request", all("ours"), MOST_LARGE);
        }
        _ => {}
    }
}

/// Two calls and a share of a wait, none of them on the disk.
fn judge_calls(shape: &Shape, counters: Counters, verdicts: &mut Verdicts) -> io::Result<()> {
    let calls = counters.calls_by_name(&Spec::ours_public(), shape.counted)?;
    let share = |name: &str| {
        let of = calls.iter().filter(|(of, _)| of.starts_with(name)).map(|(_, calls)| calls);
        (!calls.is_empty()).then(|| of.sum())
    };
    for (name, most) in CALLS.into_iter().zip([1.0, 1.0, 1.0 / WAVE as f64]) {
        // A wait more or less, of the ten thousands, is no call of a request.
        let most = most + MOST_OTHER_CALLS;
        verdicts.at_most(&format!("ours, `{name}` of a request"), share(name), most);
    }
    let is_other = |(name, _): &&(String, f64)| !CALLS.iter().any(|of| name.starts_with(of));
    let others = calls.iter().filter(is_other);
    let others = (!calls.is_empty()).then(|| others.map(|(_, calls)| calls).sum());
    verdicts.at_most("ours, all other calls", others, MOST_OTHER_CALLS);
    Ok(())
}

/// What a server holds for each file that it was asked for and each client that is idle. Others
/// than ours leave the bytes of files to the kernel, which has them all.
fn memory(verdicts: &mut Verdicts) -> io::Result<()> {
    let allowed = usize::try_from(pin::raise_open_files()?).unwrap_or(usize::MAX);
    let clients = MANY.min(allowed.saturating_sub(MANY + SPARE));
    let public = configured::public()?;
    for file in 0..MANY {
        fs::write(public.join(&path(file)[1..]), vec![b'.'; Page::Small.length()])?;
    }
    let title =
        format!("Memory with {MANY} files of 1 KiB, and with {clients} idle clients besides");
    let heads =
        ["server", "counted", "MiB before", "with files", "with clients", "a file", "a client"];
    let mut table = Table::new(title, &heads).with_texts(2);
    let heap = gather(&Spec::ours_public_counting(), clients, |server| {
        server.ask("heap")?.parse().map_err(io::Error::other)
    })?;
    table.row(heap.row("ours", "heap"));
    let peers = [Spec::nginx(NGINX_MANY), Spec::lighttpd(), Spec::h2o()];
    let specs: Vec<_> = [Spec::ours_public()].into_iter().chain(peers).collect();
    for spec in specs.iter().filter(|spec| spec.program.is_ok()) {
        let held = gather(spec, clients, |server| resident_bytes(server.pid()))?;
        table.row(held.row(spec.name, "resident"));
    }
    table.print();
    print_missing(&specs);
    let beside = heap.of_a_file() - Page::Small.length() as f64;
    verdicts.at_most("ours, heap bytes of a file beside its own", Some(beside), MOST_BESIDE);
    Ok(())
}

/// All names are as long.
fn path(file: usize) -> String {
    format!("/{file:08}.txt")
}

/// Bytes of a server: before anything, with the files, and with the clients besides.
struct Held {
    before: f64,
    files: f64,
    clients: f64,
    /// How many clients.
    count: usize,
}

impl Held {
    fn of_a_file(&self) -> f64 {
        (self.files - self.before) / MANY as f64
    }

    fn row(&self, name: &str, counted: &str) -> Vec<String> {
        let mebibytes = |bytes: f64| figure(Some(bytes / f64::from(1 << 20)), 1);
        let of_a_client = divide(Some(self.clients - self.files), Some(self.count as f64));
        vec![
            name.to_owned(),
            counted.to_owned(),
            mebibytes(self.before),
            mebibytes(self.files),
            mebibytes(self.clients),
            figure(Some(self.of_a_file()), 0),
            figure(of_a_client, 0),
        ]
    }
}

/// A figure of a server: before anything, with all files, and with so many clients besides, each of
/// whom has had a file.
fn gather(
    spec: &Spec,
    clients: usize,
    mut figure: impl FnMut(&mut Server) -> io::Result<f64>,
) -> io::Result<Held> {
    let mut server = spec.start(&[])?;
    let mut after_a_moment = |server: &mut Server| {
        thread::sleep(SETTLE);
        figure(server)
    };
    let ask = Ask { head: Head::Short, page: Page::Small };
    let mut buffer = vec![0; 4096];
    let mut reader = Requester::connect(server.address, ask)?;
    reader.exchange(&mut buffer)?;
    let before = after_a_moment(&mut server)?;
    for file in 0..MANY {
        reader.turn_to(server.address, &path(file));
        reader.exchange(&mut buffer)?;
    }
    let files = after_a_moment(&mut server)?;
    let mut idle = Vec::new();
    for _ in 0..clients {
        let mut client = Requester::connect(server.address, ask)?;
        client.exchange(&mut buffer)?;
        idle.push(client);
    }
    let held = after_a_moment(&mut server)?;
    // h2o waits for those who are idle before it ends.
    drop((reader, idle));
    server.stop()?;
    Ok(Held { before, files, clients: held, count: clients })
}

fn find<'a>(rows: &'a [Row], name: &str) -> Option<&'a Row> {
    rows.iter().find(|row| row.name == name)
}
