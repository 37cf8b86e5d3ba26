//! No log shows a token, at the finest level and whatever becomes of it. Alone in its file: it listens to all logs.
#![expect(clippy::unwrap_used, reason = "a test ends by its panic")]

mod support;

use serde_json::json;
use std::io;
use std::sync::Mutex;
use support::issuer::{Key, all, flags, key_file};
use support::peer::{Asked, Peer};
use support::{Memory, with_gateway};
use tracing_subscriber::filter::LevelFilter;

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Kept;

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn no_log_shows_a_token() {
    tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_ansi(false).with_writer(|| Kept).init();
    let key = Key::ed(1);
    let path = key_file("logged", &[key.jwk("k")]);
    let good = key.good("k", "A1", 600, &all());
    let tokens = [
        good.clone(),
        Key::ed(2).good("k", "A1", 600, &all()),
        key.good("k", "A1", -1, &all()),
        key.good("j", "A1", 600, &all()),
    ];
    let used = tokens.clone();
    with_gateway(&flags(&path), &Memory::new(&["A.X"]), |address| async move {
        for token in &used {
            for op in ["hello", "auth"] {
                let mut peer = Peer::saying(address, &json!({"op": op, "token": token}).to_string()).await;
                peer.until(&["welcome", "error"]).await.unwrap();
            }
            let mut peer = Peer::saying(address, &json!({"op": "hello", "token": good}).to_string()).await;
            peer.until(&["welcome"]).await.unwrap();
            peer.ask(&json!({"op": "auth", "token": token}).to_string(), &["authenticated", "error"]).await;
            let mut peer = Peer::connect(address, None).await;
            peer.send(
                &Asked::of(&address.to_string()).with("Authorization", &format!("Bearer {token}")).bytes(),
            )
            .await;
            peer.status().await.unwrap();
            let mut peer = Peer::connect(address, None).await;
            let line = format!("GET /v1/snapshot?token={token} HTTP/1.1");
            peer.send(&Asked::of(&address.to_string()).line(&line).bytes()).await;
            peer.status().await.unwrap();
        }
    });
    let log = String::from_utf8(std::mem::take(&mut *LOG.lock().unwrap())).unwrap();
    assert!(log.contains("tokens say who somebody is"), "the log is listened to: {log}");
    for token in &tokens {
        for part in token.split('.').skip(1) {
            assert!(!log.contains(part), "a part of a token is in the log");
        }
    }
}
