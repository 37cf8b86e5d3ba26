//! Reads a `compact` message: its head, which symbols it tells of, and its records as changes.
//!
//! Borrowed and total: any bytes end in records or in [`Damaged`], never in a panic, and nothing is allocated. What
//! the changes apply to is kept by [`crate::frame::view`].

use super::encode::{
    PRINT_STATE, PRINT_WIDE, QUOTE_STATE, QUOTE_WIDE, QUOTE_ZERO_EVENTS, STATE_MORE, TRAILER_PARTIAL,
    TRAILER_RANGE,
};
use super::head::{HEAD_TICK, HEAD_TIME, lag_us};
use crate::cursor::{Damaged, Reader, unzigzag};
use crate::frame::{PrintRange, State};

mod bar;
mod book;

pub use self::bar::{BarsHead, StatusRecord};
pub use self::book::{BookChange, BookFull, SideChanges, applied};

/// Extended head flag: how far the watermark is behind the flush follows (ms, 16 bits).
pub const HEAD_WATERMARK: u8 = 2;

/// Extended quote flag that no writer sets.
const QUOTE_RESERVED: u8 = 2;

/// What a message says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// Number of the kind; not every number is a [`crate::frame::Kind`].
    pub kind: u8,
    /// The session's slot, 0–15.
    pub slot: u8,
    /// Low four bits of the frame counter.
    pub counter: u8,
    /// Whether symbols stand as gaps.
    pub gaps: bool,
    /// Low eight bits of the tick.
    pub tick: u8,
    /// From the begin of the interval to the flush, µs.
    pub lag_us: Option<u32>,
    /// The whole tick and frame counter.
    pub whole: Option<(u64, u32)>,
    /// Distance of the watermark, ms.
    pub watermark_lag_ms: Option<u16>,
    /// Time of the flush, ns.
    pub time_ns: Option<u64>,
}

impl Head {
    /// Reads a head.
    ///
    /// # Errors
    /// [`Damaged`] when the bytes end early.
    #[inline]
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let first = reader.u8()?;
        let kind = if first & 8 != 0 { reader.u8()? } else { 0 };
        let mut head = Self {
            kind: kind & 15,
            slot: kind >> 4,
            counter: first >> 4,
            gaps: first & 1 != 0,
            tick: reader.u8()?,
            ..Self::default()
        };
        match (first >> 1) & 3 {
            0 => {}
            1 => head.lag_us = Some(lag_us(reader.u8()?)),
            2 => head.lag_us = Some(narrow(reader.little(2)?) * 16),
            _ => head.extended(reader)?,
        }
        Ok(head)
    }

    #[cold]
    fn extended(&mut self, reader: &mut Reader<'_>) -> Result<(), Damaged> {
        let len = usize::from(reader.u8()?);
        let mut part = reader.part(len)?;
        if part.is_empty() {
            return Ok(());
        }
        let flags = part.u8()?;
        if flags & HEAD_TICK != 0 {
            self.whole = Some((part.little(6)?, narrow(part.little(4)?)));
        }
        if flags & HEAD_WATERMARK != 0 {
            self.watermark_lag_ms = u16::try_from(part.little(2)?).ok();
        }
        if flags & HEAD_TIME != 0 {
            self.time_ns = Some(part.little(8)?);
        }
        Ok(())
    }
}

fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[derive(Debug, Clone, Copy)]
enum Ranks<'a> {
    Single,
    Bitmap { bytes: &'a [u8], at: usize, bits: u8 },
    Gaps { next: usize },
}

/// Which symbols a message tells of, and its records.
///
/// After each rank exactly the record of the head's kind is to be read from [`Items::records`].
#[derive(Debug, Clone)]
pub struct Items<'a> {
    /// Where the records are read.
    pub records: Reader<'a>,
    ranks: Ranks<'a>,
    set_size: usize,
    told: bool,
}

