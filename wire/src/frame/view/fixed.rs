//! The `fixed` form into the view.

use super::book::{Told, set_all, side};
use super::{
    BAR, BOOK, BookView, Listed, NOTIONAL_MASK, QUOTE, QuoteView, Received, STATUS, StatusView, TRADE,
    TradeView, Update, View,
};
use crate::cursor::Damaged;
use crate::frame::fixed::{
    ABSENT, BAR_CLOSED, BAR_NONE, BAR_PARTIAL, BarRecord, HEADER_LISTED, Header, LEVEL_BEGINS, LEVEL_ENDS,
    LEVEL_NONE, LevelRecord, PARTIAL, QuoteRecord, RANGE, StatusRecord, TradeFullRecord, TradeRecord,
};
use crate::frame::{Bar, Level, Print, PrintRange, State};
use crate::tick::{Aggressor, Quote, Status};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Totals of this form count mod 2^32.
const MODULUS: u64 = u32::MAX as u64;

impl View {
    pub(super) fn fixed(&mut self, bytes: &[u8], each: &mut impl FnMut(Update)) -> Result<Received, Damaged> {
        let (header, _) = Header::ref_from_prefix(bytes).map_err(|_| Damaged)?;
        let slot = u8::try_from(header.slot.get()).map_err(|_| Damaged)?;
        let gap = self.follow(header.frame.get());
        let size = usize::from(header.record_bytes.get()).max(1);
        let body = bytes.get(usize::from(header.header_bytes)..).ok_or(Damaged)?;
        if body.len() % size != 0 {
            return Err(Damaged);
        }
        let kind = header.kind;
        match kind {
            0 | 1 => {
                for record in records::<QuoteRecord>(body, size)? {
                    self.fixed_quote(record, kind == 1, each)?;
                }
            }
            2 => {
                let listed = header.flags & HEADER_LISTED != 0;
                for record in records::<TradeRecord>(body, size)? {
                    self.fixed_print(record, listed, each);
                }
            }
            3 | 4 => self.fixed_books(body, size, slot, kind == 4, each)?,
            5 => {
                for record in records::<BarRecord>(body, size)? {
                    self.fixed_bar(record, each)?;
                }
            }
            6 => {
                for record in records::<StatusRecord>(body, size)? {
                    self.fixed_status(record, each)?;
                }
            }
            7 => {
                for record in records::<TradeFullRecord>(body, size)? {
                    self.fixed_totals(record, each)?;
                }
            }
            _ => {}
        }
        let flush_us = Some(header.ts_flush.get() / 1_000);
        Ok(Received { kind, slot, flush_us, records: (body.len() / size) as u64, gap, wrong: false })
    }

    fn fixed_quote(
        &mut self,
        record: &QuoteRecord,
        full: bool,
        each: &mut impl FnMut(Update),
    ) -> Result<(), Damaged> {
        let id = record.symbol.get();
        self.held(QUOTE, id)?;
        let quote = Quote {
            bid: record.bid.get(),
            ask: record.ask.get(),
            bid_size: record.bid_size.get(),
            ask_size: record.ask_size.get(),
        };
        let state = State::from_u8(record.state).ok_or(Damaged)?;
        let (epoch, count) = (u64::from(record.epoch), u64::from(record.events.get()));
        let (ts_event, ts_recv) = (record.ts_event.get(), record.ts_recv.get());
        if full {
            let lost = u64::from(record.lost.get());
            let new = QuoteView { quote, state, epoch, total: count, lost, based: true };
            let events = self.quote_full(id, new, MODULUS);
            each(Update::Quote { id, events, full, ts_event, ts_recv });
        } else if let Some(view) = self.quotes.get_mut(&id).filter(|view| view.based && view.epoch == epoch) {
            (view.quote, view.state) = (quote, state);
            view.total = (view.total + count) & MODULUS;
            let events = self.going_on.news(QUOTE, id, view.total, count, MODULUS);
            self.accounts[0].cover(events, 0, events.min(1));
            each(Update::Quote { id, events, full, ts_event, ts_recv });
        }
        Ok(())
    }

    /// An update is the records up to the one that ends it, all of one symbol.
    fn fixed_books(
        &mut self,
        body: &[u8],
        size: usize,
        slot: u8,
        full: bool,
        each: &mut impl FnMut(Update),
    ) -> Result<(), Damaged> {
        let mut begin = 0;
        for (at, record) in records::<LevelRecord>(body, size)?.enumerate() {
            if record.flags.get() & LEVEL_ENDS != 0 {
                let update = records::<LevelRecord>(&body[begin * size..(at + 1) * size], size)?;
                self.fixed_book(record, update, self.depth(slot), full, each)?;
                begin = at + 1;
            }
        }
        if begin * size == body.len() { Ok(()) } else { Err(Damaged) }
    }

