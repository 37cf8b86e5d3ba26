//! Clients under load: thousands of lean ones in one thread, a few whole ones, and order clients.

pub mod lean;
pub mod orders;
pub mod readers;
pub mod rush;
pub mod swarm;
pub mod thin;

use hdrhistogram::Histogram;

/// Times in µs up to ten minutes, three digits.
///
/// # Panics
/// Never: the bounds are constant and valid.
#[must_use]
pub fn histogram() -> Histogram<u64> {
    #[expect(clippy::expect_used, reason = "constant bounds, checked by every test that records")]
    Histogram::new_with_bounds(1, 600_000_000, 3).expect("1 µs to 600 s with three digits")
}

/// Records a difference of two clocks of one machine; below zero counts as zero.
pub fn record(histogram: &mut Histogram<u64>, from_us: i64, to_us: i64) {
    histogram.saturating_record(u64::try_from(to_us - from_us).unwrap_or(0));
}
