//! What the gateway says in text, as types. Unknown fields are skipped (an older client reads a newer gateway);
//! an unknown `op` is [`Message::Other`].

use crate::alert::{Alert, AlertReply, Alerts, NoticeSent, Sessions};
use serde::Deserialize;
use wire::frame::State;
use wire::frame::view::Resumed;

/// One text message.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Message {
    /// Answer to `hello`.
    Welcome(Welcome),
    /// Answer to `auth`.
    Authenticated(Authenticated),
    /// Symbols joined a wire set.
    Subscribed(Subscribed),
    /// A pattern gained symbols.
    Added(Subscribed),
    /// Symbols left a wire set.
    Unsubscribed(Unsubscribed),
    /// Symbols moved between wire sets.
    RateSet(RateSet),
    /// A slot runs at another interval: the gateway found its client too slow, or fast enough again.
    RateChanged(RateChanged),
    /// Answer to `budget`.
    BudgetSet(BudgetSet),
    /// Answer to `visible`.
    VisibleSet(VisibleSet),
    /// Answer to `pause`.
    Paused(Plain),
    /// Answer to `unpause`.
    Unpaused(Plain),
    /// Answer to `repair`.
    Repairing(Repairing),
    /// Answer to `hashes`.
    Hashes(Hashes),
    /// Answer to `stats`.
    StatsSet(StatsSet),
    /// The session's statistics.
    Stats(Stats),
    /// Answer to `ping`.
    Pong(Pong),
    /// A request was refused.
    Error(Refusal),
    /// Something worth knowing.
    Notice(Notice),
    /// Proof of life, once a second.
    Heartbeat(Heartbeat),
    /// How an order request ended.
    #[serde(rename = "order.reply")]
    OrderReply(OrderReply),
    /// An execution report from the log.
    Report(Report),
    /// Open orders.
    Orders(Orders),
    /// What became of an alert, from the log; `seq` is of the same row of numbers as that of a report.
    Alert(Alert),
    /// How a request about an alert ended.
    #[serde(rename = "alert.reply")]
    AlertReply(AlertReply),
    /// Standing alerts.
    Alerts(Alerts),
    /// An operator's notice is said.
    #[serde(rename = "notice.sent")]
    NoticeSent(NoticeSent),
    /// Sessions of all gateways.
    Sessions(Sessions),
    /// Market data in the `json` form, or an `op` that this client does not know.
    #[serde(other)]
    Other,
}

/// `welcome`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Welcome {
    /// Echo.
    pub id: Option<u64>,
    /// Account, none = market data only.
    pub account: Option<String>,
    /// When the token is over, Unix time; none = without a token.
    pub expires_at_us: Option<i64>,
    /// Whether missed reports will come.
    pub resumed: bool,
    /// Form of market data.
    pub form: String,
    /// Run of the gateway.
    pub boot_id: String,
    /// What the session may do.
    pub limits: Limits,
    /// Time between heartbeats.
    pub heartbeat_ms: u64,
    /// Gateway's time.
    pub server_time_us: i64,
}

/// `authenticated`: the session lasts longer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Authenticated {
    /// Echo.
    pub id: Option<u64>,
    /// Whose session it is.
    pub account: String,
    /// When the token is over, Unix time.
    pub expires_at_us: i64,
}

/// Limits of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Limits {
    /// Longest message.
    pub message_bytes: usize,
    /// Symbols over all channels.
    pub symbols: usize,
    /// Orders a second of the account.
    pub orders_per_s: u32,
}

