//! A book as a client sees it: the best levels of both sides, what changes one image into the next, and a checksum.

use crate::frame::State;
use crate::tick::BookSide;
use crate::view_hash::levels_hash;

/// Most levels a side of a book that are published and shown.
pub const BOOK_LEVELS_MAX: usize = 20;

/// One price and what is offered there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Level {
    /// Price, mantissa.
    pub price: i64,
    /// Quantity, mantissa, ≥ 1.
    pub qty: i64,
}

/// The best levels of one side, best first, at most [`BOOK_LEVELS_MAX`].
#[derive(Debug, Clone, Copy, Default)]
pub struct BookSideImage {
    levels: [Level; BOOK_LEVELS_MAX],
    len: u8,
}

impl BookSideImage {
    /// The levels, best first.
    #[must_use]
    #[inline]
    pub fn as_slice(&self) -> &[Level] {
        &self.levels[..usize::from(self.len)]
    }

    /// Appends the next worse level; false, and nothing appended, when the side is full.
    #[inline]
    pub fn push(&mut self, level: Level) -> bool {
        let room = self.levels.get_mut(usize::from(self.len));
        let taken = room.is_some();
        if let Some(room) = room {
            *room = level;
            self.len += 1;
        }
        taken
    }

    /// Sets a level where its price belongs; quantity 0 removes it. A full side drops its worst for a better one.
    pub fn set(&mut self, side: BookSide, level: Level) {
        let at = self.as_slice().partition_point(|held| better(side, held.price, level.price));
        let len = usize::from(self.len);
        let held = self.as_slice().get(at).is_some_and(|held| held.price == level.price);
        match (held, level.qty) {
            (true, 0) => {
                self.levels.copy_within(at + 1..len, at);
                self.len -= 1;
            }
            (true, qty) => self.levels[at].qty = qty,
            (false, 0) => {}
            (false, _) if at < BOOK_LEVELS_MAX => {
                let kept = len.min(BOOK_LEVELS_MAX - 1);
                self.levels.copy_within(at..kept, at + 1);
                self.levels[at] = level;
                self.len = crate::cursor::low_byte(kept as u64 + 1);
            }
            (false, _) => {}
        }
    }

    /// Keeps the best `depth` levels.
    pub fn truncate(&mut self, depth: usize) {
        self.len = self.len.min(crate::cursor::low_byte(depth.min(BOOK_LEVELS_MAX) as u64));
    }
}

impl PartialEq for BookSideImage {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for BookSideImage {}

/// Whether a price is better than another on its side.
#[must_use]
#[inline]
pub const fn better(side: BookSide, price: i64, than: i64) -> bool {
    match side {
        BookSide::Bid => price > than,
        BookSide::Ask => price < than,
    }
}

/// Everything that book records show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BookImage {
    /// Feed epoch of the publisher, 0 before anything is known.
    pub feed_epoch: u64,
    /// See [`crate::frame::QuoteImage::epoch_count`].
    pub epoch_count: u8,
    /// Freshness.
    pub state: State,
    /// Level events published so far, lost ones included.
    pub lver: u64,
    /// Of these, lost before this gateway.
    pub lost: u64,
    /// Bids, asks.
    pub sides: [BookSideImage; 2],
    /// Due time of the newest event, ns.
    pub ts_event: i64,
    /// When the gateway received it, ns.
    pub ts_recv: i64,
}

/// Both sides with the places of [`BookImage::sides`].
pub const SIDES: [BookSide; 2] = [BookSide::Bid, BookSide::Ask];

impl BookImage {
    /// The same with at most `depth` levels a side.
    #[must_use]
    pub fn truncated(&self, depth: usize) -> Self {
        let mut cut = *self;
        cut.sides.iter_mut().for_each(|side| side.truncate(depth));
        cut
    }

    /// Checksum of the levels held, in the order of `docs/protocol.md`.
    #[must_use]
    pub fn checksum(&self) -> u32 {
        checksum(&self.sides)
    }
}

/// Checksum of both sides' levels.
#[must_use]
pub fn checksum(sides: &[BookSideImage; 2]) -> u32 {
    levels_hash(sides[0].as_slice(), sides[1].as_slice())
}

