//! Reports on a thin link (promise P7): a client that cannot read all its market data sends orders; beside it the same
//! client of a queue that keeps data and reports in one lane.

use super::fanout::mean_frame;
use crate::config;
use crate::harness::{Folder, HarnessError, Options, Outcome, Process, Stack};
use crate::load::readers;
use crate::load::swarm::{Plan as Client, Swarm};
use crate::load::thin::{self, Seen, Thin};
use crate::report::{Goal, Report, percentiles, short};
use clap::Args;
use serde_json::json;
use std::time::Duration;

/// Goals for median and p99, ms.
const GOALS_MS: (f64, f64) = (130.0, 200.0);

/// What to do.
#[derive(Debug, Clone, Copy, Args)]
pub struct Plan {
    /// Symbols of the simulator; the client holds them all.
    #[arg(long, default_value_t = 500)]
    pub symbols: u32,
    /// Events a second of the simulator.
    #[arg(long, default_value_t = 20_000)]
    pub rate: u32,
    /// Interval.
    #[arg(long, default_value_t = 10, value_name = "MS")]
    pub interval: u32,
    /// Bytes that the client reads in a second.
    #[arg(long, default_value_t = 64_000)]
    pub link: usize,
    /// Bytes that the client's kernel keeps for it.
    #[arg(long, default_value_t = 4_096)]
    pub receive_buffer: u32,
    /// Orders a second.
    #[arg(long, default_value_t = 20)]
    pub orders: u32,
    /// Rounds.
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
}

/// Runs the rounds: the gateway, then the naive queue with the gateway's bytes.
///
/// # Errors
/// When something does not start or a client is refused.
pub async fn run(plan: Plan, time: Duration) -> Outcome<Report> {
    let stack = Stack::start(Options::simulator(plan.symbols, plan.rate)).await?;
    let names = readers::all_symbols(&stack.address).await.map_err(HarnessError::new)?;
    let first = names.first().ok_or_else(|| HarnessError::new("no symbols"))?;
    let thin = Thin {
        account: "A1",
        symbols: vec!["*".to_owned()],
        interval_ms: plan.interval,
        bytes_per_s: plan.link,
        receive_buffer: plan.receive_buffer,
        target: super::target(&stack.address, first).await?,
        orders_per_s: plan.orders,
        warm: Duration::from_secs(3),
        time,
    };
    let mut report = Report::new("thin", "bench");
    let (mut p50, mut p99, mut naive_p99) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..plan.rounds.max(1) {
        let (frame, per_s) = offered(&stack.address, plan).await?;
        let seen = thin::run(&stack.address, thin.clone()).await.map_err(HarnessError::new)?;
        let naive = naive(frame, per_s, thin.clone()).await?;
        let ms = |seen: &Seen, quantile| seen.latency.value_at_quantile(quantile) as f64 / 1e3;
        p50.push(ms(&seen, 0.5));
        p99.push(ms(&seen, 0.99));
        naive_p99.push(ms(&naive, 0.99));
        report.sound &= seen.unanswered == 0 && seen.sent > 0;
        report.line(format!("offered {per_s:.0} B/s in frames of {frame} B, the client reads {}", plan.link));
        for (name, seen) in [("gateway", &seen), ("naive queue", &naive)] {
            report.line(format!(
                "{name}: order to report {}; {} sent, {} without a report; {:.0} B/s read",
                short(&seen.latency),
                seen.sent,
                seen.unanswered,
                seen.read_per_s
            ));
            report.curve(name, &seen.latency);
        }
        report.set("gateway_us", percentiles(&seen.latency));
        report.set("naive_us", percentiles(&naive.latency));
    }
    report.goals.push(Goal::rounds("order to report, p50", &p50, GOALS_MS.0, "ms"));
    report.goals.push(Goal::rounds("order to report, p99", &p99, GOALS_MS.1, "ms"));
    report.set("p50_ms", json!(p50));
    report.set("p99_ms", json!(p99));
    report.set("naive_p99_ms", json!(naive_p99));
    report.set(
        "plan",
        json!({"symbols": plan.symbols, "rate": plan.rate, "interval_ms": plan.interval,
        "link_bytes_per_s": plan.link, "receive_buffer": plan.receive_buffer, "orders_per_s": plan.orders}),
    );
    Ok(report)
}

/// Bytes of a frame, and bytes in a second, of a client that reads all.
async fn offered(address: &str, plan: Plan) -> Outcome<(usize, f64)> {
    let fat = Client {
        form: thin::FORM,
        symbols: vec!["*".to_owned()],
        interval_ms: plan.interval,
        receive_buffer: None,
        decode: true,
        stalls: false,
    };
    let time = Duration::from_secs(3);
    let swarm = Swarm::start(address, vec![fat]).await.map_err(HarnessError::new)?;
    swarm.measure(Duration::from_secs(1)).await;
    let counts = swarm.measure(time).await;
    Ok((mean_frame(&counts), counts.socket_bytes as f64 / time.as_secs_f64()))
}

/// The same client of one queue for everything.
async fn naive(frame: usize, bytes_per_s: f64, thin: Thin) -> Outcome<Seen> {
    let folder = Folder::new()?;
    let program = config::binaries().map_err(HarnessError::new)?.join("bench");
    let interval_us = frame as f64 * 1e6 / bytes_per_s.max(1.0);
    let args = ["naive".to_owned(), format!("--bytes={frame}"), format!("--interval-us={interval_us:.0}")];
    let mut process = Process::start("naive", &program, &args, None, folder.path())?;
    let address =
        process.ready().await?.remove("naive").ok_or_else(|| process.obituary("said no address"))?;
    let seen = thin::run(&address, thin).await.map_err(HarnessError::new);
    process.kill().await;
    seen
}
