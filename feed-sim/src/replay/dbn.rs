//! Files in Databento's binary encoding: top of book, ten levels, prints.
//!
//! Times are those of the capture. Prints of an order-by-order file are told, its orders are counted and skipped, as
//! is every other kind without meaning here. Files of several schemas of one instrument tell the same print once
//! each: a folder should hold one schema.

use crate::event::{Counts, Item};
use crate::replay::book::Book;
use crate::replay::decimal::{Decimal, Needs, Rounding};
use crate::replay::{Recording, TIME_NS_MAX, symbol};
use dbn::decode::{DbnMetadata, DecodeRecordRef, DynReader};
use dbn::{
    BboMsg, BidAskPair, HasRType, MboMsg, Mbp1Msg, Mbp10Msg, Record, RecordHeader, RecordRef, SymbolIndex,
    TradeMsg, TsSymbolMap,
};
use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use wire::instrument::Instrument;
use wire::tick::{Aggressor, BookSide, Change, Quote, Trade};

type Decoder = dbn::decode::DbnDecoder<DynReader<'static, BufReader<File>>>;

/// One file.
pub struct Records {
    path: PathBuf,
    decoder: Decoder,
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

/// What a record says here; numbers are 10^−9.
#[derive(Debug, Default)]
struct Told {
    trade: Option<(i64, u32, Aggressor)>,
    levels: Vec<BidAskPair>,
    /// The levels are those before the print.
    before: bool,
}

const ABSENT: i64 = dbn::UNDEF_PRICE;

/// A record of this kind, or none where it is of another.
fn get<'a, T: HasRType<Header = RecordHeader>>(record: RecordRef<'a>) -> Result<Option<&'a T>, String> {
    // The decoder's own `get` panics on a record that is shorter than its kind.
    if record.has::<T>() && record.record_size() < size_of::<T>() {
        return Err(format!(
            "a record of {} bytes where {} are needed",
            record.record_size(),
            size_of::<T>()
        ));
    }
    Ok(record.get::<T>())
}

/// When a record was captured, ns. Its length must have been checked by [`told`]: only of these kinds it was.
fn time_of(record: RecordRef<'_>) -> Option<i64> {
    let checked = record.has::<Mbp1Msg>()
        || record.has::<Mbp10Msg>()
        || record.has::<BboMsg>()
        || record.has::<TradeMsg>()
        || record.has::<MboMsg>();
    let time = if checked { record.raw_index_ts() } else { record.header().ts_event };
    i64::try_from(time).ok().filter(|time| *time <= TIME_NS_MAX)
}

fn told(record: RecordRef<'_>) -> Result<Option<Told>, String> {
    let trade = |action: u8, side: u8, price: i64, size: u32| {
        let aggressor = match side {
            b'B' => Aggressor::Buy,
            b'A' => Aggressor::Sell,
            _ => Aggressor::None,
        };
        (action == b'T' && price != ABSENT && size > 0).then_some((price, size, aggressor))
    };
    if let Some(m) = get::<Mbp1Msg>(record)? {
        let trade = trade(m.action.cast_unsigned(), m.side.cast_unsigned(), m.price, m.size);
        let before = trade.is_some() && m.hd.rtype == dbn::rtype::MBP_1;
        return Ok(Some(Told { trade, levels: m.levels.to_vec(), before }));
    }
    if let Some(m) = get::<Mbp10Msg>(record)? {
        let trade = trade(m.action.cast_unsigned(), m.side.cast_unsigned(), m.price, m.size);
        return Ok(Some(Told { trade, levels: m.levels.to_vec(), before: false }));
    }
    if let Some(m) = get::<BboMsg>(record)? {
        return Ok(Some(Told { levels: m.levels.to_vec(), ..Told::default() }));
    }
    if let Some(m) = get::<TradeMsg>(record)? {
        let trade = trade(m.action.cast_unsigned(), m.side.cast_unsigned(), m.price, m.size);
        return Ok(trade.is_some().then(|| Told { trade, ..Told::default() }));
    }
    if let Some(m) = get::<MboMsg>(record)? {
        let trade = trade(m.action.cast_unsigned(), m.side.cast_unsigned(), m.price, m.size);
        return Ok(trade.is_some().then(|| Told { trade, ..Told::default() }));
    }
    Ok(None)
}

const fn nano(price: i64) -> Decimal {
    Decimal::new(price, -9)
}

fn decoder(path: &Path) -> Result<Decoder, String> {
    let named = |error: dbn::Error| format!("{}: {error}", path.display());
    let reader = DynReader::from_file(path).map_err(named)?;
    Decoder::new(reader).map_err(named)
}

impl Records {
    /// Opens a file and looks which instruments and prices it holds.
    ///
    /// # Errors
    /// One line that names file and record.
    pub fn open(path: &Path) -> Result<Self, String> {
        let mut scan = decoder(path)?;
        let metadata = scan.metadata();
        let venue = metadata.dataset.split('.').next().unwrap_or("DBN").to_owned();
        let symbols = metadata.symbol_map().map_err(|error| format!("{}: {error}", path.display()))?;
        let mut records = Self {
            path: path.to_owned(),
            decoder: decoder(path)?,
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
            let broken = |error: &dyn std::fmt::Display| format!("{}:{number}: {error}", path.display());
            let record = scan.decode_record_ref().map_err(|error| broken(&error))?;
            let Some(record) = record else { break };
            let Some(told) = told(record).map_err(|error| broken(&error))? else { continue };
            let name = name_of(&records.symbols, record);
            let at = records.place(&name) as usize;
            needs.resize(records.instruments.len(), Needs::default());
            let levels = told.levels.iter().flat_map(|level| [level.bid_px, level.ask_px]);
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
            (quote.bid_size, quote.ask_size) = (i64::from(best.bid_sz), i64::from(best.ask_sz));
            for (price, size, from) in [
                (&mut quote.bid, &mut quote.bid_size, best.bid_px),
                (&mut quote.ask, &mut quote.ask_size, best.ask_px),
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
                        (BookSide::Bid, level.bid_px, level.bid_sz),
                        (BookSide::Ask, level.ask_px, level.ask_sz),
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

fn name_of(symbols: &TsSymbolMap, record: RecordRef<'_>) -> String {
    let number = record.header().instrument_id;
    symbols.get_for_rec(&record).map_or_else(|| number.to_string(), Clone::clone)
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
        let broken = |error: &dyn std::fmt::Display| format!("{}:{number}: {error}", self.path.display());
        let Some(record) = self.decoder.decode_record_ref().map_err(|error| broken(&error))? else {
            return Ok(None);
        };
        let told = told(record).map_err(|error| broken(&error))?;
        let time = time_of(record).ok_or_else(|| broken(&"no time"))?;
        let Some(told) = told else {
            self.skipped += 1;
            return Ok(Some(time));
        };
        let name = name_of(&self.symbols, record);
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
