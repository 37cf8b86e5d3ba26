//! Captures of other venues: `<receive time, s>: <message>` a line behind a few lines of handshake, many instruments
//! a file, beside the venue's list of instruments.
//!
//! Each venue's messages are read in [`mod@read`]'s files; here they become changes. Where a venue tells no best bid
//! and ask, or tells its book more often, the quote is the best of the book as far as it was told.

mod list;
mod read;
mod read_more;

use crate::event::{Counts, Item};
use crate::replay::book::Book;
use crate::replay::decimal::{Decimal, Needs, Rounding};
use crate::replay::json::Json;
use crate::replay::lines::Lines;
use crate::replay::{Recording, TIME_NS_MAX, symbol};
use std::collections::HashMap;
use std::path::Path;
use wire::instrument::Instrument;
use wire::tick::{Aggressor, BookSide, Change, Quote, Trade};

/// Venues beat or speak more often than this.
const SILENT_AFTER_NS: i64 = 15_000_000_000;

/// What a message says of one instrument.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    /// Bid, ask, bid size, ask size.
    Quote([Decimal; 4]),
    Trade {
        price: Decimal,
        qty: Decimal,
        id: Option<u64>,
        aggressor: Aggressor,
    },
    /// `image` = forget all earlier levels.
    Book {
        image: bool,
        levels: Vec<(BookSide, Decimal, Decimal)>,
    },
}

/// Reads one venue's messages.
trait Reader {
    /// Appends what a message says, each with the venue's name of the instrument. False = nothing that has a meaning
    /// here.
    fn read(&mut self, message: &Json<'_>, out: &mut Vec<(String, Told)>) -> Result<bool, String>;
    /// Whether the venue tells best bid and ask itself.
    fn tells_quotes(&self) -> bool;
}

/// The venue's name in symbols, its reader, and where its list names ticks and lots.
fn venue(name: &str) -> Option<(&'static str, Box<dyn Reader>, list::Keys)> {
    let keys = |name: &'static [&'static str], tick, lot| list::Keys { name, tick, lot, decimals: false };
    let decimals = |keys| list::Keys { decimals: true, ..keys };
    let steps = keys(&["symbol"], &["tickSize"], &["stepSize"]);
    Some(match name {
        "BINANCE_FUTURES" => ("BINANCE_USDM", Box::new(read::Binance), steps),
        "BINANCE_DELIVERY" => ("BINANCE_CM", Box::new(read::Binance), steps),
        "BITFINEX" => ("BITFINEX", Box::<read::Bitfinex>::default(), keys(&[], &[], &[])),
        "BITMEX" => {
            ("BITMEX", Box::<read::Bitmex>::default(), keys(&["symbol"], &["tickSize"], &["lotSize"]))
        }
        "BITSTAMP" => (
            "BITSTAMP",
            Box::new(read::Bitstamp),
            decimals(keys(&["url_symbol"], &["counter_decimals"], &["base_decimals"])),
        ),
        "DERIBIT" => (
            "DERIBIT",
            Box::new(read_more::Deribit),
            keys(&["instrument_name"], &["tick_size"], &["min_trade_amount"]),
        ),
        // Gemini's `tick_size` is the step of the quantity.
        "GEMINI" => {
            ("GEMINI", Box::new(read_more::Gemini), keys(&["symbol"], &["quote_increment"], &["tick_size"]))
        }
        "KRAKEN" => (
            "KRAKEN",
            Box::new(read_more::Kraken),
            decimals(keys(&["wsname"], &["pair_decimals"], &["lot_decimals"])),
        ),
        "KUCOIN" => (
            "KUCOIN",
            Box::new(read_more::Kucoin),
            keys(&["symbol"], &["priceIncrement"], &["baseIncrement"]),
        ),
        "OKX" => ("OKX", Box::new(read_more::Okx), keys(&["instId"], &["tickSz"], &["lotSz"])),
        "PHEMEX" => (
            "PHEMEX",
            Box::new(read_more::Phemex),
            keys(&["symbol"], &["tickSize", "quoteTickSize"], &["lotSize", "baseTickSize"]),
        ),
        "UPBIT" => ("UPBIT", Box::new(read_more::Upbit), keys(&[], &[], &[])),
        _ => return None,
    })
}

