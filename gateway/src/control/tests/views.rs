//! What a subscription shows, and the statistics of a session.

use super::*;
use bytes::Bytes;
use wire::batch::{BatchWriter, Header, SnapshotRow, snapshot_message};
use wire::tick::{BookLevel, BookSide, Change, Event, Quote, Status, Trade};

fn header(first: u64) -> Header {
    Header {
        feed_epoch: 1.into(),
        revision: 1.into(),
        first: first.into(),
        ts_publish: 700.into(),
        ..Header::default()
    }
}

/// A gateway whose three instruments are whole, with the next sequence of their shard.
fn whole() -> World {
    let mut world = World::welcomed();
    let rows = vec![SnapshotRow::default(); 3];
    assert!(world.engine.snapshot(0, &snapshot_message(header(1), rows.iter()), 0).unwrap());
    world
}

/// Publishes a quote of the first instrument and passes 50 ms; the messages that come of it.
fn quote(world: &mut World, number: u64, bid: i64, bid_size: i64) -> Vec<serde_json::Value> {
    let quote = Quote { bid, ask: bid + 1, bid_size, ask_size: 9 };
    publish(world, number, &[Event { index: 0, number, ts_event: 500, change: Change::Quote(quote) }]);
    pass(world, 50_000)
}

fn publish(world: &mut World, first: u64, events: &[Event]) {
    let mut writer = BatchWriter::default();
    events.iter().for_each(|event| writer.push(event));
    world.engine.batch(0, &Bytes::from(writer.finish(header(first))), world.now_us).unwrap();
}

fn pass(world: &mut World, time_us: i64) -> Vec<serde_json::Value> {
    world.now_us += time_us;
    let now_us = world.now_us;
    world.engine.run_due(|| now_us);
    world.texts().iter().map(|text| serde_json::from_str(text).unwrap()).collect()
}

/// The last record of the first instrument's quote.
fn last(messages: &[serde_json::Value]) -> serde_json::Value {
    let quotes = messages.iter().rev().filter(|message| message["op"] == "quotes");
    let mut records = quotes.flat_map(|message| message["data"].as_array().unwrap().iter().rev());
    records.find(|record| record["id"] == 0).cloned().unwrap_or_default()
}

#[test]
fn a_symbol_leaves_by_the_filter_and_comes_back() {
    let mut world = whole();
    let asked = r#"{"op":"subscribe","channel":"quote","symbols":["A.X"],"interval_ms":50,"filter":[[["bid",">=","10"]]]}"#;
    let reply = world.ask_one(asked);
    assert_eq!((&reply["filtered"], &reply["fields"]), (&true.into(), &"all".into()));
    assert_eq!(last(&quote(&mut world, 1, 1_001, 5))["state"], "live");
    let out = last(&quote(&mut world, 2, 999, 5));
    assert_eq!((&out["state"], &out["bid"]), (&"out".into(), &serde_json::Value::Null));
    assert!(last(&quote(&mut world, 3, 998, 7)).is_null(), "told of what is out");
    let back = last(&quote(&mut world, 4, 1_000, 5));
    assert_eq!((&back["state"], &back["bid"], &back["events"]), (&"live".into(), &"10.00".into(), &2.into()));
}

