//! Resting orders of one instrument in price–time priority. Derived from the open orders; owned by `state`.

use std::collections::BTreeMap;
use wire::order::Side;

/// Resting orders of one instrument; all prices and quantities are in its exponents.
#[derive(Debug, Default)]
pub struct Book {
    /// Exponents of price and quantity, set by the first order of an empty book.
    exponents: (i8, i8),
    /// Key: negated price, priority.
    buys: BTreeMap<(i64, u64), u64>,
    /// Key: price, priority.
    sells: BTreeMap<(i64, u64), u64>,
}

impl Book {
    /// Whether nothing rests.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buys.is_empty() && self.sells.is_empty()
    }

    /// Whether orders in these exponents may join.
    #[must_use]
    pub fn accepts(&self, exponents: (i8, i8)) -> bool {
        self.is_empty() || self.exponents == exponents
    }

    /// Adds an order.
    pub fn insert(&mut self, side: Side, price: i64, priority: u64, number: u64, exponents: (i8, i8)) {
        if self.is_empty() {
            self.exponents = exponents;
        }
        match side {
            Side::Buy => self.buys.insert((-price, priority), number),
            Side::Sell => self.sells.insert((price, priority), number),
        };
    }

    /// Takes an order out.
    pub fn remove(&mut self, side: Side, price: i64, priority: u64) {
        match side {
            Side::Buy => self.buys.remove(&(-price, priority)),
            Side::Sell => self.sells.remove(&(price, priority)),
        };
    }

    /// Price and number of each order of a side, first the one that trades first.
    pub fn side(&self, side: Side) -> impl Iterator<Item = (i64, u64)> + '_ {
        let (orders, sign) = match side {
            Side::Buy => (&self.buys, -1),
            Side::Sell => (&self.sells, 1),
        };
        orders.iter().map(move |((price, _), number)| (sign * price, *number))
    }

    /// Best price of a side.
    #[must_use]
    pub fn best(&self, side: Side) -> Option<i64> {
        self.side(side).next().map(|(price, _)| price)
    }

    /// Exponents of price and quantity of what rests.
    #[must_use]
    pub fn exponents(&self) -> (i8, i8) {
        self.exponents
    }
}
