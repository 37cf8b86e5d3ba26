//! More is offered than could be delivered one by one: clients are added until the offered deliveries are three times what
//! bare writes of single records carry on this machine, held there, and taken away again. Shown is the age of what clients
//! see, window by window.
//!
//! Gateway and limit run on core 0, everything else on core 1.

use super::fanout::{blasted, plans};
use super::{Counters, round};
use crate::harness::{HarnessError, Options, Outcome, Pins, Stack};
use crate::load::swarm::{Counts, Swarm};
use crate::load::{histogram, readers};
use crate::measure;
use crate::report::{Goal, Report, Series, micros, percentiles, spread};
use clap::Args;
use futures_util::future::join_all;
use hdrhistogram::Histogram;
use serde_json::json;
use std::fmt::Write;
use std::time::Duration;
use tickgate_client::{Form, SymbolInfo, now_us};

/// What to do.
#[derive(Debug, Clone, Copy, Args)]
pub struct Plan {
    /// Symbols of the simulator.
    #[arg(long, default_value_t = 200)]
    pub symbols: u32,
    /// Events a second of the simulator.
    #[arg(long, default_value_t = 20_000)]
    pub rate: u32,
    /// Subscriptions of each client.
    #[arg(long, default_value_t = 50)]
    pub each: usize,
    /// Interval.
    #[arg(long, default_value_t = 50, value_name = "MS", value_parser = clap::value_parser!(u32).range(10..=1_000))]
    pub interval: u32,
}

/// Offered deliveries of each level, in halves of raw's limit.
const LEVELS: [u32; 8] = [1, 2, 3, 4, 5, 6, 6, 1];

/// Clients that raw's limit is measured with, and bytes of a frame that holds one record.
const RAW: (usize, usize) = (100, 42);

/// Highest p99 of the age, in intervals.
const GOAL_AGE: f64 = 1.2;

/// One window, two intervals long.
struct Window {
    at_us: i64,
    level: usize,
    clients: usize,
    accounted_per_s: f64,
    /// Of the clients that are there from the beginning.
    first_per_s: f64,
    frames_per_s: f64,
    age: Histogram<u64>,
}

impl Window {
    fn p99(&self) -> f64 {
        self.age.value_at_quantile(0.99) as f64
    }
}

