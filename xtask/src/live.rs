//! One line of live figures from a gateway's `/metrics`.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::sys::now;

/// Fetches a path of a loopback server; `None` when it cannot answer now.
pub(crate) fn get(address: &str, path: &str) -> Option<String> {
    let wait = Duration::from_millis(800);
    let mut stream = TcpStream::connect_timeout(&address.parse().ok()?, wait).ok()?;
    stream.set_read_timeout(Some(wait)).ok()?;
    stream.set_write_timeout(Some(wait)).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut bytes = Vec::new();
    // A bounded read: metrics are some tens of kilobytes.
    Read::take(stream, 4 << 20).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n")?;
    head.lines().next()?.contains(" 200 ").then(|| body.to_owned())
}

/// Sums of every metric over its labels.
fn totals(text: &str) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, value)) = line.rsplit_once(' ') else { continue };
        let Ok(value) = value.parse::<f64>() else { continue };
        let name = name.split('{').next().unwrap_or(name).trim();
        *sums.entry(name.to_owned()).or_insert(0.0) += value;
    }
    sums
}

/// The bound of the bucket in which a share of a histogram's values lies; `None` without values.
fn percentile(text: &str, name: &str, share: f64) -> Option<f64> {
    let buckets: Vec<(f64, f64)> = text
        .lines()
        .filter_map(|line| {
            let (labels, value) = line.strip_prefix(name)?.rsplit_once(' ')?;
            let bound = labels.split("le=\"").nth(1)?.split('"').next()?;
            Some((bound.parse().ok()?, value.parse().ok()?))
        })
        .collect();
    let all = buckets.iter().map(|(_, count)| *count).fold(0.0, f64::max);
    let bound = buckets.iter().find(|(_, count)| all > 0.0 && *count >= all * share)?.0;
    bound.is_finite().then_some(bound)
}

/// The figures between two looks.
#[derive(Debug)]
pub(crate) struct Live {
    before: Option<(Instant, BTreeMap<String, f64>)>,
}

impl Live {
    /// Nothing seen yet.
    pub(crate) const fn new() -> Self {
        Self { before: None }
    }

    /// Looks once; a line when there is something to compare with.
    pub(crate) fn line(&mut self, address: &str) -> Option<String> {
        let text = get(address, "/metrics")?;
        let sums = totals(&text);
        let at = now();
        let before = self.before.replace((at, sums.clone()));
        let (then, old) = before?;
        let seconds = at.duration_since(then).as_secs_f64().max(0.001);
        let level = |name: &str| sums.get(name).copied();
        let rate = |name: &str| Some((level(name)? - old.get(name).copied().unwrap_or(0.0)) / seconds);
        if level("gw_clients") == Some(0.0) {
            return Some("no client yet: shards that nobody wants are not read".to_owned());
        }
        let mut parts = Vec::new();
        let mut add = |value: Option<f64>, digits: usize, unit: &str| {
            if let Some(value) = value {
                parts.push(format!("{value:.digits$} {unit}"));
            }
        };
        let events = rate("gw_ticks_received_total");
        add(events, 0, "ticks/s");
        add(level("gw_clients"), 0, "clients");
        add(rate("gw_frames_sent_total"), 0, "frames/s");
        add(rate("gw_frame_bytes_total").map(|bytes| bytes / 1024.0), 0, "kB/s");
        let encoded = rate("gw_encodes_total").filter(|encoded| *encoded > 0.0);
        add(events.zip(encoded).map(|(events, encoded)| events / encoded), 1, "ticks a record");
        add(level("gw_bus_lost_total"), 0, "lost");
        add(level("gw_orders_total"), 0, "orders");
        if let Some(bound) = percentile(&text, "gw_order_ack_seconds_bucket", 0.99) {
            parts.push(format!("order p99 ≤ {} ms", bound * 1_000.0));
        }
        Some(parts.join(" · "))
    }
}

#[cfg(test)]
mod tests {
    use super::{percentile, totals};

    #[test]
    fn metrics_are_summed_over_labels() {
        let sums = totals("# HELP a b\na_total{x=\"1\"} 2\na_total{x=\"2\"} 3.5\nb 7\n");
        assert_eq!(sums.get("a_total"), Some(&5.5));
        assert_eq!(sums.get("b"), Some(&7.0));
    }

    #[test]
    fn a_percentile_is_the_bound_of_its_bucket() {
        let text = "h_bucket{le=\"0.001\"} 90\nh_bucket{le=\"0.01\"} 99\nh_bucket{le=\"+Inf\"} 100\n";
        assert_eq!(percentile(text, "h_bucket", 0.5), Some(0.001));
        assert_eq!(percentile(text, "h_bucket", 0.99), Some(0.01));
        assert_eq!(percentile(text, "h_bucket", 0.999), None);
        assert_eq!(percentile("", "h_bucket", 0.5), None);
    }
}
