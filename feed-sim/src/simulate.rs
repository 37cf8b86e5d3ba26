//! A seeded market: same options and seed, same items. Integers only, no clock, no hash order.
//!
//! A market clock of shocks sets the pace; immigrants on it start batches that have children on their symbol. Moves
//! chase a fair price, takes print against the book, sizes mostly undo themselves. Its statistics lie near those of
//! recordings of six instruments; `examples/simulate_stats.rs` prints them.

mod market;
mod symbol;
mod tables;
mod universe;

use crate::event::{Item, Source};
use market::Market;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use symbol::{Symbol, book_side, delay_us, told};
use tables::{BATCH, EXP, PRINTS, QTY, Random, STEP};
use wire::instrument::Instrument;
use wire::tick::{Aggressor, BookLevel, Change, Status, Trade};

/// Options of a market; they belong to the seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Seed.
    pub seed: u64,
    /// Number of instruments.
    pub symbols: u32,
    /// Quotes and prints a second.
    pub rate: u32,
    /// Book levels a side that are told, 0–20.
    pub depth: u32,
}

/// Simulated time before the first item: the market clock has settled, and the pace is known.
const WARM_UP_MS: i64 = 30_000;

/// The pace is adjusted after each of these, ms.
const PACE_MS: i64 = 1_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    Child,
    Chain(bool),
    Fill(bool),
}

/// The simulator.
#[derive(Debug)]
pub struct Simulator {
    options: Options,
    instruments: Vec<Instrument>,
    symbols: Vec<Symbol>,
    alias: universe::Alias,
    market: Market,
    random: Random,
    halts: Random,
    heap: BinaryHeap<Reverse<(i64, u64, u32, Act)>>,
    pushed: u64,
    now_ms: i64,
    arrival: i64,
    pace: i64,
    base: i64,
    counted: i64,
    paced_ms: i64,
    changes: Vec<Change>,
    out: Vec<Item>,
    warm: bool,
}

