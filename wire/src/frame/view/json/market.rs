//! Books, bars and status of the `json` form.

use super::super::book::{Told, set_all};
use super::super::{BAR, BOOK, BookView, STATUS, StatusView, Update, View};
use super::{Element, mantissa, notional, state};
use crate::cursor::Damaged;
use crate::frame::compact::decode::sign_96;
use crate::frame::{Bar, Level};
use crate::tick::{BookSide, Status};
use serde::Deserialize;

/// A bar in an element of `bars`.
#[derive(Deserialize)]
pub(super) struct BarElement<'a> {
    start: i64,
    open: Option<&'a str>,
    high: Option<&'a str>,
    low: Option<&'a str>,
    close: Option<&'a str>,
    volume: &'a str,
    buy_volume: &'a str,
    notional: &'a str,
    count: u64,
    total: u64,
    closed: bool,
    partial: bool,
}

impl View {
    pub(super) fn json_book(
        &mut self,
        element: &Element<'_>,
        slot: u8,
        each: &mut impl FnMut(Update),
    ) -> Result<(), Damaged> {
        let (id, epoch, full) = (element.id, element.epoch, element.full);
        self.held(BOOK, id)?;
        let mut levels = Vec::with_capacity(element.bids.len() + element.asks.len());
        for (side, told) in [(BookSide::Bid, &element.bids), (BookSide::Ask, &element.asks)] {
            for (price, qty) in told {
                let level = Level { price: mantissa(price)?, qty: mantissa(qty)? };
                levels.push((side, if level.qty < 0 { return Err(Damaged) } else { level }));
            }
        }
        let state = state(element.state)?;
        let (total, lost) = (element.total.ok_or(Damaged)?, element.lost.ok_or(Damaged)?);
        let told = Told {
            id,
            events: element.events.ok_or(Damaged)?,
            checksum: element.checksum.ok_or(Damaged)?,
            ts_event: element.ts_event.saturating_mul(1_000),
            ts_recv: element.ts_recv.saturating_mul(1_000),
        };
        let depth = self.depth(slot);
        if full {
            let mut new = BookView { state, epoch, total, lost, ..BookView::default() };
            set_all(&mut new.sides, levels.into_iter(), depth);
            self.book_full(told, new, u64::MAX, each);
        } else if let Some(held) = self.book(id).filter(|held| held.epoch == epoch) {
            let mut sides = held.sides;
            let follows = held.total.wrapping_add(told.events) == total;
            set_all(&mut sides, levels.into_iter(), depth);
            self.book_delta(told, Some(state), follows.then_some(sides), u64::MAX, each);
        }
        Ok(())
    }

    pub(super) fn json_bars(
        &mut self,
        element: &Element<'_>,
        each: &mut impl FnMut(Update),
    ) -> Result<(), Damaged> {
        self.held(BAR, element.id)?;
        self.bars_state(element.id, element.epoch, state(element.state)?);
        let number = |text: Option<&str>| text.map_or(Ok(0), mantissa);
        for bar in &element.bars {
            let bar = Bar {
                start_us: bar.start,
                open: number(bar.open)?,
                high: number(bar.high)?,
                low: number(bar.low)?,
                close: number(bar.close)?,
                volume: mantissa(bar.volume)?,
                buy_volume: mantissa(bar.buy_volume)?,
                notional: sign_96(notional(bar.notional)?.cast_signed()),
                count: bar.count,
                tc: bar.total,
                closed: bar.closed,
                partial: bar.partial,
            };
            self.bar_next(element.id, bar, each);
        }
        Ok(())
    }

    pub(super) fn json_status(
        &mut self,
        element: &Element<'_>,
        each: &mut impl FnMut(Update),
    ) -> Result<(), Damaged> {
        self.held(STATUS, element.id)?;
        let status = match element.status {
            Some("open") => Status::Open,
            Some("halted") => Status::Halted,
            Some("closed") => Status::Closed,
            Some("source_stale") => Status::SourceStale,
            _ => return Err(Damaged),
        };
        let (epoch, ts_event) = (element.epoch, element.ts_event.saturating_mul(1_000));
        let now = StatusView { status, state: state(element.state)?, epoch, ts_event, based: true };
        self.status_now(element.id, now, each);
        Ok(())
    }
}
