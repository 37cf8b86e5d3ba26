//! Files in Databento's binary encoding: top of book, ten levels, prints.
//!
//! Times are those of the capture. Prints of an order-by-order file are told, its orders are counted and skipped, as
//! is every other kind without meaning here. Files of several schemas of one instrument tell the same print once
//! each: a folder should hold one schema.

mod record;

use crate::event::{Counts, Item};
use crate::replay::book::Book;
use crate::replay::decimal::{Decimal, Needs, Rounding};
use crate::replay::{Recording, TIME_NS_MAX, symbol};
use dbn::TsSymbolMap;
use record::{ABSENT, Told};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use wire::instrument::Instrument;
use wire::tick::{BookSide, Change, Quote, Trade};

/// One file.
pub struct Records {
    path: PathBuf,
    records: record::Records,
    symbols: TsSymbolMap,
    venue: String,
    number: u64,
    known: HashMap<String, u32>,
    instruments: Vec<Instrument>,
    last: Vec<Quote>,
    books: Vec<Book>,
    rounding: Rounding,
    skipped: u64,
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records")
            .field("path", &self.path)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

const fn nano(price: i64) -> Decimal {
    Decimal::new(price, -9)
}

impl Records {
    /// Opens a file and looks which instruments and prices it holds.
    ///
    /// # Errors
    /// One line that names file and record.
    pub fn open(path: &Path) -> Result<Self, String> {
        let named = |error: String| format!("{}: {error}", path.display());
        let (mut scan, metadata) = record::Records::open(path).map_err(named)?;
        let venue = metadata.dataset.split('.').next().unwrap_or("DBN").to_owned();
        let symbols = metadata.symbol_map().map_err(|error| named(error.to_string()))?;
        let mut records = Self {
            path: path.to_owned(),
            records: record::Records::open(path).map_err(named)?.0,
            symbols,
            venue,
            number: 0,
            known: HashMap::new(),
            instruments: Vec::new(),
            last: Vec::new(),
            books: Vec::new(),
            rounding: Rounding::default(),
            skipped: 0,
        };
        let mut needs: Vec<Needs> = Vec::new();
        let mut number = 0;
        loop {
            number += 1;
            let record = scan.next().map_err(|error| format!("{}:{number}: {error}", path.display()))?;
            let Some(record) = record else { break };
            let Some(told) = record.told else { continue };
            let name = name_of(&records.symbols, record.time_ns, record.instrument);
            let at = records.place(&name) as usize;
            needs.resize(records.instruments.len(), Needs::default());
            let levels = told.levels.iter().flat_map(|level| [level.bid, level.ask]);
            let prices = levels.chain(told.trade.map(|trade| trade.0)).filter(|price| *price != ABSENT);
            prices.for_each(|price| needs[at].see(nano(price)));
        }
        for (instrument, needs) in records.instruments.iter_mut().zip(needs) {
            instrument.price_exponent = needs.exponent();
        }
        Ok(records)
    }

    /// An instrument's index; it is made where it is new.
    fn place(&mut self, name: &str) -> u32 {
        if let Some(at) = self.known.get(name) {
            return *at;
        }
        let at = u32::try_from(self.instruments.len()).unwrap_or(u32::MAX);
        self.known.insert(name.to_owned(), at);
        self.instruments.push(Instrument {
            symbol: symbol(name, &self.venue),
            price_exponent: 0,
            qty_exponent: 0,
            tick_size: 1,
            lot_size: 1,
            has_aggressor: true,
            has_size: true,
        });
        self.last.push(Quote::default());
        self.books.push(Book::default());
        at
    }

    fn changes(&mut self, at: usize, told: &Told) -> Result<Vec<Change>, String> {
        let this = &self.instruments[at];
        let mut changes = Vec::new();
        if let [best, rest @ ..] = &told.levels[..] {
            let quote = &mut self.last[at];
            (quote.bid_size, quote.ask_size) = (i64::from(best.bid_size), i64::from(best.ask_size));
            for (price, size, from) in [
                (&mut quote.bid, &mut quote.bid_size, best.bid),
                (&mut quote.ask, &mut quote.ask_size, best.ask),
            ] {
                if from == ABSENT {
                    *size = 0;
                } else {
                    *price = self.rounding.price(this, nano(from))?;
                }
            }
            if !rest.is_empty() {
                let book = &mut self.books[at];
                book.clear();
                for level in &told.levels {
                    for (side, price, size) in [
                        (BookSide::Bid, level.bid, level.bid_size),
                        (BookSide::Ask, level.ask, level.ask_size),
                    ] {
                        if price != ABSENT {
                            book.set(side, self.rounding.price(this, nano(price))?, i64::from(size));
                        }
                    }
                }
                book.changes(&mut changes);
            }
            changes.push(Change::Quote(self.last[at]));
        }
        if let Some((price, size, aggressor)) = told.trade {
            let price = self.rounding.price(this, nano(price))?;
            let trade = Change::Trade(Trade { price, qty: i64::from(size), trade_id: 0, aggressor });
            // A print never comes after the quote that it made.
            changes.insert(if told.before { changes.len() } else { 0 }, trade);
        }
        Ok(changes)
    }
}

fn name_of(symbols: &TsSymbolMap, time_ns: u64, number: u32) -> String {
    symbols.get_for_ts(time_ns, number).map_or_else(|| number.to_string(), Clone::clone)
}

impl Recording for Records {
    fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    fn instruments_mut(&mut self) -> &mut [Instrument] {
        &mut self.instruments
    }

    fn next(&mut self, out: &mut Vec<Item>) -> Result<Option<i64>, String> {
        self.number += 1;
        let number = self.number;
        let broken = |error: String| format!("{}:{number}: {error}", self.path.display());
        let Some(record) = self.records.next().map_err(broken)? else {
            return Ok(None);
        };
        let time = i64::try_from(record.time_ns).ok().filter(|time| *time <= TIME_NS_MAX);
        let time = time.ok_or_else(|| broken("no time".to_owned()))?;
        let Some(told) = record.told else {
            self.skipped += 1;
            return Ok(Some(time));
        };
        let name = name_of(&self.symbols, record.time_ns, record.instrument);
        let instrument = self.place(&name);
        let changes = self.changes(instrument as usize, &told);
        let changes = changes.map_err(|error| format!("{}:{number}: {error}", self.path.display()))?;
        out.extend(changes.into_iter().map(|change| Item { due_ns: 0, instrument, change }));
        Ok(Some(time))
    }

    fn counts(&self) -> Counts {
        Counts { inexact: self.rounding.inexact(), skipped: self.skipped, time_back: 0 }
    }
}
