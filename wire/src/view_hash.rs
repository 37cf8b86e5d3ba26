//! The hash of everything that a client should hold (promise P11).
//!
//! Each held (channel, instrument) is mixed to 64 bits; the view's hash is the sum of all, so that neither side sorts, and
//! a changed record changes it without the others. It is kept as two sums of 32 bits, mod 2^32 each, because JavaScript
//! multiplies and adds 32 bits exactly (`Math.imul`). A lane folds words by xor, multiply and shift, and ends with the
//! finalizer of MurmurHash3 (Austin Appleby, public domain). It finds damage and bugs; it is no signature.

use crate::frame::{Level, State};
use crate::tick::{Quote, Status};

/// Number of buckets by which a client looks for what differs: instrument id mod this.
pub const BUCKETS: u32 = 64;

/// A sum of mixed records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ViewHash {
    high: u32,
    low: u32,
}

/// What is hashed of a quote; the price of an absent side counts as 0.
#[derive(Debug, Clone, Copy)]
pub struct QuoteFields {
    /// Instrument id.
    pub id: u32,
    /// Quote events published so far, mod 2^32.
    pub total: u64,
    /// Prices and sizes.
    pub quote: Quote,
    /// Freshness.
    pub state: State,
    /// Whether the instrument has sizes: then a side of size 0 is absent.
    pub has_size: bool,
}

/// What is hashed of a symbol's prints.
#[derive(Debug, Clone, Copy)]
pub struct TradeFields {
    /// Instrument id.
    pub id: u32,
    /// Prints published so far, mod 2^32.
    pub total: u64,
    /// Sum of quantities, mod 2^32.
    pub volume: i64,
    /// Price of the last print, 0 before the first.
    pub price: i64,
    /// Its quantity.
    pub qty: i64,
}

/// What is hashed of a book.
#[derive(Debug, Clone, Copy)]
pub struct BookFields {
    /// Instrument id.
    pub id: u32,
    /// Level events published so far, mod 2^32.
    pub total: u64,
    /// Of the levels held, see [`crate::frame::BookImage::checksum`].
    pub checksum: u32,
    /// Freshness.
    pub state: State,
}

/// What is hashed of a symbol's newest bar; all 0 before the first.
#[derive(Debug, Clone, Copy)]
pub struct BarFields {
    /// Instrument id.
    pub id: u32,
    /// Prints published so far, mod 2^32.
    pub total: u64,
    /// Begin of the period, µs.
    pub start_us: i64,
    /// Price of the last print.
    pub close: i64,
    /// Sum of quantities.
    pub volume: i64,
}

struct Mix {
    high: u32,
    low: u32,
}

impl Mix {
    const START: Self = Self { high: 0x9e37_79b9, low: 0x7f4a_7c15 };

    const fn new(channel: u32, id: u32) -> Self {
        Self::START.word(channel).word(id)
    }

    const fn word(self, word: u32) -> Self {
        let high = (self.high ^ word).wrapping_mul(0x85eb_ca6b);
        let low = (self.low ^ word).wrapping_mul(0xc2b2_ae35);
        Self { high: high ^ (high >> 13), low: low ^ (low >> 16) }
    }

    /// Low word, then high word, of a 64-bit integer in two's complement.
    const fn number(self, number: i64) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "both halves are taken")]
        let (low, high) = (number as u32, (number >> 32) as u32);
        self.word(low).word(high)
    }

    const fn end(self) -> ViewHash {
        ViewHash { high: finish(self.high), low: finish(self.low) }
    }
}

const fn finish(mut word: u32) -> u32 {
    word = (word ^ (word >> 16)).wrapping_mul(0x85eb_ca6b);
    word = (word ^ (word >> 13)).wrapping_mul(0xc2b2_ae35);
    word ^ (word >> 16)
}

#[expect(clippy::cast_possible_truncation, reason = "counts are hashed mod 2^32")]
const fn count(total: u64) -> u32 {
    total as u32
}

/// Checksum of a book's levels: the low number of the mix over the bids, a word of ones, and the asks.
pub(crate) fn levels_hash(bids: &[Level], asks: &[Level]) -> u32 {
    let add = |mix: Mix, level: &Level| mix.number(level.price).number(level.qty);
    let mix = bids.iter().fold(Mix::START, add).word(u32::MAX);
    asks.iter().fold(mix, add).end().low
}

impl ViewHash {
    /// Of a quote.
    #[must_use]
    pub fn quote(fields: &QuoteFields) -> Self {
        let QuoteFields { id, total, quote, state, has_size } = fields;
        let price = |price, size| if size == 0 && *has_size { 0 } else { price };
        Mix::new(0, *id)
            .word(count(*total))
            .number(price(quote.bid, quote.bid_size))
            .number(price(quote.ask, quote.ask_size))
            .number(quote.bid_size)
            .number(quote.ask_size)
            .word(u32::from(*state as u8))
            .end()
    }

