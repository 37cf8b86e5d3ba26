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

/// Of these may find a descriptor: gateway and clients share the process, and one that was just given back goes to
/// whoever is faster.
const LUCKY_MAX: usize = COMING / 5;

/// What is told to one of them before it asked anything; none = it was let in, and is waited for.
async fn told(socket: TcpSocket, address: SocketAddr) -> Option<String> {
    let mut stream = socket.connect(address).await.unwrap();
    let mut text = String::new();
    let read = timeout(Duration::from_millis(500), stream.read_to_string(&mut text)).await;
    read.ok().map(|read| read.map(|_| text).unwrap())
}

/// The next descriptor that somebody gives back.
async fn given_back() -> File {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match File::open("/dev/null") {
            Ok(file) => return file,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn take_all(taken: &mut Vec<File>) {
    while let Ok(file) = File::open("/dev/null") {
        taken.push(file);
    }
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
        take_all(&mut taken);
        assert!(taken.len() > 10, "{}", taken.len());
        let (asked, mut lucky) = (Instant::now(), 0);
        for socket in coming {
            let told = told(socket, address).await;
            // The descriptor that this client gave back is taken again, and no other: the gateway's spare one is its own.
            taken.extend(File::open("/dev/null"));
            let Some(text) = told else {
                lucky += 1;
                // The gateway gives back what it held for this client: nobody else is to find it.
                taken.push(given_back().await);
                continue;
            };
            assert!(text.starts_with("HTTP/1.1 503 ") && text.contains("\r\nretry-after: 1\r\n"), "{text:?}");
        }
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
        inside.send(&frame(TEXT, br#"{"op":"ping","t":7}"#)).await;
        assert_eq!(inside.until(&["pong"]).await.unwrap()["t"], 7);
        drop(taken);
        let refused = metric(address, "gw_refused_total").await;
        assert_eq!(refused, (COMING - lucky) as u64);
        assert!(lucky <= LUCKY_MAX, "{lucky} were let in");
        drop((gateway.lets_in().await, inside));
        gateway.stop().await;
    });
}
