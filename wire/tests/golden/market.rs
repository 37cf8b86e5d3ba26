//! Golden messages of kinds 3 to 6 in all forms, and heads with other times; how the Rust reader reads them.

use crate::Case;
use crate::binary::{fixed_case, fixed_head, instrument, json_case};
use crate::cases::{About, EPOCH, NS, compact, plain, quote, state};
use serde_json::{Value, json};
use tickgate_wire::cursor::Reader;
use tickgate_wire::frame::book::SIDES;
use tickgate_wire::frame::compact::decode::{BarsHead, BookChange, BookFull, StatusRecord, applied};
use tickgate_wire::frame::compact::encode;
use tickgate_wire::frame::{
    Bar, BookImage, BookSideImage, Kind, Level, State, StatusImage, fixed, json as form,
};
use tickgate_wire::tick::{BookSide, Status};

type Side<'a> = &'a [(i64, i64)];

fn book(lver: u64, bids: Side<'_>, asks: Side<'_>) -> BookImage {
    let mut image = BookImage {
        feed_epoch: EPOCH,
        epoch_count: 1,
        state: State::Live,
        lver,
        ts_event: NS,
        ts_recv: NS + 250_000,
        ..BookImage::default()
    };
    for (side, levels) in SIDES.into_iter().zip([bids, asks]) {
        for (price, qty) in levels {
            image.sides[side as usize].push(Level { price: *price, qty: *qty });
        }
    }
    image
}

fn levels(side: &BookSideImage) -> Value {
    side.as_slice().iter().map(|level| json!([level.price, level.qty])).collect()
}

fn book_value(id: u32, image: &BookImage) -> Value {
    json!({
        "id": id, "feed_epoch": image.feed_epoch, "state": state(image.state), "total": image.lver, "lost": image.lost,
        "bids": levels(&image.sides[0]), "asks": levels(&image.sides[1]), "checksum": image.checksum(),
    })
}

/// Kind 3: the records are what is held after them.
fn deltas(
    about: About,
    slot: u8,
    frame: u32,
    set: &[u32],
    changes: &[(u32, BookImage, BookImage)],
    depth: usize,
) -> Case {
    let record = |(id, old, new): &(u32, BookImage, BookImage)| {
        let mut bytes = Vec::new();
        encode::book(&mut bytes, old, new, depth);
        let value = json!({
            "id": id, "events": new.lver - old.lver, "state": (old.state != new.state).then(|| state(new.state)),
            "bids": levels(&new.sides[0]), "asks": levels(&new.sides[1]), "checksum": new.checksum(),
        });
        (*id, bytes, value)
    };
    let records: Vec<_> = changes.iter().map(record).collect();
    let base: Vec<Value> = changes.iter().map(|(id, old, _)| book_value(*id, old)).collect();
    let more = json!({ "base": base, "depth": depth });
    compact(about, &plain(Kind::BookDelta, slot, frame), set, &records, more)
}

fn fulls(about: About, slot: u8, frame: u32, set: &[u32], images: &[(u32, BookImage)]) -> Case {
    let record = |(id, image): &(u32, BookImage)| {
        let mut bytes = Vec::new();
        encode::book_full(&mut bytes, image);
        (*id, bytes, book_value(*id, image))
    };
    let records: Vec<_> = images.iter().map(record).collect();
    compact(about, &plain(Kind::BookFull, slot, frame), set, &records, Value::Null)
}

fn bar_value(bar: &Bar) -> Value {
    json!({
        "start": bar.start_us, "open": bar.open, "high": bar.high, "low": bar.low, "close": bar.close,
        "volume": bar.volume, "buy_volume": bar.buy_volume, "notional": bar.notional.to_string(), "count": bar.count,
        "total": bar.tc, "closed": bar.closed, "partial": bar.partial,
    })
}

fn bars_value(id: u32, now: State, bars: &[Bar]) -> Value {
    let bars: Vec<Value> = bars.iter().map(bar_value).collect();
    json!({ "id": id, "feed_epoch": EPOCH, "state": state(now), "bars": bars })
}

