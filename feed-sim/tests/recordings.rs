//! Real recordings through the readers. They are never part of the repository; without them these tests say so.
//!
//! A digest stands for every item of a folder in order: it changes when anything that is published would.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "what fails here fails the test, and skips are said"
)]

use feed_sim::event::{Counts, Item, Source};
use feed_sim::replay;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use wire::book::Book;
use wire::instrument::valid_symbol;
use wire::tick::{BookSide, Change};

fn recordings(folder: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(folder);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: ../shared/data/{folder} is absent");
    None
}

/// What a source said, by symbol: quotes, prints, levels, status.
#[derive(Default)]
struct Seen {
    by_symbol: BTreeMap<String, [u64; 4]>,
    counts: Counts,
    digest: u64,
    first: Vec<Item>,
    span_s: i64,
    /// Prints whose id is not the one after the last.
    id_gaps: u64,
    /// Moments at which a rebuilt book was crossed.
    crossed: u64,
    /// Book updates with both sides, and those whose best prices are the last quote's.
    books: u64,
    at_quote: u64,
}

impl Seen {
    fn total(&self, kind: usize) -> u64 {
        self.by_symbol.values().map(|counts| counts[kind]).sum()
    }
}

#[derive(Default)]
struct State {
    counts: [u64; 4],
    last_id: u64,
    quote: (i64, i64),
    bids: BTreeMap<i64, i64>,
    asks: BTreeMap<i64, i64>,
}

impl State {
    fn take(&mut self, change: &Change, seen: &mut Seen) -> [i64; 5] {
        match *change {
            Change::Quote(q) => {
                self.counts[0] += 1;
                self.quote = (q.bid, q.ask);
                [1, q.bid, q.ask, q.bid_size, q.ask_size]
            }
            Change::Trade(t) => {
                self.counts[1] += 1;
                assert!(t.qty > 0);
                seen.id_gaps += u64::from(self.last_id > 0 && t.trade_id != self.last_id + 1);
                self.last_id = t.trade_id;
                [2, t.price, t.qty, t.trade_id.cast_signed(), t.aggressor as i64]
            }
            Change::Level(l) => {
                self.counts[2] += 1;
                if l.snapshot_begins {
                    (self.bids, self.asks) = Default::default();
                }
                let side = if l.side == BookSide::Bid { &mut self.bids } else { &mut self.asks };
                if l.qty == 0 {
                    assert!(side.remove(&l.price).is_some(), "a level goes that never came");
                } else {
                    side.insert(l.price, l.qty);
                }
                if l.update_ends {
                    assert!(self.bids.len() <= 20 && self.asks.len() <= 20);
                    let best = (self.bids.last_key_value(), self.asks.first_key_value());
                    if let (Some(bid), Some(ask)) = best {
                        seen.crossed += u64::from(bid.0 >= ask.0);
                        seen.books += 1;
                        seen.at_quote += u64::from((*bid.0, *ask.0) == self.quote);
                    }
                }
                [3, l.price, l.qty, l.side as i64, i64::from(l.snapshot_begins)]
            }
            Change::Status(s) => {
                self.counts[3] += 1;
                [4, s as i64, 0, 0, 0]
            }
        }
    }
}

fn read(path: &Path, from_ns: Option<i64>, until_ns: i64) -> Seen {
    let mut source = replay::open(path, from_ns).unwrap();
    let symbols: Vec<String> = source.instruments().iter().map(|one| one.symbol.clone()).collect();
    let (mut seen, mut states) = (Seen::default(), HashMap::<u32, State>::new());
    let (mut items, mut step_ns, mut last_ns) = (Vec::new(), 0, 0);
    loop {
        let running = source.items_until(step_ns.min(until_ns), &mut items).unwrap();
        for item in items.drain(..) {
            assert!(item.due_ns >= last_ns, "times never go back");
            last_ns = item.due_ns;
            if seen.first.len() < 100 {
                seen.first.push(item);
            }
            let fields = states.entry(item.instrument).or_default().take(&item.change, &mut seen);
            for field in [item.due_ns, i64::from(item.instrument)].into_iter().chain(fields) {
                seen.digest =
                    (seen.digest ^ field.cast_unsigned()).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
            }
        }
        if !running || step_ns >= until_ns {
            break;
        }
        step_ns += 10_000_000_000;
    }
    for (at, symbol) in symbols.into_iter().enumerate() {
        assert!(valid_symbol(&symbol), "{symbol}");
        let state = states.remove(&u32::try_from(at).unwrap()).unwrap_or_default();
        seen.by_symbol.insert(symbol, state.counts);
    }
    (seen.counts, seen.span_s) = (source.counts(), last_ns / 1_000_000_000);
    let (books, at_quote, crossed) = (seen.books, seen.at_quote, seen.crossed);
    println!(
        "digest {:#x}, {:?}, {at_quote} of {books} books at the quote, {crossed} crossed",
        seen.digest, seen.counts
    );
    seen
}

