//! The `compact` form into the view.

use super::{Listed, QUOTE, QuoteView, Received, TRADE, TradeView, Update, View, modular};
use crate::cursor::{Damaged, Reader};
use crate::frame::Print;
use crate::frame::compact::decode::{
    Head, Items, PrintChange, PrintRecord, QuoteChange, QuoteFull, TradeFull, Trailer,
};
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
        let channel = match head.kind {
            0 | 1 => QUOTE,
            2 | 7 => TRADE,
            kind => return Ok(Received { kind, slot: head.slot, flush_us, records: 0, gap }),
        };
        let set = self.sets.remove(&(channel, head.slot)).ok_or(Damaged)?;
        let records = self.compact_records(reader, &head, &set, each);
        self.sets.insert((channel, head.slot), set);
        Ok(Received { kind: head.kind, slot: head.slot, flush_us, records: records?, gap })
    }

    fn compact_records(
        &mut self,
        reader: Reader<'_>,
        head: &Head,
        set: &[u32],
        each: &mut impl FnMut(Update),
    ) -> Result<u64, Damaged> {
        let mut items = Items::read(reader, head.gaps, set.len())?;
        let mut records = 0;
        while let Some(rank) = items.next_rank()? {
            let (id, reader) = (set[rank], &mut items.records);
            records += 1;
            match head.kind {
                0 => {
                    let record = QuoteChange::read(reader)?;
                    if let Some(update) = self.quote_delta(id, &record) {
                        each(update);
                    }
                }
                1 => {
                    let full = QuoteFull::read(reader)?;
                    let (epoch, total, lost) = (full.feed_epoch, full.ver, full.lost);
                    let new =
                        QuoteView { quote: full.quote, state: full.state, epoch, total, lost, based: true };
                    let events = self.quote_full(id, new, u64::MAX);
                    each(Update::Quote { id, events, full: true, ts_event: 0, ts_recv: 0 });
                }
                2 => self.compact_prints(id, reader, each)?,
                _ => self.compact_totals(id, reader, each)?,
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
        self.accounts[0].cover(record.events, 0, record.events.min(1));
        Some(Update::Quote { id, events: record.events, full: false, ts_event: 0, ts_recv: 0 })
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
                    self.accounts[1].cover(1, 0, 1);
                    each(Update::Print { id, print });
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
        for _ in 0..full.listed {
            if let (PrintRecord::Print(change), _) = PrintRecord::read(reader)? {
                before = next_print(&before, told, change);
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
