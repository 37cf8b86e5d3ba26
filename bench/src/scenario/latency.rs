//! Where the time goes: each hop of a tick by the times that travel with it, beside the bus alone.
//!
//! Open loop: every time counts from when the event was due, however late it was sent. Rounds of plain subscribers of the
//! bus and of gateway clients take turns on one deployment, so that both meet the same machine.

use crate::harness::{self, HarnessError, Options, Outcome, Pins, Stack};
use crate::load::histogram;
use crate::load::readers::{self, Ask, Phase, Seen};
use crate::measure;
use crate::report::{Report, percentiles, short};
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use std::time::Duration;
use tickgate_client::{Channel, Form};
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_local};

/// What to do.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Symbols of the simulator; each client holds them all.
    pub symbols: u32,
    /// Events a second.
    pub rate: u32,
    /// Clients.
    pub clients: usize,
    /// Interval, 0 = raw.
    pub interval_ms: u32,
    /// Time of each measurement.
    pub time: Duration,
    /// Rounds.
    pub rounds: usize,
}

/// A hop: its name in the report, and what it measures.
type Hop = (&'static str, Histogram<u64>);

/// Runs the rounds.
///
/// # Errors
/// When something does not start or a client is refused.
pub async fn run(plan: Plan) -> Outcome<Report> {
    measure::pin_self(1).map_err(HarnessError::new)?;
    let pins = Pins { gateway: Some(0), rest: Some(1) };
    let options = Options { orders: false, pins, ..Options::simulator(plan.symbols, plan.rate) };
    let stack = Stack::start(options).await?;
    let mut hops: Vec<Hop> = [
        "bus alone: due to subscriber",
        "due to gateway",
        "gateway: received to flushed",
        "gateway: flushed to client",
        "all: due to client",
    ]
    .map(|name| (name, histogram()))
    .into();
    let mut sound = true;
    for _ in 0..plan.rounds.max(1) {
        let alone = bus_alone(&stack.nats.url(), plan).await?;
        let seen = clients(&stack.address, plan).await?;
        sound &= seen.iter().all(Seen::identity_ok);
        let add = |sum: &mut Histogram<u64>, one: &Histogram<u64>| sum.add(one).map_err(HarnessError::new);
        add(&mut hops[0].1, &alone)?;
        for one in &seen {
            add(&mut hops[1].1, &one.bus)?;
            add(&mut hops[2].1, &one.wait)?;
            add(&mut hops[3].1, &one.latency)?;
            add(&mut hops[4].1, &one.total)?;
        }
    }
    let mut report = Report::new("latency", "bench");
    report.sound = sound && hops.iter().all(|(_, times)| !times.is_empty());
    for (name, times) in &hops {
        report.line(format!("{name}: {}", short(times)));
        report.curve(*name, times);
    }
    let times: serde_json::Map<String, Value> =
        hops.iter().map(|(name, times)| ((*name).to_owned(), percentiles(times))).collect();
    report.set("hops_us", Value::Object(times));
    report.set(
        "plan",
        json!({"symbols": plan.symbols, "rate": plan.rate, "clients": plan.clients,
        "interval_ms": plan.interval_ms, "rounds": plan.rounds}),
    );
    Ok(report)
}

/// As many plain subscribers of the bus as clients.
async fn bus_alone(url: &str, plan: Plan) -> Outcome<Histogram<u64>> {
    let mut tasks = JoinSet::new();
    for _ in 0..plan.clients {
        let url = url.to_owned();
        tasks.spawn_local(async move { harness::bus_latency(&url, plan.time).await });
    }
    let mut all = histogram();
    while let Some(done) = tasks.join_next().await {
        all.add(done.map_err(HarnessError::new)??).map_err(HarnessError::new)?;
    }
    Ok(all)
}

/// Whole clients in the form that tells all times.
async fn clients(address: &str, plan: Plan) -> Outcome<Vec<Seen>> {
    let (phase, receiver) = watch::channel(Phase::Warm);
    let mut tasks = Vec::new();
    for _ in 0..plan.clients {
        let ask = Ask {
            form: Form::Fixed,
            interval_ms: plan.interval_ms,
            symbols: vec!["*".to_owned()],
            channels: vec![Channel::Quote, Channel::Trade],
        };
        let (client, symbols) = readers::subscribed(address, &ask).await.map_err(HarnessError::new)?;
        tasks.push(spawn_local(readers::read(client, ask, symbols.len(), receiver.clone())));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    phase.send_replace(Phase::Measure);
    tokio::time::sleep(plan.time).await;
    phase.send_replace(Phase::Finish);
    let mut seen = Vec::new();
    for task in tasks {
        seen.push(task.await.map_err(HarnessError::new)?);
    }
    Ok(seen)
}
