//! All that a session is still to be told, and the order in which its bytes go out. Pure over [`Socket`].
//!
//! Order: the begun remainder, reports, answers, `subscribed` parts, heartbeat, close, then market data from the
//! backlog. A session has at most one group of market data in front of a report, and no queue of market data: what
//! cannot be written becomes bits. `offer` (market data at a flush) is in `offer.rs`.

use crate::bits::Bits;
use crate::directory::Directory;
use crate::flush::CATEGORIES;
use crate::lane::{Channel, Lanes};
use crate::last_value::Table;
use crate::mutants::broken;
use crate::slot::Slot;
use std::collections::VecDeque;
use wire::close::CloseReason;
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
}

/// Largest group of market data in bytes; at most one is in front of a report.
pub const GROUP_BYTES_MAX: usize = 4_096;

/// Most unsent bytes of reports; above it the session is closed, and the log has them all.
pub const REPORT_BYTES_MAX: usize = 1 << 20;

/// Most unsent bytes of answers. Reading stops while any is unsent, so only one read's answers pile up.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Symbols named in one part of a `subscribed` answer.
pub const PART_SYMBOLS_MAX: usize = 64;

/// Bytes of control messages that one write may hold.
const CONTROL_BYTES_MAX: usize = 16 * 1_024;

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

/// Symbols that join a wire set, told in parts; a part's symbols join when it is queued.
#[derive(Debug)]
pub struct Join {
    /// JSON members before the symbols, without braces: `"op":"subscribed","id":1,…`.
    pub head: String,
    /// JSON members told with the last part, or empty.
    pub tail: String,
    /// Channel.
    pub channel: Channel,
    /// Slot.
    pub slot: u8,
    /// Symbols still to be told, rising.
    pub ids: VecDeque<InstrumentId>,
}

/// What all sessions share while bytes are made.
#[derive(Debug)]
pub struct Shared<'a> {
    /// Lanes.
    pub lanes: &'a mut Lanes,
    /// Table.
    pub table: &'a Table,
    /// Directory.
    pub directory: &'a Directory,
    /// Watermark of each shard, ns.
    pub watermarks: &'a [Option<i64>],
    /// Core time, µs.
    pub now_us: i64,
    /// How far core time is ahead of the machine's clock, µs.
    pub clock_offset_us: i64,
    /// Buffers.
    pub scratch: &'a mut Scratch,
    /// Counters.
    pub counters: &'a mut Counters,
}

/// Buffers that are reused from write to write.
#[derive(Debug, Default)]
pub struct Scratch {
    /// The bytes of one write.
    pub buffer: Vec<u8>,
    /// Full records of a catch-up group.
    pub arena: Vec<u8>,
    /// Picked records of a group by category.
    pub picks: [Vec<Pick>; CATEGORIES],
    /// Wanted symbols of a flush.
    pub wanted: Vec<crate::offer::Wanted>,
    /// The same by channel, before they are joined.
    pub runs: [Vec<crate::offer::Found>; 2],
    /// What a catch-up group tells.
    pub told: Vec<(Channel, InstrumentId)>,
}

/// A record picked for a message.
#[derive(Debug, Clone, Copy)]
pub struct Pick {
    /// Rank of the symbol in the wire set.
    pub rank: u32,
    /// Begin of its bytes.
    pub start: u32,
    /// Length.
    pub len: u32,
}

/// What was sent; each only grows.
#[derive(Debug, Default, Clone, Copy)]
pub struct Counters {
    /// Market-data messages.
    pub frames: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes accepted by sockets.
    pub bytes: u64,
    /// Writes.
    pub writes: u64,
    /// Times a symbol could not be told and became a bit.
    pub owed: u64,
    /// Catch-up groups.
    pub catch_ups: u64,
    /// Reports queued.
    pub reports: u64,
    /// Records encoded, each once per lane and form.
    pub encoded: u64,
    /// Flushes that told something.
    pub flushes: u64,
}

