//! A gateway whose memory budget is used up: newcomers are sent away with a word, and those inside keep what they have.

#![expect(clippy::unwrap_used, reason = "a test ends by its panic")]

mod support;

use std::time::Duration;
use support::apart::{Apart, Healthy, clients};
use support::config;
use support::peer::{Peer, TEXT, frame, get, metric};

/// Sessions that fit besides what a gateway holds by itself.
const SESSIONS: usize = 10;

/// What the budget counts for each.
const SESSION_BYTES: u64 = 2_560;

/// What a gateway holds before anybody comes, once it has been counted.
async fn held(gateway: &Apart) -> u64 {
    gateway.jump(Duration::from_secs(1)).await;
    gateway.reaches("gw_instruments", 1).await;
    gateway.jump(Duration::from_secs(1)).await;
    metric(gateway.address, "gw_memory_bytes").await
}

async fn subscribes(peer: &mut Peer, pattern: &str) -> serde_json::Value {
    let request =
        format!(r#"{{"op":"subscribe","channel":"quote","symbols":["{pattern}"],"interval_ms":50}}"#);
    peer.send(&frame(TEXT, request.as_bytes())).await;
    peer.until(&["subscribed"]).await.unwrap()
}

#[test]
fn above_the_budget_sessions_get_503_and_subscriptions_an_error_until_somebody_leaves() {
    let gateway = Apart::start(&[]);
    let mut base = 0;
    clients(async {
        base = held(&gateway).await;
        gateway.stop().await;
    });
    let mut config = config(&[]);
    config.memory_max = Some(base + SESSIONS as u64 * SESSION_BYTES);
    let gateway = Apart::of(config);
    clients(async {
        let address = gateway.address;
        assert_eq!(held(&gateway).await, base);
        let healthy = Healthy::start(address);
        healthy.answered().await;
        let mut inside = Vec::new();
        for _ in 1..SESSIONS {
            inside.push(Peer::session(address).await);
        }
        let last = inside.last_mut().unwrap();
        last.until(&["welcome"]).await.unwrap();
        for _ in 0..3 {
            let mut newcomer = Peer::connect(address, None).await;
            assert_eq!(newcomer.upgrade(address).await, Ok(503));
            assert!(newcomer.head.contains("\r\nretry-after: 1\r\n"), "{}", newcomer.head);
        }
        let refused = subscribes(last, "A.X").await;
        assert_eq!(refused["rejected"][0]["number"], 1901, "{refused}");
        assert_eq!(get(address, "/healthz").await.0, 200);
        let (status, _, ready) = get(address, "/readyz").await;
        let ready: serde_json::Value = serde_json::from_str(&ready).unwrap();
        assert_eq!((status, &ready["ready"]), (503, &false.into()), "{ready}");
        assert!(ready["memory_bytes"]["now"].as_u64().unwrap() > base, "{ready}");
        assert_eq!(metric(address, "gw_refused_total").await, 3);
        assert_eq!(metric(address, "gw_subscriptions_refused_total").await, 1);
        // Those who leave make room, seen at the next count.
        inside.drain(..2);
        gateway.reaches("gw_clients", SESSIONS as u64 - 2).await;
        gateway.jump(Duration::from_secs(1)).await;
        let mut newcomer = gateway.lets_in().await;
        newcomer.send(&frame(TEXT, support::peer::HELLO)).await;
        let granted = subscribes(&mut newcomer, "A.X").await;
        assert_eq!(granted["symbols"][0]["symbol"], "A.X", "{granted}");
        drop((inside, newcomer));
        healthy.stop().await;
        gateway.stop().await;
    });
}
