//! The live market as the venue sees it: definitions, best bid and ask, freshness, and how much of the displayed size
//! this venue's clients have taken. Pure; fed by `service` with payloads and the time, read by `decide`.
//!
//! Nothing of it is in the log: decisions are, so that a fold needs no quotes. Displayed size that was taken stays taken
//! until the feed shows another price or size on that side; a restart forgets what was taken.

use crate::mutants::broken;
use crate::state::{BuildFast, Standing};
use crate::watch::{Seen, Watch};
use std::collections::HashMap;
use wire::SHARDS_MAX;
use wire::batch::SnapshotRow;
use wire::instrument::Definitions;
use wire::order::{Side, Symbol};
use wire::shard::{ShardReader, ShardSink, StaleReason};
use wire::tick::{Change, Event, Quote, Status};

/// One side of a quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Displayed {
    /// Price.
    pub price: i64,
    /// Size that is left of what is shown, 0 = nothing to take.
    pub qty: i64,
}

/// Whether and how an instrument trades.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trading {
    /// LIVE or QUIET: the quote is proven current.
    Current,
    /// No proof that the quote is current.
    Stale,
    /// Halted or closed by its source.
    Halted,
}

/// What `decide` needs to know of an instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// Position in the market.
    pub row: usize,
    /// Exponents of price and quantity.
    pub exponents: (i8, i8),
    /// Smallest price step.
    pub tick_size: i64,
    /// Smallest quantity step.
    pub lot_size: i64,
    /// Whether it trades.
    pub trading: Trading,
    /// What a seller finds; nothing unless trading is current.
    pub bid: Displayed,
    /// What a buyer finds; nothing unless trading is current.
    pub ask: Displayed,
}

impl View {
    /// What an order of this side finds.
    #[must_use]
    pub fn opposite(&self, side: Side) -> Displayed {
        match side {
            Side::Buy => self.ask,
            Side::Sell => self.bid,
        }
    }
}

#[derive(Debug)]
struct Row {
    symbol: Symbol,
    shard: usize,
    exponents: (i8, i8),
    tick_size: i64,
    lot_size: i64,
    quote: Quote,
    /// Whether a quote ever came.
    quoted: bool,
    /// Whether a side of size 0 is absent.
    has_size: bool,
    /// Price of the last print.
    last: Option<i64>,
    /// Whether alerts stand on it.
    watched: bool,
    taken_bid: i64,
    taken_ask: i64,
    status: Status,
    moved: bool,
}

#[derive(Debug, Default)]
struct Table {
    rows: Vec<Row>,
    positions: HashMap<Symbol, usize, BuildFast>,
    moved: Vec<usize>,
}

#[derive(Debug)]
struct Shard {
    reader: ShardReader,
    feed_epoch: u64,
    revision: u32,
    /// Row of each index of the definitions.
    rows: Vec<usize>,
    /// Events came for indices that the definitions do not have yet.
    missed: bool,
}

/// All shards.
#[derive(Debug)]
pub struct Market {
    stale_after_us: i64,
    shards: Vec<Shard>,
    table: Table,
    watch: Watch,
}

struct Sink<'a> {
    table: &'a mut Table,
    watch: &'a mut Watch,
    now_us: i64,
    rows: &'a [usize],
    feed_epoch: u64,
    missed: &'a mut bool,
}

