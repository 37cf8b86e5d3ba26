//! When an adaptive slot runs at a slower interval than it asked for, and when at a faster one again. Pure.
//!
//! The sign that a session cannot follow is a flush that finds the one before still unwritten. Half of a second's flushes
//! found so: one class slower. None for a while: one class faster, never faster than asked. A faster class that did not last
//! as long as it was waited for doubles that wait, so that a session between two classes changes twice a minute at most.

use wire::RATES_MS;

/// How long signs are watched before an interval changes.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Flushes are counted for at least this long, µs.
    pub window_us: i64,
    /// And at least this many of them: of fewer, half says nothing.
    pub window_flushes: u32,
    /// Without a blocked flush for this long it goes faster, µs.
    pub calm_us: i64,
    /// Longest time that is waited for after classes that did not last, µs.
    pub calm_max_us: i64,
}

impl Default for Patience {
    fn default() -> Self {
        Self { window_us: 1_000_000, window_flushes: 4, calm_us: 10_000_000, calm_max_us: 60_000_000 }
    }
}

/// Which way an interval changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The session could not follow.
    Slower,
    /// It could follow for a while.
    Faster,
}

impl Turn {
    /// The word on the wire.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Slower => "slow",
            Self::Faster => "recovered",
        }
    }
}

/// One adaptive slot.
#[derive(Debug, Clone, Copy)]
pub struct Adapt {
    asked: usize,
    class: usize,
    since_us: i64,
    offered: u32,
    blocked: u32,
    calm_since_us: i64,
    wait_us: i64,
    faster_us: Option<i64>,
}

impl Adapt {
    /// A slot that runs at the class that it asked for.
    #[must_use]
    pub const fn new(asked: usize, now_us: i64) -> Self {
        Self {
            asked,
            class: asked,
            since_us: now_us,
            offered: 0,
            blocked: 0,
            calm_since_us: now_us,
            wait_us: 0,
            faster_us: None,
        }
    }

    /// The class at which it is to run.
    #[must_use]
    pub const fn class(&self) -> usize {
        self.class
    }

    /// A flush had something for the slot, and found its session blocked or not.
    pub fn flush(&mut self, blocked: bool, now_us: i64, patience: &Patience) -> Option<Turn> {
        self.offered += 1;
        if blocked {
            self.blocked += 1;
            self.calm_since_us = now_us;
        }
        let turn = self.judge(now_us, patience)?;
        (self.since_us, self.offered, self.blocked, self.calm_since_us) = (now_us, 0, 0, now_us);
        match turn {
            Turn::Slower => {
                let failed = self.faster_us.take().is_some_and(|faster| now_us - faster < self.wait_us);
                self.wait_us = if failed { 2 * self.wait_us } else { patience.calm_us };
                self.class += 1;
            }
            Turn::Faster => {
                self.faster_us = Some(now_us);
                self.class -= 1;
            }
        }
        Some(turn)
    }