/// One instrument in `subscribed`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SymbolInfo {
    /// Its name.
    pub symbol: String,
    /// Its number in market data.
    pub id: u32,
    /// Power of ten of prices.
    pub price_exponent: i8,
    /// Power of ten of quantities.
    pub qty_exponent: i8,
    /// Smallest price step, decimal text.
    pub tick_size: String,
    /// Smallest quantity step, decimal text.
    pub lot_size: String,
    /// Whether its prints tell who took.
    pub has_aggressor: bool,
    /// Whether its quotes have sizes: then a side of size 0 is absent.
    pub has_size: bool,
    /// Shard of the feed: notices about a shard are about its symbols.
    pub shard: u16,
    /// With a cursor, of a symbol that goes on: what is held is current, and nothing is sent.
    pub unchanged: Option<bool>,
    /// Feed epoch of a symbol that goes on, as market data of the form tells it.
    pub epoch: Option<u64>,
    /// Lost events to take as known, of a symbol that goes on.
    pub lost: Option<u64>,
    /// Running total of an unchanged symbol.
    pub total: Option<u64>,
    /// Number of the state of an unchanged symbol.
    pub state: Option<u8>,
}

impl SymbolInfo {
    /// How a symbol goes on where an earlier connection ended; none = it begins anew.
    #[must_use]
    pub fn resumed(&self) -> Option<Resumed> {
        let unchanged = match (self.unchanged?, self.total, self.state) {
            (true, Some(total), Some(state)) => Some((total, State::from_u8(state)?)),
            (true, ..) => return None,
            (false, ..) => None,
        };
        Some(Resumed { epoch: self.epoch?, lost: self.lost?, unchanged })
    }
}

/// `stats_set`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct StatsSet {
    /// Echo.
    pub id: Option<u64>,
    /// Time between two; 0 = none come.
    pub every_ms: u32,
}

/// How long a hop took, µs; none where nothing was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct HopTimes {
    /// How many were counted.
    pub n: u64,
    /// Median.
    pub p50: Option<u64>,
    /// 90th percentile.
    pub p90: Option<u64>,
    /// 99th percentile.
    pub p99: Option<u64>,
    /// Longest.
    pub max: Option<u64>,
}

/// `stats`: what the gateway counted for this session since the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Stats {
    /// Time that it covers, µs.
    pub period_us: i64,
    /// Messages of market data.
    pub frames: u64,
    /// Records in them.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Groups that caught up.
    pub catch_ups: u64,
    /// Symbols that are owed now.
    pub backlog: u64,
    /// Due at the publisher until received by the gateway.
    pub feed_us: HopTimes,
    /// Sent by the publisher until received.
    pub bus_us: HopTimes,
    /// Received until flushed.
    pub wait_us: HopTimes,
    /// Flushed until written into this session's socket.
    pub send_us: HopTimes,
}

/// One refused symbol or pattern.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Rejected {
    /// As the client wrote it.
    pub symbol: String,
    /// Word of the error.
    pub code: String,
}

/// `subscribed` and `added`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Subscribed {
    /// Echo.
    pub id: Option<u64>,
    /// Channel.
    pub channel: String,
    /// The session's number for the interval; none when nothing joined.
    pub slot: Option<u8>,
    /// What is told of quotes and prints: `all`, `price` or `coarse`.
    pub fields: Option<String>,
    /// Whether a filter holds, of channel `quote`.
    pub filtered: Option<bool>,
    /// Levels a side, of channel `book`.
    pub depth: Option<u8>,
    /// `1s` or `1m`, of channel `bar`.
    pub period: Option<String>,
    /// Interval in force.
    pub interval_ms: u32,
    /// Where in the interval this session is flushed; none when nothing joined.
    pub phase_us: Option<u32>,
    /// What joined.
    pub symbols: Vec<SymbolInfo>,
    /// What was refused.
    #[serde(default)]
    pub rejected: Vec<Rejected>,
    /// Whether another part follows.
    #[serde(default)]
    pub more: bool,
    /// With a cursor: how many of these are unchanged.
    pub resumed: Option<usize>,
}

/// `unsubscribed`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Unsubscribed {
    /// Echo.
    pub id: Option<u64>,
    /// Channel.
    pub channel: String,
    /// Slot that they leave.
    pub slot: Option<u8>,
    /// What left.
    pub ids: Vec<u32>,
    /// What was refused.
    pub rejected: Vec<Rejected>,
    /// Whether another part follows.
    pub more: bool,
}

