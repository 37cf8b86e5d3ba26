//! Price alerts: requests to a partition's writer, its answers, and what a block says of an alert.
//!
//! An alert belongs to an account and is decided where its orders are: the request travels on `ord.<p>`, the decision
//! is a step of the log, and clients are told from there. An alert ends once, for one reason. Its id is of a space of its
//! own, apart from that of orders, and like there it is used once for ever. Bytes: [`codec`], drawn in
//! `docs/orders.md`.
//!
//! ```
//! use tickgate_wire::alert::{AlertAct, AlertRequest};
//! let request = AlertRequest {
//!     account: "A1".parse()?,
//!     session: Default::default(),
//!     session_epoch: 0,
//!     received_us: 5,
//!     act: AlertAct::Cancel { cl_alert_id: "a-1".parse()? },
//! };
//! let mut bytes = Vec::new();
//! request.encode(&mut bytes);
//! assert_eq!(AlertRequest::decode(&bytes).as_ref(), Ok(&request));
//! # Ok::<(), tickgate_wire::order::TextError>(())
//! ```

pub mod codec;
#[cfg(test)]
pub(crate) mod tests;

use crate::error::ErrorCode;
use crate::num::Number;
use crate::order::{AccountId, ClOrdId, Outcome, SessionName, Symbol};

/// Client's id of an alert, 1–36 bytes: unique among the account's alerts for ever, the idempotency key.
pub type ClAlertId = ClOrdId;

/// Most standing alerts of one account.
pub const ACCOUNT_ALERTS_MAX: usize = 256;

/// Most standing alerts of a partition.
pub const PARTITION_ALERTS_MAX: usize = 65_536;

/// Most characters of a note.
pub const NOTE_CHARS_MAX: usize = 64;

/// Bounds of `longer_than_ms`.
pub const STALE_MS: std::ops::RangeInclusive<u64> = 100..=86_400_000;

/// Highest `above_ticks`.
pub const SPREAD_TICKS_MAX: u64 = 1_000_000_000;

/// What of an instrument crosses a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Source {
    /// Best bid.
    Bid = 1,
    /// Best ask.
    Ask = 2,
    /// Price of the last print.
    Last = 3,
}

impl Source {
    /// All, in order of their numbers.
    pub const ALL: [Self; 3] = [Self::Bid, Self::Ask, Self::Last];

    /// The word in text.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Bid => "bid",
            Self::Ask => "ask",
            Self::Last => "last",
        }
    }
}

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Direction {
    /// From the level or below it to above it.
    Up = 1,
    /// From the level or above it to below it.
    Down = 2,
}

impl Direction {
    /// The word in text.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// What an alert waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// A price crosses a level. A price that stands beyond it says nothing: the alert is *armed* once the price was
    /// seen on the other side or at the level, and fires when it is then seen beyond.
    Crosses {
        /// Which price.
        source: Source,
        /// Which way.
        direction: Direction,
        /// As written in a request; in the log in the instrument's exponent.
        level: Number,
    },
    /// The spread is above so many ticks.
    Spread {
        /// At most [`SPREAD_TICKS_MAX`].
        above_ticks: u32,
    },
    /// The symbol has been STALE for longer than this.
    Stale {
        /// Within [`STALE_MS`].
        longer_than_ms: u32,
    },
}

/// An alert as its account wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Instrument.
    pub symbol: Symbol,
    /// What it waits for.
    pub condition: Condition,
    /// It fires up to this time or never, µs since the Unix epoch, writer's clock.
    pub expires_us: Option<i64>,
    /// For the reader, at most [`NOTE_CHARS_MAX`] characters, none of them a control character.
    pub note: String,
}

/// Whether a text may be a note.
#[must_use]
pub fn valid_note(text: &str) -> bool {
    text.chars().count() <= NOTE_CHARS_MAX && !text.chars().any(char::is_control)
}

/// Where an alert stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum AlertState {
    /// It waits.
    Standing = 0,
    /// Its condition came true.
    Fired = 1,
    /// Cancelled by its account.
    Cancelled = 2,
    /// Its time passed.
    Expired = 3,
    /// Cancelled before it was known: it never will stand.
    Burned = 4,
}

impl AlertState {
    /// The word in text.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Standing => "standing",
            Self::Fired => "fired",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Burned => "burned",
        }
    }
}