    /// Of a symbol's prints.
    #[must_use]
    pub const fn trade(fields: &TradeFields) -> Self {
        Mix::new(1, fields.id)
            .word(count(fields.total))
            .word(count(fields.volume.cast_unsigned()))
            .number(fields.price)
            .number(fields.qty)
            .end()
    }

    /// Of a book.
    #[must_use]
    pub const fn book(fields: &BookFields) -> Self {
        Mix::new(2, fields.id).word(count(fields.total)).word(fields.checksum).word(fields.state as u32).end()
    }

    /// Of a symbol's newest bar.
    #[must_use]
    pub const fn bar(fields: &BarFields) -> Self {
        Mix::new(3, fields.id)
            .word(count(fields.total))
            .number(fields.start_us)
            .number(fields.close)
            .number(fields.volume)
            .end()
    }

    /// Of a symbol's freshness and trading status.
    #[must_use]
    pub const fn status(id: u32, state: State, status: Status) -> Self {
        Mix::new(4, id).word(state as u32).word(status as u32).end()
    }

    /// Both together, in any order.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self { high: self.high.wrapping_add(other.high), low: self.low.wrapping_add(other.low) }
    }

    /// As told: 16 hexadecimal digits.
    #[must_use]
    pub fn text(self) -> String {
        format!("{:08x}{:08x}", self.high, self.low)
    }

    /// Reads what [`ViewHash::text`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 16 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let word = |part: &str| u32::from_str_radix(part, 16).ok();
        Some(Self { high: word(&text[..8])?, low: word(&text[8..])? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quote() -> QuoteFields {
        let quote = Quote { bid: 6_100_010, ask: 6_100_020, bid_size: 150_000, ask_size: 1 };
        QuoteFields { id: 7, total: 1_000, quote, state: State::Live, has_size: true }
    }

    /// The vector of docs/protocol.md.
    #[test]
    fn the_vector_of_the_protocol() {
        let trade = TradeFields { id: 7, total: 12, volume: -5, price: -1, qty: 1 << 40 };
        let (quote, trade) = (ViewHash::quote(&quote()), ViewHash::trade(&trade));
        assert_eq!((quote.text(), trade.text()), (VECTOR.0.to_owned(), VECTOR.1.to_owned()));
        assert_eq!(quote.and(trade).text(), VECTOR.2);
        assert_eq!(ViewHash::parse(VECTOR.2), Some(trade.and(quote)));
        assert_eq!(ViewHash::parse("0123456789abcdeg"), None);
        assert_eq!(ViewHash::parse("+123456789abcdef"), None);
    }

    const VECTOR: (&str, &str, &str) = ("9efeb623ee07c1d6", "dea85d33a608631d", "7da71356941024f3");

    #[test]
    fn the_vectors_of_the_later_channels() {
        let book = BookFields { id: 7, total: 1_000, checksum: 157_042_023, state: State::Live };
        let bar = BarFields {
            id: 7,
            total: 880,
            start_us: 1_723_075_200_000_000,
            close: 6_100_010,
            volume: 150_000,
        };
        assert_eq!(ViewHash::book(&book).text(), "8d08549499b894e8");
        assert_eq!(ViewHash::bar(&bar).text(), "79a2297c591f6e67");
        assert_eq!(ViewHash::status(7, State::Halted, Status::Halted).text(), "42e3a887f0cc0002");
    }

    #[test]
    fn each_field_counts_and_an_absent_price_does_not() {
        let base = ViewHash::quote(&quote());
        let mut others = vec![];
        let mut other = |change: fn(&mut QuoteFields)| {
            let mut fields = quote();
            change(&mut fields);
            others.push(ViewHash::quote(&fields));
        };
        other(|fields| fields.id = 8);
        other(|fields| fields.total += 1);
        other(|fields| fields.quote.bid += 1 << 32);
        other(|fields| fields.quote.ask -= 1);
        other(|fields| fields.quote.bid_size = 0);
        other(|fields| fields.quote.ask_size += 1);
        other(|fields| fields.state = State::Quiet);
        assert!(!others.contains(&base));
        others.sort_by_key(|hash| hash.text());
        others.dedup();
        assert_eq!(others.len(), 7);
        let absent = |bid| {
            let mut fields = quote();
            (fields.quote.bid, fields.quote.bid_size) = (bid, 0);
            ViewHash::quote(&fields)
        };
        assert_eq!(absent(1), absent(i64::MIN));
    }
}
