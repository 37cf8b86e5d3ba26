//! Which standing alert has come true. Pure; fed by `market` with what it sees, read by `decide`.
//!
//! Every event is looked at when it comes, so that a crossing between two blocks is not missed; what came true waits
//! here until a block says so. An instrument without alerts is not here, and costs its events one look at a flag. One
//! with alerts holds them sorted by level, so that an event costs as much as it makes come true.
//!
//! Not in the log: what this process saw. In the log: that an alert is armed, so that a writer that comes later fires
//! it when it finds the price beyond.

use crate::mutants::broken;
use crate::state::{BuildFast, Standing};
use std::collections::{BTreeSet, HashMap, VecDeque};
use wire::alert::{Condition, Direction, Source};
use wire::order::Symbol;

/// How often STALE is looked at, µs.
const STALE_EVERY_US: i64 = 50_000;

/// What an instrument shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen {
    /// Exponent of the prices.
    pub exponent: i8,
    /// Smallest price step.
    pub tick_size: i64,
    /// Best bid, best ask and last print, where there is one.
    pub prices: [Option<i64>; 3],
}

/// What is to be told of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hit {
    /// The price was seen on the other side.
    Armed,
    /// The condition came true.
    Fired {
        /// What was seen, see [`wire::alert::AlertReport::seen`].
        seen: i64,
        /// When, µs.
        at_us: i64,
    },
    /// Its time passed.
    Expired,
}

#[derive(Debug)]
struct Watched {
    symbol: Symbol,
    condition: Condition,
    expires_us: Option<i64>,
    armed: bool,
    hit: Option<Hit>,
}

/// Alerts on one price, by level and number.
#[derive(Debug, Default)]
struct Levels {
    /// Wait for a price above.
    up: BTreeSet<(i64, u64)>,
    /// Wait for a price below.
    down: BTreeSet<(i64, u64)>,
    /// Wait for a price at the level or below it first.
    unarmed_up: BTreeSet<(i64, u64)>,
    /// Wait for a price at the level or above it first.
    unarmed_down: BTreeSet<(i64, u64)>,
}

/// The alerts of one instrument.
#[derive(Debug, Default)]
struct Instrument {
    exponent: i8,
    alerts: BTreeSet<u64>,
    levels: [Levels; 3],
    /// By ticks.
    spreads: BTreeSet<(u32, u64)>,
    /// By milliseconds.
    stales: BTreeSet<(u32, u64)>,
    stale_since_us: Option<i64>,
}

/// All standing alerts, by what they wait for.
#[derive(Debug, Default)]
pub struct Watch {
    alerts: HashMap<u64, Watched, BuildFast>,
    instruments: HashMap<Symbol, Instrument, BuildFast>,
    expiries: BTreeSet<(i64, u64)>,
    hits: VecDeque<u64>,
    stale_looked_us: i64,
    stales: usize,
}

impl Levels {
    fn set(&mut self, direction: Direction, armed: bool) -> &mut BTreeSet<(i64, u64)> {
        match (direction, armed) {
            (Direction::Up, true) => &mut self.up,
            (Direction::Up, false) => &mut self.unarmed_up,
            (Direction::Down, true) => &mut self.down,
            (Direction::Down, false) => &mut self.unarmed_down,
        }
    }

    /// Hands out what this price makes come true.
    fn see(&mut self, price: i64, mut hit: impl FnMut(u64, Hit), at_us: i64) {
        let fired = Hit::Fired { seen: price, at_us };
        while let Some((_, number)) = pop(&mut self.up, true, |level| level < price) {
            hit(number, fired);
        }
        while let Some((_, number)) = pop(&mut self.down, false, |level| level > price) {
            hit(number, fired);
        }
        while let Some(entry) = pop(&mut self.unarmed_up, false, |level| level >= price) {
            self.up.insert(entry);
            hit(entry.1, Hit::Armed);
        }
        while let Some(entry) = pop(&mut self.unarmed_down, true, |level| level <= price) {
            self.down.insert(entry);
            hit(entry.1, Hit::Armed);
        }
    }
}

/// Takes the first or last entry out, if its level is to be taken.
fn pop<L: Copy + Ord>(
    set: &mut BTreeSet<(L, u64)>,
    first: bool,
    taken: impl Fn(L) -> bool,
) -> Option<(L, u64)> {
    let entry = *if first { set.first() } else { set.last() }?;
    (taken(entry.0) && set.remove(&entry)).then_some(entry)
}

