//! The gateway's market side and all outboxes behind one synchronous door. Pure over [`Socket`].
//!
//! The shell calls in with payloads, requests and the time; it reads back what it must do from [`Engine::take_events`]
//! and [`Ingest::wants`]. One thread owns a `Engine`; more workers would each own one.

use crate::bits::Bits;
use crate::directory::Directory;
use crate::flush::Flush;
use crate::ingest::{Ingest, Want};
use crate::lane::{Channel, Lanes};
use crate::last_value::{Bounds, Received, Table};
use crate::mutants::broken;
use crate::outbox::{Counters, Drained, Join, Outbox, Scratch, Shared, Socket, Write};
use crate::slot::Slot;
use bytes::Bytes;
use wire::batch::BatchError;
use wire::close::CloseReason;
use wire::frame::Form;
use wire::instrument::{Definitions, InstrumentId, matches};

/// Most slots of a session.
pub const SLOTS_MAX: usize = 16;

/// Heartbeats are spread over this many parts of a second.
const HEARTBEAT_PARTS: i64 = 20;

/// Time between heartbeats of a session, µs.
pub const HEARTBEAT_US: i64 = 1_000_000;

/// Freshness is judged this often, µs.
const JUDGE_US: i64 = 50_000;

/// What the core is made for.
#[derive(Debug, Clone, Copy)]
pub struct EngineConfig {
    /// Shards of the feed.
    pub shards: u16,
    /// Freshness bounds.
    pub bounds: Bounds,
    /// Prints remembered over all symbols.
    pub prints: usize,
    /// A socket that takes no byte for this long ends its session, µs.
    pub stuck_after_us: i64,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            shards: wire::SHARDS_DEFAULT,
            bounds: Bounds::default(),
            prints: 1 << 18,
            stuck_after_us: 30_000_000,
        }
    }
}

/// What the shell must do for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionEvent {
    /// Its socket is full: call [`Engine::drain`] when it can be written.
    Blocked(u32),
    /// The close frame is out: end the socket.
    Closed(u32),
    /// It must be ended now, with this reason if the socket still takes it.
    End(u32, CloseReason),
}

/// The engine.
#[derive(Debug)]
pub struct Engine<S> {
    config: EngineConfig,
    /// Instruments.
    pub directory: Directory,
    /// Readers of the shards.
    pub ingest: Ingest,
    /// Last values.
    pub table: Table,
    lanes: Lanes,
    flush: Flush,
    outboxes: Vec<Option<Outbox<S>>>,
    free: Vec<u32>,
    patterns: Vec<Pattern>,
    touched: Bits,
    watermarks: Vec<Option<i64>>,
    scratch: Scratch,
    counters: Counters,
    events: Vec<SessionEvent>,
    judged_us: i64,
    beaten: i64,
    /// How far core time is ahead of the machine's clock, µs; told in heartbeats.
    pub clock_offset_us: i64,
}

/// A wildcard that a session holds: instruments that come later and match it are added.
#[derive(Debug)]
struct Pattern {
    session: u32,
    channel: Channel,
    slot: u8,
    text: String,
    head: String,
}

macro_rules! shared {
    ($engine:ident, $now:expr) => {
        Shared {
            lanes: &mut $engine.lanes,
            table: &$engine.table,
            directory: &$engine.directory,
            watermarks: &$engine.watermarks,
            now_us: $now,
            clock_offset_us: $engine.clock_offset_us,
            scratch: &mut $engine.scratch,
            counters: &mut $engine.counters,
        }
    };
}

impl<S: Socket> Engine<S> {
    /// An engine that has heard nothing.
    #[must_use]
    pub fn new(config: EngineConfig, now_us: i64) -> Self {
        Self {
            config,
            directory: Directory::default(),
            ingest: Ingest::new(config.shards, config.bounds, now_us),
            table: Table::new(config.prints),
            lanes: Lanes::default(),
            flush: Flush::default(),
            outboxes: Vec::new(),
            free: Vec::new(),
            patterns: Vec::new(),
            touched: Bits::default(),
            watermarks: vec![None; usize::from(config.shards)],
            scratch: Scratch::default(),
            counters: Counters::default(),
            events: Vec::new(),
            judged_us: now_us,
            beaten: now_us / (HEARTBEAT_US / HEARTBEAT_PARTS),
            clock_offset_us: 0,
        }
    }