fn bars(about: About, frame: u32, set: &[u32], runs: &[(u32, State, Vec<Bar>)]) -> Case {
    let record = |(id, now, run): &(u32, State, Vec<Bar>)| {
        let mut bytes = Vec::new();
        encode::bars(&mut bytes, EPOCH, *now, run);
        (*id, bytes, bars_value(*id, *now, run))
    };
    let records: Vec<_> = runs.iter().map(record).collect();
    compact(about, &plain(Kind::Bar, 4, frame), set, &records, Value::Null)
}

const fn status_name(status: Status) -> &'static str {
    match status {
        Status::Open => "open",
        Status::Halted => "halted",
        Status::Closed => "closed",
        Status::SourceStale => "source_stale",
    }
}

fn status_value(id: u32, image: &StatusImage) -> Value {
    json!({
        "id": id, "feed_epoch": image.feed_epoch, "state": state(image.state), "status": status_name(image.status),
        "ts_event": image.ts_event / 1_000,
    })
}

fn statuses(about: About, frame: u32, set: &[u32], images: &[(u32, StatusImage)]) -> Case {
    let record = |(id, image): &(u32, StatusImage)| {
        let mut bytes = Vec::new();
        encode::status(&mut bytes, image);
        (*id, bytes, status_value(*id, image))
    };
    let records: Vec<_> = images.iter().map(record).collect();
    compact(about, &plain(Kind::Status, 5, frame), set, &records, Value::Null)
}

fn status(status: Status, state: State) -> StatusImage {
    StatusImage { feed_epoch: EPOCH, epoch_count: 1, state, status, ts_event: NS, ts_recv: NS + 250_000 }
}

fn closed_bar() -> Bar {
    Bar {
        start_us: 1_723_075_140_000_000,
        open: 6_100_000,
        high: 6_100_500,
        low: 6_099_000,
        close: 6_100_010,
        volume: 5_000_000,
        buy_volume: 3_000_000,
        notional: 5_000_000 * 6_100_000,
        count: 870,
        tc: 870,
        closed: true,
        partial: true,
    }
}

fn open_bar() -> Bar {
    let volume = 10;
    Bar {
        start_us: 1_723_075_200_000_000,
        open: 6_100_020,
        high: 6_100_020,
        low: 6_099_990,
        close: 6_099_990,
        volume,
        buy_volume: 4,
        notional: i128::from(volume) * 6_100_000,
        count: 3,
        tc: 873,
        closed: false,
        partial: false,
    }
}

/// Before and after, three levels a side.
fn two_books() -> (BookImage, BookImage) {
    (
        book(
            1_500,
            &[(6_100_010, 51_900), (6_100_000, 7), (6_099_500, 300)],
            &[(6_100_011, 300), (6_100_050, 9)],
        ),
        book(
            1_505,
            &[(6_100_012, 40), (6_100_010, 50_900), (6_100_000, 7)],
            &[(6_100_050, 9), (6_100_400, 5_000)],
        ),
    )
}

fn compact_books() -> Vec<Case> {
    let (old, new) = two_books();
    let wide = book(
        1_510,
        &[(1 << 40, 1 << 40), (6_100_010, (1 << 40) + 51_900), (6_000_000, 1)],
        &[((1 << 40) + 1, 2), ((1 << 40) + 70_000, 3)],
    );
    let stale = BookImage { state: State::Stale, ..old };
    let lossy =
        BookImage { lost: 40, state: State::Quiet, ..book((1 << 32) + 5, &[], &[(-5, 7), (20, 1 << 33)]) };
    vec![
        deltas(
            About("compact-book", "one level changed, new, removed, pushed out; depth 3"),
            3,
            2,
            &[7],
            &[(7, old, new)],
            3,
        ),
        deltas(
            About(
                "compact-book-wide",
                "quantities and prices too wide for a byte; the other symbol: a state, no event",
            ),
            3,
            3,
            &[7, 9, 11],
            &[(7, old, wide), (9, old, stale)],
            3,
        ),
        fulls(About("compact-book-full", "a snapshot"), 3, 1, &[7], &[(7, old)]),
        fulls(
            About("compact-book-full-lost", "no bid, a negative price, losses; and an empty book"),
            3,
            4,
            &[7, 9],
            &[(7, lossy), (9, book(0, &[], &[]))],
        ),
    ]
}

