//! What a session asks of the engine: rates, joining and leaving, pauses, repairs.

use super::{Engine, sources};
use crate::bits::Bits;
use crate::mutants::broken;
use crate::outbox::Socket;
use crate::pending::Join;
use crate::slot::Slot;
use wire::control::Channel;
use wire::control::View;
use wire::error::ErrorCode;
use wire::instrument::InstrumentId;

/// Most slots of a session.
pub const SLOTS_MAX: usize = 16;

impl<S: Socket> Engine<S> {
    /// The slot of a rate class and view in a session, made when it is not there. An adaptive one is found by the class
    /// that it asked for, whatever it runs at.
    ///
    /// # Errors
    /// [`ErrorCode::TooManySlots`] when all sixteen are used, [`ErrorCode::TooManyViews`] when the gateway shows as many
    /// as it may.
    pub fn slot(
        &mut self,
        session: u32,
        class: usize,
        view: &View,
        adaptive: bool,
        now_us: i64,
    ) -> Result<u8, ErrorCode> {
        let outbox = self.outboxes.get_mut(session as usize).and_then(Option::as_mut);
        let outbox = outbox.ok_or(ErrorCode::Internal)?;
        let lanes = &self.lanes;
        let same = |slot: &Slot| {
            slot.class == class && slot.adaptive == adaptive && lanes.get(slot.lane).view() == view
        };
        if let Some(slot) = outbox.slots.iter().position(same) {
            return u8::try_from(slot).map_err(|_| ErrorCode::TooManySlots);
        }
        if outbox.slots.len() == SLOTS_MAX {
            return Err(ErrorCode::TooManySlots);
        }
        let slot = u8::try_from(outbox.slots.len()).map_err(|_| ErrorCode::TooManySlots)?;
        let lane = self.lanes.join(class, view, (session, slot), outbox.form, now_us);
        let lane = lane.ok_or(ErrorCode::TooManyViews)?;
        outbox.slots.reserve_exact(1); // most sessions have one
        outbox.slots.push(Slot::new(lane, class, view.channels()[0], adaptive));
        if adaptive {
            self.adapt(session, slot, class, now_us);
        }
        Ok(slot)
    }

    /// What a session's slot shows.
    #[must_use]
    pub fn view(&self, session: u32, slot: u8) -> Option<&View> {
        let slot = self.outbox(session)?.slots.get(usize::from(slot))?;
        Some(self.lanes.get(slot.lane).view())
    }

    /// Phase offset of a session's slot, µs.
    #[must_use]
    pub fn phase_us(&self, session: u32, slot: u8) -> i64 {
        let slot = self.outbox(session).and_then(|outbox| outbox.slots.get(usize::from(slot)));
        slot.map_or(0, |slot| self.lanes.get(slot.lane).phase_us())
    }

    /// Lets symbols join a wire set; `join.ids` rise and are held in no slot's same channel. Each part is told before
    /// its first data.
    pub fn join(&mut self, session: u32, mut join: Join, now_us: i64) {
        let slot = self.outbox(session).and_then(|outbox| outbox.slots.get(usize::from(join.slot)));
        let Some(lane) = slot.map(|slot| slot.lane) else { return };
        self.want(lane, join.channel, join.ids.iter().copied(), now_us);
        let before = self.shards_of(session);
        self.await_shards(session, &mut join, now_us);
        if let Some(max_age_ms) = join.max_age_ms {
            self.wish(session, join.ids.iter().copied(), max_age_ms);
        }
        self.queue(session, now_us, |outbox| {
            outbox.join(join);
            true
        });
        self.tell_stale(session, before, now_us);
    }

    /// One more session wants these symbols of a lane. Where the lane has shown a symbol's quote and begins to show its
    /// prints, the quote is flushed first, out of turn: no print may be newer than the quote beside it.
    pub(super) fn want(
        &mut self,
        lane: u32,
        channel: Channel,
        ids: impl Iterator<Item = InstrumentId> + Clone,
        now_us: i64,
    ) {
        let mut behind = Bits::default();
        let lacking = ids.clone().filter(|id| self.lanes.get(lane).lacks(*id, channel));
        for id in lacking {
            behind.insert(id);
        }
        if !behind.is_empty() && !broken("prints_join_an_old_quote") {
            self.touch_lanes();
            self.flush_lane(lane, now_us, Some(&behind), true, &|| now_us);
        }
        for id in ids {
            // A book must be there before it is shown.
            self.lane_wants(id, channel);
            if !self.lanes.get_mut(lane).want(id, channel, &sources!(self)) {
                self.lane_forgets(id, channel);
            }
        }
    }

