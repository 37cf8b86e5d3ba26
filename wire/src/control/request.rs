//! Requests as types, borrowed from the message.

use super::Token;
use super::filter::Filter;
use crate::alert::AlertAct;
use crate::order::{AccountId, Act, SessionName};

/// Most symbols and patterns of one request.
pub const REQUEST_SYMBOLS_MAX: usize = 4_096;

/// Most patterns of one request: each is held against every symbol.
pub(super) const REQUEST_PATTERNS_MAX: usize = 64;

/// Most buckets of one `hashes` request that names some.
pub(super) const REQUEST_BUCKETS_MAX: usize = 8;

/// Bounds of `max_age_ms`: a quiet publisher beats every 50 ms, and ages are looked at as often.
pub(super) const MAX_AGE_MS: std::ops::RangeInclusive<u64> = 100..=60_000;

/// Bounds of the time between two `stats`.
pub(super) const STATS_MS: std::ops::RangeInclusive<u64> = 1_000..=60_000;

/// Bounds of `bytes_per_s`.
pub const BYTES_PER_S: std::ops::RangeInclusive<u32> = 1_000..=100_000_000;

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
    Hello(Hello<'a>),
    /// `auth`: a newer token of the same account.
    Auth(Token<'a>),
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
    /// `budget`: most bytes of market data a second, [`BYTES_PER_S`]; none = no limit.
    Budget(Option<u32>),
    /// `visible`: the rows on screen, which are caught up first; none = no row before another.
    Visible(Names<'a>),
    /// `hashes`: of every bucket (instrument id mod [`crate::view_hash::BUCKETS`]), or of each symbol in some of them.
    Hashes(Option<Vec<u8>>),
    /// `stats`: to be told the session's own statistics.
    Stats {
        /// Time between two, [`STATS_MS`]; 0 = no more.
        every_ms: u32,
    },
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
    /// `alert.new`, `alert.cancel`, `alerts`.
    Alert(AlertAct),
    /// `notice.send`: an operator's words.
    NoticeSend {
        /// 1 to 256 characters.
        text: &'a str,
        /// For the sessions of this account; none = for all.
        account: Option<AccountId>,
    },
    /// `sessions`: those of all gateways.
    Sessions {
        /// Only those of this account.
        account: Option<AccountId>,
    },
}

/// `hello`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hello<'a> {
    /// Name of the session; empty = unnamed.
    pub session: SessionName,
    /// Account to trade for (development mode); without one market data only.
    pub account: Option<AccountId>,
    /// Who the session is; none where the handshake bore it, or for what needs no proof.
    pub token: Option<Token<'a>>,
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
    /// Levels of the book.
    Book,
    /// Bars of prints.
    Bar,
    /// Trading status.
    Status,
}

impl Channel {
    /// All, in the order of their numbers in the view's hash.
    pub const ALL: [Self; 5] = [Self::Quote, Self::Trade, Self::Book, Self::Bar, Self::Status];

    /// The two that are shown together: a quote is never older than the print beside it.
    pub const MARKET: [Self; 2] = [Self::Quote, Self::Trade];

    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Quote => "quote",
            Self::Trade => "trade",
            Self::Book => "book",
            Self::Bar => "bar",
            Self::Status => "status",
        }
    }

    /// From its word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.word() == word)
    }

    /// Its place among the channels that are shown together: 1 for prints, else 0.
    #[must_use]
    pub const fn place(self) -> usize {
        matches!(self, Self::Trade) as usize
    }
}

/// What of a quote is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Fields {
    /// Everything.
    #[default]
    All,
    /// Prices; a size is 1 where the side is there, else 0.
    Price,
    /// Prices, and sizes rounded down to their three highest binary digits.
    Coarse,
}

impl Fields {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Price => "price",
            Self::Coarse => "coarse",
        }
    }

    /// From its word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::All, Self::Price, Self::Coarse].into_iter().find(|fields| fields.word() == word)
    }
}

/// How long a bar is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Period {
    /// One second.
    #[default]
    Second,
    /// One minute.
    Minute,
}

impl Period {
    /// Both, by their place in per-period arrays.
    pub const ALL: [Self; 2] = [Self::Second, Self::Minute];

    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Second => "1s",
            Self::Minute => "1m",
        }
    }

    /// From its word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|period| period.word() == word)
    }

    /// Length, µs.
    #[must_use]
    pub const fn us(self) -> i64 {
        match self {
            Self::Second => 1_000_000,
            Self::Minute => 60_000_000,
        }
    }
}

/// Offered depths of a book, levels a side.
pub const DEPTHS: [u8; 3] = [5, 10, 20];

/// What a subscription shows of its symbols. Subscriptions of one session at one interval that show the same share a
/// slot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum View {
    /// Quotes and prints.
    Market {
        /// What of a quote.
        fields: Fields,
        /// Which symbols, by their quote; only quotes are filtered.
        filter: Option<Filter>,
    },
    /// Book levels.
    Book {
        /// Levels a side, one of [`DEPTHS`].
        depth: u8,
    },
    /// Bars.
    Bar {
        /// How long.
        period: Period,
    },
    /// Trading status.
    Status,
}

impl Default for View {
    fn default() -> Self {
        Self::Market { fields: Fields::All, filter: None }
    }
}

impl View {
    /// The channels that it shows, by their place.
    #[must_use]
    pub const fn channels(&self) -> &'static [Channel] {
        match self {
            Self::Market { .. } => &Channel::MARKET,
            Self::Book { .. } => &[Channel::Book],
            Self::Bar { .. } => &[Channel::Bar],
            Self::Status => &[Channel::Status],
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
    /// What is shown.
    pub view: View,
    /// The interval may grow while the session cannot follow it.
    pub adaptive: bool,
    /// Where an earlier connection ended, as a heartbeat told it; unread.
    pub resume: Option<&'a str>,
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
    /// As in [`Subscribe::adaptive`].
    pub adaptive: bool,
}
