//! `cargo xtask run`: builds, starts the server and the three services, watches them, ends them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use clap::Args;

use crate::child::Service;
use crate::live::{Live, get};
use crate::nats::{self, NatsServer};
use crate::sys::{Outcome, StopFlag, failed, now, pause, refused, root};
use crate::tools;

/// How long a service may take until it says `ready`.
const READY_WAIT: Duration = Duration::from_secs(30);
/// Exit code when the user stopped it before anything ran.
const INTERRUPTED: u8 = 130;
/// Demo accounts of development mode.
const ACCOUNTS: &str = "A1,A2,A3,A4,A5,A6,A7,A8";

/// Arguments of `run`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  cargo xtask run\n  cargo xtask run --data ../shared/data/binance-2024-08-08 --speed 10\n  cargo xtask run --for 30s --report out/report"
)]
pub(crate) struct RunArgs {
    /// Symbols of the simulator (1 to 10,000).
    #[arg(long, conflicts_with = "data")]
    symbols: Option<u32>,
    /// Events a second of the simulator.
    #[arg(long, conflicts_with = "data")]
    rate: Option<u32>,
    /// Seed of the simulator; the same seed gives the same events.
    #[arg(long, conflicts_with = "data")]
    seed: Option<u64>,
    /// Replay the recordings of this folder instead of simulating.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How many times faster than recorded.
    #[arg(long, requires = "data", value_name = "X")]
    speed: Option<String>,
    /// Skip to this time of the recordings' day.
    #[arg(long, requires = "data", value_name = "HH:MM")]
    from: Option<String>,
    /// Start the recordings again at their end.
    #[arg(long = "loop", requires = "data")]
    again: bool,
    /// Port of the page, on loopback; 0 takes a free one.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Use this NATS instead of starting one.
    #[arg(long, value_name = "URL")]
    nats: Option<String>,
    /// Monitoring address of that NATS, from which its durability is read.
    #[arg(long, requires = "nats", value_name = "URL")]
    nats_monitor: Option<String>,
    /// Run head-less for this long (30s, 2m, 500ms), then stop.
    #[arg(long = "for", value_name = "TIME", value_parser = parse_time)]
    duration: Option<Duration>,
    /// Run load clients meanwhile and leave summary.json and report.txt in this folder.
    #[arg(long, requires = "duration", value_name = "DIR")]
    report: Option<PathBuf>,
    /// Accept a nats-server whose acks are not durable; page and report then say so.
    #[arg(long)]
    allow_undurable: bool,
}

/// Reads `30s`, `2m`, `500ms` or plain seconds.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
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

/// Everything that runs, in the order in which it ends.
struct Stack {
    gateway: Service,
    order_api: Service,
    feed: Service,
    nats: Option<NatsServer>,
    /// Where the page is.
    http: String,
    /// Where order-api tells its health and metrics.
    orders_http: Option<String>,
    url: String,
}

impl Stack {
    fn services(&mut self) -> impl Iterator<Item = &mut Service> {
        let nats = self.nats.as_mut().map(|server| &mut server.service);
        [&mut self.gateway, &mut self.order_api, &mut self.feed].into_iter().chain(nats)
    }

    fn dead(&mut self) -> Option<String> {
        self.services().find_map(|service| service.ended().map(|status| service.obituary(status)))
    }

    fn stop(&mut self) -> Vec<&'static str> {
        self.services().filter_map(|service| (!service.stop()).then_some(service.name)).collect()
    }
}

