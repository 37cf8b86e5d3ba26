//! The paper venue's matching: plans, never acts. Pure; called by `decide`, which makes effects of the plan.
//!
//! Price comes first. At one price the displayed size of the live quote trades before resting orders, and these in the
//! order of their priority. Only the best displayed level is taken: what is behind it is not known here. An order
//! never trades with its own account: it stops before it (the newest gives way).

use crate::book::Book;
use crate::market::Displayed;
use crate::mutants::broken;
use wire::block::STEP_EFFECTS_MAX;
use wire::order::Side;

/// Most fills of an incoming order: each may have two sides, and it has its own first and last effect.
pub const FILLS_MAX: usize = (STEP_EFFECTS_MAX - 2) / 2;

/// The other side of a fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maker {
    /// The live quote.
    Quote,
    /// A resting order.
    Order(u64),
}

/// One fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fill {
    /// With whom.
    pub maker: Maker,
    /// At the maker's price.
    pub price: i64,
    /// How much, ≥ 1.
    pub qty: i64,
}

/// Why no more is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Nothing is left of the order.
    Filled,
    /// Nothing is left at its price.
    Exhausted,
    /// The next to trade with is of the same account.
    SelfTrade,
    /// [`FILLS_MAX`].
    Bound,
}

/// What an incoming order would trade.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// In order.
    pub fills: Vec<Fill>,
    /// Sum of the fills.
    pub qty: i64,
    /// Why it ends.
    pub stop: Stop,
}

/// An incoming order.
#[derive(Debug, Clone, Copy)]
pub struct Incoming {
    /// Side.
    pub side: Side,
    /// Worst price, `None` for market.
    pub limit: Option<i64>,
    /// How much.
    pub qty: i64,
}

impl Incoming {
    fn reaches(&self, price: i64) -> bool {
        broken("limit_is_kept")
            || self.limit.is_none_or(|limit| match self.side {
                Side::Buy => price <= limit,
                Side::Sell => price >= limit,
            })
    }

    /// Whether `a` is a price that trades before or with `b`.
    fn at_least_as_good(&self, a: i64, b: i64) -> bool {
        match self.side {
            Side::Buy => a <= b,
            Side::Sell => a >= b,
        }
    }
}

/// What `incoming` trades against the resting orders and the displayed quote. `maker(number)` gives a resting order's
/// open quantity and whether it is of the same account.
pub fn plan(
    incoming: Incoming,
    book: Option<&Book>,
    quote: Displayed,
    maker: impl Fn(u64) -> (i64, bool),
) -> Plan {
    let other = match incoming.side {
        Side::Buy => Side::Sell,
        Side::Sell => Side::Buy,
    };
    let mut resting = book.into_iter().flat_map(|book| book.side(other)).peekable();
    let mut quote = Some(quote).filter(|quote| quote.qty > 0);
    let mut plan = Plan { fills: Vec::new(), qty: 0, stop: Stop::Filled };
    while plan.qty < incoming.qty {
        let best = resting.peek().copied();
        let quote_first = quote.is_some_and(|q| {
            best.is_none_or(|(price, _)| {
                let equal = q.price == price && broken("quote_before_orders");
                incoming.at_least_as_good(q.price, price) && !equal
            })
        });
        let (price, number) = match (quote, best) {
            (Some(quote), _) if quote_first => (quote.price, None),
            (_, Some((price, number))) => (price, Some(number)),
            _ => return Plan { stop: Stop::Exhausted, ..plan },
        };
        if !incoming.reaches(price) {
            return Plan { stop: Stop::Exhausted, ..plan };
        }
        if plan.fills.len() == FILLS_MAX {
            return Plan { stop: Stop::Bound, ..plan };
        }
        let left = incoming.qty - plan.qty;
        let fill = match number {
            None => {
                let shown = quote.take().map_or(0, |quote| quote.qty);
                Fill { maker: Maker::Quote, price, qty: left.min(shown) }
            }
            Some(number) => {
                resting.next();
                let (open, same_account) = maker(number);
                if same_account && !broken("no_self_trade") {
                    return Plan { stop: Stop::SelfTrade, ..plan };
                }
                Fill { maker: Maker::Order(number), price, qty: left.min(open) }
            }
        };
        plan.qty += fill.qty;
        plan.fills.push(fill);
    }
    plan
}