impl ShardSink for Sink<'_> {
    fn event(&mut self, event: &Event) {
        let Some(row) = self.rows.get(event.index as usize).copied() else {
            *self.missed = true;
            return;
        };
        match event.change {
            Change::Quote(quote) => self.table.quote(row, quote),
            Change::Status(status) => self.table.status(row, status),
            Change::Trade(trade) => self.table.rows[row].last = Some(trade.price),
            Change::Level(_) => return,
        }
        self.look(row);
    }

    fn snapshot(&mut self, rows: &mut dyn Iterator<Item = &SnapshotRow>, epoch: u64, _: u32, _: bool) {
        if epoch != self.feed_epoch {
            *self.missed = true;
            return;
        }
        for (index, row) in rows.enumerate() {
            let Some(position) = self.rows.get(index).copied() else {
                *self.missed = true;
                return;
            };
            let seen = row.has_quote.get() != 0;
            self.table.status(position, Status::from_u8(row.status).unwrap_or_default());
            self.table.quote(
                position,
                Quote {
                    bid: row.bid.get(),
                    ask: row.ask.get(),
                    bid_size: if seen { row.bid_size.get() } else { 0 },
                    ask_size: if seen { row.ask_size.get() } else { 0 },
                },
            );
            let known = &mut self.table.rows[position];
            known.quoted = seen;
            known.last = (row.tc.get() > 0).then(|| row.last_price.get());
            self.look(position);
        }
    }
}

impl Sink<'_> {
    /// Lets the alerts of a row see what it shows now.
    fn look(&mut self, row: usize) {
        let row = &self.table.rows[row];
        if row.watched {
            self.watch.see(&row.symbol, &row.seen(), self.now_us);
        }
    }
}

impl Row {
    fn seen(&self) -> Seen {
        let shown = |price: i64, size: i64| (self.quoted && (size > 0 || !self.has_size)).then_some(price);
        let quote = &self.quote;
        let prices = [shown(quote.bid, quote.bid_size), shown(quote.ask, quote.ask_size), self.last];
        Seen { exponent: self.exponents.0, tick_size: self.tick_size, prices }
    }
}

impl Table {
    fn quote(&mut self, row: usize, quote: Quote) {
        let old = &mut self.rows[row];
        if (old.quote.bid, old.quote.bid_size) != (quote.bid, quote.bid_size) {
            old.taken_bid = 0;
        }
        if (old.quote.ask, old.quote.ask_size) != (quote.ask, quote.ask_size) {
            old.taken_ask = 0;
        }
        (old.quote, old.quoted) = (quote, true);
        self.mark(row);
    }

    fn status(&mut self, row: usize, status: Status) {
        self.rows[row].status = status;
        self.mark(row);
    }

    fn mark(&mut self, row: usize) {
        if !std::mem::replace(&mut self.rows[row].moved, true) {
            self.moved.push(row);
        }
    }

    /// Takes over a definition; other exponents void the quote.
    fn define(&mut self, shard: usize, instrument: &wire::instrument::Instrument) -> Option<usize> {
        let symbol = Symbol::new(&instrument.symbol).ok()?;
        let fresh = Row {
            symbol,
            shard,
            exponents: (instrument.price_exponent, instrument.qty_exponent),
            tick_size: instrument.tick_size.max(1),
            lot_size: instrument.lot_size.max(1),
            quote: Quote::default(),
            quoted: false,
            has_size: instrument.has_size,
            last: None,
            watched: false,
            taken_bid: 0,
            taken_ask: 0,
            status: Status::default(),
            moved: false,
        };
        let Some(position) = self.positions.get(&symbol).copied() else {
            self.positions.insert(symbol, self.rows.len());
            self.rows.push(fresh);
            return Some(self.rows.len() - 1);
        };
        let row = &mut self.rows[position];
        let (taken_bid, taken_ask, moved, watched) = (row.taken_bid, row.taken_ask, row.moved, row.watched);
        let mut row_now = Row { taken_bid, taken_ask, moved, watched, ..fresh };
        if row.exponents == row_now.exponents {
            (row_now.quote, row_now.quoted, row_now.last) = (row.quote, row.quoted, row.last);
        }
        *row = row_now;
        Some(position)
    }
}

