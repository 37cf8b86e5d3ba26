//! The three acts of a client on orders: new, cancel, replace.

use super::Core;
use crate::market::{Displayed, View};
use crate::mutants::broken;
use crate::order::Order;
use crate::risk;
use crate::state::{Account, FoldError, Place};
use crate::venue::{self, Incoming, Maker, Plan, Stop};
use wire::block::Effect;
use wire::num::Number;
use wire::order::{
    AccountId, ClOrdId, ExecType, ExecutionReport, NewOrder, OrdStatus, OrdType, OrderId, Reason, Terms,
    TimeInForce,
};

/// What a replace asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change {
    pub(super) cl_ord_id: ClOrdId,
    pub(super) qty: Number,
    pub(super) price: Option<Number>,
}

impl Core {
    pub(super) fn new_order(
        &mut self,
        account: &AccountId,
        order: &NewOrder,
        expired: bool,
        now_us: i64,
    ) -> Result<(), FoldError> {
        let view = self.market.view(&order.symbol, now_us);
        let planned = self.check(account, order, view.as_ref(), expired).and_then(|terms| {
            let incoming = Incoming { side: terms.side, limit: terms.price, qty: terms.qty };
            let plan = self.plan(account, &terms, incoming, view.as_ref());
            // What is filled whole or not at all cannot be cut at the bound.
            let too_long = terms.tif == TimeInForce::Fok && plan.stop == Stop::Bound;
            if too_long { Err(Reason::EffectsBound) } else { Ok((terms, plan)) }
        });
        let base = self.base(account, order.cl_ord_id, None, now_us);
        let (terms, plan) = match planned {
            Ok(planned) => planned,
            Err(reason) => {
                let terms = Some(as_written(order));
                return self.emit(Effect::Rejected {
                    report: ExecutionReport { terms, reason: Some(reason), ..base },
                });
            }
        };
        let (number, priority) = (self.state.next_order(), self.state.next_priority());
        let report = ExecutionReport {
            order_id: OrderId { number, ..base.order_id },
            exec_type: ExecType::New,
            ord_status: OrdStatus::New,
            terms: Some(terms),
            leaves_qty: terms.qty,
            ..base
        };
        self.emit(Effect::OrderAccepted { report, priority })?;
        let whole = plan.qty == terms.qty || broken("fok_whole_or_nothing");
        if terms.tif == TimeInForce::Fok && !whole {
            return self.cancel_rest(number, None, Reason::FokUnfilled, now_us);
        }
        self.trade(number, &plan, view.as_ref(), now_us)?;
        let rest = match plan.stop {
            Stop::Filled => None,
            Stop::SelfTrade => Some(Reason::SelfTrade),
            Stop::Bound => Some(Reason::EffectsBound),
            Stop::Exhausted if terms.ord_type == OrdType::Market => Some(Reason::NoLiquidity),
            Stop::Exhausted if terms.tif == TimeInForce::Ioc => Some(Reason::IocRest),
            Stop::Exhausted => {
                self.look_again(view.as_ref());
                None
            }
        };
        rest.map_or(Ok(()), |reason| self.cancel_rest(number, None, reason, now_us))
    }

    fn check(
        &self,
        account: &AccountId,
        order: &NewOrder,
        view: Option<&View>,
        expired: bool,
    ) -> Result<Terms, Reason> {
        if expired {
            return Err(Reason::Expired);
        }
        let terms = risk::check_new(order, view, &self.limits)?;
        let exponents = (terms.price_exponent, terms.qty_exponent);
        if self.state.book(&terms.symbol).is_some_and(|book| !book.accepts(exponents)) {
            return Err(Reason::InstrumentChanged);
        }
        let may_rest =
            terms.ord_type == OrdType::Limit && matches!(terms.tif, TimeInForce::Day | TimeInForce::Gtc);
        let open = self.state.account(account).map_or(0, |account: &Account| account.open().len());
        if may_rest && open >= self.limits.open_orders_max {
            return Err(Reason::TooManyOpenOrders);
        }
        Ok(terms)
    }

    fn plan(&self, account: &AccountId, terms: &Terms, incoming: Incoming, view: Option<&View>) -> Plan {
        let nothing = Displayed::default();
        let quote = view.map_or(nothing, |view| view.opposite(terms.side));
        venue::plan(incoming, self.state.book(&terms.symbol), quote, |number| {
            self.state.order(number).map_or((0, true), |order| {
                (order.leaves_qty(), self.state.account_of(order).id() == *account)
            })
        })
    }

    fn trade(&mut self, number: u64, plan: &Plan, view: Option<&View>, now_us: i64) -> Result<(), FoldError> {
        let side = self.state.order(number).map(|order| order.terms.side);
        for fill in &plan.fills {
            let match_id = self.state.next_match();
            self.execute(number, fill.qty, fill.price, match_id, now_us)?;
            match (fill.maker, view, side) {
                (Maker::Order(maker), ..) => self.execute(maker, fill.qty, fill.price, match_id, now_us)?,
                (Maker::Quote, Some(view), Some(side)) => self.market.take(view.row, side, fill.qty),
                (Maker::Quote, ..) => {}
            }
        }
        Ok(())
    }

    /// What rests now may be reached by a quote that was not proven current when the order came.
    fn look_again(&mut self, view: Option<&View>) {
        if let Some(view) = view {
            self.market.mark(view.row);
        }
    }