/// Runs it once; each level takes `time`.
///
/// # Errors
/// When something does not start or a client is refused.
pub async fn run(plan: Plan, time: Duration) -> Outcome<Report> {
    measure::pin_self(1).map_err(HarnessError::new)?;
    // As often as it comes through: one write a record and client.
    let (raw_per_s, _) = blasted(RAW.0, RAW.1, 100.0, (1, 0.0), Duration::from_secs(4)).await?;
    let pins = Pins { gateway: Some(0), rest: Some(1) };
    let options = Options { orders: false, pins, ..Options::simulator(plan.symbols, plan.rate) };
    let stack = Stack::start(options).await?;
    let names = readers::all_symbols(&stack.address).await.map_err(HarnessError::new)?;
    let mut run = Run { plan, stack, swarms: Vec::new(), windows: Vec::new(), counters: Vec::new() };
    let each_per_s = f64::from(plan.rate) * plan.each as f64 / f64::from(plan.symbols.max(1));
    for (level, halves) in LEVELS.into_iter().enumerate() {
        let wanted = clients_for(raw_per_s / 2.0 * f64::from(halves), each_per_s);
        run.level(level, wanted, &names, time).await?;
    }
    Ok(report(&run, raw_per_s, each_per_s))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some hundred clients")]
fn clients_for(offered_per_s: f64, each_per_s: f64) -> usize {
    (offered_per_s / each_per_s).ceil().max(1.0) as usize
}

struct Run {
    plan: Plan,
    stack: Stack,
    /// Each with the number of its clients.
    swarms: Vec<(usize, Swarm)>,
    windows: Vec<Window>,
    /// What the gateway did in each level.
    counters: Vec<Counters>,
}

impl Run {
    fn clients(&self) -> usize {
        self.swarms.iter().map(|(clients, _)| clients).sum()
    }

    /// Adds clients, or takes the last ones away, and measures windows for a time.
    async fn level(&mut self, level: usize, clients: usize, names: &[SymbolInfo], time: Duration) -> Outcome {
        let first = level == 0;
        if clients < self.clients() {
            self.swarms.truncate(1);
        } else if clients > self.clients() {
            let more = clients - self.clients();
            let mut coming = plans(names, clients, self.plan.each, self.plan.interval);
            coming.drain(..clients - more);
            coming.iter_mut().for_each(|one| one.form = Form::Fixed); // it tells when the gateway received what it shows
            let address = self.stack.address.clone();
            let (joined, _) = tokio::join!(Swarm::start(&address, coming), self.window(level));
            self.swarms.push((more, joined.map_err(HarnessError::new)?));
        }
        if first {
            join_all(self.swarms.iter().map(|(_, swarm)| swarm.measure(Duration::from_secs(3)))).await;
            self.windows.clear();
        }
        let pid = self.stack.gateway.id();
        let before = Counters::read(&self.stack.address, Some(pid)).await?;
        let end_us = now_us() + i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        while now_us() < end_us {
            self.window(level).await;
        }
        self.counters.push(Counters::read(&self.stack.address, Some(pid)).await?.since(&before));
        Ok(())
    }

    async fn window(&mut self, level: usize) {
        let accounted = || {
            let each: Vec<u64> = self.swarms.iter().map(|(_, swarm)| swarm.accounts().accounted).collect();
            (each.iter().sum::<u64>(), each.first().copied().unwrap_or(0))
        };
        let (before, at_us) = (accounted(), now_us());
        let time = Duration::from_millis(2 * u64::from(self.plan.interval));
        let all: Vec<Counts> = join_all(self.swarms.iter().map(|(_, swarm)| swarm.measure(time))).await;
        let (after, seconds) = (accounted(), (now_us() - at_us) as f64 / 1e6);
        let mut age = histogram();
        for counts in &all {
            let _same_bounds = age.add(&counts.age);
        }
        let frames: u64 = all.iter().map(|counts| counts.frames).sum();
        if self.swarms.is_empty() {
            return;
        }
        self.windows.push(Window {
            at_us,
            level,
            clients: self.clients(),
            accounted_per_s: after.0.saturating_sub(before.0) as f64 / seconds,
            first_per_s: after.1.saturating_sub(before.1) as f64 / seconds,
            frames_per_s: frames as f64 / seconds,
            age,
        });
    }

    fn of_level(&self, level: usize) -> impl Iterator<Item = &Window> {
        self.windows.iter().filter(move |window| window.level == level)
    }

    /// Mean of a level.
    fn mean(&self, level: usize, of: impl Fn(&Window) -> f64) -> f64 {
        let all: Vec<f64> = self.of_level(level).map(of).collect();
        all.iter().sum::<f64>() / (all.len() as f64).max(1.0)
    }

    /// Events accounted for by the first clients, of each event that the gateway got: the simulator comes in bursts.
    fn share(&self, level: usize) -> f64 {
        let counters = &self.counters[level];
        let offered = (counters.events / counters.seconds().max(0.001)).max(1.0);
        self.mean(level, |window| window.first_per_s) / offered
    }

    fn csv(&self) -> String {
        let mut csv =
            "ms,level_of_raw,clients,accounted_per_s,frames_per_s,age_p50_us,age_p99_us,age_p99_intervals\n"
                .to_owned();
        let begun_us = self.windows.first().map_or(0, |window| window.at_us);
        for window in &self.windows {
            let _infallible = writeln!(
                csv,
                "{},{},{},{:.0},{:.0},{},{:.0},{:.3}",
                (window.at_us - begun_us) / 1_000,
                f64::from(LEVELS[window.level]) / 2.0,
                window.clients,
                window.accounted_per_s,
                window.frames_per_s,
                window.age.value_at_quantile(0.5),
                window.p99(),
                window.p99() / self.interval_us()
            );
        }
        csv
    }

    fn interval_us(&self) -> f64 {
        f64::from(self.plan.interval) * 1e3
    }
}

fn report(run: &Run, raw_per_s: f64, each_per_s: f64) -> Report {
    let mut report = Report::new("overload", "bench");
    let interval_us = run.interval_us();
    let last = LEVELS.len() - 1;
    let mut ages = Vec::new();
    report.line(format!(
        "raw's limit, bare writes of one record: {raw_per_s:.0} deliveries/s; a client is offered {each_per_s:.0}/s"
    ));
    for (level, counters) in run.counters.iter().enumerate() {
        let mut age = histogram();
        run.of_level(level).for_each(|window| {
            let _same_bounds = age.add(&window.age);
        });
        let clients = run.of_level(level).last().map_or(0, |window| window.clients);
        let of_windows: Vec<f64> = run.of_level(level).map(|window| window.p99() / interval_us).collect();
        report.line(format!(
            "{:.1} × raw, {clients} clients: gateway {:.3} core, accounted {:.0} events/s, {:.0} frames/s; age p50 {} p99 {} \
             = {:.2} intervals (worst window {:.2})",
            f64::from(LEVELS[level]) / 2.0,
            counters.cores(),
            run.mean(level, |window| window.accounted_per_s),
            counters.frames / counters.seconds().max(0.001),
            micros(age.value_at_quantile(0.5)),
            micros(age.value_at_quantile(0.99)),
            age.value_at_quantile(0.99) as f64 / interval_us,
            spread(&of_windows).2
        ));
        report.curve(format!("age level {level}"), &age);
        ages.push(age);
    }
    let most: Vec<f64> = [last - 2, last - 1]
        .iter()
        .map(|level| ages[*level].value_at_quantile(0.99) as f64 / interval_us)
        .collect();
    let kept = run.share(last - 2).min(run.share(last - 1)) / run.share(0).max(1e-9);
    let late = run.of_level(last).take_while(|window| window.p99() > GOAL_AGE * interval_us).count();
    report.goals.push(Goal::rounds("p99 age at three times raw's limit", &most, GOAL_AGE, "intervals"));
    report.goals.push(Goal::of(
        "throughput of the first clients, fallen by",
        1.0 - kept,
        0.05,
        "of what it was",
    ));
    report.goals.push(Goal::of("recovery", 2.0 * late as f64, 2.0, "intervals"));
    report.sound = run
        .swarms
        .iter()
        .all(|(_, swarm)| swarm.ended() == 0 && swarm.faults() == (0, 0) && swarm.accounts().wrong == 0)
        && run.counters.iter().all(|counters| counters.lost == 0.0);
    let step = Duration::from_millis(2 * u64::from(run.plan.interval));
    report.series.push(Series {
        name: "age p99".to_owned(),
        values: run.windows.iter().map(Window::p99).collect(),
        step,
    });
    let bound = vec![GOAL_AGE * interval_us; run.windows.len()];
    report.series.push(Series { name: format!("{GOAL_AGE} intervals"), values: bound, step });
    report.tables.push(("age".to_owned(), run.csv()));
    report.set("raw_deliveries_per_s", json!(round(raw_per_s, 0)));
    report.set("gateway", run.counters.iter().map(Counters::json).collect());
    report.set("age_us", ages.iter().map(percentiles).collect());
    report.set(
        "plan",
        json!({"symbols": run.plan.symbols, "rate": run.plan.rate, "subscriptions": run.plan.each,
        "interval_ms": run.plan.interval, "levels_of_raw": LEVELS.map(|halves| f64::from(halves) / 2.0)}),
    );
    report
}
