//! The simulator's statistics beside those of six real instruments (Binance, 346 s of 2024-08-08).
//!
//!     cargo run --release -p feed-sim --example simulate_stats [-- ../shared/data/binance-2024-08-08]
//!
//! With a folder it measures the recording's first day instead: the same code reads both.
#![expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::cast_possible_truncation,
    clippy::too_many_lines,
    reason = "a table of statistics"
)]

use feed_sim::event::{Item, Source};
use feed_sim::replay;
use feed_sim::simulate::{Options, Simulator};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use wire::tick::{Aggressor, Change, Quote};

const SECONDS: i64 = 346;
const WINDOWS_MS: [i64; 4] = [1, 10, 100, 1_000];

/// Variance over mean, and the largest over the mean, of counts per window.
fn windows(times_ns: &[i64], window_ms: i64) -> (f64, f64) {
    let count = usize::try_from(SECONDS * 1_000 / window_ms).unwrap_or(1);
    let mut counts = vec![0_u32; count];
    for time in times_ns {
        if let Some(slot) =
            usize::try_from(time / (window_ms * 1_000_000)).ok().and_then(|at| counts.get_mut(at))
        {
            *slot += 1;
        }
    }
    let mean = f64::from(counts.iter().sum::<u32>()) / count as f64;
    let variance = counts.iter().map(|n| (f64::from(*n) - mean).powi(2)).sum::<f64>() / count as f64;
    (variance / mean, counts.iter().max().map_or(0.0, |most| f64::from(*most) / mean))
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    let (ma, mb) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        ab += (x - ma) * (y - mb);
        aa += (x - ma).powi(2);
        bb += (y - mb).powi(2);
    }
    if aa * bb > 0.0 { ab / (aa * bb).sqrt() } else { 0.0 }
}

/// Mean correlation over all pairs of symbols.
fn pairs(series: &[Vec<f64>]) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for a in 0..series.len() {
        for b in 0..a {
            sum += correlation(&series[a], &series[b]);
            count += 1.0;
        }
    }
    sum / count
}

fn quantile(values: &mut [i64], q: f64) -> i64 {
    values.sort_unstable();
    let at = (values.len() as f64 * q) as usize;
    values.get(at.min(values.len().saturating_sub(1))).copied().unwrap_or(0)
}

fn counts_of(by_symbol: &BTreeMap<u32, Vec<(i64, Quote)>>, window_ms: i64) -> Vec<Vec<f64>> {
    let slots = usize::try_from(SECONDS * 1_000 / window_ms).unwrap_or(1);
    let count = |quotes: &Vec<(i64, Quote)>| {
        let mut counts = vec![0.0; slots];
        for (time, _) in quotes {
            if let Some(slot) =
                usize::try_from(time / (window_ms * 1_000_000)).ok().and_then(|at| counts.get_mut(at))
            {
                *slot += 1.0;
            }
        }
        counts
    };
    by_symbol.values().map(count).collect()
}

fn returns_of(by_symbol: &BTreeMap<u32, Vec<(i64, Quote)>>, window_ms: i64) -> Vec<Vec<f64>> {
    let slots = usize::try_from(SECONDS * 1_000 / window_ms).unwrap_or(1);
    let series = |quotes: &Vec<(i64, Quote)>| {
        let (mut at, mut mid, mut mids) = (0, 0.0, Vec::with_capacity(slots));
        for slot in 1..=slots {
            let until = i64::try_from(slot).unwrap_or(0) * window_ms * 1_000_000;
            while at < quotes.len() && quotes[at].0 < until {
                mid = (quotes[at].1.bid + quotes[at].1.ask) as f64 / 2.0;
                at += 1;
            }
            mids.push(mid);
        }
        let change = |pair: &[f64]| if pair[0] > 0.0 { (pair[1] / pair[0]).ln() * 10_000.0 } else { 0.0 };
        mids.windows(2).map(change).collect()
    };
    by_symbol.values().map(series).collect()
}

fn deviation(series: &[Vec<f64>]) -> f64 {
    let one = |values: &Vec<f64>| {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
    };
    series.iter().map(one).sum::<f64>() / series.len() as f64
}

