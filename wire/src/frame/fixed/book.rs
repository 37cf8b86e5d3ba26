//! Kinds 3 and 4: one record a level.

use super::low32;
use crate::frame::book::{BookImage, BookSideImage, Level, SIDES, changes};
use zerocopy::little_endian::{I64, U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Level flag: a whole book begins, earlier levels are void.
pub const LEVEL_BEGINS: u16 = 1;
/// Level flag: the update ends; `checksum` is set.
pub const LEVEL_ENDS: u16 = 2;
/// Level flag: no level at all, only what the record says of the update.
pub const LEVEL_NONE: u16 = 4;

/// Place of a level that is removed.
pub const LEVEL_REMOVED: u8 = 255;

/// Kinds 3 and 4. All records of an update are in one message, one behind the other; what they say of the update is the
/// same in each.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct LevelRecord {
    /// Instrument id.
    pub symbol: U32,
    /// Events that the update stands for, or (totals) all so far mod 2^32.
    pub events: U32,
    /// Price.
    pub price: I64,
    /// Quantity, 0 removes the level.
    pub qty: I64,
    /// Due time of the newest event, ns, publisher's clock.
    pub ts_event: I64,
    /// 0 bid, 1 ask.
    pub side: u8,
    /// Place of the level after the update, 0 the best; [`LEVEL_REMOVED`] for one that is removed.
    pub level: u8,
    /// [`LEVEL_BEGINS`], [`LEVEL_ENDS`], [`LEVEL_NONE`].
    pub flags: U16,
    /// Of the levels after the update, in its last record; else 0.
    pub checksum: U32,
    /// When the gateway received the newest event, ns.
    pub ts_recv: I64,
    /// Events declared lost so far in this epoch, mod 2^32.
    pub lost: U32,
    /// Freshness.
    pub state: u8,
    /// Feed epochs seen, mod 256.
    pub epoch: u8,
    /// Zero.
    pub pad: [u8; 2],
}

const _: () = assert!(size_of::<LevelRecord>() == 56);

/// Appends what changed from `old` to `new`, both cut to `depth`, or all of `new` where that is fewer records: at most
/// 40 of them.
pub fn book(out: &mut Vec<u8>, symbol: u32, old: &BookImage, new: &BookImage, depth: usize) {
    let mut count = 0_usize;
    for (at, side) in SIDES.into_iter().enumerate() {
        changes(side, &old.sides[at], &new.sides[at], depth, |_| count += 1);
    }
    let whole = count > new.sides.iter().map(|side| side.as_slice().len()).sum();
    update(out, symbol, new.lver.saturating_sub(old.lver), (!whole).then_some((old, depth)), new);
}

/// Appends a whole book with its running totals.
pub fn book_full(out: &mut Vec<u8>, symbol: u32, now: &BookImage) {
    update(out, symbol, now.lver, None, now);
}

fn update(out: &mut Vec<u8>, symbol: u32, events: u64, old: Option<(&BookImage, usize)>, new: &BookImage) {
    let mut record = LevelRecord {
        symbol: symbol.into(),
        events: low32(events).into(),
        price: 0.into(),
        qty: 0.into(),
        ts_event: new.ts_event.into(),
        side: 0,
        level: 0,
        flags: if old.is_none() { LEVEL_BEGINS } else { 0 }.into(),
        checksum: 0.into(),
        ts_recv: new.ts_recv.into(),
        lost: low32(new.lost).into(),
        state: new.state as u8,
        epoch: new.epoch_count,
        pad: [0; 2],
    };
    let begin = out.len();
    let empty = BookSideImage::default();
    for (at, side) in SIDES.into_iter().enumerate() {
        let (held, depth) = old.map_or((&empty, usize::MAX), |(old, depth)| (&old.sides[at], depth));
        changes(side, held, &new.sides[at], depth, |change| {
            let Level { price, qty } = change.level;
            (record.price, record.qty, record.side) = (price.into(), qty.into(), side as u8);
            let rank = if qty == 0 { u64::from(LEVEL_REMOVED) } else { change.rank as u64 };
            record.level = crate::cursor::low_byte(rank);
            out.extend_from_slice(record.as_bytes());
            record.flags = 0.into();
        });
    }
    let last = size_of::<LevelRecord>();
    if out.len() == begin {
        record.flags = (record.flags.get() | LEVEL_NONE).into();
        out.extend_from_slice(record.as_bytes());
    }
    let at = out.len() - last;
    if let Ok((ending, _)) = LevelRecord::mut_from_prefix(&mut out[at..]) {
        ending.flags = (ending.flags.get() | LEVEL_ENDS).into();
        ending.checksum = new.checksum().into();
    }
}