impl Simulator {
    /// A market that has run for its warm-up and has its pace.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let mut random = Random::new(options.seed, 1);
        let (instruments, traits, alias) = universe::build(options.symbols, &mut random);
        let symbols = traits.iter().map(|traits| Symbol::new(*traits, &mut random)).collect();
        let mut simulator = Self {
            options,
            instruments,
            symbols,
            alias,
            market: Market::new(options.seed),
            random,
            halts: Random::new(options.seed, 3),
            heap: BinaryHeap::new(),
            pushed: 0,
            now_ms: 0,
            arrival: 0,
            pace: i64::from(options.rate) * 347,
            base: i64::from(options.rate) * 347,
            counted: 0,
            paced_ms: 0,
            changes: Vec::new(),
            out: Vec::new(),
            warm: true,
        };
        while simulator.now_ms < WARM_UP_MS {
            simulator.step();
            simulator.out.clear();
        }
        simulator.warm = false;
        (simulator.counted, simulator.paced_ms) = (0, simulator.now_ms);
        simulator.whole_books();
        simulator
    }

    /// Tells each symbol's whole book and quote: what a recording begins with.
    fn whole_books(&mut self) {
        for symbol in 0..self.symbols.len() {
            for side in 0..2 {
                let levels = self.symbols[symbol].sides[side].clone();
                for (at, level) in levels.iter().take(self.options.depth as usize).enumerate() {
                    let begins = at == 0 && side == 0;
                    let Change::Level(told) = told(side, *level) else { continue };
                    self.changes.push(Change::Level(BookLevel { snapshot_begins: begins, ..told }));
                }
            }
            let quote = self.symbols[symbol].quote();
            self.changes.push(Change::Quote(quote));
            self.tell(u32::try_from(symbol).unwrap_or(0), WARM_UP_MS * 1_000);
        }
    }

    /// One millisecond.
    fn step(&mut self) {
        self.market.step();
        self.halt_some();
        let begin_us = self.now_ms * 1_000;
        let end_us = begin_us + 1_000;
        // Arrivals: an exponential waiting time is worked off at the market's pace.
        let work = self.pace.saturating_mul(self.market.pace()) >> 16; // thousandths of arrivals a second
        let mut left = work;
        while self.arrival <= left {
            left -= self.arrival;
            let at_us = begin_us + (work - left) * 1_000 / work.max(1);
            self.run_heap(at_us);
            let symbol = self.alias.draw(&mut self.random);
            self.act(at_us.min(end_us - 1), symbol, None);
            // 1 arrival = 1,000 (thousandths) × 1,000 (ms a second).
            self.arrival = (self.random.sample(&EXP) * 1_000_000) >> 10;
        }
        self.arrival -= left;
        self.run_heap(end_us - 1);
        self.now_ms += 1;
        if self.now_ms % PACE_MS == 0 {
            self.keep_pace();
        }
    }

    /// Holds the mean rate to what was asked: within the next second what is missing is to be made up. Bursts
    /// within a second stay bursts. While warming up the base is found; later only the deviation acts.
    fn keep_pace(&mut self) {
        let rate = i64::from(self.options.rate);
        let asked = rate * (self.now_ms - self.paced_ms) / 1_000;
        if self.warm {
            if self.now_ms - self.paced_ms >= WARM_UP_MS / 3 {
                self.base = (self.base * asked / self.counted.clamp(asked / 4 + 1, asked * 4 + 1)).max(1);
                self.pace = self.base;
                (self.counted, self.paced_ms) = (0, self.now_ms);
            }
            return;
        }
        let horizon = rate;
        let owed = (asked + horizon - self.counted).clamp(horizon / 2, horizon * 2);
        self.pace = (self.base * owed / horizon).max(1);
    }

    fn run_heap(&mut self, until_us: i64) {
        while let Some(Reverse((at_us, _, symbol, act))) = self.heap.peek().copied() {
            if at_us > until_us {
                return;
            }
            self.heap.pop();
            self.act(at_us, symbol, Some(act));
        }
    }

    fn push(&mut self, at_us: i64, symbol: u32, act: Act) {
        self.pushed += 1;
        self.heap.push(Reverse((at_us, self.pushed, symbol, act)));
    }

    /// A symbol stops 0.2 times an hour, for 3 to 300 s.
    fn halt_some(&mut self) {
        for symbol in 0..u32::try_from(self.symbols.len()).unwrap_or(0) {
            let entry = &mut self.symbols[symbol as usize];
            if entry.halted_until_ms > 0 && entry.halted_until_ms <= self.now_ms {
                entry.halted_until_ms = 0;
                entry.own += 4 * entry.traits.step * if self.halts.coin() { 1 } else { -1 };
                self.changes.push(Change::Status(Status::Open));
                self.tell(symbol, self.now_ms * 1_000);
                for _ in 0..12 {
                    let at_us = self.now_ms * 1_000 + delay_us(&mut self.random);
                    self.push(at_us, symbol, Act::Child);
                }
            }
        }
        // One draw a millisecond for all symbols: 0.2 / 3,600,000 each.
        let count = i64::try_from(self.symbols.len()).unwrap_or(1);
        if self.halts.below(18_000_000) < count {
            let symbol = u32::try_from(self.halts.below(count)).unwrap_or(0);
            let entry = &mut self.symbols[symbol as usize];
            if entry.halted_until_ms == 0 && !self.warm {
                entry.halted_until_ms = self.now_ms + 3_000 + self.halts.below(297_000);
                self.changes.push(Change::Status(Status::Halted));
                self.tell(symbol, self.now_ms * 1_000);
            }
        }
    }

    /// Hands on what was changed, 1 µs apart.
    fn tell(&mut self, instrument: u32, at_us: i64) {
        for change in self.changes.drain(..) {
            match change {
                Change::Level(_) if self.options.depth == 0 => continue,
                Change::Level(_) | Change::Status(_) => {}
                Change::Quote(_) | Change::Trade(_) => self.counted += 1,
            }
            self.out.push(Item { due_ns: (at_us - WARM_UP_MS * 1_000) * 1_000, instrument, change });
        }
    }

    fn act(&mut self, at_us: i64, symbol: u32, act: Option<Act>) {
        if self.symbols[symbol as usize].halted_until_ms > 0 {
            return;
        }
        if act.is_none() {
            let entry = &mut self.symbols[symbol as usize];
            if self.random.p(1_300) {
                entry.act = 20_000 + self.random.below(45_000);
            }
            if !self.random.p(entry.act) {
                return;
            }
        }
        let mut actor = Actor {
            symbol: &mut self.symbols[symbol as usize],
            random: &mut self.random,
            changes: &mut self.changes,
            market: &self.market,
            depth: self.options.depth as usize,
            pushes: Vec::new(),
        };
        actor.run(act);
        let pushes = actor.pushes;
        self.tell(symbol, at_us);
        for (delay_us, act) in pushes {
            self.push(at_us + delay_us.max(1), symbol, act);
        }
    }
}

