//! Bytes per record: one `compact` client of the recording's Binance symbols at 50 ms, in real time.

use super::e2e::form_word;
use crate::harness::{Feed, HarnessError, Options, Outcome, Stack};
use crate::load::readers::{self, Ask, Phase};
use crate::report::{Goal, Report, percentiles, short};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;
use tickgate_client::{Channel, Form};
use tokio::sync::watch;

/// Most bytes per record, frame heads included.
pub const GOAL: f64 = 5.3;

/// Plays the recording and counts.
///
/// # Errors
/// When something does not start or a client is refused.
pub async fn run(folder: PathBuf, interval_ms: u32, time: Duration) -> Outcome<Report> {
    let feed = Feed::Recording { folder, speed: "1".to_owned(), from: None, again: false };
    let stack = Stack::start(Options { orders: false, ..Options::of(feed) }).await?;
    let ask = Ask {
        form: Form::Compact,
        interval_ms,
        symbols: vec!["*".to_owned()],
        channels: vec![Channel::Quote],
    };
    let (client, symbols) = readers::subscribed(&stack.address, &ask).await.map_err(HarnessError::new)?;
    let (phase, receiver) = watch::channel(Phase::Warm);
    let task = tokio::spawn(readers::read(client, ask, symbols.len(), receiver));
    tokio::time::sleep(Duration::from_secs(2)).await;
    phase.send_replace(Phase::Measure);
    tokio::time::sleep(time).await;
    phase.send_replace(Phase::Finish);
    let seen = task.await.map_err(HarnessError::new)?;
    let mut report = Report::new("bytes", "bench");
    report.sound = seen.identity_ok() && seen.counts.records > 0;
    let bytes = seen.bytes_per_record().unwrap_or(f64::INFINITY);
    report.goals.push(Goal::of("bytes per record, frame heads included", bytes, GOAL, "B"));
    let frames = seen.counts.frames.max(1) as f64;
    report.line(format!(
        "{} symbols, {} records in {} frames ({:.2} a frame), {} events accounted, since flush {}",
        seen.symbols,
        seen.counts.records,
        seen.counts.frames,
        seen.counts.records as f64 / frames,
        seen.accounted(),
        short(&seen.latency)
    ));
    report.set("bytes_per_record", json!(super::round(bytes, 3)));
    report.set("records", json!(seen.counts.records));
    report.set("frames", json!(seen.counts.frames));
    report.set("bytes", json!(seen.counts.bytes));
    report.set("symbols", json!(symbols.iter().map(|symbol| &symbol.symbol).collect::<Vec<_>>()));
    report.set("latency_us", percentiles(&seen.latency));
    report.set("form", json!(form_word(Form::Compact)));
    report.set("interval_ms", json!(interval_ms));
    report.curve("since flush", &seen.latency);
    Ok(report)
}
