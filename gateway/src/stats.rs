//! What a session's market data took from hop to hop, for a session that asks: deliberate wait and real delay apart
//! (promise P10). Pure.
//!
//! It costs a session that does not ask nothing but a pointer.

use crate::flush::Flush;
use crate::last_value::Table;
use crate::offer::Wanted;
use hdrhistogram::Histogram;
use serde::Serialize;

/// Sessions of a gateway that may ask at a time: each holds 40 KiB of histograms.
pub const STATS_SESSIONS_MAX: usize = 256;

/// Longest time told, µs; what took longer counts as this.
const LONGEST_US: u64 = 60_000_000;

/// A report may come so much early: sessions are looked at once a second, each at its own moment.
const EARLY_US: i64 = 100_000;

/// The hops of a record, each from one stamp to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hop {
    /// Publisher's due time to the gateway's receipt; holds the two clocks' difference.
    Feed = 0,
    /// Publisher's send time to the gateway's receipt; holds the two clocks' difference.
    Bus = 1,
    /// Receipt to flush: the wait that the interval asks for.
    Wait = 2,
    /// Flush to the write into this session's socket.
    Send = 3,
}

/// One session's counts and times since the last report.
#[derive(Debug)]
pub struct SessionStats {
    /// Time between reports, µs.
    every_us: i64,
    since_us: i64,
    frames: u64,
    records: u64,
    bytes: u64,
    catch_ups: u64,
    hops: [Histogram<u32>; 4],
}

/// Percentiles of a hop, µs; all null where nothing was counted.
#[derive(Debug, Serialize)]
struct Times {
    n: u64,
    p50: Option<u64>,
    p90: Option<u64>,
    p99: Option<u64>,
    max: Option<u64>,
}

/// `stats`.
#[derive(Debug, Serialize)]
pub struct Report {
    period_us: i64,
    frames: u64,
    records: u64,
    bytes: u64,
    catch_ups: u64,
    backlog: usize,
    feed_us: Times,
    bus_us: Times,
    wait_us: Times,
    send_us: Times,
}

impl SessionStats {
    /// Counts from now on, to be reported every `every_us`. `None` = the histograms could not be made.
    #[must_use]
    pub fn new(every_us: i64, now_us: i64) -> Option<Self> {
        let histogram = || Histogram::new_with_bounds(1, LONGEST_US, 2).ok();
        let hops = [histogram()?, histogram()?, histogram()?, histogram()?];
        Some(Self { every_us, since_us: now_us, frames: 0, records: 0, bytes: 0, catch_ups: 0, hops })
    }

    /// A record took this long over a hop. A time below 0 (clocks that differ) counts as 0.
    pub fn took(&mut self, hop: Hop, us: i64) {
        self.hops[hop as usize].saturating_record(u64::try_from(us).unwrap_or(0).min(LONGEST_US));
    }

    /// These symbols of a flush were written at `sent_us`.
    pub fn delivered(&mut self, wanted: &[Wanted], flush: &Flush, table: &Table, sent_us: i64) {
        self.took(Hop::Send, sent_us - flush.time_us);
        for symbol in wanted {
            let mut told = false;
            for (ts_event, ts_recv) in symbol.times(flush) {
                told = true;
                self.took(Hop::Feed, (ts_recv - ts_event) / 1_000);
                self.took(Hop::Wait, flush.time_us - ts_recv / 1_000);
            }
            if !told {
                continue; // a book, bars or a status: what they waited for is not one event
            }
            if let Some(row) = table.row(symbol.id()).filter(|row| row.ts_publish > 0) {
                self.took(Hop::Bus, row.changed_us - row.ts_publish / 1_000);
            }
        }
    }

    /// A group of market data went into the socket.
    pub fn wrote(&mut self, frames: u32, records: u64, bytes: u64, catch_up: bool) {
        self.frames += u64::from(frames);
        self.records += records;
        self.bytes += bytes;
        self.catch_ups += u64::from(catch_up);
    }

    /// Whether a report is due.
    #[must_use]
    pub fn is_due(&self, now_us: i64) -> bool {
        now_us - self.since_us >= self.every_us - EARLY_US
    }

    /// What came since the last report; counting begins anew. `backlog` = symbols that are owed now.
    pub fn report(&mut self, backlog: usize, now_us: i64) -> Report {
        let [feed_us, bus_us, wait_us, send_us] = self.hops.each_ref().map(times);
        let report = Report {
            period_us: now_us - self.since_us,
            frames: self.frames,
            records: self.records,
            bytes: self.bytes,
            catch_ups: self.catch_ups,
            backlog,
            feed_us,
            bus_us,
            wait_us,
            send_us,
        };
        (self.frames, self.records, self.bytes, self.catch_ups) = (0, 0, 0, 0);
        self.hops.iter_mut().for_each(Histogram::reset);
        self.since_us = now_us;
        report
    }
}

fn times(hop: &Histogram<u32>) -> Times {
    let n = hop.len();
    let at = |quantile: f64| (n > 0).then(|| hop.value_at_quantile(quantile));
    Times { n, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: (n > 0).then(|| hop.max()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::control::reply::text;

    #[test]
    fn a_report_tells_the_hops_apart_and_begins_anew() {
        let mut stats = SessionStats::new(1_000_000, 5).unwrap();
        for us in 1..=100 {
            stats.took(Hop::Wait, us * 100);
        }
        stats.took(Hop::Send, -3);
        stats.took(Hop::Bus, i64::MAX);
        stats.wrote(2, 9, 400, true);
        assert!(!stats.is_due(900_004) && stats.is_due(900_005));
        let told: serde_json::Value =
            serde_json::from_str(&text("stats", &stats.report(3, 1_000_005))).unwrap();
        let p50 = told["wait_us"]["p50"].as_u64().unwrap();
        assert!((4_950..=5_050).contains(&p50), "{p50}");
        assert_eq!(told["feed_us"], serde_json::json!({"n":0,"p50":null,"p90":null,"p99":null,"max":null}));
        assert_eq!(told["send_us"]["max"], 0);
        assert!(told["bus_us"]["max"].as_u64().unwrap() >= LONGEST_US);
        assert_eq!(
            (&told["backlog"], &told["bytes"], &told["period_us"]),
            (&3.into(), &400.into(), &1_000_000.into())
        );
        let next: serde_json::Value =
            serde_json::from_str(&text("stats", &stats.report(0, 1_000_006))).unwrap();
        assert_eq!((&next["wait_us"]["n"], &next["frames"]), (&0.into(), &0.into()));
    }
}
