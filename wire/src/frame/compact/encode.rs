//! Record bytes of the `compact` form. Every function appends to `out` and allocates nothing else.

use crate::cursor::{bytes_of, low_byte, put_little, put_signed, put_varint, zigzag};
use crate::frame::{Print, PrintRange, QuoteImage, State, TradeImage};
use crate::tick::{Aggressor, Quote};

mod bar;
mod book;

pub use self::bar::{BAR_CLOSED, BAR_MORE, BAR_PARTIAL, bars, status};
pub use self::book::{
    BOOK_COUNT_BITS, BOOK_EXTENDED, BOOK_STATE, BOOK_ZERO_EVENTS, KNOWN_WIDE, NEW_WIDE, STATE_MORE, TICKS_U8,
    TICKS_U16, TICKS_VARINT, base, book, book_full,
};

/// Extended quote flag: a state byte follows.
pub const QUOTE_STATE: u8 = 1;
/// Extended quote flag: all four fields follow as zigzag varints.
pub const QUOTE_WIDE: u8 = 16;
/// Extended quote flag: the record stands for no event; its count code is 0 and means nothing.
pub const QUOTE_ZERO_EVENTS: u8 = 32;

/// Extended print kind: price delta, quantity and id gap as varints.
pub const PRINT_WIDE: u8 = 1;
/// Extended print kind: no print, only a new state.
pub const PRINT_STATE: u8 = 3;

/// Trailer bit: the range follows.
pub const TRAILER_RANGE: u8 = 1;
/// Trailer bit: prints are missing from the list; the totals are exact.
pub const TRAILER_PARTIAL: u8 = 2;

/// Appends a kind 0 record: what changed from `base` to `now`, for `now.ver − base.ver` events of one epoch.
pub fn quote(out: &mut Vec<u8>, base: &QuoteImage, now: &QuoteImage) {
    let events = now.ver.saturating_sub(base.ver);
    let delta = Delta::between(&base.quote, &now.quote);
    if events > 0 && base.state == now.state && delta.narrow(out, events) {
        return;
    }
    extended(out, events, &delta, (base.state != now.state).then_some(now.state));
}

struct Delta {
    bid: i64,
    spread: i64,
    bid_size: i64,
    ask_size: i64,
}

impl Delta {
    fn between(base: &Quote, now: &Quote) -> Self {
        let bid = now.bid - base.bid;
        Self {
            bid,
            spread: now.ask - base.ask - bid,
            bid_size: now.bid_size - base.bid_size,
            ask_size: now.ask_size - base.ask_size,
        }
    }

    fn is_zero(&self) -> bool {
        self.bid == 0 && self.spread == 0 && self.bid_size == 0 && self.ask_size == 0
    }

    /// Appends the plain record; false, and nothing appended, when a field is too wide or nothing changed.
    #[inline]
    fn narrow(&self, out: &mut Vec<u8>, events: u64) -> bool {
        let (bid, ask) = (zigzag(self.bid_size), zigzag(self.ask_size));
        let (bid_bytes, ask_bytes) = (bytes_of(bid), bytes_of(ask));
        let moved = self.bid != 0 || self.spread != 0;
        let price_fits = bytes_of(zigzag(self.bid)) <= 4 && bytes_of(zigzag(self.spread)) <= 3;
        if bid_bytes > 3 || ask_bytes > 3 || !price_fits || self.is_zero() {
            return false;
        }
        let sizes = u8::from(moved) | low_byte(bid_bytes as u64) << 1 | low_byte(ask_bytes as u64) << 3;
        control(out, sizes, events);
        if moved {
            price(out, self.bid, self.spread);
        }
        put_little(out, bid, bid_bytes);
        put_little(out, ask, ask_bytes);
        true
    }
}

/// Appends the control byte and, from eight events on, their varint.
#[inline]
fn control(out: &mut Vec<u8>, low: u8, events: u64) {
    if events <= 7 {
        out.push(low | (low_byte(events.saturating_sub(1)) << 5));
    } else {
        out.push(low | 7 << 5);
        put_varint(out, events - 8);
    }
}

