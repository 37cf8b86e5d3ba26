//! The one file of feed-sim that reads clocks.

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// The start in Unix ns plus monotonic time: it never steps.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start_ns: i64,
    start: Instant,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "clock.rs is the one file that reads clocks")]
    pub fn start() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { start_ns: i64::try_from(unix.as_nanos()).unwrap_or(0), start: Instant::now() }
    }

    /// Now, ns since the Unix epoch.
    #[must_use]
    pub fn now_ns(&self) -> i64 {
        self.start_ns.saturating_add(i64::try_from(self.start.elapsed().as_nanos()).unwrap_or(i64::MAX))
    }

    /// When it started, ns since the Unix epoch.
    #[must_use]
    pub const fn start_ns(&self) -> i64 {
        self.start_ns
    }

    /// The moment at which it shows `time_ns`.
    #[must_use]
    pub fn instant(&self, time_ns: i64) -> Instant {
        self.start + Duration::from_nanos(time_ns.saturating_sub(self.start_ns).max(0).unsigned_abs())
    }
}