impl<'a> Items<'a> {
    /// Begins after a head. `set_size` is the number of ids in the wire set of the head's channel and slot.
    ///
    /// # Errors
    /// [`Damaged`] when the set is empty or the bitmap is cut or names ranks beyond the set.
    pub fn read(mut reader: Reader<'a>, gaps: bool, set_size: usize) -> Result<Self, Damaged> {
        let ranks = match (set_size, gaps) {
            (0, _) => return Err(Damaged),
            (1, _) => Ranks::Single,
            (_, true) => Ranks::Gaps { next: 0 },
            (_, false) => {
                let bytes = reader.take(set_size.div_ceil(8))?;
                let last = bytes.last().copied().unwrap_or(0);
                if !set_size.is_multiple_of(8) && last >> (set_size % 8) != 0 {
                    return Err(Damaged);
                }
                Ranks::Bitmap { bytes, at: 0, bits: bytes.first().copied().unwrap_or(0) }
            }
        };
        Ok(Self { records: reader, ranks, set_size, told: false })
    }

    /// The rank of the next record, or none at the end.
    ///
    /// # Errors
    /// [`Damaged`] when bytes are left over, or a rank is beyond the set.
    #[inline]
    pub fn next_rank(&mut self) -> Result<Option<usize>, Damaged> {
        match &mut self.ranks {
            Ranks::Bitmap { bytes, at, bits } => {
                while *bits == 0 {
                    *at += 1;
                    match bytes.get(*at) {
                        Some(next) => *bits = *next,
                        None => return self.end(),
                    }
                }
                let rank = *at * 8 + bits.trailing_zeros() as usize;
                *bits &= *bits - 1;
                Ok(Some(rank))
            }
            Ranks::Gaps { next } => {
                if self.records.is_empty() {
                    return Ok(None);
                }
                let gap = usize::try_from(self.records.varint()?).map_err(|_| Damaged)?;
                let rank = next.checked_add(gap).filter(|rank| *rank < self.set_size).ok_or(Damaged)?;
                *next = rank + 1;
                Ok(Some(rank))
            }
            Ranks::Single if !self.told => {
                self.told = true;
                Ok(Some(0))
            }
            Ranks::Single => self.end(),
        }
    }

    fn end(&self) -> Result<Option<usize>, Damaged> {
        if self.records.is_empty() { Ok(None) } else { Err(Damaged) }
    }
}

/// A kind 0 record: differences to the quote before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QuoteChange {
    /// Events that it stands for.
    pub events: u64,
    /// Difference of the bid.
    pub bid: i64,
    /// Difference of the ask.
    pub ask: i64,
    /// Difference of the size at the bid.
    pub bid_size: i64,
    /// Difference of the size at the ask.
    pub ask_size: i64,
    /// New freshness.
    pub state: Option<State>,
}

impl QuoteChange {
    /// Reads a record.
    ///
    /// # Errors
    /// [`Damaged`] on a cut record or a reserved value.
    #[inline]
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let control = reader.u8()?;
        let events = match control >> 5 {
            7 => reader.varint()?.checked_add(8).ok_or(Damaged)?,
            code => u64::from(code) + 1,
        };
        let mut change = Self { events, ..Self::default() };
        if control & 0x1f == 0 {
            change.extended(reader)?;
            return Ok(change);
        }
        if control & 1 != 0 {
            (change.bid, change.ask) = read_price(reader)?;
        }
        change.bid_size = unzigzag(reader.little(usize::from((control >> 1) & 3))?);
        change.ask_size = unzigzag(reader.little(usize::from((control >> 3) & 3))?);
        Ok(change)
    }

    #[cold]
    fn extended(&mut self, reader: &mut Reader<'_>) -> Result<(), Damaged> {
        let len = usize::from(reader.u8()?);
        let mut part = reader.part(len)?;
        if part.is_empty() {
            return Ok(());
        }
        let flags = part.u8()?;
        if flags & QUOTE_RESERVED != 0 {
            return Err(Damaged);
        }
        if flags & QUOTE_STATE != 0 {
            self.state = Some(state(part.u8()?));
        }
        if flags & QUOTE_WIDE != 0 {
            self.bid = part.signed()?;
            self.ask = part.signed()?;
            self.bid_size = part.signed()?;
            self.ask_size = part.signed()?;
        }
        if flags & QUOTE_ZERO_EVENTS != 0 {
            if self.events != 1 {
                return Err(Damaged);
            }
            self.events = 0;
        }
        Ok(())
    }
}

