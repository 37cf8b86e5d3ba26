//! One simulated instrument: its price, its book of 20 levels a side, and what an event does to them.

use super::tables::{DECF, DELAY, INC, NEWSZ, Random, STEP};
use wire::tick::{BookLevel, BookSide, Change, Quote};

/// Levels of each side of the book.
pub(super) const LEVELS: usize = 20;

/// One level: price in ticks, size in lots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Level {
    pub(super) price: i64,
    pub(super) size: i64,
}

/// What is fixed of a symbol.
#[derive(Debug, Clone, Copy)]
pub(super) struct Traits {
    /// Price in ticks at the start.
    pub(super) base: i64,
    /// Ticks of a usual move.
    pub(super) step: i64,
    /// Lots of a usual change.
    pub(super) scale: i64,
    /// How far it follows the market, in 1/65536.
    pub(super) beta: i64,
}

/// A symbol's state.
#[derive(Debug, Clone)]
pub(super) struct Symbol {
    pub(super) traits: Traits,
    /// Books: bids, then asks, best first.
    pub(super) sides: [Vec<Level>; 2],
    /// Own walk, ticks.
    pub(super) own: i64,
    /// Probability that an immigrant acts, in 1/65536.
    pub(super) act: i64,
    pub(super) trade_id: u64,
    pub(super) last_take_buys: bool,
    pub(super) halted_until_ms: i64,
    changes: [[i64; 4]; 2],
    grew: [bool; 2],
}

pub(super) fn book_side(side: usize) -> BookSide {
    if side == 0 { BookSide::Bid } else { BookSide::Ask }
}

impl Symbol {
    pub(super) fn new(traits: Traits, random: &mut Random) -> Self {
        let mut sides = [Vec::new(), Vec::new()];
        for (side, levels) in sides.iter_mut().enumerate() {
            let away = if side == 0 { -1 } else { 1 };
            let mut price = traits.base + i64::from(side == 1);
            for _ in 0..LEVELS {
                levels.push(Level { price, size: new_size(&traits, random) });
                price += away * gap(&traits, random);
            }
        }
        Self {
            traits,
            sides,
            own: 0,
            act: 40_000,
            trade_id: 1_000_000,
            last_take_buys: false,
            halted_until_ms: 0,
            changes: [[0; 4]; 2],
            grew: [false; 2],
        }
    }

    pub(super) fn quote(&self) -> Quote {
        let [bid, ask] = [self.sides[0][0], self.sides[1][0]];
        Quote { bid: bid.price, ask: ask.price, bid_size: bid.size, ask_size: ask.size }
    }

    pub(super) fn spread(&self) -> i64 {
        self.sides[1][0].price - self.sides[0][0].price
    }

    /// Twice the distance from the middle to the fair price.
    pub(super) fn gap_twice(&self, market: i64) -> i64 {
        let moved = i128::from(self.traits.base) * i128::from(self.traits.beta) * i128::from(market);
        let fair = self.traits.base + i64::try_from(moved >> 48).unwrap_or(0) + self.own;
        2 * fair - self.sides[0][0].price - self.sides[1][0].price
    }

    /// Keeps both sides at [`LEVELS`] levels, never below one tick.
    pub(super) fn refill(&mut self, side: usize, random: &mut Random, out: &mut Vec<Change>) {
        let away = if side == 0 { -1 } else { 1 };
        while self.sides[side].len() < LEVELS {
            let last = self.sides[side].last().map_or(self.traits.base, |level| level.price);
            let price = last + away * gap(&self.traits, random);
            let size = new_size(&self.traits, random) / 4;
            let level = Level { price, size: size.max(1) };
            self.sides[side].push(level);
            out.push(told(side, level));
        }
        while self.sides[side].len() > LEVELS {
            if let Some(level) = self.sides[side].pop() {
                out.push(told(side, Level { size: 0, ..level }));
            }
        }
    }

    /// Takes the best level away.
    pub(super) fn pop(&mut self, side: usize, out: &mut Vec<Change>) {
        let level = self.sides[side].remove(0);
        out.push(told(side, Level { size: 0, ..level }));
        self.changes[side] = [0; 4];
    }

    /// Makes a price the best of its side.
    pub(super) fn lead(&mut self, side: usize, price: i64, random: &mut Random, out: &mut Vec<Change>) {
        let level = Level { price, size: new_size(&self.traits, random) };
        self.sides[side].insert(0, level);
        out.push(told(side, level));
        self.changes[side] = [0; 4];
    }

    /// Changes the size of the best level: most changes undo the largest of the last four.
    pub(super) fn resize(&mut self, side: usize, lone: bool, random: &mut Random, out: &mut Vec<Change>) {
        let size = self.sides[side][0].size;
        let recent = if random.p(8_192) { &self.changes[side][..] } else { &self.changes[side][1..] };
        let undo = recent.iter().copied().max_by_key(|change| change.abs()).unwrap_or(0);
        let part = if lone { 4 } else { 1 };
        let small = undo > 0 && size < 11 * self.traits.scale && random.p(49_152);
        let change = if undo != 0 && size > undo && random.p(54_000 / part) && !small {
            -undo
        } else {
            let grow = if random.p(43_000) { self.grew[side] } else { random.p(53_000) };
            self.grew[side] = grow;
            if grow {
                (random.sample(&INC) * self.traits.scale * 28 / 4_096 / part).max(1)
            } else {
                -(size.saturating_mul(random.sample(&DECF)) / 524_288 / part).max(1)
            }
        };
        let level = &mut self.sides[side][0];
        level.size = (size + change).max(1);
        let level = *level;
        self.changes[side].rotate_right(1);
        self.changes[side][0] = level.size - size;
        out.push(told(side, level));
    }

    /// Changes the book behind the best level.
    pub(super) fn deep(&mut self, side: usize, random: &mut Random, out: &mut Vec<Change>) {
        let at = 1 + usize::try_from(random.below(i64::try_from(LEVELS - 1).unwrap_or(1))).unwrap_or(0);
        let above = self.sides[side][at - 1].price;
        let level = self.sides[side][at];
        match random.below(8) {
            0..4 => {
                self.sides[side].remove(at);
                out.push(told(side, Level { size: 0, ..level }));
                self.refill(side, random, out);
            }
            4..7 if (level.price - above).abs() > 1 => {
                let room = (level.price - above).abs() - 1;
                let away = if side == 0 { -1 } else { 1 };
                let price = above + away * (1 + random.below(room));
                let level = Level { price, size: new_size(&self.traits, random) };
                self.sides[side].insert(at, level);
                out.push(told(side, level));
                self.refill(side, random, out);
            }
            _ => {
                let size = new_size(&self.traits, random);
                self.sides[side][at].size = size;
                out.push(told(side, Level { size, ..level }));
            }
        }
    }
}

pub(super) fn told(side: usize, level: Level) -> Change {
    let (price, qty) = (level.price, level.size);
    let (snapshot_begins, update_ends) = (false, false);
    Change::Level(BookLevel { side: book_side(side), price, qty, snapshot_begins, update_ends })
}

fn new_size(traits: &Traits, random: &mut Random) -> i64 {
    (random.sample(&NEWSZ) * traits.scale / 64).max(1)
}

fn gap(traits: &Traits, random: &mut Random) -> i64 {
    (random.sample(&STEP) * traits.step / 64).max(1)
}

pub(super) fn delay_us(random: &mut Random) -> i64 {
    random.sample(&DELAY) * 12
}
