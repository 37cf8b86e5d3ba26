//! Captures of Binance's combined streams, one instrument a file: `<receive time, ns> <message>` a line, gzip. Files of
//! one instrument go on in the order of their names, and the book with them.
//!
//! `bookTicker` is a quote, `trade` a print, `depth` book levels; one line without an envelope is the REST snapshot of
//! the book, and updates that it already holds are skipped. Times are the recorder's: its clock is behind the venue's,
//! and spot quotes have no other.

use crate::event::{Counts, Item};
use crate::replay::book::Book;
use crate::replay::decimal::{Decimal, Needs, Rounding};
use crate::replay::lines::Lines;
use crate::replay::{Recording, TIME_NS_MAX, symbol};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use wire::MANTISSA_MAX;
use wire::instrument::Instrument;
use wire::tick::{Aggressor, BookSide, Change, Quote, Trade};

/// A stream of many messages a second that says nothing for this long is broken.
const SILENT_AFTER_NS: i64 = 5_000_000_000;

/// Price and quantity exponents of the venue's list, for the instruments that we hold recordings of.
const LISTED: [(&str, i8, i8); 6] = [
    ("BTCUSDT.BINANCE", -2, -5),
    ("ETHUSDT.BINANCE", -2, -4),
    ("BTCUSDT.BINANCE_USDM", -1, -3),
    ("ETHUSDT.BINANCE_USDM", -2, -3),
    ("BTCUSD_PERP.BINANCE_CM", -1, 0),
    ("ETHUSD_PERP.BINANCE_CM", -2, 0),
];

/// One file.
#[derive(Debug)]
pub struct Capture {
    lines: Lines,
    /// Files that go on where this one ends, the next one last.
    later: Vec<PathBuf>,
    instruments: [Instrument; 1],
    book: Book,
    /// Update id of the snapshot that the book began with.
    image: Option<u64>,
    /// Updates before the snapshot, which may be newer than it.
    early: Vec<(Option<u64>, Levels)>,
    rounding: Rounding,
    skipped: u64,
}

type Level<'a> = (&'a str, &'a str);
type Levels = Vec<(BookSide, Decimal, Decimal)>;

/// Most updates that are kept while a snapshot is awaited; a file that goes on from another has none.
const EARLY_MAX: usize = 1_000;

#[derive(Deserialize)]
struct Message<'a> {
    stream: Option<&'a str>,
    #[serde(borrow)]
    data: Option<Data<'a>>,
    #[serde(rename = "lastUpdateId")]
    last_update_id: Option<u64>,
    #[serde(borrow)]
    bids: Option<Vec<Level<'a>>>,
    #[serde(borrow)]
    asks: Option<Vec<Level<'a>>>,
}

/// The members of all kinds that are used.
#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    b: Option<Side<'a>>,
    #[serde(borrow)]
    a: Option<Side<'a>>,
    #[serde(rename = "B")]
    bid_size: Option<&'a str>,
    #[serde(rename = "A")]
    ask_size: Option<&'a str>,
    p: Option<&'a str>,
    q: Option<&'a str>,
    t: Option<u64>,
    u: Option<u64>,
    m: Option<bool>,
}

