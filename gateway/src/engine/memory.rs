//! The memory budget: what is held is known from counts, without asking the machine, so that a bound means the same
//! everywhere. Counted anew each second; what is granted in between is added as it is granted.

use super::Engine;
use crate::outbox::{Outbox, Socket};

/// Least budget: the print ring and what a gateway holds before anybody comes.
pub const MEMORY_MIN: u64 = 64 << 20;

/// A session with its socket and tasks; `bench idle` measures 2.4 KiB with twenty subscriptions.
const SESSION_BYTES: u64 = 2_560;

/// A symbol of a session, in its wire set.
const SYMBOL_BYTES: u64 = 8;

/// A symbol of a lane: what the lane last showed of it, and its places in the lane's sets.
const LANE_SYMBOL_BYTES: u64 = 512;

/// A wildcard of a session.
const WILDCARD_BYTES: u64 = 1_024;

/// An instrument: its row, its definition, its names.
const INSTRUMENT_BYTES: u64 = 1_024;

/// The budget and what is held of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    max: u64,
    counted: u64,
    granted: u64,
    /// Requests that were refused for want of memory.
    pub refused: u64,
}

impl Default for Memory {
    fn default() -> Self {
        Self::new(u64::MAX)
    }
}

impl Memory {
    /// A budget of which nothing is held.
    #[must_use]
    pub const fn new(max: u64) -> Self {
        Self { max, counted: 0, granted: 0, refused: 0 }
    }

    /// Bytes that may be held.
    #[must_use]
    pub const fn max(&self) -> u64 {
        self.max
    }

    /// Bytes that are held, as far as counted.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.counted.saturating_add(self.granted)
    }

    /// Whether another session may come.
    #[must_use]
    pub const fn has_room(&self) -> bool {
        self.bytes().saturating_add(SESSION_BYTES) <= self.max
    }

    /// A session came.
    pub const fn session(&mut self) {
        self.granted = self.granted.saturating_add(SESSION_BYTES);
    }

    /// Grants so many symbols to a session; false, and counted as refused, when there is no room for them.
    pub const fn grant(&mut self, symbols: usize) -> bool {
        let wanted = SYMBOL_BYTES.saturating_mul(symbols as u64);
        if self.bytes().saturating_add(wanted) > self.max {
            self.refused += 1;
            return false;
        }
        self.granted = self.granted.saturating_add(wanted);
        true
    }
}

impl<S: Socket> Engine<S> {
    /// Counts what is held. Cost: all sessions.
    pub fn count_memory(&mut self) {
        let sessions: u64 = self.outboxes.iter().flatten().map(of_session).sum();
        let instruments = self.directory.len() as u64;
        let shown: usize = (0..self.lanes.len()).map(|lane| self.lanes.get(lane).shown()).sum();
        let lanes = shown as u64 * LANE_SYMBOL_BYTES;
        let wildcards = self.wildcards.len() as u64 * WILDCARD_BYTES;
        let market = instruments * INSTRUMENT_BYTES + self.table.ring_bytes() as u64;
        self.memory.counted = sessions + lanes + wildcards + market;
        self.memory.granted = 0;
    }
}

fn of_session<S: Socket>(outbox: &Outbox<S>) -> u64 {
    SESSION_BYTES + SYMBOL_BYTES * outbox.symbols() as u64 + outbox.unsent_bytes() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::EngineConfig;
    use crate::outbox::Write;
    use crate::pending::Join;
    use wire::control::{Channel, View};
    use wire::frame::Form;
    use wire::instrument::{Definitions, Instrument, InstrumentId};

    /// A socket that takes nothing.
    struct Full;

    impl Socket for Full {
        fn try_write(&mut self, _bytes: &[u8]) -> Write {
            Write::WouldBlock
        }
    }

    fn instrument(number: u32) -> Instrument {
        Instrument {
            symbol: format!("S{number}.X"),
            price_exponent: -2,
            qty_exponent: -5,
            tick_size: 1,
            lot_size: 1,
            has_aggressor: true,
            has_size: true,
        }
    }

    #[test]
    fn what_a_session_holds_and_has_not_sent_is_counted_until_it_ends() {
        let mut engine: Engine<Full> = Engine::new(EngineConfig::default(), 0);
        engine.count_memory();
        let empty = engine.memory.bytes();
        assert!(empty > 0 && empty < MEMORY_MIN, "{empty}");
        let instruments = (0..100).map(instrument).collect();
        engine.define(Definitions { shard: 0, feed_epoch: 1, revision: 1, instruments }, 0);
        engine.count_memory();
        let market = engine.memory.bytes();
        assert_eq!(market, empty + 100 * INSTRUMENT_BYTES);
        let session = engine.open(Full, Form::Json, 0);
        let slot = engine.slot(session, 3, &View::default(), false, 0).unwrap();
        let ids = (0..100).map(InstrumentId).collect();
        let (head, tail, channel) = (String::new(), String::new(), Channel::Quote);
        engine.join(session, Join { head, tail, channel, slot, ids, max_age_ms: None, resume: None }, 0);
        engine.report(session, &[b'x'; 10_000], 0);
        engine.count_memory();
        let held = engine.memory.bytes();
        assert!(held >= market + SESSION_BYTES + 100 * (SYMBOL_BYTES + LANE_SYMBOL_BYTES) + 10_000, "{held}");
        engine.end(session);
        engine.count_memory();
        // A lane keeps the places of its symbols for those who come next.
        assert_eq!(engine.memory.bytes(), market + 100 * LANE_SYMBOL_BYTES);
    }

    #[test]
    fn above_the_budget_nothing_is_granted_until_there_is_room_again() {
        let mut memory = Memory::new(10 * SESSION_BYTES);
        for _ in 0..10 {
            assert!(memory.has_room());
            memory.session();
        }
        assert!(!memory.has_room() && !memory.grant(1));
        assert_eq!(memory.refused, 1);
        (memory.granted, memory.counted) = (0, 9 * SESSION_BYTES);
        assert!(memory.has_room() && memory.grant(320) && !memory.grant(1));
        let mut without_end = Memory::default();
        assert!(without_end.has_room() && without_end.grant(usize::MAX));
    }
}
