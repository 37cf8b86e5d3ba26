//! One day of US consolidated quotes or trades of a symbol, a zip with one CSV. Each exchange is an instrument of its
//! own: a best quote over all of them would be crossed, since quotes of exchanges that stopped quoting stay.
//!
//! A quote row carries one side; the other one stays as it was.

use crate::event::Item;
use crate::replay::Recording;
use crate::replay::zipped::{Lines, rounded};
use std::path::Path;
use wire::instrument::Instrument;
use wire::tick::{Aggressor, Change, Quote, Trade};

/// One file.
#[derive(Debug)]
pub struct Day {
    lines: Lines,
    is_quotes: bool,
    exchanges: Vec<String>,
    instruments: Vec<Instrument>,
    quotes: Vec<Quote>,
    trade_ids: Vec<u64>,
    inexact: u64,
}

/// Prices are in 1/10,000 dollar; one cent is a tick.
const CENT: i64 = 100;

/// Whether a file's name is that of such a day.
#[must_use]
pub fn is_one(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    (name.ends_with("_quote.zip") || name.ends_with("_trade.zip")) && name.split('_').count() == 3
}

/// Opens a day. It is read once to learn its exchanges.
///
/// # Errors
/// One line that names file and line.
pub fn open(path: &Path) -> Result<Day, String> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let symbol = name.split('_').next().unwrap_or_default().to_ascii_uppercase();
    let is_quotes = name.ends_with("_quote.zip");
    let column = if is_quotes { 5 } else { 3 };
    let mut exchanges: Vec<String> = Vec::new();
    let mut lines = Lines::open(path)?;
    while let Some(line) = lines.next()? {
        let exchange = line.split(',').nth(column).unwrap_or_default();
        if !exchanges.iter().any(|known| known == exchange) {
            if exchange.is_empty()
                || exchange.len() > 8
                || !exchange.bytes().all(|b| b.is_ascii_alphanumeric())
            {
                return Err(lines.broken("no exchange in its column"));
            }
            exchanges.push(exchange.to_owned());
        }
    }
    exchanges.sort();
    let instrument = |exchange: &String| Instrument {
        symbol: format!("{symbol}.{exchange}"),
        price_exponent: -2,
        qty_exponent: 0,
        tick_size: 1,
        lot_size: 1,
        has_aggressor: false,
        has_size: true,
    };
    Ok(Day {
        lines: Lines::open(path)?,
        is_quotes,
        instruments: exchanges.iter().map(instrument).collect(),
        quotes: vec![Quote::default(); exchanges.len()],
        trade_ids: vec![0; exchanges.len()],
        exchanges,
        inexact: 0,
    })
}

impl Day {
    fn price(&mut self, value: i64) -> i64 {
        let (price, inexact) = rounded(value, CENT);
        self.inexact += u64::from(inexact);
        price
    }

    fn change(&mut self, at: usize, numbers: [i64; 4]) -> Change {
        if !self.is_quotes {
            self.trade_ids[at] += 1;
            let (price, trade_id) = (self.price(numbers[0]), self.trade_ids[at]);
            return Change::Trade(Trade { price, qty: numbers[1], trade_id, aggressor: Aggressor::None });
        }
        let [bid, bid_size, ask, ask_size] = numbers;
        if (bid, bid_size) != (0, 0) {
            (self.quotes[at].bid, self.quotes[at].bid_size) = (self.price(bid), bid_size);
        }
        if (ask, ask_size) != (0, 0) {
            (self.quotes[at].ask, self.quotes[at].ask_size) = (self.price(ask), ask_size);
        }
        Change::Quote(self.quotes[at])
    }
}

impl Recording for Day {
    fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    fn next(&mut self, out: &mut Vec<Item>) -> Result<Option<i64>, String> {
        let wanted = if self.is_quotes { 5 } else { 3 };
        let Some(line) = self.lines.next()? else { return Ok(None) };
        let mut numbers = [0_i64; 5];
        let mut fields = line.split(',');
        let mut good = true;
        for number in numbers.iter_mut().take(wanted) {
            match fields.next().and_then(|field| field.parse().ok()) {
                Some(value) if value >= 0 => *number = value,
                _ => good = false,
            }
        }
        let exchange = fields.next().unwrap_or_default();
        let at = self.exchanges.binary_search_by(|known| known.as_str().cmp(exchange));
        let (true, Ok(at)) = (good, at) else {
            return Err(self.lines.broken("not a row of this kind"));
        };
        let change = self.change(at, [numbers[1], numbers[2], numbers[3], numbers[4]]);
        out.push(Item { due_ns: 0, instrument: u32::try_from(at).unwrap_or(0), change });
        Ok(Some(numbers[0] * 1_000_000))
    }

    fn inexact(&self) -> u64 {
        self.inexact
    }
}
