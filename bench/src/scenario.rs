//! What is measured. Each scenario starts or finds a deployment, loads it, and returns a report.

pub mod bytes;
pub mod e2e;
pub mod fanout;
pub mod freeze;
pub mod growth;
pub mod idle;
pub mod latency;
pub mod orders;
pub mod overload;
pub mod stalled;
pub mod storm;
pub mod thin;

use crate::harness::{HarnessError, Outcome, get, metric};
use crate::load::orders::Target;
use crate::measure;
use serde_json::{Value, json};
use std::time::Duration;
use tickgate_client::{Channel, Form, SymbolInfo};

/// A gateway's counters at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Counters {
    /// Events taken from the bus.
    pub events: f64,
    /// Events lost on the bus.
    pub lost: f64,
    /// Market-data messages.
    pub frames: f64,
    /// Bytes to sockets.
    pub bytes: f64,
    /// Records.
    pub records: f64,
    /// Records encoded.
    pub encodes: f64,
    /// CPU, seconds.
    pub cpu_s: f64,
    /// When, µs.
    pub at_us: i64,
}

impl Counters {
    /// Reads them.
    ///
    /// # Errors
    /// When the gateway does not answer.
    pub async fn read(address: &str, pid: Option<u32>) -> Outcome<Self> {
        let text = get(address, "/metrics").await?.body;
        let value = |name: &str| metric(&text, name).unwrap_or(0.0);
        Ok(Self {
            events: value("gw_ticks_received_total"),
            lost: value("gw_bus_lost_total"),
            frames: value("gw_frames_sent_total"),
            bytes: value("gw_frame_bytes_total"),
            records: value("gw_records_sent_total"),
            encodes: value("gw_encodes_total"),
            cpu_s: pid.and_then(measure::cpu_s).unwrap_or(0.0),
            at_us: tickgate_client::now_us(),
        })
    }

    /// What happened since.
    #[must_use]
    pub fn since(&self, then: &Self) -> Self {
        Self {
            events: self.events - then.events,
            lost: self.lost - then.lost,
            frames: self.frames - then.frames,
            bytes: self.bytes - then.bytes,
            records: self.records - then.records,
            encodes: self.encodes - then.encodes,
            cpu_s: self.cpu_s - then.cpu_s,
            at_us: self.at_us - then.at_us,
        }
    }

    /// Seconds, of a difference.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.at_us as f64 / 1e6
    }

    /// Share of a core, of a difference.
    #[must_use]
    pub fn cores(&self) -> f64 {
        if self.at_us == 0 { 0.0 } else { self.cpu_s / self.seconds() }
    }

    /// For `summary.json`, of a difference.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "events_in": self.events,
            "bus_lost": self.lost,
            "frames_out": self.frames,
            "records_out": self.records,
            "bytes_out": self.bytes,
            "encodes": self.encodes,
            "cpu_s": round(self.cpu_s, 4),
            "cores": round(self.cores(), 4),
            "seconds": round(self.seconds(), 3),
        })
    }
}

/// Rounds for reading.
#[must_use]
pub fn round(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}

/// A limit order that can be accepted and never trades: at a tenth of the bid.
///
/// # Errors
/// When no quote comes within 10 s.
pub async fn target(address: &str, symbol: &SymbolInfo) -> Outcome<Target> {
    let ask = crate::load::readers::Ask {
        form: Form::Compact,
        interval_ms: 50,
        symbols: vec![symbol.symbol.clone()],
        channels: vec![Channel::Quote],
    };
    let (mut client, _) = crate::load::readers::subscribed(address, &ask).await.map_err(HarnessError::new)?;
    let quoted = async {
        loop {
            client.next().await;
            if let Some(quote) = client.view().quote(symbol.id).filter(|quote| quote.quote.bid > 0) {
                return quote.quote;
            }
        }
    };
    let quote = tokio::time::timeout(Duration::from_secs(10), quoted)
        .await
        .map_err(|_| HarnessError(format!("{}: no quote within 10 s", symbol.symbol)))?;
    let tick: wire::num::Number = symbol.tick_size.parse().map_err(HarnessError::new)?;
    let lot: wire::num::Number = symbol.lot_size.parse().map_err(HarnessError::new)?;
    let step = tick.rescale(symbol.price_exponent).map_err(HarnessError::new)?.max(1);
    let price = (quote.bid / 10 / step).max(1) * step;
    let qty = lot.rescale(symbol.qty_exponent).map_err(HarnessError::new)?.max(1);
    let _ = client.close().await;
    Ok(Target {
        symbol: symbol.symbol.clone(),
        price: wire::num::text(price, symbol.price_exponent),
        qty: wire::num::text(qty, symbol.qty_exponent),
    })
}

/// A runtime of one thread, so that a load costs no wakes between threads.
///
/// # Errors
/// When the system refuses.
pub fn one_thread() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
