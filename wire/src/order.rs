//! Orders: requests to a partition's writer, its replies, and execution reports. Names and meanings follow FIX.
//!
//! A request travels by core NATS on `ord.<partition>`; the writer (order-api) decides, stores a block (see
//! [`crate::block`]) and only then replies. A report exists only because a block holds it. Bytes: [`codec`].
//! Prices and quantities in requests are [`Number`]s *as written*; order-api alone rescales them to the instrument,
//! exactly, or rejects. In reports they are mantissas beside their exponents.

pub mod codec;
mod names;
#[cfg(test)]
pub(crate) mod tests;

pub use names::{AccountId, ClOrdId, SessionName, Symbol, TextError};

use crate::instrument::stable_hash;
use crate::num::Number;
use rust_decimal::Decimal;
use std::fmt;

/// Most open orders of one account.
pub const OPEN_ORDERS_MAX: usize = 1_000;

/// Most partitions of a deployment. The count is fixed when the streams are created.
pub const PARTITIONS_MAX: u16 = 64;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $number:literal, $word:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* $variant = $number,)* }

        impl $name {
            /// All, in order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The number in bytes.
            #[must_use]
            pub const fn number(self) -> u8 { self as u8 }

            /// From its number.
            #[must_use]
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)* _ => None }
            }

            /// The word in text.
            #[must_use]
            pub const fn word(self) -> &'static str { match self { $(Self::$variant => $word,)* } }

            /// From its word.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(self.word()) }
        }
    };
}

words! {
    /// Side of an order (FIX 54).
    Side {
        /// Buys.
        Buy = 1, "buy";
        /// Sells.
        Sell = 2, "sell";
    }
}

words! {
    /// Type of an order (FIX 40).
    OrdType {
        /// Takes what is there at any price; never rests.
        Market = 1, "market";
        /// At its price or better; what is left may rest.
        Limit = 2, "limit";
    }
}

words! {
    /// How long an order lives (FIX 59). Numbers are FIX's.
    TimeInForce {
        /// Until the session ends; until session times exist, as [`TimeInForce::Gtc`].
        Day = 0, "day";
        /// Until cancelled.
        Gtc = 1, "gtc";
        /// Fills at once what it can, the rest is cancelled.
        Ioc = 3, "ioc";
        /// Fills at once and whole, or is cancelled.
        Fok = 4, "fok";
    }
}

words! {
    /// Why a report is sent (FIX 150).
    ExecType {
        /// The order was accepted.
        New = 0, "new";
        /// A fill.
        Trade = 1, "trade";
        /// The rest of the order is cancelled.
        Cancelled = 2, "cancelled";
        /// Quantity or price were changed.
        Replaced = 3, "replaced";
        /// The order was refused; it never lived.
        Rejected = 4, "rejected";
        /// A cancel or replace was refused; an open order is as `ord_status` says, without one it is `rejected`.
        CancelRejected = 5, "cancel_rejected";
        /// Present state on request; no event (FIX `I`).
        Status = 6, "status";
    }
}

words! {
    /// State of an order (FIX 39).
    OrdStatus {
        /// Open, nothing filled.
        New = 0, "new";
        /// Open, partly filled.
        PartiallyFilled = 1, "partially_filled";
        /// Done, wholly filled.
        Filled = 2, "filled";
        /// Done, the rest was cancelled.
        Cancelled = 4, "cancelled";
        /// Done, never lived.
        Rejected = 8, "rejected";
    }
}

impl OrdStatus {
    /// Whether the order may still trade.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::New | Self::PartiallyFilled)
    }
}