/// Runs until told to stop, the time is up, or a child died.
pub(crate) fn run(args: &RunArgs) -> Outcome {
    if let Some(folder) = args.data.as_ref().filter(|folder| !folder.is_dir()) {
        return Err(refused(format!("--data {}: no such folder", folder.display())));
    }
    let stop = StopFlag::install()?;
    let binary = if args.nats.is_some() { None } else { Some(nats::ensure(args.allow_undurable)?) };
    if let Err(error) = build(args.report.is_some()) {
        // Ctrl-C reaches cargo too: then its failure is no news.
        return if stop.is_set() { Ok(INTERRUPTED) } else { Err(error) };
    }
    if stop.is_set() {
        return Ok(INTERRUPTED);
    }
    let page = match tools::node().and_then(|(_, npm)| tools::build_page(&npm)) {
        Ok(folder) => Some(folder),
        Err(why) => {
            println!("without the page: {why}");
            None
        }
    };
    let folder = root().join(format!(".tools/run/{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|error| failed(format!("{}: {error}", folder.display())))?;
    let nats = binary.as_ref().map(|binary| nats::start(binary, &folder, &stop)).transpose()?;
    if binary.as_ref().is_some_and(|binary| !binary.durable) {
        println!("NOT DURABLE: this nats-server acknowledges before it has synced");
    }
    let mut stack = start(args, nats, page.as_deref(), &folder, &stop)?;
    announce(&stack, page.is_some(), &folder);
    let outcome = watch(args, &mut stack, &folder, &stop);
    println!("stopping");
    let unclean = stack.stop();
    if outcome.is_ok() {
        // Logs of a good run help nobody; those of a bad one are named in the message.
        let _ = fs::remove_dir_all(&folder);
    }
    match outcome {
        Ok(_) if !unclean.is_empty() => Err(failed(format!("did not end cleanly: {}", unclean.join(", ")))),
        other => other,
    }
}

fn build(with_bench: bool) -> Outcome<()> {
    let mut args = vec!["build", "--release", "--bins", "-p", "feed-sim", "-p", "gateway", "-p", "order-api"];
    if with_bench {
        args.extend(["-p", "bench"]);
    }
    tools::cargo_quietly("the services (release; the first time takes minutes)", &args)
}

fn binary(name: &str) -> Command {
    let mut command = Command::new(tools::target_dir().join("release").join(name));
    command.current_dir(root());
    command
}

fn start(
    args: &RunArgs,
    nats: Option<NatsServer>,
    page: Option<&Path>,
    folder: &Path,
    stop: &StopFlag,
) -> Outcome<Stack> {
    let url = match (&args.nats, &nats) {
        (Some(url), _) => url.clone(),
        (None, Some(server)) => server.url.clone(),
        (None, None) => return Err(refused("no NATS")),
    };
    let monitor = args.nats_monitor.clone().or_else(|| nats.as_ref().map(|server| server.monitor.clone()));

    let mut feed = Service::start("feed-sim", feed_command(args, &url), folder)?;
    feed.wait_ready(READY_WAIT, stop)?;

    let mut command = binary("order-api");
    command.args(["--nats", &url, "--listen", "127.0.0.1:0"]);
    if let Some(monitor) = &monitor {
        command.args(["--nats-monitor", monitor]);
    }
    let mut order_api = Service::start("order-api", command, folder)?;
    let orders: BTreeMap<_, _> = order_api.wait_ready(READY_WAIT, stop)?;

    let mut command = binary("gateway");
    command.args(["--nats", &url, "--demo-accounts", ACCOUNTS, "--limits", "bench", "--drain-ms", "0"]);
    command.args(["--listen", &format!("127.0.0.1:{}", args.port)]);
    if let Some(page) = page {
        command.arg("--page-dir").arg(page);
    }
    let mut gateway = Service::start("gateway", command, folder)?;
    let ready = gateway.wait_ready(READY_WAIT, stop)?;
    let http = ready.get("http").cloned().unwrap_or_else(|| format!("127.0.0.1:{}", args.port));
    let mut stack =
        Stack { gateway, order_api, feed, nats, http, orders_http: orders.get("http").cloned(), url };
    wait_whole(&mut stack, stop)?;
    Ok(stack)
}

/// Waits until the gateway knows the instruments: before that a pattern matches nothing.
fn wait_whole(stack: &mut Stack, stop: &StopFlag) -> Outcome<()> {
    let until = now() + READY_WAIT;
    while get(&stack.http, "/readyz").is_none() {
        if let Some(message) = stack.dead() {
            return Err(failed(message));
        }
        if stop.is_set() || now() > until {
            return Err(failed("the gateway is not ready: see its log and /readyz"));
        }
        pause(Duration::from_millis(20));
    }
    Ok(())
}

fn feed_command(args: &RunArgs, url: &str) -> Command {
    let mut command = binary("feed-sim");
    command.args(["--nats", url]);
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            command.args([name, &value]);
        }
    };
    add("--symbols", args.symbols.map(|value| value.to_string()));
    add("--rate", args.rate.map(|value| value.to_string()));
    add("--seed", args.seed.map(|value| value.to_string()));
    add("--data", args.data.as_ref().map(|folder| absolute(folder)));
    add("--speed", args.speed.clone());
    add("--from", args.from.clone());
    if args.again {
        command.arg("--loop");
    }
    command
}