/// The level in another exponent, if it can be told in it.
fn level(condition: Condition, exponent: i8) -> Option<(usize, Direction, i64)> {
    let Condition::Crosses { source, direction, level } = condition else { return None };
    let place = match source {
        Source::Bid => 0,
        Source::Ask => 1,
        Source::Last => 2,
    };
    Some((place, direction, level.rescale(exponent).ok()?))
}

impl Instrument {
    /// Puts an alert where its condition is looked for. One whose level cannot be told in the instrument's exponent
    /// stands, and sees nothing.
    fn place(&mut self, number: u64, watched: &Watched) {
        match watched.condition {
            Condition::Spread { above_ticks } => _ = self.spreads.insert((above_ticks, number)),
            Condition::Stale { longer_than_ms } => _ = self.stales.insert((longer_than_ms, number)),
            Condition::Crosses { .. } => {
                if let Some((source, direction, level)) = level(watched.condition, self.exponent) {
                    let armed = watched.armed || broken("alert_is_armed_first");
                    self.levels[source].set(direction, armed).insert((level, number));
                }
            }
        }
    }

    fn displace(&mut self, number: u64, watched: &Watched) {
        match watched.condition {
            Condition::Spread { above_ticks } => _ = self.spreads.remove(&(above_ticks, number)),
            Condition::Stale { longer_than_ms } => _ = self.stales.remove(&(longer_than_ms, number)),
            Condition::Crosses { .. } => {
                if let Some((source, direction, level)) = level(watched.condition, self.exponent) {
                    for armed in [true, false] {
                        self.levels[source].set(direction, armed).remove(&(level, number));
                    }
                }
            }
        }
    }

    /// Hands out what this makes come true.
    fn see(&mut self, seen: &Seen, mut hit: impl FnMut(u64, Hit), at_us: i64) {
        for (levels, price) in self.levels.iter_mut().zip(seen.prices) {
            if let Some(price) = price {
                levels.see(price, &mut hit, at_us);
            }
        }
        if let [Some(bid), Some(ask), _] = seen.prices
            && !self.spreads.is_empty()
        {
            let spread = ask.saturating_sub(bid);
            let fired = Hit::Fired { seen: spread / seen.tick_size, at_us };
            let above = |ticks: u32| i64::from(ticks).saturating_mul(seen.tick_size) < spread;
            while let Some((_, number)) = pop(&mut self.spreads, true, above) {
                hit(number, fired);
            }
        }
    }
}

/// Whether what an instrument shows is the other side of a condition's level; a condition without a level has none to
/// wait for.
#[must_use]
pub fn is_armed(condition: Condition, seen: &Seen) -> bool {
    if !matches!(condition, Condition::Crosses { .. }) {
        return true;
    }
    let Some((source, direction, level)) = level(condition, seen.exponent) else { return false };
    seen.prices[source].is_some_and(|price| match direction {
        Direction::Up => price <= level,
        Direction::Down => price >= level,
    })
}

impl Watch {
    /// Whether an instrument has alerts.
    #[must_use]
    pub fn has(&self, symbol: &Symbol) -> bool {
        self.instruments.contains_key(symbol)
    }

