//! Publishers of the model and the whole history of what they said.

use super::random::Random;
use std::collections::HashMap;
use wire::batch::{BatchWriter, Header, SnapshotRow, snapshot_message};
use wire::book::Book;
use wire::book_page::{PageWriter, parse_request};
use wire::frame::BOOK_LEVELS_MAX;
use wire::instrument::{Definitions, Instrument};
use wire::tick::{Aggressor, BookLevel, BookSide, Change, Event, Quote, Status, Trade};

pub(crate) const SHARDS: u16 = 2;
/// Instruments of a shard: usually some, at times more than one catch-up group holds.
pub(crate) const SIZES: [usize; 2] = [8, 150];

/// Everything that was ever published of one symbol in one epoch.
#[derive(Default, Clone)]
pub(crate) struct History {
    /// Quote after each quote or status event, and when it was said.
    pub(crate) quotes: Vec<(Quote, i64)>,
    /// Trading status after each quote or status event.
    pub(crate) statuses: Vec<Status>,
    pub(crate) trades: Vec<(Trade, i64)>,
    /// Volume, buy volume and notional after each print.
    pub(crate) totals: Vec<(i64, i64, i128)>,
    /// Quote and status events before each print.
    pub(crate) quotes_before: Vec<u64>,
    /// The book after each level event.
    pub(crate) books: Vec<Book>,
}

impl History {
    pub(crate) fn quote(&self, total: u64) -> Quote {
        total.checked_sub(1).map_or_else(Quote::default, |at| self.quotes[usize::try_from(at).unwrap()].0)
    }

    pub(crate) fn totals(&self, total: u64) -> (i64, i64, i128) {
        total.checked_sub(1).map_or((0, 0, 0), |at| self.totals[usize::try_from(at).unwrap()])
    }
}

/// One shard's publisher.
pub(crate) struct Publisher {
    pub(crate) shard: u16,
    pub(crate) epoch: u64,
    pub(crate) rows: Vec<SnapshotRow>,
    books: Vec<Book>,
    writer: BatchWriter,
    next: u64,
    pub(crate) said_us: i64,
}

pub(crate) fn symbol(shard: u16, index: usize) -> String {
    format!("S{shard}{index:03}.M")
}

impl Publisher {
    pub(crate) fn new(shard: u16, epoch: u64, size: usize) -> Self {
        let rows = vec![SnapshotRow::default(); size];
        let books = vec![Book::default(); size];
        Self { shard, epoch, rows, books, writer: BatchWriter::default(), next: 1, said_us: 0 }
    }

    pub(crate) fn definitions(&self) -> Definitions {
        let instrument = |index| Instrument {
            symbol: symbol(self.shard, index),
            price_exponent: -2,
            qty_exponent: -3,
            tick_size: 1,
            lot_size: 1,
            has_aggressor: true,
            has_size: true,
        };
        let instruments = (0..self.rows.len()).map(instrument).collect();
        Definitions { shard: self.shard, feed_epoch: self.epoch, revision: 1, instruments }
    }

    /// Makes one random event.
    pub(crate) fn event(
        &mut self,
        random: &mut Random,
        now_us: i64,
        histories: &mut HashMap<(String, u64), History>,
    ) {
        let index = random.below(self.rows.len());
        if random.below(5) == 0 {
            return self.levels(index, random, now_us, histories);
        }
        let row = &self.rows[index];
        let history = histories.entry((symbol(self.shard, index), self.epoch)).or_default();
        let small = |random: &mut Random, bound: usize| i64::try_from(random.below(bound)).unwrap();
        let last = history.quotes.last().map_or_else(Quote::default, |(quote, _)| *quote);
        let (number, change) = match random.below(20) {
            0 => {
                let status =
                    [Status::Open, Status::Open, Status::Halted, Status::SourceStale][random.below(4)];
                (row.ver.get() + 1, Change::Status(status))
            }
            1..=7 => {
                let aggressor = [Aggressor::Buy, Aggressor::Sell][random.below(2)];
                let wide = if random.in_thousand(20) { 1 << 35 } else { 1 };
                let (price, qty) =
                    (1_000 + small(random, 50) * wide, 1 + small(random, 300) * wide.min(1 << 20));
                let trade_id = row.last_id.get() + 1 + if random.in_thousand(50) { 7 } else { 0 };
                (row.tc.get() + 1, Change::Trade(Trade { price, qty, trade_id, aggressor }))
            }
            8..=10 if last.bid_size > 0 => (row.ver.get() + 1, Change::Quote(last)),
            _ => {
                let wide = if random.in_thousand(10) { 1 << 40 } else { 1 };
                let bid = 1_000 + small(random, 8) * wide;
                let quote = Quote {
                    bid,
                    ask: bid + 1 + small(random, 3),
                    bid_size: 1 + small(random, 4) * if random.in_thousand(100) { 70_000 } else { 1 },
                    ask_size: 1 + small(random, 4),
                };
                (row.ver.get() + 1, Change::Quote(quote))
            }
        };
        self.says(index, number, change, now_us, histories);
    }