/// One session's outbox.
#[derive(Debug)]
pub struct Outbox<S> {
    /// Where bytes go.
    pub socket: S,
    /// Form of its market data.
    pub form: Form,
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
    pub(crate) remainder: Vec<u8>,
    pub(crate) remainder_at: usize,
    reports: VecDeque<Box<[u8]>>,
    report_bytes: usize,
    answers: VecDeque<Box<[u8]>>,
    answer_bytes: usize,
    joins: VecDeque<Join>,
    heartbeat: bool,
    close: Option<Vec<u8>>,
    close_sent: bool,
    next_slot: usize,
}

impl<S: Socket> Outbox<S> {
    /// An outbox that has nothing to say.
    pub fn new(socket: S, form: Form, now_us: i64) -> Self {
        Self {
            socket,
            form,
            slots: Vec::new(),
            busy: false,
            paused: false,
            frame: 0,
            progress_us: now_us,
            shards: 0,
            remainder: Vec::new(),
            remainder_at: 0,
            reports: VecDeque::new(),
            report_bytes: 0,
            answers: VecDeque::new(),
            answer_bytes: 0,
            joins: VecDeque::new(),
            heartbeat: false,
            close: None,
            close_sent: false,
            next_slot: 0,
        }
    }

    /// Queues a report; false when its lane is full and the session must end.
    #[must_use]
    pub fn report(&mut self, text: &[u8]) -> bool {
        self.report_bytes += text.len();
        self.reports.push_back(framed(OPCODE_TEXT, text));
        if broken("reports_go_backwards") {
            self.reports.rotate_right(1);
        }
        self.report_bytes <= REPORT_BYTES_MAX
    }

    /// Queues an answer; false when its lane is full and the session must end.
    #[must_use]
    pub fn answer(&mut self, text: &[u8]) -> bool {
        self.answer_frame(framed(OPCODE_TEXT, text))
    }

    /// Queues a pong.
    #[must_use]
    pub fn pong(&mut self, payload: &[u8]) -> bool {
        self.answer_frame(framed(OPCODE_PONG, payload))
    }

    /// Queues a ping.
    #[must_use]
    pub fn ping(&mut self) -> bool {
        self.answer_frame(framed(OPCODE_PING, b""))
    }

    fn answer_frame(&mut self, frame: Box<[u8]>) -> bool {
        self.answer_bytes += frame.len();
        self.answers.push_back(frame);
        self.answer_bytes <= ANSWER_BYTES_MAX
    }

    /// Queues symbols that join a wire set.
    pub fn join(&mut self, join: Join) {
        self.joins.push_back(join);
    }

    /// The joins not yet told.
    pub fn joins_mut(&mut self) -> &mut VecDeque<Join> {
        &mut self.joins
    }

    /// The joins not yet told.
    #[must_use]
    pub fn joins(&self) -> &VecDeque<Join> {
        &self.joins
    }

    /// A heartbeat is due; at most one is queued, and it is built when written.
    pub fn heartbeat(&mut self) {
        self.heartbeat = true;
    }

    /// Ends the session after all that is queued before market data.
    pub fn close(&mut self, reason: CloseReason) {
        let mut payload = reason.code().to_be_bytes().to_vec();
        payload.extend_from_slice(reason.text().as_bytes());
        self.close_with(payload);
    }

    /// Ends the session with this payload of the close frame; the first one asked for counts.
    pub fn close_with(&mut self, payload: Vec<u8>) {
        self.close.get_or_insert(payload);
    }

