//! The gateway's market side and all outboxes behind one synchronous door. Pure over [`Socket`].
//!
//! The shell calls in with payloads, requests and the time; it reads back what it must do from [`Engine::take_events`]
//! and [`Ingest::wants`]. One thread owns a `Engine`; more workers would each own one.

pub mod adapt;
mod beats;
mod depth;
mod freshness;
mod memory;
mod requests;
mod resume;
mod sight;
mod slow;
mod wildcards;

pub use memory::{MEMORY_MIN, Memory};
pub use requests::SLOTS_MAX;
pub use wildcards::WILDCARDS_MAX;

use crate::bars::Bars;
use crate::bits::Bits;
use crate::books::Books;
use crate::directory::Directory;
use crate::flush::Flush;
use crate::ingest::{Ingest, Sinks, Want};
use crate::lane::Lanes;
use crate::last_value::{Bounds, Received, Table};
use crate::mutants::broken;
use crate::offer::CatchUp;
use crate::outbox::{Counters, Drained, Outbox, Scratch, Shared, Socket, Write};
use crate::view_hash;
use adapt::{Adapt, Patience, Turn};
use beats::HEARTBEAT_PARTS;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::rc::Rc;
use wire::batch::BatchError;
use wire::close::CloseReason;
use wire::control::{Channel, Entitlements};
use wire::cursor_shards::Position;
use wire::frame::Form;
use wire::instrument::{Definitions, InstrumentId};
use wire::shard::StaleReason;
use wire::view_hash::ViewHash;

/// Time between heartbeats of a session, µs.
pub const HEARTBEAT_US: i64 = 1_000_000;

/// Symbols that are collected before they are offered.
const COLLECTED_MAX: usize = 4_096;

/// Members whose subscriptions are fetched from memory together: a short loop waits for many at once.
const FETCHED_AHEAD: usize = 32;

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
    /// In which order a session is told what it missed.
    pub catch_up: CatchUp,
    /// When adaptive slots change their interval.
    pub adapt: Patience,
    /// Bytes that may be held: above, no session and no subscription more.
    pub memory_max: u64,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            shards: wire::SHARDS_DEFAULT,
            bounds: Bounds::default(),
            prints: 1 << 18,
            stuck_after_us: 30_000_000,
            catch_up: CatchUp::default(),
            adapt: Patience::default(),
            memory_max: u64::MAX,
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
    /// Books that are wanted.
    pub books: Books,
    /// Bars of all symbols that print.
    pub bars: Bars,
    lanes: Lanes,
    /// Lanes that want each symbol's book.
    book_lanes: Vec<u32>,
    flush: Flush,
    outboxes: Vec<Option<Outbox<S>>>,
    free: Vec<u32>,
    wildcards: Vec<wildcards::Wildcard>,
    touched: Bits,
    watermarks: Vec<Option<i64>>,
    positions: Vec<Position>,
    resuming: Vec<u32>,
    told: Vec<Option<StaleReason>>,
    wishes: BTreeMap<u32, freshness::Wish>,
    /// Adaptive slots.
    adapts: BTreeMap<(u32, u8), Adapt>,
    /// Slots that the last flushes found too fast or too slow.
    turns: Vec<(u32, u8, Turn)>,
    /// Sessions that wait for their budget.
    thin: Vec<u32>,
    sights: BTreeMap<u32, Rc<Entitlements>>,
    scratch: Scratch,
    counters: Counters,
    events: Vec<SessionEvent>,
    judged_us: i64,
    beaten: i64,
    /// What is held of the memory budget.
    pub memory: Memory,
    /// How far core time is ahead of the machine's clock, µs; told in heartbeats.
    pub clock_offset_us: i64,
}

macro_rules! shared {
    ($engine:ident, $now:expr) => {
        Shared {
            lanes: &mut $engine.lanes,
            table: &$engine.table,
            directory: &$engine.directory,
            watermarks: &$engine.watermarks,
            positions: &$engine.positions,
            now_us: $now,
            clock_offset_us: $engine.clock_offset_us,
            catch_up: $engine.config.catch_up,
            scratch: &mut $engine.scratch,
            counters: &mut $engine.counters,
        }
    };
}

macro_rules! sinks {
    ($engine:ident) => {
        Sinks {
            table: &mut $engine.table,
            touched: &mut $engine.touched,
            books: &mut $engine.books,
            bars: &mut $engine.bars,
        }
    };
}

/// What the lanes show, of an engine.
macro_rules! sources {
    ($engine:expr) => {
        crate::lane::Sources {
            table: &$engine.table,
            directory: &$engine.directory,
            books: &$engine.books,
            bars: &$engine.bars,
        }
    };
}
use sources;

