//! Real recordings through the readers. They are never part of the repository; without them these tests say so.

use feed_sim::event::{Item, Source};
use feed_sim::replay;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use wire::tick::Change;

fn recordings(folder: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(folder);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: ../shared/data/{folder} is absent");
    None
}

struct Counts {
    quotes: usize,
    trades: usize,
    levels: usize,
    instruments: Vec<String>,
    items: Vec<Item>,
}

fn read(path: &Path, from_ns: Option<i64>, until_ns: i64) -> Counts {
    let mut source = replay::open(path, from_ns).unwrap();
    let mut items = Vec::new();
    source.items_until(until_ns, &mut items).unwrap();
    assert!(items.windows(2).all(|pair| pair[0].due_ns <= pair[1].due_ns), "times never go back");
    let count = |of: fn(&Change) -> bool| items.iter().filter(|item| of(&item.change)).count();
    Counts {
        quotes: count(|change| matches!(change, Change::Quote(_))),
        trades: count(|change| matches!(change, Change::Trade(_))),
        levels: count(|change| matches!(change, Change::Level(_))),
        instruments: source.instruments().iter().map(|instrument| instrument.symbol.clone()).collect(),
        items,
    }
}

#[test]
fn binance_is_read_to_the_last_line_without_a_gap_in_its_ids() {
    let Some(folder) = recordings("binance-2024-08-08") else { return };
    let spot = read(&folder.join("spot-btcusdt_20240808.gz"), None, i64::MAX);
    assert_eq!((spot.quotes, spot.trades), (28_040, 9_757));
    assert_eq!(spot.instruments, ["BTCUSDT.BINANCE"]);
    assert!(spot.levels > 10_000);
    let cm = read(&folder.join("cm-ethusd_perp_20240808.gz"), None, i64::MAX);
    assert_eq!((cm.quotes, cm.trades), (15_812, 1_732));
    let mut last: HashMap<u32, u64> = HashMap::new();
    for item in spot.items {
        if let Change::Trade(trade) = item.change {
            let before = last.insert(item.instrument, trade.trade_id);
            assert!(before.is_none_or(|before| before + 1 == trade.trade_id));
        }
    }
}

#[test]
fn a_folder_of_binance_is_one_stream_of_six_instruments() {
    let Some(folder) = recordings("binance-2024-08-08") else { return };
    let minute = read(&folder, None, 20_000_000_000);
    assert_eq!(minute.instruments.len(), 6, "{:?}", minute.instruments);
    assert!(minute.quotes > 5_000 && minute.trades > 500, "{} {}", minute.quotes, minute.trades);
}

#[test]
fn equities_begin_at_half_past_nine_with_the_last_quotes_before_it() {
    let Some(folder) = recordings("us-equities-2013-10-08") else { return };
    let counts = read(&folder.join("aig_20131008_quote.zip"), Some(34_200_000_000_000), 60_000_000_000);
    assert!((8..=13).contains(&counts.instruments.len()), "{:?}", counts.instruments);
    assert!(counts.instruments.iter().all(|symbol| symbol.starts_with("AIG.")));
    assert!(counts.quotes > 1_000, "{}", counts.quotes);
    assert_eq!(counts.items[0].due_ns, 0);
}

#[test]
fn a_day_of_euro_quotes_is_exact() {
    let Some(folder) = recordings("fx-2014-05-08") else { return };
    let counts = read(&folder, None, i64::MAX);
    assert_eq!((counts.quotes, counts.instruments.as_slice()), (87_833, &["EURUSD.OANDA".to_owned()][..]));
    let Change::Quote(first) = counts.items[0].change else { panic!("no quote") };
    assert_eq!((first.bid, first.ask), (139_101, 139_114));
}

#[test]
fn dbn_files_give_quotes_and_prints_and_skip_the_rest() {
    let Some(folder) = recordings("dbn") else { return };
    let counts = read(&folder, None, i64::MAX);
    assert!(counts.quotes >= 4 && counts.trades >= 2, "{} {}", counts.quotes, counts.trades);
    assert!(
        counts.instruments.iter().all(|symbol| wire::instrument::valid_symbol(symbol)),
        "{:?}",
        counts.instruments
    );
}

#[test]
fn a_broken_line_is_named_with_its_file() {
    use std::io::Write;
    let folder = std::env::temp_dir().join(format!("feed-sim-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("spot-btcusdt_1.gz");
    let mut file =
        flate2::write::GzEncoder::new(std::fs::File::create(&path).unwrap(), flate2::Compression::fast());
    let quote = r#"{"stream":"btcusdt@bookTicker","data":{"u":1,"s":"BTCUSDT","b":"1.00","B":"2","a":"1.01","A":"3"}}"#;
    writeln!(file, "5 {quote}\n6 {}", quote.replace("1.01", "1.0x")).unwrap();
    file.finish().unwrap();
    let mut source = replay::open(&path, None).unwrap();
    let mut items = Vec::new();
    let error = source.items_until(i64::MAX, &mut items).unwrap_err();
    assert!(error.contains("spot-btcusdt_1.gz:2:"), "{error}");
    assert_eq!(items.len(), 1);
    assert!(replay::open(&folder.join("none"), None).unwrap_err().contains("no such file"));
    std::fs::remove_dir_all(&folder).unwrap();
}