#[test]
fn sizes_that_are_not_told_are_no_change() {
    let mut world = whole();
    world.ask(r#"{"op":"subscribe","channel":"quote","symbols":["A.X"],"interval_ms":50,"fields":"price"}"#);
    assert_eq!(last(&quote(&mut world, 1, 1_000, 500))["bid_size"], "0.00001");
    assert!(last(&quote(&mut world, 2, 1_000, 700)).is_null(), "told of a size");
    let next = last(&quote(&mut world, 3, 1_001, 0));
    assert_eq!((&next["events"], &next["bid"]), (&2.into(), &serde_json::Value::Null));
}

#[test]
fn prints_share_the_view_of_the_quote_beside_them() {
    let mut world = whole();
    world.ask(r#"{"op":"subscribe","channel":"quote","symbols":["A.X"],"fields":"price"}"#);
    world.ask(r#"{"op":"subscribe","channel":"quote","symbols":["B.X"],"filter":[[["bid",">","1"]]]}"#);
    let refused = world.ask_one(r#"{"op":"subscribe","channel":"trade","symbols":["A.X","B.X"]}"#);
    let codes: Vec<_> = refused["rejected"].as_array().unwrap().iter().map(|item| &item["code"]).collect();
    assert_eq!(codes, ["view_conflict", "view_conflict"]);
    let joined = world.ask_one(r#"{"op":"subscribe","channel":"trade","symbols":["A.X"],"fields":"price"}"#);
    assert_eq!((&joined["slot"], &joined["rejected"]), (&0.into(), &serde_json::json!([])));
    let moved = world.ask(r#"{"op":"set_rate","channel":"quote","symbols":["*"],"interval_ms":500}"#);
    assert!(moved[0].contains(r#""from_slot":0,"slot":2"#) && moved[1].contains(r#""from_slot":1,"slot":3"#));
}

#[test]
fn statistics_tell_the_wait_from_the_delay() {
    let mut world = whole();
    assert_eq!(world.ask_one(r#"{"op":"stats","every_ms":1000}"#)["op"], "stats_set");
    world.ask(r#"{"op":"subscribe","channel":"quote","symbols":["A.X"],"interval_ms":50}"#);
    let mut told = Vec::new();
    for number in 1..=40 {
        let messages = quote(&mut world, number, 1_000 + i64::try_from(number).unwrap(), 5);
        told.extend(messages.into_iter().filter(|message| message["op"] == "stats"));
    }
    let stats = told.last().unwrap();
    assert_eq!(stats["wait_us"]["n"], stats["send_us"]["n"]);
    assert!(stats["records"].as_u64() >= Some(19) && stats["backlog"] == 0, "{stats}");
    // Each event waits for the next flush, 50 ms later; nothing waits to be written.
    let p50 = stats["wait_us"]["p50"].as_u64().unwrap();
    assert!((49_000..=50_500).contains(&p50) && stats["send_us"]["max"] == 0, "{stats}");
    assert_eq!(world.ask_one(r#"{"op":"stats","every_ms":0}"#)["every_ms"], 0);
    let silent = (41..=70).flat_map(|number| quote(&mut world, number, 1_000, 5));
    assert!(silent.into_iter().all(|message| message["op"] != "stats"));
}

/// Records of a kind of message, in order.
fn records(messages: &[serde_json::Value], op: &str) -> Vec<serde_json::Value> {
    let of = messages.iter().filter(|message| message["op"] == op);
    of.flat_map(|message| message["data"].as_array().unwrap()).cloned().collect()
}

#[test]
fn a_bar_that_closed_between_two_flushes_is_told_whole() {
    let mut world = whole();
    let asked = r#"{"op":"subscribe","channel":"bar","symbols":["A.X"],"interval_ms":1000}"#;
    assert_eq!(world.ask_one(asked)["period"], "1s");
    let trade = |number: u64, ts_event: i64| {
        let trade = Trade { price: 1_000 + i64::try_from(number).unwrap(), qty: 2, ..Trade::default() };
        Event { index: 0, number, ts_event, change: Change::Trade(trade) }
    };
    world.now_us = 3_000_000;
    publish(&mut world, 1, &[trade(1, 2_100_000_000), trade(2, 2_900_000_000), trade(3, 3_000_000_000)]);
    let told = records(&pass(&mut world, 1_000_000), "bars");
    let seen: Vec<_> = told.iter().flat_map(|record| record["bars"].as_array().unwrap()).collect();
    assert_eq!(seen.len(), 2, "{told:?}");
    assert_eq!(
        (&seen[0]["count"], &seen[0]["closed"], &seen[0]["total"]),
        (&2.into(), &true.into(), &2.into())
    );
    assert_eq!((&seen[1]["open"], &seen[1]["close"]), (&"10.03".into(), &"10.03".into()));
}

#[test]
fn books_and_status_are_told_as_they_change() {
    let mut world = whole();
    assert_eq!(
        world.ask_one(r#"{"op":"subscribe","channel":"book","symbols":["A.X"],"depth":5}"#)["depth"],
        5
    );
    world.ask(r#"{"op":"subscribe","channel":"status","symbols":["A.X"]}"#);
    let request = world.engine.book_request(0, world.now_us).expect("the book is asked for");
    let mut page = wire::book_page::PageWriter::default();
    for index in wire::book_page::parse_request(&request).unwrap() {
        page.push(index, &wire::book::Book::default());
    }
    assert!(world.engine.book_page(0, &page.finish(header(1)), world.now_us).unwrap());
    let level = |number: u64, side, price, update_ends| {
        let level = BookLevel { side, price, qty: 7, snapshot_begins: false, update_ends };
        Event { index: 0, number, ts_event: 500, change: Change::Level(level) }
    };
    let halted = Event { index: 0, number: 1, ts_event: 9_000, change: Change::Status(Status::Halted) };
    let bids =
        (1..=6).map(|number| level(number, BookSide::Bid, i64::try_from(number).unwrap(), number == 6));
    let events: Vec<Event> = bids.chain([halted, level(7, BookSide::Ask, 50, false)]).collect();
    publish(&mut world, 1, &events);
    let messages = pass(&mut world, 100_000);
    let book = records(&messages, "books").pop().unwrap();
    assert_eq!(book["bids"].as_array().unwrap().len(), 5, "{book}");
    assert_eq!(
        (&book["bids"][0][0], &book["asks"]),
        (&"0.06".into(), &serde_json::json!([])),
        "an open update"
    );
    assert_eq!(records(&messages, "statuses").pop().unwrap()["status"], "halted");
    let refused = world.ask_one(r#"{"op":"subscribe","channel":"book","symbols":["A.X"],"depth":20}"#);
    assert_eq!(refused["rejected"][0]["code"], "already_subscribed");
}
