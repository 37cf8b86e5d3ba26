//! Bars of one second and one minute, made of prints by the time that they bear. Pure.
//!
//! `ingest` writes it, lanes read it. A symbol's bars begin with its first print and take what they need then, not
//! before. A bar closes when a print of a later period comes, or when its shard's watermark passes its end.

use crate::bits::Bits;
use wire::control::Period;
use wire::frame::Bar;
use wire::instrument::InstrumentId;
use wire::tick::{Aggressor, Trade};

/// Closed bars that are kept of a symbol and period; at the bound the oldest goes.
pub const CLOSED_BARS_MAX: usize = 16;

/// A print that bears a time this far ahead of the gateway's clock is left out of the bars: it would make all that
/// follow late.
const AHEAD_US_MAX: i64 = 3_600_000_000;

/// Counters; each only grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BarCounters {
    /// Prints of a closed period, added to its bar; counted for each period.
    pub late: u64,
    /// Prints of a period whose bar is kept no more or never was; counted for each period.
    pub too_late: u64,
    /// Prints more than an hour ahead of the gateway's clock.
    pub ahead: u64,
}

/// One print as bars see it.
#[derive(Debug, Clone, Copy)]
pub struct BarPrint {
    /// Its number among the instrument's prints.
    pub number: u64,
    /// Due time, ns.
    pub ts_event: i64,
    /// What it says.
    pub trade: Trade,
    /// Whether prints right before it were lost.
    pub after_loss: bool,
}

#[derive(Debug)]
struct Series {
    shard: u16,
    /// Rising by start; only the last may be open.
    bars: [Vec<Bar>; 2],
}

/// The bars of all symbols that have printed.
#[derive(Debug, Default)]
pub struct Bars {
    series: Vec<Option<Box<Series>>>,
    /// Bars that begin before this, µs, may lack prints; by id.
    whole_from_us: Vec<i64>,
    open: Bits,
    touched: [Bits; 2],
    /// The second up to which bars of a shard were closed.
    passed: Vec<i64>,
    counters: BarCounters,
}

impl Bars {
    /// Takes the next print of an instrument.
    #[inline]
    pub fn apply(&mut self, id: InstrumentId, shard: u16, print: &BarPrint, now_us: i64) {
        let at_us = print.ts_event.div_euclid(1_000);
        if at_us.saturating_sub(now_us) > AHEAD_US_MAX {
            self.counters.ahead += 1;
            return self.lost(id, now_us);
        }
        if print.after_loss {
            self.lost(id, at_us.saturating_add(1));
        }
        if self.series.len() <= id.index() {
            self.series.resize_with(id.index() + 1, || None);
        }
        let begun = || Box::new(Series { shard, bars: [Vec::new(), Vec::new()] });
        let series = self.series[id.index()].get_or_insert_with(begun);
        series.shard = shard;
        self.open.insert(id);
        let passed_us =
            self.passed.get(usize::from(shard)).map_or(i64::MIN, |second| second.saturating_mul(1_000_000));
        let whole_from_us = self.whole_from_us.get(id.index()).copied().unwrap_or(i64::MIN);
        for period in Period::ALL {
            let start_us = at_us.div_euclid(period.us()) * period.us();
            let bars = &mut series.bars[period as usize];
            let taken = match bars.last_mut() {
                Some(last) if last.start_us == start_us => {
                    self.counters.late += u64::from(last.closed);
                    Some(last)
                }
                Some(last) if last.start_us > start_us => {
                    let bar = bars.iter_mut().rfind(|bar| bar.start_us == start_us);
                    let found = bar.is_some();
                    self.counters.late += u64::from(found);
                    self.counters.too_late += u64::from(!found);
                    bar
                }
                _ => {
                    let closed = start_us.saturating_add(period.us()) <= passed_us;
                    self.counters.late += u64::from(closed);
                    begin(
                        bars,
                        Bar { start_us, closed, partial: start_us < whole_from_us, ..Bar::default() },
                    );
                    bars.last_mut()
                }
            };
            if let Some(bar) = taken {
                add(bar, print);
                self.touched[period as usize].insert(id);
            }
        }
    }

