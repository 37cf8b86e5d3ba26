//! Order clients: open loop (latency from the *intended* send time) and closed loop (the highest rate).
//!
//! Plain threads with blocking sockets: a pacing sleep is then good to some 60 µs, and a read is timed when the
//! kernel wakes its thread, not when a runtime comes round.

use super::lean::{self, Blocking};
use super::{histogram, record};
use hdrhistogram::Histogram;
use serde::Deserialize;
use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;
use tickgate_client::{Form, Message, NewOrder, Request, now_us};

/// What is traded: prices that rest nowhere near the market.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Instrument.
    pub symbol: String,
    /// Limit price, decimal text.
    pub price: String,
    /// Quantity, decimal text.
    pub qty: String,
}

/// What became of orders.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Distinct ids sent.
    pub sent: u64,
    /// Accepted: a report says so.
    pub acked: u64,
    /// Rejected by a report.
    pub rejected: u64,
    /// Refused by the gateway: not taken.
    pub refused: u64,
    /// Not answered.
    pub unknown: u64,
    /// Intended send time to the first report, µs.
    pub latency: Histogram<u64>,
    /// How late the sender was, µs.
    pub lateness: Histogram<u64>,
    /// From the first intended send to the last report, µs.
    pub span_us: u64,
}

impl Default for Outcome {
    fn default() -> Self {
        let (latency, lateness) = (histogram(), histogram());
        Self { sent: 0, acked: 0, rejected: 0, refused: 0, unknown: 0, latency, lateness, span_us: 0 }
    }
}

impl Outcome {
    /// Adds another client's.
    pub fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.acked += other.acked;
        self.rejected += other.rejected;
        self.refused += other.refused;
        self.unknown += other.unknown;
        // Same bounds: it cannot fail.
        let _ = self.latency.add(&other.latency);
        let _ = self.lateness.add(&other.lateness);
        self.span_us = self.span_us.max(other.span_us);
    }

    /// Orders answered in a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        let answered = self.acked + self.rejected;
        if self.span_us == 0 { 0.0 } else { answered as f64 * 1e6 / self.span_us as f64 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Sent,
    Accepted,
    Rejected,
    Refused,
}

/// The few fields of an answer that matter here.
#[derive(Deserialize)]
pub(super) struct Brief<'a> {
    pub(super) op: &'a str,
    #[serde(default, borrow)]
    pub(super) cl_ord_id: Option<&'a str>,
    #[serde(default, borrow)]
    exec_type: Option<&'a str>,
    #[serde(default, borrow)]
    outcome: Option<&'a str>,
}

/// Fates of the orders of one client, by their number.
struct Fates {
    prefix: String,
    fates: Vec<Fate>,
    outcome: Outcome,
    last_us: i64,
}

impl Fates {
    fn new(prefix: String) -> Self {
        Self { prefix, fates: Vec::new(), outcome: Outcome::default(), last_us: 0 }
    }

    /// Takes a message; returns the number of the order that it decided.
    fn take(&mut self, bytes: &[u8], at_us: i64) -> Option<(usize, bool)> {
        let brief: Brief<'_> = serde_json::from_slice(bytes).ok()?;
        let fate = match (brief.op, brief.exec_type, brief.outcome) {
            ("report", Some("rejected"), _) => Fate::Rejected,
            ("report", ..) => Fate::Accepted,
            ("error", ..) => Fate::Refused,
            _ => return None,
        };
        let number: usize = brief.cl_ord_id?.strip_prefix(&self.prefix)?.parse().ok()?;
        if self.fates.len() <= number {
            self.fates.resize(number + 1, Fate::Sent);
        }
        if self.fates[number] != Fate::Sent {
            return None;
        }
        self.fates[number] = fate;
        self.last_us = at_us;
        Some((number, fate != Fate::Refused))
    }

    fn finish(mut self, sent: u64, begun_us: i64) -> Outcome {
        let count = |fate| self.fates.iter().filter(|one| **one == fate).count() as u64;
        self.outcome.sent = sent;
        self.outcome.acked = count(Fate::Accepted);
        self.outcome.rejected = count(Fate::Rejected);
        self.outcome.refused = count(Fate::Refused);
        let decided = self.outcome.acked + self.outcome.rejected + self.outcome.refused;
        self.outcome.unknown = sent.saturating_sub(decided);
        self.outcome.span_us = u64::try_from(self.last_us - begun_us).unwrap_or(0);
        self.outcome
    }
}