    /// Takes a shard's definitions. Instruments that are new join the sessions whose patterns match them.
    pub fn define(&mut self, definitions: Definitions, now_us: i64) {
        let known = self.directory.len();
        let (shard, epoch, revision) = (definitions.shard, definitions.feed_epoch, definitions.revision);
        let ids = self.directory.define(definitions);
        ids.iter().for_each(|id| self.table.ensure(*id, shard));
        self.ingest.define(shard, epoch, revision, ids);
        if self.directory.len() > known {
            self.add_matching(known, now_us);
        }
    }

    fn add_matching(&mut self, known: usize, now_us: i64) {
        let mut joined = Vec::new();
        for pattern in &self.patterns {
            let Some(outbox) = self.outboxes[pattern.session as usize].as_mut() else { continue };
            let new = self.directory.iter().skip(known);
            let ids = new
                .filter(|(id, new)| {
                    matches(&pattern.text, &new.symbol) && outbox.slot_of(pattern.channel, *id).is_none()
                })
                .map(|(id, _)| id)
                .take(wire::SESSION_SYMBOLS_MAX.saturating_sub(outbox.symbols()))
                .collect::<std::collections::VecDeque<_>>();
            if !ids.is_empty() {
                let (channel, slot, head) = (pattern.channel, pattern.slot, pattern.head.clone());
                outbox.join(Join { head, tail: String::new(), channel, slot, ids });
                joined.push(pattern.session);
            }
        }
        joined.into_iter().for_each(|session| self.drain_free(session, now_us));
    }

    /// What a shard needs from its publisher.
    #[must_use]
    pub fn wants(&self, shard: u16) -> Want {
        self.ingest.wants(shard)
    }

    /// Takes a payload of `tick.<shard>`.
    ///
    /// # Errors
    /// See [`BatchError`].
    pub fn batch(&mut self, shard: u16, payload: &Bytes, now_us: i64) -> Result<(), BatchError> {
        let received = Received { now_us };
        let taken = self.ingest.batch(shard, payload, received, &mut self.table, &mut self.touched);
        self.watermarks[usize::from(shard)] = self.ingest.watermark_us(shard).map(|us| us * 1_000);
        taken
    }

    /// Takes an answer of `snap.<shard>`. False: ask again for what [`Engine::wants`] says.
    ///
    /// # Errors
    /// See [`BatchError`].
    pub fn snapshot(&mut self, shard: u16, payload: &[u8], now_us: i64) -> Result<bool, BatchError> {
        let received = Received { now_us };
        let whole = self.ingest.snapshot(shard, payload, received, &mut self.table, &mut self.touched);
        self.watermarks[usize::from(shard)] = self.ingest.watermark_us(shard).map(|us| us * 1_000);
        whole
    }

    /// The bus may have lost something.
    pub fn suspect(&mut self, now_us: i64) {
        self.ingest.suspect();
        self.ingest.judge(now_us, &mut self.table, &mut self.touched);
        self.watermarks.fill(None);
    }

    /// Flushes what is due, judges freshness, sends heartbeats. Call it after the ready batches, and at the latest at
    /// the time that it returns. `clock` is read once a lane, so that a long sweep does not antedate the next.
    pub fn run_due(&mut self, clock: impl Fn() -> i64) -> i64 {
        let now_us = clock();
        if now_us - self.judged_us >= JUDGE_US {
            self.judged_us = now_us;
            self.ingest.judge(now_us, &mut self.table, &mut self.touched);
        }
        self.lanes.touch(&self.touched);
        self.touched.clear();
        for lane in 0..self.lanes.len() {
            let entry = self.lanes.get(lane);
            if entry.members.is_empty() {
                continue;
            }
            let begun_us = clock();
            if entry.is_due(begun_us) {
                self.flush_lane(lane, begun_us, None, false);
                self.lanes.get_mut(lane).swept(clock() - begun_us);
            }
        }
        self.beat(now_us);
        let judge_at = self.judged_us + JUDGE_US;
        self.lanes.next_due_us().map_or(judge_at, |due| due.min(judge_at))
    }

