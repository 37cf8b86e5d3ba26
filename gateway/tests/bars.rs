//! Bars against a naive recomputation from the prints, over seeded random histories with late and lost prints.

#![expect(clippy::unwrap_used, reason = "a test ends by its panic")]

#[path = "model/random.rs"]
mod random;

use gateway::bars::{BarPrint, Bars, CLOSED_BARS_MAX};
use random::Random;
use std::collections::BTreeMap;
use wire::control::Period;
use wire::frame::Bar;
use wire::instrument::InstrumentId;
use wire::tick::{Aggressor, Trade};

const ID: InstrumentId = InstrumentId(3);
const BEGIN_US: i64 = 1_700_000_000_000_000 / 60_000_000 * 60_000_000;

fn print(number: u64, at_us: i64, price: i64, qty: i64, aggressor: Aggressor) -> BarPrint {
    let trade = Trade { price, qty, trade_id: number, aggressor };
    BarPrint { number, ts_event: at_us * 1_000 + 999, trade, after_loss: false }
}

/// The bar of these prints, by its definition.
fn naive(start_us: i64, prints: &[BarPrint]) -> Bar {
    let price = |print: &BarPrint| print.trade.price;
    let bought = prints.iter().filter(|print| print.trade.aggressor == Aggressor::Buy);
    Bar {
        start_us,
        open: price(&prints[0]),
        high: prints.iter().map(price).max().unwrap(),
        low: prints.iter().map(price).min().unwrap(),
        close: price(prints.last().unwrap()),
        volume: prints.iter().map(|print| print.trade.qty).sum(),
        buy_volume: bought.map(|print| print.trade.qty).sum(),
        notional: prints.iter().map(|print| i128::from(price(print)) * i128::from(print.trade.qty)).sum(),
        count: prints.len() as u64,
        tc: prints.last().unwrap().number,
        ..Bar::default()
    }
}

/// What a client would compute: all prints by period, but those that came when their bar was kept no more.
#[derive(Default)]
struct Oracle {
    prints: BTreeMap<i64, Vec<BarPrint>>,
    partial: BTreeMap<i64, bool>,
    whole_from_us: i64,
    too_late: u64,
}

impl Oracle {
    fn take(&mut self, print: BarPrint, period: Period) {
        let start_us = print.ts_event / 1_000 / period.us() * period.us();
        let newest = self.prints.last_key_value().map(|(start_us, _)| *start_us);
        let late = newest.is_some_and(|newest| start_us < newest);
        let place = self.prints.range(start_us..).count();
        let kept = self.prints.contains_key(&start_us) && place <= CLOSED_BARS_MAX + 1;
        if late && !kept {
            self.too_late += 1;
            return;
        }
        if !late {
            self.partial.entry(start_us).or_insert(start_us < self.whole_from_us);
        }
        self.prints.entry(start_us).or_default().push(print);
    }

    fn check(&self, bars: &[Bar], through_us: i64, period: Period) {
        let kept = self.prints.len().saturating_sub(bars.len());
        assert!(bars.len() <= CLOSED_BARS_MAX + 1 && (kept == 0 || bars.len() > CLOSED_BARS_MAX));
        for (bar, (start_us, prints)) in bars.iter().zip(self.prints.iter().skip(kept)) {
            let last = self.prints.last_key_value().map(|(start_us, _)| *start_us) == Some(*start_us);
            let closed = !last || start_us + period.us() <= through_us;
            let partial = self.partial[start_us];
            assert_eq!(*bar, Bar { closed, partial, ..naive(*start_us, prints) });
        }
    }
}

