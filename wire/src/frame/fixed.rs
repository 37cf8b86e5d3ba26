//! The `fixed` form: a 32-byte header and aligned little-endian records of current values, one kind a message.
//!
//! Made for `numpy.frombuffer`: the header says the record size, so that an old reader skips fields it does not know.

use crate::frame::{Kind, Print, PrintRange, QuoteImage, TradeImage};
use zerocopy::little_endian::{I64, U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

mod bar;
mod book;

pub use self::bar::{BAR_CLOSED, BAR_NONE, BAR_PARTIAL, BarRecord, StatusRecord, bars, status};
pub use self::book::{LEVEL_BEGINS, LEVEL_ENDS, LEVEL_NONE, LEVEL_REMOVED, LevelRecord, book, book_full};

/// Stands for a value that is absent.
pub const ABSENT: i64 = i64::MIN;

/// Header flag, kinds 1, 4 and 7: `events`/`tc` are running totals mod 2^32.
pub const HEADER_TOTALS: u8 = 1;
/// Header flag, kind 2: the prints are already in the totals of the kind 7 message before.
pub const HEADER_LISTED: u8 = 2;
/// Record flag, kind 7: first, high and low hold the range of the prints that were missed.
pub const RANGE: u16 = 1;
/// Record flag, kind 7: not every print that the totals count was or will be listed.
pub const PARTIAL: u16 = 2;

/// Header of a message.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Header {
    /// Bytes of one record.
    pub record_bytes: U16,
    /// [`Kind`].
    pub kind: u8,
    /// 1.
    pub version: u8,
    /// Bytes before the first record: 32.
    pub header_bytes: u8,
    /// See the constants.
    pub flags: u8,
    /// The session's slot of this interval.
    pub slot: U16,
    /// The session's frame counter, the first is 1.
    pub frame: U32,
    /// Zero.
    pub reserved: U32,
    /// Time of the flush, ns since the Unix epoch, gateway's clock.
    pub ts_flush: I64,
    /// All events due up to here are covered, ns, publisher's clock; [`ABSENT`] while a shard re-syncs.
    pub watermark: I64,
}

/// Kinds 0 and 1.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct QuoteRecord {
    /// Instrument id.
    pub symbol: U32,
    /// Events that this record stands for, or (totals) all so far mod 2^32.
    pub events: U32,
    /// Best bid, [`ABSENT`] without one.
    pub bid: I64,
    /// Best ask, [`ABSENT`] without one.
    pub ask: I64,
    /// Size at the bid.
    pub bid_size: I64,
    /// Size at the ask.
    pub ask_size: I64,
    /// Due time of the newest event, ns, publisher's clock.
    pub ts_event: I64,
    /// Events declared lost so far in this epoch, mod 2^32.
    pub lost: U32,
    /// Zero.
    pub flags: U16,
    /// Freshness.
    pub state: u8,
    /// Feed epochs seen, mod 256; where it differs from the last one, the base is void.
    pub epoch: u8,
    /// When the gateway received the newest event, ns.
    pub ts_recv: I64,
}

/// Kind 2.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct TradeRecord {
    /// Instrument id.
    pub symbol: U32,
    /// 1.
    pub events: U32,
    /// Price.
    pub price: I64,
    /// Quantity.
    pub qty: I64,
    /// Due time, ns, publisher's clock.
    pub ts_event: I64,
    /// Venue's id or running count.
    pub trade_id: U64,
    /// 0 none, 1 buy, 2 sell.
    pub aggressor: u8,
    /// Zero.
    pub flags: u8,
    /// As in [`QuoteRecord::epoch`].
    pub epoch: u8,
    /// Zero.
    pub pad: [u8; 5],
    /// When the gateway received it, ns.
    pub ts_recv: I64,
}

/// Kind 7.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct TradeFullRecord {
    /// Instrument id.
    pub symbol: U32,
    /// Prints so far, mod 2^32.
    pub tc: U32,
    /// Of these declared lost, mod 2^32.
    pub tlost: U32,
    /// [`RANGE`], [`PARTIAL`].
    pub flags: U16,
    /// Freshness.
    pub state: u8,
    /// As in [`QuoteRecord::epoch`].
    pub epoch: u8,
    /// Sum of quantities.
    pub volume: I64,
    /// Of these taken by buyers.
    pub buy_volume: I64,
    /// Sum of price × qty, low half of 128 bits.
    pub notional_low: U64,
    /// High half.
    pub notional_high: I64,
    /// Last print's price.
    pub price: I64,
    /// Last print's quantity.
    pub qty: I64,
    /// Last print's id.
    pub trade_id: U64,
    /// Missed range: first price, [`ABSENT`] without a range.
    pub first: I64,
    /// Highest.
    pub high: I64,
    /// Lowest.
    pub low: I64,
    /// Last print's due time, ns.
    pub ts_event: I64,
    /// When the gateway received it, ns.
    pub ts_recv: I64,
}

