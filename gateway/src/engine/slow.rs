//! Sessions that cannot follow: slots that change their interval, budgets, and rows that matter more than others.

use super::Engine;
use super::adapt::{Adapt, Turn};
use crate::bits::Bits;
use crate::budget::{Budget, STEP_US};
use crate::mutants::broken;
use crate::outbox::Socket;
use wire::RATES_MS;
use wire::control::reply::{RateChanged, text};
use wire::instrument::InstrumentId;

impl<S: Socket> Engine<S> {
    /// Interval in force of a session's slot, ms: that of an adaptive slot may be slower than asked.
    #[must_use]
    pub fn interval_ms(&self, session: u32, slot: u8) -> u32 {
        let slot = self.outbox(session).and_then(|outbox| outbox.slots.get(usize::from(slot)));
        let class = slot.map_or(0, |slot| self.lanes.get(slot.lane).class());
        RATES_MS.get(class).copied().unwrap_or(0)
    }

    /// An adaptive slot was made.
    pub(super) fn adapt(&mut self, session: u32, slot: u8, class: usize, now_us: i64) {
        self.adapts.insert((session, slot), Adapt::new(class, now_us));
    }

    /// A flush has something for an adaptive slot.
    pub(super) fn judge_slot(&mut self, session: u32, slot: u8, blocked: bool, now_us: i64) {
        let Some(adapt) = self.adapts.get_mut(&(session, slot)) else { return };
        if let Some(turn) = adapt.flush(blocked, now_us, &self.config.adapt) {
            self.turns.push((session, slot, turn));
        }
    }

    /// Moves the slots that the last flushes judged, and tells their sessions.
    pub(super) fn turn_slots(&mut self, now_us: i64) {
        let mut turns = std::mem::take(&mut self.turns);
        for (session, slot, turn) in turns.drain(..) {
            let Some(class) = self.adapts.get(&(session, slot)).map(Adapt::class) else { continue };
            if !self.move_slot(session, slot, class, now_us) {
                continue;
            }
            match turn {
                Turn::Slower => self.counters.slowed += 1,
                Turn::Faster => self.counters.recovered += 1,
            }
            let asked = self.outbox(session).and_then(|outbox| outbox.slots.get(usize::from(slot)));
            let changed = RateChanged {
                slot,
                interval_ms: self.interval_ms(session, slot),
                phase_us: u32::try_from(self.phase_us(session, slot)).unwrap_or(0),
                asked_ms: asked.and_then(|slot| RATES_MS.get(slot.class)).copied().unwrap_or(0),
                reason: turn.reason(),
            };
            if !broken("slot_moves_untold") {
                self.answer(session, text("rate_changed", &changed).as_bytes(), now_us);
            }
        }
        // What these moves flushed may have judged slots again: they turn next time.
        turns.append(&mut self.turns);
        self.turns = turns;
    }

    /// Moves a slot with all its symbols to a lane of another class. Both lanes are flushed for them first, so that what the
    /// client has, or is owed, is what the new lane shows. The slot enters it only then: it must not be told of that flush.
    fn move_slot(&mut self, session: u32, number: u8, class: usize, now_us: i64) -> bool {
        let Some(outbox) = self.outboxes.get(session as usize).and_then(Option::as_ref) else { return false };
        let Some(slot) = outbox.slots.get(usize::from(number)) else { return false };
        let (form, from) = (outbox.form, slot.lane);
        if self.lanes.get(from).class() == class {
            return false;
        }
        let (channels, view) = (slot.channels(), self.lanes.get(from).view().clone());
        let held = channels.iter().map(|channel| {
            let waiting = outbox.joins().filter(|join| join.slot == number && join.channel == *channel);
            let waiting = waiting.flat_map(|join| join.ids.iter().copied());
            slot.subs[channel.place()].iter().chain(waiting).collect()
        });
        let held: Vec<Vec<InstrumentId>> = held.collect();
        let Some(to) = self.lanes.emptiest(class, &view, now_us) else { return false };
        let mut ids = Bits::default();
        for (channel, held) in channels.iter().zip(&held) {
            for id in held {
                ids.insert(*id);
            }
            self.want(to, *channel, held.iter().copied(), now_us);
        }
        self.touch_lanes();
        if !broken("slot_moves_without_flush") {
            let settle = !broken("slot_moves_without_settle");
            self.flush_lane(from, now_us, Some(&ids), settle, &|| now_us);
            self.flush_lane(to, now_us, Some(&ids), settle, &|| now_us);
        }
        for (channel, held) in channels.iter().zip(&held) {
            self.unwant(from, *channel, held.iter().copied());
        }
        self.lanes.leave(from, session, number, form);
        self.lanes.enter(to, session, number, form);
        let Some(outbox) = self.outboxes[session as usize].as_mut() else { return false };
        let slot = &mut outbox.slots[usize::from(number)];
        (slot.lane, slot.known_tick) = (to, None); // the client cannot resolve ticks of another interval
        true
    }

