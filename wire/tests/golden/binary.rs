//! Golden messages of `fixed` and `json`, and how the Rust reader reads all of them.

use crate::cases::{EPOCH, NS, print, print_value, quote, range_value, side, state, totals};
use crate::{Case, cases};
use serde_json::{Value, json};
use tickgate_wire::frame::compact::decode::{
    Head, Items, PrintRecord, QuoteChange, QuoteFull, TradeFull, Trailer,
};
use tickgate_wire::frame::{Kind, Print, PrintRange, QuoteImage, State, TradeImage, fixed, json as form};
use tickgate_wire::instrument::Instrument;
use tickgate_wire::tick::Aggressor;

pub(crate) fn instrument() -> Instrument {
    Instrument {
        symbol: "BTCUSDT.BINANCE".to_owned(),
        price_exponent: -2,
        qty_exponent: -5,
        tick_size: 1,
        lot_size: 1,
        has_aggressor: true,
        has_size: true,
    }
}

pub(crate) fn fixed_case(
    name: &'static str,
    about: &str,
    head: fixed::Head,
    records: &[(Vec<u8>, Value)],
) -> Case {
    let mut bytes = Vec::new();
    fixed::header(&mut bytes, &head);
    records.iter().for_each(|(record, _)| bytes.extend_from_slice(record));
    let value = json!({
        "form": "fixed", "about": about,
        "head": {
            "record_bytes": fixed::record_bytes(head.kind), "kind": head.kind as u8, "version": 1, "header_bytes": 32,
            "flags": bytes[5], "slot": head.slot, "frame": head.frame, "ts_flush": head.ts_flush.to_string(),
            "watermark": head.watermark.map(|ns| ns.to_string()),
        },
        "records": records.iter().map(|(_, value)| value).collect::<Vec<_>>(),
    });
    Case { name, bytes, value }
}

pub(crate) fn fixed_head(kind: Kind, frame: u32) -> fixed::Head {
    let (ts_flush, watermark) = (NS + 50_000_000, Some(NS + 49_000_000));
    fixed::Head { kind, listed: false, slot: 1, frame, ts_flush, watermark }
}

fn fixed_quote(id: u32, events: u64, image: &QuoteImage) -> (Vec<u8>, Value) {
    let mut bytes = Vec::new();
    fixed::quote(&mut bytes, id, events, image, true);
    let price = |price: i64, size: i64| (size != 0).then_some(price);
    let quote = &image.quote;
    let value = json!({
        "symbol": id, "events": events % (1 << 32), "bid": price(quote.bid, quote.bid_size),
        "ask": price(quote.ask, quote.ask_size), "bid_size": quote.bid_size, "ask_size": quote.ask_size,
        "ts_event": image.ts_event.to_string(), "lost": image.lost, "flags": 0, "state": state(image.state),
        "epoch": image.epoch_count, "ts_recv": image.ts_recv.to_string(),
    });
    (bytes, value)
}

fn fixed_print(id: u32, print: &Print) -> (Vec<u8>, Value) {
    let mut bytes = Vec::new();
    fixed::trade(&mut bytes, id, print, 1);
    let value = json!({
        "symbol": id, "events": 1, "price": print.price, "qty": print.qty, "ts_event": print.ts_event.to_string(),
        "trade_id": print.trade_id, "side": side(print.aggressor), "flags": 0, "epoch": 1,
        "ts_recv": print.ts_recv.to_string(),
    });
    (bytes, value)
}

fn fixed_totals(id: u32, image: &TradeImage, range: Option<PrintRange>, partial: bool) -> (Vec<u8>, Value) {
    let mut bytes = Vec::new();
    fixed::trade_full(&mut bytes, id, image, range, partial);
    let value = json!({
        "symbol": id, "tc": image.tc % (1 << 32), "tlost": image.lost,
        "flags": u8::from(range.is_some()) | u8::from(partial) << 1, "state": state(image.state),
        "epoch": image.epoch_count, "volume": image.volume, "buy_volume": image.buy_volume,
        "notional": image.notional.to_string(), "price": image.last.price, "qty": image.last.qty,
        "trade_id": image.last.trade_id, "range": range_value(range),
        "ts_event": image.last.ts_event.to_string(), "ts_recv": image.last.ts_recv.to_string(),
    });
    (bytes, value)
}

fn range() -> PrintRange {
    PrintRange { first: 6_100_100, high: 6_100_200, low: 6_099_900 }
}

