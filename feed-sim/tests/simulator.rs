//! The simulated market: determinism, pace, and a book that agrees with its quotes.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use feed_sim::event::{Item, Source};
use feed_sim::simulate::{Options, Simulator};
use std::collections::{BTreeMap, HashMap};
use wire::book::Book;
use wire::tick::{BookSide, Change};

const OPTIONS: Options = Options { seed: 11, symbols: 200, rate: 20_000, depth: 20 };

fn run(options: Options, seconds: i64) -> Vec<Item> {
    let mut simulator = Simulator::new(options);
    let mut items = Vec::new();
    for step in 1..=seconds * 10 {
        simulator.items_until(step * 100_000_000, &mut items).unwrap();
    }
    items
}

fn digest(items: &[Item]) -> u64 {
    items
        .iter()
        .fold(0, |digest: u64, item| wire::instrument::stable_hash(format!("{digest}{item:?}").as_bytes()))
}

#[test]
fn the_same_seed_gives_the_same_items_and_another_seed_others() {
    let options = Options { rate: 5_000, ..OPTIONS };
    let once = run(options, 2);
    assert_eq!(digest(&once), digest(&run(options, 2)));
    assert_ne!(digest(&once), digest(&run(Options { seed: 12, ..options }, 2)));
}

/// Pins what a seed gives: a change of it is a change of every measurement that names a seed.
#[test]
fn a_seed_gives_these_bytes_for_ever() {
    assert_eq!(digest(&run(Options { seed: 1, symbols: 20, rate: 2_000, depth: 10 }, 2)), SEED_1_DIGEST);
}

/// Quotes and prints alone, of any depth above 1: what figures were measured with stays when only levels are told
/// otherwise.
#[test]
fn a_seed_gives_these_quotes_and_prints_for_ever() {
    let mut items = run(Options { seed: 1, symbols: 20, rate: 2_000, depth: 10 }, 2);
    items.retain(|item| !matches!(item.change, Change::Level(_)));
    assert_eq!(digest(&items), 0xa883_cf9f_a21b_3547);
}

const SEED_1_DIGEST: u64 = 0x6602_7d0c_3527_b196;

/// Coarse bounds around the statistics of six real instruments; `examples/simulate_stats.rs` shows both in full.
#[test]
fn six_symbols_burst_and_move_like_the_recording() {
    const SECONDS: usize = 120;
    let items = run(Options { seed: 5, symbols: 6, rate: 759, depth: 10 }, 120);
    let (mut quotes, mut trades, mut sizes_only, mut tight) = (0, 0, 0, 0);
    let mut windows = vec![0_i64; SECONDS * 10];
    let mut last: HashMap<u32, wire::tick::Quote> = HashMap::new();
    for item in &items {
        match item.change {
            Change::Quote(quote) => {
                quotes += 1;
                tight += i64::from(quote.ask - quote.bid == 1);
                let before = last.insert(item.instrument, quote);
                sizes_only += i64::from(before.is_some_and(|b| (b.bid, b.ask) == (quote.bid, quote.ask)));
                if let Some(count) = windows.get_mut(usize::try_from(item.due_ns / 100_000_000).unwrap()) {
                    *count += 1;
                }
            }
            Change::Trade(_) => trades += 1,
            _ => {}
        }
    }
    let count = i64::try_from(windows.len()).unwrap();
    // Variance over mean of the counts in 100 ms: 105 on the recording, 1 for a Poisson stream.
    let squares: i64 = windows.iter().map(|n| n * n).sum();
    let fano = (squares * count - quotes * quotes) / (count * quotes).max(1);
    println!("{quotes} quotes, {trades} prints, {sizes_only} sizes only, {tight} tight, Fano {fano}");
    assert!((15..=40).contains(&(trades * 100 / quotes)), "{trades} prints, {quotes} quotes");
    assert!((900..=970).contains(&(sizes_only * 1_000 / quotes)), "{sizes_only}");
    assert!((850..=960).contains(&(tight * 1_000 / quotes)), "{tight}");
    assert!((50..=220).contains(&fano), "{fano}");
}

#[test]
fn how_time_is_cut_changes_nothing() {
    let mut simulator = Simulator::new(OPTIONS);
    let mut items = Vec::new();
    for until_ns in (0..=500_000_000).step_by(333_333) {
        simulator.items_until(until_ns, &mut items).unwrap();
    }
    let mut whole = run(OPTIONS, 1);
    whole.truncate(items.len());
    assert_eq!(whole, items);
}

