//! Tanenbaum's three ways to construct a server (Fig. 2-20), with what the figure leaves to the
//! reader measured beside them. Each is the same service: every line is answered with thanks.
//!
//! Every client asks again as soon as it is thanked, so with many of them the latency is mostly
//! the queue: clients / requests a second. Of a model that leaves clients unserved the bench says
//! where those are, as the kernel and the server tell it.

use std::{fs, io, process::ExitCode, thread, time::Duration};

use fsm_bench::{
    code_lines::code_lines,
    count::{Quota, cpu_seconds, kernel_bytes, quotas, resident_bytes, unaccepted},
    crowd::{Crowd, Standing, Visits, visits},
    options::Options,
    pin,
    report::{Table, Verdicts, divide, figure, median},
    server::{Server, Spec, print_missing, target_directory, workspace},
};

/// How many clients, as the columns say.
const CLIENTS: [usize; 4] = [1, 64, 1_000, 10_000];
/// The clients whose memory is counted.
const HELD: usize = 10_000;
/// Memory comes in pages, so that fewer clients say nothing about it.
const TELLING: usize = 64;
/// Descriptors that a process needs beside its connections.
const SPARE: usize = 200;
/// Nobody was thanked for so long: nobody will be. A server that the machine's other work holds up
/// is not given up by mistake.
const QUIET: Duration = Duration::from_secs(2);
/// The same with `--short`.
const SHORT_QUIET: Duration = Duration::from_millis(500);
/// The rush in which all clients ask at once is over after that.
const WARM: Duration = Duration::from_millis(200);
/// Each of 10,000 clients is thanked several times in it, if all have their turn.
const WINDOW: Duration = Duration::from_millis(1_500);
/// The same with `--short`.
const SHORT_WINDOW: Duration = Duration::from_millis(300);
/// A window grows up to this as long as somebody waits: of 10,000 threads one was passed over for
/// seven seconds, and served then.
const LONGEST: Duration = Duration::from_secs(10);
/// Clients that come one after the other.
const VISITORS: u64 = 1_000;
/// How often they come in a round, without a stalled client and with one.
const TURNS: usize = 3;
/// How long each of them waits for its thanks.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often a server is looked at until it has put its last clients away.
const LOOK: Duration = Duration::from_millis(20);
/// A server that uses less of each look than this is idle.
const IDLE: f64 = 0.001;
/// The share of what the kernel allows at which it is used up: clients come and are counted many at
/// once.
const USED_UP: f64 = 0.97;
/// A server that is never idle has to be measured all the same.
const LOOKS: usize = 250;

/// One row of the figure.
struct Model {
    spec: Spec,
    characteristics: &'static str,
    /// The program whose lines are counted.
    source: &'static str,
}

/// What a crowd of clients saw, round by round.
#[derive(Default)]
struct Samples {
    rate: Vec<f64>,
    slowest: Vec<f64>,
    longest: Vec<f64>,
    processor: Vec<f64>,
    unserved: usize,
    how: String,
}

/// What clients saw that come one after the other, round by round, in microseconds.
#[derive(Default)]
struct Visited {
    middle: Vec<f64>,
    slowest: Vec<f64>,
    /// One of them waited in vain.
    is_stopped: bool,
}

impl Visited {
    fn add(&mut self, visits: &Visits) {
        self.middle.push(microseconds(visits.latencies.permille(500)));
        self.slowest.push(microseconds(visits.latencies.permille(990)));
        self.is_stopped |= visits.given_up;
    }

    /// The median of the rounds, if there is one.
    fn of(&self, rounds: fn(&Self) -> &Vec<f64>) -> Option<f64> {
        median(rounds(self)).filter(|_| !self.is_stopped)
    }
}

/// Everything about one model.
#[derive(Default)]
struct Figures {
    crowds: [Samples; CLIENTS.len()],
    alone: Visited,
    beside: Visited,
    own: Option<f64>,
    kernel: Option<f64>,
    most: Option<f64>,
    how: String,
}

