//! Kinds 3 and 4: what changed in a book, and a whole book.
//!
//! A level that the reader holds is named by its place and told by a difference; a new one by its price, counted in
//! ticks from the level told before it. On recordings this takes a tenth less than prices and quantities for both.

use crate::cursor::{bytes_of, low_byte, put_little, put_varint, zigzag};
use crate::frame::Level;
use crate::frame::book::{BookImage, BookSideImage, LevelChange, SIDES, better, changes};
use crate::tick::BookSide;

/// Extended book flag: a state byte follows.
pub const BOOK_STATE: u8 = 1;
/// Extended book flag: the record stands for no event; its events code is 0 and means nothing.
pub const BOOK_ZERO_EVENTS: u8 = 32;

/// Bit of the first two bytes: the extension follows.
pub const BOOK_EXTENDED: u16 = 1 << 12;
/// Bits of the count of a side's changes in the first two bytes.
pub const BOOK_COUNT_BITS: u32 = 6;

/// Code of a held level: place and difference as varints.
pub const KNOWN_WIDE: u8 = 31;
/// Codes of a new level's ticks: up to 27 themselves, then in one byte more, two, a varint.
pub const TICKS_U8: u8 = 28;
/// See [`TICKS_U8`].
pub const TICKS_U16: u8 = 29;
/// See [`TICKS_U8`].
pub const TICKS_VARINT: u8 = 30;
/// Code of a new level: ticks and quantity as varints.
pub const NEW_WIDE: u8 = 31;

/// Bit of a state byte: a length and as many bytes to skip follow.
pub const STATE_MORE: u8 = 0x80;

/// Appends a kind 3 record: what changed from `old` to `new`, both cut to `depth`, for `new.lver − old.lver` events of
/// one epoch.
pub fn book(out: &mut Vec<u8>, old: &BookImage, new: &BookImage, depth: usize) {
    let events = new.lver.saturating_sub(old.lver);
    let extended = events == 0 || old.state != new.state;
    let begin = out.len();
    out.extend_from_slice(&[0, 0]);
    if events > 7 {
        put_varint(out, events - 8);
    }
    if extended {
        let state = (old.state != new.state).then_some(new.state);
        let flags =
            if events == 0 { BOOK_ZERO_EVENTS } else { 0 } | if state.is_some() { BOOK_STATE } else { 0 };
        out.extend_from_slice(&[1 + u8::from(state.is_some()), flags]);
        out.extend(state.map(|state| state as u8));
    }
    let counts = levels(out, &old.sides, &new.sides, depth);
    let events = u16::from(low_byte(events.saturating_sub(1).min(7)));
    let first = counts | if extended { BOOK_EXTENDED } else { 0 } | events << 13;
    out[begin..begin + 2].copy_from_slice(&first.to_le_bytes());
    put_little(out, new.checksum().into(), 4);
}

/// Appends a kind 4 record: everything, with running totals, as changes of an empty book.
pub fn book_full(out: &mut Vec<u8>, now: &BookImage) {
    put_varint(out, now.feed_epoch);
    out.push(now.state as u8);
    put_varint(out, now.lver);
    put_varint(out, now.lost);
    let begin = out.len();
    out.extend_from_slice(&[0, 0]);
    let counts = levels(out, &<[BookSideImage; 2]>::default(), &now.sides, usize::MAX);
    out[begin..begin + 2].copy_from_slice(&counts.to_le_bytes());
    put_little(out, now.checksum().into(), 4);
}

/// Appends the changes of both sides; returns their counts as the first two bytes hold them.
fn levels(out: &mut Vec<u8>, old: &[BookSideImage; 2], new: &[BookSideImage; 2], depth: usize) -> u16 {
    let mut counts = 0;
    for (at, side) in SIDES.into_iter().enumerate() {
        // The reader has taken the bids when it comes to the asks.
        let other = if side == BookSide::Bid { &old[1] } else { &new[0] };
        let mut writer = Writer::new(side, &old[at], base(&old[at], other));
        changes(side, &old[at], &new[at], depth, |change| writer.put(out, &change));
        counts |= writer.count << (BOOK_COUNT_BITS * u32::from(at > 0));
    }
    counts
}

/// Where the first price of a side counts from.
#[must_use]
pub fn base(old: &BookSideImage, other: &BookSideImage) -> i64 {
    old.as_slice().first().or_else(|| other.as_slice().first()).map_or(0, |best| best.price)
}

struct Writer<'a> {
    side: BookSide,
    old: &'a [Level],
    /// Old levels that are passed.
    passed: usize,
    base: i64,
    told: Option<i64>,
    count: u16,
}

impl<'a> Writer<'a> {
    fn new(side: BookSide, old: &'a BookSideImage, base: i64) -> Self {
        Self { side, old: old.as_slice(), passed: 0, base, told: None, count: 0 }
    }

    fn put(&mut self, out: &mut Vec<u8>, change: &LevelChange) {
        let Level { price, qty } = change.level;
        match change.was {
            Some((at, was)) => {
                let skip = (at - self.passed) as u64;
                known(out, skip, (qty > 0).then_some(qty - was));
                self.passed = at + 1;
            }
            None => {
                let outward =
                    |from: i64| if self.side == BookSide::Bid { from - price } else { price - from };
                let ticks = match self.told {
                    None => zigzag(outward(self.base)),
                    Some(told) => (outward(told) - 1).unsigned_abs(),
                };
                new_level(out, ticks, qty.unsigned_abs());
                let passes = |level: &&Level| better(self.side, level.price, price);
                self.passed += self.old[self.passed..].iter().take_while(passes).count();
            }
        }
        self.told = Some(price);
        self.count += 1;
    }
}

/// A level that the reader holds, `skip` places on; no difference = removed.
fn known(out: &mut Vec<u8>, skip: u64, difference: Option<i64>) {
    let code = difference.map_or(0, zigzag);
    let bytes = bytes_of(code);
    if bytes > 3 {
        out.push(KNOWN_WIDE << 3);
        put_varint(out, skip);
        return put_varint(out, code);
    }
    out.push(low_byte(bytes as u64) << 1 | low_byte(skip) << 3);
    put_little(out, code, bytes);
}

fn new_level(out: &mut Vec<u8>, ticks: u64, qty: u64) {
    let bytes = bytes_of(qty);
    if bytes > 3 {
        out.push(1 | NEW_WIDE << 3);
        put_varint(out, ticks);
        return put_varint(out, qty);
    }
    let low = 1 | low_byte(bytes as u64) << 1;
    match ticks {
        0..=27 => out.push(low | low_byte(ticks) << 3),
        28..=283 => out.extend_from_slice(&[low | TICKS_U8 << 3, low_byte(ticks - 28)]),
        284..=0xffff => {
            out.push(low | TICKS_U16 << 3);
            put_little(out, ticks, 2);
        }
        _ => {
            out.push(low | TICKS_VARINT << 3);
            put_varint(out, ticks);
        }
    }
    put_little(out, qty, bytes);
}
