//! Market data into one session's socket: at a flush, and when it catches up. Pure.
//!
//! A group is what one slot has for the same symbols, up to five messages in one write; a symbol's quote and its
//! first prints are never apart.

mod catch_up;
mod rank;

pub use rank::{CatchUp, RIPE_AFTER_US, Ranking};

use crate::bits::{IdSet, ids_of};
use crate::flush::{CATEGORIES, Category, Flush, Part, Piece};
use crate::lane::Lanes;
use crate::mutants::broken;
use crate::outbox::{OPCODE_BINARY, OPCODE_TEXT, Outbox, Pick, Scratch, Shared, Socket, Write, begin_frame};
use crate::slot::marks::{of_quote, of_trade};
use crate::slot::{Held, Slot};
use wire::control::Channel;
use wire::frame::compact::head;
use wire::frame::{Form, Kind, PrintRange, fixed, json};
use wire::instrument::InstrumentId;

/// A changed symbol of one channel: its id, its rank in the wire set, its position in the flush.
pub type Found = (InstrumentId, u32, u32);

/// A symbol that a session wants of a flush.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    id: InstrumentId,
    quote: Option<(u32, u32)>,
    trade: Option<(u32, u32)>,
}

impl Wanted {
    /// Whose.
    #[must_use]
    pub fn id(&self) -> InstrumentId {
        self.id
    }

    /// (Due at the publisher, received) of what it holds of a flush: the newest quote, each print.
    pub fn times<'f>(&self, flush: &'f Flush) -> impl Iterator<Item = (i64, i64)> + 'f {
        let quote = self.quote.and_then(|(_, position)| flush.quote_entries().get(position as usize));
        let trade = self.trade.and_then(|(_, position)| flush.trade_entries().get(position as usize));
        let prints = trade.map(|entry| flush.prints(entry)).unwrap_or_default();
        let quote = quote.map(|entry| (entry.new.ts_event, entry.new.ts_recv));
        quote.into_iter().chain(prints.iter().map(|print| (print.ts_event, print.ts_recv)))
    }
}

/// When a message was flushed.
#[derive(Debug, Clone, Copy)]
struct Moment {
    tick: u64,
    lag_us: u32,
    time_us: i64,
}

/// Most bytes that a message costs besides its records: WebSocket head, or the longer one of an event, and frame head.
const fn message_overhead(form: Form) -> usize {
    match form {
        Form::Compact => 27,
        Form::Fixed => 36,
        Form::Json => 152,
    }
}

/// Bytes that a record may cost besides its own: a gap, its share of a bitmap, or a comma.
const RECORD_OVERHEAD: usize = 2;

/// Ticks after which the receiver could resolve eight bits wrongly.
const TICKS_KNOWN_FOR: u64 = 100;

const MESSAGES: [(Category, Kind); CATEGORIES] = [
    (Category::Quote, Kind::Quote),
    (Category::QuoteFull, Kind::QuoteFull),
    (Category::Trade, Kind::Trade),
    (Category::TradeFull, Kind::TradeFull),
    (Category::Listed, Kind::Trade),
    (Category::Book, Kind::BookDelta),
    (Category::BookFull, Kind::BookFull),
    (Category::Bar, Kind::Bar),
    (Category::Status, Kind::Status),
];

impl<S: Socket> Outbox<S> {
    /// Appends what a slot wants of a flush of its lane.
    #[inline]
    pub fn collect(&self, slot: u8, flush: &Flush, runs: &mut [Vec<Found>; 2], wanted: &mut Vec<Wanted>) {
        self.slots[usize::from(slot)].collect(flush, runs, wanted);
    }

    /// Offers what a slot wants of a flush of its lane. What cannot be written now becomes bits in the slot's backlog.
    #[inline]
    pub fn offer(&mut self, slot: u8, flush: &Flush, wanted: &[Wanted], shared: &mut Shared<'_>) -> Write {
        if !self.is_blocked() && self.may_spend(shared.now_us) {
            return self.offer_groups(slot, flush, wanted, shared);
        }
        if !broken("blocked_is_not_owed") {
            self.owe(slot, flush, wanted, shared);
        }
        Write::WouldBlock
    }

