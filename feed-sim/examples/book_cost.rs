//! What books of a recording cost in `compact`: bytes a record and a level, at an interval, for each depth.
//!
//!     cargo run --release -p feed-sim --example book_cost -- ../shared/data/binance-2024-08-08 50
#![expect(clippy::print_stdout, reason = "a tool that prints")]

use feed_sim::event::Source;
use feed_sim::replay;
use std::path::Path;
use wire::cursor::Reader;
use wire::frame::compact::{decode, encode};
use wire::frame::{BookImage, Level, book};
use wire::tick::Change;

const DEPTHS: [usize; 3] = [5, 10, 20];

/// Sums over the records of one symbol at one depth.
#[derive(Clone, Copy, Default)]
struct Cost {
    records: u64,
    levels: u64,
    bytes: u64,
    full_bytes: u64,
    bytes_max: usize,
}

struct Symbol {
    book: BookImage,
    shown: [BookImage; 3],
    begun: bool,
    costs: [Cost; 3],
}

impl Symbol {
    const fn new(empty: BookImage) -> Self {
        let costs = [Cost { records: 0, levels: 0, bytes: 0, full_bytes: 0, bytes_max: 0 }; 3];
        Self { book: empty, shown: [empty; 3], begun: false, costs }
    }

    fn flush(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        for (at, depth) in DEPTHS.into_iter().enumerate() {
            let (old, now, cost) = (self.shown[at], self.book.truncated(depth), &mut self.costs[at]);
            if now.lver == old.lver {
                continue;
            }
            self.shown[at] = now;
            if !self.begun {
                continue; // the first goes in full
            }
            out.clear();
            encode::book(out, &old, &now, depth);
            let bytes = out.len();
            let record =
                decode::BookChange::read(&mut Reader::new(out)).map_err(|error| error.to_string())?;
            let read =
                decode::applied(&record.sides, &old.sides, depth).map_err(|error| error.to_string())?;
            if read != now.sides || record.checksum != book::checksum(&read) {
                return Err("a record does not lead from the old book to the new".to_owned());
            }
            cost.records += 1;
            cost.levels += record.sides.iter().map(|side| u64::from(side.count())).sum::<u64>();
            cost.bytes += bytes as u64;
            cost.bytes_max = cost.bytes_max.max(bytes);
            out.clear();
            encode::book_full(out, &now);
            cost.full_bytes += out.len() as u64;
        }
        self.begun = true;
        Ok(())
    }
}

fn main() -> Result<(), String> {
    let path = std::env::args().nth(1).ok_or("name a folder or a file")?;
    let interval_ms = std::env::args().nth(2).map_or(Ok(50), |text| text.parse::<i64>());
    let interval_ns = interval_ms.map_err(|error| error.to_string())?.max(1) * 1_000_000;
    let mut source = replay::open(Path::new(&path), None)?;
    let instruments = source.instruments().to_vec();
    let mut symbols: Vec<Symbol> = instruments.iter().map(|_| Symbol::new(BookImage::default())).collect();
    let (mut items, mut until_ns, mut out) = (Vec::new(), 0, Vec::new());
    let mut running = true;
    while running {
        running = source.items_until(until_ns, &mut items)?;
        for item in items.drain(..) {
            let Change::Level(level) = item.change else { continue };
            let book = &mut symbols[item.instrument as usize].book;
            if level.snapshot_begins {
                book.sides = Default::default();
            }
            book.lver += 1;
            book.sides[level.side as usize].set(level.side, Level { price: level.price, qty: level.qty });
        }
        symbols.iter_mut().filter(|symbol| symbol.book.lver > 0).try_for_each(|one| one.flush(&mut out))?;
        until_ns += interval_ns;
    }
    for (at, depth) in DEPTHS.into_iter().enumerate() {
        let mut all = Cost::default();
        for (instrument, symbol) in instruments.iter().zip(&symbols) {
            let cost = symbol.costs[at];
            print(&instrument.symbol, depth, &cost);
            all.records += cost.records;
            all.levels += cost.levels;
            all.bytes += cost.bytes;
            all.full_bytes += cost.full_bytes;
            all.bytes_max = all.bytes_max.max(cost.bytes_max);
        }
        print("all", depth, &all);
    }
    Ok(())
}

fn print(name: &str, depth: usize, cost: &Cost) {
    let hundredths = |sum: u64, count: u64| {
        let value = sum * 100 / count.max(1);
        format!("{}.{:02}", value / 100, value % 100)
    };
    println!(
        "depth {depth:>2} {name:26} records {:>6}, levels a record {:>5}, bytes a record {:>6} (most {}, in full {}), a level {}",
        cost.records,
        hundredths(cost.levels, cost.records),
        hundredths(cost.bytes, cost.records),
        cost.bytes_max,
        hundredths(cost.full_bytes, cost.records),
        hundredths(cost.bytes, cost.levels),
    );
}
