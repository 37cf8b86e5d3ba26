//! Reads the market data of the `json` form. Members of a newer version are skipped.

use crate::cursor::Damaged;
use crate::num::Number;
use serde::Deserialize;
use std::borrow::Cow;

/// The envelope of one message.
#[derive(Debug, Deserialize)]
pub struct Message<T> {
    /// Frame counter.
    pub frame: u32,
    /// Slot.
    pub slot: u8,
    /// Number of the lane's interval.
    pub tick: u64,
    /// Time of the flush, µs.
    pub t_us: i64,
    /// Elements.
    pub data: Vec<T>,
}

/// An element of `quotes`.
#[derive(Debug, Deserialize)]
pub struct Quote<'a> {
    /// Instrument.
    pub id: u32,
    /// Feed epoch.
    pub epoch: u64,
    /// Events so far, lost ones included.
    pub total: u64,
    /// Events since the lane's flush before.
    pub events: u64,
    /// Of the total lost.
    pub lost: u64,
    /// Best bid, none = absent.
    #[serde(borrow)]
    pub bid: Option<Cow<'a, str>>,
    /// Best ask, none = absent.
    #[serde(borrow)]
    pub ask: Option<Cow<'a, str>>,
    /// Size at the bid.
    #[serde(borrow)]
    pub bid_size: Cow<'a, str>,
    /// Size at the ask.
    #[serde(borrow)]
    pub ask_size: Cow<'a, str>,
    /// Freshness.
    #[serde(borrow)]
    pub state: Cow<'a, str>,
    /// Due time of the newest event, µs.
    pub ts_event: i64,
    /// When the gateway received it, µs.
    pub ts_recv: i64,
}

/// An element of `trades`.
#[derive(Debug, Deserialize)]
pub struct Trade<'a> {
    /// Instrument.
    pub id: u32,
    /// Feed epoch.
    pub epoch: u64,
    /// Price.
    #[serde(borrow)]
    pub price: Cow<'a, str>,
    /// Quantity.
    #[serde(borrow)]
    pub qty: Cow<'a, str>,
    /// Who took: `buy`, `sell`.
    #[serde(borrow)]
    pub side: Option<Cow<'a, str>>,
    /// Venue's id or running count.
    pub trade_id: u64,
    /// Whether the totals sent before hold it already.
    #[serde(default)]
    pub listed: bool,
    /// Due time, µs.
    pub ts_event: i64,
    /// When the gateway received it, µs.
    pub ts_recv: i64,
}

/// An element of `trade_totals`.
#[derive(Debug, Deserialize)]
pub struct TradeTotals<'a> {
    /// Instrument.
    pub id: u32,
    /// Feed epoch.
    pub epoch: u64,
    /// Prints so far, lost ones included.
    pub total: u64,
    /// Of these lost.
    pub lost: u64,
    /// Sum of quantities.
    #[serde(borrow)]
    pub volume: Cow<'a, str>,
    /// Of these taken by buyers.
    #[serde(borrow)]
    pub buy_volume: Cow<'a, str>,
    /// Sum of price × qty.
    #[serde(borrow)]
    pub notional: Cow<'a, str>,
    /// Last print's price.
    #[serde(borrow)]
    pub price: Option<Cow<'a, str>>,
    /// Last print's quantity.
    #[serde(borrow)]
    pub qty: Option<Cow<'a, str>>,
    /// Last print's id.
    pub trade_id: u64,
    /// First price of the missed range.
    #[serde(borrow, default)]
    pub first: Option<Cow<'a, str>>,
    /// Its highest.
    #[serde(borrow, default)]
    pub high: Option<Cow<'a, str>>,
    /// Its lowest.
    #[serde(borrow, default)]
    pub low: Option<Cow<'a, str>>,
    /// Whether prints are missing from the lists.
    pub partial: bool,
    /// Freshness.
    #[serde(borrow)]
    pub state: Cow<'a, str>,
    /// Last print's due time, µs.
    pub ts_event: i64,
    /// When the gateway received it, µs.
    pub ts_recv: i64,
}

/// The mantissa of a decimal text in an exponent.
///
/// # Errors
/// [`Damaged`] when the text is no decimal of at most that many digits.
pub fn mantissa(text: &str, exponent: i8) -> Result<i64, Damaged> {
    text.parse::<Number>().and_then(|number| number.rescale(exponent)).map_err(|_| Damaged)
}

/// The mantissa of a notional, which may pass 64 bits; it has exactly `−exponent` decimals.
///
/// # Errors
/// [`Damaged`] when the text is no such decimal.
pub fn notional(text: &str, exponent: i8) -> Result<i128, Damaged> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() != usize::from(exponent.unsigned_abs()) || text.len() > 64 {
        return Err(Damaged);
    }
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    let mut value = 0_i128;
    for byte in digits.bytes().chain(fraction.bytes()) {
        let digit = Some(byte).filter(u8::is_ascii_digit).ok_or(Damaged)? - b'0';
        let next = value.checked_mul(10).and_then(|value| value.checked_add(digit.into()));
        value = next.ok_or(Damaged)?;
    }
    Ok(if whole.starts_with('-') { -value } else { value })
}
