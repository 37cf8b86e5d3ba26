//! Lanes: one flush schedule each, a (rate class, view, phase). A lane remembers what it last showed of each symbol that
//! somebody wants; a flush compares the table with that. Pure.
//!
//! Each symbol has two parts in a lane, quote and trade, wanted apart by the sessions of either channel.

mod lanes;
mod noted;
mod plain;
mod show;

pub use lanes::{Lanes, PHASE_SESSIONS, PHASES_MAX, VIEWS_MAX};

use crate::bars::Bars;
use crate::bits::{Bits, ids_of};
use crate::books::Books;
use crate::directory::Directory;
use crate::flush::{Category, Entry, Flush};
use crate::last_value::{Image, Table};
use crate::mutants::broken;
use plain::{Looked, Plain};
use wire::RATES_MS;
use wire::control::{Channel, Fields, View};
use wire::cursor_shards::Position;
use wire::frame::{Form, QuoteImage, TradeImage};
use wire::instrument::InstrumentId;
use wire::view_hash::ViewHash;

/// What a lane last showed of a symbol, and how many want each channel of it. The prints' totals are kept apart: most
/// symbols of most lanes are wanted for their quotes alone.
#[derive(Debug, Clone, Copy)]
struct LaneRow {
    quote: QuoteImage,
    refs: [u32; 2],
    trade: u32,
}

/// Rows that are given back and used again.
#[derive(Debug)]
struct Rows<T> {
    rows: Vec<T>,
    free: Vec<u32>,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), free: Vec::new() }
    }
}

impl<T> Rows<T> {
    fn add(&mut self, row: T) -> u32 {
        if let Some(at) = self.free.pop() {
            self.rows[at as usize] = row;
            return at;
        }
        self.rows.push(row);
        u32::try_from(self.rows.len() - 1).unwrap_or(NO_ROW)
    }
}

/// What lanes show.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// Last values.
    pub table: &'a Table,
    /// Instruments.
    pub directory: &'a Directory,
    /// Books.
    pub books: &'a Books,
    /// Bars.
    pub bars: &'a Bars,
}

/// What has moved since the lanes were told before.
#[derive(Debug, Clone, Copy)]
pub struct Touched<'a> {
    /// Rows of the table.
    pub rows: &'a Bits,
    /// Books.
    pub books: &'a Bits,
    /// Bars, by period.
    pub bars: [&'a Bits; 2],
}

/// One lane.
#[derive(Debug)]
pub struct Lane {
    class: usize,
    view: View,
    /// Whether quotes are shown as they are.
    whole: bool,
    phase_us: i64,
    /// Sessions by form: a flush is encoded only in forms that somebody reads.
    pub forms: [u32; 3],
    /// The sessions of this lane, as (session, slot).
    pub members: Vec<(u32, u8)>,
    wanted: [Bits; 2],
    dirty: Bits,
    unsettled: Bits,
    row_of: Vec<u32>,
    rows: Rows<LaneRow>,
    trades: Rows<TradeImage>,
    /// What it shows, if not quotes and prints.
    plain: Option<Plain>,
    due_us: i64,
    settled_us: i64,
    flushed_us: i64,
    sweep_us: i64,
    noted: Vec<Position>,
}

const NO_ROW: u32 = u32::MAX;

impl Lane {
    fn new(class: usize, view: View, phase: u8, now_us: i64) -> Self {
        let interval_us = interval_us(class);
        let phase_us = phase_offset_us(interval_us, phase);
        let whole = matches!(view, View::Market { fields: Fields::All, filter: None });
        let plain = Plain::new(&view);
        let mut lane = Self {
            class,
            view,
            whole,
            phase_us,
            forms: [0; 3],
            members: Vec::new(),
            wanted: [Bits::default(), Bits::default()],
            dirty: Bits::default(),
            unsettled: Bits::default(),
            row_of: Vec::new(),
            rows: Rows::default(),
            trades: Rows::default(),
            plain,
            due_us: 0,
            settled_us: now_us,
            flushed_us: now_us,
            sweep_us: 0,
            noted: Vec::new(),
        };
        lane.schedule(now_us);
        lane
    }

