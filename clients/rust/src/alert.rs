//! Alerts, and what operators ask: requests and what the gateway says of them.

use serde::{Deserialize, Serialize};

/// A new alert. Levels are decimal text, taken exactly as written.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct NewAlert<'a> {
    /// Client's key, unique among the account's alerts for ever.
    pub cl_alert_id: &'a str,
    /// Instrument.
    pub symbol: &'a str,
    /// What it waits for.
    pub condition: AlertCondition<'a>,
    /// It fires up to this time or never, µs since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_us: Option<i64>,
    /// At most 64 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<&'a str>,
}

/// What an alert waits for.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(tag = "on", rename_all = "snake_case")]
pub enum AlertCondition<'a> {
    /// The best bid crosses a level.
    Bid {
        /// `up` or `down`.
        crosses: &'a str,
        /// The level.
        level: &'a str,
    },
    /// The best ask crosses a level.
    Ask {
        /// `up` or `down`.
        crosses: &'a str,
        /// The level.
        level: &'a str,
    },
    /// The price of the prints crosses a level.
    Last {
        /// `up` or `down`.
        crosses: &'a str,
        /// The level.
        level: &'a str,
    },
    /// The spread is above so many ticks.
    Spread {
        /// Ticks.
        above_ticks: u32,
    },
    /// The symbol has been STALE for longer than this.
    Stale {
        /// 100 to 86,400,000 ms.
        longer_than_ms: u32,
    },
}

/// State of an alert, in `alert`, `alert.reply` and `alerts`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AlertState {
    /// Its id.
    pub cl_alert_id: String,
    /// `standing`, `fired`, `cancelled`, `expired` or `burned`.
    pub state: String,
    /// Instrument; none when it never was.
    pub symbol: Option<String>,
    /// As it was written.
    pub note: Option<String>,
    /// When it expires.
    pub expires_us: Option<i64>,
    /// What was seen when it fired: a price, ticks or milliseconds.
    pub seen: Option<String>,
    /// When this was decided.
    pub ts_us: i64,
}

/// `alert`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Alert {
    /// Number among the account's reports, those of orders included.
    pub seq: u64,
    /// Block that holds it.
    pub block: u64,
    /// The alert after it.
    #[serde(flatten)]
    pub state: AlertState,
}

/// `alert.reply`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AlertReply {
    /// Echo.
    pub id: Option<u64>,
    /// The alert's id.
    pub cl_alert_id: String,
    /// `stored`, `known` or `unknown`.
    pub outcome: String,
    /// The report that decided it.
    pub report_seq: Option<u64>,
    /// Its block.
    pub block: Option<u64>,
    /// The alert, where the writer stated it.
    pub alert: Option<AlertState>,
}

/// `alerts`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Alerts {
    /// Echo.
    pub id: Option<u64>,
    /// Last block that the list reflects.
    pub block: u64,
    /// Last report that it reflects.
    pub report_seq: u64,
    /// Oldest first.
    pub alerts: Vec<AlertState>,
    /// Whether another part follows.
    pub more: bool,
}

/// `notice.sent`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct NoticeSent {
    /// Echo.
    pub id: Option<u64>,
    /// When, as the notice says.
    pub ts_us: i64,
}

/// `sessions`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Sessions {
    /// Echo.
    pub id: Option<u64>,
    /// By gateway and number.
    pub sessions: Vec<wire::presence::SessionState>,
    /// In the last part: who answered.
    pub gateways: Option<Vec<GatewaySessions>>,
    /// In the last part: runs of gateways that did not answer.
    pub missing: Option<Vec<String>>,
    /// Whether another part follows.
    pub more: bool,
}

/// One gateway in `sessions`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct GatewaySessions {
    /// Its run.
    pub gateway: String,
    /// Sessions that it has.
    pub count: usize,
    /// How many of them are told.
    pub told: usize,
}