/// One act on one symbol.
struct Actor<'a> {
    symbol: &'a mut Symbol,
    random: &'a mut Random,
    changes: &'a mut Vec<Change>,
    market: &'a Market,
    depth: usize,
    pushes: Vec<(i64, Act)>,
}

impl Actor<'_> {
    fn run(&mut self, act: Option<Act>) {
        let immigrant = act.is_none();
        let lone = immigrant && self.random.p(27_000);
        let mut kids = if lone { 0 } else { 36_000 };
        if let Some(Act::Fill(up)) = act {
            if self.symbol.spread() > 1 {
                self.fill(up);
            }
        } else {
            let (moved, took) = self.price(act, immigrant);
            kids += 20_000 * (i64::from(moved) + i64::from(took));
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
        let urge = (40 + 250 * (pull - 2).max(0)) / if immigrant { 4 } else { 1 };
        let moves = self.symbol.spread() == 1 && (chain.is_some() || self.random.p(urge));
        let eager = ((1_000 + 39 * hot) * if immigrant { 2 } else { 3 } / 3).min(20_000);
        let takes = self.random.p(if moves { 45_000 } else { eager });
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
            None if self.random.p(30_000) => self.symbol.last_take_buys,
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
        if self.random.p(5 * hot) {
            prints += self.random.sample(&PRINTS);
        }
        if self.random.p(5 * hot / 4) {
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
            qty = qty.min(if moves.is_some() { best.size } else { (best.size - 1).max(1) });
            self.symbol.trade_id += 1;
            let aggressor = if buys { Aggressor::Buy } else { Aggressor::Sell };
            let trade = Trade { price: best.price, qty, trade_id: self.symbol.trade_id, aggressor };
            self.changes.push(Change::Trade(trade));
            if qty < best.size {
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
        if self.random.p(10_000 + 9_000 * rest.min(6)) {
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
                let delay = delay_us(self.random) * 80 / 100;
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
        let whole = self.symbol.spread() - 1;
        if whole <= 0 {
            return;
        }
        let by = if self.random.p(22_000) { whole } else { 1 + self.random.below(whole) };
        let price = self.symbol.sides[follows][0].price + sign * by;
        self.close_up(follows, price);
        self.quote();
        if by < whole {
            let delay = delay_us(self.random);
            self.pushes.push((delay, Act::Fill(up)));
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

impl Source for Simulator {
    fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    fn items_until(&mut self, until_ns: i64, out: &mut Vec<Item>) -> Result<bool, String> {
        while (self.now_ms - WARM_UP_MS) * 1_000_000 < until_ns {
            self.step();
        }
        // What lies behind `until_ns` within the last millisecond waits.
        let ready = self.out.partition_point(|item| item.due_ns <= until_ns);
        out.extend(self.out.drain(..ready));
        Ok(true)
    }
}