    /// Index of the rate in [`RATES_MS`].
    #[must_use]
    pub fn class(&self) -> usize {
        self.class
    }

    /// What it shows.
    #[must_use]
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Whether quotes and prints are shown as they are.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// Offset of the phase within the interval, µs; 0 for `raw`.
    #[must_use]
    pub fn phase_us(&self) -> i64 {
        self.phase_us
    }

    /// Interval by which ticks are counted, µs; 1 ms for `raw`.
    #[must_use]
    pub fn tick_us(&self) -> i64 {
        interval_us(self.class).max(1_000)
    }

    /// Number of the interval that a time falls into.
    #[must_use]
    pub fn tick(&self, time_us: i64) -> u64 {
        (time_us - self.phase_us).div_euclid(self.tick_us()).unsigned_abs()
    }

    /// Symbols that it has a place for.
    #[must_use]
    pub fn shown(&self) -> usize {
        self.rows.rows.len()
    }

    /// When the lane wants to be flushed, if anything is to be said.
    #[must_use]
    pub fn due_us(&self) -> i64 {
        self.due_us
    }

    /// Whether something waits.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// How long the last sweep over this lane's sessions took, µs: `raw` paces itself by it.
    pub fn swept(&mut self, took_us: i64) {
        self.sweep_us = took_us;
    }

    fn row(&self, id: InstrumentId) -> Option<&LaneRow> {
        match self.row_of.get(id.index()) {
            Some(at) if *at != NO_ROW => self.rows.rows.get(*at as usize),
            _ => None,
        }
    }

    /// The quote that the lane last showed.
    #[must_use]
    pub fn quote(&self, id: InstrumentId) -> Option<&QuoteImage> {
        self.row(id).map(|row| &row.quote)
    }

    /// The prints' totals that the lane last showed.
    #[must_use]
    pub fn trade(&self, id: InstrumentId) -> Option<&TradeImage> {
        self.trades.rows.get(self.row(id)?.trade as usize)
    }

    /// Whether the lane shows the symbol, but not its prints, and these are about to be wanted.
    #[must_use]
    pub fn lacks(&self, id: InstrumentId, channel: Channel) -> bool {
        channel == Channel::Trade && self.row(id).is_some_and(|row| row.trade == NO_ROW)
    }

    /// One more session wants a channel of a symbol. The first one makes the lane show what is present; if the lane
    /// [lacks](Self::lacks) it, what it shows must have been flushed just before. Returns whether it is the first.
    pub fn want(&mut self, id: InstrumentId, channel: Channel, sources: &Sources<'_>) -> bool {
        let live = sources.table.row(id).filter(|_| !broken("want_shows_nothing")).map(|row| &row.image);
        if self.row_of.len() <= id.index() {
            self.row_of.resize(id.index() + 1, NO_ROW);
        }
        if self.row_of[id.index()] == NO_ROW {
            let first = |image: &Image| show::quote(&self.view, id, &image.quote, sources.directory);
            let quote = live.map(first).unwrap_or_default();
            self.row_of[id.index()] = self.rows.add(LaneRow { quote, refs: [0; 2], trade: NO_ROW });
            self.dirty.remove(id);
            self.unsettled.remove(id);
            if let Some(plain) = &mut self.plain {
                plain.want(id, sources);
            }
        }
        self.wanted[channel.place()].insert(id);
        let row = &mut self.rows.rows[self.row_of[id.index()] as usize];
        let is_first = row.refs == [0; 2];
        row.refs[channel.place()] += 1;
        if channel == Channel::Trade && row.trade == NO_ROW {
            row.trade = self.trades.add(live.map(|image| image.trade).unwrap_or_default());
        }
        is_first
    }

