//! The whole way: feed → NATS → gateway → clients of every form, and orders on the same sockets.

use super::{Counters, round};
use crate::harness::{HarnessError, Options, Outcome, Stack};
use crate::load::orders::{self, Target};
use crate::load::readers::{self, Ask, Phase, Seen};
use crate::report::{Report, Series, percentiles, short};
use serde_json::{Value, json};
use std::time::Duration;
use tickgate_client::{Channel, Form};
use tokio::sync::watch;

/// A gateway that runs already.
#[derive(Debug, Clone)]
pub struct Attached {
    /// `host:port`.
    pub address: String,
    /// Its process id, for CPU time.
    pub pid: Option<u32>,
}

/// What to do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How long to measure.
    pub time: Duration,
    /// How long to read before.
    pub warm: Duration,
    /// Clients; each asks for quotes and prints of these symbols.
    pub clients: Vec<(Form, u32)>,
    /// Symbols or patterns of every client.
    pub symbols: Vec<String>,
    /// Orders a second; 0 = none.
    pub orders_per_s: u32,
}

impl Plan {
    /// One client of each form, two more rates in `compact`, and 100 orders a second.
    #[must_use]
    pub fn standard(time: Duration) -> Self {
        Self {
            time,
            warm: Duration::from_secs(1).min(time),
            clients: vec![
                (Form::Compact, 50),
                (Form::Fixed, 50),
                (Form::Json, 100),
                (Form::Compact, 0),
                (Form::Compact, 1_000),
            ],
            symbols: vec!["*".to_owned()],
            orders_per_s: 100,
        }
    }
}

/// Starts a deployment, runs, ends it.
///
/// # Errors
/// When something does not start or a client is refused.
pub async fn own(options: Options, plan: &Plan) -> Outcome<Report> {
    let stack = Stack::start(options).await?;
    let attached = Attached { address: stack.address.clone(), pid: Some(stack.gateway.id()) };
    let report = run(&attached, plan).await;
    report.map_err(|error| HarnessError(format!("{error}\n{}", stack.tails())))
}

/// Runs against a gateway.
///
/// # Errors
/// When a client is refused.
pub async fn run(gateway: &Attached, plan: &Plan) -> Outcome<Report> {
    let (phase, _) = watch::channel(Phase::Warm);
    let symbols = readers::all_symbols(&gateway.address).await.map_err(HarnessError::new)?;
    let target = match symbols.first() {
        Some(first) if plan.orders_per_s > 0 => Some(super::target(&gateway.address, first).await?),
        _ => None,
    };
    let mut tasks = Vec::new();
    for (form, interval_ms) in &plan.clients {
        let ask = Ask {
            form: *form,
            interval_ms: *interval_ms,
            symbols: plan.symbols.clone(),
            channels: vec![Channel::Quote, Channel::Trade],
        };
        let (client, joined) =
            readers::subscribed(&gateway.address, &ask).await.map_err(HarnessError::new)?;
        tasks.push(tokio::spawn(readers::read(client, ask, joined.len(), phase.subscribe())));
    }
    tokio::time::sleep(plan.warm).await;
    let before = Counters::read(&gateway.address, gateway.pid).await?;
    phase.send_replace(Phase::Measure);
    let ordering = target.map(|target| order(gateway, plan, target));
    tokio::time::sleep(plan.time).await;
    let after = Counters::read(&gateway.address, gateway.pid).await?.since(&before);
    phase.send_replace(Phase::Finish);
    let mut seen = Vec::new();
    for task in tasks {
        seen.push(task.await.map_err(HarnessError::new)?);
    }
    let orders = match ordering {
        Some(task) => task.await.map_err(HarnessError::new)?.map_err(HarnessError::new)?,
        None => orders::Outcome::default(),
    };
    Ok(report(&after, &seen, &orders, plan))
}

fn order(
    gateway: &Attached,
    plan: &Plan,
    target: Target,
) -> tokio::task::JoinHandle<std::io::Result<orders::Outcome>> {
    let (address, rate, time) = (gateway.address.clone(), plan.orders_per_s, plan.time);
    tokio::task::spawn_blocking(move || orders::open_loop(&address, "A1", &target, rate, time))
}

