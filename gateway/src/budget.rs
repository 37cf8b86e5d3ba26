//! How many bytes a second a session lets the gateway send it. Pure: a token bucket, time handed in.
//!
//! Market data waits while nothing is left; a group that was begun is finished, so that the bucket may owe one. Reports,
//! answers and heartbeats never wait, but what they take is missing for market data, a second's worth at most.

use crate::outbox::GROUP_BYTES_MAX;

/// Sessions that wait for their budget are looked at this often, µs: all of them at one wake.
pub const STEP_US: i64 = 10_000;

/// What may come in one burst: one group, or what this time brings, µs.
const BURST_US: i64 = 5 * STEP_US;

/// Groups are no larger than what this time brings, µs, so that a thin session is told little and often.
const GROUP_US: i64 = 100_000;

/// And no smaller than this, bytes: a frame's head costs too.
const GROUP_BYTES_MIN: i64 = 512;

const SECOND_US: i64 = 1_000_000;

/// One session's bucket. Tokens are kept in byte · µs / s, so that nothing is ever rounded.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    bytes_per_s: i64,
    tokens: i64,
    filled_us: i64,
    /// Market data waits for tokens: what changes becomes bits.
    pub waits: bool,
    /// The engine looks at it when tokens have come.
    pub listed: bool,
}

impl Budget {
    /// A full bucket.
    #[must_use]
    pub fn full(bytes_per_s: u32, now_us: i64) -> Self {
        let bytes_per_s = i64::from(bytes_per_s);
        let mut budget = Self { bytes_per_s, tokens: 0, filled_us: now_us, waits: false, listed: false };
        budget.tokens = budget.burst() * SECOND_US;
        budget
    }

    /// Another limit; what was spent stays spent.
    pub fn change(&mut self, bytes_per_s: u32, now_us: i64) {
        self.fill(now_us);
        self.bytes_per_s = bytes_per_s.into();
        self.tokens = self.tokens.min(self.burst() * SECOND_US);
    }

    /// The limit.
    #[must_use]
    pub const fn bytes_per_s(&self) -> i64 {
        self.bytes_per_s
    }

    /// Most bytes that may come at once after a silence; a group that is begun then is finished.
    #[must_use]
    pub fn burst(&self) -> i64 {
        (self.bytes_per_s * BURST_US / SECOND_US).max(i64::try_from(GROUP_BYTES_MAX).unwrap_or(0))
    }

    /// Largest group, bytes.
    #[must_use]
    pub fn group_bytes(&self) -> usize {
        let bytes = (self.bytes_per_s * GROUP_US / SECOND_US).max(GROUP_BYTES_MIN);
        usize::try_from(bytes).unwrap_or(GROUP_BYTES_MAX).min(GROUP_BYTES_MAX)
    }

    fn fill(&mut self, now_us: i64) {
        let passed_us = (now_us - self.filled_us).clamp(0, 60 * SECOND_US);
        self.filled_us = self.filled_us.max(now_us);
        self.tokens = (self.tokens + passed_us * self.bytes_per_s).min(self.burst() * SECOND_US);
    }

    /// Whether a group may begin now.
    pub fn has_tokens(&mut self, now_us: i64) -> bool {
        self.fill(now_us);
        self.tokens > 0
    }

    /// Bytes went out, or will as soon as the socket takes them.
    pub fn spend(&mut self, bytes: usize) {
        let least = -self.burst().max(self.bytes_per_s) * SECOND_US;
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX / SECOND_US);
        self.tokens = (self.tokens - bytes * SECOND_US).max(least);
    }

    /// When a group may begin, µs.
    #[must_use]
    pub const fn ready_us(&self) -> i64 {
        if self.tokens > 0 {
            return self.filled_us;
        }
        self.filled_us + (-self.tokens) / self.bytes_per_s + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spends whenever it may, looked at each `step_us`; returns the bytes of a minute.
    fn minute(budget: &mut Budget, step_us: i64, group: usize) -> i64 {
        let mut sent = 0;
        for step in 0..60_000_000 / step_us {
            while budget.has_tokens(step * step_us) {
                budget.spend(group);
                sent += i64::try_from(group).unwrap();
            }
        }
        sent
    }

    #[test]
    fn a_minute_brings_its_bytes_and_one_burst() {
        for rate in [1_000, 4_000, 40_000, 1_000_000, 100_000_000] {
            let mut budget = Budget::full(rate, 0);
            let (group, burst) = (budget.group_bytes(), budget.burst());
            let sent = minute(&mut budget, STEP_US, group);
            let due = 60 * i64::from(rate);
            let most = due + burst + i64::try_from(group).unwrap();
            assert!(sent <= most, "{rate}: {sent} of {most}");
            assert!(sent >= due - due / 50, "{rate}: {sent} of {due}");
        }
    }

    #[test]
    fn it_is_ready_when_it_says() {
        let mut budget = Budget::full(1_000, 0);
        assert!(budget.has_tokens(0));
        budget.spend(4_596);
        let ready_us = budget.ready_us();
        assert_eq!(ready_us, 500_001);
        assert!(!budget.has_tokens(ready_us - 1));
        assert!(budget.has_tokens(ready_us));
    }

    #[test]
    fn reports_cost_a_second_at_most() {
        let mut budget = Budget::full(50_000, 0);
        (0..100).for_each(|_| budget.spend(100_000));
        assert!(!budget.has_tokens(1_000_000) && budget.has_tokens(1_000_001));
    }

    #[test]
    fn groups_are_small_where_the_budget_is() {
        assert_eq!(Budget::full(1_000, 0).group_bytes(), 512);
        assert_eq!(Budget::full(20_000, 0).group_bytes(), 2_000);
        assert_eq!(Budget::full(100_000_000, 0).group_bytes(), GROUP_BYTES_MAX);
        let mut budget = Budget::full(100_000_000, 0);
        budget.change(1_000, 1);
        budget.spend(4_096);
        assert!(!budget.has_tokens(1), "the old burst is gone");
    }
}
