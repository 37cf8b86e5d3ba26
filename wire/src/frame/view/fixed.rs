//! The `fixed` form into the view.

use super::{Listed, NOTIONAL_MASK, QUOTE, QuoteView, Received, TRADE, TradeView, Update, View};
use crate::cursor::Damaged;
use crate::frame::fixed::{
    ABSENT, HEADER_LISTED, Header, PARTIAL, QuoteRecord, RANGE, TradeFullRecord, TradeRecord,
};
use crate::frame::{Print, PrintRange, State};
use crate::tick::{Aggressor, Quote};
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
            7 => {
                for record in records::<TradeFullRecord>(body, size)? {
                    self.fixed_totals(record, each)?;
                }
            }
            _ => {}
        }
        let flush_us = Some(header.ts_flush.get() / 1_000);
        Ok(Received { kind, slot, flush_us, records: (body.len() / size) as u64, gap })
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
            self.accounts[0].cover(count, 0, count.min(1));
            each(Update::Quote { id, events: count, full, ts_event, ts_recv });
        }
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
) -> Result<impl Iterator<Item = &'a R>, Damaged> {
    if size < size_of::<R>() {
        return Err(Damaged);
    }
    Ok(body.chunks_exact(size).filter_map(|chunk| R::ref_from_prefix(chunk).ok().map(|(record, _)| record)))
}
