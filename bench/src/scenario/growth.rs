//! What a client costs as clients grow: gateway's CPU beside bare writes of the same bytes at the same rate in the same
//! minute, memory idle and with data, age since flush.
//!
//! Gateway and limit run on core 0, everything else on core 1. The load is one process: it and the gateway have a
//! descriptor a client each.

use super::fanout::{self, mean_frame, plans};
use super::{Counters, round};
use crate::harness::{HarnessError, Options, Outcome, Pins, Signal, Stack};
use crate::load::readers;
use crate::load::swarm::{Accounts, Counts, Swarm};
use crate::measure;
use crate::report::{Goal, Report, percentiles, short};
use clap::Args;
use serde_json::{Value, json};
use std::time::Duration;

/// What to do.
#[derive(Debug, Clone, Args)]
pub struct Plan {
    /// Clients of each step.
    #[arg(long, value_delimiter = ',', default_value = "100,1000,5000,10000")]
    pub steps: Vec<usize>,
    /// Symbols of the simulator.
    #[arg(long, default_value_t = 500)]
    pub symbols: u32,
    /// Events a second of the simulator.
    #[arg(long, default_value_t = 10_000)]
    pub rate: u32,
    /// Subscriptions of each client.
    #[arg(long, default_value_t = 20)]
    pub each: usize,
    /// Interval.
    #[arg(long, default_value_t = 100, value_name = "MS", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub interval: u32,
}

/// Time for things to settle.
const SETTLE: Duration = Duration::from_secs(3);

/// What one step showed.
struct Step {
    clients: usize,
    gateway: Counters,
    counts: Counts,
    limit: f64,
    idle_kib: f64,
    data_kib: f64,
    accounts: Accounts,
    sound: bool,
}

impl Step {
    fn ratio(&self) -> f64 {
        self.gateway.cores() / self.limit.max(1e-6)
    }

    /// Core µs a second of one client.
    fn per_client_us(&self) -> f64 {
        self.gateway.cores() * 1e6 / self.clients as f64
    }

    fn json(&self) -> Value {
        json!({
            "clients": self.clients,
            "gateway": self.gateway.json(),
            "limit_cores": round(self.limit, 4),
            "ratio": round(self.ratio(), 3),
            "core_us_per_client_s": round(self.per_client_us(), 2),
            "rss_kib_per_connection_idle": round(self.idle_kib, 3),
            "rss_kib_per_connection_with_data": round(self.data_kib, 3),
            "since_flush_us": percentiles(&self.counts.latency),
            "records": self.counts.records,
            "events_accounted": self.accounts.accounted,
        })
    }

    fn line(&self) -> String {
        let seconds = self.gateway.seconds().max(0.001);
        format!(
            "{} clients: gateway {:.3} core ({:.1} µs a client and second), bare writes {:.3}, ratio {:.2}; \
             {:.0} frames/s of {} B, {:.0} records/s; RSS a connection {:.2} KiB idle, {:.2} with data; since flush {}",
            self.clients,
            self.gateway.cores(),
            self.per_client_us(),
            self.limit,
            self.ratio(),
            self.counts.frames as f64 / seconds,
            mean_frame(&self.counts),
            self.counts.records as f64 / seconds,
            self.idle_kib,
            self.data_kib,
            short(&self.counts.latency)
        )
    }
}

/// Runs all steps, each with clients of its own.
///
/// # Errors
/// When something does not start or a client is refused.
pub async fn run(plan: Plan, time: Duration) -> Outcome<Report> {
    measure::pin_self(1).map_err(HarnessError::new)?;
    let pins = Pins { gateway: Some(0), rest: Some(1) };
    let options = Options { orders: false, pins, ..Options::simulator(plan.symbols, plan.rate) };
    let mut stack = Stack::start(options).await?;
    let names = readers::all_symbols(&stack.address).await.map_err(HarnessError::new)?;
    let empty = measure::rss_bytes(stack.gateway.id()).unwrap_or(0);
    let mut steps = Vec::new();
    for clients in plan.steps.iter().copied() {
        let coming = plans(&names, clients, plan.each, plan.interval);
        let mut step = step(&mut stack, coming, empty, time).await?;
        let same = fanout::Plan {
            clients,
            each: plan.each,
            interval_ms: plan.interval,
            time,
            ..fanout::Plan::default()
        };
        let per_s = step.counts.frames as f64 / time.as_secs_f64().max(0.001);
        stack.pause(Signal::Stop);
        let limit = fanout::limit(same, mean_frame(&step.counts), per_s, 0.0).await;
        stack.pause(Signal::Continue);
        step.limit = limit?;
        steps.push(step);
        tokio::time::sleep(SETTLE).await;
    }
    Ok(report(&plan, &steps))
}

/// Clients connect while the feed stands still, then data flows. They are gone when this returns.
async fn step(
    stack: &mut Stack,
    coming: Vec<crate::load::swarm::Plan>,
    empty: u64,
    time: Duration,
) -> Outcome<Step> {
    let clients = coming.len();
    let pid = stack.gateway.id();
    let rss_kib = || {
        let rss = measure::rss_bytes(pid).unwrap_or(0);
        (rss as f64 - empty as f64) / clients as f64 / 1_024.0
    };
    let signal = |stack: &mut Stack, signal| {
        if let Some(feed) = &mut stack.feed {
            feed.signal(signal);
        }
    };
    signal(stack, Signal::Stop);
    let joined = Swarm::start(&stack.address, coming).await;
    tokio::time::sleep(SETTLE).await;
    let idle_kib = rss_kib();
    signal(stack, Signal::Continue);
    let swarm = joined.map_err(|error| HarnessError(format!("{clients} clients: {error}")))?;
    swarm.measure(SETTLE).await;
    let before = Counters::read(&stack.address, Some(pid)).await?;
    let counts = swarm.measure(time).await;
    let gateway = Counters::read(&stack.address, Some(pid)).await?.since(&before);
    let accounts = swarm.accounts();
    let sound = swarm.ended() == 0 && swarm.faults() == (0, 0) && accounts.wrong == 0 && gateway.lost == 0.0;
    Ok(Step { clients, gateway, counts, limit: 0.0, idle_kib, data_kib: rss_kib(), accounts, sound })
}

fn report(plan: &Plan, steps: &[Step]) -> Report {
    let mut report = Report::new("growth", "bench");
    report.sound = steps.iter().all(|step| step.sound);
    if let Some(most) = steps.iter().max_by_key(|step| step.clients) {
        report.goals.push(Goal::of("gateway ÷ bare writes, most clients", most.ratio(), 1.15, "×"));
        report.goals.push(Goal::of("RSS a connection, idle, most clients", most.idle_kib, 2.5, "KiB"));
    }
    if let (Some(first), Some(last)) = (steps.iter().find(|step| step.clients >= 1_000), steps.last()) {
        let growth = last.per_client_us() / first.per_client_us().max(1e-6);
        report.goals.push(Goal::of("CPU of a client, most ÷ 1,000 clients", growth, 1.15, "×"));
    }
    for step in steps {
        report.line(step.line());
        report.curve(format!("{} clients", step.clients), &step.counts.latency);
    }
    report.set("plan", json!({"symbols": plan.symbols, "rate": plan.rate, "subscriptions": plan.each, "interval_ms": plan.interval}));
    report.set("steps", steps.iter().map(Step::json).collect());
    report
}