#[test]
fn bars_are_what_their_prints_say() {
    let (mut too_late, mut closed_by_silence) = (0, 0_u64);
    for seed in 0..1_000 {
        let mut random = Random(seed);
        let signed = |random: &mut Random, bound: usize| i64::try_from(random.below(bound)).unwrap();
        let (mut bars, mut oracles) = (Bars::default(), [Oracle::default(), Oracle::default()]);
        let (mut now_us, mut through_us, mut number) = (BEGIN_US, i64::MIN, 0);
        let pace = [200_000, 3_000_000, 20_000_000][random.below(3)];
        bars.lost(ID, BEGIN_US + 1);
        oracles.iter_mut().for_each(|oracle| oracle.whole_from_us = BEGIN_US + 1);
        for _ in 0..200 {
            now_us += signed(&mut random, pace);
            let late_us = if random.in_thousand(100) { signed(&mut random, 6 * pace) } else { 0 };
            number += 1;
            let aggressor = [Aggressor::Buy, Aggressor::Sell, Aggressor::None][random.below(3)];
            let (price, qty) = (signed(&mut random, 50) - 20, 1 + signed(&mut random, 9));
            let mut one = print(number, (now_us - late_us).max(BEGIN_US), price, qty, aggressor);
            if random.in_thousand(20) {
                (number, one.number, one.after_loss) = (number + 5, number + 5, true);
                let at_us = one.ts_event / 1_000;
                for oracle in &mut oracles {
                    oracle.whole_from_us = oracle.whole_from_us.max(at_us + 1);
                }
                for (oracle, period) in oracles.iter_mut().zip(Period::ALL) {
                    let newest = oracle.prints.last_key_value().map(|(start_us, _)| *start_us);
                    let open = newest.filter(|start_us| start_us + period.us() > through_us);
                    if let Some(start_us) = open {
                        oracle.partial.insert(start_us, true);
                    }
                }
            }
            bars.apply(ID, 0, &one, now_us);
            for (oracle, period) in oracles.iter_mut().zip(Period::ALL) {
                oracle.take(one, period);
                assert!(bars.bars(ID, period).is_empty() || bars.touched(period).contains(ID) || late_us > 0);
            }
            bars.clear_touched();
            if random.in_thousand(300) {
                // Whole seconds: what is passed is looked at once a second.
                through_us = through_us.max(now_us / 1_000_000 * 1_000_000);
                let before = bars.bars(ID, Period::Second).last().is_some_and(|bar| !bar.closed);
                bars.pass(0, through_us);
                let after = bars.bars(ID, Period::Second).last().is_some_and(|bar| bar.closed);
                assert_eq!(before && after, bars.touched(Period::Second).contains(ID));
                closed_by_silence += u64::from(before && after);
            }
            for (oracle, period) in oracles.iter().zip(Period::ALL) {
                oracle.check(bars.bars(ID, period), through_us, period);
            }
        }
        let told = bars.counters().too_late;
        assert_eq!(told, oracles.iter().map(|oracle| oracle.too_late).sum::<u64>());
        too_late += told;
    }
    assert!(too_late > 100 && closed_by_silence > 100, "{too_late} {closed_by_silence}");
}

#[test]
fn a_print_far_ahead_is_counted_and_left_out_and_what_follows_goes_on() {
    let mut bars = Bars::default();
    bars.apply(ID, 0, &print(1, BEGIN_US, 5, 1, Aggressor::Buy), BEGIN_US);
    let mut far = print(2, BEGIN_US, 9, 1, Aggressor::Buy);
    far.ts_event = i64::MAX;
    bars.apply(ID, 0, &far, BEGIN_US);
    bars.apply(ID, 0, &print(3, BEGIN_US + 5, 6, 1, Aggressor::Buy), BEGIN_US);
    let [bar] = bars.bars(ID, Period::Second) else { panic!("one bar") };
    assert_eq!((bar.count, bar.high, bar.partial, bars.counters().ahead), (2, 6, true, 1));
    far.ts_event = i64::MIN;
    bars.apply(ID, 0, &far, BEGIN_US);
    assert_eq!(bars.counters().too_late, 2);
}

#[test]
fn only_the_bars_of_the_shard_that_passed_are_closed_and_a_new_publisher_may_begin_earlier() {
    let mut bars = Bars::default();
    let other = InstrumentId(4);
    bars.apply(ID, 0, &print(1, BEGIN_US, 5, 1, Aggressor::Buy), BEGIN_US);
    bars.apply(other, 1, &print(1, BEGIN_US, 5, 1, Aggressor::Buy), BEGIN_US);
    bars.pass(0, BEGIN_US + 999_999);
    assert!(!bars.bars(ID, Period::Second)[0].closed);
    bars.pass(0, BEGIN_US + 1_000_000);
    assert!(bars.bars(ID, Period::Second)[0].closed && !bars.bars(ID, Period::Minute)[0].closed);
    assert!(!bars.bars(other, Period::Second)[0].closed);
    bars.pass(1, i64::MAX);
    assert!(bars.bars(other, Period::Minute)[0].closed);
    bars.restart(1);
    bars.apply(other, 1, &print(1, BEGIN_US + 60_000_000, 5, 1, Aggressor::Buy), BEGIN_US);
    bars.pass(1, BEGIN_US + 61_000_000);
    assert!(bars.bars(other, Period::Second)[1].closed);
}