pub(crate) fn fixed() -> Vec<Case> {
    let last = print(6_100_000, 9, 5_020, Aggressor::Buy);
    let absent = QuoteImage { state: State::Quiet, ..quote(6_100_010, 6_100_011, 0, 300, 1_600) };
    let lost = QuoteImage { lost: 40, ..quote(6_100_010, 6_100_011, 51_900, 300, (1 << 32) + 1_700) };
    let listed = fixed::Head { listed: true, watermark: None, ..fixed_head(Kind::Trade, 6) };
    let negative = TradeImage { notional: -(1 << 70), ..totals(last, 880, 12) };
    let mut newer = fixed_case(
        "fixed-newer",
        "records of 72 bytes: the 8 that are new are skipped",
        fixed_head(Kind::Quote, 7),
        &[fixed_quote(7, 2, &lost), fixed_quote(9, 3, &absent)],
    );
    newer.value["head"]["record_bytes"] = 72.into();
    newer.bytes[0] = 72;
    for at in [32 + 64, 32 + 72 + 64] {
        newer.bytes.splice(at..at, [0xee; 8]);
    }
    vec![
        fixed_case(
            "fixed-quote",
            "two quotes; the second has no bid",
            fixed_head(Kind::Quote, 2),
            &[
                fixed_quote(7, 3, &quote(6_100_010, 6_100_011, 51_900, 300, 1_500)),
                fixed_quote(9, 12, &absent),
            ],
        ),
        fixed_case(
            "fixed-quote-full",
            "a quote in full: its total passed 2^32",
            fixed_head(Kind::QuoteFull, 3),
            &[fixed_quote(7, lost.ver, &lost)],
        ),
        fixed_case(
            "fixed-trade",
            "prints",
            fixed_head(Kind::Trade, 4),
            &[fixed_print(7, &last), fixed_print(7, &print(6_100_002, 4, 5_021, Aggressor::Sell))],
        ),
        fixed_case(
            "fixed-trade-full",
            "totals: one with the range of what was missed, one after a loss with a hole in the list",
            fixed_head(Kind::TradeFull, 5),
            &[
                fixed_totals(7, &totals(last, 880, 0), Some(range()), false),
                fixed_totals(9, &negative, None, true),
            ],
        ),
        fixed_case(
            "fixed-trade-listed",
            "a print that the totals before hold already",
            listed,
            &[fixed_print(9, &last)],
        ),
        newer,
    ]
}

pub(crate) fn json_case(name: &'static str, about: &str, kind: Kind, elements: &[(Vec<u8>, Value)]) -> Case {
    let mut bytes = Vec::new();
    let t_us = NS / 1_000 + 50_000;
    form::begin(&mut bytes, &form::Head { kind, frame: 9, slot: 2, tick: 34_461_504_003, t_us });
    for (at, (element, _)) in elements.iter().enumerate() {
        if at > 0 {
            bytes.push(b',');
        }
        bytes.extend_from_slice(element);
    }
    form::end(&mut bytes);
    let values: Vec<&Value> = elements.iter().map(|(_, value)| value).collect();
    let value = json!({
        "form": "json", "about": about, "price_exponent": -2, "qty_exponent": -5,
        "head": { "frame": 9, "slot": 2, "tick": 34_461_504_003_u64, "t_us": t_us }, "records": values,
    });
    Case { name, bytes, value }
}

fn json_print(print: &Print, listed: bool) -> (Vec<u8>, Value) {
    let mut bytes = Vec::new();
    form::trade(&mut bytes, 7, EPOCH, print, listed, &instrument());
    let mut value = print_value(print);
    value["id"] = 7.into();
    value["listed"] = listed.into();
    (bytes, value)
}

pub(crate) fn json() -> Vec<Case> {
    let absent = QuoteImage { lost: 2, state: State::Quiet, ..quote(6_100_010, 6_100_011, 0, 300, 1_600) };
    let mut element = Vec::new();
    form::quote(&mut element, 7, 12, &absent, &instrument());
    let quote = json!({
        "id": 7, "feed_epoch": EPOCH, "total": 1_600, "events": 12, "lost": 2, "bid": null, "ask": 6_100_011,
        "bid_size": 0, "ask_size": 300, "state": "quiet",
    });
    let last = print(6_100_000, 9, 5_020, Aggressor::Sell);
    let image = totals(last, 880, 12);
    let mut full = Vec::new();
    form::trade_full(&mut full, 7, &image, Some(range()), true, &instrument());
    let trades = json!({
        "id": 7, "feed_epoch": EPOCH, "total": 880, "lost": 12, "volume": image.volume,
        "buy_volume": image.buy_volume, "notional": image.notional.to_string(), "price": 6_100_000, "qty": 9,
        "trade_id": 5_020, "range": range_value(Some(range())), "partial": true, "state": "live",
    });
    vec![
        json_case("json-quotes", "a quote without a bid", Kind::Quote, &[(element, quote)]),
        json_case(
            "json-trades",
            "a print, and one that the totals before hold already",
            Kind::Trade,
            &[json_print(&last, false), json_print(&print(6_100_002, 4, 5_021, Aggressor::None), true)],
        ),
        json_case("json-trade-totals", "totals after a loss", Kind::TradeFull, &[(full, trades)]),
    ]
}