impl Market {
    /// A market that has heard nothing.
    ///
    /// # Panics
    /// With more than [`SHARDS_MAX`] shards.
    #[must_use]
    pub fn new(shards: u16, stale_after_us: i64, now_us: i64) -> Self {
        assert!(shards <= SHARDS_MAX, "too many shards");
        let shard = |number| Shard {
            reader: ShardReader::new(number, now_us),
            feed_epoch: 0,
            revision: 0,
            rows: Vec::new(),
            missed: false,
        };
        Self {
            stale_after_us,
            shards: (0..shards).map(shard).collect(),
            table: Table::default(),
            watch: Watch::default(),
        }
    }

    /// Takes one payload of `tick.<shard>`; a refused one is counted by the shard's reader, which asks anew.
    pub fn batch(&mut self, shard: u16, payload: &bytes::Bytes, now_us: i64) {
        let Some(shard) = self.shards.get_mut(usize::from(shard)) else { return };
        let (table, watch, feed_epoch) = (&mut self.table, &mut self.watch, shard.feed_epoch);
        let mut sink =
            Sink { table, watch, now_us, rows: &shard.rows, feed_epoch, missed: &mut shard.missed };
        let _counted = shard.reader.batch(payload, now_us, &mut sink);
    }

    /// Takes one answer of `snap.<shard>`.
    pub fn snapshot(&mut self, shard: u16, payload: &[u8], now_us: i64) {
        let Some(shard) = self.shards.get_mut(usize::from(shard)) else { return };
        let (table, watch, feed_epoch) = (&mut self.table, &mut self.watch, shard.feed_epoch);
        let mut sink =
            Sink { table, watch, now_us, rows: &shard.rows, feed_epoch, missed: &mut shard.missed };
        let _counted = shard.reader.snapshot(payload, now_us, &mut sink);
        if shard.missed {
            shard.reader.suspect(StaleReason::Starting);
        }
    }

    /// Takes one answer of `inst.<shard>`. Symbols that cannot be ordered by name keep no row.
    pub fn definitions(&mut self, shard: u16, definitions: &Definitions) {
        let number = usize::from(shard);
        let Some(entry) = self.shards.get_mut(number) else { return };
        if definitions.shard != shard {
            return;
        }
        let rows: Option<Vec<usize>> =
            definitions.instruments.iter().map(|i| self.table.define(number, i)).collect();
        let Some(rows) = rows else { return };
        for row in &rows {
            let row = &mut self.table.rows[*row];
            row.watched = self.watch.has(&row.symbol);
        }
        (entry.feed_epoch, entry.revision) = (definitions.feed_epoch, definitions.revision);
        entry.rows = rows;
        if std::mem::take(&mut entry.missed) {
            entry.reader.suspect(StaleReason::Starting);
        }
    }

    /// Whether definitions should be asked for, and whether a snapshot.
    #[must_use]
    pub fn wants(&self, shard: u16) -> (bool, bool) {
        let Some(shard) = self.shards.get(usize::from(shard)) else { return (false, false) };
        let behind = shard.reader.epoch() != shard.feed_epoch || shard.reader.revision() > shard.revision;
        let definitions = shard.rows.is_empty() || shard.missed || behind;
        (definitions, shard.reader.wants_snapshot())
    }

    /// The bus may have lost something: ask anew for every shard.
    pub fn suspect(&mut self) {
        self.shards.iter_mut().for_each(|shard| shard.reader.suspect(StaleReason::BusLost));
    }

    /// Shards that are complete and current.
    #[must_use]
    pub fn current_shards(&self, now_us: i64) -> usize {
        self.shards.iter().filter(|shard| self.is_current(shard, now_us)).count()
    }

    /// Events applied and lost so far.
    #[must_use]
    pub fn events(&self) -> (u64, u64) {
        let counters = self.shards.iter().map(|shard| shard.reader.counters());
        counters.fold((0, 0), |(events, lost), c| (events + c.events, lost + c.events_lost))
    }

    fn is_current(&self, shard: &Shard, now_us: i64) -> bool {
        let known = shard.reader.epoch() == shard.feed_epoch && !shard.reader.wants_snapshot();
        known && shard.reader.age_us(now_us) <= self.stale_after_us
    }

