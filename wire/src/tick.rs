//! What a feed says: quotes, prints, book levels and status, one [`Event`] each.
//!
//! Publishers number events per (instrument, channel): `number` is the running count within a feed epoch, the first
//! is 1. Quote and status share one count (`ver`), trades have `tc`, book levels `lver`.

/// Which side took liquidity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Aggressor {
    /// The venue does not say.
    #[default]
    None = 0,
    /// The buyer took.
    Buy = 1,
    /// The seller took.
    Sell = 2,
}

impl Aggressor {
    /// From its number on the wire; unknown numbers are [`Aggressor::None`].
    #[must_use]
    pub const fn from_u8(value: u8) -> Self {
        match value {
            1 => Self::Buy,
            2 => Self::Sell,
            _ => Self::None,
        }
    }
}

/// Side of a book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum BookSide {
    /// Buyers.
    Bid = 0,
    /// Sellers.
    Ask = 1,
}

/// Trading status of an instrument, as its source states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Status {
    /// Trading.
    #[default]
    Open = 0,
    /// Stopped for now.
    Halted = 1,
    /// Out of session.
    Closed = 2,
    /// The publisher has not heard from this instrument's source within its bound.
    SourceStale = 3,
}

impl Status {
    /// From its number on the bus.
    #[must_use]
    pub const fn from_u8(value: u8) -> Option<Self> {
        match value {
            0 => Some(Self::Open),
            1 => Some(Self::Halted),
            2 => Some(Self::Closed),
            3 => Some(Self::SourceStale),
            _ => None,
        }
    }
}

/// Best bid and ask. Size 0 = that side is absent and its price is the last one known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quote {
    /// Best bid price, mantissa.
    pub bid: i64,
    /// Best ask price, mantissa.
    pub ask: i64,
    /// Size at the best bid, mantissa, ≥ 0.
    pub bid_size: i64,
    /// Size at the best ask, mantissa, ≥ 0.
    pub ask_size: i64,
}

/// One print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trade {
    /// Price, mantissa.
    pub price: i64,
    /// Quantity, mantissa, ≥ 1.
    pub qty: i64,
    /// The venue's id where it is an integer of at most 2^53 − 1, else the running count.
    pub trade_id: u64,
    /// Who took.
    pub aggressor: Aggressor,
}

/// One price level of a book after its change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BookLevel {
    /// Side.
    pub side: BookSide,
    /// Price, mantissa.
    pub price: i64,
    /// Quantity now, mantissa; 0 deletes the level.
    pub qty: i64,
    /// Whether this level begins a new image of the whole book (forget all earlier levels).
    pub snapshot_begins: bool,
    /// Whether this level ends one update of the source.
    pub update_ends: bool,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// New best bid and ask.
    Quote(Quote),
    /// A print.
    Trade(Trade),
    /// A book level.
    Level(BookLevel),
    /// A new trading status.
    Status(Status),
}

/// One event of one instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Index within the shard's definitions.
    pub index: u32,
    /// Running number of this event among its channel's, the first is 1.
    pub number: u64,
    /// When it was due to be published, ns since the Unix epoch, publisher's clock.
    pub ts_event: i64,
    /// What happened.
    pub change: Change,
}
