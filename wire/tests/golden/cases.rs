//! The golden messages and what each of them says.

use crate::Case;
use serde_json::{Value, json};
use tickgate_wire::frame::compact::{encode, head};
use tickgate_wire::frame::{Kind, Print, PrintRange, QuoteImage, State, TradeImage};
use tickgate_wire::tick::{Aggressor, Quote};

/// Epoch of all cases.
pub(crate) const EPOCH: u64 = 1_723_075_200_000;
/// Nanoseconds at which the cases' first events were due.
pub(crate) const NS: i64 = 1_723_075_200_123_456_000;

pub(crate) fn quote(bid: i64, ask: i64, bid_size: i64, ask_size: i64, ver: u64) -> QuoteImage {
    QuoteImage {
        quote: Quote { bid, ask, bid_size, ask_size },
        state: State::Live,
        feed_epoch: EPOCH,
        epoch_count: 1,
        ver,
        lost: 0,
        ts_event: NS,
        ts_recv: NS + 250_000,
    }
}

pub(crate) fn print(price: i64, qty: i64, trade_id: u64, aggressor: Aggressor) -> Print {
    Print { price, qty, trade_id, aggressor, ts_event: NS, ts_recv: NS + 250_000 }
}

pub(crate) fn totals(last: Print, tc: u64, lost: u64) -> TradeImage {
    TradeImage {
        feed_epoch: EPOCH,
        epoch_count: 1,
        state: State::Live,
        tc,
        lost,
        volume: 5_000_000,
        buy_volume: 3_000_000,
        notional: 5_000_000 * 6_100_000,
        last,
    }
}

pub(crate) fn state(state: State) -> &'static str {
    match state {
        State::Live => "live",
        State::Quiet => "quiet",
        State::Stale => "stale",
        State::Halted => "halted",
        State::Out => "out",
    }
}

pub(crate) fn side(aggressor: Aggressor) -> Option<&'static str> {
    match aggressor {
        Aggressor::None => None,
        Aggressor::Buy => Some("buy"),
        Aggressor::Sell => Some("sell"),
    }
}

pub(crate) fn print_value(print: &Print) -> Value {
    json!({ "price": print.price, "qty": print.qty, "trade_id": print.trade_id, "side": side(print.aggressor) })
}

pub(crate) fn range_value(range: Option<PrintRange>) -> Value {
    range.map_or(Value::Null, |r| json!({ "first": r.first, "high": r.high, "low": r.low }))
}

pub(crate) fn quote_value(id: u32, image: &QuoteImage) -> Value {
    let QuoteImage { quote, state: now, ver, lost, .. } = image;
    json!({
        "id": id, "feed_epoch": image.feed_epoch, "state": state(*now), "total": ver, "lost": lost,
        "bid": quote.bid, "ask": quote.ask, "bid_size": quote.bid_size, "ask_size": quote.ask_size,
    })
}

pub(crate) fn plain(kind: Kind, slot: u8, frame: u32) -> head::Head {
    head::Head { kind, slot, frame, tick: 0x1234, lag_us: 310, whole_ns: None }
}

fn head_value(head: &head::Head, gaps: bool) -> Value {
    json!({
        "kind": head.kind as u8, "slot": head.slot, "counter": head.frame % 16, "gaps": gaps,
        "tick": head.tick % 256,
        "lag_us": head.whole_ns.is_none().then(|| head::lag_us(head::lag_code(head.lag_us))),
        "whole_tick": head.whole_ns.map(|_| head.tick), "frame": head.whole_ns.map(|_| head.frame),
        "time_ns": head.whole_ns.map(|ns| ns.to_string()),
    })
}

/// What a case is called and why it is there.
pub(crate) struct About(pub(crate) &'static str, pub(crate) &'static str);

/// Puts records behind a head and describes them.
pub(crate) fn compact(
    about: About,
    head: &head::Head,
    set: &[u32],
    records: &[(u32, Vec<u8>, Value)],
    more: Value,
) -> Case {
    let rank = |id: &u32| set.iter().position(|other| other == id).unwrap();
    let items = records.iter().map(|(id, bytes, _)| (rank(id), bytes.as_slice()));
    let mut bytes = Vec::new();
    head::message(&mut bytes, head, set.len(), items);
    let values: Vec<&Value> = records.iter().map(|(_, _, value)| value).collect();
    let mut value = json!({
        "form": "compact", "about": about.1, "set": set, "head": head_value(head, bytes[0] & 1 != 0),
        "records": values,
    });
    if let Value::Object(more) = more {
        value.as_object_mut().unwrap().extend(more);
    }
    Case { name: about.0, bytes, value }
}