fn main() -> io::Result<ExitCode> {
    let options = Options::from_command_line();
    pin::client()?;
    let allowed = usize::try_from(pin::raise_open_files()?).unwrap_or(usize::MAX);
    let most = allowed.saturating_sub(SPARE);
    let models = models()?;
    let present: Vec<&Model> = models.iter().filter(|model| model.spec.program.is_ok()).collect();
    let mut figures: Vec<Figures> = present.iter().map(|_| Figures::default()).collect();
    take_turns(&options, &present, most, &mut figures)?;
    if options.wants("most") {
        for (model, figures) in present.iter().zip(&mut figures) {
            capacity(&model.spec, most, figures)?;
        }
    }
    print(&present, &figures, most)?;
    print_missing(&models.each_ref().map(|model| model.spec.clone()));
    let mut verdicts = Verdicts::default();
    judge(&present, &figures, &mut verdicts);
    Ok(verdicts.finish(options.check))
}

/// In the order of the figure.
fn models() -> io::Result<[Model; 3]> {
    let directory = target_directory()?;
    let heard = |mut spec: Spec| {
        spec.stderr = Some(directory.join(format!("models.{}.stderr", spec.name)));
        spec
    };
    Ok([
        Model {
            spec: heard(Spec::built("threads", &directory.join("threads_thanks"))),
            characteristics: "parallelism, blocking system calls",
            source: "tests/peers/threads_thanks.rs",
        },
        Model {
            spec: heard(Spec::built("single-threaded", &directory.join("blocking_thanks"))),
            characteristics: "no parallelism, blocking system calls",
            source: "tests/peers/blocking_thanks.rs",
        },
        Model {
            spec: heard(Spec::built("state machine", &directory.join("machine_thanks"))),
            characteristics: "parallelism, nonblocking system calls, interrupts",
            source: "tests/peers/machine_thanks.rs",
        },
    ])
}

/// All rounds of everything that is measured with all servers running.
fn take_turns(
    options: &Options,
    models: &[&Model],
    most: usize,
    figures: &mut [Figures],
) -> io::Result<()> {
    let mut servers: Vec<Server> =
        models.iter().map(|model| model.spec.start(&[])).collect::<io::Result<_>>()?;
    let window = if options.short { SHORT_WINDOW } else { WINDOW };
    let quiet = if options.short { SHORT_QUIET } else { QUIET };
    let visitors = u32::try_from(options.amount(VISITORS)).map_err(io::Error::other)?;
    for server in &servers {
        warm_up(server)?;
    }
    for round in 0..options.rounds() {
        for (server, figures) in servers.iter_mut().zip(&mut *figures) {
            if options.wants("clients") {
                // Coming and going takes the largest crowd longer than being served.
                let is_quick = options.short && round > 0;
                let crowds = if is_quick { CLIENTS.len() - 1 } else { CLIENTS.len() };
                for (clients, samples) in CLIENTS.iter().zip(&mut figures.crowds).take(crowds) {
                    crowd(server, (*clients).min(most), quiet, window, samples)?;
                }
            }
            if options.wants("stalled") {
                beside_stalled(server, visitors, figures)?;
            }
        }
    }
    servers.into_iter().try_for_each(Server::stop)
}

/// The first connection pays for everything that is lazy in a server.
fn warm_up(server: &Server) -> io::Result<()> {
    visits(server.address, 1, PATIENCE, false)?;
    settle(server)
}

/// Waits until a server has put its last clients away, so that nobody is measured beside that.
fn settle(server: &Server) -> io::Result<()> {
    for _ in 0..LOOKS {
        let before = cpu_seconds(server.pid())?;
        thread::sleep(LOOK);
        if cpu_seconds(server.pid())? - before < IDLE {
            break;
        }
    }
    Ok(())
}

fn crowd(
    server: &mut Server,
    clients: usize,
    quiet: Duration,
    window: Duration,
    samples: &mut Samples,
) -> io::Result<()> {
    let mut crowd = Crowd::gather(server.address, clients, quiet)?;
    let standing = crowd.standing();
    if standing.thanked < clients {
        samples.how = explain(server, &standing)?;
    }
    let before = cpu_seconds(server.pid())?;
    let seen = crowd.ask_again(WARM, window, LONGEST)?;
    let processor = cpu_seconds(server.pid())? - before;
    drop(crowd);
    settle(server)?;
    let rate = seen.answers as f64 / seen.elapsed.as_secs_f64();
    // Processor time was counted from before the warming, in which requests came at the same rate.
    let requests = rate * (WARM + seen.elapsed).as_secs_f64();
    samples.rate.push(rate);
    samples.slowest.push(microseconds(seen.latencies.permille(990)));
    samples.longest.push(microseconds(seen.latencies.permille(1_000)));
    samples.processor.push(processor * 1e6 / requests);
    samples.unserved = samples.unserved.max(seen.unserved);
    Ok(())
}

