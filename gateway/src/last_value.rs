//! The last-value table: one row an instrument, overwritten by each event, and a ring of recent prints. Pure.
//!
//! `ingest` writes it, `lane` reads it. Applying an event is O(1) and allocates nothing.

mod mark;

pub use mark::Mark;

use crate::mutants::broken;
use wire::batch::SnapshotRow;
use wire::control::Channel;
use wire::frame::{Print, QuoteImage, State, TradeImage};
use wire::instrument::InstrumentId;
use wire::tick::{Aggressor, Change, Event, Quote, Status};

/// How fresh the table must find a symbol to call it live.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Without proof for longer than this a symbol is stale, µs.
    pub stale_after_us: i64,
    /// Unchanged for longer than this a symbol is quiet, µs.
    pub quiet_after_us: i64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { stale_after_us: 400_000, quiet_after_us: 1_000_000 }
    }
}

/// What a client can see of one instrument.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Image {
    /// Quote side.
    pub quote: QuoteImage,
    /// Trade side.
    pub trade: TradeImage,
}

/// One instrument's row.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// What clients see.
    pub image: Image,
    /// Trading status as the source states it.
    pub status: Status,
    /// Shard.
    pub shard: u16,
    /// When something last changed, µs.
    pub changed_us: i64,
    /// When the payload that changed it was published, ns, publisher's clock; 0 = not known.
    pub ts_publish: i64,
    /// Due and received times of the last status, ns.
    pub ts_status: (i64, i64),
    marks: [Mark; 2],
    head: u64,
}

/// Times of one payload, the same for all its events.
#[derive(Debug, Clone, Copy)]
pub struct Received {
    /// Core time, µs since the Unix epoch.
    pub now_us: i64,
    /// When the publisher sent it, ns, its clock; 0 = not known.
    pub ts_publish: i64,
}

impl Received {
    fn ns(self) -> i64 {
        self.now_us.saturating_mul(1_000)
    }
}

/// All rows, and recent prints.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Row>,
    ring: Vec<Link>,
    next: u64,
    sequence: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Link {
    print: Print,
    number: u64,
    prev: u64,
}

impl Table {
    /// An empty table that remembers up to `prints` prints over all symbols; a lane that looks back further gets
    /// totals instead of the list. Size it for twice the longest interval at the peak rate.
    #[must_use]
    pub fn new(prints: usize) -> Self {
        Self { rows: Vec::new(), ring: vec![Link::default(); prints.max(1)], next: 1, sequence: 0 }
    }

    /// The shard's sequence of what is applied or restored next.
    #[inline]
    pub fn at(&mut self, sequence: u64) {
        self.sequence = sequence;
    }

    /// The row of an instrument.
    #[must_use]
    #[inline]
    pub fn row(&self, id: InstrumentId) -> Option<&Row> {
        self.rows.get(id.index())
    }

    /// Makes a row for a new instrument; a known one is only moved to its shard.
    pub fn ensure(&mut self, id: InstrumentId, shard: u16) {
        while self.rows.len() <= id.index() {
            let image = Image::default();
            self.rows.push(Row {
                image,
                status: Status::Open,
                shard,
                changed_us: 0,
                ts_publish: 0,
                ts_status: (0, 0),
                marks: [Mark::default(); 2],
                head: 0,
            });
        }
        self.rows[id.index()].shard = shard;
    }

    /// Applies one event in order. A jump of the running number is declared lost.
    #[inline]
    pub fn apply(&mut self, id: InstrumentId, event: &Event, received: Received) {
        let Some(row) = self.rows.get_mut(id.index()) else { return };
        match event.change {
            Change::Quote(quote) => {
                row.quote_event(event, received, self.sequence);
                row.image.quote.quote = quote;
            }
            Change::Status(status) => {
                row.quote_event(event, received, self.sequence);
                row.status = status;
                row.ts_status = (event.ts_event, received.ns());
            }
            Change::Trade(trade) => {
                let print = Print {
                    price: trade.price,
                    qty: trade.qty,
                    trade_id: trade.trade_id,
                    aggressor: trade.aggressor,
                    ts_event: event.ts_event,
                    ts_recv: received.ns(),
                };
                row.print(event.number, print, self.sequence);
                let at = ring_index(self.next, self.ring.len());
                self.ring[at] = Link { print, number: event.number, prev: row.head };
                row.head = self.next;
                self.next += 1;
            }
            Change::Level(_) => return,
        }
        (row.changed_us, row.ts_publish) = (received.now_us, received.ts_publish);
    }