/// Which resting orders of `side` the quote reaches, each at its own price, at most `most` of them.
pub fn reached(
    side: Side,
    book: &Book,
    quote: Displayed,
    most: usize,
    open: impl Fn(u64) -> i64,
) -> Vec<(u64, Fill)> {
    let mut left = quote.qty;
    let mut fills = Vec::new();
    for (price, number) in book.side(side) {
        let incoming = Incoming { side, limit: Some(price), qty: 0 };
        if left <= 0 || fills.len() >= most || !incoming.reaches(quote.price) {
            break;
        }
        let qty = left.min(open(number));
        left -= qty;
        fills.push((number, Fill { maker: Maker::Quote, price, qty }));
    }
    fills
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Displayed = Displayed { price: 0, qty: 0 };

    fn book(sells: &[(i64, u64)]) -> Book {
        let mut book = Book::default();
        sells.iter().for_each(|(price, number)| book.insert(Side::Sell, *price, *number, *number, (-2, 0)));
        book
    }

    fn buy(limit: Option<i64>, qty: i64) -> Incoming {
        Incoming { side: Side::Buy, limit, qty }
    }

    #[test]
    fn price_first_then_the_quote_then_time() {
        let book = book(&[(105, 1), (100, 3), (100, 2)]);
        let quote = Displayed { price: 100, qty: 4 };
        let plan = plan(buy(Some(105), 20), Some(&book), quote, |_| (3, false));
        let makers: Vec<(Maker, i64, i64)> = plan.fills.iter().map(|f| (f.maker, f.price, f.qty)).collect();
        assert_eq!(
            makers,
            [
                (Maker::Quote, 100, 4),
                (Maker::Order(2), 100, 3),
                (Maker::Order(3), 100, 3),
                (Maker::Order(1), 105, 3),
            ]
        );
        assert_eq!((plan.qty, plan.stop), (13, Stop::Exhausted));
    }

    #[test]
    fn a_limit_is_never_passed_and_a_market_order_takes_any_price() {
        let book = book(&[(100, 1), (110, 2)]);
        let limited = plan(buy(Some(105), 9), Some(&book), NOTHING, |_| (3, false));
        assert_eq!((limited.qty, limited.stop), (3, Stop::Exhausted));
        let market = plan(buy(None, 5), Some(&book), NOTHING, |_| (3, false));
        assert_eq!((market.qty, market.stop), (5, Stop::Filled));
    }

    #[test]
    fn an_order_stops_before_its_own_account() {
        let book = book(&[(100, 1), (101, 2)]);
        let plan = plan(buy(Some(105), 9), Some(&book), NOTHING, |number| (3, number == 2));
        assert_eq!((plan.qty, plan.stop), (3, Stop::SelfTrade));
    }

    #[test]
    fn fills_are_bounded() {
        let sells: Vec<(i64, u64)> = (0..600).map(|number| (100, number)).collect();
        let plan = plan(buy(Some(105), 1_000), Some(&book(&sells)), NOTHING, |_| (1, false));
        assert_eq!((plan.fills.len(), plan.stop), (FILLS_MAX, Stop::Bound));
    }

    #[test]
    fn a_quote_reaches_resting_orders_best_price_first_and_no_further_than_its_size() {
        let book = book(&[(100, 1), (101, 2), (103, 3)]);
        let fills = reached(Side::Sell, &book, Displayed { price: 102, qty: 5 }, 10, |_| 3);
        let seen: Vec<(u64, i64, i64)> = fills.iter().map(|(n, f)| (*n, f.price, f.qty)).collect();
        assert_eq!(seen, [(1, 100, 3), (2, 101, 2)]);
    }
}