    fn flush_lane(&mut self, lane: u32, now_us: i64, only: Option<&Bits>, settle: bool) {
        if !self.lanes.get_mut(lane).flush(&self.table, now_us, only, settle, &mut self.flush) {
            return;
        }
        self.counters.flushes += 1;
        self.counters.encoded += self.flush.encode(&self.lanes.get(lane).forms, &self.directory);
        for at in 0..self.lanes.get(lane).members.len() {
            let (session, slot) = self.lanes.get(lane).members[at];
            let Some(outbox) = self.outboxes[session as usize].as_mut() else { continue };
            let was_busy = outbox.busy;
            let written = outbox.offer(slot, &self.flush, &mut shared!(self, now_us));
            match written {
                Write::Gone => self.events.push(SessionEvent::End(session, CloseReason::Normal)),
                Write::WouldBlock if !was_busy && outbox.busy => {
                    self.events.push(SessionEvent::Blocked(session));
                }
                _ => {}
            }
        }
    }

    fn beat(&mut self, now_us: i64) {
        let part_us = HEARTBEAT_US / HEARTBEAT_PARTS;
        let upto = now_us / part_us;
        let parts = (upto - self.beaten).min(HEARTBEAT_PARTS);
        for part in (upto - parts + 1)..=upto {
            let mine = usize::try_from(part.rem_euclid(HEARTBEAT_PARTS)).unwrap_or(0);
            for session in (mine..self.outboxes.len()).step_by(20) {
                let Some(outbox) = self.outboxes[session].as_mut() else { continue };
                let session = u32::try_from(session).unwrap_or(u32::MAX);
                if outbox.is_stuck(now_us, self.config.stuck_after_us) {
                    self.events.push(SessionEvent::End(session, CloseReason::SlowConsumer));
                    continue;
                }
                outbox.heartbeat();
                self.drain_free(session, now_us);
            }
        }
        self.beaten = upto;
    }

    /// Opens a session.
    pub fn open(&mut self, socket: S, form: Form, now_us: i64) -> u32 {
        let outbox = Some(Outbox::new(socket, form, now_us));
        if let Some(session) = self.free.pop() {
            self.outboxes[session as usize] = outbox;
            return session;
        }
        self.outboxes.push(outbox);
        u32::try_from(self.outboxes.len() - 1).unwrap_or(u32::MAX)
    }

    /// Ends a session and gives back what it held; its number may be given again. Returns its socket.
    pub fn end(&mut self, session: u32) -> Option<S> {
        let outbox = self.outboxes.get_mut(session as usize)?.take()?;
        for (number, slot) in outbox.slots.iter().enumerate() {
            let lane = self.lanes.get_mut(slot.lane);
            for channel in Channel::ALL {
                slot.subs[channel as usize].iter().for_each(|id| lane.unwant(id, channel));
            }
            let number = u8::try_from(number).unwrap_or(0);
            if !broken("end_stays_in_the_lane") {
                self.lanes.leave(slot.lane, session, number, outbox.form);
            }
        }
        self.patterns.retain(|pattern| pattern.session != session);
        self.events.retain(|event| event.session() != session);
        self.free.push(session);
        Some(outbox.socket)
    }

    /// A session's outbox.
    #[must_use]
    pub fn outbox(&self, session: u32) -> Option<&Outbox<S>> {
        self.outboxes.get(session as usize)?.as_ref()
    }