/// One capture.
pub struct Capture {
    lines: Lines,
    reader: Box<dyn Reader>,
    known: HashMap<String, u32>,
    instruments: Vec<Instrument>,
    books: Vec<Book>,
    last: Vec<Quote>,
    begin_ns: Option<i64>,
    rounding: Rounding,
    skipped: u64,
}

impl std::fmt::Debug for Capture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Capture").field("lines", &self.lines).finish_non_exhaustive()
    }
}

/// Splits a line; `None` for the handshake's lines.
fn split(line: &[u8]) -> Result<Option<(i64, &str)>, String> {
    let line = std::str::from_utf8(line).map_err(|_| "not UTF-8")?;
    if line.starts_with("wss://") || line.is_empty() {
        return Ok(None);
    }
    let (time, message) = line.split_once(": ").ok_or("no time in front")?;
    let (time, _) = Decimal::parse(time)?.rounded(-9).ok_or("no time in front")?;
    if !(0..=TIME_NS_MAX).contains(&time) {
        return Err("no time in front".to_owned());
    }
    // Upbit's messages were written as byte literals.
    let message = message.strip_prefix("b'").and_then(|rest| rest.strip_suffix('\'')).unwrap_or(message);
    Ok(Some((time, message)))
}

fn read(
    reader: &mut dyn Reader,
    line: &[u8],
    out: &mut Vec<(String, Told)>,
) -> Result<Option<(i64, bool)>, String> {
    let Some((time, message)) = split(line)? else { return Ok(None) };
    let known = reader.read(&Json::parse(message)?, out)?;
    Ok(Some((time, known)))
}

impl Capture {
    /// Opens a capture named `VENUE.ws.…` and looks which instruments and numbers it holds. Exponents are those of the
    /// venue's list beside it, else the smallest that hold the recording.
    ///
    /// # Errors
    /// One line that names file and line.
    pub fn open(path: &Path) -> Result<Self, String> {
        let name = name_of(path);
        let unknown = || format!("{}: {name:?} is no venue that is known here", path.display());
        let (venue_name, mut reader, keys) = venue(name).ok_or_else(unknown)?;
        let steps = list::read(&path.with_file_name(format!("{name}.0.gz")), &keys)?;
        let mut lines = Lines::open(path)?;
        let (mut known, mut needs) = (HashMap::new(), Vec::new());
        let mut told = Vec::new();
        while let Some(line) = lines.read()? {
            if let Err(what) = read(&mut *reader, line, &mut told) {
                return Err(lines.broken(&what));
            }
            for (name, told) in told.drain(..) {
                let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
                let at = *known.entry(name).or_insert(next) as usize;
                needs.resize(known.len(), (Needs::default(), Needs::default()));
                let (prices, quantities) = &mut needs[at];
                see(&told, prices, quantities);
            }
        }
        let mut names: Vec<(&String, &u32)> = known.iter().collect();
        names.sort_by_key(|(_, at)| **at);
        let instruments: Vec<Instrument> = names
            .iter()
            .zip(&needs)
            .map(|((name, _), needs)| instrument(name, venue_name, steps.get(*name), *needs))
            .collect();
        let (_, reader, _) = venue(name).ok_or_else(unknown)?;
        Ok(Self {
            lines: Lines::open(path)?,
            reader,
            known,
            books: instruments.iter().map(|_| Book::default()).collect(),
            last: vec![Quote::default(); instruments.len()],
            instruments,
            begin_ns: None,
            rounding: Rounding::default(),
            skipped: 0,
        })
    }

