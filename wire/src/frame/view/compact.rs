//! The `compact` form into the view.

use super::book::Told;
use super::{
    BAR, BOOK, BookView, Listed, QUOTE, QuoteView, Received, STATUS, StatusView, TRADE, TradeView, Update,
    View, modular,
};
use crate::cursor::{Damaged, Reader};
use crate::frame::compact::decode::{
    BarsHead, BookChange, BookFull, Head, Items, PrintChange, PrintRecord, QuoteChange, QuoteFull,
    StatusRecord, TradeFull, Trailer, applied,
};
use crate::frame::{Kind, Print};
use crate::tick::Aggressor;

impl View {
    pub(super) fn compact(
        &mut self,
        bytes: &[u8],
        each: &mut impl FnMut(Update),
    ) -> Result<Received, Damaged> {
        let mut reader = Reader::new(bytes);
        let head = Head::read(&mut reader)?;
        let step = u32::from(head.counter).wrapping_sub(self.frame) & 15;
        let next = self.frame.wrapping_add(if step == 0 { 16 } else { step });
        let frame = head.whole.map_or(next, |whole| whole.1);
        let gap = self.follow(frame);
        let flush_us = self.flush_us(&head);
        let mut received =
            Received { kind: head.kind, slot: head.slot, flush_us, records: 0, gap, wrong: false };
        let Some(kind) = Kind::from_u8(head.kind) else { return Ok(received) };
        let channel = match kind {
            Kind::Quote | Kind::QuoteFull => QUOTE,
            Kind::Trade | Kind::TradeFull => TRADE,
            Kind::BookDelta | Kind::BookFull => BOOK,
            Kind::Bar => BAR,
            Kind::Status => STATUS,
        };
        let set = self.sets.remove(&(channel, head.slot)).ok_or(Damaged)?;
        let records = self.compact_records(reader, kind, &head, &set, each);
        self.sets.insert((channel, head.slot), set);
        received.records = records?;
        Ok(received)
    }

    fn compact_records(
        &mut self,
        reader: Reader<'_>,
        kind: Kind,
        head: &Head,
        set: &[u32],
        each: &mut impl FnMut(Update),
    ) -> Result<u64, Damaged> {
        let mut items = Items::read(reader, head.gaps, set.len())?;
        let mut records = 0;
        while let Some(rank) = items.next_rank()? {
            let (id, reader) = (set[rank], &mut items.records);
            records += 1;
            match kind {
                Kind::Quote => {
                    let record = QuoteChange::read(reader)?;
                    if let Some(update) = self.quote_delta(id, &record) {
                        each(update);
                    }
                }
                Kind::QuoteFull => {
                    let full = QuoteFull::read(reader)?;
                    let (epoch, total, lost) = (full.feed_epoch, full.ver, full.lost);
                    let new =
                        QuoteView { quote: full.quote, state: full.state, epoch, total, lost, based: true };
                    let events = self.quote_full(id, new, u64::MAX);
                    each(Update::Quote { id, events, full: true, ts_event: 0, ts_recv: 0 });
                }
                Kind::Trade => self.compact_prints(id, reader, each)?,
                Kind::TradeFull => self.compact_totals(id, reader, each)?,
                Kind::BookDelta => self.compact_book(id, head.slot, reader, each)?,
                Kind::BookFull => self.compact_book_full(id, head.slot, reader, each)?,
                Kind::Bar => self.compact_bars(id, reader, each)?,
                Kind::Status => {
                    let StatusRecord { feed_epoch: epoch, state, status, ts_event_us } =
                        StatusRecord::read(reader)?;
                    let ts_event = ts_event_us.saturating_mul(1_000);
                    self.status_now(id, StatusView { status, state, epoch, ts_event, based: true }, each);
                }
            }
        }
        Ok(records)
    }

    /// The time of a flush from the tick's low byte and what is known of the slot.
    fn flush_us(&mut self, head: &Head) -> Option<i64> {
        let timing = self.timing.get_mut(usize::from(head.slot))?;
        let tick = match head.whole {
            Some((tick, _)) => tick,
            None => {
                let known = timing.known_tick?;
                let step = i64::from(head.tick.wrapping_sub(crate::cursor::low_byte(known)).cast_signed());
                known.checked_add_signed(step)?
            }
        };
        timing.known_tick = Some(tick);
        if let Some(ns) = head.time_ns {
            return i64::try_from(ns / 1_000).ok();
        }
        let begun = i64::try_from(tick).ok()?.checked_mul(timing.tick_us)?;
        begun.checked_add(timing.phase_us)?.checked_add(i64::from(head.lag_us?))
    }