/// What became of a level between two images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LevelChange {
    /// Price and new quantity; 0 = removed.
    pub level: Level,
    /// Its place in the old image and its quantity there; none for a new level.
    pub was: Option<(usize, i64)>,
    /// Its place in the new image; meaningless for a removed one.
    pub rank: usize,
}

/// Hands out what changes `old` into `new`, best first, both cut to `depth`: a reader sets these levels and cuts to
/// `depth`, so that what better levels push out is not told.
#[inline]
pub fn changes(
    side: BookSide,
    old: &BookSideImage,
    new: &BookSideImage,
    depth: usize,
    mut each: impl FnMut(LevelChange),
) {
    let (old, new) = (old.as_slice(), new.as_slice());
    let (mut at, mut rank) = (0, 0);
    loop {
        match (old.get(at), new.get(rank)) {
            (None, None) => return,
            (Some(_), None) if new.len() >= depth => return,
            (Some(was), Some(now)) if was.price == now.price => {
                if was.qty != now.qty {
                    each(LevelChange { level: *now, was: Some((at, was.qty)), rank });
                }
                (at, rank) = (at + 1, rank + 1);
            }
            (Some(was), now) if now.is_none_or(|now| better(side, was.price, now.price)) => {
                let level = Level { price: was.price, qty: 0 };
                each(LevelChange { level, was: Some((at, was.qty)), rank });
                at += 1;
            }
            (_, Some(now)) => {
                each(LevelChange { level: *now, was: None, rank });
                rank += 1;
            }
            (Some(_), None) => return, // the arm before took it
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(prices: &[i64]) -> BookSideImage {
        let mut image = BookSideImage::default();
        for price in prices {
            image.push(Level { price: *price, qty: 1 });
        }
        image
    }

    fn told(old: &[i64], new: &[i64], depth: usize) -> Vec<(i64, i64)> {
        let mut told = vec![];
        changes(BookSide::Ask, &side(old), &side(new), depth, |change| {
            told.push((change.level.price, change.level.qty));
        });
        told
    }

    #[test]
    fn what_better_levels_push_out_is_not_told() {
        assert_eq!(told(&[2, 3, 4], &[1, 2, 3], 3), [(1, 1)]);
        assert_eq!(told(&[2, 3, 4], &[1, 2, 3], 4), [(1, 1), (4, 0)]);
        assert_eq!(told(&[2, 3, 4], &[], 3), [(2, 0), (3, 0), (4, 0)]);
        assert_eq!(told(&[], &[7, 9], 3), [(7, 1), (9, 1)]);
        assert_eq!(told(&[1, 2, 3], &[1, 3, 4], 3), [(2, 0), (4, 1)]);
    }

    #[test]
    fn setting_the_changes_and_cutting_leads_from_old_to_new() {
        let mut seed = 7_u64;
        let mut below = |bound: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            i64::try_from((seed >> 33) % bound).unwrap()
        };
        for depth in [1, 5, 20] {
            for side in SIDES {
                let (mut book, mut old) = (BookSideImage::default(), BookSideImage::default());
                let mut held = old;
                for _ in 0..2_000 {
                    for _ in 0..below(9) {
                        book.set(side, Level { price: 100 + below(40), qty: below(4) });
                    }
                    let mut new = book;
                    new.truncate(depth);
                    // Removals first: a full side drops its worst for a better level.
                    for removals in [true, false] {
                        changes(side, &old, &new, depth, |change| {
                            if (change.level.qty == 0) == removals {
                                held.set(side, change.level);
                            }
                        });
                    }
                    held.truncate(depth);
                    assert_eq!(held, new, "{side:?} {depth}");
                    old = new;
                }
            }
        }
    }

    #[test]
    fn the_checksum_of_the_protocol() {
        let mut image = BookImage::default();
        assert_eq!(image.checksum(), EMPTY);
        image.sides[0].push(Level { price: 6_100_010, qty: 150_000 });
        image.sides[0].push(Level { price: 6_100_000, qty: 1 });
        image.sides[1].push(Level { price: 6_100_020, qty: 1 << 40 });
        assert_eq!(image.checksum(), VECTOR);
        image.sides.swap(0, 1);
        assert_ne!(image.checksum(), VECTOR);
        assert_eq!(image.truncated(0).checksum(), EMPTY);
    }

    const EMPTY: u32 = 1_714_869_021;
    const VECTOR: u32 = 157_042_023;
}
