//! The market clock: shocks that fade set the pace of quotes, the heat of takes, and one price that all follow.
//!
//! It looks ahead. What a burst takes is given back around it, before and after: were it made up afterwards alone, a
//! window of some seconds would be far off the rate asked, or the burst would have to be cut.

use super::tables::{Random, SHOCK};

/// Steps that the outlook reaches in both directions.
const REACH: i64 = 1_739;

/// Work of a usual step.
pub(super) const USUAL: i64 = 1_024;

/// An act gives in proportion to its heat plus this ...
const COLD: i64 = 106;

/// ... up to this heat.
const HEAT_MAX: i64 = 1_428;

/// A market and what it does within [`REACH`]: three copies of one, at three times.
#[derive(Debug)]
pub(super) struct Outlook {
    behind: Market,
    now: Market,
    ahead: Market,
    /// Work from behind to ahead.
    work: i64,
    steps: i64,
}

impl Outlook {
    pub(super) fn new(seed: u64) -> Self {
        let now = Market::new(seed);
        let mut outlook = Self { behind: now.clone(), ahead: now.clone(), now, work: 0, steps: 0 };
        for _ in 0..REACH {
            outlook.ahead.step();
            outlook.work += outlook.ahead.work();
        }
        outlook
    }

    pub(super) fn step(&mut self) {
        self.now.step();
        self.ahead.step();
        self.work += self.ahead.work();
        if self.steps >= REACH {
            self.behind.step();
            self.work -= self.behind.work();
        }
        self.steps += 1;
    }

    pub(super) fn now(&self) -> &Market {
        &self.now
    }

    /// What the pace is to be multiplied by, 65,536 = 1, so that the usual comes within the reach.
    pub(super) fn share(&self) -> i64 {
        (((2 * REACH * USUAL) << 16) / self.work.max(1)).clamp(11_239, 368_909)
    }
}

/// State, one step a millisecond. 65,536 is a mean of 1.
#[derive(Debug, Clone)]
pub(super) struct Market {
    random: Random,
    fast: i64,
    mid: i64,
    slow: i64,
    heat_fast: i64,
    heat_mid: i64,
    level: i64,
    drift: i64,
}

impl Market {
    pub(super) fn new(seed: u64) -> Self {
        let random = Random::new(seed, 2);
        Self { random, fast: 0, mid: 0, slow: 0, heat_fast: 0, heat_mid: 0, level: 0, drift: 0 }
    }

    pub(super) fn step(&mut self) {
        self.fast -= self.fast >> 4;
        self.heat_fast -= self.heat_fast >> 4;
        self.mid -= self.mid >> 8;
        self.heat_mid -= self.heat_mid >> 8;
        self.slow -= self.slow >> 12;
        self.level += self.drift >> 4;
        self.drift -= self.drift >> 4;
        if self.random.p(259) {
            let height = self.random.sample(&SHOCK);
            let capped = height.min(179) + (height - 179).max(0) * 16 / 41;
            self.fast += (capped * 147) << 6;
            self.mid += (capped * 86) << 4;
            self.slow += capped * 10;
            self.heat_fast += (height * 78) << 6;
            self.heat_mid += (height * 65) << 4;
            self.drift += height * if self.random.coin() { 4_791 } else { -4_791 };
        }
        if self.level.abs() > 1 << 29 {
            self.level -= self.level >> 10;
        }
    }

    /// Pace of immigrants, 65,536 = 1.
    pub(super) fn pace(&self) -> i64 {
        9_700 + self.fast + self.mid + self.slow
    }

    /// Heat of takes, 64 = mean.
    pub(super) fn heat(&self) -> i64 {
        (7 * self.heat_fast + 5 * self.heat_mid) >> 12
    }

    /// What a step gives, [`USUAL`] at the mean: acts follow the pace, and what each gives follows the heat.
    pub(super) fn work(&self) -> i64 {
        self.pace() / 64 * (COLD + self.heat().min(HEAT_MAX)) / (COLD + 64)
    }

    /// The market's price, in 2^−32 of each symbol's.
    pub(super) fn level(&self) -> i64 {
        self.level
    }
}
