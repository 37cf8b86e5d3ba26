//! Numbers events, keeps each instrument's whole state, and packs batches per shard. Pure: time is handed in.
//!
//! `publish` calls it; a snapshot, a definition or a book can be asked for at any moment and fits what was packed before it.

use crate::event::Item;
use wire::batch::{BatchWriter, Header, SnapshotRow, snapshot_message};
use wire::book::Book;
use wire::book_page::{PageWriter, parse_request};
use wire::instrument::{Definitions, Instrument, shard_of};
use wire::tick::{Change, Event, Trade};

/// A shard without an event beats this often, ns: half of what readers rely on.
const BEAT_NS: i64 = 50_000_000;

/// A message for the bus.
#[derive(Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Shard.
    pub shard: u16,
    /// Payload for `tick.<shard>`.
    pub payload: Vec<u8>,
}

#[derive(Debug)]
struct Shard {
    number: u16,
    instruments: Vec<Instrument>,
    rows: Vec<SnapshotRow>,
    /// What the level events said so far.
    books: Vec<Book>,
    writer: BatchWriter,
    next: u64,
    said_ns: i64,
    through_ns: i64,
}

/// All shards of one publisher within one epoch.
#[derive(Debug)]
pub struct Shards {
    epoch: u64,
    shards: Vec<Shard>,
    places: Vec<(u16, u32)>,
    events: u64,
}

impl Shards {
    /// Places instruments by their symbols' hash.
    ///
    /// # Errors
    /// One line, when a shard would hold more than [`wire::SHARD_INSTRUMENTS_MAX`] or a symbol stands twice.
    pub fn new(instruments: &[Instrument], shards: u16, epoch: u64) -> Result<Self, String> {
        let shard = |number| Shard {
            number,
            instruments: Vec::new(),
            rows: Vec::new(),
            books: Vec::new(),
            writer: BatchWriter::default(),
            next: 1,
            said_ns: i64::MIN / 2,
            through_ns: 0,
        };
        let mut all = Self { epoch, shards: (0..shards).map(shard).collect(), places: Vec::new(), events: 0 };
        let mut known = std::collections::HashSet::new();
        for instrument in instruments {
            if !known.insert(instrument.symbol.as_str()) {
                return Err(format!("symbol {} stands twice", instrument.symbol));
            }
            let number = shard_of(&instrument.symbol, shards);
            let shard = &mut all.shards[usize::from(number)];
            let index = shard.instruments.len();
            if index == wire::SHARD_INSTRUMENTS_MAX {
                let most = wire::SHARD_INSTRUMENTS_MAX;
                return Err(format!(
                    "shard {number} would hold more than {most} instruments: use more --shards"
                ));
            }
            shard.instruments.push(instrument.clone());
            shard.rows.push(SnapshotRow::default());
            shard.books.push(Book::default());
            all.places.push((number, u32::try_from(index).unwrap_or(u32::MAX)));
        }
        Ok(all)
    }

    /// The epoch.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Events packed so far.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Packs an item; a batch that is full goes out at once. `ts_event` is the due time as Unix ns.
    pub fn push(&mut self, item: &Item, ts_event: i64, now_ns: i64, out: &mut Vec<Outgoing>) {
        let Some((number, index)) = self.places.get(item.instrument as usize).copied() else { return };
        let epoch = self.epoch;
        let shard = &mut self.shards[usize::from(number)];
        let row = &mut shard.rows[index as usize];
        let number = 1 + match item.change {
            Change::Quote(_) | Change::Status(_) => row.ver.get(),
            Change::Trade(_) => row.tc.get(),
            Change::Level(_) => row.lver.get(),
        };
        let change = match item.change {
            Change::Trade(trade) if trade.trade_id == 0 => Change::Trade(Trade { trade_id: number, ..trade }),
            change => change,
        };
        let event = Event { index, number, ts_event, change };
        row.apply(&event);
        if let Change::Level(level) = &event.change {
            let _odd = shard.books[index as usize].apply(number, ts_event, level); // told as the source has it
        }
        shard.writer.push(&event);
        self.events += 1;
        if shard.writer.is_full() {
            shard.finish(epoch, now_ns, out);
        }
    }

    /// Sends what is packed, and beats where nothing was said for a while. Everything due up to `through_ns` has been
    /// pushed.
    pub fn flush(&mut self, through_ns: i64, now_ns: i64, out: &mut Vec<Outgoing>) {
        for shard in &mut self.shards {
            shard.through_ns = through_ns;
            if !shard.writer.is_empty() || now_ns - shard.said_ns >= BEAT_NS {
                shard.finish(self.epoch, now_ns, out);
            }
        }
    }

    /// The answer on `snap.<shard>`. Events that are packed and not sent are in it; readers skip them by number.
    #[must_use]
    pub fn snapshot(&self, shard: u16, now_ns: i64) -> Option<Vec<u8>> {
        let shard = self.shards.get(usize::from(shard))?;
        let header = shard.header(self.epoch, shard.next + shard.writer.len() as u64, now_ns);
        Some(snapshot_message(header, shard.rows.iter()))
    }

    /// The answer on `book.<shard>`: the asked books that there are, as far as their events are packed. `None` for bytes
    /// that are no request.
    #[must_use]
    pub fn books(&self, shard: u16, request: &[u8], now_ns: i64) -> Option<Vec<u8>> {
        let shard = self.shards.get(usize::from(shard))?;
        let mut page = PageWriter::default();
        for index in parse_request(request)? {
            if let Some(book) = shard.books.get(index as usize) {
                page.push(index, book);
            }
        }
        Some(page.finish(shard.header(self.epoch, shard.next + shard.writer.len() as u64, now_ns)))
    }

