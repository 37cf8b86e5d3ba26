//! All that a session is still to be told, and the order in which its bytes go out. Pure over [`Socket`].
//!
//! Order: the begun remainder, reports, answers, `subscribed` parts, heartbeat, close, then market data from the
//! backlog. A session has at most one group of market data in front of a report, and no queue of market data: what
//! cannot be written becomes bits. `offer` (market data at a flush) is in `offer.rs`.

use crate::bits::Bits;
use crate::budget::Budget;
use crate::directory::Directory;
use crate::event_frame;
use crate::lane::Lane;
use crate::mutants::broken;
use crate::pending::{Join, Pending};
use crate::resume;
pub use crate::scratch::{Counters, Pick, Scratch, Shared};
pub use crate::server_frame::{
    Framing, OPCODE_BINARY, OPCODE_CLOSE, OPCODE_PING, OPCODE_PONG, OPCODE_TEXT, begin_frame, framed,
    put_frame,
};
use crate::slot::{Held, Slot};
use crate::stats::SessionStats;
use crate::view_hash;
use wire::RATES_MS;
use wire::close::CloseReason;
use wire::control::Channel;
use wire::frame::Form;
use wire::frame::json::integer;
use wire::instrument::InstrumentId;

/// What a socket did with bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// It took this many, at least one.
    Wrote(usize),
    /// It is full.
    WouldBlock,
    /// It is gone.
    Gone,
}

/// Where a session's bytes go.
pub trait Socket {
    /// Takes as many bytes as fit now.
    fn try_write(&mut self, bytes: &[u8]) -> Write;
    /// A write will come soon: what it needs may be brought into the cache.
    fn fetch(&self) {}
}

/// Largest group of market data in bytes; at most one is in front of a report.
pub const GROUP_BYTES_MAX: usize = 4_096;

/// Symbols named in one part of a `subscribed` answer.
pub const PART_SYMBOLS_MAX: usize = 64;

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// All that may be said is said.
    Idle,
    /// The socket is full: drain again when it can be written.
    Blocked,
    /// The close frame is out.
    Closed,
    /// The socket is gone.
    Gone,
}

/// One session's outbox.
#[derive(Debug)]
pub struct Outbox<S> {
    /// Where bytes go.
    pub socket: S,
    /// Form of its market data.
    pub form: Form,
    /// What its messages stand in.
    pub framing: Framing,
    /// Slots by number.
    pub slots: Vec<Slot>,
    /// Whether the socket is full: then only a drain writes.
    pub busy: bool,
    /// Whether the client paused market data.
    pub paused: bool,
    /// Market-data messages so far.
    pub frame: u32,
    /// When a byte was last accepted, or the session last had nothing to say, µs.
    pub progress_us: i64,
    /// Shards of its symbols, as bits.
    pub shards: u64,
    /// Counts and times, for a session that asked.
    pub stats: Option<Box<SessionStats>>,
    /// How much market data it takes; none = all that its socket takes.
    pub budget: Option<Box<Budget>>,
    /// Rows on screen, which are caught up before others.
    pub visible: Option<Box<Bits>>,
    pub(crate) remainder: Vec<u8>,
    pub(crate) remainder_at: usize,
    pending: Option<Box<Pending>>,
    pub(crate) heartbeat: bool,
    close_sent: bool,
    next_slot: u8,
}

impl<S: Socket> Outbox<S> {
    /// An outbox that has nothing to say.
    pub fn new(socket: S, form: Form, now_us: i64) -> Self {
        Self {
            socket,
            form,
            framing: Framing::WebSocket,
            slots: Vec::new(),
            busy: false,
            paused: false,
            frame: 0,
            progress_us: now_us,
            shards: 0,
            stats: None,
            budget: None,
            visible: None,
            remainder: Vec::new(),
            remainder_at: 0,
            pending: None,
            heartbeat: false,
            close_sent: false,
            next_slot: 0,
        }
    }

    /// From now on its messages are server-sent events; nothing was said before.
    pub fn become_events(&mut self) {
        self.framing = Framing::Events;
        self.remainder.extend_from_slice(event_frame::GREETING);
    }

