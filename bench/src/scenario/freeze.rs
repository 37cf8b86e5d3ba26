//! Something stands still: how long until every symbol of every client is STALE, and fresh again once it goes on.

use super::fanout::plans;
use crate::harness::{HarnessError, Options, Outcome, Signal, Stack};
use crate::load::readers::{self, Ask};
use crate::load::{histogram, record};
use crate::report::{Goal, Report, percentiles, short};
use clap::Args;
use hdrhistogram::Histogram;
use serde_json::json;
use std::rc::Rc;
use std::time::Duration;
use tickgate_client::{Channel, Client, Event, Form, SymbolInfo, now_us};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use wire::frame::State;

/// All are STALE within this time, ms.
const GOAL_STALE_MS: f64 = 500.0;

/// All are fresh again within this time, ms.
const GOAL_FRESH_MS: f64 = 1_000.0;

/// After this it is a failure.
const BOUND: Duration = Duration::from_secs(15);

/// How long it stands still beyond being noticed.
const FROZEN: Duration = Duration::from_millis(500);

/// What to do.
#[derive(Debug, Clone, Copy, Args)]
pub struct Plan {
    /// Clients.
    #[arg(long, default_value_t = 200)]
    pub clients: usize,
    /// Subscriptions of each.
    #[arg(long, default_value_t = 20)]
    pub each: usize,
    /// Interval.
    #[arg(long, default_value_t = 50, value_name = "MS")]
    pub interval: u32,
    /// Rounds.
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
}

/// What is stopped.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Feed,
    Bus,
}

impl Victim {
    const fn word(self) -> &'static str {
        match self {
            Self::Feed => "feed",
            Self::Bus => "bus",
        }
    }

    fn signal(self, stack: &mut Stack, signal: Signal) {
        match self {
            Self::Bus => stack.nats.process().signal(signal),
            Self::Feed => {
                if let Some(feed) = &mut stack.feed {
                    feed.signal(signal);
                }
            }
        }
    }
}

/// A client became all stale, or all fresh, at this time, µs.
type Turned = (bool, i64);

/// Reads and tells each time that all its symbols have become stale, or fresh.
async fn watch(mut client: Client, symbols: Rc<[SymbolInfo]>, turned: mpsc::Sender<Turned>) {
    let mut was_stale = None;
    loop {
        if let Event::Closed(_) = client.next().await {
            return;
        }
        let states = || symbols.iter().map(|symbol| client.view().quote(symbol.id).map(|quote| quote.state));
        let stale = states().all(|state| state == Some(State::Stale));
        let fresh = states().all(|state| state.is_some_and(|state| state != State::Stale));
        if (stale || fresh) && was_stale != Some(stale) {
            was_stale = Some(stale);
            if turned.send((stale, now_us())).await.is_err() {
                return;
            }
        }
    }
}

/// Waits until each of `clients` has turned; the times since `from_us`.
async fn all_turned(
    turned: &mut mpsc::Receiver<Turned>,
    clients: usize,
    stale: bool,
    from_us: i64,
) -> Outcome<Histogram<u64>> {
    let mut times = histogram();
    let all = async {
        while times.len() < clients as u64 {
            match turned.recv().await {
                Some((is_stale, at_us)) if is_stale == stale => record(&mut times, from_us, at_us),
                Some(_) => {}
                None => return,
            }
        }
    };
    let waited = tokio::time::timeout(BOUND, all).await;
    let (count, word) = (times.len(), if stale { "stale" } else { "fresh" });
    if waited.is_err() || count < clients as u64 {
        return Err(HarnessError(format!(
            "{count} of {clients} clients are {word} after {} s",
            BOUND.as_secs()
        )));
    }
    Ok(times)
}

/// Runs the rounds.
///
/// # Errors
/// When something does not start, or a client does not see what happens.
pub async fn run(plan: Plan) -> Outcome<Report> {
    let options = Options { orders: false, ..Options::simulator(500, 10_000) };
    let mut stack = Stack::start(options).await?;
    let names = readers::all_symbols(&stack.address).await.map_err(HarnessError::new)?;
    let (tell, mut turned) = mpsc::channel(4 * plan.clients.max(1));
    let mut watching = JoinSet::new();
    for one in plans(&names, plan.clients, plan.each, plan.interval) {
        let ask = Ask {
            form: Form::Compact,
            interval_ms: plan.interval,
            symbols: one.symbols,
            channels: vec![Channel::Quote],
        };
        let (client, symbols) = readers::subscribed(&stack.address, &ask).await.map_err(HarnessError::new)?;
        watching.spawn_local(watch(client, symbols.into(), tell.clone()));
    }
    all_turned(&mut turned, plan.clients, false, now_us()).await?;
    let mut report = Report::new("freeze", "bench");
    for victim in [Victim::Feed, Victim::Bus] {
        let (mut stale, mut fresh) = (Vec::new(), Vec::new());
        let (mut all_stale, mut all_fresh) = (histogram(), histogram());
        for _ in 0..plan.rounds.max(1) {
            tokio::time::sleep(Duration::from_secs(2)).await;
            let stopped_us = now_us();
            victim.signal(&mut stack, Signal::Stop);
            let times = all_turned(&mut turned, plan.clients, true, stopped_us).await?;
            stale.push(times.max() as f64 / 1e3);
            all_stale.add(&times).map_err(HarnessError::new)?;
            tokio::time::sleep(FROZEN).await;
            let went_on_us = now_us();
            victim.signal(&mut stack, Signal::Continue);
            let times = all_turned(&mut turned, plan.clients, false, went_on_us).await?;
            fresh.push(times.max() as f64 / 1e3);
            all_fresh.add(&times).map_err(HarnessError::new)?;
        }
        let word = victim.word();
        report.goals.push(Goal::rounds(
            &format!("{word} frozen: last client STALE"),
            &stale,
            GOAL_STALE_MS,
            "ms",
        ));
        report.goals.push(Goal::rounds(
            &format!("{word} goes on: last client fresh"),
            &fresh,
            GOAL_FRESH_MS,
            "ms",
        ));
        report.line(format!("{word}: to STALE {} | to fresh {}", short(&all_stale), short(&all_fresh)));
        report.curve(format!("{word} to stale"), &all_stale);
        report.curve(format!("{word} to fresh"), &all_fresh);
        report.set(&format!("{word}_to_stale_us"), percentiles(&all_stale));
        report.set(&format!("{word}_to_fresh_us"), percentiles(&all_fresh));
    }
    report.sound = watching.len() == plan.clients && watching.try_join_next().is_none();
    let (clients, each, interval_ms) = (plan.clients, plan.each, plan.interval);
    report.set("plan", json!({"clients": clients, "subscriptions": each, "interval_ms": interval_ms}));
    Ok(report)
}