/// Reads a `compact` message into the manifest's words.
fn read_compact(case: &Case) -> (Value, Value) {
    let set: Vec<u64> = case.value["set"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect();
    let mut reader = tickgate_wire::cursor::Reader::new(&case.bytes);
    let head = Head::read(&mut reader).unwrap();
    let value = json!({
        "kind": head.kind, "slot": head.slot, "counter": head.counter, "gaps": head.gaps, "tick": head.tick,
        "lag_us": head.lag_us, "whole_tick": head.whole.map(|whole| whole.0),
        "frame": head.whole.map(|whole| whole.1), "time_ns": head.time_ns.map(|ns| ns.to_string()),
    });
    if !matches!(head.kind, 0..=7) {
        return (value, Value::Null);
    }
    let mut items = Items::read(reader, head.gaps, set.len()).unwrap();
    let mut records = Vec::new();
    while let Some(rank) = items.next_rank().unwrap() {
        let base =
            case.value["base"].as_array().and_then(|base| base.iter().find(|base| base["id"] == set[rank]));
        let depth = usize::try_from(case.value["depth"].as_u64().unwrap_or(20)).unwrap();
        let mut record = match head.kind {
            3..=6 => crate::market::read_record(head.kind, &mut items.records, base, depth),
            kind => read_record(kind, &mut items.records, base),
        };
        record["id"] = set[rank].into();
        records.push(record);
    }
    (value, records.into())
}

fn read_record(kind: u8, reader: &mut tickgate_wire::cursor::Reader<'_>, base: Option<&Value>) -> Value {
    match kind {
        0 => {
            let change = QuoteChange::read(reader).unwrap();
            json!({
                "events": change.events, "bid": change.bid, "ask": change.ask, "bid_size": change.bid_size,
                "ask_size": change.ask_size, "state": change.state.map(state),
            })
        }
        1 => {
            let QuoteFull { feed_epoch, state: now, ver, lost, quote } = QuoteFull::read(reader).unwrap();
            json!({
                "feed_epoch": feed_epoch, "state": state(now), "total": ver, "lost": lost, "bid": quote.bid,
                "ask": quote.ask, "bid_size": quote.bid_size, "ask_size": quote.ask_size,
            })
        }
        2 => {
            let number = |key: &str| base.unwrap()[key].as_i64().unwrap();
            let (prints, now) = read_prints(reader, number("price"), number("qty"), number("trade_id"), None);
            json!({ "prints": prints, "state": now.map(state) })
        }
        _ => {
            let full = TradeFull::read(reader).unwrap();
            let id = full.trade_id.cast_signed();
            let (listed, _) = read_prints(reader, full.price, full.qty, id, Some(full.listed));
            let trailer = Trailer::read(reader, full.price).unwrap();
            json!({
                "feed_epoch": full.feed_epoch, "state": state(full.state), "total": full.tc, "lost": full.lost,
                "volume": full.volume, "buy_volume": full.buy_volume, "notional": full.notional.to_string(),
                "price": full.price, "qty": full.qty, "trade_id": full.trade_id, "listed": listed,
                "range": range_value(trailer.range), "partial": trailer.partial,
            })
        }
    }
}

fn read_prints(
    reader: &mut tickgate_wire::cursor::Reader<'_>,
    mut price: i64,
    mut qty: i64,
    mut id: i64,
    count: Option<u64>,
) -> (Vec<Value>, Option<State>) {
    let (mut prints, mut now, mut left) = (Vec::new(), None, count);
    while left != Some(0) {
        let (record, another) = PrintRecord::read(reader).unwrap();
        match record {
            PrintRecord::Print(change) => {
                (price, qty) = (price + change.price, change.qty.unwrap_or(qty));
                id += 1 + change.id_gap;
                let side = if change.sell { "sell" } else { "buy" };
                prints.push(json!({ "price": price, "qty": qty, "trade_id": id, "side": side }));
            }
            PrintRecord::State(state) => now = Some(state),
            PrintRecord::Unknown => {}
        }
        left = left.map(|left| left - 1);
        if left.is_none() && !another {
            break;
        }
    }
    (prints, now)
}

#[test]
fn every_compact_message_is_read_as_it_was_meant() {
    for case in cases::all().iter().filter(|case| case.value["form"] == "compact") {
        let (head, records) = read_compact(case);
        assert_eq!(head, case.value["head"], "{}", case.name);
        assert_eq!(records, case.value["records"], "{}", case.name);
    }
}

#[test]
fn deltas_lead_from_base_to_after() {
    for case in cases::all().iter().filter(|case| case.value["after"].is_array()) {
        let records = case.value["records"].as_array().unwrap();
        for (at, record) in records.iter().enumerate() {
            let (base, after) = (&case.value["base"][at], &case.value["after"][at]);
            for field in ["bid", "ask", "bid_size", "ask_size"] {
                let sum = base[field].as_i64().unwrap() + record[field].as_i64().unwrap();
                assert_eq!(after[field], sum, "{} {field}", case.name);
            }
            assert_eq!(after["total"], base["total"].as_u64().unwrap() + record["events"].as_u64().unwrap());
        }
    }
}