    fn fixed_book<'a>(
        &mut self,
        last: &LevelRecord,
        update: impl Iterator<Item = &'a LevelRecord> + Clone,
        depth: usize,
        full: bool,
        each: &mut impl FnMut(Update),
    ) -> Result<(), Damaged> {
        let (id, epoch) = (last.symbol.get(), u64::from(last.epoch));
        self.held(BOOK, id)?;
        let first = update.clone().next().ok_or(Damaged)?;
        let begins = first.flags.get() & LEVEL_BEGINS != 0;
        let fits = |record: &LevelRecord| {
            record.symbol.get() == id && side(record.side).is_some() && record.qty.get() >= 0
        };
        if !update.clone().all(fits) || (full && !begins) {
            return Err(Damaged);
        }
        let held = self.book(id).filter(|held| held.epoch == epoch);
        if held.is_none() && !full {
            return Ok(());
        }
        let mut sides = held.filter(|_| !begins).map(|held| held.sides).unwrap_or_default();
        let level = |record: &LevelRecord| {
            let level = Level { price: record.price.get(), qty: record.qty.get() };
            side(record.side).filter(|_| record.flags.get() & LEVEL_NONE == 0).map(|side| (side, level))
        };
        set_all(&mut sides, update.filter_map(level), depth);
        let state = State::from_u8(last.state).ok_or(Damaged)?;
        let told = Told {
            id,
            events: last.events.get().into(),
            checksum: last.checksum.get(),
            ts_event: last.ts_event.get(),
            ts_recv: last.ts_recv.get(),
        };
        if full {
            let (total, lost) = (told.events, last.lost.get().into());
            let new = BookView { sides, state, epoch, total, lost, ..BookView::default() };
            self.book_full(told, new, MODULUS, each);
        } else {
            self.book_delta(told, Some(state), Some(sides), MODULUS, each);
        }
        Ok(())
    }

    fn fixed_bar(&mut self, record: &BarRecord, each: &mut impl FnMut(Update)) -> Result<(), Damaged> {
        let id = record.symbol.get();
        self.held(BAR, id)?;
        self.bars_state(id, record.epoch.into(), State::from_u8(record.state).ok_or(Damaged)?);
        let flags = record.flags.get();
        if flags & BAR_NONE != 0 {
            return Ok(());
        }
        let bar = Bar {
            start_us: record.start_us.get(),
            open: record.open.get(),
            high: record.high.get(),
            low: record.low.get(),
            close: record.close.get(),
            volume: record.volume.get(),
            buy_volume: record.buy_volume.get(),
            notional: i128::from(record.notional_high.get()) << 64 | i128::from(record.notional_low.get()),
            count: record.count.get().into(),
            tc: record.tc.get().into(),
            closed: flags & BAR_CLOSED != 0,
            partial: flags & BAR_PARTIAL != 0,
        };
        self.bar_next(id, bar, each);
        Ok(())
    }

    fn fixed_status(&mut self, record: &StatusRecord, each: &mut impl FnMut(Update)) -> Result<(), Damaged> {
        let id = record.symbol.get();
        self.held(STATUS, id)?;
        let now = StatusView {
            status: Status::from_u8(record.status).ok_or(Damaged)?,
            state: State::from_u8(record.state).ok_or(Damaged)?,
            epoch: record.epoch.into(),
            ts_event: record.ts_event.get(),
            based: true,
        };
        self.status_now(id, now, each);
        Ok(())
    }

    fn fixed_print(&mut self, record: &TradeRecord, listed: bool, each: &mut impl FnMut(Update)) {
        let print = Print {
            price: record.price.get(),
            qty: record.qty.get(),
            trade_id: record.trade_id.get(),
            aggressor: Aggressor::from_u8(record.aggressor),
            ts_event: record.ts_event.get(),
            ts_recv: record.ts_recv.get(),
        };
        self.print(record.symbol.get(), print, listed, each);
    }

    #[expect(clippy::cast_sign_loss, reason = "joins two halves of 128 bits, kept mod 2^96")]
    fn fixed_totals(
        &mut self,
        record: &TradeFullRecord,
        each: &mut impl FnMut(Update),
    ) -> Result<(), Damaged> {
        let id = record.symbol.get();
        self.held(TRADE, id)?;
        let high = i128::from(record.notional_high.get()) << 64;
        let notional = (high | i128::from(record.notional_low.get())) as u128 & NOTIONAL_MASK;
        let last = Print {
            price: record.price.get(),
            qty: record.qty.get(),
            trade_id: record.trade_id.get(),
            ts_event: record.ts_event.get(),
            ts_recv: record.ts_recv.get(),
            ..Print::default()
        };
        let new = TradeView {
            last,
            state: State::from_u8(record.state).ok_or(Damaged)?,
            epoch: u64::from(record.epoch),
            total: u64::from(record.tc.get()),
            lost: u64::from(record.tlost.get()),
            volume: record.volume.get(),
            buy_volume: record.buy_volume.get(),
            notional,
            based: true,
            listable: 0,
        };
        let flags = record.flags.get();
        let range = (flags & RANGE != 0 && record.first.get() != ABSENT).then(|| PrintRange {
            first: record.first.get(),
            high: record.high.get(),
            low: record.low.get(),
        });
        each(self.trade_full(id, new, MODULUS, Listed::default(), range, flags & PARTIAL != 0));
        Ok(())
    }
}

fn records<'a, R: FromBytes + Immutable + KnownLayout + Unaligned + 'a>(
    body: &'a [u8],
    size: usize,
) -> Result<impl Iterator<Item = &'a R> + Clone, Damaged> {
    if size < size_of::<R>() {
        return Err(Damaged);
    }
    Ok(body.chunks_exact(size).filter_map(|chunk| R::ref_from_prefix(chunk).ok().map(|(record, _)| record)))
}