    fn queue(&mut self) -> &mut Pending {
        self.pending.get_or_insert_default()
    }

    /// Queues a report; false when its lane is full and the session must end.
    #[must_use]
    pub fn report(&mut self, text: &[u8]) -> bool {
        let text = self.framing.text(text);
        self.queue().report(text)
    }

    /// Queues an answer; false when its lane is full and the session must end.
    #[must_use]
    pub fn answer(&mut self, text: &[u8]) -> bool {
        let text = self.framing.text(text);
        self.queue().answer(text)
    }

    /// Queues a pong.
    #[must_use]
    pub fn pong(&mut self, payload: &[u8]) -> bool {
        self.queue().answer(framed(OPCODE_PONG, payload))
    }

    /// Queues a ping.
    #[must_use]
    pub fn ping(&mut self) -> bool {
        self.queue().answer(framed(OPCODE_PING, b""))
    }

    /// Queues symbols that join a wire set.
    pub fn join(&mut self, join: Join) {
        self.queue().joins.push_back(join);
    }

    /// The joins not yet told.
    pub fn joins_mut(&mut self) -> impl Iterator<Item = &mut Join> {
        self.pending.iter_mut().flat_map(|pending| &mut pending.joins)
    }

    /// The joins not yet told.
    pub fn joins(&self) -> impl Iterator<Item = &Join> {
        self.pending.iter().flat_map(|pending| &pending.joins)
    }

    /// A heartbeat is due; at most one is queued, and it is built when written.
    pub fn heartbeat(&mut self) {
        self.heartbeat = true;
    }

    /// Whether a heartbeat is due and not written.
    #[must_use]
    pub fn owes_heartbeat(&self) -> bool {
        self.heartbeat
    }

    /// Ends the session after all that is queued before market data.
    pub fn close(&mut self, reason: CloseReason) {
        let mut payload = reason.code().to_be_bytes().to_vec();
        payload.extend_from_slice(reason.text().as_bytes());
        self.close_with(payload);
    }

    /// Ends the session with this payload of the close frame; the first one asked for counts.
    pub fn close_with(&mut self, payload: Vec<u8>) {
        self.queue().close.get_or_insert(payload);
    }