/// `rate_set`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RateSet {
    /// Echo.
    pub id: Option<u64>,
    /// Channels that moved.
    pub channels: Vec<String>,
    /// Slot that they leave.
    pub from_slot: Option<u8>,
    /// Slot that they join.
    pub slot: Option<u8>,
    /// Interval in force.
    pub interval_ms: u32,
    /// Where in the interval this session is flushed; none when nothing moved.
    pub phase_us: Option<u32>,
    /// What moved.
    pub ids: Vec<u32>,
    /// What was refused.
    pub rejected: Vec<Rejected>,
    /// Whether another part follows.
    pub more: bool,
}

/// `rate_changed`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RateChanged {
    /// Slot; its wire sets stay.
    pub slot: u8,
    /// Interval in force from here on.
    pub interval_ms: u32,
    /// Where in the interval this session is flushed.
    pub phase_us: u32,
    /// Interval that was asked for.
    pub asked_ms: u32,
    /// `slow` or `recovered`.
    pub reason: String,
}

/// `budget_set`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BudgetSet {
    /// Echo.
    pub id: Option<u64>,
    /// Limit in force; none = no limit.
    pub bytes_per_s: Option<u32>,
}

/// `visible_set`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct VisibleSet {
    /// Echo.
    pub id: Option<u64>,
    /// Instruments that count as on screen.
    pub symbols: usize,
    /// What was refused.
    pub rejected: Vec<Rejected>,
}

/// An answer without content.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Plain {
    /// Echo.
    pub id: Option<u64>,
}

/// `repairing`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Repairing {
    /// Echo.
    pub id: Option<u64>,
    /// How many (channel, symbol) will be sent in full.
    pub symbols: usize,
}

/// `pong`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Pong {
    /// Echo.
    pub id: Option<u64>,
    /// The ping's own time.
    pub t: Option<u64>,
    /// When the ping was read, gateway's time.
    pub received_us: i64,
    /// When the pong was written, gateway's time.
    pub sent_us: i64,
}

/// `error`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Refusal {
    /// Echo.
    pub id: Option<u64>,
    /// Word.
    pub code: String,
    /// Number.
    pub number: u16,
    /// What is wrong.
    pub message: String,
    /// `never`, `now`, `after_ms` or `reauth`.
    pub retry: String,
    /// How long to wait.
    pub after_ms: Option<u64>,
    /// The order id that this is about.
    pub cl_ord_id: Option<String>,
    /// The alert that this is about.
    pub cl_alert_id: Option<String>,
}

/// `notice`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Notice {
    /// What happened.
    pub code: String,
    /// Shard, where it is about one.
    pub shard: Option<u16>,
    /// The new epoch, in `feed_restarted`.
    pub feed_epoch: Option<u64>,
    /// Why it is stale, in `stale`.
    pub reason: Option<String>,
    /// Age of the last proof, in `stale`.
    pub age_ms: Option<i64>,
    /// How long until the end, in `draining` and `token_expired`.
    pub after_ms: Option<i64>,
    /// An operator's words, in `operator`.
    pub text: Option<String>,
    /// Who said them, in `operator`.
    pub from: Option<String>,
    /// When, in `operator`.
    pub ts_us: Option<i64>,
}

/// `heartbeat`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Heartbeat {
    /// Gateway's time.
    pub t_us: i64,
    /// Number of the last data frame, 0 = none yet.
    pub last_frame: u32,
    /// Everything due up to here is covered; none while a shard re-syncs.
    pub watermark_us: Option<i64>,
    /// Hash of all that the client should hold here; none while market data is owed.
    pub hash: Option<String>,
    /// Where the session stands in the feed, to be given back on any gateway; none while market data is owed.
    pub cursor: Option<String>,
}

