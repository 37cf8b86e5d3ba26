//! Readers that stall beside healthy ones: what each costs, and what the others notice.

use super::fanout::plans;
use crate::harness::{HarnessError, Options, Outcome, Pins, Stack, until};
use crate::load::readers;
use crate::load::swarm::{Counts, Swarm};
use crate::measure;
use crate::report::{Goal, Report, percentiles, short, spread};
use serde_json::json;
use std::time::Duration;

/// What to do.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Readers in all.
    pub clients: usize,
    /// Of these stalled.
    pub stalled: usize,
    /// Time of each phase.
    pub time: Duration,
    /// Rounds: each a phase without and a phase with stalled readers.
    pub rounds: usize,
}

/// Receive buffer of a reader that stalls: what it keeps in *its* kernel is not the gateway's doing.
const RECEIVE_BUFFER: u32 = 4_096;

/// How long the kernel's buffers may take to fill.
const BLOCK_WAIT: Duration = Duration::from_secs(30);

/// Waits until as many sockets are full. Without this proof the figures would be of readers that never stalled.
async fn blocked(stack: &Stack, wanted: usize) -> Outcome {
    until("blocked sockets at the gateway", BLOCK_WAIT, async || {
        let blocked = stack.metric("gw_sessions_blocked").await.ok()?;
        (blocked >= wanted as f64).then_some(())
    })
    .await
}

/// Runs the rounds.
///
/// # Errors
/// When something does not start or a client is refused.
pub async fn run(plan: Plan) -> Outcome<Report> {
    let pins = Pins { gateway: Some(0), rest: None };
    let stack = Stack::start(Options { orders: false, pins, ..Options::simulator(500, 10_000) }).await?;
    let names = readers::all_symbols(&stack.address).await.map_err(HarnessError::new)?;
    let failed = |error: std::io::Error| HarnessError(format!("{error}\n{}", stack.tails()));
    let mut all = plans(&names, plan.clients, 20, 50);
    let everything: Vec<String> = names.iter().map(|symbol| symbol.symbol.clone()).collect();
    for one in all.iter_mut().take(plan.stalled) {
        // All symbols, often: 20 symbols at 20 Hz would fit into the kernel's buffers for many seconds.
        one.symbols.clone_from(&everything);
        one.interval_ms = 10;
        one.stalls = true;
        one.receive_buffer = Some(RECEIVE_BUFFER);
    }
    let swarm = Swarm::start(&stack.address, all).await.map_err(failed)?;
    let pid = stack.gateway.id();
    swarm.measure(Duration::from_secs(3)).await;
    let memory = || (measure::rss_bytes(pid).unwrap_or(0), measure::tcp_bytes().unwrap_or(0));
    let (mut ratios, mut rss, mut kernel, mut last) = (Vec::new(), Vec::new(), Vec::new(), None);
    for _ in 0..plan.rounds {
        let before = memory();
        let without = swarm.measure(plan.time).await;
        swarm.stall(true);
        blocked(&stack, plan.stalled).await?;
        let with = swarm.measure(plan.time).await;
        let after = memory();
        swarm.stall(false);
        swarm.measure(Duration::from_secs(2)).await;
        let p99 = |counts: &Counts| counts.latency.value_at_quantile(0.99) as f64;
        ratios.push(p99(&with) / p99(&without).max(1.0));
        let each = |after: u64, before: u64| (after as f64 - before as f64) / plan.stalled as f64 / 1_024.0;
        rss.push(each(after.0, before.0));
        kernel.push(each(after.1, before.1));
        last = Some((without, with));
    }
    let accounts = swarm.accounts();
    let mut report = Report::new("stalled", "bench");
    report.sound = swarm.ended() == 0 && swarm.faults() == (0, 0) && accounts.wrong == 0;
    let sums: Vec<f64> = rss.iter().zip(&kernel).map(|(rss, kernel)| rss + kernel).collect();
    report.goals.push(Goal::rounds("p99 of the others, with ÷ without", &ratios, 1.2, "×"));
    report.goals.push(Goal::rounds("memory per stalled reader, kernel included", &sums, 32.0, "KiB"));
    report.line(format!(
        "{} of {} stalled for {} s: RSS {:.1} KiB, kernel {:.1} KiB each (medians)",
        plan.stalled,
        plan.clients,
        plan.time.as_secs(),
        spread(&rss).0,
        spread(&kernel).0
    ));
    if let Some((without, with)) = &last {
        report.line(format!(
            "last round: without {} | with {}",
            short(&without.latency),
            short(&with.latency)
        ));
        report.set("without_us", percentiles(&without.latency));
        report.set("with_us", percentiles(&with.latency));
        report.curve("without", &without.latency);
        report.curve("with", &with.latency);
    }
    report.line(format!(
        "after catching up: {} events accounted, {} clients whose identity is broken",
        accounts.accounted, accounts.wrong
    ));
    report.set("ratios", json!(ratios));
    report.set("rss_kib", json!(rss));
    report.set("kernel_kib", json!(kernel));
    report.set("identity_ok", json!(accounts.wrong == 0));
    report.set("events_accounted", json!(accounts.accounted));
    Ok(report)
}