    /// One session less wants a channel of a symbol. The last one makes the lane forget it, both channels together: what
    /// it shows of the one must stay in step with the other. Returns whether it was the last.
    pub fn unwant(&mut self, id: InstrumentId, channel: Channel) -> bool {
        let at = self.row_of[id.index()];
        let row = &mut self.rows.rows[at as usize];
        row.refs[channel.place()] -= 1;
        if row.refs[channel.place()] == 0 {
            self.wanted[channel.place()].remove(id);
        }
        if row.refs == [0; 2] {
            if row.trade != NO_ROW {
                self.trades.free.push(row.trade);
            }
            self.row_of[id.index()] = NO_ROW;
            self.rows.free.push(at);
            self.dirty.remove(id);
            self.unsettled.remove(id);
            if let Some(plain) = &mut self.plain {
                plain.forget(id);
            }
            return true;
        }
        false
    }

    /// Appends a symbol of a lane that shows neither quotes nor prints, in full as it last showed it.
    pub fn plain_full(
        &self,
        id: InstrumentId,
        form: Form,
        directory: &Directory,
        out: &mut Vec<u8>,
    ) -> Option<Category> {
        self.plain.as_ref()?.full(id, form, directory, out)
    }

    /// The hash of such a symbol.
    #[must_use]
    pub fn plain_hash(&self, id: InstrumentId) -> Option<ViewHash> {
        self.plain.as_ref()?.hash(id)
    }

    /// Some symbols moved.
    pub fn touch(&mut self, touched: &Touched<'_>) {
        match self.view {
            View::Market { .. } | View::Status => self.mark(touched.rows),
            View::Book { .. } => self.mark(touched.books),
            View::Bar { period } => {
                self.mark(touched.rows);
                self.mark(touched.bars[period as usize]);
            }
        }
    }

    fn mark(&mut self, moved: &Bits) {
        for (at, word) in moved.words().iter().enumerate() {
            let wanted = |channel: usize| self.wanted[channel].words().get(at).copied().unwrap_or(0);
            let moved = word & (wanted(0) | wanted(1));
            for id in ids_of(at, moved) {
                self.dirty.insert(id);
            }
        }
    }

    /// When the lane must be looked at, µs: a timed one when it is due, `raw` when something waits for its pace.
    #[must_use]
    pub fn wakes_us(&self) -> Option<i64> {
        if RATES_MS[self.class] != 0 {
            return Some(self.due_us);
        }
        self.is_dirty().then(|| self.flushed_us + 5 * self.sweep_us)
    }

    /// Whether a flush is due now.
    #[must_use]
    pub fn is_due(&self, now_us: i64) -> bool {
        if RATES_MS[self.class] == 0 {
            // `raw` skips a batch while the last sweep took more than a fifth of the time since the flush before.
            let rested = now_us - self.flushed_us >= 5 * self.sweep_us;
            let unsettled = now_us - self.settled_us >= SETTLE_US && !self.unsettled.is_empty();
            return rested && (self.is_dirty() || (unsettled && !broken("raw_never_settles")));
        }
        now_us >= self.due_us
    }

    /// Makes a flush of all that is dirty, or of `only` these symbols out of turn. With `settle`, symbols whose
    /// events left them unchanged are told of too. `flush` is filled anew; false when nothing is to be sent.
    pub fn flush(
        &mut self,
        sources: &Sources<'_>,
        now_us: i64,
        only: Option<&Bits>,
        settle: bool,
        flush: &mut Flush,
    ) -> bool {
        flush.begin(self.tick(now_us), self.lag_us(now_us), now_us);
        let in_turn = only.is_none();
        let settle = settle || (in_turn && now_us - self.settled_us >= SETTLE_US);
        let settle = settle && !broken("never_settles");
        if in_turn {
            self.flushed_us = now_us;
            self.schedule(now_us);
            if settle {
                self.settled_us = now_us;
            }
        }
        let words = self.wanted[0].words().len().max(self.wanted[1].words().len());
        for at in 0..words {
            let word = |bits: &Bits| bits.words().get(at).copied().unwrap_or(0);
            let mut due = word(&self.dirty);
            if settle {
                due |= word(&self.unsettled);
            }
            if let Some(only) = only {
                due &= word(only);
            }
            for id in ids_of(at, due) {
                self.flush_one(id, sources, settle, flush);
            }
        }
        !flush.is_empty()
    }

