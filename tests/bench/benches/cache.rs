//! Whether workers should share a cache of files or have one each: what a look-up costs that others
//! get in the way of, and what it would cost to have every file once for each worker.
//!
//! They share it. With two workers on two cores a shared look-up costs what one in a cache of one's
//! own does, 190 to 235 ns of a request's 3,350, as long as they ask for different files: it waits
//! for memory and not for the other worker. Where both ask for the same file it costs 70 to 170 ns
//! and not 10, which is 2 to 5 hundredths of a request. The server itself, with all clients asking
//! for the same file, took 150 to 320 ns more for a request with two workers than as two processes,
//! without what these save where there is no cache: up to a tenth. Look-ups of the same file one
//! right after the other, which no server does, cost 15 to 20 times as much as alone.
//!
//! A cache for each worker would hold every file twice, fetch 20,000 times and not 10,000, and a
//! fifth more often where not all files have room; and two workers would fetch the same file at the
//! same time. That is dearer than a tenth of a request in the worst case. More cores than two were
//! not there to be tried.

use std::{
    fs, io,
    path::Path,
    process::{Command, ExitCode},
    thread,
    time::Duration,
};

use fsm_bench::{
    configured,
    count::{cpu_seconds, instructions_of},
    http::{Ask, Head, Page},
    load::Work,
    look_ups::{Asking, Cache, FILES, Layout, Mix, Pace, race, write_files},
    options::Options,
    pin,
    report::{Table, Verdicts, divide, figure, median},
    scratch::Scratch,
    server::{Server, Spec, target_directory},
};

/// As many threads as are tried, beside one and two, where there are cores for them.
const MOST_THREADS: usize = 4;

/// The mixes, with what they are called.
const MIXES: [(Mix, &str); 3] = [
    (Mix::Same, "the same file"),
    (Mix::Zipf, "10,000, some more often"),
    (Mix::Inserts, "10,000, 1 % inserts"),
];

/// What a worker does between two look-ups, in steps of half a nanosecond: either nothing, which is
/// the worst that can be, or for about as long as a request takes, which is how they come.
const PAUSES: [(u32, &str); 2] = [
    (0, "CPU nanoseconds of a look-up among 10,000 files, one right after the other"),
    (7000, "The same with a pause between two look-ups, about as long as a request takes"),
];

/// How long each race is: a million look-ups, or ten thousand with pauses, and so short that on a
/// machine with other work some races have all the cores they need.
const RACE: Duration = Duration::from_millis(40);
/// How many rounds in turn, of which the median counts; and with `--short`.
const ROUNDS: usize = 51;
const FEW_ROUNDS: usize = 15;
/// What share of the time the threads of a race must have had a core for the race to count: those
/// who wait for a core are in nobody's way.
const ENOUGH_AT_ONCE: f64 = 0.9;

/// Look-ups of the shorter of two runs that are subtracted.
const COUNTED: u64 = 400_000;
/// The instructions of a cached request of 1 KiB in all, user and kernel, as `--bench files` has
/// them: derived there, with the kernel's as they were counted elsewhere.
const REQUEST_INSTRUCTIONS: f64 = 16_200.0;
/// The ways to serve, with the workers of each process: one alone, two that share a cache, and two
/// that have one each since they are processes of their own.
const WAYS: [(&str, &[usize]); 3] =
    [("1 worker", &[1]), ("2 workers, shared", &[2]), ("2 processes, own", &[1, 1])];
/// Clients of each of two threads: 64 in all, as in `--bench files`.
const CONNECTIONS: usize = 32;
/// Requests in a round: some tenths of a second.
const REQUESTS: u64 = 20_000;

/// Requests where there is room for a tenth of the files: a hundred for each that has room.
const DRAWS: usize = 100_000;
const SOME: &str = "100,000, room for a tenth";
/// How many workers have caches of their own, and serve, to be compared with one cache and with one
/// worker.
const WORKERS: usize = 2;