/// Appends the price byte and what it announces.
#[inline]
fn price(out: &mut Vec<u8>, bid: i64, spread: i64) {
    let small = -5..=5;
    if small.contains(&bid) && small.contains(&spread) {
        out.push(16 + low_byte(zero_based(bid + 5) * 11 + zero_based(spread + 5)));
    } else if spread == 0 && bid.unsigned_abs() <= 64 {
        out.push(137 + low_byte((bid.unsigned_abs() - 6) * 2) + u8::from(bid < 0));
    } else {
        let (bid, spread) = (zigzag(bid), zigzag(spread));
        let (bid_bytes, spread_bytes) = (bytes_of(bid).max(1), bytes_of(spread));
        out.push(low_byte(bid_bytes as u64 - 1) | low_byte(spread_bytes as u64) << 2);
        put_little(out, bid, bid_bytes);
        put_little(out, spread, spread_bytes);
    }
}

fn zero_based(value: i64) -> u64 {
    value.unsigned_abs()
}

#[cold]
fn extended(out: &mut Vec<u8>, events: u64, delta: &Delta, state: Option<State>) {
    control(out, 0, events);
    let at = out.len();
    out.push(0);
    let wide = !delta.is_zero();
    let zero = events == 0;
    if state.is_none() && !wide && !zero {
        return; // events without a change: the length is 0
    }
    let bit = |on: bool, flag: u8| if on { flag } else { 0 };
    let flags = bit(state.is_some(), QUOTE_STATE) | bit(wide, QUOTE_WIDE) | bit(zero, QUOTE_ZERO_EVENTS);
    out.push(flags);
    if let Some(state) = state {
        out.push(state as u8);
    }
    if wide {
        for field in [delta.bid, delta.bid + delta.spread, delta.bid_size, delta.ask_size] {
            put_signed(out, field);
        }
    }
    out[at] = low_byte((out.len() - at - 1) as u64);
}

/// Appends a kind 1 record: everything, with running totals.
pub fn quote_full(out: &mut Vec<u8>, now: &QuoteImage) {
    put_varint(out, now.feed_epoch);
    out.push(now.state as u8);
    put_varint(out, now.ver);
    put_varint(out, now.lost);
    put_signed(out, now.quote.bid);
    put_signed(out, now.quote.ask - now.quote.bid);
    put_varint(out, now.quote.bid_size.unsigned_abs());
    put_varint(out, now.quote.ask_size.unsigned_abs());
}

/// Appends the whole run of one symbol's prints (kind 2), relative to the print before them.
pub fn prints<'a>(out: &mut Vec<u8>, base: &Print, prints: impl Iterator<Item = &'a Print>) {
    let mut last = *base;
    let mut prints = prints.peekable();
    while let Some(now) = prints.next() {
        print(out, &last, now, prints.peek().is_some());
        last = *now;
    }
}

#[inline]
fn print(out: &mut Vec<u8>, last: &Print, now: &Print, another: bool) {
    let low = u8::from(another) | u8::from(now.aggressor == Aggressor::Sell) << 1;
    let price_delta = now.price - last.price;
    let price = zigzag(price_delta);
    let gap = now.trade_id.wrapping_sub(last.trade_id).wrapping_sub(1).cast_signed();
    let qty = if now.qty == last.qty { 0 } else { now.qty.unsigned_abs() };
    let (price_bytes, qty_bytes) = (bytes_of(price), bytes_of(qty));
    let same_qty_or_some = now.qty == last.qty || qty > 0;
    if price_bytes > 4 || qty_bytes > 3 || gap < 0 || !same_qty_or_some {
        return wide_print(out, low, price_delta, now.qty, gap);
    }
    let (price_code, price_bytes) = match price_bytes {
        0..=2 => (low_byte(price_bytes as u64), price_bytes),
        _ => (3, 4),
    };
    out.push(low | price_code << 2 | low_byte(qty_bytes as u64) << 4 | u8::from(gap != 0) << 6);
    put_little(out, price, price_bytes);
    put_little(out, qty, qty_bytes);
    if gap != 0 {
        put_varint(out, gap.unsigned_abs());
    }
}

#[cold]
fn wide_print(out: &mut Vec<u8>, low: u8, price_delta: i64, qty: i64, gap: i64) {
    out.push(0x80 | low);
    let at = out.len();
    out.extend_from_slice(&[0, PRINT_WIDE]);
    put_signed(out, price_delta);
    put_varint(out, qty.unsigned_abs());
    put_signed(out, gap);
    out[at] = low_byte((out.len() - at - 1) as u64);
}