fn microseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// Where the clients are that a server does not serve.
fn explain(server: &mut Server, standing: &Standing) -> io::Result<String> {
    let queue = unaccepted(server.address).unwrap_or(0);
    let accepted = standing.waiting.saturating_sub(queue);
    let counted = [
        (standing.thanked, "thanked"),
        (accepted, "accepted and not answered"),
        (standing.waiting - accepted, "wait in the kernel for the server to accept them"),
        (standing.connecting, "cannot connect because that queue is full"),
    ];
    let ended = standing.ended.iter().map(|(reason, count)| (*count, reason.as_str()));
    let places = counted.into_iter().chain(ended).filter(|(count, _)| *count > 0);
    let places = places.map(|(count, what)| format!("{count} {what}"));
    Ok(places.chain(server.last_words()?).collect::<Vec<_>>().join("; "))
}

fn beside_stalled(server: &Server, visitors: u32, figures: &mut Figures) -> io::Result<()> {
    // In turn too, so that what else the machine does is not taken for the stalled client's work.
    for _ in 0..TURNS {
        figures.alone.add(&visits(server.address, visitors, PATIENCE, false)?);
        settle(server)?;
        figures.beside.add(&visits(server.address, visitors, PATIENCE, true)?);
        settle(server)?;
        if figures.beside.is_stopped {
            break;
        }
    }
    Ok(())
}

/// Memory for each client, and how many clients a server has at most, each with a server of its
/// own: one that had many before keeps some of their memory.
fn capacity(spec: &Spec, most: usize, figures: &mut Figures) -> io::Result<()> {
    let server = spec.start(&[])?;
    warm_up(&server)?;
    let memory =
        || Ok::<_, io::Error>((resident_bytes(server.pid())?, kernel_bytes(server.pid())?));
    let (before, quotas_before) = (memory()?, quotas(server.pid())?);
    let held = Crowd::gather(server.address, HELD.min(most), QUIET)?;
    let (after, quotas_after) = (memory()?, quotas(server.pid())?);
    let clients = held.standing().thanked;
    drop(held);
    server.stop()?;
    let each = |grown| divide(Some(grown), Some(clients as f64)).filter(|_| clients >= TELLING);
    figures.own = each(after.0 - before.0);
    figures.kernel = each(after.1 - before.1);
    let quotas: Vec<_> = quotas_before.into_iter().zip(quotas_after).collect();
    limit(spec, most, figures, |served| used_up(&quotas, clients, served))
}

/// How many clients a server has at most, and why it has no more.
fn limit(
    spec: &Spec,
    most: usize,
    figures: &mut Figures,
    used_up: impl Fn(usize) -> Vec<String>,
) -> io::Result<()> {
    let mut server = spec.start(&[])?;
    let crowd = Crowd::gather(server.address, most, QUIET)?;
    let standing = crowd.standing();
    figures.most = Some(standing.most as f64);
    if standing.thanked < most {
        let mut how = used_up(standing.most);
        how.push(explain(&mut server, &standing)?);
        figures.how = how.join("; ");
    }
    drop(crowd);
    server.stop()
}

/// What so many clients take of the quotas, where it is about all there is: `clients` of them took
/// a server from the first count of each pair to the second.
fn used_up(quotas: &[(Quota, Quota)], clients: usize, served: usize) -> Vec<String> {
    let taken = quotas.iter().filter_map(|(before, after)| {
        let each = divide(Some(after.used - before.used), Some(clients as f64))?;
        let share = (before.used + each * served as f64) / after.allowed;
        let Quota { name, allowed, .. } = after;
        (share > USED_UP).then(|| format!("{each:.1} {name} each, of {allowed} allowed"))
    });
    taken.collect()
}