words! {
    /// Why something was refused or cancelled. Numbers are never given again.
    Reason {
        /// No such instrument at the venue.
        UnknownSymbol = 1, "unknown_symbol";
        /// The instrument is halted or closed.
        Halted = 2, "halted";
        /// No proven current quote: a market order needs one.
        MarketStale = 3, "market_stale";
        /// Not a positive multiple of the tick size, or too precise.
        BadPrice = 4, "bad_price";
        /// Not a positive multiple of the lot size, or too precise.
        BadQty = 5, "bad_qty";
        /// A limit order needs a price.
        PriceRequired = 6, "price_required";
        /// A market order has none.
        PriceForbidden = 7, "price_forbidden";
        /// The time in force does not go with the type.
        BadTif = 8, "bad_tif";
        /// Above the largest order quantity.
        QtyOverLimit = 9, "qty_over_limit";
        /// Above the largest order value.
        NotionalOverLimit = 10, "notional_over_limit";
        /// The account has as many open orders as it may.
        TooManyOpenOrders = 11, "too_many_open_orders";
        /// `orig_cl_ord_id` names no order of this account.
        UnknownOrder = 12, "unknown_order";
        /// `orig_cl_ord_id` is done, or was replaced by a later id of its chain.
        TooLate = 13, "too_late";
        /// The new quantity is not above what is filled.
        QtyBelowFilled = 15, "qty_below_filled";
        /// The instrument's exponents changed while orders in the old ones are open.
        InstrumentChanged = 16, "instrument_changed";
        /// Asked for by the client.
        ByClient = 17, "by_client";
        /// A market order found no more quantity.
        NoLiquidity = 18, "no_liquidity";
        /// The rest of an immediate-or-cancel order.
        IocRest = 19, "ioc_rest";
        /// A fill-or-kill order could not be filled whole.
        FokUnfilled = 20, "fok_unfilled";
        /// Would have traded with the same account.
        SelfTrade = 21, "self_trade";
        /// One step may not hold more effects.
        EffectsBound = 22, "effects_bound";
        /// The id was resolved before the order came: it never will be.
        Burned = 23, "burned";
        /// The request came after its own expiry.
        Expired = 24, "expired";
    }
}

/// The venue's key of an order (FIX 37): `<partition>-<n>`. Number 0 = there is no order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct OrderId {
    /// Partition.
    pub partition: u16,
    /// Counter within the partition, from 1.
    pub number: u64,
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.partition, self.number)
    }
}

/// The partition of an account. Stable for ever, as the count of partitions is.
///
/// # Panics
/// When `partitions` is zero.
#[must_use]
pub fn partition_of(account: &AccountId, partitions: u16) -> u16 {
    let remainder = stable_hash(account.as_str().as_bytes()) % u64::from(partitions);
    u16::try_from(remainder).unwrap_or(0)
}

/// A request to a partition's writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderRequest {
    /// Whose.
    pub account: AccountId,
    /// Session that sent it.
    pub session: SessionName,
    /// Epoch of that session; 0 until sessions have epochs.
    pub session_epoch: u32,
    /// When the gateway received it, µs since the Unix epoch.
    pub received_us: i64,
    /// After this time it is refused, µs since the Unix epoch; `None` = never.
    pub expires_us: Option<i64>,
    /// What is asked.
    pub act: Act,
}

/// What a request asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// A new order.
    New(NewOrder),
    /// Cancel what is left of an order.
    Cancel {
        /// This act's own new id.
        cl_ord_id: ClOrdId,
        /// Latest id of the order's chain (FIX 41).
        orig_cl_ord_id: ClOrdId,
    },
    /// Change an order's total quantity and price.
    Replace {
        /// This act's own new id, from now on the order's.
        cl_ord_id: ClOrdId,
        /// Latest id of the order's chain (FIX 41).
        orig_cl_ord_id: ClOrdId,
        /// New total quantity, filled part included.
        qty: Number,
        /// New price; `None` keeps it.
        price: Option<Number>,
    },
    /// Present state of an id; reads only, `not_known` is not definite.
    Status {
        /// The id asked for.
        cl_ord_id: ClOrdId,
    },
    /// Present state of an id, or burn it: the answer is definite.
    Resolve {
        /// The id asked for.
        cl_ord_id: ClOrdId,
    },
    /// The account's open orders.
    Open,
}

impl Act {
    /// The id that this act bears, `None` for [`Act::Open`].
    #[must_use]
    pub const fn cl_ord_id(&self) -> Option<ClOrdId> {
        match self {
            Self::New(order) => Some(order.cl_ord_id),
            Self::Cancel { cl_ord_id, .. }
            | Self::Replace { cl_ord_id, .. }
            | Self::Status { cl_ord_id }
            | Self::Resolve { cl_ord_id } => Some(*cl_ord_id),
            Self::Open => None,
        }
    }
}

/// A new order as the client wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewOrder {
    /// Client's id, unique within the account for ever.
    pub cl_ord_id: ClOrdId,
    /// Instrument.
    pub symbol: Symbol,
    /// Side.
    pub side: Side,
    /// Type.
    pub ord_type: OrdType,
    /// Time in force.
    pub tif: TimeInForce,
    /// Quantity as written.
    pub qty: Number,
    /// Price as written; needed for limit, forbidden for market.
    pub price: Option<Number>,
}

