//! What a gateway lost, told by a second reader that only counts: of the events published since the epoch's first
//! snapshot, lost are those that were never applied.

use bytes::Bytes;
use gateway::last_value::Image;
use wire::batch::{Snapshot, SnapshotRow};
use wire::shard::{ShardReader, ShardSink, StaleReason};
use wire::tick::{Change, Event};

#[derive(Default)]
struct Counts {
    /// Counts at the epoch's first snapshot, then events applied, of quotes and prints.
    base: Vec<[u64; 2]>,
    applied: Vec<[u64; 2]>,
}

impl ShardSink for Counts {
    fn event(&mut self, event: &Event) {
        let channel = match event.change {
            Change::Quote(_) | Change::Status(_) => 0,
            Change::Trade(_) => 1,
            Change::Level(_) => return, // books are fetched when they are wanted, and count their own loss
        };
        self.applied[event.index as usize][channel] += 1;
    }

    fn snapshot(
        &mut self,
        rows: &mut dyn Iterator<Item = &SnapshotRow>,
        _epoch: u64,
        _revision: u32,
        new_epoch: bool,
    ) {
        if new_epoch {
            self.base = rows.map(|row| [row.ver.get(), row.tc.get()]).collect();
            self.applied = vec![[0; 2]; self.base.len()];
        }
    }
}

/// The second reader of a shard.
pub(crate) struct Losses {
    reader: ShardReader,
    counts: Counts,
    defined: u64,
}

impl Losses {
    pub(crate) fn new(shard: u16, now_us: i64) -> Self {
        Self { reader: ShardReader::new(shard, now_us), counts: Counts::default(), defined: 0 }
    }

    pub(crate) fn define(&mut self, epoch: u64) {
        self.defined = epoch;
    }

    pub(crate) fn suspect(&mut self) {
        self.reader.suspect(StaleReason::BusLost);
    }

    pub(crate) fn batch(&mut self, payload: &Bytes, now_us: i64) {
        self.reader.batch(payload, now_us, &mut self.counts).unwrap();
    }

    /// A snapshot whose rows no definition explains is dropped, and the definitions are fetched anew.
    pub(crate) fn snapshot(&mut self, shard: u16, payload: &[u8], now_us: i64) {
        if Snapshot::parse(payload, shard).unwrap().header.feed_epoch.get() == self.defined {
            self.reader.snapshot(payload, now_us, &mut self.counts).unwrap();
        } else {
            self.defined = 0;
        }
    }

    /// Holds a symbol's declared loss against what was never applied.
    pub(crate) fn check(&self, index: usize, image: &Image) {
        if image.quote.feed_epoch != self.reader.epoch() || self.reader.wants_snapshot() {
            return;
        }
        let never = |channel: usize, published: u64| {
            published - self.counts.base[index][channel] - self.counts.applied[index][channel]
        };
        let expected = (never(0, image.quote.ver), never(1, image.trade.tc));
        assert_eq!((image.quote.lost, image.trade.lost), expected, "lost quotes and prints");
    }
}