    /// Limits a session's market data; none = no more. Answer before calling.
    pub fn set_budget(&mut self, session: u32, bytes_per_s: Option<u32>, now_us: i64) {
        self.queue(session, now_us, |outbox| {
            match (&mut outbox.budget, bytes_per_s) {
                (budget, None) => *budget = None,
                (Some(budget), Some(bytes_per_s)) => budget.change(bytes_per_s, now_us),
                (budget, Some(bytes_per_s)) => *budget = Some(Box::new(Budget::full(bytes_per_s, now_us))),
            }
            true
        });
    }

    /// Names the rows on screen, which are caught up before others; none = all alike.
    pub fn set_visible(&mut self, session: u32, rows: Bits) {
        if let Some(outbox) = self.outboxes.get_mut(session as usize).and_then(Option::as_mut) {
            outbox.visible = (!rows.is_empty()).then(|| Box::new(rows));
        }
    }

    /// Remembers a session that waits for its budget, to look at it when tokens have come.
    pub(super) fn list_thin(&mut self, session: u32) {
        let outbox = self.outboxes.get_mut(session as usize).and_then(Option::as_mut);
        let Some(budget) = outbox.and_then(|outbox| outbox.budget.as_mut()) else { return };
        if budget.waits && !budget.listed {
            budget.listed = true;
            self.thin.push(session);
        }
    }

    /// Writes to the sessions whose budget allows it again. Returns when to look at the others, µs: all of them wake
    /// together.
    pub(super) fn feed_thin(&mut self, now_us: i64) -> Option<i64> {
        if broken("budget_never_wakes") {
            return None;
        }
        let (mut at, mut next_us) = (0, None::<i64>);
        while let Some(session) = self.thin.get(at).copied() {
            if self.thin_ready_us(session).is_some_and(|ready| ready <= now_us) {
                self.drain_free(session, now_us);
            }
            let outbox = self.outboxes.get_mut(session as usize).and_then(Option::as_mut);
            let budget = outbox.and_then(|outbox| outbox.budget.as_mut());
            if budget.as_ref().is_none_or(|budget| !budget.waits) {
                budget.into_iter().for_each(|budget| budget.listed = false);
                self.thin.swap_remove(at);
                continue;
            }
            let ready_us = self.thin_ready_us(session);
            next_us = ready_us.map_or(next_us, |ready| Some(next_us.map_or(ready, |next| next.min(ready))));
            at += 1;
        }
        next_us.map(|next| (next.max(now_us + 1) + STEP_US - 1).div_euclid(STEP_US) * STEP_US)
    }

    /// When a session that waits for its budget may be written to; none while something else hinders it.
    fn thin_ready_us(&self, session: u32) -> Option<i64> {
        let outbox = self.outbox(session)?;
        let hindered = outbox.busy || outbox.paused || outbox.is_closing();
        outbox.budget.as_ref().filter(|budget| budget.waits && !hindered).map(|budget| budget.ready_us())
    }
}