/// Differences of bid and ask.
#[inline]
fn read_price(reader: &mut Reader<'_>) -> Result<(i64, i64), Damaged> {
    let code = reader.u8()?;
    let (bid, spread) = match code {
        16..=136 => (i64::from(code - 16) / 11 - 5, i64::from(code - 16) % 11 - 5),
        137..=254 => {
            let size = 6 + i64::from(code - 137) / 2;
            (if code % 2 == 1 { size } else { -size }, 0)
        }
        0..=15 => {
            let bid = unzigzag(reader.little(usize::from(code & 3) + 1)?);
            (bid, unzigzag(reader.little(usize::from(code >> 2))?))
        }
        255 => return Err(Damaged),
    };
    Ok((bid, bid + spread))
}

/// A state of a newer version is shown as stale: nothing else is safe.
fn state(number: u8) -> State {
    State::from_u8(number).unwrap_or(State::Stale)
}

/// A state byte of kinds 4, 5, 6, and what a newer writer puts behind it.
fn state_and_more(reader: &mut Reader<'_>) -> Result<State, Damaged> {
    let byte = reader.u8()?;
    if byte & STATE_MORE != 0 {
        let len = usize::from(reader.u8()?);
        reader.take(len)?;
    }
    Ok(state(byte & !STATE_MORE))
}

/// A kind 1 record: everything, with running totals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QuoteFull {
    /// Feed epoch.
    pub feed_epoch: u64,
    /// Freshness.
    pub state: State,
    /// Events so far, lost ones included.
    pub ver: u64,
    /// Of these lost.
    pub lost: u64,
    /// Prices and sizes.
    pub quote: crate::tick::Quote,
}

impl QuoteFull {
    /// Reads a record.
    ///
    /// # Errors
    /// [`Damaged`] on a cut record or a number out of range.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let (feed_epoch, state) = (reader.varint()?, state(reader.u8()?));
        let (ver, lost) = (reader.varint()?, reader.varint()?);
        let bid = reader.signed()?;
        let ask = bid.checked_add(reader.signed()?).ok_or(Damaged)?;
        let quote = crate::tick::Quote { bid, ask, bid_size: size(reader)?, ask_size: size(reader)? };
        Ok(Self { feed_epoch, state, ver, lost, quote })
    }
}

fn size(reader: &mut Reader<'_>) -> Result<i64, Damaged> {
    i64::try_from(reader.varint()?).map_err(|_| Damaged)
}

/// What stands in a run of kind 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrintRecord {
    /// A print.
    Print(PrintChange),
    /// No print: a new freshness.
    State(State),
    /// Something of a newer version, skipped.
    Unknown,
}

/// A print relative to the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PrintChange {
    /// Whether the seller took.
    pub sell: bool,
    /// Difference of the price.
    pub price: i64,
    /// Quantity, or none for the same as before.
    pub qty: Option<i64>,
    /// Ids skipped since the one before.
    pub id_gap: i64,
}

impl PrintRecord {
    /// Reads one record; also says whether another of the same symbol follows.
    ///
    /// # Errors
    /// [`Damaged`] on a cut record or a number out of range.
    #[inline]
    pub fn read(reader: &mut Reader<'_>) -> Result<(Self, bool), Damaged> {
        let control = reader.u8()?;
        let (another, sell) = (control & 1 != 0, control & 2 != 0);
        if control & 0x80 != 0 {
            return Ok((Self::extended(reader, sell)?, another));
        }
        let price_bytes = match (control >> 2) & 3 {
            3 => 4,
            count => usize::from(count),
        };
        let price = unzigzag(reader.little(price_bytes)?);
        let qty_bytes = usize::from((control >> 4) & 3);
        let qty = reader.little(qty_bytes)?.cast_signed();
        let id_gap = if control & 0x40 != 0 { size(reader)? } else { 0 };
        Ok((Self::Print(PrintChange { sell, price, qty: (qty_bytes > 0).then_some(qty), id_gap }), another))
    }

