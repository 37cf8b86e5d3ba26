//! The one file of the gateway that reads clocks.
//!
//! The core's time is the gateway's start in Unix microseconds plus monotonic time: it never steps, whatever is done
//! to the machine's clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// Core time of one run of the gateway.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start_us: i64,
    start: Instant,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "clock.rs is the one file that reads clocks")]
    pub fn start() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { start_us: i64::try_from(unix.as_micros()).unwrap_or(0), start: Instant::now() }
    }

    /// Core time, µs since the Unix epoch.
    #[must_use]
    pub fn now_us(&self) -> i64 {
        self.start_us.saturating_add(i64::try_from(self.start.elapsed().as_micros()).unwrap_or(i64::MAX))
    }

    /// The moment at which core time is `time_us`; the start for what lies before it.
    #[must_use]
    pub fn instant(&self, time_us: i64) -> Instant {
        let since = time_us.saturating_sub(self.start_us).max(0).unsigned_abs();
        // A century ahead is as good as never, and no platform's clock overflows there.
        self.start + Duration::from_micros(since.min(3_000_000_000_000_000))
    }

    /// When this run began, µs since the Unix epoch: also what tells this run from others.
    #[must_use]
    pub const fn start_us(&self) -> i64 {
        self.start_us
    }

    /// How far core time is ahead of the machine's clock now, µs.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "clock.rs is the one file that reads clocks")]
    pub fn offset_us(&self) -> i64 {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.now_us().saturating_sub(i64::try_from(unix.as_micros()).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_and_core_times_are_inverse() {
        let clock = Clock::start();
        let later = clock.start_us() + 5_000;
        assert_eq!(clock.instant(later) - clock.instant(clock.start_us()), Duration::from_millis(5));
        assert_eq!(clock.instant(0), clock.instant(clock.start_us()));
        assert!(clock.now_us() >= clock.start_us());
        let _far = clock.instant(i64::MAX);
    }
}
