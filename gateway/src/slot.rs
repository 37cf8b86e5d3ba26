//! A session's subscriptions at one interval: its wire sets, and what it still has to be told of. Pure.

pub mod marks;

use self::marks::{Mark, Marks, Twice};
use crate::bits::{Bits, IdSet, ids_of};
use crate::mutants::broken;
use std::collections::BTreeMap;
use wire::control::Channel;
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

/// What a session still has to be told of in one slot.
#[derive(Debug, Default)]
struct Owed {
    backlog: [Bits; 2],
    held: BTreeMap<InstrumentId, Held>,
    marks: Marks,
}

impl Owed {
    fn is_clear(&self) -> bool {
        self.backlog[0].is_empty() && self.backlog[1].is_empty()
    }

    fn keep_marks(&mut self) {
        let Self { backlog, marks, .. } = self;
        marks.keep(|id| backlog.iter().any(|bits| bits.contains(id)));
    }
}

/// One interval of a session. Its number, 0–15, is the slot on the wire.
#[derive(Debug)]
pub struct Slot {
    /// Lane that it follows.
    pub lane: u32,
    /// Where the next catch-up group begins, so that high ids do not starve.
    pub cursor: u32,
    /// Wire set of each channel.
    pub subs: [IdSet; 2],
    /// Tick of the last frame or heartbeat: what the client resolves the next frame's eight bits with.
    pub known_tick: Option<u64>,
    /// Index of the rate that was asked for.
    pub class: usize,
    /// The first channel that its lane shows; the second, if it shows one, is that of prints.
    pub channel: Channel,
    /// Whether its lane may be of a slower rate while the session cannot follow.
    pub adaptive: bool,
    /// Most sessions owe nothing most of the time, and hold no memory for it then.
    owed: Option<Box<Owed>>,
}

impl Slot {
    /// An empty slot of a lane.
    #[must_use]
    pub fn new(lane: u32, class: usize, channel: Channel, adaptive: bool) -> Self {
        Self {
            lane,
            class,
            channel,
            adaptive,
            subs: [IdSet::default(), IdSet::default()],
            owed: None,
            known_tick: None,
            cursor: 0,
        }
    }

