//! Bus payloads into the table, the books and the bars: sequence, epoch and gap rules of each shard, and the meaning of
//! its indices. Pure.
//!
//! `engine` calls it; it never asks the bus itself, but says what is needed ([`Ingest::wants`]).

use crate::bars::{BarPrint, Bars};
use crate::bits::Bits;
use crate::books::{Books, LevelEvent};
use crate::last_value::{Bounds, Received, Table};
use bytes::Bytes;
use std::collections::HashSet;
use wire::batch::{BatchError, Snapshot, SnapshotRow};
use wire::book_page::Page;
use wire::cursor_shards::Position;
use wire::instrument::InstrumentId;
use wire::shard::{ShardCounters, ShardReader, ShardSink, StaleReason};
use wire::tick::{Change, Event, Trade};

/// What a shard needs from its publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Nothing.
    Nothing,
    /// Its definitions (`inst.<shard>`).
    Definitions,
    /// Its snapshot (`snap.<shard>`).
    Snapshot,
}

#[derive(Debug)]
struct Shard {
    reader: ShardReader,
    ids: Vec<InstrumentId>,
    ids_epoch: u64,
    ids_revision: u32,
    stale: bool,
}

/// The readers of all shards.
#[derive(Debug)]
pub struct Ingest {
    shards: Vec<Shard>,
    bounds: Bounds,
    unknown_index: u64,
}

/// Where what the rules let through goes.
#[derive(Debug)]
pub struct Sinks<'a> {
    /// Last values.
    pub table: &'a mut Table,
    /// Ids whose rows moved.
    pub touched: &'a mut Bits,
    /// Books that are wanted.
    pub books: &'a mut Books,
    /// Bars.
    pub bars: &'a mut Bars,
}

/// Writes into the table what the rules let through, and notes which symbols it touched.
struct Apply<'a, 'b> {
    shard: u16,
    ids: &'a [InstrumentId],
    to: &'a mut Sinks<'b>,
    received: Received,
    /// Publisher's clock at a snapshot, µs: what is due later is not in it.
    published_us: i64,
    unknown_index: &'a mut u64,
    bounds: Bounds,
    /// What the shard's freshness was before this payload; when it changes, all its rows are judged after it.
    proof_age_us: Option<i64>,
}

impl ShardSink for Apply<'_, '_> {
    #[inline]
    fn sequence(&mut self, sequence: u64) {
        self.to.table.at(sequence);
    }

    #[inline]
    fn event(&mut self, event: &Event) {
        let Some(id) = self.ids.get(event.index as usize) else {
            *self.unknown_index += 1;
            return;
        };
        match event.change {
            Change::Level(level) => {
                let event = LevelEvent { number: event.number, ts_event: event.ts_event, level };
                return self.to.books.apply(*id, &event, self.received);
            }
            Change::Trade(trade) => self.print(*id, event, trade),
            Change::Quote(_) | Change::Status(_) => {}
        }
        self.to.table.apply(*id, event, self.received);
        self.to.table.judge(*id, self.proof_age_us, self.received.now_us, self.bounds);
        self.to.touched.insert(*id);
    }

    fn snapshot(
        &mut self,
        rows: &mut dyn Iterator<Item = &SnapshotRow>,
        epoch: u64,
        _revision: u32,
        new_epoch: bool,
    ) {
        if new_epoch {
            self.to.bars.restart(self.shard);
        }
        for (id, row) in self.ids.iter().zip(rows) {
            let known = self.to.table.row(*id).map(|row| row.image.trade);
            if new_epoch || known.is_none_or(|known| (known.feed_epoch, known.tc) != (epoch, row.tc.get())) {
                self.to.bars.lost(*id, self.published_us);
            }
            self.to.table.restore(*id, row, epoch, new_epoch, self.received);
            self.to.books.restore(*id, row.lver.get(), self.to.table);
            self.to.touched.insert(*id);
        }
    }
}

impl Apply<'_, '_> {
    fn print(&mut self, id: InstrumentId, event: &Event, trade: Trade) {
        let known = self.to.table.row(id).map_or(0, |row| row.image.trade.tc);
        let after_loss = event.number.saturating_sub(known) > 1;
        let print = BarPrint { number: event.number, ts_event: event.ts_event, trade, after_loss };
        self.to.bars.apply(id, self.shard, &print, self.received.now_us);
    }
}

impl Shard {
    /// Whether its indices mean what its present publisher says.
    fn is_defined(&self) -> bool {
        self.ids_epoch != 0 && self.ids_epoch == self.reader.epoch()
    }
}

