//! The one file that reads clocks.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Unix time at start plus monotonic time since: it never steps.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
    start_us: i64,
}

impl Clock {
    /// Reads the wall clock, once.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this file is the clock")]
    pub fn start() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self { start: Instant::now(), start_us: i64::try_from(wall.as_micros()).unwrap_or(0) }
    }

    /// Now, µs since the Unix epoch.
    #[must_use]
    pub fn now_us(&self) -> i64 {
        self.start_us.saturating_add(i64::try_from(self.start.elapsed().as_micros()).unwrap_or(i64::MAX))
    }
}
