//! Peers that say too little, too slowly, or do not listen: each is ended within its bound, told why if it can be, and a
//! healthy client beside them notices nothing. The gateway's clock jumps; no test waits for it.

mod support;

use std::net::SocketAddr;
use std::time::Duration;
use support::apart::{Apart, Healthy, clients};
use support::peer::{Asked, CLOSE, Frame, Nothing, PING, PONG, Peer, TEXT, frame, metric, part};

/// What a peer that stops reading lets the kernel hold for it.
const SMALL: Option<u32> = Some(4_096);

/// A peer that takes nothing for this long takes nothing more.
const QUIET: Duration = Duration::from_millis(100);

/// Lets `seconds` pass for the gateway, one by one, a healthy client being answered in each.
async fn pass(gateway: &Apart, healthy: &Healthy, seconds: u32) {
    for _ in 0..seconds {
        gateway.jump(Duration::from_secs(1)).await;
        healthy.answered().await;
    }
}

/// A gateway with a healthy client; at the end all are well.
fn beside_a_healthy_client(flags: &[&str], test: impl AsyncFnOnce(&Apart, &Healthy, SocketAddr)) {
    let gateway = Apart::start(flags);
    clients(async {
        let healthy = Healthy::start(gateway.address);
        healthy.answered().await;
        test(&gateway, &healthy, gateway.address).await;
        healthy.stop().await;
        gateway.stop().await;
    });
}

async fn closed(address: SocketAddr, reason: &str) -> u64 {
    metric(address, &format!("gw_sessions_closed_total{{reason=\"{reason}\"}}")).await
}

#[test]
fn a_head_must_be_whole_within_five_seconds() {
    beside_a_healthy_client(&[], async |gateway, healthy, address| {
        let mut silent = Peer::connect(address, None).await;
        let mut half = Peer::connect(address, None).await;
        half.send(b"GET /ws HTTP/1.1\r\nHost: ").await;
        let mut drip = Peer::connect(address, None).await;
        let request = Asked::of(&address.to_string()).bytes();
        for byte in &request[..4] {
            drip.send(&[*byte]).await;
            pass(gateway, healthy, 1).await;
        }
        drip.send(&request[4..5]).await;
        pass(gateway, healthy, 2).await;
        for (name, peer) in [("silent", &mut silent), ("half a head", &mut half), ("drip", &mut drip)] {
            assert_eq!(peer.status().await, Ok(408), "{name}");
            assert_eq!(peer.rest().await.1, Nothing::Ended, "{name}");
        }
    });
}

#[test]
fn an_idle_connection_that_has_had_its_answer_ends_without_a_word() {
    beside_a_healthy_client(&[], async |gateway, healthy, address| {
        let mut idle = Peer::connect(address, None).await;
        for _ in 0..3 {
            idle.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
            assert_eq!(idle.status().await, Ok(200));
            assert_eq!(idle.body(3).await, b"ok\n");
            pass(gateway, healthy, 4).await;
        }
        pass(gateway, healthy, 2).await;
        assert_eq!(idle.rest().await, (Vec::new(), Nothing::Ended));
    });
}

#[test]
fn a_session_says_hello_within_fifteen_seconds() {
    beside_a_healthy_client(&[], async |gateway, healthy, address| {
        let mut silent = Peer::connect(address, None).await;
        assert_eq!(silent.upgrade(address).await, Ok(101));
        let mut pinging = Peer::connect(address, None).await;
        assert_eq!(pinging.upgrade(address).await, Ok(101));
        for _ in 0..14 {
            pinging.send(&frame(PING, b"x")).await;
            pass(gateway, healthy, 1).await;
            assert_eq!(closed(address, "slow_consumer").await, 0);
        }
        pass(gateway, healthy, 3).await;
        for peer in [&mut silent, &mut pinging] {
            assert_eq!(peer.close_code().await, Ok(4408));
            assert_eq!(peer.rest().await.1, Nothing::Ended);
        }
    });
}

