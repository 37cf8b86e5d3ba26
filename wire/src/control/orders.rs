//! Orders and reports as JSON text. Quantities and prices are decimal strings, exact.

use crate::num;
use crate::order::{ClOrdId, ExecutionReport, Outcome};
use serde::Serialize;

/// Fields of an order's state, the same in `report`, `order.reply` and `orders`.
#[derive(Debug, Clone, Serialize)]
pub struct OrderState<'a> {
    /// Client's id of the act, or the order's latest.
    pub cl_ord_id: &'a str,
    /// The id that a cancel or replace named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orig_cl_ord_id: Option<&'a str>,
    /// Venue's id; none when no order exists.
    pub order_id: Option<String>,
    /// Why now.
    pub exec_type: &'static str,
    /// State.
    pub ord_status: &'static str,
    /// Instrument and terms; none when no order exists.
    #[serde(flatten)]
    pub terms: Option<Terms<'a>>,
    /// Why refused or cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// When it was decided.
    pub ts_us: i64,
}

/// Terms and quantities of an order that exists.
#[derive(Debug, Clone, Serialize)]
pub struct Terms<'a> {
    /// Instrument.
    pub symbol: &'a str,
    /// Side.
    pub side: &'static str,
    /// Type.
    #[serde(rename = "type")]
    pub ord_type: &'static str,
    /// Time in force.
    pub tif: &'static str,
    /// Total quantity.
    pub qty: String,
    /// Limit price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<String>,
    /// Quantity of this fill.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_qty: Option<String>,
    /// Price of this fill.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_price: Option<String>,
    /// Still open.
    pub leaves_qty: String,
    /// Filled so far.
    pub cum_qty: String,
    /// Average price of all fills.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avg_price: Option<String>,
}

impl<'a> OrderState<'a> {
    /// Of a report.
    #[must_use]
    pub fn new(report: &'a ExecutionReport) -> Self {
        let terms = report.terms.as_ref().map(|terms| {
            let price = |mantissa| num::text(mantissa, terms.price_exponent);
            let qty = |mantissa| short(num::text(mantissa, terms.qty_exponent));
            let filled = report.last_qty != 0;
            Terms {
                symbol: terms.symbol.as_str(),
                side: terms.side.word(),
                ord_type: terms.ord_type.word(),
                tif: terms.tif.word(),
                qty: qty(terms.qty),
                price: terms.price.map(price),
                last_qty: filled.then(|| qty(report.last_qty)),
                last_price: filled.then(|| price(report.last_price)),
                leaves_qty: qty(report.leaves_qty),
                cum_qty: qty(report.cum_qty),
                avg_price: report.avg_price().map(|average| average.to_string()),
            }
        });
        Self {
            cl_ord_id: report.cl_ord_id.as_str(),
            orig_cl_ord_id: report.orig_cl_ord_id.as_ref().map(ClOrdId::as_str),
            order_id: (report.order_id.number != 0).then(|| report.order_id.to_string()),
            exec_type: report.exec_type.word(),
            ord_status: report.ord_status.word(),
            terms,
            reason: report.reason.map(crate::order::Reason::word),
            ts_us: report.ts_us,
        }
    }
}

/// A quantity without the zeros that its exponent appends.
fn short(mut text: String) -> String {
    if text.contains('.') {
        let kept = text.trim_end_matches('0').trim_end_matches('.').len();
        text.truncate(kept);
    }
    text
}

/// `report`: one execution report from the log.
#[derive(Debug, Clone, Serialize)]
pub struct Report<'a> {
    /// Number among the account's reports.
    pub seq: u64,
    /// Block that holds it.
    pub block: u64,
    /// The order after it.
    #[serde(flatten)]
    pub state: OrderState<'a>,
}

impl<'a> Report<'a> {
    /// Of a report whose `block` is set.
    #[must_use]
    pub fn new(report: &'a ExecutionReport) -> Self {
        Self { seq: report.report_seq, block: report.block, state: OrderState::new(report) }
    }
}

/// `order.reply`: how a request ended.
#[derive(Debug, Clone, Serialize)]
pub struct Reply<'a> {
    /// Echo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// Id that the request bore.
    pub cl_ord_id: &'a str,
    /// `stored`, `known`, `rejected`, `unknown`, or, to `order.status`, `not_known`.
    pub outcome: &'static str,
    /// The report that decided it, or the account's last one that the state reflects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report_seq: Option<u64>,
    /// Its block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block: Option<u64>,
    /// The order, where the writer stated it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderState<'a>>,
}

impl<'a> Reply<'a> {
    /// What the writer decided.
    #[must_use]
    pub fn decided(
        id: Option<u64>,
        cl_ord_id: &'a str,
        outcome: Outcome,
        report: &'a ExecutionReport,
    ) -> Self {
        Self {
            id,
            cl_ord_id,
            outcome: outcome.word(),
            report_seq: Some(report.report_seq),
            block: Some(report.block),
            order: Some(OrderState::new(report)),
        }
    }

    /// No answer came, or the id is not there now.
    #[must_use]
    pub const fn undecided(id: Option<u64>, cl_ord_id: &'a str, outcome: &'static str) -> Self {
        Self { id, cl_ord_id, outcome, report_seq: None, block: None, order: None }
    }
}

/// `orders`: the account's open orders; one part.
#[derive(Debug, Clone, Serialize)]
pub struct Orders<'a> {
    /// Echo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// Last block that the list reflects.
    pub block: u64,
    /// Last report of the account that it reflects.
    pub report_seq: u64,
    /// Oldest first.
    pub orders: Vec<OrderState<'a>>,
    /// Whether another part follows.
    pub more: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::reply::text;
    use crate::order::{AccountId, ExecType, OrdStatus, OrdType, OrderId, Side, Symbol, TimeInForce};

    #[test]
    fn a_fill_is_told_in_exact_decimals() {
        let terms = crate::order::Terms {
            symbol: Symbol::new("BTCUSDT.BINANCE").unwrap(),
            side: Side::Buy,
            ord_type: OrdType::Limit,
            tif: TimeInForce::Gtc,
            price_exponent: -2,
            qty_exponent: -5,
            qty: 50_000,
            price: Some(6_100_010),
        };
        let report = ExecutionReport {
            account: AccountId::new("A1").unwrap(),
            report_seq: 42,
            block: 9_018,
            order_id: OrderId { partition: 0, number: 7 },
            cl_ord_id: ClOrdId::new("c-1").unwrap(),
            orig_cl_ord_id: None,
            exec_type: ExecType::Trade,
            ord_status: OrdStatus::PartiallyFilled,
            terms: Some(terms),
            last_qty: 20_000,
            last_price: 6_100_000,
            leaves_qty: 30_000,
            cum_qty: 20_000,
            cum_notional: 20_000 * 6_100_000,
            reason: None,
            ts_us: 5,
        };
        assert_eq!(
            text("report", &Report::new(&report)),
            r#"{"op":"report","seq":42,"block":9018,"cl_ord_id":"c-1","order_id":"0-7","exec_type":"trade","ord_status":"partially_filled","symbol":"BTCUSDT.BINANCE","side":"buy","type":"limit","tif":"gtc","qty":"0.5","price":"61000.10","last_qty":"0.2","last_price":"61000.00","leaves_qty":"0.3","cum_qty":"0.2","avg_price":"61000","ts_us":5}"#
        );
        assert_eq!(
            text("order.reply", &Reply::undecided(Some(1), "c-1", "unknown")),
            r#"{"op":"order.reply","id":1,"cl_ord_id":"c-1","outcome":"unknown"}"#
        );
    }
}