/// The one message that speaks of an alert. It shares the account's `report_seq` with execution reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertReport {
    /// Whose.
    pub account: AccountId,
    /// Running number among the account's reports, those of orders included.
    pub report_seq: u64,
    /// Sequence of the block that holds it; 0 inside block bytes, set by who read the block.
    pub block: u64,
    /// Which alert.
    pub cl_alert_id: ClAlertId,
    /// State after it.
    pub state: AlertState,
    /// The alert; `None` when it never was ([`AlertState::Burned`]).
    pub alert: Option<Alert>,
    /// What was seen when it fired, else 0: the price in the level's exponent, the spread in ticks, or the time STALE
    /// in milliseconds.
    pub seen: i64,
    /// When it was decided, µs since the Unix epoch.
    pub ts_us: i64,
}

/// A request to a partition's writer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertRequest {
    /// Whose.
    pub account: AccountId,
    /// Session that sent it.
    pub session: SessionName,
    /// Epoch of that session; 0 until sessions have epochs.
    pub session_epoch: u32,
    /// When the gateway received it, µs since the Unix epoch.
    pub received_us: i64,
    /// What is asked.
    pub act: AlertAct,
}

/// What a request asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlertAct {
    /// A new alert.
    New {
        /// Its id.
        cl_alert_id: ClAlertId,
        /// What it is.
        alert: Alert,
    },
    /// Ends an alert; an unknown id is burned. The answer is definite.
    Cancel {
        /// Its id.
        cl_alert_id: ClAlertId,
    },
    /// The account's standing alerts.
    List,
}

impl AlertAct {
    /// The id that it names.
    #[must_use]
    pub const fn cl_alert_id(&self) -> Option<ClAlertId> {
        match self {
            Self::New { cl_alert_id, .. } | Self::Cancel { cl_alert_id } => Some(*cl_alert_id),
            Self::List => None,
        }
    }
}

/// Why an alert was not taken; nothing is stored, its id stays free. Numbers are never given again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Refusal {
    /// No such instrument.
    UnknownSymbol = 1,
    /// More decimals than the instrument has, or not above zero.
    BadLevel = 2,
    /// Its time is over already.
    Expired = 3,
    /// The account has [`ACCOUNT_ALERTS_MAX`].
    TooMany = 4,
    /// The partition has [`PARTITION_ALERTS_MAX`].
    Exhausted = 5,
    /// The partition holds as many ids as it may.
    IdsExhausted = 6,
}

impl Refusal {
    /// All, in order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::UnknownSymbol,
        Self::BadLevel,
        Self::Expired,
        Self::TooMany,
        Self::Exhausted,
        Self::IdsExhausted,
    ];

    /// The error that a client is told.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::UnknownSymbol => ErrorCode::UnknownSymbol,
            Self::BadLevel => ErrorCode::AlertLevel,
            Self::Expired => ErrorCode::AlertExpired,
            Self::TooMany => ErrorCode::TooManyAlerts,
            Self::Exhausted => ErrorCode::AlertsExhausted,
            Self::IdsExhausted => ErrorCode::OrderIdsExhausted,
        }
    }

    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::UnknownSymbol => "symbol: no such instrument",
            Self::BadLevel => "condition.level: above zero, with no more decimals than the instrument has",
            Self::Expired => "expires_us: that time is over",
            Self::TooMany => "the account has 256 standing alerts",
            Self::Exhausted => "the partition has as many standing alerts as it may",
            Self::IdsExhausted => "the partition holds as many ids as it may; not taken",
        }
    }
}

/// The writer's answer to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlertReply {
    /// The id has a definite state. `report.block` and `report.report_seq` are set.
    Decided {
        /// [`Outcome::Stored`] or [`Outcome::Known`].
        outcome: Outcome,
        /// What decided it, or the present state.
        report: Box<AlertReport>,
    },
    /// Not taken.
    Refused {
        /// The id; it stays free.
        cl_alert_id: ClAlertId,
        /// Why.
        refusal: Refusal,
    },
    /// The account's standing alerts, oldest first, as of `block`.
    List {
        /// Last stored block that the list reflects.
        block: u64,
        /// Last report of the account that it reflects.
        report_seq: u64,
        /// At most [`ACCOUNT_ALERTS_MAX`].
        alerts: Vec<AlertReport>,
    },
    /// The request's bytes are damaged or of another version; nothing was done.
    Malformed,
}
