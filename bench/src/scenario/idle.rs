//! Memory of an idle connection with 20 subscriptions.

use super::fanout::plans;
use crate::harness::{HarnessError, Options, Outcome, Stack};
use crate::load::readers;
use crate::load::swarm::Swarm;
use crate::measure;
use crate::report::{Goal, Report};
use serde_json::json;
use std::time::Duration;

/// Most resident bytes of the gateway per connection.
pub const GOAL_KB: f64 = 2.5;

/// Connections that warm the gateway's own buffers and are not counted.
const WARM: usize = 200;

/// Connects `count` clients after a warm-up and compares the gateway's resident memory.
///
/// # Errors
/// When something does not start or a client is refused.
pub async fn run(count: usize) -> Outcome<Report> {
    let options = Options { orders: false, ..Options::simulator(500, 200) };
    let stack = Stack::start(options).await?;
    let names = readers::all_symbols(&stack.address).await.map_err(HarnessError::new)?;
    let pid = stack.gateway.id();
    let settle = Duration::from_secs(3);
    let failed = |error: std::io::Error| HarnessError(format!("{error}\n{}", stack.tails()));
    let mut swarm = Swarm::start(&stack.address, plans(&names, WARM, 20, 1_000)).await.map_err(failed)?;
    tokio::time::sleep(settle).await;
    let before = (measure::rss_bytes(pid).unwrap_or(0), measure::tcp_bytes().unwrap_or(0));
    let begun_us = tickgate_client::now_us();
    swarm.add(&stack.address, plans(&names, count, 20, 1_000)).await.map_err(failed)?;
    let connect_s = (tickgate_client::now_us() - begun_us) as f64 / 1e6;
    tokio::time::sleep(settle).await;
    let after = (measure::rss_bytes(pid).unwrap_or(0), measure::tcp_bytes().unwrap_or(0));
    let each = |after: u64, before: u64| (after as f64 - before as f64) / count as f64 / 1_024.0;
    let rss_kb = each(after.0, before.0);
    let mut report = Report::new("idle", "bench");
    report.sound = swarm.ended() == 0 && swarm.faults() == (0, 0) && swarm.accounts().wrong == 0;
    report.goals.push(Goal::of("RSS per idle connection", rss_kb, GOAL_KB, "KiB"));
    report.line(format!(
        "{count} connections × 20 subscriptions of {} symbols: RSS {} → {} KiB, all connected in {connect_s:.2} s",
        names.len(),
        before.0 / 1_024,
        after.0 / 1_024
    ));
    report.set("connections", json!(count));
    report.set("rss_kib_per_connection", json!(super::round(rss_kb, 3)));
    report.set("kernel_kib_per_connection", json!(super::round(each(after.1, before.1), 3)));
    report.set("connect_s", json!(super::round(connect_s, 3)));
    Ok(report)
}
