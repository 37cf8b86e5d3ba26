//! Records of market data: what a damaged message still says is written and read back the same.

use crate::mutate::{Random, fuzz};
use crate::tests;
use serde_json::Value;
use tickgate_wire::MANTISSA_MAX;
use tickgate_wire::cursor::{Damaged, Reader};
use tickgate_wire::frame::compact::decode::{
    self, BarsHead, BookChange, BookFull, Items, PrintRecord, QuoteChange, QuoteFull, StatusRecord,
    TradeFull, Trailer, applied,
};
use tickgate_wire::frame::compact::{encode, head};
use tickgate_wire::frame::view::{Joined, QUOTE, TRADE, View};
use tickgate_wire::frame::{
    Bar, BookImage, Form, Kind, Level, Print, PrintRange, QuoteImage, State, StatusImage, TradeImage, fixed,
    json,
};
use tickgate_wire::instrument::Instrument;
use tickgate_wire::tick::{Aggressor, Quote};

/// Values beyond this are never written, and differences of two of them could pass 64 bits.
const SIZE_MAX: u64 = 1 << 60;

#[expect(clippy::large_enum_variant, reason = "one at a time")]
#[derive(Debug, Clone, PartialEq)]
enum Record {
    Quote(QuoteChange),
    QuoteFull(QuoteFull),
    Prints(Vec<Print>),
    Totals(TradeFull, Vec<Print>, Trailer),
    Book(BookImage, BookImage),
    BookFull(BookImage),
    Bars(u64, State, Vec<Bar>),
    Status(StatusImage),
}

/// The print before the first of a run.
const BEFORE: Print =
    Print { price: 6_100_000, qty: 9, trade_id: 5_000, aggressor: Aggressor::Buy, ts_event: 0, ts_recv: 0 };

fn print(reader: &mut Reader<'_>, last: &mut Print, out: &mut Vec<Print>) -> Result<bool, Damaged> {
    let (record, another) = PrintRecord::read(reader)?;
    if let PrintRecord::Print(change) = record {
        *last = Print {
            price: last.price.wrapping_add(change.price),
            qty: change.qty.unwrap_or(last.qty),
            trade_id: last.trade_id.wrapping_add_signed(change.id_gap).wrapping_add(1),
            aggressor: if change.sell { Aggressor::Sell } else { Aggressor::Buy },
            ..BEFORE
        };
        out.push(*last);
    }
    Ok(another)
}

fn record(kind: Kind, reader: &mut Reader<'_>) -> Result<Record, Damaged> {
    let mut prints = Vec::new();
    Ok(match kind {
        Kind::Quote => Record::Quote(QuoteChange::read(reader)?),
        Kind::QuoteFull => Record::QuoteFull(QuoteFull::read(reader)?),
        Kind::Trade => {
            let mut last = BEFORE;
            while print(reader, &mut last, &mut prints)? {}
            Record::Prints(prints)
        }
        Kind::BookDelta => {
            let BookChange { events, state, sides, .. } = BookChange::read(reader)?;
            let old = BookImage { state: other_than(state), ..held_book() };
            let sides = applied(&sides, &old.sides, DEPTH)?;
            Record::Book(old, BookImage { sides, state: state.unwrap_or(old.state), lver: events, ..old })
        }
        Kind::BookFull => {
            let BookFull { feed_epoch, state, lver, lost, sides, .. } = BookFull::read(reader)?;
            let sides = applied(&sides, &Default::default(), DEPTH)?;
            Record::BookFull(BookImage { feed_epoch, state, lver, lost, sides, ..BookImage::default() })
        }
        Kind::Bar => {
            let mut head = BarsHead::read(reader)?;
            let bars = (0..head.count).map(|_| head.bar(reader)).collect::<Result<_, _>>()?;
            Record::Bars(head.feed_epoch, head.state, bars)
        }
        Kind::Status => {
            let StatusRecord { feed_epoch, state, status, ts_event_us } = StatusRecord::read(reader)?;
            let ts_event = ts_event_us.checked_mul(1_000).ok_or(Damaged)?;
            Record::Status(StatusImage { feed_epoch, state, status, ts_event, ..StatusImage::default() })
        }
        Kind::TradeFull => {
            let full = TradeFull::read(reader)?;
            let mut last = Print { price: full.price, qty: full.qty, trade_id: full.trade_id, ..BEFORE };
            for _ in 0..full.listed {
                print(reader, &mut last, &mut prints)?;
            }
            let trailer = Trailer::read(reader, full.price)?;
            // Records of a newer version in the list are not prints.
            Record::Totals(TradeFull { listed: prints.len() as u64, ..full }, prints, trailer)
        }
    })
}