    /// Whether no answer waits, so that the next request may be read. A socket full of market data does not matter: an
    /// order must get in however thin the link is.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.pending.as_ref().is_none_or(|pending| pending.is_answered() && pending.close.is_none())
    }

    /// Whether the end is queued: nothing that comes from the client counts any more.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.close.is_some())
    }

    /// Whether market data goes to bits instead of the socket.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.busy
            || (self.paused && !broken("pause_is_ignored"))
            || (self.waits_for_budget() && !broken("budget_is_ignored"))
            || self.is_closing()
    }

    /// Whether market data is owed that the budget did not allow.
    #[must_use]
    pub fn waits_for_budget(&self) -> bool {
        self.budget.as_ref().is_some_and(|budget| budget.waits)
    }

    /// Whether a flush finds that this session did not take the one before.
    #[must_use]
    pub fn cannot_follow(&self) -> bool {
        self.busy || self.waits_for_budget()
    }

    /// Whether market data may be written now; if not, the session waits for its budget.
    pub(crate) fn may_spend(&mut self, now_us: i64) -> bool {
        let Some(budget) = &mut self.budget else { return true };
        if budget.has_tokens(now_us) || broken("budget_is_ignored") {
            return true;
        }
        budget.waits = true;
        false
    }

    /// Bytes went out.
    pub(crate) fn spend(&mut self, bytes: usize) {
        if let Some(budget) = &mut self.budget {
            budget.spend(bytes);
        }
    }

    /// Most bytes of the next group.
    pub(crate) fn group_cap(&self) -> usize {
        self.budget.as_ref().map_or(GROUP_BYTES_MAX, |budget| budget.group_bytes())
    }

    /// Whether the socket has been full without taking a byte for longer than `bound_us`.
    #[must_use]
    pub fn is_stuck(&self, now_us: i64, bound_us: i64) -> bool {
        self.busy && now_us - self.progress_us > bound_us
    }

    /// Writes all that may be said now, in order.
    pub fn drain(&mut self, shared: &mut Shared<'_>) -> Drained {
        let drained = self.drain_in_order(shared);
        let was_busy = std::mem::replace(&mut self.busy, drained == Drained::Blocked);
        if !was_busy && self.busy {
            self.progress_us = shared.now_us;
        }
        drained
    }

    fn drain_in_order(&mut self, shared: &mut Shared<'_>) -> Drained {
        loop {
            if broken("control_overtakes_the_remainder") && !self.remainder.is_empty() {
                self.build_control(shared);
                let rest = self.remainder.split_off(self.remainder_at);
                (self.remainder, self.remainder_at) = (shared.scratch.buffer.clone(), 0);
                self.remainder.extend_from_slice(&rest);
            }
            match self.write_remainder(shared) {
                Write::Wrote(_) => {}
                Write::WouldBlock => return Drained::Blocked,
                Write::Gone => return Drained::Gone,
            }
            if self.close_sent {
                return Drained::Closed;
            }
            if broken("reports_after_market_data")
                && !(self.paused || self.slots.iter().all(Slot::is_clear))
                && matches!(self.catch_up(shared), Some(Write::Wrote(_)))
            {
                continue;
            }
            self.build_control(shared);
            if !shared.scratch.buffer.is_empty() {
                self.spend(shared.scratch.buffer.len());
                self.remainder.extend_from_slice(&shared.scratch.buffer);
                continue;
            }
            if self.paused {
                return Drained::Idle;
            }
            if self.slots.iter().all(Slot::is_clear) {
                self.budget.iter_mut().for_each(|budget| budget.waits = false);
                return Drained::Idle;
            }
            if !self.may_spend(shared.now_us) {
                return Drained::Idle;
            }
            match self.catch_up(shared) {
                None => return Drained::Idle,
                Some(Write::Wrote(_)) => {}
                Some(Write::WouldBlock) => return Drained::Blocked,
                Some(Write::Gone) => return Drained::Gone,
            }
        }
    }

    /// Finishes what was begun. `Wrote` = nothing is left of it.
    fn write_remainder(&mut self, shared: &mut Shared<'_>) -> Write {
        while self.remainder_at < self.remainder.len() {
            shared.counters.writes += 1;
            match self.socket.try_write(&self.remainder[self.remainder_at..]) {
                Write::Wrote(count) => {
                    self.remainder_at += count;
                    self.progress_us = shared.now_us;
                    shared.counters.bytes += count as u64;
                }
                other => return other,
            }
        }
        self.remainder_at = 0;
        self.remainder.clear();
        self.remainder.shrink_to(0);
        Write::Wrote(0)
    }

    /// Moves reports, then answers, then a part of a join, then the heartbeat, then the close into the buffer.
    fn build_control(&mut self, shared: &mut Shared<'_>) {
        shared.scratch.buffer.clear();
        let Some(mut pending) = self.pending.take() else {
            return self.build_heartbeat(false, shared);
        };
        if pending.put(&mut shared.scratch.buffer) {
            let ready = self.ready_join(&pending.joins, shared);
            if let Some(mut join) = ready.and_then(|at| pending.joins.remove(at)) {
                self.build_part(&mut join, shared);
                if !join.ids.is_empty() {
                    pending.joins.push_front(join);
                }
            } else {
                self.build_heartbeat(!pending.joins.is_empty(), shared);
                if let Some(payload) = &pending.close {
                    self.framing.put_close(&mut shared.scratch.buffer, payload);
                    self.close_sent = true;
                }
            }
        }
        if !pending.is_empty() {
            self.pending = Some(pending);
        }
    }

    /// Tells the next symbols of a join, and lets them join: from here on they are in the wire set, and their
    /// snapshot is owed.
    fn build_part(&mut self, join: &mut Join, shared: &mut Shared<'_>) {
        let count = join.ids.len().min(PART_SYMBOLS_MAX);
        let ids: Vec<InstrumentId> = join.ids.drain(..count).collect();
        let lane = shared.lanes.get(self.slots[usize::from(join.slot)].lane);
        let mut text = Vec::with_capacity(64 + join.head.len() + 192 * ids.len());
        text.push(b'{');
        text.extend_from_slice(join.head.as_bytes());
        put_rate(&mut text, &self.slots[usize::from(join.slot)], lane);
        text.extend_from_slice(b",\"symbols\":[");
        let mut standings = Vec::new();
        for (at, id) in ids.iter().enumerate() {
            if at > 0 {
                text.push(b',');
            }
            shared.directory.describe(*id, &mut text);
            let standing = resume::standing(join, *id, self.form, lane, shared);
            if let Some(standing) = standing {
                standing.put(&mut text);
            }
            standings.push(standing);
        }
        text.push(b']');
        if join.resume.is_some() {
            let unchanged = standings.iter().flatten().filter(|standing| standing.unchanged).count();
            text.extend_from_slice(format!(",\"resumed\":{unchanged}").as_bytes());
        }
        if join.ids.is_empty() {
            text.extend_from_slice(join.tail.as_bytes());
        } else {
            text.extend_from_slice(b",\"more\":true");
        }
        text.push(b'}');
        self.framing.put_text(&mut shared.scratch.buffer, &text);
        let slot = &mut self.slots[usize::from(join.slot)];
        ids.iter().for_each(|id| slot.mark(*id, None, shared.now_us));
        slot.subs[join.channel.place()].extend(ids.iter().copied());
        for (id, standing) in ids.into_iter().zip(standings) {
            let has = standing.is_some_and(|standing| standing.unchanged) && !broken("unchanged_is_told_too");
            if !has && !broken("no_snapshot_at_join") {
                slot.owe(join.channel, id);
                if standing.is_some() && join.channel == Channel::Trade {
                    slot.owe_trade(id, Held { range: None, partial: true });
                }
            }
            self.shards |= 1 << shared.directory.shard(id).unwrap_or(0);
        }
    }

    /// Appends the heartbeat, if one is due, to the buffer.
    fn build_heartbeat(&mut self, joins_wait: bool, shared: &mut Shared<'_>) {
        if !std::mem::take(&mut self.heartbeat) {
            return;
        }
        self.know_ticks(shared);
        self.put_heartbeat(joins_wait, shared);
    }

    /// A heartbeat tells the time, and so every slot's tick.
    pub(crate) fn know_ticks(&mut self, shared: &Shared<'_>) {
        for slot in &mut self.slots {
            slot.known_tick = Some(shared.lanes.get(slot.lane).tick(shared.now_us));
        }
    }

    /// While joins wait there is no cursor: it would speak of what is not told yet.
    pub(crate) fn put_heartbeat(&self, joins_wait: bool, shared: &mut Shared<'_>) {
        let watermark = self.watermark_ns(shared.watermarks);
        let hash = view_hash::of(self, shared.lanes, shared.directory);
        let buffer = &mut shared.scratch.buffer;
        let at = begin_frame(buffer);
        buffer.extend_from_slice(b"{\"op\":\"heartbeat\",\"t_us\":");
        integer(buffer, shared.now_us.into());
        buffer.extend_from_slice(b",\"last_frame\":");
        integer(buffer, i128::from(self.frame) + i128::from(broken("heartbeat_claims_a_frame")));
        buffer.extend_from_slice(b",\"watermark_us\":");
        match watermark {
            Some(ns) => integer(buffer, (ns / 1_000).into()),
            None => buffer.extend_from_slice(b"null"),
        }
        match hash {
            Some(hash) => {
                buffer.extend_from_slice(b",\"hash\":\"");
                buffer.extend_from_slice(hash.text().as_bytes());
                buffer.push(b'"');
            }
            None => buffer.extend_from_slice(b",\"hash\":null"),
        }
        let cursor = (!joins_wait || broken("cursor_before_joins")).then(|| self.cursor(shared)).flatten();
        let text = cursor.map(|cursor| format!(",\"cursor\":\"{}\"", cursor.text()));
        shared.scratch.buffer.extend_from_slice(text.as_deref().unwrap_or(",\"cursor\":null").as_bytes());
        let buffer = &mut shared.scratch.buffer;
        buffer.extend_from_slice(b",\"clock_offset_us\":");
        integer(buffer, shared.clock_offset_us.into());
        buffer.push(b'}');
        self.framing.end(buffer, at, OPCODE_TEXT);
    }

    /// The least watermark of the session's shards; `None` without symbols, or while one of them re-syncs.
    #[must_use]
    pub fn watermark_ns(&self, watermarks: &[Option<i64>]) -> Option<i64> {
        let mine = watermarks.iter().enumerate().filter(|(shard, _)| self.shards & (1 << shard) != 0);
        mine.map(|(_, watermark)| *watermark).min().flatten()
    }

    /// The slot that holds a symbol's channel, told or not yet.
    #[must_use]
    pub fn slot_of(&self, channel: Channel, id: InstrumentId) -> Option<u8> {
        let told = self.slots.iter().position(|slot| slot.set(channel).is_some_and(|set| set.contains(id)));
        if let Some(slot) = told {
            return u8::try_from(slot).ok();
        }
        let waiting = |join: &&Join| join.channel == channel && join.ids.binary_search(&id).is_ok();
        self.joins().find(waiting).map(|join| join.slot)
    }

    /// Number of symbols held over all channels.
    #[must_use]
    pub fn symbols(&self) -> usize {
        let told = self.slots.iter().flat_map(|slot| &slot.subs).map(crate::bits::IdSet::len);
        told.sum::<usize>() + self.joins().map(|join| join.ids.len()).sum::<usize>()
    }

    /// Symbols that are owed in full.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.slots.iter().map(|slot| slot.owed_ids().count()).sum()
    }

    /// Bytes that wait for the socket, and of what is owed.
    #[must_use]
    pub fn unsent_bytes(&self) -> usize {
        let pending = self.pending.as_ref().map_or(0, |pending| pending.bytes());
        let owed: usize = self.slots.iter().map(Slot::owed_bytes).sum();
        self.remainder.capacity() + pending + owed
    }

    /// Recomputes the shards of all symbols that are held.
    pub fn recount_shards(&mut self, directory: &Directory) {
        let ids = self.slots.iter().flat_map(|slot| &slot.subs).flat_map(crate::bits::IdSet::iter);
        self.shards = ids.fold(0, |bits, id| bits | 1 << directory.shard(id).unwrap_or(0));
    }

    /// The next slot in turn that owes something.
    pub(crate) fn turn(&mut self) -> Option<usize> {
        let slots = self.slots.len();
        let after = (1..=slots).map(|step| (usize::from(self.next_slot) + step) % slots);
        let slot = after.into_iter().find(|slot| !self.slots[*slot].is_clear())?;
        self.next_slot = u8::try_from(slot).unwrap_or(0);
        Some(slot)
    }

    /// Owes everything that is held, or some symbols of a channel.
    pub fn repair(&mut self, only: Option<(Channel, &Bits)>, now_us: i64) {
        if broken("repair_owes_nothing") {
            return;
        }
        for slot in &mut self.slots {
            for channel in slot.channels().iter().copied() {
                let wanted =
                    |id: &InstrumentId| only.is_none_or(|(of, ids)| of == channel && ids.contains(*id));
                let ids: Vec<InstrumentId> = slot.subs[channel.place()].iter().filter(wanted).collect();
                for id in ids {
                    slot.mark(id, None, now_us);
                    slot.owe(channel, id);
                    if channel == Channel::Trade {
                        slot.owe_trade(id, Held { range: None, partial: true });
                    }
                }
            }
        }
    }
}

/// JSON members of the rate at which a slot runs where they stand in the stream.
fn put_rate(out: &mut Vec<u8>, slot: &Slot, lane: &Lane) {
    let rate_ms = |class: usize| i128::from(RATES_MS.get(class).copied().unwrap_or(0));
    out.extend_from_slice(b",\"interval_ms\":");
    integer(out, rate_ms(lane.class()));
    out.extend_from_slice(b",\"phase_us\":");
    integer(out, lane.phase_us().into());
    if slot.adaptive {
        out.extend_from_slice(b",\"adaptive\":true,\"asked_ms\":");
        integer(out, rate_ms(slot.class));
    } else {
        out.extend_from_slice(b",\"adaptive\":false");
    }
}
