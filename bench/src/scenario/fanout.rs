//! The fan-out beside the bare-write limit, in turn in the same minutes.
//!
//! Gateway and limit run on core 0, everything else on core 1. A round is the gateway's figures, then `blast` with
//! the same clients, bytes and frames a second: once with wakes as the gateway has, once with its sweeps alone.

use super::Counters;
use crate::config;
use crate::harness::{Folder, HarnessError, Options, Outcome, Pins, Process, Signal, Stack};
use crate::load::readers;
use crate::load::swarm::{Counts, Plan as Client, Swarm};
use crate::measure;
use crate::report::{Goal, Report, percentiles, short, spread};
use serde_json::json;
use std::time::Duration;
use tickgate_client::{Form, SymbolInfo};

/// What to do.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Symbols of the simulator.
    pub symbols: u32,
    /// Events a second.
    pub rate: u32,
    /// Clients.
    pub clients: usize,
    /// Subscriptions of each.
    pub each: usize,
    /// Interval.
    pub interval_ms: u32,
    /// Time of each measurement.
    pub time: Duration,
    /// Rounds.
    pub rounds: usize,
}

impl Default for Plan {
    /// W2: 500 symbols, 10,000 events/s, 1,000 clients × 20 at 20 Hz.
    fn default() -> Self {
        Self {
            symbols: 500,
            rate: 10_000,
            clients: 1_000,
            each: 20,
            interval_ms: 50,
            time: Duration::from_secs(10),
            rounds: 3,
        }
    }
}

/// Clients with `each` symbols, chosen by a fixed sequence: the same for every run.
#[must_use]
pub fn plans(names: &[SymbolInfo], clients: usize, each: usize, interval_ms: u32) -> Vec<Client> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap_or(0)
    };
    (0..clients)
        .map(|_| {
            let mut chosen: Vec<usize> = Vec::new();
            while chosen.len() < each.min(names.len()) {
                let at = next() % names.len();
                if !chosen.contains(&at) {
                    chosen.push(at);
                }
            }
            Client {
                form: Form::Compact,
                symbols: chosen.into_iter().map(|at| names[at].symbol.clone()).collect(),
                interval_ms,
                receive_buffer: None,
                decode: true,
                stalls: false,
            }
        })
        .collect()
}

#[derive(Debug)]
struct Round {
    gateway: Counters,
    counts: Counts,
    wakes: f64,
    blast: f64,
    blast_no_wakes: f64,
}

/// Sessions of a phase, as the gateway spreads them.
const PHASE_SESSIONS: usize = 100;

/// Runs the rounds.
///
/// # Errors
/// When something does not start or a client is refused.
pub async fn run(plan: Plan) -> Outcome<Report> {
    measure::pin_self(1).map_err(HarnessError::new)?;
    let pins = Pins { gateway: Some(0), rest: Some(1) };
    let options = Options { orders: false, pins, ..Options::simulator(plan.symbols, plan.rate) };
    let mut stack = Stack::start(options).await?;
    let names = readers::all_symbols(&stack.address).await.map_err(HarnessError::new)?;
    let clients = plans(&names, plan.clients, plan.each, plan.interval_ms);
    let failed = |error: std::io::Error| HarnessError::new(error);
    let swarm = Swarm::start(&stack.address, clients).await.map_err(failed)?;
    let pid = stack.gateway.id();
    swarm.measure(Duration::from_secs(2)).await;
    let mut rounds = Vec::new();
    for _ in 0..plan.rounds {
        let before = Counters::read(&stack.address, Some(pid)).await?;
        let slept = measure::wakes(pid).unwrap_or(0);
        let counts = swarm.measure(plan.time).await;
        let woken = measure::wakes(pid).unwrap_or(slept) - slept;
        let gateway = Counters::read(&stack.address, Some(pid)).await?.since(&before);
        let wakes = woken as f64 / gateway.seconds().max(0.001);
        // The gateway stands still while the limit is measured; the pause is short of its write deadline.
        let blast = {
            let _frozen = Frozen::new(&mut stack);
            let bytes = mean_frame(&counts);
            // The gateway sends nothing where nothing changed: the limit gets its frames a second, not the most.
            let per_s = counts.frames as f64 / plan.time.as_secs_f64().max(0.001);
            let with = limit(plan, bytes, per_s, wakes).await?;
            (with, limit(plan, bytes, per_s, 0.0).await?)
        };
        swarm.measure(Duration::from_secs(3)).await;
        rounds.push(Round { gateway, counts, wakes, blast: blast.0, blast_no_wakes: blast.1 });
    }
    Ok(report(&plan, &rounds, &swarm))
}

/// Everything but this process stopped, until dropped.
struct Frozen<'a>(&'a mut Stack);

impl<'a> Frozen<'a> {
    fn new(stack: &'a mut Stack) -> Self {
        stack.pause(Signal::Stop);
        Self(stack)
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        self.0.pause(Signal::Continue);
    }
}

pub(super) fn mean_frame(counts: &Counts) -> usize {
    let frames = counts.frames.max(1);
    usize::try_from(counts.socket_bytes / frames).unwrap_or(0).max(20)
}