    /// Says a quote.
    pub(crate) fn quote(
        &mut self,
        index: usize,
        quote: Quote,
        now_us: i64,
        histories: &mut HashMap<(String, u64), History>,
    ) {
        let number = self.rows[index].ver.get() + 1;
        self.says(index, number, Change::Quote(quote), now_us, histories);
    }

    fn says(
        &mut self,
        index: usize,
        number: u64,
        change: Change,
        now_us: i64,
        histories: &mut HashMap<(String, u64), History>,
    ) {
        let row = &mut self.rows[index];
        let history = histories.entry((symbol(self.shard, index), self.epoch)).or_default();
        let last = history.quotes.last().map_or_else(Quote::default, |(quote, _)| *quote);
        let event = Event { index: u32::try_from(index).unwrap(), number, ts_event: now_us * 1_000, change };
        row.apply(&event);
        self.writer.push(&event);
        if !matches!(change, Change::Trade(_)) {
            history.statuses.push(Status::from_u8(row.status).unwrap());
        }
        match change {
            Change::Quote(quote) => history.quotes.push((quote, now_us)),
            Change::Trade(trade) => {
                history.quotes_before.push(history.quotes.len() as u64);
                history.trades.push((trade, now_us));
                history.totals.push((row.volume.get(), row.buy_volume.get(), row.notional()));
            }
            _ => history.quotes.push((last, now_us)),
        }
    }

    /// Makes one update of a book: some levels of which the last ends it.
    fn levels(
        &mut self,
        index: usize,
        random: &mut Random,
        now_us: i64,
        histories: &mut HashMap<(String, u64), History>,
    ) {
        let history = histories.entry((symbol(self.shard, index), self.epoch)).or_default();
        let (row, book) = (&mut self.rows[index], &mut self.books[index]);
        let image = random.in_thousand(50);
        let count = 1 + random.below(if image { 12 } else { 4 });
        for nth in 0..count {
            let side = [BookSide::Bid, BookSide::Ask][random.below(2)];
            let from = if side == BookSide::Bid { 900 } else { 1_000 };
            let price = from + i64::try_from(random.below(BOOK_LEVELS_MAX)).unwrap();
            let begins = image && nth == 0;
            let there = !begins && book.side(side).iter().any(|level| level.price == price);
            let qty = i64::try_from(random.below(4)).unwrap().max(i64::from(!there));
            let wide = if random.in_thousand(20) { 1 << 38 } else { 1 };
            let (snapshot_begins, update_ends) = (begins, nth + 1 == count);
            let level = BookLevel { side, price, qty: qty * wide, snapshot_begins, update_ends };
            let number = row.lver.get() + 1;
            let ts_event = now_us * 1_000;
            let change = Change::Level(level);
            let event = Event { index: u32::try_from(index).unwrap(), number, ts_event, change };
            row.apply(&event);
            assert_eq!(book.apply(number, ts_event, &level), None);
            self.writer.push(&event);
            history.books.push(book.clone());
        }
    }

    /// The answer to a question for books.
    pub(crate) fn page(&self, request: &[u8], now_us: i64) -> Vec<u8> {
        let mut page = PageWriter::default();
        for index in parse_request(request).unwrap() {
            if let Some(book) = self.books.get(index as usize) {
                page.push(index, book);
            }
        }
        page.finish(self.header(self.next + self.writer.len() as u64, now_us))
    }

    fn header(&self, first: u64, now_us: i64) -> Header {
        Header {
            shard: self.shard.into(),
            revision: 1.into(),
            feed_epoch: self.epoch.into(),
            first: first.into(),
            complete_through: (now_us * 1_000).into(),
            ts_publish: (now_us * 1_000).into(),
            ..Header::default()
        }
    }

    /// The batch or beat of what was made since the last one.
    pub(crate) fn batch(&mut self, now_us: i64) -> Vec<u8> {
        let header = self.header(self.next, now_us);
        self.next += self.writer.len() as u64;
        self.said_us = now_us;
        self.writer.finish(header)
    }

    pub(crate) fn snapshot(&self, now_us: i64) -> Vec<u8> {
        snapshot_message(self.header(self.next + self.writer.len() as u64, now_us), self.rows.iter())
    }
}