fn report(items: &[Item]) {
    let mut by_symbol: BTreeMap<u32, Vec<(i64, Quote)>> = BTreeMap::new();
    let (mut quotes, mut trades) = (Vec::new(), Vec::new());
    let mut sweeps: Vec<i64> = Vec::new();
    let mut last_trade: HashMap<u32, (i64, Aggressor, usize)> = HashMap::new();
    let (mut same_side, mut followed) = (0, 0);
    let mut last_side: HashMap<u32, Aggressor> = HashMap::new();
    for item in items {
        match item.change {
            Change::Quote(quote) => {
                quotes.push(item.due_ns);
                by_symbol.entry(item.instrument).or_default().push((item.due_ns, quote));
            }
            Change::Trade(trade) => {
                trades.push(item.due_ns);
                // A sweep: prints of one side within 1 ms of each other.
                match last_trade.get_mut(&item.instrument) {
                    Some((time, side, sweep))
                        if *side == trade.aggressor && item.due_ns - *time < 1_000_000 =>
                    {
                        *time = item.due_ns;
                        sweeps[*sweep] += 1;
                    }
                    _ => {
                        if let Some(side) = last_side.insert(item.instrument, trade.aggressor) {
                            followed += 1;
                            same_side += i32::from(side == trade.aggressor);
                        }
                        last_trade.insert(item.instrument, (item.due_ns, trade.aggressor, sweeps.len()));
                        sweeps.push(1);
                    }
                }
            }
            _ => {}
        }
    }
    println!(
        "  quotes, trades /s            {} {}",
        quotes.len() / SECONDS as usize,
        trades.len() / SECONDS as usize
    );
    for (name, times) in [("quotes", &quotes), ("trades", &trades)] {
        let all: Vec<(f64, f64)> = WINDOWS_MS.iter().map(|window| windows(times, *window)).collect();
        println!(
            "  {name} Fano 1/10/100/1000    {:.1} {:.1} {:.0} {:.0}",
            all[0].0, all[1].0, all[2].0, all[3].0
        );
        println!(
            "  {name} most/mean             {:.0} {:.0} {:.0} {:.1}",
            all[0].1, all[1].1, all[2].1, all[3].1
        );
        let near = times.windows(2).filter(|pair| pair[1] - pair[0] <= 100_000).count();
        println!("  {name} gaps <= 100 us        {:.2}", near as f64 / times.len() as f64);
    }
    let one: Vec<i64> =
        by_symbol.values().max_by_key(|q| q.len()).map_or(Vec::new(), |q| q.iter().map(|q| q.0).collect());
    let fano: Vec<String> =
        WINDOWS_MS.iter().map(|window| format!("{:.1}", windows(&one, *window).0)).collect();
    println!("  1 symbol Fano                {}", fano.join(" "));
    prices(&by_symbol);
    let cor = |of: &dyn Fn(i64) -> Vec<Vec<f64>>| {
        [10, 100, 1_000].map(|window| format!("{:.2}", pairs(&of(window)))).join(" ")
    };
    println!("  count correlation            {}", cor(&|window| counts_of(&by_symbol, window)));
    println!("  return correlation           {}", cor(&|window| returns_of(&by_symbol, window)));
    println!(
        "  return sd 1, 10 s, bp        {:.2} {:.1}",
        deviation(&returns_of(&by_symbol, 1_000)),
        deviation(&returns_of(&by_symbol, 10_000))
    );
    let prints: i64 = sweeps.iter().sum();
    println!(
        "  sweeps/quote; prints; q99; same side   {:.3} {:.1} {} {:.2}",
        sweeps.len() as f64 / quotes.len() as f64,
        prints as f64 / sweeps.len() as f64,
        quantile(&mut sweeps, 0.99),
        f64::from(same_side) / f64::from(followed)
    );
    for window in [50, 250] {
        let kept: usize = by_symbol
            .values()
            .map(|quotes| {
                let mut slots: Vec<i64> = quotes.iter().map(|q| q.0 / (window * 1_000_000)).collect();
                slots.dedup();
                slots.len()
            })
            .sum();
        println!("  conflation {window} ms            {:.3}", 1.0 - kept as f64 / quotes.len() as f64);
    }
}

/// Sizes, spreads and steps.
fn prices(by_symbol: &BTreeMap<u32, Vec<(i64, Quote)>>) {
    let (mut changes, mut size_only, mut tight, mut all, mut opened) = (0, 0, 0, 0, 0);
    let mut steps: Vec<i64> = Vec::new();
    let mut open_us: Vec<i64> = Vec::new();
    for quotes in by_symbol.values() {
        let mut open_since = None;
        for pair in quotes.windows(2) {
            let ((_, old), (time, new)) = (pair[0], pair[1]);
            all += 1;
            tight += i32::from(new.ask - new.bid == 1);
            changes += i32::from(old != new);
            size_only += i32::from(old != new && (old.bid, old.ask) == (new.bid, new.ask));
            steps.extend(
                [old.bid - new.bid, old.ask - new.ask].iter().map(|step| step.abs()).filter(|step| *step > 0),
            );
            if new.ask - new.bid > 1 {
                opened += i32::from(open_since.is_none());
                open_since.get_or_insert(time);
            } else if let Some(since) = open_since.take() {
                open_us.push((time - since) / 1_000);
            }
        }
    }
    println!(
        "  size-only; spread 1          {:.3} {:.3}",
        f64::from(size_only) / f64::from(changes),
        f64::from(tight) / f64::from(all)
    );
    let (q50, q90) = (quantile(&mut steps, 0.5), quantile(&mut steps, 0.9));
    println!("  step q50, q90/q50            {q50} {:.1}", q90 as f64 / q50 as f64);
    println!(
        "  spread open /1000; q50, q90 us {:.0} {} {}",
        1_000.0 * f64::from(opened) / f64::from(all),
        quantile(&mut open_us, 0.5),
        quantile(&mut open_us, 0.9)
    );
}

fn main() -> Result<(), String> {
    if let Some(folder) = std::env::args().nth(1) {
        let mut items = Vec::new();
        replay::open(Path::new(&folder), None)?.items_until(SECONDS * 1_000_000_000, &mut items)?;
        println!("{folder}");
        report(&items);
        return Ok(());
    }
    for seed in 5..13 {
        let mut simulator = Simulator::new(Options { seed, symbols: 6, rate: 759, depth: 10 });
        let mut items = Vec::new();
        for second in 1..=SECONDS {
            simulator.items_until(second * 1_000_000_000, &mut items)?;
        }
        println!("seed {seed}");
        report(&items);
    }
    Ok(())
}
