//! Requests as types, borrowed from the message.

use crate::order::{AccountId, Act, SessionName};

/// Most symbols and patterns of one request.
pub const REQUEST_SYMBOLS_MAX: usize = 4_096;

/// Most patterns of one request: each is held against every symbol.
pub(super) const REQUEST_PATTERNS_MAX: usize = 64;

/// Most buckets of one `hashes` request that names some.
pub(super) const REQUEST_BUCKETS_MAX: usize = 8;

/// Bounds of `max_age_ms`: a quiet publisher beats every 50 ms, and ages are looked at as often.
pub(super) const MAX_AGE_MS: std::ops::RangeInclusive<u64> = 100..=60_000;

/// Longest time an order may wait to be taken, in milliseconds.
pub const EXPIRES_MS_MAX: u64 = 60_000;

/// Interval of a subscription that names none, in milliseconds.
pub const INTERVAL_MS_DEFAULT: u32 = 100;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// Echoed by the reply; at most 2^53 − 1. Need not be unique.
    pub id: Option<u64>,
    /// What is asked.
    pub op: Op<'a>,
}

/// What a client can ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op<'a> {
    /// `hello`: the first message.
    Hello(Hello),
    /// `subscribe`.
    Subscribe(Subscribe<'a>),
    /// `unsubscribe`.
    Unsubscribe(Selection<'a>),
    /// `set_rate`.
    SetRate(SetRate<'a>),
    /// `pause`.
    Pause,
    /// `unpause`.
    Unpause,
    /// `repair`: all, or the named symbols of a channel.
    Repair(Option<Selection<'a>>),
    /// `hashes`: of every bucket (instrument id mod [`crate::view_hash::BUCKETS`]), or of each symbol in some of them.
    Hashes(Option<Vec<u8>>),
    /// `ping`, with the client's own time, which the pong returns.
    Ping {
        /// Client's time, µs; any whole number up to 2^53 − 1.
        t: Option<u64>,
    },
    /// `order.new`, `order.cancel`, `order.replace`, `order.status`, `order.resolve`, `orders`.
    Order {
        /// What its writer is asked.
        act: Act,
        /// Taken within this time or never, in milliseconds.
        expires_ms: Option<u64>,
    },
}

/// `hello`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hello {
    /// Name of the session; empty = unnamed.
    pub session: SessionName,
    /// Account to trade for (development mode); without one market data only.
    pub account: Option<AccountId>,
    /// Where an earlier connection ended.
    pub resume: Option<Cursor>,
}

/// The last report that a client has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Its number in the account.
    pub report_seq: u64,
    /// The block that it came in.
    pub block: Option<u64>,
}

/// A channel of market data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    /// Best bid and ask.
    Quote,
    /// Prints.
    Trade,
}

impl Channel {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Quote => "quote",
            Self::Trade => "trade",
        }
    }
}

/// Symbols and patterns as the client wrote them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names<'a>(pub Vec<&'a str>);

/// `subscribe`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscribe<'a> {
    /// Channel.
    pub channel: Channel,
    /// What of it.
    pub symbols: Names<'a>,
    /// Interval in milliseconds, one of [`crate::RATES_MS`]; the server checks it.
    pub interval_ms: u32,
    /// To be told when a symbol's shard is older than this, [`MAX_AGE_MS`].
    pub max_age_ms: Option<u32>,
}

/// Symbols of a channel: `unsubscribe`, `repair`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection<'a> {
    /// Channel.
    pub channel: Channel,
    /// What of it.
    pub symbols: Names<'a>,
}

/// `set_rate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetRate<'a> {
    /// Channel.
    pub channel: Channel,
    /// What of it.
    pub symbols: Names<'a>,
    /// The new interval in milliseconds.
    pub interval_ms: u32,
}
