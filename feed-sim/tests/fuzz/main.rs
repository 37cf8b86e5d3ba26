//! Every reader of recordings on damaged, cut and renamed files: items that may be published, or one line that names the
//! file; never a panic, never without an end.
//!
//! More cases: `FUZZ_ITERATIONS=100000 cargo test -p feed-sim --test fuzz`.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod databento;
#[path = "../../../wire/tests/support/mutate.rs"]
mod mutate;
mod samples;

use feed_sim::event::{Item, Source};
use feed_sim::replay;
use mutate::{Case, fuzz};
use samples::{BINANCE, EQUITY_PRINTS, EQUITY_QUOTES, FX, LIST, Sample, VENUES};
use std::io::Write;
use std::path::{Path, PathBuf};
use wire::MANTISSA_MAX;
use wire::instrument::valid_symbol;
use wire::tick::Change;

/// A folder of its own, gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("feed-sim-fuzz-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _best_effort = std::fs::remove_dir_all(&self.0);
    }
}

/// Reads all of it.
fn all(path: &Path, from_ns: Option<i64>) -> Result<Vec<Item>, String> {
    let mut source = replay::open(path, from_ns)?;
    for one in source.instruments() {
        assert!(valid_symbol(&one.symbol), "{:?}", one.symbol);
        assert!((-18..=0).contains(&one.price_exponent) && (-18..=0).contains(&one.qty_exponent), "{one:?}");
        assert!(one.tick_size > 0 && one.lot_size > 0, "{one:?}");
    }
    let (mut items, mut until_ns) = (Vec::new(), 0);
    while source.items_until(until_ns, &mut items)? {
        until_ns = if until_ns == 0 { 1_000_000_000 } else { i64::MAX };
    }
    let mut last_ns = 0;
    for item in &items {
        assert!(item.due_ns >= last_ns, "time goes back");
        last_ns = item.due_ns;
        assert!((item.instrument as usize) < source.instruments().len());
        publishable(&item.change);
    }
    Ok(items)
}

/// Whether a change is within what the bus promises its readers.
fn publishable(change: &Change) {
    let price = |price: i64| assert!(price.unsigned_abs() <= MANTISSA_MAX.unsigned_abs(), "{change:?}");
    let size = |size: i64| assert!((0..=MANTISSA_MAX).contains(&size), "{change:?}");
    match change {
        Change::Quote(quote) => {
            [quote.bid, quote.ask].into_iter().for_each(price);
            [quote.bid_size, quote.ask_size].into_iter().for_each(size);
        }
        Change::Trade(trade) => {
            price(trade.price);
            size(trade.qty);
            assert!(trade.qty > 0 && trade.trade_id <= MANTISSA_MAX.unsigned_abs(), "{change:?}");
        }
        Change::Level(level) => {
            price(level.price);
            size(level.qty);
        }
        Change::Status(_) => {}
    }
}

