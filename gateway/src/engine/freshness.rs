//! Why symbols are stale: told a shard at a time to the sessions that hold symbols of it.
//!
//! The states themselves travel in the data. A shard that re-syncs between two looks is not told of; nor is one that
//! starts, whose symbols are stale in their snapshot and fresh right after it.

use super::Engine;
use crate::mutants::broken;
use crate::outbox::Socket;
use wire::control::reply::{Notice, text};
use wire::shard::StaleReason;

impl<S: Socket> Engine<S> {
    /// Looks at every shard, and tells what changed since the last look.
    pub(super) fn tell_freshness(&mut self, now_us: i64) {
        for shard in 0..self.ingest.shards() {
            let why = self.ingest.stale(shard, now_us).filter(|why| *why != StaleReason::Starting);
            if std::mem::replace(&mut self.told[usize::from(shard)], why) == why {
                continue;
            }
            if why.is_none() && broken("fresh_is_not_told") {
                continue;
            }
            let notice = self.notice(shard, why, now_us);
            for session in 0..u32::try_from(self.outboxes.len()).unwrap_or(u32::MAX) {
                if self.shards_of(session) & (1 << shard) != 0 {
                    self.answer(session, notice.as_bytes(), now_us);
                }
            }
        }
    }

    /// Tells a session, whose shards were `before`, which of those that it holds now are stale.
    pub(super) fn tell_stale(&mut self, session: u32, before: u64, now_us: i64) {
        let new = self.shards_of(session) & !before;
        for shard in (0..self.ingest.shards()).filter(|shard| new & (1 << shard) != 0) {
            if let Some(why) = self.told[usize::from(shard)] {
                let notice = self.notice(shard, Some(why), now_us);
                self.answer(session, notice.as_bytes(), now_us);
            }
        }
    }

    /// Shards of all symbols that a session holds, told or not yet, as bits.
    pub(super) fn shards_of(&self, session: u32) -> u64 {
        let Some(outbox) = self.outbox(session) else { return 0 };
        let waiting = outbox.joins().flat_map(|join| &join.ids).filter_map(|id| self.directory.shard(*id));
        waiting.fold(outbox.shards, |all, shard| all | 1 << shard)
    }

    fn notice(&self, shard: u16, why: Option<StaleReason>, now_us: i64) -> String {
        let notice = Notice {
            code: if why.is_some() { "stale" } else { "fresh" },
            shard: Some(shard),
            reason: why.map(StaleReason::word),
            age_ms: why.map(|_| self.ingest.age_us(shard, now_us) / 1_000),
            ..Notice::default()
        };
        text("notice", &notice)
    }
}