    fn quote_delta(&mut self, id: u32, record: &QuoteChange) -> Option<Update> {
        let view = self.quotes.get_mut(&id).filter(|view| view.based)?;
        view.quote.bid = view.quote.bid.wrapping_add(record.bid);
        view.quote.ask = view.quote.ask.wrapping_add(record.ask);
        view.quote.bid_size = view.quote.bid_size.wrapping_add(record.bid_size);
        view.quote.ask_size = view.quote.ask_size.wrapping_add(record.ask_size);
        view.state = record.state.unwrap_or(view.state);
        view.total = view.total.wrapping_add(record.events);
        let events = self.going_on.news(QUOTE, id, view.total, record.events, u64::MAX);
        self.accounts[0].cover(events, 0, events.min(1));
        Some(Update::Quote { id, events, full: false, ts_event: 0, ts_recv: 0 })
    }

    fn compact_book(
        &mut self,
        id: u32,
        slot: u8,
        reader: &mut Reader<'_>,
        each: &mut impl FnMut(Update),
    ) -> Result<(), Damaged> {
        let BookChange { events, state, sides, checksum } = BookChange::read(reader)?;
        let Some(held) = self.book(id) else { return Ok(()) };
        let sides = applied(&sides, &held.sides, self.depth(slot)).ok();
        let told = Told { id, events, checksum, ts_event: 0, ts_recv: 0 };
        self.book_delta(told, state, sides, u64::MAX, each);
        Ok(())
    }

    fn compact_book_full(
        &mut self,
        id: u32,
        slot: u8,
        reader: &mut Reader<'_>,
        each: &mut impl FnMut(Update),
    ) -> Result<(), Damaged> {
        let BookFull { feed_epoch: epoch, state, lver: total, lost, sides, checksum } =
            BookFull::read(reader)?;
        let sides = applied(&sides, &Default::default(), self.depth(slot))?;
        let new = BookView { sides, state, epoch, total, lost, ..BookView::default() };
        self.book_full(Told { id, checksum, ..Told::default() }, new, u64::MAX, each);
        Ok(())
    }

    fn compact_bars(
        &mut self,
        id: u32,
        reader: &mut Reader<'_>,
        each: &mut impl FnMut(Update),
    ) -> Result<(), Damaged> {
        let mut head = BarsHead::read(reader)?;
        self.bars_state(id, head.feed_epoch, head.state);
        for _ in 0..head.count {
            let bar = head.bar(reader)?;
            self.bar_next(id, bar, each);
        }
        Ok(())
    }

    fn compact_prints(
        &mut self,
        id: u32,
        reader: &mut Reader<'_>,
        each: &mut impl FnMut(Update),
    ) -> Result<(), Damaged> {
        let told = self.instruments.get(&id).is_some_and(|known| known.has_aggressor);
        loop {
            let (record, another) = PrintRecord::read(reader)?;
            match (record, self.trades.get_mut(&id).filter(|view| view.based)) {
                (PrintRecord::State(state), Some(view)) => view.state = state,
                (PrintRecord::Print(change), Some(view)) => {
                    let print = next_print(&view.last, told, change);
                    view.add(&print);
                    if self.going_on.news(TRADE, id, view.total, 1, u64::MAX) > 0 {
                        self.accounts[1].cover(1, 0, 1);
                        each(Update::Print { id, print });
                    }
                }
                _ => {}
            }
            if !another {
                return Ok(());
            }
        }
    }

    fn compact_totals(
        &mut self,
        id: u32,
        reader: &mut Reader<'_>,
        each: &mut impl FnMut(Update),
    ) -> Result<(), Damaged> {
        let full = TradeFull::read(reader)?;
        let told = self.instruments.get(&id).is_some_and(|known| known.has_aggressor);
        let last = Print { price: full.price, qty: full.qty, trade_id: full.trade_id, ..Print::default() };
        let new = TradeView {
            last,
            state: full.state,
            epoch: full.feed_epoch,
            total: full.tc,
            lost: full.lost,
            volume: full.volume,
            buy_volume: full.buy_volume,
            notional: modular(full.notional),
            based: true,
            listable: 0,
        };
        let mut before = last;
        let mut listed = Listed::default();
        let based = self.trades.get(&id).is_some_and(|old| old.epoch == new.epoch);
        for nth in 0..full.listed {
            if let (PrintRecord::Print(change), _) = PrintRecord::read(reader)? {
                before = next_print(&before, told, change);
                if self.going_on.was_told(id, full.tc.wrapping_add(nth + 1).saturating_sub(full.listed)) {
                    continue;
                }
                listed.add(&before);
                if based {
                    each(Update::Print { id, print: before });
                }
            }
        }
        let Trailer { range, partial } = Trailer::read(reader, full.price)?;
        each(self.trade_full(id, new, u64::MAX, listed, range, partial));
        Ok(())
    }
}

fn next_print(last: &Print, told: bool, change: PrintChange) -> Print {
    let aggressor = match (told, change.sell) {
        (false, _) => Aggressor::None,
        (true, true) => Aggressor::Sell,
        (true, false) => Aggressor::Buy,
    };
    Print {
        price: last.price.wrapping_add(change.price),
        qty: change.qty.unwrap_or(last.qty),
        trade_id: last.trade_id.wrapping_add_signed(change.id_gap).wrapping_add(1),
        aggressor,
        ts_event: 0,
        ts_recv: 0,
    }
}