/// What a look-up in a cache that others use may cost of a whole request, in hundredths, at the
/// pace of requests: somewhat more than was seen, as what is taken off is twenty times as long.
const MOST_OF_A_REQUEST: f64 = 10.0;

/// Threads that look up, and what each round of it was, with a cache for all and with one for each.
struct Row {
    asking: Asking,
    name: &'static str,
    threads: usize,
    shared: Vec<Pace>,
    own: Vec<Pace>,
}

/// Servers that share the clients, and the nanoseconds of a request in each round.
struct Served {
    servers: Vec<Server>,
    work: Work,
    nanoseconds: Vec<f64>,
}

fn main() -> io::Result<ExitCode> {
    let options = Options::from_command_line();
    let cores = thread::available_parallelism()?.get();
    println!("{cores} cores; load average {}", fs::read_to_string("/proc/loadavg")?.trim_end());
    pin::client()?;
    Page::write_all(&configured::public()?)?;
    let mut served = serve(cores)?;
    let mut rows = rows(cores);
    let caches: Vec<_> = (0..cores.min(MOST_THREADS)).map(|_| Cache::full()).collect();
    for round in 0..if options.short { FEW_ROUNDS } else { ROUNDS } {
        served.iter_mut().flatten().try_for_each(|served| served.measure(REQUESTS))?;
        rows.iter_mut().try_for_each(|row| row.measure(&caches, round))?;
    }
    drop(caches);
    let request = median(&served[0][0].nanoseconds);
    print_requests(&served);
    drop(served);
    PAUSES.iter().for_each(|(pause, title)| print_look_ups(title, &rows, *pause, request));
    print_instructions(options.amount(COUNTED))?;
    print_filled()?;
    let mut verdicts = Verdicts::default();
    judge(&rows, request, &mut verdicts);
    fs::remove_dir_all(configured::folder()?)?;
    Ok(verdicts.finish(options.check))
}

/// Every way to serve, of a file and of nothing.
fn serve(cores: usize) -> io::Result<Vec<[Served; 2]>> {
    let start = |spec: &Spec, page, workers: &[usize]| {
        let ask = Ask { head: Head::Short, page };
        let work = Work::Http { connections: CONNECTIONS, at_once: CONNECTIONS, ask, count: 0 };
        let start = |workers: &usize| {
            let server = spec.clone().with_workers(*workers).start(&[])?;
            pin::free(server.pid(), cores)?;
            work.warm_up(server.address)?;
            Ok(server)
        };
        let servers = workers.iter().map(start).collect::<io::Result<_>>()?;
        Ok::<_, io::Error>(Served { servers, work, nanoseconds: Vec::new() })
    };
    let (file, empty) = (Spec::ours_public(), Spec::ours_http());
    let both = |(_, workers): &(_, &[usize])| {
        Ok([start(&file, Page::Small, workers)?, start(&empty, Page::Empty, workers)?])
    };
    WAYS.iter().map(both).collect()
}

impl Served {
    /// Whoever serves, the clients are the same: two threads of them.
    fn measure(&mut self, requests: u64) -> io::Result<()> {
        let spent = |servers: &[Server]| {
            servers.iter().map(|server| cpu_seconds(server.pid())).sum::<io::Result<f64>>()
        };
        let before = spent(&self.servers)?;
        let work = self.work.with_lines(requests / WORKERS as u64);
        thread::scope(|scope| {
            let servers = self.servers.iter().cycle().take(WORKERS);
            let clients: Vec<_> =
                servers.map(|server| scope.spawn(|| work.run(server.address))).collect();
            let panicked = |_| io::Error::other("a client panicked");
            clients.into_iter().try_for_each(|client| client.join().map_err(panicked)?)
        })?;
        self.nanoseconds.push((spent(&self.servers)? - before) * 1e9 / requests as f64);
        Ok(())
    }
}

