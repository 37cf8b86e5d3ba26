//! Lanes: one flush schedule each, a (rate class, phase). A lane remembers what it last showed of each symbol that
//! somebody wants; a flush compares the table with that. Pure.
//!
//! Each symbol has two parts in a lane, quote and trade, wanted apart by the sessions of either channel.

use crate::bits::{Bits, ids_of};
use crate::flush::{Entry, Flush};
use crate::last_value::{Image, Table};
use crate::mutants::broken;
use wire::RATES_MS;
use wire::frame::Form;
use wire::instrument::InstrumentId;

/// Sessions that a phase takes before the next one opens.
pub const PHASE_SESSIONS: usize = 100;

/// Most phases of a class.
pub const PHASES_MAX: u8 = 64;

/// A channel of market data; its number indexes per-channel arrays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// Best bid and ask.
    Quote = 0,
    /// Prints.
    Trade = 1,
}

impl Channel {
    /// Both, by number.
    pub const ALL: [Self; 2] = [Self::Quote, Self::Trade];

    /// The word on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Quote => "quote",
            Self::Trade => "trade",
        }
    }
}

/// What a lane last showed of a symbol, and who wants it.
#[derive(Debug, Clone, Copy)]
struct LaneRow {
    image: Image,
    refs: [u32; 2],
}

/// One lane.
#[derive(Debug)]
pub struct Lane {
    class: usize,
    phase_us: i64,
    /// Sessions by form: a flush is encoded only in forms that somebody reads.
    pub forms: [u32; 3],
    /// The sessions of this lane, as (session, slot).
    pub members: Vec<(u32, u8)>,
    wanted: [Bits; 2],
    dirty: Bits,
    unsettled: Bits,
    row_of: Vec<u32>,
    rows: Vec<LaneRow>,
    free: Vec<u32>,
    due_us: i64,
    settled_us: i64,
    flushed_us: i64,
    sweep_us: i64,
}

const NO_ROW: u32 = u32::MAX;

impl Lane {
    fn new(class: usize, phase: u8, now_us: i64) -> Self {
        let interval_us = interval_us(class);
        let phase_us = phase_offset_us(interval_us, phase);
        let mut lane = Self {
            class,
            phase_us,
            forms: [0; 3],
            members: Vec::new(),
            wanted: [Bits::default(), Bits::default()],
            dirty: Bits::default(),
            unsettled: Bits::default(),
            row_of: Vec::new(),
            rows: Vec::new(),
            free: Vec::new(),
            due_us: 0,
            settled_us: now_us,
            flushed_us: now_us,
            sweep_us: 0,
        };
        lane.schedule(now_us);
        lane
    }

    /// Index of the rate in [`RATES_MS`].
    #[must_use]
    pub fn class(&self) -> usize {
        self.class
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

    /// What the lane last showed of a symbol.
    #[must_use]
    #[inline]
    pub fn image(&self, id: InstrumentId) -> Option<&Image> {
        match self.row_of.get(id.index()) {
            Some(at) if *at != NO_ROW => self.rows.get(*at as usize).map(|row| &row.image),
            _ => None,
        }
    }

    /// One more session wants a channel of a symbol. The first one makes the lane show the table's present row.
    pub fn want(&mut self, id: InstrumentId, channel: Channel, table: &Table) {
        if self.row_of.len() <= id.index() {
            self.row_of.resize(id.index() + 1, NO_ROW);
        }
        if self.row_of[id.index()] == NO_ROW {
            let row = table.row(id).filter(|_| !broken("want_shows_nothing"));
            let image = row.map(|row| row.image).unwrap_or_default();
            let row = LaneRow { image, refs: [0; 2] };
            let at = if let Some(at) = self.free.pop() {
                self.rows[at as usize] = row;
                at
            } else {
                self.rows.push(row);
                u32::try_from(self.rows.len() - 1).unwrap_or(NO_ROW)
            };
            self.row_of[id.index()] = at;
            self.dirty.remove(id);
            self.unsettled.remove(id);
        }
        self.wanted[channel as usize].insert(id);
        self.rows[self.row_of[id.index()] as usize].refs[channel as usize] += 1;
    }

    /// One session less wants a channel of a symbol.
    pub fn unwant(&mut self, id: InstrumentId, channel: Channel) {
        let at = self.row_of[id.index()];
        let row = &mut self.rows[at as usize];
        row.refs[channel as usize] -= 1;
        if row.refs[channel as usize] == 0 {
            self.wanted[channel as usize].remove(id);
        }
        if row.refs == [0; 2] {
            self.row_of[id.index()] = NO_ROW;
            self.free.push(at);
            self.dirty.remove(id);
            self.unsettled.remove(id);
        }
    }

    /// Rows of some symbols moved.
    pub fn touch(&mut self, touched: &Bits) {
        for (at, word) in touched.words().iter().enumerate() {
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
        table: &Table,
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
                self.flush_one(id, table, settle, flush);
            }
        }
        !flush.is_empty()
    }

