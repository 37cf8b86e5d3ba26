//! A seeded market: same options and seed, same items. Integers only, no clock, no hash order.
//!
//! A market clock of shocks sets the pace; immigrants on it start batches that have children on their symbol. Moves
//! chase a fair price, takes print against the book, sizes mostly undo themselves. Its statistics lie near those of
//! recordings of six instruments; `examples/simulate_stats.rs` prints them.
//!
//! The rate is held by looking ahead: what a burst takes is given back around it. A window of 10 s is within 20 % of
//! what was asked nine times of ten; the largest bursts go beyond it, as those of a market do.

mod act;
mod market;
mod symbol;
mod tables;
mod top;
mod universe;

use crate::event::{Item, Source};
use act::{Act, Actor};
use market::{Outlook, USUAL};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use symbol::{Symbol, delay_us, told};
use tables::{EXP, Random};
use top::Top;
use wire::instrument::Instrument;
use wire::tick::{BookLevel, Change, Status};

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

/// What the outlook of the market did not foresee is made up within this: a shorter time would flatten the bursts of a
/// second, which are 4 times the mean on real markets.
const PACE_HORIZON_S: i64 = 2;

/// The simulator.
#[derive(Debug)]
pub struct Simulator {
    options: Options,
    instruments: Vec<Instrument>,
    symbols: Vec<Symbol>,
    /// What is told of each symbol's book; none are kept when all or nothing is.
    tops: Vec<Top>,
    alias: universe::Alias,
    market: Outlook,
    random: Random,
    halts: Random,
    heap: BinaryHeap<Reverse<(i64, u64, u32, Act)>>,
    pushed: u64,
    now_ms: i64,
    arrival: i64,
    pace: i64,
    base: i64,
    counted: i64,
    /// Sum of the market's work over the steps, 65,536 = usual.
    worked: i64,
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
        let symbols: Vec<Symbol> = traits.iter().map(|traits| Symbol::new(*traits, &mut random)).collect();
        let mut simulator = Self {
            options,
            instruments,
            symbols,
            tops: Vec::new(),
            alias,
            market: Outlook::new(options.seed),
            random,
            halts: Random::new(options.seed, 3),
            heap: BinaryHeap::new(),
            pushed: 0,
            now_ms: 0,
            arrival: 0,
            pace: i64::from(options.rate) * 347,
            base: i64::from(options.rate) * 347,
            counted: 0,
            worked: 0,
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
        let depth = self.options.depth as usize;
        for symbol in 0..self.symbols.len() {
            for side in 0..2 {
                let levels = self.symbols[symbol].sides[side].clone();
                for (at, level) in levels.iter().take(depth).enumerate() {
                    let begins = at == 0 && side == 0;
                    let Change::Level(told) = told(side, *level) else { continue };
                    self.changes.push(Change::Level(BookLevel { snapshot_begins: begins, ..told }));
                }
            }
            if (1..symbol::LEVELS).contains(&depth) {
                self.tops.push(Top::new(depth, &self.symbols[symbol].sides));
            }
            let quote = self.symbols[symbol].quote();
            self.changes.push(Change::Quote(quote));
            self.hand_on(u32::try_from(symbol).unwrap_or(0), WARM_UP_MS * 1_000);
        }
    }

    /// One millisecond.
    fn step(&mut self) {
        self.market.step();
        self.halt_some();
        let begin_us = self.now_ms * 1_000;
        let end_us = begin_us + 1_000;
        // Arrivals: an exponential waiting time is worked off at the market's pace.
        let (share, market) = (self.market.share(), self.market.now());
        self.worked += ((market.work() * share) >> 16) * (65_536 / USUAL);
        // Thousandths of arrivals a second.
        let work = ((self.pace * share) >> 16).saturating_mul(market.pace()) >> 16;
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

    /// Holds the mean rate to what was asked: what is missing is made up within [`PACE_HORIZON_S`]. Bursts within a
    /// second stay bursts. While warming up the base is found; later only the deviation acts.
    fn keep_pace(&mut self) {
        let rate = i64::from(self.options.rate);
        let asked = rate * (self.now_ms - self.paced_ms) / 1_000;
        if self.warm {
            // What a mean market would have given in the same time: the bursts of these seconds are divided out.
            if self.now_ms == WARM_UP_MS / 3 || self.now_ms == WARM_UP_MS {
                let usual = asked.saturating_mul(self.worked / (self.now_ms - self.paced_ms)) >> 16;
                self.base = (self.base * usual / self.counted.clamp(usual / 4 + 1, usual * 4 + 1)).max(1);
                self.pace = self.base;
                (self.counted, self.worked, self.paced_ms) = (0, 0, self.now_ms);
            }
            return;
        }
        let horizon = PACE_HORIZON_S * rate;
        let owed = (asked + horizon - self.counted).clamp(horizon * 52 / 100, horizon * 100 / 52);
        // A market that stays quiet or busy for long is taken into the base.
        self.base = (self.base + self.base * (owed - horizon) / horizon / 16).max(1);
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

    /// Hands on what was changed, of the book as much as is told.
    fn tell(&mut self, instrument: u32, at_us: i64) {
        if self.options.depth == 0 || self.warm {
            self.changes.retain(|change| !matches!(change, Change::Level(_)));
        } else if let Some(top) = self.tops.get_mut(instrument as usize) {
            top.cut(&mut self.changes);
        }
        self.hand_on(instrument, at_us);
    }

    fn hand_on(&mut self, instrument: u32, at_us: i64) {
        top::end_updates(&mut self.changes);
        for change in self.changes.drain(..) {
            self.counted += i64::from(matches!(change, Change::Quote(_) | Change::Trade(_)));
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
            market: self.market.now(),
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
