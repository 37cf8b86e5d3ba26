//! What a client is told, as JSON text. `subscribed` and `added` are written by the gateway in parts, symbol by
//! [`Symbol`], and the heartbeat when it goes out. Times are whole microseconds; prices and quantities are strings.

use super::Entitlements;
use crate::error::{ErrorCode, Retry};
use crate::instrument::Instrument;
use crate::num;
use serde::Serialize;

/// Most symbols of one part of a long reply; parts before the last bear `"more":true`.
pub const PART_SYMBOLS_MAX: usize = 64;

/// One message to a client, as text.
///
/// ```
/// use tickgate_wire::control::reply::{Pong, text};
/// let pong = Pong { id: Some(1), t: Some(5), received_us: 7, sent_us: 9 };
/// assert_eq!(text("pong", &pong), r#"{"op":"pong","id":1,"t":5,"received_us":7,"sent_us":9}"#);
/// ```
#[must_use]
pub fn text<T: Serialize>(op: &str, body: &T) -> String {
    #[derive(Serialize)]
    struct Tagged<'a, T> {
        op: &'a str,
        #[serde(flatten)]
        body: &'a T,
    }
    // Types of this module hold no map with other than text keys, so that writing them cannot fail.
    serde_json::to_string(&Tagged { op, body }).unwrap_or_default()
}

/// `welcome`.
#[derive(Debug, Clone, Serialize)]
pub struct Welcome<'a> {
    /// Echo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// Name of the session.
    pub session: Option<&'a str>,
    /// Epoch of the session; 0 until sessions are known to order-api.
    pub session_epoch: u64,
    /// Account, none = market data only.
    pub account: Option<&'a str>,
    /// How the account was granted: `token`, `demo` = taken from the hello, loopback only, or `none`.
    pub auth: &'a str,
    /// Whether missed reports will come.
    pub resumed: bool,
    /// Form of market data: `compact`, `fixed` or `json`.
    pub form: &'a str,
    /// This run of the gateway.
    pub boot_id: &'a str,
    /// What the session may do.
    pub limits: Limits,
    /// What of it is used.
    pub used: Used,
    /// What the token grants, or what needs none; left out where everything is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entitlements: Option<&'a Entitlements>,
    /// When the token is over, Unix time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at_us: Option<i64>,
    /// Offered intervals, 0 = raw.
    pub rates_ms: &'a [u32],
    /// Time between heartbeats.
    pub heartbeat_ms: u64,
    /// Without proof for longer than this a symbol is STALE.
    pub stale_after_ms: u64,
    /// Unchanged for longer than this a symbol is QUIET.
    pub quiet_after_ms: u64,
    /// Gateway's time.
    pub server_time_us: i64,
}

/// Limits of a session.
#[derive(Debug, Clone, Copy, Serialize, PartialEq, Eq)]
pub struct Limits {
    /// Longest message.
    pub message_bytes: usize,
    /// Symbols over all channels.
    pub symbols: usize,
    /// Different intervals.
    pub slots: usize,
    /// Orders a second of the account.
    pub orders_per_s: u32,
    /// Requests a second of the session, all kinds together; more ends it.
    pub requests_per_s: u32,
    /// Sessions of the account at a time on this gateway.
    pub sessions: u32,
}

/// What is used of some [`Limits`].
#[derive(Debug, Clone, Copy, Default, Serialize, PartialEq, Eq)]
pub struct Used {
    /// Sessions of the account, this one included; 0 without an account.
    pub sessions: u32,
    /// Symbols over all channels.
    pub symbols: usize,
}

/// `authenticated`: the answer to `auth`.
#[derive(Debug, Clone, Serialize)]
pub struct Authenticated<'a> {
    /// Echo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// Whose session it is.
    pub account: &'a str,
    /// When the token is over, Unix time.
    pub expires_at_us: i64,
    /// What the token grants.
    pub entitlements: &'a Entitlements,
    /// What the session may do.
    pub limits: Limits,
    /// What of it is used.
    pub used: Used,
}

