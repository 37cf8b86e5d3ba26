//! `/v1/stream`: the session of the engine that a socket in form `json` is, as server-sent events over plain HTTP.
#![expect(clippy::unwrap_used, reason = "a test ends by its panic")]

mod support;

use serde_json::{Value, json};
use socket2::SockRef;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use support::apart::{Apart, Healthy, clients};
use support::client::Client;
use support::events::{Event, Events, question};
use support::peer::{Nothing, Peer, metric};
use support::{Memory, quote, trade, with_gateway, with_listener, with_stoppable_gateway};
use tokio::net::TcpListener;
use wire::frame::Form;
use wire::frame::view::{Account, Joined, QUOTE, TRADE, View};

/// What a reader that stops lets the kernel hold for it.
const SMALL: Option<u32> = Some(4_096);

/// Waits until the gateway knows so many instruments.
async fn known(address: SocketAddr, instruments: u64) {
    while metric(address, "gw_instruments").await != instruments {
        tokio::task::yield_now().await;
    }
}

/// A stream's view: it accounts for every event.
struct Held {
    events: Events,
    view: View,
}

impl Held {
    async fn open(peer: Peer, address: SocketAddr, query: &str) -> Self {
        Self { events: Events::over(peer, address, query, &[]).await, view: View::new(Form::Json) }
    }

    /// Takes one event.
    async fn take(&mut self) -> Event {
        let event = self.events.next().await.unwrap().unwrap();
        match event.name.as_str() {
            "subscribed" | "added" => self.join(&event.data),
            "quotes" | "trades" | "trade_totals" => {
                let text = event.data.to_string();
                assert!(!self.view.message(text.as_bytes(), &mut |_| {}).unwrap().gap);
            }
            "heartbeat" => {
                let last = u32::try_from(event.data["last_frame"].as_u64().unwrap()).unwrap();
                let lost = self.view.heartbeat(event.data["t_us"].as_i64().unwrap(), last);
                assert!(!lost, "a frame is missing");
            }
            _ => {}
        }
        event
    }

    fn join(&mut self, told: &Value) {
        let number = |name: &str| told[name].as_u64().unwrap();
        let joined = told["symbols"].as_array().unwrap().iter().map(|symbol| Joined {
            id: u32::try_from(symbol["id"].as_u64().unwrap()).unwrap(),
            has_aggressor: true,
            has_size: true,
        });
        let channel = if told["channel"] == "quote" { QUOTE } else { TRADE };
        let interval_ms = u32::try_from(number("interval_ms")).unwrap();
        let slot = u8::try_from(number("slot")).unwrap();
        self.view.joined(channel, slot, interval_ms, told["phase_us"].as_i64().unwrap(), joined);
    }

    /// Takes events until each symbol's totals are these.
    async fn reach(&mut self, symbols: u32, total: u64) {
        let is = |held: Option<u64>| held == Some(total);
        let all = |view: &View| {
            (0..symbols).all(|id| {
                is(view.quote(id).map(|held| held.total)) && is(view.trade(id).map(|held| held.total))
            })
        };
        while !all(&self.view) {
            self.take().await;
        }
    }

    /// So many events of each symbol and channel were published since `before`, and each is accounted for; how many were
    /// merged.
    fn accounted(&self, before: [Account; 2], events: u64) -> u64 {
        let mut merged = 0;
        for (account, before) in self.accounts().into_iter().zip(before) {
            assert!(account.identity_ok(), "{account:?}");
            assert_eq!((account.published - before.published, account.lost), (events, 0), "{account:?}");
            merged += account.merged - before.merged;
        }
        merged
    }

    fn accounts(&self) -> [Account; 2] {
        [QUOTE, TRADE].map(|channel| self.view.account(channel))
    }
}