/// Appends a new state in place of a run of prints (kind 2, view `trade` alone).
pub fn prints_state(out: &mut Vec<u8>, state: State) {
    out.extend_from_slice(&[0x80, 2, PRINT_STATE, state as u8]);
}

/// Appends a kind 7 record without its trailer: running totals, and `listed` prints that they already hold, oldest
/// first.
pub fn trade_full<'a>(out: &mut Vec<u8>, now: &TradeImage, listed: impl ExactSizeIterator<Item = &'a Print>) {
    put_varint(out, now.feed_epoch);
    out.push(now.state as u8);
    put_varint(out, now.tc);
    put_varint(out, now.lost);
    put_varint(out, now.volume.unsigned_abs());
    put_varint(out, now.buy_volume.unsigned_abs());
    let (high, low) = notional_halves(now.notional);
    put_varint(out, high);
    put_varint(out, low);
    put_signed(out, now.last.price);
    put_varint(out, now.last.qty.unsigned_abs());
    put_varint(out, now.last.trade_id);
    put_varint(out, listed.len() as u64);
    prints(out, &now.last, listed);
}

/// The notional mod 2^96 as two halves of 48 bits, each exact in JavaScript.
#[must_use]
#[expect(clippy::cast_sign_loss, reason = "takes 48 bits at a time")]
pub const fn notional_halves(notional: i128) -> (u64, u64) {
    const MASK: i128 = (1 << 48) - 1;
    (((notional >> 48) & MASK) as u64, (notional & MASK) as u64)
}

/// Appends the trailer of a kind 7 record. It depends on what the session missed, so gather writes it.
pub fn trailer(out: &mut Vec<u8>, last_price: i64, range: Option<PrintRange>, partial: bool) {
    out.push(u8::from(range.is_some()) | u8::from(partial) << 1);
    if let Some(range) = range {
        put_signed(out, range.first - last_price);
        put_varint(out, (range.high - range.first.max(last_price)).max(0).unsigned_abs());
        put_varint(out, (range.first.min(last_price) - range.low).max(0).unsigned_abs());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(bid: i64, ask: i64, bid_size: i64, ask_size: i64, ver: u64) -> QuoteImage {
        let quote = Quote { bid, ask, bid_size, ask_size };
        QuoteImage { quote, ver, state: State::Live, ..QuoteImage::default() }
    }

    fn bytes(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out);
        out
    }

    #[test]
    fn records_match_the_worked_dumps() {
        let base = image(100, 102, 500, 700, 10);
        let delta = |now: &QuoteImage| bytes(|out| quote(out, &base, now));
        assert_eq!(delta(&image(100, 102, 400, 700, 11)), [0x02, 0xc7]);
        assert_eq!(delta(&image(119, 121, 500, 72_700, 33)), [0xf9, 0x0f, 0xa3, 0x80, 0x32, 0x02]);
        assert_eq!(delta(&image(101, 104, 500, 700, 13)), [0x41, 0x58]);
        assert_eq!(delta(&image(100, 102, 500, 700, 19)), [0xe0, 0x01, 0x00]);
        let stale = QuoteImage { state: State::Stale, ..base };
        assert_eq!(delta(&stale), [0x00, 0x02, 0x21, 0x02]);
    }

    #[test]
    fn a_full_matches_the_worked_dump() {
        let now =
            QuoteImage { feed_epoch: 1_723_075_200_000, ..image(6_100_010, 6_100_011, 51_900, 300, 1_500) };
        let dump = [
            0x80, 0x88, 0xa4, 0xfa, 0x92, 0x32, 0x00, 0xdc, 0x0b, 0x00, 0xd4, 0xd0, 0xe8, 0x05, 0x02, 0xbc,
            0x95, 0x03, 0xac, 0x02,
        ];
        assert_eq!(bytes(|out| quote_full(out, &now)), dump);
    }

    #[test]
    fn a_state_in_place_of_prints_matches_the_worked_dump() {
        assert_eq!(bytes(|out| prints_state(out, State::Stale)), [0x80, 0x02, 0x03, 0x02]);
    }
}
