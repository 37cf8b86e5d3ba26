//! What the simulator costs: ns an event, time to start.
//!
//!     cargo run --release -p feed-sim --example simulate_cost
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a stopwatch that prints")]

use feed_sim::event::Source;
use feed_sim::simulate::{Options, Simulator};
use std::time::Instant;

fn main() -> Result<(), String> {
    for (symbols, rate, depth, seconds) in [
        (6, 759, 10, 120),
        (200, 20_000, 0, 20),
        (200, 20_000, 10, 20),
        (200, 200_000, 10, 5),
        (2_000, 20_000, 10, 20),
        (10_000, 1_000_000, 10, 2),
    ] {
        let begin = Instant::now();
        let mut simulator = Simulator::new(Options { seed: 1, symbols, rate, depth });
        let started = begin.elapsed();
        let (begin, mut items, mut events) = (Instant::now(), Vec::new(), 0_u64);
        for step in 1..=seconds * 1_000_i64 {
            simulator.items_until(step * 1_000_000, &mut items)?;
            events += items.len() as u64;
            items.clear();
        }
        let ns = u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX) / events.max(1);
        let per_s = events / seconds.unsigned_abs();
        println!(
            "{symbols} symbols, {rate}/s, depth {depth}: {ns} ns an event, {per_s} events/s with levels, start {} ms",
            started.as_millis()
        );
    }
    Ok(())
}