#[test]
fn a_stream_tells_what_a_session_in_form_json_tells() {
    let bus = Memory::new(&["A.X", "B.X"]);
    let publisher = bus.clone();
    with_gateway(&[], &bus, |address| async move {
        known(address, 2).await;
        let mut events = Events::open(address, "?symbols=A*,Q.X&interval_ms=10").await;
        let welcome = events.until("welcome").await;
        assert_eq!((&welcome["form"], &welcome["account"]), (&json!("json"), &Value::Null));
        assert_eq!(events.retry_ms, Some(1_000));
        let mut client = Client::hello(address, "json", "A1").await;
        for channel in ["quote", "trade"] {
            let told = events.until("subscribed").await;
            let asked =
                json!({"op": "subscribe", "channel": channel, "symbols": ["A*", "Q.X"], "interval_ms": 10});
            assert_eq!(client.ask(&asked.to_string(), "subscribed").await, told);
            assert_eq!(
                told["rejected"],
                json!([{"symbol": "Q.X", "code": "unknown_symbol", "number": 1101}])
            );
        }
        publisher.beat();
        while !publisher.is_followed() || publisher.snapshots.get() == 0 {
            publisher.beat();
            tokio::task::yield_now().await;
        }
        client.record("trade_totals", |record| record["total"] == 0).await;
        publisher.publish(&[(0, quote(100, 101)), (0, trade(100, 5)), (1, quote(7, 8))]);
        for op in ["quotes", "trades"] {
            let is_new = |record: &Value| record["total"] == 1 || record["qty"] == "0.005";
            assert_eq!(events.record(op, is_new).await, client.record(op, is_new).await);
        }
        let heartbeat = events.until("heartbeat").await;
        assert!(heartbeat["last_frame"].as_u64().unwrap() > 0, "{heartbeat}");
    });
}

#[test]
fn a_pattern_gains_instruments_and_a_question_without_symbols_is_one_for_all() {
    let bus = Memory::new(&["A.X"]);
    let publisher = bus.clone();
    with_gateway(&[], &bus, |address| async move {
        known(address, 1).await;
        let mut events = Events::open(address, "?channels=trade").await;
        assert_eq!(events.until("subscribed").await["symbols"][0]["symbol"], "A.X");
        publisher.list("B.Y");
        publisher.restart();
        let added = events.until("added").await;
        assert_eq!((&added["channel"], &added["symbols"][0]["symbol"]), (&json!("trade"), &json!("B.Y")));
        events.record("trade_totals", |record| record["id"] == 1).await;
    });
}

#[test]
fn a_reader_that_stops_costs_one_group_and_misses_nothing() {
    const SYMBOLS: u32 = 100;
    const ROUNDS: u64 = 1_000;
    let names: Vec<String> = (0..SYMBOLS).map(|at| format!("S{at}.X")).collect();
    let bus = Memory::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let publisher = Rc::clone(&bus);
    with_gateway(&[], &bus, |address| async move {
        known(address, u64::from(SYMBOLS)).await;
        let mut fast = Held::open(Peer::connect(address, None).await, address, "?interval_ms=0").await;
        let mut slow = Held::open(Peer::connect(address, SMALL).await, address, "?interval_ms=0").await;
        let round = |round: u64| {
            let price = i64::try_from(round).unwrap() * 100;
            for half in [0..SYMBOLS / 2, SYMBOLS / 2..SYMBOLS] {
                let changes: Vec<_> =
                    half.flat_map(|id| [(id, quote(price, price + 1)), (id, trade(price, 3))]).collect();
                publisher.publish(&changes);
            }
        };
        round(1);
        fast.reach(SYMBOLS, 1).await;
        slow.reach(SYMBOLS, 1).await;
        let before = [&fast, &slow].map(|held| (held.events.bytes, held.accounts()));
        // The slow one reads nothing while all this is published; the fast one reads it all.
        for more in 1..=ROUNDS {
            round(1 + more);
            fast.reach(SYMBOLS, 1 + more).await;
        }
        slow.reach(SYMBOLS, 1 + ROUNDS).await;
        let [fast_bytes, slow_bytes] = [&fast, &slow].map(|held| held.events.bytes);
        let (fast_bytes, slow_bytes) = (fast_bytes - before[0].0, slow_bytes - before[1].0);
        println_bytes(fast_bytes, slow_bytes);
        let events = ROUNDS * u64::from(SYMBOLS);
        assert_eq!(fast.accounted(before[0].1, events), 0, "who keeps up sees each event");
        let merged = slow.accounted(before[1].1, events);
        assert!(merged > events, "{merged} of the slow one's events were merged");
        assert!(slow_bytes < 400_000, "{slow_bytes} bytes waited for a reader that did not read");
        assert!(fast_bytes > 20 * slow_bytes, "{fast_bytes} went to who did");
    });
}