    fn offer_groups(&mut self, slot: u8, flush: &Flush, wanted: &[Wanted], shared: &mut Shared<'_>) -> Write {
        let encoded = flush.encoded(self.form);
        let moment = Moment { tick: flush.tick, lag_us: flush.lag_us, time_us: flush.time_us };
        let cap = self.group_cap();
        let mut group = Group::begin(shared.scratch, self.form, 0, cap);
        for (at, symbol) in wanted.iter().enumerate() {
            let pieces =
                symbol.trade.map(|(_, position)| encoded.trade(position as usize)).unwrap_or_default();
            let quote = symbol.quote.map(|(_, position)| encoded.quote(position as usize));
            let first = quote.map_or(0, |piece| piece.len) + pieces.first().map_or(0, |piece| piece.len);
            if !group.fits(first as usize) {
                let written = self.write_group(slot, moment, Some(&encoded.bytes), false, shared);
                if let Some(ended) = self.after(written, slot, flush, wanted, group.ends(at, false), shared) {
                    return ended;
                }
                group = Group::begin(shared.scratch, self.form, at, cap);
            }
            if let (Some((rank, _)), Some(piece)) = (symbol.quote, quote) {
                group.add(shared.scratch, rank, piece);
            }
            let rank = symbol.trade.map_or(0, |(rank, _)| rank);
            for (nth, piece) in pieces.iter().enumerate() {
                // A symbol stands once in a message: a further piece of the same kind begins a new group.
                if nth > 0 && (piece.category == pieces[nth - 1].category || !group.fits(piece.len as usize))
                {
                    let written = self.write_group(slot, moment, Some(&encoded.bytes), false, shared);
                    let ends = group.ends(at, true);
                    if let Some(ended) = self.after(written, slot, flush, wanted, ends, shared) {
                        return ended;
                    }
                    group = Group::begin(shared.scratch, self.form, at, cap);
                    group.continues = true;
                }
                group.add(shared.scratch, rank, *piece);
            }
        }
        let heartbeat = self.heartbeat && self.is_alone_in_its_lane(slot);
        let written = self.write_group(slot, moment, Some(&encoded.bytes), heartbeat, shared);
        let ends = group.ends(wanted.len(), false);
        self.after(written, slot, flush, wanted, ends, shared).unwrap_or(Write::Wrote(0))
    }

    /// Whether no other slot of the session waits for the same flush: a heartbeat behind this one's would claim it.
    fn is_alone_in_its_lane(&self, slot: u8) -> bool {
        let lane = self.slots[usize::from(slot)].lane;
        let others =
            self.slots.iter().zip(0_u8..).filter(|(other, number)| other.lane == lane && *number != slot);
        others.count() == 0 || broken("heartbeat_claims_the_next_slot")
    }

    /// What a group's write means for what it holds and for what comes after it. `None` = go on.
    fn after(
        &mut self,
        written: Write,
        slot: u8,
        flush: &Flush,
        wanted: &[Wanted],
        ends: Ends,
        shared: &mut Shared<'_>,
    ) -> Option<Write> {
        let (owed_from, told_in_part) = match written {
            Write::Gone => return Some(Write::Gone),
            Write::WouldBlock => (ends.from, ends.from_continues),
            Write::Wrote(_) if self.remainder.is_empty() => {
                if ends.at == wanted.len() || self.may_spend(shared.now_us) {
                    return None;
                }
                (ends.at, ends.inside)
            }
            Write::Wrote(_) => (ends.at, ends.inside),
        };
        if written == Write::WouldBlock || !self.remainder.is_empty() {
            self.busy = true;
            self.progress_us = shared.now_us;
        }
        let silent = match written {
            Write::WouldBlock => broken("would_block_owes_nothing"),
            _ => broken("short_write_owes_nothing"),
        };
        if silent {
            return Some(Write::WouldBlock);
        }
        let mut owed = &wanted[owed_from..];
        if told_in_part && let Some((symbol, rest)) = owed.split_first() {
            // Some of its prints are told: the range of the others is not kept apart.
            let slot = &mut self.slots[usize::from(slot)];
            slot.mark(symbol.id, None, shared.now_us);
            slot.owe_trade(symbol.id, Held { range: None, partial: true });
            owed = rest;
        }
        self.owe(slot, flush, owed, shared);
        Some(Write::WouldBlock)
    }

    fn owe(&mut self, slot: u8, flush: &Flush, wanted: &[Wanted], shared: &mut Shared<'_>) {
        let slot = &mut self.slots[usize::from(slot)];
        for symbol in wanted {
            let told = slot.told_before(symbol, flush, shared.lanes);
            slot.mark(symbol.id, told, shared.now_us);
            if symbol.quote.is_some() {
                slot.owe(Channel::Quote, symbol.id);
            }
            if let Some((_, position)) = symbol.trade {
                let entry = &flush.trade_entries()[position as usize];
                let partial = entry.partial && !broken("missed_holes_are_forgotten");
                let prices = flush.prints(entry).iter().map(|print| print.price);
                let ranges = prices.map(|price| PrintRange { first: price, high: price, low: price });
                slot.owe_trade(symbol.id, Held { range: ranges.reduce(PrintRange::then), partial });
            }
            shared.counters.owed += 1;
        }
    }

