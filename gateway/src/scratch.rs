//! What all sessions share while bytes are made: views of the core, buffers, counters.

use crate::directory::Directory;
use crate::flush::CATEGORIES;
use crate::lane::Lanes;
use crate::last_value::Table;
use crate::offer::{CatchUp, Ranking};
use wire::control::Channel;
use wire::cursor_shards::Position;
use wire::instrument::InstrumentId;

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
    /// Where the table stood in each shard when rows were last handed to the lanes.
    pub positions: &'a [Position],
    /// Core time, µs.
    pub now_us: i64,
    /// How far core time is ahead of the machine's clock, µs.
    pub clock_offset_us: i64,
    /// How backlogs are caught up.
    pub catch_up: CatchUp,
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
    /// Wanted symbols of a flush, session after session.
    pub wanted: Vec<crate::offer::Wanted>,
    /// Whose they are: session, slot, and where they end.
    pub spans: Vec<(u32, u8, usize)>,
    /// The same by channel, before they are joined.
    pub runs: [Vec<crate::offer::Found>; 2],
    /// What a catch-up group tells.
    pub told: Vec<(Channel, InstrumentId)>,
    /// What is owed, by what it is worth to the receiver.
    pub ranking: Ranking,
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
    /// Adaptive slots moved to a slower interval.
    pub slowed: u64,
    /// Adaptive slots moved to a faster interval again.
    pub recovered: u64,
    /// Reports queued.
    pub reports: u64,
    /// Records encoded, each once per lane and form.
    pub encoded: u64,
    /// Flushes that told something.
    pub flushes: u64,
}
