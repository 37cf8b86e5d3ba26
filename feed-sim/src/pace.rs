//! The open loop's arithmetic: when an item is due, and how late it was. Pure.
//!
//! Due time = begin + recorded time / speed, whatever happened before; what is late is sent late, and counted.

/// Longest stretch of wall time that is worked off in one step: after a pause the loop catches up in such pieces, so
/// that what it holds is bounded.
const STRETCH_NS: i64 = 100_000_000;

/// From the source's time to the clock's and back.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    begin_ns: i64,
    /// Thousandths.
    speed: i64,
    through_ns: i64,
}

impl Pace {
    /// A pace that begins now. `speed` is in thousandths, ≥ 1.
    #[must_use]
    pub const fn new(begin_ns: i64, speed: i64) -> Self {
        Self { begin_ns, speed, through_ns: begin_ns }
    }

    /// Moves on towards `now_ns`; returns the source's time up to which everything is to be sent.
    pub fn advance(&mut self, now_ns: i64) -> i64 {
        self.through_ns = now_ns.min(self.through_ns + STRETCH_NS).max(self.through_ns);
        let passed = i128::from(self.through_ns - self.begin_ns) * i128::from(self.speed) / 1_000;
        i64::try_from(passed).unwrap_or(i64::MAX)
    }

    /// Everything due up to here has been handed on, ns of the clock.
    #[must_use]
    pub const fn through_ns(&self) -> i64 {
        self.through_ns
    }

    /// When an item of the source's time is due, ns of the clock.
    #[must_use]
    pub fn due_ns(&self, source_ns: i64) -> i64 {
        let wall = i128::from(source_ns) * 1_000 / i128::from(self.speed);
        self.begin_ns.saturating_add(i64::try_from(wall).unwrap_or(i64::MAX))
    }
}

/// How late items were handed on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lateness {
    /// Items.
    pub items: u64,
    /// Those more than 2 ms late: later than a step and a timer's grain.
    pub over_2_ms: u64,
    /// Those more than 20 ms late.
    pub over_20_ms: u64,
    /// The latest, µs.
    pub max_us: i64,
}

impl Lateness {
    /// Takes one item in.
    pub fn see(&mut self, late_ns: i64) {
        self.items += 1;
        self.over_2_ms += u64::from(late_ns > 2_000_000);
        self.over_20_ms += u64::from(late_ns > 20_000_000);
        self.max_us = self.max_us.max(late_ns / 1_000);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_times_do_not_move_with_what_happened_before() {
        let mut pace = Pace::new(1_000, 10_000);
        assert_eq!(pace.advance(1_500), 5_000);
        assert_eq!(pace.due_ns(5_000), 1_500);
        assert_eq!(pace.advance(1_400), 5_000);
        assert_eq!(pace.through_ns(), 1_500);
        let half = Pace::new(0, 500);
        assert_eq!(half.due_ns(7), 14);
    }

    #[test]
    fn after_a_pause_it_catches_up_in_pieces() {
        let mut pace = Pace::new(0, 1_000);
        assert_eq!(pace.advance(10 * STRETCH_NS), STRETCH_NS);
        assert_eq!(pace.advance(10 * STRETCH_NS), 2 * STRETCH_NS);
        let mut lateness = Lateness::default();
        [0, 2_000_001, 25_000_000].iter().for_each(|late_ns| lateness.see(*late_ns));
        assert_eq!((lateness.over_2_ms, lateness.over_20_ms, lateness.max_us), (2, 1, 25_000));
    }
}