/// CPU share of a process that only writes.
pub(super) async fn limit(plan: Plan, bytes: usize, frames_per_s: f64, wakes: f64) -> Outcome<f64> {
    let phases = plan.clients.div_ceil(PHASE_SESSIONS);
    let interval_us = plan.clients as f64 * 1e6 / frames_per_s.max(1.0);
    let (sent_per_s, cores) =
        blasted(plan.clients, bytes, interval_us, (phases, wakes), plan.time / 2).await?;
    if sent_per_s < frames_per_s * 0.95 {
        return Err(HarnessError(format!(
            "the limit sent {sent_per_s:.0} of {frames_per_s:.0} frames a second"
        )));
    }
    Ok(cores)
}

/// Frames a second that a process which only writes gets through to `clients`, and its CPU share.
pub(super) async fn blasted(
    clients: usize,
    bytes: usize,
    interval_us: f64,
    (phases, wakes): (usize, f64),
    time: Duration,
) -> Outcome<(f64, f64)> {
    let folder = Folder::new()?;
    let program = config::binaries().map_err(HarnessError::new)?.join("bench");
    let args = [
        "blast".to_owned(),
        format!("--bytes={bytes}"),
        format!("--interval-us={interval_us:.0}"),
        format!("--phases={phases}"),
        format!("--wakes={wakes:.0}"),
    ];
    let mut process = Process::start("blast", &program, &args, Some(0), folder.path())?;
    let address =
        process.ready().await?.remove("blast").ok_or_else(|| process.obituary("said no address"))?;
    let mute = Client {
        form: Form::Compact,
        symbols: Vec::new(),
        interval_ms: 0,
        receive_buffer: None,
        decode: false,
        stalls: false,
    };
    let swarm = Swarm::start(&address, vec![mute; clients]).await.map_err(HarnessError::new)?;
    swarm.measure(Duration::from_secs(1)).await;
    let cpu = || measure::cpu_s(process.id()).unwrap_or(0.0);
    let (before, begun_us) = (cpu(), tickgate_client::now_us());
    let counts = swarm.measure(time).await;
    let (spent, seconds) = (cpu() - before, (tickgate_client::now_us() - begun_us) as f64 / 1e6);
    process.kill().await;
    Ok((counts.frames as f64 / seconds, spent / seconds))
}

fn report(plan: &Plan, rounds: &[Round], swarm: &Swarm) -> Report {
    let mut report = Report::new("fanout", "bench");
    let of = |each: fn(&Round) -> f64| rounds.iter().map(each).collect::<Vec<f64>>();
    let cores = of(|round| round.gateway.cores());
    let limits = of(|round| round.blast);
    let no_wakes = of(|round| round.blast_no_wakes);
    let ratios = of(|round| round.gateway.cores() / round.blast);
    let p99 = of(|round| round.counts.latency.value_at_quantile(0.99) as f64 / 1_000.0);
    let accounts = swarm.accounts();
    report.sound = swarm.ended() == 0
        && swarm.faults() == (0, 0)
        && accounts.wrong == 0
        && rounds.iter().all(|round| round.gateway.lost == 0.0);
    report.goals.push(Goal::rounds("gateway, NATS hop included", &cores, 0.10, "core"));
    report.goals.push(Goal::rounds("p99 since flush", &p99, 1.0, "ms"));
    report.line(format!(
        "ratio to bare writes + bare wakes, as many as the gateway's, in the same minute: {:.2} ({:.2}–{:.2}); the limit {:.4} core, without wakes {:.4}",
        spread(&ratios).0,
        spread(&ratios).1,
        spread(&ratios).2,
        spread(&limits).0,
        spread(&no_wakes).0
    ));
    for round in rounds {
        let seconds = round.gateway.seconds().max(0.001);
        report.line(format!(
            "{:.0} frames/s, {:.0} wakes/s, {:.0} records/s, {:.1} B a record, {:.0} B a read frame; gateway {:.4}, limit {:.4} core; since flush {}",
            round.counts.frames as f64 / seconds,
            round.wakes,
            round.counts.records as f64 / seconds,
            round.counts.bytes as f64 / round.counts.records.max(1) as f64,
            mean_frame(&round.counts),
            round.gateway.cores(),
            round.blast,
            short(&round.counts.latency)
        ));
        report.curve("since flush", &round.counts.latency);
    }
    let wanted = plan.clients as f64 * 1e3 / f64::from(plan.interval_ms.max(1));
    report.set(
        "plan",
        json!({"symbols": plan.symbols, "rate": plan.rate, "clients": plan.clients,
        "subscriptions": plan.each, "interval_ms": plan.interval_ms, "frames_per_s_at_most": wanted}),
    );
    report.set("cores", json!(cores));
    report.set("limit_cores", json!(limits));
    report.set("limit_without_wakes_cores", json!(no_wakes));
    report.set("ratios", json!(ratios));
    report.set("gateway", rounds.iter().map(|round| round.gateway.json()).collect());
    report.set("latency_us", rounds.iter().map(|round| percentiles(&round.counts.latency)).collect());
    report.set("identity_ok", json!(accounts.wrong == 0));
    report.set("events_accounted", json!(accounts.accounted));
    report.set("declared_lost", json!(accounts.lost));
    report
}
