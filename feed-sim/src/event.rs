//! What every source hands on: changes of instruments with the time at which they are due.

use wire::instrument::Instrument;
use wire::tick::Change;

/// A change of one instrument of a source. A print with `trade_id` 0 has none from its venue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// When it is due, ns since the source's begin.
    pub due_ns: i64,
    /// Index among the source's instruments.
    pub instrument: u32,
    /// What changes.
    pub change: Change,
}

/// What a source met that is not handed on as it was; each only grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// `feed_inexact_total`: values that the instrument's exponent cannot hold, rounded half-even.
    pub inexact: u64,
    /// Messages without meaning here: heartbeats, candles, history, orders.
    pub skipped: u64,
    /// Lines whose time lies before the line above; the order in the file holds.
    pub time_back: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.inexact += other.inexact;
        self.skipped += other.skipped;
        self.time_back += other.time_back;
    }
}

/// A stream of items in order of their times.
pub trait Source {
    /// All instruments that it will ever speak of.
    fn instruments(&self) -> &[Instrument];

    /// Appends all items due up to and including `until_ns`. False = nothing will ever come again.
    ///
    /// # Errors
    /// One line that names the file and the line of a broken recording.
    fn items_until(&mut self, until_ns: i64, out: &mut Vec<Item>) -> Result<bool, String>;

    /// What was not handed on as it was.
    fn counts(&self) -> Counts {
        Counts::default()
    }
}
