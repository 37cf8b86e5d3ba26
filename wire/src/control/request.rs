//! Requests as types, borrowed from the message.

use crate::num::Number;

/// Longest client order id, session name or account name, in bytes.
pub const CL_ORD_ID_BYTES_MAX: usize = 32;

/// Most symbols and patterns of one request.
pub const REQUEST_SYMBOLS_MAX: usize = 4_096;

/// Longest time an order may wait to be taken, in milliseconds.
pub const EXPIRES_MS_MAX: u64 = 60_000;

/// Longest order request that is worth reading, in bytes: every field at its longest, spaces included.
pub const ORDER_REQUEST_BYTES_MAX: usize = 1_024;

/// Interval of a subscription that names none, in milliseconds.
pub const INTERVAL_MS_DEFAULT: u32 = 100;

/// Side of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Buys.
    Buy,
    /// Sells.
    Sell,
}

/// Type of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrderType {
    /// At a price or better.
    Limit,
    /// At what the book shows now.
    Market,
}

/// How long an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimeInForce {
    /// Until the end of the day.
    Day,
    /// What is possible now, the rest is cancelled.
    Ioc,
    /// Whole and now, or not at all.
    Fok,
    /// Until cancelled.
    Gtc,
}

/// Whether a text can name an order, a session or an account: 1..=32 bytes of printable ASCII without space, quote
/// and backslash, so that it stands in JSON as it is.
#[must_use]
pub fn valid_name(text: &str) -> bool {
    (1..=CL_ORD_ID_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
}

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
    /// `ping`, with the client's own time, which the pong returns.
    Ping {
        /// Client's time, µs; any whole number up to 2^53 − 1.
        t: Option<u64>,
    },
    /// `order.new`.
    OrderNew(NewOrder<'a>),
    /// `order.cancel`.
    OrderCancel(Cancel<'a>),
    /// `order.replace`.
    OrderReplace(Replace<'a>),
    /// `order.status` of a client order id: reads only.
    OrderStatus(&'a str),
    /// `order.resolve` of a client order id: definite from then on.
    OrderResolve(&'a str),
    /// `orders`: the account's open orders, once.
    Orders,
}

/// `hello`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hello<'a> {
    /// Name of the session.
    pub session: Option<&'a str>,
    /// Account to trade for (development mode); without one market data only.
    pub account: Option<&'a str>,
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

/// `order.new`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewOrder<'a> {
    /// The client's id, never used before in its account.
    pub cl_ord_id: &'a str,
    /// Exact symbol.
    pub symbol: &'a str,
    /// Buy or sell.
    pub side: Side,
    /// Limit or market.
    pub order_type: OrderType,
    /// Quantity as written.
    pub qty: Number,
    /// Limit price as written; none in a market order.
    pub price: Option<Number>,
    /// How long it stands.
    pub time_in_force: TimeInForce,
    /// Taken within this time or never, in milliseconds.
    pub expires_ms: Option<u64>,
}

/// `order.cancel`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cancel<'a> {
    /// Id of this act.
    pub cl_ord_id: &'a str,
    /// The order, by the latest id of its chain.
    pub orig_cl_ord_id: &'a str,
}

/// `order.replace`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replace<'a> {
    /// Id of this act.
    pub cl_ord_id: &'a str,
    /// The order, by the latest id of its chain.
    pub orig_cl_ord_id: &'a str,
    /// New whole quantity.
    pub qty: Number,
    /// New limit price.
    pub price: Number,
}
