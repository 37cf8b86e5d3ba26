//! The market clock: shocks that fade set the pace of quotes, the heat of takes, and one price that all follow.

use super::tables::{Random, SHOCK};

/// State, one step a millisecond. 65,536 is a mean of 1.
#[derive(Debug)]
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
        if self.random.p(393) {
            let height = self.random.sample(&SHOCK);
            let capped = height.min(140) + (height - 140).max(0) / 4;
            self.fast += (capped * 85) << 6;
            self.mid += (capped * 60) << 4;
            self.slow += capped * 7;
            self.heat_fast += (height * 85) << 6;
            self.heat_mid += (height * 60) << 4;
            self.drift += height * if self.random.coin() { 4_100 } else { -4_100 };
        }
        if self.level.abs() > 1 << 29 {
            self.level -= self.level >> 10;
        }
    }

    /// Pace of immigrants, 65,536 = 1.
    pub(super) fn pace(&self) -> i64 {
        14_000 + self.fast + self.mid + self.slow
    }

    /// Heat of takes, 64 = mean.
    pub(super) fn heat(&self) -> i64 {
        (2 * self.heat_fast + self.heat_mid) >> 10
    }

    /// The market's price, in 2^−32 of each symbol's.
    pub(super) fn level(&self) -> i64 {
        self.level
    }
}