impl Ingest {
    /// Readers of `shards` shards that have heard nothing.
    #[must_use]
    pub fn new(shards: u16, bounds: Bounds, now_us: i64) -> Self {
        let shard = |number| Shard {
            reader: ShardReader::new(number, now_us),
            ids: Vec::new(),
            ids_epoch: 0,
            ids_revision: 0,
            stale: true,
        };
        Self { shards: (0..shards).map(shard).collect(), bounds, unknown_index: 0 }
    }

    /// Says what each index of a shard means within an epoch. Returns the ids that are listed no more: no proof of
    /// this shard speaks for them.
    pub fn define(
        &mut self,
        shard: u16,
        epoch: u64,
        revision: u32,
        ids: Vec<InstrumentId>,
    ) -> Vec<InstrumentId> {
        let Some(shard) = self.shards.get_mut(usize::from(shard)) else { return Vec::new() };
        let listed: HashSet<InstrumentId> = ids.iter().copied().collect();
        (shard.ids_epoch, shard.ids_revision) = (epoch, revision);
        let before = std::mem::replace(&mut shard.ids, ids);
        before.into_iter().filter(|id| !listed.contains(id)).collect()
    }

    /// What a shard needs now. Definitions come first: a snapshot's rows mean nothing without them.
    #[must_use]
    pub fn wants(&self, shard: u16) -> Want {
        let Some(shard) = self.shards.get(usize::from(shard)) else { return Want::Nothing };
        let reader = &shard.reader;
        let outdated = shard.ids_epoch == 0
            || reader.epoch() > shard.ids_epoch
            || (reader.epoch() == shard.ids_epoch && reader.revision() > shard.ids_revision);
        match (outdated, reader.wants_snapshot()) {
            (true, _) => Want::Definitions,
            (false, true) => Want::Snapshot,
            (false, false) => Want::Nothing,
        }
    }

    /// Takes a payload of `tick.<shard>`.
    ///
    /// # Errors
    /// See [`BatchError`]; the payload is dropped and the shard re-syncs.
    pub fn batch(
        &mut self,
        shard: u16,
        payload: &Bytes,
        received: Received,
        mut to: Sinks<'_>,
    ) -> Result<(), BatchError> {
        let Some(entry) = self.shards.get_mut(usize::from(shard)) else { return Err(BatchError::Shard) };
        let (bounds, unknown_index) = (self.bounds, &mut self.unknown_index);
        let proof_age_us = (!entry.stale).then_some(0);
        let ids = &entry.ids;
        let (to, published_us) = (&mut to, received.now_us);
        let mut sink = Apply { shard, ids, to, received, published_us, unknown_index, bounds, proof_age_us };
        let taken = entry.reader.batch(payload, received.now_us, &mut sink);
        if let Some(through_ns) = entry.reader.watermark_ns() {
            to.bars.pass(shard, through_ns.div_euclid(1_000));
        }
        self.judge_shard(shard, received.now_us, to.table, to.touched);
        taken
    }

    /// Takes an answer of `snap.<shard>`. Returns whether the shard is whole; if not, ask for what it then wants.
    ///
    /// # Errors
    /// See [`BatchError`]; the answer is dropped.
    pub fn snapshot(
        &mut self,
        shard: u16,
        payload: &[u8],
        received: Received,
        mut to: Sinks<'_>,
    ) -> Result<bool, BatchError> {
        let header = Snapshot::parse(payload, shard)?.header;
        let Some(entry) = self.shards.get_mut(usize::from(shard)) else { return Err(BatchError::Shard) };
        let (epoch, revision) = (header.feed_epoch.get(), header.revision.get());
        if epoch != entry.ids_epoch || revision > entry.ids_revision {
            entry.ids_epoch = 0; // these rows cannot be read: fetch the definitions anew
            return Ok(false);
        }
        let (bounds, unknown_index) = (self.bounds, &mut self.unknown_index);
        let proof_age_us = (!entry.stale).then_some(0);
        let ids = &entry.ids;
        let (to, published_us) = (&mut to, header.ts_publish.get().div_euclid(1_000));
        let mut sink = Apply { shard, ids, to, received, published_us, unknown_index, bounds, proof_age_us };
        let whole = entry.reader.snapshot(payload, received.now_us, &mut sink)?;
        self.judge_rows(shard, received.now_us, to.table, to.touched);
        Ok(whole)
    }

    /// Books of a shard to ask for now, see [`Books::needs`]; none while the shard itself is not whole.
    pub fn book_needs(&self, shard: u16, now_us: i64, books: &mut Books) -> Vec<u32> {
        let entry = self.shards.get(usize::from(shard));
        let whole = entry.filter(|entry| !entry.reader.wants_snapshot() && entry.is_defined());
        whole.map_or_else(Vec::new, |entry| books.needs(shard, &entry.ids, now_us))
    }

