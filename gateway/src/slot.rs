//! A session's subscriptions at one interval: its wire sets, and what it still has to be told of. Pure.

use crate::bits::{Bits, IdSet};
use crate::lane::Channel;
use crate::mutants::broken;
use std::collections::BTreeMap;
use wire::frame::PrintRange;
use wire::instrument::InstrumentId;

/// Prints that a session missed of one symbol.
#[derive(Debug, Clone, Copy, Default)]
pub struct Held {
    /// First, high and low of them, as far as known.
    pub range: Option<PrintRange>,
    /// Whether some are in no range.
    pub partial: bool,
}

/// Most symbols whose missed range is kept in one slot; above it the range is declared unknown (totals stay exact).
pub const HELD_MAX: usize = 4_096;

/// One interval of a session. Its number, 0–15, is the slot on the wire.
#[derive(Debug)]
pub struct Slot {
    /// Lane that it follows.
    pub lane: u32,
    /// Index of the rate.
    pub class: usize,
    /// Wire set of each channel.
    pub subs: [IdSet; 2],
    /// Symbols of each channel that the session must be told of in full.
    pub backlog: [Bits; 2],
    /// Missed prints of symbols in the trade backlog.
    pub held: BTreeMap<InstrumentId, Held>,
    /// Tick of the last frame or heartbeat: what the client resolves the next frame's eight bits with.
    pub known_tick: Option<u64>,
    /// Where the next catch-up group begins, so that high ids do not starve.
    pub cursor: u32,
}

impl Slot {
    /// An empty slot of a lane.
    #[must_use]
    pub fn new(lane: u32, class: usize) -> Self {
        Self {
            lane,
            class,
            subs: [IdSet::default(), IdSet::default()],
            backlog: [Bits::default(), Bits::default()],
            held: BTreeMap::new(),
            known_tick: None,
            cursor: 0,
        }
    }

    /// Whether nothing is owed.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        self.backlog[0].is_empty() && self.backlog[1].is_empty()
    }

    /// Owes a symbol's quote in full.
    pub fn owe_quote(&mut self, id: InstrumentId) {
        self.backlog[Channel::Quote as usize].insert(id);
    }

    /// Owes a symbol's trade totals; `missed` adds to the range of prints that the session did not get.
    pub fn owe_trade(&mut self, id: InstrumentId, missed: Held) {
        self.backlog[Channel::Trade as usize].insert(id);
        if self.held.len() >= HELD_MAX && !self.held.contains_key(&id) {
            return; // told as partial by `missed`
        }
        let held = self.held.entry(id).or_default();
        held.partial |= missed.partial;
        held.range = match (held.range, missed.range) {
            (Some(_), Some(new)) if broken("held_forgets_the_first") => Some(new),
            (Some(old), Some(new)) => Some(old.then(new)),
            (old, new) => old.or(new),
        };
    }

    /// What was missed of a symbol's prints.
    #[must_use]
    pub fn missed(&self, id: InstrumentId) -> Held {
        self.held.get(&id).copied().unwrap_or(Held { range: None, partial: self.held.len() >= HELD_MAX })
    }

    /// Takes symbols of a channel out, with all that is owed of them.
    pub fn leave(&mut self, channel: Channel, ids: &Bits) {
        if !broken("leave_keeps_the_set") {
            self.subs[channel as usize].retain(|id| !ids.contains(id));
        }
        for id in ids.iter() {
            self.backlog[channel as usize].remove(id);
            if channel == Channel::Trade {
                self.held.remove(&id);
            }
        }
    }

    /// A catch-up group told these; when nothing is owed any more the memory is given back.
    pub fn told(&mut self, told: &[(Channel, InstrumentId)]) {
        for (channel, id) in told {
            self.backlog[*channel as usize].remove(*id);
            if *channel == Channel::Trade && !broken("held_survives_being_told") {
                self.held.remove(id);
            }
        }
        if self.is_clear() && !broken("held_survives_being_told") {
            self.backlog = [Bits::default(), Bits::default()];
            self.held = BTreeMap::new();
        }
    }
}
