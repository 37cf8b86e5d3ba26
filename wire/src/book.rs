//! One instrument's book as its level events make it. Publisher and readers fold the same events by the same rules, so
//! that a page of the one joins the events of the other by number.
//!
//! Between two `update_ends` a book may hold more levels than are shown: what is pushed out may be told last.

use crate::frame::{BOOK_LEVELS_MAX, Level};
use crate::tick::{BookLevel, BookSide};

/// Most levels of a side while an update is open: all shown ones may be replaced before the first of them is removed.
pub const SIDE_LEVELS_MAX: usize = 2 * BOOK_LEVELS_MAX;

/// What was odd about a level event. The book goes on; a clean publisher makes none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A quantity below 0; the level is removed.
    Negative,
    /// A level is removed that is not there.
    Absent,
    /// More levels than [`SIDE_LEVELS_MAX`], the worst is dropped; or more than [`BOOK_LEVELS_MAX`] after an update.
    TooMany,
    /// The best bid is not below the best ask after an update.
    Crossed,
}

/// Levels by side, best first, after `lver` events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Book {
    pub(crate) sides: [Vec<Level>; 2],
    /// Number of the last event that is in it, 0 = none.
    pub lver: u64,
    /// Due time of that event, ns.
    pub ts_event: i64,
    /// Whether that event ended no update: what is in it is not to be shown yet.
    pub open: bool,
}

impl Book {
    /// The levels of a side, best first.
    #[must_use]
    pub fn side(&self, side: BookSide) -> &[Level] {
        &self.sides[side as usize]
    }

    /// Folds one event in. Its number is taken as given.
    pub fn apply(&mut self, number: u64, ts_event: i64, level: &BookLevel) -> Option<Fault> {
        (self.lver, self.ts_event, self.open) = (number, ts_event, !level.update_ends);
        if level.snapshot_begins {
            self.sides.iter_mut().for_each(Vec::clear);
        }
        let fault = self.set(level);
        if self.open { fault } else { fault.or_else(|| self.fault()) }
    }

    fn set(&mut self, level: &BookLevel) -> Option<Fault> {
        let levels = &mut self.sides[level.side as usize];
        let better = |other: &Level| match level.side {
            BookSide::Bid => other.price > level.price,
            BookSide::Ask => other.price < level.price,
        };
        let at = levels.partition_point(better);
        let there = levels.get(at).is_some_and(|other| other.price == level.price);
        let told = Level { price: level.price, qty: level.qty };
        match (there, level.qty > 0) {
            (true, true) => levels[at] = told,
            (true, false) => drop(levels.remove(at)),
            // An image that begins with nothing is told as a level that is not there.
            (false, false) if level.snapshot_begins && level.qty == 0 => {}
            (false, false) => return Some(if level.qty < 0 { Fault::Negative } else { Fault::Absent }),
            (false, true) => {
                if levels.is_empty() {
                    levels.reserve_exact(BOOK_LEVELS_MAX + 1);
                }
                levels.insert(at, told);
                if levels.len() > SIDE_LEVELS_MAX {
                    levels.pop();
                    return Some(Fault::TooMany);
                }
            }
        }
        (level.qty < 0).then_some(Fault::Negative)
    }

    fn fault(&self) -> Option<Fault> {
        let [bids, asks] = &self.sides;
        if bids.len().max(asks.len()) > BOOK_LEVELS_MAX {
            return Some(Fault::TooMany);
        }
        let (bid, ask) = (bids.first()?, asks.first()?);
        (bid.price >= ask.price).then_some(Fault::Crossed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(side: BookSide, price: i64, qty: i64) -> BookLevel {
        BookLevel { side, price, qty, snapshot_begins: false, update_ends: true }
    }

    #[test]
    fn levels_stand_best_first_and_an_image_forgets_the_earlier_ones() {
        let mut book = Book::default();
        for (number, price) in (1..).zip([5, 7, 6]) {
            assert_eq!(book.apply(number, 0, &level(BookSide::Bid, price, 1)), None);
            assert_eq!(book.apply(number, 0, &level(BookSide::Ask, price + 10, 1)), None);
        }
        let prices = |book: &Book, side| book.side(side).iter().map(|l| l.price).collect::<Vec<_>>();
        assert_eq!(prices(&book, BookSide::Bid), [7, 6, 5]);
        assert_eq!(prices(&book, BookSide::Ask), [15, 16, 17]);
        let begins = BookLevel { snapshot_begins: true, ..level(BookSide::Ask, 3, 0) };
        assert_eq!(book.apply(9, 0, &begins), None);
        assert_eq!((prices(&book, BookSide::Bid).len(), prices(&book, BookSide::Ask).len()), (0, 0));
    }

    #[test]
    fn odd_events_are_named_and_never_grow_a_book() {
        let mut book = Book::default();
        assert_eq!(book.apply(1, 0, &level(BookSide::Bid, 5, 0)), Some(Fault::Absent));
        assert_eq!(book.apply(2, 0, &level(BookSide::Bid, 5, -1)), Some(Fault::Negative));
        assert_eq!(book.apply(3, 0, &level(BookSide::Bid, 5, 1)), None);
        assert_eq!(book.apply(4, 0, &level(BookSide::Ask, 5, 1)), Some(Fault::Crossed));
        assert_eq!(book.apply(5, 0, &level(BookSide::Ask, 5, i64::MIN)), Some(Fault::Negative));
        for price in 0..100 {
            let open = BookLevel { update_ends: false, ..level(BookSide::Ask, price, 1) };
            let fault = book.apply(6, 0, &open);
            assert_eq!(fault.is_some(), price >= 40, "{price}");
        }
        assert_eq!(book.apply(7, 0, &level(BookSide::Bid, -9, 1)), Some(Fault::TooMany));
        assert_eq!(book.side(BookSide::Ask).len(), SIDE_LEVELS_MAX);
    }
}
