//! All clients come at once: how long until each has its first market data. Then the gateway is killed and started
//! again under them.

use super::fanout::plans;
use crate::harness::{HarnessError, Options, Outcome, Stack};
use crate::load::rush::{Came, Rush};
use crate::load::{histogram, readers, record};
use crate::measure;
use crate::report::{Goal, Report, percentiles, short};
use clap::Args;
use hdrhistogram::Histogram;
use serde_json::json;
use std::time::Duration;
use tickgate_client::now_us;

/// All have market data within this time, seconds.
pub const GOAL_S: f64 = 1.5;

/// After this it is a failure.
const BOUND: Duration = Duration::from_secs(60);

/// What to do.
#[derive(Debug, Clone, Copy, Args)]
pub struct Plan {
    /// Clients that come at once.
    #[arg(long, default_value_t = 9_900, value_parser = clap::value_parser!(u32).range(1..=9_990))]
    pub clients: u32,
    /// Subscriptions of each.
    #[arg(long, default_value_t = 20)]
    pub each: usize,
    /// Rounds.
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
}

/// One storm.
struct Storm {
    upgraded: Histogram<u64>,
    first: Histogram<u64>,
    retries: u32,
}

impl Storm {
    fn new(came: &[Came], from_us: i64) -> Self {
        let mut storm = Self { upgraded: histogram(), first: histogram(), retries: 0 };
        for one in came {
            record(&mut storm.upgraded, from_us, one.upgraded_us);
            record(&mut storm.first, from_us, one.first_us);
            storm.retries += one.retries;
        }
        storm
    }

    fn seconds(&self) -> f64 {
        self.first.max() as f64 / 1e6
    }
}

/// Runs the rounds.
///
/// # Errors
/// When something does not start or a client gets no data.
pub async fn run(plan: Plan) -> Outcome<Report> {
    let mut report = Report::new("storm", "bench");
    let (mut fresh, mut killed) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds.max(1) {
        let dropped = measure::packets_dropped().unwrap_or(0);
        let (first, second, dark_us) = round(plan).await?;
        let dropped = measure::packets_dropped().unwrap_or(0) - dropped;
        for (name, storm) in [("from nothing", &first), ("after kill -9, since it listens", &second)] {
            report.line(format!(
                "{name}: first data {} | WebSocket {} | {} retries",
                short(&storm.first),
                short(&storm.upgraded),
                storm.retries
            ));
            report.curve(name, &storm.first);
        }
        report.line(format!(
            "killed to listening again: {} ms; {dropped} packets lost in the kernel's queue of received ones",
            dark_us / 1_000
        ));
        report.set("from_nothing_us", percentiles(&first.first));
        report.set("after_kill_us", percentiles(&second.first));
        fresh.push(first.seconds());
        killed.push(second.seconds());
    }
    let clients = plan.clients;
    report.goals.push(Goal::rounds(&format!("{clients} clients, last first data"), &fresh, GOAL_S, "s"));
    report.goals.push(Goal::rounds("the same after kill -9, since it listens", &killed, GOAL_S, "s"));
    report.set("plan", json!({"clients": clients, "subscriptions": plan.each, "rounds": plan.rounds}));
    report.set("from_nothing_s", json!(fresh));
    report.set("after_kill_s", json!(killed));
    Ok(report)
}

/// One storm from nothing and one after a kill; the last is how long nobody listened, µs.
async fn round(plan: Plan) -> Outcome<(Storm, Storm, i64)> {
    let options = Options { orders: false, ..Options::simulator(500, 10_000) };
    let mut stack = Stack::start(options).await?;
    let names = readers::all_symbols(&stack.address).await.map_err(HarnessError::new)?;
    let clients = usize::try_from(plan.clients).unwrap_or(0);
    let all = || plans(&names, clients, plan.each, 100);
    let failed = |error: std::io::Error| HarnessError::new(error);
    let rush = Rush::default();
    let (coming, from_us) = (all(), now_us());
    let first = Storm::new(&rush.all(&stack.address, coming, BOUND).await.map_err(failed)?, from_us);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let again = all();
    let killed_us = now_us();
    stack.gateway.kill().await;
    drop(rush);
    let (rush, address) = (Rush::default(), stack.address.clone());
    let (listening_us, came) = tokio::join!(stack.restart_gateway(), rush.all(&address, again, BOUND));
    let listening_us = listening_us?;
    let second = Storm::new(&came.map_err(failed)?, listening_us);
    Ok((first, second, listening_us - killed_us))
}