/// One symbol of `subscribed` or `added`.
#[derive(Debug, Clone, Serialize)]
pub struct Symbol<'a> {
    /// Its name.
    pub symbol: &'a str,
    /// Its number in market data.
    pub id: u32,
    /// Power of ten of prices.
    pub price_exponent: i8,
    /// Power of ten of quantities.
    pub qty_exponent: i8,
    /// Smallest price step.
    pub tick_size: String,
    /// Smallest quantity step.
    pub lot_size: String,
    /// Whether prints tell who took.
    pub has_aggressor: bool,
    /// Whether quotes tell sizes.
    pub has_size: bool,
    /// Shard of the feed: notices about a shard are about its symbols.
    pub shard: u16,
}

impl<'a> Symbol<'a> {
    /// From its definition.
    #[must_use]
    pub fn new(id: u32, shard: u16, instrument: &'a Instrument) -> Self {
        Self {
            symbol: &instrument.symbol,
            id,
            price_exponent: instrument.price_exponent,
            qty_exponent: instrument.qty_exponent,
            tick_size: num::text(instrument.tick_size, instrument.price_exponent),
            lot_size: num::text(instrument.lot_size, instrument.qty_exponent),
            has_aggressor: instrument.has_aggressor,
            has_size: instrument.has_size,
            shard,
        }
    }
}

/// One refused symbol or pattern.
#[derive(Debug, Clone, Serialize)]
pub struct Rejected {
    /// As the client wrote it.
    pub symbol: String,
    /// Word of the error.
    pub code: &'static str,
    /// Number of the error.
    pub number: u16,
    /// The interval in force, where the error is about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval_ms: Option<u32>,
}

impl Rejected {
    /// Of a symbol.
    #[must_use]
    pub fn new(symbol: &str, code: ErrorCode, interval_ms: Option<u32>) -> Self {
        Self { symbol: symbol.to_owned(), code: code.code(), number: code.number(), interval_ms }
    }
}

/// `unsubscribed`: one part a slot. Its ids leave the wire set of (channel, slot).
#[derive(Debug, Clone, Serialize)]
pub struct Unsubscribed {
    /// Echo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// Channel.
    pub channel: &'static str,
    /// Slot that they leave; none when nothing left.
    pub slot: Option<u8>,
    /// What left.
    pub ids: Vec<u32>,
    /// What was refused.
    pub rejected: Vec<Rejected>,
    /// Whether another part follows.
    pub more: bool,
}

/// `rate_set`: one part a slot that symbols came from.
#[derive(Debug, Clone, Serialize)]
pub struct RateSet {
    /// Echo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// Channels that moved: a symbol's quotes and prints move together.
    pub channels: Vec<&'static str>,
    /// Slot that they leave; none when nothing moved.
    pub from_slot: Option<u8>,
    /// Slot that they join.
    pub slot: Option<u8>,
    /// Interval in force.
    pub interval_ms: u32,
    /// Whether it may grow while the session cannot follow it.
    pub adaptive: bool,
    /// Where in the interval this session is flushed.
    pub phase_us: u32,
    /// What moved.
    pub ids: Vec<u32>,
    /// What was refused.
    pub rejected: Vec<Rejected>,
    /// Whether another part follows.
    pub more: bool,
}

/// `rate_changed`: the gateway changed the interval of an adaptive slot; its wire sets stay.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct RateChanged {
    /// Slot.
    pub slot: u8,
    /// Interval in force from here on.
    pub interval_ms: u32,
    /// Where in the interval this session is flushed.
    pub phase_us: u32,
    /// The interval that was asked for; it is never faster.
    pub asked_ms: u32,
    /// `slow` or `recovered`.
    pub reason: &'static str,
}

/// `budget_set`.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct BudgetSet {
    /// Echo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// Limit in force; null = none.
    pub bytes_per_s: Option<u32>,
}

/// `visible_set`.
#[derive(Debug, Clone, Serialize)]
pub struct VisibleSet {
    /// Echo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// How many instruments count as on screen; 0 = none is before another.
    pub symbols: usize,
    /// What was refused.
    pub rejected: Vec<Rejected>,
}

/// `paused`, `unpaused`.
#[derive(Debug, Clone, Serialize)]
pub struct Plain {
    /// Echo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
}

/// `repairing`: fulls of so many symbols follow.
#[derive(Debug, Clone, Serialize)]
pub struct Repairing {
    /// Echo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// How many (channel, symbol) will be sent in full.
    pub symbols: usize,
    /// What was refused.
    pub rejected: Vec<Rejected>,
}

