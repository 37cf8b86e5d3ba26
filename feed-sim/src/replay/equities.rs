//! US equities of the consolidated feed: rows of quotes or prints of one stock over all exchanges, one instrument each.
//!
//! `time,bid,bid size,ask,ask size,exchange,…`, where a row carries one side and `0,0` says nothing of the other; and
//! `time,price,size,exchange,…`. Prices are in 1/10,000 dollar, time in ms since midnight New York. No consolidated
//! best is made: exchanges that stopped quoting would cross it.

use crate::event::{Counts, Item};
use crate::replay::decimal::{Decimal, Rounding};
use crate::replay::lines::Lines;
use crate::replay::{DAY_NS, Recording, date_ns, symbol};
use std::path::Path;
use wire::instrument::Instrument;
use wire::tick::{Aggressor, Change, Quote, Trade};

/// One file.
#[derive(Debug)]
pub struct Rows {
    lines: Lines,
    quotes: bool,
    midnight_ns: i64,
    /// By exchange letter: index among the instruments.
    exchanges: [Option<u32>; 26],
    instruments: Vec<Instrument>,
    last: Vec<Quote>,
    rounding: Rounding,
}

/// Dollars are told in cents.
const PRICE_EXPONENT: i8 = -2;

fn letter(row: &[&str], quotes: bool) -> Option<usize> {
    match row.get(if quotes { 5 } else { 3 })?.as_bytes() {
        [letter @ b'A'..=b'Z'] => Some(usize::from(letter - b'A')),
        _ => None,
    }
}

/// Splits a row; quotes have eight fields, prints six.
fn split(line: &[u8], quotes: bool) -> Result<Vec<&str>, &'static str> {
    let line = std::str::from_utf8(line).map_err(|_| "not text")?;
    let row: Vec<&str> = line.split(',').collect();
    if row.len() == if quotes { 8 } else { 6 } { Ok(row) } else { Err("a row of another length") }
}

impl Rows {
    /// Opens a file and looks which exchanges it names.
    ///
    /// # Errors
    /// One line that names file and line.
    pub fn open(path: &Path) -> Result<Self, String> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let stock = name.split(['_', '.']).next().unwrap_or_default().to_ascii_uppercase();
        let mut lines = Lines::open(path)?;
        let mut quotes = None;
        let mut named = [false; 26];
        while let Some(line) = lines.read()? {
            let quotes =
                *quotes.get_or_insert_with(|| line.iter().filter(|byte| **byte == b',').count() == 7);
            let letter = split(line, quotes).and_then(|row| letter(&row, quotes).ok_or("no exchange"));
            match letter {
                Ok(letter) => named[letter] = true,
                Err(what) => return Err(lines.broken(what)),
            }
        }
        let (mut exchanges, mut instruments) = ([None; 26], Vec::new());
        for (place, letter) in exchanges.iter_mut().zip(b'A'..=b'Z') {
            if named[usize::from(letter - b'A')] {
                *place = u32::try_from(instruments.len()).ok();
                instruments.push(Instrument {
                    symbol: symbol(&stock, &char::from(letter).to_string()),
                    price_exponent: PRICE_EXPONENT,
                    qty_exponent: 0,
                    tick_size: 1,
                    lot_size: 1,
                    has_aggressor: false,
                    has_size: true,
                });
            }
        }
        Ok(Self {
            lines: Lines::open(path)?,
            quotes: quotes.unwrap_or(true),
            midnight_ns: date_ns(name),
            exchanges,
            last: vec![Quote::default(); instruments.len()],
            instruments,
            rounding: Rounding::default(),
        })
    }

    fn change(&mut self, row: &[i64], instrument: u32) -> Result<Option<Change>, String> {
        let at = instrument as usize;
        let this = &self.instruments[at];
        let mut price = |mantissa| self.rounding.price(this, Decimal::new(mantissa, -4));
        if !self.quotes {
            let price = price(row[1])?;
            let trade = Trade { price, qty: row[2], trade_id: 0, aggressor: Aggressor::None };
            return Ok((row[2] > 0).then_some(Change::Trade(trade)));
        }
        let quote = &mut self.last[at];
        if (row[1], row[2]) != (0, 0) {
            (quote.bid, quote.bid_size) = (price(row[1])?, row[2]);
        }
        if (row[3], row[4]) != (0, 0) {
            (quote.ask, quote.ask_size) = (price(row[3])?, row[4]);
        }
        Ok(Some(Change::Quote(*quote)))
    }
}

impl Recording for Rows {
    fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    fn instruments_mut(&mut self) -> &mut [Instrument] {
        &mut self.instruments
    }

    fn next(&mut self, out: &mut Vec<Item>) -> Result<Option<i64>, String> {
        let (quotes, exchanges) = (self.quotes, self.exchanges);
        let Some(line) = self.lines.read()? else { return Ok(None) };
        let read = || {
            let row = split(line, quotes)?;
            let letter = letter(&row, quotes).ok_or("no exchange")?;
            let mut numbers = [0; 5];
            for (number, text) in numbers.iter_mut().zip(&row[..if quotes { 5 } else { 3 }]) {
                *number = text.parse::<i64>().ok().filter(|n| (0..1 << 52).contains(n)).ok_or("no number")?;
            }
            if numbers[0] >= 2 * DAY_NS / 1_000_000 {
                return Err("no time of a day");
            }
            Ok((numbers, exchanges[letter].ok_or("the file changed while it was read")?))
        };
        let (row, instrument) = read().map_err(|what: &str| self.lines.broken(what))?;
        let change = self.change(&row, instrument).map_err(|what| self.lines.broken(&what))?;
        out.extend(change.map(|change| Item { due_ns: 0, instrument, change }));
        Ok(Some(self.midnight_ns + row[0] * 1_000_000))
    }

    fn counts(&self) -> Counts {
        Counts { inexact: self.rounding.inexact(), ..Counts::default() }
    }
}
