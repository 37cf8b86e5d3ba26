//! What a session was last told of each symbol that it is owed, so that what matters most is told first. Pure.

use wire::frame::{QuoteImage, TradeImage};
use wire::instrument::InstrumentId;

/// Most symbols of a slot whose marks are kept; with more owed, all are told in turn.
pub const MARKS_MAX: usize = 4_096;

/// A price as marks compare it: twice the price, so that the middle of bid and ask is whole.
pub type Twice = i64;

/// The price that a quote shows. An absent side keeps its last known price.
#[must_use]
pub const fn of_quote(image: &QuoteImage) -> Twice {
    image.quote.bid.saturating_add(image.quote.ask)
}

/// The price that totals show.
#[must_use]
pub const fn of_trade(image: &TradeImage) -> Twice {
    image.last.price.saturating_mul(2)
}

/// What a session was last told of a symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Symbol.
    pub id: InstrumentId,
    /// Price that it was told; none = nothing that can be relied on, as after a join.
    pub told: Option<Twice>,
    /// Since when it is owed, µs.
    pub since_us: i64,
}

/// The marks of one slot, in no order.
#[derive(Debug, Default)]
pub struct Marks(Vec<Mark>);

impl Marks {
    /// Adds the mark of a symbol that was not owed before.
    pub fn add(&mut self, mark: Mark) {
        if self.0.len() < MARKS_MAX {
            self.0.push(mark);
        }
    }

    /// Drops the marks of what is owed no more.
    pub fn keep(&mut self, is_owed: impl Fn(InstrumentId) -> bool) {
        self.0.retain(|mark| is_owed(mark.id));
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Mark] {
        &self.0
    }
}
