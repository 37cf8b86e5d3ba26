//! Market data as a client receives it: one binary message (or, in `json`, one text message) of one kind.
//!
//! Record bytes never depend on the session: they are encoded once per lane and form, and copied by the gather step
//! behind a head that the session's own facts (frame counter, symbols, slot) go into.

use crate::tick::{Aggressor, Quote};

pub mod bar;
pub mod book;
pub mod compact;
pub mod fixed;
pub mod json;
pub mod view;

pub use self::bar::{Bar, StatusImage};
pub use self::book::{BOOK_LEVELS_MAX, BookImage, BookSideImage, Level};

/// Form of market data, chosen by the WebSocket subprotocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Form {
    /// Delta records of whole-byte fields.
    Compact = 0,
    /// Aligned little-endian records of current values.
    Fixed = 1,
    /// JSON text, decimals as strings.
    Json = 2,
}

impl Form {
    /// All forms; their position is their number.
    pub const ALL: [Self; 3] = [Self::Compact, Self::Fixed, Self::Json];

    /// The subprotocol that chooses this form.
    #[must_use]
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Self::Compact => "tickgate.v1.compact",
            Self::Fixed => "tickgate.v1.fixed",
            Self::Json => "tickgate.v1.json",
        }
    }
}

/// Kind of a message. Readers skip kinds that they do not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Quote records relative to the lane's previous flush (`compact`) or current values.
    Quote = 0,
    /// Quotes in full, with running totals.
    QuoteFull = 1,
    /// Prints.
    Trade = 2,
    /// What changed in books since the lane's previous flush.
    BookDelta = 3,
    /// Books in full, with running totals.
    BookFull = 4,
    /// Bars.
    Bar = 5,
    /// Trading status.
    Status = 6,
    /// Trade totals in full, with prints that are already in the totals.
    TradeFull = 7,
}

impl Kind {
    /// From its number on the wire.
    #[must_use]
    pub const fn from_u8(value: u8) -> Option<Self> {
        Some(match value {
            0 => Self::Quote,
            1 => Self::QuoteFull,
            2 => Self::Trade,
            3 => Self::BookDelta,
            4 => Self::BookFull,
            5 => Self::Bar,
            6 => Self::Status,
            7 => Self::TradeFull,
            _ => return None,
        })
    }
}

/// Freshness of an instrument, as shown to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
#[repr(u8)]
pub enum State {
    /// Changing and proven current.
    Live = 0,
    /// Unchanged and proven current.
    Quiet = 1,
    /// Not proven current.
    #[default]
    Stale = 2,
    /// Trading is stopped.
    Halted = 3,
    /// The subscription's filter does not let the symbol through: what was shown before counts no more.
    Out = 4,
}

impl State {
    /// From its number on the wire.
    #[must_use]
    pub const fn from_u8(value: u8) -> Option<Self> {
        match value {
            0 => Some(Self::Live),
            1 => Some(Self::Quiet),
            2 => Some(Self::Stale),
            3 => Some(Self::Halted),
            4 => Some(Self::Out),
            _ => None,
        }
    }
}

/// Everything a quote record shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QuoteImage {
    /// Prices and sizes.
    pub quote: Quote,
    /// Freshness.
    pub state: State,
    /// Feed epoch of the publisher.
    pub feed_epoch: u64,
    /// How many feed epochs this gateway has seen of the shard, mod 256 (`fixed`).
    pub epoch_count: u8,
    /// Quote and status events published so far, lost ones included.
    pub ver: u64,
    /// Of these, lost before this gateway.
    pub lost: u64,
    /// Due time of the newest event, ns.
    pub ts_event: i64,
    /// When the gateway received it, ns.
    pub ts_recv: i64,
}

/// One print with its times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Print {
    /// Price, mantissa.
    pub price: i64,
    /// Quantity, mantissa.
    pub qty: i64,
    /// Venue's id or running count.
    pub trade_id: u64,
    /// Who took.
    pub aggressor: Aggressor,
    /// Due time, ns.
    pub ts_event: i64,
    /// When the gateway received it, ns.
    pub ts_recv: i64,
}

/// Running totals of an instrument's prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TradeImage {
    /// Feed epoch of the publisher.
    pub feed_epoch: u64,
    /// See [`QuoteImage::epoch_count`].
    pub epoch_count: u8,
    /// Freshness.
    pub state: State,
    /// Prints published so far, lost ones included.
    pub tc: u64,
    /// Of these, lost before this gateway.
    pub lost: u64,
    /// Sum of quantities.
    pub volume: i64,
    /// Sum of quantities taken by buyers.
    pub buy_volume: i64,
    /// Sum of price × qty.
    pub notional: i128,
    /// The last print (all zero while `tc` is 0).
    pub last: Print,
}

/// First, high and low of a range of prints that a session missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrintRange {
    /// Price of the first.
    pub first: i64,
    /// Highest price.
    pub high: i64,
    /// Lowest price.
    pub low: i64,
}

impl PrintRange {
    /// The range of this one followed by another.
    #[must_use]
    pub fn then(self, later: Self) -> Self {
        Self { first: self.first, high: self.high.max(later.high), low: self.low.min(later.low) }
    }
}