#[test]
fn binance_is_read_to_the_last_line_without_a_gap_in_its_ids() {
    let Some(folder) = recordings("binance-2024-08-08") else { return };
    let seen = read(&folder, None, i64::MAX);
    let quotes_and_prints: Vec<_> =
        seen.by_symbol.iter().map(|(symbol, counts)| (symbol.as_str(), counts[0], counts[1])).collect();
    // Spot over two days, the others over one.
    let expected = [
        ("BTCUSDT.BINANCE", 28_040 + 45_134, 9_757 + 10_147),
        ("BTCUSDT.BINANCE_USDM", 66_089, 21_313),
        ("BTCUSD_PERP.BINANCE_CM", 19_136, 2_286),
        ("ETHUSDT.BINANCE", 24_077 + 34_681, 6_106 + 8_409),
        ("ETHUSDT.BINANCE_USDM", 53_992, 14_076),
        ("ETHUSD_PERP.BINANCE_CM", 15_812, 1_732),
    ];
    assert_eq!(quotes_and_prints, expected);
    assert_eq!((seen.id_gaps, seen.crossed, seen.total(3), seen.span_s), (0, 0, 0, 650));
    assert_eq!((seen.counts.skipped, seen.counts.time_back), (0, 0));
    // The venue's own best and the best of the rebuilt book: two streams, apart only while one of them is on its way.
    assert!(seen.at_quote * 1_000 > seen.books * 995, "{} of {}", seen.at_quote, seen.books);
    assert_eq!(seen.digest, BINANCE_DIGEST);
}

/// The fold that publisher and gateway share, over the whole recording: no event is odd, updates end, and the best
/// prices are those of the venue's own quotes, apart only while one of the two streams is on its way.
#[test]
fn books_of_binance_are_clean_differences_and_their_best_is_the_quote() {
    let Some(folder) = recordings("binance-2024-08-08") else { return };
    let mut source = replay::open(&folder, None).unwrap();
    let mut items = Vec::new();
    while source.items_until(i64::MAX, &mut items).unwrap() {}
    let (mut books, mut quotes) = (BTreeMap::<u32, Book>::new(), HashMap::new());
    let (mut ends, mut at_quote) = (0_u64, 0_u64);
    for item in items {
        match item.change {
            Change::Quote(quote) => drop(quotes.insert(item.instrument, quote)),
            Change::Level(level) => {
                let book = books.entry(item.instrument).or_default();
                assert_eq!(level.snapshot_begins, book.lver == 0, "one image, at the begin");
                assert_eq!(book.apply(book.lver + 1, item.due_ns, &level), None, "{level:?}");
                let [bid, ask] = [BookSide::Bid, BookSide::Ask].map(|side| book.side(side).first().copied());
                if let (true, Some(bid), Some(ask), Some(quote)) =
                    (level.update_ends, bid, ask, quotes.get(&item.instrument))
                {
                    ends += 1;
                    at_quote += u64::from((bid.price, ask.price) == (quote.bid, quote.ask));
                }
            }
            Change::Trade(_) | Change::Status(_) => {}
        }
    }
    println!("{at_quote} of {ends} updates end at the quote");
    assert!(
        books.len() == 6 && books.values().all(|book| !book.open && book.side(BookSide::Bid).len() == 20)
    );
    assert!(ends > 10_000 && at_quote * 1_000 > ends * 995, "{at_quote} of {ends}");
}