impl<S: Socket> Engine<S> {
    /// An engine that has heard nothing.
    #[must_use]
    pub fn new(config: EngineConfig, now_us: i64) -> Self {
        Self {
            config,
            directory: Directory::default(),
            ingest: Ingest::new(config.shards, config.bounds, now_us),
            table: Table::new(config.prints),
            books: Books::default(),
            bars: Bars::default(),
            lanes: Lanes::default(),
            book_lanes: Vec::new(),
            flush: Flush::default(),
            outboxes: Vec::new(),
            free: Vec::new(),
            wildcards: Vec::new(),
            touched: Bits::default(),
            watermarks: vec![None; usize::from(config.shards)],
            positions: vec![Position::default(); usize::from(config.shards)],
            resuming: Vec::new(),
            told: vec![None; usize::from(config.shards)],
            wishes: BTreeMap::new(),
            adapts: BTreeMap::new(),
            turns: Vec::new(),
            thin: Vec::new(),
            sights: BTreeMap::new(),
            scratch: Scratch::default(),
            counters: Counters::default(),
            events: Vec::new(),
            judged_us: now_us,
            memory: Memory::new(config.memory_max),
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
        for id in self.ingest.define(shard, epoch, revision, ids) {
            let moved = self.directory.shard(id) != Some(shard);
            if !moved && self.table.judge(id, None, now_us, self.config.bounds) {
                self.touched.insert(id);
            }
        }
        if self.directory.len() > known {
            self.add_matching(known, now_us);
        }
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
        let received = Received { now_us, ts_publish: wire::batch::ts_publish(payload).unwrap_or(0) };
        let taken = self.ingest.batch(shard, payload, received, sinks!(self));
        self.watermarks[usize::from(shard)] = self.ingest.watermark_us(shard).map(|us| us * 1_000);
        taken
    }

    /// Takes an answer of `snap.<shard>`. False: ask again for what [`Engine::wants`] says.
    ///
    /// # Errors
    /// See [`BatchError`].
    pub fn snapshot(&mut self, shard: u16, payload: &[u8], now_us: i64) -> Result<bool, BatchError> {
        let received = Received { now_us, ts_publish: 0 };
        let whole = self.ingest.snapshot(shard, payload, received, sinks!(self));
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
            self.tell_freshness(now_us);
        }
        self.touch_lanes();
        self.note_positions();
        for lane in 0..self.lanes.len() {
            let entry = self.lanes.get(lane);
            if entry.members.is_empty() {
                continue;
            }
            let begun_us = clock();
            if entry.is_due(begun_us) {
                self.flush_lane(lane, begun_us, None, false, &clock);
                self.lanes.get_mut(lane).note(&self.positions);
                self.lanes.get_mut(lane).swept(clock() - begun_us);
            }
        }
        self.turn_slots(now_us);
        self.release(now_us);
        let feed_at = self.feed_thin(now_us);
        self.beat(now_us);
        let wakes = [self.lanes.next_due_us(), feed_at].into_iter().flatten();
        wakes.fold(self.judged_us + JUDGE_US, i64::min)
    }

    /// `clock` tells a session that asks for its statistics when its write began.
    fn flush_lane(
        &mut self,
        lane: u32,
        now_us: i64,
        only: Option<&Bits>,
        settle: bool,
        clock: &impl Fn() -> i64,
    ) {
        let sources = sources!(self);
        if !self.lanes.get_mut(lane).flush(&sources, now_us, only, settle, &mut self.flush) {
            return;
        }
        self.counters.flushes += 1;
        self.counters.encoded += self.flush.encode(&self.lanes.get(lane).forms, &self.directory);
        let mut next = 0;
        while next < self.lanes.get(lane).members.len() {
            next = self.collect(lane, next);
            self.offer(now_us, clock);
        }
    }

    /// Collects what the next members of a lane want of the flush, some thousand symbols at most. Apart from writing,
    /// because one loop over the memory of many sessions waits for it far less than a loop with a system call in it.
    fn collect(&mut self, lane: u32, mut next: usize) -> usize {
        let Scratch { wanted, spans, runs, .. } = &mut self.scratch;
        wanted.clear();
        spans.clear();
        let members = &self.lanes.get(lane).members;
        let begun = next;
        while next < members.len() && wanted.len() < COLLECTED_MAX {
            if (next - begun).is_multiple_of(FETCHED_AHEAD) {
                let ahead = members[next..].iter().take(FETCHED_AHEAD);
                let sets = ahead.filter_map(|(session, slot)| {
                    let outbox = self.outboxes[*session as usize].as_ref()?;
                    if !outbox.busy {
                        outbox.socket.fetch();
                    }
                    Some(outbox.slots.get(usize::from(*slot))?.fetch())
                });
                std::hint::black_box(sets.fold(0, u32::wrapping_add));
            }
            let (session, slot) = members[next];
            next += 1;
            let Some(outbox) = &self.outboxes[session as usize] else { continue };
            let before = wanted.len();
            outbox.collect(slot, &self.flush, runs, wanted);
            if wanted.len() > before {
                spans.push((session, slot, wanted.len()));
            }
        }
        next
    }

