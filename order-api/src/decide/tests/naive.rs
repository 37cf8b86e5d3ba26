//! The oracle: a list of resting orders scanned from end to end for each fill. Slow and plain on purpose.

use std::cmp::Reverse;
use wire::block::Effect;
use wire::order::{Act, OrderRequest, Side, TimeInForce};

#[derive(Debug, Clone, PartialEq, Eq)]
struct Resting {
    number: u64,
    account: String,
    side: Side,
    price: i64,
    priority: u64,
    qty: i64,
    leaves: i64,
}

/// Order number, price and quantity of each execution of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expected(Vec<(u64, i64, i64)>);

impl Expected {
    pub(super) fn of(effects: &[Effect]) -> Self {
        let executions = effects.iter().filter_map(|effect| match effect {
            Effect::Execution { report, .. } => {
                Some((report.order_id.number, report.last_price, report.last_qty))
            }
            _ => None,
        });
        Self(executions.collect())
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Naive {
    resting: Vec<Resting>,
    /// Price, size, taken.
    bid: (i64, i64, i64),
    ask: (i64, i64, i64),
}

fn reaches(side: Side, limit: Option<i64>, price: i64) -> bool {
    match (side, limit) {
        (_, None) => true,
        (Side::Buy, Some(limit)) => price <= limit,
        (Side::Sell, Some(limit)) => price >= limit,
    }
}

/// Lower is better for whoever trades against `side`.
fn rank(side: Side, price: i64) -> i64 {
    if side == Side::Buy { -price } else { price }
}

fn opposite(side: Side) -> Side {
    if side == Side::Buy { Side::Sell } else { Side::Buy }
}

impl Naive {
    pub(super) fn quote(&mut self, [bid, ask, bid_size, ask_size]: [i64; 4]) {
        if (self.bid.0, self.bid.1) != (bid, bid_size) {
            self.bid = (bid, bid_size, 0);
        }
        if (self.ask.0, self.ask.1) != (ask, ask_size) {
            self.ask = (ask, ask_size, 0);
        }
    }

    /// What is resting is that of `kept`; what was taken of the quote stays taken.
    pub(super) fn restore(&mut self, kept: &Self) {
        self.resting.clone_from(&kept.resting);
    }

    fn shown(&mut self, to: Side) -> &mut (i64, i64, i64) {
        if to == Side::Buy { &mut self.ask } else { &mut self.bid }
    }

    /// Fills of an incoming order, as a taker sees them, and whether its own account stopped it.
    fn incoming(
        &mut self,
        account: &str,
        side: Side,
        limit: Option<i64>,
        qty: i64,
    ) -> Vec<(Option<u64>, i64, i64)> {
        let (mut fills, mut left) = (Vec::new(), qty);
        let shown = *self.shown(side);
        let mut displayed = shown.1 - shown.2;
        let mut resting = self.resting.clone();
        while left > 0 {
            let other = opposite(side);
            let best = resting
                .iter()
                .filter(|r| r.side == other && r.leaves > 0 && reaches(side, limit, r.price))
                .min_by_key(|r| (rank(other, r.price), r.priority))
                .cloned();
            let quote = (displayed > 0 && reaches(side, limit, shown.0)).then_some(shown.0);
            let quote_first =
                quote.filter(|q| best.as_ref().is_none_or(|b| rank(other, *q) <= rank(other, b.price)));
            if let Some(price) = quote_first {
                let take = left.min(displayed);
                fills.push((None, price, take));
                (left, displayed) = (left - take, 0);
            } else if let Some(best) = best {
                if best.account == account {
                    break;
                }
                let take = left.min(best.leaves);
                fills.push((Some(best.number), best.price, take));
                left -= take;
                resting.iter_mut().filter(|r| r.number == best.number).for_each(|r| r.leaves -= take);
            } else {
                break;
            }
        }
        fills
    }

    /// Compares the fills of a request's step with a scan of the list.
    pub(super) fn check(&mut self, asked: &OrderRequest, effects: &[Effect], seed: u64) {
        let account = asked.account.to_string();
        let (report, matching) = match effects.first() {
            Some(Effect::OrderAccepted { report, .. }) => (report, true),
            Some(Effect::Replaced { report, priority }) => {
                let number = report.order_id.number;
                let old = self.resting.iter().find(|r| r.number == number).unwrap();
                let terms = report.terms.unwrap();
                let keeps = terms.price == Some(old.price) && terms.qty <= old.qty;
                let last = self.resting.iter().map(|r| r.priority).max().unwrap();
                if keeps {
                    assert_eq!(*priority, old.priority, "seed {seed}: the place is kept");
                } else {
                    assert!(*priority > last, "seed {seed}: the place is lost");
                }
                (report, !keeps)
            }
            _ => {
                assert_eq!(Expected::of(effects), Expected(Vec::new()), "seed {seed}");
                return;
            }
        };
        let terms = report.terms.unwrap();
        let mut fills = Vec::new();
        if matching {
            fills = self.incoming(&account, terms.side, terms.price, report.leaves_qty);
        }
        let total: i64 = fills.iter().map(|(_, _, qty)| qty).sum();
        if matches!(asked.act, Act::New(_)) && terms.tif == TimeInForce::Fok && total < report.leaves_qty {
            fills.clear();
        }
        let taker = report.order_id.number;
        let mut expected = Vec::new();
        for (maker, price, qty) in &fills {
            expected.push((taker, *price, *qty));
            match maker {
                Some(maker) => expected.push((*maker, *price, *qty)),
                None => self.shown(terms.side).2 += qty,
            }
        }
        assert_eq!(Expected::of(effects), Expected(expected), "seed {seed}: {asked:?}");
    }

    /// Fills of resting orders that the quote reaches.
    pub(super) fn market(&mut self) -> Expected {
        let mut fills = Vec::new();
        for side in [Side::Buy, Side::Sell] {
            let shown = *self.shown(side);
            let mut reached: Vec<Resting> = self
                .resting
                .iter()
                .filter(|r| r.side == side && reaches(side, Some(r.price), shown.0))
                .cloned()
                .collect();
            reached.sort_by_key(|r| (rank(side, r.price), r.priority));
            let mut left = shown.1 - shown.2;
            for order in reached {
                let take = left.min(order.leaves);
                if take > 0 {
                    fills.push((order.number, order.price, take));
                    left -= take;
                }
            }
            self.shown(side).2 = shown.1 - left;
        }
        Expected(fills)
    }

    /// Takes over a step's effects.
    pub(super) fn apply(&mut self, effects: &[Effect]) {
        for effect in effects {
            let Some(report) = effect.report() else { continue };
            let number = report.order_id.number;
            let place = self.resting.iter().position(|r| r.number == number);
            match effect {
                Effect::OrderAccepted { report, priority } | Effect::Replaced { report, priority } => {
                    if let Some(place) = place {
                        self.resting.remove(place);
                    }
                    let terms = report.terms.unwrap();
                    self.resting.push(Resting {
                        number,
                        account: report.account.to_string(),
                        side: terms.side,
                        price: terms.price.unwrap_or(0),
                        priority: *priority,
                        qty: terms.qty,
                        leaves: report.leaves_qty,
                    });
                    self.resting.sort_by_key(|r| Reverse(r.number));
                }
                Effect::Execution { report, .. } => self.resting[place.unwrap()].leaves = report.leaves_qty,
                Effect::Cancelled { .. } => _ = self.resting.remove(place.unwrap()),
                _ => {}
            }
        }
        self.resting.retain(|r| r.leaves > 0);
    }
}