#[test]
fn equities_are_read_to_the_last_row_and_rows_of_one_side_keep_the_other() {
    let Some(folder) = recordings("us-equities-2013-10-08") else { return };
    let seen = read(&folder, Some(0), i64::MAX);
    let stock = |stock: &str, kind: usize| -> u64 {
        let of_stock = |symbol: &str| symbol.starts_with(stock);
        seen.by_symbol.iter().filter(|(symbol, _)| of_stock(symbol)).map(|(_, counts)| counts[kind]).sum()
    };
    assert_eq!((stock("AIG.", 0), stock("AIG.", 1)), (1_118_140, 43_342));
    assert_eq!((stock("BAC.", 0), stock("BAC.", 1)), (576_096, 125_872));
    assert_eq!((stock("SPY.", 0), stock("SPY.", 1)), (0, 451_545));
    assert_eq!((seen.counts, seen.digest), (Counts::default(), EQUITIES_DIGEST));
    let Change::Quote(second) = seen.first[1].change else { panic!("no quote") };
    assert!(second.bid > 0 && second.bid_size > 0 && second.ask > 0 && second.ask_size > 0, "{second:?}");
}

#[test]
fn equities_begin_at_half_past_nine_with_the_last_quotes_before_it() {
    let Some(folder) = recordings("us-equities-2013-10-08") else { return };
    let seen = read(&folder.join("aig_20131008_quote.zip"), None, 60_000_000_000);
    assert!((8..=13).contains(&seen.by_symbol.len()), "{:?}", seen.by_symbol);
    assert!(seen.total(0) > 1_000);
    let at_begin = seen.first.iter().take_while(|item| item.due_ns == 0).count();
    assert!((3..=30).contains(&at_begin), "{at_begin}");
}

#[test]
fn a_day_of_euro_quotes_is_exact() {
    let Some(folder) = recordings("fx-2014-05-08") else { return };
    let seen = read(&folder, None, i64::MAX);
    assert_eq!(
        seen.by_symbol.into_iter().collect::<Vec<_>>(),
        [("EURUSD.OANDA".to_owned(), [87_833, 0, 0, 0])]
    );
    let Change::Quote(first) = seen.first[0].change else { panic!("no quote") };
    assert_eq!((first.bid, first.ask), (139_101, 139_114));
    assert_eq!((seen.counts, seen.digest), (Counts::default(), FX_DIGEST));
}

#[test]
fn dbn_files_give_quotes_and_prints_and_skip_the_rest() {
    let Some(folder) = recordings("dbn") else { return };
    let kinds = |schema: &str| {
        let seen = read(&folder.join(format!("test_data.{schema}.v3.dbn.zst")), None, i64::MAX);
        assert_eq!(seen.by_symbol.keys().collect::<Vec<_>>(), ["ESH1.GLBX"]);
        (seen.total(0), seen.total(1), seen.total(2) > 0, seen.counts.skipped)
    };
    assert_eq!(kinds("mbp-1"), (2, 0, false, 0));
    assert_eq!(kinds("tbbo"), (2, 2, false, 0));
    assert_eq!(kinds("trades"), (0, 2, false, 0));
    assert_eq!(kinds("mbp-10"), (2, 0, true, 0));
    assert_eq!(kinds("bbo-1s"), (4, 0, false, 0));
    assert_eq!(read(&folder, None, i64::MAX).digest, DBN_DIGEST);
}

#[test]
fn twelve_venues_give_quotes_prints_and_books_that_are_never_crossed() {
    let Some(folder) = recordings("venues-30s") else { return };
    let seen = read(&folder, None, i64::MAX);
    let mut venues: BTreeMap<&str, [u64; 3]> = BTreeMap::new();
    for (symbol, counts) in &seen.by_symbol {
        let venue = venues.entry(symbol.rsplit('.').next().unwrap()).or_default();
        (venue[0], venue[1], venue[2]) = (venue[0] + counts[0], venue[1] + counts[1], venue[2] + counts[2]);
        assert!(counts[0] > 0, "{symbol} has no quote");
    }
    println!("{venues:?}");
    assert_eq!((venues.len(), seen.by_symbol.len()), (12, 97));
    assert!(venues.values().all(|counts| counts[0] > 50 && counts[2] > 100), "{venues:?}");
    // Prints were asked for and came on ten of them.
    let with_prints = venues.values().filter(|counts| counts[1] > 0).count();
    assert_eq!((with_prints, venues["UPBIT"][1]), (9, 304), "{venues:?}");
    assert!(seen.span_s == 30 && seen.total(3) == 0 && seen.crossed == 0);
    assert_eq!(seen.digest, VENUES_DIGEST);
}