fn compact_rest() -> Vec<Case> {
    let moved = Bar { open: -5, high: 7, low: -9, close: 2, notional: -(1 << 70), ..closed_bar() };
    let run = vec![closed_bar(), open_bar()];
    vec![
        bars(
            About("compact-bars", "a closed bar whose first prints are missing, and the one so far"),
            5,
            &[7],
            &[(7, State::Live, run)],
        ),
        bars(
            About("compact-bars-state", "no bar yet; the other symbol with a price and a notional below 0"),
            6,
            &[7, 9],
            &[(7, State::Stale, vec![]), (9, State::Out, vec![moved])],
        ),
        statuses(About("compact-status", "halted"), 7, &[7], &[(7, status(Status::Halted, State::Halted))]),
        statuses(
            About("compact-status-two", "open; and a silent source"),
            8,
            &[7, 9],
            &[(7, status(Status::Open, State::Live)), (9, status(Status::SourceStale, State::Stale))],
        ),
    ]
}

/// The level records of a message, as the manifest tells them.
fn level_values(bytes: &[u8]) -> Vec<(Vec<u8>, Value)> {
    let value = |record: &[u8]| {
        let number = |at: usize| u64::from_le_bytes(record[at..at + 8].try_into().unwrap());
        let small = |at: usize| u32::from_le_bytes(record[at..at + 4].try_into().unwrap());
        json!({
            "symbol": small(0), "events": small(4), "price": number(8).cast_signed(), "qty": number(16).cast_signed(),
            "ts_event": number(24).to_string(), "book_side": if record[32] == 0 { "bid" } else { "ask" },
            "level": record[33], "flags": u16::from_le_bytes([record[34], record[35]]), "checksum": small(36),
            "ts_recv": number(40).to_string(), "lost": small(48),
            "state": state(State::from_u8(record[52]).unwrap()), "epoch": record[53],
        })
    };
    bytes.chunks(56).map(|record| (record.to_vec(), value(record))).collect()
}

pub(crate) fn fixed() -> Vec<Case> {
    let (old, new) = two_books();
    let (mut delta, mut whole) = (Vec::new(), Vec::new());
    fixed::book(&mut delta, 7, &old, &new, 3);
    let stale = BookImage { state: State::Stale, ..old };
    fixed::book(&mut delta, 9, &old, &stale, 3);
    fixed::book_full(&mut whole, 7, &BookImage { lost: 40, ..new });
    let bar_record = |bar: &Bar| {
        let mut bytes = Vec::new();
        fixed::bars(&mut bytes, 7, 1, State::Live, std::slice::from_ref(bar));
        let value = json!({
            "symbol": 7, "count": bar.count, "start_us": bar.start_us, "open": bar.open, "high": bar.high, "low": bar.low,
            "close": bar.close, "volume": bar.volume, "buy_volume": bar.buy_volume,
            "notional": bar.notional.to_string(), "tc": bar.tc,
            "flags": u8::from(bar.closed) | u8::from(bar.partial) << 1, "state": "live", "epoch": 1,
        });
        (bytes, value)
    };
    let image = status(Status::Closed, State::Quiet);
    let mut told = Vec::new();
    fixed::status(&mut told, 7, &image);
    let status = json!({
        "symbol": 7, "status": status_name(image.status), "state": state(image.state), "epoch": 1,
        "ts_event": image.ts_event.to_string(), "ts_recv": image.ts_recv.to_string(),
    });
    vec![
        fixed_case(
            "fixed-book",
            "changes of one book; a new state of another",
            fixed_head(Kind::BookDelta, 8),
            &level_values(&delta),
        ),
        fixed_case("fixed-book-full", "a book in full", fixed_head(Kind::BookFull, 9), &level_values(&whole)),
        fixed_case(
            "fixed-bars",
            "a closed bar and the one so far",
            fixed_head(Kind::Bar, 10),
            &[bar_record(&closed_bar()), bar_record(&open_bar())],
        ),
        fixed_case("fixed-status", "out of session", fixed_head(Kind::Status, 11), &[(told, status)]),
    ]
}