    pub(super) fn cancel(
        &mut self,
        account: &AccountId,
        cl_ord_id: ClOrdId,
        orig: ClOrdId,
        expired: bool,
        now_us: i64,
    ) -> Result<(), FoldError> {
        match self.target(account, &orig) {
            Ok(order) if !expired => {
                self.cancel_rest(order.number, Some(cl_ord_id), Reason::ByClient, now_us)
            }
            target => {
                let (order, reason) =
                    target.map_or_else(|reason| (None, reason), |order| (Some(order), Reason::Expired));
                self.refuse(account, cl_ord_id, orig, order.as_ref(), reason, now_us)
            }
        }
    }

    pub(super) fn replace(
        &mut self,
        account: &AccountId,
        orig: ClOrdId,
        change: Change,
        expired: bool,
        now_us: i64,
    ) -> Result<(), FoldError> {
        let order = match self.target(account, &orig) {
            Ok(order) => order,
            Err(reason) => return self.refuse(account, change.cl_ord_id, orig, None, reason, now_us),
        };
        let view = self.market.view(&order.terms.symbol, now_us);
        let (qty, price) = match self.check_replace(&order, &change, view.as_ref(), expired) {
            Ok(checked) => checked,
            Err(reason) => {
                return self.refuse(account, change.cl_ord_id, orig, Some(&order), reason, now_us);
            }
        };
        let keeps = order.keeps_priority(qty, price);
        let priority = if keeps { order.priority } else { self.state.next_priority() };
        let mut after = order;
        after
            .replace(change.cl_ord_id, qty, price, priority)
            .map_err(|forbidden| FoldError::Forbidden(order.number, forbidden))?;
        let base = self.base(account, change.cl_ord_id, Some(orig), now_us);
        let report = after.report(&base, ExecType::Replaced, after.status());
        self.emit(Effect::Replaced { report, priority })?;
        if keeps {
            return Ok(());
        }
        let incoming = Incoming { side: after.terms.side, limit: price, qty: after.leaves_qty() };
        let plan = self.plan(account, &after.terms, incoming, view.as_ref());
        self.trade(after.number, &plan, view.as_ref(), now_us)?;
        match plan.stop {
            Stop::Filled => Ok(()),
            Stop::SelfTrade => self.cancel_rest(after.number, None, Reason::SelfTrade, now_us),
            Stop::Bound => self.cancel_rest(after.number, None, Reason::EffectsBound, now_us),
            Stop::Exhausted => {
                self.look_again(view.as_ref());
                Ok(())
            }
        }
    }

    fn check_replace(
        &self,
        order: &Order,
        change: &Change,
        view: Option<&View>,
        expired: bool,
    ) -> Result<(i64, Option<i64>), Reason> {
        if expired {
            return Err(Reason::Expired);
        }
        let view = view.ok_or(Reason::UnknownSymbol)?;
        if view.trading == crate::market::Trading::Halted {
            return Err(Reason::Halted);
        }
        if view.exponents != (order.terms.price_exponent, order.terms.qty_exponent) {
            return Err(Reason::InstrumentChanged);
        }
        let qty = risk::check_qty(change.qty, view, &self.limits)?;
        let price = match change.price {
            Some(price) => Some(risk::check_price(price, view)?),
            None => order.terms.price,
        };
        if qty <= order.cum_qty {
            return Err(Reason::QtyBelowFilled);
        }
        risk::check_notional(order.terms.side, qty, price, view, &self.limits)?;
        Ok((qty, price))
    }

    /// The open order whose latest id is `orig`.
    fn target(&self, account: &AccountId, orig: &ClOrdId) -> Result<Order, Reason> {
        match self.state.place(account, orig) {
            None => Err(Reason::UnknownOrder),
            Some(Place::Block(_)) => Err(Reason::TooLate),
            Some(Place::Order(number)) => self.state.order(number).copied().ok_or(Reason::TooLate),
        }
    }

    /// Cancels what is left: for a client's act, or by the venue itself.
    fn cancel_rest(
        &mut self,
        number: u64,
        act: Option<ClOrdId>,
        reason: Reason,
        now_us: i64,
    ) -> Result<(), FoldError> {
        let order = *self.state.order(number).ok_or(FoldError::Order(number))?;
        let account = self.state.account_of(&order).id();
        let orig = act.map(|_| order.cl_ord_id);
        let base = self.base(&account, act.unwrap_or(order.cl_ord_id), orig, now_us);
        let report = order.report(&base, ExecType::Cancelled, OrdStatus::Cancelled);
        self.emit(Effect::Cancelled { report: ExecutionReport { reason: Some(reason), ..report } })
    }

    /// Refuses a cancel or replace; an order that is open stays as it is.
    fn refuse(
        &mut self,
        account: &AccountId,
        cl_ord_id: ClOrdId,
        orig: ClOrdId,
        order: Option<&Order>,
        reason: Reason,
        now_us: i64,
    ) -> Result<(), FoldError> {
        let base = self.base(account, cl_ord_id, Some(orig), now_us);
        let base = ExecutionReport { exec_type: ExecType::CancelRejected, ..base };
        let report =
            order.map_or(base, |order| order.report(&base, ExecType::CancelRejected, order.status()));
        self.emit(Effect::Rejected { report: ExecutionReport { reason: Some(reason), ..report } })
    }
}

/// Terms of an order that was refused: the client's own numbers.
fn as_written(order: &NewOrder) -> Terms {
    Terms {
        symbol: order.symbol,
        side: order.side,
        ord_type: order.ord_type,
        tif: order.tif,
        price_exponent: order.price.map_or(0, |price| price.exponent),
        qty_exponent: order.qty.exponent,
        qty: order.qty.mantissa,
        price: order.price.map(|price| price.mantissa),
    }
}
