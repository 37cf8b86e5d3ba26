//! Dealer quotes of a currency pair: `ms since midnight UTC,bid,ask`, no sizes, no prints.

use crate::event::{Counts, Item};
use crate::replay::decimal::{Decimal, Rounding};
use crate::replay::lines::Lines;
use crate::replay::{Recording, date_ns, symbol};
use std::path::Path;
use wire::instrument::Instrument;
use wire::tick::{Change, Quote};

/// Pairs are quoted in fractional pips; those with yen two decimals coarser.
const PRICE_EXPONENT: i8 = -5;

/// One file.
#[derive(Debug)]
pub struct Rows {
    lines: Lines,
    midnight_ns: i64,
    instruments: [Instrument; 1],
    rounding: Rounding,
}

impl Rows {
    /// Opens a file named `dealer_pair_date_…`.
    ///
    /// # Errors
    /// One line that names the file.
    pub fn open(path: &Path) -> Result<Self, String> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let mut parts = name.split('_');
        let (Some(dealer), Some(pair)) = (parts.next(), parts.next()) else {
            return Err(format!("{}: a name like oanda_eurusd_20140508 is needed", path.display()));
        };
        let (dealer, pair) = (dealer.to_ascii_uppercase(), pair.to_ascii_uppercase());
        let instrument = Instrument {
            symbol: symbol(&pair, &dealer),
            price_exponent: if pair.contains("JPY") { PRICE_EXPONENT + 2 } else { PRICE_EXPONENT },
            qty_exponent: 0,
            tick_size: 1,
            lot_size: 1,
            has_aggressor: false,
            has_size: false,
        };
        Ok(Self {
            lines: Lines::open(path)?,
            midnight_ns: date_ns(name),
            instruments: [instrument],
            rounding: Rounding::default(),
        })
    }
}

fn split(line: &[u8]) -> Result<(i64, Decimal, Decimal), String> {
    let line = std::str::from_utf8(line).map_err(|_| "not text")?;
    let mut fields = line.split(',');
    let (Some(time), Some(bid), Some(ask), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err("a row of three fields is needed".to_owned());
    };
    let time = time.parse::<u32>().map_err(|_| "no time")?;
    Ok((i64::from(time) * 1_000_000, Decimal::parse(bid)?, Decimal::parse(ask)?))
}

impl Recording for Rows {
    fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    fn instruments_mut(&mut self) -> &mut [Instrument] {
        &mut self.instruments
    }

    fn next(&mut self, out: &mut Vec<Item>) -> Result<Option<i64>, String> {
        let Some(line) = self.lines.read()? else { return Ok(None) };
        let row = split(line);
        let quote = || {
            let (time_ns, bid, ask) = row?;
            let [this] = &self.instruments;
            let (bid, ask) = (self.rounding.price(this, bid)?, self.rounding.price(this, ask)?);
            // Both sides are there; how much of each, nobody says.
            Ok((time_ns, Quote { bid, ask, bid_size: 1, ask_size: 1 }))
        };
        let (time_ns, quote) = quote().map_err(|what: String| self.lines.broken(&what))?;
        out.push(Item { due_ns: 0, instrument: 0, change: Change::Quote(quote) });
        Ok(Some(self.midnight_ns + time_ns))
    }

    fn counts(&self) -> Counts {
        Counts { inexact: self.rounding.inexact(), ..Counts::default() }
    }
}