    #[cold]
    fn extended(reader: &mut Reader<'_>, sell: bool) -> Result<Self, Damaged> {
        let len = usize::from(reader.u8()?);
        let mut part = reader.part(len)?;
        match part.u8()? {
            PRINT_WIDE => {
                let price = part.signed()?;
                let qty = Some(size(&mut part)?);
                Ok(Self::Print(PrintChange { sell, price, qty, id_gap: part.signed()? }))
            }
            PRINT_STATE => Ok(Self::State(state(part.u8()?))),
            _ => Ok(Self::Unknown),
        }
    }
}

/// A kind 7 record up to its prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TradeFull {
    /// Feed epoch.
    pub feed_epoch: u64,
    /// Freshness.
    pub state: State,
    /// Prints so far, lost ones included.
    pub tc: u64,
    /// Of these lost.
    pub lost: u64,
    /// Sum of quantities.
    pub volume: i64,
    /// Of these taken by buyers.
    pub buy_volume: i64,
    /// Sum of price × qty mod 2^96, as the nearest signed value.
    pub notional: i128,
    /// Last print's price.
    pub price: i64,
    /// Last print's quantity.
    pub qty: i64,
    /// Last print's id.
    pub trade_id: u64,
    /// Prints that follow; the totals hold them already.
    pub listed: u64,
}

impl TradeFull {
    /// Reads a record up to its prints; they are [`PrintRecord`]s, then comes the [`Trailer`].
    ///
    /// # Errors
    /// [`Damaged`] on a cut record or a number out of range.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let full = Self {
            feed_epoch: reader.varint()?,
            state: state(reader.u8()?),
            tc: reader.varint()?,
            lost: reader.varint()?,
            volume: size(reader)?,
            buy_volume: size(reader)?,
            notional: notional(reader.varint()?, reader.varint()?)?,
            price: reader.signed()?,
            qty: size(reader)?,
            trade_id: reader.varint()?,
            listed: reader.varint()?,
        };
        // Every print takes a byte, so that a false count cannot make a reader loop.
        if full.listed > reader.rest().len() as u64 { Err(Damaged) } else { Ok(full) }
    }
}

/// From its two halves of 48 bits.
fn notional(high: u64, low: u64) -> Result<i128, Damaged> {
    if high >> 48 != 0 || low >> 48 != 0 {
        return Err(Damaged);
    }
    Ok(sign_96(i128::from(high) << 48 | i128::from(low)))
}

/// The signed number of least size that is equal mod 2^96.
#[must_use]
pub const fn sign_96(value: i128) -> i128 {
    value << 32 >> 32
}

/// End of a kind 7 record: what the session missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trailer {
    /// First, highest and lowest price of the missed prints.
    pub range: Option<PrintRange>,
    /// Whether prints are missing from the lists.
    pub partial: bool,
}

impl Trailer {
    /// Reads a trailer. `last_price` is the record's.
    ///
    /// # Errors
    /// [`Damaged`] on cut bytes, unknown bits or a number out of range.
    pub fn read(reader: &mut Reader<'_>, last_price: i64) -> Result<Self, Damaged> {
        let bits = reader.u8()?;
        if bits & !(TRAILER_RANGE | TRAILER_PARTIAL) != 0 {
            return Err(Damaged);
        }
        let partial = bits & TRAILER_PARTIAL != 0;
        if bits & TRAILER_RANGE == 0 {
            return Ok(Self { range: None, partial });
        }
        let first = last_price.checked_add(reader.signed()?).ok_or(Damaged)?;
        let high = first.max(last_price).checked_add(size(reader)?).ok_or(Damaged)?;
        let low = first.min(last_price).checked_sub(size(reader)?).ok_or(Damaged)?;
        Ok(Self { range: Some(PrintRange { first, high, low }), partial })
    }
}