#[expect(clippy::print_stdout, reason = "the measured bound, shown with --show-output")]
fn println_bytes(fast: usize, slow: usize) {
    println!("{fast} bytes to the reader, {slow} to the one that stopped");
}

#[test]
fn a_stream_that_takes_no_byte_for_thirty_seconds_is_ended() {
    let gateway = Apart::start(&[]);
    clients(async {
        let address = gateway.address;
        gateway.reaches("gw_instruments", 1).await;
        let healthy = Healthy::start(address);
        let mut idle = Events::open(address, "").await;
        let peer = Peer::connect(address, SMALL).await;
        let _stopped = Events::over(peer, address, "", &[]).await;
        gateway.reaches("gw_clients", 3).await;
        // Only heartbeats flow: the kernel takes those of some time, then none.
        let slow = "gw_sessions_closed_total{reason=\"slow_consumer\"}";
        let mut seconds = 0;
        while metric(address, slow).await == 0 {
            gateway.jump(Duration::from_secs(1)).await;
            healthy.answered().await;
            idle.until("heartbeat").await;
            seconds += 1;
            assert!(seconds < 600, "a reader that stopped is there for ever");
        }
        assert!(seconds > 30, "ended after {seconds} s");
        gateway.reaches("gw_clients", 2).await;
        drop(idle);
        healthy.stop().await;
        gateway.stop().await;
    });
}

#[test]
fn a_stream_ends_with_a_reason_when_the_gateway_stops() {
    let bus = Memory::new(&["A.X"]);
    with_stoppable_gateway(&[], &bus, |address, stop| async move {
        known(address, 1).await;
        let mut events = Events::open(address, "").await;
        events.until("welcome").await;
        stop.send(()).unwrap();
        assert_eq!(events.until("close").await, json!({"op": "close", "code": 1001, "reason": "going_away"}));
        assert_eq!(events.next().await, Ok(None), "the body is whole");
        assert_eq!(events.into_peer().rest().await, (Vec::new(), Nothing::Ended));
    });
}

#[test]
fn a_stream_without_a_symbol_says_so_and_ends() {
    let bus = Memory::new(&["A.X"]);
    with_gateway(&[], &bus, |address| async move {
        known(address, 1).await;
        let mut events = Events::open(address, "?symbols=Q.X,Z*").await;
        for _channel in ["quote", "trade"] {
            let told = events.until("subscribed").await;
            assert_eq!(told["rejected"].as_array().unwrap().len(), 2, "{told}");
        }
        assert_eq!(events.until("close").await["reason"], "try_later");
        assert_eq!(events.next().await, Ok(None));
    });
}