pub(crate) fn json() -> Vec<Case> {
    let (old, new) = two_books();
    let (mut delta, mut whole, mut run, mut told) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    form::book(&mut delta, 7, &old, &new, 3, &instrument());
    form::book_full(&mut whole, 9, &old, &instrument());
    form::bars(&mut run, 7, EPOCH, State::Live, &[closed_bar(), open_bar()], &instrument());
    let image = status(Status::Halted, State::Halted);
    form::status(&mut told, 7, &image);
    let set = |price: i64, qty: i64| json!([price, qty]);
    let changed = json!({
        "id": 7, "feed_epoch": EPOCH, "total": 1_505, "events": 5, "lost": 0, "full": false, "state": "live",
        "bids": [set(6_100_012, 40), set(6_100_010, 50_900)],
        "asks": [set(6_100_011, 0), set(6_100_400, 5_000)], "checksum": new.checksum(),
    });
    let mut full = book_value(9, &old);
    (full["events"], full["full"]) = (0.into(), true.into());
    let mut told_value = status_value(7, &image);
    told_value.as_object_mut().unwrap().remove("ts_event");
    vec![
        json_case(
            "json-books",
            "changes of one book, and another in full",
            Kind::BookDelta,
            &[(delta, changed), (whole, full)],
        ),
        json_case(
            "json-bars",
            "a closed bar and the one so far",
            Kind::Bar,
            &[(run, bars_value(7, State::Live, &[closed_bar(), open_bar()]))],
        ),
        json_case("json-statuses", "halted", Kind::Status, &[(told, told_value)]),
    ]
}

/// Heads and records as only another writer sends them.
fn dumped() -> Vec<Case> {
    let dump = |text: &str| -> Vec<u8> {
        text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
    };
    let base = crate::cases::quote_value(7, &quote(100, 102, 500, 700, 10));
    let after = crate::cases::quote_value(7, &quote(101, 103, 500, 700, 11));
    let record =
        json!([{ "id": 7, "events": 1, "bid": 1, "ask": 1, "bid_size": 0, "ask_size": 0, "state": null }]);
    let case = |name: &'static str, about: &str, text: &str, head: Value| Case {
        name,
        bytes: dump(text),
        value: json!({
            "form": "compact", "about": about, "set": [7], "head": head, "records": record, "base": [base],
            "after": [after],
        }),
    };
    vec![
        case(
            "compact-head-early",
            "an early flush (T = 2): 24.624 ms into the tick, slot 1",
            "5c 10 39 03 06 01 57",
            json!({
                "kind": 0, "slot": 1, "counter": 5, "gaps": false, "tick": 0x39, "lag_us": 24_624, "whole_tick": null,
                "frame": null, "time_ns": null,
            }),
        ),
        case(
            "compact-head-watermark",
            "T = 3 with tick, counter, watermark, time and two bytes of a newer gateway",
            "16 03 17 0f 03 d2 10 06 08 00 71 11 01 00 2a 00 70 8c 3e ea c3 97 e9 17 aa bb 01 57",
            json!({
                "kind": 0, "slot": 0, "counter": 1, "gaps": false, "tick": 3, "lag_us": null,
                "whole_tick": 34_461_504_003_u64, "frame": 70_001, "time_ns": "1723075200150310000",
            }),
        ),
    ]
}