    /// Takes an answer of `book.<shard>`. Returns whether it set any book.
    ///
    /// # Errors
    /// See [`BatchError`]; the answer is dropped and the books are asked for again.
    pub fn book_page(
        &self,
        shard: u16,
        payload: &[u8],
        received: Received,
        books: &mut Books,
    ) -> Result<bool, BatchError> {
        let parsed = Page::parse(payload, shard);
        let entry = self.shards.get(usize::from(shard)).filter(|entry| entry.is_defined());
        let (Ok(page), Some(entry)) = (parsed, entry) else {
            books.unanswered(shard, received.now_us);
            return parsed.map(|_| false);
        };
        Ok(books.page(shard, &page, &entry.ids, entry.reader.epoch(), received))
    }

    /// The bus may have lost something: every shard asks anew.
    pub fn suspect(&mut self) {
        self.shards.iter_mut().for_each(|shard| shard.reader.suspect(StaleReason::BusLost));
    }

    /// A shard is not followed, or was not until now: it asks anew.
    pub fn suspect_shard(&mut self, shard: u16) {
        if let Some(shard) = self.shards.get_mut(usize::from(shard)) {
            shard.reader.suspect(StaleReason::Starting);
        }
    }

    /// Judges the freshness of every symbol of every shard. Call it at least every 50 ms.
    pub fn judge(&mut self, now_us: i64, table: &mut Table, touched: &mut Bits) {
        for shard in 0..u16::try_from(self.shards.len()).unwrap_or(0) {
            self.judge_rows(shard, now_us, table, touched);
        }
    }

    /// Judges a shard's symbols only when the shard as a whole turned stale or fresh: cheap enough for each batch.
    fn judge_shard(&mut self, shard: u16, now_us: i64, table: &mut Table, touched: &mut Bits) {
        let entry = &self.shards[usize::from(shard)];
        if entry.stale != self.is_stale(shard, now_us) {
            self.judge_rows(shard, now_us, table, touched);
        }
    }

    fn judge_rows(&mut self, shard: u16, now_us: i64, table: &mut Table, touched: &mut Bits) {
        let stale = self.is_stale(shard, now_us);
        let entry = &mut self.shards[usize::from(shard)];
        entry.stale = stale;
        let proof = (!entry.reader.wants_snapshot()).then(|| entry.reader.age_us(now_us));
        for id in &entry.ids {
            if table.judge(*id, proof, now_us, self.bounds) {
                touched.insert(*id);
            }
        }
    }

    fn is_stale(&self, shard: u16, now_us: i64) -> bool {
        self.stale(shard, now_us).is_some()
    }

    /// Why a shard's symbols are stale, if they are.
    #[must_use]
    pub fn stale(&self, shard: u16, now_us: i64) -> Option<StaleReason> {
        self.shards.get(usize::from(shard))?.reader.stale(now_us, self.bounds.stale_after_us)
    }

    /// Everything due up to here has arrived in a shard, µs, publisher's clock; `None` while it re-syncs.
    #[must_use]
    pub fn watermark_us(&self, shard: u16) -> Option<i64> {
        self.shards.get(usize::from(shard))?.reader.watermark_ns().map(|ns| ns / 1_000)
    }

    /// The feed epoch of a shard, 0 before the first snapshot.
    #[must_use]
    pub fn epoch(&self, shard: u16) -> u64 {
        self.shards.get(usize::from(shard)).map_or(0, |shard| shard.reader.epoch())
    }

    /// Everything numbered below this has been applied in a shard, or restored.
    #[must_use]
    pub fn position(&self, shard: u16) -> Position {
        let reader = self.shards.get(usize::from(shard)).map(|shard| &shard.reader);
        reader
            .map_or_else(Position::default, |reader| Position { epoch: reader.epoch(), next: reader.next() })
    }

    /// Age of a shard's proof, µs.
    #[must_use]
    pub fn age_us(&self, shard: u16, now_us: i64) -> i64 {
        self.shards.get(usize::from(shard)).map_or(i64::MAX, |shard| shard.reader.age_us(now_us))
    }

    /// Whether a shard is whole.
    #[must_use]
    pub fn is_whole(&self, shard: u16) -> bool {
        self.shards.get(usize::from(shard)).is_some_and(|shard| !shard.reader.wants_snapshot())
    }

    /// Number of shards.
    #[must_use]
    pub fn shards(&self) -> u16 {
        u16::try_from(self.shards.len()).unwrap_or(0)
    }

    /// Counters of a shard.
    #[must_use]
    pub fn counters(&self, shard: u16) -> ShardCounters {
        self.shards.get(usize::from(shard)).map(|shard| shard.reader.counters()).unwrap_or_default()
    }

    /// Events whose index no definition explains.
    #[must_use]
    pub fn unknown_index(&self) -> u64 {
        self.unknown_index
    }
}