/// `hashes`: what the client should hold where this stands in the stream.
#[derive(Debug, Clone, Serialize)]
pub struct Hashes {
    /// Echo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// Market data is owed, so that nothing can be claimed: ask again later.
    pub owed: bool,
    /// Hash of each bucket in order, when none was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buckets: Option<Vec<String>>,
    /// Hash of each symbol of the named buckets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symbols: Option<Vec<SymbolHash>>,
}

/// One symbol in `hashes`.
#[derive(Debug, Clone, Serialize)]
pub struct SymbolHash {
    /// Channel.
    pub channel: &'static str,
    /// Instrument id.
    pub id: u32,
    /// 16 hexadecimal digits.
    pub hash: String,
}

/// `stats_set`: the session's statistics come every so often.
#[derive(Debug, Clone, Serialize)]
pub struct StatsSet {
    /// Echo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// Time between two; 0 = none come.
    pub every_ms: u32,
}

/// `pong`: with the client's own two times, four in all.
#[derive(Debug, Clone, Serialize)]
pub struct Pong {
    /// Echo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// The ping's `t`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub t: Option<u64>,
    /// When the ping was read, gateway's time.
    pub received_us: i64,
    /// When this was written, gateway's time.
    pub sent_us: i64,
}

/// `error`: one request was refused.
#[derive(Debug, Clone, Serialize)]
pub struct Error<'a> {
    /// Echo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// Word.
    pub code: &'static str,
    /// Number.
    pub number: u16,
    /// What is wrong.
    pub message: &'a str,
    /// What to do.
    pub retry: Retry,
    /// How long to wait, with retry `after_ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_ms: Option<u64>,
    /// The client order id that this is about, in answers to order requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cl_ord_id: Option<&'a str>,
    /// The alert that this is about, in answers to requests about alerts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cl_alert_id: Option<&'a str>,
}

impl<'a> Error<'a> {
    /// An error of the registry.
    #[must_use]
    pub fn new(id: Option<u64>, code: ErrorCode, message: &'a str) -> Self {
        let after_ms = (code.retry() == Retry::AfterMs).then_some(1_000);
        Self {
            id,
            code: code.code(),
            number: code.number(),
            message,
            retry: code.retry(),
            after_ms,
            cl_ord_id: None,
            cl_alert_id: None,
        }
    }
}

/// `notice`: something worth knowing that asks for nothing.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Notice<'a> {
    /// `feed_restarted`, `stale`, `fresh`, `token_expiring`, `token_expired`, `operator`, `draining`.
    pub code: &'a str,
    /// Shard, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<u16>,
    /// The new epoch, in `feed_restarted`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feed_epoch: Option<u64>,
    /// Why it is stale, in `stale`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
    /// Age of the last proof that nothing is missing, in `stale`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<i64>,
    /// When the token is over, in `token_expiring`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at_us: Option<i64>,
    /// How long until the session is closed: in `token_expired`, none = it goes on with what needs no token; in `draining`
    /// with the gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_ms: Option<i64>,
    /// What the operator says, in `operator`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<&'a str>,
    /// The operator's account, in `operator`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<&'a str>,
    /// When it was said, in `operator`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ts_us: Option<i64>,
}

/// `notice.sent`: the bus has the notice. It says nothing of who is there to read it.
#[derive(Debug, Clone, Serialize)]
pub struct NoticeSent {
    /// Echo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// When, as the notice says.
    pub ts_us: i64,
}

/// `sessions`: those of all gateways; one part.
#[derive(Debug, Clone, Serialize)]
pub struct Sessions<'a> {
    /// Echo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// By gateway and number; at most 1,000 in all parts.
    pub sessions: &'a [crate::presence::SessionState],
    /// In the last part: each gateway that answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateways: Option<Vec<SessionsOf<'a>>>,
    /// In the last part: gateways that were alive and did not answer in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<&'a [String]>,
    /// Whether another part follows.
    pub more: bool,
}

/// One gateway in `sessions`.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct SessionsOf<'a> {
    /// Its run.
    pub gateway: &'a str,
    /// Sessions that it has; more than are told where the bound cut them.
    pub count: usize,
    /// How many of them are told.
    pub told: usize,
}