    /// Numbers of all that are here.
    pub fn numbers(&self) -> impl Iterator<Item = u64> + '_ {
        self.alerts.keys().copied()
    }

    /// Adds an alert, or takes note that it is armed. It is looked at with what its instrument shows now.
    pub fn stand(&mut self, number: u64, standing: &Standing, seen: Option<&Seen>, now_us: i64) {
        if let Some(watched) = self.alerts.get_mut(&number) {
            watched.armed |= standing.armed;
            return;
        }
        let alert = &standing.alert;
        let watched = Watched {
            symbol: alert.symbol,
            condition: alert.condition,
            expires_us: alert.expires_us,
            armed: standing.armed,
            hit: None,
        };
        let instrument = self.instruments.entry(alert.symbol).or_default();
        if let (true, Some(seen)) = (instrument.alerts.is_empty(), seen) {
            instrument.exponent = seen.exponent;
        }
        instrument.alerts.insert(number);
        instrument.place(number, &watched);
        self.stales += usize::from(matches!(alert.condition, Condition::Stale { .. }));
        self.expiries.extend(alert.expires_us.map(|expires_us| (expires_us, number)));
        self.alerts.insert(number, watched);
        if let Some(seen) = seen {
            self.see(&alert.symbol, seen, now_us);
        }
    }

    /// Takes an alert out. Returns its symbol when it was the last one there.
    pub fn fall(&mut self, number: u64) -> Option<Symbol> {
        let watched = self.alerts.remove(&number)?;
        self.stales -= usize::from(matches!(watched.condition, Condition::Stale { .. }));
        if let Some(expires_us) = watched.expires_us {
            self.expiries.remove(&(expires_us, number));
        }
        let instrument = self.instruments.get_mut(&watched.symbol)?;
        instrument.displace(number, &watched);
        instrument.alerts.remove(&number);
        if !instrument.alerts.is_empty() {
            return None;
        }
        self.instruments.remove(&watched.symbol);
        Some(watched.symbol)
    }

    /// Looks at what an instrument shows.
    pub fn see(&mut self, symbol: &Symbol, seen: &Seen, now_us: i64) {
        let Self { alerts, instruments, hits, .. } = self;
        let Some(instrument) = instruments.get_mut(symbol) else { return };
        if instrument.exponent != seen.exponent {
            instrument.exponent = seen.exponent;
            instrument.levels = Default::default();
            for number in instrument.alerts.clone() {
                if let Some(watched) = alerts.get(&number)
                    && !matches!(watched.hit, Some(Hit::Fired { .. }))
                {
                    instrument.place(number, watched);
                }
            }
        }
        instrument.see(seen, |number, hit| note(alerts, hits, number, hit), now_us);
    }

    /// Looks at which instruments are stale, not more often than every 50 ms.
    pub fn see_stale(&mut self, now_us: i64, is_stale: impl Fn(&Symbol) -> bool) {
        if self.stales == 0 || now_us - self.stale_looked_us < STALE_EVERY_US {
            return;
        }
        self.stale_looked_us = now_us;
        let Self { alerts, instruments, hits, .. } = self;
        for (symbol, instrument) in instruments.iter_mut().filter(|(_, entry)| !entry.stales.is_empty()) {
            if !is_stale(symbol) {
                instrument.stale_since_us = None;
                continue;
            }
            let for_ms = (now_us - *instrument.stale_since_us.get_or_insert(now_us)) / 1_000;
            let longer = |bound: u32| i64::from(bound) < for_ms;
            while let Some((_, number)) = pop(&mut instrument.stales, true, longer) {
                note(alerts, hits, number, Hit::Fired { seen: for_ms, at_us: now_us });
            }
        }
    }

    /// Takes note of the alerts whose time has passed.
    pub fn see_time(&mut self, now_us: i64) {
        let Self { alerts, expiries, hits, .. } = self;
        while let Some((_, number)) = pop(expiries, true, |expires_us| expires_us < now_us) {
            note(alerts, hits, number, Hit::Expired);
        }
    }

    /// The next alert that came true. Who cannot say so in a stored block puts it back by [`Watch::restore`].
    pub fn next_hit(&mut self) -> Option<(u64, Hit)> {
        while let Some(number) = self.hits.pop_front() {
            let hit = self.alerts.get_mut(&number).and_then(|watched| watched.hit.take());
            if let Some(hit) = hit {
                return Some((number, hit));
            }
        }
        None
    }

    /// Puts back what was taken, if the alert still stands. It goes before what was seen since.
    pub fn restore(&mut self, number: u64, hit: Hit) {
        let Some(watched) = self.alerts.get_mut(&number) else { return };
        watched.armed &= !matches!(hit, Hit::Armed); // it is, but the log does not say so yet
        if !matches!(hit, Hit::Armed) && watched.hit.is_some() {
            watched.hit = Some(hit);
        } else {
            note(&mut self.alerts, &mut self.hits, number, hit);
        }
    }
}

/// Notes what came true. What fired in time stays fired; whatever ends an alert says more than that it is armed.
fn note(alerts: &mut HashMap<u64, Watched, BuildFast>, hits: &mut VecDeque<u64>, number: u64, hit: Hit) {
    let Some(watched) = alerts.get_mut(&number) else { return };
    let late = matches!((hit, watched.expires_us), (Hit::Fired { at_us, .. }, Some(expires_us)) if at_us > expires_us);
    let hit = if late { Hit::Expired } else { hit };
    match (watched.hit, hit) {
        (Some(Hit::Fired { .. } | Hit::Expired), _) => return,
        (_, Hit::Armed) if watched.armed => return,
        _ => {}
    }
    watched.armed |= matches!(hit, Hit::Armed);
    if watched.hit.replace(hit).is_none() {
        hits.push_back(number);
    }
}