/// Every mix with every number of threads that there are cores for, without a pause and with one.
fn rows(cores: usize) -> Vec<Row> {
    let threads = [1, 2, MOST_THREADS].into_iter().filter(|threads| *threads <= cores);
    let some = MIXES.iter().flat_map(|mix| threads.clone().map(move |threads| (*mix, threads)));
    let some: Vec<_> = some.collect();
    let with_pause = |(pause, _)| {
        let some = some.clone().into_iter();
        some.map(move |((mix, name), threads)| {
            let (shared, own) = (Vec::new(), Vec::new());
            Row { asking: Asking { mix, pause }, name, threads, shared, own }
        })
    };
    PAUSES.into_iter().flat_map(with_pause).collect()
}

fn print_requests(served: &[[Served; 2]]) {
    let title = "CPU nanoseconds of a request by 64 clients who ask for the same, median and range";
    let mut table = Table::new(title, &["", "cached 1 KiB", "", "empty, no cache", ""]);
    for ((name, _), both) in WAYS.iter().zip(served) {
        let cells = both.iter().flat_map(|Served { nanoseconds, .. }| {
            let all = || nanoseconds.iter().copied();
            let (lowest, highest) = (all().reduce(f64::min), all().reduce(f64::max));
            let range = format!("{} to {}", figure(lowest, 0), figure(highest, 0));
            [figure(median(nanoseconds), 0), range]
        });
        table.row([(*name).to_owned()].into_iter().chain(cells).collect());
    }
    table.print();
    println!("  of that for sharing the cache: {}", figure(sharing(served), 0));
}

/// What two workers take more than two processes with a cache, less what they do without one: not
/// all that processes have for themselves is a cache.
fn sharing(served: &[[Served; 2]]) -> Option<f64> {
    let [_, workers, processes] = served else { return None };
    let more = |at: usize| {
        let [workers, processes] = [workers, processes].map(|way| median(&way[at].nanoseconds));
        Some(workers? - processes?)
    };
    Some(more(0)? - more(1)?)
}

/// The races that count.
fn counted(paces: &[Pace], threads: usize) -> impl Iterator<Item = &Pace> {
    let enough = threads as f64 * ENOUGH_AT_ONCE;
    paces.iter().filter(move |pace| pace.at_once >= enough)
}

impl Row {
    /// In turn, since whoever comes second finds more of what is asked for in the core's caches.
    fn measure(&mut self, caches: &[Cache], round: usize) -> io::Result<()> {
        let mut both = [(Layout::Shared, &mut self.shared), (Layout::Own, &mut self.own)];
        both.rotate_left(round % 2);
        both.into_iter().try_for_each(|(layout, paces)| {
            paces.push(race(caches, layout, self.threads, self.asking, RACE)?);
            Ok(())
        })
    }

    /// The nanoseconds of a look-up.
    fn look_up(&self, layout: Layout) -> Option<f64> {
        let paces = if layout == Layout::Shared { &self.shared } else { &self.own };
        let counted = counted(paces, self.threads);
        median(&counted.map(|pace| pace.nanoseconds).collect::<Vec<_>>())
    }

    /// The nanoseconds of what stands around it.
    fn around(&self) -> Option<f64> {
        let both = [&self.shared, &self.own].into_iter();
        let counted = both.flat_map(|paces| counted(paces, self.threads));
        median(&counted.map(|pace| pace.around).collect::<Vec<_>>())
    }
}

/// In hundredths of a request.
fn of_request(nanoseconds: Option<f64>, request: Option<f64>) -> Option<f64> {
    divide(nanoseconds, request).map(|share| share * 100.0)
}

fn print_look_ups(title: &str, rows: &[Row], pause: u32, request: Option<f64>) {
    let heads = [
        "asked for",
        "threads",
        "pause",
        "shared",
        "own",
        "shared, %",
        "own, %",
        "more, %",
        "races that count",
    ];
    let mut table = Table::new(format!("{title}; and hundredths of a request"), &heads);
    for row in rows.iter().filter(|row| row.asking.pause == pause) {
        let [shared, own] = [Layout::Shared, Layout::Own].map(|layout| row.look_up(layout));
        let more = shared.zip(own).map(|(shared, own)| shared - own);
        let [of_shared, of_own] =
            [&row.shared, &row.own].map(|paces| counted(paces, row.threads).count());
        table.row(vec![
            row.name.to_owned(),
            row.threads.to_string(),
            figure(row.around(), 0),
            figure(shared, 0),
            figure(own, 0),
            figure(of_request(shared, request), 2),
            figure(of_request(own, request), 2),
            figure(of_request(more, request), 2),
            format!("{of_shared} and {of_own} of {}", row.shared.len()),
        ]);
    }
    table.print();
}