/// `hashes`: what the client should hold where this stands in the stream.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Hashes {
    /// Echo.
    pub id: Option<u64>,
    /// Nothing can be claimed now.
    pub owed: bool,
    /// Of each bucket.
    pub buckets: Option<Vec<String>>,
    /// Of each symbol of the buckets asked for.
    pub symbols: Option<Vec<SymbolHash>>,
}

/// One symbol in `hashes`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SymbolHash {
    /// `quote` or `trade`.
    pub channel: String,
    /// Instrument.
    pub id: u32,
    /// 16 hexadecimal digits.
    pub hash: String,
}

/// The state of an order, in `report`, `order.reply` and `orders`. Quantities and prices are decimal text, exact.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct OrderState {
    /// Client's id.
    pub cl_ord_id: String,
    /// The id that a cancel or replace named.
    pub orig_cl_ord_id: Option<String>,
    /// Venue's id, none when no order exists.
    pub order_id: Option<String>,
    /// Why now.
    pub exec_type: String,
    /// State.
    pub ord_status: String,
    /// Instrument.
    pub symbol: Option<String>,
    /// `buy` or `sell`.
    pub side: Option<String>,
    /// Total quantity.
    pub qty: Option<String>,
    /// Limit price.
    pub price: Option<String>,
    /// Quantity of this fill.
    pub last_qty: Option<String>,
    /// Price of this fill.
    pub last_price: Option<String>,
    /// Still open.
    pub leaves_qty: Option<String>,
    /// Filled so far.
    pub cum_qty: Option<String>,
    /// Why refused or cancelled.
    pub reason: Option<String>,
    /// When it was decided.
    pub ts_us: i64,
}

/// `report`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Report {
    /// Number among the account's reports.
    pub seq: u64,
    /// Block that holds it.
    pub block: u64,
    /// The order after it.
    #[serde(flatten)]
    pub state: OrderState,
}

/// `order.reply`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct OrderReply {
    /// Echo.
    pub id: Option<u64>,
    /// The request's order id.
    pub cl_ord_id: String,
    /// `stored`, `known`, `rejected`, `unknown` or `not_known`.
    pub outcome: String,
    /// The report that decided it.
    pub report_seq: Option<u64>,
    /// Its block.
    pub block: Option<u64>,
    /// The order, where the writer stated it.
    pub order: Option<OrderState>,
}

/// `orders`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Orders {
    /// Echo.
    pub id: Option<u64>,
    /// Last block that the list reflects.
    pub block: u64,
    /// Last report that it reflects.
    pub report_seq: u64,
    /// Oldest first.
    pub orders: Vec<OrderState>,
    /// Whether another part follows.
    pub more: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Message {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn messages_of_a_newer_gateway_are_read() {
        assert_eq!(read(r#"{"op":"paused","id":3,"later":[1]}"#), Message::Paused(Plain { id: Some(3) }));
        assert_eq!(read(r#"{"op":"tomorrow","a":{}}"#), Message::Other);
        let Message::OrderReply(reply) =
            read(r#"{"op":"order.reply","id":1,"cl_ord_id":"c-1","outcome":"unknown"}"#)
        else {
            panic!("no order.reply")
        };
        assert_eq!((reply.outcome.as_str(), reply.report_seq), ("unknown", None));
    }

    #[test]
    fn a_report_carries_the_order() {
        let Message::Report(report) = read(
            r#"{"op":"report","seq":42,"block":9018,"cl_ord_id":"c-1","order_id":"0-7","exec_type":"trade","ord_status":"partially_filled","symbol":"B.X","side":"buy","type":"limit","tif":"gtc","qty":"0.5","price":"61000.10","last_qty":"0.2","last_price":"61000.00","leaves_qty":"0.3","cum_qty":"0.2","avg_price":"61000","ts_us":5}"#,
        ) else {
            panic!("no report")
        };
        assert_eq!((report.seq, report.block, report.state.cum_qty.as_deref()), (42, 9_018, Some("0.2")));
    }
}
