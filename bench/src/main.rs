//! Measures Tickgate: `bench run` (what `cargo xtask run --report` uses) and one scenario a subcommand.

use bench::blast::{self, Blast};
use bench::harness::{Feed, HarnessError, Options, Outcome};
use bench::naive::{self, Naive};
use bench::report::{Report, say};
use bench::scenario::{
    bytes, e2e, fanout, freeze, growth, idle, latency, one_thread, orders, overload, stalled, storm, thin,
};
use bench::{config, measure};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tickgate_client::Form;

/// Measures Tickgate.
#[derive(Debug, Parser)]
#[command(name = "bench", version, about, disable_help_subcommand = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The whole way with clients of every form and orders; against a running gateway or one of its own.
    Run(Run),
    /// Bytes per record on the Binance recording.
    Bytes(Bytes),
    /// Each hop of a tick by the times that travel with it, beside the bus alone.
    Latency(Latency),
    /// CPU and latency of the fan-out beside the bare-write limit.
    Fanout(Fanout),
    /// Order to durable report, open loop, and the highest rate.
    Orders(Orders),
    /// Memory of idle connections.
    Idle(Idle),
    /// Stalled readers beside healthy ones.
    Stalled(Stalled),
    /// What a client costs as clients grow: CPU beside bare writes, memory, age.
    Growth(Planned<growth::Plan>),
    /// All clients come at once, from nothing and after a kill of the gateway.
    Storm(Planned<storm::Plan>),
    /// Offered deliveries up to three times what raw delivery carries; the age of what clients see.
    Overload(Planned<overload::Plan>),
    /// Reports on a thin link beside one queue for everything.
    Thin(Planned<thin::Plan>),
    /// Feed or bus stand still: until STALE at every client, and fresh again.
    Freeze(Planned<freeze::Plan>),
    /// One queue for everything. `thin` starts it.
    #[command(hide = true)]
    Naive(NaiveArgs),
    /// The limit: only writes a pre-built frame to whoever connects. `fanout` starts it.
    #[command(hide = true)]
    Blast(BlastArgs),
}

#[derive(Debug, Args)]
struct Common {
    /// How long each measurement takes.
    #[arg(long = "for", value_name = "TIME", default_value = "10s", value_parser = time)]
    time: Duration,
    /// Folder for summary.json, report.txt, report.html and distributions.
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    report: PathBuf,
}

/// A scenario whose plan is its arguments.
#[derive(Debug, Args)]
struct Planned<P: Args> {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    plan: P,
}

#[derive(Debug, Args)]
struct NaiveArgs {
    /// Bytes of a frame.
    #[arg(long)]
    bytes: usize,
    /// Time between two, µs.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    interval_us: u32,
}

#[derive(Debug, Args)]
struct Run {
    #[command(flatten)]
    common: Common,
    /// A running gateway; else a whole deployment is started.
    #[arg(long, value_name = "ADDR")]
    gateway: Option<String>,
    /// Its process id, for CPU time.
    #[arg(long, requires = "gateway", value_name = "PID")]
    gateway_pid: Option<u32>,
    /// A running order-api's address; with it, or with a deployment of its own, orders are sent.
    #[arg(long, requires = "gateway", value_name = "ADDR")]
    order_api: Option<String>,
    /// Forms and intervals of the clients, such as `compact:50`; `raw` or 0 = each batch.
    #[arg(long, value_delimiter = ',', value_name = "FORM:MS", value_parser = client)]
    clients: Vec<(Form, u32)>,
    /// Symbols or patterns of every client.
    #[arg(long, value_delimiter = ',', default_value = "*", value_name = "PATTERN")]
    symbols: Vec<String>,
    /// Orders a second.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(0..=50_000))]
    orders: u32,
    /// Recording to play; else the simulator.
    #[arg(long, conflicts_with = "gateway", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Speed of the recording.
    #[arg(long, default_value = "1", requires = "data")]
    speed: String,
    /// Symbols of the simulator.
    #[arg(long, default_value_t = 200)]
    feed_symbols: u32,
    /// Events a second of the simulator.
    #[arg(long, default_value_t = 20_000)]
    rate: u32,
}

#[derive(Debug, Args)]
struct Bytes {
    #[command(flatten)]
    common: Common,
    /// Recording; default: the Binance one beside the workspace.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Interval.
    #[arg(long, default_value_t = 50, value_name = "MS")]
    interval: u32,
}

