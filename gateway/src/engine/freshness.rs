//! Why symbols are stale: told a shard at a time to the sessions that hold symbols of it.
//!
//! A subscription may ask to be told earlier than the bound for all (`max_age_ms`): the smallest of a session holds for
//! each shard.
//!
//! The states themselves travel in the data. A shard that re-syncs between two looks is not told of; nor is one that
//! starts, whose symbols are stale in their snapshot and fresh right after it.

use super::Engine;
use crate::mutants::broken;
use crate::outbox::Socket;
use wire::control::reply::{Notice, text};
use wire::instrument::InstrumentId;
use wire::shard::StaleReason;

/// Word of the reason when a shard is current by the bound for all, but older than a session wants it.
const MAX_AGE: &str = "max_age";

/// What a session wants to be told earlier.
#[derive(Debug)]
pub(super) struct Wish {
    /// Highest age of each shard, ms; 0 = none.
    max_age_ms: Vec<u32>,
    /// Shards that it was told are older.
    told: u64,
}

impl<S: Socket> Engine<S> {
    /// A session wants to know when the shards of these symbols are older than so much.
    pub(super) fn wish(&mut self, session: u32, ids: impl Iterator<Item = InstrumentId>, max_age_ms: u32) {
        let shards = usize::from(self.ingest.shards());
        let wish =
            self.wishes.entry(session).or_insert_with(|| Wish { max_age_ms: vec![0; shards], told: 0 });
        for shard in ids.filter_map(|id| self.directory.shard(id)) {
            let bound = &mut wish.max_age_ms[usize::from(shard)];
            *bound = if *bound == 0 { max_age_ms } else { max_age_ms.min(*bound) };
        }
    }

    fn tell_wishes(&mut self, now_us: i64) {
        let sessions: Vec<u32> = self.wishes.keys().copied().collect();
        for session in sessions {
            let held = self.shards_of(session);
            for shard in 0..self.ingest.shards() {
                let (bit, place) = (1 << shard, usize::from(shard));
                let Some(wish) = self.wishes.get_mut(&session) else { break };
                let age_ms = self.ingest.age_us(shard, now_us) / 1_000;
                let bound = i64::from(wish.max_age_ms[place]);
                let current = held & bit != 0 && self.told[place].is_none() && bound > 0;
                let old = current && age_ms > bound;
                let was = wish.told & bit != 0;
                wish.told = if old { wish.told | bit } else { wish.told & !bit };
                if old != was && current {
                    let notice = self.notice(shard, old.then_some(MAX_AGE), now_us);
                    self.answer(session, notice.as_bytes(), now_us);
                }
            }
        }
    }

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
            let notice = self.notice(shard, why.map(StaleReason::word), now_us);
            for session in 0..u32::try_from(self.outboxes.len()).unwrap_or(u32::MAX) {
                if self.shards_of(session) & (1 << shard) != 0 {
                    self.answer(session, notice.as_bytes(), now_us);
                }
            }
        }
        self.tell_wishes(now_us);
    }

    /// Tells a session, whose shards were `before`, which of those that it holds now are stale.
    pub(super) fn tell_stale(&mut self, session: u32, before: u64, now_us: i64) {
        let new = self.shards_of(session) & !before;
        if let Some(wish) = self.wishes.get_mut(&session) {
            wish.told &= !new;
        }
        for shard in (0..self.ingest.shards()).filter(|shard| new & (1 << shard) != 0) {
            if let Some(why) = self.told[usize::from(shard)] {
                let notice = self.notice(shard, Some(why.word()), now_us);
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

    fn notice(&self, shard: u16, why: Option<&str>, now_us: i64) -> String {
        let notice = Notice {
            code: if why.is_some() { "stale" } else { "fresh" },
            shard: Some(shard),
            reason: why,
            age_ms: why.map(|_| self.ingest.age_us(shard, now_us) / 1_000),
            ..Notice::default()
        };
        text("notice", &notice)
    }
}