    /// Prints of an instrument due before `until_us` may be missing: bars that begin before it are partial, its open
    /// ones among them.
    pub fn lost(&mut self, id: InstrumentId, until_us: i64) {
        if self.whole_from_us.len() <= id.index() {
            self.whole_from_us.resize(id.index() + 1, i64::MIN);
        }
        let from = &mut self.whole_from_us[id.index()];
        *from = until_us.max(*from);
        let Some(series) = self.series.get_mut(id.index()).and_then(Option::as_mut) else { return };
        for period in Period::ALL {
            if let Some(last) = series.bars[period as usize].last_mut()
                && !last.closed
                && !last.partial
            {
                last.partial = true;
                self.touched[period as usize].insert(id);
            }
        }
    }

    /// Everything due up to `through_us` has arrived in a shard: closes the bars that ended by then. Costs nothing but
    /// when a second has passed.
    pub fn pass(&mut self, shard: u16, through_us: i64) {
        let (place, second) = (usize::from(shard), through_us.div_euclid(Period::Second.us()));
        if self.passed.len() <= place {
            self.passed.resize(place + 1, i64::MIN);
        }
        if self.passed[place] >= second {
            return;
        }
        self.passed[place] = second;
        let mut idle = Vec::new();
        for id in self.open.iter() {
            let Some(series) = self.series.get_mut(id.index()).and_then(Option::as_mut) else { continue };
            if series.shard != shard {
                continue;
            }
            let mut open = false;
            for period in Period::ALL {
                let Some(last) = series.bars[period as usize].last_mut() else { continue };
                if !last.closed && last.start_us.saturating_add(period.us()) <= through_us {
                    last.closed = true;
                    self.touched[period as usize].insert(id);
                }
                open |= !last.closed;
            }
            if !open {
                idle.push(id);
            }
        }
        for id in idle {
            self.open.remove(id);
        }
    }

    /// A new publisher: its clock may stand behind what was passed.
    pub fn restart(&mut self, shard: u16) {
        if let Some(passed) = self.passed.get_mut(usize::from(shard)) {
            *passed = i64::MIN;
        }
    }

    /// The bars of a symbol, oldest first: up to 16 closed ones, and the open one last, if there is one. Empty before
    /// its first print.
    #[must_use]
    pub fn bars(&self, id: InstrumentId, period: Period) -> &[Bar] {
        let series = self.series.get(id.index()).and_then(Option::as_deref);
        series.map_or(&[], |series| &series.bars[period as usize])
    }

    /// Symbols of which a bar of this period changed since [`Bars::clear_touched`].
    #[must_use]
    pub fn touched(&self, period: Period) -> &Bits {
        &self.touched[period as usize]
    }

    /// All changes have been looked at.
    pub fn clear_touched(&mut self) {
        self.touched.iter_mut().for_each(Bits::clear);
    }

    /// Counters.
    #[must_use]
    pub fn counters(&self) -> BarCounters {
        self.counters
    }
}

/// Closes the last bar and begins one.
fn begin(bars: &mut Vec<Bar>, bar: Bar) {
    if let Some(last) = bars.last_mut() {
        last.closed = true;
    }
    if bars.len() > CLOSED_BARS_MAX {
        bars.remove(0);
    }
    bars.push(bar);
}

/// Adds a print to its bar.
fn add(bar: &mut Bar, print: &BarPrint) {
    let trade = &print.trade;
    if bar.count == 0 {
        (bar.open, bar.high, bar.low) = (trade.price, trade.price, trade.price);
    }
    (bar.high, bar.low) = (bar.high.max(trade.price), bar.low.min(trade.price));
    (bar.close, bar.tc) = (trade.price, print.number);
    bar.volume = bar.volume.saturating_add(trade.qty);
    if trade.aggressor == Aggressor::Buy {
        bar.buy_volume = bar.buy_volume.saturating_add(trade.qty);
    }
    let notional = i128::from(trade.price) * i128::from(trade.qty);
    bar.notional = bar.notional.wrapping_add(notional);
    bar.count += 1;
}