    fn take(&mut self, at: usize, told: Told, out: &mut Vec<Change>) -> Result<(), String> {
        let (this, rounding) = (&self.instruments[at], &mut self.rounding);
        match told {
            Told::Quote([bid, ask, bid_size, ask_size]) => {
                let quote = &mut self.last[at];
                (quote.bid_size, quote.ask_size) =
                    (rounding.qty(this, bid_size)?, rounding.qty(this, ask_size)?);
                if quote.bid_size > 0 {
                    quote.bid = rounding.price(this, bid)?;
                }
                if quote.ask_size > 0 {
                    quote.ask = rounding.price(this, ask)?;
                }
                out.push(Change::Quote(*quote));
            }
            Told::Trade { price, qty, id, aggressor } => {
                let (price, qty) = (rounding.price(this, price)?, rounding.qty(this, qty)?);
                let trade_id = id.filter(|id| *id <= wire::MANTISSA_MAX.unsigned_abs()).unwrap_or(0);
                out.push(Change::Trade(Trade { price, qty: qty.max(1), trade_id, aggressor }));
            }
            Told::Book { image, levels } => {
                let book = &mut self.books[at];
                if image {
                    book.clear();
                }
                for (side, price, qty) in levels {
                    book.set(side, rounding.price(this, price)?, rounding.qty(this, qty)?);
                }
                book.changes(out);
                if !self.reader.tells_quotes() {
                    out.extend(book.quote().map(Change::Quote));
                }
            }
        }
        Ok(())
    }
}

fn name_of(path: &Path) -> &str {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.split('.').next().unwrap_or_default()
}

fn see(told: &Told, prices: &mut Needs, quantities: &mut Needs) {
    match told {
        Told::Quote([bid, ask, bid_size, ask_size]) => {
            for (price, size) in [(bid, bid_size), (ask, ask_size)] {
                if !size.is_zero() {
                    prices.see(*price);
                    quantities.see(*size);
                }
            }
        }
        Told::Trade { price, qty, .. } => {
            prices.see(*price);
            quantities.see(*qty);
        }
        Told::Book { levels, .. } => {
            for (_, price, qty) in levels {
                prices.see(*price);
                quantities.see(*qty);
            }
        }
    }
}

fn instrument(name: &str, venue: &str, steps: Option<&list::Steps>, needs: (Needs, Needs)) -> Instrument {
    let listed = steps.copied().unwrap_or_default();
    let (price_exponent, tick_size) = listed.tick.unwrap_or_else(|| (needs.0.exponent(), 1));
    let (qty_exponent, lot_size) = listed.lot.unwrap_or_else(|| (needs.1.exponent(), 1));
    Instrument {
        // Bitstamp writes its pairs in small letters where all others, and its users, write capitals.
        symbol: if venue == "BITSTAMP" {
            symbol(&name.to_ascii_uppercase(), venue)
        } else {
            symbol(name, venue)
        },
        price_exponent,
        qty_exponent,
        tick_size,
        lot_size,
        has_aggressor: true,
        has_size: true,
    }
}

impl Recording for Capture {
    fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    fn instruments_mut(&mut self) -> &mut [Instrument] {
        &mut self.instruments
    }

    fn next(&mut self, out: &mut Vec<Item>) -> Result<Option<i64>, String> {
        let mut told = Vec::new();
        let (time, known) = loop {
            let Some(line) = self.lines.read()? else { return Ok(None) };
            match read(&mut *self.reader, line, &mut told) {
                Ok(Some(read)) => break read,
                Ok(None) => {}
                Err(what) => return Err(self.lines.broken(&what)),
            }
        };
        self.skipped += u64::from(!known);
        for (name, told) in told {
            let Some(instrument) = self.known.get(&name).copied() else { continue };
            let mut changes = Vec::new();
            if let Err(what) = self.take(instrument as usize, told, &mut changes) {
                return Err(self.lines.broken(&what));
            }
            out.extend(changes.into_iter().map(|change| Item { due_ns: 0, instrument, change }));
        }
        // Captures of different days begin together.
        let begin_ns = *self.begin_ns.get_or_insert(time);
        Ok(Some(time - begin_ns))
    }

    fn silent_after_ns(&self) -> Option<i64> {
        Some(SILENT_AFTER_NS)
    }

    fn counts(&self) -> Counts {
        Counts { inexact: self.rounding.inexact(), skipped: self.skipped, time_back: 0 }
    }
}