/// Kinds 3, 4, 5, 6 with what a newer gateway may add.
fn newer() -> Vec<Case> {
    let (old, _) = two_books();
    let stale = BookImage { state: State::Stale, lver: 1_502, ..old };
    let grown = |mut case: Case, find: &[u8], put: &[u8]| {
        let at = case.bytes.windows(find.len()).position(|bytes| bytes == find).unwrap();
        case.bytes.splice(at..at + find.len(), put.iter().copied());
        case
    };
    let epoch = [0x80, 0x88, 0xa4, 0xfa, 0x92, 0x32];
    let with_state = |state: u8| [&epoch[..], &[state]].concat();
    let with_more = |state: u8| [&epoch[..], &[0x80 | state, 2, 0xaa, 0xbb]].concat();
    vec![
        grown(
            deltas(
                About("compact-newer-book", "a book record with an unknown flag and bytes to skip"),
                3,
                9,
                &[7],
                &[(7, old, stale)],
                3,
            ),
            &[0x00, 0x30, 0x02, 0x01, 0x02],
            &[0x00, 0x30, 0x04, 0x41, 0x02, 0xaa, 0xbb],
        ),
        grown(
            fulls(
                About("compact-newer-book-full", "two bytes to skip behind the state"),
                3,
                10,
                &[7],
                &[(7, old)],
            ),
            &with_state(0),
            &with_more(0),
        ),
        grown(
            bars(
                About("compact-newer-bars", "two bytes to skip behind the state"),
                11,
                &[7],
                &[(7, State::Quiet, vec![open_bar()])],
            ),
            &with_state(1),
            &with_more(1),
        ),
        grown(
            statuses(
                About("compact-newer-status", "two bytes to skip behind the state"),
                12,
                &[7],
                &[(7, status(Status::Open, State::Live))],
            ),
            &with_state(0),
            &with_more(0),
        ),
    ]
}

pub(crate) fn all() -> Vec<Case> {
    let mut cases = compact_books();
    cases.extend(compact_rest());
    cases.extend(dumped());
    cases.extend(newer());
    cases
}

/// Reads a record of kinds 3 to 6 into the manifest's words.
pub(crate) fn read_record(kind: u8, reader: &mut Reader<'_>, base: Option<&Value>, depth: usize) -> Value {
    match kind {
        3 => {
            let record = BookChange::read(reader).unwrap();
            let held = base.map_or_else(Default::default, |base| {
                [BookSide::Bid, BookSide::Ask].map(|side| {
                    let mut image = BookSideImage::default();
                    let name = if side == BookSide::Bid { "bids" } else { "asks" };
                    for level in base[name].as_array().unwrap() {
                        let (price, qty) = (level[0].as_i64().unwrap(), level[1].as_i64().unwrap());
                        image.push(Level { price, qty });
                    }
                    image
                })
            });
            let sides = applied(&record.sides, &held, depth).unwrap();
            json!({
                "events": record.events, "state": record.state.map(state), "bids": levels(&sides[0]),
                "asks": levels(&sides[1]), "checksum": record.checksum,
            })
        }
        4 => {
            let record = BookFull::read(reader).unwrap();
            let sides = applied(&record.sides, &Default::default(), 20).unwrap();
            json!({
                "feed_epoch": record.feed_epoch, "state": state(record.state), "total": record.lver,
                "lost": record.lost, "bids": levels(&sides[0]), "asks": levels(&sides[1]),
                "checksum": record.checksum,
            })
        }
        5 => {
            let mut head = BarsHead::read(reader).unwrap();
            let bars: Vec<Value> = (0..head.count).map(|_| bar_value(&head.bar(reader).unwrap())).collect();
            json!({ "feed_epoch": head.feed_epoch, "state": state(head.state), "bars": bars })
        }
        _ => {
            let record = StatusRecord::read(reader).unwrap();
            json!({
                "feed_epoch": record.feed_epoch, "state": state(record.state), "status": status_name(record.status),
                "ts_event": record.ts_event_us,
            })
        }
    }
}