#[test]
fn the_rate_is_held_to_what_was_asked() {
    for (symbols, rate, seconds, percent) in [(6, 800, 60, 6), (200, 20_000, 30, 6), (3_000, 20_000, 30, 6)] {
        let items = run(Options { symbols, rate, ..OPTIONS }, seconds);
        let told =
            items.iter().filter(|item| matches!(item.change, Change::Quote(_) | Change::Trade(_))).count();
        let (mean, asked) = (told as u64 / seconds.unsigned_abs(), u64::from(rate));
        let off = mean.abs_diff(asked) * 100 / asked;
        println!("{symbols} symbols: {mean} of {asked} a second");
        assert!(off <= percent, "{symbols} symbols: {mean} of {asked} a second");
    }
}

#[test]
fn items_are_in_order_and_every_quote_is_its_book_and_never_crossed() {
    let mut books: HashMap<(u32, bool), BTreeMap<i64, i64>> = HashMap::new();
    let (mut last_ns, mut quotes, mut ids) = (0, 0, HashMap::new());
    for item in run(OPTIONS, 5) {
        assert!(item.due_ns >= last_ns);
        last_ns = item.due_ns;
        match item.change {
            Change::Level(level) => {
                let book = books.entry((item.instrument, level.side == BookSide::Bid)).or_default();
                if level.qty == 0 {
                    book.remove(&level.price);
                } else {
                    book.insert(level.price, level.qty);
                }
            }
            Change::Quote(quote) => {
                quotes += 1;
                assert!(quote.bid < quote.ask, "{quote:?}");
                let bid = books[&(item.instrument, true)].last_key_value().map(|(p, q)| (*p, *q));
                let ask = books[&(item.instrument, false)].first_key_value().map(|(p, q)| (*p, *q));
                assert_eq!(
                    (bid, ask),
                    (Some((quote.bid, quote.bid_size)), Some((quote.ask, quote.ask_size)))
                );
            }
            Change::Trade(trade) => {
                let id = ids.insert(item.instrument, trade.trade_id);
                assert!(trade.qty > 0 && id.is_none_or(|id| id + 1 == trade.trade_id));
            }
            Change::Status(_) => {}
        }
    }
    assert!(quotes > 10_000);
}

/// Whatever depth is told, the levels are clean differences of the best so many: nothing is removed that was not told,
/// none is missing, and where an update ends the book is whole and its best the quote that follows.
#[test]
fn levels_of_any_depth_are_clean_differences_and_end_before_their_quote() {
    for depth in [1, 2, 10, 19, 20] {
        let mut books: HashMap<u32, Book> = HashMap::new();
        let (mut ends, mut quotes) = (0_u64, 0_u64);
        for item in run(Options { symbols: 20, rate: 5_000, depth, ..OPTIONS }, 5) {
            let new = !books.contains_key(&item.instrument);
            let book = books.entry(item.instrument).or_default();
            match item.change {
                Change::Level(level) => {
                    assert_eq!(level.snapshot_begins, new, "an image begins a book and comes once");
                    assert_eq!(book.apply(book.lver + 1, item.due_ns, &level), None, "{depth} {level:?}");
                    if level.update_ends {
                        ends += 1;
                        for side in [BookSide::Bid, BookSide::Ask] {
                            assert_eq!(book.side(side).len(), usize::try_from(depth).unwrap());
                        }
                    }
                }
                Change::Quote(quote) => {
                    quotes += 1;
                    assert!(!book.open, "no update is open when its quote comes");
                    let [bid, ask] = [BookSide::Bid, BookSide::Ask].map(|side| book.side(side)[0]);
                    let told = [quote.bid, quote.bid_size, quote.ask, quote.ask_size];
                    assert_eq!([bid.price, bid.qty, ask.price, ask.qty], told);
                }
                Change::Trade(_) | Change::Status(_) => {}
            }
        }
        assert!(ends > 5_000 && quotes > 5_000, "{ends} {quotes}");
    }
}

#[test]
fn the_depth_that_is_told_changes_no_quote_and_no_print_from_two_levels_on() {
    let told = |depth| {
        let mut items = run(Options { symbols: 20, rate: 2_000, depth, ..OPTIONS }, 2);
        items.retain(|item| !matches!(item.change, Change::Level(_)));
        digest(&items)
    };
    assert_eq!(told(2), told(20));
}