/// `b` and `a` are a price in a quote, and levels in a book update.
#[derive(Deserialize)]
#[serde(untagged)]
enum Side<'a> {
    Price(&'a str),
    #[serde(borrow)]
    Levels(Vec<Level<'a>>),
    Id(#[expect(dead_code, reason = "old prints name the buyer's order here")] u64),
}

/// What a message says.
enum Told {
    Quote([Decimal; 4]),
    Trade { price: Decimal, qty: Decimal, trade_id: u64, aggressor: Aggressor },
    Levels { image: bool, update: Option<u64>, levels: Levels },
    Unknown,
}

fn number(text: Option<&str>) -> Result<Decimal, String> {
    Decimal::parse(text.ok_or("a price or a quantity is missing")?)
}

fn levels(bids: &[Level<'_>], asks: &[Level<'_>]) -> Result<Levels, String> {
    let bids = bids.iter().map(|level| (BookSide::Bid, level));
    let asks = asks.iter().map(|level| (BookSide::Ask, level));
    let read = |(side, (price, qty)): (BookSide, &Level<'_>)| {
        Ok((side, Decimal::parse(price)?, Decimal::parse(qty)?))
    };
    bids.chain(asks).map(read).collect()
}

impl Told {
    fn of(message: &Message<'_>) -> Result<Self, String> {
        let Some(stream) = message.stream else {
            let (Some(bids), Some(asks)) = (&message.bids, &message.asks) else { return Ok(Self::Unknown) };
            let levels = levels(bids, asks)?;
            return Ok(Self::Levels { image: true, update: message.last_update_id, levels });
        };
        let data = message.data.as_ref().ok_or("an envelope without data")?;
        match stream.split('@').nth(1).unwrap_or_default() {
            "bookTicker" => {
                let (Some(Side::Price(bid)), Some(Side::Price(ask))) = (&data.b, &data.a) else {
                    return Err("a quote without prices".to_owned());
                };
                let (bid, ask) = (number(Some(bid))?, number(Some(ask))?);
                Ok(Self::Quote([bid, ask, number(data.bid_size)?, number(data.ask_size)?]))
            }
            "trade" => {
                // `m` = the buyer was the maker, so the seller took.
                let aggressor = match data.m {
                    Some(true) => Aggressor::Sell,
                    Some(false) => Aggressor::Buy,
                    None => Aggressor::None,
                };
                let trade_id = data.t.ok_or("a print without its id")?;
                Ok(Self::Trade { price: number(data.p)?, qty: number(data.q)?, trade_id, aggressor })
            }
            "depth" => {
                let (Some(Side::Levels(bids)), Some(Side::Levels(asks))) = (&data.b, &data.a) else {
                    return Err("a book update without levels".to_owned());
                };
                Ok(Self::Levels { image: false, update: data.u, levels: levels(bids, asks)? })
            }
            _ => Ok(Self::Unknown),
        }
    }
}

/// Reads one line: its time and what it says.
fn read(line: &mut [u8]) -> Result<(i64, Told), String> {
    let space = line.iter().position(|byte| *byte == b' ').ok_or("no time in front")?;
    let (time, message) = line.split_at_mut(space);
    let time = std::str::from_utf8(time).ok().and_then(|time| time.parse::<i64>().ok());
    let time = time.filter(|time| (0..=TIME_NS_MAX).contains(time)).ok_or("no time in front")?;
    let message: Message<'_> = simd_json::serde::from_slice(&mut message[1..])
        .map_err(|error| format!("no message of Binance: {error}"))?;
    Ok((time, Told::of(&message)?))
}

/// The symbol that a file named `market-pair_date` holds.
///
/// # Errors
/// One line that names the file.
pub fn symbol_of(path: &Path) -> Result<String, String> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let refused = || format!("{}: a name like spot-btcusdt_20240808.gz is needed", path.display());
    let (market, rest) = name.split_once('-').ok_or_else(refused)?;
    let pair = rest.rsplit_once('_').map_or(rest, |(pair, _)| pair).to_ascii_uppercase();
    match market {
        "spot" => Ok(symbol(&pair, "BINANCE")),
        "usdm" => Ok(symbol(&pair, "BINANCE_USDM")),
        "cm" => Ok(symbol(&pair, "BINANCE_CM")),
        _ => Err(refused()),
    }
}

/// The smallest exponents that hold every number of some files.
fn exponents(first: &PathBuf, later: &[PathBuf]) -> Result<(i8, i8), String> {
    let (mut prices, mut quantities) = (Needs::default(), Needs::default());
    for path in std::iter::once(first).chain(later) {
        see_all(&mut Lines::open(path)?, &mut prices, &mut quantities)?;
    }
    Ok((prices.exponent(), quantities.exponent()))
}

fn see_all(lines: &mut Lines, prices: &mut Needs, quantities: &mut Needs) -> Result<(), String> {
    while let Some(line) = lines.read()? {
        match read(line).map_err(|what| lines.broken(&what))?.1 {
            Told::Quote([bid, ask, bid_size, ask_size]) => {
                [bid, ask].iter().for_each(|price| prices.see(*price));
                [bid_size, ask_size].iter().for_each(|size| quantities.see(*size));
            }
            Told::Trade { price, qty, .. } => {
                prices.see(price);
                quantities.see(qty);
            }
            Told::Levels { levels, .. } => {
                for (_, price, qty) in levels {
                    prices.see(price);
                    quantities.see(qty);
                }
            }
            Told::Unknown => {}
        }
    }
    Ok(())
}

impl Capture {
    /// Opens captures of one instrument. Exponents are those of the venue's list; an instrument that is not in it gets
    /// the smallest that hold its recording.
    ///
    /// # Errors
    /// One line that names the file.
    pub fn open(symbol: String, mut files: Vec<PathBuf>) -> Result<Self, String> {
        files.reverse();
        let Some(first) = files.pop() else { return Err(format!("{symbol}: no file")) };
        let listed = LISTED.iter().find(|(listed, _, _)| *listed == symbol);
        let (price_exponent, qty_exponent) =
            listed.map_or_else(|| exponents(&first, &files), |(_, price, qty)| Ok((*price, *qty)))?;
        let instrument = Instrument {
            symbol,
            price_exponent,
            qty_exponent,
            tick_size: 1,
            lot_size: 1,
            has_aggressor: true,
            has_size: true,
        };
        Ok(Self {
            lines: Lines::open(&first)?,
            later: files,
            instruments: [instrument],
            book: Book::default(),
            image: None,
            early: Vec::new(),
            rounding: Rounding::default(),
            skipped: 0,
        })
    }

    fn take(&mut self, told: Told, out: &mut Vec<Change>) -> Result<(), String> {
        let (this, rounding) = (&self.instruments[0], &mut self.rounding);
        match told {
            Told::Quote([bid, ask, bid_size, ask_size]) => out.push(Change::Quote(Quote {
                bid: rounding.price(this, bid)?,
                ask: rounding.price(this, ask)?,
                bid_size: rounding.qty(this, bid_size)?,
                ask_size: rounding.qty(this, ask_size)?,
            })),
            Told::Trade { price, qty, trade_id, aggressor } => {
                let (price, qty) = (rounding.price(this, price)?, rounding.qty(this, qty)?);
                if qty == 0 {
                    self.skipped += 1; // a print of nothing
                    return Ok(());
                }
                let trade_id = if trade_id <= MANTISSA_MAX.unsigned_abs() { trade_id } else { 0 };
                out.push(Change::Trade(Trade { price, qty, trade_id, aggressor }));
            }
            Told::Levels { image, update, levels } => {
                if !image && self.image.is_some() && update <= self.image {
                    return Ok(());
                }
                let mut updates = vec![(update, levels)];
                if image {
                    self.book.clear();
                    self.image = update;
                    updates.extend(self.early.drain(..).filter(|(early, _)| *early > update));
                } else if self.image.is_none() && self.early.len() < EARLY_MAX {
                    self.early.extend(updates.iter().cloned());
                }
                for (side, price, qty) in updates.into_iter().flat_map(|(_, levels)| levels) {
                    self.book.set(side, rounding.price(this, price)?, rounding.qty(this, qty)?);
                }
                self.book.changes(out);
            }
            Told::Unknown => self.skipped += 1,
        }
        Ok(())
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
        if self.lines.is_at_end()?
            && let Some(later) = self.later.pop()
        {
            self.lines = Lines::open(&later)?;
        }
        let Some(line) = self.lines.read()? else { return Ok(None) };
        let mut changes = Vec::new();
        let taken = read(line).and_then(|(time, told)| self.take(told, &mut changes).map(|()| time));
        let time = taken.map_err(|what| self.lines.broken(&what))?;
        out.extend(changes.into_iter().map(|change| Item { due_ns: 0, instrument: 0, change }));
        Ok(Some(time))
    }

    fn silent_after_ns(&self) -> Option<i64> {
        Some(SILENT_AFTER_NS)
    }

    fn counts(&self) -> Counts {
        Counts { inexact: self.rounding.inexact(), skipped: self.skipped, time_back: 0 }
    }
}
