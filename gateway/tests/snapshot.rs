//! `/v1/snapshot`: what it tells equals what a client on the socket holds, and each wrong question is refused by name.
#![expect(clippy::unwrap_used, reason = "a test ends by its panic")]

mod support;

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use support::client::Client;
use support::peer::{Nothing, Peer};
use support::{Memory, quote, trade, with_gateway};
use wire::tick::{Aggressor, Change, Quote, Trade};

const QUOTE: [&str; 9] =
    ["total", "lost", "bid", "ask", "bid_size", "ask_size", "state", "ts_event", "ts_recv"];
const TRADE: [&str; 10] =
    ["total", "lost", "volume", "buy_volume", "notional", "price", "qty", "trade_id", "ts_event", "ts_recv"];

/// An answer; its head is in lower case.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

async fn ask(address: SocketAddr, method: &str, query: &str, headers: &[(&str, &str)]) -> Answer {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!("{method} /v1/snapshot{query} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    let mut peer = Peer::connect(address, None).await;
    assert!(peer.send(format!("{head}{headers}\r\n").as_bytes()).await);
    let status = peer.status().await.unwrap();
    let (body, end) = peer.rest().await;
    assert_eq!(end, Nothing::Ended, "{query}");
    Answer { status, head: peer.head, body: String::from_utf8(body).unwrap() }
}

async fn snapshot(address: SocketAddr, query: &str) -> Value {
    let answer = ask(address, "GET", query, &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

/// Asks again and again until the answer is as wanted; the test's own bound ends it.
async fn until(address: SocketAddr, query: &str, good: impl Fn(&Value) -> bool) -> Value {
    loop {
        let body = snapshot(address, query).await;
        if good(&body) {
            return body;
        }
        tokio::task::yield_now().await;
    }
}

fn symbols(body: &Value) -> Vec<&str> {
    body["symbols"].as_array().unwrap().iter().map(|symbol| symbol["symbol"].as_str().unwrap()).collect()
}

fn all_are(body: &Value, state: &str) -> bool {
    let symbols = body["symbols"].as_array().unwrap();
    !symbols.is_empty() && symbols.iter().all(|symbol| symbol["quote"]["state"] == state)
}

/// A client in form `json` that holds all symbols' quotes and prints.
async fn holder(address: SocketAddr, symbols: usize) -> Client {
    until(address, "", |body| body["symbols"].as_array().unwrap().len() == symbols).await;
    let mut client = Client::hello(address, "json", "A1").await;
    for channel in ["quote", "trade"] {
        let asked = format!(r#"{{"op":"subscribe","channel":"{channel}","symbols":["*"],"interval_ms":10}}"#);
        client.ask(&asked, "subscribed").await;
    }
    client
}

/// Takes records until all symbols' quotes and totals are held as stale, by (op, id).
async fn hold(client: &mut Client, held: &mut BTreeMap<(String, u64), Value>, symbols: u64) {
    let whole = |held: &BTreeMap<(String, u64), Value>| {
        let has = |op: &str, id| held.get(&(op.to_owned(), id)).is_some_and(|r| r["state"] == "stale");
        (0..symbols).all(|id| has("quotes", id) && has("trade_totals", id))
    };
    while !whole(held) {
        let support::client::Came::Text(message) = client.next().await else { panic!("no text") };
        for record in message["data"].as_array().into_iter().flatten() {
            let op = message["op"].as_str().unwrap().to_owned();
            held.insert((op, record["id"].as_u64().unwrap()), record.clone());
        }
    }
}

#[test]
fn it_tells_what_a_json_client_holds_at_the_same_moment() {
    let bus = Memory::new(&["A.X", "B.X", "C.Y"]);
    let publisher = bus.clone();
    with_gateway(&[], &bus, |address| async move {
        let mut client = holder(address, 3).await;
        publisher.publish(&[(0, quote(6_100_010, 6_100_011)), (0, trade(100, 5))]);
        client.record("quotes", |record| record["bid"] == "61000.10").await;
        publisher.lose(&[(0, quote(102, 103)), (0, trade(104, 105)), (0, trade(104, 105))]);
        publisher.beat();
        client.record("quotes", |record| record["lost"] == 1).await;
        let bought = Trade { price: 7, qty: 11, trade_id: 99, aggressor: Aggressor::Buy };
        let one_sided = Quote { bid: 5, ask: 6, bid_size: 0, ask_size: 1_500 };
        publisher.publish(&[(1, Change::Quote(one_sided)), (0, Change::Trade(bought))]);
        client.record("trades", |record| record["trade_id"] == 99).await;
        // From here on nothing is published, so that what is current ends as stale, and stays.
        until(address, "", |body| all_are(body, "stale")).await;
        let mut held = BTreeMap::new();
        client.record("quotes", |record| record["state"] == "stale").await;
        client.send(r#"{"op":"repair"}"#).await;
        hold(&mut client, &mut held, 3).await;
        let body = snapshot(address, "").await;
        assert_eq!(symbols(&body), ["A.X", "B.X", "C.Y"]);
        for symbol in body["symbols"].as_array().unwrap() {
            let id = symbol["id"].as_u64().unwrap();
            let told = [("quotes", "quote", &QUOTE[..]), ("trade_totals", "trade", &TRADE[..])];
            for (op, member, fields) in told {
                let (mine, theirs) = (symbol[member].as_object().unwrap(), &held[&(op.to_owned(), id)]);
                assert_eq!(mine.len(), fields.len(), "{mine:?}");
                for field in fields {
                    assert_eq!(mine[*field], theirs[*field], "{member} {field} of {id}: {theirs}");
                }
                assert_eq!(symbol["epoch"], theirs["epoch"]);
            }
            assert_eq!(symbol["shard"], 0);
        }
        let [first, second] = [0, 1].map(|at| &body["symbols"][at]);
        assert_eq!((&first["trade"]["lost"], &first["trade"]["buy_volume"]), (&json!(2), &json!("0.011")));
        assert_eq!((&second["quote"]["bid"], &second["quote"]["ask_size"]), (&Value::Null, &json!("1.500")));
        assert_eq!(body["rejected"], json!([]));
        assert!(body["server_time_us"].as_i64().unwrap() > 1_600_000_000_000_000);
        assert_eq!(body["watermark_us"], client.until("heartbeat").await["watermark_us"]);
    });
}

#[test]
fn a_client_that_holds_the_state_gets_304_until_it_changes() {
    let bus = Memory::new(&["A.X", "B.X"]);
    let publisher = bus.clone();
    with_gateway(&[], &bus, |address| async move {
        let mut client = holder(address, 2).await;
        publisher.publish(&[(0, quote(100, 101))]);
        client.record("quotes", |record| record["total"] == 1).await;
        until(address, "", |body| all_are(body, "stale")).await;
        let first = ask(address, "GET", "", &[]).await;
        let tag = first.header("etag").unwrap().to_owned();
        assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 2, "a strong tag: {tag}");
        assert_eq!(first.header("cache-control"), Some("no-cache"));
        for held in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
            for method in ["GET", "HEAD"] {
                let again = ask(address, method, "", &[("If-None-Match", &held)]).await;
                assert_eq!((again.status, again.body.as_str()), (304, ""), "{held}");
                assert_eq!(again.header("etag"), Some(tag.as_str()));
                assert_eq!(again.header("cache-control"), Some("no-cache"));
                assert_eq!(again.header("content-length"), None);
            }
        }
        for stale in ["\"x\"", &tag[1..], "W/*"] {
            assert_eq!(ask(address, "GET", "", &[("If-None-Match", stale)]).await.status, 200, "{stale}");
        }
        let other = ask(address, "GET", "?symbols=B.X", &[("If-None-Match", &tag)]).await;
        assert_eq!(other.status, 200, "another selection is another state");
        // A beat proves the state anew, which shows while it holds; after it all but times is as it was.
        publisher.beat();
        until(address, "", |body| !all_are(body, "stale")).await;
        assert_eq!(ask(address, "GET", "", &[("If-None-Match", &tag)]).await.status, 200);
        until(address, "", |body| all_are(body, "stale")).await;
        assert_eq!(ask(address, "GET", "", &[("If-None-Match", &tag)]).await.status, 304);
        publisher.publish(&[(1, trade(100, 5))]);
        until(address, "", |body| body["symbols"][1]["trade"]["total"] == 1 && all_are(body, "stale")).await;
        let changed = ask(address, "GET", "", &[("If-None-Match", &tag)]).await;
        assert_eq!(changed.status, 200);
        assert_ne!(changed.header("etag"), Some(tag.as_str()));
    });
}

#[test]
fn what_is_unknown_is_rejected_item_by_item_as_on_the_socket() {
    let bus = Memory::new(&["A.X", "B.X", "A+B.X"]);
    with_gateway(&[], &bus, |address| async move {
        let mut client = holder(address, 3).await;
        let body = snapshot(address, "?symbols=Z.X,A.X,Q*,B%2a,A.X,Z.X").await;
        assert_eq!(symbols(&body), ["A.X", "B.X"], "each once, by rising id");
        let asked = r#"{"op":"subscribe","channel":"quote","symbols":["Z.X","Q*","Z.X"]}"#;
        let reply = client.ask(asked, "subscribed").await;
        assert_eq!(body["rejected"], reply["rejected"]);
        assert_eq!(body["rejected"][1], json!({"symbol": "Q*", "code": "unknown_symbol", "number": 1101}));
        assert_eq!(symbols(&snapshot(address, "?symbols=A+B.X").await), ["A+B.X"]);
        assert_eq!(symbols(&snapshot(address, "?symbols=*").await).len(), 3);
        assert_eq!(symbols(&snapshot(address, "?").await).len(), 3);
        let list = vec!["A.X"; 64].join(",");
        assert_eq!(symbols(&snapshot(address, &format!("?symbols={list}")).await), ["A.X"]);
        let nothing = snapshot(address, "?symbols=Z.X").await;
        assert_eq!((&nothing["symbols"], &nothing["watermark_us"]), (&json!([]), &Value::Null));
    });
}

#[test]
fn a_bad_query_is_refused_with_its_parameter_named() {
    let bus = Memory::new(&["A.X"]);
    with_gateway(&[], &bus, |address| async move {
        let many = format!("?symbols={}", vec!["A.X"; 65].join(","));
        let long = format!("?symbols={}", "A".repeat(49));
        for (query, number, message) in [
            ("?symbol=A.X", 1003, "symbol: unknown parameter"),
            ("?symbols=A.X&depth=1", 1003, "depth: unknown parameter"),
            ("?symbols=A.X&", 1003, ": unknown parameter"),
            ("?symbols=A.X&symbols=A.X", 1004, "symbols: stands twice"),
            ("?symbols=A.X&s%79mbols=B.X", 1004, "symbols: stands twice"),
            ("?symbols", 1003, "symbols: a list of 1 to 64"),
            ("?symbols=", 1003, "symbols: a list of 1 to 64"),
            (&many, 1003, "symbols: a list of 1 to 64"),
            ("?symbols=A.X,", 1003, "symbols[1]: no symbol or pattern"),
            ("?symbols=A.X%20", 1003, "symbols[0]: no symbol or pattern"),
            ("?symbols=A.X,%22%00", 1003, "symbols[1]: no symbol or pattern"),
            ("?symbols=*****", 1003, "symbols[0]: no symbol or pattern"),
            (&long, 1003, "symbols[0]: no symbol or pattern"),
            ("?symbols=%4", 1003, "symbols: not percent-encoded UTF-8"),
            ("?symbols=%FF", 1003, "symbols: not percent-encoded UTF-8"),
        ] {
            // A condition does not soften an error.
            let answer = ask(address, "GET", query, &[("If-None-Match", "*")]).await;
            let error = answer.json();
            assert_eq!((answer.status, &error["number"]), (400, &json!(number)), "{query}: {error}");
            assert!(error["message"].as_str().unwrap().starts_with(message), "{query}: {error}");
            assert_eq!((&error["op"], &error["retry"]), (&json!("error"), &json!("never")));
            assert_eq!(answer.header("content-type"), Some("application/json"));
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
            assert_eq!(answer.header("etag"), None);
        }
        let posted = ask(address, "POST", "?symbols=A.X", &[]).await;
        assert_eq!((posted.status, posted.header("allow")), (405, Some("get, head")));
    });
}

#[test]
fn head_tells_what_get_would() {
    let bus = Memory::new(&["A.X"]);
    with_gateway(&[], &bus, |address| async move {
        until(address, "", |body| all_are(body, "stale")).await;
        let [get, head] = [ask(address, "GET", "", &[]).await, ask(address, "HEAD", "", &[]).await];
        assert_eq!((get.status, head.status, head.body.as_str()), (200, 200, ""));
        assert_eq!(get.header("content-length"), Some(get.body.len().to_string().as_str()));
        for name in ["etag", "content-type", "content-length", "cache-control", "x-content-type-options"] {
            assert!(head.header(name).is_some(), "{name}");
            assert_eq!(get.header(name), head.header(name), "{name}");
        }
        let bad = ask(address, "HEAD", "?x=1", &[]).await;
        assert_eq!((bad.status, bad.body.as_str()), (400, ""));
    });
}

#[test]
fn a_symbol_of_a_shard_that_nobody_follows_is_stale() {
    let bus = Memory::new(&["A.X"]);
    bus.lose(&[(0, quote(100, 101))]);
    let publisher = bus.clone();
    with_gateway(&[], &bus, |address| async move {
        let body = until(address, "?symbols=A.X", |body| !symbols(body).is_empty()).await;
        assert!(all_are(&body, "stale") && !publisher.is_followed());
        assert_eq!((&body["watermark_us"], &body["symbols"][0]["quote"]["total"]), (&Value::Null, &json!(0)));
        let _client = holder(address, 1).await;
        let followed = |body: &Value| body["symbols"][0]["quote"]["total"] == 1;
        until(address, "?symbols=A.X", followed).await;
    });
}

#[test]
fn an_answer_holds_at_most_4096_symbols() {
    let names: Vec<String> =
        (0..4_097).map(|at| format!("S{}.{at}", if at == 0 { "X" } else { "Y" })).collect();
    let bus = Memory::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
    with_gateway(&[], &bus, |address| async move {
        until(address, "?symbols=SX.0", |body| !symbols(body).is_empty()).await;
        for query in ["", "?symbols=*", "?symbols=SY*,SX*", "?symbols=SY*,SX.0"] {
            let answer = ask(address, "GET", query, &[]).await;
            assert_eq!((answer.status, &answer.json()["number"]), (400, &json!(1107)), "{query}");
        }
        let body = snapshot(address, "?symbols=SY*,SY.1,SY.4096").await;
        assert_eq!(symbols(&body).len(), 4_096);
        assert!(all_are(&body, "stale"));
    });
}
