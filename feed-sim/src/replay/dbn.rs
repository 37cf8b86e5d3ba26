//! Files in Databento's binary encoding: best quotes and prints; other kinds have no meaning here and are counted.
//!
//! Prices are in 10^−9; an instrument's exponent is the largest that holds all of its prices. Quantities are integers.

use crate::event::Item;
use crate::replay::Recording;
use dbn::decode::{DbnMetadata, DecodeRecordRef};
use dbn::{BidAskPair, RecordRef, SType};
use std::collections::BTreeMap;
use std::path::Path;
use wire::instrument::Instrument;
use wire::tick::{Aggressor, Change, Quote, Trade};

/// One file.
#[derive(Debug)]
pub struct Dbn {
    instruments: Vec<Instrument>,
    events: std::vec::IntoIter<(i64, u32, Change)>,
    skipped: u64,
}

/// Most records of a file: these files are read whole.
const RECORDS_MAX: usize = 10_000_000;

/// Whether a file's name is that of such a file.
#[must_use]
pub fn is_one(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.ends_with(".dbn.zst"))
}

/// Reads a file.
///
/// # Errors
/// One line that names the file and the record.
pub fn open(path: &Path) -> Result<Dbn, String> {
    let named = |what: String| format!("{}: {what}", path.display());
    let mut decoder =
        dbn::decode::DbnDecoder::from_zstd_file(path).map_err(|error| named(error.to_string()))?;
    let dataset = decoder.metadata().dataset.replace('.', "-");
    let by_id = decoder.metadata().stype_out == SType::InstrumentId;
    let names: BTreeMap<u32, String> = decoder
        .metadata()
        .mappings
        .iter()
        .flat_map(|mapping| {
            mapping.intervals.iter().map(move |interval| (&interval.symbol, &mapping.raw_symbol))
        })
        .filter_map(|(id, symbol)| Some((id.parse().ok().filter(|_| by_id)?, symbol.clone())))
        .collect();
    let mut raw: Vec<(i64, u32, Change)> = Vec::new();
    let (mut skipped, mut number) = (0, 0_u64);
    loop {
        number += 1;
        match decoder.decode_record_ref() {
            Ok(None) => break,
            Ok(Some(record)) => match meaning(record) {
                Some(change) if raw.len() < RECORDS_MAX => raw.push(change),
                Some(_) => return Err(named(format!("more than {RECORDS_MAX} records"))),
                None => skipped += 1,
            },
            Err(error) => return Err(named(format!("record {number}: {error}"))),
        }
    }
    Ok(scaled(raw, &names, &dataset, skipped))
}

/// Brings prices to the exponents that hold them.
fn scaled(
    mut raw: Vec<(i64, u32, Change)>,
    names: &BTreeMap<u32, String>,
    dataset: &str,
    skipped: u64,
) -> Dbn {
    raw.sort_by_key(|(time, ..)| *time);
    let mut exponents: BTreeMap<u32, i8> = BTreeMap::new();
    for (_, id, change) in &raw {
        let exponent = exponents.entry(*id).or_insert(0);
        for price in prices(change) {
            while *exponent > -9 && price % 10_i64.pow(u32::from((9 + *exponent).unsigned_abs())) != 0 {
                *exponent -= 1;
            }
        }
    }
    let ids: Vec<u32> = exponents.keys().copied().collect();
    let instrument = |(id, exponent): (&u32, &i8)| Instrument {
        symbol: match names.get(id) {
            Some(name) if wire::instrument::valid_symbol(&format!("{name}.{dataset}")) => {
                format!("{name}.{dataset}")
            }
            _ => format!("{id}.{dataset}"),
        },
        price_exponent: *exponent,
        qty_exponent: 0,
        tick_size: 1,
        lot_size: 1,
        has_aggressor: true,
        has_size: true,
    };
    let instruments = exponents.iter().map(instrument).collect();
    for (_, id, change) in &mut raw {
        let divisor = 10_i64.pow(u32::from((9 + exponents[id]).unsigned_abs()));
        match change {
            Change::Quote(quote) => (quote.bid, quote.ask) = (quote.bid / divisor, quote.ask / divisor),
            Change::Trade(trade) => trade.price /= divisor,
            Change::Level(_) | Change::Status(_) => {}
        }
        *id = u32::try_from(ids.binary_search(id).unwrap_or(0)).unwrap_or(0);
    }
    Dbn { instruments, events: raw.into_iter(), skipped }
}

fn prices(change: &Change) -> impl Iterator<Item = i64> {
    let prices = match change {
        Change::Quote(quote) => [quote.bid, quote.ask],
        Change::Trade(trade) => [trade.price, 0],
        Change::Level(_) | Change::Status(_) => [0, 0],
    };
    prices.into_iter()
}

fn meaning(record: RecordRef<'_>) -> Option<(i64, u32, Change)> {
    let time = |ts: u64| i64::try_from(ts).ok();
    if let Some(message) = record.get::<dbn::Mbp1Msg>() {
        let change = Change::Quote(quote(&message.levels[0]));
        return Some((time(message.ts_recv)?, message.hd.instrument_id, change));
    }
    if let Some(message) = record.get::<dbn::Mbp10Msg>() {
        let change = Change::Quote(quote(&message.levels[0]));
        return Some((time(message.ts_recv)?, message.hd.instrument_id, change));
    }
    if let Some(message) = record.get::<dbn::Bbo1SMsg>() {
        let change = Change::Quote(quote(&message.levels[0]));
        return Some((time(message.ts_recv)?, message.hd.instrument_id, change));
    }
    let message = record.get::<dbn::TradeMsg>()?;
    let aggressor = match u8::try_from(message.side) {
        Ok(b'B') => Aggressor::Buy,
        Ok(b'A') => Aggressor::Sell,
        _ => Aggressor::None,
    };
    let (price, qty, trade_id) = (message.price, i64::from(message.size), u64::from(message.sequence));
    let change = Change::Trade(Trade { price, qty, trade_id, aggressor });
    Some((time(message.ts_recv)?, message.hd.instrument_id, change))
}

/// An undefined price is an absent side.
fn quote(level: &BidAskPair) -> Quote {
    let side =
        |price: i64, size: u32| if price == dbn::UNDEF_PRICE { (0, 0) } else { (price, i64::from(size)) };
    let ((bid, bid_size), (ask, ask_size)) =
        (side(level.bid_px, level.bid_sz), side(level.ask_px, level.ask_sz));
    Quote { bid, ask, bid_size, ask_size }
}

impl Dbn {
    /// Records of kinds that have no meaning here.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }
}

impl Recording for Dbn {
    fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    fn next(&mut self, out: &mut Vec<Item>) -> Result<Option<i64>, String> {
        let Some((time, instrument, change)) = self.events.next() else { return Ok(None) };
        out.push(Item { due_ns: 0, instrument, change });
        Ok(Some(time))
    }

    fn inexact(&self) -> u64 {
        0
    }
}