    /// Writes the picked records as one group, behind it the heartbeat where it is due and this is the last group: its
    /// hash then holds for what is told. `Wrote` with a remainder left = the socket took a part.
    fn write_group(
        &mut self,
        slot: u8,
        moment: Moment,
        bytes: Option<&[u8]>,
        heartbeat: bool,
        shared: &mut Shared<'_>,
    ) -> Write {
        let frame_before = self.frame;
        let known_before = self.slots[usize::from(slot)].known_tick;
        if shared.scratch.picks.iter().all(Vec::is_empty) {
            return Write::Wrote(0);
        }
        shared.scratch.buffer.clear();
        if heartbeat && broken("heartbeat_before_its_data") {
            self.put_heartbeat(self.joins().next().is_some(), shared);
        }
        let records = self.compose(slot, moment, bytes, shared);
        if heartbeat && !broken("heartbeat_before_its_data") {
            self.put_heartbeat(self.joins().next().is_some(), shared);
        }
        let buffer = &shared.scratch.buffer;
        shared.counters.writes += 1;
        let written = self.socket.try_write(buffer);
        if let Write::Wrote(count) = written {
            self.spend(buffer.len());
            shared.counters.frames += u64::from(self.frame - frame_before);
            shared.counters.records += records;
            shared.counters.bytes += count as u64;
            if count < buffer.len() && !broken("short_write_drops_the_rest") {
                self.remainder.extend_from_slice(&buffer[count..]);
            }
            if heartbeat {
                self.heartbeat = false;
                self.know_ticks(shared);
            }
        } else if !broken("would_block_uses_a_frame") {
            self.frame = frame_before;
            self.slots[usize::from(slot)].known_tick = known_before;
        }
        written
    }

    fn compose(&mut self, number: u8, moment: Moment, bytes: Option<&[u8]>, shared: &mut Shared<'_>) -> u64 {
        let Scratch { buffer, arena, picks, .. } = &mut *shared.scratch;
        let bytes: &[u8] = bytes.unwrap_or(arena);
        let mut records = 0;
        let watermark = if self.form == Form::Fixed { self.watermark_ns(shared.watermarks) } else { None };
        for (category, kind) in MESSAGES {
            let picks = &picks[category as usize];
            if picks.is_empty() {
                continue;
            }
            self.frame = self.frame.wrapping_add(1);
            records += picks.len() as u64;
            let at = begin_frame(buffer);
            let record = |pick: &Pick| &bytes[pick.start as usize..(pick.start + pick.len) as usize];
            let (slot, frame) = (number, self.frame);
            match self.form {
                Form::Compact => {
                    let slot_state = &mut self.slots[usize::from(number)];
                    let whole_ns = slot_state.whole_ns(moment);
                    let head =
                        head::Head { kind, slot, frame, tick: moment.tick, lag_us: moment.lag_us, whole_ns };
                    let set = slot_state.subs[place_of(kind)].len();
                    head::message(
                        buffer,
                        &head,
                        set,
                        picks.iter().map(|pick| (pick.rank as usize, record(pick))),
                    );
                }
                Form::Fixed => {
                    let listed = category == Category::Listed;
                    let ts_flush = moment.time_us * 1_000;
                    fixed::header(buffer, &fixed::Head { kind, listed, slot, frame, ts_flush, watermark });
                    picks.iter().for_each(|pick| buffer.extend_from_slice(record(pick)));
                }
                Form::Json => {
                    let head = json::Head { kind, frame, slot, tick: moment.tick, t_us: moment.time_us };
                    json::begin(buffer, &head);
                    for (nth, pick) in picks.iter().enumerate() {
                        if nth > 0 {
                            buffer.push(b',');
                        }
                        buffer.extend_from_slice(record(pick));
                    }
                    json::end(buffer);
                }
            }
            self.framing.end(buffer, at, if self.form == Form::Json { OPCODE_TEXT } else { OPCODE_BINARY });
        }
        records
    }
}

/// The place of a kind's wire set in its slot.
const fn place_of(kind: Kind) -> usize {
    matches!(kind, Kind::Trade | Kind::TradeFull) as usize
}

/// Where a group begins and ends among the wanted symbols. `from_continues`, `inside` = that symbol's earlier pieces
/// went into the group before, or its later ones go into the next.
#[derive(Clone, Copy)]
struct Ends {
    from: usize,
    from_continues: bool,
    at: usize,
    inside: bool,
}

/// The group being picked.
struct Group {
    from: usize,
    bytes: usize,
    continues: bool,
    overhead: usize,
    cap: usize,
}

impl Group {
    fn begin(scratch: &mut Scratch, form: Form, from: usize, cap: usize) -> Self {
        scratch.picks.iter_mut().for_each(Vec::clear);
        Self { from, bytes: 0, continues: false, overhead: message_overhead(form), cap }
    }