const BINANCE_DIGEST: u64 = 0xe43e_000e_60cc_e274;
const EQUITIES_DIGEST: u64 = 0x504c_4939_c541_c919;
const FX_DIGEST: u64 = 0x25c4_0336_2d63_18eb;
const DBN_DIGEST: u64 = 0xfdd7_5a5b_97f1_d62d;
const VENUES_DIGEST: u64 = 0x3a47_0ee2_5b15_2f88;

/// A folder of one gzip file, gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, file: &str, bytes: &[u8]) -> Self {
        let folder = std::env::temp_dir().join(format!("feed-sim-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(file), bytes).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _best_effort = std::fs::remove_dir_all(&self.0);
    }
}

fn gzip(text: &str) -> Vec<u8> {
    use std::io::Write;
    let mut file = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    file.write_all(text.as_bytes()).unwrap();
    file.finish().unwrap()
}

const QUOTE: &str =
    r#"{"stream":"xyusdt@bookTicker","data":{"u":1,"s":"XYUSDT","b":"1.00","B":"2","a":"1.01","A":"3"}}"#;

fn all_of(path: &Path) -> (Vec<Item>, Result<bool, String>) {
    let mut items = Vec::new();
    match replay::open(path, None) {
        Ok(mut source) => {
            let ended = source.items_until(i64::MAX, &mut items);
            (items, ended)
        }
        Err(error) => (items, Err(error)),
    }
}

#[test]
fn a_broken_line_is_named_with_its_file() {
    let broken = format!("5 {QUOTE}\n6 {}\n", QUOTE.replace("1.01", "1.0x"));
    let folder = Folder::new("line", "spot-btcusdt_1.gz", &gzip(&broken));
    let (items, ended) = all_of(&folder.0);
    assert_eq!(items.len(), 1);
    let error = ended.unwrap_err();
    assert!(error.contains("spot-btcusdt_1.gz:2: no number"), "{error}");
    assert!(all_of(&folder.0.join("none")).1.unwrap_err().contains("no such file"));
}

#[test]
fn a_torn_file_is_an_error_and_not_a_short_recording() {
    let bytes = gzip(&format!("5 {QUOTE}\n").repeat(1_000));
    let folder = Folder::new("torn", "spot-btcusdt_1.gz", &bytes[..bytes.len() / 2]);
    let error = all_of(&folder.0).1.unwrap_err();
    assert!(error.contains("spot-btcusdt_1.gz:"), "{error}");
}

#[test]
fn an_instrument_that_no_list_names_gets_the_exponents_of_its_recording() {
    let lines = format!("5 {QUOTE}\n6 {}\n", QUOTE.replace("1.01", "1.0125").replace("\"2\"", "\"0.50\""));
    let folder = Folder::new("scan", "spot-xyusdt_1.gz", &gzip(&lines));
    let mut source = replay::open(&folder.0, None).unwrap();
    let instrument = source.instruments()[0].clone();
    assert_eq!(
        (instrument.symbol.as_str(), instrument.price_exponent, instrument.qty_exponent),
        ("XYUSDT.BINANCE", -4, -1)
    );
    let mut items = Vec::new();
    assert!(!source.items_until(i64::MAX, &mut items).unwrap());
    let Change::Quote(quote) = items[1].change else { panic!("no quote") };
    assert_eq!((quote.bid, quote.ask, quote.bid_size, quote.ask_size), (10_000, 10_125, 5, 30));
    assert_eq!(source.counts(), Counts::default());
}

#[test]
fn two_kinds_in_one_folder_are_refused() {
    let folder = Folder::new("kinds", "spot-xyusdt_1.gz", &gzip(&format!("5 {QUOTE}\n")));
    std::fs::write(folder.0.join("oanda_eurusd_20140508.csv"), "1,1.2,1.3\n").unwrap();
    std::fs::write(folder.0.join("README.md"), "# nothing\n").unwrap();
    assert!(all_of(&folder.0).1.unwrap_err().contains("two kinds"));
}
