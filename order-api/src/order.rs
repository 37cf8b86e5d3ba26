//! One open order and its transitions. Pure; called by `state` (to apply) and `decide` (to foresee).
//!
//! ```text
//!            ┌── fill (part) ──┐
//! accept ─► New ──────────► PartiallyFilled ── fill (part) ─┐
//!   │        │ fill (rest)     │ fill (rest)    ◄───────────┘
//!   │        ├─► Filled ◄──────┤
//!   │        └─► Cancelled ◄───┘          replace: New ─► New, PartiallyFilled ─► PartiallyFilled
//!   └─► Rejected (never an `Order`)
//! ```
//!
//! Filled, Cancelled and Rejected are final: the row is gone, so that no transition can be asked of it.

use crate::mutants::broken;
use wire::MANTISSA_MAX;
use wire::order::{ClOrdId, ExecType, ExecutionReport, OrdStatus, OrderId, Terms};

/// An open order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// Number within the partition.
    pub number: u64,
    /// Position of its account in the state.
    pub account: u32,
    /// Position of its book in the state.
    pub book: u32,
    /// Latest id of its chain.
    pub cl_ord_id: ClOrdId,
    /// What it is; quantity and price are the present ones.
    pub terms: Terms,
    /// Filled so far.
    pub cum_qty: i64,
    /// Sum of price × quantity over its fills.
    pub cum_notional: u128,
    /// Place in time: lower trades first at the same price.
    pub priority: u64,
    /// Its account's number of its last report.
    pub report_seq: u64,
    /// Block of its last report.
    pub block: u64,
}

/// A transition that the state machine does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// A fill of nothing or of more than is open.
    #[error("fill of {qty} with {leaves} open")]
    Fill {
        /// Asked.
        qty: i64,
        /// Open.
        leaves: i64,
    },
    /// A replace to a quantity that is filled already.
    #[error("replace to {qty} with {cum} filled")]
    Replace {
        /// Asked.
        qty: i64,
        /// Filled.
        cum: i64,
    },
    /// A price for an order that has none, or the reverse.
    #[error("replace gives or takes the price")]
    Price,
}

impl Order {
    /// Still open.
    #[must_use]
    pub const fn leaves_qty(&self) -> i64 {
        self.terms.qty - self.cum_qty
    }

    /// State.
    #[must_use]
    pub const fn status(&self) -> OrdStatus {
        if self.cum_qty == 0 {
            OrdStatus::New
        } else if self.leaves_qty() > 0 {
            OrdStatus::PartiallyFilled
        } else {
            OrdStatus::Filled
        }
    }

    /// A fill; at [`OrdStatus::Filled`] the order is done.
    ///
    /// # Errors
    /// [`Forbidden::Fill`].
    pub fn fill(&mut self, qty: i64, price: i64) -> Result<OrdStatus, Forbidden> {
        let leaves = self.leaves_qty();
        if qty <= 0 || qty > leaves {
            return Err(Forbidden::Fill { qty, leaves });
        }
        self.cum_qty += qty;
        self.cum_notional += u128::from(price.unsigned_abs()) * u128::from(qty.unsigned_abs());
        Ok(self.status())
    }

    /// Another total quantity and price. A lower or equal quantity at the same price keeps the place in time.
    ///
    /// # Errors
    /// [`Forbidden::Replace`], [`Forbidden::Price`].
    pub fn replace(
        &mut self,
        cl_ord_id: ClOrdId,
        qty: i64,
        price: Option<i64>,
        priority: u64,
    ) -> Result<(), Forbidden> {
        if qty <= self.cum_qty || qty > MANTISSA_MAX {
            return Err(Forbidden::Replace { qty, cum: self.cum_qty });
        }
        if price.is_some() != self.terms.price.is_some() {
            return Err(Forbidden::Price);
        }
        (self.cl_ord_id, self.priority) = (cl_ord_id, priority);
        (self.terms.qty, self.terms.price) = (qty, price);
        Ok(())
    }

    /// Whether a replace to these keeps the order's place in time.
    #[must_use]
    pub fn keeps_priority(&self, qty: i64, price: Option<i64>) -> bool {
        broken("replace_loses_place") || (price == self.terms.price && qty <= self.terms.qty)
    }

