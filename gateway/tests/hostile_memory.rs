//! Lengths that a head claims reserve nothing. A file of its own: it measures the memory of its process.

#![expect(clippy::unwrap_used, reason = "a test ends by its panic")]

mod support;

use support::apart::{Apart, Healthy, clients};
use support::peer::{Asked, BINARY, Frame, Nothing, Peer, TEXT};

/// Connections that claim.
const CLAIMING: u32 = 200;

/// What the process may grow by meanwhile, whatever they claim (safety figure S2).
const GROWTH_MAX_KIB: u64 = 32 << 10;

/// Resident and reserved data of this process, KiB.
fn memory_kib() -> [u64; 2] {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    ["VmRSS:", "VmData:"].map(|name| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    })
}

#[test]
fn claims_of_length_reserve_no_memory() {
    let gateway = Apart::start(&["--socket-echo"]);
    clients(async {
        let address = gateway.address;
        let healthy = Healthy::start(address);
        healthy.answered().await;
        let before = memory_kib();
        let echo = Asked::of(&address.to_string()).line("GET /echo HTTP/1.1").bytes();
        let mut waiting = Vec::new();
        for at in 0..CLAIMING {
            // Within the limit of /echo, and of /ws: the gateway waits for what never comes.
            let (asked, len) = if at % 2 == 0 { (echo.clone(), 16 << 20) } else { (ws(address), 65_536) };
            let mut peer = Peer::connect(address, None).await;
            peer.send(&asked).await;
            assert_eq!(peer.status().await, Ok(101));
            let claim = Frame { opcode: TEXT, payload: b"          ", claim: Some(len), ..Frame::default() };
            peer.send(&claim.bytes()).await;
            waiting.push(peer);
            // Above it: told at once.
            for (claim, code) in [(16 << 20, 1009), (1 << 40, 1009), (1 << 63, 1002), (u64::MAX, 1002)] {
                let mut peer = Peer::session(address).await;
                let frame = Frame { opcode: BINARY, size: Some(8), claim: Some(claim), ..Frame::default() };
                peer.send(&frame.bytes()).await;
                assert_eq!(peer.close_code().await, Ok(code), "{claim}");
                assert_eq!(peer.rest().await.1, Nothing::Ended);
            }
        }
        healthy.answered().await;
        let after = memory_kib();
        println_growth(before, after);
        for (before, after) in before.into_iter().zip(after) {
            assert!(after.saturating_sub(before) <= GROWTH_MAX_KIB, "{before} KiB became {after} KiB");
        }
        drop(waiting);
        healthy.stop().await;
        gateway.stop().await;
    });
}

fn ws(address: std::net::SocketAddr) -> Vec<u8> {
    Asked::of(&address.to_string()).bytes()
}

#[expect(clippy::print_stdout, reason = "the measured bound, shown with --show-output")]
fn println_growth(before: [u64; 2], after: [u64; 2]) {
    println!("resident and reserved data, KiB: {before:?} became {after:?}");
}
