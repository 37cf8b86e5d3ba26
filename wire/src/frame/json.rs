//! The `json` form: text with decimals as strings, for curl-like tools and first tries.
//!
//! Elements are shared bytes, like the records of the other forms; the envelope is the session's.

use crate::frame::{Kind, Print, PrintRange, QuoteImage, State, TradeImage};
use crate::instrument::Instrument;
use crate::tick::Aggressor;

mod bar;
mod book;

pub use self::bar::{bars, status};
pub use self::book::{book, book_full};

/// What a message says of itself.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    /// Kind of its elements.
    pub kind: Kind,
    /// Frame counter.
    pub frame: u32,
    /// Slot.
    pub slot: u8,
    /// Number of the lane's interval.
    pub tick: u64,
    /// Time of the flush, µs.
    pub t_us: i64,
}

/// Appends the envelope up to the first element.
pub fn begin(out: &mut Vec<u8>, head: &Head) {
    let op = match head.kind {
        Kind::Quote | Kind::QuoteFull => "quotes",
        Kind::Trade => "trades",
        Kind::TradeFull => "trade_totals",
        Kind::BookDelta | Kind::BookFull => "books",
        Kind::Bar => "bars",
        Kind::Status => "statuses",
    };
    text(out, "{\"op\":\"");
    text(out, op);
    field(out, "\",\"frame\":", head.frame.into());
    field(out, ",\"slot\":", head.slot.into());
    field(out, ",\"tick\":", head.tick.into());
    field(out, ",\"t_us\":", head.t_us.into());
    text(out, ",\"data\":[");
}

/// Appends the end of the envelope.
pub fn end(out: &mut Vec<u8>) {
    text(out, "]}");
}

/// Appends a quote element; `events` is what it stands for since the lane's flush before.
pub fn quote(out: &mut Vec<u8>, id: u32, events: u64, now: &QuoteImage, instrument: &Instrument) {
    field(out, "{\"id\":", id.into());
    field(out, ",\"epoch\":", now.feed_epoch.into());
    field(out, ",\"total\":", now.ver.into());
    field(out, ",\"events\":", events.into());
    field(out, ",\"lost\":", now.lost.into());
    quote_members(out, now, instrument);
    text(out, "}");
}

/// Appends the members of a quote that hold by themselves, each with a comma before it: prices, sizes, freshness, times.
pub fn quote_members(out: &mut Vec<u8>, now: &QuoteImage, instrument: &Instrument) {
    let quote = &now.quote;
    let absent = |size: i64| instrument.has_size && size == 0;
    price(out, ",\"bid\":", (!absent(quote.bid_size)).then_some(quote.bid), instrument.price_exponent);
    price(out, ",\"ask\":", (!absent(quote.ask_size)).then_some(quote.ask), instrument.price_exponent);
    price(out, ",\"bid_size\":", Some(quote.bid_size), instrument.qty_exponent);
    price(out, ",\"ask_size\":", Some(quote.ask_size), instrument.qty_exponent);
    state(out, now.state);
    times(out, now.ts_event, now.ts_recv);
}

/// Appends a print; `listed` = already in the totals sent before.
pub fn trade(out: &mut Vec<u8>, id: u32, epoch: u64, print: &Print, listed: bool, instrument: &Instrument) {
    field(out, "{\"id\":", id.into());
    field(out, ",\"epoch\":", epoch.into());
    price(out, ",\"price\":", Some(print.price), instrument.price_exponent);
    price(out, ",\"qty\":", Some(print.qty), instrument.qty_exponent);
    text(
        out,
        match print.aggressor {
            Aggressor::None => ",\"side\":null",
            Aggressor::Buy => ",\"side\":\"buy\"",
            Aggressor::Sell => ",\"side\":\"sell\"",
        },
    );
    field(out, ",\"trade_id\":", print.trade_id.into());
    if listed {
        text(out, ",\"listed\":true");
    }
    times(out, print.ts_event, print.ts_recv);
    text(out, "}");
}