/// What an order is: its fixed fields and its quantity and price now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Instrument.
    pub symbol: Symbol,
    /// Side.
    pub side: Side,
    /// Type.
    pub ord_type: OrdType,
    /// Time in force.
    pub tif: TimeInForce,
    /// Power of ten of every price beside it, −18..=0.
    pub price_exponent: i8,
    /// Power of ten of every quantity beside it, −18..=0.
    pub qty_exponent: i8,
    /// Total quantity (FIX 38).
    pub qty: i64,
    /// Limit price (FIX 44).
    pub price: Option<i64>,
}

/// The one message that speaks of an order: *why now* (`exec_type`) and *state* (`ord_status`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExecutionReport {
    /// Whose.
    pub account: AccountId,
    /// Running number among the account's reports, contiguous from 1. In [`ExecType::Status`] that of the order's
    /// last report.
    pub report_seq: u64,
    /// Sequence of the block that holds that report; 0 inside block bytes, set by who read the block.
    pub block: u64,
    /// Venue's id; number 0 when no order exists.
    pub order_id: OrderId,
    /// Id of the act that this answers, or the order's latest id.
    pub cl_ord_id: ClOrdId,
    /// The id that a cancel or replace named.
    pub orig_cl_ord_id: Option<ClOrdId>,
    /// Why now.
    pub exec_type: ExecType,
    /// State after it.
    pub ord_status: OrdStatus,
    /// The order; `None` when an act named none that exists.
    pub terms: Option<Terms>,
    /// Quantity of this fill (FIX 32), else 0.
    pub last_qty: i64,
    /// Price of this fill (FIX 31), else 0.
    pub last_price: i64,
    /// Still open (FIX 151).
    pub leaves_qty: i64,
    /// Filled so far (FIX 14).
    pub cum_qty: i64,
    /// Sum of price × quantity over all fills, in `10^(price_exponent + qty_exponent)`.
    pub cum_notional: u128,
    /// Why refused or cancelled.
    pub reason: Option<Reason>,
    /// When it was decided, µs since the Unix epoch.
    pub ts_us: i64,
}

impl ExecutionReport {
    /// Average price of all fills (FIX 6), rounded half-even to 28 digits; `None` before the first.
    #[must_use]
    pub fn avg_price(&self) -> Option<Decimal> {
        let terms = self.terms?;
        let notional = i128::try_from(self.cum_notional).ok()?;
        let scale = u32::from(terms.price_exponent.unsigned_abs());
        let notional = Decimal::try_from_i128_with_scale(notional, scale).ok()?;
        notional.checked_div(Decimal::from(self.cum_qty)).map(|price| price.normalize())
    }
}

words! {
    /// How a request ended, as the client is told.
    Outcome {
        /// Decided and durable.
        Stored = 0, "stored";
        /// The id was there before: its present state; nothing was done.
        Known = 1, "known";
        /// Refused, durably.
        Rejected = 2, "rejected";
        /// No answer in time: a statement of the gateway, never sent by order-api. A report, a resend or
        /// [`Act::Resolve`] decides.
        Unknown = 3, "unknown";
    }
}

/// The writer's answer to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderReply {
    /// The request or its id has a definite state. `report.block` and `report.report_seq` are set.
    Decided {
        /// How it ended.
        outcome: Outcome,
        /// The id that the request bore.
        cl_ord_id: ClOrdId,
        /// The report that decided it, or the present state.
        report: Box<ExecutionReport>,
    },
    /// [`Act::Status`] of an id that is not there now; it may still come.
    NotKnown {
        /// The id.
        cl_ord_id: ClOrdId,
    },
    /// The account's open orders, oldest first, as of `block`.
    Open {
        /// Last stored block that the list reflects.
        block: u64,
        /// Last report of the account that it reflects.
        report_seq: u64,
        /// One [`ExecType::Status`] each, at most [`OPEN_ORDERS_MAX`].
        orders: Vec<ExecutionReport>,
    },
    /// The request's bytes are damaged or of another version; nothing was done.
    Malformed,
    /// The partition holds as many ids as it may; nothing was done, the id stays free.
    IdsExhausted,
}