#[test]
fn a_stream_follows_other_answers_on_its_connection_and_loses_none_of_their_bytes() {
    const SYMBOLS: usize = 60;
    let symbols: Vec<String> = (0..SYMBOLS).map(|at| format!("S{at}.X")).collect();
    let bus = Memory::new(&symbols.iter().map(String::as_str).collect::<Vec<_>>());
    // Accepted sockets inherit the small buffer: what of an answer does not fit in it is with hyper yet.
    let prepare = |listener: &TcpListener| SockRef::from(listener).set_send_buffer_size(4_096).unwrap();
    with_listener(&[], &bus, prepare, |address, stop| async move {
        known(address, SYMBOLS as u64).await;
        for count in 1..=SYMBOLS {
            let mut peer = Peer::connect(address, SMALL).await;
            let list = symbols[..count].join(",");
            let first = format!("GET /v1/snapshot?symbols={list} HTTP/1.1\r\nHost: {address}\r\n\r\n");
            // Both at once, and nothing is read until the gateway has done what it can.
            let both = first + &question(address, "GET", "?symbols=S7.X", &[]);
            assert!(peer.send(both.as_bytes()).await);
            metric(address, "gw_clients").await;
            assert_eq!(peer.status().await, Ok(200));
            let len = peer.head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            let body: Value = serde_json::from_slice(&peer.body(len.parse().unwrap()).await).unwrap();
            assert_eq!(body["symbols"].as_array().unwrap().len(), count);
            let mut events = Events::answered(peer).await;
            assert_eq!(events.until("subscribed").await["symbols"][0]["symbol"], "S7.X");
        }
        stop.send(()).unwrap();
    });
}

#[test]
fn a_stream_takes_a_place_among_the_connections_and_gives_it_back() {
    let gateway = Apart::start(&["--sessions-max", "2"]);
    clients(async {
        let address = gateway.address;
        gateway.reaches("gw_instruments", 1).await;
        let mut streams = vec![Events::open(address, "").await, Events::open(address, "").await];
        let mut third = Peer::connect(address, None).await;
        assert!(third.send(question(address, "GET", "", &[]).as_bytes()).await);
        assert_eq!(third.status().await, Ok(503));
        streams.pop();
        drop(gateway.lets_in().await);
        // A peer that ends its side has gone.
        drop(streams);
        gateway.stop().await;
    });
}

#[test]
fn a_bad_question_is_refused_and_a_head_is_told_alone() {
    let bus = Memory::new(&["A.X"]);
    with_gateway(&[], &bus, |address| async move {
        for (method, query, headers, status, number, message) in [
            (
                "GET",
                "?interval_ms=7",
                &[][..],
                400,
                1103,
                "interval_ms: one of 0, 10, 20, 50, 100, 250, 500, 1000",
            ),
            ("GET", "?symbols=!", &[], 400, 1003, "symbols[0]: no symbol or pattern: !"),
            ("GET", "?symbols=A.X&symbols=A.X", &[], 400, 1004, "symbols: stands twice"),
            ("GET", "?depth=5", &[], 400, 1003, "depth: no field of this channel"),
            ("HEAD", "?depth=5", &[], 400, 0, ""),
            // A token that nobody can check ends the stream with 4401, as it would a session that needs one.
            ("GET", "", &[("Authorization", "Bearer x")], 200, 0, ""),
            ("GET", "", &[("Origin", "http://evil.example")], 403, 0, ""),
            ("GET", "", &[("Content-Length", "1")], 400, 0, ""),
            ("POST", "", &[], 405, 0, ""),
        ] {
            let mut peer = Peer::connect(address, None).await;
            let mut headers = headers.to_vec();
            headers.push(("Connection", "close"));
            assert!(peer.send(question(address, method, query, &headers).as_bytes()).await);
            assert_eq!(peer.status().await, Ok(status), "{method} {query}");
            let (body, _end) = peer.rest().await;
            if number != 0 {
                let error: Value = serde_json::from_slice(&body).unwrap();
                assert_eq!((&error["number"], &error["message"]), (&json!(number), &json!(message)));
            }
        }
        let mut old = Peer::connect(address, None).await;
        assert!(old.send(b"GET /v1/stream HTTP/1.0\r\n\r\n").await);
        assert_eq!(old.status().await, Ok(505));
        // A head says what a stream would be, opens none, and the connection goes on.
        let mut peer = Peer::connect(address, None).await;
        let asked =
            question(address, "HEAD", "?symbols=A.X", &[]) + &question(address, "GET", "?symbols=A.X", &[]);
        assert!(peer.send(asked.as_bytes()).await);
        assert_eq!(peer.status().await, Ok(200));
        assert!(peer.head.contains("content-type: text/event-stream"), "{}", peer.head);
    });
}
