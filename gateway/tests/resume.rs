//! Resume and drain on a real socket: what has not moved is not sent again, a bad cursor costs a snapshot, and a gateway
//! that stops says so first.
#![expect(clippy::unwrap_used, reason = "a test ends by its panic")]

mod support;

use support::client::{Client, get};
use support::{Memory, quote, with_gateway, with_stoppable_gateway};

fn subscribe(cursor: &str) -> String {
    format!(
        r#"{{"op":"subscribe","id":1,"channel":"quote","symbols":["A.X","B.X"],"interval_ms":10,"resume":"{cursor}"}}"#
    )
}

/// Subscribes until the definitions are there, then waits for a cursor.
async fn cursor(client: &mut Client, bus: &Memory) -> String {
    let ask = r#"{"op":"subscribe","id":1,"channel":"quote","symbols":["A.X","B.X"],"interval_ms":10}"#;
    while client.ask(ask, "subscribed").await["symbols"].as_array().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    loop {
        let beat = client.until("heartbeat").await;
        bus.beat();
        if let Some(cursor) = beat["cursor"].as_str().filter(|_| !beat["watermark_us"].is_null()) {
            return cursor.to_owned();
        }
    }
}

#[test]
fn what_has_not_moved_is_not_sent_again_and_a_bad_cursor_costs_a_snapshot() {
    let bus = Memory::new(&["A.X", "B.X"]);
    bus.lose(&[(0, quote(100, 101)), (1, quote(5, 6))]);
    let publisher = bus.clone();
    with_gateway(&["--limits", "bench"], &bus, |address| async move {
        let mut first = Client::hello(address, "json", "A1").await;
        let reached = cursor(&mut first, &publisher).await;
        publisher.publish(&[(0, quote(102, 103))]);
        first.record("quotes", |record| record["bid"] == "1.02").await;
        let mut second = Client::hello(address, "json", "A1").await;
        let reply = second.ask(&subscribe(&reached), "subscribed").await;
        assert_eq!(reply["resumed"], 1, "{reply}");
        let [moved, same] = [0, 1].map(|at| &reply["symbols"][at]);
        assert_eq!((&moved["unchanged"], &moved["lost"]), (&false.into(), &0.into()), "{reply}");
        assert_eq!(
            (&same["unchanged"], &same["total"], &same["epoch"]),
            (&true.into(), &1.into(), &1_000.into())
        );
        assert!(same["state"].is_u64(), "{reply}");
        let told = second.record("quotes", |_| true).await;
        assert_eq!((&told["bid"], &told["total"]), (&"1.02".into(), &2.into()), "only what moved");
        let mut third = Client::hello(address, "json", "A1").await;
        let damaged = reached.replacen(|letter: char| letter != 'A', "A", 1);
        for bad in [damaged.as_str(), "", "?", &"A".repeat(2_000)] {
            let reply = third.ask(&subscribe(bad), "subscribed").await;
            assert_eq!(
                (&reply["resumed"], &reply["resume_rejected"]["code"]),
                (&0.into(), &"bad_cursor".into())
            );
            assert_eq!(reply["resume_rejected"]["number"], 1_120);
            if bad == damaged {
                third.record("quotes", |record| record["bid"] == "1.02").await;
                third.record("quotes", |record| record["bid"] == "0.05").await;
            }
        }
        let wrong = r#"{"op":"subscribe","id":1,"channel":"quote","symbols":["A.X"],"resume":7}"#;
        assert_eq!(third.ask(wrong, "error").await["code"], "bad_field");
    });
}

#[test]
fn a_gateway_that_stops_says_so_and_goes_on_for_the_lead_time() {
    let bus = Memory::new(&["A.X", "B.X"]);
    let publisher = bus.clone();
    with_stoppable_gateway(&["--drain-ms", "1500", "--limits", "bench"], &bus, |address, stop| async move {
        let mut client = Client::hello(address, "json", "A1").await;
        cursor(&mut client, &publisher).await;
        assert!(get(address, "/readyz").await.1.contains("\"draining\":false"));
        let _sent = stop.send(());
        let notice = client.until("notice").await;
        assert_eq!(notice["code"], "draining");
        assert!((1..=1_500).contains(&notice["after_ms"].as_u64().unwrap()), "{notice}");
        let (status, body) = get(address, "/readyz").await;
        assert!(status == 503 && body.contains("\"draining\":true"), "{status} {body}");
        publisher.publish(&[(0, quote(7, 8))]);
        client.record("quotes", |record| record["bid"] == "0.07").await;
        let mut late = Client::hello(address, "json", "A2").await;
        assert_eq!(late.until("notice").await["code"], "draining", "new sessions are told with their hello");
        assert_eq!(client.closed().await, 1_001);
        assert_eq!(late.closed().await, 1_001);
    });
}
