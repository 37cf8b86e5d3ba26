//! What an immigrant or its child does to its symbol: moves, takes, changes of sizes.

use super::market::Market;
use super::symbol::{self, Symbol, book_side, delay_us, told};
use super::tables::{BATCH, PRINTS, QTY, Random, STEP};
use wire::tick::{Aggressor, Change, Trade};

/// What waits for its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Act {
    /// Follows from an earlier act.
    Child,
    /// A move goes on, up or down.
    Chain(bool),
    /// A spread that an upward or downward move opened closes.
    Fill(bool),
}

/// One act on one symbol.
pub(super) struct Actor<'a> {
    pub(super) symbol: &'a mut Symbol,
    pub(super) random: &'a mut Random,
    pub(super) changes: &'a mut Vec<Change>,
    pub(super) market: &'a Market,
    pub(super) depth: usize,
    pub(super) pushes: Vec<(i64, Act)>,
}

impl Actor<'_> {
    pub(super) fn run(&mut self, act: Option<Act>) {
        let immigrant = act.is_none();
        let lone = immigrant && self.random.p(20_000);
        let mut kids = if lone { 0 } else { 36_462 };
        if let Some(Act::Fill(up)) = act {
            if self.symbol.spread() > 1 {
                self.fill(up);
            }
            self.sizes(immigrant, lone, false);
        } else {
            let (moved, took) = self.price(act, immigrant);
            kids += 21_694 * i64::from(moved) + 29_696 * i64::from(took);
            self.sizes(immigrant, lone, moved || took);
        }
        while kids > 0 {
            if self.random.p(kids.min(65_535)) {
                let delay = delay_us(self.random);
                self.pushes.push((delay, Act::Child));
            }
            kids -= 65_536;
        }
    }

    fn quote(&mut self) {
        self.changes.push(Change::Quote(self.symbol.quote()));
    }

    /// Moves the price or takes from the book, or neither.
    fn price(&mut self, act: Option<Act>, immigrant: bool) -> (bool, bool) {
        let step = self.symbol.traits.step;
        if self.random.p(350) {
            let by = (self.random.sample(&STEP) * step / 16).min(step / 4 + 1);
            self.symbol.own += if self.random.coin() { by } else { -by };
            self.symbol.own -= self.symbol.own >> 6;
        }
        let gap_twice = self.symbol.gap_twice(self.market.level());
        let gap = gap_twice.abs() / 2;
        let pull = (4 * gap / step.max(1)).min(64);
        let hot = self.market.heat();
        let chain = match act {
            Some(Act::Chain(up)) => Some(up),
            _ => None,
        };
        let urge = (40 + 308 * (pull - 2).max(0)) / if immigrant { 4 } else { 1 };
        let moves = self.symbol.spread() == 1 && (chain.is_some() || self.random.p(urge));
        let eager = ((2_300 + 41 * hot) * if immigrant { 2 } else { 3 } / 3).min(40_951);
        let takes = self.random.p(if moves { 53_625 } else { eager });
        if !moves && !takes {
            return (false, false);
        }
        let up = match chain {
            Some(up) => up,
            None if moves || self.random.p(400 * pull) => {
                if self.random.p(58_000) {
                    gap_twice > 0
                } else {
                    self.random.coin()
                }
            }
            None if self.random.p(32_941) => self.symbol.last_take_buys,
            None => self.random.coin(),
        };
        let by = (self.random.sample(&STEP) * step / 16).max(if self.random.p(40_000) { gap / 4 } else { 1 });
        let by = by.min(2 * gap + 2 * step + 1).max(1);
        if takes {
            self.take(up, moves.then_some(by), hot);
        }
        if moves {
            self.advance(up, by, gap);
        }
        (moves, takes)
    }

    /// Prints against one side: buyers take asks.
    fn take(&mut self, buys: bool, moves: Option<i64>, hot: i64) {
        let side = usize::from(buys);
        let mut prints = self.random.sample(&PRINTS);
        if self.random.p(31 * hot / 4) {
            prints += self.random.sample(&PRINTS);
        }
        if self.random.p(10 * hot / 4) {
            prints += 2 * self.random.sample(&PRINTS);
        }
        prints += i64::from(moves.is_some());
        self.symbol.last_take_buys = buys;
        let begin = self.symbol.sides[side][0].price;
        for _ in 0..prints {
            let best = self.symbol.sides[side][0];
            let mut qty = (self.random.sample(&QTY) * self.symbol.traits.scale / 1_024).max(1);
            if moves.is_some() && self.random.coin() {
                qty = best.size;
            }
            if moves.is_some() || best.size > 1 {
                qty = qty.min(if moves.is_some() { best.size } else { best.size - 1 });
            }
            self.symbol.trade_id += 1;
            let aggressor = if buys { Aggressor::Buy } else { Aggressor::Sell };
            let trade = Trade { price: best.price, qty, trade_id: self.symbol.trade_id, aggressor };
            self.changes.push(Change::Trade(trade));
            if moves.is_none() && best.size == 1 {
                // The last lot stays and hides what else is there.
            } else if qty < best.size {
                self.symbol.sides[side][0].size -= qty;
            } else if moves.is_some_and(|by| {
                self.symbol.sides[side].len() > 2 && (self.symbol.sides[side][1].price - begin).abs() <= by
            }) {
                self.symbol.pop(side, self.changes);
            } else {
                self.symbol.sides[side][0].size = 1;
                break;
            }
        }
        let level = self.symbol.sides[side][0];
        self.changes.push(told(side, level));
        self.symbol.refill(side, self.random, self.changes);
        if moves.is_none() {
            self.quote();
        }
    }

    /// One side jumps by `by` ticks; the other follows at once, soon, or later.
    fn advance(&mut self, up: bool, by: i64, gap: i64) {
        let (gone, follows) = if up { (1, 0) } else { (0, 1) };
        let sign = if up { 1 } else { -1 };
        let target = self.symbol.sides[gone][0].price + sign * by;
        let passed =
            |levels: &[symbol::Level]| levels.first().is_some_and(|level| (target - level.price) * sign > 0);
        while passed(&self.symbol.sides[gone]) {
            self.symbol.pop(gone, self.changes);
        }
        if self.symbol.sides[gone].first().is_none_or(|level| level.price != target) {
            self.symbol.lead(gone, target, self.random, self.changes);
        }
        self.symbol.refill(gone, self.random, self.changes);
        let rest = (8 * (gap - by).max(0) / self.symbol.traits.step.max(1)).min(64) / 8;
        if self.random.p(8_619 + 6_724 * rest.min(8)) {
            let delay = delay_us(self.random) * 15 / 100;
            self.pushes.push((delay, Act::Chain(up)));
        }
        let level = target - sign;
        if self.random.p(26_000) {
            self.close_up(follows, level);
            self.quote();
        } else {
            self.quote();
            if self.random.p(23_000) {
                self.fill(up);
            } else {
                let delay = delay_us(self.random) * 71 / 100;
                self.pushes.push((delay, Act::Fill(up)));
            }
        }
    }

    /// Brings a side to a price, passing nothing on the way.
    fn close_up(&mut self, side: usize, price: i64) {
        if self.symbol.sides[side][0].price != price {
            self.symbol.lead(side, price, self.random, self.changes);
            self.symbol.refill(side, self.random, self.changes);
        }
    }

    /// An open spread closes: the other side follows in steps or at once, or the opened side returns.
    fn fill(&mut self, up: bool) {
        let (opened, follows) = if up { (1, 0) } else { (0, 1) };
        let sign = if up { 1 } else { -1 };
        if self.random.p(3_500) {
            let back = self.symbol.sides[follows][0].price + sign;
            self.close_up(opened, back);
            return self.quote();
        }
        loop {
            let whole = self.symbol.spread() - 1;
            if whole <= 0 {
                return;
            }
            let by = if self.random.p(22_000) { whole } else { 1 + self.random.below(whole) };
            let price = self.symbol.sides[follows][0].price + sign * by;
            self.close_up(follows, price);
            self.quote();
        }
    }

    fn sizes(&mut self, immigrant: bool, lone: bool, priced: bool) {
        let batch = self.random.sample(&BATCH);
        let times = if priced {
            batch - 1
        } else if lone {
            1
        } else {
            batch
        };
        let mut side = usize::from(if immigrant || !self.random.p(54_000) {
            self.random.coin()
        } else {
            self.symbol.last_take_buys
        });
        for _ in 0..times {
            if !self.random.p(39_000) {
                side = usize::from(self.random.coin());
            }
            self.symbol.resize(side, lone, self.random, self.changes);
            self.quote();
            if self.depth > 1 && self.random.p(22_000) {
                self.symbol.deep(side, self.random, self.changes);
            }
        }
        debug_assert!(self.symbol.spread() > 0, "{:?} {:?}", book_side(0), self.symbol.quote());
    }
}
