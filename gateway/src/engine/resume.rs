//! Sessions that come back: where the table stands in each shard, and joins that wait until shards are whole.

use super::Engine;
use crate::outbox::Socket;
use crate::pending::Join;
use crate::resume::RESUME_WAITS_US;

impl<S: Socket> Engine<S> {
    /// The lanes have been told of all rows that moved: notes where the table stands. A shard that re-syncs stays where
    /// it was whole.
    pub(super) fn note_positions(&mut self) {
        for (shard, position) in (0..).zip(&mut self.positions) {
            if self.ingest.is_whole(shard) {
                *position = self.ingest.position(shard);
            }
        }
    }

    /// Says what a join that goes on somewhere waits for.
    pub(super) fn await_shards(&mut self, session: u32, join: &mut Join, now_us: i64) {
        let Some(resume) = &mut join.resume else { return };
        let shards = join.ids.iter().filter_map(|id| self.directory.shard(*id));
        let known = shards.filter(|shard| resume.cursor.get(*shard).epoch != 0);
        resume.awaits = known.fold(0, |bits, shard| bits | 1 << shard);
        resume.until_us = now_us + RESUME_WAITS_US;
        if !self.resuming.contains(&session) {
            self.resuming.push(session);
        }
    }

    /// Tells the joins that have waited long enough.
    pub(super) fn release(&mut self, now_us: i64) {
        for session in std::mem::take(&mut self.resuming) {
            let waits =
                |engine: &Self| engine.outbox(session).is_some_and(|outbox| outbox.joins().next().is_some());
            if waits(self) {
                self.drain_free(session, now_us);
            }
            if waits(self) {
                self.resuming.push(session);
            }
        }
    }
}