    /// The answer on `inst.<shard>`.
    #[must_use]
    pub fn definitions(&self, shard: u16) -> Option<Definitions> {
        let entry = self.shards.get(usize::from(shard))?;
        Some(Definitions {
            shard,
            feed_epoch: self.epoch,
            revision: 1,
            instruments: entry.instruments.clone(),
        })
    }
}

impl Shard {
    fn header(&self, epoch: u64, first: u64, now_ns: i64) -> Header {
        Header {
            version: 0,
            kind: 0,
            shard: self.number.into(),
            count: 0.into(),
            record_bytes: 0.into(),
            revision: 1.into(),
            reserved: 0.into(),
            feed_epoch: epoch.into(),
            first: first.into(),
            complete_through: self.through_ns.into(),
            ts_publish: now_ns.into(),
        }
    }

    fn finish(&mut self, epoch: u64, now_ns: i64, out: &mut Vec<Outgoing>) {
        let header = self.header(epoch, self.next, now_ns);
        self.next += self.writer.len() as u64;
        self.said_ns = now_ns;
        out.push(Outgoing { shard: self.number, payload: self.writer.finish(header) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use wire::batch::Batch;
    use wire::book_page::{Page, request};
    use wire::shard::{ShardReader, ShardSink};
    use wire::tick::{BookLevel, BookSide, Quote};

    fn instrument(symbol: &str) -> Instrument {
        Instrument {
            symbol: symbol.to_owned(),
            price_exponent: -2,
            qty_exponent: 0,
            tick_size: 1,
            lot_size: 1,
            has_aggressor: true,
            has_size: true,
        }
    }

    #[derive(Default)]
    struct Seen(Vec<u64>);
    impl ShardSink for Seen {
        fn event(&mut self, event: &Event) {
            self.0.push(event.number);
        }
        fn snapshot(&mut self, rows: &mut dyn Iterator<Item = &SnapshotRow>, _: u64, _: u32, _: bool) {
            self.0 = rows.map(|row| row.ver.get() + row.tc.get()).collect();
        }
    }

    #[test]
    fn a_snapshot_at_any_moment_fits_the_batches_around_it() {
        let mut shards = Shards::new(&[instrument("A"), instrument("B")], 1, 7).unwrap();
        let mut out = Vec::new();
        let item = |instrument, change| Item { due_ns: 0, instrument, change };
        for _ in 0..3 {
            shards.push(&item(0, Change::Quote(Quote::default())), 1, 1, &mut out);
            shards.push(&item(1, Change::Trade(Trade::default())), 1, 1, &mut out);
        }
        let snapshot = shards.snapshot(0, 1).unwrap();
        shards.flush(5, 5, &mut out);
        shards.push(&item(0, Change::Quote(Quote::default())), 6, 6, &mut out);
        shards.flush(6, 6, &mut out);
        let (mut reader, mut seen) = (ShardReader::new(0, 0), Seen::default());
        for message in &out {
            reader.batch(&Bytes::from(message.payload.clone()), 0, &mut seen).unwrap();
        }
        assert!(reader.snapshot(&snapshot, 0, &mut seen).unwrap());
        assert_eq!(seen.0, [3, 3, 4]);
    }

    #[test]
    fn a_page_at_any_moment_is_what_the_events_before_it_made() {
        let mut shards = Shards::new(&[instrument("A"), instrument("B")], 1, 7).unwrap();
        let (mut out, mut expected) = (Vec::new(), Book::default());
        for step in 0..90 {
            let side = if step % 2 == 0 { BookSide::Bid } else { BookSide::Ask };
            let (price, qty) = ((step * 7) % 25 + 40 * (step % 2), step % 5);
            let level =
                BookLevel { side, price, qty, snapshot_begins: step == 50, update_ends: step % 3 == 0 };
            let item = Item { due_ns: 0, instrument: 1, change: Change::Level(level) };
            shards.push(&item, step, step, &mut out);
            expected.apply(step.unsigned_abs() + 1, step, &level);
            if step % 7 == 0 {
                shards.flush(step, step, &mut out);
            }
            let request = request(&[1, 0, 9]);
            let page = shards.books(0, &request, step).unwrap();
            let page = Page::parse(&page, 0).unwrap();
            assert_eq!(page.header.first.get(), step.unsigned_abs() + 2);
            let books: Vec<(u32, Book)> =
                page.books().map(|one| (one.head.index.get(), one.book())).collect();
            assert_eq!(books, [(1, expected.clone()), (0, Book::default())]);
        }
        assert!(shards.books(0, b"", 0).is_none() && shards.books(1, &request(&[0]), 0).is_none());
    }

    #[test]
    fn a_quiet_shard_beats_with_its_watermark() {
        let mut shards = Shards::new(&[instrument("A")], 2, 7).unwrap();
        let mut out = Vec::new();
        shards.flush(10, 10, &mut out);
        assert_eq!(out.len(), 2);
        out.clear();
        shards.flush(20, 10 + BEAT_NS - 1, &mut out);
        assert!(out.is_empty());
        shards.flush(30, 10 + BEAT_NS, &mut out);
        let beat = Batch::parse(&out[1].payload, 1).unwrap();
        assert_eq!((beat.header.complete_through.get(), beat.next(), out.len()), (30, 1, 2));
    }

    #[test]
    fn a_symbol_that_stands_twice_is_refused() {
        assert!(Shards::new(&[instrument("A"), instrument("A")], 1, 7).is_err());
    }
}