/// Levels of a side of the books here.
const DEPTH: usize = 3;

/// What the reader of a kind 3 record holds.
fn held_book() -> BookImage {
    let mut book = BookImage::default();
    for (side, levels) in [
        [(6_100_010, 51_900), (6_100_000, 7), (6_099_500, 300)],
        [(6_100_011, 300), (6_100_050, 9), (6_200_000, 1)],
    ]
    .iter()
    .enumerate()
    {
        levels.iter().for_each(|(price, qty)| _ = book.sides[side].push(Level { price: *price, qty: *qty }));
    }
    book
}

/// A state that the change leads away from.
fn other_than(state: Option<State>) -> State {
    if state == Some(State::Live) { State::Quiet } else { State::Live }
}

type Message = (Kind, Vec<(usize, Record)>);

/// A whole message; `None` for a kind that is to be skipped.
fn read(bytes: &[u8], set_size: usize) -> Result<Option<Message>, Damaged> {
    let mut reader = Reader::new(bytes);
    let head = decode::Head::read(&mut reader)?;
    let Some(kind) = Kind::from_u8(head.kind) else { return Ok(None) };
    let mut items = Items::read(reader, head.gaps, set_size)?;
    let mut records = Vec::new();
    while let Some(rank) = items.next_rank()? {
        assert!(rank < set_size, "rank {rank} of {set_size}");
        records.push((rank, record(kind, &mut items.records)?));
    }
    Ok(Some((kind, records)))
}

/// Whether a writer could have such values.
fn sane(record: &Record) -> bool {
    let all = |values: &[i64]| values.iter().all(|value| value.unsigned_abs() <= SIZE_MAX);
    let prints = |prints: &[Print]| prints.iter().all(|one| all(&[one.price, one.qty]));
    match record {
        Record::Quote(change) => all(&[change.bid, change.ask, change.bid_size, change.ask_size]),
        Record::QuoteFull(full) => all(&[full.quote.bid, full.quote.ask]),
        Record::Prints(run) => !run.is_empty() && prints(run),
        Record::Totals(full, run, trailer) => {
            let range = trailer.range.map_or([0; 3], |range| [range.first, range.high, range.low]);
            all(&[full.price, full.qty]) && prints(run) && all(&range)
        }
        Record::Book(_, book) | Record::BookFull(book) => {
            let mut levels = book.sides.iter().flat_map(|side| side.as_slice());
            levels.all(|level| all(&[level.price, level.qty]))
        }
        Record::Bars(_, _, bars) => {
            bars.iter().all(|bar| all(&[bar.open, bar.high, bar.low, bar.close, bar.start_us]))
        }
        Record::Status(_) => true,
    }
}

fn write(record: &Record, out: &mut Vec<u8>) {
    match record {
        Record::Quote(change) => {
            let was = other_than(change.state);
            let base = QuoteImage { state: was, ..QuoteImage::default() };
            let (bid, ask) = (change.bid, change.ask);
            let quote = Quote { bid, ask, bid_size: change.bid_size, ask_size: change.ask_size };
            let state = change.state.unwrap_or(was);
            encode::quote(out, &base, &QuoteImage { quote, state, ver: change.events, ..base });
        }
        Record::QuoteFull(full) => {
            let (feed_epoch, state, ver, lost) = (full.feed_epoch, full.state, full.ver, full.lost);
            let image =
                QuoteImage { quote: full.quote, state, feed_epoch, ver, lost, ..QuoteImage::default() };
            encode::quote_full(out, &image);
        }
        Record::Book(old, new) => encode::book(out, old, new, DEPTH),
        Record::BookFull(book) => encode::book_full(out, book),
        Record::Bars(epoch, state, bars) => encode::bars(out, *epoch, *state, bars),
        Record::Status(status) => encode::status(out, status),
        Record::Prints(prints) => encode::prints(out, &BEFORE, prints.iter()),
        Record::Totals(full, prints, trailer) => {
            let image = TradeImage {
                feed_epoch: full.feed_epoch,
                epoch_count: 0,
                state: full.state,
                tc: full.tc,
                lost: full.lost,
                volume: full.volume,
                buy_volume: full.buy_volume,
                notional: full.notional,
                last: Print { price: full.price, qty: full.qty, trade_id: full.trade_id, ..BEFORE },
            };
            encode::trade_full(out, &image, prints.iter());
            encode::trailer(out, full.price, trailer.range, trailer.partial);
        }
    }
}

