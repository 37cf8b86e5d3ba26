//! The `json` form into the view.

use super::{Listed, NOTIONAL_MASK, QUOTE, QuoteView, Received, TRADE, TradeView, Update, View};
use crate::cursor::Damaged;
use crate::frame::{Print, PrintRange, State};
use crate::num::Number;
use crate::tick::{Aggressor, Quote};
use serde::Deserialize;

mod market;

use self::market::BarElement;

#[derive(Deserialize)]
struct Message<'a> {
    op: &'a str,
    frame: u32,
    slot: u8,
    t_us: i64,
    #[serde(borrow)]
    data: Vec<Element<'a>>,
}

/// The members of all kinds of elements.
#[derive(Deserialize)]
struct Element<'a> {
    id: u32,
    epoch: u64,
    total: Option<u64>,
    lost: Option<u64>,
    bid: Option<&'a str>,
    ask: Option<&'a str>,
    bid_size: Option<&'a str>,
    ask_size: Option<&'a str>,
    price: Option<&'a str>,
    qty: Option<&'a str>,
    side: Option<&'a str>,
    trade_id: Option<u64>,
    #[serde(default)]
    listed: bool,
    volume: Option<&'a str>,
    buy_volume: Option<&'a str>,
    notional: Option<&'a str>,
    first: Option<&'a str>,
    high: Option<&'a str>,
    low: Option<&'a str>,
    #[serde(default)]
    partial: bool,
    state: Option<&'a str>,
    events: Option<u64>,
    #[serde(default)]
    full: bool,
    #[serde(default, borrow)]
    bids: Vec<(&'a str, &'a str)>,
    #[serde(default, borrow)]
    asks: Vec<(&'a str, &'a str)>,
    checksum: Option<u32>,
    #[serde(default, borrow)]
    bars: Vec<BarElement<'a>>,
    status: Option<&'a str>,
    #[serde(default)]
    ts_event: i64,
    #[serde(default)]
    ts_recv: i64,
}

impl View {
    pub(super) fn json(&mut self, bytes: &[u8], each: &mut impl FnMut(Update)) -> Result<Received, Damaged> {
        let message: Message<'_> = serde_json::from_slice(bytes).map_err(|_| Damaged)?;
        let gap = self.follow(message.frame);
        let kind = match message.op {
            "quotes" => 0,
            "trades" => 2,
            "trade_totals" => 7,
            "books" => 3,
            "bars" => 5,
            "statuses" => 6,
            _ => return Err(Damaged),
        };
        for element in &message.data {
            match kind {
                0 => self.json_quote(element, each)?,
                2 => self.json_print(element, each)?,
                3 => self.json_book(element, message.slot, each)?,
                5 => self.json_bars(element, each)?,
                6 => self.json_status(element, each)?,
                _ => self.json_totals(element, each)?,
            }
        }
        let records = message.data.len() as u64;
        Ok(Received { kind, slot: message.slot, flush_us: Some(message.t_us), records, gap, wrong: false })
    }

    fn json_quote(&mut self, element: &Element<'_>, each: &mut impl FnMut(Update)) -> Result<(), Damaged> {
        let id = element.id;
        self.held(QUOTE, id)?;
        let held = self.quotes.get(&id).copied().unwrap_or_default();
        let full = !held.based || held.epoch != element.epoch;
        let quote = Quote {
            bid: element.bid.map_or(Ok(held.quote.bid), mantissa)?,
            ask: element.ask.map_or(Ok(held.quote.ask), mantissa)?,
            bid_size: mantissa(element.bid_size.ok_or(Damaged)?)?,
            ask_size: mantissa(element.ask_size.ok_or(Damaged)?)?,
        };
        let new = QuoteView {
            quote,
            state: state(element.state)?,
            epoch: element.epoch,
            total: element.total.ok_or(Damaged)?,
            lost: element.lost.ok_or(Damaged)?,
            based: true,
        };
        let events = self.quote_full(id, new, u64::MAX);
        let (ts_event, ts_recv) =
            (element.ts_event.saturating_mul(1_000), element.ts_recv.saturating_mul(1_000));
        each(Update::Quote { id, events, full, ts_event, ts_recv });
        Ok(())
    }

    fn json_print(&mut self, element: &Element<'_>, each: &mut impl FnMut(Update)) -> Result<(), Damaged> {
        let aggressor = match element.side {
            None => Aggressor::None,
            Some("buy") => Aggressor::Buy,
            Some("sell") => Aggressor::Sell,
            Some(_) => return Err(Damaged),
        };
        self.held(TRADE, element.id)?;
        let print = Print {
            price: mantissa(element.price.ok_or(Damaged)?)?,
            qty: mantissa(element.qty.ok_or(Damaged)?)?,
            trade_id: element.trade_id.ok_or(Damaged)?,
            aggressor,
            ts_event: element.ts_event.saturating_mul(1_000),
            ts_recv: element.ts_recv.saturating_mul(1_000),
        };
        self.print(element.id, print, element.listed, each);
        Ok(())
    }

    fn json_totals(&mut self, element: &Element<'_>, each: &mut impl FnMut(Update)) -> Result<(), Damaged> {
        self.held(TRADE, element.id)?;
        let number = |text: Option<&str>| text.map_or(Ok(0), mantissa);
        let last = Print {
            price: number(element.price)?,
            qty: number(element.qty)?,
            trade_id: element.trade_id.unwrap_or(0),
            ts_event: element.ts_event.saturating_mul(1_000),
            ts_recv: element.ts_recv.saturating_mul(1_000),
            ..Print::default()
        };
        let new = TradeView {
            last,
            state: state(element.state)?,
            epoch: element.epoch,
            total: element.total.ok_or(Damaged)?,
            lost: element.lost.ok_or(Damaged)?,
            volume: number(element.volume)?,
            buy_volume: number(element.buy_volume)?,
            notional: notional(element.notional.ok_or(Damaged)?)?,
            based: true,
            listable: 0,
        };
        let range = match (element.first, element.high, element.low) {
            (Some(first), Some(high), Some(low)) => {
                Some(PrintRange { first: mantissa(first)?, high: mantissa(high)?, low: mantissa(low)? })
            }
            _ => None,
        };
        each(self.trade_full(element.id, new, u64::MAX, Listed::default(), range, element.partial));
        Ok(())
    }
}

fn state(name: Option<&str>) -> Result<State, Damaged> {
    match name {
        Some("live") => Ok(State::Live),
        Some("quiet") => Ok(State::Quiet),
        Some("stale") => Ok(State::Stale),
        Some("halted") => Ok(State::Halted),
        Some("out") => Ok(State::Out),
        _ => Err(Damaged),
    }
}

/// Digits without their point: decimals are written with exactly the instrument's decimals. A volume may pass 2^53.
fn mantissa(text: &str) -> Result<i64, Damaged> {
    if let Ok(number) = text.parse::<Number>() {
        return Ok(number.mantissa);
    }
    let digits: String = text.chars().filter(|c| *c != '.').collect();
    digits.parse().map_err(|_| Damaged)
}

#[expect(clippy::cast_sign_loss, reason = "the notional is kept mod 2^96")]
fn notional(text: &str) -> Result<u128, Damaged> {
    let digits: String = text.chars().filter(|c| *c != '.').collect();
    digits.parse::<i128>().map(|value| value as u128 & NOTIONAL_MASK).map_err(|_| Damaged)
}
