//! What a folder of recordings holds, as it would be published: events of each kind, rounded values, a digest.
//!
//!     cargo run --release -p feed-sim --example recording -- ../shared/data/binance-2024-08-08
#![expect(clippy::print_stdout, reason = "a tool that prints")]

use feed_sim::event::Source;
use feed_sim::replay;
use std::path::Path;
use wire::tick::Change;

fn main() -> Result<(), String> {
    let path = std::env::args().nth(1).ok_or("name a folder or a file")?;
    let mut source = replay::open(Path::new(&path), None)?;
    let instruments = source.instruments().to_vec();
    let mut counts = vec![[0_u64; 4]; instruments.len()];
    let (mut items, mut until_ns, mut last_ns) = (Vec::new(), 0, 0);
    loop {
        let running = source.items_until(until_ns, &mut items)?;
        for item in items.drain(..) {
            last_ns = item.due_ns;
            let kind = match item.change {
                Change::Quote(_) => 0,
                Change::Trade(_) => 1,
                Change::Level(_) => 2,
                Change::Status(_) => 3,
            };
            counts[item.instrument as usize][kind] += 1;
        }
        if !running {
            break;
        }
        until_ns += 1_000_000_000;
    }
    for (instrument, [quotes, trades, levels, statuses]) in instruments.iter().zip(&counts) {
        println!(
            "{:40} price 10^{} tick {} qty 10^{} lot {}: quotes {quotes} prints {trades} levels {levels} status {statuses}",
            instrument.symbol,
            instrument.price_exponent,
            instrument.tick_size,
            instrument.qty_exponent,
            instrument.lot_size
        );
    }
    println!("{} instruments over {} s; {:?}", instruments.len(), last_ns / 1_000_000_000, source.counts());
    Ok(())
}