    /// Takes the publisher's whole state of an instrument. Within an epoch the difference of the counts is lost; a
    /// new epoch voids all.
    pub fn restore(
        &mut self,
        id: InstrumentId,
        from: &SnapshotRow,
        epoch: u64,
        new_epoch: bool,
        received: Received,
    ) {
        let Some(row) = self.rows.get_mut(id.index()) else { return };
        let (quote, trade) = (&mut row.image.quote, &mut row.image.trade);
        if (new_epoch || quote.feed_epoch != epoch) && !broken("epoch_keeps_totals") {
            let epoch_count = quote.epoch_count.wrapping_add(1);
            *quote =
                QuoteImage { feed_epoch: epoch, epoch_count, state: quote.state, ..QuoteImage::default() };
            *trade =
                TradeImage { feed_epoch: epoch, epoch_count, state: quote.state, ..TradeImage::default() };
            row.marks = [Mark::default(); 2];
            if !broken("epoch_keeps_ring") {
                row.head = 0;
            }
        } else if !broken("snapshot_loss_uncounted") {
            let lost = [from.ver.get().saturating_sub(quote.ver), from.tc.get().saturating_sub(trade.tc)];
            let before = [&mut quote.lost, &mut trade.lost];
            for (channel, (before, lost)) in before.into_iter().zip(lost).enumerate() {
                row.marks[channel].lose(self.sequence, before, lost);
            }
        }
        if !broken("restored_rows_look_old") {
            // What the snapshot has as it was has not moved in between.
            let moved = [quote.ver != from.ver.get(), trade.tc != from.tc.get()];
            let marks = row.marks.iter_mut().zip(moved).filter(|(_, moved)| *moved);
            marks.for_each(|(mark, _)| mark.moved(self.sequence));
        }
        quote.ver = from.ver.get();
        quote.quote = Quote {
            bid: from.bid.get(),
            ask: from.ask.get(),
            bid_size: from.bid_size.get(),
            ask_size: from.ask_size.get(),
        };
        (quote.ts_event, quote.ts_recv) = (from.ts_quote.get(), received.ns());
        trade.tc = from.tc.get();
        (trade.volume, trade.buy_volume) = (from.volume.get(), from.buy_volume.get());
        trade.notional = from.notional();
        trade.last = Print {
            price: from.last_price.get(),
            qty: from.last_qty.get(),
            trade_id: from.last_id.get(),
            aggressor: Aggressor::from_u8(from.last_aggressor),
            ts_event: from.ts_trade.get(),
            ts_recv: received.ns(),
        };
        let status = Status::from_u8(from.status).unwrap_or(Status::SourceStale);
        if std::mem::replace(&mut row.status, status) != status {
            row.ts_status = (from.ts_quote.get(), received.ns()); // no later than that
        }
        row.changed_us = received.now_us;
    }

    /// Sets the freshness of a row; returns whether it changed. `proof_age_us` is the age of its shard's proof,
    /// `None` while the shard re-syncs.
    pub fn judge(
        &mut self,
        id: InstrumentId,
        proof_age_us: Option<i64>,
        now_us: i64,
        bounds: Bounds,
    ) -> bool {
        let Some(row) = self.rows.get_mut(id.index()) else { return false };
        let proven = proof_age_us.is_some_and(|age| age <= bounds.stale_after_us);
        let state = match row.status {
            _ if !proven && !broken("staleness_unjudged") => State::Stale,
            Status::SourceStale if !broken("silent_source_is_live") => State::Stale,
            Status::Halted | Status::Closed if !broken("halt_is_ignored") => State::Halted,
            _ if now_us - row.changed_us > bounds.quiet_after_us => State::Quiet,
            _ => State::Live,
        };
        let changed = row.image.quote.state != state;
        row.image.quote.state = state;
        row.image.trade.state = state;
        changed
    }

    /// Collects the prints of `id` that came after the `after`-th, oldest first, as far as the ring still holds them.
    pub fn prints_since(&self, id: InstrumentId, after: u64, out: &mut Vec<Print>) {
        let Some(row) = self.rows.get(id.index()) else { return };
        let start = out.len();
        let oldest = self.next.saturating_sub(self.ring.len() as u64).max(1);
        let mut at = row.head;
        while at >= oldest {
            let link = &self.ring[ring_index(at, self.ring.len())];
            if link.number <= after && !broken("prints_go_too_far_back") {
                break;
            }
            out.push(link.print);
            at = link.prev;
        }
        out[start..].reverse();
    }

    /// Bytes of the ring of prints.
    #[must_use]
    pub fn ring_bytes(&self) -> usize {
        size_of_val(self.ring.as_slice())
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

#[inline]
fn ring_index(at: u64, len: usize) -> usize {
    usize::try_from(at % len as u64).unwrap_or(0)
}

impl Row {
    /// Where a channel last moved.
    #[must_use]
    pub fn mark(&self, channel: Channel) -> &Mark {
        &self.marks[channel.place()]
    }

    #[inline]
    fn quote_event(&mut self, event: &Event, received: Received, sequence: u64) {
        let quote = &mut self.image.quote;
        self.marks[0].lose(sequence, &mut quote.lost, event.number.saturating_sub(quote.ver + 1));
        self.marks[0].moved(sequence);
        quote.ver = event.number;
        (quote.ts_event, quote.ts_recv) = (event.ts_event, received.ns());
    }

    #[inline]
    fn print(&mut self, number: u64, print: Print, sequence: u64) {
        let trade = &mut self.image.trade;
        self.marks[1].lose(sequence, &mut trade.lost, number.saturating_sub(trade.tc + 1));
        self.marks[1].moved(sequence);
        trade.tc = number;
        trade.volume = trade.volume.saturating_add(print.qty);
        if print.aggressor == Aggressor::Buy {
            trade.buy_volume = trade.buy_volume.saturating_add(print.qty);
        }
        let notional = i128::from(print.price) * i128::from(print.qty);
        trade.notional = trade.notional.wrapping_add(notional);
        trade.last = print;
    }
}