#[test]
fn only_whole_messages_are_life() {
    beside_a_healthy_client(&[], async |gateway, healthy, address| {
        let mut deaf = Peer::session(address).await;
        let mut dribbling = Peer::session(address).await;
        dribbling.send(&Frame { payload: b" ", claim: Some(120), ..Frame::default() }.bytes()).await;
        let mut endless = Peer::session(address).await;
        endless.send(&part(TEXT, b" ")).await;
        let mut alive = Peer::session(address).await;
        for second in 0..59 {
            dribbling.send(b"x").await;
            if second % 20 == 19 {
                alive.send(&frame(PONG, b"")).await;
            }
            pass(gateway, healthy, 1).await;
        }
        assert_eq!(closed(address, "no_pong").await, 0);
        pass(gateway, healthy, 3).await;
        for (name, peer) in [("deaf", &mut deaf), ("dribbling", &mut dribbling), ("endless", &mut endless)] {
            let mut pings = 0;
            let code = loop {
                match peer.frame().await.unwrap() {
                    (PING, _) => pings += 1,
                    (CLOSE, payload) => break u16::from_be_bytes([payload[0], payload[1]]),
                    _ => {}
                }
            };
            assert_eq!((pings, code), (1, 1011), "{name}");
            assert_eq!(peer.rest().await.1, Nothing::Ended, "{name}");
        }
        alive.send(&frame(TEXT, br#"{"op":"ping","t":5}"#)).await;
        assert_eq!(alive.until(&["pong"]).await.unwrap()["t"], 5);
    });
}

#[test]
fn a_client_that_never_reads_is_read_no_further_and_cut_after_thirty_seconds() {
    beside_a_healthy_client(&[], async |gateway, healthy, address| {
        let mut deaf = Peer::connect(address, SMALL).await;
        assert_eq!(deaf.upgrade(address).await, Ok(101));
        deaf.send(&frame(TEXT, br#"{"op":"hello"}"#)).await;
        deaf.flood(&frame(PING, &[b'x'; 125]).repeat(20), QUIET).await;
        assert_eq!(metric(address, "gw_sessions_blocked").await, 1);
        pass(gateway, healthy, 28).await;
        assert_eq!(closed(address, "slow_consumer").await, 0);
        pass(gateway, healthy, 4).await;
        assert_eq!(closed(address, "slow_consumer").await, 1);
    });
}

#[test]
fn our_close_is_given_two_seconds_to_be_read() {
    beside_a_healthy_client(&[], async |gateway, healthy, address| {
        let mut deaf = Peer::connect(address, SMALL).await;
        assert_eq!(deaf.upgrade(address).await, Ok(101));
        // No hello: its close is queued behind pongs that it does not take.
        deaf.flood(&frame(PING, &[b'x'; 125]).repeat(20), QUIET).await;
        assert_eq!(metric(address, "gw_sessions_blocked").await, 1);
        pass(gateway, healthy, 14).await;
        assert_eq!(closed(address, "slow_consumer").await, 0);
        pass(gateway, healthy, 5).await;
        assert_eq!(closed(address, "slow_consumer").await, 1);
        assert_eq!(metric(address, "gw_sessions_blocked").await, 0);
    });
}

#[test]
fn who_goes_on_sending_behind_our_close_is_cut() {
    beside_a_healthy_client(&[], async |gateway, healthy, address| {
        let mut talker = Peer::session(address).await;
        talker.send(&frame(3, b"")).await;
        assert_eq!(talker.close_code().await, Ok(1002));
        for _ in 0..4 {
            talker.send(&[0; 1_000]).await;
            pass(gateway, healthy, 1).await;
        }
        talker.send(&[0; 1_000]).await;
        assert_eq!(talker.rest().await.1, Nothing::Reset);
        let mut flooder = Peer::session(address).await;
        flooder.send(&frame(3, b"")).await;
        assert_eq!(flooder.close_code().await, Ok(1002));
        // Two mebibytes are discarded, no more.
        assert!(!flooder.send(&vec![0; 32 << 20]).await);
    });
}
