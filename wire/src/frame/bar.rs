//! Bars of prints, and what a source says of an instrument's trading.

use crate::frame::State;
use crate::tick::Status;

/// The prints of one period. Nothing is made up: a bar without a print has `count` 0 and only zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bar {
    /// Begin, µs since the Unix epoch; a multiple of the period, which is whole seconds.
    pub start_us: i64,
    /// Price of the first print, mantissa.
    pub open: i64,
    /// Highest price.
    pub high: i64,
    /// Lowest price.
    pub low: i64,
    /// Price of the last print.
    pub close: i64,
    /// Sum of quantities.
    pub volume: i64,
    /// Of these taken by buyers.
    pub buy_volume: i64,
    /// Sum of price × qty.
    pub notional: i128,
    /// Prints in it.
    pub count: u64,
    /// Prints of the instrument so far in this feed epoch, after the bar's last one.
    pub tc: u64,
    /// Whether the period is over.
    pub closed: bool,
    /// Whether prints are missing: lost, or from before the instrument was followed.
    pub partial: bool,
}

/// Everything that status records show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StatusImage {
    /// Feed epoch of the publisher.
    pub feed_epoch: u64,
    /// See [`crate::frame::QuoteImage::epoch_count`].
    pub epoch_count: u8,
    /// Freshness.
    pub state: State,
    /// What the source says.
    pub status: Status,
    /// Due time of the newest status, ns.
    pub ts_event: i64,
    /// When the gateway received it, ns.
    pub ts_recv: i64,
}
