//! Checks before an order is accepted. Pure; called by `decide` with the order as written and the instrument as it is.
//!
//! Money is compared as [`Decimal`]; a product that does not fit is over any limit.

use crate::market::{Trading, View};
use rust_decimal::Decimal;
use wire::num::Number;
use wire::order::{NewOrder, OrdType, Reason, Side, Terms, TimeInForce};

/// Limits of every account.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Largest quantity of one order.
    pub order_qty_max: Decimal,
    /// Largest price × quantity of one order.
    pub order_notional_max: Decimal,
    /// Most open orders of an account.
    pub open_orders_max: usize,
    /// Most ids of a partition; beyond it new orders are refused.
    pub ids_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            order_qty_max: Decimal::from(1_000_000_000_i64),
            order_notional_max: Decimal::from(1_000_000_000_i64),
            open_orders_max: wire::order::OPEN_ORDERS_MAX,
            ids_max: 50_000_000,
        }
    }
}

/// A new order in the instrument's exponents, or why it is refused.
///
/// # Errors
/// The reason.
pub fn check_new(order: &NewOrder, view: Option<&View>, limits: &Limits) -> Result<Terms, Reason> {
    let view = view.ok_or(Reason::UnknownSymbol)?;
    if view.trading == Trading::Halted {
        return Err(Reason::Halted);
    }
    match (order.ord_type, order.price) {
        (OrdType::Limit, None) => return Err(Reason::PriceRequired),
        (OrdType::Market, Some(_)) => return Err(Reason::PriceForbidden),
        _ => {}
    }
    if order.ord_type == OrdType::Market && order.tif == TimeInForce::Gtc {
        return Err(Reason::BadTif);
    }
    let qty = check_qty(order.qty, view, limits)?;
    let price = order.price.map(|price| check_price(price, view)).transpose()?;
    if order.ord_type == OrdType::Market && view.trading == Trading::Stale {
        return Err(Reason::MarketStale);
    }
    check_notional(order.side, qty, price, view, limits)?;
    Ok(Terms {
        symbol: order.symbol,
        side: order.side,
        ord_type: order.ord_type,
        tif: order.tif,
        price_exponent: view.exponents.0,
        qty_exponent: view.exponents.1,
        qty,
        price,
    })
}

/// A quantity in the instrument's exponent.
///
/// # Errors
/// [`Reason::BadQty`], [`Reason::QtyOverLimit`].
pub fn check_qty(qty: Number, view: &View, limits: &Limits) -> Result<i64, Reason> {
    let mantissa = qty.rescale(view.exponents.1).map_err(|_| Reason::BadQty)?;
    if mantissa <= 0 || mantissa % view.lot_size != 0 {
        return Err(Reason::BadQty);
    }
    if qty.to_decimal() > limits.order_qty_max { Err(Reason::QtyOverLimit) } else { Ok(mantissa) }
}

/// A price in the instrument's exponent.
///
/// # Errors
/// [`Reason::BadPrice`].
pub fn check_price(price: Number, view: &View) -> Result<i64, Reason> {
    let mantissa = price.rescale(view.exponents.0).map_err(|_| Reason::BadPrice)?;
    if mantissa <= 0 || mantissa % view.tick_size != 0 { Err(Reason::BadPrice) } else { Ok(mantissa) }
}

/// Price × quantity; a market order is valued at what it finds.
///
/// # Errors
/// [`Reason::NotionalOverLimit`].
pub fn check_notional(
    side: Side,
    qty: i64,
    price: Option<i64>,
    view: &View,
    limits: &Limits,
) -> Result<(), Reason> {
    let decimal = |mantissa, exponent: i8| Decimal::new(mantissa, u32::from(exponent.unsigned_abs()));
    let price = decimal(price.unwrap_or_else(|| view.opposite(side).price), view.exponents.0);
    match price.checked_mul(decimal(qty, view.exponents.1)) {
        Some(notional) if notional <= limits.order_notional_max => Ok(()),
        _ => Err(Reason::NotionalOverLimit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::Displayed;

    fn view(trading: Trading) -> View {
        View {
            row: 0,
            exponents: (-2, -3),
            tick_size: 5,
            lot_size: 100,
            trading,
            bid: Displayed { price: 9_995, qty: 1_000 },
            ask: Displayed { price: 10_000, qty: 1_000 },
        }
    }

    fn order(qty: &str, price: Option<&str>) -> NewOrder {
        NewOrder {
            cl_ord_id: "c-1".parse().unwrap(),
            symbol: "A.X".parse().unwrap(),
            side: Side::Buy,
            ord_type: if price.is_some() { OrdType::Limit } else { OrdType::Market },
            tif: TimeInForce::Day,
            qty: qty.parse().unwrap(),
            price: price.map(|price| price.parse().unwrap()),
        }
    }

    fn refusal(order: &NewOrder, trading: Trading) -> Option<Reason> {
        let limits = Limits { order_notional_max: Decimal::from(1_000), ..Limits::default() };
        check_new(order, Some(&view(trading)), &limits).err()
    }

    #[test]
    fn numbers_are_exact_or_refused() {
        use Trading::Current;
        let terms =
            check_new(&order("1.5", Some("99.9500")), Some(&view(Current)), &Limits::default()).unwrap();
        assert_eq!((terms.qty, terms.price), (1_500, Some(9_995)));
        for (qty, price, reason) in [
            ("1.5001", Some("99.95"), Reason::BadQty),
            ("1.55", Some("99.95"), Reason::BadQty),
            ("0", Some("99.95"), Reason::BadQty),
            ("-1", Some("99.95"), Reason::BadQty),
            ("1.5", Some("99.951"), Reason::BadPrice),
            ("1.5", Some("99.96"), Reason::BadPrice),
            ("1.5", Some("0"), Reason::BadPrice),
            ("1.5", Some("-99.95"), Reason::BadPrice),
            ("10.1", Some("100"), Reason::NotionalOverLimit),
            ("10.1", None, Reason::NotionalOverLimit),
            ("2000000000", Some("99.95"), Reason::QtyOverLimit),
        ] {
            assert_eq!(refusal(&order(qty, price), Current), Some(reason), "{qty} @ {price:?}");
        }
        assert_eq!(refusal(&order("10", Some("100")), Current), None);
    }

    #[test]
    fn type_price_and_tif_must_go_together() {
        use Trading::Current;
        let with = |change: fn(&mut NewOrder)| {
            let mut order = order("1", Some("100"));
            change(&mut order);
            refusal(&order, Current)
        };
        assert_eq!(with(|order| order.price = None), Some(Reason::PriceRequired));
        assert_eq!(with(|order| order.ord_type = OrdType::Market), Some(Reason::PriceForbidden));
        let market_gtc = NewOrder { tif: TimeInForce::Gtc, ..order("1", None) };
        assert_eq!(refusal(&market_gtc, Current), Some(Reason::BadTif));
    }

    #[test]
    fn a_market_order_needs_a_current_quote_and_a_limit_order_an_open_instrument() {
        assert_eq!(refusal(&order("1", None), Trading::Stale), Some(Reason::MarketStale));
        assert_eq!(refusal(&order("1", Some("100")), Trading::Stale), None);
        assert_eq!(refusal(&order("1", Some("100")), Trading::Halted), Some(Reason::Halted));
        let unknown = check_new(&order("1", None), None, &Limits::default());
        assert_eq!(unknown, Err(Reason::UnknownSymbol));
    }
}