    const fn ends(&self, at: usize, inside: bool) -> Ends {
        Ends { from: self.from, from_continues: self.continues, at, inside }
    }

    const fn is_half_full(&self) -> bool {
        2 * self.bytes >= self.cap
    }

    /// Whether records of `more` bytes fit, which may begin two more messages. The first always do.
    fn fits(&self, more: usize) -> bool {
        self.bytes == 0
            || broken("groups_have_no_cap")
            || self.bytes + more + 2 * (self.overhead + RECORD_OVERHEAD) <= self.cap
    }

    #[inline]
    fn add(&mut self, scratch: &mut Scratch, rank: u32, piece: Piece) {
        let picks = &mut scratch.picks[piece.category as usize];
        if picks.is_empty() {
            self.bytes += self.overhead;
        }
        picks.push(Pick { rank, start: piece.start, len: piece.len });
        self.bytes += piece.len as usize + RECORD_OVERHEAD;
    }
}

impl Slot {
    /// Appends the changed symbols of a flush that this slot holds, by rising id, both channels together.
    #[inline]
    fn collect(&self, flush: &Flush, runs: &mut [Vec<Found>; 2], out: &mut Vec<Wanted>) {
        let [quotes, trades] = runs;
        intersect(&self.subs[Channel::Quote.place()], &flush.quotes, quotes);
        intersect(&self.subs[Channel::Trade.place()], &flush.trades, trades);
        let entries = flush.trade_entries();
        let held = &self.subs[Channel::Quote.place()];
        trades.retain(|(id, _, position)| !(entries[*position as usize].state_only && held.contains(*id)));
        merge(quotes, trades, out);
    }

    /// The price that the session holds of a symbol before a flush that it is not told of.
    fn told_before(&self, symbol: &Wanted, flush: &Flush, lanes: &Lanes) -> Option<i64> {
        if let Some((_, position)) = symbol.quote {
            return flush.quote_entries().get(position as usize).map(|entry| of_quote(&entry.old));
        }
        if self.subs[Channel::Quote as usize].contains(symbol.id) {
            return lanes.get(self.lane).quote(symbol.id).map(of_quote);
        }
        let (_, position) = symbol.trade?;
        flush.trade_entries().get(position as usize).map(|trade| of_trade(&trade.entry.old))
    }

    /// Whether the receiver must be told the whole tick; then the time of the flush.
    fn whole_ns(&mut self, moment: Moment) -> Option<u64> {
        let known = self.known_tick.is_some_and(|known| moment.tick.abs_diff(known) <= TICKS_KNOWN_FOR);
        self.known_tick = Some(moment.tick);
        (!known).then(|| (moment.time_us * 1_000).unsigned_abs())
    }
}

/// Finds every id of a wire set that changed, rising.
#[inline]
fn intersect(set: &IdSet, part: &Part, found: &mut Vec<Found>) {
    let narrow = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    found.clear();
    if part.is_empty() {
        return;
    }
    match set {
        IdSet::Small(ids) => {
            // Which ids changed cannot be predicted: each is written, and kept or overwritten.
            found.resize(ids.len(), (InstrumentId(0), 0, 0));
            let mut count = 0;
            for (rank, id) in ids.iter().enumerate() {
                found[count] = (*id, narrow(rank), narrow(part.position(*id)));
                count += usize::from(part.changed.contains(*id));
            }
            found.truncate(count);
        }
        IdSet::Large(ranked) => {
            let changed = part.changed.words();
            for (at, word) in ranked.bits.words().iter().enumerate().take(changed.len()) {
                for id in ids_of(at, word & changed[at]) {
                    let below = word & ((1 << (id.0 % 64)) - 1);
                    found.push((id, ranked.below[at] + below.count_ones(), narrow(part.position(id))));
                }
            }
        }
    }
}

/// Appends the quote and the trade part of each symbol, joined: ids rise and stand once.
#[inline]
fn merge(quotes: &[Found], trades: &[Found], out: &mut Vec<Wanted>) {
    let mut trades = trades.iter().copied().peekable();
    for (id, rank, position) in quotes.iter().copied() {
        while let Some((id, rank, position)) = trades.next_if(|trade| trade.0 < id) {
            out.push(Wanted { id, quote: None, trade: Some((rank, position)) });
        }
        let trade = trades.next_if(|trade| trade.0 == id).map(|trade| (trade.1, trade.2));
        out.push(Wanted { id, quote: Some((rank, position)), trade });
    }
    out.extend(trades.map(|(id, rank, position)| Wanted { id, quote: None, trade: Some((rank, position)) }));
}
