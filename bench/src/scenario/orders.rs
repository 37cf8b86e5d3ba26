//! Orders: to the durable report in open loop, and the highest rate in closed loop.

use super::e2e::orders_json;
use crate::harness::{HarnessError, Options, Outcome, Stack};
use crate::load::orders::{self, Target};
use crate::load::readers;
use crate::report::{Report, short};
use serde_json::{Value, json};
use std::time::Duration;

/// What to do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Rates in open loop, each for `time`.
    pub rates: Vec<u32>,
    /// Time of each.
    pub time: Duration,
    /// Accounts of the closed loop.
    pub accounts: usize,
    /// Orders in flight of each.
    pub window: usize,
}

impl Default for Plan {
    fn default() -> Self {
        Self { rates: vec![100, 1_000, 2_000], time: Duration::from_secs(10), accounts: 4, window: 256 }
    }
}

/// Runs all rates and the closed loop.
///
/// # Errors
/// When something does not start or an account is refused.
pub async fn run(plan: &Plan) -> Outcome<Report> {
    let stack = Stack::start(Options::simulator(20, 1_000)).await?;
    let report = measured(&stack, plan).await;
    report.map_err(|error| HarnessError(format!("{error}\n{}", stack.tails())))
}

async fn measured(stack: &Stack, plan: &Plan) -> Outcome<Report> {
    let symbols = readers::all_symbols(&stack.address).await.map_err(HarnessError::new)?;
    let first = symbols.first().ok_or_else(|| HarnessError::new("no symbols"))?;
    let target = super::target(&stack.address, first).await?;
    // The first orders find caches cold and files small; they are not what is measured.
    open(stack, &target, 200, Duration::from_secs(2)).await?;
    let mut report = Report::new("orders", "bench");
    let mut rows: Vec<Value> = Vec::new();
    for rate in &plan.rates {
        let outcome = open(stack, &target, *rate, plan.time).await?;
        report.sound &= outcome.unknown == 0 && outcome.refused == 0 && outcome.sent > 0;
        report.line(format!(
            "open loop {rate}/s, achieved {:.0}/s: {} acked, {} rejected, {} unknown; order to report {}; sender late {}",
            outcome.rate(),
            outcome.acked,
            outcome.rejected,
            outcome.unknown,
            short(&outcome.latency),
            short(&outcome.lateness)
        ));
        report.curve(format!("{rate} a second"), &outcome.latency);
        let mut row = orders_json(&outcome);
        row["offered_per_s"] = json!(rate);
        rows.push(row);
    }
    report.set("open_loop", json!(rows));
    let closed = closed(stack, &target, plan).await?;
    report.sound &= closed.unknown == 0 && closed.refused == 0;
    report.line(format!(
        "closed loop, {} accounts × {} in flight: {:.0} orders/s, {} acked, {} refused, {} unknown; {}",
        plan.accounts,
        plan.window,
        closed.rate(),
        closed.acked,
        closed.refused,
        closed.unknown,
        short(&closed.latency)
    ));
    report.set("closed_loop", orders_json(&closed));
    report.curve("closed loop", &closed.latency);
    Ok(report)
}

async fn open(stack: &Stack, target: &Target, rate: u32, time: Duration) -> Outcome<orders::Outcome> {
    let (address, target) = (stack.address.clone(), target.clone());
    let run = move || orders::open_loop(&address, "A1", &target, rate, time);
    tokio::task::spawn_blocking(run).await.map_err(HarnessError::new)?.map_err(HarnessError::new)
}

async fn closed(stack: &Stack, target: &Target, plan: &Plan) -> Outcome<orders::Outcome> {
    let mut tasks = Vec::new();
    for account in 1..=plan.accounts {
        let (address, target) = (stack.address.clone(), target.clone());
        let (window, time) = (plan.window, plan.time);
        tasks.push(tokio::task::spawn_blocking(move || {
            orders::closed_loop(&address, &format!("A{account}"), &target, window, time)
        }));
    }
    let mut sum = orders::Outcome::default();
    for task in tasks {
        sum.add(&task.await.map_err(HarnessError::new)?.map_err(HarnessError::new)?);
    }
    Ok(sum)
}