    #[inline]
    fn flush_one(&mut self, id: InstrumentId, sources: &Sources<'_>, settle: bool, flush: &mut Flush) {
        self.dirty.remove(id);
        if let Some(plain) = &mut self.plain {
            match plain.look(id, sources, settle, &self.forms, flush) {
                Looked::Told => self.unsettled.remove(id),
                Looked::Unsettled => self.unsettled.insert(id),
                Looked::Same => false,
            };
            return;
        }
        let Some(live) = sources.table.row(id).map(|row| &row.image) else { return };
        let row = &mut self.rows.rows[self.row_of[id.index()] as usize];
        let old = &mut row.quote;
        let trade = self.trades.rows.get_mut(row.trade as usize);
        let cut;
        let quote = if self.whole {
            &live.quote
        } else {
            cut = show::quote(&self.view, id, &live.quote, sources.directory);
            &cut
        };
        let quote_moved = visible_quote(old, quote);
        let trade_moved = trade.as_ref().is_some_and(|old| has_prints(old, &live.trade));
        let state_moved = trade.as_ref().is_some_and(|old| old.state != live.trade.state);
        let unsettled = old.ver != quote.ver;
        let told = quote_moved || trade_moved || (settle && unsettled);
        if !told {
            if unsettled {
                self.unsettled.insert(id);
            }
            if broken("unchanged_row_moves_on") {
                *old = *quote;
            }
            return;
        }
        if self.wanted[0].contains(id) && (quote_moved || unsettled) {
            flush.quote(Entry { id, old: *old, new: *quote });
        }
        *old = *quote;
        if let Some(old) = trade.filter(|_| trade_moved || state_moved) {
            if self.wanted[1].contains(id) {
                flush.trade(Entry { id, old: *old, new: live.trade }, sources.table, !trade_moved);
            }
            *old = live.trade;
        }
        self.unsettled.remove(id);
    }

    /// From the begin of the interval that a time falls into, µs.
    #[must_use]
    pub fn lag_us(&self, now_us: i64) -> u32 {
        u32::try_from((now_us - self.phase_us).rem_euclid(self.tick_us())).unwrap_or(0)
    }

    fn schedule(&mut self, now_us: i64) {
        let interval = self.tick_us();
        let begun = (now_us - self.phase_us).div_euclid(interval);
        self.due_us = (begun + 1) * interval + self.phase_us;
    }
}

/// Net-unchanged symbols are told of at least this often, µs.
pub const SETTLE_US: i64 = 1_000_000;

#[inline]
fn visible_quote(old: &QuoteImage, new: &QuoteImage) -> bool {
    old.quote != new.quote
        || old.state != new.state
        || old.lost != new.lost
        || old.feed_epoch != new.feed_epoch
}

#[inline]
fn has_prints(old: &TradeImage, new: &TradeImage) -> bool {
    old.tc != new.tc || old.lost != new.lost || old.feed_epoch != new.feed_epoch
}

/// A class's interval in µs, 0 for `raw`.
#[must_use]
pub fn interval_us(class: usize) -> i64 {
    i64::from(RATES_MS[class]) * 1_000
}

/// Offset of phase `k`: T·bitrev6(k)/64, so that however many phases are open they lie evenly.
#[must_use]
pub fn phase_offset_us(interval_us: i64, phase: u8) -> i64 {
    interval_us * i64::from(phase.reverse_bits() >> 2) / 64
}