    /// Offers the sessions what was collected for them.
    fn offer(&mut self, now_us: i64, clock: &impl Fn() -> i64) {
        let (wanted, spans) =
            (std::mem::take(&mut self.scratch.wanted), std::mem::take(&mut self.scratch.spans));
        let mut begin = 0;
        for (session, slot, end) in spans.iter().copied() {
            let mine = &wanted[begin..end];
            begin = end;
            let Some(outbox) = self.outboxes[session as usize].as_mut() else { continue };
            let was_busy = outbox.busy;
            let adaptive = outbox.slots[usize::from(slot)].adaptive && !outbox.paused;
            let cannot_follow = outbox.cannot_follow();
            let noted = outbox.stats.is_some().then(|| (clock(), outbox.frame, self.counters));
            let written = outbox.offer(slot, &self.flush, mine, &mut shared!(self, now_us));
            if let (Some((sent_us, frame, before)), Some(stats)) = (noted, &mut outbox.stats) {
                let after = &self.counters;
                let bytes = after.bytes - before.bytes;
                stats.wrote(outbox.frame.wrapping_sub(frame), after.records - before.records, bytes, false);
                if bytes > 0 {
                    stats.delivered(mine, &self.flush, &self.table, sent_us);
                }
            }
            match written {
                Write::Gone => self.events.push(SessionEvent::End(session, CloseReason::Normal)),
                Write::WouldBlock if !was_busy && outbox.busy => {
                    self.events.push(SessionEvent::Blocked(session));
                }
                _ if outbox.waits_for_budget() => self.list_thin(session),
                _ => {}
            }
            if adaptive {
                self.judge_slot(session, slot, cannot_follow, now_us);
            }
        }
        (self.scratch.wanted, self.scratch.spans) = (wanted, spans);
    }

    /// Opens a session.
    pub fn open(&mut self, socket: S, form: Form, now_us: i64) -> u32 {
        self.memory.session();
        let outbox = Some(Outbox::new(socket, form, now_us));
        if let Some(session) = self.free.pop() {
            self.outboxes[session as usize] = outbox;
            return session;
        }
        self.outboxes.push(outbox);
        u32::try_from(self.outboxes.len() - 1).unwrap_or(u32::MAX)
    }

    /// Opens a session that reads server-sent events.
    pub fn open_events(&mut self, socket: S, now_us: i64) -> u32 {
        let session = self.open(socket, Form::Json, now_us);
        self.outboxes[session as usize].iter_mut().for_each(Outbox::become_events);
        session
    }

    /// Ends a session and gives back what it held; its number may be given again. Returns its socket.
    pub fn end(&mut self, session: u32) -> Option<S> {
        let outbox = self.outboxes.get_mut(session as usize)?.take()?;
        for (number, slot) in outbox.slots.iter().enumerate() {
            for channel in slot.channels() {
                self.unwant(slot.lane, *channel, slot.subs[channel.place()].iter());
            }
            for join in outbox.joins().filter(|join| usize::from(join.slot) == number) {
                self.unwant(slot.lane, join.channel, join.ids.iter().copied());
            }
            let number = u8::try_from(number).unwrap_or(0);
            if !broken("end_stays_in_the_lane") {
                self.lanes.leave(slot.lane, session, number, outbox.form);
            }
        }
        self.wildcards.retain(|wildcard| wildcard.session != session);
        self.wishes.remove(&session);
        (0..outbox.slots.len()).for_each(|slot| {
            self.adapts.remove(&(session, u8::try_from(slot).unwrap_or(0)));
        });
        self.turns.retain(|turn| turn.0 != session);
        self.thin.retain(|thin| *thin != session);
        self.sights.remove(&session);
        self.events.retain(|event| event.session() != session);
        self.free.push(session);
        Some(outbox.socket)
    }

    /// A session's outbox.
    #[must_use]
    pub fn outbox(&self, session: u32) -> Option<&Outbox<S>> {
        self.outboxes.get(session as usize)?.as_ref()
    }

    /// Hands out the hash of each (channel, symbol) that a session should hold; see [`view_hash::each`].
    pub fn each_hash(&self, session: u32, each: impl FnMut(Channel, InstrumentId, ViewHash)) -> bool {
        self.outbox(session).is_some_and(|outbox| view_hash::each(outbox, &self.lanes, &self.directory, each))
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

    /// Sessions whose market data waits for their budget.
    #[must_use]
    pub fn over_budget(&self) -> usize {
        self.thin.len()
    }

    /// Symbols held over all sessions and channels.
    #[must_use]
    pub fn subscriptions(&self) -> usize {
        self.outboxes.iter().flatten().map(Outbox::symbols).sum()
    }

    /// Shards that somebody holds symbols of, as bits. Cost: all sessions.
    #[must_use]
    pub fn shards_wanted(&self) -> u64 {
        let sessions = 0..u32::try_from(self.outboxes.len()).unwrap_or(u32::MAX);
        sessions.fold(0, |all, session| all | self.shards_of(session))
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
        let (frame, before) = (outbox.frame, self.counters);
        let drained = outbox.drain(&mut shared!(self, now_us));
        if let Some(stats) = &mut outbox.stats {
            let (records, bytes) =
                (self.counters.records - before.records, self.counters.bytes - before.bytes);
            let caught_up = self.counters.catch_ups > before.catch_ups;
            stats.wrote(outbox.frame.wrapping_sub(frame), records, bytes, caught_up);
        }
        self.list_thin(session);
        drained
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
