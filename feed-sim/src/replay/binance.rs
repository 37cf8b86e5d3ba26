//! Captures of Binance's combined streams, one instrument a file: `<receive time, ns> <message>` a line, gzip.
//!
//! `bookTicker` is a quote, `trade` a print, `depth` book levels; one line without an envelope is the REST snapshot of
//! the book. Times are the recorder's: its clock is behind the venue's, and spot quotes have no other.

use crate::event::Item;
use crate::replay::Recording;
use crate::replay::zipped::rounded;
use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use std::cell::Cell;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use wire::instrument::Instrument;
use wire::num::{NumError, Number};
use wire::tick::{Aggressor, BookLevel, BookSide, Change, Quote, Trade};

/// One file.
pub struct Capture {
    path: PathBuf,
    lines: BufReader<MultiGzDecoder<File>>,
    line: Vec<u8>,
    number: u64,
    instruments: [Instrument; 1],
    unknown: u64,
    inexact: Cell<u64>,
}

impl std::fmt::Debug for Capture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Capture")
            .field("path", &self.path)
            .field("line", &self.number)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Message<'a> {
    stream: Option<&'a str>,
    #[serde(borrow)]
    data: Option<Data<'a>>,
    #[serde(borrow)]
    bids: Option<Vec<(&'a str, &'a str)>>,
    #[serde(borrow)]
    asks: Option<Vec<(&'a str, &'a str)>>,
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
    m: Option<bool>,
}