    /// What a report says of this order as it is now; account, sequence and time are the caller's.
    #[must_use]
    pub fn report(
        &self,
        base: &ExecutionReport,
        exec_type: ExecType,
        ord_status: OrdStatus,
    ) -> ExecutionReport {
        ExecutionReport {
            order_id: OrderId { number: self.number, ..base.order_id },
            exec_type,
            ord_status,
            terms: Some(self.terms),
            leaves_qty: if ord_status.is_open() { self.leaves_qty() } else { 0 },
            cum_qty: self.cum_qty,
            cum_notional: self.cum_notional,
            ..*base
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::order::{OrdType, Side, TimeInForce};

    fn order(qty: i64, cum: i64) -> Order {
        let terms = Terms {
            symbol: "A.X".parse().unwrap(),
            side: Side::Buy,
            ord_type: OrdType::Limit,
            tif: TimeInForce::Gtc,
            price_exponent: -2,
            qty_exponent: 0,
            qty,
            price: Some(100),
        };
        let cum_notional = u128::from(cum.unsigned_abs()) * 100;
        let cl_ord_id = "c-1".parse().unwrap();
        Order {
            number: 1,
            account: 0,
            book: 0,
            cl_ord_id,
            terms,
            cum_qty: cum,
            cum_notional,
            priority: 1,
            report_seq: 1,
            block: 1,
        }
    }

    #[test]
    fn every_transition_leads_where_the_table_says() {
        let fills = [
            (0, 3, Ok(OrdStatus::PartiallyFilled)),
            (0, 10, Ok(OrdStatus::Filled)),
            (4, 1, Ok(OrdStatus::PartiallyFilled)),
            (4, 6, Ok(OrdStatus::Filled)),
            (0, 0, Err(Forbidden::Fill { qty: 0, leaves: 10 })),
            (0, -1, Err(Forbidden::Fill { qty: -1, leaves: 10 })),
            (0, 11, Err(Forbidden::Fill { qty: 11, leaves: 10 })),
            (4, 7, Err(Forbidden::Fill { qty: 7, leaves: 6 })),
            (10, 1, Err(Forbidden::Fill { qty: 1, leaves: 0 })),
        ];
        for (cum, qty, expected) in fills {
            let mut after = order(10, cum);
            assert_eq!(after.fill(qty, 100), expected, "{cum} + {qty}");
            let moved = if expected.is_ok() { qty } else { 0 };
            assert_eq!((after.cum_qty, after.leaves_qty()), (cum + moved, 10 - cum - moved));
            assert_eq!(after.cum_notional, u128::from((cum + moved).unsigned_abs()) * 100);
        }
        assert_eq!(order(10, 0).status(), OrdStatus::New);
    }

    #[test]
    fn a_replace_keeps_state_and_never_goes_below_what_is_filled() {
        let id: ClOrdId = "c-2".parse().unwrap();
        for (cum, qty, price, expected) in [
            (0, 5, Some(100), Ok(())),
            (4, 5, Some(90), Ok(())),
            (4, 4, Some(100), Err(Forbidden::Replace { qty: 4, cum: 4 })),
            (4, 3, Some(100), Err(Forbidden::Replace { qty: 3, cum: 4 })),
            (0, 0, Some(100), Err(Forbidden::Replace { qty: 0, cum: 0 })),
            (0, 5, None, Err(Forbidden::Price)),
        ] {
            let (before, mut after) = (order(10, cum), order(10, cum));
            assert_eq!(after.replace(id, qty, price, 9), expected);
            if expected.is_err() {
                assert_eq!(after, before, "a refused replace changes nothing");
            } else {
                assert_eq!((after.status(), after.cl_ord_id, after.priority), (before.status(), id, 9));
            }
        }
    }

    #[test]
    fn only_less_at_the_same_price_keeps_the_place_in_time() {
        let order = order(10, 2);
        assert!(order.keeps_priority(10, Some(100)) && order.keeps_priority(3, Some(100)));
        assert!(!order.keeps_priority(11, Some(100)) && !order.keeps_priority(5, Some(101)));
    }
}