    #[inline]
    fn flush_one(&mut self, id: InstrumentId, table: &Table, settle: bool, flush: &mut Flush) {
        self.dirty.remove(id);
        let Some(live) = table.row(id) else { return };
        let row = &mut self.rows[self.row_of[id.index()] as usize];
        let (old, new) = (&mut row.image, &live.image);
        let quote_moved = visible_quote(old, new);
        let trade_moved = old.trade.tc != new.trade.tc
            || old.trade.lost != new.trade.lost
            || old.trade.feed_epoch != new.trade.feed_epoch;
        let state_moved = old.trade.state != new.trade.state;
        let unsettled = old.quote.ver != new.quote.ver;
        let told = quote_moved || trade_moved || (settle && unsettled);
        if !told {
            if unsettled {
                self.unsettled.insert(id);
            }
            if broken("unchanged_row_moves_on") {
                *old = *new;
            }
            return;
        }
        if self.wanted[0].contains(id) && (quote_moved || unsettled) {
            flush.quote(Entry { id, old: old.quote, new: new.quote });
        }
        old.quote = new.quote;
        if trade_moved || state_moved {
            if self.wanted[1].contains(id) {
                flush.trade(Entry { id, old: old.trade, new: new.trade }, table, !trade_moved);
            }
            old.trade = new.trade;
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
fn visible_quote(old: &Image, new: &Image) -> bool {
    let (old, new) = (&old.quote, &new.quote);
    old.quote != new.quote
        || old.state != new.state
        || old.lost != new.lost
        || old.feed_epoch != new.feed_epoch
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

/// All lanes.
#[derive(Debug, Default)]
pub struct Lanes {
    lanes: Vec<Lane>,
    by_class: [Vec<u32>; RATES_MS.len()],
}

impl Lanes {
    /// One lane.
    #[must_use]
    pub fn get(&self, lane: u32) -> &Lane {
        &self.lanes[lane as usize]
    }

    /// One lane.
    pub fn get_mut(&mut self, lane: u32) -> &mut Lane {
        &mut self.lanes[lane as usize]
    }

    /// Number of lanes.
    #[must_use]
    pub fn len(&self) -> u32 {
        u32::try_from(self.lanes.len()).unwrap_or(u32::MAX)
    }

    /// Whether there is no lane yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// Puts a session's slot into the emptiest open phase of a class; opens the next phase when all hold
    /// [`PHASE_SESSIONS`]. Phases are never closed or rebalanced.
    pub fn join(&mut self, class: usize, session: u32, slot: u8, form: Form, now_us: i64) -> u32 {
        let open = &self.by_class[class];
        let emptiest = open.iter().copied().min_by_key(|lane| self.get(*lane).members.len());
        let phases_max = if RATES_MS[class] == 0 { 1 } else { usize::from(PHASES_MAX) };
        let lane = match emptiest {
            Some(lane) if open.len() >= phases_max || self.get(lane).members.len() < PHASE_SESSIONS => lane,
            _ => {
                let phase = u8::try_from(open.len()).unwrap_or(0);
                let lane = self.len();
                self.lanes.push(Lane::new(class, phase, now_us));
                self.by_class[class].push(lane);
                lane
            }
        };
        let entry = self.get_mut(lane);
        entry.members.push((session, slot));
        entry.forms[form as usize] += 1;
        lane
    }

    /// Takes a session's slot out of its lane.
    pub fn leave(&mut self, lane: u32, session: u32, slot: u8, form: Form) {
        let entry = self.get_mut(lane);
        if let Some(at) = entry.members.iter().position(|member| *member == (session, slot)) {
            entry.members.swap_remove(at);
            entry.forms[form as usize] -= 1;
        }
    }

    /// Rows of some symbols moved.
    pub fn touch(&mut self, touched: &Bits) {
        self.lanes.iter_mut().filter(|lane| !lane.members.is_empty()).for_each(|lane| lane.touch(touched));
    }

    /// When the next lane with members is due, µs.
    #[must_use]
    pub fn next_due_us(&self) -> Option<i64> {
        self.lanes.iter().filter(|lane| !lane.members.is_empty()).filter_map(Lane::wakes_us).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_lie_evenly_however_many_are_open() {
        let offsets: Vec<i64> = (0..4).map(|phase| phase_offset_us(64_000, phase)).collect();
        assert_eq!(offsets, [0, 32_000, 16_000, 48_000]);
    }

    #[test]
    fn a_full_phase_opens_the_next() {
        let mut lanes = Lanes::default();
        for session in 0..250 {
            lanes.join(4, session, 0, Form::Compact, 0);
        }
        assert_eq!(lanes.len(), 3);
        for session in 0..500 {
            lanes.join(0, session, 0, Form::Compact, 0);
        }
        assert_eq!(lanes.len(), 4);
    }
}