fn print(models: &[&Model], figures: &[Figures], most: usize) -> io::Result<()> {
    let heads = ["model", "characteristics", "lines", "bytes a client", "and kernel's", "clients"];
    let title = "Three ways to construct a server (Fig. 2-20), measured on one core each";
    let mut table = Table::new(title, &heads).with_texts(2);
    for (model, figures) in models.iter().zip(figures) {
        let source = fs::read_to_string(workspace().join(model.source))?;
        let has_all = figures.most == Some(most as f64);
        table.row(vec![
            model.spec.name.to_owned(),
            model.characteristics.to_owned(),
            code_lines(&source).len().to_string(),
            figure(figures.own, 0),
            figure(figures.kernel, 0),
            format!("{}{}", figure(figures.most, 0), if has_all { "+" } else { "" }),
        ]);
    }
    table.print();
    println!("  clients: as many as were all served; {most} is what descriptors allow here");
    print_crowds("Requests a second", models, figures, |samples| figure(median(&samples.rate), 0));
    let waits = |samples: &Samples, rounds: &[f64]| match samples.unserved {
        0 => figure(median(rounds), 0),
        unserved => format!("{unserved} never served"),
    };
    let title = "p99 of a request in microseconds";
    print_crowds(title, models, figures, |samples| waits(samples, &samples.slowest));
    let title = "The longest wait in microseconds";
    print_crowds(title, models, figures, |samples| waits(samples, &samples.longest));
    let title = "Microseconds of the server's processor for a request";
    print_crowds(title, models, figures, |samples| figure(median(&samples.processor), 1));
    print_stalled(models, figures);
    print_reasons(models, figures);
    Ok(())
}

fn print_crowds(
    title: &str,
    models: &[&Model],
    figures: &[Figures],
    cell: impl Fn(&Samples) -> String,
) {
    let heads = CLIENTS.map(|clients| format!("clients: {clients}"));
    let heads: Vec<&str> = ["model"].into_iter().chain(heads.iter().map(String::as_str)).collect();
    let mut table = Table::new(title, &heads);
    for (model, figures) in models.iter().zip(figures) {
        let cells = figures.crowds.iter().map(&cell);
        table.row([model.spec.name.to_owned()].into_iter().chain(cells).collect());
    }
    table.print();
}

fn print_stalled(models: &[&Model], figures: &[Figures]) {
    let title = "Connect, ask and close, in microseconds, alone and beside a client that stalls";
    let heads = ["model", "p50 alone", "p50 beside", "p99 alone", "p99 beside"];
    let mut table = Table::new(title, &heads);
    for (model, Figures { alone, beside, .. }) in models.iter().zip(figures) {
        let stopped = format!("none served in {} s", PATIENCE.as_secs());
        table.row(vec![
            model.spec.name.to_owned(),
            figure(alone.of(|it| &it.middle), 0),
            figure(beside.of(|it| &it.middle), 0),
            figure(alone.of(|it| &it.slowest), 0),
            if beside.is_stopped { stopped } else { figure(beside.of(|it| &it.slowest), 0) },
        ]);
    }
    table.print();
}

/// Says of every figure that is no success what became of the clients.
fn print_reasons(models: &[&Model], figures: &[Figures]) {
    println!();
    for (model, figures) in models.iter().zip(figures) {
        let crowds = CLIENTS.iter().zip(figures.crowds.iter().map(|samples| &samples.how));
        for (clients, how) in crowds.filter(|(_, how)| !how.is_empty()) {
            println!("  {}, {clients} clients: {how}", model.spec.name);
        }
        if !figures.how.is_empty() {
            println!("  {}, at most: {}", model.spec.name, figures.how);
        }
    }
}

fn judge(models: &[&Model], figures: &[Figures], verdicts: &mut Verdicts) {
    let ours = models.iter().zip(figures).find(|(model, _)| model.spec.name == "state machine");
    let ours = ours.map(|(_, figures)| figures);
    let crowd = ours.and_then(|ours| ours.crowds.last()).filter(|last| !last.rate.is_empty());
    let unserved = crowd.map(|crowd| crowd.unserved as f64);
    verdicts.at_most("state machine, unserved of 10,000 clients", unserved, 0.0);
    let middle = |visited: &Visited| visited.of(|it| &it.middle);
    let ratio = ours.and_then(|ours| divide(middle(&ours.beside), middle(&ours.alone)));
    verdicts.at_most("state machine, p50 beside a stalled client x alone", ratio, 1.2);
}
