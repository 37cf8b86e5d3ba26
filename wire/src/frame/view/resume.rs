//! Going on where an earlier connection ended, on whatever gateway: values and accounts are carried by symbol.
//!
//! The new gateway may be a little behind what was held (its lane has not flushed yet, or it hears the feed later). What it
//! tells then becomes the base of deltas, but nothing is accounted for until it is past what was held: no event is counted
//! twice.

use super::{QUOTE, QuoteView, TRADE, TradeView, View};
use crate::frame::{Form, State};
use std::collections::{HashMap, HashSet};

/// What connections that have ended held, by symbol.
#[derive(Debug, Default, Clone)]
pub struct Carried {
    quotes: HashMap<String, QuoteView>,
    trades: HashMap<String, TradeView>,
}

impl Carried {
    /// How many (channel, symbol) are carried.
    #[must_use]
    pub fn len(&self) -> usize {
        self.quotes.len() + self.trades.len()
    }

    /// The running total up to which a symbol is carried.
    #[must_use]
    pub fn total(&self, channel: u8, symbol: &str) -> Option<u64> {
        match channel {
            QUOTE => self.quotes.get(symbol).map(|held| held.total),
            _ => self.trades.get(symbol).map(|held| held.total),
        }
    }

    /// Whether nothing is carried.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What `subscribed` says of a symbol that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resumed {
    /// Its feed epoch as market data of the form tells it.
    pub epoch: u64,
    /// How many lost events to take as known already.
    pub lost: u64,
    /// What is held is current up to this total and state; none = it comes in full.
    pub unchanged: Option<(u64, State)>,
}

/// What a connection keeps of the one before.
#[derive(Debug, Default)]
pub(super) struct GoingOn {
    /// Symbols that go on and have not come in full yet.
    first: HashSet<(u8, u32)>,
    quotes: HashMap<u32, QuoteView>,
    trades: HashMap<u32, TradeView>,
    /// Symbols whose period began behind the last cursor: they joined since, or their epoch is new.
    renewed: HashSet<(u8, u32)>,
}

impl GoingOn {
    fn is_none(&self) -> bool {
        self.first.is_empty() && self.quotes.is_empty() && self.trades.is_empty()
    }

    /// A period begins: nothing of what was held counts.
    pub(super) fn begin(&mut self, channel: u8, id: u32) {
        self.renewed.insert((channel, id));
        self.forget(channel, id);
    }

    pub(super) fn forget(&mut self, channel: u8, id: u32) {
        self.first.remove(&(channel, id));
        match channel {
            QUOTE => _ = self.quotes.remove(&id),
            TRADE => _ = self.trades.remove(&id),
            _ => {}
        }
    }

    /// What a quote's totals are counted from, and whether they go on from an earlier connection.
    pub(super) fn quote_base(&mut self, id: u32, old: QuoteView) -> (QuoteView, bool) {
        if self.is_none() {
            return (old, false);
        }
        let first = self.first.remove(&(QUOTE, id));
        let ahead = self.quotes.remove(&id);
        (ahead.unwrap_or(old), first || ahead.is_some())
    }

    /// The totals are behind what was held.
    pub(super) fn quote_behind(&mut self, id: u32, held: QuoteView) {
        self.quotes.insert(id, held);
    }

    /// As [`GoingOn::quote_base`], of prints.
    pub(super) fn trade_base(&mut self, id: u32, old: TradeView) -> (TradeView, bool) {
        if self.is_none() {
            return (old, false);
        }
        let first = self.first.remove(&(TRADE, id));
        let ahead = self.trades.remove(&id);
        (ahead.unwrap_or(old), first || ahead.is_some())
    }

    /// The totals are behind what was held.
    pub(super) fn trade_behind(&mut self, id: u32, held: TradeView) {
        self.trades.insert(id, held);
    }

    /// How many of the last `events` up to `total` are not accounted for yet.
    pub(super) fn news(&mut self, channel: u8, id: u32, total: u64, events: u64, modulus: u64) -> u64 {
        if self.is_none() {
            return events;
        }
        let held = match channel {
            QUOTE => self.quotes.get(&id).map(|held| held.total),
            _ => self.trades.get(&id).map(|held| held.total),
        };
        let Some(held) = held else { return events };
        let past = total.wrapping_sub(held) & modulus;
        if past > modulus / 2 {
            return 0;
        }
        self.forget(channel, id);
        past.min(events)
    }

