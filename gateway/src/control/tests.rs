//! Every request is answered with what is in force, item by item.

mod views;

use super::*;
use crate::engine::EngineConfig;
use crate::outbox::Write;
use std::cell::RefCell;
use std::rc::Rc;
use wire::instrument::{Definitions, Instrument};
use wire::view_hash::ViewHash;

#[derive(Clone, Default)]
struct Wire(Rc<RefCell<Vec<u8>>>);

impl Socket for Wire {
    fn try_write(&mut self, bytes: &[u8]) -> Write {
        self.0.borrow_mut().extend_from_slice(bytes);
        Write::Wrote(bytes.len())
    }
}

const LIMITS: Limits = Limits {
    message_bytes: 65_536,
    symbols: 16_384,
    slots: 16,
    orders_per_s: 100,
    requests_per_s: 400,
    sessions: 16,
};

struct World {
    engine: Engine<Wire>,
    client: Client,
    terms: Terms,
    decoder: Decoder,
    wire: Wire,
    now_us: i64,
}

fn instrument(symbol: &str) -> Instrument {
    Instrument {
        symbol: symbol.to_owned(),
        price_exponent: -2,
        qty_exponent: -5,
        tick_size: 1,
        lot_size: 1,
        has_aggressor: true,
        has_size: true,
    }
}

impl World {
    fn new() -> Self {
        let wire = Wire::default();
        let mut engine = Engine::new(EngineConfig::default(), 0);
        let instruments = ["A.X", "AB.X", "B.X"].map(instrument).to_vec();
        engine.define(Definitions { shard: 0, feed_epoch: 1, revision: 1, instruments }, 0);
        let session = engine.open(wire.clone(), Form::Json, 0);
        let terms = Terms {
            auth: Auth::development(vec![AccountId::new("A1").unwrap()], 16),
            limits: LIMITS,
            demo_operators: Vec::new(),
            stale_after_ms: 400,
            quiet_after_ms: 1_000,
            boot_id: "b".to_owned(),
        };
        let client = Client::new(session, Form::Json, &terms, 0);
        Self { engine, client, terms, decoder: Decoder::default(), wire, now_us: 0 }
    }

