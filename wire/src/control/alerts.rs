//! Alerts as JSON text. Levels and prices are decimal strings, exact.

use crate::alert::{self, Alert, AlertReport, AlertState};
use crate::num;
use crate::order::Outcome;
use serde::Serialize;

/// What an alert waits for, as it is written in a request and in answers.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Condition {
    /// `bid`, `ask`, `last`, `spread` or `stale`.
    pub on: &'static str,
    /// `up` or `down`, with a price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crosses: Option<&'static str>,
    /// With a price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// With `spread`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub above_ticks: Option<u32>,
    /// With `stale`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longer_than_ms: Option<u32>,
}

impl Condition {
    /// Of a condition.
    #[must_use]
    pub fn new(condition: &alert::Condition) -> Self {
        let none = Self { on: "", crosses: None, level: None, above_ticks: None, longer_than_ms: None };
        match condition {
            alert::Condition::Crosses { source, direction, level } => Self {
                on: source.word(),
                crosses: Some(direction.word()),
                level: Some(level.to_string()),
                ..none
            },
            alert::Condition::Spread { above_ticks } => {
                Self { on: "spread", above_ticks: Some(*above_ticks), ..none }
            }
            alert::Condition::Stale { longer_than_ms } => {
                Self { on: "stale", longer_than_ms: Some(*longer_than_ms), ..none }
            }
        }
    }
}

/// Fields of an alert's state, the same in `alert`, `alert.reply` and `alerts`.
#[derive(Debug, Clone, Serialize)]
pub struct AlertText<'a> {
    /// Its id.
    pub cl_alert_id: &'a str,
    /// `standing`, `fired`, `cancelled`, `expired` or `burned`.
    pub state: &'static str,
    /// Instrument; none when it never was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symbol: Option<&'a str>,
    /// What it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
    /// When it expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_us: Option<i64>,
    /// As it was written; none when empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<&'a str>,
    /// What was seen when it fired: a price, ticks or milliseconds, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<String>,
    /// When this was decided.
    pub ts_us: i64,
}

impl<'a> AlertText<'a> {
    /// Of a report.
    #[must_use]
    pub fn new(report: &'a AlertReport) -> Self {
        let alert = report.alert.as_ref();
        let seen = alert.filter(|_| report.state == AlertState::Fired).map(|alert| seen(alert, report.seen));
        Self {
            cl_alert_id: report.cl_alert_id.as_str(),
            state: report.state.word(),
            symbol: alert.map(|alert| alert.symbol.as_str()),
            condition: alert.map(|alert| Condition::new(&alert.condition)),
            expires_us: alert.and_then(|alert| alert.expires_us),
            note: alert.map(|alert| alert.note.as_str()).filter(|note| !note.is_empty()),
            seen,
            ts_us: report.ts_us,
        }
    }
}

fn seen(alert: &Alert, seen: i64) -> String {
    match alert.condition {
        alert::Condition::Crosses { level, .. } => num::text(seen, level.exponent),
        _ => seen.to_string(),
    }
}

/// `alert`: one change of an alert, from the log.
#[derive(Debug, Clone, Serialize)]
pub struct AlertTold<'a> {
    /// Number among the account's reports, those of orders included.
    pub seq: u64,
    /// Block that holds it.
    pub block: u64,
    /// The alert after it.
    #[serde(flatten)]
    pub state: AlertText<'a>,
}

impl<'a> AlertTold<'a> {
    /// Of a report whose `block` is set.
    #[must_use]
    pub fn new(report: &'a AlertReport) -> Self {
        Self { seq: report.report_seq, block: report.block, state: AlertText::new(report) }
    }
}

/// `alert.reply`: how a request ended.
#[derive(Debug, Clone, Serialize)]
pub struct AlertReplied<'a> {
    /// Echo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// Id that the request named.
    pub cl_alert_id: &'a str,
    /// `stored`, `known`, or, where the writer did not answer in time, `unknown`.
    pub outcome: &'static str,
    /// The report that decided it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report_seq: Option<u64>,
    /// Its block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block: Option<u64>,
    /// The alert, where the writer stated it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert: Option<AlertText<'a>>,
}

impl<'a> AlertReplied<'a> {
    /// What the writer decided.
    #[must_use]
    pub fn decided(id: Option<u64>, outcome: Outcome, report: &'a AlertReport) -> Self {
        Self {
            id,
            cl_alert_id: report.cl_alert_id.as_str(),
            outcome: outcome.word(),
            report_seq: Some(report.report_seq),
            block: Some(report.block),
            alert: Some(AlertText::new(report)),
        }
    }

    /// No answer came.
    #[must_use]
    pub const fn unknown(id: Option<u64>, cl_alert_id: &'a str) -> Self {
        Self { id, cl_alert_id, outcome: Outcome::Unknown.word(), report_seq: None, block: None, alert: None }
    }
}

/// `alerts`: the account's standing alerts; one part.
#[derive(Debug, Clone, Serialize)]
pub struct Alerts<'a> {
    /// Echo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// Last block that the list reflects.
    pub block: u64,
    /// Last report of the account that it reflects.
    pub report_seq: u64,
    /// Oldest first.
    pub alerts: Vec<AlertText<'a>>,
    /// Whether another part follows.
    pub more: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{Direction, Source};
    use crate::control::reply::text;

    #[test]
    fn an_alert_that_fired_is_told_in_exact_decimals() {
        let alert = Alert {
            symbol: "BTCUSDT.BINANCE".parse().unwrap(),
            condition: alert::Condition::Crosses {
                source: Source::Bid,
                direction: Direction::Up,
                level: "61000.10".parse().unwrap(),
            },
            expires_us: Some(9),
            note: "top \"é\"".to_owned(),
        };
        let report = AlertReport {
            account: "A1".parse().unwrap(),
            report_seq: 42,
            block: 9_018,
            cl_alert_id: "a-1".parse().unwrap(),
            state: AlertState::Fired,
            alert: Some(alert),
            seen: 6_100_020,
            ts_us: 5,
        };
        assert_eq!(
            text("alert", &AlertTold::new(&report)),
            r#"{"op":"alert","seq":42,"block":9018,"cl_alert_id":"a-1","state":"fired","symbol":"BTCUSDT.BINANCE","condition":{"on":"bid","crosses":"up","level":"61000.10"},"expires_us":9,"note":"top \"é\"","seen":"61000.20","ts_us":5}"#
        );
        assert_eq!(
            text("alert.reply", &AlertReplied::unknown(Some(1), "a-1")),
            r#"{"op":"alert.reply","id":1,"cl_alert_id":"a-1","outcome":"unknown"}"#
        );
    }
}