/// Appends trade totals. Notional is in units of price exponent + quantity exponent.
pub fn trade_full(
    out: &mut Vec<u8>,
    id: u32,
    now: &TradeImage,
    range: Option<PrintRange>,
    partial: bool,
    instrument: &Instrument,
) {
    field(out, "{\"id\":", id.into());
    field(out, ",\"epoch\":", now.feed_epoch.into());
    field(out, ",\"total\":", now.tc.into());
    field(out, ",\"lost\":", now.lost.into());
    totals_members(out, now, instrument);
    if let Some(range) = range {
        price(out, ",\"first\":", Some(range.first), instrument.price_exponent);
        price(out, ",\"high\":", Some(range.high), instrument.price_exponent);
        price(out, ",\"low\":", Some(range.low), instrument.price_exponent);
    }
    text(out, if partial { ",\"partial\":true" } else { ",\"partial\":false" });
    state(out, now.state);
    times(out, now.last.ts_event, now.last.ts_recv);
    text(out, "}");
}

/// Appends the members of trade totals that hold by themselves, each with a comma before it: sums and the last print.
pub fn totals_members(out: &mut Vec<u8>, now: &TradeImage, instrument: &Instrument) {
    price(out, ",\"volume\":", Some(now.volume), instrument.qty_exponent);
    price(out, ",\"buy_volume\":", Some(now.buy_volume), instrument.qty_exponent);
    text(out, ",\"notional\":\"");
    decimal(out, now.notional, instrument.price_exponent + instrument.qty_exponent);
    text(out, "\"");
    let some = now.tc > 0;
    price(out, ",\"price\":", some.then_some(now.last.price), instrument.price_exponent);
    price(out, ",\"qty\":", some.then_some(now.last.qty), instrument.qty_exponent);
    field(out, ",\"trade_id\":", now.last.trade_id.into());
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

fn field(out: &mut Vec<u8>, name: &str, value: i128) {
    text(out, name);
    integer(out, value);
}

fn state(out: &mut Vec<u8>, state: State) {
    text(
        out,
        match state {
            State::Live => ",\"state\":\"live\"",
            State::Quiet => ",\"state\":\"quiet\"",
            State::Stale => ",\"state\":\"stale\"",
            State::Halted => ",\"state\":\"halted\"",
            State::Out => ",\"state\":\"out\"",
        },
    );
}

/// Appends the members `ts_event` and `ts_recv`, µs.
pub fn times(out: &mut Vec<u8>, ts_event: i64, ts_recv: i64) {
    field(out, ",\"ts_event\":", (ts_event / 1_000).into());
    field(out, ",\"ts_recv\":", (ts_recv / 1_000).into());
}

fn price(out: &mut Vec<u8>, name: &str, mantissa: Option<i64>, exponent: i8) {
    text(out, name);
    match mantissa {
        None => text(out, "null"),
        Some(mantissa) => {
            text(out, "\"");
            decimal(out, mantissa.into(), exponent);
            text(out, "\"");
        }
    }
}

/// Appends an integer in decimal.
pub fn integer(out: &mut Vec<u8>, value: i128) {
    decimal(out, value, 0);
}

/// Appends `mantissa × 10^exponent` with exactly `−exponent` decimals.
pub fn decimal(out: &mut Vec<u8>, mantissa: i128, exponent: i8) {
    let decimals = usize::from(exponent.unsigned_abs());
    let mut digits = [b'0'; 80];
    let mut at = digits.len();
    let mut rest = mantissa.unsigned_abs();
    let mut written = 0;
    while rest > 0 || written <= decimals {
        if written == decimals && decimals > 0 {
            at -= 1;
            digits[at] = b'.';
        }
        at -= 1;
        // A division of 128 bits costs twenty of 64; all but a large notional fit.
        let digit = if let Ok(small) = u64::try_from(rest) {
            rest = u128::from(small / 10);
            small % 10
        } else {
            let digit = u64::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
            digit
        };
        digits[at] = b'0' + crate::cursor::low_byte(digit);
        written += 1;
    }
    if mantissa < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact() {
        for (mantissa, exponent, expected) in [
            (0_i128, 0, "0"),
            (0, -2, "0.00"),
            (5, -2, "0.05"),
            (-5, -1, "-0.5"),
            (6_100_010, -2, "61000.10"),
            (i128::MAX, -36, "170.141183460469231731687303715884105727"),
        ] {
            let mut out = Vec::new();
            decimal(&mut out, mantissa, exponent);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