    fn judge(&mut self, now_us: i64, patience: &Patience) -> Option<Turn> {
        if now_us - self.since_us >= patience.window_us && self.offered >= patience.window_flushes {
            let slow = 2 * self.blocked >= self.offered;
            (self.since_us, self.offered, self.blocked) = (now_us, 0, 0);
            if slow && self.class + 1 < RATES_MS.len() {
                return Some(Turn::Slower);
            }
        }
        self.wait_us = self.wait_us.clamp(patience.calm_us, patience.calm_max_us);
        let calm = now_us - self.calm_since_us >= self.wait_us;
        (calm && self.class > self.asked).then_some(Turn::Faster)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000;
    const PATIENCE: Patience =
        Patience { window_us: 1_000_000, window_flushes: 4, calm_us: 10_000_000, calm_max_us: 60_000_000 };

    /// Flushes at the interval in force, from `from` to `to`; `blocked` says which find the session blocked.
    fn run(
        adapt: &mut Adapt,
        from: i64,
        to: i64,
        blocked: impl Fn(usize) -> bool,
    ) -> Vec<(i64, Turn, usize)> {
        let (mut now_us, mut turns) = (from, Vec::new());
        while now_us < to {
            if let Some(turn) = adapt.flush(blocked(adapt.class()), now_us, &PATIENCE) {
                turns.push((now_us, turn, adapt.class()));
            }
            now_us += i64::from(RATES_MS[adapt.class()].max(1)) * MS;
        }
        turns
    }

    #[test]
    fn a_blocked_session_goes_down_step_by_step_and_up_as_it_came() {
        let mut adapt = Adapt::new(3, 0);
        let down = run(&mut adapt, 0, 20_000 * MS, |_| true);
        let classes: Vec<usize> = down.iter().map(|(_, _, class)| *class).collect();
        assert_eq!(classes, [4, 5, 6, 7]);
        assert!(down.iter().all(|(_, turn, _)| *turn == Turn::Slower));
        assert!(down[0].0 >= PATIENCE.window_us && down[0].0 < PATIENCE.window_us + 100 * MS);
        let up = run(&mut adapt, 20_000 * MS, 200_000 * MS, |_| false);
        let classes: Vec<usize> = up.iter().map(|(_, _, class)| *class).collect();
        assert_eq!(classes, [6, 5, 4, 3], "never faster than asked");
        let mut before = 19_000 * MS;
        for (at, turn, _) in up {
            assert_eq!(turn, Turn::Faster);
            assert!(at - before >= PATIENCE.calm_us, "{at} after {before}");
            before = at;
        }
    }

    #[test]
    fn less_than_half_blocked_changes_nothing() {
        let mut adapt = Adapt::new(3, 0);
        for flush in 0..10_000_i64 {
            assert_eq!(adapt.flush(flush % 5 < 2, flush * 50 * MS, &PATIENCE), None);
        }
    }

    #[test]
    fn a_session_between_two_classes_changes_less_and_less_often() {
        let mut adapt = Adapt::new(2, 0);
        let turns = run(&mut adapt, 0, 600_000 * MS, |class| class < 4);
        let raises: Vec<i64> =
            turns.iter().filter(|(_, turn, _)| *turn == Turn::Faster).map(|(at, _, _)| *at).collect();
        let waits: Vec<i64> = raises.windows(2).map(|pair| (pair[1] - pair[0]) / 1_000_000).collect();
        assert!(waits[0] >= 20 && waits[1] >= 40 && waits[2] >= 60, "{waits:?}");
        assert!(waits.iter().all(|wait| *wait <= 63), "{waits:?}");
        assert!(waits.windows(2).all(|pair| pair[0] <= pair[1] + 1), "{waits:?}");
    }

    #[test]
    fn a_class_that_lasted_is_waited_for_no_longer_than_the_first_time() {
        let mut adapt = Adapt::new(2, 0);
        run(&mut adapt, 0, 100_000 * MS, |class| class < 4);
        run(&mut adapt, 100_000 * MS, 300_000 * MS, |_| false);
        assert_eq!(adapt.class(), 2);
        let down = run(&mut adapt, 300_000 * MS, 305_000 * MS, |class| class < 4);
        assert_eq!(adapt.class(), 4);
        let last = down.last().map_or(0, |(at, _, _)| *at);
        let up = run(&mut adapt, 305_000 * MS, 330_000 * MS, |_| false);
        assert!(up[0].0 - last < PATIENCE.calm_us + 200 * MS, "{up:?}");
    }

    #[test]
    fn a_few_flushes_say_nothing() {
        let mut adapt = Adapt::new(0, 0);
        for flush in 0..3_i64 {
            assert_eq!(adapt.flush(true, flush * 900 * MS, &PATIENCE), None);
        }
        assert_eq!(adapt.flush(true, 3_000 * MS, &PATIENCE), Some(Turn::Slower));
    }
}
