//! A book as a venue tells it, and the top of it as it is published: at most 20 levels a side, by their changes.

use std::collections::BTreeMap;
use wire::tick::{BookLevel, BookSide, Change, Quote};

/// Levels of each side that are published.
pub const TOP: usize = 20;

/// Levels by price; bids under their negative price, so that the best stands first on both sides.
#[derive(Debug, Default)]
pub struct Book {
    sides: [BTreeMap<i64, i64>; 2],
    shown: [Vec<(i64, i64)>; 2],
    whole: bool,
    best: Quote,
}

const fn key(side: BookSide, price: i64) -> i64 {
    match side {
        BookSide::Bid => -price,
        BookSide::Ask => price,
    }
}

impl Book {
    /// Forgets everything: a new image follows.
    pub fn clear(&mut self) {
        self.sides = Default::default();
    }

    /// Sets one level; quantity 0 deletes it.
    pub fn set(&mut self, side: BookSide, price: i64, qty: i64) {
        let levels = &mut self.sides[side as usize];
        if qty == 0 {
            levels.remove(&key(side, price));
        } else {
            levels.insert(key(side, price), qty);
        }
    }

    /// Appends what changed among the top levels since the last call. The first is an image.
    pub fn changes(&mut self, out: &mut Vec<Change>) {
        let begin = out.len();
        for side in [BookSide::Bid, BookSide::Ask] {
            let now: Vec<(i64, i64)> =
                self.sides[side as usize].iter().take(TOP).map(|(k, q)| (*k, *q)).collect();
            let shown = std::mem::replace(&mut self.shown[side as usize], now);
            let now = &self.shown[side as usize];
            let mut tell = |key: i64, qty| {
                let price = if side == BookSide::Bid { -key } else { key };
                let (snapshot_begins, update_ends) = (false, false);
                out.push(Change::Level(BookLevel { side, price, qty, snapshot_begins, update_ends }));
            };
            for (key, _) in &shown {
                if now.binary_search_by_key(key, |level| level.0).is_err() {
                    tell(*key, 0);
                }
            }
            for (key, qty) in now {
                if shown.binary_search_by_key(key, |level| level.0).map(|at| shown[at].1) != Ok(*qty) {
                    tell(*key, *qty);
                }
            }
        }
        if let Some(Change::Level(last)) = out[begin..].last_mut() {
            last.update_ends = true;
        }
        if !self.whole
            && let Some(Change::Level(first)) = out[begin..].first_mut()
        {
            (first.snapshot_begins, self.whole) = (true, true);
        }
    }

    /// The best of both sides, when it is another than at the last call. An absent side keeps its price.
    pub fn quote(&mut self) -> Option<Quote> {
        let mut quote = Quote { bid_size: 0, ask_size: 0, ..self.best };
        if let Some((key, qty)) = self.sides[0].first_key_value() {
            (quote.bid, quote.bid_size) = (-key, *qty);
        }
        if let Some((key, qty)) = self.sides[1].first_key_value() {
            (quote.ask, quote.ask_size) = (*key, *qty);
        }
        if quote == self.best {
            return None;
        }
        self.best = quote;
        Some(quote)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_rebuild_the_top_and_a_level_that_moves_up_is_told() {
        let (mut book, mut told) = (Book::default(), BTreeMap::new());
        let mut images = 0;
        for step in 0..2_000_i64 {
            let price = 100 + (step * 7919) % 60;
            book.set(BookSide::Ask, price, (step * 31) % 5);
            let mut out = Vec::new();
            book.changes(&mut out);
            for change in out {
                let Change::Level(level) = change else { continue };
                images += usize::from(level.snapshot_begins);
                if level.qty == 0 {
                    told.remove(&level.price);
                } else {
                    told.insert(level.price, level.qty);
                }
            }
            assert!(told.iter().eq(book.sides[1].iter().take(TOP)));
        }
        assert_eq!(images, 1);
    }

    #[test]
    fn an_absent_side_keeps_its_price_and_has_no_size() {
        let mut book = Book::default();
        book.set(BookSide::Bid, 99, 3);
        assert_eq!(book.quote(), Some(Quote { bid: 99, ask: 0, bid_size: 3, ask_size: 0 }));
        book.set(BookSide::Bid, 99, 0);
        assert_eq!(book.quote(), Some(Quote { bid: 99, ask: 0, bid_size: 0, ask_size: 0 }));
        assert_eq!(book.quote(), None);
    }
}
