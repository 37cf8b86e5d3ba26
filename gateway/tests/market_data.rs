//! Market data on a real socket: snapshot, stream, loss, a new publisher, a slow reader's neighbours.

mod support;

use support::client::{Came, Client, get};
use support::{Memory, quote, trade, with_gateway};

const SUBSCRIBE: &str = r#"{"op":"subscribe","id":1,"channel":"quote","symbols":["A.X"],"interval_ms":10}"#;

#[test]
fn a_subscriber_gets_the_snapshot_and_then_every_change() {
    let bus = Memory::new(&["A.X", "B.X"]);
    bus.lose(&[(0, quote(100, 101))]);
    let publisher = bus.clone();
    with_gateway(&[], &bus, |address| async move {
        let mut client = Client::hello(address, "json", "A1").await;
        let reply = subscribed(&mut client).await;
        assert_eq!(reply["symbols"][0]["symbol"], "A.X");
        let first = client.record("quotes", |record| record["bid"] == "1.00").await;
        assert_eq!(first["total"], 1);
        publisher.publish(&[(0, quote(102, 103)), (1, quote(5, 6))]);
        publisher.publish(&[(0, quote(104, 105))]);
        let last = client.record("quotes", |record| record["bid"] == "1.04").await;
        assert_eq!(last["total"], 3);
    });
}

/// Subscribes again and again until the definitions are there.
async fn subscribed(client: &mut Client) -> serde_json::Value {
    loop {
        let reply = client.ask(SUBSCRIBE, "subscribed").await;
        if reply["symbols"].as_array().is_some_and(|symbols| !symbols.is_empty()) {
            return reply;
        }
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_gap_is_declared_and_a_new_publisher_begins_anew() {
    let bus = Memory::new(&["A.X"]);
    let publisher = bus.clone();
    with_gateway(&["--limits", "bench"], &bus, |address| async move {
        let mut client = Client::hello(address, "json", "A1").await;
        subscribed(&mut client).await;
        publisher.publish(&[(0, quote(100, 101))]);
        client.record("quotes", |record| record["bid"] == "1.00").await;
        publisher.lose(&[(0, quote(102, 103)), (0, quote(104, 105))]);
        publisher.beat();
        let gap = client.record("quotes", |record| record["bid"] == "1.04").await;
        assert_eq!((&gap["lost"], &gap["total"]), (&2.into(), &3.into()));
        publisher.restart();
        publisher.publish(&[(0, quote(7, 8))]);
        let notice = client.until("notice").await;
        assert_eq!((&notice["code"], &notice["feed_epoch"]), (&"feed_restarted".into(), &1_001.into()));
        let anew = client.record("quotes", |record| record["bid"] == "0.07").await;
        assert_eq!((&anew["lost"], &anew["total"], &anew["epoch"]), (&0.into(), &1.into(), &1_001.into()));
        let (_, metrics) = get(address, "/metrics").await;
        assert!(metrics.contains("gw_resyncs_total"), "{metrics}");
    });
}

#[test]
fn prints_come_one_by_one_and_binary_forms_flow() {
    let bus = Memory::new(&["A.X"]);
    let publisher = bus.clone();
    with_gateway(&[], &bus, |address| async move {
        let mut json = Client::hello(address, "json", "A1").await;
        subscribed(&mut json).await;
        let asked = r#"{"op":"subscribe","channel":"trade","symbols":["A*"],"interval_ms":10}"#;
        json.ask(asked, "subscribed").await;
        let mut fixed = Client::hello(address, "fixed", "A1").await;
        fixed.ask(asked, "subscribed").await;
        let mut compact = Client::hello(address, "compact", "A1").await;
        compact.ask(asked, "subscribed").await;
        json.until("heartbeat").await;
        publisher.publish(&[(0, trade(100, 5)), (0, trade(101, 6))]);
        let first = json.record("trades", |record| record["price"] == "1.00").await;
        assert_eq!(first["qty"], "0.005");
        for client in [&mut fixed, &mut compact] {
            loop {
                if let Came::Binary(frame) = client.next().await {
                    assert!(frame.len() > 8);
                    break;
                }
            }
        }
    });
}

#[test]
fn a_symbol_without_proof_goes_stale_and_comes_back() {
    let bus = Memory::new(&["A.X"]);
    let publisher = bus.clone();
    with_gateway(&[], &bus, |address| async move {
        let mut client = Client::hello(address, "json", "A1").await;
        subscribed(&mut client).await;
        publisher.publish(&[(0, quote(100, 101))]);
        client.record("quotes", |record| record["bid"] == "1.00" && record["state"] == "live").await;
        client.record("quotes", |record| record["state"] == "stale").await;
        publisher.publish(&[(0, quote(102, 103))]);
        client.record("quotes", |record| record["bid"] == "1.02" && record["state"] == "live").await;
    });
}

#[test]
fn a_shard_is_followed_only_when_somebody_wants_it() {
    let bus = Memory::new(&["A.X"]);
    let publisher = bus.clone();
    with_gateway(&[], &bus, |address| async move {
        let mut client = Client::hello(address, "json", "A1").await;
        client.until("heartbeat").await;
        assert!(!publisher.is_followed());
        subscribed(&mut client).await;
        publisher.publish(&[(0, quote(100, 101))]);
        client.until("quotes").await;
        assert!(publisher.is_followed());
    });
}

#[test]
fn readiness_and_instruments_are_told_over_http() {
    let bus = Memory::new(&["A.X"]);
    with_gateway(&[], &bus, |address| async move {
        let mut client = Client::hello(address, "json", "A1").await;
        subscribed(&mut client).await;
        let (status, body) = get(address, "/readyz").await;
        assert!(status == 200 || status == 503, "{body}");
        assert!(body.contains(r#""durability":"unproven""#), "{body}");
        let (status, body) = get(address, "/v1/instruments").await;
        assert_eq!(status, 200);
        assert!(body.contains(r#""symbol":"A.X""#), "{body}");
        assert_eq!(get(address, "/healthz").await.0, 200);
    });
}