/// Golden messages of the form, with the sizes of their wire sets.
fn corpus() -> Vec<(Vec<u8>, usize)> {
    let text = std::fs::read(tests().join("data/manifest.json")).unwrap();
    let file: Value = serde_json::from_slice(&text).unwrap();
    let messages = file["messages"].as_array().unwrap().iter().filter(|one| one["form"] == "compact");
    messages
        .map(|one| {
            let path = tests().join("data").join(one["file"].as_str().unwrap());
            (std::fs::read(path).unwrap(), one["set"].as_array().unwrap().len())
        })
        .collect()
}

#[test]
fn compact_messages() {
    let corpus = corpus();
    let bytes: Vec<Vec<u8>> = corpus.iter().map(|(bytes, _)| bytes.clone()).collect();
    for (bytes, size) in &corpus {
        read(bytes, *size).unwrap();
    }
    let (mut taken, mut refused, mut again) = (0_u64, 0_u64, 0_u64);
    fuzz("compact_messages", 1_000_000, |case| {
        let at = case.random.index(corpus.len());
        let size = if case.random.chance(4) { case.random.index(300) } else { corpus[at].1 };
        let input = if case.random.chance(4) {
            case.mutated(&bytes)
        } else {
            case.mutated(std::slice::from_ref(&bytes[at]))
        };
        let Ok(message) = read(&input, size) else {
            refused += 1;
            return;
        };
        taken += 1;
        let Some((kind, records)) = message.filter(|(_, records)| records.iter().all(|one| sane(&one.1)))
        else {
            return;
        };
        let items: Vec<(usize, Vec<u8>)> = records
            .iter()
            .map(|(rank, record)| {
                let mut out = Vec::new();
                write(record, &mut out);
                (*rank, out)
            })
            .collect();
        let head = head::Head { kind, slot: 2, frame: 7, tick: 9, lag_us: 100, whole_ns: None };
        let mut out = Vec::new();
        head::message(&mut out, &head, size, items.iter().map(|(rank, bytes)| (*rank, bytes.as_slice())));
        if size != 1 || !items.is_empty() {
            assert_eq!(read(&out, size), Ok(Some((kind, records))));
            again += 1;
        }
    });
    assert!(taken + refused < 1_000 || (again > 100 && refused > 100), "{taken} {again} {refused}");
}

fn price(random: &mut Random) -> i64 {
    if random.chance(6) { random.pick(&[MANTISSA_MAX, -MANTISSA_MAX]) } else { random.signed(53) }
}

fn size(random: &mut Random) -> i64 {
    if random.chance(6) { MANTISSA_MAX } else { random.spread(53) }
}

fn state(random: &mut Random) -> State {
    State::from_u8(random.byte() & 3).unwrap()
}

fn instrument(random: &mut Random) -> Instrument {
    let exponent = |random: &mut Random| -i8::try_from(random.below(19)).unwrap();
    Instrument {
        symbol: "A.X".to_owned(),
        price_exponent: exponent(random),
        qty_exponent: exponent(random),
        tick_size: 1,
        lot_size: 1,
        has_aggressor: true,
        has_size: false,
    }
}