    /// Whether no answer waits, so that the next request may be read. A socket full of market data does not matter: an
    /// order must get in however thin the link is.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.answers.is_empty() && self.joins.is_empty() && !self.is_closing()
    }

    /// Whether the end is queued: nothing that comes from the client counts any more.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.close.is_some()
    }

    /// Whether market data goes to bits instead of the socket.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.busy || (self.paused && !broken("pause_is_ignored")) || self.close.is_some()
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
                self.remainder.extend_from_slice(&shared.scratch.buffer);
                continue;
            }
            if self.paused {
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
        let buffer = &mut shared.scratch.buffer;
        while buffer.len() < CONTROL_BYTES_MAX {
            if let Some(report) = self.reports.pop_front() {
                buffer.extend_from_slice(&report);
            } else if let Some(answer) = self.answers.pop_front() {
                buffer.extend_from_slice(&answer);
            } else {
                break;
            }
        }
        if self.reports.is_empty() && self.report_bytes > 0 {
            (self.reports, self.report_bytes) = (VecDeque::new(), 0);
        }
        if self.answers.is_empty() && self.answer_bytes > 0 {
            (self.answers, self.answer_bytes) = (VecDeque::new(), 0);
        }
        if !self.reports.is_empty() || !self.answers.is_empty() {
            return;
        }
        if let Some(mut join) = self.joins.pop_front() {
            self.build_part(&mut join, shared);
            if join.ids.is_empty() {
                if self.joins.is_empty() {
                    self.joins = VecDeque::new(); // an idle session keeps no buffers
                }
            } else {
                self.joins.push_front(join);
            }
            return;
        }
        if std::mem::take(&mut self.heartbeat) {
            self.build_heartbeat(shared);
        }
        if let Some(payload) = &self.close {
            put_frame(&mut shared.scratch.buffer, OPCODE_CLOSE, payload);
            self.close_sent = true;
        }
    }

    /// Tells the next symbols of a join, and lets them join: from here on they are in the wire set, and their
    /// snapshot is owed.
    fn build_part(&mut self, join: &mut Join, shared: &mut Shared<'_>) {
        let count = join.ids.len().min(PART_SYMBOLS_MAX);
        let ids: Vec<InstrumentId> = join.ids.drain(..count).collect();
        let mut text = format!("{{{},\"symbols\":[", join.head).into_bytes();
        for (at, id) in ids.iter().enumerate() {
            if at > 0 {
                text.push(b',');
            }
            shared.directory.describe(*id, &mut text);
        }
        text.push(b']');
        if join.ids.is_empty() {
            text.extend_from_slice(join.tail.as_bytes());
        } else {
            text.extend_from_slice(b",\"more\":true");
        }
        text.push(b'}');
        put_frame(&mut shared.scratch.buffer, OPCODE_TEXT, &text);
        let slot = &mut self.slots[usize::from(join.slot)];
        slot.subs[join.channel as usize].extend(ids.iter().copied());
        for id in ids {
            shared.lanes.get_mut(slot.lane).want(id, join.channel, shared.table);
            if !broken("no_snapshot_at_join") {
                slot.backlog[join.channel as usize].insert(id);
            }
            self.shards |= 1 << shared.directory.shard(id).unwrap_or(0);
        }
    }

    fn build_heartbeat(&mut self, shared: &mut Shared<'_>) {
        for slot in &mut self.slots {
            slot.known_tick = Some(shared.lanes.get(slot.lane).tick(shared.now_us));
        }
        let mut text = b"{\"op\":\"heartbeat\",\"t_us\":".to_vec();
        integer(&mut text, shared.now_us.into());
        text.extend_from_slice(b",\"last_frame\":");
        integer(&mut text, i128::from(self.frame) + i128::from(broken("heartbeat_claims_a_frame")));
        text.extend_from_slice(b",\"watermark_us\":");
        match self.watermark_ns(shared.watermarks) {
            Some(ns) => integer(&mut text, (ns / 1_000).into()),
            None => text.extend_from_slice(b"null"),
        }
        text.extend_from_slice(b",\"hash\":null,\"clock_offset_us\":");
        integer(&mut text, shared.clock_offset_us.into());
        text.push(b'}');
        put_frame(&mut shared.scratch.buffer, OPCODE_TEXT, &text);
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
        let told = self.slots.iter().position(|slot| slot.subs[channel as usize].contains(id));
        if let Some(slot) = told {
            return u8::try_from(slot).ok();
        }
        let waiting = |join: &&Join| join.channel == channel && join.ids.binary_search(&id).is_ok();
        self.joins.iter().find(waiting).map(|join| join.slot)
    }

    /// Number of symbols held over all channels.
    #[must_use]
    pub fn symbols(&self) -> usize {
        let told = self.slots.iter().flat_map(|slot| &slot.subs).map(crate::bits::IdSet::len);
        told.sum::<usize>() + self.joins.iter().map(|join| join.ids.len()).sum::<usize>()
    }

    /// Recomputes the shards of all symbols that are held.
    pub fn recount_shards(&mut self, directory: &Directory) {
        let ids = self.slots.iter().flat_map(|slot| &slot.subs).flat_map(crate::bits::IdSet::iter);
        self.shards = ids.fold(0, |bits, id| bits | 1 << directory.shard(id).unwrap_or(0));
    }

    /// The next slot in turn that owes something.
    pub(crate) fn turn(&mut self) -> Option<usize> {
        let slots = self.slots.len();
        let after = (1..=slots).map(|step| (self.next_slot + step) % slots);
        let slot = after.into_iter().find(|slot| !self.slots[*slot].is_clear())?;
        self.next_slot = slot;
        Some(slot)
    }

    /// Owes everything that is held, or some symbols of a channel.
    pub fn repair(&mut self, only: Option<(Channel, &Bits)>) {
        if broken("repair_owes_nothing") {
            return;
        }
        for slot in &mut self.slots {
            for channel in Channel::ALL {
                let wanted =
                    |id: &InstrumentId| only.is_none_or(|(of, ids)| of == channel && ids.contains(*id));
                let ids: Vec<InstrumentId> = slot.subs[channel as usize].iter().filter(wanted).collect();
                for id in ids {
                    slot.backlog[channel as usize].insert(id);
                    if channel == Channel::Trade {
                        slot.owe_trade(id, crate::slot::Held { range: None, partial: true });
                    }
                }
            }
        }
    }
}