/// Kind 0: each symbol goes from one image to another.
fn deltas(about: About, head: &head::Head, set: &[u32], changes: &[(u32, QuoteImage, QuoteImage)]) -> Case {
    let record = |(id, base, now): &(u32, QuoteImage, QuoteImage)| {
        let mut bytes = Vec::new();
        encode::quote(&mut bytes, base, now);
        let (from, to) = (&base.quote, &now.quote);
        let value = json!({
            "id": id, "events": now.ver - base.ver, "bid": to.bid - from.bid, "ask": to.ask - from.ask,
            "bid_size": to.bid_size - from.bid_size, "ask_size": to.ask_size - from.ask_size,
            "state": (base.state != now.state).then(|| state(now.state)),
        });
        (*id, bytes, value)
    };
    let records: Vec<_> = changes.iter().map(record).collect();
    let base: Vec<Value> = changes.iter().map(|(id, base, _)| quote_value(*id, base)).collect();
    let after: Vec<Value> = changes.iter().map(|(id, _, now)| quote_value(*id, now)).collect();
    compact(about, head, set, &records, json!({ "base": base, "after": after }))
}

fn fulls(about: About, head: &head::Head, set: &[u32], images: &[(u32, QuoteImage)]) -> Case {
    let record = |(id, image): &(u32, QuoteImage)| {
        let mut bytes = Vec::new();
        encode::quote_full(&mut bytes, image);
        (*id, bytes, quote_value(*id, image))
    };
    let records: Vec<_> = images.iter().map(record).collect();
    compact(about, head, set, &records, Value::Null)
}

/// Kind 2: runs of prints behind each symbol's last one.
fn prints(about: About, head: &head::Head, set: &[u32], runs: &[(u32, Print, Vec<Print>)]) -> Case {
    let record = |(id, base, run): &(u32, Print, Vec<Print>)| {
        let mut bytes = Vec::new();
        encode::prints(&mut bytes, base, run.iter());
        let run: Vec<Value> = run.iter().map(print_value).collect();
        (*id, bytes, json!({ "id": id, "prints": run, "state": null }))
    };
    let records: Vec<_> = runs.iter().map(record).collect();
    let base = |(id, base, _): &(u32, Print, Vec<Print>)| json!({ "id": id, "price": base.price, "qty": base.qty, "trade_id": base.trade_id });
    let base: Vec<Value> = runs.iter().map(base).collect();
    compact(about, head, set, &records, json!({ "base": base }))
}

fn trade_full(
    about: About,
    head: &head::Head,
    image: &TradeImage,
    listed: &[Print],
    range: Option<PrintRange>,
    partial: bool,
) -> Case {
    let mut bytes = Vec::new();
    encode::trade_full(&mut bytes, image, listed.iter());
    encode::trailer(&mut bytes, image.last.price, range, partial);
    let value = json!({
        "id": 7, "feed_epoch": image.feed_epoch, "state": state(image.state), "total": image.tc, "lost": image.lost,
        "volume": image.volume, "buy_volume": image.buy_volume, "notional": image.notional.to_string(),
        "price": image.last.price, "qty": image.last.qty, "trade_id": image.last.trade_id,
        "listed": listed.iter().map(print_value).collect::<Vec<_>>(), "range": range_value(range), "partial": partial,
    });
    compact(about, head, &[7], &[(7, bytes, value)], Value::Null)
}

