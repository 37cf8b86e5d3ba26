//! What a session missed: full records of what its backlog names, as the lane last showed them.

use super::rank::{CatchUp, worth};
use super::{Group, Moment};
use crate::bits::Bits;
use crate::flush::{Category, Piece};
use crate::mutants::broken;
use crate::outbox::{Outbox, Shared, Socket, Write};
use crate::slot::{Held, Slot};
use wire::control::Channel;
use wire::frame::compact::encode as compact;
use wire::frame::{Form, fixed, json};
use wire::instrument::InstrumentId;

impl<S: Socket> Outbox<S> {
    /// Tells the next symbols of the backlog in full, as their lane last showed them. `None` = nothing is owed.
    pub(crate) fn catch_up(&mut self, shared: &mut Shared<'_>) -> Option<Write> {
        let slot = self.turn()?;
        let mut told = std::mem::take(&mut shared.scratch.told);
        told.clear();
        let form = self.form;
        let (cap, visible) = (self.group_cap(), self.visible.as_deref());
        let next = self.slots[slot].pick(form, cap, visible, shared, &mut told);
        let lane = shared.lanes.get(self.slots[slot].lane);
        let moment = Moment {
            tick: lane.tick(shared.now_us),
            lag_us: lane.lag_us(shared.now_us),
            time_us: shared.now_us,
        };
        let number = u8::try_from(slot).unwrap_or(0);
        let written = self.write_group(number, moment, None, false, shared);
        if matches!(written, Write::Wrote(_)) || broken("told_before_written") {
            shared.counters.catch_ups += 1;
            self.slots[slot].told(&told);
            self.slots[slot].cursor = next;
        }
        shared.scratch.told = told;
        match written {
            Write::Wrote(_) if !self.remainder.is_empty() => Some(Write::WouldBlock),
            other => Some(other),
        }
    }
}

impl Slot {
    /// Picks full records of what is owed, up to one group. Returns the cursor for the next one.
    fn pick(
        &self,
        form: Form,
        cap: usize,
        visible: Option<&Bits>,
        shared: &mut Shared<'_>,
        told: &mut Vec<(Channel, InstrumentId)>,
    ) -> u32 {
        shared.scratch.arena.clear();
        let mut group = Group::begin(shared.scratch, form, 0, cap);
        match shared.catch_up {
            // With more owed than marks are kept, each has its turn.
            CatchUp::ByValue { ripe_after_us } if self.marks().len() == self.owed_len() => {
                self.pick_by_value(form, visible, ripe_after_us, &mut group, shared, told);
                self.cursor
            }
            _ => self.pick_in_turn(form, &mut group, shared, told),
        }
    }

    /// Picks what matters most. Half of the group is for what is owed for too long.
    fn pick_by_value(
        &self,
        form: Form,
        visible: Option<&Bits>,
        ripe_after_us: i64,
        group: &mut Group,
        shared: &mut Shared<'_>,
        told: &mut Vec<(Channel, InstrumentId)>,
    ) {
        let mut ranking = std::mem::take(&mut shared.scratch.ranking);
        let (lane, directory, now_us) = (shared.lanes.get(self.lane), shared.directory, shared.now_us);
        ranking
            .fill(self.marks(), ripe_after_us, now_us, |mark| worth(mark, lane, directory, visible, now_us));
        let mut ripe = true;
        loop {
            ripe = ripe && !group.is_half_full();
            let Some(id) = ranking.next(ripe) else {
                if !std::mem::take(&mut ripe) {
                    break;
                }
                continue;
            };
            if !self.pick_one(id, form, group, shared, told) {
                break;
            }
            ranking.choose(id);
        }
        if !broken("catch_up_is_not_sorted") {
            shared.scratch.picks.iter_mut().for_each(|picks| picks.sort_unstable_by_key(|pick| pick.rank));
        }
        shared.scratch.ranking = ranking;
    }

    /// Picks by rising id, beginning at the cursor.
    fn pick_in_turn(
        &self,
        form: Form,
        group: &mut Group,
        shared: &mut Shared<'_>,
        told: &mut Vec<(Channel, InstrumentId)>,
    ) -> u32 {
        let (before, after): (Vec<InstrumentId>, Vec<InstrumentId>) =
            self.owed_ids().partition(|id| id.0 < self.cursor);
        for (nth, id) in after.iter().chain(&before).enumerate() {
            // Ranks must rise within a message, so a group never wraps around.
            if nth > 0 && nth == after.len() && !broken("catch_up_wraps_around") {
                return id.0;
            }
            if !self.pick_one(*id, form, group, shared, told) {
                return id.0;
            }
        }
        0
    }

    /// Adds all that is owed of a symbol to the group, or nothing when that does not fit.
    fn pick_one(
        &self,
        id: InstrumentId,
        form: Form,
        group: &mut Group,
        shared: &mut Shared<'_>,
        told: &mut Vec<(Channel, InstrumentId)>,
    ) -> bool {
        let is_owed = |channel: &Channel| self.owes(*channel, id);
        let channels = self.channels();
        let mut pieces = [None; 2];
        for channel in channels.iter().filter(|channel| is_owed(channel)) {
            pieces[channel.place()] = self.full(id, *channel, form, shared);
        }
        let bytes: u32 = pieces.iter().flatten().map(|piece| piece.len).sum();
        if !group.fits(bytes as usize) {
            return false;
        }
        for (channel, piece) in channels.iter().zip(pieces) {
            if let Some(piece) = piece {
                let rank = self.subs[channel.place()].rank(id);
                group.add(shared.scratch, u32::try_from(rank).unwrap_or(0), piece);
            }
        }
        told.extend(channels.iter().copied().filter(is_owed).map(|channel| (channel, id)));
        true
    }

    /// Encodes a symbol's full record into the arena. It costs what copying a kept one would, so none is kept.
    fn full(&self, id: InstrumentId, channel: Channel, form: Form, shared: &mut Shared<'_>) -> Option<Piece> {
        let instrument = shared.directory.instrument(id)?;
        let lane = shared.lanes.get(self.lane);
        let live =
            || shared.table.row(id).filter(|_| broken("catch_up_from_the_table")).map(|row| &row.image);
        let out = &mut shared.scratch.arena;
        let start = out.len();
        let category = match channel {
            Channel::Quote => {
                let quote = live().map(|image| &image.quote).or_else(|| lane.quote(id))?;
                match form {
                    Form::Compact => compact::quote_full(out, quote),
                    Form::Fixed => fixed::quote(out, id.0, quote.ver, quote, instrument.has_size),
                    Form::Json => json::quote(out, id.0, 0, quote, instrument),
                }
                Category::QuoteFull
            }
            Channel::Trade => {
                let trade = live().map(|image| &image.trade).or_else(|| lane.trade(id))?;
                let Held { range, partial } = self.missed(id);
                match form {
                    Form::Compact => {
                        compact::trade_full(out, trade, [].iter());
                        compact::trailer(out, trade.last.price, range, partial);
                    }
                    Form::Fixed => fixed::trade_full(out, id.0, trade, range, partial),
                    Form::Json => json::trade_full(out, id.0, trade, range, partial, instrument),
                }
                Category::TradeFull
            }
            Channel::Book | Channel::Bar | Channel::Status => {
                lane.plain_full(id, form, shared.directory, out)?
            }
        };
        let narrow = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        Some(Piece { category, start: narrow(start), len: narrow(out.len() - start) })
    }
}