/// Opens a damaged file and checks what comes; true when it was read to its end.
fn check(case: &mut Case, path: &Path) -> bool {
    let from_ns = case.random.chance(4).then(|| case.random.spread(47));
    match all(path, from_ns) {
        Ok(_) => true,
        Err(error) => {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let named =
                error.contains(&name) || error.starts_with("--data: ") || error.starts_with("--from: ");
            assert!(named, "an error that names no file: {error}");
            assert!(!error.contains('\n') && error.len() < 1_000, "{error:?}");
            false
        }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut file = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    file.write_all(bytes).unwrap();
    file.finish().unwrap()
}

/// Damages a text, or its lines' order.
fn damaged(case: &mut Case, sample: &Sample) -> Vec<u8> {
    let bytes = case.mutated(&[sample.text()]);
    if !case.random.chance(3) {
        return bytes;
    }
    let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let (one, other) = (case.random.index(lines.len()), case.random.index(lines.len()));
    lines.swap(one, other);
    lines.join(&b'\n')
}

fn plain(target: &'static str, iterations: u64, samples: &[&Sample]) {
    let folder = Folder::new(target);
    let (mut read, mut refused) = (0_u64, 0_u64);
    fuzz(target, iterations, |case| {
        let sample = samples[case.random.index(samples.len())];
        let bytes = damaged(case, sample);
        case.keep(&bytes);
        let path = folder.write(sample.name, &bytes);
        if check(case, &path) { read += 1 } else { refused += 1 }
    });
    assert!(read + refused < 500 || (read > 20 && refused > 20), "{read} {refused}");
}

#[test]
fn binance_captures() {
    plain("binance_captures", 6_000, &[&BINANCE]);
}

#[test]
fn equities_and_fx() {
    plain("equities_and_fx", 12_000, &[&EQUITY_QUOTES, &EQUITY_PRINTS, &FX]);
}

#[test]
fn captures_of_venues() {
    plain("captures_of_venues", 24_000, &VENUES.each_ref());
}

#[test]
fn a_venues_list_beside_its_capture() {
    let folder = Folder::new("list");
    let okx = VENUES.iter().find(|sample| sample.name.starts_with("OKX")).unwrap();
    let path = folder.write(okx.name, &okx.text());
    fuzz("a_venues_list_beside_its_capture", 3_000, |case| {
        let list = case.mutated(&[LIST.as_bytes().to_vec()]);
        let list = gzip(&list);
        let list = if case.random.chance(6) { case.mutated(&[list]) } else { list };
        folder.write("OKX.0.gz", &list);
        // The list is named where the list is broken.
        if let Err(error) = all(&path, None) {
            assert!(error.contains("OKX.0.gz") || error.contains(okx.name), "{error}");
        }
    });
}

#[test]
fn torn_archives() {
    let folder = Folder::new("archives");
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("rows.csv", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(&FX.text().repeat(30)).unwrap();
    let zip = zip.finish().unwrap().into_inner();
    let gz = gzip(&BINANCE.text());
    for (name, bytes) in [("dealer_eurusd_20140508.zip", &zip), ("spot-xyusdt_1.gz", &gz)] {
        assert!(!all(&folder.write(name, bytes), None).unwrap().is_empty(), "{name}");
    }
    fuzz("torn_archives", 8_000, |case| {
        let (name, bytes) = if case.random.chance(2) {
            ("dealer_eurusd_20140508.zip", &zip)
        } else {
            ("spot-xyusdt_1.gz", &gz)
        };
        let bytes = case.mutated(std::slice::from_ref(bytes));
        let path = folder.write(name, &bytes);
        check(case, &path);
    });
}

#[test]
fn names_of_files() {
    let samples = [&BINANCE, &EQUITY_QUOTES, &EQUITY_PRINTS, &FX, &VENUES[0], &VENUES[9]];
    fuzz("names_of_files", 3_000, |case| {
        let sample = samples[case.random.index(samples.len())];
        let name = String::from_utf8_lossy(&case.mutated(&[sample.name.as_bytes().to_vec()])).into_owned();
        let name: String = name.chars().filter(|c| !matches!(c, '/' | '\0' | '\n')).take(60).collect();
        if name.is_empty() || name.starts_with('.') {
            return;
        }
        let folder = Folder::new("names");
        let path = folder.write(&name, &sample.text());
        check(case, &path);
    });
}

/// Lines that a reader once panicked on or passed on, and what each must say.
#[test]
fn lines_that_once_broke_a_reader() {
    let folder = Folder::new("once");
    let quote = |time: &str| {
        let data = r#"{"stream":"xyusdt@bookTicker","data":{"b":"1.0","B":"2","a":"1.1","A":"3"}}"#;
        format!("{time} {data}\n")
    };
    let upbit = |time: &str| format!("wss://x.invalid\n{time}: {{\"ty\":\"none\"}}\n");
    for (name, text, says) in [
        (EQUITY_PRINTS.name, "342000004200001,488050,100,D,2000,0\n".to_owned(), ":1: no time of a day"),
        (BINANCE.name, [quote("1"), quote("9223372036854775807")].concat(), ":2: no time in front"),
        (BINANCE.name, quote("1").replace("1.1", "1e-2147483648"), ":1: no number"),
        (VENUES[11].name, upbit("-9000000000.5"), ":2: no time in front"),
        (VENUES[11].name, upbit("9000000000.5"), ":2: no time in front"),
    ] {
        let error = all(&folder.write(name, text.as_bytes()), None).unwrap_err();
        assert!(error.contains(&format!("{name}{says}")), "{error}");
    }
    let print = r#"{"stream":"xyusdt@trade","data":{"t":18446744073709551615,"p":"1.01","q":"0.5"}}"#;
    let text = format!("1 {print}\n2 {}\n", print.replace("0.5", "0"));
    let items = all(&folder.write(BINANCE.name, text.as_bytes()), None).unwrap();
    let [Item { change: Change::Trade(trade), .. }] = items.as_slice() else { panic!("{items:?}") };
    assert_eq!((trade.price, trade.trade_id), (101, 0));
}

#[test]
fn every_sample_is_read_to_its_end() {
    let folder = Folder::new("samples");
    for sample in [&BINANCE, &EQUITY_QUOTES, &EQUITY_PRINTS, &FX].into_iter().chain(&VENUES) {
        let path = folder.write(sample.name, &sample.text());
        let items = all(&path, None).unwrap_or_else(|error| panic!("{error}"));
        assert!(!items.is_empty(), "{}", sample.name);
    }
}