const _: () = assert!(size_of::<Header>() == 32);
const _: () = assert!(size_of::<QuoteRecord>() == 64);
const _: () = assert!(size_of::<TradeRecord>() == 56);
const _: () = assert!(size_of::<TradeFullRecord>() == 112);

/// Bytes of a kind's records.
#[must_use]
pub const fn record_bytes(kind: Kind) -> u16 {
    match kind {
        Kind::Quote | Kind::QuoteFull => 64,
        Kind::Trade | Kind::BookDelta | Kind::BookFull => 56,
        Kind::Bar => 88,
        Kind::Status => 24,
        Kind::TradeFull => 112,
    }
}

/// What a message says of itself.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    /// Kind of its records.
    pub kind: Kind,
    /// Whether prints are already in totals sent before.
    pub listed: bool,
    /// Slot.
    pub slot: u8,
    /// Frame counter.
    pub frame: u32,
    /// Time of the flush, ns.
    pub ts_flush: i64,
    /// Watermark, ns.
    pub watermark: Option<i64>,
}

/// Appends the header.
pub fn header(out: &mut Vec<u8>, head: &Head) {
    let totals = matches!(head.kind, Kind::QuoteFull | Kind::BookFull | Kind::TradeFull);
    let flags = if totals { HEADER_TOTALS } else { 0 } | if head.listed { HEADER_LISTED } else { 0 };
    let header = Header {
        record_bytes: record_bytes(head.kind).into(),
        kind: head.kind as u8,
        version: crate::PROTOCOL_VERSION,
        header_bytes: 32,
        flags,
        slot: u16::from(head.slot).into(),
        frame: head.frame.into(),
        reserved: 0.into(),
        ts_flush: head.ts_flush.into(),
        watermark: head.watermark.unwrap_or(ABSENT).into(),
    };
    out.extend_from_slice(header.as_bytes());
}

/// Appends a quote record. `events` is the count (kind 0) or the total (kind 1); it is cut to 32 bits.
#[inline]
pub fn quote(out: &mut Vec<u8>, symbol: u32, events: u64, now: &QuoteImage, has_size: bool) {
    let quote = &now.quote;
    let price = |price: i64, size: i64| if has_size && size == 0 { ABSENT } else { price };
    let record = QuoteRecord {
        symbol: symbol.into(),
        events: low32(events).into(),
        bid: price(quote.bid, quote.bid_size).into(),
        ask: price(quote.ask, quote.ask_size).into(),
        bid_size: quote.bid_size.into(),
        ask_size: quote.ask_size.into(),
        ts_event: now.ts_event.into(),
        lost: low32(now.lost).into(),
        flags: 0.into(),
        state: now.state as u8,
        epoch: now.epoch_count,
        ts_recv: now.ts_recv.into(),
    };
    out.extend_from_slice(record.as_bytes());
}

/// Appends a print.
#[inline]
pub fn trade(out: &mut Vec<u8>, symbol: u32, print: &Print, epoch: u8) {
    let record = TradeRecord {
        symbol: symbol.into(),
        events: 1.into(),
        price: print.price.into(),
        qty: print.qty.into(),
        ts_event: print.ts_event.into(),
        trade_id: print.trade_id.into(),
        aggressor: print.aggressor as u8,
        flags: 0,
        epoch,
        pad: [0; 5],
        ts_recv: print.ts_recv.into(),
    };
    out.extend_from_slice(record.as_bytes());
}

/// Appends trade totals.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "splits 128 bits into two halves"
)]
pub fn trade_full(
    out: &mut Vec<u8>,
    symbol: u32,
    now: &TradeImage,
    range: Option<PrintRange>,
    partial: bool,
) {
    let absent = PrintRange { first: ABSENT, high: ABSENT, low: ABSENT };
    let flags = if range.is_some() { RANGE } else { 0 } | if partial { PARTIAL } else { 0 };
    let range = range.unwrap_or(absent);
    let record = TradeFullRecord {
        symbol: symbol.into(),
        tc: low32(now.tc).into(),
        tlost: low32(now.lost).into(),
        flags: flags.into(),
        state: now.state as u8,
        epoch: now.epoch_count,
        volume: now.volume.into(),
        buy_volume: now.buy_volume.into(),
        notional_low: (now.notional as u64).into(),
        notional_high: ((now.notional >> 64) as i64).into(),
        price: now.last.price.into(),
        qty: now.last.qty.into(),
        trade_id: now.last.trade_id.into(),
        first: range.first.into(),
        high: range.high.into(),
        low: range.low.into(),
        ts_event: now.last.ts_event.into(),
        ts_recv: now.last.ts_recv.into(),
    };
    out.extend_from_slice(record.as_bytes());
}

#[expect(clippy::cast_possible_truncation, reason = "totals are defined mod 2^32 in this form")]
const fn low32(value: u64) -> u32 {
    value as u32
}
