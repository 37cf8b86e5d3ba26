//! Clients that can take little: budgets, rows on screen, slots that change their interval.

use super::{CLIENTS, World};
use gateway::bits::Bits;
use gateway::engine::adapt::Patience;
use gateway::outbox::GROUP_BYTES_MAX;

/// What is owed for longer goes first.
pub(super) const RIPE_US: i64 = 200_000;

/// Slots turn often in a history of some seconds.
pub(super) const PATIENCE: Patience =
    Patience { window_us: 100_000, window_flushes: 2, calm_us: 500_000, calm_max_us: 2_000_000 };

/// Most bytes that both channels of a symbol take in full, in any form.
const SYMBOL_BYTES_MAX: usize = 700;

impl World {
    pub(super) fn set_budget(&mut self, at: usize) {
        self.read_all();
        let budget = [None, Some(1_000), Some(4_000), Some(20_000), Some(200_000)][self.random.below(5)];
        let session = self.clients[at].session;
        self.clients[at].allow(None);
        self.engine.set_budget(session, budget, self.now_us);
        self.free_us[at] = self.now_us;
        self.read_all();
        let bucket = &self.engine.outbox(session).unwrap().budget;
        let burst = bucket.as_ref().map_or(0, |bucket| bucket.burst());
        self.clients[at].allow(budget.map(|bytes_per_s| (bytes_per_s, burst)));
    }

    pub(super) fn set_visible(&mut self, at: usize) {
        let mut rows = Bits::default();
        for id in self.ids() {
            if self.random.below(4) == 0 {
                rows.insert(id);
            }
        }
        self.engine.set_visible(self.clients[at].session, rows);
    }

    /// P6: nothing that a thin client is owed waits for longer than its bound, whatever else moves.
    pub(super) fn check_turns(&self) {
        for at in 0..CLIENTS {
            let outbox = self.engine.outbox(self.clients[at].session).unwrap();
            let Some(budget) = &outbox.budget else { continue };
            if outbox.busy || outbox.paused {
                continue;
            }
            // Half of each group is for what is owed for too long, and each slot has its turn; answers count too.
            let held = outbox.symbols() + 8;
            let bytes = i64::try_from(2 * held * SYMBOL_BYTES_MAX + 2 * GROUP_BYTES_MAX).unwrap();
            let bound_us = RIPE_US + bytes * 1_000_000 / budget.bytes_per_s() + 300_000;
            for mark in outbox.slots.iter().flat_map(|slot| slot.marks()) {
                let age_us = self.now_us - mark.since_us.max(self.free_us[at]);
                assert!(age_us <= bound_us, "{:?} is owed for {age_us} µs of {bound_us}", mark.id);
            }
        }
    }
}