    /// Whether a print of this number was told by an earlier connection.
    pub(super) fn was_told(&self, id: u32, number: u64) -> bool {
        self.trades.get(&id).is_some_and(|held| number <= held.total)
    }
}

impl View {
    /// The connection has ended: an empty view whose accounts go on. What was held is carried by its symbol, `names`
    /// tells of which; what `carried` holds of others stays there.
    #[must_use]
    pub fn carry(self, names: &HashMap<u32, String>, carried: &mut Carried) -> Self {
        // The last cursor does not speak of what began behind it: that gateway may have been behind the cursor's place.
        let known =
            |channel: u8, id: u32| names.get(&id).filter(|_| !self.going_on.renewed.contains(&(channel, id)));
        for (id, view) in &self.quotes {
            let Some(name) = known(QUOTE, *id) else { continue };
            let ahead = self.going_on.quotes.get(id).map(|held| QuoteView { based: false, ..*held });
            carried.quotes.insert(name.clone(), ahead.unwrap_or(*view));
        }
        for (id, view) in &self.trades {
            let Some(name) = known(TRADE, *id) else { continue };
            let ahead = self.going_on.trades.get(id).map(|held| TradeView { based: false, ..*held });
            carried.trades.insert(name.clone(), ahead.unwrap_or(*view));
        }
        let mut view = Self::new(self.form);
        view.accounts = self.accounts;
        view
    }

    /// Whether this gateway has told less of some symbol than is held from an earlier connection.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        !(self.going_on.quotes.is_empty() && self.going_on.trades.is_empty())
    }

    /// A heartbeat told a cursor: what came before it is behind it. It does not speak of what is carried and was not
    /// subscribed again by now: that begins anew.
    pub fn reached(&mut self, carried: &mut Carried) {
        self.going_on.renewed.clear();
        *carried = Carried::default();
    }

    /// A symbol joined that may be carried; `told` is what `subscribed` says of how it goes on, none = it begins anew.
    /// False: it is said to be unchanged and is not held so; ask for its repair.
    pub fn resumed(
        &mut self,
        channel: u8,
        id: u32,
        symbol: &str,
        told: Option<Resumed>,
        carried: &mut Carried,
    ) -> bool {
        if !matches!(channel, QUOTE | TRADE) {
            return true; // all else comes in full
        }
        let same = |epoch: u64, told: &Resumed| self.form == Form::Fixed || epoch == told.epoch;
        let half = self.modulus() / 2;
        let more = |total: u64, held: u64| total.wrapping_sub(held) & self.modulus();
        let unchanged = told.and_then(|told| told.unchanged);
        let held = if channel == QUOTE {
            let held = carried.quotes.remove(symbol).zip(told).filter(|(held, told)| same(held.epoch, told));
            let Some((held, told)) = held else { return unchanged.is_none() };
            let new = unchanged.filter(|(total, _)| held.based && more(*total, held.total) <= half);
            let base = QuoteView { epoch: told.epoch, lost: told.lost, based: false, ..held };
            let kept = new.map(|(total, state)| QuoteView { total, state, based: true, ..base });
            let more = kept.map(|kept| more(kept.total, held.total));
            self.quotes.insert(id, kept.unwrap_or(base));
            more
        } else {
            let held = carried.trades.remove(symbol).zip(told).filter(|(held, told)| same(held.epoch, told));
            let Some((held, told)) = held else { return unchanged.is_none() };
            let new = unchanged.filter(|(total, _)| held.based && more(*total, held.total) == 0);
            let base = TradeView { epoch: told.epoch, lost: told.lost, based: false, listable: 0, ..held };
            let kept = new.map(|(_, state)| TradeView { state, based: true, ..base });
            self.trades.insert(id, kept.unwrap_or(base));
            kept.map(|_| 0)
        };
        match held {
            // Events that left the quote as it was.
            Some(more) => self.accounts[usize::from(channel & 1)].cover(more, 0, 0),
            None => {
                self.going_on.first.insert((channel, id));
            }
        }
        held.is_some() || unchanged.is_none()
    }

    pub(super) const fn modulus(&self) -> u64 {
        match self.form {
            Form::Fixed => u32::MAX as u64,
            Form::Compact | Form::Json => u64::MAX,
        }
    }
}