    /// An instrument as it is now.
    #[must_use]
    pub fn view(&self, symbol: &Symbol, now_us: i64) -> Option<View> {
        self.table.positions.get(symbol).map(|row| self.view_row(*row, now_us))
    }

    /// The instrument of a row as it is now.
    #[must_use]
    pub fn view_row(&self, position: usize, now_us: i64) -> View {
        let row = &self.table.rows[position];
        let trading = match row.status {
            Status::Halted | Status::Closed => Trading::Halted,
            Status::SourceStale => Trading::Stale,
            Status::Open if self.is_current(&self.shards[row.shard], now_us) => Trading::Current,
            Status::Open => Trading::Stale,
        };
        let left = |price: i64, size: i64, taken: i64| match trading {
            Trading::Current => Displayed { price, qty: (size - taken).max(0) },
            _ => Displayed { price, qty: 0 },
        };
        View {
            row: position,
            exponents: row.exponents,
            tick_size: row.tick_size,
            lot_size: row.lot_size,
            trading,
            bid: left(row.quote.bid, row.quote.bid_size, row.taken_bid),
            ask: left(row.quote.ask, row.quote.ask_size, row.taken_ask),
        }
    }

    /// Symbol of a row.
    #[must_use]
    pub fn symbol(&self, row: usize) -> Symbol {
        self.table.rows[row].symbol
    }

    /// What an instrument shows to alerts.
    #[must_use]
    pub fn seen(&self, symbol: &Symbol) -> Option<Seen> {
        self.table.positions.get(symbol).map(|row| self.table.rows[*row].seen())
    }

    /// What has come true of the alerts that stand.
    pub fn watch(&mut self) -> &mut Watch {
        &mut self.watch
    }

    /// Takes over an alert that stands, or is armed from now on.
    pub fn stand(&mut self, number: u64, standing: &Standing, now_us: i64) {
        let row = self.table.positions.get(&standing.alert.symbol).map(|row| &mut self.table.rows[*row]);
        let seen = row.map(|row| {
            row.watched = true;
            row.seen()
        });
        self.watch.stand(number, standing, seen.as_ref(), now_us);
    }

    /// Forgets an alert.
    pub fn fall(&mut self, number: u64) {
        if let Some(symbol) = self.watch.fall(number)
            && let Some(row) = self.table.positions.get(&symbol)
        {
            self.table.rows[*row].watched = false;
        }
    }

    /// What time alone makes come true: alerts on STALE, and expiries. An instrument that is not known is stale.
    pub fn pass(&mut self, now_us: i64) {
        let mut watch = std::mem::take(&mut self.watch);
        watch.see_time(now_us);
        watch.see_stale(now_us, |symbol| {
            self.view(symbol, now_us).is_none_or(|view| view.trading == Trading::Stale)
        });
        self.watch = watch;
    }

    /// An order of `side` took `qty` of what is displayed to it.
    pub fn take(&mut self, row: usize, side: Side, qty: i64) {
        if broken("taken_size_stays_taken") {
            return;
        }
        let row = &mut self.table.rows[row];
        match side {
            Side::Buy => row.taken_ask += qty,
            Side::Sell => row.taken_bid += qty,
        }
    }

    /// Looks at the row again at the next market step.
    pub fn mark(&mut self, row: usize) {
        self.table.mark(row);
    }