    /// Number of sessions.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.outboxes.len() - self.free.len()
    }

    /// Sessions whose socket is full.
    #[must_use]
    pub fn blocked(&self) -> usize {
        self.outboxes.iter().flatten().filter(|outbox| outbox.busy).count()
    }

    /// Symbols held over all sessions and channels.
    #[must_use]
    pub fn subscriptions(&self) -> usize {
        self.outboxes.iter().flatten().map(Outbox::symbols).sum()
    }

    /// Shards that somebody holds symbols of, as bits. Cost: all sessions.
    #[must_use]
    pub fn shards_wanted(&self) -> u64 {
        let told = self.outboxes.iter().flatten().map(|outbox| outbox.shards);
        told.fold(0, |all, shards| all | shards) | self.shards_waiting()
    }

    /// Shards of symbols that are still to be told.
    fn shards_waiting(&self) -> u64 {
        let joins = self.outboxes.iter().flatten().flat_map(Outbox::joins);
        let shards = joins.flat_map(|join| &join.ids).filter_map(|id| self.directory.shard(*id));
        shards.fold(0, |all, shard| all | 1 << shard)
    }

    /// What was sent.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Hands out what the shell must do.
    pub fn take_events(&mut self, into: &mut Vec<SessionEvent>) {
        into.append(&mut self.events);
    }

    /// Writes what a session may be told now. The shell calls it when a full socket can be written again.
    pub fn drain(&mut self, session: u32, now_us: i64) -> Drained {
        let Some(outbox) = self.outboxes.get_mut(session as usize).and_then(Option::as_mut) else {
            return Drained::Gone;
        };
        outbox.drain(&mut shared!(self, now_us))
    }

    /// Drains unless the socket is full; then the shell will.
    fn drain_free(&mut self, session: u32, now_us: i64) {
        if self.outboxes[session as usize].as_ref().is_none_or(|outbox| outbox.busy) {
            return;
        }
        match self.drain(session, now_us) {
            Drained::Idle => {}
            Drained::Blocked => self.events.push(SessionEvent::Blocked(session)),
            Drained::Closed => self.events.push(SessionEvent::Closed(session)),
            Drained::Gone => self.events.push(SessionEvent::End(session, CloseReason::Normal)),
        }
    }

    fn queue(&mut self, session: u32, now_us: i64, put: impl FnOnce(&mut Outbox<S>) -> bool) {
        let Some(outbox) = self.outboxes.get_mut(session as usize).and_then(Option::as_mut) else { return };
        if !put(outbox) {
            self.events.push(SessionEvent::End(session, CloseReason::SlowConsumer));
        }
        self.drain_free(session, now_us);
    }

    /// Tells a session a report (the lossless lane, ahead of all else).
    pub fn report(&mut self, session: u32, text: &[u8], now_us: i64) {
        self.counters.reports += 1;
        self.queue(session, now_us, |outbox| outbox.report(text));
    }

    /// Answers a session.
    pub fn answer(&mut self, session: u32, text: &[u8], now_us: i64) {
        self.queue(session, now_us, |outbox| outbox.answer(text));
    }

    /// Answers a ping of the WebSocket layer.
    pub fn pong(&mut self, session: u32, payload: &[u8], now_us: i64) {
        self.queue(session, now_us, |outbox| outbox.pong(payload));
    }

    /// Pings a silent peer.
    pub fn ping(&mut self, session: u32, now_us: i64) {
        self.queue(session, now_us, Outbox::ping);
    }

    /// Ends a session after what is queued; [`SessionEvent::Closed`] says when.
    pub fn close(&mut self, session: u32, reason: CloseReason, now_us: i64) {
        self.queue(session, now_us, |outbox| {
            outbox.close(reason);
            true
        });
    }

    /// As [`Engine::close`], with this payload of the close frame.
    pub fn close_with(&mut self, session: u32, payload: Vec<u8>, now_us: i64) {
        self.queue(session, now_us, |outbox| {
            outbox.close_with(payload);
            true
        });
    }

    /// The slot of a rate class in a session, made when it is not there; `None` when all sixteen are used.
    pub fn slot(&mut self, session: u32, class: usize, now_us: i64) -> Option<u8> {
        let outbox = self.outboxes.get_mut(session as usize)?.as_mut()?;
        if let Some(slot) = outbox.slots.iter().position(|slot| slot.class == class) {
            return u8::try_from(slot).ok();
        }
        if outbox.slots.len() == SLOTS_MAX {
            return None;
        }
        let slot = u8::try_from(outbox.slots.len()).ok()?;
        let lane = self.lanes.join(class, session, slot, outbox.form, now_us);
        outbox.slots.reserve_exact(1); // most sessions have one
        outbox.slots.push(Slot::new(lane, class));
        Some(slot)
    }

    /// Phase offset of a session's slot, µs.
    #[must_use]
    pub fn phase_us(&self, session: u32, slot: u8) -> i64 {
        let slot = self.outbox(session).and_then(|outbox| outbox.slots.get(usize::from(slot)));
        slot.map_or(0, |slot| self.lanes.get(slot.lane).phase_us())
    }

    /// Lets symbols join a wire set; `join.ids` rise and are held in no slot's same channel. Each part is told before
    /// its first data.
    pub fn join(&mut self, session: u32, join: Join, now_us: i64) {
        self.queue(session, now_us, |outbox| {
            outbox.join(join);
            true
        });
    }

    /// Remembers a wildcard, so that instruments that come later join; `head` begins the `added` message.
    pub fn remember(&mut self, session: u32, channel: Channel, slot: u8, text: &str, head: String) {
        let known = |pattern: &Pattern| {
            pattern.session == session && pattern.channel == channel && pattern.text == text
        };
        if !self.patterns.iter().any(known) {
            self.patterns.push(Pattern { session, channel, slot, text: text.to_owned(), head });
        }
    }

    /// Whether a session holds a wildcard.
    #[must_use]
    pub fn remembers(&self, session: u32, channel: Channel, text: &str) -> bool {
        self.patterns
            .iter()
            .any(|pattern| pattern.session == session && pattern.channel == channel && pattern.text == text)
    }

    /// Forgets a wildcard.
    pub fn forget(&mut self, session: u32, channel: Channel, text: &str) {
        self.patterns.retain(|pattern| {
            pattern.session != session || pattern.channel != channel || pattern.text != text
        });
    }

    /// Takes symbols of a channel out of a session's slot. The caller then answers `unsubscribed`.
    pub fn leave(&mut self, session: u32, channel: Channel, slot: u8, ids: &Bits) {
        let Some(outbox) = self.outboxes.get_mut(session as usize).and_then(Option::as_mut) else { return };
        outbox
            .joins_mut()
            .iter_mut()
            .filter(|join| join.channel == channel && join.slot == slot)
            .for_each(|join| join.ids.retain(|id| !ids.contains(*id)));
        let slot = &mut outbox.slots[usize::from(slot)];
        let held: Vec<InstrumentId> =
            slot.subs[channel as usize].iter().filter(|id| ids.contains(*id)).collect();
        let lane = self.lanes.get_mut(slot.lane);
        held.iter().for_each(|id| lane.unwant(*id, channel));
        slot.leave(channel, ids);
        outbox.recount_shards(&self.directory);
    }

    /// Moves symbols (both channels) from one slot of a session to another. Both lanes are flushed for them first, so
    /// that what the client has fits what it gets next. The caller then answers `rate_set`.
    pub fn move_rate(&mut self, session: u32, from: u8, to: u8, ids: &Bits, now_us: i64) {
        let Some(outbox) = self.outboxes.get(session as usize).and_then(Option::as_ref) else { return };
        if from == to {
            return;
        }
        let held = |channel: Channel| {
            let subs = &outbox.slots[usize::from(from)].subs[channel as usize];
            subs.iter().filter(|id| ids.contains(*id)).collect::<Vec<_>>()
        };
        let held = Channel::ALL.map(held);
        let lanes = [from, to].map(|slot| outbox.slots[usize::from(slot)].lane);
        for channel in Channel::ALL {
            for id in &held[channel as usize] {
                self.lanes.get_mut(lanes[1]).want(*id, channel, &self.table);
            }
        }
        self.lanes.touch(&self.touched);
        let settle = !broken("move_without_settle");
        if !broken("move_without_flush") {
            self.flush_lane(lanes[0], now_us, Some(ids), settle);
            self.flush_lane(lanes[1], now_us, Some(ids), settle);
        }
        let Some(outbox) = self.outboxes[session as usize].as_mut() else { return };
        for channel in Channel::ALL {
            let moved = &held[channel as usize];
            outbox.slots[usize::from(to)].subs[channel as usize].extend(moved.iter().copied());
            for id in moved {
                let owed = outbox.slots[usize::from(from)].backlog[channel as usize].contains(*id);
                let missed = outbox.slots[usize::from(from)].held.get(id).copied();
                let to = &mut outbox.slots[usize::from(to)];
                if owed && !broken("move_leaves_the_backlog") {
                    to.backlog[channel as usize].insert(*id);
                }
                let missed = missed.filter(|_| !broken("move_forgets_the_range"));
                if let (true, Channel::Trade, Some(missed)) = (owed, channel, missed) {
                    to.owe_trade(*id, missed);
                }
                self.lanes.get_mut(lanes[0]).unwant(*id, channel);
            }
            outbox.slots[usize::from(from)].leave(channel, ids);
        }
        for pattern in self.patterns.iter_mut().filter(|pattern| pattern.session == session) {
            if pattern.slot == from && held.iter().flatten().any(|id| covers(&self.directory, pattern, *id)) {
                pattern.slot = to;
            }
        }
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
            outbox.repair(only);
            true
        });
    }
}

fn covers(directory: &Directory, pattern: &Pattern, id: InstrumentId) -> bool {
    directory.instrument(id).is_some_and(|instrument| matches(&pattern.text, &instrument.symbol))
}

impl SessionEvent {
    /// The session it is about.
    #[must_use]
    pub const fn session(self) -> u32 {
        match self {
            Self::Blocked(session) | Self::Closed(session) | Self::End(session, _) => session,
        }
    }
}