fn quote(random: &mut Random) -> QuoteImage {
    let ver = random.spread(32).unsigned_abs();
    QuoteImage {
        quote: Quote {
            bid: price(random),
            ask: price(random),
            bid_size: size(random),
            ask_size: size(random),
        },
        state: state(random),
        feed_epoch: 9,
        epoch_count: 9,
        ver,
        lost: random.below(ver + 1),
        ts_event: random.signed(62),
        ts_recv: random.signed(62),
    }
}

fn totals(random: &mut Random) -> TradeImage {
    let tc = 1 + random.spread(31).unsigned_abs();
    let last = Print {
        price: price(random),
        qty: size(random),
        trade_id: random.spread(53).unsigned_abs(),
        ..Print::default()
    };
    let volume = random.spread(62);
    TradeImage {
        feed_epoch: 9,
        epoch_count: 9,
        state: state(random),
        tc,
        lost: random.below(tc),
        volume,
        buy_volume: random.spread(62),
        notional: i128::from(price(random)) * i128::from(random.spread(40)),
        last,
    }
}

/// A message of one record of symbol 7.
fn one(form: Form, kind: Kind, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let (mut record, mut out) = (Vec::new(), Vec::new());
    write(&mut record);
    match form {
        Form::Compact => {
            let head = head::Head { kind, slot: 0, frame: 1, tick: 5, lag_us: 7, whole_ns: None };
            head::message(&mut out, &head, 1, std::iter::once((0, record.as_slice())));
        }
        Form::Fixed => {
            let head =
                fixed::Head { kind, listed: false, slot: 0, frame: 1, ts_flush: 5, watermark: Some(-1) };
            fixed::header(&mut out, &head);
            out.extend_from_slice(&record);
        }
        Form::Json => {
            json::begin(&mut out, &json::Head { kind, frame: 1, slot: 0, tick: 5, t_us: 7 });
            out.extend_from_slice(&record);
            json::end(&mut out);
        }
    }
    out
}

fn view(form: Form, channel: u8, bytes: &[u8]) -> View {
    let mut view = View::new(form);
    view.joined(channel, 0, 50, 0, std::iter::once(Joined { id: 7, has_aggressor: true, has_size: true }));
    view.message(bytes, &mut |_| {}).unwrap();
    view
}

#[test]
fn images_at_the_edges_in_every_form() {
    fuzz("images_at_the_edges_in_every_form", 75_000, |case| {
        let random = &mut case.random;
        let (form, instrument) = (random.pick(&Form::ALL), instrument(random));
        let (quote, totals) = (quote(random), totals(random));
        let bytes = one(form, Kind::QuoteFull, |out| match form {
            Form::Compact => encode::quote_full(out, &quote),
            Form::Fixed => fixed::quote(out, 7, quote.ver, &quote, false),
            Form::Json => json::quote(out, 7, 0, &quote, &instrument),
        });
        let held = *view(form, QUOTE, &bytes).quote(7).unwrap();
        assert_eq!((held.quote, held.state), (quote.quote, quote.state));
        assert_eq!((held.total, held.lost, held.epoch), (quote.ver, quote.lost, 9));
        let range = random.chance(2).then(|| {
            let (low, high) = (totals.last.price.min(-5), totals.last.price.max(5));
            PrintRange { first: low, high, low }
        });
        let bytes = one(form, Kind::TradeFull, |out| match form {
            Form::Compact => {
                encode::trade_full(out, &totals, [].iter());
                encode::trailer(out, totals.last.price, range, false);
            }
            Form::Fixed => fixed::trade_full(out, 7, &totals, range, false),
            Form::Json => json::trade_full(out, 7, &totals, range, false, &instrument),
        });
        let held = *view(form, TRADE, &bytes).trade(7).unwrap();
        let last = (held.last.price, held.last.qty, held.last.trade_id);
        assert_eq!(last, (totals.last.price, totals.last.qty, totals.last.trade_id));
        assert_eq!((held.total, held.lost, held.state), (totals.tc, totals.lost, totals.state));
        assert_eq!((held.volume, held.buy_volume), (totals.volume, totals.buy_volume));
        let mask = (1_u128 << 96) - 1;
        assert_eq!(held.notional, totals.notional.cast_unsigned() & mask);
    });
}
