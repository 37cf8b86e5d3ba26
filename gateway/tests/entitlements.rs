//! What a session may see and do: each user, symbol and action; limits of an account; names that would be subjects.
#![expect(clippy::unwrap_used, reason = "a test ends by its panic")]

mod support;

use serde_json::{Value, json};
use std::net::SocketAddr;
use support::issuer::{Key, all, flags, key_file};
use support::peer::{Asked, Peer, TEXT, frame};
use support::{Memory, with_gateway};

fn hello(token: &str) -> String {
    json!({"op": "hello", "token": token}).to_string()
}

async fn welcomed(address: SocketAddr, token: &str) -> Peer {
    let mut peer = Peer::saying(address, &hello(token)).await;
    peer.until(&["welcome"]).await.unwrap();
    peer
}

async fn plain(address: SocketAddr, path: &str, token: &str) -> Value {
    let mut peer = Peer::connect(address, None).await;
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    peer.send(head.as_bytes()).await;
    assert_eq!(peer.status().await, Ok(200));
    serde_json::from_slice(&peer.rest().await.0).unwrap()
}

/// Waits until the gateway knows all instruments.
async fn known(address: SocketAddr, token: &str, instruments: usize) {
    while plain(address, "/v1/instruments", token).await["instruments"].as_array().unwrap().len()
        < instruments
    {}
}

const SYMBOLS: [&str; 5] = ["A.X", "A.Y", "B.X", "B.Y", "NOPE.X"];

/// y granted, n not granted, u granted and unknown; by symbol.
struct User {
    name: &'static str,
    tickgate: Value,
    quote: [char; 5],
    trade: [char; 5],
    orders: bool,
}

fn users() -> [User; 3] {
    [
        User {
            name: "desk",
            tickgate: json!({
                "data": [{"channels": ["quote", "trade"], "symbols": ["A.*", "NOPE.X"]}, {"channels": ["trade"], "symbols": ["B.X"]}],
                "trade": true
            }),
            quote: ['y', 'y', 'n', 'n', 'u'],
            trade: ['y', 'y', 'y', 'n', 'u'],
            orders: true,
        },
        User {
            name: "viewer",
            tickgate: json!({"data": [{"channels": ["quote", "book"], "symbols": ["*.X"]}]}),
            quote: ['y', 'n', 'y', 'n', 'u'],
            trade: ['n', 'n', 'n', 'n', 'n'],
            orders: false,
        },
        User { name: "nobody", tickgate: json!({}), quote: ['n'; 5], trade: ['n'; 5], orders: false },
    ]
}

fn verdict(reply: &Value) -> char {
    match (reply["symbols"][0].is_object(), reply["rejected"][0]["code"].as_str()) {
        (true, None) => 'y',
        (false, Some("not_entitled")) => 'n',
        (false, Some("unknown_symbol")) => 'u',
        _ => panic!("{reply}"),
    }
}

async fn judge(address: SocketAddr, bus: &Memory, key: &Key, user: &User) {
    let token = key.good("k", user.name, 600, &user.tickgate);
    let mut peer = welcomed(address, &token).await;
    for (at, symbol) in SYMBOLS.iter().enumerate() {
        for (channel, expected) in [("quote", user.quote[at]), ("trade", user.trade[at])] {
            let request =
                json!({"op": "subscribe", "channel": channel, "symbols": [symbol], "interval_ms": 100});
            let reply = peer.ask(&request.to_string(), &["subscribed"]).await;
            assert_eq!(verdict(&reply), expected, "{} {channel} {symbol}", user.name);
            // What is not held can be touched in no other way.
            for op in ["repair", "set_rate", "unsubscribe"].into_iter().filter(|_| expected != 'y') {
                let mut request = json!({"op": op, "channel": channel, "symbols": [symbol]});
                if op == "set_rate" {
                    request["interval_ms"] = json!(250);
                }
                let answers = ["repairing", "rate_set", "unsubscribed", "error"];
                let reply = peer.ask(&request.to_string(), &answers).await;
                let refused = reply["rejected"][0]["code"].as_str().or_else(|| reply["code"].as_str());
                assert!(
                    matches!(refused, Some("not_subscribed" | "unknown_symbol" | "too_often")),
                    "{reply}"
                );
            }
        }
        let body = plain(address, &format!("/v1/snapshot?symbols={symbol}"), &token).await;
        let shown = &body["symbols"][0];
        for (member, expected) in [("quote", user.quote[at]), ("trade", user.trade[at])] {
            assert_eq!(
                shown[member].is_object(),
                expected == 'y',
                "{} snapshot {symbol} {member}",
                user.name
            );
        }
        if !shown.is_object() {
            let unknown = user.quote[at] == 'u' || user.trade[at] == 'u';
            let code = if unknown { "unknown_symbol" } else { "not_entitled" };
            assert_eq!(body["rejected"][0]["code"], code, "{} snapshot {symbol}", user.name);
        }
        let before = bus.requests.borrow().len();
        let order = json!({"op": "order.new", "cl_ord_id": format!("{}-{at}", user.name), "symbol": symbol, "side": "buy", "type": "limit", "qty": "1", "price": "1", "tif": "day"});
        let reply = peer.ask(&order.to_string(), &["error", "order.reply"]).await;
        let (code, sent) = if user.orders { ("order_unavailable", 1) } else { ("not_entitled", 0) };
        assert_eq!((&reply["code"], bus.requests.borrow().len() - before), (&json!(code), sent), "{reply}");
    }
    let all = plain(address, "/v1/snapshot", &token).await;
    let seen = (0..4).filter(|at| user.quote[*at] == 'y' || user.trade[*at] == 'y').count();
    assert_eq!(all["symbols"].as_array().unwrap().len(), seen, "{}", user.name);
    let listed = plain(address, "/v1/instruments", &token).await;
    assert_eq!(listed["instruments"].as_array().unwrap().len(), seen, "{}", user.name);
}

