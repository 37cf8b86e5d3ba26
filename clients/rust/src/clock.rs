//! The one file that reads clocks: Unix microseconds that never step within a process.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

static ANCHOR: OnceLock<(Instant, u64)> = OnceLock::new();

/// Microseconds since the Unix epoch: the wall clock at the first call, monotonic from there on.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one clock reader")]
pub fn now_us() -> i64 {
    let (start, unix_us) = ANCHOR.get_or_init(|| {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        (Instant::now(), u64::try_from(unix.as_micros()).unwrap_or(0))
    });
    let elapsed = u64::try_from(start.elapsed().as_micros()).unwrap_or(0);
    i64::try_from(unix_us.saturating_add(elapsed)).unwrap_or(i64::MAX)
}
