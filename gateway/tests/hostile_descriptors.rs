//! A process without a free descriptor: whoever comes is told so at once, nothing spins, and it passes. A file of its own:
//! it takes all descriptors of its process, clients included.

#![expect(clippy::unwrap_used, reason = "a test ends by its panic")]

mod support;

use rustix::process::{Resource, getrlimit, setrlimit};
use std::fs::File;
use std::net::SocketAddr;
use std::time::Duration;
use support::apart::{Apart, clients};
use support::peer::{Peer, TEXT, frame, metric};
use tokio::io::AsyncReadExt;
use tokio::net::TcpSocket;
use tokio::time::{Instant, timeout};

/// Descriptors of this process.
const DESCRIPTORS: u64 = 128;

/// Clients that come when there is none left.
const COMING: usize = 40;

/// What is told to them, and how the stream ends.
async fn told(socket: TcpSocket, address: SocketAddr) -> String {
    let mut stream = socket.connect(address).await.unwrap();
    let mut text = String::new();
    timeout(Duration::from_secs(10), stream.read_to_string(&mut text)).await.unwrap().unwrap();
    text
}

#[test]
fn without_descriptors_newcomers_are_told_at_once_and_sessions_go_on() {
    let mut limit = getrlimit(Resource::Nofile);
    (limit.current, limit.maximum) = (Some(DESCRIPTORS), Some(DESCRIPTORS));
    setrlimit(Resource::Nofile, limit).unwrap();
    let gateway = Apart::start(&[]);
    clients(async {
        let address = gateway.address;
        assert_eq!(metric(address, "gw_connections_max").await, 86);
        let mut inside = Peer::session(address).await;
        inside.until(&["welcome"]).await.unwrap();
        let coming: Vec<TcpSocket> = (0..COMING).map(|_| TcpSocket::new_v4().unwrap()).collect();
        // The client's connections are gone at the gateway too: no descriptor comes back meanwhile.
        gateway.reaches("gw_connections", 2).await;
        let mut taken = Vec::new();
        while let Ok(file) = File::open("/dev/null") {
            taken.push(file);
        }
        assert!(taken.len() > 10, "{}", taken.len());
        let asked = Instant::now();
        for socket in coming {
            let text = told(socket, address).await;
            assert!(text.starts_with("HTTP/1.1 503 ") && text.contains("\r\nretry-after: 1\r\n"), "{text:?}");
            // The descriptor that this client gave back is taken again.
            taken.extend(File::open("/dev/null"));
        }
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
        inside.send(&frame(TEXT, br#"{"op":"ping","t":7}"#)).await;
        assert_eq!(inside.until(&["pong"]).await.unwrap()["t"], 7);
        drop(taken);
        let refused = metric(address, "gw_refused_total").await;
        assert_eq!(refused, COMING as u64);
        drop((gateway.lets_in().await, inside));
        gateway.stop().await;
    });
}