    /// The channels whose sets it holds, by their place.
    #[must_use]
    pub fn channels(&self) -> &'static [Channel] {
        match self.channel {
            Channel::Quote | Channel::Trade => &Channel::MARKET,
            Channel::Book => &[Channel::Book],
            Channel::Bar => &[Channel::Bar],
            Channel::Status => &[Channel::Status],
        }
    }

    /// Its wire set of a channel, if it shows it.
    #[must_use]
    pub fn set(&self, channel: Channel) -> Option<&IdSet> {
        self.channels().contains(&channel).then(|| &self.subs[channel.place()])
    }

    /// Reads the ends of both sets, so that they are in the cache when they are searched.
    #[must_use]
    #[inline]
    pub fn fetch(&self) -> u32 {
        let ends = |set: &IdSet| match set {
            IdSet::Small(ids) => ids.first().map_or(0, |id| id.0) ^ ids.last().map_or(0, |id| id.0),
            IdSet::Large(ranked) => ranked.below.last().copied().unwrap_or(0),
        };
        ends(&self.subs[0]) ^ ends(&self.subs[1])
    }

    /// Bytes of what is owed, about.
    #[must_use]
    pub fn owed_bytes(&self) -> usize {
        let of = |owed: &Owed| {
            let words: usize = owed.backlog.iter().map(|bits| bits.words().len()).sum();
            words * 8 + owed.held.len() * 2 * size_of::<(InstrumentId, Held)>()
        };
        self.owed.as_deref().map_or(0, of)
    }

    /// Whether nothing is owed.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        self.owed.as_ref().is_none_or(|owed| owed.is_clear())
    }

    /// Whether a symbol's channel is owed in full.
    #[must_use]
    pub fn owes(&self, channel: Channel, id: InstrumentId) -> bool {
        self.owed.as_ref().is_some_and(|owed| owed.backlog[channel.place()].contains(id))
    }

    /// The ids that are owed in any channel, rising.
    pub fn owed_ids(&self) -> impl Iterator<Item = InstrumentId> + '_ {
        let [quotes, trades] = self
            .owed
            .as_ref()
            .map_or([&[][..]; 2], |owed| [owed.backlog[0].words(), owed.backlog[1].words()]);
        let word = |words: &[u64], at: usize| words.get(at).copied().unwrap_or(0);
        (0..quotes.len().max(trades.len()))
            .flat_map(move |at| ids_of(at, word(quotes, at) | word(trades, at)))
    }

    /// Number of symbols that are owed in any channel.
    #[must_use]
    pub fn owed_len(&self) -> usize {
        self.owed_ids().count()
    }

    /// Remembers what the session was last told of a symbol that is about to be owed; nothing where it is owed already.
    pub fn mark(&mut self, id: InstrumentId, told: Option<Twice>, now_us: i64) {
        let owed = self.owed.get_or_insert_default();
        if owed.backlog.iter().all(|bits| !bits.contains(id)) {
            owed.marks.add(Mark { id, told, since_us: now_us });
        }
    }

    /// The marks of what is owed.
    #[must_use]
    pub fn marks(&self) -> &[Mark] {
        self.owed.as_ref().map_or(&[], |owed| owed.marks.all())
    }

    /// Owes a symbol's channel in full.
    pub fn owe(&mut self, channel: Channel, id: InstrumentId) {
        self.owed.get_or_insert_default().backlog[channel.place()].insert(id);
    }

    /// Owes a symbol's trade totals; `missed` adds to the range of prints that the session did not get.
    pub fn owe_trade(&mut self, id: InstrumentId, missed: Held) {
        let owed = self.owed.get_or_insert_default();
        owed.backlog[Channel::Trade.place()].insert(id);
        if owed.held.len() >= HELD_MAX && !owed.held.contains_key(&id) {
            return; // told as partial by `missed`
        }
        let held = owed.held.entry(id).or_default();
        held.partial |= missed.partial;
        held.range = match (held.range, missed.range) {
            (Some(_), Some(new)) if broken("held_forgets_the_first") => Some(new),
            (Some(old), Some(new)) => Some(old.then(new)),
            (old, new) => old.or(new),
        };
    }

    /// What was missed of a symbol's prints, if anything is kept.
    #[must_use]
    pub fn held(&self, id: InstrumentId) -> Option<Held> {
        self.owed.as_ref()?.held.get(&id).copied()
    }

    /// What was missed of a symbol's prints.
    #[must_use]
    pub fn missed(&self, id: InstrumentId) -> Held {
        let full = self.owed.as_ref().is_some_and(|owed| owed.held.len() >= HELD_MAX);
        self.held(id).unwrap_or(Held { range: None, partial: full })
    }

    /// Takes symbols of a channel out, with all that is owed of them.
    pub fn leave(&mut self, channel: Channel, ids: &Bits) {
        if !broken("leave_keeps_the_set") {
            self.subs[channel.place()].retain(|id| !ids.contains(id));
        }
        let Some(owed) = &mut self.owed else { return };
        for id in ids.iter() {
            owed.backlog[channel.place()].remove(id);
            if channel == Channel::Trade {
                owed.held.remove(&id);
            }
        }
        owed.keep_marks();
    }

    /// A catch-up group told these; when nothing is owed any more the memory is given back.
    pub fn told(&mut self, told: &[(Channel, InstrumentId)]) {
        let Some(owed) = &mut self.owed else { return };
        for (channel, id) in told {
            owed.backlog[channel.place()].remove(*id);
            if *channel == Channel::Trade && !broken("held_survives_being_told") {
                owed.held.remove(id);
            }
        }
        if owed.is_clear() && !broken("held_survives_being_told") {
            self.owed = None;
        } else {
            owed.keep_marks();
        }
    }
}