/// Text frame.
pub const OPCODE_TEXT: u8 = 1;
/// Binary frame.
pub const OPCODE_BINARY: u8 = 2;
/// Close frame.
pub const OPCODE_CLOSE: u8 = 8;
/// Ping frame.
pub const OPCODE_PING: u8 = 9;
/// Pong frame.
pub const OPCODE_PONG: u8 = 10;

/// Appends one unfragmented, unmasked WebSocket frame (RFC 6455, 5.2).
pub fn put_frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    let at = begin_frame(out);
    out.extend_from_slice(payload);
    end_frame(out, at, opcode);
}

fn framed(opcode: u8, payload: &[u8]) -> Box<[u8]> {
    let mut out = Vec::with_capacity(payload.len() + 10);
    put_frame(&mut out, opcode, payload);
    out.into_boxed_slice()
}

/// Leaves room for the usual head; the payload is appended behind it.
#[inline]
pub(crate) fn begin_frame(out: &mut Vec<u8>) -> usize {
    out.extend_from_slice(&[0; 4]);
    out.len()
}

/// Writes the head in front of the payload that begins at `at`. Between 126 and 65,535 bytes nothing moves.
#[inline]
pub(crate) fn end_frame(out: &mut Vec<u8>, at: usize, opcode: u8) {
    let len = out.len() - at;
    let start = at - 4;
    out[start] = 0x80 | opcode;
    match u16::try_from(len) {
        Ok(len @ 0..=125) => {
            out[start + 1] = wire::cursor::low_byte(len.into());
            out.copy_within(at.., start + 2);
            out.truncate(start + 2 + usize::from(len));
        }
        Ok(len) => {
            out[start + 1] = 126;
            out[start + 2..at].copy_from_slice(&len.to_be_bytes());
        }
        Err(_) => {
            let head = (len as u64).to_be_bytes();
            out.splice(start + 1..at, std::iter::once(127).chain(head));
        }
    }
}