    fn welcomed() -> Self {
        let mut world = Self::new();
        world.ask(r#"{"op":"hello","account":"A1"}"#);
        world
    }

    fn send(&mut self, message_text: &str) -> Then {
        let mut bytes = message_text.as_bytes().to_vec();
        let Self { engine, client, terms, decoder, now_us, .. } = self;
        message(decoder, &mut bytes, engine, client, terms, *now_us)
    }

    /// Sends, and returns the JSON texts that came back, market data left out.
    fn ask(&mut self, message_text: &str) -> Vec<String> {
        self.send(message_text);
        let mut texts = self.texts();
        texts.retain(|text| !text.contains(r#""frame":"#));
        texts
    }

    /// All texts that have come.
    fn texts(&mut self) -> Vec<String> {
        let bytes = std::mem::take(&mut *self.wire.0.borrow_mut());
        let mut texts = Vec::new();
        let mut rest = bytes.as_slice();
        while let [_, length, tail @ ..] = rest {
            let (length, tail) = match length {
                126 => (usize::from(u16::from_be_bytes([tail[0], tail[1]])), &tail[2..]),
                length => (usize::from(*length), tail),
            };
            texts.push(String::from_utf8(tail[..length].to_vec()).unwrap());
            rest = &tail[length..];
        }
        texts
    }

    fn ask_one(&mut self, message_text: &str) -> serde_json::Value {
        let texts = self.ask(message_text);
        assert_eq!(texts.len(), 1, "{texts:?}");
        serde_json::from_str(&texts[0]).unwrap()
    }
}

#[test]
fn hello_comes_first_and_once() {
    let mut world = World::new();
    assert_eq!(world.ask_one(r#"{"op":"ping","id":4}"#)["code"], "hello_first");
    assert_eq!(world.ask_one(r#"{"op":"hello","account":"A9"}"#)["code"], "unknown_account");
    let welcome =
        world.ask_one(r#"{"op":"hello","id":1,"session":"desk","account":"A1","resume":{"report_seq":4}}"#);
    assert_eq!(
        (&welcome["op"], &welcome["account"], &welcome["resumed"]),
        (&"welcome".into(), &"A1".into(), &false.into())
    );
    assert_eq!(welcome["limits"]["orders_per_s"], 100);
    assert_eq!(world.ask_one(r#"{"op":"hello"}"#)["code"], "already_welcome");
    assert_eq!(world.ask_one(r#"{"op":"ping","id":4,"t":9}"#)["t"], 9);
}

#[test]
fn subscribing_tells_each_symbol_and_each_refusal() {
    let mut world = World::welcomed();
    let reply = world.ask_one(
        r#"{"op":"subscribe","id":1,"channel":"quote","symbols":["A*","NOPE","A.X","Z*"],"interval_ms":50}"#,
    );
    assert_eq!(reply["interval_ms"], 50);
    assert_eq!(reply["slot"], 0);
    let symbols: Vec<&str> =
        reply["symbols"].as_array().unwrap().iter().map(|item| item["symbol"].as_str().unwrap()).collect();
    assert_eq!(symbols, ["A.X", "AB.X"]);
    assert_eq!(reply["symbols"][0]["tick_size"], "0.01");
    let rejected: Vec<(&str, &str)> = reply["rejected"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["symbol"].as_str().unwrap(), item["code"].as_str().unwrap()))
        .collect();
    assert_eq!(
        rejected,
        [("NOPE", "unknown_symbol"), ("A.X", "already_subscribed"), ("Z*", "unknown_symbol")]
    );
    let again = world.ask_one(r#"{"op":"subscribe","channel":"quote","symbols":["A.X"],"interval_ms":100}"#);
    assert_eq!(again["rejected"][0]["interval_ms"], 50);
    let conflict =
        world.ask_one(r#"{"op":"subscribe","channel":"trade","symbols":["A.X","B.X"],"interval_ms":100}"#);
    assert_eq!(conflict["rejected"][0]["code"], "interval_conflict");
    assert_eq!(conflict["symbols"][0]["symbol"], "B.X");
    assert_eq!(conflict["slot"], 1);
}

#[test]
fn a_pattern_gains_new_instruments_until_it_is_dropped() {
    let mut world = World::welcomed();
    world.ask(r#"{"op":"subscribe","channel":"quote","symbols":["A*"],"interval_ms":50}"#);
    let more = ["A.X", "AB.X", "B.X", "AC.X"].map(instrument).to_vec();
    world.engine.define(Definitions { shard: 0, feed_epoch: 1, revision: 2, instruments: more.clone() }, 0);
    let added = world.ask(r#"{"op":"ping"}"#);
    assert!(
        added[0].starts_with(r#"{"op":"added","channel":"quote","slot":0"#) && added[0].contains("AC.X"),
        "{added:?}"
    );
    let left = world.ask_one(r#"{"op":"unsubscribe","id":2,"channel":"quote","symbols":["A*"]}"#);
    assert_eq!(left["ids"].as_array().unwrap().len(), 3);
    let again = world.ask_one(r#"{"op":"unsubscribe","channel":"quote","symbols":["A*"]}"#);
    assert_eq!(again["rejected"][0]["code"], "not_subscribed");
    let mut most = more;
    most.push(instrument("AD.X"));
    world.engine.define(Definitions { shard: 0, feed_epoch: 1, revision: 3, instruments: most }, 0);
    assert_eq!(world.ask(r#"{"op":"ping"}"#).len(), 1);
}

#[test]
fn a_new_rate_moves_both_channels_of_a_symbol() {
    let mut world = World::welcomed();
    world.ask(r#"{"op":"subscribe","channel":"quote","symbols":["A.X","B.X"],"interval_ms":50}"#);
    world.ask(r#"{"op":"subscribe","channel":"trade","symbols":["A.X"],"interval_ms":50}"#);
    let moved = world
        .ask_one(r#"{"op":"set_rate","id":3,"channel":"trade","symbols":["A.X","B.X"],"interval_ms":250}"#);
    assert_eq!(moved["channels"], serde_json::json!(["quote", "trade"]));
    assert_eq!(
        (&moved["from_slot"], &moved["slot"], &moved["ids"]),
        (&0.into(), &1.into(), &serde_json::json!([0]))
    );
    assert_eq!(moved["rejected"][0]["code"], "not_subscribed");
    let repaired = world.ask_one(r#"{"op":"repair","channel":"quote","symbols":["*"]}"#);
    assert_eq!(repaired["symbols"], 2);
    assert_eq!(world.ask_one(r#"{"op":"repair"}"#)["code"], "too_often");
}

#[test]
fn a_flood_and_a_stream_of_rubbish_end_the_session() {
    let mut world = World::welcomed();
    let ends = (0..500).map(|_| world.send(r#"{"op":"ping"}"#)).find(|then| *then != Then::Done);
    assert_eq!(ends, Some(Then::Close(CloseReason::Rate)));
    let mut world = World::welcomed();
    let ends: Vec<Then> = (0..20).map(|_| world.send("{")).collect();
    assert!(ends[..19].iter().all(|then| *then == Then::Done));
    assert_eq!(ends[19], Then::Close(CloseReason::Policy));
}

#[test]
fn orders_need_an_account() {
    let mut world = World::new();
    world.ask(r#"{"op":"hello"}"#);
    assert_eq!(world.ask_one(r#"{"op":"orders","id":1}"#)["code"], "no_account");
    let mut world = World::welcomed();
    assert!(matches!(world.send(r#"{"op":"orders","id":1}"#), Then::Order { id: Some(1), .. }));
}

#[test]
fn hashes_lead_from_the_buckets_to_the_symbols() {
    let mut world = World::welcomed();
    world.ask(r#"{"op":"subscribe","channel":"quote","symbols":["A.X","B.X"],"interval_ms":50}"#);
    world.ask(r#"{"op":"subscribe","channel":"trade","symbols":["B.X"],"interval_ms":50}"#);
    let all = world.ask_one(r#"{"op":"hashes","id":1}"#);
    assert_eq!((&all["owed"], &all["id"]), (&false.into(), &1.into()));
    let buckets: Vec<ViewHash> = all["buckets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|sum| ViewHash::parse(sum.as_str().unwrap()).unwrap())
        .collect();
    let filled: Vec<usize> = (0..64).filter(|bucket| buckets[*bucket] != ViewHash::default()).collect();
    assert_eq!((buckets.len(), filled), (64, vec![0, 2]));
    let some = world.ask_one(r#"{"op":"hashes","id":2,"buckets":[2,5]}"#);
    let symbols = some["symbols"].as_array().unwrap();
    let sum = symbols.iter().fold(ViewHash::default(), |sum, symbol| {
        assert_eq!(symbol["id"], 2);
        sum.and(ViewHash::parse(symbol["hash"].as_str().unwrap()).unwrap())
    });
    assert_eq!((symbols.len(), sum), (2, buckets[2]));
    assert_eq!(world.ask_one(r#"{"op":"hashes"}"#)["code"], "too_often");
    world.now_us += 250_000;
    assert_eq!(world.ask_one(r#"{"op":"hashes"}"#)["owed"], false);
}

#[test]
fn an_instrument_that_two_patterns_match_joins_once() {
    let mut world = World::welcomed();
    world.ask(r#"{"op":"subscribe","channel":"quote","symbols":["A*","AB*"],"interval_ms":50}"#);
    let more = ["A.X", "AB.X", "B.X", "ABC.X"].map(instrument).to_vec();
    world.engine.define(Definitions { shard: 0, feed_epoch: 1, revision: 2, instruments: more }, 0);
    let added = world.ask(r#"{"op":"ping"}"#);
    assert_eq!(added.iter().filter(|text| text.contains("ABC.X")).count(), 1, "{added:?}");
    assert_eq!(world.engine.outbox(0).unwrap().symbols(), 3);
    let left = world.ask_one(r#"{"op":"unsubscribe","channel":"quote","symbols":["A*","AB*"]}"#);
    assert_eq!(left["ids"].as_array().unwrap().len(), 3);
}

#[test]
fn a_session_holds_no_more_wildcards_than_the_bound() {
    let mut world = World::welcomed();
    let many = (0..320).map(|at| instrument(&format!("W{at:03}.X"))).collect();
    world.engine.define(Definitions { shard: 1, feed_epoch: 1, revision: 1, instruments: many }, 0);
    for group in 0..5 {
        let patterns: Vec<String> = (0..64).map(|at| format!("\"W{:03}*\"", group * 64 + at)).collect();
        let list = patterns.join(",");
        let request =
            format!(r#"{{"op":"subscribe","channel":"quote","symbols":[{list}],"interval_ms":50}}"#);
        let reply = world.ask_one(&request);
        let refused = reply["rejected"].as_array().unwrap();
        assert_eq!(refused.len(), if group < 4 { 0 } else { 64 }, "{group}");
        assert!(refused.iter().all(|item| item["code"] == "too_many_symbols"));
    }
    assert_eq!(world.engine.wildcards_left(0), 0);
    let again = world.ask_one(r#"{"op":"subscribe","channel":"quote","symbols":["W000*"],"interval_ms":50}"#);
    assert_eq!(again["rejected"].as_array().unwrap().len(), 0, "one that is held already costs nothing");
}

#[test]
fn an_adaptive_slot_is_another_slot_and_is_echoed() {
    let mut world = World::welcomed();
    let plain = world.ask_one(r#"{"op":"subscribe","channel":"quote","symbols":["A.X"],"interval_ms":50}"#);
    assert_eq!((&plain["slot"], &plain["adaptive"]), (&0.into(), &false.into()));
    assert!(plain["asked_ms"].is_null());
    let asked = r#"{"op":"subscribe","channel":"quote","symbols":["B.X"],"interval_ms":50,"adaptive":true}"#;
    let adaptive = world.ask_one(asked);
    assert_eq!((&adaptive["slot"], &adaptive["adaptive"]), (&1.into(), &true.into()));
    assert_eq!((&adaptive["interval_ms"], &adaptive["asked_ms"]), (&50.into(), &50.into()));
    let beside = world.ask_one(r#"{"op":"subscribe","channel":"trade","symbols":["B.X"],"interval_ms":50}"#);
    assert_eq!(beside["rejected"][0]["code"], "interval_conflict", "a symbol's channels share their slot");
    let moved = world
        .ask_one(r#"{"op":"set_rate","channel":"quote","symbols":["A.X"],"interval_ms":50,"adaptive":true}"#);
    assert_eq!((&moved["from_slot"], &moved["slot"]), (&0.into(), &1.into()));
    assert_eq!((&moved["adaptive"], &moved["interval_ms"]), (&true.into(), &50.into()));
}

#[test]
fn a_budget_and_rows_on_screen_are_answered_item_by_item() {
    let mut world = World::welcomed();
    let set = world.ask_one(r#"{"op":"budget","id":4,"bytes_per_s":4000}"#);
    assert_eq!(
        (&set["op"], &set["id"], &set["bytes_per_s"]),
        (&"budget_set".into(), &4.into(), &4_000.into())
    );
    let budget = |world: &World| world.engine.outbox(world.client.session).unwrap().budget.is_some();
    assert!(budget(&world));
    let unset = world.ask_one(r#"{"op":"budget","bytes_per_s":null}"#);
    assert!(unset["bytes_per_s"].is_null() && unset.get("bytes_per_s").is_some() && !budget(&world));
    assert_eq!(world.ask_one(r#"{"op":"budget","bytes_per_s":999}"#)["code"], "bad_field");
    let rows = world.ask_one(r#"{"op":"visible","id":5,"symbols":["A*","NOPE","A.X","Z*"]}"#);
    assert_eq!((&rows["op"], &rows["id"], &rows["symbols"]), (&"visible_set".into(), &5.into(), &2.into()));
    let refused: Vec<_> = rows["rejected"].as_array().unwrap().iter().map(|item| &item["symbol"]).collect();
    assert_eq!(refused, ["NOPE", "Z*"]);
    let visible = |world: &World| world.engine.outbox(world.client.session).unwrap().visible.is_some();
    assert!(visible(&world));
    assert_eq!(world.ask_one(r#"{"op":"visible","symbols":[]}"#)["symbols"], 0);
    assert!(!visible(&world));
}

#[test]
fn without_memory_every_item_is_refused_and_what_is_held_stays() {
    let mut world = World::welcomed();
    world.ask(r#"{"op":"subscribe","channel":"quote","symbols":["A.X"],"interval_ms":50}"#);
    world.engine.memory = crate::engine::Memory::new(0);
    let reply = world
        .ask_one(r#"{"op":"subscribe","id":2,"channel":"trade","symbols":["A.X","B*"],"interval_ms":50}"#);
    assert_eq!((&reply["id"], &reply["slot"]), (&2.into(), &serde_json::Value::Null));
    let rejected = serde_json::json!([
        {"symbol": "A.X", "code": "no_memory", "number": 1901},
        {"symbol": "B*", "code": "no_memory", "number": 1901},
    ]);
    assert_eq!(reply["rejected"], rejected);
    assert_eq!((world.engine.outbox(0).unwrap().symbols(), world.engine.memory.refused), (1, 1));
    world.engine.memory = crate::engine::Memory::default();
    let reply = world.ask_one(r#"{"op":"subscribe","channel":"trade","symbols":["A.X"],"interval_ms":50}"#);
    assert_eq!(reply["symbols"][0]["symbol"], "A.X");
}
