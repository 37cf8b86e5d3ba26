//! What of a backlog is told first: by price move × age × weight. Pure.

use crate::bits::Bits;
use crate::directory::Directory;
use crate::lane::Lane;
use crate::mutants::broken;
use crate::slot::marks::{Mark, of_quote, of_trade};
use std::cmp::Reverse;
use wire::instrument::InstrumentId;

/// A symbol that is owed for longer than this goes first, µs.
pub const RIPE_AFTER_US: i64 = 2_000_000;

/// Weight of a row on screen; the others have 1.
const VISIBLE_WEIGHT: u64 = 16;

/// Symbols that are looked at for one group: more of the smallest records do not fit.
const RANKED_MAX: usize = 256;

/// In which order what a session missed is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatchUp {
    /// By price move × age × weight. Half of each group is for what is owed for longer than this, µs, oldest first.
    ByValue {
        /// Owed for so long, µs.
        ripe_after_us: i64,
    },
    /// One after the other by id, beginning where the group before ended.
    InTurn,
}

impl Default for CatchUp {
    fn default() -> Self {
        Self::ByValue { ripe_after_us: RIPE_AFTER_US }
    }
}

#[derive(Debug, Clone, Copy)]
struct Ranked {
    worth: u64,
    id: InstrumentId,
}

/// What is owed in one slot, the best first; reused from group to group.
#[derive(Debug, Default)]
pub struct Ranking {
    ripe: Vec<Ranked>,
    all: Vec<Ranked>,
    /// Where to look on in each.
    at: [usize; 2],
    chosen: Bits,
}

impl Ranking {
    /// Ranks what is owed. O(marks), and no allocation once it has grown.
    pub(super) fn fill(
        &mut self,
        marks: &[Mark],
        ripe_after_us: i64,
        now_us: i64,
        worth: impl Fn(&Mark) -> u64,
    ) {
        self.ripe.clear();
        self.all.clear();
        self.chosen.clear();
        self.at = [0; 2];
        for mark in marks {
            let age_us = now_us - mark.since_us;
            if age_us > ripe_after_us && !broken("value_starves_the_rest") {
                self.ripe.push(Ranked { worth: age_us.unsigned_abs(), id: mark.id });
            }
            self.all.push(Ranked { worth: worth(mark), id: mark.id });
        }
        best_first(&mut self.ripe);
        best_first(&mut self.all);
    }

    /// The best that is not chosen yet: what is ripe where that is asked for, else by worth.
    pub(super) fn next(&mut self, ripe: bool) -> Option<InstrumentId> {
        let list = if ripe { &self.ripe } else { &self.all };
        let at = &mut self.at[usize::from(ripe)];
        while list.get(*at).is_some_and(|ranked| self.chosen.contains(ranked.id)) {
            *at += 1;
        }
        list.get(*at).map(|ranked| ranked.id)
    }

    /// It is in the group.
    pub(super) fn choose(&mut self, id: InstrumentId) {
        self.chosen.insert(id);
    }
}

fn best_first(list: &mut Vec<Ranked>) {
    let key = |ranked: &Ranked| (Reverse(ranked.worth), ranked.id);
    if list.len() > RANKED_MAX {
        list.select_nth_unstable_by_key(RANKED_MAX, key);
        list.truncate(RANKED_MAX);
    }
    list.sort_unstable_by_key(key);
}

/// What telling a symbol now is worth: half ticks that its price moved × how long ago that began × its weight. A change of
/// sizes alone is worth an eighth of the smallest move; what the session knows nothing of comes before all that.
pub(super) fn worth(
    mark: &Mark,
    lane: &Lane,
    directory: &Directory,
    visible: Option<&Bits>,
    now_us: i64,
) -> u64 {
    let age_ms = ((now_us - mark.since_us) / 1_000).clamp(1, 1 << 20).unsigned_abs();
    let is_visible =
        visible.is_some_and(|rows| rows.contains(mark.id)) && !broken("visible_rows_weigh_nothing");
    let weight = if is_visible { VISIBLE_WEIGHT } else { 1 };
    let Some(told) = mark.told else { return (1 << 60) + age_ms * weight };
    let shown = lane.quote(mark.id).map(of_quote).filter(|price| *price != 0);
    let shown = shown.or_else(|| lane.trade(mark.id).map(of_trade)).unwrap_or(told);
    let tick = directory.instrument(mark.id).map_or(1, |instrument| instrument.tick_size.max(1));
    let half_ticks = (shown.abs_diff(told) / tick.unsigned_abs()).min(1 << 24);
    (1 + 8 * half_ticks) * age_ms * weight
}