    /// Rows that changed since they were taken; whoever cannot finish one marks it again.
    pub fn take_moved(&mut self) -> Vec<usize> {
        let moved = std::mem::take(&mut self.table.moved);
        for row in &moved {
            self.table.rows[*row].moved = false;
        }
        moved
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use bytes::Bytes;
    use wire::batch::{BatchWriter, Header, snapshot_message};
    use wire::instrument::Instrument;
    use zerocopy::FromZeros;

    /// A market of one shard with these symbols (price in cents, whole quantities), synced.
    pub(crate) struct Feed {
        next: u64,
        header: Header,
    }

    impl Feed {
        pub(crate) fn start(market: &mut Market, symbols: &[&str], now_us: i64) -> Self {
            let instruments = symbols.iter().map(|symbol| Instrument {
                symbol: (*symbol).into(),
                price_exponent: -2,
                qty_exponent: 0,
                tick_size: 5,
                lot_size: 1,
                has_aggressor: true,
                has_size: true,
            });
            let definitions =
                Definitions { shard: 0, feed_epoch: 3, revision: 1, instruments: instruments.collect() };
            let mut header = Header::new_zeroed();
            (header.feed_epoch, header.first, header.revision) = (3.into(), 1.into(), 1.into());
            market.definitions(0, &definitions);
            let rows = vec![SnapshotRow::new_zeroed(); symbols.len()];
            market.snapshot(0, &snapshot_message(header, rows.iter()), now_us);
            Self { next: 1, header }
        }

        pub(crate) fn send(&mut self, market: &mut Market, index: u32, change: Change, now_us: i64) {
            let mut writer = BatchWriter::default();
            writer.push(&Event { index, number: 1, ts_event: 0, change });
            self.header.first = self.next.into();
            self.next += 1;
            market.batch(0, &Bytes::from(writer.finish(self.header)), now_us);
        }

        pub(crate) fn quote(&mut self, market: &mut Market, quote: [i64; 4], now_us: i64) {
            let [bid, ask, bid_size, ask_size] = quote;
            self.send(market, 0, Change::Quote(Quote { bid, ask, bid_size, ask_size }), now_us);
        }
    }

    #[test]
    fn taken_size_stays_taken_until_the_feed_shows_another() {
        let mut market = Market::new(1, 400_000, 0);
        let mut feed = Feed::start(&mut market, &["A.X"], 0);
        let symbol = "A.X".parse().unwrap();
        feed.quote(&mut market, [100, 105, 7, 9], 0);
        market.take(0, Side::Buy, 4);
        assert_eq!(market.view(&symbol, 1).unwrap().ask, Displayed { price: 105, qty: 5 });
        feed.quote(&mut market, [95, 105, 7, 9], 1);
        assert_eq!(market.view(&symbol, 1).unwrap().ask.qty, 5, "same price and size on that side");
        feed.quote(&mut market, [95, 105, 7, 8], 2);
        assert_eq!(market.view(&symbol, 2).unwrap().ask.qty, 8);
    }

    #[test]
    fn an_old_quote_gives_no_liquidity_and_a_halt_says_so() {
        let mut market = Market::new(1, 400_000, 0);
        let mut feed = Feed::start(&mut market, &["A.X", "B.X"], 0);
        let symbol = "A.X".parse().unwrap();
        feed.quote(&mut market, [100, 105, 7, 9], 0);
        assert_eq!(market.view(&symbol, 400_000).unwrap().trading, Trading::Current);
        let late = market.view(&symbol, 400_001).unwrap();
        assert_eq!((late.trading, late.ask.qty), (Trading::Stale, 0));
        feed.send(&mut market, 0, Change::Status(Status::Halted), 1);
        assert_eq!(market.view(&symbol, 1).unwrap().trading, Trading::Halted);
    }

    #[test]
    fn events_of_unknown_instruments_make_it_ask_for_both() {
        let mut market = Market::new(1, 400_000, 0);
        assert_eq!(market.wants(0), (true, true));
        let mut feed = Feed::start(&mut market, &["A.X"], 0);
        assert_eq!(market.wants(0), (false, false));
        feed.send(&mut market, 1, Change::Status(Status::Open), 1);
        assert_eq!(market.wants(0), (true, false));
        assert_eq!(market.view(&"B.X".parse().unwrap(), 1), None);
    }
}