/// `b` and `a` are a price in a quote, and levels in a book update.
#[derive(Deserialize)]
#[serde(untagged)]
enum Side<'a> {
    Price(&'a str),
    #[serde(borrow)]
    Levels(Vec<(&'a str, &'a str)>),
    Id(#[expect(dead_code, reason = "old trades name the buyer's order here")] u64),
}

/// Whether a file's name is that of such a capture.
#[must_use]
pub fn is_one(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.ends_with(".gz") && ["spot-", "usdm-", "cm-"].iter().any(|market| name.starts_with(market))
}

/// Opens a capture. Exponents are those of the venue's list for these instruments.
///
/// # Errors
/// One line that names the file.
pub fn open(path: &Path) -> Result<Capture, String> {
    let named = |text: String| format!("{}: {text}", path.display());
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let (market, rest) =
        name.split_once('-').ok_or_else(|| named("a name like spot-btcusdt_… is needed".to_owned()))?;
    let pair = rest.rsplit_once('_').map_or(rest, |(pair, _)| pair).to_ascii_uppercase();
    let venue = match market {
        "spot" => "BINANCE",
        "usdm" => "BINANCE_USDM",
        _ => "BINANCE_CM",
    };
    let (price_exponent, qty_exponent) = match (market, pair.as_str()) {
        ("spot", "BTCUSDT") => (-2, -5),
        ("spot", "ETHUSDT") => (-2, -4),
        ("usdm", "BTCUSDT") => (-1, -3),
        ("usdm", "ETHUSDT") => (-2, -3),
        ("cm", "BTCUSD_PERP") => (-1, 0),
        ("cm", "ETHUSD_PERP") => (-2, 0),
        _ => (-8, -8),
    };
    let instrument = Instrument {
        symbol: format!("{pair}.{venue}"),
        price_exponent,
        qty_exponent,
        tick_size: 1,
        lot_size: 1,
        has_aggressor: true,
        has_size: true,
    };
    let file = File::open(path).map_err(|error| named(error.to_string()))?;
    Ok(Capture {
        path: path.to_owned(),
        lines: BufReader::with_capacity(1 << 16, MultiGzDecoder::new(file)),
        line: Vec::new(),
        number: 0,
        instruments: [instrument],
        unknown: 0,
        inexact: Cell::new(0),
    })
}

impl Capture {
    fn broken(&self, what: &str) -> String {
        format!("{}:{}: {what}", self.path.display(), self.number)
    }

    fn take(&self, message: &Message<'_>, out: &mut Vec<Item>) -> Result<bool, String> {
        let Some(stream) = message.stream else {
            let (Some(bids), Some(asks)) = (&message.bids, &message.asks) else { return Ok(false) };
            self.levels(bids, asks, true, out)?;
            return Ok(true);
        };
        let data = message.data.as_ref().ok_or_else(|| self.broken("an envelope without data"))?;
        let kind = stream.split('@').nth(1).unwrap_or_default();
        match kind {
            "bookTicker" => self.quote(data, out)?,
            "trade" => self.trade(data, out)?,
            "depth" => {
                let (Some(Side::Levels(bids)), Some(Side::Levels(asks))) = (&data.b, &data.a) else {
                    return Err(self.broken("a book update without levels"));
                };
                self.levels(bids, asks, false, out)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn price(&self, text: Option<&str>) -> Result<i64, String> {
        self.number(text, self.instruments[0].price_exponent)
    }

    fn qty(&self, text: Option<&str>) -> Result<i64, String> {
        self.number(text, self.instruments[0].qty_exponent)
    }

    fn number(&self, text: Option<&str>, exponent: i8) -> Result<i64, String> {
        let text = text.ok_or_else(|| self.broken("a price or a quantity is missing"))?;
        let number: Number = text.parse().map_err(|error| self.broken(&format!("{text}: {error}")))?;
        match number.rescale(exponent) {
            Err(NumError::TooPrecise) => {
                // The venue's own list says that this cannot be; it is rare, and told.
                self.inexact.set(self.inexact.get() + 1);
                let decimals = u32::from(exponent.abs_diff(number.exponent));
                Ok(rounded(number.mantissa, 10_i64.pow(decimals)).0)
            }
            mantissa => mantissa.map_err(|error| self.broken(&format!("{text}: {error}"))),
        }
    }

    fn quote(&self, data: &Data<'_>, out: &mut Vec<Item>) -> Result<(), String> {
        let (Some(Side::Price(bid)), Some(Side::Price(ask))) = (&data.b, &data.a) else {
            return Err(self.broken("a quote without prices"));
        };
        let quote = Quote {
            bid: self.price(Some(bid))?,
            ask: self.price(Some(ask))?,
            bid_size: self.qty(data.bid_size)?,
            ask_size: self.qty(data.ask_size)?,
        };
        out.push(item(Change::Quote(quote)));
        Ok(())
    }

    fn trade(&self, data: &Data<'_>, out: &mut Vec<Item>) -> Result<(), String> {
        // `m` = the buyer was the maker, so the seller took.
        let aggressor = match data.m {
            Some(true) => Aggressor::Sell,
            Some(false) => Aggressor::Buy,
            None => Aggressor::None,
        };
        let trade_id = data.t.ok_or_else(|| self.broken("a print without its id"))?;
        let (price, qty) = (self.price(data.p)?, self.qty(data.q)?);
        out.push(item(Change::Trade(Trade { price, qty, trade_id, aggressor })));
        Ok(())
    }

    fn levels(
        &self,
        bids: &[(&str, &str)],
        asks: &[(&str, &str)],
        snapshot: bool,
        out: &mut Vec<Item>,
    ) -> Result<(), String> {
        let count = bids.len() + asks.len();
        let bids = bids.iter().map(|level| (BookSide::Bid, level));
        let asks = asks.iter().map(|level| (BookSide::Ask, level));
        for (at, (side, (price, qty))) in bids.chain(asks).enumerate() {
            out.push(item(Change::Level(BookLevel {
                side,
                price: self.price(Some(price))?,
                qty: self.qty(Some(qty))?,
                snapshot_begins: snapshot && at == 0,
                update_ends: at + 1 == count,
            })));
        }
        Ok(())
    }
}

const fn item(change: Change) -> Item {
    Item { due_ns: 0, instrument: 0, change }
}

impl Recording for Capture {
    fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    fn next(&mut self, out: &mut Vec<Item>) -> Result<Option<i64>, String> {
        loop {
            let mut line = std::mem::take(&mut self.line);
            line.clear();
            self.number += 1;
            let read =
                self.lines.read_until(b'\n', &mut line).map_err(|error| self.broken(&error.to_string()))?;
            if read == 0 {
                return Ok(None);
            }
            let space =
                line.iter().position(|byte| *byte == b' ').ok_or_else(|| self.broken("no time in front"))?;
            let (time, message) = line.split_at_mut(space);
            let time = std::str::from_utf8(time).ok().and_then(|time| time.parse::<i64>().ok());
            let time = time.ok_or_else(|| self.broken("no time in front"))?;
            let message: Message<'_> = simd_json::serde::from_slice(&mut message[1..])
                .map_err(|error| self.broken(&format!("no message of Binance: {error}")))?;
            let known = self.take(&message, out)?;
            self.line = line;
            if known {
                return Ok(Some(time));
            }
            self.unknown += 1;
        }
    }

    fn inexact(&self) -> u64 {
        self.inexact.get()
    }
}