fn absolute(path: &Path) -> String {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf()).to_string_lossy().into_owned()
}

fn announce(stack: &Stack, page: bool, folder: &Path) {
    println!();
    if page {
        println!("  page     http://{}/", stack.http);
    }
    println!("  socket   ws://{}/ws", stack.http);
    println!("  nats     {}", stack.url);
    println!("  logs     {}", folder.strip_prefix(root()).unwrap_or(folder).display());
    println!("  Ctrl-C ends it");
    println!();
}

fn watch(args: &RunArgs, stack: &mut Stack, folder: &Path, stop: &StopFlag) -> Outcome {
    let mut load = args.report.as_ref().map(|report| load(args, stack, report, folder)).transpose()?;
    let until = args.duration.map(|time| now() + time);
    let terminal = std::io::stdout().is_terminal();
    let step = Duration::from_secs(if terminal { 1 } else { 5 });
    let (mut live, mut next) = (Live::new(), now());
    loop {
        if stop.is_set() {
            println!();
            return if load.is_some() { Err(failed("stopped before the report was written")) } else { Ok(0) };
        }
        if let Some(message) = stack.dead() {
            println!();
            return Err(failed(message));
        }
        match &mut load {
            Some(load) => {
                if let Some(status) = load.ended() {
                    if !status.success() {
                        return Err(failed(load.obituary(status)));
                    }
                    return finish_report(args);
                }
            }
            None if until.is_some_and(|until| now() >= until) => return Ok(0),
            None => {}
        }
        if now() >= next {
            next = now() + step;
            if let Some(line) = live.line(&stack.http) {
                if terminal {
                    print!("\r\x1b[K{line}");
                    let _ = std::io::stdout().flush();
                } else {
                    println!("{line}");
                }
            }
        }
        pause(Duration::from_millis(50));
    }
}

/// Starts the load clients against the running stack.
fn load(args: &RunArgs, stack: &Stack, report: &Path, folder: &Path) -> Outcome<Service> {
    let seconds = args.duration.unwrap_or(Duration::from_secs(30));
    fs::create_dir_all(report).map_err(|error| failed(format!("{}: {error}", report.display())))?;
    let mut command = binary("bench");
    command.args(["run", "--for", &format!("{}ms", seconds.as_millis()), "--report", &absolute(report)]);
    command.args(["--gateway", &stack.http, "--gateway-pid", &stack.gateway.id().to_string()]);
    if let Some(http) = &stack.orders_http {
        command.args(["--order-api", http]);
    }
    Service::start("bench", command, folder)
}

fn finish_report(args: &RunArgs) -> Outcome {
    let Some(report) = &args.report else { return Ok(0) };
    println!();
    if let Ok(text) = fs::read_to_string(report.join("report.txt")) {
        println!("{}", text.trim_end());
    }
    let summary = report.join("summary.json");
    if !summary.is_file() {
        return Err(failed(format!("no {} was written", summary.display())));
    }
    println!("\n{}", summary.display());
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_unit() {
        assert_eq!(parse_time("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(parse_time("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse_time("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_time("5"), Ok(Duration::from_secs(5)));
        for bad in ["", "x", "-1s", "0s", "99999999999999999999m", "1h"] {
            assert!(parse_time(bad).is_err(), "{bad}");
        }
    }
}
