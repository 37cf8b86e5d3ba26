//! Places under the cap, and plain HTTP that would keep one: nobody holds a place without end, and a refusal is read.

#![expect(clippy::unwrap_used, reason = "a test ends by its panic")]

mod support;

use futures_util::future::join_all;
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::apart::{Apart, Healthy, clients};
use support::peer::{HELLO, Nothing, Peer, TEXT, frame, get};

/// A page that no socket swallows whole.
const BIG_BYTES: usize = 32 << 20;

/// A folder of this test's own, empty.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _not_there = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn above_the_cap_the_answer_is_503_and_there_is_room_again_when_one_leaves() {
    let gateway = Apart::start(&["--sessions-max", "6"]);
    clients(async {
        let address = gateway.address;
        let healthy = Healthy::start(address);
        healthy.answered().await;
        let mut inside = Vec::new();
        for _ in 0..5 {
            inside.push(Peer::session(address).await);
        }
        for round in 0..5 {
            // More at a time than are kept until they have read it.
            let refused = join_all((0..40).map(async |_| {
                let mut peer = Peer::connect(address, None).await;
                assert_eq!(peer.status().await, Ok(503));
                assert!(peer.head.contains("\r\nretry-after: 1\r\n"), "{}", peer.head);
                assert_eq!(peer.rest().await, (b"no room\n".to_vec(), Nothing::Ended));
            }));
            refused.await;
            // Their ends lie before this ping, so their places among the few that linger are free again.
            healthy.answered().await;
            let mut asking = Peer::connect(address, None).await;
            assert_eq!(asking.upgrade(address).await, Ok(503), "{round}");
            assert_eq!(asking.rest().await.1, Nothing::Ended);
            drop(asking);
            drop(inside.pop());
            inside.push(gateway.lets_in().await);
        }
        drop(inside);
        healthy.stop().await;
        gateway.stop().await;
    });
}

#[test]
fn an_answer_that_nobody_reads_holds_its_place_for_ten_seconds() {
    let folder = folder("unread");
    std::fs::write(folder.join("big.js"), vec![b' '; BIG_BYTES]).unwrap();
    let gateway = Apart::start(&["--sessions-max", "2", "--page-dir", folder.to_str().unwrap()]);
    clients(async {
        let address = gateway.address;
        let healthy = Healthy::start(address);
        healthy.answered().await;
        let mut deaf = Peer::connect(address, None).await;
        deaf.send(format!("GET /big.js HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes()).await;
        assert_eq!(deaf.status().await, Ok(200));
        for _ in 0..9 {
            gateway.jump(Duration::from_secs(1)).await;
            healthy.answered().await;
        }
        let mut newcomer = Peer::connect(address, None).await;
        assert_eq!(newcomer.upgrade(address).await, Ok(503));
        for _ in 0..2 {
            gateway.jump(Duration::from_secs(1)).await;
            healthy.answered().await;
        }
        drop((gateway.lets_in().await, deaf));
        healthy.stop().await;
        gateway.stop().await;
    });
}

#[test]
fn a_body_that_drips_without_end_holds_no_place() {
    for (how, byte) in [("Content-Length: 1000000", "x"), ("Transfer-Encoding: chunked", "1\r\nx\r\n")] {
        let gateway = Apart::start(&["--sessions-max", "2"]);
        clients(async {
            let address = gateway.address;
            let healthy = Healthy::start(address);
            healthy.answered().await;
            let mut drip = Peer::connect(address, None).await;
            let head = format!("POST /v1/instruments HTTP/1.1\r\nHost: {address}\r\n{how}\r\n\r\n");
            drip.send(head.as_bytes()).await;
            assert_eq!(drip.status().await, Ok(405), "{how}");
            for _ in 0..4 {
                drip.send(byte.as_bytes()).await;
                gateway.jump(Duration::from_secs(1)).await;
                healthy.answered().await;
            }
            drop((gateway.lets_in().await, drip));
            healthy.stop().await;
            gateway.stop().await;
        });
    }
}

#[test]
fn plain_answers_let_a_browser_guess_nothing() {
    let folder = folder("headers");
    std::fs::write(folder.join("index.html"), "<!doctype html>").unwrap();
    let gateway = Apart::start(&["--page-dir", folder.to_str().unwrap()]);
    clients(async {
        let address = gateway.address;
        for (path, status) in [("/", 200), ("/healthz", 200), ("/metrics", 200), ("/nope", 404), ("/ws", 426)]
        {
            let (is, head, _) = get(address, path).await;
            assert_eq!(is, status, "{path}");
            assert!(head.contains("\r\nx-content-type-options: nosniff\r\n"), "{path}: {head}");
        }
        let (_, head, _) = get(address, "/").await;
        let policy = head.lines().find(|line| line.starts_with("content-security-policy:")).unwrap();
        assert!(policy.contains("default-src 'self'; connect-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("ws:"), "{policy}");
        for (path, methods) in [("/ws", "get"), ("/metrics", "get, head"), ("/nope", "get, head")] {
            let mut peer = Peer::connect(address, None).await;
            peer.send(format!("DELETE {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes()).await;
            assert_eq!(peer.status().await, Ok(405), "{path}");
            assert!(peer.head.contains(&format!("\r\nallow: {methods}\r\n")), "{path}: {}", peer.head);
        }
        gateway.stop().await;
    });
}

#[test]
fn links_in_the_pages_folder_are_passed_over() {
    use std::os::unix::fs::symlink;
    let (folder, outside) = (folder("links"), folder("outside"));
    std::fs::write(outside.join("secret.txt"), "secret").unwrap();
    std::fs::create_dir(folder.join("deep")).unwrap();
    std::fs::write(folder.join("deep/page.txt"), "page").unwrap();
    symlink(&outside, folder.join("out")).unwrap();
    symlink(outside.join("secret.txt"), folder.join("secret.txt")).unwrap();
    symlink(&folder, folder.join("deep/round")).unwrap();
    symlink("nowhere", folder.join("dangling")).unwrap();
    let gateway = Apart::start(&["--page-dir", folder.to_str().unwrap()]);
    clients(async {
        let address = gateway.address;
        assert_eq!(get(address, "/deep/page.txt").await.2, "page");
        for path in ["/out/secret.txt", "/out", "/secret.txt", "/deep/round/deep/page.txt", "/dangling"] {
            assert_eq!(get(address, path).await.0, 404, "{path}");
        }
        gateway.stop().await;
    });
}

#[test]
fn stopping_ends_clients_that_do_not_listen_too() {
    let gateway = Apart::start(&[]);
    clients(async {
        let mut listening = Peer::session(gateway.address).await;
        let mut deaf = Peer::connect(gateway.address, Some(4_096)).await;
        assert_eq!(deaf.upgrade(gateway.address).await, Ok(101));
        deaf.send(&frame(TEXT, HELLO)).await;
        deaf.flood(&frame(9, &[b'x'; 125]).repeat(20), Duration::from_millis(100)).await;
        let took = gateway.stop_at_once().await;
        assert_eq!(listening.close_code().await, Ok(1001));
        // Two seconds for those that do not take their goodbye; the next bound, of all goodbyes together, is four.
        assert!(took < Duration::from_millis(3_500), "{took:?}");
    });
}