fn compact_quotes() -> Vec<Case> {
    let base = quote(100, 102, 500, 700, 10);
    let head = |frame, tick| head::Head { tick, ..plain(Kind::Quote, 0, frame) };
    let six = [3, 7, 8, 11, 12, 40];
    let many: Vec<u32> = (0..200).map(|n| n * 3).collect();
    let step = |bid, ask, bid_size, ask_size, ver| quote(bid, ask, bid_size, ask_size, ver);
    let stale = QuoteImage { state: State::Stale, ..base };
    let wide = QuoteImage { state: State::Halted, ..step(100 + (1 << 40), 102, 500, 1 << 52, 12) };
    vec![
        deltas(
            About("compact-quote-bitmap", "three of six symbols: a size, both prices, bid and spread"),
            &head(5, 0x1234),
            &six,
            &[
                (3, base, step(100, 102, 400, 700, 11)),
                (11, base, step(119, 121, 500, 72_700, 33)),
                (40, base, step(101, 104, 500, 700, 13)),
            ],
        ),
        deltas(
            About("compact-quote-gaps", "ranks 0 and 150 of 200: gaps are shorter than a bitmap"),
            &head(6, 0x1235),
            &many,
            &[(0, base, step(100, 102, 400, 700, 11)), (450, base, step(119, 121, 500, 72_700, 33))],
        ),
        deltas(
            About("compact-quote-no-change", "nine events without a net change"),
            &head(7, 0x1236),
            &[7],
            &[(7, base, step(100, 102, 500, 700, 19))],
        ),
        deltas(
            About("compact-quote-stale", "no event, a new state"),
            &head(8, 0x1237),
            &[7],
            &[(7, base, stale)],
        ),
        deltas(
            About("compact-quote-wide", "a new state and differences too wide for a plain record, slot 3"),
            &plain(Kind::Quote, 3, 9),
            &[7, 9],
            &[(9, base, wide)],
        ),
        deltas(
            About("compact-quote-prices", "every form of the price byte, one symbol each"),
            &head(10, 0x1239),
            &six,
            &[
                (3, base, step(95, 97, 500, 700, 11)),
                (7, base, step(105, 102, 500, 700, 11)),
                (8, base, step(36, 38, 500, 700, 11)),
                (11, base, step(164, 166, 500, 700, 17)),
                (12, base, step(400, 400, 500, 700, 18)),
                (40, base, step(-2_000_000, 9_000, 0, 701, 300)),
            ],
        ),
        deltas(
            About("compact-head-whole", "the head tells the whole tick, frame counter and time"),
            &head::Head { whole_ns: Some(1_723_075_200_150_310_000), ..head(70_001, 34_461_504_003) },
            &[7],
            &[(7, base, step(101, 103, 500, 700, 11))],
        ),
    ]
}

fn compact_fulls() -> Vec<Case> {
    vec![
        fulls(
            About("compact-quote-full", "a snapshot"),
            &plain(Kind::QuoteFull, 0, 1),
            &[7],
            &[(7, quote(6_100_010, 6_100_011, 51_900, 300, 1_500))],
        ),
        fulls(
            About(
                "compact-quote-full-lost",
                "two of three symbols with losses; one side absent, one price negative",
            ),
            &plain(Kind::QuoteFull, 2, 31),
            &[7, 9, 300],
            &[
                (
                    7,
                    QuoteImage {
                        lost: 40,
                        state: State::Quiet,
                        ..quote(6_100_010, 6_100_011, 0, 300, 1_600)
                    },
                ),
                (300, QuoteImage { lost: 1, state: State::Stale, ..quote(-50, 20, 1, 2, 4_294_967_400) }),
            ],
        ),
    ]
}