#[test]
fn each_user_gets_each_symbol_in_each_way_only_as_granted() {
    let key = Key::ed(1);
    let path = key_file("users", &[key.jwk("k")]);
    let bus = Memory::new(&SYMBOLS[..4]);
    let tap = bus.clone();
    with_gateway(&flags(&path), &bus, |address| async move {
        known(address, &key.good("k", "ops", 600, &all()), 4).await;
        let mut ready = welcomed(address, &key.good("k", "ops", 600, &all())).await;
        while ready.ask(r#"{"op":"orders"}"#, &["error"]).await["message"]
            != "no writer takes orders now; not taken"
        {}
        for user in users() {
            judge(address, &tap, &key, &user).await;
        }
    });
}

#[test]
fn a_wildcard_joins_only_what_is_granted_also_later() {
    let key = Key::ed(1);
    let path = key_file("wildcards", &[key.jwk("k")]);
    let bus = Memory::new(&["A.X", "B.X"]);
    let publisher = bus.clone();
    with_gateway(&flags(&path), &bus, |address| async move {
        known(address, &key.good("k", "ops", 600, &all()), 2).await;
        let granted = json!({"data": [{"channels": ["quote"], "symbols": ["A.*"]}], "symbols_max": 2});
        let mut peer = welcomed(address, &key.good("k", "A1", 600, &granted)).await;
        let subscribe = |names: &str| {
            format!(r#"{{"op":"subscribe","channel":"quote","symbols":[{names}],"interval_ms":10}}"#)
        };
        let names = |reply: &Value| -> Vec<String> {
            reply["symbols"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["symbol"].as_str().unwrap().to_owned())
                .collect()
        };
        let reply = peer.ask(&subscribe(r#""*","B*","Z*""#), &["subscribed"]).await;
        assert_eq!(names(&reply), ["A.X"]);
        assert_eq!(
            (&reply["rejected"][0]["code"], &reply["rejected"][1]["code"]),
            (&json!("not_entitled"), &json!("unknown_symbol"))
        );
        for symbol in ["B.Y", "A.Y", "B.Z", "A.Z"] {
            publisher.list(symbol);
        }
        publisher.beat();
        let added = peer.until(&["added"]).await.unwrap();
        assert_eq!(names(&added), ["A.Y"], "and no more than symbols_max");
        let full = peer.ask(&subscribe(r#""A.Z""#), &["subscribed"]).await;
        assert_eq!(full["rejected"][0]["code"], "too_many_symbols");
    });
}

#[test]
fn an_account_has_its_number_of_sessions_and_no_more() {
    let key = Key::ed(1);
    let path = key_file("sessions", &[key.jwk("k")]);
    with_gateway(&flags(&path), &Memory::new(&["A.X"]), |address| async move {
        let token = key.good("k", "A1", 600, &all());
        let mut peers = Vec::new();
        for at in 1..=16 {
            let mut peer = Peer::saying(address, &hello(&token)).await;
            let welcome = peer.until(&["welcome"]).await.unwrap();
            assert_eq!(
                (&welcome["limits"]["sessions"], &welcome["used"]["sessions"]),
                (&json!(16), &json!(at))
            );
            peers.push(peer);
        }
        let mut more = Peer::saying(address, &hello(&token)).await;
        assert_eq!(more.until(&["error"]).await.unwrap()["code"], "too_many_sessions");
        assert_eq!(more.close_code().await, Ok(4429));
        let upgrade = async || {
            let mut peer = Peer::connect(address, None).await;
            let asked = Asked::of(&address.to_string()).with("Authorization", &format!("Bearer {token}"));
            peer.send(&asked.bytes()).await;
            (peer.status().await.unwrap(), peer)
        };
        let (status, refused) = upgrade().await;
        assert!(status == 429 && refused.head.contains("\r\nretry-after: 1\r\n"), "{}", refused.head);
        welcomed(address, &key.good("k", "A2", 600, &all())).await;
        drop(peers.pop());
        while upgrade().await.0 != 101 {}
    });
    // Accounts that are named without proof have no more.
    with_gateway(&[], &Memory::new(&["A.X"]), |address| async move {
        let mut peers = Vec::new();
        for _ in 0..16 {
            let mut peer = Peer::saying(address, r#"{"op":"hello","account":"A1"}"#).await;
            peer.until(&["welcome"]).await.unwrap();
            peers.push(peer);
        }
        let mut more = Peer::saying(address, r#"{"op":"hello","account":"A1"}"#).await;
        assert_eq!(more.until(&["error"]).await.unwrap()["code"], "too_many_sessions");
        assert_eq!(more.close_code().await, Ok(4429));
        let mut token = Peer::saying(address, r#"{"op":"hello","token":"a.b.c"}"#).await;
        assert_eq!(token.until(&["error"]).await.unwrap()["code"], "bad_token");
        assert_eq!(token.ask(r#"{"op":"hello","account":"A2"}"#, &["welcome"]).await["auth"], "demo");
    });
}

#[test]
fn a_name_that_would_be_a_subject_reaches_no_bus() {
    let key = Key::ed(1);
    let path = key_file("subjects", &[key.jwk("k")]);
    let bus = Memory::new(&["A.X"]);
    let tap = bus.clone();
    with_gateway(&flags(&path), &bus, |address| async move {
        let mut peer = welcomed(address, &key.good("k", "A1", 600, &all())).await;
        for name in [
            ">",
            "A.>",
            "$SYS.>",
            "$SYS.REQ",
            "_INBOX.>",
            "_INBOX.*\r\n",
            "A.X\r\nPUB x 0\r\n\r\n",
            "A X",
            "A\u{0}",
            "tick 0",
        ] {
            for op in ["subscribe", "unsubscribe", "repair", "set_rate"] {
                let request = json!({"op": op, "channel": "quote", "symbols": [name], "interval_ms": 100});
                let mut request = request;
                if matches!(op, "unsubscribe" | "repair") {
                    request.as_object_mut().unwrap().remove("interval_ms");
                }
                peer.send(&frame(TEXT, request.to_string().as_bytes())).await;
                let reply = peer
                    .until(&["error", "subscribed", "unsubscribed", "repairing", "rate_set"])
                    .await
                    .unwrap();
                assert_eq!(reply["code"], "bad_field", "{op} {name:?}: {reply}");
            }
            for field in ["symbol", "cl_ord_id"] {
                let mut order = json!({"op": "order.new", "cl_ord_id": "c", "symbol": "A.X", "side": "buy", "type": "limit", "qty": "1", "price": "1", "tif": "day"});
                order[field] = json!(name);
                let reply = peer.ask(&order.to_string(), &["error", "order.reply"]).await;
                assert_eq!(reply["code"], "bad_field", "{field} {name:?}: {reply}");
            }
            let mut named = Peer::saying(
                address,
                &json!({"op": "hello", "session": name, "token": key.good("k", "A1", 600, &all())})
                    .to_string(),
            )
            .await;
            assert_eq!(named.until(&["error", "welcome"]).await.unwrap()["code"], "bad_field");
            let mut subject = Peer::saying(address, &hello(&key.good("k", name, 600, &all()))).await;
            assert_eq!(subject.until(&["error", "welcome"]).await.unwrap()["code"], "bad_token");
        }
        // A bare star is a pattern over symbols, and what the bus is asked for has numbers only.
        assert_eq!(
            peer.ask(r#"{"op":"subscribe","channel":"quote","symbols":["*"]}"#, &["subscribed"]).await["op"],
            "subscribed"
        );
        assert!(tap.requests.borrow().is_empty());
    });
    for shard in [0, 63] {
        for subject in
            [wire::subject::tick(shard), wire::subject::snapshot(shard), wire::subject::order(shard)]
        {
            assert!(
                subject
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'.'),
                "{subject}"
            );
        }
    }
}
