//! One day of dealer quotes of a currency pair, a zip with one CSV: `ms since midnight UTC,bid,ask`, no sizes.

use crate::event::Item;
use crate::replay::Recording;
use crate::replay::zipped::Lines;
use std::path::Path;
use wire::instrument::Instrument;
use wire::num::Number;
use wire::tick::{Change, Quote};

/// A tick is a tenth of a pip.
const EXPONENT: i8 = -5;

/// One file.
#[derive(Debug)]
pub struct Day {
    lines: Lines,
    instruments: [Instrument; 1],
}

/// Whether a file's name is that of such a day: `dealer_pair_date_quote.zip`.
#[must_use]
pub fn is_one(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.ends_with("_quote.zip") && name.split('_').count() == 4
}

/// Opens a day.
///
/// # Errors
/// One line that names the file.
pub fn open(path: &Path) -> Result<Day, String> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_ascii_uppercase();
    let mut parts = name.split('_');
    let (dealer, pair) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let instrument = Instrument {
        symbol: format!("{pair}.{dealer}"),
        price_exponent: EXPONENT,
        qty_exponent: 0,
        tick_size: 1,
        lot_size: 1,
        has_aggressor: false,
        has_size: false,
    };
    Ok(Day { lines: Lines::open(path)?, instruments: [instrument] })
}

impl Recording for Day {
    fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    fn next(&mut self, out: &mut Vec<Item>) -> Result<Option<i64>, String> {
        let Some(line) = self.lines.next()? else { return Ok(None) };
        let mut fields = line.split(',');
        let time = fields.next().and_then(|field| field.parse::<i64>().ok());
        let mut price = || fields.next()?.parse::<Number>().ok()?.rescale(EXPONENT).ok();
        match (time, price(), price()) {
            (Some(time), Some(bid), Some(ask)) => {
                let quote = Quote { bid, ask, bid_size: 0, ask_size: 0 };
                out.push(Item { due_ns: 0, instrument: 0, change: Change::Quote(quote) });
                Ok(Some(time * 1_000_000))
            }
            _ => Err(self.lines.broken("not a row of this kind")),
        }
    }

    fn inexact(&self) -> u64 {
        0
    }
}