#[derive(Debug, Args)]
struct Latency {
    #[command(flatten)]
    common: Common,
    /// Symbols of the simulator; each client holds them all.
    #[arg(long, default_value_t = 100)]
    symbols: u32,
    /// Events a second of the simulator.
    #[arg(long, default_value_t = 1_000)]
    rate: u32,
    /// Clients.
    #[arg(long, default_value_t = 10)]
    clients: usize,
    /// Interval; 0 = raw.
    #[arg(long, default_value_t = 0, value_name = "MS")]
    interval: u32,
    /// Rounds.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

#[derive(Debug, Args)]
struct Fanout {
    #[command(flatten)]
    common: Common,
    /// Symbols of the simulator.
    #[arg(long, default_value_t = 500)]
    symbols: u32,
    /// Events a second of the simulator.
    #[arg(long, default_value_t = 10_000)]
    rate: u32,
    /// Clients.
    #[arg(long, default_value_t = 1_000)]
    clients: usize,
    /// Subscriptions of each.
    #[arg(long, default_value_t = 20)]
    each: usize,
    /// Interval.
    #[arg(long, default_value_t = 50, value_name = "MS", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    interval: u32,
    /// Rounds.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

#[derive(Debug, Args)]
struct Orders {
    #[command(flatten)]
    common: Common,
    /// Rates in open loop.
    #[arg(long, value_delimiter = ',', default_value = "100,1000,2000")]
    rates: Vec<u32>,
    /// Accounts of the closed loop, 1 to 8.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=8))]
    accounts: u8,
    /// Orders in flight of each.
    #[arg(long, default_value_t = 256)]
    window: usize,
}

#[derive(Debug, Args)]
struct Idle {
    #[command(flatten)]
    common: Common,
    /// Connections.
    #[arg(long, default_value_t = 5_000)]
    clients: usize,
}

#[derive(Debug, Args)]
struct Stalled {
    #[command(flatten)]
    common: Common,
    /// Readers.
    #[arg(long, default_value_t = 1_000)]
    clients: usize,
    /// Of these stalled.
    #[arg(long, default_value_t = 10)]
    stalled: usize,
    /// Rounds.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

#[derive(Debug, Args)]
struct BlastArgs {
    /// Bytes of a frame.
    #[arg(long)]
    bytes: usize,
    /// Interval, µs.
    #[arg(long)]
    interval_us: u32,
    /// Phases.
    #[arg(long)]
    phases: u32,
    /// Wakes a second.
    #[arg(long)]
    wakes: u32,
}

fn time(text: &str) -> Result<Duration, String> {
    let (digits, scale) = match text {
        _ if text.ends_with("ms") => (text.trim_end_matches("ms"), 1),
        _ if text.ends_with('s') => (text.trim_end_matches('s'), 1_000),
        _ if text.ends_with('m') => (text.trim_end_matches('m'), 60_000),
        _ => (text, 1_000),
    };
    let number: u64 = digits.parse().map_err(|_| format!("{text}: not a time like 30s, 2m or 500ms"))?;
    let millis = number.checked_mul(scale).filter(|millis| (1..=86_400_000).contains(millis));
    millis.map(Duration::from_millis).ok_or_else(|| format!("{text}: between 1 ms and 24 hours"))
}

fn client(text: &str) -> Result<(Form, u32), String> {
    let (form, interval) = text.split_once(':').ok_or("FORM:MS, such as compact:50")?;
    let form = Form::ALL.into_iter().find(|one| e2e::form_word(*one) == form);
    let form = form.ok_or("form: compact, fixed or json")?;
    let interval = if interval == "raw" { "0" } else { interval };
    Ok((form, interval.parse().map_err(|_| "interval: milliseconds or raw")?))
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    measure::raise_files();
    match run(cli.command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a scenario and writes its report; whether all was sound.
fn run(command: Command) -> Outcome<bool> {
    match command {
        Command::Run(args) => whole(args),
        Command::Bytes(args) => {
            let folder = args.data.or_else(|| config::recordings("binance-2024-08-08"));
            let folder = folder.ok_or_else(|| HarnessError::new("no recording: name one with --data"))?;
            local(&args.common, bytes::run(folder, args.interval, args.common.time))
        }
        Command::Latency(args) => {
            let plan = latency::Plan {
                symbols: args.symbols,
                rate: args.rate,
                clients: args.clients,
                interval_ms: args.interval,
                time: args.common.time,
                rounds: args.rounds,
            };
            local(&args.common, latency::run(plan))
        }
        Command::Fanout(args) => {
            let plan = fanout::Plan {
                symbols: args.symbols,
                rate: args.rate,
                clients: args.clients,
                each: args.each,
                interval_ms: args.interval,
                time: args.common.time,
                rounds: args.rounds,
            };
            local(&args.common, fanout::run(plan))
        }
        Command::Orders(args) => {
            let plan = orders::Plan {
                rates: args.rates,
                time: args.common.time,
                accounts: args.accounts.into(),
                window: args.window,
            };
            local(&args.common, orders::run(&plan))
        }
        Command::Idle(args) => local(&args.common, idle::run(args.clients)),
        Command::Stalled(args) => {
            let (clients, stalled) = (args.clients, args.stalled.max(1));
            let plan = stalled::Plan { clients, stalled, time: args.common.time, rounds: args.rounds };
            local(&args.common, stalled::run(plan))
        }
        Command::Growth(args) => local(&args.common, growth::run(args.plan, args.common.time)),
        Command::Storm(args) => local(&args.common, storm::run(args.plan)),
        Command::Overload(args) => local(&args.common, overload::run(args.plan, args.common.time)),
        Command::Thin(args) => local(&args.common, thin::run(args.plan, args.common.time)),
        Command::Freeze(args) => local(&args.common, freeze::run(args.plan)),
        Command::Naive(args) => naive(&args).map(|()| true),
        Command::Blast(args) => limit(&args).map(|()| true),
    }
}

/// Runs a scenario in one thread.
fn local(common: &Common, scenario: impl Future<Output = Outcome<Report>>) -> Outcome<bool> {
    let runtime = one_thread().map_err(HarnessError::new)?;
    let report = tokio::task::LocalSet::new().block_on(&runtime, stoppable(scenario))?;
    finish(report, common)
}

/// Ends a scenario when the process is asked to end, so that what it started ends with it.
async fn stoppable<T>(scenario: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(HarnessError::new)?;
    tokio::select! {
        done = scenario => done,
        _ = tokio::signal::ctrl_c() => Err(HarnessError::new("stopped")),
        _ = terminate.recv() => Err(HarnessError::new("stopped")),
    }
}

fn finish(mut report: Report, common: &Common) -> Outcome<bool> {
    report.write(&common.report).map_err(HarnessError::new)?;
    say(&format!("{}", common.report.join("report.html").display()));
    Ok(report.sound)
}

fn whole(args: Run) -> Outcome<bool> {
    let mut plan = e2e::Plan::standard(args.common.time);
    if !args.clients.is_empty() {
        plan.clients = args.clients;
    }
    plan.symbols = args.symbols;
    plan.orders_per_s = args.orders;
    let runtime = tokio::runtime::Runtime::new().map_err(HarnessError::new)?;
    let report = match args.gateway {
        Some(address) => {
            let attached = e2e::Attached { address, pid: args.gateway_pid };
            runtime.block_on(stoppable(e2e::run(&attached, &plan)))?
        }
        None => {
            let feed = match args.data {
                Some(folder) => Feed::Recording { folder, speed: args.speed, from: None, again: false },
                None => Feed::Simulator { symbols: args.feed_symbols, rate: args.rate, seed: 1 },
            };
            runtime.block_on(stoppable(e2e::own(Options::of(feed), &plan)))?
        }
    };
    finish(report, &args.common)
}

fn limit(args: &BlastArgs) -> Outcome {
    let blast = Blast {
        bytes: args.bytes,
        interval: Duration::from_micros(args.interval_us.into()),
        phases: args.phases,
        wakes: args.wakes,
    };
    let runtime = one_thread().map_err(HarnessError::new)?;
    let serve = blast::serve(blast, |address| say(&format!("ready blast={address}")));
    tokio::task::LocalSet::new().block_on(&runtime, serve).map_err(HarnessError::new)
}

fn naive(args: &NaiveArgs) -> Outcome {
    let naive = Naive { bytes: args.bytes, interval: Duration::from_micros(args.interval_us.into()) };
    let runtime = one_thread().map_err(HarnessError::new)?;
    let serve = naive::serve(naive, |address| say(&format!("ready naive={address}")));
    tokio::task::LocalSet::new().block_on(&runtime, serve).map_err(HarnessError::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_clients_are_read_or_refused() {
        assert_eq!(time("500ms"), Ok(Duration::from_millis(500)));
        assert!(time("0s").is_err() && time("x").is_err());
        assert_eq!(client("json:raw").unwrap(), (Form::Json, 0));
        assert!(client("xml:5").is_err() && client("compact").is_err());
        assert!(Cli::try_parse_from(["bench", "run", "--colour"]).is_err());
        assert!(Cli::try_parse_from(["bench", "fanout", "--interval", "0"]).is_err());
    }
}