/// Rows of `summary.json`'s `clients`.
fn client_json(seen: &Seen) -> Value {
    let sum = |field: fn(&tickgate_client::Account) -> u64| seen.accounts.iter().map(field).sum::<u64>();
    json!({
        "form": form_word(seen.ask.form),
        "interval_ms": seen.ask.interval_ms,
        "symbols": seen.symbols,
        "frames": seen.counts.frames,
        "records": seen.counts.records,
        "bytes": seen.counts.bytes,
        "bytes_per_record": seen.bytes_per_record().map(|bytes| round(bytes, 3)),
        "published": sum(|account| account.published),
        "events_accounted": seen.accounted(),
        "delivered": sum(|account| account.delivered),
        "merged": sum(|account| account.merged),
        "declared_lost": sum(|account| account.lost),
        "identity_ok": seen.identity_ok(),
        "gaps": seen.counts.gaps,
        "damaged": seen.counts.damaged,
        "repairs": seen.counts.repairs,
        "heartbeats": seen.heartbeats,
        "errors": seen.errors,
        "ended": seen.ended,
        "latency_us": percentiles(&seen.latency),
        "wait_us": percentiles(&seen.wait),
        "total_us": percentiles(&seen.total),
    })
}

/// The word of a form.
#[must_use]
pub fn form_word(form: Form) -> &'static str {
    form.subprotocol().rsplit('.').next().unwrap_or_default()
}

/// `orders` of `summary.json`.
#[must_use]
pub fn orders_json(orders: &orders::Outcome) -> Value {
    json!({
        "sent": orders.sent,
        "acked": orders.acked,
        "rejected": orders.rejected,
        "refused": orders.refused,
        "unknown": orders.unknown,
        "ack_us": percentiles(&orders.latency),
        "sender_late_us": percentiles(&orders.lateness),
        "achieved_per_s": round(orders.rate(), 1),
    })
}

fn report(gateway: &Counters, seen: &[Seen], orders: &orders::Outcome, plan: &Plan) -> Report {
    let mut report = Report::new("e2e", "bench");
    report.sound = gateway.lost == 0.0
        && seen.iter().all(Seen::identity_ok)
        && orders.unknown == 0
        && orders.refused == 0;
    report.set("seconds", json!(round(gateway.seconds(), 3)));
    report.set("feed", json!({"events": gateway.events + gateway.lost}));
    report.set("gateway", gateway.json());
    report.set("clients", seen.iter().map(client_json).collect());
    report.set("orders", orders_json(orders));
    let sum = |field: fn(&tickgate_client::Account) -> u64| {
        seen.iter().flat_map(|one| &one.accounts).map(field).sum::<u64>()
    };
    let records: u64 = seen.iter().map(|one| one.counts.records).sum();
    report.set(
        "totals",
        json!({
            "bus_lost": gateway.lost,
            "identity_ok": seen.iter().all(Seen::identity_ok),
            "events_accounted": seen.iter().map(Seen::accounted).sum::<u64>(),
            "delivered": sum(|account| account.delivered),
            "merged": sum(|account| account.merged),
            "declared_lost": sum(|account| account.lost),
            "updates_per_s": round(records as f64 / gateway.seconds().max(0.001), 1),
            "offered_orders_per_s": plan.orders_per_s,
        }),
    );
    lines(&mut report, gateway, seen, orders);
    report
}

fn lines(report: &mut Report, gateway: &Counters, seen: &[Seen], orders: &orders::Outcome) {
    report.line(format!(
        "feed {:.0} events in {:.1} s, lost on the bus {:.0}, gateway {:.3} core",
        gateway.events,
        gateway.seconds(),
        gateway.lost,
        gateway.cores()
    ));
    for one in seen {
        let name = format!("{} {} ms", form_word(one.ask.form), one.ask.interval_ms);
        report.line(format!(
            "{name}: {} records, {} events accounted, identity {}, {} B a record, since flush {}",
            one.counts.records,
            one.accounted(),
            if one.identity_ok() { "ok" } else { "BROKEN" },
            one.bytes_per_record().map_or_else(|| "–".to_owned(), |bytes| format!("{bytes:.2}")),
            short(&one.latency)
        ));
        if !one.total.is_empty() {
            report.line(format!("  waited {} | in all {}", short(&one.wait), short(&one.total)));
        }
        let problems = one.errors.iter().chain(&one.ended).cloned().collect::<Vec<_>>();
        if !problems.is_empty() {
            report.line(format!("  problems: {}", problems.join("; ")));
        }
        report.curve(format!("{name} since flush"), &one.latency);
        report.curve(format!("{name} in all"), &one.total);
        let age = |second: &readers::Second| second.latency_sum_us as f64 / second.frames.max(1) as f64;
        let values = one.seconds.iter().map(age).collect();
        report.series.push(Series { name, values, step: Duration::from_secs(1) });
    }
    report.line(format!(
        "orders: {} sent, {} acked, {} rejected, {} refused, {} unknown, to report {}",
        orders.sent,
        orders.acked,
        orders.rejected,
        orders.refused,
        orders.unknown,
        short(&orders.latency)
    ));
    report.curve("order to report", &orders.latency);
}