/// A connection that has said hello for an account.
///
/// # Errors
/// When it is refused or there is no answer within 10 s.
pub fn logon(address: &str, account: &str) -> io::Result<Blocking> {
    let mut socket = Blocking::connect(address, Form::Compact)?;
    socket.send(&Request::Hello { id: 1, session: None, account: Some(account), token: None }.text())?;
    let (mut welcome, mut refused) = (false, None);
    while !welcome {
        let open = socket.read(Duration::from_secs(10), |bytes| match serde_json::from_slice(bytes) {
            Ok(Message::Welcome(_)) => welcome = true,
            Ok(Message::Error(error)) => refused = Some(error.message),
            _ => {}
        })?;
        if let Some(why) = refused.take() {
            return Err(io::Error::new(ErrorKind::PermissionDenied, why));
        }
        if !open {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(socket)
}

pub(super) fn put_order(out: &mut Vec<u8>, id: u64, cl_ord_id: &str, target: &Target) {
    let order = NewOrder {
        cl_ord_id,
        symbol: &target.symbol,
        side: "buy",
        ord_type: "limit",
        tif: "ioc",
        qty: &target.qty,
        price: Some(&target.price),
    };
    lean::put_frame(out, lean::TEXT, Request::OrderNew { id, order }.text().as_bytes());
}

/// A name that no earlier run has used.
fn prefix(account: &str) -> String {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    format!("{account}-{:x}-{run}-", now_us() / 1_000)
}

/// How long answers are waited for after the last order.
const DRAIN: Duration = Duration::from_secs(6);

/// Sends `rate` orders a second for a time, whatever the answers do. Blocks.
///
/// # Errors
/// When the account cannot log on or the socket ends while sending.
pub fn open_loop(
    address: &str,
    account: &str,
    target: &Target,
    rate: u32,
    time: Duration,
) -> io::Result<Outcome> {
    let mut socket = logon(address, account)?;
    let mut writer = socket.writer()?;
    let prefix = prefix(account);
    let step_us = 1e6 / f64::from(rate.max(1));
    let begun_us = now_us() + 10_000;
    let due = move |number: u64| {
        #[expect(clippy::cast_possible_truncation, reason = "whole microseconds of a run")]
        let offset = (number as f64 * step_us) as i64;
        begun_us + offset
    };
    let total = u64::from(rate) * u64::try_from(time.as_millis()).unwrap_or(0) / 1_000;
    let done = Arc::new(AtomicBool::new(false));
    let sender = {
        let (prefix, target, done) = (prefix.clone(), target.clone(), Arc::clone(&done));
        std::thread::spawn(move || {
            let mut lateness = histogram();
            let mut bytes = Vec::new();
            for number in 0..total {
                pause_until(due(number));
                record(&mut lateness, due(number), now_us());
                bytes.clear();
                put_order(&mut bytes, number, &format!("{prefix}{number}"), &target);
                if writer.write_all(&bytes).is_err() {
                    done.store(true, Ordering::Release);
                    return (number, lateness);
                }
            }
            done.store(true, Ordering::Release);
            (total, lateness)
        })
    };
    let mut fates = Fates::new(prefix);
    let mut decided = 0;
    let mut last_us = now_us();
    loop {
        let read = socket.read(Duration::from_millis(100), |bytes| {
            let at_us = now_us();
            last_us = at_us;
            if let Some((number, judged)) = fates.take(bytes, at_us) {
                decided += 1;
                if judged {
                    record(&mut fates.outcome.latency, due(number as u64), at_us);
                }
            }
        });
        match read {
            Ok(true) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Ok(false) | Err(_) => break,
        }
        let drained = now_us() - due(total) > i64::try_from(DRAIN.as_micros()).unwrap_or(0);
        if decided >= total || (done.load(Ordering::Acquire) && drained) {
            break;
        }
    }
    let (sent, lateness) = sender.join().map_err(|_| io::Error::other("the sender panicked"))?;
    let mut outcome = fates.finish(sent, begun_us);
    outcome.lateness = lateness;
    Ok(outcome)
}

fn pause_until(due_us: i64) {
    loop {
        let left = due_us - now_us();
        let Ok(left @ 1..) = u64::try_from(left) else { return };
        // May return early; the loop looks again.
        std::thread::park_timeout(Duration::from_micros(left));
    }
}

/// Keeps `window` orders in flight for a time. Blocks.
///
/// # Errors
/// When the account cannot log on or the socket ends.
pub fn closed_loop(
    address: &str,
    account: &str,
    target: &Target,
    window: usize,
    time: Duration,
) -> io::Result<Outcome> {
    let mut socket = logon(address, account)?;
    let mut writer = socket.writer()?;
    let mut fates = Fates::new(prefix(account));
    let begun_us = now_us();
    let end_us = begun_us + i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
    let (mut sent, mut decided) = (0_u64, 0_u64);
    let mut times: Vec<i64> = Vec::new();
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let now = now_us();
        while now < end_us && sent - decided < window as u64 {
            let id = format!("{}{sent}", fates.prefix);
            put_order(&mut bytes, sent, &id, target);
            times.push(now);
            sent += 1;
        }
        writer.write_all(&bytes)?;
        if decided == sent {
            break;
        }
        let read = socket.read(DRAIN, |bytes| {
            let at_us = now_us();
            if let Some((number, judged)) = fates.take(bytes, at_us) {
                decided += 1;
                if judged && let Some(sent_us) = times.get(number) {
                    record(&mut fates.outcome.latency, *sent_us, at_us);
                }
            }
        });
        match read {
            Ok(true) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
            Ok(false) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(fates.finish(sent, begun_us))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_counts_once_by_its_first_report() {
        let mut fates = Fates::new("c-".to_owned());
        let report = |id: &str, kind: &str| {
            format!(r#"{{"op":"report","seq":1,"block":1,"cl_ord_id":"{id}","exec_type":"{kind}"}}"#)
        };
        assert_eq!(fates.take(report("c-0", "new").as_bytes(), 5), Some((0, true)));
        assert_eq!(fates.take(report("c-0", "cancelled").as_bytes(), 6), None);
        assert_eq!(fates.take(report("c-2", "rejected").as_bytes(), 7), Some((2, true)));
        assert_eq!(fates.take(report("other-1", "new").as_bytes(), 8), None);
        let refusal = br#"{"op":"error","id":1,"code":"order_rate","cl_ord_id":"c-3"}"#;
        assert_eq!(fates.take(refusal, 9), Some((3, false)));
        let outcome = fates.finish(5, 0);
        assert_eq!((outcome.acked, outcome.rejected, outcome.refused, outcome.unknown), (1, 1, 1, 2));
    }
}