/// User instructions of a look-up in one thread: as many with others beside it, as long as nobody
/// has to wait for the same part of the cache.
fn print_instructions(count: u64) -> io::Result<()> {
    let program = target_directory()?.join("look_ups");
    let run = |mix: Mix, count: u64| {
        let words = ["ask", mix.word(), &count.to_string()].map(str::to_owned);
        instructions_of(&program, &words)
    };
    let each = |mix| Ok::<_, io::Error>((run(mix, 2 * count)? - run(mix, count)?) / count as f64);
    let around = each(Mix::Nothing)?;
    let heads = ["asked for", "user instr.", "% of a request"];
    let mut table = Table::new("The same, counted in one thread", &heads);
    for (mix, name) in MIXES {
        let instructions = each(mix)? - around;
        table.row(vec![
            name.to_owned(),
            figure(Some(instructions), 0),
            figure(Some(instructions * 100.0 / REQUEST_INSTRUCTIONS), 2),
        ]);
    }
    table.print();
    Ok(())
}

/// What the disk is asked and what is held, by filling the caches of two workers from a folder.
fn print_filled() -> io::Result<()> {
    let scratch = Scratch::new();
    write_files(scratch.folder())?;
    let title = format!("The caches of {WORKERS} workers, filled from {FILES} files of 1 KiB");
    let heads = ["asked for", "cache", "fetches", "MiB by weight", "MiB of heap"];
    let mut table = Table::new(title, &heads).with_texts(2);
    let mebibytes = |bytes: f64| figure(Some(bytes / f64::from(1 << 20)), 1);
    for (name, draws) in [("each by each", None), (SOME, Some(DRAWS))] {
        for layout in [Layout::Shared, Layout::Own] {
            let [fetches, weight, heap] = filled(scratch.folder(), layout, draws)?;
            table.row(vec![
                name.to_owned(),
                layout.word().to_owned(),
                figure(Some(fetches), 0),
                mebibytes(weight),
                mebibytes(heap),
            ]);
        }
    }
    table.print();
    Ok(())
}

/// The fetches, the bytes by weight and those of the heap, in a process of its own.
fn filled(folder: &Path, layout: Layout, draws: Option<usize>) -> io::Result<[f64; 3]> {
    let (workers, folder) = (WORKERS.to_string(), folder.display().to_string());
    let draws = draws.map(|draws| draws.to_string());
    let words = ["fill", layout.word(), &workers, &folder].into_iter().chain(draws.as_deref());
    let run = Command::new(target_directory()?.join("look_ups")).args(words).output()?;
    let said = String::from_utf8_lossy(&run.stdout);
    let said: Vec<f64> = said.split_whitespace().filter_map(|it| it.parse().ok()).collect();
    let failed = |_| io::Error::other(String::from_utf8_lossy(&run.stderr).into_owned());
    said.try_into().map_err(failed)
}

/// What a look-up costs beside others, of whatever is asked for, at the pace of requests. One right
/// after the other is what no server does, and only shown.
fn judge(rows: &[Row], request: Option<f64>, verdicts: &mut Verdicts) {
    for row in rows.iter().filter(|row| row.threads > 1 && row.asking.pause > 0) {
        let share = of_request(row.look_up(Layout::Shared), request);
        let what = format!("shared look-up, {} threads, {}: % of a request", row.threads, row.name);
        verdicts.at_most(&what, share, MOST_OF_A_REQUEST);
    }
}
