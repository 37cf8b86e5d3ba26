//! The cursor that a session is told, and what a session that comes back with one is told of each symbol (promise P9). Pure.
//!
//! Rule: a symbol is *unchanged* when the client has, up to its totals and state, exactly what the symbol's lane last showed;
//! both are told with it, so that client and lane agree from there on. Whatever cannot be proven comes in full.

use crate::lane::Lane;
use crate::last_value::Row;
use crate::mutants::broken;
use crate::outbox::{Outbox, Shared, Socket};
use crate::pending::Join;
use crate::slot::Slot;
use std::io::Write as _;
use wire::control::Channel;
use wire::cursor_shards::{Position, ShardCursor};
use wire::frame::{Form, State};
use wire::instrument::InstrumentId;

/// How long a session that comes back waits for shards that re-sync, so that its account can go on, µs.
pub const RESUME_WAITS_US: i64 = 2_000_000;

/// What a join brings that goes on where an earlier connection ended.
#[derive(Debug)]
pub struct Resume {
    /// The place that the client reached.
    pub cursor: Box<ShardCursor>,
    /// Shards of its symbols that must be whole first, as bits.
    pub awaits: u64,
    /// When it is told without waiting on, µs.
    pub until_us: i64,
}

impl Resume {
    /// Of a cursor; the engine says for what it waits.
    #[must_use]
    pub fn new(cursor: ShardCursor) -> Self {
        Self { cursor: Box::new(cursor), awaits: 0, until_us: 0 }
    }

    fn is_ready(&self, lane: &Lane, shared: &Shared<'_>) -> bool {
        let known = |shard: u16| {
            let present = place(shared.positions, shard);
            let told = lane.place(shard, shared.positions);
            is_whole(shared, shard) && present.epoch != 0 && told.epoch == present.epoch
        };
        let awaited = (0..wire::SHARDS_MAX).filter(|shard| self.awaits & 1 << shard != 0);
        shared.now_us >= self.until_us || broken("resume_does_not_wait") || awaited.into_iter().all(known)
    }
}

fn place(positions: &[Position], shard: u16) -> Position {
    positions.get(usize::from(shard)).copied().unwrap_or_default()
}

fn is_whole(shared: &Shared<'_>, shard: u16) -> bool {
    shared.watermarks.get(usize::from(shard)).copied().flatten().is_some()
}

/// What a symbol's base is from here on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whether the client has it; else it comes in full.
    pub unchanged: bool,
    epoch: u64,
    total: u64,
    lost: u64,
    state: State,
}

impl Standing {
    /// Appends it to the JSON object of a symbol.
    pub fn put(&self, out: &mut Vec<u8>) {
        if out.last() == Some(&b'}') {
            out.pop();
        }
        let Self { unchanged, epoch, total, lost, state } = *self;
        // Writing into memory cannot fail.
        let _written = write!(out, ",\"unchanged\":{unchanged},\"epoch\":{epoch},\"lost\":{lost}");
        if unchanged {
            let _written = write!(out, ",\"total\":{total},\"state\":{}", state as u8);
        }
        out.push(b'}');
    }
}

/// How a symbol stands for a client that comes back; `None` = it begins anew.
#[must_use]
pub fn standing(
    join: &Join,
    id: InstrumentId,
    form: Form,
    lane: &Lane,
    shared: &Shared<'_>,
) -> Option<Standing> {
    let cursor = &join.resume.as_ref()?.cursor;
    if !lane.is_whole() {
        return None; // what is cut is shown by each gateway in its own time
    }
    let shard = shared.directory.shard(id)?;
    let (reached, present) = (cursor.get(shard), place(shared.positions, shard));
    let row: &Row = shared.table.row(id)?;
    let (epoch, count, total, lost, state, current) = match join.channel {
        Channel::Quote => {
            let shown = lane.quote(id)?;
            let current = shown.ver == row.image.quote.ver;
            (shown.feed_epoch, shown.epoch_count, shown.ver, shown.lost, shown.state, current)
        }
        Channel::Trade => {
            let shown = lane.trade(id)?;
            let current = shown.tc == row.image.trade.tc;
            (shown.feed_epoch, shown.epoch_count, shown.tc, shown.lost, shown.state, current)
        }
        Channel::Book | Channel::Bar | Channel::Status => return None,
    };
    // A row of a newer epoch than its lane has shown has the marks of that: nothing is known of the old one any more.
    let row_epoch = row.image.quote.feed_epoch;
    let same = reached.epoch == epoch && (row_epoch == epoch || broken("resume_mixes_epochs"));
    if !same || epoch == 0 {
        return None;
    }
    let mark = row.mark(join.channel);
    let unchanged = is_whole(shared, shard)
        && present.epoch == reached.epoch
        && (present.next >= reached.next || broken("resume_while_behind"))
        && (current || broken("resume_of_an_old_lane"))
        && mark.is_behind(reached);
    let lost = if unchanged { lost } else { mark.lost_before(lost, reached) };
    let epoch = if form == Form::Fixed { u64::from(count) } else { epoch };
    Some(Standing { unchanged, epoch, total, lost, state })
}

impl<S: Socket> Outbox<S> {
    /// Where this session stands with quotes and trades; `None` without any, while market data is owed, and until each lane
    /// and shard of it was whole once.
    #[must_use]
    pub fn cursor(&self, shared: &Shared<'_>) -> Option<ShardCursor> {
        let clear = self.slots.iter().all(Slot::is_clear) || broken("cursor_while_owed");
        let market = |slot: &&Slot| slot.channel == Channel::Quote;
        let only_first = if broken("cursor_of_one_slot") { 1 } else { usize::MAX };
        let slots = || self.slots.iter().filter(market).take(only_first);
        if !clear || self.shards == 0 || slots().next().is_none() {
            return None;
        }
        let mut cursor = ShardCursor::default();
        for shard in (0..wire::SHARDS_MAX).filter(|shard| self.shards & 1 << shard != 0) {
            let places = slots().map(|slot| shared.lanes.get(slot.lane).place(shard, shared.positions));
            // A place that cannot be told must not replace one that the client has.
            let least = places.reduce(Position::least).filter(|least| least.epoch != 0)?;
            cursor.set(shard, least);
        }
        Some(cursor)
    }

    /// Place of the first join that may be told now.
    pub(crate) fn ready_join(
        &self,
        joins: &std::collections::VecDeque<Join>,
        shared: &Shared<'_>,
    ) -> Option<usize> {
        joins.iter().position(|join| {
            let lane = |slot: &Slot| shared.lanes.get(slot.lane);
            let lane = self.slots.get(usize::from(join.slot)).map(lane);
            join.resume.as_ref().zip(lane).is_none_or(|(resume, lane)| resume.is_ready(lane, shared))
        })
    }
}