fn compact_trades() -> Vec<Case> {
    let last = print(6_100_000, 120, 5_000, Aggressor::Buy);
    let run = vec![
        print(6_100_001, 120, 5_001, Aggressor::Buy),
        print(6_099_000, 70_000, 5_002, Aggressor::Sell),
        print(6_199_000, 5, 5_010, Aggressor::Sell),
        print(6_199_000, 20_000_000, 5_011, Aggressor::Buy),
        print(6_100_000, 20_000_001, 4_000, Aggressor::Buy),
    ];
    let range = PrintRange { first: 6_100_100, high: 6_100_200, low: 6_099_900 };
    let mut state_only = compact(
        About("compact-prints-state", "no print, a new state; only without a subscription to quotes"),
        &plain(Kind::Trade, 0, 4),
        &[7],
        &[(7, vec![0x80, 2, 3, 2], json!({ "id": 7, "prints": [], "state": "stale" }))],
        json!({ "base": [{ "id": 7, "price": 6_100_000, "qty": 120, "trade_id": 5_000 }] }),
    );
    let mut own = Vec::new();
    encode::prints_state(&mut own, State::Stale);
    assert!(state_only.bytes.ends_with(&own));
    state_only.bytes.shrink_to_fit();
    vec![
        prints(
            About("compact-prints", "five prints of one symbol (two of them wide) and one of another"),
            &plain(Kind::Trade, 0, 2),
            &[7, 9],
            &[(7, last, run.clone()), (9, last, vec![print(6_100_000, 3, 5_001, Aggressor::Sell)])],
        ),
        state_only,
        trade_full(
            About("compact-trade-full-empty", "no print yet"),
            &plain(Kind::TradeFull, 0, 1),
            &TradeImage { feed_epoch: EPOCH, state: State::Quiet, ..TradeImage::default() },
            &[],
            None,
            false,
        ),
        trade_full(
            About("compact-trade-full-range", "a catch-up: totals and the range of what was missed"),
            &plain(Kind::TradeFull, 1, 3),
            &TradeImage {
                notional: (1 << 70) + 12_345,
                ..totals(print(6_100_000, 9, 5_020, Aggressor::Buy), 880, 0)
            },
            &[],
            Some(range),
            false,
        ),
        trade_full(
            About(
                "compact-trade-full-listed",
                "a loss: totals, the prints that are known, a list with a hole",
            ),
            &plain(Kind::TradeFull, 0, 5),
            &totals(print(6_199_000, 5, 5_010, Aggressor::None), 900, 12),
            &run[..3],
            None,
            true,
        ),
    ]
}

/// What only a newer writer sends: an older reader skips it.
fn newer() -> Vec<Case> {
    let dump = |text: &str| -> Vec<u8> {
        text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
    };
    let head = |kind: u8, counter: u8, tick: u8, lag_us: Option<u32>| {
        json!({
            "kind": kind, "slot": 0, "counter": counter, "gaps": false, "tick": tick, "lag_us": lag_us,
            "whole_tick": null, "frame": null, "time_ns": null,
        })
    };
    let base = quote_value(7, &quote(100, 102, 500, 700, 10));
    vec![
        Case {
            name: "compact-newer-kind",
            bytes: dump("2a 0b 36 44 de ad be ef"),
            value: json!({
                "form": "compact", "about": "kind 11: skip the message, count the frame", "set": [7],
                "head": head(11, 2, 0x36, Some(304)), "records": null,
            }),
        },
        Case {
            name: "compact-newer-fields",
            bytes: dump("44 37 10 00 20 05 41 03 01 02 03"),
            value: json!({
                "form": "compact", "set": [7],
                "about": "head with an early flush (T = 2), and a record with an unknown flag and bytes to skip",
                "head": head(0, 4, 0x37, Some(256)),
                "records": [{ "id": 7, "events": 2, "bid": 0, "ask": 0, "bid_size": 0, "ask_size": 0,
                    "state": "halted" }],
                "base": [base],
                "after": [quote_value(7, &QuoteImage { state: State::Halted, ..quote(100, 102, 500, 700, 12) })],
            }),
        },
        Case {
            name: "compact-newer-print",
            bytes: dump("48 02 38 81 03 09 aa bb 14 02 05"),
            value: json!({
                "form": "compact", "set": [7], "about": "no lag (T = 0); a print record of an unknown kind, then a print",
                "head": head(2, 4, 0x38, None),
                "records": [{ "id": 7, "state": null,
                    "prints": [{ "price": 101, "qty": 5, "trade_id": 51, "side": "buy" }] }],
                "base": [{ "id": 7, "price": 100, "qty": 4, "trade_id": 50 }],
            }),
        },
    ]
}

pub(crate) fn all() -> Vec<Case> {
    let mut cases = compact_quotes();
    cases.extend(compact_fulls());
    cases.extend(compact_trades());
    cases.extend(newer());
    cases.extend(crate::market::all());
    cases.extend(crate::binary::fixed());
    cases.extend(crate::market::fixed());
    cases.extend(crate::binary::json());
    cases.extend(crate::market::json());
    cases
}