    /// Takes symbols of a channel out of a session's slot. The caller then answers `unsubscribed`.
    pub fn leave(&mut self, session: u32, channel: Channel, slot: u8, ids: &Bits) {
        let Some(outbox) = self.outboxes.get_mut(session as usize).and_then(Option::as_mut) else { return };
        let mut gone = Vec::new();
        for join in outbox.joins_mut().filter(|join| join.channel == channel && join.slot == slot) {
            gone.extend(join.ids.iter().filter(|id| ids.contains(**id)));
            join.ids.retain(|id| !ids.contains(*id));
        }
        let slot = &mut outbox.slots[usize::from(slot)];
        gone.extend(slot.subs[channel.place()].iter().filter(|id| ids.contains(*id)));
        let lane = slot.lane;
        slot.leave(channel, ids);
        outbox.recount_shards(&self.directory);
        self.unwant(lane, channel, gone.into_iter());
    }

    /// Moves symbols (both channels) from one slot of a session to another. Both lanes are flushed for them first, so
    /// that what the client has fits what it gets next. The caller then answers `rate_set`.
    pub fn move_rate(&mut self, session: u32, from: u8, to: u8, ids: &Bits, now_us: i64) {
        let Some(outbox) = self.outboxes.get(session as usize).and_then(Option::as_ref) else { return };
        if from == to {
            return;
        }
        let held = |channel: Channel| {
            let subs = &outbox.slots[usize::from(from)].subs[channel.place()];
            subs.iter().filter(|id| ids.contains(*id)).collect::<Vec<_>>()
        };
        let channels = outbox.slots[usize::from(from)].channels();
        let held: Vec<Vec<InstrumentId>> = channels.iter().copied().map(held).collect();
        let lanes = [from, to].map(|slot| outbox.slots[usize::from(slot)].lane);
        for channel in channels.iter().copied() {
            self.want(lanes[1], channel, held[channel.place()].iter().copied(), now_us);
        }
        self.touch_lanes();
        let settle = !broken("move_without_settle");
        if !broken("move_without_flush") {
            self.flush_lane(lanes[0], now_us, Some(ids), settle, &|| now_us);
            self.flush_lane(lanes[1], now_us, Some(ids), settle, &|| now_us);
        }
        let Some(outbox) = self.outboxes[session as usize].as_mut() else { return };
        let mut marks = outbox.slots[usize::from(from)].marks().to_vec();
        marks.sort_unstable_by_key(|mark| mark.id);
        for channel in channels.iter().copied() {
            let moved = &held[channel.place()];
            outbox.slots[usize::from(to)].subs[channel.place()].extend(moved.iter().copied());
            for id in moved {
                let owed = outbox.slots[usize::from(from)].owes(channel, *id);
                let missed = outbox.slots[usize::from(from)].held(*id);
                let to = &mut outbox.slots[usize::from(to)];
                if let Ok(at) = marks.binary_search_by_key(id, |mark| mark.id) {
                    let mark = marks[at];
                    to.mark(*id, mark.told, mark.since_us);
                }
                if owed && !broken("move_leaves_the_backlog") {
                    to.owe(channel, *id);
                }
                let missed = missed.filter(|_| !broken("move_forgets_the_range"));
                if let (true, Channel::Trade, Some(missed)) = (owed, channel, missed) {
                    to.owe_trade(*id, missed);
                }
            }
            outbox.slots[usize::from(from)].leave(channel, ids);
        }
        for channel in channels.iter().copied() {
            self.unwant(lanes[0], channel, held[channel.place()].iter().copied());
        }
        self.move_wildcards(session, from, to, &held.concat());
    }

    /// Stops market data of a session; it becomes bits.
    pub fn pause(&mut self, session: u32) {
        if let Some(outbox) = self.outboxes.get_mut(session as usize).and_then(Option::as_mut) {
            outbox.paused = true;
        }
    }

    /// Goes on with market data: what was missed comes first, in full. Answer before calling.
    pub fn unpause(&mut self, session: u32, now_us: i64) {
        if broken("unpause_without_drain") {
            if let Some(outbox) = self.outboxes.get_mut(session as usize).and_then(Option::as_mut) {
                outbox.paused = false;
            }
            return;
        }
        self.queue(session, now_us, |outbox| {
            outbox.paused = false;
            true
        });
    }

    /// Owes a session everything it holds, or some symbols of a channel. Answer before calling.
    pub fn repair(&mut self, session: u32, only: Option<(Channel, &Bits)>, now_us: i64) {
        self.queue(session, now_us, |outbox| {
            outbox.repair(only, now_us);
            true
        });
    }
}
